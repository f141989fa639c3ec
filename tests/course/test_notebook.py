"""What a notebook shows through the kit is in the reader's language."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from IPython.display import HTML

from dsrl_lab.course import notebook
from dsrl_lab.course.exercises import check, hint, predict, solution
from dsrl_lab.course.notebook import Lab, start
from dsrl_lab.plots.theme import new_figure

PNG = Path(__file__).parents[2] / "figures" / "overview.png"


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[HTML]:
    pages: list[HTML] = []
    monkeypatch.setattr(notebook, "display", pages.append)
    return pages


@pytest.mark.usefixtures("chinese")
def test_a_notebooks_print_translates_texts_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = SimpleNamespace(user_ns={})
    monkeypatch.setattr(notebook, "get_ipython", lambda: shell)
    start(seed=3)
    shell.user_ns["print"]("not labelled", (1, 2), 0.5, {"Truth": "class"}, sep=" | ")
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("种子 3") and second == "未标注 | (1, 2) | 0.5 | {'真值': '类别'}"


def test_a_chinese_figure_is_shown_where_there_is_one(
    tmp_path: Path, shown: list[HTML], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(tmp_path)
    lab.figure("overview", alt="lens")
    assert "Figure <code>overview</code> is not drawn yet:" in shown.pop().data
    (tmp_path / "figures" / "zh").mkdir(parents=True)
    (tmp_path / "figures" / "overview.png").write_bytes(PNG.read_bytes())
    lab.figure("overview", alt="lens")
    english = shown.pop().data
    assert 'alt="lens"' in english
    monkeypatch.setenv("DSRL_LAB_LANGUAGE", "zh")
    lab.figure("overview", alt="lens")
    chinese = shown.pop().data
    assert chinese.partition("<p>")[0] == english.replace('alt="lens"', 'alt="放大镜"').partition("<p>")[0]
    assert "由 <code>dsrl-lab figures overview</code> 绘制" in chinese and "Drawn by <code>" in english
    figure = new_figure(1, 1)
    figure.savefig(tmp_path / "figures" / "zh" / "overview.png")
    lab.figure("overview", alt="lens")
    assert shown.pop().data.partition("<p>")[0] != chinese.partition("<p>")[0]


@pytest.mark.usefixtures("chinese")
def test_an_exercise_judges_in_chinese() -> None:
    still_open = check("06.1", lambda height, width, stride: (_ for _ in ()).throw(NotImplementedError))
    assert still_open.message.startswith("尚未作答：把 `raise NotImplementedError` 换成")
    wrong = check("06.1", lambda height, width, stride: -1, seed=0)
    assert not wrong and wrong.message.startswith("你的结果是 ") and "，应为 " in wrong.message
    assert "输入为 " in check("06.1", lambda height, width, stride: 1 / 0).message
    assert hint("06.1").parts[0].summary.startswith("提示：")
    assert solution("06.1").parts[0].summary.startswith("06.1 的参考答案：")
    assert "你猜的是：还没有" in repr(predict("06.memory", None))
