"""Sources become notebooks: measured, in step, in one language, without anybody's guesses."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from dsrl_lab.course import build_notebooks as publishing
from dsrl_lab.files import sha256

SPOKEN = """# %% [markdown]
# # A title

# %% [markdown] lang="zh"
# # 标题

# %%
print(1)

# %% [markdown]
# Not translated.
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "00_a.py").write_text("# %%\nprint(1)\n", encoding="utf-8")
    (tmp_path / "src" / "01_b.py").write_text(SPOKEN, encoding="utf-8")
    return tmp_path


def built(folder: Path, name: str, **noted: object) -> None:
    source = folder / "src" / f"{name}.py"
    notebook = nbformat.v4.new_notebook(metadata={"dsrl_lab": {"source": sha256(source), **noted}})
    (folder / f"{name}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")


def test_a_changed_source_is_noticed(folder: Path) -> None:
    assert publishing.out_of_step(folder) == ["00_a", "01_b"]
    built(folder, "00_a")
    assert publishing.out_of_step(folder) == ["01_b"] and publishing.out_of_step(folder, ["00"]) == []
    (folder / "src" / "00_a.py").write_text("# %%\nprint(2)\n", encoding="utf-8")
    assert publishing.out_of_step(folder, ["00"]) == ["00_a"]


def test_notebooks_are_chosen_by_name_or_number(folder: Path) -> None:
    assert [source.stem for source in publishing.choose(folder, [])] == ["00_a", "01_b"]
    for name in ("01", "01_b"):
        assert [source.stem for source in publishing.choose(folder, [name])] == ["01_b"]
    with pytest.raises(ValueError, match=r"no notebook '07' in .*; there are 00_a, 01_b"):
        publishing.choose(folder, ["07"])
    for act in (publishing.out_of_step, publishing.build):
        with pytest.raises(FileNotFoundError, match="no notebook NN_name.py in .*src; go to the kit's folder"):
            act(folder / "elsewhere")


def test_a_second_language_stands_beside_each_cell_and_keeps_its_name(folder: Path) -> None:
    source = folder / "src" / "01_b.py"
    english, chinese = (publishing.read_source(source, language=language).cells for language in ("en", "zh"))
    assert [cell.source for cell in english] == ["# A title", "print(1)", "Not translated."]
    assert [cell.source for cell in chinese] == ["# 标题", "print(1)", "Not translated."]
    assert [cell["id"] for cell in english] == [cell["id"] for cell in chinese] == ["01-00", "01-01", "01-02"]


@pytest.mark.parametrize("before", ["", "# %%\nprint(1)\n\n"])
def test_a_translation_without_its_text_is_refused(before: str, tmp_path: Path) -> None:
    source = tmp_path / "02_c.py"
    source.write_text(f'{before}# %% [markdown] lang="zh"\n# # 标题\n', encoding="utf-8")
    with pytest.raises(ValueError, match='lang="zh" must be text and follow the text it translates'):
        publishing.read_source(source)


def test_efforts_are_gathered_from_the_notebooks_themselves(folder: Path) -> None:
    took = {"cpu_seconds": 12.5, "wall_seconds": 20.0, "peak_megabytes": 900.0}
    built(folder, "00_a")
    built(folder, "01_b", **took)
    assert publishing.efforts(folder) == {"01_b": publishing.Effort(**took)}
    record = folder / "runs" / "notebooks.jsonl"
    publishing.gather(folder, record)
    assert [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()] == [
        {"kind": "notebook", "name": "01_b"} | took
    ]


@pytest.mark.timeout(300)
def test_a_build_measures_hides_guesses_and_leaves_no_trace_of_the_measuring(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guesses = folder / "guesses.jsonl"
    guesses.write_text('{"question": "a", "guess": 7}\n', encoding="utf-8")
    monkeypatch.setenv("DSRL_LAB_PREDICTIONS", str(guesses))
    (folder / "src" / "00_a.py").write_text(
        "# %%\nimport os\nfrom pathlib import Path\nfrom dsrl_lab.course.exercises import reveal\n"
        "print(reveal('a', 1).guess, os.environ['DSRL_LAB_STATIC'], list(Path().iterdir()))\n",
        encoding="utf-8",
    )
    said: list[str] = []
    record = folder / "runs" / "notebooks.jsonl"
    (path,) = publishing.build(folder, ["00"], record=record, progress=said.append)
    notebook = nbformat.read(path, as_version=4)
    assert [cell.outputs[0].text for cell in notebook.cells] == ["None 1 []\n"] and said == ["00_a"]
    effort = publishing.efforts(folder)["00_a"]
    assert effort.cpu_seconds > 0 and effort.wall_seconds > 0 and effort.peak_megabytes > 20
    assert json.loads(record.read_text(encoding="utf-8"))["cpu_seconds"] == effort.cpu_seconds
    assert publishing.out_of_step(folder, ["00"]) == []


def test_a_warning_stops_a_build(tmp_path: Path) -> None:
    source = tmp_path / "00_start.py"
    source.write_text("# %%\nimport warnings\n\nwarnings.warn('old', PendingDeprecationWarning)\n", encoding="utf-8")
    with pytest.raises(CellExecutionError, match="old") as raised:
        publishing.execute(source, directory=tmp_path)
    assert raised.value.ename == "PendingDeprecationWarning"
