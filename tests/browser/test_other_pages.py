"""Widgets as pages in Chromium: fingers, keys, size, accessibility, an empty console."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from torch.nn import functional as F

from dsrl_lab.datasets.class_tables import CAMVID
from dsrl_lab.metrics import psnr
from dsrl_lab.plots.super_resolution import Reconstruction
from dsrl_lab.training.record import TrainRecord
from dsrl_lab.widgets.base import Widget
from dsrl_lab.widgets.examples import EXAMPLES
from dsrl_lab.widgets.segmentation import SegmentationCompare
from dsrl_lab.widgets.super_resolution import SuperResolutionCompare
from dsrl_lab.widgets.training import TrainingMonitor

pytestmark = pytest.mark.browser
STAGE, TRUTH = "[data-panel=stage] .dl-surface", "[data-panel=truth] .dl-surface"
SMOOTH = F.interpolate(torch.rand(1, 3, 9, 12, generator=torch.Generator().manual_seed(0)), (72, 96), mode="bicubic")[0]


def compared() -> SuperResolutionCompare:
    low = F.avg_pool2d(SMOOTH.clamp(0, 1)[None], 2)
    made = [Reconstruction(mode, F.interpolate(low, (72, 96), mode=mode)[0]) for mode in ("nearest", "bilinear")]
    return SuperResolutionCompare(low[0], SMOOTH.clamp(0, 1), made)


def masks() -> SegmentationCompare:
    truth = torch.zeros(24, 32, dtype=torch.long)
    truth[12:], truth[:, 16:18] = CAMVID.index("road"), CAMVID.index("pole")
    return SegmentationCompare(torch.rand(3, 24, 32), truth, truth.roll(2, 1), truth.roll(1, 1), CAMVID)


def trained(iterations: int = 40) -> TrainingMonitor:
    """A monitor whose run has come so far that half of it is left."""
    monitor = TrainingMonitor([])
    for i in range(1, iterations // 2 + 1):
        monitor.take(
            TrainRecord(
                iteration=i,
                iterations=iterations,
                learning_rate=0.01 * (1 - i / iterations) ** 0.9,
                loss=3 / i**0.5,
                task=2 / i**0.5,
                sisr=1 / i,
                affinity=0.1,
                seconds=1.0 * i,
                images_per_second=8.0,
            )
        )
    return monitor


WIDGETS = {"super_resolution": compared, "segmentation": masks, "training": trained}


def opened(widget: Widget, folder: Path, open_page: Any, **options: Any) -> Any:
    path = folder / "page.html"
    path.write_text(widget.page(), encoding="utf-8")
    return open_page(path.as_uri(), offline=True, **options)


def finger(seen: Any, points: Sequence[tuple[float, float]]) -> None:
    """A finger is put down, moved and lifted, as the browser itself reports it."""
    session = seen.page.context.new_cdp_session(seen.page)
    kinds = ["touchStart", *["touchMove"] * (len(points) - 1)]
    for kind, (x, y) in zip(kinds, points, strict=True):
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def spot(seen: Any, selector: str, down: float, right: float) -> tuple[float, float]:
    """A place in an element, by its shares of height and width."""
    box = seen.page.locator(selector).bounding_box()
    return box["x"] + right * box["width"], box["y"] + down * box["height"]


def test_a_finger_swipes_the_divider_and_drags_the_lens(tmp_path: Path, open_page: Any) -> None:
    widget = compared()
    seen = opened(widget, tmp_path, open_page, has_touch=True)
    slider, before = seen.page.locator("input[type=range]"), seen.pixels(f"{STAGE} canvas")
    assert slider.input_value() == "50"
    finger(seen, [spot(seen, STAGE, 0.1, share) for share in (0.5, 0.4, 0.3, 0.2)])
    assert int(slider.input_value()) == pytest.approx(20, abs=2)
    assert seen.pixels(f"{STAGE} canvas") != before, "more of the right-hand method is seen"
    finger(seen, [spot(seen, STAGE, 0.5, 0.7), spot(seen, STAGE, 0.7, 0.8)])
    side = widget.value[2]
    top, left = round(0.7 * 72 - side / 2), round(0.8 * 96 - side / 2)
    assert f"row {top}, column {left}" in seen.page.locator(STAGE).get_attribute("aria-valuetext")
    crop = (slice(None), slice(None), slice(top, top + side), slice(left, left + side))
    wanted = float(psnr(widget.reconstructions[1].image[None][crop], widget.high_res[None][crop]))
    shown = seen.page.locator('[data-scores="bilinear"]')
    assert float(shown.get_attribute("data-psnr")) == pytest.approx(wanted, abs=1e-3)
    assert seen.messages == []


def test_two_fingers_zoom_and_the_one_that_stays_drags_nothing(tmp_path: Path, open_page: Any) -> None:
    seen = opened(compared(), tmp_path, open_page, has_touch=True)

    def lens() -> list[int]:
        return [int(x) for x in re.findall(r"\d+", seen.page.locator(STAGE).get_attribute("aria-valuetext"))]

    finger(seen, [spot(seen, STAGE, 0.5, 0.3)])
    before = lens()
    session = seen.page.context.new_cdp_session(seen.page)

    def put(kind: str, *shares: float) -> None:
        places = [spot(seen, STAGE, 0.5, share) for share in shares]
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        seen.page.evaluate("() => new Promise((seen) => requestAnimationFrame(() => requestAnimationFrame(seen)))")

    put("touchStart", 0.2)
    put("touchStart", 0.2, 0.6)
    put("touchMove", 0.3, 0.5)
    farther = lens()
    assert farther[2:] == [2 * side for side in before[2:]]  # half as far apart: twice the lens
    put("touchMove", 0.2, 0.6)
    assert lens()[2:] == before[2:]
    put("touchMove", 0.3, 0.5)
    put("touchEnd", 0.3)
    put("touchMove", 0.9)
    assert lens() == farther
    put("touchEnd")
    assert not seen.messages


def test_a_tap_zooms_by_the_buttons(tmp_path: Path, open_page: Any) -> None:
    seen = opened(compared(), tmp_path, open_page, has_touch=True)
    before = seen.page.locator(STAGE).get_attribute("aria-valuetext")
    seen.page.get_by_role("button", name="Zoom out").tap()
    assert "18 by 18 pixels" in seen.page.locator(STAGE).get_attribute("aria-valuetext") != before


def test_a_tap_chooses_a_pixel_and_a_class(tmp_path: Path, open_page: Any) -> None:
    seen = opened(masks(), tmp_path, open_page, has_touch=True)
    finger(seen, [spot(seen, TRUTH, 20.5 / 24, 17.5 / 32)])
    words = seen.page.locator("[aria-live]").text_content()
    assert "Row 20, column 17. Truth: pole" in words
    before = seen.pixels("[data-panel=truth] canvas")
    seen.page.get_by_role("button", name="road").tap()
    assert seen.page.get_by_role("button", name="road").get_attribute("aria-pressed") == "true"
    assert seen.pixels("[data-panel=truth] canvas") != before
    assert seen.messages == []


def test_a_tap_asks_the_training_to_stop(tmp_path: Path, open_page: Any) -> None:
    seen = opened(trained(), tmp_path, open_page, has_touch=True)
    assert "20 of 40 iterations" in seen.page.locator(".dl-bar").text_content()
    assert seen.page.locator("[data-term=loss] polyline").count() == 1
    seen.page.get_by_role("button").tap()
    assert "stopping after this step" in seen.page.locator(".dl-bar").text_content()
    assert seen.page.get_by_role("button").is_disabled()


def test_a_run_that_was_at_its_end_says_that_nothing_is_left(
    tmp_path: Path, open_page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSRL_LAB_STATIC", "1")
    monitor = TrainingMonitor([])
    assert monitor.run() == []
    seen = opened(monitor, tmp_path, open_page)
    assert "nothing left to train" in seen.page.locator(".dl-bar").text_content()
    assert seen.page.locator("progress").evaluate("bar => bar.position") == 1, "the bar stands still"
    assert seen.page.get_by_role("button").is_disabled()


def test_going_on_shows_where(tmp_path: Path, open_page: Any) -> None:
    session = trained()
    monitor = TrainingMonitor([], earlier=session.records[:12], anew="shutil.rmtree(folder)")
    for record in session.records[12:]:
        monitor.take(record)
    seen = opened(monitor, tmp_path, open_page)
    panel = seen.page.locator("[data-term=loss]")
    old, new = (
        panel.locator(f"polyline{kind}").get_attribute("points").split()
        for kind in (".dl-earlier", ":not(.dl-earlier)")
    )
    assert (len(old), len(new)) == (12, 9), "the new curve begins at the last of the old points"
    assert old[-1] == new[0]
    assert float(panel.locator(".dl-seam").get_attribute("x1")) == pytest.approx(float(old[-1].split(",")[0]), abs=0.06)
    texts = panel.locator("text").all_text_contents()
    assert texts == ["0", "3.00", "0", "40", "went on here"], (
        "axes from 0 to the largest value, and to the last iteration"
    )
    assert not seen.page.get_by_text("To start anew").is_visible()
    monitor.end()
    seen = opened(monitor, tmp_path, open_page)
    assert seen.page.get_by_text("To start anew").inner_text() == "To start anew: shutil.rmtree(folder)"


GUIDE = {
    "Touch": "point at the road, a car, the sky; press a class to keep it; move the opacity.",
    "Look for": "are won and lost in different places, and what do these places have in common?",
    "Ask yourself": "which class would you report if you wanted the second network to look good?",
}


@pytest.mark.parametrize("name", list(EXAMPLES))
def test_a_widget_fits_on_a_small_screen_with_what_it_is_about(name: str, tmp_path: Path, open_page: Any) -> None:
    widget = EXAMPLES[name]()
    widget.facts = widget.facts | {"guide": GUIDE}
    if name == "affinity":
        widget.state = widget.state | {"pins": [[3, 4], [12, 20]]}
    seen = opened(widget, tmp_path, open_page, viewport={"width": 1366, "height": 768})
    for width in (1366, 1920, 1000, 900):
        seen.page.set_viewport_size({"width": width, "height": 768})
        box = seen.page.locator(".dl").bounding_box()
        assert box["height"] <= 560, (width, box)
        for text in seen.page.locator(".dl p:visible, .dl canvas:visible").all():
            inner = text.bounding_box()
            assert inner["x"] + inner["width"] <= box["x"] + box["width"] + 1
    seen.page.set_viewport_size({"width": 600, "height": 768})
    assert seen.page.evaluate("document.documentElement.scrollWidth") == 600
    assert seen.page.get_by_text(GUIDE["Ask yourself"]).is_visible()
    seen.shot(f"page_{name}_600")
    assert seen.messages == []


def test_the_wheel_scrolls_the_page_and_zooms_with_ctrl(tmp_path: Path, open_page: Any) -> None:
    seen = opened(compared(), tmp_path, open_page, viewport={"width": 1000, "height": 250})
    seen.page.locator(STAGE).click(position={"x": 100, "y": 60})
    before = seen.page.locator(STAGE).get_attribute("aria-valuetext")
    seen.page.mouse.wheel(0, 60)
    seen.page.wait_for_function("window.scrollY > 0")
    assert seen.page.locator(STAGE).get_attribute("aria-valuetext") == before
    scrolled = seen.page.evaluate("window.scrollY")
    seen.page.keyboard.down("Control")
    seen.page.mouse.wheel(0, 60)
    seen.page.keyboard.up("Control")
    assert "15 by 15 pixels" in seen.page.locator(STAGE).get_attribute("aria-valuetext") != before
    assert seen.page.evaluate("window.scrollY") == scrolled


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", list(WIDGETS))
def test_no_serious_finding_of_axe_and_an_empty_console(name: str, scheme: str, tmp_path: Path, open_page: Any) -> None:
    seen = opened(WIDGETS[name](), tmp_path, open_page, color_scheme=scheme)
    seen.page.keyboard.press("Tab")
    assert seen.page.evaluate("document.activeElement.closest('.dl') !== null"), "reached by keyboard"
    seen.shot(f"page_{name}_{scheme}")
    found = Axe().run(seen.page).response["violations"]
    assert [f"{v['id']}: {v['nodes'][0]['html']}" for v in found if v["impact"] in ("serious", "critical")] == []
    assert seen.messages == []


@pytest.mark.usefixtures("chinese")
@pytest.mark.parametrize("name", EXAMPLES)
def test_a_chinese_page_shows_no_english_word(name: str, tmp_path: Path, open_page: Any) -> None:
    seen = opened(EXAMPLES[name](), tmp_path, open_page, viewport={"width": 420, "height": 900})
    widget = seen.page.locator(".dl")
    assert widget.get_attribute("lang") == "zh" and re.search(r"[\u4e00-\u9fff]{4}", widget.inner_text())
    labels = widget.evaluate("w => [...w.querySelectorAll('[aria-label]')].map((x) => x.ariaLabel).join('\\n')")
    names = r"[A-Z]\w*|mIoU|dB|bicubic|chelsea|kbd|px|x"
    assert re.findall(rf"\b(?!(?:{names})\b)[a-z]{{2,}}", widget.inner_text() + labels) == []
    assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert seen.errors == []
    seen.shot(f"page_{name}_zh")
