"""What an answer needs is found, what it does not need is left out, and an order that does not run is reported."""

from __future__ import annotations

import pytest

from dsrl_lab.course.grading.slicing import TooEarly, needed_for, statements, used_too_early, whole


def cells_for(answer: str, *codes: str) -> list[int]:
    return [unit.cell for unit in needed_for([answer], [whole(number, code) for number, code in enumerate(codes)])]


@pytest.mark.parametrize(
    ("codes", "needed"),
    [
        (["import torch", "def f(): return torch.ones(1)", "slow()"], [0, 1]),
        (["def f(): return g()", "def g(): return h", "h = 1", "i = 2"], [0, 1, 2]),
        (["table = {}", "table['a'] = 1", "def f(): return table['a']", "other = {}"], [0, 1, 2]),
        (["rows = []", "rows.append(1)", "f = lambda: rows"], [0, 1, 2]),
        (["import torch", "torch.manual_seed(0)", "def f(): return torch.ones(1)"], [0, 2]),
        (["n = 0", "def f():\n    global n\n    n += 1"], [0, 1]),
        (["def deco(f): return f", "@deco\ndef f(): pass"], [0, 1]),
        (["base = 1", "class A:\n    x = base", "f = A"], [0, 1, 2]),
        (["def f(): return 1", "def f(): return 2"], [0, 1]),
        (["x = 1", "def f():\n    x = 2\n    return x"], [1]),
        (["f = 1", "f += 1", "g = 2"], [0, 1]),
        (["for name in 'ab': slow(name)", "for name in 'cd': print(name)\ndef f(): return 1"], [1]),
        (["i = 3", "total = i\nfor i in (1, 2): total += i\ndef f(): return total"], [0, 1]),
        (["i = 3", "i = i + 1\ndef f(): return i"], [0, 1]),
        (["n = 1", "if later: n = 2\ndef f(): return 1\nprint(n)"], [0, 1]),
    ],
)
def test_an_answer_takes_along_what_it_needs(codes: list[str], needed: list[int]) -> None:
    assert cells_for("f", *codes) == needed


def test_of_the_teachers_cells_only_single_statements_and_imports_are_taken() -> None:
    units = statements(0, "import os, sys\nfrom math import pi, e\nslow = sum(range(10**9)); a = pi")
    assert [unit.code.strip() for unit in needed_for(["a"], units)] == ["from math import pi", "a = pi"]


def test_magic_lines_are_left_out_and_line_numbers_stay() -> None:
    unit = whole(0, "%matplotlib inline\n!ls\nx = 1 %\\\n 2")
    assert unit.binds == {"x"} and unit.code.splitlines()[2].startswith("x")
    decorated = statements(0, "\n\n@wrap\ndef f(): pass")[0]
    assert whole(0, "x = 5 % 2").code == "x = 5 % 2"
    assert decorated.code.count("\n") == 3 and decorated.code.strip().startswith("@wrap")


def test_names_that_are_bound_and_needed_are_found() -> None:
    assert whole(3, "import torch\nx = torch.ones(n)").at_once == {"n", "torch"}
    assert [unit.binds for unit in statements(0, "a = 1\nb = c = a")] == [{"a"}, {"b", "c"}]


def test_what_is_not_python_is_refused() -> None:
    with pytest.raises(SyntaxError):
        whole(0, "def f(:")


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (["x = 1", "y = x"], []),
        (["y = x", "x = 1"], [TooEarly(0, "x", 1)]),
        (["y = x"], [TooEarly(0, "x", None)]),
        (["def f(): return x", "x = 1", "f()"], []),
        (["def f(): return x", "f()", "x = 1"], [TooEarly(1, "x", 2)]),
        (["def f(): return f"], []),
        (["print([x for x in range(3)])"], []),
        (["class A:\n    def a(self): return later", "later = 1"], []),
        (["class A:\n    a = later", "later = 1"], [TooEarly(0, "later", 1)]),
        (["display(1); print(__name__)"], []),
        (["for i in range(3): total = i", "total"], []),
        (["import torch as t\nwith open('a') as file: t.save(1, file)"], []),
        (["try:\n    import a\nexcept ImportError as e:\n    print(e)"], []),
    ],
)
def test_an_order_that_does_not_run_is_reported(codes: list[str], expected: list[TooEarly]) -> None:
    assert used_too_early([unit for number, code in enumerate(codes) for unit in statements(number, code)]) == expected
