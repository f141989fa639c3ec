"""From a notebook's source to an nbgrader assignment: each exercise becomes an answer, a check and a hidden check."""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from dsrl_lab.course.build_notebooks import METADATA, read_source
from dsrl_lab.course.exercises.bank import find
from dsrl_lab.course.exercises.exercise import Exercise
from dsrl_lab.course.grading.own import Settings
from dsrl_lab.language import language, translate

CODE_STUB = "raise NotImplementedError"
SCHEMA = 3  # of nbgrader's metadata
VISIBLE = """judged = check("{question.name}", {question.answer})
display(judged)
assert judged, judged.message"""  # no answer is called judged
HIDDEN = """# {question.points} more points are given after you hand in, for inputs of other kinds.
### BEGIN HIDDEN TESTS
from dsrl_lab.course.grading.hidden_inputs import check_hidden

assert check_hidden("{question.name}", {question.answer})
### END HIDDEN TESTS"""
RULES = """## How this is graded

Write your answers in place of `raise NotImplementedError`; change no name, and leave the cells below each answer as
they are. {points} points: half of an exercise's for the check that you can run, half for inputs of other kinds, tried
after you hand in. Cells that you add are welcome; only those that your answers need are run, top to bottom.

Before you hand in: `dsrl-lab classroom check {name}.ipynb`"""


@dataclass(frozen=True)
class Question:
    """One exercise in an assignment."""

    name: str  # "06.2"
    answer: str  # name of the function that is asked for
    points: int  # for each half: the visible check, and the hidden one

    @property
    def stem(self) -> str:
        """The start of its grade ids, "06-2"."""
        return self.name.replace(".", "-")


def questions(source: Path, points: Mapping[str, int] | None = None) -> list[Question]:
    """The exercises of a notebook's source; raises ValueError for an exercise cell of another form."""
    codes = [cell.source for cell in read_source(source).cells if cell.cell_type == "code"]
    return [found for code in codes if (found := _question(code, points or {})) is not None]


def source_version(source: Path, settings: Settings | None = None) -> Any:
    """The assignment in the reader's language, marked for nbgrader; ValueError as ``questions``, or for no exercise."""
    number, name, settings = source.stem[:2], source.stem, settings or Settings()
    asked = questions(source, settings.points)
    if not asked:
        raise ValueError(f"expected exercises in {source.name}, found none; an exercise cell ends with check(name, f)")
    notebook = nbformat.v4.new_notebook(metadata=METADATA)
    for place, cell in enumerate(read_source(source, language=language()).cells):
        plain = nbformat.v4.new_markdown_cell if cell.cell_type == "markdown" else nbformat.v4.new_code_cell
        question = _question(cell.source, settings.points) if cell.cell_type == "code" else None
        if question is not None:
            notebook.cells.extend(_cut(question, cell.source) + _written(question, settings))
        else:
            text = re.sub(r'(hint\("[^"]+"\)) \+ solution\("[^"]+"\)', r"\1", cell.source)
            notebook.cells.append(plain(text, id=f"{number}-c{place:02d}"))
    written = sum(settings.written.get(question.name, {"points": 0})["points"] for question in asked)
    rules = translate(RULES, points=2 * sum(question.points for question in asked), name=name)
    words = translate("Your teacher reads your answers in words, for {n} more points.", n=written)
    rules += f"\n\n{words}" if written else ""
    notebook.cells.insert(1, nbformat.v4.new_markdown_cell(rules, id=f"{number}-rules"))
    return notebook


def _question(code: str, points: Mapping[str, int]) -> Question | None:
    try:
        tree = ast.parse(code)
    except SyntaxError:  # a magic command
        return None
    calls = (node.value for node in tree.body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call))
    for call in (call for call in calls if ast.unparse(call.func) == "check"):
        if len(call.args) != 2 or not isinstance(call.args[0], ast.Constant) or not isinstance(call.args[1], ast.Name):
            raise ValueError(f'expected check("06.2", function), got {ast.unparse(call)}; name the function first')
        exercise = find(str(call.args[0].value))
        answer = call.args[1].id
        if not code.lstrip().startswith(f"def {answer}(") or CODE_STUB not in code:
            parts = f"to begin with the stub of {answer} and to end with its check"
            raise ValueError(f"expected the cell of {exercise.name} {parts}; it begins with {code.lstrip()[:40]!r}")
        return Question(exercise.name, answer, points.get(exercise.name, exercise.difficulty))
    return None


def _cut(question: Question, code: str) -> list[Any]:
    stub = code[: code.rindex("check(")].rstrip()
    answer = stub.replace(CODE_STUB, _marked_solution(find(question.name)).lstrip())
    return [
        _graded(f"{question.stem}-answer", answer, solution=True),
        _graded(f"{question.stem}-check", VISIBLE.format(question=question), points=question.points),
        _graded(f"{question.stem}-hidden", HIDDEN.format(question=question), points=question.points),
    ]


def _written(question: Question, settings: Settings) -> list[Any]:
    if (asked := settings.written.get(question.name)) is None:
        return []
    marks = {"grade_id": f"{question.stem}-written", "schema_version": SCHEMA, "task": False, "solution": True}
    marks |= {"grade": True, "locked": False, "points": asked["points"]}
    text = translate("**In your own words ({n} points).**", n=asked["points"]) + f" {asked['question']}"
    return [
        nbformat.v4.new_markdown_cell(text, id=f"{question.stem}-asked"),
        nbformat.v4.new_markdown_cell("", id=f"{question.stem}-written", metadata={"nbgrader": marks}),
    ]


def _marked_solution(exercise: Exercise) -> str:
    lines = exercise.solution_text.splitlines()
    function = ast.parse(exercise.solution_text).body[0]
    assert isinstance(function, ast.FunctionDef)
    body = lines[function.body[0].lineno - 1 :]
    return "\n".join(["    ### BEGIN SOLUTION", *body, "    ### END SOLUTION"])


def _graded(grade_id: str, code: str, *, solution: bool = False, points: int = 0) -> Any:
    marks: dict[str, Any] = {"grade_id": grade_id, "schema_version": SCHEMA, "task": False, "solution": solution}
    marks |= {"grade": not solution, "locked": not solution, **({} if solution else {"points": points})}
    return nbformat.v4.new_code_cell(code, id=grade_id, metadata={"nbgrader": marks})
