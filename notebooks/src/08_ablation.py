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
# **Claim.** A gain is a difference between rows that were trained alike, paired by seed, with an interval, beside a control, at a true
# cost. Held to that, each claim of the paper gets one of three verdicts here: holds, does not hold, or not tested.
#
# Measured: a quarter of a minute of CPU time on one core, 1.0 GB of memory. Data: the kit's records in `data/runs/`, its checkpoints, drawn
# streets. Needs: 07. No internet, no GPU.

# %%
from dsrl_lab.course.notebook import show_figure, start

lab = start()

# %%
import textwrap
from collections import Counter

import torch
from torch import Tensor

from dsrl_lab.course.exercises import check, hint, predict, reveal, solution
from dsrl_lab.datasets.class_tables import CAMVID
from dsrl_lab.datasets.streets import Streets
from dsrl_lab.metrics import SegmentationScore
from dsrl_lab.plots.theme import new_figure, style_of, theme
from dsrl_lab.results import frames
from dsrl_lab.results.charts import class_heatmap, cost_curves, gain_points
from dsrl_lab.results.claims import findings
from dsrl_lab.results.figures_runs import ablation_figure
from dsrl_lab.results.inference import WORDS, smallest_visible
from dsrl_lab.results.inputs import Inputs, find_checkpoint
from dsrl_lab.results.paper_numbers import table_1_gain
from dsrl_lab.results.sweeps import gains_at_cost, sweep
from dsrl_lab.results.tables import ablation_table
from dsrl_lab.rows import ROWS
from dsrl_lab.training import record
from dsrl_lab.training.build import load_task_model
from dsrl_lab.training.evaluate import predict_mask
from dsrl_lab.widgets import segmentation_compare

# %% [markdown]
# ## The whole table in one picture
#
# Everything below is read from records: nothing is trained. Of all settings there are, take the one on real pictures with most runs; if there is
# none with three rows, the drawn streets.

# %%
everything = frames.runs(lab.root / "data" / "runs")
everything = everything[
    everything["finished"] & everything["setting"].isin(set(frames.pick(frames.scores(everything))["setting"]))
]
by_setting = dict(iter(everything.groupby("setting")))


def weight(setting: str) -> tuple[bool, int]:
    runs = by_setting[setting]
    return setting.startswith("camvid") and runs["row"].nunique() >= 3, len(runs)


SETTING = max(by_setting, key=weight)
for setting, runs in by_setting.items():
    mark = "->" if setting == SETTING else "  "
    print(f"{mark} {setting:26} {len(runs):3} runs, rows {runs['row'].nunique()}")

# %%
runs = frames.alike(by_setting[SETTING])
scores = frames.scores(runs)
gains = frames.gains(scores)
of_row = frames.summary(frames.pick(gains), ("row", "label"), scale=100).set_index("row")
first = {run.row: run.record.first for run in runs.itertuples()}
with theme():
    show_figure(
        ablation_figure(Inputs(runs=runs)).figure, alt="mIoU of each row, its gain over the baseline, and costs"
    )

# %% [markdown]
# Bars begin at zero, so they look alike: that is what a gain of a point or two looks like. The middle panel is the same, subtracted seed by seed.
# A row with one dot is one seed: an observation, not evidence. The table beside it shows what a mean hides: thin classes on their own, the score by
# the released protocol, what the deployed network truly costs, and how well SISR draws.

# %% [markdown]
# ## What you will be able to do
#
# 1. Score a set the way everybody does, and know what other ways hide.
# 2. Turn three seeds into an interval, and say what they could not have seen.
# 3. Ask what a part adds, and what its control adds.
# 4. Compare at equal true cost.
# 5. Give a verdict that says no more than the numbers do.

# %% [markdown]
# ## Predict
#
# Two guesses: how many points of mIoU does the whole of DSRL gain over the baseline in the setting above? And how large must a true gain be
# before so many seeds, scattering as these do, show it in 8 of 10 repetitions?

# %%
predict("08.gain", None, unit="points")

# %%
predict("08.visible", None, unit="points")

# %% [markdown]
# ## What was kept equal
#
# All rows: same pictures, steps, order, crops and flips for a seed; only parts and weights of losses differ. Every row was written down before
# its own runs (`data/runs/DESIGN.md`); `paper`, `normalised` and the `depthwise` rows came after other rows had been seen on val. Staged training
# with 250 more epochs for each part (seen in public code) gives the last row three times the second's, and calls that FA.
# The kit's `alike` refuses rows that were not trained alike.

# %%
train = first["baseline"]["train"]
for key in ("input_size", "iterations", "batch_size", "learning_rate", "class_balance", "scale_range"):
    print(f"{key:15}", train[key])
print("pictures       ", first["baseline"]["pictures"])
WHOLE = next(row for row in ("depthwise_dsrl", "dsrl", *reversed(of_row.index)) if row in of_row.index)
print("whole DSRL here:", of_row.at[WHOLE, "label"])
weights = {row: line["train"]["sisr_weight"] for row, line in first.items() if line["network"]["sisr"]}
print("weight of SISR  ", "  ".join(f"{row} {weight:g}" for row, weight in weights.items()))

try:
    frames.alike(everything)
except ValueError as error:
    print(error)

# %% [markdown]
# ## One score for a set
#
# mIoU is pooled: one confusion matrix for all pictures, one IoU per class, one mean. Score a committed network on eight drawn scenes, both ways.

# %%
streets_runs = frames.runs(lab.root / "data" / "runs" / "streets_tinynet")
streets_runs = streets_runs[(streets_runs["seed"] == 0) & streets_runs["row"].isin(("baseline", "dsrl"))]
models = {run.label: load_task_model(find_checkpoint(run.record))[0] for run in streets_runs.itertuples()}
streets = Streets("val", size=(180, 240), length=8)
scenes = [streets[index] for index in range(8)]
predictions, confusions = {}, {}
for name, model in models.items():
    predictions[name] = [predict_mask(model, scene.image, input_size=(90, 120)) for scene in scenes]
    per_picture = []
    for pred, scene in zip(predictions[name], scenes, strict=True):
        score = SegmentationScore(11)
        score.update(pred[None], scene.mask[None])
        per_picture.append(score.confusion)
    confusions[name] = torch.stack(per_picture)


# %%
def pooled(confusion: Tensor) -> float:
    score = SegmentationScore(11)
    score.confusion = confusion.sum(0)
    return 100 * score.compute().miou


for name, confusion in confusions.items():
    of_pictures = [pooled(one[None]) for one in confusion]
    print(f"{name:22} pooled {pooled(confusion):.1f}   mean over pictures {sum(of_pictures) / 8:.1f}")

# %% [markdown]
# Two numbers, one name. The second is what "mIoU" means in some code, and it compares with nobody's. It also jumps: a pole of twenty pixels in one
# picture weighs as much as the poles of all other pictures together, and a class that a picture lacks must be given some number or none.
#
# ### Exercise 08.1 · pooled
# *Some thought · the heart of the notebook · 8 minutes.* Four of the mistakes that the check knows were read in public code.


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
# ## Look before you count
#
# One scene, the first of the split and not the best: truth, both networks, and the pixels that the second wins and loses. **Touch:** point at
# pixels and at classes of the table; move the opacity. **Look for:** are won and lost in different places? **Ask yourself:** which class would you
# report if you wanted the second network to look good?

# %%
before, after = predictions.values()
segmentation_compare(
    scenes[0].image,
    scenes[0].mask,
    before[0],
    after[0],
    CAMVID,
    names=("baseline", "DSRL"),
    alt="A drawn street, its true classes, the predictions of two networks over it, and the pixels won and lost, which lie "
    "along outlines and are near in number",
)

# %% [markdown]
# Won and lost are near in number: a gain is a small rest of two large heaps. That is why one run proves nothing, and why a figure with one
# picture on which DSRL looks better proves even less: there is always such a picture, in both directions. Most of both heaps lies along the
# borders of things, where a pixel's class is a matter of luck.

# %% [markdown]
# ## Pairs
#
# Runs of one seed see the same pictures in the same order, start from the same host, and so tend to go up and down together. Subtract seed by seed, and
# what they share is gone. If rows do not go together at all, pairing costs nothing but a few degrees of freedom.

# %%
by_seed = 100 * frames.pick(gains).pivot(index="row", columns="seed", values="value")
for row, gain in of_row["estimate"].items():
    shared = " ".join(f"{value:+.2f}" for value in by_seed.loc[row].dropna())
    print(f"{row:20} {gain.show(signed=True, digits=2):16} seed by seed {shared}")
reveal("08.gain", round(of_row.at[WHOLE, "mean"], 2), unit="points")

# %% [markdown]
# ### Exercise 08.2 · a paired interval
# *Some thought · the heart of the notebook · 8 minutes.* Student's t, because three seeds hardly know their own spread.


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
# An interval that holds zero may mean "nothing there" or "too few seeds". The power of the test tells which: the smallest true difference that
# would have left zero outside in 8 of 10 repetitions. With three seeds it is 3.3 times the spread of the differences; with ten, once the spread. Whoever
# looks for a gain of one point needs seeds that scatter by a third of a point, or more of them.

# %%
visible = {row: smallest_visible(gain) for row, gain in of_row["estimate"].items()}
for row, points in visible.items():
    text = "1 seed: an observation" if points is None else f"{points:.1f} points"
    print(f"{row:20} smallest visible difference: {text}")
shown = visible.get(WHOLE)
reveal(
    "08.visible", "one seed shows nothing" if shown is None else round(shown, 2), unit="" if shown is None else "points"
)

# %% [markdown]
# ## What each part adds, and its control
#
# Against the baseline, a row shows all its parts together. Each line below changes one thing. Finer labels alone (bilinear logits) are the control of
# the SSSR head. Heads with deconvolutions bring BatchNorm on the class maps along: `normalised` has it without them, and gains most of what they do.
# FA towards *another* picture is the control of FA: what it gains is regularisation, not structure. Stopping FA's gradient at SISR asks who follows whom.

# %%
found = frames.pick(frames.steps(scores))
with theme():
    figure = new_figure(9, 1.2 + 0.5 * found["adds"].nunique())
    gain_points(found, y="adds", xlabel="adds (points of mIoU, paired by seed)", ax=figure.add_subplot())
    show_figure(figure, alt="What each change adds in points of mIoU, paired by seed, with intervals")
for step in frames.summary(found, ("row", "over", "adds"), scale=100).itertuples():
    print(f"{step.estimate.show(signed=True, digits=2):>16}   {step.adds} ({step.row} less {step.over})")

# %% [markdown]
# ## Class by class
#
# The paper's hope is in thin things (marked *): poles, signs, fences, pedestrians, bicyclists. Does the gain lie there? Many classes and few
# seeds: of eleven intervals, one or more leave zero outside by chance nearly every second time. Read it as a map, not as eleven tests.

# %%
of_classes = gains[(gains["protocol"] == "logits") & (gains["metric"] == "iou")]
with theme():
    figure = new_figure(11, 1 + 0.5 * of_classes["row"].nunique())
    class_heatmap(of_classes, thin=CAMVID.thin, ax=figure.add_subplot())
    show_figure(figure, alt="Gain of each class over the baseline in points of IoU, row by row")

# %% [markdown]
# ## Two protocols
#
# The released evaluation takes the argmax at the network's own size and magnifies the *labels*: by 4 for the baseline, by 2 for DSRL. So part of a
# gain may be finer label maps. Enlarging logits bilinearly removes that part.

# %%
by_labels = frames.summary(frames.pick(gains, "labels.miou"), ("row",), scale=100).set_index("row")["estimate"]
for row, logits in of_row["estimate"].items():
    share = by_labels[row].mean - logits.mean
    print(
        f"{row:20} by logits {logits.show(signed=True)}   by labels {by_labels[row].show(signed=True)}   label maps alone {share:+.2f}"
    )

# %% [markdown]
# ## At what cost, and how long
#
# Figure 1 of the paper, for our setting, over true MACs: all input sizes that were trained in the same way. Twice the output is not given for nothing;
# the money could have gone into a larger input, which a table of equal *inputs* never shows. The right panel does, paired by seed. Below
# it, the smallest size, after 600 iterations and after four times as many: who is ahead when the host has learnt more?

# %%
swept = sweep(everything)
family = swept[swept["family"] == swept.loc[swept["setting"] == SETTING, "family"].iloc[0]]
SWEPT = tuple(row for row in ("detached", "paper", "deconvolution", WHOLE) if row in first)
equal = gains_at_cost(family[family["row"].isin(("baseline", *SWEPT))])
equal["place"] = equal["label"].astype(str) + "; " + equal["input_height"].map("{:.0f} rows".format)
with theme():
    figure = new_figure(14, 5.2)
    left, right = figure.subplots(1, 2, width_ratios=(1.2, 1))
    cost_curves(family[family["row"].isin(("baseline", *SWEPT))], ax=left).legend()
    gain_points(equal, y="place", xlabel="over the baseline at equal true MACs (points of mIoU)", ax=right)
    show_figure(figure, alt="mIoU against true MACs by input size, and gains over the baseline's curve at equal cost")
for point in frames.summary(equal, ("row", "input_height", "cost"), scale=100).itertuples():
    text = point.estimate.show(signed=True, digits=2)
    print(f"{point.row:14} {point.input_height:.0f} rows: {point.cost:5.1f} M; at equal true MACs {text}")

for setting in ("camvid_espnetv2_45x60", "camvid_espnetv2_45x60_long"):
    steps = by_setting[setting]["iterations"].iloc[0]
    for row in ablation_table(by_setting[setting]).to_dict("records"):
        print(f"{steps:5.0f} iterations  {row['mIoU']:14} gain {row['gain'] or '–':12} {row['row']}")

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
# ## Choosing without peeking
#
# Heads, weights, learning rates and teachers were tried out before, on the last quarter of each training sequence, with val untouched. The trials are
# recorded too; those under `wider` are named for what they change in the row `paper`, and the leaders have a second seed:

# %%
folder, trials = lab.root / "data" / "screening", {}
for path in sorted(folder.rglob("*.jsonl")):
    end = record.read(path)[-1]
    if end["kind"] == "end":
        trial = path.relative_to(folder).with_suffix("").as_posix().rsplit("_seed", 1)[0]
        trials.setdefault(trial, []).append(100 * end["logits"]["miou"])
for trial, reached in trials.items():
    print(f"{trial:22} held-out mIoU {' and '.join(f'{miou:.1f}' for miou in reached)}")

# %% [markdown]
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
# ## Try it
#
# One knob: `SCORE`. Thin classes alone, one class, pixel accuracy, the released protocol: does the picture of what adds what stay the same?

# %%
SCORE = "logits.thin_miou"  # or logits.iou.pole, logits.pixel_accuracy, labels.miou
for step in frames.summary(frames.pick(frames.steps(scores), SCORE), ("row", "over", "adds"), scale=100).itertuples():
    print(f"{step.estimate.show(signed=True, digits=2):>16}   {step.adds}")

# %% [markdown]
# ## Break it
#
# Take two rows that are truly the same, with the spread that the baseline's seeds have here, and report their "gain" with a defect
# that is common in papers. `DEFECT` turns through three of them, and the honest way.


# %%
def best_seed(a: Tensor, b: Tensor) -> Tensor:
    return b.max(1).values - a.mean(1)


def best_variant_on_val(a: Tensor, b: Tensor) -> Tensor:
    return b.reshape(-1, 5, b.shape[1]).mean(2).max(1).values - a.reshape(-1, 5, a.shape[1])[:, 0].mean(1)


def one_seed(a: Tensor, b: Tensor) -> Tensor:
    return b[:, 0] - a[:, 0]


def honest_mean(a: Tensor, b: Tensor) -> Tensor:
    return (b - a).mean(1)


DEFECT = best_seed  # the switch: or best_variant_on_val, one_seed, honest_mean
values = list(100 * frames.pick(scores).query("row == 'baseline'")["value"])
spread = float(torch.tensor(values).std()) if len(values) > 1 else 1.0
a, b = spread * torch.randn(2, 10_000, 3)
gains = {defect.__name__: defect(a, b) for defect in dict.fromkeys((DEFECT, honest_mean))}
for name, gain in gains.items():
    print(f"{name:20} mean 'gain' {gain.mean():+.2f} points; positive in {(gain > 0).float().mean():.0%} of papers")

# %% [markdown]
# Nothing was gained, by construction. Symptoms to recognise: a gain that is positive nearly always and shrinks when somebody repeats it (best
# seed; best variant on val); a gain as large as the spread between seeds (one seed); rows with different numbers of seeds.
#
# ## Verdicts
#
# ### Exercise 08.5 · the rule
# *Easy · the heart of the notebook · 5 minutes.* Three answers, not two.


# %%
def verdict(low: float, high: float, wanted: float) -> int:
    """What follows from an interval for the claim "this part gains".

    1, it holds here: the interval lies above zero. -1, it does not: the interval lies
    below zero, or holds zero and ends below the gain that the paper reports. 0, not
    tested: the interval holds zero and the paper's gain. The ends belong to the interval.

    Args:
        low: end of the 95 % interval, in points.
        high: its other end.
        wanted: the paper's gain, in points; positive.

    Example:
        >>> verdict(0.4, 1.6, 2.0), verdict(-0.5, 0.9, 2.0), verdict(-1.0, 3.0, 2.0)
        (1, -1, 0)
    """
    raise NotImplementedError


check("08.5", verdict)

# %%
hint("08.5") + solution("08.5")

# %% [markdown]
# The same rule over all claims; printed for the setting above, counted for all. `dsrl-lab verdict` prints the others, with reasons and records. A claim that
# fails here may hold on the paper's pictures, with the paper's length of training; a claim that is not tested is neither praised nor blamed.

# %%
found = findings(everything)
counts = Counter(finding.verdict for finding in found)
print(", ".join(f"{counts[word]} {word}" for word in WORDS))
for finding in found:
    if finding.setting == SETTING and finding.size is not None and "label maps" not in finding.protocol:
        line = f"{finding.verdict:12} {finding.claim} ({finding.row} over {finding.over}): {finding.shown}"
        print(textwrap.fill(line, 100, subsequent_indent=" " * 13))
silent = "; ".join(finding.claim for finding in found if not finding.where)
print(textwrap.fill(f"not tested, no record: {silent}", 100, subsequent_indent=" " * 13))

# %% [markdown]
# ## The picture to take along
#
# Our gains by row with their intervals, the negative controls among them (the baseline is the line at zero), and the paper's for
# ESPNetv2 as hollow squares.

# %%
with theme():
    figure = new_figure(9, 1.3 + 0.5 * len(of_row))
    ax = gain_points(frames.pick(frames.gains(scores)), ax=figure.add_subplot())
    for place, row in enumerate(of_row.index):
        if ROWS[row].paper_row:  # controls have no place in the paper's table
            value = table_1_gain(ROWS[row].paper_row, "ESPNetv2").value
            ax.plot(value, place, "s", markersize=9, markerfacecolor="none", markeredgecolor=style_of(row).color)
    ax.set_title(f"{SETTING}: ours (dots, whiskers)\nand the paper's on Cityscapes [P] (squares)")
    show_figure(figure, alt="Gain of each row over the baseline with intervals, and the paper's gains as squares")

# %% [markdown]
# **Paper against ours.** The paper: +1.2, +2.4 and +5.0 points for SSSR, + SISR and + FA, each over the baseline, with ESPNetv2 on Cityscapes [P]. Ours: the dots, on other
# pictures, at a smaller input, after a shorter training. Only the direction can be compared.

# %% [markdown]
# ## Limits
#
# - Small inputs, few seeds, trainings shorter than the paper's.
# - An interval over seeds says what another seed would give on *these* pictures, not what another city would.
# - The baseline at equal cost lies on a line between two sizes, not on a run.
# - `paper` came after a look at val: only seeds 3 to 5 test it. The idea of the `depthwise` rows came from val too.
# - Val was scored once per run, but for many rows: luck cannot be ruled out.

# %% [markdown]
# ## Five questions to take along
#
# 1. Why are differences taken seed by seed?
# 2. An interval holds both zero and the paper's gain. What may you say?
# 3. Which control would tell structure from regularisation?
# 4. Two rows differ in training length. What does their difference measure?
# 5. Where would you spend 10 % more multiply-adds: on an SSSR head, or on a larger input?

# %% [markdown]
# ## Words and sources
#
# **ablation** 消融实验: rows that differ in one part. **seed** 随机种子. **paired difference** 配对差. **interval** 置信区间. **power** 检验功效: how
# surely a true difference would be seen. **control** 对照. **held-out** 留出集. **true MACs** 真实乘加数.
#
# - Wang, Li, Zhu, Tian, Shan: Dual Super-Resolution Learning for Semantic Segmentation, CVPR 2020 (Table 1, Figure 1).
# - Student: The probable error of a mean, 1908. Bouthillier et al.: Accounting for variance in machine learning benchmarks, 2021.
# - In the kit: `dsrl_lab/results/inference.py` states the rule, `data/runs/DESIGN.md` the design.
