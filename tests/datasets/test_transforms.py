from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from dsrl_lab.datasets.base import Sample
from dsrl_lab.datasets.transforms import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    JointTransform,
    low_and_high,
    normalise,
    reduce_image,
    resize_mask,
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def telltale(height: int, width: int) -> Sample:
    """A picture whose channels are its own coordinates in pixels, and a mask that numbers 8 x 8 blocks."""
    rows = torch.arange(height, dtype=torch.float32).view(-1, 1).expand(height, width)
    columns = torch.arange(width, dtype=torch.float32).view(1, -1).expand(height, width)
    image = torch.stack([rows / height, columns / width, torch.full((height, width), 0.25)])
    mask = (rows // 8).long() * 10 + (columns // 8).long()
    return Sample(image, mask, "telltale")


@pytest.mark.parametrize("scale", [0.5, 0.8, 1.0, 1.3, 2.0])
@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_picture_and_mask_get_the_same_draw(scale: float, flip: float) -> None:
    height, width = 64, 80
    sample = telltale(height, width)
    for seed in range(5):
        moved = JointTransform((48, 40), (scale, scale), flip)(sample, generator(seed))
        # The picture tells where each pixel came from; away from the blocks' borders the mask must say the same.
        rows, columns = moved.image[0] * height, moved.image[1] * width
        sure = moved.mask != 255
        for position in (rows % 8, columns % 8):
            sure &= (position > 0.75) & (position < 6.25)
        assert sure.sum() > 300
        expected = (rows // 8) * 10 + columns // 8
        assert torch.equal(moved.mask[sure], expected[sure].long())


def test_half_a_picture_black_stays_half_a_picture_black() -> None:
    image = torch.zeros(3, 60, 90)
    image[:, :, 45:] = 1.0
    sample = Sample(image, (image[0] > 0.5).long(), "edge")
    for seed in range(8):
        moved = JointTransform((30, 40), (0.5, 2.0), 0.5)(sample, generator(seed))
        sure = ((moved.image[0] < 0.3) | (moved.image[0] > 0.7)) & (moved.mask != 255)
        assert torch.equal(moved.mask[sure], (moved.image[0] > 0.5).long()[sure])


def test_same_seed_same_picture_and_four_numbers_a_draw() -> None:
    sample = telltale(40, 40)
    transform = JointTransform((24, 24), (0.5, 2.0), 0.5)
    first, second = generator(3), generator(3)
    one, two = transform(sample, first), transform(sample, second)
    assert torch.equal(one.image, two.image) and torch.equal(one.mask, two.mask)
    torch.rand(4, generator=(fresh := generator(3)))
    assert torch.equal(first.get_state(), fresh.get_state())
    assert not torch.equal(transform(sample, first).image, one.image), "the next draw must differ"


def test_global_randomness_is_left_alone() -> None:
    before = torch.get_rng_state()
    JointTransform((24, 24), (0.5, 2.0), 0.5)(telltale(40, 40), generator())
    assert torch.equal(before, torch.get_rng_state())


def test_identity_and_flip() -> None:
    sample = telltale(16, 24)
    same = JointTransform((16, 24), (1.0, 1.0), 0.0)(sample, generator())
    assert torch.equal(same.image, sample.image) and torch.equal(same.mask, sample.mask)
    flip = JointTransform((16, 24), (1.0, 1.0), 1.0)
    once = flip(sample, generator())
    twice = flip(once, generator())
    assert torch.equal(once.image, sample.image.flip(-1)) and torch.equal(once.mask, sample.mask.flip(-1))
    assert torch.equal(twice.image, sample.image) and torch.equal(twice.mask, sample.mask)


def test_input_is_not_modified() -> None:
    sample = telltale(16, 24)
    copy = Sample(sample.image.clone(), sample.mask.clone(), "")
    for seed in range(4):
        JointTransform((20, 20), (0.5, 2.0), 0.5)(sample, generator(seed))
    assert torch.equal(sample.image, copy.image) and torch.equal(sample.mask, copy.mask)


def test_small_picture_is_framed_by_mean_and_ignored() -> None:
    sample = Sample(torch.ones(3, 20, 30), torch.zeros(20, 30, dtype=torch.long), "white")
    moved = JointTransform((16, 24), (0.5, 0.5), 0.0)(sample, generator())
    framed = moved.mask == 255
    assert int((~framed).sum()) == 10 * 15
    assert torch.equal((moved.image == 1.0).all(0), ~framed)
    assert torch.allclose(moved.image[:, framed], torch.tensor(IMAGENET_MEAN).view(3, 1).expand(3, int(framed.sum())))
    assert normalise(moved.image)[:, framed].abs().max() < 1e-6


def test_crops_cover_the_picture_and_scales_the_range() -> None:
    sample = telltale(40, 40)
    crop = JointTransform((8, 8), (1.0, 1.0), 0.0)
    source = generator()
    tops = {round(float(crop(sample, source).image[0, 0, 0]) * 40) for _ in range(400)}
    assert tops == set(range(33))
    zoom = JointTransform((8, 8), (0.5, 2.0), 0.0)
    steps = [float((m := zoom(sample, source).image)[1, 0, 4] - m[1, 0, 3]) * 40 for _ in range(400)]
    assert min(steps) < 0.55 and max(steps) > 1.8 and min(steps) > 0.45 and max(steps) < 2.1


def test_values_and_ids_stay_in_range() -> None:
    sample = Sample(torch.rand(3, 37, 53), torch.randint(0, 11, (37, 53)), "noise")
    for seed in range(20):
        moved = JointTransform((32, 48), (0.4, 2.5), 0.5)(sample, generator(seed))
        assert moved.image.shape == (3, 32, 48) and moved.mask.shape == (32, 48)
        assert moved.image.dtype == torch.float32 and moved.mask.dtype == torch.int64
        assert moved.image.min() >= -1e-6 and moved.image.max() <= 1 + 1e-6
        assert set(moved.mask.unique().tolist()) <= {*range(11), 255}, "nearest never invents an id"
        assert moved.image.is_contiguous() and moved.mask.is_contiguous()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (((0, 4), (1.0, 1.0), 0.5), "output_size"),
        (((4, 4), (0.0, 1.0), 0.5), "scale_range must be 0 < smallest"),
        (((4, 4), (2.0, 1.0), 0.5), "scale_range must be 0 < smallest"),
        (((4, 4), (1.0, 1.0), 1.5), "flip_probability must be in"),
    ],
)
def test_transform_refuses_nonsense(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        JointTransform(*arguments)


def test_reduction_of_a_checkerboard_is_grey() -> None:
    board = (torch.arange(32).view(-1, 1) + torch.arange(32).view(1, -1)) % 2
    reduced = reduce_image(board.float().expand(3, 32, 32), (16, 16))
    assert torch.allclose(reduced, torch.tensor(0.5), atol=0.13), "without antialiasing it would be black or white"
    assert torch.allclose(reduced[:, 1:-1, 1:-1], torch.tensor(0.5), atol=1e-6)


def test_reduction_agrees_with_pillow() -> None:
    pixels = np.random.default_rng(0).random((48, 60)).astype(np.float32)
    ours = reduce_image(torch.from_numpy(pixels).expand(3, 48, 60), (20, 31))
    theirs = np.asarray(Image.fromarray(pixels).resize((31, 20), Image.Resampling.BILINEAR))
    assert np.allclose(ours[0].numpy(), theirs, atol=1e-5)


def test_reduction_of_a_batch_is_that_of_each() -> None:
    batch = torch.rand(2, 3, 12, 16)
    reduced = reduce_image(batch, (6, 8))
    assert reduced.shape == (2, 3, 6, 8)
    assert torch.equal(reduced[1], reduce_image(batch[1], (6, 8)))
    assert reduce_image(batch, (12, 16)) is batch


@pytest.mark.parametrize("size", [(13, 8), (6, 17), (0, 8)])
def test_reduction_refuses_to_enlarge(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"makes pictures smaller: got \(H, W\) = \(12, 16\), asked for"):
        reduce_image(torch.rand(3, 12, 16), size)


@pytest.mark.parametrize("old, new", [((6, 9), (2, 3)), ((6, 9), (12, 27)), ((7, 5), (3, 11))])
def test_mask_takes_the_nearest_centre(old: tuple[int, int], new: tuple[int, int]) -> None:
    mask = torch.randint(0, 11, old)
    expected = torch.nn.functional.interpolate(mask[None, None].double(), size=new, mode="nearest-exact")[0, 0].long()
    assert torch.equal(resize_mask(mask, new), expected)


def test_low_and_high_share_the_picture() -> None:
    sample = telltale(24, 36)
    example = low_and_high(sample, 3)
    assert example.low_res.shape == (3, 8, 12)
    assert example.high_res is sample.image and example.mask is sample.mask
    assert torch.equal(example.low_res, reduce_image(sample.image, (8, 12)))
    assert torch.allclose(example.low_res.mean((1, 2)), sample.image.mean((1, 2)), atol=0.01)


@pytest.mark.parametrize("factor", [0, 5])
def test_low_and_high_refuses_odd_sizes(factor: int) -> None:
    with pytest.raises(
        ValueError, match=rf"multiples of upscale_factor={factor}, got \(H, W\) = \(24, 36\) for telltale"
    ):
        low_and_high(telltale(24, 36), factor)


def test_normalise_is_imagenets() -> None:
    mean, deviation = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    image = (mean + 2 * deviation).view(3, 1, 1).expand(3, 4, 5)
    assert torch.allclose(normalise(image), torch.tensor(2.0))
    assert torch.equal(normalise(image.expand(2, 3, 4, 5))[1], normalise(image))
