"""What all widgets share."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from dsrl_lab.widgets import affinity_explorer
from dsrl_lab.widgets.base import Refused, Widget, is_static, pack, script


def test_arrays_come_back_from_the_block() -> None:
    arrays = {
        "a": np.arange(3, dtype=np.uint8),
        "b": np.linspace(0, 1, 5, dtype=np.float16),
        "c": np.ones((2, 2), np.float32),
    }
    layout, block = pack(arrays)
    for name, array in arrays.items():
        place = layout[name]
        assert place["offset"] % 8 == 0
        found = np.frombuffer(block, place["dtype"], count=array.size, offset=place["offset"])
        np.testing.assert_array_equal(found.reshape(place["shape"]), array)


def test_other_dtypes_are_refused() -> None:
    with pytest.raises(ValueError, match="expected float32, float16 or uint8 for 'a', got int64"):
        pack({"a": np.arange(3)})


def test_static_mode_is_chosen_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, wanted in (("1", True), ("0", False), ("", False)):
        monkeypatch.setenv("DSRL_LAB_STATIC", value)
        assert is_static() is wanted


def test_anywidget_is_asked_for_when_a_widget_is_shown_and_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anywidget", None)
    explorer = affinity_explorer(torch.rand(3, 8, 8), torch.rand(2, 4, 4), torch.rand(2, 4, 4))
    assert isinstance(explorer, Widget)
    assert explorer.static().axes
    with pytest.raises(ImportError, match=r"pip install 'dsrl-lab\[lab\]'"):
        _ = explorer.widget


def test_a_refusal_shows_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    monkeypatch.setattr("dsrl_lab.widgets.base.display", shown.append)
    Refused("expected <this>")._ipython_display_()
    assert 'role="alert"' in shown[0].data
    assert "expected &lt;this&gt;" in shown[0].data


@pytest.mark.parametrize("name", ["affinity", "super_resolution", "segmentation", "training"])
def test_scripts_fetch_nothing(name: str) -> None:
    text = script(name).replace("http://www.w3.org/2000/svg", "")  # a name, not an address that is asked
    assert "export default" in text
    for word in ("http:", "https:", "import ", "fetch(", "eval("):
        assert word not in text, word


def test_a_widget_without_a_twin_says_so() -> None:
    class Bare(Widget):
        script_name, title = "affinity", "bare"

    with pytest.raises(NotImplementedError):
        Bare(arrays={}, facts={}, state={}, alt="").static()
