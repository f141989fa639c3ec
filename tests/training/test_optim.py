"""Parameter groups by rule: no parameter is forgotten, none counted twice; the poly schedule by hand."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch

from dsrl_lab.dsrl import DSRL
from dsrl_lab.training.optim import (
    build_optimizer,
    cosine_learning_rate,
    parameter_groups,
    poly_learning_rate,
    set_learning_rate,
)
from tests.training.small import TwoLayers, small_config


def test_each_parameter_is_in_exactly_one_group_and_moves_after_one_step() -> None:
    dsrl = DSRL(TwoLayers(), sssr="deconvolution")
    optimizer = build_optimizer(dsrl, small_config())
    grouped = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
    assert sorted(grouped) == sorted(id(parameter) for parameter in dsrl.parameters())
    before = {name: parameter.detach().clone() for name, parameter in dsrl.named_parameters()}
    output = dsrl(torch.randn(2, 3, 16, 24))
    loss = output.logits.square().mean() + output.super_res.square().mean()
    (loss + (output.task_features - output.sisr_features).square().mean()).backward()
    optimizer.step()
    assert [name for name, parameter in dsrl.named_parameters() if torch.equal(before[name], parameter)] == []


@pytest.mark.parametrize("sssr", [None, "normalised", "deconvolution"])
def test_vectors_do_not_decay_and_all_new_layers_learn_at_their_multiple(sssr: str | None) -> None:
    dsrl = DSRL(TwoLayers(), sssr=sssr)
    host = dsrl.task_model if sssr is None else dsrl.task_model.host
    groups = build_optimizer(
        dsrl, replace(small_config(), weight_decay=0.1, head_learning_rate_multiplier=10)
    ).param_groups
    started = {id(parameter) for parameter in host.encoder.parameters()}  # the class layer is new in every row
    for group in groups:
        for parameter in group["params"]:
            assert group["weight_decay"] == (0.1 if parameter.ndim > 1 else 0.0)
            assert group["multiplier"] == (1.0 if id(parameter) in started else 10)
    optimizer = torch.optim.SGD(groups, lr=1.0)
    set_learning_rate(optimizer, 0.5)
    assert sorted({group["lr"] for group in optimizer.param_groups}) == [0.5, 5.0]


def test_frozen_parameters_are_left_out() -> None:
    host = TwoLayers()
    host.classifier.requires_grad_(False)
    grouped = [
        parameter
        for group in parameter_groups(host, host.parameters(), small_config())
        for parameter in group["params"]
    ]
    assert len(grouped) == len(list(host.encoder.parameters()))


@pytest.mark.parametrize(("iteration", "expected"), [(0, 0.01), (50, 0.01 * 0.5**0.9), (99, 0.01 * 0.01**0.9)])
def test_poly_schedule(iteration: int, expected: float) -> None:
    assert poly_learning_rate(iteration, 100, learning_rate=0.01) == pytest.approx(expected)


def test_learning_rate_rises_and_falls_as_a_cosine() -> None:
    rates = [cosine_learning_rate(i, 101, learning_rate=2.0, warmup=10) for i in range(101)]
    assert rates[:10] == pytest.approx([0.2 * (i + 1) for i in range(10)])
    assert rates[10] == pytest.approx(2.0)
    assert rates[55] == pytest.approx(2.0 * 0.505)  # half way down: the mean of the peak and its hundredth
    assert rates[100] == pytest.approx(0.02)
    assert all(a > b for a, b in itertools.pairwise(rates[10:]))
