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
# # 00 · Start here
#
# **Claim.** A segmentation network with a small input can be trained to give a mask of twice the input's sides. Two extra
# branches help in training and are removed afterwards. In this kit you see it, measure it and test whether it helps.
#
# Needs: nothing but this kit. Data: drawn street scenes. No internet, no GPU.

# %% jupyter={"source_hidden": true}
from dsrl_lab.course.notebook import start

lab = start()

# %% jupyter={"source_hidden": true}
import torch
from pandas import DataFrame
from torch import Tensor

from dsrl_lab.cli.doctor import examine
from dsrl_lab.complexity import complexity
from dsrl_lab.course.notebook import show_figure
from dsrl_lab.course.table import Table
from dsrl_lab.datasets.class_tables import CAMVID
from dsrl_lab.datasets.transforms import resize_mask
from dsrl_lab.dsrl import DSRL, SISRHead
from dsrl_lab.models.segmentation.tinynet import TinyNet
from dsrl_lab.plots.theme import theme
from dsrl_lab.results import frames
from dsrl_lab.results.figures_runs import ablation_figure
from dsrl_lab.results.inputs import Inputs
from dsrl_lab.widgets import affinity_explorer, segmentation_compare
from dsrl_lab.widgets.examples import street_features

# %% [markdown]
# ## Coarse and fine: what can a grid show?
#
# No network is involved here. Both masks are perfect answers. The coarse one names one class for every 4 × 4 pixels, the fine one for every
# 2 × 2. Follow the pole.

# %% jupyter={"source_hidden": true}
street = street_features()
image, mask = street.image[:, 20:160, 100:240], street.mask[20:160, 100:240]


def on_grid(mask: Tensor, factor: int) -> Tensor:
    """The best mask (H, W) with one class for each factor x factor pixels."""
    coarse = resize_mask(mask[None], (mask.shape[0] // factor, mask.shape[1] // factor))
    return resize_mask(coarse, (mask.shape[0], mask.shape[1]))[0]


segmentation_compare(
    *(image, mask, on_grid(mask, 4), on_grid(mask, 2), CAMVID),
    names=("coarse", "fine"),
    alt="A street, its true classes, the best mask on a coarse grid and on a fine one, and the pixels that differ",
    guide={
        "Touch": "move over the picture; click a class in the list.",
        "Look for": "the beam at the top of the pole. Which grid still shows it?",
        "Ask yourself": "a small input gives a coarse mask. What if the mask were twice as fine as the input?",
    },
)

# %% [markdown]
# This is the reason for DSRL. A small input is cheap, but a small output cannot draw thin things. So keep the small input and
# enlarge the **output**.
#
# ## What looks similar to a network?
#
# Mark one position. How similar is every other position, in the network's features? Bright: similar. Start with a tree.

# %% jupyter={"source_hidden": true}
affinity_explorer(
    street.image,
    {"baseline": street.task["baseline"], "DSRL": street.task["DSRL"]},
    street.sisr,
    position=(6, 7),
    source="baseline",
    alt="A tree is marked. The baseline's features find the other trees; those of super-resolution separate sky and rest",
    guide={
        "Touch": "click a car, the road, the sky; or walk with the arrow keys.",
        "Look for": "the third map: where do the two networks disagree?",
        "Ask yourself": "DSRL asks the first map to become like the second. Is that always a good idea?",
    },
)

# %% [markdown]
# The baseline was trained to name classes: to it, a tree is similar to other trees. The super-resolution branch was trained to
# rebuild the picture. On this picture it separates the sky from everything else, and little more. DSRL pulls the
# first map towards the second. That is called **feature affinity**. Notebook 06 looks closer.

# %% [markdown]
# ## The idea in one picture
#
# One encoder serves two branches. **SSSR** (above) enlarges the host's prediction to twice the input's size. It stays.
# **SISR** (below) rebuilds the high-resolution picture. **Feature affinity** connects the two. Everything dashed is removed after training.

# %% jupyter={"source_hidden": true}
lab.figure(
    "overview", alt="Low-resolution input, shared encoder, SSSR branch above, SISR branch below, affinity between"
)

# %% [markdown]
# All sizes in this drawing are read from the running code.
#
# ## What you will be able to do after this notebook
#
# 1. Name the three parts of DSRL, and say which of them remain at inference.
# 2. Check that your computer has what the kit needs.
# 3. Read the kit's main figure with its intervals, and say what it does *not* show.

# %% [markdown]
# ## Is everything there?
#
# The same check as `dsrl-lab doctor`. The table lists what is missing. "Needed" marks what you must install; the rest is for
# real pictures or for teachers.

# %%
findings = examine()
missing = [finding for finding in findings if not finding.ok]
rows = [(one.what, "needed" if one.needed else "optional", one.remedy) for one in missing]
Table(
    DataFrame(rows, columns=["missing", "", "what to do"]),
    f"{len(findings) - len(missing)} of {len(findings)} are there",
)

# %% [markdown]
# ## The network in training, and deployed
#
# `DSRL` owns a complete network, its `task_model`. To deploy is to take that network. Its logits are the same, bit for bit.

# %%
host = TinyNet(11)
dsrl = DSRL(host, sssr="sub_pixel", sisr=SISRHead(host, width=16)).eval()
image = torch.rand(1, 3, 90, 120)
with torch.no_grad():
    whole, deployed = dsrl(image), dsrl.task_model(image)
print("input", tuple(image.shape[-2:]), "-> logits", tuple(deployed.shape[-2:]))
print("equal bit for bit:", torch.equal(whole.logits, deployed))

# %%
networks = {"host alone": host, "DSRL, deployed": dsrl.task_model, "DSRL, in training": dsrl}
costs = {name: complexity(network, input_size=(90, 120)) for name, network in networks.items()}
counted = [(name, cost.parameters / 1e3, cost.macs / 1e6) for name, cost in costs.items()]
Table(
    DataFrame(counted, columns=["network", "parameters (k)", "MACs (M)"]), "Cost of one picture of 90 × 120", digits=1
)

# %% [markdown]
# The paper says that inference costs nothing extra. Our count: a little here, and 87 % more with the authors' head on ESPNetv2.
# Their counter leaves out transposed convolutions. Notebooks 03 and 05 count it.

# %% [markdown]
# ## Marks behind numbers
#
# A number that is not this kit's own count or run carries a mark:
#
# | mark | source |
# |---|---|
# | [P] | seen in the paper |
# | [A] | the authors elsewhere, mostly in their repository |
# | [B] | second-hand: a reader or a re-implementer |
# | [M] | measured on public code |
# | [read off] | read off a figure, with an error |
# | [?] | not known |

# %% [markdown]
# ## The evidence so far
#
# **Exploratory.** The runs below suggested what to test; they decide nothing. Confirmatory runs are under way: rows, seeds and tests were fixed
# before the first of them (`data/runs/DESIGN.md`). Until they are complete, "does DSRL gain?" is **undecided** in this kit.
#
# How to read it: a bar is a mean over three seeds. A whisker is a 95 % interval. A gain counts only if its whisker is clear of zero.

# %% jupyter={"source_hidden": true}
runs = frames.runs(lab.root / "data" / "runs" / "streets_tinynet_45x60")
with theme():
    figure = ablation_figure(Inputs(runs=runs)).figure
    show_figure(
        figure, alt="Exploratory: mean IoU of baseline, SSSR, SISR and FA on drawn streets, three seeds, and cost"
    )

# %% [markdown]
# Drawn streets, a tiny network, 600 steps: this is far from Cityscapes. What the figure cannot say: whether the order holds for
# longer training, other networks or photographs. Notebook 08 asks that with more settings and controls, and uses four words only:
# supported, contradicted, undecided, not tested.
#
# ## Limits
#
# Drawn streets are no photographs. Three seeds give wide intervals. One picture, as above, is no evidence at all.

# %% [markdown]
# ## The way through
#
# Each notebook runs alone, in minutes, and checks your answers.
#
# - [01](01_resolution_and_cost.ipynb): what a small input costs and saves
# - [02](02_sisr_four_ways.ipynb): super-resolution, four ways
# - [03](03_subpixel_and_deconvolution.ipynb): sub-pixel and transposed convolution
# - [04](04_segmentation_hosts.ipynb): five networks to build on
# - [05](05_sssr_head.ipynb): the SSSR head
# - [06](06_feature_affinity.ipynb): feature affinity
# - [07](07_dsrl_training.ipynb): the whole objective, trained
# - [08](08_ablation.ipynb): what gains, and what does not
# - [09](09_pose_estimation.ipynb): the same for poses
# - [10](10_full_scale.ipynb): Cityscapes, several GPUs

# %% [markdown]
# ## Five questions to take along
#
# Answer aloud, then open.
#
# <details><summary>1. Which of the three parts are left at inference?</summary>SSSR alone. SISR and feature affinity only train the encoder.</details>
# <details><summary>2. Is the input halved, or the output doubled?</summary>Both views are right: against a full-size network the input is
# halved, against the small host the output is doubled.</details>
# <details><summary>3. Which tensors enter feature affinity?</summary>The last features of both branches. Class maps would compare
# opinions about classes, of which SISR has none.</details>

# %% [markdown]
# <details><summary>4. What does the figure above <em>not</em> prove?</summary>Anything about other data, networks or lengths of training. It is
# exploratory: what it suggests must be tested on new seeds.</details>
# <details><summary>5. Where would you look first for a gain: in the sky, or at the poles?</summary>At the poles. The sky is large, and a coarse
# grid draws it well. Thin things lose most.</details>
