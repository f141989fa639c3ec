"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

REPOSITORY = Path(__file__).resolve().parent.parent
os.environ["DSRL_LAB_LANGUAGE"] = "en"  # whatever the system's locale; tests of Chinese set zh themselves


torch.set_num_threads(1)  # small tensors: a second thread costs more than it brings, above all on a busy machine


@pytest.fixture(autouse=True)
def _same_draws() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with real data for development; tests that need it are skipped where it is absent."""
    root = Path(os.environ.get("DSRL_LAB_DATA", REPOSITORY.parent / "shared" / "data"))
    if not root.is_dir():
        pytest.skip(f"real data not found at {root}; set DSRL_LAB_DATA to the folder that holds CamVid/, weights/, ...")
    return root
