"""The sandbox as a user other than root: its walls are a user name space's, and where there is none it stops.

As root the tests run in a user name space of their own in which they are user 1000 without any right; else as they are.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from dsrl_lab.course.grading import control_group
from dsrl_lab.course.grading.answer_key import AnswerKey
from dsrl_lab.course.grading.grading import Mark, Result

from .attacks import FULL, RIGHT, Attack, assert_withstood
from .attacks_on_limits import ATTACKS as ON_LIMITS
from .attacks_on_replies import ATTACKS as ON_REPLIES
from .conftest import CHAPTER, REPOSITORY

ATTACKS = [*ON_LIMITS, *ON_REPLIES]
HARMLESS = [attack for attack in ATTACKS if attack.points == 4 and attack.code.endswith(RIGHT)]
TOGETHER = Attack(  # in one submission: what each prints or changes would show in it
    "all that should earn full points",
    "\n".join(textwrap.dedent(attack.code.removesuffix(RIGHT)) for attack in HARMLESS) + RIGHT,
    points=4,
)
pytestmark = [pytest.mark.classroom, pytest.mark.usefixtures("sandboxed"), pytest.mark.timeout(900)]
SOMEBODY = [
    "bwrap",
    "--bind",
    "/",
    "/",
    "--dev-bind",
    "/dev",
    "/dev",
    "--unshare-user",
    "--uid",
    "1000",
    "--gid",
    "1000",
]
STUDENT = """
import os, socket, threading, time
def reaches():
    found = []
    for place in PLACES:
        try:
            os.listdir(place)
            found.append(place)
        except OSError:
            pass
    try:
        socket.create_connection(("127.0.0.1", 22), timeout=3)
        found.append("network")
    except OSError:
        pass
    for place in ("/kit/x", "/usr/x", "/x"):
        try:
            open(place, "w")
            found.append(place)
        except OSError:
            pass
    return [len(found)]
def processes():
    return [len([name for name in os.listdir("/proc") if name.isdigit()])]
def threads():
    started = 0
    try:
        for _ in range(500):
            threading.Thread(target=time.sleep, args=(20,), daemon=True).start()
            started += 1
    except RuntimeError:
        pass
    return [started]
def temporary():  # libraries ask for it when they are first used
    import tempfile
    try:
        for number in range(1024):
            with open(f"/tmp/{number}", "wb") as file:
                file.write(b"x" * 2**20)
    except OSError:
        pass
    return [len(tempfile.gettempdir())]
def name_spaces():
    return [os.system("unshare -U true 2> /dev/null") == 0]
"""
GRADER = """
import json, os, sys
from pathlib import Path
from dsrl_lab.course.grading.sandbox import Limits, Sandbox
from dsrl_lab.course.grading.walls import protections
kit, places, code = json.loads(sys.argv[1])
asked = ["reaches", "processes", "threads", "name_spaces", "temporary"]
assert os.geteuid() != 0
with Sandbox(Path(kit), Limits(processes=24)) as box:
    plan = box.ask("prepare", [["student", f"PLACES = {places!r}\\n" + code]], asked)
    said = [box.ask("run", number) for number in range(len(plan["cells"]))]
    found = {name: box.ask("call", "call", name, [()], 1000)[0].tolist()[0] for name in asked}
print(json.dumps({"in force": protections(), "said": said, **found}))
"""
GRADE = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from dsrl_lab.course.grading.answer_key import answer_key
from dsrl_lab.course.grading.grading import grade
from dsrl_lab.course.grading.sandbox import Limits
from dsrl_lab.course.grading.walls import not_enforced
release, kit, codes, asked = json.loads(sys.argv[1])
key = answer_key(Path(release), seed=7)
key = replace(key, tasks=tuple(task for task in key.tasks if task.name in asked))
limits = Limits(cpu_seconds=3, idle_seconds=3.0)
def result(code):
    cells = [replace(cell, source=code) if cell.grade_id == "06-2-answer" else cell for cell in key.solved]
    return grade(key, cells, Path(kit), limits=limits).as_dict()
with ThreadPoolExecutor(2) as pool:
    print(json.dumps([not_enforced(), *pool.map(result, codes)]))
"""


def as_somebody(
    *command: str, name_spaces: bool = True, control_groups: bool = True
) -> subprocess.CompletedProcess[str]:
    closed = [] if control_groups else ["--ro-bind", "/sys/fs/cgroup", "/sys/fs/cgroup"]
    wrapped = [*SOMEBODY, *closed, *([] if name_spaces else ["--disable-userns"]), "--"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    needed = os.geteuid() == 0 or not name_spaces or not control_groups
    return subprocess.run([*(wrapped if needed else []), *command], capture_output=True, text=True, env=environment)


def test_the_walls_stand_for_a_user_who_is_not_root(course: Path) -> None:
    places = [course, REPOSITORY / "dsrl_lab", REPOSITORY / "tests"]  # not .venv beside them, which is lent
    settings = json.dumps([str(course / "kit"), [str(place) for place in places], STUDENT])
    done = as_somebody(sys.executable, "-c", GRADER, settings)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["said"] == [""]
    assert "user name space" in found["in force"] and "no network" in found["in force"]
    assert found["reaches"] == 0, "no folder of the grader's, no network, nothing to write to"
    assert found["processes"] < 5
    assert 1 <= found["threads"] < 24
    assert found["temporary"] == len("/tmp"), "a full disk of its own does not fail what comes after"
    assert not found["name_spaces"], "no further name spaces, in which it would be root"


def test_attacks_on_the_limits_earn_a_plain_user_s_grader_nothing_worse(course: Path, affinity_key: AnswerKey) -> None:
    """Without control groups, as on a computer where a plain user may make none: the harder case."""
    attacks = [TOGETHER, *(attack for attack in ATTACKS if attack not in HARMLESS)]
    assert len(HARMLESS) > 10
    codes = [textwrap.dedent(attack.code) for attack in attacks]
    release = course / "release" / CHAPTER / f"{CHAPTER}.ipynb"
    arguments = json.dumps([str(release), str(course / "kit"), codes, list(FULL)])
    done = as_somebody(sys.executable, "-c", GRADE, arguments, control_groups=False)
    assert done.returncode == 0, done.stderr
    missing, *found = json.loads(done.stdout.splitlines()[-1])
    assert set(missing) >= {control_group.MEMORY, control_group.PROCESSES}, "and this is said"
    failed = {}
    for attack, one in zip(attacks, found, strict=True):
        one.pop("score")
        result = Result(**{**one, "marks": [Mark(**mark) for mark in one["marks"]]})
        try:
            assert_withstood(attack, result, affinity_key)
        except AssertionError as error:
            failed[attack.name] = str(error)
    assert failed == {}


def test_where_name_spaces_are_refused_it_stops_and_says_so(course: Path) -> None:
    command = [sys.executable, "-m", "dsrl_lab", "classroom", "grade", str(course)]
    done = as_somebody(*command, name_spaces=False)
    said = " ".join(done.stderr.split())
    assert done.returncode == 2
    assert "it cannot make name spaces here" in said and "must allow this user" in said and "--unsafe" in said
    assert "Traceback" not in said
