"""Who and what is out on a street: lamps and signs, cars, people."""

import math
from collections.abc import Iterator

from dsrl_lab.streets.dice import Dice
from dsrl_lab.streets.frontage import District
from dsrl_lab.streets.furniture import METALS, WOODS, Post, PostKind
from dsrl_lab.streets.ground import KERB, Street
from dsrl_lab.streets.people import Pose, sample_person
from dsrl_lab.streets.scene import Thing
from dsrl_lab.streets.vehicles import OUTLINES, PAINTS, Car, Model


class Places:
    """Keeps track of who stands where on the carriageway, so that nobody stands inside a car."""

    def __init__(self) -> None:
        self._taken: list[tuple[float, float, float, float]] = []

    def take(self, s: float, t: float, length: float, width: float) -> bool:
        """Reserve a rectangle around (s, t); False if part of it is taken."""
        for other_s, other_t, other_length, other_width in self._taken:
            if abs(s - other_s) < (length + other_length) / 2 and abs(t - other_t) < (width + other_width) / 2:
                return False
        self._taken.append((s, t, length, width))
        return True


def posts(dice: Dice, street: Street, district: District, side: int) -> Iterator[Thing]:
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


def traffic(dice: Dice, street: Street, evening: bool, places: Places) -> Iterator[Thing]:
    """Park and drive cars."""

    def car(s: float, t: float, yaw: float, driving: bool, models: dict[Model, float]) -> Car:
        model = dice.weighted(models)
        colour = dice.tint(dice.pick(PAINTS), 0.08)
        return Car(street.at(s, t), street.heading(s) + yaw, model, colour, evening and driving)

    common: dict[Model, float] = {"hatchback": 4.0, "saloon": 3.0, "estate": 2.0, "suv": 2.5, "van": 1.2}
    for side in (-1, 1):
        busy = 0.85 if street.parking[side > 0] else 0.18
        s = dice.uniform(6, 14)
        if busy > 0.5 or dice.chance(0.5):
            while s < 90:
                free = not street.crosses(s, 5.0) and (street.zebra is None or abs(s - street.zebra) > 6)
                if dice.chance(busy) and free:
                    yaw = (0.0 if dice.chance(0.7) else math.pi) + dice.spread(0.05)
                    parked = car(s, side * (street.road - 1.1), yaw, False, common)
                    if places.take(s, side * (street.road - 1.1), OUTLINES[parked.model].length + 0.5, 1.9):
                        yield parked
                s += dice.uniform(5.6, 7.0)
    lanes = {1: (0.0,), 2: (-0.5, 0.5), 4: (-0.75, -0.25, 0.25, 0.75)}[street.lanes]
    for share in lanes:
        inner = street.road - (2.0 if street.parking[share > 0] else 0.0)
        s = dice.uniform(9, 26)
        while s < 110:
            if dice.chance(0.55) and not street.crosses(s, 3.0):
                yaw = (0.0 if share > 0 else math.pi) + dice.spread(0.04)
                driven = car(s, share * inner, yaw, True, {**common, "bus": 0.4})
                if places.take(s, share * inner, OUTLINES[driven.model].length + 1.5, 2.2):
                    yield driven
            s += dice.uniform(9, 30)
    if street.junction is not None:
        start, width = street.junction
        for share, yaw in ((0.28, math.pi / 2), (0.72, -math.pi / 2)):
            s, t = start + share * width, dice.uniform(-12, 12)
            if dice.chance(0.45) and places.take(s, t, 2.5, 5.5):
                yield car(s, t, yaw, True, common)


def walkers(dice: Dice, street: Street, side: int, places: Places) -> Iterator[Thing]:
    """Send people along the pavement, across the zebra, and cyclists along the kerb."""
    for _ in range(dice.integer(2, 9)):
        s = 4.8 + 34 * dice.unit() ** 1.5
        t = side * (street.road + dice.uniform(0.7, max(1.0, street.pavement[side > 0] - 0.4)))
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
            s = street.zebra + dice.uniform(0.5, 2.7)
            if places.take(s, t, 0.5, 0.8):
                yield sample_person(dice, street.at(s, t), yaw, "walking")
    for _ in range(dice.weighted({0: 2.0, 1: 5.0, 2: 3.0})):
        s = 5 + 20 * dice.unit() ** 1.3
        yaw = (0.0 if dice.chance(0.5) else math.pi) + dice.spread(0.3)
        t = side * (street.road - dice.uniform(0.7, 1.4) - (2.0 if street.parking[side > 0] else 0.0))
        if places.take(s, t, 2.2, 0.8):
            yield sample_person(dice, street.at(s, t), yaw, "cycling")
    if street.junction is not None and dice.chance(0.5):
        s = street.junction[0] + dice.uniform(1, street.junction[1] - 1)
        yaw = dice.pick((-1, 1)) * math.pi / 2 + dice.spread(0.2)
        t = side * dice.uniform(0, 6)
        if places.take(s, t, 0.8, 2.2):
            yield sample_person(dice, street.at(s, t), yaw, "cycling")
