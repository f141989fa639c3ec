"""Leaving the lab: the deployed network as an ONNX or torch.export file, checked against PyTorch before it is given.

Only ``task_model`` is written, the host with its SSSR head; of SISR and feature affinity nothing is left. A file takes
normalised images (N, 3, H, W) of one size and any N, and gives logits; what it is stands in its metadata as JSON.

Precisions: "float32"; "int8" (ONNX: weights and activations of convolutions in eight bits, by onnxruntime's static
quantisation on calibration pictures, quantise and dequantise nodes, one scale per output channel); "bf16"
(torch.export: weights and arithmetic in bfloat16, images and logits in float32). What a reduced precision costs in mIoU
is measured, not assumed: ``ExportedNetwork`` can be scored like any network.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dsrl_lab.datasets.base import SegmentationDataset
from dsrl_lab.datasets.transforms import IMAGENET_MEAN, IMAGENET_STD, normalise, reduce_image
from dsrl_lab.models.base import DensePredictor
from dsrl_lab.tools.export.archive import DESCRIPTION_FILE
from dsrl_lab.tools.export.exported import (
    DESCRIPTION,
    FORMATS,
    ExportedNetwork,
    image_size,
    import_onnx,
    silent_logging,
)
from dsrl_lab.training.build import load_task_model
from dsrl_lab.training.evaluate import evaluating

PRECISIONS = {"onnx": ("float32", "int8"), "torch-export": ("float32", "bf16")}
TOLERANCE = 1e-4


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A file that was written, and how far it is from the PyTorch network.

    Attributes:
        path: of the file.
        format: "onnx" or "torch-export".
        precision: "float32", "int8" or "bf16".
        input_size: (H, W) of the images that it takes.
        output_size: (H, W) of its logits.
        bytes: size of the file.
        difference: largest difference of a logit from PyTorch's.
        largest_logit: largest logit in absolute value; float32 is held to 1e-4 of it.
        agreement: share of positions with the same argmax, in [0, 1].
    """

    path: Path
    format: str
    precision: str
    input_size: tuple[int, int]
    output_size: tuple[int, int]
    bytes: int
    difference: float
    largest_logit: float
    agreement: float


def export(
    checkpoint: Path,
    path: Path | None = None,
    *,
    format: str = "onnx",
    precision: str = "float32",
    input_size: tuple[int, int] | None = None,
    calibration: Sequence[Tensor] = (),
) -> Exported:
    """Write the deployed network of a checkpoint and check the file against PyTorch.

    Args:
        checkpoint: of a whole run (its training-only half is left aside) or of a deployed network.
        path: of the file; beside the checkpoint by default.
        format: "onnx" or "torch-export".
        precision: "float32"; "int8" for ONNX, "bf16" for torch.export.
        input_size: (H, W) that the file takes; as the network was trained by default.
        calibration: for "int8": normalised images (N, 3, H, W) from the training split.

    Raises:
        ValueError: an unknown format or precision, a path that ends otherwise, no calibration pictures, a size that the
            network cannot serve, or a float32 file whose logits are not PyTorch's to 1e-4 of the largest (the file is
            removed).
        ModuleNotFoundError: ONNX's packages are not installed.

    Example:
        >>> from dsrl_lab.training.build import build_dsrl
        >>> from dsrl_lab.training.checkpoint import save
        >>> from dsrl_lab.training.config import NetworkConfig
        >>> network = NetworkConfig(host="tinynet", num_classes=3, host_options={"width": 0.25}, sssr="sub_pixel")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     source = Path(folder) / "deployed.safetensors"
        ...     save(source, build_dsrl(network).task_model, {"network": network.to_json(), "deployed": True})
        ...     made = export(source, format="torch-export", input_size=(16, 24))
        >>> made.path.name, made.output_size, made.difference <= 1e-4 * made.largest_logit
        ('deployed.pt2', (32, 48), True)
    """
    check_choice(format, precision, path)
    if precision == "int8" and not calibration:
        raise ValueError("int8 needs calibration pictures: pass some of the training split, about 32")
    model, loaded = load_task_model(checkpoint)
    size = chosen_input_size(input_size, loaded.description, checkpoint)
    check_serves(model, size)
    path = path or checkpoint.with_suffix(FORMATS[format])
    path.parent.mkdir(parents=True, exist_ok=True)
    description = {
        "network": loaded.description["network"],
        "dataset": loaded.description.get("dataset"),
        "precision": precision,
        "input_size": list(size),
        "mean": list(IMAGENET_MEAN),
        "std": list(IMAGENET_STD),
    }
    example = torch.zeros(2, 3, *size)  # two: a batch of one would be taken for a constant
    try:
        if format == "onnx":
            _write_onnx(model, example, path, description, calibration if precision == "int8" else ())
        else:
            _write_torch_export(model, example, path, description, bf16=precision == "bf16")
        exported = _compare(model, path, format, precision, size, calibration)
        if precision == "float32" and exported.difference > TOLERANCE * max(exported.largest_logit, 1.0):
            raise ValueError(
                f"the exported logits differ from PyTorch's by {exported.difference:.2g}, expected at most "
                f"{TOLERANCE:g} of the largest ({exported.largest_logit:.3g}); the file was removed. Report it with "
                "the network's name, and export with the other --format meanwhile"
            )
    except BaseException:  # what is no good is not left behind
        path.unlink(missing_ok=True)
        raise
    return exported


def calibration_pictures(
    dataset: SegmentationDataset, input_size: tuple[int, int], *, number: int = 32
) -> list[Tensor]:
    """Take pictures at even distances from a training split, as the network receives them.

    Args:
        dataset: a training split.
        input_size: (H, W) that the network receives.
        number: how many at most.

    Shape:
        - output: a list of (1, 3, h, w), normalised
    """
    step = max(1, len(dataset) // number)
    indices = range(0, len(dataset), step)[:number]
    return [normalise(reduce_image(dataset[index].image, input_size))[None] for index in indices]


def check_choice(format: str, precision: str, path: Path | None = None) -> None:
    """Refuse what cannot be written, before anything is.

    Raises:
        ValueError: an unknown format, a precision that it has not, or a path that does not end as its files do.

    Example:
        >>> check_choice("onnx", "float32", Path("net.pt2"))
        Traceback (most recent call last):
            ...
        ValueError: expected a file that ends in .onnx for onnx, got net.pt2; ...
    """
    if format not in FORMATS:
        raise ValueError(f"unknown format {format!r}; choose one of {', '.join(FORMATS)}")
    if precision not in PRECISIONS[format]:
        raise ValueError(f"{format} has no precision {precision!r} here; choose one of {', '.join(PRECISIONS[format])}")
    if path is not None and path.suffix != FORMATS[format]:
        raise ValueError(
            f"expected a file that ends in {FORMATS[format]} for {format}, got {path.name}; "
            "name another with --out, or choose another --format"
        )


def trained_input_size(description: dict[str, Any], checkpoint: Path) -> tuple[int, int]:
    """Input size (H, W) that a checkpoint's description names.

    Raises:
        ValueError: it names none, or what it names is no size.
    """
    train = description.get("train")
    if not isinstance(train, dict) or "input_size" not in train:
        raise ValueError(f"{checkpoint} does not say its input size; give it with --input-size H W")
    return image_size(train["input_size"], of=f"the header of {checkpoint}")


def chosen_input_size(
    input_size: tuple[int, int] | None, description: dict[str, Any], checkpoint: Path
) -> tuple[int, int]:
    """Input size (H, W) that a user asks for, or else the one that the checkpoint was trained with.

    Raises:
        ValueError: neither is there, or it is no size.
    """
    if input_size is not None:
        return image_size(input_size, of="--input-size")
    return trained_input_size(description, checkpoint)


def check_serves(model: DensePredictor, input_size: tuple[int, int]) -> None:
    """Run a network once on an image of a size, to say before all work that it cannot take it.

    Raises:
        ValueError: it cannot; the message says why.
    """
    model.check_input(torch.empty(1, 3, *input_size, device="meta"))
    try:
        with evaluating(model):
            model(torch.zeros(1, 3, *input_size))
    except RuntimeError as error:  # maps that vanish on the way down, or more memory than there is
        raise ValueError(
            f"{type(model).__name__} cannot take images of (H, W) = {input_size} ({error}); "
            "give another size with --input-size H W"
        ) from error


def _write_onnx(
    model: DensePredictor, example: Tensor, path: Path, description: dict[str, Any], calibration: Sequence[Tensor]
) -> None:
    onnx, _ = import_onnx()
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.onnx"
        torch.onnx.export(
            model,
            (example,),
            plain,
            dynamo=True,
            verbose=False,
            external_data=False,
            input_names=["image"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
        )
        if calibration:
            plain = _quantise(plain, Path(folder), calibration)
        made = onnx.load(plain)
    for node in made.graph.node:  # traces of the exporting machine's files
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    onnx.helper.set_model_props(made, {DESCRIPTION: json.dumps(description)})
    onnx.save(made, path)


def _quantise(plain: Path, folder: Path, calibration: Sequence[Tensor]) -> Path:
    """Eight bits for convolutions, with ranges seen on the calibration pictures.

    Both sides of a product are unsigned: a signed side overflows 16 bits on processors without VNNI. Ranges leave out
    one value in ten thousand, because a few extremes would make the steps coarse for all others.
    """
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Pictures(CalibrationDataReader):
        def __init__(self) -> None:
            self.left: Iterator[Tensor] = iter(calibration)

        def get_next(self) -> dict[str, Any] | None:
            image = next(self.left, None)
            return None if image is None else {"image": image.numpy()}

    prepared, quantised = folder / "prepared.onnx", folder / "int8.onnx"
    with silent_logging(), contextlib.redirect_stdout(io.StringIO()):  # it tells its steps
        quant_pre_process(plain, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            quantised,
            Pictures(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QUInt8,
            op_types_to_quantize=["Conv", "ConvTranspose"],
            calibrate_method=CalibrationMethod.Percentile,
            extra_options={"CalibPercentile": 99.99},
        )
    return quantised


class _InBfloat16(nn.Module):
    """A network in bfloat16 between float32 images and float32 logits."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model.to(torch.bfloat16)

    def forward(self, image: Tensor) -> Tensor:
        return self.model(image.to(torch.bfloat16)).float()


def _write_torch_export(
    model: DensePredictor, example: Tensor, path: Path, description: dict[str, Any], *, bf16: bool
) -> None:
    written: nn.Module = _InBfloat16(copy.deepcopy(model)).eval() if bf16 else model
    program = torch.export.export(written, (example,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    torch.export.save(program, path, extra_files={DESCRIPTION_FILE: json.dumps(description)})


def _compare(
    model: DensePredictor, path: Path, format: str, precision: str, size: tuple[int, int], pictures: Sequence[Tensor]
) -> Exported:
    """Both networks on pictures, or on a smooth and a noisy image of contrast 1, as normalised pictures have it."""
    generator = torch.Generator().manual_seed(0)
    smooth = torch.nn.functional.interpolate(
        torch.randn(1, 3, 6, 8, generator=generator), size=size, mode="bicubic", align_corners=False
    )
    images = torch.cat([smooth, torch.randn(1, 3, *size, generator=generator)])
    if pictures:  # eight bits hold the range of pictures, not of noise
        images = torch.cat(list(pictures[:4]))
    exported = ExportedNetwork(path)
    with evaluating(model):
        expected = model(images)
        actual = exported(images)
    return Exported(
        path=path,
        format=format,
        precision=precision,
        input_size=size,
        output_size=(expected.shape[-2], expected.shape[-1]),
        bytes=path.stat().st_size,
        difference=float((actual - expected).abs().max()),
        largest_logit=float(expected.abs().max()),
        agreement=float((actual.argmax(1) == expected.argmax(1)).float().mean()),
    )
