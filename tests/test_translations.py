"""Each Chinese page keeps step with its English one: the same code, numbers, figures, tables, links and sections."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dsrl_lab.course.build_notebooks import read_source

ROOT = Path(__file__).resolve().parent.parent
PAIRS = ("README", "docs/QUESTIONS", "docs/BRING_YOUR_OWN", "docs/SCALE", "notebooks/assignments/INSTRUCTORS")
GLOSSARY = (ROOT / "notebooks" / "GLOSSARY.md").read_text(encoding="utf-8")
TABLES = r"<!-- (?:results|notebooks): .*?<!-- end of \w+ -->"


def both(pair: str) -> tuple[str, str]:
    """The English and the Chinese text of a page."""
    english, chinese = ((ROOT / f"{pair}{ending}").read_text(encoding="utf-8") for ending in (".md", ".zh-CN.md"))
    return english, chinese


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def code_blocks(text: str) -> list[str]:
    return re.findall(r"^```.*?^```$", text, re.DOTALL | re.MULTILINE)


def in_backticks(text: str) -> set[str]:
    return {re.sub(r"\s+", " ", code) for code in re.findall(r"`([^`]+)`", without_code(text))}


def structure(text: str) -> list[str]:
    """Headings, points, pictures, comments and the rows of tables with their number of columns, in order."""
    lines = re.findall(r"^(?:#+ |- |\d\. |!\[|<!-- .*|\|.*)", without_code(text), re.MULTILINE)
    return [f"| {line.count('|')}" if line.startswith("|") else line for line in lines]


def targets(text: str, here: Path) -> list[str]:
    """Where a page's links lead to, from the project's folder and with the English page or figure for both."""
    texts = text.replace(".zh-CN", "").replace("figures/zh/", "figures/")
    links = {link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", without_code(texts))}
    places = {link if link.startswith("http") else str((here / link).resolve().relative_to(ROOT)) for link in links}
    return sorted(places)


@pytest.mark.parametrize("pair", PAIRS)
def test_code_blocks_are_the_same_to_the_letter(pair: str) -> None:
    english, chinese = map(code_blocks, both(pair))
    assert english == chinese and (english or pair == "docs/QUESTIONS")


def test_generated_tables_are_the_same_and_hold_something() -> None:
    tables = [re.findall(TABLES, text, re.DOTALL) for text in both("README")]
    assert tables[0] == tables[1] and len(tables[0]) == 1 and all(table.count("\n| ") > 3 for table in tables[0])


@pytest.mark.parametrize("pair", PAIRS)
def test_sections_figures_tables_links_and_points_follow_each_other(pair: str) -> None:
    english, chinese = both(pair)
    assert structure(english) == structure(chinese) and structure(english)
    here = (ROOT / pair).parent
    assert targets(english, here) == targets(chinese, here)


@pytest.mark.parametrize("pair", PAIRS)
def test_names_in_backticks_and_numbers_are_the_same(pair: str) -> None:
    english, chinese = both(pair)
    assert in_backticks(english) == in_backticks(chinese)
    numbers = [sorted(re.findall(r"\d[\d.,]*\d|\d(?!/s)", without_code(text))) for text in (english, chinese)]
    assert numbers[0] == numbers[1]


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("language", [0, 1], ids=["English", "Chinese"])
def test_links_and_figures_are_there(pair: str, language: int) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", without_code(both(pair)[language])):
        assert target.startswith("http") or ((ROOT / pair).parent / target).exists(), target


@pytest.mark.parametrize("pair", PAIRS)
def test_the_two_languages_point_at_each_other(pair: str) -> None:
    name = Path(pair).name
    for text, link in zip(both(pair), (f"]({name}.zh-CN.md)", f"]({name}.md)"), strict=True):
        assert link in "".join(text.splitlines(keepends=True)[:4])


@pytest.mark.parametrize("pair", PAIRS)
def test_chinese_pages_lead_to_chinese_pages(pair: str) -> None:
    text = both(pair)[1].partition("简体中文")[2]
    assert [
        link for link in re.findall(r"\]\(([^)]+)\)", text) if link.endswith(tuple(f"{Path(p).name}.md" for p in PAIRS))
    ] == []


# A word of another translation, what it would mean, and the one word that this kit has for it.
NOT_OURS = {
    "主干": "a backbone; the host is 宿主网络 or 分割网络",
    "逻辑值": "a Boolean; write logits（未归一化得分）",
    "对偶": "duality in mathematics; dual is 双重 here",
    "前上采样": "write 预上采样",
    "绘制街景": "write 合成街景",
    "步长": "stride is 步幅 everywhere",
    "热力图": "a heat-map is 热图",
    "从中减去": "a calque of 'takes from'; say by how many points it falls",
}


def chinese_texts() -> dict[str, str]:
    """Everything Chinese that people read, by file."""
    pages = [ROOT / "notebooks" / "GLOSSARY.md", *(ROOT / "docs").glob("*.zh-CN.md")]
    pages += [ROOT / f"{pair}.zh-CN.md" for pair in PAIRS]
    pages += [*(ROOT / "notebooks" / "src").glob("*.py"), *(ROOT / "dsrl_lab").rglob("*.po")]
    return {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in pages}


def test_one_chinese_word_for_one_thing() -> None:
    found = [
        f"{page}: {word}: {why}"
        for page, text in chinese_texts().items()
        for word, why in NOT_OURS.items()
        if word in text
    ]
    assert found == []


def test_the_glossary_has_both_languages_and_no_word_twice() -> None:
    rows = [line.strip("| ").split(" | ") for line in GLOSSARY.splitlines() if line.startswith("| ")]
    words = [row for row in rows if row[0] not in ("English", "---", "---|---|---|---")]
    assert len(words) >= 80 and all(len(row) == 4 for row in words)
    assert all(re.search(r"[\u4e00-\u9fff]", row[1]) for row in words)
    names = [row[0].lower() for row in words]
    assert len(set(names)) == len(names)


def test_the_glossary_knows_the_chinese_of_every_notebook() -> None:
    for source in sorted((ROOT / "notebooks" / "src").glob("*.py")):
        text = "".join(cell.source for cell in read_source(source).cells)  # the Chinese words that English texts name
        for term in re.findall(r"[\u4e00-\u9fff]{2,}", text):
            assert term in GLOSSARY, f"{source.stem} uses {term}; write it into notebooks/GLOSSARY.md"


@pytest.mark.parametrize("text", both("docs/QUESTIONS"), ids=["English", "Chinese"])
def test_the_questions_proofs_are_there(text: str) -> None:
    named = re.findall(r"`(tests/[^`:]+)::(\w+)`", text)
    assert len(named) >= 15
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), (file, test)


def test_the_questions_marks_are_the_same_in_both_languages() -> None:
    english, chinese = (sorted(re.findall(r"\[[PABM?]", text)) for text in both("docs/QUESTIONS"))
    assert english == chinese
