"""Figure 9 and the ablation of pose, from made-up records and untrained checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dsrl_lab.datasets.joint_tables import LSP_JOINTS
from dsrl_lab.datasets.people import open_people
from dsrl_lab.datasets.pose_transforms import inverse, transform_joints
from dsrl_lab.recipes import find_recipe
from dsrl_lab.results.figures import draw
from dsrl_lab.results.figures_people import SHOWN, _right
from dsrl_lab.results.inference import NOT_TESTED
from dsrl_lab.training import checkpoint
from dsrl_lab.training.build import build_dsrl
from tests.results.conftest import write_record


def write_pose_run(folder: Path, recipe: str, seed: int, pck: float, *, network: bool = False) -> None:
    found = find_recipe(recipe)
    row = "dsrl" if found.network.affinity else "baseline"
    first = {
        "kind": "run", "recipe": recipe, "title": found.title, "dataset": found.dataset, "seed": seed,
        "network": found.network.to_json(), "train": found.train.to_json() | {"seed": seed}, "macs": 7e6,
        "parameters": 180_000, "pictures": {"train": 8, "val": 4},
    }  # fmt: skip
    end = {
        "kind": "end",
        "seconds": 9.0,
        "keypoints": {"split": "val", "pck": pck, "pck_strict": pck / 3},
        "super_resolution": None,
    }
    path = folder / "runs" / recipe.removesuffix(f"_{row}") / f"{row}_seed{seed}.jsonl"
    write_record(path, [first, end])
    if network:
        header = {key: first[key] for key in ("recipe", "network", "train", "dataset")} | {"deployed": True}
        place = folder / "checkpoints" / path.parent.name / path.with_suffix(".safetensors").name
        place.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.save(place, build_dsrl(found.network).task_model, header)


def test_figure_9_shows_drawn_people_with_the_joints_of_both_networks(tmp_path: Path) -> None:
    for row in ("baseline", "dsrl"):
        write_pose_run(tmp_path, f"people_hrnet_{row}", 0, 0.4, network=True)
    manifest = draw(["paper_figure9"], runs=tmp_path / "runs", out=tmp_path / "figures")
    assert manifest["skipped"] == {}
    inputs = manifest["figures"]["paper_figure9"]["inputs"]
    assert "../checkpoints/people_hrnet/dsrl_seed0.safetensors" in inputs and len(inputs) == 4
    assert (tmp_path / "figures" / "paper_figure9.svg").read_bytes().count(b"data:image/") == 4 * SHOWN


def test_the_pose_ablation_is_compared_with_the_abstract(tmp_path: Path) -> None:
    for seed in range(3):
        write_pose_run(tmp_path, "lsp_hrnet_baseline", seed, 0.30 + 0.01 * seed)
        write_pose_run(tmp_path, "lsp_hrnet_dsrl", seed, 0.25 + 0.011 * seed)
    manifest = draw(["pose_ablation"], runs=tmp_path / "runs", out=tmp_path / "figures")
    (comparison,) = manifest["figures"]["pose_ablation"]["comparisons"]
    assert comparison["paper"][""]["value"] == 2.0 and comparison["paper"][""]["unit"] == "points of mAP"
    assert comparison["ours"]["mean"] == pytest.approx(-4.9) and comparison["verdict"] == NOT_TESTED


def test_without_a_dsrl_run_nothing_is_compared(tmp_path: Path) -> None:
    write_pose_run(tmp_path, "lsp_hrnet_baseline", 0, 0.3)
    manifest = draw(["pose_ablation", "paper_figure9"], runs=tmp_path / "runs", out=tmp_path / "figures")
    assert manifest["figures"]["pose_ablation"]["comparisons"] == []
    assert "people_hrnet_baseline, people_hrnet_dsrl" in manifest["skipped"]["paper_figure9"]


def test_joints_are_counted_by_the_torso() -> None:
    person = open_people("street_people", "val", None, size=(64, 64), length=1)[0]
    marked, torso = int(person.visible.sum()), (person.joints[9] - person.joints[2]).norm()
    assert _right(person.joints, person, LSP_JOINTS) == marked
    beside = person.joints + torch.tensor([0.21 * float(torso), 0.0])
    assert _right(beside, person, LSP_JOINTS) == 0
    matrix = torch.tensor([[2.0, 0.5, 3.0], [-0.5, 2.0, 1.0]])
    there = transform_joints(transform_joints(person.joints, matrix), inverse(matrix))
    assert torch.allclose(there, person.joints, atol=1e-4)
