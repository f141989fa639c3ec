"""``dsrl-lab export``: write the deployed network as ONNX or torch.export, checked against PyTorch."""

import json
from pathlib import Path
from typing import Annotated

import typer

from dsrl_lab.cli.bench import Record
from dsrl_lab.cli.console import on_stop, output
from dsrl_lab.cli.evaluate import InputSize
from dsrl_lab.cli.places import folder_for_results


def export(
    checkpoint: Annotated[Path, typer.Argument(help="A .safetensors file of this kit.")],
    format: Annotated[str, typer.Option(help="onnx, which this kit reads too, or torch-export.")] = "onnx",
    precision: Annotated[str, typer.Option(help="float32; int8 (onnx) or bf16 (torch-export).")] = "float32",
    out: Annotated[
        Path | None, typer.Option(help="By default beside the checkpoint: NAME.onnx, NAME_int8.onnx.")
    ] = None,
    input_size: InputSize = None,
    dataset: Annotated[str, typer.Option(help="For int8 and --score; the checkpoint's by default.")] = "",
    data: Annotated[Path | None, typer.Option(help="Folder of the data set (drawn data needs none).")] = None,
    score: Annotated[bool, typer.Option("--score", help="Score the file and PyTorch on val: the loss.")] = False,
    length: Annotated[int, typer.Option(min=1, help="How many pictures are drawn for val (drawn data only).")] = 100,
    record: Record = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write the deployed network alone (SISR and affinity stay behind) and hold its logits to PyTorch's.

    int8 takes 32 pictures of the training split to find its ranges. [bold]--score[/bold] measures what a precision
    costs.
    """
    from dsrl_lab import experiments
    from dsrl_lab.tools.export import writing
    from dsrl_lab.tools.input_size import chosen_size
    from dsrl_lab.training import record as records
    from dsrl_lab.training.build import load_task_model
    from dsrl_lab.training.config import NetworkConfig
    from dsrl_lab.training.evaluate import evaluate_segmentation

    writing.check_choice(checkpoint, format, precision, out)
    model, loaded = load_task_model(checkpoint)
    size = chosen_size(input_size, loaded.description, checkpoint)
    scale = NetworkConfig.from_json(loaded.description["network"]).upscale_factor
    full = (size[0] * scale, size[1] * scale)
    name = dataset or str(loaded.description.get("dataset") or "streets")
    images = []
    if score:  # before anything is written
        val = experiments.open_split(name, "val", data, size=full, length=length)
    if precision == "int8":
        train = experiments.open_split(name, "train", data, size=full, length=max(length, writing.CALIBRATION_PICTURES))
        images = writing.calibration_pictures(train, size)
    if out is not None:
        folder_for_results(out.parent)
    kept = "Nothing was written"
    with on_stop(lambda: f"{kept}; the same command starts anew."):
        made = writing.export(checkpoint, out, format=format, precision=precision, input_size=size, calibration=images)
        kept = f"{made.path} is whole, but was not scored"
        answer = made.to_json()
        if score:
            for key, network in {"miou": made.network, "pytorch_miou": model}.items():
                answer[key] = evaluate_segmentation(network, val, input_size=made.input_size).miou
            answer |= {"split": val.split, "pictures": len(val)}
    if record is not None:
        named = {"checkpoint": f"{checkpoint.parent.name}/{checkpoint.name}", "path": made.path.name}
        records.append(record, {"kind": "export", **answer, **named, "dataset": name, **records.environment()})
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
        return
    output.print(
        f"{made.path}: {made.format}, {made.precision}, {made.bytes / 2**20:.2f} MiB; images (N, 3, "
        f"{made.input_size[0]}, {made.input_size[1]}) to logits of {made.output_size[0]}x{made.output_size[1]}",
    )
    output.print(
        f"largest difference from PyTorch {made.difference:.2g} of {made.largest_logit:.3g}; "
        f"same class at {100 * made.agreement:.2f} % of positions",
    )
    if score:
        loss = 100 * (answer["pytorch_miou"] - answer["miou"])
        output.print(
            f"mIoU on {name} val {answer['miou']:.4f}, PyTorch {answer['pytorch_miou']:.4f}: "
            f"{'loses' if loss > 0 else 'gains'} {abs(loss):.2f} points",
        )
