"""Files of the repository that pages link to, as pages of the site."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import provenance
import rendering
from frame import LANGUAGES, Site, relative
from pygments.lexers import get_lexer_for_filename
from pygments.util import ClassNotFound
from rendering import Link

from dsrl_lab.files import REPOSITORY

WORDS = LANGUAGES["en"]
LARGEST_SHOWN = 200_000  # characters of a file that its page shows


def write(site: Site) -> None:
    """Write pages until no page links to a file or folder that is not there."""
    while site.wanted:
        name = site.wanted.pop()
        path, page = REPOSITORY / name, site.places[name]
        if path.is_dir():
            site.write(page, name, f"<h1><code>{name}</code></h1><ul>{_items(path, site.link(page))}</ul>")
        elif not page.endswith(".html"):
            site.copy(name, page)
        else:
            raw = page.removesuffix(".html")
            site.copy(name, raw)
            head = f'<p><a href="{relative(raw, page)}" download>{WORDS["download"]}</a></p>'
            body = _shown(path, site.link(page, name))
            site.write(page, name, f"<h1><code>{name}</code></h1>{head}{body}", kind="source")


def _items(folder: Path, link: Link) -> str:
    files = [path for path in sorted(folder.iterdir()) if not path.name.startswith((".", "__"))]
    return "".join(
        f'<li><a href="{link(path.relative_to(REPOSITORY).as_posix())}">{path.name}</a></li>' for path in files
    )


def _shown(path: Path, link: Link) -> str:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return rendering.markdown(re.sub(r"^# .*", "", text), link)
    rest = "" if len(text) <= LARGEST_SHOWN else f"<p>{WORDS['more']}</p>"
    if path.suffix != ".jsonl":
        return rendering.highlighted(text[:LARGEST_SHOWN], _language(path)) + rest
    command = provenance.command_of(path)
    lead = f"<p>{WORDS['command']}: <code>{html.escape(command)}</code></p>" if command else ""
    first, _, others = text.partition("\n")
    lines = json.dumps(json.loads(first), indent=1, ensure_ascii=False) + "\n" + others[:LARGEST_SHOWN]
    return f'{lead}<pre tabindex="0">{html.escape(lines)}</pre>{rest}'


def _language(path: Path) -> str:
    try:
        return str(get_lexer_for_filename(path.name).aliases[0])
    except ClassNotFound:
        return "text"
