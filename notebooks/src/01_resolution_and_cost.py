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
# Measured: about half a minute of CPU time on one core, 1.0 GB of memory at most. Data: drawn streets. Needs: 00. No internet, no GPU.

# %% [markdown] lang="zh" of="db3284d7"
# # 01 · 分辨率与开销
#
# **主张。** 分辨率是用乘加换来的。输入小，开销就小，而最先消失的是细长物体。在网络内部，可以用空洞卷积或解码器把分辨率买回来，两种办法各有代价。
#
# 实测：单核约半分钟 CPU 时间，内存最多 1.0 GB。数据：合成街景。先修：00。不需要联网，也不需要 GPU。

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
from dsrl_lab.plots.masks import bare, class_handles, show_image, show_mask
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

# %% [markdown] lang="zh" of="b5377ee8"
# ## 一条街，四种尺寸
#
# 上排：输入图像，边长分别除以 1、2、4、8。下排：各尺寸所能容纳的最佳掩码，再放大回原来的尺寸。这里没有用到任何网络。从左到右盯住一根细杆，看它在哪里消失。

# %% jupyter={"source_hidden": true}
big = Streets("val", size=(192, 256), length=100)[7]


def at_size(mask: Tensor, factor: int) -> Tensor:
    """The mask on a grid with sides divided by factor: one class for each block, magnified back."""
    height, width = mask.shape
    coarse = resize_mask(mask[None], (height // factor, width // factor))
    return resize_mask(coarse, (height, width))[0]


with theme():
    figure = new_figure(12, 5.5)
    axes = figure.subplots(2, 4)
    for column, factor in enumerate((1, 2, 4, 8)):
        small = reduce_image(big.image, (192 // factor, 256 // factor))
        title = f"{192 // factor}×{256 // factor}: 1/{factor**2} of the pixels" if factor > 1 else "192×256"
        show_image(small, title=title, crisp=True, ax=axes[0, column])
        show_mask(at_size(big.mask, factor), CAMVID, legend=False, ax=axes[1, column])
    figure.legend(handles=class_handles(CAMVID), loc="outside lower center", ncols=6)
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

# %% [markdown] lang="zh" of="76a86836"
# 整个笔记本只问一件事：**分辨率丢在了哪里，要保住它得花多少？** 先看输入，再看网络内部。
#
# ## 学完之后，你能
#
# 1. 计算乘加次数（MAC），说出缩小输入能省多少。
# 2. 不训练任何网络，就说出小输入再也表现不了哪些类别。
# 3. 计算多层堆叠之后的感受野。
# 4. 一个权重都不改，把带步幅的卷积换成空洞卷积，并证明这样做没有错。

# %% [markdown]
# ## Predict
#
# 1. A perfect network names the class in the middle of each 4 × 4 block. What IoU, in per cent, can it still reach on poles?
# 2. Two strides of 2 at the end of a small network are replaced by atrous convolution. How many times as many multiply-adds does the network need?
#
# Put numbers in place of `None`.

# %% [markdown] lang="zh" of="0b853b34"
# ## 先猜一猜
#
# 1. 一个完美的网络，对每个 4 × 4 的块都给出中间像素的类别。它在细杆上的 IoU 最高能到百分之几？
# 2. 某个小网络的末尾有两层步幅为 2，把它们换成空洞卷积。乘加次数变为原来的多少倍？
#
# 把 `None` 换成你猜的数。

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

# %% [markdown] lang="zh" of="5f6270a0"
# ## 输入的开销
#
# 卷积在输出的每个位置上做同样多的计算，所以开销等于位置数乘以权重数：
#
# $$\text{MACs} = H' W' \cdot C_{in} C_{out} k^2$$
#
# 形状：(C_in, H, W) → (C_out, H′, W′)。参数量与尺寸无关。

# %% [markdown]
# ### Exercise 01.1 · multiply-adds of a layer
# *Easy · essential · 6 minutes.* Stride and dilation are both in the signature. Only one of them changes the cost.

# %% [markdown] lang="zh" of="c3c3d573"
# ### 练习 01.1 · 一层的乘加次数
# *简单 · 本章核心 · 6 分钟。* 函数的参数里既有步幅，也有膨胀率，但只有一个会影响开销。


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

# %% [markdown] lang="zh" of="2b7c04e9"
# 接下来数整个网络。计数只用到形状，并不真正计算，所以尺寸再大也不费时间。

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

# %% [markdown] lang="zh" of="badc9c4f"
# 边长加倍，开销变成四倍，每一列都是如此。DSRL 把边长减半，宿主网络的计算量就省下四分之三。
#
# 有一个陷阱：许多计数器只认 `Conv2d`。DSRL 作者的头由两个**转置**卷积组成，而转置卷积要在*输入*的每个位置上都盖一次卷积核。

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

# %% [markdown] lang="zh" of="79ce5f63"
# 小输入省下来的计算，有一部分又花在了把结果放大上。所以对 DSRL 公平的问法是：乘加次数相同时，普通网络用更大的输入能做到什么程度？
#
# ## 小输入还能表现什么
#
# 取真值掩码，缩小，放大，再与原掩码比较评分。得到的就是**上限**：每个位置只给一个类别、用最近邻插值放大时，IoU 最高能有多少。

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

# %% [markdown] lang="zh" of="c3854a69"
# <details><summary>猜过之后再展开，看我们的解读。</summary>
# 道路损失很少：它面积大，只有边缘受影响。边长缩到四分之一时，细杆损失一半以上，标志牌和行人损失三分之一以上，而在人眼看来，图像依然很好。mIoU 对各类别取平均，细长类别与道路同等重要；像素准确率却几乎反映不出它们。
# </details>

# %% [markdown]
# ### Exercise 01.2 · a mask on a coarser grid
# *Some thought · useful · 10 minutes.* The cells above took the middle pixel of each block. A vote is fairer. Take care of pixels without a label.

# %% [markdown] lang="zh" of="ee5be1ca"
# ### 练习 01.2 · 更粗网格上的掩码
# *需要思考 · 建议做 · 10 分钟。* 前面的单元格取每个块中间的像素。投票更公平。注意处理没有标签的像素。


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

# %% [markdown] lang="zh" of="208472a4"
# ## 网络内部
#
# 网络自身也会降低分辨率。**步幅**为 2 时，每隔一个位置取一个：特征图的计算量小了，每个位置也看得更远。**输出步幅**指最后一张特征图的一个位置对应多少个输入像素。**感受野**指一个位置能看到的那部分输入。

# %% [markdown]
# ### Exercise 01.3 · how far does it see?
# *Some thought · essential · 10 minutes.* Each layer adds to the field. How much it adds depends on the layers before it.

# %% [markdown] lang="zh" of="128b9ec6"
# ### 练习 01.3 · 能看多远？
# *需要思考 · 本章核心 · 10 分钟。* 每一层都扩大感受野，扩大多少取决于它前面的各层。


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

# %% [markdown] lang="zh" of="94033f43"
# ## 买回分辨率，办法一：空洞卷积
#
# 去掉靠后的一个步幅，特征图就保持两倍的精细度。再让**它之后**各层的采样点都隔一个位置取一个，每个采样点读到的值便与原来相同。
#
# $$y_i = \sum_u w_u\, x_{i + d\,u}$$
#
# 图中每一行圆点是一张特征图，最下面是输入；连线是通向同一个输出的采样点。比较左图和中图：用到的输入像素相同，输出多了一倍。


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

# %% [markdown] lang="zh" of="88ed4595"
# 现在用六层网络来证明。权重一个也不改。精细的输出每四个位置取一个，必须与粗的输出相等；其余位置是新增的。

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

# %% [markdown] lang="zh" of="eabcc3d9"
# 可见，带步幅预训练的网络，不必重新训练，特征图就能变得更精细。DeepLab 对最后几个阶段正是这样做的。

# %% [markdown]
# ### Exercise 01.4 · the plan
# *Hard · essential · 15 minutes.* Which layers are dilated, and by how much? The layer that lost its stride is the trap.

# %% [markdown] lang="zh" of="0c414c06"
# ### 练习 01.4 · 膨胀方案
# *较难 · 本章核心 · 15 分钟。* 哪些层要加膨胀，膨胀率取多少？失去步幅的那一层正是陷阱。


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

# %% [markdown] lang="zh" of="1192c9cd"
# ## 买回分辨率，办法二：解码器
#
# 让特征图照样变小，但把大的那几张记住。往回走时，每张图先放大一倍，再与编码器中同样大小的图拼接：这就是**跳跃连接**。大图知道*在哪里*，小图知道*是什么*。
# U-Net 是最纯粹的形式。宽度为 8 时，各特征图依次为 8 × H × W、16 × H/2 × W/2、32 × H/4 × W/4、64 × H/8 × W/8，然后原路返回。

# %% [markdown]
# ## The price list
#
# The same six layers under three plans; the first plan again at twice the input's sides; and a small U-Net. "No dilation" is the **negative control**: as fine as atrous, but it sees less far.

# %% [markdown] lang="zh" of="f0073998"
# ## 价目表
#
# 同样六层，三种方案；第一种方案再配上边长两倍的输入；最后是一个小型 U-Net。“无膨胀”是**阴性对照**：与空洞卷积一样精细，但看得没有那么远。

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
# The three plans have the same parameters. Atrous convolution pays at the layer that lost its stride and at all layers behind it: four times, and sixteen times from
# the second lost stride on.
#
# ## Trained before your eyes
#
# Does it pay? Each way learns on 40 drawn streets for 120 steps, with two seeds, from the same crops in the same order. Masks are scored at 72 × 96.

# %% [markdown] lang="zh" of="c3ab7bf3"
# 三种方案的参数量相同。空洞卷积的代价，由被去掉步幅的那一层和它之后的每一层来承担：开销变为四倍；从第二个被去掉的步幅起，变为十六倍。
#
# ## 当场训练
#
# 这样做值得吗？每种办法都在 40 张合成街景上训练 120 步，用两个随机种子，图像裁剪及其顺序完全一样。掩码在 72 × 96 的尺寸上评分。

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

# %% [markdown] lang="zh" of="c7ad404b"
# ## 带走这张图
#
# 左：mIoU 与真实乘加次数，一个标记代表一个种子，越靠左上越好。右：第一个种子画出的掩码。

# %% jupyter={"source_hidden": true}
LOOKS = dict(zip(WAYS, ("baseline", "bilinear", "sssr", "shuffled", "dsrl"), strict=True))
scene = val_set[7]
with theme():
    figure = new_figure(11, 4.3)
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
    figure.legend(handles=class_handles(CAMVID), loc="outside lower center", ncols=6)
    show_figure(figure, alt="mIoU of five networks against their multiply-adds, and the masks that each draws")

# %% [markdown]
# <details><summary>What do you read in it? Then compare with our reading.</summary>
# A finer map helps: atrous is clearly above strided, for 4.7 times the multiply-adds. A larger input does as much for 3.7 times (not 4: 36 rows do not
# divide by 16). The control without dilation is <b>no worse</b> than atrous. On pictures 48 pixels wide its field of 39 pixels covers most of the scene, so a longer reach brings nothing here. U-Net costs twice as much and is no better. No mask shows thin classes yet.
# </details>

# %% [markdown] lang="zh" of="8f8e931f"
# <details><summary>你从图中读出了什么？想好再与我们的解读对照。</summary>
# 特征图更精细，确实有用：空洞卷积明显高于步幅卷积，乘加次数是后者的 4.7 倍。加大输入，效果相当，只要 3.7 倍（不是 4 倍：36 行不能被 16 整除）。无膨胀的对照<b>并不比</b>空洞卷积<b>差</b>：图像只有 48 像素宽，它 39 像素的感受野已覆盖大半个场景，看得再远也没有用处。U-Net 的开销又是空洞卷积的两倍，并不更好。所有掩码都还画不出细长类别。
# </details>

# %% [markdown]
# **Paper against ours.** In Figure 1 of the paper ESPNetv2 goes from 54.5 to 64.4 % mIoU [read off, ± 0.2] when the input grows from 256 × 512 to 512 × 1024, at four times the cost. DSRL reaches
# 59.5 % [P] at the small input, for 1.87 times the true cost. Ours, in small: "strided" and "strided, large input". The direction is the same; the sizes cannot be compared.

# %% [markdown] lang="zh" of="30d2be7f"
# **论文与本项目对照。** 论文图 1 中，输入从 256 × 512 增大到 512 × 1024，ESPNetv2 的 mIoU 从 54.5 % 升到 64.4 % [read off, ± 0.2]，开销为四倍。DSRL 用小输入达到 59.5 % [P]，真实开销为 1.87 倍。本项目与之对应的小规模实验，是“步幅卷积”和“步幅卷积，大输入”。变化的方向一致，幅度则无法比较。

# %% [markdown]
# Two seeds prove little. `make reproduce` asks the same with more: drawn streets, another town for each seed, scored on scenes that no choice has seen. Its
# shipped records (exploratory), read in two lines:

# %% [markdown] lang="zh" of="427d0e4c"
# 两个种子说明不了多少。`make reproduce` 用更多数据来问同一个问题：合成街景，每个种子换一座城镇，评分所用的场景从未参与任何选择。随附的记录（探索性）用两行代码就能读出：

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

# %% [markdown] lang="zh" of="dde10dc2"
# ## 动手试试
#
# 可调的只有训练步数。只训练 30 步，空洞卷积还领先于步幅卷积吗？800 步呢？

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

# %% [markdown] lang="zh" of="6221f3e5"
# ## 弄坏它
#
# 同一组权重，四种方案，形状全都正确，也都不报错。把 `DEFECT` 换成另一个名字。有两个数能暴露问题：与步幅网络的差异，以及最后一层能看多远。

# %%
PLANS = {
    "none": ATROUS,
    "the lost stride's own layer dilated": [(2, 1), (2, 1), (1, 2), (1, 2), (1, 4), (1, 4)],
    "dilation forgotten": [(stride, 1) for stride, _ in ATROUS],
    "dilation does not add up": [(2, 1), (2, 1), (1, 1), (1, 2), (1, 2), (1, 2)],
}
DEFECT = "the lost stride's own layer dilated"  # the switch


def field_of(plan: list[tuple[int, int]]) -> int:
    """How far apart the input pixels lie, along one axis, that can change the last map's middle."""
    image = torch.ones(1, 1, 129, 129, requires_grad=True)
    last = through(plan, image, [torch.ones(1, 1, 3, 3) / 9] * 6)
    last[0, 0, last.shape[2] // 2, last.shape[3] // 2].backward()
    hit = (image.grad[0, 0] > 0).any(0).nonzero()
    return int(hit.max() - hit.min()) + 1  # gaps included, as in 01.3


found = []
for name in dict.fromkeys(("none", DEFECT)):
    other = through(PLANS[name], big.image[None], weights)[..., ::4, ::4]
    found.append((name, 100 * float((other - coarse).abs().mean() / coarse.abs().mean()), field_of(PLANS[name])))
Table(DataFrame(found, columns=["defect", "difference (%)", "field (pixels)"]), "Against the strided network", digits=1)

# %% [markdown]
# Symptoms to recognise: a pretrained network becomes worse after "output stride 8" was switched on, and recovers only after long fine-tuning. Then the plan is wrong. The field is too large: a layer was
# dilated too early. Too small: a dilation is missing. Training hides all three, because filters adapt.

# %% [markdown] lang="zh" of="524f77bc"
# 要认得的症状：打开“output stride 8”之后，预训练网络反而变差，要微调很久才恢复。这说明方案有错。感受野太大：有一层膨胀得太早。太小：漏了一处膨胀。三种错误都会被训练掩盖，因为滤波器会逐渐适应。

# %% [markdown]
# ## Limits
#
# - Drawn streets, six layers, 120 steps, two seeds: the order of the five is an observation, no evidence.
# - The ceiling holds for one class per position, magnified by nearest neighbour. Bilinear logits can pass it.
# - Multiply-adds are not seconds. Large maps wait for memory, and dilated convolutions are slow in many libraries. `dsrl-lab bench networks` measures.
# - With more steps U-Net may win.

# %% [markdown] lang="zh" of="7918cdd6"
# ## 局限
#
# - 合成街景、六层网络、120 步、两个种子：五种办法的名次只是观察，不是证据。
# - 这个上限针对的是每个位置一个类别、用最近邻插值放大的情形。把 logits（未归一化得分）双线性放大，可以超过它。
# - 乘加次数不等于秒数。大特征图的时间多花在等内存上，空洞卷积在许多库里也很慢。实际用时可用 `dsrl-lab bench networks` 测量。
# - 训练步数更多时，U-Net 可能胜出。

# %% [markdown]
# ## Five questions to take along
#
# <details><summary>1. The sides are halved. What happens to multiply-adds, to parameters, to activations?</summary>Multiply-adds and activations fall to a quarter, parameters stay.</details>
# <details><summary>2. Which classes does a small input lose first, and why does pixel accuracy not show it?</summary>Thin ones. They have so few pixels that the share of right pixels hardly changes.</details>
# <details><summary>3. A stride of 2 is removed. Which layers are dilated?</summary>All layers behind it, by 2; the layer itself keeps its dilation. Each of them costs four times as much.</details>

# %% [markdown] lang="zh" of="23b217f3"
# ## 带走五个问题
#
# <details><summary>1. 边长减半，乘加次数、参数量和激活值的个数各有什么变化？</summary>乘加次数和激活值的个数降到四分之一，参数量不变。</details>
# <details><summary>2. 小输入最先丢掉哪些类别？为什么像素准确率看不出来？</summary>细长类别。它们的像素太少，正确像素所占的比例几乎不变。</details>
# <details><summary>3. 把某一层的步幅从 2 改为 1，哪些层要加膨胀？</summary>它之后的所有层，膨胀率乘以 2；这一层自己的膨胀率不变。这些层的开销都变为四倍。</details>

# %% [markdown]
# <details><summary>4. What does a skip bring back that atrous convolution never lost?</summary>The exact position of edges: the decoder's small map has lost it, the encoder's large map has it.</details>
# <details><summary>5. Why should a "no extra FLOPs" be checked with a counter that sees transposed convolutions?</summary>Because the enlarging layers may be of that kind. DSRL's head adds 87 % on ESPNetv2, and a Conv2d-only counter shows 0 %.</details>

# %% [markdown] lang="zh" of="9b91fbeb"
# <details><summary>4. 什么东西要靠跳跃连接找回，空洞卷积却从未丢失？</summary>边缘的精确位置：解码器的小图已经丢了，编码器的大图还有。</details>
# <details><summary>5. 看到“没有额外 FLOPs”，为什么要用认得转置卷积的计数器核对？</summary>因为负责放大的层可能正是转置卷积。DSRL 的头使 ESPNetv2 增加 87 %，只认 Conv2d 的计数器却显示 0 %。</details>

# %% [markdown]
# ## Words and sources
#
# **output stride** 输出步幅, **receptive field** 感受野, **atrous (dilated) convolution** 空洞卷积, **encoder-decoder** 编码器-解码器, **skip** 跳跃连接, **MAC**: one multiply-add; FLOPs = 2 × MACs.
#
# - Chen et al.: DeepLab, TPAMI 2018; Encoder-decoder with atrous separable convolution (DeepLabv3+), ECCV 2018.
# - Ronneberger, Fischer, Brox: U-Net, MICCAI 2015. Yu, Koltun: Multi-scale context aggregation by dilated convolutions, ICLR 2016.
# - Mehta et al.: ESPNetv2, CVPR 2019. Wang et al.: DSRL, CVPR 2020.

# %% [markdown] lang="zh" of="fa44997a"
# ## 术语与出处
#
# **输出步幅** output stride，**感受野** receptive field，**空洞卷积** atrous (dilated) convolution，**编码器-解码器** encoder-decoder，**跳跃连接** skip，**MAC**：一次乘加；FLOPs = 2 × MACs。
#
# - Chen et al.: DeepLab, TPAMI 2018; Encoder-decoder with atrous separable convolution (DeepLabv3+), ECCV 2018.
# - Ronneberger, Fischer, Brox: U-Net, MICCAI 2015. Yu, Koltun: Multi-scale context aggregation by dilated convolutions, ICLR 2016.
# - Mehta et al.: ESPNetv2, CVPR 2019. Wang et al.: DSRL, CVPR 2020.
