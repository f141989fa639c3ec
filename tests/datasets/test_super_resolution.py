from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from dsrl_lab.datasets.pictures import read_image
from dsrl_lab.datasets.super_resolution import (
    SRPair,
    benchmark_pairs,
    imresize_bicubic,
    luminance,
    random_patches,
    reduce_bicubic,
    t91_pairs,
)


def _picture(height: int, width: int, seed: int) -> Tensor:
    """Smooth noise in [0, 1], whole multiples of 1/255."""
    coarse = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    smooth = F.interpolate(coarse, size=(height, width), mode="bilinear")[0]
    return (smooth * 255).round() / 255


def _write(path: Path, picture: Tensor) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((picture * 255).round().byte().permute(1, 2, 0).numpy()).save(path)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The real layout with made pictures: two of Set5, eleven of T91."""
    for number in (2, 1):
        high_res = _picture(24, 20, number)
        _write(tmp_path / "Set5" / f"img_00{number}_SRF_2_HR.png", high_res)
        _write(tmp_path / "Set5" / f"img_00{number}_SRF_2_LR.png", reduce_bicubic(high_res, 2))
    for number in range(11):
        _write(tmp_path / "T91" / f"t{number}.png", _picture(25, 31, number))
    return tmp_path


def _resize_by_definition(line: np.ndarray, side: int) -> np.ndarray:
    """Brute force on one row: a weighted mean over all pixels in reach, written out from the kernel's definition."""
    scale = side / len(line)
    shrink = min(1.0, scale)
    result = []
    for out in range(side):
        centre = (out + 0.5) / scale - 0.5
        total = weight_sum = 0.0
        for tap in range(-4 * len(line), 5 * len(line)):
            d = abs(centre - tap) * shrink
            if d < 1:
                weight = 1.5 * d**3 - 2.5 * d**2 + 1
            elif d < 2:
                weight = -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
            else:
                continue
            total += weight * line[min(max(tap, 0), len(line) - 1)]
            weight_sum += weight
        result.append(total / weight_sum)
    return np.array(result)


@pytest.mark.parametrize("side", [3, 4, 6, 7, 12, 20])
def test_resize_is_its_definition(side: int) -> None:
    line = torch.rand(12, dtype=torch.float64)
    expected = torch.from_numpy(_resize_by_definition(line.numpy(), side))
    torch.testing.assert_close(imresize_bicubic(line[None], (1, side))[0], expected)
    torch.testing.assert_close(imresize_bicubic(line[:, None], (side, 1))[:, 0], expected)


def test_resize_agrees_with_the_antialiased_resize_of_torch_inside() -> None:
    image = torch.rand(1, 2, 48, 40)
    for size in [(24, 20), (12, 10), (96, 80)]:
        other = F.interpolate(image, size=size, mode="bicubic", antialias=True)
        inside = (..., slice(4, -4), slice(4, -4))
        torch.testing.assert_close(imresize_bicubic(image, size)[inside], other[inside], atol=1e-5, rtol=0)


def test_resize_keeps_size_constants_and_symmetry() -> None:
    image = torch.rand(3, 12, 18, dtype=torch.float64)
    torch.testing.assert_close(imresize_bicubic(image, (12, 18)), image)
    torch.testing.assert_close(imresize_bicubic(torch.full((4, 6), 0.3), (2, 9)), torch.full((2, 9), 0.3))
    reduced = imresize_bicubic(image, (6, 9))
    torch.testing.assert_close(imresize_bicubic(image.flip(-1), (6, 9)), reduced.flip(-1))
    torch.testing.assert_close(imresize_bicubic(image.mT, (9, 6)), reduced.mT)


def test_reduction_gives_whole_levels_and_refuses_what_does_not_divide() -> None:
    reduced = reduce_bicubic(_picture(12, 8, 0), 4)
    torch.testing.assert_close(reduced * 255, (reduced * 255).round())
    with pytest.raises(ValueError, match=r"expected \(H, W\) divisible by 4, got \(13, 8\); crop to \(12, 8\)"):
        reduce_bicubic(torch.rand(3, 13, 8), 4)


def test_resize_refuses_bytes_and_empty_sizes() -> None:
    with pytest.raises(ValueError, match=r"expected a float image .* torch.uint8; divide 8-bit images by 255"):
        imresize_bicubic(torch.zeros(3, 4, 4, dtype=torch.uint8), (2, 2))
    with pytest.raises(ValueError, match=r"at least \(1, 1\), got \(0, 2\)"):
        imresize_bicubic(torch.zeros(4, 4), (0, 2))


def test_luminance_by_hand() -> None:
    """Values of ITU-R BT.601: white 235, black 16, and 81, 145, 41 for full red, green, blue."""
    colours = torch.tensor([[1.0, 1, 1], [0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]).T[:, :, None]
    assert (luminance(colours) * 255).round().flatten().tolist() == [235, 16, 81, 145, 41]
    with pytest.raises(ValueError, match=r"RGB images of shape .* got \(1, 4, 4\)"):
        luminance(torch.zeros(1, 4, 4))


def test_benchmark_pairs_files_in_the_order_of_their_names(tree: Path) -> None:
    pairs = benchmark_pairs(tree, "Set5", y_only=False)
    assert [pair.name for pair in (pairs[0], pairs[1])] == ["img_001", "img_002"]
    assert pairs[0].low_res.shape == (3, 12, 10)
    assert torch.equal(pairs[0].low_res, reduce_bicubic(pairs[0].high_res, 2))
    y = benchmark_pairs(tree, "Set5")[1]
    torch.testing.assert_close(y.high_res, luminance(pairs[1].high_res))


def test_benchmark_names_what_is_missing(tree: Path) -> None:
    with pytest.raises(ValueError, match="unknown benchmark 'Set6'; choose one of Set5, Set14"):
        benchmark_pairs(tree, "Set6")
    with pytest.raises(FileNotFoundError, match=r"no img_\*_SRF_3_HR.png in .*Set5"):
        benchmark_pairs(tree, "Set5", upscale_factor=3)
    (tree / "Set5" / "img_002_SRF_2_LR.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"img_002_SRF_2_HR.png has no partner img_002_SRF_2_LR.png"):
        benchmark_pairs(tree, "Set5")


def test_training_pictures_are_split_without_overlap(tree: Path) -> None:
    train, val = t91_pairs(tree), t91_pairs(tree, split="val", y_only=False)
    assert (len(train), len(val)) == (9, 2)
    assert not {pair.name for pair in train} & {pair.name for pair in val}
    assert train[0].high_res.shape == (1, 24, 30)  # cropped to multiples of 2
    assert torch.equal(val[0].low_res, reduce_bicubic(val[0].high_res, 2))
    with pytest.raises(ValueError, match="unknown split 'test'"):
        t91_pairs(tree, split="test")
    with pytest.raises(FileNotFoundError, match=r"no pictures in .*T91"):
        t91_pairs(tree / "Set5")


def test_grey_pictures_get_three_channels(tmp_path: Path) -> None:
    Image.new("L", (6, 4), 51).save(tmp_path / "grey.png")
    picture = read_image(tmp_path / "grey.png")
    torch.testing.assert_close(picture, torch.full((3, 4, 6), 0.2))


def test_patches_are_aligned_in_every_pose() -> None:
    """Nearest-neighbour pairs: each low-resolution pixel must sit on its own 2x2 block, whatever the pose."""
    low_res = torch.arange(9 * 11.0).reshape(1, 9, 11)
    pair = SRPair(low_res, low_res.repeat_interleave(2, -1).repeat_interleave(2, -2), "blocks")
    low, high = random_patches([pair], 6, 64, torch.Generator().manual_seed(0))
    assert torch.equal(high[..., ::2, ::2], low)
    assert torch.equal(high[..., 1::2, ::2], low)
    steps = {(round((a[0, 0, 1] - a[0, 0, 0]).item()), round((a[0, 1, 0] - a[0, 0, 0]).item())) for a in low}
    assert steps == {(1, 11), (-1, 11), (1, -11), (-1, -11), (11, 1), (-11, 1), (11, -1), (-11, -1)}


def test_patches_follow_the_generator_and_the_areas() -> None:
    pairs = [
        SRPair(torch.zeros(1, 8, 8), torch.zeros(1, 16, 16), "a"),
        SRPair(torch.ones(1, 8, 24), torch.ones(1, 16, 48), "b"),
    ]
    draw = [random_patches(pairs, 8, 4, torch.Generator().manual_seed(seed))[0] for seed in (5, 5, 6)]
    assert torch.equal(draw[0], draw[1])
    low, _ = random_patches(pairs, 8, 4000, torch.Generator().manual_seed(0))
    assert low.mean().item() == pytest.approx(0.75, abs=0.03)
    with pytest.raises(ValueError, match=r"multiple of 2 and at most 16 .* got 18"):
        random_patches(pairs, 18, 1, torch.Generator())
    with pytest.raises(ValueError, match="got 7"):
        random_patches(pairs, 7, 1, torch.Generator())


def _psnr_y(pred: Tensor, target: Tensor, border: int) -> float:
    inside = (slice(None), slice(border, -border), slice(border, -border))
    return -10 * math.log10((pred - target)[inside].double().square().mean().item())


def test_bicubic_scores_what_the_field_reports(real_data: Path) -> None:
    """33.66 dB on Set5 x2 and 28.42 dB on x4: tables of SRCNN, VDSR, LapSRN and all since."""
    for factor, expected in [(2, 33.66), (4, 28.42)]:
        pairs = benchmark_pairs(real_data / "super_resolution", "Set5", upscale_factor=factor)
        scores = [
            _psnr_y(
                imresize_bicubic(pair.low_res, (pair.high_res.shape[-2], pair.high_res.shape[-1])),
                pair.high_res,
                factor,
            )
            for pair in (pairs[index] for index in range(len(pairs)))
        ]
        assert len(scores) == 5
        assert sum(scores) / 5 == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize(("name", "factor", "count"), [("Set5", 2, 5), ("Set14", 2, 14), ("Set5", 4, 5)])
def test_reduction_gives_the_shipped_files(real_data: Path, name: str, factor: int, count: int) -> None:
    pairs = benchmark_pairs(real_data / "super_resolution", name, upscale_factor=factor, y_only=False)
    assert len(pairs) == count
    for index in range(count):
        low_res, high_res, _ = pairs[index]
        levels = ((reduce_bicubic(high_res, factor) - low_res) * 255).abs().round()
        assert levels.max() <= 1
        assert (levels > 0).float().mean() < 0.003
