"""The sizes of all that flows through a DSRL network, taken by running it, so that no drawing can drift from it."""

from typing import NamedTuple

import torch

from dsrl_lab.complexity import evaluating
from dsrl_lab.dsrl import DSRL, SISRHead
from dsrl_lab.models.segmentation.espnetv2 import ESPNetv2
from dsrl_lab.results.diagrams import Shape


class NetworkShapes(NamedTuple):
    """Sizes (C, H, W) of the tensors of one picture."""

    image: Shape
    features: tuple[Shape, ...]
    class_maps: Shape  # the host's own prediction
    head_features: Shape  # what it is made from, where feature affinity taps
    logits: Shape
    super_res: Shape | None
    task_features: Shape | None  # what enters feature affinity, as does the next
    sisr_features: Shape | None


def network_shapes(dsrl: DSRL, input_size: tuple[int, int]) -> NetworkShapes:
    """Run a network on one empty picture and say all sizes in it; ValueError if it cannot serve this one."""
    image = torch.zeros(1, 3, *input_size, device=next(dsrl.parameters()).device)
    with evaluating(dsrl):
        features = dsrl.task_model.forward_features(image)
        head = getattr(dsrl.task_model, "host", dsrl.task_model).forward_head(features)
        logits, *training_only = dsrl(image)
    of_training = (None if tensor is None else _shape(tensor) for tensor in training_only[:3])
    of_features = tuple(map(_shape, features))
    return NetworkShapes(_shape(image), of_features, *map(_shape, (*head[:2], logits)), *of_training)


def meta_device() -> torch.device:
    """Where networks are built without memory for their weights and run without computing; for ``with``."""
    return torch.device("meta")


def papers_network() -> DSRL:
    """ESPNetv2 as in the paper's Figures 2 and 4 and the authors' release, SISR from the deepest map; no weights."""
    with meta_device():
        host = ESPNetv2(19, width=2.0)
        return DSRL(host, sssr="deconvolution", sisr=SISRHead(host, fuse=False))


def _shape(tensor: torch.Tensor) -> Shape:
    _, channels, height, width = tensor.shape
    return channels, height, width
