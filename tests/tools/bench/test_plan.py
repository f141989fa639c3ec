"""Plans: affinity's products against those that run, counts by hand, scaling laws, mistakes by name."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
import torch
from rich.console import Console
from torch.utils._python_dispatch import TorchDispatchMode
from typer.testing import CliRunner

from dsrl_lab import cli
from dsrl_lab.affinity import feature_affinity_loss
from dsrl_lab.recipes import Recipe, find_recipe
from dsrl_lab.tools.bench import plan as bench
from dsrl_lab.tools.bench.decode import Reading, measured
from dsrl_lab.tools.bench.plan import ACCELERATORS, Plan, affinity_macs, image_cost, plan, table


class Products(TorchDispatchMode):
    """Adds up the multiply-adds of every matrix product."""

    macs = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if "mm" in func._schema.name:
            left, right = [x for x in args if isinstance(x, torch.Tensor)][-2:]
            self.macs += left.numel() * right.shape[-1]
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(("height", "width", "tile"), [(4, 6, 512), (5, 7, 8), (8, 8, 16)])
def test_affinity_is_counted_as_it_runs(height: int, width: int, tile: int) -> None:
    a, b = (torch.rand(1, channels, height, width).requires_grad_() for channels in (3, 5))
    with Products() as products:
        feature_affinity_loss(a, b, tile=tile).backward()
    assert products.macs == affinity_macs(height * width, 8, tile=tile)
    with Products() as products:
        feature_affinity_loss(a, b, method="dense").backward()
    assert products.macs == affinity_macs(height * width, 8, method="dense")


def test_the_cost_of_an_image_is_that_of_its_parts() -> None:
    baseline, dsrl = (image_cost(find_recipe(f"cityscapes_espnetv2_{row}")) for row in ("baseline", "dsrl"))
    assert baseline.affinity_macs == 0 and baseline.forward_macs == baseline.deployed_macs
    assert dsrl.forward_macs > dsrl.deployed_macs > baseline.deployed_macs
    assert dsrl.dense_affinity_bytes == 256 * 2**20  # 64 x 128 positions of a 512x1024 output
    features, tiles = 4 * 8192 * 64, 2 * 2048**2  # unit vectors, signed and unsigned, gradient; two tiles of a GPU
    assert dsrl.tiled_affinity_bytes == 4 * (features + tiles) < dsrl.dense_affinity_bytes / 6
    assert dsrl.training_macs == 3 * dsrl.forward_macs + dsrl.affinity_macs


def row_of(plans: list[Plan], name: str) -> list[str]:
    names, *columns = (list(column.cells) for column in table(plans).columns)
    return [str(column[names.index(name)]) for column in columns]


def test_as_many_images_are_seen_whatever_the_number_of_gpus() -> None:
    recipe = find_recipe("cityscapes_espnetv2_dsrl")
    plans = [plan(recipe, gpus) for gpus in (1, 8, 64)]
    images = recipe.train.iterations * recipe.train.batch_size
    assert all(one.iterations * one.per_gpu * one.gpus == images for one in plans)
    assert [one.learning_rate for one in plans] == pytest.approx([0.01, 0.01, 0.08])
    assert [cell.split()[1] for cell in row_of(plans, "time")] == ["h" if one.hours >= 1 else "min" for one in plans]
    assert plans[0].hours == pytest.approx(8 * plans[1].hours) and plans[0].gpu_hours == pytest.approx(
        plans[2].gpu_hours
    )


READING = Reading(file_seconds=0.2, scoring_seconds=0.1, source="by hand")


def test_a_plan_waits_for_what_is_slower() -> None:
    recipe = find_recipe("cityscapes_espnetv2_baseline")
    slow = plan(recipe, 8, reading=replace(READING, file_seconds=1.0))
    fast = plan(recipe, 8, reading=replace(READING, file_seconds=0.0), accelerator=ACCELERATORS["T4"])
    assert (slow.bound_by, fast.bound_by) == ("reading", "arithmetic")
    assert slow.decode_hours == pytest.approx(recipe.train.iterations * 16 / 8 / 8 / 3600)
    assert slow.hours == slow.decode_hours + slow.evaluation_hours
    kept = plan(recipe, 8, reading=replace(READING, kept_seconds=0.05))
    assert kept.decode_hours == pytest.approx(4 * kept.kept_hours) and kept.hours > kept.kept_hours
    assert fast.hours == fast.compute_hours + fast.evaluation_hours and fast.affinity_hours == 0
    assert table([slow]).caption is None


def test_affinity_runs_at_float32s_speed_and_can_be_what_a_plan_waits_for() -> None:
    large = plan(find_recipe("cityscapes_espnetv2_512x1024_dsrl"), 1, reading=READING)
    images, macs = 90_000 * 16, 1.5 * (128 * 256) ** 2 * 64  # P = 128 x 256 positions, 32 + 32 channels
    assert large.affinity_hours == pytest.approx(2 * macs * images / (19.5e12 * 0.2) / 3600, rel=0.05)
    assert 20 < large.affinity_hours < 23 and large.affinity_hours > 50 * large.compute_hours
    assert large.bound_by == "FA"
    assert large.hours == large.compute_hours + large.affinity_hours + large.evaluation_hours
    assert row_of([large], "FA") == ["21.6 h"] and row_of([large], "waits for") == ["FA"]


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """A large one, counted once."""
    large = find_recipe("cityscapes_espnetv2_512x1024_dsrl")
    cost = image_cost(large)
    monkeypatch.setattr(bench, "image_cost", lambda _: cost)
    return large


def test_affinity_by_method_is_what_a_recipe_that_chooses_it_has(recipe: Recipe) -> None:
    usual = plan(recipe, 1, reading=READING).affinity_by_method
    macs, images = 2 * (128 * 256) ** 2 * 64, 90_000 * 16
    assert usual["FA, fused in bfloat16 *"] == pytest.approx(2 * macs * images / (312e12 * 0.5) / 3600)
    assert usual["FA, fused in tf32 *"] == pytest.approx(2 * usual["FA, fused in bfloat16 *"])
    assert 1 / 64 < usual["FA, 4096 positions in float32"] / usual["FA, tiled in float32"] < 1.2 / 64
    for name, changes in {
        "FA, tiled in float32": {},
        "FA, fused in bfloat16 *": {"affinity_precision": "bfloat16"},
        "FA, 4096 positions in float32": {"affinity_positions": 4096},
    }.items():
        chosen = plan(replace(recipe, train=replace(recipe.train, **changes)), 1, reading=READING)
        assert chosen.affinity_hours == usual[name] == chosen.affinity_by_method[name]
    old = plan(recipe, 1, reading=READING, accelerator=ACCELERATORS["T4"])
    assert not [name for name in old.affinity_by_method if "fused" in name]


def test_a_plan_is_readable_at_80_columns(recipe: Recipe) -> None:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(table([plan(recipe, gpus) for gpus in (1, 8, 64)]))
    lines = capture.get().splitlines()
    assert "* at 50% of the peak: assumed, not measured" in lines[-1]
    assert all(line.count("│") == 5 and "…" not in line for line in lines[3:-2])


def test_precision_says_which_peak_the_rest_reaches() -> None:
    mixed = find_recipe("cityscapes_espnetv2_dsrl")
    single = replace(mixed, train=replace(mixed.train, precision="32-true"))
    ours, theirs = (plan(recipe, 1, reading=READING) for recipe in (mixed, single))
    assert theirs.compute_hours == pytest.approx(ours.compute_hours * 312 / 19.5)
    assert theirs.affinity_hours == ours.affinity_hours


def test_evaluation_is_counted_picture_by_picture() -> None:
    """500 pictures: 9 times in 90,000 iterations, the last of them at the end, and once by the labels' protocol."""
    one, eight = (plan(find_recipe("cityscapes_espnetv2_baseline"), gpus, reading=READING) for gpus in (1, 8))
    forward = 2 * 666_377_657 / (19.5e12 * 0.2)
    assert one.evaluation_hours == pytest.approx(500 * 10 * (0.3 + forward) / 3600)
    assert eight.evaluation_hours == pytest.approx(one.evaluation_hours / 8)
    drawn = find_recipe("streets_tinynet_baseline")
    assert drawn.pictures and drawn.train.evaluate_every == 0
    scored = plan(drawn, 1, reading=replace(READING, file_seconds=36.0, scoring_seconds=0.0)).evaluation_hours
    assert scored == pytest.approx(2 * drawn.pictures[1] * 36 / 3600, rel=1e-3)


def test_reading_is_what_the_record_says() -> None:
    recipe = find_recipe("cityscapes_espnetv2_dsrl")
    assert plan(recipe, 8) == plan(recipe, 8, reading=measured("cityscapes"))
    assert plan(recipe, 8) != plan(recipe, 8, reading=READING)


def test_memory_grows_with_the_images_of_a_gpu() -> None:
    recipe = find_recipe("streets_tinynet_dsrl")
    large = replace(recipe, train=replace(recipe.train, batch_size=32))
    assert plan(large, 1).memory > 3 * plan(recipe, 1).memory


@pytest.mark.parametrize("wrong", [{"utilisation": 0.0}, {"utilisation": 1.5}, {"cores": 0}])
def test_mistakes_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected at least 1 GPU and core"):
        plan(find_recipe("streets_tinynet_dsrl"), 1, **wrong)


def test_a_plan_is_checked_against_steps_here() -> None:
    small = ["--plan", "streets_tinynet_45x60_baseline", "--decode-ms", "1", "--measure"]
    result = CliRunner().invoke(cli.app, ["cost", *small])
    assert result.exit_code == 0, result.output
    share = re.search(r"a step of 8 pictures takes [\d.]+ s, at (\d+)% of", " ".join(result.output.split()))
    assert share and 0 < int(share[1]) < 100


def test_the_command_line_plans_one_eight_and_sixty_four_gpus() -> None:
    shown = CliRunner().invoke(cli.app, ["cost", "--plan", "cityscapes_espnetv2_dsrl", "--gpu", "T4"])
    assert shown.exit_code == 0, shown.output + repr(shown.exception)
    text = " ".join(shown.output.split())
    assert "T4 at 20%" in text and "one dense matrix: 256 MiB" in text
    reading = measured("cityscapes")
    assert f"reading a picture: {1000 * reading.file_seconds:.0f} ms" in text and "deployment.jsonl" in text
    other = CliRunner().invoke(cli.app, ["cost", "--plan", "cityscapes_espnetv2_dsrl", "--decode-ms", "7"])
    assert "reading a picture: 7 ms" in " ".join(other.output.split()) and "--decode-ms" in other.output
    wrong = CliRunner().invoke(cli.app, ["cost", "--plan", "cityscapes_espnetv2_dsrl", "--gpu", "abacus"])
    assert "unknown GPU 'abacus'; choose one of T4" in str(wrong.exception)
