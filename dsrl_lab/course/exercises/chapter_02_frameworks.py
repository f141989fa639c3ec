"""Exercises of notebook 02 on the two frameworks that go in steps: back-projection, and a loss at every scale.

Source: Haris et al., DBPN (CVPR 2018), section 3.1; Lai et al., LapSRN (CVPR 2017), section 3.2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab.course.exercises.exercise import Case, Exercise, Hint, WrongAnswer
from dsrl_lab.models.super_resolution.dbpn import UpProjection
from dsrl_lab.training.super_resolution import charbonnier_loss

# 02.4


def up_projection(low: Tensor, up: Tensor, down: Tensor, again: Tensor) -> Tensor:
    """DBPN's up-projection without its activations.

    Enlarge, go back, and add what the round trip got wrong, enlarged.

    H0 = enlarge L by ``up``; L0 = reduce H0 by ``down``; E = L0 - L;
    result = H0 + (enlarge E by ``again``).

    To enlarge is ``F.conv_transpose2d``, to reduce ``F.conv2d``, each with stride 2 and
    padding 2.

    Shape:
        - low: (N, C, h, w)
        - up, down, again: (C, C, 6, 6)
        - output: (N, C, 2h, 2w)

    Example:
        >>> kernel = torch.ones(1, 1, 6, 6) / 36
        >>> up_projection(torch.ones(1, 1, 4, 4), kernel, kernel, kernel).shape
        torch.Size([1, 1, 8, 8])
    """
    high = F.conv_transpose2d(low, up, stride=2, padding=2)
    error = F.conv2d(high, down, stride=2, padding=2) - low
    return high + F.conv_transpose2d(error, again, stride=2, padding=2)


def _by_the_kits_unit(low: Tensor, up: Tensor, down: Tensor, again: Tensor) -> Tensor:
    unit = UpProjection(low.shape[1], low.shape[1], 2)
    with torch.no_grad():
        for parameter in unit.parameters():
            parameter.zero_()  # no biases
        for layer in unit.modules():
            if isinstance(layer, nn.PReLU):
                layer.weight.fill_(1.0)  # the identity
        for part, kernel in ((unit.first_up, up), (unit.down, down), (unit.second_up, again)):
            convolution = part[0]
            assert isinstance(convolution, nn.Conv2d | nn.ConvTranspose2d)
            convolution.weight.copy_(kernel)
        return unit(low)


def _enlarge(x: Tensor, kernel: Tensor) -> Tensor:
    return F.conv_transpose2d(x, kernel, stride=2, padding=2)


def _reduce(x: Tensor, kernel: Tensor) -> Tensor:
    return F.conv2d(x, kernel, stride=2, padding=2)


def _draw_units(generator: torch.Generator) -> list[Case]:
    cases = []
    for channels, height, width in ((1, 4, 5), (3, 5, 3)):
        kernels = [torch.randn(channels, channels, 6, 6, generator=generator) * 0.2 for _ in range(3)]
        cases.append((torch.randn(2, channels, height, width, generator=generator), *kernels))
    return cases


PROJECTION = Exercise(
    name="02.4",
    title="The error of the round trip, enlarged, corrects the first guess",
    difficulty=2,
    importance=3,
    minutes=10,
    solution=up_projection,
    oracle=_by_the_kits_unit,
    draw=_draw_units,
    wrong_answers=(
        WrongAnswer(
            "the other sign",
            lambda low, up, down, again: _enlarge(low, up) + _enlarge(low - _reduce(_enlarge(low, up), down), again),
            "Your error is L - L0, the paper's is L0 - L. A network can learn either, because `again` may change its "
            "sign; but weights trained for one are wrong in the other.",
        ),
        WrongAnswer(
            "the correction alone",
            lambda low, up, down, again: _enlarge(_reduce(_enlarge(low, up), down) - low, again),
            "You return the correction and forgot what it corrects: add the first enlargement H0.",
        ),
        WrongAnswer(
            "nothing to compare with",
            lambda low, up, down, again: _enlarge(low, up) + _enlarge(_reduce(_enlarge(low, up), down), again),
            "You enlarged the round trip itself. Only its ERROR goes back up: take L away from it.",
        ),
        WrongAnswer(
            "the first kernel twice",
            lambda low, up, down, again: _enlarge(low, up) + _enlarge(_reduce(_enlarge(low, up), down) - low, up),
            "You enlarged the error by `up` again. The unit has three kernels of its own: enlarging a picture and "
            "enlarging an error are different tasks.",
        ),
    ),
    hints=(
        Hint("The sizes are right, the numbers are not", "Write L0 - L and L - L0 under each other."),
        Hint("The result looks like noise", "What is corrected? Is it in the sum?"),
    ),
)


# 02.3


def pyramid_loss(scales: list[Tensor], targets: list[Tensor], epsilon: float) -> Tensor:
    """LapSRN's loss: every level has its own target, and levels add up.

    The penalty of a difference d is sqrt(d^2 + epsilon^2), nearly |d| but smooth at 0;
    a level's loss is the mean of it over all of the level's values (pictures, channels,
    pixels).

    Args:
        scales: what the network gave at each level, small to large.
        targets: the truth at each level, in the same order and of the same sizes.
        epsilon: above 0.

    Shape:
        - scales[k], targets[k]: (N, C, H_k, W_k)
        - output: scalar

    Example:
        >>> small, large = torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 4, 4)
        >>> pyramid_loss([small, large], [small + 3, large], epsilon=4.0)
        tensor(9.)
    """
    levels = [((a - b).square() + epsilon**2).sqrt().mean() for a, b in zip(scales, targets, strict=True)]
    return torch.stack(levels).sum()


def _levels(scales: list[Tensor], targets: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
    return list(zip(scales, targets, strict=True))


def _all_pixels_alike(scales: list[Tensor], targets: list[Tensor], epsilon: float) -> Tensor:
    penalties = [((a - b).square() + epsilon**2).sqrt().flatten() for a, b in _levels(scales, targets)]
    return torch.cat(penalties).mean() * len(penalties)


def _draw_pyramids(generator: torch.Generator) -> list[Case]:
    cases = []
    for levels, epsilon in ((2, 0.3), (3, 0.1), (1, 0.5)):
        sizes = [(2, 1, 3 * 2**level, 2 * 2**level) for level in range(levels)]
        scales, targets = ([torch.rand(size, generator=generator) for size in sizes] for _ in range(2))
        cases.append((scales, targets, epsilon))
    return cases


PYRAMID = Exercise(
    name="02.3",
    title="Each level is held to its own truth, and they add up",
    difficulty=2,
    importance=2,
    minutes=8,
    solution=pyramid_loss,
    oracle=lambda scales, targets, epsilon: torch.stack(
        [charbonnier_loss(a, b, epsilon=epsilon) for a, b in _levels(scales, targets)]
    ).sum(),
    draw=_draw_pyramids,
    wrong_answers=(
        WrongAnswer(
            "the last level alone",
            lambda scales, targets, epsilon: ((scales[-1] - targets[-1]).square() + epsilon**2).sqrt().mean(),
            "Right for a network of one level. The picture in the middle has a truth too: without it the first level "
            "may give whatever helps the second, and is no picture of half the size.",
        ),
        WrongAnswer(
            "the root of the mean",
            lambda scales, targets, epsilon: sum(
                ((a - b).square().mean() + epsilon**2).sqrt() for a, b in _levels(scales, targets)
            ),
            "You took the mean before the root: that is a root mean square, in which few large errors count for most. "
            "The penalty belongs to each pixel: root first, then the mean.",
        ),
        WrongAnswer(
            "epsilon outside",
            lambda scales, targets, epsilon: sum((a - b).abs().mean() + epsilon for a, b in _levels(scales, targets)),
            "|d| + epsilon has the corner at 0 that epsilon should take away; it only shifts the loss by a constant, "
            "which has no gradient. It must stand under the root, squared.",
        ),
        WrongAnswer(
            "epsilon not squared",
            lambda scales, targets, epsilon: sum(
                ((a - b).square() + epsilon).sqrt().mean() for a, b in _levels(scales, targets)
            ),
            "Under the root stands a sum of squares: epsilon too. With the usual 1e-3 yours blurs all differences "
            "below 0.03, eight grey levels.",
        ),
        WrongAnswer(
            "all pixels alike",
            _all_pixels_alike,
            "You took one mean over the pixels of all levels, so the largest level, with four times the pixels, "
            "outweighs the others. Each level has a mean of its own.",
        ),
    ),
    hints=(
        Hint("Right for one level only", "How do the levels' losses come together, and does a large level count more?"),
        Hint("A little off everywhere", "What stands under the root, and is the mean taken before or after it?"),
    ),
)


EXERCISES = (PROJECTION, PYRAMID)
