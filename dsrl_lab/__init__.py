"""DSRL Lab: Dual Super-Resolution Learning for dense prediction, written to be read, tested and taught.

The names that a notebook or a researcher needs come from here; each is imported when it is first asked for.

Example:
    >>> from dsrl_lab import DSRL, TinyNet
    >>> DSRL(TinyNet(11)).upscale_factor
    2
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dsrl_lab.affinity import affinity_matrix, feature_affinity_loss
    from dsrl_lab.datasets.streets import Streets
    from dsrl_lab.dsrl import DSRL
    from dsrl_lab.experiments import run
    from dsrl_lab.models.base import DensePredictor, HeadOutput, PredictorSpec
    from dsrl_lab.models.segmentation.espnetv2 import ESPNetv2
    from dsrl_lab.models.segmentation.tinynet import TinyNet
    from dsrl_lab.recipes import find_recipe, with_changes
    from dsrl_lab.training.build import build_dsrl, load_super_resolver, load_task_model
    from dsrl_lab.training.config import NetworkConfig, TrainConfig
    from dsrl_lab.training.evaluate import evaluate_segmentation
    from dsrl_lab.training.examples import Batches, DecodedSamples
    from dsrl_lab.training.loop import fit
    from dsrl_lab.training.objectives import SegmentationObjective

__version__ = "0.2.0"

_ROOMS = {
    "affinity": ("affinity_matrix", "feature_affinity_loss"),
    "datasets.streets": ("Streets",),
    "dsrl": ("DSRL",),
    "experiments": ("run",),
    "models.base": ("DensePredictor", "HeadOutput", "PredictorSpec"),
    "models.segmentation.espnetv2": ("ESPNetv2",),
    "models.segmentation.tinynet": ("TinyNet",),
    "recipes": ("find_recipe", "with_changes"),
    "training.build": ("build_dsrl", "load_super_resolver", "load_task_model"),
    "training.config": ("NetworkConfig", "TrainConfig"),
    "training.evaluate": ("evaluate_segmentation",),
    "training.examples": ("Batches", "DecodedSamples"),
    "training.loop": ("fit",),
    "training.objectives": ("SegmentationObjective",),
}
_HOMES = {name: room for room, names in _ROOMS.items() for name in names}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dsrl_lab' has no attribute {name!r}; it hands out {', '.join(__all__)}")
    return getattr(import_module(f"dsrl_lab.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
