"""What an affinity matrix shows: how alike positions are, how many directions there are, whether it separates classes.

Source: effective rank after Roy and Vetterli (EUSIPCO 2007); area under the ROC curve as Mann and Whitney's statistic.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class AffinityStatistics(NamedTuple):
    """Three numbers of one affinity matrix."""

    mean: float  # of all entries; near 1, all positions are alike
    effective_rank: float  # exp of the entropy of the matrix's eigenvalues, from 1 (all positions alike) to P
    auc: float  # share of (same-class, other) pairs in the right order, ties half; 0.5 is chance, NaN without pairs


def affinity_statistics(affinity: Tensor, labels: Tensor, *, ignore_index: int = 255) -> AffinityStatistics:
    """Describe an affinity matrix (P, P) of cosines against class labels (P,) of its positions.

    ValueError for shapes that do not fit, or affinities that are not finite.

    Example:
        >>> affinity = torch.tensor([[1.0, 0.9, 0.1], [0.9, 1.0, 0.2], [0.1, 0.2, 1.0]])
        >>> affinity_statistics(affinity, torch.tensor([0, 0, 1])).auc
        1.0
    """
    positions = len(labels)
    if affinity.shape != (positions, positions):
        raise ValueError(
            f"expected an affinity matrix (P, P) and labels (P,), got {tuple(affinity.shape)} and "
            f"{tuple(labels.shape)}; reduce the mask to the features' positions"
        )
    if not affinity.isfinite().all():
        raise ValueError("expected finite affinities, got NaN or infinity; check the network's weights and its input")
    spectrum = torch.linalg.eigvalsh(affinity.double()).clamp(min=0)
    share = spectrum / spectrum.sum()
    rank = float(torch.exp(-(share * share.clamp(min=1e-300).log()).sum()))
    row, column = torch.triu_indices(positions, positions, offset=1)
    known = (labels[row] != ignore_index) & (labels[column] != ignore_index)
    row, column = row[known], column[known]
    return AffinityStatistics(float(affinity.mean()), rank, _auc(affinity[row, column], labels[row] == labels[column]))


def _auc(scores: Tensor, positive: Tensor) -> float:
    hits = int(positive.sum())
    misses = len(scores) - hits
    if not hits or not misses:
        return float("nan")
    _, place, counts = scores.unique(return_inverse=True, return_counts=True)
    mean_rank = counts.cumsum(0) - (counts - 1) / 2
    return float((mean_rank[place[positive]].double().sum() - hits * (hits + 1) / 2) / (hits * misses))
