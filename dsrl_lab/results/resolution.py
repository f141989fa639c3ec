"""The main job's answer: what resolution is worth, what each row recovers of it, in tables, sentences and pictures."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F

from dsrl_lab.datasets.class_tables import CAMVID
from dsrl_lab.layers import resize
from dsrl_lab.metrics import SegmentationScore
from dsrl_lab.plots.theme import faded, new_figure, style_of, theme
from dsrl_lab.recipes import find_recipe
from dsrl_lab.results.confirm import compare
from dsrl_lab.results.figures_runs import all_rows_figure
from dsrl_lab.results.figures_streets import streets_side_by_side
from dsrl_lab.results.frames import gains, pick, scores
from dsrl_lab.results.inference import SUPPORTED, estimate
from dsrl_lab.results.inputs import Inputs, finished_runs, networks_of
from dsrl_lab.results.tables import ablation_table
from dsrl_lab.results.writing import write
from dsrl_lab.rows import GREY
from dsrl_lab.training.splits import open_recipe_split

COARSE, FINE, WHOLE = "baseline", "double_input", "depthwise_figure4"
NAMES = {COARSE: "baseline 45x60", FINE: "baseline 90x120", "bilinear": "finer labels alone", "depthwise": "SSSR"}
NAMES |= {WHOLE: "whole DSRL"}
TESTS = (*((row, COARSE, None) for row in NAMES if row != COARSE), (WHOLE, "bilinear", None))
PERFECT = "perfect labels 45x60"
COLUMNS = ("seeds", "mIoU, test", "gain, test", "true MACs (M)", "seconds")


def perfect_labels(masks: Iterable[Tensor], grid: tuple[int, int]) -> dict[str, float]:
    """IoU by class, and "mIoU", of true masks (H, W): the classes' shares of a grid's cells, enlarged bilinearly."""
    score = SegmentationScore(CAMVID.num_classes)
    for mask in masks:
        shares = F.one_hot(mask, CAMVID.num_classes).movedim(-1, 0)[None].float()
        score.update(resize(F.adaptive_avg_pool2d(shares, grid), (mask.shape[-2], mask.shape[-1])), mask[None])
    found = score.compute()
    return {"mIoU": float(found.miou)} | dict(zip(CAMVID.names, found.iou.tolist(), strict=True))


def named(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs with short titles, as everything here shows them."""
    return runs.assign(label=pd.Categorical(runs["row"].astype(str).map(NAMES), list(NAMES.values())))


def by_class(runs: pd.DataFrame) -> pd.DataFrame:
    """Lines of class (or "mIoU"), what and value: test IoU of three rows, and of perfect labels on the coarse grid."""
    recipe, found = find_recipe(f"{runs['setting'].iloc[0]}_{COARSE}"), scores(runs)
    recipe = replace(recipe, train=replace(recipe.train, seed=int(runs["seed"].min())))
    scenes = open_recipe_split(recipe, "test", None)
    perfect = perfect_labels((scenes[i].mask for i in range(len(scenes))), recipe.train.input_size)
    found = found[found["metric"].isin(("miou", "iou")) & (found["split"] == "test")]
    found = found[found["row"].isin((COARSE, FINE, WHOLE))].replace({"class": {"": "mIoU"}})
    ideal = pd.DataFrame({"class": list(perfect), "value": list(perfect.values()), "what": PERFECT})
    ours = found.assign(what=found["row"].astype(str).map(NAMES))[["class", "value", "what"]]
    return pd.concat([ideal, ours], ignore_index=True)


def tables(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Texts by title: classes with the ceiling of the coarse grid, then the rows."""
    classes = by_class(runs).pivot_table(index="class", columns="what", values="value", sort=False)
    return {
        "IoU on test, in % (perfect labels 90x120 have 100)": (100 * classes).map("{:.1f}".format).reset_index(),
        "mIoU on test, in % (± 95 % t-interval over seeds)": ablation_table(named(runs), COLUMNS),
    }


def sentences(runs: pd.DataFrame, shipped: pd.DataFrame) -> list[str]:
    """What this machine saw, a sentence a test, in the four words of ``inference``, beside the shipped gain."""
    found, macs = compare(runs, TESTS, draws=2000), runs.groupby("row", observed=True)["macs"].first()
    values = pick(scores(shipped), split="test")
    gap, said = found.iloc[0], []
    for one in found[found["seeds"] > 0].itertuples():
        brings = f"{NAMES[one.row]} over {NAMES[one.over]}: {one.mean:+.1f} points of mIoU"
        brings += f" (over seeds and pictures {one.low:+.1f} to {one.high:+.1f})" if one.seeds > 1 else ""
        if one.over == COARSE:
            brings += f" for {macs[one.row] / macs[COARSE]:.2f} times the multiply-adds"
            if one.row != FINE and gap.verdict == SUPPORTED:
                brings += f", {100 * one.mean / gap['mean']:.0f} % of what 90x120 brings"
        theirs = gains(values[values["row"].isin((one.row, one.over))], one.over)["value"]
        brings += f"; shipped: {estimate(theirs).scaled(100).show(signed=True)}" if len(theirs) else ""
        said.append(f"{brings}. A gain is {one.verdict}: {one.reason}.")
    return said


def draw(folder: Path, out: Path) -> list[Path]:
    """Draw the job's three pictures and give their PNGs: masks side by side, gains, IoU class by class."""
    runs = named(finished_runs(folder))
    networks = networks_of(runs["setting"].iloc[0], COARSE, FINE)(runs)
    with theme():
        drawn = {
            "masks": streets_side_by_side(networks).figure,
            "gains": all_rows_figure(Inputs(runs=runs)).figure,
            "classes": _classes(by_class(runs)),
        }
        return [write(figure, out / name)[1] for name, figure in drawn.items()]


def _classes(lines: pd.DataFrame) -> Figure:
    import seaborn as sns

    figure, rows = new_figure(12, 4.2), (COARSE, WHOLE, FINE)
    ax = sns.barplot(
        lines.assign(percent=100 * lines["value"]), x="class", y="percent", hue="what", errorbar=None, saturation=1,
        hue_order=[*(NAMES[row] for row in rows), PERFECT], ax=figure.add_subplot(),
        palette=[*(style_of(row).color for row in rows), faded(GREY)],
    )  # fmt: skip
    ax.set(xlabel="", ylabel="IoU (%)")
    ax.legend(title="", ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1))
    return figure
