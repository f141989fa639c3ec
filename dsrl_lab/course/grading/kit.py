"""The student's copy of the kit: the library without solutions, oracles, wrong answers and hidden variants.

What leaves: the chapters of ``dsrl_lab.course.exercises`` (their results go along as records, see ``dsrl_lab.course.exercises.released``) and
the teacher's side of the classroom. Of a chapter's code only what measures an answer goes along (an exercise's
``run``), and for inputs that are no plain data what draws them; a name of a solution, oracle or wrong answer in it
becomes None. The library's own functions stay, because the notebooks use them.
"""

from __future__ import annotations

import ast
import compileall
import inspect
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from dsrl_lab.course.exercises.bank import EXERCISES
from dsrl_lab.course.exercises.exercise import Exercise, call
from dsrl_lab.course.exercises.released import Kept, is_plain, save

STUDENTS_SIDE = ("__init__", "handin", "notebook_file", "slicing", "wire", "worker")
README = """# DSRL Lab, the classroom's copy

The library and the data of DSRL Lab for the assignments. Install it in an environment with Python 3.11 to 3.13:

    pip install -e ".[lab]"

Open an assignment in JupyterLab, and look it over before you hand in: `dsrl-lab classroom check NOTEBOOK.ipynb`.
Solutions stay with your teacher until the work is handed back.
"""
ALONG = ("LICENSE", "pyproject.toml", "environment.yml")
DATA = ("data", "figures")


def build_kit(repository: Path, folder: Path, *, released: Path) -> None:
    """Write the student's copy of the kit.

    Args:
        repository: the teacher's checkout.
        folder: is replaced.
        released: nbgrader's release folder; its notebooks go along, so that a notebook can be checked against them.

    Raises:
        ValueError: there is no checkout at ``repository``, or something stands at ``folder`` that is no kit.
    """
    package = repository / "dsrl_lab"
    if not (repository / "pyproject.toml").is_file():
        raise ValueError(
            f"expected a checkout of the kit at {repository}, found no pyproject.toml; run from an editable install"
        )
    if folder.exists() and not (folder / "dsrl_lab" / "check" / "released").is_dir():
        raise ValueError(f"{folder} is no earlier kit and would be replaced; move it away or choose another folder")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(package, folder / "dsrl_lab", ignore=_teachers_side)
    for name in ALONG:
        if (repository / name).is_file():
            shutil.copy2(repository / name, folder / name)
    for name in DATA:
        shutil.copytree(repository / name, folder / name, ignore=_big, dirs_exist_ok=True)
    (folder / "README.md").write_text(README, encoding="utf-8")
    _rewrite_bank(folder / "dsrl_lab" / "check" / "bank.py")
    kept = _keep_code(folder / "dsrl_lab" / "check")
    save(folder / "dsrl_lab" / "check" / "released", list(EXERCISES.values()), kept)
    frames = folder / "dsrl_lab" / "classroom" / "released"
    frames.mkdir(parents=True)
    for notebook in sorted(released.glob("*/*.ipynb")):
        shutil.copy2(notebook, frames / notebook.name)
    for path in [folder, *folder.rglob("*")]:  # whoever runs a student's code may read it, and owns none of it
        path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
    compileall.compile_dir(folder / "dsrl_lab", quiet=2)


def _teachers_side(folder: str, names: list[str]) -> set[str]:
    room = Path(folder).name
    left = {name for name in names if name == "__pycache__"}
    if room == "check":
        left |= {name for name in names if name.startswith("chapter_")}
    if room == "classroom":
        left |= {name for name in names if name.removesuffix(".py") not in STUDENTS_SIDE}
    return left


def _big(folder: str, names: list[str]) -> set[str]:
    """What was downloaded stays: only the kit's own small files go along."""
    if Path(folder).name != "data":
        return set()
    return {name for name in names if name not in ("runs", "checkpoints", "README.md")}


def _rewrite_bank(path: Path) -> None:
    """Take the chapters out of the bank's module, and the recorded exercises in."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    body: list[ast.stmt] = []
    for node in tree.body:
        names = _bound(node)
        if isinstance(node, ast.ImportFrom) and any(name.startswith("chapter_") for name in names):
            continue
        if "EXERCISES" in names:
            body.extend(ast.parse("from dsrl_lab.course.exercises.released import EXERCISES").body)
        elif "CHAPTERS" not in names and "table" not in names:
            _cut_examples(node)
            body.append(node)
    tree.body = body
    path.write_text(ast.unparse(tree) + "\n", encoding="utf-8")


def _cut_examples(node: ast.stmt) -> None:
    """Take the examples out of a docstring: those of the bank show answers."""
    text = ast.get_docstring(node) if isinstance(node, ast.FunctionDef | ast.ClassDef) else None
    if text is not None:
        assert isinstance(node, ast.FunctionDef | ast.ClassDef)
        node.body[0] = ast.Expr(ast.Constant(text.partition("Example:")[0].strip()))


def _keep_code(folder: Path) -> dict[str, Kept]:
    """Write what of the chapters' code goes along; say where each exercise finds its part."""
    wanted: dict[str, set[str]] = {}
    kept = {}
    for exercise in EXERCISES.values():
        draw = None if is_plain(exercise) else exercise.draw
        run = None if exercise.run is call else exercise.run
        kept[exercise.name] = Kept(*(_place(part, wanted) for part in (run, draw)))
    secret = {name for exercise in EXERCISES.values() for name in _secret_names(exercise)}
    for module, names in wanted.items():
        path = folder / f"released_{module.rpartition('.')[2]}.py"
        path.write_text(part_of(sys.modules[module], names, secret), encoding="utf-8")
    return kept


def _place(function: Callable[..., Any] | None, wanted: dict[str, set[str]]) -> str:
    if function is None:
        return ""
    module = function.__module__
    if not module.startswith("dsrl_lab.course.exercises.chapter_"):
        return f"{module}:{function.__name__}"
    wanted.setdefault(module, set()).add(function.__name__)
    return f"dsrl_lab.course.exercises.released_{module.rpartition('.')[2]}:{function.__name__}"


def _secret_names(exercise: Exercise) -> Iterable[str]:
    for function in (exercise.solution, exercise.oracle, *(wrong.answer for wrong in exercise.wrong_answers)):
        if inspect.isfunction(function) and function.__module__.startswith("dsrl_lab.course.exercises.chapter_"):
            yield function.__name__


def part_of(module: ModuleType, names: set[str], secret: set[str]) -> str:
    """Code of a module: the wanted names, what they need, and None for what is secret.

    Args:
        module: with its source at hand.
        names: of functions or classes.
        secret: names that are not given away.

    Example:
        >>> from dsrl_lab.course.exercises import chapter_06_memory
        >>> print(part_of(chapter_06_memory, {"_whole_oracle"}, {"_whole"}).splitlines()[-1])
            return _whole(a, b, rows)
        >>> "_whole = None" in part_of(chapter_06_memory, {"_whole_oracle"}, {"_whole"})
        True
    """
    tree = ast.parse(inspect.getsource(module))
    binding = {name: node for node in tree.body for name in _bound(node)}
    needed: set[str] = set()
    queue = set(names)
    while queue:
        name = queue.pop()
        if name in needed or name not in binding:
            continue
        needed.add(name)
        if name not in secret:
            queue |= {node.id for node in ast.walk(binding[name]) if isinstance(node, ast.Name)}
    lines = [f'"""What measures answers in {module.__name__.rpartition(".")[2]}, without the exercises."""']
    for node in tree.body:
        bound = _bound(node)
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            lines.append(ast.unparse(node))
        elif bound & needed & secret:
            lines.append(f"{min(bound)} = None")
        elif isinstance(node, ast.Import | ast.ImportFrom):
            node.names = [alias for alias in node.names if (alias.asname or alias.name.partition(".")[0]) in needed]
            lines.extend([ast.unparse(node)] if node.names else [])
        elif bound & needed:
            lines.append(ast.unparse(node))
    return "\n".join(lines) + "\n"


def _bound(node: ast.stmt) -> set[str]:
    """Names that a statement at a module's top binds."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return {
        name.id for target in targets if target is not None for name in ast.walk(target) if isinstance(name, ast.Name)
    }
