"""What every data set of the kit hands out: samples, a class table, and a report of what is missing."""

from __future__ import annotations

import os
import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import psutil
import torch
from torch import Tensor
from torch.utils.data import Dataset

T = TypeVar("T")
IGNORE_INDEX = 255
MISSING_SHOWN = 8


class Sample(NamedTuple):
    """One picture with its truth."""

    image: Tensor  # (3, H, W) float32 in [0, 1], RGB
    mask: Tensor  # (H, W) int64 class ids, 255 = ignored
    name: str  # a name that is unique within the split


def check_sample(sample: Sample) -> Sample:
    """Refuse, with a ValueError that names it, a sample whose image or mask is not as ``Sample`` says."""
    image, mask = sample.image, sample.mask
    fits = image.is_floating_point() and image.shape == (3, *mask.shape) and not mask.is_floating_point()
    low, high = image.aminmax() if fits else (-1.0, 2.0)  # in one pass: training checks every sample it draws
    if not (-1e-3 <= low <= high <= 1.001):  # a resize may overshoot by rounding
        raise ValueError(
            f"{sample.name}: expected an image (3, H, W) of floats in [0, 1] and a mask (H, W) of ids, got "
            f"{image.dtype} {tuple(image.shape)} and {mask.dtype} {tuple(mask.shape)}, or values beyond [0, 1]"
        )
    return sample


@dataclass(frozen=True)
class ClassTable:
    """The classes of a data set: names, colours, and which of them are thin.

    ValueError where a name occurs twice, a colour is missing, or ``thin`` names a class that is not there.

    Example:
        >>> table = ClassTable(("road", "pole"), ((128, 64, 128), (192, 192, 128)), thin=("pole",))
        >>> table.num_classes, table.index("pole"), table.thin
        (2, 1, ('pole',))
    """

    names: tuple[str, ...]  # class names in the order of their ids
    colors: tuple[tuple[int, int, int], ...]  # one (r, g, b) in 0..255 for each name
    thin: tuple[str, ...] = ()  # names of the classes a few pixels wide, where resolution matters most

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"class names must differ from each other, got {self.names}; rename one")
        if len(self.colors) != len(self.names):
            counts = f"each of {len(self.names)} classes, got {len(self.colors)}"
            raise ValueError(f"expected one colour for {counts}; add or remove colours")
        unknown = [name for name in self.thin if name not in self.names]
        if unknown:
            raise ValueError(f"thin classes {unknown} are not in the table; choose from {', '.join(self.names)}")

    @classmethod
    def from_json(cls, values: Any) -> ClassTable:
        """From the dictionary that ``dataclasses.asdict`` gives, as JSON returns it; a ValueError for anything else."""
        try:
            colors = tuple((int(red), int(green), int(blue)) for red, green, blue in values["colors"])
            table = cls(tuple(map(str, values["names"])), colors, tuple(map(str, values["thin"])))
            torch.tensor(table.colors, dtype=torch.uint8)
        except (TypeError, KeyError, ValueError, RuntimeError) as error:
            raise ValueError(f"expected names, colors and thin of classes, got {str(values)[:80]} ({error})") from error
        return table

    @property
    def num_classes(self) -> int:
        """K, the number of classes."""
        return len(self.names)

    def index(self, name: str) -> int:
        """Id of the class called ``name``; a ValueError for an unknown one lists those there are."""
        if name not in self.names:
            raise ValueError(f"unknown class {name!r}; choose from {', '.join(self.names)}")
        return self.names.index(name)

    def paint(self, mask: Tensor) -> Tensor:
        """Colour a mask (..., H, W) of class ids for the eye, (..., H, W, 3) uint8; ignored pixels (255) become black.

        ValueError where the mask holds an id that the table does not.

        Example:
            >>> ClassTable(("road", "pole"), ((128, 64, 128), (192, 192, 128))).paint(torch.tensor([[1, 255]])).tolist()
            [[[192, 192, 128], [0, 0, 0]]]
        """
        wrong = mask[((mask < 0) | (mask >= self.num_classes)) & (mask != IGNORE_INDEX)]
        if len(wrong):
            known = f"0..{self.num_classes - 1} or {IGNORE_INDEX}"
            raise ValueError(f"expected ids {known}, got {int(wrong[0])}; map the mask to this table's ids first")
        palette = torch.zeros(256, 3, dtype=torch.uint8)
        palette[: self.num_classes] = torch.tensor(self.colors, dtype=torch.uint8)
        return palette[mask.long()]


@dataclass(frozen=True)
class DataReport:
    """What was found of a data set, what is missing, and what to do about it.

    Example:
        >>> print(DataReport("camvid", "CamVid", {"val": 101}, ("split train",), "Fetch it."))
        camvid at CamVid: val 101
          missing: split train
          Fetch it.
    """

    dataset: str  # name of the data set
    root: str  # folder that was looked at
    found: dict[str, int] = field(default_factory=dict)  # number of pictures for each split that is there
    missing: tuple[str, ...] = ()  # one line for each thing that was wanted and is not there
    remedy: str = ""  # where to get what is missing, and where to put it
    notes: tuple[str, ...] = ()  # what a user should know though nothing is missing, such as files that are not read
    label: str = "missing"  # before each line of ``missing``

    @property
    def ok(self) -> bool:
        """True if nothing is missing."""
        return not self.missing

    def __str__(self) -> str:
        found = ", ".join(f"{split} {count}" for split, count in self.found.items()) or "nothing found"
        lines = [f"{self.dataset} at {self.root}: {found}"]
        lines += [f"  {self.label}: {line}" for line in self.missing[:MISSING_SHOWN]]
        if len(self.missing) > MISSING_SHOWN:
            lines.append(f"  ... and {len(self.missing) - MISSING_SHOWN} more")
        lines += [f"  note: {line}" for line in self.notes]
        if self.missing and self.remedy:
            lines.append(f"  {self.remedy}")
        return "\n".join(lines)


class SplitDataset(Dataset[T], ABC):
    """One split of a data set; a subclass sets the attributes and writes ``__getitem__``."""

    split: str = ""  # which part of the data this is
    names: tuple[str, ...]  # of the samples, in an order that does not depend on the file system
    unit = "pictures"

    def __len__(self) -> int:
        return len(self.names)

    @abstractmethod
    def __getitem__(self, index: int) -> T:
        """Return sample ``index``; an index out of range raises IndexError, so that loops end."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(split={self.split!r}, {len(self)} {self.unit})"


class SegmentationDataset(SplitDataset[Sample]):
    """Pictures with masks."""

    class_table: ClassTable  # of the masks


def memory_to_keep() -> int:
    """Bytes that a data set keeps by default: a quarter of the free memory, shared by the processes of a run."""
    limit = Path("/sys/fs/cgroup/memory.max")  # of a container
    allowed = limit.read_text() if limit.is_file() else ""
    free = min(psutil.virtual_memory().available, int(allowed) if allowed.strip().isdigit() else sys.maxsize)
    return free // 4 // int(os.environ.get("LOCAL_WORLD_SIZE") or os.environ.get("WORLD_SIZE") or 1)


def in_split_order(splits: Iterable[str]) -> tuple[str, ...]:
    """Sort split names: train, val, test, then the others by name."""
    usual = ("train", "val", "test")
    return tuple(sorted(splits, key=lambda split: (usual.index(split) if split in usual else len(usual), split)))


def missing_split(dataset: str, split: str, present: Sequence[str], root: Path, remedy: str) -> ValueError:
    """Return the error for a split that is not there: it names those that are."""
    there = ", ".join(present) or "none"
    return ValueError(f"{dataset} at {root} has no split {split!r}; splits found there: {there}. {remedy}")


def missing_files(what: str, paths: Iterable[Path], remedy: str) -> None:
    """Refuse a list that is empty or names missing files, with a ValueError that counts them and names the first."""
    paths = list(paths)
    missing = [path for path in paths if not path.is_file()]
    if not paths:
        raise ValueError(f"{what} lists no pictures. {remedy}")
    if missing:
        link = f", a link to {missing[0].readlink()}" if missing[0].is_symlink() else ""
        raise ValueError(
            f"{what}: {len(missing)} of {len(paths)} files are missing, the first is {missing[0]}{link}. {remedy}"
        )


def check_splits(
    dataset: str,
    root: str | Path,
    reader: Callable[[str], Dataset],  # opens a split; its errors become what is missing, its warnings notes
    *,
    present: Sequence[str],  # splits that are there
    wanted: Sequence[str],  # splits that must be there
    remedy: str,
) -> DataReport:
    """Open splits with the reader that training uses, and read their first and last sample."""
    found: dict[str, int] = {}
    missing, notes = [], []
    for split in present:
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", UserWarning)
                data = reader(split)
                for index in {0, len(data) - 1}:  # type: ignore[arg-type]
                    data[index]
            found[split] = len(data)  # type: ignore[arg-type]
            notes += [str(warning.message) for warning in caught]
        except ValueError as error:
            missing.append(str(error).removesuffix(remedy).strip())
    missing += [f"split {split}" for split in wanted if split not in present]
    return DataReport(dataset, str(root), found, tuple(missing), remedy, tuple(dict.fromkeys(notes)))
