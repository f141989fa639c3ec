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
# # 02 · Super-resolution four ways
#
# **Claim.** The four frameworks of super-resolution differ in *where* they enlarge. That place decides what a multiply-add buys; training time decides the rest. DSRL borrows the
# cheapest of the four for its SISR branch.
#
# Measured: about a minute and a half of CPU time on one core, 2.5 GB of memory at most. Data: photographs that ship with scikit-image; weights that the kit trained on T91. Needs: 00. No internet, no GPU.

# %%
from dsrl_lab.course.notebook import show_figure, start

lab = start()

# %%
from dataclasses import replace

import torch
from matplotlib.ticker import MaxNLocator
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab.complexity import complexity
from dsrl_lab.course.exercises import check, hint, predict, reveal, solution
from dsrl_lab.datasets.photos import Photos
from dsrl_lab.datasets.super_resolution import (
    SRPair,
    imresize_bicubic,
    luminance,
    reduce_bicubic,
)
from dsrl_lab.models.super_resolution import DBPN, ESPCN, SRCNN, LapSRN, SuperResolver
from dsrl_lab.plots.super_resolution import Reconstruction, super_resolution_row
from dsrl_lab.plots.theme import new_figure, style_of, theme
from dsrl_lab.recipes import find_super_resolution_recipe
from dsrl_lab.training import record
from dsrl_lab.training.build import build_super_resolver, load_super_resolver
from dsrl_lab.training.config import SuperResolverConfig
from dsrl_lab.training.examples import Batches
from dsrl_lab.training.loop import fit
from dsrl_lab.training.super_resolution import SuperResolutionObjective, score_pairs
from dsrl_lab.widgets import super_resolution_compare

photos = Photos()

# %% [markdown]
# ## The same cat, enlarged by those who practised
#
# A picture is reduced to half its sides and enlarged again: by bicubic interpolation, which knows nothing, and by networks that the kit trained on 81 other pictures (committed checkpoints; their records say how long).

# %%
NAMES = ("srcnn", "espcn", "lapsrn", "dbpn")
TITLES = {"srcnn": "SRCNN", "espcn": "ESPCN", "lapsrn": "LapSRN", "dbpn": "DBPN"}
kept = {name: lab.root / "data/checkpoints" / f"super_resolution_{name}.safetensors" for name in NAMES}
long_trained = {name: load_super_resolver(path) for name, path in kept.items() if path.is_file()}


def photo(name: str, height: int = 192, width: int = 256) -> Tensor:
    """The middle of a photograph."""
    image = photos[photos.names.index(name)].image
    top, left = (image.shape[1] - height) // 2, (image.shape[2] - width) // 2
    return image[:, top : top + height, left : left + width]


@torch.no_grad()
def in_colour(model: SuperResolver, low_res: Tensor) -> Tensor:
    """Enlarge Y by the network and the colours by bicubic, as the field does."""
    size = (2 * low_res.shape[1], 2 * low_res.shape[2])
    bicubic = imresize_bicubic(low_res, size)
    detail = model(luminance(low_res)[None]).image[0] - luminance(bicubic)
    return (bicubic + detail * 255 / 219).clamp(0, 1)  # Y spans 219 of 255 levels


# %%
cat = photo("chelsea")
small_cat = reduce_bicubic(cat, 2)
made = [Reconstruction("bicubic", imresize_bicubic(small_cat, (192, 256)).clamp(0, 1))]
made += [Reconstruction(TITLES[name], in_colour(model, small_cat)) for name, model in long_trained.items()]

with theme():
    figure = new_figure(13, 2.7)
    axes = figure.subplots(1, len(made) + 2)
    super_resolution_row(small_cat, cat, made, axes=list(axes), crop=(29, 39, 64, 64))
    show_figure(figure, alt="The cat's eye: small, enlarged by bicubic and by trained networks, and the original")

# %% [markdown]
# ## What you will be able to do
#
# 1. Score an enlarged picture as papers do, and spot scores that cannot be compared.
# 2. Say where each framework enlarges, and what that costs.
# 3. Write LapSRN's loss and DBPN's projection.
# 4. Train all four on one budget, beside a baseline and a control, and read the result with care.
# 5. Say why DSRL takes post-upsampling for a branch that it throws away.

# %% [markdown]
# ## Predict
#
# SRCNN has 57,281 weights, ESPCN 21,284. How many times the multiply-adds of ESPCN does SRCNN take for the same picture? And: four networks train for a few seconds each. By how many
# decibels will the best of them beat bicubic on a photograph it has not seen? Put numbers in place of `None`.

# %%
predict("02.cost", None, unit="times")

# %%
predict("02.gain", None, unit="dB")

# %% [markdown]
# ## How it is scored
#
# $$\text{PSNR} = 10 \log_{10} \frac{1}{\text{mean}\,(x - y)^2} \quad\text{for values in } [0, 1]$$
#
# Half the error is 6 dB more. **SSIM** compares means, spreads and co-variation in small windows; 1 is equality. Both want the original, and neither asks whether the picture looks real. The field scores luminance Y alone, and leaves a border
# of s pixels out. So do the lines printed below; titles over pictures score RGB to the very edge, and give a lower PSNR for the same picture.

# %% [markdown]
# ### Exercise 02.1 · the field's PSNR
# *Some thought · the heart of the notebook · 10 minutes.* The docstring gives Y. Five small things can go wrong; each has a typical size.


# %%
def psnr_y(super_res: Tensor, high_res: Tensor, border: int) -> Tensor:
    """PSNR in dB as papers report it: on luminance alone, without a border.

    Y = (16 + 65.481 R + 128.553 G + 24.966 B) / 255 for R, G, B in [0, 1]. The
    super-resolved picture is clipped to [0, 1] first; the peak of the signal is 1.

    Args:
        super_res: may leave [0, 1] a little.
        high_res: the truth, in [0, 1].
        border: pixels left out on each side, at least 1.

    Shape:
        - super_res, high_res: (3, H, W)
        - output: scalar

    Example:
        >>> psnr_y(torch.full((3, 8, 8), 0.5), torch.full((3, 8, 8), 0.25), 2)
        tensor(13.3631)
    """
    raise NotImplementedError


check("02.1", psnr_y)

# %%
hint("02.1") + solution("02.1")

# %% [markdown]
# ## Four places to enlarge
#
# | framework | network | the enlargement |
# |---|---|---|
# | pre-upsampling | SRCNN | bicubic, before the first layer |
# | post-upsampling | ESPCN | learnt, in the last layer (sub-pixel) |
# | progressive | LapSRN | by two, level by level, each level a picture |
# | iterative up-and-down | DBPN | up, down and up again, with the error fed back |

# %%
networks = {
    "srcnn": SRCNN(2, channels=1),
    "espcn": ESPCN(2, channels=1),
    "lapsrn": LapSRN(2, channels=1),
}
networks["dbpn"] = DBPN(2, channels=1, stages=2, width=16, stem_width=32, global_skip=True)


def where_it_works(model: SuperResolver) -> list[tuple[float, bool]]:
    """For each layer in order: multiply-adds per small pixel, and whether its output is of the large size."""
    seen: list[bool] = []
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    handles = [layer.register_forward_hook(lambda _, x, y: seen.append(y.shape[-1] > 24)) for layer in layers]
    counted = [layer for layer in complexity(model, (24, 24), channels=1).layers if layer.name != "enlarge"]
    for handle in handles:
        handle.remove()
    return [(layer.macs / 24**2, large) for layer, large in zip(counted, seen, strict=True)]


works = {name: where_it_works(model) for name, model in networks.items()}

# %%
with theme():
    figure = new_figure(12, 3.0)
    for ax, (name, layers) in zip(figure.subplots(1, 4), works.items(), strict=True):
        for place, (macs, large) in enumerate(layers, start=1):
            look = style_of("dsrl" if large else "sssr")
            ax.bar(place, macs / 1e3, color=look.color, hatch=look.hatch, edgecolor="white")
        share = sum(macs for macs, large in layers if large) / sum(macs for macs, _ in layers)
        ax.set(
            title=f"{TITLES[name]}: {share:.0%} at the large size",
            xlabel="layer",
            yscale="log",
            ylim=(0.01, 400),
        )
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.axes[0].set_ylabel("thousand MACs per small pixel")
    meaning = "orange, crossed: the layer gives a map of the large size; blue, striped: of the small size"
    figure.suptitle(meaning, fontsize=10)
    show_figure(
        figure,
        alt="Multiply-adds of each layer of the four networks, coloured by the size it works at",
    )

# %%
for name, model in networks.items():
    cost = complexity(model, (128, 256), channels=1)
    overlooked = cost.macs - cost.macs_without_transposed
    row = f"{TITLES[name]:7} {model.framework:22} {cost.parameters:7,} parameters"
    print(f"{row}  {cost.macs / 1e9:5.2f} G MACs at 128×256, {overlooked / 1e9:.2f} G transposed")
reveal(
    "02.cost",
    sum(m for m, _ in works["srcnn"]) / sum(m for m, _ in works["espcn"]),
    unit="times",
)

# %% [markdown]
# SRCNN pays at four times the positions for every weight it has. ESPCN gives no multiply-add to the large picture: its last layer makes four numbers per small pixel, which are laid out as a block. In
# LapSRN and DBPN a good part is transposed convolution, which a counter of plain `Conv2d` layers does not see.

# %% [markdown]
# ### Exercise 02.2 · before or after
# *Easy · the heart of the notebook · 6 minutes.* One stack of layers, two places for the enlargement.


# %%
def stack_macs(
    layers: list[tuple[int, int, int]],
    height: int,
    width: int,
    upscale_factor: int,
    enlarge_first: bool,
) -> int:
    """Multiply-adds of a stack of convolutions, before or after the enlargement.

    Each convolution keeps the size of what it receives.

    Args:
        layers: (in_channels, out_channels, kernel_size) of each.
        height: of the SMALL picture.
        width: of the SMALL picture.
        upscale_factor: s.
        enlarge_first: the picture is enlarged (at no cost) before the first layer, or
            else after the last.

    Example:
        >>> stack_macs([(1, 8, 3)], 10, 10, 2, enlarge_first=False)
        7200
        >>> stack_macs([(1, 8, 3)], 10, 10, 2, enlarge_first=True)
        28800
    """
    raise NotImplementedError


check("02.2", stack_macs)

# %%
hint("02.2") + solution("02.2")

# %% [markdown]
# ## Pre-upsampling: SRCNN
#
# Idea: enlarge by bicubic, then repair. Three layers: 9 × 9 to 64 channels finds edges, 5 × 5 to 32 maps them, 5 × 5 puts the picture together. It suits any factor, even fractions. Our SRCNN
# starts as the identity, where bicubic ends.
#
# ## Post-upsampling: ESPCN
#
# Idea: stay small until the end. Shapes: (1, h, w) → (64, h, w) → (32, h, w) → (s², h, w) → shuffle → (1, s·h, s·w).

# %%
y = luminance(small_cat)[None]
x = ESPCN(2, channels=1)
bicubic_y = imresize_bicubic(y, (192, 256))
apart = (SRCNN(2, channels=1)(y).image - bicubic_y).detach().abs().max()
print(f"untrained SRCNN against bicubic, largest difference: {float(apart):.3f} of 1")
print("ESPCN:", tuple(y.shape), "->", tuple(x(y).image.shape))

# %% [markdown]
# ## Progressive: LapSRN
#
# Idea: each level doubles the picture and adds the detail that bilinear doubling misses, like a Laplacian pyramid read upwards. Every level gives a picture, and every picture is
# supervised with the Charbonnier penalty, an absolute difference without its corner.
#
# $$L = \sum_{k} \text{mean}\sqrt{(x_k - y_k)^2 + \varepsilon^2}$$

# %%
levels = LapSRN(4, channels=1)(y).scales
print("x4, one forward pass:", " -> ".join(str(tuple(level.shape[-2:])) for level in levels))

# %% [markdown]
# ### Exercise 02.3 · a loss on every level
# *Some thought · useful · 8 minutes.* Where does the root stand, and what is averaged over what?


# %%
def pyramid_loss(scales: list[Tensor], targets: list[Tensor], epsilon: float) -> Tensor:
    """LapSRN's loss: every level has its own target, and levels add up.

    The penalty of a difference d is sqrt(d^2 + epsilon^2), nearly |d| but smooth at 0;
    a level's loss is the mean of it over all of the level's values (pictures, channels,
    pixels).

    Args:
        scales: what the network gave at each level, small to large.
        targets: the truth at each level, in the same order and of the same sizes.
        epsilon: above 0.

    Shape:
        - scales[k], targets[k]: (N, C, H_k, W_k)
        - output: scalar

    Example:
        >>> small, large = torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 4, 4)
        >>> pyramid_loss([small, large], [small + 3, large], epsilon=4.0)
        tensor(9.)
    """
    raise NotImplementedError


check("02.3", pyramid_loss)

# %%
hint("02.3") + solution("02.3")

# %% [markdown]
# ## Iterative up-and-down: DBPN
#
# Idea: if the enlargement is right, reducing it gives back what came in. Where it does not, the difference says what to correct. DBPN learns all of these steps and chains them.
#
# $$H_0 = \uparrow\! L, \qquad E = \downarrow\! H_0 - L, \qquad H = H_0 + \uparrow\! E$$

# %% [markdown]
# ### Exercise 02.4 · the up-projection
# *Some thought · the heart of the notebook · 10 minutes.* Three kernels of the unit's own, no activation.


# %%
def up_projection(low: Tensor, up: Tensor, down: Tensor, again: Tensor) -> Tensor:
    """DBPN's up-projection without its activations.

    Enlarge, go back, and add what the round trip got wrong, enlarged.

    H0 = enlarge L by ``up``; L0 = reduce H0 by ``down``; E = L0 - L;
    result = H0 + (enlarge E by ``again``).

    To enlarge is ``F.conv_transpose2d``, to reduce ``F.conv2d``, each with stride 2 and
    padding 2.

    Shape:
        - low: (N, C, h, w)
        - up, down, again: (C, C, 6, 6)
        - output: (N, C, 2h, 2w)

    Example:
        >>> kernel = torch.ones(1, 1, 6, 6) / 36
        >>> up_projection(torch.ones(1, 1, 4, 4), kernel, kernel, kernel).shape
        torch.Size([1, 1, 8, 8])
    """
    raise NotImplementedError


check("02.4", up_projection)

# %%
hint("02.4") + solution("02.4")

# %% [markdown]
# The idea is older than networks. Without a single learnt weight, feeding the reduced error back improves bicubic enlargement, here on the cat:

# %%
picture = SRPair(luminance(small_cat), luminance(cat), "cat")
guess = imresize_bicubic(picture.low_res, (192, 256))
for step in range(5):
    error = (guess - picture.high_res)[:, 2:-2, 2:-2].square().mean()
    print(f"after {step} corrections: {float(-10 * error.log10()):.2f} dB")
    guess = guess - imresize_bicubic(imresize_bicubic(guess, (96, 128)) - picture.low_res, (192, 256))

# %% [markdown]
# ## One budget for all
#
# Equal steps would favour the dear networks, equal seconds the machine's taste. Here each framework gets the same number of **training multiply-adds**, so a cheap network may take more steps. Training pictures are five
# photographs, the cat and the photographer are held out.


# %%
def pair(name: str, size: tuple[int, int] = (192, 256)) -> SRPair:
    high_res = luminance(photo(name, *size))
    return SRPair(reduce_bicubic(high_res, 2), high_res, name)


training = [pair(name, (384, 400)) for name in ("astronaut", "coffee", "rocket", "brick", "grass")]
held_out = [pair("chelsea"), pair("camera")]
BUDGET = 60e9  # multiply-adds of forward passes; backward passes take about twice as many again
BATCH, PATCH = 4, 48
steps = {}
for name, layers in works.items():
    per_step = BATCH * (PATCH // 2) ** 2 * sum(macs for macs, _ in layers)
    steps[name] = round(BUDGET / per_step)
    print(f"{TITLES[name]:7} {per_step / 1e6:6.0f} M per step, {steps[name]:5} steps")


# %%
def train(name: str, **changes: object) -> tuple[SuperResolver, list]:
    """Train a framework on the budget; give the network and its records."""
    small = {"stages": 2, "width": 16} if name == "dbpn" else {}
    chosen = SuperResolverConfig(network=name, **({"loss": "l1"} | small | changes))
    every = max(1, steps[name] // 4)
    config = replace(
        find_super_resolution_recipe("super_resolution_srcnn").train,
        input_size=(PATCH // 2, PATCH // 2),
        iterations=steps[name],
        batch_size=BATCH,
        warmup_iterations=5,
        record_every=every,
        evaluate_every=every,
    )
    model = build_super_resolver(chosen)
    learnt = SuperResolutionObjective(config, training, 2, chosen.loss, held_out)
    return model, list(fit(model, learnt, Batches.for_run(training, learnt.example, config), config))


print("under a minute ...")
runs = {}
for name in NAMES:
    runs[name] = train(name)
    last = runs[name][1][-1]
    spent = f"{last.iteration:5} steps  {last.cpu_seconds:5.1f} s of CPU time"
    print(f"{TITLES[name]:7} {spent}  {last.metrics['psnr']:.2f} dB")

# %% [markdown]
# Two yardsticks. The **baseline** is bicubic. The **negative control** is bicubic sharpened by an unsharp mask whose strength is chosen on the training pictures: it looks crisper and has learnt one number. If it did as well as a network, sharpness would be all there is to it.


# %%
class Sharpened(nn.Module):
    """Bicubic, then amount times what a blur takes away."""

    def __init__(self, amount: float) -> None:
        super().__init__()
        self.amount = amount

    def forward(self, low_res: Tensor) -> Reconstruction:
        image = imresize_bicubic(low_res, (2 * low_res.shape[-2], 2 * low_res.shape[-1]))
        blurred = F.avg_pool2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        return Reconstruction("sharpened", image + self.amount * (image - blurred))


AMOUNTS = torch.arange(0, 1.05, 0.1).tolist()
best_amount = max(AMOUNTS, key=lambda amount: score_pairs(Sharpened(amount), training)["psnr"])
scores = {
    "bicubic": score_pairs(None, held_out),
    "sharpened": score_pairs(Sharpened(best_amount), held_out),
}
scores |= {name: score_pairs(model, held_out) for name, (model, _) in runs.items()}

# %% [markdown]
# ## The picture to take along
#
# Left: the two held-out photographs while training spends its budget. Right: what one picture costs to enlarge, trained here (hollow) and trained long on T91 (full).

# %%
LOOKS = {"srcnn": style_of("baseline"), "espcn": style_of("dsrl"), "lapsrn": style_of("sssr"), "dbpn": style_of("sisr")}
with theme():
    figure = new_figure(12, 4.0)
    left, right = figure.subplots(1, 2)
    for name, (_, records) in runs.items():
        look, per_pixel = LOOKS[name], sum(macs for macs, _ in works[name]) / 1e3
        spent = [line.iteration / steps[name] * BUDGET / 1e9 for line in records]
        psnr = [line.metrics["psnr"] for line in records]
        left.plot(spent, psnr, look.marker, linestyle=look.line, color=look.color, label=TITLES[name])
        right.plot(per_pixel, scores[name]["psnr"], look.marker, color=look.color, mfc="white", markersize=8)
        if name in long_trained:
            cost = complexity(long_trained[name], (24, 24), channels=1).macs / 24**2 / 1e3
            score = score_pairs(long_trained[name], held_out)["psnr"]
            right.plot(cost, score, look.marker, color=look.color, markersize=8, label=f"{TITLES[name]}, trained long")
    for ax in (left, right):
        ax.axhline(scores["bicubic"]["psnr"], color="#22262C", linestyle="--", linewidth=1, label="bicubic")
        ax.axhline(
            scores["sharpened"]["psnr"], color="#7A8290", linestyle=":", linewidth=1.4, label="control: sharpened"
        )
    left.legend(fontsize=8, ncols=2, loc="center right", bbox_to_anchor=(1, 0.29))
    right.legend(fontsize=8, loc="lower left")
    left.set(xlabel="training, 10⁹ multiply-adds of forward passes", ylabel="PSNR on Y, held out (dB)")
    right.set(xlabel="thousand multiply-adds per small pixel", xscale="log", ylabel="PSNR on Y, held out (dB)")
    right.set_xticks((20, 50, 100, 200, 400), ("20", "50", "100", "200", "400"))
    right.minorticks_off()
    show_figure(figure, alt="PSNR of the four frameworks over training cost, and over the cost of one enlargement")

# %%
for name, score in scores.items():
    macs = f"{sum(m for m, _ in works[name]) / 1e3:6.1f} k MACs per small pixel" if name in works else ""
    print(f"{TITLES.get(name, name):10} PSNR {score['psnr']:.2f} dB  SSIM {score['ssim']:.4f}  {macs}")
best = max(scores[name]["psnr"] for name in NAMES)
reveal("02.gain", best - scores["bicubic"]["psnr"], unit="dB")

# %% [markdown]
# Read it honestly. On this small budget DBPN gains 1.2 dB over bicubic, ESPCN 0.9. SRCNN spends most of its money at the large size and gets 114 steps: 0.2 dB. LapSRN, the dearest, gets 60 steps and is still **under** bicubic, for its
# picture path starts as bilinear. And the control, one learnt number, gains 0.4 dB and beats two networks. So "better than bicubic" proves little; ask for "better than sharpened" too. The full marks show what patience adds.

# %% [markdown]
# ## By eye
#
# **Touch:** swipe the line between two methods; drag the lens over fur, an eye, the whiskers; press *Error maps*. **Look for:** where is the error? It sits where
# detail is finest, which half the sides cannot hold. **Ask yourself:** is there a place where the sharpened control is ahead of DBPN in the lens? What does a high score there say about the eye's opinion?

# %%
by_eye = {"bicubic": imresize_bicubic(small_cat, (192, 256)).clamp(0, 1)}
by_eye["sharpened"] = Sharpened(best_amount)(small_cat[None]).image[0].clamp(0, 1)
by_eye |= {TITLES[name]: in_colour(model, small_cat) for name, (model, _) in runs.items()}

super_resolution_compare(
    small_cat,
    cat,
    by_eye,
    crop=(37, 47, 48, 48),
    alt="The cat enlarged by bicubic, the sharpened control and the four networks, whole and around an eye, with PSNR and "
    "SSIM; below, their errors, brightest along whiskers and edges",
)

# %% [markdown]
# ## Trained long
#
# The same frameworks on T91, with the weights chosen on ten of its pictures that were held out. Set5 and Set14 were scored once, at the end; the numbers below are read from those records.


# %%
def on_both(method: str) -> str:
    """Scores on Set5 and Set14 of the record that was read last."""
    scores = {"Set5": five[method], "Set14": fourteen[method]}
    return "  ".join(f"{where} {s['psnr']:.2f} dB {s['ssim']:.4f}" for where, s in scores.items())


for name in long_trained:
    first, *_, end = record.read(lab.root / "data/runs" / f"super_resolution_{name}.jsonl")
    five, fourteen = (end["scores"][benchmark] for benchmark in ("Set5", "Set14"))
    how = f"{first['config']['iterations']:6} steps of {first['config']['batch_size']:2}"
    minutes = end["cpu_seconds"] / 60
    print(f"{TITLES[name]:7} {on_both('network')}  {how}, {minutes:4.1f} CPU minutes")
print(f"bicubic {on_both('bicubic')}")

# %% [markdown]
# **Paper against ours.** Set5 ×2 as the papers report it: SRCNN 36.66 dB, LapSRN 37.52, D-DBPN 38.09, with far longer training, the last two on larger sets, and DBPN with a far larger network. Ours: the rows above, minutes of CPU time on 81 pictures. Bicubic agrees with the
# field's 33.66 within 0.05 dB, so the yardstick is the same; what is missing to the papers is training.

# %% [markdown]
# ## Why DSRL takes the second
#
# Its SISR branch enlarges features of the shared encoder by sub-pixel convolution [B], which is post-upsampling. This notebook shows why that fits: the work is done at the small size, on the very maps that the segmenter needs too; no
# bicubic picture is wanted to start from; and for each multiply-add it learns fast. The branch is thrown away after training, so only training pays for it, at every step; the other two frameworks would bring transposed convolutions at the large size into each.

# %% [markdown]
# ## Try it
#
# One knob: the loss. Mean squared error is what PSNR measures; is it also the best teacher on a short budget?

# %%
loss = "mse"
tried = train("espcn", loss=loss)[1][-1].metrics["psnr"]
print(f"ESPCN with {loss}: {tried:.2f} dB, with l1: {scores['espcn']['psnr']:.2f} dB")

# %% [markdown]
# ## Break it
#
# Networks learn to undo *one* reduction. Turn `DEFECT`: the small picture is made another way, and a network that was trained for bicubic reduction meets it.

# %%
REDUCTIONS = {
    "none": lambda x: reduce_bicubic(x, 2),
    "every second pixel": lambda x: x[:, ::2, ::2],
    "interpolate without antialiasing": lambda x: F.interpolate(x[None], scale_factor=0.5, mode="bicubic")[0],
    "mean of each block": lambda x: F.avg_pool2d(x, 2),
}
DEFECT = "every second pixel"  # the switch
judge = long_trained.get("espcn", runs["espcn"][0])
shown = {}
for name in dict.fromkeys(("none", DEFECT, *REDUCTIONS)):
    broken = [SRPair(REDUCTIONS[name](p.high_res), p.high_res, p.name) for p in held_out]
    ours, plain = score_pairs(judge, broken)["psnr"], score_pairs(None, broken)["psnr"]
    print(f"{name:34} ESPCN {ours:.2f} dB   bicubic {plain:.2f} dB   gain {ours - plain:+.2f} dB")

# %% [markdown]
# Symptoms to recognise: a published network that scores *under* bicubic, jagged edges and bright rims. It is rarely the network: somebody made the small pictures with another filter, or with a grid that is shifted by half a pixel. That is also
# why MATLAB's and PyTorch's "bicubic" must not be mixed.

# %% [markdown]
# ## Limits
#
# - One seed, one budget, two held-out photographs: the order of the four here is an observation. On longer budgets it changes, as the full marks show.
# - The small picture is made by a known filter. Real cameras blur, shift and compress.
# - PSNR rewards the mean of all plausible pictures, which is smooth. Networks that look sharper often score lower.
# - The DBPN trained above is a small one: T = 2, width 16, with a bicubic skip that the paper does not have.

# %% [markdown]
# ## Five questions to take along
#
# 1. Where does each of the four enlarge, and which layers pay for it?
# 2. Your PSNR is exactly 1.32 dB under the paper's. What happened?
# 3. Why is every level of LapSRN supervised?
# 4. What does the error in a projection unit measure, and at which size?
# 5. DSRL's SISR branch is thrown away after training. Why does it still matter that it is cheap?

# %% [markdown]
# ## Words and sources
#
# **super-resolution** 超分辨率, **pre-/post-upsampling** 前/后上采样, **progressive** 渐进式, **back-projection** 反投影, **luminance** 亮度, **PSNR** 峰值信噪比, **SSIM** 结构相似性.
#
# - Dong et al.: SRCNN, TPAMI 2016. Shi et al.: ESPCN, CVPR 2016. Lai et al.: LapSRN, CVPR 2017. Haris et al.: DBPN, CVPR 2018.
# - Wang, Chen, Hoi: Deep learning for image super-resolution, a survey, TPAMI 2020 (the four frameworks).
# - Irani, Peleg: Improving resolution by image registration, 1991 (back-projection).
