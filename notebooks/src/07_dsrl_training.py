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
# # 07 · Training the whole objective
#
# **Claim.** Three losses train one network, and two of them are left behind. Cut SISR and FA off after the last step: what remains gives
# the same logits bit for bit, for fewer multiply-adds.
#
# Measured: about a minute of CPU time on one core, 1.1 GB of memory at most. Data: drawn streets, made on the spot.
# Needs: 05 and 06. No internet, no GPU.

# %% [markdown] lang="zh" of="fa43738b"
# # 07 · 训练完整的目标函数
#
# **主张。** 三个损失共同训练一个网络，其中两个用完即弃。训练结束后去掉 SISR 和 FA，剩下的网络给出逐位相同的 logits（未归一化得分），乘加次数却更少。
#
# 实测：单核约一分钟 CPU 时间，内存最多 1.1 GB。数据：当场绘制的合成街景。
# 先修：05 和 06。不需要联网，也不需要 GPU。

# %%
from dsrl_lab.course.notebook import show_figure, start

lab = start()

# %% jupyter={"source_hidden": true}
import itertools
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from IPython.display import HTML, display
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab import DSRL, Batches, DecodedSamples, SegmentationObjective, Streets, build_dsrl, find_recipe, fit
from dsrl_lab.complexity import complexity
from dsrl_lab.course.exercises import check, hint, predict, reveal, solution
from dsrl_lab.course.table import Table
from dsrl_lab.datasets.transforms import TrainingExample, normalise, reduce_image
from dsrl_lab.language import translate
from dsrl_lab.models.base import DensePredictor, HeadOutput, PredictorSpec
from dsrl_lab.plots.theme import OTHER_STYLES, faded, new_figure, style_of, theme
from dsrl_lab.results import charts, frames
from dsrl_lab.results.inference import judge
from dsrl_lab.results.records import Record
from dsrl_lab.results.shapes import network_shapes
from dsrl_lab.rows import BLUE, GREEN, GREY, VERMILLION
from dsrl_lab.training import checkpoint
from dsrl_lab.training.build import load_task_model
from dsrl_lab.training.config import TrainConfig
from dsrl_lab.training.objectives import class_weights_of, dsrl_loss
from dsrl_lab.training.optim import build_optimizer, host_parameters, poly_learning_rate
from dsrl_lab.widgets import training_monitor

# %% [markdown]
# ## The whole of DSRL, and where each loss pulls
#
# Grey arrows carry the picture forward. Coloured arrows carry the gradient of one loss back. All of it is measured, on one batch, before the
# first step. First guess: which parts does FA reach? Which parts does cross-entropy not reach?

# %% [markdown] lang="zh" of="b92eab4c"
# ## 完整的 DSRL，以及每个损失作用在哪里
#
# 灰色箭头表示图像的前向传播，彩色箭头表示各个损失的梯度如何反向传播。图中的一切都在训练开始之前，用一个批实测得到。先猜一猜：FA 能影响到哪些部分？交叉熵影响不到哪些部分？

# %% jupyter={"source_hidden": true}
HOST_ROWS = ("baseline", "dsrl", "shuffled")
recipes = {row: find_recipe(f"streets_tinynet_{row}") for row in HOST_ROWS}
SMALL = {"input_size": (48, 64), "iterations": 120, "record_every": 10}
configs = {row: replace(recipe.train, **SMALL) for row, recipe in recipes.items()}

train_set = DecodedSamples(Streets("train", size=(96, 128), length=40))
val_set = DecodedSamples(Streets("val", size=(96, 128), length=12))
weights = class_weights_of(train_set, configs["dsrl"].class_balance)
kept_here, seen = tempfile.TemporaryDirectory(), []  # a checkpoint and its records, further down

network = build_dsrl(recipes["dsrl"].network)
task = SegmentationObjective(configs["dsrl"], 2, val_set, weights)
batches = Batches(train_set, task.example, batch_size=8, seed=0)
example = batches(0)

# %% jupyter={"source_hidden": true}
HOST = "task_model.host"
PARTS = {
    "encoder": (f"{HOST}.stage",),
    "decoder": (f"{HOST}.lateral", f"{HOST}.refine", f"{HOST}.classifier"),
    "SSSR head": ("task_model.sssr_head",),
    "transform": ("transform",),
    "SISR head": ("sisr_head",),
}
COLORS = {"cross-entropy": BLUE, "0.1 · SISR": GREEN, "1 · FA": VERMILLION}


def pulls(model: DSRL) -> dict[str, dict[str, Tensor]]:
    """Gradient of each weighted loss with respect to each part, as one long arrow; zero where it does not reach."""
    terms = dsrl_loss(task, model(example.low_res), example, iteration=0, count=task.count(example))
    losses = dict(zip(COLORS, (terms.task, 0.1 * terms.sisr, terms.affinity), strict=True))
    found: dict[str, dict[str, Tensor]] = {name: {} for name in losses}
    for name, loss in losses.items():
        for part, begins in PARTS.items():
            inside = [p for full_name, p in model.named_parameters() if full_name.startswith(begins)]
            gradients = torch.autograd.grad(loss, inside, retain_graph=True, materialize_grads=True)
            found[name][part] = torch.cat([gradient.flatten() for gradient in gradients])
    return found


arrows, shapes = pulls(network), network_shapes(network, (48, 64))

# %% jupyter={"source_hidden": true}
PLACES = {"picture": (0.9, 2.6), "encoder": (3.5, 2.6), "decoder": (6.1, 4.4), "SSSR head": (8.7, 4.4)}
PLACES |= {"transform": (8.7, 2.6), "SISR head": (8.7, 0.8)}
PLACES |= dict(zip(COLORS, ((11.3, 4.4), (11.3, 0.8), (11.3, 2.6)), strict=True))
TEXTS = {"cross-entropy": "cross-entropy\nagainst the mask", "0.1 · SISR": "0.1 × squared error\nagainst original"}
TEXTS |= {"1 · FA": "feature affinity\nS_seg, S_sr", "picture": "low-resolution\npicture"}


def draw_arrows(ax: object, start: str, end: str) -> None:
    """A grey arrow forward, and below it one back for each loss whose gradient takes this way."""
    (x0, y0), (x1, y1) = PLACES[start], PLACES[end]
    back = [n for n in COLORS if start in PARTS and (n == end or (end in PARTS and arrows[n][end].any()))]
    for place, color in enumerate((GREY, *(COLORS[name] for name in back))):
        dy = 0.17 * (len(back) / 2 - place)
        ends = ((x0 + 0.82, y0 + dy), (x1 - 0.82, y1 + dy))[:: 1 if place else -1]
        style = {"arrowstyle": "-|>", "color": color, "lw": 1.8, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", *ends, arrowprops=style)


def draw_part(ax: object, name: str) -> None:
    """A box; below a part of the network, how the pull on its weights divides among the losses."""
    (x, y), color, left = PLACES[name], COLORS.get(name, GREY), PLACES[name][0] - 0.8
    ax.bar(x, 0.68, 1.6, y - 0.34, color=faded(color, 0.2), edgecolor=color, zorder=3)
    ax.text(x, y, TEXTS.get(name, name), ha="center", va="center", fontsize=9.5, zorder=4)
    lengths = torch.tensor([float(arrows[loss][name].norm()) if name in PARTS else 0.0 for loss in COLORS])
    for share, shade in zip((1.6 * lengths / lengths.sum().clamp(min=1e-9)).tolist(), COLORS.values(), strict=True):
        ax.barh(y - 0.45, share, 0.18, left, color=shade, zorder=3)
        left += share


# %% jupyter={"source_hidden": true}
def size(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


EDGES = {
    ("picture", "encoder"): (2.2, 2.75, "center", size(shapes.image)),
    ("encoder", "decoder"): (4.6, 3.75, "right", "\n".join(map(size, shapes.features))),
    ("decoder", "SSSR head"): (7.4, 4.52, "center", f"class maps\n{size(shapes.class_maps)}"),
    ("decoder", "transform"): (7.55, 3.45, "left", f"features {size(shapes.head_features)}"),
    ("encoder", "SISR head"): (5.75, 1.05, "right", "the same three maps"),
    ("SSSR head", "cross-entropy"): (10.0, 4.52, "center", f"logits\n{size(shapes.logits)}"),
    ("transform", "1 · FA"): (10.0, 2.72, "center", f"features\n{size(shapes.task_features)}"),
    ("SISR head", "1 · FA"): (10.3, 1.55, "left", f"features {size(shapes.sisr_features)}"),
    ("SISR head", "0.1 · SISR"): (10.0, 0.16, "center", f"picture\n{size(shapes.super_res)}"),
}
with theme():
    figure = new_figure(12, 5.2)
    ax = figure.add_subplot()
    for (start_of, end_of), (x, y, side, text) in EDGES.items():
        draw_arrows(ax, start_of, end_of)
        ax.text(x, y, text, ha=side, va="bottom", fontsize=8.5)
    for name in PLACES:
        draw_part(ax, name)
    ax.set(xlim=(0, 12.2), ylim=(0.1, 5.1))
    ax.set_axis_off()
    show_figure(figure, alt="DSRL as a graph, and which parts the gradients of cross-entropy, SISR and affinity reach")

# %% [markdown]
# The bar below a part divides the pull on its weights among the losses. SISR and FA change the answer only through shared weights.
#
# ## What you will be able to do
#
# 1. Write the forward pass and one training step yourself.
# 2. Choose a learning rate for every step, and prove that every parameter learns.
# 3. Say why SISR may be thrown away.
# 4. Stop a run and go on bit for bit.
# 5. Put DSRL around a network of your own, and report a gain with its interval.

# %% [markdown] lang="zh" of="530fefa8"
# 每个部分下方的色条显示：在它的权重所受的拉力中，各个损失占多少。SISR 和 FA 只能通过共享的权重改变分割结果。
#
# ## 学完之后，你能
#
# 1. 自己写出前向传播和一步训练。
# 2. 算出每一步的学习率，并证明每个参数都在学习。
# 3. 说清楚 SISR 为什么可以扔掉。
# 4. 中断训练再继续，结果逐位相同。
# 5. 给自己的网络装上 DSRL，报告增益及其区间。

# %% [markdown]
# ## Predict
#
# Two numbers. At what share of the run (0 to 1) has the poly learning rate, with power 0.9, fallen to half its start? And: of the
# multiply-adds of one forward pass in training, what share (in %) is left behind at deployment? Put them in place of `None`.

# %% [markdown] lang="zh" of="1fb94a6c"
# ## 先猜一猜
#
# 猜两个数。幂次取 0.9 时，多项式学习率在训练进行到多大比例（0 到 1）时降到初始值的一半？另外，训练时一次前向传播的全部乘加中，有百分之多少在部署时不再需要？把答案写在 `None` 的位置。

# %%
display(predict("07.half", None), predict("07.left_behind", None, unit="%"))

# %% [markdown]
# ## The objective
#
# $$L = L_{ce} + w_1 L_{mse} + w_2 L_{fa},\qquad w_1 = 0.1,\ w_2 = 1$$
#
# In plain letters: L = L_ce + 0.1 L_mse + L_fa. The network sees H × W, half of the picture's sides, and answers at 2H × 2W. The original
# picture is the target of SISR, at no cost of labelling. FA compares S_seg and S_sr, made from the last features *before* each prediction,
# averaged to 1/8 of the output's sides.

# %% [markdown] lang="zh" of="9e3872b5"
# ## 目标函数
#
# $$L = L_{ce} + w_1 L_{mse} + w_2 L_{fa},\qquad w_1 = 0.1,\ w_2 = 1$$
#
# 写成纯文本：L = L_ce + 0.1 L_mse + L_fa。网络看到的是边长减半、尺寸为 H × W 的图像，输出 2H × 2W 的结果。SISR 以原图为目标，不需要任何标注。FA 比较 S_seg 与 S_sr：两者都由各自预测层*之前*的最后一层特征算出；计算之前，先对特征分块取均值，缩小到输出边长的 1/8。

# %%
output = network(example.low_res)
given = {name: tuple(value.shape) for name, value in output._asdict().items() if isinstance(value, Tensor)}
terms = dsrl_loss(task, output, example, iteration=0, count=task.count(example))
display(Table({"output of DSRL": given.keys(), "shape": given.values()}, "What DSRL gives for a batch of 8"))
Table({"term": terms._fields, "value": [value.item() for value in terms]}, "Its losses", digits=4)

# %% [markdown]
# ### Exercise 07.1 · one mean for a batch
# *Easy · essential · 5 minutes.* The weights w1 and w2 mean something only if each loss is a mean. One of
# the mistakes that the check knows was read in public code.

# %% [markdown] lang="zh" of="1406c8df"
# ### 练习 07.1 · 一个批，一个均值
# *简单 · 本章核心 · 5 分钟。* 只有每个损失都是均值，权重 w1 和 w2 才有意义。检查程序认得的错误里，有一个来自公开代码。


# %%
def batch_loss(losses: Tensor, mask: Tensor) -> Tensor:
    """The segmentation loss of a batch, from the cross-entropy of each pixel.

    The mean over all pixels of the batch that are not ignored (255 in the mask).

    Shape:
        - losses: (N, H, W); mask: (N, H, W) class ids
        - output: ()

    Example:
        >>> batch_loss(torch.tensor([[[1.0, 2.0, 9.0]]]), torch.tensor([[[0, 4, 255]]]))
        tensor(1.5000)
    """
    raise NotImplementedError


check("07.1", batch_loss)

# %%
hint("07.1") + solution("07.1")

# %% [markdown]
# ## Build it: the forward pass
#
# *Hard · essential · 20 minutes.* Follow the drawing, in plain PyTorch. You may call the host's two methods and the parts
# of the heads: `sssr_head.reduce` (1 × 1), `sssr_head.expand` (1 × 1), `sisr_head(maps)`, `transform`. Upsampling and pixel shuffle are
# yours. The cell after it is folded: a worked version. Try first.

# %% [markdown] lang="zh" of="aa697516"
# ## 自己写：前向传播
#
# *较难 · 本章核心 · 20 分钟。* 对照上面的图，用最基本的 PyTorch 写出来。可以调用宿主网络的两个方法，以及各个头的组成部分：`sssr_head.reduce`（1 × 1）、`sssr_head.expand`（1 × 1）、`sisr_head(maps)`、`transform`。上采样和像素重排由你来写。后面折叠的单元格里有参考答案，先自己试试。


# %%
def my_forward(dsrl: DSRL, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Logits (N, K, 2H, 2W), picture (N, 3, 2H, 2W), and the two maps (N, 16, H/4, W/4) that FA compares.

    The parts are dsrl.task_model.host, dsrl.task_model.sssr_head, dsrl.sisr_head and dsrl.transform.
    SSSR is bilinear logits plus pixel shuffle 4 of expand(reduce(features)).
    FA averages both features to 1/8 of (2H, 2W) first; then the transform acts on the host's.
    """
    raise NotImplementedError


# %% jupyter={"source_hidden": true}
def worked_forward(dsrl: DSRL, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    host, sssr = dsrl.task_model.host, dsrl.task_model.sssr_head
    fine = (2 * image.shape[-2], 2 * image.shape[-1])
    maps = host.forward_features(normalise(image))
    head = host.forward_head(maps)
    residual = F.pixel_shuffle(sssr.expand(sssr.reduce(head.features)), 4)
    logits = F.interpolate(head.logits, fine, mode="bilinear") + residual
    picture, sisr_features = dsrl.sisr_head(maps)
    positions = (fine[0] // 8, fine[1] // 8)
    seg = dsrl.transform(F.adaptive_avg_pool2d(head.features, positions))
    return logits, picture, seg, F.adaptive_avg_pool2d(sisr_features, positions)


# %%
def chosen(mine: object, worked: object) -> object:
    """Yours, once it is written; until then the worked one."""
    still_open = "NotImplementedError" in mine.__code__.co_names
    print(f"{mine.__name__}: " + ("still open, so the worked version runs" if still_open else "your version runs"))
    return worked if still_open else mine


forward = chosen(my_forward, worked_forward)
pairs = zip(forward(network, example.low_res), network(example.low_res), strict=False)
apart = [(mine - theirs).abs().max().item() if mine.shape == theirs.shape else None for mine, theirs in pairs]
Table({"output": list(given), "largest difference": apart}, "By hand against DSRL (empty: another shape)", digits=7)

# %% [markdown]
# ## Build it: one training step
#
# *Hard · essential · 20 minutes.* Three losses, one sum, one gradient, one step of SGD with momentum 0.9. Weight decay acts
# on matrices only (`p.ndim > 1`). The learning rate is poly: the start times (1 − i/n) to the power 0.9. Then five of your steps are compared
# with five steps of the kit's loop. `normalise` is for both pictures of the SISR loss.

# %% [markdown] lang="zh" of="aa3bacd2"
# ## 自己写：一步训练
#
# *较难 · 本章核心 · 20 分钟。* 三个损失相加，求一次梯度，用动量为 0.9 的 SGD 走一步。权重衰减只作用于矩阵（`p.ndim > 1`）。学习率按多项式下降：初始值乘以 (1 − i/n) 的 0.9 次方。写完之后，你的五步会与本套件训练循环的五步逐一对照。SISR 损失中的两张图像都要先经过 `normalise`。


# %%
def my_step(
    dsrl: DSRL, velocity: list[Tensor], batch: TrainingExample, i: int, config: TrainConfig
) -> tuple[float, float, float, float]:
    """Change the weights and the velocities in place; give the objective and its three terms before the step.

    batch has low_res, high_res and mask (255: ignored); cross-entropy takes the class weights ``weights``.
    config has learning_rate, iterations, momentum, weight_decay, sisr_weight and affinity_weight.
    velocity holds a tensor for each of dsrl.parameters(), in their order.
    """
    raise NotImplementedError


# %% jupyter={"source_hidden": true}
def cosines(features: Tensor) -> Tensor:
    units = F.normalize(features.flatten(2), dim=1)
    return units.mT @ units


def worked_step(
    dsrl: DSRL, velocity: list[Tensor], batch: TrainingExample, i: int, config: TrainConfig
) -> tuple[float, float, float, float]:
    logits, picture, seg, sr = forward(dsrl, batch.low_res)
    ce = F.cross_entropy(logits, batch.mask, weight=weights, ignore_index=255)
    mse = F.mse_loss(normalise(picture), normalise(batch.high_res))
    fa = (cosines(seg) - cosines(sr)).abs().mean()
    loss = ce + config.sisr_weight * mse + config.affinity_weight * fa
    parameters = list(dsrl.parameters())
    gradients = torch.autograd.grad(loss, parameters)
    rate = config.learning_rate * (1 - i / config.iterations) ** 0.9
    with torch.no_grad():
        for p, v, gradient in zip(parameters, velocity, gradients, strict=True):
            decay = config.weight_decay if p.ndim > 1 else 0.0
            v.mul_(config.momentum).add_(gradient + decay * p)
            p.sub_(rate * v)
    return tuple(value.item() for value in (loss, ce, mse, fa))


# %%
step = chosen(my_step, worked_step)
config = replace(configs["dsrl"], record_every=1)
mine, theirs = build_dsrl(recipes["dsrl"].network).train(), build_dsrl(recipes["dsrl"].network)
velocity = [torch.zeros_like(parameter) for parameter in mine.parameters()]
by_hand = [step(mine, velocity, batches(i), i, config) for i in range(5)]
learnt = SegmentationObjective(config, 2, None, weights)
loop = fit(theirs, learnt, Batches.for_run(train_set, learnt.example, config), config)
by_kit = [(line.loss, line.task, line.sisr, line.affinity) for line in itertools.islice(loop, 5)]
print("all losses agree:", torch.allclose(torch.tensor(by_hand), torch.tensor(by_kit), rtol=1e-3))
both = {"step": range(1, 6), "by hand": [line[0] for line in by_hand], "by fit": [line[0] for line in by_kit]}
Table(both, "The objective over five steps of SGD", digits=5)

# %% [markdown]
# ## The poly learning rate
#
# $$\eta_i = \eta_0\,(1 - i/n)^{0.9},\qquad i = 0 \dots n-1$$
#
# Large steps first, ever smaller ones until the end of the run. So the end must be known beforehand. The paper's values are second-hand [B];
# its epochs, batch size and crop are not known.
#
# ### Exercise 07.2 · one step of the schedule
# *Easy · useful · 5 minutes.* Off by one is the usual mistake here. It wastes the last batch of every run, and nobody sees it.

# %% [markdown] lang="zh" of="89a7b3d1"
# ## 多项式学习率
#
# $$\eta_i = \eta_0\,(1 - i/n)^{0.9},\qquad i = 0 \dots n-1$$
#
# 先迈大步，再越迈越小，直到训练结束。所以必须事先知道何时结束。论文的取值是二手信息 [B]；轮次数、批大小和裁剪尺寸未知。
#
# ### 练习 07.2 · 学习率调度中的一步
# *简单 · 建议做 · 5 分钟。* 这里最常见的错误是差一步：每次训练的最后一个批都白白浪费，而且没有人会发现。

# %% jupyter={"source_hidden": true}
steps = range(configs["dsrl"].iterations)
half = 1 - 0.5 ** (1 / 0.9)
with theme():
    figure = new_figure(7.5, 2.7)
    ax = figure.add_subplot()
    ways = {"power 0.9": 0.9, "power 0.5": 0.5, "power 2": 2.0}
    for (name, power), style in zip(ways.items(), (style_of("dsrl"), *OTHER_STYLES), strict=False):
        rates = [poly_learning_rate(i, len(steps), learning_rate=0.05, power=power) for i in steps]
        ax.plot(steps, rates, label=name, color=style.color, linestyle=style.line)
    ax.set(xlabel="iteration", ylabel="learning rate", xlim=(0, None), ylim=(0, None))
    ax.legend()
    show_figure(figure, alt="The poly learning rate over 120 iterations with powers 0.5, 0.9 and 2")

reveal("07.half", half)


# %%
def poly(iteration: int, iterations: int, learning_rate: float, power: float) -> float:
    """Learning rate of one step of the poly schedule.

    The first step has the whole learning rate; the step after the last would have 0.

    Args:
        iteration: number of the step, from 0 to iterations - 1.
        iterations: steps of the whole run.
        learning_rate: at the start.
        power: 0.9 as a rule.

    Example:
        >>> [poly(i, 4, 1.0, 1.0) for i in range(4)]
        [1.0, 0.75, 0.5, 0.25]
    """
    raise NotImplementedError


check("07.2", poly)

# %%
hint("07.2") + solution("07.2")

# %% [markdown]
# ## Every parameter in exactly one group
#
# Optimizers take lists. Lists that people write by hand forget things: in a public re-implementation the SISR decoder and the
# feature transform, over 1.1 million parameters, were in no group. The kit sorts by two rules instead: part of the host or
# not, matrix (decays) or vector (does not).
#
# ### Exercise 07.3 · the audit
# *Some thought · essential · 8 minutes.* Write the test that would have caught it.

# %% [markdown] lang="zh" of="67a70ef3"
# ## 每个参数恰好属于一个组
#
# 优化器接收的是列表，而手写的列表总会漏东西：某个公开复现中，SISR 解码器和特征变换共超过 110 万个参数，不在任何一组里。本套件改用两条规则来分组：是否属于宿主网络；是矩阵（要衰减）还是向量（不衰减）。
#
# ### 练习 07.3 · 清点参数
# *需要思考 · 本章核心 · 8 分钟。* 写一个本可以发现这个错误的测试。

# %%
groups = build_optimizer(network, configs["dsrl"]).param_groups
numbers = [sum(parameter.numel() for parameter in group["params"]) for group in groups]
in_all = sum(parameter.numel() for parameter in network.parameters())
started = {id(parameter) for parameter in host_parameters(network)}
columns = {"layers": ["host" if id(group["params"][0]) in started else "new" for group in groups]}
columns |= {"tensors": [len(group["params"]) for group in groups], "numbers": numbers}
columns["weight decay"] = [group["weight_decay"] for group in groups]
Table(columns, f"{sum(numbers):,} numbers in groups, {in_all:,} in the network", digits=4)


# %%
def audit(sizes: dict[str, int], groups: list[list[str]]) -> list[int]:
    """How many numbers an optimizer forgets, and how many it moves more than once.

    Args:
        sizes: numbers in each parameter, by its name.
        groups: names in each of the optimizer's groups, none twice in one group.

    Returns:
        [numbers in no group, numbers in several groups]; each parameter counts once.

    Example:
        >>> sizes = {"encoder": 100, "head": 10, "sisr": 40}
        >>> audit(sizes, [["encoder", "head"], ["head"]])
        [40, 10]
    """
    raise NotImplementedError


check("07.3", audit)

# %%
hint("07.3") + solution("07.3")

# %% [markdown]
# ## Train
#
# The loop is open: `fit` yields a record every few steps, and whoever asks for the next one drives it. So a notebook can draw, stop,
# or change its mind between two records. Three rows, same seed, same pictures, same steps: about twenty seconds on a
# quiet core. `shuffled` is the negative control: FA against *another* picture's SISR features.

# %% [markdown] lang="zh" of="670059b6"
# ## 训练
#
# 训练循环是开放的：`fit` 每隔几步产出一条记录，谁来取下一条，谁就推动训练前进。因此笔记本可以在两条记录之间画图、停止或者改主意。三种配置，种子、图像、步数都相同，在空闲的单核上约需二十秒。`shuffled` 是阴性对照：FA 用的是*另一张*图像的 SISR 特征。


# %% jupyter={"source_hidden": true}
def train(model: DSRL, config: TrainConfig, name: str) -> list:
    """Train a network before the reader and keep its records."""
    kept, shown = [], display(HTML(translate(f"{name}: starting")), display_id=True)
    learnt = SegmentationObjective(config, 2, val_set, weights)
    for line in fit(model, learnt, Batches.for_run(train_set, learnt.example, config), config):
        kept.append(line)
        done, score = 20 * line.iteration // line.iterations, translate(f"{line.seconds_left:.0f} s left")
        if line.metrics:
            score = f"mIoU {100 * line.metrics['miou']:.1f} %"
        place = f"{line.iteration:3}/{line.iterations}   {translate('loss')} {line.loss:.3f}"
        bar = f"{name:22} {'█' * done:20} {place}   {score}"
        shown.update(HTML(f"<pre style='margin:0;font-family:monospace'>{bar}</pre>"))
    return kept


def as_run(row: str, records: list, title: str, seed: int = 0) -> Record:
    """Records of this notebook in the form that the kit's frames take."""
    parts = {"sisr": row != "baseline", "affinity": row != "baseline"}
    first = {"kind": "run", "setting": "here", "row": row, "seed": seed, "title": title, "network": parts}
    end = {"kind": "end", "logits": {"split": "val"} | records[-1].metrics}
    return Record((first, *(line.to_json() for line in records), end))


# %%
models = {row: build_dsrl(recipe.network) for row, recipe in recipes.items()}
records = {row: train(model, configs[row], row) for row, model in models.items()}

# %% [markdown]
# ## Main task, auxiliary task
#
# Segmentation is the **main** task. SISR is **auxiliary**: nobody asks for its picture. It acts on the result in training only: by its own gradient on
# the shared encoder, and as the map that FA compares with. Once the network is trained, that effect is in the weights. So SISR may be dropped.
#
# Does its gradient help? Compare directions. A cosine near 1 pulls the same way as the main task, 0 pulls sideways, below 0 fights it.

# %% [markdown] lang="zh" of="d96cb1f1"
# ## 主任务与辅助任务
#
# 分割是**主任务**，SISR 是**辅助任务**：没有人要它重建的图像。它只在训练时影响结果：一是传给共享编码器的梯度，二是作为 FA 用来比较的特征图。网络一旦训练好，这份作用就留在权重里了，所以 SISR 可以去掉。
#
# 它的梯度有帮助吗？比较方向就知道。余弦接近 1，说明与主任务同向；0 表示方向正交，互不相干；小于 0 则是在与主任务作对。

# %%
lines = []
for when, model in (("before", build_dsrl(recipes["dsrl"].network)), ("after", models["dsrl"].train())):
    pulled = {loss: parts["encoder"] for loss, parts in pulls(model).items()}
    for loss, arrow in pulled.items():
        cosine = torch.cosine_similarity(arrow, pulled["cross-entropy"], dim=0)
        lines.append({"training": when, "loss": loss, "length": float(arrow.norm()), "cosine": float(cosine)})
Table(lines, "Pull on the encoder, and its cosine with the main task's, on one batch", digits=3)

# %% [markdown]
# SISR's pull is the longest at first, and fades as its picture becomes right. Its cosine is a little below 0: on this
# batch it pulls sideways.
#
# ## Stop, and go on bit for bit
#
# A run that stops and resumes should be the *same* run. The monitor shows the seam: earlier records in grey. All that a step draws
# follows from the seed and the step's number. So weights, momentum and that number must be kept, no more. This run takes half a minute to a minute.

# %% [markdown] lang="zh" of="55687d2e"
# SISR 的拉力起初最大，随着重建的图像越来越准而减弱。它的余弦在训练前后都略小于 0：在这个批上，它与主任务几乎正交，稍有抵触。
#
# ## 停下来再继续，结果逐位相同
#
# 中断后继续的训练，应当与一口气跑完的是*同一次*训练。监视器会显示接缝：先前的记录画成灰色。一步训练中抽取的所有随机数都由种子和步号决定，所以只需保存权重、动量和步号，别的都不用。这次训练需要半分钟到一分钟。

# %%
watched = build_dsrl(recipes["dsrl"].network)
config = replace(configs["dsrl"], iterations=400)
watched_task = SegmentationObjective(config, 2, val_set, weights)
GUIDE = {
    "Touch": "run the cell, press Stop at about a third, then run it again: it goes on from there",
    "Look for": "the curves go on where they stopped, and at the same height",
    "Ask yourself": "what would the seam look like if the learning rate began anew? And if the momentum did?",
}

seen = training_monitor(
    fit(
        watched,
        watched_task,
        Batches.for_run(train_set, watched_task.example, config),
        config,
        directory=Path(kept_here.name),
        resume=True,
    ),
    earlier=seen,
    anew="kept_here, seen = tempfile.TemporaryDirectory(), []",
    row="dsrl",
    guide=GUIDE,
    alt="Objective, cross-entropy, SISR error and feature affinity fall over 400 steps while the learning rate goes to 0",
).run()


# %% jupyter={"source_hidden": true}
def short_run(folder: Path, *, stop: int | None = None, resume: bool = False) -> DSRL:
    """Twelve steps, or as many as come before ``stop``."""
    config = replace(configs["dsrl"], iterations=12, record_every=1)
    model = build_dsrl(recipes["dsrl"].network)
    learnt = SegmentationObjective(config, 2, None, weights)
    pictures = Batches.for_run(train_set, task.example, config)
    lines = fit(model, learnt, pictures, config, directory=folder, resume=resume)
    for line in lines:
        if line.iteration == stop:
            lines.close()  # what Ctrl-C does
            break
    return model


def differing(a: nn.Module, b: nn.Module) -> int:
    """How many tensors of two networks are not equal bit for bit."""
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return sum(not torch.equal(x, y) for x, y in pairs)


# %%
with tempfile.TemporaryDirectory() as place:
    folders = [Path(place) / name for name in ("whole", "stopped", "weights alone")]
    whole, stopped = short_run(folders[0]), short_run(folders[1], stop=5)
    checkpoint.copy_model(folders[1] / "latest.safetensors", folders[2] / "latest.safetensors")  # no momentum in it
    resumed, without_momentum = short_run(folders[1], resume=True), short_run(folders[2], resume=True)
ends = {
    "stopped at step 5": stopped,
    "stopped and resumed": resumed,
    "resumed from the weights alone": without_momentum,
}
counts = [differing(model, whole) for model in ends.values()]
Table(
    {"run": list(ends), "tensors that differ": counts},
    f"Against the whole run of 12 steps, {len(whole.state_dict())} tensors",
)

# %% [markdown]
# ### Exercise 07.4 · go on
# *Some thought · essential · 10 minutes.* Three things must be saved. Forget any of them, and the run goes on, quietly, as another one.

# %% [markdown] lang="zh" of="6d9fd744"
# ### 练习 07.4 · 继续训练
# *需要思考 · 本章核心 · 10 分钟。* 有三样东西必须保存。漏掉任何一样，训练照样会跑下去，却悄悄变成了另一次训练。


# %%
def go_on(
    weight: Tensor,
    velocity: Tensor,
    iteration: int,
    gradients: Tensor,
    learning_rate: float,
) -> Tensor:
    """Finish a run of SGD that was stopped, as if nothing had happened.

    Each step: velocity = 0.9 * velocity + gradient; weight = weight - rate * velocity,
    with the poly rate learning_rate * (1 - step / steps) ** 0.9.

    Args:
        weight: as it was saved.
        velocity: as it was saved.
        iteration: steps that were done; the next one has this number.
        gradients: of every step of the whole run, from its first: len(gradients) steps.
        learning_rate: at the start of the run.

    Shape:
        - weight, velocity, output (the weight at the end): (P,); gradients: (steps, P)

    Example:
        >>> go_on(torch.ones(1), torch.tensor([2.0]), 1, torch.tensor([[5.0], [1.0]]), 0.1)
        tensor([0.8500])
    """
    raise NotImplementedError


check("07.4", go_on)

# %%
hint("07.4") + solution("07.4")

# %% [markdown]
# ## Strip SISR, and prove it
#
# A `DSRL` *owns* a complete network, `task_model`: host and SSSR head. To deploy is to take that part. There is no flag to forget, and no
# load with `strict=False` that hides a mistake. Three proofs: the logits, the tensors' names, the multiply-adds.

# %% [markdown] lang="zh" of="0762db4b"
# ## 去掉 SISR，并加以证明
#
# `DSRL` 内部*持有*一个完整的网络 `task_model`，即宿主网络加 SSSR 头。部署就是取出这一部分：没有什么开关会忘了设置，加载时也用不着 `strict=False`，它会掩盖错误。三个证据：logits、张量的名称、乘加次数。

# %%
trained, image = models["dsrl"].eval(), reduce_image(val_set[0].image, (48, 64))[None]
with tempfile.TemporaryDirectory() as place, torch.no_grad():
    path = Path(place) / "deployed.safetensors"
    checkpoint.save(path, trained.task_model, {"network": recipes["dsrl"].network.to_json(), "deployed": True})
    deployed, loaded = load_task_model(path)  # strictly: nothing missing, nothing left over
    print("logits equal bit for bit:", torch.equal(deployed(image), trained(image).logits))
left = [name for name in loaded.model_state() if "sisr" in name or "transform" in name]
print(f"{len(left)} of {len(loaded.model_state())} tensors in the file belong to SISR or FA")
costs = {
    "host alone": models["baseline"].task_model,
    "deployed: host + SSSR": deployed,
    "in training: + SISR + FA": trained,
}
counted = [complexity(model, (48, 64)) for model in costs.values()]
columns = {"network": list(costs), "MACs (M)": [cost.macs / 1e6 for cost in counted]}
columns["parameters"] = [cost.parameters for cost in counted]
display(Table(columns, "True cost of one picture of 48 × 64", digits=1))
reveal("07.left_behind", 100 * (1 - counted[1].macs / counted[2].macs), unit="%")

# %% [markdown]
# SISR and FA cost nothing at inference: that claim holds, exactly. The SSSR head stays and does cost something. Notebook 05
# counts it for the authors' head on ESPNetv2.
#
# ### Exercise 07.5 · by hand
# *Easy · essential · 5 minutes.* From the whole network's tensors to the deployed one's.

# %% [markdown] lang="zh" of="5642c36a"
# SISR 和 FA 在推理时没有任何开销：这项主张不折不扣地成立。SSSR 头则保留下来，确有开销。笔记本 05 算过作者的头在 ESPNetv2 上的开销。
#
# ### 练习 07.5 · 亲手取出
# *简单 · 本章核心 · 5 分钟。* 从整个网络的张量中，挑出部署的网络所需的张量。


# %%
def deployed_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """What a deployed network keeps of a DSRL network's tensors.

    The names are those that ``task_model`` has when it is built by itself. A DSRL network owns ``task_model`` (host and
    SSSR head), ``sisr_head`` and ``transform``; ``task_model`` alone is deployed, and
    loads its tensors strictly: nothing missing, nothing left over.

    Example:
        >>> one = torch.ones(1)
        >>> sorted(deployed_state({"task_model.host.a": one, "sisr_head.b": one}))
        ['host.a']
    """
    raise NotImplementedError


check("07.5", deployed_state)

# %%
hint("07.5") + solution("07.5")

# %% [markdown]
# ## Break it
#
# The defect from public code: SISR's decoder is in no optimizer group. Gradients still flow *through* it into the encoder. What
# does the encoder learn from a decoder that stays random? `requires_grad_(False)` does here what the forgotten list entry did there.
# Then the picture to take along: cross-entropy, SISR error and FA of four runs, and their scores on twelve scenes.

# %% [markdown] lang="zh" of="316e63a5"
# ## 弄坏它
#
# 公开代码中的缺陷：SISR 的解码器不在优化器的任何一组里，梯度却仍然*穿过*它流入编码器。解码器一直是随机的，编码器能从它那里学到什么？那份代码漏写了列表中的一项，这里用 `requires_grad_(False)` 达到同样的效果。
# 随后是值得带走的一张图：四次训练的交叉熵、SISR 误差和 FA，以及它们在十二个场景上的分数。


# %%
def forget_the_decoder(model: DSRL) -> None:
    for part in (model.sisr_head, model.transform):
        part.requires_grad_(False)


DEFECT = forget_the_decoder  # the switch: or `lambda model: None`, which forgets nothing
broken = build_dsrl(recipes["dsrl"].network)
DEFECT(broken)
before = {name: parameter.detach().clone() for name, parameter in broken.named_parameters()}
records["broken"] = train(broken, configs["dsrl"], "broken")
still = [name for name, parameter in broken.named_parameters() if torch.equal(parameter, before[name])]
print(f"{len(still)} of {len(before)} parameters never moved:", *still[:3], "..." if still else "")

# %% jupyter={"source_hidden": true}
TITLES = {"baseline": "baseline", "dsrl": "DSRL", "shuffled": "FA of another picture (control)", "broken": "broken"}
runs = frames.frame(as_run(row, lines, TITLES[row]) for row, lines in records.items())
curves = frames.curves(runs)
with theme():
    figure = new_figure(13, 3.6)
    *panels, last = figure.subplots(1, 4)
    for ax, term in zip(panels, ("task", "sisr", "affinity"), strict=True):
        charts.training_curves(curves, term, legend=False, ax=ax)
    charts.score_bars(frames.pick(frames.scores(runs)), xlabel="mIoU (%), one seed", ax=last)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    show_figure(figure, alt="Cross-entropy, SISR error and FA over 120 steps for four runs, and the score of each")

# %% [markdown]
# Symptoms to recognise: parameters that are equal before and after a step, and a SISR error that stays high. FA falls in the control as well:
# two maps can be made alike whatever they show.
#
# **Paper against ours.** The paper reports 54.5 → 59.5 % mIoU for ESPNetv2 at 256 × 512 on Cityscapes [P]. Ours is one seed and
# 120 steps on drawn streets. It shows *how* the whole is trained. *Whether* it gains is the question of notebook 08.

# %% [markdown] lang="zh" of="831a6b37"
# 要认得的症状：一步训练前后，参数完全没变；SISR 误差居高不下。FA 在对照中也会下降：无论内容是什么，两张特征图总可以变得相像。
#
# **论文与本项目对照。** 论文报告，在 Cityscapes 上输入为 256 × 512 时，ESPNetv2 的 mIoU 从 54.5 % 升到 59.5 % [P]。我们这里只有一个种子，在合成街景上训练了 120 步。它展示的是整套方法*如何*训练；*有没有*增益，要到笔记本 08 才回答。

# %% [markdown]
# ## Try it: your own network behind DSRL
#
# *The capstone · 30 minutes.* DSRL asks a host for two methods and a true `spec`. Change `MyNet`, or write another one. 40 pictures, three
# seeds, three rows. One knob: `ITERATIONS`. Shipped: 30 steps a run, about 20 seconds in all. With 250 you train for about three minutes.

# %% [markdown] lang="zh" of="1645841a"
# ## 动手试试：给你自己的网络装上 DSRL
#
# *压轴项目 · 30 分钟。* DSRL 只要求宿主网络有两个方法和一份如实填写的 `spec`。修改 `MyNet`，或者另写一个。40 张图像、三个种子、三种配置，可调的只有 `ITERATIONS`。默认每次训练 30 步，总共约 20 秒；设为 250 则要训练三分钟左右。


# %%
class MyNet(DensePredictor):
    """Down twice, back up once."""

    def __init__(self, classes: int, width: int = 16) -> None:
        super().__init__()
        head = {"head_channels": width, "head_stride": 2, "logits_stride": 2, "num_classes": classes}
        self.spec = PredictorSpec(feature_channels=(width, 2 * width), feature_strides=(2, 4), **head)

        def block(a: int, b: int, stride: int) -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(a, b, 3, stride, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU())

        self.down2, self.down4 = block(3, width, 2), block(width, 2 * width, 2)
        self.up = block(3 * width, width, 1)
        self.classify = nn.Conv2d(width, classes, 1)

    def forward_features(self, image: Tensor) -> tuple[Tensor, ...]:
        half = self.down2(image)
        return half, self.down4(half)

    def forward_head(self, features: tuple[Tensor, ...]) -> HeadOutput:
        half, quarter = features
        x = self.up(torch.cat([half, F.interpolate(quarter, half.shape[-2:], mode="bilinear")], dim=1))
        return HeadOutput(self.classify(x), x)


# %%
ITERATIONS, SEEDS = 30, (0, 1, 2)
PLAIN = {"sssr": None, "sisr": False, "affinity": False}
ROWS_HERE = {"baseline": PLAIN, "dsrl": {"sssr": "sub_pixel"}, "shuffled": {"sssr": "sub_pixel"}}
mine = []
for seed, (row, parts) in itertools.product(SEEDS, ROWS_HERE.items()):
    torch.manual_seed(seed)  # the host starts alike in all rows
    model = DSRL(MyNet(11), **parts)
    config = replace(configs[row], iterations=ITERATIONS, seed=seed)
    mine.append(as_run(row, train(model, config, f"{row}, seed {seed}"), TITLES[row], seed))

values = frames.pick(frames.scores(frames.frame(mine)))
found = frames.summary(frames.gains(values), ("label",), scale=100)
found["gain (points)"] = [gain.show(signed=True) for gain in found["estimate"]]
found["verdict"] = [judge(gain)[0] for gain in found["estimate"]]
Table(
    found[["label", "gain (points)", "seeds", "verdict"]],
    "Gain over the baseline: mean ± 95 % interval, paired by seed",
)

# %% [markdown]
# ## Limits
#
# - One seed, 120 steps, 40 pictures: no row of the picture to take along is better than another as far as this can tell.
# - The capstone's interval is about seeds alone; another town or more steps may give another gain.
# - Bit for bit holds on one machine with one number of threads. Sums in another order differ in the last digits.
# - Gradients were compared on one batch; their angle changes along the run.

# %% [markdown] lang="zh" of="e0c4314f"
# ## 局限
#
# - 一个种子、120 步、40 张图像：仅凭这些，分不出上面那张图里哪种配置更好。
# - 压轴项目的区间只反映种子的影响；换一个城镇或多训练几步，增益可能就不同。
# - 逐位相同只在同一台机器、同样的线程数下成立。求和顺序一变，最后几位就会不同。
# - 梯度只在一个批上做了比较；训练过程中它们的夹角会变。

# %% [markdown]
# ## Five questions to take along
#
# <details><summary>1. Which two tensors enter FA?</summary>The last features before each prediction: the host's, transformed, and SISR's. Not class maps, not colours.</details>
# <details><summary>2. What is the learning rate of the last step?</summary>Not zero: the start times (1/n) to the power 0.9. Zero belongs to the step after it.</details>
# <details><summary>3. Your SISR loss stays far above what it should be. What do you test first?</summary>Whether SISR's parameters change at all in one step.</details>

# %% [markdown] lang="zh" of="ae137986"
# ## 带走五个问题
#
# <details><summary>1. 哪两个张量参与 FA？</summary>各自预测层之前的最后一层特征：宿主网络的特征（经过特征变换）和 SISR 的特征。不是类别图，也不是颜色。</details>
# <details><summary>2. 最后一步的学习率是多少？</summary>不是零，而是初始值乘以 (1/n) 的 0.9 次方。零属于再往后的一步。</details>
# <details><summary>3. 你的 SISR 损失一直远高于应有的水平。先检查什么？</summary>检查一步训练之后，SISR 的参数有没有变化。</details>

# %% [markdown]
# <details><summary>4. What must a checkpoint hold besides weights?</summary>The momentum and the number of the step. All draws follow from the seed and that number.</details>
# <details><summary>5. Why can SISR be left behind, and the SSSR head not?</summary>The answer does not pass through SISR; its effect is in the shared weights. The answer does pass through the SSSR head.</details>

# %% [markdown] lang="zh" of="58b393fd"
# <details><summary>4. 除了权重，检查点里还必须保存什么？</summary>动量和步号。所有随机抽取都由种子和步号决定。</details>
# <details><summary>5. 为什么可以去掉 SISR，却不能去掉 SSSR 头？</summary>分割结果不经过 SISR，它的作用已经留在共享的权重里；分割结果却要经过 SSSR 头。</details>

# %% [markdown]
# ## Words and sources
#
# **objective** 目标函数: the weighted sum of all losses. **main task, auxiliary task** 主任务、辅助任务: wanted at inference, or in training only.
# **poly** 多项式学习率衰减. **momentum** 动量. **resume** 断点续训. **deployed network** 部署的网络: `task_model` alone.
#
# - Wang, Li, Zhu, Tian, Shan: Dual Super-Resolution Learning for Semantic Segmentation, CVPR 2020 (equations 2 to 5).
# - Chen et al.: DeepLab, 2017 (the poly learning rate). Caruana: Multitask Learning, 1997 (auxiliary tasks).
# - In the kit: `dsrl_lab/training/loop.py` is the open loop, `dsrl_lab/training/optim.py` the two rules.

# %% [markdown] lang="zh" of="133d424b"
# ## 术语与出处
#
# **目标函数**（objective）：所有损失的加权和。**主任务、辅助任务**（main task, auxiliary task）：推理时要的任务；只在训练时有用的任务。
# **多项式学习率衰减**（poly）。**动量**（momentum）。**断点续训**（resume）。**部署的网络**（deployed network）：只有 `task_model`。
#
# - Wang, Li, Zhu, Tian, Shan: Dual Super-Resolution Learning for Semantic Segmentation, CVPR 2020（公式 2 至 5）。
# - Chen et al.: DeepLab, 2017（多项式学习率）。Caruana: Multitask Learning, 1997（辅助任务）。
# - 在本套件中：训练循环见 `dsrl_lab/training/loop.py`，两条分组规则见 `dsrl_lab/training/optim.py`。
