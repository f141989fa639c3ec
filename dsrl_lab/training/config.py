"""What a run is made of, as frozen dataclasses: the network, how it is trained, and both on a data set (``Recipe``).

Each field is checked by its type and its range. The defaults of ``TrainConfig`` are the paper's where it gives them
(second-hand: momentum, weight decay, learning rate, poly power, weights of the objective); the rest is ours.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, Self, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from dsrl_lab.datasets.base import ClassTable  # with PyTorch, which a list of recipes does not need


@dataclass(frozen=True, kw_only=True)
class _Checked:
    """Checks every field by its annotation, and numbers by ``_RANGES``."""

    def __post_init__(self) -> None:
        for name, hint in _hints(type(self)).items():
            _check(name, hint, getattr(self, name))

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """From ``to_json``'s dictionary; an unknown key is an error.

        Example:
            >>> NetworkConfig.from_json(NetworkConfig(host="tinynet", num_classes=11).to_json()).host
            'tinynet'
        """
        if not isinstance(values, dict):
            raise ValueError(f"expected {cls.__name__} as a table of its fields, got {str(values)[:60]!r}")
        hints = _hints(cls)
        if unknown := sorted(set(values) - set(hints)):
            raise ValueError(f"{cls.__name__} has no field {', '.join(unknown)}; it has {', '.join(sorted(hints))}")
        pairs = {name for name, value in values.items() if isinstance(value, list) and get_origin(hints[name]) is tuple}
        return cls(**{name: tuple(value) if name in pairs else value for name, value in values.items()})


@dataclass(frozen=True, kw_only=True)
class NetworkConfig(_Checked):
    """A DSRL network by name: all that is needed to build it again and load its weights strictly.

    ``align_corners`` holds wherever logits are resized, by default False: pictures, masks and scores count from pixels'
    corners (the centre of pixel i is i + 0.5). Resizes inside a host's own decoder stay as its authors have them.
    """

    host: str  # a name in models.SEGMENTATION or models.POSE
    num_classes: int  # classes, or joints of a pose net
    host_options: dict[str, Any] = field(default_factory=dict)  # the host's further arguments, {"width": 1.0} say
    align_corners: bool = False
    upscale_factor: int = 2  # sides of the output over sides of the input
    sssr: str | None = None  # name of the SSSR head; None for the plain host
    sssr_width: int = 16  # channels inside the sub-pixel head
    sssr_factor: int | None = None  # magnification of the sub-pixel head's shuffle; None: all the way to the output
    sisr: bool = False  # whether there is a SISR head
    sisr_width: int = 32  # channels of the SISR head
    sisr_fuse: bool = True  # SISR from all encoder maps, or from the deepest alone
    sisr_residual: bool = False  # SISR predicts what bilinear enlargement misses
    affinity: bool = False  # whether the branches are compared
    affinity_stride: int = 8  # output pixels per position of the affinity matrix
    feature_transform: bool = True  # on the segmentation side; without, affinity compares the host's own features
    detach_sisr: bool = False  # stop the affinity's gradient at the SISR features

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """As ``_Checked.from_json``; before 0.2 ESPNetv2's corner convention reached its plain row alone."""
        if isinstance(values, dict) and "align_corners" not in values:
            aligned = values.get("host") == "espnetv2" and values.get("sssr") is None
            values = values | {"align_corners": aligned}
        return super().from_json(values)


@dataclass(frozen=True, kw_only=True)
class SuperResolverConfig(_Checked):
    """A super-resolution network by name, and the loss it learns by."""

    network: str  # "srcnn", "espcn", "fsrcnn", "lapsrn" or "dbpn"
    upscale_factor: int = 2
    channels: int = 1  # 1 for luminance
    stages: int | None = None  # T of DBPN; None for the other networks
    width: int | None = None  # of DBPN's projection units; None for the other networks
    loss: Literal["charbonnier", "l1", "mse"] = "mse"  # on every scale that the network returns

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """As ``_Checked.from_json``; before 0.2 a checkpoint's table held its training as well."""
        before = {"iterations", "batch_size", "patch_size", "learning_rate", "warmup_iterations", "seed"}
        before |= {"record_every", "bfloat16"}
        if isinstance(values, dict):
            values = {name: value for name, value in values.items() if name not in before}
        return super().from_json(values)


@dataclass(frozen=True, kw_only=True)
class TrainConfig(_Checked):
    """How a network is trained; two runs with the same config, seed and data give the same weights on one machine.

    New layers are the host's class layers, SSSR, SISR and transform. With ``accumulate`` the step is that of the whole
    batch (but for BatchNorm), the memory that of a part. ``sync_batch_norm`` takes several GPUs and is untried.
    ``compile`` makes no setting faster on a CPU (data/runs/compile_pace.jsonl); GPUs were not tried.
    """

    input_size: tuple[int, int]  # (H, W) that the network receives
    iterations: int  # optimizer steps
    batch_size: int = 8  # images per step, over all processes
    learning_rate: float = 0.01  # at the start of the schedule, after the warm-up
    optimizer: Literal["sgd", "adam"] = "sgd"
    head_learning_rate_multiplier: float = 1.0  # of all new layers
    momentum: float = 0.9  # of SGD
    weight_decay: float = 5e-4  # on weights of convolutions; norms, biases and slopes have none
    schedule: Literal["poly", "cosine"] = "poly"  # cosine: down to 1 % of the learning rate
    poly_power: float = 0.9  # exponent of (1 - iteration / iterations)
    warmup_iterations: int = 0  # the learning rate rises linearly over them
    clip_gradient: float | None = None  # largest norm of the gradient
    sisr_weight: float = 0.1  # w1 of the objective
    affinity_weight: float = 1.0  # w2 of the objective
    affinity_q: Literal[1, 2] = 1  # differences of affinities: absolute, or squared
    affinity_precision: Literal["float32", "tf32", "bfloat16"] = "float32"  # of its products; lower is faster on a GPU
    affinity_positions: int | None = None  # drawn anew for each batch, at least 2; None for all
    auxiliary_weight: float = 0.4  # of each auxiliary head's loss
    ramp_iterations: int = 0  # the affinity weight rises linearly over them
    shuffle_affinity: bool = False  # the control: each picture is compared with another picture's SISR features
    class_balance: float = 0.0  # exponent b of the class weights frequency^-b; 0 for none
    scale_range: tuple[float, float] = (1.0, 1.0)  # random scale of the picture (or person) before the crop
    max_degrees: float = 0.0  # a person is turned by up to so much to either side; segmentation turns nothing
    heatmap_sigma: float = 8.0  # deviation of a joint's Gaussian, in pixels of the high-resolution crop
    flip_probability: float = 0.5  # of mirroring left and right
    seed: int = 0  # of every draw: initial weights, order, augmentation, dropout
    record_every: int = 20  # iterations per record
    checkpoint_every: int = 100  # iterations per checkpoint
    evaluate_every: int = 0  # iterations per validation; 0 for one at the end
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"  # 16-mixed: a resumed run scales the loss anew
    channels_last: bool = False  # memory format of network and images
    freeze_batch_norm: bool = False  # keep BatchNorm's statistics as they are
    sync_batch_norm: bool = False  # BatchNorm over the pictures of all processes
    accumulate: int = 1  # parts that each process takes its share of a batch in, one after the other
    compile: bool = False  # let torch.compile fuse the network
    workers: int = 0  # threads of each process that decode the next batch during a step; draws are the same

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.scale_range[0] <= self.scale_range[1]:
            raise ValueError(f"expected scale_range with 0 < smallest <= largest, got {self.scale_range!r}")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One experiment: a row of a setting's ablation. A setting is what all rows share: data, host, size, length."""

    setting: str
    row: str = "baseline"  # a name in rows.ROWS
    title: str = "baseline"  # of the row, for tables and figures
    dataset: str  # a name in datasets.class_tables.CLASS_TABLES or datasets.people.POSE_DATASETS, or "folder"
    network: NetworkConfig
    train: TrainConfig
    released: str | None = None  # file of released weights under <data>/weights that the host starts from
    class_map: tuple[int | None, ...] | None = None  # for each class the released output that it starts from
    encoder_weights: str | None = None  # ImageNet weights of the host's encoder: torchvision's name, or a file's path
    pictures: tuple[int, ...] | None = None  # of a drawn data set: numbers of train, val and, where scored, test
    picture_size: tuple[int, int] | None = None  # (H, W) of drawn pictures; by default that of the network's output
    town_per_seed: bool = False  # draw another town for each seed, so that seeds cover other streets too
    further_split: str | None = None  # a split that is scored once, after val, when training has ended ("test")
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # inputs of rows that need one of their own
    classes: ClassTable | None = None  # of a folder of one's own, once it is open

    @property
    def name(self) -> str:
        """As the command line knows it."""
        return f"{self.setting}_{self.row}"

    def identity(self) -> dict[str, Any]:
        """The recipe's part of a record's first line; a resumed run must agree with it."""
        names = ("setting", "row", "title", "dataset", "released", "encoder_weights")
        plain = {"recipe": self.name, "drawn": self.pictures} | {name: getattr(self, name) for name in names}
        classes = {} if self.classes is None else {"classes": dataclasses.asdict(self.classes)}
        return {**plain, "network": self.network.to_json(), "train": self.train.to_json(), **classes}


@dataclass(frozen=True, kw_only=True)
class SuperResolutionRecipe:
    """One of the super-resolution frameworks, trained on T91."""

    name: str  # as the command line knows it
    title: str  # for tables and figures
    network: SuperResolverConfig
    train: TrainConfig  # ``input_size`` is that of a low-resolution patch
    target_psnr: float  # dB on Y of Set5, border s, that the run is meant to reach

    def identity(self) -> dict[str, Any]:
        """As ``Recipe.identity``; the network stands under "config"."""
        plain = {"recipe": self.name, "title": self.title, "dataset": "T91", "target_psnr": self.target_psnr}
        return {**plain, "config": self.network.to_json(), "train": self.train.to_json()}


# Smallest and largest values; a whole number that is not here is 1 to 10^6.
_RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("warmup_iterations", "ramp_iterations", "evaluate_every", "seed"), (0, 2**63 - 1)),
    **dict.fromkeys(("iterations", "record_every", "checkpoint_every"), (1, 2**53)),
    **dict.fromkeys(("upscale_factor", "sssr_factor"), (1, 64)),
    "workers": (0, 1024),
    **dict.fromkeys(("sisr_weight", "affinity_weight", "auxiliary_weight", "weight_decay"), (0.0, 1e6)),
    **dict.fromkeys(("momentum", "flip_probability"), (0.0, 1.0)),
    "affinity_positions": (2, 2**63 - 1),
    "learning_rate": (0.0, 1e30),
    "head_learning_rate_multiplier": (0.0, 1e6),
    "poly_power": (0.0, 1e3),
    "clip_gradient": (1e-12, 1e12),
    "class_balance": (0.0, 10.0),
    "max_degrees": (0.0, 360.0),
    "heatmap_sigma": (1e-6, 1e6),
}


_hints: Callable[[type], dict[str, Any]] = functools.cache(get_type_hints)


def _check(name: str, hint: Any, value: Any) -> None:
    if NoneType in get_args(hint):
        if value is None:
            return
        hint = next(kind for kind in get_args(hint) if kind is not NoneType)
    if get_origin(hint) is Literal:
        if value not in get_args(hint) or isinstance(value, bool):
            raise ValueError(f"unknown {name} {value!r}; choose {', '.join(map(str, get_args(hint)))}")
        return
    low, high = _RANGES.get(name, (1, 10**6))
    inside = _is_number(value) and low <= value <= high
    pair = isinstance(value, tuple) and len(value) == 2 and all(map(_is_number, value))
    size = pair and all(isinstance(side, int) and side >= 1 for side in value)
    kinds: dict[Any, tuple[bool, str]] = {
        tuple[int, int]: (size, "(H, W), a tuple of two positive whole numbers, as in (90, 120)"),
        tuple[float, float]: (pair, "as a tuple of two numbers, as in (1.0, 1.5)"),
        bool: (isinstance(value, bool), "as true or false"),
        int: (inside and isinstance(value, int), f"as a whole number from {low} to {high}"),
        float: (inside, f"as a number from {low:g} to {high:g}"),
        str: (isinstance(value, str), "as a word"),
    }
    fits, expected = kinds.get(hint, (isinstance(value, dict), "as a table of options"))
    if not fits:
        raise ValueError(f"expected {name} {expected}, got {value!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
