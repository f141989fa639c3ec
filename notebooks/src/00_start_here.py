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
# **Claim.** A segmentation network that is fed a small picture can be trained, with two helpers that vanish afterwards, to
# give a mask twice as large as its input. This kit lets you see it, measure it, and doubt it.
#
# Needs: nothing but this kit. Data: drawn street scenes. No internet, no GPU.

# %%
from dsrl_lab.course.notebook import start

lab = start()

# %% [markdown]
# ## What you will be able to do after this notebook
#
# 1. Say whether your computer has what the kit needs, and what to do if not.
# 2. Name the three parts of DSRL: SSSR, SISR and feature affinity, and which of them remain at inference.
# 3. Read the kit's main table, with its intervals, and say what it does *not* show.

# %% [markdown]
# ## Is everything there?
#
# The same check as `dsrl-lab doctor`. A line with `no` must be mended, and says how; one with `-` is only needed for what it names:
# data folders for real pictures, say.

# %%
import textwrap

from dsrl_lab.cli.doctor import examine

findings = examine()
there = ", ".join(f"{finding.what} {finding.found}" for finding in findings if finding.ok)
print(textwrap.fill(f"ok  {there}", 100, subsequent_indent="    "))
for finding in findings:
    if not finding.ok:
        line = f"{'no' if finding.needed else '- '}  {finding.what}: {finding.found}; {finding.remedy}"
        print(textwrap.fill(line, 100, subsequent_indent="    "))

# %% [markdown]
# ## The pictures we learn from
#
# `streets` are drawn on the spot from a description, so one and the same scene exists at every resolution. The classes are
# CamVid's eleven. Look for what is thin: poles, signs, railings. There a low resolution hurts most.

# %%
from dsrl_lab.datasets.streets import Streets

scene = Streets("val", size=(180, 240), length=4)[1]
lab.show_pair(scene)

# %% [markdown]
# ## The idea in one picture
#
# The encoder is shared. Above it, **SSSR** brings the host's prediction to twice the input's size; it stays. Below it, **SISR**
# rebuilds the high-resolution picture from the same encoder; it is needed in training only. **Feature affinity** asks that
# pixels which look alike to SISR also look alike to the segmenter.

# %%
lab.figure(
    "overview", alt="Low-resolution input, shared encoder, SSSR branch above, SISR branch below, affinity between"
)

# %% [markdown]
# Sizes and channels in this drawing are read off the running code, so they cannot drift from it.

# %% [markdown]
# ## A network, whole and deployed
#
# `DSRL` owns a complete `task_model`. Deployment is that model: no switch, no partial load. Its logits are the same, bit for
# bit, and nothing of the helpers is left in it. (SISR is 16 channels wide here, as in the kit's runs on drawn streets.)

# %%
import torch

from dsrl_lab.complexity import complexity
from dsrl_lab.dsrl import DSRL, SISRHead
from dsrl_lab.models.segmentation.tinynet import TinyNet

host = TinyNet(11)
dsrl = DSRL(host, sssr="sub_pixel", sisr=SISRHead(host, width=16)).eval()
image = torch.rand(1, 3, 90, 120)
with torch.no_grad():
    whole, deployed = dsrl(image), dsrl.task_model(image)
print("input", tuple(image.shape[-2:]), "-> logits", tuple(deployed.shape[-2:]))
print("equal bit for bit:", torch.equal(whole.logits, deployed))

# %%
networks = {"host alone": host, "deployed": dsrl.task_model, "in training": dsrl}
for name, network in networks.items():
    cost = complexity(network, input_size=(90, 120))
    print(f"{name:12} {cost.parameters / 1e3:7.1f} k parameters {cost.macs / 1e6:7.1f} M MACs")

# %% [markdown]
# The paper says that there is no extra cost at inference. Count the head's multiply-adds, as above, and there is some: with
# the authors' two deconvolutions on ESPNetv2 it is 87 % more, because their counter leaves transposed convolutions out.

# %% [markdown]
# ## Marks behind numbers
#
# What is told of DSRL and is not the kit's own count or run carries a mark, in all notebooks alike:
#
# | mark | it was |
# |---|---|
# | [P] | seen in the paper |
# | [A] | said by the authors elsewhere, mostly in their repository |
# | [B] | second-hand: a reader or re-implementer says so |
# | [M] | measured on public code |
# | [read off] | read off a figure, with an error |
# | [?] | not known |

# %% [markdown]
# ## The whole result
#
# Four rows, three seeds each, trained alike: same pictures, same iterations, same draws for a seed. Each number comes from a
# record in `data/runs/`; run `make reproduce` and you get your own.

# %%
from dsrl_lab.course.notebook import show_figure
from dsrl_lab.plots.theme import theme
from dsrl_lab.results import frames
from dsrl_lab.results.figures_runs import ablation_figure
from dsrl_lab.results.inputs import Inputs

runs = frames.runs(lab.root / "data" / "runs" / "streets_tinynet_45x60")
with theme():
    result = ablation_figure(Inputs(runs=runs)).figure
    show_figure(result, alt="Mean IoU of baseline, SSSR, SISR and FA on drawn streets with three seeds, and cost")

# %% [markdown]
# A number is no picture. Two networks of one seed, at twice the input: where does DSRL win, where does it lose?

# %%
lab.figure(
    "streets_side_by_side",
    alt="Input, truth, baseline's and DSRL's prediction of three street scenes",
)

# %% [markdown]
# ## What a pixel looks like to both branches
#
# One position of the picture, and how similar every other position is to it: for the segmenter, for SISR, and the difference
# that feature affinity presses down. Here both branches tell little more than the sky from all the rest, and they differ
# along its outline. 06 asks how that came about.

# %%
lab.figure(
    "streets_affinity",
    alt="Affinity of one position to all others, in both branches, and their difference",
)

# %% [markdown]
# ## Limits
#
# Drawn streets are no photographs, and one seed is no evidence. The table says how many seeds stand behind a row. What holds
# on real pictures is told from CamVid's records, with controls; where the method brings nothing, the kit says so.

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
# - [06](06_feature_affinity.ipynb): feature affinity, to touch
# - [07](07_dsrl_training.ipynb): the whole objective, trained
# - [08](08_ablation.ipynb): what gains, and what does not
# - [09](09_pose_estimation.ipynb): the same for poses
# - [10](10_full_scale.ipynb): Cityscapes, several GPUs

# %% [markdown]
# ## Five questions to take along
#
# 1. Which of the three parts are left at inference?
# 2. Is the input halved, or the output doubled?
# 3. Which tensors enter feature affinity, and why not the class maps?
# 4. What does the table above *not* prove?
# 5. Where would you look first for a gain: in the sky, or at the poles?
