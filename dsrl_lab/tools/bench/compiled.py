"""Does torch.compile help a training step (``dsrl-lab bench compile``)? Eager and compiled take turns in one run.

The kit's answer is measured for each setting and machine, because it need not be yes: eagerly, layers run in the fast
exact forms of ``dsrl_lab.kernels``; a compiled network is made of their plain forms, which the compiler fuses. Compiled
is what ``TrainConfig.compile`` compiles: the network, forward and backward. Loss, affinity and optimizer stay eager.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dsrl_lab.kernels import keep_freed_memory
from dsrl_lab.recipes import find_recipe, with_changes
from dsrl_lab.tools.bench.training import Row, TimedSteps, take_turns
from dsrl_lab.training import record


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A step eager and compiled.

    Attributes:
        rows: eager, then compiled; a cost is the ratio to the eager step of the same turn.
        compile_seconds: by the clock, of the first compiled step, which compiles forward and backward.
    """

    rows: tuple[Row, Row]
    compile_seconds: float


def run(setting: str, *, row: str = "dsrl", changes: Sequence[str] = (), steps: int = 10) -> Measured:
    """Time one recipe's training steps, eager and compiled in turns.

    Args:
        setting: of the recipes; pictures are noise, weights random.
        row: of the ablation.
        changes: to the recipe, as ``recipes.with_changes`` takes them.
        steps: timed steps of each, after two that are not timed.

    Raises:
        ValueError: no such recipe or field, or fewer than 2 steps.
        RuntimeError: the machine has no compiler that PyTorch can use (a C++ compiler, on a CPU).
    """
    if steps < 2:
        raise ValueError(f"expected at least 2 steps, got {steps}")
    recipe = with_changes(find_recipe(f"{setting}_{row}"), changes)
    keep_freed_memory()
    eager, compiled = TimedSteps(recipe), TimedSteps(recipe, compiled=True)
    clock = time.perf_counter()
    compiled.step(0)
    seconds = time.perf_counter() - clock
    take_turns([eager, compiled], steps)
    return Measured(
        rows=(eager.row("eager", against=eager), compiled.row("compiled", against=eager)), compile_seconds=seconds
    )


def to_record(measured: Measured, *, setting: str, row: str, changes: Sequence[str], steps: int) -> dict[str, Any]:
    """One line for a record: what was measured, on what, and with which versions."""
    return {
        "kind": "compile_pace",
        "setting": setting,
        "row": row,
        "changes": list(changes),
        "steps": steps,
        "rows": [asdict(one) for one in measured.rows],
        "compile_seconds": measured.compile_seconds,
        **record.environment(),
    }
