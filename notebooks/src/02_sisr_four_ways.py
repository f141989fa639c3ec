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
# # 02 · Super-resolution four ways
#
# **Claim.** The four frameworks of super-resolution differ in *where* they enlarge. That place decides what a multiply-add buys. DSRL borrows the
# cheapest of the four for its SISR branch.
#
# Measured: about half a minute of CPU time on one core, 1.3 GB of memory at most. Data: photographs that ship with scikit-image; weights that the kit trained on T91. Needs: 00. No internet, no GPU.

# %% [markdown] lang="zh" of="a12c4031"
# # 02 · 超分辨率的四种做法
#
# **主张。** 超分辨率的四种框架，区别在于*在哪里*放大。放大的位置决定了一次乘加能换来什么。DSRL 的 SISR 分支借用了其中开销最小的一种。
#
# 实测：单核约半分钟 CPU 时间，内存最多 1.3 GB。数据：scikit-image 自带的照片，以及本套件在 T91 上训练的权重。先修：00。不需要联网，也不需要 GPU。

# %% jupyter={"source_hidden": true}
from dsrl_lab.course.notebook import show_figure, start

lab = start()

# %% jupyter={"source_hidden": true}
from dataclasses import replace

import torch
from IPython.display import display
from pandas import DataFrame
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab.complexity import complexity
from dsrl_lab.course.exercises import check, hint, predict, reveal, solution
from dsrl_lab.course.table import Table
from dsrl_lab.datasets.photos import Photos
from dsrl_lab.datasets.super_resolution import (
    SRPair,
    imresize_bicubic,
    luminance,
    reduce_bicubic,
)
from dsrl_lab.metrics import psnr
from dsrl_lab.models.super_resolution import DBPN, ESPCN, SRCNN, LapSRN, SuperResolver
from dsrl_lab.plots.super_resolution import Reconstruction, super_resolution_row
from dsrl_lab.plots.theme import new_figure, style_of, theme

# %% jupyter={"source_hidden": true}
from dsrl_lab.recipes import find_super_resolution_recipe
from dsrl_lab.results import frames
from dsrl_lab.results.diagrams import arrow, block, canvas
from dsrl_lab.results.records import read_record
from dsrl_lab.rows import BLUE, GREY, VERMILLION
from dsrl_lab.training.build import build_super_resolver, load_super_resolver
from dsrl_lab.training.config import SuperResolverConfig
from dsrl_lab.training.examples import Batches
from dsrl_lab.training.loop import fit
from dsrl_lab.training.super_resolution import SuperResolutionObjective, score_pairs
from dsrl_lab.widgets import super_resolution_compare

photos = Photos()

# %% [markdown]
# ## The same cat, enlarged
#
# A picture is reduced to half its sides and enlarged again: by bicubic interpolation, which has learnt nothing, and by four networks that the kit trained for long. Look at
# the rim of the eye.

# %% [markdown] lang="zh" of="c65e70f1"
# ## 同一只猫，放大之后
#
# 把图像的边长缩小一半，再放大回来：一种办法是双三次插值，它什么也没学过；另外四种是本套件长时间训练过的网络。请看眼睛的边缘。

# %% jupyter={"source_hidden": true}
NAMES = ("srcnn", "espcn", "lapsrn", "dbpn")
TITLES = {"srcnn": "SRCNN", "espcn": "ESPCN", "lapsrn": "LapSRN", "dbpn": "DBPN"}
kept = {name: lab.root / "data/checkpoints" / f"super_resolution_{name}.safetensors" for name in NAMES}
long_trained = {name: load_super_resolver(path) for name, path in kept.items() if path.is_file()}


def photo(name: str, height: int = 192, width: int = 256) -> Tensor:
    """The middle of a photograph."""
    image = photos[photos.names.index(name)].image
    top, left = (image.shape[1] - height) // 2, (image.shape[2] - width) // 2
    return image[:, top : top + height, left : left + width]


@torch.no_grad()
def in_colour(model: SuperResolver, low_res: Tensor) -> Tensor:
    """Enlarge Y by the network and the colours by bicubic, as papers do."""
    size = (2 * low_res.shape[1], 2 * low_res.shape[2])
    bicubic = imresize_bicubic(low_res, size)
    detail = model(luminance(low_res)[None]).image[0] - luminance(bicubic)
    return (bicubic + detail * 255 / 219).clamp(0, 1)  # Y spans 219 of 255 levels


# %% jupyter={"source_hidden": true}
cat = photo("chelsea")
small_cat = reduce_bicubic(cat, 2)
made = [Reconstruction("bicubic", imresize_bicubic(small_cat, (192, 256)).clamp(0, 1))]
made += [Reconstruction(TITLES[name], in_colour(model, small_cat)) for name, model in long_trained.items()]

with theme():
    figure = new_figure(10.5, 2.2)
    axes = figure.subplots(1, len(made) + 2)
    super_resolution_row(small_cat, cat, made, axes=list(axes), crop=(29, 39, 64, 64), titles=False)
    scored = [f"{one.name}\n{float(psnr(one.image[None], cat[None])):.2f} dB" for one in made]
    for ax, title in zip(axes, ("input\n96×128", *scored, "original\n192×256"), strict=True):
        ax.set_title(title)
    show_figure(figure, alt="The cat's eye: small, enlarged by bicubic and by trained networks, and the original")

# %% [markdown]
# ## What you will be able to do
#
# 1. Score an enlarged picture as papers do, and find scores that cannot be compared.
# 2. Say where each framework enlarges, and what that costs.
# 3. Assemble ESPCN, LapSRN's loss and DBPN's projection in plain PyTorch.
# 4. Train all four on one budget, beside a baseline and a control.
# 5. Say why DSRL takes post-upsampling.

# %% [markdown] lang="zh" of="20eef2dd"
# ## 学完之后，你能
#
# 1. 像论文那样为放大后的图像评分，并看出哪些分数不能相比。
# 2. 说出每种框架在哪里放大，开销多大。
# 3. 用纯 PyTorch 写出 ESPCN、LapSRN 的损失和 DBPN 的投影单元。
# 4. 用同样的预算训练四个网络，并与基线和对照比较。
# 5. 说出 DSRL 为什么选择后上采样。

# %% [markdown]
# ## Predict
#
# 1. SRCNN has 57,281 weights, ESPCN 21,284. How many times the multiply-adds of ESPCN does SRCNN need for the same picture?
# 2. Four networks train for a few seconds each. By how many decibels will the best of them be above bicubic, on photographs that it has not seen?
#
# Put numbers in place of `None`.

# %% [markdown] lang="zh" of="1e94cdf8"
# ## 先猜一猜
#
# 1. SRCNN 有 57,281 个权重，ESPCN 有 21,284 个。处理同一张图像，SRCNN 的乘加次数是 ESPCN 的多少倍？
# 2. 四个网络各训练几秒钟。在没见过的照片上，其中最好的一个比双三次插值高多少分贝？
#
# 把 `None` 换成你猜的数。

# %%
predict("02.cost", None, unit="times")

# %%
predict("02.gain", None, unit="dB")

# %% [markdown]
# ## How it is scored
#
# $$\text{PSNR} = 10 \log_{10} \frac{1}{\text{mean}\,(x - y)^2}$$
#
# Pixel values lie in [0, 1]. Half the error is 6 dB more. **SSIM** compares means, spreads and co-variation in small windows; 1 means equal. Both need the original. Neither asks whether the picture looks real.
#
# The field scores luminance Y alone, without a border of s pixels. So do the tables below. Titles over pictures score RGB to the edge, which gives a lower PSNR.

# %% [markdown] lang="zh" of="e1161580"
# ## 怎样评分
#
# $$\text{PSNR} = 10 \log_{10} \frac{1}{\text{mean}\,(x - y)^2}$$
#
# 像素值在 [0, 1] 之间。误差减半，PSNR 就高 6 dB。**SSIM** 在小窗口内比较均值、方差和协方差，1 表示完全相同。两者都要有原图才能计算，也都不管图像看上去是否真实。
#
# 论文通常只对亮度 Y 评分，并去掉 s 个像素宽的边框。下面的表格也是如此。图像上方标出的分数则按 RGB 计算，不去边框，所以 PSNR 偏低。

# %% [markdown]
# ### A score that cannot be
#
# A reader's account says that DSRL reaches "PSNR/SSIM 0.35/0.78 on Cityscapes" [B]. What would 0.35 dB look like?

# %% [markdown] lang="zh" of="9d2fe170"
# ### 一个不可能的分数
#
# 一位读者在介绍中说，DSRL 达到了“Cityscapes 上 PSNR/SSIM 0.35/0.78” [B]。0.35 dB 会是什么样子？

# %%
grey, negative = torch.full_like(cat, 0.5), 1 - cat
known = {"one grey for all pixels": grey, "the cat's negative": negative, "bicubic": made[0].image}
rows = [(name, float(psnr(picture[None], cat[None]))) for name, picture in known.items()]
rows = [*rows, ("from the account", 0.35)]
rows = [(name, decibels, 255 * 10 ** (-decibels / 20)) for name, decibels in rows]
Table(
    DataFrame(rows, columns=["picture", "PSNR (dB)", "typical error, of 255 levels"]),
    "What decibels mean",
    digits={"PSNR (dB)": 2},
)

# %% [markdown]
# 0.35 dB is an error of 245 of 255 levels: nearly every pixel black where it should be white. A grey sheet scores far better. So 0.35 is **no PSNR in dB**. What it is, is not known [?]. SSIM 0.78 is
# possible. The kit reports PSNR in dB and SSIM, and compares with neither number.

# %% [markdown] lang="zh" of="4b402061"
# 0.35 dB 意味着在 255 级灰度里差了 245 级：几乎每个该白的像素都成了黑的。一张纯灰图的分数都比它高得多。所以 0.35 **不是以 dB 为单位的 PSNR**，至于它是什么，不得而知 [?]。SSIM 0.78 倒有可能。本套件给出的是以 dB 为单位的 PSNR 以及 SSIM，不与这两个数比较。

# %% [markdown]
# ### Exercise 02.1 · the PSNR of papers
# *Some thought · essential · 10 minutes.* The docstring gives Y. Five small things can go wrong. Each changes the score by a typical amount.

# %% [markdown] lang="zh" of="89660260"
# ### 练习 02.1 · 论文通用的 PSNR
# *需要思考 · 本章核心 · 10 分钟。* Y 的公式写在文档字符串里。有五个小地方容易出错，每一处造成的偏差都有自己的特征。


# %%
def psnr_y(super_res: Tensor, high_res: Tensor, border: int) -> Tensor:
    """PSNR in dB as papers report it: on luminance alone, without a border.

    Y = (16 + 65.481 R + 128.553 G + 24.966 B) / 255 for R, G, B in [0, 1]. The
    super-resolved picture is clipped to [0, 1] first; the peak of the signal is 1.

    Args:
        super_res: may leave [0, 1] a little.
        high_res: the truth, in [0, 1].
        border: pixels left out on each side, at least 1.

    Shape:
        - super_res, high_res: (3, H, W)
        - output: scalar

    Example:
        >>> psnr_y(torch.full((3, 8, 8), 0.5), torch.full((3, 8, 8), 0.25), 2)
        tensor(13.3631)
    """
    raise NotImplementedError


check("02.1", psnr_y)

# %%
hint("02.1") + solution("02.1")

# %% [markdown]
# ## Four places to enlarge
#
# - **Pre-upsampling** (SRCNN): by bicubic, before the first layer.
# - **Post-upsampling** (ESPCN): learnt, in the last layer (sub-pixel).
# - **Progressive** (LapSRN): by two, level by level. Each level gives a picture.
# - **Iterative up-and-down** (DBPN): up, down and up again, with the error fed back.
#
# The drawing comes from the running networks. A block is a tensor. Blue: small. Orange: large. "transposed, 1 × 48 × 48" and DBPN's "bicubic" start from the small picture again.

# %% [markdown] lang="zh" of="13633779"
# ## 在四个位置放大
#
# - **预上采样**（SRCNN）：进入第一层之前，用双三次插值放大。
# - **后上采样**（ESPCN）：在最后一层放大，由网络学习（亚像素卷积）。
# - **渐进上采样**（LapSRN）：一级一级放大，每级两倍，每级都给出一张图像。
# - **迭代上下采样**（DBPN）：放大、缩小、再放大，并把误差反馈回去。
#
# 示意图由运行中的网络生成。一个方块是一个张量，蓝色为小尺寸，橙色为大尺寸。“转置卷积，1 × 48 × 48”和 DBPN 的“双三次插值”又从小图开始。

# %% jupyter={"source_hidden": true}
networks = {"srcnn": SRCNN(2, channels=1), "espcn": ESPCN(2, channels=1), "lapsrn": LapSRN(2, channels=1)}
networks["dbpn"] = DBPN(2, channels=1, stages=2, width=16, stem_width=32, global_skip=True)
KINDS = {"Conv2d": "conv", "ConvTranspose2d": "transposed", "PixelShuffle": "shuffle", "BicubicUpsample": "bicubic"}


def run_through(model: SuperResolver) -> list[tuple[str, tuple[int, int, int]]]:
    """Kind and output (C, H, W) of each layer for a 24 x 24 picture, in order."""
    seen = []

    def note(layer: nn.Module, _: object, output: Tensor) -> None:
        seen.append((KINDS[type(layer).__name__], tuple(output.shape[1:])))

    handles = [m.register_forward_hook(note) for m in model.modules() if type(m).__name__ in KINDS]
    model(torch.zeros(1, 1, 24, 24))
    for handle in handles:
        handle.remove()
    return seen


works = {}
for name, model in networks.items():
    large = [shape[1] > 24 for kind, shape in run_through(model) if kind in ("conv", "transposed")]
    layers = [layer for layer in complexity(model, (24, 24), channels=1).layers if layer.name != "enlarge"]
    works[name] = [(layer.macs / 24**2, is_large) for layer, is_large in zip(layers, large, strict=True)]

# %% jupyter={"source_hidden": true}
with theme():
    figure = new_figure(11.5, 7.6)
    for ax, (name, model) in zip(figure.subplots(4, 1), networks.items(), strict=True):
        canvas(ax, 15, 2)
        share = 100 * sum(macs for macs, large in works[name] if large) / sum(macs for macs, _ in works[name])
        title = f"{TITLES[name]}, {model.framework}: {share:.0f} % of the multiply-adds at the large size"
        ax.set_title(title, loc="left")
        runs = [["input", (1, 24, 24), 1]]
        for kind, shape in run_through(model):
            if [kind, shape] == runs[-1][:2]:
                runs[-1][2] += 1
            else:
                runs.append([kind, shape, 1])
        step = min(1.7, 13.8 / (len(runs) - 1))
        for place, (kind, shape, count) in enumerate(runs):
            color = GREY if kind == "input" else VERMILLION if shape[1] > 24 else BLUE
            x = 0.6 + step * place
            block(ax, (x, 0.95), shape, color, kind + f" × {count}" * (count > 1), scale=2)
            if place:
                arrow(ax, (x - 0.6 * step, 0.95), (x - 0.36 * step, 0.95), GREY)
    show_figure(figure, alt="The tensors of SRCNN, ESPCN, LapSRN and DBPN in a row each, small and large ones coloured")

# %%
costs = {name: complexity(model, (128, 256), channels=1) for name, model in networks.items()}
transposed = {name: cost.macs - cost.macs_without_transposed for name, cost in costs.items()}
rows = [(TITLES[n], networks[n].framework, c.parameters, c.macs / 1e9, transposed[n] / 1e9) for n, c in costs.items()]
columns = ["network", "framework", "parameters", "MACs (10⁹)", "of them transposed"]
table = Table(DataFrame(rows, columns=columns), "One picture of 128 × 256, enlarged to twice its sides")
display(reveal("02.cost", costs["srcnn"].macs / costs["espcn"].macs, unit="times"), table)

# %% [markdown]
# SRCNN pays for every weight at four times the positions. ESPCN needs nothing at the large size: its last layer makes four numbers per small pixel, and the shuffle lays them out. In
# DBPN more than half is transposed convolution, in LapSRN 15 %; a `Conv2d`-only counter sees neither.

# %% [markdown] lang="zh" of="97559df1"
# SRCNN 的每个权重都在大尺寸上计算，位置数是小尺寸的四倍。ESPCN 在大尺寸上什么也不用算：最后一层为小图的每个像素算出四个数，像素重排再把它们铺开。DBPN 的开销有一半以上是转置卷积，LapSRN 有 15 %；只认 `Conv2d` 的计数器看不到这些。

# %% [markdown]
# ## Build one yourself: ESPCN
#
# Read the second row of the drawing from left to right. Every block is one line of PyTorch.
#
# ### Exercise 02.2 · assemble post-upsampling
# *Some thought · essential · 12 minutes.* Plain PyTorch: `F.conv2d`, `tanh`, `F.pixel_shuffle`. The check loads the same weights into the library's `ESPCN` and compares.

# %% [markdown] lang="zh" of="a6fa2a34"
# ## 自己搭一个：ESPCN
#
# 从左到右看示意图的第二行，每个方块就是一行 PyTorch。
#
# ### 练习 02.2 · 搭出后上采样网络
# *需要思考 · 本章核心 · 12 分钟。* 只用纯 PyTorch：`F.conv2d`、`tanh`、`F.pixel_shuffle`。检查时会把同样的权重载入库中的 `ESPCN`，再比较结果。


# %%
def espcn(low_res: Tensor, weights: list[Tensor], biases: list[Tensor], upscale_factor: int) -> Tensor:
    """ESPCN, assembled from its three layers.

    Subtract mid-grey (0.5), then: 5 x 5 convolution, tanh, 3 x 3 convolution, tanh,
    3 x 3 convolution, pixel shuffle; add mid-grey again. Zeros are padded so that each
    convolution keeps the size.

    Shape:
        - low_res: (N, C, h, w) in [0, 1]
        - weights: (64, C, 5, 5), (32, 64, 3, 3), (C * s^2, 32, 3, 3)
        - biases: (64,), (32,), (C * s^2,)
        - output: (N, C, s * h, s * w)

    Example:
        >>> zeros = [torch.zeros(64, 1, 5, 5), torch.zeros(32, 64, 3, 3), torch.zeros(4, 32, 3, 3)]
        >>> biases = [torch.zeros(64), torch.zeros(32), torch.tensor([0.0, 0.1, 0.2, 0.3])]
        >>> espcn(torch.rand(1, 1, 1, 1), zeros, biases, 2)
        tensor([[[[0.5000, 0.6000],
                  [0.7000, 0.8000]]]])
    """
    raise NotImplementedError


check("02.2", espcn)

# %%
hint("02.2") + solution("02.2")

# %% [markdown]
# ## What ESPCN leaves out: SRCNN's way
#
# SRCNN enlarges by bicubic first and repairs afterwards: 9 × 9 to 64 channels, 5 × 5 to 32, 5 × 5 back to one. It suits any factor, even fractions, and pays for it at the large size.

# %% [markdown] lang="zh" of="11967649"
# ## ESPCN 省掉了什么：SRCNN 的做法
#
# SRCNN 先用双三次插值放大，然后修补：9 × 9 卷积到 64 个通道，5 × 5 到 32 个，再用 5 × 5 回到一个。任何放大倍数它都适用，非整数也行，代价是全部计算都在大尺寸上进行。

# %% [markdown]
# ## Progressive: LapSRN
#
# Each level doubles the picture and adds the detail that doubling misses, like a Laplacian pyramid read upwards. Every level gives a picture. Every picture is
# supervised with the Charbonnier penalty, an absolute difference without its corner.
#
# $$L = \sum_{k} \text{mean}\sqrt{(x_k - y_k)^2 + \varepsilon^2}$$
#
# ### Exercise 02.3 · a loss on every level
# *Some thought · useful · 8 minutes.* What stands under the root, and what is averaged?

# %% [markdown] lang="zh" of="2f8ff11b"
# ## 渐进上采样：LapSRN
#
# 每一级把图像放大一倍，并补上放大所缺的细节，就像用拉普拉斯金字塔由小到大重建图像。每一级都给出一张图像，每张图像都用 Charbonnier 惩罚监督，它相当于把尖角磨圆的绝对误差。
#
# $$L = \sum_{k} \text{mean}\sqrt{(x_k - y_k)^2 + \varepsilon^2}$$
#
# ### 练习 02.3 · 每一级都有损失
# *需要思考 · 建议做 · 8 分钟。* 根号下面是什么？对什么取平均？


# %%
def pyramid_loss(scales: list[Tensor], targets: list[Tensor], epsilon: float) -> Tensor:
    """LapSRN's loss: every level has its own target, and levels add up.

    The penalty of a difference d is sqrt(d^2 + epsilon^2), nearly |d| but smooth at 0;
    a level's loss is the mean of it over all of the level's values (pictures, channels,
    pixels).

    Args:
        scales: what the network gave at each level, small to large.
        targets: the truth at each level, in the same order and of the same sizes.
        epsilon: above 0.

    Shape:
        - scales[k], targets[k]: (N, C, H_k, W_k)
        - output: scalar

    Example:
        >>> small, large = torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 4, 4)
        >>> pyramid_loss([small, large], [small + 3, large], epsilon=4.0)
        tensor(9.)
    """
    raise NotImplementedError


check("02.3", pyramid_loss)

# %%
hint("02.3") + solution("02.3")

# %% [markdown]
# ## Iterative up-and-down: DBPN
#
# If the enlargement is right, reducing it gives back the input. If not, the difference tells what to correct. DBPN learns all of these steps and repeats them.
#
# $$H_0 = \uparrow\! L, \qquad E = \downarrow\! H_0 - L, \qquad H = H_0 + \uparrow\! E$$
#
# ### Exercise 02.4 · the up-projection
# *Some thought · essential · 10 minutes.* Three kernels of the unit's own, no activation.

# %% [markdown] lang="zh" of="811fb28d"
# ## 迭代上下采样：DBPN
#
# 如果放大得正确，再缩小就应当还原出输入；否则，两者之差就指出该修正什么。DBPN 让网络学习所有这些步骤，并反复执行。
#
# $$H_0 = \uparrow\! L, \qquad E = \downarrow\! H_0 - L, \qquad H = H_0 + \uparrow\! E$$
#
# ### 练习 02.4 · 上投影单元
# *需要思考 · 本章核心 · 10 分钟。* 单元自带三个卷积核，没有激活函数。


# %%
def up_projection(low: Tensor, up: Tensor, down: Tensor, again: Tensor) -> Tensor:
    """DBPN's up-projection without its activations.

    Enlarge, go back, and add what the round trip got wrong, enlarged.

    H0 = enlarge L by ``up``; L0 = reduce H0 by ``down``; E = L0 - L;
    result = H0 + (enlarge E by ``again``).

    To enlarge is ``F.conv_transpose2d``, to reduce ``F.conv2d``, each with stride 2 and
    padding 2.

    Shape:
        - low: (N, C, h, w)
        - up, down, again: (C, C, 6, 6)
        - output: (N, C, 2h, 2w)

    Example:
        >>> kernel = torch.ones(1, 1, 6, 6) / 36
        >>> up_projection(torch.ones(1, 1, 4, 4), kernel, kernel, kernel).shape
        torch.Size([1, 1, 8, 8])
    """
    raise NotImplementedError


check("02.4", up_projection)

# %%
hint("02.4") + solution("02.4")

# %% [markdown]
# The idea is older than networks. Without any learnt weight, feeding the reduced error back improves bicubic enlargement. With fixed kernels the error
# must be *subtracted*; DBPN adds it, because a learnt kernel can hold the minus. Here on the cat:

# %% [markdown] lang="zh" of="ebdf3318"
# 这个想法在用神经网络之前就有了。不用任何学来的权重，只把缩小之后得到的误差反馈回去，就能改进双三次插值的放大结果。核固定时，误差要*减去*；DBPN 则是加上，因为学来的核可以自带负号。用猫的照片来试：

# %%
cat_y = luminance(cat)
picture = SRPair(luminance(small_cat), cat_y, "cat")
guess, decibels = imresize_bicubic(picture.low_res, (192, 256)), []
for _ in range(5):
    decibels.append(float(psnr(guess[None], cat_y[None], crop_border=2)))
    guess = guess - imresize_bicubic(imresize_bicubic(guess, (96, 128)) - picture.low_res, (192, 256))
Table({"corrections": range(5), "PSNR (dB)": decibels}, "Bicubic enlargement, corrected by its own error")

# %% [markdown]
# ## One budget for all
#
# What is a fair race? Equal steps favour the expensive networks. Equal seconds depend on the machine. Here each framework gets the same number of **training multiply-adds**, so a cheap network makes more steps. Training
# pictures are five photographs; the cat and the photographer are held out.

# %% [markdown] lang="zh" of="84947780"
# ## 预算相同的比赛
#
# 怎样比才公平？步数相同，对开销大的网络有利；时间相同，结果又取决于机器。这里给每种框架同样多的**训练乘加次数**，开销小的网络就能多走几步。训练用五张照片，猫和摄影师两张留出。


# %% jupyter={"source_hidden": true}
def pair(name: str, size: tuple[int, int] = (192, 256)) -> SRPair:
    """Y of a photograph, small and large."""
    high_res = luminance(photo(name, *size))
    return SRPair(reduce_bicubic(high_res, 2), high_res, name)


training = [pair(name, (384, 400)) for name in ("astronaut", "coffee", "rocket", "brick", "grass")]
held_out = [pair("chelsea"), pair("camera")]
BUDGET = 36e9  # multiply-adds of forward passes; backward passes take about twice as many again
BATCH, PATCH = 4, 48
per_step = {name: BATCH * (PATCH // 2) ** 2 * sum(macs for macs, _ in layers) for name, layers in works.items()}
steps = {name: round(BUDGET / macs) for name, macs in per_step.items()}
race = {"network": [TITLES[name] for name in NAMES], "MACs of a step (M)": [per_step[name] / 1e6 for name in NAMES]}
Table(race | {"steps": [steps[name] for name in NAMES]}, "36 · 10⁹ multiply-adds for each", digits=0)


# %% jupyter={"source_hidden": true}
def train(name: str, **changes: object) -> tuple[SuperResolver, list]:
    """Train a framework on the budget, print its score four times, and give the network and its records."""
    small = {"stages": 2, "width": 16} if name == "dbpn" else {}
    chosen = SuperResolverConfig(network=name, **({"loss": "l1"} | small | changes))
    every = dict.fromkeys(("record_every", "evaluate_every"), -(-steps[name] // 4))
    sizes = {"input_size": (PATCH // 2, PATCH // 2), "batch_size": BATCH, "warmup_iterations": 5}
    recipe = find_super_resolution_recipe("super_resolution_srcnn").train
    config = replace(recipe, iterations=steps[name], **sizes, **every)
    model = build_super_resolver(chosen)
    learnt = SuperResolutionObjective(config, training, 2, chosen.loss, held_out)
    records = list(fit(model, learnt, Batches.for_run(training, learnt.example, config), config))
    print(f"{TITLES[name]}:", ", ".join(f"{line.metrics['psnr']:.2f} dB at step {line.iteration}" for line in records))
    return model, records


# %%
print("about half a minute ...")
runs = {name: train(name) for name in NAMES}

# %% [markdown]
# Two more competitors. The **baseline** is bicubic. The **negative control** is bicubic made crisper by an unsharp mask: it has learnt one number, its strength, on the training pictures. If it does as well as a network, then crispness is all that the
# network has learnt.

# %% [markdown] lang="zh" of="94614d15"
# 另有两名选手。**基线**是双三次插值。**阴性对照**是用反锐化掩模锐化过的双三次插值：它只在训练图像上学了一个数，即锐化强度。要是它与某个网络不相上下，那个网络学到的就只是锐化而已。


# %% jupyter={"source_hidden": true}
class Sharpened(nn.Module):
    """Bicubic, then amount times what a blur takes away."""

    def __init__(self, amount: float) -> None:
        super().__init__()
        self.amount = amount

    def forward(self, low_res: Tensor) -> Reconstruction:
        image = imresize_bicubic(low_res, (2 * low_res.shape[-2], 2 * low_res.shape[-1]))
        blurred = F.avg_pool2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        return Reconstruction("sharpened", image + self.amount * (image - blurred))


def best_amount(pairs: list[SRPair]) -> float:
    """The strength of least squared error: the slope of what bicubic misses over what the mask adds."""
    plain, full = ([Sharpened(amount)(one.low_res[None]).image[0] for one in pairs] for amount in (0.0, 1.0))
    added = [b - a for a, b in zip(plain, full, strict=True)]
    missed = [one.high_res - a for one, a in zip(pairs, plain, strict=True)]
    return float(sum((a * m).sum() for a, m in zip(added, missed, strict=True)) / sum((a * a).sum() for a in added))


amount = best_amount(training)
scores = {"bicubic": score_pairs(None, held_out), "sharpened": score_pairs(Sharpened(amount), held_out)}
scores |= {name: score_pairs(model, held_out) for name, (model, _) in runs.items()}
print(f"learnt strength of the mask: {amount:.2f}")

# %% [markdown]
# ## The picture to take along
#
# Left: PSNR of the two held-out photographs while training uses its budget. Right: what one enlargement costs, and what it scores. Hollow: trained here. Full: trained for long on T91; there DBPN is wider (32 channels, not 16).

# %% [markdown] lang="zh" of="01e96b6d"
# ## 带走这张图
#
# 左：训练预算逐渐用掉，两张留出照片的 PSNR 随之变化。右：放大一张图像的开销和得分。空心标记：在这里训练的网络。实心标记：在 T91 上长时间训练的网络，其中 DBPN 更宽（32 个通道，而不是 16 个）。

# %% jupyter={"source_hidden": true}
LOOKS = {"srcnn": style_of("baseline"), "espcn": style_of("dsrl"), "lapsrn": style_of("sssr"), "dbpn": style_of("sisr")}
with theme():
    figure = new_figure(12, 4.0)
    left, right = figure.subplots(1, 2)
    for name, (_, records) in runs.items():
        look, per_pixel = LOOKS[name], sum(macs for macs, _ in works[name]) / 1e3
        used = [line.iteration / steps[name] * BUDGET / 1e9 for line in records]
        values = [line.metrics["psnr"] for line in records]
        left.plot(used, values, look.marker, linestyle=look.line, color=look.color, label=TITLES[name])
        right.plot(per_pixel, scores[name]["psnr"], look.marker, color=look.color, mfc="white", markersize=8)
        if name in long_trained:
            cost = complexity(long_trained[name], (24, 24), channels=1).macs / 24**2 / 1e3
            score = score_pairs(long_trained[name], held_out)["psnr"]
            right.plot(cost, score, look.marker, color=look.color, markersize=8, label=f"{TITLES[name]}, trained long")
    for ax in (left, right):
        ax.axhline(scores["bicubic"]["psnr"], color="#22262C", linestyle="--", linewidth=1, label="bicubic")
        ax.axhline(
            scores["sharpened"]["psnr"], color="#7A8290", linestyle=":", linewidth=1.4, label="control: sharpened"
        )
    left.legend(fontsize=8, ncols=2, loc="center right", bbox_to_anchor=(1, 0.29))
    right.legend(fontsize=8, loc="lower left")
    left.set(xlabel="training, 10⁹ multiply-adds of forward passes", ylabel="PSNR on Y, held out (dB)")
    right.set(xlabel="thousand multiply-adds per small pixel", xscale="log", ylabel="PSNR on Y, held out (dB)")
    right.set_xticks((20, 50, 100, 200, 400), ("20", "50", "100", "200", "400"))
    right.minorticks_off()
    show_figure(figure, alt="PSNR of the four frameworks over training cost, and over the cost of one enlargement")

# %%
thousands = {name: sum(macs for macs, _ in layers) / 1e3 for name, layers in works.items()}
rows = [(TITLES.get(n, n), score["psnr"], score["ssim"], thousands.get(n)) for n, score in scores.items()]
best = max(scores[name]["psnr"] for name in NAMES)
columns = ["method", "PSNR (dB)", "SSIM", "thousand MACs per small pixel"]
table = Table(DataFrame(rows, columns=columns), "Two held-out photographs", digits={"SSIM": 4})
display(reveal("02.gain", best - scores["bicubic"]["psnr"], unit="dB"), table)

# %% [markdown]
# <details><summary>What do you read in it? Then compare with our reading.</summary>
# SRCNN uses its budget at the large size and gets few steps. The control, one learnt number, is ahead of two networks. So "better than bicubic" proves little; ask for "better than sharpened" too.
# <br><b>Why is LapSRN below bicubic?</b> Its picture path starts as <i>bilinear</i> enlargement, which is below bicubic. It must first learn the difference, and it is the most expensive: it gets the fewest steps. The full marks show LapSRN
# after enough steps.</details>

# %% [markdown] lang="zh" of="5827d9ef"
# <details><summary>你从图中读出了什么？想好再与我们的解读对照。</summary>
# SRCNN 的预算花在大尺寸上，分到的步数很少。只学了一个数的对照，竟领先于两个网络。可见“比双三次插值好”说明不了多少，还要问“比锐化好吗”。
# <br><b>LapSRN 为什么低于双三次插值？</b>它的图像通路从<i>双线性</i>放大开始，起点就低于双三次插值，得先学会补上这个差距；而它的开销又最大，分到的步数最少。实心标记是步数足够时的结果。</details>

# %% [markdown]
# ## By eye
#
# Which errors do the scores not show? Swipe between two methods, and put the lens on fur.

# %% [markdown] lang="zh" of="a706acaa"
# ## 用眼睛看
#
# 哪些误差是分数看不出来的？在两种方法之间拖动分界线，再把放大镜移到猫毛上。

# %%
by_eye = {"bicubic": imresize_bicubic(small_cat, (192, 256)).clamp(0, 1)}
by_eye["sharpened"] = Sharpened(amount)(small_cat[None]).image[0].clamp(0, 1)
by_eye |= {TITLES[name]: in_colour(model, small_cat) for name, (model, _) in runs.items()}

super_resolution_compare(
    small_cat,
    cat,
    by_eye,
    crop=(37, 47, 48, 48),
    alt="The cat enlarged by bicubic, the sharpened control and the four networks, whole and around an eye, with PSNR and "
    "SSIM; below, their errors, brightest along whiskers and edges",
    guide={
        "Touch": "swipe the line between two methods; drag the lens over fur, an eye, the whiskers; press Error maps.",
        "Look for": "where the error sits. Half the sides cannot hold the finest detail.",
        "Ask yourself": "is the sharpened control ahead of DBPN anywhere in the lens? Would your eye agree?",
    },
)

# %% [markdown]
# ## Trained long
#
# The same frameworks on T91. Ten of its pictures were held out and chose the weights. Set5 and Set14 were scored once, at the end. The numbers come from those records.

# %% [markdown] lang="zh" of="80e6e755"
# ## 长时间训练
#
# 同样的框架，在 T91 上训练，其中十张图像留出，用来挑选权重。Set5 和 Set14 只在最后评分一次。下面的数字来自这些训练的记录。

# %%
records = [read_record(lab.root / "data/runs" / f"super_resolution_{name}.jsonl") for name in long_trained]
found = frames.scores(frames.frame(records)).astype({"label": str})
found.loc[found["protocol"] == "bicubic", "label"] = "bicubic"
table = found.pivot_table(index="label", columns=["split", "metric"], values="value").sort_index(axis=1)
table.columns = [f"{split} {metric.upper()}" for split, metric in table.columns]
digits = {name: 4 if "SSIM" in name else 2 for name in table}
Table(table.rename_axis("network").reset_index(), "Factor 2, Y, border of 2 pixels left out", digits=digits)

# %% [markdown]
# **Paper against ours.** Set5 ×2 in the papers: SRCNN 36.66 dB, LapSRN 37.52, D-DBPN 38.09. They trained far longer and on larger sets, and DBPN with a far larger network. Ours: the rows above, minutes of CPU time on 81 pictures. Bicubic agrees with the
# field's 33.66 within 0.05 dB, so both measure alike. What is missing is training, and for DBPN size.

# %% [markdown] lang="zh" of="2600e5bc"
# **论文与本项目对照。** 各论文在 Set5 ×2 上的结果：SRCNN 36.66 dB，LapSRN 37.52，D-DBPN 38.09。它们训练的时间长得多，数据集也更大，DBPN 的网络也大得多。本项目的结果见上表，只在 81 张图像上训练了几分钟 CPU 时间。双三次插值与通行的 33.66 相差不到 0.05 dB，可见两边的评分方法一致。差的是训练，DBPN 还差在规模。

# %% [markdown]
# ## Why DSRL takes the second
#
# Its SISR branch enlarges features of the shared encoder by sub-pixel convolution [B]. That is post-upsampling. It fits for three reasons:
#
# - the work is done at the small size, on the very maps that the segmenter needs too;
# - it needs no enlarged picture to start from;
# - it learns fast for each multiply-add.
#
# The branch is removed after training, so only training pays for it, at every step.

# %% [markdown] lang="zh" of="3e3ef207"
# ## DSRL 为什么选第二种
#
# DSRL 的 SISR 分支用亚像素卷积放大共享编码器的特征 [B]，这就是后上采样。选它有三个理由：
#
# - 计算在小尺寸上进行，用的正是分割网络也需要的那些特征图；
# - 不需要先有一张放大的图像；
# - 同样多的乘加，它学得快。
#
# 训练结束后，这个分支就被移除。所以只有训练要为它付出代价，而且每一步都要付。

# %% [markdown]
# ## Try it
#
# One knob: the loss. Mean squared error is what PSNR measures. Is it also the best to learn from on a short budget?

# %% [markdown] lang="zh" of="4f865c33"
# ## 动手试试
#
# 可调的只有损失函数。PSNR 衡量的正是均方误差。预算很少时，用它来训练也是最好的吗？

# %%
loss = "mse"
_, tried = train("espcn", loss=loss)
print(f"ESPCN with {loss}: {tried[-1].metrics['psnr']:.2f} dB, with l1: {scores['espcn']['psnr']:.2f} dB")

# %% [markdown]
# ## Break it
#
# A network learns to undo *one* reduction. Set `DEFECT` to another name: now the small picture is made in another way.

# %% [markdown] lang="zh" of="d6717dd3"
# ## 弄坏它
#
# 网络学会还原的只是*一种*缩小方式。把 `DEFECT` 换成另一个名字，小图就改用另一种方式生成。

# %%
REDUCTIONS = {
    "none": lambda x: reduce_bicubic(x, 2),
    "every second pixel": lambda x: x[:, ::2, ::2],
    "interpolate without antialiasing": lambda x: F.interpolate(x[None], scale_factor=0.5, mode="bicubic")[0],
    "mean of each block": lambda x: F.avg_pool2d(x, 2),
}
DEFECT = "every second pixel"  # the switch
judge = long_trained.get("espcn", runs["espcn"][0])
rows = []
for name in dict.fromkeys(("none", DEFECT)):
    broken = [SRPair(REDUCTIONS[name](p.high_res), p.high_res, p.name) for p in held_out]
    ours, plain = score_pairs(judge, broken)["psnr"], score_pairs(None, broken)["psnr"]
    rows.append((name, ours, plain, ours - plain))
Table(DataFrame(rows, columns=["defect", "ESPCN (dB)", "bicubic (dB)", "gain (dB)"]), "Two held-out photographs")

# %% [markdown]
# Symptoms to recognise: a published network scores *under* bicubic, with jagged edges and bright rims. The network is rarely wrong. Somebody made the small pictures with another filter, or with a grid that is shifted by half a pixel. So never mix MATLAB's and
# PyTorch's "bicubic".

# %% [markdown] lang="zh" of="9c72b2a2"
# 要认得的症状：公开发布的网络得分*低于*双三次插值，边缘有锯齿和亮边。错的很少是网络本身，多半是生成小图时用了另一种滤波器，或者网格错开了半个像素。所以 MATLAB 的“bicubic”和 PyTorch 的“bicubic”绝不能混用。

# %% [markdown]
# ## Limits
#
# - One seed, one budget, two held-out photographs: the order of the four here is an observation. On longer budgets it changes, as the full marks show.
# - The small picture is made by a known filter. Real cameras also blur, shift and compress.
# - PSNR rewards the mean of all plausible pictures, which is smooth. Networks that look sharper often score lower.
# - The DBPN trained above is a small one: T = 2, width 16, with a bicubic skip that the paper does not have.

# %% [markdown] lang="zh" of="27c7d0cc"
# ## 局限
#
# - 一个种子、一份预算、两张留出照片：四种框架在这里的名次只是观察。预算加大，名次会变，实心标记就是例子。
# - 小图由已知的滤波器生成。真实相机还会带来模糊、移位和压缩。
# - PSNR 偏爱所有可能图像的平均，而平均是平滑的。输出看上去更锐利的网络，得分往往更低。
# - 这里训练的 DBPN 很小：T = 2，宽度 16，并带有论文中没有的双三次跳跃连接。

# %% [markdown]
# ## Five questions to take along
#
# <details><summary>1. Where does each of the four enlarge, and which layers pay for it?</summary>SRCNN before all layers, which all pay. ESPCN after the last one; none pays. LapSRN at each level and DBPN again and again: their transposed layers pay.</details>
# <details><summary>2. Your PSNR is exactly 1.32 dB under the paper's. What happened?</summary>You used Y from 0 to 255; that of papers goes from 16 to 235.</details>

# %% [markdown] lang="zh" of="c0839622"
# ## 带走五个问题
#
# <details><summary>1. 四种框架各在哪里放大？哪些层要为此付出代价？</summary>SRCNN 在所有层之前放大，每一层都要付。ESPCN 在最后一层之后放大，没有一层要付。LapSRN 逐级放大，DBPN 反复放大，付出代价的是转置卷积层。</details>
# <details><summary>2. 你的 PSNR 恰好比论文低 1.32 dB。怎么回事？</summary>你的 Y 从 0 到 255，论文通用的 Y 从 16 到 235。</details>

# %% [markdown]
# <details><summary>3. Why is every level of LapSRN supervised?</summary>So that each level gives a picture and not only something that helps the next one.</details>
# <details><summary>4. What does the error in a projection unit measure, and at which size?</summary>What the round trip, up and down, did not give back; at the small size.</details>
# <details><summary>5. DSRL's SISR branch is removed after training. Why does it still matter that it is cheap?</summary>Every training step pays for it, and its gradients must come through it.</details>

# %% [markdown] lang="zh" of="fd0c3965"
# <details><summary>3. LapSRN 为什么每一级都要监督？</summary>为了让每一级都给出一张真正的图像，而不只是对下一级有用的东西。</details>
# <details><summary>4. 投影单元里的误差量的是什么？在哪个尺寸上？</summary>放大再缩小，往返一次没能还原的部分；在小尺寸上。</details>
# <details><summary>5. DSRL 的 SISR 分支训练后就移除了，为什么还要在意它的开销？</summary>训练的每一步都要为它付出代价，而且它的梯度必须传回编码器。</details>

# %% [markdown]
# ## Words and sources
#
# **super-resolution** 超分辨率, **pre-upsampling** 预上采样, **post-upsampling** 后上采样, **progressive** 渐进式, **back-projection** 反投影, **luminance** 亮度, **PSNR** 峰值信噪比, **SSIM** 结构相似性.
#
# - Dong et al.: SRCNN, TPAMI 2016. Shi et al.: ESPCN, CVPR 2016. Lai et al.: LapSRN, CVPR 2017. Haris et al.: DBPN, CVPR 2018.
# - Wang, Chen, Hoi: Deep learning for image super-resolution, a survey, TPAMI 2020 (the four frameworks).
# - Irani, Peleg: Improving resolution by image registration, 1991 (back-projection).

# %% [markdown] lang="zh" of="4c0b4f7b"
# ## 术语与出处
#
# **超分辨率** super-resolution，**预上采样** pre-upsampling，**后上采样** post-upsampling，**渐进式** progressive，**反投影** back-projection，**亮度** luminance，**峰值信噪比** PSNR，**结构相似性** SSIM。
#
# - Dong et al.: SRCNN, TPAMI 2016. Shi et al.: ESPCN, CVPR 2016. Lai et al.: LapSRN, CVPR 2017. Haris et al.: DBPN, CVPR 2018.
# - Wang, Chen, Hoi: Deep learning for image super-resolution, a survey, TPAMI 2020（四种框架）。
# - Irani, Peleg: Improving resolution by image registration, 1991（反投影）。
