"""Every figure of the kit by name, from records and checkpoints alone, with a manifest of where each came from."""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.text import Text

from dsrl_lab.files import sha256, whole_file
from dsrl_lab.plots.theme import theme, translate_texts
from dsrl_lab.results import figures_features as of_features
from dsrl_lab.results import figures_paper as of_paper
from dsrl_lab.results import figures_people as of_people
from dsrl_lab.results import figures_runs as of_runs
from dsrl_lab.results import figures_streets as of_streets
from dsrl_lab.results import inputs as needs
from dsrl_lab.results.families import FAMILIES
from dsrl_lab.results.inputs import Drawing, FigureRecipe, Inputs, MissingInputError, finished_runs
from dsrl_lab.results.writing import write
from dsrl_lab.training.record import environment

STREETS, CAMVID, CAMVID_SMALL = "streets_tinynet", "camvid_espnetv2", "camvid_espnetv2_90x120"
DRAWN_PEOPLE, REAL_PEOPLE = "people_hrnet", "lsp_hrnet"
TABLE_1 = ("camvid_drives", "streets_towns", "streets_deeplabv3plus")
SWEEP = tuple(f"camvid_espnetv2_{size}" for size in ("45x60", "60x80", "90x120", "120x160"))


FIGURES = {
    "overview": FigureRecipe(needs.nothing, of_paper.overview),
    "branches": FigureRecipe(needs.nothing, of_paper.branches),
    "decided": FigureRecipe(needs.runs_if_any(*(one.setting for one in FAMILIES.values())), of_runs.decided_figure),
    "paper_table1": FigureRecipe(needs.runs_if_any(*TABLE_1), of_paper.paper_table1),
    "paper_figure1": FigureRecipe(needs.runs_if_any(*TABLE_1), of_paper.paper_figure1),
    "paper_figure3": FigureRecipe(needs.networks_of(STREETS, "dsrl", whole=True), of_features.paper_figure3),
    "paper_figure9": FigureRecipe(needs.networks_of(DRAWN_PEOPLE, "baseline", "dsrl"), of_people.paper_figure9),
    "cost": FigureRecipe(needs.runs_if_any(*TABLE_1[:2]), of_runs.cost),
    "coarse_and_fine": FigureRecipe(needs.nothing, of_streets.coarse_and_fine),
    "streets_contact_sheet": FigureRecipe(needs.nothing, of_streets.streets_contact_sheet),
    "streets_ablation": FigureRecipe(needs.runs_of(STREETS, "baseline"), of_runs.ablation_figure),
    "streets_side_by_side": FigureRecipe(
        needs.networks_of(STREETS, "baseline", "dsrl"), of_streets.streets_side_by_side
    ),
    "streets_affinity": FigureRecipe(
        needs.networks_of(STREETS, "dsrl", "untransformed", whole=True), of_streets.streets_affinity
    ),
    "streets_super_resolution": FigureRecipe(
        needs.networks_of(STREETS, "dsrl", whole=True), of_streets.streets_super_resolution
    ),
    "camvid_drives_all_rows": FigureRecipe(needs.runs_of("camvid_drives", "baseline"), of_runs.all_rows_figure),
    "camvid_drives_classes": FigureRecipe(needs.runs_of("camvid_drives", "baseline"), of_runs.classes_figure),
    "camvid_ablation": FigureRecipe(needs.runs_of(CAMVID, "baseline"), of_runs.ablation_figure),
    "camvid_90x120_ablation": FigureRecipe(needs.runs_of(CAMVID_SMALL, "baseline"), of_runs.ablation_figure),
    "camvid_90x120_all_rows": FigureRecipe(needs.runs_of(CAMVID_SMALL, "baseline"), of_runs.all_rows_figure),
    "camvid_90x120_classes": FigureRecipe(needs.runs_of(CAMVID_SMALL, "baseline"), of_runs.classes_figure),
    "camvid_sweep": FigureRecipe(needs.runs_across(*SWEEP), of_runs.sweep_figure),
    "pose_ablation": FigureRecipe(needs.runs_of(REAL_PEOPLE, "baseline"), of_runs.pose_ablation),
}
MANIFEST = "manifest.json"


def draw(
    names: Sequence[str] | None = None,
    *,
    runs: Path = Path("data/runs"),
    out: Path = Path("figures"),
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Draw figures (all by default) and write them with a manifest: "figures" by name, and "skipped" with each reason.

    Raises ValueError for an unknown name, a damaged record or a large file.
    """
    chosen = list(FIGURES) if names is None else list(names)
    for name in chosen:
        if name not in FIGURES:
            raise ValueError(f"unknown figure {name!r}; choose from {', '.join(FIGURES)}")
    finished = finished_runs(runs)
    manifest, now = read_manifest(out), environment()  # the tree as it is before figures change it
    made_by = {key: now[key] for key in ("commit", "versions", "device", "platform")}
    for name in chosen:
        if progress is not None:
            progress(name)
        manifest["skipped"].pop(name, None)
        clock = time.perf_counter()
        try:
            inputs = FIGURES[name].needs(finished)
            drawing = _drawn(name, inputs)
            says = words_of(drawing.figure)
        except MissingInputError as reason:
            manifest["skipped"][name] = str(reason)
            continue
        files = write(drawing.figure, out / name)
        manifest["figures"][name] = {
            "files": {file.name: {"sha256": sha256(file), "bytes": file.stat().st_size} for file in files},
            "function": _function(name),
            "inputs": _hashes(inputs, runs),
            **made_by,
            "seconds": round(time.perf_counter() - clock, 2),
            "says": says,
            "comparisons": [finding.to_json() for finding in drawing.comparisons],
        }
    manifest["figures"] = {name: manifest["figures"][name] for name in FIGURES if name in manifest["figures"]}
    text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
    with whole_file(out / MANIFEST) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return manifest


def check(out: Path = Path("figures"), runs: Path = Path("data/runs"), *, expected: Iterable[str] = ()) -> list[str]:
    """Say, a line each, which figures no longer follow from their records, and which of ``expected`` are not there.

    FileNotFoundError without a manifest.
    """
    if not (out / MANIFEST).is_file():
        raise FileNotFoundError(f"no {MANIFEST} in {out}; draw the figures first: dsrl-lab figures")
    finished = finished_runs(runs)
    manifest = read_manifest(out)
    problems = [
        f"{name}: {problem}"
        for name, entry in manifest["figures"].items()
        for problem in _problems(name, entry, out, runs, finished)
    ]
    there = manifest["figures"].keys() | manifest["skipped"].keys()
    return problems + [f"{name}: has no entry in {MANIFEST}" for name in expected if name not in there]


def read_manifest(out: Path) -> dict[str, Any]:
    """The manifest of a folder, empty where there is none; ValueError where it is damaged."""
    path = out / MANIFEST
    if not path.is_file():
        return {"figures": {}, "skipped": {}}
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        for entry in manifest["figures"].values():
            [file["sha256"] for file in entry["files"].values()], dict(entry["inputs"]), list(entry["comparisons"])
        return {"figures": dict(manifest["figures"]), "skipped": dict(manifest["skipped"])}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({error!r}); delete it and draw again: dsrl-lab figures") from error


def words_of(figure: Figure) -> list[str]:
    """The text of a figure's titles, labels, legends and notes, without the ticks of its axes."""
    axes = [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)]
    marks = [tick for axis in axes for tick in (*axis.majorTicks, *axis.minorTicks)]
    ticks = {id(text) for tick in marks for text in (tick.label1, tick.label2)}
    texts = [text.get_text() for text in figure.findobj(Text) if id(text) not in ticks]
    return [text for text in texts if text.strip()]


def _function(name: str) -> str:
    return f"{FIGURES[name].draw.__module__}.{FIGURES[name].draw.__qualname__}"


def _drawn(name: str, inputs: Inputs) -> Drawing:
    with theme():
        drawing = FIGURES[name].draw(inputs)
        translate_texts(drawing.figure)
        return drawing


def _hashes(inputs: Inputs, runs: Path) -> dict[str, str]:
    root = runs.resolve()
    return {Path(os.path.relpath(file.resolve(), root)).as_posix(): sha256(file) for file in inputs.files}


def _problems(name: str, entry: dict[str, Any], out: Path, runs: Path, finished: pd.DataFrame) -> Iterator[str]:
    for file, kept in entry["files"].items():
        if not (out / file).is_file():
            yield f"{file} is gone"
        elif sha256(out / file) != kept["sha256"]:
            yield f"{file} is not the file that was drawn"
    if name not in FIGURES:
        yield "no function draws it any more"
        return
    if entry.get("function") != _function(name):
        yield f"{_function(name)} draws it now, not {entry.get('function')}"
    try:
        inputs = FIGURES[name].needs(finished)
    except MissingInputError as reason:
        yield f"cannot be drawn any more: {reason}"
        return
    now, then = _hashes(inputs, runs), entry["inputs"]
    for file in sorted(now.keys() | then.keys()):
        if now.get(file) != then.get(file):
            yield f"{file} {'is gone' if file not in now else 'is new' if file not in then else 'has changed'}"
    if now != then or inputs.checkpoints:
        return
    drawing = _drawn(name, inputs)
    if words_of(drawing.figure) != entry.get("says"):
        yield "it says something else now: the code has changed"
    if [finding.to_json() for finding in drawing.comparisons] != entry["comparisons"]:
        yield "its comparisons with the paper are not those of the manifest"
