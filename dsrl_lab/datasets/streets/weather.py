"""Time of day and weather: where the sun stands, what colour light, sky and haze have."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dsrl_lab.datasets.streets.dice import Colour, Dice, hexadecimal


@dataclass(frozen=True)
class Weather:
    """Light and air of a scene. Colours are sRGB in [0, 1].

    Args:
        name: what a person would call it.
        zenith: the sky above.
        horizon: the sky where it meets the ground, also the colour of the haze.
        cloud: the sunny side of the clouds.
        cloud_shade: their lower side.
        cover: share of the sky under clouds, 0 to 1.
        sunlight: colour of the direct light.
        sun: strength of the direct light.
        ambient: colour of the sky's light.
        sky_light: strength of the sky's light.
        elevation: radians of the sun above the horizon.
        azimuth: radians from straight ahead to the right.
        visibility: metres after which haze has taken 63 % of the contrast.
        evening: whether lamps are lit.
    """

    name: str
    zenith: Colour
    horizon: Colour
    cloud: Colour
    cloud_shade: Colour
    cover: float
    sunlight: Colour
    sun: float
    ambient: Colour
    sky_light: float
    elevation: float
    azimuth: float
    visibility: float
    evening: bool

    @property
    def direction(self) -> tuple[float, float, float]:
        """Unit vector (X, Y, Z) towards the sun."""
        flat = math.cos(self.elevation)
        return (
            flat * math.sin(self.azimuth),
            math.sin(self.elevation),
            flat * math.cos(self.azimuth),
        )

    @property
    def shadow_shift(self) -> tuple[float, float] | None:
        """Where the shadow of a point one metre high falls, (X, Z) in metres; None if the sun is covered."""
        if self.sun < 0.15:
            return None
        x, y, z = self.direction
        return -x / y, -z / y


# name: zenith, horizon, cloud, cloud_shade, sunlight, ambient; cover, sun, sky light, elevation (degrees), visibility
_KINDS: dict[str, tuple[str, tuple[tuple[float, float], ...]]] = {
    "clear": ("4f8fd0 c9dcea ffffff c3ccd8 fff1d6 b9cfee", ((0.1, 0.5), (0.95, 1.15), (0.42, 0.5), (32, 55), (260, 500))),
    "bright": ("6fa3d6 dfe6ea ffffff b9c1cc fff4e2 c5d3e6", ((0.4, 0.75), (0.7, 0.95), (0.5, 0.6), (35, 60), (200, 400))),
    "golden": ("6f93c0 f6cf9a ffe3bd b79a98 ffc98a b8bedb", ((0.15, 0.55), (0.95, 1.2), (0.4, 0.48), (14, 24), (150, 300))),
    "overcast": ("aab2ba d5d8d9 e2e5e7 a3aab2 ffffff d9dee4", ((0.9, 1.0), (0.0, 0.1), (0.95, 1.1), (45, 60), (120, 240))),
    "rain": ("87919c b9c0c6 b9c1c9 78828d ffffff ccd6e0", ((0.95, 1.0), (0.0, 0.05), (0.75, 0.9), (45, 60), (70, 130))),
    "mist": ("c2c9cd dfe2e0 e6e8e6 c4cacc fff3dc dde1e3", ((0.6, 1.0), (0.05, 0.3), (0.85, 1.0), (25, 45), (45, 80))),
    "dusk": ("3f5686 e8a583 d99a96 5d628c ffb38a 8f9cc9", ((0.2, 0.7), (0.1, 0.3), (0.5, 0.62), (10, 16), (150, 300))),
}  # fmt: skip
_SHARES = {"clear": 3.0, "bright": 2.5, "golden": 2.0, "overcast": 2.0, "rain": 0.8, "mist": 0.8, "dusk": 1.0}


def sample_weather(dice: Dice) -> Weather:
    """Draw one weather; the sun never stands right in front of the camera.

    Example:
        >>> sample_weather(Dice(3)).name in _KINDS
        True
    """
    name = dice.weighted(_SHARES)
    codes, ranges = _KINDS[name]
    zenith, horizon, cloud, cloud_shade, sunlight, ambient = (
        dice.tint(hexadecimal(code), 0.02) for code in codes.split()
    )
    cover, sun, sky_light, elevation, visibility = (dice.uniform(*bounds) for bounds in ranges)
    side = dice.pick((-1, 1))
    return Weather(
        name=name,
        zenith=zenith,
        horizon=horizon,
        cloud=cloud,
        cloud_shade=cloud_shade,
        cover=cover,
        sunlight=sunlight,
        sun=sun,
        ambient=ambient,
        sky_light=sky_light,
        elevation=math.radians(elevation),
        azimuth=side * math.radians(dice.uniform(40, 150)),
        visibility=visibility,
        evening=name == "dusk",
    )
