"""Exercises of notebook 07: the loss over a batch, the poly schedule, the optimizer's groups, resuming, deployment.

Source: Wang et al., CVPR 2020, equations 2 to 5; DeepLab's schedule; PyTorch's SGD; two wrong answers of public code.
"""

from collections import Counter

import torch
from torch import Tensor

from dsrl_lab.course.exercises.calls import call_for_loss
from dsrl_lab.course.exercises.exercise import Case, Exercise, Hint, WrongAnswer, draw_integer

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


BATCH_LOSS = Exercise(
    name="07.1",
    title="One mean, over the labelled pixels of the whole batch",
    difficulty=1,
    solution=batch_loss,
    oracle=lambda losses, mask: (
        losses.masked_fill(mask == 255, 0).sum() / sum(m != 255 for m in mask.flatten().tolist())
    ),
    draw=_draw_batches,
    run=call_for_loss,
    wrong_answers=(
        WrongAnswer(
            "divided by the batch size again",
            lambda losses, mask: losses[mask != 255].mean() / len(losses),
            "You divided by N twice: the mean over pixels has done it already. A batch of copies then has a smaller "
            "loss than one of them, and w1 and w2 grow against it with the batch size. Read in public code.",
        ),
        WrongAnswer(
            "ignored pixels in the denominator",
            lambda losses, mask: (losses * (mask != 255)).sum() / losses.numel(),
            "Ignored pixels add nothing to the sum, but you count them in the denominator: pictures with much "
            "unlabelled ground weigh less, without a reason.",
        ),
        WrongAnswer(
            "ignored pixels count",
            lambda losses, mask: losses.mean(),
            "255 is no class: nothing is known there, and a loss against it trains towards noise. Leave those pixels "
            "out.",
        ),
        WrongAnswer(
            "mean of the pictures' means",
            lambda losses, mask: _of_each(losses, mask).mean(),
            "A picture with three labelled pixels now weighs as much as one with three thousand. Collect the pixels of "
            "the batch, then divide once.",
        ),
        WrongAnswer(
            "summed over the batch",
            lambda losses, mask: losses[mask != 255].sum(),
            "A sum: twice the pixels, twice the loss, and another learning rate for each crop size.",
        ),
    ),
    hints=(
        Hint("My loss shrinks when the batch grows", "How often do you divide by N?"),
        Hint("Nearly right", "Which pixels may count in the denominator?"),
    ),
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


POLY = Exercise(
    name="07.2",
    title="The share of the run that is left, to a power",
    difficulty=1,
    solution=poly,
    oracle=_poly_by_power_of_tensor,
    draw=_draw_steps,
    wrong_answers=(
        WrongAnswer(
            "one step ahead",
            lambda i, n, rate, power: rate * (1 - (i + 1) / n) ** power,
            "Off by one: the first step does not get the whole learning rate, and the last one gets 0 and learns "
            "nothing. Steps count from 0 here; calling scheduler.step() before the first optimizer step does the same.",
        ),
        WrongAnswer(
            "zero on the last step",
            lambda i, n, rate, power: rate * (1 - i / (n - 1)) ** power,
            "You divide by n - 1, so the last step has learning rate 0 and is wasted. 0 belongs to the step after it.",
        ),
        WrongAnswer(
            "the power inside",
            lambda i, n, rate, power: rate * (1 - (i / n) ** power),
            "You raised the share of the run that is done; the power acts on the share that is left. With 0.9 the "
            "curves are close, and yours falls too slowly at the end.",
        ),
        WrongAnswer(
            "a straight line",
            lambda i, n, rate, power: rate * (1 - i / n),
            "Right for power 1 only: the power is not used.",
        ),
        WrongAnswer(
            "times the last one",
            _chained,
            "Each step multiplied the learning rate of the step before, so it is near 0 after a few steps. The factor "
            "belongs to the learning rate at the START.",
        ),
    ),
    hints=(
        Hint("The last step learns nothing", "What is your result for iteration = iterations - 1?"),
        Hint("Right at the start, wrong later", "Is the power on the share that is left, or on that which is done?"),
    ),
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


AUDIT = Exercise(
    name="07.3",
    title="Every parameter in exactly one group",
    difficulty=2,
    solution=audit,
    oracle=_counted,
    draw=_draw_groups,
    wrong_answers=(
        WrongAnswer(
            "two errors cancel",
            lambda sizes, groups: [_missing_in_total(sizes, groups), _counted(sizes, groups)[1]],
            "You compared two totals. A parameter that is listed twice then hides one that is listed nowhere: the "
            "counts look right and the SISR decoder learns nothing. Look at each name.",
        ),
        WrongAnswer(
            "parameters, not numbers",
            lambda sizes, groups: _counted(dict.fromkeys(sizes, 1), groups),
            "You counted tensors. Three forgotten biases and three forgotten decoders are not the same loss: add up "
            "their sizes.",
        ),
        WrongAnswer(
            "the first group alone",
            lambda sizes, groups: [_counted(sizes, groups[:1])[0], _counted(sizes, groups)[1]],
            "You looked into the first group only, so everything in the other groups seems forgotten.",
        ),
        WrongAnswer(
            "counted once for each time too many",
            lambda sizes, groups: [
                _counted(sizes, groups)[0],
                _counted(sizes, groups)[0] - _missing_in_total(sizes, groups),
            ],
            "A parameter in three groups was counted twice. The question is how many numbers are affected, not how "
            "often.",
        ),
    ),
    hints=(
        Hint("The first number is too small, even negative", "May a parameter that is there twice make up for one?"),
        Hint("Small whole numbers", "What does the table `sizes` hold?"),
    ),
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


GO_ON = Exercise(
    name="07.4",
    title="Weights, velocity and the step's number: all three must be saved",
    difficulty=2,
    solution=go_on,
    oracle=_with_torch,
    draw=_draw_runs,
    wrong_answers=(
        WrongAnswer(
            "the velocity starts from zero",
            lambda w, v, i, g, rate: go_on(w, torch.zeros_like(v), i, g, rate),
            "You went on without the momentum: the first steps after the stop are too short, and it is no longer the "
            "same run. Saving the weights alone does this; the loss shows a small bump.",
        ),
        WrongAnswer(
            "the schedule starts over",
            _rate_anew,
            "The learning rate jumped back to its start and never reaches its end. The step's number counts over all "
            "sessions of a run: save it.",
        ),
        WrongAnswer(
            "the pictures start over",
            lambda w, v, i, g, rate: go_on(w, v, i, g.roll(i, 0), rate),
            "You read the run's first batches again, and never its last: so does a loader that shuffles anew on each "
            "start. Which pictures a step sees must follow from its number.",
        ),
        WrongAnswer(
            "one step twice",
            lambda w, v, i, g, rate: go_on(w, v, i - 1, g, rate),
            "The last step before the stop was done once more. `iteration` steps are done, counted from 0, so the next "
            "one has number `iteration`.",
        ),
        WrongAnswer(
            "the learning rate inside the velocity",
            _inside,
            "Your velocity holds rate * gradient. With a constant rate the two forms agree; with a schedule they do "
            "not. PyTorch keeps plain gradients and multiplies when it uses them.",
        ),
    ),
    hints=(
        Hint("Off by a little", "Is the velocity as it was saved? Which number has the first step that you do?"),
        Hint("Far off", "Does the learning rate go on falling, or does it start again?"),
    ),
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

STRIP = Exercise(
    name="07.5",
    title="Keep what task_model owns, under its own names",
    difficulty=1,
    solution=deployed_state,
    oracle=_by_split,
    draw=lambda generator: [
        ({name: torch.rand(2, draw_integer(generator, 2, 5), generator=generator) for name in TENSORS},)
    ],
    wrong_answers=(
        WrongAnswer(
            "all of it, strict=False",
            lambda state: {name.removeprefix("task_model."): value for name, value in state.items()},
            "Everything is still there: a strict load refuses it, and strict=False hides that together with every real "
            "mistake. Keep only what the deployed network owns.",
        ),
        WrongAnswer(
            "old names",
            lambda state: {name: value for name, value in state.items() if name.startswith("task_model.")},
            "Right tensors under names that the deployed network does not have: it has no `task_model`. With "
            "strict=False nothing would be loaded, and you would deploy random weights.",
        ),
        WrongAnswer(
            "the word removed everywhere",
            lambda state: {name.replace("task_model.", ""): state[name] for name in state if name[:5] == "task_"},
            "`replace` also changes `host.old_task_model.bias`, which has the word inside. Remove it at the beginning "
            "only: removeprefix.",
        ),
        WrongAnswer(
            "SISR alone left out",
            lambda state: {name.removeprefix("task_model."): state[name] for name in state if "sisr" not in name},
            "The feature transform is still there: like SISR it is for training only. Choose by owner, not by words in "
            "the name.",
        ),
        WrongAnswer(
            "without the SSSR head",
            lambda state: {name: value for name, value in _by_split(state).items() if name.startswith("host.")},
            "You dropped the SSSR head as well. It stays: it makes the mask twice the input's size, and its cost is "
            "what DSRL costs at inference.",
        ),
        WrongAnswer(
            "without BatchNorm's statistics",
            lambda state: {name: state[f"task_model.{name}"] for name in _by_split(state) if "running" not in name},
            "BatchNorm's running statistics are buffers, not parameters, and evaluation needs them: state_dict() has "
            "them, parameters() has not.",
        ),
    ),
    hints=(
        Hint("Names are missing or too many", "Which tensors belong to `task_model`?"),
        Hint("Right number of tensors", "What would the deployed network, built alone, call them?"),
    ),
)
EXERCISES = (BATCH_LOSS, POLY, AUDIT, GO_ON, STRIP)
