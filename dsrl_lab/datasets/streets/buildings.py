"""Buildings along the street, the far skyline, and low garden walls.

A building is a box whose long face follows the street; its facade is a grid of bays and storeys.
"""

from __future__ import annotations

from dataclasses import dataclass

from dsrl_lab.datasets.streets.dice import Colour, Dice, blend, palette
from dsrl_lab.datasets.streets.geometry import Point, Shape
from dsrl_lab.datasets.streets.ground import Street
from dsrl_lab.datasets.streets.mesh import (
    BOARDS,
    BRICK,
    BUILDING,
    PLASTER,
    SMOOTH,
    STONE,
    TILES,
    Mesh,
    Texture,
)

WALLS: dict[str, tuple[tuple[Colour, ...], Texture]] = {
    "brick": (palette("8f5a48 a0695a 7b5046 b07a60 94705c c2a27c"), BRICK),
    "stucco": (palette("e6dcc8 d9c7a8 cfd3d2 e3c9b4 c7b8a6 b9c4c0 d8b48c a9b7a2"), PLASTER),
    "stone": (palette("b3a78f a39c8e c4b798 8f8b84 9d9077"), STONE),
    "concrete": (palette("9b9a96 85868a a7a59d 74777c b4b2ac"), PLASTER),
    "panel": (palette("6f7f86 8d8577 5c5f66 a08f7a 727f70"), BOARDS),
}
ROOFS = palette("5b5a60 6d4a40 4d4f57 7f5a48 66605c")
TRIMS = palette("efe9dd e0dbd0 c9c4b8 5a5550 3f4248 f3efe6")
SHOPS = palette("2f4a5a 6b2f33 35523d 3a3a40 8a6a35 b5483a 27506e d0c9b8 5c4a6a")
DOORS = palette("5a2a28 2f4437 26384f 3a3330 8a5a34 6b6f70 b39b6a")


@dataclass(frozen=True)
class Building:
    """A box beside the street.

    Args:
        side: -1 left, 1 right.
        start: s of its near end.
        stop: s of its far end.
        front: distance of the facade from the middle of the road.
        depth: metres from the facade to the back.
        height: metres up to the eaves.
        storeys: number of floors.
        bays: number of windows in a row.
        wall: a key of WALLS.
        colour: albedo of the wall.
        trim: albedo of frames and cornices.
        roof: height of the pitched roof above the eaves, 0 for a flat one.
        roof_colour: albedo of the roof.
        shop: whether the ground floor is a shop.
        window: (width, height) of a window over the width of its bay and the height of its storey.
        key: for the details.
    """

    side: int
    start: float
    stop: float
    front: float
    depth: float
    height: float
    storeys: int
    bays: int
    wall: str
    colour: Colour
    trim: Colour
    roof: float
    roof_colour: Colour
    shop: bool
    window: tuple[float, float]
    key: int


def draw_building(mesh: Mesh, street: Street, building: Building, glass: tuple[Colour, Colour], lit: float) -> None:
    """Draw a building.

    Args:
        mesh: drawn into.
        street: its plan.
        building: what to draw.
        glass: colours of dark panes and of panes that mirror the sky.
        lit: share of windows with a light behind them.
    """
    b, dice = building, Dice(building.key)
    mesh.begin(BUILDING)
    texture = WALLS[b.wall][1]
    near = max(b.start, 0.6)

    def front(s: float, height: float, out: float = 0.0) -> Point:
        return street.at(s, b.side * (b.front - out), height)

    def rectangle(s0: float, s1: float, h0: float, h1: float, out: float = 0.0) -> Shape:
        s0 = max(s0, near)
        return [front(s0, h0, out), front(s1, h0, out), front(s1, h1, out), front(s0, h1, out)]

    _gable(mesh, street, b, dice, texture, glass)
    mesh.face(rectangle(near, b.stop, 0, b.height), b.colour, texture=texture)
    mesh.face(rectangle(near, b.stop, 0, 0.5), blend(b.colour, (0.25, 0.24, 0.23), 0.45), texture=STONE)
    floor = b.height / b.storeys
    if b.roof > 0:
        ridge = b.front + b.depth * 0.5
        top = b.height + b.roof
        mesh.face(
            [
                front(near, b.height - 0.1, 0.35),
                front(b.stop, b.height - 0.1, 0.35),
                street.at(b.stop, b.side * ridge, top),
                street.at(near, b.side * ridge, top),
            ],
            b.roof_colour,
            texture=TILES,
        )
        mesh.face(rectangle(near, b.stop, b.height - 0.28, b.height - 0.08, 0.35), b.trim)
    else:
        mesh.face(rectangle(near, b.stop, b.height - 0.45, b.height, 0.15), blend(b.trim, b.colour, 0.35))
        mesh.face(rectangle(near, b.stop, b.height - 0.62, b.height - 0.45), b.colour, openness=0.5)
    if dice.chance(0.5):
        for k in range(1, b.storeys):
            mesh.face(rectangle(near, b.stop, k * floor - 0.06, k * floor + 0.12), blend(b.trim, b.colour, 0.5))
    width = (b.stop - b.start) / b.bays
    blinds, bars, balcony = dice.chance(0.4), dice.chance(0.5), dice.chance(0.2)
    for k in range(1 if b.shop else 0, b.storeys):
        for i in range(b.bays):
            middle = b.start + (i + 0.5) * width
            half = 0.5 * b.window[0] * width
            if middle - half < near:
                continue
            low = k * floor + floor * (0.5 - b.window[1] / 2) + 0.12
            high = low + floor * b.window[1]
            if k == 0 and i == b.bays // 2:
                _door(mesh, rectangle, dice, middle, min(0.6, half), b.trim)
                continue
            detail = middle < 45
            if detail:
                mesh.face(rectangle(middle - half - 0.1, middle + half + 0.1, low - 0.1, high + 0.1), b.trim)
                mesh.face(
                    rectangle(middle - half - 0.16, middle + half + 0.16, low - 0.2, low - 0.06, 0.08),
                    b.trim,
                    openness=0.9,
                )
            pane = blend(glass[0], glass[1], dice.unit() ** 2)
            glow = 0.85 if dice.chance(lit) else 0.0
            pane = dice.tint((1.0, 0.78, 0.46), 0.05) if glow else pane
            mesh.face(rectangle(middle - half, middle + half, low, high), pane, sun=0.12, openness=0.85, glow=glow)
            if not detail:
                continue
            mesh.face(rectangle(middle - half, middle + half, high - 0.16, high), (0.1, 0.1, 0.11), sun=0, openness=0.5)
            if blinds and dice.chance(0.5):
                drop = dice.uniform(0.2, 0.7) * (high - low)
                mesh.face(
                    rectangle(middle - half, middle + half, high - drop, high),
                    dice.tint((0.8, 0.77, 0.7), 0.08),
                    sun=0.1,
                )
            if bars and middle < 28:
                mesh.face(rectangle(middle - 0.035, middle + 0.035, low, high), b.trim)
                centre = 0.5 * (low + high)
                mesh.face(rectangle(middle - half, middle + half, centre - 0.035, centre + 0.035), b.trim)
            if balcony and k > 0 and middle < 40:
                _balcony(mesh, rectangle, middle, half + 0.25, low - 0.15)
    if b.shop:
        _shop(mesh, rectangle, dice, b, near, floor, glass, lit)


def _gable(mesh: Mesh, street: Street, b: Building, dice: Dice, texture: Texture, glass: tuple[Colour, Colour]) -> None:
    """Draw the end wall that looks at the camera, and the chimneys."""
    if b.start < 1.5:
        return
    back = b.front + b.depth
    corners = [(b.front, 0.0), (back, 0.0), (back, b.height)]
    corners += (
        [(b.front + b.depth / 2, b.height + b.roof), (b.front, b.height)] if b.roof > 0 else [(b.front, b.height)]
    )
    mesh.face([street.at(b.start, b.side * t, h) for t, h in corners], b.colour, texture=texture)
    if b.roof > 0:
        ridge = b.front + b.depth * 0.5
        for _ in range(dice.integer(1, 2)):
            s, top = dice.uniform(b.start, b.stop - 1), b.height + b.roof
            for (s0, t0), (s1, t1) in (
                ((s, ridge - 0.5), (s, ridge + 0.5)),
                ((s, ridge - 0.5), (s + 0.9, ridge - 0.5)),
            ):
                shape = [street.at(s0, b.side * t0, top - 1), street.at(s1, b.side * t1, top - 1)]
                shape += [street.at(s1, b.side * t1, top + 1.1), street.at(s0, b.side * t0, top + 1.1)]
                mesh.face(shape, blend(b.colour, (0.45, 0.3, 0.25), 0.5), texture=BRICK)
    floor = b.height / b.storeys
    if dice.chance(0.6):
        for k in range(b.storeys):
            for t in (0.3, 0.65):
                if dice.chance(0.75):
                    middle, low = b.front + t * b.depth, (k + 0.3) * floor
                    for half, h0, h1, colour in (
                        (0.62, low - 0.1, low + 1.6, b.trim),
                        (0.52, low, low + 1.5, blend(*glass, dice.unit() ** 2)),
                    ):
                        shape = [
                            street.at(b.start, b.side * (middle + a * half), h)
                            for a, h in ((-1, h0), (1, h0), (1, h1), (-1, h1))
                        ]
                        mesh.face(shape, colour, sun=0.15, openness=0.9)


def _door(mesh: Mesh, rectangle, dice: Dice, middle: float, half: float, trim: Colour) -> None:  # type: ignore[no-untyped-def]
    mesh.face(rectangle(middle - half - 0.14, middle + half + 0.14, 0, 2.5), trim)
    mesh.face(rectangle(middle - half, middle + half, 0.1, 2.3), dice.pick(DOORS), openness=0.8)
    mesh.face(rectangle(middle - half * 0.6, middle + half * 0.6, 1.6, 2.1), (0.25, 0.28, 0.31), sun=0.2)
    mesh.face(rectangle(middle - half, middle + half, 2.18, 2.3), (0.1, 0.1, 0.1), sun=0, openness=0.4)


def _balcony(mesh: Mesh, rectangle, middle: float, half: float, low: float) -> None:  # type: ignore[no-untyped-def]
    dark = (0.16, 0.17, 0.18)
    mesh.face(rectangle(middle - half, middle + half, low - 0.12, low, 0.5), (0.6, 0.58, 0.55))
    for height in (low + 0.12, low + 0.9):
        mesh.face(rectangle(middle - half, middle + half, height, height + 0.06, 0.5), dark)
    for i in range(9):
        s = middle - half + 2 * half * i / 8
        mesh.face(rectangle(s - 0.02, s + 0.02, low, low + 0.9, 0.5), dark)


def _shop(
    mesh: Mesh, rectangle, dice: Dice, b: Building, near: float, floor: float, glass: tuple[Colour, Colour], lit: float
) -> None:  # type: ignore[no-untyped-def]
    """Draw shop fronts: columns, panes, a fascia, perhaps an awning."""
    top = floor * 0.96
    shops = max(1, round((b.stop - b.start) / 7))
    width = (b.stop - b.start) / shops
    for i in range(shops):
        s0, s1 = b.start + i * width, b.start + (i + 1) * width
        if s1 < near + 0.5:
            continue
        colour = dice.pick(SHOPS)
        mesh.face(rectangle(s0 + 0.15, s1 - 0.15, 0, top), dice.tint(colour, 0.05))
        panes = dice.integer(2, 4)
        for k in range(panes):
            p0 = s0 + 0.4 + k * (width - 0.8) / panes
            p1 = p0 + (width - 0.8) / panes - 0.14
            if p0 < near:
                continue
            door = k == panes // 2
            glow = 0.7 if lit > 0 and dice.chance(0.8) else 0.0
            pane = (1.0, 0.82, 0.55) if glow else blend(glass[0], glass[1], 0.4 * dice.unit())
            mesh.face(rectangle(p0, p1, 0.12 if door else 0.55, top - 0.85), pane, sun=0.15, openness=0.7, glow=glow)
            mesh.face(rectangle(p0, p1, top - 1.1, top - 0.85), (0.08, 0.08, 0.09), sun=0, openness=0.5)
            if not glow and p0 < 40:
                for _ in range(3):
                    a = dice.uniform(p0, p1 - 0.2)
                    mesh.face(
                        rectangle(a, min(p1, a + 0.5), 0.6, dice.uniform(0.9, 1.6)),
                        dice.tint((0.5, 0.45, 0.4), 0.3),
                        sun=0.1,
                        openness=0.6,
                    )
        mesh.face(
            rectangle(s0 + 0.3, s1 - 0.3, top - 0.68, top - 0.18, 0.1),
            blend(colour, (0.9, 0.88, 0.8), 0.75 * dice.unit()),
        )
        if dice.chance(0.4) and s0 > near:
            cloth, h0, h1, out = dice.pick(SHOPS), top - 1.35, top - 0.7, 1.3
            stripes = dice.integer(5, 9)
            for k in range(stripes):
                a, e = (s0 + 0.3 + (width - 0.6) * (k + n) / stripes for n in (0, 1))
                high, low = rectangle(a, e, h1, h1 + 0.1), rectangle(a, e, h0, h0 + 0.1, out)
                stripe = cloth if k % 2 else blend(cloth, (0.93, 0.9, 0.84), 0.7)
                mesh.face([high[0], high[1], low[1], low[0]], stripe, texture=SMOOTH)
                mesh.face(rectangle(a, e, h0 - 0.16, h0, out), blend(stripe, (0, 0, 0), 0.12))


@dataclass(frozen=True)
class Skyline:
    """The far end of the world: boxes of haze-coloured houses.

    Args:
        boxes: (left X, right X, distance, height, colour) of each house.
    """

    boxes: tuple[tuple[float, float, float, float, Colour], ...]


def draw_skyline(mesh: Mesh, skyline: Skyline) -> None:
    """Draw the boxes, far to near."""
    mesh.begin(BUILDING)
    for x0, x1, z, height, colour in sorted(skyline.boxes, key=lambda box: -box[2]):
        mesh.face([(x0, 0, z), (x1, 0, z), (x1, height, z), (x0, height, z)], colour)
        rows = int(height / 3.4)
        for k in range(rows):
            y = 1.2 + k * 3.4
            mesh.face(
                [(x0 + 1, y, z), (x1 - 1, y, z), (x1 - 1, y + 1.5, z), (x0 + 1, y + 1.5, z)],
                blend(colour, (0.2, 0.22, 0.26), 0.3),
            )


@dataclass(frozen=True)
class GardenWall:
    """A low wall along a front garden, from ``start`` to ``stop`` at distance t (signed) from the middle."""

    t: float
    start: float
    stop: float
    height: float
    colour: Colour


def draw_wall(mesh: Mesh, street: Street, wall: GardenWall) -> None:
    """Draw a low wall with a coping."""
    mesh.begin(BUILDING)
    s0, s1 = max(0.6, wall.start), wall.stop
    for h0, h1, colour in ((0.0, wall.height, wall.colour), (wall.height, wall.height + 0.1, (0.68, 0.66, 0.62))):
        shape = [
            street.at(s0, wall.t, h0),
            street.at(s1, wall.t, h0),
            street.at(s1, wall.t, h1),
            street.at(s0, wall.t, h1),
        ]
        mesh.face(shape, colour, texture=BRICK)
    end = wall.t + 0.24 * (1 if wall.t > 0 else -1)
    shape = [
        street.at(s0, t, h) for t, h in ((wall.t, 0), (end, 0), (end, wall.height + 0.1), (wall.t, wall.height + 0.1))
    ]
    mesh.face(shape, wall.colour, texture=BRICK)
