"""Trees, bushes and hedges: trunks and branches as rods, crowns as clouds of tufts."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsrl_lab.streets.dice import Colour, Dice, blend, palette
from dsrl_lab.streets.geometry import Point, capsule
from dsrl_lab.streets.mesh import LEAVES, TREE, Mesh

CROWNS = palette("5c7438 6f8140 4d6a3a 7d8a44 60704a 8a8f52")
AUTUMN = palette("a5793a b58a45 8f5f33 9c8a4a a0603a")
BARK = palette("6b5a4a 7a6a5a 5a5048 857a70")
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Tree:
    """A tree, a bush (no trunk) or a bare tree."""

    place: Point  # where it stands, (X, Y, Z) in metres
    height: float  # metres in all
    width: float  # metres across the crown, 0 for a bare tree
    clear: float  # metres of trunk below the crown
    colour: Colour  # albedo of the leaves
    bark: Colour  # albedo of the trunk
    key: int  # for the details


@dataclass(frozen=True)
class Hedge:
    """A clipped hedge from ``start`` to ``stop`` (world positions on the ground)."""

    start: Point
    stop: Point
    height: float
    colour: Colour
    key: int


def _tufts(
    mesh: Mesh, dice: Dice, centres: Floats, radii: Floats, colour: Colour, sun: Floats, sky: Floats, corners: int = 8
) -> None:
    """Draw ragged discs that face the camera: centres (n, 3), all else (n,)."""
    n = len(centres)
    angle = dice.units(n, 1) * 6.28 + np.arange(corners) * (2 * math.pi / corners)
    reach = radii[:, None] * (1 - 0.45 * dice.units(n, corners))
    shapes = np.repeat(centres[:, None, :], corners, 1)
    shapes[..., 0] += reach * np.cos(angle)
    shapes[..., 1] += reach * np.sin(angle)
    tint = 1 + 0.16 * (dice.units(n, 1) - dice.units(n, 1)) + 0.07 * (dice.units(n, 3) - dice.units(n, 3))
    mesh.faces(shapes, np.array(colour) * tint, np.clip(sun, 0, 1), np.clip(sky, 0.3, 1), LEAVES)


def draw_tree(mesh: Mesh, tree: Tree, light: Point) -> None:
    """Draw a tree; ``light`` is the unit vector towards the sun."""
    dice = Dice(tree.key)
    mesh.begin(TREE)
    if tree.width == 0:
        _branches(mesh, dice, tree.place, tree.height, tree.bark)
        mesh.cast_rod(tree.place, (tree.place[0], tree.place[1] + 0.7 * tree.height, tree.place[2]), 0.16)
        return
    x, y, z = tree.place
    radius, half = tree.width / 2, (tree.height - tree.clear) / 2
    centre = np.array([x, y + tree.clear + half, z])
    if tree.clear > 0.3:
        _trunk(mesh, dice, tree, radius, half, light)
    n = max(30, min(120, int(220 * tree.height / z)))
    size = 1.45 / n**0.36 * min(radius, half)
    height, turn = 2 * dice.units(n) - 1, dice.units(n) * 2 * math.pi
    flat = np.sqrt(1 - height**2)
    way = np.stack([flat * np.cos(turn), height, flat * np.sin(turn)], 1)
    lumps = 1 + 0.16 * np.sin(3 * turn + dice.unit() * 6.28) * flat + 0.10 * np.sin(5 * height + dice.unit() * 6.28)
    way *= ((0.35 + 0.65 * np.sqrt(dice.units(n))) * 0.88 * lumps)[:, None]
    facing = way @ np.array(light)
    way, facing = (a[np.argsort(-way[:, 2] + 0.7 * facing, kind="stable")] for a in (way, facing))
    spots = centre + way * np.array([radius, half, radius * 0.5])
    inner = centre + way[::4] * np.array([radius, half, 0.0]) * 0.66
    wide, dim, close = (np.full(len(inner), value) for value in (1.7 * size, 0.03, 0.42))
    _tufts(mesh, dice, inner, wide, tree.colour, dim, close)
    radii = size * (0.65 + 0.5 * dice.units(n))
    _tufts(mesh, dice, spots, radii, tree.colour, 0.3 + 0.8 * facing, 0.66 + 0.4 * way[:, 1])
    if z < 60:
        edge, turn = 0.9 + 0.16 * dice.units(n), dice.units(n) * 2 * math.pi
        leaves = np.stack([np.cos(turn) * edge, np.sin(turn) * edge, np.zeros(n)], 1)
        spots = centre + leaves * np.array([radius, half, 1.0]) * 0.93
        small, sun = size * (0.2 + 0.25 * dice.units(n)), 0.3 + 0.7 * leaves @ np.array(light)
        _tufts(mesh, dice, spots, small, tree.colour, sun, np.full(n, 0.75), corners=5)
    if mesh.sun is not None and z < 80:
        hexagon = [(math.cos(k * math.pi / 3), math.sin(k * math.pi / 3)) for k in range(6)]
        for k in range(0, n, max(1, n // 40)):
            px, pz = mesh.fall((x + way[k, 0] * radius, centre[1] + way[k, 1] * half, z + way[k, 2] * radius))
            r = 0.30 * radius
            mesh.cast([(px + r * a, 0.0, pz + r * b) for a, b in hexagon])


def _trunk(mesh: Mesh, dice: Dice, tree: Tree, radius: float, half: float, light: Point) -> None:
    x, y, z = tree.place
    thick = 0.05 + tree.height * 0.017
    top = (x + dice.spread(0.3), y + tree.clear + half, z)
    mesh.face(capsule(tree.place, top, thick, thick * 0.6, caps=0), tree.bark, sun=0.2, texture=LEAVES)
    side = 0.5 * thick if light[0] > 0 else -0.5 * thick
    left, right = (x + side, y, z), (top[0] + side * 0.6, top[1], z)
    shape = capsule(left, right, thick * 0.45, thick * 0.25, caps=0)
    mesh.face(shape, blend(tree.bark, (1, 0.95, 0.85), 0.1), sun=0.65, texture=LEAVES)
    for _ in range(3):
        start = y + tree.clear * dice.uniform(0.75, 1.0)
        tip = (x + dice.spread(radius), y + tree.clear + half * dice.uniform(0.3, 1.2), z)
        mesh.face(capsule((x, start, z), tip, thick * 0.45, thick * 0.2, caps=0), tree.bark, sun=0.2)
    mesh.cast_rod(tree.place, top, thick)


def _branches(mesh: Mesh, dice: Dice, foot: Point, height: float, bark: Colour) -> None:
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

    grow(foot, dice.spread(0.06), height * 0.32, 0.04 + height * 0.014, 5 if foot[2] < 30 else 4)


def draw_hedge(mesh: Mesh, hedge: Hedge, light: Point) -> None:
    """Draw a hedge as rows of tufts on a dark body, the top rows lightest."""
    dice = Dice(hedge.key)
    mesh.begin(TREE)
    start, stop = np.array(hedge.start), np.array(hedge.stop)
    h = hedge.height * 0.92
    (x0, y0, z0), (x1, y1, z1) = hedge.start, hedge.stop
    body = [(x0, y0, z0), (x1, y1, z1), (x1, y1 + h, z1), (x0, y0 + h, z0)]
    mesh.face(body, hedge.colour, sun=0.1, openness=0.5, texture=LEAVES)
    n = int(float(np.linalg.norm(stop - start)) * 9)
    up = np.sort(dice.units(n))
    spots = start + (stop - start) * dice.units(n, 1)
    spots[:, 1] += hedge.height * (0.1 + 0.86 * up)
    sun = (0.15 + 0.7 * up) * (0.5 + 0.5 * light[1])
    _tufts(mesh, dice, spots, 0.09 + 0.11 * dice.units(n), hedge.colour, sun, 0.45 + 0.55 * up, corners=7)
    ends = [(x0, z0), (x1, z1), mesh.fall((x1, h, z1)), mesh.fall((x0, h, z0))]
    mesh.cast([(px, 0.0, pz) for px, pz in ends])
