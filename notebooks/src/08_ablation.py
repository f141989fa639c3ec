# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 08 · The ablation
#
# **Claim.** A gain is a difference between two rows that were trained alike. It needs several seeds, an interval, a control and the true cost. Then
# each claim gets one of four words: *supported*, *contradicted*, *undecided*, *not tested*.
#
# Measured: about 15 seconds of CPU time on one core, 1.0 GB of memory. Data: the kit's records in `data/runs/`, committed networks, drawn streets.
# Nothing is trained here. Needs: 07. No internet, no GPU.

# %%
from dsrl_lab.course.notebook import figure_html, show_figure, start

lab = start()

# %% jupyter={"source_hidden": true}
import pandas as pd
import torch
from IPython.display import HTML, display
from torch import Tensor

from dsrl_lab import results
from dsrl_lab.course.exercises import check, hint, predict, reveal, solution
from dsrl_lab.course.table import Table
from dsrl_lab.datasets.class_tables import CAMVID
from dsrl_lab.datasets.streets import Streets
from dsrl_lab.metrics import SegmentationScore
from dsrl_lab.plots.theme import new_figure, style_of, theme
from dsrl_lab.results.charts import gain_points, score_bars
from dsrl_lab.results.claims import findings
from dsrl_lab.results.confirm import compare
from dsrl_lab.results.figures_runs import all_rows_figure
from dsrl_lab.results.inference import estimate, smallest_visible
from dsrl_lab.results.inputs import Inputs, find_checkpoint
from dsrl_lab.results.paper_numbers import table_1_gain
from dsrl_lab.results.sweeps import gains_at_cost, sweep
from dsrl_lab.rows import ROWS
from dsrl_lab.training.build import load_task_model
from dsrl_lab.training.evaluate import predict_mask
from dsrl_lab.widgets import segmentation_compare

# %% [markdown]
# ## One picture proves nothing
#
# A drawn street, the first of the split and not the best. Two networks label it: the baseline, and the same host trained with DSRL. The widget shows
# which pixels the second network wins and which it loses.

# %% jupyter={"source_hidden": true}
streets_runs = results.runs(lab.root / "data" / "runs" / "streets_tinynet")
streets_runs = streets_runs[(streets_runs["seed"] == 0) & streets_runs["row"].isin(("baseline", "dsrl"))]
models = {run.row: load_task_model(find_checkpoint(run.record))[0] for run in streets_runs.itertuples()}
streets = Streets("val", size=(180, 240), length=8)
scenes = [streets[index] for index in range(8)]
predictions = {
    row: [predict_mask(model, scene.image, input_size=(90, 120)) for scene in scenes] for row, model in models.items()
}


def confusion(prediction: Tensor, mask: Tensor) -> Tensor:
    score = SegmentationScore(11)
    score.update(prediction[None], mask[None])
    return score.confusion


def miou(counts: Tensor) -> float:
    score = SegmentationScore(11)
    score.confusion = counts
    return 100 * score.compute().miou


# %%
segmentation_compare(
    scenes[0].image, scenes[0].mask, predictions["baseline"][0], predictions["dsrl"][0], CAMVID,
    names=("baseline", "DSRL"), alt="A drawn street, its true classes, the predictions of two networks over it, and "
    "the pixels won and lost, which lie along outlines and are near in number",
)  # fmt: skip

# %% [markdown]
# **Touch:** point at pixels and at classes of the table; move the opacity. **Look for:** do won and lost pixels lie in different places? **Ask
# yourself:** which class would you report if you wanted the second network to look good?
#
# Won and lost are near in number. A gain is the small rest of two large heaps, and most of both lies along the borders of things. There is always a
# picture on which DSRL looks better, and always one on which it looks worse.

# %% [markdown]
# ## What you will be able to do
#
# 1. Score a set of pictures the way the field does.
# 2. Recompute any number of this kit in five lines.
# 3. Turn seeds into an interval, and say what they could not have seen.
# 4. Separate what a part adds from what its control adds, at equal true cost.
# 5. Give a verdict that claims no more than the numbers do.

# %% [markdown]
# ## Predict
#
# CamVid, 90×120 to 180×240, ESPNetv2. How many points of mIoU does the whole of DSRL gain over the baseline, as a mean over six seeds? And how large
# must a *true* gain be, before six seeds that scatter like these show it in 8 of 10 repetitions?

# %%
predict("08.gain", None, unit="points")

# %%
predict("08.visible", None, unit="points")

# %% [markdown]
# ## One score for a set
#
# $$\mathrm{IoU}_k=\frac{\text{right pixels of class }k}{\text{true}+\text{predicted}-\text{right pixels}},\qquad\text{mIoU}=\text{mean over }k$$
#
# Shapes: one confusion matrix (K, K) for each picture, (pictures, K, K) for a set. The field *pools*: it adds the matrices first and divides once.
# Some code takes a mIoU for each picture and averages those. Same networks, same eight scenes:

# %%
of_pictures = {
    row: torch.stack([confusion(one, scene.mask) for one, scene in zip(masks, scenes, strict=True)])
    for row, masks in predictions.items()
}
Table(
    {
        "network": ["baseline", "DSRL"],
        "pooled": [miou(counts.sum(0)) for counts in of_pictures.values()],
        "mean over pictures": [sum(map(miou, counts)) / 8 for counts in of_pictures.values()],
    },
    "mIoU (%) of two networks on eight drawn scenes, one seed",
    digits=1,
)

# %% [markdown]
# Two numbers, one name. The second one jumps: a pole of twenty pixels in one picture weighs as much as all poles of the other pictures together.
#
# ### Exercise 08.1 · pooled
# *Some thought · the heart of the notebook · 8 minutes.* Four of the mistakes that the check knows were found in public code.


# %%
def pooled_miou(confusions: Tensor) -> Tensor:
    """Mean IoU of a set from the confusion matrices of its pictures.

    Rows are true classes, columns predicted ones. A class that neither occurs nor is
    predicted in the whole set has no IoU and is left out of the mean.

    Shape:
        - confusions: (pictures, K, K) pixel counts
        - output: ()

    Example:
        >>> pooled_miou(torch.tensor([[[2, 0], [0, 0]], [[1, 1], [0, 4]]]))  # 3 / 4 and 4 / 5
        tensor(0.7750)
    """
    raise NotImplementedError


check("08.1", pooled_miou)

# %%
hint("08.1") + solution("08.1")

# %% [markdown]
# ## Any number in five lines
#
# Every training leaves a record in `data/runs/`. `dsrl_lab.results` reads records as pandas frames. So each number of the README can be
# recomputed, with other rows, seeds or scores. Here: the whole of DSRL over the baseline. Change the row or the setting, and run the cell again.

# %%
runs = results.runs(lab.root / "data" / "runs" / "camvid_espnetv2_90x120")
gains = results.gains(results.scores(runs))
of_whole = results.pick(gains, "logits.miou").query("row == 'depthwise_dsrl'")
whole = results.summary(of_whole, ["label"], scale=100)
Table(whole[["label", "mean", "low", "high", "seeds"]], "gain in points of mIoU, with its 95 % interval")

# %%
reveal("08.gain", round(whole["mean"].iloc[0], 2), unit="points")

# %% [markdown]
# ## What was kept equal, and what was not
#
# Rows of one setting share pictures, steps, order, crops and flips for a seed. But these records are **exploratory**. Their rows differ in more than
# their parts: corner alignment, a learning rate, the label of a coarse pixel. Their only scores are on val, a single clip of 6.7 seconds. They
# *suggest*; they decide nothing. `data/runs/DESIGN.md` names the tests that decide.

# %%
shared = runs["record"].iloc[0].first["train"]
kept = ("input_size", "iterations", "batch_size", "learning_rate", "class_balance", "scale_range")
Table(
    {"setting": kept, "in every row": [str(shared[key]) for key in kept]},
    "camvid_espnetv2_90x120: 367 pictures to train on, 101 to score",
)

# %% [markdown]
# ## Pairs
#
# $$\Delta_s=\text{row}_s-\text{baseline}_s,\qquad \bar\Delta\pm t_{n-1}\,\frac{\operatorname{std}(\Delta)}{\sqrt n}$$
#
# Runs of one seed $s$ see the same pictures in the same order. They tend to rise and fall together. Subtract seed by seed, and what they share
# cancels. Left: scores, a line for each seed. Right: the same lines as differences, with their interval.

# %% jupyter={"source_hidden": true}
scores = results.pick(results.scores(runs))
by_seed = 100 * scores.pivot(index="seed", columns="row", values="value")[["baseline", "depthwise_dsrl"]].dropna()
differences = by_seed["depthwise_dsrl"] - by_seed["baseline"]
found = estimate(differences)
with theme():
    figure = new_figure(10, 3.4)
    left, right = figure.subplots(1, 2, width_ratios=(1.4, 1))
    for _, pair in by_seed.iterrows():
        left.plot([0, 1], pair, "o-", color=style_of("baseline").color, alpha=0.8)
    left.set(xlim=(-0.4, 1.4), ylabel="mIoU (%)", title="scores: a line for each seed")
    left.set_xticks([0, 1], ["baseline", "whole DSRL"])
    right.axhline(0, color="#7A8290", linewidth=1)
    right.plot([0] * len(differences), differences, "o", color=style_of("depthwise_dsrl").color, alpha=0.5)
    right.errorbar(
        0.2, found.mean, yerr=found.margin, fmt="D", capsize=6, color=style_of("depthwise_dsrl").color, markersize=8
    )
    right.annotate(f"{found.show(signed=True, digits=2)}", (0.2, found.mean), (12, -3), textcoords="offset points")
    right.set(xlim=(-0.3, 1), ylim=(min(-0.5, differences.min() - 0.5), None), ylabel="points of mIoU")
    right.set(xticks=[], title="differences: mean and interval")
    show_figure(figure, alt="Scores of baseline and DSRL joined by seed, and their differences with a 95 % interval")

# %% [markdown]
# ### Exercise 08.2 · a paired interval
# *Some thought · the heart of the notebook · 8 minutes.* Student's t, because a few seeds hardly know their own spread.


# %%
def paired_interval(baseline: Tensor, other: Tensor, t: float) -> Tensor:
    """95 % interval of the mean difference, other - baseline, seed by seed.

    Half its width is t * s / sqrt(n), with s the standard deviation of the n
    differences (n - 1 in its denominator).

    Args:
        baseline: one score for each seed.
        other: of another row, with the same seeds in the same order.
        t: Student's quantile for n - 1 degrees of freedom, 4.303 for three seeds.

    Shape:
        - baseline, other: (n,)
        - output: (2,), low and high

    Example:
        >>> paired_interval(torch.tensor([50.0, 52.0]), torch.tensor([51.0, 55.0]), 12.706)
        tensor([-10.7060,  14.7060])
    """
    raise NotImplementedError


check("08.2", paired_interval)

# %%
hint("08.2") + solution("08.2")

# %% [markdown]
# ## What the seeds could have seen
#
# An interval that holds zero may mean "nothing there" or "too few seeds". *Power* tells which. It asks for the smallest true difference that would
# leave zero outside in 8 of 10 repetitions. More seeds shrink it. Where one row scatters more than another, it needs more seeds for the same answer.

# %%
every = results.summary(results.pick(gains), ["row", "label"], scale=100).set_index("row")
asked = every.loc[["depthwise_dsrl", "bilinear", "dsrl"]].assign(visible=lambda t: t["estimate"].map(smallest_visible))
Table(
    asked[["label", "seeds", "visible"]],
    "the smallest true gain that these seeds would show (points of mIoU)",
    digits=1,
)

# %%
reveal("08.visible", round(asked["visible"].iloc[0], 2), unit="points")

# %% [markdown]
# ## The story: four rows and one control
#
# - **baseline**: the host alone.
# - **+ SSSR**: a head that doubles the output, one deconvolution for each class map.
# - **+ SISR**: beside it, a branch that rebuilds the picture, in training only.
# - **+ FA**: features of both branches compared. This is the whole of DSRL.
# - **Control**: finer labels and BatchNorm on the class maps. It costs no multiply-add and does no super-resolution.

# %% jupyter={"source_hidden": true}
NAMES = {
    "baseline": "baseline",
    "normalised": "control",
    "depthwise": "+ SSSR",
    "depthwise_sisr": "+ SSSR + SISR",
    "depthwise_dsrl": "+ SSSR + SISR + FA",
}
shown = runs[runs["row"].isin(NAMES)]
values = results.pick(results.scores(shown))
with theme():
    figure = new_figure(11.5, 4.2)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.15))
    score_bars(values, xlabel="mIoU on val (%)", ax=left)
    labels = list(dict.fromkeys(shown["label"].astype(str)))
    gain_points(results.gains(values), places=labels, ax=right)
    for place, row in enumerate(dict.fromkeys(shown["row"])):
        if ROWS[row].paper_row not in (None, "baseline"):
            value = table_1_gain(ROWS[row].paper_row, "ESPNetv2").value
            right.plot(value, place, "s", markersize=9, markerfacecolor="none", markeredgecolor=style_of(row).color)
    right.set(
        yticklabels=[], title="gain over the baseline: ours (dots, whiskers),\nthe paper's on Cityscapes [P] (squares)"
    )
    left.set(title="CamVid, six seeds, exploratory", yticklabels=list(NAMES.values()))
    show_figure(
        figure, alt="mIoU of baseline, control, SSSR, SISR and FA with seeds, and gains with the paper's beside"
    )

# %% [markdown]
# Bars begin at zero, so they look alike: that is what two points look like. Now compare each row with the *control*, not only with the baseline. How
# much of the whole's gain does the control have, for free?
#
# **Paper against ours.** The paper gains +1.2, +2.4 and +5.0 points for SSSR, + SISR and + FA with ESPNetv2 on Cityscapes [P]. Ours are other pictures, a
# smaller input and a shorter training. Only directions can be compared.

# %% [markdown]
# ## What each part adds
#
# Against the baseline, a row shows all its parts together. Each line below changes one thing, or compares the whole with a control. FA towards
# *another* picture is the control of FA: what that adds is regularisation, not structure.

# %%
steps = results.steps(results.pick(results.scores(runs)))
PARTS = {**NAMES, "depthwise_shuffled": "whole, FA of another picture", "depthwise_dsrl": "whole DSRL"}
parts = results.summary(steps[steps["row"].isin(PARTS) & steps["over"].isin(PARTS)], ["row", "over"], scale=100)
parts = parts.assign(row=parts["row"].map(PARTS), over=parts["over"].map(PARTS)).rename(columns={"over": "less"})
Table(parts[["row", "less", "mean", "low", "high"]], "points of mIoU on val, six seeds, 95 % interval; exploratory")

# %% [markdown]
# No single part is far from zero. FA's interval just leaves zero out; of seven intervals one may do so by chance. The whole is about one point ahead of its
# control, on one clip. Is it so on a street that training never saw? That is what the confirmatory tests ask.
#
# Ten more rows were run: other heads, other weights, other controls. They are folded here, because a reader who looks at twenty intervals will
# find one that pleases.

# %% jupyter={"source_hidden": true}
with theme():
    folded = figure_html(
        all_rows_figure(Inputs(runs=runs)).figure,
        alt="Gains of all fifteen rows over the baseline with intervals, and what each change between two rows adds",
    )
display(HTML(f"<details><summary>All rows and all questions, exploratory</summary>{folded.data}</details>"))

# %% [markdown]
# ## At equal true cost
#
# Twice the output costs something. The same multiply-adds could have bought a larger *input*. So compare with a baseline that may cost as
# much. Its score is read off the line between two of its sizes.

# %%
swept = sweep(results.runs(lab.root / "data" / "runs"))
family = swept[swept["family"] == swept.loc[swept["setting"] == runs["setting"].iloc[0], "family"].iloc[0]]
equal = results.summary(gains_at_cost(family[family["row"].isin(NAMES)]), ["row", "cost"], scale=100)
equal = equal.assign(row=equal["row"].map(NAMES)).rename(columns={"cost": "true MACs (M)"})
Table(equal[["row", "true MACs (M)", "mean", "low", "high"]], "points of mIoU over a baseline of equal true cost")

# %% [markdown]
# ### Exercise 08.3 · a fair opponent
# *Some thought · useful · 8 minutes.* What would the baseline score if it could cost as much?


# %%
def baseline_at(macs: Tensor, scores: Tensor, budget: float) -> Tensor:
    """The score of the baseline if it may cost ``budget``.

    Between two of its input sizes the score runs straight over the logarithm of the
    cost.

    Args:
        macs: cost of the baseline at each input size, ascending.
        scores: its score there.
        budget: a cost between the first and the last, or one of them.

    Shape:
        - macs, scores: (sizes,)
        - output: ()

    Example:
        >>> baseline_at(torch.tensor([10.0, 40.0, 160.0]), torch.tensor([40.0, 50.0, 54.0]), 80.0)
        tensor(52.)
    """
    raise NotImplementedError


check("08.3", baseline_at)

# %%
hint("08.3") + solution("08.3")

# %% [markdown]
# ## Choosing without a look at val
#
# Heads, weights and learning rates were tried before. Each choice was made on the last quarter of each *training* drive, with val untouched. Whoever
# chooses on val and reports val has measured luck as well.
#
# ### Exercise 08.4 · what may be reported
# *Some thought · the heart of the notebook · 8 minutes.* Several variants were tried. Which number goes into the paper?


# %%
def reported_gain(held_out: Tensor, val: Tensor) -> Tensor:
    """The gain that may be reported after several variants were tried.

    The variant is the one with the best mean on the held-out part of the training
    pictures, row 0 (the baseline) left aside. Its gain is its mean on val less the
    baseline's mean on val.

    Shape:
        - held_out, val: (variants, seeds) scores, the baseline in row 0
        - output: ()

    Example:
        >>> held_out = torch.tensor([[40.0, 40.0], [41.0, 43.0], [44.0, 39.0]])
        >>> reported_gain(held_out, torch.tensor([[50.0, 50.0], [50.0, 52.0], [53.0, 53.0]]))
        tensor(1.)
    """
    raise NotImplementedError


check("08.4", reported_gain)

# %%
hint("08.4") + solution("08.4")

# %% [markdown]
# ## Break it
#
# Take two rows that are truly the same, and report their "gain" with a mistake that is common in papers. `DEFECT` is the switch. Their spread is
# that of our baseline's seeds. Which of the mistakes gives a gain in most papers?


# %%
def best_seed(a: Tensor, b: Tensor) -> Tensor:
    return b.max(1).values - a.mean(1)


def best_variant_on_val(a: Tensor, b: Tensor) -> Tensor:
    return b.reshape(-1, 5, b.shape[1]).mean(2).max(1).values - a.reshape(-1, 5, a.shape[1])[:, 0].mean(1)


def one_seed(a: Tensor, b: Tensor) -> Tensor:
    return b[:, 0] - a[:, 0]


def honest_mean(a: Tensor, b: Tensor) -> Tensor:
    return (b - a).mean(1)


DEFECT = best_seed  # the switch: or best_variant_on_val, one_seed
a, b = float(by_seed["baseline"].std()) * torch.randn(2, 10_000, 3)
nothing = {defect.__name__: defect(a, b) for defect in (DEFECT, honest_mean)}
Table(
    {
        "how": list(nothing),
        "mean gain": [float(gain.mean()) for gain in nothing.values()],
        "positive (%)": [100 * float((gain > 0).float().mean()) for gain in nothing.values()],
    },
    "10,000 papers about nothing, three seeds each (points of mIoU)",
)

# %% [markdown]
# Symptoms to recognise: a gain that is nearly always positive and shrinks when somebody repeats it (best seed, best variant on val); a gain as large as the
# spread between seeds (one seed); rows with different numbers of seeds.
#
# ## Verdicts
#
# ### Exercise 08.5 · the rule
# *Easy · the heart of the notebook · 5 minutes.* Three words for a claim that was tested. The fourth, *not tested*, needs no numbers.


# %%
def verdict(low: float, high: float, size: float) -> int:
    """What an interval says of the claim "this part gains ``size`` points".

    1, supported: the interval lies above zero, and its lower end is at least size - 0.5.
    -1, contradicted: the interval lies below zero, or its upper end is below size - 0.5.
    0, undecided: neither. The ends belong to the interval.

    Args:
        low: lower end of the 95 % interval, in points.
        high: its upper end.
        size: the claimed gain, in points; positive, and it may be less than 0.5.

    Example:
        >>> verdict(1.6, 2.9, 2.0), verdict(0.4, 1.2, 2.0), verdict(-1.0, 3.0, 2.0)
        (1, -1, 0)
    """
    raise NotImplementedError


check("08.5", verdict)

# %%
hint("08.5") + solution("08.5")

# %% [markdown]
# The kit judges every claim of the paper by this rule, and widens the interval where one claim is tested several times (Holm). Here are the steps of
# our story. `dsrl-lab verdict` prints all claims in all settings, with reasons and records. A claim that is contradicted *here* may still be
# true on the paper's pictures, with the paper's length of training.

# %%
judged = [
    (NAMES[one.row], NAMES[one.over], one.size, one.ours.show(signed=True), one.verdict)
    for one in findings(results.runs(lab.root / "data" / "runs"))
    if one.setting == runs["setting"].iloc[0] and {one.row, one.over} <= set(NAMES)
    if one.claim.startswith("Table 1") and "logits" in one.protocol
]
columns = ["row", "less", "paper [P]", "ours", "verdict"]
Table(pd.DataFrame(judged, columns=columns), "exploratory verdicts, CamVid 90×120 (points of mIoU)", digits=1)

# %% [markdown]
# ## The tests that decide
#
# Three questions were written down before any of their runs, with new seeds, rows that differ in their parts alone, and 233 test pictures. Does the
# whole bring more than what is free (C1)? Do SISR and FA bring anything beside the head (C2)? Is it *this* picture's structure (C3)? No test is
# computed before the last seed has ended. Until then, the next cell says so.

# %%
WHOLE, SEEDS = "depthwise_figure4", range(6, 18)
FAMILY = ("bilinear", "normalised", "depthwise", WHOLE, f"{WHOLE}_shuffled")
confirmatory = results.runs(lab.root / "data" / "confirmatory" / "camvid_drives")
ended = confirmatory[confirmatory["finished"] & confirmatory["row"].isin(FAMILY) & confirmatory["seed"].isin(SEEDS)]
if len(ended) < len(FAMILY) * len(SEEDS):
    print("Family C: not tested. Not all of its runs have ended; DESIGN.md forbids a look before that.")
else:
    on_val = results.summary(results.pick(results.scores(ended)), ["row"]).set_index("row")["mean"]
    free = max(("bilinear", "normalised"), key=on_val.get)
    tested = compare(ended, [(WHOLE, other, None) for other in (free, "depthwise", f"{WHOLE}_shuffled")])
    columns = ["over", "seeds", "mean", "boot_low", "boot_high", "p_holm", "verdict"]
    display(Table(tested[columns], "C1 to C3: whole DSRL less another row, test split (points of mIoU)"))

# %% [markdown]
# ## Try it
#
# One knob: `SCORE`. Does the order of the rows stay the same for thin classes, for one class, for pixel accuracy, or by the released
# protocol, which enlarges label maps?

# %%
SCORE = "logits.thin_miou"  # or logits.iou.pole, logits.pixel_accuracy, labels.miou
picked = results.gains(results.pick(results.scores(runs), SCORE))
knob = results.summary(picked[picked["row"].isin(NAMES)], ["row"], scale=100)
Table(knob.assign(row=knob["row"].map(NAMES))[["row", "mean", "low", "high"]], f"{SCORE}: points over the baseline")

# %% [markdown]
# ## What was learnt
#
# - One picture and one seed prove nothing, in either direction.
# - Much of a gain may belong to something free. Find that control first.
# - An interval that holds zero is no proof of "nothing". Ask for its power.
#
# ## Limits
#
# - All but *The tests that decide* is exploratory: small inputs, short trainings, one clip, choices made after a look at val.
# - An interval over seeds speaks of another seed on *these* pictures, not of another city.

# %% [markdown]
# ## Five questions to take along
#
# <details><summary>1. Why are differences taken seed by seed?</summary>Runs of one seed share pictures, order and crops. What they share cancels in the difference, and the interval becomes shorter.</details>
# <details><summary>2. An interval holds both zero and the paper's gain. What may you say?</summary>Undecided. Add the smallest difference that your seeds could have shown.</details>
# <details><summary>3. Which control tells structure from regularisation?</summary>FA towards another picture: it regularises as much, and its structure is of no use.</details>

# %% [markdown]
# <details><summary>4. Two rows differ in training length. What does their difference measure?</summary>Length and parts together. It says nothing about the parts.</details>
# <details><summary>5. You have 10 % more multiply-adds. An SSSR head, or a larger input?</summary>Compare both at equal true cost. Without that number nobody knows.</details>

# %% [markdown]
# ## Words and sources
#
# **ablation** 消融实验: rows that differ in one part. **seed** 随机种子. **paired difference** 配对差. **interval** 置信区间. **power** 检验功效: how
# surely a true difference would be seen. **control** 对照. **held-out** 留出集. **true MACs** 真实乘加数.
#
# - Wang, Li, Zhu, Tian, Shan: Dual Super-Resolution Learning for Semantic Segmentation, CVPR 2020 (Table 1).
# - Student: The probable error of a mean, 1908. Bouthillier et al.: Accounting for variance in machine learning benchmarks, 2021.
# - In the kit: `dsrl_lab/results/inference.py` states the rule, `data/runs/DESIGN.md` the design.
