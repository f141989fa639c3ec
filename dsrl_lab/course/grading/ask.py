"""Whom to ask about their own code: a list for a person, no verdict; it has some students drawn by chance, too."""

import ast
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from difflib import SequenceMatcher
from itertools import combinations
from pathlib import Path

from dsrl_lab.course.grading.answer_key import AnswerKey
from dsrl_lab.course.grading.grading import Result
from dsrl_lab.course.grading.handin import VARIANT
from dsrl_lab.course.grading.notebook_file import write_whole
from dsrl_lab.course.grading.tables import csv_text

ALIKE, FEWEST_LINES, MOST_LINES, BY_CHANCE = 0.7, 5, 400, 3
SPARE = "Which wrong answer did you have first, and how did you see that it was wrong?"


def write_asked(
    folder: Path, key: AnswerKey, graded: Mapping[str, Result], copies: Mapping[str, Sequence[str]], *, seed: int
) -> None:
    """Write ``<assignment>_ask.csv``: whom to ask, why, and two questions; ``copies`` has variants by student."""
    codes = {student: "\n".join(mark.code for mark in result.marks) for student, result in graded.items()}
    why = {student: [look for look in result.look if look[0].isdigit()] for student, result in graded.items()}
    known = {line for cell in (*key.cells, *key.solved) for line in _lines(cell.source)}
    for ratio, one, other in alike(codes, known):
        why[one].append(f"{ratio:.0%} of the unusual lines as {other}")
        why[other].append(f"{ratio:.0%} of the unusual lines as {one}")
    for reasons in why.values():
        if theirs := set(VARIANT.findall(" ".join(reasons))):
            fits = [student for student in copies if theirs <= {*copies[student]}]
            reasons.append(f"as in the copies of {', '.join(fits[:5]) or 'nobody'}, {len(fits)} in all")
    others = sorted(student for student, result in graded.items() if result.score and not why[student])
    for student in random.Random(f"{seed} ask").sample(others, min(BY_CHANCE, len(others))):
        why[student].append("drawn by chance")
    rows = [["student", "why", "question_1", "question_2"]]
    for student in (student for student in graded if why[student]):
        rows.append([student, "; ".join(why[student]), *questions(codes[student], f"{seed} {student}")])
    write_whole(folder / f"{key.name}_ask.csv", csv_text(rows))


def alike(codes: Mapping[str, str], known: set[str]) -> list[tuple[float, str, str]]:
    """Pairs of students whose lines are alike, the most alike first; lines that are known or frequent do not count.

    Comments, texts, spaces and the names of variables do not matter.
    """
    lines = {student: _lines(code) for student, code in codes.items()}
    often = Counter(line for mine in lines.values() for line in set(mine))
    rare = {line for line, count in often.items() if count <= max(3, len(codes) // 4)} - known
    own = {student: [line for line in mine if line in rare] for student, mine in lines.items()}
    own = {student: mine for student, mine in own.items() if len(mine) >= FEWEST_LINES}
    found = []
    for one, other in combinations(own, 2):
        match = SequenceMatcher(None, own[one], own[other], autojunk=False)
        if match.quick_ratio() >= ALIKE and (ratio := match.ratio()) >= ALIKE:
            found.append((ratio, one, other))
    return sorted(found, reverse=True)


def questions(code: str, seed: str) -> list[str]:
    """Two questions about lines of a student's code."""
    found: list[str] = []
    with suppress(Exception):  # hostile code: too deep, too long
        found = list(dict.fromkeys(_questions(code)))
    chosen = random.Random(seed).sample(found, min(2, len(found)))
    return [*chosen, *[SPARE] * (2 - len(chosen))]


def _questions(code: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(code)):
        line = ast.unparse(node).splitlines()[0][:120] if isinstance(node, ast.stmt) else ""
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield f"What does `{node.targets[0].id}` hold after `{line}`, and of which shape or size is it?"
        if isinstance(node, ast.For | ast.While):
            yield f"How often does `{line}` run, and for which input would that be too few or too many?"
        if isinstance(node, ast.If):
            yield f"For which input is the condition of `{line}` false, and what happens then?"
        if isinstance(node, ast.Return) and node.value is not None:
            yield f"Explain `{line}` from the inside out; what would you see if a step of it were missing?"
        if isinstance(node, ast.Call) and node.keywords:
            yield f"What would change in `{ast.unparse(node)[:120]}` without `{ast.unparse(node.keywords[-1])}`?"


def _lines(code: str) -> list[str]:
    with suppress(Exception):
        tree = ast.parse(code)
        names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
        arguments = [node for node in ast.walk(tree) if isinstance(node, ast.arg)]
        own = {n.id for n in names if not isinstance(n.ctx, ast.Load)} | {node.arg for node in arguments}
        for name in (name for name in names if name.id in own):
            name.id = "v"
        for argument in arguments:
            argument.arg = "v"
        texts = [node for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)]
        for text in texts:
            text.value = ast.Constant(None)
        return [line.strip() for line in ast.unparse(tree).splitlines() if len(line.strip()) > 6][:MOST_LINES]
    return []
