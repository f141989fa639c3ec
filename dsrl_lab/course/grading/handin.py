"""A notebook is compared with the one that was handed out, before it is handed in; no code is run."""

import copy
import json
import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsrl_lab.course.exercises.bank import find, known
from dsrl_lab.course.grading.notebook_file import Cell, parse, read_bytes, write_whole
from dsrl_lab.course.grading.slicing import Unit, statements, used_too_early
from dsrl_lab.files import whole_file
from dsrl_lab.language import translate

RELEASED = Path(__file__).parent / "released"
VARIANT = re.compile(r"\b\d\d\.\d+:\d+\b")
RawCell = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be; ``fixable`` if ``--fix`` fixes it."""

    text: str
    fixable: bool


@dataclass(frozen=True)
class Inspection:
    """What was found in a notebook."""

    findings: tuple[Finding, ...]
    notebook: dict[str, Any]  # as JSON, with all fixed that can be
    open_answers: tuple[str, ...]  # exercises that are as they were handed out


def inspect_notebook(notebook: Path, *, released: Path | None = None) -> Inspection:
    """Compare with ``released``, else the kit's own of the same ids; raises Unreadable, or ValueError if like none."""
    cells, raw = parse(read_bytes(notebook), name=notebook.name)
    if not cells:
        raise ValueError(f"{notebook.name} is empty: it has no cells; take the notebook that you worked in")
    frame = parse(read_bytes(released or _like(cells, notebook)))[1]["cells"]
    own = {name for cell in cells for name in VARIANT.findall(cell.source) if known(name)}
    for cell in frame:
        cell["source"] = own_source(_grade_id(cell), _source(cell), own)
    comparison = _Comparison([cell for cell in raw["cells"] if isinstance(cell, dict)], frame)
    for look in (comparison.kinds, comparison.copies, comparison.lost, comparison.changed):
        look()
    raw["cells"] = comparison.cells
    if comparison.findings:
        raw["nbformat_minor"] = max(5, raw.get("nbformat_minor", 0))
    return Inspection((*comparison.findings, *_order(comparison.cells)), raw, tuple(comparison.still_open()))


def own_source(grade_id: str, source: str, own: Iterable[str]) -> str:
    """A cell as it stands in the copy of a student with variants of exercises, "05.1:2"."""
    for name, stem in ((name, name.partition(":")[0]) for name in own):
        if grade_id == f"{stem.replace('.', '-')}-answer":
            return find(name).stub
        source = source.replace(f'"{stem}"', f'"{name}"') if grade_id == f"{stem.replace('.', '-')}-check" else source
    return source


def write_fixed(notebook: Path, inspection: Inspection) -> Path:
    """Write the fixed notebook; return the file beside it that keeps the old one."""
    beside = notebook.with_suffix(".before_check.ipynb")
    if not beside.exists():
        with whole_file(beside) as temporary:  # a half copy would be taken for the old file next time
            temporary.write_bytes(notebook.read_bytes())
    write_whole(notebook, json.dumps(inspection.notebook, ensure_ascii=False, indent=1) + "\n")
    return beside


def _like(cells: Sequence[Cell], notebook: Path) -> Path:
    ids = {name for cell in cells for name in (cell.id, cell.grade_id)} - {""}
    shared = {
        path: len(ids & {cell.id for cell in parse(path.read_bytes())[0]}) + 1000 * (path.name == notebook.name)
        for path in sorted(RELEASED.glob("*.ipynb"))
    }
    best = max(shared, key=lambda path: shared[path], default=None)
    if best is None or shared[best] == 0:
        there = ", ".join(path.stem for path in shared) or "none in this copy of the kit"
        raise ValueError(f"{notebook.name} is like no assignment that was handed out ({there}); name one by --released")
    return best


def _source(cell: RawCell) -> str:
    source = cell.get("source", "")
    return "".join(source) if isinstance(source, list) else str(source)


def _marks(cell: RawCell) -> dict[str, Any]:
    metadata = cell.get("metadata")
    marks = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return marks if isinstance(marks, dict) else {}


def _set_marks(cell: RawCell, twin: RawCell | None) -> None:
    metadata = cell["metadata"] = cell["metadata"] if isinstance(cell.get("metadata"), dict) else {}
    if twin is None:
        metadata.pop("nbgrader", None)
    else:
        metadata["nbgrader"] = copy.deepcopy(_marks(twin))


def _grade_id(cell: RawCell) -> str:
    return str(_marks(cell).get("grade_id", ""))


def _called(grade_id: str) -> str:  # "the check of 06.2"
    exercise, _, end = grade_id.rpartition("-")
    kinds = {"answer": "the answer to {name}", "check": "the check of {name}", "hidden": "the second check of {name}"}
    return translate(kinds.get(end, "the answer in words to {name}"), name=exercise.replace("-", "."))


def _students(grade_id: str) -> bool:
    return grade_id.endswith(("-answer", "-written"))


class _Comparison:
    def __init__(self, cells: list[RawCell], frame: list[RawCell]) -> None:
        self.cells = copy.deepcopy(cells)
        self.by_id = {cell["id"]: cell for cell in frame}
        self.graded = {_grade_id(cell): cell for cell in frame if _grade_id(cell)}
        self.findings: list[Finding] = []

    def fixed(self, text: str, **values: object) -> None:
        self.findings.append(Finding(translate(text, **values), fixable=True))

    def number(self, cell: RawCell) -> int:
        return 1 + next(number for number, other in enumerate(self.cells) if other is cell)

    def differs(self, cell: RawCell) -> bool:
        return _source(cell).strip() != _source(self.graded.get(_grade_id(cell), {})).strip()

    def kinds(self) -> None:
        for number, cell in enumerate(self.cells):
            twin = self.graded.get(_grade_id(cell)) or self.by_id.get(cell.get("id", ""))
            if twin is not None and cell.get("cell_type") != twin["cell_type"]:
                kinds = {"code": "a code cell", "markdown": "a text cell"}
                now, was = map(translate, (kinds.get(one.get("cell_type", ""), "a raw cell") for one in (cell, twin)))
                self.fixed("cell {number} is {now} and was handed out as {was}", number=number + 1, now=now, was=was)
                for key in ("attachments", "outputs", "execution_count"):
                    cell.pop(key, None)
                code = twin["cell_type"] == "code"
                cell |= {"cell_type": twin["cell_type"]} | ({"outputs": [], "execution_count": None} if code else {})

    def copies(self) -> None:
        for key in (_grade_id, lambda cell: str(cell.get("id", ""))):
            for name in sorted({key(cell) for cell in self.cells} - {""}):
                twins = [cell for cell in self.cells if key(cell) == name]
                if len(twins) > 1:
                    kept = self._original(twins, name)
                    text = "{count} cells are {what}" if name in self.graded else "a cell is there twice"
                    self.fixed(text + "; cell {n} counts", count=len(twins), what=_called(name), n=self.number(kept))
                    for cell in (cell for cell in twins if cell is not kept):
                        cell["id"] = uuid.uuid4().hex[:12]
                        _set_marks(cell, None)

    def _original(self, twins: list[RawCell], name: str) -> RawCell:
        handed_out = self.graded.get(name) or self.by_id.get(name)
        worked_on = [cell for cell in twins if handed_out is not None and _source(cell) != _source(handed_out)]
        return worked_on[-1] if worked_on and name.endswith("-answer") else twins[0]  # as when it runs

    def lost(self) -> None:
        nameless = [cell for cell in self.cells if not cell.get("id")]
        for cell in nameless:
            cell["id"] = uuid.uuid4().hex[:12]
        if nameless:
            self.fixed(f"{len(nameless)} cells have lost the ids that Jupyter gives them")
        place = 0
        unmarked: list[str] = []
        for grade_id, twin in self.graded.items():
            own = next((cell for cell in self.cells if _grade_id(cell) == grade_id), None)
            if own is None and (own := self._unmarked(twin)) is not None:
                values = {"number": self.number(own), "what": _called(grade_id)}
                unmarked.append(translate("cell {number} no longer counts as {what}", **values))
                _set_marks(own, twin)
            if own is None:
                own = copy.deepcopy(twin)
                self.cells.insert(place, own)
                text = "{what} was deleted; it comes back as cell {number}"
                if _students(grade_id):
                    text = "{what} is missing; write it in cell {number}"
                text = translate(text, what=_called(grade_id), number=place + 1)
                self.findings.append(Finding(text, fixable=not _students(grade_id)))
            own["id"] = twin["id"]
            place = self.number(own)
        many = [f"{len(unmarked)} cells no longer count as answers and checks"]
        for text in unmarked if len(unmarked) < 4 else many:
            self.fixed(text)

    def _unmarked(self, twin: RawCell) -> RawCell | None:
        function = _source(twin).split("(")[0]  # "def affinity"
        for cell in reversed(self.cells):
            same = _source(cell).strip() == _source(twin).strip() or cell.get("id") == twin["id"]
            if not _grade_id(cell) and (same or (function[:4] == "def " and f"{function}(" in _source(cell))):
                return cell
        return None

    def changed(self) -> None:
        for cell in self.cells:
            twin = self.graded.get(_grade_id(cell))
            if twin is not None and not _students(_grade_id(cell)) and self.differs(cell):
                self.fixed("{what} was changed", what=_called(_grade_id(cell)))
                cell["source"] = twin["source"]
            if twin is not None and _marks(cell) != _marks(twin):
                self.fixed("the points of {what} were changed", what=_called(_grade_id(cell)))
                _set_marks(cell, twin)

    def still_open(self) -> list[str]:
        return [
            _grade_id(cell).removesuffix("-answer").replace("-written", translate(" in words")).replace("-", ".")
            for cell in self.cells
            if _students(_grade_id(cell)) and not self.differs(cell)
        ]


def _order(cells: list[RawCell]) -> list[Finding]:
    units: list[Unit] = []
    found = []
    for number, cell in enumerate(cells):
        if cell.get("cell_type") == "code":
            try:
                units += statements(number, _source(cell))
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                found.append(translate("cell {number} is not Python: {error}", number=number + 1, error=error))
    for early in used_too_early(units):
        text = "cell {number} uses {name}, which no cell makes: it fails when the notebook is run from the top"
        if early.bound_in is not None:
            text = "cell {number} uses {name}, which cell {other} makes, below it; move one of them"
        found.append(translate(text, number=early.cell + 1, name=early.name, other=(early.bound_in or 0) + 1))
    return [Finding(text, fixable=False) for text in found]
