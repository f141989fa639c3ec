"""Exercises of notebook 07 about runs: going on where one stopped, and leaving the training-only half behind.

Source: SGD with momentum as PyTorch defines it (the velocity holds gradients, the learning rate multiplies it); the
names of tensors are those of ``dsrl_lab.dsrl.DSRL``.
"""

from __future__ import annotations

import zlib
from typing import Any

import torch
from torch import Tensor

from dsrl_lab.course.exercises.exercise import Answer, Case, Exercise, Hint, WrongAnswer, call, draw_integer

MOMENTUM, POWER = 0.9, 0.9

# 07.4


def go_on(
    weight: Tensor,
    velocity: Tensor,
    iteration: int,
    gradients: Tensor,
    learning_rate: float,
) -> Tensor:
    """Finish a run of SGD that was stopped, as if nothing had happened.

    Each step: velocity = 0.9 * velocity + gradient; weight = weight - rate * velocity,
    with the poly rate learning_rate * (1 - step / steps) ** 0.9.

    Args:
        weight: as it was saved.
        velocity: as it was saved.
        iteration: steps that were done; the next one has this number.
        gradients: of every step of the whole run, from its first: len(gradients) steps.
        learning_rate: at the start of the run.

    Shape:
        - weight, velocity, output (the weight at the end): (P,); gradients: (steps, P)

    Example:
        >>> go_on(torch.ones(1), torch.tensor([2.0]), 1, torch.tensor([[5.0], [1.0]]), 0.1)
        tensor([0.8500])
    """
    for step in range(iteration, len(gradients)):
        velocity = 0.9 * velocity + gradients[step]
        weight = weight - learning_rate * (1 - step / len(gradients)) ** 0.9 * velocity
    return weight


def _with_torch(weight: Tensor, velocity: Tensor, iteration: int, gradients: Tensor, learning_rate: float) -> Tensor:
    parameter = torch.nn.Parameter(weight.clone())
    optimizer = torch.optim.SGD([parameter], lr=learning_rate, momentum=MOMENTUM)
    optimizer.state[parameter]["momentum_buffer"] = velocity.clone()
    schedule = torch.linspace(1, 0, len(gradients) + 1, dtype=torch.float64).pow(POWER).mul(learning_rate).tolist()
    for rate, gradient in list(zip(schedule, gradients, strict=False))[iteration:]:
        optimizer.param_groups[0]["lr"] = rate
        parameter.grad = gradient
        optimizer.step()
    return parameter.detach()


def _resumed(
    weight: Tensor,
    velocity: Tensor,
    iteration: int,
    gradients: Tensor,
    learning_rate: float,
    *,
    first: int | None = None,
    counted_from: int = 0,
    read_from: int = 0,
    rate_inside: bool = False,
) -> Tensor:
    """A resume with one thing wrong."""
    steps = len(gradients)
    for step in range(iteration if first is None else first, steps):
        rate = learning_rate * (1 - (step - counted_from) / steps) ** POWER
        gradient = gradients[step - read_from]
        velocity = MOMENTUM * velocity + (rate * gradient if rate_inside else gradient)
        weight = weight - (velocity if rate_inside else rate * velocity)
    return weight


def _draw_runs(generator: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for size in (1, 3, 5):
        steps = draw_integer(generator, 8, 14)
        weight, velocity = torch.randn(2, size, generator=generator) + 2
        gradients = torch.randn(steps, size, generator=generator) + 1
        cases.append((weight, velocity, draw_integer(generator, 2, steps - 3), gradients, 0.3))
    return cases


GO_ON = Exercise(
    name="07.4",
    title="Weights, velocity and the step's number: all three must be saved",
    difficulty=2,
    importance=3,
    minutes=10,
    solution=go_on,
    oracle=_with_torch,
    draw=_draw_runs,
    wrong_answers=(
        WrongAnswer(
            "the velocity starts from zero",
            lambda w, v, i, g, rate: _resumed(w, torch.zeros_like(v), i, g, rate),
            "You went on without momentum's memory: the first steps after a stop are too short, and the run is no "
            "longer the one you stopped. Saving the weights alone does this; the loss shows a small bump.",
        ),
        WrongAnswer(
            "the schedule starts over",
            lambda w, v, i, g, rate: _resumed(w, v, i, g, rate, counted_from=i),
            "The learning rate jumped back to its start and never comes down to its end. The step's number counts over "
            "all sessions of a run: save it.",
        ),
        WrongAnswer(
            "the pictures start over",
            lambda w, v, i, g, rate: _resumed(w, v, i, g, rate, read_from=i),
            "You read the run's first batches again, and never its last: a loader that shuffles anew on each start "
            "does so. Which pictures a step sees must follow from its number.",
        ),
        WrongAnswer(
            "one step twice",
            lambda w, v, i, g, rate: _resumed(w, v, i, g, rate, first=i - 1),
            "The last step before the stop was done once more. `iteration` steps are done, counted from 0, so the next "
            "one has number `iteration`.",
        ),
        WrongAnswer(
            "the learning rate inside the velocity",
            lambda w, v, i, g, rate: _resumed(w, v, i, g, rate, rate_inside=True),
            "Your velocity holds rate * gradient. With a constant rate the two forms agree; with a schedule, and with "
            "a velocity that the other form saved, they do not. PyTorch keeps plain gradients and multiplies on use.",
        ),
    ),
    hints=(
        Hint("Off by a little", "Is the velocity as it was saved? Which number has the first step that you do?"),
        Hint("Far off", "Does the learning rate go on falling, or does it start again?"),
    ),
)

# 07.5


def deployed_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """What a deployed network keeps of a DSRL network's tensors.

    The names are those that it has alone. A DSRL network owns ``task_model`` (host and
    SSSR head), ``sisr_head`` and ``transform``; ``task_model`` alone is deployed, and
    loads its tensors strictly: nothing missing, nothing left over.

    Example:
        >>> one = torch.ones(1)
        >>> sorted(deployed_state({"task_model.host.a": one, "sisr_head.b": one}))
        ['host.a']
    """
    prefix = "task_model."
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _by_split(state: dict[str, Tensor]) -> dict[str, Tensor]:
    owners = [(name.split("."), value) for name, value in state.items()]
    return {".".join(rest): value for (owner, *rest), value in owners if owner == "task_model"}


TENSORS = (
    "task_model.host.stage2.0.weight",
    "task_model.host.stage2.1.running_mean",
    "task_model.host.stage2.1.num_batches_tracked",
    "task_model.host.classifier.bias",
    "task_model.sssr_head.reduce.0.weight",
    "task_model.sssr_head.expand.weight",
    "sisr_head.project.0.weight",
    "sisr_head.predict.0.weight",
    "transform.0.weight",
    "transform.1.running_var",
)


def _draw_states(generator: torch.Generator) -> list[Case]:
    return [({name: torch.rand(2, draw_integer(generator, 2, 5), generator=generator) for name in TENSORS},)]


def _names_and_sums(answer: Answer, case: Case) -> Any:
    """A dictionary of tensors as numbers: for each name, in order, a mark of the name and the tensor's sum."""
    state = call(answer, case)
    if not isinstance(state, dict):
        raise TypeError(f"expected a dictionary of tensors, got {type(state).__name__}")
    return [[zlib.crc32(name.encode()) % 997, float(value.sum())] for name, value in sorted(state.items())]


STRIP = Exercise(
    name="07.5",
    title="Keep what task_model owns, under its own names",
    difficulty=1,
    importance=3,
    minutes=5,
    solution=deployed_state,
    oracle=_by_split,
    draw=_draw_states,
    run=_names_and_sums,
    wrong_answers=(
        WrongAnswer(
            "all of it, strict=False",
            lambda state: {name.removeprefix("task_model."): value for name, value in state.items()},
            "Everything is still there: a strict load refuses it, and strict=False silences the refusal together with "
            "every real mistake. Keep only what the deployed network owns.",
        ),
        WrongAnswer(
            "old names",
            lambda state: {name: value for name, value in state.items() if name.startswith("task_model.")},
            "Right tensors under names that the deployed network does not have: it knows nothing of `task_model`. With "
            "strict=False nothing at all would be loaded, and you would deploy random weights.",
        ),
        WrongAnswer(
            "SISR alone left out",
            lambda state: {
                name.removeprefix("task_model."): value for name, value in state.items() if "sisr" not in name
            },
            "The feature transform is still there: it is in training only, like SISR. Keep by owner, do not strike out "
            "by name.",
        ),
        WrongAnswer(
            "without the SSSR head",
            lambda state: {
                name.removeprefix("task_model."): value
                for name, value in state.items()
                if name.startswith("task_model.host.")
            },
            "You dropped the SSSR head as well. It stays: it makes the mask twice the input's size, and its cost is "
            "what DSRL costs at inference.",
        ),
        WrongAnswer(
            "without BatchNorm's statistics",
            lambda state: {
                name: value for name, value in _by_split(state).items() if "running" not in name and "num_" not in name
            },
            "BatchNorm's running statistics are buffers, not parameters, and evaluation cannot do without them: "
            "state_dict() has them, parameters() has not.",
        ),
    ),
    hints=(
        Hint("The shape is wrong", "How many tensors belong to `task_model`?"),
        Hint("Right number of tensors", "What would the deployed network, built alone, call them?"),
    ),
)

EXERCISES = (GO_ON, STRIP)
