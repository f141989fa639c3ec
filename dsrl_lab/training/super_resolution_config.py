"""A super-resolution network by name and how it is trained, as one frozen dataclass.

Source: the defaults are ours, chosen on held-out pictures of T91 for minutes on one core.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

from dsrl_lab.models.super_resolution import DBPN, ESPCN, FSRCNN, SRCNN, LapSRN, SuperResolver

LOSSES = ("charbonnier", "l1", "mse")


@dataclass(frozen=True, kw_only=True)
class SuperResolutionConfig:
    """A super-resolution network by name and how it is trained; JSON both ways.

    Attributes:
        network: "srcnn", "espcn", "fsrcnn", "lapsrn" or "dbpn".
        upscale_factor: s.
        channels: 1 for luminance.
        stages: T of DBPN; None for the other networks.
        width: of DBPN's projection units; None for the other networks.
        loss: "mse", "l1" or "charbonnier", on every scale the network returns.
        iterations: optimizer steps.
        batch_size: patches per step.
        patch_size: side of the high-resolution patch.
        learning_rate: of Adam, at its peak.
        warmup_iterations: the learning rate rises linearly over them, then falls as a cosine.
        seed: of initial weights and patches.
        record_every: iterations per record, validation and checkpoint.
        bfloat16: whether convolutions run in bfloat16 while training: faster on processors that have units for it
            (AVX-512 BF16, AMX), over ten times slower on those that have not (measured on AVX2).
    """

    network: str
    upscale_factor: int = 2
    channels: int = 1
    stages: int | None = None
    width: int | None = None
    loss: str = "mse"
    iterations: int
    batch_size: int = 16
    patch_size: int = 48
    learning_rate: float = 1e-3
    warmup_iterations: int = 100
    seed: int = 0
    record_every: int = 250
    bfloat16: bool = False

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise ValueError(f"unknown loss {self.loss!r}; choose one of {', '.join(LOSSES)}")
        if min(self.iterations, self.batch_size, self.record_every) < 1:
            raise ValueError(
                "expected iterations, batch_size and record_every of at least 1, got "
                f"{self.iterations}, {self.batch_size} and {self.record_every}"
            )

    def to_json(self) -> dict[str, Any]:
        """As a dictionary that JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """From ``to_json``'s dictionary.

        Raises:
            ValueError: an unknown key.

        Example:
            >>> config = SuperResolutionConfig(network="espcn", iterations=10)
            >>> SuperResolutionConfig.from_json(config.to_json()) == config
            True
        """
        unknown = sorted(set(values) - {entry.name for entry in dataclasses.fields(cls)})
        if unknown:
            raise ValueError(f"SuperResolutionConfig has no field {', '.join(unknown)}; the file is of another version")
        return cls(**values)


def build_super_resolver(config: SuperResolutionConfig) -> SuperResolver:
    """Build the network that a config names, with initial weights drawn from the global generator.

    Raises:
        ValueError: unknown network.

    Example:
        >>> build_super_resolver(SuperResolutionConfig(network="espcn", iterations=1)).framework
        'post-upsampling'
    """
    factor, channels = config.upscale_factor, config.channels
    match config.network:
        case "srcnn":
            return SRCNN(factor, channels=channels)
        case "espcn":
            return ESPCN(factor, channels=channels)
        case "fsrcnn":
            return FSRCNN(factor, channels=channels)
        case "lapsrn":
            return LapSRN(factor, channels=channels)
        case "dbpn":
            width = config.width or 64
            return DBPN(
                factor,
                channels=channels,
                stages=config.stages or 7,
                width=width,
                stem_width=2 * width,
                global_skip=True,
            )
    raise ValueError(f"unknown network {config.network!r}; choose one of srcnn, espcn, fsrcnn, lapsrn, dbpn")
