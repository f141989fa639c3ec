"""What all widgets share: one binary trait, a small state that both sides write, a static twin, a page of its own.

A widget's script is ``kit.js`` (what all scripts share) followed by the widget's own file: one ES module for the
browser. The same script runs in JupyterLab, where the model is anywidget's, and in an exported page, where the model is
a few lines in the page.
"""

from __future__ import annotations

import base64
import html
import json
import os
from collections.abc import Callable, Mapping
from functools import cached_property
from importlib.resources import files
from typing import Any, ClassVar

import numpy as np
from IPython.display import HTML, display
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dsrl_lab.course.notebook import figure_html
from dsrl_lab.plots.theme import theme

ALIGNMENT = 8
STATIC = "DSRL_LAB_STATIC"


def is_static() -> bool:
    """Whether widgets show themselves as pictures: notebooks are built so.

    Example:
        >>> before = os.environ.pop(STATIC, None)
        >>> is_static()
        False
    """
    return os.environ.get(STATIC, "") not in ("", "0")


def pack(arrays: Mapping[str, NDArray[Any]]) -> tuple[dict[str, dict[str, Any]], bytes]:
    """Lay arrays one after the other, so that all cross to the browser as one block of bytes.

    Args:
        arrays: float32, float16 or uint8, by name.

    Returns:
        For each name where it begins (a multiple of 8 bytes), its dtype and shape; and the bytes, little-endian.

    Raises:
        ValueError: another dtype.

    Example:
        >>> layout, block = pack({"a": np.zeros((1, 3), np.uint8), "b": np.ones(2, np.float32)})
        >>> layout["b"], len(block)
        ({'offset': 8, 'dtype': 'float32', 'shape': [2]}, 16)
    """
    layout, block = {}, bytearray()
    for name, array in arrays.items():
        if array.dtype.name not in ("float32", "float16", "uint8"):
            raise ValueError(f"expected float32, float16 or uint8 for {name!r}, got {array.dtype}; convert it first")
        block.extend(bytes(-len(block) % ALIGNMENT))
        layout[name] = {"offset": len(block), "dtype": array.dtype.name, "shape": list(array.shape)}
        block.extend(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes())
    return layout, bytes(block)


def script(name: str) -> str:
    """The ES module of a widget."""
    return "\n".join((files(__package__) / f"{part}.js").read_text(encoding="utf-8") for part in ("kit", name))


def style() -> str:
    """The style sheet of all widgets."""
    return (files(__package__) / "kit.css").read_text(encoding="utf-8")


class Widget:
    """A widget with its static twin; subclasses say what rides in it and how the twin is drawn.

    Args:
        arrays: what crosses as bytes.
        facts: what crosses as JSON and does not change.
        state: what crosses as JSON and changes, on either side.
        alt: what the picture shows, for those who do not see it.
    """

    script_name: ClassVar[str]
    title: ClassVar[str]

    def __init__(
        self, *, arrays: Mapping[str, NDArray[Any]], facts: dict[str, Any], state: dict[str, Any], alt: str
    ) -> None:
        layout, self._block = pack(arrays)
        self._facts = facts | {"arrays": layout, "alt": alt, "title": self.title}
        self._state, self.alt = state, alt
        self._shown_twin: Any = None

    @property
    def state(self) -> dict[str, Any]:
        """What the reader chose, as it is now; set it to choose from Python."""
        live = self.__dict__.get("widget")
        return dict(live.state if live is not None else self._state)

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        self._state = dict(state)
        if "widget" in self.__dict__:
            self.widget.state = dict(state)

    @cached_property
    def widget(self) -> Any:
        """The live widget.

        Raises:
            ImportError: anywidget is not installed; the message says how to get it.
        """
        try:
            import anywidget
            import traitlets
        except ImportError as error:
            raise ImportError(
                "live widgets need anywidget, which is not installed; pip install 'dsrl-lab[lab]', or set "
                f"{STATIC}=1 to see pictures in their place"
            ) from error

        class Live(anywidget.AnyWidget):
            _esm = script(self.script_name)
            _css = style()
            facts = traitlets.Dict().tag(sync=True)
            block = traitlets.Bytes().tag(sync=True)
            state = traitlets.Dict().tag(sync=True)
            problem = traitlets.Unicode().tag(sync=True)
            asked = traitlets.Unicode().tag(sync=True)  # a wish of the reader; apart, so that no state overwrites it

        return Live(facts=self._facts, block=self._block, state=self._state)

    def on_change(self, react: Callable[[dict[str, Any]], None]) -> None:
        """Call ``react`` with the state whenever the reader changes it; what it raises is shown in the widget."""

        def guarded(change: Any) -> None:
            try:
                react(dict(change["new"]))
            except Exception as error:
                self.widget.problem = f"{type(error).__name__}: {error}"
            else:
                self.widget.problem = ""

        self.widget.observe(guarded, names="state")

    def static(self) -> Figure:
        """The picture that stands for the widget where nothing is live."""
        raise NotImplementedError

    def show(self) -> None:
        """Show the widget, or its picture where notebooks are built.

        The picture is put below a live widget too, unseen: a notebook that was saved and is opened again has the
        picture and no model, and shows the one in place of an error about the other.
        """
        if is_static():
            display(self._twin())
            return
        live = self.widget
        display(HTML(STAND_IN))
        self._shown_twin = display(self._twin(), display_id=True)
        display(live)

    def refresh_twin(self) -> None:
        """Draw the picture below the live widget again, from the state as it is now."""
        if self._shown_twin is not None:
            self._shown_twin.update(self._twin())

    def _twin(self) -> HTML:
        with theme():
            return figure_html(self.static(), alt=self.alt)

    def _ipython_display_(self) -> None:
        self.show()

    def page(self) -> str:
        """One HTML page with all in it: it works from the disk, with no kernel and no network."""
        facts = json.dumps(self._facts | {"page": True}).replace("</", "<\\/")
        state = json.dumps(self.state).replace("</", "<\\/")
        module = script(self.script_name).replace("</script", "<\\/script")
        block = base64.b64encode(self._block).decode()
        return PAGE.format(
            title=html.escape(self.title), style=style(), module=module, facts=facts, state=state, block=block
        )


class Refused:
    """A message in place of a widget whose input does not make sense.

    Args:
        message: what was expected, what came, what to do.
    """

    def __init__(self, message: str) -> None:
        self.message = message

    def __repr__(self) -> str:
        return f"Refused({self.message!r})"

    def show(self) -> None:
        """Show the message."""
        display(
            HTML(
                '<div role="alert" style="border:1px solid #D55E00;border-left-width:6px;padding:.6em 1em;'
                f'max-width:60em"><b>No widget here:</b> {html.escape(self.message)}</div>'
            )
        )

    def _ipython_display_(self) -> None:
        self.show()


OUTPUT, MARKED = ".jp-OutputArea-child", ".jp-OutputArea-child:has(.dl-stand-in)"
STAND_IN = f"""<style>
{MARKED},
{MARKED} + {OUTPUT}:has(+ {OUTPUT} .dl),
{MARKED} + {OUTPUT} + {OUTPUT}:not(:has(.dl)) {{ display: none !important; }}
</style><i class="dl-stand-in"></i>"""
"""Of the picture and the widget below it, JupyterLab shows the widget while it lives, and else the picture."""

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><link rel="icon" href="data:,">
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 0 auto; max-width: 1100px; padding: 1rem; background: #fff; font: 15px/1.45 system-ui, sans-serif; }}
@media (prefers-color-scheme: dark) {{
  body {{ background: #111; --jp-content-font-color1: #e8eaed; --jp-layout-color1: #111; --jp-layout-color2: #23272e; }}
}}
{style}
</style></head><body><main><h1 class="dl-title">{title}</h1><div id="here"></div></main>
<script type="module">
{module}
const bytes = Uint8Array.from(atob("{block}"), (c) => c.charCodeAt(0));
const values = {{ facts: {facts}, state: {state}, block: new DataView(bytes.buffer), problem: "", asked: "" }};
const listeners = {{}};
const model = {{
  get: (name) => values[name],
  set: (name, value) => {{ values[name] = value; (listeners["change:" + name] || []).forEach((f) => f()); }},
  on: (name, f) => {{ (listeners[name] ||= []).push(f); }},
  off: () => {{}},
  save_changes: () => {{}},
}};
widget.render({{ model, el: document.getElementById("here") }});
</script></body></html>
"""
