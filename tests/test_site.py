"""What builds the site, without a browser: its links, its commands, its texts and its networks."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from dsrl_lab import recipes

KNOWN = ("train-sisr", "affinity-study", "reproduce", "bench", "notebooks")
ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "site"


@pytest.fixture
def builder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """Import a file of the builder, which is no package."""
    monkeypatch.syspath_prepend(str(SOURCES))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(SOURCES)):
            del sys.modules[name]


def test_links_lead_to_pages_files_and_addresses(builder: Any, tmp_path: Path) -> None:
    link = builder("frame").Site(tmp_path).link("zh/questions.html", "docs/QUESTIONS.zh-CN.md")
    assert link("../notebooks/06_feature_affinity.ipynb#p") == "../notebooks/06_feature_affinity.html#p"
    assert link("../README.zh-CN.md") == "readme.html"
    assert link("../dsrl_lab/dsrl.py") == "../files/dsrl_lab/dsrl.py.html"
    assert link("../figures/overview.png") == "../figures/overview.png"
    assert link("https://pytorch.org/") == "https://pytorch.org/" and link("#here") == "#here"
    with pytest.raises(ValueError, match=r"links to docs/nowhere\.md, which is not in the repository; correct"):
        link("nowhere.md")


def test_every_record_has_a_command_that_the_kit_knows(builder: Any) -> None:
    command_of = builder("provenance").command_of
    records = sorted((ROOT / "data" / "runs").rglob("*.jsonl"))
    assert len(records) > 100
    for record in records:
        program, *words = command_of(record).split()
        if words[0] == "train":
            assert recipes.find_recipe(words[1]) is not None and words[2] == "--seed"
        else:
            assert program == "pytest" or words[0] in KNOWN, record


def test_both_languages_have_the_same_texts(builder: Any) -> None:
    english, chinese = builder("frame").LANGUAGES.values()
    for part in (None, "widget", "messages"):
        one, other = (texts[part] if part else texts for texts in (english, chinese))
        assert list(one) == list(other)
    assert all(any("\u4e00" <= letter <= "\u9fff" for letter in text) for text in chinese["widget"].values())


def test_a_formula_that_katex_cannot_read_is_named(builder: Any) -> None:
    if shutil.which("node") is None or not (SOURCES / "node_modules" / "katex").is_dir():
        pytest.skip("Node.js or the site's npm packages are not there; npm ci --prefix site")
    formula = builder("rendering").formula
    assert formula("x^2", False).startswith('<span class="katex"><math')
    with pytest.raises(ValueError, match=r"KaTeX does not read the formula '\\\\nonsense'"):
        formula(r"\nonsense", False)


def test_an_exported_network_that_differs_from_pytorchs_is_refused(
    builder: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    networks = builder("networks")

    class Zeros:
        def __init__(self, path: Path, **options: Any) -> None:
            pass

        def run(self, names: None, feeds: dict[str, Any]) -> list[Any]:
            return [np.zeros_like(feeds["image"])]

    monkeypatch.setattr(networks, "write_onnx", lambda *args, **kwargs: None)
    monkeypatch.setattr(networks, "onnxruntime", SimpleNamespace(InferenceSession=Zeros))
    with pytest.raises(ValueError, match=r"other\.onnx: logits differs from PyTorch's by .* at \(48, 64\)"):
        networks._export(nn.Identity(), tmp_path / "other.onnx", ("logits",))


def test_features_of_the_site_are_those_that_feature_affinity_compares(builder: Any) -> None:
    networks = builder("networks")
    baseline, dsrl = networks.load()
    image = torch.rand(1, 3, 48, 64)
    with torch.no_grad():
        made = dict(zip(networks.FEATURES, networks.Features(dsrl, baseline)(image), strict=True))
        task, sisr = dsrl.compared_features(image)
    assert torch.equal(made["dsrl"], task) and torch.equal(made["sisr"], sisr)
    assert made["dsrl"].shape == made["baseline"].shape == (1, 24, 12, 16)
