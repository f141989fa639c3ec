"""What a run is made of, as frozen dataclasses: the network, how it is trained, and both on a data set (``Recipe``).

The defaults of ``TrainConfig`` are the paper's where it says them (second-hand: momentum, weight decay, learning rate,
poly power, weights of the objective); the rest is ours and stands in every run's record.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """A DSRL network by name: all that is needed to build it again and load its weights strictly.

    Attributes:
        host: a name in ``models.SEGMENTATION`` or ``models.POSE``.
        num_classes: classes, or joints of a pose net.
        host_options: the host's further constructor arguments, {"width": 1.0} say.
        align_corners: corner convention wherever logits are resized. One for all rows of an ablation, and by default
            False, because pictures, masks and scores count from pixels' corners (the centre of pixel i is i + 0.5).
            Resizes inside a host's own decoder stay as its authors have them.
        upscale_factor: sides of the output over sides of the input.
        sssr: name of the SSSR head, or None for the plain host.
        sssr_width: channels inside the sub-pixel head.
        sssr_factor: magnification of the sub-pixel head's shuffle, or None for all the way to the output.
        sisr: whether there is a SISR head.
        sisr_width: channels of the SISR head.
        sisr_fuse: SISR from all encoder maps, or from the deepest alone.
        sisr_residual: SISR predicts what bilinear enlargement misses.
        affinity: whether the branches are compared.
        affinity_stride: output pixels per position of the affinity matrix.
        detach_sisr: stop the affinity's gradient at the SISR features.
    """

    host: str
    num_classes: int
    host_options: dict[str, Any] = field(default_factory=dict)
    align_corners: bool = False
    upscale_factor: int = 2
    sssr: str | None = None
    sssr_width: int = 16
    sssr_factor: int | None = None
    sisr: bool = False
    sisr_width: int = 32
    sisr_fuse: bool = True
    sisr_residual: bool = False
    affinity: bool = False
    affinity_stride: int = 8
    detach_sisr: bool = False

    def to_json(self) -> dict[str, Any]:
        """As a dictionary that JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """From ``to_json``'s dictionary; an unknown key is an error.

        Example:
            >>> NetworkConfig.from_json(NetworkConfig(host="tinynet", num_classes=11).to_json()).host
            'tinynet'
        """
        values = _known_fields(cls, values)
        if "align_corners" not in values:  # before 0.2 ESPNetv2's convention reached its plain row alone
            values["align_corners"] = values.get("host") == "espnetv2" and values.get("sssr") is None
        return cls(**values)


SUPER_RESOLUTION_LOSSES = ("charbonnier", "l1", "mse")


@dataclass(frozen=True, kw_only=True)
class SuperResolverConfig:
    """A super-resolution network by name, and the loss it learns by.

    Attributes:
        network: "srcnn", "espcn", "fsrcnn", "lapsrn" or "dbpn".
        upscale_factor: s.
        channels: 1 for luminance.
        stages: T of DBPN; None for the other networks.
        width: of DBPN's projection units; None for the other networks.
        loss: "mse", "l1" or "charbonnier", on every scale the network returns.
    """

    network: str
    upscale_factor: int = 2
    channels: int = 1
    stages: int | None = None
    width: int | None = None
    loss: str = "mse"

    def __post_init__(self) -> None:
        if self.loss not in SUPER_RESOLUTION_LOSSES:
            raise ValueError(f"unknown loss {self.loss!r}; choose one of {', '.join(SUPER_RESOLUTION_LOSSES)}")

    def to_json(self) -> dict[str, Any]:
        """As a dictionary that JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """From ``to_json``'s dictionary, or from that of a checkpoint before 0.2, which held its training as well.

        Example:
            >>> SuperResolverConfig.from_json({"network": "espcn", "iterations": 40000, "patch_size": 48}).loss
            'mse'
        """
        before = {"iterations", "batch_size", "patch_size", "learning_rate", "warmup_iterations", "seed"}
        before |= {"record_every", "bfloat16"}
        return cls(**_known_fields(cls, {key: value for key, value in values.items() if key not in before}))


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a network is trained; two runs with the same config, seed and data give the same weights on one machine.

    Attributes:
        input_size: (H, W) that the network receives.
        iterations: optimizer steps.
        batch_size: images per step, over all processes.
        learning_rate: at the start of the poly schedule.
        head_learning_rate_multiplier: for all new layers: the host's class layers, SSSR, SISR, transform.
        optimizer: "sgd", or "adam" as pose nets and super-resolvers are trained with.
        momentum: of SGD.
        weight_decay: on weights of convolutions; norms, biases and slopes have none.
        schedule: "poly", or "cosine" down to 1 % of the learning rate.
        poly_power: exponent of (1 - iteration / iterations).
        warmup_iterations: the learning rate rises linearly over them.
        clip_gradient: largest norm of the gradient, or None.
        sisr_weight: w1 of the objective.
        affinity_weight: w2 of the objective.
        affinity_q: 1 (absolute difference of affinities) or 2 (squared).
        auxiliary_weight: of each auxiliary head's loss.
        ramp_iterations: the affinity weight rises linearly over them.
        shuffle_affinity: the control: each picture is compared with another picture's SISR features.
        class_balance: exponent b of the class weights frequency^-b (0 = none).
        scale_range: random scale of the picture (or person) before the crop.
        max_degrees: a person is turned by up to so much to either side; segmentation turns nothing.
        heatmap_sigma: deviation of a joint's Gaussian, in pixels of the high-resolution crop.
        flip_probability: of mirroring left and right.
        seed: of every draw: initial weights, order, augmentation, dropout.
        record_every: iterations per record.
        checkpoint_every: iterations per checkpoint.
        evaluate_every: iterations per validation; 0 for one at the end.
        precision: as Lightning Fabric names it: "32-true", "bf16-mixed", "16-mixed".
        channels_last: memory format of the network and images.
        freeze_batch_norm: keep BatchNorm's statistics as they are.
        sync_batch_norm: BatchNorm over the pictures of all processes (of this part, with ``accumulate``); several GPUs
            alone, and this kit's authors had none to try it on.
        accumulate: parts that each process takes its share of a batch in, one after the other; the step is that of the
            whole batch (but for BatchNorm, which sees the parts), the memory that of a part.
        compile: let torch.compile fuse the network; the first step then takes minutes. On a CPU no setting that was
            measured became faster (``dsrl-lab bench compile``, data/runs/compile_pace.jsonl); GPUs were not tried.
        workers: threads of each process that decode the next batch during a step; 0 for none. Draws are the same.
    """

    input_size: tuple[int, int]
    iterations: int
    batch_size: int = 8
    learning_rate: float = 0.01
    optimizer: Literal["sgd", "adam"] = "sgd"
    head_learning_rate_multiplier: float = 1.0
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: Literal["poly", "cosine"] = "poly"
    poly_power: float = 0.9
    warmup_iterations: int = 0
    clip_gradient: float | None = None
    sisr_weight: float = 0.1
    affinity_weight: float = 1.0
    affinity_q: Literal[1, 2] = 1
    auxiliary_weight: float = 0.4
    ramp_iterations: int = 0
    shuffle_affinity: bool = False
    class_balance: float = 0.0
    scale_range: tuple[float, float] = (1.0, 1.0)
    max_degrees: float = 0.0
    heatmap_sigma: float = 8.0
    flip_probability: float = 0.5
    seed: int = 0
    record_every: int = 20
    checkpoint_every: int = 100
    evaluate_every: int = 0
    precision: str = "32-true"
    channels_last: bool = False
    freeze_batch_norm: bool = False
    sync_batch_norm: bool = False
    accumulate: int = 1
    compile: bool = False
    workers: int = 0

    def __post_init__(self) -> None:
        size: Any = self.input_size
        if not isinstance(size, tuple) or len(size) != 2 or not all(_is_whole(n, 1) for n in size):
            raise ValueError(f"expected input_size (H, W) of two positive whole numbers, as in [90, 120]; got {size!r}")
        scales: Any = self.scale_range
        if not isinstance(scales, tuple) or len(scales) != 2 or not all(_is_number(n) for n in scales):
            raise ValueError(f"expected scale_range of two numbers, as in [1.0, 1.5]; got {scales!r}")
        if not 0 < scales[0] <= scales[1]:
            raise ValueError(f"expected scale_range with 0 < smallest <= largest, got {scales!r}")
        for name, least in _WHOLE.items():
            if not _is_whole(getattr(self, name), least):
                raise ValueError(f"expected {name} of at least {least}, a whole number, got {getattr(self, name)!r}")
        for name, (lowest, highest) in _NUMBERS.items():
            value = getattr(self, name)
            if name == "clip_gradient" and value is None:
                continue
            if not _is_number(value) or not lowest <= value <= highest:
                raise ValueError(f"expected {name} as a number from {lowest:g} to {highest:g}, got {value!r}")
        for name, words in _WORDS.items():
            if getattr(self, name) not in words:
                known = ", ".join(map(str, words))
                raise ValueError(f"unknown {name} {getattr(self, name)!r}; choose {known}")
        for name in _SWITCHES:
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"expected {name} as true or false, got {getattr(self, name)!r}")

    def to_json(self) -> dict[str, Any]:
        """As a dictionary that JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """From ``to_json``'s dictionary; an unknown key is an error.

        Example:
            >>> config = TrainConfig(input_size=(90, 120), iterations=10)
            >>> TrainConfig.from_json(config.to_json()) == config
            True
        """
        values = _known_fields(cls, values)
        for name in ("input_size", "scale_range"):
            if isinstance(values.get(name), list):
                values[name] = tuple(values[name])
        return cls(**values)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One experiment: a row of a setting's ablation.

    Attributes:
        setting: what all rows share: data, host, input size, length.
        row: a name in ``rows.ROWS``.
        title: of the row, for tables and figures.
        dataset: a name in ``datasets.class_tables.CLASS_TABLES`` or ``datasets.people.POSE_DATASETS``.
        network: what is trained.
        train: how.
        released: file of released weights under <data>/weights that the host starts from, or None.
        class_map: for each class the released output it starts from.
        encoder_weights: name of torchvision's weights for the host's encoder, or the path of their file, or None.
        pictures: numbers of train, val and, where it is scored, test pictures of a data set that is drawn on the spot.
        picture_size: (H, W) of the drawn pictures; by default that of the network's output.
        town_per_seed: draw another town for each seed, so that seeds say something about other streets.
        further_split: a split that is scored once, after val, when training has ended ("test"), or None.
        sizes: input sizes of rows that need one of their own.
    """

    setting: str
    row: str = "baseline"
    title: str = "baseline"
    dataset: str
    network: NetworkConfig
    train: TrainConfig
    released: str | None = None
    class_map: tuple[int | None, ...] | None = None
    encoder_weights: str | None = None
    pictures: tuple[int, ...] | None = None
    picture_size: tuple[int, int] | None = None
    town_per_seed: bool = False
    further_split: str | None = None
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As the command line knows it."""
        return f"{self.setting}_{self.row}"

    def identity(self) -> dict[str, Any]:
        """What a record's first line says of the recipe; a run that goes on must agree with it."""
        plain = {
            name: getattr(self, name) for name in ("setting", "row", "title", "dataset", "released", "encoder_weights")
        }
        return {"recipe": self.name, **plain, "network": self.network.to_json(), "train": self.train.to_json()}


@dataclass(frozen=True, kw_only=True)
class SuperResolutionRecipe:
    """One of the super-resolution frameworks, trained on T91.

    Attributes:
        name: as the command line knows it.
        title: for tables and figures.
        network: what is trained, and its loss.
        train: how; ``input_size`` is that of a low-resolution patch.
        target_psnr: dB on Y of Set5, border s, that the run is meant to reach.
    """

    name: str
    title: str
    network: SuperResolverConfig
    train: TrainConfig
    target_psnr: float

    def identity(self) -> dict[str, Any]:
        """As ``Recipe.identity``; the network stands under "config"."""
        plain = {"recipe": self.name, "title": self.title, "dataset": "T91", "target_psnr": self.target_psnr}
        return {**plain, "config": self.network.to_json(), "train": self.train.to_json()}


# What each field of TrainConfig may be: whole numbers from a least one, numbers in a range, words, true or false.
_WHOLE = {"iterations": 1, "batch_size": 1, "record_every": 1, "checkpoint_every": 1, "accumulate": 1}
_WHOLE |= {"warmup_iterations": 0, "ramp_iterations": 0, "evaluate_every": 0, "workers": 0, "seed": 0}
_NUMBERS = {
    "learning_rate": (0.0, 1e30),
    "head_learning_rate_multiplier": (0.0, 1e6),
    "momentum": (0.0, 1.0),
    "weight_decay": (0.0, 1e6),
    "poly_power": (0.0, 1e3),
    "clip_gradient": (1e-12, 1e12),
    "sisr_weight": (0.0, 1e6),
    "affinity_weight": (0.0, 1e6),
    "auxiliary_weight": (0.0, 1e6),
    "class_balance": (0.0, 10.0),
    "max_degrees": (0.0, 360.0),
    "heatmap_sigma": (1e-6, 1e6),
    "flip_probability": (0.0, 1.0),
}
_WORDS: dict[str, tuple[Any, ...]] = {
    "optimizer": ("sgd", "adam"),
    "schedule": ("poly", "cosine"),
    "affinity_q": (1, 2),
    "precision": ("32-true", "bf16-mixed", "16-mixed", "bf16-true", "16-true", "64-true"),
}
_SWITCHES = ("shuffle_affinity", "channels_last", "freeze_batch_norm", "sync_batch_norm", "compile")


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < 2**63


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _known_fields(cls: type, values: dict[str, Any]) -> dict[str, Any]:
    known = {field.name for field in dataclasses.fields(cls)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ValueError(f"{cls.__name__} has no field {', '.join(unknown)}; it has {', '.join(sorted(known))}")
    return dict(values)
