"""Where a training step's time goes: each part's own operations, forward and back, from PyTorch's profiler."""

import functools
import os
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

from rich.table import Table
from torch.autograd.profiler import profile, record_function

from dsrl_lab.dsrl import DSRL
from dsrl_lab.tools.bench.report import to_table
from dsrl_lab.training import objectives

MARK, REST = "part: ", "optimizer, the rest"
BACKWARD = "autograd::engine::evaluate_function: "


def _places(network: DSRL) -> list[tuple[Any, str, str]]:
    """Object, name of its function, and the part that the function's time belongs to, unless another is within it."""
    task, sssr_head = network.task_model, getattr(network.task_model, "sssr_head", None)
    places: list[tuple[Any, str, str]] = [
        (task.normalise, "forward", "normalise"),
        (task, "forward_features", "encoder"),
        (task, "forward_head", "decoder"),
        (sssr_head, "forward", "SSSR head"),
        (task, "to_output_size", "to the output's size"),
        (objectives.SegmentationObjective, "task_loss", "task loss"),
        (network.sisr_head, "forward", "SISR head"),
        (objectives, "reconstruction_loss", "SISR loss"),
        (network, "_compared", "FA: features"),
        (objectives, "feature_affinity_loss", "FA: loss"),
    ]
    return [place for place in places if place[0] is not None]


def _named(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        with record_function(MARK + part):
            return function(*arguments, **options)

    return call


def measure(step: Callable[[], object], network: DSRL, *, steps: int) -> dict[str, tuple[float, float]]:
    """Milliseconds of a step by part: (forward, backward), the mean over ``steps``; an operation counts once."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else the profiler writes of itself into the terminal
    found: dict[str, list[float]] = {}
    with ExitStack() as stack:
        for place, name, part in _places(network):
            found[part] = [0.0, 0.0]
            stack.enter_context(patch.object(place, name, _named(part, getattr(place, name))))
        step()
        with profile(use_kineto=False) as profiler:
            for _ in range(steps):
                step()
    events: Any = profiler.function_events
    of_number: dict[int, str] = {}  # autograd numbers a forward operation and its way back alike
    for event in events:
        mark = _around(event, MARK)
        if event.sequence_nr >= 0 and mark and not _around(event, BACKWARD):
            of_number.setdefault(event.sequence_nr, mark.name.removeprefix(MARK))
    for event in events:
        if event.name.startswith(MARK):
            continue
        back, mark = _around(event, BACKWARD), _around(event, MARK)
        forward_part = mark.name.removeprefix(MARK) if mark else REST
        part = of_number.get(back.sequence_nr, REST) if back else forward_part
        found.setdefault(part, [0.0, 0.0])[bool(back)] += event.self_cpu_time_total / 1000 / steps
    return {part: (forward, backward) for part, (forward, backward) in found.items() if forward + backward}


def _around(event: Any, prefix: str) -> Any:
    """The innermost event with such a name around an event, or itself; None if there is none."""
    while event is not None and not event.name.startswith(prefix):
        event = event.cpu_parent
    return event


def table(parts: dict[str, tuple[float, float]], title: str) -> Table:
    """Parts in the order in which they run, with their share of the step."""
    total = sum(map(sum, parts.values()))
    lines = [
        {"part": part, "forward": f"{there:.1f} ms", "back": f"{back:.1f} ms", "share": f"{(there + back) / total:.0%}"}
        for part, (there, back) in parts.items()
    ]
    return to_table(f"{title}: where {total:.0f} ms of a step go (profiled, so a little slower)", lines)
