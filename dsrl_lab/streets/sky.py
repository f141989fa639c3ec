"""The sky: a gradient, a glow around the sun, clouds."""

from __future__ import annotations

import numpy as np

from dsrl_lab.streets.geometry import Camera
from dsrl_lab.streets.texture import Array, Noise
from dsrl_lab.streets.weather import Weather


def sky(weather: Weather, camera: Camera, size: tuple[int, int], rows: int, noise: Noise) -> Array:
    """Return the upper ``rows`` of the sky, (rows, W, 3) in [0, 1]; its clouds shrink towards the horizon."""
    right, up = camera.rays(size)
    up = up[:rows]
    height = np.maximum(up, 0.0)
    share = (1 - np.exp(-height * 3.2))[..., None]
    colour = np.asarray(weather.horizon, np.float32) * (1 - share) + np.asarray(weather.zenith, np.float32) * share
    sun = camera.turn(weather.direction)
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
