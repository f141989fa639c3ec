"""``dsrl-lab evaluate`` and ``dsrl-lab predict``: score a checkpoint, or use it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from dsrl_lab.cli.console import counting, errors, fitting_table, on_stop, output, progress_bar
from dsrl_lab.cli.places import folder_for_results

Network = Annotated[Path, typer.Argument(help="A .safetensors file of this kit, an exported .onnx, a released .pth.")]
InputSize = Annotated[tuple[int, int] | None, typer.Option(help="H W that the network receives; as trained if none.")]


def evaluate(
    checkpoint: Network,
    dataset: Annotated[str, typer.Option(help="streets, camvid, cityscapes, folder; street_people, lsp, coco.")],
    data: Annotated[Path | None, typer.Option(help="Folder of the data set (drawn data needs none).")] = None,
    split: Annotated[str, typer.Option(help="Any split that is there.")] = "val",
    protocol: Annotated[str, typer.Option(help="logits or labels, which are enlarged; all: a table.")] = "logits",
    input_size: InputSize = None,
    length: Annotated[int, typer.Option(min=1, help="How many pictures are drawn (drawn data only).")] = 100,
    flip: Annotated[bool, typer.Option("--flip", help="Average with the mirror image (people only).")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Score a checkpoint on a split, every picture at its own size: pooled mIoU and IoU per class.

    Pose nets: PCK within 0.2 and 0.1 of the torso, and COCO's OKS-AP where the people are COCO's; boxes are given.
    """
    from dsrl_lab import experiments
    from dsrl_lab.datasets.people import POSE_DATASETS, drawing_size, open_people
    from dsrl_lab.tools.prediction import class_table_of, open_network
    from dsrl_lab.tools.protocols import MEANING, every_protocol
    from dsrl_lab.training.config import NetworkConfig
    from dsrl_lab.training.evaluate import evaluate_segmentation
    from dsrl_lab.training.pose import evaluate_pose
    from dsrl_lab.training.record import as_read

    model, description, size = open_network(checkpoint, input_size=input_size)
    scale = NetworkConfig.from_json(description["network"]).upscale_factor
    high_size = (size[0] * scale, size[1] * scale)
    if dataset in POSE_DATASETS:
        people = open_people(dataset, split, data, size=drawing_size(high_size), length=length)
        with counting(f"{dataset} {split}") as progress:
            found = evaluate_pose(model, people, input_size=size, upscale_factor=scale, flip=flip, progress=progress)
        scores = found.to_json()
        names, lines = ("joint", "PCK@0.2"), [*_lines(scores["joints"], "never marked")]
        lines += [(f"COCO {name}", value) for name, value in _lines(scores["oks"] or {}, "nobody")]
        summary = f"PCK@0.2 {scores['pck']:.4f}, PCK@0.1 {scores['pck_strict']:.4f}"
    else:
        pictures = experiments.open_split(dataset, split, data, size=high_size, length=length)
        if "folder" in (dataset, description.get("dataset")):
            ours = class_table_of(description.get("dataset"), description, checkpoint).names
            if ours != pictures.class_table.names:
                theirs = ", ".join(pictures.class_table.names)
                raise ValueError(
                    f"{checkpoint} knows {', '.join(ours)}, {data or dataset} has {theirs}; take data of one table"
                )
        with counting(f"{dataset} {split}") as progress:
            if protocol == "all":
                scores = every_protocol(model, pictures, input_size=size, progress=progress)
                names, summary = ("protocol", "mIoU"), f"{len(pictures)} pictures"
                lines = [(f"{name}: {MEANING[name]}", f"{value:.4f}") for name, value in scores.items()]
            else:
                result = evaluate_segmentation(model, pictures, input_size=size, protocol=protocol, progress=progress)
                scores = result.to_json()
                names, lines, summary = ("class", "IoU"), _lines(result.iou, "absent"), f"mIoU {result.miou:.4f}"
    if as_json:
        typer.echo(json.dumps(as_read(scores | {"checkpoint": str(checkpoint), "dataset": dataset}), indent=2))
    else:
        output.print(fitting_table(names, lines, title=f"{checkpoint.name} on {dataset} {split}: {summary}"))


def _lines(scores: dict[str, float | None], without: str) -> list[tuple[str, str]]:
    return [(name, without if score is None else f"{score:.4f}") for name, score in scores.items()]


def predict(
    checkpoint: Network,
    pictures: Annotated[Path, typer.Argument(help="A picture, a video, or a folder of them.")],
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("predictions"),
    dataset: Annotated[str, typer.Option(help="Whose class colours to use; the checkpoint's by default.")] = "",
    input_size: InputSize = None,
) -> None:
    """Predict masks: an overlay (NAME_overlay.png, or .mp4) and raw ids (NAME_ids.png, or a folder of frames) each.

    What is there already, made of the same network and picture, is kept. Videos need PyAV, the extra named video.
    """
    from dsrl_lab.tools import prediction, video

    predictor = prediction.open_predictor(checkpoint, dataset=dataset, input_size=input_size)
    found = prediction.find_inputs(pictures)
    folder_for_results(out)
    if any(map(prediction.is_video, found.paths)):
        video.import_av()
    problems: list[str] = []
    new = there = 0
    paths = found.paths
    rest = "the same command goes on with the rest" + ", a video from its start" * any(map(prediction.is_video, paths))
    with progress_bar() as progress, on_stop(lambda: f"{new + there} of {len(paths)} are done, in {out}; {rest}."):
        bar = progress.add_task("predicting", total=len(paths))
        for path, name in zip(paths, prediction.output_names(paths), strict=True):
            try:
                if prediction.is_video(path):
                    made = False
                    frames = progress.add_task(path.name, total=None)
                    for done, total in video.predict_video(predictor, path, out, name):
                        made = True
                        progress.update(frames, completed=done, total=total)
                else:
                    made = prediction.predict_picture(predictor, path, out, name)
                new, there = new + made, there + (not made)
            except ValueError as error:  # the others are worth having
                problems.append(str(error))
            progress.update(bar, advance=1)
    if len(problems) == len(paths):
        raise ValueError("; ".join(problems))
    before = f", {there} of them from before" if there else ""
    output.print(f"{new + there} overlays and masks in {out}{before}")
    notes = [f"not taken for input: {len(found.results)} results of dsrl-lab predict"] if found.results else []
    notes += [f"neither pictures nor videos: {prediction.shorten(found.others)}"] if found.others else []
    for note in (*notes, *(f"left out: {problem}" for problem in problems)):
        errors.print(note, style="yellow")
    if problems:
        raise typer.Exit(1)


def submit(
    checkpoint: Annotated[Path, typer.Argument(help="Trained on Cityscapes: .safetensors, or exported .onnx.")],
    data: Annotated[Path, typer.Option(help="Folder that holds leftImg8bit/ and gtFine/.")],
    split: Annotated[str, typer.Option(help="test for the server; val to score at home.")] = "test",
    out: Annotated[Path, typer.Option(help="Folder for the label-id PNGs and submission.zip.")] = Path("submission"),
) -> None:
    """Write the files that the Cityscapes server takes; on val also score them, by the official scripts beside ours."""
    from dsrl_lab.datasets.cityscapes import Cityscapes
    from dsrl_lab.tools import prediction, submission
    from dsrl_lab.training.evaluate import evaluate_segmentation

    predictor = prediction.open_predictor(checkpoint, dataset="cityscapes")
    pictures = Cityscapes(data, split)
    folder_for_results(out)
    if split != "test":  # what scoring will need
        submission.import_official()
    finished = 0
    size, rest = predictor.input_size, "the same command goes on with the rest"
    stopped = on_stop(lambda: f"{finished} of {len(pictures)} are done, in {out}; {rest}.")
    with stopped, counting(f"cityscapes {split}") as show:

        def follow(done: int, of: int) -> None:
            nonlocal finished
            finished = done
            show(done, of)

        archive = submission.write_submission(
            predictor.network, pictures, out, input_size=size, identity=predictor.identity, progress=follow
        )
    output.print(f"{len(pictures)} files, and all of them in {archive}")
    if split != "test":
        ours = evaluate_segmentation(predictor.network, pictures, input_size=size).miou
        official, _ = submission.official_miou(data, split, out)
        output.print(f"mIoU of these files by cityscapesScripts {official:.4f}; ours {ours:.4f}")
