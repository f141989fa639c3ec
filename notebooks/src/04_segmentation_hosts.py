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
# # 04 · Five hosts, one contract
#
# **Claim.** ESPNetv2, DeepLabv3+, PSPNet, BiSeNet and DABNet differ by a factor of more than 130 in cost and agree in one sentence: an encoder makes maps, a head makes
# logits of them. Keep that sentence and DSRL can be put around any of them.
#
# Measured: about 15 seconds of CPU time on one core, 1.5 GB of memory at most. Data: drawn streets; two small networks whose weights the kit brings along
# (`data/checkpoints`). Needs: 01, 03. No internet, no GPU.

# %%
from dsrl_lab.course.notebook import show_figure, start

lab = start()

# %%
import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab.complexity import complexity
from dsrl_lab.course.exercises import check, hint, predict, reveal, solution
from dsrl_lab.datasets.class_tables import CAMVID
from dsrl_lab.datasets.streets import Streets
from dsrl_lab.datasets.transforms import normalise
from dsrl_lab.models.segmentation.bisenet import BiSeNet
from dsrl_lab.models.segmentation.dabnet import DABNet
from dsrl_lab.models.segmentation.deeplabv3plus import DeepLabv3Plus
from dsrl_lab.models.segmentation.espnetv2 import ESPNetv2
from dsrl_lab.models.segmentation.pspnet import PSPNet
from dsrl_lab.plots.masks import class_handles, show_image, show_mask
from dsrl_lab.plots.theme import faded, new_figure, theme
from dsrl_lab.results.shapes import meta_device
from dsrl_lab.rows import BLUE, GREEN, GREY, ORANGE, PURPLE
from dsrl_lab.training.build import load_task_model
from dsrl_lab.training.evaluate import evaluate_segmentation, predict_mask
from dsrl_lab.training.examples import DecodedSamples

# %% [markdown]
# ## Two strangers look at one street
#
# TinyNet (0.2 million parameters) was trained on drawn streets. ESPNetv2 was trained on *photographs*, first Cityscapes, then CamVid, and has never seen
# a drawing. Both receive the same picture. What carries over, what does not?

# %%
streets = DecodedSamples(Streets("val", size=(180, 240), length=12))
kept = lab.root / "data" / "checkpoints"
tinynet, _ = load_task_model(kept / "streets_tinynet" / "baseline_seed0.safetensors")
espnet, _ = load_task_model(kept / "camvid_espnetv2" / "baseline_seed0.safetensors")
scene = streets[1]
guesses = {
    "TinyNet, drawn streets": predict_mask(tinynet, scene.image, input_size=(90, 120)),
    "ESPNetv2, photographs": predict_mask(espnet, scene.image, input_size=(180, 240)),
}

# %%
with theme():
    figure = new_figure(13, 3.6)
    axes = figure.subplots(1, 4)
    show_image(scene.image, title="a drawn street", ax=axes[0])
    show_mask(scene.mask, CAMVID, legend=False, title="the truth", ax=axes[1])
    for ax, (name, mask) in zip(axes[2:], guesses.items(), strict=True):
        right = float((mask == scene.mask).float().mean())
        show_mask(mask, CAMVID, legend=False, title=f"{name}\n{right:.0%} of pixels right", ax=ax)
    figure.legend(handles=class_handles(CAMVID), loc="outside lower center", ncols=11)
    show_figure(figure, alt="A drawn street, its true mask, and the masks of a network trained on it and of a stranger")

# %% [markdown]
# Sky, road and buildings carry over from photographs; thin things do not. From outside the two networks are used alike, and not by accident.

# %% [markdown]
# ## What you will be able to do
#
# 1. Read any segmenter as encoder, decoder and head, and write down its contract.
# 2. Say where its multiply-adds go, and at which stride.
# 3. Find the holes in a receptive field, and see how far an output does hear.
# 4. Say what pyramids and second paths are for, and what is left of them on a small map.
# 5. Recognise a wrong output stride and misaligned corners by their symptoms.

# %% [markdown]
# ## Predict
#
# At 256 × 512, how many times the multiply-adds of ESPNetv2 does PSPNet take (both as published)? And: DABNet's deepest map has stride 8; its blocks
# have dilations up to 16. How many input pixels, along one axis, can one of its outputs hear? Put numbers in place of `None`.

# %%
predict("04.pspnet", None, unit="times")

# %%
predict("04.reach", None, unit="pixels")

# %% [markdown]
# ## One contract
#
# Idea: cut every network at the same two places.
#
# $$\text{image} \xrightarrow{\text{encoder}} (f_1, \dots, f_n) \xrightarrow{\text{decoder and head}} (\text{logits}, \text{features}) \xrightarrow{\text{resize}} \text{output}$$
#
# Shapes: image (N, 3, H, W); map i (N, Cᵢ, ⌈H/sᵢ⌉, ⌈W/sᵢ⌉); logits (N, K, h, w). In training PSPNet and BiSeNet add *auxiliary* logits of inner maps, each for a loss of its own. In the kit: `forward_features`, `forward_head`, and a handful of announced numbers (`dsrl_lab/models/base.py`).

# %%
with meta_device():  # no memory for weights, nothing is computed: shapes and costs come for free
    HOSTS = {
        "ESPNetv2": ESPNetv2(19),
        "DeepLabv3+": DeepLabv3Plus(19),
        "PSPNet": PSPNet(19),
        "BiSeNet": BiSeNet(19),
        "DABNet": DABNet(19),
    }
print(f"{'':10} {'channels of the maps':22} {'their strides':15} features at  logits at")
for name, host in HOSTS.items():
    channels, strides = (
        " ".join(map(str, numbers)) for numbers in (host.spec.feature_channels, host.spec.feature_strides)
    )
    print(f"{name:10} {channels:22} {strides:15} {host.spec.head_stride:11}  {host.spec.logits_stride:9}")

# %% [markdown]
# Read a row aloud: "DABNet gives maps at strides 2, 4, 8, and decides at stride 8." The announced numbers are all that DSRL asks: SISR reads the maps, affinity the
# *features* before the classifier, SSSR the logits. So: 19 class maps do not enter affinity; the features do.
#
# ### Exercise 04.1 · how large is each map?
# *Easy · useful · 5 minutes.* 90 × 120 is no power of two. A halving of 45 rows is what?


# %%
def map_sizes(height: int, width: int, strides: list[int]) -> list[tuple[int, int]]:
    """Sizes of an encoder's maps, when every halving rounds up.

    A 3x3 convolution with stride 2 and padding 1 does so.

    Args:
        height: of the input, in pixels; any.
        width: of the input, in pixels; any.
        strides: of the maps against the input, powers of two: [2, 4, 8, 16].

    Returns:
        (H, W) of each map.

    Example:
        >>> map_sizes(90, 120, [2, 4, 8])
        [(45, 60), (23, 30), (12, 15)]
    """
    raise NotImplementedError


check("04.1", map_sizes)

# %%
hint("04.1") + solution("04.1")

# %% [markdown]
# ## Where the multiply-adds go
#
# A convolution with C channels in and out at stride s costs about 9C²·HW/s². Doubling the channels as the sides halve keeps the cost level; dilated
# encoders stop halving and go on doubling, and pay for it. Count it: every layer by the stride at which it works, and the encoder apart from the rest.


# %%
def spending(host: nn.Module, size: tuple[int, int] = (256, 512)) -> dict[int, int]:
    """Multiply-adds of all layers by the stride of what they give (32: that or coarser)."""
    stride: dict[str, float] = {}
    hooks = [
        layer.register_forward_hook(lambda _, __, out, name=name: stride.update({name: size[0] / out.shape[-2]}))
        for name, layer in host.named_modules()
        if isinstance(layer, nn.Conv2d)
    ]
    macs = complexity(host, size).macs_by_layer
    for hook in hooks:
        hook.remove()
    totals = dict.fromkeys((2, 4, 8, 16, 32), 0)
    for name, count in macs.items():
        totals[min(totals, key=lambda s: abs(s - stride[name]))] += count
    return totals


class EncoderAlone(nn.Module):
    def __init__(self, host: nn.Module) -> None:
        super().__init__()
        self.host = host

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return self.host.forward_features(image)


# %%
spent = {name: spending(host) for name, host in HOSTS.items()}
encoding = {name: complexity(EncoderAlone(host), (256, 512)).macs for name, host in HOSTS.items()}
total = {name: complexity(host, (256, 512)) for name, host in HOSTS.items()}
for name, cost in total.items():
    assert sum(spent[name].values()) == cost.macs
    row = f"{name:10} {cost.parameters / 1e6:6.2f} M parameters {cost.macs / 1e9:6.2f} G MACs"
    print(f"{row}, {encoding[name] / cost.macs:4.0%} in the encoder")
reveal("04.pspnet", total["PSPNet"].macs / total["ESPNetv2"].macs, unit="times")

# %%
STRIDE_COLORS = {2: BLUE, 4: ORANGE, 8: GREEN, 16: PURPLE, 32: GREY}
HATCHES = {2: "", 4: "///", 8: "...", 16: "\\\\\\", 32: "xx"}

with theme():
    figure = new_figure(12, 3.3)
    left, right = figure.subplots(1, 2, sharey=True)
    for place, name in enumerate(HOSTS):
        macs, parameters = total[name].macs / 1e9, total[name].parameters / 1e6
        left.barh(place, macs, 0.6, color=faded(BLUE), edgecolor=BLUE)
        left.text(macs * 1.1, place, f"{macs:.2f} G, {parameters:.1f} M parameters", va="center", fontsize=8.5)
        before = 0.0
        for stride, count in spent[name].items():
            share, color = 100 * count / total[name].macs, STRIDE_COLORS[stride]
            label = f"stride {stride}" if place == 0 else None
            right.barh(
                place, share, 0.6, before, color=faded(color), edgecolor=color, hatch=HATCHES[stride], label=label
            )
            before += share
    left.set(yticks=range(5), yticklabels=list(HOSTS), xscale="log", xlim=(0.3, 4000), xlabel="MACs at 256 × 512 (G)")
    left.set_title("what it costs (logarithmic)")
    right.set(xlabel="share of the MACs (%)", title="at which stride it is spent", xlim=(0, 100))
    right.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=5)
    left.invert_yaxis()
    show_figure(figure, alt="Bars: cost of five hosts on a logarithmic axis, and at which stride each spends it")

# %% [markdown]
# Three ways to spend: DeepLabv3+ and PSPNet keep a deep, wide encoder at stride 16 or 8 by dilation. BiSeNet lets it go down to 32 and pays for a second path.
# ESPNetv2 and DABNet are cheap by *grouped* filters: little work per position, many positions.
#
# **Paper against ours.** ESPNetv2 of width 2 with 20 outputs: 674.78 M [A]; 674.46 M by our count:

# %%
with meta_device():
    released = ESPNetv2(20, width=2.0)
print(f"ours {complexity(released, (256, 512)).macs / 1e6:.2f} M MACs; the authors call their number FLOPs")

# %% [markdown]
# ## ESPNetv2: cheap branches of many dilations
#
# An EESP unit splits its channels into branches, lets each look with its own dilation, and adds them up from near to far, so that no gaps are left between the taps. The
# decoder joins four maps and pools a pyramid after each. Light, but no library is fast at it: thin layers keep a processor waiting.

# %%
dilations: dict[str, list[int]] = {}
for name, layer in HOSTS["ESPNetv2"].named_modules():
    if isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels > 1 and layer.kernel_size == (3, 3):
        dilations.setdefault(name.split(".")[0], []).append(layer.dilation[0])
for stage in ("down4", "stage8", "stage16"):
    print(f"{stage:8} depthwise filters, dilations: {dilations.get(stage, [])[:12]} ...")

# %% [markdown]
# ## DeepLabv3+: one map, looked at from five distances
#
# ASPP puts side by side a 1 × 1, three 3 × 3 with dilations 6, 12, 18, and the picture's average; a shallow map is joined for detail. The dilations were chosen
# for crops of 513 pixels: a deep map of 33 × 33. DSRL halves the input. What is left of dilation 18 on a map of 16 × 32?

# %%
for size in ((256, 512), (512, 1024), (1024, 2048)):
    shares = []
    for dilation in HOSTS["DeepLabv3+"].pyramid.dilated:
        d, ones = dilation[0].dilation[0], torch.ones(1, 1, size[0] // 16, size[1] // 16)
        inside = F.conv2d(ones, torch.full((1, 1, 3, 3), 1 / 9), padding=d, dilation=d).mean()
        shares.append(f"dilation {d:2}: {float(inside):.0%}")
    print(
        f"input {size[0]:4} x {size[1]:4}   taps that fall inside the map:",
        "   ".join(shares),
    )

# %% [markdown]
# At the paper's input size four of five taps of the largest branch multiply zeros: it is nearly a 1 × 1 convolution at nine times its price.
#
# ### Exercise 04.2 · taps inside the map
# *Some thought · useful · 10 minutes.* No convolution needed: one share for the rows, one for the columns, and a product.


# %%
def taps_inside(height: int, width: int, dilation: int) -> float:
    """Share of a dilated 3x3 convolution's taps that fall inside the map.

    It is the mean over all positions. The convolution has stride 1 and padding
    ``dilation``: output and input have one size, and taps outside meet zeros.

    Args:
        height: of the map, in positions.
        width: of the map, in positions.
        dilation: how far the taps stand apart.

    Returns:
        A share in [1/9, 1].

    Example:
        >>> round(taps_inside(16, 32, 18), 3)  # DeepLab's largest, a 256 x 512 picture
        0.208
    """
    raise NotImplementedError


check("04.2", taps_inside)

# %%
hint("04.2") + solution("04.2")

# %% [markdown]
# ## PSPNet: the whole picture, in a few words
#
# Averages over 1, 2, 3 and 6 bins per side are put beside the map. What can a network learn from bins? On the picture itself one sees what survives: "bright above,
# dark below, something red on the left". That is context: it cannot draw an outline, but it knows where sky belongs.

# %%
with theme():
    figure = new_figure(12, 2.3)
    axes = figure.subplots(1, 5)
    show_image(scene.image, title="the street", ax=axes[0])
    for ax, bins in zip(axes[1:], (6, 3, 2, 1), strict=True):
        show_image(
            F.adaptive_avg_pool2d(scene.image, bins),
            title=f"{bins} × {bins} bins",
            crisp=True,
            ax=ax,
        )
        ax.set_aspect(3 / 4)
    show_figure(figure, alt="A street averaged over six, three, two and one bin per side")

# %% [markdown]
# ### Exercise 04.3 · bins
# *Some thought · useful · 10 minutes.* Six bins on 16 rows: no row may be left out, and 16 is no multiple of 6.


# %%
def pool_bins(features: Tensor, bins: int) -> Tensor:
    """Average a map over bins x bins regions, as PSPNet's pyramid does.

    Do not use ``adaptive_avg_pool2d``. Region i of a side of length L begins at row
    floor(i * L / bins) and ends before row ceil((i + 1) * L / bins), so that no row is
    left out; where L is no multiple of bins, neighbours share a row.

    Shape:
        - features: (N, C, H, W), H and W at least ``bins``
        - output: (N, C, bins, bins)

    Example:
        >>> row = [1.0, 2.0, 6.0]  # the middle column counts twice
        >>> pool_bins(torch.tensor([[[row, row]]]), 2)
        tensor([[[[1.5000, 4.0000],
                  [1.5000, 4.0000]]]])
    """
    raise NotImplementedError


check("04.3", pool_bins)

# %%
hint("04.3") + solution("04.3")

# %% [markdown]
# ## BiSeNet and DABNet: two paths, or no decoder
#
# BiSeNet keeps detail on a short *spatial path* (three strided convolutions, stride 8) while a ResNet-18 gathers context down to stride 32; attention weighs
# the channels, a fusion joins both. DABNet has no decoder at all: its last map, at stride 8, is the features; a 1 × 1 convolution classifies it.

# %%
for name in ("BiSeNet", "DABNet"):
    parts: dict[str, int] = {}
    for layer, macs in total[name].macs_by_layer.items():
        parts[layer.split(".")[0]] = parts.get(layer.split(".")[0], 0) + macs
    largest = sorted(parts, key=parts.get, reverse=True)[:5]
    print(
        f"{name:8}",
        ", ".join(f"{part} {parts[part] / total[name].macs:.0%}" for part in largest),
    )

# %% [markdown]
# ## How far does one output hear?
#
# The **receptive field** is what *can* change an output; 01 computed its width from kernels, strides and dilations. But a field can be wide and full of holes:
# two layers with dilation 2 hear every other pixel. Dilations that grow from 1, or branches added up from near to far, leave none.

# %% [markdown]
# ### Exercise 04.4 · gaps
# *Some thought · the heart of the notebook · 12 minutes.* Follow one output back through the layers and collect the positions it meets.


# %%
def gaps(dilations: list[int]) -> int:
    """Positions of the receptive field, along one axis, that a stack never sees.

    The stack is of dilated 3-tap convolutions. Stride is 1 throughout. An output sees
    a position if some choice of one tap per layer leads to it.

    Args:
        dilations: of the convolutions, first to last.

    Example:
        >>> gaps([2, 2])  # sees -4, -2, 0, 2, 4 and nothing between
        4
        >>> gaps([1, 2])
        0
    """
    raise NotImplementedError


check("04.4", gaps)

# %%
hint("04.4") + solution("04.4")

# %% [markdown]
# What can be heard is not what *is* heard. Ask with gradients: how much does each input pixel move the features behind one output position? Untrained networks (small
# encoders where there is a choice), the street as input, and two controls: a network of 1 × 1 convolutions, which must hear one pixel, and six plain 3 × 3.


# %%
def heard(network: nn.Module, image: Tensor) -> Tensor:
    """Magnitude of d(features at the middle) / d(pixel), (H, W), largest 1."""
    x = normalise(image[None]).requires_grad_()
    maps = (
        network(x) if isinstance(network, nn.Sequential) else network.forward_head(network.forward_features(x)).features
    )
    middle = maps[0, :, maps.shape[-2] // 2, maps.shape[-1] // 2]
    (gradient,) = torch.autograd.grad(middle, x, torch.randn(middle.shape))
    return gradient[0].abs().sum(0) / gradient.abs().sum(1).max()


def plain(kernel_size: int) -> nn.Sequential:
    layers = [nn.Conv2d(3, 16, kernel_size, padding="same"), nn.ReLU()]
    for _ in range(5):
        layers += [nn.Conv2d(16, 16, kernel_size, padding="same"), nn.ReLU()]
    return nn.Sequential(*layers)


untrained = {
    "six 1 × 1 (control)": plain(1),
    "six 3 × 3 (baseline)": plain(3),
    "DABNet": DABNet(11),
    "ESPNetv2": ESPNetv2(11),
    "DeepLabv3+": DeepLabv3Plus(11, encoder="mobilenet_v2"),
    "PSPNet": PSPNet(11, encoder="resnet18"),
    "BiSeNet": BiSeNet(11),
}
wide = Streets("val", size=(192, 256), length=2)[1].image
ears = {name: heard(network.eval(), wide) for name, network in untrained.items()}

# %%
rows = ears["DABNet"].amax(1).nonzero()
print("DABNet: rows with any gradient at 192 rows of input:", int(rows.max() - rows.min()) + 1)
dabnet = [(3, 2, 1), (3, 1, 1), (3, 1, 1), (3, 2, 1)]  # stem, first halving
dabnet += [layer for d in (2, 2, 2) for layer in ((3, 1, 1), (3, 1, d))] + [(3, 2, 1)]
dabnet += [layer for d in (4, 4, 8, 8, 16, 16) for layer in ((3, 1, 1), (3, 1, d))]
field, jump = 1, 1
for k, s, d in dabnet:
    field, jump = field + (k - 1) * d * jump, jump * s
reveal("04.reach", field, unit="pixels")

# %% [markdown]
# ## The picture to take along
#
# Brightness: how much a pixel is heard, on a scale that lifts faint values (fourth root). In the title: how much of it comes from within 16 pixels of the middle.

# %%
with theme():
    figure = new_figure(13, 4.6)
    axes = figure.subplots(2, 4).flat
    show_image(wide, title="the input", ax=next(axes))
    near = torch.zeros(192, 256, dtype=torch.bool)
    near[96 - 16 : 96 + 17, 128 - 16 : 128 + 17] = True
    for name, map_ in ears.items():
        ax = next(axes)
        ax.imshow(map_.pow(0.25), cmap="magma", vmin=0, vmax=1)
        share = float(map_[near].sum() / map_.sum())
        ax.set_title(f"{name}: {share:.0%} near")
        ax.set_axis_off()
    show_figure(
        figure,
        alt="For seven networks, how strongly each input pixel reaches the middle output: a dot, a blob, the whole picture",
    )

# %% [markdown]
# The control is a dot: the method measures what it should. DABNet's dilations leave islands: a wide field with gaps, as in the exercise. DeepLabv3+ speaks, as long as it is untrained,
# mostly through its shallow map; its pyramid is there, faintly. PSPNet and BiSeNet hear the whole picture. Training moves all this; the architecture bounds it.

# %% [markdown]
# ## Try it
#
# One knob: `real`. Fetch CamVid (`dsrl-lab data fetch camvid`), set it to True, and see both networks on a photograph: who is the stranger now?

# %%
real = False
picture = scene
if real:
    from dsrl_lab.datasets.camvid import CamVid

    picture = CamVid(lab.root / "data" / "CamVid", "val")[0]
strangers = {"TinyNet": (tinynet, (90, 120)), "ESPNetv2": (espnet, (180, 240))}
for name, (network, size) in strangers.items():
    mask = predict_mask(network, picture.image, input_size=size)
    right = (mask == picture.mask)[picture.mask != 255].float().mean()
    print(f"{name:9} on {picture.name}: {float(right):.0%} of pixels right")

# %% [markdown]
# ## Break it: a wrong output stride
#
# The trained TinyNet halves three times. Take its last stride away, as one does for a finer map; nothing complains, all shapes fit. Each later filter now sees half as far as it
# learnt to; dilation would give the reach back (01). Turn `DEFECT`.

# %%
DEFECT = "stride taken away"  # the switch: or "stride taken away, dilated in exchange", or "as trained"


def with_last_stride(network: nn.Module, defect: str) -> nn.Module:
    network = copy.deepcopy(network)
    if defect != "as trained":
        network.stage8[0][0].stride = (1, 1)
    if "dilated" in defect:
        for layer in network.stage8[1:].modules():
            if isinstance(layer, nn.Conv2d):
                layer.dilation = layer.padding = tuple(2 * d for d in layer.dilation)
    return network


for defect in dict.fromkeys((DEFECT, "as trained", "stride taken away", "stride taken away, dilated in exchange")):
    broken = with_last_stride(tinynet, defect)
    result = evaluate_segmentation(broken, streets, input_size=(90, 120))
    cost = complexity(broken, (90, 120)).macs / 1e6
    scores = f"mIoU {100 * result.miou:.1f} %  thin classes {100 * result.thin_miou:.1f} %"
    print(f"{defect:38} {scores}  {cost:5.1f} M MACs")

# %% [markdown]
# Symptom to recognise: a checkpoint loads strictly, every shape fits, the finer map costs more, and the score *falls*. Dilation in exchange brings it back
# within noise, which is the control. It does not rise, though: a finer deep map does not by itself know more.
#
# ## Break it: corners
#
# Two libraries enlarge maps differently. Take a **perfect** host (the true mask, averaged to its stride), enlarge its answer both ways, and look at what is lost.

# %%
print("share of pixels right      edges on edges   centres on centres (align_corners=True)")
for stride in (4, 8, 16):
    right = {False: 0.0, True: 0.0}
    for number in range(len(streets)):
        mask = streets[number].mask
        perfect = F.one_hot(mask, 11).permute(2, 0, 1)[None].float()
        small = F.avg_pool2d(perfect, stride, ceil_mode=True, count_include_pad=False)
        for align in right:
            answer = F.interpolate(small, size=mask.shape, mode="bilinear", align_corners=align).argmax(1)[0]
            right[align] += float((answer == mask).float().mean()) / len(streets)
    print(f"a perfect host, stride {stride:2}  {right[False]:14.1%}   {right[True]:18.1%}")

# %% [markdown]
# Symptom to recognise: outlines slide outwards or inwards, nothing in the middle, most at the borders, up to half a step of the small map: a loss that looks like "the network is a bit
# worse". Trained so, a network adapts; so ask what the weights were trained with. (ESPNetv2's release: True.)
#
# ### Exercise 04.5 · where does the large map look?
# *Some thought · useful · 8 minutes.* Pixels are squares. Decide what lies on what: outer edges, or corner centres.


# %%
def source_position(index: int, small: int, large: int, align_corners: bool) -> float:
    """Where on the small map bilinear enlargement looks for one output position.

    Only positions away from the border are asked for. Pixels are squares. With
    ``align_corners=False`` the outer edges of both maps lie on each other; with True
    the centres of the corner pixels do. Positions count pixels from the centre of the
    first one: 0, 1, 2, ...

    Args:
        index: of the output, 0 to large - 1.
        small: side of the map that comes in.
        large: side of the map that goes out, at least 2.
        align_corners: as PyTorch's ``interpolate`` has it.

    Example:
        >>> source_position(8, 4, 16, align_corners=False)
        1.625
        >>> round(source_position(8, 4, 16, align_corners=True), 3)
        1.6
    """
    raise NotImplementedError


check("04.5", source_position)

# %%
hint("04.5") + solution("04.5")

# %% [markdown]
# ## Limits
#
# - Costs are counted, accuracy is not compared: the five hosts are not trained here. `dsrl-lab bench networks` times them on your machine.
# - Multiply-adds are not seconds: grouped and depthwise filters run far below a processor's peak.
# - Receptive fields are of untrained networks on one picture.
# - The perfect host bounds what a stride loses; real hosts are far from it (05).

# %% [markdown]
# ## Five questions to take along
#
# 1. Which three things does `forward_head` give, and who reads each?
# 2. Why does a dilated encoder cost so much more than a strided one?
# 3. What can global pooling tell a pixel, and what can it not?
# 4. Your finer map scores lower, without any error. What do you look at first?
# 5. Whose corners are aligned: those of the pixels' centres, or of their edges?

# %% [markdown]
# ## Words and sources
#
# **encoder** 编码器, **decoder** 解码器, **head** 头, **stride** 步幅, **receptive field** 感受野, **dilation** 膨胀率, **pyramid pooling** 金字塔池化.
#
# - Mehta et al., ESPNetv2, CVPR 2019. Chen et al., DeepLabv3+, ECCV 2018. Zhao et al., PSPNet, CVPR 2017. Yu et al., BiSeNet, ECCV 2018. Li et al., DABNet, BMVC 2019.
# - Luo et al., Understanding the effective receptive field, NeurIPS 2016.
# - In the kit: each file under `dsrl_lab/models/` opens with its source and its deviations.
