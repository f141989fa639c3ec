"""From notebook sources to notebooks: execute ``notebooks/src/NN_name.py`` and write ``notebooks/NN_name.ipynb``.

The sources (py:percent) are the truth. A built notebook holds its outputs as static pictures, no widget view and no
widget state; which source it was built from stands in its metadata as a SHA-256, so that one out of step is found.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def sources(folder: Path) -> list[Path]:
    """The sources below ``folder``/src, in order."""
    return sorted((folder / "src").glob("[0-9][0-9]_*.py"))


def execute(source: Path, *, directory: Path, timeout: int = 600) -> Any:
    """Execute one source in a fresh kernel, with ``directory`` as its working directory.

    Args:
        source: a py:percent file.
        directory: where the kernel runs; any will do.
        timeout: seconds that one cell may take.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    notebook = jupytext.read(source)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"{source.stem[:2]}-{number:02d}"
    notebook.metadata["kernelspec"] = KERNEL
    NotebookClient(notebook, timeout=timeout, resources={"metadata": {"path": str(directory)}}).execute()
    return static(notebook, source)


def static(notebook: Any, source: Path) -> Any:
    """Take out what changes from run to run or shows nothing when saved, and note the source."""
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": KERNEL, "language_info": {"name": "python"}, "dsrl_lab": {"source": fingerprint(source)}}
    )
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({k: v for k, v in cell.metadata.items() if k != "execution"})
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET_VIEW, None)
    return notebook


def build(folder: Path) -> list[Path]:
    """Execute every source and write the notebooks beside ``src``; give their paths."""
    written = []
    for source in sources(folder):
        path = folder / f"{source.stem}.ipynb"
        nbformat.write(execute(source, directory=folder), path)
        written.append(path)
    return written


def out_of_step(folder: Path) -> list[str]:
    """Names of notebooks that are not built, or not from the source as it is now."""
    wrong = []
    for source in sources(folder):
        path = folder / f"{source.stem}.ipynb"
        built = nbformat.read(path, as_version=4).metadata.get("dsrl_lab", {}) if path.is_file() else {}
        if built.get("source") != fingerprint(source):
            wrong.append(source.stem)
    return wrong


def fingerprint(source: Path) -> str:
    """SHA-256 of a source."""
    return hashlib.sha256(source.read_bytes()).hexdigest()
