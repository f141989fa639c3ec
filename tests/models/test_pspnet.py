"""PSPNet: the pyramid against a hand-made average, strides, and the auxiliary head on the right map."""

from __future__ import annotations

import torch
from torch import nn

from dsrl_lab.models.segmentation.pspnet import PSPNet, PyramidPooling


def test_the_pyramid_keeps_its_input_and_adds_the_averages_of_its_bins() -> None:
    pyramid = PyramidPooling(8, bins=(1, 2)).eval()
    for context in pyramid.contexts:
        conv = context.get_submodule("project.0")
        assert isinstance(conv, nn.Conv2d)
        nn.init.zeros_(conv.weight)
        for channel in range(4):
            conv.weight.data[channel, channel] = 1  # picks the first four channels
    x = torch.rand(1, 8, 6, 4)
    with torch.inference_mode():
        out = pyramid(x)
    scale = (1 + 1e-5) ** -0.5  # fresh BatchNorm in evaluation
    torch.testing.assert_close(out[:, :8], x)
    whole = x[:, :4].mean((2, 3), keepdim=True) * scale
    torch.testing.assert_close(out[:, 8:12], whole.expand(1, 4, 6, 4))
    corner = x[:, :4, :3, :2].mean((2, 3)) * scale  # the upper left bin of four; bilinear keeps it in the corner
    torch.testing.assert_close(out[:, 12:, 0, 0], corner)


def test_bins_that_do_not_divide_the_map_are_served() -> None:
    x = torch.randn(2, 8, 4, 5)  # smaller than six bins
    assert PyramidPooling(8)(x).shape == (2, 16, 4, 5)


def test_stride_8_throughout_and_the_auxiliary_head_reads_the_map_before_the_last() -> None:
    with torch.device("meta"):
        model = PSPNet(19).train()
        features = model.forward_features(torch.zeros(2, 3, 64, 64))
    assert [x.shape[-1] for x in features] == [16, 8, 8, 8]
    assert model.spec.feature_channels == (256, 512, 1024, 2048)
    small = PSPNet(3, encoder="resnet18").train()
    features = small.forward_features(torch.randn(2, 3, 32, 32))
    auxiliary = small.forward_head(features).auxiliary[0]
    grads = torch.autograd.grad(auxiliary.sum(), features[2:], allow_unused=True)
    assert grads[0] is not None
    assert grads[1] is None


def test_layers_3_and_4_are_dilated_by_2_and_4() -> None:
    with torch.device("meta"):
        encoder = PSPNet(19).encoder
    for stage, dilation in ((encoder.layer2, 1), (encoder.layer3, 2), (encoder.layer4, 4)):
        convs = [m for m in stage.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
        assert {m.dilation[0] for m in convs} == {dilation}


def test_the_plain_stem_is_torchvisions() -> None:
    with torch.device("meta"):
        assert PSPNet(19).encoder.torchvision_name is None
        assert PSPNet(19, deep_stem=False).encoder.torchvision_name == "resnet50"
