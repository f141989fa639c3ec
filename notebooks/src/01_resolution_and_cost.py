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
# **Claim.** Half the sides cost a quarter, and thin things pay for it first. Inside a network, resolution can be kept in two classic ways, atrous convolution and
# encoder-decoder, and both are paid for in positions, not in parameters.
#
# Measured: about 40 seconds of CPU time on one core, 1.2 GB of memory at most. Data: drawn streets. Needs: 00. No internet, no GPU.

# %%
from dsrl_lab.course.notebook import show_figure, start

lab = start()

# %%
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab.complexity import complexity
from dsrl_lab.course.exercises import check, hint, predict, reveal, solution
from dsrl_lab.datasets.class_tables import CAMVID
from dsrl_lab.datasets.streets import Streets
from dsrl_lab.datasets.transforms import reduce_image, resize_mask
from dsrl_lab.layers import ConvNormAct
from dsrl_lab.metrics import SegmentationScore
from dsrl_lab.models.base import DensePredictor, HeadOutput, PredictorSpec
from dsrl_lab.models.segmentation.unet import UNet
from dsrl_lab.plots.masks import show_image, show_mask
from dsrl_lab.plots.theme import new_figure, style_of, theme
from dsrl_lab.tools.bench import cost
from dsrl_lab.training.build import build_dsrl, load_task_model
from dsrl_lab.training.config import NetworkConfig, TrainConfig
from dsrl_lab.training.evaluate import evaluate_segmentation, predict_mask
from dsrl_lab.training.examples import Batches, DecodedSamples
from dsrl_lab.training.loop import fit
from dsrl_lab.training.objectives import SegmentationObjective, class_weights_of

# %% [markdown]
# ## One street, four sizes
#
# Above: what a network is given when the sides are divided by 1, 2, 4 and 8. Below: the best mask that can be drawn at that size, magnified again. No network has
# made a mistake here. What is missing, the size has taken.

# %%
big = Streets("val", size=(192, 256), length=100)[7]


def at_size(mask: Tensor, factor: int) -> Tensor:
    """The mask as its own coarse grid shows it: one class for each block, magnified back."""
    height, width = mask.shape
    coarse = resize_mask(mask[None], (height // factor, width // factor))
    return resize_mask(coarse, (height, width))[0]


# %%
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
# ## What you will be able to do
#
# 1. Count multiply-adds, transposed convolutions included, and say what a smaller input saves.
# 2. Say which classes a small input can no longer show, before any network is trained.
# 3. Reckon the receptive field of a stack of layers.
# 4. Turn strided convolutions into atrous ones without touching a weight, and prove it.
# 5. Weigh atrous convolution against encoder-decoder by true cost and accuracy.

# %% [markdown]
# ## Predict
#
# A perfect network names the class in the middle of each 4 × 4 block. What IoU, in per cent, can it still reach on poles? And: two strides of 2 at the end of a
# small network are replaced by atrous convolution. How many times as many multiply-adds does it need? Put numbers in place of `None`.

# %%
predict("01.poles", None, unit="%")

# %%
predict("01.atrous", None, unit="times")

# %% [markdown]
# ## What a small input saves
#
# Idea: a convolution does the same work at every position it visits. Cost is positions times weights.
#
# $$\text{MACs} = H' W' \cdot C_{in} C_{out} k^2$$
#
# Shapes: (C_in, H, W) → (C_out, H′, W′). Halve both sides of the input and every map of the network has a quarter of the positions. Parameters do not change:
# they know nothing of size.

# %% [markdown]
# ### Exercise 01.1 · multiply-adds of a layer
# *Easy · the heart of the notebook · 6 minutes.* Stride and dilation are both in the signature. One of them changes the cost.


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
# Whole networks, counted on shapes alone (nothing is computed, so large sizes are free). Each row has four times the pixels of the one above it.

# %%
SIZES = ((128, 256), (256, 512), (512, 1024))
NAMES = ("espnetv2", "tinynet", "unet", "deeplabv3plus-mobilenet_v2")
counted = {(row.name, size): row for size in SIZES for row in cost.run(NAMES, size, runs=0)}
for size in SIZES:
    costs = (f"{name} {counted[name, size].macs / 1e9:5.2f} G" for name in NAMES)
    print(f"{size[0]:4}×{size[1]:<5}", *costs, sep="  ")
grown = counted["tinynet", SIZES[2]].macs / counted["tinynet", SIZES[0]].macs
print(f"TinyNet, 16 times the pixels: {grown:.2f} times the multiply-adds")

# %% [markdown]
# Four times the pixels, four times the cost, for every network that is made of convolutions. This is why DSRL feeds a half-size picture: three quarters of the
# host's work are saved. Global pooling and linear layers are the exception, and they are small here.
#
# ## True multiply-adds
#
# A counter that sums `Conv2d` modules overlooks transposed convolutions, and DSRL's own head is made of two of them.

# %%
plain, headed = cost.run(["espnetv2", "espnetv2+deconvolution"], (256, 512), num_classes=20, runs=0)
for row in (plain, headed):
    seen, true = row.macs_without_transposed / 1e6, row.macs / 1e6
    counts = f"a Conv2d-only counter: {seen:7.2f} M MACs   true: {true:7.2f} M"
    print(f"{row.name:22} {counts}   {row.parameters:,} parameters")
side = (headed.macs / plain.macs) ** 0.5
print(f"the same money also buys the plain network at {256 * side:.0f}×{512 * side:.0f}")

# %% [markdown]
# A transposed convolution stamps its whole kernel once for each position that comes **in**; count those. The saving from a small input is real, but part of it is
# spent again on the way up. A fair comparison therefore asks: what would the plain network do with the same multiply-adds, at a larger input?

# %% [markdown]
# ## What a small input takes
#
# Take the true masks, reduce them, magnify them, and score the result against the original. This ceiling is an upper end for a network that answers at that size with one class per position and has its answer magnified
# by nearest neighbour. Eight scenes are enough to see the order of the classes.

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

# %%
SHOWN = ("road", "building", "car", "pedestrian", "signsymbol", "pole")
names = list(CAMVID.names)
with theme():
    figure = new_figure(8.5, 3.6)
    ax = figure.subplots()
    for number, name in enumerate(SHOWN):
        values = [100 * float(ceilings[factor][names.index(name)]) for factor in FACTORS]
        look = (style_of("baseline"), style_of("bilinear"), style_of("sssr"), style_of("sisr"), style_of("shuffled"))
        style = (*look, style_of("dsrl"))[number]
        ax.plot(FACTORS, values, color=style.color, linestyle=style.line, marker=style.marker, label=name)
    ax.set(xscale="log", xlabel="sides divided by", ylabel="IoU of a perfect answer (%)", ylim=(0, 102))
    ax.set_xticks(FACTORS, [str(factor) for factor in FACTORS])
    ax.minorticks_off()
    ax.legend(loc="lower left")
    show_figure(figure, alt="The best possible IoU falls with the reduction: slowly for road, very fast for poles")

# %%
for factor in FACTORS:
    iou = ceilings[factor]
    shown = "  ".join(f"{name} {100 * float(iou[names.index(name)]):3.0f}" for name in SHOWN)
    print(f"1/{factor:<2} mIoU {100 * float(iou.nanmean()):5.1f}   {shown}")
reveal("01.poles", 100 * float(ceilings[4][names.index("pole")]), unit="%")

# %% [markdown]
# Road hardly notices: it is large, and only its edge suffers. Poles have lost more than half at a quarter of the sides, signs and people more than a third, while the picture still looks fine to
# a human. mIoU is a mean over classes, so the few pixels of thin things weigh as much as all the road; pixel accuracy barely sees them.

# %% [markdown]
# ### Exercise 01.2 · a mask at a coarser grid
# *Some thought · useful · 10 minutes.* The cells above took the middle pixel of each block. A vote is fairer. Mind the pixels that nobody labelled.


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
# ## A real network under its ceiling
#
# TinyNet, trained for 600 steps at 90 × 120 (a committed checkpoint, one seed), scores the same street scenes at 180 × 240. The ceiling at half the sides stands beside it.

# %%
tinynet, described = load_task_model(lab.root / "data/checkpoints/streets_tinynet/baseline_seed0.safetensors")
held = DecodedSamples(Streets("val", size=(180, 240), length=8))
ours = evaluate_segmentation(tinynet, held, input_size=(90, 120)).to_json()["iou"]
for name in SHOWN:
    ceiling_here = 100 * float(ceilings[2][names.index(name)])
    print(f"{name:11} TinyNet {100 * (ours[name] or 0):5.1f} %   ceiling at 1/2: {ceiling_here:5.1f} %")

# %% [markdown]
# The network stays far under the ceiling, and most so on thin classes. So a lack of input pixels is not the whole story: the rest is lost **inside**, where strides
# make the maps smaller still, or is not yet learnt. This comparison does not tell which.
#
# ## Resolution inside the network
#
# The **output stride** is the number of input pixels per position of the last map. Strides make maps cheap and let each position see far; the region of the input that it can see
# is its **receptive field**.

# %% [markdown]
# ### Exercise 01.3 · how far does it see?
# *Some thought · the heart of the notebook · 10 minutes.* Each layer adds to the field. By how much depends on the layers before it.


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
# ## Way one: atrous convolution
#
# Idea: drop a late stride, so that the map stays twice as fine, and let the taps of all layers behind it skip every other position. Each then meets the very values it met before.
#
# $$y_i = \sum_u w_u\, x_{i + d\,u}$$
#
# Not one weight changes. At every second position the outputs are equal; the positions between are new.

# %%
# (stride, dilation) of each 3 x 3 layer
STRIDED = [(2, 1), (2, 1), (2, 1), (1, 1), (2, 1), (1, 1)]  # output stride 16
ATROUS = [(2, 1), (2, 1), (1, 1), (1, 2), (1, 2), (1, 4)]  # output stride 4


def through(plan: list[tuple[int, int]], image: Tensor, weights: list[Tensor]) -> Tensor:
    for (stride, dilation), weight in zip(plan, weights, strict=True):
        image = F.conv2d(image, weight, stride=stride, dilation=dilation, padding=dilation).relu()
    return image


channels = (3, 8, 8, 8, 8, 8, 8)
weights = [torch.randn(o, i, 3, 3) * (2 / 9 / i) ** 0.5 for i, o in pairwise(channels)]
coarse, fine = (
    through(STRIDED, big.image[None], weights),
    through(ATROUS, big.image[None], weights),
)
print("shapes", tuple(coarse.shape), tuple(fine.shape))
print(
    "largest difference at every fourth position:",
    f"{float((coarse - fine[..., ::4, ::4]).abs().max()):.1e}",
)

# %% [markdown]
# This is why a network pretrained with strides can be made finer without training it anew. DeepLab does so with its last one or two stages. Zero padding keeps the agreement right up to the border here, because it grows with the dilation.

# %% [markdown]
# ### Exercise 01.4 · the plan
# *Hard · the heart of the notebook · 15 minutes.* Which layers are dilated, and by how much? The layer that lost its stride is the trap.


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
# ## Way two: encoder and decoder
#
# Idea: let the maps become small, but remember the large ones. On the way back each map is doubled and laid beside the encoder's map of that size (a **skip**), which knows *where*; the deep
# one knows *what*. U-Net is the purest form.
#
# Shapes at width 8: 8 × H × W, 16 × H/2 × W/2, 32 × H/4 × W/4, 64 × H/8 × W/8, and back.

# %%
layers = complexity(UNet(11, width=8), (48, 64)).macs_by_layer
parts = [f"{half}.{level}" for half in ("encoder", "decoder") for level in range(4 if half == "encoder" else 3)]
for part in parts:
    macs = sum(value for name, value in layers.items() if name.startswith(part + "."))
    print(f"{part:10} {macs / 1e6:5.2f} M multiply-adds")

# %% [markdown]
# Channels double while positions fall to a quarter, so a convolution at each level costs the same: 4 × the weights, 1/4 of the places. Going deeper is cheap; the decoder, whose first layer at each level
# reads two maps, is the dearer half.
#
# ## Five networks, one table
#
# The same six layers in three dresses, a small U-Net, and the first one again with an input of twice the sides.

# %%
WIDTHS = (16, 24, 32, 48, 48, 48)


class Stack(DensePredictor):
    """Six 3 x 3 layers and a classifier; ``plan`` says the stride and dilation of each."""

    def __init__(self, plan: list[tuple[int, int]]) -> None:
        super().__init__()
        strides = torch.tensor([stride for stride, _ in plan]).cumprod(0).tolist()
        self.spec = PredictorSpec(
            num_classes=CAMVID.num_classes,
            feature_channels=WIDTHS,
            feature_strides=tuple(strides),
            head_channels=WIDTHS[-1],
            head_stride=strides[-1],
            logits_stride=strides[-1],
        )
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
UNDILATED = [(stride, 1) for stride, _ in ATROUS]  # the control: as fine as atrous, but it sees less far
SMALL, LARGE = (36, 48), (72, 96)
WAYS = {
    "strided": (lambda: Stack(STRIDED), SMALL),
    "strided, large input": (lambda: Stack(STRIDED), LARGE),
    "atrous": (lambda: Stack(ATROUS), SMALL),
    "no dilation": (lambda: Stack(UNDILATED), SMALL),
    "U-Net": (lambda: UNet(CAMVID.num_classes, width=8), SMALL),
}
macs = {}
for name, (make, size) in WAYS.items():
    network = make().eval()
    counted_way = complexity(network, size)
    macs[name] = counted_way.macs
    kept = cost.activation_bytes(network, size) / 1e6
    row = f"{name:21} {size[0]}×{size[1]}  {counted_way.parameters:7,} parameters"
    print(f"{row}  {macs[name] / 1e6:5.2f} M MACs  {kept:5.2f} MB kept")
reveal("01.atrous", macs["atrous"] / macs["strided"], unit="times")

# %% [markdown]
# The three dresses have the same parameters. Atrous convolution multiplies the cost of every layer behind the lost stride by four, and by sixteen
# behind two. "No dilation" is the **negative control**: the same fine map and cost, without the far look. If it did as well, distance would not matter here.
# Four times the pixels cost 3.7 times: 36 rows are no multiple of 16, and small maps are rounded up.

# %% [markdown]
# ## Trained before your eyes
#
# Each learns on 40 drawn streets for 120 steps, two seeds, same crops in the same order; masks are scored at 72 × 96.

# %%
train_set = DecodedSamples(Streets("train", size=LARGE, length=40))
val_set = DecodedSamples(Streets("val", size=LARGE, length=16))
weights_of_classes = class_weights_of(train_set, 0.5)


def train(make: object, size: tuple[int, int], seed: int, iterations: int = 120) -> tuple[DensePredictor, dict]:
    """Train one network with the kit's loop; give it back with its scores."""
    torch.manual_seed(seed)
    host, scale = make(), LARGE[0] // size[0]
    network = NetworkConfig(host="tinynet", num_classes=CAMVID.num_classes, upscale_factor=2)
    config = TrainConfig(
        input_size=size,
        iterations=iterations,
        learning_rate=0.05,
        weight_decay=1e-4,
        seed=seed,
        channels_last=True,
    )
    task = SegmentationObjective(config, scale, val_set, weights_of_classes)
    dsrl = build_dsrl(network, host=host, seed=seed)
    *_, last = fit(dsrl, task, Batches.for_run(train_set, task.example, config), config)
    return dsrl.task_model, last.metrics


# %%
print("under a minute ...")
trained = {}
for name, (make, size) in WAYS.items():
    trained[name] = [train(make, size, seed) for seed in range(2)]
    scores = [f"{100 * scores['miou']:.1f}" for _, scores in trained[name]]
    print(f"{name:21} mIoU of two seeds: {', '.join(scores)} %")

# %% [markdown]
# ## The picture to take along
#
# Left and middle: accuracy against true multiply-adds, each seed a mark, for all classes and for the thin ones (pole, sign, fence, person, rider). Right: what the first seed draws.

# %%
LOOKS = dict(zip(WAYS, ("baseline", "bilinear", "sssr", "shuffled", "dsrl"), strict=True))
scene = val_set[7]
with theme():
    figure = new_figure(13, 4.2)
    grid = figure.add_gridspec(3, 4, width_ratios=(2, 2, 1.15, 1.15))
    for column, (score, label) in enumerate((("miou", "mIoU (%)"), ("thin_miou", "mIoU of thin classes (%)"))):
        ax = figure.add_subplot(grid[:, column])
        for name, runs in trained.items():
            look, values = style_of(LOOKS[name]), [100 * scores[score] for _, scores in runs]
            marks = {"color": look.color, "label": name, "markersize": 8, "clip_on": False}
            ax.plot([macs[name] / 1e6] * 2, values, look.marker, **marks)
        ax.set(xscale="log", xlabel="true multiply-adds of one picture (M)", ylabel=label, ylim=(0, None))
        ax.set_xticks((2, 4, 8, 16), ("2", "4", "8", "16"))
        ax.minorticks_off()
    figure.axes[0].legend(loc="lower right")
    show_mask(scene.mask, CAMVID, title="truth", legend=False, ax=figure.add_subplot(grid[0, 2]))
    for number, (name, runs) in enumerate(trained.items(), start=1):
        pred = predict_mask(runs[0][0], scene.image, input_size=WAYS[name][1])
        ax = figure.add_subplot(grid[number // 2, 2 + number % 2])
        show_mask(pred, CAMVID, title=name, legend=False, ax=ax)
    show_figure(figure, alt="mIoU of five networks against their multiply-adds, and the masks that each draws")

# %% [markdown]
# Read it honestly. A finer map helps: atrous beats the strided network by about six points for 4.7 times the multiply-adds, and a larger input does the same for 3.7 times. But the control without dilation does
# **at least as well** as atrous: on pictures 48 pixels wide its field of 39 pixels spans most of the scene, so here the far look buys nothing. U-Net is no better at twice the cost. Thin classes
# have not been learnt by anybody after 120 steps; their panel shows noise.

# %% [markdown]
# **Paper against ours.** In Figure 1 of the paper ESPNetv2 goes from 54.5 to 64.4 % mIoU [read off, ± 0.2] when the input grows from 256 × 512 to 512 × 1024, at four times the cost; DSRL reaches
# 59.5 % [P] at the small input, for 1.87 times the true cost. Ours, in small: the printed rows "strided" and "strided, large input". Direction alike; sizes not comparable.

# %% [markdown]
# ## Try it
#
# One knob: the number of steps. Does atrous keep its lead over the strided network when both learn for 30 steps only? For 800?

# %%
steps = 30
for name in ("strided", "atrous"):
    _, scores = train(*WAYS[name], seed=0, iterations=steps)
    print(f"{name:8} {steps} steps: mIoU {100 * scores['miou']:.1f} %")

# %% [markdown]
# ## Break it
#
# Four plans for the same weights. Each keeps all shapes and raises nothing. Turn `DEFECT`, and learn to see it in two numbers: the difference from the strided network, and how far the
# last layer sees.

# %%
PLANS = {
    "none": ATROUS,
    "the lost stride's own layer dilated": [(2, 1), (2, 1), (1, 2), (1, 2), (1, 4), (1, 4)],
    "dilation forgotten": UNDILATED,
    "dilation does not add up": [(2, 1), (2, 1), (1, 1), (1, 2), (1, 2), (1, 2)],
}
DEFECT = "the lost stride's own layer dilated"  # the switch


def seen_from_the_middle(plan: list[tuple[int, int]]) -> Tensor:
    """(H, W): how strongly each input pixel can move the last map's middle, with weights that cannot cancel."""
    image = torch.ones(1, 1, 129, 129, requires_grad=True)
    last = through(plan, image, [torch.ones(1, 1, 3, 3) / 9] * 6)
    last[0, 0, last.shape[2] // 2, last.shape[3] // 2].backward()
    return image.grad[0, 0]


for name in dict.fromkeys(("none", DEFECT, *PLANS)):
    other = through(PLANS[name], big.image[None], weights)[..., ::4, ::4]
    error = float((other - coarse).abs().mean() / coarse.abs().mean())
    field = int((seen_from_the_middle(PLANS[name]) > 0).any(0).sum())
    print(f"{name:36} differs by {100 * error:5.1f} %   receptive field {field} pixels")

# %% [markdown]
# Symptoms to recognise: a pretrained network that is suddenly worse after "output stride 8" was switched on, and recovers only after long fine-tuning, has a wrong plan. The field too large: a layer was dilated too early.
# Too small: a dilation is missing. Training hides all three, because filters adapt.

# %% [markdown]
# ## Limits
#
# - Drawn streets, six layers, 120 steps, two seeds: the order of the five is an observation, not evidence.
# - The ceiling holds for one class per position, magnified by nearest neighbour. Bilinear logits can pass it: they carry shares, not classes.
# - Multiply-adds are not seconds. Large maps wait for memory, dilated convolutions have slower code in many libraries. `dsrl-lab bench networks` measures.
# - U-Net here is small and learns from nothing; with more steps the picture may turn.

# %% [markdown]
# ## Five questions to take along
#
# 1. The sides are halved. What happens to multiply-adds, to parameters, to activations?
# 2. Which classes does a small input lose first, and why does pixel accuracy not show it?
# 3. A stride is dropped. Which layers are dilated, by how much, and what does that cost?
# 4. What does a skip bring back that atrous convolution never lost?
# 5. Why is "no extra FLOPs" to be checked with a counter that sees transposed convolutions?

# %% [markdown]
# ## Words and sources
#
# **output stride** 输出步长, **receptive field** 感受野, **atrous (dilated) convolution** 空洞卷积, **encoder-decoder** 编码器-解码器, **skip** 跳跃连接, **MAC**: one multiply-add; FLOPs = 2 × MACs.
#
# - Chen et al.: DeepLab, TPAMI 2018; Encoder-decoder with atrous separable convolution (DeepLabv3+), ECCV 2018.
# - Ronneberger, Fischer, Brox: U-Net, MICCAI 2015. Yu, Koltun: Multi-scale context aggregation by dilated convolutions, ICLR 2016.
# - Mehta et al.: ESPNetv2, CVPR 2019. Wang et al.: DSRL, CVPR 2020.
