"""Variants of exercises: each has one right answer of its own, and every other one's is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab.course.exercises.bank import check, exercises, find, known
from dsrl_lab.course.exercises.judge import judge
from dsrl_lab.course.exercises.recorded import pack
from dsrl_lab.course.exercises.solutions.variants import OTHERS, VARIATIONS, variants
from dsrl_lab.course.grading.hidden_inputs import check_hidden, hidden_variants
from dsrl_lab.metrics import psnr

EVERY = [name for exercise in VARIATIONS for name in variants(exercise)]


def _psnr(peak: int, a: Tensor, b: Tensor, border: int) -> Tensor:
    weights = torch.tensor([65.481, 128.553, 24.966])[None, :, None, None] / 255
    luminance = [(x[None] * weights).sum(1, keepdim=True) for x in (a.clamp(0, peak), b)]
    return psnr(*luminance, data_range=peak, crop_border=border)


def _macs(stride: int, h: int, w: int, c_in: int, c_out: int, k: int, s: int) -> int:
    out = nn.Conv2d(1, 1, k, stride=stride, padding=k // 2)(torch.zeros(1, 1, h, w))
    return out.numel() * c_in * c_out * s * s * k * k


def _gaps(taps: int, dilations: list[int]) -> int:
    seen = {0}
    for d in dilations:
        seen = {place + d * tap for place in seen for tap in range(-(taps // 2), taps // 2 + 1)}
    return max(seen) - min(seen) + 1 - len(seen)


def _size(dilation: int, size: int, k: int, stride: int, padding: int, extra: int) -> int:
    x = torch.zeros(1, 1, size)
    return F.conv_transpose1d(x, torch.ones(1, 1, k), None, stride, padding, extra, 1, dilation).shape[-1]


def _verdict(tolerance: float, low: float, high: float, size: float) -> int:
    if low > 0 and low >= size - tolerance:
        return 1
    return -1 if high < 0 or high < size - tolerance else 0


def _place(offset: int, joints: Tensor, image_size: tuple[int, int], size: tuple[int, int]) -> Tensor:
    (height, width), (h, w) = image_size, size
    return torch.stack(
        [(joints[:, 0] - offset + 0.5) / width * w - 0.5, (joints[:, 1] - offset + 0.5) / height * h - 0.5], dim=1
    )


BY_HAND: dict[str, Callable[..., Any]] = {  # what is asked for, written out without the exercise
    "02.1": _psnr,
    "03.5": _macs,
    "04.4": _gaps,
    "05.1": _size,
    "05.2": lambda k, h, w, classes, blocks: sum(4**b * h * w * (classes * k) ** 2 for b in range(blocks)),
    "06.1": lambda pictures, h, w, s: pictures * 4 * ((h // s) * (w // s)) ** 2,
    "07.2": lambda share, i, n, rate, power: rate * share + rate * (1 - share) * (1 - i / n) ** power,
    "08.5": _verdict,
    "09.1": _place,
}


def by_hand(name: str) -> Callable[..., Any]:
    exercise, _, number = name.partition(":")
    value = VARIATIONS[exercise].values[int(number)]
    return lambda *arguments: BY_HAND[exercise](value, *arguments)


def test_at_least_six_exercises_vary_and_each_notebook_has_one() -> None:
    assert {name[:2] for name in VARIATIONS} == {f"{number:02d}" for number in range(2, 10)}
    assert all(len(variants(name)) > 2 for name in VARIATIONS)
    assert variants("06.2") == []


@pytest.mark.parametrize("name", EVERY)
def test_the_written_out_answer_is_right_and_every_other_is_named(name: str) -> None:
    exercise = find(name)
    for seed in range(2):
        for answer in (by_hand(name), exercise.solution):
            assert judge(exercise, answer, seed=seed) and check_hidden(name, answer, seed=seed)
        for wrong in exercise.wrong_answers:
            assert judge(exercise, wrong.answer, seed=seed).known_as == wrong.name
            assert not check_hidden(name, wrong.answer, seed=seed), wrong.name
        for other in {*variants(name.partition(":")[0])} - {name}:
            verdict = judge(exercise, by_hand(other), seed=seed)
            assert verdict.known_as == OTHERS + other and name in verdict.message
        plain = find(name.partition(":")[0]).solution
        assert judge(exercise, plain, seed=seed).known_as == "without the copy's constant"


@pytest.mark.parametrize("name", EVERY)
def test_the_stub_has_the_constant_and_right_examples_and_the_solution_s_text_runs(name: str) -> None:
    exercise = find(name)
    plain = find(name.partition(":")[0])
    assert f"In your copy ({name})" in exercise.stub and "  # " not in exercise.stub.partition("Example:")[2]
    assert exercise.stub.partition(":")[0] == plain.stub.partition(":")[0], "the same signature"
    names: dict[str, Any] = {"torch": torch, "F": F, "Tensor": Tensor}
    exec(exercise.solution_text, names)
    assert judge(exercise, names[plain.solution.__name__], seed=1)
    for kind in (exercise, *hidden_variants(name)):
        pack(kind.draw(torch.Generator().manual_seed(0)), [])


def test_the_examples_are_computed_for_the_constant() -> None:
    assert find("05.1:0").stub.count("130\n") == 1 and find("05.1").stub.count("128\n") == 1
    assert "[1.0, 0.8125, 0.625, 0.4375]" in find("07.2:2").stub.replace("0.25 of its start", "")
    assert "(0, -1, 0)" in find("08.5:0").stub


def test_variants_are_found_by_name_and_are_no_exercises_of_their_own() -> None:
    assert not {*EVERY} & exercises().keys()
    assert known("05.1:0") and not known("05.1:9") and not known("06.2:0") and not known("05.1:")
    assert check("05.1:0", lambda *arguments: 0).exercise == "05.1:0"
    with pytest.raises(ValueError, match="unknown exercise '05.1:9'"):
        find("05.1:9")
