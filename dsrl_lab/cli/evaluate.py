"""``dsrl-lab evaluate`` and ``dsrl-lab predict``: score a checkpoint, or use it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp"}


def evaluate(
    checkpoint: Annotated[Path, typer.Argument(help="A .safetensors file of this kit.")],
    dataset: Annotated[str, typer.Option(help="streets, camvid or cityscapes.")],
    data: Annotated[Path | None, typer.Option(help="Folder of the data set (streets needs none).")] = None,
    split: Annotated[str, typer.Option(help="Any split that is there.")] = "val",
    protocol: Annotated[
        str, typer.Option(help="logits: enlarged bilinearly; labels: enlarged by nearest neighbour, as released.")
    ] = "logits",
    input_size: Annotated[
        tuple[int, int] | None, typer.Option(help="H W that the network receives; as trained by default.")
    ] = None,
    length: Annotated[int, typer.Option(help="How many pictures are drawn (streets only).")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Score a checkpoint on a split, every picture at its own size: pooled mIoU and IoU per class."""
    from rich.table import Table

    from dsrl_lab import experiments
    from dsrl_lab.cli.console import output, progress_bar
    from dsrl_lab.training.build import load_task_model
    from dsrl_lab.training.evaluate import evaluate_segmentation

    model, loaded = load_task_model(checkpoint)
    size = input_size or tuple(loaded.description["train"]["input_size"])
    scale = loaded.description["network"]["upscale_factor"]
    pictures = experiments.open_split(dataset, split, data, size=(size[0] * scale, size[1] * scale), length=length)
    with progress_bar() as progress:
        bar = progress.add_task(f"{dataset} {split}", total=len(pictures))
        result = evaluate_segmentation(
            model,
            pictures,
            input_size=size,
            protocol=protocol,
            progress=lambda done, _: progress.update(bar, completed=done),
        )
    if as_json:
        typer.echo(json.dumps(result.to_json() | {"checkpoint": str(checkpoint), "dataset": dataset}, indent=2))
        return
    table = Table(title=f"{checkpoint.name} on {dataset} {split}: mIoU {result.miou:.4f}")
    table.add_column("class")
    table.add_column("IoU", justify="right")
    for name, iou in result.iou.items():
        table.add_row(name, "absent" if iou is None else f"{iou:.4f}")
    output.print(table)


def predict(
    checkpoint: Annotated[Path, typer.Argument(help="A .safetensors file of this kit.")],
    pictures: Annotated[Path, typer.Argument(help="A picture, or a folder of pictures.")],
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("predictions"),
    dataset: Annotated[str, typer.Option(help="Whose class colours to use; the checkpoint's by default.")] = "",
) -> None:
    """Predict masks: for each picture an overlay (NAME_overlay.png) and the raw ids (NAME_ids.png)."""
    from PIL import Image

    from dsrl_lab.cli.console import output, progress_bar
    from dsrl_lab.datasets.class_tables import CLASS_TABLES
    from dsrl_lab.datasets.pictures import read_image
    from dsrl_lab.plots.masks import blend
    from dsrl_lab.training.build import load_task_model
    from dsrl_lab.training.evaluate import predict_mask

    model, loaded = load_task_model(checkpoint)
    table = CLASS_TABLES[dataset or loaded.description["dataset"]]
    size = tuple(loaded.description["train"]["input_size"])
    if not pictures.exists():
        raise FileNotFoundError(f"no picture or folder at {pictures}; check the path")
    paths = [pictures] if pictures.is_file() else sorted(p for p in pictures.iterdir() if p.suffix.lower() in SUFFIXES)
    if not paths:
        raise ValueError(f"no pictures in {pictures}; expected files that end in {', '.join(sorted(SUFFIXES))}")
    out.mkdir(parents=True, exist_ok=True)
    with progress_bar() as progress:
        for path in progress.track(paths, description="predicting"):
            image = read_image(path)
            pred = predict_mask(model, image, input_size=size)
            Image.fromarray(pred.byte().numpy()).save(out / f"{path.stem}_ids.png")
            overlay = blend(image, table.paint(pred))
            Image.fromarray(overlay).save(out / f"{path.stem}_overlay.png")
    output.print(f"{len(paths)} overlays and masks in {out}")
