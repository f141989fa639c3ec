"""Notebook 09: heat-maps as in HRNet (CVPR 2019), section 3; the half pixel of Huang et al. (CVPR 2020)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dsrl_lab.course.exercises.exercise import Case, Exercise, Hint, WrongAnswer, draw_integer


def to_heatmap(joints: Tensor, image_size: tuple[int, int], size: tuple[int, int]) -> Tensor:
    ratio = torch.tensor([size[1] / image_size[1], size[0] / image_size[0]])
    return (joints + 0.5) * ratio - 0.5


def _by_shares(joints: Tensor, image_size: tuple[int, int], size: tuple[int, int]) -> list[list[float]]:
    """Each coordinate by itself, as a share of the way from the first pixel's edge to the last one's."""
    (height, width), (h, w) = image_size, size
    return [[(x + 0.5) / width * w - 0.5, (y + 0.5) / height * h - 0.5] for x, y in joints.tolist()]


def _draw_joints(generator: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for down, across in ((2, 4), (4, 4), (8, 5)):
        size = (draw_integer(generator, 4, 9), draw_integer(generator, 10, 16))
        image_size = (size[0] * down, size[1] * across)
        joints = torch.rand(5, 2, generator=generator) * torch.tensor([image_size[1], image_size[0]])
        cases.append((joints, image_size, size))
    return cases


def _ratio(image_size: Sequence[int], size: Sequence[int]) -> Tensor:
    return torch.tensor([size[1] / image_size[1], size[0] / image_size[0]])


PLACE = Exercise(
    name="09.1",
    title="Half a pixel before the ratio, half a pixel after it",
    difficulty=2,
    solution=to_heatmap,
    oracle=_by_shares,
    draw=_draw_joints,
    wrong_answers=(
        WrongAnswer(
            "target not scaled with the heat-map",
            lambda joints, image_size, size: joints,
            "You left the joints in pixels of the picture. On a heat-map of a quarter of its sides most of them lie "
            "outside, the target is empty, and the network learns to find nobody, with a loss that falls.",
        ),
        WrongAnswer(
            "divided by the stride",
            lambda joints, image_size, size: joints * _ratio(image_size, size),
            "You forgot the half pixels. Every joint is too far to the right and down by (stride - 1) / (2 stride), "
            "3/8 of a heat-map pixel at stride 4; the flip test doubles that. HRNet's release does this.",
        ),
        WrongAnswer(
            "corner to corner",
            lambda joints, image_size, size: joints * _ratio([n - 1 for n in image_size], [n - 1 for n in size]),
            "(w - 1) / (W - 1) maps the first pixel's centre to the first and the last to the last, as align_corners "
            "does. The kit resizes edge to edge: right in the middle, off by 3/8 of a pixel at the border.",
        ),
        WrongAnswer(
            "the ratios of width and height swapped",
            lambda joints, image_size, size: (joints + 0.5) * _ratio(image_size, size).flip(0) - 0.5,
            "You scaled x by the ratio of the heights and y by that of the widths. Sizes are (H, W), joints (x, y). "
            "Equal ratios hide this.",
        ),
        WrongAnswer(
            "height where width belongs",
            lambda joints, image_size, size: (joints + 0.5) * _ratio(image_size, size[::-1]) - 0.5,
            "x runs along the width and stands first in a joint; sizes are (H, W), the other way round. Square crops "
            "hide this, 256x192 does not.",
        ),
    ),
    hints=(
        Hint("All my joints are shifted the same way", "Where is the left edge of the first pixel? Start there."),
        Hint("x is right and y is not, or the other way round", "size is (H, W). Which of them belongs to x?"),
        Hint("Right in the middle, wrong at the border", "Edge to edge, or centre to centre?"),
    ),
)


def read_joints(heatmaps: Tensor) -> Tensor:
    joints = []
    for heatmap in heatmaps:
        row, column = divmod(int(heatmap.argmax()), heatmap.shape[1])
        right = torch.sign(heatmap[row, column + 1] - heatmap[row, column - 1])
        down = torch.sign(heatmap[row + 1, column] - heatmap[row - 1, column])
        joints.append(torch.stack([column + 0.25 * right, row + 0.25 * down]))
    return torch.stack(joints)


def _read_with_lists(heatmaps: Tensor) -> list[list[float]]:
    found = []
    for values in heatmaps.tolist():
        _, row, column = max((value, r, c) for r, line in enumerate(values) for c, value in enumerate(line))
        left, right = values[row][column - 1], values[row][column + 1]
        above, below = values[row - 1][column], values[row + 1][column]
        found.append([column + ((right > left) - (right < left)) / 4, row + ((below > above) - (below < above)) / 4])
    return found


def _draw_heatmaps(generator: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for height, width in ((7, 9), (9, 6)):
        neighbours = torch.tensor([[1, 9, 8, 2], [7, 3, 2, 6], [9, 1, 4, 3], [2, 2, 1, 5], [0, 0, 0, 0]]) / 10
        maps = 0.5 * torch.rand(5, height, width, generator=generator)
        for heatmap, sides in zip(maps, neighbours, strict=True):  # left, right, above, below
            row, column = draw_integer(generator, 1, height - 1), draw_integer(generator, 1, width - 1)
            heatmap[row, column] = 1.0
            heatmap[row, column - 1 : column + 2 : 2], heatmap[row - 1 : row + 2 : 2, column] = sides[:2], sides[2:]
        cases.append((maps,))
    return cases


def _shifted(heatmaps: Tensor, step: float) -> Tensor:
    """What a reader gives who moves ``step`` pixels towards the higher neighbour."""
    whole = _whole_pixels(heatmaps)
    return whole + (read_joints(heatmaps) - whole) * 4 * step


def _whole_pixels(heatmaps: Tensor) -> Tensor:
    places = heatmaps.flatten(1).argmax(1)
    return torch.stack([places % heatmaps.shape[2], places // heatmaps.shape[2]], dim=1).float()


READ = Exercise(
    name="09.2",
    title="The maximum gives the pixel, its neighbours give the place in it",
    difficulty=2,
    solution=read_joints,
    oracle=_read_with_lists,
    draw=_draw_heatmaps,
    wrong_answers=(
        WrongAnswer(
            "no quarter-pixel shift",
            _whole_pixels,
            "You stop at the maximum, so joints are whole heat-map pixels: at stride 4 a step is 4 pixels of the "
            "input, 8 of the crop. A quarter towards the higher neighbour halves the error.",
        ),
        WrongAnswer(
            "towards the lower neighbour",
            lambda heatmaps: _shifted(heatmaps, -0.25),
            "You moved away from the higher neighbour: worse than no move. A Gaussian between two pixels makes both of "
            "them high; the joint is between them.",
        ),
        WrongAnswer(
            "row before column",
            lambda heatmaps: read_joints(heatmaps).flip(1),
            "Your joints are (y, x). Tensors are read row first, joints are (x, y): the column is x.",
        ),
        WrongAnswer(
            "always to the right and down",
            lambda heatmaps: _whole_pixels(heatmaps) + 0.25,
            "You add a quarter without a look at the neighbours: every joint moves the same way. The sign of right "
            "minus left decides.",
        ),
        WrongAnswer(
            "half a pixel",
            lambda heatmaps: _shifted(heatmaps, 0.5),
            "Half a pixel is the border to the neighbour. A joint somewhere in that half is a quarter away on average: "
            "that is where the quarter comes from.",
        ),
    ),
    hints=(
        Hint("x and y have changed places", "argmax over a flattened map: place // w is the row, which is y."),
        Hint("Off by a quarter or a half", "torch.sign(right - left) is -1, 0 or 1."),
    ),
)


def average_with_mirror(heatmaps: Tensor, of_mirrored: Tensor, pairs: list[tuple[int, int]]) -> Tensor:
    order = list(range(heatmaps.shape[1]))
    for a, b in pairs:
        order[a], order[b] = b, a
    return (heatmaps + of_mirrored.flip(-1)[:, order]) / 2


def _joint_for_joint(heatmaps: Tensor, of_mirrored: Tensor, pairs: list[tuple[int, int]]) -> Tensor:
    partner = {a: b for pair in pairs for a, b in (pair, pair[::-1])}
    backwards = list(range(heatmaps.shape[-1] - 1, -1, -1))
    others = [of_mirrored[:, partner.get(joint, joint)][..., backwards] for joint in range(heatmaps.shape[1])]
    return torch.stack([heatmaps, torch.stack(others, dim=1)]).mean(0)


def _draw_mirrored(generator: torch.Generator) -> list[Case]:
    return [
        (*torch.rand(2, n, joints, h, w, generator=generator), pairs)
        for n, joints, h, w, pairs in ((2, 5, 4, 6, [(0, 3), (1, 2)]), (1, 6, 3, 5, [(0, 5), (2, 3)]))
    ]


def _one_way(heatmaps: Tensor, of_mirrored: Tensor, pairs: list[tuple[int, int]]) -> Tensor:
    back = of_mirrored.flip(-1)
    for a, b in pairs:
        back[:, a] = back[:, b]
        back[:, b] = back[:, a]
    return (heatmaps + back) / 2


FLIP = Exercise(
    name="09.5",
    title="Mirror the maps back, and give each to the joint's partner",
    difficulty=2,
    solution=average_with_mirror,
    oracle=_joint_for_joint,
    draw=_draw_mirrored,
    wrong_answers=(
        WrongAnswer(
            "flip test pairs not swapped",
            lambda heatmaps, of_mirrored, pairs: (heatmaps + of_mirrored.flip(-1)) / 2,
            "You mirrored the maps back and left the joints as they were: the left knee's map is averaged with the "
            "right knee's. Each map gets two weak peaks, and PCK falls for all joints but neck and head.",
        ),
        WrongAnswer(
            "not mirrored back",
            lambda heatmaps, of_mirrored, pairs: average_with_mirror(heatmaps, of_mirrored.flip(-1), pairs),
            "Joints swapped, but the maps are still those of the mirror image: peaks left and right of the middle. "
            "flip(-1) mirrors them back along the width.",
        ),
        WrongAnswer(
            "upside down",
            lambda heatmaps, of_mirrored, pairs: average_with_mirror(heatmaps, of_mirrored.flip(-1, -2), pairs),
            "You flipped the height: feet meet heads. The width is the last axis.",
        ),
        WrongAnswer(
            "swapped one way only",
            _one_way,
            "The second assignment reads what the first has just written, so both partners get the same map. Build the "
            "order of the channels first and index once.",
        ),
        WrongAnswer(
            "summed",
            lambda heatmaps, of_mirrored, pairs: 2 * average_with_mirror(heatmaps, of_mirrored, pairs),
            "Places are right, heights are doubled: a joint's score, by which OKS-AP ranks people, no longer compares "
            "with one found without the flip test. Divide by 2.",
        ),
    ),
    hints=(
        Hint("Two peaks in a map", "Which joint of the mirrored picture is the left knee?"),
        Hint("Partners get the same map", "Does a line of yours read a channel that the line before has overwritten?"),
    ),
)
EXERCISES = (PLACE, READ, FLIP)
