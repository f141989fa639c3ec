"""A text is shown in the reader's language, numbers in their places; what a catalogue lacks is English, and noted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dsrl_lab import language
from dsrl_lab.language import translate

CATALOGUE = """
msgid "four of the same"
msgstr "四个一样的"

msgid "{0} of {1} pictures"
msgstr "{1} 幅图中的 {0} 幅"

msgid "2 of the best"
msgstr "最好的两个"

#, fuzzy
msgid "a doubtful one"
msgstr "存疑"

msgid "an empty one"
msgstr ""
"""


@pytest.fixture
def locale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "zh").mkdir()
    (tmp_path / "zh" / "a.po").write_text(CATALOGUE, encoding="utf-8")
    monkeypatch.setattr(language, "LOCALE", tmp_path)
    monkeypatch.setattr(language, "_missing", {})
    monkeypatch.setenv("DSRL_LAB_LANGUAGE", "zh")
    language.catalogue.cache_clear()
    yield tmp_path
    language.catalogue.cache_clear()


def test_texts_are_looked_up_whole_and_then_without_their_numbers(locale: Path) -> None:
    assert translate("four of the same") == "四个一样的"
    assert translate("2 of the best") == "最好的两个"
    assert translate("1,200 of 3.5 pictures") == "3.5 幅图中的 1,200 幅"
    assert language.untranslated() == []


def test_what_is_missing_stays_english_and_is_noted_once(locale: Path) -> None:
    for text in ("a doubtful one", "an empty one", "not there, +2 times", "not there, 3 times"):
        assert translate(text) == text
    assert language.untranslated() == ["a doubtful one", "an empty one", "not there, {0} times"]


@pytest.mark.parametrize(
    "text", ["", "12.5 %", "mIoU (%)", "ESPNetv2", "(1, 90, 120)", "camvid_espnetv2_90x120", "四个"]
)
def test_numbers_and_names_need_no_translation(text: str, locale: Path) -> None:
    assert translate(text) == text and language.untranslated() == []


@pytest.mark.parametrize(
    ("text", "general"),
    [
        ("conv3, 2D, x2, ×2, 4×4, 90x120, 0.1.0, 5px", "conv3, 2D, x2, ×2, 4×4, 90x120, 0.1.0, 5px"),
        ("256 × 512, 1,234.5 and 1e-05", "{0} × {1}, {2} and {3}"),
        ("+1.3 ± 0.9, −0.4 to -2 (-3)", "{0} ± {1}, {2} to {3} ({4})"),
        ("10-20, 1/2, 50%, n-1", "{0}-{1}, {2}/{3}, {4}%, n-{5}"),
    ],
)
def test_only_numbers_that_stand_alone_have_places(text: str, general: str) -> None:
    assert language.template(text) == general


def test_two_translations_of_one_text_are_an_error(locale: Path) -> None:
    (locale / "zh" / "b.po").write_text('msgid "four of the same"\nmsgstr "四"\n', encoding="utf-8")
    with pytest.raises(
        ValueError, match="b.po translates 'four of the same' as '四', another catalogue as '四个一样的'"
    ):
        translate("four")


@pytest.mark.parametrize(
    ("variables", "chosen"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LC_MESSAGES": "zh_TW", "LANG": "C"}, "zh"),
        ({"DSRL_LAB_LANGUAGE": "en", "LC_ALL": "zh_CN.UTF-8"}, "en"),
        ({"DSRL_LAB_LANGUAGE": "zh", "LC_ALL": "C"}, "zh"),
    ],
)
def test_the_variable_decides_then_the_locale(
    variables: dict[str, str], chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DSRL_LAB_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert language.language() == chosen


def test_an_unknown_language_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSRL_LAB_LANGUAGE", "fr")
    with pytest.raises(ValueError, match="expected en or zh in DSRL_LAB_LANGUAGE, got 'fr'; set one, or remove it"):
        translate("four")


def test_english_costs_nothing() -> None:
    asked = "import sys, dsrl_lab.language as l; assert l.translate('a') == 'a'; sys.exit('babel' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0
