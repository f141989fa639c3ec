"""Whom to ask: copies are found whatever their names and comments, what all have is no copy, and some are by chance."""

from __future__ import annotations

import csv
import random
from pathlib import Path

from dsrl_lab.course.grading.answer_key import AnswerKey
from dsrl_lab.course.grading.ask import SPARE, alike, questions, write_asked
from dsrl_lab.course.grading.grading import Mark, Result

ADA = '''
def strips(a, b, rows):
    """My own."""
    total, count = 0.0, a.shape[1]
    for start in range(0, count, rows):
        piece = a[:, start : start + rows].mT @ a  # a strip
        other = b[:, start : start + rows].mT @ b
        if rows > count:
            continue
        total = total + (piece - other).abs().sum()
    return total / count**2
'''
COPY = (
    ADA.replace("piece", "x")
    .replace("other", "y")
    .replace("  # a strip", "")
    .replace("My own", "Mine")
    .replace("total + (", "total+(")
)
OTHER = """
def strips(a, b, rows):
    parts_a, parts_b = a.split(rows, dim=1), b.split(rows, dim=1)
    sums = [(p.mT.matmul(a) - q.mT.matmul(b)).abs().sum() for p, q in zip(parts_a, parts_b)]
    everything = torch.stack(sums)
    size = a.size(1) * a.size(1)
    return everything.sum() / size
"""


def test_a_copy_with_other_names_is_found_and_another_way_is_not() -> None:
    codes = {"ada": ADA, "bob": COPY, "eve": OTHER, "open": "def strips(a, b, rows):\n    pass", "bad": "def ("}
    assert alike(codes, set()) == [(1.0, "ada", "bob")]


def test_what_many_have_or_the_solution_has_is_no_copy() -> None:
    crowd = {f"student{n}": ADA for n in range(5)}
    assert alike(crowd, set()) == []
    from dsrl_lab.course.grading.ask import _lines

    assert alike({"ada": ADA, "bob": COPY}, set(_lines(ADA))) == []


def test_questions_are_about_their_own_lines() -> None:
    two = questions(ADA, "1 ada")
    assert two == questions(ADA, "1 ada") and len(set(two)) == 2
    assert all("`" in question for question in two)
    kinds = {question.split()[0] for n in range(40) for question in questions(ADA, str(n))}
    assert kinds == {"What", "How", "For", "Explain"}
    assert questions("x = (", "s") == [SPARE, SPARE]


def test_code_that_is_too_deep_stops_nobody() -> None:
    deep = [
        "x = " + "-" * 900 + "1",
        "a" + ".b" * 3000,
        "1" + "+1" * 9000,
        "x = " + "(" * 5000,
        "x" * 20_000,
        "\0",
        "[" * 99,
    ]
    codes = {f"student{n}": f"def f(x):\n    return x\n{code}" for n, code in enumerate(deep)}
    assert alike(codes, set()) == []
    assert all(len(questions(code, "seed")) == 2 for code in codes.values())
    long = "\n".join(f"y{n} = {n} + {n}" for n in range(2000))
    assert alike({"a": long, "b": long}, set()) == [(1.0, "a", "b")]


def test_the_list_has_calls_copies_and_some_by_chance(tmp_path: Path) -> None:
    def result(code: str, *look: str) -> Result:
        return Result(marks=[Mark("06.5", 6, 6, True, True, "", "", code=code)], look=list(look))

    results = {"ada": result(ADA), "bob": result(COPY), "=eve": result(OTHER, "06.5 calls cdist", "exec")}
    results |= {f"student{n}": result(f"def f(x):\n    return x + {n}", "exec") for n in range(9)}
    results["nothing"] = Result(marks=[Mark("06.5", 0, 6, False, False, "", "")])
    write_asked(tmp_path, AnswerKey("a", (), ()), results, {}, seed=5)
    with (tmp_path / "a_ask.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert rows["ada"]["why"] == "100% of the unusual lines as bob"
    assert rows["bob"]["why"] == "100% of the unusual lines as ada"
    assert rows["'=eve"]["why"] == "06.5 calls cdist"
    chance = [name for name, row in rows.items() if row["why"] == "drawn by chance"]
    assert chance == sorted(random.Random("5 ask").sample([f"student{n}" for n in range(9)], 3))
    assert len(rows) == 6 and all(row["question_1"] and row["question_2"] for row in rows.values())
