"""A polygon rasteriser: even-odd rule, sample centres, painter's order; the scan-line method (Wylie et al. 1967).

All polygons at once: the crossings of all edges with all rows are found together, one sort pairs them up into spans,
one assignment paints the spans. A sample belongs to the polygon its centre is in: no overlaps and no gaps.
"""

from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Lengths = TypeVar("Lengths", NDArray[np.int32], NDArray[np.int64])
BLOCK = 1 << 17


def _ramp(lengths: Lengths) -> Lengths:
    """Return 0, 1, ..., n - 1 for each n of lengths, one after the other."""
    ends = np.cumsum(lengths, dtype=lengths.dtype)
    return np.arange(lengths.sum(), dtype=lengths.dtype) - np.repeat(ends - lengths, lengths)


def rasterise(points: NDArray[np.float64], sizes: NDArray[np.int64], shape: tuple[int, int]) -> NDArray[np.int32]:
    """Paint polygons over each other and say which one is on top of each sample: ``shape``, counted from 1, 0 for none.

    ``points`` (V, 2) are corners x, y, where the first sample's centre is (0.5, 0.5); ``sizes`` (F,) are the numbers of
    corners of the polygons, in painting order.

    Example:
        >>> rasterise(np.array([[1, 1], [3, 1], [3, 3], [1, 3]]), np.array([4]), (3, 4)).tolist()
        [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0]]
    """
    rows, columns = shape
    face = np.repeat(np.arange(len(sizes)), sizes)
    following = np.arange(1, len(points) + 1)
    ends = np.cumsum(sizes)
    following[ends - 1] = ends - sizes
    x0, y0 = points[:, 0], points[:, 1]
    x1, y1 = x0[following], y0[following]

    first = np.ceil(np.clip(np.minimum(y0, y1), 0, rows) - 0.5).astype(np.int64)
    last = np.ceil(np.clip(np.maximum(y0, y1), 0, rows) - 0.5).astype(np.int64)
    used = np.flatnonzero(last > first)
    first, lengths = first[used], (last - first)[used]
    slope = (x1 - x0)[used] / (y1 - y0)[used]
    start = x0[used] + (first + 0.5 - y0[used]) * slope
    below = _ramp(lengths)
    x = np.repeat(start, lengths) + below * np.repeat(slope, lengths)
    column = np.ceil(np.clip(x, 0, columns) - 0.5).astype(np.int64)

    # Sorted by polygon, row and column, the crossings of one row of one polygon are an even number: enter, leave, ...
    keys = (np.repeat(face[used] * rows + first, lengths) + below) * (columns + 1) + column
    keys.sort()
    enter, leave = keys[0::2], keys[1::2]
    inside = leave > enter
    enter, lengths = enter[inside], (leave - enter)[inside]
    line, column = np.divmod(enter, columns + 1)
    polygon, row = np.divmod(line, rows)
    start = (row * columns + column).astype(np.int32)
    number = (polygon + 1).astype(np.int32)
    picture = np.zeros(rows * columns, np.int32)
    # A block at a time stays in the cache; NumPy keeps a sample's last value: the painter's order.
    lengths = lengths.astype(np.int32)
    blocks = np.searchsorted(np.cumsum(lengths, dtype=np.int64), np.arange(0, lengths.sum(), BLOCK))
    for first_span, last_span in pairwise([*blocks.tolist(), len(lengths)]):
        part = slice(first_span, last_span)
        samples = np.repeat(start[part], lengths[part]) + _ramp(lengths[part])
        picture[samples] = np.repeat(number[part], lengths[part])
    return picture.reshape(shape)
