"""Statistics of affinity matrices: by hand, against brute force, and at the two ends."""

from __future__ import annotations

import math

import pytest
import torch

from dsrl_lab.affinity import affinity_matrix, unit_vectors
from dsrl_lab.metrics.affinity import affinity_statistics

LABELS = torch.tensor([0, 0, 1, 2, 255, 1, 1, 0, 2, 2, 255, 0])


def brute_force_auc(affinity: torch.Tensor, labels: torch.Tensor) -> float:
    pairs = [(i, j) for i in range(len(labels)) for j in range(i) if 255 not in (int(labels[i]), int(labels[j]))]
    same = [float(affinity[i, j]) for i, j in pairs if labels[i] == labels[j]]
    other = [float(affinity[i, j]) for i, j in pairs if labels[i] != labels[j]]
    return sum((a > b) + 0.5 * (a == b) for a in same for b in other) / (len(same) * len(other))


@pytest.mark.parametrize("channels", [4, 30])  # fewer than positions, and more
@pytest.mark.parametrize("levels", [2, 1000])  # with many ties, and with none
def test_the_numbers_are_those_of_the_matrix_itself(levels: int, channels: int) -> None:
    torch.manual_seed(levels)
    features = torch.randint(-levels, levels, (1, channels, 3, 4)).float()
    vectors = unit_vectors(features, 2.0)[0]
    found = affinity_statistics(vectors, LABELS)
    affinity = (vectors.double() @ vectors.double().T).float()
    assert torch.allclose(affinity, affinity_matrix(features)[0], atol=1e-6)
    assert found.auc == pytest.approx(brute_force_auc(affinity, LABELS), abs=1e-6)
    assert found.mean == pytest.approx(float(affinity.mean()), abs=1e-6)
    share = torch.linalg.eigvalsh(affinity.double()).clamp(min=1e-12) / 12
    assert found.effective_rank == pytest.approx(float(torch.exp(-(share * share.log()).sum())), rel=1e-4)


def test_the_two_ends() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    alike = affinity_statistics(torch.full((4, 4), 0.5), labels)
    assert alike == pytest.approx((1.0, 1.0, 0.5))
    apart = affinity_statistics(torch.eye(4), labels)
    assert (apart.mean, apart.effective_rank) == pytest.approx((0.25, 4.0))
    assert math.isnan(affinity_statistics(torch.eye(4), torch.zeros(4)).auc)


def test_two_clusters_have_rank_two_and_are_told_apart() -> None:
    labels = torch.tensor([0, 1, 0, 1, 1, 0])
    statistics = affinity_statistics(torch.eye(2)[labels], labels)
    assert (statistics.effective_rank, statistics.auc) == pytest.approx((2.0, 1.0))


def test_the_papers_largest_input_needs_no_matrix_and_2000_positions_say_the_same() -> None:
    """512x1024 has 128 x 256 positions at the kit's stride of 8: a matrix of 8 GB in double."""
    torch.manual_seed(0)
    labels = torch.randint(0, 3, (128 * 256,))
    vectors = torch.nn.functional.normalize(torch.eye(8)[labels] + 0.7 * torch.randn(len(labels), 8), dim=1)
    statistics = affinity_statistics(vectors, labels)
    part = affinity_statistics(vectors[:2000], labels[:2000])
    assert statistics.auc == pytest.approx(part.auc, abs=0.01) and 0.6 < part.auc < 0.9
    assert statistics.effective_rank == pytest.approx(part.effective_rank, rel=0.02)


def test_shapes_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValueError, match=r"labels \(P,\), got \(4, 4\) and \(3,\)"):
        affinity_statistics(torch.eye(4), torch.zeros(3))
    with pytest.raises(ValueError, match="expected finite features, got NaN or infinity"):
        affinity_statistics(torch.full((3, 3), math.nan), torch.zeros(3))
