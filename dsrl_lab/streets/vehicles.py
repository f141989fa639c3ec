"""Cars, vans and buses, lofted from rounded rings: one ring per height, one band of faces between two rings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsrl_lab.streets.dice import Colour, blend, palette
from dsrl_lab.streets.geometry import ROUND, Camera, Frame, Point, hull
from dsrl_lab.streets.mesh import BY_NORMAL, CAR, Mesh

PAINTS = palette(
    "8d9196 b9bcbe 2d2f33 e4e3df 7c2a2c 24405f 3d5a44 6b6f73 a7a08f 4a3b33 b5552f 5c7a94 55613f c9b27a 6f5a73 c23b33"
)
DARK: Colour = (0.07, 0.07, 0.08)
Model = Literal["hatchback", "saloon", "estate", "suv", "van", "bus"]


class Outline(NamedTuple):
    """Side view of a model."""

    length: float  # metres
    width: float  # metres
    height: float  # metres
    belt: float  # height of the lower edge of the windows
    nose: float  # height of the bonnet's front edge
    cabin: tuple[float, float, float, float]  # rear foot, roof's rear and front, front foot: shares of half the length
    taper: float  # width of the roof over the width of the body
    panes: tuple[tuple[float, float], ...]  # side windows from rear to front, shares of the glass; the rest is metal


CAR_PANES = ((0.05, 0.36), (0.40, 0.97))
ESTATE_PANES = ((0.03, 0.26), (0.29, 0.55), (0.58, 0.97))
BUS_PANES = tuple((0.02 + 0.139 * k, 0.147 + 0.139 * k) for k in range(7))
OUTLINES: dict[Model, Outline] = {
    "hatchback": Outline(4.0, 1.74, 1.48, 0.92, 0.74, (-0.96, -0.68, 0.10, 0.50), 0.76, CAR_PANES),
    "saloon": Outline(4.6, 1.82, 1.44, 0.92, 0.72, (-0.74, -0.36, 0.10, 0.48), 0.74, CAR_PANES),
    "estate": Outline(4.6, 1.82, 1.49, 0.93, 0.74, (-0.97, -0.82, 0.10, 0.48), 0.76, ESTATE_PANES),
    "suv": Outline(4.5, 1.90, 1.74, 1.08, 0.92, (-0.95, -0.78, 0.12, 0.46), 0.78, CAR_PANES),
    "van": Outline(5.2, 2.02, 2.30, 1.22, 1.02, (-0.98, -0.96, 0.36, 0.76), 0.90, ((0.74, 0.97),)),
    "bus": Outline(10.5, 2.50, 3.10, 1.20, 0.95, (-0.99, -0.985, 0.965, 0.99), 0.97, BUS_PANES),
}  # fmt: skip


@dataclass(frozen=True)
class Car:
    """A vehicle."""

    place: Point  # middle of its footprint, (X, 0, Z)
    yaw: float  # radians it points to the right of straight ahead; pi looks at the camera
    model: Model  # its shape
    colour: Colour  # albedo of its paint
    lights: bool  # whether its lamps are on


# Ring of 12 corners, clockwise from the front right, seen from above: faces 0-1 are the right front corner, 2 the right
# side, 3-4 right rear, 5 the back, 6-7 left rear, 8 the left side, 9-10 left front, 11 the front.
FRONT_CORNERS, REAR_CORNERS, RIGHT, BACK, LEFT, FRONT = (0, 1, 9, 10), (3, 4, 6, 7), 2, 5, 8, 11
FOLLOWING = [*range(1, 12), 0]


def _ring(rear: float, front: float, half: float, height: float, round_: float) -> list[Point]:
    quarter = [(half - round_, 0.0), (half - 0.3 * round_, 0.55 * round_), (half, 1.6 * round_)]
    right = [(x, height, front - d) for x, d in quarter] + [(x, height, rear + d) for x, d in quarter[::-1]]
    return right + [(-x, h, z) for x, h, z in right[::-1]]


class _Draft:
    def __init__(self, mesh: Mesh, car: Car, camera: Camera) -> None:
        self.mesh, self.frame = mesh, Frame(car.place, car.yaw)
        self.eye = (camera.x, camera.height, 0.0)

    def put(self, corners: list[Point], colour: Colour, **light: float) -> None:
        shape = [self.frame.at(*corner) for corner in corners]
        (ax, ay, az), (bx, by, bz), (cx, cy, cz) = shape[:3]
        ux, uy, uz, vx, vy, vz = bx - ax, by - ay, bz - az, cx - ax, cy - ay, cz - az
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        ex, ey, ez = self.eye
        if nx * (ex - ax) + ny * (ey - ay) + nz * (ez - az) > 0:
            self.mesh.face(shape, colour, **light)  # type: ignore[arg-type]

    def loft(self, rings: Sequence[Sequence[Point]], colours: NDArray[np.float64], sun: Sequence[float]) -> None:
        corners = np.array([[self.frame.at(*corner) for corner in ring] for ring in rings])
        following = corners[:, FOLLOWING]
        a, b, c = corners[:-1], following[:-1], following[1:]
        u, v, w = b - a, c - a, np.array(self.eye) - a
        seen = (np.cross(u, v) * w).sum(-1) > 0
        light = np.broadcast_to(np.array(sun)[:, None], seen.shape)[seen]
        self.mesh.faces(np.stack([a, b, c, corners[1:]], 2)[seen], colours[seen], light, np.ones(len(light)))


def draw_car(mesh: Mesh, car: Car, camera: Camera, glass: tuple[Colour, Colour]) -> None:
    """Draw a vehicle from the ground up; ``glass`` holds the colours of dark and of mirroring panes."""
    o, draft = OUTLINES[car.model], _Draft(mesh, car, camera)
    half, wide = o.length / 2, o.width / 2
    mesh.begin(CAR)
    _shadow(mesh, car, draft.frame, half, wide)
    _treads(draft, half, wide)
    paint = car.colour
    foot, back, fore, screen = (k * half for k in o.cabin)
    big = car.model in ("van", "bus")
    soft = 0.12 if big else 0.26
    lamp = o.nose * 0.80
    rings = [
        _ring(-half * 0.97, half * 0.96, wide * 0.93, 0.19, soft),
        _ring(-half, half, wide, 0.40, soft),
        _ring(-half, half, wide, lamp - 0.10, soft),
        _ring(-half * 0.995, half * 0.985, wide, lamp + 0.06, soft),
        _ring(-half * 0.99, half * (0.93 if not big else 0.985), wide * 0.985, max(o.nose, lamp + 0.08), soft),
        _ring(min(foot, -half * 0.96), screen, wide * 0.96, o.belt, soft),
    ]
    colours = np.tile(paint, (5, 12, 1))
    colours[0] = blend(paint, DARK, 0.92)
    colours[2, FRONT_CORNERS] = (0.90, 0.91, 0.90)
    colours[2, REAR_CORNERS] = (0.62, 0.06, 0.06)
    draft.loft(rings, colours, [BY_NORMAL] * 5)
    for corner in (*FRONT_CORNERS, *REAR_CORNERS) if car.lights else ():
        n = FOLLOWING[corner]
        shine = (1.0, 0.97, 0.85) if corner in FRONT_CORNERS else (0.75, 0.08, 0.08)
        draft.put([rings[2][corner], rings[2][n], rings[3][n], rings[3][corner]], shine, glow=0.9)
    draft.put(rings[5], paint)
    _front_and_back(draft, car, o, half, wide)
    _sides(draft, car, o, half, wide, near=car.place[2] < 35)

    def level(height: float, inset: float = 0.0) -> list[Point]:
        up = (height - o.belt) / (o.height - o.belt)
        width = wide * (0.95 + (o.taper - 0.95) * up) - inset
        return _ring(foot + (back - foot) * up + inset, screen + (fore - screen) * up - inset, width, height, 0.14)

    low, high, top = level(o.belt + 0.05), level(o.height - 0.11), level(o.height, 0.10)
    cabin = [level(o.belt), low, high, level(o.height - 0.03), top]
    colours = np.tile(paint, (4, 12, 1))
    colours[1] = blend(glass[0], glass[1], 0.15)
    colours[1, (FRONT, 0, 10, BACK)] = blend(glass[0], glass[1], 0.5)
    draft.loft(cabin, colours, [BY_NORMAL, 0.15, BY_NORMAL, BY_NORMAL])
    _posts(draft, car, o, low, high)
    if car.model == "bus":
        board = np.tile(paint, (1, 12, 1))
        board[0, FRONT] = (0.12, 0.12, 0.11)
        draft.loft([level(o.height - 0.5), high], board, [BY_NORMAL])
    draft.put(top, paint)


def _shadow(mesh: Mesh, car: Car, frame: Frame, half: float, wide: float) -> None:
    o = OUTLINES[car.model]
    footprint = [(a * wide * 1.02, b * half * 1.02) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    mesh.cast([frame.at(a, 0, b) for a, b in footprint], 2)
    corners = [frame.at(a, h, b) for a, b in footprint for h in (0, o.belt)]
    corners += [frame.at(s * wide * o.taper, o.height, k * half) for s in (-1, 1) for k in o.cabin[1:3]]
    mesh.cast([(x, 0.0, z) for x, z in hull([mesh.fall(p) for p in corners])])


def _posts(draft: _Draft, car: Car, o: Outline, low: list[Point], high: list[Point]) -> None:
    gaps = zip((0.0, *(stop for _, stop in o.panes)), (*(start for start, _ in o.panes), 1.0), strict=True)
    for g0, g1 in gaps:
        if g1 - g0 < 0.005:
            continue
        for side in (RIGHT, LEFT):
            a, b = (side, side + 1) if side == LEFT else (side + 1, side)
            ends = [
                tuple(ring[a][i] + (ring[b][i] - ring[a][i]) * g for i in range(3))
                for ring, g in ((low, g0), (low, g1), (high, g1), (high, g0))
            ]
            corners = ends if side == LEFT else [ends[1], ends[0], ends[3], ends[2]]
            draft.put(corners, car.colour)  # type: ignore[arg-type]
    if car.model == "van":
        for k in (*REAR_CORNERS, BACK):
            draft.put([low[k], low[(k + 1) % 12], high[(k + 1) % 12], high[k]], car.colour)
        for x0, x1 in ((-0.62, -0.06), (0.06, 0.62)):
            z = low[BACK][2] - 0.02
            draft.put(_plate(z, x0, x1, o.belt + 0.12, o.belt + 0.62), (0.14, 0.16, 0.18), sun=0.2)
    else:
        for k in REAR_CORNERS[:2] if car.model == "bus" else (4, 6):
            draft.put([low[k], low[(k + 1) % 12], high[(k + 1) % 12], high[k]], car.colour)


def _plate(z: float, x0: float, x1: float, h0: float, h1: float) -> list[Point]:
    corners = [(x1, h0, z), (x0, h0, z), (x0, h1, z), (x1, h1, z)]
    return corners if z < 0 else [corners[1], corners[0], corners[3], corners[2]]


def _front_and_back(draft: _Draft, car: Car, o: Outline, half: float, wide: float) -> None:
    yellow, pale, grille = (0.85, 0.76, 0.36), (0.88, 0.88, 0.86), (0.10, 0.10, 0.11)
    trim = blend(car.colour, DARK, 0.6)
    draft.put(_plate(-half - 0.02, -wide * 0.72, wide * 0.72, 0.30, 0.46), trim, openness=0.8)
    draft.put(_plate(half + 0.02, -wide * 0.72, wide * 0.72, 0.28, 0.42), trim, openness=0.8)
    draft.put(_plate(half + 0.02, -wide * 0.55, wide * 0.55, o.nose * 0.62, o.nose * 0.80), grille, openness=0.7)
    draft.put(_plate(-half - 0.03, -0.26, 0.26, o.nose * 0.76, o.nose * 0.76 + 0.12), yellow)
    draft.put(_plate(half + 0.03, -0.26, 0.26, 0.44, 0.56), pale)


def _treads(draft: _Draft, half: float, wide: float) -> None:
    for sign in (-1, 1):
        x0, x1 = sorted((sign * (wide - 0.24), sign * (wide - 0.02)))
        for z in (-0.62 * half - 0.3, 0.63 * half + 0.3):
            way = -1.0 if z < 0 else 1.0
            tread = [(x, h, z) for x, h, _ in _plate(way, x0, x1, 0.0, 0.4)]
            draft.put(tread, (0.05, 0.05, 0.06), sun=0.1, openness=0.6)


def _sides(draft: _Draft, car: Car, o: Outline, half: float, wide: float, *, near: bool) -> None:
    radius = 0.46 if car.model == "bus" else 0.32 if o.height < 1.6 else 0.35
    line = blend(car.colour, DARK, 0.55)

    def flat(sign: int, out: float, outline: list[tuple[float, float]]) -> list[Point]:
        corners = [(sign * (wide + out), h, z) for z, h in outline]
        return corners if sign < 0 else corners[::-1]

    arch, tyre, rim, hub = blend(DARK, (0, 0, 0), 0.5), (0.09, 0.09, 0.10), (0.58, 0.59, 0.61), (0.2, 0.2, 0.2)
    wheel = ((1.2, arch, 0.4), (1.0, tyre, 0.8), (0.64, rim, 0.9), (0.2, hub, 0.9))
    for sign in (-1, 1):
        for z in (-0.62 * half, 0.63 * half):
            for layer, (size, colour, openness) in enumerate(wheel):
                outline = [(z + size * radius * a, max(0.0, radius + size * radius * b)) for a, b in ROUND]
                draft.put(flat(sign, 0.006 + 0.008 * layer, outline), colour, sun=0.3, openness=openness)
        if o.length > 5 or not near:
            continue
        for z in (-0.42 * half, -0.06 * half, 0.36 * half):
            gap = [(z - 0.012, 0.36), (z + 0.012, 0.36), (z + 0.012, o.belt - 0.06), (z - 0.012, o.belt - 0.06)]
            draft.put(flat(sign, 0.004, gap), line)
        for z in (-0.36 * half, 0.0):
            draft.put(flat(sign, 0.006, [(z, 0.78), (z + 0.17, 0.78), (z + 0.17, 0.82), (z, 0.82)]), line)
