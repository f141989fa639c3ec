"""What is timed together alternates, and ratios are taken within a round."""

from __future__ import annotations

import pytest

from dsrl_lab.tools.bench import ratios
from dsrl_lab.tools.bench.ratios import alternate, ratio_to


def test_each_takes_a_call_in_every_round_in_reversed_order(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, clock, processor = [], iter(range(100)), iter(range(0, 1000, 10))
    monkeypatch.setattr(ratios.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(ratios.time, "process_time", lambda: next(processor))
    seconds = alternate({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 3, untimed=1)
    assert "".join(calls) == "abbaabba"
    assert seconds == {"a": ([1] * 3, [10] * 3), "b": ([1] * 3, [10] * 3)}


def test_a_slow_round_slows_both_and_leaves_the_ratio() -> None:
    baseline, own = [1.0, 1.0, 9.0, 1.0], [2.0, 2.0, 18.0, 2.2]
    ratio, (low, high) = ratio_to(baseline, own)
    assert ratio == 2.0 and low == 2.0 and high == pytest.approx(2.15)
    assert ratio_to([2.0], [3.0]) == (1.5, (1.5, 1.5))
    with pytest.raises(ValueError, match="zip"):
        ratio_to([1.0], [1.0, 2.0])
