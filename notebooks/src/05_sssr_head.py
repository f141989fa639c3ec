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
# **Claim.** A few layers after the decoder give a host a mask larger than its input. They are not free, whatever a counter reports. And how they *start*
# decides whether a trained host survives them.
#
# Measured: about half a minute of CPU time on one core, 1.2 GB of memory at most. Data: drawn streets; starts from the kit's trained TinyNet
# (`data/checkpoints/streets_tinynet`). Needs: 03, 04. No internet, no GPU.

# %% [markdown] lang="zh" of="f69e7a93"
# # 05 · SSSR 头
#
# **主张。** 在解码器之后加几层，宿主网络输出的掩码就能比输入更大。不管计数器报告什么，这几层都有开销。而它们*从哪里起步*，决定训练好的宿主网络能不能保住原有的水平。
#
# 实测：单核约半分钟 CPU 时间，内存最多 1.2 GB。数据：合成街景；从本套件训练好的 TinyNet（`data/checkpoints/streets_tinynet`）出发。先修：03、04。不需要联网，也不需要 GPU。

# %%
from dsrl_lab.course.notebook import show_figure, start

lab = start()

# %% jupyter={"source_hidden": true}
import pandas as pd
import torch
from IPython.display import display
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab import DSRL, Batches, DecodedSamples, SegmentationObjective, Streets, TrainConfig, fit
from dsrl_lab.complexity import complexity
from dsrl_lab.course.exercises import check, hint, predict, reveal, solution
from dsrl_lab.course.table import Table
from dsrl_lab.datasets.class_tables import CAMVID
from dsrl_lab.datasets.transforms import reduce_image
from dsrl_lab.dsrl import BilinearHead, DeconvolutionHead, SubPixelHead, SuperResolved
from dsrl_lab.metrics import SegmentationScore
from dsrl_lab.models import SEGMENTATION
from dsrl_lab.plots.masks import class_handles, show_image, show_mask
from dsrl_lab.plots.theme import faded, new_figure, style_of, theme
from dsrl_lab.results import frames
from dsrl_lab.results import paper_numbers as paper
from dsrl_lab.results.inference import judge_family
from dsrl_lab.results.shapes import meta_device
from dsrl_lab.rows import BLUE, GREY, VERMILLION, Style
from dsrl_lab.training.build import load_task_model
from dsrl_lab.training.evaluate import evaluate_segmentation, predict_mask
from dsrl_lab.training.objectives import class_weights_of
from dsrl_lab.widgets import segmentation_compare

# %% [markdown]
# ## Four heads in one drawing
#
# A host receives 90 × 120 pixels and decides on 45 × 60 positions. A head must make 180 × 240 of them. Each row is one head, run and measured:
# a block's height shows its sides, its width the channels. Guess: which head does the most multiply-adds? Which one has no weights at all?

# %% [markdown] lang="zh" of="dafd041b"
# ## 一图看懂四种头
#
# 宿主网络接收 90 × 120 个像素，在 45 × 60 个位置上作决定。头要由此得出 180 × 240 个位置。每行是一种头，图中的形状由实际运行测得：方块的高度表示边长，宽度表示通道数。猜一猜：哪种头的乘加最多？哪种一个权重也没有？

# %% jupyter={"source_hidden": true}
KEPT = lab.root / "data" / "checkpoints" / "streets_tinynet"
val = DecodedSamples(Streets("val", size=(180, 240), length=12))
scene = val[1]
host, _ = load_task_model(KEPT / "baseline_seed0.safetensors")
larger, _ = load_task_model(KEPT / "sssr_seed0.safetensors")
low_res = reduce_image(scene.image, (90, 120))[None]
heads = {"bilinear": BilinearHead(), "deconvolution": DeconvolutionHead(host)}
heads |= {"depthwise": DeconvolutionHead(host, depthwise=True), "sub-pixel": SubPixelHead(host)}


def steps_of(head: nn.Module) -> list[tuple[str, tuple[int, ...]]]:
    """What each layer of a head does, and the (C, H, W) that it gives, taken by running it."""
    found = []

    def note(layer: nn.Module, inputs: object, output: Tensor) -> None:
        name = f"pixel shuffle {layer.upscale_factor}" if isinstance(layer, nn.PixelShuffle) else "1 × 1 convolution"
        if isinstance(layer, nn.ConvTranspose2d):
            name = "deconvolution ×2" + (",\none per class map" if layer.groups > 1 else ",\nall to all classes")
        found.append((name, tuple(output.shape[1:])))

    layers = [x for x in head.modules() if isinstance(x, nn.Conv2d | nn.ConvTranspose2d | nn.PixelShuffle)]
    hooks = [layer.register_forward_hook(note) for layer in layers]
    with torch.no_grad():
        SuperResolved(host, head).eval()(low_res)
    for hook in hooks:
        hook.remove()
    return found


# %% jupyter={"source_hidden": true}
def draw_block(ax: object, x: float, y: float, shape: tuple[int, ...], color: str, above: str = "") -> None:
    height, width = 0.95 * (shape[1] / 180) ** 0.7, 0.045 * shape[0] ** 0.5
    ax.bar(x, height, width, y - height / 2, color=faded(color, 0.35), edgecolor=color, zorder=3)
    ax.text(x, y - height / 2 - 0.04, " × ".join(map(str, shape)), ha="center", va="top", fontsize=8.5)
    ax.text(x, y + height / 2 + 0.04, above, ha="center", va="bottom", fontsize=8.5)


with theme():
    figure = new_figure(11.5, 5.6)
    ax = figure.add_subplot()
    for number, (name, head) in enumerate(heads.items()):
        y, steps, sub_pixel = -1.5 * number, steps_of(head), name == "sub-pixel"
        source = (24, 45, 60) if sub_pixel else (11, 45, 60)
        draw_block(ax, 2.1, y, source, GREY, "features" if sub_pixel else "class maps")
        ax.text(0, y, name, va="center", fontsize=11, weight="bold")
        x = 2.1
        for text, shape in steps or [("bilinear resize", (11, 180, 240))]:
            reach = 2.4 if sub_pixel else 3.6 if steps else 7.2
            look = {"arrowstyle": "-|>", "color": GREY, "lw": 1.4}
            ax.annotate("", (x + reach - 0.4, y), (x + 0.3, y), arrowprops=look)
            ax.text(x + reach / 2 - 0.05, y + 0.06, text, ha="center", va="bottom", fontsize=9)
            x += reach
            draw_block(ax, x, y, shape, BLUE, "added to bilinear logits" if sub_pixel and shape[1] == 180 else "")
    ax.set(xlim=(0, 10), ylim=(-5.3, 0.8))
    ax.set_axis_off()
    about = "Four SSSR heads as rows of blocks from 45 x 60 to 180 x 240, with the layer between two blocks"
    show_figure(figure, alt=about)

# %% [markdown]
# `deconvolution` is the authors' head; BatchNorm and PReLU follow each of its layers. The other three are the kit's. Sub-pixel in a formula:
#
# $$\text{logits}^{\uparrow} = \mathrm{resize}(\text{logits}) + \mathrm{shuffle}_r\big(W_2\,\sigma(W_1\,\text{features})\big)$$
#
# ## What you will be able to do
#
# 1. Say what is halved and what is doubled.
# 2. Give a head's size and cost beforehand.
# 3. Find multiply-adds that a counter overlooked.
# 4. Start a head where the host is.
# 5. Tell a finer mask from a better one.

# %% [markdown] lang="zh" of="f51334b5"
# `deconvolution` 是作者的头，每一层之后都有 BatchNorm 和 PReLU。另外三种是本套件的。亚像素头写成公式如下，其中 logits 就是未归一化得分：
#
# $$\text{logits}^{\uparrow} = \mathrm{resize}(\text{logits}) + \mathrm{shuffle}_r\big(W_2\,\sigma(W_1\,\text{features})\big)$$
#
# ## 学完之后，你能
#
# 1. 说清楚什么减半，什么加倍。
# 2. 事先算出一个头的大小和开销。
# 3. 找出计数器漏掉的乘加。
# 4. 让头从宿主网络现有的水平起步。
# 5. 区分更精细的掩码和更好的掩码。

# %% [markdown]
# ## Predict
#
# The authors' head on ESPNetv2, 256 × 512 in, 512 × 1024 out: how many per cent does it add to the host's multiply-adds? And: a trained host scores 52 %
# mIoU. Put that head on it, with new random weights. What does the pair score before its first step? Numbers in place of `None`.

# %% [markdown] lang="zh" of="b4d24f65"
# ## 先猜一猜
#
# 把作者的头装在 ESPNetv2 上，输入 256 × 512，输出 512 × 1024：乘加次数比宿主网络多百分之几？还有：一个训练好的宿主网络，mIoU 为 52 %。给它装上这个头，头的权重刚刚随机初始化。一步都还没有训练时，两者合起来得多少分？把 `None` 换成你猜的数。

# %%
display(predict("05.cost", None, unit="%"), predict("05.start", None, unit="%"))

# %% [markdown]
# ## Is the input halved, or the output doubled?
#
# Both: they are two names for one thing. The picture has 2H × 2W pixels. The network *receives* H × W, because cost grows with the square of the sides. The
# **baseline** also receives H × W and answers at H × W. With SSSR the answer has the picture's size again. Below: one network, three grids. Outlines
# get smoother from left to right. What happens to the lamp post?

# %% [markdown] lang="zh" of="1b5593e6"
# ## 是输入减半，还是输出加倍？
#
# 两种说法都对，说的是一回事。图像有 2H × 2W 个像素。网络*接收* H × W，因为开销随边长的平方增长。**基线**也接收 H × W，输出也是 H × W。有了 SSSR，输出又回到图像的尺寸。下面是同一个网络的三种网格。从左到右，轮廓越来越平滑。路灯杆呢？

# %% jupyter={"source_hidden": true}
with torch.no_grad():
    decided = larger.host.forward_head(larger.host.forward_features(larger.normalise(low_res))).logits
    grids = {"class maps 45 × 60": decided, "host 90 × 120": larger.host(low_res), "SSSR 180 × 240": larger(low_res)}

with theme():
    figure = new_figure(12, 2.8)
    axes = figure.subplots(1, 5)
    crop = (slice(40, 130), slice(60, 180))
    show_image(scene.image[:, *crop], title="the original, cropped", crisp=True, ax=axes[0])
    show_mask(scene.mask[crop], CAMVID, legend=False, title="the truth", ax=axes[1])
    for ax, (name, logits) in zip(axes[2:], grids.items(), strict=True):
        s = 180 // logits.shape[-2]
        part = logits[0].argmax(0)[40 // s : 130 // s, 60 // s : 180 // s]
        show_mask(part, CAMVID, legend=False, title=name, ax=ax)
    figure.legend(handles=class_handles(CAMVID), loc="outside lower center", ncols=6)
    about = "A crop of a street, its true mask, and one prediction on a coarse, a middle and a fine grid"
    show_figure(figure, alt=about)

# %%
alone, lines = complexity(host, (90, 120)).macs, []
for name, head in heads.items():
    network = SuperResolved(host, head).eval()
    extra = (complexity(network, (90, 120)).macs - alone) / 1e6
    weights = sum(parameter.numel() for parameter in head.parameters())
    size = " × ".join(map(str, network.output_size((90, 120))))
    lines.append({"head": name, "output": size, "weights": weights, "extra MACs (M)": extra})
Table(lines, f"Four heads on TinyNet, which takes {alone / 1e6:.1f} M MACs itself", digits=1)

# %% [markdown]
# ### Exercise 05.1 · how large is the result?
# *Easy · useful · 5 minutes.* The authors' numbers are kernel 3, stride 2, padding 1, output padding 1. What would it be without the last?

# %% [markdown] lang="zh" of="aa41920a"
# ### 练习 05.1 · 结果有多大？
# *简单 · 建议做 · 5 分钟。* 作者的取值是：卷积核 3，步幅 2，填充 1，输出填充 1。没有最后一项，结果会怎样？


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
# The paper reports that DSRL adds nothing at inference. Count it as the authors' release does (all `Conv2d` modules), and count what PyTorch executes.

# %% [markdown] lang="zh" of="2b290bab"
# ## 隐藏的开销
#
# 论文说，DSRL 在推理时不增加任何开销。先照作者发布的代码来数（所有 `Conv2d` 模块），再数 PyTorch 实际执行的运算。

# %%
with meta_device():
    espnet = SEGMENTATION["espnetv2"](20, width=2.0)
    deployed = DSRL(espnet, sssr="deconvolution", sisr=False, affinity=False).task_model
counted = {"host alone": complexity(espnet, (256, 512)), "with its SSSR head": complexity(deployed, (256, 512))}
columns = {"network": list(counted), "parameters": [cost.parameters for cost in counted.values()]}
columns["MACs by their counter (M)"] = [cost.macs_without_transposed / 1e6 for cost in counted.values()]
columns["true MACs (M)"] = [cost.macs / 1e6 for cost in counted.values()]
display(Table(columns, "ESPNetv2 at 256 × 512, two ways to count"))
before, after = counted.values()
reveal("05.cost", 100 * (after.macs / before.macs - 1), unit="%")

# %% [markdown]
# **Paper against ours.** The authors state 674.78 M with and without the head [A]. SISR and affinity do disappear; SSSR does not.
#
# ### Exercise 05.2 · the head's multiply-adds
# *Some thought · essential · 8 minutes.* The answer for 128 × 256 class maps of 20 classes must be the difference you just saw.

# %% [markdown] lang="zh" of="1ceec57b"
# **论文与本项目对照。** 有头没头，作者报告的都是 674.78 M [A]。SISR 和特征亲和确实会消失，SSSR 却不会。
#
# ### 练习 05.2 · 头的乘加次数
# *需要思考 · 本章核心 · 8 分钟。* 20 个类别、128 × 256 的类别图，算出的结果应当就是你刚才看到的差值。


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
# The head's cost depends on K² and the output's size, not on the host. Beside an expensive host it disappears; beside a light one it is nearly half of
# everything. The same for the five hosts of 04 and the U-Net of 01, with 19 classes:

# %% [markdown] lang="zh" of="7c2daa7d"
# 头的开销取决于 K² 和输出的尺寸，与宿主网络无关。宿主网络开销大，它就微不足道；宿主网络轻量，它就几乎占到总量的一半。下面用 19 个类别，把笔记本 04 的五个宿主网络和笔记本 01 的 U-Net 都算一遍：


# %% jupyter={"source_hidden": true}
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
    show_figure(figure, alt="Extra multiply-adds of two heads on six hosts; most on the light ones")

# %% [markdown]
# ### Exercise 05.3 · what else would it buy?
# *Easy · essential · 5 minutes.* A fair rival of DSRL is the plain host with a *larger input* for the same multiply-adds. How large?

# %% [markdown] lang="zh" of="4e968818"
# ### 练习 05.3 · 同样的开销还能换来什么？
# *简单 · 本章核心 · 5 分钟。* 公平的对手，是乘加次数与 DSRL 相同、*输入更大*的普通宿主网络。输入该有多大？


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
# At about 350 × 701, Figure 1 of the paper gives the *plain* ESPNetv2 some 59.1 [read off, ± 0.2], against 59.5 for DSRL [P]. Most of the gain over 54.5
# can be bought without any new idea. The paper does not make that comparison; 08 does.
#
# ## What could a finer grid win?
#
# Before training, ask for the ceiling: a *perfect* host knows each position's true shares of the classes. Enlarge them. Is the trained host near its
# ceiling?

# %% [markdown] lang="zh" of="08a2e529"
# 输入约为 350 × 701 时，论文的图 1 显示，*普通*的 ESPNetv2 约为 59.1 [read off, ± 0.2]，而 DSRL 为 59.5 [P]。相对于 54.5 的增益，大部分不用任何新方法就能换来。论文没有作这个比较，笔记本 08 会作。
#
# ## 网格更细，能赢得什么？
#
# 训练之前，先问上限：*完美*的宿主网络知道每个位置上各类别的真实比例。再把这些比例放大，看能得多少分。训练好的宿主网络接近自己的上限吗？

# %%
lines = []
for stride in (4, 2, 1):
    score = SegmentationScore(11)
    for number in range(len(val)):
        mask = val[number].mask
        shares = F.avg_pool2d(F.one_hot(mask, 11).permute(2, 0, 1)[None].float(), stride)
        score.update(F.interpolate(shares, size=(180, 240), mode="bilinear"), mask[None])
    iou = score.compute().iou
    thin = sum(float(iou[CAMVID.index(name)]) for name in CAMVID.thin) / len(CAMVID.thin)
    name = f"perfect on {180 // stride} × {240 // stride}"
    lines.append({"host": name, "mIoU (%)": 100 * score.compute().miou, "thin classes (%)": 100 * thin})
now = evaluate_segmentation(host, val, input_size=(90, 120))
lines.append({"host": "the trained TinyNet", "mIoU (%)": 100 * now.miou, "thin classes (%)": 100 * now.thin_miou})
Table(lines, "Ceilings, on 12 drawn streets", digits=1)

# %% [markdown]
# The ceiling of the host's own grid is far above what the host reaches. The *output* is not what limits this host. A head alone can win what lies
# at outlines; the rest must come from better features.
#
# ## Where a head starts
#
# A new head's random filters mix all classes. Could a deconvolution start as plain enlargement?
#
# ### Exercise 05.4 · a deconvolution that starts as bilinear
# *Some thought · essential · 12 minutes.* The check looks at what your weight makes of maps.

# %% [markdown] lang="zh" of="fa0b59bc"
# 宿主网络自己的网格，上限就已远高于它的实际得分。可见限制它的不是*输出*。单靠头，只能赢得轮廓处的那一点；其余要靠更好的特征。
#
# ## 头从哪里起步
#
# 新的头用随机滤波器，会把所有类别混在一起。反卷积能不能从单纯的放大起步？
#
# ### 练习 05.4 · 从双线性起步的反卷积
# *需要思考 · 本章核心 · 12 分钟。* 检查的是你的权重把特征图变成了什么。


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
# The weight alone is not enough. BatchNorm follows, and in training it brings *every class map* to mean 0 and deviation 1. The host had learnt that road is
# more frequent than pole; that is lost. PReLU then flattens all negative scores. To start where the host is, BatchNorm must give back the mean and
# deviation that it takes.

# %% [markdown] lang="zh" of="6ae013f9"
# 只有权重还不够。后面还有 BatchNorm：训练时，它把*每张类别图*都变成均值 0、标准差 1。宿主网络本来学到了道路比细杆常见，这样一来就丢了。接着，PReLU 又把负的得分全部压小。要从宿主网络现有的水平起步，BatchNorm 拿走的均值和标准差就必须还回来。


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
# *Easy · essential · 6 minutes.* The kit's head needs no such care: its last layer starts at zero, so the pair starts as the host.

# %% [markdown] lang="zh" of="d925d90d"
# ### 练习 05.5 · 双线性加残差
# *简单 · 本章核心 · 6 分钟。* 本套件的头用不着这样小心：它的最后一层从零开始，所以起步时与宿主网络完全一样。


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
# Three heads, one of them from two starts, each on a fresh copy of the trained host: 20 steps of 8 pictures, two seeds. Host and head learn
# together. The bilinear head is the **negative control**: it has nothing to learn with. Whatever it gains comes from the extra steps alone. All eight runs take about
# half a minute; a line appears as each one ends. Which one do you expect to win?

# %% [markdown] lang="zh" of="308f853f"
# ## 当场训练
#
# 三种头（其中一种有两种起步方式）各配一份训练好的宿主网络：20 步，每步 8 张图像，两个种子。宿主网络与头一起学习。双线性头是**阴性对照**：它没有可以学习的权重，它的增益只能来自多训练的这几步。八次训练共约半分钟，每结束一次输出一行。你预计谁会赢？

# %% jupyter={"source_hidden": true}
train = DecodedSamples(Streets("train", size=(180, 240), length=40))
weights = class_weights_of(train, 0.5)
with torch.no_grad():
    some = torch.stack([reduce_image(train[number].image, (90, 120)) for number in range(12)])
    maps = host.forward_head(host.forward_features(host.normalise(some))).logits


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
    dsrl, every = pair(kind, seed), {"record_every": 5, "evaluate_every": 5}
    config = TrainConfig(input_size=(90, 120), iterations=20, class_balance=0.5, seed=seed, **every)
    task = SegmentationObjective(config, 2, val, weights)
    scores = [task.evaluate(dsrl)]
    scores += [record.metrics for record in fit(dsrl, task, Batches.for_run(train, task.example, config), config)]
    return [100 * score["miou"] for score in scores]


# %%
KINDS = ("bilinear", "sub-pixel", "deconvolution, bilinear start", "deconvolution, random start")
curves: dict[str, list[list[float]]] = {kind: [] for kind in KINDS}
for seed in (0, 1):
    for kind in KINDS:
        curves[kind].append(learn(kind, seed))
        print(f"seed {seed}, {kind}: done")
lines = [
    {"head": kind, "seed": seed} | {f"step {5 * n}": miou for n, miou in enumerate(values)}
    for kind, runs in curves.items()
    for seed, values in enumerate(runs)
]
display(Table(lines, "mIoU (%) on 12 drawn streets", digits=1))
reveal("05.start", curves["deconvolution, random start"][0][0], unit="%")

# %% [markdown]
# ## The picture to take along
#
# Left: the score while host and head learn, two seeds each; dashed: the host before all this. Right: the upper part of the same scores.

# %% [markdown] lang="zh" of="1bb4e5b5"
# ## 带走这张图
#
# 左：宿主网络与头一起学习时的分数，各两个种子；虚线：宿主网络原来的分数，没有加头，也没有继续训练。右：同样的分数，只看上面一段。

# %% jupyter={"source_hidden": true}
LOOKS = {
    "bilinear": style_of("bilinear"),
    "sub-pixel": style_of("sssr"),
    "deconvolution, bilinear start": style_of("deconvolution"),
    "deconvolution, random start": Style(color=VERMILLION, line=(0, (1, 2)), marker="X"),
}
with theme():
    figure = new_figure(11.5, 3.8)
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
    about = "mIoU over twenty steps: a randomly started head begins near zero, the other three near the host"
    show_figure(figure, alt=about)

# %% [markdown]
# A random deconvolution throws the trained host away and uses its steps to win back what was known. The bilinear start stays near the host. The
# residual that starts at zero loses no points. But the control keeps up with sub-pixel: a start protects; it does not gain.
#
# Why does the bilinear *start* begin below bilinear enlargement? Corners (04): two blocks shift by 1.5 output pixels in all. If that is the reason,
# *plain* logits, shifted as far, must score the same.

# %% [markdown] lang="zh" of="f59331d7"
# 随机起步的反卷积毁掉了训练好的宿主网络，后面的训练都用来把本来就会的重新学回来。双线性起步保持在宿主网络附近。零残差的起步毫无损失。但是对照与亚像素头不相上下：好的起步只起保护作用，并不带来增益。
#
# 双线性*起步*为什么一开始比双线性放大还低？因为角点（04）：两个模块合起来偏移 1.5 个输出像素。如果原因真在这里，那么*普通*的 logits 偏移同样的距离，得分也应当相同。

# %%
shift = 1.5  # pixels of the output, up and to the left
y, x = torch.meshgrid(torch.arange(180) + 0.5 + shift, torch.arange(240) + 0.5 + shift, indexing="ij")
places = torch.stack([2 * x / 240 - 1, 2 * y / 180 - 1], dim=-1)[None]
score = SegmentationScore(11)
for number in range(len(val)):
    image = host.normalise(reduce_image(val[number].image, (90, 120))[None])
    with torch.no_grad():
        plain = host.forward_head(host.forward_features(image)).logits
    moved = F.grid_sample(plain, places, padding_mode="border", align_corners=False)
    score.update(moved, val[number].mask[None])
both = {"plain logits, shifted by 1.5 pixels": 100 * score.compute().miou}
both["deconvolution, bilinear start, step 0"] = curves["deconvolution, bilinear start"][0][0]
Table({"what": list(both), "mIoU (%)": list(both.values())}, "Is it the shift?", digits=1)

# %% [markdown]
# **Paper against ours.** In Table 1, + SSSR brings a gain over the plain baseline [P]. Ours, on CamVid, from exploratory records, ask step by step.
# First: no head at all, only finer labels and a BatchNorm on the class maps. Then: each head *beyond* that control. How much is left, do you think?

# %% [markdown] lang="zh" of="4c62858b"
# **论文与本项目对照。** 在表 1 中，+ SSSR 相对普通的基线有增益 [P]。我们根据 CamVid 上的探索性记录，一步一步地问。先问：完全不加头，只用更细的标签，再给类别图加一个 BatchNorm，增益有多大？再问：在这个对照*之外*，每种头又增加多少？你认为还剩多少？

# %%
gained = {name: paper.table_1_gain("sssr", name).value for name in paper.HOSTS}
display(Table({"host": list(gained), "gain [P]": list(gained.values())}, "Table 1: + SSSR", digits=1))
scores = frames.pick(frames.scores(frames.runs(lab.root / "data" / "runs")))
steps = frames.steps(scores[scores["row"].isin(("bilinear", "normalised", "sssr", "deconvolution", "depthwise"))])
steps = steps[steps["over"].isin(("bilinear", "normalised"))]
no_head = frames.gains(scores[scores["row"].isin(("baseline", "normalised"))])
asked = pd.concat([no_head.assign(adds="(no head) finer labels and BatchNorm, over the baseline"), steps])
found = frames.summary(asked[asked["setting"] == "camvid_espnetv2_90x120"], ("adds",), scale=100)
found["points of mIoU"] = [gain.show(signed=True) for gain in found["estimate"]]
found["suggests (exploratory)"] = [word for word, _ in judge_family([(gain, None) for gain in found["estimate"]])]
columns = ["what is added", "points of mIoU", "seeds", "suggests (exploratory)"]
caption = "ESPNetv2 on CamVid: mean ± 95 % interval over seeds, verdicts corrected together"
Table(found.rename(columns={"adds": "what is added"})[columns], caption)

# %% [markdown]
# *Undecided*: the interval holds 0. New seeds on CamVid's *test* pictures did not confirm the control's gain: finer labels with BatchNorm -0.69 points (-1.34 to
# +0.04); see "Family C, differences without a test" in `docs/RESULTS.md`.
#
# ## Where the two differ
#
# Baseline and SSSR on one scene, pixel by pixel. Guess first: where will the pixels lie that SSSR wins, and where those that it loses?

# %% [markdown] lang="zh" of="eb63a815"
# *未定*：区间包含 0。换用新的种子、在 CamVid 的*测试*图像上，对照的增益没有得到证实：更细的标签加 BatchNorm 为 -0.69 个百分点（-1.34 到 +0.04）；见 `docs/RESULTS.md` 中 C 组未作检验的差别。
#
# ## 两者差在哪里
#
# 同一个场景，基线与 SSSR 逐像素比较。先猜：换成 SSSR 之后，变对的像素会在哪里，变错的又会在哪里？

# %%
trained = {"baseline": host, "SSSR": larger}
predictions = [predict_mask(network, scene.image, input_size=(90, 120)) for network in trained.values()]
GUIDE = {
    "Touch": "point at pixels and at classes of the table; press a class to keep it; move the opacity",
    "Look for": "where do won and lost lie?",
    "Ask yourself": "which thin class gains most on this scene, which loses most, and by how many pixels?",
}

segmentation_compare(
    scene.image,
    scene.mask,
    *predictions,
    CAMVID,
    names=("baseline", "SSSR"),
    guide=GUIDE,
    alt="A drawn street, its true classes, the predictions of a baseline and of one with an SSSR head over it, and the "
    "pixels won and lost, which lie along the outlines",
)

# %% [markdown]
# ## Compare like with like
#
# The released evaluation takes the argmax at the network's own output size and magnifies *labels*: from an input of 256 × 512 to Cityscapes' 1024 × 2048, that is ×4 for
# the baseline and ×2 for DSRL. Some of a gain can then be finer stairs.
#
# ### Exercise 05.6 · a fair prediction
# *Easy · useful · 5 minutes.* Scores first, decision last.

# %% [markdown] lang="zh" of="422c9952"
# ## 拿可比的来比
#
# 作者发布的评估代码在网络自己的输出尺寸上取 argmax，再放大*标签*：输入为 256 × 512，要放大到 Cityscapes 的 1024 × 2048，即基线 ×4，DSRL ×2。于是，一部分增益可能只是因为阶梯更细。
#
# ### 练习 05.6 · 公平的预测
# *简单 · 建议做 · 5 分钟。* 先处理得分，最后再作决定。


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

# %% [markdown] lang="zh" of="ee05cb1f"
# ## 动手试试
#
# 低开销的头有两个可调的量：`width`，以及像素重排的 `factor` r。r 取 4，一路放大到输出尺寸；取 2，只放大到一半，其余交给双线性插值。开销各是多少？

# %%
width, factor = 16, 2
tried = SuperResolved(host, SubPixelHead(host, width=width, factor=factor))
cost = complexity(tried, (90, 120))
print(f"width {width}, factor {factor}: {100 * (cost.macs / alone - 1):.1f} % on top of the host")

# %% [markdown]
# ## Break it
#
# Three ways to report a better number than there is. Each keeps all shapes and raises nothing. Set `DEFECT` to another name. What would you see in a paper?
#
# <details><summary>Symptoms to recognise: open after your guess</summary>
#
# Equal FLOPs with and without a head. A steep curve that only climbs back to where it fell from. A gain that shrinks once logits are enlarged, not labels
# (tiny here). The cure is a control: a second counter, the host's own score, a head without weights.
#
# </details>

# %% [markdown] lang="zh" of="f4224113"
# ## 弄坏它
#
# 有三种办法，能报告一个比实际更好看的数字。形状都不变，都不报错。把 `DEFECT` 换成另一个名字。在论文里，你会看到什么？
#
# <details><summary>要认得的症状：猜过之后再展开</summary>
#
# 头明明做了计算，FLOPs 却与没有头时相等。一条陡峭的曲线，不过是爬回它跌下来的地方。把放大标签换成放大 logits，增益就缩小（这里两者都很小）。对策每次都是加一个对照：第二个计数器，宿主网络自己的分数，没有权重的头。
#
# </details>

# %%
DEFECT = "a counter that skips transposed convolutions"  # or "random start", or "labels magnified"
fine = DecodedSamples(Streets("val", size=(360, 480), length=6))  # four times the input's sides, as in the paper


def symptoms(defect: str) -> tuple[str, str]:
    if defect == "a counter that skips transposed convolutions":
        cost = complexity(SuperResolved(host, heads["deconvolution"]), (90, 120))
        reported, true = (macs / alone - 1 for macs in (cost.macs_without_transposed, cost.macs))
        return f"extra cost {reported:.1%}", f"extra cost {true:.1%}"
    if defect == "random start":
        first, *_, last = curves["deconvolution, random start"][0]
        return f"from {first:.1f} to {last:.1f} in 20 steps", f"the host had {100 * now.miou:.1f}"
    same, gains = SuperResolved(host, BilinearHead()).eval(), []  # not one weight differs from the host
    for protocol in ("labels", "logits"):
        before, after = (evaluate_segmentation(x, fine, input_size=(90, 120), protocol=protocol) for x in (host, same))
        gains.append(f"{100 * (after.miou - before.miou):+.2f} by {protocol}")
    return tuple(gains)


reported, control = symptoms(DEFECT)
Table([{"defect": DEFECT, "reported": reported, "with its control": control}], "A better number than there is")

# %% [markdown]
# ## What was learnt
#
# - Finer is not better: the host's own grid was never the limit here.
# - A head that a counter overlooks can nearly double a light host.
# - A start protects a trained host; it does not gain.
# - The control is the row to beat. On one clip, finer labels and BatchNorm seemed to gain 1.4 points without a head; on the test pictures that was gone (`docs/RESULTS.md`).
#
# If DSRL gains, it gains through better *features*: SISR and affinity (06, 07).

# %% [markdown] lang="zh" of="87ba2aca"
# ## 学到了什么
#
# - 更精细不等于更好：在这里，宿主网络自己的网格从来不是瓶颈。
# - 计数器漏掉的一个头，可以使轻量宿主网络的开销几乎翻倍。
# - 好的起步能保护训练好的宿主网络，但不带来增益。
# - 真正要超过的，是对照那一行。在一段视频上，不加头，更细的标签加上 BatchNorm 似乎就有 1.4 个百分点的增益；在测试图像上，它消失了（`docs/RESULTS.md`）。
#
# 如果 DSRL 有增益，那要靠更好的*特征*：SISR 和特征亲和（06、07）。

# %% [markdown]
# ## Limits
#
# - Twelve pictures, two seeds, twenty steps: enough to see starts, not to rank heads.
# - The host was trained to the end before; the paper trains host and head together; what it starts from is not known [?].
# - `DeconvolutionHead` follows the release for ESPNetv2; for other hosts it is our reading.

# %% [markdown] lang="zh" of="71751c07"
# ## 局限
#
# - 十二张图像，两个种子，二十步：足以看清起步，不足以给各种头排名次。
# - 这里的宿主网络事先已经训练完毕；论文把宿主网络与头一起训练，从什么权重开始则未知 [?]。
# - `DeconvolutionHead` 遵照作者为 ESPNetv2 发布的代码；用在其他宿主网络上，是我们的理解。

# %% [markdown]
# ## Five questions to take along
#
# <details><summary>1. What exactly is the baseline?</summary>The plain host. It receives H × W and answers at H × W, half of the picture's sides.</details>
# <details><summary>2. Why does the head's cost not depend on the host?</summary>It works on class maps: K² and the output's size count.</details>
# <details><summary>3. What does BatchNorm do to class maps?</summary>It brings every class's scores to mean 0 and deviation 1: which class is frequent must be learnt again.</details>

# %% [markdown] lang="zh" of="0282e652"
# ## 带走五个问题
#
# <details><summary>1. 基线究竟是什么？</summary>普通的宿主网络。它接收 H × W，输出也是 H × W，边长是图像的一半。</details>
# <details><summary>2. 头的开销为什么与宿主网络无关？</summary>它处理的是类别图：起作用的是 K² 和输出的尺寸。</details>
# <details><summary>3. BatchNorm 对类别图做了什么？</summary>它把每个类别的得分都变成均值 0、标准差 1。哪些类别常见，要重新学。</details>

# %% [markdown]
# <details><summary>4. Which control shows that a gain is more than further training?</summary>The bilinear head, trained for the same steps: it has no weights of its own.</details>
# <details><summary>5. When may class ids be interpolated?</summary>Never: between 2 and 4 there is no class 3. Enlarge logits, then decide.</details>

# %% [markdown] lang="zh" of="793f6ea0"
# <details><summary>4. 哪个对照能说明，增益不只是因为训练得更久？</summary>双线性头，训练步数相同：它没有自己的权重。</details>
# <details><summary>5. 什么时候可以对类别编号做插值？</summary>任何时候都不可以：2 与 4 之间并不是类别 3。放大 logits，再作决定。</details>

# %% [markdown]
# ## Words and sources
#
# **SSSR** 语义分割超分辨率, **upscale factor** 放大倍数, **residual** 残差, **nearest neighbour** 最近邻插值, **bilinear interpolation** 双线性插值, **logits** 未归一化得分.
#
# - Wang et al., Dual Super-Resolution Learning for Semantic Segmentation, CVPR 2020 (Figure 4, Table 1), and the authors' release (head, counter, evaluation).
# - Long, Shelhamer, Darrell, Fully convolutional networks, CVPR 2015 (deconvolutions that start as bilinear).
# - In the kit: `dsrl_lab/dsrl.py` holds all four heads, `dsrl_lab/complexity.py` the counter.

# %% [markdown] lang="zh" of="a1987261"
# ## 术语与出处
#
# **SSSR** 语义分割超分辨率，**放大倍数** upscale factor，**残差** residual，**最近邻插值** nearest neighbour，**双线性插值** bilinear interpolation，**logits** 未归一化得分。
#
# - Wang et al., Dual Super-Resolution Learning for Semantic Segmentation, CVPR 2020（图 4，表 1），以及作者发布的代码（头、计数器、评估）。
# - Long, Shelhamer, Darrell, Fully convolutional networks, CVPR 2015（从双线性起步的反卷积）。
# - 在本套件中：`dsrl_lab/dsrl.py` 中有全部四种头，`dsrl_lab/complexity.py` 中有计数器。
