"""Library calls are seen by what runs, whatever they are named; own arithmetic is none."""

from __future__ import annotations

import pytest
import torch

from dsrl_lab.course.grading.worker import Session

AFFINITY = "from dsrl_lab.affinity import affinity_matrix as known\n"
TORCH = "import torch\nfrom torch import nn\nfrom torch.nn import functional as F\n"


@pytest.mark.parametrize(
    ("code", "called"),
    [
        (f"{AFFINITY}f = known", ["affinity_matrix"]),
        ("import dsrl_lab.affinity as d\nf = lambda x: getattr(d, 'affinity_' + 'matrix')(x)", ["affinity_matrix"]),
        (f"{AFFINITY}from functools import partial\nf = partial(known, p=1.0)", ["affinity_matrix"]),
        (f"{TORCH}f = nn.PixelShuffle(2)", ["pixel_shuffle"]),
        (f"{TORCH}f = lambda x: torch.pixel_shuffle(x, 2)", ["pixel_shuffle"]),
        (f"{TORCH}f = lambda x: F.interpolate(x.relu(), scale_factor=2.0)", ["interpolate", "relu"]),
        ("def f(x):\n    y = x.flatten(2)\n    return y.mT @ y / y.norm(dim=1).max()", []),
        ("def f(x):\n    raise ValueError", []),
    ],
)
def test_what_runs_is_noted(code: str, called: list[str]) -> None:
    session = Session()
    session.prepare([["student", code]], ["f"])
    assert session.run(0) == ""
    session.call_traced("call", "f", [(torch.ones(1, 4, 2, 3),)], 1000)
    assert session.called() == called
    session.call_traced("call", "g", [(1,)], 10)
    assert session.called() == []
