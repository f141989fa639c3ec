"""What a check says of answers that no bank knows."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab.affinity import affinity_matrix
from dsrl_lab.course.exercises import check
from dsrl_lab.course.exercises.bank import exercises
from dsrl_lab.course.exercises.calls import Mistake, call
from dsrl_lab.course.exercises.judge import as_result, describe


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected a function .* got Tensor; pass the function itself"):
        check("06.2", torch.ones(1))  # type: ignore[arg-type]


def test_an_exception_becomes_a_sentence_with_line_and_inputs() -> None:
    def answer(features: Tensor) -> Tensor:
        return features @ features

    verdict = check("06.2", answer)
    assert not verdict and "RuntimeError" in verdict.message
    assert "features @ features" in verdict.message and "a tensor (2, 5, 3, 4)" in verdict.message
    inner = check("06.2", lambda features: torch.cat([features, features[:, :, 0]])).message
    assert "(line " in inner and "torch.cat" in inner and "calls.py" not in inner
    missing = check("06.2", lambda: torch.ones(1)).message
    assert "takes 0 positional arguments" in missing and "(line" not in missing, "the check's own line is no help"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda x: affinity_matrix(x) * 2, "Everything is 2 times"),
        (lambda x: affinity_matrix(x)[0], "The shape is (12, 12), expected (2, 12, 12)"),
        (lambda x: affinity_matrix(x) * torch.nan, "There is NaN"),
        (lambda x: affinity_matrix(x).triu(), "The shape is right"),
        (lambda x: "a word", "not a number, a list of numbers or a tensor"),
        (lambda x: None, "Your function returns None. Does its last line begin with `return`?"),
        (lambda x: {"s": affinity_matrix(x)}, "Your result is a dictionary, expected a tensor of shape (2, 12, 12)"),
    ],
)
def test_an_unknown_mistake_is_described(answer: Any, said: str) -> None:
    verdict = check("06.2", answer, seed=3)
    assert not verdict and not verdict.known_as
    assert said in verdict.message


def test_the_seed_repeats_a_check_and_is_fresh_otherwise() -> None:
    def answer(features: Tensor) -> Tensor:
        return affinity_matrix(features) + features.sum() / 100

    first = check("06.2", answer)
    assert check("06.2", answer, seed=first.seed) == first
    assert len({check("06.2", answer).seed for _ in range(5)}) > 1


def test_a_check_leaves_the_readers_draws_alone() -> None:
    for exercise in exercises():
        torch.manual_seed(5)
        check(exercise, lambda *args: torch.rand(1))
        assert torch.equal(torch.rand(2), torch.rand(2, generator=torch.Generator().manual_seed(5))), exercise


def test_an_input_changed_in_place_is_named_and_spoils_no_other() -> None:
    def normalised(features: Tensor) -> Tensor:
        x = features.flatten(2)
        x /= x.norm(dim=1, keepdim=True).clamp(min=1e-8)
        return x.mT @ x

    verdict = check("06.2", normalised)
    assert not verdict and "changes its first input in place" in verdict.message

    def emptied(sizes: dict[str, int], groups: list[list[str]]) -> list[int]:
        groups[0].pop()
        return [0, 0]

    assert "changes its second input in place" in check("07.3", emptied).message
    x = torch.ones(2)
    with pytest.raises(Mistake, match="first input in place"):
        call(lambda tensor: tensor.zero_(), (x,))
    assert x.sum() == 2


@pytest.mark.parametrize(
    ("name", "answer", "said"),
    [
        ("05.1", lambda size, *rest: 0 * size + 129, "You gave 129, expected 128. The inputs were 64, 3, 2, 1, 1."),
        ("03.2", lambda k, s: [2] * s, "You gave [2, 2], expected [2, 1]."),
        (
            "07.2",
            lambda i, n, rate, power: 1.0004 * rate * (1 - i / n) ** power,
            "You gave 0.1826472, expected 0.1825742.",
        ),
        ("03.1", lambda x, s: x, "The shape is (2, 4, 3, 4), expected (2, 1, 6, 8)"),
        (
            "05.4",
            lambda classes: torch.ones(classes, 3, 3),
            "The shape of the weight is (1, 3, 3), expected (1, 1, 3, 3)",
        ),
    ],
)
def test_yours_stands_beside_the_expected(name: str, answer: Any, said: str) -> None:
    assert said in check(name, answer, seed=3).message


def test_one_too_many_among_millions_is_wrong() -> None:
    exercise = exercises()["05.2"]
    assert not check("05.2", lambda *case: exercise.solution(*case) + 1)
    assert check("05.2", lambda *case: float(exercise.solution(*case)))


def test_dictionaries_are_compared_by_name_and_never_dumped() -> None:
    right = exercises()["07.5"].solution
    half = check("07.5", lambda state: dict([*list(right(state).items())[:2], ("extra", torch.ones(1))])).message
    assert "5 of 7 names are missing: `host." in half and " and others" in half
    assert "1 of 3 names do not belong there: `extra`" in half
    other = check("07.5", lambda state: {name: 2 * value for name, value in right(state).items()}).message
    assert other.startswith("`host.stage2.0.weight`: ") and "6 more differ." in other
    assert "expected a dictionary with 7 names" in check("07.5", lambda state: torch.ones(2)).message
    for name, answer in (("07.5", lambda state: {}), ("02.3", lambda *case: case[0][0].sum())):
        message = check(name, answer).message
        assert "tensor(" not in message and len(message) < 400
    assert "a list of 2 (a tensor (2, 3, 3, 2), a tensor (2, 3, 6, 4))" in message


@pytest.mark.parametrize("name", ["02.3", "06.3", "06.5", "07.1", "09.2", "10.3"])
def test_a_loss_without_a_gradient_is_refused(name: str) -> None:
    solution = exercises()[name].solution
    assert "Your loss has no gradient" in check(name, lambda *case: solution(*case).item()).message
    assert "Your loss has no gradient" in check(name, lambda *case: solution(*case).detach()).message


@pytest.mark.parametrize("name", ["06.3", "06.5"])
def test_a_loss_of_two_trains_both(name: str) -> None:
    solution = exercises()[name].solution
    message = check(name, lambda a, b, number: solution(a, b.detach(), number)).message
    assert "no gradient with respect to its second input" in message


def test_a_gradient_that_is_not_finite_is_named() -> None:
    def rooted(heatmaps: Tensor, target: Tensor, visible: Tensor) -> Tensor:
        loss: Tensor = exercises()["09.2"].solution(heatmaps, target, visible)
        return loss + ((heatmaps - heatmaps).abs()).sum().sqrt()

    assert "gradient of your loss is not finite" in check("09.2", rooted).message


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("03.1", lambda x, s: F.pixel_shuffle(x, s)),
        ("03.1", lambda x, s: getattr(torch, "pixel_" + "shuffle")(x, s)),
        ("03.1", lambda x, s: nn.PixelShuffle(s)(x)),
        ("03.1", lambda x, s: torch.ops.aten.pixel_shuffle(x, s)),
        ("04.3", F.adaptive_avg_pool2d),
        ("04.3", lambda x, bins: nn.AdaptiveAvgPool2d(bins)(x)),
    ],
)
def test_a_forbidden_function_is_refused_by_what_runs(name: str, answer: Any) -> None:
    message = check(name, answer).message
    assert message.startswith("Your function calls `") and "do its work yourself" in message


def test_a_forbidden_word_that_does_not_run_is_no_mistake() -> None:
    def answer(x: Tensor, upscale_factor: int) -> Tensor:
        """The same as F.pixel_shuffle."""
        pixel_shuffle = exercises()["03.1"].solution
        return pixel_shuffle(x, upscale_factor)

    assert check("03.1", answer)


@pytest.mark.parametrize("name", ["01.2", "05.6"])
def test_class_ids_are_whole_numbers(name: str) -> None:
    message = check(name, lambda *case: exercises()[name].solution(*case).float()).message
    assert "Class ids are int64, your result is torch.float32" in message


def test_a_verdict_is_drawn_with_its_text_escaped() -> None:
    def answer(features: Tensor) -> Tensor:
        raise RuntimeError("<b>")

    shown = check("06.2", answer)._repr_html_()
    assert "&lt;b&gt;" in shown and "<b>✘ 06.2" in shown
    assert "✔ 06.2" in check("06.2", affinity_matrix)._repr_html_()
    assert repr(check("06.2", affinity_matrix)).startswith("✔ 06.2\nRight")
    still_open = check("06.2", lambda features: (_ for _ in ()).throw(NotImplementedError))
    assert "<code>raise NotImplementedError</code>" in still_open._repr_html_()


def test_results_and_inputs_are_read_as_they_are_shown() -> None:
    assert as_result([1, 2]).equal(torch.tensor([1.0, 2.0], dtype=torch.float64))  # type: ignore[union-attr]
    assert as_result({"x": 3.0}) == {"x": torch.tensor(3.0, dtype=torch.float64)}
    assert describe([torch.ones(2), torch.ones(3)]) == "a list of 2 (a tensor (2,), a tensor (3,))"
    assert describe({"x": torch.ones(2)}) == "a dictionary of 1 ('x')" and describe((8, 4)) == "(8, 4)"


def test_an_input_that_is_changed_in_place_is_a_mistake() -> None:
    with pytest.raises(Mistake, match="Your function changes its first input in place"):
        call(lambda x: x.zero_(), (torch.ones(2),))
