"""``dsrl-lab bench`` and ``dsrl-lab cost``: what things cost, measured side by side in one run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from dsrl_lab.cli.app import App
from dsrl_lab.cli.console import counting, output
from dsrl_lab.cli.places import record_to_add_to

app = App(help="Measure speed and memory, side by side in one run.", no_args_is_help=True)
Changes = Annotated[list[str] | None, typer.Option("--set", help="Another value, as train.batch_size=4.")]
Names = Annotated[list[str] | None, typer.Argument(help="Networks by name; all segmentation hosts by default.")]
Record = Annotated[Path | None, typer.Option(dir_okay=False, callback=record_to_add_to, help="Add a line to it.")]


@app.command()
def affinity(
    rounds: Annotated[int, typer.Option(min=1, help="Timed rounds; the median counts.")] = 5,
    device: Annotated[str, typer.Option(help="cpu, or cuda: the fused kernel too, in each precision.")] = "cpu",
    record: Record = None,
) -> None:
    """Feature affinity by method: time, memory, share of a plain matrix product's rate, error against float64."""
    from dsrl_lab.tools.bench import affinity as bench

    with counting("measuring"):
        rows = bench.run(rounds=rounds, device=device)
    _show(bench.table(rows), record, "affinity_pace", rows, device=device, rounds=rounds)


@app.command()
def train(
    setting: Annotated[str, typer.Option(help="Of the recipes; its four main rows.")] = "streets_tinynet_45x60",
    changes: Changes = None,
    steps: Annotated[int, typer.Option(min=2, help="Timed steps of each row.")] = 10,
    record: Record = None,
) -> None:
    """Images per second in training: baseline, + SSSR, + SISR, + FA side by side; and where the whole's time goes."""
    from dsrl_lab.tools.bench import parts
    from dsrl_lab.tools.bench import training as bench

    with counting("measuring"):
        rows = bench.run(setting, changes=changes or [], steps=steps)
        by_part = bench.run_parts(setting, changes=changes or [], steps=steps)
    facts = {"setting": setting, "changes": changes or [], "steps": steps, "milliseconds": by_part}
    _show(bench.table(rows), record, "training_pace", rows, **facts)
    output.print(parts.table(by_part, rows[-1].title))


@app.command()
def networks(
    names: Names = None, input_size: Annotated[tuple[int, int], typer.Option(help="H W of the input.")] = (128, 256)
) -> None:
    """Latency, training pace, MACs and share of the machine's own matrix product rate of each network."""
    from dsrl_lab.models import SEGMENTATION
    from dsrl_lab.tools.bench import cost as bench

    with counting("measuring"):
        rows = bench.run(names or list(SEGMENTATION), input_size, batch_size=4)
    output.print(bench.table(rows))


@app.command()
def classroom(
    submissions: Annotated[int, typer.Option(min=1, help="How many are drawn and graded.")] = 200,
    assignment: Annotated[str, typer.Option(help="Number of the notebook.")] = "06",
    jobs: Annotated[int, typer.Option(min=0, help="Submissions at once; as many as there are cores by default.")] = 0,
    record: Annotated[Path, typer.Option(help="Where the record goes: JSON lines.")] = Path("runs/classroom.jsonl"),
) -> None:
    """Grade a simulated class as a teacher would: minutes, memory, and whether each grade is what it should be."""
    from dsrl_lab.course.grading import scale
    from dsrl_lab.files import REPOSITORY

    with counting("grading a simulated class", submissions) as show:
        lines = scale.measure(REPOSITORY, submissions, assignment=assignment, jobs=jobs, record=record, progress=show)
    output.print(scale.markdown(lines))
    output.print(f"record: {record}")


def cost(
    names: Names = None,
    input_size: Annotated[tuple[int, int], typer.Option(help="H W of the input.")] = (256, 512),
    plan: Annotated[str, typer.Option(help="A recipe: estimate its hours and memory on 1, 8 and 64 GPUs.")] = "",
    gpu: Annotated[str, typer.Option(help="Of the plan: T4, V100, A100 or H100.")] = "A100",
    utilisation: Annotated[float, typer.Option(help="Of the plan: share of the GPU's peak that is reached.")] = 0.2,
    cores: Annotated[int, typer.Option(help="Of the plan: cores that read pictures for each GPU.")] = 8,
    decode_ms: Annotated[float | None, typer.Option(help="Of a core to read a picture; as bench decode found.")] = None,
    measure: Annotated[bool, typer.Option("--measure", help="Of the plan: time some steps here, as a check.")] = False,
) -> None:
    """Parameters, MACs with and without transposed convolutions, activation memory and latency of networks.

    [bold]--plan RECIPE[/bold] estimates a training run on GPUs instead, feature affinity's tiled cost included.
    """
    if plan:
        _plan(plan, gpu, utilisation, cores, decode_ms, measure)
        return
    from dsrl_lab.tools.bench import cost as bench

    with counting("measuring"):
        rows = bench.run(names, input_size)
    output.print(bench.table(rows))


def _plan(name: str, gpu: str, utilisation: float, cores: int, decode_ms: float | None, measure: bool) -> None:
    from dsrl_lab.recipes import find_recipe
    from dsrl_lab.tools.bench import plan as plans
    from dsrl_lab.tools.bench import training
    from dsrl_lab.tools.bench.decode import Reading, measured

    if gpu not in plans.ACCELERATORS:
        raise ValueError(f"unknown GPU {gpu!r}; choose one of {', '.join(plans.ACCELERATORS)}")
    recipe, accelerator = find_recipe(name), plans.ACCELERATORS[gpu]
    image = plans.image_cost(recipe)
    if decode_ms is None:
        reading = measured(recipe.dataset)
    else:
        seconds = decode_ms / 1000
        reading = Reading(file_seconds=seconds, kept_seconds=seconds, scoring_seconds=0, source="--decode-ms")
    drawn = [
        plans.plan(recipe, gpus, accelerator=accelerator, utilisation=utilisation, reading=reading, cores=cores)
        for gpus in (1, 8, 64)
    ]
    output.print(plans.table(drawn, title=f"{name}, {gpu} at {utilisation:.0%} of its peak, {cores} cores for each"))
    output.print(
        f"reading a picture: {1000 * reading.file_seconds:.0f} ms of a core, {1000 * reading.kept_seconds:.0f} ms once "
        f"it is kept in memory (a quarter of what is free), scoring one {1000 * reading.scoring_seconds:.0f} ms "
        f"({reading.source})",
        f"a training picture: {image.training_macs / 1e9:.2f} G MACs, of which tiled affinity "
        f"{image.affinity_macs / 1e9:.2f} G with {image.tiled_affinity_bytes / 2**20:.1f} MiB (one dense matrix: "
        f"{image.dense_affinity_bytes / 2**20:.0f} MiB); deployed: {image.deployed_macs / 1e9:.2f} G MACs",
        sep="\n",
    )
    if measure:
        step, share = training.utilisation(recipe)
        output.print(
            f"measured here: a step of {recipe.train.batch_size} pictures takes {step:.2f} s, at {share:.0%} of "
            "the rate of this machine's own matrix product; a GPU reaches less"
        )


@app.command()
def deployment(
    setting: Annotated[str, typer.Option(help="Of the recipes; random weights are timed.")] = "cityscapes_espnetv2",
    input_size: Annotated[tuple[int, int] | None, typer.Option(help="H W of the input; the setting's if none.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Timed rounds.")] = 15,
    record: Record = None,
) -> None:
    """Latency of baseline, DSRL and DSRL with SISR left in, as ratios: in PyTorch and in onnxruntime, on one thread."""
    from dsrl_lab.tools.bench import deployment as bench

    size = input_size or bench.input_size_of(setting)
    with counting("measuring"):
        rows = bench.run(setting, input_size=size, rounds=rounds)
    table = bench.table(rows, title=f"{setting}, {size[0]}x{size[1]}, one thread")
    _show(table, record, "deployment", rows, setting=setting, input_size=list(size), rounds=rounds, threads=1)


@app.command()
def decode(
    recipe: Annotated[str, typer.Option(help="Whose pictures, crop and scale.")] = "cityscapes_espnetv2_dsrl",
    data: Annotated[Path | None, typer.Option(help="Folder of its data; Cityscapes recipes can do without.")] = None,
    processes: Annotated[list[int] | None, typer.Option(help="That share a batch; 1 and 2 by default.")] = None,
    workers: Annotated[list[int] | None, typer.Option(help="Threads of each; 0 and 2 by default.")] = None,
    batches: Annotated[int, typer.Option(help="Read once from files, once from memory.")] = 4,
    record: Record = None,
) -> None:
    """Pictures per second from files to batches: sharded over processes, and over threads in each."""
    from dsrl_lab.tools.bench import decode as bench

    with counting("measuring"):
        rows = bench.run(recipe, data, processes=processes or (1, 2), workers=workers or (0, 2), batches=batches)
    _show(bench.table(rows), record, "decode", rows, recipe=recipe)


def _show(table: Table, record: Path | None, kind: str, rows: Sequence[Any], **facts: Any) -> None:
    output.print(table)
    if record is None:
        return
    from dsrl_lab.tools.bench.report import to_record
    from dsrl_lab.training.record import append

    append(record, to_record(kind, rows, **facts))
    output.print(f"added to {record}")
