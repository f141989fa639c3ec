"""Pooled context, which three hosts share, and a clear word on inputs that strides or BatchNorm cannot serve.

Sources: the averages of PSPNet's pyramid (CVPR 2017), of DeepLabv3's image-level branch (2017), and of BiSeNet's
attention and global context (ECCV 2018) are one block: pool, 1x1 convolution, BatchNorm.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab.layers import ConvNormAct
from dsrl_lab.models.base import DensePredictor

REMEDY = (
    "train with at least two images per batch, or freeze BatchNorm: "
    "for m in model.modules(): isinstance(m, nn.BatchNorm2d) and m.eval()"
)


def check_positions(model: DensePredictor, image: Tensor) -> None:
    """Refuse an image smaller than a step of the deepest map, or a batch with one value for BatchNorm.

    Raises:
        ValueError: a side is shorter than the deepest stride (the message names the size to enlarge to), or
            the model trains on one image whose deepest map has one position.
    """
    stride = model.spec.feature_strides[-1]
    batch, height, width = image.shape[0], image.shape[-2], image.shape[-1]
    if height < stride or width < stride:
        enlarged = (max(height, stride), max(width, stride))
        raise ValueError(
            f"{type(model).__name__} needs sides of at least {stride}, its deepest stride, got (H, W) = "
            f"{(height, width)}; enlarge or pad the image to {enlarged}"
        )
    one_position = batch == 1 and height <= stride and width <= stride
    if one_position and any(isinstance(m, nn.BatchNorm2d) and m.training for m in model.modules()):
        raise ValueError(
            f"{type(model).__name__} cannot train on one image of {(height, width)}: its deepest map has one "
            f"position, and BatchNorm needs more than one value per channel; {REMEDY}"
        )


class PooledContext(nn.Module):
    """Average over a grid of bins, then a 1x1 convolution, BatchNorm and activation; the caller resizes it.

    Args:
        in_channels: channels that come in.
        out_channels: channels that go out.
        bins: bins per side; 1 averages over the whole image.
        activation: as in ``ConvNormAct``.

    Shape:
        - input: (N, in_channels, H, W), any H and W
        - output: (N, out_channels, bins, bins)

    Raises:
        ValueError: BatchNorm is trained on a single value per channel, that is one image and one bin.

    Example:
        >>> import torch
        >>> PooledContext(8, 4, bins=3)(torch.zeros(1, 8, 5, 7)).shape
        torch.Size([1, 4, 3, 3])
        >>> PooledContext(8, 4)(torch.zeros(1, 8, 5, 7))
        Traceback (most recent call last):
        ValueError: global pooling leaves one value per channel of a batch of one, ...
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        bins: int = 1,
        activation: type[nn.Module] | None = nn.ReLU,
    ) -> None:
        super().__init__()
        self.bins = bins
        self.project = ConvNormAct(in_channels, out_channels, 1, activation=activation)

    def forward(self, x: Tensor) -> Tensor:
        """Pool and project; see the class for the shapes."""
        if x.shape[0] * self.bins == 1 and self.project[1].training:
            raise ValueError(
                f"global pooling leaves one value per channel of a batch of one, and BatchNorm needs more; {REMEDY}"
            )
        return self.project(F.adaptive_avg_pool2d(x, self.bins))
