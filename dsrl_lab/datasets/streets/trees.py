"""Trees, bushes and hedges: trunks and branches as rods, crowns as clouds of tufts."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dsrl_lab.datasets.streets.dice import Colour, Dice, blend, palette
from dsrl_lab.datasets.streets.geometry import Point, blob, capsule, disc
from dsrl_lab.datasets.streets.mesh import LEAVES, TREE, Mesh

CROWNS = palette("5c7438 6f8140 4d6a3a 7d8a44 60704a 8a8f52")
AUTUMN = palette("a5793a b58a45 8f5f33 9c8a4a a0603a")
BARK = palette("6b5a4a 7a6a5a 5a5048 857a70")


@dataclass(frozen=True)
class Tree:
    """A tree, a bush (no trunk) or a bare tree.

    Args:
        place: where it stands, (X, Y, Z) in metres.
        height: metres in all.
        width: metres across the crown, 0 for a bare tree.
        clear: metres of trunk below the crown.
        colour: albedo of the leaves.
        bark: albedo of the trunk.
        key: for the details.
    """

    place: Point
    height: float
    width: float
    clear: float
    colour: Colour
    bark: Colour
    key: int


def draw_tree(mesh: Mesh, tree: Tree, light: tuple[float, float, float]) -> None:
    """Draw a tree; ``light`` is the unit vector towards the sun."""
    dice = Dice(tree.key)
    mesh.begin(TREE)
    x, y, z = tree.place
    far = z > 60
    if tree.width == 0:
        _branches(mesh, dice, tree.place, tree.height, tree.bark)
        mesh.cast([(px, 0.0, pz) for px, pz in _rod_shadow(mesh, tree.place, tree.height * 0.7, 0.16)])
        return
    radius, half = tree.width / 2, (tree.height - tree.clear) / 2
    centre = (x, y + tree.clear + half, z)
    if tree.clear > 0.3:
        thick = 0.05 + tree.height * 0.017
        top = (x + dice.spread(0.3), y + tree.clear + half, z)
        mesh.face(capsule(tree.place, top, thick, thick * 0.6, caps=0), tree.bark, sun=0.25, texture=LEAVES)
        side = 0.5 * thick if light[0] > 0 else -0.5 * thick
        mesh.face(
            capsule((x + side, y, z), (top[0] + side * 0.6, top[1], z), thick * 0.4, thick * 0.25, caps=0),
            blend(tree.bark, (1, 0.95, 0.85), 0.12), sun=0.6, texture=LEAVES,
        )  # fmt: skip
        for _ in range(3):
            start = y + tree.clear * dice.uniform(0.75, 1.0)
            tip = (x + dice.spread(radius), y + tree.clear + half * dice.uniform(0.3, 1.2), z)
            mesh.face(capsule((x, start, z), tip, thick * 0.45, thick * 0.2, caps=0), tree.bark, sun=0.2)
        mesh.cast([(px, 0.0, pz) for px, pz in _rod_shadow(mesh, tree.place, tree.clear + half, thick)])
    tufts = 26 if far else 64
    size = 0.46 if far else 0.33
    spots = []
    for _ in range(tufts):
        angle, height = dice.unit() * 2 * math.pi, 2 * dice.unit() - 1
        reach = (0.25 + 0.75 * dice.unit() ** 0.5) * 0.86
        flat = math.sqrt(1 - height * height) * reach
        spots.append((math.cos(angle) * flat, height * reach, math.sin(angle) * flat))
    spots.sort(key=lambda p: -p[2] + 0.9 * (p[0] * light[0] + p[1] * light[1]) - 0.5 * p[2] * light[2])
    mesh.face(blob(centre, radius * 0.72, dice, 14, rough=0.25) if half < radius * 1.3 else
              disc(centre, radius * 0.6, 14, stretch=half / radius), tree.colour, sun=0.05, openness=0.45, texture=LEAVES)  # fmt: skip
    for dx, dy, dz in spots:
        facing = dx * light[0] + dy * light[1] + dz * light[2]
        sun = min(1.0, max(0.0, 0.32 + 0.75 * facing))
        open_sky = min(1.0, max(0.35, 0.66 + 0.38 * dy))
        spot = (centre[0] + dx * radius, centre[1] + dy * half, z + dz * radius * 0.5)
        size_here = size * min(radius, half) * dice.uniform(0.7, 1.15)
        mesh.face(
            blob(spot, size_here, dice, 9, rough=0.42),
            dice.tint(tree.colour, 0.07), sun=sun, openness=open_sky, texture=LEAVES,
        )  # fmt: skip
    if not far:
        for _ in range(70):
            angle, reach = dice.unit() * 2 * math.pi, dice.uniform(0.7, 1.1)
            dx, dy = math.cos(angle) * reach, math.sin(angle) * reach
            sun = min(1.0, max(0.0, 0.35 + 0.7 * (dx * light[0] + dy * light[1])))
            spot = (centre[0] + dx * radius, centre[1] + dy * half, z)
            mesh.face(
                blob(spot, dice.uniform(0.06, 0.17) * min(radius, 2.2), dice, 5, rough=0.5),
                dice.tint(tree.colour, 0.08), sun=sun, openness=0.8,
            )  # fmt: skip
    if mesh.sun is not None and z < 70:
        for dx, dy, dz in spots[::2]:
            px, pz = mesh.fall((x + dx * radius, centre[1] + dy * half, z + dz * radius))
            r = size * radius * 1.1
            mesh.cast(
                [
                    (px + r * a, 0.0, pz + r * b)
                    for a, b in ((1, 0), (0.5, 0.87), (-0.5, 0.87), (-1, 0), (-0.5, -0.87), (0.5, -0.87))
                ]
            )


def _rod_shadow(mesh: Mesh, foot: Point, height: float, radius: float) -> list[tuple[float, float]]:
    """Return the outline of the shadow of an upright rod."""
    if mesh.sun is None:
        return []
    dx, dz = mesh.sun
    length = math.hypot(dx, dz)
    nx, nz = -dz / length * radius, dx / length * radius
    x, _, z = foot
    tx, tz = x + dx * height, z + dz * height
    return [(x - nx, z - nz), (x + nx, z + nz), (tx + nx * 0.6, tz + nz * 0.6), (tx - nx * 0.6, tz - nz * 0.6)]


def _branches(mesh: Mesh, dice: Dice, foot: Point, height: float, bark: Colour) -> None:
    """Draw a bare tree: each branch carries two or three thinner ones."""

    def grow(start: Point, angle: float, length: float, thick: float, depth: int) -> None:
        x, y, z = start
        tip = (x + length * math.sin(angle), y + length * math.cos(angle), z)
        mesh.face(capsule(start, tip, thick, thick * 0.65, caps=0), bark, sun=0.4)
        if depth == 0:
            return
        for k in range(2 if depth > 3 else dice.integer(2, 3)):
            turn = angle + (k - 0.7) * dice.uniform(0.45, 0.75) + dice.spread(0.25)
            share = dice.uniform(0.55, 1.0)
            joint = (x + (tip[0] - x) * share, y + (tip[1] - y) * share, z)
            grow(joint, turn * 0.92, length * dice.uniform(0.6, 0.78), thick * 0.6, depth - 1)

    grow(foot, dice.spread(0.06), height * 0.32, 0.04 + height * 0.014, 5 if foot[2] < 35 else 4)


@dataclass(frozen=True)
class Hedge:
    """A clipped hedge from ``start`` to ``stop`` (world positions on the ground)."""

    start: Point
    stop: Point
    height: float
    colour: Colour
    key: int


def draw_hedge(mesh: Mesh, hedge: Hedge, light: tuple[float, float, float]) -> None:
    """Draw a hedge as a row of tufts on a dark body."""
    dice = Dice(hedge.key)
    mesh.begin(TREE)
    (x0, y0, z0), (x1, y1, z1) = hedge.start, hedge.stop
    h = hedge.height * 0.92
    mesh.face(
        [(x0, y0, z0), (x1, y1, z1), (x1, y1 + h, z1), (x0, y0 + h, z0)],
        hedge.colour,
        sun=0.12,
        openness=0.55,
        texture=LEAVES,
    )
    tufts = int(math.hypot(x1 - x0, z1 - z0) * 7)
    for i in sorted(range(tufts), key=lambda k: -(k % max(1, tufts // 3))):
        share, up = (i + dice.unit()) / tufts, dice.unit()
        spot = (x0 + (x1 - x0) * share, y0 + hedge.height * (0.12 + 0.86 * up), z0 + (z1 - z0) * share)
        sun = (0.15 + 0.6 * up) * (0.5 + 0.5 * light[1])
        mesh.face(
            blob(spot, dice.uniform(0.1, 0.22), dice, 7, rough=0.4),
            dice.tint(hedge.colour, 0.07),
            sun=sun,
            openness=0.5 + 0.5 * up,
            texture=LEAVES,
        )
