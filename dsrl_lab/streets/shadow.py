"""Shadows: of things on the ground, and of the row of houses on everything."""

from __future__ import annotations

import numpy as np

from dsrl_lab.streets.raster import rasterise
from dsrl_lab.streets.scene import Scene
from dsrl_lab.streets.texture import Array

COOL = (1.0, 0.97, 0.90)  # how much of red, green and blue the sun takes with it


def soften(field: Array, radius: int) -> Array:
    """Blur a picture (H, W) with a triangle of the given radius, along rows and columns.

    Example:
        >>> soften(np.float32([[0, 0, 4, 0, 0]]), 1).tolist()
        [[0.0, 1.0, 2.0, 1.0, 0.0]]
    """
    for axis in (0, 1):
        length = field.shape[axis]
        edges = [(radius, radius) if k == axis else (0, 0) for k in (0, 1)]
        padded = np.pad(field, edges, mode="edge").swapaxes(0, axis)
        total = np.zeros_like(padded[:length])
        for k in range(2 * radius + 1):
            total += np.float32(1 + radius - abs(k - radius)) * padded[k : k + length]
        field = (total / np.float32((radius + 1) ** 2)).swapaxes(0, axis)
    return field


def on_the_ground(scene: Scene, size: tuple[int, int]) -> tuple[Array, Array]:
    """Return how much of each pixel (H, W) of the ground lies in a shadow, and how much right under a thing."""
    points, sizes, kinds = scene.shadows
    # Two samples along each side of a pixel are enough for something soft.
    fine = (size[0] * 2, size[1] * 2)
    number = rasterise(scene.camera.project(points, fine), sizes, fine)
    kind = np.concatenate([[0], kinds])[number].reshape(size[0], 2, size[1], 2)
    sun, touch = ((kind == which).mean((1, 3), dtype=np.float32) for which in (1, 2))
    radius = max(1, round(size[0] / 240))
    sun, touch = soften(sun, radius), soften(touch, 2 * radius)
    return np.maximum(sun, touch) if scene.weather.shadow_shift is not None else sun, touch


def of_houses(scene: Scene, place: tuple[Array, Array, Array]) -> Array:
    """Return how much of the sun the houses on the sunny side take from each place.

    From each place a ray goes to the sun; where it passes the building line, it is in the shadow if it passes lower
    than the roofs there.
    """
    if scene.weather.shadow_shift is None:
        return np.zeros(place[0].shape, np.float32)
    right, up, ahead = (np.float32(a) for a in scene.weather.direction)
    side = 1 if right > 0 else -1
    x, y, z = place
    t = x - np.float32(0.5 * scene.street.bend) * z * z
    way = (np.float32(scene.street.front(side)) - side * t) / np.abs(right)
    roofs = scene.roofs[(side + 1) // 2].astype(np.float32)
    roof = roofs[np.clip(((z + way * ahead + 100) * 2).astype(np.int32), 0, len(roofs) - 1)]
    penumbra = 0.25 + 0.03 * np.maximum(way, 0)
    depth = np.clip((roof - (y + way * up)) / penumbra + 0.5, 0, 1)
    return np.where((way > 0.05) & (roof > 0), depth, 0).astype(np.float32)


def shadows(scene: Scene, ground: Array, loss: Array, place: tuple[Array, Array, Array]) -> Array:
    """Return the factor (H, W, 3) that the shadows leave of the light."""
    size = ground.shape[0], ground.shape[1]
    sun, touch = on_the_ground(scene, size)
    cast = np.maximum(sun * ground, of_houses(scene, place)) * loss
    factor = 1 - cast[..., None] * np.array(COOL, np.float32)
    return factor * (1 - np.float32(0.55) * (touch * ground)[..., None])
