"""A file that ``dsrl-lab export`` wrote, opened so that it is used and scored like the network it came from."""

from __future__ import annotations

import json
import logging
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dsrl_lab.datasets.pictures import MAX_PIXELS
from dsrl_lab.tools.export.archive import DESCRIPTION_FILE, checked_copy, only_tensors

FORMATS = {"onnx": ".onnx", "torch-export": ".pt2"}
DESCRIPTION = "dsrl_lab"
MAX_CLASSES = 256  # masks are written in eight bits


class ExportedNetwork(nn.Module):
    """A file that ``export`` wrote, opened so that it can be used and scored like the network it came from.

    A .pt2 may come from anywhere: only what ``deployment.archive`` lets pass reaches PyTorch.

    Args:
        path: ends in .onnx (run by onnxruntime on the CPU) or .pt2 (run by PyTorch).
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
        ValueError: the file is damaged or not of this kit, asks for more than a network needs, or an image has another
            size.
    """

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        super().__init__()
        if not path.is_file():
            raise FileNotFoundError(f"no exported network at {path}; write one with dsrl-lab export")
        if path.suffix not in FORMATS.values():
            raise ValueError(f"expected a file that ends in {' or '.join(FORMATS.values())}, got {path.name}")
        self.path = path
        try:
            with silent_logging():  # the readers' own tracebacks; ours says what to do
                text, self._run = _open_onnx(path, threads) if path.suffix == ".onnx" else _open_torch_export(path)
            self.description: dict[str, Any] = _read_description(text)
        except ModuleNotFoundError:
            raise
        except Exception as error:  # the readers' own errors share no class
            raise ValueError(
                f"{path} is damaged or was not written by dsrl-lab export ({_first_line(error)}); "
                "export the checkpoint again"
            ) from error
        self.num_classes: int = self.description["network"]["num_classes"]
        self.input_size = image_size(self.description["input_size"], of=str(path))

    def forward(self, image: Tensor) -> Tensor:
        """Predict logits."""
        if image.ndim != 4 or tuple(image.shape[1:]) != (3, *self.input_size):
            raise ValueError(
                f"expected images (N, 3, {self.input_size[0]}, {self.input_size[1]}), got {tuple(image.shape)}; "
                "resize them, or export again with --input-size"
            )
        try:
            logits = self._run(image)
        except Exception as error:  # what stands in a damaged graph shows when it runs
            raise ValueError(
                f"{self.path} cannot be run ({_first_line(error)}); it is damaged: export it again"
            ) from error
        wanted = (len(image), self.num_classes)
        if logits.ndim != 4 or tuple(logits.shape[:2]) != wanted or not logits.is_floating_point():
            raise ValueError(
                f"expected logits ({wanted[0]}, {wanted[1]}, H, W) of {self.path}, got {tuple(logits.shape)} of "
                f"{logits.dtype}; it is damaged: export it again"
            )
        return logits


def image_size(value: object, *, of: str) -> tuple[int, int]:
    """Check the size (H, W) of images that a network is to receive.

    Args:
        value: what was said.
        of: where it was said, for the message.

    Raises:
        ValueError: it is not two whole numbers of at least 1, or more pixels than the kit reads.

    Example:
        >>> image_size([360, 480], of="--input-size")
        (360, 480)
    """
    if (
        not isinstance(value, list | tuple)
        or len(value) != 2
        or not all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in value)
        or value[0] * value[1] > MAX_PIXELS
    ):
        raise ValueError(
            f"expected an input size H W of two positive whole numbers, {MAX_PIXELS // 10**6} megapixels at most, got "
            f"{str(value)[:60]} ({of}); give another with --input-size H W"
        )
    return value[0], value[1]


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


def _first_line(error: Exception) -> str:
    """What a library says, without the pages that follow."""
    text = str(error).strip().partition("\n")[0][:300]
    return text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}"


def _read_description(text: str) -> dict[str, Any]:
    description = json.loads(text)
    classes = description["network"]["num_classes"]
    if not isinstance(classes, int) or not 1 <= classes <= MAX_CLASSES:
        raise ValueError(f"expected 1 to {MAX_CLASSES} classes, got {str(classes)[:60]}")
    image_size(description["input_size"], of=DESCRIPTION_FILE)
    return description


def _open_onnx(path: Path, threads: int) -> tuple[str, Callable[[Tensor], Tensor]]:
    _, onnxruntime = import_onnx()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # our message says it
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(image: Tensor) -> Tensor:
        (logits,) = session.run(None, {"image": image.cpu().numpy()})
        return torch.from_numpy(logits)

    return session.get_modelmeta().custom_metadata_map[DESCRIPTION], run


def _open_torch_export(path: Path) -> tuple[str, Callable[[Tensor], Tensor]]:
    copy, text = checked_copy(path)
    try:
        with only_tensors():
            module = torch.export.load(copy).module()
    except pickle.UnpicklingError as error:  # whose text advises to trust the file
        raise ValueError("expected tensors alone in its pickles, found more, which may be code") from error
    except RuntimeError as error:  # whose text points to what PyTorch logged
        raise ValueError("PyTorch cannot build the network that it describes") from error

    def run(image: Tensor) -> Tensor:  # hides the module: as a submodule it would refuse to be put into evaluation
        with torch.no_grad():
            return module(image)

    return text, run
