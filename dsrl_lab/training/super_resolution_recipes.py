"""The four frameworks of super-resolution as experiments: train on T91, choose on held-out T91, score Set5 and Set14.

A run's folder holds ``record.jsonl``, ``latest.safetensors`` (to go on from) and ``best.safetensors`` (the weights that
the held-out pictures chose, and what the scores are of).
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dsrl_lab.complexity import complexity
from dsrl_lab.datasets.super_resolution import BENCHMARKS, T91, SRBenchmark, SRPair
from dsrl_lab.models.super_resolution import SuperResolver
from dsrl_lab.training import checkpoint, record
from dsrl_lab.training.super_resolution import SuperResolutionRecord, fit_super_resolution, score_pairs
from dsrl_lab.training.super_resolution_config import SuperResolutionConfig, build_super_resolver

COUNTED_INPUT = (
    128,
    256,
)  # (h, w) that the records' MACs are for: 256x512 out at x2, as in the table of specifications


@dataclass(frozen=True, kw_only=True)
class SuperResolutionRecipe:
    """One experiment.

    Attributes:
        name: as the command line knows it.
        title: one line for tables and figures.
        train: network and training.
        target_psnr: dB on Y of Set5, border s, that the run is meant to reach.
    """

    name: str
    title: str
    train: SuperResolutionConfig
    target_psnr: float


def super_resolution_srcnn() -> SuperResolutionRecipe:
    """SRCNN x2. Command: ``dsrl-lab train-sisr super_resolution_srcnn --data ROOT``."""
    return SuperResolutionRecipe(
        name="super_resolution_srcnn",
        title="SRCNN (pre-upsampling)",
        train=SuperResolutionConfig(network="srcnn", iterations=8000, batch_size=4, record_every=500),
        target_psnr=36.2,
    )


def super_resolution_espcn() -> SuperResolutionRecipe:
    """ESPCN x2. Command: ``dsrl-lab train-sisr super_resolution_espcn --data ROOT``."""
    return SuperResolutionRecipe(
        name="super_resolution_espcn",
        title="ESPCN (post-upsampling)",
        train=SuperResolutionConfig(network="espcn", iterations=40000, record_every=1000, bfloat16=True),
        target_psnr=36.4,
    )


def super_resolution_lapsrn() -> SuperResolutionRecipe:
    """LapSRN x2. Command: ``dsrl-lab train-sisr super_resolution_lapsrn --data ROOT``."""
    return SuperResolutionRecipe(
        name="super_resolution_lapsrn",
        title="LapSRN (progressive)",
        train=SuperResolutionConfig(
            network="lapsrn", loss="charbonnier", iterations=10000, batch_size=4, learning_rate=5e-4, record_every=500
        ),
        target_psnr=36.9,
    )


def super_resolution_dbpn() -> SuperResolutionRecipe:
    """DBPN x2 with two stages of width 32. Command: ``dsrl-lab train-sisr super_resolution_dbpn --data ROOT``."""
    return SuperResolutionRecipe(
        name="super_resolution_dbpn",
        title="DBPN, T = 2, width 32 (iterative up-and-down)",
        train=SuperResolutionConfig(
            network="dbpn",
            stages=2,
            width=32,
            loss="charbonnier",
            iterations=12000,
            batch_size=4,
            learning_rate=5e-4,
            record_every=500,
        ),
        target_psnr=37.2,
    )


def super_resolution_recipes() -> dict[str, SuperResolutionRecipe]:
    """All of them by name, the cheapest framework first.

    Example:
        >>> sorted(super_resolution_recipes())[0]
        'super_resolution_dbpn'
    """
    recipes = (
        super_resolution_espcn(),
        super_resolution_srcnn(),
        super_resolution_lapsrn(),
        super_resolution_dbpn(),
    )
    return {recipe.name: recipe for recipe in recipes}


def find_super_resolution_recipe(name: str) -> SuperResolutionRecipe:
    """Look a recipe up by its name.

    Raises:
        ValueError: unknown name; the message lists them.

    Example:
        >>> find_super_resolution_recipe("super_resolution_dbpn").train.stages
        2
    """
    recipes = super_resolution_recipes()
    if name not in recipes:
        raise ValueError(f"unknown recipe {name!r}; choose one of {', '.join(recipes)}")
    return recipes[name]


def run_super_resolution(
    recipe: SuperResolutionRecipe, *, directory: Path, root: Path, seed: int = 0, resume: bool = False
) -> Iterator[SuperResolutionRecord]:
    """Run a recipe with one seed: train, score, and leave everything in ``directory``.

    Args:
        recipe: the experiment.
        directory: where record and checkpoints go.
        root: folder that holds T91, Set5 and Set14.
        seed: of initial weights and patches.
        resume: go on where an earlier run in the same folder stopped.

    Yields:
        The records of ``fit_super_resolution``; after the last one the final scores are in ``record.jsonl``.

    Raises:
        FileExistsError: the folder already holds a run, and ``resume`` was not asked for.
        FileNotFoundError: pictures are missing.
    """
    path, latest = directory / "record.jsonl", directory / "latest.safetensors"
    if path.exists() and not resume:
        raise FileExistsError(f"{path} is there already; go on with --resume, or name another folder with --out")
    config = dataclasses.replace(recipe.train, seed=seed)
    factor = config.upscale_factor
    train, validation = (T91(root, split=split, upscale_factor=factor).pairs for split in ("train", "val"))
    benchmarks = {name: SRBenchmark(root, name, upscale_factor=factor).pairs for name in BENCHMARKS}
    torch.manual_seed(seed)
    model = build_super_resolver(config)
    if latest.is_file() and path.exists():
        record.truncate(path, checkpoint.load(latest).description["iteration"])
    else:
        path.unlink(missing_ok=True)
        record.append(path, _first_line(recipe, config, model))
    for line in fit_super_resolution(model, train, validation, config, directory=directory, resume=resume):
        record.append(path, line.to_json())
        yield line
    _finish(recipe, config, model, benchmarks, directory)


def load_super_resolver(path: Path) -> SuperResolver:
    """Build the network of a checkpoint of this module and load its weights strictly, ready to use.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or of another kind of network.
    """
    loaded = checkpoint.load(path)
    if "config" not in loaded.description:
        raise ValueError(
            f"{path} holds no super-resolution network; train one with dsrl-lab train-sisr super_resolution_espcn"
        )
    model = build_super_resolver(SuperResolutionConfig.from_json(loaded.description["config"]))
    checkpoint.load_model(model, loaded)
    return model.eval()


def keep_super_resolution(directory: Path, data: Path) -> list[Path]:
    """Copy a finished run to where the kit commits it.

    Args:
        directory: a folder that ``run_super_resolution`` filled.
        data: the kit's folder of small things it owns.

    Returns:
        What was written: runs/<recipe>.jsonl, checkpoints/<recipe>.safetensors and its description for people.

    Raises:
        ValueError: the run is not finished.
    """
    lines = record.read(directory / "record.jsonl")
    if lines[-1]["kind"] != "end":
        raise ValueError(f"{directory}: the run is not finished; go on with --resume")
    name = lines[0]["recipe"]
    places = {
        directory / "record.jsonl": data / "runs" / f"{name}.jsonl",
        directory / "best.safetensors": data / "checkpoints" / f"{name}.safetensors",
        directory / "best.json": data / "checkpoints" / f"{name}.json",
    }
    for source, place in places.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place)
    return list(places.values())


def _first_line(recipe: SuperResolutionRecipe, config: SuperResolutionConfig, model: SuperResolver) -> dict[str, Any]:
    cost = complexity(model, COUNTED_INPUT, channels=config.channels)
    return {
        "kind": "run",
        "recipe": recipe.name,
        "title": recipe.title,
        "dataset": "T91",
        "config": config.to_json(),
        "seed": config.seed,
        "target_psnr": recipe.target_psnr,
        "parameters": cost.parameters,
        "macs": cost.macs,
        "macs_input_size": COUNTED_INPUT,
        **record.environment(),
    }


def _finish(
    recipe: SuperResolutionRecipe,
    config: SuperResolutionConfig,
    model: SuperResolver,
    benchmarks: dict[str, list[SRPair]],
    directory: Path,
) -> None:
    """Score the chosen weights beside bicubic, write the scores into their checkpoint, close the record."""
    path, best = directory / "record.jsonl", directory / "best.safetensors"
    trained = record.read(path)[-1]
    if trained["kind"] == "end":
        return
    chosen = checkpoint.load(best)
    checkpoint.load_model(model, chosen)
    scores = {
        name: {"network": score_pairs(model, pairs), "bicubic": score_pairs(None, pairs)}
        for name, pairs in benchmarks.items()
    }
    checkpoint.save(best, model, chosen.description | {"recipe": recipe.name, "scores": scores})
    record.append(
        path,
        {
            "kind": "end",
            "iteration": config.iterations,
            "chosen_iteration": chosen.description["iteration"],
            "seconds": trained["seconds"],
            "cpu_seconds": trained["cpu_seconds"],
            "scores": scores,
        },
    )
