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
# # 10 · Full scale
#
# **Claim.** The paper's experiment is affordable, and can be planned before it is rented, to a factor of three. Its numbers of cost
# cannot be reproduced as printed, because they leave out half of what is computed.
#
# Measured: about three quarters of a minute of CPU time on one core, 1.1 GB of memory. Data: drawn streets; Cityscapes needs an account of your own. Needs: 05 for the
# SSSR head, 06 for affinity. No internet, no GPU: this notebook plans, it does not rent.

# %%
from dsrl_lab.course.notebook import show_figure, start

lab = start()

# %%
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from pprint import pprint

import torch
from IPython.display import Markdown, display
from rich.console import Console
from torch import Tensor
from torch.nn import functional as F

from dsrl_lab.course.exercises import check, hint, predict, reveal, solution
from dsrl_lab.datasets.cityscapes import Cityscapes
from dsrl_lab.plots.theme import OTHER_STYLES, new_figure, style_of, theme
from dsrl_lab.recipes import find_recipe, with_changes
from dsrl_lab.results import paper_numbers as paper
from dsrl_lab.results import readme
from dsrl_lab.tools.bench import cost as costs
from dsrl_lab.tools.bench import decode as reading
from dsrl_lab.tools.bench import plan as plans
from dsrl_lab.tools.bench.drawn_cityscapes import write_drawn_cityscapes
from dsrl_lab.training import record
from dsrl_lab.training.examples import Batches, DecodedSamples
from dsrl_lab.training.objectives import SegmentationObjective

# %% [markdown]
# ## The same dots, another axis
#
# The paper's Figure 1, read off, ESPNetv2 only. Left: score against the **size** that the network receives, as the paper draws it. Right: the same
# dots against **multiply-adds**, all of them, the two deconvolutions of the released SSSR head included. Counting takes a few seconds.

# %%
points = [point for point in paper.FIGURE_1 if point.host == "ESPNetv2"]


def macs(name: str, size: tuple[int, int]) -> costs.Row:
    (row,) = costs.run([name], size, num_classes=20, runs=0)  # 20 outputs, as the release has
    return row


plain = {point.input_size: macs("espnetv2", point.input_size) for point in points}
with_head = {point.input_size: macs("espnetv2+deconvolution", point.input_size) for point in points}

# %%
LINES = {"baseline": (style_of("baseline"), plain), "dsrl": (style_of("dsrl"), with_head)}
with theme():
    figure = new_figure(12, 3.8)
    left, right = figure.subplots(1, 2, sharey=True)
    for name, (style, counted) in LINES.items():
        scores = [getattr(point, name).value for point in points]
        look = {"color": style.color, "linestyle": style.line, "marker": style.marker}
        left.plot([point.input_size[0] for point in points], scores, label=f"{name} (read off)", **look)
        right.plot([counted[p.input_size].macs / 1e9 for p in points], scores, label=f"{name}, true MACs", **look)
    overlooked = [with_head[p.input_size].macs_without_transposed / 1e9 for p in points]
    control = OTHER_STYLES[2]
    right.plot(
        overlooked, [p.dsrl.value for p in points], color=control.color, linestyle=control.line, marker=control.marker,
        label="dsrl as the released counter sees it",
    )  # fmt: skip
    left.set(xlabel="input height (pixels)", ylabel="mIoU (%), read off Figure 1")
    right.set(xlabel="multiply-adds of one picture (10⁹)", xlim=(0, None))
    left.legend(loc="lower right")
    right.legend(loc="lower right")
    show_figure(figure, alt="Figure 1 of the paper read off: mIoU against input height, and against true multiply-adds")

# %% [markdown]
# On the left, DSRL wins five points at the smallest size. On the right, its line meets the baseline's at the smallest size and lies below it from there
# on. The dotted line is the control: what one believes if transposed convolutions are not counted.
#
# **Paper against ours.** Repository: 674.78 M "FLOPs" for both rows [A]. Ours, counted on the same network: 674.46 M without the head,
# 1264.28 M with it.

# %% [markdown]
# ## What you will be able to do
#
# 1. Read a table of FLOPs with three questions in mind.
# 2. Start a Cityscapes recipe on one GPU, on eight, on eight machines, and know what changes.
# 3. Plan its hours, memory and bill, and find what it will wait for.
# 4. Say what feature affinity costs at full size, dense and tiled.
# 5. List what the paper leaves open, and what each gap can move.

# %% [markdown]
# ## Predict
#
# The recipe: ESPNetv2 with DSRL, 90,000 iterations of 16 pictures at 256×512. How many **GPU hours** on an A100 of which a fifth is used, fed by
# 8 cores that read PNG files of 1024×2048? And: of the multiply-adds of a training picture, how many per cent are feature **affinity's**?

# %%
predict("10.hours", None, unit="GPU hours")

# %%
predict("10.affinity", None, unit="%")

# %% [markdown]
# ## How its FLOPs were counted
#
# Three questions to every table. **Which layers?** The released counter sums `Conv2d`; the SSSR head is made of `ConvTranspose2d`.
# **One or two?** A multiply-add is one MAC and two FLOPs; most tables say FLOPs and count one. **Which G?** Some divide by 10⁹, some by 2³⁰.

# %%
small = (256, 512)
row = with_head[small]
print("ESPNetv2 (width 2.0, 20 outputs) with the released SSSR head, 256 × 512")
print(f"  all layers                 {row.macs / 1e6:8.2f} M multiply-adds")
print(f"  without transposed ones    {row.macs_without_transposed / 1e6:8.2f} M")
print(f"  the plain host             {plain[small].macs / 1e6:8.2f} M")
print(f"  stated for both rows       {paper.RELEASE[0].stated_macs}")
print(
    f"  the head adds              {row.macs / plain[small].macs - 1:+8.0%}, "
    f"and {row.parameters - plain[small].parameters:,} parameters\n"
)
(hrnet,) = costs.run(["hrnet"], (256, 192), runs=0)  # the paper's pose host
print(f"HRNet-W32, 256 × 192: {hrnet.macs:,} multiply-adds")
print(
    f"  over 10^9: {hrnet.macs / 1e9:.2f}   over 2^30: {hrnet.macs / 2**30:.2f}   "
    f"as FLOPs proper: {2 * hrnet.macs / 1e9:.2f}"
)
print("  its paper's table says 7.1 GFLOPs")

# %% [markdown]
# So "7.1 GFLOPs" are multiply-adds, over 2³⁰. And 19 classes or 20? The release has a twentieth output for what is not labelled; one class more or
# less is 8 million multiply-adds in the host and 58 million in the authors' head. Small differences such as 674.46 against 674.78 come from such corners; a factor of two never does.

# %% [markdown]
# Also ask what is *not* counted in any of them: normalisation, activations, resizing, and the time that memory takes. Depthwise layers have few
# multiply-adds and much traffic, so equal counts are not equal seconds. Timed in turns on one computer (`dsrl-lab bench deployment`):

# %%
timings = lab.root / "data" / "runs" / "deployment.jsonl"
display(Markdown(readme.deployed(timings)))

# %% [markdown]
# An SSSR head can cost more seconds than its multiply-adds say: it works on maps of the *output's* size, and their traffic is what takes the time.
# One deconvolution per class map adds 4 % of multiply-adds: PyTorch takes twice the host's time for it, onnxruntime a quarter more. Cheap is not quick.
# Taking SISR out is worth it.
#
# ### Exercise 10.1 · what a table means
# *Easy · useful · 4 minutes.* Bring a table's number back to multiply-adds, whatever its author counted and divided by.


# %%
def multiply_adds(stated: float, counts_two: bool, binary: bool) -> float:
    """Multiply-adds behind a number that a table states in "G".

    Args:
        stated: the table's number.
        counts_two: the table counts a multiply-add as two operations (FLOPs proper), not as one.
        binary: the table's G is 2^30, not 10^9.

    Example:
        >>> round(multiply_adds(7.12, counts_two=False, binary=True) / 1e9, 3)
        7.645
    """
    raise NotImplementedError


check("10.1", multiply_adds)

# %%
hint("10.1") + solution("10.1")

# %% [markdown]
# ## What the same money buys
#
# A fair question to any extra head: what would a *plain* network score if it were given the same multiply-adds, as a larger input? Search the
# size; read its score off the baseline's own curve.


# %%
def side_for(budget: int) -> int:
    """Input height at which the plain host costs ``budget``: cost grows with the area."""
    return round(256 * (budget / plain[small].macs) ** 0.5)


def read_off(height: float) -> float:
    heights, scores = [p.input_size[0] for p in points], [p.baseline.value for p in points]
    right = next(i for i, h in enumerate(heights) if h >= height)
    share = (height - heights[right - 1]) / (heights[right] - heights[right - 1])
    return scores[right - 1] + share * (scores[right] - scores[right - 1])


height = side_for(with_head[small].macs)
print(f"DSRL at 256 × 512 costs what a plain ESPNetv2 costs at about {height} × {2 * height}")
print(
    f"  plain, read off there: {read_off(height):.1f}      DSRL: {points[0].dsrl.value:.1f}      "
    "(reading error about 0.2 each)"
)

# %% [markdown]
# 0.4 points remain of 5.0, within reading error. This does not say that DSRL does nothing: its head could be made cheap
# in multiply-adds (one deconvolution per class map), and a smaller input has other merits. It says that the *printed* comparison rests on the counter.
#
# ## The recipes
#
# A recipe is a function; the command line knows it by name. `--set` changes a field, and the change stands in the record.

# %%
for row_name in ("baseline", "sssr", "deconvolution_dsrl", "dsrl"):
    recipe = find_recipe(f"cityscapes_espnetv2_{row_name}")
    image = plans.image_cost(recipe)
    deployed, trained = image.deployed_macs / 1e6, image.training_macs / 1e9
    print(f"{recipe.title:48} deployed {deployed:7.1f} M   a training picture {trained:5.2f} G multiply-adds")

recipe = find_recipe("cityscapes_espnetv2_dsrl")
print()
pprint(recipe.train, width=92)
print("\ncompiled against eager, a step of the whole of DSRL on a CPU (bench compile; data/runs/compile_pace.jsonl):")
for line in record.read(lab.root / "data" / "runs" / "compile_pace.jsonl"):
    compiled = line["rows"][1]
    low, high = compiled["spread"]
    print(f"  {line['setting']:22} {compiled['cost']:.2f} times the time ({low:.2f} to {high:.2f}), ", end="")
    print(f"after {line['compile_seconds']:.0f} s of compiling")

# %% [markdown]
# One GPU, eight, and eight machines of eight differ in the launcher only (`accumulate=4` takes a batch in four parts where memory is short; Figure 1's
# other sizes are named like `cityscapes_espnetv2_512x1024_dsrl`):
#
# ```bash
# dsrl-lab train cityscapes_espnetv2_dsrl --data CITYSCAPES --set train.accumulate=4
# torchrun --nproc-per-node 8 -m dsrl_lab train cityscapes_espnetv2_dsrl --data CITYSCAPES
# torchrun --nnodes 8 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29500 \
#     -m dsrl_lab train cityscapes_espnetv2_dsrl --data CITYSCAPES \
#     --set train.batch_size=128 --set train.learning_rate=0.08 --set train.iterations=11250
# ```

# %% [markdown]
# A stopped job goes on with `--resume`, bit for bit: what a step draws follows from the seed and its number, so no sampler has to be saved. The
# record grows by a line every few iterations, and a job that was killed leaves at most a torn last line. Every row of an ablation gets the
# same iterations; a published re-implementation gave each stage 250 epochs more than the one before, and compared them.

# %% [markdown]
# `train.compile=true` lets `torch.compile` fuse the network; no recipe has it on. On a CPU it did not help, as measured above: eagerly, layers run in
# the fast exact forms of `dsrl_lab.kernels`, and the compiler fuses their plain ones. GPUs were not tried; run `dsrl-lab bench compile` on yours.
#
# ### Exercise 10.2 · the same run on more GPUs
# *Easy · the heart of the notebook · 5 minutes.* Where do 0.08 and 11250 come from?


# %%
def same_run(iterations: int, batch_size: int, learning_rate: float, new_batch_size: int) -> tuple[int, float]:
    """The same training with a larger batch: as many pictures, SGD's learning rate in proportion to the batch.

    Args:
        iterations: of the old run.
        batch_size: of the old run.
        learning_rate: of the old run.
        new_batch_size: a multiple of the old one that divides the number of pictures seen.

    Returns:
        Iterations and learning rate of the new run.

    Example:
        >>> same_run(90_000, 16, 0.01, 128)
        (11250, 0.08)
    """
    raise NotImplementedError


check("10.2", same_run)

# %%
hint("10.2") + solution("10.2")

# %% [markdown]
# ## Reading pictures
#
# GPUs are fast; PNG files of 1024 × 2048 are not. Before any plan, measure what one core needs from the file to the example: picture and mask
# decoded, cropped, mirrored, reduced. Here the loader's own path, on four drawn streets in Cityscapes' layout; below, the record of
# `dsrl-lab bench decode` (`data/runs/deployment.jsonl`): pictures per second by the clock, on two busy cores, and a core's time. Its last column is
# what *evaluation* adds: confusions and outlines at full size.

# %%
with tempfile.TemporaryDirectory() as folder:
    root = write_drawn_cityscapes(Path(folder), pictures={"train": 4})
    pictures = DecodedSamples(Cityscapes(root, "train"))  # decodes once, and keeps the bytes
    batches = Batches(pictures, SegmentationObjective(recipe.train).example, batch_size=4, seed=0)
    for way in ("from files", "decoded before"):
        clock = time.process_time()
        batches(0)
        each = (time.process_time() - clock) / 4
        print(f"{way:15} {1000 * each:4.0f} ms of a core for each picture; 8 cores feed {8 / each:4.0f} a second")

console = Console(width=112, force_jupyter=False, color_system=None)
for name, rows in reading.recorded(timings).items():
    console.print(f"\n{name}", reading.table(rows), sep="\n")

# %% [markdown]
# The plan takes these numbers. They belong to one computer: an older line of the same record says 190 to 231 ms for Cityscapes, on another. And a PNG that
# was decoded before still costs its crop.
#
# ## The plan
#
# $$\text{hours}=\frac{2\cdot\text{pictures}}{\text{GPUs}\cdot\text{utilisation}}\left(\frac{3\,M_{\text{forward}}}{\text{peak}}+\frac{M_{FA}}{\text{peak in float32}}\right)$$
#
# or, where that is longer, pictures × seconds to read one / (GPUs × cores); then evaluation.

# %% [markdown]
# Backward costs about twice forward. **FA stands apart**: it is computed in float32, where an A100's data sheet says 19.5 · 10¹² operations a second, and
# 312 · 10¹² in mixed precision. Utilisation is the one number that nobody knows beforehand: networks of many small and depthwise layers reach a tenth to
# a third of a peak. Run a hundred iterations, then correct it.

# %%
UTILISATION, CORES = 0.2, 8
for name in ("cityscapes_espnetv2_dsrl", "cityscapes_espnetv2_512x1024_dsrl", "coco_hrnet_128_dsrl"):
    chosen = find_recipe(name)
    drawn = [plans.plan(chosen, n, utilisation=UTILISATION, cores=CORES) for n in (1, 8, 64)]
    console.print(plans.table(drawn, title=f"{name}, A100, a fifth of its peaks, {CORES} cores for each GPU"))
    if chosen == recipe:
        reveal_hours = drawn[0].gpu_hours

reveal("10.hours", reveal_hours, unit="GPU hours")

# %% [markdown]
# Look at the column *waits for*. At 256 × 512 ESPNetv2 is so cheap that an A100 starves: it waits for PNG files. What helps: more cores for each
# GPU, pictures decoded once and kept (`DecodedSamples` keeps 4 GiB of bytes; Cityscapes' train split takes 25), or copies stored at half size.

# %% [markdown]
# At 512 × 1024 it waits for **FA**: 20 hours and more on one GPU, beside minutes for the network. What helps: a coarser grid (`network.affinity_stride=16`
# compares a sixteenth of the pairs), which is another experiment. Products in TF32 or bfloat16 would be faster, and nobody has tried here what they do
# to the loss. COCO's recipe trains in float32, so it waits for its network.

# %%
NUMBERS, SIZES = (1, 2, 4, 8, 16, 32, 64), (256, 320, 384, 448, 512)


def at_size(row_name: str, height: int) -> plans.Plan:
    name = "cityscapes_espnetv2_" + ("" if height == 256 else f"{height}x{2 * height}_") + row_name
    return plans.plan(find_recipe(name), 8, utilisation=UTILISATION, cores=CORES)


at_sizes = {name: [at_size(name, height) for height in SIZES] for name in ("baseline", "dsrl")}
files = reading.measured("cityscapes", timings)
kept = replace(files, file_seconds=files.memory_seconds)
by_number = {
    label: [plans.plan(recipe, n, reading=one, utilisation=UTILISATION, cores=CORES).hours for n in NUMBERS]
    for label, one in {"PNG decoded each time": files, "kept decoded in memory": kept}.items()
}

# %%
with theme():
    figure = new_figure(11, 3.6)
    left, right = figure.subplots(1, 2)
    for (label, hours), style in zip(by_number.items(), OTHER_STYLES, strict=False):
        left.loglog(NUMBERS, hours, label=label, color=style.color, linestyle=style.line, marker=style.marker)
    left.set(xlabel="GPUs (A100)", ylabel="hours by the clock", xticks=NUMBERS, xticklabels=NUMBERS)
    for name, found in at_sizes.items():
        style = style_of(name)
        look = {"color": style.color, "linestyle": style.line, "marker": style.marker}
        right.semilogy(SIZES, [one.compute_hours for one in found], label=f"network, {name}", **look)
    waits = {"reading PNG": "decode_hours", "affinity, dsrl": "affinity_hours"}
    for (label, part), look in zip(waits.items(), OTHER_STYLES[::2], strict=True):
        hours = [getattr(one, part) for one in at_sizes["dsrl"]]
        right.semilogy(SIZES, hours, label=label, color=look.color, linestyle=look.line, marker=look.marker)
    right.set(xlabel="input height (8 GPUs)", ylabel="hours", xticks=SIZES, ylim=(2e-3, 30))
    left.legend()
    right.legend(loc="upper left", ncols=2)
    show_figure(
        figure, alt="Hours of the Cityscapes recipe for 1 to 64 GPUs; by input size its network, affinity and reading"
    )

# %% [markdown]
# Left: both lines fall as the GPUs' number grows; the bill, GPUs times hours, stays the same. Right: the network's own arithmetic, with DSRL or
# without, stays far below the reading of files. Affinity grows with the *square* of the area, and passes reading between 320 and 384 lines. The next section says why.

# %% [markdown]
# ## Feature affinity at full size
#
# FA's cost grows with the square of the positions, the rest with the positions. So its share rises with the picture. Memory is worse:
# built in full, one matrix of a 1024 × 2048 output takes 4 GiB for each picture, and autograd keeps several.

# %%
print("input        output       FA's multiply-adds   its hours, one A100   one matrix, dense    tiled, in all")
for size in ((256, 512), (384, 768), (512, 1024)):
    sized = with_changes(recipe, [f"train.input_size=[{size[0]},{size[1]}]"])
    image, one = plans.image_cost(sized), plans.plan(sized, 1, utilisation=UTILISATION, cores=CORES)
    share = image.affinity_macs / image.training_macs
    shown = f"{size[0]}×{size[1]}".ljust(13) + f"{2 * size[0]}×{2 * size[1]}".ljust(13)
    dense, tiled = image.dense_affinity_bytes / 2**20, image.tiled_affinity_bytes / 2**20
    print(f"{shown}{share:18.1%} {one.affinity_hours:21.1f} {dense:15.0f} MiB {tiled:12.0f} MiB")
    if size == small:
        share_at_small = 100 * share
reveal("10.affinity", share_at_small, unit="%")

# %% [markdown]
# ## Several processes, one loss
#
# `DistributedDataParallel` averages the gradients of all processes. If each divides its loss by its *own* number of pixels that are not ignored, that
# average is another loss than one GPU's. The kit exchanges the counts first. Two processes, played in one:

# %%
torch.manual_seed(0)
logits = torch.randn(2, 5, 8, 8)
mask = torch.randint(0, 5, (2, 8, 8))
mask[1, 1:] = 255  # the second picture is nearly all ignored
each = F.cross_entropy(logits, mask, reduction="none", ignore_index=255).sum((1, 2))
counts = (mask != 255).sum((1, 2)).float()
print(f"one GPU, whole batch                {float(each.sum() / counts.sum()):.4f}")
print(f"two processes, own counts, averaged {float((each / counts).mean()):.4f}")
print(f"two processes, counts exchanged     {float((each / (counts.sum() / 2)).mean()):.4f}")

# %% [markdown]
# ### Exercise 10.3 · add up, then divide
# *Some thought · the heart of the notebook · 6 minutes.* From the parts that each process has, the loss that one GPU would have.


# %%
def loss_over_processes(sums: Tensor, counts: Tensor) -> Tensor:
    """The loss of the whole batch from what each process has: summed errors, and how many pixels were counted.

    Ignored pixels do not count, so the counts differ, and a process can have none at
    all.

    Shape:
        - sums, counts: (processes,)
        - output: ()

    Example:
        >>> loss_over_processes(torch.tensor([10.0, 3.0]), torch.tensor([10.0, 1.0]))
        tensor(1.1818)
    """
    raise NotImplementedError


check("10.3", loss_over_processes)

# %%
hint("10.3") + solution("10.3")

# %% [markdown]
# ## What else changes with the number of GPUs
#
# - **BatchNorm** sees one GPU's pictures. Two are few; `train.sync_batch_norm=true` (not tried: it needs GPUs) or `train.freeze_batch_norm=true` are
#   answers, each another experiment.
# - **Affinity** is computed in float32 whatever the precision: float16 gives infinity.
# - **Seeds**: draws follow from seed, iteration and place in the batch: 8 GPUs see one's crops.
# - **Evaluation**: GPUs share the pictures and add up confusion matrices: scores are one GPU's. The release magnifies labels, the kit enlarges logits:
#   report which.

# %% [markdown]
# ## What the paper leaves open
#
# Each gap with its mark: [P] printed, [A] by the authors elsewhere, [B] second-hand, [?] not known.

# %%
for name, number in paper.SETTINGS.items():
    print(f"{name:36} {number}")

# %% [markdown]
# How to live with the gaps: take a value, write it into the recipe, and let the record carry it. Where two readings are likely (is SISR detached? 1/8 of
# the sides or of the area?), run both as rows of one ablation, with the same seeds.

# %% [markdown]
# Epochs, batch size, crop and augmentation can move a baseline by more than DSRL's gain. That is why the baselines of
# reproductions differ by points, and why a gain is worth something only against a baseline trained in the *same* way, with several seeds.

# %% [markdown]
# ## Try it
#
# One knob: `gpu`. How many cores beside each GPU does the recipe need before it waits for the GPU?

# %%
gpu = "T4"  # or V100, A100, H100
for cores in (8, 32, 128):
    one = plans.plan(recipe, 8, accelerator=plans.ACCELERATORS[gpu], cores=cores)
    print(
        f"8 × {gpu}, {cores:3} cores each: {one.hours:6.2f} hours, "
        f"waits for {one.bound_by}, {one.memory / 1e9:.1f} GB each"
    )

# %% [markdown]
# ## Break it
#
# Four ways to make the cost column look better without touching the network. Turn `TRICK`. Which of them did you meet in this notebook?

# %%
TRICKS = {
    "none": row.macs / 1e9,
    "leave out transposed convolutions": row.macs_without_transposed / 1e9,
    "divide by 2^30": row.macs / 2**30,
    "both": row.macs_without_transposed / 2**30,
    "count the SISR-free network at half the input": macs("espnetv2+deconvolution", (128, 256)).macs / 1e9,
}
TRICK = "both"  # the switch
for name in dict.fromkeys(("none", TRICK, *TRICKS)):
    print(f"{name:46} {TRICKS[name]:.3f} G   {TRICKS[name] / TRICKS['none'] - 1:+.0%}")

# %% [markdown]
# Symptoms to recognise: a method with extra layers and *exactly* the baseline's cost; numbers that are 7 % low throughout; a cost that is stated for
# another input than the score.

# %% [markdown]
# ## Limits
#
# - No GPU was used here. Hours are arithmetic with an assumed utilisation; they can be off by a factor of three.
# - Peaks are data-sheet numbers.
# - Exchange of gradients, SISR's scores at the end and restarts are not counted; evaluation is, roughly.
# - Reading was timed on one computer, on drawn streets; a photograph compresses worse, a server's core may be faster.
# - Figure 1's scores are read off, with about 0.2 of error, and its own axis does not fit its dots.

# %% [markdown]
# ## Five questions to take along
#
# 1. Which three questions do you ask a table of FLOPs?
# 2. What does an A100 wait for, at 256 × 512 and at 512 × 1024, and what does the plan leave out that would spoil 64 of them?
# 3. What happens to the loss if each process divides by its own pixels?
# 4. FA's share rises with the input. Why, and how fast?
# 5. A reproduction's baseline is two points above the paper's. What may differ?

# %% [markdown]
# ## Words and sources
#
# **MAC** 乘加: one multiply-add, two FLOPs. **utilisation** 利用率: share of a data sheet's peak. **torchrun**: starts one process for each GPU.
# **all-reduce** 全归约: all processes get the sum.

# %% [markdown]
# - Wang, Li, Zhu, Tian, Shan: Dual Super-Resolution Learning for Semantic Segmentation, CVPR 2020 (Table 1, Figure 1), and its released code.
# - Sun, Xiao, Liu, Wang: Deep High-Resolution Representation Learning for Human Pose Estimation, CVPR 2019.
# - Goyal et al.: Accurate, Large Minibatch SGD, 2017. Cordts et al.: The Cityscapes Dataset, CVPR 2016.
# - In the kit: `dsrl_lab/tools/bench/plan.py`, `dsrl_lab/tools/bench/cost.py`, `dsrl_lab/results/paper_numbers.py`.
