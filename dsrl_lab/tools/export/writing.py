"""Write the deployed network as an ONNX or torch.export file, compared with PyTorch before it gets its name.

A file takes images (N, 3, H, W) in [0, 1] of one size and any N, and gives logits, in float32 whatever the precision.
"""

import contextlib
import copy
import io
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dsrl_lab.complexity import evaluating
from dsrl_lab.datasets.base import SegmentationDataset
from dsrl_lab.datasets.transforms import reduce_image
from dsrl_lab.files import whole_file
from dsrl_lab.layers import resize
from dsrl_lab.models.base import DensePredictor
from dsrl_lab.tools.export.exported import DESCRIPTION, FORMATS, ExportedNetwork, import_onnx, silent_logging
from dsrl_lab.tools.input_size import check_takes, chosen_size
from dsrl_lab.training.build import load_task_model
from dsrl_lab.training.evaluate import check_finite

PRECISIONS = {"onnx": ("float32", "int8"), "torch-export": ("float32", "bf16")}
TOLERANCE = 1e-4
CALIBRATION_PICTURES = 32


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A file that was written, and how far it is from the PyTorch network."""

    path: Path
    format: str  # "onnx" or "torch-export"
    precision: str  # "float32", "int8" or "bf16"
    input_size: tuple[int, int]  # (H, W) of the images that it takes
    output_size: tuple[int, int]  # (H, W) of its logits
    bytes: int
    difference: float  # largest, of a logit from PyTorch's
    largest_logit: float  # in absolute value; float32 is held to 1e-4 of it
    agreement: float  # share of positions with the same argmax, in [0, 1]
    network: nn.Module = field(repr=False, compare=False)  # runs what was written, to be scored

    def to_json(self) -> dict[str, Any]:
        """All but the network, as JSON can hold it."""
        values = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "network"}
        return values | {"path": str(self.path)}


def export(
    checkpoint: str | Path,
    path: str | Path | None = None,  # by default beside the checkpoint: NAME.onnx, NAME_int8.onnx, NAME_bf16.pt2
    *,
    format: str = "onnx",  # or "torch-export"
    precision: str = "float32",  # or "int8" (ONNX), "bf16" (torch.export)
    input_size: tuple[int, int] | None = None,  # (H, W), by default as in training
    calibration: Sequence[Tensor] = (),  # for "int8": images (N, 3, H, W) in [0, 1] of the training split
) -> Exported:
    """Write the deployed network of a checkpoint, of a whole run or deployed, and compare the file with PyTorch.

    Raises ValueError for an unknown format or precision, another ending, no calibration pictures, a size that the
    network cannot take, or logits that are not finite or, in float32, not PyTorch's to 1e-4 of the largest; OSError if
    it cannot write; ModuleNotFoundError without ONNX's packages. Then an earlier file is as it was.
    """
    checkpoint, path = Path(checkpoint), path if path is None else Path(path)
    check_choice(checkpoint, format, precision, path)
    if precision == "int8" and not calibration:
        raise ValueError("int8 needs calibration pictures: pass some of the training split, about 32")
    model, loaded = load_task_model(checkpoint)
    size = chosen_size(input_size, loaded.description, checkpoint)
    check_takes(model, size)
    images = _test_images(size, calibration)
    with evaluating(model):
        expected = check_finite(model(images), source=str(checkpoint))
    suffix = "" if precision == "float32" else f"_{precision}"
    path = path or checkpoint.with_name(checkpoint.stem + suffix + FORMATS[format])
    description = {key: loaded.description.get(key) for key in ("network", "dataset", "classes")}
    description |= {"precision": precision, "input_size": size, "input_range": [0, 1]}
    with whole_file(path) as temporary:
        network: nn.Module
        if format == "onnx":
            used = calibration if precision == "int8" else ()
            write_onnx(model, _example(size), temporary, description, outputs=("logits",), calibration=used)
            network = ExportedNetwork(temporary)
        else:
            _write_torch_export(model, size, temporary, description, bf16=precision == "bf16")
            network = _TorchExport(temporary, model.num_classes)
        with evaluating(network):
            actual = check_finite(network(images), source=f"the {format} file of {checkpoint}")
        difference, largest = float((actual - expected).abs().max()), float(expected.abs().max())
        if precision == "float32" and not difference <= TOLERANCE * max(largest, 1.0):
            raise ValueError(
                f"the exported logits differ from PyTorch's by {difference:.2g}, expected at most {TOLERANCE:g} of the "
                f"largest ({largest:.3g}); nothing was written. Report it with the network's name, and export with the "
                "other --format meanwhile"
            )
        written = temporary.stat().st_size
    return Exported(
        path=path,
        format=format,
        precision=precision,
        input_size=size,
        output_size=(expected.shape[-2], expected.shape[-1]),
        bytes=written,
        difference=difference,
        largest_logit=largest,
        agreement=float((actual.argmax(1) == expected.argmax(1)).float().mean()),
        network=network,
    )


def calibration_pictures(
    dataset: SegmentationDataset, input_size: tuple[int, int], *, number: int = CALIBRATION_PICTURES
) -> list[Tensor]:
    """At most ``number`` pictures at even distances of a training split, reduced for the network: (1, 3, h, w)."""
    number = min(number, len(dataset))
    indices = [place * len(dataset) // number for place in range(number)]
    return [reduce_image(dataset[index].image, input_size)[None] for index in indices]


def check_choice(checkpoint: Path, format: str, precision: str, path: Path | None = None) -> None:
    """Raise ValueError, by names alone, for an exported file, an unknown format or precision, or another ending."""
    if checkpoint.suffix in FORMATS.values():
        raise ValueError(f"{checkpoint} is exported already; name the checkpoint that it came from (.safetensors)")
    if format not in FORMATS:
        raise ValueError(f"unknown format {format!r}; choose one of {', '.join(FORMATS)}")
    if precision not in PRECISIONS[format]:
        raise ValueError(f"{format} has no precision {precision!r} here; choose one of {', '.join(PRECISIONS[format])}")
    if path is not None and path.suffix != FORMATS[format]:
        raise ValueError(f"expected {FORMATS[format]} for {format}, got {path.name}; name another file with --out")


def _test_images(size: tuple[int, int], pictures: Sequence[Tensor]) -> Tensor:
    if pictures:  # eight bits hold the range of pictures, not of noise
        return torch.cat(list(pictures[:4]))
    generator = torch.Generator().manual_seed(0)
    smooth = resize(torch.rand(1, 3, 6, 8, generator=generator), size)
    return torch.cat([smooth, torch.rand(1, 3, *size, generator=generator)])


def _example(size: tuple[int, int]) -> tuple[tuple[Tensor], tuple[dict[int, Any]]]:
    return (torch.zeros(2, 3, *size),), ({0: torch.export.Dim("batch")},)  # two: one would be taken for a constant


def write_onnx(
    model: nn.Module, example: Any, path: Path, description: dict[str, Any], *, outputs: Sequence[str], calibration: Any
) -> None:
    """Write a network of images as ONNX; ``example`` holds its arguments and their dynamic shapes."""
    onnx, _ = import_onnx()
    program = torch.onnx.export(
        model, example[0], dynamo=True, verbose=False, input_names=["image"], output_names=list(outputs),
        dynamic_shapes=example[1],
    )  # fmt: skip
    assert program is not None  # of the dynamo exporter
    made = _quantise(program.model_proto, path.parent, calibration) if calibration else program.model_proto
    for node in made.graph.node:  # traces of the exporting machine's files
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    onnx.helper.set_model_props(made, {DESCRIPTION: json.dumps(description)})
    path.write_bytes(made.SerializeToString())


def _quantise(plain: Any, folder: Path, calibration: Sequence[Tensor]) -> Any:
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Pictures(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.left: Iterator[Tensor] = iter(calibration)

        def get_next(self) -> dict[str, Any] | None:
            image = next(self.left, None)
            return None if image is None else {"image": image.numpy()}

    with (
        tempfile.TemporaryDirectory(prefix=".unfinished-", dir=folder) as name,
        silent_logging(),
        contextlib.redirect_stdout(io.StringIO()),  # it prints its steps
    ):
        given, prepared, quantised = (Path(name) / f"{part}.onnx" for part in ("given", "prepared", "int8"))
        onnx.save(plain, given)  # a model in memory would look for its weights beside a file that is not there
        quant_pre_process(given, prepared, skip_symbolic_shape=True)
        quantization.quantize_static(
            prepared,
            quantised,
            Pictures(),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QUInt8,  # a signed side overflows 16 bits on processors without VNNI
            op_types_to_quantize=["Conv", "ConvTranspose"],
            calibrate_method=quantization.CalibrationMethod.Percentile,
            extra_options={"CalibPercentile": 99.99},  # a few extremes would make the steps coarse
        )
        return onnx.load(quantised)


class _InBfloat16(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).bfloat16()

    def forward(self, image: Tensor) -> Tensor:
        return self.model(image.to(torch.bfloat16)).float()


def _write_torch_export(
    model: DensePredictor, size: tuple[int, int], path: Path, description: dict[str, Any], *, bf16: bool
) -> None:
    example, dynamic = _example(size)
    program = torch.export.export(_InBfloat16(model).eval() if bf16 else model, example, dynamic_shapes=dynamic)
    content = io.BytesIO()  # PyTorch's own writer ends the process where a disk is full
    torch.export.save(program, content, extra_files={f"{DESCRIPTION}.json": json.dumps(description)})
    path.write_bytes(content.getbuffer())


class _TorchExport(nn.Module):
    """A .pt2 that this process has just written: ``torch.export.load`` trusts its file, so none but one's own."""

    def __init__(self, path: Path, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self._run = [torch.export.load(path).module()]  # no submodule: it would refuse to be put into evaluation

    def forward(self, image: Tensor) -> Tensor:
        return self._run[0](image)
