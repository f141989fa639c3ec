"""What an assignment asks and what is right: drawn once for a class, so that all are tried on the same inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from dsrl_lab.course.exercises.bank import find
from dsrl_lab.course.exercises.exercise import Exercise
from dsrl_lab.course.exercises.recorded import record
from dsrl_lab.course.grading.hidden_inputs import further
from dsrl_lab.course.grading.notebook_file import Cell, read


@dataclass(frozen=True, kw_only=True)
class Task:
    """One exercise with its inputs and the recorded right results.

    Attributes:
        name: "06.2".
        answer: name of the function that is asked for.
        points: for each half.
        visible: inputs of the check's own kind.
        further: inputs of other kinds.
        seed: that the inputs were drawn with.
    """

    name: str
    answer: str
    points: int
    visible: Exercise
    further: tuple[Exercise, ...]
    seed: int


@dataclass(frozen=True)
class Paper:
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
        ends = ("-check", "-further")
        return frozenset(cell.source for cell in self.cells if cell.grade_id.endswith(ends))

    @property
    def out_of(self) -> int:
        """The most that can be reached."""
        return 2 * sum(task.points for task in self.tasks)


def paper(release: Path, *, seed: int) -> Paper:
    """Draw the inputs of an assignment and record what is right for them.

    Args:
        release: the released notebook.
        seed: a secret of the grader's.

    Raises:
        ValueError: the notebook asks nothing.
    """
    cells = read(release)
    tasks = _tasks(cells, seed)
    if not tasks:
        raise ValueError(f"expected graded cells in {release}, found none; build it with dsrl-lab classroom release")
    return Paper(release.stem, tuple(tasks), tuple(cells))


def _tasks(cells: Sequence[Cell], seed: int) -> list[Task]:
    tasks: list[Task] = []
    for cell in cells:
        if not cell.grade_id.endswith("-check"):
            continue
        name = cell.grade_id.removesuffix("-check").replace("-", ".")
        exercise, own = find(name), seed + len(tasks)
        generator = torch.Generator().manual_seed(own)
        variants = tuple(record(more, more.draw(torch.Generator().manual_seed(own + 1000))) for more in further(name))
        tasks.append(
            Task(
                name=name,
                answer=exercise.solution.__name__,
                points=int(cell.metadata["nbgrader"]["points"]),
                visible=record(exercise, exercise.draw(generator)),
                further=variants,
                seed=own,
            )
        )
    return tasks
