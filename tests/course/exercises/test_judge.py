"""What a check says of answers that no bank knows."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from dsrl_lab.affinity import affinity_matrix
from dsrl_lab.course.exercises import check
from dsrl_lab.course.exercises.bank import EXERCISES
from dsrl_lab.course.exercises.exercise import call


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected a function .* got Tensor; pass the function itself"):
        check("06.2", torch.ones(1))  # type: ignore[arg-type]


def test_an_exception_becomes_a_sentence_with_line_and_inputs() -> None:
    def answer(features: Tensor) -> Tensor:
        return features @ features

    verdict = check("06.2", answer)
    assert not verdict and "RuntimeError" in verdict.message
    assert "features @ features" in verdict.message and "a tensor (2, 5, 3, 4)" in verdict.message


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda x: affinity_matrix(x) * 2, "Everything is 2 times"),
        (lambda x: affinity_matrix(x)[0], "The shape is (12, 12), expected (2, 12, 12)"),
        (lambda x: affinity_matrix(x) * torch.nan, "There is NaN"),
        (lambda x: affinity_matrix(x).triu(), "The shape is right"),
        (lambda x: "a word", "not a number, a list of numbers or a tensor"),
        (lambda x: None, "not a number, a list of numbers or a tensor"),
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
    for exercise in EXERCISES:
        torch.manual_seed(5)
        check(exercise, lambda *args: torch.rand(1))
        assert torch.equal(torch.rand(2), torch.rand(2, generator=torch.Generator().manual_seed(5))), exercise


def test_an_answer_cannot_spoil_the_inputs_of_others() -> None:
    def answer(features: Tensor) -> Tensor:
        result = affinity_matrix(features)
        features.zero_()
        return result

    assert check("06.2", answer)
    x = torch.ones(2)
    assert call(lambda tensor: tensor.zero_(), (x,)).sum() == 0 and x.sum() == 2


def test_a_verdict_is_drawn_with_its_text_escaped() -> None:
    def answer(features: Tensor) -> Tensor:
        raise RuntimeError("<b>")

    shown = check("06.2", answer)._repr_html_()
    assert "&lt;b&gt;" in shown and "<b>✘ 06.2" in shown
    assert "✔ 06.2" in check("06.2", affinity_matrix)._repr_html_()
    assert repr(check("06.2", affinity_matrix)).startswith("✔ 06.2\nRight")
    still_open = check("06.2", lambda features: (_ for _ in ()).throw(NotImplementedError))
    assert "<code>raise NotImplementedError</code>" in still_open._repr_html_()
