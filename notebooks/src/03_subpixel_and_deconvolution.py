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
# # 03 · Sub-pixel and transposed convolution
#
# **Claim.** Sub-pixel convolution and transposed convolution ("deconvolution") are one operation with its weights laid out in two ways.
# Checkerboards come from the weights, not from the name. A good start of the weights, ICNR, avoids them.
#
# Measured: about 8 seconds of CPU time on one core, 1.3 GB of memory at most. Data: photographs that ship with scikit-image. Needs: 00. No internet, no GPU.

# %% [markdown] lang="zh" of="c5a2d656"
# # 03 · 亚像素卷积与转置卷积
#
# **主张。** 亚像素卷积和转置卷积（“反卷积”）是同一种运算，只是权重的排列方式不同。棋盘效应来自权重，与名称无关。用 ICNR 做初始化，就能避开它。
#
# 实测：单核约 8 秒 CPU 时间，内存最多 1.3 GB。数据：scikit-image 自带的照片。先修：00。不需要联网，也不需要 GPU。

# %% jupyter={"source_hidden": true}
from dsrl_lab.course.notebook import show_figure, start

lab = start()

# %% jupyter={"source_hidden": true}
import torch
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from pandas import DataFrame
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab.complexity import complexity
from dsrl_lab.course.exercises import check, hint, predict, reveal, solution
from dsrl_lab.course.table import Table
from dsrl_lab.datasets.photos import Photos
from dsrl_lab.datasets.transforms import reduce_image
from dsrl_lab.metrics import psnr
from dsrl_lab.models.super_resolution import BicubicUpsample, icnr_
from dsrl_lab.plots.masks import bare, show_image
from dsrl_lab.plots.theme import faded, new_figure, style_of, theme
from dsrl_lab.rows import BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILLION

photos = Photos()


def photo(name: str) -> Tensor:
    """A photograph (3, H, W)."""
    return photos[photos.names.index(name)].image


# %% [markdown]
# ## A cat behind a grid
#
# Three untrained layers enlarge the same small picture. Their weights are positive: random in two layers, equal in the middle one. So the cat should
# only become blurred. In two of the pictures something else appears.

# %% [markdown] lang="zh" of="5db7a45d"
# ## 网格后面的猫
#
# 三个未经训练的层放大同一张小图。权重都是正数：两个层的权重随机，中间那个层的权重处处相等。照理说，猫只会变模糊；可是有两张图里出现了别的东西。

# %% jupyter={"source_hidden": true}
cat = photo("chelsea")[:, :288, :432]
small = reduce_image(cat, (144, 216))
crop = small[None, :, 40:80, 40:100]
weights = torch.rand(4, 1, 3, 3)
weights = weights / weights.sum((1, 2, 3)).mean()  # as bright as the input, on average


def each_channel(layer: object, image: Tensor) -> Tensor:
    """Apply a layer of one channel to each of three."""
    return torch.cat([layer(image[:, c : c + 1]) for c in range(3)], 1)


uneven = torch.ones(1, 1, 3, 3) * 4 / 9
pictures = {
    "sub-pixel, random start": each_channel(lambda x: F.pixel_shuffle(F.conv2d(x, weights, padding=1), 2), crop),
    "transposed 3×3, stride 2": each_channel(lambda x: F.conv_transpose2d(x, uneven, None, 2, 1, 1), crop),
    "sub-pixel, ICNR start": each_channel(
        lambda x: F.pixel_shuffle(F.conv2d(x, weights[:1].repeat(4, 1, 1, 1) / weights[:1].sum(), padding=1), 2), crop
    ),
}

with theme():
    figure = new_figure(10.5, 2.8)
    for ax, (name, picture) in zip(figure.subplots(1, 3), pictures.items(), strict=True):
        show_image(picture[0], title=name, crisp=True, ax=ax)
    show_figure(
        figure, alt="The same cat's face enlarged three ways: two pictures show a fine grid of dots, the third does not"
    )

# %% [markdown]
# ## What you will be able to do
#
# 1. Say what pixel shuffle does to every axis, and write it.
# 2. Change a sub-pixel convolution into a transposed one, and prove that outputs *and* gradients agree.
# 3. Tell the two causes of checkerboards apart, and predict one from kernel size and stride.
# 4. Start a layer by ICNR, and say how long its help lasts.
# 5. Count what enlarging costs.

# %% [markdown] lang="zh" of="8afaf3b0"
# ## 学完之后，你能
#
# 1. 说出像素重排对每个轴做了什么，并亲手写出来。
# 2. 把亚像素卷积改写成转置卷积，并证明二者的输出*和*梯度都一致。
# 3. 区分棋盘效应的两种成因，并根据卷积核大小和步幅预判其中一种。
# 4. 用 ICNR 初始化一个层，并说出它的好处能维持多久。
# 5. 算出放大的开销。

# %% [markdown]
# ## Predict
#
# 1. A sub-pixel convolution has a 3 × 3 kernel and a factor of 2. A transposed convolution has a 6 × 6 kernel and a stride of 2. How many times the
# multiply-adds of the first does the second need?
# 2. A small network starts with a checkerboard and trains for 60 steps. How much of the pattern is left, in per cent?
#
# Put numbers in place of `None`.

# %% [markdown] lang="zh" of="c43a7e0a"
# ## 先猜一猜
#
# 1. 亚像素卷积的卷积核为 3 × 3，放大倍数为 2；转置卷积的卷积核为 6 × 6，步幅为 2。后者的乘加次数是前者的几倍？
# 2. 一个小网络开始时带有棋盘效应，训练 60 步之后还剩百分之几？
#
# 把 `None` 换成你猜的数。

# %%
predict("03.cost", None, unit="times")

# %%
predict("03.left", None, unit="%")

# %% [markdown]
# ## Pixel shuffle
#
# A convolution at the small size makes s² numbers for each pixel and channel. Pixel shuffle lays them side by side, as a block of s × s pixels.
#
# $$y_{c,\;si+a,\;sj+b} = x_{cs^2+as+b,\;i,\;j}$$
#
# Shapes: (N, C·s², h, w) → (N, C, s·h, s·w). Nothing is computed; numbers only move. Each of the s² positions (a, b) in a block is a **phase**. In the
# drawing a colour is a phase, a number is a small pixel.

# %% [markdown] lang="zh" of="8fabbcef"
# ## 像素重排
#
# 卷积在小尺寸上进行，为每个像素、每个通道算出 s² 个数。像素重排把它们并排放好，拼成 s × s 的像素块。
#
# $$y_{c,\;si+a,\;sj+b} = x_{cs^2+as+b,\;i,\;j}$$
#
# 形状：(N, C·s², h, w) → (N, C, s·h, s·w)。这里不做任何计算，只是给数字换了位置。块中的 s² 个位置 (a, b) 各称为一个**相位**。图中颜色表示相位，数字是小图中像素的编号。

# %% jupyter={"source_hidden": true}
PHASES = (BLUE, VERMILLION, GREEN, PURPLE)


def draw_grid(pixels: Tensor, phases: Tensor, title: str, ax: Axes) -> None:
    """Numbers (h, w) in squares that are coloured by phase."""
    for y, x in torch.cartesian_prod(*map(torch.arange, pixels.shape)).tolist():
        color = PHASES[int(phases[y, x])]
        ax.add_patch(Rectangle((x, y), 1, 1, facecolor=faded(color), edgecolor="white"))
        ax.text(x + 0.5, y + 0.5, int(pixels[y, x]), ha="center", va="center", fontsize=9)
    ax.set(xlim=(0, pixels.shape[1]), ylim=(pixels.shape[0], 0), aspect="equal")
    bare(ax, title)


numbers = torch.arange(6.0).reshape(1, 1, 2, 3).expand(1, 4, 2, 3)  # the pixel's number, in all four channels
colors = torch.arange(4.0).reshape(1, 4, 1, 1).expand(1, 4, 2, 3)  # the channel's number
with theme():
    figure = new_figure(10.5, 2.4)
    axes = figure.subplots(1, 5, width_ratios=(1, 1, 1, 1, 2))
    for phase, ax in enumerate(axes[:4]):
        draw_grid(numbers[0, phase], colors[0, phase], f"channel {phase}:\na = {phase // 2}, b = {phase % 2}", ax)
    shuffled = (F.pixel_shuffle(x, 2)[0, 0] for x in (numbers, colors))
    draw_grid(*shuffled, "after pixel shuffle:\n1 channel, twice the sides", axes[4])
    show_figure(
        figure,
        alt="Four small channels in four colours; after the shuffle each block of four pixels has all four colours",
    )

# %% [markdown]
# ### Exercise 03.1 · pixel shuffle by hand
# *Some thought · essential · 10 minutes.* Reshape, permute, reshape. The order of the axes is the whole exercise.

# %% [markdown] lang="zh" of="1cf84c14"
# ### 练习 03.1 · 手写像素重排
# *需要思考 · 本章核心 · 10 分钟。* reshape、permute、再 reshape。难点全在各轴的顺序。


# %%
def shuffle(x: Tensor, upscale_factor: int) -> Tensor:
    """Pixel shuffle with reshape and permute only (no ``pixel_shuffle``).

    Channel c * s^2 + a * s + b becomes row a, column b of each s x s block of
    channel c.

    Shape:
        - x: (N, C * s^2, h, w)
        - output: (N, C, s * h, s * w)

    Example:
        >>> shuffle(torch.tensor([[[[1.0]], [[2.0]], [[3.0]], [[4.0]]]]), 2)
        tensor([[[[1., 2.],
                  [3., 4.]]]])
    """
    raise NotImplementedError


check("03.1", shuffle)

# %%
hint("03.1") + solution("03.1")

# %% [markdown]
# ## Transposed convolution: a stamp
#
# A convolution *looks*: each output gathers from its neighbours. Its transpose *stamps*: each input pixel leaves a copy of the kernel, multiplied by its
# value. Stamps stand `stride` apart. Where they overlap they add up.
#
# $$y_{si+u} \mathrel{+}= x_i\,w_u$$
#
# In the drawing, six input pixels of value 1 stamp kernels of ones with stride 2. A colour is an input pixel. The height of a bar is the output.

# %% [markdown] lang="zh" of="6a1a2537"
# ## 转置卷积：盖印
#
# 卷积是在*看*：每个输出从邻近的输入收集信息。它的转置是在*盖印*：每个输入像素把卷积核乘以自己的值，盖在输出上，留下一个印记。相邻的印记相隔 `stride` 个位置，重叠处相加。
#
# $$y_{si+u} \mathrel{+}= x_i\,w_u$$
#
# 图中有六个值为 1 的输入像素，以步幅 2 盖下全为 1 的卷积核。颜色表示输入像素，柱高表示输出。

# %% jupyter={"source_hidden": true}
COLORS = [faded(color, 0.7) for color in (*PHASES, GREY, ORANGE)]
with theme():
    figure = new_figure(10.5, 2.2)
    for size, ax in zip((2, 3, 4, 5), figure.subplots(1, 4, sharey=True), strict=True):
        bottom = torch.zeros(2 * 5 + size)
        for pixel in range(6):
            spark = torch.zeros(1, 1, 6)
            spark[..., pixel] = 1
            stamp = F.conv_transpose1d(spark, torch.ones(1, 1, size), stride=2)[0, 0]
            ax.bar(range(len(stamp)), stamp, bottom=bottom, width=1, color=COLORS[pixel], edgecolor="white")
            bottom += stamp
        ax.set(title=f"kernel {size}, stride 2", xticks=[], ylim=(0, 3.4), yticks=(0, 1, 2, 3))
    figure.axes[0].set_ylabel("output")
    show_figure(
        figure, alt="Stacked stamps: with kernels 2 and 4 all outputs are equally high, with 3 and 5 they alternate"
    )

# %% [markdown]
# ### Exercise 03.2 · how many stamps lie on each position?
# *Some thought · useful · 8 minutes.* If the number differs from position to position, a constant input gives stripes. Count the colours in the drawing.

# %% [markdown] lang="zh" of="b31f3013"
# ### 练习 03.2 · 每个位置上叠了几个印记？
# *需要思考 · 建议做 · 8 分钟。* 如果个数因位置而异，恒定的输入也会变成条纹。数一数图中的颜色。


# %%
def taps(kernel_size: int, stride: int) -> list[int]:
    """How many taps of a 1-D transposed convolution fall on each output position.

    Far from the border the pattern repeats every ``stride`` positions. Entry a of the
    list is for the outputs at which, without padding, position modulo stride is a.

    Example:
        >>> taps(3, 2)  # uneven: a checkerboard
        [2, 1]
        >>> taps(4, 2)
        [2, 2]
        >>> taps(1, 2)  # a kernel smaller than its stride leaves holes
        [1, 0]
    """
    raise NotImplementedError


check("03.2", taps)

# %%
hint("03.2") + solution("03.2")

# %% [markdown]
# ## The proof
#
# Look at one phase a. In the sub-pixel layer its output reads the inputs i + u − r, each with its own weight. In the transposed layer the same output
# receives stamps from the same inputs. So tap u of phase a must be tap s·(k − 1 − u) + a of the stamp. It is **flipped**: one looks, the other
# stamps. It is **interleaved**: stamps stand s apart. The four 3 × 3 kernels become one of 6 × 6.

# %% [markdown] lang="zh" of="a10db93a"
# ## 证明
#
# 只看一个相位 a。在亚像素层里，它的输出读取输入 i + u − r，各乘各的权重；在转置卷积层里，同一个输出收到的印记正来自这些输入。因此，相位 a 的采样点 u 必须是印记的采样点 s·(k − 1 − u) + a。要**翻转**，因为一个在看，一个在盖印；要**交错**，因为相邻的印记相隔 s。四个 3 × 3 的卷积核合成一个 6 × 6 的卷积核。


# %%
def as_stamp(weight: Tensor, s: int) -> Tensor:
    """(C * s^2, C_in, k, k) -> (C_in, C, k * s, k * s), by asking: what does one bright pixel leave behind?"""
    c_in, k = weight.shape[1], weight.shape[-1]
    sparks = torch.zeros(c_in, c_in, k, k)
    sparks[range(c_in), range(c_in), k // 2, k // 2] = 1
    return F.pixel_shuffle(F.conv2d(sparks, weight, padding=k // 2), s)


sub_pixel = (torch.randn(12, 3, 3, 3) * 0.2).requires_grad_()
stamp = as_stamp(sub_pixel.detach(), 2).requires_grad_()
one = F.pixel_shuffle(F.conv2d(small[None], sub_pixel, padding=1), 2)
other = F.conv_transpose2d(small[None], stamp, stride=2, padding=2)
print("shapes", tuple(one.shape), tuple(other.shape))
print(
    "largest difference on a photograph:",
    f"{float((one - other).detach().abs().max()):.1e}",
)

# %% [markdown]
# Equal outputs. But do they also *learn* equally? The gradients must be rearranged in the same way. Then every step of gradient descent keeps the two
# layers equal.

# %% [markdown] lang="zh" of="8af77010"
# 输出相等。可是它们*学*起来也一样吗？这要求梯度也以同样的方式重新排列。做到这一点，梯度下降每走一步，两个层都保持相等。

# %%
truth = cat[None]
((one - truth) ** 2).mean().backward()
((other - truth) ** 2).mean().backward()
print(
    "gradients, largest difference:",
    f"{float((as_stamp(sub_pixel.grad, 2) - stamp.grad).abs().max()):.1e}",
)

# %% [markdown]
# ### Exercise 03.3 · the rearrangement
# *Hard · essential · 20 minutes.* The cell above asked the layer for its stamp. Now write it as reshape, flip, permute.

# %% [markdown] lang="zh" of="99482495"
# ### 练习 03.3 · 重新排列
# *较难 · 本章核心 · 20 分钟。* 上面的单元格输入一个亮点，再从输出中读出印记。现在用 reshape、flip、permute 直接写出来。


# %%
def transposed_kernel(weight: Tensor, upscale_factor: int) -> Tensor:
    """Weight of the transposed convolution that does what a sub-pixel convolution does.

    For odd k and r = k // 2 these two must agree:
    ``pixel_shuffle(conv2d(x, weight, padding=r), s)`` and
    ``conv_transpose2d(x, transposed_kernel(weight, s), stride=s, padding=s * r)``.

    Shape:
        - weight: (C * s^2, C_in, k, k)
        - output: (C_in, C, k * s, k * s)

    Example:
        >>> transposed_kernel(torch.arange(4.0).reshape(4, 1, 1, 1), 2)
        tensor([[[[0., 1.],
                  [2., 3.]]]])
    """
    raise NotImplementedError


check("03.3", transposed_kernel)

# %%
hint("03.3") + solution("03.3")

# %% [markdown]
# The other direction holds too: any transposed convolution with a kernel k·s wide is a sub-pixel convolution. In a smaller kernel the missing taps
# are zero. Of DSRL's 3 × 3 deconvolution with stride 2, the four phases own 4, 2, 2 and 1 of the nine weights.

# %% [markdown] lang="zh" of="bde8e6c1"
# 反过来也成立：卷积核宽为 k·s 的转置卷积，都可以写成亚像素卷积。卷积核更小时，缺少的采样点就是零。DSRL 的 3 × 3 反卷积步幅为 2，九个权重分给四个相位，分别是 4、2、2、1 个。

# %% [markdown]
# ## Two causes of a checkerboard
#
# 1. **Uneven overlap.** Kernel 3, stride 2: one pixel of a block gets four stamps, its diagonal neighbour one. The sizes cause it.
# 2. **Different phases.** Even overlap, but each phase has random weights of its own. The start causes it.
#
# Watch the pattern grow: a constant grey picture passes one, two and three transposed layers with equal weights.

# %% [markdown] lang="zh" of="63add751"
# ## 棋盘效应的两种成因
#
# 1. **重叠不均**。卷积核 3，步幅 2：块中一个像素得到四个印记，斜对角的像素只得到一个。这是尺寸造成的。
# 2. **相位不同**。重叠均匀，但每个相位各有一套随机权重。这是初始化造成的。
#
# 看图案怎样逐层变强：一张恒定的灰色图，依次通过一个、两个、三个权重相等的转置卷积层。

# %% jupyter={"source_hidden": true}
with theme():
    figure = new_figure(10.5, 2.9)
    for ax, (size, layers) in zip(figure.subplots(1, 4), ((3, 1), (3, 2), (3, 3), (4, 3)), strict=True):
        grey = torch.full((1, 1, 24, 24), 0.5)
        for _ in range(layers):
            grey = F.conv_transpose2d(grey, torch.ones(1, 1, size, size) * 4 / size**2, stride=2)
        shown = grey[0, 0, 16:40, 16:40]
        shown = (0.4 * shown / shown.mean()).clamp(0, 1)
        title = f"{size}×{size}, {layers} layer{'s' * (layers > 1)}"
        show_image(shown.expand(3, -1, -1), title=title, crisp=True, ax=ax)
    show_figure(
        figure,
        alt="A grey picture: the checkerboard of 3 by 3 kernels grows with each layer, 4 by 4 kernels leave it grey",
    )

# %% [markdown]
# To measure it: enlarge constant grey. All pixels should be equal. The spread between a block's phases is the checkerboard.

# %% [markdown] lang="zh" of="65447c73"
# 怎样度量？放大一张恒定的灰色图，所有像素本应相等。块内各相位之间的离散程度，就是棋盘效应的强度。


# %%
def checkerboard(image: Tensor, s: int = 2) -> float:
    """Standard deviation between the phases' means, in grey levels of 255; the border is left out."""
    inner = image[..., 4 * s : -4 * s, 4 * s : -4 * s]
    phases = F.pixel_unshuffle(inner, s).unflatten(1, (image.shape[1], s * s)).mean((0, 3, 4))
    return 255 * float(phases.detach().std(dim=1, unbiased=False).mean())


def of_kernels(weights: Tensor) -> float:
    """Mean checkerboard of kernels (N, 1, 1, k, k) that keep the brightness, stride 2, on grey."""
    grey = torch.full((1, 1, 16, 16), 0.5)
    made = [F.conv_transpose2d(grey, w / w.sum() * 4, stride=2)[..., :32, :32] for w in weights]
    return sum(map(checkerboard, made)) / len(made)


# %%
sizes = (2, 3, 4, 5, 6)
spread = {
    "kernel": [f"{k} × {k}" for k in sizes],
    "equal weights": [of_kernels(torch.ones(1, 1, 1, k, k)) for k in sizes],
    "random weights": [of_kernels(torch.rand(50, 1, 1, k, k)) for k in sizes],
}
Table(spread, "Checkerboard on grey, stride 2, in levels of 255", digits=1)

# %% [markdown]
# Equal weights: only odd kernels show a pattern. That is cause 1 alone. Random weights: every kernel shows one. A kernel that the stride divides *allows* an even picture;
# it does not make one. Among even kernels, and among odd ones, larger ones suffer less: each phase adds up more random weights, so the sums differ less.

# %% [markdown] lang="zh" of="da9bf7d6"
# 权重相等时，只有奇数大小的卷积核出现图案：这里只有第 1 种成因。权重随机时，每种卷积核都有图案。步幅能整除卷积核的大小，只是*允许*图像均匀，并不保证均匀。同为偶数大小或同为奇数大小时，卷积核越大，图案越弱：每个相位累加的随机权重更多，总和的差别就更小。

# %% [markdown]
# ## ICNR
#
# Start all s² filters of a channel as copies of one filter. Then all phases of a block are equal, for any input. The untrained layer is a convolution followed by
# nearest-neighbour enlargement.
#
# ### Exercise 03.4 · ICNR
# *Easy · essential · 6 minutes.* One line. There are two functions in PyTorch that repeat, and one of them is wrong.

# %% [markdown] lang="zh" of="99a69f24"
# ## ICNR
#
# 让一个通道的 s² 个滤波器都从同一个滤波器复制而来。这样，无论输入是什么，块内各相位都相等。未经训练的层就是一次卷积，再加最近邻放大。
#
# ### 练习 03.4 · ICNR
# *简单 · 本章核心 · 6 分钟。* 只要一行。PyTorch 有两个函数都能重复元素，其中一个用在这里是错的。


# %%
def icnr(filters: Tensor, upscale_factor: int) -> Tensor:
    """Start a sub-pixel convolution as convolution, then nearest-neighbour enlargement.

    Args:
        filters: one for each output channel.
        upscale_factor: s of the pixel shuffle that follows.

    Shape:
        - filters: (C, C_in, k, k)
        - output: (C * s^2, C_in, k, k), in the order that pixel shuffle expects

    Example:
        >>> icnr(torch.tensor([1.0, 2.0]).reshape(2, 1, 1, 1), 2).flatten()
        tensor([1., 1., 1., 1., 2., 2., 2., 2.])
    """
    raise NotImplementedError


check("03.4", icnr)

# %%
hint("03.4") + solution("03.4")

# %% [markdown]
# ## Does it last?
#
# A small network learns for 60 steps with three seeds. Its last layer starts in three ways: PyTorch's default, ICNR, and the negative control. The control is ICNR with
# its copies in the **wrong order** (`repeat` in place of `repeat_interleave`): the same weights in other places.

# %% [markdown] lang="zh" of="a50bbbe4"
# ## 能维持多久？
#
# 一个小网络学习 60 步，用三个种子各做一遍。最后一层有三种初始化：PyTorch 的默认方式、ICNR 和阴性对照。阴性对照也是 ICNR，但副本的**顺序错了**（用 `repeat` 代替 `repeat_interleave`）：权重相同，位置不同。


# %% jupyter={"source_hidden": true}
class Enlarger(nn.Sequential):
    """Two convolutions and a pixel shuffle; ``start`` names how the second one starts."""

    def __init__(self, start: str) -> None:
        last = nn.Conv2d(24, 12, 3, padding=1)
        nn.init.zeros_(last.bias)
        if start == "ICNR":
            icnr_(last.weight, 2)
        elif start == "ICNR, wrong order":
            last.weight.data = nn.init.kaiming_normal_(torch.empty(3, 24, 3, 3)).repeat(4, 1, 1, 1)
        super().__init__(nn.Conv2d(3, 24, 5, padding=2), nn.ReLU(), last, nn.PixelShuffle(2))


TRAINING = [photo(name) for name in ("astronaut", "coffee", "rocket")]


def draw_pair(generator: torch.Generator, count: int = 6, size: int = 32) -> tuple[Tensor, Tensor]:
    """Random crops, small and large."""
    crops = []
    for _ in range(count):
        image = TRAINING[int(torch.randint(3, (), generator=generator))]
        y, x = (int(torch.randint(side - size, (), generator=generator)) for side in image.shape[1:])
        crops.append(image[:, y : y + size, x : x + size])
    high = torch.stack(crops)
    return reduce_image(high, (size // 2, size // 2)), high


# %% jupyter={"source_hidden": true}
LOOKS = (0, 5, 10, 20, 30, 40, 50, 60)


def train(start: str, seed: int) -> list[tuple[float, float, Tensor]]:
    """Checkerboard on grey, PSNR on the cat, and the cat, at each look; all starts see the same crops."""
    torch.manual_seed(seed)
    network, crops, seen = Enlarger(start), torch.Generator().manual_seed(seed), []
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for step in range(LOOKS[-1] + 1):
        if step in LOOKS:
            with torch.no_grad():
                made, flat = network(small[None]).clamp(0, 1), network(torch.full((1, 3, 20, 20), 0.5))
            seen.append((checkerboard(flat), float(psnr(made, cat[None])), made[0, :, 80:160, 80:200]))
        low, high = draw_pair(crops)
        loss = (network(low) - high).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return seen


print("a few seconds for nine runs ...")
runs = {}
for name in ("default", "ICNR", "ICNR, wrong order"):
    runs[name] = [train(name, seed) for seed in range(3)]
    print(f"{name}: done")
first, last = (sum(run[look][0] for run in runs["default"]) for look in (0, -1))
reveal("03.left", 100 * last / first, unit="%")

# %% [markdown]
# ## The picture to take along
#
# Left and middle: three seeds each. Dashed: bicubic enlargement, the baseline that needs no training. Right: the cat after five steps.

# %% [markdown] lang="zh" of="128c2b47"
# ## 带走这张图
#
# 左图和中图：各三个种子。虚线：双三次插值，不需要训练的基线。右图：训练五步之后的猫。

# %% jupyter={"source_hidden": true}
LINES = {"default": style_of("baseline"), "ICNR": style_of("sssr"), "ICNR, wrong order": style_of("shuffled")}
bicubic = float(psnr(BicubicUpsample(2)(small[None]).clamp(0, 1), cat[None]))

with theme():
    figure = new_figure(11, 3.9)
    grid = figure.add_gridspec(3, 3, width_ratios=(2, 2, 1.3))
    left, middle = figure.add_subplot(grid[:, 0]), figure.add_subplot(grid[:, 1])
    for row, (start, seeds) in enumerate(runs.items()):
        look = LINES[start]
        for number, seen in enumerate(seeds):
            name = start if number == 0 else None
            for ax, column in ((left, 0), (middle, 1)):
                values = [entry[column] for entry in seen]
                ax.plot(
                    LOOKS, values, color=look.color, linestyle=look.line, marker=look.marker, markersize=3, label=name
                )
        show_image(
            seeds[0][1][2], title=f"5 steps: {start.split(', ')[-1]}", crisp=True, ax=figure.add_subplot(grid[row, 2])
        )
    middle.axhline(bicubic, color="#22262C", linestyle="--", linewidth=1)
    left.set(xlabel="steps", ylabel="checkerboard (levels of 255)", ylim=(0, None))
    middle.set(xlabel="steps", ylabel="PSNR on the cat (dB)")
    left.legend()
    show_figure(
        figure,
        alt="Checkerboard and PSNR over training steps for three starts, and the cat's face after five steps of each",
    )

# %%
means = {
    start: [[sum(run[i][c] for run in seeds) / 3 for i in (0, 1, -1)] for c in (0, 1)] for start, seeds in runs.items()
}
rows = [(start, *board, scores[-1]) for start, (board, scores) in means.items()]
columns = ["start", "at step 0", "at step 5", "at step 60", "PSNR at step 60 (dB)"]
Table(DataFrame(rows, columns=columns), "Checkerboard in levels of 255, means of three seeds", digits=1)

# %% [markdown]
# <details><summary>What do you read in it? Then compare with our reading.</summary>
# ICNR removes the pattern at the start. The other two lose it only while training makes their phases agree. The default's pattern even grows at first. The control shows that <i>order</i> matters. After 60 steps the means of PSNR lie 1.6 dB apart, no more than seeds of one start scatter. The grid is a small part of a raw network's error, though the eye sees
# it first. In so few steps no network reaches bicubic.</details>

# %% [markdown] lang="zh" of="07f0dd5e"
# <details><summary>你从图中读出了什么？想好再与我们的解读对照。</summary>
# ICNR 从一开始就没有图案。另外两种要等训练使各相位趋于一致，图案才消失；默认初始化的图案起初甚至还会变强。对照说明<i>顺序</i>很要紧：副本放错了位置，就不是 ICNR。60 步之后，三者的平均 PSNR 相差 1.6 dB，不超过同一种初始化换种子的离散程度。网格虽然最先被眼睛看到，在训练不足的网络里却只占误差的一小部分。步数这么少，没有一个网络赶得上双三次插值。</details>

# %% [markdown]
# ## Try it
#
# One knob: the seed. Is the order of the three starts after five steps the same for each? What would you need to say so with confidence?

# %% [markdown] lang="zh" of="25977c4b"
# ## 动手试试
#
# 可调的只有种子。训练五步之后，三种初始化的名次是否每次都一样？要有把握地下结论，还需要什么？

# %%
seed = 7
print({start: f"{train(start, seed)[1][0]:.1f} grey levels" for start in runs})

# %% [markdown]
# ## Break it
#
# Three wrong shuffles. Each keeps all shapes, raises no error, and would train. Set `DEFECT` to another name, and learn to recognise each.

# %% [markdown] lang="zh" of="c3050576"
# ## 弄坏它
#
# 三种错误的重排。形状都不变，都不报错，也都能训练。把 `DEFECT` 换成另一个名字，学会认出每一种。

# %% jupyter={"source_hidden": true}
WRONG = {
    "none": lambda x: F.pixel_shuffle(x, 2),
    "reshape without permute": lambda x: x.reshape(1, 3, 2 * x.shape[2], 2 * x.shape[3]),
    "rows and columns of a phase swapped": lambda x: F.pixel_shuffle(
        x.unflatten(1, (3, 2, 2)).transpose(2, 3).flatten(1, 3), 2
    ),
    "phases outermost": lambda x: F.pixel_shuffle(x.unflatten(1, (3, 4)).transpose(1, 2).flatten(1, 2), 2),
}
DEFECT = "rows and columns of a phase swapped"  # the switch
phases_of_cat = F.pixel_unshuffle(cat[None, :, 80:160, 100:240], 2)  # shuffling this back should give the cat

with theme():
    figure = new_figure(8, 2.7)
    for ax, name in zip(figure.subplots(1, 2), ("none", DEFECT), strict=True):
        show_image(WRONG[name](phases_of_cat)[0].clamp(0, 1), title=name, crisp=True, ax=ax)
    show_figure(
        figure,
        alt="The cat's face put together in the right order and in a wrong one, which shows at the slanted edges",
    )

# %% [markdown]
# Symptoms to recognise: several flat copies (no permute); slanted edges like a zip, straight ones nearly right (a and b swapped); colours that change from pixel
# to pixel (phases outermost). A network can learn around all three, because its filters are free. So such defects stay hidden: the loss falls.
#
# ## What enlarging costs
#
# Five ways from 32 channels at 64 × 96 to 3 channels at 128 × 192. The kit counts what PyTorch executes, transposed convolutions included.

# %% [markdown] lang="zh" of="d0e5d277"
# 要认得的症状：图像成了几份压扁的副本（缺少 permute）；斜边像拉链，直边却几乎正确（a 与 b 对调）；颜色逐像素跳变（相位排在最外层）。网络的滤波器可以任意调整，这三种错误它都能学着绕过去。所以这类缺陷藏得很深：损失照样下降。
#
# ## 放大的开销
#
# 从 64 × 96 上的 32 个通道到 128 × 192 上的 3 个通道，有五种做法。本套件统计 PyTorch 实际执行的运算，转置卷积也算在内。

# %%
WAYS = {
    "sub-pixel 3×3": nn.Sequential(nn.Conv2d(32, 12, 3, padding=1), nn.PixelShuffle(2)),
    "transposed 6×6, stride 2": nn.ConvTranspose2d(32, 3, 6, stride=2, padding=2),
    "transposed 4×4, stride 2": nn.ConvTranspose2d(32, 3, 4, stride=2, padding=1),
    "transposed 3×3, stride 2": nn.ConvTranspose2d(32, 3, 3, stride=2, padding=1, output_padding=1),
    "nearest, then 3×3": nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(32, 3, 3, padding=1)),
}
costs = {name: complexity(way, (64, 96), channels=32) for name, way in WAYS.items()}
ratio = costs["transposed 6×6, stride 2"].macs / costs["sub-pixel 3×3"].macs
rows = [(name, c.parameters, c.macs / 1e6, c.macs_without_transposed / 1e6) for name, c in costs.items()]
columns = ["layer", "parameters", "true MACs (M)", "Conv2d-only counter (M)"]
display(
    reveal("03.cost", ratio, unit="times"),
    Table(DataFrame(rows, columns=columns), "From 32 × 64 × 96 to 3 × 128 × 192"),
)

# %% [markdown]
# <details><summary>You have guessed? Then open what we read in it.</summary>
# Sub-pixel and its 6 × 6 twin need exactly the same multiply-adds; they differ by nine biases. "Nearest, then 3 × 3" costs as much and has a quarter of
# the weights: it works at the large size, four times over the same numbers. Smaller kernels are cheaper: 4 × 4 overlaps
# evenly; 3 × 3 is cheaper still, but uneven. Both see fewer input pixels. A Conv2d-only counter sees nothing of the transposed ones.</details>

# %% [markdown] lang="zh" of="40dfe8c0"
# <details><summary>猜过之后再展开，看我们的解读。</summary>
# 亚像素卷积和与它等价的 6 × 6 转置卷积，乘加次数完全相同，参数只差九个偏置。“最近邻放大，再做 3 × 3 卷积”开销相同，权重只有四分之一：它在大尺寸上计算，同样的数字要算四遍。更小的卷积核开销更低：4 × 4 是均匀的；3 × 3 开销更小，但不均匀。两者看到的输入像素都更少。只认 Conv2d 的计数器，完全看不到转置卷积。</details>

# %% [markdown]
# ### Exercise 03.5 · count it yourself
# *Easy · useful · 5 minutes.* Two factors decide: at which size the convolution runs, and how many filters it has. Which of them brings an s²?

# %% [markdown] lang="zh" of="985d377b"
# ### 练习 03.5 · 自己算一算
# *简单 · 建议做 · 5 分钟。* 起决定作用的有两个因素：卷积在哪个尺寸上进行，有多少个滤波器。s² 来自哪一个？


# %%
def sub_pixel_macs(
    height: int,
    width: int,
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    upscale_factor: int,
) -> int:
    """Multiply-adds of a sub-pixel convolution for one picture.

    Args:
        height: of the INPUT, in pixels.
        width: of the INPUT, in pixels.
        in_channels: channels that come in.
        out_channels: channels of the enlarged picture.
        kernel_size: k of the convolution before the shuffle.
        upscale_factor: s.

    Example:
        >>> sub_pixel_macs(10, 10, 32, 3, 3, 2)
        345600
    """
    raise NotImplementedError


check("03.5", sub_pixel_macs)

# %%
hint("03.5") + solution("03.5")

# %% [markdown]
# ## Why DSRL cares
#
# The authors' head enlarges the class maps by two 3 × 3 transposed convolutions with stride 2. Their FLOPs counter sums `Conv2d` only [M], so the
# same number is reported with and without the head. Ours, for 20 outputs at 256 × 512 input:

# %% [markdown] lang="zh" of="8e36893e"
# ## 这与 DSRL 有什么关系
#
# 作者的头用两个 3 × 3、步幅 2 的转置卷积放大类别图。他们的 FLOPs 计数器只累加 `Conv2d` [M]，所以有没有这个头，报告的数字都一样。下面是我们的计数，20 个输出，输入 256 × 512：


# %%
def block() -> nn.Sequential:
    """One of the authors' two enlarging blocks for 20 outputs."""
    return nn.Sequential(nn.ConvTranspose2d(20, 20, 3, 2, 1, 1, bias=False), nn.BatchNorm2d(20), nn.PReLU(20))


head = complexity(nn.Sequential(block(), block()), (128, 256), channels=20)
counted = {"counter": ["Conv2d only", "all layers"], "MACs (M)": [head.macs_without_transposed / 1e6, head.macs / 1e6]}
counted["on top of the host's 674.46 M (%)"] = [100 * macs / 674.46 for macs in counted["MACs (M)"]]
Table(counted, f"The authors' head, input 256 × 512: {head.parameters:,} parameters")

# %% [markdown]
# **Paper against ours.** The paper: no extra cost at inference [P]. Our count: 589.82 M more multiply-adds, + 87 %. The parameters are few, because only 20
# channels meet; the positions are many.

# %% [markdown] lang="zh" of="c82c5189"
# **论文与本项目对照。** 论文说推理时没有额外开销 [P]。我们的计数：多出 589.82 M 次乘加，增加了 87 %。参数不多，因为相互连接的只有 20 个通道；位置却很多。

# %% [markdown]
# ## Limits
#
# - Equal multiply-adds are not equal seconds: libraries have different code for the two forms. Time them on your machine.
# - Three seeds, 60 steps, one tiny network, one cat: how long ICNR's help lasts elsewhere is not tested.
# - On a grey picture only the constant part of the pattern shows. Edges can carry more.
# - A strided convolution's *gradient* is a transposed convolution: it has checkerboards of its own.

# %% [markdown] lang="zh" of="05e3f17c"
# ## 局限
#
# - 乘加次数相等，不等于用时相等：库对两种写法有不同的实现。请在你的机器上计时。
# - 三个种子，60 步，一个很小的网络，一只猫：换到别处，ICNR 的好处能维持多久，未检验。
# - 灰色图只显出图案中恒定的部分，边缘处可能更强。
# - 步幅卷积的*梯度*就是转置卷积，它有自己的棋盘效应。

# %% [markdown]
# ## Five questions to take along
#
# <details><summary>1. What does pixel shuffle compute?</summary>Nothing. It moves numbers from channels to positions.</details>
# <details><summary>2. Why must u be flipped, and a not?</summary>u is where a weight looks; a stamp writes in the opposite direction. a is the place in the block, the same in both layers.</details>
# <details><summary>3. Kernel 5, stride 3: which phases are brighter?</summary>Phases 0 and 1: they get two taps each, phase 2 gets one.</details>

# %% [markdown] lang="zh" of="15dacd0f"
# ## 带走五个问题
#
# <details><summary>1. 像素重排计算了什么？</summary>什么也不计算。它只把数字从通道搬到空间位置上。</details>
# <details><summary>2. 为什么 u 要翻转，a 却不用？</summary>u 是权重看向的位置，而印记朝相反的方向写。a 是块中的位置，在两个层里相同。</details>
# <details><summary>3. 卷积核 5，步幅 3：哪些相位更亮？</summary>相位 0 和 1：各有两个采样点，相位 2 只有一个。</details>

# %% [markdown]
# <details><summary>4. What does ICNR make of an untrained layer, and what does it promise after training?</summary>A convolution with nearest-neighbour enlargement, without a checkerboard. It promises nothing for later: training may pull the phases apart.</details>
# <details><summary>5. Where do the head's multiply-adds hide from a counter?</summary>In transposed convolutions, if the counter sums Conv2d only.</details>

# %% [markdown] lang="zh" of="dd19279d"
# <details><summary>4. ICNR 让未经训练的层做什么？训练之后它还能保证什么？</summary>做一次卷积，再加最近邻放大，没有棋盘效应。以后的事它不保证：训练可能使各相位又变得不同。</details>
# <details><summary>5. 头的乘加次数藏在哪里，计数器才看不到？</summary>藏在转置卷积里：计数器只累加 Conv2d，就看不到它们。</details>

# %% [markdown]
# ## Words and sources
#
# **sub-pixel convolution** 亚像素卷积, **transposed convolution** 转置卷积 ("deconvolution" 反卷积), **checkerboard** 棋盘效应, **phase**: a place in the s × s block, **ICNR**: initialised to
# convolution, nearest-neighbour resize.
#
# - Shi et al.: Real-time single image and video super-resolution using an efficient sub-pixel convolutional neural network, CVPR 2016.
# - Shi et al.: Is the deconvolution layer the same as a convolutional layer?, 2016.
# - Odena, Dumoulin, Olah: Deconvolution and checkerboard artifacts, 2016. Aitken et al.: Checkerboard artifact free sub-pixel convolution, 2017.

# %% [markdown] lang="zh" of="f7fb33b7"
# ## 术语与出处
#
# **亚像素卷积** sub-pixel convolution，**转置卷积** transposed convolution（“反卷积” deconvolution），**棋盘效应** checkerboard，**相位** phase：s × s 像素块中的一个位置，**ICNR**：初始化为卷积加最近邻放大。
#
# - Shi et al.: Real-time single image and video super-resolution using an efficient sub-pixel convolutional neural network, CVPR 2016.
# - Shi et al.: Is the deconvolution layer the same as a convolutional layer?, 2016.
# - Odena, Dumoulin, Olah: Deconvolution and checkerboard artifacts, 2016. Aitken et al.: Checkerboard artifact free sub-pixel convolution, 2017.
