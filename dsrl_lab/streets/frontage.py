"""What lines a street: houses, fences and walls, trees."""

from collections.abc import Iterator
from typing import Literal

from dsrl_lab.streets.buildings import ROOFS, TRIMS, WALLS, Building, GardenWall
from dsrl_lab.streets.dice import Dice
from dsrl_lab.streets.furniture import METALS, WOODS, Fence, FenceKind
from dsrl_lab.streets.ground import KERB, Street
from dsrl_lab.streets.scene import Thing
from dsrl_lab.streets.trees import AUTUMN, BARK, CROWNS, Hedge, Tree

District = Literal["town", "suburb", "park", "city"]
HEIGHTS = {"railing": (1.1, 1.8), "picket": (0.9, 1.2), "panel": (1.2, 1.8), "mesh": (1.2, 2.2), "rail": (1.0, 1.3)}
MATERIALS: dict[District, dict[str, float]] = {
    "town": {"brick": 3.0, "stucco": 4.0, "stone": 2.0},
    "suburb": {"brick": 4.0, "stucco": 3.0, "panel": 0.7},
    "park": {"brick": 2.0, "stucco": 3.0, "stone": 3.0},
    "city": {"concrete": 3.0, "stone": 2.0, "panel": 2.0, "brick": 1.0, "stucco": 1.0},
}
SPACINGS = {"guard": 0.17, "panel": 0.6, "mesh": 0.2, "rail": 1.0}


def house_row(dice: Dice, street: Street, district: District, side: int) -> Iterator[Thing]:
    """Build houses side by side from behind the camera to the end of the street."""
    s, end = -40.0, dice.uniform(110, 190)
    terrace = dice.chance(0.35)
    while s < end:
        if street.junction is not None and s < street.junction[0] < s + 12:
            s = street.junction[0] + street.junction[1] + 0.5 + street.pavement[0]
        yield (house := _building(dice, street, district, side, s))
        s = house.stop
        if district == "suburb":
            s += dice.uniform(2.5, 7)
        elif not terrace and dice.chance(0.12):
            s += dice.uniform(3, 8)


def _building(dice: Dice, street: Street, district: District, side: int, s: float) -> Building:
    wall = dice.weighted(MATERIALS[district])
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
    wide, high = ((0.6, 0.92), (0.48, 0.66)) if wall in ("concrete", "panel") else ((0.34, 0.56), (0.46, 0.64))
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
        shop=district in ("town", "city", "park") and dice.chance(0.5) and street.setback[side > 0] == 0,
        window=(dice.uniform(*wide), dice.uniform(*high)),
        key=dice.key(),
    )


def boundary(dice: Dice, street: Street, district: District, side: int, open_side: bool) -> Iterator[Thing]:
    """Fence in front gardens and parks; guard the kerb at junctions."""
    setback = street.setback[side > 0]
    edge = side * (street.edge(side) + 0.15)
    if setback > 0:
        kind: FenceKind = dice.weighted({"railing": 3.0, "picket": 2.0, "panel": 1.5, "mesh": 1.2, "rail": 1.2})
        s = 3.0
        while s < 100:
            piece = dice.uniform(12, 30) if open_side else dice.uniform(5, 14)
            choice = "fence"
            if not open_side or not dice.chance(0.85):
                choice = dice.weighted({"fence": 6.0, "hedge": 2.0, "wall": 1.2, "none": 0.8})
            if choice == "fence":
                if not open_side:
                    kind = dice.weighted({"railing": 3.0, "picket": 2.5, "panel": 1.5, "mesh": 0.8, "rail": 1.0})
                yield from _fence(dice, street, kind, edge, s, s + piece)
            elif choice == "hedge" and not street.crosses(s, piece):
                k, colour, height = s, dice.tint(dice.pick(CROWNS), 0.06), dice.uniform(0.9, 1.9)
                while k < s + piece:
                    yield Hedge(street.at(k, edge, KERB), street.at(k + 3, edge, KERB), height, colour, dice.key())
                    k += 3
            elif choice == "wall" and not street.crosses(s, piece):
                height, brick = dice.uniform(0.6, 1.3), dice.tint(dice.pick(WALLS["brick"][0]), 0.06)
                yield GardenWall(edge, s, s + piece, height, brick)
            s += piece + dice.uniform(0.9, 1.6)
    kerb = side * (street.road + 0.35)
    if street.junction is not None and dice.chance(0.8):
        s = max(4.0, street.junction[0] - dice.uniform(10, 22))
        yield from _fence(dice, street, "guard", kerb, s, street.junction[0] - 1.5)
    elif district in ("town", "city") and dice.chance(0.7):
        s = dice.uniform(3, 12)
        yield from _fence(dice, street, dice.pick(("guard", "guard", "railing")), kerb, s, s + dice.uniform(10, 26))


def _fence(dice: Dice, street: Street, kind: FenceKind, t: float, start: float, stop: float) -> Iterator[Fence]:
    colour = dice.tint(dice.pick(WOODS if kind in ("picket", "panel", "rail") else METALS), 0.05)
    if kind == "picket" and dice.chance(0.5):
        colour = dice.tint((0.88, 0.87, 0.83), 0.03)
    # Every kind draws, so that the scene does not depend on the kind.
    height = ({name: dice.uniform(*bounds) for name, bounds in HEIGHTS.items()} | {"guard": 1.05})[kind]
    spacing = (SPACINGS | {"railing": dice.uniform(0.14, 0.22), "picket": dice.uniform(0.15, 0.2)})[kind]
    s = start
    while s < stop - 0.5:
        following = min(stop, s + 2.0)
        if not (street.crosses(s, 1.0) or street.crosses(following, 1.0)):
            yield Fence(street.at(s, t, KERB), street.at(following, t, KERB), kind, height, spacing, colour)
        s = following


def far_trees(dice: Dice, street: Street, district: District) -> Iterator[Tree]:
    """Plant the trees at the end of the view."""
    for _ in range(dice.integer(8, 16) if district in ("suburb", "park") else dice.integer(0, 5)):
        place, height = street.at(dice.uniform(130, 210), dice.uniform(-90, 90)), dice.uniform(7, 15)
        colour = dice.tint(dice.pick(CROWNS), 0.06)
        yield Tree(place, height, height * 1.1, height * 0.1, colour, BARK[0], dice.key())


def greenery(dice: Dice, street: Street, district: District, side: int, is_park: bool, autumn: bool) -> Iterator[Thing]:
    """Plant street trees, gardens and a park."""

    def tree(place: tuple[float, float, float], height: float) -> Tree:
        colour = dice.tint(dice.pick(AUTUMN if autumn and dice.chance(0.75) else CROWNS), 0.08)
        bare = dice.chance(0.3 if autumn else 0.05)
        width = 0.0 if bare else height * dice.uniform(0.45, 0.8)
        clear, bark = height * dice.uniform(0.22, 0.36), dice.tint(dice.pick(BARK), 0.05)
        return Tree(place, height, width, clear, colour, bark, dice.key())

    if is_park:
        for _ in range(dice.integer(12, 20)):
            s = 7 + 110 * dice.unit() ** 1.3
            t = street.edge(side) + dice.uniform(2.0, 16 + 0.3 * s)
            yield tree(street.at(s, side * t, KERB), dice.uniform(6, 13))
        for s in range(60, 150, 12):
            yield tree(street.at(s, side * (street.edge(side) + dice.uniform(25, 60)), KERB), dice.uniform(7, 12))
    elif street.setback[side > 0] > 0:
        for _ in range(dice.integer(3, 7)):
            t = street.edge(side) + dice.uniform(1.2, max(1.5, street.setback[side > 0] - 0.8))
            s = dice.uniform(7, 100)
            if dice.chance(0.5):
                bush = dice.uniform(0.9, 2.2)
                wide, leaves = bush * dice.uniform(0.9, 1.4), dice.tint(dice.pick(CROWNS), 0.08)
                yield Tree(street.at(s, side * t, KERB), bush, wide, 0.0, leaves, BARK[0], dice.key())
            else:
                yield tree(street.at(s, side * t, KERB), dice.uniform(3.5, 7.5))
    if dice.chance({"town": 0.35, "suburb": 0.5, "park": 0.85, "city": 0.6}[district]):
        s, step = dice.uniform(8, 16), dice.uniform(8, 15)
        while s < 110:
            if dice.chance(0.8) and not street.crosses(s, 3.0):
                yield tree(street.at(s, side * (street.road + 0.8), KERB), dice.uniform(4.8, 9.0))
            s += step * dice.uniform(0.8, 1.2)
