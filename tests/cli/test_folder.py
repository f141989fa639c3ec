"""A folder of one's own, from training to prediction."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
from PIL import Image
from typer.testing import CliRunner

from dsrl_lab import cli, experiments
from dsrl_lab.datasets.base import ClassTable
from dsrl_lab.recipes import find_recipe, with_changes
from dsrl_lab.tools.prediction import open_predictor
from dsrl_lab.training import checkpoint, record
from dsrl_lab.training.splits import fit_to_folder

TABLE = "id,name,colour,ignored\n0,ground,#404040,\n5,disc,#ffc000,\n9,rim,#000000,yes\n"
TINY = ["train.iterations=2", "train.input_size=[16,24]", "train.batch_size=2"]


def invoke(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output + repr(result.exception)
    return result.output


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    draw = np.random.default_rng(0)
    for split, number in (("train", 3), ("val", 2)):
        for kind in ("images", "masks"):
            (root / split / kind).mkdir(parents=True)
        for index in range(number):
            mask = np.zeros((64, 96), np.uint8)
            mask[20:40, 10 * index + 10 : 10 * index + 40] = 5
            image = (draw.random((64, 96, 3)) * 60 + 30 * mask[..., None]).astype(np.uint8)
            Image.fromarray(mask).save(root / split / "masks" / f"{index}.png")
            Image.fromarray(image).save(root / split / "images" / f"{index}.jpg")
    (root / "classes.csv").write_text(TABLE)
    return root


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "dsrl"
    changes = [part for change in TINY for part in ("--set", change)]
    invoke("train", "folder_tinynet_dsrl", "--data", folder, "--out", out, *changes)
    return out


def test_the_folder_gives_the_classes_and_the_scales(folder: Path, run: Path) -> None:
    first = record.read(run / "record.jsonl")[0]
    assert first["network"]["num_classes"] == 2 and first["pictures"] == {"train": 3, "val": 2}
    assert first["train"]["scale_range"] == [0.5, 1.0]  # a crop of 32x48: from the whole 64x96 to a half of its sides
    assert first["classes"]["names"] == ["ground", "disc"]
    recipe = with_changes(find_recipe("folder_tinynet_baseline"), [*TINY, "train.scale_range=[0.7,0.8]"])
    fitted = fit_to_folder(recipe, folder)
    assert fitted.train.scale_range == (0.7, 0.8) and fit_to_folder(fitted, None) is fitted
    with pytest.raises(ValueError, match="the network gives 3 classes, folder has 2: set network.num_classes=2"):
        experiments.prepare(with_changes(recipe, ["network.num_classes=3"]), folder)
    with pytest.raises(ValueError, match="folder needs its folder: give --data ROOT$"):
        experiments.prepare(recipe)


def test_it_is_scored_and_held_out(folder: Path, run: Path) -> None:
    network = run / "deployed.safetensors"
    printed = invoke("evaluate", network, "--dataset", "folder", "--data", folder, "--json")
    scores = json.loads(printed[printed.index("{") :])
    assert scores["iou"].keys() == {"ground", "disc"}
    assert scores["miou"] == pytest.approx(record.read(run / "record.jsonl")[-1]["logits"]["miou"])
    invoke("score-again", run, "--data", folder)
    recipe = with_changes(find_recipe("folder_tinynet_baseline"), TINY)
    held = experiments.prepare(recipe, folder, held_out=True)
    assert (len(held.samples), len(held.objective.validation)) == (2, 1)


def test_predictions_have_the_names_and_colours_of_the_folder(folder: Path, run: Path, tmp_path: Path) -> None:
    predictor = open_predictor(run / "deployed.safetensors")
    assert predictor.table == ClassTable(("ground", "disc"), ((64, 64, 64), (255, 192, 0)))
    invoke("predict", run / "deployed.safetensors", folder / "val" / "images", "--out", tmp_path)
    with Image.open(tmp_path / "0_ids.png") as ids:
        assert ids.size == (96, 64) and set(np.unique(np.asarray(ids))) <= {0, 1}


@pytest.mark.slow  # ONNX's packages take long to load
def test_exports_keep_them(folder: Path, run: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    invoke("export", run / "deployed.safetensors", "--out", tmp_path / "net.onnx", "--score", "--data", folder)
    assert open_predictor(tmp_path / "net.onnx").table.names == ("ground", "disc")


def test_another_table_of_as_many_classes_is_refused(folder: Path, run: Path, tmp_path: Path) -> None:
    (tmp_path / "val").symlink_to(folder / "val")
    (tmp_path / "train").symlink_to(folder / "train")
    (tmp_path / "classes.csv").write_text(TABLE.replace("disc", "plate"))
    result = CliRunner().invoke(
        cli.app, ["evaluate", str(run / "deployed.safetensors"), "--dataset", "folder", "--data", str(tmp_path)]
    )
    assert "knows ground, disc, " in str(result.exception) and "has ground, plate" in str(result.exception)
    recipe = with_changes(find_recipe("folder_tinynet_dsrl"), TINY)
    with pytest.raises(ValueError, match="holds a run of another classes"):
        list(experiments.run(recipe, directory=run, root=tmp_path, resume=True))


@pytest.mark.parametrize("classes", [{"names": ["a", "b"]}, {"names": 3, "colors": [], "thin": []}, [], "a",
                                     {"names": ["a"], "colors": [[300, 0, 0]], "thin": []}])  # fmt: skip
def test_a_damaged_table_in_a_file_is_no_traceback(run: Path, tmp_path: Path, classes: object) -> None:
    loaded = checkpoint.load(run / "deployed.safetensors")
    damaged = tmp_path / "net.safetensors"
    header = {"dsrl_lab": json.dumps(loaded.description | {"classes": classes})}
    safetensors.torch.save_file(loaded.tensors, damaged, metadata=header)
    with pytest.raises(ValueError, match="expected names, colors and thin of classes|unknown data set 'folder'"):
        open_predictor(damaged)
