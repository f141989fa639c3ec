"""The kit's own features for the explorer: whose they are, and the error where a checkpoint is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from dsrl_lab.datasets.transforms import reduce_image
from dsrl_lab.training.build import load_task_model
from dsrl_lab.widgets.examples import BASELINE, CHECKPOINT, EXAMPLES, street_affinity, street_features


def test_the_baselines_features_are_what_the_committed_baseline_gives() -> None:
    street = street_features()
    network, loaded = load_task_model(BASELINE)
    size = tuple(loaded.description["train"]["input_size"])
    image = network.normalise(reduce_image(street.image, size)[None])
    with torch.no_grad():
        features = network.forward_head(network.forward_features(image)).features
    wanted = F.adaptive_avg_pool2d(features, street.sisr.shape[-2:])[0]
    torch.testing.assert_close(street.task["baseline"], wanted)
    assert street.mask.shape == street.image.shape[-2:]


def test_all_features_can_be_switched_and_differ() -> None:
    explorer = street_affinity()
    assert explorer.facts["sources"] == ["DSRL", "baseline"]
    assert not torch.allclose(explorer.task_features["DSRL"], explorer.task_features["baseline"])


def test_a_missing_checkpoint_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="dsrl-lab train streets_tinynet_none"):
        street_features(tmp_path / "none_seed0.safetensors")
    with pytest.raises(FileNotFoundError, match="gone"):
        street_features(CHECKPOINT, tmp_path / "gone.safetensors")


def test_a_network_without_affinity_is_refused() -> None:
    with pytest.raises(ValueError, match="its SISR branch was left behind"):
        street_features(CHECKPOINT.with_name("sisr_seed0.safetensors"))


def test_the_cats_scores_grow_with_the_network() -> None:
    scores = dict(zip(*(EXAMPLES["super-resolution"]().facts[key] for key in ("names", "scores")), strict=True))
    assert scores["bicubic"]["psnr"] < scores["SRCNN"]["psnr"] < scores["DBPN"]["psnr"]


def test_the_record_is_shown_to_its_end() -> None:
    monitor = EXAMPLES["training"]()
    assert (monitor.value, monitor.state["lines"][-1]["iteration"]) == ("finished", 600)
