"""Every notebook runs alone, in an empty folder, with the network off, and can be read aloud.

What is asked of all notebooks is asked of those that exist; only what is asked of the series waits for all of them.
"""

from __future__ import annotations

import ast
import importlib
import itertools
import pkgutil
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

import dsrl_lab
from dsrl_lab.course import build_notebooks as publishing
from dsrl_lab.course.build_notebooks import Effort
from dsrl_lab.course.exercises.bank import exercises
from dsrl_lab.language import LANGUAGES

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"
SOURCES = publishing.sources(FOLDER)
CHAPTERS = [source for source in SOURCES if not source.stem.startswith("00")]
SERIES = 11
BUDGET, BUDGET_OF_ALL = 3 * 60, 15 * 60  # seconds of processor time, with one thread
OFFLINE = """
import socket

def refuse(self, address, *rest):
    if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise OSError(f"the network is off, and {address} was asked for")
    return connect(self, address, *rest)

connect, socket.socket.connect = socket.socket.connect, refuse
"""
WORDS_FOR_SECONDS = {
    "a quarter of a minute": 15,
    "half a minute": 30,
    "three quarters of a minute": 45,
    "a minute": 60,
    "a minute and a half": 90,
    "two minutes": 120,
}
HEADER = re.compile(r"Measured: (?:about )?(.+?) of CPU time on one core, ([\d.]+) GB of memory")
SECTIONS = ("What you will be able to do", "Predict", "Try it", "Limits", "Five questions", "Words and sources")

each = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
each_chapter = pytest.mark.parametrize("source", CHAPTERS, ids=lambda source: source.stem)


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def texts(source: Path) -> list[str]:
    return [cell.source for cell in publishing.read_source(source).cells if cell.cell_type == "markdown"]


def codes(source: Path) -> list[str]:
    return [cell.source for cell in publishing.read_source(source).cells if cell.cell_type == "code"]


def headings(source: Path) -> list[str]:
    return [line for text in texts(source) for line in text.splitlines() if re.match("#+ ", line)]


def built(source: Path) -> Any:
    return nbformat.read(FOLDER / f"{source.stem}.ipynb", as_version=4)


def seconds_said(words: str) -> float:
    """Seconds that a header's words mean."""
    if words in WORDS_FOR_SECONDS:
        return WORDS_FOR_SECONDS[words]
    number, unit = words.split()
    return float(number) * {"second": 1, "minute": 60}[unit.rstrip("s")]


@pytest.mark.notebooks
@pytest.mark.timeout(1800)
@each
def test_it_runs_alone(source: Path, tmp_path: Path) -> None:
    patch, here = tmp_path / "offline", tmp_path / "here"
    patch.mkdir()
    here.mkdir()
    (patch / "sitecustomize.py").write_text(OFFLINE, encoding="utf-8")
    dead = {f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https")}
    environment = {"PYTHONPATH": str(patch), **dead}
    notebook = publishing.execute(source, directory=here, environment=environment)
    assert [output.text for output in outputs(notebook) if output.get("name") == "stderr"] == []
    assert list(here.iterdir()) == [], "a notebook writes nothing that it was not asked to"
    assert notebook.metadata["dsrl_lab"]["cpu_seconds"] <= BUDGET


@pytest.mark.notebooks
@pytest.mark.timeout(300)
def test_the_network_really_is_off(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(OFFLINE, encoding="utf-8")
    source = tmp_path / "00_a.py"
    ask = "import urllib.request\ntry:\n    urllib.request.urlopen('http://192.0.2.1')\nexcept OSError as error:\n"
    source.write_text(f"# %%\n{ask}    print(error)\n", encoding="utf-8")
    notebook = publishing.execute(source, directory=tmp_path, environment={"PYTHONPATH": str(tmp_path)})
    assert "the network is off" in notebook.cells[0].outputs[0].text


@pytest.mark.parametrize("language", LANGUAGES)
@each
def test_the_built_notebook_is_in_step_and_shows_its_pictures(source: Path, language: str) -> None:
    path = publishing.built_path(source, language)
    if language != "en" and not path.is_file():
        pytest.skip(f"not built yet: dsrl-lab notebooks build --language {language} {source.stem[:2]}")
    stale = publishing.out_of_step(FOLDER, [source.stem], language)
    assert not stale, f"build it: dsrl-lab notebooks build --language {language} {source.stem[:2]}"
    assert path.stat().st_size < 1_000_000
    notebook = nbformat.read(path, as_version=4)
    assert "widgets" not in notebook.metadata
    pictures = 0
    for output in outputs(notebook):
        assert output.get("name") != "stderr" and output.output_type != "error"
        data = output.get("data", {})
        assert publishing.WIDGET_VIEW not in data and "image/png" not in data and "image/svg+xml" not in data
        for tag in re.findall(r"<img[^>]*>", "".join(data.get("text/html", ""))):
            assert re.search(r'alt="[^"]{10,}"', tag), "every picture has an alternative text"
            pictures += 1
            if language != "en":
                assert re.search(r'alt="[^"]*[\u4e00-\u9fff]', tag), tag[:200]
    assert pictures


@each
def test_cells_are_short(source: Path) -> None:
    for code in codes(source):
        assert len(code.splitlines()) <= 30, code[:80]
    for text in texts(source):
        assert len(text.split()) <= 90, text[:80]


@each_chapter
def test_a_chapter_has_its_length(source: Path) -> None:
    appendix = source.stem.startswith("10")
    assert 35 <= len(publishing.read_source(source).cells) <= 60
    assert (1200 if appendix else 1500) <= sum(len(text.split()) for text in texts(source)) <= 3000


@each_chapter
def test_the_first_screen_is_the_idea(source: Path) -> None:
    cells = [cell for cell in publishing.read_source(source).cells if cell.cell_type == "code"][1:]
    for cell in cells:
        imports = [line for line in cell.source.splitlines() if re.match("(from|import) ", line)]
        if imports or "new_figure(" in cell.source:
            assert cell.metadata.get("jupyter") == {"source_hidden": True}, cell.source[:80]


@each_chapter
def test_questions_have_folded_answers(source: Path) -> None:
    whole = "\n".join(texts(source))
    numbers = re.findall(r"<details><summary>(\d)\. [^<]*(?:<[^<]*)*?</summary>[^\n]{4,}</details>", whole)
    assert numbers == list("12345")


@each
def test_an_at_sign_is_no_address(source: Path) -> None:
    for text in texts(source):
        plain = re.sub(r"`[^`]*`|<code>[^<]*</code>", "", text)
        assert not re.search(r"\w@\w", plain), "between code marks, or JupyterLab makes a mail link of it"


@each_chapter
def test_headings_make_a_summary(source: Path) -> None:
    lines = headings(source)
    assert re.match(rf"# {source.stem[:2]} · ", lines[0]) and not any(line.startswith("# ") for line in lines[1:])
    assert len(set(lines)) == len(lines) >= 9
    depths = [len(line.split()[0]) for line in lines]
    assert all(after - before <= 1 for before, after in itertools.pairwise(depths)), "no level is skipped"
    sections = (*SECTIONS, "Break it") if "02" <= source.stem[:2] <= "09" else SECTIONS
    missing = [name for name in sections if not any(line.startswith(f"## {name}") for line in lines)]
    assert missing == []


@each_chapter
def test_the_first_code_cell_starts_the_lab_and_a_claim_comes_before_it(source: Path) -> None:
    assert re.search(r"^lab = start\(.*\)$", codes(source)[0], re.MULTILINE) and len(codes(source)[0].splitlines()) <= 4
    assert "**Claim.**" in texts(source)[0] and "Data:" in texts(source)[0] and "Needs:" in texts(source)[0]


@each
def test_names_that_a_notebook_takes_are_public_and_there(source: Path) -> None:
    tree = ast.parse("\n".join(codes(source)))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.names[0].name != "*" and not node.level
            if (node.module or "").split(".")[0] != "dsrl_lab":
                continue
            module = importlib.import_module(node.module or "")
            below = {name for _, name, _ in pkgutil.iter_modules(getattr(module, "__path__", []))}
            for name in (alias.name for alias in node.names):
                assert not name.startswith("_"), f"{node.module}.{name} is private"
                exported = getattr(module, "__all__", None) or dir(module)
                assert name in exported or name in below, f"{node.module} does not export {name}"


@each
def test_places_that_a_text_names_are_there(source: Path) -> None:
    for text in texts(source):
        for path in re.findall(r"`((?:dsrl_lab|data|notebooks|figures|tests)/[\w./-]*)`", text):
            assert (ROOT / path).exists(), f"{source.stem} names {path}"
        for name in re.findall(r"`dsrl_lab\.([\w.]+)`", text):
            thing: Any = dsrl_lab
            for part in name.split("."):
                if not hasattr(thing, part):
                    importlib.import_module(f"{thing.__name__}.{part}")
                thing = getattr(thing, part)


@each
def test_no_shell_and_no_rewriting_of_figures_outside_the_kit(source: Path) -> None:
    for code in codes(source):
        assert not re.search(r"^\s*[!%]", code, re.MULTILINE)
        assert "pyplot" not in code and "sys.path" not in code


@each_chapter
def test_the_header_says_what_was_measured(source: Path) -> None:
    found = HEADER.search(texts(source)[0].replace("\n", " "))
    assert found, "expected 'Measured: <20 seconds> of CPU time on one core, <1.2> GB of memory' in the first cell"
    took = publishing.efforts(FOLDER)[source.stem]
    said = seconds_said(found[1])
    assert took.cpu_seconds / 1.5 - 3 <= said <= took.cpu_seconds * 1.5 + 3
    assert took.peak_megabytes / 1.5 <= 1000 * float(found[2]) <= took.peak_megabytes * 1.5


@pytest.mark.parametrize(
    ("words", "seconds"), [("a quarter of a minute", 15), ("20 seconds", 20), ("1.5 minutes", 90), ("1 minute", 60)]
)
def test_a_headers_words_are_understood(words: str, seconds: float) -> None:
    assert seconds_said(words) == seconds


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_keeps_its_budget_and_all_keep_theirs(language: str) -> None:
    efforts = publishing.efforts(FOLDER, language)
    if language != "en" and len(efforts) < len(SOURCES):
        pytest.skip(f"not all are built: dsrl-lab notebooks build --language {language}")
    assert sorted(efforts) == [source.stem for source in SOURCES], "build what is missing: dsrl-lab notebooks build"
    assert {name: took for name, took in efforts.items() if took.cpu_seconds > BUDGET} == {}
    assert sum(took.cpu_seconds for took in efforts.values()) <= BUDGET_OF_ALL


def test_the_record_holds_what_the_notebooks_say(tmp_path: Path) -> None:
    publishing.gather(FOLDER, tmp_path / "notebooks.jsonl")
    here, kept = tmp_path / "notebooks.jsonl", ROOT / "data" / "runs" / "notebooks.jsonl"
    assert here.read_text(encoding="utf-8") == kept.read_text(encoding="utf-8"), "dsrl-lab notebooks build gathers it"


def test_no_effort_is_free() -> None:
    for took in publishing.efforts(FOLDER).values():
        assert isinstance(took, Effort) and min(took.cpu_seconds, took.wall_seconds, took.peak_megabytes) > 0


@each_chapter
def test_a_chapter_has_exercises(source: Path) -> None:
    chapter = source.stem[:2]
    if chapter <= "09":
        assert sum(name.startswith(f"{chapter}.") for name in exercises()) >= 2


def test_the_series_has_thirty_exercises() -> None:
    if len(SOURCES) < SERIES:
        pytest.skip(f"{len(SOURCES)} of {SERIES} notebooks are written")
    assert [source.stem[:2] for source in SOURCES] == [f"{number:02d}" for number in range(SERIES)]
    assert len(exercises()) >= 30
