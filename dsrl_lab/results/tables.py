"""An ablation as a table of texts: the same numbers on the command line, on the kit's pages and beside its figures."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from dsrl_lab.results.frames import MIOU, alike, gains, pick, scores, summary
from dsrl_lab.results.inference import estimate
from dsrl_lab.rows import ROWS


class Column(NamedTuple):
    """One score of a table, as means over seeds with intervals."""

    score: str
    gain: bool = False
    scale: float = 100
    split: str = "val"


COLUMNS = {
    "mIoU, test": Column(MIOU, split="test"),
    "gain, test": Column(MIOU, gain=True, split="test"),
    "mIoU": Column(MIOU),
    "gain": Column(MIOU, gain=True),
    "PCK@0.2": Column("keypoints.pck"),
    "gain in PCK": Column("keypoints.pck", gain=True),
    "PCK@0.1": Column("keypoints.pck_strict"),
    "thin classes, test": Column("logits.thin_miou", split="test"),
    "thin outlines (F), test": Column("logits.thin_boundary_f", split="test"),
    "thin classes": Column("logits.thin_miou"),
    "thin outlines (F)": Column("logits.thin_boundary_f"),
    "magnified labels": Column("labels.miou"),
    "SISR PSNR (dB)": Column("super_resolution.psnr", scale=1),
}
FIRST = ("seeds", "mIoU, test", "gain, test", "mIoU", "gain", "PCK@0.2", "gain in PCK", "true MACs (M)")
ORDER = (*FIRST, *(name for name in COLUMNS if name not in FIRST), "parameters (k)", "seconds")


def ablation_table(runs: pd.DataFrame, columns: Sequence[str] = ORDER) -> pd.DataFrame:
    """The finished runs of one setting, row by row, as texts; gains are over the baseline, paired by seed.

    Columns are row (its title), seeds, ``COLUMNS`` and costs; those without a split are of val, and thin things of test
    where it was scored. ValueError for several settings, or unequal training.

    Example:
        >>> from dsrl_lab.results.frames import frame
        >>> len(ablation_table(frame([])))
        0
    """
    finished = alike(runs)
    by_row = finished.groupby("row", observed=True)
    first, all_scores = by_row.first(), scores(finished)
    gained = gains(all_scores)
    table = pd.DataFrame({"row": first["label"].astype(str), "seeds": by_row.size().astype(str)})
    for name, column in COLUMNS.items():
        values = pick(gained if column.gain else all_scores, column.score, split=column.split)
        found = summary(values, ("row",), scale=column.scale).set_index("row")["estimate"]
        table[name] = [found[row].show(signed=column.gain) if row in found.index else "" for row in table.index]
    table["true MACs (M)"] = [f"{macs / 1e6:.{1 if macs > 1e7 else 2}f}" for macs in first["macs"]]
    table["parameters (k)"] = [f"{count / 1e3:.1f}" for count in first["parameters"]]
    table["seconds"] = [f"{seconds:.0f}" for seconds in by_row["seconds"].mean()]
    filled = [name for name in table if (table[name] != "").any()]
    filled = [name for name in filled if not (name.startswith("thin") and f"{name}, test" in filled)]
    return table[["row", *(name for name in columns if name in filled)]]


AFFINITY = {  # of the affinity study: place in a line, factor, digits
    "AUC, segmentation": ("affinity", "task_auc", 1, 3),
    "AUC, SISR": ("affinity", "sisr_auc", 1, 3),
    "AUC, host's features": ("host", "task_auc", 1, 3),
    "mean affinity, segmentation": ("affinity", "task_mean", 1, 2),
    "mean affinity, SISR": ("affinity", "sisr_mean", 1, 2),
    "effective rank, segmentation": ("affinity", "task_effective_rank", 1, 1),
    "effective rank, SISR": ("affinity", "sisr_effective_rank", 1, 1),
    "mIoU": ("miou", "", 100, 1),
    "SISR PSNR (dB)": ("psnr", "", 1, 1),
}


def affinity_table(lines: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """The affinity study's variants as texts, over seeds, and mIoU over the kit's; AUC: are pairs of one class alike?

    Example:
        >>> affinity_table([])["variant"].tolist()
        []
    """
    titles = dict.fromkeys(line["title"] for line in lines)
    table = pd.DataFrame({"variant": list(titles)})
    for name, (part, key, factor, digits) in AFFINITY.items():
        values = [[line[part][key] if key else line[part] for line in lines if line["title"] == t] for t in titles]
        table[name] = [estimate(of_seeds).scaled(factor).show(digits=digits) for of_seeds in values]
    kit = {line["seed"]: line["miou"] for line in lines if line["variant"] == "kit"}
    paired = [(line["title"], line["miou"] - kit[line["seed"]]) for line in lines if line["seed"] in kit]
    gained = ([gain for title, gain in paired if title == one] for one in titles)
    table["gain in mIoU"] = [estimate(of).scaled(100).show(signed=True) if any(of) else "" for of in gained]
    return table


def markdown(table: pd.DataFrame) -> str:
    """A table of texts in Markdown.

    Example:
        >>> markdown(pd.DataFrame({"mIoU": ["50.0"]})).splitlines()
        ['| mIoU |', '|---|', '| 50.0 |']
    """
    head, *lines = ["| " + " | ".join(map(str, line)) + " |" for line in (table.columns, *table.to_numpy())]
    return "\n".join([head, "|" + "---|" * len(table.columns), *lines])


def ladder(runs: pd.DataFrame) -> dict[str, str]:
    """Table 1's rows to ours: one head's, with the paper's weights where there are such, or the baseline alone."""
    there = set(runs["row"])
    best, found = (-1, -1), dict[str, str]()
    for whole in (row for row in ROWS.values() if row.paper_row == "dsrl" and row.name in there):
        steps, row = {"dsrl": whole.name}, whole
        while row.parent is not None:
            row = ROWS[row.parent]
            if row.paper_row and row.name in there:
                steps.setdefault(row.paper_row, row.name)
        train = runs.loc[runs["row"] == whole.name, "record"].iloc[0].first["train"]
        rank = (int(train.get("sisr_weight") == 0.1), len(steps))
        if rank > best:
            best, found = rank, steps
    order = ("baseline", "sssr", "sisr", "dsrl")
    return {step: found[step] for step in order if step in found} or {"baseline": "baseline"}


def story(runs: pd.DataFrame) -> list[str]:
    """A setting's ``ladder`` and one control: without super-resolution if there is one, else FA of another picture."""
    steps, there = list(ladder(runs).values()), set(runs["row"])
    asked = [ROWS[name] for step in reversed(steps) for name in ROWS[step].adds]
    controls = [row for row in asked if row.paper_row is None and row.name in there]
    controls.sort(key=lambda row: bool(row.network.get("sisr")))
    return [*steps, *(row.name for row in controls[:1])]
