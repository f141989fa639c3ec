"""The affinity losses against a loop anyone can check, against each other, and against the invariances of the idea."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from dsrl_lab import affinity
from dsrl_lab.affinity import CPU_TILE, GPU_TILE, affinity_matrix, feature_affinity_loss

METHODS = ("tiled", "dense")
NORMS = (1.0, 1.5, 2.0, 3.0, math.inf)
TILE = 7  # small, and no divisor of the position counts below


def pair(images: int = 2, channels: tuple[int, int] = (3, 5), size: tuple[int, int] = (4, 6)) -> tuple[Tensor, Tensor]:
    a, b = (torch.randn(images, c, *size, dtype=torch.float64, requires_grad=True) for c in channels)
    return a, b


def by_loops(a: Tensor, b: Tensor, p: float, q: int) -> float:
    """The paper's formula, one pair of positions at a time."""

    def norm(x: list[float]) -> float:
        return max(map(abs, x)) if p == math.inf else sum(abs(v) ** p for v in x) ** (1 / p)

    def affinity(x: list[float], y: list[float]) -> float:
        return sum(v * w for v, w in zip(x, y, strict=True)) / norm(x) / norm(y)

    total, count = 0.0, 0
    for image_a, image_b in zip(a, b, strict=True):
        positions_a, positions_b = image_a.flatten(1).T.tolist(), image_b.flatten(1).T.tolist()
        for i in range(len(positions_a)):
            for j in range(len(positions_a)):
                of_a = affinity(positions_a[i], positions_a[j])
                of_b = affinity(positions_b[i], positions_b[j])
                total += abs(of_a - of_b) ** q
                count += 1
    return total / count


def value_and_gradients(a: Tensor, b: Tensor, **options: Any) -> tuple[Tensor, Tensor, Tensor]:
    a, b = a.detach().requires_grad_(), b.detach().requires_grad_()
    loss = feature_affinity_loss(a, b, **options)
    gradient_a, gradient_b = torch.autograd.grad(loss, (a, b))
    return loss.detach(), gradient_a, gradient_b


# --- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_a_case_by_hand(method: Any) -> None:
    # a: both positions point the same way. b: 60 degrees between them, cosine 1/2. D = [[0, 1/2], [1/2, 0]].
    a = torch.tensor([[[[2.0, 3.0]], [[0.0, 0.0]]]])
    b = torch.tensor([[[[1.0, 1.0]], [[0.0, math.sqrt(3.0)]]]])
    assert feature_affinity_loss(a, b, q=1, method=method).item() == pytest.approx(2 * 0.5 / 4)
    assert feature_affinity_loss(a, b, q=2, method=method).item() == pytest.approx(2 * 0.25 / 4)


@pytest.mark.parametrize("q", [1, 2])
@pytest.mark.parametrize("p", NORMS)
@pytest.mark.parametrize("method", METHODS)
def test_value_is_that_of_the_loops(method: Any, p: float, q: Any) -> None:
    a, b = pair()
    loss = feature_affinity_loss(a, b, p=p, q=q, method=method, tile=TILE)
    assert loss.item() == pytest.approx(by_loops(a, b, p, q), abs=1e-12)


def test_affinity_matrix_is_cosine_similarity() -> None:
    features = torch.randn(2, 5, 3, 4)
    x = features.flatten(2)
    expected = torch.cosine_similarity(x.unsqueeze(3), x.unsqueeze(2), dim=1)
    affinity = affinity_matrix(features)
    assert affinity.shape == (2, 12, 12)
    torch.testing.assert_close(affinity, expected)


@pytest.mark.parametrize("q", [1, 2])
@pytest.mark.parametrize("p", NORMS)
@pytest.mark.parametrize("size", [(1, 2), (4, 6), (7, 5), (9, 11)])
@pytest.mark.parametrize("images", [1, 3])
def test_tiled_agrees_with_dense(images: int, size: tuple[int, int], p: float, q: Any) -> None:
    a, b = pair(images, size=size)
    tiled = value_and_gradients(a, b, p=p, q=q, tile=TILE)
    dense = value_and_gradients(a, b, p=p, q=q, method="dense")
    torch.testing.assert_close(tiled, dense, rtol=1e-10, atol=1e-10)


def test_tiled_agrees_with_dense_at_working_size_and_precision() -> None:
    a, b = torch.randn(1, 64, 40, 60), torch.randn(1, 48, 40, 60)
    tiled = value_and_gradients(a, b)
    exact = value_and_gradients(a.double(), b.double(), method="dense")
    for ours, reference in zip(tiled, exact, strict=True):
        assert (ours - reference).norm() < 1e-5 * reference.norm()


# --- gradients --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("q", [1, 2])
@pytest.mark.parametrize("p", NORMS)
def test_gradcheck(p: float, q: Any) -> None:
    a, b = pair(channels=(3, 2), size=(2, 5))
    assert torch.autograd.gradcheck(lambda x, y: feature_affinity_loss(x, y, p=p, q=q, tile=4), (a, b))


@pytest.mark.parametrize("learner", ["a", "b"])
def test_a_detached_side_is_only_looked_at(learner: str) -> None:
    a, b = pair()
    loss_of_both = feature_affinity_loss(a, b, tile=TILE)
    gradients = dict(zip("ab", torch.autograd.grad(loss_of_both, (a, b)), strict=True))
    sides = {"a": a.detach(), "b": b.detach()}
    sides[learner].requires_grad_()
    feature_affinity_loss(sides["a"], sides["b"], tile=TILE).backward()
    torch.testing.assert_close(sides[learner].grad, gradients[learner], rtol=1e-12, atol=1e-15)
    (other,) = {"a", "b"} - {learner}
    assert sides[other].grad is None


def test_no_gradient_where_none_is_wanted() -> None:
    a, b = pair()
    assert not feature_affinity_loss(a.detach(), b.detach()).requires_grad
    with torch.no_grad():
        quiet = feature_affinity_loss(a, b)
    assert not quiet.requires_grad
    assert quiet.item() == pytest.approx(feature_affinity_loss(a, b).item())


def test_backward_twice_and_scaled() -> None:
    a, b = pair()
    loss = feature_affinity_loss(a, b)
    (once,) = torch.autograd.grad(loss, a, retain_graph=True)
    (thrice,) = torch.autograd.grad(3 * loss, a)
    torch.testing.assert_close(thrice, 3 * once)


def test_second_derivative_is_refused_by_tiled_and_given_by_dense() -> None:
    a, b = pair(size=(2, 3))
    with pytest.raises(RuntimeError, match=r"first derivative only.*method='dense'"):
        torch.autograd.grad(feature_affinity_loss(a, b), a, create_graph=True)
    assert torch.autograd.gradgradcheck(lambda x, y: feature_affinity_loss(x, y, q=2, method="dense"), (a, b))


def test_descent_on_it_makes_the_affinities_agree() -> None:
    a, b = pair(images=1)
    student, teacher = a.detach().requires_grad_(), b.detach()
    start = feature_affinity_loss(student, teacher).item()
    optimiser = torch.optim.Adam([student], lr=0.05)
    for _ in range(100):
        optimiser.zero_grad()
        feature_affinity_loss(student, teacher, tile=TILE).backward()
        optimiser.step()
    assert feature_affinity_loss(student, teacher).item() < 0.5 * start


# --- invariances, each of which a public re-implementation breaks -----------------------------------------------------


@pytest.mark.parametrize("p", NORMS)
@pytest.mark.parametrize("method", METHODS)
def test_scale_does_not_matter(method: Any, p: float) -> None:
    a, b = pair()
    factor = torch.rand(2, 1, 4, 6, dtype=torch.float64) + 0.1  # its own for each position
    loss = feature_affinity_loss(a, b, p=p, method=method, tile=TILE)
    torch.testing.assert_close(feature_affinity_loss(10 * a, b, p=p, method=method, tile=TILE), loss)
    torch.testing.assert_close(feature_affinity_loss(a, factor * b, p=p, method=method, tile=TILE), loss)


@pytest.mark.parametrize("exponent", [-66, -30, 30, 66, 120])  # 2^-66 = 1e-20, 2^66 = 7e19, 2^120 = 1e36
@pytest.mark.parametrize("p", [1.0, 2.0, math.inf])
@pytest.mark.parametrize("method", METHODS)
def test_a_power_of_two_in_float32_changes_no_digit(method: Any, p: float, exponent: int) -> None:
    a, b = (x.detach().float() for x in pair())
    factor = 2.0**exponent
    loss, gradient, of_b = value_and_gradients(a, b, p=p, method=method, tile=TILE)
    scaled, small_gradient, same_of_b = value_and_gradients(a * factor, b, p=p, method=method, tile=TILE)
    assert loss > 0.01 and torch.equal(scaled, loss) and torch.equal(same_of_b, of_b)
    torch.testing.assert_close(small_gradient.double() * factor, gradient.double(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("scale", [1e-20, 1e-9, 1e18, 1e20])
@pytest.mark.parametrize("method", METHODS)
def test_the_value_is_free_of_scale_from_1e_minus_20_to_1e20(method: Any, scale: float) -> None:
    a, b = (x.detach().float() for x in pair())
    loss = feature_affinity_loss(a, b, method=method, tile=TILE)
    torch.testing.assert_close(feature_affinity_loss(scale * a, b / scale, method=method, tile=TILE), loss)
    torch.testing.assert_close(affinity_matrix(scale * a), affinity_matrix(a))


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_is_the_mean_of_its_images(method: Any) -> None:
    a, b = pair(images=3)
    loss = feature_affinity_loss(a, b, method=method)
    one_by_one = [feature_affinity_loss(a[n : n + 1], b[n : n + 1], method=method) for n in range(3)]
    torch.testing.assert_close(loss, torch.stack(one_by_one).mean())
    torch.testing.assert_close(feature_affinity_loss(a.repeat(2, 1, 1, 1), b.repeat(2, 1, 1, 1), method=method), loss)


@pytest.mark.parametrize("method", METHODS)
def test_order_of_positions_does_not_matter_if_it_is_common(method: Any) -> None:
    a, b = pair()
    order = torch.randperm(24)
    shuffled_a, shuffled_b = (x.flatten(2)[..., order].unflatten(2, (4, 6)) for x in (a, b))
    loss = feature_affinity_loss(a, b, method=method, tile=TILE)
    torch.testing.assert_close(feature_affinity_loss(shuffled_a, shuffled_b, method=method, tile=TILE), loss)
    assert not torch.isclose(feature_affinity_loss(shuffled_a, b, method=method, tile=TILE), loss, rtol=1e-3)


@pytest.mark.parametrize("q", [1, 2])
@pytest.mark.parametrize("method", METHODS)
def test_equal_maps_agree_and_the_loss_is_symmetric(method: Any, q: Any) -> None:
    a, b = pair(channels=(5, 5))
    rotation = torch.linalg.qr(torch.randn(5, 5, dtype=torch.float64)).Q
    rotated = torch.einsum("dc,nchw->ndhw", rotation, a)
    assert feature_affinity_loss(a, a, q=q, method=method, tile=TILE).item() == pytest.approx(0, abs=1e-14)
    assert feature_affinity_loss(a, rotated, q=q, method=method, tile=TILE).item() == pytest.approx(0, abs=1e-14)
    there, back = (feature_affinity_loss(*maps, q=q, method=method, tile=TILE) for maps in ((a, b), (b, a)))
    torch.testing.assert_close(there, back)
    assert there > 0.01


@pytest.mark.parametrize("tile", [1, 5, 24, 25, 1000])
def test_tile_does_not_matter(tile: int) -> None:
    a, b = pair()
    torch.testing.assert_close(value_and_gradients(a, b, tile=tile), value_and_gradients(a, b, tile=TILE))


def test_the_tile_is_chosen_by_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(affinity, "CPU_TILE", 150)
    a, b = (torch.randn(1, 8, 20, 50, requires_grad=True) for _ in range(2))
    with Watch() as watch:
        feature_affinity_loss(a, b).backward()
    assert watch.largest == 2 * 150**2


def test_a_cpus_and_a_gpus_tile_give_equal_losses_and_gradients() -> None:
    a, b = pair(images=1, size=(40, 60))  # 5 strips of a CPU, 2 of a GPU
    ours, theirs = (value_and_gradients(a, b, tile=side) for side in (CPU_TILE, GPU_TILE))
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-15)
    torch.testing.assert_close(value_and_gradients(a, b), ours, rtol=0, atol=0)


# --- fewer digits -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_rounding_keeps_the_nearest_number_of_so_many_digits_and_the_gradient(precision: str) -> None:
    digits = affinity.DIGITS[precision]
    x = torch.cat([torch.rand(1000) * 2 - 1, torch.tensor([0.0, 1.0, -1.0, 1e-30, math.nan])]).requires_grad_()
    rounded = affinity._rounded(x, precision)
    significand, _ = torch.frexp(rounded[:-1])
    assert torch.equal(significand * 2**digits, (significand * 2**digits).round())
    assert ((rounded - x)[:-1].abs() <= 2.0**-digits * x[:-1].abs()).all() and rounded[-1].isnan()
    if precision == "bfloat16":
        assert torch.equal(rounded[:-1], x[:-1].bfloat16().float())
    (gradient,) = torch.autograd.grad(rounded[:-1].sum(), x)
    assert (gradient[:-1] == 1).all()


@pytest.mark.parametrize("q", [1, 2])
@pytest.mark.parametrize(("precision", "value", "cosine"), [("tf32", 1e-4, 0.999), ("bfloat16", 1e-3, 0.99)])
def test_what_fewer_digits_cost(precision: Any, value: float, cosine: float, q: Any) -> None:
    """At 64 + 64 channels: the value is nearly the same, and the gradient points nearly the same way."""
    maps = [torch.randn(1, 64, 20, 30) for _ in range(2)]
    exact, *directions = value_and_gradients(*(x.double() for x in maps), q=q, method="dense")
    dense = value_and_gradients(*maps, q=q, method="dense", precision=precision)
    tiled = value_and_gradients(*maps, q=q, precision=precision)
    assert 1e-8 < abs(tiled[0] / exact - 1) < value
    for ours, dense_, theirs in zip(tiled[1:], dense[1:], directions, strict=True):
        assert 0.99 * cosine < torch.cosine_similarity(ours.flatten().double(), theirs.flatten(), dim=0) < 1 - 1e-8
        assert torch.cosine_similarity(ours.flatten(), dense_.flatten(), dim=0) > 0.99999


# --- a sample of the positions ----------------------------------------------------------------------------------------


def every_draw(monkeypatch: pytest.MonkeyPatch, maps: Any, drawn: int, **options: Any) -> list[Any]:
    """Loss and gradients of each subset of the positions."""
    results = []
    for subset in combinations(range(maps[0][0, 0].numel()), drawn):
        monkeypatch.setattr(torch, "randperm", lambda count, subset=subset, **_: torch.tensor(subset))
        results.append(value_and_gradients(*maps, positions=drawn, **options))
    return results


@pytest.mark.parametrize(("p", "q"), [(2.0, 1), (2.0, 2), (1.0, 1)])
@pytest.mark.parametrize("drawn", [2, 4, 7])
def test_over_all_draws_the_mean_is_that_of_all_positions(
    drawn: int, p: float, q: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """p = 1 and an all-zero position give the diagonal of D a part."""
    a, b = pair(size=(1, 7))
    a = a.detach()
    a[:, :, 0, 3] = 0
    draws = every_draw(monkeypatch, (a, b), drawn, p=p, q=q, method="dense")
    for ours, whole in zip(zip(*draws, strict=True), value_and_gradients(a, b, p=p, q=q), strict=True):
        torch.testing.assert_close(torch.stack(ours).mean(0), whole, rtol=1e-10, atol=1e-12)


def moments(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Means of h_ij h_ij, h_ij h_ik and h_ij h_kl over different positions, of h = |D|."""
    h = (affinity_matrix(a) - affinity_matrix(b)).abs().mean(0).fill_diagonal_(0)
    n, rows, squares = len(h), h.sum(0), h.square().sum()
    shared, apart = rows.square().sum() - squares, h.sum() ** 2 - 4 * rows.square().sum() + 2 * squares
    return (
        squares / (n * (n - 1)),
        shared / (n * (n - 1) * (n - 2)),
        apart / (n * (n - 1) * (n - 2) * (n - 3)),
    )


def test_the_variance_over_all_draws_is_that_of_a_u_statistic(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = (x.detach() for x in pair(size=(2, 4)))
    n, drawn = 8, 3
    losses = torch.stack([loss for loss, *_ in every_draw(monkeypatch, (a, b), drawn)])
    same, shared, apart = moments(a, b)
    pairs = drawn * (drawn - 1) / 2
    mean_square = (same + 2 * (drawn - 2) * shared + (drawn - 2) * (drawn - 3) / 2 * apart) / pairs
    of_pairs = mean_square - (losses.mean() * n / (n - 1)) ** 2
    torch.testing.assert_close(losses.var(correction=0), of_pairs * ((n - 1) / n) ** 2)


def test_the_variance_falls_with_the_positions_as_documented() -> None:
    a, b = (torch.randn(1, 8, 20, 20) for _ in range(2))
    b[..., 10:] = a[..., 10:]  # in one half the maps agree: rows differ
    row_means = (affinity_matrix(a) - affinity_matrix(b)).abs().mean((0, 1))
    for drawn in (40, 160):
        losses = torch.stack([feature_affinity_loss(a, b, positions=drawn) for _ in range(300)])
        expected = 4 * (1 / drawn - 1 / 400) * row_means.var()
        assert 0.7 < losses.var() / expected < 1.4
        assert (losses.mean() - feature_affinity_loss(a, b)).abs() < 4 * (expected / 300).sqrt()


# --- what features are like in practice -------------------------------------------------------------------------------


@pytest.mark.parametrize("p", NORMS)
@pytest.mark.parametrize("method", METHODS)
def test_positions_without_direction(method: Any, p: float) -> None:
    a, b = pair()
    a = a.detach().relu()
    a[:, :, 1, 2] = 0
    affinity = affinity_matrix(a, p)
    assert not affinity[:, 8].any()
    loss, gradient_a, gradient_b = value_and_gradients(a, b, p=p, method=method, tile=TILE)
    assert loss.isfinite() and gradient_a.isfinite().all() and gradient_b.isfinite().all()
    assert not gradient_a[:, :, 1, 2].any()
    assert gradient_a.abs().max() < 100


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("method", METHODS)
def test_low_precision_is_left_at_the_door(method: Any, dtype: torch.dtype) -> None:
    a, b = (100 * x.detach().to(dtype) for x in pair(channels=(64, 64)))  # sum of squares: infinite in float16
    exact = feature_affinity_loss(a.double(), b.double(), method="dense").item()
    a.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        loss = feature_affinity_loss(a, b, method=method, tile=TILE)
        assert affinity_matrix(a).dtype == torch.float32
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(exact, rel=1e-5)
    assert a.grad is not None and a.grad.dtype == dtype and a.grad.isfinite().all() and a.grad.any()


@pytest.mark.parametrize("method", METHODS)
def test_two_dtypes_meet(method: Any) -> None:
    a, b = pair()
    single = b.detach().float().requires_grad_()
    feature_affinity_loss(a, single, method=method).backward()
    assert single.grad is not None and single.grad.dtype == torch.float32


@pytest.mark.parametrize("method", METHODS)
def test_memory_layout_does_not_matter(method: Any) -> None:
    a, b = pair()
    for layout in (
        lambda x: x.contiguous(memory_format=torch.channels_last),
        lambda x: x.mT.contiguous().mT,
        lambda x: torch.stack([x, x], -1)[..., 0],
    ):
        ours = value_and_gradients(layout(a), layout(b), method=method, tile=TILE)
        torch.testing.assert_close(ours, value_and_gradients(a, b, method=method, tile=TILE))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("method", METHODS)
def test_what_is_not_finite_shows(method: Any, side: int, bad: float) -> None:
    maps = [x.detach() for x in pair()]
    maps[side][1, 0, 2, 3] = bad
    assert feature_affinity_loss(*maps, method=method, tile=TILE).isnan()


# --- the promise of the tiled form ------------------------------------------------------------------------------------


class Watch(TorchDispatchMode):
    """Notes the largest tensor that any operation makes, and each operation's name."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.names.add(str(func))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, Tensor):
                self.largest = max(self.largest, tensor.numel())
        return result


@pytest.mark.parametrize("q", [1, 2])
def test_tiled_never_makes_the_matrix_and_never_waits_for_the_device(q: Any) -> None:
    a, b = (torch.randn(2, 8, 20, 50, requires_grad=True) for _ in range(2))  # P = 1000
    with Watch() as tiled:
        feature_affinity_loss(a, b, q=q, tile=100).backward()
    with Watch() as dense:
        feature_affinity_loss(a, b, q=q, method="dense").backward()
    assert dense.largest == 2 * 1000 * 1000
    assert tiled.largest == 2 * 1000 * 16  # [a b] itself
    waits = ("_local_scalar_dense", "nonzero", "is_nonzero", "masked_select", "unique", "equal", "index.Tensor")
    assert any("addmm_" in name for name in tiled.names)
    assert not {"aten.mm.default", "aten.bmm.default", "aten.sign.default"} & tiled.names  # two tiles serve for all
    assert not [name for name in tiled.names if name.removeprefix("aten.").startswith(waits)]


# --- mistakes ---------------------------------------------------------------------------------------------------------


def test_wrong_shapes_are_refused() -> None:
    good = torch.randn(2, 3, 4, 5)
    for wrong in (good[0], good.flatten(2), good[:0]):
        with pytest.raises(ValueError, match=r"features of shape \(N, C, H, W\)"):
            feature_affinity_loss(wrong, good)
        with pytest.raises(ValueError, match=r"features of shape \(N, C, H, W\)"):
            affinity_matrix(wrong)
    for other in (good[:1], good[..., 1:], good.mT):
        with pytest.raises(ValueError, match=r"same N, H and W.*\(2, 3, 4, 5\)"):
            feature_affinity_loss(good, other)


def test_one_channel_is_refused_with_the_reason() -> None:
    good, single = torch.randn(2, 3, 4, 5), torch.randn(2, 1, 4, 5)
    for call in (lambda: feature_affinity_loss(good, single), lambda: affinity_matrix(single)):
        with pytest.raises(ValueError, match=r"at least 2 channels, got 1: the cosine of two scalars is \+1 or -1"):
            call()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"q": 3}, "expected q = 1 .* or q = 2 .*, got 3"),
        ({"method": "fast"}, "'tiled', 'fused' or 'dense', got 'fast'"),
        ({"method": "fused"}, r"a GPU of capability 8.0, Triton .* got torch.float64 maps \(2, 3, 4, 6\) on cpu"),
        ({"precision": "float16"}, "precision 'float32', 'tf32', 'bfloat16', got 'float16'"),
        ({"positions": 1}, "expected 2 to 24 positions, .* got 1"),
        ({"positions": 25}, "expected 2 to 24 positions, .* got 25"),
        ({"tile": 0}, "at least 1 position, got 0"),
        ({"p": 0.5}, "expected p >= 1, got 0.5"),
        ({"p": math.nan}, "expected p >= 1, got nan"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    a, b = pair()
    with pytest.raises(ValueError, match=message):
        feature_affinity_loss(a, b, **options)
