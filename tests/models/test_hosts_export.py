"""Every host leaves the lab: as a torch.export program, and (slow) as ONNX run by onnxruntime with DSRL's head on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from dsrl_lab.dsrl import DSRL
from dsrl_lab.models import SEGMENTATION

SMALL = {"deeplabv3plus": "mobilenet_v2", "pspnet": "resnet18", "bisenet": "xception39"}
MANY_LAYERS = ("bisenet", "espnetv2")  # over 5 seconds to trace


def with_statistics(model: nn.Module) -> nn.Module:
    """Give BatchNorm something to fold: uneven statistics, scales and shifts, but mild ones."""
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for values, low, high in (
                (layer.running_mean, -0.1, 0.1),
                (layer.running_var, 0.5, 1.0),
                (layer.weight.data, 0.8, 1.5),
                (layer.bias.data, -0.1, 0.1),
            ):
                assert values is not None
                values.uniform_(low, high)
    return model.eval()


def assert_agree(actual: Tensor, expected: Tensor) -> None:
    """Agree to 1e-4, and to 1e-4 of the largest logit, so that small logits do not agree by being small."""
    largest = float(expected.abs().max())
    assert expected.std(dim=(0, 2, 3)).min() > 1e-3
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-4 * min(largest, 1.0))


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if name in MANY_LAYERS else []) for name in sorted(SEGMENTATION)],
)
def test_torch_export_agrees(name: str) -> None:
    model = with_statistics(SEGMENTATION[name](5, **({"encoder": SMALL[name]} if name in SMALL else {})))
    program = torch.export.export(model, (torch.randn(2, 3, 65, 91),), dynamic_shapes=({0: torch.export.Dim("N")},))
    for pictures in (1, 3):
        other = torch.randn(pictures, 3, 65, 91)
        with torch.inference_mode():
            assert_agree(program.module()(other), model(other))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SEGMENTATION))
def test_onnxruntime_agrees_on_the_deployed_network(name: str, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="install the extra: pip install -e '.[export]'")
    dsrl = DSRL(SEGMENTATION[name](5, **({"encoder": SMALL[name]} if name in SMALL else {})))
    model = with_statistics(dsrl).get_submodule("task_model")
    image = torch.randn(1, 3, 64, 96)
    path = tmp_path / "deployed.onnx"
    torch.onnx.export(model, (image,), path, dynamo=True, verbose=False, input_names=["image"])
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    other = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        expected = model(other)
    assert expected.shape == (1, 5, 128, 192)
    (logits,) = session.run(None, {"image": other.numpy()})
    assert_agree(torch.from_numpy(logits), expected)
