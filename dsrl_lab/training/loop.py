"""The training loop, open: ``fit`` yields a record every few iterations, and whoever asks for the next one drives it.

A notebook plots between two records, a widget shows them, the command line turns them into a progress bar. Stopping
(closing the generator, Ctrl-C) leaves a checkpoint; starting again with ``resume`` goes on bit for bit, because all a
step draws follows from the seed and its number.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from dsrl_lab.affinity import feature_affinity_loss
from dsrl_lab.datasets.transforms import normalise
from dsrl_lab.dsrl import DSRL, DSRLOutput
from dsrl_lab.kernels import keep_freed_memory
from dsrl_lab.losses import LossTerms, objective, reconstruction_loss
from dsrl_lab.training import checkpoint
from dsrl_lab.training.config import TrainConfig
from dsrl_lab.training.examples import Batches, Samples, derived_seed
from dsrl_lab.training.optim import (
    build_optimizer,
    freeze_batch_norm,
    poly_learning_rate,
    set_learning_rate,
)
from dsrl_lab.training.processes import synchronise_batch_norm
from dsrl_lab.training.record import TrainRecord
from dsrl_lab.training.tasks import Task


def training_loss(
    output: DSRLOutput,
    example: Any,
    task: Task,
    config: TrainConfig,
    *,
    iteration: int,
    normaliser: Tensor,
) -> LossTerms:
    """The whole objective of one step.

    Args:
        output: what the network gave.
        example: the batch it was given.
        task: whose loss is the main one.
        config: of the run.
        iteration: of the step, for the ramp of the affinity's weight.
        normaliser: what the task's sum is divided by.
    """
    main = task.loss(output.logits, example, normaliser)
    for logits in output.auxiliary:
        main = main + config.auxiliary_weight * task.loss(logits, example, normaliser)
    sisr = None
    if output.super_res is not None:
        sisr = reconstruction_loss(normalise(output.super_res.float()), normalise(example.high_res))
    affinity = None
    if output.task_features is not None and output.sisr_features is not None:
        target = output.sisr_features.roll(1, dims=0) if config.shuffle_affinity else output.sisr_features
        affinity = feature_affinity_loss(output.task_features, target, q=config.affinity_q)
    ramp = min(1.0, (iteration + 1) / config.ramp_iterations) if config.ramp_iterations else 1.0
    return objective(
        main, sisr, affinity, sisr_weight=config.sisr_weight, affinity_weight=ramp * config.affinity_weight
    )


def fit(
    dsrl: DSRL,
    task: Task,
    samples: Samples,
    config: TrainConfig,
    *,
    directory: Path | None = None,
    resume: bool = False,
    description: dict[str, Any] | None = None,
    fabric: Fabric | None = None,
) -> Iterator[TrainRecord]:
    """Train, and yield a record every ``config.record_every`` iterations.

    Args:
        dsrl: the network; trained in place.
        task: examples, loss and score.
        samples: training pictures, best decoded once (``DecodedSamples``, ``DecodedPeople``).
        config: of the run.
        directory: where latest.safetensors and best.safetensors go; None for no checkpoints.
        resume: go on from latest.safetensors if there is one.
        description: JSON for the checkpoints' headers ("network": what to build it from).
        fabric: device, precision and processes; one process on the CPU or GPU at hand by default.

    Yields:
        Records; the last has ``iteration == config.iterations`` and the final scores.

    Raises:
        FloatingPointError: the loss is no finite number; the last checkpoint is from before.
        ValueError: checkpoint and network do not fit each other, picture and mask do not fit the network, or
            ``sync_batch_norm`` without several GPUs.
    """
    fabric = fabric or Fabric(accelerator="auto", devices=1, precision=config.precision)  # type: ignore[arg-type]
    fabric.launch()
    keep_freed_memory()
    dsrl.train()
    if config.channels_last:
        dsrl.to(memory_format=torch.channels_last)
    _check_share(config, fabric.world_size)
    if config.sync_batch_norm:
        synchronise_batch_norm(dsrl, fabric)
    network = torch.compile(dsrl) if config.compile else dsrl
    model, optimizer = fabric.setup(network, build_optimizer(dsrl, config))  # type: ignore[arg-type]
    run = _Run(dsrl, config, optimizer.optimizer, directory, description or {})
    if resume:
        run.resume()
    batches = Batches(
        samples,
        task.example,
        batch_size=config.batch_size,
        seed=config.seed,
        rank=fabric.global_rank,
        world_size=fabric.world_size,
        workers=config.workers,
    )

    try:
        while True:
            if not run.reported:
                line = _report(fabric, run, task)
                run.reported = True
                yield line
            if run.iteration % config.checkpoint_every == 0 or run.iteration == config.iterations:
                run.save()
            if run.iteration == config.iterations:
                return
            with _deferred_interrupt():
                example = batches(run.iteration)
                example = type(example)(*(part.to(fabric.device) for part in example))
                _step(fabric, model, optimizer, task, run, example)
    except (KeyboardInterrupt, GeneratorExit):
        run.save()
        raise
    finally:
        batches.close()


def _check_share(config: TrainConfig, processes: int) -> None:
    """Refuse parts of unequal size, and a control that would compare a picture with itself."""
    share = config.batch_size // processes
    if share % config.accumulate:
        raise ValueError(
            f"expected {share} images of a process in {config.accumulate} equal parts; set train.accumulate to a "
            f"divisor of {share}"
        )
    if config.shuffle_affinity and share // config.accumulate < 2:
        raise ValueError(
            "the shuffled control needs at least 2 images in each part, to compare one with another; "
            "lower train.accumulate or raise train.batch_size"
        )


def _step(fabric: Fabric, model: nn.Module, optimizer: Any, task: Task, run: _Run, example: Any) -> None:
    """One optimizer step; several processes give the same gradient as one with the whole batch."""
    config, iteration = run.config, run.iteration
    clock = time.perf_counter()
    torch.manual_seed(derived_seed(config.seed, iteration, fabric.global_rank))  # dropout
    set_learning_rate(optimizer, run.learning_rate())
    run.dsrl.train()
    if config.freeze_batch_norm:
        freeze_batch_norm(run.dsrl.modules())
    height, width = example.low_res.shape[-2:]
    normaliser = task.count(example, run.dsrl.task_model.output_size((height, width)))
    if fabric.world_size > 1:  # the mean of the processes' losses is then the loss of the whole batch
        shared = fabric.all_reduce(normaliser, reduce_op="mean")
        assert isinstance(shared, torch.Tensor)
        normaliser = shared
    normaliser = normaliser / config.accumulate  # and so is the mean of the parts' losses
    optimizer.zero_grad()
    parts = list(zip(*(part.chunk(config.accumulate) for part in example), strict=True))
    sums: list[LossTerms] = []
    for number, tensors in enumerate(parts, start=1):
        part = type(example)(*tensors)
        image = normalise(part.low_res)
        if config.channels_last:
            image = image.contiguous(memory_format=torch.channels_last)
        with fabric.no_backward_sync(model, enabled=number < len(parts)):  # type: ignore[arg-type]
            terms = training_loss(model(image), part, task, config, iteration=iteration, normaliser=normaliser)
            fabric.backward(terms.total / config.accumulate)
        sums.append(LossTerms(*(term.detach() / config.accumulate for term in terms)))
    optimizer.step()
    terms = LossTerms(*(torch.stack(values).sum(0) for values in zip(*sums, strict=True)))
    run.count_step(terms, time.perf_counter() - clock)


def _report(fabric: Fabric, run: _Run, task: Task) -> TrainRecord:
    """The record of the steps since the last one, with scores where they are due."""
    config, steps, seconds = run.config, max(run.steps, 1), run.step_seconds
    sums = fabric.all_reduce(run.sums)
    assert isinstance(sums, torch.Tensor)
    means = (sums / steps).tolist()
    run.check_finite(means)
    last = run.iteration == config.iterations
    due = bool(config.evaluate_every) and run.iteration % config.evaluate_every == 0
    metrics = task.evaluate(run.dsrl.task_model, fabric) if last or due else {}
    run.keep_best(metrics)
    run.start_count()
    return TrainRecord(
        iteration=run.iteration,
        iterations=config.iterations,
        learning_rate=run.learning_rate(run.iteration - 1),
        loss=means[0],
        task=means[1],
        sisr=means[2],
        affinity=means[3],
        seconds=run.seconds,
        images_per_second=steps * config.batch_size / max(seconds, 1e-9),
        metrics=metrics,
    )


class _Run:
    """The state of a run: how far it is, what it has summed up since the last record, where it is saved."""

    def __init__(
        self,
        dsrl: DSRL,
        config: TrainConfig,
        optimizer: torch.optim.Optimizer,
        directory: Path | None,
        description: dict[str, Any],
    ) -> None:
        self.dsrl, self.config, self.optimizer = dsrl, config, optimizer
        self.directory, self.description = directory, description
        self.iteration, self.seconds, self.best = 0, 0.0, float("-inf")
        self.reported = True
        self.start_count()

    def learning_rate(self, iteration: int | None = None) -> float:
        return poly_learning_rate(
            self.iteration if iteration is None else iteration,
            self.config.iterations,
            learning_rate=self.config.learning_rate,
            power=self.config.poly_power,
            warmup=self.config.warmup_iterations,
        )

    def start_count(self) -> None:
        self.sums, self.steps, self.step_seconds = torch.zeros(4, dtype=torch.float64), 0, 0.0

    def count_step(self, terms: LossTerms, seconds: float) -> None:
        self.sums = self.sums.to(terms.total.device) + torch.stack([term.detach().double() for term in terms])
        self.steps += 1
        self.step_seconds += seconds
        self.seconds += seconds
        self.iteration += 1
        last = self.iteration == self.config.iterations
        self.reported = not (last or self.iteration % self.config.record_every == 0)

    def state(self) -> dict[str, Any]:
        return self.description | {
            "train": self.config.to_json(),
            "iteration": self.iteration,
            "seconds": self.seconds,
            "best": None if self.best == float("-inf") else self.best,
            "reported": self.reported,
            "sums": self.sums.tolist(),
            "steps": self.steps,
            "step_seconds": self.step_seconds,
        }

    def save(self) -> None:
        if self.directory is None or not self.is_first_process():
            return
        self.check_finite(self.sums.tolist())
        checkpoint.save(self.directory / "latest.safetensors", self.dsrl, self.state(), optimizer=self.optimizer)

    def keep_best(self, metrics: dict[str, Any]) -> None:
        score = metrics.get("miou", metrics.get("pck"))
        if score is None or score <= self.best:
            return
        self.best = score
        if self.directory is not None and self.is_first_process():
            description = self.state() | {"deployed": True, "metrics": metrics}
            checkpoint.save(self.directory / "best.safetensors", self.dsrl.task_model, description)

    def resume(self) -> None:
        path = self.directory / "latest.safetensors" if self.directory else None
        if path is None or not path.is_file():
            return
        loaded = checkpoint.load(path)
        state = checkpoint.progress(loaded)
        try:
            kept = TrainConfig.from_json(state.train)
        except (TypeError, ValueError) as error:
            raise ValueError(f"the header of {path} is damaged ({error}); start anew in another folder") from error
        if kept != self.config or state.iteration > kept.iterations:
            raise ValueError(
                f"{path} was trained with another configuration ({kept}, now at iteration {state.iteration}); resume "
                "with the same one, or start anew in another folder"
            )
        checkpoint.load_model(self.dsrl, loaded)
        checkpoint.load_optimizer(self.dsrl, self.optimizer, loaded)
        self.iteration, self.seconds, self.reported = state.iteration, state.seconds, state.reported
        self.best = float("-inf") if state.best is None else state.best
        self.sums = torch.tensor(state.sums, dtype=torch.float64)
        self.steps, self.step_seconds = state.steps, state.step_seconds

    def check_finite(self, values: list[float]) -> None:
        if all(math.isfinite(value) for value in values):
            return
        kept = f"the last checkpoint in {self.directory} is from before" if self.directory else "none was kept"
        raise FloatingPointError(
            f"the loss is not a finite number by iteration {self.iteration} (objective, task, SISR, affinity: "
            f"{values}); {kept}. Lower the learning rate ({self.config.learning_rate}), or take precision='32-true'"
        )

    def is_first_process(self) -> bool:
        return not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0


@contextmanager
def _deferred_interrupt() -> Iterator[None]:
    """Let Ctrl-C wait until the step is whole; a second one stops at once. Outside the main thread: nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt
