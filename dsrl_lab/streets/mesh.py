"""The list that all objects draw into: faces in painting order, each with colour, class, owner and texture.

The renderer lights a face by its normal; what is round says how much ``sun`` it gets, what shines its ``glow``.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsrl_lab.streets.dice import Colour
from dsrl_lab.streets.geometry import Camera, Point, Shape

SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE, SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST = range(11)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
NEAR = 0.4  # metres; what is closer to the camera's plane is cut off
BY_NORMAL = -1.0


class Texture(NamedTuple):
    """A pattern in metres on a face: ``grain`` of noise about ``scale`` metres wide, and joints between stones."""

    grain: float  # strength of the noise, 0 to 1
    scale: float  # metres of its coarsest waves
    course: tuple[float, float] = (0.0, 0.0)  # metres between joints, along and across; 0 for none
    joint: float = 0.0  # how much darker the joints are, 0 to 1
    stretch: float = 1.0  # how much longer the noise is along v than along u


SMOOTH = Texture(0.0, 1.0)
ASPHALT = Texture(0.15, 0.9, stretch=3.0)
SLABS = Texture(0.13, 1.6, (0.75, 0.75), 0.22)
PAVERS = Texture(0.15, 1.1, (0.32, 0.32), 0.16)
PLASTER = Texture(0.10, 2.6)
BRICK = Texture(0.16, 0.9, (0.46, 0.17), 0.20)
STONE = Texture(0.13, 1.4, (0.95, 0.42), 0.22)
BOARDS = Texture(0.14, 0.8, (0.0, 0.26), 0.22)
TILES = Texture(0.14, 0.8, (0.36, 0.30), 0.24)
LEAVES = Texture(0.30, 0.55)
GRASS = Texture(0.30, 0.6, stretch=1.6)
TEXTURES = (SMOOTH, ASPHALT, SLABS, PAVERS, PLASTER, BRICK, STONE, BOARDS, TILES, LEAVES, GRASS)


@dataclass(frozen=True)
class Faces:
    """A finished mesh in camera coordinates, cut at the near plane."""

    points: NDArray[np.float64]  # (V, 3) right, up, depth of all corners, face after face
    sizes: NDArray[np.int64]  # (F,) corners of each face
    colour: NDArray[np.float64]  # (F, 3) albedo in [0, 1], sRGB
    light: NDArray[np.float64]  # (F, 3) share of sun or BY_NORMAL, openness to the sky in [0, 1], glow in [0, 1]
    label: NDArray[np.int64]  # (F,) class ids
    owner: NDArray[np.int64]  # (F,) number of the person a face belongs to, -1 for none
    texture: NDArray[np.int64]  # (F,) index into TEXTURES

    @property
    def starts(self) -> NDArray[np.int64]:
        """(F,) where the corners of each face begin."""
        return np.cumsum(self.sizes) - self.sizes


class Mesh:
    """Collects faces; objects are drawn into it from far to near."""

    def __init__(self, sun: tuple[float, float] | None) -> None:
        self.label, self.owner = SKY, -1  # class and person (-1 for none) of the faces that follow
        self.sun = sun  # ground shift (X, Z) of the shadow of a point one metre high, None under a covered sky
        self.casters: list[tuple[Shape, int]] = []  # on the ground: 1 the sun's shadow, 2 the dark touch under a thing
        self._points: list[Point] = []
        self._sizes: list[int] = []
        self._rows: list[tuple[float, ...]] = []
        self._chunks: list[tuple[Floats, Integers, Floats]] = []

    def begin(self, label: int, owner: int = -1) -> None:
        """Start a new object of a class."""
        self.label, self.owner = label, owner

    def face(
        self,
        shape: Shape,
        colour: Colour,
        *,
        sun: float = BY_NORMAL,  # share of direct light in [0, 1]
        openness: float = 1.0,  # share of the sky's light that gets there; less in corners and under things
        glow: float = 0.0,  # share of light of its own
        texture: Texture = SMOOTH,
    ) -> None:
        """Add a polygon; ``colour`` is its albedo in sRGB."""
        self._points += shape
        self._sizes.append(len(shape))
        self._rows.append((*colour, sun, openness, glow, self.label, self.owner, TEXTURES.index(texture)))

    def faces(self, shapes: Floats, colours: Floats, sun: Floats, openness: Floats, texture: Texture = SMOOTH) -> None:
        """Add n polygons of equally many corners: shapes (n, corners, 3), colours (n, 3), the rest (n,)."""
        count, corners = shapes.shape[:2]
        self._flush()
        same = np.array([0.0, self.label, self.owner, TEXTURES.index(texture)])
        rows = np.concatenate([np.clip(colours, 0, 1), sun[:, None], openness[:, None], np.tile(same, (count, 1))], 1)
        self._chunks.append((shapes.reshape(-1, 3), np.full(count, corners), rows))

    def _flush(self) -> None:
        if self._sizes:
            points, sizes = np.array(self._points, np.float64), np.array(self._sizes, np.int64)
            self._chunks.append((points, sizes, np.array(self._rows, np.float64)))
            self._points, self._sizes, self._rows = [], [], []

    def cast(self, outline: Shape, kind: int = 1) -> None:
        """Add a shadow on the ground; under a covered sky only the dark touch under a thing."""
        if len(outline) > 2 and (kind == 2 or self.sun is not None):
            self.casters.append((outline, kind))

    def cast_rod(self, a: Point, b: Point, radius: float) -> None:
        """Add the shadow of a rod between two points."""
        if self.sun is None or a[2] > 45:
            return
        (ax, az), (bx, bz) = self.fall(a), self.fall(b)
        length = max(1e-6, math.hypot(bx - ax, bz - az))
        nx, nz = (az - bz) / length * radius, (bx - ax) / length * radius
        self.cast([(ax - nx, 0, az - nz), (ax + nx, 0, az + nz), (bx + nx, 0, bz + nz), (bx - nx, 0, bz - nz)])

    def fall(self, point: Point) -> tuple[float, float]:
        """Return where on the ground (X, Z) the shadow of a point falls."""
        x, y, z = point
        dx, dz = self.sun or (0.0, 0.0)
        return x + y * dx, z + y * dz

    def finish(self, camera: Camera) -> Faces:
        """Return all faces as the camera sees them."""
        self._flush()
        points, sizes, rows = (np.concatenate(parts) for parts in zip(*self._chunks, strict=True))
        seen, sizes, kept = cut(camera.see(points), sizes)
        rows = rows[kept]
        return Faces(seen, sizes, rows[:, :3], rows[:, 3:6], *rows[:, 6:].astype(np.int64).T)

    def shadows(self, camera: Camera) -> tuple[Floats, Integers, Integers]:
        """Return corners (V, 3) in camera coordinates, sizes (S,) and kinds (S,) of all shadows."""
        casters = sorted(self.casters, key=lambda caster: caster[1])
        points = np.array([p for shape, _ in casters for p in shape], np.float64).reshape(-1, 3)
        sizes = np.array([len(shape) for shape, _ in casters], np.int64)
        seen, sizes, kept = cut(camera.see(points), sizes)
        return seen, sizes, np.array([kind for _, kind in casters], np.int64)[kept]


def cut(points: Floats, sizes: Integers) -> tuple[Floats, Integers, Integers]:
    """Cut polygons at the near plane (Sutherland and Hodgman 1974); return corners, sizes and which are left."""
    front = points[:, 2] > NEAR
    if bool(front.all()):
        return points, sizes, np.arange(len(sizes))
    starts = np.cumsum(sizes) - sizes
    following = np.arange(1, len(points) + 1)
    following[starts + sizes - 1] = starts
    # A corner in front stays; an edge that passes the plane adds the point where it does.
    passes = front != front[following]
    share = np.zeros(len(points))
    depth, beyond = points[:, 2], points[following, 2]
    share[passes] = (NEAR - depth[passes]) / (beyond - depth)[passes]
    crossing = points + (points[following] - points) * share[:, None]
    both = np.stack([points, crossing], 1).reshape(-1, 3)
    stays = np.stack([front, passes], 1)
    left = np.add.reduceat(stays.sum(1), starts) if len(starts) else sizes
    return both[stays.ravel()], left[left > 0], np.flatnonzero(left)
