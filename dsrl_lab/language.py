"""The reader's language: English, or Chinese from ``locale/zh/*.po``, where the English text itself is the key.

``DSRL_LAB_LANGUAGE`` (en, zh) chooses it, else the system's locale. Catalogues are read at the first Chinese text.
"""

import os
import re
from functools import lru_cache
from itertools import count
from pathlib import Path

ENGLISH, CHINESE = "en", "zh"
LANGUAGES = (ENGLISH, CHINESE)
VARIABLE = "DSRL_LAB_LANGUAGE"
LOCALE = Path(__file__).parent / "locale"
NUMBER = re.compile(r"(?:(?<![\w×.)])[+−-])?(?<![\w×.])\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?(?![\w×]|\.\d|,\d{3})")
"""A number that stands alone, with its sign: not the digits of conv3, 2D, ×2, 90x120 or 0.1.0."""
WORD = re.compile(r"(?<![\w./`$\\])[A-Za-z]?[a-z]{2,}(?![\w/`(=]|\.\w)")
HAN = re.compile(r"[\u4e00-\u9fff]")
_missing: dict[str, None] = {}


def language() -> str:
    """The chosen language, "en" or "zh"; a ValueError for another value of ``DSRL_LAB_LANGUAGE``."""
    if chosen := os.environ.get(VARIABLE):
        if chosen not in LANGUAGES:
            raise ValueError(f"expected {' or '.join(LANGUAGES)} in {VARIABLE}, got {chosen!r}; set one, or remove it")
        return chosen
    system = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    return CHINESE if system.startswith("zh") else ENGLISH


def choose_language(chosen: str) -> str:
    """Choose the language of this process and of those that it starts."""
    os.environ[VARIABLE] = chosen
    return language()


def translate(text: str, /, **values: object) -> str:
    """A text in the reader's language; English where the catalogues lack it, which ``untranslated`` then lists.

    With ``values``, they are put into its places after that, as by ``str.format``.

    The whole text is looked up first, then the text with its numbers as {0}, {1}, ... (see ``template``), then both
    without line breaks, which figures put into long labels.
    """
    if values:
        return translate(text).format(**values)
    if language() == ENGLISH:
        return text
    messages, general, numbers = catalogue(language()), template(text), NUMBER.findall(text)
    for known in (text, general, text.replace("\n", " "), general.replace("\n", " ")):
        if known in messages:
            return re.sub(r"\{(\d+)\}", lambda place: numbers[int(place[1])], messages[known])
    if WORD.search(text) and not HAN.search(text):  # not numbers, symbols or names alone, nor what is Chinese already
        _missing[general] = None
    return text


def template(text: str) -> str:
    """A text with each number that stands alone replaced by its place.

    Example:
        >>> template("conv3: +2.3 M of 1,234, 60x80 to ×2")
        'conv3: {0} M of {1}, 60x80 to ×2'
    """
    places = count()
    return NUMBER.sub(lambda _: f"{{{next(places)}}}", text)


def untranslated() -> list[str]:
    """The texts with words that this process could not translate, as a catalogue would have them."""
    return list(_missing)


@lru_cache
def catalogue(chosen: str) -> dict[str, str]:
    """All messages of a language's ``.po`` files; a ValueError where two of them translate one text differently."""
    from babel.messages.pofile import read_po

    found: dict[str, str] = {}
    for path in sorted((LOCALE / chosen).glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file):
                text, ours = str(message.id), str(message.string)
                if text and ours and not message.fuzzy and found.setdefault(text, ours) != ours:
                    raise ValueError(
                        f"{path.name} translates {text!r} as {ours!r}, another catalogue as {found[text]!r}; choose one"
                    )
    return found
