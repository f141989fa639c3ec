"""The tables of README.md, its translations and docs/RESULTS.md, written from records: no number is typed by hand.

README shows the two settings that its sentences are about, docs/RESULTS.md all of them; what goes where is told by the
markers that a page carries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dsrl_lab.results.ablation import AblationRow, ablation
from dsrl_lab.results.records import Estimate, Run, find_runs
from dsrl_lab.training import record

BEGIN, END = "<!-- results: dsrl-lab figures -->", "<!-- end of results -->"
ALL_BEGIN, ALL_END = "<!-- all results: dsrl-lab figures -->", "<!-- end of all results -->"
NOTEBOOKS_BEGIN, NOTEBOOKS_END = "<!-- notebooks: dsrl-lab notebooks build -->", "<!-- end of notebooks -->"
READMES = ("README.md", "README.zh-CN.md")
PAGES = (*READMES, "docs/RESULTS.md")
SETTINGS = {
    "streets_tinynet_45x60": "Drawn streets, TinyNet from scratch (`make reproduce`)",
    "streets_tinynet": "The same at a larger input, whose networks the notebooks show",
    "streets_dabnet": "A second host: DABNet from scratch on drawn streets",
    "camvid_espnetv2_90x120": "CamVid val, with seeds and controls: ESPNetv2 width 1.0 from the released weights",
    "camvid_espnetv2_45x60": "CamVid val at the smallest input",
    "camvid_espnetv2_45x60_long": "The same, trained four times as long",
    "camvid_espnetv2_120x160": "CamVid val, a larger input than the ablation's",
    "camvid_espnetv2": "CamVid val, the largest input: ESPNetv2 width 1.0 from the released Cityscapes weights",
    "lsp_hrnet": "Pose: a small HRNet from scratch on 960 people of Leeds Sports Pose",
}
HEADLINES = ("streets_tinynet_45x60", "camvid_espnetv2_90x120")
COLUMNS: dict[str, Callable[[AblationRow], str]] = {
    "row": lambda row: row.label,
    "seeds": lambda row: str(len(row.runs)),
    "mIoU": lambda row: _show(row.score()),
    "gain": lambda row: _show(row.gain(), signed=True),
    "thin classes": lambda row: _show(row.score("logits.thin_miou")),
    "thin outlines (F)": lambda row: _show(row.score("logits.thin_boundary_f")),
    "magnified labels": lambda row: _show(row.score("labels.miou")),
    "true MACs (M)": lambda row: f"{row.macs:.1f}",
    "SISR PSNR (dB)": lambda row: _show(row.score("super_resolution.psnr"), scale=1),
}
POSE_COLUMNS: dict[str, Callable[[AblationRow], str]] = {
    "row": COLUMNS["row"],
    "seeds": COLUMNS["seeds"],
    "PCK@0.2": lambda row: _show(row.score("keypoints.pck")),
    "gain": lambda row: _show(row.gain("keypoints.pck"), signed=True),
    "PCK@0.1": lambda row: _show(row.score("keypoints.pck_strict")),
    "true MACs (M)": lambda row: f"{row.macs:.2f}",
    "SISR PSNR (dB)": COLUMNS["SISR PSNR (dB)"],
}


def results(runs: Sequence[Run], names: Sequence[str] = tuple(SETTINGS)) -> str:
    """Tables of some settings in Markdown, each with sizes, seeds and the folder of its records.

    Args:
        runs: of any settings; those that are not finished are passed over.
        names: settings; all that pages show by default.

    Example:
        >>> results([])
        ''
    """
    parts = []
    for setting in names:
        rows = ablation([run for run in runs if run.setting == setting])
        if rows:
            parts.append(_table(SETTINGS[setting], setting, rows))
    return "\n\n".join(parts)


def super_resolution(runs: Path) -> str:
    """What the super-resolution networks reach on Set5 and Set14, and what they cost, as a table in Markdown.

    Args:
        runs: folder that holds ``super_resolution_<network>.jsonl`` of finished runs.

    Example:
        >>> super_resolution(Path("no/such/folder"))
        ''
    """
    rows: dict[float, str] = {}
    for path in sorted(runs.glob("super_resolution_*.jsonl")):
        first, *_, end = record.read(path)
        for method in ("bicubic", "network"):
            five, fourteen = (end["scores"][name][method]["psnr"] for name in ("Set5", "Set14"))
            cells = ["bicubic, without a network", f"{five:.2f}", f"{fourteen:.2f}", "", "", ""]
            if method == "network":
                cells[0] = f"[{first['title']}](../data/runs/{path.name})"
                cells[3:] = (
                    f"{first['macs'] / 1e9:.1f}",
                    f"{first['parameters'] / 1e3:.0f}",
                    f"{end['cpu_seconds'] / 60:.0f}",
                )
            rows[five] = "| " + " | ".join(cells) + " |"
    if not rows:
        return ""
    lines = [
        "**Super-resolution x2, trained on T91** (`dsrl-lab train-sisr`): PSNR in dB on Y, border 2; MACs for 256x512.",
        "",
        "| network | Set5 | Set14 | MACs (G) | parameters (k) | training (CPU minutes) |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *(rows[psnr] for psnr in sorted(rows))])


def deployed(path: Path) -> str:
    """What deployment costs, as tables in Markdown: latency against the host's, and mIoU of fewer bits.

    Args:
        path: JSON lines as ``dsrl-lab bench deployment`` and ``dsrl-lab export --score`` leave them with ``--record``.

    Example:
        >>> deployed(Path("no/such/record.jsonl"))
        ''
    """
    if not path.is_file():
        return ""
    lines = record.read(path)
    timed = [_timed(line) for line in lines if line["kind"] == "deployment"]
    exports = [line for line in lines if line["kind"] == "export"]
    return "\n\n".join(timed + ([_exports(exports)] if exports else []))


def training_pace(path: Path) -> str:
    """What the parts cost in training, or torch.compile, as a table in Markdown; empty where nothing was measured yet.

    Args:
        path: JSON lines as ``dsrl-lab bench train`` or ``dsrl-lab bench compile`` leaves them with ``--record``.

    Example:
        >>> training_pace(Path("no/such/record.jsonl"))
        ''
    """
    if not path.is_file():
        return ""
    lines = record.read(path)
    titles = [row["title"] for row in lines[0]["rows"]]
    what, command = "A training step", "train"
    if "compiled" in titles:
        what, command = "A training step, compiled", "compile"
    table = [
        f"**{what}** (`dsrl-lab bench {command}`): processor time over the first column's in the same turn, median of "
        f"{lines[0]['steps']} turns (quartiles); record in `data/runs/{path.name}`.",
        "",
        f"| setting | {titles[0]} (images/s) | {' | '.join(titles[1:])} |",
        f"|---|---{'|---' * len(titles[1:])}|",
    ]
    for line in lines:
        name = ", ".join([f"`{line['setting']}`", *(f"`{change}`" for change in line["changes"])])
        costs = [f"{r['cost']:.2f}x ({r['spread'][0]:.2f} to {r['spread'][1]:.2f})" for r in line["rows"][1:]]
        table.append(f"| {name} | {line['rows'][0]['images_per_second']:.0f} | {' | '.join(costs)} |")
    return "\n".join(table)


def damaged_files(path: Path) -> str:
    """How many damaged files each reader was given, and what came of them, as a table in Markdown.

    Args:
        path: JSON lines as the slow fuzz tests leave them.

    Example:
        >>> damaged_files(Path("no/such/record.jsonl"))
        ''
    """
    if not path.is_file():
        return ""
    doors = {line["door"]: line for line in record.read(path)}
    table = [
        "**Damaged files** (`pytest -m slow tests/fuzz`): mutated inputs by what reads them, how many were read all "
        "the same, how many refused with a clear error. None crashed, hung, ran code or wrote elsewhere. Record in "
        f"`data/runs/{path.name}`.",
        "",
        "| door | inputs | read | refused |",
        "|---|---|---|---|",
    ]
    for door, line in doors.items():
        read, refused = line.get("read", 0), line.get("refused", 0)
        table.append(f"| {door} | {read + refused:,} | {read:,} | {refused:,} |")
    total = sum(line.get("read", 0) + line.get("refused", 0) for line in doors.values())
    return "\n".join([*table, f"| all | {total:,} | | |"])


def notebooks(path: Path) -> str:
    """What each notebook takes, as a table in Markdown; empty where nothing was measured yet.

    Args:
        path: JSON lines as ``dsrl-lab notebooks build`` gathers them.

    Example:
        >>> notebooks(Path("no/such/record.jsonl"))
        ''
    """
    if not path.is_file():
        return ""
    lines = record.read(path)
    table = ["| notebook | CPU minutes | peak memory (GB) |", "|---|---|---|"]
    for line in lines:
        link = f"[{line['name'].replace('_', ' ')}](notebooks/{line['name']}.ipynb)"
        table.append(f"| {link} | {line['cpu_seconds'] / 60:.1f} | {line['peak_megabytes'] / 1000:.1f} |")
    return "\n".join([*table, f"| all | {sum(line['cpu_seconds'] for line in lines) / 60:.1f} | |"])


def everything(runs: Path) -> str:
    """All that docs/RESULTS.md shows: every setting, super-resolution, the pace of training, deployment."""
    parts = (
        results(find_runs(runs)),
        super_resolution(runs),
        training_pace(runs / "training_pace.jsonl"),
        training_pace(runs / "compile_pace.jsonl"),
        deployed(runs / "deployment.jsonl"),
        damaged_files(runs / "fuzz.jsonl"),
    )
    return "\n\n".join(filter(None, parts))


def update(page: Path, runs: Path) -> bool:
    """Write the tables between the page's markers; say whether that changed anything.

    Raises:
        ValueError: the page carries no pair of markers, or half of one.
    """
    tables: dict[tuple[str, str], Callable[[], str]] = {
        (BEGIN, END): lambda: results(find_runs(runs), HEADLINES),
        (ALL_BEGIN, ALL_END): lambda: everything(runs),
        (NOTEBOOKS_BEGIN, NOTEBOOKS_END): lambda: notebooks(runs / "notebooks.jsonl"),
    }
    text = before = page.read_text(encoding="utf-8")
    carried = [pair for pair in tables if pair[0] in before or pair[1] in before]
    for begin, end in carried or [(BEGIN, END)]:
        text = _between(text, begin, end, tables[begin, end], page)
    if text == before:
        return False
    temporary = page.with_name(page.name + ".part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(page)
    return True


def update_all(folder: Path, runs: Path) -> list[Path]:
    """Update the pages in ``folder`` that are there and carry markers; give the changed."""
    begins = BEGIN, ALL_BEGIN, NOTEBOOKS_BEGIN
    found = [path for name in PAGES if (path := folder / name).is_file()]
    marked = [path for path in found if any(begin in path.read_text(encoding="utf-8") for begin in begins)]
    return [path for path in marked if update(path, runs)]


def _between(text: str, begin: str, end: str, content: Callable[[], str], page: Path) -> str:
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"expected {begin!r} and {end!r} once each in {page}; put them where the tables belong")
    before, rest = text.split(begin)
    return f"{before}{begin}\n{content()}\n{end}{rest.split(end)[1]}"


def _table(title: str, setting: str, rows: Sequence[AblationRow]) -> str:
    train = rows[0].runs[0].first["train"]
    height, width = train["input_size"]
    scale = rows[0].runs[0].first["network"]["upscale_factor"]
    pose = "keypoints" in (rows[0].runs[0].end or {})
    what = (
        "PCK in %: joints within 0.2 and 0.1 of the torso"
        if pose
        else "mIoU in %, bilinear logits at the pictures' size"
    )
    lines = [
        f"**{title}**: input {height}x{width}, output {scale * height}x{scale * width}, {train['iterations']} "
        f"iterations of {train['batch_size']}; records in `data/runs/{setting}`. {what}; "
        "the gain is paired by seed, over the seeds that both rows have.",
        "",
    ]
    cells = {name: [cell(row) for row in rows] for name, cell in (POSE_COLUMNS if pose else COLUMNS).items()}
    cells = {name: column for name, column in cells.items() if any(column)}
    lines += [f"| {' | '.join(cells)} |", "|---" * len(cells) + "|"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in zip(*cells.values(), strict=True)])


def _show(score: Estimate | None, *, scale: float = 100, signed: bool = False) -> str:
    return "" if score is None else score.show(scale=scale, signed=signed)


def _timed(line: dict[str, Any]) -> str:
    height, width = line["input_size"]
    head = [
        f"**What is deployed, timed** (`dsrl-lab bench deployment`): `{line['setting']}`, one picture of "
        f"{height}x{width} on one thread, random weights; processor time over the host's in the same turn, "
        "median (quartiles); record in `data/runs/deployment.jsonl`.",
        "",
        "| variant | true MACs (M) | MACs | PyTorch | onnxruntime |",
        "|---|---|---|---|---|",
    ]
    return "\n".join(head + [_variant(row) for row in line["rows"]])


def _variant(row: dict[str, Any]) -> str:
    times = []
    for way in ("eager", "onnx"):
        ratio, spread = row[f"{way}_ratio"], row[f"{way}_spread"]
        times.append("" if ratio is None else f"{ratio:.2f}x ({spread[0]:.2f} to {spread[1]:.2f})")
    return f"| {row['name']} | {row['macs'] / 1e6:.1f} | {row['macs_ratio']:.2f}x | {times[0]} | {times[1]} |"


def _exports(lines: Sequence[dict[str, Any]]) -> str:
    table = [
        "**Fewer bits** (`dsrl-lab export --score`): mIoU in % on the whole split, bilinear logits; same record.",
        "",
        "| network | format | precision | size (MB) | mIoU | change in points |",
        "|---|---|---|---|---|---|",
    ]
    for line in lines:
        miou, change = 100 * line["miou"], 100 * (line["miou"] - line["pytorch_miou"])
        name = f"{line['checkpoint'].removesuffix('.safetensors')}, {line['dataset']} {line['split']}"
        size = line["bytes"] / 1e6
        table.append(f"| {name} | {line['format']} | {line['precision']} | {size:.2f} | {miou:.1f} | {change:+.1f} |")
    return "\n".join(table)
