from __future__ import annotations

import io
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dsrl_lab.complexity import complexity
from dsrl_lab.models.super_resolution import (
    DBPN,
    ESPCN,
    FSRCNN,
    SRCNN,
    BicubicUpsample,
    LapSRN,
    SubPixelConv,
    SuperResolution,
    SuperResolver,
    icnr_,
)
from dsrl_lab.models.super_resolution.dbpn import DownProjection, UpProjection
from dsrl_lab.models.super_resolution.lapsrn import bilinear_

SMALL: dict[str, Callable[..., SuperResolver]] = {
    "srcnn": SRCNN,
    "espcn": ESPCN,
    "fsrcnn": FSRCNN,
    "lapsrn": lambda factor, *, channels: LapSRN(factor, channels=channels, depth=2),
    "dbpn": lambda factor, *, channels: DBPN(factor, channels=channels, stages=3, width=6),
    "dbpn with skip": lambda factor, *, channels: DBPN(factor, channels=channels, stages=2, width=6, global_skip=True),
}
each_network = pytest.mark.parametrize("name", SMALL)


# Parameters from networks.md, measured on public code; the exact ones follow from the layers by hand.
PARAMETERS = [
    (SRCNN, 2, {"channels": 1}, 57_281),
    (SRCNN, 2, {}, 69_251),
    (ESPCN, 2, {"channels": 1}, 21_284),
    (ESPCN, 2, {}, 26_796),
    (FSRCNN, 2, {"channels": 1}, 12_800),
    (FSRCNN, 2, {}, 24_700),
    (LapSRN, 4, {"channels": 1}, 870_112),
    (DBPN, 2, {}, 5_950_000),
    (DBPN, 4, {}, 10_430_000),
    (DBPN, 2, {"stages": 2}, 1_350_000),
    (DBPN, 4, {"stages": 2}, 2_390_000),
    (DBPN, 2, {"stages": 10}, 8_810_000),
    (DBPN, 4, {"stages": 10}, 15_350_000),
]


@pytest.mark.parametrize(("network", "factor", "options", "expected"), PARAMETERS)
def test_parameters_are_those_of_the_specification(
    network: type[SuperResolver], factor: int, options: dict[str, int], expected: int
) -> None:
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        counted = sum(parameter.numel() for parameter in network(factor, **options).parameters())
    assert counted == pytest.approx(expected, rel=0.005)


@pytest.mark.parametrize(
    ("network", "expected"),
    [(SRCNN, 9.06e9), (ESPCN, 0.875e9), (FSRCNN, 0.797e9)],
)
def test_macs_are_those_of_the_specification(network: type[SuperResolver], expected: float) -> None:
    """For 128x256 -> 256x512, which is 64 times the input counted here."""
    assert complexity(network(2), (16, 32)).macs * 64 == pytest.approx(expected, rel=0.005)


def test_macs_of_deconvolutions_count_their_input() -> None:
    h, w = 6, 8
    level = 10 * 64 * 64 * 9 + 64 * 64 * 16 + 16  # ten layers and two transposed convolutions per input pixel
    residual = 4 * 64 * 9  # at twice the size
    counted = complexity(LapSRN(2, channels=1), (h, w), channels=1).macs
    assert counted == h * w * (64 * 9 + level + residual)
    unit = 3 * 36 * 8 * 8
    first, last = 9 * 32 + 32 * 8, 4 * 2 * 8 * 9
    counted = complexity(DBPN(2, channels=1, stages=2, width=8), (h, w), channels=1).macs
    assert counted == h * w * (first + 3 * unit + last)


@each_network
@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_sizes_and_scales(name: str, factor: int, channels: int) -> None:
    if factor == 3 and name in ("lapsrn", "dbpn", "dbpn with skip"):
        pytest.skip("not specified for x3")
    net = SMALL[name](factor, channels=channels)
    result = net(torch.rand(2, channels, 7, 10))
    assert isinstance(result, SuperResolution)
    assert result.image.shape == (2, channels, 7 * factor, 10 * factor)
    assert result.scales[-1] is result.image
    sides = [scale.shape[-1] for scale in result.scales]
    assert sides == ([20, 40][: factor // 2] if name == "lapsrn" else [10 * factor])


@each_network
def test_every_parameter_gets_a_gradient(name: str) -> None:
    net = SMALL[name](4, channels=3)
    result = net(torch.rand(2, 3, 8, 9))
    sum((scale - 0.3).square().mean() for scale in result.scales).backward()
    idle = [key for key, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not idle


@each_network
def test_evaluation_is_deterministic_and_a_round_trip_is_strict(name: str) -> None:
    net, image = SMALL[name](2, channels=3).eval(), torch.rand(1, 3, 9, 8)
    stored = io.BytesIO()
    torch.save(net.state_dict(), stored)
    stored.seek(0)
    again = SMALL[name](2, channels=3).eval()
    assert not torch.equal(again(image).image, net(image).image)
    again.load_state_dict(torch.load(stored, weights_only=True), strict=True)
    assert torch.equal(again(image).image, net(image).image)
    assert torch.equal(net(image).image, net(image).image)


@each_network
def test_pictures_of_a_batch_do_not_see_each_other(name: str) -> None:
    net, image = SMALL[name](2, channels=1).eval(), torch.rand(3, 1, 8, 8)
    torch.testing.assert_close(net(image).image[1:2], net(image[1:2]).image)


@each_network
def test_torch_export_agrees(name: str) -> None:
    net, image = SMALL[name](2, channels=3).eval(), torch.rand(1, 3, 8, 10)
    exported = torch.export.export(net, (image,)).module()
    torch.testing.assert_close(exported(image).image, net(image).image, atol=1e-5, rtol=0)


@each_network
def test_onnx_export_agrees(name: str) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    net, image = SMALL[name](2, channels=3).eval(), torch.rand(1, 3, 8, 10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(net, (image,), dynamo=True, verbose=False)
    assert program is not None
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    (picture, *_) = session.run(None, {session.get_inputs()[0].name: image.numpy()})
    torch.testing.assert_close(torch.from_numpy(picture), net(image).image, atol=1e-4, rtol=0)


def test_a_sub_pixel_convolution_is_a_transposed_convolution() -> None:
    """Shi et al., "Is the deconvolution layer the same as a convolutional layer?" (2016), here as an identity."""
    s, k = 2, 3
    sub_pixel = SubPixelConv(4, 3, s, kernel_size=k)
    weight = sub_pixel[0].weight.detach()  # (3 s^2, 4, k, k)
    weight = torch.randn_like(weight)
    sub_pixel[0].weight.data.copy_(weight)
    phases = weight.view(3, s, s, 4, k, k).flip(-2, -1)  # a transposed convolution runs its taps backwards
    kernel = phases.permute(3, 0, 4, 1, 5, 2).reshape(4, 3, k * s, k * s)
    image = torch.randn(2, 4, 6, 5)
    transposed = F.conv_transpose2d(image, kernel, sub_pixel[0].bias.detach()[:: s * s], stride=s, padding=(k // 2) * s)
    sub_pixel[0].bias.data.copy_(sub_pixel[0].bias.data[:: s * s].repeat_interleave(s * s))
    torch.testing.assert_close(sub_pixel(image), transposed)


def test_icnr_starts_without_a_checkerboard() -> None:
    conv = nn.Conv2d(5, 2 * 9, 3, padding=1, bias=False)
    icnr_(conv.weight, 3)
    picture = F.pixel_shuffle(conv(torch.randn(1, 5, 4, 4)), 3)
    nearest = picture[..., ::3, ::3].repeat_interleave(3, -1).repeat_interleave(3, -2)
    torch.testing.assert_close(picture, nearest)
    assert picture.std() > 0.1
    with pytest.raises(ValueError, match=r"multiple of upscale_factor\^2 = 9, got 8"):
        icnr_(torch.empty(8, 1, 3, 3), 3)


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_bicubic_keeps_polynomials_of_second_degree(factor: int) -> None:
    """Keys' kernel with a = -1/2 is exact for them; PyTorch's own a = -3/4 is not."""
    x = torch.arange(12, dtype=torch.float64)
    fine = (torch.arange(12 * factor) + 0.5) / factor - 0.5
    image = (x**2)[None, :].expand(12, 12)[None, None].float()
    magnified = BicubicUpsample(factor)(image)[0, 0]
    inside = slice(2 * factor, -2 * factor)
    torch.testing.assert_close(magnified[factor, inside], (fine**2)[inside].float(), atol=2e-4, rtol=1e-5)
    other = F.interpolate(image, scale_factor=factor, mode="bicubic")[0, 0]
    assert (other[factor, inside] - fine[inside] ** 2).abs().max() > 0.01


def test_bilinear_start_enlarges_each_channel_by_itself() -> None:
    double = nn.ConvTranspose2d(3, 3, 4, stride=2, padding=1, bias=False)
    bilinear_(double.weight)
    image = torch.rand(1, 3, 6, 7)
    expected = F.interpolate(image, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(double(image)[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])
    with pytest.raises(ValueError, match=r"expected a weight of shape \(C, C, 4, 4\)"):
        bilinear_(torch.empty(3, 3, 3, 3))
    with pytest.raises(ValueError, match="bilinear doubling"):
        bilinear_(torch.empty(4, 2, 4, 4))


@pytest.mark.parametrize("name", ["srcnn", "espcn", "lapsrn", "dbpn with skip"])
def test_the_start_is_a_plain_enlargement(name: str) -> None:
    """What the four files promise of their initial weights: training starts from interpolation, not from noise."""
    rows = torch.linspace(0.2, 0.8, 24)
    image = (rows[:, None] * rows[None, :]).expand(1, 1, 24, 24)
    super_res = SMALL[name](2, channels=1).eval()(image).image
    expected = BicubicUpsample(2)(image)
    assert (super_res - expected)[..., 8:-8, 8:-8].abs().max() < 0.06


def test_projection_units_correct_their_round_trip() -> None:
    """If the way up and the way down were inverse, the error, and with it the second term, would vanish."""
    unit = UpProjection(4, 4, 2)
    for layer in (unit.first_up[0], unit.down[0]):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    middle = 2  # one tap each: (2y, 2x) of the large map is (y, x) of the small one
    for c in range(4):
        unit.first_up[0].weight.data[c, c, middle, middle] = 1
        unit.down[0].weight.data[c, c, middle, middle] = 1
    low = torch.rand(1, 4, 5, 5)  # PReLU keeps what is positive
    unit.second_up[0].bias.data.zero_()
    torch.testing.assert_close(unit(low), unit.first_up(low))
    assert DownProjection(12, 4, 4)(torch.rand(1, 12, 8, 12)).shape == (1, 4, 2, 3)


def test_dbpn_starts_with_the_same_variance_from_unit_to_unit() -> None:
    """With plain He values each unit triples it, 3^11 after eleven units."""
    net = DBPN(2, stages=6, width=24)
    sizes: list[float] = []
    for unit in (*net.ups, *net.downs):
        unit.register_forward_hook(lambda _, inputs, output: sizes.append(output.square().mean().sqrt().item()))
    net(torch.rand(1, 3, 12, 12))
    assert len(sizes) == 11
    assert max(sizes) / min(sizes) < 2.5


@pytest.mark.parametrize("network", [SRCNN, ESPCN, FSRCNN, LapSRN, DBPN])
def test_errors_name_what_was_expected(network: type[SuperResolver]) -> None:
    with pytest.raises(ValueError, match=rf"{network.__name__} is specified for upscale_factor 2, .*got 5"):
        network(5)
    with pytest.raises(ValueError, match="at least one channel, got channels=0"):
        network(2, channels=0)


@pytest.mark.parametrize("network", [LapSRN, DBPN])
def test_factor_three_is_refused_where_the_paper_has_none(network: type[SuperResolver]) -> None:
    with pytest.raises(ValueError, match=r"upscale_factor 2, 4 or 8, got 3; choose one of these"):
        network(3)


def test_wrong_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(N, 1, h, w\), got \(1, 3, 4, 4\); build it with channels=3"):
        ESPCN(2, channels=1)(torch.zeros(1, 3, 4, 4))
    with pytest.raises(ValueError, match=r"got \(1, 4, 4\)"):
        ESPCN(2, channels=1)(torch.zeros(1, 4, 4))
    with pytest.raises(ValueError, match="stages, width and stem_width from 1, got 0, 8 and 32"):
        DBPN(2, stages=0, width=8)
