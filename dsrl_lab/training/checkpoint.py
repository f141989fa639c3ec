"""Checkpoints: one safetensors file with its description in the header, written whole and loaded strictly.

Tensors are ``model.*`` and, to resume, ``optimizer.<state>.<parameter>``; the JSON is what network it is, how it was
trained, how far. No pickle is ever read. A copy of the JSON beside the file is for people.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from dsrl_lab.files import whole_file

DESCRIPTION = "dsrl_lab"
_WRAPPERS = {"module.": "DataParallel or DistributedDataParallel", "_orig_mod.": "torch.compile"}
_OPTIMIZER_STATE = {"SGD": {"momentum_buffer"}, "Adam": {"step", "exp_avg", "exp_avg_sq"}}


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What a file holds: tensors by name, and the description from its header."""

    path: Path
    tensors: dict[str, Tensor]
    description: dict[str, Any]

    def model_state(self) -> dict[str, Tensor]:
        """The model's tensors, by their names in the model."""
        return {name.removeprefix("model."): t for name, t in self.tensors.items() if name.startswith("model.")}


def progress(checkpoint: Checkpoint) -> SimpleNamespace:
    """How far the run of a checkpoint is: the entries of ``_PROGRESS``; a ValueError names a missing or wrong one."""
    header = {"cpu_seconds": 0.0} | checkpoint.description  # no run counted them before 0.2
    for name, (kind, fits) in _PROGRESS.items():
        if name not in header or not fits(header[name]):
            found = f"got {str(header[name])[:60]!r}" if name in header else "found none"
            raise ValueError(
                f"expected {name} as {kind} in the header of {checkpoint.path}, {found}; it is no checkpoint to go on "
                "from, or damaged: take latest.safetensors of a run, or start anew in another folder"
            )
    return SimpleNamespace(**{name: header[name] for name in _PROGRESS})


def save(
    path: Path, model: nn.Module, description: dict[str, Any], *, optimizer: torch.optim.Optimizer | None = None
) -> None:
    """Write a model, and an optimizer's state to resume with; the earlier file stays until the new one is whole.

    An OSError names the file that cannot be written and, on a full disk, the free room.
    """
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    if optimizer is not None:
        tensors |= _optimizer_tensors(model, optimizer)
    _write(path, {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}, description)
    with whole_file(path.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")


def copy_model(source: Path, target: Path) -> None:
    """Copy a run's checkpoint without its optimizer, header and all."""
    loaded = load(source)
    _write(target, {n: tensor for n, tensor in loaded.tensors.items() if n.startswith("model.")}, loaded.description)


def _write(path: Path, tensors: dict[str, Tensor], description: dict[str, Any]) -> None:
    try:
        with whole_file(path) as temporary:
            safetensors.torch.save_file(tensors, temporary, metadata={DESCRIPTION: json.dumps(description)})
    except OSError as error:
        raise OSError(f"{error}. An earlier checkpoint is intact: run again with --resume") from error


def load(path: str | Path) -> Checkpoint:
    """Read a checkpoint; FileNotFoundError for no such file, ValueError for one that is damaged or not of this kit."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {path}; train one with dsrl-lab train, or check the path")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        description = json.loads(metadata[DESCRIPTION])
    except KeyError as error:
        raise ValueError(f"{path} is a safetensors file, but no checkpoint of this kit (no {error} in it)") from error
    except (safetensors.SafetensorError, OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged or no safetensors file ({error}); take another copy or retrain") from error
    if not isinstance(description, dict):
        raise ValueError(f"{path}: expected a JSON object in the header, got {type(description).__name__}")
    return Checkpoint(path=path, tensors=tensors, description=description)


def check_model(model: nn.Module, checkpoint: Checkpoint) -> None:
    """Compare names and shapes with a model's, which may be on the "meta" device; a ValueError names what differs."""
    state, wanted = checkpoint.model_state(), model.state_dict()
    problems = [f"missing {name}" for name in sorted(wanted.keys() - state.keys())]
    problems += [f"left over {name}" for name in sorted(state.keys() - wanted.keys())]
    problems += [
        f"{name} has shape {tuple(state[name].shape)}, expected {tuple(wanted[name].shape)}"
        for name in sorted(wanted.keys() & state.keys())
        if state[name].shape != wanted[name].shape
    ]
    if not problems:
        return
    shown = "; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
    remedy = "Build the network that its header describes (same host, classes and head)"
    for prefix, wrapper in _WRAPPERS.items():
        if state and all(name.startswith(prefix) for name in state):
            remedy = f"Its names begin with {prefix!r}, as {wrapper} leaves them: save the network inside the wrapper"
    raise ValueError(f"{checkpoint.path} does not fit this network: {shown}. {remedy}")


def load_model(model: nn.Module, checkpoint: Checkpoint) -> None:
    """Load a model's tensors strictly; errors as in ``check_model``."""
    check_model(model, checkpoint)
    model.load_state_dict(checkpoint.model_state(), strict=True)


def load_optimizer(model: nn.Module, optimizer: torch.optim.Optimizer, checkpoint: Checkpoint) -> None:
    """Load an optimizer's state by the names of the model's parameters; one that does not fit is a ValueError."""
    parameters = dict(model.named_parameters())
    found: dict[str, set[str]] = {}
    for name, tensor in checkpoint.tensors.items():
        if not name.startswith("optimizer."):
            continue
        key, _, parameter_name = name.removeprefix("optimizer.").partition(".")
        if parameter_name not in parameters:
            raise _does_not_fit(checkpoint, f"{name} belongs to no parameter of this network")
        parameter = parameters[parameter_name]
        if tensor.ndim and tensor.shape != parameter.shape:
            shapes = f"its parameter's shape {tuple(parameter.shape)}, got {tuple(tensor.shape)}"
            raise _does_not_fit(checkpoint, f"expected {name} in {shapes}")
        found.setdefault(parameter_name, set()).add(key)
        # Momentum takes the parameter's memory format: sums in another order would not resume bit for bit.
        state = torch.empty_like(parameter) if tensor.shape == parameter.shape else torch.empty_like(tensor)
        optimizer.state[parameter][key] = state.copy_(tensor)
    for parameter_name, keys in found.items():
        if keys != _OPTIMIZER_STATE.get(type(optimizer).__name__, keys):
            kept = f"{', '.join(sorted(keys))} of {parameter_name}"
            raise _does_not_fit(checkpoint, f"{type(optimizer).__name__} does not go on from {kept}")


def _does_not_fit(checkpoint: Checkpoint, problem: str) -> ValueError:
    remedy = "resume the recipe that wrote it, or, if it is damaged, start anew in another folder"
    return ValueError(f"{checkpoint.path}: {problem}; {remedy}")


def _optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {
        f"optimizer.{key}.{name}": value
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def is_number(value: Any) -> bool:
    """Whether a value read from JSON is a finite number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 1e308


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


_PROGRESS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "train": ("a table", lambda value: isinstance(value, dict)),  # TrainConfig as JSON
    "iteration": ("a whole number", _is_whole),  # steps done; seconds are those in steps
    "seconds": ("a number", lambda value: is_number(value) and value >= 0),
    "cpu_seconds": ("a number", lambda value: is_number(value) and value >= 0),
    "best": ("a number or null", lambda value: value is None or is_number(value)),
    "reported": ("true or false", lambda value: isinstance(value, bool)),
    "sums": ("four numbers", lambda value: isinstance(value, list) and len(value) == 4 and all(map(is_number, value))),
    "steps": ("a whole number", _is_whole),
    "step_seconds": ("a number", lambda value: is_number(value) and value >= 0),
}
