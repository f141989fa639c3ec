"""The page that a student gets back, in the reader's language."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dsrl_lab.course.grading.feedback import page
from dsrl_lab.course.grading.grading import HIDDEN_FAILED, NOT_TRIED, Mark, Result


@pytest.mark.usefixtures("chinese")
def test_a_page_is_chinese_but_for_the_students_own_words() -> None:
    key: Any = SimpleNamespace(name="06_feature_affinity", out_of=4)
    marks = [
        Mark("06.1", 2, 4, True, False, "", "正确。", HIDDEN_FAILED, "def f(): ..."),
        Mark("06.2", 0, 4, False, False, "", NOT_TRIED),
        Mark("06.3", 0, 4, False, False, "", "It was stopped: it used more than 40 seconds of CPU time."),
    ]
    notes = ["Cell 3 was stopped: it printed more than 2 MiB.", "NameError: <b>"]
    shown = page(key, "ada", Result(marks=marks, notes=notes, printed="hello"))
    assert shown.startswith('<!doctype html><html lang="zh">') and "06_feature_affinity：2 / 4 分" in shown
    for text in (
        "没能运行。",
        "CPU 时间超过 40 秒。",
        "第 3 个单元格被中止",
        "其他类型的输入： 检查所用的输入都对了",
        "你的答案",
    ):
        assert text in shown
    assert "NameError: &lt;b&gt;" in shown and "hello" in shown and "Your" not in shown
