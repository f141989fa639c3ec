"""A last look before a notebook is handed in: what copying, deleting and trying about did to it.

The notebook is compared with the one that was handed out. Ids, kinds of cells and deleted or altered checks are mended;
what only its author can mend (an order that does not run, a missing answer) is told. No code is run.
"""

from __future__ import annotations

import copy
import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsrl_lab.course.grading.notebook_file import Cell, Unreadable, parse, read_bytes
from dsrl_lab.course.grading.slicing import Unit, statements, used_too_early

RELEASED = Path(__file__).parent / "released"
RawCell = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be.

    Attributes:
        text: what it is and, where it cannot be mended, what to do.
        mended: whether ``--fix`` mends it.
    """

    text: str
    mended: bool


@dataclass(frozen=True)
class Look:
    """What a look found.

    Attributes:
        findings: in the order in which they were found.
        notebook: as JSON, with all mended that can be.
        open_answers: names of exercises that are as they were handed out.
    """

    findings: tuple[Finding, ...]
    notebook: dict[str, Any]
    open_answers: tuple[str, ...]


def look_over(notebook: Path, *, released: Path | None = None) -> Look:
    """Compare a notebook with the one that was handed out.

    Args:
        notebook: that is to be handed in.
        released: the one that was handed out; by default the kit's own, found by the ids in the notebook.

    Raises:
        Unreadable: the notebook cannot be taken at all.
        ValueError: nothing that was handed out is like it.
    """
    cells, raw = parse(read_bytes(notebook), name=notebook.name)
    frame = parse(read_bytes(released or _like(cells, notebook)))[1]["cells"]
    desk = _Desk([cell for cell in raw["cells"] if isinstance(cell, dict)], frame)
    for step in (desk.kinds, desk.copies, desk.lost, desk.altered):
        step()
    raw["cells"] = desk.cells
    if desk.findings:
        raw["nbformat_minor"] = max(5, raw.get("nbformat_minor", 0))
    return Look((*desk.findings, *_order(desk.cells)), raw, tuple(_still_open(desk)))


def mend(notebook: Path, look: Look) -> Path:
    """Write the mended notebook; what was there is kept beside it.

    Args:
        notebook: that was looked at.
        look: what was found.
    """
    beside = notebook.with_suffix(".before_check.ipynb")
    if not beside.exists():
        beside.write_bytes(notebook.read_bytes())
    notebook.write_text(json.dumps(look.notebook, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return beside


def _like(cells: Sequence[Cell], notebook: Path) -> Path:
    ids = {cell.id for cell in cells} | {cell.grade_id for cell in cells} - {""}

    def shared(path: Path) -> int:
        frame = parse(path.read_bytes())[0]
        return len(ids & {cell.id for cell in frame}) + 1000 * (path.name == notebook.name)

    best = max(sorted(RELEASED.glob("*.ipynb")), key=shared, default=None)
    if best is None or shared(best) == 0:
        there = ", ".join(path.stem for path in sorted(RELEASED.glob("*.ipynb"))) or "none in this copy of the kit"
        raise ValueError(f"{notebook.name} is like no assignment that was handed out ({there}); name one by --released")
    return best


def _source(cell: RawCell) -> str:
    source = cell.get("source", "")
    return "".join(source) if isinstance(source, list) else str(source)


def _marks(cell: RawCell) -> dict[str, Any]:
    metadata = cell.get("metadata")
    marks = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return marks if isinstance(marks, dict) else {}


def _grade_id(cell: RawCell) -> str:
    return str(_marks(cell).get("grade_id", ""))


class _Desk:
    """The cells while they are put in order."""

    def __init__(self, cells: list[RawCell], frame: list[RawCell]) -> None:
        self.cells, self.frame = copy.deepcopy(cells), frame
        self.by_id = {cell["id"]: cell for cell in frame}
        self.graded = {_grade_id(cell): cell for cell in frame if _grade_id(cell)}
        self.findings: list[Finding] = []

    def tell(self, text: str) -> None:
        """Note what was mended."""
        self.findings.append(Finding(text, mended=True))

    def kinds(self) -> None:
        """Cells that are no longer code, or no longer text."""
        for number, cell in enumerate(self.cells):
            twin = self.graded.get(_grade_id(cell)) or self.by_id.get(cell.get("id", ""))
            if twin is not None and cell.get("cell_type") != twin["cell_type"]:
                self.tell(f"cell {number + 1} was turned from {twin['cell_type']} into {cell.get('cell_type')}")
                _turn(cell, twin["cell_type"])

    def copies(self) -> None:
        """Two cells of one id or one grade id, as copy and paste leaves them."""
        for key, what in ((_grade_id, "grade id"), (lambda cell: str(cell.get("id", "")), "id")):
            for name in sorted({key(cell) for cell in self.cells} - {""}):
                twins = [cell for cell in self.cells if key(cell) == name]
                if len(twins) > 1:
                    kept = self._original(twins, name)
                    self.tell(f"{len(twins)} cells had the {what} {name}; cell {_number(self.cells, kept)} keeps it")
                    for cell in (cell for cell in twins if cell is not kept):
                        cell["id"] = _fresh()
                        _meta(cell).pop("nbgrader", None)

    def _original(self, twins: list[RawCell], name: str) -> RawCell:
        """The copy that counts: of an answer the last that was worked on, as when the notebook runs."""
        handed_out = self.graded.get(name) or self.by_id.get(name)
        worked_on = [cell for cell in twins if handed_out is not None and _source(cell) != _source(handed_out)]
        is_answer = name.endswith("-answer")
        return worked_on[-1] if worked_on and is_answer else twins[0]

    def lost(self) -> None:
        """Ids that are gone, and cells of the exercises that are gone."""
        for cell in self.cells:
            if not cell.get("id"):
                cell["id"] = _fresh()
                self.tell(f"cell {_number(self.cells, cell)} had no id")
        place = 0
        for grade_id, twin in self.graded.items():
            own = self._find(grade_id, twin)
            if own is None:
                own = copy.deepcopy(twin)
                self.cells.insert(place, own)
                if grade_id.endswith("-answer"):
                    self.findings.append(
                        Finding(f"the answer {grade_id} was gone; write it in cell {place + 1}", False)
                    )
                else:
                    self.tell(f"the check {grade_id} was deleted; it is back as cell {place + 1}")
            own["id"] = twin["id"]
            place = _number(self.cells, own)

    def _find(self, grade_id: str, twin: RawCell) -> RawCell | None:
        for cell in self.cells:
            if _grade_id(cell) == grade_id:
                return cell
        unmarked = self._unmarked(twin)
        if unmarked is not None:
            self.tell(f"cell {_number(self.cells, unmarked)} had lost its grade id {grade_id}")
            _meta(unmarked)["nbgrader"] = copy.deepcopy(_marks(twin))
        return unmarked

    def _unmarked(self, twin: RawCell) -> RawCell | None:
        free = [cell for cell in self.cells if not _grade_id(cell)]
        first_line = _source(twin).split("(")[0]  # "def affinity"

        def is_it(cell: RawCell) -> bool:
            same = _source(cell).strip() == _source(twin).strip()
            return (
                same or cell.get("id") == twin["id"] or (first_line[:4] == "def " and first_line + "(" in _source(cell))
            )

        return next((cell for cell in reversed(free) if is_it(cell)), None)

    def altered(self) -> None:
        """Checks whose text was changed, and marks that were."""
        for cell in self.cells:
            twin = self.graded.get(_grade_id(cell))
            if twin is None:
                continue
            if not _grade_id(cell).endswith("-answer") and _source(cell) != _source(twin):
                self.tell(f"the check {_grade_id(cell)} was changed")
                cell["source"] = twin["source"]
            if _marks(cell) != _marks(twin):
                self.tell(f"the marks of {_grade_id(cell)} were changed")
                _meta(cell)["nbgrader"] = copy.deepcopy(_marks(twin))


def _meta(cell: RawCell) -> dict[str, Any]:
    if not isinstance(cell.get("metadata"), dict):
        cell["metadata"] = {}
    metadata: dict[str, Any] = cell["metadata"]
    return metadata


def _turn(cell: RawCell, kind: str) -> None:
    cell["cell_type"] = kind
    if kind == "code":
        cell.setdefault("outputs", [])
        cell.setdefault("execution_count", None)
        cell.pop("attachments", None)
    else:
        cell.pop("outputs", None)
        cell.pop("execution_count", None)


def _number(cells: list[RawCell], cell: RawCell) -> int:
    return 1 + next(number for number, other in enumerate(cells) if other is cell)


def _fresh() -> str:
    return uuid.uuid4().hex[:12]


def _still_open(desk: _Desk) -> list[str]:
    same: Callable[[RawCell], bool] = lambda cell: _source(cell) == _source(desk.graded[_grade_id(cell)])  # noqa: E731
    answers = [cell for cell in desk.cells if _grade_id(cell) in desk.graded and _grade_id(cell).endswith("-answer")]
    return [_grade_id(cell).removesuffix("-answer").replace("-", ".") for cell in answers if same(cell)]


def _order(cells: list[RawCell]) -> list[Finding]:
    units: list[Unit] = []
    found = []
    for number, cell in enumerate(cells):
        if cell.get("cell_type") == "code":
            try:
                units += statements(number, _source(cell))
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                found.append(Finding(f"cell {number + 1} is not Python: {error}", mended=False))
    for early in used_too_early(units):
        if early.bound_in is None:
            text = (
                f"cell {early.cell + 1} uses {early.name}, which no cell defines; it lives in your kernel's memory only"
            )
        else:
            text = f"cell {early.cell + 1} uses {early.name}, which cell {early.bound_in + 1} defines; move one of them"
        found.append(Finding(text, mended=False))
    return found


__all__ = ["Finding", "Look", "Unreadable", "look_over", "mend"]
