"""The embedded data set: street scenes that are made on the spot."""

import os
from pathlib import Path

import pooch
import torch

from dsrl_lab.datasets.base import Sample, SegmentationDataset
from dsrl_lab.datasets.class_tables import CAMVID
from dsrl_lab.streets.cache import SceneSet
from dsrl_lab.streets.layout import sample_scene
from dsrl_lab.streets.scene import Scene

LENGTHS = {"train": 400, "val": 100, "test": 100}


class Streets(SegmentationDataset):
    """Street scenes with CamVid's 11 classes; every pixel is labelled.

    With ``cache`` scenes are drawn once and kept in the folder DSRL_LAB_CACHE, or in the user's cache folder.
    ValueError for an unknown split, a size below 8 pixels, a negative length or seed.

    Example:
        >>> sample = Streets("val", size=(48, 64), length=3)[2]
        >>> sample.image.shape, sample.mask.shape, sample.name
        (torch.Size([3, 48, 64]), torch.Size([48, 64]), 'val/000002')
    """

    def __init__(
        self, split: str, *, size: tuple[int, int], length: int | None = None, seed: int = 0, cache: bool = False
    ) -> None:
        if split not in LENGTHS:
            raise ValueError(f"unknown split {split!r} of streets; choose from {', '.join(LENGTHS)}")
        if len(size) != 2 or min(size) < 8:
            raise ValueError(f"expected size (H, W) with both at least 8, got {tuple(size)}; ask for a larger picture")
        length = LENGTHS[split] if length is None else length
        if length < 0 or seed < 0:
            raise ValueError(f"length and seed must not be negative, got length={length}, seed={seed}; use 0 or more")
        self.class_table = CAMVID
        self.split = split
        self.size = (int(size[0]), int(size[1]))
        self.seed = seed
        self.names = tuple(f"{split}/{index:06d}" for index in range(length))
        folder = Path(os.environ.get("DSRL_LAB_CACHE") or pooch.os_cache("dsrl-lab")) if cache else None
        self.drawn = SceneSet(folder, (seed, tuple(LENGTHS).index(split)), self.size, length)

    def scene(self, index: int) -> Scene:
        """Describe picture ``index``, with its people and their joints; an IndexError if there is no such picture."""
        return sample_scene(*self.drawn.key, self._place(index))

    def _place(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(f"expected an index below {len(self)}, got {index}")
        return index % len(self)

    def __getitem__(self, index: int) -> Sample:
        image, mask = self.drawn.read(self._place(index))
        return Sample(
            torch.from_numpy(image).permute(2, 0, 1).contiguous().float() / 255,
            torch.from_numpy(mask).long(),
            self.names[index],
        )
