"""Every protocol against counts made by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from dsrl_lab.datasets.base import Sample
from dsrl_lab.datasets.class_tables import ClassTable
from dsrl_lab.tools.protocols import MEANING, every_protocol


class Brightness(nn.Module):
    """Class 1 where a picture is bright; its logits are as large as its input."""

    num_classes = 2

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([0.5 - x[:, 0], x[:, 0] - 0.5], dim=1)


class Two:
    """Two pictures of 4 x 4 in two classes, the second with a row that is ignored."""

    split, names = "val", ("a", "b")
    class_table = ClassTable(names=("dark", "bright"), colors=((0, 0, 0), (255, 255, 255)))

    def __init__(self) -> None:
        left = torch.tensor([[0, 0, 1, 1]]).expand(4, 4)
        self.pictures = [left, left]
        self.masks = [left.clone(), torch.ones(4, 4, dtype=torch.int64)]
        self.masks[1][0] = 255

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Sample:
        image = self.pictures[index].float().expand(3, 4, 4).clone()
        return Sample(image, self.masks[index], self.names[index])


def test_each_protocol_is_what_its_line_says() -> None:
    """Picture a is right everywhere. In b all is bright but half is called dark, and the first row is ignored."""
    seen: list[tuple[int, int]] = []
    found = every_protocol(Brightness(), Two(), input_size=(4, 4), progress=lambda *done: seen.append(done))  # type: ignore[arg-type]
    assert list(found) == list(MEANING) and seen == [(1, 2), (2, 2)]
    dark, bright = 8 / (8 + 6), (8 + 6) / (8 + 12)  # pooled: right / (right + missed + wrongly given)
    assert found["logits"] == found["labels"] == pytest.approx((dark + bright) / 2)
    assert found["per picture"] == pytest.approx((1 + (0 + 6 / 12) / 2) / 2)
    assert found["half size"] == pytest.approx((2 / 4 + 4 / 6) / 2)  # of 2 x 2 pixels each, none of them ignored
    dark, bright = 8 / (8 + 8), (8 + 6) / (8 + 6 + 6 + 2)  # the ignored row is half dark, half bright to the network
    assert found["ignored as a class"] == pytest.approx((dark + bright + 0) / 3)
