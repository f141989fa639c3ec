from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from dsrl_lab.datasets.super_resolution import SRPair, benchmark_pairs, imresize_bicubic, reduce_bicubic
from dsrl_lab.experiments import run
from dsrl_lab.models.super_resolution import DBPN, ESPCN, FSRCNN, LapSRN
from dsrl_lab.recipes import find_super_resolution_recipe, super_resolution_recipes
from dsrl_lab.results.release_runs import keep
from dsrl_lab.training import checkpoint, record
from dsrl_lab.training.build import build_super_resolver, load_super_resolver
from dsrl_lab.training.config import SuperResolutionRecipe, SuperResolverConfig, TrainConfig
from dsrl_lab.training.examples import Batches
from dsrl_lab.training.loop import fit
from dsrl_lab.training.record import TrainRecord
from dsrl_lab.training.super_resolution import (
    SuperResolutionObjective,
    charbonnier_loss,
    score_pairs,
    super_resolution_loss,
)

CHECKPOINTS = Path(__file__).resolve().parents[2] / "data" / "checkpoints"
ESPCN_X2 = SuperResolverConfig(network="espcn")
TINY = TrainConfig(
    input_size=(8, 8),
    iterations=6,
    batch_size=2,
    learning_rate=1e-3,
    optimizer="adam",
    weight_decay=0.0,
    schedule="cosine",
    warmup_iterations=2,
    clip_gradient=1.0,
    record_every=2,
    evaluate_every=2,
    checkpoint_every=2,
)
RECIPE = SuperResolutionRecipe(
    name="super_resolution_tiny", title="tiny", network=ESPCN_X2, train=TINY, target_psnr=10.0
)


def _learn(net: Any, train: list[SRPair], validation: list[SRPair], config: TrainConfig, **options: Any) -> Any:
    objective = SuperResolutionObjective(config, train, validation=validation)
    return fit(net, objective, Batches.for_run(train, objective.example, config), config, **options)


def _edges(seed: int, side: int = 48) -> Tensor:
    """A picture with sharp edges: what bicubic blurs and a network can learn."""
    coarse = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(seed)).round()
    return F.interpolate(coarse, size=(side, side), mode="nearest")[0]


def _pairs(count: int, *, first: int = 0) -> list[SRPair]:
    pictures = [_edges(seed)[:1] for seed in range(first, first + count)]
    return [SRPair(reduce_bicubic(picture, 2), picture, str(index)) for index, picture in enumerate(pictures)]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """T91, Set5 and Set14 in the real layout, made pictures."""
    for folder, count in (("Set5", 1), ("Set14", 2), ("T91", 11)):
        (tmp_path / folder).mkdir()
        for number in range(count):
            picture = _edges(number)
            stem = f"t{number}" if folder == "T91" else f"img_00{number}_SRF_2_HR"
            for name, image in ((stem, picture), (stem.replace("HR", "LR"), reduce_bicubic(picture, 2))):
                if folder != "T91" or image is picture:
                    pixels = (image * 255).round().byte().permute(1, 2, 0).numpy()
                    Image.fromarray(pixels).save(tmp_path / folder / f"{name}.png")
    return tmp_path


def test_charbonnier_by_hand_and_by_gradcheck() -> None:
    assert charbonnier_loss(torch.zeros(2), torch.tensor([3.0, 0.0]), epsilon=4.0).item() == pytest.approx(4.5)
    pred, target = torch.randn(2, 1, 3, 3, dtype=torch.float64, requires_grad=True), torch.randn(2, 1, 3, 3).double()
    assert torch.autograd.gradcheck(lambda x: charbonnier_loss(x, target), (pred,))
    assert charbonnier_loss(target, target).item() == pytest.approx(1e-3)


def test_every_scale_is_supervised_with_its_own_reduction() -> None:
    high_res = torch.rand(2, 1, 16, 24)
    half = imresize_bicubic(high_res, (8, 12))
    assert super_resolution_loss([half, high_res], high_res).item() == pytest.approx(0, abs=1e-10)
    off = super_resolution_loss([half + 0.1, high_res - 0.2], high_res, loss="l1").item()
    assert off == pytest.approx(0.3, rel=1e-5)
    assert super_resolution_loss([half + 0.1, high_res], high_res, loss="mse").item() == pytest.approx(0.01, rel=1e-4)
    with pytest.raises(ValueError, match="unknown loss 'huber'; choose one of charbonnier, l1, mse"):
        super_resolution_loss([high_res], high_res, loss="huber")
    with pytest.raises(ValueError, match=r"original's shape \(2, 1, 16, 24\), got \(2, 1, 8, 12\)"):
        super_resolution_loss([high_res, half], high_res)


def test_scores_by_hand() -> None:
    class Off(ESPCN):
        def forward_scales(self, low_res: Tensor) -> tuple[Tensor, ...]:
            wrong = torch.full((1, 1, 16, 16), 0.6)
            wrong[..., :2, :] = 7  # the border does not count, and values are clipped
            return (wrong,)

    flat = SRPair(torch.full((1, 8, 8), 0.5), torch.full((1, 16, 16), 0.5), "flat")
    net = Off(2, channels=1).train()
    scores = score_pairs(net, [flat, flat])
    assert scores["psnr"] == pytest.approx(20.0, abs=1e-3)  # -10 log10(0.1^2)
    assert net.training


def test_scoring_without_a_network_is_bicubic() -> None:
    pair = _pairs(1)[0]
    up = imresize_bicubic(pair.low_res, (48, 48)).clamp(0, 1)
    error = (up - pair.high_res)[:, 2:-2, 2:-2].double().square().mean().item()
    scores = score_pairs(None, [pair])
    assert scores["psnr"] == pytest.approx(-10 * math.log10(error), abs=1e-3)
    assert 0 < scores["ssim"] < 1


def test_what_is_empty_or_not_finite_is_not_scored() -> None:
    net = ESPCN(2, channels=1)
    with torch.no_grad():
        next(net.parameters()).fill_(math.nan)
    with pytest.raises(ValueError, match="expected finite logits, the network gives NaN or infinity"):
        score_pairs(net, _pairs(1))
    with pytest.raises(ValueError, match="expected at least one picture in the super-resolution set to score"):
        score_pairs(None, [])


def test_training_beats_its_start_and_bicubic() -> None:
    train, validation = _pairs(6), _pairs(2, first=90)
    config = dataclasses.replace(TINY, iterations=300, batch_size=4, record_every=150, evaluate_every=150)
    net = build_super_resolver(ESPCN_X2)
    before = score_pairs(net, validation)["psnr"]
    records = list(_learn(net, train, validation, config))
    assert [line.iteration for line in records] == [150, 300]
    assert records[-1].metrics["psnr"] > max(before, score_pairs(None, validation)["psnr"]) + 1
    assert records[-1].loss < records[0].loss and records[-1].sisr == records[-1].affinity == 0
    assert records[-1].metrics["psnr"] == pytest.approx(score_pairs(net, validation)["psnr"])


def test_bfloat16_keeps_the_weights_in_float32() -> None:
    net = build_super_resolver(ESPCN_X2)
    list(_learn(net, _pairs(2), _pairs(1), dataclasses.replace(TINY, precision="bf16-mixed")))
    assert {parameter.dtype for parameter in net.parameters()} == {torch.float32}


def test_a_resumed_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    def weights(directory: Path, *, stop: int | None = None, resume: bool = False) -> dict[str, Tensor]:
        net = build_super_resolver(ESPCN_X2)
        for line in _learn(net, _pairs(3), _pairs(1), TINY, directory=directory, resume=resume):
            if line.iteration == stop:
                break
        return net.state_dict()

    whole = weights(tmp_path / "whole")
    weights(tmp_path / "cut", stop=4)
    torch.manual_seed(1)  # nothing may hang on the global generator
    cut = weights(tmp_path / "cut", resume=True)
    for name, value in whole.items():
        assert torch.equal(value, cut[name]), name


def test_patches_come_from_all_pictures_by_area() -> None:
    small, large = torch.zeros(1, 16, 16), torch.ones(1, 48, 48)
    pairs = [SRPair(reduce_bicubic(picture, 2), picture, name) for name, picture in (("s", small), ("l", large))]
    objective = SuperResolutionObjective(TINY, pairs)
    drawn = [objective.example(pairs[0], torch.Generator().manual_seed(i)).high_res.mean() for i in range(400)]
    assert float(torch.stack(drawn).mean()) == pytest.approx(48**2 / (48**2 + 16**2), abs=0.05)


def test_configs_check_themselves() -> None:
    with pytest.raises(ValueError, match="unknown loss 'huber'"):
        SuperResolverConfig(network="espcn", loss="huber")
    with pytest.raises(ValueError, match="no field speed"):
        SuperResolverConfig.from_json({"network": "espcn", "speed": 2})
    with pytest.raises(ValueError, match="unknown network 'vdsr'; choose one of srcnn, espcn, fsrcnn, lapsrn, dbpn"):
        build_super_resolver(SuperResolverConfig(network="vdsr"))


def test_configs_build_what_they_name() -> None:
    names = {"fsrcnn": FSRCNN, "lapsrn": LapSRN, "espcn": ESPCN}
    for name, network in names.items():
        assert isinstance(build_super_resolver(SuperResolverConfig(network=name)), network)
    small = build_super_resolver(SuperResolverConfig(network="dbpn", stages=3, width=4))
    assert isinstance(small, DBPN)
    assert (len(small.ups), len(small.downs)) == (3, 2)


def test_a_run_leaves_a_record_and_weights_that_give_its_scores(tree: Path, tmp_path: Path) -> None:
    directory = tmp_path / "run"
    lines: list[TrainRecord] = list(run(RECIPE, directory=directory, root=tree, seed=3))
    kept = record.read(directory / "record.jsonl")
    assert [line["kind"] for line in kept] == ["run", "train", "train", "train", "end"]
    assert kept[0]["seed"] == kept[0]["train"]["seed"] == 3 and kept[0]["config"]["network"] == "espcn"
    assert kept[0]["parameters"] == 21_284
    assert kept[0]["macs"] == 128 * 256 * (64 * 25 + 64 * 32 * 9 + 32 * 4 * 9)
    scores = kept[-1]["scores"]
    assert set(scores) == {"Set5", "Set14"}
    best = max(lines, key=lambda line: line.metrics["psnr"])
    assert kept[-1]["chosen_iteration"] == best.iteration
    net = load_super_resolver(directory / "best.safetensors")
    assert score_pairs(net, benchmark_pairs(tree, "Set5")) == pytest.approx(scores["Set5"]["network"])

    with pytest.raises(FileExistsError, match=r"record.jsonl is there already; go on with --resume"):
        next(run(RECIPE, directory=directory, root=tree))
    assert list(run(RECIPE, directory=directory, root=tree, seed=3, resume=True)) == []
    assert record.read(directory / "record.jsonl") == kept


def test_a_stopped_run_goes_on_without_recording_anything_twice(tree: Path, tmp_path: Path) -> None:
    next(run(RECIPE, directory=tmp_path / "run", root=tree))
    rest = list(run(RECIPE, directory=tmp_path / "run", root=tree, resume=True))
    assert [line.iteration for line in rest] == [4, 6]
    kept = record.read(tmp_path / "run" / "record.jsonl")
    assert [line.get("iteration") for line in kept] == [None, 2, 4, 6, 6]


def test_a_finished_run_is_kept_where_the_kit_commits_it(tree: Path, tmp_path: Path) -> None:
    folder, data = tmp_path / "run", tmp_path / "data"
    lines = run(RECIPE, directory=folder, root=tree)
    next(lines)
    with pytest.raises(FileNotFoundError, match="no finished run below"):
        keep(folder, data)
    list(lines)
    kept = keep(folder, data)
    assert [path.relative_to(data).as_posix() for path in kept] == [
        "runs/super_resolution_tiny.jsonl",
        "checkpoints/super_resolution_tiny.safetensors",
        "checkpoints/super_resolution_tiny.json",
    ]
    scores = record.read(kept[0])[-1]["scores"]["Set5"]["network"]
    assert score_pairs(load_super_resolver(kept[1]), benchmark_pairs(tree, "Set5")) == pytest.approx(scores)


def test_other_checkpoints_are_refused(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "other.safetensors", ESPCN(2), {"network": "pspnet"})
    with pytest.raises(ValueError, match="holds no super-resolver"):
        load_super_resolver(tmp_path / "other.safetensors")
    for config in ("espcn", {"network": "espcn", "channels": "one"}, {"network": "dbpn", "stages": -1}):
        checkpoint.save(tmp_path / "other.safetensors", ESPCN(2), {"config": config})
        with pytest.raises(ValueError, match=r"the header of .*other\.safetensors describes no network of this kit"):
            load_super_resolver(tmp_path / "other.safetensors")


def test_recipes_are_named_after_themselves() -> None:
    recipes = super_resolution_recipes()
    assert {recipe.network.network for recipe in recipes.values()} == {"srcnn", "espcn", "lapsrn", "dbpn"}
    for name, recipe in recipes.items():
        assert name == recipe.name == f"super_resolution_{recipe.network.network}"
        assert build_super_resolver(recipe.network).upscale_factor == 2
        assert find_super_resolution_recipe(name) == recipe
    with pytest.raises(
        ValueError, match="unknown recipe 'super_resolution_vdsr'; choose one of super_resolution_espcn"
    ):
        find_super_resolution_recipe("super_resolution_vdsr")


@pytest.mark.parametrize("path", sorted(CHECKPOINTS.glob("super_resolution_*.safetensors")), ids=lambda path: path.stem)
def test_committed_weights_give_their_recorded_scores(real_data: Path, path: Path) -> None:
    lines = record.read(path.parents[1] / "runs" / f"{path.stem}.jsonl")
    pairs = benchmark_pairs(real_data / "super_resolution", "Set5")
    scores = score_pairs(load_super_resolver(path), pairs)
    assert scores == pytest.approx(lines[-1]["scores"]["Set5"]["network"], abs=1e-3)
    assert path.stat().st_size < 2 * 2**20
    assert sum(line["kind"] == "train" for line in lines) == len(lines) - 2
