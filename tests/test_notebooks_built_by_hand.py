"""Notebooks 04 to 07: a drawing first, and what the reader builds by hand agrees with the kit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
NAMES = ("04_segmentation_hosts", "05_sssr_head", "06_feature_affinity", "07_dsrl_training")
each = pytest.mark.parametrize("name", NAMES)


def built(name: str) -> Any:
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def printed(notebook: Any) -> str:
    return "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))


@each
def test_the_first_screen_is_a_drawing_and_no_code(name: str) -> None:
    cells = built(name).cells
    first = next(n for n, cell in enumerate(cells) if "<img" in str(cell.get("outputs", "")))
    assert first <= 7
    shown = [cell for cell in cells[2 : first + 1] if cell.cell_type == "code"]
    assert all(cell.metadata.get("jupyter", {}).get("source_hidden") for cell in shown)


def test_the_worked_training_step_gives_the_losses_of_the_loop() -> None:
    said = printed(built("07_dsrl_training"))
    assert "my_forward: still open, so the worked version runs" in said
    assert "my_step: still open, so the worked version runs" in said
    assert "all losses agree: True" in said


def test_the_worked_tiles_give_the_gradient_of_autograd() -> None:
    said = printed(built("06_feature_affinity"))
    assert "my_tiles_with_gradient: still open, so the worked version runs" in said
    assert "gradient as autograd's: True" in said
