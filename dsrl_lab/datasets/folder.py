"""A folder of one's own: pictures, masks and a class table.

``classes.csv`` or ``classes.json`` has a row for each id or colour that masks may hold: id, name, colour ("#804080" or
"128 64 128"), and "yes" under ignored (never trained or scored) or thin. Rows of one name are one class. Masks are ids
(grey or a palette) or colours; a palette counts by its colours where the table has them all, else by its ids.
"""

import csv
import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from dsrl_lab.datasets import base
from dsrl_lab.datasets.base import IGNORE_INDEX, ClassTable
from dsrl_lab.datasets.masks import MaskValues, Pair, PairedPictures, colour_code
from dsrl_lab.datasets.pictures import list_pictures, listed_names, pairs_by_name
from dsrl_lab.files import read_text

TABLES = ("classes.csv", "classes.json")
IMAGES, MASKS = ("images", "pictures"), ("masks", "labels")
LISTS = ("train", "val", "test")
REMEDY = (
    "A picture and its mask have one name; training needs train and val, or --held-out: see docs/BRING_YOUR_OWN.md."
)
_ANSWERS = {"": False, "no": False, "false": False, "0": False, "none": False, "yes": True, "true": True, "1": True}


def read_classes(root: str | Path) -> tuple[ClassTable, MaskValues]:
    """Read a folder's class table; a ValueError names the row that is wrong, or the file that is not there."""
    found = [Path(root) / name for name in TABLES if (Path(root) / name).is_file()]
    if not found:
        raise ValueError(
            f"no class table in {root}: write {TABLES[0]} with a header id,name,colour and 2 to 255 classes"
        )
    path = found[0]
    try:
        if path.suffix == ".json":
            rows = json.loads(read_text(path))
        else:
            lines = read_text(path).splitlines()
            rows = list(csv.DictReader(lines, delimiter=max(",;\t", key="".join(lines[:1]).count)))
    except (json.JSONDecodeError, RecursionError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read ({error}); correct it") from error
    if not isinstance(rows, list):
        raise ValueError(f"expected a list of classes in {path}, got {type(rows).__name__}; put the rows in brackets")
    read = [_row(row, f"row {number} of {path}") for number, row in enumerate(rows, start=1)]
    shown = {name: colour for _, name, colour, ignored, _ in reversed(read) if not ignored}  # a class's first colour
    names = list(dict.fromkeys(name for _, name, _, ignored, _ in read if not ignored))
    if not 2 <= len(names) <= IGNORE_INDEX:
        raise ValueError(f"expected 2 to 255 classes that are not ignored in {path}, got {len(names)}; complete it")
    table = ClassTable(
        tuple(names), tuple(shown[n] for n in names), tuple(dict.fromkeys(n for _, n, *_, thin in read if thin))
    )
    ids: dict[int, int] = {}
    colours: dict[int, int] = {}
    for number, name, colour, ignored, _ in read:
        stands_for = IGNORE_INDEX if ignored else names.index(name)
        for known, key in ((ids, number), (colours, int(colour_code(colour)))):
            if known.setdefault(key, stands_for) != stands_for:
                raise ValueError(f"{path}: the id or colour of {name!r} is another class's too; give it its own")
    expected = f"what {path} lists: add a row, or take masks that were not resized or compressed"
    return table, MaskValues(ids, colours, f"{expected}; `dsrl-lab data check FOLDER` counts all")


def _row(row: Any, place: str) -> tuple[int, str, tuple[int, int, int], bool, bool]:
    values = (
        {str(key).strip().lower(): str(value).strip() for key, value in row.items()} if isinstance(row, dict) else {}
    )
    number, name, colour = values.get("id", ""), values.get("name", ""), values.get("colour", values.get("color", ""))
    whole = re.fullmatch("#([0-9a-fA-F]{6})", colour)
    parts = [*bytes.fromhex(whole[1])] if whole else [int(part) for part in re.findall("[0-9]{1,4}", colour)]
    ignored, thin = (_ANSWERS.get(values.get(key, "").lower()) for key in ("ignored", "thin"))
    numbers = re.fullmatch("[0-9]{1,5}", number) and len(parts) == 3 and max(parts) <= 255
    if not numbers or not name or ignored is None or thin is None:
        columns = "id (0 to 99999), name, colour (#804080 or '128 64 128') and, under ignored and thin, yes or nothing"
        raise ValueError(f"{place}: expected {columns}; got {str(row)[:120]}")
    return int(number), name, (parts[0], parts[1], parts[2]), ignored, thin and not ignored


def splits_of(root: str | Path) -> dict[str, Callable[[], list[Pair]]]:
    """The splits of a folder, each with what lists its pairs; a ValueError if there are no pictures and masks.

    ``<split>/images`` and ``<split>/masks``; or ``images`` and ``masks``, with ``train.txt``, ``val.txt`` or
    ``test.txt`` of names beside them, with a folder for each split in both, or all of it "train".
    """
    root = Path(root)
    inside = {p.name: _inside(p) for p in root.iterdir()} if root.is_dir() else {}
    found = {name: both for name, both in inside.items() if both}
    if not found and (both := _inside(root)):
        if lists := {split: root / f"{split}.txt" for split in LISTS if (root / f"{split}.txt").is_file()}:
            named = {split: listed_names(path) for split, path in lists.items()}
            return {split: partial(pairs_by_name, both[0], both[1], "", names) for split, names in named.items()}
        folders = () if list_pictures(both[0]) else [p for p in both[0].iterdir() if p.is_dir()]
        found = {p.name: (p, both[1] / p.name) for p in folders} or {"train": both}
    if not found:
        raise ValueError(f"no pictures and masks in {root}: expected folders images and masks. {REMEDY}")
    return {split: partial(pairs_by_name, found[split][0], found[split][1], "") for split in base.in_split_order(found)}


def _inside(folder: Path) -> Pair | None:
    images, masks = ([folder / name for name in names if (folder / name).is_dir()] for names in (IMAGES, MASKS))
    return (images[0], masks[0]) if images and masks else None


class PictureFolder(PairedPictures):
    """One split of a folder of one's own: class table by ``read_classes``, layouts by ``splits_of``.

    ValueError for a missing split, table, picture or mask; on reading, for what ``read_pair`` refuses or does not know.
    """

    def __init__(self, root: str | Path, split: str) -> None:
        self.class_table, self.known = read_classes(root)
        self._open("the data", Path(root), split, splits_of(root), REMEDY)
