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
# **Claim.** Three losses train one network, and two of them are there to be left behind: cut SISR and FA off after the last
# step, and what remains gives the same logits bit for bit, here for nearly a third fewer multiply-adds.
#
# Measured: about 50 seconds of CPU time on one core, 1.2 GB of memory at most. Data: drawn streets, made on the spot.
# Needs: 05 and 06. No internet, no GPU.

# %%
from dsrl_lab.course.notebook import show_figure, start

lab = start()

# %%
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from IPython.display import HTML, display
from torch import Tensor, nn

from dsrl_lab.complexity import complexity
from dsrl_lab.course.exercises import check, hint, predict, reveal, solution
from dsrl_lab.dsrl import DSRL
from dsrl_lab.experiments import open_split
from dsrl_lab.plots.theme import OTHER_STYLES, new_figure, style_of, theme
from dsrl_lab.recipes import find_recipe
from dsrl_lab.results import frames
from dsrl_lab.results.charts import training_curves
from dsrl_lab.results.records import Record
from dsrl_lab.training import checkpoint
from dsrl_lab.training.build import build_dsrl, load_task_model
from dsrl_lab.training.examples import Batches
from dsrl_lab.training.loop import fit
from dsrl_lab.training.objectives import SegmentationObjective, class_weights_of, dsrl_loss
from dsrl_lab.training.optim import build_optimizer, poly_learning_rate
from dsrl_lab.training.record import TrainRecord
from dsrl_lab.widgets import training_monitor

# %% [markdown]
# ## What a full run looks like
#
# The kit's own runs on drawn streets, 600 iterations each, from their records. Three losses fall together, and the learning
# rate with them. Below you train a small one yourself.

# %%
lab.figure(
    "streets_training_curves",
    alt="Losses, learning rate and validation score of the kit's runs on drawn streets",
)

# %% [markdown]
# ## What you will be able to do
#
# 1. Write the objective down, and compute its three terms on a batch.
# 2. Choose a learning rate for every step (poly), and prove that every parameter learns.
# 3. Say why SISR may be thrown away, and what a usual multi-task network could not throw away.
# 4. Stop a run and go on bit for bit.
# 5. Strip SISR, and prove that the deployed network is the same.

# %% [markdown]
# ## Predict
#
# Two numbers. At what share of the run (0 to 1) has the poly learning rate, with power 0.9, fallen to half its start? And: of the
# multiply-adds of one forward pass in training, what share (in %) is left behind at deployment? Put them in place of `None`.

# %%
predict("07.half", None)

# %%
predict("07.left_behind", None, unit="%")

# %% [markdown]
# ## Three rows of one table
#
# A recipe says all that a run needs; rows of an ablation differ in their parts alone. Ours is the kit's embedded default made
# smaller: input 48 × 64, pictures of 96 × 128, 120 iterations of 8. `shuffled` is the negative control: FA against *another*
# picture's SISR features.

# %%
HOST_ROWS = ("baseline", "dsrl", "shuffled")
recipes = {row: find_recipe(f"streets_tinynet_{row}") for row in HOST_ROWS}
SMALL = {"input_size": (48, 64), "iterations": 120, "record_every": 10}
configs = {row: replace(recipe.train, **SMALL) for row, recipe in recipes.items()}
for row, recipe in recipes.items():
    network = recipe.network
    print(f"{row:9} sssr={network.sssr}  sisr={network.sisr}  affinity={network.affinity}  {recipe.title}")

# %%
print("drawing 40 + 12 street scenes, some seconds ...")
train_set = open_split("streets", "train", None, size=(96, 128), length=40)
val_set = open_split("streets", "val", None, size=(96, 128), length=12)
weights = class_weights_of(train_set, configs["dsrl"].class_balance)
kept_here = tempfile.TemporaryDirectory()  # for a checkpoint, further down; gone when the kernel ends
lab.show_pair(train_set[3])

# %% [markdown]
# ## The objective
#
# $$L = L_{ce} + w_1 L_{mse} + w_2 L_{fa},\qquad w_1 = 0.1,\ w_2 = 1$$
#
# Shapes, for an input (N, 3, H, W): logits (N, K, 2H, 2W) against the mask at full size; the reconstruction (N, 3, 2H, 2W) against the
# picture before it was reduced; and two maps of features, each averaged to 1/8 of the output's sides.
#
# Which tensors enter FA? Not the 11 class maps and the 3 colours: the last features *before* each prediction.

# %%
network = build_dsrl(recipes["dsrl"].network)
task = SegmentationObjective(configs["dsrl"], 2, val_set, weights)
batches = Batches(train_set, task.example, batch_size=8, seed=0)
example = batches(0)
output = network(example.low_res)
for name, value in output._asdict().items():
    print(f"{name:14}", tuple(value.shape) if isinstance(value, Tensor) else value)

# %%
terms = dsrl_loss(task, output, example, iteration=0, count=task.count(example))
by_hand = terms.task + 0.1 * terms.sisr + 1.0 * terms.affinity
print({name: round(value.item(), 4) for name, value in terms._asdict().items()})
print("task + 0.1 SISR + 1.0 FA is the total:", torch.equal(by_hand, terms.total))

# %% [markdown]
# Is the input halved or the output doubled? Both say the same: the network sees half of the picture's sides, and answers at all of
# them. The original picture is the target of SISR, at no cost of labelling.
#
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
# ## The poly learning rate
#
# $$\eta_i = \eta_0\,(1 - i/n)^{0.9},\qquad i = 0 \dots n-1$$
#
# Large steps first, ever smaller ones until the end of the run, which must be known beforehand. SGD with momentum 0.9; the paper's values
# are second-hand [B]; how many epochs, what batch and which crop it took is not known.

# %%
steps = range(configs["dsrl"].iterations)
half = 1 - 0.5 ** (1 / 0.9)
with theme():
    figure = new_figure(7.5, 2.9)
    ax = figure.add_subplot()
    ways = {"power 0.9": 0.9, "power 0.5": 0.5, "power 2": 2.0}
    for (name, power), style in zip(ways.items(), (style_of("dsrl"), *OTHER_STYLES), strict=False):
        rates = [poly_learning_rate(i, len(steps), learning_rate=0.05, power=power) for i in steps]
        ax.plot(steps, rates, label=name, color=style.color, linestyle=style.line)
    ax.plot(
        half * len(steps),
        0.025,
        "o",
        color=style_of("dsrl").color,
        label="half, at power 0.9",
    )
    ax.set(xlabel="iteration", ylabel="learning rate", xlim=(0, None), ylim=(0, None))
    ax.legend()
    show_figure(figure, alt="The poly learning rate over 120 iterations with powers 0.5, 0.9 and 2")

reveal("07.half", half)

# %% [markdown]
# ### Exercise 07.2 · one step of the schedule
# *Easy · useful · 5 minutes.* Off by one is the usual mistake here: it wastes the last batch of every run, and nobody sees it.


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

# %%
optimizer = build_optimizer(network, configs["dsrl"])
for group in optimizer.param_groups:
    numbers = sum(parameter.numel() for parameter in group["params"])
    print(f"{len(group['params']):3} tensors, {numbers:7} numbers, weight decay {group['weight_decay']}")
print(
    "numbers in all of the network:",
    sum(parameter.numel() for parameter in network.parameters()),
)

# %% [markdown]
# ### Exercise 07.3 · the audit
# *Some thought · the heart of the notebook · 8 minutes.* Write the test that would have caught it.


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
# quiet core.


# %%
def train(row: str, model: DSRL, **changes: object) -> list[TrainRecord]:
    """Train one row before the reader and keep its records."""
    config = replace(configs[row], **changes)
    kept, shown = [], display(f"{row}: starting", display_id=True)
    learnt = SegmentationObjective(config, 2, val_set, weights)
    for line in fit(model, learnt, Batches.for_run(train_set, learnt.example, config), config):
        kept.append(line)
        done = 20 * line.iteration // line.iterations
        score = f"{line.seconds_left:.0f} s left"
        if line.metrics:
            score = f"mIoU {100 * line.metrics['miou']:.1f} %"
        step = f"{line.iteration:3}/{line.iterations}   loss {line.loss:.3f}"
        bar = f"{row:9} {'█' * done:20} {step}   {score}"
        shown.update(HTML(f"<pre style='margin:0'>{bar}</pre>"))
    return kept


def as_run(row: str, records: Sequence[TrainRecord], title: str = "") -> Record:
    """Records of this notebook in the form that the kit's frames take."""
    recipe = recipes[row]
    first = {"kind": "run", "setting": "here", "row": row, "seed": 0, "title": title or recipe.title}
    first["network"] = recipe.network.to_json()
    return Record((first, *(line.to_json() for line in records)))


# %%
models = {row: build_dsrl(recipe.network) for row, recipe in recipes.items()}
records = {row: train(row, model) for row, model in models.items()}

# %% [markdown]
# Two of the curves mean less than they seem. FA falls in the control as well: two maps can be made alike whatever they show.
# And the objective's value cannot be compared between rows: it has more terms in some.

# %% [markdown]
# ## Main task, auxiliary task
#
# A usual multi-task network (depth *and* classes, say) wants all of its heads in the end. Here one task is **main**, and SISR is
# **auxiliary**: nobody asks for its picture. Its only effect on the result is a gradient on the shared encoder, in training.
# Once the encoder is trained, that effect is in the weights. That is why SISR may be dropped, and a depth head may not.
#
# So ask what this gradient does. Where does each loss pull the encoder?


# %%
def pulls(model: DSRL) -> dict[str, Tensor]:
    """Gradient of each weighted loss with respect to the encoder, as one long arrow."""
    everything = model.task_model.host.named_parameters()
    encoder = [p for name, p in everything if name.startswith("stage")]
    output = model(example.low_res)
    terms = dsrl_loss(task, output, example, iteration=0, count=task.count(example))
    parts = {"cross-entropy": terms.task, "0.1 SISR": 0.1 * terms.sisr, "1.0 FA": terms.affinity}
    arrows = {}
    for name, loss in parts.items():
        gradients = torch.autograd.grad(loss, encoder, retain_graph=True)
        arrows[name] = torch.cat([gradient.flatten() for gradient in gradients])
    return arrows


for when, model in (
    ("before training", build_dsrl(recipes["dsrl"].network)),
    ("after training", models["dsrl"].train()),
):
    arrows = pulls(model)
    main = arrows["cross-entropy"]
    for name, arrow in arrows.items():
        angle = torch.cosine_similarity(arrow, main, dim=0)
        print(f"{when:16} {name:14} length {arrow.norm():7.4f}   cosine with the main task's {angle:+.2f}")

# %% [markdown]
# At the start SISR's pull is by far the longest, because its picture is wrong everywhere; it fades as the branch learns. A cosine near 0 says that the auxiliary task pulls sideways: neither helping nor fighting the main task on this batch. A negative one
# fights it. An auxiliary task is worth its price only if the sideways pull leads to features that the main task can use
# on *new* pictures. That is no matter of reasoning: notebook 08 measures it.

# %% [markdown]
# ## Stop, and go on bit for bit
#
# **Touch:** run the cell, and press *Stop and keep a checkpoint* at about a third. Run it again: it goes on from there. **Look for:** the curves
# begin where they stopped, and at the same height. **Ask yourself:** what would you see at the seam if the learning rate began anew? And if the momentum did?

# %%
watched = build_dsrl(recipes["dsrl"].network)
config = replace(configs["dsrl"], record_every=4)
watched_task = SegmentationObjective(config, 2, val_set, weights)

seen = training_monitor(
    fit(
        watched,
        watched_task,
        Batches.for_run(train_set, watched_task.example, config),
        config,
        directory=Path(kept_here.name),
        resume=True,
    ),
    row="dsrl",
    alt="Objective, cross-entropy, SISR error and feature affinity fall over 120 steps while the learning rate goes to 0",
).run()

# %% [markdown]
# Closing the generator, which that button does, or Ctrl-C, leaves a checkpoint. All that a step draws (pictures, crops, flips, dropout) follows from the seed
# and the step's number, so nothing else needs to be kept than weights, momentum, and that number.


# %%
def short_run(folder: Path, *, stop: int | None = None, resume: bool = False) -> DSRL:
    """Twelve steps, or as many as come before ``stop``."""
    config = replace(configs["dsrl"], iterations=12, record_every=1)
    model = build_dsrl(recipes["dsrl"].network)
    lines = fit(
        model,
        SegmentationObjective(config, 2, None, weights),
        Batches.for_run(train_set, task.example, config),
        config,
        directory=folder,
        resume=resume,
    )
    for line in lines:
        if line.iteration == stop:
            lines.close()  # what Ctrl-C does
            break
    return model


def differing(a: nn.Module, b: nn.Module) -> str:
    """How many tensors of two networks are not equal bit for bit."""
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    unequal = [not torch.equal(x, y) for x, y in pairs]
    return f"{sum(unequal)} of {len(unequal)} tensors differ"


# %%
with tempfile.TemporaryDirectory() as place:
    folders = [Path(place) / name for name in ("whole", "stopped", "weights alone")]
    whole = short_run(folders[0])
    stopped = short_run(folders[1], stop=5)
    checkpoint.copy_model(folders[1] / "latest.safetensors", folders[2] / "latest.safetensors")  # no momentum in it
    resumed = short_run(folders[1], resume=True)
    without_momentum = short_run(folders[2], resume=True)
print("stopped at step 5, against the whole run:", differing(stopped, whole))
print("stopped and resumed:                     ", differing(resumed, whole))
print("resumed from the weights alone:          ", differing(without_momentum, whole))

# %% [markdown]
# ### Exercise 07.4 · go on
# *Some thought · the heart of the notebook · 10 minutes.* Three things must be saved; forget any and the run goes on, quietly, as another one.


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
# A `DSRL` *owns* a complete network, `task_model`: host and SSSR head. Deploying means taking that part. There is no flag to forget, and no
# load with `strict=False` to hide a mistake. Three proofs: the logits, the tensors' names, the multiply-adds.

# %%
trained = models["dsrl"].eval()
image = val_set[0].image[None, :, ::2, ::2]
with tempfile.TemporaryDirectory() as place, torch.no_grad():
    path = Path(place) / "deployed.safetensors"
    described = {"network": recipes["dsrl"].network.to_json(), "deployed": True}
    checkpoint.save(path, trained.task_model, described)
    deployed, loaded = load_task_model(path)  # strictly: nothing missing, nothing left over
    print("logits equal bit for bit:", torch.equal(deployed(image), trained(image).logits))
left = [name for name in loaded.model_state() if "sisr" in name or "transform" in name]
print("tensors of SISR or FA in the file:", len(left), "of", len(loaded.model_state()))

# %%
costs = {
    "host alone": complexity(models["baseline"].task_model, input_size=(48, 64)),
    "deployed: host + SSSR": complexity(deployed, input_size=(48, 64)),
    "in training: + SISR + FA": complexity(trained, input_size=(48, 64)),
}
for name, cost in costs.items():
    print(f"{name:25} {cost.macs / 1e6:6.1f} M true MACs   {cost.parameters / 1e3:6.1f} k parameters")
macs = [cost.macs for cost in costs.values()]
reveal("07.left_behind", 100 * (1 - macs[1] / macs[2]), unit="%")

# %% [markdown]
# SISR and FA cost nothing at inference: that claim holds, exactly. The SSSR head stays and does cost something; notebook 05
# counts it for the authors' head on ESPNetv2, where it is nearly half of the bill.
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
# ## Try it
#
# One knob: `sisr_weight`. The paper takes 0.1. At 0 the branch's own weights never learn; at 1 the picture counts ten times as much.
# Watch the cross-entropy and SISR's error move against each other. (At 10 this run diverges within ten steps, and `fit` stops with the
# iteration's number in place of a NaN: try it.)

# %%
sisr_weight = 1.0
other = train("dsrl", build_dsrl(recipes["dsrl"].network), sisr_weight=sisr_weight, iterations=40)
at_40 = records["dsrl"][3]
print(f"after 40 steps, weight 0.1: cross-entropy {at_40.task:.3f}, SISR {at_40.sisr:.3f}")
print(f"after 40 steps, weight {sisr_weight:g}: cross-entropy {other[-1].task:.3f}, SISR {other[-1].sisr:.3f}")

# %% [markdown]
# (The short run's learning rate ends at 40 steps, so compare trends, not digits.)
#
# ## Break it
#
# The defect from public code: SISR's decoder is in no optimizer group. Gradients still flow *through* it into the encoder. What
# does the encoder learn from a decoder that stays random? `requires_grad_(False)` does here what the forgotten list entry did there.


# %%
def forget_the_decoder(model: DSRL) -> None:
    for part in (model.sisr_head, model.transform):
        part.requires_grad_(False)


def forget_nothing(model: DSRL) -> None:
    pass


DEFECT = forget_the_decoder  # the switch: or forget_nothing
broken = build_dsrl(recipes["dsrl"].network)
DEFECT(broken)
before = {name: parameter.detach().clone() for name, parameter in broken.named_parameters()}
broken_records = train("dsrl", broken)
still = [name for name, parameter in broken.named_parameters() if torch.equal(parameter, before[name])]
print(f"{len(still)} of {len(before)} parameters never moved:", *still[:3], "..." if still else "")

# %% [markdown]
# Symptoms to recognise: parameters that are equal before and after a step (the one test that surely finds it); a SISR error that
# stays higher than the healthy one; and an encoder bent until a *random* decoder draws something like the street. "SISR lowers mIoU" was
# reported from such a run.

# %% [markdown]
# ## The picture to take along
#
# Baseline in grey, DSRL, its negative control (FA of another picture), and the broken run. Right: the score of each on twelve scenes.


# %%
def draw_scores(ax: object, runs: list[Record]) -> None:
    names = {"baseline": "baseline", "dsrl": "DSRL", "shuffled": "shuffled FA\n(control)", "broken": "broken"}
    scores = [100 * run.lines[-1]["metrics"]["miou"] for run in runs]
    for place, (run, score) in enumerate(zip(runs, scores, strict=True)):
        style = style_of(run.first["row"])
        ax.barh(place, score, 0.6, color=style.color, alpha=0.45, edgecolor=style.color, hatch=style.hatch)
        ax.text(score + 0.5, place, f"{score:.1f}", va="center")
    ax.set_yticks(range(len(runs)), [names[run.first["row"]] for run in runs])
    ax.set(xlabel="mIoU (%), one seed", xlim=(0, 1.2 * max(scores)))
    ax.invert_yaxis()


runs = [as_run(row, lines) for row, lines in records.items()]
recipes["broken"] = recipes["dsrl"]
runs.append(as_run("broken", broken_records, "decoder in no group (broken)"))
curves = frames.curves(frames.frame(runs))
with theme():
    figure = new_figure(13, 3.6)
    *panels, last = figure.subplots(1, 4)
    for ax, term in zip(panels, ("task", "sisr", "affinity"), strict=True):
        training_curves(curves, term, legend=False, ax=ax)
    draw_scores(last, runs)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    show_figure(figure, alt="Cross-entropy, SISR error and FA over 120 steps for four runs, and the score of each")

# %% [markdown]
# **Paper against ours.** The paper reports 54.5 → 59.5 % mIoU for ESPNetv2 at 256 × 512 on Cityscapes [P]. Ours above: one seed,
# two minutes' worth of drawn streets, and differences smaller than another seed would make. It shows *how* the whole is trained. *Whether* it
# gains is the question of notebook 08, with seeds, intervals and real pictures.

# %% [markdown]
# ## Limits
#
# - One seed, 120 steps, 40 pictures: no row of the picture is better than another as far as this can tell.
# - Bit for bit holds on one machine with one number of threads; sums in another order differ in the last digits.
# - Gradients were compared on one batch; their angle changes along the run.
# - The paper's epochs, batch size, crop and augmentation are not known.

# %% [markdown]
# ## Five questions to take along
#
# 1. Which two tensors enter FA, and which two pairs enter the other losses?
# 2. What is the learning rate of the last step: zero, or not quite?
# 3. Your SISR loss does not fall, and the score drops when you add SISR. What do you test first?
# 4. What must a checkpoint hold besides weights?
# 5. Why can SISR be left behind after training, and the SSSR head not?

# %% [markdown]
# ## Words and sources
#
# **objective** 目标函数: the weighted sum of all losses. **main task, auxiliary task** 主任务、辅助任务: wanted at inference, or in training only.
# **poly** 多项式学习率衰减. **momentum** 动量. **resume** 断点续训. **deployed network** 部署的网络: `task_model` alone.
#
# - Wang, Li, Zhu, Tian, Shan: Dual Super-Resolution Learning for Semantic Segmentation, CVPR 2020 (equations 2 to 5).
# - Chen, Papandreou, Kokkinos, Murphy, Yuille: DeepLab, 2017 (the poly learning rate). Caruana: Multitask Learning, 1997 (auxiliary tasks).
# - In the kit: `dsrl_lab/training/loop.py` is the open loop, `dsrl_lab/training/optim.py` the two rules.
