"""ESPNetv2: its sizes, its released weights and outputs, and what it makes of a real street."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from dsrl_lab.complexity import complexity
from dsrl_lab.models.segmentation import espnetv2_blocks as blocks
from dsrl_lab.models.segmentation.espnetv2 import (
    ESPNetv2,
    from_released_checkpoint,
    load_imagenet_encoder,
    our_name,
    output_sources,
)
from dsrl_lab.recipes import find_recipe

CAMVID_FROM_CITYSCAPES = find_recipe("camvid_espnetv2_dsrl").class_map

WEIGHTS = Path("weights/espnetv2_cityscapes")


def released_names() -> list[str]:
    """The 526 names of an EdgeNets checkpoint, written down from its layers."""
    statistics = ("running_mean", "running_var", "num_batches_tracked")

    def norm(name: str) -> list[str]:
        return [f"{name}.{part}" for part in ("weight", "bias", *statistics)]

    def encoder_layer(name: str, *, act: bool = True) -> list[str]:
        return [f"{name}.conv.weight", *norm(f"{name}.bn"), *([f"{name}.act.weight"] if act else [])]

    def decoder_layer(name: str) -> list[str]:
        return [f"{name}.cbr.0.weight", *norm(f"{name}.cbr.1"), f"{name}.cbr.2.weight"]

    def eesp(name: str) -> list[str]:
        return [
            *encoder_layer(f"{name}.proj_1x1"),
            *(f"{name}.spp_dw.{branch}.conv.weight" for branch in range(4)),
            *encoder_layer(f"{name}.conv_1x1_exp", act=False),
            *norm(f"{name}.br_after_cat.bn"),
            f"{name}.br_after_cat.act.weight",
            f"{name}.module_act.weight",
        ]

    names = encoder_layer("base_net.level1")
    for level in ("level2_0", "level3_0", "level4_0"):
        name = f"base_net.{level}"
        names += [*eesp(f"{name}.eesp"), *encoder_layer(f"{name}.inp_reinf.0")]
        names += [*encoder_layer(f"{name}.inp_reinf.1", act=False), f"{name}.act.weight"]
    for level, repeats in (("level3", 3), ("level4", 7)):
        names += [name for block in range(repeats) for name in eesp(f"base_net.{level}.{block}")]
    for level in (1, 2, 3, 4):
        name = f"bu_dec_l{level}"
        names += [f"{name}.stages.{scale}.weight" for scale in range(5)]
        names += decoder_layer(f"{name}.projection_layer")
        names += [*norm(f"{name}.merge_layer.0.br.0"), f"{name}.merge_layer.0.br.1.weight"]
        names += [*decoder_layer(f"{name}.merge_layer.2"), f"{name}.merge_layer.3.weight"]
        last = [f"{name}.merge_layer.3.bias"]
        names += last if level == 4 else [*norm(f"{name}.br.br.0"), f"{name}.br.br.1.weight"]
    for level in (2, 3, 4):
        name = f"merge_enc_dec_l{level}"
        names += [f"{name}.wt_layer.1.weight", *decoder_layer(f"{name}.expansion_layer")]
        names += [*norm(f"bu_br_l{level}.0"), f"bu_br_l{level}.1.weight"]
    return names


@pytest.fixture
def release(tmp_path: Path) -> tuple[Path, ESPNetv2]:
    """A file in the release's names, with weights of our own, and the network they come from."""
    network = ESPNetv2(20, width=0.5).eval()
    state = network.state_dict()
    path = tmp_path / "espnetv2_s_0.5_city_512x256.pth"
    torch.save({name: state[our_name(name)] for name in released_names()}, path)
    return path, network


def test_the_key_map_is_one_to_one() -> None:
    names = released_names()
    assert len(names) == len(set(names)) == 526
    renamed = [our_name(name) for name in names]
    assert sorted(renamed) == sorted(ESPNetv2(20, width=0.5).state_dict())


@pytest.mark.parametrize(("width", "parameters"), [(0.5, 80_342), (1.0, 234_010), (1.5, 468_362), (2.0, 789_242)])
def test_parameters_are_those_of_the_release(width: float, parameters: int) -> None:
    """Counted in the released files; width 1.5, which has none, on EdgeNets' own code."""
    network = ESPNetv2(20, width=width)
    assert sum(p.numel() for p in network.parameters()) == parameters
    unused = [name for name, p in network.named_parameters() if not p.requires_grad]
    assert unused == ["down4.unused_slope", "down8.unused_slope", "down16.unused_slope"]


def test_macs_scale_with_the_area() -> None:
    small, large = (complexity(ESPNetv2(20, width=0.5), size).macs for size in ((64, 128), (128, 256)))
    assert large == pytest.approx(4 * small, rel=0.01)


def test_dilations_follow_the_receptive_limit() -> None:
    assert [blocks.branch_dilations(limit) for limit in (13, 9, 7, 5, 3)] == [
        (1, 2, 3, 4),
        (1, 2, 3, 4),
        (1, 1, 2, 3),
        (1, 1, 1, 2),
        (1, 1, 1, 1),
    ]


def test_branches_add_up_hierarchically() -> None:
    """Each branch alone, by hand: result i of the four is the sum of the convolutions 0..i."""
    core = blocks.EESPCore(16, 16, stride=1, receptive_limit=9).eval()
    seen: list[Tensor] = []
    core.merge.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    x = torch.randn(1, 16, 9, 11)
    with torch.no_grad():
        core(x)
        alone = [branch(core.project(x)) for branch in core.branches]
    for index, got in enumerate(seen[0].chunk(4, dim=1)):
        torch.testing.assert_close(got, sum(alone[: index + 1]))


def test_pyramid_views_are_at_least_five_wide_and_rounded_up() -> None:
    sides = {scale: blocks.scaled((16, 71), scale) for scale in blocks.PYRAMID_SCALES}
    assert sides == {2.0: (32, 142), 1.5: (24, 107), 1.0: (16, 71), 0.5: (8, 36), 0.1: (5, 8)}


def test_the_gate_weighs_each_channel_by_the_whole_picture() -> None:
    skip = blocks.GatedSkip(4, 2).eval()
    x = torch.randn(1, 4, 5, 6)
    weight = torch.sigmoid(skip.gate.weight[:, :, 0, 0] @ x.mean((2, 3))[0])
    torch.testing.assert_close(skip(x), skip.project(x) * weight.view(1, 2, 1, 1))


def test_a_released_file_loads_strictly_and_gives_its_outputs(release: tuple[Path, ESPNetv2]) -> None:
    path, network = release
    loaded = from_released_checkpoint(path).eval()
    image = torch.randn(1, 3, 48, 64)
    with torch.no_grad():
        assert torch.equal(loaded(image), network(image))
    assert (loaded.width, loaded.num_classes, loaded.pyramid_channels) == (0.5, 20, 10)


def test_other_classes_change_two_tensors_and_may_start_from_released_rows(release: tuple[Path, ESPNetv2]) -> None:
    path, network = release
    released = network.state_dict()
    fresh = from_released_checkpoint(path, num_classes=11)
    mapped = from_released_checkpoint(path, class_map=CAMVID_FROM_CITYSCAPES)
    partly = from_released_checkpoint(path, num_classes=3, class_map=(4, None, 4))
    for other in (fresh, mapped, partly):
        changed = [name for name, tensor in other.state_dict().items() if not torch.equal(tensor, released[name])]
        assert changed == ["classifier.weight", "classifier.bias"]
        assert other.pyramid_channels == 10
    assert fresh.num_classes == mapped.num_classes == 11
    rows = list(CAMVID_FROM_CITYSCAPES or ())
    assert torch.equal(mapped.classifier.weight, network.classifier.weight[rows])
    assert torch.equal(mapped.classifier.bias, network.classifier.bias[rows])
    assert torch.equal(partly.classifier.weight[[0, 2]], network.classifier.weight[[4, 4]])
    assert not torch.equal(partly.classifier.weight[1], network.classifier.weight[4])


def test_an_output_starts_from_a_released_one_or_fresh() -> None:
    assert output_sources(20, None, (10, 2, None)) == (10, 2, None)
    assert output_sources(20, 2, None) == (None, None)
    assert our_name("base_net.level4.6.proj_1x1.bn.running_var") == "stage16.6.project.1.running_var"


def test_an_encoder_starts_from_an_imagenet_classifier(release: tuple[Path, ESPNetv2], tmp_path: Path) -> None:
    path, network = release
    state = {name.removeprefix("base_net."): tensor for name, tensor in torch.load(path, weights_only=True).items()}
    encoder = {name: tensor for name, tensor in state.items() if name.startswith("level")}
    further = {
        "level5_0.act.weight": torch.zeros(8),
        "level5.3.conv.weight": torch.zeros(8),
        "classifier.bias": torch.zeros(9),
    }
    torch.save(encoder | further, tmp_path / "imagenet.pth")
    other = ESPNetv2(11, width=network.width)
    decoder = other.classifier.weight.clone()
    load_imagenet_encoder(other, tmp_path / "imagenet.pth")
    for name in ("stem.0.weight", "down8.core.branches.3.weight", "stage16.6.expand.1.running_var"):
        assert torch.equal(other.state_dict()[name], network.state_dict()[name]), name
    image = torch.rand(1, 3, 32, 48)
    assert all(map(torch.equal, other.eval().forward_features(image), network.eval().forward_features(image)))
    assert torch.equal(other.classifier.weight, decoder)


def test_an_imagenet_classifier_that_does_not_fit_is_refused(release: tuple[Path, ESPNetv2], tmp_path: Path) -> None:
    path, network = release
    state = {name.removeprefix("base_net."): tensor for name, tensor in torch.load(path, weights_only=True).items()}
    torch.save(state, tmp_path / "imagenet.pth")
    with pytest.raises(ValueError, match=r"does not fit an ESPNetv2 of width 2\.0"):
        load_imagenet_encoder(ESPNetv2(11, width=2.0), tmp_path / "imagenet.pth")
    del state["level1.bn.bias"]
    torch.save(state, tmp_path / "imagenet.pth")
    with pytest.raises(ValueError, match=r"does not fit[\s\S]*stem\.1\.bias"):
        load_imagenet_encoder(ESPNetv2(11, width=network.width), tmp_path / "imagenet.pth")
    with pytest.raises(
        ValueError, match=r"no checkpoint at .*absent.*_imagenet_\*\.pth file, or .*--encoder-weights none"
    ):
        load_imagenet_encoder(network, tmp_path / "absent.pth")


def test_a_file_that_is_no_release_is_refused(release: tuple[Path, ESPNetv2], tmp_path: Path) -> None:
    path, _ = release
    with pytest.raises(ValueError, match=r"no checkpoint at .*absent\.pth"):
        from_released_checkpoint(tmp_path / "absent.pth")
    garbage = tmp_path / "garbage.pth"
    garbage.write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match="no ESPNetv2 released for city"):
        from_released_checkpoint(garbage)
    torch.save({"weight": torch.zeros(3)}, garbage)
    with pytest.raises(ValueError, match="no ESPNetv2 released for city"):
        from_released_checkpoint(garbage)
    state = torch.load(path, weights_only=True)
    del state["base_net.level1.bn.bias"]
    torch.save(state, path)
    with pytest.raises(ValueError, match=r"incomplete or altered release[\s\S]*stem\.1\.bias[\s\S]*fetch it again"):
        from_released_checkpoint(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 2, "class_map": (1, 2, 3)}, "each of 2 classes, got 3"),
        ({"class_map": (1, 20)}, r"in 0\.\.19, or None \(fresh\), got \[20\]"),
        ({"class_map": (-1,)}, r"got \[-1\]"),
    ],
)
def test_class_maps_that_do_not_fit_are_refused(release: tuple[Path, ESPNetv2], options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_released_checkpoint(release[0], **options)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((11,), {"width": 1.2}, r"one of \[0\.5, 1\.0, 1\.5, 2\.0\], got 1\.2"),
        ((0,), {}, "at least 1 class, got 0"),
        ((11,), {"pyramid_channels": 0}, "pyramid_channels of 1 or more, got 0"),
    ],
)
def test_impossible_networks_are_refused(arguments: tuple, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ESPNetv2(*arguments, **options)


# Logits at row 20, column 30, of outputs 0, 4, 8, 12, 16, for the picture below: EdgeNets' own code (commit 8a69230)
# with its released weights, PyTorch 2.14 on a CPU.
RELEASED_LOGITS = {
    "espnetv2_s_0.5_city_512x256.pth": (2.9508, -7.3292, -8.5667, 6.3616, 3.5501),
    "espnetv2_s_1.0_city_512x256.pth": (4.9106, -3.6980, -5.4088, -3.8879, 2.1209),
    "espnetv2_s_2.0_city_512x256.pth": (-3.2017, -1.3946, -0.2410, 7.5889, -5.2290),
    "espnetv2_s_2.0_city_1024x512.pth": (-6.0968, 6.8492, -3.9896, -0.3876, 7.5655),
}


@pytest.mark.parametrize("name", RELEASED_LOGITS)
def test_released_weights_give_the_released_networks_outputs(real_data: Path, name: str) -> None:
    network = from_released_checkpoint(real_data / WEIGHTS / name).eval()
    network.normalise = torch.nn.Identity()  # EdgeNets' network takes the picture as it is
    image = torch.sin(torch.arange(3 * 64 * 96) * 0.01).view(1, 3, 64, 96)
    with torch.no_grad():
        got = network(image)[0, ::4, 20, 30]
    torch.testing.assert_close(got, torch.tensor(RELEASED_LOGITS[name]), rtol=0, atol=2e-3)


def test_the_unused_slopes_were_never_applied_in_the_release(real_data: Path) -> None:
    """Weight decay alone moved them: from 0.25 to 4e-13, all alike."""
    network = from_released_checkpoint(real_data / WEIGHTS / "espnetv2_s_2.0_city_1024x512.pth")
    for down in (network.down4, network.down8, network.down16):
        assert down.unused_slope.max() < 1e-12


@pytest.mark.slow
def test_a_real_street_is_understood(real_data: Path) -> None:
    """Cityscapes weights on CamVid, never seen: outputs of like meaning pooled into CamVid's classes."""
    network = from_released_checkpoint(real_data / WEIGHTS / "espnetv2_s_2.0_city_1024x512.pth").eval()
    meaning = torch.tensor([3, 4, 1, 1, 7, 2, 6, 6, 5, 5, 0, 9, 10, 8, 8, 8, 8, 10, 10, 11])
    confusion = np.zeros((11, 12), int)
    for path in sorted((real_data / "CamVid" / "val").glob("*.png"))[::12]:
        image = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)[None] / 255
        truth = np.array(Image.open(real_data / "CamVid" / "valannot" / path.name))
        with torch.no_grad():
            large = F.interpolate(image, (544, 720), mode="bilinear", align_corners=False)
            probs = F.interpolate(network(large), truth.shape, mode="bilinear").softmax(1)[0]
        pooled = torch.zeros(12, *truth.shape).index_add_(0, meaning, probs)
        known = truth < 11
        np.add.at(confusion, (truth[known], pooled.argmax(0).numpy()[known]), 1)
    hits = np.diag(confusion)
    iou = hits / (confusion.sum(1) + confusion[:, :11].sum(0) - hits)
    assert iou.mean() > 0.55
    assert min(iou[[0, 1, 3, 5]]) > 0.75  # sky, building, road, tree
