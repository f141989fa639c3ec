"""The page on hosts and pictures of one's own works as it stands: every block runs, in order."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dsrl_lab import cli

PAGE = Path(__file__).resolve().parents[1] / "docs" / "BRING_YOUR_OWN.md"
BLOCKS = re.findall(r"```(python|bash)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
SMP = "segmentation_models_pytorch"


def test_the_page_has_its_blocks() -> None:
    assert [kind for kind, _ in BLOCKS].count("python") == 7 and sum(SMP in block for _, block in BLOCKS) == 1
    commands = [shlex.split(line)[1] for kind, block in BLOCKS if kind == "bash" for line in block.splitlines()]
    assert commands == ["data", "train", "evaluate", "predict"]


def test_every_block_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    for kind, block in BLOCKS:
        if kind == "python" and SMP not in block:
            exec(compile(block, str(PAGE), "exec"), scope)
        for line in block.splitlines() if kind == "bash" else ():
            program, *arguments = shlex.split(line)
            result = CliRunner().invoke(cli.app, arguments)
            assert program == "dsrl-lab" and result.exit_code == 0, f"{line}: {result.output}{result.exception!r}"
    assert len(list((tmp_path / "predictions").glob("*_ids.png"))) == 4


def test_the_block_of_segmentation_models_pytorch_runs() -> None:
    if importlib.util.find_spec(SMP) is None:
        pytest.skip(f"{SMP} is not installed: pip install segmentation-models-pytorch runs the page's block too")
    scope: dict[str, object] = {}
    for block in [BLOCKS[0][1], *(block for _, block in BLOCKS if SMP in block)]:
        exec(compile(block, str(PAGE), "exec"), scope)
