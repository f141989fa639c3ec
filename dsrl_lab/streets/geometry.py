"""Shapes, as lists of corners (X, Y, Z) in metres, and the camera that looks at them.

X goes right, Y up, Z ahead along the road, which bends by a constant curvature; round things are flat, to the camera.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float, float]
Shape = list[Point]


class Frame:
    """A place to build an object: local (right, up, ahead) metres to world, ``yaw`` radians turned to the right."""

    def __init__(self, origin: Point, yaw: float) -> None:
        self._x, self._y, self._z = origin
        self._cos, self._sin = math.cos(yaw), math.sin(yaw)

    def at(self, right: float, up: float, ahead: float) -> Point:
        """Return the world position of a local one."""
        c, s = self._cos, self._sin
        return self._x + c * right + s * ahead, self._y + up, self._z - s * right + c * ahead


@dataclass(frozen=True)
class Camera:
    """A pinhole camera whose verticals stay vertical (the horizon is moved, not tilted)."""

    x: float  # metres right of the road's middle
    height: float  # metres above the road
    yaw: float  # radians to the right
    focal: float  # focal length over the picture's height
    horizon: float  # height of the horizon, 0 top, 1 bottom of the picture

    def see(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn world positions (V, 3) into camera coordinates: right, up, depth, from the camera."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        x = points[:, 0] - self.x
        return np.stack([c * x - s * points[:, 2], points[:, 1] - self.height, s * x + c * points[:, 2]], 1)

    def turn(self, direction: Point) -> Point:
        """Turn a direction of the world into the camera's right, up, depth."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        x, y, z = direction
        return c * x - s * z, y, s * x + c * z

    def rays(self, size: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return right (1, W) and up (H, 1) of the view through the centre of each pixel, at depth 1."""
        height, width = size
        scale = self.focal * height
        right = (np.arange(width) + 0.5 - 0.5 * width) / scale
        up = (self.horizon * height - np.arange(height) - 0.5) / scale
        return right[None, :].astype(np.float32), up[:, None].astype(np.float32)

    def project(self, seen: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
        """Turn camera coordinates (V, 3) into pixels (x, y) of a picture of ``size`` = (H, W)."""
        height, width = size
        scale = self.focal * height / seen[:, 2]
        x = 0.5 * width + seen[:, 0] * scale
        return np.stack([x, self.horizon * height - seen[:, 1] * scale], 1)


ROUND = [(math.cos(math.pi * i / 8), math.sin(math.pi * i / 8)) for i in range(16)]  # corners of a unit circle


def disc(centre: Point, radius: float, corners: int = 12, *, stretch: float = 1.0) -> Shape:
    """Return a disc that faces the camera; ``stretch`` is its height over its width."""
    x, y, z = centre
    steps = [2 * math.pi * i / corners for i in range(corners)]
    return [(x + radius * math.cos(a), y + radius * stretch * math.sin(a), z) for a in steps]


def ring(outer: Shape, inner: Shape) -> Shape:
    """Return the area between two closed shapes as one shape: the bridge between them is walked twice."""
    return [*outer, outer[0], *inner, inner[0]]


def capsule(a: Point, b: Point, start: float, stop: float, *, caps: int = 3) -> Shape:
    """Return a rod from a to b that faces the camera, of radius ``start`` at a and ``stop`` at b, with round ends."""
    angle = math.atan2(b[1] - a[1], b[0] - a[0])
    shape: Shape = []
    for (x, y, z), radius, middle in ((b, stop, angle), (a, start, angle + math.pi)):
        for i in range(caps + 2):
            turn = middle - math.pi / 2 + math.pi * i / (caps + 1)
            shape.append((x + radius * math.cos(turn), y + radius * math.sin(turn), z))
    return shape


def hull(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the convex hull of points in a plane (Andrew's monotone chain)."""
    ordered = sorted(set(points))
    chain: list[tuple[float, float]] = []
    for sequence in (ordered, ordered[::-1]):
        half: list[tuple[float, float]] = []
        for p in sequence:
            while len(half) > 1:
                (ax, ay), (bx, by) = half[-2], half[-1]
                if (bx - ax) * (p[1] - ay) - (by - ay) * (p[0] - ax) > 0:
                    break
                half.pop()
            half.append(p)
        chain += half[:-1]
    return chain
