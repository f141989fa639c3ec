"""Costs against hand counts, against PyTorch's own counter, and against the paper's hidden deconvolutions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from dsrl_lab.complexity import complexity
from dsrl_lab.models.segmentation.espnetv2 import ESPNetv2


@pytest.mark.parametrize(
    ("layer", "by_hand"),
    [
        (nn.Conv2d(3, 8, 3, padding=1), 12 * 10 * 3 * 8 * 9),
        (nn.Conv2d(3, 8, 3), 10 * 8 * 3 * 8 * 9),
        (nn.Conv2d(3, 8, (1, 5), stride=(2, 1)), 6 * 6 * 3 * 8 * 5),
        (nn.Conv2d(3, 9, 3, padding=2, dilation=2, groups=3), 12 * 10 * 9 * 1 * 9),
        (nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1), 12 * 10 * 3 * 4 * 9),
        (nn.ConvTranspose2d(3, 6, 2, stride=2, groups=3, bias=False), 12 * 10 * 3 * 2 * 4),
        (nn.Linear(10, 7), 3 * 12 * 10 * 7),
        (nn.BatchNorm2d(3), 0),
        (nn.PReLU(3), 0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else str(value),
)
def test_hand_counts(layer: nn.Module, by_hand: int) -> None:
    cost = complexity(layer, (12, 10))
    assert cost.macs == by_hand
    assert cost.parameters == sum(parameter.numel() for parameter in layer.parameters())
    is_transposed = isinstance(layer, nn.ConvTranspose2d)
    assert cost.macs_without_transposed == (0 if is_transposed else by_hand)


class Functional(nn.Module):
    """Two convolutions without a module of their own, one shared layer that runs twice, a matrix product."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Sequential(nn.Conv2d(3, 3, 1))

    def forward(self, image: Tensor) -> Tensor:
        x = self.shared(self.shared(image))
        x = F.conv2d(x, torch.ones(2, 3, 1, 1))
        x = F.conv_transpose2d(x, torch.ones(2, 1, 2, 2), stride=2)
        return x.flatten(2) @ x.flatten(2).transpose(1, 2)


def test_functional_calls_and_shared_layers_count_under_the_module_that_runs_them() -> None:
    cost = complexity(Functional(), (4, 5))
    assert [(layer.name, layer.kind, layer.macs) for layer in cost.layers] == [
        ("shared.0", "convolution", 20 * 9),
        ("shared.0", "convolution", 20 * 9),
        ("", "convolution", 20 * 6),
        ("", "transposed convolution", 20 * 8),
        ("", "matrix product", 80),
    ]
    assert cost.macs_by_layer == {"shared.0": 360, "": 120 + 160 + 80}
    assert cost.macs == 720


def test_the_whole_agrees_with_pytorchs_own_counter() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.Conv2d(8, 8, 3, dilation=2, groups=4),
        nn.ConvTranspose2d(8, 6, 4, stride=2, padding=1, groups=2),
        nn.Linear(28, 5),
    )
    with FlopCounterMode(display=False) as official:
        network(torch.zeros(1, 3, 32, 36))
    assert complexity(network, (32, 36)).macs == official.get_total_flops() // 2


def test_the_network_is_left_as_it_was() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout()).train()
    network[1].eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    complexity(network, (8, 8))
    assert [module.training for module in network.modules()] == [True, True, False, True]
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in network.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert torch.is_grad_enabled()


def test_a_network_that_fails_is_left_as_it_was_too() -> None:
    network = nn.Sequential(nn.Conv2d(4, 4, 1)).train()
    with pytest.raises(RuntimeError, match="channels"):
        complexity(network, (8, 8))
    assert network.training and not network[0]._forward_hooks and not network[0]._forward_pre_hooks


def test_an_impossible_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"input_size .* got \(0, 8\)"):
        complexity(nn.Conv2d(3, 4, 3), (0, 8))


def test_espnetv2_and_the_official_head_cost_what_the_reference_notes_say() -> None:
    """ESPNetv2 s = 2.0, 20 outputs, 256x512: 674.46 M MACs, its two deconvolution blocks 589.82 M more (+87 %)."""

    def block() -> nn.Sequential:
        deconvolution = nn.ConvTranspose2d(20, 20, 3, stride=2, padding=1, output_padding=1, bias=False)
        return nn.Sequential(deconvolution, nn.BatchNorm2d(20), nn.PReLU(20))

    class WithOfficialHead(nn.Module):
        def __init__(self, host: ESPNetv2) -> None:
            super().__init__()
            self.host, self.head = host, nn.Sequential(block(), block())

        def forward(self, image: Tensor) -> Tensor:
            return self.head(self.host.forward_head(self.host.forward_features(image)).logits)

    host = ESPNetv2(20, width=2.0)
    plain = complexity(host, (256, 512))
    full = complexity(WithOfficialHead(host), (256, 512))
    assert plain.parameters == 789_242
    assert full.parameters - plain.parameters == 7_320
    assert plain.macs == pytest.approx(674.46e6, abs=5e3)
    assert full.macs - plain.macs == 20 * 20 * 9 * (128 * 256 + 256 * 512) == pytest.approx(589.82e6, abs=5e3)
    assert full.macs_without_transposed == plain.macs
    assert complexity(WithOfficialHead(host), (512, 1024)).macs == pytest.approx(5057.04e6, abs=5e3)


class Attention(nn.Module):
    """Every pixel looks at every pixel of its row."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, image: Tensor) -> Tensor:
        rows = image.flatten(0, 1)
        return self.attention(rows, rows, rows, need_weights=False)[0]


def test_attention_is_counted_with_all_its_products() -> None:
    by_hand = 3 * (5 * 4 * (3 * 4) + 2 * 5 * 5 * 4 + 5 * 4 * 4)  # of 3 x 5 rows of 4: in, both products, out
    fast = torch.backends.mha.get_fastpath_enabled()
    assert complexity(Attention(), (5, 4)).macs == by_hand
    assert torch.backends.mha.get_fastpath_enabled() == fast


def test_inference_mode_and_half_precision_hide_nothing() -> None:
    layer = nn.Conv2d(3, 8, 3)
    with torch.inference_mode():
        assert complexity(layer, (12, 10)).macs == 10 * 8 * 3 * 8 * 9
    assert complexity(nn.Conv2d(3, 8, 3).bfloat16(), (12, 10)).macs == 10 * 8 * 3 * 8 * 9


@pytest.mark.filterwarnings("ignore:.torch.jit.trace:FutureWarning")
def test_a_traced_network_is_refused() -> None:
    traced = torch.jit.trace(nn.Conv2d(3, 8, 3), torch.zeros(1, 3, 8, 8))
    with pytest.raises(ValueError, match="pass the network as it was written"):
        complexity(nn.Sequential(traced), (12, 10))
