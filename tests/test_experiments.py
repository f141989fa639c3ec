"""A run from end to end: records and checkpoints agree, a killed run goes on, data and network must fit."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
from PIL import Image
from torchvision.models import resnet50

from dsrl_lab import experiments
from dsrl_lab.datasets.base import Sample, SegmentationDataset
from dsrl_lab.datasets.class_tables import CAMVID
from dsrl_lab.datasets.streets import Streets
from dsrl_lab.experiments import build, run
from dsrl_lab.files import sha256
from dsrl_lab.metrics.segmentation import pooled_iou
from dsrl_lab.models import RELEASES
from dsrl_lab.recipes import find_recipe, with_changes
from dsrl_lab.results.release_runs import final_scores
from dsrl_lab.training import record
from dsrl_lab.training.build import build_dsrl, load_task_model
from dsrl_lab.training.config import Recipe
from dsrl_lab.training.evaluate import evaluate_segmentation
from dsrl_lab.training.examples import DecodedSamples
from dsrl_lab.training.folder import RunFolder
from dsrl_lab.training.splits import Part, find_released, hold_out, open_split


def small(row: str = "dsrl", *changes: str) -> Recipe:
    recipe = replace(find_recipe(f"streets_tinynet_{row}"), pictures=(4, 2))
    settings = ["train.iterations=6", "train.input_size=[16,24]", "train.batch_size=2", "train.record_every=2"]
    return with_changes(recipe, [*settings, "train.checkpoint_every=2", 'network.host_options={"width":0.5}', *changes])


def test_an_interrupted_run_goes_on_and_its_record_says_everything_once(tmp_path: Path) -> None:
    whole = list(run(small(), directory=tmp_path / "whole"))
    cut = run(small(), directory=tmp_path / "cut")
    list(itertools.islice(cut, 2))
    cut.close()
    with pytest.raises(ValueError, match="not finished; go on with --resume"):
        final_scores(tmp_path / "cut" / "record.jsonl")
    list(run(small(), directory=tmp_path / "cut", resume=True))
    lines = {name: record.read(tmp_path / name / "record.jsonl") for name in ("whole", "cut")}
    assert [line["kind"] for line in lines["cut"]] == ["run", "train", "train", "train", "end"]
    for one, other in zip(lines["whole"][1:-1], lines["cut"][1:-1], strict=True):
        assert {k: one[k] for k in ("iteration", "loss", "task", "sisr", "affinity")} == {
            k: other[k] for k in ("iteration", "loss", "task", "sisr", "affinity")
        }
    assert lines["whole"][-1]["logits"] == lines["cut"][-1]["logits"]
    assert len(whole) == 3
    assert list(run(small(), directory=tmp_path / "cut", resume=True)) == []


def test_a_run_that_cannot_be_gone_on_from_is_named(tmp_path: Path) -> None:
    list(run(small(), directory=tmp_path))
    path = tmp_path / "record.jsonl"
    record.write(path, record.read(path)[:1])
    with pytest.raises(ValueError, match="expected the scores of iteration 6 in the last line .*not of one run"):
        list(run(small(), directory=tmp_path, resume=True))
    (tmp_path / "deployed.safetensors").replace(tmp_path / "latest.safetensors")
    with pytest.raises(ValueError, match="expected iteration as a whole number in the header .*found none"):
        list(run(small(), directory=tmp_path, resume=True))


@pytest.mark.parametrize("lost", ["latest.safetensors", None])
def test_a_finished_run_is_left_alone_whatever_is_asked_of_it(tmp_path: Path, lost: str | None) -> None:
    list(run(small(), directory=tmp_path))
    if lost:
        (tmp_path / lost).unlink()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert list(run(small(), directory=tmp_path, resume=True)) == []
    for other, named in (
        (small("dsrl", "train.learning_rate=0.5"), "train"),
        (small("dsrl", "network.sisr_width=8"), "network"),
        (small("sisr"), "recipe and network"),
    ):
        with pytest.raises(ValueError, match=f"holds a run of another {named}.*nothing was touched"):
            list(run(other, directory=tmp_path, resume=True))
    with pytest.raises(ValueError, match="another train and seed"):
        list(run(small(), directory=tmp_path, seed=1, resume=True))
    with pytest.raises(FileExistsError, match="go on with --resume"):
        list(run(small(), directory=tmp_path))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_run_without_its_checkpoint_is_not_begun_anew_over_its_record(tmp_path: Path) -> None:
    records = run(small(), directory=tmp_path)
    next(records)
    records.close()
    (tmp_path / "latest.safetensors").unlink()
    before = (tmp_path / "record.jsonl").read_bytes()
    with pytest.raises(ValueError, match=r"checkpoint latest.safetensors is gone; nothing was touched"):
        list(run(small(), directory=tmp_path, resume=True))
    assert (tmp_path / "record.jsonl").read_bytes() == before


def test_a_network_without_its_record_is_not_trained_over(tmp_path: Path) -> None:
    list(run(small(), directory=tmp_path))
    (tmp_path / "record.jsonl").unlink()
    for kept in ("latest.safetensors", "deployed.safetensors"):
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        for resume, kind in ((False, FileExistsError), (True, ValueError)):
            with pytest.raises(kind, match=rf"holds .*{kept}.* without record.jsonl; nothing was touched: put it back"):
                list(run(small(), directory=tmp_path, resume=resume))
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
        (tmp_path / kept).unlink()


def test_a_damaged_record_is_named_and_nothing_is_touched(tmp_path: Path) -> None:
    list(run(small(), directory=tmp_path))
    lines = (tmp_path / "record.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "record.jsonl").write_text("".join([lines[0], "{torn\n", *lines[1:]]))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match=r"record\.jsonl, line 2: expected a JSON object"):
        list(run(small(), directory=tmp_path, resume=True))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_resuming_a_finished_run_opens_no_data_and_scores_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(run(small(), directory=tmp_path))
    monkeypatch.setattr(experiments, "prepare", lambda *a, **k: pytest.fail("a finished run was prepared again"))
    assert list(run(small(), directory=tmp_path, resume=True)) == []


def test_a_run_that_is_killed_between_its_last_scores_writes_them_once(tmp_path: Path) -> None:
    recipe = replace(small("baseline"), pictures=(4, 2, 3), further_split="test", town_per_seed=True)
    list(run(recipe, directory=tmp_path))
    whole = record.read(tmp_path / "record.jsonl")
    record.write(tmp_path / "record.jsonl", whole[:-1])  # "scores" is there, "end" is not
    assert list(run(recipe, directory=tmp_path, resume=True)) == []
    assert record.read(tmp_path / "record.jsonl") == whole


def test_what_fails_before_the_first_step_leaves_the_folder_free(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no 3 equal parts"):
        list(run(small("baseline", "train.accumulate=3"), directory=tmp_path))
    assert [line.iteration for line in run(small("baseline"), directory=tmp_path)] == [2, 4, 6]


@pytest.mark.parametrize("pictures", [(0, 2), (4, 0)])
def test_an_empty_split_is_met_before_the_first_step(pictures: tuple[int, int], tmp_path: Path) -> None:
    for balance in ("0.5", "0"):
        recipe = replace(small("baseline", f"train.class_balance={balance}"), pictures=pictures)
        with pytest.raises(ValueError, match="expected at least one .*got none; check the data folder"):
            list(run(recipe, directory=tmp_path))
    assert not (tmp_path / "record.jsonl").exists()


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, True])
def test_a_seed_that_is_none_is_refused(seed: object, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected seed as a whole number from 0 to 9223372036854775807, got"):
        list(run(small(), directory=tmp_path, seed=seed))  # type: ignore[arg-type]


def test_only_files_that_a_killed_run_left_half_written_are_deleted(tmp_path: Path) -> None:
    for name in (".unfinished-0123abcd.safetensors", ".unfinished-0123abcd.png", "mine.safetensors.part"):
        (tmp_path / name).write_bytes(b"half")
    list(run(small("baseline"), directory=tmp_path))
    left = {path.name for path in tmp_path.iterdir()} - {"record.jsonl", "latest.json", "deployed.json", "best.json"}
    networks = {"latest.safetensors", "best.safetensors", "deployed.safetensors"}
    assert left - networks == {".unfinished-0123abcd.png", "mine.safetensors.part"}


def test_a_folder_in_use_is_refused_and_a_dead_processs_lock_is_not(tmp_path: Path) -> None:
    records = run(small(), directory=tmp_path)
    next(records)
    with pytest.raises(BlockingIOError, match=f"in use by process {os.getpid()}; wait for it"):
        list(run(small(), directory=tmp_path, resume=True))
    records.close()
    assert not (tmp_path / "run.lock").exists()
    child = subprocess.Popen([sys.executable, "-c", ""])
    began = psutil.Process(child.pid).create_time()
    child.wait()
    (tmp_path / "run.lock").write_text(f"{child.pid} {began:.2f} {socket.gethostname()}")
    assert [line.iteration for line in run(small(), directory=tmp_path, resume=True)] == [4, 6]
    assert not (tmp_path / "run.lock").exists()
    (tmp_path / "run.lock").touch()  # its process is about to write its name
    with pytest.raises(BlockingIOError, match="in use by process unknown"):
        list(run(small(), directory=tmp_path, resume=True))
    os.utime(tmp_path / "run.lock", (0, 0))  # and this one was killed before it could
    assert list(run(small(), directory=tmp_path, resume=True)) == []


@pytest.mark.parametrize(("row", "side", "needed"), [("baseline", 10, r"\(16, 24\)"), ("dsrl", 30, r"\(32, 48\)")])
def test_what_will_be_scored_is_read_before_the_first_step(tmp_path: Path, row: str, side: int, needed: str) -> None:
    for split in ("train", "val"):
        for kind, folder in (("RGB", split), ("L", f"{split}annot")):
            (tmp_path / "data" / folder).mkdir(parents=True)
            for name in ("a", "b"):
                sides = (side, side) if (split, name) == ("val", "b") else (48, 48)
                Image.new(kind, sides).save(tmp_path / "data" / folder / f"{name}.png")
    recipe = replace(small(row), dataset="camvid")
    with pytest.raises(ValueError, match=rf"b.*of val is \(H, W\) = \({side}, {side}\), smaller than {needed}, which"):
        next(run(recipe, directory=tmp_path / "run", root=tmp_path / "data"))
    assert not (tmp_path / "run" / "record.jsonl").exists()


def test_a_split_without_a_labelled_pixel_is_met_before_the_first_step(tmp_path: Path) -> None:
    for kind, folder, value in (("RGB", "train", 9), ("L", "trainannot", 0), ("RGB", "val", 9), ("L", "valannot", 11)):
        (tmp_path / "data" / folder).mkdir(parents=True)
        Image.new(kind, (48, 48), (value,) * len(kind)).save(tmp_path / "data" / folder / "a.png")
    with pytest.raises(ValueError, match="expected at least one labelled pixel in val, got none"):
        next(run(replace(small("baseline"), dataset="camvid"), directory=tmp_path / "run", root=tmp_path / "data"))
    assert not (tmp_path / "run" / "record.jsonl").exists()


def test_a_run_does_not_go_on_with_other_scenes_or_another_host(tmp_path: Path) -> None:
    cut = run(small(), directory=tmp_path)
    next(cut)
    cut.close()
    with pytest.raises(ValueError, match="holds a run of another drawn "):
        next(run(replace(small(), pictures=(4, 1)), directory=tmp_path, resume=True))
    first = record.read(tmp_path / "record.jsonl")[0]
    finer = first["network"] | {
        "host_options": {"width": 0.5, "output_stride": 8}
    }  # an option that is new is no default
    with pytest.raises(ValueError, match="holds a run of another network "):
        RunFolder(tmp_path).check({"network": finer}, resume=True)
    RunFolder(tmp_path).check({"network": first["network"] | {"new_field": 1}}, resume=True)  # one of a later version


def test_a_record_that_cannot_be_written_loses_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append, calls = record.append, itertools.count(1)

    def full(path: Path, line: dict[str, object]) -> None:
        if next(calls) == 2:
            raise OSError("no room; then run again with --resume")
        append(path, line)

    monkeypatch.setattr(record, "append", full)
    with pytest.raises(OSError, match="no room"):
        list(run(small(), directory=tmp_path))
    list(run(small(), directory=tmp_path, resume=True))
    lines = record.read(tmp_path / "record.jsonl")
    assert [line.get("iteration") for line in lines if line["kind"] == "train"] == [2, 4, 6]


def test_a_release_that_is_another_network_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = find_recipe("camvid_espnetv2_baseline")
    (tmp_path / "weights" / "espnetv2_cityscapes").mkdir(parents=True)
    (tmp_path / "weights" / recipe.released).write_bytes(b"")  # type: ignore[operator]
    given = build_dsrl(recipe.network).task_model
    monkeypatch.setitem(RELEASES, "espnetv2", lambda path, **_: given)
    assert build(recipe, root=tmp_path / "CamVid").task_model is given
    wider = with_changes(recipe, ['network.host_options={"width":2.0}'])
    with pytest.raises(ValueError, match=r"does not fit \{'width': 2.0\}; leave host_options as they were"):
        build(wider, root=tmp_path / "CamVid")


def test_a_further_split_is_scored_once_with_each_pictures_counts(tmp_path: Path) -> None:
    recipe = replace(small("deconvolution_figure4"), pictures=(4, 2, 3), further_split="test", town_per_seed=True)
    list(run(recipe, directory=tmp_path / "five", seed=5))
    lines = record.read(tmp_path / "five" / "record.jsonl")
    assert [line["kind"] for line in lines] == ["run", "train", "train", "train", "scores", "end"]
    first, scores, end = lines[0], lines[-2], lines[-1]
    assert (first["setting"], first["row"], first["held_out"]) == ("streets_tinynet", "deconvolution_figure4", False)
    assert first["pictures"] == {"train": 4, "val": 2, "test": 3} and (scores["split"], scores["pictures"]) == (
        "test",
        3,
    )
    counts = torch.from_numpy(record.unpack(scores["counts"]).copy())
    assert counts.shape == (3, 3, 11) and counts[:, 2].sum() == 3 * 32 * 48  # every pixel of three pictures
    assert float(pooled_iou(counts.sum(0)).nanmean()) == pytest.approx(scores["miou"])
    assert 0 < end["affinity"]["task_auc"] < 1 and end["affinity"]["sisr_effective_rank"] >= 1
    list(run(recipe, directory=tmp_path / "six", seed=6))
    assert (record.read(tmp_path / "six" / "record.jsonl")[-2]["counts"]) != scores["counts"]  # another town


def test_the_deployed_network_scores_what_the_record_says(tmp_path: Path) -> None:
    list(run(small(), directory=tmp_path))
    model, loaded = load_task_model(tmp_path / "deployed.safetensors")
    assert not any("sisr" in name or "transform" in name for name in loaded.tensors)
    size = tuple(loaded.description["train"]["input_size"])
    pictures = Streets("val", size=(32, 48), length=2)
    again = evaluate_segmentation(model, DecodedSamples(pictures), input_size=size)
    assert again.miou == pytest.approx(final_scores(tmp_path / "record.jsonl")["logits"]["miou"])


def test_rows_of_one_seed_start_from_the_same_host() -> None:
    one, other = build(small("baseline")), build(small("dsrl"))
    for mine, theirs in zip(one.task_model.parameters(), other.task_model.host.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    another = build(small("baseline"), seed=1)
    pairs = zip(one.parameters(), another.parameters(), strict=True)
    assert any(not torch.equal(mine, theirs) for mine, theirs in pairs)


class Named(SegmentationDataset):
    class_table, split = CAMVID, "train"

    def __init__(self, names: list[str]) -> None:
        self.names = tuple(names)

    def __getitem__(self, index: int) -> Sample:
        return Sample(torch.zeros(3, 4, 4), torch.full((4, 4), index), self.names[index])


def test_the_held_out_part_is_the_end_of_every_sequence() -> None:
    names = [f"A_{i}" for i in range(8)] + [f"B_{i}" for i in range(4)]
    kept, held = hold_out(Named(names), share=0.25)
    assert held.names == ("A_6", "A_7", "B_3")
    assert sorted(kept.names + held.names) == sorted(names)
    assert held[1].name == "A_7"


def test_the_held_out_part_is_a_quarter_though_most_sequences_are_single_pictures() -> None:
    names = [f"A{i:02}_0" for i in range(26)] + [f"B_{i}" for i in range(4)]
    kept, held = hold_out(Named(names), share=0.25)
    assert len(held) == 8 and held.names[-1] == "B_3"
    assert sorted(kept.names + held.names) == sorted(names)


def test_mask_ids_beyond_the_class_table_name_the_picture() -> None:
    samples = DecodedSamples(Part(Named([f"A_{i}" for i in range(12)]), "train", [3, 11]))
    assert samples[0].name == "A_3"
    with pytest.raises(ValueError, match=r"mask of A_11 holds id 11, expected 0 to 10 or 255"):
        samples[1]


def test_an_encoder_starts_from_torchvisions_file_and_says_so_in_the_record(tmp_path: Path) -> None:
    source = resnet50(weights=None)
    torch.save(source.state_dict(), tmp_path / "weights.pth")
    digest = sha256(tmp_path / "weights.pth")[:8]
    path = (tmp_path / "weights.pth").rename(tmp_path / f"resnet50-{digest}.pth")
    host = {"host": "deeplabv3plus", "host_options": {"encoder": "resnet50"}}
    recipe = replace(small("baseline"), encoder_weights=str(path))
    recipe = replace(recipe, network=replace(recipe.network, **host))
    encoder = build(recipe).task_model.encoder
    assert torch.equal(encoder.state_dict()["layer1.0.conv1.weight"], source.state_dict()["layer1.0.conv1.weight"])
    assert recipe.identity()["encoder_weights"] == str(path)
    assert find_recipe("cityscapes_deeplabv3plus_dsrl").encoder_weights == "IMAGENET1K_V1"
    with pytest.raises(ValueError, match=r"no checkpoint at espnetv2_s_2.0_imagenet_224x224.pth; .*--encoder-weights"):
        build(find_recipe("cityscapes_espnetv2_dsrl"))
    with pytest.raises(ValueError, match="tinynet has no encoder.*--encoder-weights none"):
        build(replace(small("baseline"), encoder_weights=str(path)))
    with pytest.raises(ValueError, match="the kit reads releases of espnetv2, not of tinynet"):
        build(replace(small("baseline"), released="espnetv2_cityscapes/x.pth"))


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="gives 7 classes, streets has 11: set network.num_classes=11"):
        next(run(small("dsrl", "network.num_classes=7"), directory=tmp_path / "a"))
    with pytest.raises(ValueError, match="or --seed, got .train.seed=5"):
        small("dsrl", "train.seed=5")
    with pytest.raises(ValueError, match="unknown data set 'kitti'"):
        open_split("kitti", "val", None, size=(4, 4), length=1)
    with pytest.raises(FileNotFoundError, match="dsrl-lab data fetch espnetv2_cityscapes"):
        find_released("espnetv2_cityscapes/absent.pth", tmp_path)
    with pytest.raises(ValueError, match="unknown host 'vgg'"):
        build(small("dsrl", "network.host=vgg", "network.host_options={}"))
    list(run(small(), directory=tmp_path / "b"))
    with pytest.raises(FileExistsError, match="go on with --resume"):
        next(run(small(), directory=tmp_path / "b"))


@pytest.mark.slow
def test_real_camvid_trains_from_the_released_weights(real_data: Path, tmp_path: Path) -> None:
    """Forty steps at 90x120 from Cityscapes' weights beat what no training gives by far."""
    recipe = with_changes(
        find_recipe("camvid_espnetv2_dsrl"),
        ["train.input_size=[90,120]", "train.iterations=40", "train.scale_range=[0.5,1.0]"],
    )
    last = list(run(recipe, directory=tmp_path, root=real_data / "CamVid"))[-1]
    assert last.metrics["miou"] > 0.25 and last.metrics["pictures"] == 101
