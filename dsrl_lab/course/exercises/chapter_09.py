"""Exercises of notebook 09: heat-maps drawn, read back and averaged with the mirror image.

Source: Sun et al., CVPR 2019, section 3 (Gaussians, a quarter pixel towards the second highest, the flip test), and
Huang et al., "The Devil is in the Details", CVPR 2020, whose subject is the half pixel. All the wrong answers run.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dsrl_lab.course.exercises.exercise import Case, Exercise, Hint, WrongAnswer, draw_integer

# 09.1


def to_heatmap(joints: Tensor, image_size: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Where joints of a picture lie on a heat-map of the same scene.

    Pixels have their centres at whole numbers, so the left edge of a picture is at x =
    -0.5, on the heat-map too.

    Args:
        joints: (x, y) in pixels of the picture.
        image_size: (H, W) of the picture.
        size: (H, W) of the heat-map.

    Shape:
        - joints: (J, 2)
        - output: (J, 2), (x, y) in pixels of the heat-map

    Example:
        >>> to_heatmap(torch.tensor([[1.5, 5.5]]), (8, 12), (2, 3))
        tensor([[0., 1.]])
    """
    ratio = torch.tensor([size[1] / image_size[1], size[0] / image_size[0]])
    return (joints + 0.5) * ratio - 0.5


def _by_shares(joints: Tensor, image_size: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Each coordinate by itself, as a share of the way from the first pixel's edge to the last one's."""
    rows = []
    for x, y in joints.tolist():
        across, down = (x + 0.5) / image_size[1], (y + 0.5) / image_size[0]
        rows.append([across * size[1] - 0.5, down * size[0] - 0.5])
    return torch.tensor(rows)


def _draw_joints(generator: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for stride in (2, 4, 8):
        size = (draw_integer(generator, 4, 9), draw_integer(generator, 10, 16))
        image_size = (size[0] * stride, size[1] * stride)
        joints = torch.rand(5, 2, generator=generator) * torch.tensor([image_size[1], image_size[0]])
        cases.append((joints, image_size, size))
    return cases


def _ratio(image_size: tuple[int, int], size: tuple[int, int]) -> Tensor:
    return torch.tensor([size[1] / image_size[1], size[0] / image_size[0]])


def _corner_to_corner(joints: Tensor, image_size: tuple[int, int], size: tuple[int, int]) -> Tensor:
    return joints * torch.tensor([(size[1] - 1) / (image_size[1] - 1), (size[0] - 1) / (image_size[0] - 1)])


PLACE = Exercise(
    name="09.1",
    title="Half a pixel before the ratio, half a pixel after it",
    difficulty=2,
    importance=3,
    minutes=7,
    solution=to_heatmap,
    oracle=_by_shares,
    draw=_draw_joints,
    wrong_answers=(
        WrongAnswer(
            "target not scaled with the heat-map",
            lambda joints, image_size, size: joints,
            "You left the joints in pixels of the picture. On a heat-map of a quarter of its sides most of them lie "
            "outside, the target is blank, and the net learns to see nobody: a loss that falls, and no joint found.",
        ),
        WrongAnswer(
            "divided by the stride",
            lambda joints, image_size, size: joints * _ratio(image_size, size),
            "You forgot the half pixels. Every joint is off by (stride - 1) / (2 stride) heat-map pixels to the right "
            "and down, 3/8 at stride 4; the mirrored picture's is off to the left, and the flip test blurs them "
            "by 3/4. HRNet's release has it so, and moves the mirrored map by one pixel to make up for it.",
        ),
        WrongAnswer(
            "corner to corner",
            _corner_to_corner,
            "(w - 1) / (W - 1) maps the first pixel's centre to the first and the last to the last, as align_corners "
            "does. The kit's resizing maps edge to edge: right in the middle, off by 3/8 of a pixel at the border.",
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


# 09.2


def read_joints(heatmaps: Tensor) -> Tensor:
    """Each joint at its heat-map's maximum, a quarter pixel towards the higher neighbour on either axis.

    Nothing is moved between equal neighbours. The maxima given here do not lie at the
    border.

    Shape:
        - heatmaps: (J, h, w)
        - output: (J, 2), (x, y) in pixels of the heat-map

    Example:
        >>> read_joints(torch.tensor([[[0.0, 0.2, 0.0], [0.1, 1.0, 0.5], [0.0, 0.2, 0.0]]]))
        tensor([[1.2500, 1.0000]])
    """
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


def _draw_maps(generator: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for height, width in ((7, 9), (9, 6)):
        maps = 0.5 * torch.rand(4, height, width, generator=generator)
        for heatmap in maps:
            row, column = draw_integer(generator, 1, height - 1), draw_integer(generator, 1, width - 1)
            heatmap[row, column] = 1.0
            heatmap[row, column - 1], heatmap[row, column + 1] = (
                0.1,
                0.9,
            )  # so that each axis moves, the two differently
            heatmap[row - 1, column], heatmap[row + 1, column] = 0.8, 0.2
        maps[3, :] = 0.0
        maps[3, 2, 3] = 1.0  # equal neighbours
        cases.append((maps,))
    return cases


def _shifted(heatmaps: Tensor, step: float, *, swap: bool = False, ones: bool = False) -> Tensor:
    """What a reader gives who moves ``step`` pixels, swaps the axes, or always moves to a side."""
    joints = []
    for heatmap in heatmaps:
        row, column = divmod(int(heatmap.argmax()), heatmap.shape[1])
        right = torch.sign(heatmap[row, column + 1] - heatmap[row, column - 1])
        down = torch.sign(heatmap[row + 1, column] - heatmap[row - 1, column])
        if ones:
            right, down = torch.ones(()), torch.ones(())
        x, y = column + step * right, row + step * down
        joints.append(torch.stack([y, x] if swap else [x, y]))
    return torch.stack(joints)


READ = Exercise(
    name="09.2",
    title="The maximum says which pixel, its neighbours say where in it",
    difficulty=2,
    importance=3,
    minutes=10,
    solution=read_joints,
    oracle=_read_with_lists,
    draw=_draw_maps,
    wrong_answers=(
        WrongAnswer(
            "no quarter-pixel shift",
            lambda heatmaps: _shifted(heatmaps, 0.0),
            "You stop at the maximum, so joints come in whole heat-map pixels: at stride 4 a step is 4 pixels of the "
            "input, 8 of the crop. The neighbours know better; a quarter towards the higher one halves the error.",
        ),
        WrongAnswer(
            "towards the lower neighbour",
            lambda heatmaps: _shifted(heatmaps, -0.25),
            "You moved away from the higher neighbour: worse than not moving at all. A Gaussian between two pixels "
            "makes both of them high; the joint is between them.",
        ),
        WrongAnswer(
            "row before column",
            lambda heatmaps: _shifted(heatmaps, 0.25, swap=True),
            "Your joints are (y, x). Tensors are read row first, joints are (x, y): the column is x.",
        ),
        WrongAnswer(
            "always to the right and down",
            lambda heatmaps: _shifted(heatmaps, 0.25, ones=True),
            "You add a quarter without asking the neighbours: every joint moves the same way, which is an offset and "
            "no refinement. The sign of right minus left decides.",
        ),
        WrongAnswer(
            "half a pixel",
            lambda heatmaps: _shifted(heatmaps, 0.5),
            "Half a pixel is the border to the neighbour. A joint that lies anywhere in the half towards it is a "
            "quarter away on average: that is where the quarter comes from.",
        ),
    ),
    hints=(
        Hint("x and y have changed places", "argmax over a flattened map: place // w is the row, which is y."),
        Hint("Off by a quarter or a half", "torch.sign(right - left) is -1, 0 or 1."),
    ),
)


# 09.5


def average_with_mirror(heatmaps: Tensor, of_mirrored: Tensor, pairs: list[tuple[int, int]]) -> Tensor:
    """The flip test: average a picture's heat-maps with those of its mirror image, turned back.

    In a mirror a left knee looks like a right one: after turning back, each map belongs
    to the joint's partner.

    Args:
        heatmaps: of the picture.
        of_mirrored: of the mirrored picture, as the network gave them.
        pairs: indices of left-right partners; joints in no pair (the head) stay.

    Shape:
        - heatmaps, of_mirrored: (N, J, h, w)
        - output: (N, J, h, w)

    Example:
        >>> left, right = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 0.0]])
        >>> average_with_mirror(torch.stack([left, right])[None], torch.stack([right, left.flip(-1)])[None], [(0, 1)])
        tensor([[[[1., 0.]],
        <BLANKLINE>
                 [[0., 0.]]]])
    """
    order = list(range(heatmaps.shape[1]))
    for a, b in pairs:
        order[a], order[b] = b, a
    return (heatmaps + of_mirrored.flip(-1)[:, order]) / 2


def _pixel_by_pixel(heatmaps: Tensor, of_mirrored: Tensor, pairs: list[tuple[int, int]]) -> Tensor:
    partner = {a: b for pair in pairs for a, b in (pair, pair[::-1])}
    width, result = heatmaps.shape[-1], heatmaps.clone()
    for joint in range(heatmaps.shape[1]):
        for x in range(width):
            other = of_mirrored[:, partner.get(joint, joint), :, width - 1 - x]
            result[:, joint, :, x] = (heatmaps[:, joint, :, x] + other) / 2
    return result


def _draw_mirrored(generator: torch.Generator) -> list[Case]:
    pairs = [(0, 3), (1, 2)]
    return [
        (torch.rand(2, 5, 4, 6, generator=generator), torch.rand(2, 5, 4, 6, generator=generator), pairs),
        (torch.rand(1, 6, 3, 5, generator=generator), torch.rand(1, 6, 3, 5, generator=generator), [(0, 5), (2, 3)]),
    ]


def _one_way(heatmaps: Tensor, of_mirrored: Tensor, pairs: list[tuple[int, int]]) -> Tensor:
    back = of_mirrored.flip(-1)
    for a, b in pairs:
        back[:, a] = back[:, b]
        back[:, b] = back[:, a]
    return (heatmaps + back) / 2


def _ordered(of_mirrored: Tensor, pairs: list[tuple[int, int]]) -> Tensor:
    order = list(range(of_mirrored.shape[1]))
    for a, b in pairs:
        order[a], order[b] = b, a
    return of_mirrored[:, order]


FLIP = Exercise(
    name="09.5",
    title="Turn the maps back, and give each to the joint's partner",
    difficulty=2,
    importance=2,
    minutes=8,
    solution=average_with_mirror,
    oracle=_pixel_by_pixel,
    draw=_draw_mirrored,
    wrong_answers=(
        WrongAnswer(
            "flip test pairs not swapped",
            lambda heatmaps, of_mirrored, pairs: (heatmaps + of_mirrored.flip(-1)) / 2,
            "You turned the maps back and left the joints as they were: the left knee's map is now averaged with the "
            "right knee's. Two faint peaks in each map, and the flip test lowers PCK for all joints but neck and head.",
        ),
        WrongAnswer(
            "not turned back",
            lambda heatmaps, of_mirrored, pairs: (heatmaps + _ordered(of_mirrored, pairs)) / 2,
            "Joints swapped, but the maps are still those of the mirror image: peaks left and right of the middle. "
            "flip(-1) turns them back along the width.",
        ),
        WrongAnswer(
            "upside down",
            lambda heatmaps, of_mirrored, pairs: (heatmaps + _ordered(of_mirrored.flip(-2), pairs)) / 2,
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
            lambda heatmaps, of_mirrored, pairs: heatmaps + _ordered(of_mirrored.flip(-1), pairs),
            "Places are right, heights are doubled: a joint's score, which OKS-AP ranks people by, would no longer "
            "compare with one that was found without the flip test. Divide by 2.",
        ),
    ),
    hints=(
        Hint("Two peaks in a map", "Which joint of the mirrored picture is the left knee?"),
        Hint("Partners get the same map", "Does a line of yours read a channel that the line before has overwritten?"),
    ),
)


EXERCISES = (PLACE, READ, FLIP)
