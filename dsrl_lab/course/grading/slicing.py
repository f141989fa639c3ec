"""Which cells of a notebook need which, by the names in the code; nothing is run."""

import ast
import builtins
import re
import symtable
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

ALWAYS = {*dir(builtins), "__name__", "__file__", "__doc__", "display", "get_ipython", "In", "Out", "_", "__"}
MAGIC = re.compile(r"^\s*[%!].*$", re.MULTILINE)
AT_ONCE = {"listcomp", "setcomp", "dictcomp", "genexpr"}


@dataclass(frozen=True)
class Unit:
    """A piece of code that is run as a whole: a cell, or one statement of it."""

    cell: int
    code: str  # line numbers are those of the cell
    binds: set[str] = field(default_factory=set)  # names that it gives a value
    changes: set[str] = field(default_factory=set)  # names whose value it alters, as a method does
    at_once: set[str] = field(default_factory=set)  # names that it needs when it runs
    later: set[str] = field(default_factory=set)  # names that the bodies of its functions need


def without_magics(code: str) -> str:
    """The code with IPython's own lines emptied, if Python cannot read it with them."""
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return MAGIC.sub("", code)
    return code


def whole(cell: int, code: str) -> Unit:
    """A cell as one unit; raises SyntaxError if it is not Python."""
    return _unit(cell, without_magics(code))


def statements(cell: int, code: str) -> list[Unit]:
    """A cell as one unit for each statement; raises SyntaxError if it is not Python."""
    code = without_magics(code)
    lines = code.splitlines()
    units = []
    for node in ast.parse(code).body:
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        text = "\n".join(lines[first - 1 : node.end_lineno])
        if isinstance(node, ast.Import | ast.ImportFrom) and len(node.names) > 1:
            one_each = [type(node)(**{**vars(node), "names": [alias]}) for alias in node.names]
            units += [_unit(cell, ast.unparse(single)) for single in one_each]
        elif ";" in text:  # several on a line
            units.append(_unit(cell, ast.unparse(node)))
        else:
            units.append(_unit(cell, "\n" * (first - 1) + text))
    return units


def _unit(cell: int, code: str) -> Unit:
    unit, tree = Unit(cell, code), ast.parse(code)
    _scope(symtable.symtable(code, "cell", "exec"), unit, at_once=True, top=True)
    imported = {
        alias.asname or alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    unit.changes.update(set(_changed(tree)) - imported)
    unit.at_once.difference_update(_bound_first(tree))
    added_to = [node.target for node in tree.body if isinstance(node, ast.AugAssign)]
    unit.at_once.update(target.id for target in added_to if isinstance(target, ast.Name))
    return unit


def _bound_first(tree: ast.Module) -> set[str]:
    bound: set[str] = set()
    used: set[str] = set()

    def look(value: ast.AST, *targets: ast.AST) -> None:
        found = [(part, name) for part in (value, *targets) for name in ast.walk(part) if isinstance(name, ast.Name)]
        stored = {name.id for part, name in found if part is not value and isinstance(name.ctx, ast.Store)}
        used.update({name.id for part, name in found if part is value or not isinstance(name.ctx, ast.Store)} - bound)
        bound.update(stored - used)

    def run(statements: list[ast.stmt]) -> None:
        for node in statements:
            if isinstance(node, ast.For):
                look(node.iter, node.target)
                run([*node.body, *node.orelse])
            elif isinstance(node, ast.Assign):
                look(node.value, *node.targets)
            else:
                look(node)

    run(tree.body)
    return bound


def _scope(table: symtable.SymbolTable, unit: Unit, *, at_once: bool, top: bool = False) -> None:
    needed = unit.at_once if at_once else unit.later
    for symbol in table.get_symbols():
        if top and (symbol.is_assigned() or symbol.is_imported()):
            unit.binds.add(symbol.get_name())
        elif symbol.is_declared_global() and symbol.is_assigned():
            unit.changes.add(symbol.get_name())
            needed.add(symbol.get_name())
        if symbol.is_referenced() and (top or symbol.is_global()):
            needed.add(symbol.get_name())
    for child in table.get_children():
        _scope(child, unit, at_once=at_once and (child.get_type() == "class" or child.get_name() in AT_ONCE))


def _changed(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            yield from _base(node)
    for statement in tree.body:
        call = statement.value if isinstance(statement, ast.Expr) else None
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
            yield from _base(call.func)


def _base(node: ast.expr) -> Iterator[str]:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id


def needed_for(names: Sequence[str], units: Sequence[Unit]) -> list[Unit]:
    """The units that must run, in order, so that the names have their values."""
    modules = {name for unit in units if re.match(r"\s*(import|from)\s", unit.code) for name in unit.binds}
    needed, taken = set(names), [False] * len(units)
    while True:
        more = [bool(unit.binds & needed or unit.changes & (needed - modules)) for unit in units]
        if more == taken:
            return [unit for unit, wanted in zip(units, taken, strict=True) if wanted]
        taken = more
        needed.update(*(unit.at_once | unit.later for unit, wanted in zip(units, taken, strict=True) if wanted))


@dataclass(frozen=True)
class TooEarly:
    """A name that a cell uses before it has a value, when the notebook runs from the top."""

    cell: int
    name: str
    bound_in: int | None  # the later cell that gives it a value


def used_too_early(units: Sequence[Unit]) -> list[TooEarly]:
    """Names used before they have a value, each reported once."""
    known: dict[str, set[str]] = {name: set() for name in ALWAYS}
    found: dict[str, TooEarly] = {}
    for unit in units:
        for name in sorted(_closure(unit.at_once, known)):
            if name not in known and name not in unit.binds and name not in found:
                later = [other.cell for other in units if name in other.binds]
                found[name] = TooEarly(unit.cell, name, later[0] if later else None)
        known.update(dict.fromkeys(unit.binds, unit.later))
    return list(found.values())


def _closure(names: set[str], known: dict[str, set[str]]) -> set[str]:
    new, seen = names, set(names)
    while new:
        new = set().union(*(known.get(name, set()) for name in new)) - seen
        seen |= new
    return seen
