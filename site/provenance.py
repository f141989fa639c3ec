"""Where figures and tables come from: their records, and the commands that made them."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from pathlib import Path

from dsrl_lab.results.figures import FIGURES, read_manifest

Href = Callable[[str], str]  # the address of a file of the repository
RUN_AS = {
    "streets_resolution": "dsrl-lab reproduce",  # folders of records, and records beside them
    "affinity_study": "dsrl-lab affinity-study",
    "training_pace": "dsrl-lab bench train",
    "compile_pace": "dsrl-lab bench compile (version 0.1)",
    "deployment": "dsrl-lab bench deployment",
    "classroom": "dsrl-lab bench classroom",
    "notebooks": "dsrl-lab notebooks build",
    "fuzz": "pytest -m slow tests/fuzz",
}


def command_of(record: Path) -> str:
    """The command that writes a record like this one; "" for none that is known."""
    known = RUN_AS.get(record.stem) or RUN_AS.get(record.parent.name)
    with record.open(encoding="utf-8") as lines:
        first = json.loads(lines.readline())
    if known or "recipe" not in first:
        return known or ""
    program = "train-sisr" if first["recipe"].startswith("super_resolution_") else "train"
    data = "" if first.get("dataset") in ("streets", "people") else " --data FOLDER"
    return f"dsrl-lab {program} {first['recipe']} --seed {first['seed']}{data}"


def of_table(root: Path, href: Href, words: dict[str, str]) -> Callable[[str], str]:
    """A function that gives, from the heading of a table, a list of its records, each with its command."""
    place = ""

    def note(heading: str) -> str:
        nonlocal place
        found = re.search(r"data/runs/[\w./]+", heading)
        if found:
            place = found[0].rstrip(".")
        elif "same record" not in heading:
            return ""
        records = [root / place] if place.endswith(".jsonl") else sorted((root / place).glob("*.jsonl"))
        lines = [_line(record, record.relative_to(root).as_posix(), href) for record in records]
        summary = words["record_and_command"].format(len(lines))
        return f'<details class="provenance"><summary>{summary}</summary><ul>{"".join(lines)}</ul></details>'

    return note


def _line(record: Path, name: str, href: Href) -> str:
    command = command_of(record)
    shown = f" <code>{html.escape(command)}</code>" if command else ""
    return f'<li><a href="{href(name)}">{record.name}</a>{shown}</li>'


def figures(root: Path, href: Href, words: dict[str, str]) -> str:
    """All figures of the manifest, each with its records and the command that draws it."""
    parts = []
    for name, entry in read_manifest(root / "figures")["figures"].items():
        title = name.replace("_", " ")
        doc = (FIGURES[name].draw.__doc__ or title).strip().partition("\n")[0] if name in FIGURES else title
        inputs = [(Path("data/runs") / file) for file in entry["inputs"]]
        names = [Path(*_resolved(file)).as_posix() for file in inputs]
        links = "".join(f'<li><a href="{href(file)}">{"/".join(Path(file).parts[2:])}</a></li>' for file in names)
        records = f'<p class="hint">{words["no_records"]}</p>'
        if names:
            summary = words["records"].format(len(names))
            records = f'<details class="provenance"><summary>{summary}</summary><ul>{links}</ul></details>'
        module, _, function = entry["function"].rpartition(".")
        parts.append(
            f'<figure><a href="{href(f"figures/{name}.svg")}"><img loading="lazy" alt="{html.escape(doc)}" '
            f'src="{href(f"figures/{name}.png")}"></a><figcaption><h2 id="{name}">{title}</h2><p>{html.escape(doc)}</p>'
            f"<p><code>dsrl-lab figures {name}</code> · {words['drawn_by']} "
            f'<a href="{href(module.replace(".", "/") + ".py")}"><code>{function}</code></a>, {words["at_commit"]} '
            f"<code>{entry['commit']}</code></p></figcaption>{records}</figure>"
        )
    return f'<div class="figures">{"".join(parts)}</div>'


def _resolved(path: Path) -> list[str]:
    parts: list[str] = []
    for part in path.parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return parts
