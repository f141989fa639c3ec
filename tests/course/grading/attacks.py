"""Hostile answers to 06.2, tried by ``test_hostile``: on the grader, its files, its messages and its page."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, replace

from dsrl_lab.course.grading.answer_key import AnswerKey, Trial
from dsrl_lab.course.grading.feedback import page
from dsrl_lab.course.grading.grading import Result

from .conftest import earned

FULL = {"06.1": 2, "06.2": 4, "06.3": 2, "06.4": 4}
"""Points without 06.5: its hidden inputs take as long as the rest together, and it is attacked by itself."""
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
        names = ("hidden_inputs*", "draws*", "seed.txt")
        places = [f"{root}/**/{name}" for root in ("/kit", COURSE, REPOSITORY) for name in names]
        print([path for place in places for path in glob.glob(place, recursive=True)])
        print({k: v for k, v in os.environ.items() if "SECRET" in k})
        for place in (COURSE, REPOSITORY, "/etc/passwd", "/etc/shadow", "/proc/1/environ", "/root/.ssh"):
            try:
                print(os.listdir(place) if os.path.isdir(place) else open(place).read())
            except OSError as error:
                print("refused", place)
        from dsrl_lab.course.grading.hidden_inputs import hidden_variants
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
        says="IndexError: list index out of range",
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
        says="the result is no number",
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


def without_strips(key: AnswerKey) -> AnswerKey:
    """The key without 06.5."""
    return replace(key, tasks=tuple(task for task in key.tasks if task.name in FULL))


def assert_withstood(attack: Attack, result: Result, key: AnswerKey) -> None:
    """It earned what it should, cost the other answers nothing, and told nobody anything."""
    shown = page(key, "student", result)
    got = earned(result.marks)
    assert got["06.2"] == attack.points, result
    assert got == {**FULL, "06.2": attack.points} or attack.harms_itself
    texts = " ".join([*result.notes, *(f"{mark.message} {mark.hidden_message}" for mark in result.marks)])
    assert attack.says in texts, texts
    assert "swordfish" not in shown and "<script" not in shown
    assert len(shown) < 100_000 and "\x1b" not in shown and shown.encode()
    for forbidden in ("LEAK", "WROTE", "CONNECTED", "ALLOWED", "SEED", *hidden_shapes(key)):
        assert forbidden not in result.printed
        assert forbidden not in texts


def hidden_shapes(key: AnswerKey) -> list[str]:
    """Shapes that only hidden inputs of 06.2 have."""
    (task,) = (task for task in key.tasks if task.name == "06.2")

    def shapes(trial: Trial) -> set[str]:
        return {str(tuple(case[0].shape)) for case in trial.cases}

    return sorted(set().union(*map(shapes, task.hidden)) - shapes(task.visible))
