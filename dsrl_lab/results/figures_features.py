"""Figure 3 of the paper in our own drawing: the last features of both branches, by length (L2) and main components."""

import torch
from torch import Tensor

from dsrl_lab.plots.masks import bare, show_image, show_mask
from dsrl_lab.plots.theme import new_figure
from dsrl_lab.results.figures_streets import see
from dsrl_lab.results.inputs import Drawing, Inputs, MissingInputError


def principal_colors(features: Tensor) -> Tensor:
    """The first three principal components of (C, H, W), C >= 3, clipped to 96 %, as colours (3, H, W) in [0, 1]."""
    _, height, width = features.shape
    rows = features.double().flatten(1).T
    rows = rows - rows.mean(0)
    _, axes = torch.linalg.eigh(rows.T @ rows)
    axes = axes[:, -3:].flip(1)
    axes = axes * torch.where(axes.sum(0) < 0, -1.0, 1.0)  # a component's sign is free
    parts = (rows @ axes).T
    low, high = (torch.quantile(parts, q, dim=1, keepdim=True) for q in (0.02, 0.98))
    return ((parts - low) / (high - low).clamp(min=1e-9)).clamp(0, 1).float().view(3, height, width)


def edge_share(length: Tensor) -> float:
    """Mean absolute step between neighbours of a non-negative (H, W), over its mean: a number for what the eye sees."""
    steps = torch.cat([length.diff(dim=0).abs().flatten(), length.diff(dim=1).abs().flatten()])
    return float(steps.mean() / length.mean().clamp(min=1e-9))


def paper_figure3(inputs: Inputs) -> Drawing:
    """Features of both branches for the first validation scene, beside what goes in and what they are asked for."""
    seen = see(inputs.checkpoints["dsrl"])
    task, sisr = seen.output.task_features, seen.output.sisr_features
    if task is None or sisr is None:
        raise MissingInputError(f"{inputs.checkpoints['dsrl'].name} was trained without feature affinity")
    figure = new_figure(13, 5.4)
    axes = figure.subplots(2, 4)
    height, width = seen.low_res.shape[-2:]
    show_image(seen.low_res, crisp=True, title=f"input {height}×{width}", ax=axes[0, 0])
    show_mask(seen.sample.mask, seen.streets.class_table, legend=False, title="truth", ax=axes[0, 1])
    show_image(seen.high_res, title="the picture that SISR is asked for", ax=axes[1, 0])
    assert seen.output.super_res is not None  # it has SISR features
    show_image(seen.output.super_res[0], title="what SISR gives", ax=axes[1, 1])
    for line, name, features in ((axes[0], "SSSR", task[0]), (axes[1], "SISR", sisr[0])):
        length = features.norm(dim=0)
        line[2].imshow(length.numpy(), cmap="viridis", interpolation="none")
        bare(line[2], f"{name} features: length (edges {edge_share(length):.2f})")
        show_image(principal_colors(features), crisp=True, title=f"{name}: three components", ax=line[3])
    return Drawing(figure)
