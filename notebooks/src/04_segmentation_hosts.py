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
# # 04 · Five hosts, one question
#
# **Claim.** A segmenter must see far, and still draw small things. Five hosts answer this in five ways. All five keep one contract:
# an encoder makes maps, a head makes logits of them. DSRL needs no more than that.
#
# Measured: about 10 seconds of CPU time on one core, 1.3 GB of memory at most. Data: drawn streets; two small networks that come with the kit
# (`data/checkpoints`). Needs: 01, 03. No internet, no GPU.

# %% [markdown] lang="zh" of="b910ac1f"
# # 04 · 五个宿主网络，一个问题
#
# **主张。** 分割网络既要看得远，又要画得出细小的东西。五个宿主网络有五种答案，却遵守同一个约定：编码器生成特征图，头再把特征图变成 logits（未归一化得分）。DSRL 需要的也只有这些。
#
# 实测：单核约 10 秒 CPU 时间，内存最多 1.3 GB。数据：合成街景，以及本套件自带的两个小网络（`data/checkpoints`）。先修：01、03。不需要联网，也不需要 GPU。

# %%
from dsrl_lab.course.notebook import show_figure, start

lab = start()

# %% jupyter={"source_hidden": true}
import copy

import torch
from IPython.display import display
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab import DecodedSamples, DensePredictor, ESPNetv2, Streets, evaluate_segmentation, load_task_model
from dsrl_lab.complexity import complexity
from dsrl_lab.course.exercises import check, hint, predict, reveal, solution
from dsrl_lab.course.table import Table
from dsrl_lab.datasets.class_tables import CAMVID
from dsrl_lab.datasets.transforms import normalise
from dsrl_lab.models.segmentation.bisenet import BiSeNet
from dsrl_lab.models.segmentation.dabnet import DABNet
from dsrl_lab.models.segmentation.deeplabv3plus import DeepLabv3Plus
from dsrl_lab.models.segmentation.pspnet import PSPNet
from dsrl_lab.plots.masks import class_handles, show_image, show_mask
from dsrl_lab.plots.theme import faded, new_figure, theme
from dsrl_lab.results.shapes import meta_device
from dsrl_lab.rows import BLUE, GREEN, GREY, ORANGE, PURPLE
from dsrl_lab.training.evaluate import predict_mask

# %% [markdown]
# ## Five answers in one drawing
#
# Read each line from left to right. A block is a map: its height shows the sides, its width the channels. Blue: the encoder's maps. Orange: the
# idea that lets the host see far. Green: the features before the classifier, and the logits. Which host keeps the tallest last map? Which one
# goes deepest?

# %% [markdown] lang="zh" of="b356c3d9"
# ## 一图看懂五种答案
#
# 每一行从左往右读。一个方块是一张特征图：高度表示边长，宽度表示通道数。蓝色：编码器的特征图。橙色：让宿主网络看得远的办法。绿色：分类器之前的特征，以及 logits。哪个宿主网络最后的特征图最高？哪个走得最深？

# %% jupyter={"source_hidden": true}
with meta_device():  # no memory for weights, nothing is computed: shapes and costs come for free
    five = {"ESPNetv2": ESPNetv2, "DeepLabv3+": DeepLabv3Plus, "PSPNet": PSPNet, "BiSeNet": BiSeNet, "DABNet": DABNet}
    HOSTS: dict[str, DensePredictor] = {name: build(19) for name, build in five.items()}
IDEAS = {
    "ESPNetv2": "go down to 1/16,\ncome back in three steps",
    "DeepLabv3+": "five distances side by side,\nplus one shallow map",
    "PSPNet": "averages over\n1, 2, 3 and 6 bins",
    "BiSeNet": "one path for detail,\none for context",
    "DABNet": "no decoder: dilations\ngrow from 2 to 16",
}


def draw_host(ax: object, y: float, name: str, host: DensePredictor) -> None:
    """One line: the encoder's maps, the idea, the features, the logits, by the host's own numbers."""
    spec, x = host.spec, 1.6
    blocks = [(c, s, BLUE) for c, s in zip(spec.feature_channels, spec.feature_strides, strict=True)]
    blocks += [None, (spec.head_channels, spec.head_stride, GREEN), (spec.num_classes, spec.logits_stride, GREEN)]
    ax.text(0, y, name, va="center", fontsize=11, weight="bold")
    for block in blocks if len(blocks) == 7 else [*blocks[:-3], *[()] * (7 - len(blocks)), *blocks[-3:]]:
        if block is None:
            look = {"boxstyle": "round,pad=0.4", "facecolor": faded(ORANGE, 0.25), "edgecolor": ORANGE}
            ax.text(x + 0.7, y, IDEAS[name], ha="center", va="center", fontsize=9, bbox=look)
            x += 1.5
        elif block:
            channels, stride, color = block
            width, height = 0.016 * channels**0.5, 0.9 * (2 / stride) ** 0.6
            ax.bar(x, height, width, y - height / 2, color=faded(color, 0.35), edgecolor=color)
            ax.text(x, y - height / 2 - 0.04, f"{channels} at 1/{stride}", ha="center", va="top", fontsize=8)
        x += 1.1


# %% jupyter={"source_hidden": true}
with theme():
    figure = new_figure(11.5, 6.6)
    ax = figure.add_subplot()
    for number, (name, host) in enumerate(HOSTS.items()):
        ax.plot([1.3, 9.9], [-1.4 * number] * 2, color=GREY, linewidth=0.8, zorder=0)
        draw_host(ax, -1.4 * number, name, host)
        ax.axhline(-1.4 * number - 0.82, color=GREY, linewidth=0.4)
    for x, title in ((3.0, "encoder"), (6.75, "idea"), (8.65, "features"), (9.75, "logits")):
        ax.text(x, 0.75, title, ha="center", weight="bold", color=GREY)
    ax.set(xlim=(0, 10.3), ylim=(-6.5, 1))
    ax.set_axis_off()
    show_figure(
        figure, alt="Five hosts as one line each: encoder maps by stride and channels, the idea, features, logits"
    )

# %% [markdown]
# Same ends, five ideas between them. Each section takes one idea and asks: how does it see far? What does it cost? What happens when DSRL
# halves the picture?
#
# ## What you will be able to do
#
# 1. Read any segmenter as encoder, decoder and head.
# 2. Say where its multiply-adds go, and at which stride.
# 3. Find the gaps in a receptive field.
# 4. Say what is left of pyramids on a small map.
# 5. Recognise a wrong output stride and misaligned corners.

# %% [markdown] lang="zh" of="44faf760"
# 两头相同，中间是五种办法。下面每节讲一种办法，问三件事：它怎样看得远？代价是多少？DSRL 把图像缩小一半时会怎样？
#
# ## 学完之后，你能
#
# 1. 把任何分割网络拆成编码器、解码器和头来理解。
# 2. 说出它的乘加花在哪里、花在哪个步幅上。
# 3. 找出感受野中的空隙。
# 4. 说出金字塔在小特征图上还剩下什么。
# 5. 认出错误的输出步幅和没有对齐的角点。

# %% [markdown]
# ## Predict
#
# At 256 × 512, how many times the multiply-adds of ESPNetv2 does PSPNet take (both as published)? And: DABNet's deepest map has stride 8; its blocks
# have dilations up to 16. On a picture as large as you like, how many input pixels, along one axis, can reach one of its outputs? Put numbers in place of `None`.

# %% [markdown] lang="zh" of="45db2c92"
# ## 先猜一猜
#
# 输入为 256 × 512 时，PSPNet 的乘加次数是 ESPNetv2 的几倍（二者均按论文配置）？还有：DABNet 最深的特征图步幅为 8，各模块的膨胀率最大为 16。假设图像足够大，只看一个方向，有多少个输入像素能够影响它的一个输出？把 `None` 换成你猜的数。

# %%
display(predict("04.pspnet", None, unit="times"), predict("04.reach", None, unit="pixels"))

# %% [markdown]
# ## The problem: a 3 × 3 window sees three pixels
#
# A grey patch may be road, wall or sky. To decide, a network must see what is around it. Six plain 3 × 3 convolutions see 13 pixels: not enough.
# There are three ways out. Make the map smaller, spread the taps, or average over large regions. Each loses something small on the way, and each
# host has its own way to get it back. DSRL makes the task harder: the picture arrives at half its size.

# %% [markdown] lang="zh" of="0371442c"
# ## 难题：3 × 3 的窗口只看得到三个像素
#
# 一块灰色可能是道路、墙或天空。要作出判断，网络必须看到周围有什么。六个普通的 3 × 3 卷积只看得到 13 个像素，不够。出路有三条：缩小特征图，拉开采样点，或者在大区域上求平均。每条路都会丢掉一些细小的东西，每个宿主网络也各有办法把它们找回来。DSRL 让任务更难：图像进来时，边长就只剩一半。

# %% [markdown]
# ## One contract
#
# $$\text{image} \xrightarrow{\text{encoder}} (f_1, \dots, f_n) \xrightarrow{\text{decoder and head}} (\text{logits}, \text{features}) \xrightarrow{\text{resize}} \text{output}$$
#
# In words: the image becomes maps, the maps become features and logits, the logits are resized. Image (N, 3, H, W); map i (N, Cᵢ, ⌈H/sᵢ⌉, ⌈W/sᵢ⌉); logits (N, K, h, w).
# In the kit the two steps are `forward_features` and `forward_head`, and a `spec` holds the numbers (`dsrl_lab/models/base.py`).

# %% [markdown] lang="zh" of="bc83443b"
# ## 同一个约定
#
# $$\text{image} \xrightarrow{\text{encoder}} (f_1, \dots, f_n) \xrightarrow{\text{decoder and head}} (\text{logits}, \text{features}) \xrightarrow{\text{resize}} \text{output}$$
#
# 也就是说：编码器把图像变成特征图，解码器和头把特征图变成特征和 logits，最后把 logits 缩放到输出尺寸。图像 (N, 3, H, W)；第 i 张特征图 (N, Cᵢ, ⌈H/sᵢ⌉, ⌈W/sᵢ⌉)；logits (N, K, h, w)。在本套件里，这两步是 `forward_features` 和 `forward_head`，各项数值记在 `spec` 中（`dsrl_lab/models/base.py`）。

# %%
rows = [
    {
        "host": name,
        "channels of the maps": ", ".join(map(str, host.spec.feature_channels)),
        "their strides": ", ".join(map(str, host.spec.feature_strides)),
        "features at stride": host.spec.head_stride,
        "logits at stride": host.spec.logits_stride,
    }
    for name, host in HOSTS.items()
]
Table(rows, "The contract of each host")

# %% [markdown]
# Read a row aloud: "DABNet gives maps at strides 2, 4, 8, and decides at stride 8." DSRL reads all three: SISR the maps, affinity the
# *features* before the classifier, SSSR the logits. The 19 class maps do not enter affinity.
#
# ### Exercise 04.1 · how large is each map?
# *Easy · useful · 5 minutes.* Neither 90 nor 120 is a power of two. What is half of 45 rows?

# %% [markdown] lang="zh" of="4250a9fd"
# 把其中一行念出来：“DABNet 给出步幅为 2、4、8 的特征图，在步幅 8 上作决定。”DSRL 三样都要读：SISR 读特征图，特征亲和读分类器之前的*特征*，SSSR 读 logits。19 张类别图不参与特征亲和。
#
# ### 练习 04.1 · 每张特征图有多大？
# *简单 · 建议做 · 5 分钟。* 90 和 120 都不是二的幂。45 行的一半是多少？


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
# ## First answer: go down, come back (ESPNetv2)
#
# Halve the map four times: at stride 16 a 3 × 3 window covers 48 pixels. Inside, each EESP unit splits its channels into branches with different
# dilations and adds them up from near to far. On the way back the decoder joins one shallow map after the other, and so finds the small things again.

# %% [markdown] lang="zh" of="e8b24429"
# ## 答案一：先下去，再回来（ESPNetv2）
#
# 把特征图减半四次：在步幅 16 上，3 × 3 的窗口覆盖 48 个像素。每个 EESP 单元把通道分给几条支路，各支路的膨胀率不同，再由近及远逐级相加。往回走时，解码器逐张并入浅层特征图，细小的东西就这样找了回来。

# %%
dilations: dict[str, list[int]] = {}
for name, layer in HOSTS["ESPNetv2"].named_modules():
    if isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels > 1 and layer.kernel_size == (3, 3):
        dilations.setdefault(name.split(".")[0], []).append(layer.dilation[0])
of_stages = {stage: ", ".join(map(str, dilations[stage][:8])) for stage in ("down4", "stage8", "stage16")}
Table({"stage": list(of_stages), "dilations of its first filters": list(of_stages.values())}, "Branches of ESPNetv2")

# %% [markdown]
# ## What does it cost to stay fine?
#
# A convolution with C channels in and out at stride s takes about 9C²·HW/s² multiply-adds. To double the channels while the sides halve keeps the cost
# level. A dilated encoder doubles the channels and does *not* halve the sides. Count it: every layer, by the stride at which it works.

# %% [markdown] lang="zh" of="eb309851"
# ## 保持精细要付出什么代价？
#
# 在步幅 s 上，输入和输出都是 C 个通道的卷积约需 9C²·HW/s² 次乘加。通道数加倍而边长减半，开销不变。用空洞卷积的编码器让通道数加倍，边长却*不*减半。数一数就知道：把每一层的乘加按它所在的步幅归类。


# %% jupyter={"source_hidden": true}
def macs_by_stride(host: nn.Module, size: tuple[int, int] = (256, 512)) -> dict[int, int]:
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
by_stride = {name: macs_by_stride(host) for name, host in HOSTS.items()}
total = {name: complexity(host, (256, 512)) for name, host in HOSTS.items()}
encoding = {name: complexity(EncoderAlone(host), (256, 512)).macs for name, host in HOSTS.items()}
assert all(sum(by_stride[name].values()) == total[name].macs for name in HOSTS)
columns = {
    "host": list(HOSTS),
    "parameters (M)": [cost.parameters / 1e6 for cost in total.values()],
    "MACs (G)": [cost.macs / 1e9 for cost in total.values()],
    "in the encoder (%)": [100 * encoding[name] / total[name].macs for name in HOSTS],
}
display(Table(columns, "Cost at 256 × 512", digits={"in the encoder (%)": 0}))
reveal("04.pspnet", total["PSPNet"].macs / total["ESPNetv2"].macs, unit="times")

# %% jupyter={"source_hidden": true}
STRIDES = {2: (BLUE, ""), 4: (ORANGE, "///"), 8: (GREEN, "..."), 16: (PURPLE, "\\\\\\"), 32: (GREY, "xx")}

with theme():
    figure = new_figure(11.5, 3.3)
    left, right = figure.subplots(1, 2, sharey=True)
    for place, name in enumerate(HOSTS):
        macs, before = total[name].macs / 1e9, 0.0
        left.barh(place, macs, 0.6, color=faded(BLUE), edgecolor=BLUE)
        left.text(macs * 1.1, place, f"{macs:.2f} G", va="center")
        for stride, count in by_stride[name].items():
            share, (color, hatch) = 100 * count / total[name].macs, STRIDES[stride]
            look = {"color": faded(color), "edgecolor": color, "hatch": hatch}
            right.barh(place, share, 0.6, before, label=f"stride {stride}" if place == 0 else None, **look)
            before += share
    left.set(yticks=range(5), yticklabels=list(HOSTS), xscale="log", xlim=(0.3, 900), xlabel="MACs at 256 × 512 (G)")
    left.set_title("what it costs (logarithmic)")
    right.set(xlabel="share of the MACs (%)", title="at which stride the work is done", xlim=(0, 100))
    right.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=5)
    left.invert_yaxis()
    show_figure(figure, alt="Bars: cost of five hosts on a logarithmic axis, and the strides at which each works")

# %% [markdown]
# DeepLabv3+ and PSPNet keep a deep, wide encoder at stride 16 or 8: that is what makes them expensive. BiSeNet lets one path go down to 32 and pays for a
# second one. ESPNetv2 and DABNet use *grouped* filters: little work per position, many positions.
#
# **Paper against ours.** ESPNetv2 of width 2 with 20 outputs costs 674.78 M [A]; the authors call it FLOPs. Our count:

# %% [markdown] lang="zh" of="b2049ac8"
# DeepLabv3+ 和 PSPNet 让又深又宽的编码器停在步幅 16 或 8 上，开销因此很大。BiSeNet 让一条路径下降到步幅 32，但还要为另一条路径付出开销。ESPNetv2 和 DABNet 使用*分组*滤波器：每个位置的计算少，位置却多。
#
# **论文与本项目对照。** 宽度为 2、有 20 个输出的 ESPNetv2 需要 674.78 M [A]，作者称之为 FLOPs。我们的计数：

# %%
with meta_device():
    released = ESPNetv2(20, width=2.0)
print(f"{complexity(released, (256, 512)).macs / 1e6:.2f} M MACs")

# %% [markdown]
# ## Second answer: spread the taps (DeepLabv3+)
#
# ASPP looks at one map from five distances at once: a 1 × 1, three 3 × 3 with dilations 6, 12 and 18, and the picture's average. One shallow
# map is added for detail. The dilations were chosen for crops of 513 pixels, a deep map of 33 × 33. DSRL halves the input. What is left of
# dilation 18 on a map of 16 × 32?

# %% [markdown] lang="zh" of="719fbfd0"
# ## 答案二：拉开采样点（DeepLabv3+）
#
# ASPP 同时从五种距离看一张特征图：一个 1 × 1 卷积，三个膨胀率分别为 6、12、18 的 3 × 3 卷积，以及全图平均。再加上一张浅层特征图来补充细节。选择这些膨胀率时，裁剪的边长是 513 像素，最深的特征图是 33 × 33。DSRL 把输入减半。在 16 × 32 的特征图上，膨胀率 18 还剩下什么？

# %%
shares = {"input": ["256 × 512", "512 × 1024", "1024 × 2048"]}
for branch in HOSTS["DeepLabv3+"].pyramid.dilated:
    d, inside = branch[0].dilation[0], []
    for height, width in ((16, 32), (32, 64), (64, 128)):
        nine = torch.full((1, 1, 3, 3), 100 / 9)
        inside.append(float(F.conv2d(torch.ones(1, 1, height, width), nine, padding=d, dilation=d).mean()))
    shares[f"dilation {d}"] = inside
Table(shares, "Taps that fall inside the map (%)", digits=0)

# %% [markdown]
# At the paper's input size four of five taps of the largest branch multiply zeros. It is nearly a 1 × 1 convolution at nine times its price.
#
# ### Exercise 04.2 · taps inside the map
# *Some thought · useful · 10 minutes.* No convolution needed: one share for the rows, one for the columns, and a product.

# %% [markdown] lang="zh" of="16e2ce95"
# 在论文的输入尺寸下，膨胀率最大的支路里，五分之四的采样点乘的都是零。它几乎只是一个 1 × 1 卷积，开销却是九倍。
#
# ### 练习 04.2 · 落在特征图内的采样点
# *需要思考 · 建议做 · 10 分钟。* 用不着卷积：算出行的比例、列的比例，再相乘。


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
# ## Third answer: average (PSPNet)
#
# Averages over 1, 2, 3 and 6 bins per side are put beside the map. Look at a street through such bins: "bright above,
# dark below, something red on the left". That cannot draw an outline, but it knows where sky belongs. A picture of half the size has as many bins, so this
# idea does not mind DSRL's small input. The fine encoder at stride 8 is what costs.

# %% [markdown] lang="zh" of="2bee86b8"
# ## 答案三：求平均（PSPNet）
#
# 把每条边分成 1、2、3、6 格，求出每格的平均值，与特征图拼接在一起。透过这样的格子看街景，只剩下“上面亮，下面暗，左边有点红”。这样画不出轮廓，却知道天空该在哪里。图像小了一半，格子还是那么多，所以这个办法不怕 DSRL 的小输入。开销大的是步幅 8 上的精细编码器。

# %% jupyter={"source_hidden": true}
streets = DecodedSamples(Streets("val", size=(180, 240), length=12))
scene = streets[1]
with theme():
    figure = new_figure(11.5, 2.2)
    axes = figure.subplots(1, 5)
    show_image(scene.image, title="the street", ax=axes[0])
    for ax, bins in zip(axes[1:], (6, 3, 2, 1), strict=True):
        show_image(F.adaptive_avg_pool2d(scene.image, bins), title=f"{bins} × {bins} bins", crisp=True, ax=ax)
        ax.set_aspect(3 / 4)
    show_figure(figure, alt="A street averaged over six, three, two and one bin per side")

# %% [markdown]
# ### Exercise 04.3 · bins
# *Some thought · useful · 10 minutes.* Six bins on 16 rows: no row may be left out, and 16 is no multiple of 6.

# %% [markdown] lang="zh" of="143c4475"
# ### 练习 04.3 · 分格
# *需要思考 · 建议做 · 10 分钟。* 16 行分成 6 格：一行也不能漏，而 16 不是 6 的倍数。


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
# ## Fourth and fifth: two paths (BiSeNet), or no decoder (DABNet)
#
# BiSeNet divides the work. A short *spatial path* (three strided convolutions, stride 8) keeps detail. A ResNet-18 gathers context down to stride 32.
# A fusion joins both. DABNet stops at stride 8, grows its dilations from 2 to 16, and classifies that map at once: it has no way back to pay for. Where
# does each do its work?

# %% [markdown] lang="zh" of="02e187e9"
# ## 答案四和五：两条路径（BiSeNet），或者不要解码器（DABNet）
#
# BiSeNet 让两条路径分工：一条短的*空间路径*（三个步幅卷积，到步幅 8）保留细节，一个 ResNet-18 收集上下文，一直降到步幅 32，最后由融合模块合二为一。DABNet 停在步幅 8，膨胀率从 2 增大到 16，随即对这张特征图分类：没有回程，也就没有回程的开销。它们的计算各花在哪里？

# %%
parts: list[dict[str, object]] = []
for name in ("BiSeNet", "DABNet"):
    of_host: dict[str, int] = {}
    for layer, macs in total[name].macs_by_layer.items():
        of_host[layer.split(".")[0]] = of_host.get(layer.split(".")[0], 0) + macs
    largest = sorted(of_host, key=of_host.get, reverse=True)[:3]
    parts += [{"host": name, "part": part, "share (%)": 100 * of_host[part] / total[name].macs} for part in largest]
Table(parts, "The three most expensive parts", digits=0)

# %% [markdown]
# Dilations have a risk: gaps. Two layers with dilation 2 see every other pixel only. Dilations that grow slowly from 1, such as 1, 2, 4, 8, leave
# none; nor do branches that are added up from near to far.
#
# ### Exercise 04.4 · gaps
# *Some thought · essential · 12 minutes.* Follow one output back through the layers and collect the positions it meets.

# %% [markdown] lang="zh" of="cf7ac64f"
# 空洞卷积有一个风险：留下空隙。连着两个膨胀率为 2 的层，只能隔一个像素看一个。膨胀率从 1 开始慢慢递增，例如 1、2、4、8，或者各支路由近及远相加，就不留空隙。
#
# ### 练习 04.4 · 空隙
# *需要思考 · 本章核心 · 12 分钟。* 从一个输出出发，逐层往回走，收集沿途遇到的位置。


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
# ## What does each host really see?
#
# The receptive field is what *can* change an output. What *does* change it? Ask with gradients: how much does each input pixel move the
# features at the middle? The networks are untrained (small encoders where there is a choice). Two controls: 1 × 1 convolutions, which must see one
# pixel, and six plain 3 × 3.

# %% [markdown] lang="zh" of="a8709fc2"
# ## 每个宿主网络真正看到什么？
#
# 感受野包含所有*可能*改变一个输出的像素。*真正*改变它的是哪些？用梯度来问：每个输入像素使中心处的特征变化多少？这些网络未经训练（有几种编码器可选时，取小的）。另有两个对照：六个 1 × 1 卷积，必定只看到一个像素；六个普通的 3 × 3 卷积。


# %% jupyter={"source_hidden": true}
def influence(network: nn.Module, image: Tensor) -> Tensor:
    """Magnitude of d(features at the middle) / d(pixel), (H, W), largest 1."""
    x, plain_stack = normalise(image[None]).requires_grad_(), isinstance(network, nn.Sequential)
    maps = network(x) if plain_stack else network.forward_head(network.forward_features(x)).features
    middle = maps[0, :, maps.shape[-2] // 2, maps.shape[-1] // 2]
    (gradient,) = torch.autograd.grad(middle, x, torch.randn(middle.shape))
    return gradient[0].abs().sum(0) / gradient.abs().sum(1).max()


def plain(kernel_size: int) -> nn.Sequential:
    layers = [nn.Conv2d(3, 16, kernel_size, padding="same"), nn.ReLU()]
    for _ in range(5):
        layers += [nn.Conv2d(16, 16, kernel_size, padding="same"), nn.ReLU()]
    return nn.Sequential(*layers)


untrained = {"six 1 × 1 (control)": plain(1), "six 3 × 3 (baseline)": plain(3)}
untrained |= {"ESPNetv2": ESPNetv2(11), "DeepLabv3+": DeepLabv3Plus(11, encoder="mobilenet_v2")}
untrained |= {"PSPNet": PSPNet(11, encoder="resnet18"), "BiSeNet": BiSeNet(11), "DABNet": DABNet(11)}
wide = Streets("val", size=(192, 256), length=2)[1].image
seen = {name: influence(network.eval(), wide) for name, network in untrained.items()}

# %%
layers = [(3, 2, 1), (3, 1, 1), (3, 1, 1), (3, 2, 1)]  # DABNet's (kernel, stride, dilation): stem, first halving
layers += [layer for d in (2, 2, 2) for layer in ((3, 1, 1), (3, 1, d))] + [(3, 2, 1)]
layers += [layer for d in (4, 4, 8, 8, 16, 16) for layer in ((3, 1, 1), (3, 1, d))]
field, jump = 1, 1
for kernel, stride, dilation in layers:
    field, jump = field + (kernel - 1) * dilation * jump, jump * stride
reveal("04.reach", field, unit="pixels")

# %% [markdown]
# ## The picture to take along
#
# Brightness: how much a pixel counts, on a scale that lifts faint values (fourth root). In the title: how much of it comes from within 16 pixels
# of the middle.

# %% [markdown] lang="zh" of="f2f4d23b"
# ## 带走这张图
#
# 亮度：一个像素的影响有多大，取四次方根，好让微弱的值也看得见。标题中的百分数：距中心 16 个像素以内的区域所占的份额。

# %% jupyter={"source_hidden": true}
with theme():
    figure = new_figure(11.5, 4.6)
    axes = figure.subplots(2, 4).flat
    show_image(wide, title="the input", ax=next(axes))
    near = torch.zeros(192, 256, dtype=torch.bool)
    near[96 - 16 : 96 + 17, 128 - 16 : 128 + 17] = True
    for name, map_ in seen.items():
        ax = next(axes)
        ax.imshow(map_.pow(0.25), cmap="magma", vmin=0, vmax=1)
        ax.set_title(f"{name}: {float(map_[near].sum() / map_.sum()):.0%} near")
        ax.set_axis_off()
    about = (
        "For seven networks, how strongly each input pixel reaches the middle output: a dot, a blob, the whole picture"
    )
    show_figure(figure, alt=about)

# %% [markdown]
# The control is a dot: the method measures what it should. DABNet's islands are no gaps: its plain 3 × 3 layers fill them, and every pixel has some
# influence, but most of it lies on a few islands. Untrained DeepLabv3+ sees nearly all through its shallow map; what its pyramid adds is too faint for this
# scale. PSPNet and BiSeNet see the whole picture. Training moves all this; the
# architecture limits it.

# %% [markdown] lang="zh" of="0125d213"
# 对照只有一个点：这个方法量的正是该量的东西。DABNet 的一座座“孤岛”之间并不是空隙：普通的 3 × 3 层把空隙填上了，每个像素都有影响，只是大部分影响集中在少数几处。未经训练的 DeepLabv3+ 几乎只靠浅层特征图来看；金字塔的那一份太弱，在这个色标上看不出来。PSPNet 和 BiSeNet 看到整张图像。训练会改变这一切，网络结构则限定它能变到哪里。

# %% [markdown]
# ## Try it: two strangers on one street
#
# TinyNet was trained on drawn streets, ESPNetv2 on *photographs*. One contract, so one line of code serves both. One knob: `real`. Fetch CamVid
# (`dsrl-lab data fetch camvid`), set it to True: who is the stranger now?

# %% [markdown] lang="zh" of="21c9a951"
# ## 动手试试：同一条街，两位来客
#
# TinyNet 用合成街景训练，ESPNetv2 用*照片*训练。约定是同一个，所以一行代码两者通用。可调的只有 `real`。下载 CamVid（`dsrl-lab data fetch camvid`），把它设为 True：这回又是谁人生地不熟？

# %%
real, picture, kept = False, scene, lab.root / "data" / "checkpoints"
tinynet, _ = load_task_model(kept / "streets_tinynet" / "baseline_seed0.safetensors")
espnet, _ = load_task_model(kept / "camvid_espnetv2" / "baseline_seed0.safetensors")
if real:
    from dsrl_lab.datasets.camvid import CamVid

    picture = CamVid(lab.root / "data" / "CamVid", "val")[0]
strangers = {"TinyNet, drawn streets": (tinynet, (90, 120)), "ESPNetv2, photographs": (espnet, (180, 240))}
guesses = {name: predict_mask(net, picture.image, input_size=size) for name, (net, size) in strangers.items()}

# %% jupyter={"source_hidden": true}
with theme():
    figure = new_figure(11.5, 3.3)
    axes = figure.subplots(1, 4)
    show_image(picture.image, title="the street", ax=axes[0])
    show_mask(picture.mask, CAMVID, legend=False, title="the truth", ax=axes[1])
    for ax, (name, mask) in zip(axes[2:], guesses.items(), strict=True):
        right = float((mask == picture.mask)[picture.mask != 255].float().mean())
        show_mask(mask, CAMVID, legend=False, title=f"{name}\n{right:.0%} of pixels right", ax=ax)
    figure.legend(handles=class_handles(CAMVID), loc="outside lower center", ncols=6)
    show_figure(figure, alt="A street, its true mask, and the masks of a network trained on drawings and of a stranger")

# %% [markdown]
# ## Break it: a wrong output stride
#
# The trained TinyNet halves three times. Take its last stride away, as one does for a finer map. Nothing complains, all shapes fit. But each later filter
# now sees half as far as it learnt to. Dilation would give the reach back (01). Set `DEFECT` to another name. What do you expect of the score?

# %% [markdown] lang="zh" of="6404bafe"
# ## 弄坏它：错误的输出步幅
#
# 训练好的 TinyNet 把边长减半三次。去掉最后一个步幅，就像想要更精细的特征图时常做的那样。没有报错，形状都对得上。可是后面的每个滤波器，视野都只有训练时的一半。膨胀率可以把视野补回来（01）。把 `DEFECT` 换成另一个名字。你预计分数会怎样？

# %%
DEFECT = "stride taken away"  # the switch: or "stride taken away, dilated in exchange", or "as trained"


def with_last_stride(network: nn.Module, defect: str) -> nn.Module:
    network = copy.deepcopy(network)
    if defect != "as trained":
        network.stage8[0][0].stride = (1, 1)
    for layer in network.stage8[1:].modules() if "dilated" in defect else ():
        if isinstance(layer, nn.Conv2d):
            layer.dilation = layer.padding = tuple(2 * d for d in layer.dilation)
    return network


lines = []
for defect in dict.fromkeys(("as trained", DEFECT)):
    broken = with_last_stride(tinynet, defect)
    result, cost = evaluate_segmentation(broken, streets, input_size=(90, 120)), complexity(broken, (90, 120)).macs
    scores = {"mIoU (%)": 100 * result.miou, "thin classes (%)": 100 * result.thin_miou, "MACs (M)": cost / 1e6}
    lines.append({"last stride": defect} | scores)
Table(lines, "TinyNet on 12 drawn streets", digits=1)

# %% [markdown]
# Symptom to recognise: a checkpoint loads strictly, every shape fits, the finer map costs more, and the score *falls*. Dilation in exchange, the other
# name, brings nearly all of it back: that is the control. A finer deep map does not by itself know more.
#
# ## Break it: corners
#
# There are two ways to enlarge a map, and libraries differ in their default. Take a **perfect** host: the true mask, averaged to its stride.
# Enlarge its answer both ways. What is lost?

# %% [markdown] lang="zh" of="fb2e4c3c"
# 要认得的症状：检查点严格加载成功，形状处处吻合，特征图更精细，开销更大，分数却*下降*。用膨胀率补偿（换成另一个名字）之后，分数几乎全部恢复：这就是对照。深层特征图更精细，并不等于知道得更多。
#
# ## 弄坏它：角点
#
# 换一个库，放大特征图的方式就可能不同。取一个**完美**的宿主网络：把真值掩码按它的步幅求平均。再用两种方式放大它的答案。损失了什么？

# %%
lines = []
for stride in (4, 8, 16):
    right = {"edges on edges": 0.0, "corner centres on centres": 0.0}
    for number in range(len(streets)):
        mask = streets[number].mask
        perfect = F.one_hot(mask, 11).permute(2, 0, 1)[None].float()
        small = F.avg_pool2d(perfect, stride, ceil_mode=True, count_include_pad=False)
        for align, name in enumerate(right):
            answer = F.interpolate(small, size=mask.shape, mode="bilinear", align_corners=bool(align)).argmax(1)[0]
            right[name] += 100 * float((answer == mask).float().mean()) / len(streets)
    lines.append({"stride": stride} | right)
Table(lines, "Pixels right (%) of a perfect host; centres on centres is align_corners=True", digits=1)

# %% [markdown]
# Symptom to recognise: outlines move outwards or inwards, most at the borders, by up to half a step of the small map. It looks like "the network
# is a bit worse". So ask what the weights were trained with. (ESPNetv2's release: True.)
#
# ### Exercise 04.5 · where does the large map look?
# *Some thought · useful · 8 minutes.* Pixels are squares. Decide what lies on what: outer edges, or corner centres.

# %% [markdown] lang="zh" of="f92576a9"
# 要认得的症状：轮廓向外或向内移动，图像边缘处最明显，最多移动小特征图上的半个像素。看上去只像是“网络稍微差了一点”。所以要问清楚，权重是用哪种方式训练的。（ESPNetv2 发布的权重：True。）
#
# ### 练习 04.5 · 大图从哪里取值？
# *需要思考 · 建议做 · 8 分钟。* 像素是方块。先想好什么与什么重合：是外边缘，还是角点像素的中心。


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
# - The perfect host shows what a stride alone loses; real hosts are far from it (05).

# %% [markdown] lang="zh" of="3b38c632"
# ## 局限
#
# - 这里只计开销，不比准确率：五个宿主网络都没有训练。`dsrl-lab bench networks` 可以在你的机器上给它们计时。
# - 乘加次数不等于秒数：分组滤波器和逐通道滤波器远远达不到处理器的峰值。
# - 感受野只用了未经训练的网络和一张图像。
# - 完美的宿主网络只给出步幅造成的损失；真实的宿主网络离它还很远（05）。

# %% [markdown]
# ## Five questions to take along
#
# <details><summary>1. What does `forward_head` give, and who reads it?</summary>Logits for SSSR, features for affinity. (SISR reads the encoder's maps.)</details>
# <details><summary>2. Why does a dilated encoder cost more than a strided one?</summary>Channels double, sides do not halve: each layer costs four times as much.</details>
# <details><summary>3. What does an average over the picture add?</summary>What kind of scene it is in. Not where an outline runs.</details>

# %% [markdown] lang="zh" of="a7affc65"
# ## 带走五个问题
#
# <details><summary>1. `forward_head` 给出什么，由谁来读？</summary>logits 给 SSSR，特征给特征亲和。（SISR 读编码器的特征图。）</details>
# <details><summary>2. 用空洞卷积的编码器，为什么比用步幅的开销更大？</summary>通道数加倍，边长不减半：每层的开销是四倍。</details>
# <details><summary>3. 全图平均带来什么？</summary>让网络知道这是哪一类场景，但不知道轮廓在哪里。</details>

# %% [markdown]
# <details><summary>4. Your finer map scores lower, without any error. What do you look at first?</summary>Strides and dilations: do the filters still see as far as in training?</details>
# <details><summary>5. What lies on what with `align_corners=True`?</summary>The centres of the corner pixels. With False it is the outer edges.</details>

# %% [markdown] lang="zh" of="0abe5385"
# <details><summary>4. 特征图更精细，分数却更低，又没有任何报错。先查什么？</summary>步幅和膨胀率：滤波器的视野还和训练时一样吗？</details>
# <details><summary>5. `align_corners=True` 时，什么与什么重合？</summary>角点像素的中心。取 False 时，是外边缘。</details>

# %% [markdown]
# ## Words and sources
#
# **encoder** 编码器, **decoder** 解码器, **head** 头, **stride** 步幅, **receptive field** 感受野, **dilation** 膨胀率, **pyramid pooling** 金字塔池化.
#
# - Mehta et al., ESPNetv2, CVPR 2019. Chen et al., DeepLabv3+, ECCV 2018. Zhao et al., PSPNet, CVPR 2017. Yu et al., BiSeNet, ECCV 2018. Li et al., DABNet, BMVC 2019.
# - Luo et al., Understanding the effective receptive field, NeurIPS 2016.
# - In the kit: each file under `dsrl_lab/models/` opens with its source and its deviations.

# %% [markdown] lang="zh" of="fcea4a98"
# ## 术语与出处
#
# **编码器** encoder，**解码器** decoder，**头** head，**步幅** stride，**感受野** receptive field，**膨胀率** dilation，**金字塔池化** pyramid pooling。
#
# - Mehta et al., ESPNetv2, CVPR 2019. Chen et al., DeepLabv3+, ECCV 2018. Zhao et al., PSPNet, CVPR 2017. Yu et al., BiSeNet, ECCV 2018. Li et al., DABNet, BMVC 2019.
# - Luo et al., Understanding the effective receptive field, NeurIPS 2016.
# - 在本套件中：`dsrl_lab/models/` 下的每个文件，开头都写明出处和与原文的差异。
