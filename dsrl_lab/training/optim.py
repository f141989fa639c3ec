"""Parameter groups by rule, and schedules of the learning rate.

A rule, not a list: a public re-implementation listed modules by hand and left the SISR decoder out. Every parameter
that needs a gradient is in exactly one group.
"""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from dsrl_lab.dsrl import DSRL, SuperResolved
from dsrl_lab.training.config import TrainConfig


def parameter_groups(model: nn.Module, started: Iterable[nn.Parameter], config: TrainConfig) -> list[dict[str, Any]]:
    """Sort parameters by two rules: new (all but ``started``) or not, and a matrix (decays) or a vector (does not)."""
    old = {id(parameter) for parameter in started}
    groups: dict[tuple[bool, bool], dict[str, Any]] = {}
    for parameter in model.parameters():
        if not parameter.requires_grad:
            continue
        is_old, decays = id(parameter) in old, parameter.ndim > 1
        multiplier = 1.0 if is_old else config.head_learning_rate_multiplier
        empty = {"params": [], "weight_decay": config.weight_decay if decays else 0.0, "multiplier": multiplier}
        groups.setdefault((is_old, decays), empty)["params"].append(parameter)
    return list(groups.values())


def host_parameters(dsrl: DSRL) -> list[nn.Parameter]:
    """The host's parameters without its class layers', which are as new as the BatchNorm that an SSSR head adds."""
    host = dsrl.task_model.host if isinstance(dsrl.task_model, SuperResolved) else dsrl.task_model
    new = {id(p) for name in host.spec.class_layers for p in host.get_submodule(name).parameters()}
    return [parameter for parameter in host.parameters() if id(parameter) not in new]


def poly_learning_rate(
    iteration: int, iterations: int, *, learning_rate: float, power: float = 0.9, warmup: int = 0
) -> float:
    """Learning rate of a step: learning_rate * (1 - iteration / iterations)^power, after a linear warm-up.

    Example:
        >>> [poly_learning_rate(i, 4, learning_rate=1.0, power=1.0) for i in range(4)]
        [1.0, 0.75, 0.5, 0.25]
    """
    _check_step(iteration, iterations, warmup)
    rate = learning_rate * (1 - iteration / iterations) ** power
    return rate * min(1.0, (iteration + 1) / warmup) if warmup else rate


def cosine_learning_rate(iteration: int, iterations: int, *, learning_rate: float, warmup: int = 0) -> float:
    """Learning rate of a step: linear rise over ``warmup`` steps, then half a cosine down to 1 % of the peak."""
    _check_step(iteration, iterations, warmup)
    if iteration < warmup:
        return learning_rate * (iteration + 1) / warmup
    done = (iteration - warmup) / max(1, iterations - 1 - warmup)
    return learning_rate * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)


def _check_step(iteration: int, iterations: int, warmup: int) -> None:
    if not 0 <= iteration <= iterations or warmup < 0:
        raise ValueError(f"expected an iteration of 0 to {iterations} and warmup from 0, got {iteration} and {warmup}")


def learning_rate_of(config: TrainConfig, iteration: int) -> float:
    """Learning rate of a step by a run's schedule, before any multiplier."""
    rate, warmup = config.learning_rate, config.warmup_iterations
    if config.schedule == "cosine":
        return cosine_learning_rate(iteration, config.iterations, learning_rate=rate, warmup=warmup)
    return poly_learning_rate(iteration, config.iterations, learning_rate=rate, power=config.poly_power, warmup=warmup)


def build_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """SGD with momentum, as the paper trains, or Adam, as HRNet's release; outside a ``DSRL`` nothing counts as new."""
    started = host_parameters(model) if isinstance(model, DSRL) else model.parameters()
    groups = parameter_groups(model, started, config)
    if config.optimizer == "adam":
        return torch.optim.Adam(groups, lr=config.learning_rate)
    return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum)


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Give every group its multiple of ``learning_rate``."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group.get("multiplier", 1.0)


def freeze_batch_norm(modules: Iterable[nn.Module]) -> None:
    """Put every BatchNorm into evaluation, so that its statistics stay; its weights still learn."""
    for module in modules:
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
