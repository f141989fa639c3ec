"""``dsrl-lab export-widget``: one page with all in it, small enough to send."""

from __future__ import annotations

import re
from pathlib import Path

from typer.testing import CliRunner

from dsrl_lab import cli

RUNNER = CliRunner()


def test_a_page_is_written_that_fetches_nothing_and_is_small(tmp_path: Path) -> None:
    out = tmp_path / "pages" / "affinity.html"
    result = RUNNER.invoke(cli.app, ["export-widget", "affinity", "--out", str(out)])
    assert result.exit_code == 0, result.output + repr(result.exception)
    page = out.read_text(encoding="utf-8")
    assert len(page.encode()) < 3e6
    assert "http://" not in page and "https://" not in page
    assert not re.search(r"""(src|href)=["'](?!data:)|@import|import\s*\(""", page)
    assert '"sources": ["DSRL", "DSRL before the transform", "baseline"]' in page
    assert f"{len(page.encode()) / 1e6:.2f} MB" in result.output.replace("\n", "")


def test_an_unknown_widget_and_a_missing_checkpoint_are_named(tmp_path: Path) -> None:
    result = RUNNER.invoke(cli.app, ["export-widget", "lens", "--out", str(tmp_path / "page.html")])
    assert "unknown widget 'lens'; choose one of affinity" in str(result.exception)
    missing = ["export-widget", "affinity", "--checkpoint", str(tmp_path / "none.safetensors")]
    result = RUNNER.invoke(cli.app, [*missing, "--out", str(tmp_path / "page.html")])
    assert "expected a network at" in str(result.exception)
    assert list(tmp_path.iterdir()) == []
