"""The notebooks' own widgets in a real JupyterLab: built, run as far as the widget, touched, saved, opened again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe

from dsrl_lab.course.build_notebooks import built_path
from tests.browser.test_jupyterlab import Notebook, cell_of, picture_box

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]
BUILT = Path(__file__).resolve().parents[2] / "notebooks"
ERRORS = ("model not found", "Error displaying", "Loading widget", "Traceback")
FOUND = "[x for x in (*Out.values(), *globals().values()) if type(x).__name__ == '{name}'][-1].state"


@dataclass(frozen=True)
class Case:
    """A notebook with a widget.

    Attributes:
        stem: of the notebook.
        call: the function that its widget's cell calls.
        title: of the widget.
        kind: its class.
        needed: which of the code cells before it the widget needs, by a piece of each; empty: all.
        language: of the notebook.
    """

    stem: str
    call: str
    title: str
    kind: str
    needed: tuple[str, ...] = ()
    language: str = "en"

    @property
    def built(self) -> Path:
        """The notebook; a test of one that is not built yet is skipped."""
        path = built_path(BUILT / "src" / self.stem, self.language).with_name(f"{self.stem}.ipynb")
        if not path.is_file():
            pytest.skip(f"not built yet: dsrl-lab notebooks build --language {self.language} {self.stem[:2]}")
        return path

    def code(self) -> list[str]:
        """Code cells up to the widget's, those that only take time left out."""
        cells = [cell.source for cell in nbformat.read(self.built, 4).cells if cell.cell_type == "code"]
        last = next(i for i, code in enumerate(cells) if f"{self.call}(\n" in code)
        before = cells[:last]
        if self.needed:
            before = [code for code in before if any(piece in code for piece in ("start()", "import ", *self.needed))]
        chosen = f"import os\n\nos.environ['DSRL_LAB_LANGUAGE'] = '{self.language}'"
        return [chosen, *before, cells[last]]


CASES = (
    Case("06_feature_affinity", "affinity_explorer", "Feature affinity explorer", "AffinityExplorer",
         ("GRID =", "KINDS =", "def pair_auc")),
    Case("02_sisr_four_ways", "super_resolution_compare", "Super-resolution compare", "SuperResolutionCompare"),
    Case("05_sssr_head", "segmentation_compare", "Segmentation compare", "SegmentationCompare",
         ("KEPT =", "host, _ = load_task_model")),
    Case("07_dsrl_training", "training_monitor", "Training monitor", "TrainingMonitor",
         ("HOST_ROWS =", "train_set =")),
    Case("08_ablation", "segmentation_compare", "Segmentation compare", "SegmentationCompare"),
    Case("06_feature_affinity", "affinity_explorer", "特征亲和浏览器", "AffinityExplorer",
         ("GRID =", "KINDS =", "def pair_auc"), "zh"),
    Case("05_sssr_head", "segmentation_compare", "分割对比", "SegmentationCompare",
         ("KEPT =", "host, _ = load_task_model"), "zh"),
)  # fmt: skip
IDS = [f"{case.stem}-{case.language}" for case in CASES]
ROAD = {"en": "road", "zh": "道路"}


def state(notebook: Notebook, case: Case) -> Any:
    return notebook.ask(FOUND.format(name=case.kind))


def touch(notebook: Notebook, case: Case, widget: Any) -> None:
    """Click, press and drag, and hold Python's state and the pixels against it."""
    mouse, keys = notebook.page.mouse, notebook.page.keyboard
    if case.kind == "TrainingMonitor":
        widget.get_by_role("button").click()
        notebook.wait("widgets_done", seconds=300)
        assert notebook.ask("(len(seen) < 30, (Path(kept_here.name) / 'latest.safetensors').is_file())") == [True, True]
        return
    panel = {"AffinityExplorer": "picture", "SuperResolutionCompare": "stage", "SegmentationCompare": "truth"}[
        case.kind
    ]
    box = picture_box(widget, panel)
    shown = "[data-panel=seg] canvas" if panel == "picture" else f"[data-panel={panel}] canvas"
    before = widget.locator(shown if panel != "stage" else "[data-crop] >> nth=1").first.evaluate("c => c.toDataURL()")
    old = state(notebook, case)
    mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.3 * box["height"])
    mouse.down()
    mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.2 * box["height"], steps=3)
    mouse.up()
    if panel == "truth":
        widget.get_by_role("button", name=ROAD[case.language]).click()
    else:
        widget.locator(f"[data-panel={panel}] .dl-surface").focus()
        keys.press("ArrowRight")
    notebook.page.wait_for_timeout(500)
    new, place = state(notebook, case), "lens" if panel == "stage" else "position"
    assert new[place] != old[place]
    after = widget.locator(shown if panel != "stage" else "[data-crop] >> nth=1").first.evaluate("c => c.toDataURL()")
    assert after != before


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_a_built_notebook_opens_with_a_picture_and_no_error(case: Case, lab: Any, open_page: Any) -> None:
    name = f"built_{case.stem}_{case.language}.ipynb"
    (lab.folder / name).write_bytes(case.built.read_bytes())
    seen = open_page()
    notebook = Notebook(lab, seen, name)
    picture = notebook.page.locator(".jp-OutputArea img").first
    notebook.page.mouse.move(700, 450)
    for _ in range(60):  # JupyterLab draws the cells that are in sight
        if picture.is_visible():
            break
        notebook.page.mouse.wheel(0, 600)
        notebook.page.wait_for_timeout(250)
    assert picture.is_visible()
    shown = notebook.page.locator(".jp-Notebook").inner_text()
    assert [word for word in ERRORS if word in shown] == []
    assert seen.errors == []


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_run_touched_saved_and_opened_again(case: Case, lab: Any, open_page: Any) -> None:
    name = f"run_{case.stem}_{case.language}.ipynb"
    cells = [nbformat.v4.new_code_cell(code) for code in (*case.code(), "print('widgets_done')")]
    notebook_file = nbformat.v4.new_notebook(cells=cells)
    notebook_file.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    nbformat.write(notebook_file, lab.folder / name)
    seen = open_page()
    notebook = Notebook(lab, seen, name)
    notebook.run(wait=False)
    notebook.page.locator(f'.dl[aria-label="{case.title}"]').wait_for(timeout=900_000)
    widget = cell_of(notebook, case.title)
    if case.kind == "TrainingMonitor":
        widget.locator("[data-term=loss] polyline").wait_for(timeout=300_000)
    else:
        notebook.wait("widgets_done", seconds=900)
    found = Axe().run(notebook.page, context=".dl").response["violations"]
    assert [f"{v['id']}: {v['nodes'][0]['html']}" for v in found if v["impact"] in ("serious", "critical")] == []
    touch(notebook, case, widget)
    seen.shot(f"notebook_{case.stem}_{case.language}")
    assert seen.errors == []
    notebook.page.evaluate("() => window.jupyterapp.commands.execute('notebook:shutdown-kernel')")
    notebook.save()

    again = open_page()
    notebook = Notebook(lab, again, name)
    notebook.page.wait_for_timeout(3000)
    assert notebook.page.locator(".jp-OutputArea img:visible").count() >= 1
    shown = notebook.page.locator(".jp-Notebook").inner_text()
    assert [word for word in ERRORS if word in shown] == []
    again.shot(f"notebook_{case.stem}_{case.language}_opened_again")
