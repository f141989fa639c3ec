"""What all commands share: whole paths in pipes, progress in logs, memory that is not there, and numbers of options."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import typer
from PIL import Image
from rich.table import Table
from typer.testing import CliRunner

from dsrl_lab import cli
from dsrl_lab.cli import console

LONG = "/home/someone/" + "a_folder_with_a_long_name/" * 8 + "net.safetensors"
NETWORK = Path(__file__).resolve().parents[2] / "data" / "checkpoints" / "streets_tinynet" / "dsrl_seed0.safetensors"
# What a command needs beside the option that is wrong.
NEEDED = {
    "train": ["streets_tinynet_dsrl"],
    "train-sisr": ["super_resolution_srcnn"],
    "evaluate": [str(NETWORK), "--dataset", "streets"],
    "predict": [str(NETWORK), "."],
    "export": [str(NETWORK)],
    "cost": ["--plan", "streets_tinynet_dsrl"],
    "grade": ["."],
}


def test_no_path_is_broken_where_there_is_no_screen(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console.output, "_width", None)  # whatever COLUMNS was when the console was made
    table = Table(title=f"of {LONG}")
    table.add_column("found", overflow="fold")
    table.add_row(LONG)
    console.output.print(f"record and network in {LONG}, and more")
    console.output.print(table)
    console.errors.print(f"no checkpoint at {LONG}; train one", markup=False)
    shown = capsys.readouterr()
    assert shown.out.count(LONG) == 3 and f"no checkpoint at {LONG}; train one\n" in shown.err
    assert not any(line.endswith(" " * 9) for line in shown.out.splitlines())


def test_a_screen_keeps_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    screen = console._Console(file=io.StringIO(), force_terminal=True)
    assert screen.width == 60
    monkeypatch.delenv("COLUMNS")
    assert console._Console(file=io.StringIO()).width == console.PIPE


def test_a_log_gets_a_line_every_so_often_and_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    progress = console.progress_bar()
    progress.get_time = lambda: now
    with progress:
        bar = progress.add_task("training", total=9)
        for step in range(10):
            now = 10.0 * step
            progress.update(bar, completed=step)
        now += 2 * console.LOG_SECONDS
        counted = progress.add_task("fetching", total=None)
        progress.update(counted, advance=4)
    assert capsys.readouterr().err.splitlines() == [
        *(f"training: {done} of 9" for done in (3, 6, 9)),
        "fetching: 4",
    ]


def test_a_screen_gets_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = io.StringIO()
    monkeypatch.setattr(console, "errors", console._Console(file=sink, force_terminal=True, width=70))
    with console.progress_bar() as progress:
        progress.update(progress.add_task("training " + "x" * 99, total=9), completed=9)
    assert "9/9" in sink.getvalue() and "…" in sink.getvalue()


QUICK = """
import sys
from typer.testing import CliRunner
from dsrl_lab import cli
commands = [["--help"], *([name, "--help"] for name in sys.argv[1:]), ["train", "--list"], ["train-sisr", "--list"]]
for command in [*commands, ["doctor"], ["data", "list"]]:
    result = CliRunner().invoke(cli.app, command)
    assert result.exit_code == 0, (command, result.exception)
    assert "torch" not in sys.modules, command
"""


def test_help_lists_and_doctor_do_not_wait_for_torch() -> None:
    names = ("train", "predict", "evaluate", "export", "bench", "classroom", "data", "reproduce", "figures")
    result = subprocess.run([sys.executable, "-c", QUICK, *names], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def raising(error: BaseException) -> Any:
    def app() -> None:
        raise error

    return app


def test_what_the_memory_does_not_hold_is_one_paragraph(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for error in (RuntimeError("DefaultCPUAllocator: can't allocate memory: 4 TB"), MemoryError("4 TB")):
        monkeypatch.setattr(cli, "app", raising(error))
        with pytest.raises(SystemExit, match="2"):
            cli.main()
        assert "memory does not hold it; ask for less" in capsys.readouterr().err
    monkeypatch.setattr(cli, "app", raising(RuntimeError("a bug")))
    with pytest.raises(RuntimeError, match="a bug"):
        cli.main()


def test_a_terminal_without_a_sign_shows_another(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(cli, "app", lambda: console.output.print("2 × 3 ± 1"))
    cli.main()
    stream.flush()
    assert stream.buffer.getvalue() == b"2 ? 3 ? 1\n"  # type: ignore[attr-defined]


def numbers(app: typer.Typer = cli.app, path: tuple[str, ...] = ()) -> Iterator[Any]:
    """Every option of every command that takes a number: path of the command, option, and how many numbers."""
    for group in app.registered_groups:
        assert group.typer_instance is not None
        yield from numbers(group.typer_instance, (*path, str(group.typer_instance.info.name or group.name)))
    for command in app.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__.replace("_", "-")
        for parameter, hint in get_type_hints(command.callback, include_extras=True).items():
            words = str(hint).replace("typing.", "").removeprefix("Annotated[").split(",")[0:2]
            if any(kind in words[0] for kind in ("int", "float")):
                option, count = f"--{parameter.replace('_', '-')}", 2 if "tuple[" in words[0] else 1
                yield pytest.param((*path, name), option, count, id=f"{'-'.join((*path, name))} {option}")


@pytest.mark.parametrize(("path", "option", "count"), numbers())
def test_a_number_out_of_range_is_a_message(
    path: tuple[str, ...], option: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for value in ("-1", "nan", "x"):
        needed = [] if option == "--input-size" and path == ("cost",) else NEEDED.get(path[-1], [])
        command = [*path, *needed, option, *[value] * count]
        result = CliRunner().invoke(cli.app, command)
        assert result.exit_code == 2 or isinstance(result.exception, ValueError), (command, result.exception)


@pytest.mark.parametrize(
    "command",
    [
        ["bench", "train", "--record", "file/a.jsonl"],
        ["export", str(NETWORK), "--record", "file/a.jsonl"],
        ["train-sisr", "super_resolution_srcnn", "--keep", "file"],
        ["train-sisr", "super_resolution_srcnn", "--out", "file/run"],
        ["reproduce", "--out", "file"],
        ["figures", "--out", "file"],
    ],
)
def test_a_place_where_nothing_can_be_written_shows_before_the_work(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    for work in ("dsrl_lab.experiments.run", "dsrl_lab.results.figures.draw", "dsrl_lab.tools.export.writing.export"):
        monkeypatch.setattr(work, lambda *_, **__: pytest.fail("it began"))
    result = CliRunner().invoke(cli.app, command)
    assert isinstance(result.exception, ValueError) and "found a file there; name another place" in str(
        result.exception
    )


def test_a_damaged_record_in_the_way_shows_before_reproduce_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dsrl_lab.experiments.run", lambda *_, **__: pytest.fail("it began"))
    (tmp_path / "other.jsonl").write_text('{"kind": "run"}\n', encoding="utf-8")
    result = CliRunner().invoke(cli.app, ["reproduce", "--out", str(tmp_path)])
    assert isinstance(result.exception, ValueError) and "other.jsonl: expected a first line" in str(result.exception)


def test_videos_without_their_package_are_named_before_any_picture_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    Image.new("RGB", (48, 32)).save(tmp_path / "a.png")
    (tmp_path / "b.mp4").touch()
    result = CliRunner().invoke(cli.app, ["predict", str(NETWORK), str(tmp_path), "--out", str(tmp_path / "out")])
    assert isinstance(result.exception, ModuleNotFoundError) and "pip install -e '.[video]'" in str(result.exception)
    assert not any((tmp_path / "out").iterdir())
