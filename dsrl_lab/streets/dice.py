"""Draws that are the same on every platform and in every order: from the raw bits of PCG64, fixed by NEP 19.

NumPy's own `uniform` or `choice` may change between releases.
"""

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
Colour = tuple[float, float, float]


class Dice:
    """A stream of draws that belongs to a key of non-negative integers.

    Example:
        >>> Dice(0, 7).unit() == Dice(0, 7).unit(), Dice(0, 7).unit() == Dice(0, 8).unit()
        (True, False)
    """

    def __init__(self, *key: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(key))
        self._pool: list[float] = []

    def unit(self) -> float:
        """Return a number in [0, 1)."""
        if not self._pool:
            self._pool = ((self._bits.random_raw(192) >> np.uint64(11)) * 2.0**-53).tolist()
        return self._pool.pop()

    def units(self, *shape: int) -> NDArray[np.float64]:
        """Return an array of numbers in [0, 1)."""
        raw = self._bits.random_raw(math.prod(shape))
        return (raw >> np.uint64(11)).reshape(shape).astype(np.float64) * 2.0**-53

    def uniform(self, low: float, high: float) -> float:
        """Return a number in [low, high)."""
        return low + (high - low) * self.unit()

    def spread(self, width: float) -> float:
        """Return a number in (-width, width) that prefers the middle."""
        return width * (self.unit() - self.unit())

    def integer(self, low: int, high: int) -> int:
        """Return an integer from low to high, both included."""
        return low + int(self.unit() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return self.unit() < probability

    def pick(self, items: Sequence[T]) -> T:
        """Return one of the items."""
        return items[int(self.unit() * len(items))]

    def weighted(self, items: dict[T, float]) -> T:
        """Return one of the keys, with a probability proportional to its value."""
        rest = self.unit() * sum(items.values())
        *others, last = items
        for item in others:
            rest -= items[item]
            if rest < 0:
                return item
        return last

    def tint(self, colour: Colour, amount: float = 0.06) -> Colour:
        """Return the colour a little brighter or darker, and a little off in hue; values stay in [0, 1]."""
        light = 1 + self.spread(amount * 2)
        red, green, blue = (min(1.0, max(0.0, c * (light + self.spread(amount)))) for c in colour)
        return red, green, blue

    def key(self) -> int:
        """Return an integer for a stream of its own, so that details of one object do not move the next."""
        return int(self.unit() * 2**32)


def hexadecimal(code: str) -> Colour:
    """Return a colour in [0, 1] from its six digits, as a designer writes it.

    Example:
        >>> hexadecimal("ff8000")
        (1.0, 0.50196..., 0.0)
    """
    red, green, blue = (int(code[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return red, green, blue


def palette(codes: str) -> tuple[Colour, ...]:
    """Return the colours of several codes that are separated by spaces."""
    return tuple(hexadecimal(code) for code in codes.split())


def blend(a: Colour, b: Colour, share: float) -> Colour:
    """Return the colour between a (share 0) and b (share 1)."""
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share)
