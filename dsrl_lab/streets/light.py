"""How faces are lit: sun, sky and haze, worked out once per face, not per pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dsrl_lab.streets.dice import Colour
from dsrl_lab.streets.geometry import Camera
from dsrl_lab.streets.mesh import BY_NORMAL, Faces
from dsrl_lab.streets.weather import Weather

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
    areas = np.stack([(a[:, i] - b[:, i]) * (a[:, j] + b[:, j]) for i, j in ((1, 2), (2, 0), (0, 1))], 1)
    normal = np.add.reduceat(areas, starts)
    normal /= np.maximum(np.sqrt((normal**2).sum(1, keepdims=True)), 1e-12)
    away = (normal * points[starts]).sum(1, keepdims=True) > 0
    return np.where(away, -normal, normal)


def illuminate(faces: Faces, normal: NDArray[np.float64], weather: Weather, camera: Camera) -> NDArray[np.float64]:
    """Return (F, 4): the sRGB colour of each face in sun and haze, and how much of it goes in a shadow."""
    share, openness, glow = faces.light.T
    facing = np.maximum(normal @ np.array(camera.turn(weather.direction)), 0.0)
    sun = np.where(share == BY_NORMAL, facing, share)
    above = 0.72 + 0.28 * normal[:, 1]  # the sky lights from above, walls get some of it from the ground
    reach = openness * np.where(share == BY_NORMAL, above, 0.9)
    ambient = weather.sky_light * linear(weather.ambient) * reach[:, None]
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
