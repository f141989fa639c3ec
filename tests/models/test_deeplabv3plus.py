"""DeepLabv3+: the pyramid's reach, the decoder's resolution, and the MACs that its MobileNetV2 does not spend."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dsrl_lab.models.segmentation.deeplabv3plus import ASPP, DeepLabv3Plus


def reach(pyramid: ASPP, size: int) -> torch.Tensor:
    """Positions of a row that the middle of the map sees through the dilated branches alone (no image average)."""
    x = torch.zeros(1, 8, 1, size, requires_grad=True)
    branches = torch.cat([branch[0](x) for branch in pyramid.dilated], dim=1)  # type: ignore[index]
    branches[..., size // 2].sum().backward()
    assert x.grad is not None
    return x.grad.abs().sum((0, 1, 2)).nonzero().flatten() - size // 2


def test_the_pyramid_looks_6_12_and_18_steps_far() -> None:
    assert reach(ASPP(8, 4), 41).tolist() == [-18, -12, -6, 0, 6, 12, 18]
    with torch.device("meta"):
        finer = DeepLabv3Plus(19, encoder="mobilenet_v2", output_stride=8)
    assert [branch[0].dilation for branch in finer.pyramid.dilated] == [(12, 12), (24, 24), (36, 36)]  # type: ignore[index]


def test_the_image_average_reaches_every_position() -> None:
    x = torch.randn(1, 8, 3, 90, requires_grad=True)
    ASPP(8, 16).eval()(x)[..., 0].sum().backward()
    assert x.grad is not None
    assert (x.grad[..., -1] != 0).all()  # 89 steps away: no convolution sees it


def test_the_deep_map_is_the_pyramids_output_and_resnets_use_the_multi_grid() -> None:
    with torch.device("meta"):
        model = DeepLabv3Plus(19)
        shallow, deep = model.forward_features(torch.zeros(2, 3, 65, 129))
    assert shallow.shape == (2, 256, 17, 33)
    assert deep.shape == (2, 256, 5, 9)
    stage = model.encoder.get_submodule("layer4")
    last = [m.dilation[0] for m in stage.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    assert last == [2, 4, 8]


def test_output_stride_8_keeps_the_parameters_and_doubles_the_deep_map() -> None:
    with torch.device("meta"):
        models = [DeepLabv3Plus(19, encoder="resnet50", output_stride=stride) for stride in (16, 8)]
        maps = [model.forward_features(torch.zeros(2, 3, 64, 64))[-1] for model in models]
    assert [tuple(x.shape[-2:]) for x in maps] == [(4, 4), (8, 8)]
    counts = {sum(p.numel() for p in model.parameters()) for model in models}
    assert len(counts) == 1


def test_dropout_stays_behind_the_features() -> None:
    model = DeepLabv3Plus(5, encoder="mobilenet_v2").eval()
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.train()
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        features = model.forward_features(image)
        assert torch.equal(features[1], model.forward_features(image)[1])  # what SISR shares sees no dropout
        first, second = (model.forward_head(features).logits for _ in range(2))
        assert not torch.equal(first, second)


@pytest.mark.parametrize("output_stride", [4, 32])
def test_other_output_strides_are_refused(output_stride: int) -> None:
    with pytest.raises(ValueError, match=f"needs output_stride 8 or 16, got {output_stride}"):
        DeepLabv3Plus(19, output_stride=output_stride)
