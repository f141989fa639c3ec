"""The exercises of a student's copy of the kit: stubs, hints, and recorded results in place of solutions.

Inputs, right results and what known wrong answers give are read from ``released/exercises.{json,safetensors}`` beside
this file, which ``dsrl-lab classroom release`` writes. Several sets of inputs are kept; a check takes one by its seed.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from safetensors.torch import save as save_tensors
from torch import Tensor

from dsrl_lab.course.exercises.exercise import Answer, Case, Exercise, Hint, WrongAnswer, call
from dsrl_lab.course.exercises.recorded import NumberedCase, Recorded, pack, record, replaying, unpack

FOLDER = Path(__file__).parent / "released"
Draw = Callable[[torch.Generator], list[Case]]


@dataclass(frozen=True, kw_only=True)
class ReleasedExercise(Exercise):
    """An exercise whose code stayed with the teacher.

    Attributes:
        answer_name: of the function that is asked for.
        text: the stub.
        fresh: draws inputs that are no plain data; None where they are recorded.
    """

    answer_name: str
    text: str
    fresh: Draw | None = None

    @property
    def stub(self) -> str:
        """The stub as it was handed out."""
        return self.text

    @property
    def solution_text(self) -> str:
        """Says where the solution is."""
        return f"# The solution of {self.name} stays with your teacher until the work is handed back."


@dataclass(frozen=True)
class Kept:
    """Names in the student's copy of the code that an exercise needs beside its records.

    Attributes:
        run: "module:function" that calls an answer; "" for the plain call.
        draw: "module:function" that draws inputs; "" where they are recorded.
    """

    run: str = ""
    draw: str = ""


def is_plain(exercise: Exercise) -> bool:
    """Whether an exercise's inputs are plain data, which can be recorded and sent.

    Example:
        >>> from dsrl_lab.course.exercises.bank import find
        >>> is_plain(find("06.2"))
        True
    """
    try:
        pack(exercise.draw(torch.Generator().manual_seed(0)), [])
    except ValueError:
        return False
    return True


def save(folder: Path, exercises: Sequence[Exercise], kept: dict[str, Kept], *, sets: int = 4) -> None:
    """Record exercises for students.

    Args:
        folder: gets two files.
        exercises: with their code.
        kept: by exercise, what of the code goes along.
        sets: of inputs for each exercise.
    """
    tensors: list[Tensor] = []
    released = {exercise.name: _entry(exercise, kept[exercise.name], sets, tensors) for exercise in exercises}
    folder.mkdir(parents=True, exist_ok=True)
    block = save_tensors({str(number): tensor for number, tensor in enumerate(tensors)})
    (folder / "exercises.safetensors").write_bytes(block)  # readable for all, as save_file's are not
    text = json.dumps(released, ensure_ascii=False, indent=1)
    (folder / "exercises.json").write_text(text, encoding="utf-8")


def _entry(exercise: Exercise, kept: Kept, sets: int, tensors: list[Tensor]) -> dict[str, Any]:
    drawn = [exercise.draw(torch.Generator().manual_seed(seed)) for seed in range(sets)]
    known = record(exercise, [case for cases in drawn for case in cases])
    assert isinstance(known.oracle, Recorded)
    return {
        "title": exercise.title,
        "difficulty": exercise.difficulty,
        "importance": exercise.importance,
        "minutes": exercise.minutes,
        "answer": exercise.solution.__name__,
        "stub": exercise.stub,
        "hints": [[hint.symptom, hint.text] for hint in exercise.hints],
        "run": kept.run,
        "draw": kept.draw,
        "lengths": [len(cases) for cases in drawn],
        "cases": None if kept.draw else pack([tuple(case) for cases in drawn for case in cases], tensors),
        "right": pack(list(known.oracle.results), tensors),
        "wrong": [
            [wrong.name, wrong.diagnosis, pack(list(wrong.answer.results), tensors)]
            for wrong in known.wrong_answers
            if isinstance(wrong.answer, Recorded)
        ],
    }


def load(folder: Path) -> dict[str, ReleasedExercise]:
    """The recorded exercises of a folder; none if there is no record.

    Args:
        folder: that ``save`` wrote.

    Example:
        >>> load(Path("a_teachers_copy_has_none"))
        {}
    """
    if not (folder / "exercises.json").is_file():
        return {}
    named = load_file(folder / "exercises.safetensors")
    tensors = [named[str(number)] for number in range(len(named))]
    entries = json.loads((folder / "exercises.json").read_text(encoding="utf-8"))
    return {name: _exercise(name, entry, tensors) for name, entry in entries.items()}


def _exercise(name: str, entry: dict[str, Any], tensors: list[Tensor]) -> ReleasedExercise:
    fresh = _function(entry["draw"]) if entry["draw"] else None
    lengths = entry["lengths"]
    if fresh is None:
        cases = unpack(entry["cases"], tensors)
    else:
        cases = [case for seed in range(len(lengths)) for case in fresh(torch.Generator().manual_seed(seed))]
    numbered = NumberedCase.row(cases)

    def draw(generator: torch.Generator) -> list[Case]:
        chosen = generator.initial_seed() % len(lengths)
        start = sum(lengths[:chosen])
        return list(numbered[start : start + lengths[chosen]])

    def not_here(*arguments: Any) -> Any:
        raise NotImplementedError

    return ReleasedExercise(
        name=name,
        title=entry["title"],
        difficulty=entry["difficulty"],
        importance=entry["importance"],
        minutes=entry["minutes"],
        solution=not_here,
        oracle=Recorded(tuple(unpack(entry["right"], tensors))),
        draw=draw,
        wrong_answers=tuple(
            WrongAnswer(wrong, Recorded(tuple(unpack(results, tensors))), diagnosis)
            for wrong, diagnosis, results in entry["wrong"]
        ),
        hints=tuple(Hint(symptom, text) for symptom, text in entry["hints"]),
        run=replaying(_function(entry["run"]) if entry["run"] else call),
        answer_name=entry["answer"],
        text=entry["stub"],
        fresh=fresh,
    )


def _function(place: str) -> Callable[..., Any]:
    module, _, name = place.partition(":")
    function: Answer = getattr(importlib.import_module(module), name)
    return function


EXERCISES: dict[str, Exercise] = {**load(FOLDER)}
