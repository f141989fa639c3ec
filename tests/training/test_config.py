"""Configurations check every field: type, range, words; and read what older versions wrote."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from dsrl_lab.training.config import NetworkConfig, SuperResolverConfig, TrainConfig

GOOD = TrainConfig(input_size=(8, 8), iterations=4)


@pytest.mark.parametrize("field", dataclasses.fields(TrainConfig), ids=lambda field: field.name)
@pytest.mark.parametrize("value", ["three", [1, "a"], math.nan, -1, -0.5, math.inf, {}])
def test_no_field_takes_a_value_of_another_kind_or_range(field: Any, value: Any) -> None:
    with pytest.raises(ValueError, match=field.name):
        dataclasses.replace(GOOD, **{field.name: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batch_size", 2.5),
        ("batch_size", 10**7),
        ("iterations", True),
        ("seed", 2**64),
        ("workers", 2000),
        ("momentum", 2),
        ("scale_range", (1.5, 1.0)),
        ("precision", "16-true"),  # pictures are not in half precision
    ],
)
def test_values_that_look_like_good_ones_are_refused(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=field):
        dataclasses.replace(GOOD, **{field: value})


def test_older_configurations_keep_their_corner_convention() -> None:
    """Before 0.2 ESPNetv2's aligned corners reached its plain row, and were dropped by every wrapper."""
    old = NetworkConfig(host="espnetv2", num_classes=11).to_json()
    del old["align_corners"]
    assert NetworkConfig.from_json(old).align_corners is True
    assert NetworkConfig.from_json(old | {"sssr": "depthwise"}).align_corners is False
    assert NetworkConfig.from_json(old | {"host": "tinynet"}).align_corners is False
    assert NetworkConfig(host="espnetv2", num_classes=11).align_corners is False


NETWORK = NetworkConfig(host="tinynet", num_classes=3)


@pytest.mark.parametrize("config", [NETWORK, SuperResolverConfig(network="espcn")], ids=["network", "super-resolver"])
@pytest.mark.parametrize("value", [[1, "a"], math.nan, -1, 0, 1.5, 2**64])
def test_networks_are_checked_as_runs_are(config: Any, value: Any) -> None:
    for field in dataclasses.fields(config):
        with pytest.raises(ValueError, match=field.name):
            dataclasses.replace(config, **{field.name: value})


def test_none_and_options_are_taken_where_they_mean_something() -> None:
    assert dataclasses.replace(NETWORK, sssr=None, sssr_factor=None, host_options={"width": 0.5}).sssr is None
    for name, value in (("host", None), ("sisr", 1), ("sssr_factor", 0), ("host_options", "width")):
        with pytest.raises(ValueError, match=name):
            dataclasses.replace(NETWORK, **{name: value})
    for kind in (NetworkConfig, SuperResolverConfig, TrainConfig):
        with pytest.raises(ValueError, match=f"expected {kind.__name__} as a table of its fields, got"):
            kind.from_json(["host"])  # type: ignore[arg-type]
