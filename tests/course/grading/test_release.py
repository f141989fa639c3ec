"""What is handed out validates as it should, and holds no solution and no hidden test: every byte of it is searched."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import nbformat
import pytest

from dsrl_lab.course.exercises import bank
from dsrl_lab.course.exercises.bank import exercises
from dsrl_lab.course.grading import hidden_inputs
from dsrl_lab.course.grading.assignment import questions, source_version
from dsrl_lab.course.grading.hidden_inputs import draws
from dsrl_lab.course.grading.release import assignments
from dsrl_lab.course.grading.slicing import needed_for, statements, whole

from .conftest import CHAPTER, REPOSITORY

pytestmark = [pytest.mark.timeout(1800)]
HIDDEN_NAMES = (
    "check_hidden",
    "dsrl_lab.course.grading.hidden_inputs",
    "BEGIN HIDDEN",
    "BEGIN SOLUTION",
    "_very_long",
    "DRAWS",
)
SOURCES = assignments(REPOSITORY / "notebooks")


def normal(code: str) -> str:
    """Code without what does not matter: spaces and kinds of quotes."""
    return "".join(code.split()).replace('"', "'")


def forms(source: str, nodes: Sequence[ast.AST]) -> set[str]:
    """How a piece of code may stand somewhere: as Python writes it, as it was written, and that without comments."""
    lines = source.splitlines()
    written = lines[nodes[0].lineno - 1 : nodes[-1].end_lineno]  # type: ignore[attr-defined]
    found = {normal("\n".join(map(ast.unparse, nodes)))}
    if not isinstance(nodes[0], ast.expr):
        found |= {normal("\n".join(written)), normal("\n".join(line.split("#")[0] for line in written))}
    return {form for form in found if len(form) > 30}


def secrets_of(module: Any, names: set[str]) -> Iterator[tuple[str, str]]:
    """Bodies of secret functions, and of functions without a name: the wrong answers."""
    source = inspect.getsource(module)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name in names:
            has_text = ast.get_docstring(node) is not None
            for form in forms(source, node.body[has_text:]):
                yield node.name, form
        if isinstance(node, ast.Lambda):
            for form in forms(source, [node.body]):
                yield "a wrong answer", form


def needles() -> list[tuple[str, str]]:
    secret = {
        function.__name__
        for exercise in exercises().values()
        for function in (exercise.solution, exercise.oracle, *(wrong.answer for wrong in exercise.wrong_answers))
    }
    chapters = [import_module(f"{bank.__package__}.solutions.{path.stem}") for path in bank.SOLUTIONS.glob("c*.py")]
    assert len(chapters) >= 10
    found = [pair for module in chapters for pair in secrets_of(module, secret)]
    for module in (hidden_inputs, draws):
        tree = ast.parse(inspect.getsource(module))
        drawn = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        hidden = list(secrets_of(module, drawn))
        assert len({name for name, _ in hidden}) >= len(drawn) - 2, module.__name__
        found += hidden
    return found


def texts(folder: Path) -> Iterator[tuple[Path, str]]:
    """All that can be read in a folder: code in one form, every string of a notebook's JSON, bytes of the rest."""
    for path in (path for path in sorted(folder.rglob("*")) if path.is_file()):
        content = path.read_bytes()
        if path.suffix == ".py":
            yield path, normal(ast.unparse(ast.parse(content)))
        elif path.suffix in (".ipynb", ".json"):
            yield path, normal("\n".join(strings(json.loads(content))))
        yield path, normal(content.decode("latin-1"))


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        if all(isinstance(item, str) for item in value):
            yield "".join(value)
        for item in value:
            yield from strings(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from (key, *strings(item))


def library() -> str:
    """The library without exercises: what it contains is no secret."""
    paths = [p for p in (REPOSITORY / "dsrl_lab").rglob("*.py") if not {"exercises", "grading"} & set(p.parts)]
    return "\n".join(normal(ast.unparse(ast.parse(path.read_bytes()))) for path in paths)


@pytest.mark.classroom
def test_the_release_holds_no_solution_and_no_hidden_test(course: Path) -> None:
    public = library()
    wanted = [(name, text) for name, text in needles() if text not in public]
    assert len(wanted) > 100
    searched = 0
    for folder in (course / "release", course / "kit"):
        for path, text in texts(folder):
            searched += 1
            held = [name for name, needle in wanted if needle in text]
            assert held == [], f"{path.relative_to(course)} holds {held}"
            assert [name for name in HIDDEN_NAMES if normal(name) in text] == [], path
    assert searched > 200
    (seed_free,) = (folder for folder in (course / "release",) if not list(folder.rglob("seed.txt")))
    assert seed_free


@pytest.mark.classroom
def test_the_search_finds_what_is_hidden_well(course: Path, tmp_path: Path) -> None:
    """The search itself is tested: in metadata, outputs and code it sees the solution of 06.2."""
    wanted = [text for name, text in needles() if name == "affinity"]
    notebook = nbformat.read(course / "source" / CHAPTER / f"{CHAPTER}.ipynb", as_version=4)
    solution = next(cell.source for cell in notebook.cells if cell.id == "06-2-answer")
    cell = nbformat.v4.new_code_cell("1", metadata={"x": {"y": [solution]}})
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "a.ipynb")
    (tmp_path / "b.py").write_text(solution, encoding="utf-8")
    (tmp_path / "c.bin").write_bytes(solution.encode())
    found = {path.name for path, content in texts(tmp_path) if any(text in content for text in wanted)}
    assert found == {"a.ipynb", "b.py", "c.bin"}


def run_validate(notebooks: Sequence[Path], *, kit: Path | None) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **({"PYTHONPATH": str(kit)} if kit else {})}
    command = [sys.executable, "-m", "nbgrader", "validate", "--Execute.timeout=1200", *map(str, notebooks)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=notebooks[0].parent)
    return done.stdout + done.stderr


def what_is_graded(notebook: Path) -> list[Any]:
    """Cells of the exercises and what they need, without what only takes long: trainings and figures."""
    content = nbformat.read(notebook, as_version=4)
    code = {number: cell for number, cell in enumerate(content.cells) if cell.cell_type == "code"}
    graded = {number for number, cell in code.items() if "nbgrader" in cell.metadata}
    units = [unit for number in code.keys() - graded for unit in statements(number, code[number].source)]
    units.sort(key=lambda unit: unit.cell)
    wanted = [whole(number, code[number].source) for number in graded]
    needed = needed_for(sorted({name for unit in wanted for name in unit.at_once | unit.later}), units)
    for number in code.keys() - graded:
        code[number].source = "\n".join(unit.code.strip("\n") for unit in needed if unit.cell == number)
    return [cell for number, cell in code.items() if number in graded or cell.source]


def joined(notebooks: Sequence[Path], place: Path) -> Path:
    """What is graded of all notebooks, in one, which forgets all names before each: one kernel in place of eight."""
    whole_one = nbformat.read(notebooks[0], as_version=4)
    whole_one.cells = []
    for notebook in notebooks:
        forget = nbformat.v4.new_code_cell("%reset -f", id=f"forget-{notebook.stem}")
        whole_one.cells += [forget, *what_is_graded(notebook)]
    nbformat.write(whole_one, place)
    return place


def verdicts(said: str) -> list[str]:
    return re.findall(r"Success! Your notebook passes all the tests|VALIDATION FAILED ON \d+ CELL", said)


def asked(source: Path) -> str:
    return f"VALIDATION FAILED ON {len(questions(source))} CELL"


@pytest.mark.classroom
def test_nbgrader_validate_passes_on_each_solution_and_fails_on_each_stub(course: Path, tmp_path: Path) -> None:
    """Exercises and what they need, of all assignments; the whole notebooks are validated by ``make slow``."""
    cut = {
        version: joined([course / version / s.stem / f"{s.stem}.ipynb" for s in SOURCES], tmp_path / f"{version}.ipynb")
        for version in ("source", "release")
    }
    said = run_validate([cut["source"]], kit=None)
    assert verdicts(said) == ["Success! Your notebook passes all the tests"], said[-3000:]
    said = run_validate([cut["release"]], kit=course / "kit")
    number = sum(len(questions(source)) for source in SOURCES)
    assert verdicts(said) == [f"VALIDATION FAILED ON {number} CELL"], said[-3000:]
    assert said.count("Still open") >= number


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(s, marks=pytest.mark.classroom if s.stem[:2] == "03" else pytest.mark.slow, id=s.stem)
        for s in SOURCES
    ],
)
def test_nbgrader_validates_the_whole_notebook(source: Path, course: Path, tmp_path: Path) -> None:
    versions = ("source", "release")
    for version in versions:
        shutil.copytree(course / version / source.stem, tmp_path / version)
    solved, released = (tmp_path / version / f"{source.stem}.ipynb" for version in versions)
    said = run_validate([solved], kit=None)
    assert verdicts(said) == ["Success! Your notebook passes all the tests"], said[-3000:]
    said = run_validate([released], kit=course / "kit")
    assert verdicts(said) == [asked(source)] and "Still open" in said, said[-3000:]


@pytest.mark.classroom
def test_the_kit_judges_as_self_study_does_and_hands_out_no_solution(course: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import pkgutil, importlib, dsrl_lab\n"
        "assert dsrl_lab.__file__.startswith(sys.argv[1])\n"
        "from dsrl_lab.course.exercises import check, solution, stub\n"
        "from dsrl_lab.course.exercises.bank import exercises\n"
        "for name in ('course.exercises', 'course.grading', 'cli'):\n"
        "    package = importlib.import_module('dsrl_lab.' + name)\n"
        "    for found in pkgutil.iter_modules(package.__path__, package.__name__ + '.'):\n"
        "        importlib.import_module(found.name)\n"
        "assert 'stays with your teacher' in repr(solution('06.2'))\n"
        "print(len(exercises()), check('06.2', lambda x: x.flatten(2).mT @ x.flatten(2)).known_as)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(course / "kit")], capture_output=True, text=True)
    assert done.stdout.strip() == f"{len(exercises())} no unit length", done.stderr


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_every_assignment_has_its_cells_once(source: Path) -> None:
    notebook = source_version(source)
    nbformat.validate(notebook)
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    for question in questions(source):
        marks = {end: f"{question.stem}-{end}" for end in ("answer", "check", "hidden")}
        cells = {cell.id: cell for cell in notebook.cells}
        assert "### BEGIN SOLUTION" in cells[marks["answer"]].source
        assert "### BEGIN HIDDEN TESTS" in cells[marks["hidden"]].source
        points = [cells[marks[end]].metadata.nbgrader.points for end in ("check", "hidden")]
        assert points == [question.points] * 2 and question.points in (1, 2, 3)
        overwritten = whole(0, cells[marks["check"]].source).binds
        assert overwritten == {"judged"}, "a check that gives an answer's name another value spoils what comes after it"
        assert question.answer not in overwritten
    assert not any("solution(" in cell.source for cell in notebook.cells if cell.source.startswith("hint("))


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("# %%\nx = 1\n", "expected exercises in 06_a.py, found none"),
        ('# %%\ncheck("06.2", lambda x: x)\n', "name the function first"),
        ('# %%\nx = 1\ncheck("06.2", affinity)\n', "to begin with the stub of affinity"),
        ('# %%\ncheck("99.9", f)\n', "unknown exercise"),
    ],
)
def test_a_source_of_another_form_is_refused(code: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "06_a.py").write_text(code, encoding="utf-8")
    with pytest.raises(ValueError, match=why):
        source_version(tmp_path / "06_a.py")


@pytest.mark.classroom
def test_an_unknown_number_and_a_strange_folder_are_refused(course: Path, tmp_path: Path) -> None:
    from dsrl_lab.course.grading.kit import build_kit
    from dsrl_lab.course.grading.release import release

    with pytest.raises(ValueError, match=r"no assignment 77; notebooks with exercises: 02, "):
        release(tmp_path, REPOSITORY, only=["77"])
    (tmp_path / "mine").mkdir()
    with pytest.raises(ValueError, match="is no earlier kit and would be replaced"):
        build_kit(REPOSITORY, tmp_path / "mine", released=course / "release")
    with pytest.raises(ValueError, match="expected a checkout of the kit"):
        build_kit(tmp_path, tmp_path / "kit", released=course / "release")
