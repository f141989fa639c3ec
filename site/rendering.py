"""Markdown and notebooks as HTML: formulas as MathML, links to files of the repository as links inside the site."""

from __future__ import annotations

import html
import json
import re
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from nbconvert import HTMLExporter
from nbconvert.filters.highlight import Highlight2HTML
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from traitlets import Any as AnyTrait

HERE = Path(__file__).resolve().parent
Link = Callable[[str], str]


@cache
def _node() -> subprocess.Popen[str]:
    return subprocess.Popen(["node", str(HERE / "math.mjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@cache
def formula(text: str, display: bool) -> str:
    """TeX as MathML."""
    process = _node()
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(json.dumps([text, display]) + "\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        raise ValueError(f"KaTeX does not read the formula {text!r}; see its message above")
    return str(json.loads(answer))


class Renderer(IPythonRenderer):
    """nbconvert's renderer with links of the site; ``note`` gives what follows a table, from the text before it."""

    def __init__(self, link: Link, note: Callable[[str], str] | None = None) -> None:
        super().__init__(escape=False, exclude_anchor_links=True)
        self._link, self._note, self._before = link, note, ""

    def heading(self, text: str, level: int, **attributes: Any) -> str:
        """A heading with an address of its own."""
        name = re.sub(r"[^\w]+", "-", html.unescape(re.sub(r"<[^>]+>", "", text)).lower()).strip("-")
        return f'<h{level} id="{name}">{text}</h{level}>\n'

    def link(self, text: str, url: str, title: str | None = None) -> str:
        """A link whose target is in the site."""
        return f'<a href="{html.escape(self._link(url))}">{text}</a>'

    def image(self, text: str, url: str, title: str | None = None) -> str:
        """A picture whose file is in the site."""
        return f'<img alt="{html.escape(text)}" src="{html.escape(self._link(url))}">'

    def paragraph(self, text: str) -> str:
        """A paragraph; a table's heading is the last before it."""
        self._before = text
        return super().paragraph(text)

    def table(self, text: str) -> str:
        """A table that sorts, in a box that scrolls where the screen is narrow, and what follows it."""
        after = self._note(self._before) if self._note else ""
        strong = re.search(r"<strong>(.*?)</strong>", self._before)
        label = html.unescape(re.sub(r"<[^>]+>", "", strong[1])) if strong else "table"
        return f"{in_scroll_box(f'<table class=sortable>{text}</table>', label)}{after}\n"

    def block_code(self, code: str, info: str | None = None) -> str:
        """Code, in colours where its language is known."""
        return highlighted(code, (info or "text").strip() or "text")

    def block_math(self, body: str) -> str:
        """A formula on its own line."""
        return f'<span class="formula" tabindex="0" role="group" aria-label="formula">{formula(body, True)}</span>'

    def inline_math(self, body: str) -> str:
        """A formula in a line."""
        return formula(body, False)


def markdown(text: str, link: Link, note: Callable[[str], str] | None = None) -> str:
    """Markdown as HTML."""
    return MarkdownWithMath(renderer=Renderer(link, note)).render(text)


def in_scroll_box(table: str, label: str = "table") -> str:
    """A table that scrolls by itself, also by keyboard."""
    return f'<div class="scroll" tabindex="0" role="group" aria-label="{html.escape(label)}">{table}</div>'


def highlighted(code: str, language: str) -> str:
    """Code as HTML with Pygments' classes; its box scrolls by keyboard too."""
    made = Highlight2HTML(pygments_lexer=language)(code)
    return made.replace("<pre>", '<pre tabindex="0">', 1)


class _Notebook(HTMLExporter):
    link = AnyTrait()

    def default_filters(self) -> Any:
        yield from super().default_filters()
        yield "markdown2html", lambda source: markdown(source, self.link)
        yield "highlight_code", lambda source, metadata=None: highlighted(source, "python")


def notebook(path: Path, link: Link, *, code: str) -> str:
    """A notebook with its outputs as HTML; cells whose source is hidden are folded under the word ``code``."""
    exporter = _Notebook(extra_template_basedirs=[str(HERE)], template_file=str(HERE / "templates/notebook.html.j2"))
    exporter.link = link
    body, _ = exporter.from_notebook_node(nbformat.read(path, as_version=4), resources={"code": code})
    body = re.sub(r"<table(?! class=sortable).*?</table>", lambda m: in_scroll_box(m[0]), body, flags=re.S)
    body = re.sub(r"<th\b[^>]*></th>", "<td></td>", body)  # the corner of a table is no head
    return body.replace("<pre>", '<pre tabindex="0">')
