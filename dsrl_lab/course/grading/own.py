"""What a lecturer adds in the course's folder, beside the checkout: exercises in ``own/``, and ``points.toml``."""

import importlib.util
import math
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dsrl_lab.course.exercises.bank import check, exercises
from dsrl_lab.course.exercises.exercise import SOURCES, Exercise
from dsrl_lab.course.exercises.solutions.variants import VARIATIONS
from dsrl_lab.course.grading.hidden_inputs import DRAWS, check_hidden

THE_KIT_S = frozenset(exercises())


def load_own(course: Path) -> list[Exercise]:
    """Add EXERCISES and DRAWS of each ``own/exercises*.py``; raises ValueError for a name of the kit's, or no draw."""
    found: list[Exercise] = []
    for path in sorted((course / "own").glob("exercises*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for exercise in module.EXERCISES:
            if exercise.name in THE_KIT_S or exercise.name not in module.DRAWS:
                raise ValueError(f"{path}: expected a new name and hidden inputs in DRAWS for exercise {exercise.name}")
            exercises()[exercise.name], DRAWS[exercise.name] = exercise, module.DRAWS[exercise.name]
            VARIATIONS.update(getattr(module, "VARIATIONS", {}))
            found.append(exercise)
    if found and course / "own" not in SOURCES:
        SOURCES.insert(0, course / "own")
    return found


def prove(exercise: Exercise) -> None:
    """Raise ValueError unless the solution passes, and each wrong answer is recognised and fails on hidden inputs."""
    name = exercise.name
    if not (check(name, exercise.solution) and check_hidden(name, exercise.solution)):
        raise ValueError(f"{name}: its own solution does not pass; compare it with the oracle")
    for wrong in exercise.wrong_answers:
        if check(name, wrong.answer).known_as != wrong.name or check_hidden(name, wrong.answer):
            raise ValueError(f"{name}: {wrong.name!r} is not recognised, or passes on hidden inputs; draw other inputs")


@dataclass(frozen=True)
class Settings:
    """What ``points.toml`` holds."""

    points: dict[str, int] = field(default_factory=dict)  # of each half of an exercise
    written: dict[str, dict[str, Any]] = field(default_factory=dict)  # after an exercise: question and points
    due: dict[str, datetime] = field(default_factory=dict)  # by assignment


def settings(course: Path) -> Settings:
    """The course's ``points.toml``, if there is one; raises ValueError for what it may not hold."""
    place = course / "points.toml"
    try:
        found = Settings(**tomllib.loads(place.read_text("utf-8"))) if place.is_file() else Settings()
        points = [*found.points.values(), *(one["points"] for one in found.written.values() if one["question"])]
        if not all(type(one) is int and one >= 0 for one in points):
            raise ValueError("points that are no whole numbers")
        if not all(isinstance(due, datetime) for due in found.due.values()):
            raise ValueError("a due time that is no date and time")
        if unknown := sorted({*found.points, *found.written} - exercises().keys()):
            raise ValueError(f"unknown exercises: {', '.join(unknown)}")
    except (TypeError, KeyError, ValueError) as error:
        form = '[points] "06.2" = 3, [written] "06.2" = {question = "Why?", points = 2}, [due] 06_name = date and time'
        raise ValueError(f"expected {form} in {place}, got {error}") from error
    return found


def days_late(handed_in: str, due: datetime | None) -> int:
    """Days begun since the assignment was due; times without a zone are UTC; 0 for no time that can be read."""
    try:
        times = due, datetime.fromisoformat(handed_in.strip().replace(" UTC", "+00:00"))
        begin, end = (time if time.tzinfo else time.replace(tzinfo=UTC) for time in times if time is not None)
    except ValueError:
        return 0
    return max(0, math.ceil((end - begin).total_seconds() / 86_400))


def penalty(policy: str, days: int, score: int) -> float:
    """Points lost: policy "none", "zero", or percent of the points a day begun, "10"; others raise ValueError."""
    percent = {"none": "0", "zero": "100"}.get(policy, policy)
    if not percent.isdecimal() or int(percent) > 100:
        raise ValueError(f"expected none, zero or percent a day, as 10, for --late, got {policy!r}")
    return round(score * min(1.0, days * int(percent) / 100), 2)
