"""ESPNetv2 for segmentation, the light host of the DSRL paper, and its released checkpoints.

Source: Mehta et al., "ESPNetv2", CVPR 2019; widths, repeats and decoder from the authors' EdgeNets release
(MIT): 0.7892 M parameters and 674.46 M MACs for width 2.0, 20 outputs, 256x512 input.
Deviations: any input size works (see ``espnetv2_blocks``); the width of the pyramids can be chosen apart from
the number of classes; ``forward_head`` stops at half the input size, where the official DSRL head starts.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from dsrl_lab.layers import ConvNormAct
from dsrl_lab.models.base import DensePredictor, HeadOutput, PredictorSpec
from dsrl_lab.models.segmentation.espnetv2_blocks import EESP, DecoderStep, DownSampler, PyramidPool, shrink

ENCODER_CHANNELS = {0.5: (16, 32, 64, 128), 1.0: (32, 64, 128, 256), 1.5: (32, 96, 192, 384), 2.0: (32, 128, 256, 512)}
DECODER_CHANNELS = (64, 48, 32)


class ESPNetv2(DensePredictor):
    """ESPNetv2 of ``width`` 0.5, 1.0, 1.5 or 2.0; the release has 20 outputs (Cityscapes' 19 and background).

    ``HeadOutput.features`` is the 32-channel map at half the input size that enters the last pyramid: our choice, as
    that pyramid's own channels (p, by default min(num_classes // 2, 16)) are too few and too separate for affinity.

    ValueError where the width is unknown, or a channel count is below 1.

    Example:
        >>> sum(p.numel() for p in ESPNetv2(20, width=2.0).parameters())
        789242
    """

    def __init__(self, num_classes: int, *, width: float = 2.0, pyramid_channels: int | None = None) -> None:
        super().__init__()
        if width not in ENCODER_CHANNELS:
            raise ValueError(f"expected width to be one of {sorted(ENCODER_CHANNELS)}, got {width}")
        if num_classes < 1:
            raise ValueError(f"expected at least 1 class, got {num_classes}; pass the number of outputs")
        if pyramid_channels is None:
            pyramid_channels = max(1, min(num_classes // 2, 16))
        if pyramid_channels < 1:
            raise ValueError(f"expected pyramid_channels of 1 or more, got {pyramid_channels}")
        self.width = width
        self.pyramid_channels = pyramid_channels
        self.spec = PredictorSpec(
            num_classes=num_classes,
            feature_channels=ENCODER_CHANNELS[width],
            feature_strides=(2, 4, 8, 16),
            head_channels=DECODER_CHANNELS[-1],
            head_stride=2,
            logits_stride=2,
            align_corners=True,  # as the release resizes; recipes choose one convention for all rows
            class_layers=("classifier",),
        )
        c2, c4, c8, c16 = ENCODER_CHANNELS[width]
        d8, d4, d2 = DECODER_CHANNELS

        self.stem = ConvNormAct(3, c2, 3, stride=2, activation=nn.PReLU)
        self.down4 = DownSampler(c2, c4, receptive_limit=13)
        self.down8 = DownSampler(c4, c8, receptive_limit=11)
        self.stage8 = nn.Sequential(*(EESP(c8, receptive_limit=9) for _ in range(3)))
        self.down16 = DownSampler(c8, c16, receptive_limit=9)
        self.stage16 = nn.Sequential(*(EESP(c16, receptive_limit=7) for _ in range(7)))

        self.pyramid16 = PyramidPool(c16, pyramid_channels)
        self.widen16 = ConvNormAct(pyramid_channels, d8, 1, activation=nn.PReLU)
        self.join8 = DecoderStep(d8, c8)
        self.pyramid8 = PyramidPool(d8, pyramid_channels)
        self.widen8 = ConvNormAct(pyramid_channels, d4, 1, activation=nn.PReLU)
        self.join4 = DecoderStep(d4, c4)
        self.pyramid4 = PyramidPool(d4, pyramid_channels)
        self.widen4 = ConvNormAct(pyramid_channels, d2, 1, activation=nn.PReLU)
        self.join2 = DecoderStep(d2, c2)
        self.pyramid2 = PyramidPool(d2, pyramid_channels)
        self.classifier = nn.Conv2d(pyramid_channels, num_classes, 1)
        for module in self.modules():  # as the release draws them
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward_features(self, image: Tensor) -> tuple[Tensor, ...]:
        """Encode a normalised image into maps of stride 2, 4, 8 and 16."""
        feat2 = self.stem(image)
        image4 = shrink(shrink(image))
        feat4 = self.down4(feat2, image4)
        image8 = shrink(image4)
        feat8 = self.stage8(self.down8(feat4, image8))
        feat16 = self.stage16(self.down16(feat8, shrink(image8)))
        return feat2, feat4, feat8, feat16

    def forward_head(self, features: tuple[Tensor, ...]) -> HeadOutput:
        """Decode to logits and 32-channel features, both at half the input size (rounded up)."""
        feat2, feat4, feat8, feat16 = features
        x = self.join8(self.widen16(self.pyramid16(feat16)), feat8)
        x = self.join4(self.widen8(self.pyramid8(x)), feat4)
        x = self.join2(self.widen4(self.pyramid4(x)), feat2)
        return HeadOutput(logits=self.classifier(self.pyramid2(x)), features=x)


# Applied in this order to each released name, once its levels are strides: first the places, then their parts.
RENAMING = (
    (r"^base_net\.level2\.", "stem."),
    (r"^base_net\.level(\d+)_0\.", r"down\1."),
    (r"^base_net\.level(\d+)\.", r"stage\1."),
    (r"^bu_dec_l2\.merge_layer\.3\.", "classifier."),
    (r"^bu_dec_l(\d+)\.merge_layer\.3\.", r"widen\1.0."),
    (r"^bu_dec_l(\d+)\.br\.br\.0\.", r"widen\1.1."),
    (r"^bu_dec_l(\d+)\.br\.br\.1\.", r"widen\1.2."),
    (r"^bu_dec_l(\d+)\.", r"pyramid\1."),
    (r"^merge_enc_dec_l(\d+)\.", r"join\1.skip."),
    (r"^bu_br_l(\d+)\.", r"join\1.normalise."),
    (r"^(down\d+)\.eesp\.module_act\.weight$", r"\1.unused_slope"),
    (r"^(down\d+)\.act\.", r"\1.activation."),
    (r"\.eesp\.", ".core."),
    (r"\.module_act\.", ".activation."),
    (r"\.inp_reinf\.", ".reinforce."),
    (r"\.proj_1x1\.", ".project."),
    (r"\.spp_dw\.(\d)\.conv\.", r".branches.\1."),
    (r"\.br_after_cat\.bn\.", ".merge.0."),
    (r"\.br_after_cat\.act\.", ".merge.1."),
    (r"\.conv_1x1_exp\.", ".expand."),
    (r"\.projection_layer\.cbr\.", ".project."),
    (r"\.merge_layer\.0\.br\.", ".normalise."),
    (r"\.merge_layer\.2\.cbr\.", ".fuse."),
    (r"\.wt_layer\.1\.", ".gate."),
    (r"\.expansion_layer\.cbr\.", ".project."),
    (r"\.conv\.", ".0."),
    (r"\.bn\.", ".1."),
    (r"\.act\.", ".2."),
)


def our_name(name: str) -> str:
    """Our name of a tensor of EdgeNets' release; the map is one to one: no tensor is dropped, merged or reshaped."""
    name = re.sub(r"^(base_net\.level)(\d)", lambda match: f"{match[1]}{2 ** int(match[2])}", name)
    name = re.sub(r"^(\w+_l)(\d)", lambda match: f"{match[1]}{2 ** (5 - int(match[2]))}", name)
    for pattern, replacement in RENAMING:
        name = re.sub(pattern, replacement, name)
    return name


def read_release(path: str | Path, *, trained_on: str = "city") -> tuple[dict[str, Tensor], float]:
    """Read a released checkpoint: its tensors under our names, and the width of the network they belong to.

    A file that is missing, or no ESPNetv2 that was ``trained_on`` Cityscapes (or "imagenet"), is a ValueError.
    """
    path, remedy = Path(path), f"give the path of an EdgeNets espnetv2_s_*_{trained_on}_*.pth file"
    remedy += ", or start at random (--encoder-weights none)" if trained_on == "imagenet" else ""
    if not path.is_file():
        raise ValueError(f"no checkpoint at {path}; {remedy}")
    try:
        released = torch.load(path, map_location="cpu", weights_only=True)
        state = {our_name(name if trained_on == "city" else f"base_net.{name}"): released[name] for name in released}
        widths = {128: 0.5, 256: 1.0, 384: 1.5, 512: 2.0}
        width = widths[state["down16.activation.weight"].numel()]
    except Exception as error:
        raise ValueError(
            f"{path} is no ESPNetv2 released for {trained_on} ({type(error).__name__}: {error}); {remedy}"
        ) from error
    return state, width


def output_sources(
    released_classes: int, num_classes: int | None, class_map: Sequence[int | None] | None
) -> tuple[int | None, ...]:
    """For each output of a new network the released output it starts from, or None for a fresh one.

    ValueError where ``class_map`` names outputs that do not exist, or its length is not ``num_classes``.
    """
    if class_map is None:
        kept = num_classes is None or num_classes == released_classes
        return tuple(range(released_classes)) if kept else (None,) * (num_classes or 0)
    if num_classes not in (None, len(class_map)):
        raise ValueError(
            f"expected one class_map entry for each of {num_classes} classes, got {len(class_map)}; "
            "make them agree, or leave num_classes out"
        )
    wrong = [entry for entry in class_map if entry is not None and not 0 <= entry < released_classes]
    if wrong:
        raise ValueError(f"expected class_map entries in 0..{released_classes - 1}, or None (fresh), got {wrong}")
    return tuple(class_map)


def from_released_checkpoint(
    path: str | Path, *, num_classes: int | None = None, class_map: Sequence[int | None] | None = None
) -> ESPNetv2:
    """Build ESPNetv2 from an ``espnetv2_s_<width>_city_<W>x<H>.pth`` of EdgeNets, strictly: every tensor is used.

    Sizes are read from the tensors' shapes. With another ``num_classes`` the two tensors of ``classifier`` are fresh;
    ``class_map`` names for each new class the released output whose row it starts from, or None for a fresh row.

    ValueError where the file is no complete ESPNetv2 release, or ``class_map`` does not fit.
    """
    state, width = read_release(path)
    released_classes, pyramid_channels = state["classifier.weight"].shape[:2]
    sources = output_sources(released_classes, num_classes, class_map)
    network = ESPNetv2(len(sources), width=width, pyramid_channels=pyramid_channels)
    fresh = network.state_dict()
    for name in ("classifier.weight", "classifier.bias"):
        rows = [fresh[name][row] if source is None else state[name][source] for row, source in enumerate(sources)]
        state[name] = torch.stack(rows)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"{path} is an incomplete or altered release: {error}; fetch it again") from error
    return network


def load_imagenet_encoder(network: ESPNetv2, path: str | Path) -> None:
    """Load the encoder of an ``espnetv2_s_<width>_imagenet_224x224.pth`` of EdgeNets, strictly.

    ValueError where the file is none, or of another width. Its stage of stride 32 and classifier are left out.
    """
    state, _ = read_release(path, trained_on="imagenet")
    inside = ("stem.", "down4.", "down8.", "stage8.", "down16.", "stage16.")
    decoder = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith(inside)}
    try:
        network.load_state_dict(decoder | {name: state[name] for name in state if name.startswith(inside)})
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit an ESPNetv2 of width {network.width}: {error}") from error
