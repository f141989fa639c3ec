"""Files for the Cityscapes benchmark server, zipped PNGs of label ids, and the official score (cityscapesScripts)."""

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
    input_size: tuple[int, int],  # (H, W) that the network receives
    protocol: str = "logits",  # or "labels", see ``training.evaluate``
    identity: str = "",  # ``Predictor.identity``: what was written with the same is not predicted again
    progress: Callable[[int, int], None] | None = None,  # gets (done, all) after each picture
) -> Path:
    """Predict a split and write ``<picture>_pred_labelIds.png`` for each, and all as submission.zip; return that.

    Raises ValueError for a network, protocol or file of another kind, or logits not finite; OSError if it cannot write.
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


def import_official() -> Any:
    """Import the official scripts; a ModuleNotFoundError says how to install them."""
    try:
        from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as official  # noqa: N813
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{error}: the official score needs cityscapesScripts: pip install --no-deps cityscapesscripts "
            "pyquaternion appdirs (its other dependencies are here, and one of them shadows Python's own typing)"
        ) from error
    return official


def official_miou(dataset_root: Path, split: str, predictions: Path) -> tuple[float, dict[str, float]]:
    """Score label-id files by the official scripts: mean IoU over the 19 classes, and IoU by class (NaN: absent).

    Raises ModuleNotFoundError without cityscapesScripts, ValueError without masks or where a prediction is missing.
    """
    official = import_official()
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
