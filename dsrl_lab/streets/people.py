"""People on foot and on bicycles, in proportions of Drillis and Contini (1966), built from 14 joints.

Joints follow Leeds Sports Pose (Johnson and Everingham 2010): right ankle, knee, hip, left hip, knee, ankle, right
wrist, elbow, shoulder, left shoulder, elbow, wrist, neck, top of the head.
"""

import math
from dataclasses import dataclass
from typing import Literal

from dsrl_lab.streets.dice import Colour, Dice, palette
from dsrl_lab.streets.geometry import Frame, Point

R_ANKLE, R_KNEE, R_HIP, L_HIP, L_KNEE, L_ANKLE = range(6)
R_WRIST, R_ELBOW, R_SHOULDER, L_SHOULDER, L_ELBOW, L_WRIST, NECK, HEAD = range(6, 14)
LEGS = {"right": (R_HIP, R_KNEE, R_ANKLE), "left": (L_HIP, L_KNEE, L_ANKLE)}
ARMS = {"right": (R_SHOULDER, R_ELBOW, R_WRIST), "left": (L_SHOULDER, L_ELBOW, L_WRIST)}

SKINS = palette("e3b899 c98f6b a06a48 7a4e35 f0cdb0 5a3a2a")
HAIRS = palette("2a2320 4a3526 7a5a3a b08a55 8a8580 6a3a26 1e1c1e")
TOPS = palette(
    "8a2f35 2f4a72 d8d2c4 3d4a3c b5803a 6f7277 1f2226 a8566a 4f7a6a c7b48a 5a4a72 e0e0de 7a8fa5 944f2f d9b64a 5d6b45"
)
BOTTOMS = palette("2c3240 1f2125 4a4c50 6b6558 3a4a66 8a8272 54452f 77787a")
SHOES = palette("1d1c1c 4a3a2c e8e6e0 6a6a6c")
Outfit = Literal["shirt", "coat", "dress"]
OUTFITS: dict[Outfit, float] = {"shirt": 5.0, "coat": 3.0, "dress": 1.2}
Pose = Literal["walking", "standing", "waiting", "phone", "cycling"]


@dataclass(frozen=True)
class Person:
    """Somebody on the street."""

    place: Point  # where the feet (or the wheels) touch the ground, (X, Y, Z)
    yaw: float  # radians they look to the right of straight ahead; pi faces the camera
    height: float  # metres
    pose: Pose  # what they do; "cycling" makes them a bicyclist
    phase: float  # where in their step (or pedal turn) they are, radians
    build: float  # 0.85 slim to 1.25 broad
    skin: Colour  # albedo
    hair: Colour  # albedo
    top: Colour  # albedo of shirt or coat
    bottom: Colour  # albedo of trousers
    shoes: Colour  # albedo
    outfit: Outfit  # shirt with trousers, coat over trousers, or dress
    bag: Colour | None  # albedo of a bag, or None
    bike: Colour  # albedo of the bicycle

    def joints(self) -> list[Point]:
        """Return the 14 joints in world metres."""
        frame, h = Frame(self.place, self.yaw), self.height
        return [frame.at(x * h, y * h, z * h) for x, y, z in _skeleton(self.pose, self.phase, h)]


def _leg(hip: Point, thigh: float, knee: float) -> tuple[Point, Point]:
    x, y, z = hip
    a = (x, y - 0.245 * math.cos(thigh), z + 0.245 * math.sin(thigh))
    shin = thigh - knee
    return a, (a[0], a[1] - 0.246 * math.cos(shin), a[2] + 0.246 * math.sin(shin))


def _arm(shoulder: Point, swing: float, bend: float, out: float) -> tuple[Point, Point]:
    x, y, z = shoulder
    side = 1 if x > 0 else -1
    a = (x + side * 0.172 * math.sin(out), y - 0.172 * math.cos(swing) * math.cos(out), z + 0.172 * math.sin(swing))
    fore = swing + bend
    return a, (a[0] + side * 0.05 * math.sin(out), a[1] - 0.155 * math.cos(fore), a[2] + 0.155 * math.sin(fore))


def _skeleton(pose: Pose, phase: float, height: float) -> list[Point]:
    if pose == "cycling":
        return _rider(phase, height)
    walks = pose == "walking"
    swing = (0.46 if walks else 0.04) * math.sin(phase)
    lift, other = (max(0.0, way * math.cos(phase)) if walks else 0.0 for way in (1, -1))
    r_hip, l_hip = (0.052, 0.53, 0.0), (-0.052, 0.53, 0.0)
    r_knee, r_ankle = _leg(r_hip, swing + 0.25 * lift, 0.12 + 0.75 * lift)
    l_knee, l_ankle = _leg(l_hip, -swing + 0.25 * other, 0.12 + 0.75 * other)
    drop = min(r_ankle[1], l_ankle[1]) - 0.045
    lean = 0.02 if walks else 0.0
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
    legs = (r_ankle, r_knee, r_hip, l_hip, l_knee, l_ankle)
    joints = (*legs, r_wrist, r_elbow, r_shoulder, l_shoulder, l_elbow, l_wrist, neck, head)
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
    legs = (r_ankle, r_knee, r_hip, l_hip, l_knee, l_ankle)
    return [*legs, r_wrist, r_elbow, r_shoulder, l_shoulder, l_elbow, l_wrist, neck, head]


def sample_person(dice: Dice, place: Point, yaw: float, pose: Pose) -> Person:
    """Draw somebody at a place: size, build, clothes."""
    height = dice.uniform(1.58, 1.88) if dice.chance(0.88) or pose == "cycling" else dice.uniform(1.05, 1.35)
    phase, build = dice.uniform(0, 2 * math.pi), dice.uniform(0.9, 1.25)
    return Person(
        *(place, yaw, height, pose, phase, build),
        skin=dice.tint(dice.pick(SKINS), 0.03),
        hair=dice.tint(dice.pick(HAIRS), 0.05),
        top=dice.tint(dice.pick(TOPS), 0.08),
        bottom=dice.tint(dice.pick(BOTTOMS), 0.08),
        shoes=dice.pick(SHOES),
        outfit=dice.weighted(OUTFITS) if pose != "cycling" else "shirt",
        bag=dice.tint(dice.pick(TOPS), 0.1) if dice.chance(0.4) else None,
        bike=dice.tint(dice.pick(TOPS), 0.1),
    )
