"""The loop: it learns, resumes bit for bit after a kill at any moment, and says clearly what went wrong."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import safetensors.torch
import torch
from torch import nn

from dsrl_lab import affinity
from dsrl_lab.datasets.base import Sample
from dsrl_lab.dsrl import DSRL
from dsrl_lab.training import checkpoint
from dsrl_lab.training.config import TrainConfig
from dsrl_lab.training.loop import fit
from dsrl_lab.training.objectives import SegmentationObjective
from dsrl_lab.training.optim import freeze_batch_norm
from dsrl_lab.training.processes import synchronise_batch_norm
from dsrl_lab.training.record import TrainRecord
from tests.training.small import learning, network, pictures, small_config, train

REPOSITORY = Path(__file__).resolve().parents[2]


def weights(directory: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(directory / "latest.safetensors")


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_records_come_as_asked_and_the_loss_falls() -> None:
    records = train(None, iterations=60, record_every=20, flip_probability=0.0, scale_range=(1.0, 1.0))
    assert [record.iteration for record in records] == [20, 40, 60]
    assert records[-1].loss < records[0].loss
    assert all(record.sisr > 0 and record.affinity > 0 for record in records)
    assert records[-1].loss == pytest.approx(records[-1].task + 0.1 * records[-1].sisr + records[-1].affinity, rel=1e-5)


def test_two_runs_of_one_seed_agree_bit_for_bit_and_another_seed_does_not(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(tmp_path / name, seed=seed)
    assert_same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    one, other = weights(tmp_path / "a"), weights(tmp_path / "c")
    assert any(not torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_a_closed_generator_leaves_a_checkpoint_to_go_on_from(tmp_path: Path, stop_after: int) -> None:
    config = small_config()
    whole = train(tmp_path / "whole")
    records = fit(network(), *learning(config), config, directory=tmp_path / "cut")
    first = list(itertools.islice(records, stop_after))
    records.close()
    rest = train(tmp_path / "cut", resume=True)
    assert_same(weights(tmp_path / "whole"), weights(tmp_path / "cut"))
    said = [(record.iteration, record.loss) for record in first + rest]
    assert said == [(record.iteration, record.loss) for record in whole]


def test_a_process_killed_at_random_moments_goes_on_bit_for_bit(tmp_path: Path) -> None:
    """The kernel ends the process when it has used a drawn share of the run's CPU time, twice; then to the end."""
    program = (
        "import signal, sys, torch; torch.set_num_threads(1)\n"
        "from pathlib import Path\n"
        "from tests.training.small import train\n"
        "signal.setitimer(signal.ITIMER_PROF, float(sys.argv[2]))\n"
        "train(Path(sys.argv[1]), resume=True, iterations=150, checkpoint_every=5)\n"
        "print('done')\n"
    )
    torch.set_num_threads(1)
    clock = time.process_time()
    train(tmp_path / "whole", iterations=150, checkpoint_every=5)
    whole, draw = time.process_time() - clock, random.Random(3)
    for share, ends in ((draw.uniform(0.1, 0.3), -signal.SIGPROF), (draw.uniform(0.1, 0.3), -signal.SIGPROF), (0, 0)):
        command = [sys.executable, "-c", program, str(tmp_path / "cut"), str(share * whole)]
        assert subprocess.run(command, cwd=REPOSITORY, timeout=600).returncode == ends
    assert_same(weights(tmp_path / "whole"), weights(tmp_path / "cut"))


def pressing(config: TrainConfig, times: int) -> SegmentationObjective:
    """An objective whose sixth loss is interrupted by Ctrl-C so many ``times``."""
    calls = itertools.count(1)

    class Presses(SegmentationObjective):
        def task_loss(self, *arguments: object) -> torch.Tensor:  # type: ignore[override]
            if next(calls) == 6:
                for _ in range(times):
                    signal.raise_signal(signal.SIGINT)
            return super().task_loss(*arguments)  # type: ignore[arg-type]

    return Presses(config)


def test_ctrl_c_waits_for_the_step_and_leaves_a_checkpoint(tmp_path: Path) -> None:
    config = small_config(checkpoint_every=1000)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        list(fit(network(), *learning(config, pressing(config, 1)), config, directory=tmp_path / "cut"))
    assert signal.getsignal(signal.SIGINT) is handler
    train(tmp_path / "cut", resume=True, checkpoint_every=1000)
    train(tmp_path / "whole", checkpoint_every=1000)
    assert_same(weights(tmp_path / "whole"), weights(tmp_path / "cut"))


def test_a_loss_that_is_no_number_names_iteration_and_remedy(tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match=r"not a finite number by iteration \d+.*Lower the learning rate"):
        train(tmp_path, learning_rate=1e30, checkpoint_every=1)
    kept = tmp_path / "latest.safetensors"
    assert not kept.exists() or all(torch.isfinite(tensor).all() for tensor in weights(tmp_path).values())


def test_resuming_with_another_configuration_is_refused(tmp_path: Path) -> None:
    train(tmp_path)
    with pytest.raises(ValueError, match="another configuration"):
        train(tmp_path, resume=True, learning_rate=0.01)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"iteration": "three"}, "expected iteration as a whole number in the header of .*latest.safetensors"),
        ({"sums": None}, "expected sums as four numbers"),
        ({"train": {"input_size": 3}}, r"the header of .*latest.safetensors is damaged .*start anew"),
        ({"iteration": 10**6}, "was trained with another configuration .*now at iteration 1000000"),
    ],
)
def test_a_header_that_cannot_be_gone_on_from_is_named(tmp_path: Path, change: dict, message: str) -> None:
    train(tmp_path)
    loaded = checkpoint.load(tmp_path / "latest.safetensors")
    metadata = {"dsrl_lab": json.dumps(loaded.description | change)}
    safetensors.torch.save_file(loaded.tensors, loaded.path, metadata=metadata)
    with pytest.raises(ValueError, match=message):
        train(tmp_path, resume=True)


def test_a_finished_run_has_nothing_left_to_do(tmp_path: Path) -> None:
    train(tmp_path)
    before = weights(tmp_path)
    assert train(tmp_path, resume=True) == []
    assert_same(before, weights(tmp_path))


def test_mask_ids_beyond_the_classes_stop_the_run() -> None:
    config = small_config()
    wrong = [Sample(torch.rand(3, 24, 32), torch.full((24, 32), 7), "wrong")]
    with pytest.raises((ValueError, IndexError, RuntimeError), match=r"7|out of bounds"):
        list(fit(network(), *learning(config, samples=wrong), config))


def test_the_shuffled_control_compares_with_another_picture() -> None:
    plain = train(None, iterations=4)[0]
    shuffled = train(None, iterations=4, shuffle_affinity=True)[0]
    assert plain.affinity != shuffled.affinity and math.isfinite(shuffled.affinity)


def test_a_ramp_holds_the_affinity_back_at_first() -> None:
    ramped = train(None, iterations=4, ramp_iterations=1000)[0]
    assert ramped.loss == pytest.approx(ramped.task + 0.1 * ramped.sisr, rel=1e-2)


def test_frozen_batch_norm_keeps_its_statistics() -> None:
    dsrl = network()
    before = dsrl.task_model.host.encoder[1].running_mean.clone()
    train(None, dsrl=dsrl, freeze_batch_norm=True)
    assert torch.equal(before, dsrl.task_model.host.encoder[1].running_mean)
    train(None, dsrl=dsrl)
    assert not torch.equal(before, dsrl.task_model.host.encoder[1].running_mean)


def test_the_deployed_half_of_a_run_is_what_was_trained(tmp_path: Path) -> None:
    dsrl = network()
    train(tmp_path, dsrl=dsrl)
    kept = {name.removeprefix("model."): tensor for name, tensor in weights(tmp_path).items()}
    for name, tensor in dsrl.task_model.state_dict().items():
        assert torch.equal(kept[f"task_model.{name}"], tensor)


def test_a_batch_in_parts_gives_the_steps_of_the_whole() -> None:
    def losses(accumulate: int) -> list[list[float]]:
        dsrl = network()
        dsrl.task_model.host.classifier[0].p = 0.0  # the parts would draw other dropout
        records = train(None, dsrl=dsrl, freeze_batch_norm=True, record_every=1, iterations=5, accumulate=accumulate)
        return [[line.loss, line.task, line.sisr, line.affinity] for line in records]

    whole, parts = losses(1), losses(4)
    for mine, theirs in zip(whole, parts, strict=True):
        assert theirs == pytest.approx(mine, abs=1e-5)


def test_unequal_parts_and_a_control_without_another_picture_are_refused() -> None:
    with pytest.raises(ValueError, match="4 images make no 3 equal parts; set train.accumulate to a divisor"):
        train(None, accumulate=3)
    with pytest.raises(ValueError, match="shuffled control needs at least 2 images in each part"):
        train(None, accumulate=4, shuffle_affinity=True)


def test_mixed_precision_with_parts_and_channels_last_learns_what_float32_does() -> None:
    def records(precision: str) -> list[TrainRecord]:
        dsrl = network()
        dsrl.task_model.host.classifier[0].p = 0.0
        return train(
            None, dsrl=dsrl, precision=precision, channels_last=True, accumulate=2, iterations=8, record_every=1
        )

    mixed, single = records("bf16-mixed"), records("32-true")
    assert [line.loss for line in mixed] != [line.loss for line in single]  # bfloat16 has 8 bits
    for ours, theirs in zip(mixed, single, strict=True):
        for name in ("loss", "task", "sisr", "affinity"):
            assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=0.05)


def test_the_loop_leaves_the_affinitys_tile_to_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    tiles, in_tiles = [], affinity._in_tiles
    usual = train(None, iterations=2, record_every=1)
    monkeypatch.setattr(affinity, "_in_tiles", lambda *args, tile: tiles.append(tile) or in_tiles(*args, tile=5))
    tiled = train(None, iterations=2, record_every=1)
    assert tiles == [affinity.CPU_TILE] * 2
    assert [line.loss for line in tiled] == pytest.approx([line.loss for line in usual], rel=1e-5)


def test_the_affinitys_precision_and_positions_are_the_configurations() -> None:
    usual, rounded, drawn = (
        train(None, iterations=1, record_every=1, **changes)[0].affinity
        for changes in ({}, {"affinity_precision": "bfloat16"}, {"affinity_positions": 5})
    )
    assert rounded != usual and rounded == pytest.approx(usual, rel=1e-2)
    assert drawn not in (usual, rounded) and drawn == pytest.approx(usual, rel=0.9)


def test_class_weights_follow_the_logits_to_their_device() -> None:
    """The meta device stands for a GPU."""
    task = SegmentationObjective(small_config(), class_weights=torch.ones(3))
    example = task.example(pictures(1)[0], torch.Generator())
    example = type(example)(*(part[None].to("meta") for part in example))
    logits = torch.rand(1, 3, 16, 24, device="meta")
    assert task.task_loss(logits, example, torch.ones((), device="meta")).device.type == "meta"


def test_batch_norm_over_processes_needs_gpus() -> None:
    with pytest.raises(ValueError, match=r"several processes with a GPU each.*got 1 on (cpu|cuda).*torchrun"):
        train(None, sync_batch_norm=True)


def test_batch_norm_over_processes_keeps_names_weights_and_the_freeze() -> None:
    dsrl = network().eval()
    image, before = torch.rand(2, 3, 8, 12), dict(dsrl.state_dict())
    expected = dsrl(image).logits
    several = SimpleNamespace(world_size=2, device=torch.device("cuda"))  # no GPU is asked for by the conversion itself
    synchronise_batch_norm(dsrl, several)  # type: ignore[arg-type]
    kinds = [type(module) for module in dsrl.modules()]
    assert nn.SyncBatchNorm in kinds and nn.BatchNorm2d not in kinds
    assert_same(before, dict(dsrl.state_dict()))
    assert torch.equal(dsrl(image).logits, expected)
    freeze_batch_norm(dsrl.train().modules())
    assert not any(module.training for module in dsrl.modules() if isinstance(module, nn.SyncBatchNorm))


@pytest.mark.slow
@pytest.mark.timeout(1800)  # compiling takes minutes on a busy machine
def test_a_compiled_network_gives_the_same_losses() -> None:
    from torch._inductor import config  # imported here: it takes seconds

    with config.patch(fallback_random=True):  # dropout by PyTorch's own draws, not by the compiler's
        plain, compiled = (train(None, iterations=4, record_every=1, compile=value) for value in (False, True))
    for mine, theirs in zip(plain, compiled, strict=True):
        assert theirs.loss == pytest.approx(mine.loss, abs=1e-3)


def test_weights_that_are_not_finite_never_replace_a_checkpoint(tmp_path: Path) -> None:
    """A step's loss is finite, and the step itself spoils a weight: the earlier file stays."""
    train(tmp_path, iterations=3)
    before = weights(tmp_path)
    dsrl, config = network(), small_config(iterations=3)

    class Spoils(SegmentationObjective):
        def evaluate(self, model: DSRL, fabric: object = None) -> dict[str, float]:  # type: ignore[override]
            with torch.no_grad():
                model.task_model.host.encoder[0].weight[0, 0, 0, 0] = math.nan
            return {}

    objective, batches = learning(config, Spoils(config))
    with pytest.raises(FloatingPointError, match="the loss or a weight is not a finite number by iteration 3"):
        list(fit(dsrl, objective, batches, dataclasses.replace(config, checkpoint_every=3), directory=tmp_path))
    after = checkpoint.load(tmp_path / "latest.safetensors")
    assert after.description["iteration"] == 0 and all(tensor.isfinite().all() for tensor in after.tensors.values())
    assert before.keys() >= {f"model.{name}" for name in dsrl.state_dict()}


def test_a_second_ctrl_c_stops_within_the_step_and_keeps_the_last_whole_checkpoint(tmp_path: Path) -> None:
    config = small_config(checkpoint_every=4)
    with pytest.raises(SystemExit) as stopped:
        list(fit(network(), *learning(config, pressing(config, 2)), config, directory=tmp_path / "cut"))
    assert stopped.value.code == 130
    assert checkpoint.load(tmp_path / "cut" / "latest.safetensors").description["iteration"] == 4
    train(tmp_path / "cut", resume=True, checkpoint_every=4)
    train(tmp_path / "whole", checkpoint_every=4)
    assert_same(weights(tmp_path / "whole"), weights(tmp_path / "cut"))


def test_scores_are_due_whether_or_not_a_record_is() -> None:
    config = small_config(iterations=12, record_every=4, evaluate_every=3)

    class Scored(SegmentationObjective):
        def evaluate(self, model: DSRL, fabric: object = None) -> dict[str, float]:  # type: ignore[override]
            return {"miou": 0.5}

    lines = list(fit(network(), *learning(config, Scored(config)), config))
    assert [(line.iteration, bool(line.metrics)) for line in lines] == [
        (3, True), (4, False), (6, True), (8, False), (9, True), (12, True),
    ]  # fmt: skip


def test_divergence_names_its_remedy_with_clipped_gradients_too() -> None:
    with pytest.raises(FloatingPointError, match="Lower the learning rate"):
        train(None, learning_rate=1e30, clip_gradient=1.0)


def test_a_score_that_is_not_a_number_is_never_the_best(tmp_path: Path) -> None:
    scores = iter([0.5, math.nan, 0.4, 0.6])

    class Scored(SegmentationObjective):
        def evaluate(self, model: DSRL, fabric: object = None) -> dict[str, float]:  # type: ignore[override]
            return {"miou": next(scores)}

    config = small_config(iterations=4, evaluate_every=1, record_every=1)
    kept = []
    for line in fit(network(), *learning(config, Scored(config)), config, directory=tmp_path):
        best = checkpoint.load(tmp_path / "best.safetensors").description
        kept.append((line.iteration, best["iteration"], best["best"]))
    assert kept == [(1, 1, 0.5), (2, 1, 0.5), (3, 1, 0.5), (4, 4, 0.6)]
