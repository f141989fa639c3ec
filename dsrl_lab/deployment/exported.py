"""A file that ``dsrl-lab export`` wrote, opened so that it is used and scored like the network it came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

FORMATS = {"onnx": ".onnx", "torch-export": ".pt2"}
DESCRIPTION = "dsrl_lab"
DESCRIPTION_FILE = "dsrl_lab.json"


class ExportedNetwork(nn.Module):
    """A file that ``export`` wrote, opened so that it can be used and scored like the network it came from.

    Args:
        path: ends in .onnx (run by onnxruntime on the CPU) or .pt2 (run by PyTorch; open none of unknown origin).
        threads: CPU threads of onnxruntime; PyTorch's own number otherwise.

    Attributes:
        description: network, precision, input_size, mean and std, from the file's metadata.
        input_size: (H, W) of the images that it takes.
        num_classes: K.

    Shape:
        - image: (N, 3, H, W), normalised
        - output: (N, K, H', W')

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is damaged or not of this kit, or an image has another size.
    """

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        super().__init__()
        if not path.is_file():
            raise FileNotFoundError(f"no exported network at {path}; write one with dsrl-lab export")
        if path.suffix not in FORMATS.values():
            raise ValueError(f"expected a file that ends in {' or '.join(FORMATS.values())}, got {path.name}")
        try:
            text, self._run = _open_onnx(path, threads) if path.suffix == ".onnx" else _open_torch_export(path)
            self.description: dict[str, Any] = json.loads(text)
            height, width = self.description["input_size"]
            self.num_classes = int(self.description["network"]["num_classes"])
        except Exception as error:  # the readers' own errors share no class
            if isinstance(error, ModuleNotFoundError):
                raise
            raise ValueError(
                f"{path} is damaged or was not written by dsrl-lab export ({type(error).__name__}: {error})"
            ) from error
        self.input_size: tuple[int, int] = (int(height), int(width))

    def forward(self, image: Tensor) -> Tensor:
        """Predict logits."""
        if image.ndim != 4 or tuple(image.shape[1:]) != (3, *self.input_size):
            raise ValueError(
                f"expected images (N, 3, {self.input_size[0]}, {self.input_size[1]}), got {tuple(image.shape)}; "
                "resize them, or export again with --input-size"
            )
        return self._run(image)


def import_onnx() -> tuple[Any, Any]:
    """Import onnx and onnxruntime.

    Raises:
        ModuleNotFoundError: they, or onnxscript, are not installed; the message says how to get them.
    """
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401 (torch.onnx needs it)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{error}: ONNX needs an extra: pip install dsrl-lab[export]") from error
    return onnx, onnxruntime


def _open_onnx(path: Path, threads: int) -> tuple[str, Any]:
    _, onnxruntime = import_onnx()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(image: Tensor) -> Tensor:
        (logits,) = session.run(None, {"image": image.cpu().numpy()})
        return torch.from_numpy(logits)

    return session.get_modelmeta().custom_metadata_map[DESCRIPTION], run


def _open_torch_export(path: Path) -> tuple[str, Any]:
    extra = {DESCRIPTION_FILE: ""}
    module = torch.export.load(path, extra_files=extra).module()

    def run(image: Tensor) -> Tensor:  # hides the module: as a submodule it would refuse to be put into evaluation
        with torch.no_grad():
            return module(image)

    return extra[DESCRIPTION_FILE], run
