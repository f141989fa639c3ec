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
# # 06 · Feature affinity
#
# **Claim.** Feature affinity never asks two networks for the same features. It asks them to agree on *which pixels look
# alike*. It copies that answer from the teacher, right or wrong.
#
# Measured: about 10 seconds of CPU time on one core, 1.1 GB of memory at most. Data: drawn streets and photographs that come with scikit-image.
# Needs: 00. No internet, no GPU.

# %% [markdown] lang="zh" of="95a7e8a1"
# # 06 · 特征亲和
#
# **主张。** 特征亲和从不要求两个网络给出相同的特征，只要求它们在*哪些像素彼此相似*这一点上看法一致。教师的答案无论对错，都会被照搬过来。
#
# 实测：单核约 10 秒 CPU 时间，内存最多 1.1 GB。数据：合成街景，以及 scikit-image 自带的照片。
# 先修：00。不需要联网，也不需要 GPU。

# %%
from dsrl_lab.course.notebook import show_figure, start

lab = start()

# %% jupyter={"source_hidden": true}
import torch
from IPython.display import display
from torch import Tensor
from torch.nn import functional as F

from dsrl_lab import Streets, TinyNet, affinity_matrix, feature_affinity_loss
from dsrl_lab.course.exercises import check, hint, predict, reveal, solution
from dsrl_lab.course.table import Table
from dsrl_lab.datasets.photos import Photos
from dsrl_lab.plots.affinity import affinity_picture, affinity_row, mark_position
from dsrl_lab.plots.masks import show_image
from dsrl_lab.plots.theme import OTHER_STYLES, new_figure, style_of, theme
from dsrl_lab.results.tables import affinity_table
from dsrl_lab.rows import BLUE, GREEN, GREY, ORANGE
from dsrl_lab.tools.bench.process_usage import PeakMemory
from dsrl_lab.training import record
from dsrl_lab.widgets import affinity_explorer
from dsrl_lab.widgets.examples import street_features

# %% [markdown]
# ## From features to a loss, in one drawing
#
# Two branches look at the same four positions: a dark and a bright piece of road, a car, the sky. Each position has a vector of two channels.
# Read a row from left to right. The lengths go away, the angles stay, and angles become numbers. Before you look at the last panel: which pair of
# positions costs most?

# %% [markdown] lang="zh" of="1d36c16f"
# ## 一图看懂：从特征到损失
#
# 两个分支看同样的四个位置：一块暗路面、一块亮路面、一辆车和天空。每个位置是一个向量，有两个通道。请从左到右看每一行：长度被消去，角度保留下来，再变成数字。看最后一幅之前先想一想：哪一对位置的代价最大？

# %% jupyter={"source_hidden": true}
POSITIONS = {"dark road": GREY, "bright road": BLUE, "car": ORANGE, "sky": GREEN}
task = torch.tensor([[0.9, 0.2], [2.4, 0.6], [1.6, 1.0], [0.5, 2.2]]).T[None, :, None]  # (N, C, H, W) = (1, 2, 1, 4)
sisr = torch.tensor([[1.0, 0.3], [2.2, 1.0], [0.2, 1.8], [0.4, 1.2]]).T[None, :, None]
s_seg, s_sr = affinity_matrix(task)[0], affinity_matrix(sisr)[0]


def draw_vectors(ax: object, features: Tensor, title: str, most: float) -> None:
    for (name, color), vector in zip(POSITIONS.items(), features[0, :, 0].T.tolist(), strict=True):
        ax.annotate("", vector, (0, 0), arrowprops={"arrowstyle": "-|>", "color": color, "lw": 2.2})
        ax.plot([], [], color=color, label=name)
    angles = torch.linspace(0, torch.pi / 2, 60)
    ax.plot(angles.cos(), angles.sin(), color=GREY, linewidth=0.7, linestyle=":")
    ax.set(xlim=(0, most), ylim=(0, most), aspect="equal", title=title, xlabel="channel 1", ylabel="channel 2")


def draw_matrix(ax: object, matrix: Tensor, title: str) -> None:
    ax.imshow(matrix, cmap="cividis", vmin=0, vmax=1)
    for i, j in torch.cartesian_prod(torch.arange(4), torch.arange(4)).tolist():
        dark = matrix[i, j] < 0.6
        ax.text(j, i, f"{float(matrix[i, j]):.2f}", ha="center", va="center", color="white" if dark else "black")
    ax.set(xticks=range(4), xticklabels=["dark", "bright", "car", "sky"], yticks=range(4), yticklabels=list(POSITIONS))
    ax.set_title(title)
    ax.grid(False)


# %% jupyter={"source_hidden": true}
with theme():
    figure = new_figure(12, 5.4)
    grid = figure.add_gridspec(2, 4)
    for row, (name, features, matrix) in enumerate((("seg", task, s_seg), ("sr", sisr, s_sr))):
        panels = [figure.add_subplot(grid[row, column]) for column in range(3)]
        draw_vectors(panels[0], features, f"{name}: features {tuple(features.shape)}", 2.6)
        draw_vectors(panels[1], F.normalize(features, dim=1), "unit vectors", 1.1)
        draw_matrix(panels[2], matrix, f"S_{name}: cosines {tuple(matrix.shape)}")
    difference = (s_seg - s_sr).abs()
    draw_matrix(figure.add_subplot(grid[:, 3]), difference, f"|S_seg − S_sr|\nmean: L_fa = {difference.mean():.3f}")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=4)
    about = "Four positions as vectors, as unit vectors, as two matrices of cosines, and the difference of the matrices"
    show_figure(figure, alt=about)

# %% [markdown]
# Both pieces of road point the same way: brightness is gone. The branches disagree about the car: it is near the road in one, near the sky in the other.
#
# ## What you will be able to do
#
# 1. Compute S; know its size beforehand.
# 2. Choose p and q.
# 3. Read a row of S on a picture, and score it against the true classes.
# 4. Say what affinity does to features, also with a bad teacher.
# 5. Write the loss in tiles, so that memory stays small.

# %% [markdown] lang="zh" of="cae2e411"
# 两块路面指向同一个方向：亮度被消去了。两个分支的分歧在车上：一个认为它像路面，另一个认为它像天空。
#
# ## 学完之后，你能
#
# 1. 计算 S，并事先知道它有多大。
# 2. 选定 p 和 q。
# 3. 对照图像读懂 S 的一行，并用真实类别给它打分。
# 4. 说出亲和对特征做了什么，教师不好时又会怎样。
# 5. 把损失写成分块的形式，使内存占用保持很小。

# %% [markdown]
# ## Predict
#
# A network sees 512 × 1024 pixels; features are compared at 1/8 per side. How many MiB does **one** affinity matrix take in
# float32? And: an *untrained* network's features, how often do they rank a pair of same-class pixels above a pair of
# different classes? (0.5 is chance, 1 is always.) Put numbers in place of `None`; they stay on your computer.

# %% [markdown] lang="zh" of="8e4b4070"
# ## 先猜一猜
#
# 网络看到 512 × 1024 像素，特征按每条边的 1/8 进行比较。**一个**亲和矩阵用 float32 存储，占多少 MiB？另外，用一个*未经训练*的网络的特征来排序，同类像素对排在异类像素对前面的概率有多大？（0.5 相当于随机，1 表示总是如此。）把 `None` 换成你猜的数；它们只保存在你的电脑上。

# %%
display(predict("06.memory", None, unit="MiB"), predict("06.untrained", None))

# %% [markdown]
# ## Ask one pixel of a cat
#
# Take one position, compare its features with those of all others, and show the answers as a picture. Here the
# features are the colour, measured from the picture's mean. Bright means "looks like me". Each map is one **row** of the affinity matrix S.

# %% [markdown] lang="zh" of="31bbf84c"
# ## 问问猫身上的一个像素
#
# 取一个位置，把它的特征与所有其他位置的特征比较，再把答案画成图。这里的特征就是颜色，以整张图的均值为零点。越亮表示“越像我”。每张这样的图都是亲和矩阵 S 的一**行**。

# %% jupyter={"source_hidden": true}
photos = Photos()
cat = photos[photos.names.index("chelsea")].image[:, :288, :448]
cat_features = F.avg_pool2d(cat - cat.mean((1, 2), keepdim=True), 8)  # (3, 36, 56)
marked = {"fur on the cheek": (24, 11), "background, top right": (4, 50)}

with theme():
    figure = new_figure(11, 2.9)
    axes = figure.subplots(1, 3)
    show_image(cat, title="who looks like a marked pixel?", ax=axes[0])
    for ax, (name, position) in zip(axes[1:], marked.items(), strict=True):
        mark_position(position, (36, 56), (288, 448), ax=axes[0])
        affinity_picture(affinity_row(cat_features, position), position, limits=(-1, 1), title=name, ax=ax)
    about = "A cat, and how similar every position is in colour to its fur and to the background"
    show_figure(figure, alt=about)

# %% [markdown]
# ## The matrix S
#
# $$S_{ij} = \frac{x_i}{\lVert x_i\rVert_p}\cdot\frac{x_j}{\lVert x_j\rVert_p}$$
#
# In plain letters: S_ij is the dot product of position i and position j, each brought to length 1. Features (N, C, H, W) become positions
# (N, C, P) with P = H·W, and S is (N, P, P).
#
# ### Exercise 06.1 · how large is S?
# *Easy · essential · 4 minutes.* The matrix has a row and a column for every position of the reduced grid.

# %% [markdown] lang="zh" of="74b131eb"
# ## 矩阵 S
#
# $$S_{ij} = \frac{x_i}{\lVert x_i\rVert_p}\cdot\frac{x_j}{\lVert x_j\rVert_p}$$
#
# 写成纯文本：S_ij 是位置 i 与位置 j 的点积，两者都先归一化到长度 1。特征 (N, C, H, W) 展平成 P = H·W 个位置，即 (N, C, P)；S 的形状是 (N, P, P)。
#
# ### 练习 06.1 · S 有多大？
# *简单 · 本章核心 · 4 分钟。* 缩小之后的网格上，每个位置在矩阵中占一行一列。


# %%
def affinity_bytes(height: int, width: int, stride: int) -> int:
    """Bytes of one affinity matrix in float32.

    Args:
        height: of the output, in pixels; a multiple of stride.
        width: of the output, in pixels; a multiple of stride.
        stride: output pixels per position, on each side.

    Example:
        >>> affinity_bytes(512, 1024, 8) // 2**20  # MiB
        256
    """
    raise NotImplementedError


check("06.1", affinity_bytes)

# %%
hint("06.1") + solution("06.1")

# %% [markdown]
# ### Exercise 06.2 · the matrix itself
# *Some thought · essential · 10 minutes.* Fresh random features are compared with cosines computed one by one. Check two facts
# first: the diagonal is 1, and the matrix is its own mirror image.

# %% [markdown] lang="zh" of="f5680dbf"
# ### 练习 06.2 · 写出这个矩阵
# *需要思考 · 本章核心 · 10 分钟。* 检查时会抽取新的随机特征，把你的结果与逐个算出的余弦对比。自己先检查两件事：对角线为 1；矩阵是对称的。


# %%
def affinity(features: Tensor) -> Tensor:
    """Cosine similarity of each position with each other one: S of the paper, p = 2.

    A position whose features are all zero has no direction: its similarities are 0.

    Shape:
        - features: (N, C, H, W)
        - output: (N, P, P) with P = H * W, positions row by row

    Example:
        >>> affinity(torch.tensor([[[[1.0, 2.0, 0.0]], [[0.0, 0.0, 5.0]]]]))
        tensor([[[1., 1., 0.],
                 [1., 1., 0.],
                 [0., 0., 1.]]])
    """
    raise NotImplementedError


check("06.2", affinity)

# %%
hint("06.2") + solution("06.2")

# %% [markdown]
# ## What p does
#
# p is the norm that decides what "length 1" means. p = 2 gives cosines; the paper's authors say they use it. With any other p an arrow along an
# axis keeps its full length, one between the axes does not. What is a position's similarity to *itself*?

# %% [markdown] lang="zh" of="05547521"
# ## p 的作用
#
# p 是范数的阶，决定了“长度 1”是什么意思。p = 2 得到余弦，论文作者说他们用的就是它。p 取其他值时，只有沿坐标轴的向量长度不变，两轴之间的向量则不然。一个位置与*它自己*的相似度是多少？

# %%
arrows = torch.tensor([[1.0, 1.0, 1.0], [0.0, 0.5, 1.0]])  # along an axis, between, on the diagonal
places = ("along an axis", "between", "on the diagonal")
of_itself = {p: affinity_matrix(arrows[None, :, None], p)[0].diagonal().tolist() for p in (1.0, 2.0, 4.0, torch.inf)}
lines = [{"p": str(p)} | dict(zip(places, values, strict=True)) for p, values in of_itself.items()]
Table(lines, "Similarity of an arrow to itself")

# %% [markdown]
# With p = 1 a position that uses many channels looks less like *itself* than one that uses a single channel. So p = 2 is the choice to make without
# evidence.
#
# ## What q does
#
# $$L_{fa} = \frac{1}{P^2}\sum_i\sum_j \bigl|S^{seg}_{ij}-S^{sr}_{ij}\bigr|^q$$
#
# In plain letters: the mean of |S_seg − S_sr| to the power q. How hard does each pair pull?

# %% [markdown] lang="zh" of="76137db4"
# p = 1 时，用到许多通道的位置，与*自己*的相似度反而不如只用一个通道的位置。所以，没有其他证据时，应当选 p = 2。
#
# ## q 的作用
#
# $$L_{fa} = \frac{1}{P^2}\sum_i\sum_j \bigl|S^{seg}_{ij}-S^{sr}_{ij}\bigr|^q$$
#
# 写成纯文本：|S_seg − S_sr| 的 q 次方的均值。每一对位置受到的拉力有多大？

# %%
apart = torch.tensor([0.01, 0.1, 0.5, 1.0], requires_grad=True)
pull = {f"q = {q}": torch.autograd.grad(apart.abs().pow(q).sum(), apart)[0].tolist() for q in (1, 2)}
Table({"disagreement": apart.tolist()} | pull, "The pull of a pair: the gradient of its term")

# %% [markdown]
# q = 1 pulls on every pair with the same force. q = 2 pulls on large disagreements and nearly ignores small ones.
#
# ### Exercise 06.3 · the loss
# *Easy · essential · 5 minutes.* Two matrices in, one number out. Two of the five mistakes that the check knows
# were found in public code.

# %% [markdown] lang="zh" of="0fcf70be"
# q = 1 对每一对位置用同样的力；q = 2 着力于较大的分歧，几乎不管较小的分歧。
#
# ### 练习 06.3 · 损失
# *简单 · 本章核心 · 5 分钟。* 输入两个矩阵，输出一个数。检查程序认得的五个错误里，有两个来自公开代码。


# %%
def affinity_distance(s_a: Tensor, s_b: Tensor, q: int) -> Tensor:
    """How far two affinity matrices are apart: L_fa of the paper, from the matrices.

    The mean over images and pairs of |S_a - S_b|^q: absolute differences for q = 1,
    squares for q = 2.

    Shape:
        - s_a, s_b: (N, P, P)
        - output: ()

    Example:
        >>> affinity_distance(torch.eye(2)[None], torch.ones(1, 2, 2), 1)
        tensor(0.5000)
    """
    raise NotImplementedError


check("06.3", affinity_distance)

# %%
hint("06.3") + solution("06.3")

# %% [markdown]
# ## What affinity sees on a street
#
# Cats have no class masks; drawn streets do. Do same-class pairs look more alike than others? Four kinds of features on one grid of 22 × 30
# positions: colour, edges beside colour, an untrained network, and noise as the negative control. Look for two things: is the map bright where
# the road is, and dark elsewhere?

# %% [markdown] lang="zh" of="5b7011dc"
# ## 亲和在街景中看到什么
#
# 猫的照片没有类别掩码，合成街景有。同类的位置对是否比异类的更相似？在同一个 22 × 30 的网格上比较四种特征：颜色、颜色加边缘、未经训练的网络，以及作为阴性对照的噪声。看两点：道路处是否亮？其他地方是否暗？

# %% jupyter={"source_hidden": true}
GRID = (22, 30)
streets = Streets("val", size=(176, 240), length=3)
scenes = [streets[index] for index in range(3)]
untrained = TinyNet(11).eval()


def to_grid(features: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(features, GRID)[None]  # (C, H, W) -> (1, C, 22, 30)


def colour(image: Tensor) -> Tensor:
    return image - image.mean((1, 2), keepdim=True)


def colour_and_edges(image: Tensor) -> Tensor:
    grey = F.pad(image.mean(0), (0, 1, 0, 1))
    down, right = grey.diff(dim=0)[:, :-1], grey.diff(dim=1)[:-1]
    edges = torch.stack([down.relu(), (-down).relu(), right.relu(), (-right).relu()])
    return torch.cat([colour(image), 3 * edges])


@torch.no_grad()
def network(image: Tensor) -> Tensor:
    return untrained.forward_head(untrained.forward_features(untrained.normalise(image[None]))).features[0]


# %% jupyter={"source_hidden": true}
def noise(image: Tensor) -> Tensor:
    return torch.randn(16, *image.shape[1:])


KINDS = {
    "colour": colour,
    "colour + edges": colour_and_edges,
    "untrained network": network,
    "noise (control)": noise,
}
scene, spot = scenes[1], (19, 14)

with theme():
    figure = new_figure(12, 2.4)
    axes = figure.subplots(1, 5)
    mark_position(spot, GRID, (176, 240), ax=show_image(scene.image, title="a drawn street", ax=axes[0]))
    for ax, (name, features) in zip(axes[1:], KINDS.items(), strict=True):
        row = affinity_row(to_grid(features(scene.image))[0], spot)
        affinity_picture(row, spot, limits=(-1, 1), title=name, ax=ax)
    about = "Similarity of every position to one on the road, by colour, edges, an untrained network, noise"
    show_figure(figure, alt=about)

# %% [markdown]
# The untrained network's row is bright nearly everywhere. After a ReLU all features are positive, so no two arrows stand at more
# than a right angle. What counts is the *order* of the pairs.
#
# ## A score for an affinity
#
# Draw one pair of positions of the same class and one of different classes. How often is the first pair the more similar? That is the
# area under the ROC curve (AUC): 0.5 is chance.

# %% [markdown] lang="zh" of="dacd94de"
# 未经训练的网络，这一行几乎处处都亮。经过 ReLU 之后特征都为正，任何两个向量的夹角都不超过直角。真正要紧的是位置对的*排序*。
#
# ## 给亲和打分
#
# 随机抽一对同类的位置和一对异类的位置，前者更相似的概率有多大？这就是 ROC 曲线下面积（AUC）：0.5 相当于随机。


# %% jupyter={"source_hidden": true}
def classes_of(mask: Tensor, grid: tuple[int, int] = GRID) -> Tensor:
    one_hot = F.one_hot(mask, 11).permute(2, 0, 1).float()
    return F.adaptive_avg_pool2d(one_hot, grid)[None]  # share of each class at each position


def pair_auc(features: Tensor, mask: Tensor) -> float:
    s = affinity_matrix(features)[0]
    label = classes_of(mask, features.shape[-2:]).argmax(1).flatten()
    i, j = torch.triu_indices(len(label), len(label), 1)
    same = label[i] == label[j]
    rank = torch.empty(len(i), dtype=torch.float64)
    rank[s[i, j].argsort()] = torch.arange(1, len(i) + 1, dtype=torch.float64)
    best_sum = rank[same].sum() - same.sum() * (same.sum() + 1) / 2
    return float(best_sum / (same.sum() * (~same).sum()))


def auc_table(values: dict[str, list[float]], caption: str) -> Table:
    lines = [{"features": name, "mean": sum(v) / 3} | dict(zip("abc", v, strict=True)) for name, v in values.items()]
    return Table(lines, f"{caption}; scenes a, b, c")


score = {name: [pair_auc(to_grid(f(s.image)), s.mask) for s in scenes] for name, f in KINDS.items()}
display(reveal("06.untrained", sum(score["untrained network"]) / 3))
auc_table(score, "AUC of pairs")

# %% [markdown]
# An untrained network is far from chance: random filters keep colour, and colour goes with class. Remember this number. It is
# the **baseline** for every trained network.
#
# ## Touch a trained network
#
# The explorer holds two of the kit's trained networks: a baseline, and DSRL whose FA compares the decoder's own features, without the paper's transform
# (the table below says why). Guess first: how much nearer to S_sr are DSRL's features than the baseline's?

# %% [markdown] lang="zh" of="90a51cc4"
# 未经训练的网络远好于随机：随机滤波器保留了颜色，而颜色与类别相关。记住这个数：对任何训练过的网络，它都是**基线**。
#
# ## 看看训练过的网络
#
# 交互组件中是本套件训练好的两个网络：一个基线，一个 DSRL，后者的 FA 直接比较解码器的特征，不经过论文的特征变换（原因见后面的表）。先猜一猜：DSRL 的特征比基线的特征更接近 S_sr 多少？

# %%
street = street_features()  # the kit's trained networks, from data/checkpoints
GUIDE = {
    "Touch": "point at the road, a car, the sky; switch Segmentation features; pin two positions",
    "Look for": "which classes does S_sr separate, and which does the baseline?",
    "Ask yourself": "what has DSRL taken over from S_sr, and what has it lost by that?",
}
lines = []
for name, features in {**street.task, "super-resolution": street.sisr}.items():
    far = feature_affinity_loss(features[None], street.sisr[None]).item()
    lines.append({"features": name, "AUC of pairs": pair_auc(features[None], street.mask), "L_fa against S_sr": far})
display(Table(lines, "One street, trained networks", digits=3))

affinity_explorer(
    street.image,
    street.task,
    street.sisr,
    position=(14, 8),
    guide=GUIDE,
    alt="A row of S for a position on the road. DSRL's features and super-resolution's agree: road, what stands, and sky "
    "are apart; the baseline's also tell trees from houses",
)

# %% [markdown]
# FA did what it asks for: DSRL's matrix is near S_sr, the baseline's is not. Both know road, sky and what stands between. The baseline also tells trees from
# houses; S_sr does not, and DSRL lost some of it. Who learns from whom, one scene
# cannot say; the table below has a control. (One seed.)
#
# ## What should be compared?
#
# The paper compares last features, the segmenter's after a *transform*: 1×1 convolution, BatchNorm, ReLU. `dsrl-lab affinity-study` changes one thing at a
# time: three seeds each, drawn streets, held-out scenes.

# %% [markdown] lang="zh" of="d5a77f5b"
# FA 做到了它所要求的：DSRL 的矩阵接近 S_sr，基线的则不然。两个网络都分得清道路、天空以及两者之间的东西。基线还能区分树与房子；S_sr 不能，DSRL 也因此丢了一些。谁从谁那里学到，一个场景说明不了，下表有对照。（一个种子。）
#
# ## 应该比较什么？
#
# 论文比较两个分支的最后一层特征，其中分割一侧先经过*特征变换*：1×1 卷积、BatchNorm、ReLU。`dsrl-lab affinity-study` 每次只改变一处：每种三个种子，在合成街景上训练，在留出的场景上评分。

# %%
study = affinity_table(record.read(lab.root / "data" / "runs" / "affinity_study.jsonl"))
names = ["variant", "AUC, segmentation", "AUC, SISR", "AUC, host's features", "effective rank, segmentation", "mIoU"]
Table(study[names], "What feature affinity compares, three seeds, held-out scenes; exploratory")

# %% [markdown]
# <details><summary>What do you read in it? Then compare with our reading.</summary>
# Without the transform, matrices do as well as the decoder's features (0.935): hence our network. The control is last: without FA the host knows the
# classes as well (0.941), SISR does not (0.726 against 0.922). Classes pass to SISR, not back.</details>
#
# ## What feature affinity asks for
#
# Let it act alone, on the untrained features as free numbers. Three teachers: colour, the true classes (the best there is), and colour with its
# positions **shuffled** (the negative control).

# %% [markdown] lang="zh" of="95149713"
# <details><summary>你从表中读出了什么？想好再与我们的解读对照。</summary>
# 没有特征变换时，矩阵与解码器自身的特征相当（0.935）：上面的网络就是这样选出来的。最后一行是对照：没有 FA，宿主网络照样知道类别（0.941），SISR 却不知道（0.726，有 FA 时为 0.922）。类别信息传给了 SISR，而不是反过来。</details>
#
# ## 特征亲和要求什么
#
# 让它单独起作用：把未经训练的特征当作可以自由改变的数。三个教师：颜色、真实类别（最理想的教师），以及**打乱位置**的颜色（阴性对照）。


# %% jupyter={"source_hidden": true}
def press(student: Tensor, teacher: Tensor, mask: Tensor, *, q: int = 1, steps: int = 40) -> tuple[Tensor, list[float]]:
    """Features after gradient steps on L_fa alone, and their AUC on the way."""
    free = student.clone().requires_grad_()
    optimizer = torch.optim.Adam([free], 0.02)
    aucs = [pair_auc(free.detach(), mask)]
    for step in range(1, steps + 1):
        loss = feature_affinity_loss(free, teacher, q=q)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 5 == 0:
            aucs.append(pair_auc(free.detach(), mask))
    return free.detach(), aucs


def shuffled(features: Tensor) -> Tensor:
    order = torch.randperm(features[0, 0].numel())
    return features.flatten(2)[..., order].reshape_as(features)


after: dict[str, list[tuple[Tensor, list[float]]]] = {"colour": [], "true classes": [], "shuffled colour": []}
print("a few seconds ...")
for s in scenes:
    student, target = to_grid(network(s.image)), to_grid(colour(s.image))
    for name, teacher in zip(after, (target, classes_of(s.mask), shuffled(target)), strict=True):
        after[name].append(press(student, teacher, s.mask))
auc_table({name: [aucs[-1] for _, aucs in runs] for name, runs in after.items()}, "AUC after 40 steps, by teacher")

# %% [markdown]
# ## The picture to take along
#
# Above: one row before, and after each teacher. Below: the score while L_fa falls, three scenes each. Grey is the baseline, no affinity at
# all.

# %% [markdown] lang="zh" of="09ab9bca"
# ## 带走这张图
#
# 上排：同一行在训练之前的样子，以及跟随每个教师训练之后的样子。下图：L_fa 下降时分数的变化，每个教师三个场景。灰线是基线，即完全不用亲和。

# %% jupyter={"source_hidden": true}
with theme():
    figure = new_figure(12, 5.2)
    grid = figure.add_gridspec(2, 4)
    rows = {"before": to_grid(network(scene.image)), **{f"after: {name}": runs[1][0] for name, runs in after.items()}}
    for column, (name, features) in enumerate(rows.items()):
        ax = figure.add_subplot(grid[0, column])
        affinity_picture(affinity_row(features[0], spot), spot, limits=(-1, 1), title=name, ax=ax)
    ax = figure.add_subplot(grid[1, :])
    for (name, runs), of in zip(after.items(), ("sisr", "dsrl", "shuffled"), strict=True):
        line = {"color": style_of(of).color, "linestyle": style_of(of).line, "marker": style_of(of).marker}
        for number, (_, aucs) in enumerate(runs):
            ax.plot(range(0, 41, 5), aucs, label=None if number else name, markersize=4, **line)
    ax.axhline(sum(score["untrained network"]) / 3, color=style_of("baseline").color, label="baseline: no affinity")
    ax.set(xlabel="steps on L_fa alone", ylabel="AUC of pairs", ylim=(0.45, 1.02))
    ax.legend(loc="center", bbox_to_anchor=(0.6, 0.36), ncols=4)
    about = "Rows of S before and after affinity with three teachers, and AUC over the steps for three scenes"
    show_figure(figure, alt=about)

# %% [markdown]
# Affinity copies. A teacher that knows the classes makes the features almost perfect. Colour brings them to colour's own level. The shuffled one
# destroys what was there. Do SISR features know more about *this task* than the segmenter?
#
# **Paper against ours.** The paper reports +2.6 points of mIoU for FA with ESPNetv2 (Table 1, 56.9 → 59.5) [P]. Ours is an AUC without training: 08
# compares.
#
# ## Try it
#
# One knob: `q`. Does q = 2 arrive at the same score, sooner or later? Then change `teacher` to `to_grid(colour_and_edges(scene.image))`.

# %% [markdown] lang="zh" of="efdcb9d1"
# 亲和就是照搬。知道类别的教师，让特征近乎完美；颜色只能把特征带到颜色自身的水平；打乱位置的教师，则毁掉了原有的一切。所以关键在于：对*当前任务*，SISR 的特征是否比分割网络懂得更多。
#
# **论文与本项目对照。** 论文报告，在 ESPNetv2 上，FA 给 mIoU 带来的增益为 +2.6 个百分点（表 1，56.9 → 59.5）[P]。我们这里只是不经训练得到的 AUC；笔记本 08 会作比较。
#
# ## 动手试试
#
# 可调的只有 `q`。q = 2 能达到同样的分数吗？更快还是更慢？然后把 `teacher` 改成 `to_grid(colour_and_edges(scene.image))`。

# %%
q = 2
teacher = to_grid(colour(scene.image))
_, aucs = press(to_grid(network(scene.image)), teacher, scene.mask, q=q, steps=20)
Table({"step": range(0, 21, 5), "q = 1": after["colour"][1][1][:5], f"q = {q}": aucs}, "AUC of pairs", digits=3)

# %% [markdown]
# ## Break it
#
# Four defects, each found in public code. Features ten times as large, the batch twice, positions shuffled alike in both maps: none of the three
# may change the loss. Set `DEFECT` to each of the four. Which property does each of them break, and which one stays near 0 whatever the features are?

# %% [markdown] lang="zh" of="5df0450a"
# ## 弄坏它
#
# 四个缺陷，都来自公开代码。把特征放大 10 倍、把批重复一遍、在两张特征图中以同样的方式打乱位置：这三种变化都不应改变损失。让 `DEFECT` 依次取这四个函数。它们各自破坏了哪条性质？其中有一个，无论特征是什么，损失都接近 0：是哪一个？


# %% jupyter={"source_hidden": true}
def raw_dot_products(a: Tensor, b: Tensor) -> Tensor:
    s_a, s_b = a.flatten(2).mT @ a.flatten(2), b.flatten(2).mT @ b.flatten(2)
    return (s_a - s_b).abs().mean()


def summed_over_batch(a: Tensor, b: Tensor) -> Tensor:
    return (affinity_matrix(a) - affinity_matrix(b)).abs().mean((1, 2)).sum()


def columns_with_columns(a: Tensor, b: Tensor) -> Tensor:
    w = [F.normalize(x, dim=(2, 3)) for x in (a, b)]  # (N, C, W, W), normalised over H and W
    return (w[0].mT @ w[0] - w[1].mT @ w[1]).abs().mean()


def one_channel(a: Tensor, b: Tensor) -> Tensor:
    # Twice the same channel, to get past the kit's guard
    a, b = (x.mean(1, keepdim=True).relu().expand(-1, 2, -1, -1) for x in (a, b))
    return feature_affinity_loss(a, b)


# %%
# The switch: or summed_over_batch, columns_with_columns, one_channel, feature_affinity_loss
DEFECT = raw_dot_products
a = torch.cat([to_grid(colour_and_edges(s.image)) for s in scenes[:2]])
b = torch.cat([to_grid(network(s.image)[:7]) for s in scenes[:2]])
order = torch.randperm(a[0, 0].numel())  # the same shuffling of positions in both maps must change nothing
moved = [x.flatten(2)[..., order].reshape_as(x) for x in (a, b)]
changes = {"as it is": (a, b), "features × 10": (10 * a, 10 * b), "positions shuffled": moved}
changes["batch twice"] = (torch.cat([a, a]), torch.cat([b, b]))
losses = (DEFECT, feature_affinity_loss)
lines = [{"loss": loss.__name__} | {name: loss(*x).item() for name, x in changes.items()} for loss in losses]
Table(lines, "The same features, changed in ways that must not matter", digits=4)

# %% [markdown]
# <details><summary>Symptoms to recognise: open after your guess</summary>
#
# No unit length: the loss grows a hundredfold. Sum: w2 must be chosen again for each batch size.
# Columns with columns: the loss changes when positions are shuffled alike. One channel after a ReLU: 0 from the first step.
#
# </details>
#
# ## Sub-sampling
#
# S grows with the fourth power of the side, so both maps are reduced first: to 1/8 per side [B]. The
# filter is not known; the kit averages. Move the picture by one pixel: how much does S change?

# %% [markdown] lang="zh" of="bb15ec1f"
# <details><summary>要认得的症状：猜过之后再展开</summary>
#
# 没有归一化：损失增大到一百倍。求和：每换一个批大小，都要重新选择 w2。
# 列与列相比：以同样的方式打乱两边的位置，损失却变了。ReLU 之后只有一个通道：从第一步起就是 0。
#
# </details>
#
# ## 子采样
#
# S 的大小随边长的四次方增长，所以先缩小两张特征图，边长都缩到 1/8 [B]。用的是什么滤波器，不得而知；本套件取均值。把图像平移一个像素，S 会变多少？


# %% jupyter={"source_hidden": true}
def moved_by_a_pixel(reduce: object, stride: int) -> float:
    features = colour(scene.image)[None]
    here, there = reduce(features[..., :-stride], stride), reduce(features[..., 1 : 1 - stride], stride)
    return float(feature_affinity_loss(here, there))


with theme():
    figure = new_figure(8, 2.6)
    ax = figure.add_subplot()
    ways = {"every s-th pixel": lambda x, s: x[..., ::s, ::s], "average of a block": F.avg_pool2d}
    for (name, reduce), style in zip(ways.items(), (OTHER_STYLES[0], style_of("dsrl")), strict=True):
        values = [moved_by_a_pixel(reduce, stride) for stride in (4, 8, 16)]
        ax.plot([4, 8, 16], values, label=name, color=style.color, linestyle=style.line, marker=style.marker)
    ax.set(xlabel="stride s (pixels)", ylabel="mean |change of S|", xticks=[4, 8, 16], ylim=(0, None))
    ax.legend()
    about = "Change of S when the picture moves by one pixel, for picking and for averaging, at three strides"
    show_figure(figure, alt=about)

# %% [markdown]
# Picking one pixel of each block leaves a pole or a sign to luck. An average keeps its trace, diluted.
#
# ### Exercise 06.4 · average, then compare
# *Some thought · useful · 8 minutes.* The order of two steps is all there is to it, and it is easy to take the wrong one.

# %% [markdown] lang="zh" of="8e27c9fd"
# 每块只挑一个像素，细杆或标志牌能否留下全凭运气。取均值会冲淡它，但痕迹还在。
#
# ### 练习 06.4 · 先平均，再比较
# *需要思考 · 建议做 · 8 分钟。* 关键全在两步的先后，而且很容易弄反。


# %%
def affinity_at(features: Tensor, stride: int) -> Tensor:
    """Affinity on a coarser grid: average over blocks, then compare by cosine.

    A block is stride x stride positions. You may use ``torch.nn.functional`` as F, and
    ``affinity_matrix`` for the comparison.

    Shape:
        - features: (N, C, H, W), H and W multiples of stride
        - output: (N, P, P) with P = (H / stride) * (W / stride)

    Example:
        >>> affinity_at(torch.rand(1, 8, 16, 24), 8).shape
        torch.Size([1, 6, 6])
    """
    raise NotImplementedError


check("06.4", affinity_at)

# %%
hint("06.4") + solution("06.4")

# %% [markdown]
# ## Build it: the loss in tiles, in three steps
#
# Reduced to 1/8, 512 × 1024 still means 8192 positions. The kit's loss never builds S. You will write how, one step at a time.
#
# ### Exercise 06.5 · step 1: a strip at a time
# *Hard · useful · 15 minutes.* Take some rows of S, add up their loss, drop them. The check watches the largest tensor you make.

# %% [markdown] lang="zh" of="5d0727e1"
# ## 自己写：分三步写出分块损失
#
# 即使边长缩到 1/8，512 × 1024 仍有 8192 个位置。本套件的损失从不构造 S。下面一步一步地写出它的做法。
#
# ### 练习 06.5 · 第一步：一次一条
# *较难 · 建议做 · 15 分钟。* 取 S 的若干行，累加它们的损失，然后丢掉。检查程序会盯着你生成的最大张量。


# %%
def affinity_loss_in_strips(a: Tensor, b: Tensor, rows: int) -> Tensor:
    """L_fa with q = 1 of two feature maps of one image, without a P x P matrix.

    Work through ``rows`` positions at a time: their similarities to all positions are a
    strip (rows, P). The last strip may be shorter.

    Shape:
        - a: (C_a, P) and b: (C_b, P), each position of length 1
        - output: ()

    Example:
        >>> a, b = torch.eye(2), torch.tensor([[1.0, 1.0], [0.0, 0.0]])
        >>> affinity_loss_in_strips(a, b, rows=1)
        tensor(0.5000)
    """
    raise NotImplementedError


check("06.5", affinity_loss_in_strips)

# %%
hint("06.5") + solution("06.5")

# %% [markdown]
# ### Step 2: half of the tiles. Step 3: the gradient on the way
# *Hard · useful · 20 minutes.* D = S_seg − S_sr is symmetric. So tiles on and above its diagonal are enough: those above count twice. And autograd would
# keep every tile for the way back. But the gradient of the sum of |D| is 2 a sign(D). So add it up tile by tile, and keep no tile at all. A worked
# version is folded below. Try first.

# %% [markdown] lang="zh" of="b6eedd34"
# ### 第二步：只算一半的块。第三步：顺路算出梯度
# *较难 · 建议做 · 20 分钟。* D = S_seg − S_sr 是对称的，所以只需计算对角线及其上方的块，上方的块按两倍计。自动求导会为反向传播保留每一块；但 |D| 之和的梯度是 2 a sign(D)，完全可以逐块累加，一块也不保留。参考答案折叠在下面，先自己试试。


# %%
def my_tiles(a: Tensor, b: Tensor, tile: int) -> Tensor:
    """Step 2: L_fa with q = 1 of a (C_a, P) and b (C_b, P), positions of length 1, from half of the tiles."""
    raise NotImplementedError


def my_tiles_with_gradient(a: Tensor, b: Tensor, tile: int) -> tuple[Tensor, Tensor]:
    """Step 3: the loss, and its gradient with respect to a, (C_a, P), from the same tiles, without autograd."""
    raise NotImplementedError


# %% jupyter={"source_hidden": true}
def worked_tiles(a: Tensor, b: Tensor, tile: int) -> Tensor:
    return worked_tiles_with_gradient(a, b, tile)[0]


def worked_tiles_with_gradient(a: Tensor, b: Tensor, tile: int) -> tuple[Tensor, Tensor]:
    positions, total, gradient = a.shape[1], a.new_zeros(()), torch.zeros_like(a)
    strips = [slice(start, start + tile) for start in range(0, positions, tile)]
    for number, rows in enumerate(strips):
        for columns in strips[number:]:
            difference = a[:, rows].mT @ a[:, columns] - b[:, rows].mT @ b[:, columns]
            slope = difference.sign()
            total = total + difference.abs().sum() * (1 if rows is columns else 2)
            gradient[:, rows] += 2 * a[:, columns] @ slope.mT
            if rows is not columns:  # the mirror image below the diagonal
                gradient[:, columns] += 2 * a[:, rows] @ slope
    return total / positions**2, gradient / positions**2


def chosen(mine: object, worked: object) -> object:
    """Yours, once it is written; until then the worked one."""
    still_open = "NotImplementedError" in mine.__code__.co_names
    print(f"{mine.__name__}: " + ("still open, so the worked version runs" if still_open else "your version runs"))
    return worked if still_open else mine


# %%
step_2, step_3 = chosen(my_tiles, worked_tiles), chosen(my_tiles_with_gradient, worked_tiles_with_gradient)
a, b = (F.normalize(torch.randn(channels, 300), dim=0) for channels in (8, 5))
a.requires_grad_()
dense = (a.mT @ a - b.mT @ b).abs().mean()
dense.backward()
with torch.no_grad():
    halves, (loss, gradient) = step_2(a, b, 64), step_3(a, b, 64)
    kit = feature_affinity_loss(a[None, :, None], b[None, :, None])
found = {"dense": dense, "step 2": halves, "step 3": loss, "the kit": kit}
print("gradient as autograd's:", torch.allclose(gradient, a.grad, atol=1e-7))
lines = {"way": list(found), "L_fa": [value.item() for value in found.values()]}
display(Table(lines, "Four ways, one number", digits=6))
sides = {"256 × 512": (32, 64), "512 × 1024": (64, 128), "1024 × 2048": (128, 256)}
whole = [4 * (h * w) ** 2 / 2**20 for h, w in sides.values()]
columns = {"output": list(sides), "positions": [h * w for h, w in sides.values()], "S (MiB)": whole, "a tile (MiB)": 1}
display(
    Table(columns, "Memory of one matrix, and of a tile of 512 × 512", digits=0),
    reveal("06.memory", whole[1], unit="MiB"),
)
a, b = (torch.randn(1, 32, 48, 64).requires_grad_() for _ in range(2))  # 3072 positions
feature_affinity_loss(a[..., :8], b[..., :8]).backward()  # loads the mathematics library
lines = []
for method in ("tiled", "dense"):
    with PeakMemory() as memory:
        value = feature_affinity_loss(a, b, method=method)
        value.backward()
    lines.append({"method": method, "loss": value.item(), "extra memory (MB)": memory.extra_megabytes})
Table(lines, "3072 positions, forward and back", digits={"loss": 6, "extra memory (MB)": 0})

# %% [markdown]
# ### Cheaper still: a sample of positions
#
# A quarter of the positions makes a sixteenth of the pairs. Draw them afresh in every step: the mean over all draws is the whole loss, and so is the
# gradient's. The price is noise. Its size follows from one formula, with $r_i$ the mean of $|D_{ij}|$ over row $i$:
# $\operatorname{Var} \approx 4\,(1/n - 1/P)\operatorname{Var}(r_i)$ for n of P positions. Below: 200 draws each. Guess: halving n does what to the spread?

# %% [markdown] lang="zh" of="6bc7e02b"
# ### 更省：只取一部分位置
#
# 四分之一的位置，只有十六分之一的位置对。如果每一步都重新抽取，那么对所有可能的抽取求平均，得到的正是完整的损失，梯度也是如此。代价是噪声，其大小由一个公式给出。记 $r_i$ 为第 $i$ 行上 $|D_{ij}|$ 的均值，从 P 个位置中抽取 n 个时，
# $\operatorname{Var} \approx 4\,(1/n - 1/P)\operatorname{Var}(r_i)$。下面每种情况抽取 200 次。先猜一猜：n 减半，离散程度怎么变？

# %%
a, b = to_grid(network(scene.image)), to_grid(colour(scene.image))
P = a[0, 0].numel()
row_means = (affinity_matrix(a) - affinity_matrix(b)).abs().mean(2)
lines = []
for n in (P, P // 2, P // 4, P // 8, P // 16):
    draws = torch.stack([feature_affinity_loss(a, b, positions=n) for _ in range(200)])
    formula = (4 * (1 / n - 1 / P) * row_means.var(correction=0)).sqrt()
    found = {"mean": draws.mean(), "spread": draws.std(), "by the formula": formula}
    lines.append({"positions": n, "pairs (%)": 100 * (n / P) ** 2} | {name: x.item() for name, x in found.items()})
Table(lines, "L_fa of one street from a sample of its positions", digits=4)

# %% [markdown]
# ## Limits
#
# - Three scenes of one small town, one untrained network, no seeds: enough to see the mechanism, not to measure a gain.
# - Colour is a stand-in for SISR features. What a trained SISR branch knows is another question (08).
# - Whether the paper detaches the SISR side, and how it reduces to 1/8, is not known; both are switches of `DSRL`.
# - AUC looks at the order of pairs; L_fa also asks for their values.

# %% [markdown] lang="zh" of="4f410eda"
# ## 局限
#
# - 一座小镇的三个场景、一个未经训练的网络、没有多个种子：足以看清机制，不足以测量增益。
# - 颜色只是 SISR 特征的替身。训练好的 SISR 分支懂得什么，是另一个问题（笔记本 08）。
# - 论文是否截断 SISR 一侧的梯度，又怎样缩小到 1/8，不得而知；在 `DSRL` 中，两者都是可选项。
# - AUC 只看位置对的次序，L_fa 还要求数值相近。

# %% [markdown]
# ## Five questions to take along
#
# <details><summary>1. Which axis holds the vector of a position, and which two axes does S have?</summary>The channels. S has positions by positions.</details>
# <details><summary>2. Why is the diagonal 1, and what is wrong if it is not?</summary>A unit vector times itself. The norm was taken over another axis, or not at all.</details>
# <details><summary>3. What remains of brightness in S?</summary>Nothing, if it only changes the length of the features.</details>

# %% [markdown] lang="zh" of="6f793b37"
# ## 带走五个问题
#
# <details><summary>1. 一个位置的向量沿哪个轴？S 的两个轴各是什么？</summary>沿通道轴。S 的两个轴都是位置。</details>
# <details><summary>2. 对角线为什么是 1？如果不是，错在哪里？</summary>单位向量与自己的点积是 1。不是 1，说明范数是在别的轴上求的，或者根本没有归一化。</details>
# <details><summary>3. S 中还剩多少亮度的信息？</summary>如果亮度只改变特征的长度，就一点不剩。</details>

# %% [markdown]
# <details><summary>4. A batch of the same picture twice doubles your loss. What did you forget?</summary>The mean over the batch: you took a sum.</details>
# <details><summary>5. FA with a shuffled teacher helps as much as FA. What have you learnt?</summary>The gain does not come from this picture's structure. Some other effect of the extra loss gives it.</details>

# %% [markdown] lang="zh" of="42cbf816"
# <details><summary>4. 同一张图像在批中出现两次，你的损失就加倍。你忘了什么？</summary>在批上取均值：你求的是和。</details>
# <details><summary>5. 换成打乱位置的教师，FA 带来的好处一样大。你由此知道了什么？</summary>增益并非来自这张图像的结构，而是来自附加损失的其他作用。</details>

# %% [markdown]
# ## Words and sources
#
# **affinity** 亲和度: similarity of two positions. **position**: a pixel of a reduced grid. **teacher**: the map that is copied.
# **AUC**: how often a same-class pair is ranked above another.
#
# - Wang, Li, Zhu, Tian, Shan: Dual Super-Resolution Learning for Semantic Segmentation, CVPR 2020 (S_ij, L_fa, Table 1, Figure 3).
# - Brostow, Fauqueur, Cipolla: Semantic object classes in video, 2009 (CamVid's classes). Photograph: Chelsea, by Stéfan van der Walt, CC0.
# - In the kit: `dsrl_lab/affinity.py` explains the tiled loss in four facts.

# %% [markdown] lang="zh" of="2234b542"
# ## 术语与出处
#
# **亲和度**（affinity）：两个位置的相似程度。**位置**（position）：缩小之后的网格上的一个像素。**教师**（teacher）：被照搬的那张特征图。
# **曲线下面积**（AUC）：同类位置对排在异类位置对前面的概率。
#
# - Wang, Li, Zhu, Tian, Shan: Dual Super-Resolution Learning for Semantic Segmentation, CVPR 2020（S_ij、L_fa、表 1、图 3）。
# - Brostow, Fauqueur, Cipolla: Semantic object classes in video, 2009（CamVid 的类别）。照片：Chelsea，Stéfan van der Walt 摄，CC0。
# - 在本套件中：`dsrl_lab/affinity.py` 用四个事实解释了分块损失。
