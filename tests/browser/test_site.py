"""The site that ``make site`` builds, served on loopback: whatever it asks for elsewhere is refused and noted."""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag

import numpy as np
import pytest
import torch
from PIL import Image

from dsrl_lab.affinity import affinity_matrix
from dsrl_lab.complexity import complexity
from dsrl_lab.datasets.transforms import reduce_image
from dsrl_lab.training.build import load_task_model
from dsrl_lab.widgets.examples import BASELINE, CHECKPOINT

from .conftest import REPOSITORY

pytestmark = pytest.mark.browser
SOURCES, BUILT = REPOSITORY / "site", REPOSITORY / "build" / "site"
AXE = SOURCES / "node_modules" / "axe-core" / "axe.min.js"
READY = "() => globalThis.lastRun && !document.querySelector('[aria-busy]')"
PROBLEM = "[data-part=problem]"


@dataclass
class Served:
    """The site at an address of this machine; ``strange`` holds requests for any other."""

    address: str
    open_page: Any = None
    strange: list[str] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)

    def open(self, page: str, **options: Any) -> Any:
        """Open a page with the network off but for this server; ``sizes`` then holds what it loaded, in bytes."""
        seen = self.open_page(**options)
        self.sizes.clear()

        def answer(route: Any) -> None:
            if not route.request.url.startswith(self.address):
                self.strange.append(route.request.url)
                return route.abort()
            return route.continue_()

        def count(response: Any) -> None:
            self.sizes[response.url] = int(response.headers.get("content-length", 0))

        seen.page.route(re.compile("^(?!data:|blob:)"), answer)
        seen.page.on("response", count)
        seen.page.goto(f"{self.address}/{page}", wait_until="load")
        return seen

    def open_try(self, page: str = "try.html", **options: Any) -> Any:
        """Open the page with the networks, and wait until they have seen the drawn street."""
        seen = self.open(page, **options)
        seen.page.wait_for_function(READY)
        return seen


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def built() -> Iterator[str]:
    """The site as it is built now, and where it is served."""
    if shutil.which("node") is None or not AXE.is_file():
        pytest.skip("Node.js or the site's npm packages are not there; with Node.js and npm: npm ci --prefix site")
    subprocess.run([sys.executable, str(SOURCES / "build.py")], check=True, cwd=REPOSITORY)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(BUILT)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@pytest.fixture
def site(built: str, open_page: Any) -> Iterator[Served]:
    served = Served(built, open_page)
    yield served
    assert served.strange == []


def last_logits(seen: Any, name: str) -> torch.Tensor:
    """The logits of the page's last run."""
    values = seen.page.evaluate(
        "name => { const { data, dims } = lastRun.outputs[name].logits; return [Array.from(data), Array.from(dims)]; }",
        name,
    )
    return torch.tensor(values[0]).reshape(values[1])


def a_picture(folder: Path, height: int, width: int) -> tuple[Path, torch.Tensor]:
    """A picture of soft colours as a PNG file and as a tensor (3, H, W)."""
    soft = torch.nn.functional.interpolate(torch.rand(1, 3, 5, 7), (height, width), mode="bicubic")[0].clamp(0, 1)
    pixels = (soft * 255).round().to(torch.uint8)
    path = folder / "mine.png"
    Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(path)
    return path, pixels / 255


def test_own_picture_gives_pytorchs_logits_and_true_macs(site: Served, tmp_path: Path) -> None:
    seen = site.open_try()
    assert sum(site.sizes.values()) < 20e6, site.sizes
    street = np.asarray(Image.open(BUILT / "assets" / "street.png").convert("RGB"))
    path, mine = a_picture(tmp_path, 250, 150)
    pictures = [(torch.from_numpy(street.copy()).permute(2, 0, 1) / 255, (96, 128)), (mine, (64, 40))]
    for image, size in pictures:
        if size == (64, 40):
            seen.page.get_by_label("Choose a picture").set_input_files(path)
            seen.page.get_by_label("Input size").focus()
            seen.page.keyboard.press("Home")
            seen.page.wait_for_function(f"() => lastRun.image.dims.join() === '1,3,{size[0]},{size[1]}'")
            seen.page.wait_for_function(READY)
        small = reduce_image(image, size)[None]
        for name, checkpoint in (("baseline", BASELINE), ("dsrl", CHECKPOINT)):
            network, _ = load_task_model(checkpoint)
            with torch.no_grad():
                expected = network.eval()(small)
            assert float((last_logits(seen, name) - expected).abs().max()) < 1e-3, (name, size)
            shown = seen.page.locator(f"[data-part={name}-macs]").text_content()
            assert shown == f"{complexity(network, size).macs / 1e6:.1f}"
            assert float(seen.page.locator(f"[data-part={name}-time]").text_content()) > 0
    assert "64 × 40" in seen.page.locator("[role=status]").first.text_content()
    assert seen.messages == []


def test_the_explorer_shows_the_features_of_the_picture(site: Served) -> None:
    """The loss of the chosen row is that of ``affinity_matrix`` on the features the page computed."""
    seen = site.open_try()
    seen.page.locator("[data-panel=picture] .dl-surface").focus()
    seen.page.keyboard.press("ArrowRight")
    _, _, height, width = seen.page.evaluate("Array.from(lastRun.features.sisr.dims)")
    assert (height, width) == (24, 32)
    features = {
        name: torch.tensor(values).reshape(1, -1, height, width)
        for name, values in seen.page.evaluate(
            "Object.fromEntries(['dsrl', 'baseline', 'sisr'].map((n) => [n, Array.from(lastRun.features[n].data)]))"
        ).items()
    }
    row = height // 2 * width + width // 2 + 1
    matrices = {name: affinity_matrix(values)[0, row] for name, values in features.items()}
    for source, name in (("baseline", "baseline"), ("DSRL", "dsrl")):
        seen.page.get_by_label("Segmentation features", exact=True).select_option(source)
        found = float(seen.page.locator(".dl").get_attribute("data-loss"))
        assert found == pytest.approx(float((matrices[name] - matrices["sisr"]).abs().mean()), abs=1e-3)
    seen.shot("site_try")


def test_the_chinese_page_speaks_chinese_throughout(site: Served) -> None:
    seen = site.open_try("zh/try.html")
    assert seen.page.locator("[data-part=legend] th").first.text_content() == "天空"
    explorer = seen.page.locator("[data-part=explorer] .dl")
    assert explorer.get_attribute("lang") == "zh"
    words = set(re.findall(r"[A-Za-z]{3,}", explorer.inner_text())) - {"Sseg", "Ssr", "DSRL"}
    assert words == {"Shift", "Esc"}  # keys
    seen.shot("site_zh_try")


def test_a_drop_is_taken_and_what_is_no_picture_is_refused(site: Served, tmp_path: Path) -> None:
    seen = site.open_try()
    before = seen.page.locator("[data-part=dsrl]").evaluate("canvas => canvas.toDataURL()")
    words = tmp_path / "words.txt"
    words.write_text("no picture", encoding="utf-8")
    seen.page.get_by_label("Choose a picture").set_input_files(words)
    seen.page.locator(PROBLEM).wait_for(state="visible")
    assert seen.page.locator(PROBLEM).text_content().startswith("This browser cannot read words.txt as a picture.")
    assert seen.page.locator("[data-part=dsrl]").evaluate("canvas => canvas.toDataURL()") == before
    seen.page.evaluate(
        """async () => {
          const canvas = new OffscreenCanvas(120, 80);
          canvas.getContext('2d').fillRect(0, 0, 60, 80);
          const transfer = new DataTransfer();
          transfer.items.add(new File([await canvas.convertToBlob()], 'dropped.png', { type: 'image/png' }));
          document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true }));
        }"""
    )
    seen.page.wait_for_function("() => lastRun.image.dims.join() === '1,3,88,128'")
    seen.page.wait_for_function(READY)
    assert not seen.page.locator(PROBLEM).is_visible()
    assert seen.page.locator("[data-part=dsrl]").evaluate("canvas => [canvas.height, canvas.width]") == [80, 120]


def test_a_network_that_is_missing_is_named(site: Served) -> None:
    seen = site.open_page()
    seen.page.route("**/dsrl.onnx", lambda route: route.fulfill(status=404))
    seen.page.goto(f"{site.address}/try.html")
    seen.page.locator(PROBLEM).wait_for(state="visible")
    assert "dsrl.onnx could not be loaded (status 404)" in seen.page.locator(PROBLEM).text_content()


def pages(*patterns: str) -> list[Path]:
    return sorted(page for pattern in patterns for page in BUILT.glob(pattern))


def test_every_page_is_accessible_and_fits_a_phone(site: Served) -> None:
    """In the dark at 360 pixels: the page does not scroll sideways, and axe finds nothing."""
    found: dict[str, Any] = {}
    phone = {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark", "bypass_csp": True}
    for path in pages(
        "*.html",
        "zh/*.html",
        "widgets/*.html",
        "zh/widgets/*.html",
        "notebooks/0[08]*.html",
        "files/dsrl_lab/dsrl.py.html",
    ):
        name = path.relative_to(BUILT).as_posix()
        seen = (site.open_try if path.name == "try.html" else site.open)(name, **phone)
        seen.page.evaluate(AXE.read_text(encoding="utf-8"))
        wrong = [f"{v['id']}: {v['nodes'][0]['html'][:120]}" for v in seen.page.evaluate("axe.run()")["violations"]]
        width = seen.page.evaluate("document.documentElement.scrollWidth")
        found |= {name: (wrong, width, seen.messages)} if wrong or width > 360 or seen.messages else {}
        seen.shot(f"site_{name.replace('/', '_').removesuffix('.html')}_phone")
        seen.page.context.close()
    assert found == {}


def test_pages_are_accessible_in_the_light(site: Served) -> None:
    for name in ("index.html", "try.html", "results.html"):
        seen = (site.open_try if name == "try.html" else site.open)(name, bypass_csp=True)
        seen.page.evaluate(AXE.read_text(encoding="utf-8"))
        assert [v["id"] for v in seen.page.evaluate("axe.run()")["violations"]] == [], name
        seen.shot(f"site_{name.replace('/', '_').removesuffix('.html')}")


def test_the_start_page_is_light(site: Served) -> None:
    seen = site.open("index.html")
    assert 0 < sum(site.sizes.values()) < 3e6
    assert seen.page.locator("main img").count() >= 2
    seen.page.get_by_role("link", name="简体中文").click()
    assert seen.page.locator("html").get_attribute("lang") == "zh-CN"


def test_a_table_sorts_by_the_head_that_is_pressed(site: Served) -> None:
    seen = site.open("results.html")
    table = seen.page.locator("table.sortable").nth(3)
    head = table.get_by_role("columnheader").nth(2)

    def column() -> list[float]:
        cells = table.locator("tbody tr td:nth-child(3)").all_text_contents()
        return [float(re.match(r"[-+\d.]+", cell)[0]) for cell in cells]

    before = column()
    for key, order in (("descending", True), ("ascending", False)):
        head.get_by_role("button").press("Enter")
        assert head.get_attribute("aria-sort") == key
        assert column() == sorted(before, reverse=order)


def test_every_link_inside_the_site_leads_somewhere(built: str) -> None:
    missing, count = set(), 0
    for page in BUILT.rglob("*.html"):
        for target in re.findall(r'(?:href|src)="([^"]+)"', page.read_text(encoding="utf-8")):
            if not re.match(r"(https?|data|mailto):|#", target):
                count += 1
                place = (page.parent / unquote(urldefrag(target)[0])).resolve()
                if not (place.is_file() or (place / "index.html").is_file()):
                    missing.add((page.relative_to(BUILT).as_posix(), target))
    assert missing == set() and count > 1000


def test_every_figure_and_table_names_its_records_and_command(built: str) -> None:
    figures = (BUILT / "figures.html").read_text(encoding="utf-8")
    manifest = json.loads((REPOSITORY / "figures" / "manifest.json").read_text(encoding="utf-8"))["figures"]
    for name, entry in manifest.items():
        assert f"<code>dsrl-lab figures {name}</code>" in figures
        for record in entry["inputs"]:
            if record.endswith(".jsonl"):
                assert f'href="files/data/runs/{record}.html"' in figures, (name, record)
    results = (BUILT / "results.html").read_text(encoding="utf-8")
    parts = re.split(r"<table class=sortable>", results)[1:]
    bare = [part[:200] for part in parts if "provenance" not in part and "data/runs" not in part]
    assert len(parts) >= 15 and bare == []
    assert "<code>dsrl-lab train camvid_espnetv2_90x120_baseline --seed 0 --data FOLDER</code>" in results


def test_chinese_pages_are_there_for_chinese_texts(built: str) -> None:
    for text in (REPOSITORY / "docs").glob("*.zh-CN.md"):
        title = text.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        assert any(title in page.read_text(encoding="utf-8") for page in (BUILT / "zh").glob("*.html")), text.name
    for notebook in (REPOSITORY / "notebooks" / "zh").glob("*.ipynb"):
        assert (BUILT / "zh" / "notebooks" / f"{notebook.stem}.html").is_file()
