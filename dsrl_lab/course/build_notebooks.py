"""Execute ``notebooks/src/NN_name.py`` (py:percent) and write ``notebooks/NN_name.ipynb``, pictures without widgets.

A translation stands below its English text cell as ``# %% [markdown] lang="zh"``; both have the same id.
"""

from __future__ import annotations

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

from dsrl_lab.files import sha256, whole_file

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
METADATA = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
ENGLISH = "en"
MEASURE = """
import json
from dataclasses import asdict
from dsrl_lab.tools.bench.process_usage import process_usage
print(json.dumps(asdict(process_usage())))
"""
"""The last cell that a kernel runs; it is not part of the notebook."""
STRICT = """import warnings; warnings.simplefilter("error")
for message, category in (
    ("", ResourceWarning),  # files that only the garbage collector closes
    ("__array__ implementation doesn't accept a copy keyword", DeprecationWarning),  # NumPy 2 of torch's tensors
    ("For consistency across implementations", PendingDeprecationWarning),  # ipykernel of its own shutdown
): warnings.filterwarnings("ignore", message, category)"""
"""What a kernel starts with: any warning stops a notebook, but for those of others that nobody here can change."""


@dataclass(frozen=True, kw_only=True)
class Effort:
    """What executing one notebook took, the kernel's start and all imports included; a megabyte is 10^6 bytes."""

    cpu_seconds: float
    wall_seconds: float
    peak_megabytes: float

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """From a notebook's metadata or a record's line, which may hold more."""
        return cls(**{name: float(values[name]) for name in cls.__dataclass_fields__})


def sources(folder: Path) -> list[Path]:
    """The sources below ``folder``/src, in order."""
    return sorted((folder / "src").glob("[0-9][0-9]_*.py"))


def choose(folder: Path, names: Sequence[str]) -> list[Path]:
    """The sources with these names or numbers; all for none. For an unknown one, a ValueError lists those there are.

    FileNotFoundError if there are no sources at all.
    """
    known = sources(folder)
    if not known:
        raise FileNotFoundError(f"no notebook NN_name.py in {folder / 'src'}; go to the kit's folder, or give --folder")
    for name in names:
        if not any(name in (source.stem, source.stem[:2]) for source in known):
            there = ", ".join(source.stem for source in known)
            raise ValueError(f"no notebook {name!r} in {folder / 'src'}; there are {there}")
    return [source for source in known if not names or source.stem in names or source.stem[:2] in names]


def read_source(source: Path, *, language: str = ENGLISH) -> Any:
    """A source as a notebook of one language (English where it has no translation), its eighth cell named "03-07".

    ValueError for a translation that does not follow a text cell.
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
            raise ValueError(f'{source}: a cell with lang="{spoken}" must be text and follow the text it translates')
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
    """Execute a source in a fresh kernel in ``directory``, with a timeout in seconds for each cell.

    The kernel has one thread for mathematics, shows widgets as pictures, takes warnings for errors (``STRICT``), and
    does not know the builder's guesses. ``metadata.dsrl_lab`` holds the source's SHA-256 and the fields of ``Effort``.
    A cell that fails is nbclient's CellExecutionError.
    """
    notebook = read_source(source, language=language)
    notebook.cells.append(nbformat.v4.new_code_cell(MEASURE, id="measure"))
    client = NotebookClient(notebook, timeout=timeout, resources={"metadata": {"path": str(directory)}})
    client.extra_arguments = [f"--IPKernelApp.exec_lines={STRICT}"]
    with tempfile.TemporaryDirectory() as empty:
        chosen = {"DSRL_LAB_STATIC": "1", "OMP_NUM_THREADS": "1"}
        chosen["DSRL_LAB_PREDICTIONS"] = str(Path(empty) / "none.jsonl")
        clock = time.perf_counter()
        client.execute(env={**os.environ, **chosen, **(environment or {})})
    measured = json.loads(notebook.cells.pop().outputs[0].text)
    effort = Effort(wall_seconds=round(time.perf_counter() - clock, 1), **measured)
    return static(notebook, source, effort)


def static(notebook: Any, source: Path, effort: Effort) -> Any:
    """Remove what changes from run to run or shows nothing when saved, and note the source and what it took."""
    noted = {"source": sha256(source), **asdict(effort)}
    notebook.metadata = nbformat.from_dict(METADATA | {"dsrl_lab": noted})
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
    """Execute sources, by name or number ("04"), write the notebooks beside ``src``, gather efforts in ``record``.

    ValueError for an unknown name; where a cell fails, as ``execute``, the notebooks before it are written.
    """
    written = []
    for source in choose(folder, names):
        if progress is not None:
            progress(source.stem)
        path = folder / f"{source.stem}.ipynb"
        with tempfile.TemporaryDirectory() as directory:
            notebook = execute(source, directory=Path(directory))
        with whole_file(path) as temporary:
            nbformat.write(notebook, temporary)
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
    with whole_file(record) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def out_of_step(folder: Path, names: Sequence[str] = ()) -> list[str]:
    """Names of notebooks that are not built from the source as it is now; an unknown name raises a ValueError."""
    chosen = choose(folder, names)
    return [source.stem for source in chosen if _noted(folder, source).get("source") != sha256(source)]


def _noted(folder: Path, source: Path) -> dict[str, Any]:
    path = folder / f"{source.stem}.ipynb"
    if not path.is_file():
        return {}
    return dict(nbformat.read(path, as_version=4).metadata.get("dsrl_lab", {}))
