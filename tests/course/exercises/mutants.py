"""Small slips, made from a solution's own code: one constant, operator, name, argument or call at a time."""

from __future__ import annotations

import ast
import copy
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from dsrl_lab.course.exercises.exercise import Exercise

OPERATORS: dict[type, type] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Pow: ast.Mult,
    ast.MatMult: ast.Mult,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}
METHODS = {"mean": "sum", "sum": "mean", "argmax": "argmin", "max": "min", "min": "max", "abs": "square"}
METHODS |= {"square": "abs", "log10": "log", "log": "log10", "startswith": "endswith", "append": "extend"}


def mutants(exercise: Exercise) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Wrong versions of a solution, each under the code of the line that was changed."""
    source = inspect.getsource(exercise.solution)
    tree = ast.parse(source)
    names = [argument.arg for argument in tree.body[0].args.args]  # type: ignore[attr-defined]
    seen = {ast.unparse(tree)}
    for number in range(sum(1 for _ in ast.walk(tree))):
        for change in _changes(list(ast.walk(tree))[number], names):
            mutant = copy.deepcopy(tree)
            change(list(ast.walk(mutant))[number])
            code = ast.unparse(mutant)
            if code in seen:
                continue
            seen.add(code)
            scope = dict(vars(inspect.getmodule(exercise.solution)))
            exec(code, scope)
            changed = set(code.splitlines()) - set(ast.unparse(tree).splitlines())
            yield "; ".join(line.strip() for line in sorted(changed)), scope[exercise.solution.__name__]


def _changes(node: ast.AST, names: list[str]) -> Iterator[Callable[[Any], None]]:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        for step in (1, -1):
            yield lambda n, step=step: setattr(n, "value", n.value + step)
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        yield lambda n: setattr(n, "op", OPERATORS[type(n.op)]())
        yield lambda n: _become(n, n.left)
        yield lambda n: _become(n, n.right)
    if isinstance(node, ast.Compare):
        yield lambda n: setattr(n, "ops", [OPERATORS[type(n.ops[0])]()])
    if isinstance(node, ast.UnaryOp):
        yield lambda n: _become(n, n.operand)
    if isinstance(node, ast.Name) and node.id in names:
        for name in names:
            yield lambda n, name=name: setattr(n, "id", name)
    if isinstance(node, ast.Tuple) and len(node.elts) > 1 and isinstance(node.ctx, ast.Load):
        yield lambda n: n.elts.reverse()
    if isinstance(node, ast.Call):
        for place in range(len(node.keywords)):
            yield lambda n, place=place: n.keywords.pop(place)
        if isinstance(node.func, ast.Attribute):
            yield lambda n: _become(n, n.func.value)
            if node.func.attr in METHODS:
                yield lambda n: setattr(n.func, "attr", METHODS[n.func.attr])
    if isinstance(node, ast.IfExp):
        yield lambda n: _become(n, n.body)
        yield lambda n: _become(n, n.orelse)


def _become(node: ast.AST, other: ast.AST) -> None:
    node.__class__ = other.__class__
    node.__dict__.update(copy.deepcopy(other.__dict__))
