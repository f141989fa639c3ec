"""An nbgrader course from the notebooks' sources: ``source``, ``release``, and the student's copy of the kit."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat

from dsrl_lab.course.build_notebooks import sources
from dsrl_lab.course.exercises.bank import find
from dsrl_lab.course.exercises.solutions.variants import variants
from dsrl_lab.course.grading.answer_key import draw_variants
from dsrl_lab.course.grading.assignment import CODE_STUB, Question, questions, source_version
from dsrl_lab.course.grading.course import COPIES, class_seed, file_name, roster
from dsrl_lab.course.grading.handin import own_source
from dsrl_lab.course.grading.kit import HANDOUT, build_kit
from dsrl_lab.course.grading.notebook_file import write_whole
from dsrl_lab.course.grading.own import load_own, prove, settings
from dsrl_lab.course.grading.walls import refuse_visible
from dsrl_lab.files import whole_file

NUMBERS = tuple(f"{number:02d}" for number in range(2, 10))
SETTINGS: dict[str, dict[str, Any]] = {
    "CourseDirectory": {"course_id": "dsrl_lab", "ignore": [".ipynb_checkpoints", "*.pyc", "__pycache__", "*.py"]},
    "ClearSolutions": {"code_stub": {"python": CODE_STUB}},
    "ClearHiddenTests": {"enforce_metadata": True},
    "IncludeHeaderFooter": {"header": "", "footer": ""},
    "Autograde": {"autograde_preprocessors": []},  # it would run students' code beside the hidden tests, as the teacher
}


def assignments(folder: Path) -> list[Path]:
    """Sources of notebooks 02 to 09 that have exercises."""
    return [source for source in sources(folder) if source.stem[:2] in NUMBERS and questions(source)]


def release(
    course: Path, repository: Path, *, only: Sequence[str] = (), per_student: bool | None = None
) -> dict[str, list[Question]]:
    """Build or renew a course; ``only`` has numbers such as "06".

    ``per_student`` writes a copy for each name of the roster, in which constants of some exercises are their own; None
    does so where it was done before. Raises ValueError for other numbers, no roster, or no nbgrader.
    """
    api = _nbgrader(course)
    for name in [name for own in load_own(course) for name in (own.name, *variants(own.name))]:
        prove(find(name))
    chosen = settings(course)
    found = [*assignments(repository / "notebooks"), *sorted((course / "own").glob("[0-9][0-9]_*.py"))]
    there = {source.stem[:2]: source for source in found}  # a lecturer's own in place of the checkout's
    if (missing := sorted(set(only) - there.keys())) or not there:
        names = ", ".join(there) or "none"
        raise ValueError(f"no assignment {', '.join(missing) or 'at all'}; notebooks with exercises: {names}")
    wanted = [source for number, source in there.items() if not only or number in only]
    for source in wanted:
        with whole_file(course / "source" / source.stem / f"{source.stem}.ipynb") as temporary:
            nbformat.write(source_version(source, chosen), temporary)
        if not (outcome := api.generate_assignment(source.stem, force=True))["success"]:
            raise ValueError(f"nbgrader could not release {source.stem}: {outcome.get('error') or outcome.get('log')}")
        copies = course / "grades" / source.stem / COPIES
        if per_student or (per_student is None and copies.is_file()):  # or those handed out would be graded as others
            _hand_out(course, source.stem, [question.name for question in questions(source)])
        else:
            copies.unlink(missing_ok=True)
    build_kit(repository, course / "kit", released=course / "release")
    return {source.stem: questions(source, chosen.points) for source in wanted}


def _hand_out(course: Path, assignment: str, asked: Sequence[str]) -> None:
    folder = course / "grades" / assignment
    seed, copies = class_seed(folder), {}
    if not (rows := roster(course)):
        raise ValueError(f"expected the students of --per-student in roster.txt or roster.csv of {course}, found none")
    for student in (next(iter(row.values())) for row in rows):
        copies[student] = draw_variants(asked, student, seed=seed)
        notebook = nbformat.read(course / "release" / assignment / f"{assignment}.ipynb", as_version=4)
        for cell in notebook.cells:  # of a graded cell, its id is its grade id
            cell.source = own_source(cell.id, cell.source, copies[student])
        with whole_file(course / HANDOUT / file_name(student) / assignment / f"{assignment}.ipynb") as temporary:
            nbformat.write(notebook, temporary)
    write_whole(folder / COPIES, json.dumps(copies, indent=1))


def _nbgrader(course: Path) -> Any:
    try:
        from nbgrader.apps import NbGraderAPI
        from traitlets.config import Config
    except ImportError as error:
        message = "nbgrader is not installed here; use pip install -e '.[class]' in the kit's folder, or make classroom"
        raise ValueError(message) from error
    refuse_visible(course)
    config = course / "nbgrader_config.py"
    if not config.exists():
        course.mkdir(parents=True, exist_ok=True)
        course.chmod(0o700)  # it will hold solutions, submissions and grades
    beside, path = str(Path(sys.executable).parent), os.environ.get("PATH", "")  # nbgrader calls alembic
    if beside not in path.split(os.pathsep):
        os.environ["PATH"] = beside + os.pathsep + path
    lines = ["# Written by `dsrl-lab classroom release`; nbgrader's commands read it when they run in this folder."]
    lines += [f"c.{part}.{name} = {value!r}" for part, values in SETTINGS.items() for name, value in values.items()]
    if not config.exists():
        write_whole(config, "\n".join(["c = get_config()", *lines, ""]))
    settings = Config({part: dict(values) for part, values in SETTINGS.items()})
    settings.CourseDirectory.root = str(course.resolve())
    return NbGraderAPI(config=settings)
