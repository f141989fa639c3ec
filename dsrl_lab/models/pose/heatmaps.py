"""Heat-maps of joints: Gaussian targets, reading joints back, and the flip test.

Source: Sun et al., "Deep High-Resolution Representation Learning for Human Pose Estimation" (CVPR 2019), section 3:
Gaussians of deviation 2 for 64x48 heat-maps, joints at the maximum, shifted a quarter pixel towards the second highest.
One convention of coordinates holds for images and heat-maps: pixel (0, 0) has its centre at (0, 0), and an image of any
size covers the same scene, as in ``layers.resize`` (``align_corners=False``). So x in an image of width W lies at
(x + 1/2) * w / W - 1/2 in a heat-map of width w, and mirroring takes x to W - 1 - x.
Deviations (argued by Huang et al. and by Zhang et al., both CVPR 2020): the release divides x by the stride without the
half pixels, and corrects mirrored heat-maps by moving them one pixel; here nothing is moved. It rounds the Gaussian's
centre to a pixel and cuts it off at three deviations; here the centre is exact and the tail whole.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from dsrl_lab.models.base import DensePredictor

Size = tuple[int, int]
Pairs = Sequence[tuple[int, int]]


class Keypoints(NamedTuple):
    """Joints read from heat-maps."""

    joints: Tensor  # (N, J, 2), x and y in pixels of the image
    scores: Tensor  # (N, J), the heat-maps' maxima; about 1 for a joint that the net is sure of


def _grid_to_grid(joints: Tensor, from_size: Size, to_size: Size) -> Tensor:
    """Take (x, y) from a grid of (H, W) points over a scene to another grid over the same scene."""
    ratio = joints.new_tensor([to_size[1] / from_size[1], to_size[0] / from_size[0]])
    return (joints + 0.5) * ratio - 0.5


def gaussian_heatmaps(joints: Tensor, visible: Tensor, *, image_size: Size, size: Size, sigma: float = 2.0) -> Tensor:
    """Draw the target of each joint: a Gaussian of height 1 around it; nothing for a joint that is not marked.

    Joints (N, J, 2) are (x, y) pixels of an image of ``image_size`` (H, W), marked where ``visible`` (N, J) is above 0;
    ``size`` and ``sigma`` are in heat-map pixels. The result is (N, J, h, w) in [0, 1].

    ValueError for shapes that do not fit, a side or ``sigma`` that is not positive.

    Example:
        >>> joints = torch.tensor([[[5.5, 1.5]]])  # where the first row's second heat-map pixel has its centre
        >>> target = gaussian_heatmaps(joints, torch.ones(1, 1), image_size=(8, 12), size=(2, 3))
        >>> target.argmax().item(), target.max().item()
        (1, 1.0)
    """
    if joints.ndim != 3 or joints.shape[-1] != 2 or visible.shape != joints.shape[:2]:
        raise ValueError(
            f"expected joints (N, J, 2) and visible (N, J), got {tuple(joints.shape)} and {tuple(visible.shape)}"
        )
    if min(*image_size, *size) < 1 or not sigma > 0:
        raise ValueError(f"expected positive sides and sigma, got image_size={image_size}, size={size}, sigma={sigma}")
    centre = _grid_to_grid(joints, image_size, size)
    rows, columns = (torch.arange(side, dtype=joints.dtype, device=joints.device) for side in size)
    across = torch.exp(-((columns - centre[..., :1]) ** 2) / (2 * sigma**2))
    down = torch.exp(-((rows - centre[..., 1:]) ** 2) / (2 * sigma**2))
    return down[..., :, None] * across[..., None, :] * (visible > 0)[..., None, None]


def decode_heatmaps(heatmaps: Tensor, image_size: Size) -> Keypoints:
    """Read joints at the maxima of heat-maps (N, J, h, w), a quarter pixel towards the higher neighbour on either axis.

    At the border nothing is moved. Joints are in pixels of an image of ``image_size`` (H, W).

    ValueError for no heat-maps (N, J, h, w), or values that are not finite.

    Example:
        >>> decode_heatmaps(torch.tensor([[[[0.0] * 3, [0.0, 1.0, 0.5], [0.0] * 3]]]), (3, 3)).joints.tolist()
        [[[1.25, 1.0]]]
    """
    if heatmaps.ndim != 4 or 0 in heatmaps.shape[-2:]:
        raise ValueError(f"expected heat-maps of shape (N, J, h, w), got {tuple(heatmaps.shape)}")
    if not heatmaps.isfinite().all():
        raise ValueError("expected finite heat-maps, got NaN or infinity; check the network's weights and its input")
    height, width = heatmaps.shape[-2:]
    values = heatmaps.flatten(2).float()  # a coordinate needs more digits than bfloat16 has
    scores, place = values.max(dim=-1)
    row, column = place // width, place % width

    def value(row: Tensor, column: Tensor) -> Tensor:
        index = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
        return values.gather(-1, index[..., None])[..., 0]

    right_or_left = torch.sign(value(row, column + 1) - value(row, column - 1))
    below_or_above = torch.sign(value(row + 1, column) - value(row - 1, column))
    x = column + 0.25 * right_or_left * ((column > 0) & (column < width - 1))
    y = row + 0.25 * below_or_above * ((row > 0) & (row < height - 1))
    return Keypoints(_grid_to_grid(torch.stack([x, y], dim=-1), (height, width), image_size), scores)


def flip_heatmaps(heatmaps: Tensor, pairs: Pairs) -> Tensor:
    """Turn heat-maps (N, J, h, w) into those of the mirror image, and back; the channels of ``pairs`` change places.

    A pair with a joint that does not exist, or a joint with two partners, is a ValueError.

    Example:
        >>> flip_heatmaps(torch.tensor([[[[1.0, 0.0]], [[2.0, 3.0]]]]), [(0, 1)]).tolist()
        [[[[3.0, 2.0]], [[0.0, 1.0]]]]
    """
    order = list(range(heatmaps.shape[1]))
    named = [joint for pair in pairs for joint in pair]
    if len(set(named)) != len(named) or any(joint not in order for joint in named):
        raise ValueError(f"expected pairs of joints 0..{len(order) - 1}, each in one pair at most, got {tuple(pairs)}")
    for left, right in pairs:
        order[left], order[right] = right, left
    return heatmaps.flip(-1)[:, order]


def flip_test(model: DensePredictor, image: Tensor, pairs: Pairs) -> Tensor:
    """Average a pose net's heat-maps (N, J, h, w) of an image with those of its mirror image, flipped back.

    Example:
        >>> from dsrl_lab.models.pose.hrnet import HRNet
        >>> flip_test(HRNet(3, width=8, modules=(1, 1, 1), blocks=1).eval(), torch.zeros(1, 3, 32, 32), [(0, 2)]).shape
        torch.Size([1, 3, 8, 8])
    """
    return (model(image) + flip_heatmaps(model(image.flip(-1)), pairs)) / 2
