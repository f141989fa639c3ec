"""The explorer's Python side: what it refuses, what crosses, its twin; the browser's side stands in tests/browser."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import numpy as np
import pytest
import torch

from dsrl_lab.affinity import affinity_matrix
from dsrl_lab.widgets import affinity_explorer
from dsrl_lab.widgets.affinity import AffinityExplorer, check_features, sequential
from dsrl_lab.widgets.base import Refused

GRID = (6, 8)


def an_explorer(**more: Any) -> AffinityExplorer:
    made = affinity_explorer(torch.rand(3, 48, 64), torch.rand(5, *GRID), torch.rand(7, *GRID), **more)
    assert isinstance(made, AffinityExplorer)
    return made


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (torch.full((5, *GRID), torch.nan), "hold NaN or infinity"),
        (torch.rand(1, *GRID), "have one channel"),
        (torch.rand(5, 6, 9), r"expected the grid \(6, 8\)"),
        (torch.rand(1, 5, *GRID), r"take \[0\] of a batch"),
        (torch.rand(65, *GRID), "at most 64 channels"),
    ],
)
def test_wrong_features_are_refused_with_a_message_in_place_of_the_widget(task: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_features(torch.rand(3, 48, 64), {"a": task}, torch.rand(7, *GRID))
    refused = affinity_explorer(torch.rand(3, 48, 64), task, torch.rand(7, *GRID))
    assert isinstance(refused, Refused)
    assert re.search(message, refused.message)


def test_no_branch_and_a_position_off_the_grid_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one segmentation branch"):
        check_features(torch.rand(3, 48, 64), {}, torch.rand(7, *GRID))
    refused = affinity_explorer(torch.rand(3, 48, 64), torch.rand(5, *GRID), torch.rand(7, *GRID), position=(6, 0))
    assert isinstance(refused, Refused)
    assert "expected a position" in refused.message


def test_what_crosses_gives_the_affinity_matrix_to_float16_accuracy() -> None:
    features = 1e4 * torch.randn(5, *GRID)  # beyond float16's range if it crossed as it is
    features[:, 0, 0] = 0
    made = affinity_explorer(torch.rand(3, 48, 64), features, torch.rand(7, *GRID))
    assert isinstance(made, AffinityExplorer)
    place = made.facts["arrays"]["task:segmentation:units"]
    units = np.frombuffer(made.block, "<f2", offset=place["offset"], count=np.prod(place["shape"]))
    units = torch.from_numpy(units.reshape(place["shape"]).astype(np.float32))
    torch.testing.assert_close(units @ units.T, affinity_matrix(features[None])[0], atol=2e-3, rtol=0)


def test_it_opens_on_the_source_that_differs_most_from_super_resolution() -> None:
    sisr = torch.randn(7, *GRID)
    sources = {"same": sisr, "opposite": -sisr, "near": sisr + 0.1}
    for order in (list(sources), list(reversed(sources))):
        made = affinity_explorer(torch.rand(3, 48, 64), {name: sources[name] for name in order}, sisr)
        assert isinstance(made, AffinityExplorer)
        difference = {name: float((affinity_matrix(sources[name][None]) - affinity_matrix(sisr[None]))[0, 3 * 8 + 4]
                                  .abs().mean()) for name in order}  # fmt: skip
        assert made.state["source"] == max(difference, key=lambda name: difference[name]) == "near"
    chosen = affinity_explorer(torch.rand(3, 48, 64), sources, sisr, source="same")
    assert isinstance(chosen, AffinityExplorer)
    assert chosen.state["source"] == "same"
    refused = affinity_explorer(torch.rand(3, 48, 64), sources, sisr, source="none")
    assert isinstance(refused, Refused)
    assert refused.message == "unknown source 'none'; choose one of same, opposite, near"


def test_the_position_is_read_and_set_from_python() -> None:
    explorer = an_explorer(position=(2, 3))
    assert explorer.value == (2, 3)
    explorer.value = (4, 5)
    assert explorer.state["position"] == [4, 5]
    explorer.state = explorer.state | {"position": [1, 1]}  # as the browser does
    assert explorer.value == (1, 1)


def test_what_a_callback_raises_is_shown() -> None:
    explorer = an_explorer()
    seen: list[Any] = []
    explorer.on_change(lambda state: seen.append(1 / (state["position"][0] - 1)))
    explorer.value = (3, 0)
    assert (seen, explorer.problem) == ([0.5], "")
    explorer.value = (1, 0)
    assert "ZeroDivisionError" in explorer.problem
    assert explorer.value == (1, 0)


def test_numpy_features_and_pictures_are_accepted() -> None:
    picture, task = (np.random.default_rng(0).random(shape) for shape in ((48, 64, 3), (5, *GRID)))
    made = affinity_explorer((255 * picture).astype(np.uint8), task.astype(np.float32), torch.rand(7, *GRID))
    assert isinstance(made, AffinityExplorer)
    assert made.facts["arrays"]["image"]["shape"] == [48, 64, 3]
    assert made.image.max() <= 1


def test_built_notebooks_get_a_picture_with_an_alternative_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[Any] = []
    monkeypatch.setenv("DSRL_LAB_STATIC", "1")
    monkeypatch.setattr("dsrl_lab.widgets.base.display", shown.append)
    explorer = an_explorer(alt="rows <of> S")
    explorer._ipython_display_()
    assert '<img alt="rows &lt;of&gt; S"' in shown[0].data
    assert explorer.comm is None, "no live widget may be announced: its state would be saved"


def test_the_twin_has_a_line_of_four_pictures_for_each_source() -> None:
    sources = {"DSRL": torch.rand(5, *GRID), "baseline": torch.rand(5, *GRID)}
    made = affinity_explorer(torch.rand(3, 48, 64), sources, torch.rand(7, *GRID))
    assert isinstance(made, AffinityExplorer)
    assert sum(bool(ax.images) for ax in made.static().axes) == 8


def test_a_page_holds_all_it_needs() -> None:
    explorer = an_explorer()
    page = explorer.page()
    assert not re.search(r"""(src|href)=["'](?!data:)""", page), "nothing is fetched"
    assert "http://" not in page
    assert "https://" not in page
    block = re.search(r'atob\("([^"]+)"\)', page)
    assert block is not None
    assert base64.b64decode(block.group(1)) == explorer.block


def test_the_largest_page_stays_under_3_megabytes() -> None:
    largest = torch.randn(64, 64, 64)
    sources = {"DSRL": largest, "baseline": largest}
    made = affinity_explorer(torch.rand(3, 512, 1024), sources, largest)
    assert isinstance(made, AffinityExplorer)
    assert len(made.page().encode()) < 3e6
    json.dumps(made.state)


def test_half_of_a_diverging_map_begins_where_there_is_no_difference() -> None:
    table = sequential("PuOr", begin=0.5)
    assert table.shape == (256, 3) and table[0].tolist() == [246, 246, 246]
