"""Exercises of notebook 07: the loss over a batch, the poly schedule, the optimizer's groups, resuming, deployment.

Source: Wang et al., CVPR 2020, equations 2 to 5; DeepLab's schedule; PyTorch's SGD; two wrong answers of public code.
"""

from collections import Counter

import torch
from torch import Tensor

from dsrl_lab.course.exercises.calls import call_for_loss
from dsrl_lab.course.exercises.exercise import Case, draw_integer
from dsrl_lab.course.exercises.solutions.texts import exercise

MOMENTUM, POWER = 0.9, 0.9


def batch_loss(losses: Tensor, mask: Tensor) -> Tensor:
    return losses[mask != 255].mean()


def _draw_batches(generator: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for n in (2, 3, 4):
        losses = 0.5 + torch.rand(n, 4, 5, generator=generator) * torch.arange(1, n + 1)[:, None, None]
        mask = torch.randint(0, 11, (n, 4, 5), generator=generator)
        mask[0, :3] = 255  # pictures differ in what is labelled
        mask[1, :2] = 0  # class 0 is a class
        cases.append((losses, mask))
    return cases


def _of_each(losses: Tensor, mask: Tensor) -> Tensor:
    return torch.stack([one[labels != 255].mean() for one, labels in zip(losses, mask, strict=True)])


BATCH_LOSS = exercise(
    "07.1",
    difficulty=1,
    solution=batch_loss,
    oracle=lambda losses, mask: (
        losses.masked_fill(mask == 255, 0).sum() / sum(m != 255 for m in mask.flatten().tolist())
    ),
    draw=_draw_batches,
    run=call_for_loss,
    wrong_answers={
        "divided by the batch size again": lambda losses, mask: losses[mask != 255].mean() / len(losses),
        "ignored pixels in the denominator": lambda losses, mask: (losses * (mask != 255)).sum() / losses.numel(),
        "ignored pixels count": lambda losses, mask: losses.mean(),
        "mean of the pictures' means": lambda losses, mask: _of_each(losses, mask).mean(),
        "summed over the batch": lambda losses, mask: losses[mask != 255].sum(),
    },
)


def poly(iteration: int, iterations: int, learning_rate: float, power: float) -> float:
    return learning_rate * (1 - iteration / iterations) ** power


def _poly_by_power_of_tensor(iteration: int, iterations: int, learning_rate: float, power: float) -> Tensor:
    return learning_rate * torch.linspace(1, 0, iterations + 1, dtype=torch.float64)[iteration].pow(power)


def _chained(iteration: int, iterations: int, learning_rate: float, power: float) -> float:
    rate = learning_rate
    for step in range(iteration + 1):
        rate *= (1 - step / iterations) ** power
    return rate


def _draw_steps(generator: torch.Generator) -> list[Case]:
    cases: list[Case] = [(0, 40, 0.01, 0.9), (29, 30, 1.0, 0.5)]
    for power in (0.9, 2.0, 0.5):
        iterations = draw_integer(generator, 20, 90)
        rate = 0.5 + float(torch.rand((), generator=generator))
        cases.append((draw_integer(generator, 4, iterations - 4), iterations, rate, power))
    return cases


POLY = exercise(
    "07.2",
    difficulty=1,
    solution=poly,
    oracle=_poly_by_power_of_tensor,
    draw=_draw_steps,
    wrong_answers={
        "one step ahead": lambda i, n, rate, power: rate * (1 - (i + 1) / n) ** power,
        "zero on the last step": lambda i, n, rate, power: rate * (1 - i / (n - 1)) ** power,
        "the power inside": lambda i, n, rate, power: rate * (1 - (i / n) ** power),
        "a straight line": lambda i, n, rate, power: rate * (1 - i / n),
        "times the last one": _chained,
    },
)


def audit(sizes: dict[str, int], groups: list[list[str]]) -> list[int]:
    listed = [name for group in groups for name in group]
    forgotten = sum(size for name, size in sizes.items() if listed.count(name) == 0)
    repeated = sum(size for name, size in sizes.items() if listed.count(name) > 1)
    return [forgotten, repeated]


def _counted(sizes: dict[str, int], groups: list[list[str]]) -> list[int]:
    times = Counter(name for group in groups for name in set(group))
    forgotten = sum(sizes[name] for name in sizes.keys() - times.keys())
    return [forgotten, sum(sizes[name] for name, count in times.items() if count > 1)]


OWNED = {"host": ("stage2", "stage4", "stage8", "head"), "sssr": ("reduce", "expand"), "sisr": ("project", "refine")}
NAMES = [f"{owner}.{part}" for owner, parts in OWNED.items() for part in parts] + ["sisr.predict", "transform.weight"]


def _draw_groups(generator: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for _ in range(4):
        sizes = {name: 7 * draw_integer(generator, 3, 90) + number for number, name in enumerate(NAMES)}
        order = [NAMES[i] for i in torch.randperm(len(NAMES), generator=generator).tolist()]
        kept = order[3:]  # the first three are forgotten; one is listed twice, one three times
        groups = [kept[:4], [*kept[4:], kept[0]], [kept[0], kept[5]]]
        cases.append((sizes, groups))
    return cases


def _missing_in_total(sizes: dict[str, int], groups: list[list[str]]) -> int:
    return sum(sizes.values()) - sum(sizes[name] for group in groups for name in group)


AUDIT = exercise(
    "07.3",
    difficulty=2,
    solution=audit,
    oracle=_counted,
    draw=_draw_groups,
    wrong_answers={
        "two errors cancel": lambda sizes, groups: [_missing_in_total(sizes, groups), _counted(sizes, groups)[1]],
        "parameters, not numbers": lambda sizes, groups: _counted(dict.fromkeys(sizes, 1), groups),
        "the first group alone": lambda sizes, groups: [_counted(sizes, groups[:1])[0], _counted(sizes, groups)[1]],
        "counted once for each time too many": lambda sizes, groups: [
            _counted(sizes, groups)[0],
            _counted(sizes, groups)[0] - _missing_in_total(sizes, groups),
        ],
    },
)


def go_on(weight: Tensor, velocity: Tensor, iteration: int, gradients: Tensor, learning_rate: float) -> Tensor:
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


def _inside(weight: Tensor, velocity: Tensor, iteration: int, gradients: Tensor, learning_rate: float) -> Tensor:
    for step in range(iteration, len(gradients)):
        rate = learning_rate * (1 - step / len(gradients)) ** POWER
        velocity = MOMENTUM * velocity + rate * gradients[step]
        weight = weight - velocity
    return weight


def _rate_anew(weight: Tensor, velocity: Tensor, iteration: int, gradients: Tensor, learning_rate: float) -> Tensor:
    for step in range(iteration, len(gradients)):
        velocity = MOMENTUM * velocity + gradients[step]
        weight = weight - learning_rate * (1 - (step - iteration) / len(gradients)) ** POWER * velocity
    return weight


def _draw_runs(generator: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for size in (1, 3, 5):
        steps = draw_integer(generator, 8, 14)
        weight, velocity = torch.randn(2, size, generator=generator) + 2
        gradients = torch.randn(steps, size, generator=generator) + 1
        cases.append((weight, velocity, draw_integer(generator, 2, steps - 3), gradients, 0.3))
    return cases


GO_ON = exercise(
    "07.4",
    difficulty=2,
    solution=go_on,
    oracle=_with_torch,
    draw=_draw_runs,
    wrong_answers={
        "the velocity starts from zero": lambda w, v, i, g, rate: go_on(w, torch.zeros_like(v), i, g, rate),
        "the schedule starts over": _rate_anew,
        "the pictures start over": lambda w, v, i, g, rate: go_on(w, v, i, g.roll(i, 0), rate),
        "one step twice": lambda w, v, i, g, rate: go_on(w, v, i - 1, g, rate),
        "the learning rate inside the velocity": _inside,
    },
)


def deployed_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    prefix = "task_model."
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _by_split(state: dict[str, Tensor]) -> dict[str, Tensor]:
    owners = [(name.split("."), value) for name, value in state.items()]
    return {".".join(rest): value for (owner, *rest), value in owners if owner == "task_model"}


TENSORS = (
    "task_model.host.stage2.0.weight",
    "task_model.host.stage2.1.running_mean",
    "task_model.host.stage2.1.num_batches_tracked",
    "task_model.host.old_task_model.bias",
    "task_model.host.classifier.bias",
    "task_model.sssr_head.reduce.0.weight",
    "task_model.sssr_head.expand.weight",
    "sisr_head.project.0.weight",
    "sisr_head.predict.0.weight",
    "transform.0.weight",
    "transform.1.running_var",
)

STRIP = exercise(
    "07.5",
    difficulty=1,
    solution=deployed_state,
    oracle=_by_split,
    draw=lambda generator: [
        ({name: torch.rand(2, draw_integer(generator, 2, 5), generator=generator) for name in TENSORS},)
    ],
    wrong_answers={
        "all of it, strict=False": lambda state: {
            name.removeprefix("task_model."): value for name, value in state.items()
        },
        "old names": lambda state: {name: value for name, value in state.items() if name.startswith("task_model.")},
        "the word removed everywhere": lambda state: {
            name.replace("task_model.", ""): state[name] for name in state if name[:5] == "task_"
        },
        "SISR alone left out": lambda state: {
            name.removeprefix("task_model."): state[name] for name in state if "sisr" not in name
        },
        "without the SSSR head": lambda state: {
            name: value for name, value in _by_split(state).items() if name.startswith("host.")
        },
        "without BatchNorm's statistics": lambda state: {
            name: state[f"task_model.{name}"] for name in _by_split(state) if "running" not in name
        },
    },
)
EXERCISES = (BATCH_LOSS, POLY, AUDIT, GO_ON, STRIP)
