"""Exercises as data judge like exercises as code, and hold no code."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from dsrl_lab.course.exercises.bank import exercises
from dsrl_lab.course.exercises.exercise import Exercise
from dsrl_lab.course.exercises.judge import RaisedElsewhere, judge
from dsrl_lab.course.exercises.recorded import NumberedCase, Recorded, pack, record, replaying, results_of, unpack
from dsrl_lab.course.exercises.released import load, save

each_exercise = pytest.mark.parametrize("exercise", exercises().values(), ids=lambda exercise: exercise.name)


@each_exercise
def test_a_record_judges_like_the_code(exercise: Exercise) -> None:
    cases = exercise.draw(torch.Generator().manual_seed(3))
    known = record(exercise, cases)
    assert judge(known, exercise.solution)
    for wrong in exercise.wrong_answers:
        assert judge(known, wrong.answer).known_as == wrong.name
        assert judge(known, results_of(exercise, wrong.answer, cases)).known_as == wrong.name


def test_exercises_are_saved_and_loaded_without_code(tmp_path: Path) -> None:
    save(tmp_path, list(exercises().values()), sets=2)
    assert list(load(tmp_path)) == list(exercises())
    for name, exercise in load(tmp_path).items():
        original = exercises()[name]
        assert exercise.stub == original.stub and "stays with your teacher" in exercise.solution_text
        assert exercise.solution.__name__ == original.solution.__name__
        for seed in range(4):
            assert judge(exercise, original.solution, seed=seed)
        assert "Still open" in judge(exercise, exercise.solution).message
        for wrong in original.wrong_answers:
            assert judge(exercise, wrong.answer).known_as == wrong.name
        with pytest.raises(TypeError, match="a recorded answer is looked up"):
            exercise.oracle(1)


def test_what_was_raised_elsewhere_is_told_with_its_place() -> None:
    exercise = exercises()["06.1"]
    known = record(exercise, [(16, 16, 8)])
    raised = Recorded((RaisedElsewhere("KeyError", "'a'", " (line 3: x['a'])"),))
    assert judge(known, raised).message == "KeyError: 'a' (line 3: x['a']). The inputs were 16, 16, 8."
    assert "Still open" in judge(known, Recorded((NotImplementedError(),))).message


@pytest.mark.parametrize(
    "value", [None, True, 3, -1.5, "a", [1, (2, "b")], {"a": [None]}, (), math.inf, torch.Size([2, 3])]
)
def test_plain_data_comes_back_as_it_was(value: object) -> None:
    assert unpack(pack(value, []), []) == value


def test_tensors_come_back_with_shape_and_type() -> None:
    kept: list[torch.Tensor] = []
    packed = pack([torch.arange(6).reshape(2, 3).T, {"x": torch.zeros(0, 3, dtype=torch.float16)}], kept)
    a, b = unpack(packed, kept)
    assert torch.equal(a, torch.arange(6).reshape(2, 3).T) and b["x"].dtype == torch.float16


@pytest.mark.parametrize("value", [object(), lambda: 1, torch.nn.Linear(1, 1), {1: 2}, {3}, b"bytes"])
def test_what_could_run_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="expected plain data"):
        pack([value], [])


@pytest.mark.parametrize("packed", [{"tensor": 1}, {"tensor": True}, {"call": "os.system"}, {}, [1], {"list": 3}])
def test_what_pack_never_wrote_is_refused(packed: object) -> None:
    with pytest.raises(ValueError, match="expected packed plain data"):
        unpack(packed, [torch.ones(1)])


def test_numbered_cases_replay_what_was_recorded_and_run_the_rest() -> None:
    cases = NumberedCase.row([(2,), (4, 2)])
    assert [case.number for case in cases] == [0, 1] and cases[1] == (4, 2)
    replay = replaying(lambda answer, case: answer(*case))
    assert replay(Recorded((torch.tensor(4.0),)), cases[0]) == 4 and replay(lambda x: x**3, cases[0]) == 8


def test_what_an_answer_raises_is_its_result() -> None:
    exercise = exercises()["06.1"]
    right, raised = results_of(exercise, exercise.solution, [(16, 16, 8), (1, 1, 0)]).results
    assert right == torch.tensor(64.0, dtype=torch.float64) and isinstance(raised, ZeroDivisionError)
