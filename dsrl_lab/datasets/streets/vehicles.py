"""Cars, vans and buses: two convex boxes (body and cabin) whose outlines come from a side view."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from dsrl_lab.datasets.streets.dice import Colour, blend, palette
from dsrl_lab.datasets.streets.geometry import Camera, Frame, Point, Shape, hull
from dsrl_lab.datasets.streets.mesh import CAR, Mesh

PAINTS = palette(
    "8d9196 b9bcbe 2d2f33 e4e3df 7c2a2c 24405f 3d5a44 6b6f73 a7a08f 4a3b33 b5552f 5c7a94 55613f c9b27a 6f5a73 c23b33"
)
Model = Literal["hatchback", "saloon", "estate", "suv", "van", "bus"]


class _Outline:
    """Side view of a model: lengths and heights in metres, z ahead of the middle."""

    def __init__(
        self,
        length: float,
        width: float,
        height: float,
        belt: float,
        nose: float,
        cabin: tuple[float, float, float, float],
    ) -> None:
        self.length, self.width, self.height, self.belt, self.nose = length, width, height, belt, nose
        # Cabin: rear foot, rear of the roof, front of the roof, front foot, as shares of half the length.
        self.cabin = cabin


OUTLINES: dict[Model, _Outline] = {
    "hatchback": _Outline(4.0, 1.72, 1.47, 0.90, 0.78, (-0.97, -0.76, 0.08, 0.42)),
    "saloon": _Outline(4.6, 1.80, 1.43, 0.90, 0.76, (-0.72, -0.40, 0.10, 0.42)),
    "estate": _Outline(4.6, 1.80, 1.48, 0.92, 0.78, (-0.97, -0.86, 0.10, 0.42)),
    "suv": _Outline(4.5, 1.88, 1.72, 1.08, 0.98, (-0.96, -0.82, 0.12, 0.42)),
    "van": _Outline(5.2, 2.00, 2.25, 1.15, 1.05, (-0.99, -0.97, 0.42, 0.74)),
    "bus": _Outline(10.5, 2.50, 3.10, 1.10, 1.10, (-1.0, -0.995, 0.985, 1.0)),
}


@dataclass(frozen=True)
class Car:
    """A vehicle.

    Args:
        place: middle of its footprint, (X, 0, Z).
        yaw: radians it points to the right of straight ahead; pi looks at the camera.
        model: its shape.
        colour: albedo of its paint.
        lights: whether its lamps are on.
    """

    place: Point
    yaw: float
    model: Model
    colour: Colour
    lights: bool


def draw_car(mesh: Mesh, car: Car, camera: Camera, glass: tuple[Colour, Colour]) -> None:
    """Draw a vehicle: faces that look away from the camera are left out, the cabin comes after the body."""
    o, frame = OUTLINES[car.model], Frame(car.place, car.yaw)
    half, wide = o.length / 2, o.width / 2
    roof = wide * (0.97 if car.model in ("van", "bus") else 0.80)
    mesh.begin(CAR)
    eye = (camera.x, camera.height, 0.0)
    paint, dark = car.colour, (0.07, 0.07, 0.08)

    def seen(shape: Shape) -> bool:
        (ax, ay, az), (bx, by, bz), (cx, cy, cz) = shape[:3]
        ux, uy, uz, vx, vy, vz = bx - ax, by - ay, bz - az, cx - ax, cy - ay, cz - az
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        return nx * (eye[0] - ax) + ny * (eye[1] - ay) + nz * (eye[2] - az) > 0

    def put(
        corners: list[Point], colour: Colour, *, sun: float = -1.0, openness: float = 1.0, glow: float = 0.0
    ) -> bool:
        shape = [frame.at(*corner) for corner in corners]
        if seen(shape):
            mesh.face(shape, colour, sun=sun, openness=openness, glow=glow)
            return True
        return False

    def side(
        sign: int,
        outline: list[tuple[float, float]],
        colour: Colour,
        x: float = wide,
        top: float | None = None,
        *,
        sun: float = -1.0,
        openness: float = 1.0,
    ) -> bool:
        lowest = min(h for _, h in outline)
        highest = max(h for _, h in outline)
        corners = []
        for z, h in outline:
            lean = 0.0 if top is None else (h - lowest) / (highest - lowest) * (top - x)
            corners.append((sign * (x + lean), h, z))
        return put(corners if sign < 0 else corners[::-1], colour, sun=sun, openness=openness)

    def across(
        z0: float,
        h0: float,
        z1: float,
        h1: float,
        x0: float,
        x1: float,
        colour: Colour,
        *,
        sun: float = -1.0,
        openness: float = 1.0,
        glow: float = 0.0,
    ) -> bool:
        return put(
            [(x0, h0, z0), (x1, h1, z1), (-x1, h1, z1), (-x0, h0, z0)], colour, sun=sun, openness=openness, glow=glow
        )

    footprint = [(a * wide * 1.02, b * half * 1.02) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    mesh.cast([frame.at(a, 0, b) for a, b in footprint], 2)
    if mesh.sun is not None:
        corners = [frame.at(a, 0, b) for a, b in footprint]
        corners += [frame.at(a, o.belt, b) for a, b in footprint]
        corners += [frame.at(s * roof, o.height, k * half) for s in (-1, 1) for k in o.cabin[1:3]]
        mesh.cast([(x, 0.0, z) for x, z in hull([mesh.fall(p) for p in corners])])

    low, sill = 0.20, 0.42
    for sign in (-1, 1):
        side(sign, [(-half, low), (half, low), (half, sill), (-half, sill)], dark, openness=0.5)
    across(-half, sill, -half, low, wide, wide, dark, openness=0.5)
    across(half, low, half, sill, wide, wide, dark, openness=0.5)
    foot, back, fore, screen = (k * half for k in o.cabin)
    tail = o.belt if foot <= -0.9 * half else o.belt * 0.97
    body = [
        (-half, 0.34),
        (half, 0.34),
        (half, o.nose * 0.86),
        (half * 0.93, o.nose),
        (screen, o.belt),
        (-half * 0.97, tail),
        (-half, tail * 0.9),
    ]
    shown = {sign: side(sign, body, paint) for sign in (-1, 1)}
    for (z0, h0), (z1, h1) in zip(body[1:], [*body[2:], body[0]], strict=True):
        across(z0, h0, z1, h1, wide, wide, paint)

    # The cabin: walls in the car's colour, panes set into them.
    cabin = [(foot, o.belt), (screen, o.belt), (fore, o.height), (back, o.height)]
    for sign in (-1, 1):
        side(sign, cabin, paint, wide, roof)
    across(screen, o.belt, fore, o.height, wide, roof, paint)
    across(fore, o.height, back, o.height, roof, roof, paint)
    across(back, o.height, foot, o.belt, roof, wide, paint)
    pane = blend(glass[0], glass[1], 0.30)
    bright = blend(glass[0], glass[1], 0.55)
    _panes(car, o, side, across, (foot, back, fore, screen, wide, roof), pane, bright)
    _ends(car, o, half, wide, put, shown)
    _wheels(mesh, car, o, frame, half, wide, shown)


def _panes(car: Car, o: _Outline, side, across, plan: tuple[float, ...], pane: Colour, bright: Colour) -> None:  # type: ignore[no-untyped-def]
    foot, back, fore, screen, wide, roof = plan

    def lean(z0: float, z1: float, share: float) -> float:
        return z0 + (z1 - z0) * share

    h0, h1 = o.belt + 0.04, o.height - 0.09
    rise = o.height - o.belt
    a, b = (h0 - o.belt) / rise, (h1 - o.belt) / rise
    x0, x1 = wide + (roof - wide) * a, wide + (roof - wide) * b
    if car.model == "van":
        starts = [(0.24, 0.62)]
    elif car.model == "bus":
        starts = [(-0.95 + 0.272 * k, -0.95 + 0.272 * (k + 1) - 0.03) for k in range(7)]
    else:
        starts = []
    for sign in (-1, 1):
        if starts:
            for k0, k1 in starts:
                z0, z1 = k0 * o.length / 2, k1 * o.length / 2
                top = min(z1, lean(screen, fore, b) - 0.1)
                side(sign, [(z0, h0), (z1, h0), (top, h1 - 0.25), (z0, h1 - 0.25)], pane, x0, x1, sun=0.1)
            continue
        post = -0.22 * o.length / 2
        rear = [
            (lean(foot, back, a) + 0.22, h0),
            (post - 0.05, h0),
            (post - 0.05, h1),
            (lean(foot, back, b) + 0.14, h1),
        ]
        front = [
            (post + 0.05, h0),
            (lean(screen, fore, a) - 0.16, h0),
            (lean(screen, fore, b) - 0.06, h1),
            (post + 0.05, h1),
        ]
        for outline in (rear, front):
            side(sign, outline, pane, x0, x1, sun=0.12)
    margin = 0.09
    across(lean(screen, fore, a), h0, lean(screen, fore, b), h1, x0 - margin, x1 - margin, bright, sun=0.2)
    if car.model != "van":
        across(lean(back, foot, 1 - b), h1, lean(back, foot, 1 - a), h0, x1 - margin, x0 - margin, pane, sun=0.2)


def _ends(car: Car, o: _Outline, half: float, wide: float, put, shown: dict[int, bool]) -> None:  # type: ignore[no-untyped-def]
    """Draw lamps, plates, bumpers and grille, and the lines between the doors."""

    def plate(z: float, x0: float, x1: float, h0: float, h1: float, colour: Colour, **shine: float) -> None:
        corners = [(x0, h0, z), (x0, h1, z), (x1, h1, z), (x1, h0, z)]
        put(corners if z < 0 else corners[::-1], colour, **shine)

    red, amber, white, grey = (0.62, 0.07, 0.06), (0.9, 0.5, 0.15), (0.93, 0.93, 0.88), (0.16, 0.16, 0.17)
    shine = {"glow": 0.9} if car.lights else {}
    base = o.belt * 0.62
    for sign in (-1, 1):
        inner, outer = sorted((sign * wide * 0.66, sign * wide * 0.97))
        plate(-half - 0.01, inner, outer, base, base + 0.26, red, **shine)
        plate(-half - 0.015, inner + 0.04, outer - 0.04, base + 0.04, base + 0.1, amber, **shine)
        inner, outer = sorted((sign * wide * 0.58, sign * wide * 0.95))
        plate(
            half + 0.01,
            inner,
            outer,
            o.nose * 0.66,
            o.nose * 0.85,
            white if not car.lights else (1.0, 0.97, 0.85),
            **shine,
        )
    plate(-half - 0.01, -0.26, 0.26, base - 0.05, base + 0.08, (0.88, 0.8, 0.4))
    plate(half + 0.01, -0.26, 0.26, 0.44, 0.56, (0.9, 0.9, 0.88))
    plate(half + 0.01, -wide * 0.5, wide * 0.5, o.nose * 0.62, o.nose * 0.8, grey, openness=0.6)
    for z in (-half - 0.02, half + 0.02):
        plate(z, -wide * 0.98, wide * 0.98, 0.30, 0.42, blend(car.colour, grey, 0.7), openness=0.7)
    line = blend(car.colour, (0, 0, 0), 0.4)
    for sign, visible in shown.items():
        if not visible or car.model in ("van", "bus"):
            continue
        x = sign * (wide + 0.005)
        for z in (-0.5 * half, -0.2 * half, 0.30 * half):
            corners = [
                (x, 0.4, z - 0.012),
                (x, o.belt - 0.03, z - 0.012),
                (x, o.belt - 0.03, z + 0.012),
                (x, 0.4, z + 0.012),
            ]
            put(corners[::-1] if sign < 0 else corners, line)
        corners = [(x, 0.58, -half * 0.9), (x, 0.62, -half * 0.9), (x, 0.62, half * 0.9), (x, 0.58, half * 0.9)]
        put(corners[::-1] if sign < 0 else corners, blend(car.colour, (0, 0, 0), 0.25))


def _wheels(mesh: Mesh, car: Car, o: _Outline, frame: Frame, half: float, wide: float, shown: dict[int, bool]) -> None:
    radius = 0.46 if car.model == "bus" else 0.31 + 0.03 * (o.height > 1.6)
    circle = [(math.cos(math.pi * i / 8), math.sin(math.pi * i / 8)) for i in range(16)]
    for sign, visible in shown.items():
        for z in (-0.62 * half, 0.64 * half):
            if visible:
                for size, colour, out, openness in (
                    (1.14, (0.05, 0.05, 0.05), 0.0, 0.4),
                    (1.0, (0.10, 0.10, 0.11), 0.01, 0.8),
                    (0.62, (0.55, 0.56, 0.58), 0.02, 0.9),
                    (0.2, (0.2, 0.2, 0.21), 0.03, 0.9),
                ):
                    shape = [
                        frame.at(sign * (wide + out), radius + size * radius * b, z + size * radius * a)
                        for a, b in circle
                    ]
                    mesh.face(shape, colour, sun=0.3, openness=openness)
        inner = sign * (wide - 0.22)
        for z in (-half * 0.62 - radius * 0.6, half * 0.64 + radius * 0.6):
            shape = [frame.at(x, h, z) for x, h in ((inner, 0.0), (sign * wide, 0.0), (sign * wide, 0.3), (inner, 0.3))]
            facing = (frame.at(0, 0, z)[2] < frame.at(0, 0, 0)[2]) if abs(math.cos(car.yaw)) > 0.3 else False
            if facing:
                mesh.face(shape, (0.08, 0.08, 0.09), sun=0.1, openness=0.5)
