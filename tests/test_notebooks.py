"""Every notebook runs alone, in an empty folder, with the network off, and shows pictures that can be read aloud."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import pytest

from dsrl_lab import publishing

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
SOURCES = publishing.sources(FOLDER)
OFFLINE = {f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https")}


def outputs(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


@pytest.mark.notebooks
@pytest.mark.timeout(600)
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_it_runs_alone(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in OFFLINE.items():
        monkeypatch.setenv(name, value)
    notebook = publishing.execute(source, directory=tmp_path)
    warnings = [output.text for output in outputs(notebook) if output.get("name") == "stderr"]
    assert warnings == []
    assert list(tmp_path.iterdir()) == [], "a notebook writes nothing that it was not asked to"


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_the_built_notebook_is_in_step_and_shows_its_pictures(source: Path) -> None:
    assert source.stem not in publishing.out_of_step(FOLDER), "build it: dsrl-lab notebooks"
    path = FOLDER / f"{source.stem}.ipynb"
    assert path.stat().st_size < 1_000_000
    notebook = nbformat.read(path, as_version=4)
    assert "widgets" not in notebook.metadata
    for output in outputs(notebook):
        data = output.get("data", {})
        assert publishing.WIDGET_VIEW not in data and "image/png" not in data
        for tag in re.findall(r"<img[^>]*>", "".join(data.get("text/html", ""))):
            assert re.search(r'alt="[^"]{10,}"', tag), "every picture has an alternative text"
    assert any("<img" in "".join(output.get("data", {}).get("text/html", "")) for output in outputs(notebook))


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_cells_are_short(source: Path) -> None:
    import jupytext

    for cell in jupytext.read(source).cells:
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= 30
        else:
            assert len(cell.source.split()) <= 90, cell.source[:60]


def test_a_changed_source_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    source = tmp_path / "src" / "00_a.py"
    source.write_text("# %%\nprint(1)\n", encoding="utf-8")
    assert publishing.out_of_step(tmp_path) == ["00_a"]
    notebook = nbformat.v4.new_notebook(metadata={"dsrl_lab": {"source": publishing.fingerprint(source)}})
    (tmp_path / "00_a.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    assert publishing.out_of_step(tmp_path) == []
    source.write_text("# %%\nprint(2)\n", encoding="utf-8")
    assert publishing.out_of_step(tmp_path) == ["00_a"]
