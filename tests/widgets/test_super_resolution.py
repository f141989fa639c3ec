"""Super-resolution compare: what it refuses, its scores, its twin."""

from __future__ import annotations

import io
import itertools

import pytest
import torch

from dsrl_lab.metrics import psnr
from dsrl_lab.plots.super_resolution import Reconstruction
from dsrl_lab.widgets.base import Refused
from dsrl_lab.widgets.super_resolution import SuperResolutionCompare, check_pictures, super_resolution_compare

LOW, HIGH = torch.rand(3, 12, 16), torch.rand(3, 24, 32)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ([], "expected methods"),
        ([Reconstruction("a", HIGH), Reconstruction("a", HIGH)], "methods with different names"),
        ([Reconstruction("original", HIGH)], "none of them 'input' or 'original'"),
        ([Reconstruction("a", HIGH[:, 1:])], "'a': expected the original's shape"),
        ([Reconstruction("a", torch.full_like(HIGH, torch.nan))], "'a': the picture holds NaN"),
    ],
)
def test_wrong_pictures_are_refused(made: list[Reconstruction], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_pictures(LOW, HIGH, made)
    assert isinstance(super_resolution_compare(LOW, HIGH, made), Refused)


def test_small_pictures_and_lenses_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 11 pixels a side"):
        check_pictures(LOW, torch.rand(3, 10, 32), [])
    for crop in ((0, 0, 10, 20), (20, 0, 11, 11), (-1, 0, 11, 11)):
        refused = super_resolution_compare(LOW, HIGH, {"a": HIGH}, crop=crop)
        assert isinstance(refused, Refused)
        assert "expected a crop" in refused.message


def test_scores_are_those_of_the_8_bit_pictures() -> None:
    made = super_resolution_compare(LOW, HIGH, {"half": HIGH / 2, "perfect": HIGH})
    assert isinstance(made, SuperResolutionCompare)
    rounded = [(255 * image).round() / 255 for image in (HIGH / 2, HIGH)]
    half, perfect = made.facts["scores"]
    assert half["psnr"] == pytest.approx(float(psnr(rounded[0][None], rounded[1][None])))
    assert perfect == {"psnr": None, "ssim": pytest.approx(1)}


def test_numpy_pictures_are_accepted() -> None:
    low, high = ((255 * image).round().byte().permute(1, 2, 0).numpy() for image in (LOW, HIGH))
    made = super_resolution_compare(low, high, {"perfect": HIGH})
    assert isinstance(made, SuperResolutionCompare)
    assert made.facts["scores"][0]["psnr"] is None


def test_the_twin_shows_whole_lens_and_errors() -> None:
    made = super_resolution_compare(LOW, HIGH, {"half": HIGH / 2, "perfect": HIGH}, crop=(2, 4, 12, 16))
    assert isinstance(made, SuperResolutionCompare)
    assert made.value == (2, 4, 12, 16)
    pictures = [ax.images[0].get_array().shape[:2] for ax in made.static().axes if ax.images]
    assert pictures == [(12, 16), *[(24, 32)] * 3, (6, 8), *[(12, 16)] * 3, *[(24, 32)] * 2]


def test_captions_of_many_methods_do_not_touch() -> None:
    high = torch.rand(3, 48, 64)
    made = super_resolution_compare(torch.rand(3, 24, 32), high, {f"method {i}": high * 0.9 for i in range(6)})
    assert isinstance(made, SuperResolutionCompare)
    figure = made.static()
    figure.savefig(io.BytesIO())
    boxes = [ax.get_tightbbox() for ax in figure.axes[:8]]
    assert all(left.x1 <= right.x0 for left, right in itertools.pairwise(boxes))
