"""What notebooks show of the kit's figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dsrl_lab.course import notebook


def test_a_figure_has_its_records_and_its_command_below_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = {"streets/a_seed0.jsonl": "", "streets/a_seed1.jsonl": "", "../checkpoints/streets/a.safetensors": ""}
    figures = {"drawn": {"files": {}, "inputs": inputs, "comparisons": []}}
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "manifest.json").write_text(json.dumps({"figures": figures, "skipped": {}}))
    for name in ("drawn", "by_itself"):
        Image.new("RGB", (4, 4)).save(tmp_path / "figures" / f"{name}.png")
    shown: list[Any] = []
    monkeypatch.setattr(notebook, "display", lambda one: shown.append(one.data))
    for name in ("drawn", "by_itself", "not_drawn"):
        notebook.Lab(tmp_path).figure(name, alt="a square")
    assert [text[:4] for text in shown] == ["<img", "<p><", "<img", "<p><", "<p>F"]
    assert "dsrl-lab figures drawn</code> from 3 files: data/runs, streets." in shown[1]
    assert "dsrl-lab figures by_itself</code> without records." in shown[3]
    assert "dsrl-lab figures not_drawn" in shown[4]
