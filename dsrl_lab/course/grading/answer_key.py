"""What an assignment asks and what is right: drawn once for a class, so that all are tried on the same inputs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from dsrl_lab.course.exercises.bank import find
from dsrl_lab.course.exercises.calls import Case
from dsrl_lab.course.exercises.exercise import Exercise
from dsrl_lab.course.exercises.judge import Result
from dsrl_lab.course.exercises.recorded import Recorded, record
from dsrl_lab.course.grading.hidden_inputs import hidden_variants
from dsrl_lab.course.grading.messages import encode
from dsrl_lab.course.grading.notebook_file import Cell, read


@dataclass(frozen=True)
class Trial:
    """An exercise on inputs that are drawn, with all right and known wrong results recorded."""

    exercise: Exercise

    @property
    def cases(self) -> list[Case]:
        """The inputs."""
        return self.exercise.draw(torch.Generator())

    @property
    def results(self) -> list[list[Result]]:
        """Right results, then those of each known wrong answer."""
        known = [self.exercise.oracle, *(wrong.answer for wrong in self.exercise.wrong_answers)]
        recorded = [answer.results for answer in known if isinstance(answer, Recorded)]
        return [[result for result in results if not isinstance(result, Exception)] for results in recorded]

    @property
    def most(self) -> int:
        """Numbers of the largest result that is taken: twice the largest known one."""
        return 2 * max([512, *(_size(result) for results in self.results for result in results)])


def _size(result: Result) -> int:
    return sum(part.numel() for part in (result.values() if isinstance(result, dict) else [result]))


@dataclass(frozen=True, kw_only=True)
class Task:
    """One exercise with its inputs and the recorded right results.

    Attributes:
        name: "06.2".
        answer: name of the function that is asked for.
        points: for each half.
        visible: inputs of the check's own kind.
        hidden: inputs of other kinds.
    """

    name: str
    answer: str
    points: int
    visible: Trial
    hidden: tuple[Trial, ...]


@dataclass(frozen=True)
class AnswerKey:
    """An assignment as the grader knows it.

    Attributes:
        name: of the assignment and of its notebook.
        tasks: in order.
        cells: of the released notebook.
    """

    name: str
    tasks: tuple[Task, ...]
    cells: tuple[Cell, ...]

    @property
    def frame(self) -> frozenset[str]:
        """Code that was handed out, which is run by the statement, and only where an answer needs it."""
        return frozenset(cell.source for cell in self.cells if cell.kind == "code")

    @property
    def never_run(self) -> frozenset[str]:
        """Checks that were handed out: the grader judges in their place."""
        return frozenset(cell.source for cell in self.cells if cell.grade_id.endswith(("-check", "-hidden")))

    @property
    def out_of(self) -> int:
        """The most that can be reached."""
        return 2 * sum(task.points for task in self.tasks)

    @property
    def solved(self) -> list[Cell]:
        """The cells of a submission in which every answer is the exercise's own solution."""
        solutions = {task.name.replace(".", "-") + "-answer": find(task.name).solution_text for task in self.tasks}
        return [replace(cell, source=solutions.get(cell.grade_id, cell.source)) for cell in self.cells]

    @property
    def digest(self) -> str:
        """SHA-256 of all that a grade depends on in here: points, inputs, results."""
        trials = [(task.name, task.points, trial) for task in self.tasks for trial in (task.visible, *task.hidden)]
        return hashlib.sha256(
            encode([(n, p, [tuple(c) for c in t.cases], t.results) for n, p, t in trials])
        ).hexdigest()


def answer_key(release: Path, *, seed: int) -> AnswerKey:
    """Draw the inputs of an assignment and record what is right for them.

    Raises:
        ValueError: the notebook asks nothing.
    """
    cells = read(release)
    tasks = _tasks(cells, seed)
    if not tasks:
        raise ValueError(f"expected graded cells in {release}, found none; build it with dsrl-lab classroom release")
    return AnswerKey(release.stem, tuple(tasks), tuple(cells))


def _tasks(cells: Sequence[Cell], seed: int) -> list[Task]:
    tasks = []
    for cell in (cell for cell in cells if cell.grade_id.endswith("-check")):
        name = cell.grade_id.removesuffix("-check").replace("-", ".")
        variants = [_trial(variant, f"{seed} {name} hidden {n}") for n, variant in enumerate(hidden_variants(name))]
        tasks.append(
            Task(
                name=name,
                answer=find(name).solution.__name__,
                points=int(cell.metadata["nbgrader"]["points"]),
                visible=_trial(find(name), f"{seed} {name} visible"),
                hidden=tuple(variants),
            )
        )
    return tasks


def _trial(exercise: Exercise, purpose: str) -> Trial:
    """Inputs that tell nothing of each other: each has a seed of its own."""
    seed = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:7])
    return Trial(record(exercise, exercise.draw(torch.Generator().manual_seed(seed))))
