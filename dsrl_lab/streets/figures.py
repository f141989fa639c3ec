"""Draws people: limbs as rods between joints, hulls for the body, a bicycle under those who ride."""

import math
from collections.abc import Iterable

from dsrl_lab.streets import people as body
from dsrl_lab.streets.dice import Colour, blend
from dsrl_lab.streets.geometry import Frame, Point, Shape, capsule, disc, hull, ring
from dsrl_lab.streets.mesh import BICYCLIST, PEDESTRIAN, Mesh
from dsrl_lab.streets.people import Person


def draw_figure(mesh: Mesh, person: Person, owner: int) -> None:
    """Draw a person, limb by limb, the far ones first; cyclists with their bicycle."""
    mesh.begin(BICYCLIST if person.pose == "cycling" else PEDESTRIAN, owner)
    frame, h, j = Frame(person.place, person.yaw), person.height, person.joints()
    thick = h * person.build
    right_first = j[body.R_SHOULDER][2] > j[body.L_SHOULDER][2]
    sides = ("right", "left") if right_first else ("left", "right")
    lit = -1 if mesh.sun is not None and mesh.sun[0] > 0 else 1
    mesh.cast([frame.at(0.24 * math.cos(k * math.pi / 4), 0, 0.2 * math.sin(k * math.pi / 4)) for k in range(8)], 2)

    def limb(a: Point, b: Point, start: float, stop: float, colour: Colour) -> None:
        mesh.face(capsule(a, b, start * thick, stop * thick), colour, sun=0.28, openness=0.85)
        if a[2] < 30:
            shift = lit * 0.35
            inner = [(p[0] + shift * r * thick, p[1] + 0.004, p[2]) for p, r in ((a, start), (b, stop))]
            mesh.face(capsule(inner[0], inner[1], start * thick * 0.55, stop * thick * 0.55, caps=1), colour, sun=0.8)
        mesh.cast_rod(a, b, start * thick)

    def leg(side: str) -> None:
        hip, knee, ankle = (j[k] for k in body.LEGS[side])
        lower = person.skin if person.outfit == "dress" else person.bottom
        limb(knee, ankle, 0.036, 0.023, lower)
        limb(hip, knee, 0.050, 0.036, person.bottom)
        toe = Frame(ankle, person.yaw).at(0, -0.02 * h, 0.075 * h)
        limb((ankle[0], ankle[1] - 0.018 * h, ankle[2]), toe, 0.022, 0.017, person.shoes)

    def arm(side: str) -> None:
        shoulder, elbow, wrist = (j[k] for k in body.ARMS[side])
        limb(wrist, wrist, 0.023, 0.023, person.skin)
        limb(elbow, wrist, 0.027, 0.02, person.top)
        limb(shoulder, elbow, 0.034, 0.027, person.top)

    if person.pose == "cycling":
        arm(sides[0])
        leg(sides[0])
        _bicycle(mesh, person)
    else:
        leg(sides[0])
        arm(sides[0])
        if person.bag is not None and person.pose == "walking":
            _bag(mesh, j[body.R_WRIST if sides[0] == "right" else body.L_WRIST], h, person.bag)
    leg(sides[1])
    _torso(mesh, person, j, thick, lit)
    arm(sides[1])
    _head(mesh, person, j, h)


def _torso(mesh: Mesh, person: Person, j: list[Point], thick: float, lit: int) -> None:
    hips, shoulders = (j[body.R_HIP], j[body.L_HIP]), (j[body.R_SHOULDER], j[body.L_SHOULDER])
    z = 0.5 * (hips[0][2] + shoulders[0][2])
    middle = 0.25 * sum(p[0] for p in (*hips, *shoulders))
    pairs = zip(hips, shoulders, strict=True)
    waist = [(middle + 0.9 * (h[0] - middle), 0.62 * h[1] + 0.38 * s[1], z) for h, s in pairs]

    def around(joints: Iterable[Point], radius: float) -> list[tuple[float, float]]:
        r, angles = radius * thick, [k * math.pi / 3 for k in range(6)]
        return [(x + r * math.cos(a), y + r * math.sin(a)) for x, y, _ in joints for a in angles]

    seat = [(x, y, z) for x, y in hull(around(waist, 0.036) + around(hips, 0.046))]
    mesh.face(seat, person.bottom if person.outfit == "shirt" else person.top, sun=0.3, openness=0.85)
    points = around(shoulders, 0.036) + around(waist, 0.040)
    shape = [(x, y, z) for x, y in hull(points)]
    if person.outfit != "shirt":
        drop = 0.20 if person.outfit == "coat" else 0.24
        flare = 1.15 if person.outfit == "coat" else 1.5
        middle = 0.5 * (hips[0][0] + hips[1][0])
        edges = [(middle + (x - middle) * flare, y - drop * person.height * 0.8) for x, y, _ in hips]
        hem = [(x + side * 0.046 * thick * flare, y) for x, y in edges for side in (-1, 1)]
        shape = [(x, y, z) for x, y in hull(points + hem)]
    mesh.face(shape, person.top, sun=0.32, openness=0.85)
    middle = sum(p[0] for p in shape) / len(shape)
    light = [(middle + (x - middle) * 0.5 + lit * 0.03 * thick, y - 0.01, z) for x, y, z in shape]
    mesh.face(light, person.top, sun=0.75)
    mesh.cast_rod((middle, hips[0][1], z), (middle, shoulders[0][1], z), 0.12 * thick)
    if person.bag is not None and math.cos(person.yaw) > 0.3:
        x, y = middle, 0.5 * (hips[0][1] + shoulders[0][1]) + 0.06 * person.height
        mesh.face(disc((x, y, z), 0.085 * thick, 10, stretch=1.35), person.bag, sun=0.4)
        mesh.face(disc((x, y - 0.03, z), 0.055 * thick, 8, stretch=0.8), blend(person.bag, (1, 1, 1), 0.12), sun=0.5)


def _head(mesh: Mesh, person: Person, j: list[Point], h: float) -> None:
    neck, top = j[body.NECK], j[body.HEAD]
    throat = capsule(neck, (top[0], top[1] - 0.12 * h, top[2]), 0.028 * h, 0.026 * h, caps=1)
    mesh.face(throat, blend(person.skin, (0, 0, 0), 0.15), sun=0.3)
    centre = (top[0], top[1] - 0.066 * h, top[2])
    forward = Frame(centre, person.yaw).at(0, 0, 0.022 * h)
    away = math.cos(person.yaw)
    mesh.face(disc(centre, 0.058 * h, 14, stretch=1.15), person.hair, sun=0.45)
    if away < 0.55:
        face = (forward[0], centre[1] - 0.014 * h, centre[2])
        mesh.face(disc(face, 0.046 * h, 12, stretch=1.12), person.skin, sun=0.55)
    mesh.cast_rod((centre[0], centre[1] - 0.06 * h, centre[2]), top, 0.06 * h)
    if person.pose == "cycling":
        x, y, z = centre[0], centre[1] + 0.012 * h, centre[2]
        angles = [math.pi * k / 8 for k in range(9)]
        shell = [(x + 0.066 * h * math.cos(a), y + 0.062 * h * math.sin(a), z) for a in angles]
        mesh.face(shell, person.bike, sun=0.6)


def _bag(mesh: Mesh, hand: Point, h: float, colour: Colour) -> None:
    x, y, z = hand
    corners = ((-0.09, -0.19), (0.09, -0.19), (0.07, -0.05), (-0.07, -0.05))
    shape: Shape = [(x + a * h, y + b * h, z) for a, b in corners]
    mesh.face(shape, colour, sun=0.4)
    mesh.face(capsule((x - 0.03 * h, y - 0.06 * h, z), hand, 0.006, 0.006, caps=0), colour, sun=0.4)


def _bicycle(mesh: Mesh, person: Person) -> None:
    frame = Frame(person.place, person.yaw)
    tyre, steel = (0.09, 0.09, 0.1), blend(person.bike, (0, 0, 0), 0.1)
    narrow = abs(math.sin(person.yaw))
    for ahead in (0.52, -0.52):
        hub = frame.at(0, body.WHEEL, ahead)
        steps = [math.pi * k / 10 for k in range(20)]
        across, upright = max(0.028, body.WHEEL * narrow), body.WHEEL
        outer = [(hub[0] + across * math.cos(a), hub[1] + upright * math.sin(a), hub[2]) for a in steps]
        inside = max(0.0, across - 0.045), upright - 0.045
        inner = [(hub[0] + inside[0] * math.cos(a), hub[1] + inside[1] * math.sin(a), hub[2]) for a in steps]
        mesh.face(ring(outer, inner) if inside[0] > 0.02 else outer, tyre, sun=0.25)
        mesh.cast([(x, 0.0, z) for x, z in hull([mesh.fall(p) for p in outer[::3]])])
    rear, front = frame.at(0, body.WHEEL, -0.52), frame.at(0, body.WHEEL, 0.52)
    crank, seat, head = frame.at(*body.CRANK), frame.at(0, 0.82, -0.22), frame.at(0, 0.86, 0.36)
    grips = frame.at(-0.26, body.BAR[1], body.BAR[2]), frame.at(0.26, body.BAR[1], body.BAR[2])
    for a, b, radius in (
        (rear, crank, 0.018), (rear, seat, 0.016), (crank, seat, 0.02), (crank, head, 0.024), (seat, head, 0.02),
        (head, front, 0.02), (head, frame.at(*body.BAR), 0.018), (*grips, 0.02),
    ):  # fmt: skip
        mesh.face(capsule(a, b, radius, radius, caps=0), steel, sun=0.6)
    _, up, ahead = body.SADDLE
    saddle = frame.at(0, up - 0.03, ahead - 0.1), frame.at(0, up - 0.03, ahead + 0.12)
    mesh.face(capsule(*saddle, 0.05, 0.03), (0.1, 0.09, 0.09), sun=0.4)
