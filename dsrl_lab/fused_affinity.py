"""Feature affinity's sum and gradients as one Triton kernel for GPUs, which writes no similarity to memory.

Each program owns ``ROWS`` positions i of an image, and compares them with all positions j in tiles of ``COLUMNS``.
Programs share nothing, so that their order does not matter. Both halves of the symmetric D are computed, 2 P^2 K
multiply-adds for K channels of both maps where half the tiles would take 1.5: adding to others' rows would cost more.
Rows of zeros fill up the last tile, and channels of zeros the power of two that Triton wants: their D is 0.
"""

# ruff: noqa: N803 - Triton's constants and the axes of tensors are capitals

from functools import partial

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.nn import functional as F

TILES = (128, 128), (128, 64), (64, 64), (64, 32), (32, 32), (16, 16)  # (rows, columns), the fastest first
WARPS, STAGES = 8, 2  # columns are read STAGES tiles ahead


@triton.jit
def kernel(  # type: ignore[no-untyped-def]
    a, b, sums, gradient_a, gradient_b, positions,
    CHANNELS_A: tl.constexpr, CHANNELS_B: tl.constexpr, Q: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
    A_LEARNS: tl.constexpr, B_LEARNS: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    """Of unit vectors a and b (N * P, C): sums of |D|^q over j (N * P), gradients over 2 q (N * P, C)."""
    first = tl.program_id(1).to(tl.int64) * positions  # of this image
    channels_a, channels_b = tl.arange(0, CHANNELS_A)[None, :], tl.arange(0, CHANNELS_B)[None, :]
    # This program's rows stay in the processor; b with its sign, so that D is one chain of additions.
    i = (first + tl.program_id(0) * ROWS + tl.arange(0, ROWS))[:, None]
    a_i = tl.load(a + i * CHANNELS_A + channels_a)
    minus_b_i = -tl.load(b + i * CHANNELS_B + channels_b)
    sum_i = tl.zeros((ROWS, 1), tl.float32)
    for_a, for_b = tl.zeros((ROWS, CHANNELS_A), tl.float32), tl.zeros((ROWS, CHANNELS_B), tl.float32)
    for start in range(0, positions, COLUMNS):
        j = (first + start + tl.arange(0, COLUMNS))[:, None]
        a_j = tl.load(a + j * CHANNELS_A + channels_a)
        b_j = tl.load(b + j * CHANNELS_B + channels_b)
        # A tile of D = a_i . a_j - b_i . b_j, in float32, which lives in registers alone.
        d = tl.dot(a_i, tl.trans(a_j), input_precision=PRODUCTS)
        d = tl.dot(minus_b_i, tl.trans(b_j), d, input_precision=PRODUCTS)
        # |D|^q = D * slope; where D is NaN the slope is 0, and the sum NaN.
        slope = d if Q == 2 else tl.where(d > 0, 1.0, tl.where(d < 0, -1.0, 0.0))
        sum_i += tl.sum(d * slope, axis=1, keep_dims=True)
        # The gradients: slopes times the same vectors. In bfloat16 and TF32 the slopes of q = 2 are rounded too.
        slope = slope.to(a_j.dtype)
        if A_LEARNS:
            for_a = tl.dot(slope, a_j, for_a, input_precision=PRODUCTS)
        if B_LEARNS:
            for_b = tl.dot(slope, b_j, for_b, input_precision=PRODUCTS)
    tl.store(sums + i, sum_i)
    tl.store(gradient_a + i * CHANNELS_A + channels_a, for_a)
    tl.store(gradient_b + i * CHANNELS_B + channels_b, -for_b)


def tile_that_fits(channels: int, item_size: int, memory: int) -> tuple[int, int] | None:
    """The fastest tile in shared memory, of both maps' channels of ``item_size`` bytes; None if they are too many."""
    for rows, columns in TILES:  # 160 registers a thread; b_i is kept with both signs, and the slopes
        kept = (2 * rows + STAGES * columns) * channels + rows * columns
        if kept * item_size <= memory and rows * (columns + channels) <= 160 * 32 * WARPS:
            return rows, columns
    return None


def sums_for(a_NPC: Tensor, b_NPC: Tensor, precision: str) -> partial | None:
    """``sums`` for such unit vectors on a CUDA device; None where it cannot run."""
    device = torch.cuda.get_device_properties(a_NPC.device)
    memory = device.shared_memory_per_block_optin  # type: ignore[attr-defined]
    tile = tile_that_fits(_padded(a_NPC) + _padded(b_NPC), 2 if precision == "bfloat16" else 4, memory)
    if tile is None or device.major < 8 or not a_NPC.dtype == b_NPC.dtype == torch.float32:
        return None
    return partial(sums, precision=precision, tile=tile)


def sums(
    a_NPC: Tensor, b_NPC: Tensor, q: int, learns: tuple[bool, bool], *, precision: str, tile: tuple[int, int]
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Sum of |D|^q over images, i and j, and its gradients over 2 q, None for a map that does not learn."""
    images, positions, _ = a_NPC.shape
    rows = -positions % max(tile)  # the shorter side divides the longer
    dtype = torch.bfloat16 if precision == "bfloat16" and a_NPC.is_cuda else torch.float32  # the interpreter has none
    a, b = (F.pad(x, (0, _padded(x) - x.shape[-1], 0, rows)).to(dtype).contiguous() for x in (a_NPC, b_NPC))
    of_rows, for_a, for_b = (a.new_empty(size, dtype=torch.float32) for size in (a.shape[:2], a.shape, b.shape))
    kernel[a.shape[1] // tile[0], images](
        a, b, of_rows, for_a, for_b, a.shape[1], a.shape[2], b.shape[2], q, *tile, *learns,
        "tf32" if precision == "tf32" else "ieee", num_warps=WARPS, num_stages=STAGES,
    )  # fmt: skip
    for_a, for_b = for_a[:, :positions, : a_NPC.shape[2]], for_b[:, :positions, : b_NPC.shape[2]]
    return of_rows.sum(), for_a if learns[0] else None, for_b if learns[1] else None


def _padded(x_NPC: Tensor) -> int:
    return max(16, triton.next_power_of_2(x_NPC.shape[-1]))
