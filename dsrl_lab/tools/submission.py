"""Files for the Cityscapes benchmark server, and the official pixel score beside ours.

The server takes one PNG for each picture: label ids (not train ids) in one channel, at the picture's own size, named
like the picture; zipped without folders around them. The official score (cityscapesScripts,
``evalPixelLevelSemanticLabeling``) reads these files and pools pixels over the split; ours does the same without files,
and a test holds them against each other.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from torch import nn

from dsrl_lab.datasets.cityscapes import Cityscapes, to_label_ids
from dsrl_lab.files import whole_file
from dsrl_lab.tools.prediction import is_done, save_picture
from dsrl_lab.training.evaluate import predict_mask

SUFFIX = "_pred_labelIds.png"


def write_submission(
    network: nn.Module,
    dataset: Cityscapes,
    out: Path,
    *,
    input_size: tuple[int, int],
    protocol: str = "logits",
    identity: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Predict a split and write ``<picture>_pred_labelIds.png`` for each, and all of them as submission.zip.

    Args:
        network: a segmenter with the 19 train ids.
        dataset: a split; test for the server, val to score at home.
        out: folder for the files.
        input_size: (H, W) that the network receives.
        protocol: "logits" or "labels", see ``training.evaluate``.
        identity: of the network (``Predictor.identity``); what was written with the same is not predicted again.
        progress: called with (done, all) after each picture.

    Returns:
        The zip file.

    Raises:
        ValueError: not 19 classes, logits that are not finite, an unknown protocol, or a file of another origin there.
        OSError: a file cannot be written.
    """
    classes = getattr(network, "num_classes", None)
    if classes != dataset.class_table.num_classes:
        raise ValueError(
            f"expected a network with {dataset.class_table.num_classes} classes, got {classes}; "
            "a submission to Cityscapes needs one that was trained on Cityscapes"
        )
    files = []
    for index, name in enumerate(dataset.names):
        image = dataset[index].image
        made_of = f"{identity} {protocol} {hashlib.sha256(image.numpy().tobytes()).hexdigest()}"
        mark = hashlib.sha256(made_of.encode()).hexdigest()
        files.append(out / f"{name}{SUFFIX}")
        if not is_done(mark, files[-1]) or not identity:
            mask = predict_mask(network, image, input_size=input_size, protocol=protocol)
            save_picture(to_label_ids(mask.cpu()).numpy().astype(np.uint8), files[-1], mark)
        if progress is not None:
            progress(index + 1, len(dataset))
    archive = out / "submission.zip"
    with whole_file(archive) as temporary, zipfile.ZipFile(temporary, "w") as sink:  # PNGs are compressed already
        for file in files:
            sink.write(file, file.name)
    return archive


def official_miou(dataset_root: Path, split: str, predictions: Path) -> tuple[float, dict[str, float]]:
    """Score label-id files by the official scripts: mean IoU over the 19 classes, and IoU by class (NaN: absent).

    Args:
        dataset_root: the folder that holds gtFine/.
        split: whose masks to score against.
        predictions: folder of ``write_submission``.

    Raises:
        ModuleNotFoundError: cityscapesScripts is not installed; the message says how to get it.
        ValueError: there are no masks, or a picture has no prediction.
    """
    try:
        from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as official  # noqa: N813
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{error}: the official score needs cityscapesScripts: pip install --no-deps cityscapesscripts "
            "pyquaternion appdirs (its other dependencies are here, and one of them shadows Python's own typing)"
        ) from error
    masks = dataset_root / "gtFine" / split
    truths = sorted(masks.glob("*/*_gtFine_labelIds.png"))
    if not truths:
        raise ValueError(f"expected masks CITY/*_gtFine_labelIds.png in {masks}, found none; check --data and --split")
    files = [predictions / f"{path.name.removesuffix('_gtFine_labelIds.png')}{SUFFIX}" for path in truths]
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(truths)} predictions are missing, the first is {missing[0]}; "
            "predict the whole split"
        )
    official.args.quiet = True
    official.args.JSONOutput = False
    official.args.evalInstLevelScore = False
    scores = official.evaluateImgLists([str(file) for file in files], [str(path) for path in truths], official.args)
    return float(scores["averageScoreClasses"]), {name: float(iou) for name, iou in scores["classScores"].items()}
