"""Rows at true cost, where Figure 1 has sizes; the baseline's line between two of its own is straight over log MACs."""

import math
from typing import Any

import pandas as pd

from dsrl_lab.results.frames import pick, scores, spelled

CLOSE = 0.03  # costs that differ by less count as equal


def sweep(runs: pd.DataFrame, split: str = "val") -> pd.DataFrame:
    """Finished runs by cost (true MACs in millions), with mIoU and family: data, host, start, length and crops."""
    finished = runs[runs["finished"] & runs["host"].notna()]
    keys = ["setting", "row", "seed"]
    table = finished.merge(pick(scores(finished), split=split)[[*keys, "value"]], on=keys, how="inner")
    table["family"] = [_family(one.first) for one in table["record"]]
    table["cost"] = table["macs"] / 1e6
    return table.sort_values(["family", "cost", "row", "seed"], kind="stable", ignore_index=True)


def at_cost(baseline: pd.DataFrame, cost: float) -> dict[int, float]:
    """What each seed of a row would score at a cost between two of its sizes; empty outside them.

    Example:
        >>> at_cost(pd.DataFrame({"seed": [0, 0], "cost": [10, 40], "value": [0.4, 0.6]}), 20)  # by logarithm
        {0: 0.5}
    """
    sizes = [(there, dict(zip(size["seed"], size["value"], strict=True))) for there, size in baseline.groupby("cost")]
    for there, by_seed in sizes:
        if abs(there / cost - 1) <= CLOSE:
            return by_seed
    below, above = [size for size in sizes if size[0] < cost], [size for size in sizes if size[0] > cost]
    if not below or not above:
        return {}
    (low, start), (high, end) = below[-1], above[0]
    share = math.log(cost / low) / math.log(high / low)
    return {seed: (1 - share) * start[seed] + share * end[seed] for seed in start if seed in end}


def gains_at_cost(swept: pd.DataFrame, factor: float = 1.0) -> pd.DataFrame:
    """Each run less its family's baseline at ``factor`` times its cost, by seed; what has no partner is left out."""
    parts = []
    for _, family in swept.groupby("family"):
        baseline = family[family["row"] == "baseline"]
        for (_, cost), point in family[family["row"] != "baseline"].groupby(["row", "cost"], observed=True):
            theirs = at_cost(baseline, factor * cost)
            shared = point[point["seed"].isin(theirs)]
            parts.append(shared.assign(value=shared["value"] - shared["seed"].map(theirs)))
    return pd.concat(parts, ignore_index=True) if parts else swept.iloc[:0]


def _family(first: dict[str, Any]) -> str:
    network, train = first["network"], first["train"]
    options = ", ".join(f"{key} {value}" for key, value in network["host_options"].items())
    start = "released weights" if first.get("released") else "from scratch"
    weights = f", class weights frequency^-{train['class_balance']:g}" if train.get("class_balance") else ""
    crops = "scales {:g} to {:g}".format(*train["scale_range"])
    return (
        f"{spelled(first['dataset'])}, {spelled(network['host'])}{f' ({options})' if options else ''}, {start}, "
        f"{next(iter((first.get('pictures') or {}).values()), '?')} pictures, "
        f"{train['iterations']} iterations of {train['batch_size']}{weights}, {crops}"
    )
