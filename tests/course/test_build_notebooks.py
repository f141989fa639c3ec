"""Sources become notebooks: measured, in step, in one language, without anybody's guesses."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from dsrl_lab.course import build_notebooks as publishing

SPOKEN = """# %% [markdown]
# # A title

# %% [markdown] lang="zh" of="eceff864"
# # 标题 [A](a.md) [B](02_b.ipynb) [C](https://c)

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
    notebook = nbformat.v4.new_notebook(metadata={"dsrl_lab": {"source": publishing.fingerprint(source), **noted}})
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
    title = "# 标题 [A](../a.md) [B](02_b.ipynb) [C](https://c)"
    assert [cell.source for cell in chinese] == [title, "print(1)", "Not translated."]
    assert [cell["id"] for cell in english] == [cell["id"] for cell in chinese] == ["01-00", "01-01", "01-02"]


TRANSLATED = '# %% [markdown]\n# A\n\n# %% [markdown] lang="zh"\n# 甲\n\n'


@pytest.mark.parametrize("before", ["", "# %%\nprint(1)\n\n", TRANSLATED], ids=["first", "code", "twice"])
def test_a_translation_without_its_text_is_refused(before: str, tmp_path: Path) -> None:
    source = tmp_path / "02_c.py"
    source.write_text(f'{before}# %% [markdown] lang="zh"\n# # 标题\n', encoding="utf-8")
    with pytest.raises(ValueError, match='after cell .*: a cell with lang="zh" must be text and follow .* .# 标题'):
        publishing.read_source(source)


def test_missing_and_old_translations_are_named_until_they_are_written_and_stamped(folder: Path) -> None:
    source = folder / "src" / "01_b.py"
    without = "01_b, cell 01-02 ('Not translated.') has no Chinese translation"
    assert publishing.translation_faults(folder) == [without]
    source.write_text(SPOKEN.replace("A title", "Another title"), encoding="utf-8")
    old = (
        "01_b, cell 01-00 ('# Another title'): its Chinese is of another text; revise it, then dsrl-lab notebooks stamp"
    )
    assert publishing.translation_faults(folder, ["01"]) == [f"{old} 01-00", without]
    publishing.read_source(source)  # English can be built all the same
    with pytest.raises(ValueError, match="01-00 .*Another title.*its Chinese is of another text"):
        publishing.read_source(source, language="zh")
    assert publishing.stamp(folder, ["01-01"]) == 0 and publishing.stamp(folder, ["01-00"]) == 1
    assert publishing.stamp(folder, ["01_b"]) == 0 and publishing.translation_faults(folder) == [without]
    publishing.read_source(source, language="zh")
    source.write_text(source.read_text(encoding="utf-8").replace(' of="', ' of="0'), encoding="utf-8")
    assert publishing.stamp(folder) == 1


def test_each_language_is_in_step_with_its_own_texts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "LOCALE", folder)
    source = folder / "src" / "01_b.py"
    english, chinese = publishing.fingerprint(source), publishing.fingerprint(source, "zh")
    source.write_text(SPOKEN.replace("标题", "题目"), encoding="utf-8")
    assert publishing.fingerprint(source) == english != publishing.fingerprint(source, "zh") != chinese
    source.write_text(SPOKEN, encoding="utf-8")
    assert publishing.fingerprint(source, "zh") == chinese
    (folder / "zh").mkdir()
    (folder / "zh" / "notebook_02.po").write_text("", encoding="utf-8")
    assert publishing.fingerprint(source, "zh") == chinese
    (folder / "zh" / "notebook_01.po").write_text("", encoding="utf-8")
    assert publishing.fingerprint(source) == english and publishing.fingerprint(source, "zh") != chinese


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
    noted = nbformat.v4.new_notebook(metadata={"dsrl_lab": took})
    (folder / "zh").mkdir()
    (folder / "zh" / "00_a.ipynb").write_text(json.dumps(noted), encoding="utf-8")
    publishing.gather(folder, record)
    last = json.loads(record.read_text(encoding="utf-8").splitlines()[-1])
    assert last == {"kind": "notebook", "name": "00_a", "language": "zh"} | took


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


@pytest.mark.timeout(300)
def test_a_chinese_build_names_the_texts_that_no_catalogue_has(folder: Path) -> None:
    code = "# %%\nfrom dsrl_lab.language import translate\n\ntranslate('no such text, 7 times')\n"
    (folder / "src" / "00_a.py").write_text(code, encoding="utf-8")
    with pytest.raises(ValueError, match=r"translate these in dsrl_lab/locale.*\n00_a: 'no such text, \{0\} times'"):
        publishing.build(folder, ["00"], language="zh")
    noted = nbformat.read(folder / "zh" / "00_a.ipynb", as_version=4).metadata["dsrl_lab"]
    assert noted["language"] == "zh" and noted["untranslated"] == ["no such text, {0} times"]
    assert publishing.out_of_step(folder, ["00"], "zh") == ["00_a"]


def test_a_warning_stops_a_build(tmp_path: Path) -> None:
    source = tmp_path / "00_start.py"
    source.write_text("# %%\nimport warnings\n\nwarnings.warn('old', PendingDeprecationWarning)\n", encoding="utf-8")
    with pytest.raises(CellExecutionError, match="old") as raised:
        publishing.execute(source, directory=tmp_path)
    assert raised.value.ename == "PendingDeprecationWarning"
