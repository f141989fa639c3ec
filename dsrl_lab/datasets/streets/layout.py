"""How a street comes about: what kind of street, who built what along it, who is out today."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, get_args

from dsrl_lab.datasets.streets.buildings import ROOFS, TRIMS, WALLS, Building, GardenWall, Skyline
from dsrl_lab.datasets.streets.dice import Dice, blend
from dsrl_lab.datasets.streets.furniture import METALS, WOODS, Fence, FenceKind, Post, PostKind
from dsrl_lab.datasets.streets.geometry import Camera
from dsrl_lab.datasets.streets.ground import GRASSES, KERB, PAVINGS, ROADS, Street
from dsrl_lab.datasets.streets.people import Pose, sample_person
from dsrl_lab.datasets.streets.scene import Scene, Thing
from dsrl_lab.datasets.streets.trees import AUTUMN, BARK, CROWNS, Hedge, Tree
from dsrl_lab.datasets.streets.vehicles import OUTLINES, PAINTS, Car, Model
from dsrl_lab.datasets.streets.weather import sample_weather

District = Literal["town", "suburb", "park", "city"]
DISTRICTS: dict[District, float] = {"town": 3.0, "suburb": 2.5, "park": 2.0, "city": 2.0}
assert set(DISTRICTS) == set(get_args(District))


def sample_scene(*key: int) -> Scene:
    """Return the scene that belongs to a key of non-negative integers, such as (seed, split, index).

    Example:
        >>> sample_scene(0, 0, 3) == sample_scene(0, 0, 3)
        True
    """
    dice = Dice(*key)
    weather = sample_weather(dice)
    district = dice.weighted(DISTRICTS)
    street = _street(dice, district)
    things: list[Thing] = []
    autumn = dice.chance(0.3)
    for _ in range(dice.integer(8, 16) if district in ("suburb", "park") else dice.integer(0, 5)):
        s, height = dice.uniform(130, 210), dice.uniform(7, 15)
        colour = dice.tint(dice.pick(CROWNS), 0.06)
        things.append(Tree(street.at(s, dice.uniform(-90, 90)), height, height * 1.1, height * 0.1, colour, BARK[0], dice.key()))
    for side in (-1, 1):
        open_side = district == "park" and side == 1
        if not open_side:
            things += _row(dice, street, district, side)
        things += _boundary(dice, street, district, side, open_side)
        things += _greenery(dice, street, district, side, open_side, autumn)
        things += _posts(dice, street, district, side)
        things += _walkers(dice, street, side)
    things += _traffic(dice, street, weather.evening)
    lane = 0.5 * street.road if street.lanes < 4 else 0.25 * street.road
    camera = Camera(
        x=dice.pick((-1, 1)) * lane * dice.uniform(0.5, 1.25),
        height=dice.uniform(1.4, 1.9),
        yaw=dice.spread(0.16),
        focal=dice.uniform(0.95, 1.3),
        horizon=dice.uniform(0.46, 0.6),
    )
    things.sort(key=_depth, reverse=True)
    kept = tuple(thing for thing in things if _depth(thing) > 3.2)
    return Scene(weather, camera, street, _skyline(dice, street), kept, dice.key())


def _depth(thing: Thing) -> float:
    """Return the far end of a thing: what lies nearer is painted over it."""
    if isinstance(thing, Building):
        return thing.stop
    if isinstance(thing, GardenWall):
        return thing.stop + 0.01
    if isinstance(thing, Fence | Hedge):
        return max(thing.start[2], thing.stop[2])
    return thing.place[2]


def _street(dice: Dice, district: District) -> Street:
    lanes = {"town": dice.pick((1, 2, 2)), "suburb": dice.pick((1, 2)), "park": 2, "city": dice.pick((2, 2, 4))}[
        district
    ]
    road = {1: dice.uniform(3.0, 4.2), 2: dice.uniform(3.6, 5.2), 4: dice.uniform(6.0, 6.8)}[lanes]
    if district == "suburb":
        setback = (dice.uniform(3.5, 7), dice.uniform(3.5, 7))
    elif district == "park":
        setback = (dice.pick((0.0, 3.0)), 12.0)
    else:
        setback = (0.0, 0.0)
    junction = (dice.uniform(14, 34), dice.uniform(6.5, 10)) if dice.chance(0.45) else None
    zebra = None
    if junction is not None and dice.chance(0.5):
        zebra = junction[0] - 5.2
    elif dice.chance(0.3):
        zebra = dice.uniform(8, 22)
    return Street(
        road=road + (2.0 if (parking := dice.chance(0.4)) and lanes < 4 else 0.0),
        pavement=(dice.uniform(1.9, 3.6), dice.uniform(1.9, 3.6)),
        setback=setback,
        bend=dice.spread(0.0045) if junction is None else 0.0,
        lanes=lanes,
        junction=junction,
        zebra=zebra,
        parking=(parking, parking and dice.chance(0.6)),
        road_colour=dice.tint(dice.pick(ROADS), 0.05),
        paving_colour=dice.tint(dice.pick(PAVINGS), 0.05),
        grass_colour=dice.tint(dice.pick(GRASSES), 0.06),
        paved=(setback[0] == 0, setback[1] == 0),
        wear=dice.unit(),
        key=dice.key(),
    )


def _row(dice: Dice, street: Street, district: District, side: int) -> Iterator[Thing]:
    """Build houses side by side from behind the camera to the end of the street."""
    s, end = -40.0, dice.uniform(110, 190)
    detached = district == "suburb"
    terrace = dice.chance(0.35)
    while s < end:
        if street.junction is not None and s < street.junction[0] < s + 12:
            s = street.junction[0] + street.junction[1] + 0.5 + street.pavement[0]
        yield (house := _building(dice, street, district, side, s))
        s = house.stop
        if detached:
            s += dice.uniform(2.5, 7)
        elif not terrace and dice.chance(0.12):
            s += dice.uniform(3, 8)


def _building(dice: Dice, street: Street, district: District, side: int, s: float) -> Building:
    wall = dice.weighted(
        {
            "town": {"brick": 3.0, "stucco": 4.0, "stone": 2.0},
            "suburb": {"brick": 4.0, "stucco": 3.0, "panel": 0.7},
            "park": {"brick": 2.0, "stucco": 3.0, "stone": 3.0},
            "city": {"concrete": 3.0, "stone": 2.0, "panel": 2.0, "brick": 1.0, "stucco": 1.0},
        }[district]
    )
    storeys = {
        "town": dice.integer(2, 4),
        "suburb": dice.integer(1, 2) + dice.integer(0, 1),
        "park": dice.integer(2, 5),
        "city": dice.integer(3, 9),
    }[district]
    length = dice.uniform(7, 13) if district in ("town", "suburb") else dice.uniform(10, 22)
    if street.junction is not None and s < street.junction[0] - street.pavement[0]:
        length = min(length, street.junction[0] - street.pavement[0] - s)
    floor = dice.uniform(2.8, 3.5)
    pitched = dice.chance({"town": 0.65, "suburb": 0.95, "park": 0.4, "city": 0.05}[district])
    bay = dice.uniform(2.0, 3.4)
    wide = wall in ("concrete", "panel")
    return Building(
        side=side,
        start=s,
        stop=s + max(length, 3.0),
        front=street.front(side),
        depth=dice.uniform(8, 13),
        height=storeys * floor + dice.uniform(0.2, 0.8),
        storeys=storeys,
        bays=max(1, round(length / bay)),
        wall=wall,
        colour=dice.tint(dice.pick(WALLS[wall][0]), 0.06),
        trim=dice.tint(dice.pick(TRIMS), 0.04),
        roof=dice.uniform(1.8, 4.0) if pitched else 0.0,
        roof_colour=dice.tint(dice.pick(ROOFS), 0.06),
        shop=district in ("town", "city", "park") and dice.chance(0.5) and street.setback[(side + 1) // 2] == 0,
        window=(dice.uniform(0.6, 0.92), dice.uniform(0.48, 0.66))
        if wide
        else (dice.uniform(0.34, 0.56), dice.uniform(0.46, 0.64)),
        key=dice.key(),
    )


def _boundary(dice: Dice, street: Street, district: District, side: int, open_side: bool) -> Iterator[Thing]:
    """Fence in front gardens and parks; guard the kerb at junctions."""
    setback = street.setback[(side + 1) // 2]
    edge = side * (street.edge(side) + 0.15)
    if setback > 0:
        kind: FenceKind = dice.weighted({"railing": 3.0, "picket": 2.0, "panel": 1.5, "mesh": 1.2, "rail": 1.2})
        s = 3.0
        while s < 100:
            piece = dice.uniform(12, 30) if open_side else dice.uniform(5, 14)
            choice = (
                "fence"
                if open_side and dice.chance(0.85)
                else dice.weighted({"fence": 6.0, "hedge": 2.0, "wall": 1.2, "none": 0.8})
            )
            if choice == "fence":
                if not open_side:
                    kind = dice.weighted({"railing": 3.0, "picket": 2.5, "panel": 1.5, "mesh": 0.8, "rail": 1.0})
                yield from _fence(dice, street, kind, edge, s, s + piece)
            elif choice == "hedge" and not street.crosses(s, piece):
                k = s
                colour = dice.tint(dice.pick(CROWNS), 0.06)
                height = dice.uniform(0.9, 1.9)
                while k < s + piece:
                    yield Hedge(street.at(k, edge, KERB), street.at(k + 3, edge, KERB), height, colour, dice.key())
                    k += 3
            elif choice == "wall" and not street.crosses(s, piece):
                yield GardenWall(
                    edge, s, s + piece, dice.uniform(0.6, 1.3), dice.tint(dice.pick(WALLS["brick"][0]), 0.06)
                )
            s += piece + dice.uniform(0.9, 1.6)
    kerb = side * (street.road + 0.35)
    if street.junction is not None and dice.chance(0.6):
        s = max(4.0, street.junction[0] - dice.uniform(8, 16))
        yield from _fence(dice, street, "guard", kerb, s, street.junction[0] - 1.5)
    elif district in ("town", "city") and dice.chance(0.6):
        s = dice.uniform(3, 16)
        yield from _fence(dice, street, dice.pick(("guard", "guard", "railing")), kerb, s, s + dice.uniform(8, 20))


def _fence(dice: Dice, street: Street, kind: FenceKind, t: float, start: float, stop: float) -> Iterator[Fence]:
    colours = WOODS if kind in ("picket", "panel", "rail") else METALS
    colour = dice.tint(dice.pick(colours), 0.05)
    if kind == "picket" and dice.chance(0.5):
        colour = dice.tint((0.88, 0.87, 0.83), 0.03)
    height = {
        "railing": dice.uniform(1.1, 1.8),
        "guard": 1.05,
        "picket": dice.uniform(0.9, 1.2),
        "panel": dice.uniform(1.2, 1.8),
        "mesh": dice.uniform(1.2, 2.2),
        "rail": dice.uniform(1.0, 1.3),
    }[kind]
    spacing = {
        "railing": dice.uniform(0.14, 0.22),
        "guard": 0.17,
        "picket": dice.uniform(0.15, 0.2),
        "panel": 0.6,
        "mesh": 0.2,
        "rail": 1.0,
    }[kind]
    s = start
    while s < stop - 0.5:
        following = min(stop, s + 2.0)
        if not (street.crosses(s, 1.0) or street.crosses(following, 1.0)):
            yield Fence(street.at(s, t, KERB), street.at(following, t, KERB), kind, height, spacing, colour)
        s = following


def _greenery(
    dice: Dice, street: Street, district: District, side: int, open_side: bool, autumn: bool
) -> Iterator[Thing]:
    """Plant street trees, gardens and a park."""

    def tree(place: tuple[float, float, float], height: float) -> Tree:
        colour = dice.tint(dice.pick(AUTUMN if autumn and dice.chance(0.75) else CROWNS), 0.08)
        bare = dice.chance(0.3 if autumn else 0.05)
        width = 0.0 if bare else height * dice.uniform(0.45, 0.8)
        return Tree(
            place,
            height,
            width,
            height * dice.uniform(0.22, 0.36),
            colour,
            dice.tint(dice.pick(BARK), 0.05),
            dice.key(),
        )

    if open_side:
        for _ in range(dice.integer(9, 16)):
            s = dice.uniform(9, 120)
            yield tree(
                street.at(s, side * (street.edge(side) + dice.uniform(2.5, 22 + 0.3 * s)), KERB), dice.uniform(6, 13)
            )
        for s in range(60, 150, 12):
            yield tree(street.at(s, side * (street.edge(side) + dice.uniform(25, 60)), KERB), dice.uniform(7, 12))
    elif street.setback[(side + 1) // 2] > 0:
        for _ in range(dice.integer(3, 7)):
            t = street.edge(side) + dice.uniform(1.2, max(1.5, street.setback[(side + 1) // 2] - 0.8))
            s = dice.uniform(7, 100)
            if dice.chance(0.5):
                bush = dice.uniform(0.9, 2.2)
                yield Tree(
                    street.at(s, side * t, KERB),
                    bush,
                    bush * dice.uniform(0.9, 1.4),
                    0.0,
                    dice.tint(dice.pick(CROWNS), 0.08),
                    BARK[0],
                    dice.key(),
                )
            else:
                yield tree(street.at(s, side * t, KERB), dice.uniform(3.5, 7.5))
    if dice.chance({"town": 0.3, "suburb": 0.35, "park": 0.8, "city": 0.55}[district]):
        s, step = dice.uniform(8, 16), dice.uniform(8, 15)
        while s < 110:
            if dice.chance(0.8) and not street.crosses(s, 3.0):
                yield tree(street.at(s, side * (street.road + 0.8), KERB), dice.uniform(4.5, 8.5))
            s += step * dice.uniform(0.8, 1.2)


def _posts(dice: Dice, street: Street, district: District, side: int) -> Iterator[Thing]:
    """Put up lamps, signs, traffic lights and bollards along the kerb."""
    t = side * (street.road + 0.45)
    metal = dice.tint(dice.pick(METALS), 0.05)

    def post(kind: PostKind, s: float, height: float, radius: float, reach: float = 0.0, at: float = t) -> Post:
        yaw = dice.spread(0.35)
        colour = dice.tint(dice.pick(WOODS), 0.05) if kind == "wood" else metal
        return Post(street.at(s, at, KERB), kind, height, radius, colour, yaw, reach, dice.key())

    if dice.chance(0.85):
        kind: PostKind = dice.weighted({"lamp": 4.0, "double lamp": 0.6, "wood": 0.8})
        s, step = dice.uniform(6, 18), dice.uniform(16, 26)
        height, reach = dice.uniform(5.0, 8.5), -side * dice.uniform(0.8, 1.8)
        while s < 130:
            if not street.crosses(s):
                yield post(kind, s, height, dice.uniform(0.085, 0.12), reach)
            s += step
    for _ in range(dice.integer(1, 4)):
        s = dice.uniform(6, 45)
        if not street.crosses(s):
            kind = dice.weighted({"sign": 5.0, "board": 1.2})
            yield post(kind, s, dice.uniform(2.4, 3.3), dice.uniform(0.04, 0.06))
    if street.junction is not None and dice.chance(0.75):
        for s in (street.junction[0] - 1.2, street.junction[0] + street.junction[1] + 1.0):
            kind = "gantry light" if dice.chance(0.3) else "traffic light"
            reach = -side * dice.uniform(2.0, 3.5)
            yield post(kind, s, 5.2 if kind == "gantry light" else dice.uniform(3.0, 3.6), 0.07, reach)
    if dice.chance(0.35):
        s, step = dice.uniform(5, 12), dice.uniform(1.4, 2.2)
        for _ in range(dice.integer(4, 10)):
            if not street.crosses(s):
                yield post("bollard", s, 0.95, dice.uniform(0.06, 0.1))
            s += step


def _walkers(dice: Dice, street: Street, side: int) -> Iterator[Thing]:
    """Send people along the pavement, across the zebra, and cyclists along the kerb."""
    index = (side + 1) // 2
    for _ in range(dice.integer(2, 7)):
        s = 4.8 + 34 * dice.unit() ** 1.5
        t = side * (street.road + dice.uniform(0.7, max(1.0, street.pavement[index] - 0.4)))
        pose: Pose = dice.weighted({"walking": 6.0, "standing": 1.2, "waiting": 1.0, "phone": 1.0})
        yaw = dice.pick((0.0, math.pi)) + dice.spread(0.5) if pose == "walking" else dice.uniform(0, 2 * math.pi)
        height = 0.0 if street.crosses(s) else KERB
        yield sample_person(dice, street.at(s, t, height), yaw, pose)
        if dice.chance(0.3):
            yield sample_person(dice, street.at(s + dice.spread(0.3), t + side * 0.6, height), yaw, pose)
    if street.zebra is not None and dice.chance(0.7):
        for _ in range(dice.integer(1, 2)):
            t = dice.uniform(-street.road, street.road)
            yaw = dice.pick((-1, 1)) * math.pi / 2 + dice.spread(0.2)
            yield sample_person(dice, street.at(street.zebra + dice.uniform(0.5, 2.7), t), yaw, "walking")
    for _ in range(dice.weighted({0: 3.0, 1: 5.0, 2: 2.0})):
        s = 5 + 20 * dice.unit() ** 1.3
        yaw = (0.0 if dice.chance(0.5) else math.pi) + dice.spread(0.3)
        t = side * (street.road - dice.uniform(0.7, 1.4) - (2.0 if street.parking[index] else 0.0))
        yield sample_person(dice, street.at(s, t), yaw, "cycling")
    if street.junction is not None and dice.chance(0.5):
        s = street.junction[0] + dice.uniform(1, street.junction[1] - 1)
        yaw = dice.pick((-1, 1)) * math.pi / 2 + dice.spread(0.2)
        yield sample_person(dice, street.at(s, side * dice.uniform(0, 6)), yaw, "cycling")


def _traffic(dice: Dice, street: Street, evening: bool) -> Iterator[Thing]:
    """Park and drive cars."""

    def car(s: float, t: float, yaw: float, driving: bool, models: dict[Model, float]) -> Car:
        model = dice.weighted(models)
        colour = dice.tint(dice.pick(PAINTS), 0.08)
        return Car(street.at(s, t), street.heading(s) + yaw, model, colour, evening and driving)

    common: dict[Model, float] = {"hatchback": 4.0, "saloon": 3.0, "estate": 2.0, "suv": 2.5, "van": 1.2}
    for side in (-1, 1):
        index = (side + 1) // 2
        busy = 0.85 if street.parking[index] else 0.18
        s = dice.uniform(6, 14)
        if busy > 0.5 or dice.chance(0.5):
            while s < 90:
                if (
                    dice.chance(busy)
                    and not street.crosses(s, 5.0)
                    and (street.zebra is None or abs(s - street.zebra) > 6)
                ):
                    yaw = (0.0 if dice.chance(0.7) else math.pi) + dice.spread(0.05)
                    yield car(s, side * (street.road - 1.1), yaw, False, common)
                s += dice.uniform(5.6, 7.0)
    lanes = {1: (0.0,), 2: (-0.5, 0.5), 4: (-0.75, -0.25, 0.25, 0.75)}[street.lanes]
    for share in lanes:
        inner = street.road - (2.0 if street.parking[int(share > 0)] else 0.0)
        s = dice.uniform(9, 26)
        while s < 110:
            if dice.chance(0.55) and not street.crosses(s, 3.0):
                yaw = (0.0 if share > 0 else math.pi) + dice.spread(0.04)
                yield car(s, share * inner, yaw, True, {**common, "bus": 0.4})
            s += dice.uniform(9, 30)
    if street.junction is not None:
        start, width = street.junction
        for share, yaw in ((0.28, math.pi / 2), (0.72, -math.pi / 2)):
            if dice.chance(0.45):
                yield car(start + share * width, dice.uniform(-12, 12), yaw, True, common)


def _skyline(dice: Dice, street: Street) -> Skyline:
    """Close the horizon with distant houses."""
    boxes = []
    for z, height in ((330.0, 34.0), (240.0, 20.0)):
        x = -1.3 * z + 0.5 * street.bend * z * z
        stop = -x + street.bend * z * z
        while x < stop:
            width = dice.uniform(8, 26)
            if dice.chance(0.85):
                colour = dice.tint(blend(dice.pick(WALLS["concrete"][0]), dice.pick(WALLS["brick"][0]), 0.5), 0.06)
                boxes.append((x, x + width, z, height * dice.uniform(0.35, 1.0), colour))
            x += width
    return Skyline(tuple(boxes))


assert set(get_args(Model)) == set(OUTLINES)
