"""HRNet: the published cost, the announced maps at any size, and a place in DSRL."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dsrl_lab.affinity import feature_affinity_loss
from dsrl_lab.complexity import complexity
from dsrl_lab.dsrl import DSRL, SubPixelHead
from dsrl_lab.losses import heatmap_loss, objective, reconstruction_loss
from dsrl_lab.models.pose import HRNet, flip_heatmaps, flip_test, gaussian_heatmaps
from dsrl_lab.models.pose.hrnet import Exchange

JOINTS = 4


def small() -> HRNet:
    return HRNet(JOINTS, width=8, modules=(1, 1, 1), blocks=1)


def with_statistics(model: nn.Module) -> nn.Module:
    """Uneven statistics, scales and shifts for BatchNorm, and heat-maps that are not almost zero."""
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None and layer.running_var is not None
            layer.running_mean.uniform_(-0.1, 0.1)
            layer.running_var.uniform_(0.5, 1.0)
            nn.init.uniform_(layer.weight, 0.8, 1.2)
            nn.init.uniform_(layer.bias, -0.1, 0.1)
        if isinstance(layer, HRNet):
            nn.init.normal_(layer.predict.weight, std=0.1)
    return model.eval()


@pytest.fixture(scope="module")
def network() -> HRNet:
    """A small net in evaluation, shared by the tests that do not change it."""
    torch.manual_seed(0)
    model = small()
    with_statistics(model)
    return model


def rounded_up(size: tuple[int, int], stride: int) -> tuple[int, int]:
    return -(-size[0] // stride), -(-size[1] // stride)


@pytest.fixture(scope="module")
def w32() -> HRNet:
    with torch.device("meta"):
        return HRNet(17)


@pytest.mark.parametrize(
    ("size", "macs"),
    [
        ((256, 192), 7.645),
        pytest.param((128, 96), 1.911, marks=pytest.mark.slow),
        pytest.param((384, 288), 17.20, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_parameters_and_multiply_adds_are_those_of_public_code(w32: HRNet, size: tuple[int, int], macs: float) -> None:
    cost = complexity(w32, size)
    assert cost.parameters / 1e6 == pytest.approx(28.54, rel=0.0005)
    assert cost.macs / 1e9 == pytest.approx(macs, rel=0.0005)


def test_the_stem_of_the_release_is_an_option() -> None:
    few: dict[str, Any] = {"modules": (1, 1, 1), "blocks": 1}
    with torch.device("meta"):
        by_width = [HRNet(17, width=width, **few).spec.feature_channels for width in (8, 18, 32, 48)]
        assert HRNet(17, width=18, stem_width=64, **few).spec.feature_channels == (256, 18, 36, 72, 144)
    assert by_width == [
        (64, 8, 16, 32, 64),
        (144, 18, 36, 72, 144),
        (256, 32, 64, 128, 256),
        (256, 48, 96, 192, 384),
    ]


@pytest.mark.parametrize("size", [(64, 96), (65, 97), (47, 33), (32, 32)])
def test_any_size_is_served_and_every_announcement_is_true(network: HRNet, size: tuple[int, int]) -> None:
    image = torch.randn(2, 3, *size)
    with torch.inference_mode():
        features = network.forward_features(network.normalise(image))
        head = network.forward_head(features)
        output = network(image)
    assert [tuple(x.shape) for x in features] == [
        (2, channels, *rounded_up(size, stride))
        for channels, stride in zip(network.spec.feature_channels, network.spec.feature_strides, strict=True)
    ]
    assert head.features.shape == (2, network.spec.head_channels, *rounded_up(size, network.spec.head_stride))
    assert head.logits.shape == (2, JOINTS, *rounded_up(size, network.spec.logits_stride))
    assert head.auxiliary == ()
    assert output.shape[-2:] == network.output_size(size) == rounded_up(size, 4)
    assert torch.equal(output, head.logits)


def test_an_exchange_adds_up_every_branch_by_hand() -> None:
    exchange = Exchange((2, 4, 8)).eval()
    maps = torch.randn(1, 2, 7, 5), torch.randn(1, 4, 4, 3), torch.randn(1, 8, 2, 2)
    with torch.inference_mode():
        fine, middle, coarse = exchange(maps)
        to_fine, to_middle, to_coarse = (list(paths) for paths in exchange.paths)  # type: ignore[arg-type]
        # Nearest enlargement of 4 rows to 7 repeats rows 0, 0, 1, 1, 2, 2, 3; of 3 columns to 5: 0, 0, 1, 1, 2.
        from_middle = to_fine[1](maps[1])[:, :, [0, 0, 1, 1, 2, 2, 3]][..., [0, 0, 1, 1, 2]]
        from_coarse = to_fine[2](maps[2])[:, :, [0, 0, 0, 0, 1, 1, 1]][..., [0, 0, 0, 1, 1]]
        torch.testing.assert_close(fine, (maps[0] + from_middle + from_coarse).relu())
        from_coarse = to_middle[2](maps[2])[:, :, [0, 0, 1, 1]][..., [0, 0, 1]]
        torch.testing.assert_close(middle, (to_middle[0](maps[0]) + maps[1] + from_coarse).relu())
        torch.testing.assert_close(coarse, (to_coarse[0](maps[0]) + to_coarse[1](maps[1]) + maps[2]).relu())
    assert [len(path) for path in (to_coarse[0], to_coarse[1])] == [2, 1]  # one convolution per halving


def test_evaluation_is_deterministic_and_images_do_not_meet(network: HRNet) -> None:
    images = torch.randn(2, 3, 48, 40)
    exact = copy.deepcopy(network).double()
    with torch.inference_mode():
        assert torch.equal(network(images), network(images))
        together = exact(images.double())
        alone = torch.cat([exact(image[None].double()) for image in images])
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-9)


def test_a_strict_round_trip_gives_the_same_bits(network: HRNet) -> None:
    other = small().eval()
    image = torch.randn(1, 3, 32, 48)
    with torch.inference_mode():
        assert not torch.equal(other(image), network(image))
        other.load_state_dict(network.state_dict(), strict=True)
        assert torch.equal(other(image), network(image))


def test_the_flip_test_makes_the_net_blind_to_mirrors(network: HRNet) -> None:
    image, pairs = torch.randn(1, 3, 32, 48), [(0, 3)]
    with torch.inference_mode():
        expected = flip_heatmaps(flip_test(network, image, pairs), pairs)
        assert torch.equal(flip_test(network, image.flip(-1), pairs), expected)


def test_heat_maps_start_near_zero_and_every_parameter_gets_a_gradient() -> None:
    model = HRNet(JOINTS, width=8, modules=(1, 2, 2), blocks=1).train()
    output = model(torch.randn(2, 3, 64, 64))
    assert output.abs().max() < 0.1
    (output * torch.randn_like(output)).sum().backward()
    assert [key for key, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


@pytest.mark.parametrize("head", ["sub_pixel", "bilinear"])
def test_a_step_of_the_whole_objective_moves_every_parameter(head: str) -> None:
    host = small()
    sssr = SubPixelHead(host, factor=2) if head == "sub_pixel" else head
    dsrl = DSRL(host, sssr=sssr).train()
    low_res, high_res = torch.randn(2, 3, 64, 48), torch.rand(2, 3, 128, 96)
    visible = torch.ones(2, JOINTS)
    joints = torch.rand(2, JOINTS, 2) * 96
    before = {key: p.detach().clone() for key, p in dsrl.named_parameters()}
    optimizer = torch.optim.SGD(dsrl.parameters(), lr=100)  # far: gradients before a normalisation are tiny

    for _ in range(2 if head == "sub_pixel" else 1):  # the head's first layer waits for its last one, which is zero
        output = dsrl(low_res)
        assert output.logits.shape == (2, JOINTS, 32, 24)
        assert output.super_res is not None and output.super_res.shape == high_res.shape
        assert output.task_features is not None and output.sisr_features is not None
        assert output.task_features.shape == output.sisr_features.shape == (2, 32, 16, 12)
        target = gaussian_heatmaps(joints, visible, image_size=(128, 96), size=(32, 24), sigma=2.0)
        affinity = feature_affinity_loss(output.task_features, output.sisr_features)
        terms = objective(
            heatmap_loss(output.logits, target, visible), reconstruction_loss(output.super_res, high_res), affinity
        )
        assert min(terms.task, terms.sisr, terms.affinity) > 0
        optimizer.zero_grad()
        terms.total.backward()
        optimizer.step()
    assert [key for key, p in dsrl.named_parameters() if torch.equal(p, before[key])] == []


def test_without_sisr_the_heat_maps_are_the_same_bits_and_bilinear_ones_cost_nothing() -> None:
    dsrl = DSRL(small(), sssr="bilinear")
    with_statistics(dsrl)
    image = torch.randn(1, 3, 33, 47)
    with torch.inference_mode():
        output = dsrl(image)
        assert output.logits.shape == (1, JOINTS, 18, 24)
        assert torch.equal(dsrl.task_model(image), output.logits)
    assert not [key for key in dsrl.task_model.state_dict() if "sisr" in key or "transform" in key]
    assert complexity(dsrl.task_model, (32, 32)).macs == complexity(small(), (32, 32)).macs


def test_super_resolution_trains_the_branches_and_leaves_only_their_meeting_alone() -> None:
    dsrl = DSRL(small(), sssr=None, affinity=False).train()
    output = dsrl(torch.randn(2, 3, 64, 64))
    assert output.super_res is not None
    (output.super_res * torch.randn_like(output.super_res)).sum().backward()
    reached = {key.split(".")[0] for key, p in dsrl.task_model.named_parameters() if p.grad is not None}
    assert reached >= {"stem", "stage1", "stage2", "stage3", "stage4"}
    assert not reached & {"gather", "predict"}


@pytest.mark.parametrize("shape", [(2, 4, 64, 64), (2, 1, 64, 64), (3, 64, 64)])
def test_what_is_no_rgb_batch_is_refused(network: HRNet, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected images \(N, 3, H, W\), got"):
        network(torch.zeros(shape))


def test_too_small_an_image_names_the_size_to_enlarge_to(network: HRNet) -> None:
    message = r"needs sides of at least 32, its deepest stride, got \(H, W\) = \(31, 40\); enlarge .* to \(32, 40\)"
    with pytest.raises(ValueError, match=message):
        network(torch.zeros(1, 3, 31, 40))


def test_training_on_one_position_says_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"its deepest map has one position, and .* or freeze BatchNorm"):
        small().train()(torch.zeros(1, 3, 32, 32))


@pytest.mark.parametrize(
    ("num_classes", "width", "blocks", "stem_width"), [(0, 8, 1, None), (4, 0, 1, None), (4, 8, 0, None), (4, 8, 1, 0)]
)
def test_arguments_must_be_positive(num_classes: int, width: int, blocks: int, stem_width: int | None) -> None:
    with pytest.raises(ValueError, match="expected positive num_classes, width, blocks and stem_width, got"):
        HRNet(num_classes, width=width, blocks=blocks, stem_width=stem_width)


@pytest.mark.parametrize("modules", [(1, 1), (1, 1, 1, 1), (1, 0, 1)])
def test_modules_must_be_three_and_positive(modules: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected three positive numbers of modules, .* HRNet-W32 has \(1, 4, 3\)"):
        HRNet(JOINTS, width=8, modules=modules)


def assert_agree(actual: Tensor, expected: Tensor) -> None:
    """Agree to 1e-4, and to 1e-4 of the largest value, so that small ones do not agree by being small."""
    assert expected.std(dim=(0, 2, 3)).min() > 1e-3
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-4 * min(float(expected.abs().max()), 1.0))


@pytest.mark.slow
def test_torch_export_agrees() -> None:
    model = with_statistics(small())
    program = torch.export.export(model, (torch.randn(1, 3, 65, 49),))
    other = torch.randn(1, 3, 65, 49)
    with torch.inference_mode():
        assert_agree(program.module()(other), model(other))


@pytest.mark.slow
def test_onnxruntime_agrees_on_the_deployed_network(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="install the extra: pip install -e '.[export]'")
    model = with_statistics(DSRL(small(), sssr="bilinear")).get_submodule("task_model")
    path = tmp_path / "deployed.onnx"
    torch.onnx.export(model, (torch.randn(1, 3, 64, 48),), path, dynamo=True, verbose=False, input_names=["image"])
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    other = torch.randn(1, 3, 64, 48)
    with torch.inference_mode():
        expected = model(other)
    assert expected.shape == (1, JOINTS, 32, 24)
    (heatmaps,) = session.run(None, {"image": other.numpy()})
    assert_agree(torch.from_numpy(heatmaps), expected)
