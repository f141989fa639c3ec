"""Plain English: the words that CONTRIBUTING advises against are nowhere in what people read."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsrl_lab.course import build_notebooks

ROOT = Path(__file__).resolve().parent.parent
LIST = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Words")[2]
LINES = re.findall(r"^\| (?!instead of|---)(.+?) \| (.+?) \|$", LIST, re.MULTILINE)
INSTEAD = {word: plain for words, plain in LINES for word in words.split(", ")}
UNPLAIN = re.compile(rf"\b({'|'.join(sorted(INSTEAD, key=len, reverse=True))})\b", re.IGNORECASE)
PAGES = (
    "README.md",
    "data/README.md",
    "docs/**/*.md",
    "notebooks/*.md",
    "notebooks/assignments/*.md",
    "dsrl_lab/**/*.toml",
)
CODE = sorted((ROOT / "dsrl_lab").rglob("*.py"))
NOTEBOOKS = build_notebooks.sources(ROOT / "notebooks")


def unplain(text: str) -> list[str]:
    return [f"{word!r}: write {INSTEAD[word.lower()]}" for word in UNPLAIN.findall(" ".join(text.split()))]


def prose(code: str) -> Iterator[str]:
    """Docstrings, comments and every text that has a space, if there is anything to find at all."""
    if not UNPLAIN.search(" ".join(code.split())):
        return
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.value
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def test_the_list_is_found() -> None:
    assert len(INSTEAD) > 25 and INSTEAD["mended"] == "fix, repair, correct"


@pytest.mark.parametrize(
    ("text", "found"),
    [("A dear head", 1), ("It was\nmended, and told", 2), ("a dresser, the earth, a shear, toldo", 0)],
)
def test_whole_words_are_found_and_nothing_else(text: str, found: int) -> None:
    assert len(unplain(text)) == found


def test_code_is_read_for_its_prose() -> None:
    assert list(prose('dear = f"two {1} words"  # a mark\nx = "mend"\n')) == ["two ", " words", "# a mark"]


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_code_is_plain(path: Path) -> None:
    assert [word for text in prose(path.read_text(encoding="utf-8")) for word in unplain(text)] == []


@pytest.mark.parametrize(
    "path", sorted({path for page in PAGES for path in ROOT.glob(page)}), ids=lambda path: path.name
)
def test_pages_are_plain(path: Path) -> None:
    assert unplain(path.read_text(encoding="utf-8").replace("\\\n", "")) == []


@pytest.mark.parametrize("source", NOTEBOOKS, ids=lambda source: source.stem)
def test_notebooks_are_plain(source: Path) -> None:
    for cell in build_notebooks.read_source(source).cells:
        texts = [cell.source] if cell.cell_type == "markdown" else prose(cell.source)
        assert [word for text in texts for word in unplain(text)] == []
