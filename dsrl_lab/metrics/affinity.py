"""What an affinity matrix shows: how alike positions are, how many directions there are, whether it separates classes.

Source: effective rank after Roy and Vetterli (EUSIPCO 2007); area under the ROC curve by torchmetrics.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics.functional.classification import binary_auroc

LARGEST = 2048  # positions whose pairs are compared


class AffinityStatistics(NamedTuple):
    """Three numbers of one affinity matrix."""

    mean: float  # of all entries; near 1, all positions are alike
    effective_rank: float  # exp of the entropy of the matrix's eigenvalues, from 1 (all positions alike) to P
    auc: float  # share of (same-class, other) pairs in the right order, ties half; 0.5 is chance, NaN without pairs


def affinity_statistics(vectors: Tensor, labels: Tensor, *, ignore_index: int = 255) -> AffinityStatistics:
    """Describe the affinity matrix of unit vectors (P, C), ``unit_vectors``' rows, against their class labels (P,).

    The matrix is not formed: at the paper's largest input it has 32,768 rows. Its mean and eigenvalues are those of
    small products; the AUC is over the pairs of at most 2,048 positions, the same ones for the same P.

    ValueError for shapes that do not fit, or vectors that are not finite.

    Example:
        >>> red_red_blue = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> affinity_statistics(red_red_blue, torch.tensor([0, 0, 1])).auc
        1.0
    """
    if vectors.ndim != 2 or len(vectors) != len(labels):
        raise ValueError(
            f"expected unit vectors (P, C) and labels (P,), got {tuple(vectors.shape)} and {tuple(labels.shape)}; "
            "reduce the mask to the features' positions"
        )
    if not vectors.isfinite().all():
        raise ValueError("expected finite features, got NaN or infinity; check the network's weights and its input")
    wide = vectors.double()
    spectrum = torch.linalg.eigvalsh(wide.T @ wide).clamp(min=0)  # those of wide @ wide.T that are not zero
    share = spectrum / spectrum.sum()
    rank = float(torch.exp(-(share * share.clamp(min=1e-300).log()).sum()))
    labelled = (labels != ignore_index).nonzero()[:, 0]
    drawn = torch.randperm(len(labelled), generator=torch.Generator().manual_seed(0))[:LARGEST].sort().values
    some, labels = wide[labelled[drawn]], labels[labelled[drawn]]
    row, column = torch.triu_indices(len(labels), len(labels), offset=1)
    same = labels[row] == labels[column]
    probability = ((some @ some.T)[row, column] / 2 + 0.5).float().clamp(0, 1)
    auc = float(binary_auroc(probability, same.int())) if 0 < same.sum() < len(same) else math.nan
    return AffinityStatistics(float(wide.mean(0).square().sum()), rank, auc)
