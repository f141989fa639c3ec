"""Widgets in a real JupyterLab: run, click, press, drag; pixels and Python's state; saved and opened again."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]

CELLS = (
    """
import torch
from torch.nn import functional as F
from dsrl_lab.datasets.class_tables import CAMVID
from dsrl_lab.datasets.streets import Streets
from dsrl_lab.widgets import affinity_explorer, segmentation_compare, super_resolution_compare, training_monitor
from dsrl_lab.widgets.examples import street_affinity
torch.manual_seed(0)
sample = Streets("val", size=(96, 128), length=1)[0]
""",
    "explorer = street_affinity()\nexplorer",
    """
low = F.avg_pool2d(sample.image[None], 2)
modes = ("nearest", "bilinear", "bicubic")
made = {mode: F.interpolate(low, scale_factor=2, mode=mode)[0].clamp(0, 1) for mode in modes}
guide = {"Touch": "drag the lens", "Look for": "errors", "Ask yourself": "where do they lie?"}
compare = super_resolution_compare(low[0], sample.image, made, guide=guide)
compare
""",
    """
before = sample.mask.roll(2, dims=1)
after = sample.mask.roll(1, dims=1)
masks = segmentation_compare(sample.image, sample.mask, before, after, CAMVID, guide=guide)
masks
""",
    "affinity_explorer(sample.image, torch.full((4, 6, 8), torch.nan), torch.rand(4, 6, 8))",
    "affinity_explorer(sample.image, torch.rand(1, 6, 8), torch.rand(4, 6, 8))",
    "affinity_explorer(sample.image, torch.rand(4, 6, 9), torch.rand(4, 6, 8))",
)
MONITORED = """
import tempfile, time
from pathlib import Path
from dsrl_lab.training.record import TrainRecord
from dsrl_lab.widgets import training_monitor
kept = Path(tempfile.mkdtemp()) / "latest"

def slow():  # as fit: yields records, and writes a checkpoint when it is closed
    try:
        for i in range(1, 400):
            time.sleep(0.1)
            yield TrainRecord(iteration=i, iterations=400, learning_rate=0.01 * (1 - i / 400) ** 0.9, loss=3 / i**0.5,
                task=2 / i**0.5, sisr=1 / i, affinity=0.1, seconds=0.1 * i, images_per_second=80.0)
    except GeneratorExit:
        kept.write_text("checkpoint")
        raise

monitor = training_monitor(slow())
monitor.run();
"""
TOGETHER = """
import ipywidgets, torch
from dsrl_lab.widgets import affinity_explorer
one, other = (affinity_explorer(torch.rand(3, 24, 32), torch.rand(5, 6, 8), torch.rand(4, 6, 8)) for _ in range(2))
seen = []
ipywidgets.link((one, "value"), (other, "value"))
display(ipywidgets.HBox([one, other]))
ipywidgets.interact(lambda place: seen.append(place), place=one);
"""
CELLS_THERE = """() => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  return [notebook.model.cells.length, notebook.activeCellIndex];
}"""
READY = """async (name) => {
  const app = window.jupyterapp;
  await app.restored;
  const panel = Array.from(app.shell.widgets('main')).find((w) => w.context && w.context.path === name);
  await panel.context.ready;
  await panel.sessionContext.ready;
  await panel.sessionContext.session.kernel.info;
}"""
ASK = """async (code) => {
  const panel = window.jupyterapp.shell.currentWidget;
  const future = panel.sessionContext.session.kernel.requestExecute(
    { code: '', silent: true, store_history: false, user_expressions: { x: code } });
  const reply = await future.done;
  return reply.content.user_expressions.x;
}"""


class Notebook:
    """A notebook that is open in JupyterLab."""

    def __init__(self, lab: Any, seen: Any, name: str) -> None:
        self.seen, self.page, self.name, self.path = seen, seen.page, name, lab.folder / name
        self.page.set_default_timeout(120_000)
        self.page.goto(lab.url(name))
        self.page.wait_for_function("() => window.jupyterapp")
        self.page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        self.page.evaluate(READY, name)

    def run(self, *, wait: bool = True) -> None:
        self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
        if wait:
            self.wait("widgets_done")

    def wait(self, mark: str, seconds: int = 240) -> None:
        """Until the last cell of the notebook printed ``mark``."""
        self.page.wait_for_function(
            "(mark) => [...document.querySelectorAll('.jp-OutputArea-output')].some((o) => o.innerText.trim() == mark)",
            arg=mark,
            timeout=1000 * seconds,
        )

    def ask(self, expression: str) -> Any:
        """What a Python expression is in the kernel."""
        answer = self.page.evaluate(ASK, f"__import__('json').dumps({expression})")
        assert answer["status"] == "ok", answer
        return json.loads(eval(answer["data"]["text/plain"]))

    def save(self) -> Any:
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        time.sleep(1)
        return nbformat.read(self.path, as_version=4)


def write(folder: Path, name: str, cells: tuple[str, ...]) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in cells])
    notebook.metadata["kernelspec"] = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    nbformat.write(notebook, folder / name)


@pytest.fixture(scope="module")
def opened(lab: Any, chromium: Any) -> Iterator[Notebook]:
    from tests.browser.conftest import Watched

    write(lab.folder, "widgets.ipynb", (*CELLS, "print('widgets_done')"))
    context = chromium.new_context(viewport={"width": 1366, "height": 768})
    seen = Watched(context.new_page())
    seen.page.on("console", lambda message: seen.keep(message.type, message.text))
    seen.page.on("pageerror", lambda error: seen.keep("error", str(error)))
    notebook = Notebook(lab, seen, "widgets.ipynb")
    notebook.run()
    yield notebook
    context.close()


def cell_of(notebook: Notebook, title: str) -> Any:
    found = notebook.page.locator(f'.dl[aria-label="{title}"]')
    found.scroll_into_view_if_needed()
    return found


def picture_box(widget: Any, panel: str) -> dict[str, float]:
    surface = widget.locator(f"[data-panel={panel}] .dl-surface")
    surface.scroll_into_view_if_needed()
    box = surface.bounding_box()
    assert box is not None
    return box


def test_the_explorer_answers_clicks_keys_and_python(opened: Notebook) -> None:
    widget = cell_of(opened, "Feature affinity explorer")
    box = picture_box(widget, "picture")
    opened.page.mouse.click(box["x"] + box["width"] * 4.5 / 30, box["y"] + box["height"] * 20.5 / 23)
    opened.page.wait_for_timeout(300)
    assert opened.ask("explorer.value") == [20, 4]
    cells_before = opened.page.locator(".jp-Cell.jp-mod-active").count()
    opened.page.keyboard.press("ArrowUp")
    opened.page.keyboard.press("ArrowRight")
    opened.page.wait_for_timeout(300)
    assert opened.ask("explorer.value") == [19, 5]
    assert opened.page.locator(".jp-Cell.jp-mod-active").count() == cells_before
    wanted = opened.ask(
        "float((__import__('dsrl_lab.affinity').affinity.affinity_matrix(explorer.task_features[explorer.state['source']][None])[0]"
        " - __import__('dsrl_lab.affinity').affinity.affinity_matrix(explorer.sisr_features[None])[0])"
        "[19 * 30 + 5].abs().mean())"
    )
    assert float(widget.get_attribute("data-loss")) == pytest.approx(wanted, abs=2e-3)
    before = widget.locator("[data-panel=seg] canvas").first.evaluate("c => c.toDataURL()")
    opened.ask("setattr(explorer, 'value', (0, 12))")
    opened.page.wait_for_timeout(300)
    assert widget.locator("[data-panel=seg] canvas").first.evaluate("c => c.toDataURL()") != before
    opened.page.keyboard.press("p")
    opened.page.wait_for_timeout(300)
    assert opened.ask("explorer.state['pins']") == [[0, 12]]


def strike_everywhere(notebook: Notebook, widget: Any) -> None:
    """Click on every place of a widget, strike JupyterLab's own keys, and hold its cells against what they were."""
    page = notebook.page
    spots = widget.locator("[data-panel], .dl-scale, p:visible, h3:visible, td, caption, .dl-legend, .dl-guide, button")
    assert spots.count() > 8
    page.locator(".jp-Cell").first.evaluate("cell => cell.scrollIntoView()")
    widget.scroll_into_view_if_needed()
    spots.first.click()
    before = page.evaluate(CELLS_THERE)
    for spot in spots.all():
        if not spot.is_visible():
            continue
        spot.scroll_into_view_if_needed()
        box = spot.bounding_box()
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        for key in ("d", "d", "ArrowDown", "ArrowUp", "j", "k", "b", "x", "Enter"):
            page.keyboard.press(key)
        name = spot.evaluate("element => element.outerHTML.slice(0, 90)")
        assert page.evaluate("document.activeElement.closest('.dl') !== null"), name
        assert page.evaluate(CELLS_THERE) == before, name
    page.keyboard.press("Escape")
    page.keyboard.press("b")
    assert page.evaluate(CELLS_THERE) == [before[0] + 1, before[1] + 1], "Escape gives the keys back: b adds a cell"
    page.keyboard.press("d")
    page.keyboard.press("d")
    page.keyboard.press("ArrowUp")
    assert page.evaluate(CELLS_THERE)[0] == before[0]


@pytest.mark.parametrize("title", ["Feature affinity explorer", "Super-resolution compare", "Segmentation compare"])
def test_a_click_anywhere_takes_the_keys_and_escape_gives_them_back(opened: Notebook, title: str) -> None:
    strike_everywhere(opened, cell_of(opened, title))


@pytest.mark.parametrize("title", ["Feature affinity explorer", "Super-resolution compare", "Segmentation compare"])
def test_a_widget_fits_in_the_notebook(opened: Notebook, title: str) -> None:
    widget = cell_of(opened, title)
    assert widget.bounding_box()["height"] <= 560
    assert widget.evaluate("w => { const o = w.closest('.jp-OutputArea'); return o.scrollWidth - o.clientWidth; }") <= 0


def test_the_lens_and_the_divider_are_dragged(opened: Notebook) -> None:
    widget = cell_of(opened, "Super-resolution compare")
    box = picture_box(widget, "stage")
    mouse = opened.page.mouse
    mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 10)
    mouse.down()
    mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 10, steps=4)
    mouse.up()
    mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.5)
    mouse.down()
    mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] * 0.6, steps=4)
    mouse.up()
    opened.page.keyboard.press("-")
    opened.page.wait_for_timeout(300)
    assert opened.ask("compare.state['divider']") == pytest.approx(0.25, abs=0.02)
    top, left, rows, columns = opened.ask("compare.value")
    assert left > 80
    assert rows > 19
    assert widget.locator(".dl-guide p").all_text_contents() == [
        "Touch: drag the lens", "Look for: errors", "Ask yourself: where do they lie?"
    ]  # fmt: skip
    crop = f"{top}:{top + rows}, {left}:{left + columns}"
    for name in ("nearest", "bicubic"):
        shown = widget.locator(f'[data-scores="{name}"]')
        image = f"next(m.image for m in compare.reconstructions if m.name == '{name}')"
        for score in ("psnr", "ssim"):
            pair = f"{image}[None, :, {crop}], compare.high_res[None, :, {crop}]"
            wanted = opened.ask(f"float(__import__('dsrl_lab.metrics').metrics.{score}({pair}))")
            assert float(shown.get_attribute(f"data-{score}")) == pytest.approx(wanted, abs=1e-4), (name, score)


def test_a_class_is_named_and_lit(opened: Notebook) -> None:
    widget = cell_of(opened, "Segmentation compare")
    box = picture_box(widget, "truth")
    opened.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 2)
    name = opened.ask("CAMVID.names[int(sample.mask[95, 64])]")
    assert f"Truth: {name}" in widget.locator("[data-value=pixel]").text_content()
    assert name in widget.locator("tr.dl-lit").text_content()
    before = widget.locator("[data-panel=truth] canvas").evaluate("c => c.toDataURL()")
    widget.get_by_role("button", name="road").click()
    opened.page.wait_for_timeout(300)
    assert opened.ask("masks.state['class']") == opened.ask("CAMVID.index('road')")
    assert widget.locator("[data-panel=truth] canvas").evaluate("c => c.toDataURL()") != before


def test_wrong_features_show_a_message_in_place_of_the_widget(opened: Notebook) -> None:
    alerts = opened.page.locator('.jp-OutputArea div[role="alert"]:has-text("No widget here")')
    messages = alerts.all_text_contents()
    assert len(messages) == 3
    for message, text in zip(
        ("hold NaN or infinity", "have one channel", "expected the grid (6, 8)"), messages, strict=True
    ):
        assert message in text
    alerts.first.scroll_into_view_if_needed()
    opened.seen.shot("lab_refused")


@pytest.mark.parametrize("colors", ["Light", "Dark"])
def test_no_serious_finding_of_axe_in_either_theme(opened: Notebook, colors: str) -> None:
    opened.page.evaluate(
        "(theme) => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", f"JupyterLab {colors}"
    )
    opened.page.wait_for_function(
        "(light) => document.body.dataset.jpThemeLight === light", arg=str(colors == "Light").lower()
    )
    opened.page.wait_for_timeout(1500)
    for number, title in enumerate(("Feature affinity explorer", "Super-resolution compare", "Segmentation compare")):
        cell_of(opened, title)
        opened.page.wait_for_timeout(300)
        opened.seen.shot(f"lab_{number}_{colors.lower()}", of=f'.dl[aria-label="{title}"]')
    found = Axe().run(opened.page, context=".dl").response["violations"]
    serious = [f"{v['id']}: {v['nodes'][0]['html']}" for v in found if v["impact"] in ("serious", "critical")]
    assert serious == []


def test_an_error_in_a_callback_is_shown(opened: Notebook) -> None:
    opened.ask("explorer.on_change(lambda state: 1 / 0)")
    widget = cell_of(opened, "Feature affinity explorer")
    widget.locator("[data-panel=picture] .dl-surface").focus()
    opened.page.keyboard.press("ArrowDown")
    opened.page.wait_for_timeout(500)
    assert "ZeroDivisionError" in widget.get_by_role("alert").text_content()


def test_the_console_stayed_empty(opened: Notebook) -> None:
    assert opened.seen.errors == []


def test_saved_and_opened_again_it_is_a_picture_and_no_error(opened: Notebook, lab: Any, open_page: Any) -> None:
    opened.page.evaluate("() => window.jupyterapp.commands.execute('notebook:shutdown-kernel')")
    opened.save()
    again = open_page()
    notebook = Notebook(lab, again, "widgets.ipynb")
    notebook.page.wait_for_timeout(3000)
    assert notebook.page.locator(".jp-OutputArea img:visible").count() == 3
    shown = notebook.page.locator(".jp-Notebook").inner_text()
    for word in ("model not found", "Error displaying", "Loading widget"):
        assert word not in shown
    again.shot("lab_saved_and_opened_again")

    copy = nbformat.read(notebook.path, as_version=4)
    copy.metadata["copied"] = True  # no longer what was signed: nothing in it is trusted
    nbformat.write(copy, lab.folder / "copy.ipynb")
    again = open_page()
    notebook = Notebook(lab, again, "copy.ipynb")
    notebook.page.wait_for_timeout(3000)
    assert notebook.page.locator(".jp-OutputArea img:visible").count() == 3
    shown = notebook.page.locator(".jp-Notebook").inner_text()
    assert [word for word in ("object at", "Widget", "Explorer(", "not found") if word in shown] == []
    again.shot("lab_untrusted_copy")


def test_widgets_are_arranged_linked_and_interacted_with(lab: Any, open_page: Any) -> None:
    write(lab.folder, "together.ipynb", (TOGETHER, "print('widgets_done')"))
    seen = open_page(viewport={"width": 1366, "height": 768})
    notebook = Notebook(lab, seen, "together.ipynb")
    notebook.run()
    widgets = notebook.page.locator(".dl")
    assert widgets.count() == 3, "two side by side, and one of them again above interact's output"
    boxes = [widgets.nth(i).bounding_box() for i in range(2)]
    assert boxes[0]["y"] == boxes[1]["y"]
    assert min(box["width"] for box in boxes) > 350
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
    widgets.first.locator("[data-panel=sr] .dl-surface").click(position={"x": 2, "y": 2})
    notebook.page.wait_for_timeout(500)
    assert notebook.ask("[other.value, seen[-1]]") == [[0, 0], [0, 0]]
    assert "row 0, column 0" in widgets.nth(1).inner_text()
    seen.shot("lab_together")
    assert seen.errors == []


def test_training_is_stopped_from_the_browser_while_its_cell_runs(lab: Any, open_page: Any) -> None:
    write(lab.folder, "monitor.ipynb", (MONITORED, "print('widgets_done')"))
    seen = open_page()
    notebook = Notebook(lab, seen, "monitor.ipynb")
    notebook.run(wait=False)
    widget = notebook.page.locator('.dl[aria-label="Training monitor"]')
    widget.locator("[data-term=loss] polyline").wait_for()
    notebook.page.wait_for_timeout(1500)
    seen.shot("lab_monitor", of='.dl[aria-label="Training monitor"]')
    found = Axe().run(notebook.page, context=".dl").response["violations"]
    assert [f"{v['id']}: {v['nodes'][0]['html']}" for v in found if v["impact"] in ("serious", "critical")] == []
    widget.locator("progress").click()
    before = notebook.page.evaluate(CELLS_THERE)
    for spot in widget.locator("[data-term], .dl-bar span, progress").all():
        spot.click()
        notebook.page.keyboard.press("d")
        notebook.page.keyboard.press("d")
    widget.get_by_role("button").click()
    notebook.page.keyboard.press("d")
    notebook.page.keyboard.press("d")
    assert notebook.page.evaluate(CELLS_THERE) == before
    notebook.wait("widgets_done", seconds=60)
    assert notebook.ask("[monitor.stopped, kept.read_text(), len(monitor.records) < 300]") == [True, "checkpoint", True]
    assert widget.get_attribute("data-status") == "stopped"
    assert seen.errors == []
