"""Every network that can be measured: ``bisenet``, ``bisenet-xception39`` (encoder), ``bisenet+deconvolution``, ..."""

from collections.abc import Callable, Sequence
from functools import partial

from torch import nn

from dsrl_lab.dsrl import DSRL, SSSR_HEADS
from dsrl_lab.models import POSE, SEGMENTATION, SUPER_RESOLUTION
from dsrl_lab.models.base import DensePredictor

NUM_JOINTS = 17
UPSCALE_FACTOR = 2

Builder = Callable[[], nn.Module]


def _deployed(host: Callable[[], DensePredictor], head: str) -> nn.Module:
    return DSRL(host(), upscale_factor=UPSCALE_FACTOR, sssr=head, sisr=False, affinity=False).task_model


def catalogue(*, num_classes: int = 19) -> dict[str, Builder]:
    """Every network by name; a value builds it, untrained. Pose nets have 17 joints, super-resolvers double sides."""
    builders: dict[str, Builder] = {}
    for name, kind in SEGMENTATION.items():
        hosts: dict[str, Callable[[], DensePredictor]] = {name: partial(kind, num_classes)}
        for encoder in getattr(kind, "ENCODERS", ())[1:]:
            hosts[f"{name}-{encoder}"] = partial(kind, num_classes, encoder=encoder)
        builders |= hosts
        builders |= {f"{host}+{head}": partial(_deployed, hosts[host], head) for host in hosts for head in SSSR_HEADS}
    builders |= {name: partial(kind, UPSCALE_FACTOR) for name, kind in SUPER_RESOLUTION.items()}
    builders |= {name: partial(kind, NUM_JOINTS) for name, kind in POSE.items()}
    return builders


def find(names: Sequence[str], *, num_classes: int = 19) -> dict[str, Builder]:
    """Pick networks in the order asked for; raises ValueError, which lists them, for a name that is not there."""
    known = catalogue(num_classes=num_classes)
    unknown = [name for name in names if name not in known]
    if unknown:
        plain = ", ".join(name for name in known if "+" not in name)
        raise ValueError(
            f"unknown network {unknown[0]!r}; choose from {plain}, or a segmentation network with an SSSR head: "
            f"{', '.join('NAME+' + head for head in SSSR_HEADS)}"
        )
    return {name: known[name] for name in names}
