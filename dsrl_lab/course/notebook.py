"""What every notebook begins with, and pictures as HTML ``<img alt=...>``: JupyterLab ignores a text in metadata."""

import base64
import builtins
import html
import io
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from IPython import get_ipython
from IPython.display import HTML, display
from matplotlib.figure import Figure
from PIL import Image

from dsrl_lab.files import REPOSITORY
from dsrl_lab.language import language, translate
from dsrl_lab.plots.theme import translate_texts

MOST_WIDTH = 1100


@dataclass(frozen=True)
class Lab:
    """The kit as a notebook sees it: the checkout's folder, with ``data`` and ``figures``."""

    root: Path

    def figure(self, name: str, *, alt: str) -> None:
        """Show one of the figures of ``dsrl-lab figures``, its records and command below it; or the command alone."""
        folders = [folder for folder in (language(), "") if (self.root / "figures" / folder / f"{name}.png").is_file()]
        command = f"<code>dsrl-lab figures {name}</code>"
        if not folders:
            missing = translate("Figure {name} is not drawn yet:", name=f"<code>{name}</code>")
            display(HTML(f"<p>{missing} {command}</p>"))
            return
        from dsrl_lab.results.figures import read_manifest

        folder = self.root / "figures" / folders[0]
        inputs = read_manifest(folder)["figures"].get(name, {}).get("inputs", {})
        runs = ", ".join(sorted({file.partition("/")[0] for file in inputs if file.endswith(".jsonl")}))
        text = translate("Drawn by {command} without records.", command=command)
        if inputs:
            drawn = "Drawn by {command} from {number} files: data/runs, {runs}."
            text = translate(drawn, command=command, number=len(inputs), runs=runs)
        page = _img((folder / f"{name}.png").read_bytes(), alt=alt).data
        display(HTML(f"{page}<p><small>{text}</small></p>"))


def start(seed: int = 0) -> Lab:
    """Begin a notebook: seed PyTorch's draws, print versions, and give the kit's pictures.

    From here on, the notebook's ``print`` shows texts in the reader's language.

    Example:
        >>> start().root.name != ""  # doctest: +ELLIPSIS
        DSRL Lab ...
        True
    """
    torch.manual_seed(seed)
    if (shell := get_ipython()) is not None:
        shell.user_ns["print"] = _print
    packages = f"DSRL Lab {version('dsrl-lab')} · Python {platform.python_version()} · torch {torch.__version__}"
    print(f"{packages} · {translate('seed')} {seed}")
    return Lab(REPOSITORY)


def _print(*values: object, **options: Any) -> None:
    builtins.print(*map(_translated, values), **options)


def _translated(value: object) -> object:
    if isinstance(value, dict):
        return {_translated(key): _translated(one) for key, one in value.items()}
    return translate(value) if isinstance(value, str) else value


def show_figure(figure: Figure, *, alt: str) -> None:
    """Show a matplotlib figure as a picture with alternative text."""
    display(figure_html(figure, alt=alt))


def figure_html(figure: Figure, *, alt: str) -> HTML:
    """A matplotlib figure, its texts in the reader's language, as the ``<img alt=...>`` that ``show_figure`` shows."""
    translate_texts(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return _img(buffer.getvalue(), alt=alt)


def _img(content: bytes, *, alt: str) -> HTML:
    kind, small = _for_the_page(content)
    data = base64.b64encode(small).decode()
    style = f"max-width:min(100%,{MOST_WIDTH}px)"
    return HTML(f'<img alt="{html.escape(translate(alt))}" style="{style}" src="data:image/{kind};base64,{data}">')


def _for_the_page(content: bytes) -> tuple[str, bytes]:
    """The picture no wider than the page, as PNG or JPEG, whichever is smaller: notebooks stay under a megabyte."""
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    picture.thumbnail((MOST_WIDTH, 10 * MOST_WIDTH), Image.Resampling.LANCZOS)
    encoded = []
    for kind, options in (("png", {"optimize": True}), ("jpeg", {"quality": 88})):
        buffer = io.BytesIO()
        picture.save(buffer, format=kind, **options)
        encoded.append((len(buffer.getvalue()), kind, buffer.getvalue()))
    _, kind, small = min(encoded)
    return kind, small
