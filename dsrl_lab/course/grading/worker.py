"""The process that runs a student's code: it holds inputs and results, and no solution, hidden test or score.

It answers one request at a time: *prepare* (which code do the answers need?), *run* (one piece of it), *call* (an
answer on inputs). Limits are set before the first line of the student's code; from then on this process is the
student's, and whatever it replies is judged outside.
"""

from __future__ import annotations

import linecache
import os
import socket
import sys
import tempfile
import traceback
from typing import Any

import torch

from dsrl_lab.course.exercises.bank import EXERCISES
from dsrl_lab.course.exercises.calls import Case, call
from dsrl_lab.course.exercises.judge import as_result
from dsrl_lab.course.grading.messages import clean, receive, send
from dsrl_lab.course.grading.slicing import Unit, needed_for, statements, whole

REQUEST_LIMIT = 256 * 2**20
LONGEST_TEXT = 500


def set_limits(*, cpu_seconds: int, memory: int, file_bytes: int, processes: int) -> None:
    """Limit this process and all that it starts; there is no way back.

    Args:
        cpu_seconds: of all its threads together, beyond what the start took.
        memory: bytes beyond what is taken now.
        file_bytes: of any file it writes.
        processes: threads included, counted by the kernel for this user (in this name space); 0: no limit.
    """
    import resource  # not on Windows, where there is no sandbox either

    with open("/proc/self/statm", encoding="ascii") as pages:  # noqa: PTH123 - the kernel's file, one line
        most = int(pages.readline().split()[0]) * os.sysconf("SC_PAGE_SIZE") + memory
    used = resource.getrusage(resource.RUSAGE_SELF)
    up = int(used.ru_utime + used.ru_stime) + 1 + cpu_seconds
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (up, up + 2))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
    if processes:
        resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))


class Session:
    r"""A student's notebook while it is graded.

    Example:
        >>> session = Session()
        >>> session.prepare([["student", "def double(x):\n    return 2 * x"]], ["double"])
        {'cells': [0], 'unreadable': {}}
        >>> session.run(0)
        ''
    """

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"__name__": "__main__", "display": _nothing, "get_ipython": _nothing}
        self.units: list[Unit] = []

    def prepare(self, cells: list[list[str]], answers: list[str]) -> dict[str, Any]:
        """Find the code that the answers need: whole cells of the student's, single statements of the teacher's."""
        unreadable: dict[str, str] = {}
        units: list[Unit] = []
        for number, (owner, code) in enumerate(cells):
            try:
                units += [whole(number, code)] if owner == "student" else statements(number, code)
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                unreadable[str(number)] = clean(f"{type(error).__name__}: {error}", LONGEST_TEXT)
        self.units = needed_for(answers, units)
        return {"cells": [unit.cell for unit in self.units], "unreadable": unreadable}

    def run(self, number: int) -> str:
        """Run one piece; give what it raised, "" if nothing."""
        unit = self.units[number]
        file = f"<cell {unit.cell + 1}>"
        linecache.cache[file] = (len(unit.code), None, [f"{line}\n" for line in unit.code.splitlines()], file)
        try:
            exec(compile(unit.code, file, "exec"), self.names)
        except BaseException as error:  # SystemExit as well: the next cell still runs
            return " ".join(_described(error))[:LONGEST_TEXT]
        finally:
            _flush()
        return ""

    def call(self, name: str, answer: str, cases: list[Case], most: int) -> list[Any]:
        """Results of an answer: of at most so many numbers, or what it raised as (kind, text, place)."""
        run = EXERCISES[name].run if name in EXERCISES else call
        return [self._result(run, answer, case, most) for case in cases]

    def _result(self, run: Any, answer: str, case: Case, most: int) -> Any:
        if answer not in self.names:
            return ("NameError", f"there is no {answer}: the cell that defines it is missing or failed", "")
        try:
            result = as_result(run(self.names[answer], case))
            numbers = sum(part.numel() for part in (result.values() if isinstance(result, dict) else [result]))
            if numbers > most:
                return ("ValueError", f"a result of {numbers} numbers; none is expected to be that large", "")
            return result
        except BaseException as error:
            return _described(error)
        finally:
            _flush()


def _nothing(*arguments: Any, **options: Any) -> None:
    return None


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # the student may have closed it
            continue


def _described(error: BaseException) -> tuple[str, str, str]:
    try:
        frames = traceback.extract_tb(error.__traceback__)
        place = next((f" (line {f.lineno}: {f.line})" for f in reversed(frames) if f.filename.startswith("<cell")), "")
        return type(error).__name__[:60], str(error)[:LONGEST_TEXT], place[:LONGEST_TEXT]
    except BaseException:  # an exception whose text raises
        return type(error).__name__[:60], "", ""


def serve(line: socket.socket) -> None:
    """Answer requests until the other side closes."""
    session = Session()
    requests: dict[str, Any] = {"prepare": session.prepare, "run": session.run, "call": session.call}
    while True:
        try:
            request, arguments = receive(line, limit=REQUEST_LIMIT)
        except EOFError:
            return
        send(line, requests[request](*arguments))


def main(descriptor: int, limits: dict[str, int]) -> None:
    """Set the limits, say "ready", then serve."""
    torch.set_num_threads(1)
    tempfile.gettempdir()  # found once, and kept: a student's code that fills /tmp shall not harm its other answers
    set_limits(**limits)
    line = socket.socket(fileno=descriptor)
    send(line, "ready")
    serve(line)
