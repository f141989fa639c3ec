"""Widgets filled with what the kit brings along: a drawn street and the committed network that saw it."""

from __future__ import annotations

from pathlib import Path

from dsrl_lab.experiments import REPOSITORY
from dsrl_lab.plots.figures_streets import see
from dsrl_lab.widgets.affinity import AffinityExplorer

CHECKPOINT = REPOSITORY / "data" / "checkpoints" / "streets_tinynet" / "dsrl_seed0_whole.safetensors"


def street_affinity(checkpoint: Path = CHECKPOINT) -> AffinityExplorer:
    """The affinity explorer on the first validation scene of the drawn streets.

    Args:
        checkpoint: a whole network (with its SISR branch) that was trained with feature affinity on streets.

    Raises:
        FileNotFoundError: there is no such checkpoint.
        ValueError: the network was trained without feature affinity.
    """
    if not checkpoint.is_file():
        raise FileNotFoundError(
            f"expected a whole network at {checkpoint}, found none; train one: dsrl-lab train streets_tinynet_dsrl"
        )
    seen = see(checkpoint)
    task, sisr = seen.output.task_features, seen.output.sisr_features
    if task is None or sisr is None:
        raise ValueError(f"{checkpoint} was trained without feature affinity; choose a run of the row dsrl")
    return AffinityExplorer(
        seen.high_res,
        {"DSRL": task[0]},
        sisr[0],
        alt="A drawn street with one position marked, and how similar all positions are to it in the features of "
        "segmentation and of super-resolution",
    )
