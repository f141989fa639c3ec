"""Execute ``notebooks/src/NN_name.py`` (py:percent) and write ``notebooks/NN_name.ipynb``, pictures without widgets.

A translation stands below its English text cell as ``# %% [markdown] lang="zh" of="1a2b3c4d"``, the first digits of the
English text's SHA-256; both have the same id. Chinese notebooks are written to ``notebooks/zh``.
"""

import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import jupytext
import nbformat
from nbclient import NotebookClient

from dsrl_lab.files import whole_file
from dsrl_lab.language import ENGLISH, LANGUAGES, LOCALE, VARIABLE

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
METADATA = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
MEASURE = """
import json
from dataclasses import asdict
from dsrl_lab.language import untranslated
from dsrl_lab.tools.bench.process_usage import process_usage
print(json.dumps({"untranslated": untranslated(), **asdict(process_usage())}))
"""
"""The last cell that a kernel runs; it is not part of the notebook."""
STRICT = """import warnings; warnings.simplefilter("error")
for message, category in (
    ("", ResourceWarning),  # files that only the garbage collector closes
    ("__array__ implementation doesn't accept a copy keyword", DeprecationWarning),  # NumPy 2 of torch's tensors
    ("For consistency across implementations", PendingDeprecationWarning),  # ipykernel of its own shutdown
    ("There is no current event loop", DeprecationWarning),  # Python 3.12 of tornado, as the kernel starts
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

    Links of translations, but to other notebooks, get one more "../", since ``notebooks/zh`` is one folder deeper.
    ValueError for a translation that does not follow a text cell; in its own language also for one of an older text.
    """
    notebook, pairs = _pairs(source)
    notebook.cells = [original for original, _ in pairs]
    if language != ENGLISH:
        if stale := [fault for pair in pairs if pair[1] and (fault := _fault(source, *pair))]:
            raise ValueError("; ".join(stale))
        notebook.cells = [translated or original for original, translated in pairs]
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = re.sub(r"\]\((?!\w+:|#|\d\d_\w+\.ipynb)", "](../", cell.source)
    notebook.metadata["kernelspec"] = KERNEL
    return notebook


def _pairs(source: Path) -> tuple[Any, list[tuple[Any, Any]]]:
    """A source, and its English cells, named, each beside its translation or None."""
    notebook = jupytext.read(source)
    pairs: list[tuple[Any, Any]] = []
    for cell in notebook.cells:
        cell.metadata.pop("lines_to_next_cell", None)  # jupytext's; a translation between two cells would change it
        spoken = cell.metadata.get("lang", ENGLISH)
        if spoken == ENGLISH:
            cell["id"] = f"{source.stem[:2]}-{len(pairs):02d}"
            pairs.append((cell, None))
            continue
        original, other = pairs[-1] if pairs else (cell, cell)
        if other is not None or {original.cell_type, cell.cell_type} != {"markdown"}:
            raise ValueError(
                f'{source}, after cell {original["id"]}: a cell with lang="{spoken}" must be text and follow the text '
                f"it translates: {_first_words(cell)}"
            )
        cell["id"] = original["id"]
        pairs[-1] = (original, cell)
    return notebook, pairs


def _first_words(cell: Any) -> str:
    return repr(cell.source.splitlines()[0][:60])


def _digits(cell: Any) -> str:
    return hashlib.sha256(cell.source.encode()).hexdigest()[:8]


def _fault(source: Path, original: Any, translated: Any) -> str:
    named = f"{source.stem}, cell {original['id']} ({_first_words(original)})"
    if translated is None:
        return f"{named} has no Chinese translation" if original.cell_type == "markdown" else ""
    if translated.metadata.get("of") == _digits(original):
        return ""
    return f"{named}: its Chinese is of another text; revise it, then dsrl-lab notebooks stamp {original['id']}"


def translation_faults(folder: Path, names: Sequence[str] = ()) -> list[str]:
    """A sentence for each text cell whose translation is missing or is of another text; as ``choose`` for names."""
    pairs = [(source, *pair) for source in choose(folder, names) for pair in _pairs(source)[1]]
    return [fault for three in pairs if (fault := _fault(*three))]


def stamp(folder: Path, names: Sequence[str] = ()) -> int:
    """Note that translations were revised, of whole sources or of cells ("03-07"); give how many changed."""
    changed = 0
    for source in choose(folder, [name[:2] if re.fullmatch(r"\d\d-\d+", name) else name for name in names]):
        whole = not names or source.stem in names or source.stem[:2] in names
        fresh = ((_digits(cell), whole or cell["id"] in names) for cell, found in _pairs(source)[1] if found)
        lines = source.read_text(encoding="utf-8").split("\n")
        for number, line in enumerate(lines):
            if re.match(r'# %% \[markdown\].* lang="(?!en")', line):
                digits, chosen = next(fresh)
                if chosen and f' of="{digits}"' not in line:
                    lines[number] = re.sub(r' of="[^"]*"', "", line) + f' of="{digits}"'
                    changed += 1
        with whole_file(source) as temporary:
            temporary.write_text("\n".join(lines), encoding="utf-8")
    return changed


def fingerprint(source: Path, language: str = ENGLISH) -> str:
    """SHA-256 of what a notebook of one language is built from: its cells, and a translation's own catalogues."""
    cells = [[cell.cell_type, cell.metadata, cell.source] for cell in read_source(source, language=language).cells]
    catalogues = sorted((LOCALE / language).glob(f"*_{source.stem[:2]}.po"))
    texts = [json.dumps(cells), *(path.read_text(encoding="utf-8") for path in catalogues)]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


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
    does not know the builder's guesses. ``metadata.dsrl_lab`` holds the ``fingerprint``, the fields of ``Effort``, and
    of a translation the texts that no catalogue had. A cell that fails is nbclient's CellExecutionError.
    """
    notebook = read_source(source, language=language)
    notebook.cells.append(nbformat.v4.new_code_cell(MEASURE, id="measure"))
    client = NotebookClient(notebook, timeout=timeout, resources={"metadata": {"path": str(directory)}})
    client.extra_arguments = [f"--IPKernelApp.exec_lines={STRICT}"]
    with tempfile.TemporaryDirectory() as empty:
        chosen = {"DSRL_LAB_STATIC": "1", "OMP_NUM_THREADS": "1", VARIABLE: language}
        chosen["DSRL_LAB_PREDICTIONS"] = str(Path(empty) / "none.jsonl")
        clock = time.perf_counter()
        client.execute(env={**os.environ, **chosen, **(environment or {})})
    measured = json.loads(notebook.cells.pop().outputs[0].text)
    missing = measured.pop("untranslated")
    effort = Effort(wall_seconds=round(time.perf_counter() - clock, 1), **measured)
    spoken = {} if language == ENGLISH else {"language": language, "untranslated": missing}
    return static(notebook, {"source": fingerprint(source, language), **asdict(effort), **spoken})


def static(notebook: Any, noted: Mapping[str, Any]) -> Any:
    """Remove what changes from run to run or shows nothing when saved, and put what is noted into the metadata."""
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
    language: str = ENGLISH,
    record: Path | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[Path]:
    """Execute sources, by name or number ("04"), write the notebooks beside ``src``, gather efforts in ``record``.

    ValueError for an unknown name, or, at the end, for texts in no catalogue; where a cell fails, as ``execute``, the
    notebooks before it are written.
    """
    written, missing = [], []
    for source in choose(folder, names):
        if progress is not None:
            progress(source.stem)
        path = built_path(source, language)
        with tempfile.TemporaryDirectory() as directory:
            notebook = execute(source, directory=Path(directory), language=language)
        with whole_file(path) as temporary:
            nbformat.write(notebook, temporary)
        written.append(path)
        missing += [f"{source.stem}: {text!r}" for text in notebook.metadata["dsrl_lab"].get("untranslated", ())]
        if record is not None:
            gather(folder, record)
    if missing:
        raise ValueError("\n".join(["translate these in dsrl_lab/locale, then build again:", *missing]))
    return written


def built_path(source: Path, language: str = ENGLISH) -> Path:
    """Where a source's notebook of one language is written."""
    return source.parents[1] / ("" if language == ENGLISH else language) / f"{source.stem}.ipynb"


def efforts(folder: Path, language: str = ENGLISH) -> dict[str, Effort]:
    """What each built notebook took, by name; notebooks built before this was noted are left out."""
    noted = {source.stem: _noted(source, language) for source in sources(folder)}
    return {name: Effort.from_json(values) for name, values in noted.items() if "cpu_seconds" in values}


def gather(folder: Path, record: Path) -> None:
    """Write the effort of every built notebook as JSON lines, from the notebooks' own metadata."""
    lines = []
    for language in LANGUAGES:
        spoken = {} if language == ENGLISH else {"language": language}
        for name, took in efforts(folder, language).items():
            lines.append(json.dumps({"kind": "notebook", "name": name} | spoken | asdict(took)) + "\n")
    with whole_file(record) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")


def out_of_step(folder: Path, names: Sequence[str] = (), language: str = ENGLISH) -> list[str]:
    """Names of notebooks that are not built from the source as it is now; an unknown name raises a ValueError."""
    return [
        source.stem
        for source in choose(folder, names)
        if (noted := _noted(source, language)).get("source") != fingerprint(source, language)
        or noted.get("untranslated")
    ]


def _noted(source: Path, language: str) -> dict[str, Any]:
    path = built_path(source, language)
    return dict(nbformat.read(path, as_version=4).metadata.get("dsrl_lab", {})) if path.is_file() else {}
