"""Grading one submission: what its functions return in a sandbox is judged here, visible checks before hidden ones."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dsrl_lab.course.exercises.judge import RaisedElsewhere, Verdict, judge
from dsrl_lab.course.exercises.judge import Result as Numbers
from dsrl_lab.course.exercises.recorded import Recorded
from dsrl_lab.course.exercises.solutions.variants import OTHERS
from dsrl_lab.course.grading.answer_key import AnswerKey, Task, Trial
from dsrl_lab.course.grading.messages import clean
from dsrl_lab.course.grading.notebook_file import Cell
from dsrl_lab.course.grading.sandbox import Limits, Sandbox, Stopped, Usage

NO_SENSE = "its reply made no sense"
NOT_TRIED = "It could not be tried."
HIDDEN_FAILED = (
    "Right for the inputs of the check, not for inputs of other kinds. Think of the smallest and the largest that the "
    "docstring allows, of one and of many, of sizes that differ from each other, of time and memory."
)
MOST_NOTES = 30
WORTH_A_LOOK = re.compile(
    r"\b(eval|exec|getattr|setattr|__import__|importlib|ctypes|inspect|subprocess|socket|pickle|gc|os|sys|jit|threading|"
    r"compile)\b"
)
STEPS = {"relu", "pad", "softmax", "log_softmax", "sigmoid", "tanh", "one_hot", "normalize"}  # no exercise's whole work


@dataclass(frozen=True)
class Mark:
    """What one exercise of a submission earned."""

    question: str  # "06.2"
    points: int
    out_of: int
    passed: bool  # the visible check
    passed_hidden: bool  # inputs of other kinds
    known_as: str  # the misconception that the visible check recognised; "" if none
    message: str  # the diagnosis
    hidden_message: str = ""  # on the other inputs, in fixed words; "" if they were passed or not tried
    code: str = ""  # as handed in


@dataclass
class Result:
    """What a submission earned."""

    marks: list[Mark] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # for the student: cells that failed or were stopped
    look: list[str] = field(default_factory=list)  # library functions that ran, words: for a person to see
    written: dict[str, str] = field(default_factory=dict)  # answers in words, by grade id; a person gives points
    printed: str = ""  # before any hidden input was sent
    problem: str = ""  # why the submission could not be read
    fault: str = ""  # why it is not graded, through no fault of the student
    peak_memory: int = 0  # bytes of the student's processes
    cpu_seconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)  # CPU seconds of the start, and by kind of request

    @property
    def score(self) -> int:
        """Points earned."""
        return sum(mark.points for mark in self.marks)

    def as_dict(self) -> dict[str, Any]:
        """As plain data, with the score."""
        return {"score": self.score, **asdict(self)}


def unreadable(key: AnswerKey, problem: str) -> Result:
    """The result of a submission that cannot be read: no points."""
    return Result(_nothing_earned(key, problem), problem=problem)


def not_graded(key: AnswerKey, fault: str) -> Result:
    """The result if the grader failed: no score."""
    return Result(marks=_nothing_earned(key, "It is not graded yet."), fault=clean(fault, 500))


def _nothing_earned(key: AnswerKey, message: str) -> list[Mark]:
    return [Mark(task.name, 0, 2 * task.points, False, False, "", message) for task in key.tasks]


def grade(
    key: AnswerKey, cells: Sequence[Cell], kit: Path, *, limits: Limits | None = None, unsafe: bool = False
) -> Result:
    """Grade a submission's cells; raises NotStarted if the sandbox does not start."""
    work = _Work(key, cells)
    while not work.done:
        with Sandbox(kit, limits, usage=work.usage, unsafe=unsafe) as box:
            try:
                work.go_on(box)
            except Stopped as stop:
                work.note_stop(stop)
            if work.printed is None:
                work.printed = box.output
    return work.result()


class _Work:
    def __init__(self, key: AnswerKey, cells: Sequence[Cell]) -> None:
        self.key = key
        self.cells = [_owned(cell, key) for cell in cells]
        self.sources = [cell.source for cell in cells]
        asked = {cell.grade_id for cell in key.cells if cell.grade_id.endswith("-written")}
        self.written = {cell.grade_id: clean(cell.source) for cell in cells if cell.grade_id in asked}
        self.visible: dict[str, Verdict | str] = {}  # by exercise: a verdict, or why it was stopped
        self.hidden: dict[str, bool] = {}
        self.called: dict[str, list[str]] = {}  # by exercise: library functions that ran for the visible inputs
        self.stopped_cells: set[int] = set()
        self.notes: dict[str, None] = {}
        self.printed: bytes | None = None
        self.usage = Usage()
        self.done = self.sealed = False
        self._at: tuple[str, Any] = ("prepare", None)
        self._retried: set[tuple[str, Any]] = set()

    def go_on(self, box: Sandbox) -> None:
        self._at = ("prepare", None)
        cells = [["frame", ""] if number in self.stopped_cells else cell for number, cell in enumerate(self.cells)]
        needed, unreadable = _plan(box.ask("prepare", cells, [task.answer for task in self.key.tasks]))
        for cell, message in unreadable.items():
            self.note(f"Cell {cell + 1} cannot be read: {message}")
        for unit, cell in enumerate(needed):
            self._at = ("cell", cell)
            if message := _text(box.ask("run", unit, limit=10_000)):
                self.note(f"Cell {cell + 1}: {message}")
        for task in self.key.tasks:
            if task.name not in self.visible:
                self._at = ("visible", task.name)
                self.visible[task.name] = _judge(box, task, task.visible, "call_traced")
                self.called[task.name] = _names(box.ask("called", limit=10_000))
        box.stop_listening()
        self.sealed = True  # from here on nothing is kept but whether the numbers are right
        for task in self.key.tasks:
            if self.passed(task) and task.name not in self.hidden:
                self._at = ("hidden", task.name)
                self.hidden[task.name] = all(_judge(box, task, trial).passed for trial in task.hidden)
        self.done = True

    def passed(self, task: Task) -> bool:
        verdict = self.visible.get(task.name)
        return isinstance(verdict, Verdict) and verdict.passed

    def note(self, text: str) -> None:
        if not self.sealed and len(self.notes) < MOST_NOTES:
            self.notes[text] = None

    def note_stop(self, stop: Stopped) -> None:
        stage, where = self._at
        if stop.unexplained and self._at not in self._retried:  # perhaps the computer ran out of memory
            self._retried.add(self._at)
            return
        if stage == "visible":
            self.visible[where] = f"It was stopped: {stop}."
        elif stage == "hidden":
            self.hidden[where] = False
        elif stage == "cell" and where not in self.stopped_cells:
            self.stopped_cells.add(where)
            self.note(f"Cell {where + 1} was stopped: {stop}.")
        else:
            self.note(f"The notebook could not be run: {stop}.")
            self.done = True
        if stop.for_good:
            self.note(f"What was left was not tried: {stop}.")
            self.done = True

    def result(self) -> Result:
        marks = [self._mark(task) for task in self.key.tasks]
        words = set(WORTH_A_LOOK.findall(" ".join(mark.code for mark in marks)))
        words.difference_update(WORTH_A_LOOK.findall(" ".join(self.key.frame)))
        return Result(
            marks=marks,
            notes=list(self.notes),
            look=[*self._look(marks), *sorted(words)],
            written=self.written,
            printed=clean((self.printed or b"").decode("utf-8", errors="replace")),
            peak_memory=self.usage.peak_memory,
            cpu_seconds=round(self.usage.cpu_seconds, 2),
            stages={stage: round(seconds, 3) for stage, seconds in self.usage.stages.items()},
        )

    def _look(self, marks: Sequence[Mark]) -> list[str]:
        own = [f"{mark.question} has no function of its own" for mark in marks if mark.passed and not mark.code]
        own += [f"{mark.question} is right for {mark.known_as}" for mark in marks if mark.known_as.startswith(OTHERS)]
        return own + [f"{task} calls {name}" for task, names in self.called.items() for name in names]

    def _mark(self, task: Task) -> Mark:
        verdict = self.visible.get(task.name, NOT_TRIED)
        message = verdict if isinstance(verdict, str) else verdict.message  # a verdict is false if the answer is wrong
        known_as = "" if isinstance(verdict, str) else verdict.known_as
        passed, passed_hidden = self.passed(task), self.hidden.get(task.name, False)
        hidden_message = HIDDEN_FAILED if passed and not passed_hidden else ""
        code = "\n\n".join(s for s in self.sources if re.search(rf"^def {task.answer}\(", s, re.MULTILINE))
        points = (task.points * (passed + passed_hidden), 2 * task.points)
        return Mark(task.name, *points, passed, passed_hidden, known_as, clean(message), hidden_message, clean(code))


def _owned(cell: Cell, key: AnswerKey) -> list[str]:
    if cell.kind != "code" or cell.source in key.never_run:
        return ["frame", ""]
    return ["frame" if cell.source in key.frame else "student", cell.source]


def _plan(reply: Any) -> tuple[list[int], dict[int, str]]:
    try:
        cells = [int(cell) for cell in reply["cells"]]
        return cells, {int(cell): _text(message) for cell, message in reply["unreadable"].items()}
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise Stopped(NO_SENSE) from error


def _text(reply: Any) -> str:
    if not isinstance(reply, str):
        raise Stopped(NO_SENSE)
    return clean(reply, 1000)


def _names(reply: Any) -> list[str]:
    if not isinstance(reply, list) or not all(isinstance(name, str) for name in reply):
        raise Stopped(NO_SENSE)
    return [clean(name, 80) for name in reply[:20] if name not in STEPS]


def _judge(box: Sandbox, task: Task, trial: Trial, request: str = "call") -> Verdict:
    cases, most = [tuple(case) for case in trial.cases], trial.most
    limit = 10_000 + len(cases) * (10_000 + 8 * most)
    reply = box.ask(request, task.run, task.answer, cases, most, limit=limit)
    if not isinstance(reply, list) or len(reply) != len(cases):
        raise Stopped(NO_SENSE)
    return judge(trial.exercise, Recorded(tuple(_result(one, most) for one in reply)), seed=0)


def _result(reply: Any, most: int) -> Numbers | Exception:
    parts = list(reply.values()) if isinstance(reply, dict) else [reply]
    if all(isinstance(part, Tensor) and part.dtype == torch.float64 and part.numel() <= most for part in parts):
        return {clean(name, 200): part for name, part in reply.items()} if isinstance(reply, dict) else reply
    if isinstance(reply, tuple | list) and len(reply) == 3 and all(isinstance(part, str) for part in reply):
        kind, text, place = (clean(part, 600) for part in reply)
        return NotImplementedError() if kind == "NotImplementedError" else RaisedElsewhere(kind, text, place)
    return RaisedElsewhere("TypeError", "the result is no number, no list of numbers and no tensor")
