"""Hidden inputs: solutions pass, every known wrong answer fails, and nothing but plain data is drawn."""

from __future__ import annotations

import pytest
import torch

from dsrl_lab.course.exercises.bank import exercises
from dsrl_lab.course.exercises.exercise import Exercise
from dsrl_lab.course.exercises.judge import judge
from dsrl_lab.course.exercises.recorded import pack, record
from dsrl_lab.course.grading.hidden_inputs import DRAWS, check_hidden, hidden_variants
from dsrl_lab.course.grading.release import NUMBERS

each_exercise = pytest.mark.parametrize("exercise", exercises().values(), ids=lambda exercise: exercise.name)


@each_exercise
def test_the_solution_passes(exercise: Exercise) -> None:
    for seed in range(3):
        assert check_hidden(exercise.name, exercise.solution, seed=seed)


@each_exercise
def test_each_wrong_answer_fails(exercise: Exercise) -> None:
    for seed in range(3):
        kind = hidden_variants(exercise.name)[0]
        known = record(kind, kind.draw(torch.Generator().manual_seed(seed)))
        for wrong in exercise.wrong_answers:
            assert not judge(known, wrong.answer, seed=seed), wrong.name


@pytest.mark.parametrize("name", DRAWS)
def test_plain_data_of_another_kind_than_the_check_s(name: str) -> None:
    def shapes(exercise: Exercise) -> set[str]:
        cases = exercise.draw(torch.Generator().manual_seed(0))
        return {str([v.shape if isinstance(v, torch.Tensor) else v for v in case]) for case in cases}

    for exercise in hidden_variants(name):
        pack(exercise.draw(torch.Generator().manual_seed(0)), [])
        assert not shapes(exercise) & shapes(exercises()[name])


def test_every_exercise_of_an_assignment_has_hidden_inputs_of_another_kind() -> None:
    assert [name for name in exercises() if name[:2] in NUMBERS and name not in DRAWS] == []


def test_no_draw_is_left_over() -> None:
    assert set(DRAWS) <= set(exercises())
    with pytest.raises(ValueError, match="unknown exercise"):
        hidden_variants("99.1")


def test_a_long_input_is_a_second_variant_of_one_exercise() -> None:
    assert [len(hidden_variants(name)) for name in ("06.4", "06.5")] == [1, 2]
