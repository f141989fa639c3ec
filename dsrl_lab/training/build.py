"""From a ``NetworkConfig`` to a network, and from a checkpoint back to the network it holds."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from dsrl_lab.dsrl import DSRL, SISRHead, SSSRHead, SubPixelHead
from dsrl_lab.kernels import use_fast_kernels
from dsrl_lab.models import POSE, SEGMENTATION, SUPER_RESOLUTION
from dsrl_lab.models.base import DensePredictor
from dsrl_lab.models.super_resolution import SuperResolver
from dsrl_lab.training import checkpoint
from dsrl_lab.training.config import NetworkConfig, SuperResolverConfig

_Model = TypeVar("_Model", bound=nn.Module)


def build_dsrl(network: NetworkConfig, *, host: DensePredictor | None = None, seed: int = 0) -> DSRL:
    """Construct the whole network in its fast forms, around a ``host`` if given; new layers are drawn from ``seed``.

    ValueError for an unknown host or head, or affinity without SISR; names are listed.

    Example:
        >>> type(build_dsrl(NetworkConfig(host="tinynet", num_classes=11, sssr="sub_pixel")).task_model).__name__
        'SuperResolved'
    """
    hosts, factor = SEGMENTATION | POSE, network.upscale_factor
    if network.host not in hosts:
        raise ValueError(f"unknown host {network.host!r}; choose one of {', '.join(sorted(hosts))}")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # no other device's numbers are touched
        try:
            host = host or hosts[network.host](network.num_classes, **network.host_options)
        except (TypeError, RuntimeError, OverflowError) as error:
            asked = f"{network.num_classes} classes and host_options {network.host_options}"
            reason = str(error).partition("\n")[0]  # PyTorch adds the frames of its own calls
            raise ValueError(f"no {network.host} can be built with {asked} ({reason}); correct them") from error
        host.spec = replace(host.spec, align_corners=network.align_corners)
        torch.default_generator.manual_seed(seed + 1)  # the parts draw the same, whether or not the host has drawn
        sssr: str | SSSRHead | None = network.sssr
        if network.sssr == "sub_pixel":
            sssr = SubPixelHead(host, upscale_factor=factor, width=network.sssr_width, factor=network.sssr_factor)
        sisr: bool | SISRHead = False
        if network.sisr:
            options: Any = {"width": network.sisr_width, "fuse": network.sisr_fuse, "residual": network.sisr_residual}
            sisr = SISRHead(host, upscale_factor=factor, **options)
        names = ("affinity", "affinity_stride", "feature_transform", "detach_sisr")
        options = {name: getattr(network, name) for name in names}
        return use_fast_kernels(DSRL(host, upscale_factor=factor, sssr=sssr, sisr=sisr, **options))


def build_super_resolver(config: SuperResolverConfig, *, seed: int = 0) -> SuperResolver:
    """Construct a super-resolution network, its weights drawn from ``seed``; a ValueError lists the names.

    Example:
        >>> build_super_resolver(SuperResolverConfig(network="espcn")).framework
        'post-upsampling'
    """
    if config.network not in SUPER_RESOLUTION:
        raise ValueError(f"unknown network {config.network!r}; choose one of {', '.join(SUPER_RESOLUTION)}")
    options: dict[str, Any] = {}
    if config.network == "dbpn":
        width = config.width or 64
        options = {"stages": config.stages or 7, "width": width, "stem_width": 2 * width, "global_skip": True}
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return SUPER_RESOLUTION[config.network](config.upscale_factor, channels=config.channels, **options)


def load_super_resolver(path: str | Path) -> SuperResolver:
    """Build the super-resolution network of a checkpoint and load it strictly; errors as ``load_task_model``."""
    loaded = checkpoint.load(path)
    if "config" not in loaded.description:
        raise ValueError(f"{path} holds no super-resolver; train one with dsrl-lab train-sisr super_resolution_espcn")
    return _load(loaded, lambda: build_super_resolver(SuperResolverConfig.from_json(loaded.description["config"])))


def load_task_model(path: str | Path) -> tuple[DensePredictor, checkpoint.Checkpoint]:
    """Build the deployed network of a checkpoint, of a whole run or deployed, and load it strictly for evaluation.

    FileNotFoundError for no such file, ValueError for one that is damaged, not of this kit, or not as it describes.
    """
    loaded = checkpoint.load(path)
    if "network" not in loaded.description and "config" in loaded.description:
        raise ValueError(
            f"expected a network of classes or joints, {path} holds a super-resolution network of dsrl-lab train-sisr, "
            "which gives pictures; take a checkpoint of dsrl-lab train"
        )
    if "network" not in loaded.description:
        raise ValueError(f"the header of {path} names no network; take a checkpoint that dsrl-lab train wrote")
    deployed = bool(loaded.description.get("deployed"))

    def build() -> Any:
        network = NetworkConfig.from_json(loaded.description["network"])
        if deployed:
            return build_dsrl(replace(network, sisr=False, affinity=False)).task_model
        return build_dsrl(network)

    model = _load(loaded, build)
    return (model if deployed else model.task_model), loaded


def _load(loaded: checkpoint.Checkpoint, build: Callable[[], _Model]) -> _Model:
    try:
        with torch.device("meta"):  # sizes alone: a damaged header may ask for any amount of memory
            frame = build()
    except Exception as error:  # any type and size may stand in a damaged header
        raise ValueError(
            f"the header of {loaded.path} describes no network of this kit ({type(error).__name__}: {error}); "
            "the file is damaged, or was written by a newer version"
        ) from error
    checkpoint.check_model(frame, loaded)
    model = build()
    checkpoint.load_model(model, loaded)
    return model.eval()
