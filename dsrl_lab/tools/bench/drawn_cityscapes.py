"""Drawn streets as files in Cityscapes' layout; drawn small and enlarged, they compress better than photographs."""

from pathlib import Path

import torch
from PIL import Image

from dsrl_lab.datasets.cityscapes import IMAGE_SUFFIX, MASK_SUFFIX, to_label_ids
from dsrl_lab.datasets.class_tables import CLASS_TABLES
from dsrl_lab.datasets.streets import Streets

FULL_SIZE = (1024, 2048)
OF_STREETS = {"pavement": "sidewalk", "tree": "vegetation", "signsymbol": "traffic sign", "pedestrian": "person"}


def write_drawn_cityscapes(
    root: Path, *, size: tuple[int, int] = FULL_SIZE, pictures: dict[str, int], drawn_size: tuple[int, int] = (128, 256)
) -> Path:
    """Write a tree that ``Cityscapes`` reads, with ``pictures`` of each split, of ``size`` (H, W); return ``root``."""
    theirs = CLASS_TABLES["cityscapes"]
    table = torch.full((256,), 255)
    for number, name in enumerate(CLASS_TABLES["streets"].names):
        known = OF_STREETS.get(name, name)
        table[number] = theirs.index(known) if known in theirs.names else 255
    for split, count in pictures.items():
        street = Streets("train" if split == "train" else "val", size=drawn_size, length=count)
        for index in range(count):
            sample, stem = street[index], f"drawn_{index:06d}_000019"
            pixels = (sample.image * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
            ids = to_label_ids(table[sample.mask]).numpy()
            image = ("leftImg8bit", IMAGE_SUFFIX, pixels, Image.Resampling.BICUBIC)
            mask = ("gtFine", MASK_SUFFIX, ids, Image.Resampling.NEAREST)
            for folder, suffix, array, filter_ in (image, mask):
                place = root / folder / split / "drawn"
                place.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).resize(size[::-1], filter_).save(place / f"{stem}{suffix}", compress_level=1)
    return root
