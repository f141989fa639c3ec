"""Masks in files: what their ids and colours stand for, and pictures paired with masks as a data set."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dsrl_lab.datasets.base import IGNORE_INDEX, Sample, SegmentationDataset, missing_files, missing_split
from dsrl_lab.datasets.pictures import check_same_size, ids_in, open_mask, read_image

Pair = tuple[Path, Path]


@dataclass(frozen=True)
class MaskValues:
    """What masks may hold, and the class of each value; 255 = ignored."""

    ids: Mapping[int, int]  # none for masks of colours alone
    colours: Mapping[int, int]  # by ``colour_code``; none for masks of ids alone
    expected: str  # what a mask may hold, for messages


def colour_code(colours: Any) -> NDArray[np.int64]:
    """One number for each colour (..., 3) of 0..255: red * 65536 + green * 256 + blue."""
    return np.asarray(colours, dtype=np.int64) @ np.array([1 << 16, 1 << 8, 1])


def look_up(values: NDArray[Any], known: Mapping[int, int]) -> Tensor:
    """Replace values (H, W) by what they stand for, int64; those that are not known become -1."""
    if values.dtype == np.uint8:  # several times as fast
        return torch.from_numpy(np.array([known.get(value, -1) for value in range(256)])[values])
    keys, classes = np.array(sorted(known.items())).T
    place = np.searchsorted(keys, values).clip(max=len(keys) - 1)
    return torch.from_numpy(np.where(keys[place] == values, classes[place], -1))


def all_known(values: NDArray[Any], known: Mapping[int, int], path: Path, *, title: Callable[[int], str]) -> Tensor:
    """As ``look_up``; a value that is not known is a ValueError with its title and the file's ``path``."""
    classes = look_up(values, known)
    if (classes < 0).any():
        wrong = title(int(values[(classes < 0).numpy()][0]))
        raise ValueError(f"{path} holds {wrong}, which stands for no class; map it, or mark those pixels as ignored")
    return classes


def read_pair(image_path: Path, mask_path: Path, known: MaskValues) -> tuple[Tensor, Tensor, Counter[str]]:
    """Read picture (3, H, W) and mask (H, W); values that are not known are -1, and counted as they appear.

    A palette goes by its colours if they are all known, else by its ids. ValueError for a transparent mask, and as
    ``read_image`` and ``open_mask``.
    """
    image, picture = read_image(image_path), open_mask(mask_path)
    if picture.has_transparency_data:
        if picture.convert("RGBA").getchannel("A").getextrema()[0] != 255:
            raise ValueError(f"{mask_path} is transparent in parts, whose class is not sure; save it without alpha")
        if picture.mode == "LA" or (picture.mode != "P" and known.colours):
            picture = picture.convert("L" if picture.mode == "LA" else "RGB")
    title, meanings = "id {}", known.ids
    values: NDArray[Any]
    if known.colours and (picture.mode == "RGB" or not known.ids):
        values, title, meanings = colour_code(picture.convert("RGB")), "colour #{:06x}", known.colours
    else:
        values = ids_in(picture, mask_path)
        if known.colours and picture.mode == "P":
            palette = colour_code(np.array(picture.getpalette()).reshape(-1, 3))
            used = {int(number): int(palette[number]) for number in np.unique(values) if number < len(palette)}
            if set(used.values()) <= set(known.colours):
                meanings = {number: known.colours[code] for number, code in used.items()}
    mask = look_up(values, meanings)
    check_same_size(image, mask, image_path, mask_path)
    found, first, counts = np.unique(values[(mask < 0).numpy()], return_index=True, return_counts=True)
    return image, mask, Counter({title.format(found[i]): int(counts[i]) for i in np.argsort(first)})


class PairedPictures(SegmentationDataset):
    """One split of pictures and masks in files; a value of a mask that is not known is a ValueError on reading."""

    pairs: tuple[Pair, ...]  # picture and mask of each of ``names``
    known: MaskValues  # what its masks may hold
    hidden: tuple[str, ...] = ()  # splits whose masks may be missing; all pixels are then ignored

    def _open(
        self, title: str, root: Path, split: str, splits: Mapping[str, Callable[[], list[Pair]]], remedy: str
    ) -> None:
        """Take one of ``splits``, each with what lists its pairs; a ValueError if it or one of its files is missing."""
        if split not in splits:
            raise missing_split(title, split, tuple(splits), root, remedy)
        self.split, self.pairs = split, tuple(splits[split]())
        needed = [path for pair in self.pairs for path in (pair[:1] if split in self.hidden else pair)]
        missing_files(f"split {split!r} of {title} at {root}", needed, remedy)
        self.names = tuple(image.stem for image, _ in self.pairs)

    def __getitem__(self, index: int) -> Sample:
        image_path, path = self.pairs[index]
        if self.split in self.hidden and not path.is_file():
            image = read_image(image_path)
            return Sample(image, torch.full(image.shape[-2:], IGNORE_INDEX), self.names[index])
        image, mask, unknown = read_pair(image_path, path, self.known)
        if unknown:
            row, column = (mask < 0).nonzero()[0].tolist()
            counts = ", ".join(f"{what} {count} times" for what, count in unknown.most_common(3))
            where = f"{next(iter(unknown))} at ({row}, {column}) of {path}"
            raise ValueError(f"{where}; expected {self.known.expected} (not known: {counts})")
        return Sample(image, mask, self.names[index])
