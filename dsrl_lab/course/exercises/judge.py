"""Judging an answer: fresh inputs, an oracle, a diagnosis, and no time limit: a slow computer is no mistake."""

import html
import re
import secrets
import traceback
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dsrl_lab.course.exercises.calls import Answer, Case, Mistake
from dsrl_lab.course.exercises.exercise import Exercise
from dsrl_lab.language import translate

RELATIVE, ABSOLUTE = 1e-4, 1e-5  # in float64; for the order of sums
FEW = 6
"""As many numbers are shown in full, yours beside the expected."""

Result = Tensor | dict[str, Tensor]


@dataclass(frozen=True)
class Verdict:
    """The outcome of a check. It is true if the answer is right, so that ``assert check(...)`` grades."""

    exercise: str
    passed: bool
    known_as: str  # name of the wrong answer it was recognised as; "" if right or not recognised
    message: str
    seed: int  # that repeats this check

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        return f"{self._head}\n{self.message}"

    @property
    def _head(self) -> str:
        sign = "✔" if self.passed else "✘"
        return f"{sign} {self.exercise}" + (f" · {translate(self.known_as)}" if self.known_as else "")

    def _repr_html_(self) -> str:
        color = "#009E73" if self.passed else "#D55E00"
        message = re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(self.message))
        return (
            f'<div style="border-left:4px solid {color};padding:4px 12px;margin:4px 0">'
            f"<b>{html.escape(self._head)}</b><br>{message}</div>"
        )


@torch.random.fork_rng(devices=[])  # the reader's own draws go on as if nothing had been checked
def judge(exercise: Exercise, answer: Answer, *, seed: int | None = None) -> Verdict:
    """Try an answer on fresh inputs, which a seed repeats; an answer that is no function raises a ValueError."""
    if not callable(answer):
        raise ValueError(
            f"expected a function with the signature of {exercise.name}'s stub, got {type(answer).__name__}; "
            "pass the function itself, without calling it"
        )
    seed = secrets.randbelow(2**31) if seed is None else seed

    def verdict(message: str, *, known_as: str = "", passed: bool = False) -> Verdict:
        return Verdict(exercise.name, passed, known_as, message, seed)

    cases = exercise.draw(torch.Generator().manual_seed(seed))
    expected = [as_result(exercise.run(exercise.oracle, case)) for case in cases]
    got: list[Result] = []
    for case in cases:
        try:
            got.append(as_result(exercise.run(answer, case)))
        except NotImplementedError:
            still_open = "Still open: write the body in place of `raise NotImplementedError`, then run the cell again."
            return verdict(translate(still_open))
        except Exception as error:  # whatever the reader's code raises becomes a sentence
            return verdict(_raised(error, answer, case))
    if all(map(_equal, got, expected)):
        plural, title = "s" * (len(cases) > 1), translate(exercise.title)
        right = translate("Right, on {n} fresh input{plural}. {title}.", n=len(cases), plural=plural, title=title)
        return verdict(right, passed=True)
    for wrong in exercise.wrong_answers:
        if _gives(exercise, wrong.answer, cases, got):
            return verdict(" ".join(map(translate, wrong.diagnosis.split("\n"))), known_as=wrong.name)
    first = next(i for i in range(len(cases)) if not _equal(got[i], expected[i]))
    return verdict(f"{_difference(got[first], expected[first])} {_inputs(cases[first])}")


def _inputs(case: Case) -> str:
    return translate("The inputs were {inputs}.", inputs=", ".join(map(describe, case)))


def _gives(exercise: Exercise, answer: Answer, cases: list[Case], results: list[Result]) -> bool:
    try:
        return all(_equal(got, as_result(exercise.run(answer, case))) for got, case in zip(results, cases, strict=True))
    except Exception:  # a wrong answer that cannot be called with these inputs explains nothing
        return False


def as_result(value: Any) -> Result:
    """A result as it is compared, in float64 on the CPU; a Mistake if it holds no numbers."""
    if isinstance(value, dict):
        return {str(name): _as_tensor(item) for name, item in value.items()}
    return _as_tensor(value)


def _as_tensor(value: Any) -> Tensor:
    try:
        tensor = value if isinstance(value, Tensor) else torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        sentence = "Your result is {kind}, not a number, a list of numbers or a tensor."
        raise Mistake(sentence, kind=type(value).__name__) from error
    return tensor.detach().to("cpu", torch.float64)


def _equal(a: Result, b: Result) -> bool:
    if isinstance(a, dict) or isinstance(b, dict):
        return isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys() and not _unequal(a, b)
    if a.shape != b.shape or not torch.allclose(a, b, RELATIVE, ABSOLUTE, equal_nan=True):
        return False
    counts = b.isfinite() & (b == b.round())  # whole numbers are counts: one too many is wrong, among millions too
    return bool(((a - b)[counts].abs() < 0.5).all())


def _unequal(a: dict[str, Tensor], b: dict[str, Tensor]) -> list[str]:
    return [name for name in b if name in a and not _equal(a[name], b[name])]


class RaisedElsewhere(Exception):  # noqa: N818 - it stands for any exception
    """An exception of an answer that ran in another process; ``place`` is as " (line 3: x @ x)" or ""."""

    def __init__(self, kind: str, text: str, place: str = "") -> None:
        super().__init__(text)
        self.kind, self.place = kind, place


def _raised(error: Exception, answer: Answer, case: Case) -> str:
    kind, place = type(error).__name__, ""
    if isinstance(error, RaisedElsewhere):
        kind, place = error.kind, error.place
    else:  # the answer's own line, not one of the library that it calls or of this check
        file = getattr(getattr(answer, "__code__", None), "co_filename", None)
        own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file and frame.line]
        place = translate(" (line {number}: {text})", number=own[-1].lineno, text=own[-1].line) if own else ""
    if kind == Mistake.__name__:
        return str(error)
    return f"{kind}: {error}{place}. {_inputs(case)}"


def _difference(got: Result, expected: Result) -> str:
    if isinstance(expected, dict):
        return _difference_by_name(got, expected)
    shape, theirs = tuple(expected.shape), tuple(got.shape) if isinstance(got, Tensor) else ()
    if isinstance(got, dict):
        return translate("Your result is a dictionary, expected a tensor of shape {shape}.", shape=shape)
    if theirs != shape:
        sentence = "The shape is {theirs}, expected {shape}: what does each axis stand for?"
        return translate(sentence, theirs=theirs, shape=shape)
    if bool(got.isnan().any()) and not bool(expected.isnan().any()):
        return translate("There is NaN in the result: somewhere 0 is divided by 0, or infinity meets infinity.")
    if expected.numel() <= FEW:
        yours, right = _numbers(got, expected), _numbers(expected, got)
        return translate("You gave {yours}, expected {right}.", yours=yours, right=right)
    here = expected.abs() > ABSOLUTE
    ratios = got[here] / expected[here]
    if ratios.numel() and _equal(ratios, ratios.mean().expand_as(ratios)) and _equal(got[~here], expected[~here]):
        sentence = "Everything is {ratio} times what it should be: a factor is missing or too many."
        return translate(sentence, ratio=f"{float(ratios.mean()):.4g}")
    worst = int((got - expected).abs().argmax())
    return translate(
        "The shape is right, {wrong} of {total} numbers are not. The largest difference is at {place}: "
        "you gave {yours}, expected {right}.",
        wrong=int((got - expected).abs().gt(ABSOLUTE).sum()),
        total=expected.numel(),
        place=[int(i) for i in torch.unravel_index(torch.tensor(worst), expected.shape)],
        yours=_numbers(got.flatten()[worst]),
        right=_numbers(expected.flatten()[worst]),
    )


def _difference_by_name(got: Result, expected: dict[str, Tensor]) -> str:
    if not isinstance(got, dict):
        sentence = "Your result has shape {shape}, expected a dictionary with {n} names."
        return translate(sentence, shape=tuple(got.shape), n=len(expected))
    missing, extra = ([name for name in a if name not in b] for a, b in ((expected, got), (got, expected)))
    shown = [", ".join(f"`{x}`" for x in a[:3]) + translate(" and others") * (len(a) > 3) for a in (missing, extra)]
    lacks = "{n} of {total} names are missing: {names}."
    parts = [translate(lacks, n=len(missing), total=len(expected), names=shown[0])] if missing else []
    surplus = "{n} of {total} names do not belong there: {names}."
    parts += [translate(surplus, n=len(extra), total=len(got), names=shown[1])] if extra else []
    if not parts:
        first, *others = _unequal(got, expected)
        parts = [f"`{first}`: {_difference(got[first], expected[first])}"]
        parts += [translate("{n} more differ.", n=len(others))] if others else []
    return " ".join(parts)


def _numbers(values: Tensor, other: Tensor | None = None) -> str:
    """Numbers as short as they may be, and longer where those to compare with would read the same."""
    digits = next((d for d in (4, 7, 10) if other is None or _rounded(values, d) != _rounded(other, d)), 10)
    shown = _rounded(values, digits)
    return shown[0] if values.ndim == 0 else f"[{', '.join(shown)}]"


def _rounded(values: Tensor, digits: int) -> list[str]:
    return [f"{v:.0f}" if v.is_integer() and abs(v) < 1e15 else f"{v:.{digits}g}" for v in values.flatten().tolist()]


def describe(value: Any) -> str:
    """An input in a few words."""
    if isinstance(value, Tensor):
        return translate("a tensor {shape}", shape=tuple(value.shape))
    if isinstance(value, dict):
        named = f"{', '.join(map(repr, list(value)[:3]))}{', ...' * (len(value) > 3)}"
        return translate("a dictionary of {n} ({named})", n=len(value), named=named)
    if isinstance(value, list | tuple) and any(isinstance(item, Tensor) for item in value):
        shown = f"{', '.join(map(describe, value[:3]))}{', ...' * (len(value) > 3)}"
        return translate("a {kind} of {n} ({shown})", kind=type(value).__name__, n=len(value), shown=shown)
    return repr(value) if len(repr(value)) <= 120 else f"{repr(value)[:110]} ..."
