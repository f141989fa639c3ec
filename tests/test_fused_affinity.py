"""The fused kernel against the dense form, in Triton's interpreter: no GPU is needed, and none is used."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from dsrl_lab.affinity import feature_affinity_loss

pytestmark = pytest.mark.skipif(find_spec("triton") is None, reason="Triton comes with PyTorch for CUDA")

# Loss and gradients of ``cases``, by the kernel in place of the tiled form. A process of its own: Triton decides once
# whether it compiles or interprets.
PROGRAM = """
import sys
from functools import partial
import torch
from dsrl_lab import affinity
from dsrl_lab.fused_affinity import sums

results = []
for case in torch.load(sys.argv[1]):
    affinity._in_tiles = lambda *args, tile: sums(*args, precision=case["precision"], tile=case["tile"])
    maps = [x.requires_grad_(learns) for x, learns in zip(case["maps"], case["learns"])]
    loss = affinity.feature_affinity_loss(*maps, q=case["q"], precision=case["precision"], method="tiled")
    loss.backward()
    results.append([loss.detach(), *(x.grad for x in maps)])
torch.save(results, sys.argv[1])
"""


def case(name: str, *, q: int = 1, precision: str = "float32", **changes: object) -> object:
    torch.manual_seed(0)
    channels, size, images = changes.pop("shape", ((3, 5), (5, 7), 2))
    maps = [torch.randn(images, c, *size) for c in channels]
    usual = {"maps": maps, "learns": (True, True), "tile": (16, 16), "q": q, "precision": precision}
    return pytest.param(usual | changes, id=name)


def without_direction() -> list[torch.Tensor]:
    a, b = torch.randn(1, 4, 5, 5).relu(), torch.randn(1, 4, 5, 5)
    a[:, :, 1, 2] = b[:, :, 3] = 0
    return [a, b]


CASES = [
    case("35 positions in tiles of 16"),
    case("squared", q=2),
    case("rows of 32, columns of 16", tile=(32, 16)),
    case("rows of 16, columns of 32", tile=(16, 32), q=2),
    case("more channels than 16", shape=((20, 3), (4, 4), 1)),
    case("all-zero positions", maps=without_direction()),
    case("all-zero positions, squared", maps=without_direction(), q=2),
    case("a teacher", learns=(True, False)),
    case("a teacher first", learns=(False, True)),
    case("tf32", precision="tf32"),
    case("bfloat16", precision="bfloat16", q=2),
]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[torch.Tensor | None]]:
    file = tmp_path_factory.mktemp("fused") / "cases.pt"
    torch.save([param.values[0] for param in CASES], file)
    environment = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    root = Path(__file__).resolve().parents[1]
    subprocess.run([sys.executable, "-c", PROGRAM, str(file)], env=environment, cwd=root, check=True)
    return dict(zip((param.id for param in CASES), torch.load(file), strict=True))


@pytest.mark.parametrize("case", CASES)
def test_loss_and_gradients_are_those_of_the_dense_form(
    case: dict, results: dict[str, list[torch.Tensor | None]], request: pytest.FixtureRequest
) -> None:
    maps = [x.clone().requires_grad_(learns) for x, learns in zip(case["maps"], case["learns"], strict=True)]
    loss = feature_affinity_loss(*maps, q=case["q"], precision=case["precision"], method="dense")
    loss.backward()
    ours, *gradients = results[request.node.callspec.id]
    torch.testing.assert_close(ours, loss.detach(), rtol=1e-5, atol=1e-7)
    assert loss > 0.01
    for gradient, x in zip(gradients, maps, strict=True):
        if x.grad is None:
            assert gradient is None
        else:
            torch.testing.assert_close(gradient, x.grad, rtol=1e-4, atol=1e-6)


def test_the_tile_is_the_largest_that_fits() -> None:
    from dsrl_lab.fused_affinity import tile_that_fits

    assert tile_that_fits(128, 2, 227 * 1024) == (128, 128)  # bfloat16 on an H100
    assert tile_that_fits(128, 4, 227 * 1024) == (128, 64)
    assert tile_that_fits(128, 4, 99 * 1024) == (32, 32)
    assert tile_that_fits(256, 2, 227 * 1024) == (128, 64)  # for want of registers
    assert tile_that_fits(4096, 4, 99 * 1024) is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_on_a_gpu_too(precision: str) -> None:
    maps = [torch.randn(2, c, 40, 50, device="cuda", requires_grad=True) for c in (64, 48)]
    exact = [x.detach().double().requires_grad_() for x in maps]
    for q in (1, 2):
        loss = feature_affinity_loss(*maps, q=q, method="fused", precision=precision)
        reference = feature_affinity_loss(*exact, q=q, method="dense")
        for ours, theirs in zip(torch.autograd.grad(loss, maps), torch.autograd.grad(reference, exact), strict=True):
            assert torch.cosine_similarity(ours.double().flatten(), theirs.flatten(), dim=0) > 0.99
        assert loss.item() == pytest.approx(reference.item(), rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("capability", [80, 90])
def test_it_compiles_to_the_matrix_units_instructions(capability: int) -> None:
    """Without a GPU: to PTX, with the tile that the device would take."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from dsrl_lab.fused_affinity import STAGES, WARPS, kernel, tile_that_fits

    memory = {80: 163 * 1024, 90: 227 * 1024}[capability]
    tile = tile_that_fits(128, 2, memory)
    constants = dict(zip(kernel.arg_names[6:], (64, 64, 1, *tile, True, True, "ieee"), strict=True))
    types = dict(zip(kernel.arg_names[:6], ("*bf16", "*bf16", "*fp32", "*fp32", "*fp32", "i32"), strict=True))
    source = ASTSource(kernel, types | dict.fromkeys(constants, "constexpr"), constants)
    options = {"num_warps": WARPS, "num_stages": STAGES}
    compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    assert ("wgmma.mma_async" if capability == 90 else "mma.sync") in compiled.asm["ptx"]
    assert compiled.metadata.shared <= memory
