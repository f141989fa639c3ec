"""Grading one submission: what a student's functions return comes out of a sandbox and is judged here.

The student's process gets inputs and gives numbers. Expected numbers, hidden inputs' results and the score stay in this
process, so there is nothing in there to patch. If the process is stopped, the rest is tried again without the culprit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from dsrl_lab.course.exercises.exercise import Exercise
from dsrl_lab.course.exercises.judge import RaisedElsewhere, Result, Verdict, judge
from dsrl_lab.course.exercises.recorded import Recorded
from dsrl_lab.course.grading.notebook_file import Cell
from dsrl_lab.course.grading.paper import Paper, Task
from dsrl_lab.course.grading.sandbox import Sandbox, Stopped

UNRECOGNISED = (
    "Right for the inputs of the check, not for inputs of other kinds. Think of the smallest and the largest that the "
    "docstring allows, of one and of many, of sizes that differ from each other."
)
WORTH_A_LOOK = re.compile(
    r"\b(pixel_shuffle|PixelShuffle|affinity_matrix|feature_affinity_loss|pixel_unshuffle|eval|exec|getattr|setattr|"
    r"__import__|importlib|ctypes|inspect|subprocess|socket|pickle|gc|os|sys)\b"
)


@dataclass(frozen=True)
class Mark:
    """What one exercise of a submission earned.

    Attributes:
        question: "06.2".
        points: earned.
        out_of: that could be earned.
        passed: the visible check.
        passed_further: inputs of other kinds.
        known_as: name of the misconception that was recognised; "" if none.
        message: the diagnosis that self-study gives.
        further_message: on the other inputs; tells nothing of them.
        code: the student's own, as handed in.
    """

    question: str
    points: int
    out_of: int
    passed: bool
    passed_further: bool
    known_as: str
    message: str
    further_message: str = ""
    code: str = ""


@dataclass
class Result:
    """What a submission earned, and what was seen on the way.

    Attributes:
        marks: one for each exercise.
        notes: what the student should know: cells that failed or were stopped.
        look: words in the answers that a person may want to look at.
        printed: by the student's cells, before any hidden input was sent.
        problem: why nothing could be graded; "" if it could.
        peak_memory: bytes of its own that the student's processes held.
        cpu_seconds: of the student's processes, as seen from outside.
    """

    marks: list[Mark] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    look: list[str] = field(default_factory=list)
    printed: str = ""
    problem: str = ""
    peak_memory: int = 0
    cpu_seconds: float = 0.0

    @property
    def score(self) -> int:
        """Points earned."""
        return sum(mark.points for mark in self.marks)

    def as_dict(self) -> dict[str, Any]:
        """As plain data, with the score."""
        return {"score": self.score, **asdict(self)}


def unreadable(paper: Paper, problem: str) -> Result:
    """The result of a submission that cannot be taken: nothing earned, and why."""
    marks = [Mark(task.name, 0, 2 * task.points, False, False, "", problem) for task in paper.tasks]
    return Result(marks=marks, problem=problem)


def grade(paper: Paper, cells: Sequence[Cell], open_sandbox: Callable[[], AbstractContextManager[Sandbox]]) -> Result:
    """Grade a submission's cells.

    Args:
        paper: what was asked, and what is right.
        cells: of the submission.
        open_sandbox: starts a fresh process; called again when one was stopped.
    """
    work = _Work(paper, cells)
    for _ in range(2 * len(paper.tasks) + 2):
        with open_sandbox() as box:
            try:
                work.go_on(box)
            except Stopped as stop:
                work.note_stop(str(stop))
            work.keep(box)
        if work.done:
            break
    return work.result()


class _Work:
    """One submission while it is graded: what is done, what was stopped."""

    def __init__(self, paper: Paper, cells: Sequence[Cell]) -> None:
        self.paper = paper
        self.cells = [_owned(cell, paper) for cell in cells]
        self.sources = [cell.source for cell in cells]
        self.verdicts: dict[str, tuple[Verdict | None, Verdict | None]] = {}
        self.stopped: dict[str, str] = {}  # question -> why
        self.stopped_cells: dict[int, str] = {}
        self.notes: dict[str, None] = {}
        self.printed: bytes | None = None
        self.peak, self.cpu_seconds = 0, 0.0
        self.done = False
        self._at: tuple[str, Any] = ("prepare", None)

    def go_on(self, box: Sandbox) -> None:
        """Run what the answers need, then try every answer that is still open."""
        self._at = ("prepare", None)
        cells = [["frame", ""] if number in self.stopped_cells else cell for number, cell in enumerate(self.cells)]
        plan = _Plan.of(box.ask("prepare", cells, [task.answer for task in self.paper.tasks]))
        for cell, message in plan.unreadable.items():
            self.notes[f"Cell {cell + 1} cannot be read: {message}"] = None
        for unit, cell in enumerate(plan.cells):
            self._at = ("cell", cell)
            if message := _text(box.ask("run", unit)):
                self.notes[f"Cell {cell + 1}: {message}"] = None
        box.stop_listening()
        for task in self.paper.tasks:
            if task.name not in self.verdicts:
                self._at = ("question", task.name)
                self._try(box, task)
        self.done = True

    def _try(self, box: Sandbox, task: Task) -> None:
        visible = _judge(box, task, task.visible)
        self.verdicts[task.name] = (visible, None)
        if visible.passed:
            further = [_judge(box, task, exercise) for exercise in task.further]
            self.verdicts[task.name] = (visible, next((v for v in further if not v.passed), further[-1]))

    def note_stop(self, why: str) -> None:
        """Remember what was running when the process was stopped, so that it is left out next time."""
        kind, what = self._at
        if kind == "question":
            self.stopped[what] = why
            self.verdicts.setdefault(what, (None, None))
        elif kind == "cell" and what not in self.stopped_cells:
            self.stopped_cells[what] = why
            self.notes[f"Cell {what + 1} was stopped: {why}."] = None
        else:
            self.notes[f"The notebook could not be run: {why}."] = None
            self.done = True
        self.done = self.done or len(self.verdicts) == len(self.paper.tasks)

    def keep(self, box: Sandbox) -> None:
        """Keep what the first process printed."""
        if self.printed is None:
            self.printed = box.output
        self.peak = max(self.peak, box.peak_memory)
        self.cpu_seconds += box.cpu_seconds

    def result(self) -> Result:
        """What was earned."""
        marks = [self._mark(task) for task in self.paper.tasks]
        handed_out = {word for source in self.paper.frame for word in WORTH_A_LOOK.findall(source)}
        words = {word for mark in marks for word in WORTH_A_LOOK.findall(mark.code)} - handed_out
        return Result(
            marks=marks,
            notes=list(self.notes),
            look=sorted(words),
            printed=(self.printed or b"").decode("utf-8", errors="replace"),
            peak_memory=self.peak,
            cpu_seconds=round(self.cpu_seconds, 2),
        )

    def _mark(self, task: Task) -> Mark:
        visible, further = self.verdicts.get(task.name, (None, None))
        why = self.stopped.get(task.name, "")
        passed, passed_further = bool(visible), bool(visible) and bool(further)
        message = f"It was stopped: {why}." if why else "It could not be tried."
        if visible is not None:  # a verdict is false if the answer is wrong
            message = visible.message
        said = ""
        if passed and not passed_further:
            said = (
                f"It was stopped: {why}." if further is None else further.message if further.known_as else UNRECOGNISED
            )
        known_as = next((v.known_as for v in (visible, further) if v is not None and v.known_as), "")
        code = "\n\n".join(s for s in self.sources if re.search(rf"^def {task.answer}\(", s, re.MULTILINE))
        points = task.points * (passed + passed_further)
        return Mark(task.name, points, 2 * task.points, passed, passed_further, known_as, message, said, code[:20_000])


def _owned(cell: Cell, paper: Paper) -> list[str]:
    """Whose a cell is; the teacher's own checks and hints, and all text, are left empty: they are not run."""
    if cell.kind != "code" or cell.source in paper.never_run:
        return ["frame", ""]
    return ["frame" if cell.source in paper.frame else "student", cell.source]


@dataclass(frozen=True)
class _Plan:
    cells: list[int]
    unreadable: dict[int, str]

    @classmethod
    def of(cls, reply: Any) -> _Plan:
        """Believe nothing: no student's code has run yet, but a reply is a reply."""
        try:
            cells = [int(cell) for cell in reply["cells"]]
            return cls(cells, {int(cell): str(message) for cell, message in reply["unreadable"].items()})
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise Stopped("its reply made no sense") from error


def _text(reply: Any) -> str:
    if not isinstance(reply, str):
        raise Stopped("its reply made no sense")
    return reply[:1000]


def _judge(box: Sandbox, task: Task, exercise: Exercise) -> Verdict:
    seed = task.seed
    cases = exercise.draw(torch.Generator().manual_seed(seed))
    reply = box.ask("call", task.name, task.answer, [tuple(case) for case in cases])
    if not isinstance(reply, list) or len(reply) != len(cases):
        raise Stopped("its reply made no sense")
    return judge(exercise, Recorded(tuple(map(_result, reply))), seed=seed)


def _result(reply: Any) -> Result | Exception:
    if isinstance(reply, Tensor) or (isinstance(reply, dict) and all(isinstance(v, Tensor) for v in reply.values())):
        return reply
    if isinstance(reply, tuple | list) and len(reply) == 3 and all(isinstance(part, str) for part in reply):
        kind, text, place = (part[:600] for part in reply)
        return NotImplementedError() if kind == "NotImplementedError" else RaisedElsewhere(kind, text, place)
    return RaisedElsewhere("TypeError", "the result is no number, no list of numbers and no tensor")
