"""The one training loop, open: ``fit`` yields a record every few iterations, and whoever asks for the next drives it.

A notebook plots between two records, the command line draws a progress bar. Stopping leaves a checkpoint; ``resume``
goes on bit for bit, because all draws of a step follow from the seed and its number. Objectives differ by task.
"""

import math
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from dsrl_lab.losses import LossTerms
from dsrl_lab.training import checkpoint
from dsrl_lab.training.config import TrainConfig
from dsrl_lab.training.evaluate import check_outputs
from dsrl_lab.training.examples import Batches, derived_seed
from dsrl_lab.training.objectives import Objective
from dsrl_lab.training.optim import build_optimizer, freeze_batch_norm, learning_rate_of, set_learning_rate
from dsrl_lab.training.processes import synchronise_batch_norm
from dsrl_lab.training.record import TrainRecord


def accelerator() -> str:
    """Where networks train: on CUDA, else on the CPU (Apple's GPUs have neither float64 nor FA's ``frexp``)."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def default_fabric(config: TrainConfig) -> Fabric:
    """One process, on the GPU where there is one."""
    return Fabric(accelerator=accelerator(), devices=1, precision=config.precision)


def fit(
    model: nn.Module,
    objective: Objective,
    batches: Batches,
    config: TrainConfig,
    *,
    directory: str | Path | None = None,
    resume: bool = False,
    description: dict[str, Any] | None = None,
    fabric: Fabric | None = None,
) -> Generator[TrainRecord]:
    """Train ``model``, and yield a record every ``config.record_every`` iterations; the last has the final scores.

    ``directory`` gets latest.safetensors, from which ``resume`` goes on, and best.safetensors, with ``description`` in
    their headers. By default ``fabric`` is one process, on the GPU if there is one.

    FloatingPointError for a loss or weight that is not finite (the last checkpoint is from before), ValueError where
    network, checkpoint and data do not fit, or for ``sync_batch_norm`` without several GPUs.
    """
    fabric = fabric or default_fabric(config)
    fabric.launch()
    _check_share(config, fabric.world_size)
    task_model = objective.deployed(model)
    if (table := getattr(batches.samples, "class_table", None)) is not None:
        check_outputs(task_model, batches.samples, table.num_classes, "classes")
    model.train()
    if config.channels_last:
        model.to(memory_format=torch.channels_last)
    if config.sync_batch_norm:
        synchronise_batch_norm(model, fabric)
    network = torch.compile(model) if config.compile else model
    wrapped, optimizer = fabric.setup(network, build_optimizer(model, config))  # type: ignore[arg-type]
    folder = None if directory is None else Path(directory)
    run = _Run(model, objective, config, optimizer.optimizer, folder, description or {}, fabric.is_global_zero)
    if resume:
        run.resume()
    try:
        while True:
            if not run.reported:
                yield run.report(fabric)
            if run.iteration % config.checkpoint_every == 0 or run.iteration == config.iterations:
                run.save()
            if run.iteration == config.iterations:
                return
            with _deferred_interrupt(), run.clock():
                batch = batches(run.iteration)
                batch = type(batch)(*(part.to(fabric.device) for part in batch))
                number = run.iteration
                run.count(train_step(wrapped, optimizer, objective, batch, config, iteration=number, fabric=fabric))
    except (KeyboardInterrupt, GeneratorExit):
        run.save()
        raise
    finally:
        batches.close()


def train_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    objective: Objective,
    batch: Any,
    config: TrainConfig,
    *,
    iteration: int,
    fabric: Fabric,
) -> LossTerms:
    """Take one optimizer step; return the objective and its terms, detached, the mean over the batch.

    Processes, or parts in turn, give the gradient of the whole batch; ``batch`` is this process's part.
    Dropout draws from the seed and the iteration; the caller's random numbers are left as they were.
    """
    set_learning_rate(optimizer, learning_rate_of(config, iteration))
    model.train()
    if config.freeze_batch_norm:
        freeze_batch_norm(model.modules())
    if config.channels_last:
        batch = batch._replace(low_res=batch.low_res.contiguous(memory_format=torch.channels_last))
    count = objective.count(batch)
    if fabric.world_size > 1:  # the mean of the processes' losses is then the loss of the whole batch
        count = fabric.all_reduce(count, reduce_op="mean")  # type: ignore[assignment]
    count = count / config.accumulate  # and so is the mean of the parts' losses
    optimizer.zero_grad()
    parts = list(zip(*(tensor.chunk(config.accumulate) for tensor in batch), strict=True))
    sums: list[LossTerms] = []
    gpus = [fabric.device] if fabric.device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        seed = derived_seed(config.seed, iteration, fabric.global_rank)
        torch.manual_seed(seed) if gpus else torch.default_generator.manual_seed(seed)
        for number, tensors in enumerate(parts, start=1):
            with fabric.no_backward_sync(model, enabled=number < len(parts)):  # type: ignore[arg-type]
                terms = objective.loss(model, type(batch)(*tensors), iteration=iteration, count=count)
                fabric.backward(terms.total / config.accumulate)
            sums.append(LossTerms(*(term.detach() / config.accumulate for term in terms)))
    if config.clip_gradient is not None:
        fabric.clip_gradients(model, optimizer, max_norm=config.clip_gradient, error_if_nonfinite=False)
    optimizer.step()
    return LossTerms(*(torch.stack(values).sum(0) for values in zip(*sums, strict=True)))


def _check_share(config: TrainConfig, processes: int) -> None:
    """Refuse parts of unequal size, and a control that would compare a picture with itself."""
    share = config.batch_size // processes
    if share % config.accumulate:
        raise ValueError(f"{share} images make no {config.accumulate} equal parts; set train.accumulate to a divisor")
    if config.shuffle_affinity and share // config.accumulate < 2:
        raise ValueError(
            "the shuffled control needs at least 2 images in each part, to compare one with another; "
            "lower train.accumulate or raise train.batch_size"
        )


_COUNTERS = ("iteration", "seconds", "cpu_seconds", "reported", "steps", "step_seconds")


@dataclass
class _Run:
    """The state of a run: how far it is, its sums since the last record, where it is saved."""

    model: nn.Module
    objective: Objective
    config: TrainConfig
    optimizer: torch.optim.Optimizer
    directory: Path | None
    description: dict[str, Any]
    writes: bool  # the first process alone
    iteration: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    best: float = -math.inf
    reported: bool = True
    steps: int = 0
    step_seconds: float = 0.0
    sums: Tensor = field(default_factory=lambda: torch.zeros(4, dtype=torch.float64))

    @contextmanager
    def clock(self) -> Iterator[None]:
        before, cpu_before = time.perf_counter(), time.process_time()
        yield
        seconds = time.perf_counter() - before
        self.step_seconds += seconds
        self.seconds += seconds
        self.cpu_seconds += time.process_time() - cpu_before

    def count(self, terms: LossTerms) -> None:
        self.sums = self.sums.to(terms.total.device) + torch.stack([term.double() for term in terms])
        self.steps += 1
        self.iteration += 1
        due = (self.config.iterations, self.config.record_every, self.config.evaluate_every)
        self.reported = all(every == 0 or self.iteration % every for every in due)

    def report(self, fabric: Fabric) -> TrainRecord:
        """The record of the steps since the last one, with scores where they are due."""
        config, steps, seconds = self.config, max(self.steps, 1), self.step_seconds
        means = (fabric.all_reduce(self.sums) / steps).tolist()  # type: ignore[operator, union-attr]
        self._check_finite(means)
        due = bool(config.evaluate_every) and self.iteration % config.evaluate_every == 0
        metrics = self.objective.evaluate(self.model, fabric) if due or self.iteration == config.iterations else {}
        self._keep_best(metrics)
        self.sums, self.steps, self.step_seconds = torch.zeros(4, dtype=torch.float64), 0, 0.0
        self.reported = True
        return TrainRecord(
            **{name: getattr(self, name) for name in ("iteration", "seconds", "cpu_seconds")},
            iterations=config.iterations,
            learning_rate=learning_rate_of(config, max(self.iteration - 1, 0)),
            **dict(zip(("loss", "task", "sisr", "affinity"), means, strict=True)),
            images_per_second=steps * config.batch_size / max(seconds, 1e-9),
            metrics=metrics,
        )

    def save(self) -> None:
        if self.directory is None or not self.writes:
            return
        weights = [float(tensor.isfinite().all()) or math.nan for tensor in self.model.state_dict().values()]
        self._check_finite(self.sums.tolist(), weights)
        checkpoint.save(self.directory / "latest.safetensors", self.model, self._state(), optimizer=self.optimizer)

    def _state(self) -> dict[str, Any]:
        best = None if self.best == -math.inf else self.best
        state = {"train": self.config.to_json(), "best": best, "sums": self.sums.tolist()}
        return self.description | state | {name: getattr(self, name) for name in _COUNTERS}

    def _keep_best(self, metrics: dict[str, Any]) -> None:
        score = metrics.get(self.objective.score)
        if score is None or not score > self.best:  # NaN is no best score
            return
        if self.directory is not None and self.writes:
            description = self._state() | {"deployed": True, "metrics": metrics, "best": score}
            checkpoint.save(self.directory / "best.safetensors", self.objective.deployed(self.model), description)
        self.best = score  # after the file, so that an interrupted write is repeated by --resume

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
        checkpoint.load_model(self.model, loaded)
        checkpoint.load_optimizer(self.model, self.optimizer, loaded)
        for name in _COUNTERS:
            setattr(self, name, getattr(state, name))
        self.best = -math.inf if state.best is None else state.best
        self.sums = torch.tensor(state.sums, dtype=torch.float64)

    def _check_finite(self, losses: list[float], weights: Sequence[float] = ()) -> None:
        if all(map(math.isfinite, (*losses, *weights))):
            return
        kept = f"the last checkpoint in {self.directory} is from before" if self.directory else "none was kept"
        raise FloatingPointError(
            f"the loss or a weight is not a finite number by iteration {self.iteration} (objective, task, SISR, "
            f"affinity: {losses}); {kept}. Lower the learning rate ({self.config.learning_rate}), or take "
            "precision='32-true'"
        )


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
            raise SystemExit(130)  # not what ``fit`` answers with a checkpoint: the step is not whole
        pressed = True

    before: Callable[..., Any] | int | None = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt
