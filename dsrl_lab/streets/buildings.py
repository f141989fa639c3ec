"""Buildings along the street, and what else counts as one: low garden walls, and houses at the far end of the world."""

from dataclasses import dataclass

from dsrl_lab.streets.dice import Colour, Dice, blend, palette
from dsrl_lab.streets.geometry import Point, Shape
from dsrl_lab.streets.ground import Street
from dsrl_lab.streets.mesh import BOARDS, BRICK, BUILDING, PLASTER, STONE, TILES, Mesh, Texture

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
    """A box beside the street."""

    side: int  # -1 left, 1 right
    start: float  # s of its near end
    stop: float  # s of its far end
    front: float  # distance of the facade from the middle of the road
    depth: float  # metres from the facade to the back
    height: float  # metres up to the eaves
    storeys: int  # number of floors
    bays: int  # number of windows in a row
    wall: str  # a key of WALLS
    colour: Colour  # albedo of the wall
    trim: Colour  # albedo of frames and cornices
    roof: float  # height of the pitched roof above the eaves, 0 for a flat one
    roof_colour: Colour  # albedo of the roof
    shop: bool  # whether the ground floor is a shop
    window: tuple[float, float]  # (width, height) of a window over the width of its bay and the height of its storey
    key: int  # for the details


class _Facade:
    def __init__(self, mesh: Mesh, street: Street, building: Building) -> None:
        self.mesh, self.street, self.building = mesh, street, building
        self.near = max(building.start, 0.6)

    def at(self, s: float, height: float, out: float = 0.0) -> Point:
        b = self.building
        return self.street.at(s, b.side * (b.front - out), height)

    def rectangle(self, s0: float, s1: float, h0: float, h1: float, out: float = 0.0) -> Shape:
        s0 = max(s0, self.near)
        return [self.at(s0, h0, out), self.at(s1, h0, out), self.at(s1, h1, out), self.at(s0, h1, out)]

    def side(self, t0: float, t1: float, h0: float, h1: float) -> Shape:
        """Return a rectangle on the end wall that looks at the camera, t metres from the middle of the road."""
        b = self.building
        corners = ((t0, h0), (t1, h0), (t1, h1), (t0, h1))
        return [self.street.at(b.start, b.side * t, h) for t, h in corners]


def draw_building(mesh: Mesh, street: Street, building: Building, glass: tuple[Colour, Colour], lit: float) -> None:
    """Draw a building."""
    b, dice, texture = building, Dice(building.key), WALLS[building.wall][1]
    facade = _Facade(mesh, street, building)
    near = facade.near
    mesh.begin(BUILDING)
    if b.start > 1.5:
        _end_wall(facade, dice, glass)
    mesh.face(facade.rectangle(near, b.stop, 0, b.height), b.colour, texture=texture)
    mesh.face(facade.rectangle(near, b.stop, 0, 0.5), blend(b.colour, (0.25, 0.24, 0.23), 0.45), texture=STONE)
    if b.roof > 0:
        ridge, top = b.side * (b.front + b.depth / 2), b.height + b.roof
        eaves = [facade.at(near, b.height - 0.1, 0.35), facade.at(b.stop, b.height - 0.1, 0.35)]
        mesh.face([*eaves, street.at(b.stop, ridge, top), street.at(near, ridge, top)], b.roof_colour, texture=TILES)
        mesh.face(facade.rectangle(near, b.stop, b.height - 0.28, b.height - 0.08, 0.35), b.trim)
    else:
        cornice = blend(b.trim, b.colour, 0.35)
        mesh.face(facade.rectangle(near, b.stop, b.height - 0.45, b.height, 0.15), cornice)
        mesh.face(facade.rectangle(near, b.stop, b.height - 0.62, b.height - 0.45), b.colour, openness=0.5)
    if dice.chance(0.5):
        for k in range(1, b.storeys):
            h = k * b.height / b.storeys
            mesh.face(facade.rectangle(near, b.stop, h - 0.06, h + 0.12), blend(b.trim, b.colour, 0.5))
    _windows(facade, dice, glass, lit)
    if b.shop:
        _shops(facade, dice, glass, lit)


def _windows(facade: _Facade, dice: Dice, glass: tuple[Colour, Colour], lit: float) -> None:
    b = facade.building
    floor, width = b.height / b.storeys, (b.stop - b.start) / b.bays
    half = 0.5 * b.window[0] * width
    blinds, bars, balcony = dice.chance(0.4), dice.chance(0.5), dice.chance(0.2)
    for k in range(1 if b.shop else 0, b.storeys):
        low = k * floor + floor * (0.5 - b.window[1] / 2) + 0.12
        high = low + floor * b.window[1]
        for i in range(b.bays):
            middle = b.start + (i + 0.5) * width
            if middle - half < facade.near:
                continue
            if k == 0 and i == b.bays // 2:
                _door(facade, dice, middle, min(0.6, half))
                continue
            glow = 0.85 if dice.chance(lit) else 0.0
            pane = dice.tint((1.0, 0.78, 0.46), 0.05) if glow else blend(glass[0], glass[1], dice.unit() ** 2)
            blind = dice.uniform(0.2, 0.7) if blinds and dice.chance(0.5) else 0.0
            _window(facade, (middle, half, low, high), pane, glow, blind, bars=bars and middle < 28)
            if balcony and k > 0 and middle < 40:
                _balcony(facade, middle, half + 0.25, low - 0.15)


def _window(facade: _Facade, place: tuple[float, ...], pane: Colour, glow: float, blind: float, *, bars: bool) -> None:
    middle, half, low, high = place
    mesh, trim, rectangle = facade.mesh, facade.building.trim, facade.rectangle
    s0, s1 = middle - half, middle + half
    detail = middle < 45
    if detail:
        mesh.face(rectangle(s0 - 0.1, s1 + 0.1, low - 0.1, high + 0.1), trim)
        mesh.face(rectangle(s0 - 0.16, s1 + 0.16, low - 0.2, low - 0.06, 0.08), trim, openness=0.9)
    mesh.face(rectangle(s0, s1, low, high), pane, sun=0.12, openness=0.85, glow=glow)
    if not detail:
        return
    mesh.face(rectangle(s0, s1, high - 0.16, high), (0.1, 0.1, 0.11), sun=0, openness=0.5)
    if blind:
        mesh.face(rectangle(s0, s1, high - blind * (high - low), high), (0.8, 0.77, 0.7), sun=0.1)
    if bars:
        centre = 0.5 * (low + high)
        mesh.face(rectangle(middle - 0.035, middle + 0.035, low, high), trim)
        mesh.face(rectangle(s0, s1, centre - 0.035, centre + 0.035), trim)


def _end_wall(facade: _Facade, dice: Dice, glass: tuple[Colour, Colour]) -> None:
    b, mesh, street = facade.building, facade.mesh, facade.street
    back, ridge, top = b.front + b.depth, b.front + b.depth / 2, b.height + b.roof
    corners = [(b.front, 0.0), (back, 0.0), (back, b.height)]
    corners += [(ridge, top), (b.front, b.height)] if b.roof > 0 else [(b.front, b.height)]
    shape = [street.at(b.start, b.side * t, h) for t, h in corners]
    mesh.face(shape, b.colour, texture=WALLS[b.wall][1])
    for _ in range(dice.integer(1, 2) if b.roof > 0 else 0):
        s = dice.uniform(b.start, b.stop - 1)
        for (s0, t0), (s1, t1) in (((s, ridge - 0.5), (s, ridge + 0.5)), ((s, ridge - 0.5), (s + 0.9, ridge - 0.5))):
            foot = [street.at(s0, b.side * t0, top - 1), street.at(s1, b.side * t1, top - 1)]
            head = [street.at(s1, b.side * t1, top + 1.1), street.at(s0, b.side * t0, top + 1.1)]
            mesh.face(foot + head, blend(b.colour, (0.45, 0.3, 0.25), 0.5), texture=BRICK)
    if not dice.chance(0.6):
        return
    floor = b.height / b.storeys
    for k in range(b.storeys):
        for share in (0.3, 0.65):
            t, low = b.front + share * b.depth, (k + 0.3) * floor
            if dice.chance(0.75):
                pane = blend(glass[0], glass[1], dice.unit() ** 2)
                mesh.face(facade.side(t - 0.62, t + 0.62, low - 0.1, low + 1.6), b.trim, sun=0.15, openness=0.9)
                mesh.face(facade.side(t - 0.52, t + 0.52, low, low + 1.5), pane, sun=0.15, openness=0.9)


def _door(facade: _Facade, dice: Dice, middle: float, half: float) -> None:
    mesh, rectangle, s0, s1 = facade.mesh, facade.rectangle, middle - half, middle + half
    mesh.face(rectangle(s0 - 0.14, s1 + 0.14, 0, 2.5), facade.building.trim)
    mesh.face(rectangle(s0, s1, 0.1, 2.3), dice.pick(DOORS), openness=0.8)
    mesh.face(rectangle(middle - half * 0.6, middle + half * 0.6, 1.6, 2.1), (0.25, 0.28, 0.31), sun=0.2)
    mesh.face(rectangle(s0, s1, 2.18, 2.3), (0.1, 0.1, 0.1), sun=0, openness=0.4)


def _balcony(facade: _Facade, middle: float, half: float, low: float) -> None:
    mesh, rectangle, dark = facade.mesh, facade.rectangle, (0.16, 0.17, 0.18)
    mesh.face(rectangle(middle - half, middle + half, low - 0.12, low, 0.5), (0.6, 0.58, 0.55))
    for height in (low + 0.12, low + 0.9):
        mesh.face(rectangle(middle - half, middle + half, height, height + 0.06, 0.5), dark)
    for i in range(9):
        s = middle - half + half * i / 4
        mesh.face(rectangle(s - 0.02, s + 0.02, low, low + 0.9, 0.5), dark)


def _shops(facade: _Facade, dice: Dice, glass: tuple[Colour, Colour], lit: float) -> None:
    b, mesh, rectangle = facade.building, facade.mesh, facade.rectangle
    top = 0.96 * b.height / b.storeys
    shops = max(1, round((b.stop - b.start) / 7))
    width = (b.stop - b.start) / shops
    for i in range(shops):
        s0, s1 = b.start + i * width, b.start + (i + 1) * width
        if s1 < facade.near + 0.5:
            continue
        colour = dice.pick(SHOPS)
        mesh.face(rectangle(s0 + 0.15, s1 - 0.15, 0, top), dice.tint(colour, 0.05))
        panes = dice.integer(2, 4)
        for k in range(panes):
            p0 = s0 + 0.4 + k * (width - 0.8) / panes
            p1 = p0 + (width - 0.8) / panes - 0.14
            if p0 < facade.near:
                continue
            glow = 0.7 if lit > 0 and dice.chance(0.8) else 0.0
            pane = (1.0, 0.82, 0.55) if glow else blend(glass[0], glass[1], 0.4 * dice.unit())
            sill = 0.12 if k == panes // 2 else 0.55  # the door goes down to the ground
            mesh.face(rectangle(p0, p1, sill, top - 0.85), pane, sun=0.15, openness=0.7, glow=glow)
            mesh.face(rectangle(p0, p1, top - 1.1, top - 0.85), (0.08, 0.08, 0.09), sun=0, openness=0.5)
            for _ in range(3 if p0 < 40 and not glow else 0):
                a, height = dice.uniform(p0, p1 - 0.2), dice.uniform(0.9, 1.6)
                goods = dice.tint((0.5, 0.45, 0.4), 0.3)
                mesh.face(rectangle(a, min(p1, a + 0.5), 0.6, height), goods, sun=0.1, openness=0.6)
        fascia = blend(colour, (0.9, 0.88, 0.8), 0.75 * dice.unit())
        mesh.face(rectangle(s0 + 0.3, s1 - 0.3, top - 0.68, top - 0.18, 0.1), fascia)
        if dice.chance(0.4) and s0 > facade.near:
            _awning(facade, dice, s0 + 0.3, s1 - 0.3, top - 0.7)


def _awning(facade: _Facade, dice: Dice, s0: float, s1: float, high: float) -> None:
    cloth, low, out, stripes = dice.pick(SHOPS), high - 0.65, 1.3, dice.integer(5, 9)
    for k in range(stripes):
        a, e = (s0 + (s1 - s0) * (k + n) / stripes for n in (0, 1))
        colour = cloth if k % 2 else blend(cloth, (0.93, 0.9, 0.84), 0.7)
        shape = [facade.at(a, high), facade.at(e, high), facade.at(e, low, out), facade.at(a, low, out)]
        facade.mesh.face(shape, colour)
        facade.mesh.face(facade.rectangle(a, e, low - 0.16, low, out), blend(colour, (0, 0, 0), 0.12))


COPING: Colour = (0.68, 0.66, 0.62)


Box = tuple[float, float, float, float, Colour]  # a distant house: left X, right X, distance, height, colour


def draw_skyline(mesh: Mesh, skyline: tuple[Box, ...]) -> None:
    """Draw the boxes with their rows of windows, far to near."""
    mesh.begin(BUILDING)
    for x0, x1, z, height, colour in sorted(skyline, key=lambda box: -box[2]):
        mesh.face([(x0, 0, z), (x1, 0, z), (x1, height, z), (x0, height, z)], colour)
        dim = blend(colour, (0.2, 0.22, 0.26), 0.3)
        for k in range(int(height / 3.4)):
            y = 1.2 + k * 3.4
            mesh.face([(x0 + 1, y, z), (x1 - 1, y, z), (x1 - 1, y + 1.5, z), (x0 + 1, y + 1.5, z)], dim)


@dataclass(frozen=True)
class GardenWall:
    """A low wall along a front garden, from s = ``start`` to ``stop`` at distance t (signed) from the middle."""

    t: float
    start: float
    stop: float
    height: float
    colour: Colour


def draw_wall(mesh: Mesh, street: Street, wall: GardenWall) -> None:
    """Draw a low wall with a coping."""
    mesh.begin(BUILDING)
    start, high = max(0.6, wall.start), wall.height + 0.1
    end = wall.t + 0.24 * (1 if wall.t > 0 else -1)
    for h0, h1, colour in ((0.0, wall.height, wall.colour), (wall.height, high, COPING)):
        corners = ((start, h0), (wall.stop, h0), (wall.stop, h1), (start, h1))
        mesh.face([street.at(s, wall.t, h) for s, h in corners], colour, texture=BRICK)
    corners = ((wall.t, 0), (end, 0), (end, high), (wall.t, high))
    mesh.face([street.at(start, t, h) for t, h in corners], wall.colour, texture=BRICK)
