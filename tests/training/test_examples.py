"""Batches: every draw follows from seed and iteration, epochs cover the data, processes share a batch."""

from __future__ import annotations

import pytest
import torch

from dsrl_lab.datasets.base import Sample
from dsrl_lab.training.examples import Batches, DecodedSamples
from dsrl_lab.training.objectives import SegmentationObjective
from tests.training.small import pictures, small_config


def batches(seed: int = 0, **options: int) -> Batches:
    samples = DecodedSamples(pictures())
    return Batches(samples, SegmentationObjective(small_config()).example, batch_size=4, seed=seed, **options)


def test_a_batch_is_the_same_in_any_order() -> None:
    forward = [batches()(iteration) for iteration in range(4)]
    again = batches()
    backward = [again(iteration) for iteration in reversed(range(4))][::-1]
    for one, other in zip(forward, backward, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert not torch.equal(forward[0].low_res, batches(seed=1)(0).low_res)


def test_an_epoch_shows_every_picture_once() -> None:
    samples = DecodedSamples(pictures())
    seen: list[str] = []

    def note(sample, generator):  # type: ignore[no-untyped-def]
        seen.append(sample.name)
        return SegmentationObjective(small_config()).example(sample, generator)

    shared = Batches(samples, note, batch_size=4, seed=0)
    for iteration in range(4):
        shared(iteration)
    assert sorted(seen[:8]) == sorted(seen[8:]) == [str(i) for i in range(8)]
    assert seen[:8] != seen[8:]


def test_processes_share_a_batch_without_overlap() -> None:
    whole = batches()(3)
    parts = [batches(rank=rank, world_size=2)(3) for rank in range(2)]
    for index, tensor in enumerate(whole):
        assert torch.equal(tensor, torch.cat([part[index] for part in parts]))


def test_threads_make_the_same_batches_in_any_order() -> None:
    alone, threaded = batches(), batches(workers=3)
    for iteration in (0, 1, 2, 7, 3):
        for one, other in zip(alone(iteration), threaded(iteration), strict=True):
            assert torch.equal(one, other)
    threaded.close()


def test_threads_begin_the_next_batch_and_pass_errors_on_where_they_are_asked_for() -> None:
    samples, asked = DecodedSamples(pictures()), []

    def note(sample, generator):  # type: ignore[no-untyped-def]
        asked.append(sample.name)
        if len(asked) > 4:
            raise ValueError("damaged")
        return SegmentationObjective(small_config()).example(sample, generator)

    threaded = Batches(samples, note, batch_size=4, seed=0, workers=2)
    threaded(0)
    with pytest.raises(ValueError, match="damaged"):
        threaded(1)
    assert len(asked) >= 5
    threaded.close()


def test_shapes_and_ranges() -> None:
    example = batches()(0)
    assert example.low_res.shape == (4, 3, 8, 12) and example.high_res.shape == (4, 3, 16, 24)
    assert example.mask.shape == (4, 16, 24) and example.mask.dtype == torch.int64
    assert example.low_res.min() >= 0 and example.low_res.max() <= 1


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="check the data folder"):
        Batches(DecodedSamples([]), SegmentationObjective(small_config()).example, batch_size=4, seed=0)
    with pytest.raises(ValueError, match="take 6"):
        batches_of = SegmentationObjective(small_config()).example
        Batches(DecodedSamples(pictures()), batches_of, batch_size=4, seed=0, world_size=3)


def test_what_does_not_fit_the_budget_is_decoded_again_and_is_the_same() -> None:
    plenty, scarce = DecodedSamples(pictures()), DecodedSamples(pictures(), budget=2 * 24 * 32 * 4)
    for index in range(8):
        for _ in range(2):
            assert torch.equal(plenty[index].image, scarce[index].image)
    assert len(plenty.kept) == 8 and len(scarce.kept) == 2


def sample(image: torch.Tensor, mask: torch.Tensor | None = None) -> Sample:
    return Sample(image, torch.zeros(4, 6, dtype=torch.int64) if mask is None else mask, "mine")


@pytest.mark.parametrize(
    "wrong",
    [
        sample(torch.full((3, 4, 6), 255, dtype=torch.uint8)),
        sample(torch.full((3, 4, 6), 216.0)),
        sample(torch.full((3, 4, 6), -0.5)),
        sample(torch.full((3, 4, 6), torch.nan)),
        sample(torch.zeros(3, 8, 12)),
        sample(torch.zeros(3, 4, 6), torch.zeros(4, 6)),
    ],
    ids=["bytes", "levels", "normalised", "not a number", "another size", "a mask of floats"],
)
def test_samples_that_are_not_as_promised_are_named_and_not_wrapped(wrong: Sample) -> None:
    with pytest.raises(ValueError, match=r"mine: expected an image \(3, H, W\) of floats in \[0, 1\] and a mask"):
        DecodedSamples([wrong])[0]
    with pytest.raises(ValueError, match="mine: expected an image"):
        SegmentationObjective(small_config()).example(wrong, torch.Generator())


def test_ids_that_bytes_cannot_hold_are_named() -> None:
    with pytest.raises(ValueError, match="the mask of mine holds id 256"):
        DecodedSamples([sample(torch.zeros(3, 4, 6), torch.full((4, 6), 256))])[0]


def test_batches_with_threads_can_be_used_again_after_they_were_closed() -> None:
    threaded = batches(workers=2)
    first = threaded(0)
    threaded.close()
    assert all(torch.equal(one, other) for one, other in zip(first, threaded(0), strict=True))
    threaded.close()
