"""Records as DataFrames: ``runs`` reads a folder, and the rest are frames of it. Scores are shares, PSNR in dB."""

import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dsrl_lab.results.inference import BLOCK, DRAWN_BLOCK, estimate, pooled_miou
from dsrl_lab.results.records import PROTOCOLS, Record, read_record
from dsrl_lab.rows import PAPER_WEIGHTS, ROWS
from dsrl_lab.training import record
from dsrl_lab.training.checkpoint import is_number

MIOU = "logits.miou"  # the main score: logits enlarged bilinearly to the picture's size
_NO_SCORES = ("kind", "protocol", "split", "pictures", "people", "input_size", "flip", "counts")
_SPELLED = {"streets": "drawn streets", "street_people": "drawn people", "camvid": "CamVid", "cityscapes": "Cityscapes"}
_SPELLED |= {"lsp": "LSP", "coco": "COCO", "espnetv2": "ESPNetv2", "deeplabv3plus": "DeepLabv3+", "pspnet": "PSPNet"}
_SPELLED |= {"bisenet": "BiSeNet", "dabnet": "DABNet", "tinynet": "TinyNet", "unet": "U-Net", "hrnet": "HRNet"}
_KEYS = ["setting", "seed", "split", "protocol", "metric", "class", "drive"]


def runs(folder: Path | str) -> pd.DataFrame:
    """All runs under a folder, by setting, row and seed; ValueError for a damaged record. Errors as ``frame``, too.

    Columns: setting, row, seed, label, finished, held_out, dataset, host, input_height, input_width, upscale_factor,
    iterations, batch_size, macs, training_macs (multiply-adds), parameters, seconds, commit, torch, device, record.

    Example:
        >>> len(runs("no/such/folder"))
        0
    """
    paths = sorted(Path(folder).rglob("*.jsonl"))
    found = [read_record(path) for path in paths if record.read(path)[0].get("kind") == "run"]
    return frame(found)


def frame(records: Iterable[Record]) -> pd.DataFrame:
    """The frame of ``runs`` from records, also of runs under way; ValueError for a recipe's seed that is there twice.

    Example:
        >>> frame([Record(({"kind": "run", "setting": "here", "row": "dsrl", "seed": 0},))]).finished.tolist()
        [False]
    """
    seen: dict[tuple[str, int], Path] = {}
    for one in (records := list(records)):
        key = (one.first.get("recipe", one.first["row"]), one.first["seed"])
        if key in seen:
            raise ValueError(
                f"{key[0]} with seed {key[1]} is there twice: {seen[key]} and {one.path}; "
                "name a folder that holds one ablation, or move one of them away"
            )
        seen[key] = one.path
    table = pd.DataFrame([_columns(one) for one in records], columns=_COLUMNS).astype({"finished": bool})
    table["row"] = _ordered(table["row"])
    table = table.sort_values(["setting", "row", "seed"], kind="stable", ignore_index=True)
    table["label"] = pd.Categorical(table["label"], list(dict.fromkeys(table.sort_values("row", kind="stable").label)))
    return table


def _columns(one: Record) -> dict[str, Any]:
    first, end = one.first, one.end or {}
    network, train = first.get("network", {}), first.get("train", {})
    height, width = train.get("input_size", (None, None))
    weight = train.get("sisr_weight")
    weighed = network.get("sisr") and weight not in (None, PAPER_WEIGHTS["sisr_weight"])
    values = {name: first.get(name) for name in _COLUMNS}
    return values | {
        "label": str(first.get("title", first["row"])) + (f", SISR weight {weight:g}" if weighed else ""),
        "finished": one.end is not None,
        "host": network.get("host"),
        "input_height": height,
        "input_width": width,
        "upscale_factor": network.get("upscale_factor"),
        "iterations": train.get("iterations"),
        "batch_size": train.get("batch_size"),
        "seconds": end.get("seconds"),
        "torch": (first.get("versions") or {}).get("torch"),
        "record": one,
    }


_COLUMNS = ["setting", "row", "seed", "label", "finished", "held_out", "dataset", "host", "input_height", "input_width"]
_COLUMNS += ["upscale_factor", "iterations", "batch_size", "macs", "training_macs", "parameters", "seconds"]
_COLUMNS += ["commit", "torch", "device", "record"]


def scores(runs: pd.DataFrame) -> pd.DataFrame:
    """Final scores of finished runs, one a line, where there is such; ValueError for what is no number.

    Columns are setting, row, seed, label, split, protocol ("logits", "labels", "keypoints", "super_resolution", ...),
    metric, class and drive, a video sequence ("" for all), and value.

    Example:
        >>> end = {"kind": "end", "logits": {"split": "val", "iou": {"pole": 0.25}}}
        >>> scores(frame([Record(({"setting": "here", "row": "dsrl", "seed": 0}, end))])).iloc[0, 5:8].tolist()
        ['logits', 'iou', 'pole']
    """
    lines: list[tuple[Any, ...]] = []
    for run in runs[runs.finished].itertuples():
        end = run.record.end
        split = (end.get("logits") or end.get("keypoints") or {}).get("split", "")
        given = [(end[name].get("split", split), name, end[name]) for name in PROTOCOLS if end.get(name)]
        given += [(line["split"], line["protocol"], line) for line in run.record.lines if line.get("kind") == "scores"]
        given += [(s, name, v) for s, methods in (end.get("scores") or {}).items() for name, v in methods.items()]
        lines += [
            (run.setting, run.row, run.seed, run.label, split, protocol, *leaf)
            for split, protocol, values in given
            for leaf in _leaves(values, protocol, run.record.path)
        ]
    columns = ["setting", "row", "seed", "label", "split", "protocol", "metric", "class", "drive", "value"]
    return _like(runs, pd.DataFrame(lines, columns=columns).astype({"value": float}))


def _leaves(values: dict[str, Any], protocol: str, path: Path) -> Iterator[tuple[str, str, str, float]]:
    for metric, value in values.items():
        if metric in _NO_SCORES:
            continue
        for part, number in value.items() if isinstance(value, dict) else [("", value)]:
            name = ".".join(filter(None, (protocol, metric, part)))
            if number is None:
                continue
            if not is_number(number):
                raise ValueError(
                    f"{path}: expected a number as {name}, got {str(number)[:60]!r}; the record is damaged: "
                    "take another copy, or run the recipe again"
                )
            yield ("miou", "", part, float(number)) if metric == "drives" else (metric, part, "", float(number))


def pick(scores: pd.DataFrame, score: str = MIOU, *, split: str | None = "val") -> pd.DataFrame:
    """One line a run: protocol and metric, and a class if need be ("logits.iou.pole"); ``split`` None for all."""
    protocol, metric, *part = score.split(".")
    chosen = (scores["protocol"] == protocol) & (scores["metric"] == metric) & (scores["drive"] == "")
    chosen &= scores["class"] == (part[0] if part else "")
    return scores[chosen if split is None else chosen & (scores["split"] == split)]


def gains(scores: pd.DataFrame, over: str = "baseline") -> pd.DataFrame:
    """Every score less another row's of the same setting and seed, which saw the same pictures; else left out.

    Example:
        >>> one = {"setting": "here", "split": "val", "protocol": "logits", "metric": "miou", "class": "", "drive": ""}
        >>> lines = [one | {"row": row, "seed": 0, "value": v} for row, v in (("baseline", 0.5), ("dsrl", 0.75))]
        >>> gains(pd.DataFrame(lines)).value.tolist()
        [0.25]
    """
    before = scores.loc[scores["row"] == over, [*_KEYS, "value"]].rename(columns={"value": "before"})
    ours = scores[scores["row"] != over].merge(before, on=_KEYS, how="inner")
    return ours.assign(value=ours["value"] - ours["before"]).drop(columns="before")


def steps(scores: pd.DataFrame) -> pd.DataFrame:
    """What each change adds, as ``gains``: rows less each of their ``adds``; columns over and adds (the question)."""
    asked = [(row, over, adds) for row in ROWS.values() for over, adds in row.adds.items()]
    there = set(scores["row"])
    parts = [
        gains(scores[scores["row"].isin((row.name, over))], over).assign(over=over, adds=adds)
        for row, over, adds in asked
        if row.name in there and over in there
    ]
    return pd.concat(parts, ignore_index=True) if parts else scores.iloc[:0].assign(over="", adds="")


def summary(values: pd.DataFrame, by: Iterable[str] = ("setting", "row"), *, scale: float = 1.0) -> pd.DataFrame:
    """Mean, low, high (NaN for one seed), seeds and ``Estimate`` of one score by groups; ``scale`` 100 for per cent."""
    lines = []
    for key, group in values.groupby(list(by), observed=True, sort=False):
        found = estimate(group["value"]).scaled(scale)
        low, high = found.interval or (np.nan, np.nan)
        lines.append((*key, found.mean, low, high, len(found.values), found))
    table = pd.DataFrame(lines, columns=[*by, "mean", "low", "high", "seeds", "estimate"])
    return _like(values, table).sort_values(list(by), kind="stable", ignore_index=True)


def curves(runs: pd.DataFrame) -> pd.DataFrame:
    """Training curves, also of runs under way: setting, row, seed, label, iteration, term (``charts.TERMS``), value."""
    lines = []
    for run in runs.itertuples():
        network = run.record.first.get("network", {})
        terms = [term for term in _TERMS if term not in ("sisr", "affinity") or network.get(term, True)]
        for line in (line for line in run.record.lines if line.get("kind") == "train"):
            values = {term: line.get(term) for term in terms} | (line.get("metrics") or {})
            lines += [
                (run.setting, run.row, run.seed, run.label, line["iteration"], term, float(value))
                for term, value in values.items()
                if is_number(value)
            ]
    columns = ["setting", "row", "seed", "label", "iteration", "term", "value"]
    return _like(runs, pd.DataFrame(lines, columns=columns).astype({"value": float}))


_TERMS = ("loss", "task", "sisr", "affinity", "learning_rate", "images_per_second")


def pictures(runs: pd.DataFrame) -> pd.DataFrame:
    """Pixels of each scored picture, where a record has them, for scores of any part of a split and for resampling.

    Columns: setting, row, seed, split, picture (its place), drive (of a video, else ""), block (``BLOCK`` neighbours of
    a drive, or ``DRAWN_BLOCK`` scenes), counts: (3, K) right, predicted and true pixels by class. ValueError if they
    miss drives' scores.
    """
    lines: list[tuple[Any, ...]] = []
    for run in runs[runs.finished].itertuples():
        for line in (line for line in run.record.lines if line.get("kind") == "scores"):
            counts = record.unpack(line["counts"]).astype(np.int64)
            drives = _drives(counts, line.get("drives") or {}, run.record.path)
            blocks, start = [], 0
            for drive, count in drives:
                size = BLOCK if drive else DRAWN_BLOCK
                blocks += [(drive, start + place // size) for place in range(count)]
                start = blocks[-1][1] + 1
            lines += [
                (run.setting, run.row, run.seed, line["split"], picture, drive, block, counts[picture])
                for picture, (drive, block) in enumerate(blocks)
            ]
    columns = ["setting", "row", "seed", "split", "picture", "drive", "block", "counts"]
    return _like(runs, pd.DataFrame(lines, columns=columns))


def _drives(counts: np.ndarray, drives: dict[str, float], path: Path) -> list[tuple[str, int]]:
    """Drive and number of its pictures, in order: a drive ends where its own recorded score is reached."""
    if not drives:
        return [("", len(counts))]
    found, start = [], 0
    for drive, score in drives.items():
        so_far = pooled_miou(counts[start:].cumsum(0)) if start < len(counts) else np.empty(0)
        last = drive == list(drives)[-1]
        ends = np.flatnonzero(np.isclose(so_far, score, rtol=1e-9, atol=0))
        if not len(ends) or (last and ends[-1] + 1 != len(so_far)):
            raise ValueError(f"{path}: its pictures do not give the score of {drive}; the record is damaged")
        count = int(ends[-1] if last else ends[0]) + 1
        found.append((drive, count))
        start += count
    return found


def alike(runs: pd.DataFrame) -> pd.DataFrame:
    """The finished runs, held to be one ablation: ValueError where they differ in more than their parts."""
    finished = runs[runs.finished]
    if finished["setting"].nunique() > 1:
        names = ", ".join(sorted(set(finished["setting"])))
        raise ValueError(f"expected runs of one setting, got {names}; draw one ablation for each")
    first: tuple[Path, dict[str, Any]] | None = None
    for run in finished.itertuples():
        train = run.record.first.get("train", {})
        kept = {key: train.get(key) for key in ("input_size", "iterations", "batch_size", "scale_range")}
        pictures = run.record.first.get("pictures") or {}  # older records do not count a further split
        kept |= {"host": run.host} | {f"pictures of {split}": count for split, count in pictures.items()}
        if run.row in ROWS and ROWS[run.row].own_size:
            del kept["input_size"], kept["scale_range"]
        first = first or (run.record.path, kept)
        differ = [key for key in kept if key in first[1] and kept[key] != first[1][key]]
        if differ:
            what = ", ".join(f"{key} {kept[key]} against {first[1][key]}" for key in differ)
            raise ValueError(
                f"{run.record.path} and {first[0]} are no ablation: {what}; "
                "rows may differ in their parts alone, so train them alike"
            )
    return finished


def setting_title(runs: pd.DataFrame) -> str:
    """A setting in words: data set, host, input and output size."""
    run = runs.iloc[0]
    height, width, scale = run.input_height, run.input_width, run.upscale_factor
    what = f"{spelled(run.dataset)}, {spelled(run.host)}"
    return f"{what}, {height:.0f}×{width:.0f} to {height * scale:.0f}×{width * scale:.0f}"


def spelled(name: str) -> str:
    """A data set's or a host's name as its authors write it; a name of one's own as it is."""
    return _SPELLED.get(name, name)


def wrapped(names: Iterable[str], width: int = 34) -> list[str]:
    """Long names over several lines, for the places of an axis."""
    return [textwrap.fill(name, width) for name in names]


def _ordered(rows: pd.Series) -> pd.Categorical:
    there = set(rows)
    order = [row for row in ROWS if row in there] + sorted(there - set(ROWS), key=str)
    return pd.Categorical(rows, order, ordered=True)


def _like(runs: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    for name in ("row", "label"):
        if name in table and name in runs:
            table[name] = pd.Categorical(table[name], runs[name].cat.categories, ordered=True)
    return table
