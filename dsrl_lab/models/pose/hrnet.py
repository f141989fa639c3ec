"""HRNet: a pose net that keeps the high resolution throughout; coarser branches run beside it and exchange with it.

Source: Sun, Xiao, Liu, Wang, "Deep High-Resolution Representation Learning for Human Pose Estimation" (CVPR 2019),
section 3 and the settings of HRNet-W32, with the release's parameters and MACs; residual blocks are torchvision's.
The encoder ends with the four branches of the last module; the head is their meeting at the finest branch and the 1x1
prediction. So super-resolution trains every branch, and affinity compares what the heat-maps are read from.
Deviations: a coarser map is enlarged to the finer branch's size, so any input size works. The stem has min(64, 2 *
width) channels and the first stage ``blocks`` bottlenecks, as in the release at width 32. All start as in ResNet
(the release: normal, deviation 0.001); the prediction starts as the release's, with heat-maps near zero.
"""

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.resnet import BasicBlock, Bottleneck

from dsrl_lab.layers import ConvNormAct
from dsrl_lab.models.base import DensePredictor, HeadOutput, PredictorSpec

Maps = tuple[Tensor, ...]


class Branches(nn.Module):
    """Residual blocks on each branch separately; one map (N, C_i, H_i, W_i) for each width, in and out."""

    def __init__(self, widths: Sequence[int], *, blocks: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*(BasicBlock(w, w) for _ in range(blocks))) for w in widths)

    def forward(self, maps: Maps) -> Maps:
        return tuple(branch(x) for branch, x in zip(self.branches, maps, strict=True))


class Exchange(nn.Module):
    """Each branch receives the sum of all branches, brought to its channels and size; the first ``outputs`` do, or all.

    A coarser map comes by {1x1, BatchNorm, nearest enlargement}, a finer one by 3x3 convolutions of stride 2, changing
    channels in the last step. ``widths`` are the branches' channels, finest first, each of half the size of the former.
    """

    def __init__(self, widths: Sequence[int], *, outputs: int | None = None) -> None:
        super().__init__()
        receivers = range(len(widths) if outputs is None else outputs)
        senders = range(len(widths))
        self.paths = nn.ModuleList(
            nn.ModuleList(self._path(widths, sender, receiver) for sender in senders) for receiver in receivers
        )

    @staticmethod
    def _path(widths: Sequence[int], sender: int, receiver: int) -> nn.Module:
        here, there = widths[sender], widths[receiver]
        if sender == receiver:
            return nn.Identity()
        if sender > receiver:
            return ConvNormAct(here, there, 1, activation=None)
        halvings = [ConvNormAct(here, here, stride=2) for _ in range(receiver - sender - 1)]
        return nn.Sequential(*halvings, ConvNormAct(here, there, stride=2, activation=None))

    def forward(self, maps: Maps) -> Maps:
        received = []
        for receiver, paths in enumerate(self.paths):
            size = maps[receiver].shape[-2:]
            assert isinstance(paths, nn.ModuleList)
            arrived = [path(x) for path, x in zip(paths, maps, strict=True)]
            coarser = [F.interpolate(x, size=size, mode="nearest") for x in arrived[receiver + 1 :]]
            received.append(F.relu(reduce(torch.add, [*arrived[: receiver + 1], *coarser])))
        return tuple(received)


class HighResolutionModule(nn.Sequential):
    """The unit of HRNet: ``Branches``, then ``Exchange`` between all of them."""

    def __init__(self, widths: Sequence[int], *, blocks: int) -> None:
        super().__init__(Branches(widths, blocks=blocks), Exchange(widths))


class HRNet(DensePredictor):
    """HRNet for human pose: one heat-map per joint at a quarter of the input's sides, rounded up.

    HRNet-W32 is the default; ``HRNet(14, width=8, modules=(1, 1, 1), blocks=2)`` trains on a laptop. ``width`` is the
    finest branch's, doubled in coarser ones; ``modules`` counts those of stages with two, three and four branches,
    ``blocks`` the residual blocks per branch. The maps are the first stage's and the last module's branches.

    ValueError for an argument not positive or not three ``modules``; on use, for a side under 32 or one position.

    Example:
        >>> HRNet(14, width=8, modules=(1, 1, 1), blocks=1).eval()(torch.zeros(1, 3, 64, 48)).shape
        torch.Size([1, 14, 16, 12])
    """

    def __init__(
        self,
        num_classes: int,
        *,
        width: int = 32,
        modules: Sequence[int] = (1, 4, 3),
        blocks: int = 4,
        stem_width: int | None = None,
    ) -> None:
        super().__init__()
        stem = min(64, 2 * width) if stem_width is None else stem_width
        if min(num_classes, width, blocks, stem) < 1:
            raise ValueError(
                "expected positive num_classes, width, blocks and stem_width, got "
                f"{num_classes}, {width}, {blocks} and {stem_width}"
            )
        if len(modules) != 3 or min(modules) < 1:
            raise ValueError(
                "expected three positive numbers of modules, for the stages with two, three and four branches, got "
                f"{tuple(modules)}; HRNet-W32 has (1, 4, 3)"
            )
        widths = [width * 2**branch for branch in range(4)]
        self.spec = PredictorSpec(
            num_classes=num_classes,
            feature_channels=(4 * stem, *widths),
            feature_strides=(4, 4, 8, 16, 32),
            head_channels=width,
            head_stride=4,
            logits_stride=4,
            output_stride=4,
            class_layers=("predict",),
        )

        self.stem = nn.Sequential(ConvNormAct(3, stem, stride=2), ConvNormAct(stem, stem, stride=2))
        widen = ConvNormAct(stem, 4 * stem, 1, activation=None)
        bottlenecks = (Bottleneck(4 * stem, stem) for _ in range(blocks - 1))
        self.stage1 = nn.Sequential(Bottleneck(stem, stem, downsample=widen), *bottlenecks)

        self.enter2 = nn.ModuleList([ConvNormAct(4 * stem, widths[0]), ConvNormAct(4 * stem, widths[1], stride=2)])
        self.stage2 = nn.Sequential(*(HighResolutionModule(widths[:2], blocks=blocks) for _ in range(modules[0])))
        self.enter3 = ConvNormAct(widths[1], widths[2], stride=2)
        self.stage3 = nn.Sequential(*(HighResolutionModule(widths[:3], blocks=blocks) for _ in range(modules[1])))
        self.enter4 = ConvNormAct(widths[2], widths[3], stride=2)
        whole = (HighResolutionModule(widths, blocks=blocks) for _ in range(modules[2] - 1))
        self.stage4 = nn.Sequential(*whole, Branches(widths, blocks=blocks))

        self.gather = Exchange(widths, outputs=1)
        self.predict = nn.Conv2d(width, num_classes, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.predict.weight, std=0.001)
        nn.init.zeros_(self.predict.bias)  # type: ignore[arg-type]

    def forward_features(self, image: Tensor) -> Maps:
        """Encode a normalised image into the first stage's map and the four branches of the last module."""
        self.check_positions(image)
        feat4 = self.stage1(self.stem(image))
        maps = self.stage2(tuple(enter(feat4) for enter in self.enter2))
        maps = self.stage3((*maps, self.enter3(maps[-1])))
        maps = self.stage4((*maps, self.enter4(maps[-1])))
        return (feat4, *maps)

    def forward_head(self, features: Maps) -> HeadOutput:
        """Gather the branches at the finest one and predict a heat-map per joint."""
        (x,) = self.gather(features[1:])
        return HeadOutput(self.predict(x), x)
