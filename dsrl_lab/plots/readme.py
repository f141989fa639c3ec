"""The tables of README.md, written from records: no number there is typed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dsrl_lab.plots.ablation import AblationRow, ablation
from dsrl_lab.plots.records import Estimate, Run, find_runs

BEGIN, END = "<!-- results: dsrl-lab figures -->", "<!-- end of results -->"
SETTINGS = {
    "streets_tinynet": "Drawn streets, TinyNet from scratch (`make reproduce`)",
    "camvid_espnetv2": "CamVid val, ESPNetv2 width 1.0 from the released Cityscapes weights",
}


def results(runs: Sequence[Run]) -> str:
    """All settings' tables in Markdown, each with the command, sizes and seeds behind it.

    Example:
        >>> results([])
        ''
    """
    parts = []
    for setting, title in SETTINGS.items():
        rows = ablation([run for run in runs if run.setting == setting])
        if rows:
            parts.append(_table(title, setting, rows))
    return "\n\n".join(parts)


def update(readme: Path, runs: Path) -> bool:
    """Write the tables between the README's two markers; say whether that changed anything.

    Raises:
        ValueError: the README has no such markers.
    """
    text = readme.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"expected {BEGIN!r} and {END!r} once each in {readme}; put them where the tables belong")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    changed = f"{before}{BEGIN}\n{results(find_runs(runs))}\n{END}{after}"
    if changed == text:
        return False
    readme.write_text(changed, encoding="utf-8")
    return True


def _table(title: str, setting: str, rows: Sequence[AblationRow]) -> str:
    train = rows[0].runs[0].first["train"]
    height, width = train["input_size"]
    scale = rows[0].runs[0].first["network"]["upscale_factor"]
    lines = [
        f"**{title}**: input {height}x{width}, pictures of {scale * height}x{scale * width}, {train['iterations']} "
        f"iterations of {train['batch_size']}; records in `data/runs/{setting}`. mIoU in %, bilinear logits at the "
        "pictures' size; the gain is paired by seed.",
        "",
        "| row | mIoU | gain | thin classes | by magnified labels | true MACs (M) | SISR PSNR (dB) |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [
            row.label,
            _show(row.score()),
            _show(row.gain(), signed=True),
            _show(row.score("logits.thin_miou")),
            _show(row.score("labels.miou")),
            f"{row.macs:.1f}",
            _show(row.score("super_resolution.psnr"), scale=1),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _show(score: Estimate | None, *, scale: float = 100, signed: bool = False) -> str:
    return "" if score is None else score.show(scale=scale, signed=signed)
