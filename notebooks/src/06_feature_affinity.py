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
# **Claim.** Feature affinity never asks two networks for the same features. It asks that they agree on *which pixels look
# alike*, and it copies that opinion faithfully, whether it is wise or not.
#
# Measured: about 15 seconds of CPU time on one core, 1.5 GB of memory at most. Data: drawn streets and photographs that ship with scikit-image.
# Needs: 00. No internet, no GPU.

# %%
from dsrl_lab.course.notebook import show_figure, start

lab = start()

# %%
import torch
from torch import Tensor
from torch.nn import functional as F

from dsrl_lab.affinity import affinity_matrix, feature_affinity_loss
from dsrl_lab.course.exercises import check, hint, predict, reveal, solution
from dsrl_lab.datasets.photos import Photos
from dsrl_lab.datasets.streets import Streets
from dsrl_lab.models.segmentation.tinynet import TinyNet
from dsrl_lab.plots.affinity import affinity_picture, affinity_row, mark_position
from dsrl_lab.plots.masks import show_image
from dsrl_lab.plots.theme import OTHER_STYLES, new_figure, style_of, theme
from dsrl_lab.tools.bench.affinity import PeakMemory
from dsrl_lab.widgets import affinity_explorer
from dsrl_lab.widgets.examples import street_features

# %% [markdown]
# ## Ask one pixel of a cat
#
# Take one position, compare its features with those of all other positions, and lay the answers out as a picture. Here the
# features are as simple as can be: the colour, counted from the picture's mean. Bright means "looks like me".

# %%
photos = Photos()
cat = photos[photos.names.index("chelsea")].image[:, :288, :448]
mean_colour = cat.mean((1, 2), keepdim=True)
cat_features = F.avg_pool2d(cat - mean_colour, 8)  # (3, 36, 56)

with theme():
    figure = new_figure(11, 2.9)
    axes = figure.subplots(1, 3)
    show_image(cat, title="who looks like a marked pixel?", ax=axes[0])
    for ax, position, name in zip(
        axes[1:],
        [(24, 11), (4, 50)],
        ["fur on the cheek", "background, top right"],
        strict=True,
    ):
        mark_position(position, (36, 56), (288, 448), ax=axes[0])
        row = affinity_row(cat_features, position)
        affinity_picture(row, position, limits=(-1, 1), title=name, ax=ax)
    show_figure(
        figure,
        alt="A cat, and how similar every position is in colour to its fur and to the background",
    )

# %% [markdown]
# Each map is one **row** of the affinity matrix S, folded back to a picture.
#
# ## What you will be able to do
#
# 1. Compute S by hand and in one line; know its size beforehand.
# 2. Choose p and q.
# 3. Read a row of S on a real picture, and score it against the true classes.
# 4. Say what affinity does to features, and that it follows a bad teacher too.
# 5. Hold its memory down: sub-sampling, tiles.

# %% [markdown]
# ## Predict
#
# A network sees 512 × 1024 pixels; features are compared at 1/8 per side. How many MiB does **one** affinity matrix take in
# float32? And: an *untrained* network's features, how often do they rank a pair of same-class pixels above a pair of
# different classes? (0.5 is chance, 1 is always.) Put numbers in place of `None`; they stay on your computer.

# %%
predict("06.memory", None, unit="MiB")

# %%
predict("06.untrained", None)

# %% [markdown]
# ## By hand: three positions, two channels
#
# Idea: a position is an arrow in feature space. Bring every arrow to length 1; then the dot product of two arrows is the
# cosine of the angle between them.
#
# $$S_{ij} = \frac{x_i}{\lVert x_i\rVert_p}\cdot\frac{x_j}{\lVert x_j\rVert_p}$$
#
# Shapes: features (N, C, H, W) → positions (N, C, P) with P = H·W → S (N, P, P).

# %%
dull_red, bright_red, blue = [1.0, 0.0], [3.0, 0.0], [0.0, 2.0]
x = torch.tensor([dull_red, bright_red, blue]).T  # (C, P): one column for each position
unit = x / x.norm(dim=0)
by_hand = unit.T @ unit
from_kit = affinity_matrix(x[None, :, None])[0]  # as (N, C, H, W) with one row of pixels
print(by_hand)
print("the kit's function says the same:", torch.equal(by_hand, from_kit))

# %% [markdown]
# Dull and bright red have similarity 1: the length, here the brightness, is gone. The diagonal is 1 and the matrix is its own
# mirror image. Those are the two facts to check first when an affinity looks odd.
#
# ### Exercise 06.1 · how large is S?
# *Easy · the heart of the notebook · 4 minutes.* The matrix has a row and a column for every position of the reduced grid.


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
# *Some thought · the heart of the notebook · 10 minutes.* Fresh random features are compared with cosines computed one by one.


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
# p is the norm that decides what "length 1" means. p = 2 gives cosines; the paper's authors say they use it. Any other p leaves
# the diagonal to the features: an arrow along an axis keeps its full length, one between the axes does not.

# %%
arrows = torch.tensor([[1.0, 1.0, 1.0], [0.0, 0.5, 1.0]])  # along an axis, between, on the diagonal
for p in (1.0, 2.0, 4.0, torch.inf):
    diagonal = affinity_matrix(arrows[None, :, None], p)[0].diagonal()
    print(
        f"p = {p:3.0f}   a position's similarity to itself:",
        [f"{value:.2f}" for value in diagonal.tolist()],
    )

# %% [markdown]
# With p = 1 a position that uses many channels looks less like *itself* than one that uses a single channel. S then
# measures how features are spread as well as where they point. That is why p = 2 is the choice to make without evidence.
#
# ## What q does
#
# $$L_{fa} = \frac{1}{P^2}\sum_i\sum_j \bigl|S^{seg}_{ij}-S^{sr}_{ij}\bigr|^q$$
#
# q = 1 pulls on every pair with the same force. q = 2 pulls on large disagreements and nearly lets small ones go.

# %%
difference = torch.tensor([0.01, 0.1, 0.5, 1.0], requires_grad=True)
for q in (1, 2):
    (force,) = torch.autograd.grad(difference.abs().pow(q).sum(), difference)
    print(
        f"q = {q}   disagreement {difference.tolist()[0]:.2f} .. 1: force",
        [f"{value:.2f}" for value in force.tolist()],
    )

# %% [markdown]
# ### Exercise 06.3 · the loss
# *Easy · the heart of the notebook · 5 minutes.* Two matrices in, one number out. Two of the five mistakes that the check knows
# were found in public code.


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
# Cats have no class masks; drawn streets do. Now we can ask of any features: do same-class pairs look more alike than others?
# Four kinds of features, all brought to one grid of 22 × 30 positions: colour, edges beside colour, an untrained
# network, and noise as the negative control.

# %%
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


def noise(image: Tensor) -> Tensor:
    return torch.randn(16, *image.shape[1:])


# %% [markdown]
# One row of S for a position on the road, with each kind of features. Look for two things: is the map bright where the road is, and
# is it dark elsewhere? All four have one scale, from -1 to 1.

# %%
KINDS = {
    "colour": colour,
    "colour + edges": colour_and_edges,
    "untrained network": network,
    "noise (control)": noise,
}
scene, spot = scenes[1], (19, 14)

with theme():
    figure = new_figure(13, 2.5)
    axes = figure.subplots(1, 5)
    mark_position(
        spot,
        GRID,
        (176, 240),
        ax=show_image(scene.image, title="a drawn street", ax=axes[0]),
    )
    for ax, (name, features) in zip(axes[1:], KINDS.items(), strict=True):
        row = affinity_row(to_grid(features(scene.image))[0], spot)
        affinity_picture(row, spot, limits=(-1, 1), title=name, ax=ax)
    show_figure(
        figure,
        alt="Similarity of every position to one on the road, by colour, edges, an untrained network, noise",
    )

# %% [markdown]
# The untrained network's row is bright nearly everywhere: after a ReLU all features are positive, so no two arrows stand at more
# than a right angle. Bright does not mean blind, though. What counts is the *order* of the pairs.
#
# ## A score for an affinity
#
# Draw one pair of positions of the same class and one of different classes. How often is the first pair the more similar? That is the
# area under the ROC curve (AUC): 0.5 is chance.


# %%
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


score = {name: [pair_auc(to_grid(f(s.image)), s.mask) for s in scenes] for name, f in KINDS.items()}
for name, values in score.items():
    print(
        f"{name:20} mean {sum(values) / 3:.2f}   each scene:",
        " ".join(f"{v:.2f}" for v in values),
    )

reveal("06.untrained", sum(score["untrained network"]) / 3)

# %% [markdown]
# An untrained network is far from chance: random filters keep colour, and colour says a good deal about class. Keep this number in mind as
# the **baseline** for every trained one. A figure of "beautiful affinities" without it proves little.
#
# ## Touch a trained network
#
# **Touch:** point at the road, a car, the sky; switch *Segmentation features*; pin two positions. **Look for:** does S_seg part the
# classes, and does S_sr? **Ask yourself:** whose decoder is nearer to S_sr, the baseline's or "DSRL before the transform"? By how much?

# %%
street = street_features()  # the kit's trained networks, from data/checkpoints
for name, features in {**street.task, "super-resolution": street.sisr}.items():
    far = feature_affinity_loss(features[None], street.sisr[None])
    print(f"{name:26} AUC of pairs {pair_auc(features[None], street.mask):.2f}   L_fa against S_sr {far:.3f}")

affinity_explorer(
    street.image,
    street.task,
    street.sisr,
    position=(14, 8),
    alt="A row of S for a position on the road. DSRL's features and super-resolution's agree, and tell only the sky from "
    "all the rest; DSRL's before the transform look like the baseline's, and tell road from houses",
)

# %% [markdown]
# In this run FA got its way cheaply. The *transform* makes of the decoder's features whatever S_sr wants, and both then tell little
# more than the sky from the rest. The decoder before it stayed near the baseline's. So a small L_fa alone proves no transfer. Did SISR's features come to
# meet the transform's? Nothing stops FA's gradient there; 08 has the row with the stop. One scene, one seed.

# %% [markdown]
# ## What feature affinity asks for
#
# Now let it act, alone. Take the untrained network's features as if they were free numbers, and step down the gradient of L_fa towards a
# teacher. Three teachers: colour (a rough stand-in for SISR features), the true classes (the best there could be), and colour with its positions
# **shuffled** (the negative control).


# %%
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


# %%
after: dict[str, list[tuple[Tensor, list[float]]]] = {
    "colour": [],
    "true classes": [],
    "shuffled colour": [],
}
print("a few seconds ...")
for s in scenes:
    student, target = to_grid(network(s.image)), to_grid(colour(s.image))
    teachers = (target, classes_of(s.mask), shuffled(target))
    for name, teacher in zip(after, teachers, strict=True):
        after[name].append(press(student, teacher, s.mask))
for name, runs in after.items():
    values = [aucs[-1] for _, aucs in runs]
    print(
        f"teacher {name:16} AUC after 40 steps: mean {sum(values) / 3:.2f}   each:",
        " ".join(f"{v:.2f}" for v in values),
    )

# %% [markdown]
# ## The picture to take along
#
# Above: one row before, and after each teacher. Below: the score while L_fa falls, three scenes each. Grey is the baseline, no affinity at
# all.


# %%
def draw_rows(axes: list) -> None:
    rows = {"before": to_grid(network(scene.image)), **{f"after: {name}": runs[1][0] for name, runs in after.items()}}
    for ax, (name, features) in zip(axes, rows.items(), strict=True):
        affinity_picture(affinity_row(features[0], spot), spot, limits=(-1, 1), title=name, ax=ax)


def draw_scores(ax: object) -> None:
    styles = (style_of("sisr"), style_of("dsrl"), style_of("shuffled"))
    for (name, runs), style in zip(after.items(), styles, strict=True):
        for number, (_, aucs) in enumerate(runs):
            line = {"color": style.color, "linestyle": style.line, "marker": style.marker, "markersize": 4}
            ax.plot(range(0, 41, 5), aucs, label=name if number == 0 else None, **line)
    ax.axhline(sum(score["untrained network"]) / 3, color=style_of("baseline").color, label="baseline: no affinity")
    ax.set(xlabel="steps on L_fa alone", ylabel="AUC of pairs", ylim=(0.45, 1.02))
    ax.legend(loc="center", bbox_to_anchor=(0.6, 0.36), ncols=4)


with theme():
    figure = new_figure(12, 5.2)
    grid = figure.add_gridspec(2, 4)
    draw_rows([figure.add_subplot(grid[0, column]) for column in range(4)])
    draw_scores(figure.add_subplot(grid[1, :]))
    show_figure(
        figure, alt="Rows of S before and after affinity with three teachers, and AUC over the steps for three scenes"
    )

# %% [markdown]
# Affinity copies. A teacher that knows the classes makes the features almost perfect; colour brings them to colour's own level, up in
# one scene and down in another; the shuffled one destroys what was there. So all hangs on whether SISR features know more about
# *this task* than the segmenter does.
#
# **Paper against ours.** The paper reports +2.6 points of mIoU on Cityscapes for FA with
# ESPNetv2 (Table 1, 56.9 → 59.5) [P]. Ours here is an AUC without training: the two do not compare (08 does).

# %% [markdown]
# ## Try it
#
# One knob: `q`. Does q = 2 arrive at the same score, sooner or later? Then change `teacher` to `to_grid(colour_and_edges(scene.image))`.

# %%
q = 2
teacher = to_grid(colour(scene.image))
_, aucs = press(to_grid(network(scene.image)), teacher, scene.mask, q=q, steps=20)
print(f"q = {q}:", " ".join(f"{value:.3f}" for value in aucs))

# %% [markdown]
# ## Break it
#
# Four defects, each found in public code. Features ten times as large, the batch twice, positions shuffled alike in both maps: none of the three
# may change the loss. Turn `DEFECT` through all four. Which property does each of them break, and which one stays near 0 whatever the features say?


# %%
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


def shuffled_alike(features: Tensor) -> Tensor:
    return features.flatten(2)[..., order].reshape_as(features)


print("loss as it is    features x 10     batch twice  positions shuffled")
for defect in dict.fromkeys((DEFECT, feature_affinity_loss)):
    changed = (
        (10 * a, 10 * b),
        (torch.cat([a, a]), torch.cat([b, b])),
        (shuffled_alike(a), shuffled_alike(b)),
    )
    print(
        f"{defect(a, b):13.5f}",
        *(f"{defect(*pair):15.5f}" for pair in changed),
        f"    {defect.__name__}",
    )

# %% [markdown]
# Symptoms to recognise: a loss in the thousands, or one that dies when weight decay shrinks the features (no unit length); w2 that must be
# retuned for each batch size (sum); a loss that changes when positions are shuffled alike in both maps (columns with columns);
# a loss that is 0 from the first step (one channel after a ReLU).

# %% [markdown]
# ## Sub-sampling: thin things
#
# S grows with the fourth power of the side, so both maps are reduced first: to 1/8 per side, a reader's account of the paper says. By what
# filter is not known; the kit averages. Does it matter? Poles and signs decide. Count the positions where anything of them is left.

# %%
from dsrl_lab.datasets.class_tables import CAMVID

thin = torch.tensor([CAMVID.index(name) for name in ("pole", "signsymbol", "fence")])
picked = {stride: torch.isin(scene.mask[::stride, ::stride], thin).float().mean() for stride in (4, 8, 16)}
for stride, share in picked.items():
    averaged = F.avg_pool2d(torch.isin(scene.mask, thin).float()[None, None], stride)
    touched = float((averaged > 0).float().mean())
    print(f"stride {stride:2}: thin positions when picked {share:.1%}, touched when averaged {touched:.1%}")

# %% [markdown]
# Picking one pixel of each block leaves a thin thing to luck; averaging keeps its trace in every block it crosses, diluted. Shift the picture
# by a pixel and look at how much S changes:


# %%
def moved_by_a_pixel(reduce: object, stride: int) -> float:
    features = colour(scene.image)[None]
    here, there = reduce(features[..., :-stride], stride), reduce(features[..., 1 : 1 - stride], stride)
    return float(feature_affinity_loss(here, there))


with theme():
    figure = new_figure(6.5, 2.8)
    ax = figure.add_subplot()
    ways = {"every s-th pixel": lambda x, s: x[..., ::s, ::s], "average of a block": F.avg_pool2d}
    for (name, reduce), style in zip(ways.items(), (OTHER_STYLES[0], style_of("dsrl")), strict=True):
        values = [moved_by_a_pixel(reduce, stride) for stride in (4, 8, 16)]
        ax.plot([4, 8, 16], values, label=name, color=style.color, linestyle=style.line, marker=style.marker)
    ax.set(xlabel="stride s (pixels)", ylabel="mean |change of S|", xticks=[4, 8, 16], ylim=(0, None))
    ax.legend()
    show_figure(
        figure, alt="Change of S when the picture moves by one pixel, for picking and for averaging, at three strides"
    )

# %% [markdown]
# ### Exercise 06.4 · average, then compare
# *Some thought · useful · 8 minutes.* The order of two steps is all there is to it, and it is easy to take the wrong one.


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
# ## Memory: dense against tiled
#
# Reduced to 1/8, 512 × 1024 still means 8192 positions. The kit's loss never builds S: it takes a tile of 512 × 512 pairs, adds up its
# loss and its gradient, and drops it. Same value, same gradient.

# %%
side = {"256 x 512": (32, 64), "512 x 1024": (64, 128), "1024 x 2048": (128, 256)}
for name, (h, w) in side.items():
    whole, tile = 4 * (h * w) ** 2 / 2**20, 4 * 512**2 / 2**20
    print(f"output {name:12} P = {h * w:6}   S: {whole:7.0f} MiB   a tile: {tile:.0f} MiB")

reveal("06.memory", 4 * (64 * 128) ** 2 / 2**20, unit="MiB")

a, b = (torch.randn(1, 32, 48, 64).requires_grad_() for _ in range(2))  # 3072 positions
values, gradients = {}, {}
feature_affinity_loss(a[..., :8], b[..., :8]).backward()  # loads the mathematics library
for method in ("tiled", "dense"):
    a.grad = None
    with PeakMemory() as memory:
        values[method] = feature_affinity_loss(a, b, method=method)
        values[method].backward()
    gradients[method] = a.grad
    print(f"{method:6} loss {values[method].item():.6f}   extra memory about {memory.extra_megabytes:4.0f} MB")
print(
    "largest difference of the gradients:",
    f"{float((gradients['tiled'] - gradients['dense']).abs().max()):.1e}",
)

# %% [markdown]
# Dense holds several matrices of 38 MB at once, because autograd keeps what it needs for the way back; tiled reuses two tiles, too little to be
# seen here. At 1024 × 2048 each dense matrix is 4 GiB.
#
# ### Exercise 06.5 · a strip at a time
# *Hard · useful · 15 minutes.* Write the idea yourself, with strips in place of tiles. The check watches the largest tensor you make.


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
# ## Limits
#
# - Three scenes of one small town, one untrained network, no seeds: enough to see the mechanism, not to measure a gain.
# - Colour is a stand-in for SISR features. What a trained SISR branch knows is another question (08).
# - Whether the paper detaches the SISR side, and how it reduces to 1/8, is not known; both are switches of `DSRL`.
# - AUC looks at the order of pairs; L_fa also asks for their values.

# %% [markdown]
# ## Five questions to take along
#
# 1. Which axis holds the vector of a position, and which two axes does S have?
# 2. Why is the diagonal 1, and what is wrong if it is not?
# 3. What remains of brightness in S?
# 4. A batch of the same picture twice doubles your loss. What did you forget?
# 5. FA with a shuffled teacher helps as much as FA. What have you learnt?

# %% [markdown]
# ## Words and sources
#
# **affinity** 亲和度: similarity of two positions. **position**: a pixel of a reduced grid. **teacher**: the map whose opinion is copied.
# **AUC**: how often a same-class pair outranks another.
#
# - Wang, Li, Zhu, Tian, Shan: Dual Super-Resolution Learning for Semantic Segmentation, CVPR 2020 (S_ij, L_fa, Table 1, Figure 3).
# - Brostow, Fauqueur, Cipolla: Semantic object classes in video, 2009 (CamVid's classes). Photograph: Chelsea, by Stéfan van der Walt, CC0.
# - In the kit: `dsrl_lab/affinity.py` explains the tiled loss in four facts.
