"""From a data set to batches: decoded once, drawn from (seed, iteration, slot) alone.

Every random choice follows from the run's seed and the step's number. A resumed run, and all rows of an ablation with
one seed, see the same pictures, crops and flips; no random state is saved.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from dsrl_lab.datasets.base import IGNORE_INDEX, Sample, SegmentationDataset, SplitDataset, check_sample, memory_to_keep
from dsrl_lab.training.config import TrainConfig

Samples = SplitDataset[Any] | Sequence[Any]  # what batches are drawn from
Example = Callable[[Any, torch.Generator], Any]  # makes an example, a named tuple of tensors, of a sample


def derived_seed(*numbers: int) -> int:
    """Mix whole numbers into one 63-bit seed, the same on every platform."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]) >> 1


class DecodedSamples(SegmentationDataset):
    """A data set decoded once and kept as bytes (360x480 take 0.7 MB); samples beyond ``budget`` are decoded each time.

    ValueError for a sample that is not as ``Sample`` says, or a mask id that the class table does not have.
    """

    def __init__(self, dataset: SegmentationDataset | list[Sample], *, budget: int | None = None) -> None:
        self.dataset = dataset
        if isinstance(dataset, SegmentationDataset):
            self.class_table, self.split, self.names = dataset.class_table, dataset.split, dataset.names
        self.kept: dict[int, tuple[Tensor, Tensor, str]] = {}
        self.room = memory_to_keep() if budget is None else budget

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        image, mask, name = self.kept.get(index) or self._read(index)
        return Sample(image.float() / 255, mask.long(), name)

    def _read(self, index: int) -> tuple[Tensor, Tensor, str]:
        sample = check_sample(self.dataset[index])
        self._check_ids(sample)
        image, mask = (sample.image * 255).round().to(torch.uint8), sample.mask.to(torch.uint8)
        if self.room >= image.numel() + mask.numel():
            self.kept[index] = (image, mask, sample.name)
            self.room -= image.numel() + mask.numel()
        return image, mask, sample.name

    def _check_ids(self, sample: Sample) -> None:
        classes = self.class_table.num_classes if hasattr(self, "class_table") else IGNORE_INDEX
        wrong = sample.mask[((sample.mask < 0) | (sample.mask >= classes)) & (sample.mask != IGNORE_INDEX)]
        if len(wrong):
            raise ValueError(
                f"the mask of {sample.name} holds id {int(wrong[0])}, expected 0 to {classes - 1} or {IGNORE_INDEX}; "
                "map its ids to the class table's order"
            )


def check_shares(batch_size: int, world_size: int) -> None:
    """Raise ValueError for a batch that processes cannot share equally."""
    if batch_size % world_size:
        raise ValueError(
            f"expected a batch size that {world_size} processes can share equally, got {batch_size}; "
            f"take {-(-batch_size // world_size) * world_size}"
        )


class Batches:
    """Batches by iteration number: ``batches(i)`` is batch i of the run; each process makes its own part.

    ``workers`` threads make this batch and the next one during a step; the examples are the same. ValueError for an
    empty data set, or a batch that cannot be shared equally.
    """

    def __init__(
        self,
        samples: Samples,
        example: Example,
        *,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        workers: int = 0,
    ) -> None:
        if not len(samples):
            raise ValueError("expected at least one training picture, got none; check the data folder and split")
        check_shares(batch_size, world_size)
        self.samples, self.example = samples, example
        self.batch_size, self.seed = batch_size, seed
        self.rank, self.world_size = rank, world_size
        self.workers = workers
        self.pool: ThreadPoolExecutor | None = None  # decoding and torch let go of Python's lock
        self.ahead: dict[int, list[Future[Any]]] = {}
        self.order_of: tuple[int, Tensor] = (-1, torch.empty(0))

    @classmethod
    def for_run(cls, samples: Samples, example: Example, config: TrainConfig, fabric: Fabric | None = None) -> Self:
        """Make the batches that a run's configuration asks for, this process's part of them."""
        place = {} if fabric is None else {"rank": fabric.global_rank, "world_size": fabric.world_size}
        of_run = {"batch_size": config.batch_size, "seed": config.seed, "workers": config.workers}
        return cls(samples, example, **of_run, **place)

    def __call__(self, iteration: int) -> Any:
        """Make this process's part of batch ``iteration``: the tuple of ``example``, its tensors stacked."""
        if not self.workers:
            examples = [self._draw(iteration, slot) for slot in self._slots()]
        else:
            futures = self.ahead.pop(iteration, None) or self._begin(iteration)
            examples = [future.result() for future in futures]
            self.ahead = {iteration + 1: self._begin(iteration + 1)}
        return type(examples[0])(*(torch.stack(parts) for parts in zip(*examples, strict=True)))

    def close(self) -> None:
        """Stop the threads; a further batch starts new ones."""
        if self.pool is not None:
            self.pool.shutdown(wait=False, cancel_futures=True)
        self.pool, self.ahead = None, {}

    def _begin(self, iteration: int) -> list[Future[Any]]:
        self.pool = self.pool or ThreadPoolExecutor(self.workers)
        return [self.pool.submit(self._draw, iteration, slot) for slot in self._slots()]

    def _slots(self) -> range:
        share = self.batch_size // self.world_size
        return range(self.rank * share, (self.rank + 1) * share)

    def _draw(self, iteration: int, slot: int) -> Any:
        epoch, place = divmod(iteration * self.batch_size + slot, len(self.samples))
        generator = torch.Generator().manual_seed(derived_seed(self.seed, iteration, slot))
        return self.example(self.samples[int(self._order(epoch)[place])], generator)

    def _order(self, epoch: int) -> Tensor:
        kept, order = self.order_of
        if kept != epoch:
            generator = torch.Generator().manual_seed(derived_seed(self.seed, epoch))
            order = torch.randperm(len(self.samples), generator=generator)
            self.order_of = (epoch, order)  # one assignment: threads of two epochs do not mix them
        return order
