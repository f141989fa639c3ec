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
# **Claim.** A segmentation network with a small input can be trained to give a mask of twice the input's sides. Two
# helpers, a super-resolution branch and a loss that compares features, act in training and are removed afterwards. In this kit you see it, measure it and test whether it helps.
#
# Needs: nothing but this kit. Data: drawn street scenes. No internet, no GPU.

# %% [markdown] lang="zh" of="2f782cee"
# # 00 · 从这里开始
#
# **主张。** 输入尺寸小，分割网络也能学会输出边长两倍于输入的掩码：训练时有两个帮手，一个超分辨率分支和一个比较特征的损失，训练完就移除。本套件带你亲眼看到这一点，动手测量，再检验它是否真的有用。
#
# 先修：无，只需本套件。数据：合成街景。不需要联网，也不需要 GPU。

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

# %% [markdown] lang="zh" of="77affeaf"
# ## 粗与细：网格能画出什么？
#
# 这里还没有用到任何网络。两张掩码都是完美答案：粗的那张每 4 × 4 个像素给一个类别，细的那张每 2 × 2 个像素给一个。请盯住那根细杆。

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

# %% [markdown] lang="zh" of="d609e363"
# DSRL 的理由就在这里。输入小，计算量就小；可是输出也跟着变小，就画不出细长的物体。所以输入仍然用小的，只把**输出**放大。
#
# ## 在网络眼里，什么和什么相似？
#
# 标出一个位置：从网络的特征来看，其他各处与它有多相似？越亮越相似。先从一棵树开始。

# %% jupyter={"source_hidden": true}
affinity_explorer(
    street.image,
    {"baseline": street.task["baseline"], "DSRL": street.task["DSRL"]},
    street.sisr,
    position=(6, 7),
    source="baseline",
    alt="A tree is marked. The baseline's features find the other trees; to those of super-resolution trees and houses are alike",
    guide={
        "Touch": "click a car, the road, the sky; or walk with the arrow keys.",
        "Look for": "the third map: where do the first two maps disagree?",
        "Ask yourself": "DSRL asks the first map to become like the second. Is that always a good idea?",
    },
)

# %% [markdown]
# The baseline was trained to name classes: to it, a tree is similar to other trees. The super-resolution branch was trained to
# rebuild the picture: to it, trees and houses are alike, road and sky are not. DSRL pulls the first map towards the second. That is called **feature affinity**. Notebook 06 looks closer.

# %% [markdown] lang="zh" of="fb84f970"
# 基线学的是分辨类别：在它看来，树与别的树相似。超分辨率分支学的是重建图像：在它看来，树与房子相似，与道路和天空则不同。DSRL 让第一张相似度图向第二张靠拢，这就叫**特征亲和**。笔记本 06 会细看。

# %% [markdown]
# ## The idea in one picture
#
# One encoder serves two branches. **SSSR** (above) enlarges the host's prediction to twice the input's size. It stays.
# **SISR** (below) rebuilds the high-resolution picture. **Feature affinity** connects the two. Everything dashed is removed after training.

# %% [markdown] lang="zh" of="ae646c56"
# ## 一图看懂思路
#
# 两个分支共用一个编码器。**SSSR**（上）把宿主网络的预测放大到输入的两倍，推理时保留。**SISR**（下）重建高分辨率图像。**特征亲和**把两者联系起来。虚线画出的部分，训练之后全部移除。

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

# %% [markdown] lang="zh" of="9d7e6a71"
# 图中的尺寸全部读自运行中的代码。
#
# ## 学完之后，你能
#
# 1. 说出 DSRL 的三个组成部分，以及推理时还剩哪些。
# 2. 检查自己的电脑是否具备本套件所需的一切。
# 3. 读懂本套件的主图及其区间，并说出它*不能*说明什么。

# %% [markdown]
# ## Is everything there?
#
# The same check as `dsrl-lab doctor`. The table lists what is missing. "Needed" marks what you must install; the rest is for
# real pictures or for teachers.

# %% [markdown] lang="zh" of="3e0f1d1f"
# ## 东西都齐了吗？
#
# 检查内容与 `dsrl-lab doctor` 相同，表中列出还缺什么。标着“必需”的要装上，其余的只有处理真实图像或教学时才用得到。

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

# %% [markdown] lang="zh" of="3bf398ea"
# ## 训练时的网络与部署的网络
#
# `DSRL` 里装着一个完整的网络，即它的 `task_model`。部署就是把这个网络单独取出来。取出之后，logits（未归一化得分）与原来逐位相同。

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

# %% [markdown] lang="zh" of="948701b8"
# 论文说推理没有额外开销。我们的计数：这里略有增加；把作者的头装在 ESPNetv2 上，则多出 87 %。作者的计数器漏掉了转置卷积。笔记本 03 和 05 会算清这笔账。

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

# %% [markdown] lang="zh" of="e92663d7"
# ## 数字后面的标记
#
# 凡不是本套件自己计数或运行得出的数字，都带标记：
#
# | 标记 | 来源 |
# |---|---|
# | [P] | 见于论文 |
# | [A] | 作者在论文之外所述，多在其代码仓库中 |
# | [B] | 二手信息，来自读者或复现者 |
# | [M] | 在公开代码上实测 |
# | [read off] | 读图所得，有误差 |
# | [?] | 未知 |

# %% [markdown]
# ## The evidence so far
#
# The tests that decide have ended (notebook 08): on CamVid and on drawn streets, whole DSRL has *fewer* points than finer labels alone, which cost
# nothing. Rows, seeds and tests were fixed before the first run (`data/runs/DESIGN.md`). The runs below are **exploratory**: they only suggested what to test.
#
# How to read it: a bar is a mean over three seeds. A whisker is a 95 % interval. A gain counts only if its whisker is clear of zero.

# %% [markdown] lang="zh" of="d3fb9aeb"
# ## 目前的证据
#
# 作出定论的检验已经完成（笔记本 08）：在 CamVid 和合成街景上，完整的 DSRL 都*不如*单用更细的标签，而后者没有任何开销。要比较的配置、随机种子和检验方法，在第一次训练之前就已定好（`data/runs/DESIGN.md`）。下面的结果是**探索性的**：只提示该检验什么。
#
# 怎样读图：条形的长度是三个种子的均值，误差线是 95 % 区间。整条误差线都不碰到零，增益才算数。

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

# %% [markdown] lang="zh" of="da21f0a3"
# 合成街景、很小的网络、600 步训练，这与 Cityscapes 相去甚远。换成更长的训练、别的网络或真实照片，名次是否不变？这张图回答不了。笔记本 08 用更多设置和对照来追问，并且只用四种结论：得到支持、被否定、未定、未检验。
#
# ## 局限
#
# 合成街景不是照片。三个种子的区间很宽。像前面那样只看一张图，根本算不上证据。

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

# %% [markdown] lang="zh" of="8d6a9ac3"
# ## 学习路线
#
# 每个笔记本都能单独运行，只需几分钟，还会检查你的答案。
#
# - [01](01_resolution_and_cost.ipynb)：小输入省下什么，又失去什么
# - [02](02_sisr_four_ways.ipynb)：超分辨率的四种做法
# - [03](03_subpixel_and_deconvolution.ipynb)：亚像素卷积与转置卷积
# - [04](04_segmentation_hosts.ipynb)：五个可作宿主的网络
# - [05](05_sssr_head.ipynb)：SSSR 头
# - [06](06_feature_affinity.ipynb)：特征亲和
# - [07](07_dsrl_training.ipynb)：训练完整的目标函数
# - [08](08_ablation.ipynb)：哪些有增益，哪些没有
# - [09](09_pose_estimation.ipynb)：换到姿态估计
# - [10](10_full_scale.ipynb)：Cityscapes 与多块 GPU

# %% [markdown]
# ## Five questions to take along
#
# Answer aloud, then open.
#
# <details><summary>1. Which of the three parts are left at inference?</summary>SSSR alone. SISR and feature affinity act in training only, through weights that are shared.</details>
# <details><summary>2. Is the input halved, or the output doubled?</summary>Both views are right: against a full-size network the input is
# halved, against the small host the output is doubled.</details>
# <details><summary>3. Which tensors enter feature affinity?</summary>The last features of both branches. Class maps would compare
# opinions about classes, of which SISR has none.</details>

# %% [markdown] lang="zh" of="f31f9da1"
# ## 带走五个问题
#
# 先自己说出答案，再展开核对。
#
# <details><summary>1. 三个部分里，推理时还剩哪些？</summary>只剩 SSSR。SISR 和特征亲和只在训练时通过共享的权重起作用。</details>
# <details><summary>2. 是输入减半，还是输出加倍？</summary>两种说法都对：与全尺寸的网络相比，输入减半；与小输入的宿主网络相比，输出加倍。</details>
# <details><summary>3. 哪些张量参与特征亲和？</summary>两个分支各自的最后一层特征。如果比较类别图，比的就是对类别的判断，而 SISR 根本不做这种判断。</details>

# %% [markdown]
# <details><summary>4. What does the figure above <em>not</em> prove?</summary>Anything about other data, networks or lengths of training. It is
# exploratory: what it suggests must be tested on new seeds.</details>
# <details><summary>5. Where would you look first for a gain: in the sky, or at the poles?</summary>At the poles. The sky is large, and a coarse
# grid draws it well. Thin things lose most.</details>

# %% [markdown] lang="zh" of="676bee3f"
# <details><summary>4. 上面的条形图<em>不能</em>证明什么？</summary>换了数据、网络或训练步数会怎样，它都不能证明。这是探索性实验：它提示的东西，还要用新的种子来检验。</details>
# <details><summary>5. 要找增益，先看哪里：天空，还是细杆？</summary>细杆。天空面积大，粗网格也画得好；损失最大的是细长物体。</details>
