"""Time of day and weather: where the sun stands, what colour light, sky and haze have."""

import math
from dataclasses import dataclass

from dsrl_lab.streets.dice import Colour, Dice, hexadecimal


@dataclass(frozen=True)
class Weather:
    """Light and air of a scene. Colours are sRGB in [0, 1]."""

    name: str  # what a person would call it
    zenith: Colour  # the sky above
    horizon: Colour  # the sky where it meets the ground, also the colour of the haze
    cloud: Colour  # the sunny side of the clouds
    cloud_shade: Colour  # their lower side
    sunlight: Colour  # colour of the direct light
    ambient: Colour  # colour of the sky's light
    cover: float  # share of the sky under clouds, 0 to 1
    sun: float  # strength of the direct light
    sky_light: float  # strength of the sky's light
    elevation: float  # radians of the sun above the horizon
    azimuth: float  # radians from straight ahead to the right
    visibility: float  # metres after which haze has taken 63 % of the contrast
    evening: bool  # whether lamps are lit

    @property
    def direction(self) -> tuple[float, float, float]:
        """Unit vector (X, Y, Z) towards the sun."""
        flat = math.cos(self.elevation)
        return (flat * math.sin(self.azimuth), math.sin(self.elevation), flat * math.cos(self.azimuth))

    @property
    def shadow_shift(self) -> tuple[float, float] | None:
        """Where the shadow of a point one metre high falls, (X, Z) in metres; None if the sun is covered."""
        if self.sun < 0.15:
            return None
        x, y, z = self.direction
        return -x / y, -z / y


# Colours as in Weather, zenith to ambient; least and most cover, sun, sky light, elevation (degrees), visibility (m).
_KINDS: dict[str, tuple[str, tuple[float, ...]]] = {
    "clear": ("4a8ad0 cfe0ec ffffff c3ccd8 fff0d0 b4cbf2", (0.1, 0.5, 1.35, 1.6, 0.55, 0.65, 30, 52, 350, 700)),
    "bright": ("6a9fd6 e2e9ed ffffff b9c1cc fff3de c2d2ea", (0.4, 0.75, 1.1, 1.4, 0.62, 0.75, 32, 58, 300, 600)),
    "golden": ("6a94cc f9d9a8 ffe6c0 c49a94 ffbe78 a9b6e6", (0.15, 0.55, 1.7, 2.1, 0.58, 0.68, 15, 24, 280, 480)),
    "overcast": ("a9b4be dadddd e6e9ea a6aeb6 ffffff dbe1e8", (0.9, 1.0, 0.0, 0.1, 1.25, 1.4, 45, 60, 160, 300)),
    "rain": ("87929e bcc4cb b9c1c9 78828d ffffff ccd8e4", (0.95, 1.0, 0.0, 0.05, 0.95, 1.1, 45, 60, 90, 160)),
    "mist": ("c6ced3 e4e6e3 ebecea c9d0d4 fff3dc dee3e8", (0.6, 1.0, 0.1, 0.4, 1.1, 1.25, 25, 45, 55, 100)),
    "dusk": ("3c5288 f0ab84 e0a09a 5d628c ffb38a 8c9ad0", (0.2, 0.7, 0.1, 0.14, 0.72, 0.85, 10, 16, 200, 400)),
}
_SHARES = {"clear": 3.0, "bright": 3.0, "golden": 2.2, "overcast": 1.6, "rain": 0.6, "mist": 0.7, "dusk": 0.9}


def sample_weather(dice: Dice) -> Weather:
    """Draw one weather; the sun mostly stands behind the camera, sometimes ahead.

    Example:
        >>> sample_weather(Dice(3)).name in _KINDS
        True
    """
    name = dice.weighted(_SHARES)
    codes, ranges = _KINDS[name]
    zenith, horizon, cloud, shade, sunlight, ambient = (dice.tint(hexadecimal(code), 0.02) for code in codes.split())
    bounds = zip(ranges[::2], ranges[1::2], strict=True)
    cover, sun, sky_light, elevation, visibility = (dice.uniform(low, high) for low, high in bounds)
    azimuth = dice.pick((-1, 1)) * math.radians(dice.uniform(112, 168) if dice.chance(0.7) else dice.uniform(18, 55))
    light = (cover, sun, sky_light, math.radians(elevation), azimuth, visibility)
    return Weather(name, zenith, horizon, cloud, shade, sunlight, ambient, *light, evening=name == "dusk")
