"""The page on hosts of one's own works as it stands: every block runs, in order."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[1] / "docs" / "BRING_YOUR_OWN.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
SMP = "segmentation_models_pytorch"


def test_the_page_has_its_blocks() -> None:
    assert len(BLOCKS) == 5 and sum(SMP in block for block in BLOCKS) == 1


def test_every_block_runs() -> None:
    scope: dict[str, object] = {}
    for block in BLOCKS:
        if SMP not in block:
            exec(compile(block, str(PAGE), "exec"), scope)


def test_the_block_of_segmentation_models_pytorch_runs() -> None:
    if importlib.util.find_spec(SMP) is None:
        pytest.skip(f"{SMP} is not installed: pip install segmentation-models-pytorch runs the page's last block too")
    scope: dict[str, object] = {}
    for block in [*BLOCKS[:1], *(block for block in BLOCKS if SMP in block)]:
        exec(compile(block, str(PAGE), "exec"), scope)
