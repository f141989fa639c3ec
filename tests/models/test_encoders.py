"""Encoders against torchvision's own networks, and the door through which torchvision's weights come in."""

from __future__ import annotations

import hashlib
import shutil
import socket
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
import torchvision
from torch import nn

from dsrl_lab.models.encoders import Encoder, MobileNetV2Encoder, ResNetEncoder, load_torchvision_weights
from dsrl_lab.models.segmentation.bisenet import Xception39Encoder


def build(name: str, output_stride: int = 32) -> Encoder:
    if name == "mobilenet_v2":
        return MobileNetV2Encoder(output_stride=output_stride)
    return ResNetEncoder(name, output_stride=output_stride)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def dilations(stage: nn.Module) -> list[int]:
    return [m.dilation[0] for m in stage.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]


@pytest.fixture(scope="module")
def mobilenet_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as torchvision publishes it: the state of the whole network, eight digits of its digest in the name."""
    torch.manual_seed(1)
    state = torchvision.models.mobilenet_v2().state_dict()
    for key, value in state.items():  # so that statistics matter to the outputs
        if key.endswith("running_mean"):
            value.normal_()
    path = tmp_path_factory.mktemp("weights") / "mobilenet_v2.pth"
    torch.save(state, path)
    return path.rename(path.with_name(f"mobilenet_v2-{digest(path)[:8]}.pth"))


@pytest.mark.parametrize("output_stride", [8, 16, 32])
@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnet101", "mobilenet_v2"])
@pytest.mark.parametrize("size", [(64, 96), (65, 43)])
def test_announced_channels_and_strides_are_true(name: str, output_stride: int, size: tuple[int, int]) -> None:
    with torch.device("meta"):
        encoder = build(name, output_stride)
        maps = encoder(torch.zeros(2, 3, *size))
    assert encoder.strides[-1] == output_stride
    assert list(encoder.strides) == sorted(encoder.strides)
    height, width = size
    assert [tuple(x.shape) for x in maps] == [
        (2, channels, -(-height // stride), -(-width // stride))
        for channels, stride in zip(encoder.channels, encoder.strides, strict=True)
    ]


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnet101", "mobilenet_v2"])
def test_parameters_are_torchvisions_without_what_is_left_out(name: str) -> None:
    # num_params of torchvision's own record; the classifier has 1000 classes.
    published = torchvision.models.get_model_weights(name).IMAGENET1K_V1.meta["num_params"]
    with torch.device("meta"):
        encoder = build(name)
    left_out = {
        "resnet18": 512 * 1000 + 1000,
        "resnet50": 2048 * 1000 + 1000,
        "resnet101": 2048 * 1000 + 1000,
        "mobilenet_v2": 1280 * 1000 + 1000 + 320 * 1280 + 2 * 1280,
    }[name]
    assert sum(p.numel() for p in encoder.parameters()) == published - left_out


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_resnet_computes_what_torchvisions_does(name: str) -> None:
    network = torchvision.models.get_model(name).eval()
    encoder = build(name).eval()
    encoder.load_state_dict({k: v for k, v in network.state_dict().items() if not k.startswith("fc.")})
    image = torch.randn(1, 3, 64, 43)
    with torch.inference_mode():
        x = network.maxpool(network.relu(network.bn1(network.conv1(image))))
        for ours, stage in zip(encoder(image), ("layer1", "layer2", "layer3", "layer4"), strict=True):
            x = getattr(network, stage)(x)
            torch.testing.assert_close(ours, x, rtol=0, atol=0)


def test_dilated_resnet_agrees_with_torchvisions_away_from_its_first_dilated_convolution() -> None:
    # torchvision leaves the first convolution of a dilated stage undilated, DeepLab and PSPNet do not: the stage at
    # stride 8 is equal, the next one differs; with that one convolution set alike it is equal too.
    network = torchvision.models.resnet50(replace_stride_with_dilation=[False, False, True]).eval()
    encoder = ResNetEncoder("resnet50", output_stride=16).eval()
    encoder.load_state_dict({k: v for k, v in network.state_dict().items() if not k.startswith("fc.")})
    assert dilations(encoder.layer4) == [2, 2, 2]
    first = encoder.layer4.get_submodule("0.conv2")
    assert isinstance(first, nn.Conv2d)
    first.dilation = first.padding = (1, 1)
    image = torch.randn(1, 3, 64, 64)
    x = network.maxpool(network.relu(network.bn1(network.conv1(image))))
    expected = network.layer4(network.layer3(network.layer2(network.layer1(x))))
    torch.testing.assert_close(encoder(image)[-1], expected, rtol=0, atol=0)


def test_multi_grid_multiplies_the_last_stages_dilation() -> None:
    encoder = ResNetEncoder("resnet50", output_stride=16, multi_grid=(1, 2, 4))
    assert dilations(encoder.layer4) == [2, 4, 8]
    assert set(dilations(encoder.layer3)) == {1}
    with torch.device("meta"):
        finer = ResNetEncoder("resnet50", output_stride=8, multi_grid=(1, 2, 4))
    assert dilations(finer.layer4) == [4, 8, 16]
    assert set(dilations(finer.layer3)) == {2}


@pytest.mark.parametrize("output_stride", [8, 16])
def test_dilated_mobilenet_computes_the_strided_ones_values_at_more_positions(output_stride: int) -> None:
    strided, dilated = MobileNetV2Encoder().eval(), MobileNetV2Encoder(output_stride=output_stride).eval()
    dilated.load_state_dict(strided.state_dict())
    image = torch.randn(1, 3, 128, 96)
    step = 32 // output_stride
    with torch.inference_mode():
        coarse, fine = strided(image)[-1], dilated(image)[-1]
    assert fine.shape[-1] == step * coarse.shape[-1]
    torch.testing.assert_close(fine[..., ::step, ::step], coarse, rtol=1e-4, atol=1e-6)


def test_deep_stem_has_three_small_convolutions() -> None:
    with torch.device("meta"):
        encoder = ResNetEncoder("resnet50", deep_stem=True)
        shapes = [tuple(m.weight.shape) for m in encoder.conv1.modules() if isinstance(m, nn.Conv2d)]
    assert shapes == [(64, 3, 3, 3), (64, 64, 3, 3), (128, 64, 3, 3)]


def test_no_constructor_touches_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a constructor opened a connection")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(AssertionError, match="opened"):
        socket.create_connection(("localhost", 9))
    ResNetEncoder("resnet18")
    MobileNetV2Encoder()
    Xception39Encoder()


@pytest.mark.parametrize("name", ["resnet34", "ResNet18", ""])
def test_unknown_resnet_lists_the_names(name: str) -> None:
    with pytest.raises(ValueError, match="known are resnet18, resnet50, resnet101"):
        ResNetEncoder(name)


def test_output_stride_and_multi_grid_are_checked() -> None:
    with pytest.raises(ValueError, match=r"one of \(8, 16, 32\), got 4"):
        MobileNetV2Encoder(output_stride=4)
    with pytest.raises(ValueError, match=r"one of \(8, 16, 32\), got 64"):
        ResNetEncoder("resnet18", output_stride=64)
    with pytest.raises(ValueError, match=r"needs 2 factors, one per block of resnet18's last stage, got \(1, 2, 4\)"):
        ResNetEncoder("resnet18", multi_grid=(1, 2, 4))


def test_weights_from_a_path_give_torchvisions_values(mobilenet_file: Path) -> None:
    network = torchvision.models.mobilenet_v2().eval()
    network.load_state_dict(torch.load(mobilenet_file))
    encoder = MobileNetV2Encoder().eval()
    image = torch.randn(1, 3, 64, 64)
    for sha256 in (None, digest(mobilenet_file), digest(mobilenet_file)[:10].upper()):
        nn.init.zeros_(encoder.features[0][0].weight)
        load_torchvision_weights(encoder, mobilenet_file, sha256=sha256)
        with torch.inference_mode():
            torch.testing.assert_close(encoder(image)[-1], network.features[:18](image), rtol=0, atol=0)


def test_weights_by_name_are_downloaded_once_and_verified(
    mobilenet_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def download(url: str, destination: str, *, hash_prefix: str, progress: bool) -> None:
        asked.append((url.rpartition("/")[2], hash_prefix))
        shutil.copyfile(mobilenet_file, destination)

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    encoder = MobileNetV2Encoder()
    # The published digest is not that of our file: what came is refused, and its weights stay outside.
    before = encoder.features[0][0].weight.clone()
    with pytest.raises(ValueError, match=r"has SHA-256 [0-9a-f]{64}, expected b0353104; delete the file"):
        load_torchvision_weights(encoder, "IMAGENET1K_V1")
    assert torch.equal(encoder.features[0][0].weight, before)
    load_torchvision_weights(encoder, "IMAGENET1K_V1", sha256=digest(mobilenet_file))
    assert not torch.equal(encoder.features[0][0].weight, before)
    assert asked == [("mobilenet_v2-b0353104.pth", "b0353104")]


def test_a_failed_download_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    message = r"could not fetch .*mobilenet_v2-7ebf99e0\.pth \(.*no route to host.*pass its path"
    with pytest.raises(ValueError, match=message):
        load_torchvision_weights(MobileNetV2Encoder(), "IMAGENET1K_V2")


def test_a_changed_file_is_refused(mobilenet_file: Path, tmp_path: Path) -> None:
    changed = tmp_path / mobilenet_file.name
    content = bytearray(mobilenet_file.read_bytes())
    content[len(content) // 2] ^= 1
    changed.write_bytes(content)
    with pytest.raises(ValueError, match=f"expected {digest(mobilenet_file)[:8]}; delete the file"):
        load_torchvision_weights(MobileNetV2Encoder(), changed)


@pytest.mark.parametrize("sha256", [None, "", "abc", "z" * 64])
def test_a_file_without_digest_is_refused(mobilenet_file: Path, tmp_path: Path, sha256: str | None) -> None:
    nameless = tmp_path / "weights.pth"
    shutil.copyfile(mobilenet_file, nameless)
    with pytest.raises(
        ValueError, match=r"no SHA-256 to verify weights\.pth with: expected 8 to 64 hexadecimal digits"
    ):
        load_torchvision_weights(MobileNetV2Encoder(), nameless, sha256=sha256)


def test_weights_of_another_network_are_refused(mobilenet_file: Path, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG" + bytes(1000))
    with pytest.raises(ValueError, match=r"picture\.png does not hold torchvision's weights of resnet18"):
        load_torchvision_weights(ResNetEncoder("resnet18"), picture, sha256=digest(picture))
    with pytest.raises(ValueError, match="does not hold torchvision's weights of resnet18"):
        load_torchvision_weights(ResNetEncoder("resnet18"), mobilenet_file)


def test_unknown_weights_list_the_names() -> None:
    with pytest.raises(ValueError, match="called 'IMAGENET21K'; give a path, or one of IMAGENET1K_V1, IMAGENET1K_V2"):
        load_torchvision_weights(MobileNetV2Encoder(), "IMAGENET21K")


@pytest.mark.parametrize("encoder", [Xception39Encoder, lambda: ResNetEncoder("resnet18", deep_stem=True)])
def test_encoders_that_torchvision_does_not_have_say_so(encoder: type[Encoder]) -> None:
    with pytest.raises(ValueError, match=r"torchvision has no weights for this .*; choose a ResNetEncoder with"):
        load_torchvision_weights(encoder(), "IMAGENET1K_V1")
