"""The networks of the page "Try it": ONNX files that take pictures of any sides that are multiples of 8."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab.complexity import complexity
from dsrl_lab.datasets.class_tables import CAMVID
from dsrl_lab.datasets.streets import Streets
from dsrl_lab.dsrl import DSRL
from dsrl_lab.models.base import DensePredictor
from dsrl_lab.plots.affinity import DIFFERENCE, SIMILARITY
from dsrl_lab.plots.masks import to_picture
from dsrl_lab.tools.export.writing import TOLERANCE, write_onnx
from dsrl_lab.training import checkpoint
from dsrl_lab.training.build import build_dsrl, load_task_model
from dsrl_lab.training.config import NetworkConfig
from dsrl_lab.widgets.affinity import sequential
from dsrl_lab.widgets.examples import BASELINE, CHECKPOINT

STEP, LEAST, MOST = 8, 64, 384  # of the input's longer side, in pixels
DEFAULT = 128  # 96x128, next to the 90x120 of training
SOURCES = ("DSRL", "baseline")
FEATURES = ("dsrl", "baseline", "sisr")  # the outputs of Features, SOURCES first


class Features(nn.Module):
    """What feature affinity compares in whole DSRL, and the baseline's last features, all on one grid.

    An image (N, 3, H, W) in [0, 1], its sides multiples of 8, gives three maps (N, C, H / 4, W / 4).
    """

    def __init__(self, dsrl: DSRL, baseline: DensePredictor) -> None:
        super().__init__()
        self.dsrl, self.baseline = dsrl, baseline

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Average the features over 2x2 positions: 8 output pixels a side, as in training."""
        task_model = self.dsrl.task_model
        maps = task_model.forward_features(task_model.normalise(image))
        task = F.avg_pool2d(task_model.forward_head(maps).features, 2)
        other = self.baseline.forward_head(self.baseline.forward_features(self.baseline.normalise(image)))
        sisr = F.avg_pool2d(self.dsrl.sisr_head(maps)[1], 2)
        return self.dsrl.transform(task), F.avg_pool2d(other.features, 2), sisr


def load() -> tuple[DensePredictor, DSRL]:
    """The kit's committed baseline and whole DSRL on drawn streets, in evaluation."""
    loaded = checkpoint.load(CHECKPOINT)
    dsrl = build_dsrl(NetworkConfig.from_json(loaded.description["network"]))
    checkpoint.load_model(dsrl, loaded)
    return load_task_model(BASELINE)[0].eval(), dsrl.eval()


def write(folder: Path) -> dict[str, Any]:
    """Write networks, default picture and what the page must know (facts.json); return the latter.

    Raises ValueError where an exported network differs from PyTorch.
    """
    baseline, dsrl = load()
    networks = {"baseline": baseline, "dsrl": dsrl.task_model}
    parts: dict[str, nn.Module] = {**networks, "features": Features(dsrl, baseline)}
    for name, network in parts.items():
        _export(network, folder / f"{name}.onnx", FEATURES if name == "features" else ("logits",))
    street = Streets("val", size=(480, 640), length=1)[0]
    Image.fromarray(to_picture(street.image)).save(folder / "street.png", optimize=True)
    facts = {
        "classes": [
            {"name": name, "color": list(color)} for name, color in zip(CAMVID.names, CAMVID.colors, strict=True)
        ],
        "sizes": {"step": STEP, "least": LEAST, "most": MOST, "default": DEFAULT},
        # Sides are multiples of the deepest stride, so multiply-adds are in proportion to the pixels.
        "macs_per_pixel": {name: complexity(network, (64, 64)).macs / 64**2 for name, network in networks.items()},
        "bytes": {f"{name}.onnx": (folder / f"{name}.onnx").stat().st_size for name in parts},
        "sources": SOURCES,
        "features": FEATURES,
        "colors": {
            "similarity": sequential(SIMILARITY).ravel().tolist(),
            "difference": sequential(DIFFERENCE, begin=0.5).ravel().tolist(),
        },
    }
    (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    return facts


def _export(network: nn.Module, path: Path, outputs: tuple[str, ...]) -> None:
    height, width = (torch.export.Dim(name, min=LEAST // 2 // STEP, max=MOST // STEP) for name in ("h", "w"))
    example = (torch.zeros(1, 3, 96, 128),), ({2: STEP * height, 3: STEP * width},)
    write_onnx(network.eval(), example, path, {"input_range": [0, 1]}, outputs=outputs, calibration=())
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for size in ((48, 64), (104, 72)):
        image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            expected = network(image)
        found = session.run(None, {"image": image.numpy()})
        tensors = (expected,) if isinstance(expected, Tensor) else expected
        for name, tensor, array in zip(outputs, tensors, found, strict=True):
            difference, largest = np.abs(array - tensor.numpy()).max(), float(tensor.abs().max())
            if not difference <= TOLERANCE * max(largest, 1.0):
                raise ValueError(f"{path.name}: {name} differs from PyTorch's by {difference:.2g} at {size}")
