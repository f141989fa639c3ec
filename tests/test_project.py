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
CONDA_NAMES = {"torch": "pytorch-cpu"} | {name: name for name in ("torchvision", "pandas", "seaborn")}


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


ANNEXES = ("streets", "results", "course", "tools", "widgets", "cli")


def lines_of(*paths: Path, suffixes: tuple[str, ...] = (".py", ".js", ".css")) -> int:
    files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*"))]
    return sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files if file.suffix in suffixes)


def test_no_file_holds_more_than_a_reader_can_follow() -> None:
    paths = [path for path in (ROOT / "dsrl_lab").rglob("*") if path.suffix in (".py", ".js", ".css")]
    assert {str(path.relative_to(ROOT)): lines_of(path) for path in paths if lines_of(path) > 400} == {}


def test_the_core_is_small_and_so_is_the_whole() -> None:
    core = [path for path in (ROOT / "dsrl_lab").iterdir() if path.name not in ANNEXES]
    assert lines_of(*core) <= 10_000
    assert lines_of(ROOT / "dsrl_lab") <= 30_000


def test_the_layout_is_that_of_the_map() -> None:
    rooms = {path.name for path in (ROOT / "dsrl_lab").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms == {*ANNEXES, "datasets", "locale", "metrics", "models", "plots", "recipes", "training"}
    assert not {"utils", "common", "helpers"} & {path.stem for path in (ROOT / "dsrl_lab").rglob("*")}


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_readmes_map_begins_with_the_core_and_its_line_counts_are_true(readme: str) -> None:
    """Counts are given in hundreds of lines for rooms, in tens for files."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(dsrl_lab/[^`]+)` \| (\d[\d,]*) \|", text, re.MULTILINE)
    assert rows[0][0] == "dsrl_lab/dsrl.py" and {f"dsrl_lab/{annex}/" for annex in ANNEXES} <= {
        name for name, _ in rows
    }
    for name, stated in rows:
        path, unit = ROOT / name, 100 if name.endswith("/") else 10
        assert abs(int(stated.replace(",", "")) - lines_of(path)) <= unit, (name, stated, lines_of(path))


@pytest.mark.parametrize("target", ["reproduce", "test", "lab", "check"])
def test_the_makefile_has_the_promised_targets_and_readme_names_them(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert f"make {target}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_version_is_said_once() -> None:
    import dsrl_lab

    assert dsrl_lab.__version__ == PROJECT["version"]
