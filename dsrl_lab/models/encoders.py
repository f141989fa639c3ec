"""Encoders: ResNet-18/50/101 and MobileNetV2 of torchvision, announced as maps from shallow to deep.

Sources: He et al., "Deep Residual Learning" (CVPR 2016); Sandler et al., "MobileNetV2" (CVPR 2018); torchvision's
blocks and parameter names, so that its ImageNet weights load strictly. Dilation in place of stride: Chen et al.,
"Rethinking Atrous Convolution" (2017), section 3. Deep stem: PSPNet's release.
Deviations: no classifier, nor MobileNetV2's last 1x1 convolution, as in DeepLab. A dilated stage of ResNet dilates all
its 3x3 convolutions, as in DeepLab and PSPNet. In MobileNetV2 the block that loses its stride keeps its dilation and
those after it double theirs: the values are those of the strided encoder, at more positions.
"""

import re
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor, nn
from torchvision.models import get_model_weights, mobilenet_v2
from torchvision.models.resnet import BasicBlock, Bottleneck

from dsrl_lab import files
from dsrl_lab.layers import ConvNormAct

OUTPUT_STRIDES = (8, 16, 32)


class Encoder(nn.Module):
    """Gives a tuple of maps from shallow to deep."""

    channels: tuple[int, ...]  # channels of each map
    strides: tuple[int, ...]  # input pixels per step of each map; never decreasing
    torchvision_name: str | None = None  # torchvision's name of the network whose weights fit; None if there is none


def _strides(output_stride: int) -> tuple[int, ...]:
    if output_stride not in OUTPUT_STRIDES:
        raise ValueError(f"output_stride must be one of {OUTPUT_STRIDES}, got {output_stride}")
    return tuple(min(stride, output_stride) for stride in (4, 8, 16, 32))


def _stage(
    block: type[BasicBlock | Bottleneck], in_channels: int, width: int, *, stride: int, dilations: tuple[int, ...]
) -> nn.Sequential:
    """Residual blocks, one per dilation; the first has the stride and, where needed, a projected shortcut."""
    out_channels = block.expansion * width
    blocks: list[nn.Module] = []
    for dilation in dilations:
        shortcut = None
        if stride > 1 or in_channels != out_channels:
            projection = nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)
            shortcut = nn.Sequential(projection, nn.BatchNorm2d(out_channels))
        blocks.append(block(in_channels, width, stride, shortcut))
        for layer in blocks[-1].modules():
            if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3):
                layer.dilation = layer.padding = (dilation, dilation)  # BasicBlock's constructor refuses it
        in_channels, stride = out_channels, 1
    return nn.Sequential(*blocks)


class ResNetEncoder(Encoder):
    """ResNet-18, 50 or 101 without its classifier: the outputs of the four stages, sides rounded up.

    Stages beyond ``output_stride`` (8, 16 or 32) are dilated, the last one's blocks also by ``multi_grid`` (1, 2, 4 in
    DeepLab); ``deep_stem`` is three 3x3 convolutions to 64, 64 and 128 channels instead of one 7x7 to 64.

    ValueError for an unknown name or output stride, or a multi-grid without one factor per block.

    Example:
        >>> encoder = ResNetEncoder("resnet18", output_stride=16)
        >>> encoder.channels, encoder.strides
        ((64, 128, 256, 512), (4, 8, 16, 16))
    """

    NAMES = ("resnet18", "resnet50", "resnet101")

    def __init__(
        self, name: str, *, output_stride: int = 32, multi_grid: tuple[int, ...] = (), deep_stem: bool = False
    ) -> None:
        super().__init__()
        if name not in self.NAMES:
            raise ValueError(f"unknown ResNet {name!r}; known are {', '.join(self.NAMES)}")
        self.strides = _strides(output_stride)
        block = BasicBlock if name == "resnet18" else Bottleneck
        repeats = {"resnet18": (2, 2, 2, 2), "resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}[name]
        grid = multi_grid or (1,) * repeats[3]
        if len(grid) != repeats[3]:
            raise ValueError(f"multi_grid needs {repeats[3]} factors, one per block of {name}'s last stage, got {grid}")
        self.channels = tuple(block.expansion * width for width in (64, 128, 256, 512))
        self.torchvision_name = None if deep_stem else name
        _, stride8, stride16, stride32 = self.strides
        dilations16 = (16 // stride16,) * repeats[2]
        dilations32 = tuple(32 // stride32 * factor for factor in grid)

        stem_channels = 128 if deep_stem else 64
        self.conv1: nn.Module = nn.Conv2d(3, stem_channels, 7, stride=2, padding=3, bias=False)
        if deep_stem:
            last = nn.Conv2d(64, stem_channels, 3, padding=1, bias=False)
            self.conv1 = nn.Sequential(ConvNormAct(3, 64, stride=2), ConvNormAct(64, 64), last)
        self.bn1 = nn.BatchNorm2d(stem_channels)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels4, channels8, channels16, _ = self.channels
        self.layer1 = _stage(block, stem_channels, 64, stride=1, dilations=(1,) * repeats[0])
        self.layer2 = _stage(block, channels4, 128, stride=2, dilations=(1,) * repeats[1])
        self.layer3 = _stage(block, channels8, 256, stride=stride16 // stride8, dilations=dilations16)
        self.layer4 = _stage(block, channels16, 512, stride=stride32 // stride16, dilations=dilations32)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        x = self.maxpool(self.relu(self.bn1(self.conv1(image))))  # stride 4
        stage1 = self.layer1(x)
        stage2 = self.layer2(stage1)
        stage3 = self.layer3(stage2)
        return stage1, stage2, stage3, self.layer4(stage3)


class MobileNetV2Encoder(Encoder):
    """MobileNetV2 without its last 1x1 convolution and classifier; a stride but 8, 16 and 32 is a ValueError.

    Example:
        >>> MobileNetV2Encoder(output_stride=16).strides
        (4, 8, 16, 16)
    """

    LAST_BLOCKS = (3, 6, 13, 17)  # of stride 4, 8, 16 and 32

    def __init__(self, *, output_stride: int = 32) -> None:
        super().__init__()
        self.strides = _strides(output_stride)
        self.features = mobilenet_v2(weights=None).features[:-1]
        self.channels = (24, 32, 96, 320)
        self.torchvision_name = "mobilenet_v2"
        stride, dilation = 2, 1  # after the stem
        for block in self.features[1:]:
            (depthwise,) = (x for x in block.modules() if isinstance(x, nn.Conv2d) and x.groups > 1)
            depthwise.dilation = depthwise.padding = (dilation, dilation)
            if depthwise.stride == (2, 2) and stride == output_stride:
                depthwise.stride = (1, 1)
                dilation *= 2
            else:
                stride *= depthwise.stride[0]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        maps = []
        x = image
        for index, block in enumerate(self.features):
            x = block(x)
            if index in self.LAST_BLOCKS:
                maps.append(x)
        return tuple(maps)


def load_torchvision_weights(encoder: Encoder, path_or_name: str | Path, *, sha256: str | None = None) -> None:
    """Load torchvision's ImageNet weights, strictly; no constructor ever does.

    A path is read where it is; a name (``IMAGENET1K_V1``, ...) is downloaded into ``torch.hub``'s cache. ``sha256``,
    8 digits or more and by default those in the file's name, is verified before the content is read.

    ValueError for no such file, name or weights, a failed download, no digest or another, or another kind of file.
    """
    name = encoder.torchvision_name
    if name is None:
        raise ValueError(
            f"torchvision has no weights for this {type(encoder).__name__}; choose a ResNetEncoder with "
            "deep_stem=False or a MobileNetV2Encoder"
        )
    published = get_model_weights(name).__members__
    if str(path_or_name) in published:
        url = published[str(path_or_name)].url
        path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            try:  # into a temporary file, renamed when complete and verified
                torch.hub.download_url_to_file(url, str(path), hash_prefix=_digest_in_name(path), progress=False)
            except (OSError, RuntimeError) as error:
                raise ValueError(
                    f"could not fetch {url} ({error}); try again, or fetch the file elsewhere and pass its path"
                ) from error
    else:
        path = Path(path_or_name)
        if not path.is_file():
            raise ValueError(
                f"no file and no torchvision weights of {name} are called {str(path_or_name)!r}; "
                f"give a path, or one of {', '.join(published)}"
            )
    _verify(path, sha256 or _digest_in_name(path))
    left_out = ("fc.", "classifier.", "features.18.")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        encoder.load_state_dict({key: value for key, value in state.items() if not key.startswith(left_out)})
    except (RuntimeError, AttributeError, UnpicklingError) as error:
        raise ValueError(f"{path} does not hold torchvision's weights of {name}: {error}") from error


def _digest_in_name(path: Path) -> str | None:
    found = re.search(r"-([0-9a-f]{8,64})$", path.stem)  # resnet50-11ad3fa6.pth
    return found[1] if found else None


def _verify(path: Path, expected: str | None) -> None:
    if expected is None or not re.fullmatch(r"[0-9a-fA-F]{8,64}", expected):
        raise ValueError(
            f"no SHA-256 to verify {path.name} with: expected 8 to 64 hexadecimal digits, got {expected!r}; "
            "pass them as sha256=..."
        )
    actual = files.sha256(path)
    if not actual.startswith(expected.lower()):
        raise ValueError(f"{path} has SHA-256 {actual}, expected {expected}; delete the file and fetch it again")
