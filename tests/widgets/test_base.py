"""What all widgets share."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import ipywidgets
import numpy as np
import pytest
import torch
from traitlets import link

from dsrl_lab.datasets.class_tables import CAMVID
from dsrl_lab.widgets import affinity_explorer, segmentation_compare, super_resolution_compare, training_monitor
from dsrl_lab.widgets.base import STAND_IN, VIEW, Refused, Widget, as_image, is_static, pack, source

GUIDE = {"Touch": "a <b> pixel", "Ask yourself": "why?"}
MADE: dict[str, Callable[..., Any]] = {
    "affinity": lambda **more: affinity_explorer(torch.rand(3, 8, 8), torch.rand(2, 4, 4), torch.rand(2, 4, 4), **more),
    "segmentation": lambda **more: segmentation_compare(
        torch.rand(3, 12, 16), *[torch.zeros(12, 16, dtype=torch.long)] * 3, CAMVID, **more
    ),
    "super_resolution": lambda **more: super_resolution_compare(
        torch.rand(3, 8, 8), torch.rand(3, 16, 16), {"a": torch.rand(3, 16, 16)}, **more
    ),
    "training": lambda **more: training_monitor([], **more),
}
every_widget = pytest.mark.parametrize("name", list(MADE))


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


WITHOUT_ANYWIDGET = """
import sys
sys.modules["anywidget"] = None
import torch
from dsrl_lab.widgets import affinity_explorer
explorer = affinity_explorer(torch.rand(3, 8, 8), torch.rand(2, 4, 4), torch.rand(2, 4, 4))
explorer.value = (0, 1)
assert explorer.state["position"] == [0, 1] and explorer.static().axes and "</html>" in explorer.page()
explorer._ipython_display_()
"""


def test_without_anywidget_there_are_pictures_and_pages_and_a_remedy() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_ANYWIDGET], capture_output=True, text=True, check=False)
    assert "ImportError: live widgets need anywidget" in done.stderr, done.stderr
    assert "pip install -e '.[lab]'" in done.stderr


@every_widget
def test_a_widget_is_an_ipywidget(name: str) -> None:
    one, other = MADE[name](), MADE[name]()
    assert ipywidgets.HBox([one, other]).children == (one, other)
    link((one, "value"), (other, "value"))
    changed = "stopped" if name == "training" else tuple(reversed(range(len(one.value))))
    one.value = changed
    assert other.state[other.chosen] == (changed if name == "training" else list(changed))
    given: list[Any] = []
    shown = ipywidgets.interactive(lambda place: given.append(place), place=one)
    assert shown.children[0] is one
    other.value = "running" if name == "training" else tuple(sorted(changed))
    assert given[-1] == one.value == other.value != changed


@every_widget
def test_the_output_holds_a_picture_and_a_view_and_no_words_about_objects(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr("dsrl_lab.widgets.base.display", lambda thing, **more: shown.append((thing, more)))
    made = MADE[name](guide=GUIDE)
    made._ipython_display_()
    (picture, _), (view, how) = shown
    assert picture.data.startswith(STAND_IN) and "<img alt=" in picture.data
    assert (list(view), how) == ([VIEW], {"raw": True})
    assert "<b>Touch:</b> a &lt;b&gt; pixel<br><b>Ask yourself:</b> why?" in picture.data
    assert made.facts["guide"] == GUIDE


def test_pictures_of_numpy_are_tensors() -> None:
    bytes_ = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    torch.testing.assert_close(as_image(bytes_), torch.from_numpy(bytes_).permute(2, 0, 1) / 255)
    shares = np.random.default_rng(0).random((3, 2, 4), dtype=np.float32)
    assert torch.equal(as_image(shares), torch.from_numpy(shares))
    given = torch.rand(3, 2, 3)
    assert as_image(given) is given


def test_a_refusal_shows_its_message() -> None:
    shown = Refused("expected <this>")._repr_html_()
    assert 'role="alert"' in shown
    assert "expected &lt;this&gt;" in shown


@every_widget
def test_scripts_fetch_nothing(name: str) -> None:
    text = source("kit.js", f"{name}.js").replace(
        "http://www.w3.org/2000/svg", ""
    )  # a name, not an address that is asked
    assert "export default" in text
    for word in ("http:", "https:", "import ", "fetch(", "eval("):
        assert word not in text, word


def test_a_widget_without_a_twin_says_so() -> None:
    class Bare(Widget):
        script_name, title, chosen = "affinity", "bare", "x"

    with pytest.raises(NotImplementedError):
        Bare(arrays={}, facts={}, state={"x": 1}, alt="").static()


def test_a_script_gets_its_texts_in_the_readers_language(monkeypatch: pytest.MonkeyPatch) -> None:
    image, mask = torch.rand(3, 4, 6), torch.zeros(4, 6, dtype=torch.long)
    english = segmentation_compare(image, mask, mask, mask, CAMVID)
    assert english.facts["texts"] == {} and '<html lang="en">' in english.page()
    monkeypatch.setenv("DSRL_LAB_LANGUAGE", "zh")
    made = segmentation_compare(image, mask, mask, mask, CAMVID, guide={"Left": "finished"})
    texts = made.facts["texts"]
    assert (texts["Truth"], texts["{label}:"]) == ("真值", "{label}：")
    assert (made.facts["title"], made.facts["guide"]) == ("分割对比", {"左侧": "已完成"})
    assert '<html lang="zh">' in made.page() and "<b>左侧：</b> 已完成" in made._twin().data


def test_no_text_of_a_script_is_shown_without_being_looked_up() -> None:
    """Words in quotes that are no names of elements, attributes, events or classes stand inside of say(...)."""
    for name in ("kit", "affinity", "segmentation", "super_resolution", "training"):
        code = re.sub(r'\bsay\("[^"]*"', "say(", re.sub(r"//.*", "", source(f"{name}.js")))
        assert re.findall(r'"[A-Z][a-z]+ [^"]*"|"[a-z]+ [a-z]+ [a-z][^"]*"', code) == []
