"""Feature affinity, the paper's heart: which pixels look alike, and do two networks agree about it?

Source: Wang et al., "Dual Super-Resolution Learning for Semantic Segmentation", CVPR 2020, the equations of S_ij and
L_fa. p = 2 is stated in the authors' repository; q = 1 is second-hand.

Feature maps are read as P = H * W positions, each a vector of C channels brought to length 1 in the p-norm:

    S_ij = x_i . x_j                                affinity: cosine similarity if p = 2
    L_fa = mean over images, i and j of |S_ij(a) - S_ij(b)|^q

The paper leaves open: the batch is averaged; q = 2 squares; all-zero features have affinity 0 and get no gradient.

S has P * P entries: 256 MiB in float32 for 64 x 128 positions, 4 GiB for 128 x 256, and autograd keeps several of them.
The tiled loss gives the same value and gradient and never builds S. It rests on four facts about D = S(a) - S(b):

1. D is one product, [a b] [a -b]^T: a tile of it costs one matrix multiplication of C_a + C_b channels.
2. D is symmetric: the tiles on and above the diagonal are enough.
3. |d|^q = d * slope, with slope = sign(d) for q = 1 and slope = d for q = 2, and its derivative is q * slope.
4. So the gradient of the sum over D, with respect to [a b], is 2 q * slope [a -b]: a product with the same tile.

On a GPU ``fused_affinity`` keeps the tile in registers too, and multiplies in TF32 or bfloat16 on the matrix units.
Letters: N images, P positions, C channels (K = C_a + C_b together); a tensor's axes are the capitals in its name.
"""

# ruff: noqa: N803, N806 - the capitals are the axes

from functools import partial
from importlib.util import find_spec
from itertools import combinations_with_replacement
from typing import Any, Literal

import torch
from torch import Tensor

# A vector whose largest channel is below has no direction: gradients grow as 1 / length, and would overflow in float32.
NO_DIRECTION = 1e-30
# A tile's side: 512 keeps a float32 tile (1 MiB) in a core's cache; a GPU wants fewer, larger products (16 MiB).
CPU_TILE, GPU_TILE = 512, 2048
DIGITS = {"float32": 24, "tf32": 11, "bfloat16": 8}  # leading binary digits of a factor that are kept
Sums = tuple[Tensor, Tensor | None, Tensor | None]  # of |D|^q, and the gradients over 2 q; None for a teacher


def _check_features(features: Tensor, p: float) -> None:
    if features.ndim != 4 or 0 in features.shape:
        raise ValueError(
            f"expected features of shape (N, C, H, W) with at least one of each, got {tuple(features.shape)}; "
            "tap a feature map, before pooling or flattening"
        )
    if features.shape[1] == 1:
        raise ValueError(
            "expected at least 2 channels, got 1: the cosine of two scalars is +1 or -1 whatever the features say "
            "(after a ReLU always 1); tap the features before the prediction layer"
        )
    if not p >= 1:
        raise ValueError(f"expected p >= 1, got {p}: smaller p is no norm; the paper's authors use p = 2")


def unit_vectors(features: Tensor, p: float) -> Tensor:
    """(N, C, H, W) -> (N, P, C) in float32 at least; p-norm 1 at each position, 0 where there is no direction."""
    x_NPC = features.flatten(2).mT.to(torch.promote_types(features.dtype, torch.float32))
    largest_NP1 = torch.linalg.vector_norm(x_NPC.detach(), ord=torch.inf, dim=-1, keepdim=True)
    # A power of two brings the largest channel near 1, so that no square over- or underflows; it rounds nothing.
    x_NPC = torch.ldexp(x_NPC, -torch.frexp(largest_NP1).exponent.clamp(-100, 100))
    norm_NP1 = torch.linalg.vector_norm(x_NPC, ord=p, dim=-1, keepdim=True)
    return x_NPC / norm_NP1.masked_fill(largest_NP1 <= NO_DIRECTION, torch.inf)


def affinity_matrix(features: Tensor, p: float = 2.0) -> Tensor:
    """Similarity of each position of a map (N, C, H, W) with each other: S of the paper, (N, P, P), in row-major order.

    Computed in float32 at least, inside autocast too; NaN and infinity come out as NaN. ``p``, from 1 to infinity, is
    the norm that brings each position to length 1; 2 gives cosines in [-1, 1].

    Raises:
        ValueError: no (N, C, H, W) shape, fewer than 2 channels, or p below 1.

    Example:
        >>> red_red_blue = torch.tensor([[[[1.0, 2.0, 0.0]], [[0.0, 0.0, 5.0]]]])  # (1, 2, 1, 3)
        >>> affinity_matrix(red_red_blue)
        tensor([[[1., 1., 0.],
                 [1., 1., 0.],
                 [0., 0., 1.]]])
    """
    _check_features(features, p)
    with torch.autocast(features.device.type, enabled=False):
        x_NPC = unit_vectors(features, p)
        return x_NPC @ x_NPC.mT


def _rounded(x: Tensor, precision: str) -> Tensor:
    """To the nearest number with the precision's digits; its derivative is 1, exactly."""
    if precision == "float32":
        return x
    shifted = x * (2.0 ** (1 - DIGITS[precision]) / torch.finfo(x.dtype).eps + 1)  # the last digits fall off
    return shifted - (shifted - x)


def _in_tiles(a_NPC: Tensor, b_NPC: Tensor, q: int, learns: tuple[bool, bool], *, tile: int) -> Sums:
    positions, channels_a = a_NPC.shape[1:]
    left_NPK = torch.cat([a_NPC, b_NPC], dim=-1)
    right_NPK = torch.cat([a_NPC, -b_NPC], dim=-1)
    learns_NPK = right_NPK[..., None if learns[0] else channels_a : None if learns[1] else channels_a]
    gradient_NPK = torch.zeros_like(learns_NPK, memory_format=torch.contiguous_format)

    strips = [slice(start, start + tile) for start in range(0, positions, tile)]
    workspace = left_NPK.new_empty(2, min(tile, positions) ** 2)  # two tiles, reused: fresh ones fragment the heap
    sums = []
    for left, right, learned, gradient in zip(left_NPK, right_NPK, learns_NPK, gradient_NPK, strict=True):
        for rows, columns in combinations_with_replacement(strips, 2):
            x, y = left[rows], right[columns]
            difference, slope = workspace[:, : len(x) * len(y)].view(2, len(x), len(y))
            torch.mm(x, y.mT, out=difference)
            slope = torch.sign(difference, out=slope) if q == 1 else difference
            sums.append(torch.dot(difference.flatten(), slope.flatten()))
            gradient[rows].addmm_(slope, learned[columns])
            if rows is not columns:  # the mirror image below the diagonal
                sums.append(sums[-1])
                gradient[columns].addmm_(slope.mT, learned[rows])

    of_a = gradient_NPK[..., :channels_a] if learns[0] else None
    return torch.stack(sums).sum(), of_a, gradient_NPK[..., -b_NPC.shape[-1] :] if learns[1] else None


class _AffinityLoss(torch.autograd.Function):
    """Mean over N, i and j of |a_i . a_j - b_i . b_j|^q; its gradient is computed in the forward pass and kept."""

    @staticmethod
    def forward(ctx: Any, a_NPC: Tensor, b_NPC: Tensor, q: int, sums: partial[Sums]) -> Tensor:
        pairs = len(a_NPC) * a_NPC.shape[1] ** 2
        total, *gradients = sums(a_NPC, b_NPC, q, ctx.needs_input_grad[:2])
        ctx.save_for_backward(*(None if x is None else x.mul_(2 * q / pairs) for x in gradients))
        return total / pairs

    @staticmethod
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise RuntimeError(
                "the tiled and the fused affinity loss know their first derivative only, and create_graph=True asks "
                "for a second; use method='dense' for it"
            )
        return *(None if x is None else x * scale for x in ctx.saved_tensors), None, None


def feature_affinity_loss(
    a: Tensor,
    b: Tensor,
    *,
    p: float = 2.0,
    q: Literal[1, 2] = 1,
    method: Literal["tiled", "fused", "dense"] | None = None,
    tile: int | None = None,
    precision: Literal["float32", "tf32", "bfloat16"] = "float32",
    positions: int | None = None,
) -> Tensor:
    """How far two feature maps disagree about which positions look alike: L_fa of the paper.

    Unchanged if a map is scaled, both are permuted, or the batch is repeated; 0 for equal maps. Detach a map to make it
    the teacher, at no cost. Computed in float32 at least, inside autocast too. NaN and infinity come out as NaN.

    Maps (N, C, H, W) may differ in channels, of which each has 2 or more; ``p``, from 1 to infinity, is the norm that
    brings positions to length 1; ``q`` is 1 for the mean absolute difference, 2 for the squared. "tiled" is exact and
    small, differentiable once, in tiles of ``tile`` positions a side; "fused" the same as one Triton kernel for GPUs of
    capability 8.0, by default where it can run and ``precision`` is below "float32"; "dense" the readable reference.

    ``precision`` rounds the factors of all products, for GPUs that multiply them faster; norms and sums stay in float32
    at least. The nearer the maps, the larger the error of the value and the angle of the gradient to float64's, here of
    random maps of 64 + 64 channels at 1536 positions, q = 1:

        loss     float32          tf32           bfloat16
        0.14     5e-8, 0.0 deg    3e-6, 1 deg    6e-6,  3 deg
        0.014    7e-9, 0.0 deg    9e-6, 1 deg    3e-4,  4 deg
        0.0014   1e-7, 0.1 deg    6e-4, 4 deg    3e-2, 16 deg

    ``positions`` compares so many of the P = H * W, drawn without replacement, in (positions / P)^2 of the time. Over
    all draws the mean of the loss, and of its gradient, is that of all positions; the variance of the loss, for p = 2,
    is about 4 (1 / positions - 1 / P) times the variance over i of mean_j |D_ij|^q.

    Raises:
        ValueError: shapes that do not fit, an argument out of its range, or "fused" where it cannot run.
        RuntimeError: a second derivative is asked of the tiled or the fused method.

    Example:
        >>> a = torch.tensor([[[[1.0, 1.0]], [[0.0, 0.0]]]])  # two positions that look alike
        >>> b = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])  # two positions that do not
        >>> feature_affinity_loss(a, b)  # S(a) - S(b) is [[0, 1], [1, 0]]
        tensor(0.5000)
    """
    _check_features(a, p)
    _check_features(b, p)
    if a.shape[:1] + a.shape[2:] != b.shape[:1] + b.shape[2:]:
        raise ValueError(
            f"expected a and b of the same N, H and W (channels may differ), got {tuple(a.shape)} and "
            f"{tuple(b.shape)}; resize one of the maps to the other's positions"
        )
    if q not in (1, 2):
        raise ValueError(f"expected q = 1 (absolute differences) or q = 2 (squared differences), got {q!r}")
    if method not in (None, "tiled", "fused", "dense"):
        raise ValueError(f"expected method 'tiled', 'fused' or 'dense', got {method!r}")
    if precision not in DIGITS:
        raise ValueError(f"expected precision {', '.join(map(repr, DIGITS))}, got {precision!r}")
    if tile is not None and tile < 1:
        raise ValueError(f"expected a tile of at least 1 position, got {tile}; leave it out for what suits the device")
    total, power = a.shape[2] * a.shape[3], torch.abs if q == 1 else torch.square
    if positions is not None:
        if not 2 <= positions <= total:
            raise ValueError(f"expected 2 to {total} positions, as many as the maps have, got {positions}")
        drawn = torch.randperm(total, device=a.device)[:positions]
        a, b = (x.flatten(2).index_select(2, drawn).unsqueeze(-1) for x in (a, b))
    with torch.autocast(a.device.type, enabled=False):
        a_NPC, b_NPC = (_rounded(unit_vectors(x, p), precision) for x in (a, b))
        if method == "dense":
            loss = power(a_NPC @ a_NPC.mT - b_NPC @ b_NPC.mT).mean()
        else:
            sums, default = None, CPU_TILE if a.device.type == "cpu" else GPU_TILE
            if a.is_cuda and find_spec("triton") and (method == "fused" or (method is None and precision != "float32")):
                from dsrl_lab.fused_affinity import sums_for

                sums = sums_for(a_NPC, b_NPC, precision)
            if method == "fused" and sums is None:
                raise ValueError(
                    "method 'fused' expected a GPU of capability 8.0, Triton and some 256 float32 channels at most, "
                    f"got {a.dtype} maps {tuple(a.shape)} on {a.device}; leave it out for what suits the device"
                )
            loss = _AffinityLoss.apply(a_NPC, b_NPC, q, sums or partial(_in_tiles, tile=tile or default))
        if positions is None:
            return loss
        # A drawn position always meets itself, others with probability (positions - 1) / (P - 1).
        itself = power(a_NPC.square().sum(-1) - b_NPC.square().sum(-1)).mean()
        return ((total - 1) * positions * loss - (total - positions) * itself) / (total * (positions - 1))
