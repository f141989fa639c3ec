"""Released checkpoints, as their authors name their tensors: every tensor finds its place, and the outputs agree."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from dsrl_lab.models.segmentation.espnetv2 import ESPNetv2, from_released_checkpoint, our_name
from dsrl_lab.tools.prediction import open_network, open_predictor
from dsrl_lab.tools.released import open_release
from tests.models.test_espnetv2 import released_names


@pytest.fixture
def espnetv2(tmp_path: Path) -> Path:
    """A file of EdgeNets' kind, with weights of our own."""
    state = ESPNetv2(20, width=0.5).state_dict()
    torch.save({name: state[our_name(name)] for name in released_names()}, tmp_path / "espnetv2_s_0.5_city.pth")
    return tmp_path / "espnetv2_s_0.5_city.pth"


def block() -> nn.Sequential:
    """One block of the paper's authors' head, as their release builds it."""
    layers = nn.ConvTranspose2d(20, 20, 3, stride=2, padding=1, output_padding=1, bias=False), nn.BatchNorm2d(20)
    made = nn.Sequential(*layers, nn.PReLU(20))
    for tensor in made.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.1)
    return made.eval()


@pytest.fixture
def dsrl(espnetv2: Path) -> tuple[Path, dict[str, nn.Sequential]]:
    """A file of DSRL's authors' kind, and its head."""
    state = torch.load(espnetv2, weights_only=True)
    head = {name: block() for name in ("bu_dec_l5", "bu_dec_l6")}
    for name, made in head.items():
        state |= {f"{name}.{inner}": tensor for inner, tensor in made.state_dict().items()}
    state["sisr.conv.weight"] = torch.zeros(3)  # of a branch that only training uses
    path = espnetv2.with_name("espnetv2_2.0_1024_best.pth")
    torch.save(state, path)
    return path, head


def test_a_plain_release_gives_the_logits_of_its_nineteen_classes(espnetv2: Path) -> None:
    network, description = open_release(espnetv2)
    expected = from_released_checkpoint(espnetv2, class_map=range(19)).eval()
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(network(image), expected(image))
    assert description["network"]["num_classes"] == network.num_classes == 19 and description["left_out"] == []


def test_dsrl_is_the_host_and_two_deconvolutions(espnetv2: Path, dsrl: tuple[Path, dict[str, nn.Sequential]]) -> None:
    path, head = dsrl
    network, description = open_release(path)
    host = from_released_checkpoint(espnetv2).eval()
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        maps = host.forward_head(host.forward_features(host.normalise(image))).logits
        expected = head["bu_dec_l6"](head["bu_dec_l5"](maps))
        got = network(image)
    assert got.shape == (1, 19, 128, 192)
    torch.testing.assert_close(got, expected[:, :19])
    assert description["left_out"] == [f"host.{our_name('sisr.conv.weight')}"]


def test_a_release_without_a_tensor_is_refused(dsrl: tuple[Path, dict[str, nn.Sequential]]) -> None:
    path, _ = dsrl
    state = torch.load(path, weights_only=True)
    del state["bu_dec_l6.1.running_mean"]
    torch.save(state, path)
    with pytest.raises(ValueError, match=r"incomplete or altered release[\s\S]*blocks\.1\.1\.running_mean"):
        open_release(path)


def test_a_release_is_opened_as_any_network_is(dsrl: tuple[Path, dict[str, nn.Sequential]]) -> None:
    path, _ = dsrl
    _, description, size = open_network(path, input_size=(64, 128))
    assert (size, description["network"]["upscale_factor"]) == ((64, 128), 2)
    with pytest.raises(ValueError, match="does not name its input size; give it with --input-size"):
        open_network(path)
    with torch.no_grad():
        ids = open_predictor(path, input_size=(64, 128)).mask(torch.rand(3, 90, 120))
    assert ids.shape == (90, 120) and int(ids.max()) <= 18
