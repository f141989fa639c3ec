"""Heat-maps: targets against a pixel-by-pixel oracle, exact round trips, and mirrors that commute with everything."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from dsrl_lab.layers import resize
from dsrl_lab.losses import heatmap_loss
from dsrl_lab.models.base import DensePredictor, HeadOutput, PredictorSpec
from dsrl_lab.models.pose import decode_heatmaps, flip_heatmaps, flip_test, gaussian_heatmaps

PAIRS = ((0, 2), (3, 4))


def joints_inside(image_size: tuple[int, int], *, border: float, count: int = 5) -> Tensor:
    """Random joints (6, count, 2), at least ``border`` pixels from the centres of the outermost pixels."""
    height, width = image_size
    span = torch.tensor([width - 1 - 2 * border, height - 1 - 2 * border])
    return border + torch.rand(6, count, 2) * span


def draw(joints: Tensor, image_size: tuple[int, int], size: tuple[int, int], sigma: float = 2.0) -> Tensor:
    return gaussian_heatmaps(joints, torch.ones(joints.shape[:2]), image_size=image_size, size=size, sigma=sigma)


def test_targets_are_gaussians_pixel_by_pixel() -> None:
    joints = joints_inside((16, 24), border=0, count=2)
    target = draw(joints, (16, 24), (8, 6), sigma=1.5)
    for person in range(6):
        for joint in range(2):
            x, y = joints[person, joint].tolist()
            u, v = (x + 0.5) * 6 / 24 - 0.5, (y + 0.5) * 8 / 16 - 0.5
            for row in range(8):
                for column in range(6):
                    expected = math.exp(-((column - u) ** 2 + (row - v) ** 2) / (2 * 1.5**2))
                    assert target[person, joint, row, column].item() == pytest.approx(expected, abs=1e-6)


def test_unmarked_joints_have_no_target() -> None:
    joints = joints_inside((16, 16), border=2)
    visible = torch.tensor([1.0, 0.0, 2.0, 0.0, 1.0]).expand(6, -1)  # 2 = visible in COCO's files
    target = gaussian_heatmaps(joints, visible, image_size=(16, 16), size=(16, 16))
    assert torch.equal(target.flatten(2).amax(-1) > 0, visible > 0)
    assert torch.equal(target[:, ::2], draw(joints, (16, 16), (16, 16))[:, ::2])


@pytest.mark.parametrize(
    ("image_size", "size"),
    [((64, 48), (64, 48)), ((256, 192), (64, 48)), ((128, 96), (64, 48)), ((65, 51), (17, 13))],
)
def test_a_decoded_target_is_within_a_quarter_heat_map_pixel(
    image_size: tuple[int, int], size: tuple[int, int]
) -> None:
    stride = torch.tensor([image_size[1] / size[1], image_size[0] / size[0]])
    joints = joints_inside(image_size, border=1.5 * float(stride.max()))
    decoded = decode_heatmaps(draw(joints, image_size, size), image_size)
    error = (decoded.joints - joints).abs() / stride
    assert error.max() <= 0.25 + 1e-3
    assert error.max() > 0.2  # the bound is reached
    assert (decoded.scores > math.exp(-(2 * 0.5**2) / (2 * 2.0**2)) - 1e-5).all()


def test_joints_at_the_border_are_within_half_a_heat_map_pixel() -> None:
    corners = torch.tensor([[[0.0, 0.0], [31.0, 0.0], [0.0, 15.0], [31.0, 15.0], [31.0, 7.0]]])
    decoded = decode_heatmaps(draw(corners, (16, 32), (4, 8)), (16, 32)).joints
    assert (decoded - corners).abs().max() <= 0.5 * 4


def test_decoding_a_finer_heat_map_of_the_same_scene_gives_the_same_joints() -> None:
    joints = joints_inside((64, 64), border=8)
    coarse = draw(joints, (64, 64), (16, 16))
    fine = decode_heatmaps(resize(coarse, (32, 32)), (64, 64)).joints
    assert (fine - joints).abs().max() <= 0.5 * 4
    twice = decode_heatmaps(coarse, (128, 128)).joints  # the same scene in twice as many pixels
    torch.testing.assert_close((twice + 0.5) / 2 - 0.5, decode_heatmaps(coarse, (64, 64)).joints)


def test_quarter_pixels_by_hand() -> None:
    heatmaps = torch.zeros(1, 4, 4, 5)
    heatmaps[0, :, 1, 2] = 3.0
    heatmaps[0, 0, 1, 1], heatmaps[0, 0, 2, 2] = 1.0, 2.0  # left, and below
    heatmaps[0, 1, 1, 1] = heatmaps[0, 1, 1, 3] = 1.0  # equal neighbours
    heatmaps[0, 2, 0, 2] = -5.0  # below is higher than above
    heatmaps[0, 3, 0, 4] = 4.0  # a corner
    decoded = decode_heatmaps(heatmaps, (4, 5))
    assert decoded.joints.tolist() == [[[1.75, 1.25], [2.0, 1.0], [2.0, 1.25], [4.0, 0.0]]]
    assert decoded.scores.tolist() == [[3.0, 3.0, 3.0, 4.0]]


def test_a_single_pixel_is_decoded_to_the_middle() -> None:
    assert decode_heatmaps(torch.ones(1, 1, 1, 1), (9, 5)).joints.tolist() == [[[2.0, 4.0]]]


def test_half_precision_maps_lose_no_place() -> None:
    heatmaps = torch.zeros(1, 1, 1, 400)
    heatmaps[..., 301] = 1.0
    heatmaps[..., 302] = 0.5
    assert decode_heatmaps(heatmaps.bfloat16(), (1, 400)).joints.tolist() == [[[301.25, 0.0]]]


def test_decoding_does_not_depend_on_height_or_offset_of_the_maps() -> None:
    heatmaps = torch.randn(3, 5, 8, 6).double()
    expected = decode_heatmaps(heatmaps, (32, 24)).joints
    assert torch.equal(decode_heatmaps(7.0 * heatmaps - 3.0, (32, 24)).joints, expected)


def mirrored(joints: Tensor, width: int) -> Tensor:
    joints = joints[:, [2, 1, 0, 4, 3]]
    return torch.stack([width - 1 - joints[..., 0], joints[..., 1]], dim=-1)


def test_drawing_and_decoding_commute_with_the_mirror() -> None:
    joints = joints_inside((64, 48), border=0)
    heatmaps = draw(joints, (64, 48), (16, 12))
    flipped = flip_heatmaps(heatmaps, PAIRS)
    torch.testing.assert_close(draw(mirrored(joints, 48), (64, 48), (16, 12)), flipped)
    noise = torch.randn(6, 5, 16, 12)
    torch.testing.assert_close(
        decode_heatmaps(flip_heatmaps(noise, PAIRS), (64, 48)).joints,
        mirrored(decode_heatmaps(noise, (64, 48)).joints, 48),
    )
    assert torch.equal(flip_heatmaps(flipped, PAIRS), heatmaps)


class Uneven(DensePredictor):
    """A pose net whose heat-maps say where in the picture they lie, so that a mirror changes them."""

    spec = PredictorSpec(
        num_classes=5,
        feature_channels=(3,),
        feature_strides=(1,),
        head_channels=3,
        head_stride=1,
        logits_stride=4,
        output_stride=4,
    )

    def forward_features(self, image: Tensor) -> tuple[Tensor, ...]:
        return (image,)

    def forward_head(self, features: tuple[Tensor, ...]) -> HeadOutput:
        (image,) = features
        ramp = torch.linspace(0, 1, image.shape[-1])
        maps = torch.cat([image * ramp, image[:, :2] * ramp.square()], dim=1)
        return HeadOutput(maps[..., ::4, 1::4], image)


def test_the_flip_test_of_a_mirrored_picture_is_the_mirrored_flip_test() -> None:
    model, image = Uneven(), torch.rand(2, 3, 16, 24)
    result = flip_test(model, image, PAIRS)
    assert not torch.equal(result, model(image))
    assert torch.equal(flip_test(model, image.flip(-1), PAIRS), flip_heatmaps(result, PAIRS))
    assert torch.equal(result, (model(image) + flip_heatmaps(model(image.flip(-1)), PAIRS)) / 2)


def test_the_flip_test_keeps_what_a_symmetric_net_says() -> None:
    class Grey(Uneven):
        def forward_head(self, features: tuple[Tensor, ...]) -> HeadOutput:
            reduced = resize(features[0].mean(1, keepdim=True), (4, 6))
            return HeadOutput(reduced.expand(-1, 5, -1, -1), features[0])

    image = torch.rand(2, 3, 16, 24)
    torch.testing.assert_close(flip_test(Grey(), image, PAIRS), Grey()(image))


def test_a_perfect_prediction_costs_nothing() -> None:
    target = draw(joints_inside((32, 32), border=0), (32, 32), (8, 8))
    assert heatmap_loss(target, target, torch.ones(6, 5)).item() == 0


@pytest.mark.parametrize(
    ("joints", "visible"), [((2, 5, 3), (2, 5)), ((5, 2), (5,)), ((2, 5, 2), (2, 4)), ((2, 5, 2), (2, 5, 1))]
)
def test_joints_of_another_shape_are_refused(joints: tuple[int, ...], visible: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected joints \(N, J, 2\) and visible \(N, J\), got"):
        gaussian_heatmaps(torch.zeros(joints), torch.ones(visible), image_size=(8, 8), size=(2, 2))


@pytest.mark.parametrize(
    ("image_size", "size", "sigma"),
    [((0, 8), (2, 2), 2.0), ((8, 8), (2, -1), 2.0), ((8, 8), (2, 2), 0.0), ((8, 8), (2, 2), math.nan)],
)
def test_sizes_and_sigma_must_be_positive(image_size: tuple[int, int], size: tuple[int, int], sigma: float) -> None:
    with pytest.raises(ValueError, match="expected positive sides and sigma, got image_size="):
        gaussian_heatmaps(torch.zeros(1, 1, 2), torch.ones(1, 1), image_size=image_size, size=size, sigma=sigma)


@pytest.mark.parametrize("shape", [(5, 4, 4), (1, 5, 0, 4)])
def test_what_is_no_heat_map_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected heat-maps of shape \(N, J, h, w\), got"):
        decode_heatmaps(torch.zeros(shape), (16, 16))


@pytest.mark.parametrize("pairs", [((0, 5),), ((-1, 2),), ((0, 1), (1, 2)), ((3, 3),)])
def test_pairs_that_do_not_fit_are_refused(pairs: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(ValueError, match=r"expected pairs of joints 0\.\.4, each in one pair at most, got"):
        flip_heatmaps(torch.zeros(1, 5, 4, 4), pairs)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_heatmaps_that_are_not_finite_are_refused(bad: float) -> None:
    heatmaps = torch.zeros(1, 2, 4, 4)
    heatmaps[0, 1, 2, 2] = bad
    with pytest.raises(ValueError, match="expected finite heat-maps, got NaN or infinity"):
        decode_heatmaps(heatmaps, (16, 16))
