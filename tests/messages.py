"""Every message that needs a translation, and where it is: ``python -m tests.messages`` prints those that have none.

Literals inside ``translate(...)`` in Python (also within f-strings, which babel's extraction does not see in Python
3.11) and ``say("...")`` in JavaScript, the texts of the exercises, and labels that are looked up when they are shown.
What notebooks and figures show beside is listed by ``notebooks build --language zh`` and ``figures --language zh``.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po

from dsrl_lab.course.exercises.bank import exercises
from dsrl_lab.language import CHINESE, WORD, catalogue, template
from dsrl_lab.results.charts import TERMS
from dsrl_lab.results.inference import CONTRADICTED, NOT_TESTED, SUPPORTED, UNDECIDED
from dsrl_lab.results.tables import ORDER
from dsrl_lab.rows import ROWS
from dsrl_lab.widgets.base import Widget

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "dsrl_lab"
VERDICTS = (SUPPORTED, CONTRADICTED, UNDECIDED, NOT_TESTED)


def of_python(path: Path) -> Iterator[str]:
    """The texts inside calls of ``translate``, constants by name too, and the findings of ``doctor``."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    simple = [node for node in ast.walk(tree) if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)]
    constants: dict[str, list[ast.expr]] = {}
    for node in simple:
        constants.setdefault(node.targets[0].id, []).append(node.value)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        if node.func.id in ("translate", "Mistake") or (node.func.id == "Finding" and path.stem == "doctor"):
            pieces = {id(part) for one in ast.walk(node) if isinstance(one, ast.JoinedStr) for part in one.values}
            parts = [part for argument in node.args for part in ast.walk(argument)]
            parts += [value for part in parts if isinstance(part, ast.Name) for value in constants.get(part.id, [])]
            for part in parts:
                if isinstance(part, ast.Constant) and isinstance(part.value, str) and id(part) not in pieces:
                    yield part.value


def of_javascript(path: Path) -> Iterator[str]:
    """The texts inside calls of ``say``."""
    yield from re.findall(r'\bsay\("((?:[^"\\]|\\.)*)"', path.read_text(encoding="utf-8"))


def of_exercises() -> Iterator[tuple[str, str]]:
    """The texts of each exercise with its file."""
    for exercise in exercises().values():
        of_wrong = [text for wrong in exercise.wrong_answers for text in (wrong.name, wrong.diagnosis)]
        of_hints = [text for hint in exercise.hints for text in (hint.symptom, hint.text)]
        for text in (exercise.title, *of_wrong, *of_hints):
            yield text, f"dsrl_lab/course/exercises/solutions/chapter_{exercise.name[:2]}.toml"


def of_results() -> Iterator[tuple[str, str]]:
    """The words of the ablation's rows, of verdicts and of tables' columns, which live notebooks show."""
    for row in ROWS.values():
        yield from ((text, "dsrl_lab/rows.py") for text in (row.title, *row.adds.values()))
    yield from ((word, "dsrl_lab/results/inference.py") for word in VERDICTS)
    yield from ((name, "dsrl_lab/results/tables.py") for name in ORDER)
    yield from ((title, "dsrl_lab/results/charts.py") for title, _ in TERMS.values())


def needed() -> dict[str, str]:
    """Each message and the file that shows it."""
    found = {}
    for suffix, reader in (("py", of_python), ("js", of_javascript)):
        for path in sorted(PACKAGE.rglob(f"*.{suffix}")):
            found |= {text: str(path.relative_to(ROOT)) for text in reader(path) if re.search("[a-z]{2}", text)}
    widgets = [one for one in Widget.__subclasses__() if one.__module__.startswith("dsrl_lab.")]  # tests have their own
    titles = {widget.title: f"dsrl_lab/widgets/{widget.script_name}.py" for widget in widgets}
    return found | titles | {text: where for text, where in of_results() if WORD.search(text)} | dict(of_exercises())


def missing() -> dict[str, str]:
    """Those of ``needed`` that no catalogue has."""
    known = catalogue(CHINESE)
    return {text: where for text, where in needed().items() if text not in known and template(text) not in known}


if __name__ == "__main__":
    template = Catalog(locale=CHINESE)
    for text, where in missing().items():
        template.add(text, locations=[(where, None)])
    write_po(sys.stdout.buffer, template, width=120, omit_header=True)
