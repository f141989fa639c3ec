from __future__ import annotations

import dataclasses
import itertools
import math
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from dsrl_lab.datasets.super_resolution import SRBenchmark, SRPair, imresize_bicubic, reduce_bicubic
from dsrl_lab.models.super_resolution import DBPN, ESPCN, FSRCNN, LapSRN
from dsrl_lab.training import checkpoint, record
from dsrl_lab.training.super_resolution import (
    charbonnier_loss,
    cosine_learning_rate,
    fit_super_resolution,
    score_pairs,
    super_resolution_loss,
)
from dsrl_lab.training.super_resolution_config import SuperResolutionConfig, build_super_resolver
from dsrl_lab.training.super_resolution_recipes import (
    SuperResolutionRecipe,
    find_super_resolution_recipe,
    keep_super_resolution,
    load_super_resolver,
    run_super_resolution,
    super_resolution_recipes,
)

CHECKPOINTS = Path(__file__).resolve().parents[2] / "data" / "checkpoints"
TINY = SuperResolutionConfig(
    network="espcn", iterations=6, batch_size=2, patch_size=16, warmup_iterations=2, record_every=2, bfloat16=False
)


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


def test_learning_rate_rises_and_falls_as_a_cosine() -> None:
    rates = [cosine_learning_rate(i, 101, learning_rate=2.0, warmup=10) for i in range(101)]
    assert rates[:10] == pytest.approx([0.2 * (i + 1) for i in range(10)])
    assert rates[10] == pytest.approx(2.0)
    assert rates[55] == pytest.approx(2.0 * 0.505)  # half way down: the mean of the peak and its hundredth
    assert rates[100] == pytest.approx(0.02)
    assert all(a > b for a, b in itertools.pairwise(rates[10:]))


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


def test_training_beats_its_start_and_bicubic() -> None:
    torch.manual_seed(0)
    train, validation = _pairs(6), _pairs(2, first=90)
    config = dataclasses.replace(TINY, iterations=300, batch_size=4, record_every=150)
    net = build_super_resolver(config)
    before = score_pairs(net, validation)["psnr"]
    records = list(fit_super_resolution(net, train, validation, config))
    assert [line.iteration for line in records] == [150, 300]
    assert records[-1].validation_psnr > max(before, score_pairs(None, validation)["psnr"]) + 1
    assert records[-1].loss < records[0].loss
    assert records[-1].validation_psnr == pytest.approx(score_pairs(net, validation)["psnr"])


def test_bfloat16_keeps_the_weights_in_float32() -> None:
    net = build_super_resolver(TINY)
    list(fit_super_resolution(net, _pairs(2), _pairs(1), dataclasses.replace(TINY, bfloat16=True)))
    assert {parameter.dtype for parameter in net.parameters()} == {torch.float32}


def test_a_resumed_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    def run(directory: Path, *, stop: int | None = None, resume: bool = False) -> dict[str, Tensor]:
        torch.manual_seed(0)
        net = build_super_resolver(TINY)
        lines = fit_super_resolution(net, _pairs(3), _pairs(1), TINY, directory=directory, resume=resume)
        for line in lines:
            if line.iteration == stop:
                break
        return net.state_dict()

    whole = run(tmp_path / "whole")
    run(tmp_path / "cut", stop=4)
    torch.manual_seed(1)  # nothing may hang on the global generator
    cut = run(tmp_path / "cut", resume=True)
    for name, value in whole.items():
        assert torch.equal(value, cut[name]), name


def test_another_configuration_is_not_resumed(tmp_path: Path) -> None:
    list(fit_super_resolution(build_super_resolver(TINY), _pairs(2), _pairs(1), TINY, directory=tmp_path))
    other = dataclasses.replace(TINY, learning_rate=1e-4)
    with pytest.raises(ValueError, match="trained with another configuration; resume with the same one"):
        next(
            fit_super_resolution(
                build_super_resolver(other), _pairs(2), _pairs(1), other, directory=tmp_path, resume=True
            )
        )


def test_a_loss_that_is_no_number_stops_the_run() -> None:
    net = build_super_resolver(TINY)
    with torch.no_grad():
        next(net.parameters()).fill_(math.nan)
    with pytest.raises(
        FloatingPointError, match=r"not a finite number by iteration 2; lower the learning rate \(0.001\)"
    ):
        next(fit_super_resolution(net, _pairs(2), _pairs(1), TINY))


def test_configs_check_themselves() -> None:
    with pytest.raises(ValueError, match="unknown loss 'huber'"):
        SuperResolutionConfig(network="espcn", iterations=1, loss="huber")
    with pytest.raises(ValueError, match="at least 1, got 0, 16 and 250"):
        SuperResolutionConfig(network="espcn", iterations=0)
    with pytest.raises(ValueError, match="no field speed"):
        SuperResolutionConfig.from_json({"network": "espcn", "iterations": 1, "speed": 2})
    with pytest.raises(ValueError, match="unknown network 'vdsr'; choose one of srcnn, espcn, fsrcnn, lapsrn, dbpn"):
        build_super_resolver(SuperResolutionConfig(network="vdsr", iterations=1))


def test_configs_build_what_they_name() -> None:
    names = {"fsrcnn": FSRCNN, "lapsrn": LapSRN, "espcn": ESPCN}
    for name, network in names.items():
        assert isinstance(build_super_resolver(SuperResolutionConfig(network=name, iterations=1)), network)
    small = build_super_resolver(SuperResolutionConfig(network="dbpn", stages=3, width=4, iterations=1))
    assert isinstance(small, DBPN)
    assert (len(small.ups), len(small.downs)) == (3, 2)


def test_a_run_leaves_a_record_and_weights_that_give_its_scores(tree: Path, tmp_path: Path) -> None:
    recipe = SuperResolutionRecipe(name="tiny", title="tiny", train=TINY, target_psnr=10.0)
    directory = tmp_path / "run"
    lines = list(run_super_resolution(recipe, directory=directory, root=tree, seed=3))
    kept = record.read(directory / "record.jsonl")
    assert [line["kind"] for line in kept] == ["run", "train", "train", "train", "end"]
    assert kept[0]["seed"] == kept[0]["config"]["seed"] == 3
    assert kept[0]["parameters"] == 21_284
    assert kept[0]["macs"] == 128 * 256 * (64 * 25 + 64 * 32 * 9 + 32 * 4 * 9)
    scores = kept[-1]["scores"]
    assert set(scores) == {"Set5", "Set14"}
    best = max(lines, key=lambda line: line.validation_psnr)
    assert kept[-1]["chosen_iteration"] == best.iteration
    net = load_super_resolver(directory / "best.safetensors")
    assert score_pairs(net, SRBenchmark(tree, "Set5").pairs) == pytest.approx(scores["Set5"]["network"])

    with pytest.raises(FileExistsError, match=r"record.jsonl is there already; go on with --resume"):
        next(run_super_resolution(recipe, directory=directory, root=tree))
    assert list(run_super_resolution(recipe, directory=directory, root=tree, seed=3, resume=True)) == []
    assert record.read(directory / "record.jsonl") == kept


def test_a_stopped_run_goes_on_without_saying_anything_twice(tree: Path, tmp_path: Path) -> None:
    recipe = SuperResolutionRecipe(name="tiny", title="tiny", train=TINY, target_psnr=10.0)
    next(run_super_resolution(recipe, directory=tmp_path / "run", root=tree))
    rest = list(run_super_resolution(recipe, directory=tmp_path / "run", root=tree, resume=True))
    assert [line.iteration for line in rest] == [4, 6]
    kept = record.read(tmp_path / "run" / "record.jsonl")
    assert [line.get("iteration") for line in kept] == [None, 2, 4, 6, 6]


def test_a_finished_run_is_kept_where_the_kit_commits_it(tree: Path, tmp_path: Path) -> None:
    recipe = SuperResolutionRecipe(name="super_resolution_tiny", title="tiny", train=TINY, target_psnr=10.0)
    run, data = tmp_path / "run", tmp_path / "data"
    lines = run_super_resolution(recipe, directory=run, root=tree)
    next(lines)
    with pytest.raises(ValueError, match="the run is not finished; go on with --resume"):
        keep_super_resolution(run, data)
    list(lines)
    kept = keep_super_resolution(run, data)
    assert [path.relative_to(data).as_posix() for path in kept] == [
        "runs/super_resolution_tiny.jsonl",
        "checkpoints/super_resolution_tiny.safetensors",
        "checkpoints/super_resolution_tiny.json",
    ]
    scores = record.read(kept[0])[-1]["scores"]["Set5"]["network"]
    assert score_pairs(load_super_resolver(kept[1]), SRBenchmark(tree, "Set5").pairs) == pytest.approx(scores)


def test_other_checkpoints_are_refused(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "other.safetensors", ESPCN(2), {"network": "pspnet"})
    with pytest.raises(ValueError, match="holds no super-resolution network"):
        load_super_resolver(tmp_path / "other.safetensors")


def test_recipes_are_named_after_themselves() -> None:
    recipes = super_resolution_recipes()
    assert {recipe.train.network for recipe in recipes.values()} == {"srcnn", "espcn", "lapsrn", "dbpn"}
    for name, recipe in recipes.items():
        assert name == recipe.name == f"super_resolution_{recipe.train.network}"
        assert build_super_resolver(recipe.train).upscale_factor == 2
        assert find_super_resolution_recipe(name) == recipe
    with pytest.raises(
        ValueError, match="unknown recipe 'super_resolution_vdsr'; choose one of super_resolution_espcn"
    ):
        find_super_resolution_recipe("super_resolution_vdsr")


@pytest.mark.parametrize("path", sorted(CHECKPOINTS.glob("super_resolution_*.safetensors")), ids=lambda path: path.stem)
def test_committed_weights_give_their_recorded_scores(real_data: Path, path: Path) -> None:
    lines = record.read(path.parents[1] / "runs" / f"{path.stem}.jsonl")
    pairs = SRBenchmark(real_data / "super_resolution", "Set5").pairs
    scores = score_pairs(load_super_resolver(path), pairs)
    assert scores == pytest.approx(lines[-1]["scores"]["Set5"]["network"], abs=1e-3)
    assert path.stat().st_size < 2 * 2**20
    assert sum(line["kind"] == "train" for line in lines) == len(lines) - 2
