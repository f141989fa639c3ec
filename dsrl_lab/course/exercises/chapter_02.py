"""Exercises of notebook 02: how super-resolution is scored, and what the place of the enlargement costs.

Source: the protocol of the field (PSNR on Y of ITU-R BT.601 in its 16..235 range, a border of s pixels left out); the
frameworks as in Wang, Chen, Hoi (2020), section 3.1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dsrl_lab.complexity import complexity
from dsrl_lab.course.exercises.exercise import Case, Exercise, Hint, WrongAnswer, draw_integer
from dsrl_lab.datasets.super_resolution import luminance
from dsrl_lab.metrics import psnr

# 02.1


def psnr_y(super_res: Tensor, high_res: Tensor, border: int) -> Tensor:
    """PSNR in dB as papers report it: on luminance alone, without a border.

    Y = (16 + 65.481 R + 128.553 G + 24.966 B) / 255 for R, G, B in [0, 1]. The
    super-resolved picture is clipped to [0, 1] first; the peak of the signal is 1.

    Args:
        super_res: may leave [0, 1] a little.
        high_res: the truth, in [0, 1].
        border: pixels left out on each side, at least 1.

    Shape:
        - super_res, high_res: (3, H, W)
        - output: scalar

    Example:
        >>> psnr_y(torch.full((3, 8, 8), 0.5), torch.full((3, 8, 8), 0.25), 2)
        tensor(13.3631)
    """
    weights = torch.tensor([65.481, 128.553, 24.966])[:, None, None] / 255
    error = ((super_res.clamp(0, 1) - high_res) * weights).sum(0)
    inside = error[border:-border, border:-border]
    return -10 * torch.log10(inside.square().mean())


def _score(
    super_res: Tensor,
    high_res: Tensor,
    border: int,
    weights: tuple[float, float, float] | None = (65.481, 128.553, 24.966),
    factor: float = 10.0,
) -> Tensor:
    error = super_res - high_res
    if weights is not None:
        error = (error * torch.tensor(weights)[:, None, None] / 255).sum(0)
    height, width = error.shape[-2:]
    inside = error[..., border : height - border, border : width - border]
    return -factor * torch.log10(inside.square().mean())


def _draw_pictures(generator: torch.Generator) -> list[Case]:
    cases = []
    for height, width, border in ((12, 14, 2), (15, 11, 3), (20, 16, 4)):
        high_res = torch.rand(3, height, width, generator=generator)
        high_res[:, border] = 1.0  # bright lines, so that clipping shows
        noise = torch.randn(3, height, width, generator=generator) * torch.tensor([0.2, 0.05, 0.1])[:, None, None]
        noise[:, :1] *= 4  # the border is worse than the rest
        cases.append((high_res + noise, high_res, border))
    return cases


PSNR = Exercise(
    name="02.1",
    title="Luminance in video range, clipped, border off: the field's PSNR",
    difficulty=2,
    importance=3,
    minutes=10,
    solution=psnr_y,
    oracle=lambda a, b, border: psnr(luminance(a.clamp(0, 1))[None], luminance(b)[None], crop_border=border),
    draw=_draw_pictures,
    wrong_answers=(
        WrongAnswer(
            "on all three colours",
            lambda a, b, border: _score(a.clamp(0, 1), b, border, None),
            "This is the PSNR of RGB. It usually lies one to two decibels under that of Y, so such a number beside a "
            "paper's makes a good network look bad. Turn both pictures into Y first.",
        ),
        WrongAnswer(
            "the border counts",
            lambda a, b, border: _score(a.clamp(0, 1), b, 0),
            "You scored every pixel. At the border a convolution sees padding instead of picture; papers leave s "
            "pixels out on each side.",
        ),
        WrongAnswer(
            "luminance in full range",
            lambda a, b, border: _score(a.clamp(0, 1), b, border, (0.299 * 255, 0.587 * 255, 0.114 * 255)),
            "Your Y fills 0 to 255; the field's fills 16 to 235, so its errors are 219/255 as large. Your score is "
            "1.32 dB too low, always: an exact constant difference from a paper is a sign of this.",
        ),
        WrongAnswer(
            "not clipped",
            lambda a, b, border: _score(a, b, border),
            "Values over 1 and under 0 were counted as errors, though no screen shows them. Clip before you compare.",
        ),
        WrongAnswer(
            "twenty times the logarithm",
            lambda a, b, border: _score(a.clamp(0, 1), b, border, factor=20.0),
            "Twice the decibels: 20 log10 belongs to the ROOT of the mean squared error, 10 log10 to the mean itself.",
        ),
    ),
    hints=(
        Hint("Off by 1.32 dB", "What range does Y have in the formula of the docstring?"),
        Hint("Twice too many decibels", "Is the logarithm taken of an error or of a squared error?"),
        Hint("A little off", "Is everything clipped that should be, and left out that should be?"),
    ),
)


# 02.2


def stack_macs(
    layers: list[tuple[int, int, int]],
    height: int,
    width: int,
    upscale_factor: int,
    enlarge_first: bool,
) -> int:
    """Multiply-adds of a stack of convolutions, before or after the enlargement.

    Each convolution keeps the size of what it receives.

    Args:
        layers: (in_channels, out_channels, kernel_size) of each.
        height: of the SMALL picture.
        width: of the SMALL picture.
        upscale_factor: s.
        enlarge_first: the picture is enlarged (at no cost) before the first layer, or
            else after the last.

    Example:
        >>> stack_macs([(1, 8, 3)], 10, 10, 2, enlarge_first=False)
        7200
        >>> stack_macs([(1, 8, 3)], 10, 10, 2, enlarge_first=True)
        28800
    """
    positions = height * width * (upscale_factor**2 if enlarge_first else 1)
    return positions * sum(c_in * c_out * k**2 for c_in, c_out, k in layers)


def _stack_by_counter(layers: list[tuple[int, int, int]], h: int, w: int, s: int, first: bool) -> int:
    convolutions: list[nn.Module] = [nn.Conv2d(c_in, c_out, k, padding=k // 2) for c_in, c_out, k in layers]
    enlarge = nn.Upsample(scale_factor=s)
    stack = [enlarge, *convolutions] if first else [*convolutions, enlarge]
    return complexity(nn.Sequential(*stack), (h, w), channels=layers[0][0]).macs


def _weights(layers: list[tuple[int, int, int]]) -> int:
    return sum(c_in * c_out * k**2 for c_in, c_out, k in layers)


def _draw_networks(generator: torch.Generator) -> list[Case]:
    cases = []
    for s, first in ((2, True), (3, False), (4, True), (2, False)):
        a, b = draw_integer(generator, 4, 9), draw_integer(generator, 9, 14)
        layers = [(1, a, 5), (a, b, 1), (b, 1, 3)]
        cases.append((layers, draw_integer(generator, 5, 8), draw_integer(generator, 8, 12), s, first))
    return cases


STACK = Exercise(
    name="02.2",
    title="Who enlarges first pays s squared times",
    difficulty=1,
    importance=3,
    minutes=6,
    solution=stack_macs,
    oracle=_stack_by_counter,
    draw=_draw_networks,
    wrong_answers=(
        WrongAnswer(
            "always at the small size",
            lambda layers, h, w, s, first: h * w * _weights(layers),
            "Right after-the-fact, s² times too few for pre-upsampling: there every layer works on the enlarged "
            "picture.",
        ),
        WrongAnswer(
            "always at the large size",
            lambda layers, h, w, s, first: h * w * s**2 * _weights(layers),
            "Right for pre-upsampling only. A network that enlarges last never sees the large picture: that is its "
            "whole point.",
        ),
        WrongAnswer(
            "s instead of s squared",
            lambda layers, h, w, s, first: h * w * (s if first else 1) * _weights(layers),
            "s times too few: the picture grows on both sides.",
        ),
        WrongAnswer(
            "channels once",
            lambda layers, h, w, s, first: h * w * (s**2 if first else 1) * sum(c * k**2 for _, c, k in layers),
            "You counted one weight for each output channel and tap. Every filter also goes through all channels that "
            "come IN: multiply by in_channels too.",
        ),
    ),
    hints=(
        Hint("Right for some cases only", "At which size does each layer work, in either order?"),
        Hint("A power of s off", "How many pixels has a picture whose sides are s times as long?"),
    ),
)


EXERCISES = (PSNR, STACK)
