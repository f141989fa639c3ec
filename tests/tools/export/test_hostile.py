"""A .pt2 that would run code, in every way that ``torch.export.load`` knows: refused, and nothing ran."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from dsrl_lab import cli
from dsrl_lab.tools.export import ExportedNetwork, export
from dsrl_lab.tools.export.archive import checked_copy, only_tensors
from dsrl_lab.training import checkpoint
from dsrl_lab.training.build import build_dsrl
from dsrl_lab.training.config import NetworkConfig

SIZE = (16, 24)
MODEL, WEIGHTS, CONSTANTS = (
    "models/model.json",
    "data/weights/model_weights_config.json",
    "data/constants/model_constants_config.json",
)
META = {"dtype": 7, "sizes": [], "requires_grad": False, "device": {"type": "cpu", "index": None}, "strides": []}
META |= {"storage_offset": {"as_int": 0}, "layout": 7}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("net") / "net.safetensors"
    network = NetworkConfig(host="tinynet", num_classes=11, host_options={"width": 0.25})
    description = {"network": network.to_json(), "deployed": True, "dataset": "streets"}
    checkpoint.save(path, build_dsrl(network).task_model, description)
    return export(path, format="torch-export", input_size=SIZE).path


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def pack(path: Path, parts: dict[str, bytes], *, folder: str = "archive/") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(folder + name, data)
    return path


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)


def saved(mark: Path) -> bytes:
    sink = io.BytesIO()
    torch.save(Payload(mark), sink)
    return sink.getvalue()


def in_json(parts: dict[str, bytes], name: str, change: Callable[[Any], None]) -> None:
    value = json.loads(parts[name])
    change(value)
    parts[name] = json.dumps(value).encode()


def first_node(graph: Any) -> Any:
    return graph["graph_module"]["graph"]["nodes"][0]


def example_inputs(parts: dict[str, bytes], mark: Path) -> None:
    parts["data/sample_inputs/model.pt"] = saved(mark)


def a_weight(parts: dict[str, bytes], mark: Path) -> None:
    parts["data/weights/weight_0"] = saved(mark)
    in_json(parts, WEIGHTS, lambda config: next(iter(config["config"].values())).update(use_pickle=True))


def all_weights(parts: dict[str, bytes], mark: Path) -> None:
    parts["data/weights/model.pt"] = saved(mark)


def all_constants(parts: dict[str, bytes], mark: Path) -> None:
    parts["data/constants/model.pt"] = saved(mark)


def a_constant(name: str) -> Callable[[dict[str, bytes], Path], None]:
    def change(parts: dict[str, bytes], mark: Path) -> None:
        parts[f"data/constants/{name}"] = saved(mark) if name == "tensor_0" else pickle.dumps(Payload(mark))
        meta = {"path_name": name, "is_param": False, "use_pickle": True, "tensor_meta": META}
        parts[CONSTANTS] = json.dumps({"config": {"evil": meta}}).encode()

    return change


def a_library(parts: dict[str, bytes], mark: Path) -> None:
    parts["data/aotinductor/model/evil.so"] = b"\x7fELF"
    parts["data/aotinductor/model/evil_metadata.json"] = b"{}"


def an_expression(parts: dict[str, bytes], mark: Path) -> None:
    def change(graph: Any) -> None:
        tensors = graph["graph_module"]["graph"]["tensor_values"]
        tensors["image"]["sizes"][0]["as_expr"]["expr_str"] = f"__import__('os').system('touch {mark}')"

    in_json(parts, MODEL, change)


def a_function(parts: dict[str, bytes], mark: Path) -> None:
    def change(graph: Any) -> None:
        path = [{"name": "", "arg": {"as_string": f"touch {mark}"}, "kind": 1}]
        first_node(graph).update(target="torch.os.system", inputs=path)

    in_json(parts, MODEL, change)


def an_operation_on_files(parts: dict[str, bytes], mark: Path) -> None:
    def change(graph: Any) -> None:
        arguments = {"filename": {"as_string": str(mark)}, "shared": {"as_bool": True}, "size": {"as_int": 4}}
        inputs = [{"name": name, "arg": value, "kind": 1} for name, value in arguments.items()]
        first_node(graph).update(target="torch.ops.aten.from_file.default", inputs=inputs)

    in_json(parts, MODEL, change)


def a_name(parts: dict[str, bytes], mark: Path) -> None:
    evil = f"image=__import__('os').system('touch {mark}')"  # a default value in the code that is made of the graph
    parts[MODEL] = parts[MODEL].replace(b'"name": "image"', json.dumps({"name": evil})[1:-1].encode())
    parts[MODEL] = parts[MODEL].replace(b'"image":', f"{json.dumps(evil)}:".encode())


def a_guard(parts: dict[str, bytes], mark: Path) -> None:
    in_json(parts, MODEL, lambda graph: graph.update(guards_code=[f"__import__('os').system('touch {mark}') == 0"]))


def a_tree(parts: dict[str, bytes], mark: Path) -> None:
    def change(graph: Any) -> None:
        call = graph["graph_module"]["module_call_graph"][0]["signature"]
        call["out_spec"] = call["out_spec"].replace('"type": null', '"type": "os.system"')

    in_json(parts, MODEL, change)


REFUSED = {
    "a weight": (a_weight, "expected tensors alone in its pickles, found more, which may be code"),
    "all weights": (all_weights, "expected tensors alone in its pickles, found more, which may be code"),
    "all constants": (all_constants, "expected tensors alone in its pickles, found more, which may be code"),
    "a constant": (a_constant("tensor_0"), "expected tensors alone in its pickles, found more, which may be code"),
    "an opaque object": (
        a_constant("opaque_obj_0"),
        "expected the parts of a network alone, found .*which may be code",
    ),
    "a custom object": (a_constant("custom_obj_0"), "expected the parts of a network alone, found .*which may be code"),
    "a library": (a_library, "expected the parts of a network alone, found .*which may be code"),
    "an expression": (an_expression, "is not allowed as expr_str"),
    "a function": (a_function, "'torch.os.system' is not allowed as target"),
    "an operation on files": (an_operation_on_files, "'torch.ops.aten.from_file.default' is not allowed as target"),
    "a name": (a_name, "is not allowed as"),
    "a tree": (a_tree, "is not allowed as out_spec"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_run_code_is_refused(name: str, good: Path, tmp_path: Path) -> None:
    change, message = REFUSED[name]
    parts, mark = members(good), tmp_path / "mark"
    change(parts, mark)
    evil = pack(tmp_path / "evil.pt2", parts)
    with pytest.raises(
        ValueError, match=rf"(?s)evil.pt2 is damaged or was not written by dsrl-lab export.*({message})"
    ):
        ExportedNetwork(evil)(torch.zeros(1, 3, *SIZE))
    assert not mark.exists()


@pytest.mark.parametrize("change", [example_inputs, a_guard])
def test_what_a_network_does_not_need_is_not_read(change: Callable[..., None], good: Path, tmp_path: Path) -> None:
    parts, mark = members(good), tmp_path / "mark"
    change(parts, mark)
    image = torch.randn(2, 3, *SIZE)
    assert torch.equal(ExportedNetwork(pack(tmp_path / "evil.pt2", parts))(image), ExportedNetwork(good)(image))
    assert not mark.exists()


def test_the_command_runs_nothing_and_the_good_file_still_predicts(good: Path, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (48, 32)).save(tmp_path / "a.png")
    parts, mark = members(good), tmp_path / "mark"
    all_weights(parts, mark)
    evil = pack(tmp_path / "evil.pt2", parts)
    command = ["predict", str(evil), str(tmp_path / "a.png"), "--out", str(tmp_path / "out")]
    assert "export the checkpoint again" in str(CliRunner().invoke(cli.app, command).exception)
    assert not mark.exists() and not (tmp_path / "out").exists()
    command[1] = str(good)
    assert CliRunner().invoke(cli.app, command).exit_code == 0 and (tmp_path / "out" / "a_ids.png").is_file()


def test_the_layout_of_older_pytorch_is_held_to_the_same_lists(good: Path, tmp_path: Path) -> None:
    """Before 2.8: no folder, weights as one pickle; PyTorch still reads it, and so do we, as tensors alone."""
    from torch._export.serde.serialize import SCHEMA_VERSION, serialize

    artifact = serialize(torch.export.load(good))
    parts = {
        "version": ".".join(map(str, SCHEMA_VERSION)).encode(),
        "serialized_exported_program.json": artifact.exported_program,
        "serialized_state_dict.pt": artifact.state_dict,
        "serialized_constants.pt": artifact.constants,
        "serialized_example_inputs.pt": saved(tmp_path / "mark"),
        "extra_files/dsrl_lab.json": members(good)["extra/dsrl_lab.json"],
    }
    image = torch.randn(2, 3, *SIZE)
    old = pack(tmp_path / "old.pt2", parts, folder="")
    assert torch.equal(ExportedNetwork(old)(image), ExportedNetwork(good)(image))
    parts["serialized_state_dict.pt"] = saved(tmp_path / "mark")
    with pytest.raises(ValueError, match="old.pt2 is damaged"):
        ExportedNetwork(pack(old, parts, folder=""))
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda parts: parts.pop("extra/dsrl_lab.json"), "expected extra/dsrl_lab.json in it, found none"),
        (lambda parts: parts.update({"data/weights/weight_0": b""}), "expected the numbers of data/weights/weight_0"),
        (lambda parts: parts.update({"readme.txt": b""}), "found 'archive/readme.txt', which may be code"),
    ],
)
def test_parts_that_miss_or_are_too_many_are_named(change: Any, message: str, good: Path, tmp_path: Path) -> None:
    parts = members(good)
    change(parts)
    with pytest.raises(ValueError, match=message):
        checked_copy(pack(tmp_path / "net.pt2", parts))


def test_a_member_that_is_there_twice_or_compressed_is_refused(good: Path, tmp_path: Path) -> None:
    parts = members(good)
    path = pack(tmp_path / "twice.pt2", parts)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("other/models/model.json", "{}")  # which one would be read?
    with pytest.raises(ValueError, match="expected every member once"):
        checked_copy(path)
    with zipfile.ZipFile(tmp_path / "bomb.pt2", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/weights/weight_0", bytes(10**6))
    with pytest.raises(ValueError, match="expected members that are stored as they are"):
        checked_copy(tmp_path / "bomb.pt2")


def test_the_environment_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    monkeypatch.delenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", raising=False)
    before = dict(os.environ)
    with pytest.raises(pickle.UnpicklingError, match="(?i)weights only"), only_tensors():
        torch.load(io.BytesIO(saved(Path("mark"))), weights_only=False)
    assert dict(os.environ) == before


def test_a_damaged_file_is_silent_but_for_our_message(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "torn.pt2").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(ValueError, match="torn.pt2 is damaged"):
        ExportedNetwork(tmp_path / "torn.pt2")
    assert caplog.records == []
