"""The tables of README.md, its translations and docs/RESULTS.md, from records, where a page's markers tell."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dsrl_lab.files import whole_file
from dsrl_lab.language import ENGLISH, LANGUAGES
from dsrl_lab.results import families
from dsrl_lab.results.frames import alike, pick, runs, scores
from dsrl_lab.results.tables import ORDER, ablation_table, affinity_table, markdown
from dsrl_lab.training import record

ALL_BEGIN, ALL_END = "<!-- all results: dsrl-lab figures -->", "<!-- end of all results -->"
NOTEBOOKS_BEGIN, NOTEBOOKS_END = "<!-- notebooks: dsrl-lab notebooks build -->", "<!-- end of notebooks -->"
READMES = ("README.md", "README.zh-CN.md")
PAGES = (*READMES, "docs/RESULTS.md")
SETTINGS = {
    "camvid_drives": "CamVid's test split, rows that differ in their parts alone: ESPNetv2 width 1.0, released weights",
    "camvid_drives_long": "The same, trained four times as long",
    "streets_towns": "Drawn streets at a real scale, another town for each seed: TinyNet from scratch",
    "streets_towns_400": "The same with 400 training scenes in place of 3,000",
    "streets_resolution": "What resolution is worth on drawn streets, another town for each seed (`make reproduce`)",
    "streets_tinynet_45x60": "Drawn streets, TinyNet from scratch (`make reproduce` of version 0.1)",
    "streets_tinynet": "The same at a larger input, whose networks the notebooks show",
    "streets_dabnet": "A second host: DABNet from scratch on drawn streets",
    "streets_deeplabv3plus": "Table 1's second host: DeepLabv3+ (MobileNetV2) from scratch on drawn streets",
    "camvid_espnetv2_90x120": "CamVid val, with seeds and controls: ESPNetv2 width 1.0 from the released weights",
    "camvid_espnetv2_45x60": "CamVid val at the smallest input",
    "camvid_espnetv2_45x60_long": "The same, trained four times as long",
    "camvid_espnetv2_120x160": "CamVid val, a larger input than the ablation's",
    "camvid_espnetv2": "CamVid val, the largest input: ESPNetv2 width 1.0 from the released Cityscapes weights",
    "lsp_hrnet": "Pose: a small HRNet from scratch on 960 people of Leeds Sports Pose",
}
SETS = ("Set5", "Set14")
COLUMNS = [name for name in ORDER if name not in ("parameters (k)", "seconds")]


def results(found: pd.DataFrame, names: Sequence[str] = tuple(SETTINGS)) -> str:
    """Tables of some settings in Markdown, each with sizes, seeds and the folder of its records."""
    parts = []
    for setting in names:
        of_setting = alike(found[found["setting"] == setting])
        if len(of_setting):
            parts += [_heading(SETTINGS[setting], of_setting), markdown(ablation_table(of_setting, COLUMNS))]
    return "\n\n".join(parts)


def _heading(title: str, of_setting: pd.DataFrame) -> str:
    run = of_setting.iloc[0]
    height, width, scale = (int(value) for value in (run.input_height, run.input_width, run.upscale_factor))
    what = "mIoU in %, bilinear logits at the pictures' size"
    if "keypoints" in (run.record.end or {}):
        what = "PCK in %: joints within 0.2 and 0.1 of the torso"
    return (
        f"**{title}**: input {height}x{width}, output {scale * height}x{scale * width}, {run.iterations:.0f} "
        f"iterations of {run.batch_size:.0f}; records in `data/runs/{run.setting}`. {what}; "
        "the gain is paired by seed, over the seeds that both rows have; columns without a split are of val "
        f"({run.record.first.get('pictures', {}).get('val', 'some')} pictures)."
    )


def decided(found: pd.DataFrame) -> str:
    """The tests of the confirmatory families whose runs have all ended, and what stands beside them, in Markdown."""
    parts, tests = [], families.decided(found)
    for name, family in families.FAMILIES.items():
        where = f"records in `data/runs/{family.setting}`, seeds {family.seeds[0]} to {family.seeds[-1]}"
        what = "points of mIoU on test, paired by seed; in brackets the 95 % interval over seeds and blocks of pictures"
        if name in tests:
            about = "a verdict is about the answer *yes*, with Holm's correction"
            parts.append(f"**Family {name}, decided** ({about}): {what}, which decides; {where}.")
            parts.append(markdown(family.texts(tests[name], found)))
        if len(reported := family.report(found)):
            parts.append(f"**Family {name}, differences without a test**: {what}; {where}.")
            parts.append(markdown(family.texts(reported, found)))
    return "\n\n".join(parts)


def super_resolution(found: pd.DataFrame) -> str:
    """What the super-resolution networks reach on Set5 and Set14, and what they cost, as a table in Markdown."""
    networks = found[found["finished"] & found["dataset"].eq("T91")]
    values = pick(scores(networks), "network.psnr", split=None), pick(scores(networks), "bicubic.psnr", split=None)
    reached, bicubic = (one.pivot(index="row", columns="split", values="value") for one in values)
    if networks.empty:
        return ""
    lines = [["bicubic, without a network", *(f"{bicubic[name].iloc[0]:.2f}" for name in SETS), "", "", ""]]
    for row in reached.sort_values(SETS[0]).index:
        run = networks[networks["row"] == row].iloc[0]
        numbers = [f"{reached.at[row, name]:.2f}" for name in SETS]
        numbers += [f"{run.macs / 1e9:.1f}", f"{run.parameters / 1e3:.0f}", f"{run.record.end['cpu_seconds'] / 60:.0f}"]
        lines.append([f"[{run.label}](../data/runs/{run.record.path.name})", *numbers])
    names = ["network", *SETS, "MACs (G)", "parameters (k)", "training (CPU minutes)"]
    top = "**Super-resolution x2, trained on T91** (`dsrl-lab train-sisr`): PSNR (dB) on Y, border 2; MACs for 256x512."
    return f"{top}\n\n{markdown(pd.DataFrame(lines, columns=names))}"


def deployed(path: Path) -> str:
    """What deployment costs: latency against the host's, and mIoU of fewer bits; "" where nothing was measured yet."""
    lines = _lines(path)
    exports = [line for line in lines if line["kind"] == "export"]
    parts = [_timed(line) for line in lines if line["kind"] == "deployment"]
    return "\n\n".join([*parts, _exports(exports)] if exports else parts)


def training_pace(path: Path) -> str:
    """What the parts cost in training, or torch.compile; "" where nothing was measured yet."""
    lines = _lines(path)
    if not lines:
        return ""
    first, *titles = [row["title"] for row in lines[0]["rows"]]
    what = "**A training step** (`dsrl-lab bench train`)"
    if "compiled" in titles:
        what = "**A training step, compiled** (`--set train.compile=true`)"
    heading = (
        f"{what}: processor time over the first column's in the same turn, median of "
        f"{lines[0]['steps']} turns (quartiles); record in `data/runs/{path.name}`."
    )
    table = [
        {
            "setting": ", ".join([f"`{line['setting']}`", *(f"`{change}`" for change in line["changes"])]),
            f"{first} (images/s)": f"{line['rows'][0]['images_per_second']:.0f}",
            **{row["title"]: _ratio(row["cost"], row["spread"]) for row in line["rows"][1:]},
        }
        for line in lines
    ]
    return f"{heading}\n\n{markdown(pd.DataFrame(table))}"


def compared(path: Path) -> str:
    """What feature affinity compares, changed one thing at a time; "" where nothing was measured yet."""
    lines = _lines(path)
    if not lines:
        return ""
    heading = (
        "**What feature affinity compares, changed one thing at a time** (`dsrl-lab affinity-study`, exploratory): "
        f"`{lines[0]['setting']}`, scored on held-out scenes. AUC: how often a pair of positions of one class is more "
        f"alike than a pair of two classes (0.5 is chance); record in `data/runs/{path.name}`."
    )
    return f"{heading}\n\n{markdown(affinity_table(lines))}"


def damaged_files(path: Path) -> str:
    """How many damaged files each reader was given, and what came of them; "" where nothing was measured yet."""
    last = {line.get("reader", line.get("door")): line for line in _lines(path)}
    if not last:
        return ""
    heading = (
        "**Damaged files** (`pytest -m slow tests/fuzz`): mutated inputs by what reads them, how many were read all "
        "the same, how many refused with a clear error. None crashed, hung, ran code or wrote elsewhere. Record in "
        f"`data/runs/{path.name}`."
    )
    counts = {name: (line.get("read", 0), line.get("refused", 0)) for name, line in last.items()}
    table = [(name, f"{read + refused:,}", f"{read:,}", f"{refused:,}") for name, (read, refused) in counts.items()]
    table.append(("all", f"{sum(map(sum, counts.values())):,}", "", ""))
    return f"{heading}\n\n{markdown(pd.DataFrame(table, columns=['reader', 'inputs', 'read', 'refused']))}"


def notebooks(path: Path) -> str:
    """What each notebook takes; "" where nothing was measured yet."""
    table, lines = [], _lines(path)
    minutes = {(line["name"], line.get("language", ENGLISH)): line["cpu_seconds"] / 60 for line in lines}
    for name, memory in {line["name"]: line["peak_megabytes"] / 1000 for line in reversed(lines)}.items():
        there = [minutes.get((name, language)) for language in LANGUAGES]
        shown = ["" if taken is None else f"{taken:.1f}" for taken in there]
        ours = f"[{shown[1]}](notebooks/zh/{name}.ipynb)" if shown[1] else ""
        table.append((f"[{name.replace('_', ' ')}](notebooks/{name}.ipynb)", shown[0], f"{memory:.1f}", ours))
    if not table:
        return ""
    sums = [sum(taken for (_, spoken), taken in minutes.items() if spoken == language) for language in LANGUAGES]
    table = [*sorted(table), ("all", f"{sums[0]:.1f}", "", f"{sums[1]:.1f}")]
    columns = ["notebook", "CPU minutes", "peak memory (GB)", "CPU minutes in Chinese"]
    return markdown(pd.DataFrame(table, columns=columns).iloc[:, : 4 if sums[1] else 3])


def everything(folder: Path) -> str:
    """All that docs/RESULTS.md shows: every setting, super-resolution, the pace of training, deployment."""
    found = runs(folder)
    parts = (
        decided(found),
        results(found),
        super_resolution(found),
        compared(folder / "affinity_study.jsonl"),
        training_pace(folder / "training_pace.jsonl"),
        training_pace(folder / "compile_pace.jsonl"),
        deployed(folder / "deployment.jsonl"),
        damaged_files(folder / "fuzz.jsonl"),
    )
    return "\n\n".join(filter(None, parts))


def update(page: Path, folder: Path) -> bool:
    """Write the tables between the page's markers; say whether that changed it. ValueError without a whole pair."""
    tables: dict[tuple[str, str], Callable[[], str]] = {
        (ALL_BEGIN, ALL_END): lambda: everything(folder),
        (NOTEBOOKS_BEGIN, NOTEBOOKS_END): lambda: notebooks(folder / "notebooks.jsonl"),
    }
    text = before = page.read_text(encoding="utf-8")
    carried = [pair for pair in tables if pair[0] in before or pair[1] in before]
    for begin, end in carried or [(ALL_BEGIN, ALL_END)]:
        text = _between(text, begin, end, tables[begin, end], page)
    if text == before:
        return False
    with whole_file(page) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return True


def update_all(folder: Path, records: Path) -> list[Path]:
    """Update the pages in ``folder`` that are there and carry markers; give the changed."""
    begins = ALL_BEGIN, NOTEBOOKS_BEGIN
    found = [path for name in PAGES if (path := folder / name).is_file()]
    marked = [path for path in found if any(begin in path.read_text(encoding="utf-8") for begin in begins)]
    return [path for path in marked if update(path, records)]


def _between(text: str, begin: str, end: str, content: Callable[[], str], page: Path) -> str:
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"expected {begin!r} and {end!r} once each in {page}; put them where the tables belong")
    before, rest = text.split(begin)
    return f"{before}{begin}\n{content()}\n{end}{rest.split(end)[1]}"


def _timed(line: dict[str, Any]) -> str:
    height, width = line["input_size"]
    heading = (
        f"**What is deployed, timed** (`dsrl-lab bench deployment`): `{line['setting']}`, one picture of "
        f"{height}x{width} on one thread, random weights; processor time over the host's in the same turn, "
        "median (quartiles); record in `data/runs/deployment.jsonl`."
    )
    table = [
        {
            "variant": row["name"],
            "true MACs (M)": f"{row['macs'] / 1e6:.1f}",
            "MACs": f"{row['macs_ratio']:.2f}x",
            "PyTorch": _ratio(row["eager_ratio"], row["eager_spread"]),
            "onnxruntime": _ratio(row["onnx_ratio"], row["onnx_spread"]),
        }
        for row in line["rows"]
    ]
    return f"{heading}\n\n{markdown(pd.DataFrame(table))}"


def _ratio(ratio: float | None, spread: Sequence[float]) -> str:
    return "" if ratio is None else f"{ratio:.2f}x ({spread[0]:.2f} to {spread[1]:.2f})"


def _lines(path: Path) -> list[dict[str, Any]]:
    return record.read(path) if path.is_file() else []


def _exports(lines: Sequence[dict[str, Any]]) -> str:
    heading = "**Fewer bits** (`dsrl-lab export --score`): mIoU in % on the whole split, bilinear logits; same record."
    table = [
        {
            "network": f"{line['checkpoint'].removesuffix('.safetensors')}, {line['dataset']} {line['split']}",
            "format": line["format"],
            "precision": line["precision"],
            "size (MB)": f"{line['bytes'] / 1e6:.2f}",
            "mIoU": f"{100 * line['miou']:.1f}",
            "change in points": f"{100 * (line['miou'] - line['pytorch_miou']):+.1f}",
        }
        for line in lines
    ]
    return f"{heading}\n\n{markdown(pd.DataFrame(table))}"
