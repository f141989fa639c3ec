"""Files that nobody vouches for."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dsrl_lab.course.grading.notebook_file import Unreadable, parse, read, read_bytes


def test_a_notebook_is_read(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "id": "a", "source": ["x\n", "y"], "metadata": {"nbgrader": {"grade_id": "g"}}}
    (tmp_path / "a.ipynb").write_text(json.dumps({"nbformat": 4, "cells": [cell]}), encoding="utf-8")
    (found,) = read(tmp_path / "a.ipynb")
    assert (found.kind, found.source, found.id, found.grade_id) == ("code", "x\ny", "a", "g")


def test_links_pipes_folders_and_giants_are_refused(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"x" * 11)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / "pipe")
    for name, why in (("link", "is a link"), ("pipe", "not a regular file"), ("absent", "cannot be read")):
        with pytest.raises(Unreadable, match=why):
            read_bytes(tmp_path / name)
    with pytest.raises(Unreadable, match=r"a regular file|cannot be read"):
        read_bytes(tmp_path)
    with pytest.raises(Unreadable, match=r"more than the .* that are taken; clear its outputs"):
        read_bytes(tmp_path / "real", largest=10)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"nbformat": ' + b"9" * 5000 + b"}", "is not JSON"),
        (b"[]", "not a notebook of format 4"),
        (b'{"nbformat": 3, "worksheets": []}', "not a notebook of format 4"),
        (b'{"nbformat": 4, "cells": {}}', "not a notebook of format 4"),
        (b'{"nbformat": 4, "cells": [' + b"1," * 2000 + b"1]}", "2001 cells, more than the 2000"),
    ],
)
def test_what_is_no_notebook_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        parse(content)


def test_cells_of_wrong_types_become_empty_ones() -> None:
    cells, _ = parse(b'{"nbformat": 4, "cells": [1, {"cell_type": 3, "source": {}, "metadata": [], "id": 4}]}')
    assert [(cell.kind, cell.source, cell.id, cell.grade_id) for cell in cells] == [("raw", "", "", "")] * 2
