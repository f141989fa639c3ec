"""From numbers of faces to colours: light, haze, clouds, textures, shadows.

All of it is arithmetic on look-up tables (one row per face) and on whole pictures; nothing loops over pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dsrl_lab.datasets.streets.dice import Colour
from dsrl_lab.datasets.streets.geometry import Camera
from dsrl_lab.datasets.streets.mesh import BY_NORMAL, TEXTURES, Faces
from dsrl_lab.datasets.streets.weather import Weather

Array = NDArray[np.float32]
GAMMA = 2.2


def linear(colour: NDArray[np.float64] | Colour) -> NDArray[np.float64]:
    """Return linear light of an sRGB colour (a plain power of 2.2)."""
    return np.asarray(colour, np.float64) ** GAMMA


def encode(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sRGB colour of linear light; bright light rolls off instead of clipping."""
    light = np.maximum(light, 0.0)
    bent = np.where(light > 0.6, 0.6 + 0.4 * (1 - np.exp(-(light - 0.6) / 0.4)), light)
    return bent ** (1 / GAMMA)


def newell(faces: Faces) -> NDArray[np.float64]:
    """Return the normals (F, 3) of faces in camera coordinates, towards the camera (Newell's method)."""
    points, starts = faces.points, faces.starts
    following = np.arange(1, len(points) + 1)
    following[starts + faces.sizes - 1] = starts
    a, b = points, points[following]
    areas = np.stack(
        [
            (a[:, 1] - b[:, 1]) * (a[:, 2] + b[:, 2]),
            (a[:, 2] - b[:, 2]) * (a[:, 0] + b[:, 0]),
            (a[:, 0] - b[:, 0]) * (a[:, 1] + b[:, 1]),
        ],
        1,
    )
    normal = np.add.reduceat(areas, starts)
    normal /= np.maximum(np.sqrt((normal**2).sum(1, keepdims=True)), 1e-12)
    away = (normal * points[starts]).sum(1, keepdims=True) > 0
    return np.where(away, -normal, normal)


def illuminate(faces: Faces, normal: NDArray[np.float64], weather: Weather, camera: Camera) -> NDArray[np.float64]:
    """Return (F, 4): the sRGB colour of each face in sun and haze, and how much of it goes in a shadow."""
    c, s = np.cos(camera.yaw), np.sin(camera.yaw)
    x, y, z = weather.direction
    sun_direction = np.array([c * x - s * z, y, s * x + c * z])
    share, openness, glow = faces.light.T
    facing = np.maximum(normal @ sun_direction, 0.0)
    sun = np.where(share == BY_NORMAL, facing, share)
    above = 0.72 + 0.28 * normal[:, 1]  # the sky lights from above, walls get some of it from the ground
    ambient = (
        weather.sky_light * linear(weather.ambient) * (openness * np.where(share == BY_NORMAL, above, 0.9))[:, None]
    )
    direct = weather.sun * linear(weather.sunlight) * sun[:, None]
    albedo = linear(faces.colour)
    shine = glow[:, None] * albedo * 1.1
    depth = np.add.reduceat(faces.points[:, 2], faces.starts) / faces.sizes
    haze = (1 - np.exp(-depth / weather.visibility))[:, None]
    air = linear(weather.horizon)
    lit = encode((albedo * (ambient + direct) * (1 - glow[:, None]) + shine) * (1 - haze) + air * haze)
    dark = encode((albedo * ambient * (1 - glow[:, None]) + shine) * (1 - haze) + air * haze)
    loss = 1 - dark.mean(1) / np.maximum(lit.mean(1), 1e-6)
    return np.concatenate([lit, loss[:, None]], 1)


class Noise:
    """Smooth random fields from one table of random numbers.

    Args:
        bits: source of the table.
    """

    SIDE = 128

    def __init__(self, bits: np.random.PCG64) -> None:
        table = (bits.random_raw(self.SIDE * self.SIDE) >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
        self._table = table * 2 - 1

    def __call__(self, u: Array, v: Array) -> Array:
        """Return noise in [-1, 1] that varies over one unit of u and v."""
        mask = self.SIDE - 1
        u0, v0 = np.floor(u), np.floor(v)
        a, b = u - u0, v - v0
        a, b = a * a * (3 - 2 * a), b * b * (3 - 2 * b)
        i, j = u0.astype(np.int32) & mask, v0.astype(np.int32) & mask
        right, down = (i + 1) & mask, ((j + 1) & mask) * self.SIDE
        j = j * self.SIDE
        t = self._table
        top = t[j + i] * (1 - a) + t[j + right] * a
        bottom = t[down + i] * (1 - a) + t[down + right] * a
        result: Array = top * (1 - b) + bottom * b
        return result


def rays(camera: Camera, size: tuple[int, int]) -> tuple[Array, Array]:
    """Return right (1, W) and up (H, 1) of the view through each pixel's centre, at depth 1."""
    height, width = size
    scale = camera.focal * height
    right = (np.arange(width, dtype=np.float32) + 0.5 - 0.5 * width) / scale
    up = (camera.horizon * height - np.arange(height, dtype=np.float32) - 0.5) / scale
    return right[None, :].astype(np.float32), up[:, None].astype(np.float32)


def sky(weather: Weather, camera: Camera, size: tuple[int, int], rows: int, noise: Noise) -> Array:
    """Return the upper ``rows`` of the sky (rows, W, 3): a gradient, a glow around the sun, clouds that shrink towards the horizon."""
    right, up = rays(camera, size)
    up = up[:rows]
    height = np.maximum(up, 0.0)
    share = (1 - np.exp(-height * 3.2))[..., None]
    colour = np.asarray(weather.horizon, np.float32) * (1 - share) + np.asarray(weather.zenith, np.float32) * share
    x, y, z = weather.direction
    c, s = np.cos(camera.yaw), np.sin(camera.yaw)
    sun = np.array([c * x - s * z, y, s * x + c * z])
    length = np.sqrt(right**2 + up**2 + 1)
    towards = np.maximum((right * sun[0] + up * sun[1] + sun[2]) / length, 0.0)
    glow = (towards**6 * 0.5 * min(1.0, weather.sun)).astype(np.float32)[..., None]
    colour = colour + (np.asarray(weather.sunlight, np.float32) - colour) * glow * 0.7
    far = 1.0 / (height + 0.10)
    u, v = right * far * 1.1 + 40, far * 1.6 + np.zeros_like(right)
    wave = noise(u, v) * 0.55 + noise(u * 2.1 + 9, v * 2.3) * 0.28 + noise(u * 4.3, v * 4.9 + 5) * 0.14
    fine = noise(u * 9.1 + 3, v * 10.3) * 0.07
    thick = np.clip((wave + fine + (weather.cover - 0.5) * 1.5 + 0.02) * 2.2, 0, 1)
    thick = thick * thick * (3 - 2 * thick)
    under = np.clip(0.5 + 0.9 * noise(u + 0.12, v + 0.22) + 0.8 * fine, 0, 1)[..., None]
    shade = np.asarray(weather.cloud_shade, np.float32)
    cloud = shade + (np.asarray(weather.cloud, np.float32) - shade) * (1 - 0.75 * under)
    fade = (thick * np.clip(height * 9 + 0.15, 0, 1))[..., None] * 0.92
    result: Array = colour * (1 - fade) + cloud * fade
    return result


def texture_table() -> Array:
    """Return (T, 6): grain, scale, course along, course across, joint, stretch of each texture."""
    return np.array([(t.grain, t.scale, *t.course, t.joint, t.stretch) for t in TEXTURES], np.float32)


def pattern(u: Array, v: Array, footprint: tuple[Array, Array], table: Array, noise: Noise) -> Array:
    """Return the factor by which texture brightens or darkens each pixel.

    Args:
        u: metres along the face.
        v: metres across the face.
        footprint: metres that one pixel covers, along and across; detail below it fades out instead of flickering.
        table: (6, ...) rows of ``texture_table`` for each pixel.
        noise: source of the grain.
    """
    grain, scale, course_u, course_v, joint, stretch = table
    widest = np.maximum(*footprint)
    value = np.zeros_like(u)
    for octave, share in ((1.0, 0.35), (0.37, 0.4), (0.13, 0.5), (0.05, 0.5)):
        wave = scale * octave
        keep = np.clip(1.5 - 2.0 * widest / wave, 0, 1)
        if float(keep.max()) > 0:
            value += share * keep * noise(u / wave, v / (wave * stretch))
    factor = 1 + grain * value
    row = np.floor(v / np.maximum(course_v, 1e-3))
    shift = np.where(course_u > 0.4, 0.5 * (row.astype(np.int32) & 1), 0.0).astype(np.float32)
    for length, place, foot in ((course_v, v, footprint[1]), (course_u, u + shift * course_u, footprint[0])):
        safe = np.where(length > 0, length, 1.0)
        phase = place / safe
        near = np.abs(phase - np.floor(phase) - 0.5) * 2  # 1 at a joint
        width = np.maximum(0.028 / safe, 0.5 * foot / safe)
        line = np.clip((near - (1 - 2 * width)) / (2 * width) + 0.2, 0, 1) * np.minimum(1, 0.028 / safe / width)
        factor -= np.where(length > 0, joint * line * np.clip(1.6 - 2.5 * foot / safe, 0, 1), 0)
    result: Array = factor.astype(np.float32)
    return result
