"""The ways in for what stands behind the readers: commands that use what was read, in process and small."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric

from dsrl_lab.cli.evaluate import evaluate
from dsrl_lab.experiments import run
from dsrl_lab.recipes import Recipe, find_recipe, with_changes
from dsrl_lab.results.claims import findings
from dsrl_lab.results.frames import runs as find_runs
from dsrl_lab.results.release_runs import keep
from dsrl_lab.tools import prediction
from dsrl_lab.tools.export.writing import export
from dsrl_lab.training.build import build_dsrl
from tests.fuzz import mutate
from tests.fuzz.doors import Door, encoded, streets_checkpoint

RECORDS = Path(__file__).resolve().parents[2] / "data" / "runs" / "streets_tinynet"


def use(folder: Path, network: str, picture: bytes | None = None) -> None:
    """What ``dsrl-lab predict`` does."""
    if picture is not None:
        (folder / "a.png").write_bytes(picture)
    predictor = prediction.open_predictor(folder / network)
    prediction.predict_picture(predictor, folder / "a.png", folder, "a")


def predict(folder: Path) -> Door:
    good = {"net.safetensors": streets_checkpoint(folder).read_bytes(), "a.png": encoded("png")}

    def read(place: Path, name: str) -> object:
        for other in good.keys() - {name}:
            (place / other).write_bytes(good[other])
        return use(place, "net.safetensors")

    return Door(good, read, (mutate.known_header,) * 4, heavy=True)


def onnx(folder: Path) -> Door:
    pytest.importorskip("onnxruntime", reason="install the extra: pip install -e '.[export]'")
    made = export(streets_checkpoint(folder), folder / "net.onnx").path
    special = (mutate.onnx_part,) * 4
    return Door(
        {"net.onnx": made.read_bytes()}, lambda place, name: use(place, name, encoded("png")), special, heavy=True
    )


def scored(folder: Path) -> Door:
    def read(place: Path, name: str) -> object:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            return evaluate(place / name, dataset="streets", length=2, as_json=True, input_size=None, data=None)

    good = {"net.safetensors": streets_checkpoint(folder).read_bytes()}
    return Door(good, read, (mutate.safetensors_header,) * 4, heavy=True)


def small_recipe() -> Recipe:
    changes = ["iterations=2", "input_size=[8,12]", "batch_size=2", "record_every=1", "checkpoint_every=1"]
    recipe = replace(find_recipe("streets_tinynet_sssr"), pictures=(2, 1))
    return with_changes(recipe, [*(f"train.{c}" for c in changes), 'network.host_options={"width":0.25}'])


def resumed(folder: Path) -> Door:
    fabric = Fabric(accelerator="cpu", devices=1)  # "auto" looks for a GPU's library each time
    cut = run(small_recipe(), directory=folder / "cut", fabric=fabric)
    list(itertools.islice(cut, 1))
    cut.close()
    good = {name: (folder / "cut" / name).read_bytes() for name in ("latest.safetensors", "record.jsonl")}

    def read(place: Path, name: str) -> object:
        for other in good.keys() - {name}:
            (place / other).write_bytes(good[other])
        return list(run(small_recipe(), directory=place, resume=True, fabric=fabric))

    return Door(good, read, (mutate.known_header,) * 4, heavy=True)


def kept(folder: Path) -> Door:
    """What ``dsrl-lab keep`` does."""
    list(run(small_recipe(), directory=folder / "run", fabric=Fabric(accelerator="cpu", devices=1)))
    good = {name: (folder / "run" / name).read_bytes() for name in ("deployed.safetensors", "record.jsonl")}

    def read(place: Path, name: str) -> object:
        for other in good.keys() - {name}:
            (place / other).write_bytes(good[other])
        return keep(place, place / "data")

    return Door(good, read, (mutate.known_header,) * 4)


def options(_: Path) -> Door:
    """What ``dsrl-lab train --set`` does, up to a network without weights."""
    recipe = find_recipe("streets_tinynet_dsrl")
    train = {name: value for name, value in recipe.train.to_json().items() if name != "seed"}  # that is --seed
    configs = {"train": train, "network": recipe.network.to_json() | {"host_options": {"width": 0.25}}}
    lines = [f"{part}.{name}={json.dumps(value)}" for part, values in configs.items() for name, value in values.items()]

    def read(place: Path, name: str) -> object:
        changed = with_changes(recipe, (place / name).read_text(encoding="utf-8", errors="replace").splitlines())
        with torch.device("meta"):
            return build_dsrl(changed.network)

    return Door({"options.txt": "\n".join(lines).encode()}, read, (mutate.option_value,) * 3)


def verdicts(folder: Path) -> Door:
    """What ``dsrl-lab verdict`` does."""
    good = {path.name: path.read_bytes() for path in sorted(RECORDS.glob("*_seed[01].jsonl"))}

    def read(place: Path, name: str) -> object:
        for other in good.keys() - {name}:
            (place / other).write_bytes(good[other])
        return [finding.to_json() for finding in findings(find_runs(place))]

    return Door(good, read, (mutate.known_header,) * 4, heavy=True)


USERS: dict[str, Callable[[Path], Door]] = {
    "onnx": onnx,
    "predict": predict,
    "evaluate": scored,
    "resume": resumed,
    "keep": kept,
    "options": options,
    "verdict": verdicts,
}
