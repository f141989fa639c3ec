"""BiSeNet: attention by hand, what each path sees, and the auxiliary heads' maps; Xception39's layers."""

from __future__ import annotations

import torch
from torch import nn

from dsrl_lab.models.segmentation.bisenet import AttentionRefinement, BiSeNet, FeatureFusion, Xception39Encoder


def test_attention_refinement_weighs_each_channel_by_one_number_between_0_and_1() -> None:
    block = AttentionRefinement(6, 4).eval()
    x = torch.randn(1, 6, 5, 7)
    with torch.inference_mode():
        plain, refined = block.conv(x), block(x)
    seen = plain > 0.05
    ratio = refined / plain
    for channel in range(4):
        values = ratio[0, channel][seen[0, channel]]
        torch.testing.assert_close(values, values[0].expand_as(values))
        assert 0 < values[0] < 1


def test_fusion_adds_the_weighted_map_to_itself() -> None:
    block = FeatureFusion(8).eval()
    nn.init.zeros_(block.attention[2].weight)  # type: ignore[arg-type]
    detail, context = torch.randn(1, 4, 5, 7), torch.randn(1, 4, 5, 7)
    with torch.inference_mode():
        joined = block.join(torch.cat([detail, context], dim=1))
        torch.testing.assert_close(block(detail, context), 1.5 * joined)  # sigmoid(0) = 0.5


def test_the_spatial_path_is_local_and_the_context_path_is_not() -> None:
    model = BiSeNet(5, encoder="xception39").eval()
    image = torch.randn(1, 3, 128, 128)
    changed = image.clone()
    changed[..., -32:, -32:] = 0
    with torch.inference_mode():
        detail, *_ = model.forward_features(image)
        detail_changed, *_ = model.forward_features(changed)
        assert torch.equal(detail[..., :8, :8], detail_changed[..., :8, :8])
        assert not torch.equal(model(image)[..., :32, :32], model(changed)[..., :32, :32])


def test_auxiliary_logits_come_from_strides_16_and_8_and_do_not_touch_the_spatial_path() -> None:
    model = BiSeNet(5, encoder="xception39").train()
    features = model.forward_features(torch.randn(2, 3, 64, 96))
    head = model.forward_head(features)
    assert [tuple(x.shape[-2:]) for x in head.auxiliary] == [(4, 6), (8, 12)]
    for auxiliary in head.auxiliary:
        grads = torch.autograd.grad(auxiliary.sum(), features, retain_graph=True, allow_unused=True)
        assert grads[0] is None
        assert grads[-1] is not None
    assert model.eval().forward_head(features).auxiliary == ()


def test_xception39_has_4_8_and_4_blocks_of_three_separable_convolutions() -> None:
    with torch.device("meta"):
        encoder = Xception39Encoder()
    assert [len(list(stage.children())) for stage in encoder.stages] == [4, 8, 4]
    depthwise = [m for m in encoder.modules() if isinstance(m, nn.Conv2d) and m.groups > 1]
    assert len(depthwise) == 3 * 16 + 3  # and one projected shortcut for each stage
    assert [m.stride[0] for m in depthwise].count(2) == 2 * 3
