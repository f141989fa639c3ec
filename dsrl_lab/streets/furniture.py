"""The thin things: lamp posts, sign posts, traffic lights, bollards, and fences one can see through."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dsrl_lab.streets.dice import Colour, Dice, blend, palette
from dsrl_lab.streets.geometry import ROUND, Frame, Point, Shape, capsule
from dsrl_lab.streets.mesh import BOARDS, FENCE, POLE, SIGN, Mesh

METALS = palette("6f7478 8d9194 4a4f52 3d4a44 9a978f 5a5550")
WOODS = palette("7a6650 8f7d64 a08c70 6a5a4a 8a8378")
Outline = list[tuple[float, float]]
PostKind = Literal["lamp", "double lamp", "sign", "traffic light", "gantry light", "bollard", "wood", "board"]
FenceKind = Literal["railing", "guard", "picket", "panel", "mesh", "rail"]


@dataclass(frozen=True)
class Post:
    """Something on a pole."""

    place: Point  # its foot, (X, Y, Z) in metres
    kind: PostKind  # what it carries
    height: float  # metres
    radius: float  # metres, at the foot
    colour: Colour  # albedo of the metal or wood
    yaw: float  # radians its front is turned away from the camera's side of the street
    reach: float  # metres its arm reaches to the right (negative: to the left)
    key: int  # for the details


def draw_post(mesh: Mesh, post: Post, evening: bool) -> None:
    """Draw a pole with what it carries."""
    dice = Dice(post.key)
    x, y, z = post.place
    mesh.begin(POLE)
    top = (x, y + post.height, z)
    _rod(mesh, post.place, top, post.radius, post.radius * (0.55 if "lamp" in post.kind else 0.95), post.colour)
    mesh.cast_rod(post.place, top, post.radius * 1.3)
    if post.kind == "bollard":
        band = y + post.height * 0.72
        mesh.face(capsule((x, band, z), (x, band + 0.12, z), post.radius, post.radius, caps=0), (0.85, 0.83, 0.78))
        return
    if "lamp" in post.kind:
        _rod(mesh, post.place, (x, y + 0.9, z), post.radius * 1.6, post.radius * 1.5, post.colour)
        for way in (-1, 1) if post.kind == "double lamp" else (1,):
            _lamp(mesh, post, top, way, evening)
    elif post.kind in ("sign", "board"):
        _signs(mesh, post, dice)
    elif post.kind == "traffic light":
        _light(mesh, post, (x, y + post.height - 0.15, z), dice)
    elif post.kind == "gantry light":
        tip = (x + post.reach, y + post.height + 0.25, z)
        _rod(mesh, top, tip, post.radius * 0.75, post.radius * 0.55, post.colour)
        _light(mesh, post, (tip[0], tip[1] - 0.1, z), dice)
        _light(mesh, post, (x, y + 3.0, z), dice)
    elif post.kind == "wood":
        mesh.face(capsule((x - 0.9, top[1] - 0.5, z), (x + 0.9, top[1] - 0.5, z), 0.06, 0.06, caps=0), post.colour)


def _rod(mesh: Mesh, a: Point, b: Point, start: float, stop: float, colour: Colour) -> None:
    mesh.face(capsule(a, b, start, stop, caps=0), blend(colour, (0, 0, 0), 0.12), sun=0.35)
    side = 1 if mesh.sun is not None and mesh.sun[0] < 0 else -1
    if abs(a[0] - b[0]) < 0.01 and a[2] < 40:
        left, right = (a[0] + side * start * 0.4, *a[1:]), (b[0] + side * stop * 0.4, *b[1:])
        mesh.face(capsule(left, right, start * 0.45, stop * 0.45, caps=0), blend(colour, (1, 1, 1), 0.12), sun=0.85)


def _lamp(mesh: Mesh, post: Post, top: Point, way: int, evening: bool) -> None:
    x, y, z = top
    reach = post.reach * way
    bends = [(0.0, 0.0), (0.25, 0.35), (0.6, 0.52), (1.0, 0.55)]
    for (a0, h0), (a1, h1) in pairwise(bends):
        start, stop = (x + reach * a0, y + h0, z), (x + reach * a1, y + h1, z)
        mesh.face(capsule(start, stop, post.radius * 0.5, post.radius * 0.45, caps=1), post.colour, sun=0.5)
        mesh.cast_rod(start, stop, post.radius * 0.6)
    side = 1 if reach > 0 else -1
    hx, hy = x + reach, y + 0.55
    head, under = (
        [(hx + side * a, hy + b, z) for a, b in outline]
        for outline in (
            ((-0.1, 0.08), (0.75, 0.06), (0.8, -0.02), (0.0, -0.1)),
            ((0.0, -0.1), (0.8, -0.02), (0.7, -0.09), (0.1, -0.16)),
        )
    )
    mesh.face(head, blend(post.colour, (0.8, 0.8, 0.8), 0.3), sun=0.6)
    mesh.face(under, (1.0, 0.86, 0.6) if evening else (0.86, 0.86, 0.82), glow=0.95 if evening else 0.0)


def _plate(mesh: Mesh, frame: Frame, up: float, outline: Outline, colour: Colour, scale: float) -> None:
    mesh.face([frame.at(a * scale, up + b * scale, -0.08) for a, b in outline], colour)


TRIANGLE = [(-1.0, -0.72), (1.0, -0.72), (0.0, 1.0)]
SQUARE = [(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)]
DIAMOND = [(-1.0, 0.0), (0.0, -1.0), (1.0, 0.0), (0.0, 1.0)]
OCTAGON = [(math.cos(math.pi * (i + 0.5) / 4), math.sin(math.pi * (i + 0.5) / 4)) for i in range(8)]
WIDE = [(-1.5, -0.6), (1.5, -0.6), (1.5, 0.6), (-1.5, 0.6)]
ARROW = [(-0.16, -0.6), (0.16, -0.6), (0.16, 0.1), (0.45, 0.1), (0.0, 0.7), (-0.45, 0.1), (-0.16, 0.1)]
BAR = [(-0.62, -0.16), (0.62, -0.16), (0.62, 0.16), (-0.62, 0.16)]
MARK = [(-0.12, -0.4), (0.12, -0.4), (0.12, 0.4), (-0.12, 0.4)]
RED, WHITE, BLUE, GREEN, AMBER, BLACK = palette("b8322e ece9e2 2f5f9e 2f6b4a d9a83a 26272a")
# outline, colour, inner scale, inner colour, symbol, colour of the symbol
PLATES: tuple[tuple[Outline, Colour, float, Colour, Outline, Colour], ...] = (
    (ROUND, RED, 0.76, WHITE, MARK, BLACK),
    (ROUND, RED, 0.94, RED, BAR, WHITE),
    (ROUND, BLUE, 0.92, BLUE, ARROW, WHITE),
    (TRIANGLE, RED, 0.7, WHITE, MARK, BLACK),
    (OCTAGON, RED, 0.9, RED, BAR, WHITE),
    (SQUARE, BLUE, 0.92, BLUE, ARROW, WHITE),
    (SQUARE, WHITE, 0.92, GREEN, BAR, WHITE),
    (DIAMOND, WHITE, 0.78, AMBER, MARK, AMBER),
    (WIDE, WHITE, 0.93, GREEN, BAR, WHITE),
    (WIDE, BLACK, 0.94, WHITE, BAR, BLACK),
)


def _signs(mesh: Mesh, post: Post, dice: Dice) -> None:
    frame = Frame(post.place, post.yaw)
    mesh.begin(SIGN)
    back = dice.chance(0.2)
    if post.kind == "board":
        size, up = dice.uniform(0.5, 0.85), post.height - 0.4
        ground = dice.pick((BLUE, GREEN, WHITE, (0.36, 0.33, 0.30)))
        _plate(mesh, frame, up, WIDE, WHITE if ground != WHITE else BLACK, size)
        _plate(mesh, frame, up, WIDE, ground, size * 0.95)
        ink = BLACK if ground == WHITE else WHITE
        for k in range(3):
            width = dice.uniform(0.5, 1.0)
            words = [(-1.25, 0.0), (-1.25 + 1.6 * width, 0.0), (-1.25 + 1.6 * width, 0.16), (-1.25, 0.16)]
            _plate(mesh, frame, up + (0.24 - 0.34 * k) * size, words, ink, size)
        _plate(mesh, frame, up - 0.05 * size, [(a * 0.45 + 0.95, b * 0.45) for a, b in ARROW], ink, size)
        return
    up = post.height - 0.2
    for _ in range(1 if dice.chance(0.6) else 2):
        outline, rim, inner, colour, symbol, ink = dice.pick(PLATES[:8] if up > 2.0 else PLATES)
        size = dice.uniform(0.26, 0.37)
        _plate(mesh, frame, up, outline, (0.5, 0.51, 0.52) if back else rim, size)
        if not back:
            _plate(mesh, frame, up, outline, colour, size * inner)
            _plate(mesh, frame, up, symbol, ink, size * 0.8)
        up -= size * 2.05


def _light(mesh: Mesh, post: Post, top: Point, dice: Dice) -> None:
    mesh.begin(SIGN)
    frame = Frame(top, post.yaw)
    if dice.chance(0.5):
        board = [(-0.34, -0.62), (0.34, -0.62), (0.34, 0.62), (-0.34, 0.62)]
        _plate(mesh, frame, -0.5, board, dice.pick((WHITE, BLACK)), 1.0)
    box = [(-0.19, -0.5), (0.19, -0.5), (0.19, 0.5), (-0.19, 0.5)]
    _plate(mesh, frame, -0.5, box, (0.13, 0.14, 0.14), 1.0)
    on = dice.integer(0, 2)
    for k, colour in enumerate(((1.0, 0.2, 0.15), (1.0, 0.7, 0.2), (0.25, 1.0, 0.6))):
        lamp = [(a * 0.13, b * 0.13) for a, b in ROUND[::2]]
        shape = [frame.at(a, -0.18 - 0.32 * k + b, -0.1) for a, b in lamp]
        mesh.face(shape, colour if k == on else blend(colour, (0.1, 0.1, 0.1), 0.8), glow=0.95 if k == on else 0.0)


@dataclass(frozen=True)
class Fence:
    """A piece of fence between two world positions on the ground, two or three metres long."""

    start: Point  # near end
    stop: Point  # far end
    kind: FenceKind  # how it is made
    height: float  # metres
    spacing: float  # metres between its bars
    colour: Colour  # albedo


def draw_fence(mesh: Mesh, fence: Fence) -> None:
    """Draw one piece of fence, bar by bar."""
    mesh.begin(FENCE)
    (x0, y0, z0), (x1, y1, z1) = fence.start, fence.stop
    length = math.hypot(x1 - x0, z1 - z0)

    def at(share: float, up: float) -> Point:
        return x0 + (x1 - x0) * share, y0 + (y1 - y0) * share + up, z0 + (z1 - z0) * share

    def rail(up: float, thick: float) -> None:
        shape: Shape = [at(0, up), at(1, up), at(1, up + thick), at(0, up + thick)]
        mesh.face(shape, fence.colour)
        mesh.cast_rod(at(0, up), at(1, up), thick / 2)

    def bars_at(shares: NDArray[np.float64], width: float, low: float, high: float, colour: Colour) -> None:
        feet = np.array(at(0, low)) + (np.array(at(1, low)) - np.array(at(0, low))) * shares[:, None]
        shapes = np.repeat(feet[:, None, :], 4, 1)
        shapes[:, :, 0] += np.array([-0.5, 0.5, 0.5, -0.5]) * width
        shapes[:, 2:, 1] += high - low
        n = len(shares)
        mesh.faces(shapes, np.tile(colour, (n, 1)), np.full(n, 0.55), np.ones(n))
        if z0 < 18:
            for x, y, z in feet.tolist():
                mesh.cast_rod((x, y, z), (x, y + high - low, z), width / 2)

    def bar(share: float, width: float, low: float, high: float, colour: Colour = fence.colour) -> None:
        bars_at(np.array([share]), width, low, high, colour)

    h, bars = fence.height, max(2, round(length / fence.spacing))
    if fence.kind == "panel":
        mesh.face([at(0, 0.05), at(1, 0.05), at(1, h), at(0, h)], fence.colour, texture=BOARDS)
        bars_at(np.arange(1, bars) / bars, 0.03, 0.05, h, blend(fence.colour, (0, 0, 0), 0.35))
        bar(0.0, 0.12, 0, h + 0.08, blend(fence.colour, (0, 0, 0), 0.2))
        ends = [(x0, z0), (x1, z1), mesh.fall((x1, h, z1)), mesh.fall((x0, h, z0))]
        mesh.cast([(px, 0, pz) for px, pz in ends])
        return
    if fence.kind == "rail":
        for up in (0.35, 0.7, 1.05):
            rail(up * h / 1.15, 0.11)
        bar(0.0, 0.13, 0, h)
        return
    if fence.kind == "mesh":
        for up in (0.05, h - 0.05):
            rail(up, 0.045)
        for k in range(bars):
            for a, b in ((k, k + 1), (k + 1, k)):
                wire = capsule(at(a / bars, 0.08), at(b / bars, h - 0.05), 0.011, 0.011, caps=0)
                mesh.face(wire, fence.colour, sun=0.55)
        bar(0.0, 0.07, 0, h + 0.1)
        return
    rail(h - (0.06 if fence.kind == "railing" else 0.0), 0.05)
    rail(0.14, 0.05)
    middles = (np.arange(bars) + 0.5) / bars
    if fence.kind == "picket":
        bars_at(middles, min(0.09, fence.spacing * 0.5), 0.04, h + 0.1, fence.colour)
        return
    bars_at(middles, 0.042, 0.14, h + (0.12 if fence.kind == "railing" else 0.0), fence.colour)
    bar(0.0, 0.075, 0, h + 0.1)
