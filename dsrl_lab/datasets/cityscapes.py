"""Cityscapes: 5,000 street pictures of 1024x2048 with fine masks, in the layout of the official archives.

Source: Cordts et al. 2016, and the official table of 34 label ids, of which 19 are trained and scored. The masks read
are ``*_gtFine_labelIds.png``, so no preparation step is needed.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from dsrl_lab.datasets import base
from dsrl_lab.datasets.base import IGNORE_INDEX, DataReport
from dsrl_lab.datasets.class_tables import CITYSCAPES
from dsrl_lab.datasets.masks import MaskValues, PairedPictures, all_known

NUM_LABELS = 34
IMAGE_SUFFIX = "_leftImg8bit.png"
MASK_SUFFIX = "_gtFine_labelIds.png"
REMEDY = (
    "Register at https://www.cityscapes-dataset.com, fetch leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip, "
    "and unpack both here so that leftImg8bit/ and gtFine/ lie side by side (`dsrl-lab data fetch cityscapes` unpacks "
    "archives that lie here)."
)

# Label id of each train id, in the order of CITYSCAPES.names.
TRAIN_TO_LABEL = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)


def to_label_ids(train_ids: Tensor) -> Tensor:
    """Map train ids (..., H, W), 0..18 or 255 (becomes 0, unlabelled), to uint8 label ids for the benchmark server.

    ValueError where an id is no train id.

    Example:
        >>> to_label_ids(torch.tensor([[0, 18, 255]])).tolist()
        [[7, 33, 0]]
    """
    wrong = train_ids[((train_ids < 0) | (train_ids >= len(TRAIN_TO_LABEL))) & (train_ids != IGNORE_INDEX)]
    if len(wrong):
        raise ValueError(
            f"expected train ids 0..{len(TRAIN_TO_LABEL) - 1} or {IGNORE_INDEX}, got {int(wrong[0])}; "
            "pass the argmax of a network with 19 outputs"
        )
    table = torch.zeros(256, dtype=torch.uint8)
    table[: len(TRAIN_TO_LABEL)] = torch.tensor(TRAIN_TO_LABEL, dtype=torch.uint8)
    return table[train_ids.long()]


def to_train_ids(label_ids: NDArray[Any], path: Path) -> Tensor:
    """Map label ids (H, W) of the file ``path`` to train ids, 255 ignored; ValueError where an id is no label's."""
    return all_known(label_ids, Cityscapes.known.ids, path, title="id {}".format)


def _pairs(root: Path, split: str) -> list[tuple[Path, Path]]:
    """Pictures and masks by city and name: all that either folder holds, so that none is lost."""
    images, masks = root / "leftImg8bit" / split, root / "gtFine" / split
    frames = {(p.parent.name, p.name.removesuffix(IMAGE_SUFFIX)) for p in images.glob(f"*/*{IMAGE_SUFFIX}")}
    frames |= {(p.parent.name, p.name.removesuffix(MASK_SUFFIX)) for p in masks.glob(f"*/*{MASK_SUFFIX}")}
    return [
        (images / city / f"{frame}{IMAGE_SUFFIX}", masks / city / f"{frame}{MASK_SUFFIX}")
        for city, frame in sorted(frames)
        if not frame.startswith(".")
    ]


def _splits(root: Path) -> tuple[str, ...]:
    folder = root / "leftImg8bit"
    found = {p.name for p in folder.iterdir() if p.is_dir()} if folder.is_dir() else set()
    return base.in_split_order(found)


class Cityscapes(PairedPictures):
    """Cityscapes with the 19 train ids.

    Reads ``leftImg8bit/<split>/<city>/<name>_leftImg8bit.png`` and
    ``gtFine/<split>/<city>/<name>_gtFine_labelIds.png``; names are ``<city>_<sequence>_<frame>``, sorted. The masks of
    ``test`` are not public: where there is none, all its pixels are 255.

    ValueError where the split or a mask of train or val is missing; on reading, for a damaged file or unknown id.
    """

    class_table = CITYSCAPES
    known = MaskValues(
        dict.fromkeys((*range(NUM_LABELS), IGNORE_INDEX), IGNORE_INDEX)
        | {label: number for number, label in enumerate(TRAIN_TO_LABEL)},
        {},
        f"label ids 0..{NUM_LABELS - 1}: use the *{MASK_SUFFIX} of the official archive, not instance or colour files",
    )
    hidden = ("test",)

    def __init__(self, root: str | Path, split: str) -> None:
        root = Path(root)
        splits = {present: partial(_pairs, root, present) for present in _splits(root)}
        self._open("Cityscapes", root, split, splits, REMEDY)
        self.names = tuple(name.removesuffix(Path(IMAGE_SUFFIX).stem) for name in self.names)


def check(root: str | Path, *, splits: Sequence[str] = ("train", "val")) -> DataReport:
    """Open what of Cityscapes is at ``root``, read the first and last sample of each split, name what is missing."""
    root = Path(root)
    reader = partial(Cityscapes, root)
    return base.check_splits("cityscapes", root, reader, present=_splits(root), wanted=splits, remedy=REMEDY)
