"""``dsrl-lab doctor``: what the kit wants, what is there, and one line to fix each difference."""

import importlib.metadata
import importlib.util
import json
import os
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from packaging.requirements import Requirement

from dsrl_lab.cli.console import output
from dsrl_lab.language import translate


@dataclass(frozen=True)
class Finding:
    """One line of the report: what was looked at, what was found and wanted, whether it will do, how to fix it."""

    what: str
    found: str
    wanted: str
    ok: bool
    needed: bool
    remedy: str


def examine(data: Path | None = None) -> list[Finding]:
    """Look at Python, packages, data folders, cores, memory, disk, and what grading students' code needs."""
    return [_python(), *_packages(), *_data_folders(data), *_machine(), *_grading()]


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
    data: Annotated[Path | None, typer.Option(help="Folder with CamVid/, weights/, ... to look at.")] = None,
) -> None:
    """Say what is found against what is wanted, and how to fix each; exit code 1 if something needed is missing."""
    from rich.table import Table

    findings = examine(data)
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        table = Table(title="dsrl-lab doctor")
        for column in ("", translate("what"), translate("found"), translate("wanted"), translate("to fix it")):
            table.add_column(column, overflow="fold")
        for finding in findings:
            sign = "[green]ok[/green]" if finding.ok else "[red]no[/red]" if finding.needed else "[yellow]-[/yellow]"
            texts = finding.what, finding.found, finding.wanted, "" if finding.ok else finding.remedy
            table.add_row(sign, *map(translate, texts))
        output.print(table)
    if any(finding.needed and not finding.ok for finding in findings):
        raise typer.Exit(1)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    ok = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return Finding("Python", version, "3.11 to 3.13", ok, True, "make a virtual environment with Python 3.11 to 3.13")


def _packages() -> list[Finding]:
    """Every requirement of the package's own metadata; those of an extra are wanted, not needed."""
    findings, extras = [], importlib.metadata.metadata("dsrl-lab").get_all("Provides-Extra", [])
    for text in importlib.metadata.requires("dsrl-lab") or []:
        requirement = Requirement(text)
        extra = next((e for e in extras if f'extra == "{e}"' in text), None)
        marker = requirement.marker
        if extra in ("dev", "class") or (marker and not marker.evaluate({"extra": extra or ""})):
            continue
        try:
            found = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            found = "absent"
        ok = found != "absent" and requirement.specifier.contains(found, prereleases=True)
        remedy = f'pip install "{requirement.name}{requirement.specifier}"'
        name = requirement.name + (f" ({extra})" if extra else "")
        findings.append(Finding(name, found, str(requirement.specifier) or "any", ok, extra is None, remedy))
    return findings


def _data_folders(data: Path | None) -> list[Finding]:
    from dsrl_lab.files import REPOSITORY

    root = data or Path(os.environ.get("DSRL_LAB_DATA", REPOSITORY / "data"))
    name_it, set_it = "name its folder by --data", "set DSRL_LAB_DATA to the folder that holds weights"
    wanted = {"CamVid": ("camvid", name_it), "weights/espnetv2_cityscapes": ("espnetv2_cityscapes", set_it)}
    return [
        Finding(
            f"data: {folder}",
            str(root / folder) if (root / folder).is_dir() else "absent",
            "for real pictures (streets needs none)",
            (root / folder).is_dir(),
            False,
            f"dsrl-lab data fetch {name}, or {remedy}",
        )
        for folder, (name, remedy) in wanted.items()
    ]


def _machine() -> list[Finding]:
    import psutil

    cores = os.cpu_count() or 1
    memory = psutil.virtual_memory().total / 2**30
    disk = shutil.disk_usage(Path.cwd()).free / 2**30
    return [
        Finding("cores", str(cores), "2 or more", cores >= 2, False, "one core works, at about half the speed"),
        Finding("memory", f"{memory:.1f} GiB", "4 GiB or more", memory >= 4, False, "close other programs"),
        Finding("free disk here", f"{disk:.1f} GiB", "2 GiB or more", disk >= 2, False, "make room"),
    ]


def _grading() -> list[Finding]:
    from dsrl_lab.course.grading.walls import bubblewrap, not_enforced

    reason, missing = bubblewrap(), not_enforced()
    install = "install the program bwrap (Debian, Ubuntu: bubblewrap), and allow user name spaces"
    wanted = "bubblewrap (teachers only)"
    remedy = "run it as a user of a systemd computer, or in a control group (version 2) of which you may make parts"
    limits = f"without {', '.join(missing)}" if missing else "all"
    return [
        Finding("sandbox for grading", reason or "bubblewrap", wanted, not reason, False, install),
        Finding("limits for grading", limits, "kept by the kernel (teachers only)", not missing, False, remedy),
    ]
