"""Pictures for single-image super-resolution: T91 to train on, Set5 and Set14 to compare with the field.

Source: T91 is Yang et al. (2010), Set5 is Bevilacqua et al. (2012), Set14 is Zeyde et al. (2010). The low-resolution
files of Set5 and Set14 are those that Huang et al. (SelfExSR, CVPR 2015) ship: MATLAB's ``imresize(rgb, 1/s)``, here
from its description: Keys' cubic kernel with a = -1/2 (Keys 1981), stretched for antialiasing. Read off the files: the
border pixel is repeated outwards (newer MATLAB mirrors), and 8-bit images are rounded after the rows and after the
columns. So 99.9 % of ``reduce_bicubic``'s values are theirs, and none is more than one level off.

The field trains and scores on luminance alone: Y of ITU-R BT.601 in its 16..235 range, as MATLAB's ``rgb2ycbcr``.
Deviation: Y is not rounded to whole levels. In shapes s is the upscale factor.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from dsrl_lab.datasets.base import DataReport
from dsrl_lab.datasets.pictures import list_pictures, read_image
from dsrl_lab.metrics.images import luminance

BENCHMARKS = {"Set5": 5, "Set14": 14}
HELD_OUT_EVERY = 9  # every ninth picture of T91 is kept for choosing among checkpoints: 10 of 91


class SRPair(NamedTuple):
    """One picture at two sizes."""

    low_res: Tensor  # (C, h, w), float32 in [0, 1]
    high_res: Tensor  # (C, s * h, s * w), float32 in [0, 1]
    name: str  # the file's stem


def imresize_bicubic(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize as MATLAB's ``imresize(image, size, "bicubic")``: antialiased where it shrinks, borders repeated.

    PyTorch's ``interpolate(mode="bicubic")`` is another filter (a = -3/4, no antialiasing), tenths of a decibel off on
    Set5 x2. The result, (..., H', W') for a ``size`` of (H', W'), is not clipped.

    ValueError where the image is not a float tensor of at least two axes, or a side of ``size`` is below 1.

    Example:
        >>> imresize_bicubic(torch.arange(12.0).expand(4, 12), (2, 6))[0, 2:4]  # the middle of a ramp stays a ramp
        tensor([4.5000, 6.5000])
    """
    if image.ndim < 2 or not image.is_floating_point():
        raise ValueError(
            f"expected a float image of shape (..., H, W), got {tuple(image.shape)} of {image.dtype}; "
            "divide 8-bit images by 255"
        )
    if min(size) < 1:
        raise ValueError(f"expected a size (H, W) of at least (1, 1), got {tuple(size)}; the reduction is too strong")
    rows = _resize_matrix(image.shape[-2], size[0])
    columns = _resize_matrix(image.shape[-1], size[1])
    return (rows @ image.double() @ columns.T).to(image.dtype)


def reduce_bicubic(image: Tensor, upscale_factor: int) -> Tensor:
    """Reduce a picture (..., H, W) in [0, 1] as the benchmarks did, clipped and rounded: (..., H / s, W / s).

    A side that is no multiple of ``upscale_factor`` is a ValueError.

    Example:
        >>> reduce_bicubic(torch.rand(3, 12, 8), 4).shape
        torch.Size([3, 3, 2])
    """
    height, width = image.shape[-2:]
    if height % upscale_factor or width % upscale_factor:
        fits = (height // upscale_factor * upscale_factor, width // upscale_factor * upscale_factor)
        raise ValueError(f"expected (H, W) divisible by {upscale_factor}, got {(height, width)}; crop to {fits}")
    height, width = height // upscale_factor, width // upscale_factor
    shorter = _round_to_levels(imresize_bicubic(image.double(), (height, image.shape[-1])))
    return _round_to_levels(imresize_bicubic(shorter, (height, width))).to(image.dtype)


def _pair(low_res: Tensor, high_res: Tensor, name: str, y_only: bool) -> SRPair:
    return SRPair(luminance(low_res), luminance(high_res), name) if y_only else SRPair(low_res, high_res, name)


def benchmark_pairs(
    root: str | Path, name: str = "Set5", *, upscale_factor: int = 2, y_only: bool = True
) -> list[SRPair]:
    """Read Set5 or Set14 below ``root``, with the low-resolution files everybody uses; Y (C = 1) or RGB (C = 3).

    A ValueError for another name; a FileNotFoundError names the folder, or the file of a pair, that is missing.

    Example:
        >>> benchmark_pairs("nowhere", "Set5")
        Traceback (most recent call last):
        ...
        FileNotFoundError: no img_*_SRF_2_HR.png in nowhere/Set5; ...
    """
    if name not in BENCHMARKS:
        raise ValueError(f"unknown benchmark {name!r}; choose one of {', '.join(BENCHMARKS)}")
    folder, end = Path(root) / name, f"_SRF_{upscale_factor}_HR"
    pairs = []
    for file in sorted(folder.glob(f"img_*{end}.png")):
        small = file.with_name(file.name.replace("_HR.png", "_LR.png"))
        if not small.exists():
            raise FileNotFoundError(f"{file} has no partner {small.name}; fetch {name} again")
        pairs.append(_pair(read_image(small), read_image(file), file.stem.removesuffix(end), y_only))
    if not pairs:
        raise FileNotFoundError(
            f"no img_*{end}.png in {folder}; get {name} from the SelfExSR release and keep its file names"
        )
    return pairs


def t91_pairs(root: str | Path, *, split: str = "train", upscale_factor: int = 2, y_only: bool = True) -> list[SRPair]:
    """Read T91's 91 pictures, cropped to multiples of s, with partners made here; every ninth is for validation.

    A ValueError for an unknown split, a FileNotFoundError for no pictures.

    Example:
        >>> t91_pairs("nowhere")
        Traceback (most recent call last):
        ...
        FileNotFoundError: no pictures in nowhere/T91; ...
    """
    if split not in ("train", "val"):
        raise ValueError(f"unknown split {split!r}; choose 'train' or 'val'")
    folder, s = Path(root) / "T91", upscale_factor
    files = list_pictures(folder)
    if not files:
        raise FileNotFoundError(f"no pictures in {folder}; point root at the folder that holds T91")
    held_out = set(files[::HELD_OUT_EVERY][:10])
    pairs = []
    for file in files:
        if (file in held_out) == (split == "val"):
            image = read_image(file)
            high_res = image[:, : image.shape[1] // s * s, : image.shape[2] // s * s]
            pairs.append(_pair(reduce_bicubic(high_res, s), high_res, file.stem, y_only))
    return pairs


def check_t91(folder: Path) -> DataReport:
    """Read T91 as training does, and say how many of its 91 pictures are there."""
    try:
        found = len(list_pictures(folder))
        t91_pairs(folder.parent)
    except (ValueError, FileNotFoundError) as error:
        return DataReport("t91", str(folder), {}, (str(error),))
    missing = (f"{91 - found} of 91 pictures",) if found < 91 else ()
    return DataReport("t91", str(folder), {"all": found}, missing)


def random_patches(
    pairs: Sequence[SRPair], patch_size: int, batch_size: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw aligned patches (N, C, side, side) anywhere, at both resolutions, in one of the eight poses of a square.

    A ValueError for a picture smaller than a patch, or a patch that is no multiple of the upscale factor.

    Example:
        >>> pair = SRPair(torch.rand(1, 10, 12), torch.rand(1, 20, 24), "a")
        >>> low_res, high_res = random_patches([pair], 8, 5, torch.Generator().manual_seed(0))
        >>> low_res.shape, high_res.shape
        (torch.Size([5, 1, 4, 4]), torch.Size([5, 1, 8, 8]))
    """
    s = pairs[0].high_res.shape[-1] // pairs[0].low_res.shape[-1]
    side = patch_size // s
    smallest = min(min(pair.low_res.shape[-2:]) for pair in pairs)
    if patch_size % s or smallest < side:
        raise ValueError(
            f"expected a patch_size that is a multiple of {s} and at most {smallest * s} (the smallest side in the "
            f"data), got {patch_size}"
        )
    areas = torch.tensor([float(pair.low_res[0].numel()) for pair in pairs])
    chosen = torch.multinomial(areas, batch_size, replacement=True, generator=generator).tolist()
    low_patches, high_patches = [], []
    for index in chosen:
        low_res, high_res, _ = pairs[index]
        top = int(torch.randint(low_res.shape[-2] - side + 1, (1,), generator=generator))
        left = int(torch.randint(low_res.shape[-1] - side + 1, (1,), generator=generator))
        pose = int(torch.randint(8, (1,), generator=generator))
        low_patches.append(_pose(low_res[:, top : top + side, left : left + side], pose))
        high_patches.append(_pose(high_res[:, s * top : s * (top + side), s * left : s * (left + side)], pose))
    return torch.stack(low_patches), torch.stack(high_patches)


def _round_to_levels(image: Tensor) -> Tensor:
    return (image.clamp(0, 1) * 255 + 0.5).floor() / 255  # halves go up, as in MATLAB


def _pose(patch: Tensor, pose: int) -> Tensor:
    """One of the eight symmetries of a square; the reduction commutes with each (its rounding nearly so)."""
    turned = torch.rot90(patch, pose % 4, dims=(-2, -1))
    return turned.flip(-1) if pose >= 4 else turned


def _cubic(distance: Tensor) -> Tensor:
    """Keys' interpolation kernel with a = -1/2, zero from distance 2 on."""
    d = distance.abs()
    near = 1.5 * d**3 - 2.5 * d**2 + 1
    far = -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
    return torch.where(d <= 1, near, torch.where(d < 2, far, torch.zeros_like(d)))


@lru_cache(maxsize=64)
def _resize_matrix(in_side: int, out_side: int) -> Tensor:
    """The resize of one axis as a matrix (out_side, in_side) in float64; rows sum to 1."""
    scale = out_side / in_side
    stretch = min(scale, 1.0)  # below 1 the kernel is widened: this is the antialiasing
    reach = int(np.ceil(2 / stretch)) + 1
    centres = (torch.arange(out_side, dtype=torch.float64) + 0.5) / scale - 0.5
    taps = centres.floor().long()[:, None] + torch.arange(-reach, reach + 1)
    weights = _cubic((centres[:, None] - taps) * stretch)
    weights = weights / weights.sum(1, keepdim=True)
    return torch.zeros(out_side, in_side, dtype=torch.float64).scatter_add_(1, taps.clamp(0, in_side - 1), weights)
