"""What every notebook begins with, and pictures as HTML ``<img alt=...>``: JupyterLab ignores a text in metadata."""

from __future__ import annotations

import base64
import html
import io
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch
from IPython.display import HTML, display
from matplotlib.figure import Figure
from PIL import Image

from dsrl_lab.files import REPOSITORY

MOST_WIDTH = 1100


@dataclass(frozen=True)
class Lab:
    """The kit as a notebook sees it: the checkout's folder, with ``data`` and ``figures``."""

    root: Path

    def figure(self, name: str, *, alt: str) -> None:
        """Show one of the figures of ``dsrl-lab figures``, its records and command below it; or the command alone."""
        path = self.root / "figures" / f"{name}.png"
        if path.is_file():
            from dsrl_lab.results.figures import read_manifest

            inputs = read_manifest(self.root / "figures")["figures"].get(name, {}).get("inputs", {})
            runs = ", ".join(sorted({file.partition("/")[0] for file in inputs if file.endswith(".jsonl")}))
            text = "Drawn by {command}" + (
                " from {number} files: data/runs, {runs}." if inputs else " without records."
            )
            text = text.format(command=f"<code>dsrl-lab figures {name}</code>", number=len(inputs), runs=runs)
            display(HTML(f"{_img(path.read_bytes(), alt=alt).data}<p><small>{text}</small></p>"))
        else:
            display(HTML(f"<p>Figure <code>{name}</code> is not drawn yet: <code>dsrl-lab figures {name}</code></p>"))


def start(seed: int = 0) -> Lab:
    """Begin a notebook: seed PyTorch's draws, print versions, and give the kit's pictures.

    Example:
        >>> start().root.name != ""  # doctest: +ELLIPSIS
        DSRL Lab ...
        True
    """
    torch.manual_seed(seed)
    print(
        f"DSRL Lab {version('dsrl-lab')} · Python {platform.python_version()} · torch {torch.__version__} · seed {seed}"
    )
    return Lab(REPOSITORY)


def show_figure(figure: Figure, *, alt: str) -> None:
    """Show a matplotlib figure as a picture with alternative text."""
    display(figure_html(figure, alt=alt))


def figure_html(figure: Figure, *, alt: str) -> HTML:
    """A matplotlib figure as the ``<img alt=...>`` that ``show_figure`` shows."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return _img(buffer.getvalue(), alt=alt)


def _img(content: bytes, *, alt: str) -> HTML:
    kind, small = _for_the_page(content)
    data = base64.b64encode(small).decode()
    style = f"max-width:min(100%,{MOST_WIDTH}px)"
    return HTML(f'<img alt="{html.escape(alt)}" style="{style}" src="data:image/{kind};base64,{data}">')


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
