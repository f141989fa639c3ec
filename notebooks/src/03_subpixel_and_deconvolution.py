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
# # 03 · Sub-pixel and transposed convolution
#
# **Claim.** Sub-pixel convolution and transposed convolution ("deconvolution") are one operation with its weights laid out in two ways.
# Checkerboards come from the weights, not from the name, and ICNR takes them away at the start.
#
# Measured: about 10 seconds of CPU time on one core, 1.5 GB of memory at most. Data: photographs that ship with scikit-image. Needs: 00. No internet, no GPU.

# %%
from dsrl_lab.course.notebook import show_figure, start

lab = start()

# %%
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab.complexity import complexity
from dsrl_lab.course.exercises import check, hint, predict, reveal, solution
from dsrl_lab.datasets.photos import Photos
from dsrl_lab.datasets.transforms import reduce_image
from dsrl_lab.metrics import psnr
from dsrl_lab.models.super_resolution import BicubicUpsample, icnr_
from dsrl_lab.plots.masks import show_image
from dsrl_lab.plots.theme import new_figure, style_of, theme

photos = Photos()


def photo(name: str) -> Tensor:
    return photos[photos.names.index(name)].image


# %% [markdown]
# ## A cat behind a grid
#
# Three layers that have learnt nothing yet enlarge the same small picture. Each output channel looks at one input channel, in two layers with random positive
# weights, in the middle one with equal ones, so the cat should merely come out blurred. In two of the pictures something else comes out too.

# %%
cat = photo("chelsea")[:, :288, :432]
small = reduce_image(cat, (144, 216))
crop = small[None, :, 40:80, 40:100]
weights = torch.rand(4, 1, 3, 3)
weights = weights / weights.sum((1, 2, 3)).mean()  # as bright as the input, on average


def each_channel(layer: object, image: Tensor) -> Tensor:
    return torch.cat([layer(image[:, c : c + 1]) for c in range(3)], 1)


uneven = torch.ones(1, 1, 3, 3) * 4 / 9
pictures = {
    "sub-pixel, random start": each_channel(lambda x: F.pixel_shuffle(F.conv2d(x, weights, padding=1), 2), crop),
    "transposed 3×3, stride 2": each_channel(lambda x: F.conv_transpose2d(x, uneven, None, 2, 1, 1), crop),
    "sub-pixel, ICNR start": each_channel(
        lambda x: F.pixel_shuffle(F.conv2d(x, weights[:1].repeat(4, 1, 1, 1) / weights[:1].sum(), padding=1), 2), crop
    ),
}

# %%
with theme():
    figure = new_figure(12, 3.1)
    for ax, (name, picture) in zip(figure.subplots(1, 3), pictures.items(), strict=True):
        show_image(picture[0], title=name, crisp=True, ax=ax)
    show_figure(
        figure, alt="The same cat's face enlarged three ways: two pictures show a fine grid of dots, the third does not"
    )

# %% [markdown]
# ## What you will be able to do
#
# 1. Say what pixel shuffle does to every axis, and write it.
# 2. Turn a sub-pixel convolution into a transposed one, and prove that outputs *and* gradients agree.
# 3. Tell the two causes of checkerboards apart, and predict one from kernel size and stride.
# 4. Start a layer by ICNR, and say how long its help lasts.
# 5. Count what enlarging costs, and find it where a counter overlooked it.

# %% [markdown]
# ## Predict
#
# A sub-pixel convolution with a 3 × 3 kernel and a factor of 2, and a transposed convolution with a 6 × 6 kernel and a stride of 2: how many times the
# multiply-adds of the first does the second take? Then: a small network trains for 60 steps from a checkerboard. How much
# of the pattern is left, in per cent? Put numbers in place of `None`.

# %%
predict("03.cost", None, unit="times")

# %%
predict("03.left", None, unit="%")

# %% [markdown]
# ## Pixel shuffle
#
# Idea: a convolution at the small size makes s² numbers for each pixel and channel. Laid side by side they are a block of s × s pixels.
#
# $$y_{c,\;si+a,\;sj+b} = x_{cs^2+as+b,\;i,\;j}$$
#
# Shapes: (N, C·s², h, w) → (N, C, s·h, s·w). Nothing is computed; numbers only move, and the way back, `pixel_unshuffle`, loses nothing either. Each of the s² positions (a, b) in a block is called a **phase**.

# %%
numbered = torch.arange(4.0).reshape(1, 4, 1, 1).expand(1, 4, 2, 3)  # channel k is full of k
print(F.pixel_shuffle(numbered, 2)[0, 0])

# %% [markdown]
# ### Exercise 03.1 · pixel shuffle by hand
# *Some thought · the heart of the notebook · 10 minutes.* Reshape, permute, reshape. The order of the axes is the whole exercise.


# %%
def shuffle(x: Tensor, upscale_factor: int) -> Tensor:
    """Pixel shuffle with reshape and permute only (no ``pixel_shuffle``).

    Channel c * s^2 + a * s + b becomes row a, column b of each s x s block of
    channel c.

    Shape:
        - x: (N, C * s^2, h, w)
        - output: (N, C, s * h, s * w)

    Example:
        >>> shuffle(torch.tensor([[[[1.0]], [[2.0]], [[3.0]], [[4.0]]]]), 2)
        tensor([[[[1., 2.],
                  [3., 4.]]]])
    """
    raise NotImplementedError


check("03.1", shuffle)

# %%
hint("03.1") + solution("03.1")

# %% [markdown]
# ## Transposed convolution: a stamp
#
# A convolution *looks*: each output gathers from its neighbours. Its transpose *stamps*: each input pixel leaves a copy of the kernel, times its
# value; stamps stand `stride` apart and where they overlap they add up.
#
# $$y_{si+u} \mathrel{+}= x_i\,w_u$$

# %%
kernel = torch.tensor([1.0, 2.0, 3.0])
signal = torch.tensor([1.0, 1.0, 10.0])
by_hand = torch.zeros(7)
for i, value in enumerate(signal):
    by_hand[2 * i : 2 * i + 3] += value * kernel
print(by_hand.tolist())
print(F.conv_transpose1d(signal[None, None], kernel[None, None], stride=2)[0, 0].tolist())

# %% [markdown]
# ### Exercise 03.2 · how many stamps lie on each position?
# *Some thought · useful · 8 minutes.* If the number differs from position to position, a constant input comes out striped.


# %%
def taps(kernel_size: int, stride: int) -> list[int]:
    """How many taps of a 1-D transposed convolution fall on each output position.

    Far from the border the pattern repeats every ``stride`` positions. Entry a of the
    list is for the outputs at which, without padding, position modulo stride is a.

    Example:
        >>> taps(3, 2)  # uneven: a checkerboard
        [2, 1]
        >>> taps(4, 2)
        [2, 2]
        >>> taps(1, 2)  # a kernel smaller than its stride leaves holes
        [1, 0]
    """
    raise NotImplementedError


check("03.2", taps)

# %%
hint("03.2") + solution("03.2")

# %% [markdown]
# ## The proof
#
# Fix a phase a. In the sub-pixel layer its output looks at inputs i + u − r with a weight of its own. In the transposed layer the same output
# receives stamps from the same inputs. So tap u of phase a must be tap s·(k − 1 − u) + a of the stamp: turned round, because one looks and the other
# stamps, and interleaved, because stamps stand s apart. The 3 × 3 kernels of four phases become one kernel of 6 × 6.


# %%
def as_stamp(weight: Tensor, s: int) -> Tensor:
    """(C * s^2, C_in, k, k) -> (C_in, C, k * s, k * s), by asking: what does one bright pixel leave behind?"""
    c_in, k = weight.shape[1], weight.shape[-1]
    sparks = torch.zeros(c_in, c_in, k, k)
    sparks[range(c_in), range(c_in), k // 2, k // 2] = 1
    return F.pixel_shuffle(F.conv2d(sparks, weight, padding=k // 2), s)


sub_pixel = (torch.randn(12, 3, 3, 3) * 0.2).requires_grad_()
stamp = as_stamp(sub_pixel.detach(), 2).requires_grad_()
one = F.pixel_shuffle(F.conv2d(small[None], sub_pixel, padding=1), 2)
other = F.conv_transpose2d(small[None], stamp, stride=2, padding=2)
print("shapes", tuple(one.shape), tuple(other.shape))
print(
    "largest difference on a photograph:",
    f"{float((one - other).detach().abs().max()):.1e}",
)

# %% [markdown]
# Equal outputs for one input could be luck; a linear layer leaves no room for it. But do they also *learn* alike? The gradients must be each other's
# rearrangement too. Then every step of gradient descent keeps them equal for ever.

# %%
truth = cat[None]
((one - truth) ** 2).mean().backward()
((other - truth) ** 2).mean().backward()
print(
    "gradients, largest difference:",
    f"{float((as_stamp(sub_pixel.grad, 2) - stamp.grad).abs().max()):.1e}",
)

# %% [markdown]
# ### Exercise 03.3 · the rearrangement
# *Hard · the heart of the notebook · 20 minutes.* The cell above asked the layer for its stamp. Write it down as reshape, flip, permute.


# %%
def transposed_kernel(weight: Tensor, upscale_factor: int) -> Tensor:
    """Weight of the transposed convolution that does what a sub-pixel convolution does.

    For odd k and r = k // 2 these two must agree:
    ``pixel_shuffle(conv2d(x, weight, padding=r), s)`` and
    ``conv_transpose2d(x, transposed_kernel(weight, s), stride=s, padding=s * r)``.

    Shape:
        - weight: (C * s^2, C_in, k, k)
        - output: (C_in, C, k * s, k * s)

    Example:
        >>> transposed_kernel(torch.arange(4.0).reshape(4, 1, 1, 1), 2)
        tensor([[[[0., 1.],
                  [2., 3.]]]])
    """
    raise NotImplementedError


check("03.3", transposed_kernel)

# %%
hint("03.3") + solution("03.3")

# %% [markdown]
# The other way round it holds too: any transposed convolution whose kernel is k·s wide is a sub-pixel convolution. A smaller kernel is one whose missing taps
# are zero: of DSRL's 3 × 3 deconvolution with stride 2, the four phases own 4, 2, 2 and 1 of the nine weights.

# %%
taps_of_phase = [[len(range(a, 3, 2)) * len(range(b, 3, 2)) for b in range(2)] for a in range(2)]
print("weights owned by each phase of a 3 x 3 kernel, stride 2:", taps_of_phase)

# %% [markdown]
# ## Two causes of a checkerboard
#
# 1. **Uneven overlap.** Kernel 3, stride 2: one pixel of a block gets four stamps, its neighbour one. This is built into the sizes.
# 2. **Phases that differ.** Even overlap, but each phase has random weights of its own. This is the start's doing.
#
# To measure either, enlarge a constant grey picture. All pixels should be equal; the deviation between a block's phases is the checkerboard.


# %%
def checkerboard(image: Tensor, s: int = 2) -> float:
    """Standard deviation between the phases' means, in grey levels of 255; the border is left out."""
    inner = image[..., 4 * s : -4 * s, 4 * s : -4 * s]
    phases = F.pixel_unshuffle(inner, s).unflatten(1, (image.shape[1], s * s)).mean((0, 3, 4))
    return 255 * float(phases.detach().std(dim=1, unbiased=False).mean())


grey = torch.full((1, 1, 16, 16), 0.5)
for k in (2, 3, 4, 5, 6):
    even = torch.ones(1, 1, k, k) * 4 / k**2
    random = torch.stack([torch.rand(1, 1, k, k) for _ in range(50)])
    values = [checkerboard(F.conv_transpose2d(grey, w / w.sum() * 4, stride=2)[..., :32, :32]) for w in random]
    flat = checkerboard(F.conv_transpose2d(grey, even, stride=2)[..., :32, :32])
    print(f"kernel {k}, stride 2: equal weights {flat:5.1f}   random weights {sum(values) / 50:5.1f} grey levels")

# %% [markdown]
# Equal weights: only odd kernels show it, cause 1 alone. Random weights: every kernel shows it. A kernel that the stride divides *allows* an even picture;
# it does not make one. Larger kernels suffer less, because each phase sums more random weights and the sums come closer to each other.
#
# ## ICNR
#
# Start all s² filters of a channel as copies of one: then every phase answers alike, whatever comes in. The untrained layer is a convolution followed by
# nearest-neighbour enlargement.

# %% [markdown]
# ### Exercise 03.4 · ICNR
# *Easy · the heart of the notebook · 6 minutes.* One line. There are two functions in PyTorch that repeat, and one of them is wrong.


# %%
def icnr(filters: Tensor, upscale_factor: int) -> Tensor:
    """Start a sub-pixel convolution as convolution, then nearest-neighbour enlargement.

    Args:
        filters: one for each output channel.
        upscale_factor: s of the pixel shuffle that follows.

    Shape:
        - filters: (C, C_in, k, k)
        - output: (C * s^2, C_in, k, k), in the order that pixel shuffle expects

    Example:
        >>> icnr(torch.tensor([1.0, 2.0]).reshape(2, 1, 1, 1), 2).flatten()
        tensor([1., 1., 1., 1., 2., 2., 2., 2.])
    """
    raise NotImplementedError


check("03.4", icnr)

# %%
hint("03.4") + solution("03.4")

# %% [markdown]
# ## Does it last?
#
# A small network, 60 steps, three seeds, three starts of its last layer: PyTorch's default, ICNR, and the negative control: ICNR with the copies in the **wrong
# order** (`repeat` for `repeat_interleave`), the same weights in other places. If that control did as well, order would not matter.


# %%
class Enlarger(nn.Sequential):
    """Two convolutions and a pixel shuffle; the second starts as ``start`` says."""

    def __init__(self, start: str) -> None:
        last = nn.Conv2d(24, 12, 3, padding=1)
        nn.init.zeros_(last.bias)
        if start == "ICNR":
            icnr_(last.weight, 2)
        elif start == "ICNR, wrong order":
            last.weight.data = nn.init.kaiming_normal_(torch.empty(3, 24, 3, 3)).repeat(4, 1, 1, 1)
        super().__init__(nn.Conv2d(3, 24, 5, padding=2), nn.ReLU(), last, nn.PixelShuffle(2))


TRAINING = [photo(name) for name in ("astronaut", "coffee", "rocket")]


def draw_pair(generator: torch.Generator, count: int = 6, size: int = 32) -> tuple[Tensor, Tensor]:
    crops = []
    for _ in range(count):
        image = TRAINING[int(torch.randint(3, (), generator=generator))]
        y, x = (int(torch.randint(side - size, (), generator=generator)) for side in image.shape[1:])
        crops.append(image[:, y : y + size, x : x + size])
    high = torch.stack(crops)
    return reduce_image(high, (size // 2, size // 2)), high


# %%
LOOKS = (0, 5, 10, 20, 30, 40, 50, 60)


def train(start: str, seed: int) -> list[tuple[float, float, Tensor]]:
    """Checkerboard on grey, PSNR on the cat, and the cat, at each look; all starts see the same crops."""
    torch.manual_seed(seed)
    network, crops, seen = Enlarger(start), torch.Generator().manual_seed(seed), []
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for step in range(LOOKS[-1] + 1):
        if step in LOOKS:
            with torch.no_grad():
                made, flat = network(small[None]).clamp(0, 1), network(torch.full((1, 3, 20, 20), 0.5))
            seen.append((checkerboard(flat), float(psnr(made, cat[None])), made[0, :, 80:160, 80:200]))
        low, high = draw_pair(crops)
        loss = (network(low) - high).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return seen


print("a few seconds ...")
runs = {start: [train(start, seed) for seed in range(3)] for start in ("default", "ICNR", "ICNR, wrong order")}

# %% [markdown]
# ## The picture to take along
#
# Left and middle: three seeds each. Dashed: bicubic enlargement, the baseline that needs no training. Right: the cat after five steps.

# %%
LINES = {"default": style_of("baseline"), "ICNR": style_of("sssr"), "ICNR, wrong order": style_of("shuffled")}
bicubic = float(psnr(BicubicUpsample(2)(small[None]).clamp(0, 1), cat[None]))

with theme():
    figure = new_figure(13, 4.2)
    grid = figure.add_gridspec(3, 3, width_ratios=(2, 2, 1.1))
    left, middle = figure.add_subplot(grid[:, 0]), figure.add_subplot(grid[:, 1])
    for row, (start, seeds) in enumerate(runs.items()):
        look = LINES[start]
        for number, seen in enumerate(seeds):
            name = start if number == 0 else None
            for ax, column in ((left, 0), (middle, 1)):
                values = [entry[column] for entry in seen]
                ax.plot(
                    LOOKS, values, color=look.color, linestyle=look.line, marker=look.marker, markersize=3, label=name
                )
        show_image(
            seeds[0][1][2], title=f"5 steps: {start.split(', ')[-1]}", crisp=True, ax=figure.add_subplot(grid[row, 2])
        )
    middle.axhline(bicubic, color="#22262C", linestyle="--", linewidth=1)
    left.set(xlabel="steps", ylabel="checkerboard on grey (levels of 255)", ylim=(0, None))
    middle.set(xlabel="steps", ylabel="PSNR on the cat (dB); dashed: bicubic")
    left.legend()
    show_figure(
        figure,
        alt="Checkerboard and PSNR over training steps for three starts, and the cat's face after five steps of each",
    )

# %%
for start, seeds in runs.items():
    means = [[sum(seen[look][column] for seen in seeds) / 3 for look in (0, 1, -1)] for column in (0, 1)]
    print(
        f"{start:18} checkerboard",
        *(f"{v:5.1f}" for v in means[0]),
        "  PSNR",
        *(f"{v:5.1f}" for v in means[1]),
        " at 0, 5, 60",
    )
first, last = (sum(seen[look][0] for seen in runs["default"]) / 3 for look in (0, -1))
reveal("03.left", 100 * last / first, unit="%")

# %% [markdown]
# Read it honestly. ICNR removes the pattern where it can: at the start. The other two come down only while training teaches their phases to agree, and
# before that the default's pattern even grows. The control says that *order* matters: copies in wrong places are no ICNR. After 60 steps PSNR hardly tells the three
# apart, within 2 dB: the grid is a small part of a raw network's error, though the eye minds it most. In so few steps nobody reaches bicubic.

# %% [markdown]
# ## Try it
#
# One knob: the seed. Is the order of the three starts after five steps the same for each? What would you need to say so with confidence?

# %%
seed = 7
print({start: f"{train(start, seed)[1][0]:.1f} grey levels" for start in runs})

# %% [markdown]
# ## Break it
#
# Three ways to get the shuffle wrong. Every one keeps all shapes, raises nothing, and would train. Turn `DEFECT` and learn what each looks like.

# %%
WRONG = {
    "none": lambda x: F.pixel_shuffle(x, 2),
    "reshape without permute": lambda x: x.reshape(1, 3, 2 * x.shape[2], 2 * x.shape[3]),
    "rows and columns of a phase swapped": lambda x: F.pixel_shuffle(
        x.unflatten(1, (3, 2, 2)).transpose(2, 3).flatten(1, 3), 2
    ),
    "phases outermost": lambda x: F.pixel_shuffle(x.unflatten(1, (3, 4)).transpose(1, 2).flatten(1, 2), 2),
}
DEFECT = "rows and columns of a phase swapped"  # the switch
phases_of_cat = F.pixel_unshuffle(cat[None, :, 80:160, 100:240], 2)  # shuffling this back should give the cat

with theme():
    figure = new_figure(12, 2.6)
    shown = dict.fromkeys(("none", DEFECT, *list(WRONG)[1:]))
    for ax, name in zip(figure.subplots(1, len(shown)), shown, strict=True):
        title = name.replace(" of", "\nof").replace(" without", "\nwithout")
        show_image(WRONG[name](phases_of_cat)[0].clamp(0, 1), title=title, crisp=True, ax=ax)
    show_figure(
        figure,
        alt="The cat's face put together rightly, and in three wrong orders: torn, zipped at edges, in wandering colours",
    )

# %% [markdown]
# Symptoms to recognise: several squashed copies (no permute); slanted edges like a zip fastener, straight ones nearly fine (a and b swapped); colours that wander from pixel
# to pixel (phases outermost). A network can learn around all three, because its filters are free. That is why such defects live long: the loss falls.

# %% [markdown]
# ## What enlarging costs
#
# Five ways from 32 channels at 64 × 96 to 3 channels at 128 × 192. The kit counts what PyTorch executes, transposed convolutions included.

# %%
WAYS = {
    "sub-pixel 3×3": nn.Sequential(nn.Conv2d(32, 12, 3, padding=1), nn.PixelShuffle(2)),
    "transposed 6×6, stride 2": nn.ConvTranspose2d(32, 3, 6, stride=2, padding=2),
    "transposed 4×4, stride 2": nn.ConvTranspose2d(32, 3, 4, stride=2, padding=1),
    "transposed 3×3, stride 2": nn.ConvTranspose2d(32, 3, 3, stride=2, padding=1, output_padding=1),
    "nearest, then 3×3": nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(32, 3, 3, padding=1)),
}
costs = {name: complexity(way, (64, 96), channels=32) for name, way in WAYS.items()}
for name, cost in costs.items():
    seen = cost.macs_without_transposed / 1e6
    counted = f"{cost.parameters:5} parameters {cost.macs / 1e6:6.2f} M MACs"
    print(f"{name:25} {counted}, a Conv2d-only counter sees {seen:5.2f} M")
reveal(
    "03.cost",
    costs["transposed 6×6, stride 2"].macs / costs["sub-pixel 3×3"].macs,
    unit="times",
)

# %% [markdown]
# Sub-pixel and its 6 × 6 twin cost the same to the last multiply-add; they differ by nine biases. "Nearest, then 3 × 3" costs as much and has a quarter of
# the weights: it works at the large size, four times over the same numbers. Smaller kernels are cheaper and uneven, or even and coarser. And a counter that
# sums `Conv2d` modules sees nothing at all of the transposed ones.

# %% [markdown]
# ### Exercise 03.5 · count it yourself
# *Easy · useful · 5 minutes.* Two factors decide: at which size the convolution runs, and how many filters it has. Which of them brings an s²?


# %%
def sub_pixel_macs(
    height: int,
    width: int,
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    upscale_factor: int,
) -> int:
    """Multiply-adds of a sub-pixel convolution for one picture.

    Args:
        height: of the INPUT, in pixels.
        width: of the INPUT, in pixels.
        in_channels: channels that come in.
        out_channels: channels of the enlarged picture.
        kernel_size: k of the convolution before the shuffle.
        upscale_factor: s.

    Example:
        >>> sub_pixel_macs(10, 10, 32, 3, 3, 2)
        345600
    """
    raise NotImplementedError


check("03.5", sub_pixel_macs)

# %%
hint("03.5") + solution("03.5")

# %% [markdown]
# ## Why DSRL cares
#
# The authors' head enlarges the class maps by two 3 × 3 transposed convolutions with stride 2. Their FLOPs counter sums `Conv2d` only [M], so the
# same number is reported with and without the head. Ours, for 20 outputs at 256 × 512 input:


# %%
def block() -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(20, 20, 3, 2, 1, 1, bias=False), nn.BatchNorm2d(20), nn.PReLU(20))


head = complexity(nn.Sequential(block(), block()), (128, 256), channels=20)
print(f"reported extra: {head.macs_without_transposed / 1e6:.2f} M MACs   true: {head.macs / 1e6:.2f} M MACs")
print(f"on top of the host's 674.46 M: +{head.macs / 674.46e6:.0%}   parameters: {head.parameters:,}")

# %% [markdown]
# **Paper against ours.** "No extra cost at inference" [P]; 589.82 M more multiply-adds, +87 %, by our count, at next to no parameters.
# Parameters are cheap here because few channels meet; positions are many.

# %% [markdown]
# ## Limits
#
# - Equal multiply-adds are not equal seconds: libraries run the two forms by different code. Time them on your machine.
# - Three seeds, 60 steps, one tiny network, one cat: how long ICNR's help lasts elsewhere is open.
# - On a grey picture only the constant part of the pattern shows. Edges can carry more.
# - A strided convolution's *gradient* is a transposed convolution: it has checkerboards of its own.

# %% [markdown]
# ## Five questions to take along
#
# 1. What does pixel shuffle compute?
# 2. Why must u be turned round, and a not?
# 3. Kernel 5, stride 3: which phases are brighter?
# 4. What does ICNR make of an untrained layer, and what does it promise after training?
# 5. Where do the head's multiply-adds hide from a counter?

# %% [markdown]
# ## Words and sources
#
# **sub-pixel convolution** 亚像素卷积, **transposed convolution** 转置卷积 ("deconvolution" 反卷积), **checkerboard** 棋盘效应, **phase**: a place in the s × s block, **ICNR**: initialised to
# convolution, nearest-neighbour resize.
#
# - Shi et al.: Real-time single image and video super-resolution using an efficient sub-pixel convolutional neural network, CVPR 2016.
# - Shi et al.: Is the deconvolution layer the same as a convolutional layer?, 2016.
# - Odena, Dumoulin, Olah: Deconvolution and checkerboard artifacts, 2016. Aitken et al.: Checkerboard artifact free sub-pixel convolution, 2017.
