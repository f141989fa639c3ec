"""An assignment's inputs and right results, drawn once for a class."""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from dsrl_lab.course.exercises.bank import find
from dsrl_lab.course.exercises.calls import Case
from dsrl_lab.course.exercises.exercise import Exercise
from dsrl_lab.course.exercises.judge import Result
from dsrl_lab.course.exercises.recorded import Recorded, record
from dsrl_lab.course.exercises.solutions.variants import variants
from dsrl_lab.course.grading.handin import own_source
from dsrl_lab.course.grading.hidden_inputs import hidden_variants
from dsrl_lab.course.grading.messages import encode, numbers
from dsrl_lab.course.grading.notebook_file import Cell, read


@dataclass(frozen=True)
class Trial:
    """An exercise on drawn inputs, with all right and known wrong results recorded."""

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
        return 2 * max([512, *(numbers(result) for results in self.results for result in results)])


@dataclass(frozen=True, kw_only=True)
class Task:
    """One exercise with its inputs and the recorded right results."""

    name: str  # "06.2"
    answer: str  # name of the function that is asked for
    points: int  # for each half
    run: str  # how it is called, a name of ``CALLS``
    visible: Trial  # inputs of the check's own kind
    hidden: tuple[Trial, ...]  # inputs of other kinds


@dataclass(frozen=True)
class AnswerKey:
    """An assignment as the grader knows it."""

    name: str  # of the assignment and of its notebook
    tasks: tuple[Task, ...]
    cells: tuple[Cell, ...]  # of the released notebook

    @property
    def frame(self) -> frozenset[str]:
        """Code that was handed out; it is run by the statement, where an answer needs it."""
        return frozenset(cell.source for cell in self.cells if cell.kind == "code")

    @property
    def never_run(self) -> frozenset[str]:
        """Checks that were handed out; the grader judges in their place."""
        return frozenset(cell.source for cell in self.cells if cell.grade_id.endswith(("-check", "-hidden")))

    @property
    def out_of(self) -> int:
        """The most points."""
        return 2 * sum(task.points for task in self.tasks)

    @property
    def solved(self) -> list[Cell]:
        """The cells with every exercise's own solution as the answer."""
        exercises = {task.name.replace(".", "-") + "-answer": task.visible.exercise for task in self.tasks}
        solutions = {grade_id: exercise.solution_text for grade_id, exercise in exercises.items()}
        return [replace(cell, source=solutions.get(cell.grade_id, cell.source)) for cell in self.cells]

    @property
    def digest(self) -> str:
        """SHA-256 of points, inputs and results."""
        trials = [(task, trial) for task in self.tasks for trial in (task.visible, *task.hidden)]
        content = [(one.name, one.points, [tuple(case) for case in t.cases], t.results) for one, t in trials]
        return hashlib.sha256(encode(content)).hexdigest()


def answer_key(release: Path, *, seed: int) -> AnswerKey:
    """Draw the inputs of an assignment and record what is right for them; raises ValueError if it asks nothing."""
    cells = read(release)
    checks = [cell for cell in cells if cell.grade_id.endswith("-check")]
    points = {check.grade_id[:-6].replace("-", "."): int(check.metadata["nbgrader"]["points"]) for check in checks}
    if not points:
        raise ValueError(f"expected graded cells in {release}, found none; build it with dsrl-lab classroom release")
    return AnswerKey(release.stem, tuple(_task(name, points[name], seed) for name in points), tuple(cells))


def with_variants(key: AnswerKey, own: Iterable[str], *, seed: int) -> AnswerKey:
    """The key for a student's copy, in which some exercises are variants, "05.1:2"."""
    names = {name.partition(":")[0]: name for name in own}
    tasks = [_task(names[task.name], task.points, seed) if task.name in names else task for task in key.tasks]
    cells = [replace(cell, source=own_source(cell.grade_id, cell.source, names.values())) for cell in key.cells]
    return replace(key, tasks=tuple(tasks), cells=tuple(cells))


def draw_variants(questions: Iterable[str], student: str, *, seed: int) -> tuple[str, ...]:
    """The variants in a student's copy, drawn by the class's secret seed."""
    found = {name: names for name in questions if (names := variants(name))}
    draws = {name: hmac.digest(str(seed).encode(), f"{student} {name}".encode(), "sha256") for name in found}
    return tuple(names[int.from_bytes(draws[name]) % len(names)] for name, names in found.items())


def _task(name: str, points: int, seed: int) -> Task:
    plain = name.partition(":")[0]
    return Task(
        name=plain,
        answer=find(plain).solution.__name__,
        points=points,
        run=find(plain).run.__name__,
        visible=_trial(find(name), f"{seed} {name} visible"),
        hidden=tuple(_trial(kind, f"{seed} {name} hidden {n}") for n, kind in enumerate(hidden_variants(name))),
    )


def _trial(exercise: Exercise, purpose: str) -> Trial:
    seed = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:7])  # no trial gives another's away
    return Trial(record(exercise, exercise.draw(torch.Generator().manual_seed(seed))))
