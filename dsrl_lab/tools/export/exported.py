"""An ONNX file that ``dsrl-lab export`` wrote, opened so that it is used and scored like the network it came from."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dsrl_lab.datasets.transforms import normalise
from dsrl_lab.tools.input_size import check_size

FORMATS = {"onnx": ".onnx", "torch-export": ".pt2"}
DESCRIPTION = "dsrl_lab"  # key of our JSON in a file's metadata
MAX_CLASSES = 256  # masks are written in eight bits


class ExportedNetwork(nn.Module):
    """An exported .onnx, run by onnxruntime on the CPU: images (N, 3, H, W) in [0, 1] to logits (N, K, H', W').

    Raises FileNotFoundError, ModuleNotFoundError without ONNX, ValueError for a damaged or foreign file or another
    size.
    """

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        super().__init__()
        if not path.is_file():
            raise FileNotFoundError(f"no exported network at {path}; write one with dsrl-lab export")
        if path.suffix == FORMATS["torch-export"]:
            raise ValueError(
                f"{path} is for programs that load torch.export files, this kit only writes it; take the checkpoint "
                "that it came from (.safetensors), or export that as ONNX: dsrl-lab export CHECKPOINT --format onnx"
            )
        if path.suffix != FORMATS["onnx"]:
            raise ValueError(f"expected a file that ends in {FORMATS['onnx']}, got {path.name}")
        self.path = path
        _, onnxruntime = import_onnx()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4  # our message says it
        try:
            with silent_logging():
                self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
                metadata = self._session.get_modelmeta().custom_metadata_map
                self.description: dict[str, Any] = _read_description(metadata[DESCRIPTION])
        except Exception as error:  # onnxruntime's own errors share no class
            raise ValueError(
                f"{path} is damaged or was not written by dsrl-lab export ({_first_line(error)}); "
                "export the checkpoint again"
            ) from error
        self.num_classes: int = self.description["network"]["num_classes"]  # K
        self.input_size = check_size(self.description["input_size"], source=str(path))

    def forward(self, image: Tensor) -> Tensor:
        """Predict logits."""
        if image.ndim != 4 or tuple(image.shape[1:]) != (3, *self.input_size):
            raise ValueError(
                f"expected images (N, 3, {self.input_size[0]}, {self.input_size[1]}), got {tuple(image.shape)}; "
                "resize them, or export again with --input-size"
            )
        if "mean" in self.description:  # version 0.1
            image = normalise(image)
        try:
            (output,) = self._session.run(None, {"image": image.cpu().numpy()})
            logits = torch.from_numpy(output)
        except Exception as error:  # a damaged graph shows when it runs
            raise ValueError(f"{self.path} cannot be run ({_first_line(error)}): damaged; export it again") from error
        expected = (len(image), self.num_classes)
        if logits.ndim != 4 or tuple(logits.shape[:2]) != expected or not logits.is_floating_point():
            raise ValueError(
                f"expected logits ({expected[0]}, {expected[1]}, H, W) of {self.path}, got {tuple(logits.shape)} of "
                f"{logits.dtype}; it is damaged: export it again"
            )
        return logits


@contextmanager
def silent_logging() -> Iterator[None]:
    """Keep what libraries log from the screen."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def import_onnx() -> tuple[Any, Any]:
    """Import onnx and onnxruntime; raises ModuleNotFoundError, with the remedy, without one of them or onnxscript."""
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401 (torch.onnx needs it)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{error}: ONNX needs an extra: pip install -e '.[export]'") from error
    return onnx, onnxruntime


def _first_line(error: Exception) -> str:
    text = str(error).strip().partition("\n")[0][:300]
    return text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}"


def _read_description(text: str) -> dict[str, Any]:
    description = json.loads(text)
    classes = description["network"]["num_classes"]
    if not isinstance(classes, int) or not 1 <= classes <= MAX_CLASSES:
        raise ValueError(f"expected 1 to {MAX_CLASSES} classes, got {str(classes)[:60]}")
    check_size(description["input_size"], source="its description")
    return description
