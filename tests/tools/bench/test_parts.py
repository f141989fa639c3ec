"""Time by part: every operation counts once, and a part's way back is its own; nothing is timed."""

from __future__ import annotations

import torch
from rich.console import Console

from dsrl_lab.recipes import find_recipe, with_changes
from dsrl_lab.tools.bench import parts
from dsrl_lab.tools.bench.training import Steps

SMALL = ["train.input_size=[32,40]", "train.batch_size=2"]


def test_each_part_goes_forward_and_back_and_nothing_stays_wrapped() -> None:
    whole = Steps(with_changes(find_recipe("streets_tinynet_dsrl"), SMALL))
    network = whole.network.module
    found = parts.measure(whole, network, steps=2)
    both = ["encoder", "decoder", "SSSR head", "task loss", "SISR head", "SISR loss", "FA: features", "FA: loss"]
    assert all(forward > 0 and back > 0 for forward, back in map(found.__getitem__, both))
    assert list(found)[-1] == parts.REST and found[parts.REST][0] > 0
    assert not any("forward" in vars(module) for module in network.modules())
    console = Console(width=80)
    with console.capture() as capture:
        console.print(parts.table(found, "all"))
    assert "SSSR head" in capture.get() and "%" in capture.get()


def test_a_baseline_has_no_time_in_parts_it_lacks() -> None:
    alone = Steps(with_changes(find_recipe("streets_tinynet_baseline"), SMALL))
    found = parts.measure(alone, alone.network.module, steps=1)
    assert set(found) == {"normalise", "encoder", "decoder", "to the output's size", "task loss", parts.REST}
    assert torch.tensor(list(found.values())).isfinite().all()
