"""A table shows each value once, rightly placed and rounded."""

import numpy as np
import pandas as pd
import pytest

from dsrl_lab.course.table import Table


def test_numbers_stand_to_the_right_and_texts_are_escaped() -> None:
    rows = pd.DataFrame(
        {"row <b>": ["a&b", None], "MACs": [1234567, 2], "mIoU": [np.float32(41.256), np.nan], "ok": [True, False]}
    )
    page = Table(rows, "x < y", digits={"mIoU": 1})._repr_html_()
    assert "<caption" in page and "x &lt; y</caption>" in page
    assert page.count("<tr>") == 3 and page.count("<th ") == 4
    assert '<th style="text-align:left">row &lt;b&gt;</th><th style="text-align:right">MACs</th>' in page
    left, right = '<td style="text-align:left">', '<td style="text-align:right;white-space:nowrap">'
    assert f"{left}a&amp;b</td>{right}1,234,567</td>{right}41.3</td>" in page
    assert f"{left}</td>{right}2</td>{right}</td>" in page
    assert page.endswith(">False</td></tr></tbody></table>")


def test_the_text_twin_holds_the_same_values() -> None:
    assert repr(Table({"n": [1000]}, "counted")).split() == ["counted", "n", "1,000"]


def test_texts_that_are_numbers_stand_to_the_right() -> None:
    page = Table({"row": ["a", "b"], "gain": ["", "+1.3 ± 0.9"], "on": [True, False]}, "gains")._repr_html_()
    sides = [cell.partition('"')[0] for cell in page.split("text-align:")[2:5]]
    assert sides == ["left", "right", "left"]


@pytest.mark.usefixtures("chinese")
def test_a_table_is_shown_in_the_readers_language_and_its_frame_stays_english() -> None:
    table = Table({"seed": [0, 1], "class": ["not labelled", "DSRL"], "change": ["+1.3", "-0.2"]}, "Truth")
    assert repr(table).split() == ["真值", "种子", "类别", "变化", "0", "未标注", "+1.3", "1", "DSRL", "-0.2"]
    page = table._repr_html_()
    assert "真值</caption>" in page and '<th style="text-align:right">变化</th>' in page and "未标注</td>" in page
    assert list(table.frame) == ["seed", "class", "change"] and table.frame["class"][0] == "not labelled"
