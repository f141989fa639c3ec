"""Reading a notebook that may be hostile: no link is followed, no code is run; size, kind and form are checked."""

import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dsrl_lab.files import whole_file

LARGEST = 8 * 2**20
MOST_CELLS = 2_000


class Unreadable(ValueError):  # noqa: N818
    """The file is no notebook that can be read; the text gives the reason."""


@dataclass(frozen=True)
class Cell:
    """One cell of a file; its outputs are the student's own claims."""

    kind: str  # "code", "markdown" or "raw"
    source: str
    id: str = ""  # if it has none
    metadata: dict[str, Any] = field(default_factory=dict)
    outputs: tuple[Any, ...] = ()

    @property
    def grade_id(self) -> str:
        """The id that nbgrader gave it; "" if none."""
        marks = self.metadata.get("nbgrader")
        found = marks.get("grade_id") if isinstance(marks, dict) else None
        return _whole(found) if isinstance(found, str) else ""


def read_bytes(path: Path, *, largest: int = LARGEST) -> bytes:
    """The content of a regular file; raises Unreadable for a link, another kind of file, a large one, or no access."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        why = "is a link; hand in the notebook itself" if path.is_symlink() else f"cannot be read ({error.strerror})"
        raise Unreadable(f"{path.name} {why}") from error
    state = os.fstat(descriptor)
    if not stat.S_ISREG(state.st_mode):
        os.close(descriptor)
        raise Unreadable(f"{path.name} is not a regular file; hand in the notebook itself")
    with os.fdopen(descriptor, "rb") as file:
        if state.st_size > largest:
            sizes = f"{state.st_size / 2**20:.0f} MiB, more than the {largest / 2**20:.0f} that are taken"
            raise Unreadable(f"{path.name} has {sizes}; clear its outputs")
        return file.read(largest + 1)[:largest]


def parse(content: bytes, *, name: str = "the notebook") -> tuple[list[Cell], dict[str, Any]]:
    """Cells of a notebook, and its JSON as it stands; raises Unreadable if it is not a notebook of version 4."""
    if not content.strip():
        raise Unreadable(f"{name} is empty: the file holds nothing; save it in JupyterLab, or download it again")
    try:
        notebook = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # also text that is not UTF-8, and endless integers
        raise Unreadable(f"{name} is not JSON ({type(error).__name__}: {str(error)[:80]}); save it again") from error
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list) or notebook.get("nbformat") != 4:
        raise Unreadable(f"{name} is not a notebook of format 4; open it in JupyterLab and save it again")
    if len(cells) > MOST_CELLS:
        raise Unreadable(f"{name} has {len(cells)} cells, more than the {MOST_CELLS} that are taken")
    return [_cell(cell) for cell in cells], notebook


def _cell(cell: Any) -> Cell:
    cell = cell if isinstance(cell, dict) else {}
    source, metadata, outputs = cell.get("source"), cell.get("metadata"), cell.get("outputs")
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    return Cell(
        kind=cell["cell_type"] if cell.get("cell_type") in ("code", "markdown", "raw") else "raw",
        source=_whole(source) if isinstance(source, str) else "",
        id=_whole(cell["id"]) if isinstance(cell.get("id"), str) else "",
        metadata=metadata if isinstance(metadata, dict) else {},
        outputs=tuple(outputs) if isinstance(outputs, list) else (),
    )


def _whole(text: str) -> str:  # JSON allows halves of characters, UTF-8 does not
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace") if not text.isascii() else text


def read(path: Path) -> list[Cell]:
    """Cells of a notebook file; raises Unreadable as ``read_bytes`` and ``parse`` do."""
    return parse(read_bytes(path), name=path.name)[0]


def write_whole(place: Path, text: str) -> None:
    """Write a file whole; what is not UTF-8 becomes a question mark."""
    with whole_file(place) as temporary:
        temporary.write_bytes(text.encode("utf-8", "replace"))
