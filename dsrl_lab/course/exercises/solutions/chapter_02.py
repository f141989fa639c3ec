"""Exercises of notebook 02: how super-resolution is scored, and how its frameworks are built.

Source: PSNR on Y of BT.601 without a border of s pixels; Wang, Chen, Hoi (2020), 3.1; LapSRN (2017), 3.2; DBPN (2018).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab.course.exercises.calls import call_for_loss
from dsrl_lab.course.exercises.exercise import Answer, Case, Exercise, Hint, WrongAnswer
from dsrl_lab.datasets.super_resolution import luminance
from dsrl_lab.metrics import psnr
from dsrl_lab.models.super_resolution.dbpn import UpProjection
from dsrl_lab.models.super_resolution.espcn import ESPCN
from dsrl_lab.training.super_resolution import charbonnier_loss


def psnr_y(super_res: Tensor, high_res: Tensor, border: int) -> Tensor:
    weights = torch.tensor([65.481, 128.553, 24.966])[:, None, None] / 255
    error = ((super_res.clamp(0, 1) - high_res) * weights).sum(0)
    inside = error[border:-border, border:-border]
    return -10 * torch.log10(inside.square().mean())


def _score(a: Tensor, b: Tensor, border: int, weights: tuple[float, ...] = (65.481, 128.553, 24.966)) -> Tensor:
    error = a - b
    if weights:
        error = (error * torch.tensor(weights)[:, None, None] / 255).sum(0)
    height, width = error.shape[-2:]
    return -10 * torch.log10(error[..., border : height - border, border : width - border].square().mean())


def _draw_pictures(generator: torch.Generator) -> list[Case]:
    cases = []
    for height, width, border in ((12, 14, 2), (15, 11, 3), (20, 16, 4)):
        high_res = torch.rand(3, height, width, generator=generator)
        high_res[:, border], high_res[:, border + 1] = 1.0, 0.0  # bright and dark lines, so that clipping shows
        noise = torch.randn(3, height, width, generator=generator) * torch.tensor([0.2, 0.05, 0.1])[:, None, None]
        noise[:, :1] *= 4  # the border is worse than the rest
        cases.append((high_res + noise, high_res, border))
    return cases


PSNR = Exercise(
    name="02.1",
    title="Luminance in video range, clipped, border left out: the field's PSNR",
    difficulty=2,
    solution=psnr_y,
    oracle=lambda a, b, border: psnr(luminance(a.clamp(0, 1))[None], luminance(b)[None], crop_border=border),
    draw=_draw_pictures,
    wrong_answers=(
        WrongAnswer(
            "on all three colours",
            lambda a, b, border: _score(a.clamp(0, 1), b, border, ()),
            "This is the PSNR of RGB, usually one to two decibels below that of Y: beside a paper's number it makes a "
            "good network look bad. Convert both pictures to Y first.",
        ),
        WrongAnswer(
            "the border counts",
            lambda a, b, border: _score(a.clamp(0, 1), b, 0),
            "You scored every pixel. At the border a convolution sees padding and no picture; papers leave out s "
            "pixels on each side.",
        ),
        WrongAnswer(
            "luminance in full range",
            lambda a, b, border: _score(a.clamp(0, 1), b, border, (0.299 * 255, 0.587 * 255, 0.114 * 255)),
            "Your Y goes from 0 to 255, the field's from 16 to 235, so its errors are 219/255 as large. Your score is "
            "always 1.32 dB too low: such a constant difference from a paper points to this.",
        ),
        WrongAnswer(
            "not clipped",
            _score,
            "You counted values over 1 and under 0 as errors, though no screen shows them. Clip before you compare.",
        ),
        WrongAnswer(
            "twenty times the logarithm",
            lambda a, b, border: 2 * _score(a.clamp(0, 1), b, border),
            "Twice the decibels: 20 log10 belongs to the ROOT of the mean squared error, 10 log10 to the mean itself.",
        ),
    ),
    hints=(
        Hint("Off by 1.32 dB", "What range does Y have in the formula of the docstring?"),
        Hint("Twice too many decibels", "Is the logarithm taken of an error or of a squared error?"),
        Hint("A little off", "Is everything clipped that should be, and left out that should be?"),
    ),
)


def espcn(low_res: Tensor, weights: list[Tensor], biases: list[Tensor], upscale_factor: int) -> Tensor:
    x = low_res - 0.5
    x = F.conv2d(x, weights[0], biases[0], padding=2).tanh()
    x = F.conv2d(x, weights[1], biases[1], padding=1).tanh()
    x = F.conv2d(x, weights[2], biases[2], padding=1)
    return F.pixel_shuffle(x, upscale_factor) + 0.5


def _espcn_of_the_kit(low_res: Tensor, weights: list[Tensor], biases: list[Tensor], s: int) -> Tensor:
    network = ESPCN(s, channels=low_res.shape[1])
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    for layer, weight, bias in zip(layers, weights, biases, strict=True):
        layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)
    return network(low_res).image.detach()


def _slip(act: Answer = torch.tanh, last: Answer = lambda x: x, grey: tuple[float, float] = (0.5, 0.5)) -> Answer:
    def answer(x: Tensor, weights: list[Tensor], biases: list[Tensor], s: int) -> Tensor:
        x = act(F.conv2d(x - grey[0], weights[0], biases[0], padding=2))
        x = act(F.conv2d(x, weights[1], biases[1], padding=1))
        return F.pixel_shuffle(last(F.conv2d(x, weights[2], biases[2], padding=1)), s) + grey[1]

    return answer


def espcn_case(generator: torch.Generator, size: tuple[int, ...], s: int) -> Case:
    """A picture of a size (N, C, h, w) and weights of ESPCN, large enough that tanh bends."""
    shapes = ((64, size[1], 5, 5), (32, 64, 3, 3), (size[1] * s * s, 32, 3, 3))
    weights = [torch.randn(shape, generator=generator) * (2 / shape[1] / shape[2] ** 2) ** 0.5 for shape in shapes]
    biases = [torch.randn(shape[0], generator=generator) * 0.3 for shape in shapes]
    return torch.rand(size, generator=generator), weights, biases, s


BUILD = Exercise(
    name="02.2",
    title="Three convolutions at the small size and a shuffle: this is the kit's ESPCN",
    difficulty=2,
    solution=espcn,
    oracle=_espcn_of_the_kit,
    draw=lambda g: [espcn_case(g, (2, c, h, w), s) for c, h, w, s in ((1, 5, 7, 2), (3, 6, 4, 2), (1, 4, 6, 3))],
    wrong_answers=(
        WrongAnswer(
            "no activation",
            _slip(act=lambda x: x),
            "Three convolutions in a row are one convolution. Between them something must bend: ESPCN takes tanh.",
        ),
        WrongAnswer(
            "another activation",
            _slip(act=torch.relu),
            "You took ReLU. ESPCN has tanh: the library's weights mean something else in your network.",
        ),
        WrongAnswer(
            "tanh at the end too",
            _slip(last=torch.tanh),
            "tanh also bends your last layer, which makes the picture: grey levels must not be pressed together.",
        ),
        WrongAnswer(
            "mid-grey not subtracted",
            _slip(grey=(0, 0.5)),
            "You add 0.5 at the end and subtract nothing at the start. With it, the zeros of the padding mean grey.",
        ),
        WrongAnswer(
            "mid-grey not added again",
            _slip(grey=(0.5, 0)),
            "All your values are 0.5 too small: what was subtracted at the start must come back at the end.",
        ),
    ),
    hints=(
        Hint("The size of the result is wrong", "How much padding does a 5 x 5 kernel need to keep the size? A 3 x 3?"),
        Hint("The size is right, the numbers are not", "What stands between the layers, and what after the last one?"),
    ),
)


def pyramid_loss(scales: list[Tensor], targets: list[Tensor], epsilon: float) -> Tensor:
    levels = [((a - b).square() + epsilon**2).sqrt().mean() for a, b in zip(scales, targets, strict=True)]
    return torch.stack(levels).sum()


def _levels(scales: list[Tensor], targets: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
    return list(zip(scales, targets, strict=True))


def _all_pixels_alike(scales: list[Tensor], targets: list[Tensor], epsilon: float) -> Tensor:
    penalties = [((a - b).square() + epsilon**2).sqrt().flatten() for a, b in _levels(scales, targets)]
    return torch.cat(penalties).mean() * len(penalties)


def _draw_pyramids(generator: torch.Generator) -> list[Case]:
    cases = []
    for levels, channels, epsilon in ((2, 3, 0.3), (3, 1, 0.1), (1, 2, 0.5)):
        sizes = [(2, channels, 3 * 2**level, 2 * 2**level) for level in range(levels)]
        scales, targets = ([torch.rand(size, generator=generator) for size in sizes] for _ in range(2))
        cases.append((scales, targets, epsilon))
    return cases


PYRAMID = Exercise(
    name="02.3",
    title="Each level is compared with a target of its own size, and the losses add up",
    difficulty=2,
    solution=pyramid_loss,
    oracle=lambda scales, targets, epsilon: torch.stack(
        [charbonnier_loss(a, b, epsilon=epsilon) for a, b in _levels(scales, targets)]
    ).sum(),
    draw=_draw_pyramids,
    run=call_for_loss,
    wrong_answers=(
        WrongAnswer(
            "the last level alone",
            lambda scales, targets, epsilon: ((scales[-1] - targets[-1]).square() + epsilon**2).sqrt().mean(),
            "Right for a network of one level. The picture in the middle has a target too: without it the first level "
            "may give whatever helps the second, and need not be a picture.",
        ),
        WrongAnswer(
            "the mean over the levels",
            lambda scales, targets, epsilon: pyramid_loss(scales, targets, epsilon) / len(scales),
            "Right for one level. LapSRN ADDS the levels' losses; you divided by their number as well.",
        ),
        WrongAnswer(
            "the root of the mean",
            lambda scales, targets, epsilon: sum(
                ((a - b).square().mean() + epsilon**2).sqrt() for a, b in _levels(scales, targets)
            ),
            "You took the mean before the root: in a root mean square the few large errors count most. The penalty "
            "belongs to each pixel: root first, then the mean.",
        ),
        WrongAnswer(
            "epsilon outside",
            lambda scales, targets, epsilon: sum((a - b).abs().mean() + epsilon for a, b in _levels(scales, targets)),
            "|d| + epsilon still has the corner at 0 that epsilon should smooth; it only adds a constant, which has no "
            "gradient. It must stand under the root, squared.",
        ),
        WrongAnswer(
            "epsilon not squared",
            lambda scales, targets, epsilon: sum(
                ((a - b).square() + epsilon).sqrt().mean() for a, b in _levels(scales, targets)
            ),
            "Under the root stands a sum of squares, so epsilon is squared too. With the usual 1e-3 yours hides "
            "differences below 0.03, eight grey levels.",
        ),
        WrongAnswer(
            "all pixels alike",
            _all_pixels_alike,
            "You took one mean over the pixels of all levels, so the largest level, with four times the pixels, counts "
            "most. Each level has a mean of its own.",
        ),
    ),
    hints=(
        Hint("Right for one level only", "How do the levels' losses come together, and does a large level count more?"),
        Hint("A little off everywhere", "What stands under the root, and is the mean taken before or after it?"),
    ),
)


def up_projection(low: Tensor, up: Tensor, down: Tensor, again: Tensor) -> Tensor:
    high = F.conv_transpose2d(low, up, stride=2, padding=2)
    error = F.conv2d(high, down, stride=2, padding=2) - low
    return high + F.conv_transpose2d(error, again, stride=2, padding=2)


def _by_the_kits_unit(low: Tensor, up: Tensor, down: Tensor, again: Tensor) -> Tensor:
    unit = UpProjection(low.shape[1], low.shape[1], 2).requires_grad_(False)
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


def _trip(low: Tensor, up: Tensor, down: Tensor) -> Tensor:
    return F.conv2d(_enlarge(low, up), down, stride=2, padding=2)


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
    solution=up_projection,
    oracle=_by_the_kits_unit,
    draw=_draw_units,
    wrong_answers=(
        WrongAnswer(
            "the other sign",
            lambda low, up, down, again: _enlarge(low, up) + _enlarge(low - _trip(low, up, down), again),
            "Your error is L - L0, the paper's is L0 - L. A network can learn either, because `again` may change its "
            "sign; but weights trained for one are wrong in the other.",
        ),
        WrongAnswer(
            "the correction alone",
            lambda low, up, down, again: _enlarge(_trip(low, up, down) - low, again),
            "You return the correction without what it corrects: add the first enlargement H0.",
        ),
        WrongAnswer(
            "nothing to compare with",
            lambda low, up, down, again: _enlarge(low, up) + _enlarge(_trip(low, up, down), again),
            "You enlarged the round trip itself. Only its ERROR is enlarged: subtract L from it.",
        ),
        WrongAnswer(
            "the first kernel twice",
            lambda low, up, down, again: _enlarge(low, up) + _enlarge(_trip(low, up, down) - low, up),
            "You enlarged the error by `up` again. The unit has three kernels of its own: enlarging a picture and "
            "enlarging an error are different tasks.",
        ),
    ),
    hints=(
        Hint("The sizes are right, the numbers are not", "Write L0 - L and L - L0 under each other."),
        Hint("The result looks like noise", "What is corrected? Is it in the sum?"),
    ),
)
EXERCISES = (PSNR, BUILD, PYRAMID, PROJECTION)
