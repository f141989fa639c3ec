"""``dsrl-lab train-sisr``: the door onto the super-resolution recipes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from dsrl_lab import cli, recipes
from dsrl_lab.training import record

RUNNER = CliRunner()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """T91, Set5 and Set14 in the real layout: noise, which is enough to see the command work."""
    noise = torch.Generator().manual_seed(0)
    for folder, stems in (
        ("T91", [f"t{i}" for i in range(10)]),
        ("Set5", ["img_001_SRF_2_HR"]),
        ("Set14", ["img_001_SRF_2_HR"]),
    ):
        (tmp_path / folder).mkdir()
        for stem in stems:
            sides = {stem: 48} if folder == "T91" else {stem: 48, stem.replace("HR", "LR"): 24}
            for name, side in sides.items():
                pixels = torch.randint(256, (side, side, 3), generator=noise, dtype=torch.uint8).numpy()
                Image.fromarray(pixels).save(tmp_path / folder / f"{name}.png")
    return tmp_path


def test_it_trains_scores_and_keeps(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = recipes.find_super_resolution_recipe("super_resolution_espcn")
    short = dataclasses.replace(recipe.train, iterations=2, batch_size=2, input_size=(8, 8), precision="32-true")
    tiny = dataclasses.replace(recipe, train=short)
    monkeypatch.setattr(recipes, "find_super_resolution_recipe", lambda name: tiny)
    command = ["train-sisr", recipe.name, "--data", str(pictures), "--out", str(tmp_path / "run")]
    result = RUNNER.invoke(cli.app, [*command, "--keep", str(tmp_path / "data")])
    assert result.exit_code == 0, result.output + repr(result.exception)
    assert "Set5: PSNR" in result.output and "bicubic" in result.output
    lines = record.read(tmp_path / "data" / "runs" / f"{recipe.name}.jsonl")
    assert [line["kind"] for line in lines] == ["run", "train", "end"]


def test_it_lists_its_recipes_and_names_mistakes() -> None:
    listed = RUNNER.invoke(cli.app, ["train-sisr", "--list"])
    assert listed.output.split() == list(recipes.super_resolution_recipes())
    for arguments, message in (
        (["super_resolution_vdsr"], "unknown recipe 'super_resolution_vdsr'"),
        (["super_resolution_dbpn"], "give --data ROOT"),
    ):
        result = RUNNER.invoke(cli.app, ["train-sisr", *arguments])
        assert isinstance(result.exception, ValueError) and message in str(result.exception)


def test_help_teaches() -> None:
    result = RUNNER.invoke(cli.app, ["train-sisr", "--help"])
    assert result.exit_code == 0 and len(result.output) > 200
