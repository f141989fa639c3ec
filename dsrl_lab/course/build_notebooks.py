"""From notebook sources to notebooks: execute ``notebooks/src/NN_name.py`` and write ``notebooks/NN_name.ipynb``.

The sources (py:percent) are the truth. A built notebook holds its outputs as static pictures, no widget view and no
widget state; from which source it was built stands in its metadata as a SHA-256, so that one out of step is found,
beside what the build took. ``data/runs/notebooks.jsonl`` gathers that of all notebooks, and README shows it.

Languages: a text cell is English unless its ``lang`` says otherwise. Its translation stands directly below it as
``# %% [markdown] lang="zh"``; a build takes one language, and English where a cell has not been translated. Cells are
numbered without their translations, so that an id names the same cell in every language.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import jupytext
import nbformat
from nbclient import NotebookClient

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
ENGLISH = "en"
MEASURE = """
import json
from dataclasses import asdict
from dsrl_lab.tools.bench.process_usage import spent
print(json.dumps(asdict(spent())))
"""
"""The last cell that a kernel runs; it is not part of the notebook."""


@dataclass(frozen=True, kw_only=True)
class Effort:
    """What executing one notebook took, the kernel's start and all imports included.

    Attributes:
        cpu_seconds: processor time, with one thread for mathematics.
        wall_seconds: by the clock; other work on the machine makes it longer.
        peak_megabytes: the most memory the kernel held, in units of 10^6 bytes.
    """

    cpu_seconds: float
    wall_seconds: float
    peak_megabytes: float

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """From the part of a notebook's metadata, or of a record's line, that holds it."""
        return cls(**{name: float(values[name]) for name in cls.__dataclass_fields__})


def sources(folder: Path) -> list[Path]:
    """The sources below ``folder``/src, in order."""
    return sorted((folder / "src").glob("[0-9][0-9]_*.py"))


def choose(folder: Path, names: Sequence[str]) -> list[Path]:
    """The sources with these names or numbers; all for none.

    Raises:
        ValueError: no source is called so; the message lists those there are.
    """
    known = sources(folder)
    for name in names:
        if not any(name in (source.stem, source.stem[:2]) for source in known):
            there = ", ".join(source.stem for source in known) or "none"
            raise ValueError(f"no notebook {name!r} in {folder / 'src'}; there are {there}")
    return [source for source in known if not names or source.stem in names or source.stem[:2] in names]


def read_source(source: Path, *, language: str = ENGLISH) -> Any:
    """A source as a notebook of one language, its cells named by their place: "03-07" is the eighth of 03.

    Args:
        source: a py:percent file.
        language: which of the cells that stand side by side are taken; English where there is no such cell.

    Raises:
        ValueError: a translation that does not follow a text cell.
    """
    notebook = jupytext.read(source)
    cells: list[Any] = []
    for cell in notebook.cells:
        spoken = cell.metadata.get("lang", ENGLISH)
        if spoken == ENGLISH:
            cell["id"] = f"{source.stem[:2]}-{len(cells):02d}"
            cells.append(cell)
            continue
        if not cells or cells[-1].cell_type != "markdown" or cell.cell_type != "markdown":
            raise ValueError(
                f'{source}: a cell with lang="{spoken}" must be text and follow the text that it translates'
            )
        if spoken == language:
            cell["id"] = cells[-1]["id"]
            cells[-1] = cell
    notebook.cells = cells
    notebook.metadata["kernelspec"] = KERNEL
    return notebook


def execute(
    source: Path,
    *,
    directory: Path,
    language: str = ENGLISH,
    timeout: int = 1200,
    environment: Mapping[str, str] | None = None,
) -> Any:
    """Execute one source in a fresh kernel, with ``directory`` as its working directory.

    The kernel has one thread for mathematics, shows widgets as pictures (DSRL_LAB_STATIC=1), and does not know the
    guesses of whoever builds.

    Args:
        source: a py:percent file.
        directory: where the kernel runs; any will do.
        language: of the text cells.
        timeout: seconds that one cell may take.
        environment: further variables for the kernel.

    Returns:
        The notebook; ``metadata.dsrl_lab`` holds the source's SHA-256 and the fields of ``Effort``.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    notebook = read_source(source, language=language)
    notebook.cells.append(nbformat.v4.new_code_cell(MEASURE, id="measure"))
    client = NotebookClient(notebook, timeout=timeout, resources={"metadata": {"path": str(directory)}})
    with tempfile.TemporaryDirectory() as empty:
        chosen = {
            "DSRL_LAB_STATIC": "1",
            "DSRL_LAB_PREDICTIONS": str(Path(empty) / "none.jsonl"),
            "OMP_NUM_THREADS": "1",
        }
        clock = time.perf_counter()
        client.execute(env={**os.environ, **chosen, **(environment or {})})
    measured = json.loads(notebook.cells.pop().outputs[0].text)
    effort = Effort(wall_seconds=round(time.perf_counter() - clock, 1), **measured)
    return static(notebook, source, effort)


def static(notebook: Any, source: Path, effort: Effort) -> Any:
    """Take out what changes from run to run or shows nothing when saved, and note the source and what it took."""
    noted = {"source": fingerprint(source), **asdict(effort)}
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": KERNEL, "language_info": {"name": "python"}, "dsrl_lab": noted}
    )
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({k: v for k, v in cell.metadata.items() if k != "execution"})
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET_VIEW, None)
    return notebook


def build(
    folder: Path,
    names: Sequence[str] = (),
    *,
    record: Path | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[Path]:
    """Execute sources and write the notebooks beside ``src``; gather what they took in ``record``.

    Args:
        folder: holds src/ and the notebooks.
        names: which, by name ("04_segmentation_hosts") or number ("04"); all by default.
        record: JSON lines with the effort of every notebook that is built; None for none.
        progress: called with each name before it is executed.

    Returns:
        The notebooks that were written.

    Raises:
        ValueError: an unknown name.
        nbclient.exceptions.CellExecutionError: a cell failed; notebooks before it are written.
    """
    written = []
    for source in choose(folder, names):
        if progress is not None:
            progress(source.stem)
        path = folder / f"{source.stem}.ipynb"
        temporary = path.with_suffix(".ipynb.part")
        with tempfile.TemporaryDirectory() as directory:
            nbformat.write(execute(source, directory=Path(directory)), temporary)
        temporary.replace(path)
        written.append(path)
        if record is not None:
            gather(folder, record)
    return written


def efforts(folder: Path) -> dict[str, Effort]:
    """What each built notebook took, by name; notebooks built before this was noted are left out."""
    found = {}
    for source in sources(folder):
        noted = _noted(folder, source)
        if "cpu_seconds" in noted:
            found[source.stem] = Effort.from_json(noted)
    return found


def gather(folder: Path, record: Path) -> None:
    """Write the effort of every built notebook as JSON lines, from the notebooks' own metadata."""
    lines = [json.dumps({"kind": "notebook", "name": name} | asdict(took)) for name, took in efforts(folder).items()]
    record.parent.mkdir(parents=True, exist_ok=True)
    temporary = record.with_name(record.name + ".part")
    temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    temporary.replace(record)


def out_of_step(folder: Path, names: Sequence[str] = ()) -> list[str]:
    """Names of notebooks that are not built, or not from the source as it is now.

    Raises:
        ValueError: an unknown name.
    """
    chosen = choose(folder, names)
    return [source.stem for source in chosen if _noted(folder, source).get("source") != fingerprint(source)]


def fingerprint(source: Path) -> str:
    """SHA-256 of a source."""
    return hashlib.sha256(source.read_bytes()).hexdigest()


def _noted(folder: Path, source: Path) -> dict[str, Any]:
    path = folder / f"{source.stem}.ipynb"
    if not path.is_file():
        return {}
    return dict(nbformat.read(path, as_version=4).metadata.get("dsrl_lab", {}))
