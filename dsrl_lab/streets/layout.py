"""How a street comes about: what kind of street, who built what along it, who is out today."""

from collections.abc import Iterator

from dsrl_lab.streets.buildings import WALLS, Box, Building, GardenWall
from dsrl_lab.streets.dice import Dice, blend
from dsrl_lab.streets.frontage import District, boundary, far_trees, greenery, house_row
from dsrl_lab.streets.furniture import Fence
from dsrl_lab.streets.geometry import Camera
from dsrl_lab.streets.ground import GRASSES, PAVINGS, ROADS, Street
from dsrl_lab.streets.life import Places, posts, traffic, walkers
from dsrl_lab.streets.scene import Scene, Thing
from dsrl_lab.streets.trees import Hedge
from dsrl_lab.streets.weather import sample_weather

DISTRICTS: dict[District, float] = {"town": 2.6, "suburb": 2.8, "park": 2.8, "city": 1.5}


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
    autumn = dice.chance(0.3)
    open_side = (1 if street.setback[1] > 8 else -1) if district == "park" else 0
    things: list[Thing] = [*far_trees(dice, street, district)]
    for side in (-1, 1):
        if side != open_side:
            things += house_row(dice, street, district, side)
        things += boundary(dice, street, district, side, side == open_side)
        things += greenery(dice, street, district, side, side == open_side, autumn)
        things += posts(dice, street, district, side)
    places = Places()
    things += traffic(dice, street, weather.evening, places)
    for side in (-1, 1):
        things += walkers(dice, street, side, places)
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
    return Scene(weather, camera, street, tuple(_skyline(dice, street)), kept, dice.key())


def _depth(thing: Thing) -> float:
    if isinstance(thing, Building):
        return thing.stop
    if isinstance(thing, GardenWall):
        return thing.stop + 0.01
    if isinstance(thing, Fence | Hedge):
        return max(thing.start[2], thing.stop[2])
    return thing.place[2]


def _street(dice: Dice, district: District) -> Street:
    plans = {"town": dice.pick((1, 2, 2)), "suburb": dice.pick((1, 2)), "park": 2, "city": dice.pick((2, 2, 4))}
    lanes = plans[district]
    road = {1: dice.uniform(3.0, 4.2), 2: dice.uniform(3.6, 5.2), 4: dice.uniform(6.0, 6.8)}[lanes]
    if district == "suburb":
        setback = (dice.uniform(3.5, 7), dice.uniform(3.5, 7))
    elif district == "park":
        setback = (dice.pick((0.0, 3.0)), 12.0)
        setback = setback if dice.chance(0.5) else (setback[1], setback[0])
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
        pavement=(dice.uniform(2.0, 4.6), dice.uniform(2.0, 4.6)),
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


def _skyline(dice: Dice, street: Street) -> Iterator[Box]:
    for z, height in ((330.0, 34.0), (240.0, 20.0)):
        x = -1.3 * z + 0.5 * street.bend * z * z
        stop = -x + street.bend * z * z
        while x < stop:
            width = dice.uniform(8, 26)
            if dice.chance(0.85):
                colour = dice.tint(blend(dice.pick(WALLS["concrete"][0]), dice.pick(WALLS["brick"][0]), 0.5), 0.06)
                yield x, x + width, z, height * dice.uniform(0.35, 1.0), colour
            x += width
