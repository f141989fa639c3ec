"""The project's own promises: one list of dependencies, files short enough to read, the Makefile's targets."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from rattler import MatchSpec

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
CONDA_NAMES = {"torch": "pytorch-cpu", "torchvision": "torchvision"}


def test_conda_and_pyproject_ask_for_the_same() -> None:
    wanted = {requirement.name: requirement for requirement in map(Requirement, PROJECT["dependencies"])}
    conda = {}
    for line in CONDA["dependencies"]:
        if isinstance(line, str):
            spec = MatchSpec(line, strict=True)
            conda[str(spec.name.normalized if hasattr(spec.name, "normalized") else spec.name)] = line.partition(" ")[2]
    for name, conda_name in CONDA_NAMES.items():
        assert set(conda[conda_name].split(",")) == set(str(wanted[name].specifier).split(",")), name
    assert set(conda["python"].split(",")) == set(PROJECT["requires-python"].split(","))
    assert set(conda) == {"python", "pip", *CONDA_NAMES.values()}, "everything else comes from pyproject.toml"


def test_conda_takes_the_rest_from_pyproject() -> None:
    pip = next(line["pip"] for line in CONDA["dependencies"] if isinstance(line, dict))
    assert pip == ["-e .[lab]"]
    assert "conda-forge" in CONDA["channels"] and "pytorch" not in CONDA["channels"]


def test_every_dependency_is_bounded_below() -> None:
    extras = [text for texts in PROJECT["optional-dependencies"].values() for text in texts]
    unbounded = [text for text in PROJECT["dependencies"] + extras if ">=" not in text]
    assert unbounded == []


def test_library_files_are_short_enough_to_read() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in (ROOT / "dsrl_lab").rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 350
    }
    assert long == {}


@pytest.mark.parametrize("target", ["reproduce", "test", "lab", "check"])
def test_the_makefile_has_the_promised_targets_and_readme_names_them(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert f"make {target}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_version_is_said_once() -> None:
    import dsrl_lab

    assert dsrl_lab.__version__ == PROJECT["version"]
