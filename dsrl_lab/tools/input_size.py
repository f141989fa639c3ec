"""The size (H, W) that a network receives: what a user asks for or a file says, checked before any work is done."""

import copy
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor, nn

from dsrl_lab.datasets.pictures import MAX_PIXELS
from dsrl_lab.models.base import DensePredictor


def check_size(value: object, *, source: str = "--input-size") -> tuple[int, int]:
    """Check an input size; raises ValueError if it is not two whole numbers of at least 1, or has too many pixels."""
    if (
        not isinstance(value, list | tuple)
        or len(value) != 2
        or not all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in value)
        or value[0] * value[1] > MAX_PIXELS
    ):
        raise ValueError(
            f"expected an input size H W of two positive whole numbers, {MAX_PIXELS // 10**6} megapixels at most, got "
            f"{str(value)[:60]} ({source}); give another with --input-size H W"
        )
    return value[0], value[1]


def chosen_size(asked: tuple[int, int] | None, description: dict[str, Any], checkpoint: Path) -> tuple[int, int]:
    """The size (H, W) asked for, or else that of a checkpoint's training; raises ValueError if it is none."""
    if asked is not None:
        return check_size(asked)
    train = description.get("train")
    if not isinstance(train, dict) or "input_size" not in train:
        raise ValueError(f"{checkpoint} does not name its input size; give it with --input-size H W")
    return check_size(train["input_size"], source=f"the header of {checkpoint}")


def check_takes(model: nn.Module, input_size: tuple[int, int]) -> None:
    """Raise ValueError, by shapes alone, for a size that a network cannot take, or this machine cannot hold."""
    check_size(input_size)
    image = torch.empty(1, 3, *input_size, device="meta")
    if isinstance(model, DensePredictor):
        model.check_input(image)
    largest = 0

    def compare(_: nn.Module, __: object, output: object) -> None:
        nonlocal largest
        if isinstance(output, Tensor):
            largest = max(largest, output.numel() * output.element_size())

    blank = copy.deepcopy(model).to("meta").eval()
    for module in blank.modules():
        module.register_forward_hook(compare)
    try:
        with torch.no_grad():
            blank(image)
    except RuntimeError as error:  # maps that vanish on the way down
        raise ValueError(
            f"{type(model).__name__} cannot take images of (H, W) = {tuple(input_size)} ({error}); "
            "give another size with --input-size H W"
        ) from error
    memory = psutil.virtual_memory().total
    if largest > memory:
        raise ValueError(
            f"images of (H, W) = {tuple(input_size)} need more than {largest / 1e9:.0f} GB for one layer of "
            f"{type(model).__name__}, this machine has {memory / 1e9:.0f} GB; give another size with --input-size H W"
        )
