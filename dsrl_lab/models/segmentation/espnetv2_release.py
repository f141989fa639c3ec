"""The names of EdgeNets' released ESPNetv2 checkpoints, and ours.

Source: the state dictionaries of the EdgeNets model zoo (MIT), 526 tensors each. The map is a renaming, one to
one: no tensor is dropped, merged or reshaped. Three of them the release holds but never applies: see
``DownSampler.unused_slope``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

# The Cityscapes outputs (train ids; 19 = background) that CamVid's 11 classes can start from, in CamVid's order:
# sky, building, pole, road, sidewalk, vegetation, traffic sign, fence, car, person, rider.
CAMVID_FROM_CITYSCAPES = (10, 2, 5, 0, 1, 8, 7, 4, 13, 11, 12)

# Applied in this order to each released name: first the places, then the parts inside them.
RENAMING = (
    (r"^base_net\.level1\.", "stem."),
    (r"^base_net\.level2_0\.", "down4."),
    (r"^base_net\.level3_0\.", "down8."),
    (r"^base_net\.level3\.", "stage8."),
    (r"^base_net\.level4_0\.", "down16."),
    (r"^base_net\.level4\.", "stage16."),
    (r"^bu_dec_l4\.merge_layer\.3\.", "classifier."),
    (r"^bu_dec_l1\.(merge_layer\.3|br\.br)\b", r"widen16.\1"),
    (r"^bu_dec_l2\.(merge_layer\.3|br\.br)\b", r"widen8.\1"),
    (r"^bu_dec_l3\.(merge_layer\.3|br\.br)\b", r"widen4.\1"),
    (r"^(widen\d+)\.merge_layer\.3\.", r"\1.0."),
    (r"^(widen\d+)\.br\.br\.0\.", r"\1.1."),
    (r"^(widen\d+)\.br\.br\.1\.", r"\1.2."),
    (r"^bu_dec_l1\.", "pyramid16."),
    (r"^bu_dec_l2\.", "pyramid8."),
    (r"^bu_dec_l3\.", "pyramid4."),
    (r"^bu_dec_l4\.", "pyramid2."),
    (r"^merge_enc_dec_l2\.", "join8.skip."),
    (r"^merge_enc_dec_l3\.", "join4.skip."),
    (r"^merge_enc_dec_l4\.", "join2.skip."),
    (r"^bu_br_l2\.", "join8.normalise."),
    (r"^bu_br_l3\.", "join4.normalise."),
    (r"^bu_br_l4\.", "join2.normalise."),
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


def our_name(released_name: str) -> str:
    """Our name of a released tensor.

    Example:
        >>> our_name("base_net.level4.6.proj_1x1.bn.running_var")
        'stage16.6.project.1.running_var'
        >>> our_name("bu_dec_l1.br.br.1.weight")
        'widen16.2.weight'
    """
    name = released_name
    for pattern, replacement in RENAMING:
        name = re.sub(pattern, replacement, name)
    return name


def read_release(path: str | Path) -> tuple[dict[str, Tensor], float]:
    """Read a released checkpoint: its tensors under our names, and the width of the network they belong to.

    Raises:
        ValueError: there is no such file, or it is no released ESPNetv2 segmentation checkpoint.

    Example:
        >>> read_release("absent.pth")
        Traceback (most recent call last):
        ...
        ValueError: no checkpoint at absent.pth; ...
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no checkpoint at {path}; give the path of an EdgeNets espnetv2_s_*_city_*.pth file")
    try:
        released = torch.load(path, map_location="cpu", weights_only=True)
        state = {our_name(name): tensor for name, tensor in released.items()}
        widths = {128: 0.5, 256: 1.0, 384: 1.5, 512: 2.0}
        width = widths[state["down16.activation.weight"].numel()]
    except Exception as error:
        raise ValueError(
            f"{path} is no released ESPNetv2 segmentation checkpoint ({type(error).__name__}: {error}); "
            "give the path of an EdgeNets espnetv2_s_*_city_*.pth file"
        ) from error
    return state, width


def output_sources(
    released_classes: int, num_classes: int | None, class_map: Sequence[int | None] | None
) -> tuple[int | None, ...]:
    """For each output of a new network the released output it starts from, or None for a fresh one.

    Raises:
        ValueError: ``class_map`` names outputs that are not there, or its length is not ``num_classes``.

    Example:
        >>> output_sources(20, None, None) == tuple(range(20)), output_sources(20, 2, None)
        (True, (None, None))
        >>> output_sources(20, None, (10, 2, None))
        (10, 2, None)
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
        raise ValueError(
            f"expected class_map entries in 0..{released_classes - 1} or None, got {wrong}; "
            "name released outputs, None for a fresh one"
        )
    return tuple(class_map)
