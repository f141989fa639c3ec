"""DSRL: shapes, deployment without a trace of the training-only half, and what each part reaches."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from dsrl_lab.complexity import complexity
from dsrl_lab.dsrl import DSRL, SSSR_HEADS, DeconvolutionHead, FeatureTransform, SISRHead, SubPixelHead
from dsrl_lab.layers import resize
from dsrl_lab.models import POSE, SEGMENTATION
from dsrl_lab.models.segmentation.espnetv2 import ESPNetv2
from dsrl_lab.training.build import build_dsrl
from dsrl_lab.training.config import NetworkConfig


def host() -> ESPNetv2:
    return ESPNetv2(5, width=0.5, pyramid_channels=4)


def full(**options: object) -> DSRL:
    return DSRL(host(), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("sssr", sorted(SSSR_HEADS))
@pytest.mark.parametrize("size", [(32, 48), (45, 61)])
def test_output_is_twice_the_input(sssr: str, size: tuple[int, int]) -> None:
    output = full(sssr=sssr).eval()(torch.randn(1, 3, *size))
    high = (2 * size[0], 2 * size[1])
    assert output.logits.shape == (1, 5, *high)
    assert output.super_res.shape == (1, 3, *high)
    assert output.task_features.shape[-2:] == output.sisr_features.shape[-2:] == (-(-high[0] // 8), -(-high[1] // 8))


@pytest.mark.parametrize("sssr", [*sorted(SSSR_HEADS), None])
def test_deployed_logits_equal_bit_for_bit(sssr: str | None) -> None:
    dsrl, image = full(sssr=sssr).eval(), torch.randn(2, 3, 40, 56)
    with torch.no_grad():
        assert torch.equal(dsrl(image).logits, dsrl.task_model(image))


@pytest.mark.parametrize("name", sorted(SEGMENTATION | POSE))
@pytest.mark.parametrize("sssr", sorted(SSSR_HEADS))
def test_a_wrapper_announces_all_that_its_host_announces(name: str, sssr: str) -> None:
    with torch.device("meta"):
        plain = (SEGMENTATION | POSE)[name](5)
        plain.spec = replace(plain.spec, align_corners=True, size_divisor=3)  # no defaults
        task_model = DSRL(plain, sssr=sssr, sisr=False, affinity=False).task_model
    for field in fields(plain.spec):
        if field.name != "class_layers":
            assert getattr(task_model.spec, field.name) == getattr(plain.spec, field.name), field.name
    assert plain.spec.class_layers
    inner, outer = ([m.get_submodule(n) for n in m.spec.class_layers] for m in (plain, task_model))
    assert all(a is b for a, b in zip(inner, outer, strict=True))


@pytest.mark.parametrize("sssr", [None, *sorted(SSSR_HEADS)])
def test_every_row_resizes_logits_by_the_convention_that_the_network_is_built_with(sssr: str | None) -> None:
    network = NetworkConfig(host="espnetv2", num_classes=5, host_options={"width": 0.5}, sssr=sssr)
    image, seen = torch.randn(1, 3, 45, 61), []
    for align_corners in (False, True):
        task_model = build_dsrl(replace(network, align_corners=align_corners)).task_model.eval()
        assert task_model.spec.align_corners is align_corners
        with torch.no_grad():
            seen.append(task_model(image))
    assert not torch.equal(*seen)


def test_sisr_from_the_deepest_map_alone_is_cut_and_not_squeezed() -> None:
    head = SISRHead(host(), width=4, fuse=False).eval()
    features = tuple(torch.randn(1, c, s, s) for c, s in zip((16, 32, 64, 128), (21, 11, 6, 3), strict=True))
    image, taught = head(features)
    assert image.shape == (1, 3, 84, 84) and taught.shape == (1, 4, 21, 21)
    inside = head(tuple(x[..., :-1] if x.shape[-1] == 21 else x for x in features))[1]
    torch.testing.assert_close(inside[..., :18], taught[..., :18])  # a column less at the border moves nothing else


def test_deployed_network_holds_nothing_of_sisr_or_transform() -> None:
    dsrl = full()
    kept = {id(parameter) for parameter in dsrl.task_model.parameters()}
    left_behind = [*dsrl.sisr_head.parameters(), *dsrl.transform.parameters()]
    assert left_behind and not any(id(parameter) in kept for parameter in left_behind)
    assert not any(isinstance(module, SISRHead | FeatureTransform) for module in dsrl.task_model.modules())


def test_deployed_macs_are_those_of_the_host_and_its_head() -> None:
    size = (64, 96)
    plain = complexity(host(), input_size=size).macs
    assert complexity(full(sssr=None).task_model, input_size=size).macs == plain
    assert complexity(full(sssr="bilinear").task_model, input_size=size).macs == plain
    assert complexity(full(sssr="normalised").task_model, input_size=size).macs == plain
    # two transposed 3x3 convolutions K -> K, one product per input position and tap: at 1/2 and at 1/1 of the input
    by_hand = 9 * 5 * 5 * (32 * 48 + 64 * 96)
    assert complexity(full(sssr="deconvolution").task_model, input_size=size).macs == plain + by_hand


def test_the_depthwise_head_costs_a_class_less_each_and_starts_bilinear() -> None:
    size, network = (64, 96), host()
    plain = complexity(network, input_size=size).macs
    head = full(sssr="depthwise").task_model
    assert complexity(head, input_size=size).macs == plain + 9 * 5 * (32 * 48 + 64 * 96)
    ramp = torch.arange(6.0).expand(1, 5, 6, 6).clone()
    doubled = head.sssr_head.blocks[0][0](ramp)
    between = (torch.arange(11.0) / 2).expand(5, 11)  # the twelfth column has no right neighbour
    torch.testing.assert_close(doubled[0, :, 2, :11], between)
    ramp[:, 1:] = 0
    assert not head.sssr_head.blocks[0][0](ramp)[:, 1:].any()


def test_the_official_head_costs_what_the_paper_hides() -> None:
    """589.82 M MACs on ESPNetv2 s = 2.0 with 20 outputs at 256x512: counted by hand in the reference notes."""
    network = ESPNetv2(20, width=2.0)
    dsrl = DSRL(network, sisr=False, affinity=False)
    plain = complexity(network, input_size=(256, 512)).macs
    with_head = complexity(dsrl.task_model, input_size=(256, 512)).macs
    assert with_head - plain == pytest.approx(589.82e6, rel=1e-4)
    assert sum(parameter.numel() for parameter in dsrl.task_model.sssr_head.parameters()) == 7_320


def test_every_parameter_learns_from_the_whole_objective() -> None:
    dsrl = full(sssr="deconvolution").train()
    output = dsrl(torch.randn(2, 3, 32, 48))
    loss = output.logits.square().mean() + output.super_res.square().mean()
    (loss + (output.task_features * output.sisr_features).mean()).backward()
    without = [
        name
        for name, parameter in dsrl.named_parameters()
        if "unused_slope" not in name and (parameter.grad is None or not parameter.grad.abs().sum() > 0)
    ]
    assert not without


def test_the_sub_pixel_head_starts_from_the_hosts_own_prediction() -> None:
    network = host()
    image = torch.randn(1, 3, 32, 48)
    plain = DSRL(network, sssr="bilinear", sisr=False, affinity=False).eval()
    cheap = DSRL(network, sssr="sub_pixel", sisr=False, affinity=False).eval()
    with torch.no_grad():
        assert torch.allclose(cheap(image).logits, plain(image).logits, atol=1e-6)


def test_a_residual_branch_starts_from_bilinear_enlargement_and_learns() -> None:
    shared = host()
    dsrl = DSRL(shared, sisr=SISRHead(shared, width=8, residual=True)).train()
    image = torch.rand(2, 3, 32, 48)
    super_res = dsrl(image).super_res
    torch.testing.assert_close(super_res, resize(image, (64, 96)))
    F.mse_loss(super_res, torch.rand(2, 3, 64, 96)).backward()
    last = dsrl.sisr_head.predict[0]
    assert float(last.weight.grad.abs().sum()) > 0 and float(last.bias.grad.abs().sum()) > 0


def test_detached_affinity_does_not_reach_the_sisr_head() -> None:
    for detach in (False, True):
        dsrl = full(detach_sisr=detach).train()
        output = dsrl(torch.randn(2, 3, 32, 48))
        (output.task_features * output.sisr_features).mean().backward()
        reached = any(p.grad is not None and p.grad.abs().sum() > 0 for p in dsrl.sisr_head.parameters())
        assert reached is not detach


def test_without_the_feature_transform_affinity_compares_the_host_s_own_features() -> None:
    dsrl, image = full(feature_transform=False).eval(), torch.rand(2, 3, 32, 48)
    host_, with_it = dsrl.task_model, full()
    own = host_.forward_head(host_.forward_features(host_.normalise(image))).features
    torch.testing.assert_close(dsrl(image).task_features, F.adaptive_avg_pool2d(own, (8, 12)))
    missing = with_it.state_dict().keys() - dsrl.state_dict().keys()
    assert missing and all(name.startswith("transform.") for name in missing)


def test_strict_round_trip() -> None:
    one, other, image = full().eval(), full().eval(), torch.randn(1, 3, 32, 32)
    other.load_state_dict(one.state_dict(), strict=True)
    with torch.no_grad():
        assert torch.equal(one(image).logits, other(image).logits)


def test_the_same_type_in_training_and_evaluation_whatever_the_parts() -> None:
    image = torch.randn(2, 3, 32, 32)
    bare = DSRL(host(), sssr=None, sisr=False, affinity=False)
    assert type(bare.train()(image)) is type(bare.eval()(image)) is type(full().eval()(image))
    assert bare(image).super_res is None and bare(image).task_features is None


def test_a_head_and_a_branch_of_ones_own_are_taken() -> None:
    network = host()
    head, branch = SubPixelHead(network, width=4, factor=2), SISRHead(network, width=8, fuse=False)
    dsrl = DSRL(network, sssr=head, sisr=branch)
    output = dsrl.eval()(torch.randn(1, 3, 32, 48))
    assert dsrl.task_model.sssr_head is head and dsrl.sisr_head is branch
    assert output.logits.shape[-2:] == output.super_res.shape[-2:] == (64, 96)
    assert output.sisr_features.shape[1] == output.task_features.shape[1] == 8


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match=r"unknown SSSR head 'deconv'.*sub_pixel"):
        full(sssr="deconv")
    with pytest.raises(ValueError, match="pass sisr=True"):
        full(sisr=False)
    with pytest.raises(ValueError, match="power of two"):
        DeconvolutionHead(host(), upscale_factor=3)
    with pytest.raises(ValueError, match="add a batch axis, or take RGB"):
        full()(torch.zeros(3, 32, 32))


def test_a_pose_like_host_keeps_its_own_output_stride() -> None:
    network = host()
    network.spec = replace(network.spec, output_stride=4)
    dsrl = DSRL(network, sssr="sub_pixel", sisr=False, affinity=False).eval()
    assert dsrl(torch.randn(1, 3, 64, 48)).logits.shape == (1, 5, 32, 24)


def test_batch_norm_of_the_host_survives_the_wrapping() -> None:
    dsrl = full().train()
    assert all(m.training for m in dsrl.modules() if isinstance(m, nn.BatchNorm2d))


def test_no_sisr_is_said_by_none_as_well() -> None:
    with pytest.raises(ValueError, match="pass sisr=True, or affinity=False"):
        full(sisr=None)
    assert full(sisr=None, affinity=False).sisr_head is None


@pytest.mark.parametrize("options", [{"affinity_stride": 0}, {"upscale_factor": 0}])
def test_a_factor_or_stride_below_one_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected factor and stride from 1"):
        full(**options)


def test_what_is_no_host_is_refused_by_name() -> None:
    for stranger in (
        nn.Conv2d(3, 5, 1),
        torchvision.models.segmentation.lraspp_mobilenet_v3_large(weights_backbone=None),
    ):
        with pytest.raises(ValueError, match=f"expected a DensePredictor with a spec, got {type(stranger).__name__}"):
            DSRL(stranger)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"feature_channels": (32, 64, 128, 99)},
        {"feature_strides": (1, 4, 8, 16)},
        {"feature_channels": (32, 64, 128), "feature_strides": (2, 4, 8)},
        {"head_stride": 4},
    ],
)
def test_a_host_whose_maps_are_not_as_announced_is_refused(wrong: dict[str, tuple[int, ...]]) -> None:
    plain = host()
    plain.spec = replace(plain.spec, **wrong)  # type: ignore[arg-type]
    dsrl = DSRL(plain, sssr=None, sisr=False, affinity=False).eval()
    with pytest.raises(ValueError, match="as the spec of ESPNetv2 says"):
        dsrl(torch.zeros(1, 3, 64, 96))


def test_a_wrapper_refuses_what_its_host_refuses() -> None:
    plain = host()
    plain.spec = replace(plain.spec, size_divisor=32)
    for network in (plain, DSRL(plain)):
        with pytest.raises(ValueError, match="ESPNetv2 needs sides that are multiples of 32"):
            network(torch.zeros(1, 3, 40, 64))


def test_images_of_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected images of floats in \[0, 1\], got torch.uint8; divide them by 255"):
        full()(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))


def test_positions_of_coarse_maps_are_compared_once() -> None:
    coarse = SEGMENTATION["bisenet"](5)  # both maps at 1/8 of the input: 1/16 of the output
    output = DSRL(coarse).eval()(torch.rand(1, 3, 64, 96))
    assert output.task_features.shape[-2:] == output.sisr_features.shape[-2:]
    assert len(output.task_features[0].flatten(1).unique(dim=1).T) == output.task_features[0, 0].numel()


def test_building_leaves_every_devices_random_numbers_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    touched: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", touched.append)
    before = torch.get_rng_state()
    build_dsrl(NetworkConfig(host="tinynet", num_classes=5), seed=7)
    assert not touched and torch.equal(torch.get_rng_state(), before)
