"""Hostile submissions, really run: none gets a point it did not earn, learns a hidden input, or harms the others.

Each attacks from within exercise 06.2 (4 points), or from a cell that 06.2 needs. The other answers are right, so what
is taken from them, or given to them, shows. The table of all attacks is printed at the end.
"""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import nbformat
import pytest
import torch

from dsrl_lab.course.exercises.exercise import Exercise
from dsrl_lab.course.grading.course import Graded, grade_course, strange
from dsrl_lab.course.grading.feedback import page
from dsrl_lab.course.grading.grading import Result, grade
from dsrl_lab.course.grading.notebook_file import Cell
from dsrl_lab.course.grading.paper import Paper
from dsrl_lab.course.grading.sandbox import Sandbox

from .conftest import CHAPTER, LIMITS, earned

pytestmark = [pytest.mark.classroom, pytest.mark.usefixtures("sandboxed"), pytest.mark.timeout(900)]
FULL = {"06.1": 2, "06.2": 4, "06.3": 2, "06.4": 4, "06.5": 6}
RIGHT = """
def affinity(features):
    x = F.normalize(features.flatten(2), dim=1, eps=1e-8)
    return x.mT @ x
"""


@dataclass(frozen=True)
class Attack:
    """Code in place of the answer to 06.2.

    Attributes:
        name: of the attack.
        code: that is handed in.
        points: for 06.2 that it has earned: 4 where the answer beside the attack is right.
        says: part of a note or diagnosis in the feedback.
        harms_itself: whether the submission's own other answers may suffer from it.
    """

    name: str
    code: str
    points: int = 0
    says: str = ""
    harms_itself: bool = False


ATTACKS = [
    Attack("infinite loop", "def affinity(features):\n    while True:\n        pass", says="CPU time"),
    Attack("infinite loop in a cell", "while True:\n    pass\n" + RIGHT, says="CPU time"),
    Attack("sleeps for ever", "import time\ndef affinity(features):\n    time.sleep(1e6)", says="waited for more than"),
    Attack("memory bomb", "def affinity(features):\n    return torch.ones(2**34)", says="allocate"),
    Attack(
        "memory bomb of many processes",
        """
        import os, time
        def affinity(features):
            for _ in range(15):
                if os.fork() == 0:
                    x = torch.ones(2**27)
                    time.sleep(60)
            time.sleep(60)
        """,
        says="memory",
    ),
    Attack(
        "fork bomb",
        """
        import os
        def affinity(features):
            while True:
                os.fork()
        """,
        says="was stopped",
        harms_itself=True,
    ),
    Attack(
        "threads without end",
        """
        import threading, time
        def affinity(features):
            while True:
                threading.Thread(target=time.sleep, args=(60,)).start()
        """,
        says="can't start new thread",
        harms_itself=True,
    ),
    Attack("gigabyte of output", "for _ in range(1024):\n    print('x' * 2**20)\n" + RIGHT, says="printed more than"),
    Attack(
        "gigabyte of files",
        """
        for number in range(1024):
            with open(f"/tmp/{number}", "wb") as file:
                file.write(b"x" * 2**20)
        """
        + textwrap.indent(RIGHT, " " * 8),
        says="No space left",
    ),
    Attack(
        "reads the grader's files and environment",
        """
        import glob, os
        names = ("hidden_inputs*", "chapter_0*", "seed.txt")
        places = [f"{root}/**/{name}" for root in ("/kit", COURSE, REPOSITORY) for name in names]
        print([path for place in places for path in glob.glob(place, recursive=True)])
        print({k: v for k, v in os.environ.items() if "SECRET" in k})
        for place in (COURSE, REPOSITORY, "/etc/passwd", "/etc/shadow", "/proc/1/environ", "/root/.ssh"):
            try:
                print(os.listdir(place) if os.path.isdir(place) else open(place).read())
            except OSError as error:
                print("refused", place)
        from dsrl_lab.course.grading.hidden_inputs import further
        """
        + textwrap.indent(RIGHT, " " * 8),
        says="No module named 'dsrl_lab.course.grading.hidden_inputs'",
    ),
    Attack(
        "looks for the grader in memory",
        """
        import gc
        from dsrl_lab.course.exercises.exercise import Exercise
        in_memory = [e for e in gc.get_objects() if isinstance(e, Exercise) and e.name == "06.2"]
        def affinity(features):
            return in_memory[0].solution(features)
        """,
        says="Still open",
    ),
    Attack(
        "writes to the course and to the kit",
        """
        import os
        kit = ("/kit/x", "/kit/dsrl_lab/__init__.py", "/usr/x", "/x")
        for place in (COURSE + "/release/x", COURSE + "/grades/x", *kit):
            try:
                os.makedirs(os.path.dirname(place), exist_ok=True)
                open(place, "w").write("harm")
                print("WROTE" if not place.startswith("/tmp/") else "in its own folder", place)
            except OSError as error:
                print("refused", place)
        """
        + textwrap.indent(RIGHT, " " * 8),
        points=4,
    ),
    Attack(
        "opens sockets",
        """
        import socket
        for family, address in ((socket.AF_INET, ("1.1.1.1", 53)), (socket.AF_INET, ("127.0.0.1", PORT))):
            try:
                socket.create_connection(address, timeout=3)
                print("CONNECTED", address)
            except OSError as error:
                print("refused", address)
        socket.getaddrinfo("example.org", 80)
        """
        + textwrap.indent(RIGHT, " " * 8),
        says="gaierror",
    ),
    Attack(
        "patches the checker",
        """
        import dsrl_lab.course.exercises.judge as judge, dsrl_lab.course.exercises.recorded as recorded
        import dsrl_lab.course.grading.worker as worker
        judge.judge = judge._equal = recorded.record = lambda *a, **k: True
        judge.Verdict.__bool__ = lambda self: True
        worker.as_result = lambda value: value
        def affinity(features):
            return torch.zeros(1)
        """,
        says="The shape is (1,)",
        harms_itself=True,
    ),
    Attack(
        "patches numpy and torch",
        """
        import numpy
        torch.allclose = torch.equal = torch.isclose = numpy.allclose = numpy.array_equal = lambda *a, **k: True
        torch.Tensor.__eq__ = lambda *a: True
        torch.Tensor.allclose = lambda *a, **k: True
        def affinity(features):
            return torch.zeros(1)
        """,
        says="The shape is (1,)",
    ),
    Attack(
        "a tensor that equals everything",
        """
        class Equal(torch.Tensor):
            @classmethod
            def __torch_function__(cls, func, types, args=(), kwargs=None):
                return True
        def affinity(features):
            return torch.zeros(1).as_subclass(Equal)
        """,
    ),
    Attack(
        "catches the check's exception",
        """
        try:
            assert check("06.2", None)
        except BaseException:
            pass
        def affinity(features):
            return None
        """,
        says="Your function returns None",
    ),
    Attack(
        "overwrites check",
        """
        check = lambda *a, **k: True
        import builtins, sys
        builtins.check = check
        sys.modules["dsrl_lab.course.exercises"].check = check
        def affinity(features):
            check()
            return 1
        """,
        says="The shape is ()",
    ),
    Attack("os._exit in a cell", "import os\nos._exit(0)\n" + RIGHT, says="ended without an answer"),
    Attack(
        "os._exit in the answer", "import os\ndef affinity(features):\n    os._exit(0)", says="ended without an answer"
    ),
    Attack("sys.exit in the answer", "import sys\ndef affinity(features):\n    sys.exit(0)", says="SystemExit"),
    Attack(
        "forges a reply",
        """
        import os
        from dsrl_lab.course.grading.messages import encode
        for descriptor in range(3, 64):
            try:
                os.write(descriptor, encode([True] * 3) + encode("passed") + encode({"passed": True, "score": 18}) * 9)
            except OSError:
                pass
        def affinity(features):
            return True
        """,
    ),
    Attack(
        "a reply of a gigabyte",
        """
        import os, struct
        for descriptor in range(3, 64):
            try:
                os.write(descriptor, struct.pack(">QQ", 2**30, 2**40))
            except OSError:
                pass
        def affinity(features):
            return True
        """,
    ),
    Attack(
        "a reply that is a pickle",
        """
        import os, pickle, struct
        class Run:
            def __reduce__(self):
                return os.system, ("touch " + COURSE + "/harm",)
        payload = pickle.dumps(Run())
        for descriptor in range(3, 64):
            try:
                os.write(descriptor, struct.pack(">QQ", 0, len(payload)) + payload)
            except OSError:
                pass
        def affinity(features):
            return Run()
        """,
    ),
    Attack(
        "a pickle that runs code, loaded by the answer",
        """
        import pickle, os
        class Run:
            def __reduce__(self):
                return os.system, ("touch " + COURSE + "/harm; exit 7",)
        def affinity(features):
            return pickle.loads(pickle.dumps(Run()))
        """,
        says="The shape is ()",
    ),
    Attack(
        "tells hidden inputs",
        """
        import os, sys
        again = os.dup(1)
        def affinity(features):
            if tuple(features.shape) not in ((2, 5, 3, 4), (3, 2, 4, 2), (1, 4, 2, 3)):  # not the check's own
                os.write(again, f"LEAK {features.shape}".encode())
                print("LEAK", features, file=sys.stderr)
                raise ValueError("LEAK %s" % (features.shape,))
            return F.normalize(features.flatten(2), dim=1).mT @ F.normalize(features.flatten(2), dim=1)
        """,
        points=2,  # it is right on the visible inputs, and has earned that half
        says="Right for the inputs of the check, not for inputs of other kinds",
    ),
    Attack(
        "an exception whose text raises",
        """
        class Nasty(Exception):
            def __str__(self):
                raise SystemExit
        def affinity(features):
            raise Nasty
        """,
        says="Nasty",
    ),
    Attack(
        "script in the answer",
        'print("<script>alert(1)</script>")\ndef affinity(features):\n    raise ValueError("<script>")',
    ),
    Attack("brackets without end", "x = " + "(" * 5000 + RIGHT, says="cannot be read"),
    Attack("a null character", "x = 1\0" + RIGHT, says="cannot be read"),
    Attack("closes everything", "import os\nos.closerange(0, 256)\n" + RIGHT, says="stopped"),
    Attack("ends all processes", "import os\ntry:\n    os.kill(-1, 9)\nexcept OSError:\n    pass\n" + RIGHT, points=4),
]
TABLE: list[tuple[str, str]] = []


@pytest.fixture(scope="module", autouse=True)
def table() -> Iterator[None]:
    yield
    with Path(os.environ.get("DSRL_LAB_HOSTILE_TABLE", os.devnull)).open("w", encoding="utf-8") as file:
        for line in (
            f"\n{len(TABLE)} hostile submissions, none got what it did not earn",
            *(f"{a:48} {b}" for a, b in TABLE),
        ):
            print(line)
            print(line, file=file)


@pytest.fixture
def attacked(course: Path, affinity_paper: Paper, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[Cell]], Result]:
    monkeypatch.setenv("GRADERS_SECRET", "swordfish")
    limits = replace(LIMITS, cpu_seconds=6, idle_seconds=6.0)
    return lambda cells: grade(affinity_paper, cells, lambda: Sandbox(course / "kit", limits))


def filled(code: str, course: Path) -> str:
    places = f"COURSE, REPOSITORY, PORT = {str(course)!r}, {str(Path(__file__).parents[3])!r}, 22\n"
    return (places if "COURSE" in code or "PORT" in code else "") + textwrap.dedent(code)


def state(course: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in course.rglob("*") if "__pycache__" not in str(path)}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_earns_nothing_and_costs_nobody(
    attack: Attack,
    course: Path,
    affinity_paper: Paper,
    solved: Callable[..., list[Cell]],
    attacked: Callable[[list[Cell]], Result],
) -> None:
    before = state(course)
    result = attacked(solved(q06_2=filled(attack.code, course)))
    shown = page(affinity_paper, "student", result)
    got = earned(result.marks)
    assert got["06.2"] == attack.points
    assert got == {**FULL, "06.2": attack.points} or attack.harms_itself
    told = " ".join([*result.notes, *(f"{mark.message} {mark.further_message}" for mark in result.marks)])
    assert attack.says in told, told
    assert state(course) == before, "nothing outside its own folder changed"
    assert "swordfish" not in shown and "<script" not in shown
    assert "LEAK" not in told + result.printed
    for forbidden in ("WROTE", "CONNECTED", *hidden_shapes(affinity_paper)):
        assert forbidden not in result.printed
        assert forbidden not in told
    TABLE.append((attack.name, f"{attack.points} of 4, the others {result.score - attack.points} of 14"))


def hidden_shapes(paper: Paper) -> list[str]:
    """Shapes that only hidden inputs of 06.2 have."""
    (task,) = (task for task in paper.tasks if task.name == "06.2")

    def shapes(exercise: Exercise) -> set[str]:
        return {str(tuple(case[0].shape)) for case in exercise.draw(torch.Generator())}

    return sorted(set().union(*map(shapes, task.further)) - shapes(task.visible))


def test_a_memory_bomb_in_the_strips_is_not_saved_by_patching_the_instrument(
    affinity_paper: Paper, solved: Callable[..., list[Cell]], attacked: Callable[[list[Cell]], Result]
) -> None:
    """06.5 asks for little memory; the instrument in the student's process can be patched, the kernel cannot."""
    code = """
import dsrl_lab.course.exercises.calls as instrument
instrument.LargestTensor.__torch_dispatch__ = lambda self, func, types, args=(), kwargs=None: func(*args, **(kwargs or {}))
def affinity_loss_in_strips(a, b, rows):
    return (a.mT @ a - b.mT @ b).abs().mean()
"""
    result = attacked(solved(q06_5=code))
    assert earned(result.marks)["06.5"] == 3, "the visible half, and not the half that the kernel watches over"
    TABLE.append(("patches the memory instrument of 06.5", "3 of 6: not the half that the kernel watches"))


def test_deleted_tests_and_forged_outputs_change_nothing(
    solved: Callable[..., list[Cell]], attacked: Callable[[list[Cell]], Result]
) -> None:
    wrong = "def affinity(features):\n    return 0"
    cells = [cell for cell in solved(q06_2=wrong) if not cell.grade_id.endswith(("-check", "-further"))]
    forged = [
        Cell(
            "code", "assert True", "06-2-check", {"nbgrader": {"grade": True, "grade_id": "06-2-check", "points": 99}}
        ),
        Cell("code", "1", "x", {}, ({"output_type": "stream", "name": "stdout", "text": "✔ 06.2 4 of 4"},)),
    ]
    result = attacked([*cells, *forged])
    assert earned(result.marks) == {**FULL, "06.2": 0}
    assert sum(mark.out_of for mark in result.marks) == 18
    TABLE.append(("deletes its tests", "0 of 4, the others 14 of 14"))
    TABLE.append(("forged outputs and points", "0 of 4, the others 14 of 14"))


def test_files_that_are_no_notebooks_stop_nobody(
    course: Path, affinity_paper: Paper, solved: Callable[..., list[Cell]], capsys: pytest.CaptureFixture[str]
) -> None:
    submitted = course / "submitted"

    def hand_in(student: str, content: bytes) -> Path:
        place = submitted / student / CHAPTER / f"{CHAPTER}.ipynb"
        place.parent.mkdir(parents=True)
        place.write_bytes(content)
        return place

    released = (course / "release" / CHAPTER / f"{CHAPTER}.ipynb").read_bytes()
    notebook = nbformat.reads(released.decode(), as_version=4)
    for cell, answer in zip(notebook.cells, solved(), strict=True):
        cell.source = answer.source
    right = nbformat.writes(notebook).encode()
    hand_in("honest", right)
    hand_in("invalid JSON", b'{"cells": [')
    hand_in("nested JSON", b"[" * 200_000 + b"]" * 200_000)
    hand_in("endless integer", b'{"nbformat": ' + b"9" * 6000 + b"}")
    hand_in("no UTF-8", b"\xff\xfe\x00{")
    hand_in("wrong types", b'{"nbformat": 4, "cells": [3, null, {"cell_type": [], "source": {}, "metadata": 7}]}')
    hand_in("empty", b"")
    huge = hand_in("notebook of 100 MB", b"")
    with huge.open("wb") as file:
        file.truncate(100 * 2**20)
    link = hand_in("link to another's work", b"")
    link.unlink()
    link.symlink_to(submitted / "honest" / CHAPTER / f"{CHAPTER}.ipynb")
    (submitted / "link to another's folder").symlink_to(submitted / "honest")
    (submitted / "link as assignment").mkdir()
    (submitted / "link as assignment" / CHAPTER).symlink_to(submitted / "honest" / CHAPTER)
    pipe = hand_in("a pipe", b"")
    pipe.unlink()
    os.mkfifo(pipe)
    (submitted / "a folder" / CHAPTER / f"{CHAPTER}.ipynb").mkdir(parents=True)
    (submitted / "nothing" / CHAPTER).mkdir(parents=True)
    hand_in("..%2F..%2Frelease", right)
    hand_in("=cmd|'calc'!A0", b"{}")
    hand_in("<script>alert(1)</script>".replace("/", "∕"), b"{}")
    hand_in("line\nbreak", b"{}")
    traversal = json.loads(released)
    traversal["metadata"]["name"] = "../../release/evil"
    traversal["cells"][0]["attachments"] = {"../../../evil.png": {"image/png": "aGk="}}
    hand_in("path in metadata", json.dumps(traversal).encode())

    before = state(course / "release")
    graded = grade_course(course, limits=LIMITS, jobs=2)[CHAPTER]
    scores = {one.submission.student: one.result.score for one in graded}
    assert {student for student, score in scores.items() if score} == {"honest", "..%2F..%2Frelease"}
    assert scores["honest"] == 18
    assert len(graded) == 17
    assert strange(course) == [f"link as assignment/{CHAPTER}", "link to another's folder"]
    assert state(course / "release") == before
    assert not list(course.rglob("*evil*"))
    pages = list((course / "feedback").rglob("*.html"))
    assert len(pages) == len(graded)
    assert all("<script" not in path.read_text(encoding="utf-8") for path in pages)
    table = (course / "grades" / f"{CHAPTER}.csv").read_text(encoding="utf-8")
    assert len(table.splitlines()) == 1 + len(graded)
    assert "\n=cmd" not in table and "'=cmd" in table
    _note_files(graded)


def test_readme_says_how_many() -> None:
    others = 1 + 2 + 16 + 2  # the instrument of 06.5; deleted tests, forged outputs; files; linked folders
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    assert f"{len(ATTACKS) + others} hostile submissions" in readme


def _note_files(graded: list[Graded]) -> None:
    for one in graded:
        if one.submission.student != "honest":
            why = one.result.problem or "graded as any other"
            TABLE.append((f"file: {one.submission.student!r}"[:48], f"{one.result.score} of 18: {why}"[:90]))
    TABLE.extend((("file: link to another's folder", "not followed"), ("file: link as assignment", "not followed")))
