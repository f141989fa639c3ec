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
# **Claim.** DSRL asks of a task only dense outputs and a loss: hand it a pose net, and heat-maps take the place of masks, without a line
# changed in `dsrl_lab/dsrl.py`.
#
# Measured: about half a minute of CPU time on one core, 1.0 GB of memory. Data: people of the drawn streets, made on the spot; results on real people
# (Leeds Sports Pose) from records. Needs: 05 for SSSR, 06 for affinity. No internet, no GPU.

# %%
from dsrl_lab.course.notebook import show_figure, start

lab = start()

# %%
import torch
from torch import Tensor

from dsrl_lab.course.exercises import check, hint, predict, reveal, solution
from dsrl_lab.datasets.joint_tables import LSP_JOINTS
from dsrl_lab.datasets.people import DecodedPeople, StreetPeople
from dsrl_lab.datasets.transforms import normalise, reduce_image
from dsrl_lab.metrics import pck as pck_of_the_kit
from dsrl_lab.models.pose.heatmaps import decode_heatmaps, flip_heatmaps, gaussian_heatmaps
from dsrl_lab.plots.masks import show_image
from dsrl_lab.plots.people import draw_skeleton, pck_curve, show_heatmaps
from dsrl_lab.plots.theme import OTHER_STYLES, new_figure, style_of, theme
from dsrl_lab.training.examples import Batches
from dsrl_lab.training.pose import PersonCrops, find_joints

# %% [markdown]
# ## Somebody on a street, and fourteen questions
#
# A pose net gets the crop of one person and answers with one **heat-map** for each joint: bright where it believes the joint to be. HRNet's
# heat-maps have a quarter of its input's sides. Feed it half the resolution, and a heat-map pixel is eight pixels of the crop wide.

# %%
print("drawing 56 people, about ten seconds ...")
train, val = (DecodedPeople(StreetPeople(split, length=length)) for split, length in (("train", 32), ("val", 24)))
HIGH, LOW = (96, 96), (48, 48)
crops = [PersonCrops(val, HIGH)[index] for index in range(len(val))]
joints = torch.stack([crop.joints for crop in crops])  # (24, 14, 2), pixels of the crop
visible = torch.stack([crop.visible for crop in crops])
SHOWN = 3
person = crops[SHOWN]

with theme():
    figure = new_figure(12, 3.5)
    axes = figure.subplots(1, 4)
    draw_skeleton(person.joints, LSP_JOINTS, ax=show_image(person.image, title="the crop, 96×96", ax=axes[0]))
    show_image(reduce_image(person.image, LOW), title="what the net sees, 48×48", crisp=True, ax=axes[1])
    for ax, side, name in ((axes[2], 12, "baseline's"), (axes[3], 24, "DSRL's")):
        maps = gaussian_heatmaps(
            person.joints[None], person.visible[None], image_size=HIGH, size=(side, side), sigma=side / 16
        )
        show_heatmaps(maps[0], person.image, title=f"{name} target, {side}×{side}", ax=ax)
    show_figure(figure, alt="A drawn person with joints, the same at half size, and its heat-maps of 12x12 and 24x24")

# %% [markdown]
# ## What you will be able to do
#
# 1. Turn joints into heat-maps of any size and back, with every half pixel where it belongs.
# 2. Say how much a finer heat-map can gain at most, before any training.
# 3. Hand HRNet to the same DSRL, and weigh its loss against SISR's.
# 4. Score by PCK without fooling yourself; use the flip test.
# 5. Judge a pose result by its controls.

# %% [markdown]
# ## Predict
#
# Two guesses, before anything runs. **A perfect net's heat-maps** are read at their brightest pixel: how far off, on average, is a joint in
# pixels of the crop, if the heat-map has 12×12 pixels and the crop 96×96? And: **a net that ignores the picture** and gives everybody the mean
# pose of the training people: what PCK@0.2 (in %)?

# %%
predict("09.offset", None, unit="pixels")

# %%
predict("09.mean_pose", None, unit="%")

# %% [markdown]
# ## From joints to heat-maps
#
# Idea: a joint is a point, but a network that predicts a *blob* around it gets a gradient from everywhere near.
#
# $$T_j(u) = \exp\!\left(-\frac{\lVert u - c_j\rVert^2}{2\sigma^2}\right)$$
#
# Shapes: joints (N, J, 2) → heat-maps (N, J, h, w); σ doubles with the heat-map's size, so that the blob covers the same part of the person.
# All care goes into the centre c: where does pixel x of a picture lie on a smaller grid of the same scene?

# %% [markdown]
# ### Exercise 09.1 · half pixels
# *Some thought · the heart of the notebook · 7 minutes.* One misconception here is in HRNet's own release.


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
# ## And back
#
# The brightest pixel says where the joint is to within half a heat-map pixel. Its two neighbours say on which side: a quarter of a pixel
# towards the higher one is HRNet's rule.
#
# ### Exercise 09.2 · a quarter pixel
# *Some thought · the heart of the notebook · 10 minutes.* Read each joint from its heat-map, to a quarter of a pixel.


# %%
def read_joints(heatmaps: Tensor) -> Tensor:
    """Each joint at its heat-map's maximum, a quarter pixel towards the higher neighbour on either axis.

    Nothing is moved between equal neighbours. The maxima given here do not lie at the
    border.

    Shape:
        - heatmaps: (J, h, w)
        - output: (J, 2), (x, y) in pixels of the heat-map

    Example:
        >>> read_joints(torch.tensor([[[0.0, 0.2, 0.0], [0.1, 1.0, 0.5], [0.0, 0.2, 0.0]]]))
        tensor([[1.2500, 1.0000]])
    """
    raise NotImplementedError


check("09.2", read_joints)

# %%
hint("09.2") + solution("09.2")

# %% [markdown]
# ## What can a finer heat-map gain at most?
#
# No training needed: draw the *true* heat-maps of our 24 people at three sizes, and read them back. What is lost here, no network
# can win; what the finer one wins, it wins by size alone. Remember "magnified labels" of segmentation: this is the same control.


# %%
def reading_error(side: int, *, quarter: bool = True) -> float:
    maps = gaussian_heatmaps(joints, visible, image_size=HIGH, size=(side, side), sigma=side / 16)
    if not quarter:  # the maximum alone: keep only the brightest pixel
        maps = (maps == maps.amax((2, 3), keepdim=True)).float()
    error = (decode_heatmaps(maps, HIGH).joints - joints).norm(dim=-1)
    return float((error * visible).sum() / visible.sum())


sides = (12, 24, 48)
print("mean error in pixels of the crop (96 × 96)")
for quarter in (False, True):
    values = "   ".join(f"{side}×{side}: {reading_error(side, quarter=quarter):.2f}" for side in sides)
    print(f"{'with a quarter pixel' if quarter else 'maximum alone':21}", values)
torso = (joints[:, 9] - joints[:, 2]).norm(dim=-1).mean()
print(f"for comparison, the mean torso: {float(torso):.1f} pixels, so PCK@0.1 allows {0.1 * float(torso):.1f}")
reveal("09.offset", reading_error(12, quarter=False), unit="pixels")

# %% [markdown]
# At 12×12, the maximum alone loses more than PCK@0.1 allows; the quarter pixel brings it back inside. So a table that compares a 12×12 baseline
# with a 24×24 DSRL at a strict tolerance compares grids as well as networks. The control: the *same* baseline, supervised and read at 24×24 through bilinear enlargement. Call it
# "high-resolution supervision"; it costs nothing.
#
# ## The same DSRL, another host
#
# Nothing but the host's name changes. SSSR gives heat-maps of twice the size, SISR rebuilds the crop, FA compares both branches' features.

# %%
from dsrl_lab.complexity import complexity
from dsrl_lab.recipes import find_recipe, with_changes
from dsrl_lab.training.build import build_dsrl

low_res = torch.stack([reduce_image(crop.image, LOW) for crop in crops])
whole = build_dsrl(find_recipe("people_hrnet_dsrl").network).eval()
with torch.no_grad():
    output = whole(low_res[:2])
for name, value in output._asdict().items():
    print(f"{name:14}", tuple(value.shape) if isinstance(value, Tensor) else value)

# %% [markdown]
# What is deployed? `task_model` alone, as before. Count what each SSSR head adds to it; transposed convolutions are counted too.

# %%
ROWS = ("baseline", "bilinear", "sssr", "deconvolution", "dsrl")
for row in ROWS:
    recipe = find_recipe(f"people_hrnet_{row}")
    net = build_dsrl(recipe.network).eval()
    cost = complexity(net.task_model, LOW)
    with torch.no_grad():
        side = net.task_model(torch.zeros(1, 3, *LOW)).shape[-1]
    print(f"{recipe.title:40} {cost.macs / 1e6:5.2f} M MACs  {cost.parameters / 1e3:6.1f} k  heat-maps {side}×{side}")

with torch.no_grad():
    same = torch.equal(whole(low_res).logits, whole.task_model(low_res))
print("deployed without SISR and FA, the heat-maps are equal bit for bit:", same)

# %% [markdown]
# ## The loss, and its weight against SISR's
#
# HRNet's release takes the mean squared error over all pixels of a heat-map. Most of them are empty, so even a net that says *nothing* pays
# next to nothing. Beside SISR, with its weight w1 = 0.1 meant for a cross-entropy of about 2, the joints drown:

# %%
target = gaussian_heatmaps(joints, visible, image_size=HIGH, size=(24, 24), sigma=1.5)
silence = (target.square().mean((2, 3)) * visible).sum() / visible.sum()
energy = torch.pi * 1.5**2 / 24**2  # squared sum of a Gaussian, as a mean over the pixels
pictures = normalise(torch.stack([crop.image for crop in crops]))
sisr = (pictures - normalise(torch.full((1, 3, 1, 1), 0.5))).square().mean()
print(f"a blank answer costs, by the mean over pixels: {float(silence):.4f}")
print(f"w1 x the error of grey, where SISR starts:     {0.1 * float(sisr):.4f}")
print(f"a blank answer, in units of a Gaussian:        {float(silence / energy):.3f}   (the kit's loss)")

# %% [markdown]
# The kit divides by the Gaussian's own energy, πσ²: a blank joint costs about 1 at every size of heat-map, and w1, w2 keep their meaning.
#
# ### Exercise 09.3 · joints that nobody marked
# *Easy · the heart of the notebook · 6 minutes.* A car hides an ankle; an annotator skips a wrist. What may the loss say about them?


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


check("09.3", joint_loss)

# %%
hint("09.3") + solution("09.3")

# %% [markdown]
# ## Train in front of you
#
# Three rows from scratch: the baseline, its high-resolution control, and the whole of DSRL. Same 32 people, same seed, same draws,
# same number of steps. This is far too little for a good pose net; it is enough to see every part work.

# %%
from dsrl_lab.training.loop import fit
from dsrl_lab.training.pose import PoseObjective

SETTINGS = ["train.iterations=48", "train.batch_size=8", "train.record_every=16", "train.max_degrees=5"]
SETTINGS += ["train.scale_range=[0.9,1.1]"]


def train_row(row: str) -> object:
    recipe = with_changes(find_recipe(f"people_hrnet_{row}"), SETTINGS)
    net = build_dsrl(recipe.network)
    task = PoseObjective(recipe.train, LSP_JOINTS)
    for line in fit(net, task, Batches.for_run(train, task.example, recipe.train), recipe.train):
        parts = f"joints {line.task:.3f}  SISR {line.sisr:.2f}  FA {line.affinity:.3f}"
        print(f"{row:9} step {line.iteration:2} of {line.iterations}  {parts}  {line.seconds_left:3.0f} s left")
    return net.eval()


# %%
print("three short trainings, about ten seconds in all ...")
nets = {row: train_row(row) for row in ("baseline", "bilinear", "dsrl")}

# %% [markdown]
# A loss near 1 is what silence costs; below it, the net knows something. Compare the rows' joints at the same step: DSRL's fall
# more slowly. Its encoder serves two more wishes from the first step on, and in so short a time that costs joints. Say so when it happens;
# do not hide it behind a longer run of one row.

# %% [markdown]
# ## Scoring: PCK
#
# A joint counts as found within α times the person's **torso** (left shoulder to right hip). PCK@0.2 is usual, PCK@0.1 strict; the mean is
# over joints. COCO's OKS-AP asks the same with a tolerance for each joint; the kit has it from pycocotools.
#
# ### Exercise 09.4 · whose yardstick?
# *Some thought · the heart of the notebook · 10 minutes.* Which share of the joints is found, each person measured by their own torso?


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


check("09.4", pck)

# %%
hint("09.4") + solution("09.4")

# %% [markdown]
# ## The picture to take along
#
# PCK against the tolerance for the three nets. Two negative controls: the **mean pose** of the training people, which
# never looks at the picture, and an **untrained** DSRL. The black dotted line is the ceiling, a perfect 12×12 heat-map.

# %%
own = torch.stack([val[index].joints for index in range(len(val))])  # pixels of each person's own picture
found = {row: find_joints(net.task_model, val, input_size=LOW)[0] for row, net in nets.items()}
found["untrained"] = find_joints(whole.task_model, val, input_size=LOW)[0]
learnt = PersonCrops(train, HIGH)
mean_pose = torch.stack([learnt[index].joints for index in range(len(train))]).mean(0)
matrices = [PersonCrops(val, HIGH).matrix(val[index]) for index in range(len(val))]
found["mean pose"] = torch.stack([mean_pose @ m[:, :2].T + m[:, 2] for m in matrices])
ceiling = decode_heatmaps(gaussian_heatmaps(joints, visible, image_size=HIGH, size=(12, 12), sigma=0.75), HIGH).joints
found["perfect 12×12"] = torch.stack([one @ m[:, :2].T + m[:, 2] for one, m in zip(ceiling, matrices, strict=True)])


def score(pred: Tensor, alpha: float = 0.2) -> float:
    return 100 * pck_of_the_kit(pred, own, visible, alpha=alpha, torso=LSP_JOINTS.torso).mean


for name, pred in found.items():
    print(f"{name:14} PCK@0.2 {score(pred):5.1f} %   PCK@0.1 {score(pred, 0.1):5.1f} %")
reveal("09.mean_pose", score(found["mean pose"]), unit="%")

# %%
STYLES = {row: style_of(row) for row in ("baseline", "bilinear", "dsrl")}
STYLES |= dict(zip(("untrained", "mean pose", "perfect 12×12"), OTHER_STYLES, strict=True))
LABELS = {"bilinear": "baseline, high-resolution supervision", "dsrl": "+ SSSR + SISR + FA"}


def draw_found(ax: object, row: str) -> None:
    crop, number = person, SHOWN
    back = torch.linalg.inv(torch.cat([matrices[number], torch.tensor([[0.0, 0.0, 1.0]])]))
    show_image(crop.image, title=LABELS.get(row, row).replace(", ", ",\n"), ax=ax)
    draw_skeleton(crop.joints, LSP_JOINTS, color="#FFFFFF", line=":", ax=ax)
    draw_skeleton(found[row][number] @ back[:2, :2].T + back[:2, 2], LSP_JOINTS, color=STYLES[row].color, ax=ax)
    ax.set(xlim=(-0.5, 95.5), ylim=(95.5, -0.5))


with theme():
    figure = new_figure(12, 6.4)
    grid = figure.add_gridspec(2, 4, width_ratios=(1, 1, 2, 0.02))
    for place, row in enumerate(("baseline", "bilinear", "dsrl", "mean pose")):
        draw_found(figure.add_subplot(grid[place // 2, place % 2]), row)
    ax = figure.add_subplot(grid[:, 2])
    for name, style in STYLES.items():
        pck_curve(found[name], own, visible, torso=LSP_JOINTS.torso, style=style, label=LABELS.get(name, name), ax=ax)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)
    show_figure(figure, alt="Skeletons found by three nets and the mean pose, and PCK against the tolerance for all")

# %% [markdown]
# Read it from the bottom up. How far is a trained net above the *mean pose*? That, and not the distance from zero, is what it sees. Then:
# where is DSRL against the bilinear control, not only the baseline? With one seed and 24 people, a gap of a few points is
# an observation, not evidence: one joint of one person is 0.3 points.
#
# ## Real people
#
# `dsrl-lab train lsp_hrnet_dsrl --data ROOT` trains on 960 people of Leeds Sports Pose Extended, and scores 240. What the kit has recorded:

# %%
from dsrl_lab.results import frames
from dsrl_lab.results.charts import gain_points, score_bars
from dsrl_lab.results.tables import ablation_table

runs = frames.runs(lab.root / "data" / "runs" / "lsp_hrnet")
runs = runs[runs["finished"]]
rows, scores = ablation_table(runs), frames.scores(runs)
for steps, batch in {(run.iterations, run.batch_size) for run in runs.itertuples()}:
    print(f"{steps} steps of {batch} people each, from scratch")
for row in rows.to_dict("records"):
    print(f"{row['row']}: {row['seeds']} seeds, {row['true MACs (M)']} M MACs")
    print(f"    PCK@0.2 {row['PCK@0.2']} %   PCK@0.1 {row['PCK@0.1']} %")
for pose in [one.end["mean_pose"] for one in runs["record"] if "mean_pose" in one.end][:1]:
    print(
        f"the mean pose of the 960, control\n    PCK@0.2 {100 * pose['pck']:.1f} %   PCK@0.1 {100 * pose['pck_strict']:.1f} %"
    )
if runs.empty:
    print("no run is recorded yet: train the rows above, then `dsrl-lab keep runs`; this cell will find them")

# %%
if len(runs):
    with theme():
        figure = new_figure(12, 0.9 + 0.75 * len(rows))
        left, right = figure.subplots(1, 2)
        shares = frames.pick(scores, "keypoints.pck")
        score_bars(shares, xlabel="PCK@0.2 (%), 240 people of LSP", ax=left)
        gain_points(
            frames.gains(shares), places=list(rows["row"]), xlabel="gain over the baseline (points of PCK@0.2)", ax=right
        )
        right.set_yticklabels([])
        show_figure(
            figure, alt="PCK at 0.2 on Leeds Sports Pose of each row with its seeds, and gains over the baseline"
        )

# %% [markdown]
# **Paper against ours.** The abstract claims +2 points of mAP at the same FLOPs on COCO 2017 with HRNet-w32 [P]; it prints no table for pose. Ours is PCK of a net
# 150 times smaller, from scratch on 960 people: it says what the parts do to *such* a net. Finer heat-maps, by SSSR or bilinear,
# change nothing that three seeds can tell; SISR and FA cost, FA of *another* person nearly as much: eight channels that must redraw the picture have
# little left for joints, perhaps.

# %% [markdown]
# ## The flip test
#
# Most pose tables, HRNet's too, average each answer with that for the mirrored picture. It costs a second pass. In a mirror a left knee is a right one,
# so channels must change places.
#
# ### Exercise 09.5 · the mirror
# *Some thought · useful · 8 minutes.* Average a picture's heat-maps with its mirror image's, every joint in its place.


# %%
def average_with_mirror(heatmaps: Tensor, of_mirrored: Tensor, pairs: list[tuple[int, int]]) -> Tensor:
    """The flip test: average a picture's heat-maps with those of its mirror image, turned back.

    In a mirror a left knee looks like a right one: after turning back, each map belongs
    to the joint's partner.

    Args:
        heatmaps: of the picture.
        of_mirrored: of the mirrored picture, as the network gave them.
        pairs: indices of left-right partners; joints in no pair (the head) stay.

    Shape:
        - heatmaps, of_mirrored: (N, J, h, w)
        - output: (N, J, h, w)

    Example:
        >>> left, right = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 0.0]])
        >>> average_with_mirror(torch.stack([left, right])[None], torch.stack([right, left.flip(-1)])[None], [(0, 1)])
        tensor([[[[1., 0.]],
        <BLANKLINE>
                 [[0., 0.]]]])
    """
    raise NotImplementedError


check("09.5", average_with_mirror)

# %%
hint("09.5") + solution("09.5")

# %%
for row, net in nets.items():
    flipped = find_joints(net.task_model, val, input_size=LOW, flip=True)[0]
    print(f"{row:9} PCK@0.2 {score(found[row]):5.1f} %, with the flip test {score(flipped):5.1f} %")

# %% [markdown]
# ## Try it
#
# One knob: `alpha`. At which tolerance do the coarse and the fine heat-map part, for a *perfect* net? Compare with where the trained ones part.

# %%
alpha = 0.05
for side in sides:
    maps = gaussian_heatmaps(joints, visible, image_size=HIGH, size=(side, side), sigma=side / 16)
    read = torch.stack(
        [one @ m[:, :2].T + m[:, 2] for one, m in zip(decode_heatmaps(maps, HIGH).joints, matrices, strict=True)]
    )
    print(f"perfect {side}×{side} heat-maps: PCK@{alpha} = {score(read, alpha):.1f} %")

# %% [markdown]
# ## Break it
#
# Four real defects in a pipeline that is otherwise perfect: the true 24×24 heat-maps go in, and the score should be nearly 100 %.
# All shapes stay right, nothing is raised, and each of them would train. Turn `DEFECT`.

# %%
WRONG = {
    "none": lambda maps: maps,
    "flip test pairs not swapped": lambda maps: (maps + flip_heatmaps(flip_heatmaps(maps, LSP_JOINTS.pairs), [])) / 2,
    "joints divided by the stride": lambda maps: gaussian_heatmaps(
        joints - 1.5, visible, image_size=HIGH, size=(24, 24), sigma=1.5
    ),
    "target of another size": lambda maps: gaussian_heatmaps(
        joints / 2, visible, image_size=HIGH, size=(24, 24), sigma=1.5
    ),
    "left and right exchanged": lambda maps: maps[:, list(LSP_JOINTS.mirrored)],
}
DEFECT = "flip test pairs not swapped"  # the switch

true_maps = gaussian_heatmaps(joints, visible, image_size=HIGH, size=(24, 24), sigma=1.5)
for name in dict.fromkeys(("none", DEFECT, *WRONG)):
    spots = decode_heatmaps(WRONG[name](true_maps), HIGH).joints
    read = torch.stack([one @ m[:, :2].T + m[:, 2] for one, m in zip(spots, matrices, strict=True)])
    shift = ((spots - joints) * visible[..., None]).sum((0, 1)) / visible.sum()
    print(f"{name:30} PCK@0.2 {score(read):5.1f} %   mean shift x {shift[0]:+6.2f}, y {shift[1]:+6.2f}")

# %%
with theme():
    figure = new_figure(12, 3.3)
    for ax, name in zip(figure.subplots(1, len(WRONG)), WRONG, strict=True):
        broken = WRONG[name](true_maps)[SHOWN]
        show_heatmaps(broken, person.image, title=name.replace(" of", "\nof").replace(" not", "\nnot"), ax=ax)
        draw_skeleton(decode_heatmaps(broken[None], HIGH).joints[0], LSP_JOINTS, ax=ax)
        ax.set(xlim=(-0.5, 95.5), ylim=(95.5, -0.5))
    show_figure(figure, alt="One person's heat-maps and the joints read from them, right and with four defects")

# %% [markdown]
# Symptoms to recognise: neck and head are right and every paired joint is a coin toss (pairs); all joints shifted the same way, and PCK@0.2 hardly
# notices (half pixels: look at the mean shift); everything in the upper left corner (a target of another size); a skeleton that looks right to
# the eye and scores a quarter (left and right).

# %% [markdown]
# ## Limits
#
# - Drawn people have two dozen poses and stand upright; the mean pose already scores well on them. Real sport does not forgive so much.
# - 32 people, one seed, ten seconds: it shows that the parts work, not that they gain.

# %% [markdown]
# And for the real people:
#
# - 960 are few, the recorded steps a beginning: HRNet's release takes 210 epochs of 150,000. The set marks every joint, hidden or not, and its own paper says that many are wrong.
# - The person's box is given. A detector's errors are not in these scores.
# - COCO's OKS-AP is computed by pycocotools; on 46 people of a tiny COCO it is a test of the code, not a result.
# - `coco_hrnet_128_dsrl` is the paper's setting, for GPUs. Nobody has run it here.

# %% [markdown]
# ## Five questions to take along
#
# 1. Where is pixel 5.5 of a picture 8 pixels wide on a heat-map 2 pixels wide?
# 2. Which gain of a finer heat-map would a perfect net have too?
# 3. Why does w1 = 0.1 drown the joints under HRNet's own loss?
# 4. Neck and head are fine, knees are not. What do you look for?
# 5. PCK@0.2 is 55 %. What do you ask before you are pleased?

# %% [markdown]
# ## Words and sources
#
# **heat-map** 热图: a joint's map of belief. **joint, keypoint** 关键点. **torso** 躯干: PCK's yardstick. **PCK**: percentage of correct keypoints.
# **OKS** 关键点相似度: COCO's similarity of keypoints. **flip test** 翻转测试.

# %% [markdown]
# - Wang, Li, Zhu, Tian, Shan: Dual Super-Resolution Learning for Semantic Segmentation, CVPR 2020 (abstract, Figure 9).
# - Sun, Xiao, Liu, Wang: Deep High-Resolution Representation Learning for Human Pose Estimation, CVPR 2019.
# - Huang et al.: The Devil Is in the Details, CVPR 2020. Johnson, Everingham: Learning Effective Human Pose Estimation from Inaccurate Annotation, CVPR 2011.
# - In the kit: `dsrl_lab/models/pose/heatmaps.py`, `dsrl_lab/training/pose.py`.
