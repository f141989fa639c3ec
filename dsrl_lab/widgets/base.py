"""What all widgets share: one binary trait, a small state that both sides write, a static twin, a page of its own.

A script is ``kit.js`` and the widget's own file as one ES module, the same in JupyterLab and in an exported page.
"""

import base64
import functools
import html
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any, ClassVar, ParamSpec, TypeVar

import numpy as np
import torch
from IPython.display import HTML, display
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor
from traitlets import Any as AnyTrait
from traitlets import Bytes, Dict, HasTraits, Unicode, observe

from dsrl_lab.course.notebook import figure_html
from dsrl_lab.language import language, translate
from dsrl_lab.plots.theme import theme

try:
    from anywidget import AnyWidget
    from ipywidgets import ValueWidget
except ImportError:  # pictures and pages need neither
    AnyWidget, ValueWidget = HasTraits, object  # type: ignore[misc,assignment]

ALIGNMENT = 8
LABELS = ("names", "sources", "classes")
"""The facts that are names to be shown."""
STATIC = "DSRL_LAB_STATIC"
VIEW = "application/vnd.jupyter.widget-view+json"
Given = ParamSpec("Given")
Made = TypeVar("Made")


def is_static() -> bool:
    """Whether widgets show themselves as pictures: notebooks are built so."""
    return os.environ.get(STATIC, "") not in ("", "0")


def as_tensor(array: Any) -> Tensor:
    """A tensor as it is; a NumPy array, or what NumPy reads, as a tensor."""
    return array if isinstance(array, Tensor) else torch.from_numpy(np.array(array))


def as_image(picture: Any) -> Tensor:
    """A picture as a tensor (3, H, W) in [0, 1].

    It comes as such a tensor, or as what NumPy reads as (H, W, 3) or (3, H, W); bytes are divided by 255.
    """
    image = as_tensor(picture)
    if not isinstance(picture, Tensor) and image.ndim == 3 and image.shape[-1] == 3:
        image = image.permute(2, 0, 1)
    return image / 255 if image.dtype == torch.uint8 else image


def pack(arrays: Mapping[str, NDArray[Any]]) -> tuple[dict[str, dict[str, Any]], bytes]:
    """Lay arrays (float32, float16 or uint8, by name) one after the other: all cross to the browser as one block.

    Returns for each name where it begins (a multiple of 8 bytes), its dtype and shape; and the bytes, little-endian.
    """
    layout, block = {}, bytearray()
    for name, array in arrays.items():
        if array.dtype.name not in ("float32", "float16", "uint8"):
            raise ValueError(f"expected float32, float16 or uint8 for {name!r}, got {array.dtype}; convert it first")
        block.extend(bytes(-len(block) % ALIGNMENT))
        layout[name] = {"offset": len(block), "dtype": array.dtype.name, "shape": list(array.shape)}
        block.extend(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes())
    return layout, bytes(block)


def source(*names: str) -> str:
    """The text of files beside this one."""
    return "\n".join((files(__package__) / name).read_text(encoding="utf-8") for name in names)


def spoken(script_name: str, names: Sequence[str] = ()) -> dict[str, Any]:
    """What a script needs to speak the chosen language: its name, and the texts and names that differ in it."""
    shown = [*re.findall(r'\bsay\("([^"]*)"', source("kit.js", f"{script_name}.js")), *names]
    return {"language": language(), "texts": {text: said for text in shown if (said := translate(text)) != text}}


class Widget(AnyWidget, ValueWidget):
    """A widget with its static twin; subclasses say what crosses to the browser and how the twin is drawn.

    It is an ipywidget: ``HBox([a, b])``, ``interact(f, x=a)``, ``link((a, "value"), (b, "value"))`` and ``display(a)``
    take it as it is. Without anywidget there are pictures and pages, and nothing live. ``arrays`` cross as bytes,
    ``facts`` as JSON that stays, ``state`` as JSON that either side changes; ``value`` is the entry of the state that
    ``chosen`` names: set it, observe it, link it. ``alt`` describes the picture; ``guide`` is shown below the widget:
    {"Touch": "...", "Look for": "...", "Ask yourself": "..."}.
    """

    script_name: ClassVar[str] = ""
    title: ClassVar[str]
    chosen: ClassVar[str]

    facts = Dict().tag(sync=True)
    block = Bytes().tag(sync=True)
    state = Dict().tag(sync=True)
    problem = Unicode().tag(sync=True)
    asked = Unicode().tag(sync=True)  # a wish of the reader; apart, so that no state overwrites it
    value = AnyTrait()

    def __init_subclass__(cls, **more: Any) -> None:
        if "script_name" in vars(cls):  # and not in the class that anywidget derives for each widget
            cls._esm, cls._css = source("kit.js", f"{cls.script_name}.js"), source("kit.css")
        super().__init_subclass__(**more)

    def __init__(
        self,
        *,
        arrays: Mapping[str, NDArray[Any]],
        facts: dict[str, Any],
        state: dict[str, Any],
        alt: str,
        guide: Mapping[str, str] | None = None,
    ) -> None:
        layout, block = pack(arrays)
        self.alt, self._shown_twin = alt, None
        shared = {"arrays": layout, "title": translate(self.title)}
        shared |= spoken(self.script_name, [name for label in LABELS for name in facts.get(label, ())])
        shared["guide"] = {translate(label): translate(text) for label, text in (guide or {}).items()}
        super().__init__(facts=facts | shared, block=block, state=state)

    def open(self) -> None:
        """Announce the widget to the browser, except where notebooks are built."""
        if not is_static():
            super().open()

    @observe("state")
    def _take_value(self, change: Any) -> None:
        value = change["new"][self.chosen]
        self.value = tuple(value) if isinstance(value, list) else value

    @observe("value")
    def _give_value(self, change: Any) -> None:
        value = list(change["new"]) if isinstance(change["new"], tuple) else change["new"]
        if value != self.state[self.chosen]:
            self.state = self.state | {self.chosen: value}

    def on_change(self, react: Callable[[dict[str, Any]], None]) -> None:
        """Call ``react`` with the state whenever the reader changes it; what it raises is shown in the widget."""

        def guarded(change: Any) -> None:
            try:
                react(dict(change["new"]))
            except Exception as error:
                self.problem = f"{type(error).__name__}: {error}"
            else:
                self.problem = ""

        self.observe(guarded, names="state")

    def static(self) -> Figure:
        """The picture that stands for the widget where nothing is live."""
        raise NotImplementedError

    def _ipython_display_(self) -> None:
        """Show the widget, or its picture where notebooks are built."""
        if is_static():
            display(self._twin())
            return
        if AnyWidget is HasTraits:
            raise ImportError(f"live widgets need anywidget: pip install -e '.[lab]', or {STATIC}=1 for pictures")
        # A saved notebook that is opened again has no model: it shows this picture in place of an error about it.
        self._shown_twin = display(self._twin(STAND_IN), display_id=True)
        display({VIEW: {"version_major": 2, "version_minor": 0, "model_id": self.model_id}}, raw=True)

    def refresh_twin(self) -> None:
        """Draw the picture beside the live widget again, from the state as it is now."""
        if self._shown_twin is not None:
            self._shown_twin.update(self._twin(STAND_IN))

    def _twin(self, before: str = "") -> HTML:
        with theme():
            picture = figure_html(self.static(), alt=self.alt).data
        lines = [(translate("{label}:", label=name), text) for name, text in self.facts["guide"].items()]
        guide = "<br>".join(f"<b>{html.escape(name)}</b> {html.escape(text)}" for name, text in lines)
        return HTML(before + picture + (f"<p>{guide}</p>" if guide else ""))

    def page(self) -> str:
        """One HTML page with all in it: it works from the disk, with no kernel and no network."""
        values = {name: html.escape(self.facts[name]) for name in ("title", "language")} | {"style": source("kit.css")}
        values |= {name: json.dumps(getattr(self, name)).replace("</", "<\\/") for name in ("facts", "state")}
        values |= {"module": str(self._esm).replace("</script", "<\\/script")}
        return PAGE.format(**values, block=base64.b64encode(self.block).decode())


class Refused:
    """A message in place of a widget whose input does not make sense: what was expected, what came, what to do."""

    def __init__(self, message: str) -> None:
        self.message = message

    def __repr__(self) -> str:
        return f"Refused({self.message!r})"

    def _repr_html_(self) -> str:
        return (
            '<div role="alert" style="border:1px solid #D55E00;border-left-width:6px;padding:.6em 1em;'
            f'max-width:60em"><b>{translate("No widget here:")}</b> {html.escape(self.message)}</div>'
        )


def or_refused(widget: Callable[Given, Made]) -> Callable[Given, Made | Refused]:
    """The public function of a widget's class: input that makes no sense gives a message in place of the widget."""

    @functools.wraps(widget, updated=())
    def make(*args: Given.args, **kwargs: Given.kwargs) -> Made | Refused:
        try:
            return widget(*args, **kwargs)
        except ValueError as error:
            return Refused(str(error))

    return make


OUTPUT, MARKED = ".jp-OutputArea-child", ".jp-OutputArea-child:has(.dl-stand-in)"
STAND_IN = f"""<style>
{MARKED}:has(+ {OUTPUT} .dl), {MARKED} + {OUTPUT}:not(:has(.dl)) {{ display: none !important; }}
</style><i class="dl-stand-in"></i>"""
"""Of the picture and the widget below it, JupyterLab shows the widget while it lives, and else the picture."""

PAGE = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><link rel="icon" href="data:,">
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 0 auto; max-width: 1020px; padding: .5rem; background: #fff; font: 15px/1.45 system-ui, sans-serif; }}
h1 {{ font-size: 1.2rem; margin: .2rem 0 .5rem; color: var(--jp-content-font-color1, #1f2328); }}
@media (prefers-color-scheme: dark) {{
  body {{ background: #111; --jp-content-font-color1: #e8eaed; --jp-layout-color1: #111; --jp-layout-color2: #23272e; }}
}}
{style}
</style></head><body><main><h1>{title}</h1><div id="here"></div></main>
<script type="module">
{module}
const bytes = Uint8Array.from(atob("{block}"), (c) => c.charCodeAt(0));
const values = {{ facts: {facts}, state: {state}, block: new DataView(bytes.buffer), problem: "", asked: "" }};
const listeners = {{}};
const model = {{
  get: (name) => values[name],
  set: (name, value) => {{ values[name] = value; (listeners["change:" + name] || []).forEach((f) => f()); }},
  on: (name, f) => {{ (listeners[name] ||= []).push(f); }},
  save_changes: () => {{}},
}};
render({{ model, el: document.getElementById("here") }});
</script></body></html>
"""
