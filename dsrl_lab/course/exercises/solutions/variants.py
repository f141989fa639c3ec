"""Exercises with a constant of a student's own, "05.1:2": a copied answer is then right for somebody else."""

import doctest
import inspect
import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import wraps

import torch
from torch.nn import functional as F

from dsrl_lab.course.exercises.bank import find
from dsrl_lab.course.exercises.exercise import Answer, Case, Exercise, WrongAnswer

OTHERS = "another student's constant, "


@dataclass(frozen=True)
class Variation:
    """What differs between the variants of an exercise; code may use its arguments, ``plain`` and ``value``."""

    sentence: str  # for the docstring and each diagnosis, after "In your copy"; {} stands for the value
    values: tuple[float, ...]
    answer: str  # the right result, by ``plain``, the exercise's own answer
    case: str = ""  # arguments of the variant, from those that the exercise draws; "" if they are the same
    more: tuple[Case, ...] = ()  # further cases that tell the values apart


def variants(name: str) -> list[str]:
    """Names of an exercise's variants; none for most."""
    return [f"{name}:{number}" for number in range(len(VARIATIONS[name].values))] if name in VARIATIONS else []


def variant(name: str) -> Exercise:
    """A variant by its name, one of ``variants``."""
    base, number = find(name.partition(":")[0]), int(name.partition(":")[2])
    varied, called = VARIATIONS[base.name], base.solution.__name__
    value, arguments = varied.values[number], ", ".join(inspect.signature(base.solution).parameters)

    def adapt(plain: Answer, value: float = value) -> Answer:
        return wraps(plain)(eval(f"lambda {arguments}: {varied.answer}", {"plain": plain, "value": value}))

    def fit(cases: Iterable[Case]) -> list[Case]:
        change = eval(f"lambda {arguments}: ({varied.case or arguments},)", {"value": value})
        return [*(change(*case) for case in cases), *varied.more]

    own = f"In your copy ({name}) {varied.sentence.format(value)}"
    wrong = [WrongAnswer(one.name, adapt(one.answer), f"{one.diagnosis}\n{own}") for one in base.wrong_answers]
    wrong.append(WrongAnswer("without the copy's constant", base.oracle, f"Right, but for your constant.\n{own}"))
    for other, theirs in zip(variants(base.name), varied.values, strict=True):
        diagnosis = f"This is right for another student's constant, not for yours.\n{own}"
        wrong += [WrongAnswer(OTHERS + other, adapt(base.oracle, theirs), diagnosis)] if other != name else []
    varying = f"{called} = (lambda plain, value: lambda {arguments}: {varied.answer})({called}, {value})"
    return replace(
        base,
        name=name,
        solution=adapt(base.solution),
        oracle=adapt(base.oracle),
        draw=lambda generator: fit(base.draw(generator)),
        fit=fit,
        wrong_answers=tuple(wrong),
        texts=(_stub(base, own, adapt(base.solution)), f"{base.solution_text}\n\n\n{varying}"),
    )


def _stub(base: Exercise, own: str, answer: Answer) -> str:
    text = textwrap.fill(own, 88, initial_indent="    ", subsequent_indent="    ")
    stub = re.sub(r'""".+?(?="""|\n)', lambda found: f"{found[0]}\n\n{text}", base.stub, count=1)
    stub = re.sub(r"(>>> .*?)  # .*", r"\1", stub)  # what is noted beside an example was for the plain exercise
    names = {"torch": torch, "F": F, base.solution.__name__: answer}
    for example in doctest.DocTestParser().get_examples(stub[: stub.rindex('"""')].rstrip() + "\n"):
        if not example.want:
            exec(example.source, names)
            continue
        new = f"{eval(example.source, names)!r}\n"
        old, new = (textwrap.indent(want, " " * example.indent) for want in (example.want, new))
        stub = stub.replace(f"{example.source}{old}", f"{example.source}{new}")
    return stub


VARIATIONS = {
    "02.1": Variation(
        "the values of all pictures go from 0 to {0}, and {0} is the peak, in place of 1.",
        (10, 100, 255, 1023),
        "plain(super_res / value, high_res / value, border)",
        "value * super_res, value * high_res, border",
    ),
    "03.5": Variation(
        "the convolution has stride {}, and its sizes are rounded up.",
        (2, 3, 4, 5),
        "plain(-(-height // value), -(-width // value), in_channels, out_channels, kernel_size, upscale_factor)",
    ),
    "04.4": Variation(
        "the convolutions have {} taps, in place of 3.",
        (5, 7, 9),
        "plain([dilation for dilation in dilations for _ in range(value // 2)])",  # which sees the same positions
    ),
    "05.1": Variation(
        "the layer has dilation {}: a stamp's values stand so far apart.",
        (2, 3, 4, 5),
        "plain(size, value * (kernel_size - 1) + 1, stride, padding, output_padding)",
    ),
    "05.2": Variation(
        "the kernels are {0} × {0}, in place of 3 × 3.",
        (2, 5, 6, 7),
        "plain(height, width, classes, blocks) // 9 * value**2",
    ),
    "06.1": Variation(
        "the bytes are those of a batch of {} pictures, one matrix each.",
        (3, 5, 6, 7),
        "value * plain(height, width, stride)",
    ),
    "07.2": Variation(
        "the learning rate falls to {} of its start, in place of 0; what lies above that follows the schedule.",
        (0.0625, 0.125, 0.25, 0.5),
        "value * learning_rate + (1 - value) * plain(iteration, iterations, learning_rate, power)",
    ),
    "08.5": Variation(
        "the tolerance is {}, in place of 0.5.",
        (0.25, 0.75, 1.0, 1.5),
        "plain(low / (2 * value), high / (2 * value), size / (2 * value))",
        "2 * value * low, 2 * value * high, 2 * value * size",
        tuple((3 - step, 4.0, 3.0) for step in (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)),
    ),
    "09.1": Variation(
        "the picture was cut out of a larger one, to which the joints belong: its first pixel is their ({0}, {0}).",
        (3, 8, 20, 50),
        "plain(joints - value, image_size, size)",
        "joints + value, image_size, size",
    ),
}
"""By exercise."""
