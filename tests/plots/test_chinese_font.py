"""Chinese in figures needs no installed font: the kit's own has every character of its texts."""

from __future__ import annotations

import warnings
from io import BytesIO

import pytest
from fontTools.ttLib import TTFont
from matplotlib import font_manager

from dsrl_lab.plots.theme import CHINESE_FONT, font_chain, new_figure, theme
from tests.plots.chinese_font import MESSAGES, NAME, characters


def test_the_font_has_every_character_of_the_messages_and_is_small() -> None:
    known = TTFont(CHINESE_FONT).getBestCmap()
    missing = "".join(sorted(sign for sign in characters(MESSAGES) if ord(sign) not in known))
    assert not missing, "python -m tests.plots.chinese_font NotoSansCJKsc-Regular.otf"
    assert CHINESE_FONT.stat().st_size < 600_000
    assert "SIL Open Font License" in CHINESE_FONT.with_name("OFL.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("installed", [[], ["SimHei", "Arial", "Noto Sans CJK SC"]])
def test_installed_fonts_come_after_the_kits_own(installed: list[str]) -> None:
    assert font_chain(installed) == ["DejaVu Sans", NAME, *sorted(set(installed) - {"Arial"})]


def test_a_figure_misses_no_glyph_where_no_font_is_installed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(font_manager, "get_font_names", list)
    signs = sorted(characters(MESSAGES))
    with theme(), warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = new_figure(8, 8)
        for line in range(0, len(signs), 40):
            figure.text(0, line / len(signs), "m² " + "".join(signs[line : line + 40]), weight="bold")
        figure.savefig(BytesIO(), format="png", dpi=30)
    assert caplog.messages == []  # none about a bold face, either
