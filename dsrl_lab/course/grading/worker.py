"""The process that runs a student's code: it holds no solution or hidden test, and its replies are judged outside."""

import linecache
import os
import re
import socket
import sys
import tempfile
import traceback
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from dsrl_lab.course.exercises.calls import CALLS, Case
from dsrl_lab.course.exercises.judge import as_result
from dsrl_lab.course.grading.messages import clean, numbers, receive, send
from dsrl_lab.course.grading.slicing import Unit, needed_for, statements, whole

REQUEST_LIMIT = 256 * 2**20
LONGEST_TEXT = 500


def set_limits(*, cpu_seconds: int, memory: int, file_bytes: int, processes: int) -> None:
    """Limit this process and all that it starts, for good; time and memory count from now, 0 processes: no limit."""
    import resource  # not on Windows, where there is no sandbox either

    with open("/proc/self/statm", encoding="ascii") as pages:  # noqa: PTH123 - the kernel's file, one line
        most = int(pages.readline().split()[0]) * os.sysconf("SC_PAGE_SIZE") + memory
    used = resource.getrusage(resource.RUSAGE_SELF)
    up = int(used.ru_utime + used.ru_stime) + 1 + cpu_seconds
    limits = {"AS": most, "FSIZE": file_bytes, "CORE": 0, "NOFILE": 128}
    for name, limit in (limits | ({"NPROC": processes} if processes else {})).items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (limit, limit))
    resource.setrlimit(resource.RLIMIT_CPU, (up, up + 2))


class LibraryCalls(TorchFunctionMode):
    """Notes functions of the kit, of other packages and of ``torch.nn.functional`` that an answer calls, or is."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if hasattr(F, name := getattr(func, "__name__", "")):
            self.names.add(name)
        return func(*args, **(kwargs or {}))

    def profile(self, frame: FrameType, event: str, _: Any) -> None:
        """For ``sys.setprofile``: TorchFunctionMode sees PyTorch's functions alone."""
        caller = frame.f_back
        outside = caller is None or not _in_library(caller.f_code.co_filename)
        if event == "call" and outside and _in_library(frame.f_code.co_filename):
            self.names.add(frame.f_code.co_qualname)


@cache
def _in_library(file: str) -> bool:
    kit = str(Path(__file__).parents[2])
    if file.startswith(kit):
        return not file.startswith(f"{kit}/course/")
    return "-packages/" in file and not re.search("-packages/(torch|numpy)/", file)


class Session:
    """A student's notebook while it is graded."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.names |= dict.fromkeys(("display", "get_ipython"), lambda *arguments, **options: None)
        self.units: list[Unit] = []
        self.calls: set[str] = set()

    def prepare(self, cells: list[list[str]], answers: list[str]) -> dict[str, Any]:
        """Find the code that the answers need: the student's by the cell, the teacher's by the statement."""
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
        """Run one piece; return what it raised, "" if nothing."""
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

    def call(self, run: str, answer: str, cases: list[Case], most: int) -> list[Any]:
        """Results of an answer, of at most ``most`` numbers each, or (kind, text, place) of what it raised."""
        return [self._result(CALLS[run], answer, case, most) for case in cases]

    def call_traced(self, *arguments: Any) -> list[Any]:
        """As ``call``; then ``called`` has an answer."""
        with LibraryCalls() as calls:
            sys.setprofile(calls.profile)
            results = self.call(*arguments)
            sys.setprofile(None)
        self.calls = calls.names
        return results

    def called(self) -> list[str]:
        """Names of the library functions that ran in the latest ``call_traced``."""
        return sorted(self.calls)

    def _result(self, run: Any, answer: str, case: Case, most: int) -> Any:
        if answer not in self.names:
            return ("NameError", f"there is no {answer}: the cell that defines it is missing or failed", "")
        try:
            result = as_result(run(self.names[answer], case))
            if numbers(result) > most:
                return ("ValueError", f"a result of {numbers(result)} numbers; none is expected to be that large", "")
            return result
        except BaseException as error:
            return _described(error)
        finally:
            _flush()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # the student may have closed it
            stream.flush()


def _described(error: BaseException) -> tuple[str, str, str]:
    try:
        frames = traceback.extract_tb(error.__traceback__)
        place = next((f" (line {f.lineno}: {f.line})" for f in reversed(frames) if f.filename.startswith("<cell")), "")
        return type(error).__name__[:60], str(error)[:LONGEST_TEXT], place[:LONGEST_TEXT]
    except BaseException:  # an exception whose text raises
        return type(error).__name__[:60], "", ""


def main(descriptor: int, limits: dict[str, int]) -> None:
    """Set the limits, send "ready", then answer requests until the other side closes."""
    torch.set_num_threads(1)
    tempfile.gettempdir()  # found once, so that code that fills /tmp does not harm the other answers
    set_limits(**limits)
    line, session = socket.socket(fileno=descriptor), Session()
    send(line, "ready")
    with suppress(EOFError):
        while True:
            request, arguments = receive(line, limit=REQUEST_LIMIT)
            send(line, getattr(session, request)(*arguments))
