"""People with joints: Leeds Sports Pose Extended, and any data set in COCO's keypoint layout.

Sources: Johnson and Everingham, "Learning Effective Human Pose Estimation from Inaccurate Annotation" (CVPR 2011),
whose joints are sometimes wrong; Lin et al., "Microsoft COCO" (ECCV 2014), read with pycocotools.

Coordinates are (x, y) pixels; (0, 0) is the centre of the top left pixel. Boxes are (left, top, right, bottom) edges:
a whole picture is (0, 0, W, H). People marked as crowds or without a marked joint are left out of COCO, as usual.
"""

import contextlib
import io
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from pycocotools.coco import COCO
from torch import Tensor

from dsrl_lab.datasets.base import DataReport, SplitDataset, check_splits, in_split_order, missing_files, missing_split
from dsrl_lab.datasets.joint_tables import COCO_JOINTS, LSP_JOINTS, JointTable
from dsrl_lab.datasets.pictures import read_image
from dsrl_lab.files import read_text

REMEDY = (
    "Expected train.json and train/ (Leeds Sports Pose Extended; dsrl-lab data check lsp_extended says where from), or "
    "annotations/person_keypoints_train2017.json and train2017/ (COCO, https://cocodataset.org)."
)


class PoseSample(NamedTuple):
    """A picture with one person's joints."""

    image: Tensor  # (3, H, W) float32 in [0, 1], RGB
    joints: Tensor  # (J, 2) float32, x and y in pixels
    visible: Tensor  # (J,) float32, 1 where the joint is marked (hidden ones can be marked too), else 0
    name: str  # unique within the split
    box: Tensor  # (4,) float32, left, top, right and bottom edge of the person in pixels


class PoseDataset(SplitDataset[PoseSample]):
    """People, one sample each."""

    joint_table: JointTable  # which joints there are
    unit = "people"


def _read_json(path: Path, kind: type) -> Any:
    if not path.is_file():
        raise ValueError(f"expected annotations at {path}, found no file. {REMEDY}")
    text = read_text(path)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"cannot read {path} ({error}); the file is damaged: take a good copy") from error
    if not isinstance(content, kind):
        raise ValueError(f"expected a JSON {kind.__name__} in {path}, got {type(content).__name__}; {REMEDY}")
    return content


def _numbers(values: Any, count: int) -> list[float] | None:
    good = isinstance(values, list) and len(values) == count
    good = good and all(isinstance(value, int | float) and abs(value) < 1e6 for value in values)
    return [float(value) for value in values] if good else None


def _plain_name(name: Any) -> bool:
    return isinstance(name, str) and name not in ("", ".", "..") and not set(name) & set("/\\\0")


def _joints_and_visible(rows: Sequence[Sequence[float]]) -> tuple[Tensor, Tensor]:
    table = torch.tensor(rows, dtype=torch.float32)
    return table[:, :2].contiguous(), (table[:, 2] > 0).float()


class LspExtended(PoseDataset):
    """Leeds Sports Pose Extended: ``<split>.json`` lists pictures of ``<split>/`` with 14 joints each.

    The list's entries are ``{"file": name, "joints": [[x, y, visible] x 14]}``.
    Half of the people span less than 0.42 of the picture's longer side. Their box is the whole picture, or with
    ``box="joints"`` that of the marked joints, as by a perfect detector; scores of the two do not compare.

    ValueError for no such split, a damaged list, missing pictures, or an unknown ``box``; later for a damaged picture.
    """

    def __init__(self, root: str | Path, split: str, *, box: Literal["picture", "joints"] = "picture") -> None:
        if box not in ("picture", "joints"):
            raise ValueError(f"unknown box {box!r}; choose from picture, joints")
        root = Path(root)
        present = in_split_order(path.stem for path in root.glob("*.json"))
        if split not in present:
            raise missing_split("Leeds Sports Pose", split, present, root, REMEDY)
        path = root / f"{split}.json"
        self.joint_table, self.split, self.box = LSP_JOINTS, split, box
        entries = enumerate(_read_json(path, list))
        self._people = [self._person(entry, f"entry {number} of {path}") for number, entry in entries]
        if not self._people:
            raise ValueError(f"{path} lists nobody; {REMEDY}")
        self._paths = [root / split / name for name, _, _ in self._people]
        self.names = tuple(Path(name).stem for name, _, _ in self._people)
        missing_files(f"split {split!r} of Leeds Sports Pose at {root}", self._paths, REMEDY)

    @staticmethod
    def _person(entry: Any, place: str) -> tuple[str, Tensor, Tensor]:
        name = entry.get("file") if isinstance(entry, dict) else None
        joints = entry.get("joints") if isinstance(entry, dict) else None
        rows = [_numbers(row, 3) for row in joints] if isinstance(joints, list) else []
        known = [row for row in rows if row is not None]
        if not _plain_name(name) or len(rows) != 14 or len(known) != 14:
            raise ValueError(
                f'{place}: expected {{"file": "name.jpg", "joints": [[x, y, visible] x 14]}} with the bare name of a '
                "picture and finite numbers; correct the entry or fetch the list again"
            )
        return (str(name), *_joints_and_visible(known))

    def __getitem__(self, index: int) -> PoseSample:
        _, joints, visible = self._people[index]
        image = read_image(self._paths[index])
        box = torch.tensor([0.0, 0.0, image.shape[-1], image.shape[-2]])
        if self.box == "joints" and visible.any():
            marked = joints[visible > 0]
            box = torch.cat([marked.amin(0), marked.amax(0) + 1])
        return PoseSample(image, joints.clone(), visible.clone(), self.names[index], box)


class CocoKeypoints(PoseDataset):
    """People with 17 joints in COCO's layout: ``<split>2017/`` and ``annotations/person_keypoints_<split>2017.json``.

    One sample for each annotated person, with the annotated box; several share a picture. ``annotations`` is the file's
    path, for ``metrics.oks_average_precision``; ``image_ids`` holds for each sample the id of its picture.

    ValueError as ``LspExtended``.
    """

    def __init__(self, root: str | Path, split: str) -> None:
        root = Path(root)
        present = _coco_splits(root)
        if split not in present:
            raise missing_split("COCO keypoints", split, present, root, REMEDY)
        self.joint_table, self.split = COCO_JOINTS, split
        self.annotations = root / "annotations" / f"person_keypoints_{split}2017.json"
        images, people = _coco_people(self.annotations)
        if not people:
            raise ValueError(f"{self.annotations} marks nobody's joints; {REMEDY}")
        self._people = people
        self._paths = [root / f"{split}2017" / images[person.image_id]["file_name"] for person in people]
        self._sizes = [tuple(images[person.image_id].get(side) for side in ("height", "width")) for person in people]
        self.image_ids = tuple(person.image_id for person in people)
        self.names = tuple(f"{path.stem}_{person.number}" for path, person in zip(self._paths, people, strict=True))
        missing_files(f"split {split!r} of COCO keypoints at {root}", sorted(set(self._paths)), REMEDY)

    def __getitem__(self, index: int) -> PoseSample:
        person, size = self._people[index], self._sizes[index]
        joints, visible = _joints_and_visible(person.rows)
        image = read_image(self._paths[index])
        if None not in size and image.shape[-2:] != size:
            raise ValueError(
                f"{self._paths[index]} is {tuple(image.shape[-2:])} (H, W), its annotations are for {size}: it was "
                "resized, or annotated without its EXIF orientation; take the original picture"
            )
        return PoseSample(image, joints, visible, self.names[index], torch.tensor(person.box))


class _CocoPerson(NamedTuple):
    image_id: int
    number: int
    rows: list[list[float]]
    box: list[float]


def _coco_splits(root: Path) -> tuple[str, ...]:
    prefix, suffix = "person_keypoints_", "2017"
    stems = (path.stem for path in (root / "annotations").glob(f"{prefix}*{suffix}.json"))
    return in_split_order(stem.removeprefix(prefix).removesuffix(suffix) for stem in stems)


def _coco_people(path: Path) -> tuple[dict[int, dict[str, Any]], list[_CocoPerson]]:
    """The file's images by id, and the people in order of image and annotation id."""
    content = _read_json(path, dict)
    coco = COCO()
    coco.dataset = content
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools talks
            coco.createIndex()
        files = {key: image["file_name"] for key, image in coco.imgs.items()}
        entries = sorted(coco.anns.items(), key=lambda item: (item[1]["image_id"], item[0]))
        marked = [(key, entry) for key, entry in entries if not entry["iscrowd"] and entry["num_keypoints"] > 0]
        people = [_coco_person(path, entry["image_id"], key, entry) for key, entry in marked]
        strangers = [person for person in people if not _plain_name(files.get(person.image_id))]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} is no COCO keypoint file ({type(error).__name__}: {error}); expected images with id and "
            "file_name, annotations with id, image_id, iscrowd, num_keypoints, keypoints and bbox: fetch it again"
        ) from error
    if strangers:
        raise ValueError(f"annotation {strangers[0].number} of {path} has no picture with a bare file name; correct it")
    return coco.imgs, people


def _coco_person(path: Path, image_id: int, number: int, entry: dict[str, Any]) -> _CocoPerson:
    values, box = _numbers(entry["keypoints"], 51), _numbers(entry["bbox"], 4)
    if values is None or box is None or min(box[2:]) <= 0:
        raise ValueError(
            f"annotation {number} of {path}: expected 51 numbers in keypoints (x, y, v of 17 joints) and a bbox of x, "
            "y, positive width and height; correct the entry or fetch the file again"
        )
    left, top, width, height = box
    rows = [values[start : start + 3] for start in range(0, 51, 3)]
    return _CocoPerson(image_id, number, rows, [left, top, left + width, top + height])


def check(root: str | Path, *, splits: Sequence[str] = ("train", "val")) -> DataReport:
    """Say which people are at ``root`` and what is missing; the first and last of each split are read."""
    in_coco = _coco_splits(Path(root))
    if not in_coco and not any(Path(root).glob("*.json")):
        return DataReport("pose", str(root), {}, (f"folder {root} with lists of joints",), REMEDY)
    reader: Callable[[str], PoseDataset] = partial(CocoKeypoints if in_coco else LspExtended, root)
    return check_splits("pose", root, reader, present=splits, wanted=(), remedy=REMEDY)
