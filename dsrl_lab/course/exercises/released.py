"""The exercises of a student's copy, as ``dsrl-lab classroom release`` wrote them: recorded results, no solutions."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from dsrl_lab.course.exercises.calls import CALLS, Case
from dsrl_lab.course.exercises.exercise import Exercise, Hint, WrongAnswer
from dsrl_lab.course.exercises.recorded import NumberedCase, Recorded, pack, record, replaying, unpack
from dsrl_lab.files import whole_file
from dsrl_lab.language import translate

FOLDER = Path(__file__).parent / "released"
STAYS = "# The solution of {name} stays with your teacher until the work is handed back."


def save(folder: Path, exercises: Sequence[Exercise], *, sets: int = 4) -> None:
    """Record exercises for students, on some sets of inputs; a ValueError if these are no plain data."""
    tensors: list[Tensor] = []
    released = {exercise.name: _entry(exercise, sets, tensors) for exercise in exercises}
    with whole_file(folder / "exercises.safetensors") as temporary:
        save_file({str(number): tensor for number, tensor in enumerate(tensors)}, temporary)
    with whole_file(folder / "exercises.json") as temporary:
        temporary.write_text(json.dumps(released, ensure_ascii=False, indent=1), encoding="utf-8")


def _entry(exercise: Exercise, sets: int, tensors: list[Tensor]) -> dict[str, Any]:
    drawn = [exercise.draw(torch.Generator().manual_seed(seed)) for seed in range(sets)]
    known = record(exercise, [case for cases in drawn for case in cases])
    assert isinstance(known.oracle, Recorded)
    return {
        "title": exercise.title,
        "difficulty": exercise.difficulty,
        "answer": exercise.solution.__name__,
        "stub": exercise.stub,
        "hints": [[hint.symptom, hint.text] for hint in exercise.hints],
        "run": exercise.run.__name__,
        "lengths": [len(cases) for cases in drawn],
        "cases": pack([tuple(case) for cases in drawn for case in cases], tensors),
        "right": pack(list(known.oracle.results), tensors),
        "wrong": [
            [wrong.name, wrong.diagnosis, pack(list(wrong.answer.results), tensors)]
            for wrong in known.wrong_answers
            if isinstance(wrong.answer, Recorded)
        ],
    }


def load(folder: Path) -> dict[str, Exercise]:
    """The recorded exercises of a folder that ``save`` wrote."""
    entries = json.loads((folder / "exercises.json").read_text(encoding="utf-8"))
    block = load_file(folder / "exercises.safetensors")
    tensors = [block[str(number)] for number in range(len(block))]
    return {name: _exercise(name, entry, tensors) for name, entry in entries.items()}


def _exercise(name: str, entry: dict[str, Any], tensors: list[Tensor]) -> Exercise:
    lengths = entry["lengths"]
    numbered = NumberedCase.row(unpack(entry["cases"], tensors))

    def draw(generator: torch.Generator) -> list[Case]:
        chosen = generator.initial_seed() % len(lengths)
        start = sum(lengths[:chosen])
        return list(numbered[start : start + lengths[chosen]])

    def not_here(*arguments: Any) -> Any:
        raise NotImplementedError

    not_here.__name__ = entry["answer"]
    return Exercise(
        name=name,
        title=entry["title"],
        difficulty=entry["difficulty"],
        solution=not_here,
        oracle=Recorded(tuple(unpack(entry["right"], tensors))),
        draw=draw,
        wrong_answers=tuple(
            WrongAnswer(wrong, Recorded(tuple(unpack(results, tensors))), diagnosis)
            for wrong, diagnosis, results in entry["wrong"]
        ),
        hints=tuple(Hint(symptom, text) for symptom, text in entry["hints"]),
        run=replaying(CALLS[entry["run"]]),
        texts=(entry["stub"], translate(STAYS, name=name)),
    )
