"""``dsrl-lab export-widget``: one page with all in it, small enough to send."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dsrl_lab import cli

RUNNER = CliRunner()


TITLES = {
    "affinity": "Feature affinity explorer",
    "segmentation": "Segmentation compare",
    "super-resolution": "Super-resolution compare",
    "training": "Training monitor",
}


@pytest.mark.parametrize("name", list(TITLES))
def test_a_page_is_written_that_fetches_nothing_and_is_small(name: str, tmp_path: Path) -> None:
    out = tmp_path / "pages" / "page.html"
    result = RUNNER.invoke(cli.app, ["export-widget", name, "--out", str(out)])
    assert result.exit_code == 0, result.output + repr(result.exception)
    page = out.read_text(encoding="utf-8")
    assert len(page.encode()) < 3e6
    assert list(out.parent.iterdir()) == [out]
    page = page.replace("http://www.w3.org/2000/svg", "")  # a name, not an address that is asked
    assert "http://" not in page and "https://" not in page
    assert not re.search(r"""(src|href)=["'](?!data:)|@import|import\s*\(""", page)
    assert f"<title>{TITLES[name]}</title>" in page
    assert f"{out.stat().st_size / 1e6:.2f} MB" in result.output.replace("\n", "")


def test_the_pages_name_is_the_widgets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert RUNNER.invoke(cli.app, ["export-widget", "training"]).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["training.html"]


def test_an_unknown_widget_and_a_missing_checkpoint_are_named(tmp_path: Path) -> None:
    result = RUNNER.invoke(cli.app, ["export-widget", "lens", "--out", str(tmp_path / "page.html")])
    assert f"unknown widget 'lens'; choose one of {', '.join(TITLES)}" in str(result.exception)
    missing = ["export-widget", "affinity", "--checkpoint", str(tmp_path / "none.safetensors")]
    result = RUNNER.invoke(cli.app, [*missing, "--out", str(tmp_path / "page.html")])
    assert "no network at" in str(result.exception)
    result = RUNNER.invoke(cli.app, ["export-widget", "training", "--checkpoint", "some.safetensors"])
    assert "expected --checkpoint with affinity alone, got it with training" in str(result.exception)
    assert list(tmp_path.iterdir()) == []
