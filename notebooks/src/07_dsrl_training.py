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
# Measured: about 100 seconds of CPU time on one core, 1.2 GB of memory at most. Data: drawn streets, made on the spot.
# Needs: 05 and 06. No internet, no GPU.

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
from dsrl_lab.datasets.transforms import TrainingExample, normalise
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
    """A grey arrow forward, and one back for each loss whose gradient takes this way."""
    (x0, y0), (x1, y1) = PLACES[start], PLACES[end]
    x0, x1 = x0 + 0.82, x1 - 0.82
    side = torch.tensor([y1 - y0, x0 - x1]) / torch.tensor([y1 - y0, x0 - x1]).norm()
    back = [n for n in COLORS if start in PARTS and (n == end or (end in PARTS and arrows[n][end].any()))]
    for place, color in enumerate((GREY, *(COLORS[name] for name in back))):
        dx, dy = (0.13 * place * side).tolist()
        ends = ((x0 + dx, y0 + dy), (x1 + dx, y1 + dy))[:: 1 if place else -1]
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

# %% [markdown]
# ## Predict
#
# Two numbers. At what share of the run (0 to 1) has the poly learning rate, with power 0.9, fallen to half its start? And: of the
# multiply-adds of one forward pass in training, what share (in %) is left behind at deployment? Put them in place of `None`.

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

# %%
output = network(example.low_res)
given = {name: tuple(value.shape) for name, value in output._asdict().items() if isinstance(value, Tensor)}
terms = dsrl_loss(task, output, example, iteration=0, count=task.count(example))
display(Table({"output of DSRL": given.keys(), "shape": given.values()}, "What DSRL gives for a batch of 8"))
Table({"term": terms._fields, "value": [value.item() for value in terms]}, "Its losses", digits=4)

# %% [markdown]
# ### Exercise 07.1 · one mean for a batch
# *Easy · the heart of the notebook · 5 minutes.* The weights w1 and w2 mean something only if each loss is a mean. One of
# the mistakes that the check knows was read in public code.


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
# *Hard · the heart of the notebook · 20 minutes.* Follow the drawing, in plain PyTorch. You may call the host's two methods and the parts
# of the heads: `sssr_head.reduce` (1 × 1), `sssr_head.expand` (1 × 1), `sisr_head(maps)`, `transform`. Upsampling and pixel shuffle are
# yours. The cell after it is folded: a worked version. Try first.


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
# *Hard · the heart of the notebook · 20 minutes.* Three losses, one sum, one gradient, one step of SGD with momentum 0.9. Weight decay acts
# on matrices only (`p.ndim > 1`). The learning rate is poly: the start times (1 − i/n) to the power 0.9. Then five of your steps are held
# against five steps of the kit's loop. `normalise` is for both pictures of the SISR loss.


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
# *Some thought · the heart of the notebook · 8 minutes.* Write the test that would have caught it.

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


# %% jupyter={"source_hidden": true}
def train(model: DSRL, config: TrainConfig, name: str) -> list:
    """Train a network before the reader and keep its records."""
    kept, shown = [], display(HTML(f"{name}: starting"), display_id=True)
    learnt = SegmentationObjective(config, 2, val_set, weights)
    for line in fit(model, learnt, Batches.for_run(train_set, learnt.example, config), config):
        kept.append(line)
        done, score = 20 * line.iteration // line.iterations, f"{line.seconds_left:.0f} s left"
        if line.metrics:
            score = f"mIoU {100 * line.metrics['miou']:.1f} %"
        bar = f"{name:22} {'█' * done:20} {line.iteration:3}/{line.iterations}   loss {line.loss:.3f}   {score}"
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
# Segmentation is the **main** task. SISR is **auxiliary**: nobody asks for its picture. Its only effect on the result is a gradient on the
# shared encoder. Once the encoder is trained, that effect is in the weights. So SISR may be dropped.
#
# Does its gradient help? Compare directions. A cosine near 1 pulls the same way as the main task, 0 pulls sideways, below 0 fights it.

# %%
lines = []
for when, model in (("before", build_dsrl(recipes["dsrl"].network)), ("after", models["dsrl"].train())):
    pulled = {loss: parts["encoder"] for loss, parts in pulls(model).items()}
    for loss, arrow in pulled.items():
        cosine = torch.cosine_similarity(arrow, pulled["cross-entropy"], dim=0)
        lines.append({"training": when, "loss": loss, "length": float(arrow.norm()), "cosine": float(cosine)})
Table(lines, "Pull on the encoder, and its cosine with the main task's, on one batch", digits=3)

# %% [markdown]
# SISR's pull is the longest at first, and fades as its picture becomes right. Its cosine is near 0: on this batch it pulls sideways.
#
# ## Stop, and go on bit for bit
#
# A run that stops and resumes should be the *same* run. The monitor shows the seam: earlier records in grey. All that a step draws
# follows from the seed and the step's number. So weights, momentum and that number must be kept, no more. This run takes half a minute.

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
# *Some thought · the heart of the notebook · 10 minutes.* Three things must be saved. Forget any of them, and the run goes on, quietly, as another one.


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

# %%
trained, image = models["dsrl"].eval(), val_set[0].image[None, :, ::2, ::2]
with tempfile.TemporaryDirectory() as place, torch.no_grad():
    path = Path(place) / "deployed.safetensors"
    checkpoint.save(path, trained.task_model, {"network": recipes["dsrl"].network.to_json(), "deployed": True})
    deployed, loaded = load_task_model(path)  # strictly: nothing missing, nothing left over
    print("logits equal bit for bit:", torch.equal(deployed(image), trained(image).logits))
left = [name for name in loaded.model_state() if "sisr" in name or "transform" in name]
print("tensors of SISR or FA in the file:", len(left), "of", len(loaded.model_state()))
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
# *Easy · the heart of the notebook · 5 minutes.* From the whole network's tensors to the deployed one's.


# %%
def deployed_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """What a deployed network keeps of a DSRL network's tensors.

    The names are those that it has alone. A DSRL network owns ``task_model`` (host and
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
# **Paper against ours.** The paper reports 54.5 → 59.5 % mIoU for ESPNetv2 at 256 × 512 on Cityscapes [P]. Ours is one seed and two
# minutes of drawn streets. It shows *how* the whole is trained. *Whether* it gains is the question of notebook 08.

# %% [markdown]
# ## Try it: your own network behind DSRL
#
# *The capstone · 30 minutes.* DSRL asks a host for two methods and a true `spec`. Change `MyNet`, or write another one. 40 pictures, three
# seeds, three rows. One knob: `ITERATIONS`. Shipped: 30 steps a run, about 20 seconds in all. With 250 you train for about three minutes.


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

# %% [markdown]
# ## Five questions to take along
#
# <details><summary>1. Which two tensors enter FA?</summary>The last features before each prediction: the host's, transformed, and SISR's. Not class maps, not colours.</details>
# <details><summary>2. What is the learning rate of the last step?</summary>Not zero: the start times (1/n) to the power 0.9. Zero belongs to the step after it.</details>
# <details><summary>3. Your SISR loss does not fall, and the score drops. What do you test first?</summary>Whether SISR's parameters change at all in one step.</details>

# %% [markdown]
# <details><summary>4. What must a checkpoint hold besides weights?</summary>The momentum and the number of the step. All draws follow from the seed and that number.</details>
# <details><summary>5. Why can SISR be left behind, and the SSSR head not?</summary>The answer does not pass through SISR; its effect is in the shared weights. The answer does pass through the SSSR head.</details>

# %% [markdown]
# ## Words and sources
#
# **objective** 目标函数: the weighted sum of all losses. **main task, auxiliary task** 主任务、辅助任务: wanted at inference, or in training only.
# **poly** 多项式学习率衰减. **momentum** 动量. **resume** 断点续训. **deployed network** 部署的网络: `task_model` alone.
#
# - Wang, Li, Zhu, Tian, Shan: Dual Super-Resolution Learning for Semantic Segmentation, CVPR 2020 (equations 2 to 5).
# - Chen et al.: DeepLab, 2017 (the poly learning rate). Caruana: Multitask Learning, 1997 (auxiliary tasks).
# - In the kit: `dsrl_lab/training/loop.py` is the open loop, `dsrl_lab/training/optim.py` the two rules.
