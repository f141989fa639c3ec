"""The paper's numbers fit each other, and each says how sure it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from dsrl_lab.results import paper_numbers as paper
from dsrl_lab.results.paper_numbers import Mark, Number


def numbers(value: Any) -> Iterator[Number]:
    """All numbers inside a value of the module."""
    if isinstance(value, Number):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from numbers(item)
    elif isinstance(value, tuple):
        for item in value:
            yield from numbers(item)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from numbers(getattr(value, field.name))


ALL = [number for name, value in vars(paper).items() if name.isupper() for number in numbers(value)]


def test_every_number_carries_a_mark() -> None:
    assert len(ALL) > 60
    assert {number.mark for number in ALL} == set(Mark)


def test_table_1_is_the_papers() -> None:
    assert all(number.mark is Mark.PAPER for number in numbers(paper.TABLE_1))
    assert [[line.miou[host].value for host in paper.HOSTS] for line in paper.TABLE_1] == [
        [54.5, 56.5],
        [55.7, 57.1],
        [56.9, 57.4],
        [59.5, 59.2],
    ]


def test_figure_1_labels_are_the_papers_and_values_are_read_off() -> None:
    for point in paper.FIGURE_1:
        assert point.gain.mark is Mark.PAPER
        assert point.baseline.mark is point.dsrl.mark is Mark.READ_OFF
        assert point.baseline.error == point.dsrl.error == paper.READ_OFF_ERROR[point.host]


def test_figure_1_values_differ_by_their_labels_and_start_at_table_1() -> None:
    for point in paper.FIGURE_1:
        assert point.dsrl.value - point.baseline.value == pytest.approx(point.gain.value, abs=0.11)
        if point.input_size == paper.TABLE_1_INPUT:
            assert point.baseline.value == paper.TABLE_1[0].miou[point.host].value
            assert point.gain == paper.table_1_gain("dsrl", point.host)


def test_costs_add_up_and_grow_with_the_area() -> None:
    small, large = paper.COSTS
    for cost in paper.COSTS:
        assert cost.convolutions.value + cost.deconvolutions.value == pytest.approx(cost.total.value, abs=0.011)
    assert large.total.value / small.total.value == pytest.approx(4, rel=1e-3)
    assert small.deconvolutions.value / small.convolutions.value == pytest.approx(0.87, abs=0.01)


def test_a_second_hand_number_is_not_the_papers() -> None:
    psnr = next(claim.number for claim in paper.CLAIMS if claim.name.endswith("PSNR"))
    assert psnr.mark is Mark.SECOND_HAND
    assert "dB" in psnr.note
    assert all(row.dsrl.mark is Mark.AUTHORS for row in paper.RELEASE)


def test_a_number_without_a_value_is_unknown_and_the_other_way_round() -> None:
    with pytest.raises(ValueError, match="no value exactly where the mark is"):
        Number(value=None, mark=Mark.PAPER)
    with pytest.raises(ValueError, match="no value exactly where the mark is"):
        Number(value=1.0, mark=Mark.UNKNOWN)


def test_only_a_read_off_number_has_an_error() -> None:
    with pytest.raises(ValueError, match="an error exactly where a number is read off"):
        Number(value=1.0, mark=Mark.READ_OFF)
    with pytest.raises(ValueError, match="an error exactly where a number is read off"):
        Number(value=1.0, mark=Mark.PAPER, error=0.1)


def test_table_1_names_what_it_has() -> None:
    with pytest.raises(ValueError, match="rows: baseline, sssr, sisr, dsrl"):
        paper.table_1_gain("pose", "ESPNetv2")
    with pytest.raises(ValueError, match=r"hosts: ESPNetv2, DeepLabv3\+"):
        paper.table_1_gain("dsrl", "PSPNet")
