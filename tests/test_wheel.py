"""The wheel: it holds every file of the package, and works where there is no checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TRY = """
import json, sys
from importlib.resources import files
import dsrl_lab, dsrl_lab.widgets.affinity, dsrl_lab.widgets.training
from dsrl_lab.tools.fetch.sources import available
assert dsrl_lab.__file__.startswith(sys.prefix), dsrl_lab.__file__
assert "camvid" in available()
assert (files("dsrl_lab.widgets") / "kit.css").read_text()
print(dsrl_lab.__version__)
"""

pytestmark = pytest.mark.wheel


def run(*command: object, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built of a copy: what an earlier build left in the checkout's own ``build`` would get into it."""
    source = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "dsrl_lab", source / "dsrl_lab", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", "out", ".", cwd=source)
    (made,) = (source / "out").glob("*.whl")
    return made


def test_every_file_of_the_package_is_in_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        inside = set(opened.namelist())
        (metadata,) = (opened.read(name).decode() for name in inside if name.endswith("METADATA"))
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "dsrl_lab").rglob("*") if path.is_file()}
    assert {file for file in files if "__pycache__" not in file} - inside == set()
    assert "License-Expression: MIT" in metadata and any(name.endswith("LICENSE") for name in inside)


def test_it_works_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", "--without-pip", "venv", cwd=tmp_path)
    place = "Scripts" if os.name == "nt" else "bin"
    python = tmp_path / "venv" / place / "python"
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).strip())
    (packages / "base.pth").write_text(sysconfig.get_path("purelib"))  # PyTorch and the others, downloaded once
    run(python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", wheel, cwd=tmp_path)
    command = tmp_path / "venv" / place / "dsrl-lab"
    assert run(python, "-c", TRY, cwd=tmp_path).strip() in wheel.name
    assert "Python" in run(command, "doctor", cwd=tmp_path)
    changes = [part for change in ("iterations=1", "input_size=[16,24]") for part in ("--set", f"train.{change}")]
    run(command, "train", "streets_tinynet_baseline", "--pictures", 2, 1, *changes, "--out", "run", cwd=tmp_path)
    assert (tmp_path / "run" / "deployed.safetensors").is_file()
