"""Checkpoints: atomic, strict, free of pickles, and clear about what is wrong with a file."""

from __future__ import annotations

import errno
import json
import os
import pickle
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from dsrl_lab.training import checkpoint
from dsrl_lab.training.checkpoint import copy_model, load, load_model, load_optimizer, save


def layer(out: int = 2) -> nn.Linear:
    return nn.Linear(3, out)


def test_round_trip_of_model_optimizer_and_description(tmp_path: Path) -> None:
    model, path = layer(), tmp_path / "run" / "latest.safetensors"
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    save(path, model, {"iteration": 7}, optimizer=optimizer)
    other = layer()
    other_optimizer = torch.optim.SGD(other.parameters(), lr=0.1, momentum=0.9)
    loaded = load(path)
    load_model(other, loaded)
    load_optimizer(other, other_optimizer, loaded)
    assert loaded.description == {"iteration": 7} == json.loads(path.with_suffix(".json").read_text())
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)
        assert torch.equal(optimizer.state[one]["momentum_buffer"], other_optimizer.state[two]["momentum_buffer"])


def test_a_failed_write_keeps_the_earlier_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "latest.safetensors"
    save(path, layer(), {"iteration": 1})
    before = path.read_bytes()

    def full(tensors: dict[str, torch.Tensor], place: Path, metadata: dict[str, str]) -> None:
        Path(place).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint.safetensors.torch, "save_file", full)
    with pytest.raises(OSError, match=r"cannot write .*latest.safetensors: the disk is full, .*MB are free.*--resume"):
        save(path, layer(), {"iteration": 2})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.glob(".*")] == []


@pytest.mark.parametrize("damage", ["cut", "flipped header", "empty", "text"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "latest.safetensors"
    save(path, layer(), {"iteration": 1})
    content = path.read_bytes()
    path.write_bytes(
        {"cut": content[:-5], "flipped header": b"\xff" * 8 + content[8:], "empty": b"", "text": b"hello world"}[damage]
    )
    with pytest.raises(ValueError, match=r"latest\.safetensors.*(damaged|take another copy)"):
        load(path)


def test_a_pickle_is_never_read(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "exploded",))  # type: ignore[return-value]

    path = tmp_path / "model.safetensors"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match="damaged or no safetensors"):
        load(path)
    assert not (tmp_path / "exploded").exists()


def test_a_foreign_safetensors_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    safetensors.torch.save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match="no checkpoint of this kit"):
        load(path)
    with pytest.raises(FileNotFoundError, match="train one with"):
        load(tmp_path / "absent.safetensors")


def test_loading_is_strict_and_says_what_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "latest.safetensors"
    save(path, layer(2), {})
    with pytest.raises(ValueError, match=r"weight has shape \(2, 3\), expected \(5, 3\)"):
        load_model(layer(5), load(path))
    with pytest.raises(ValueError, match=r"missing 0\.bias.*left over bias"):
        load_model(nn.Sequential(layer(2)), load(path))


def test_momentum_takes_the_parameters_memory_format(tmp_path: Path) -> None:
    model = nn.Conv2d(4, 4, 3).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(1, 4, 5, 5)).sum().backward()
    optimizer.step()
    save(tmp_path / "a.safetensors", model, {}, optimizer=optimizer)
    other = nn.Conv2d(4, 4, 3).to(memory_format=torch.channels_last)
    fresh = torch.optim.SGD(other.parameters(), lr=0.1, momentum=0.9)
    load_optimizer(other, fresh, load(tmp_path / "a.safetensors"))
    assert fresh.state[other.weight]["momentum_buffer"].stride() == other.weight.stride()


GOING_ON = {
    "train": {},
    "iteration": 3,
    "seconds": 1.5,
    "best": None,
    "reported": True,
    "sums": [0.0] * 4,
    "steps": 1,
    "step_seconds": 0.5,
}


def test_progress_is_read_from_the_header() -> None:
    made = checkpoint.progress(checkpoint.Checkpoint(path=Path("a"), tensors={}, description=GOING_ON | {"more": 1}))
    assert (made.iteration, made.seconds, made.best, made.steps) == (3, 1.5, None, 1)


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("train", ["a"], "a table"),
        ("iteration", "three", "a whole number"),
        ("iteration", -1, "a whole number"),
        ("iteration", True, "a whole number"),
        ("seconds", float("nan"), "a number"),
        ("best", {}, "a number or null"),
        ("reported", 1, "true or false"),
        ("sums", [0, 0, "0", 0], "four numbers"),
        ("steps", 0.5, "a whole number"),
        ("step_seconds", -1, "a number"),
    ],
)
def test_an_entry_of_another_kind_is_named(name: str, value: object, kind: str) -> None:
    for header, found in (
        ({**GOING_ON, name: value}, "got"),
        ({k: v for k, v in GOING_ON.items() if k != name}, "found"),
    ):
        with pytest.raises(ValueError, match=rf"expected {name} as {kind} in the header of a\.b, {found} .*start anew"):
            checkpoint.progress(checkpoint.Checkpoint(path=Path("a.b"), tensors={}, description=header))


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("optimizer.momentum_buffer.elsewhere", torch.zeros(2), "belongs to no parameter of this network; resume"),
        ("optimizer.momentum_buffer", torch.zeros(2), "belongs to no parameter of this network; resume"),
        ("optimizer.momentum_buffer.bias", torch.zeros(7), r"in its parameter's shape \(2,\), got \(7,\)"),
        ("optimizer.exp_avg.bias", torch.zeros(2), "SGD does not go on from exp_avg of bias"),
    ],
)
def test_an_optimizers_state_that_does_not_fit_is_named(name: str, tensor: torch.Tensor, message: str) -> None:
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    with pytest.raises(ValueError, match=message):
        checkpoint.load_optimizer(
            model, optimizer, checkpoint.Checkpoint(path=Path("a"), tensors={name: tensor}, description={})
        )


@pytest.mark.parametrize(("prefix", "wrapper"), [("module.", "DistributedDataParallel"), ("_orig_mod.", "compile")])
def test_names_that_a_wrapper_leaves_are_explained(prefix: str, wrapper: str, tmp_path: Path) -> None:
    wrapped = nn.Module()
    wrapped.add_module(prefix.removesuffix("."), layer())
    save(tmp_path / "a.safetensors", wrapped, {})
    with pytest.raises(ValueError, match=rf"begin with '{prefix}', as .*{wrapper} leaves them: save the network"):
        load_model(layer(), load(tmp_path / "a.safetensors"))


def test_files_get_the_mode_that_the_umask_asks_for(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        save(tmp_path / "a.safetensors", layer(), {})
        copy_model(tmp_path / "a.safetensors", tmp_path / "new" / "b.safetensors")
    finally:
        os.umask(before)
    for path in (tmp_path / "a.safetensors", tmp_path / "a.json", tmp_path / "new" / "b.safetensors"):
        assert path.stat().st_mode & 0o777 == 0o640, path
    assert [path.name for path in tmp_path.rglob(".*")] == []


def test_a_copy_is_the_model_with_its_header_and_without_its_optimizer(tmp_path: Path) -> None:
    model = layer()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    save(tmp_path / "a.safetensors", model, {"iteration": 7}, optimizer=optimizer)
    copy_model(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    copied = load(tmp_path / "b.safetensors")
    assert copied.description == {"iteration": 7} and set(copied.tensors) == {"model.weight", "model.bias"}
