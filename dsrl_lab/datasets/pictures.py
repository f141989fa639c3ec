"""The kit's one reader of pictures: a picture comes in as the eye sees it, or not at all.

As the eye sees it: turned as its EXIF orientation says, transparent parts over white, 16-bit grey scaled. What has no
sure look (floats beyond 0..1, 32-bit integers, several pages) is an error that names the file and the remedy.
"""

import re
import struct
import warnings
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps
from torch import Tensor

from dsrl_lab.files import read_text

MAX_PIXELS = 110_000_000  # a phone's 108 megapixels pass; as float32 they are 1.3 GB
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")

# Two paths on a line, quoted or not, with blanks inside or not: the first ends with a picture's suffix.
PAIR = re.compile(rf'\s*"?(.+?(?i:{"|".join(map(re.escape, PICTURE_SUFFIXES))}))"?\s+"?(.+?)"?\s*')

_LOSSLESS = ("PNG", "BMP", "GIF", "TIFF", "PPM", "TGA")
_SIXTEEN_BITS = ("PNG", "PPM")  # formats whose mode "I" is 16-bit grey
# What decoders raise on damaged files; a damaged length may ask for gigabytes.
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, MemoryError, zlib.error, struct.error)


def open_picture(path: Path) -> Image.Image:
    """Open and decode a picture file of at most ``MAX_PIXELS`` (a small file may unpack to any size), turned upright.

    A ValueError for no such file, one too large, damaged, or of several pictures names it and the remedy.
    """
    if path.is_symlink() and not path.exists():
        raise ValueError(f"{path} is a link to {path.readlink()}, which is not there; fetch what it points to")
    if not path.is_file():
        raise ValueError(f"expected a picture at {path}, found no file; restore it or correct the list that names it")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the bound here is our own
            with Image.open(path) as picture:
                width, height = picture.size
                frames = 1 if picture.format == "MPO" else getattr(picture, "n_frames", 1)  # MPO: a phone's preview
                if width * height <= MAX_PIXELS and frames == 1:
                    packed = re.search(r"L;([124])\b", str(picture.tile))  # grey of few bits: Pillow stretches it
                    picture.load()
                    picture.info["levels"] = 2 ** int(packed[1]) if packed else 256
                    ImageOps.exif_transpose(picture, in_place=True)
                    return picture
    except (*_DAMAGED, Image.DecompressionBombError) as error:
        raise ValueError(
            f"cannot decode {path} ({str(error) or type(error).__name__}); the file is damaged or of a kind that is "
            "not read: replace it by a good copy, or save it as an 8-bit PNG"
        ) from error
    if frames > 1:
        raise ValueError(f"expected one picture in {path}, got {frames} frames or pages; save each as its own PNG")
    raise ValueError(
        f"expected at most {MAX_PIXELS // 10**6} megapixels, {path} has {height} x {width} (H, W), "
        f"{width * height / 1e6:.0f} megapixels; reduce it or cut it in parts"
    )


def read_image(path: Path) -> Tensor:
    """Read a picture of any mode: (3, H, W) float32 RGB in [0, 1]; grey is repeated, the transparent lies over white.

    A ValueError for a file that is missing or damaged, or whose values have no sure brightness.
    """
    picture = open_picture(path)
    if picture.mode[0] in "IF":
        return _grey(picture, path).expand(3, -1, -1).contiguous()
    if picture.has_transparency_data:
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture.convert("RGBA"))
    pixels = np.array(picture.convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous().float().div_(255.0)


def _grey(picture: Image.Image, path: Path) -> Tensor:
    """16-bit grey over its range, which PIL would clip to 8 bits; floats in [0, 1] as they are."""
    values = torch.from_numpy(np.array(picture, dtype=np.float32))
    if picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format in _SIXTEEN_BITS):
        values = values / 65535.0
    elif picture.mode != "F" or not bool(((values >= 0) & (values <= 1)).all()):
        kind = "32-bit or signed integers" if picture.mode == "I" else "floats beyond 0..1"
        raise ValueError(
            f"{path} holds {kind}, from {values.min():g} to {values.max():g}, and does not say which is white; "
            "scale it and save it as an 8-bit or 16-bit PNG"
        )
    return values


def changed_by_reading(path: Path) -> list[str]:
    """What of a picture file differs once it is read: it is turned upright, or an alpha channel is laid over white."""
    with Image.open(path) as picture:
        turned = picture.getexif().get(ExifTags.Base.Orientation, 1) != 1
        found = {"turned upright by their EXIF orientation": turned, "with alpha": picture.has_transparency_data}
    return [what for what, is_so in found.items() if is_so]


def open_mask(path: Path) -> Image.Image:
    """Open a mask, as ``open_picture``; a format that changes pixels, such as JPEG, is a ValueError too."""
    picture = open_picture(path)
    compression = str(picture.info.get("compression", "")) if picture.format == "TIFF" else ""
    if picture.format not in _LOSSLESS or compression in ("jpeg", "tiff_jpeg", "webp"):
        kind = f"{picture.format} {compression}".strip()
        raise ValueError(
            f"expected a lossless mask, {path} is {kind}, which blends ids at the edges and so makes classes that "
            "nobody drew; take the original masks, saved as PNG"
        )
    return picture


def ids_in(picture: Image.Image, path: Path) -> NDArray[np.integer]:
    """The ids (H, W) in an open mask, grey or with a palette; colours are a ValueError."""
    ids = np.asarray(picture)
    if picture.mode in ("1", "L"):  # the ids as stored
        ids = ids.astype(np.uint8) // (255 // (picture.info["levels"] - 1) if picture.mode == "L" else 1)
    if ids.ndim != 2 or not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(
            f"expected ids in one channel in {path}, got mode {picture.mode}; "
            "this is a colour picture: point to the id masks, or choose the layout that has colours"
        )
    return ids


def check_same_size(image: Tensor, mask: Tensor, image_path: Path, mask_path: Path) -> None:
    """Refuse a mask that does not lie on its picture: a ValueError names both files and sizes (H, W)."""
    size, of_mask = tuple(image.shape[-2:]), tuple(mask.shape[-2:])
    if size != of_mask:
        turned = " (one of them is turned: a photograph is shown upright, as its EXIF orientation says)"
        raise ValueError(
            f"picture and mask differ in size (H, W): {image_path} is {size}, {mask_path} is {of_mask}"
            f"{turned * (size == of_mask[::-1])}; take both from the same source"
        )


def list_pictures(folder: Path) -> tuple[Path, ...]:
    """Return the picture files of a folder, sorted by name, links that point nowhere among them; no hidden files."""
    if not folder.is_dir():
        return ()
    paths = (p for p in folder.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES and not p.name.startswith("."))
    return tuple(sorted(p for p in paths if not p.is_dir()))


def left_out(folder: Path) -> tuple[str, ...]:
    """Names of what ``list_pictures`` leaves out of a folder: files of other kinds, and subfolders with a "/"."""
    listed = set(list_pictures(folder))
    rest = [p for p in folder.iterdir() if p not in listed and not p.name.startswith(".")] if folder.is_dir() else []
    return tuple(sorted(f"{p.name}/" if p.is_dir() else p.name for p in rest))


def warn_of_left_out(folder: Path) -> None:
    """Warn of the files and subfolders that are not read, if there are any: how many, and the first three."""
    names = left_out(folder)
    if names:
        shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        warnings.warn(f"not read in {folder}, {len(names)} in all: {shown}", UserWarning, stacklevel=3)


def pictures_by_stem(folder: Path) -> dict[str, Path]:
    """Picture files of a folder by stem; warns of what is not read. A ValueError where suffixes alone differ."""
    found: dict[str, Path] = {}
    for path in list_pictures(folder):
        if path.stem in found:
            raise ValueError(f"{found[path.stem]} and {path} have one name; keep one of them")
        found[path.stem] = path
    warn_of_left_out(folder)
    return found


def pairs_by_name(images: Path, masks: Path, end: str, names: Iterable[str] | None = None) -> list[tuple[Path, Path]]:
    """Pictures and masks, whose names go on with ``end``; all that either folder holds if no names are given."""
    by_name = pictures_by_stem(images)
    ended = {stem.removesuffix(end): path for stem, path in pictures_by_stem(masks).items() if stem.endswith(end)}
    names = sorted(by_name | ended) if names is None else names
    return [(by_name.get(n, images / f"{n}.png"), ended.get(n, masks / f"{n}{end}.png")) for n in names]


def listed_names(list_file: Path) -> list[str]:
    """Names without folder and suffix, one a line; of a pair the picture's."""
    names = []
    for line in read_text(list_file).replace("\\", "/").splitlines():
        pair = PAIR.fullmatch(line)
        name = Path(pair[1] if pair else line.strip().strip('"')).name
        stem, suffix = Path(name).stem, Path(name).suffix.lower()
        names += [stem if suffix in PICTURE_SUFFIXES else name] if name else []
    return names
