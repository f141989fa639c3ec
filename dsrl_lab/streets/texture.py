"""Noise, and the patterns it draws on faces: value noise in octaves (Perlin 1985 calls the sum turbulence).

Octaves finer than a pixel fade out, so a small picture shows the mean of what a large one shows.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsrl_lab.streets.mesh import TEXTURES

Array = NDArray[Any]  # float32 pictures


class Noise:
    """Smooth random fields from one table of random numbers, drawn from ``bits``."""

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


def texture_table() -> Array:
    """Return (T, 6): grain, scale, course along, course across, joint, stretch of each texture."""
    return np.array([(t.grain, t.scale, *t.course, t.joint, t.stretch) for t in TEXTURES], np.float32)


def pattern(u: Array, v: Array, footprint: tuple[Array, Array], table: Array, noise: Noise) -> Array:
    """Return the factor by which texture brightens or darkens each pixel."""
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
