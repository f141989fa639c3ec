"""Exercises with a constant of a student's own, "05.1:2": a copied answer is then right for somebody else."""

from __future__ import annotations

import doctest
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import wraps
from typing import Any

import torch
from torch.nn import functional as F

from dsrl_lab.course.exercises.bank import find
from dsrl_lab.course.exercises.exercise import Answer, Case, Exercise, WrongAnswer

OTHERS = "another student's constant, "


@dataclass(frozen=True)
class Variation:
    """What differs between the variants of an exercise: a constant, and what it changes."""

    sentence: str  # for the docstring and each diagnosis; {} stands for the value
    values: tuple[Any, ...]
    adapt: Callable[[Answer, Any], Answer]  # from an answer to the exercise to one to the variant; complete in itself
    cases: Callable[[Iterable[Case], Any], list[Case]] = lambda cases, value: list(cases)


@dataclass(frozen=True, kw_only=True)
class Variant(Exercise):
    """An exercise with one value of its constant."""

    texts: tuple[str, str]  # stub and solution
    fit: Callable[[Iterable[Case]], list[Case]]  # from cases of the exercise to those of the variant

    @property
    def stub(self) -> str:
        """As the exercise's own, with the constant, and with examples that are right for it."""
        return self.texts[0]

    @property
    def solution_text(self) -> str:
        """The exercise's solution, and what makes it the variant's."""
        return self.texts[1]


def variants(name: str) -> list[str]:
    """Names of an exercise's variants; none for most."""
    return [f"{name}:{number}" for number in range(len(VARIATIONS[name].values))] if name in VARIATIONS else []


def variant(name: str) -> Variant:
    """A variant by its name, one of ``variants``."""
    plain, _, number = name.partition(":")
    base, variation = find(plain), VARIATIONS[plain]
    value, adapt = variation.values[int(number)], variation.adapt
    own = f"In your copy ({name}) {variation.sentence.format(value)}"
    wrong = [WrongAnswer(one.name, adapt(one.answer, value), f"{one.diagnosis} {own}") for one in base.wrong_answers]
    wrong.append(WrongAnswer("without the copy's constant", base.oracle, f"Right, but for your constant. {own}"))
    for other in (other for other in variants(plain) if other != name):
        theirs = adapt(base.oracle, variation.values[int(other.rpartition(":")[2])])
        diagnosis = f"This is right for another student's constant, not for yours. {own}"
        wrong.append(WrongAnswer(OTHERS + other, theirs, diagnosis))

    def fit(cases: Iterable[Case]) -> list[Case]:
        return variation.cases(cases, value)

    made: dict[str, Any] = {field.name: getattr(base, field.name) for field in fields(base)}
    made |= {"solution": wraps(base.solution)(adapt(base.solution, value)), "oracle": adapt(base.oracle, value)}
    made |= {"name": name, "wrong_answers": tuple(wrong), "draw": lambda generator: fit(base.draw(generator))}
    answer = base.solution.__name__
    parts = ["from dsrl_lab.course.exercises.calls import Answer", base.solution_text, inspect.getsource(adapt)]
    code = "\n\n\n".join([*parts, f"{answer} = {adapt.__name__}({answer}, {value!r})"])
    return Variant(**made, texts=(_stub(base.stub, own, answer, made["solution"]), code), fit=fit)


def _stub(plain: str, own: str, name: str, answer: Answer) -> str:
    text = textwrap.fill(own, 88, initial_indent="    ", subsequent_indent="    ")
    stub = re.sub(r'""".+?(?="""|\n)', lambda found: f"{found[0]}\n\n{text}", plain, count=1)
    stub = re.sub(r"(>>> .*?)  # .*", r"\1", stub)  # what is noted beside an example was for the plain exercise
    names = {"torch": torch, "F": F, name: answer}
    for example in doctest.DocTestParser().get_examples(stub[: stub.rindex('"""')].rstrip() + "\n"):
        if not example.want:
            exec(example.source, names)
            continue
        pad = " " * example.indent
        old, new = (textwrap.indent(want, pad) for want in (example.want, f"{eval(example.source, names)!r}\n"))
        stub = stub.replace(f"{example.source}{old}", f"{example.source}{new}")
    return stub


def of_other_range(plain: Answer, peak: int) -> Answer:
    return lambda super_res, high_res, border: plain(super_res / peak, high_res / peak, border)


def with_stride(plain: Answer, stride: int) -> Answer:
    return lambda height, width, *rest: plain(-(-height // stride), -(-width // stride), *rest)


def with_taps(plain: Answer, taps: int) -> Answer:
    return lambda dilations: plain([d for d in dilations for _ in range(taps // 2)])  # sees the same positions


def dilated(plain: Answer, dilation: int) -> Answer:
    def answer(size: int, kernel_size: int, stride: int, padding: int, output_padding: int) -> int:
        return int(plain(size, dilation * (kernel_size - 1) + 1, stride, padding, output_padding))

    return answer


def with_kernel(plain: Answer, kernel_size: int) -> Answer:
    return lambda height, width, classes, blocks: plain(height, width, classes, blocks) // 9 * kernel_size**2


def of_batch(plain: Answer, pictures: int) -> Answer:
    return lambda *arguments: pictures * plain(*arguments)


def ending_at(plain: Answer, share: float) -> Answer:
    return lambda i, n, rate, power: share * rate + (1 - share) * plain(i, n, rate, power)


def with_tolerance(plain: Answer, tolerance: float) -> Answer:
    return lambda *points: plain(*(number / (2 * tolerance) for number in points))


def _intervals(cases: Iterable[Case], tolerance: float) -> list[Case]:
    near = [(3 - step, 4.0, 3.0) for step in (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)]  # tell all tolerances apart
    return [*(tuple(2 * tolerance * number for number in case) for case in cases), *near]


def by_joints(plain: Answer, pair: tuple[int, int]) -> Answer:
    order = list(range(14))
    for own, torso in zip(pair, (9, 2), strict=True):
        order[own], order[torso] = torso, own
    return lambda pred, target, visible, alpha: plain(pred[:, order], target[:, order], visible[:, order], alpha)


def _people(cases: Iterable[Case], pair: tuple[int, int]) -> list[Case]:
    return [by_joints(lambda *arguments: arguments, pair)(*case) for case in cases]


VARIATIONS = {
    "02.1": Variation(
        "the values of all pictures go from 0 to {0}, and {0} is the peak, in place of 1.",
        (10, 100, 255, 1023),
        of_other_range,
        lambda cases, peak: [(peak * super_res, peak * high_res, border) for super_res, high_res, border in cases],
    ),
    "03.5": Variation("the convolution has stride {}, and its sizes are rounded up.", (2, 3, 4, 5), with_stride),
    "04.4": Variation("the convolutions have {} taps, in place of 3.", (5, 7, 9), with_taps),
    "05.1": Variation("the layer has dilation {}: a stamp's values stand so far apart.", (2, 3, 4, 5), dilated),
    "05.2": Variation("the kernels are {0}x{0}, in place of 3x3.", (2, 5, 6, 7), with_kernel),
    "06.1": Variation("the bytes are those of a batch of {} pictures, one matrix each.", (3, 5, 6, 7), of_batch),
    "07.2": Variation(
        "the learning rate falls to {} of its start, in place of 0; what lies above that follows the schedule.",
        (0.0625, 0.125, 0.25, 0.5),
        ending_at,
    ),
    "08.5": Variation("the tolerance is {}, in place of 0.5.", (0.25, 0.75, 1.0, 1.5), with_tolerance, _intervals),
    "09.3": Variation(
        "the unit is the true distance from joint {0[0]} to joint {0[1]}, both always marked, in place of 9 to 2.",
        ((8, 3), (8, 2), (9, 3), (13, 12)),
        by_joints,
        _people,
    ),
}
"""By exercise. Others of 02 to 09 have no constant that could be another without another exercise around it."""
