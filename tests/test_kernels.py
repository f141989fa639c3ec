"""The fast forms against the plain ones: values, gradients, names, and the cases where the plain form must run."""

from __future__ import annotations

import copy
import platform
import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from dsrl_lab import kernels
from dsrl_lab.complexity import complexity
from dsrl_lab.kernels import FAST_FORMS, ShuffledConv2d, phases, use_fast_kernels
from dsrl_lab.models.segmentation.espnetv2 import ESPNetv2

LAYERS = {
    "prelu": lambda: nn.PReLU(8),
    "prelu, one slope": lambda: nn.PReLU(),
    "dense 3x3": lambda: nn.Conv2d(8, 6, 3, stride=2, padding=1),
    "pointwise": lambda: nn.Conv2d(8, 6, 1),
    "pointwise, groups": lambda: nn.Conv2d(8, 12, 1, groups=4, bias=False),
    "pointwise, stride": lambda: nn.Conv2d(8, 6, 1, stride=2),
    "pointwise, padding": lambda: nn.Conv2d(8, 6, 1, padding=1),
    "depthwise": lambda: nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False),
    "depthwise, bias": lambda: nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8),
    "depthwise, no padding": lambda: nn.Conv2d(8, 8, 3, groups=8, bias=False),
    "depthwise, even kernel": lambda: nn.Conv2d(8, 8, 2, padding=1, groups=8, bias=False),
    "depthwise, reflecting": lambda: nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False, padding_mode="reflect"),
    "depthwise 5x5": lambda: nn.Conv2d(8, 8, 5, padding=4, dilation=2, groups=8, bias=False),
    "depthwise, dilation 2": lambda: nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8, bias=False),
    "depthwise, dilation 3": lambda: nn.Conv2d(8, 8, 3, padding=3, dilation=3, groups=8, bias=False),
    "depthwise, dilation 16": lambda: nn.Conv2d(8, 8, 3, padding=16, dilation=16, groups=8, bias=False),
    "depthwise, stride": lambda: nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8, bias=False),
    "depthwise, stride, dilation 2": lambda: nn.Conv2d(8, 8, 3, 2, 2, 2, groups=8, bias=False),
    "depthwise, stride, dilation 3": lambda: nn.Conv2d(8, 8, 3, 2, 3, 3, groups=8, bias=False),
    "depthwise, uneven stride": lambda: nn.Conv2d(8, 8, 3, (1, 2), (3, 2), (3, 2), groups=8, bias=False),
    "depthwise 3x1": lambda: nn.Conv2d(8, 8, (3, 1), padding=(4, 0), dilation=4, groups=8, bias=False),
    "depthwise 1x3": lambda: nn.Conv2d(8, 8, (1, 3), padding=(0, 4), dilation=4, groups=8, bias=False),
    "one output per group": lambda: nn.Conv2d(8, 2, 3, padding=1, groups=2, bias=False),
    "one output per group, dilation": lambda: nn.Conv2d(8, 2, 3, padding=2, dilation=2, groups=2, bias=False),
    "one output per group, stride": lambda: nn.Conv2d(8, 2, 3, 2, 1, groups=2, bias=False),
    "several outputs per group": lambda: nn.Conv2d(8, 6, 3, padding=1, groups=2, bias=False),
    "multiplier": lambda: nn.Conv2d(8, 16, 3, padding=1, groups=8, bias=False),
    "shuffled": lambda: ShuffledConv2d(4, 2),
    "pixel shuffle": lambda: nn.PixelShuffle(2),
}


def value_and_gradients(layer: nn.Module, x: Tensor) -> list[Tensor]:
    x = x.detach().requires_grad_()
    value = layer(x)
    (value * torch.linspace(-1, 1, value.numel(), dtype=x.dtype).view(value.shape)).sum().backward()
    return [value.detach(), x.grad, *(parameter.grad for parameter in layer.parameters())]


def pair(name: str) -> tuple[nn.Module, nn.Module]:
    """A layer in its plain form, and a copy of it in its fast form."""
    plain = LAYERS[name]()
    fast = use_fast_kernels(copy.deepcopy(plain))
    assert type(fast) is FAST_FORMS[type(plain)] and isinstance(fast, type(plain))
    return plain, fast


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("size", [(12, 16), (7, 9)])
@pytest.mark.parametrize("name", LAYERS)
def test_values_and_gradients_are_those_of_the_plain_form(
    name: str, size: tuple[int, int], memory_format: torch.memory_format, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In double precision, where a wrong tap cannot hide behind rounding."""
    monkeypatch.setattr(kernels, "_applies", lambda x, weight: True)
    plain, fast = (layer.double() for layer in pair(name))
    x = torch.randn(2, 8, *size, dtype=torch.float64).contiguous(memory_format=memory_format)
    for got, expected in zip(value_and_gradients(fast, x), value_and_gradients(plain, x), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", LAYERS)
def test_single_precision_agrees_to_its_last_digits(name: str) -> None:
    plain, fast = pair(name)
    x = torch.randn(2, 8, 11, 14)
    for got, expected in zip(value_and_gradients(fast, x), value_and_gradients(plain, x), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


def test_a_pixel_shuffle_is_the_same_to_the_bit() -> None:
    plain, fast = pair("pixel shuffle")
    x = torch.randn(2, 8, 5, 7)
    assert all(map(torch.equal, value_and_gradients(fast, x), value_and_gradients(plain, x)))


def test_prelu_at_zero_and_with_slopes_beyond_one() -> None:
    plain = nn.PReLU(3)
    plain.weight.data = torch.tensor([-0.5, 0.0, 2.0])
    fast = use_fast_kernels(copy.deepcopy(plain))
    x = torch.randn(2, 3, 4, 4)
    x[:, :, ::2] = 0
    for got, expected in zip(value_and_gradients(fast, x), value_and_gradients(plain, x), strict=True):
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize(
    "name", ["prelu", "pointwise", "depthwise, dilation 2", "one output per group", "shuffled", "pixel shuffle"]
)
@pytest.mark.parametrize("case", ["float64", "autocast"])
def test_in_other_types_the_plain_form_runs(name: str, case: str) -> None:
    plain, fast = pair(name)
    x = torch.randn(2, 8, 9, 10)
    if case == "float64":
        x, plain, fast = x.double(), plain.double(), fast.double()
    with torch.autocast("cpu", torch.bfloat16, enabled=case == "autocast"):
        for got, expected in zip(value_and_gradients(fast, x), value_and_gradients(plain, x), strict=True):
            assert torch.equal(got, expected)


@pytest.mark.parametrize("name", ["pointwise", "depthwise, dilation 2", "one output per group"])
def test_a_picture_without_a_batch_runs_in_the_plain_form(name: str) -> None:
    plain, fast = pair(name)
    x = torch.randn(8, 9, 10)
    for got, expected in zip(value_and_gradients(fast, x), value_and_gradients(plain, x), strict=True):
        assert torch.equal(got, expected)


def test_an_exported_network_holds_plain_operations_and_gives_the_same() -> None:
    layers = [LAYERS[name]() for name in ("depthwise, dilation 2", "pointwise", "prelu, one slope")]
    network = nn.Sequential(*layers).eval()
    x = torch.randn(1, 8, 9, 10)
    expected = network(x)
    exported = torch.export.export(use_fast_kernels(network), (x,))
    torch.testing.assert_close(exported.module()(x), expected)
    called = {node.target for node in exported.graph.nodes if node.op == "call_function"}
    assert called == {torch.ops.aten.conv2d.default, torch.ops.aten.prelu.default}


def test_only_what_needs_a_gradient_gets_one() -> None:
    fast = use_fast_kernels(LAYERS["depthwise, dilation 2"]())
    fast.weight.requires_grad_(False)
    x = torch.randn(1, 8, 6, 6, requires_grad=True)
    fast(x).sum().backward()
    assert x.grad is not None and fast.weight.grad is None


def test_phases_hold_every_position_once() -> None:
    x = torch.arange(1.0, 2 * 3 * 7 * 5 + 1).view(2, 3, 7, 5)
    taken = phases(x, (3, 2))
    assert taken.shape == (12, 3, 3, 3)
    assert torch.equal(taken[taken > 0].sort().values, x.flatten())
    assert torch.equal(taken[0], x[0, :, ::3, ::2])


def test_names_and_strict_loading_survive_and_a_second_call_changes_nothing() -> None:
    network = ESPNetv2(7, width=0.5)
    names = list(network.state_dict())
    fast = use_fast_kernels(copy.deepcopy(network))
    assert list(fast.state_dict()) == names
    types = [type(module) for module in fast.modules()]
    assert [type(module) for module in use_fast_kernels(fast).modules()] == types
    assert [type(module) for module in copy.deepcopy(fast).modules()] == types
    ESPNetv2(7, width=0.5).load_state_dict(fast.state_dict())


def test_a_whole_network_learns_the_same_and_costs_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = ESPNetv2(7, width=0.5)
    fast = use_fast_kernels(copy.deepcopy(plain))
    assert complexity(fast, (45, 60)).macs_by_layer == complexity(plain, (45, 60)).macs_by_layer
    monkeypatch.setattr(kernels, "_applies", lambda x, weight: True)
    image = torch.randn(2, 3, 45, 60, dtype=torch.float64)
    results = []
    for network in (plain.double(), fast.double()):
        network.train()(image).square().mean().backward()
        results.append({name: p.grad for name, p in network.named_parameters() if p.requires_grad})
    for name, expected in results[0].items():
        torch.testing.assert_close(results[1][name], expected, rtol=1e-8, atol=1e-10, msg=name)


FAULTS = """
import resource, sys
from dsrl_lab.kernels import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
before = faults()
for _ in range(8):
    bytearray(64 * 2**20)
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="asks GNU's C library")
def test_freed_memory_is_used_again_without_fresh_pages() -> None:
    pages = {
        how: int(subprocess.run([sys.executable, "-c", FAULTS, how], check=True, capture_output=True, text=True).stdout)
        for how in ("plain", "keep")
    }
    assert pages["keep"] < pages["plain"] / 2, pages
