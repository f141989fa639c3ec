"""Figures follow from their records: the same bytes twice, a manifest that says from what, a check that notices."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dsrl_lab.course import notebook
from dsrl_lab.dsrl import DSRL
from dsrl_lab.files import sha256
from dsrl_lab.models.segmentation.espnetv2 import ESPNetv2
from dsrl_lab.plots.theme import new_figure
from dsrl_lab.results.claims_of_cost import counted_costs
from dsrl_lab.results.figures import FIGURES, MANIFEST, check, draw, read_manifest
from dsrl_lab.results.figures_streets import streets_affinity, streets_super_resolution
from dsrl_lab.results.findings import count_is
from dsrl_lab.results.inference import CONTRADICTED, NOT_TESTED, SUPPORTED, WORDS
from dsrl_lab.results.inputs import Drawing, Inputs, MissingInputError
from dsrl_lab.results.paper_numbers import COSTS, Mark, Number
from dsrl_lab.results.shapes import network_shapes, papers_network
from dsrl_lab.results.writing import LARGEST, png_bytes, svg_bytes, write
from tests.results.conftest import record_lines, write_record

REPOSITORY = Path(__file__).resolve().parents[2]
OF_RECORDS = ["branches", "streets_ablation"]
OF_NETWORKS = ["streets_side_by_side", "streets_affinity", "streets_super_resolution"]


def test_two_runs_write_the_same_bytes_without_dates(committed: Path, tmp_path: Path) -> None:
    for out in ("a", "b"):
        draw(["streets_ablation"], runs=committed, out=tmp_path / out)
    for suffix in ("svg", "png"):
        first, second = ((tmp_path / out / f"streets_ablation.{suffix}").read_bytes() for out in ("a", "b"))
        assert first == second
    assert b"<dc:date>" not in first + (tmp_path / "a" / "streets_ablation.svg").read_bytes()


def test_manifest_says_from_what_each_figure_was_drawn(committed: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures"
    manifest = draw(["streets_ablation", "camvid_ablation"], runs=committed, out=out)
    entry = manifest["figures"]["streets_ablation"]
    assert entry["function"] == "dsrl_lab.results.figures_runs.ablation_figure"
    assert entry["inputs"]["streets_tinynet/dsrl_seed0.jsonl"] == sha256(
        committed / "streets_tinynet" / "dsrl_seed0.jsonl"
    )
    assert len(entry["inputs"]) == 18
    assert entry["files"]["streets_ablation.svg"]["sha256"] == sha256(out / "streets_ablation.svg")
    assert {"commit", "versions", "device", "seconds"} <= entry.keys()
    assert manifest["skipped"] == {"camvid_ablation": "no finished run of camvid_espnetv2_baseline"}
    assert json.loads((out / MANIFEST).read_text()) == manifest
    gain = next(c for c in entry["comparisons"] if c["row"] == "dsrl" and c["over"] == "baseline")
    assert gain["paper"]["ESPNetv2"]["value"] == 5.0
    assert gain["paper"]["ESPNetv2"]["mark"] == "P"
    assert gain["ours"]["mean"] == pytest.approx(3.08)
    assert gain["ours"]["low"] < 3.08 < gain["ours"]["high"]
    assert gain["verdict"] == SUPPORTED


def test_other_figures_keep_their_entry(committed: Path, tmp_path: Path) -> None:
    for name in OF_RECORDS:
        manifest = draw([name], runs=committed, out=tmp_path / "figures")
    assert sorted(manifest["figures"]) == sorted(OF_RECORDS)


def test_check_notices_a_changed_a_new_and_a_lost_record(committed: Path, tmp_path: Path) -> None:
    out, folder = tmp_path / "figures", committed / "streets_tinynet"
    draw(["streets_ablation"], runs=committed, out=out)
    assert check(out, committed) == []
    changed = folder / "dsrl_seed1.jsonl"
    changed.write_text(changed.read_text().replace('"seconds": 21.0', '"seconds": 22.0'))
    assert check(out, committed) == ["streets_ablation: streets_tinynet/dsrl_seed1.jsonl has changed"]
    draw(["streets_ablation"], runs=committed, out=out)
    changed.rename(tmp_path / "away.jsonl")
    assert check(out, committed) == ["streets_ablation: streets_tinynet/dsrl_seed1.jsonl is gone"]
    draw(["streets_ablation"], runs=committed, out=out)
    shutil.copy(tmp_path / "away.jsonl", changed)
    assert check(out, committed) == ["streets_ablation: streets_tinynet/dsrl_seed1.jsonl is new"]
    shutil.rmtree(folder)
    assert check(out, committed) == [
        "streets_ablation: cannot be drawn any more: no finished run of streets_tinynet_baseline"
    ]


def test_check_notices_an_edited_a_lost_and_a_nameless_figure(committed: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures"
    manifest = draw(["streets_ablation"], runs=committed, out=out)
    picture = out / "streets_ablation.svg"
    picture.write_text(picture.read_text().replace("</svg>", " </svg>"))
    (out / "streets_ablation.png").unlink()
    assert check(out, committed) == [
        "streets_ablation: streets_ablation.svg is not the file that was drawn",
        "streets_ablation: streets_ablation.png is gone",
    ]
    manifest["figures"] = {"old": manifest["figures"]["streets_ablation"] | {"files": {}}}
    (out / MANIFEST).write_text(json.dumps(manifest))
    assert check(out, committed) == ["old: no function draws it any more"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda e: e.update(function="elsewhere.draw"), "draws it now, not elsewhere.draw"),
        (lambda e: e["says"].append("one word more"), "it says something else now"),
        (lambda e: e["comparisons"][0].update(verdict="splendid"), "are not those of the manifest"),
        (lambda e: e["comparisons"][0]["ours"].update(mean=9.0), "are not those of the manifest"),
    ],
)
def test_check_notices_an_edited_manifest(
    change: Callable[[dict], None], problem: str, committed: Path, tmp_path: Path
) -> None:
    manifest = draw(["paper_table1", "streets_ablation"], runs=committed, out=tmp_path)
    change(manifest["figures"]["streets_ablation"])
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    (found,) = check(tmp_path, committed)
    assert found.startswith("streets_ablation: ") and problem in found


def test_check_notices_that_the_code_s_shapes_have_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(["branches"], runs=tmp_path, out=tmp_path)
    assert check(tmp_path, tmp_path) == []
    monkeypatch.setattr("dsrl_lab.results.figures_paper.papers_network", lambda: DSRL(ESPNetv2(19, width=1.0)))
    assert check(tmp_path, tmp_path) == ["branches: it says something else now: the code has changed"]
    missing = check(tmp_path, tmp_path, expected=FIGURES)
    assert "overview: has no entry in manifest.json" in missing and len(missing) == len(FIGURES)


def test_check_notices_other_words(committed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "figures"
    draw(["streets_ablation"], runs=committed, out=out)
    monkeypatch.setattr("dsrl_lab.results.figures_runs.training_note", lambda runs: "another note")
    (words,) = check(out, committed)
    assert "says something else" in words


def test_check_needs_a_manifest_that_can_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="draw the figures first"):
        check(tmp_path, tmp_path)
    for damaged in ("[1, 2]", '{"figures": {"overview": {"files": 3}}, "skipped": {}}'):
        (tmp_path / MANIFEST).write_text(damaged)
        with pytest.raises(ValueError, match=r"manifest.json is damaged"):
            read_manifest(tmp_path)


def test_an_unknown_figure_is_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"unknown figure 'overvew'; choose from overview, branches"):
        draw(["overview", "overvew"], runs=tmp_path, out=tmp_path / "figures")
    assert not (tmp_path / "figures").exists()


def test_figures_of_networks_from_a_reproduced_folder(reproduced: Path, tmp_path: Path) -> None:
    manifest = draw(OF_NETWORKS, runs=reproduced, out=tmp_path / "figures")
    assert manifest["skipped"] == {}
    assert sorted(manifest["figures"]) == sorted(OF_NETWORKS)
    assert "dsrl_seed0/latest.safetensors" in manifest["figures"]["streets_affinity"]["inputs"]
    assert "baseline_seed0/deployed.safetensors" in manifest["figures"]["streets_side_by_side"]["inputs"]
    assert all(file.stat().st_size <= LARGEST for file in (tmp_path / "figures").iterdir())
    assert check(tmp_path / "figures", reproduced) == []


@pytest.mark.parametrize(
    ("draw_it", "row", "file", "reason"),
    [
        (streets_affinity, "dsrl", "deployed", "SISR branch was left behind"),
        (streets_affinity, "sisr", "latest", "without feature affinity"),
        (streets_super_resolution, "sssr", "latest", "without SISR"),
    ],
)
def test_a_network_without_the_branch_cannot_show_it(
    draw_it: Callable[[Inputs], Drawing], row: str, file: str, reason: str, reproduced: Path
) -> None:
    path = reproduced / f"{row}_seed0" / f"{file}.safetensors"
    with pytest.raises(MissingInputError, match=reason):
        draw_it(Inputs(checkpoints={"dsrl": path}))


def test_without_any_run_the_papers_figures_stand_alone(tmp_path: Path) -> None:
    names = ["paper_table1", "paper_figure1", "cost", "streets_side_by_side", "streets_affinity"]
    manifest = draw(names, runs=tmp_path / "none", out=tmp_path / "figures")
    assert list(manifest["figures"]) == names[:3]
    assert sorted(manifest["skipped"]) == ["streets_affinity", "streets_side_by_side"]
    verdict = {c["claim"]: c["verdict"] for c in manifest["figures"]["cost"]["comparisons"]}
    assert len(verdict) == 3
    assert set(verdict.values()) == {SUPPORTED}


def test_the_sweep_compares_at_equal_cost(tmp_path: Path) -> None:
    for size, macs in (("60x80", 10e6), ("90x120", 24e6)):
        for row, share in (("baseline", 1.0), ("dsrl", 1.5)):
            setting = f"camvid_espnetv2_{size}"
            lines = record_lines(f"{setting}_{row}", row, 0, macs=share * macs)
            write_record(tmp_path / "runs" / setting / f"{row}_seed0.jsonl", lines)
    (entry,) = draw(["camvid_sweep"], runs=tmp_path / "runs", out=tmp_path / "figures")["figures"].values()
    (comparison,) = entry["comparisons"]  # 15 M lies between the baseline's costs, 36 M beyond them
    assert "60×80" in comparison["where"] and comparison["paper"][""]["value"] == 2.0
    assert comparison["ours"]["mean"] == pytest.approx(3.0) and comparison["verdict"] == NOT_TESTED
    shutil.rmtree(tmp_path / "runs" / "camvid_espnetv2_60x80")
    manifest = draw(["camvid_sweep"], runs=tmp_path / "runs", out=tmp_path / "figures")
    assert "no finished baselines of two or more" in manifest["skipped"]["camvid_sweep"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_figure_of_the_kit_comes_out_twice_the_same(tmp_path: Path) -> None:
    for out in ("a", "b"):
        manifest = draw(runs=REPOSITORY / "data" / "runs", out=tmp_path / out)
        assert manifest["skipped"] == {}
    for name in FIGURES:
        first, second = ((tmp_path / out / f"{name}.svg").read_bytes() for out in ("a", "b"))
        assert first == second, name


def test_every_entry_of_the_kits_manifest_is_complete() -> None:
    manifest = read_manifest(REPOSITORY / "figures")
    assert list(manifest["figures"]) == list(FIGURES) and manifest["skipped"] == {}
    for name, entry in manifest["figures"].items():
        assert entry["function"] == f"{FIGURES[name].draw.__module__}.{FIGURES[name].draw.__qualname__}"
        assert entry["files"].keys() == {f"{name}.svg", f"{name}.png"}
        assert entry.keys() >= {"inputs", "says", "commit", "versions", "platform", "device", "seconds"}
        for comparison in entry["comparisons"]:
            assert comparison["verdict"] in WORDS and comparison["claim"] and comparison["reason"]
            assert all(number["mark"] for number in comparison["paper"].values())
            assert comparison["ours"].keys() == {"mean", "low", "high", "values"}


def test_the_manifest_names_all_that_a_fresh_clone_needs_to_redraw_a_figure(tmp_path: Path) -> None:
    kept = read_manifest(REPOSITORY / "figures")["figures"]["streets_ablation"]
    for file in kept["inputs"]:
        target = tmp_path / "data" / "runs" / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / "data" / "runs" / file, target)
    drawn = draw(["streets_ablation"], runs=tmp_path / "data" / "runs", out=tmp_path / "figures")
    again = drawn["figures"]["streets_ablation"]
    assert {key: again[key] for key in ("function", "inputs", "says", "comparisons")} == {
        key: kept[key] for key in ("function", "inputs", "says", "comparisons")
    }
    if again["versions"] | {"dsrl-lab": ""} == kept["versions"] | {"dsrl-lab": ""}:
        assert again["files"] == kept["files"]


def test_a_notebook_shows_a_figure_with_its_records_and_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = {"streets/a_seed0.jsonl": "", "streets/a_seed1.jsonl": "", "../checkpoints/streets/a.safetensors": ""}
    figures = {"drawn": {"files": {}, "inputs": inputs, "comparisons": []}}
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / MANIFEST).write_text(json.dumps({"figures": figures, "skipped": {}}))
    for name in ("drawn", "by_itself"):
        Image.new("RGB", (4, 4)).save(tmp_path / "figures" / f"{name}.png")
    shown: list[str] = []
    monkeypatch.setattr(notebook, "display", lambda one: shown.append(one.data))
    for name in ("drawn", "by_itself", "not_drawn"):
        notebook.Lab(tmp_path).figure(name, alt="a square")
    assert [text.count('<img alt="a square"') for text in shown] == [1, 1, 0]
    assert "dsrl-lab figures drawn</code> from 3 files: data/runs, streets." in shown[0]
    assert "dsrl-lab figures by_itself</code> without records." in shown[1]
    assert "dsrl-lab figures not_drawn" in shown[2]


def test_counted_costs_are_those_measured_on_public_code() -> None:
    counted = counted_costs()
    wanted = (COSTS[0].convolutions, COSTS[0].deconvolutions, COSTS[0].total)
    assert list(counted.values()) == pytest.approx([number.value for number in wanted], rel=1e-4)


def test_drawn_sizes_are_the_networks_own() -> None:
    shapes = network_shapes(papers_network(), (512, 1024))  # Figure 4: 512x1024 -> 32x64xC' -> 1024x2048
    assert shapes.features[-1][1:] == (32, 64)
    assert shapes.logits == (19, 1024, 2048)
    assert shapes.super_res == (3, 1024, 2048)
    small = DSRL(ESPNetv2(11, width=0.5), sisr=False, affinity=False)
    meant, found = small(torch.zeros(1, 3, 64, 96)).logits.shape, network_shapes(small, (64, 96))
    assert found.logits == tuple(meant[1:])
    assert found.super_res is None
    assert small.training


def test_every_figure_has_a_first_line_that_says_what_it_shows() -> None:
    assert all((recipe.draw.__doc__ or "").strip() for recipe in FIGURES.values())


def test_a_figure_that_grew_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dsrl_lab.results.writing.LARGEST", 1000)
    figure = new_figure(2, 2)
    figure.add_subplot().plot([0, 1])
    with pytest.raises(ValueError, match=r"plot.svg would be \d+ bytes, at most 1000 are allowed"):
        write(figure, tmp_path / "plot")
    assert list(tmp_path.iterdir()) == []


def test_photographs_become_small_and_drawings_stay_sharp() -> None:
    noise = torch.rand(300, 300, 3, generator=torch.Generator().manual_seed(0)).numpy()
    figures = [new_figure(4, 4) for _ in range(2)]
    for figure in figures:
        photograph, drawing = figure.subplots(1, 2)
        photograph.imshow(noise, interpolation="none")
        drawing.imshow([[0, 1], [1, 0]], interpolation="none")
    content = svg_bytes(figures[0])
    assert content.count(b"data:image/jpeg") == 1
    assert content.count(b"data:image/png") == 1
    assert content == svg_bytes(figures[1])


def test_a_large_png_keeps_its_colours_with_a_palette(monkeypatch: pytest.MonkeyPatch) -> None:
    def content(largest: int) -> bytes:
        monkeypatch.setattr("dsrl_lab.results.writing.LARGEST", largest)
        ramp = torch.linspace(0, 1, 200).expand(200, 200)
        figure = new_figure(3, 3)
        figure.subplots().imshow(torch.stack([ramp, ramp.T, 1 - ramp], 2).numpy(), interpolation="none")
        return png_bytes(figure)

    full, small = content(10**6), content(1000)
    assert len(small) < len(full)
    pixels = [np.asarray(Image.open(io.BytesIO(file)).convert("RGB"), float) for file in (full, small)]
    assert pixels[0].shape == pixels[1].shape == (432, 432, 3)
    assert np.abs(pixels[0] - pixels[1]).mean() < 8
    assert small == content(1000)


def test_a_count_is_the_same_number_or_another() -> None:
    assert count_is("MACs", COSTS[0].total, 1264.28).verdict == SUPPORTED
    assert count_is("MACs", COSTS[0].total, 674.46).verdict == CONTRADICTED
    with pytest.raises(ValueError, match="leave unknown ones out"):
        count_is("epochs", Number(value=None, mark=Mark.UNKNOWN), 3)


def test_the_story_comes_first_and_the_rest_behind_it(committed: Path, tmp_path: Path) -> None:
    for path in sorted((committed / "streets_tinynet").iterdir()):
        there = path.read_text().replace("streets_tinynet_", "camvid_espnetv2_90x120_")
        place = committed / "camvid_espnetv2_90x120" / path.name
        place.parent.mkdir(exist_ok=True)
        place.write_text(there)
    names = ["camvid_90x120_ablation", "camvid_90x120_all_rows"]
    drawn = draw(names, runs=committed, out=tmp_path / "figures")["figures"]
    rows = [{c["row"] for c in drawn[name]["comparisons"]} for name in names]
    assert rows == [{"sssr", "sisr", "dsrl"}] * 2  # controls stand in both figures and are no step of the paper's
    assert "3 seeds" not in drawn[names[0]]["says"] and "seeds" in drawn[names[0]]["says"]
