"""Variants of what feature affinity compares: each compares what it says, and a study goes on where it stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from dsrl_lab.recipes import Recipe, find_recipe, with_changes
from dsrl_lab.results.tables import affinity_table
from dsrl_lab.tools import affinity_study
from dsrl_lab.tools.affinity_study import VARIANTS, Compared, as_variant, study
from dsrl_lab.training import record
from dsrl_lab.training.build import build_dsrl

SETTING = "streets_tinynet_45x60"
IMAGE = torch.rand(2, 3, 45, 60, generator=torch.Generator().manual_seed(0))


def built(name: str) -> Compared:
    recipe = with_changes(find_recipe(f"{SETTING}_paper"), VARIANTS[name].changes)
    return as_variant(build_dsrl(recipe.network, seed=0), VARIANTS[name]).eval()


def compared(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.no_grad():
        output = built(name)(IMAGE)
    assert output.task_features is not None and output.sisr_features is not None
    return output.task_features, output.sisr_features


@pytest.mark.parametrize("name", VARIANTS)
def test_each_variant_gives_two_maps_of_the_same_positions_that_learn(name: str) -> None:
    network = built(name).train()
    output = network(IMAGE)
    ours, theirs = output.task_features, output.sisr_features
    assert ours.shape[-2:] == theirs.shape[-2:] == ((6, 8) if name == "stride16" else (12, 15))
    (ours.square().sum() + theirs.square().sum()).backward()
    assert network.task_model.host.stage2[0].weight.grad.abs().sum() > 0


def test_centred_maps_have_no_mean_over_positions() -> None:
    for plain, centred in zip(compared("kit"), compared("centred"), strict=True):
        assert plain.mean((2, 3)).abs().max() > 0.01
        torch.testing.assert_close(centred, plain - plain.mean((2, 3), keepdim=True))


def test_before_the_activations_there_are_negative_values_and_their_relu_is_the_kits() -> None:
    ours, theirs = compared("before")
    assert ours.min() < 0 > theirs.min()
    network = built("before")
    with torch.no_grad():
        _, after = network.sisr_head(network.task_model.forward_features(network.task_model.normalise(IMAGE)))
        network(IMAGE)
    assert torch.equal(F.relu(network.seen["before activation"]), after)


def test_class_maps_and_the_image_are_those_of_the_network() -> None:
    network = built("logits_image")
    with torch.no_grad():
        output = network(IMAGE)
        plain = network.task_model.host(IMAGE)
    assert output.task_features.shape[1] == 11 and output.sisr_features.shape[1] == 3
    wanted = F.adaptive_avg_pool2d(network.seen["logits"], (12, 15))
    assert torch.equal(output.task_features, wanted)
    assert network.seen["logits"].argmax(1).unique().numel() <= plain.shape[1]
    ours, theirs = compared("logits")
    assert ours.shape[1] == theirs.shape[1] == 11


def test_a_study_trains_each_once_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def short(name: str) -> Recipe:
        recipe = with_changes(find_recipe(name), ["train.iterations=2", "train.batch_size=2"])
        return replace(recipe, pictures=(8, 4))

    monkeypatch.setattr(affinity_study, "find_recipe", short)
    path = tmp_path / "study.jsonl"
    first = list(study(["kit", "products"], [0], path, setting=SETTING, keep=tmp_path))
    assert [line["variant"] for line in first] == ["kit", "products"] and len(record.read(path)) == 2
    assert (tmp_path / "kit_seed0.safetensors").is_file()
    monkeypatch.setattr(affinity_study, "_train", lambda *_: pytest.fail("trained again"))
    assert list(study(["kit", "products"], [0], path, setting=SETTING)) == record.read(path)
    shown = affinity_table(first)
    assert list(shown["variant"]) == [VARIANTS[name].title for name in ("kit", "products")]
    assert list(shown["AUC, SISR"]) == [f"{line['affinity']['sisr_auc']:.3f} (1 seed)" for line in first]
    with pytest.raises(ValueError, match="unknown variant 'wrong'; choose of kit, centred"):
        list(study(["wrong"], [0], path, setting=SETTING))
