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
# # 01 · Resolution and cost
#
# **Claim.** Resolution is bought with multiply-adds. A small input is cheap, and thin things disappear from it first. Inside a network you can buy
# resolution back, with atrous convolution or with a decoder. Each has its price.
#
# Measured: about 45 seconds of CPU time on one core, 1.0 GB of memory at most. Data: drawn streets. Needs: 00. No internet, no GPU.

# %% jupyter={"source_hidden": true}
from dsrl_lab.course.notebook import show_figure, start

lab = start()

# %% jupyter={"source_hidden": true}
from itertools import pairwise

import torch
from matplotlib.axes import Axes
from pandas import DataFrame
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab.complexity import complexity
from dsrl_lab.course.exercises import check, hint, predict, reveal, solution
from dsrl_lab.course.table import Table
from dsrl_lab.datasets.class_tables import CAMVID
from dsrl_lab.datasets.streets import Streets
from dsrl_lab.datasets.transforms import reduce_image, resize_mask
from dsrl_lab.layers import ConvNormAct
from dsrl_lab.metrics import SegmentationScore
from dsrl_lab.models.base import DensePredictor, HeadOutput, PredictorSpec
from dsrl_lab.models.segmentation.unet import UNet
from dsrl_lab.plots.masks import bare, show_image, show_mask
from dsrl_lab.plots.theme import new_figure, style_of, theme
from dsrl_lab.results import frames
from dsrl_lab.results.tables import ablation_table
from dsrl_lab.rows import BLUE, GREY
from dsrl_lab.tools.bench import cost
from dsrl_lab.training.build import build_dsrl
from dsrl_lab.training.config import NetworkConfig, TrainConfig
from dsrl_lab.training.evaluate import predict_mask
from dsrl_lab.training.examples import Batches, DecodedSamples
from dsrl_lab.training.loop import fit
from dsrl_lab.training.objectives import SegmentationObjective, class_weights_of

# %% [markdown]
# ## One street, four sizes
#
# Above: the input, its sides divided by 1, 2, 4 and 8. Below: the best mask that each size can hold, magnified again. No network is involved. Follow one
# pole from left to right. Where does it end?

# %% jupyter={"source_hidden": true}
big = Streets("val", size=(192, 256), length=100)[7]


def at_size(mask: Tensor, factor: int) -> Tensor:
    """The mask on a grid with sides divided by factor: one class for each block, magnified back."""
    height, width = mask.shape
    coarse = resize_mask(mask[None], (height // factor, width // factor))
    return resize_mask(coarse, (height, width))[0]


with theme():
    figure = new_figure(12, 4.9)
    axes = figure.subplots(2, 4)
    for column, factor in enumerate((1, 2, 4, 8)):
        small = reduce_image(big.image, (192 // factor, 256 // factor))
        title = f"{192 // factor}×{256 // factor}: 1/{factor**2} of the pixels" if factor > 1 else "192×256"
        show_image(small, title=title, crisp=True, ax=axes[0, column])
        show_mask(at_size(big.mask, factor), CAMVID, legend=False, ax=axes[1, column])
    show_figure(figure, alt="A drawn street and its mask at full size and at a half, a quarter, an eighth of the sides")

# %% [markdown]
# This notebook asks one question: **where does resolution go, and what does it cost to keep it?** First at the input, then inside the network.
#
# ## What you will be able to do
#
# 1. Count multiply-adds (MACs), and say what a smaller input saves.
# 2. Say which classes a small input can no longer show, before any network is trained.
# 3. Compute the receptive field of a stack of layers.
# 4. Turn strided convolutions into atrous ones without changing a weight, and prove it.

# %% [markdown]
# ## Predict
#
# 1. A perfect network names the class in the middle of each 4 × 4 block. What IoU, in per cent, can it still reach on poles?
# 2. Two strides of 2 at the end of a small network are replaced by atrous convolution. How many times as many multiply-adds does the network need?
#
# Put numbers in place of `None`.

# %%
predict("01.poles", None, unit="%")

# %%
predict("01.atrous", None, unit="times")

# %% [markdown]
# ## What the input costs
#
# A convolution does the same work at every position of its output. So the cost is positions times weights:
#
# $$\text{MACs} = H' W' \cdot C_{in} C_{out} k^2$$
#
# Shapes: (C_in, H, W) → (C_out, H′, W′). The number of parameters does not depend on the size.

# %% [markdown]
# ### Exercise 01.1 · multiply-adds of a layer
# *Easy · essential · 6 minutes.* Stride and dilation are both in the signature. Only one of them changes the cost.


# %%
def conv_macs(
    height: int,
    width: int,
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int,
    dilation: int,
) -> int:
    """Multiply-adds of one convolution for one picture.

    Zeros are padded so that stride 1 keeps the size.

    Args:
        height: of the INPUT, in pixels; a multiple of stride.
        width: of the INPUT, in pixels; a multiple of stride.
        in_channels: channels that come in.
        out_channels: channels that go out.
        kernel_size: k, odd.
        stride: step between outputs.
        dilation: distance between the kernel's taps.

    Example:
        >>> conv_macs(8, 8, 3, 16, 3, 2, 1)
        6912
    """
    raise NotImplementedError


check("01.1", conv_macs)

# %%
hint("01.1") + solution("01.1")

# %% [markdown]
# Now whole networks. They are counted from shapes alone; nothing is computed, so large sizes are free.

# %%
SIZES = ((128, 256), (256, 512), (512, 1024))
NAMES = ("espnetv2", "tinynet", "unet", "deeplabv3plus-mobilenet_v2")
counted = {name: [row.macs / 1e9 for size in SIZES for row in cost.run([name], size, runs=0)] for name in NAMES}
Table({"input": [f"{height} × {width}" for height, width in SIZES], **counted}, "Multiply-adds of one picture, 10⁹")

# %% [markdown]
# Twice the sides, four times the cost: in every column. DSRL halves the sides, so three quarters of the host's work are saved.
#
# One trap: many counters see `Conv2d` only. DSRL's authors use two **transposed** convolutions as their head. A transposed convolution stamps its kernel once
# for each position that comes *in*.

# %%
plain, headed = cost.run(["espnetv2", "espnetv2+deconvolution"], (256, 512), num_classes=20, runs=0)
networks = {
    "network": ["ESPNetv2", "ESPNetv2 + the authors' head"],
    "Conv2d-only counter (M)": [row.macs_without_transposed / 1e6 for row in (plain, headed)],
    "true MACs (M)": [row.macs / 1e6 for row in (plain, headed)],
}
side = (headed.macs / plain.macs) ** 0.5
print(f"for the same true cost, the plain network can read {256 * side:.0f} × {512 * side:.0f}")
Table(networks, "Input 256 × 512, 20 outputs")

# %% [markdown]
# Part of what the small input saves is used again on the way up. So the fair question about DSRL is: what would the plain network do with the same
# multiply-adds, at a larger input?
#
# ## What the input can still show
#
# Take true masks, reduce them, magnify them, and score them against the original. The result is a **ceiling**: the best IoU for one class per position,
# magnified by nearest neighbour.

# %%
scenes = [Streets("val", size=(192, 256), length=100)[index] for index in range(8)]
FACTORS = (1, 2, 4, 8, 16)


def ceiling(factor: int) -> Tensor:
    """IoU of each class that a perfect answer at 1/factor of the sides reaches."""
    score = SegmentationScore(CAMVID.num_classes)
    for scene in scenes:
        score.update(at_size(scene.mask, factor)[None], scene.mask[None])
    return score.compute().iou


ceilings = {factor: ceiling(factor) for factor in FACTORS}
reveal("01.poles", 100 * float(ceilings[4][CAMVID.index("pole")]), unit="%")

# %% jupyter={"source_hidden": true}
SHOWN = {"road": "baseline", "building": "bilinear", "car": "sssr", "pedestrian": "sisr", "signsymbol": "shuffled"}
SHOWN |= {"pole": "dsrl"}  # class: whose line and marker it takes
with theme():
    figure = new_figure(8.5, 3.6)
    ax = figure.subplots()
    for name, row in SHOWN.items():
        values, style = [100 * float(ceilings[factor][CAMVID.index(name)]) for factor in FACTORS], style_of(row)
        ax.plot(FACTORS, values, color=style.color, linestyle=style.line, marker=style.marker)
        height = values[-1] + {"signsymbol": 3, "pole": -1}.get(name, 0)
        ax.annotate(name, (16, height), (8, 0), textcoords="offset points", va="center", color=style.color)
    ax.set(xscale="log", xlabel="sides divided by", ylabel="IoU of a perfect answer (%)", ylim=(0, 102))
    ax.set_xticks(FACTORS, [str(factor) for factor in FACTORS])
    ax.minorticks_off()
    show_figure(figure, alt="The best possible IoU falls with the reduction: slowly for road, very fast for poles")

# %% [markdown]
# <details><summary>You have guessed? Then open what we read in it.</summary>
# The road loses little: it is large, and only its edge suffers. Poles lose more than half at a quarter of the sides, signs and people more than a third,
# while the picture still looks fine to a human. mIoU is a mean over classes, so thin classes count as much as the road. Pixel accuracy hardly sees them.
# </details>

# %% [markdown]
# ### Exercise 01.2 · a mask on a coarser grid
# *Some thought · useful · 10 minutes.* The cells above took the middle pixel of each block. A vote is fairer. Take care of pixels without a label.


# %%
def majority(mask: Tensor, factor: int, num_classes: int) -> Tensor:
    """Reduce a mask: each block becomes the class that most of its pixels have.

    A block is factor x factor pixels. Pixels with id 255 are unknown and have no vote;
    a block of them alone stays 255. Of classes with equally many votes, the smallest
    id wins.

    Shape:
        - mask: (N, H, W) int64, ids below num_classes or 255; H, W multiples of factor
        - output: (N, H / factor, W / factor) int64

    Example:
        >>> majority(torch.tensor([[[7, 7, 255, 255], [0, 7, 255, 3]]]), 2, 8)
        tensor([[[7, 3]]])
    """
    raise NotImplementedError


check("01.2", majority)

# %%
hint("01.2") + solution("01.2")

# %% [markdown]
# ## Inside the network
#
# A network also reduces resolution on its own. A **stride** of 2 keeps every second position: the map becomes cheap, and each position sees farther. The
# **output stride** is the number of input pixels per position of the last map. The **receptive field** is the part of the input that one position can see.

# %% [markdown]
# ### Exercise 01.3 · how far does it see?
# *Some thought · essential · 10 minutes.* Each layer adds to the field. How much it adds depends on the layers before it.


# %%
def receptive_field(layers: list[tuple[int, int, int]]) -> int:
    """How many input pixels one output of a stack can see, along one axis.

    The stack is of convolutions; gaps between the taps are included.

    Args:
        layers: (kernel_size, stride, dilation) of each, first to last.

    Example:
        >>> receptive_field([(3, 1, 1), (3, 1, 1)])
        5
        >>> receptive_field([(3, 2, 1), (3, 1, 1)])
        7
    """
    raise NotImplementedError


check("01.3", receptive_field)

# %%
hint("01.3") + solution("01.3")

# %% [markdown]
# ## Buy it back, one: atrous convolution
#
# Remove a late stride: the map stays twice as fine. Then let the taps of all layers **behind** it skip every other position. Each tap meets the same value as before.
#
# $$y_i = \sum_u w_u\, x_{i + d\,u}$$
#
# In the drawing each row of dots is a map, input below. Lines are the taps that lead to one output. Compare the left and the middle panel: the same input pixels, twice as many outputs.


# %% jupyter={"source_hidden": true}
def draw_taps(plan: list[tuple[int, int]], title: str, ax: Axes) -> None:
    """Maps of 3-tap layers (stride, dilation) as rows of dots, and all that the middle output reads."""
    maps, steps = [torch.zeros(1, 1, 33)], [1]
    for stride, dilation in plan:
        maps.append(F.conv1d(maps[-1], torch.ones(1, 1, 3), stride=stride, dilation=dilation, padding=dilation))
        steps.append(steps[-1] * stride)
    read = {maps[-1].shape[-1] // 2}
    for level in range(len(plan), -1, -1):
        places = [i * steps[level] for i in range(maps[level].shape[-1])]
        ax.plot(places, [level] * len(places), "o", color="white", mec=GREY, markersize=5)
        ax.plot([i * steps[level] for i in read], [level] * len(read), "o", color=BLUE, markersize=5)
        if level:
            stride, dilation = plan[level - 1]
            taps = [(i, i * stride + tap * dilation) for i in read for tap in (-1, 0, 1)]
            for i, j in taps:
                ax.plot((i * steps[level], j * steps[level - 1]), (level, level - 1), color=BLUE, lw=0.9, zorder=0)
            read = {j for _, j in taps}
            ax.text(-1.5, level - 0.5, f"stride {stride}\ndilation {dilation}", fontsize=8, ha="right", va="center")
    bare(ax, f"{title}\n{maps[-1].shape[-1]} outputs, field of {max(read) - min(read) + 1} pixels")


# %% jupyter={"source_hidden": true}
with theme():
    figure = new_figure(10.5, 2.9)
    plans = {"strides": [(2, 1), (2, 1), (1, 1)], "atrous": [(2, 1), (1, 1), (1, 2)]}
    plans["stride removed, dilation forgotten"] = [(2, 1), (1, 1), (1, 1)]
    for ax, (name, plan) in zip(figure.subplots(1, 3), plans.items(), strict=True):
        draw_taps(plan, name, ax)
    show_figure(
        figure,
        alt="Three small stacks as dots and taps: atrous reads the same input pixels as strided, with twice the outputs",
    )

# %% [markdown]
# Now the proof with six layers. Not one weight changes. At every fourth position the outputs must be equal; the positions between are new.

# %%
# (stride, dilation) of each 3 x 3 layer
STRIDED = [(2, 1), (2, 1), (2, 1), (1, 1), (2, 1), (1, 1)]  # output stride 16
ATROUS = [(2, 1), (2, 1), (1, 1), (1, 2), (1, 2), (1, 4)]  # output stride 4


def through(plan: list[tuple[int, int]], image: Tensor, weights: list[Tensor]) -> Tensor:
    """Run the picture through 3 x 3 layers with these weights."""
    for (stride, dilation), weight in zip(plan, weights, strict=True):
        image = F.conv2d(image, weight, stride=stride, dilation=dilation, padding=dilation).relu()
    return image


channels = (3, 8, 8, 8, 8, 8, 8)
weights = [torch.randn(o, i, 3, 3) * (2 / 9 / i) ** 0.5 for i, o in pairwise(channels)]
coarse, fine = (through(plan, big.image[None], weights) for plan in (STRIDED, ATROUS))
print("shapes", tuple(coarse.shape), tuple(fine.shape))
print(f"largest difference at every fourth position: {float((coarse - fine[..., ::4, ::4]).abs().max()):.1e}")

# %% [markdown]
# So a network that was pretrained with strides can be made finer without training it again. DeepLab does this with its last stages.

# %% [markdown]
# ### Exercise 01.4 · the plan
# *Hard · essential · 15 minutes.* Which layers are dilated, and by how much? The layer that lost its stride is the trap.


# %%
def atrous_plan(strides: list[int], output_stride: int) -> list[tuple[int, int]]:
    """Keep more resolution in a trained network without touching a weight.

    Strides are kept, first to last, while their product does not pass
    ``output_stride``; each later one becomes 1. Give every layer the dilation with
    which its taps fall where they fell before.

    Args:
        strides: of each layer, 1 or 2.
        output_stride: wanted product of the strides, a power of 2.

    Returns:
        (stride, dilation) of each layer.

    Example:
        >>> atrous_plan([2, 2, 2, 1], 4)
        [(2, 1), (2, 1), (1, 1), (1, 2)]
    """
    raise NotImplementedError


check("01.4", atrous_plan)

# %%
hint("01.4") + solution("01.4")

# %% [markdown]
# ## Buy it back, two: a decoder
#
# Let the maps become small, but remember the large ones. On the way back each map is doubled and joined with the encoder's map of that size: a **skip**. The large map knows *where*, the small one knows *what*.
# U-Net is the purest form. At width 8 its maps are 8 × H × W, 16 × H/2 × W/2, 32 × H/4 × W/4, 64 × H/8 × W/8, and back.

# %% [markdown]
# ## The price list
#
# The same six layers under three plans; the first plan again at twice the input's sides; and a small U-Net. "No dilation" is the **negative control**: as fine as atrous, but it sees less far.

# %% jupyter={"source_hidden": true}
WIDTHS = (16, 24, 32, 48, 48, 48)


class Stack(DensePredictor):
    """Six 3 x 3 layers and a classifier; ``plan`` gives the stride and dilation of each."""

    def __init__(self, plan: list[tuple[int, int]]) -> None:
        super().__init__()
        strides = torch.tensor([stride for stride, _ in plan]).cumprod(0).tolist()
        sizes = {"feature_channels": WIDTHS, "feature_strides": tuple(strides), "head_channels": WIDTHS[-1]}
        sizes |= {"head_stride": strides[-1], "logits_stride": strides[-1]}
        self.spec = PredictorSpec(num_classes=CAMVID.num_classes, **sizes)
        shapes = zip((3, *WIDTHS), WIDTHS, plan, strict=False)
        self.layers = nn.ModuleList(ConvNormAct(i, o, stride=s, dilation=d) for i, o, (s, d) in shapes)
        self.classifier = nn.Conv2d(WIDTHS[-1], self.num_classes, 1)

    def forward_features(self, image: Tensor) -> tuple[Tensor, ...]:
        features = [image]
        for layer in self.layers:
            features.append(layer(features[-1]))
        return tuple(features[1:])

    def forward_head(self, features: tuple[Tensor, ...]) -> HeadOutput:
        return HeadOutput(self.classifier(features[-1]), features[-1])


# %%
SMALL, LARGE = (36, 48), (72, 96)
WAYS = {
    "strided": (lambda: Stack(STRIDED), SMALL),
    "strided, large input": (lambda: Stack(STRIDED), LARGE),
    "atrous": (lambda: Stack(ATROUS), SMALL),
    "no dilation": (lambda: Stack([(stride, 1) for stride, _ in ATROUS]), SMALL),
    "U-Net": (lambda: UNet(CAMVID.num_classes, width=8), SMALL),
}
costs = {name: complexity(make().eval(), size) for name, (make, size) in WAYS.items()}
macs = {name: cost.macs / 1e6 for name, cost in costs.items()}
reveal("01.atrous", macs["atrous"] / macs["strided"], unit="times")

# %%
prices = {
    "way": list(WAYS),
    "input": [f"{height} × {width}" for _, (height, width) in WAYS.values()],
    "parameters": [cost.parameters for cost in costs.values()],
    "MACs (M)": list(macs.values()),
    "times strided": [value / macs["strided"] for value in macs.values()],
}
Table(prices, "Five ways, counted for one picture")

# %% [markdown]
# The three plans have the same parameters. Atrous convolution pays at every layer behind the lost stride: four times, and behind two strides sixteen times.
#
# ## Trained before your eyes
#
# Does it pay? Each way learns on 40 drawn streets for 120 steps, with two seeds, from the same crops in the same order. Masks are scored at 72 × 96.

# %% jupyter={"source_hidden": true}
train_set = DecodedSamples(Streets("train", size=LARGE, length=40))
val_set = DecodedSamples(Streets("val", size=LARGE, length=16))
weights_of_classes = class_weights_of(train_set, 0.5)


def train(make: object, size: tuple[int, int], seed: int, iterations: int = 120) -> tuple[DensePredictor, dict]:
    """Train one network with the kit's loop; give it back with its scores."""
    torch.manual_seed(seed)
    host, scale = make(), LARGE[0] // size[0]
    network = NetworkConfig(host="tinynet", num_classes=CAMVID.num_classes, upscale_factor=2)
    chosen = {"learning_rate": 0.05, "weight_decay": 1e-4, "channels_last": True}
    config = TrainConfig(input_size=size, iterations=iterations, seed=seed, **chosen)
    task = SegmentationObjective(config, scale, val_set, weights_of_classes)
    dsrl = build_dsrl(network, host=host, seed=seed)
    *_, last = fit(dsrl, task, Batches.for_run(train_set, task.example, config), config)
    return dsrl.task_model, last.metrics


# %%
print("about half a minute for ten runs ...")
trained = {}
for name, (make, size) in WAYS.items():
    trained[name] = [train(make, size, seed) for seed in range(2)]
    scores = [f"{100 * scores['miou']:.1f}" for _, scores in trained[name]]
    print(f"{name}: mIoU of two seeds {', '.join(scores)} %")

# %% [markdown]
# ## The picture to take along
#
# Left: accuracy against true multiply-adds. Each seed is a mark; up and to the left is better. Right: what the first seed draws.

# %% jupyter={"source_hidden": true}
LOOKS = dict(zip(WAYS, ("baseline", "bilinear", "sssr", "shuffled", "dsrl"), strict=True))
scene = val_set[7]
with theme():
    figure = new_figure(11, 3.7)
    grid = figure.add_gridspec(2, 4, width_ratios=(2.2, 1.2, 1.2, 1.2))
    ax = figure.add_subplot(grid[:, 0])
    for name, runs in trained.items():
        look, values = style_of(LOOKS[name]), [100 * scores["miou"] for _, scores in runs]
        ax.plot([macs[name]] * 2, values, look.marker, color=look.color, label=name, markersize=9)
    ax.set(xscale="log", xlabel="true multiply-adds of one picture (M)", ylabel="mIoU (%)", xlim=(1.2, 20))
    ax.margins(y=0.3)
    ax.set_xticks((2, 4, 8, 16), ("2", "4", "8", "16"))
    ax.minorticks_off()
    ax.legend(loc="lower right")
    show_mask(scene.mask, CAMVID, title="truth", legend=False, ax=figure.add_subplot(grid[0, 1]))
    for number, (name, runs) in enumerate(trained.items(), start=1):
        pred = predict_mask(runs[0][0], scene.image, input_size=WAYS[name][1])
        show_mask(pred, CAMVID, title=name, legend=False, ax=figure.add_subplot(grid[number // 3, 1 + number % 3]))
    show_figure(figure, alt="mIoU of five networks against their multiply-adds, and the masks that each draws")

# %% [markdown]
# <details><summary>What do you read in it? Then compare with our reading.</summary>
# A finer map helps: atrous is clearly above strided, for 4.7 times the multiply-adds. A larger input does as much for 3.7 times. The control without dilation is <b>no worse</b> than
# atrous. On pictures 48 pixels wide its field of 39 pixels covers most of the scene, so a longer reach brings nothing here. U-Net costs twice as much and is not
# better after 120 steps. No mask shows thin classes yet.
# </details>

# %% [markdown]
# **Paper against ours.** In Figure 1 of the paper ESPNetv2 goes from 54.5 to 64.4 % mIoU [read off, ± 0.2] when the input grows from 256 × 512 to 512 × 1024, at four times the cost. DSRL reaches
# 59.5 % [P] at the small input, for 1.87 times the true cost. Ours, in small: "strided" and "strided, large input". The direction is the same; the sizes cannot be compared.

# %% [markdown]
# Two seeds prove little. `make reproduce` asks the same with more: drawn streets, another town for each seed, scored on scenes that no choice has seen. Its
# shipped records (exploratory), read in two lines:

# %%
runs = frames.runs(lab.root / "data" / "runs" / "streets_resolution")
Table(
    ablation_table(runs, ("seeds", "mIoU, test", "gain, test", "true MACs (M)")),
    "Input 45x60, and 90x120 in the last row",
)

# %% [markdown]
# ## Try it
#
# One knob: the number of steps. Is atrous still ahead of strided when both learn for 30 steps only? For 800?

# %%
steps = 30
for name in ("strided", "atrous"):
    _, scores = train(*WAYS[name], seed=0, iterations=steps)
    print(f"{name:8} {steps} steps: mIoU {100 * scores['miou']:.1f} %")

# %% [markdown]
# ## Break it
#
# Four plans for the same weights. Each keeps all shapes and raises no error. Set `DEFECT` to another name. Two numbers tell: the difference from the strided network,
# and how far the last layer sees.

# %%
PLANS = {
    "none": ATROUS,
    "the lost stride's own layer dilated": [(2, 1), (2, 1), (1, 2), (1, 2), (1, 4), (1, 4)],
    "dilation forgotten": [(stride, 1) for stride, _ in ATROUS],
    "dilation does not add up": [(2, 1), (2, 1), (1, 1), (1, 2), (1, 2), (1, 2)],
}
DEFECT = "the lost stride's own layer dilated"  # the switch


def field_of(plan: list[tuple[int, int]]) -> int:
    """Input pixels along one axis that can change the last map's middle."""
    image = torch.ones(1, 1, 129, 129, requires_grad=True)
    last = through(plan, image, [torch.ones(1, 1, 3, 3) / 9] * 6)
    last[0, 0, last.shape[2] // 2, last.shape[3] // 2].backward()
    return int((image.grad[0, 0] > 0).any(0).sum())


found = []
for name in dict.fromkeys(("none", DEFECT)):
    other = through(PLANS[name], big.image[None], weights)[..., ::4, ::4]
    found.append((name, 100 * float((other - coarse).abs().mean() / coarse.abs().mean()), field_of(PLANS[name])))
Table(DataFrame(found, columns=["defect", "difference (%)", "field (pixels)"]), "Against the strided network", digits=1)

# %% [markdown]
# Symptoms to recognise: a pretrained network becomes worse after "output stride 8" was switched on, and recovers only after long fine-tuning. Then the plan is wrong. The field is too large: a layer was
# dilated too early. Too small: a dilation is missing. Training hides all three, because filters adapt.

# %% [markdown]
# ## Limits
#
# - Drawn streets, six layers, 120 steps, two seeds: the order of the five is an observation, no evidence.
# - The ceiling holds for one class per position, magnified by nearest neighbour. Bilinear logits can pass it.
# - Multiply-adds are not seconds. Large maps wait for memory, and dilated convolutions are slow in many libraries. `dsrl-lab bench networks` measures.
# - With more steps U-Net may win.

# %% [markdown]
# ## Five questions to take along
#
# <details><summary>1. The sides are halved. What happens to multiply-adds, to parameters, to activations?</summary>Multiply-adds and activations fall to a quarter, parameters stay.</details>
# <details><summary>2. Which classes does a small input lose first, and why does pixel accuracy not show it?</summary>Thin ones. They have so few pixels that the share of right pixels hardly changes.</details>
# <details><summary>3. A stride of 2 is removed. Which layers are dilated?</summary>All layers behind it, by 2; the layer itself keeps its dilation. Each of them costs four times as much.</details>

# %% [markdown]
# <details><summary>4. What does a skip bring back that atrous convolution never lost?</summary>The exact position of edges: the decoder's small map has lost it, the encoder's large map has it.</details>
# <details><summary>5. Why should a "no extra FLOPs" be checked with a counter that sees transposed convolutions?</summary>Because the enlarging layers may be of that kind. DSRL's head adds 87 % on ESPNetv2, and a Conv2d-only counter shows 0 %.</details>

# %% [markdown]
# ## Words and sources
#
# **output stride** 输出步幅, **receptive field** 感受野, **atrous (dilated) convolution** 空洞卷积, **encoder-decoder** 编码器-解码器, **skip** 跳跃连接, **MAC**: one multiply-add; FLOPs = 2 × MACs.
#
# - Chen et al.: DeepLab, TPAMI 2018; Encoder-decoder with atrous separable convolution (DeepLabv3+), ECCV 2018.
# - Ronneberger, Fischer, Brox: U-Net, MICCAI 2015. Yu, Koltun: Multi-scale context aggregation by dilated convolutions, ICLR 2016.
# - Mehta et al.: ESPNetv2, CVPR 2019. Wang et al.: DSRL, CVPR 2020.
