"""People on foot and on bicycles, built from 14 joints.

Joints follow Leeds Sports Pose (Johnson and Everingham 2010): right ankle, knee, hip, left hip, knee, ankle, right
wrist, elbow, shoulder, left shoulder, elbow, wrist, neck, top of the head. Proportions follow Drillis and Contini (1966).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from dsrl_lab.datasets.streets.dice import Colour, Dice, blend, palette
from dsrl_lab.datasets.streets.geometry import Frame, Point, Shape, capsule, disc, hull, ring
from dsrl_lab.datasets.streets.mesh import BICYCLIST, PEDESTRIAN, Mesh

JOINTS = (
    "right ankle", "right knee", "right hip", "left hip", "left knee", "left ankle", "right wrist", "right elbow",
    "right shoulder", "left shoulder", "left elbow", "left wrist", "neck", "head top",
)  # fmt: skip
(
    R_ANKLE,
    R_KNEE,
    R_HIP,
    L_HIP,
    L_KNEE,
    L_ANKLE,
    R_WRIST,
    R_ELBOW,
    R_SHOULDER,
    L_SHOULDER,
    L_ELBOW,
    L_WRIST,
    NECK,
    HEAD,
) = range(14)

SKINS = palette("e3b899 c98f6b a06a48 7a4e35 f0cdb0 5a3a2a")
HAIRS = palette("2a2320 4a3526 7a5a3a b08a55 8a8580 6a3a26 1e1c1e")
TOPS = palette(
    "8a2f35 2f4a72 d8d2c4 3d4a3c b5803a 6f7277 1f2226 a8566a 4f7a6a c7b48a 5a4a72 e0e0de 7a8fa5 944f2f d9b64a 5d6b45"
)
BOTTOMS = palette("2c3240 1f2125 4a4c50 6b6558 3a4a66 8a8272 54452f 77787a")
SHOES = palette("1d1c1c 4a3a2c e8e6e0 6a6a6c")
Pose = Literal["walking", "standing", "waiting", "phone", "cycling"]


@dataclass(frozen=True)
class Person:
    """Somebody on the street.

    Args:
        place: where the feet (or the wheels) touch the ground, (X, Y, Z).
        yaw: radians they look to the right of straight ahead; pi faces the camera.
        height: metres.
        pose: what they do; "cycling" makes them a bicyclist.
        phase: where in their step (or pedal turn) they are, radians.
        build: 0.85 slim to 1.25 broad.
        skin: albedo.
        hair: albedo.
        top: albedo of shirt or coat.
        bottom: albedo of trousers.
        shoes: albedo.
        outfit: "shirt", "coat", "dress".
        bag: albedo of a bag, or None.
        bike: albedo of the bicycle.
    """

    place: Point
    yaw: float
    height: float
    pose: Pose
    phase: float
    build: float
    skin: Colour
    hair: Colour
    top: Colour
    bottom: Colour
    shoes: Colour
    outfit: Literal["shirt", "coat", "dress"]
    bag: Colour | None
    bike: Colour

    def joints(self) -> list[Point]:
        """Return the 14 joints in world metres.

        Example:
            >>> p = sample_person(Dice(1), (0.0, 0.0, 10.0), 0.0, "standing")
            >>> round(p.joints()[HEAD][1] / p.height, 2)
            1.0
        """
        frame, h = Frame(self.place, self.yaw), self.height
        return [frame.at(x * h, y * h, z * h) for x, y, z in _skeleton(self.pose, self.phase, h)]


def _leg(hip: Point, thigh: float, knee: float) -> tuple[Point, Point]:
    """Return knee and ankle of a leg: thigh swings ahead by ``thigh`` radians, the knee bends by ``knee``."""
    x, y, z = hip
    a = (x, y - 0.245 * math.cos(thigh), z + 0.245 * math.sin(thigh))
    shin = thigh - knee
    return a, (a[0], a[1] - 0.246 * math.cos(shin), a[2] + 0.246 * math.sin(shin))


def _arm(shoulder: Point, swing: float, bend: float, out: float) -> tuple[Point, Point]:
    """Return elbow and wrist: the upper arm swings ahead and out, the elbow bends the forearm ahead."""
    x, y, z = shoulder
    side = 1 if x > 0 else -1
    a = (x + side * 0.172 * math.sin(out), y - 0.172 * math.cos(swing) * math.cos(out), z + 0.172 * math.sin(swing))
    fore = swing + bend
    return a, (a[0] + side * 0.05 * math.sin(out), a[1] - 0.155 * math.cos(fore), a[2] + 0.155 * math.sin(fore))


def _skeleton(pose: Pose, phase: float, height: float) -> list[Point]:
    """Return the 14 joints of a person one unit high, local right, up, ahead."""
    if pose == "cycling":
        return _rider(phase, height)
    swing = 0.46 * math.sin(phase) if pose == "walking" else 0.04 * math.sin(phase)
    lift = max(0.0, math.cos(phase)) if pose == "walking" else 0.0
    other = max(0.0, -math.cos(phase)) if pose == "walking" else 0.0
    bottom = 0.045
    r_hip, l_hip = (0.052, 0.53, 0.0), (-0.052, 0.53, 0.0)
    r_knee, r_ankle = _leg(r_hip, swing + 0.25 * lift, 0.12 + 0.75 * lift)
    l_knee, l_ankle = _leg(l_hip, -swing + 0.25 * other, 0.12 + 0.75 * other)
    drop = min(r_ankle[1], l_ankle[1]) - bottom
    lean = 0.02 if pose == "walking" else 0.0
    r_shoulder, l_shoulder = (0.104, 0.815, lean), (-0.104, 0.815, lean)
    if pose == "phone":
        r_elbow, r_wrist = _arm(r_shoulder, 0.25, 1.9, 0.15)
        l_elbow, l_wrist = _arm(l_shoulder, 0.0, 0.25, 0.12)
    elif pose == "waiting":
        r_elbow, r_wrist = _arm(r_shoulder, 0.15, 1.25, 0.25)
        l_elbow, l_wrist = _arm(l_shoulder, 0.15, 1.25, 0.25)
        r_wrist, l_wrist = (r_wrist[0] - 0.12, *r_wrist[1:]), (l_wrist[0] + 0.12, *l_wrist[1:])
    else:
        r_elbow, r_wrist = _arm(r_shoulder, -0.95 * swing, 0.28 + 0.2 * abs(swing), 0.13)
        l_elbow, l_wrist = _arm(l_shoulder, 0.95 * swing, 0.28 + 0.2 * abs(swing), 0.13)
    neck, head = (0.0, 0.845, lean), (0.0, 1.0 + drop, lean + 0.012)
    joints = [
        r_ankle,
        r_knee,
        r_hip,
        l_hip,
        l_knee,
        l_ankle,
        r_wrist,
        r_elbow,
        r_shoulder,
        l_shoulder,
        l_elbow,
        l_wrist,
        neck,
        head,
    ]
    return [(x, y - drop, z) for x, y, z in joints]


SADDLE, BAR, CRANK, WHEEL = (0.0, 0.95, -0.28), (0.0, 1.02, 0.42), (0.0, 0.29, -0.04), 0.34


def _bent(a: Point, b: Point, first: float, second: float, ahead: float) -> Point:
    """Return the joint between two limbs of given lengths that reach from a to b, bent ahead (1) or back (-1)."""
    dy, dz = b[1] - a[1], b[2] - a[2]
    length = min(math.hypot(dy, dz), 0.999 * (first + second))
    angle = math.atan2(dz, -dy)
    inner = math.acos(max(-1.0, min(1.0, (first**2 + length**2 - second**2) / (2 * first * length))))
    turn = angle + ahead * inner
    return 0.5 * (a[0] + b[0]), a[1] - first * math.cos(turn), a[2] + first * math.sin(turn)


def _rider(phase: float, height: float) -> list[Point]:
    """Return the joints of a rider: hip on the saddle, feet on the pedals, hands on the bar."""
    h = height
    hip_y, hip_z = (SADDLE[1] + 0.06) / h, SADDLE[2] / h
    r_hip, l_hip = (0.055, hip_y, hip_z), (-0.055, hip_y, hip_z)
    pedals = []
    for side, turn in ((1, phase), (-1, phase + math.pi)):
        y, z = CRANK[1] + 0.17 * math.cos(turn) + 0.09, CRANK[2] + 0.17 * math.sin(turn) - 0.03
        pedals.append((side * 0.06, y / h, z / h))
    r_ankle, l_ankle = pedals
    r_knee, l_knee = _bent(r_hip, r_ankle, 0.25, 0.25, 1), _bent(l_hip, l_ankle, 0.25, 0.25, 1)
    lean = 0.55
    up, ahead = 0.285 * math.cos(lean), 0.285 * math.sin(lean)
    r_shoulder, l_shoulder = (0.102, hip_y + up, hip_z + ahead), (-0.102, hip_y + up, hip_z + ahead)
    r_wrist, l_wrist = ((s * 0.13, BAR[1] / h + 0.01, (BAR[2] - 0.08) / h) for s in (1, -1))
    r_elbow, l_elbow = _bent(r_shoulder, r_wrist, 0.172, 0.16, -1), _bent(l_shoulder, l_wrist, 0.172, 0.16, -1)
    neck = (0.0, hip_y + up + 0.03, hip_z + ahead + 0.025)
    head = (0.0, neck[1] + 0.15, neck[2] + 0.045)
    return [
        r_ankle,
        r_knee,
        r_hip,
        l_hip,
        l_knee,
        l_ankle,
        r_wrist,
        r_elbow,
        r_shoulder,
        l_shoulder,
        l_elbow,
        l_wrist,
        neck,
        head,
    ]


def sample_person(dice: Dice, place: Point, yaw: float, pose: Pose) -> Person:
    """Draw somebody at a place: size, build, clothes."""
    return Person(
        place=place,
        yaw=yaw,
        height=dice.uniform(1.58, 1.88) if dice.chance(0.88) or pose == "cycling" else dice.uniform(1.05, 1.35),
        pose=pose,
        phase=dice.uniform(0, 2 * math.pi),
        build=dice.uniform(0.9, 1.25),
        skin=dice.tint(dice.pick(SKINS), 0.03),
        hair=dice.tint(dice.pick(HAIRS), 0.05),
        top=dice.tint(dice.pick(TOPS), 0.08),
        bottom=dice.tint(dice.pick(BOTTOMS), 0.08),
        shoes=dice.pick(SHOES),
        outfit=dice.weighted({"shirt": 5.0, "coat": 3.0, "dress": 1.2}) if pose != "cycling" else "shirt",  # type: ignore[arg-type]
        bag=dice.tint(dice.pick(TOPS), 0.1) if dice.chance(0.4) else None,
        bike=dice.tint(dice.pick(TOPS), 0.1),
    )


def draw_figure(mesh: Mesh, person: Person, owner: int) -> None:
    """Draw a person, limb by limb, the far ones first; cyclists with their bicycle."""
    mesh.begin(BICYCLIST if person.pose == "cycling" else PEDESTRIAN, owner)
    frame, h, j = Frame(person.place, person.yaw), person.height, person.joints()
    thick = h * person.build
    right_first = j[R_SHOULDER][2] > j[L_SHOULDER][2]
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
        hip, knee, ankle = (j[R_HIP], j[R_KNEE], j[R_ANKLE]) if side == "right" else (j[L_HIP], j[L_KNEE], j[L_ANKLE])
        lower = person.skin if person.outfit == "dress" else person.bottom
        limb(knee, ankle, 0.036, 0.023, lower)
        limb(hip, knee, 0.050, 0.036, person.bottom)
        toe = Frame(ankle, person.yaw).at(0, -0.02 * h, 0.075 * h)
        limb((ankle[0], ankle[1] - 0.018 * h, ankle[2]), toe, 0.022, 0.017, person.shoes)

    def arm(side: str) -> None:
        indices = (R_SHOULDER, R_ELBOW, R_WRIST) if side == "right" else (L_SHOULDER, L_ELBOW, L_WRIST)
        shoulder, elbow, wrist = (j[i] for i in indices)
        limb(wrist, wrist, 0.023, 0.023, person.skin)
        limb(elbow, wrist, 0.027, 0.02, person.top)
        limb(shoulder, elbow, 0.034, 0.027, person.top)

    if person.pose == "cycling":
        arm(sides[0])
        leg(sides[0])
        _bicycle(mesh, person)
        leg(sides[1])
    else:
        leg(sides[0])
        if person.bag is None or person.pose != "walking":
            arm(sides[0])
        else:
            arm(sides[0])
            _bag(mesh, j[R_WRIST if sides[0] == "right" else L_WRIST], h, person.bag)
        leg(sides[1])
    _torso(mesh, person, j, thick, lit)
    arm(sides[1])
    _head(mesh, person, j, h)


def _torso(mesh: Mesh, person: Person, j: list[Point], thick: float, lit: int) -> None:
    hips, shoulders = (j[R_HIP], j[L_HIP]), (j[R_SHOULDER], j[L_SHOULDER])
    z = 0.5 * (hips[0][2] + shoulders[0][2])
    middle = 0.25 * sum(p[0] for p in (*hips, *shoulders))
    waist = [
        (middle + 0.9 * (h[0] - middle), 0.62 * h[1] + 0.38 * s[1], z) for h, s in zip(hips, shoulders, strict=True)
    ]

    def around(joints: Iterable[Point], radius: float) -> list[tuple[float, float]]:
        steps = [
            (radius * thick * math.cos(k * math.pi / 3), radius * thick * math.sin(k * math.pi / 3)) for k in range(6)
        ]
        return [(x + dx, y + dy) for x, y, _ in joints for dx, dy in steps]

    seat = [(x, y, z) for x, y in hull(around(waist, 0.036) + around(hips, 0.046))]
    mesh.face(seat, person.bottom if person.outfit == "shirt" else person.top, sun=0.3, openness=0.85)
    points = around(shoulders, 0.036) + around(waist, 0.040)
    body = [(x, y, z) for x, y in hull(points)]
    if person.outfit != "shirt":
        drop = 0.20 if person.outfit == "coat" else 0.24
        flare = 1.15 if person.outfit == "coat" else 1.5
        hem = []
        for x, y, _ in (*hips,):
            for side in (-1, 1):
                middle = 0.5 * (hips[0][0] + hips[1][0])
                hem.append(
                    (middle + (x - middle) * flare + side * 0.046 * thick * flare, y - drop * person.height * 0.8)
                )
        body = [(x, y, z) for x, y in hull(points + hem)]
    mesh.face(body, person.top, sun=0.32, openness=0.85)
    middle = sum(p[0] for p in body) / len(body)
    light = [(middle + (x - middle) * 0.5 + lit * 0.03 * thick, y - 0.01, z) for x, y, z in body]
    mesh.face(light, person.top, sun=0.75)
    mesh.cast_rod((middle, hips[0][1], z), (middle, shoulders[0][1], z), 0.12 * thick)
    if person.bag is not None and math.cos(person.yaw) > 0.3:
        x, y = middle, 0.5 * (hips[0][1] + shoulders[0][1]) + 0.06 * person.height
        mesh.face(disc((x, y, z), 0.085 * thick, 10, stretch=1.35), person.bag, sun=0.4)
        mesh.face(disc((x, y - 0.03, z), 0.055 * thick, 8, stretch=0.8), blend(person.bag, (1, 1, 1), 0.12), sun=0.5)


def _head(mesh: Mesh, person: Person, j: list[Point], h: float) -> None:
    neck, top = j[NECK], j[HEAD]
    mesh.face(
        capsule(neck, (top[0], top[1] - 0.12 * h, top[2]), 0.028 * h, 0.026 * h, caps=1),
        blend(person.skin, (0, 0, 0), 0.15),
        sun=0.3,
    )
    centre = (top[0], top[1] - 0.066 * h, top[2])
    forward = Frame(centre, person.yaw).at(0, 0, 0.022 * h)
    away = math.cos(person.yaw)
    mesh.face(disc(centre, 0.058 * h, 14, stretch=1.15), person.hair, sun=0.45)
    if away < 0.55:
        face = (forward[0], centre[1] - 0.014 * h, centre[2])
        mesh.face(disc(face, 0.046 * h, 12, stretch=1.12), person.skin, sun=0.55)
    mesh.cast_rod((centre[0], centre[1] - 0.06 * h, centre[2]), top, 0.06 * h)
    if person.pose == "cycling":
        shell = [
            (centre[0] + 0.066 * h * math.cos(a), centre[1] + 0.012 * h + 0.062 * h * math.sin(a), centre[2])
            for a in (math.pi * k / 8 for k in range(9))
        ]
        mesh.face(shell, person.bike, sun=0.6)


def _bag(mesh: Mesh, hand: Point, h: float, colour: Colour) -> None:
    x, y, z = hand
    shape: Shape = [
        (x - 0.09 * h, y - 0.19 * h, z),
        (x + 0.09 * h, y - 0.19 * h, z),
        (x + 0.07 * h, y - 0.05 * h, z),
        (x - 0.07 * h, y - 0.05 * h, z),
    ]
    mesh.face(shape, colour, sun=0.4)
    mesh.face(capsule((x - 0.03 * h, y - 0.06 * h, z), hand, 0.006, 0.006, caps=0), colour, sun=0.4)


def _bicycle(mesh: Mesh, person: Person) -> None:
    """Draw wheels, frame, fork, bar and saddle."""
    frame = Frame(person.place, person.yaw)
    tyre, steel = (0.09, 0.09, 0.1), blend(person.bike, (0, 0, 0), 0.1)
    narrow = abs(math.sin(person.yaw))
    for ahead in (0.52, -0.52):
        hub = frame.at(0, WHEEL, ahead)
        steps = [math.pi * k / 10 for k in range(20)]
        across, upright = max(0.028, WHEEL * narrow), WHEEL
        depth = -math.cos(person.yaw) * 0
        outer = [(hub[0] + across * math.cos(a), hub[1] + upright * math.sin(a), hub[2] + depth) for a in steps]
        inside = max(0.0, across - 0.045), upright - 0.045
        inner = [(hub[0] + inside[0] * math.cos(a), hub[1] + inside[1] * math.sin(a), hub[2] + depth) for a in steps]
        mesh.face(ring(outer, inner) if inside[0] > 0.02 else outer, tyre, sun=0.25)
        if mesh.sun is not None:
            spots = [mesh.fall(p) for p in outer[::3]]
            mesh.cast([(x, 0.0, z) for x, z in hull(spots)])
    rear, front = frame.at(0, WHEEL, -0.52), frame.at(0, WHEEL, 0.52)
    crank, seat, head = frame.at(*CRANK), frame.at(0, 0.82, -0.22), frame.at(0, 0.86, 0.36)
    grips = frame.at(-0.26, BAR[1], BAR[2]), frame.at(0.26, BAR[1], BAR[2])
    for a, b, radius in (
        (rear, crank, 0.018), (rear, seat, 0.016), (crank, seat, 0.02), (crank, head, 0.024), (seat, head, 0.02),
        (head, front, 0.02), (head, frame.at(*BAR), 0.018), (*grips, 0.02),
    ):  # fmt: skip
        mesh.face(capsule(a, b, radius, radius, caps=0), steel, sun=0.6)
    saddle = frame.at(0, SADDLE[1] - 0.03, SADDLE[2] - 0.1), frame.at(0, SADDLE[1] - 0.03, SADDLE[2] + 0.12)
    mesh.face(capsule(*saddle, 0.05, 0.03), (0.1, 0.09, 0.09), sun=0.4)
