"""From a person in a picture to a crop of fixed size, and to the pair of resolutions that DSRL learns from.

Source: the augmentation of HRNet's release (Sun et al. 2019, section 4.1): a box of the net's aspect ratio around the
person, a quarter larger, scaled, turned and mirrored at random. Deviations: draws are uniform (the release: normal,
clipped); what shrinks is antialiased; pixels have their centres at whole numbers, as joints do; what lies outside the
picture has ImageNet's mean colour. DSRL's input is the reduced crop, its targets have the full crop's resolution.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from dsrl_lab.datasets.joint_tables import JointTable
from dsrl_lab.datasets.pose import PoseSample
from dsrl_lab.datasets.transforms import IMAGENET_MEAN, low_res, reduce_image

Size = tuple[int, int]


class PoseExample(NamedTuple):
    """What one step of DSRL on a pose net learns from."""

    low_res: Tensor  # (3, H / s, W / s) float32 in [0, 1], the network's input
    high_res: Tensor  # (3, H, W) float32 in [0, 1], the target of super-resolution
    joints: Tensor  # (J, 2) float32, x and y in pixels of ``high_res``, whatever the size of the heat-maps
    visible: Tensor  # (J,) float32, 1 where a joint is marked and inside the crop


def crop_to_picture(
    box: Tensor, output_size: Size, *, margin: float = 1.25, scale: float = 1.0, degrees: float = 0.0
) -> Tensor:
    """Place a crop on a picture: the (2, 3) matrix that takes the crop's pixels (x, y, 1) to the picture's.

    The crop has ``output_size`` (H, W), is centred on ``box`` (left, top, right, bottom) and holds it ``margin`` times;
    the person is then enlarged by ``scale`` and turned by ``degrees`` counterclockwise.

    ValueError for a box, size, margin or scale that is not positive.

    Example:
        >>> matrix = crop_to_picture(torch.tensor([0.0, 0.0, 6.0, 8.0]), (4, 3), margin=1.0)
        >>> transform_joints(torch.tensor([[0.0, 0.0], [2.0, 3.0]]), matrix).tolist()  # first and last pixel
        [[0.5, 0.5], [4.5, 6.5]]
    """
    left, top, right, bottom = box.tolist()
    height, width = output_size
    finite = all(map(math.isfinite, (left, top, right, bottom, margin, scale, degrees)))
    if not finite or right <= left or bottom <= top or min(height, width) < 1 or margin <= 0 or scale <= 0:
        raise ValueError(
            "expected a box (left, top, right, bottom) with an inside and positive output_size, margin and scale, got "
            f"{(left, top, right, bottom)}, {output_size}, {margin} and {scale}"
        )
    step = max((right - left) / width, (bottom - top) / height) * margin / scale  # picture pixels per crop pixel
    cosine, sine = step * math.cos(math.radians(degrees)), step * math.sin(math.radians(degrees))
    turn = torch.tensor([[cosine, -sine], [sine, cosine]], dtype=torch.float64)
    # Pixel centres are at whole numbers: middles lie half a pixel before those of the edges.
    middle = torch.tensor([(left + right - 1) / 2, (top + bottom - 1) / 2], dtype=torch.float64)
    own_middle = torch.tensor([(width - 1) / 2, (height - 1) / 2], dtype=torch.float64)
    return torch.cat([turn, (middle - turn @ own_middle)[:, None]], dim=1).float()


def transform_joints(joints: Tensor, matrix: Tensor) -> Tensor:
    """Apply a (2, 3) matrix to joints (..., 2): of ``crop_to_picture``, to bring found joints back to the picture.

    Example:
        >>> transform_joints(torch.tensor([[1.0, 2.0]]), torch.tensor([[2.0, 0.0, 0.5], [0.0, 2.0, 0.5]])).tolist()
        [[2.5, 4.5]]
    """
    return joints @ matrix[:, :2].T + matrix[:, 2]


def inverse(matrix: Tensor) -> Tensor:
    """The (2, 3) matrix that takes points back where those of ``matrix`` came from."""
    whole = torch.cat([matrix.double(), matrix.new_tensor([[0, 0, 1]], dtype=torch.float64)])
    return torch.linalg.inv(whole)[:2].float()


def crop_person(sample: PoseSample, matrix: Tensor, output_size: Size) -> PoseSample:
    """Cut a crop (3, H, W) and its joints from a picture; those outside are not visible, the box is the whole crop.

    Example:
        >>> box = torch.tensor([2.0, 0.0, 8.0, 8.0])
        >>> sample = PoseSample(torch.rand(3, 8, 10), torch.tensor([[4.0, 3.0]]), torch.ones(1), "a", box)
        >>> crop = crop_person(sample, crop_to_picture(box, (8, 6), margin=1.0), (8, 6))
        >>> crop.joints.tolist(), bool(torch.allclose(crop.image, sample.image[:, :, 2:8], atol=1e-5))
        ([[2.0, 3.0]], True)
    """
    height, width = output_size
    image = _sample_image(sample.image, matrix, output_size)
    joints = transform_joints(sample.joints, inverse(matrix))
    edges = joints.new_tensor([width, height]) - 0.5
    inside = ((joints >= -0.5) & (joints < edges)).all(-1)
    box = sample.box.new_tensor([0, 0, width, height])
    return PoseSample(image, joints, sample.visible * inside, sample.name, box)


def _sample_image(image: Tensor, matrix: Tensor, output_size: Size) -> Tensor:
    """Read an image at the crop's pixels; where that shrinks, from a reduced image, which is antialiased."""
    height, width = image.shape[-2:]
    step = max(1.0, float(matrix[:, :2].det().abs().sqrt()))
    reduced = reduce_image(image, (max(1, round(height / step)), max(1, round(width / step))))
    rows, columns = (torch.arange(side, dtype=torch.float32) for side in output_size)
    grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)
    edges = transform_joints(grid, matrix) + 0.5  # pixels from the picture's left and upper edge
    places = 2 * edges / torch.tensor([width, height]) - 1  # as grid_sample counts: -1 to 1 from edge to edge
    mean = torch.tensor(IMAGENET_MEAN).view(3, 1, 1)
    crop = F.grid_sample((reduced - mean)[None], places[None], mode="bilinear", align_corners=False)[0]
    return (crop + mean).clamp(0.0, 1.0)


def flip_person(sample: PoseSample, joint_table: JointTable) -> PoseSample:
    """Mirror a picture, its joints and box; left joints become right ones.

    Example:
        >>> from dsrl_lab.datasets.joint_tables import LSP_JOINTS
        >>> joints = torch.arange(28.0).view(14, 2)
        >>> sample = PoseSample(torch.rand(3, 8, 40), joints, torch.ones(14), "a", torch.tensor([0.0, 0.0, 30.0, 8.0]))
        >>> flipped = flip_person(sample, LSP_JOINTS)
        >>> flipped.joints[5].tolist(), flipped.box.tolist()  # the right ankle (0, 1) is now the left one
        ([39.0, 1.0], [10.0, 0.0, 40.0, 8.0])
    """
    width = sample.image.shape[-1]
    order = list(joint_table.mirrored)
    joints = sample.joints[order]
    joints = torch.stack([width - 1 - joints[:, 0], joints[:, 1]], dim=-1)
    left, top, right, bottom = sample.box
    box = torch.stack([width - right, top, width - left, bottom])
    return PoseSample(sample.image.flip(-1).contiguous(), joints, sample.visible[order], sample.name, box)


def pose_low_and_high(sample: PoseSample, upscale_factor: int) -> PoseExample:
    """Make the pair of resolutions of a crop, as ``low_and_high``, with the same ValueError.

    Example:
        >>> sample = PoseSample(torch.rand(3, 8, 12), torch.zeros(14, 2), torch.ones(14), "a", torch.zeros(4))
        >>> pose_low_and_high(sample, 2).low_res.shape
        torch.Size([3, 4, 6])
    """
    reduced = low_res(sample.image, upscale_factor, sample.name)
    return PoseExample(reduced, sample.image, sample.joints, sample.visible)


@dataclass(frozen=True)
class PoseTransform:
    """Crop a person, scaled, turned and mirrored by one draw; without ranges every draw is the crop of evaluation.

    A size, margin, scale or angle that makes no sense, or a probability that is not in [0, 1], is a ValueError.

    Example:
        >>> from dsrl_lab.datasets.joint_tables import LSP_JOINTS
        >>> box = torch.tensor([0.0, 0.0, 60.0, 80.0])
        >>> sample = PoseSample(torch.rand(3, 80, 60), torch.rand(14, 2) * 60, torch.ones(14), "a", box)
        >>> transform = PoseTransform((32, 24), LSP_JOINTS, scale_range=(0.7, 1.3), max_degrees=40)
        >>> transform(sample, torch.Generator().manual_seed(0)).image.shape
        torch.Size([3, 32, 24])
    """

    output_size: Size  # (H, W) of the crop
    joint_table: JointTable  # tells which joints change places in a mirror
    margin: float = 1.0  # the crop's sides over those of the box: 1.0 for LSP (whole pictures), 1.25 for COCO
    scale_range: tuple[float, float] = (1.0, 1.0)  # smallest and largest enlargement of the person
    max_degrees: float = 0.0  # largest turn to either side
    flip_probability: float = 0.5  # how often the crop is mirrored, in [0, 1]

    def __post_init__(self) -> None:
        smallest, largest = self.scale_range
        if min(self.output_size) < 1 or not 0 < self.margin < math.inf or not 0 < smallest <= largest:
            raise ValueError(
                "expected a positive output_size and margin and 0 < smallest <= largest in scale_range, got "
                f"{self.output_size}, {self.margin} and {self.scale_range}; e.g. (128, 128), 1.25 and (0.7, 1.3)"
            )
        if not 0 <= self.max_degrees <= 180 or not 0 <= self.flip_probability <= 1:
            raise ValueError(
                "expected max_degrees in [0, 180] and flip_probability in [0, 1], got "
                f"{self.max_degrees} and {self.flip_probability}; e.g. 40 and 0.5"
            )

    def __call__(self, sample: PoseSample, generator: torch.Generator) -> PoseSample:
        """Draw once from ``generator`` (always three numbers) and apply the draw to picture and joints."""
        draw_scale, draw_turn, draw_flip = torch.rand(3, generator=generator).tolist()
        smallest, largest = self.scale_range
        matrix = crop_to_picture(
            sample.box,
            self.output_size,
            margin=self.margin,
            scale=smallest + (largest - smallest) * draw_scale,
            degrees=self.max_degrees * (2 * draw_turn - 1),
        )
        crop = crop_person(sample, matrix, self.output_size)
        return flip_person(crop, self.joint_table) if draw_flip < self.flip_probability else crop
