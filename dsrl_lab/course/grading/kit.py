"""The student's copy of the kit, with records in place of solutions and without the teacher's side of ``grading``."""

import compileall
import shutil
from pathlib import Path

from dsrl_lab.course.exercises.bank import exercises, find
from dsrl_lab.course.exercises.released import save
from dsrl_lab.course.exercises.solutions.variants import variants
from dsrl_lab.files import whole_folder

STUDENTS_SIDE = ("__init__", "handin", "messages", "notebook_file", "slicing", "worker")
README = """# DSRL Lab, the classroom's copy

The library and the data of DSRL Lab for the assignments. Install it in an environment with Python 3.11 to 3.13:

    pip install -e ".[lab]"

Open an assignment in JupyterLab, and check it before you hand in: `dsrl-lab classroom check NOTEBOOK.ipynb`.
Solutions stay with your teacher until the work is handed back.
"""
HANDOUT = "handout"  # folder of the course with the copies of each student, if they differ
ALONG = ("LICENSE", "pyproject.toml", "environment.yml")
DATA = ("data", "figures")
RECORDS, FRAMES = (Path("dsrl_lab", "course", room, "released") for room in ("exercises", "grading"))


def build_kit(repository: Path, folder: Path, *, released: Path) -> None:
    """Write a checkout's copy for students; raises ValueError for no checkout, or a ``folder`` that is no kit."""
    if not (repository / "pyproject.toml").is_file():
        problem = f"expected a checkout of the kit at {repository}, found no pyproject.toml"
        raise ValueError(f"{problem}; run from an editable install")
    if folder.exists() and not (folder / RECORDS).is_dir():
        raise ValueError(f"{folder} is no earlier kit and would be replaced; move it away or choose another folder")
    with whole_folder(folder) as place:
        shutil.copytree(repository / "dsrl_lab", place / "dsrl_lab", ignore=_teachers_side)
        for name in ALONG:
            if (repository / name).is_file():
                shutil.copy2(repository / name, place / name)
        for name in DATA:
            shutil.copytree(repository / name, place / name, ignore=_big, dirs_exist_ok=True)
        (place / "README.md").write_text(README, encoding="utf-8")
        own = [find(variant) for name in exercises() for variant in variants(name)]
        save(place / RECORDS, [*exercises().values(), *(own if (folder.parent / HANDOUT).is_dir() else [])])
        (place / FRAMES).mkdir(parents=True)
        for notebook in released.glob("*/*.ipynb"):
            shutil.copy2(notebook, place / FRAMES / notebook.name)
        for path in [place, *place.rglob("*")]:  # another user runs students' code
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
        compileall.compile_dir(place / "dsrl_lab", quiet=2)


def _teachers_side(folder: str, names: list[str]) -> set[str]:
    left = {"__pycache__", *(["solutions"] if Path(folder).name == "exercises" else [])}
    if Path(folder).name == "grading":
        left |= {name for name in names if name.removesuffix(".py") not in STUDENTS_SIDE}
    return left


def _big(folder: str, names: list[str]) -> set[str]:
    return set(names) - {"runs", "checkpoints", "README.md"} if Path(folder).name == "data" else set()
