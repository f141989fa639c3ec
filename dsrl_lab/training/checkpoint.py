"""Checkpoints: one safetensors file with its description in the header, written atomically and loaded strictly.

A file holds tensors (``model.*`` and, for runs that go on, ``optimizer.<state>.<parameter>``) and JSON in the header:
what network it is, how it was trained, how far. No pickle is ever read. A copy of the JSON stands beside the file for
people; the header is what counts. A killed or failed write leaves the earlier file as it was.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

DESCRIPTION = "dsrl_lab"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What a file holds: tensors by name, and the description from its header."""

    path: Path
    tensors: dict[str, Tensor]
    description: dict[str, Any]

    def model_state(self) -> dict[str, Tensor]:
        """The model's tensors, by their names in the model."""
        return {name.removeprefix("model."): t for name, t in self.tensors.items() if name.startswith("model.")}


def save(
    path: Path,
    model: nn.Module,
    description: dict[str, Any],
    *,
    optimizer: torch.optim.Optimizer | None = None,
) -> None:
    """Write a checkpoint atomically: to a temporary file, to the disk, then renamed.

    Args:
        path: where to; its folder is made.
        model: whose parameters and buffers are kept.
        description: JSON for the header.
        optimizer: of the same model, for runs that go on.

    Raises:
        OSError: the file could not be written; the message says how much room there is, and that the earlier
            checkpoint is intact.
    """
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    if optimizer is not None:
        tensors |= _optimizer_tensors(model, optimizer)
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    try:
        safetensors.torch.save_file(tensors, temporary, metadata={DESCRIPTION: json.dumps(description)})
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        readable = path.with_suffix(".json.part")
        readable.write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
        readable.replace(path.with_suffix(".json"))
    except (OSError, safetensors.SafetensorError) as error:
        temporary.unlink(missing_ok=True)
        free = shutil.disk_usage(path.parent).free / 2**20
        raise OSError(
            f"could not write the checkpoint {path} ({error}); {free:.0f} MiB are free there. "
            "An earlier checkpoint, if there was one, is intact: make room and run again with --resume"
        ) from error


def load(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or was not written by this kit.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {path}; train one with dsrl-lab train, or check the path")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        description = json.loads(metadata[DESCRIPTION])
    except KeyError as error:
        raise ValueError(
            f"{path} is a safetensors file, but not a checkpoint of this kit (no {error} in it)"
        ) from error
    except (safetensors.SafetensorError, OSError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} is damaged or no safetensors file ({error}); take another copy, or train it again"
        ) from error
    if not isinstance(description, dict):
        raise ValueError(f"{path}: expected a JSON object in the header, got {type(description).__name__}")
    return Checkpoint(path=path, tensors=tensors, description=description)


def copy_model(source: Path, target: Path) -> None:
    """Copy a run's checkpoint without its optimizer, header and all."""
    loaded = load(source)
    tensors = {name: tensor for name, tensor in loaded.tensors.items() if name.startswith("model.")}
    target.parent.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file(tensors, target, metadata={DESCRIPTION: json.dumps(loaded.description)})


def check_model(model: nn.Module, checkpoint: Checkpoint) -> None:
    """Compare names and shapes with a model's, which may be on the "meta" device.

    Raises:
        ValueError: a tensor is missing, left over, or has another shape; the message names them.
    """
    state, wanted = checkpoint.model_state(), model.state_dict()
    problems = [f"missing {name}" for name in sorted(wanted.keys() - state.keys())]
    problems += [f"left over {name}" for name in sorted(state.keys() - wanted.keys())]
    problems += [
        f"{name} has shape {tuple(state[name].shape)}, expected {tuple(wanted[name].shape)}"
        for name in sorted(wanted.keys() & state.keys())
        if state[name].shape != wanted[name].shape
    ]
    if problems:
        shown = "; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
        raise ValueError(
            f"{checkpoint.path} does not fit this network: {shown}. "
            "Build the network that its header describes (same host, classes and head)"
        )


def load_model(model: nn.Module, checkpoint: Checkpoint) -> None:
    """Load a model's tensors strictly.

    Raises:
        ValueError: a tensor is missing, left over, or has another shape; the message names them.
    """
    check_model(model, checkpoint)
    model.load_state_dict(checkpoint.model_state(), strict=True)


def load_optimizer(model: nn.Module, optimizer: torch.optim.Optimizer, checkpoint: Checkpoint) -> None:
    """Load an optimizer's state (momentum, ...) by the names of the model's parameters.

    Raises:
        ValueError: a state belongs to a parameter that the model does not have.
    """
    parameters = dict(model.named_parameters())
    for name, tensor in checkpoint.tensors.items():
        if not name.startswith("optimizer."):
            continue
        _, key, parameter_name = name.split(".", 2)
        if parameter_name not in parameters:
            raise ValueError(f"{checkpoint.path}: the optimizer's state {name} belongs to no parameter of this network")
        parameter = parameters[parameter_name]
        # Momentum takes the parameter's memory format: sums in another order would not resume bit for bit.
        state = torch.empty_like(parameter) if tensor.shape == parameter.shape else torch.empty_like(tensor)
        optimizer.state[parameter][key] = state.copy_(tensor)


def _optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {
        f"optimizer.{key}.{name}": value
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }
