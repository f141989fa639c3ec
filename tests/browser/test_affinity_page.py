"""The exported page in Chromium, from the disk, network off: clicks, keys, pixels, values, accessibility."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from torch.nn import functional as F

from dsrl_lab.affinity import affinity_matrix
from dsrl_lab.widgets import affinity_explorer
from dsrl_lab.widgets.examples import street_affinity, street_features

pytestmark = pytest.mark.browser
PANEL = "[data-panel={}] .dl-surface canvas"
PICTURE = "[data-panel=picture] .dl-surface"


def a_page(folder: Path, features: tuple[torch.Tensor, torch.Tensor], **more: Any) -> str:
    made = affinity_explorer(torch.rand(3, 48, 64), *features, **more)
    path = folder / "page.html"
    path.write_text(made.page(), encoding="utf-8")
    return path.as_uri()


def loss_of_row(features: tuple[torch.Tensor, torch.Tensor], index: int, *, p: float, q: int, pooling: int) -> float:
    pooled = [F.avg_pool2d(part[None], pooling, ceil_mode=True) for part in features]
    rows = [affinity_matrix(part, p)[0, index] for part in pooled]
    return float((rows[0] - rows[1]).abs().pow(q).mean())


def choose(seen: Any, label: str, value: str) -> None:
    seen.page.get_by_label(label, exact=True).select_option(value)


def test_clicks_keys_and_choices_agree_with_affinity_matrix(tmp_path: Path, open_page: Any) -> None:
    features = torch.randn(5, 7, 9), torch.randn(6, 7, 9)
    seen = open_page(a_page(tmp_path, features), offline=True)
    box = seen.page.locator(PICTURE).bounding_box()
    seen.page.mouse.click(box["x"] + box["width"] * 2.5 / 9, box["y"] + box["height"] * 4.5 / 7)
    seen.page.keyboard.press("ArrowRight")
    seen.page.keyboard.press("Shift+ArrowUp")  # five up, stopped at the first row
    assert "Row 0, column 3" in seen.page.locator("[aria-live]").text_content()
    seen.page.mouse.move(0, 0)
    for p, q, pooling in (("2", 1, 1), ("1", 1, 1), ("inf", 2, 1), ("2", 2, 2)):
        choose(seen, "Norm p", p)
        choose(seen, "Loss q", str(q))
        choose(seen, "Sub-sampling", str(pooling))
        found = float(seen.page.locator(".dl").get_attribute("data-loss"))
        wanted = loss_of_row(features, 3 // pooling, p=float(p), q=q, pooling=pooling)
        assert found == pytest.approx(wanted, abs=3e-3), (p, q, pooling)
    assert seen.messages == []


def test_every_panel_shows_the_row_in_pixels(tmp_path: Path, open_page: Any) -> None:
    same = torch.tensor([[[1.0, 0.0, 1.0, 0.0]], [[0.0, 1.0, 0.0, 1.0]]])
    seen = open_page(a_page(tmp_path, (same, same), position=(0, 0)), offline=True)
    values = seen.pixels(PANEL.format("seg"))
    assert values[0:4] == values[8:12] != values[4:8], "positions 0 and 2 look alike, 1 does not"
    assert len({tuple(seen.pixels(PANEL.format("difference"))[i : i + 4]) for i in (0, 4, 8, 12)}) == 1


def test_hovering_looks_and_leaving_comes_back(tmp_path: Path, open_page: Any) -> None:
    seen = open_page(a_page(tmp_path, (torch.randn(5, 7, 9), torch.randn(5, 7, 9))), offline=True)
    before = seen.pixels(PANEL.format("seg"))
    box = seen.page.locator(PICTURE).bounding_box()
    seen.page.mouse.move(box["x"] + 3, box["y"] + 3)
    assert seen.pixels(PANEL.format("seg")) != before
    seen.page.mouse.move(1, 1)
    assert seen.pixels(PANEL.format("seg")) == before


def test_two_pins_are_compared(tmp_path: Path, open_page: Any) -> None:
    features = torch.randn(5, 7, 9), torch.randn(5, 7, 9)
    seen = open_page(a_page(tmp_path, features, position=(1, 1)), offline=True)
    seen.page.locator(PICTURE).focus()
    for key in ("p", "ArrowDown", "p"):
        seen.page.keyboard.press(key)
    pair = float(seen.page.locator("[data-value=pair-seg]").text_content().replace("−", "-"))
    assert pair == pytest.approx(float(affinity_matrix(features[0][None])[0, 10, 19]), abs=2e-3)
    seen.page.get_by_role("button", name="Clear pins").click()
    assert seen.page.locator("[data-pin]").count() == 0


def note(seen: Any) -> str:
    return seen.page.locator("[data-value=note]").text_content()


def test_a_third_pin_says_that_it_replaces_the_first(tmp_path: Path, open_page: Any) -> None:
    seen = open_page(a_page(tmp_path, (torch.randn(5, 7, 9), torch.randn(5, 7, 9)), position=(1, 1)), offline=True)
    seen.page.locator(PICTURE).focus()
    for key in ("p", "ArrowDown", "p", "ArrowDown"):
        seen.page.keyboard.press(key)
    assert note(seen) == ""
    seen.page.keyboard.press("p")
    words = "This third pin replaces the first: the former B is now A."
    assert note(seen) == words
    assert seen.page.locator("[aria-live]").text_content().startswith(words)
    places = [seen.page.locator(f"[data-pin={name}]").text_content() for name in "AB"]
    assert ["row 2, column 1" in places[0], "row 3, column 1" in places[1]] == [True, True]
    seen.page.keyboard.press("ArrowLeft")
    assert note(seen) == ""


def test_one_scale_for_all_positions_and_sources(tmp_path: Path, open_page: Any) -> None:
    """A difference of 0.28 and one of 0.97 do not look alike: 1 is the darkest, whatever a row holds."""
    angles = torch.tensor([[0.0, 0.7670, 0.0, 1.5408]])  # cosines with the first: 1, 0.72, 1, 0.03
    sisr = torch.stack([torch.ones(1, 4), torch.zeros(1, 4)])
    task = torch.stack([angles.cos(), angles.sin()])
    seen = open_page(a_page(tmp_path, (task, sisr), position=(0, 0)), offline=True)
    small, large = [seen.pixels(PANEL.format("difference"))[4 * i : 4 * i + 3] for i in (1, 3)]
    assert sum(small) > sum(large) + 200
    ends = seen.page.locator("[data-panel=difference] .dl-scale span")
    for place in ("ArrowRight", "ArrowRight", "ArrowRight"):
        assert ends.all_text_contents() == ["0.00", "1.00"]
        seen.page.locator(PICTURE).press(place)
    assert seen.page.locator("[data-panel=seg] .dl-scale span").all_text_contents() == ["−1.00", "1.00"]


def test_features_of_dsrl_and_of_the_baseline_are_switched(tmp_path: Path, open_page: Any) -> None:
    street = street_features()
    path = tmp_path / "street.html"
    path.write_text(street_affinity().page(), encoding="utf-8")
    seen = open_page(path.as_uri(), offline=True)
    offered = seen.page.get_by_label("Segmentation features", exact=True).locator("option").all_text_contents()
    assert offered == list(street.task) == ["DSRL", "baseline"]
    _, height, width = street.sisr.shape
    index = height // 2 * width + width // 2
    rows: dict[str, list[int]] = {}
    teacher = seen.pixels(PANEL.format("sr"))
    for name, features in street.task.items():
        choose(seen, "Segmentation features", name)
        rows[name] = seen.pixels(PANEL.format("seg"))
        wanted = loss_of_row((features, street.sisr), index, p=2, q=1, pooling=1)
        assert float(seen.page.locator(".dl").get_attribute("data-loss")) == pytest.approx(wanted, abs=3e-3), name
        seen.shot(f"affinity_{name.replace(' ', '_')}")
    assert len({tuple(row) for row in rows.values()}) == 2, "each shows another row of S_seg"
    seen.page.get_by_label("Segmentation features", exact=True).focus()
    seen.page.keyboard.press("Home")  # by keyboard: the first again
    assert seen.pixels(PANEL.format("seg")) == rows["DSRL"]
    assert seen.pixels(PANEL.format("sr")) == teacher
    assert seen.messages == []


def test_touch_chooses(tmp_path: Path, open_page: Any) -> None:
    uri = a_page(tmp_path, (torch.randn(5, 7, 9), torch.randn(5, 7, 9)))
    seen = open_page(uri, offline=True, has_touch=True)
    box = seen.page.locator(PICTURE).bounding_box()
    seen.page.touchscreen.tap(box["x"] + 2, box["y"] + 2)
    assert "Row 0, column 0" in seen.page.locator("[aria-live]").text_content()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_streets_page_is_accessible_in_both_schemes(tmp_path: Path, open_page: Any, scheme: str) -> None:
    path = tmp_path / "affinity.html"
    path.write_text(street_affinity().page(), encoding="utf-8")
    seen = open_page(path.as_uri(), offline=True, color_scheme=scheme)
    seen.page.locator(PICTURE).focus()
    for key in ("p", "ArrowRight", "ArrowRight", "Shift+ArrowDown", "p"):
        seen.page.keyboard.press(key)
    seen.shot(f"affinity_page_{scheme}")
    found = Axe().run(seen.page).response["violations"]
    serious = [f"{v['id']}: {v['nodes'][0]['html']}" for v in found if v["impact"] in ("serious", "critical")]
    assert serious == []
    assert seen.messages == []


def test_from_click_to_picture(tmp_path: Path, open_page: Any, record_property: Any) -> None:
    """64x64 positions x 64 channels; the numbers are reported, not asserted: this machine may be busy."""
    uri = a_page(tmp_path, (torch.randn(64, 64, 64), torch.randn(64, 64, 64)))
    seen = open_page(uri, offline=True)
    box = seen.page.locator(PICTURE).bounding_box()
    seen.page.evaluate(
        """() => { window.took = []; document.querySelector('[data-panel=picture] .dl-surface')
        .addEventListener('pointerdown', (e) => window.took.push(performance.now() - e.timeStamp)); }"""
    )
    computed = []
    for number in range(30):
        seen.page.mouse.click(box["x"] + 3 + number * 5, box["y"] + 3 + number * 3)
        computed.append(float(seen.page.locator(".dl").get_attribute("data-milliseconds")))
    took = seen.page.evaluate("window.took")
    numbers = {
        "compute_and_draw_ms": round(statistics.median(computed), 2),
        "click_to_picture_ms": round(statistics.median(took), 2),
        "slowest_click_ms": round(max(took), 2),
    }
    record_property("click_to_picture", json.dumps(numbers))
    print(f"\n64x64 positions x 64 channels, median of {len(took)} clicks: {numbers}")
    assert len(took) == 30
