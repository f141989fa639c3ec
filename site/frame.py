"""The frame that all pages share, and where each file of the repository stands in the site."""

from __future__ import annotations

import posixpath
import re
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from dsrl_lab.files import REPOSITORY

HERE = Path(__file__).resolve().parent
LANGUAGES = {name: tomllib.loads((HERE / f"texts/{name}.toml").read_text(encoding="utf-8")) for name in ("en", "zh")}
FOLDERS = {"en": "", "zh": "zh/"}  # of pages by language, here and in notebooks/
NAVIGATION = ("try", "widgets", "notebooks", "results", "figures", "questions")
IN_BOTH = ("index", "try", "widgets", "notebooks", "figures")  # pages of the site's own texts
DOCUMENTS = [
    "README.md",
    "README.zh-CN.md",
    *sorted(f"docs/{path.name}" for path in (REPOSITORY / "docs").glob("*.md")),
]
DOCUMENTS += ["notebooks/GLOSSARY.md"]  # a Chinese page is NAME.zh-CN.md
SHOWN = (".py", ".md", ".json", ".jsonl", ".toml", ".yml", ".cff", ".txt", "")  # files that get a page


def relative(target: str, page: str) -> str:
    """The address of one page of the site as seen from another."""
    return posixpath.relpath(target, posixpath.dirname(page) or ".")


class Site:
    """The pages that are written so far, and the files of the repository that they link to."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.templates = Environment(loader=FileSystemLoader(HERE / "templates"), trim_blocks=True)
        self.places: dict[str, str] = {}  # page of the site by file of the repository
        for name in DOCUMENTS:
            stem = Path(name).stem.lower()
            self.places[name] = f"zh/{stem[:-6]}.html" if stem.endswith(".zh-cn") else f"{stem}.html"
        for folder in FOLDERS.values():
            for path in sorted((REPOSITORY / "notebooks" / folder).glob("[0-9]*.ipynb")):
                self.places[f"notebooks/{folder}{path.name}"] = f"{folder}notebooks/{path.stem}.html"
        self.wanted: list[str] = []

    def place(self, name: str) -> str:
        """Where a file or folder of the repository stands in the site; ValueError where there is none."""
        path = REPOSITORY / name
        if name in self.places:
            return self.places[name]
        if not path.exists():
            raise ValueError(f"a page links to {name}, which is not in the repository; correct the link")
        if path.is_dir():
            place = f"files/{name}/index.html"
        else:
            place = name if name.startswith("figures/") else f"files/{name}" + (".html" if path.suffix in SHOWN else "")
        self.places[name] = place
        self.wanted.append(name)
        return place

    def link(self, page: str, file: str = "") -> Callable[[str], str]:
        """A function for the links that ``file`` of the repository holds, as they are in ``page`` of the site."""

        def to(url: str) -> str:
            if re.match(r"[a-z]+:|#", url):
                return url
            target, mark, anchor = url.partition("#")
            name = posixpath.normpath(posixpath.join(posixpath.dirname(file), target))
            return relative(self.place(name), page) + mark + anchor

        return to

    def copy(self, name: str, place: str) -> None:
        """Copy a file of the repository."""
        path = self.out / place
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / name, path)

    def write(self, page: str, title: str, body: str, **more: Any) -> None:
        """Write one page inside the frame."""
        language, other = ("zh", "en") if page.startswith("zh/") else ("en", "zh")
        folder, words = FOLDERS[language], LANGUAGES[language]
        items = []
        for name in NAVIGATION:
            there = self.in_language(f"{name}.html", language)
            items.append({"text": words[name], "href": relative(there, page), "here": page.startswith(folder + name)})
        twin = self.in_language(page.removeprefix(folder), other, otherwise="index.html")
        frame = {
            "t": words,
            "title": title,
            "body": body,
            "root": "../" * page.count("/"),
            "home": relative(f"{folder}index.html", page),
            "navigation": items,
            "other": LANGUAGES[other] | {"href": relative(twin, page)},
        }
        path = self.out / page
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.templates.get_template("page.html.j2").render(frame | more), encoding="utf-8")

    def in_language(self, page: str, language: str, otherwise: str = "") -> str:
        """A page, named as the English one is, in a language; where there is none, another, or the English one."""
        name = f"{FOLDERS[language]}{page}"
        if name in self.places.values() or page.removesuffix(".html") in IN_BOTH:
            return name
        return f"{FOLDERS[language]}{otherwise}" if otherwise else page
