"""What is odd in a folder of one's own, before it is trained on: every pair is read as training reads it."""

import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch

from dsrl_lab.datasets.base import IGNORE_INDEX, DataReport
from dsrl_lab.datasets.folder import read_classes, splits_of
from dsrl_lab.datasets.masks import read_pair
from dsrl_lab.datasets.pictures import changed_by_reading


def check(root: str | Path, *, progress: Callable[[int, int], None] | None = None) -> DataReport:
    """Read every pair: what is odd, with counts, and what to know besides; ``progress`` gets (pairs done, all)."""
    odd: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            (table, known), splits = read_classes(root), {split: pairs() for split, pairs in splits_of(root).items()}
        except ValueError as error:
            return DataReport("folder", str(root), {}, (str(error),), label="odd")
    found, looks, pixels = dict.fromkeys(splits, 0), Counter[str](), torch.zeros(IGNORE_INDEX + 1, dtype=torch.int64)
    counts, holders = Counter[str](), dict[str, list[Path]]()
    todo = [(split, pair) for split, pairs in splits.items() for pair in pairs]
    for done, (split, pair) in enumerate(todo, start=1):
        if progress is not None:
            progress(done, len(todo))
        gone = [
            f"the {kind} {path}" for kind, path in zip(("picture", "mask"), pair, strict=True) if not path.is_file()
        ]
        if gone:
            odd.append(f"expected {' and '.join(gone)}, found no file")
            continue
        try:
            _, mask, unknown = read_pair(*pair, known)
        except ValueError as error:
            odd.append(str(error))
            continue
        found[split] += 1
        looks.update([*changed_by_reading(pair[0]), f"of {mask.shape[0]}x{mask.shape[1]} (height x width)"])
        pixels += torch.bincount(mask[mask >= 0], minlength=len(pixels))
        counts += unknown
        for what in unknown:
            holders.setdefault(what, []).append(pair[1])
    for what, count in counts.most_common():
        masks = f"{count:,} pixels of {len(holders[what])} masks, the first is {holders[what][0]}"
        odd.append(f"{what} is not in the class table: {masks}; add a row for it, or take the original masks")
    listed = Counter(pair[0] for _, pair in todo)
    odd += [
        f"{path} is listed {times} times, in one split or in several" for path, times in listed.items() if times > 1
    ]
    odd += [f"split {split} is empty" for split, pairs in splits.items() if not pairs]
    notes = [str(warning.message) for warning in caught]
    notes += [f"pictures {look}: {count}" for look, count in looks.most_common(8)]
    names, ids = [*table.names, "ignored"], [*range(table.num_classes), IGNORE_INDEX]
    shares = zip(names, (pixels[ids] / pixels.sum().clamp(min=1)).tolist(), strict=True)
    notes.append("share of the pixels: " + ", ".join(f"{name} {100 * share:.1f} %" for name, share in shares))
    if "val" not in splits:
        notes.append("no split val: train with --held-out, which scores on the last quarter of train")
    return DataReport("folder", str(root), found, tuple(odd), notes=tuple(dict.fromkeys(notes)), label="odd")
