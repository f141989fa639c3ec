"""Make the font for Chinese texts in figures: the characters that the kit uses, of Noto Sans CJK SC (OFL 1.1).

    python -m tests.plots.chinese_font NotoSansCJKsc-Regular.otf

The source is in Debian's package fonts-noto-cjk (NotoSansCJK-Regular.ttc) and in PyPI's mplfonts (the .otf itself).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from fontTools import subset

from dsrl_lab.files import whole_file
from dsrl_lab.plots.theme import CHINESE_FONT

ROOT = Path(__file__).resolve().parents[2]
MESSAGES, PAGES = "dsrl_lab/locale/zh/*.po", ("notebooks/src/*.py", "notebooks/*.md", "docs/*.md", "*.md")
NAME = "DSRL Lab Chinese"


def characters(*patterns: str) -> set[str]:
    """Every Chinese character and full-width sign of the files."""
    texts = [path.read_text(encoding="utf-8") for pattern in patterns for path in ROOT.glob(pattern)]
    return set(re.findall(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]", "".join(texts)))


def make(source: Path, more: str = "") -> None:
    """Write the font with all characters of messages, pages and ``more``, under a name of its own."""
    options = subset.Options(layout_features=[], hinting=False, name_IDs=[0, 1, 2, 3, 4, 5, 6, 13, 14], font_number=2)
    options.drop_tables += ["BASE", "GPOS", "GSUB", "VORG", "vhea", "vmtx"]
    font = subset.load_font(str(source), options)
    names = {1: NAME, 3: f"{NAME}, a subset of Noto Sans CJK SC", 4: NAME, 6: NAME.replace(" ", "")}
    chosen = subset.Subsetter(options)
    chosen.populate(text="".join(sorted(characters(MESSAGES, *PAGES))) + more)
    chosen.subset(font)
    for record in font["name"].names:
        record.string = names.get(record.nameID, record.string)
    font["CFF "].cff.fontNames = [names[6]]
    with whole_file(CHINESE_FONT) as temporary:
        subset.save_font(font, str(temporary), options)


if __name__ == "__main__":
    make(Path(sys.argv[1]), *sys.argv[2:])
