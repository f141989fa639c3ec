"""The student's copy of the kit: the library without solutions, oracles, wrong answers and hidden variants.

Left out are whole files: ``exercises/solutions`` (its results go along as records, see ``exercises.released``) and the
teacher's side of ``grading``. The library's own functions stay, because the notebooks use them.
"""

from __future__ import annotations

import compileall
import shutil
from pathlib import Path

from dsrl_lab.course.exercises.bank import EXERCISES
from dsrl_lab.course.exercises.released import save

STUDENTS_SIDE = ("__init__", "handin", "messages", "notebook_file", "slicing", "worker")
README = """# DSRL Lab, the classroom's copy

The library and the data of DSRL Lab for the assignments. Install it in an environment with Python 3.11 to 3.13:

    pip install -e ".[lab]"

Open an assignment in JupyterLab, and look it over before you hand in: `dsrl-lab classroom check NOTEBOOK.ipynb`.
Solutions stay with your teacher until the work is handed back.
"""
ALONG = ("LICENSE", "pyproject.toml", "environment.yml")
DATA = ("data", "figures")
RECORDS, FRAMES = (Path("dsrl_lab", "course", room, "released") for room in ("exercises", "grading"))


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
    if folder.exists() and not (folder / RECORDS).is_dir():
        raise ValueError(f"{folder} is no earlier kit and would be replaced; move it away or choose another folder")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(package, folder / "dsrl_lab", ignore=_teachers_side)
    for name in ALONG:
        if (repository / name).is_file():
            shutil.copy2(repository / name, folder / name)
    for name in DATA:
        shutil.copytree(repository / name, folder / name, ignore=_big, dirs_exist_ok=True)
    (folder / "README.md").write_text(README, encoding="utf-8")
    save(folder / RECORDS, list(EXERCISES.values()))
    frames = folder / FRAMES
    frames.mkdir(parents=True)
    for notebook in sorted(released.glob("*/*.ipynb")):
        shutil.copy2(notebook, frames / notebook.name)
    for path in [folder, *folder.rglob("*")]:  # whoever runs a student's code may read it, and owns none of it
        path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
    compileall.compile_dir(folder / "dsrl_lab", quiet=2)


def _teachers_side(folder: str, names: list[str]) -> set[str]:
    room = Path(folder).name
    left = {name for name in names if name == "__pycache__"}
    if room == "exercises":
        left |= {"solutions"}
    if room == "grading":
        left |= {name for name in names if name.removesuffix(".py") not in STUDENTS_SIDE}
    return left


def _big(folder: str, names: list[str]) -> set[str]:
    """What was downloaded stays: only the kit's own small files go along."""
    if Path(folder).name != "data":
        return set()
    return {name for name in names if name not in ("runs", "checkpoints", "README.md")}
