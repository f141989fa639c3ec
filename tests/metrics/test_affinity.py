"""Statistics of affinity matrices: by hand, against brute force, and at the two ends."""

from __future__ import annotations

import math

import pytest
import torch

from dsrl_lab.affinity import affinity_matrix
from dsrl_lab.metrics.affinity import affinity_statistics


def brute_force_auc(affinity: torch.Tensor, labels: torch.Tensor) -> float:
    pairs = [(i, j) for i in range(len(labels)) for j in range(i) if 255 not in (int(labels[i]), int(labels[j]))]
    same = [float(affinity[i, j]) for i, j in pairs if labels[i] == labels[j]]
    other = [float(affinity[i, j]) for i, j in pairs if labels[i] != labels[j]]
    return sum((a > b) + 0.5 * (a == b) for a in same for b in other) / (len(same) * len(other))


@pytest.mark.parametrize("levels", [2, 1000])  # with many ties, and with none
def test_auc_is_the_share_of_pairs_in_order(levels: int) -> None:
    torch.manual_seed(levels)
    features = torch.randint(-levels, levels, (1, 4, 3, 4)).float()
    labels = torch.tensor([0, 0, 1, 2, 255, 1, 1, 0, 2, 2, 255, 0])
    affinity = affinity_matrix(features)[0]
    assert affinity_statistics(affinity, labels).auc == pytest.approx(brute_force_auc(affinity, labels), abs=1e-6)


def test_the_two_ends() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    alike = affinity_statistics(torch.ones(4, 4), labels)
    assert alike == pytest.approx((1.0, 1.0, 0.5))
    apart = affinity_statistics(torch.eye(4), labels)
    assert (apart.mean, apart.effective_rank) == pytest.approx((0.25, 4.0))
    assert math.isnan(affinity_statistics(torch.eye(4), torch.zeros(4)).auc)


def test_two_clusters_have_rank_two_and_are_told_apart() -> None:
    labels = torch.tensor([0, 1, 0, 1, 1, 0])
    affinity = (labels[:, None] == labels).float()
    statistics = affinity_statistics(affinity, labels)
    assert (statistics.effective_rank, statistics.auc) == pytest.approx((2.0, 1.0))


def test_shapes_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValueError, match=r"labels \(P,\), got \(4, 4\) and \(3,\)"):
        affinity_statistics(torch.eye(4), torch.zeros(3))
    with pytest.raises(ValueError, match="expected finite affinities, got NaN or infinity"):
        affinity_statistics(torch.full((3, 3), math.nan), torch.zeros(3))
