"""The street itself: carriageway, kerbs, pavements, verges, a crossing street, and what is painted on the road."""

from collections.abc import Iterator
from dataclasses import dataclass

from dsrl_lab.streets.dice import Colour, Dice, blend, palette
from dsrl_lab.streets.geometry import Point, Shape
from dsrl_lab.streets.mesh import ASPHALT, GRASS, PAVEMENT, PAVERS, ROAD, SLABS, TREE, Mesh

FAR = 420.0
KERB = 0.13
ROADS = palette("6a6b6f 757578 817f7b 63656a 8a8781 776f72")
PAVINGS = palette("a39f98 8f8c88 b3aa9c 9a8f86 7f7e80 a88f80")
GRASSES = palette("6d7f43 7f8a4c 5d7440 8c8a52")
MANHOLE = ((0.0, 1.0), (0.71, 0.71), (1.0, 0.0), (0.71, -0.71), (0.0, -1.0), (-0.71, -0.71), (-1.0, 0.0), (-0.71, 0.71))
PAINT: Colour = (0.90, 0.89, 0.85)


@dataclass(frozen=True)
class Street:
    """The plan of a street in road coordinates: s metres ahead, t metres to the right of the middle."""

    road: float  # half width of the carriageway
    pavement: tuple[float, float]  # width of each pavement, left and right
    setback: tuple[float, float]  # metres from pavement to building line, left and right; front gardens if not 0
    bend: float  # curvature in 1/m, positive to the right
    lanes: int  # 1 if there is no line in the middle, 2 if there is, 4 for two lanes each way
    junction: tuple[float, float] | None  # (s of its near edge, width) of a crossing street, or None
    zebra: float | None  # s of a zebra crossing, or None
    parking: tuple[bool, bool]  # whether lines mark parking bays on the left and right
    road_colour: Colour  # albedo of the asphalt
    paving_colour: Colour  # albedo of the pavement
    grass_colour: Colour  # albedo of verges and gardens
    paved: tuple[bool, bool]  # whether the strip behind the pavement is paved instead of grown, left and right
    wear: float  # 0 fresh paint to 1 worn off
    key: int  # for the details

    def at(self, s: float, t: float, height: float = 0.0) -> Point:
        """Return the world position of a place on the street."""
        return t + 0.5 * self.bend * s * s, height, s

    def heading(self, s: float) -> float:
        """Return the direction of the road at s, radians to the right (small bends)."""
        return self.bend * s

    def front(self, side: int) -> float:
        """Return the distance of the building line from the middle; side is -1 left, 1 right."""
        return self.edge(side) + self.setback[side > 0]

    def edge(self, side: int) -> float:
        """Return the distance of the pavement's outer edge from the middle."""
        return self.road + self.pavement[side > 0]

    def crosses(self, s: float, margin: float = 0.0) -> bool:
        """Return whether s lies in the crossing street."""
        return self.junction is not None and -margin < s - self.junction[0] < self.junction[1] + margin


def _stations(start: float, stop: float) -> Iterator[tuple[float, float]]:
    s = start
    while s < stop:
        following = min(stop, s * 1.14 + 0.4)
        yield s, following
        s = following


def _strip(street: Street, s: tuple[float, float], t: tuple[float, float], heights: tuple[float, float]) -> Shape:
    (s0, s1), (t0, t1), (h0, h1) = s, t, heights
    return [street.at(s0, t0, h0), street.at(s0, t1, h1), street.at(s1, t1, h1), street.at(s1, t0, h0)]


def draw_ground(mesh: Mesh, street: Street) -> None:
    """Draw everything that lies flat: verges, pavements with kerbs, carriageway, crossing street."""
    dice = Dice(street.key)
    slabs = dice.pick((SLABS, PAVERS, ASPHALT))
    gutter = blend(street.road_colour, (0.2, 0.2, 0.2), 0.25)
    kerb = dice.tint((0.62, 0.61, 0.58), 0.05)
    for piece in _stations(1.0, FAR):
        for side in (-1, 1):
            road, edge, wide = side * street.road, side * street.edge(side), side * (40 + piece[1] * 2.2)
            paved = street.paved[side > 0]
            behind, colour = (slabs, street.paving_colour) if paved else (GRASS, street.grass_colour)
            mesh.begin(PAVEMENT if paved else TREE)
            mesh.face(_strip(street, piece, (edge, wide), (KERB, KERB)), colour, texture=behind)
            mesh.begin(PAVEMENT)
            mesh.face(_strip(street, piece, (road, edge), (KERB, KERB)), street.paving_colour, texture=slabs)
            top = road + side * 0.16
            mesh.face(_strip(street, piece, (road, top), (KERB, KERB)), kerb, texture=SLABS)
            mesh.face(_strip(street, piece, (road, road), (0, KERB)), blend(kerb, (0, 0, 0), 0.18), texture=SLABS)
        mesh.begin(ROAD)
        half = street.road
        mesh.face(_strip(street, piece, (-half, half), (0, 0)), street.road_colour, texture=ASPHALT)
        for side in (-1, 1):
            mesh.face(_strip(street, piece, (side * half, side * (half - 0.3)), (0, 0)), gutter, texture=ASPHALT)
    if street.junction is not None:
        start, width = street.junction
        mesh.begin(ROAD)
        for piece in _stations(start, start + width):
            mesh.face(_strip(street, piece, (-90, 90), (0.0, 0.0)), street.road_colour, texture=ASPHALT)
    for _ in range(dice.integer(1, 4)):
        _patch(mesh, street, dice)
    _paint(mesh, street, dice)


def _patch(mesh: Mesh, street: Street, dice: Dice) -> None:
    s, t = dice.uniform(5, 30), dice.uniform(-street.road + 1, street.road - 1)
    colour = dice.tint(street.road_colour, 0.07)
    if dice.chance(0.5):
        length, half = dice.uniform(1, 6), dice.uniform(0.3, 0.8)
        shape = _strip(street, (s, s + length), (t - half, t + half), (0, 0))
        mesh.face(shape, blend(colour, (0, 0, 0), dice.uniform(-0.06, 0.15)), texture=ASPHALT)
    else:
        for radius, shade in ((0.36, 0.15), (0.29, 0.45)):
            shape = [street.at(s + radius * b, t + radius * a) for a, b in MANHOLE]
            mesh.face(shape, blend(colour, (0.05, 0.05, 0.05), shade))


def _paint(mesh: Mesh, street: Street, dice: Dice) -> None:
    white = blend(PAINT, street.road_colour, 0.15 + 0.55 * street.wear)
    yellow = blend((0.85, 0.70, 0.25), street.road_colour, 0.15 + 0.5 * street.wear)

    def line(s: tuple[float, float], t: float, width: float, colour: Colour = white) -> None:
        for piece in _stations(max(1.0, s[0]), s[1]):
            if not street.crosses(0.5 * (piece[0] + piece[1]), 0.5):
                mesh.face(_strip(street, piece, (t - width / 2, t + width / 2), (0, 0)), colour, texture=ASPHALT)

    if street.lanes > 1:
        length, gap = dice.pick(((3.0, 4.5), (2.0, 2.0), (4.0, 8.0)))
        dashes: list[float] = [0.0] if street.lanes == 2 else [-street.road / 2, street.road / 2]
        s = dice.uniform(-3, 1)
        while s < 130:
            for t in dashes:
                line((s, s + length), t, 0.14)
            s += length + gap
        if street.lanes == 4:
            for t in (-0.14, 0.14):
                line((1.0, 160.0), t, 0.13)
    for side in (-1, 1):
        bay = side * (street.road - 2.1)
        if street.parking[side > 0]:
            line((1.0, 90.0), bay, 0.10)
            for s in range(4, 90, 6):
                if not street.crosses(s, 1.0):
                    mesh.face(_strip(street, (s, s + 0.12), (bay, side * street.road), (0, 0)), white)
        elif dice.chance(0.5):
            for t in (0.32, 0.55):
                line((1.0, 150.0), side * (street.road - t), 0.10, yellow)
    if street.junction is not None:
        start = street.junction[0]
        for k in range(2):
            s = start - 0.9 - 0.6 * k
            mesh.face(_strip(street, (s, s + 0.3), (0.15, street.road - 0.3), (0, 0)), white, texture=ASPHALT)
    if street.zebra is not None:
        t = -street.road + 0.35
        while t < street.road - 0.5:
            mesh.face(_strip(street, (street.zebra, street.zebra + 3.2), (t, t + 0.5), (0, 0)), white, texture=ASPHALT)
            t += 1.0
    if street.lanes > 1 and dice.chance(0.6):
        _arrow(mesh, street, dice, white)


def _arrow(mesh: Mesh, street: Street, dice: Dice, white: Colour) -> None:
    s, t = dice.uniform(7, 16), 0.5 * street.road * dice.pick((-1, 1))
    ahead = [(-0.09, 0), (0.09, 0), (0.09, 2.6), (0.32, 2.6), (0.0, 4.0), (-0.32, 2.6), (-0.09, 2.6)]
    turn = [(0.09, 1.0), (0.55, 1.9), (0.55, 1.5), (0.95, 2.3), (0.55, 2.9), (0.55, 2.4), (0.09, 1.6)]
    side = dice.pick((-1, 1))
    for points in (ahead, turn) if dice.chance(0.5) else (ahead,):
        mesh.face([street.at(s + b, t + side * a) for a, b in points], white, texture=ASPHALT)
