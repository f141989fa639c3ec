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
# # 09 · Pose estimation
#
# **Claim.** DSRL needs two things of a task: a dense output and a loss. Hand it a pose network, and heat-maps take the place of masks. No line of
# `dsrl_lab/dsrl.py` changes.
#
# Measured: about 12 seconds of CPU time on one core, 1.0 GB of memory. Data: people of the drawn streets, made on the spot; two committed
# networks; records for real people (Leeds Sports Pose). Needs: 05 for SSSR, 06 for affinity. No internet, no GPU.

# %% [markdown] lang="zh" of="37f53301"
# # 09 · 姿态估计
#
# **主张。** DSRL 对任务只有两点要求：稠密的输出和一个损失函数。把姿态网络交给它，热图就取代了掩码，`dsrl_lab/dsrl.py` 一行都不用改。
#
# 实测：单核约 12 秒 CPU 时间，内存 1.0 GB。数据：合成街景中的行人，当场绘制；两个随仓库提供的网络；真人数据（Leeds Sports Pose）上的实验记录。先修：05（SSSR）、06（特征亲和）。不需要联网，也不需要 GPU。

# %%
from dsrl_lab.course.notebook import show_figure, start

lab = start()

# %% jupyter={"source_hidden": true}
import torch
from torch import Tensor

from dsrl_lab import results
from dsrl_lab.complexity import complexity
from dsrl_lab.course.exercises import check, hint, predict, reveal, solution
from dsrl_lab.course.table import Table
from dsrl_lab.datasets.joint_tables import LSP_JOINTS
from dsrl_lab.datasets.people import DecodedPeople, StreetPeople
from dsrl_lab.datasets.streets import Streets
from dsrl_lab.datasets.transforms import normalise, reduce_image
from dsrl_lab.metrics import pck as pck_of_the_kit
from dsrl_lab.models.pose.heatmaps import decode_heatmaps, gaussian_heatmaps
from dsrl_lab.plots.masks import show_image
from dsrl_lab.plots.people import draw_skeleton, pck_curve, show_heatmaps
from dsrl_lab.plots.theme import OTHER_STYLES, new_figure, style_of, theme
from dsrl_lab.recipes import find_recipe, with_changes
from dsrl_lab.results.charts import gain_points
from dsrl_lab.results.inputs import find_checkpoint
from dsrl_lab.training.build import build_dsrl, load_task_model
from dsrl_lab.training.examples import Batches
from dsrl_lab.training.loop import fit
from dsrl_lab.training.pose import PersonCrops, PoseObjective, find_joints

# %% [markdown]
# ## Fourteen questions about one person
#
# A pose network gets the crop of one person. It answers with one **heat-map** for each joint: bright where it believes the joint to be. HRNet's
# heat-maps have a quarter of its input's sides. At half the input, one heat-map pixel is eight pixels of the crop wide. DSRL asks for maps twice
# as fine, from the same input.

# %% [markdown] lang="zh" of="0f4a2fc8"
# ## 关于一个人的十四个问题
#
# 姿态网络的输入是一个人的裁剪图，输出是每个关节点一张**热图**：网络认为关节点在哪里，哪里就亮。HRNet 热图的边长是输入的四分之一；输入再减半，一个热图像素就有裁剪图的八个像素宽。DSRL 要从同样的输入得到细一倍的热图。

# %% jupyter={"source_hidden": true}
print("drawing 48 people, about ten seconds ...")
train, val = (DecodedPeople(StreetPeople(split, length=24)) for split in ("train", "val"))
HIGH, LOW, SHOWN = (96, 96), (48, 48), 3
crops, learnt = ([PersonCrops(part, HIGH)[index] for index in range(24)] for part in (val, train))
joints = torch.stack([crop.joints for crop in crops])  # (24, 14, 2), pixels of the crop
visible = torch.stack([crop.visible for crop in crops])
person = crops[SHOWN]


def targets(side: int, where: Tensor = joints) -> Tensor:
    return gaussian_heatmaps(where, visible, image_size=HIGH, size=(side, side), sigma=side / 16)


with theme():
    figure = new_figure(12, 3.5)
    axes = figure.subplots(1, 4)
    draw_skeleton(person.joints, LSP_JOINTS, ax=show_image(person.image, title="the crop, 96×96", ax=axes[0]))
    show_image(reduce_image(person.image, LOW), title="what the network sees, 48×48", crisp=True, ax=axes[1])
    for ax, side, name in ((axes[2], 12, "baseline's"), (axes[3], 24, "DSRL's")):
        show_heatmaps(targets(side)[SHOWN], person.image, title=f"{name} target, {side}×{side}", ax=ax)
    show_figure(figure, alt="A drawn person with joints, the same at half size, and its heat-maps of 12x12 and 24x24")

# %% [markdown]
# ## Two ways to find people
#
# **Top-down**: a detector gives a box for each person, and the network sees one person at a time. Each heat-map has one peak. The cost
# grows with the number of people. **Bottom-up**: the network sees the whole picture once. Each heat-map has a peak for every person, and
# joints must be grouped afterwards. HRNet in the paper is top-down, and so is this notebook. Both are dense outputs, so DSRL could serve both.

# %% [markdown] lang="zh" of="ac4b28aa"
# ## 找人的两种方式
#
# **自顶向下**：检测器先为每个人给出一个框，网络一次只看一个人，每张热图只有一个峰，开销随人数增长。**自底向上**：网络只看一次整幅图像，每张热图上每个人各有一个峰，之后再把关节点按人分组。论文中的 HRNet 是自顶向下的，本笔记本也是。两种方式的输出都是稠密的，DSRL 都能用。

# %% jupyter={"source_hidden": true}
street = Streets("val", size=(240, 400), length=7)
scene, marks = street[6].image, torch.as_tensor(street.scene(6).joints(street.size)).float()
marks = marks[(marks[:, :, 2].sum(1) >= 12) & ((marks[:, :, 1].amax(1) - marks[:, :, 1].amin(1)) > 30)]
places, seen, head = marks[..., :2] - 0.5, marks[..., 2], LSP_JOINTS.names.index("head top")
lows = torch.stack([joint[flags > 0].amin(0) - 10 for joint, flags in zip(places, seen, strict=True)]).round().int()
highs = torch.stack([joint[flags > 0].amax(0) + 10 for joint, flags in zip(places, seen, strict=True)]).round().int()
tallest = int((highs - lows)[:, 1].argmax())
(left, top), (right, bottom) = lows[tallest].tolist(), highs[tallest].tolist()
crop, size = scene[:, top:bottom, left:right], (bottom - top, right - left)
small = (size[0] // 4, size[1] // 4)
of_box = (places[tallest] - lows[tallest])[None], seen[tallest][None]
one = gaussian_heatmaps(*of_box, image_size=size, size=small, sigma=1)[0]
everybody = gaussian_heatmaps(places, seen, image_size=street.size, size=(60, 100), sigma=1.2).amax(0)
with theme():
    figure = new_figure(12, 5)
    grid = figure.subplots(2, 3)
    show_image(scene, title="top-down: a box for each person", ax=grid[0, 0])
    show_heatmaps(one[head][None], crop, title="one box, map of the head: one peak", ax=grid[0, 1])
    show_heatmaps(one, crop, title="one box, all 14 maps", ax=grid[0, 2])
    show_image(scene, title="bottom-up: the whole picture", ax=grid[1, 0])
    show_heatmaps(everybody[head][None], scene, title="map of the head: a peak for everybody", ax=grid[1, 1])
    show_image(0.6 + 0.4 * scene, title="all maps, joints grouped afterwards", ax=grid[1, 2])
    for joint, flags, (x, y), (x2, y2) in zip(places, seen, lows.tolist(), highs.tolist(), strict=True):
        grid[0, 0].plot([x, x2, x2, x, x], [y, y, y2, y2, y], color="#D55E00", linewidth=2)
        draw_skeleton(joint, LSP_JOINTS, visible=flags, ax=grid[1, 2])
    show_figure(
        figure, alt="Top-down: boxes, one head peak, one person's maps; bottom-up: one map with many head peaks"
    )

# %% [markdown]
# ## What you will be able to do
#
# 1. Turn joints into heat-maps of any size, with every half pixel where it belongs.
# 2. Say how much a finer heat-map can gain at most, before any training.
# 3. Hand HRNet to the same DSRL, and weigh its loss against SISR's.
# 4. Score by `PCK` without fooling yourself.
# 5. Judge a pose result by its controls.

# %% [markdown] lang="zh" of="e3b6170b"
# ## 学完之后，你能
#
# 1. 把关节点变成任意尺寸的热图，半个像素也不差。
# 2. 不经训练就说出：热图变细，最多能带来多少增益。
# 3. 把 HRNet 交给同一个 DSRL，并让它的损失与 SISR 的损失轻重得当。
# 4. 用 `PCK` 打分而不自欺。
# 5. 借助对照判断一个姿态估计的结果。

# %% [markdown]
# ## Predict
#
# Two guesses, before anything runs. **A perfect network's heat-maps** are read at their brightest pixel. How far off is a joint on average, in
# pixels of the 96×96 crop, if the heat-map has 12×12 pixels? And: **a network that ignores the picture** gives everybody the mean pose of the training
# people. What is its `PCK@0.2`, the share of joints found within a fifth of the torso?

# %% [markdown] lang="zh" of="c2d8a214"
# ## 先猜一猜
#
# 运行之前先猜两个数。从**完美网络的热图**上，取最亮的像素作为关节点的位置。若热图只有 12×12 像素，平均每个关节点会偏多少（以 96×96 裁剪图的像素计）？另外：**一个完全不看图像的网络**，对每个人都回答训练集的平均姿态，它的 `PCK@0.2`（误差不超过躯干长度五分之一的关节点所占比例）是多少？

# %%
predict("09.offset", None, unit="pixels")

# %%
predict("09.mean_pose", None, unit="%")

# %% [markdown]
# ## From joints to heat-maps
#
# A joint is a point. A network that predicts a *blob* around it gets a gradient from everywhere near.
#
# $$T_j(u) = \exp\!\left(-\frac{\lVert u - c_j\rVert^2}{2\sigma^2}\right)$$
#
# Shapes: joints (N, J, 2) become heat-maps (N, J, h, w). $\sigma$ doubles with the heat-map's size, so that the blob covers the same part of the person. All care goes
# into the centre $c_j$: where does pixel x of a picture lie on a smaller grid of the same scene?

# %% [markdown] lang="zh" of="881905ef"
# ## 从关节点到热图
#
# 关节点只是一个点。让网络预测它周围的一个*光斑*，附近每个位置就都能提供梯度。
#
# $$T_j(u) = \exp\!\left(-\frac{\lVert u - c_j\rVert^2}{2\sigma^2}\right)$$
#
# 形状：关节点 (N, J, 2) 变成热图 (N, J, h, w)。热图边长加倍，$\sigma$ 也加倍，光斑覆盖的始终是人体上同样大的一块。真正要小心的是中心 $c_j$：图像上的第 x 个像素，落在同一场景更小的网格上的什么位置？

# %% [markdown]
# ### Exercise 09.1 · half pixels
# *Some thought · essential · 7 minutes.* One misconception here is in HRNet's own release.

# %% [markdown] lang="zh" of="8a2c0b53"
# ### 练习 09.1 · 半个像素
# *需要思考 · 本章核心 · 7 分钟。* 这里的误解之一，就出现在 HRNet 官方发布的代码里。


# %%
def to_heatmap(joints: Tensor, image_size: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Where joints of a picture lie on a heat-map of the same scene.

    Pixels have their centres at whole numbers, so the left edge of a picture is at x =
    -0.5, on the heat-map too.

    Args:
        joints: (x, y) in pixels of the picture.
        image_size: (H, W) of the picture.
        size: (H, W) of the heat-map.

    Shape:
        - joints: (J, 2)
        - output: (J, 2), (x, y) in pixels of the heat-map

    Example:
        >>> to_heatmap(torch.tensor([[1.5, 5.5]]), (8, 12), (2, 3))
        tensor([[0., 1.]])
    """
    raise NotImplementedError


check("09.1", to_heatmap)

# %%
hint("09.1") + solution("09.1")

# %% [markdown]
# ## What can a finer heat-map gain at most?
#
# No training needed. Draw the *true* heat-maps of our 24 people, and read them back at the brightest pixel. HRNet adds a trick: a quarter of a
# pixel towards the higher neighbour. What is lost here, no network can win. What the finer map wins, it wins by size alone.

# %% [markdown] lang="zh" of="8968f079"
# ## 热图变细，最多能提升多少？
#
# 这个问题不用训练就能回答。画出 24 个人的*真值*热图，再从最亮的像素读回关节点。HRNet 还有一个小技巧：向较亮的邻居偏移四分之一个像素。这一步丢掉的精度，任何网络都补不回来；细热图在这一步的优势，全部来自尺寸。


# %%
def reading_error(side: int, *, quarter: bool) -> float:
    maps = targets(side)
    if not quarter:  # keep only the brightest pixel
        maps = (maps == maps.amax((2, 3), keepdim=True)).float()
    error = (decode_heatmaps(maps, HIGH).joints - joints).norm(dim=-1)
    return float((error * visible).sum() / visible.sum())


sides = (12, 24, 48)
errors = {
    "heat-map": [f"{side}×{side}" for side in sides],
    "brightest pixel": [reading_error(side, quarter=False) for side in sides],
    "with a quarter pixel": [reading_error(side, quarter=True) for side in sides],
}
Table(errors, "mean error of a perfect network, in pixels of the crop (96×96)")

# %%
reveal("09.offset", errors["brightest pixel"][0], unit="pixels")

# %% [markdown]
# The mean torso is 25 pixels long, so `PCK@0.1` allows 2.5 pixels. At 12×12 the brightest pixel alone loses more than that. So a table that compares a
# 12×12 baseline with a 24×24 DSRL compares grids as well as networks. The control is the *same* baseline, trained and read at 24×24
# through bilinear enlargement. It costs nothing.

# %% [markdown] lang="zh" of="60463004"
# 躯干平均长 25 像素，因此 `PCK@0.1` 只容许 2.5 像素的误差，而在 12×12 的热图上，单是取最亮像素，误差就超过了它。所以，拿 12×12 的基线与 24×24 的 DSRL 相比，比的不只是网络，还有网格。正确的对照是*同一个*基线：把输出双线性放大到 24×24，在这个尺寸上训练和读取。它没有任何额外开销。

# %% [markdown]
# ## The same DSRL, another host
#
# Nothing but the host's name changes. SSSR gives heat-maps of twice the size, SISR rebuilds the crop, FA compares the features of both branches.

# %% [markdown] lang="zh" of="315ea603"
# ## 同一个 DSRL，换一个宿主网络
#
# 只需换掉宿主网络的名字。SSSR 给出边长加倍的热图，SISR 重建裁剪图，FA 比较两个分支的特征。

# %%
dsrl = build_dsrl(find_recipe("people_hrnet_dsrl").network).eval()
low_res = torch.stack([reduce_image(crop.image, LOW) for crop in crops])
with torch.no_grad():
    output = dsrl(low_res)
    same = torch.equal(output.logits, dsrl.task_model(low_res))
shapes = {name: tuple(value.shape) for name, value in output._asdict().items() if isinstance(value, Tensor)}
print("deployed without SISR and FA, heat-maps equal bit for bit:", same)
Table({"output": list(shapes), "shape": [str(shape) for shape in shapes.values()]}, "what DSRL gives in training")

# %% jupyter={"source_hidden": true}
deployed = {
    row: build_dsrl(find_recipe(f"people_hrnet_{row}").network).eval() for row in ("baseline", "bilinear", "dsrl")
}
costs = [complexity(net.task_model, LOW) for net in deployed.values()]
Table(
    {
        "row": [find_recipe(f"people_hrnet_{row}").title for row in deployed],
        "true MACs (M)": [cost.macs / 1e6 for cost in costs],
        "parameters (k)": [cost.parameters / 1e3 for cost in costs],
        "heat-maps": ["12×12", "24×24", "24×24"],
    },
    "what is deployed, 48×48 input",
)

# %% [markdown]
# ## The loss, and its weight
#
# HRNet's release takes the mean squared error over all pixels. Most of them are empty. So even a blank answer pays next to nothing, and SISR with
# its $w_1=0.1$ weighs more than all joints together. The kit divides by the Gaussian's own energy:
#
# $$L=\frac{1}{\text{marked}}\sum_j\frac{\sum_u\left(\hat T_j(u)-T_j(u)\right)^2}{\pi\sigma^2}$$
#
# A blank joint then costs about 1 at every size of heat-map.

# %% [markdown] lang="zh" of="87753ea0"
# ## 损失及其权重
#
# HRNet 发布的代码对所有像素取均方误差，而大部分像素是空的。于是一张白卷几乎不付代价，而 SISR 尽管只乘 $w_1=0.1$，分量也超过了全部关节点之和。本套件改为除以高斯光斑自身的能量（marked 是已标注的关节点数）：
#
# $$L=\frac{1}{\text{marked}}\sum_j\frac{\sum_u\left(\hat T_j(u)-T_j(u)\right)^2}{\pi\sigma^2}$$
#
# 这样，无论热图多大，空白的答案都付出约 1 的代价。

# %% jupyter={"source_hidden": true}
blank = (targets(24).square().mean((2, 3)) * visible).sum() / visible.sum()
pictures = normalise(torch.stack([crop.image for crop in crops]))
grey = (pictures - normalise(torch.full((1, 3, 1, 1), 0.5))).square().mean()
energy = torch.pi * 1.5**2 / 24**2  # squared sum of a Gaussian, as a mean over the pixels
Table(
    {
        "part of the loss": [
            "a blank answer, mean over pixels",
            "SISR at its start (grey), times 0.1",
            "a blank answer, the kit's loss",
        ],
        "costs": [float(blank), 0.1 * float(grey), float(blank / energy)],
    },
    "which part would lead the training: joints or SISR?",
    digits=3,
)

# %% [markdown]
# ### Exercise 09.2 · joints that nobody marked
# *Easy · essential · 6 minutes.* A car hides an ankle; an annotator skips a wrist. What may the loss ask of them?

# %% [markdown] lang="zh" of="a318f3f0"
# ### 练习 09.2 · 没有标注的关节点
# *简单 · 本章核心 · 6 分钟。* 脚踝被汽车挡住了，手腕被标注者漏掉了。损失函数可以对它们提什么要求？


# %%
def joint_loss(heatmaps: Tensor, target: Tensor, visible: Tensor) -> Tensor:
    """Squared error of the heat-maps of marked joints, the mean over their pixels and over the marked joints.

    The place of a joint that is not marked is unknown: it costs nothing, whatever the
    network predicts there.

    Shape:
        - heatmaps, target: (N, J, h, w)
        - visible: (N, J), 1 for marked, else 0; at least one joint is marked
        - output: ()

    Example:
        >>> heatmaps, target = torch.ones(1, 2, 3, 3), torch.zeros(1, 2, 3, 3)
        >>> joint_loss(heatmaps, target, torch.tensor([[1.0, 0.0]]))
        tensor(1.)
    """
    raise NotImplementedError


check("09.2", joint_loss)

# %%
hint("09.2") + solution("09.2")

# %% [markdown]
# ## Train in front of you
#
# The whole of DSRL on 24 people, 32 steps, from scratch. Far too little for a good pose network, and enough to see all three losses at work. Which of
# them falls first?

# %% [markdown] lang="zh" of="89d9054e"
# ## 当场训练
#
# 完整的 DSRL，24 个人，32 步，从随机权重开始。要得到好的姿态网络还差得远，但足以看到三项损失都在起作用。哪一项最先下降？

# %%
SETTINGS = ["iterations=32", "batch_size=8", "record_every=8", "max_degrees=5", "scale_range=[0.9,1.1]"]
recipe = with_changes(find_recipe("people_hrnet_dsrl"), [f"train.{setting}" for setting in SETTINGS])
learner, task = build_dsrl(recipe.network), PoseObjective(recipe.train, LSP_JOINTS)
print("32 steps, about three seconds ...")
lines = list(fit(learner, task, Batches.for_run(train, task.example, recipe.train), recipe.train))
Table(
    {"step": [one.iteration for one in lines]}
    | {
        name: [getattr(one, term) for one in lines]
        for name, term in (("joints", "task"), ("SISR", "sisr"), ("FA", "affinity"))
    },
    "three losses of one training",
)

# %% [markdown]
# A joint loss near 1 is what a blank answer costs. Below it, the network knows something. SISR falls fastest: a smooth picture is easy. One encoder of eight
# channels serves both tasks from the first step on. Remember that when the scores come.

# %% [markdown] lang="zh" of="f3258bde"
# 关节点损失接近 1，就相当于交了白卷；低于 1，网络才算学到了东西。SISR 降得最快，因为平滑的图像很容易画出来。从第一步起，一个只有八个通道的编码器就要同时满足两个要求。看到后面的分数时，请记住这一点。

# %% [markdown]
# ## Scoring: PCK
#
# A joint counts as found within α times the person's **torso** (left shoulder to right hip). `PCK@0.2` is usual, `PCK@0.1` is strict. The mean is
# over joints. COCO's OKS-AP asks the same with a tolerance for each joint.
#
# ### Exercise 09.3 · whose yardstick?
# *Some thought · essential · 10 minutes.* Which share of the joints is found, each person measured by their own torso?

# %% [markdown] lang="zh" of="a84c3775"
# ## 评分：PCK
#
# 误差不超过**躯干**长度（左肩到右髋）α 倍的关节点，算作正确。常用 `PCK@0.2`，严格些用 `PCK@0.1`，最后对各关节点取平均。COCO 的 OKS-AP 问的是同一件事，只是每个关节点有各自的容差。
#
# ### 练习 09.3 · 用谁的尺子？
# *需要思考 · 本章核心 · 10 分钟。* 用每个人自己的躯干来量，找对的关节点占多大比例？


# %%
def pck(pred: Tensor, target: Tensor, visible: Tensor, alpha: float) -> Tensor:
    """Percentage of correct keypoints: marked joints found within alpha times their own person's torso.

    The torso is the true distance from joint 9 (left shoulder) to joint 2 (right hip);
    both are always marked here. For each joint the share of people for whom it is
    found, then the mean over the joints.

    Shape:
        - pred, target: (N, 14, 2), (x, y) in pixels
        - visible: (N, 14), 1 for marked, else 0; every joint is marked for somebody
        - output: (), a fraction

    Example:
        >>> target = torch.zeros(1, 14, 2)
        >>> target[0, 9] = torch.tensor([0.0, -50.0])  # a torso of 50 pixels: 10 pixels at alpha = 0.2
        >>> pck(target + torch.tensor([9.0, 0.0]), target, torch.ones(1, 14), 0.2)
        tensor(1.)
    """
    raise NotImplementedError


check("09.3", pck)

# %%
hint("09.3") + solution("09.3")

# %% [markdown]
# ## The picture to take along
#
# Two committed networks, baseline and DSRL, trained on 300 drawn people. Two negative controls: the **mean pose**, which never looks at
# the picture, and an **untrained** network. The baseline's **ceiling** is a perfect 12×12 heat-map; DSRL's, 24×24, is higher at strict tolerances.

# %% [markdown] lang="zh" of="76400f50"
# ## 带走这张图
#
# 两个随仓库提供的网络：基线和 DSRL，都在 300 个合成人物上训练。两个阴性对照：从不看图像的**平均姿态**，和一个**未经训练**的网络。基线的**上限**是一张完美的 12×12 热图；DSRL 的是 24×24，在严格的容差下更高。

# %% jupyter={"source_hidden": true}
own = torch.stack([val[index].joints for index in range(len(val))])  # pixels of each person's own picture
matrices = [PersonCrops(val, HIGH).matrix(val[index]) for index in range(len(val))]


def to_pictures(in_crops: Tensor) -> Tensor:
    return torch.stack([one @ m[:, :2].T + m[:, 2] for one, m in zip(in_crops, matrices, strict=True)])


def score(pred: Tensor, alpha: float = 0.2) -> float:
    return 100 * pck_of_the_kit(pred, own, visible, alpha=alpha, torso=LSP_JOINTS.torso).mean


# %%
committed = results.runs(lab.root / "data" / "runs" / "people_hrnet")
first = zip(("baseline", "DSRL"), committed["record"], strict=True)
nets = {name: load_task_model(find_checkpoint(record))[0] for name, record in first}
nets["untrained"] = dsrl.task_model
found = {name: find_joints(net, val, input_size=LOW)[0] for name, net in nets.items()}
mean = torch.stack([crop.joints for crop in learnt]).mean(0)
found["mean pose"] = to_pictures(mean.expand(len(val), -1, -1))
found["perfect 12×12"] = to_pictures(decode_heatmaps(targets(12), HIGH).joints)
Table(
    {
        "": list(found),
        "PCK@0.2": [score(pred) for pred in found.values()],
        "PCK@0.1": [score(pred, 0.1) for pred in found.values()],
    },
    "24 drawn people (%)",
    digits=1,
)

# %%
reveal("09.mean_pose", score(found["mean pose"]), unit="%")

# %% jupyter={"source_hidden": true}
STYLES = {"baseline": style_of("baseline"), "DSRL": style_of("dsrl")}
STYLES |= dict(zip(("untrained", "mean pose", "perfect 12×12"), OTHER_STYLES, strict=True))
back = torch.linalg.inv(torch.cat([matrices[SHOWN], torch.tensor([[0.0, 0.0, 1.0]])]))
with theme():
    figure = new_figure(13, 3.8)
    axes = figure.subplots(1, 4, width_ratios=(1, 1, 1, 1.7))
    for ax, name in zip(axes, ("baseline", "DSRL", "mean pose"), strict=False):
        show_image(person.image, title=name, ax=ax)
        draw_skeleton(person.joints, LSP_JOINTS, color="#FFFFFF", line=":", ax=ax)
        draw_skeleton(found[name][SHOWN] @ back[:2, :2].T + back[:2, 2], LSP_JOINTS, color=STYLES[name].color, ax=ax)
        ax.set(xlim=(-0.5, 95.5), ylim=(95.5, -0.5))
    for name, style in STYLES.items():
        pck_curve(found[name], own, visible, torso=LSP_JOINTS.torso, style=style, label=name, ax=axes[3])
    axes[3].legend(loc="lower right", bbox_to_anchor=(1, 0.06))
    show_figure(figure, alt="Skeletons found by two networks and the mean pose, and PCK against the tolerance for all")

# %% [markdown]
# Begin with the controls. How far is each trained network above the *mean pose*? That is what it sees; the rest is posture. At `PCK@0.1` DSRL is below
# it. With one seed and 24 people, a gap of a few points is an observation, not evidence: one joint of one person is 0.3 points.

# %% [markdown] lang="zh" of="62e0108d"
# 先看对照。训练过的网络各比*平均姿态*高出多少，就是它真正看到了多少；其余的靠站姿就能猜到。按 `PCK@0.1`，DSRL 还不如平均姿态。只有一个种子、24 个人，几个百分点的差距只是观察，不是证据：一个人的一个关节点就值 0.3 个百分点。

# %% [markdown]
# ## Real people
#
# 960 people of Leeds Sports Pose Extended to learn from, 240 to score, 2,400 steps, three seeds. Their mean pose scores 5 %: sport is not a walk on the
# street. Before you run the cell: which of the rows will be ahead?

# %% [markdown] lang="zh" of="eb61f655"
# ## 真实的人
#
# 从 Leeds Sports Pose Extended 中取 960 人训练，240 人评分，2,400 步，三个种子。这里平均姿态的分数只有 5 %：做运动不像在街上走路。运行之前先想一想：哪一行会领先？

# %%
people = results.runs(lab.root / "data" / "runs" / "lsp_hrnet")
shares = results.pick(results.scores(people), "keypoints.pck")
gained = results.gains(shares)
(pose,) = [one.end["mean_pose"] for one in people["record"] if "mean_pose" in one.end][:1]
print(f"mean pose: {100 * pose['pck']:.1f} %")
table = results.summary(shares, ["label"], scale=100)
Table(table[["label", "mean", "low", "high", "seeds"]], "PCK@0.2 (%) on 240 real people, 95 % interval", digits=1)

# %% jupyter={"source_hidden": true}
with theme():
    figure = new_figure(9, 3.2)
    gain_points(
        gained,
        places=list(table["label"])[1:],
        xlabel="gain over the baseline (points of PCK@0.2)",
        ax=figure.add_subplot(),
    )
    show_figure(figure, alt="Gains over the baseline in PCK at 0.2 on Leeds Sports Pose, by row, with intervals")

# %% [markdown]
# **Paper against ours.** The abstract claims +2 points of mAP at the same FLOPs, on COCO with HRNet-w32 [P]; we have seen no table for pose [?]. That
# claim is *not tested* here: ours is `PCK`, with a network 150 times smaller, from scratch on 960 people.
#
# What these records suggest: finer heat-maps, bilinear or by SSSR, change nothing that three seeds can show. SISR and FA cost points. So does FA
# of *another* person, which has no structure to teach.

# %% [markdown] lang="zh" of="27c0ca3d"
# **论文与本项目对照。** 论文摘要声称：用 HRNet-w32，在 COCO 上，FLOPs 相同而 mAP 高 2 个百分点 [P]；我们没有见到姿态估计的表格 [?]。这项主张在这里*未检验*：我们用的是 `PCK`，网络规模只有它的 1/150，在 960 个人上从随机权重开始训练。
#
# 这些记录提示：热图变细，无论靠双线性放大还是 SSSR，三个种子都看不出差别。加上 SISR 和 FA，分数下降。让 FA 用*另一个*人的特征，分数同样下降，而那里并没有可供学习的结构。

# %% [markdown]
# ## Try it
#
# One knob: `alpha`. At which tolerance do coarse and fine heat-maps differ, for a *perfect* network?

# %% [markdown] lang="zh" of="ce8455c1"
# ## 动手试试
#
# 可调的只有 `alpha`。对*完美*的网络来说，容差取多大时，粗细热图才会有差别？

# %%
alpha = 0.05
read = {side: to_pictures(decode_heatmaps(targets(side), HIGH).joints) for side in sides}
Table(
    {"heat-map": errors["heat-map"], f"PCK@{alpha} (%)": [score(pred, alpha) for pred in read.values()]},
    "a perfect network",
    digits=1,
)

# %% [markdown]
# ## Break it
#
# Three real defects in a pipeline that is otherwise perfect. The true 24×24 heat-maps go in, and the score should be nearly 100 %. All shapes stay
# right, nothing is raised, and each would train. Set `DEFECT`, and guess its score first.

# %% [markdown] lang="zh" of="7a238a8f"
# ## 弄坏它
#
# 除了一处真实出现过的缺陷，这条流水线是完美的：输入 24×24 的真值热图，分数本应接近 100 %。三种缺陷都不会改变形状，不会报错，也都能照常训练。改动 `DEFECT`，先猜分数，再运行。

# %%
WRONG = {
    "none": lambda: targets(24),
    "joints divided by the stride": lambda: targets(24, joints + 1.5),
    "target of another size": lambda: targets(24, joints / 2),
    "left and right exchanged": lambda: targets(24)[:, list(LSP_JOINTS.mirrored)],
}
DEFECT = "joints divided by the stride"  # the switch
spots = decode_heatmaps(WRONG[DEFECT](), HIGH).joints
shift = ((spots - joints) * visible[..., None]).sum((0, 1)) / visible.sum()
print(f"{DEFECT}: PCK@0.2 {score(to_pictures(spots)):.1f} %, mean shift x {shift[0]:+.2f}, y {shift[1]:+.2f}")

# %% jupyter={"source_hidden": true}
with theme():
    figure = new_figure(7, 4.4)
    for ax, name in zip(figure.subplots(1, 2), ("none", DEFECT), strict=True):
        maps = WRONG[name]()
        spots = decode_heatmaps(maps, HIGH).joints
        show_heatmaps(maps[SHOWN], person.image, title=f"{name}\nPCK@0.2 {score(to_pictures(spots)):.0f} %", ax=ax)
        draw_skeleton(spots[SHOWN], LSP_JOINTS, ax=ax)
        ax.set(xlim=(-0.5, 95.5), ylim=(95.5, -0.5))
    show_figure(figure, alt="One person's heat-maps and the joints read from them, right and with the defect")

# %% [markdown]
# Symptoms to recognise: all joints shifted the same way, while `PCK@0.2` hardly notices (half pixels: look at the mean shift). Everything in the upper
# left corner (a target of another size). A skeleton that looks right to the eye and scores a quarter (left and right).

# %% [markdown] lang="zh" of="9712cdc4"
# 要认得的症状：所有关节点朝同一方向偏移，`PCK@0.2` 却几乎不变（差了半个像素：看平均偏移）；所有点都挤到左上角（目标热图按另一种尺寸画的）；骨架看上去没问题，分数却只有四分之一（左右互换）。

# %% [markdown]
# ## What was learnt
#
# - The framework carries over: another host, another loss, the same `DSRL`, and nothing extra when deployed.
# - Details decide before any method does: half pixels, the loss's scale, whose torso.
# - Here SISR and FA cost points. A likely reason, not tested: eight channels must also redraw the picture; the paper's encoder has 32.
# - A score needs its floor (mean pose) and its ceiling (a perfect heat-map) beside it.

# %% [markdown] lang="zh" of="7435b15d"
# ## 学到了什么
#
# - 这个框架可以迁移：换一个宿主网络，换一个损失，还是同一个 `DSRL`，部署时没有任何多余的部分。
# - 方法还没起作用，细节就已决定成败：半个像素、损失的尺度、用谁的躯干。
# - 在这里，加上 SISR 和 FA 分数下降。可能的原因（未检验）：八个通道还要重画图像，而论文的编码器有 32 个。
# - 一个分数旁边要有它的下限（平均姿态）和上限（完美的热图）。

# %% [markdown]
# ## Limits
#
# - Drawn people walk, stand, wait, telephone or cycle, and do little else, so the mean pose scores well on them.
# - 960 real people are few: HRNet's release takes 210 epochs of 150,000. The data set's own paper says that many of its marks are wrong.
# - The person's box is given. A detector's errors are not in these scores.
# - `coco_hrnet_128_dsrl` has the paper's network and data; its size, schedule and start are ours. It is for GPUs, and nobody has run it here.

# %% [markdown] lang="zh" of="63c6f79e"
# ## 局限
#
# - 合成人物只会走路、站立、等待、打电话或骑车，所以平均姿态在他们身上分数很高。
# - 960 个真人太少：HRNet 发布的配置在 150,000 人上训练 210 个轮次。这个数据集的论文自己也说，许多标注是错的。
# - 人的框是给定的，这些分数不含检测器的误差。
# - `coco_hrnet_128_dsrl` 用论文的网络和数据；尺寸、学习率安排和初始权重是我们定的。它要用 GPU，还没有人在本套件中运行过。

# %% [markdown]
# ## Five questions to take along
#
# <details><summary>1. Where is pixel 5.5 of a picture 8 pixels wide on a heat-map 2 pixels wide?</summary>At (5.5 + 0.5) / 4 − 0.5 = 1.</details>
# <details><summary>2. Which gain of a finer heat-map would a perfect network have too?</summary>That of the grid: it is read more exactly. The bilinear control has it as well.</details>
# <details><summary>3. Why does SISR drown the joints under HRNet's own loss?</summary>A mean over mostly empty pixels is tiny: a blank answer costs 0.012, SISR's start nearly four times as much.</details>

# %% [markdown] lang="zh" of="d4633fe3"
# ## 带走五个问题
#
# <details><summary>1. 宽 8 像素的图像上，位置 5.5 对应宽 2 像素的热图上的哪里？</summary>(5.5 + 0.5) / 4 − 0.5 = 1。</details>
# <details><summary>2. 细热图带来的增益中，哪一部分连完美的网络也会有？</summary>网格带来的那一部分：位置读得更准了。双线性对照同样有。</details>
# <details><summary>3. 用 HRNet 自己的损失时，SISR 为什么会盖过关节点？</summary>对大多是空的像素取平均，数值极小：空白的答案只值 0.012，而 SISR 一开始就将近它的四倍。</details>

# %% [markdown]
# <details><summary>4. All joints are a pixel too far to the left. What do you look for?</summary>A half pixel that is missing where joints become heat-map places, or where they are read back.</details>
# <details><summary>5. <code>PCK@0.2</code> is 37 %. What do you ask before you are pleased?</summary>What the mean pose scores, what a perfect heat-map scores, whose torso was used, and how many seeds were run.</details>

# %% [markdown] lang="zh" of="a7d8dfe1"
# <details><summary>4. 所有关节点都偏左一个像素，该查哪里？</summary>查漏掉的半个像素：可能在关节点换算成热图位置时，也可能在读回时。</details>
# <details><summary>5. <code>PCK@0.2</code> 是 37 %。高兴之前，先问什么？</summary>平均姿态得多少分，完美的热图得多少分，用的是谁的躯干，跑了几个种子。</details>

# %% [markdown]
# ## Words and sources
#
# **heat-map** 热图: a joint's map of belief. **joint, keypoint** 关键点. **torso** 躯干: PCK's yardstick. **PCK**: percentage of correct keypoints.
# **OKS** 目标关键点相似度: COCO's similarity of keypoints. **top-down** 自顶向下, **bottom-up** 自底向上.

# %% [markdown] lang="zh" of="e5b2ff18"
# ## 术语与出处
#
# **热图**（heat-map）：关节点在各处的可信程度。**关节点、关键点**（joint, keypoint）。**躯干**（torso）：PCK 的尺子。**PCK**：正确关键点比例。**OKS**：目标关键点相似度，COCO 的度量。**自顶向下**（top-down），**自底向上**（bottom-up）。

# %% [markdown]
# - Wang, Li, Zhu, Tian, Shan: Dual Super-Resolution Learning for Semantic Segmentation, CVPR 2020 (abstract, Figure 9).
# - Sun, Xiao, Liu, Wang: Deep High-Resolution Representation Learning for Human Pose Estimation, CVPR 2019.
# - Huang et al.: The Devil Is in the Details, CVPR 2020. Johnson, Everingham: Learning Effective Human Pose Estimation from Inaccurate Annotation, CVPR 2011.
# - In the kit: `dsrl_lab/models/pose/heatmaps.py`, `dsrl_lab/training/pose.py`.

# %% [markdown] lang="zh" of="fb2a9f7c"
# - Wang, Li, Zhu, Tian, Shan: Dual Super-Resolution Learning for Semantic Segmentation, CVPR 2020（摘要，图 9）。
# - Sun, Xiao, Liu, Wang: Deep High-Resolution Representation Learning for Human Pose Estimation, CVPR 2019.
# - Huang et al.: The Devil Is in the Details, CVPR 2020. Johnson, Everingham: Learning Effective Human Pose Estimation from Inaccurate Annotation, CVPR 2011.
# - 在本套件中：`dsrl_lab/models/pose/heatmaps.py`，`dsrl_lab/training/pose.py`。
