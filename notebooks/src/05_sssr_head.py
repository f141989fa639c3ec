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
# # 05 · The SSSR head
#
# **Claim.** A few layers after the decoder give a host a mask larger than its input. They are not free, whatever a counter says, and how they *start* decides
# whether a trained host survives them.
#
# Measured: about 45 seconds of CPU time on one core, 1.5 GB of memory at most. Data: drawn streets; starts from the kit's trained TinyNet
# (`data/checkpoints/streets_tinynet`). Needs: 03, 04. No internet, no GPU.

# %%
from dsrl_lab.course.notebook import show_figure, start

lab = start()

# %%
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab.complexity import complexity
from dsrl_lab.course.exercises import check, hint, predict, reveal, solution
from dsrl_lab.datasets.class_tables import CAMVID
from dsrl_lab.datasets.streets import Streets
from dsrl_lab.datasets.transforms import reduce_image
from dsrl_lab.dsrl import DSRL, BilinearHead, DeconvolutionHead, SubPixelHead, SuperResolved
from dsrl_lab.metrics import SegmentationScore
from dsrl_lab.models import SEGMENTATION
from dsrl_lab.plots.masks import class_handles, show_image, show_mask
from dsrl_lab.plots.theme import faded, new_figure, style_of, theme
from dsrl_lab.results import frames
from dsrl_lab.results import paper_numbers as paper
from dsrl_lab.results.shapes import meta_device
from dsrl_lab.rows import GREY, VERMILLION, Style
from dsrl_lab.training.build import load_task_model
from dsrl_lab.training.config import TrainConfig
from dsrl_lab.training.evaluate import evaluate_segmentation, predict_mask
from dsrl_lab.training.examples import Batches, DecodedSamples
from dsrl_lab.training.loop import fit
from dsrl_lab.training.objectives import SegmentationObjective, class_weights_of
from dsrl_lab.widgets import segmentation_compare

# %% [markdown]
# ## One prediction on three grids
#
# A trained network with an SSSR head receives 90 × 120 pixels. Its host decides on 45 × 60 positions; the head makes 180 × 240 of them. The crop shows what each grid
# can draw: outlines get smoother from left to right, but no grid shows more of the lamp post than its foot.

# %%
KEPT = lab.root / "data" / "checkpoints" / "streets_tinynet"
val = DecodedSamples(Streets("val", size=(180, 240), length=12))
larger, _ = load_task_model(KEPT / "sssr_seed0.safetensors")
scene = val[1]
low_res = reduce_image(scene.image, (90, 120))[None]
with torch.no_grad():
    decided = larger.host.forward_head(larger.host.forward_features(low_res)).logits
    grids = {
        "class maps 45 × 60": decided,
        "host 90 × 120": larger.host(low_res),
        "SSSR 180 × 240": larger(low_res),
    }

with theme():
    figure = new_figure(13, 2.8)
    axes = figure.subplots(1, 5)
    crop = (slice(40, 130), slice(60, 180))
    show_image(scene.image[:, *crop], title="the original, cropped", crisp=True, ax=axes[0])
    show_mask(scene.mask[crop], CAMVID, legend=False, title="the truth", ax=axes[1])
    for ax, (name, logits) in zip(axes[2:], grids.items(), strict=True):
        s = 180 // logits.shape[-2]
        part = logits[0].argmax(0)[40 // s : 130 // s, 60 // s : 180 // s]
        show_mask(part, CAMVID, legend=False, title=name, ax=ax)
    figure.legend(handles=class_handles(CAMVID), loc="outside lower center", ncols=11)
    show_figure(
        figure,
        alt="A crop of a street, its true mask, and one prediction on a coarse, a middle and a fine grid",
    )

# %% [markdown]
# ## What you will be able to do
#
# 1. Say what is halved and what is doubled, and compare like with like.
# 2. Build four heads and give their sizes and costs beforehand.
# 3. Find the multiply-adds that a counter overlooked, and say what else they would buy.
# 4. Start a head so that it begins where the host is.
# 5. Tell a finer mask from a better one.

# %% [markdown]
# ## Predict
#
# The authors' head on ESPNetv2, 256 × 512 in, 512 × 1024 out: how many per cent does it add to the host's multiply-adds? And: a trained host scores 52 %
# mIoU. Put that head on it, freshly drawn. What does the pair score before its first step? Numbers in place of `None`.

# %%
predict("05.cost", None, unit="%")

# %%
predict("05.start", None, unit="%")

# %% [markdown]
# ## Is the input halved, or the output doubled?
#
# Both are said; one thing is meant. The picture has 2H × 2W pixels. The network *receives* H × W, because cost goes with the square of the sides. The **baseline** also receives H × W
# and answers at H × W; that is why it scores low. With SSSR the answer has the picture's size again. Nothing else is compared.

# %% [markdown]
# ## Four heads
#
# All read the host's `HeadOutput` (04): class maps (K, h, w) and features (C, h, w).
#
# - **bilinear**: enlarge the logits. No weights: the control.
# - **deconvolution** (the authors'): two blocks of {transposed 3 × 3, stride 2; BatchNorm; PReLU} on the *class maps*.
# - **depthwise** (the kit's): each class map by itself, from a bilinear start.
# - **sub-pixel** (the kit's): bilinear logits + a residual from the *features* by a 1 × 1 convolution and pixel shuffle (03).
#
# $$\text{logits}^{\uparrow} = \mathrm{resize}(\text{logits}) + \mathrm{shuffle}_r\big(W_2\,\sigma(W_1\,\text{features})\big)$$

# %%
host, _ = load_task_model(KEPT / "baseline_seed0.safetensors")
heads = {
    "bilinear": BilinearHead(),
    "deconvolution": DeconvolutionHead(host),
    "sub-pixel": SubPixelHead(host),
}
heads["depthwise"] = DeconvolutionHead(host, depthwise=True)
alone = complexity(host, (90, 120)).macs
for name, head in heads.items():
    network = SuperResolved(host, head).eval()
    cost = complexity(network, (90, 120))
    weights = sum(parameter.numel() for parameter in head.parameters())
    extra = f"{(cost.macs - alone) / 1e6:4.1f} M MACs on top of {alone / 1e6:.1f}"
    print(f"{name:13} (90, 120) -> {network.output_size((90, 120))}  {weights:4} weights  {extra}")

# %% [markdown]
# ### Exercise 05.1 · how large is the result?
# *Easy · useful · 5 minutes.* The authors' numbers are kernel 3, stride 2, padding 1, output padding 1. What would it be without the last?


# %%
def deconvolved_size(
    size: int,
    kernel_size: int,
    stride: int,
    padding: int,
    output_padding: int,
) -> int:
    """Side of what a transposed convolution gives.

    Every input stamps ``kernel_size`` values, stamps stand ``stride`` apart;
    ``padding`` cuts off both ends, ``output_padding`` adds to one.

    Example:
        >>> deconvolved_size(64, 3, stride=2, padding=1, output_padding=1)  # DSRL's
        128
        >>> deconvolved_size(64, 3, stride=2, padding=1, output_padding=0)
        127
    """
    raise NotImplementedError


check("05.1", deconvolved_size)

# %%
hint("05.1") + solution("05.1")

# %% [markdown]
# ## The hidden cost
#
# The paper says that DSRL adds nothing at inference. Count it as the authors' release does (all `Conv2d` modules), and count what PyTorch executes.

# %%
with meta_device():
    espnet = SEGMENTATION["espnetv2"](20, width=2.0)
    deployed = DSRL(espnet, sssr="deconvolution", sisr=False, affinity=False).task_model
before, after = complexity(espnet, (256, 512)), complexity(deployed, (256, 512))
for name, cost in {"host alone": before, "with its SSSR head": after}.items():
    print(f"{name:20} seen by the counter {cost.macs_without_transposed / 1e6:7.2f} M   true {cost.macs / 1e6:7.2f} M")
print(f"parameters: + {after.parameters - before.parameters:,}")
reveal("05.cost", 100 * (after.macs / before.macs - 1), unit="%")

# %% [markdown]
# **Paper against ours.** 674.78 M with and without [A]; 674.46 M without and 1264.28 M with, by our count. SISR and affinity do vanish; SSSR does not.
#
# ### Exercise 05.2 · the head's multiply-adds
# *Some thought · the heart of the notebook · 8 minutes.* The answer for 128 × 256 class maps of 20 classes must be the difference you just saw.


# %%
def head_macs(height: int, width: int, classes: int, blocks: int) -> int:
    """Multiply-adds of the authors' SSSR head for one picture.

    Each block is a transposed 3x3 convolution with stride 2 from ``classes`` to
    ``classes`` channels; each doubles the sides. BatchNorm and PReLU do not count.

    Args:
        height: of the class maps that come in, in positions.
        width: of the class maps that come in, in positions.
        classes: K.
        blocks: how many follow each other.

    Example:
        >>> head_macs(128, 256, classes=20, blocks=2)  # ESPNetv2 at 256 x 512
        589824000
    """
    raise NotImplementedError


check("05.2", head_macs)

# %%
hint("05.2") + solution("05.2")

# %% [markdown]
# The head's cost depends on K² and the output's size, not on the host. Beside a dear host it disappears; beside a light one it is nearly half of everything. The same for the five hosts of 04 and the U-Net of 01, with 19 classes:


# %%
def overhead(host: nn.Module, head: str) -> float:
    with_head = DSRL(host, sssr=head, sisr=False, affinity=False).task_model
    return 100 * (complexity(with_head, (256, 512)).macs / complexity(host, (256, 512)).macs - 1)


with meta_device():
    hosts = {name: build(19) for name, build in SEGMENTATION.items() if name != "tinynet"}
    extra = {head: [overhead(host, head) for host in hosts.values()] for head in ("deconvolution", "sub_pixel")}

with theme():
    figure = new_figure(10, 2.9)
    ax = figure.add_subplot()
    for offset, (head, values) in zip((-0.2, 0.2), extra.items(), strict=True):
        style = style_of("deconvolution" if head == "deconvolution" else "sssr")
        places = [number + offset for number in range(len(hosts))]
        ax.barh(places, values, 0.36, color=faded(style.color), edgecolor=style.color, hatch=style.hatch, label=head)
        for place, value in zip(places, values, strict=True):
            ax.text(value + 1, place, f"+{value:.1f} %", va="center", fontsize=8)
    ax.set(yticks=range(len(hosts)), yticklabels=list(hosts), xlabel="extra MACs at 256 × 512 (%)", xlim=(0, 95))
    ax.invert_yaxis()
    ax.legend()
    show_figure(figure, alt="Extra multiply-adds of two heads on five hosts; most on the light ones")

# %% [markdown]
# ### Exercise 05.3 · what else would it buy?
# *Easy · the heart of the notebook · 5 minutes.* A fair rival of DSRL is the plain host with a *larger input* for the same multiply-adds. How large?


# %%
def size_for_the_same_cost(
    height: int,
    width: int,
    macs: float,
    extra_macs: float,
) -> tuple[float, float]:
    """Input size at which the plain host costs what host and head cost together.

    Host and head receive (height, width).

    A convolutional network's multiply-adds grow with the number of positions. Keep the
    picture's proportions.

    Args:
        height: of the input, in pixels.
        width: of the input, in pixels.
        macs: of the host alone at this size.
        extra_macs: of the head at this size.

    Returns:
        (height, width), not rounded.

    Example:
        >>> [round(side) for side in size_for_the_same_cost(256, 512, 674.46, 589.82)]
        [350, 701]
    """
    raise NotImplementedError


check("05.3", size_for_the_same_cost)

# %%
hint("05.3") + solution("05.3")

# %% [markdown]
# At about 350 × 701, Figure 1 of the paper gives the *plain* ESPNetv2 some 59.1 [read off, ± 0.2], against 59.5 for DSRL [P]. Most of the gain over 54.5 can be bought
# without any new idea. That comparison is missing in the paper, and 08 makes it.
#
# ## What could a finer grid win?
#
# Before training, ask for the ceiling: let a *perfect* host know each position's true shares of the classes, and enlarge them.

# %%
for stride in (4, 2, 1):
    score = SegmentationScore(11)
    for number in range(len(val)):
        mask = val[number].mask
        shares = F.avg_pool2d(F.one_hot(mask, 11).permute(2, 0, 1)[None].float(), stride)
        score.update(F.interpolate(shares, size=(180, 240), mode="bilinear"), mask[None])
    thin = [float(score.compute().iou[CAMVID.index(name)]) for name in CAMVID.thin]
    miou, thin_miou = 100 * score.compute().miou, 100 * sum(thin) / len(thin)
    print(f"perfect on {180 // stride:3} x {240 // stride:3}: mIoU {miou:5.1f} %, thin classes {thin_miou:5.1f} %")
now = evaluate_segmentation(host, val, input_size=(90, 120))
print(f"the trained TinyNet: mIoU  {100 * now.miou:.1f} %, thin classes  {100 * now.thin_miou:.1f} %")

# %% [markdown]
# The ceiling of the host's own grid is far above what the host reaches. So resolution of the *output* is not what holds this host down. A head alone can win what lies
# at outlines; the rest must come from better features. Remember it when you read a gain.
#
# ## Where a head starts
#
# A new head on a trained host: its random filters mix all classes with all. Could a deconvolution start as plain enlargement?

# %% [markdown]
# ### Exercise 05.4 · a deconvolution that starts as bilinear
# *Some thought · the heart of the notebook · 12 minutes.* The check does not look at your weight, but at what it makes of maps.


# %%
def bilinear_start(classes: int) -> Tensor:
    """Weight of a transposed 3x3 convolution that enlarges each map smoothly.

    Stride 2, padding 1, output padding 1. Each class map is enlarged for itself:
    nothing of one class reaches another's map, and a constant map keeps its value (away
    from the border). Along one axis the stamp is a half, one, a half: what falls
    between two inputs becomes their mean.

    Shape:
        - output: (classes, classes, 3, 3), as ``torch.nn.ConvTranspose2d`` keeps it

    Example:
        >>> bilinear_start(1)[0, 0]
        tensor([[0.2500, 0.5000, 0.2500],
                [0.5000, 1.0000, 0.5000],
                [0.2500, 0.5000, 0.2500]])
    """
    raise NotImplementedError


check("05.4", bilinear_start)

# %%
hint("05.4") + solution("05.4")

# %% [markdown]
# The weight is half of it. BatchNorm stands behind, and in training it brings *every class map* to mean 0 and deviation 1: how much more often road occurs than pole, the
# host had just learnt that. PReLU then flattens all negative scores. To start where the host is, BatchNorm must give back the mean and deviation that it takes.


# %%
@torch.no_grad()
def start_as_bilinear(head: DeconvolutionHead, maps: Tensor) -> None:
    """Let the head enlarge class maps smoothly, BatchNorm and PReLU included, as measured on ``maps``."""
    side = torch.tensor([0.5, 1.0, 0.5])
    for deconvolution, norm, slope in head.blocks:
        deconvolution.weight.copy_(torch.eye(maps.shape[1])[:, :, None, None] * torch.outer(side, side))
        slope.weight.fill_(1)  # negative scores pass as they are
        maps = deconvolution(maps)
        mean, variance = maps.mean((0, 2, 3)), maps.var((0, 2, 3))
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(mean)


# %% [markdown]
# ### Exercise 05.5 · bilinear plus residual
# *Easy · the heart of the notebook · 6 minutes.* The kit's head needs no such care: its last layer starts at zero, so the pair starts as the host.


# %%
def add_residual(logits: Tensor, phases: Tensor, upscale_factor: int) -> Tensor:
    """The kit's cheap head: logits enlarged bilinearly, plus a residual.

    The residual was computed at the small size.
    You may use ``torch.nn.functional`` as F.

    Args:
        logits: the host's class maps.
        phases: the residual before pixel shuffle.
        upscale_factor: s of the pixel shuffle.

    Shape:
        - logits: (N, K, h, w)
        - phases: (N, K * s^2, h, w)
        - output: (N, K, s * h, s * w)

    Example:
        >>> logits = torch.rand(1, 3, 4, 5)
        >>> silent = torch.zeros(1, 12, 4, 5)  # a head that starts at zero
        >>> enlarged = F.interpolate(logits, scale_factor=2, mode="bilinear")
        >>> torch.equal(add_residual(logits, silent, 2), enlarged)
        True
    """
    raise NotImplementedError


check("05.5", add_residual)

# %%
hint("05.5") + solution("05.5")

# %% [markdown]
# ## Train in front of you
#
# Three heads, one of them from two starts, each on a fresh copy of the trained host, 20 steps of 8 pictures, two seeds; host and head learn together. (`depthwise` has records below.) The bilinear head is the **negative control**: it has
# nothing to learn with, so what it gains, the further steps gain. A line appears as each run ends; all take about half a minute.

# %%
train = DecodedSamples(Streets("train", size=(180, 240), length=40))
weights = class_weights_of(train, 0.5)
with torch.no_grad():
    some = torch.stack([reduce_image(train[number].image, (90, 120)) for number in range(12)])
    maps = host.forward_head(host.forward_features(some)).logits


def pair(kind: str, seed: int) -> DSRL:
    """A fresh copy of the trained host with a head; "deconvolution, bilinear start" is a deconvolution."""
    torch.manual_seed(seed)
    host, _ = load_task_model(KEPT / "baseline_seed0.safetensors")
    dsrl = DSRL(host, sssr=kind.split(",")[0].replace("-", "_"), sisr=False, affinity=False)
    if kind.endswith("bilinear start"):
        start_as_bilinear(dsrl.task_model.sssr_head, maps)
    return dsrl


def learn(kind: str, seed: int) -> list[float]:
    """mIoU (%) before the first step and at every fifth."""
    dsrl = pair(kind, seed)
    config = TrainConfig(
        input_size=(90, 120), iterations=20, class_balance=0.5, seed=seed, record_every=5, evaluate_every=5
    )
    task = SegmentationObjective(config, 2, val, weights)
    scores = [task.evaluate(dsrl)]
    scores += [record.metrics for record in fit(dsrl, task, Batches.for_run(train, task.example, config), config)]
    return [100 * score["miou"] for score in scores]


# %%
KINDS = (
    "bilinear",
    "sub-pixel",
    "deconvolution, bilinear start",
    "deconvolution, random start",
)
curves: dict[str, list[list[float]]] = {kind: [] for kind in KINDS}
for seed in (0, 1):
    for kind in KINDS:
        curves[kind].append(learn(kind, seed))
        print(f"seed {seed}  {kind:30}", " ".join(f"{miou:5.1f}" for miou in curves[kind][-1]))
reveal("05.start", curves["deconvolution, random start"][0][0], unit="%")

# %% [markdown]
# ## The picture to take along
#
# Left: the score while host and head learn, two seeds each; dashed: the host before all this. Right: the upper part of the same scores.

# %%
LOOKS = {
    "bilinear": style_of("bilinear"),
    "sub-pixel": style_of("sssr"),
    "deconvolution, bilinear start": style_of("deconvolution"),
    "deconvolution, random start": Style(color=VERMILLION, line=(0, (1, 2)), marker="X"),
}
with theme():
    figure = new_figure(12, 3.8)
    left, right = figure.subplots(1, 2)
    for ax in (left, right):
        for kind, runs in curves.items():
            for number, values in enumerate(runs):
                look, name = LOOKS[kind], kind if number == 0 else None
                drawn = {"color": look.color, "linestyle": look.line, "marker": look.marker}
                if kind == "bilinear":  # it lies on sub-pixel's line: hollow, and drawn on top
                    drawn |= {"marker": "o", "markerfacecolor": "none", "markersize": 10, "zorder": 3}
                ax.plot(range(0, 21, 5), values, **drawn, label=name)
        ax.axhline(100 * now.miou, color=GREY, linestyle="--", linewidth=1)
        ax.set(xlabel="steps", ylabel="mIoU on 12 drawn streets (%)", xticks=range(0, 21, 5))
    left.set(ylim=(0, None), title="all of it")
    right.set(ylim=(100 * now.miou - 6, 100 * now.miou + 3), title="near the host")
    left.legend(loc="center right")
    show_figure(
        figure, alt="mIoU over twenty steps: a randomly started head begins near zero, the other three near the host"
    )

# %% [markdown]
# Read it honestly. A random deconvolution throws the trained host away: it starts near nothing and spends its steps winning back what was known. Started as bilinear it stays near the
# host; the zero residual costs nothing at all. But look at the control: in these few steps the sub-pixel head does *not* leave it behind. A start protects; it does not gain.

# %% [markdown]
# Why does the bilinear *start* begin lower than bilinear enlargement, with the same stamp? Corners again (04): the transposed convolution puts input i on output 2i, half an output pixel before its centre.
# Two blocks make half a pixel of 90 × 120 and half of 180 × 240: 1.5 pixels in all. If that is the reason, the *plain* logits, shifted by as much, must score the same.

# %%
shift = 1.5  # pixels of the output, up and to the left
y, x = torch.meshgrid(torch.arange(180) + 0.5 + shift, torch.arange(240) + 0.5 + shift, indexing="ij")
places = torch.stack([2 * x / 240 - 1, 2 * y / 180 - 1], dim=-1)[None]
score = SegmentationScore(11)
for number in range(len(val)):
    image = reduce_image(val[number].image, (90, 120))[None]
    with torch.no_grad():
        plain = host.forward_head(host.forward_features(image)).logits
    score.update(
        F.grid_sample(plain, places, padding_mode="border", align_corners=False),
        val[number].mask[None],
    )
print(f"plain logits, shifted by {shift} pixels: {100 * score.compute().miou:.1f}")
print(f"deconvolution, bilinear start, at step 0: {curves['deconvolution, bilinear start'][0][0]:.1f}")

# %% [markdown]
# **Paper against ours.** In Table 1 + SSSR brings +1.2 (ESPNetv2) and +0.6 (DeepLabv3+) [P]. The kit's own heads alone, from their records:

# %%
for host_name in paper.HOSTS:
    print(f"Table 1, {host_name:10}: {paper.table_1_gain('sssr', host_name).value:+.1f}")
heads_alone = ("bilinear", "normalised", "sssr", "deconvolution", "depthwise")
scores = frames.pick(frames.scores(frames.runs(lab.root / "data" / "runs")))
gains = frames.gains(scores[scores["row"].isin(("baseline", *heads_alone))])
for gain in frames.summary(gains, ("setting", "label"), scale=100).itertuples():
    print(f"{gain.setting:22} {gain.estimate.show(signed=True)}, {gain.seeds} seeds: {gain.label}")

# %% [markdown]
# An interval that holds 0 says: not shown here. `bilinear` is the row to beat, and `normalised`, which has the BatchNorm of a deconvolution head and no
# deconvolution; 08 tells the whole story.
#
# ## Where the two differ
#
# **Touch:** point at pixels and at classes of the table; press a class to keep it; move the opacity. **Look for:** where do *won* and *lost* lie? **Ask yourself:** which
# thin class gains most on this scene, which loses most, and by how many pixels would you guess?

# %%
trained = {"baseline": host, "SSSR": larger}
predictions = [predict_mask(network, scene.image, input_size=(90, 120)) for network in trained.values()]

segmentation_compare(
    scene.image,
    scene.mask,
    *predictions,
    CAMVID,
    names=("baseline", "SSSR"),
    alt="A drawn street, its true classes, the predictions of a baseline and of one with an SSSR head over it, and the "
    "pixels won and lost, which lie along the outlines",
)

# %% [markdown]
# ## Compare like with like
#
# The released evaluation takes the argmax at the network's own output size and magnifies *labels*: ×4 for the baseline, ×2 for DSRL. Some of a gain can then be finer stairs.
#
# ### Exercise 05.6 · a fair prediction
# *Easy · useful · 5 minutes.* Scores first, decision last.


# %%
def full_size_prediction(logits: Tensor, height: int, width: int) -> Tensor:
    """Class ids at the picture's size: enlarge logits, then decide.

    This protocol favours no output size. Enlarge as bilinear interpolation does whose
    pixels are squares (``align_corners=False``).
    You may use ``torch.nn.functional`` as F.

    Shape:
        - logits: (N, K, h, w)
        - output: (N, height, width), int64

    Example:
        >>> full_size_prediction(torch.tensor([[[[1.0, 0.0]], [[0.0, 3.0]]]]), 1, 8)
        tensor([[[0, 0, 0, 1, 1, 1, 1, 1]]])
    """
    raise NotImplementedError


check("05.6", full_size_prediction)

# %%
hint("05.6") + solution("05.6")

# %% [markdown]
# ## Try it
#
# Two knobs of the cheap head: its `width`, and the shuffle's `factor` r: 4 goes all the way to the output, 2 stops half-way and leaves the rest to bilinear. What does each cost?

# %%
width, factor = 16, 2
tried = SuperResolved(host, SubPixelHead(host, width=width, factor=factor))
cost = complexity(tried, (90, 120))
print(f"width {width}, factor {factor}: {100 * (cost.macs / alone - 1):.1f} % on top of the host")

# %% [markdown]
# ## Break it
#
# Three ways to report a better number than there is. Each keeps all shapes and raises nothing. Turn `DEFECT`.

# %%
DEFECT = "a counter that skips transposed convolutions"  # or "random start", or "labels magnified"
fine = DecodedSamples(Streets("val", size=(360, 480), length=6))  # four times the input's sides, as in the paper


def symptoms(defect: str) -> str:
    if defect == "a counter that skips transposed convolutions":
        cost = complexity(SuperResolved(host, heads["deconvolution"]), (90, 120))
        reported, true = (macs / alone - 1 for macs in (cost.macs_without_transposed, cost.macs))
        return f"extra cost {reported:.1%} reported, {true:.1%} true"
    if defect == "random start":
        first, *_, last = curves["deconvolution, random start"][0]
        told = f"from {first:.1f} to {last:.1f} in 20 steps: 'the head learns fast!'"
        return f"{told}; the host had {100 * now.miou:.1f}"
    same = SuperResolved(host, BilinearHead()).eval()  # not one weight differs from the host
    gains = []
    for protocol in ("labels", "logits"):
        scores = [
            evaluate_segmentation(net, fine, input_size=(90, 120), protocol=protocol).miou for net in (host, same)
        ]
        gains.append(f"{100 * (scores[1] - scores[0]):+.2f} by {protocol}")
    return "gain of a head with no weights at all: " + ", ".join(gains)


for defect in dict.fromkeys(
    (DEFECT, "a counter that skips transposed convolutions", "random start", "labels magnified")
):
    print(f"{defect}:\n    {symptoms(defect)}")

# %% [markdown]
# Symptoms to recognise: equal FLOPs with and without a head that visibly does work; a steep curve that only climbs back to where it was let fall; a gain
# that shrinks when logits are enlarged instead of labels. Small here; the released protocol
# has it all the same. The cure is a control each time: a second counter, the host's own score, a head without weights.

# %% [markdown]
# ## Limits
#
# - Twelve pictures, two seeds, twenty steps: enough to see starts, not to rank heads.
# - The host was trained to the end before; the paper trains host and head together from ImageNet weights.
# - Drawn streets, TinyNet: on CamVid and with SISR and affinity the question is open until 08.
# - `DeconvolutionHead` follows the release for ESPNetv2; for other hosts it is our reading.

# %% [markdown]
# ### What carries over
#
# What carries over to other networks is the way of asking: count every multiply-add, transposed ones too; start where the host already stands; compare
# with the control that has finer labels and no layers; and look at the number of seeds, and at their spread, before looking at the gain.

# %% [markdown]
# ## Five questions to take along
#
# 1. What exactly is the baseline, and why does it score low?
# 2. Why does the head's cost not depend on the host?
# 3. What does BatchNorm do to class maps?
# 4. Which control shows that a gain is more than further training?
# 5. When may class ids be interpolated?

# %% [markdown]
# ## Words and sources
#
# **SSSR** 语义分割超分辨率, **upscale factor** 放大倍数, **residual** 残差, **nearest neighbour** 最近邻插值, **bilinear interpolation** 双线性插值, **logits** 逻辑值.
#
# - Wang et al., Dual Super-Resolution Learning for Semantic Segmentation, CVPR 2020 (Figure 4, Table 1), and the authors' release (head, counter, evaluation).
# - Long, Shelhamer, Darrell, Fully convolutional networks, CVPR 2015 (deconvolutions that start as bilinear).
# - In the kit: `dsrl_lab/dsrl.py` holds all four heads, `dsrl_lab/complexity.py` the counter.
