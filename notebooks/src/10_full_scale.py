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
# # 10 · Full scale, an appendix
#
# **Claim.** The paper's experiment can be planned before a GPU is rented, to a factor of three. The costs that its authors state [A] come out
# only if transposed convolutions are left out: nearly half of what is computed.
#
# Measured: about 17 seconds of CPU time on one core, 0.9 GB of memory. Data: none; Cityscapes needs an account of your own. Needs: 05 for the SSSR head, 06
# for affinity. No internet, no GPU: this notebook plans, it does not rent.

# %% [markdown] lang="zh" of="4e78d6eb"
# # 10 · 全规模实验（附录）
#
# **主张。** 租用 GPU 之前就能规划论文的实验，误差在三倍以内。作者给出的开销数字 [A]，只有漏掉转置卷积才能得到：漏掉的将近一半。
#
# 实测：单核约 17 秒 CPU 时间，内存 0.9 GB。数据：无；Cityscapes 需要自己的账户。先修：05（SSSR 头）、06（特征亲和）。不需要联网，也不需要 GPU：本笔记本只做规划，不租机器。

# %%
from dsrl_lab.course.notebook import show_figure, start

lab = start()

# %% jupyter={"source_hidden": true}
import torch
from torch import Tensor
from torch.nn import functional as F

from dsrl_lab.course.exercises import check, hint, predict, reveal, solution
from dsrl_lab.course.table import Table
from dsrl_lab.plots.theme import OTHER_STYLES, new_figure, style_of, theme
from dsrl_lab.recipes import find_recipe
from dsrl_lab.results import paper_numbers as paper
from dsrl_lab.tools.bench import cost as costs
from dsrl_lab.tools.bench import plan as plans

# %% [markdown]
# ## The same dots, another axis
#
# The paper's Figure 1, read off, ESPNetv2 only. Left: score against the **size** of the input, as the paper draws it. Right: the same dots against
# **multiply-adds**, all of them, the two deconvolutions of the released SSSR head included. Where does DSRL's line lie on the right?

# %% [markdown] lang="zh" of="e86b6dc8"
# ## 同样的点，换一根坐标轴
#
# 从论文图 1 读出的数据，只取 ESPNetv2。左图：分数随输入**尺寸**的变化，与论文的画法相同。右图：同样的点，横轴换成**乘加次数**，全部计入，包括作者发布的 SSSR 头中的两个反卷积。右图中 DSRL 的曲线在哪里？

# %% jupyter={"source_hidden": true}
points = [point for point in paper.FIGURE_1 if point.host == "ESPNetv2"]
heights = [point.input_size[0] for point in points]


def macs(name: str, size: tuple[int, int]) -> costs.Row:
    (row,) = costs.run([name], size, num_classes=20, runs=0)  # 20 outputs, as the release has
    return row


print("counting ten networks, a few seconds ...")
plain = {point.input_size: macs("espnetv2", point.input_size) for point in points}
with_head = {point.input_size: macs("espnetv2+deconvolution", point.input_size) for point in points}

# %% jupyter={"source_hidden": true}
with theme():
    figure = new_figure(12, 3.8)
    left, right = figure.subplots(1, 2, sharey=True)
    for name, counted in (("baseline", plain), ("dsrl", with_head)):
        scores, style = [getattr(point, name).value for point in points], style_of(name)
        look = {"color": style.color, "linestyle": style.line, "marker": style.marker}
        left.plot(heights, scores, label=f"{name} (read off)", **look)
        right.plot([counted[p.input_size].macs / 1e9 for p in points], scores, label=f"{name}, true MACs", **look)
    control = OTHER_STYLES[2]
    right.plot(
        [with_head[p.input_size].macs_without_transposed / 1e9 for p in points], [p.dsrl.value for p in points],
        color=control.color, linestyle=control.line, marker=control.marker, label="dsrl as the released counter sees it",
    )  # fmt: skip
    left.set(xlabel="input height (pixels)", ylabel="mIoU (%), read off Figure 1")
    right.set(xlabel="multiply-adds of one picture (10⁹)", xlim=(0, None))
    left.legend(loc="lower right")
    right.legend(loc="lower right")
    show_figure(figure, alt="Figure 1 of the paper read off: mIoU against input height, and against true multiply-adds")

# %% [markdown]
# On the left, DSRL wins five points at the smallest size. On the right, its line meets the baseline's there, and lies below it from there on. The
# dotted line is the control: what one believes if transposed convolutions are not counted.
#
# **Paper against ours.** Repository: 674.78 M "FLOPs" for both rows [A]. Ours, on the same network: 674.46 M without the head, 1264.28 M with it.

# %% [markdown] lang="zh" of="7895de91"
# 左图中，DSRL 在最小的尺寸上高出五个百分点。右图中，它的曲线在那里与基线相交，此后一直在基线下方。点线是对照：如果不计转置卷积，看到的就是这条线。
#
# **论文与本项目对照。** 作者的代码仓库：两行都是 674.78 M “FLOPs” [A]。我们对同一网络的计数：不带头 674.46 M，带头 1264.28 M。

# %% [markdown]
# ## What you will be able to do
#
# 1. Read a table of FLOPs with three questions in mind.
# 2. Start a Cityscapes recipe on one GPU or on many, and know what changes.
# 3. Plan its hours and its memory, and find what it will wait for.
# 4. Say what feature affinity costs at full size.
# 5. List what the paper leaves open.

# %% [markdown] lang="zh" of="9b1de9cb"
# ## 学完之后，你能
#
# 1. 带着三个问题去读一张 FLOPs 表。
# 2. 在一块或多块 GPU 上启动 Cityscapes 配方，并知道有什么变化。
# 3. 估计它需要多少小时、多少内存，并找出它会卡在哪里。
# 4. 说出全尺寸下特征亲和的开销。
# 5. 列出论文没有交代的内容。

# %% [markdown]
# ## Predict
#
# The recipe: ESPNetv2 with DSRL, 90,000 iterations of 16 pictures at 256×512. How many **GPU hours** on an A100 of which a fifth is used, fed by
# 8 cores that read PNG files? And how many per cent of a training picture's multiply-adds belong to feature **affinity**?

# %% [markdown] lang="zh" of="fa7e3ba2"
# ## 先猜一猜
#
# 配方：带 DSRL 的 ESPNetv2，90,000 次迭代，每批 16 张 256×512 的图像。用一块利用率为五分之一的 A100，由 8 个 CPU 核心读取 PNG 文件，需要多少 **GPU 小时**？训练一张图像的乘加次数中，特征**亲和**又占百分之几？

# %%
predict("10.hours", None, unit="GPU hours")

# %%
predict("10.affinity", None, unit="%")

# %% [markdown]
# ## How FLOPs are counted
#
# Three questions to every table. **Which layers?** The released counter sums `Conv2d`; the SSSR head is made of `ConvTranspose2d`.
# **One or two?** A multiply-add is one MAC and two FLOPs; most tables say FLOPs and count one. **Which G?** Some divide by 10⁹, some by 2³⁰.

# %% [markdown] lang="zh" of="e6ec966a"
# ## FLOPs 怎么数
#
# 对每张表都问三个问题。**数了哪些层？** 作者发布的计数器只累加 `Conv2d`，而 SSSR 头由 `ConvTranspose2d` 构成。**算一次还是两次？** 一次乘加是一个 MAC、两个 FLOPs；大多数表写着 FLOPs，却只计一次。**G 是哪个 G？** 有的除以 10⁹，有的除以 2³⁰。

# %% jupyter={"source_hidden": true}
small = (256, 512)
row, host = with_head[small], plain[small]
stated = paper.RELEASE[0].stated_macs.value
Table(
    {
        "counted": [
            "the plain host",
            "with the head, all layers",
            "with the head, no transposed ones",
            "stated, both rows [A]",
        ],
        "MACs (M)": [host.macs / 1e6, row.macs / 1e6, row.macs_without_transposed / 1e6, stated],
        "over the host (%)": [
            100 * (n / host.macs - 1) for n in (host.macs, row.macs, row.macs_without_transposed, 1e6 * stated)
        ],
    },
    "ESPNetv2 (width 2.0, 20 outputs) with the released SSSR head, 256×512",
)

# %% [markdown]
# A difference as small as 674.46 against 674.78 can come from details of the counter. (It is not the twentieth class: with 19 it is 666.4.) A factor of
# two never comes from details. Equal counts are not equal seconds either: a head works on maps of the *output's* size, and memory traffic takes its time (`dsrl-lab bench deployment`).
#
# ### Exercise 10.1 · what a table means
# *Easy · useful · 4 minutes.* HRNet's paper says 7.1 GFLOPs for 7.645 · 10⁹ multiply-adds. Bring a table's number back to multiply-adds.

# %% [markdown] lang="zh" of="524a5570"
# 674.46 与 674.78 这样的小差别，可能来自计数器的细节（并不是因为第二十个类别：19 个类别时是 666.4）；差一倍，就决不会是细节造成的。乘加次数相等，用时也未必相等：头处理的是*输出*尺寸的特征图，读写内存也要时间（`dsrl-lab bench deployment`）。
#
# ### 练习 10.1 · 表中数字的含义
# *简单 · 建议做 · 4 分钟。* 7.645 · 10⁹ 次乘加，在 HRNet 的论文里写作 7.1 GFLOPs。请把表中的数字还原成乘加次数。


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
# ## What the same multiply-adds buy
#
# A fair question to any extra head: what would a *plain* network score with the same multiply-adds, as a larger input? Cost grows with the area; the score
# is read off the baseline's own curve.

# %% [markdown] lang="zh" of="ddf36d95"
# ## 同样的乘加次数能换来什么
#
# 对任何附加的头，都可以问一个公平的问题：把同样多的乘加次数用来加大输入，*普通*网络能得多少分？开销与面积成正比，分数从基线自己的曲线上读取。

# %% jupyter={"source_hidden": true}
equal = 256 * (row.macs / host.macs) ** 0.5
right_of = next(i for i, height in enumerate(heights) if height >= equal)
share = (equal - heights[right_of - 1]) / (heights[right_of] - heights[right_of - 1])
low, high = points[right_of - 1].baseline.value, points[right_of].baseline.value
Table(
    {
        "network": ["DSRL", "plain ESPNetv2"],
        "input": ["256×512", f"{equal:.0f}×{2 * equal:.0f}"],
        "mIoU": [points[0].dsrl.value, low + share * (high - low)],
    },
    "read off Figure 1 at 1264 M multiply-adds (%, error about 0.2 each)",
    digits=1,
)

# %% [markdown]
# 0.4 points remain of 5.0: twice the reading error of 0.2, and small. This does not say that DSRL does nothing. A head can be made cheap, and a smaller input has other
# merits. It says that the comparison at equal *stated* cost rests on the counter.
#
# ## The recipes
#
# A recipe is a function; the command line knows it by name. `--set` changes a field, and the change stands in the record.

# %% [markdown] lang="zh" of="f97fcb73"
# 5.0 个百分点只剩下 0.4：是读图误差 0.2 的两倍，很小。这并不是说 DSRL 没有用：头可以做得便宜，较小的输入也有别的好处。它只说明，在*所声称的*开销相等时作出的比较，取决于怎么计数。
#
# ## 配方
#
# 配方就是一个函数，命令行按名字调用它。`--set` 修改一个字段，修改会写进记录。

# %% jupyter={"source_hidden": true}
names = ("baseline", "sssr", "deconvolution_dsrl", "dsrl")
recipes = [find_recipe(f"cityscapes_espnetv2_{name}") for name in names]
images = [plans.image_cost(recipe) for recipe in recipes]
Table(
    {
        "row": [recipe.title for recipe in recipes],
        "deployed (M)": [image.deployed_macs / 1e6 for image in images],
        "a training picture (G)": [image.training_macs / 1e9 for image in images],
    },
    "multiply-adds of the Cityscapes recipes, 256×512",
    digits=1,
)

# %% [markdown]
# One GPU and eight run the same training. Eight machines of eight take a larger batch (10.2):
#
# ```bash
# dsrl-lab train cityscapes_espnetv2_dsrl --data CITYSCAPES --set train.accumulate=4
# torchrun --nproc-per-node 8 -m dsrl_lab train cityscapes_espnetv2_dsrl --data CITYSCAPES
# torchrun --nnodes 8 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29500 \
#     -m dsrl_lab train cityscapes_espnetv2_dsrl --data CITYSCAPES \
#     --set train.batch_size=128 --set train.learning_rate=0.08 --set train.iterations=11250
# ```
#
# A stopped job goes on with `--resume`, bit for bit: what a step draws follows from the seed and its number. Each row of an ablation gets the same
# number of iterations.

# %% [markdown] lang="zh" of="794b6c0e"
# 一块 GPU 与八块 GPU 做的是同一次训练。八台各有八块 GPU 的机器用更大的批（10.2）：
#
# ```bash
# dsrl-lab train cityscapes_espnetv2_dsrl --data CITYSCAPES --set train.accumulate=4
# torchrun --nproc-per-node 8 -m dsrl_lab train cityscapes_espnetv2_dsrl --data CITYSCAPES
# torchrun --nnodes 8 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29500 \
#     -m dsrl_lab train cityscapes_espnetv2_dsrl --data CITYSCAPES \
#     --set train.batch_size=128 --set train.learning_rate=0.08 --set train.iterations=11250
# ```
#
# 中断的任务用 `--resume` 继续，结果逐位相同：每一步的随机抽取都由种子和步号决定。消融实验的每一行都训练同样多的迭代次数。

# %% [markdown]
# ### Exercise 10.2 · the same run on more GPUs
# *Easy · essential · 5 minutes.* Where do 0.08 and 11250 come from?

# %% [markdown] lang="zh" of="95db7575"
# ### 练习 10.2 · 更多 GPU，同一次训练
# *简单 · 本章核心 · 5 分钟。* 0.08 和 11250 是怎么来的？


# %%
def same_run(iterations: int, batch_size: int, learning_rate: float, new_batch_size: int) -> tuple[int, float]:
    """The same training with a larger batch: as many pictures, SGD's learning rate in proportion to the batch.

    Args:
        iterations: of the old run.
        batch_size: of the old run.
        learning_rate: of the old run.
        new_batch_size: of the new run; it divides the number of pictures seen, and need not be a
            multiple of the old one.

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
# ## The plan
#
# $$\text{hours}=\frac{2\cdot\text{pictures}}{3600\cdot\text{GPUs}\cdot\text{utilisation}}\left(\frac{3\,M_{\text{forward}}}{\text{peak}}+\frac{M_{FA}}{\text{peak in float32}}\right)$$
#
# or, where that is longer, pictures × seconds to read one / (3600 × GPUs × cores). Evaluations come on top. Backward costs about twice forward. **FA stands apart**: by default it is computed
# in float32, where an A100 has a sixteenth of its mixed-precision peak. *Utilisation* is what nobody knows beforehand: a tenth to a third. Run a
# hundred iterations, then correct it.

# %% [markdown] lang="zh" of="f4b2479c"
# ## 规划
#
# $$\text{hours}=\frac{2\cdot\text{pictures}}{3600\cdot\text{GPUs}\cdot\text{utilisation}}\left(\frac{3\,M_{\text{forward}}}{\text{peak}}+\frac{M_{FA}}{\text{peak in float32}}\right)$$
#
# 若读取图像更慢，则是：图像数 × 读一张的秒数 / (3600 × GPU 数 × 每块 GPU 的核心数)。评估的时间另加。反向传播的开销约为前向的两倍。**FA 单独列出**：它默认用 float32 计算，而 A100 的 float32 峰值只有混合精度的十六分之一。*利用率*（utilisation）事先谁也不知道，大约在十分之一到三分之一之间。先运行一百次迭代，再来修正它。

# %%
UTILISATION, CORES = 0.2, 8
sized = [find_recipe(f"cityscapes_espnetv2_{size}dsrl") for size in ("", "384x768_", "512x1024_")]
on_one = [plans.plan(recipe, 1, utilisation=UTILISATION, cores=CORES) for recipe in sized]
inputs = ["{}×{}".format(*recipe.train.input_size) for recipe in sized]
Table(
    {
        "input": inputs,
        "network (h)": [one.compute_hours for one in on_one],
        "FA (h)": [one.affinity_hours for one in on_one],
        "reading (h)": [one.decode_hours for one in on_one],
        "evaluating (h)": [one.evaluation_hours for one in on_one],
        "all (h)": [one.hours for one in on_one],
        "waits for": [one.bound_by for one in on_one],
        "memory (GB)": [one.memory / 1e9 for one in on_one],
    },
    "the whole of DSRL on one A100 with 8 cores; N GPUs take an Nth of the hours",
    digits=1,
)

# %%
reveal("10.hours", on_one[0].gpu_hours, unit="GPU hours")

# %% jupyter={"source_hidden": true}
parts = {"network": "compute_hours", "reading PNG": "decode_hours", "feature affinity": "affinity_hours"}
with theme():
    figure = new_figure(9, 3.2)
    ax = figure.add_subplot()
    for number, ((label, part), style) in enumerate(zip(parts.items(), OTHER_STYLES, strict=True)):
        heights_of_bars = [getattr(one, part) for one in on_one]
        where = [place + 0.27 * (number - 1) for place in range(len(inputs))]
        ax.bar(where, heights_of_bars, 0.25, label=label, color=style.color, hatch=style.hatch, edgecolor="white")
    ax.set(yscale="log", ylim=(0.05, 90), ylabel="hours on one A100", xlabel="input")
    ax.set_yticks([0.1, 1, 10], ["0.1", "1", "10"])
    ax.set_xticks(range(len(inputs)), inputs)
    ax.legend(ncols=3, loc="upper left")
    show_figure(figure, alt="Hours for the network, for reading files and for feature affinity at three input sizes")

# %% [markdown]
# At 256×512 ESPNetv2 is so cheap that an A100 waits for PNG files, unless all pictures (25 GB) fit into a quarter of the free memory. What else helps:
# more cores for each GPU, or copies at half size. At 512×1024 it waits for **FA**. What helps: `train.affinity_precision=bfloat16` (tensor cores; planned at half of their peak, not yet measured),
# `train.affinity_positions=4096` (a sample, an unbiased estimate), or a coarser grid (`network.affinity_stride=16`: a sixteenth of the pairs; that is
# another experiment). `dsrl-lab cost --plan` shows the hours of the first two.

# %% [markdown] lang="zh" of="f547457a"
# 在 256×512 上，ESPNetv2 的计算量太小，A100 要等 PNG 文件，除非空闲内存的四分之一放得下全部图像（25 GB）。其他对策：每块 GPU 配更多 CPU 核心，或者事先存一份边长减半的副本。在 512×1024 上，它等的是 **FA**。对策：`train.affinity_precision=bfloat16`（使用张量核心；规划时按其峰值的一半计，尚未实测），`train.affinity_positions=4096`（抽样，是无偏估计），或者更粗的网格（`network.affinity_stride=16`：位置对只有十六分之一，但那已是另一个实验）。`dsrl-lab cost --plan` 会显示前两种做法需要的小时数。

# %% [markdown]
# ## Feature affinity at full size
#
# FA's cost grows with the *square* of the positions, the rest with the positions. So its share rises with the picture. Memory is worse: built in
# full, one matrix of a 1024×2048 output takes 4 GiB for each picture, and autograd keeps several. The kit computes it in tiles.

# %% [markdown] lang="zh" of="360956a5"
# ## 全尺寸下的特征亲和
#
# FA 的开销与位置数的*平方*成正比，其余部分与位置数成正比，所以图像越大，FA 所占的比例越高。内存更成问题：若完整地构造出来，1024×2048 输出的一个矩阵每张图像就要 4 GiB，而自动求导还要保存好几个。本套件分块计算它。

# %% jupyter={"source_hidden": true}
of_size = [plans.image_cost(recipe) for recipe in sized]
shares = [100 * image.affinity_macs / image.training_macs for image in of_size]
Table(
    {
        "input": inputs,
        "FA's share (%)": shares,
        "one matrix (MiB)": [image.dense_affinity_bytes / 2**20 for image in of_size],
        "tiled, in all (MiB)": [image.tiled_affinity_bytes / 2**20 for image in of_size],
    },
    "feature affinity of one training picture",
    digits=0,
)

# %%
reveal("10.affinity", shares[0], unit="%")

# %% [markdown]
# ## Several processes, one loss
#
# `DistributedDataParallel` averages the gradients of all processes. If each divides its loss by its *own* number of labelled pixels, that average is
# another loss than one GPU's. The kit exchanges the counts first. Two processes, played in one:

# %% [markdown] lang="zh" of="5a435b9c"
# ## 多个进程，一个损失
#
# `DistributedDataParallel` 对所有进程的梯度取平均。如果每个进程都除以*自己的*有标注像素数，这个平均对应的损失就不再是单块 GPU 的损失。本套件先交换像素数，再做除法。下面在一个进程里模拟两个进程：

# %%
torch.manual_seed(0)
logits, mask = torch.randn(2, 5, 8, 8), torch.randint(0, 5, (2, 8, 8))
mask[1, 1:] = 255  # the second picture is nearly all ignored
each = F.cross_entropy(logits, mask, reduction="none", ignore_index=255).sum((1, 2))
counts = (mask != 255).sum((1, 2)).float()
ways = {
    "one GPU, whole batch": each.sum() / counts.sum(),
    "two processes, own counts": (each / counts).mean(),
    "two processes, counts exchanged": (each / (counts.sum() / 2)).mean(),
}
Table({"way": list(ways), "loss": [float(loss) for loss in ways.values()]}, "the same two pictures", digits=4)

# %% [markdown]
# ### Exercise 10.3 · add up, then divide
# *Some thought · essential · 6 minutes.* From the parts that each process has, the loss that one GPU would have.

# %% [markdown] lang="zh" of="7d7d8244"
# ### 练习 10.3 · 先求和，再相除
# *需要思考 · 本章核心 · 6 分钟。* 由各个进程手中的部分结果，算出单块 GPU 会得到的损失。


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
# ## What the paper leaves open
#
# Each setting with its mark: [P] printed, [A] by the authors elsewhere, [B] second-hand, [?] not known. Take a value, write it into the recipe, and
# let the record carry it. Where two readings are likely, run both as rows of one ablation. Epochs, batch size and crops can move a baseline by
# more than DSRL's gain.

# %% [markdown] lang="zh" of="5bd5b86e"
# ## 论文没有交代的内容
#
# 每项设置都有标记：[P] 论文写明，[A] 作者在别处所述，[B] 二手信息，[?] 未知。选定一个值，写进配方，让记录带上它。若有两种都说得通的解读，就作为同一消融实验的两行都跑一遍。轮次数、批大小和裁剪方式对基线的影响，可能比 DSRL 带来的提升还大。

# %%
Table({"setting": list(paper.SETTINGS), "value": [str(number) for number in paper.SETTINGS.values()]}, "settings")

# %% [markdown]
# ## Try it
#
# One knob: `gpu`. How many cores beside each GPU does the recipe need before it waits for the GPU?

# %% [markdown] lang="zh" of="0e435cf8"
# ## 动手试试
#
# 可调的只有 `gpu`。每块 GPU 要配多少个 CPU 核心，这个配方才轮到等 GPU？

# %%
gpu = "T4"  # or V100, A100, H100
tried = {n: plans.plan(sized[0], 8, accelerator=plans.ACCELERATORS[gpu], cores=n) for n in (8, 32, 128)}
Table(
    {
        "cores for each GPU": list(tried),
        "hours": [one.hours for one in tried.values()],
        "waits for": [one.bound_by for one in tried.values()],
    },
    f"8 × {gpu}, 256×512",
)

# %% [markdown]
# ## Limits
#
# - No GPU was used here. Hours are arithmetic with an assumed utilisation; they can be off by a factor of three.
# - Peaks are data-sheet numbers. Exchange of gradients and restarts are not counted; evaluation is, roughly.
# - Reading was timed on one computer, on drawn streets; a photograph compresses worse.
# - BatchNorm sees one GPU's pictures, and two are few (`train.sync_batch_norm=true`).
# - Figure 1's scores are read off, with about 0.2 of error, and its own axis does not fit its dots.

# %% [markdown] lang="zh" of="14f71a15"
# ## 局限
#
# - 这里没有用 GPU。小时数是按假定的利用率算出来的，可能相差三倍。
# - 峰值取自产品手册。梯度交换和重新启动没有计入；评估计入了，但很粗略。
# - 读取时间是在一台计算机上、用合成街景测得的；照片更难压缩。
# - BatchNorm 只看到一块 GPU 上的图像，而两张太少（`train.sync_batch_norm=true`）。
# - 图 1 的分数是读图所得，误差约 0.2；而且图中的坐标轴与点本身也对不上。

# %% [markdown]
# ## Five questions to take along
#
# <details><summary>1. Which three questions do you ask a table of FLOPs?</summary>Which layers, one or two for a multiply-add, and which G.</details>
# <details><summary>2. What does an A100 wait for, at 256×512 and at 512×1024?</summary>For PNG files, unless they are kept in memory; then for feature affinity.</details>
# <details><summary>3. What happens to the loss if each process divides by its own pixels?</summary>It becomes another loss: pixels of sparsely labelled pictures count more.</details>

# %% [markdown] lang="zh" of="0e5b69ec"
# ## 带走五个问题
#
# <details><summary>1. 看到一张 FLOPs 表，要问哪三个问题？</summary>数了哪些层，一次乘加算一次还是两次，G 是哪个 G。</details>
# <details><summary>2. 在 256×512 和 512×1024 上，A100 各在等什么？</summary>前者等 PNG 文件（除非图像留在内存里），后者等特征亲和。</details>
# <details><summary>3. 若每个进程都除以自己的像素数，损失会怎样？</summary>变成另一个损失：标注稀少的图像，每个像素的权重更大。</details>

# %% [markdown]
# <details><summary>4. FA's share rises with the input. Why, and how fast?</summary>It compares all pairs of positions: twice the sides are four times the positions and sixteen times the pairs.</details>
# <details><summary>5. A reproduction's baseline is two points above the paper's. What may differ?</summary>Epochs, batch size, crops, augmentation, class weights, pretrained weights, the protocol of the score.</details>

# %% [markdown] lang="zh" of="5399da8b"
# <details><summary>4. 输入越大，FA 所占比例越高。为什么？增长多快？</summary>它比较所有位置对：边长加倍，位置数变为四倍，位置对变为十六倍。</details>
# <details><summary>5. 复现的基线比论文高两个百分点，可能是哪里不同？</summary>轮次数、批大小、裁剪、数据增强、类别权重、预训练权重、评分约定。</details>

# %% [markdown]
# ## Words and sources
#
# **MAC** 乘加: one multiply-add, two FLOPs. **utilisation** 利用率: share of a data sheet's peak. **torchrun**: starts one process for each GPU.
# **all-reduce** 全归约: all processes get the sum.
#
# - Wang, Li, Zhu, Tian, Shan: Dual Super-Resolution Learning for Semantic Segmentation, CVPR 2020 (Table 1, Figure 1), and its released code.
# - Sun, Xiao, Liu, Wang: Deep High-Resolution Representation Learning for Human Pose Estimation, CVPR 2019. Goyal et al.: Accurate, Large Minibatch SGD, 2017.
# - In the kit: `dsrl_lab/tools/bench/plan.py`, `dsrl_lab/tools/bench/cost.py`, `dsrl_lab/results/paper_numbers.py`.

# %% [markdown] lang="zh" of="b72cedcb"
# ## 术语与出处
#
# **乘加**（MAC）：一次乘法加一次加法，即两个 FLOPs。**利用率**（utilisation）：实际达到产品手册峰值的比例。**torchrun**：为每块 GPU 启动一个进程。**全归约**（all-reduce）：求和，并让所有进程都得到结果。
#
# - Wang, Li, Zhu, Tian, Shan: Dual Super-Resolution Learning for Semantic Segmentation, CVPR 2020（表 1，图 1），以及作者发布的代码。
# - Sun, Xiao, Liu, Wang: Deep High-Resolution Representation Learning for Human Pose Estimation, CVPR 2019. Goyal et al.: Accurate, Large Minibatch SGD, 2017.
# - 在本套件中：`dsrl_lab/tools/bench/plan.py`，`dsrl_lab/tools/bench/cost.py`，`dsrl_lab/results/paper_numbers.py`。
