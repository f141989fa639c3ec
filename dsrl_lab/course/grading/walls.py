"""The walls of the sandbox: bubblewrap's name spaces and mounts, and what of them works on this computer."""

import os
import shutil
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path

from dsrl_lab.course.grading import control_group, launch

KIT = "/kit"
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
NOT_INSTALLED = "it is not installed (on Debian or Ubuntu: apt-get install bubblewrap)"
REFUSED = (
    "it cannot make name spaces here ({error}); the kernel, AppArmor or the container must allow this user to make "
    "user name spaces"
)
NOT_HERE = (
    "expected bubblewrap (the program bwrap) to shut students' code in, and {found}. Grading without it lets students' "
    "code read and change whatever you can; if you trust every submission, use --unsafe"
)


@cache
def bubblewrap() -> str:
    """Why bubblewrap cannot be used here; "" if it can."""
    program = shutil.which("bwrap")
    if program is None:
        return NOT_INSTALLED
    command = [program, *name_spaces(), "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true"]
    tried = subprocess.run(command, capture_output=True, text=True)
    return "" if tried.returncode == 0 else REFUSED.format(error=tried.stderr.strip()[:200])


def protections(*, unsafe: bool = False) -> tuple[str, ...]:
    """What is in force when a student's code runs here; ValueError if there is no bubblewrap, and not ``unsafe``."""
    limits = ("time and address space of each process", "file size", "output", *sorted(control_group.enforced()))
    if reason := bubblewrap():
        if not unsafe:
            raise ValueError(NOT_HERE.format(found=reason))
        return limits
    user = "unprivileged user" if os.geteuid() == 0 else "user name space"
    spaces = ("no network", "no other processes", "read-only files, solutions absent", "empty environment", user)
    return (*spaces, *(["no tracing, keyrings or name spaces"] if launch.system_calls() else []), *limits)


def not_enforced(*, unsafe: bool = False) -> tuple[str, ...]:
    """What the kernel does not limit here; the grader then looks ten times a second, and may miss something."""
    walls = () if launch.system_calls() and not (unsafe and bubblewrap()) else ("no tracing, keyrings or name spaces",)
    wanted = {control_group.MEMORY, control_group.PROCESSES, control_group.CPU}
    return (*walls, *sorted(wanted - control_group.enforced()))


def name_spaces() -> list[str]:
    """Options of bubblewrap: what the process does not share with others."""
    spaces = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    if os.geteuid() == 0:  # root becomes another user inside, so that the kernel counts its processes
        spaces += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        spaces += ["--unshare-user", *(["--disable-userns"] if _knows("--disable-userns") else [])]
    return ["--die-with-parent", "--new-session", "--clearenv", *spaces]


@cache
def _knows(option: str) -> bool:
    return option in subprocess.run(["bwrap", "--help"], capture_output=True, text=True).stdout


def packages() -> list[Path]:
    """Folders of installed packages that this Python imports from."""
    found = {Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")}
    found |= {Path(entry) for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")}
    return sorted(folder.resolve() for folder in found if folder.is_dir())


def refuse_visible(folder: Path) -> None:
    """Raise ValueError for a folder among the system's or Python's own files, which students' code may read."""
    hidden = [place / "dsrl_lab" for place in packages()]
    for place in (Path(sys.base_prefix).resolve(), *packages(), *map(Path, SYSTEM)):
        if folder.resolve().is_relative_to(place.resolve()) and folder.resolve() not in hidden:
            raise ValueError(f"{folder} lies in {place}, which students' code may read; move it elsewhere")


def mounts(kit: Path, size: int) -> list[str]:
    """Options of bubblewrap: the system, Python, packages without the teacher's kit, the student's kit."""
    words = ["--size", str(size), "--perms", "1777", "--tmpfs", "/tmp"]  # first, to hide nothing below it
    for folder in map(Path, SYSTEM):
        if folder.is_symlink():
            words += ["--symlink", str(folder.readlink()), str(folder)]
        elif folder.is_dir():
            words += ["--ro-bind", str(folder), str(folder)]
    words += ["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
    shown = [Path(sys.base_prefix).resolve(), *packages()]
    for folder in shown:
        for parent in reversed(folder.parents[:-1]):  # made by bubblewrap, by default for root alone to enter
            words += ["--perms", "0755", "--dir", str(parent)]
        words += ["--ro-bind", str(folder), str(folder)]
    for folder in shown:
        for path in (folder / "dsrl_lab", *folder.glob("dsrl_lab-*"), folder / "nbgrader"):
            words += ["--tmpfs", str(path), "--remount-ro", str(path)] if path.is_dir() else []
    refuse_visible(kit)
    refuse_visible(Path(__file__).resolve().parents[2])
    # /proc is read-only, so that no process can write into the memory of the one that ends them all.
    words += ["--ro-bind", str(kit), KIT, "--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev"]
    words += ["--size", str(2**20), "--perms", "1777", "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]
    return [*words, "--remount-ro", "/"]
