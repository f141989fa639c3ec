"""Exercises of notebook 02: how super-resolution is scored, and how its frameworks are built.

Source: PSNR on Y of BT.601 without a border of s pixels; Wang, Chen, Hoi (2020), 3.1; LapSRN (2017), 3.2; DBPN (2018).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab.course.exercises.calls import call_for_loss
from dsrl_lab.course.exercises.exercise import Answer, Case
from dsrl_lab.course.exercises.solutions.texts import exercise
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


PSNR = exercise(
    "02.1",
    difficulty=2,
    solution=psnr_y,
    oracle=lambda a, b, border: psnr(luminance(a.clamp(0, 1))[None], luminance(b)[None], crop_border=border),
    draw=_draw_pictures,
    wrong_answers={
        "on all three colours": lambda a, b, border: _score(a.clamp(0, 1), b, border, ()),
        "the border counts": lambda a, b, border: _score(a.clamp(0, 1), b, 0),
        "luminance in full range": lambda a, b, border: _score(
            a.clamp(0, 1), b, border, (0.299 * 255, 0.587 * 255, 0.114 * 255)
        ),
        "not clipped": _score,
        "twenty times the logarithm": lambda a, b, border: 2 * _score(a.clamp(0, 1), b, border),
    },
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


BUILD = exercise(
    "02.2",
    difficulty=2,
    solution=espcn,
    oracle=_espcn_of_the_kit,
    draw=lambda g: [espcn_case(g, (2, c, h, w), s) for c, h, w, s in ((1, 5, 7, 2), (3, 6, 4, 2), (1, 4, 6, 3))],
    wrong_answers={
        "no activation": _slip(act=lambda x: x),
        "another activation": _slip(act=torch.relu),
        "tanh at the end too": _slip(last=torch.tanh),
        "mid-grey not subtracted": _slip(grey=(0, 0.5)),
        "mid-grey not added again": _slip(grey=(0.5, 0)),
    },
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


PYRAMID = exercise(
    "02.3",
    difficulty=2,
    solution=pyramid_loss,
    oracle=lambda scales, targets, epsilon: torch.stack(
        [charbonnier_loss(a, b, epsilon=epsilon) for a, b in _levels(scales, targets)]
    ).sum(),
    draw=_draw_pyramids,
    run=call_for_loss,
    wrong_answers={
        "the last level alone": lambda scales, targets, epsilon: (
            ((scales[-1] - targets[-1]).square() + epsilon**2).sqrt().mean()
        ),
        "the mean over the levels": lambda scales, targets, epsilon: (
            pyramid_loss(scales, targets, epsilon) / len(scales)
        ),
        "the root of the mean": lambda scales, targets, epsilon: sum(
            ((a - b).square().mean() + epsilon**2).sqrt() for a, b in _levels(scales, targets)
        ),
        "epsilon outside": lambda scales, targets, epsilon: sum(
            (a - b).abs().mean() + epsilon for a, b in _levels(scales, targets)
        ),
        "epsilon not squared": lambda scales, targets, epsilon: sum(
            ((a - b).square() + epsilon).sqrt().mean() for a, b in _levels(scales, targets)
        ),
        "all pixels alike": _all_pixels_alike,
    },
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


PROJECTION = exercise(
    "02.4",
    difficulty=2,
    solution=up_projection,
    oracle=_by_the_kits_unit,
    draw=_draw_units,
    wrong_answers={
        "the other sign": lambda low, up, down, again: _enlarge(low, up) + _enlarge(low - _trip(low, up, down), again),
        "the correction alone": lambda low, up, down, again: _enlarge(_trip(low, up, down) - low, again),
        "nothing to compare with": lambda low, up, down, again: (
            _enlarge(low, up) + _enlarge(_trip(low, up, down), again)
        ),
        "the first kernel twice": lambda low, up, down, again: (
            _enlarge(low, up) + _enlarge(_trip(low, up, down) - low, up)
        ),
    },
)
EXERCISES = (PSNR, BUILD, PYRAMID, PROJECTION)
