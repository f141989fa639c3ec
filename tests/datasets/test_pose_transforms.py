"""Crops of people: joints stay on the pixels they name, whatever the crop does."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dsrl_lab.datasets.joint_tables import LSP_JOINTS
from dsrl_lab.datasets.pose import LspExtended, PoseSample
from dsrl_lab.datasets.pose_transforms import (
    PoseTransform,
    crop_person,
    crop_to_picture,
    flip_person,
    pose_low_and_high,
    transform_joints,
)
from dsrl_lab.datasets.transforms import IMAGENET_MEAN


def person(height: int = 60, width: int = 44, box: tuple[float, float, float, float] | None = None) -> PoseSample:
    """A picture whose red and green are its columns and rows, so that each pixel says where it was."""
    rows, columns = torch.meshgrid(torch.arange(height) / 64, torch.arange(width) / 64, indexing="ij")
    joints = torch.rand(14, 2) * torch.tensor([width - 1, height - 1])
    visible = (torch.arange(14) != 3).float()
    edges = torch.tensor(box or (0.0, 0.0, width, height), dtype=torch.float32)
    return PoseSample(torch.stack([columns, rows, torch.full_like(rows, 0.3)]), joints, visible, "a", edges)


def places(image: Tensor, joints: Tensor) -> Tensor:
    """What the picture of ``person`` says about where joints (J, 2) lay, read bilinearly."""
    height, width = image.shape[-2:]
    grid = 2 * (joints + 0.5) / torch.tensor([width, height]) - 1
    read = torch.nn.functional.grid_sample(image[None, :2], grid[None, None], align_corners=False)
    return 64 * read[0, :, 0].T


@pytest.mark.parametrize(
    ("output_size", "margin", "scale", "degrees"),
    [
        ((60, 44), 1.0, 1.0, 0.0),
        ((64, 64), 1.25, 1.0, 0.0),
        ((96, 72), 1.0, 1.3, 25.0),
        ((24, 20), 1.0, 1.0, -90.0),
        ((16, 16), 1.1, 0.8, 170.0),
    ],
)
def test_joints_stay_on_their_pixels(output_size: tuple[int, int], margin: float, scale: float, degrees: float) -> None:
    sample = person(box=(4.0, 6.0, 36.0, 50.0))
    matrix = crop_to_picture(sample.box, output_size, margin=margin, scale=scale, degrees=degrees)
    crop = crop_person(sample, matrix, output_size)
    assert crop.image.shape == (3, *output_size)
    torch.testing.assert_close(transform_joints(crop.joints, matrix), sample.joints, rtol=0, atol=1e-3)

    step = float(matrix[:, :2].det().sqrt())
    away = 1 + 1.5 * step  # from the picture's edge, where it mixes with the padding
    clear = (sample.joints > away) & (sample.joints < torch.tensor([43 - away, 59 - away]))
    output_height, output_width = output_size
    inner = (crop.joints > 1) & (crop.joints < torch.tensor([output_width - 2, output_height - 2]))
    read = (clear & inner).all(1)
    assert read.any()
    torch.testing.assert_close(places(crop.image, crop.joints)[read], sample.joints[read], rtol=0, atol=0.05 * step)


def test_the_whole_picture_at_its_own_size_is_itself() -> None:
    sample = person()
    crop = crop_person(sample, crop_to_picture(sample.box, (60, 44), margin=1.0), (60, 44))
    torch.testing.assert_close(crop.image, sample.image, rtol=0, atol=1e-5)
    torch.testing.assert_close(crop.joints, sample.joints)
    assert torch.equal(crop.visible, sample.visible)
    assert crop.box.tolist() == [0, 0, 44, 60]


def test_a_crop_holds_the_box_and_the_margin_with_the_nets_aspect_ratio() -> None:
    box = torch.tensor([10.0, 20.0, 30.0, 30.0])  # 20 wide, 10 high
    matrix = crop_to_picture(box, (64, 48), margin=1.5)
    edges = torch.tensor([[-0.5, -0.5], [47.5, 63.5]])
    (left, top), (right, bottom) = (transform_joints(edges, matrix) + 0.5).tolist()
    assert (right - left, bottom - top) == pytest.approx((30, 40))
    assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx((20, 25))
    nearer = crop_to_picture(box, (64, 48), margin=1.5, scale=2.0)
    torch.testing.assert_close(nearer[:, :2], matrix[:, :2] / 2)


def test_a_quarter_turn_is_rot90() -> None:
    sample = person(32, 32)
    crop = crop_person(sample, crop_to_picture(sample.box, (32, 32), margin=1.0, degrees=90.0), (32, 32))
    torch.testing.assert_close(crop.image, torch.rot90(sample.image, 1, (1, 2)), rtol=0, atol=1e-5)  # counterclockwise


def test_outside_the_picture_is_the_mean_colour() -> None:
    sample = person()
    crop = crop_person(sample, crop_to_picture(sample.box, (64, 128), margin=1.0), (64, 128))
    torch.testing.assert_close(crop.image[:, :, :30], torch.tensor(IMAGENET_MEAN).view(3, 1, 1).expand(3, 64, 30))


def test_shrinking_is_antialiased() -> None:
    stripes = (torch.arange(96) % 2).float().expand(3, 96, 96)
    sample = person(96, 96)._replace(image=stripes)
    crop = crop_person(sample, crop_to_picture(sample.box, (24, 24), margin=1.0), (24, 24))
    assert (crop.image[:, 2:-2, 2:-2] - 0.5).abs().max() < 0.05


def test_joints_outside_the_crop_are_not_visible() -> None:
    joints = torch.tensor([[-0.5, 0.0], [-0.6, 0.0], [7.4, 5.4], [7.5, 5.0], [7.0, 5.5], [2.0, 2.0]])
    sample = PoseSample(torch.rand(3, 6, 8), joints, torch.tensor([1.0, 1, 1, 1, 1, 0]), "a", torch.zeros(4))
    crop = crop_person(sample, torch.eye(2, 3), (6, 8))
    assert crop.visible.tolist() == [1, 0, 1, 0, 0, 0]


def test_the_mirror_swaps_sides_and_is_its_own_inverse() -> None:
    sample = person(box=(4.0, 6.0, 30.0, 50.0))
    flipped = flip_person(sample, LSP_JOINTS)
    names = LSP_JOINTS.names
    left, right = names.index("left wrist"), names.index("right wrist")
    x, y = sample.joints[right].tolist()
    assert flipped.joints[left].tolist() == pytest.approx([43 - x, y])
    assert flipped.visible.tolist() == [float(joint != 2) for joint in range(14)]  # 3 and 2 are the hips
    assert flipped.box.tolist() == [14, 6, 40, 50]
    again = flip_person(flipped, LSP_JOINTS)
    assert torch.equal(again.image, sample.image)
    torch.testing.assert_close(again.joints, sample.joints)
    assert torch.equal(again.visible, sample.visible) and torch.equal(again.box, sample.box)


def test_cropping_commutes_with_the_mirror() -> None:
    sample = person(box=(4.0, 6.0, 36.0, 50.0))
    mirror = flip_person(sample, LSP_JOINTS)
    size = (40, 24)
    one = flip_person(crop_person(sample, crop_to_picture(sample.box, size, degrees=20.0), size), LSP_JOINTS)
    two = crop_person(mirror, crop_to_picture(mirror.box, size, degrees=-20.0), size)
    torch.testing.assert_close(one.image, two.image, rtol=0, atol=1e-4)
    torch.testing.assert_close(one.joints, two.joints, rtol=0, atol=1e-3)
    assert torch.equal(one.visible, two.visible)


def test_a_transform_follows_from_its_generator_alone() -> None:
    sample = person()
    transform = PoseTransform((32, 24), LSP_JOINTS, scale_range=(0.7, 1.3), max_degrees=40.0)
    one, two = (transform(sample, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one.image, two.image) and torch.equal(one.joints, two.joints)
    generator = torch.Generator().manual_seed(3)
    three, four = transform(sample, generator), transform(sample, generator)
    assert torch.equal(one.image, three.image) and not torch.equal(three.image, four.image)


def test_without_chance_every_draw_is_the_crop_of_evaluation_or_its_mirror() -> None:
    sample = person()
    expected = crop_person(sample, crop_to_picture(sample.box, (32, 24), margin=1.0), (32, 24))
    for flip, truth in ((0.0, expected), (1.0, flip_person(expected, LSP_JOINTS))):
        crop = PoseTransform((32, 24), LSP_JOINTS, flip_probability=flip)(sample, torch.Generator().manual_seed(5))
        assert torch.equal(crop.image, truth.image) and torch.equal(crop.joints, truth.joints)


def test_scales_and_turns_fill_their_ranges() -> None:
    sample = person()
    transform = PoseTransform((32, 24), LSP_JOINTS, scale_range=(0.5, 2.0), max_degrees=30.0, flip_probability=0.0)
    generator = torch.Generator().manual_seed(0)
    still = sample.joints[1] - sample.joints[0]
    arms = torch.stack([(lambda j: j[1] - j[0])(transform(sample, generator).joints) for _ in range(60)])
    own = crop_to_picture(sample.box, (32, 24), margin=1.0)[0, 0]
    scales = arms.norm(dim=1) / still.norm() * own
    turns = torch.rad2deg(torch.atan2(arms[:, 0] * still[1] - arms[:, 1] * still[0], arms @ still))
    assert 0.5 <= scales.min() < 0.6 and 1.9 < scales.max() <= 2.0
    assert -30.01 <= turns.min() < -25 and 25 < turns.max() <= 30.01


def test_the_low_resolution_is_the_reduced_crop_and_joints_stay_at_the_high_one() -> None:
    sample = person(64, 48)
    example = pose_low_and_high(sample, 2)
    assert torch.equal(example.high_res, sample.image) and torch.equal(example.joints, sample.joints)
    assert example.low_res.shape == (3, 32, 24)
    boxes = sample.image.view(3, 32, 2, 24, 2).mean((2, 4))  # a ramp's reduction is its box mean
    torch.testing.assert_close(example.low_res[:, 1:-1, 1:-1], boxes[:, 1:-1, 1:-1])


def test_sides_must_be_multiples_of_the_factor() -> None:
    with pytest.raises(ValueError, match=r"multiples of upscale_factor=2, got \(H, W\) = \(33, 48\) for a; choose"):
        pose_low_and_high(person(33, 48), 2)


@pytest.mark.parametrize(
    ("box", "size", "margin", "scale"),
    [
        ((5, 0, 5, 9), (8, 8), 1, 1),
        ((0, 9, 5, 2), (8, 8), 1, 1),
        ((0, 0, 5, 9), (0, 8), 1, 1),
        ((0, 0, 5, 9), (8, 8), 0, 1),
        ((0, 0, 5, 9), (8, 8), 1, -1),
        ((0, 0, math.nan, 9), (8, 8), 1, 1),
        ((0, 0, 5, math.inf), (8, 8), 1, 1),
        ((0, 0, 5, 9), (8, 8), math.nan, 1),
    ],
)
def test_a_crop_without_an_inside_is_refused(
    box: tuple[float, ...], size: tuple[int, int], margin: float, scale: float
) -> None:
    with pytest.raises(ValueError, match=r"expected a box \(left, top, right, bottom\) with an inside and positive"):
        crop_to_picture(torch.tensor(box, dtype=torch.float32), size, margin=margin, scale=scale)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output_size": (0, 8)}, "expected a positive output_size and margin"),
        ({"margin": 0.0}, "expected a positive output_size and margin"),
        ({"margin": math.nan}, "expected a positive output_size and margin"),
        ({"scale_range": (1.2, 0.8)}, "0 < smallest <= largest in scale_range"),
        ({"max_degrees": 181.0}, r"expected max_degrees in \[0, 180\]"),
        ({"flip_probability": 1.5}, r"flip_probability in \[0, 1\], got"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PoseTransform(**({"output_size": (8, 8), "joint_table": LSP_JOINTS} | options))


def test_a_real_person_survives_the_crop(real_data: Path) -> None:
    sample = LspExtended(real_data / "pose" / "lsp_extended", "train")[0]
    matrix = crop_to_picture(sample.box, (128, 128), margin=1.0)
    crop = crop_person(sample, matrix, (128, 128))
    assert crop.visible.sum() == 14
    torch.testing.assert_close(transform_joints(crop.joints, matrix), sample.joints, rtol=0, atol=1e-3)
