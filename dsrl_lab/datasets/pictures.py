"""The doors through which picture files come in: damage is an error that names the file and the remedy."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

MAX_PIXELS = 110_000_000  # a phone's 108 megapixels pass; as float32 they are 1.3 GB
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")

_UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    zlib.error,
    struct.error,
    Image.DecompressionBombError,
    MemoryError,  # a damaged length says gigabytes
)


def open_picture(path: Path) -> Image.Image:
    """Open and decode a picture file of at most ``MAX_PIXELS``: a few kilobytes may unpack to any size.

    Raises:
        ValueError: the file is not there, too large or cannot be decoded; the message names it and the remedy.
    """
    if not path.is_file():
        raise ValueError(f"expected a picture at {path}, found no file; restore it or correct the list that names it")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the bound here is our own
            with Image.open(path) as picture:
                width, height = picture.size
                if width * height <= MAX_PIXELS:
                    picture.load()
                    return picture
    except _UNREADABLE as error:
        raise ValueError(
            f"cannot decode {path} ({str(error) or type(error).__name__}); the file is damaged or no picture: "
            "delete it and fetch it again"
        ) from error
    raise ValueError(
        f"expected at most {MAX_PIXELS // 10**6} megapixels, {path} has {height} x {width} (H, W), "
        f"{width * height / 1e6:.0f} megapixels; reduce it or cut it in parts"
    )


def to_image(picture: Image.Image) -> Tensor:
    """Turn a PIL picture of any mode into an RGB image; grey becomes three equal channels, alpha is dropped.

    Shape:
        - output: (3, H, W) float32 in [0, 1]

    Example:
        >>> to_image(Image.new("L", (4, 2), 255)).shape
        torch.Size([3, 2, 4])
    """
    if picture.mode.startswith("I"):  # 16-bit grey: PIL's own conversion to RGB clips instead of scaling
        grey = torch.from_numpy(np.asarray(picture, dtype=np.float32) / 65535.0)
        return grey.clamp(0.0, 1.0).expand(3, -1, -1).contiguous()
    pixels = np.array(picture.convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous().float().div_(255.0)


def read_image(path: Path) -> Tensor:
    """Read a picture file.

    Shape:
        - output: (3, H, W) float32 in [0, 1], RGB

    Raises:
        ValueError: the file is missing or damaged.
    """
    return to_image(open_picture(path))


def read_ids(path: Path) -> NDArray[np.integer]:
    """Read a picture whose pixels are ids, grey or with a palette.

    Shape:
        - output: (H, W) integers

    Raises:
        ValueError: the file is missing, damaged, or has colours instead of ids.
    """
    picture = open_picture(path)
    ids = np.asarray(picture)
    if ids.ndim != 2 or not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(
            f"expected ids in one channel in {path}, got mode {picture.mode}; "
            "this is a colour picture: point to the id masks, or choose the layout that has colours"
        )
    return ids


def check_same_size(image: Tensor, mask: Tensor, image_path: Path, mask_path: Path) -> None:
    """Refuse a mask that does not lie on its picture.

    Raises:
        ValueError: the sizes differ; both files and sizes (H, W) are named.
    """
    if image.shape[-2:] != mask.shape[-2:]:
        raise ValueError(
            f"picture and mask differ in size (H, W): {image_path} is {tuple(image.shape[-2:])}, "
            f"{mask_path} is {tuple(mask.shape[-2:])}; fetch both again from the same source"
        )


def list_pictures(folder: Path) -> tuple[Path, ...]:
    """Return the picture files of a folder, sorted by name; hidden files are left out."""
    if not folder.is_dir():
        return ()
    return tuple(sorted(p for p in folder.iterdir() if _is_picture(p)))


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".") and path.is_file()
