"""Image scores against hand-computed cases and against scikit-image, which nobody here wrote."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from skimage.color import rgb2ycbcr
from skimage.data import astronaut
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from dsrl_lab.metrics import images, luminance, psnr, ssim


@pytest.fixture(scope="module")
def photo() -> Tensor:
    return torch.from_numpy(astronaut()[100:164, 150:230]).permute(2, 0, 1)[None].double() / 255


@pytest.fixture(scope="module")
def noisy(photo: Tensor) -> Tensor:
    noise = torch.randn(photo.shape, generator=torch.Generator().manual_seed(1), dtype=photo.dtype)
    return (photo + 0.1 * noise).clamp(0, 1)


def as_numpy(image: Tensor) -> np.ndarray[Any, Any]:
    return image[0].permute(1, 2, 0).numpy()


def test_psnr_by_hand() -> None:
    target = torch.zeros(1, 1, 2, 2)
    pred = torch.tensor([[[[0.1, 0.1], [0.1, 0.3]]]])  # mean squared error 0.12 / 4 = 0.03
    assert psnr(pred, target).item() == pytest.approx(-10 * math.log10(0.03))
    assert psnr(255 * pred, 255 * target, data_range=255).item() == pytest.approx(-10 * math.log10(0.03))
    assert psnr(target, target).item() == math.inf


def test_psnr_is_the_mean_over_images_not_that_of_the_mean_error() -> None:
    target = torch.zeros(2, 1, 4, 4)
    pred = torch.stack([torch.full((1, 4, 4), 0.1), torch.full((1, 4, 4), 0.01)])
    assert psnr(pred, target).item() == pytest.approx((20 + 40) / 2)


def test_psnr_agrees_with_scikit_image(photo: Tensor, noisy: Tensor) -> None:
    expected = peak_signal_noise_ratio(as_numpy(photo), as_numpy(noisy), data_range=1)
    assert psnr(noisy, photo).item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_agrees_with_scikit_image(photo: Tensor, noisy: Tensor, channels: int) -> None:
    expected = structural_similarity(
        as_numpy(photo[:, :channels]),
        as_numpy(noisy[:, :channels]),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1,
        channel_axis=-1,
    )
    assert 0.2 < expected < 0.95
    assert ssim(noisy[:, :channels], photo[:, :channels]).item() == pytest.approx(expected, abs=1e-10)


def test_ssim_by_its_formula_where_one_window_fits() -> None:
    x = torch.rand(11, 11, dtype=torch.float64)
    y = 0.5 * x + 0.5 * torch.rand(11, 11, dtype=torch.float64)
    steps = torch.arange(11, dtype=torch.float64) - 5
    profile = (-(steps**2) / (2 * 1.5**2)).exp()
    window = profile[:, None] * profile
    window /= window.sum()
    mean_x, mean_y = (window * x).sum(), (window * y).sum()
    var_x, var_y = (window * (x - mean_x) ** 2).sum(), (window * (y - mean_y) ** 2).sum()
    covariance = (window * (x - mean_x) * (y - mean_y)).sum()
    c1, c2 = 0.01**2, 0.03**2
    expected = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    expected /= (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    assert ssim(x[None, None], y[None, None]).item() == pytest.approx(expected.item(), abs=1e-12)


def test_luminance_agrees_with_scikit_image(photo: Tensor) -> None:
    torch.testing.assert_close(luminance(photo)[0, 0] * 255, torch.from_numpy(rgb2ycbcr(as_numpy(photo))[..., 0]))


def test_luminance_of_the_corners_of_the_cube() -> None:
    colours = torch.tensor([[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=torch.float64)
    expected = torch.tensor([16, 235, 81.481, 144.553, 40.966], dtype=torch.float64)
    torch.testing.assert_close(luminance(colours[..., None, None]).flatten() * 255, expected)
    torch.testing.assert_close(luminance(colours[..., None, None] * 255, data_range=255).flatten(), expected)


@pytest.mark.parametrize("score", [psnr, ssim])
def test_y_channel_crop_and_range(score: Any, photo: Tensor, noisy: Tensor) -> None:
    inner = (..., slice(3, -3), slice(3, -3))
    expected = score(luminance(noisy)[inner], luminance(photo)[inner])
    assert score(noisy, photo, crop_border=3, y_channel=True).item() == pytest.approx(expected.item())
    in_bytes = score(noisy * 255, photo * 255, crop_border=3, y_channel=True, data_range=255)
    assert in_bytes.item() == pytest.approx(expected.item())
    assert abs(score(noisy, photo).item() - expected.item()) > 1e-3


@pytest.mark.parametrize("score", [psnr, ssim])
def test_a_batch_is_the_mean_of_its_images(score: Any, photo: Tensor, noisy: Tensor) -> None:
    noisier = (noisy * 0.5).float()
    together = score(torch.cat([noisy.float(), noisier]), torch.cat([photo, photo]).float())
    alone = (score(noisy.float(), photo.float()) + score(noisier, photo.float())) / 2
    assert together.item() == pytest.approx(alone.item())


@pytest.mark.parametrize("score", [psnr, ssim])
def test_mistakes_are_named(score: Any, photo: Tensor) -> None:
    with pytest.raises(ValueError, match=r"two image batches of one shape.*\(1, 3, 64, 80\) and \(1, 3, 64, 79\)"):
        score(photo, photo[..., 1:])
    with pytest.raises(ValueError, match="two image batches of one shape"):
        score(photo[0], photo[0])
    with pytest.raises(ValueError, match=r"pixels a side within the border.*crop_border=32"):
        score(photo, photo, crop_border=32)
    with pytest.raises(ValueError, match=r"pixels a side within the border.*crop_border=-1"):
        score(photo, photo, crop_border=-1)
    with pytest.raises(ValueError, match=r"RGB images of shape \(\.\.\., 3, H, W\), got \(1, 1, 64, 80\)"):
        score(photo[:, :1], photo[:, :1], y_channel=True)


@pytest.mark.parametrize("positions", [1, 1000, 5000])
def test_ssim_in_strips_is_that_of_the_whole(
    positions: int, photo: Tensor, noisy: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ssim(noisy, photo)
    monkeypatch.setattr(images, "POSITIONS_AT_ONCE", positions)
    torch.testing.assert_close(ssim(noisy, photo), whole, rtol=0, atol=1e-12)


def test_ssim_needs_its_window(photo: Tensor) -> None:
    small = photo[..., :14, :14]
    assert ssim(small, small, crop_border=1).item() == pytest.approx(1)
    with pytest.raises(ValueError, match="at least 11 pixels a side"):
        ssim(small, small, crop_border=2)


def test_a_pair_of_equal_images_is_left_out_of_the_mean() -> None:
    target = torch.zeros(3, 1, 4, 4)
    pred = torch.stack([torch.full((1, 4, 4), value) for value in (0.1, 0.0, 0.01)])  # 20 dB, equal, 40 dB
    assert psnr(pred, target).item() == pytest.approx((20 + 40) / 2)
    assert psnr(target, target).item() == math.inf


def test_whole_numbers_score_as_the_same_numbers_in_floats() -> None:
    corners = torch.tensor([[[[0, 255]], [[0, 255]], [[0, 255]]]], dtype=torch.uint8)
    assert luminance(corners, data_range=255).flatten().tolist() == pytest.approx([16, 235])
    target = torch.randint(0, 250, (2, 3, 16, 16), dtype=torch.uint8)
    pred = target + 5  # mean squared error 25
    assert psnr(pred, target, data_range=255).item() == pytest.approx(20 * math.log10(255 / 5))
    expected = ssim(pred.double() / 255, target.double() / 255, y_channel=True)
    assert ssim(pred, target, data_range=255, y_channel=True).item() == pytest.approx(expected.item())


@pytest.mark.parametrize("score", [psnr, ssim])
def test_values_that_cannot_be_scored_are_refused(score: Any, photo: Tensor) -> None:
    for bad in (math.nan, math.inf):
        broken = photo.clone()
        broken[0, 0, 0, 0] = bad
        with pytest.raises(ValueError, match="expected finite images, got NaN or infinity"):
            score(broken, photo)
    with pytest.raises(ValueError, match=r"images in \[0, 1\], got torch.uint8; pass data_range=255"):
        score(photo, photo.to(torch.uint8))
    for data_range in (0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="expected a positive data_range, got"):
            score(photo, photo, data_range=data_range)
    with pytest.raises(ValueError, match="two image batches of one shape"):
        score(photo[:0], photo[:0])
