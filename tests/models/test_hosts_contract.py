"""One contract over every segmentation network of the dict: what ``models/base.py`` promises, each of them keeps."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from dsrl_lab.kernels import use_fast_kernels
from dsrl_lab.models import SEGMENTATION
from dsrl_lab.models.base import DensePredictor

CLASSES = 5
LIGHT = {"deeplabv3plus": "mobilenet_v2", "pspnet": "resnet18", "bisenet": "xception39"}  # encoders for small machines
WITH_AUXILIARY = {"pspnet": (8,), "bisenet": (16, 8)}  # strides of their auxiliary logits


def build(name: str) -> DensePredictor:
    """The host with its lightest encoder; hosts without a choice of encoder as they are."""
    options = {"encoder": LIGHT[name]} if name in LIGHT else {}
    return SEGMENTATION[name](CLASSES, **options)


def rounded_up(size: tuple[int, int], stride: int) -> tuple[int, int]:
    return -(-size[0] // stride), -(-size[1] // stride)


@pytest.fixture(scope="module", params=sorted(SEGMENTATION))
def host(request: pytest.FixtureRequest) -> DensePredictor:
    """One host in evaluation, shared by the tests that do not change it; statistics are those of real activations."""
    torch.manual_seed(0)
    model = build(request.param).train()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0
    with torch.no_grad():
        model(torch.randn(4, 3, 64, 64))
    return model.eval()


@pytest.mark.parametrize("size", [(64, 96), (65, 97), (47, 33)])
def test_any_size_is_served_and_every_announcement_is_true(host: DensePredictor, size: tuple[int, int]) -> None:
    image = torch.randn(2, 3, *size)
    with torch.inference_mode():
        features = host.forward_features(image)
        head = host.forward_head(features)
        output = host(image)
    assert [tuple(x.shape) for x in features] == [
        (2, channels, *rounded_up(size, stride))
        for channels, stride in zip(host.spec.feature_channels, host.spec.feature_strides, strict=True)
    ]
    assert list(host.spec.feature_strides) == sorted(host.spec.feature_strides)
    assert head.features.shape == (2, host.spec.head_channels, *rounded_up(size, host.spec.head_stride))
    assert head.logits.shape == (2, CLASSES, *rounded_up(size, host.spec.logits_stride))
    assert head.auxiliary == ()
    assert output.shape == (2, CLASSES, *size)
    assert output.isfinite().all()


def test_the_smallest_image_is_one_step_of_the_deepest_map(host: DensePredictor) -> None:
    side = host.spec.feature_strides[-1]
    with torch.inference_mode():
        assert host(torch.randn(1, 3, side, side)).shape == (1, CLASSES, side, side)


@pytest.mark.parametrize("shape", [(2, 4, 64, 64), (2, 1, 64, 64), (3, 64, 64)])
def test_what_is_no_rgb_batch_is_refused(host: DensePredictor, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected images \(N, 3, H, W\), got"):
        host(torch.zeros(shape))


def test_evaluation_is_deterministic_and_images_do_not_meet(host: DensePredictor) -> None:
    images = torch.randn(2, 3, 64, 80)
    exact = copy.deepcopy(host).double()
    with torch.inference_mode():
        assert torch.equal(host(images), host(images))
        together = exact(images.double())
        alone = torch.cat([exact(image[None].double()) for image in images])
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-9)


def test_channels_last_gives_the_same(host: DensePredictor) -> None:
    image = torch.randn(2, 3, 64, 80)
    turned = copy.deepcopy(host).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        expected = host(image)
        torch.testing.assert_close(
            turned(image.contiguous(memory_format=torch.channels_last)), expected, rtol=1e-3, atol=1e-3
        )


def test_the_fast_forms_of_its_layers_give_the_same(host: DensePredictor) -> None:
    image = torch.randn(2, 3, 64, 80)
    fast = use_fast_kernels(copy.deepcopy(host))
    with torch.inference_mode():
        torch.testing.assert_close(fast(image), host(image), rtol=1e-3, atol=1e-3)


def test_a_strict_round_trip_gives_the_same_bits(host: DensePredictor) -> None:
    name = next(name for name, kind in SEGMENTATION.items() if type(host) is kind)
    torch.manual_seed(1)
    other = build(name).eval()
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert not torch.equal(other(image), host(image))
        other.load_state_dict(host.state_dict(), strict=True)
        assert torch.equal(other(image), host(image))


@pytest.mark.parametrize("name", sorted(SEGMENTATION))
def test_every_parameter_gets_a_gradient_and_only_training_gives_auxiliary_logits(name: str) -> None:
    model = build(name).train()
    image = torch.randn(2, 3, 64, 96)
    head = model.forward_head(model.forward_features(image))
    strides = WITH_AUXILIARY.get(name, ())
    assert [tuple(x.shape) for x in head.auxiliary] == [(2, CLASSES, 64 // s, 96 // s) for s in strides]
    outputs = [head.logits, *head.auxiliary]
    sum((x * torch.randn_like(x)).sum() for x in outputs).backward()  # type: ignore[union-attr]
    learned = [(key, p) for key, p in model.named_parameters() if p.requires_grad]
    assert [key for key, p in learned if p.grad is None or not p.grad.abs().sum() > 0] == []


@pytest.mark.parametrize("name", sorted(SEGMENTATION))
def test_num_classes_is_the_only_positional_option(name: str) -> None:
    kinds = [p.kind for p in inspect.signature(SEGMENTATION[name]).parameters.values()]
    assert kinds[0] is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert set(kinds[1:]) <= {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("deeplabv3plus", "DeepLabv3Plus has resnet101, resnet50, mobilenet_v2"),
        ("pspnet", "PSPNet has resnet50, resnet101, resnet18"),
        ("bisenet", "BiSeNet has resnet18, xception39"),
    ],
)
def test_an_unknown_encoder_lists_the_names(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"unknown encoder 'vgg16'; {message}"):
        SEGMENTATION[name](CLASSES, encoder="vgg16")


def freeze_statistics(model: nn.Module) -> None:
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eval()


@pytest.mark.parametrize("name", ["deeplabv3plus", "pspnet", "bisenet"])
def test_training_on_one_image_says_what_to_do_and_that_helps(name: str) -> None:
    model = build(name).train()
    image = torch.randn(1, 3, 64, 64)
    with pytest.raises(ValueError, match=r"global pooling leaves one value per channel .* two images per batch"):
        model(image)
    model(image.expand(2, -1, -1, -1))
    freeze_statistics(model)
    assert model(image).shape == (1, CLASSES, 64, 64)


@pytest.mark.parametrize("name", ["deeplabv3plus", "pspnet", "bisenet", "dabnet"])
def test_training_on_one_position_says_what_to_do_and_that_helps(name: str) -> None:
    model = build(name).train()
    side = model.spec.feature_strides[-1]
    image = torch.randn(1, 3, side, side)
    with pytest.raises(ValueError, match=r"its deepest map has one position, and .* or freeze BatchNorm"):
        model(image)
    freeze_statistics(model)
    assert model(image).shape == (1, CLASSES, side, side)


@pytest.mark.parametrize("name", ["deeplabv3plus", "pspnet", "bisenet", "dabnet"])
def test_too_small_an_image_names_the_size_to_enlarge_to(name: str) -> None:
    model = build(name).eval()
    side = model.spec.feature_strides[-1]
    message = rf"needs sides of at least {side}, its deepest stride, got \(H, W\) = \({side - 1}, 40\); enlarge or pad"
    calls: tuple[Callable[[Tensor], object], ...] = (model, model.forward_features)
    for call in calls:
        with pytest.raises(ValueError, match=message + rf" the image to \({side}, 40\)"):
            call(torch.zeros(1, 3, side - 1, 40))
