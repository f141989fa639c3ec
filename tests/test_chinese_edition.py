"""The Chinese edition is whole and holds the same code, numbers and names as the English one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dsrl_lab.course.build_notebooks import read_source, sources, translation_faults
from dsrl_lab.course.exercises.judge import judge
from dsrl_lab.course.exercises.solutions.variants import VARIATIONS, variant, variants
from dsrl_lab.language import LANGUAGES, catalogue
from tests import messages

ROOT = Path(__file__).resolve().parent.parent


def test_every_text_cell_is_translated_and_of_the_english_as_it_is_now() -> None:
    cells = [cell for source in sources(ROOT / "notebooks") for cell in read_source(source).cells]
    texts, faults = sum(cell.cell_type == "markdown" for cell in cells), translation_faults(ROOT / "notebooks")
    print(f"{texts - len(faults)} of {texts} text cells are translated")
    assert faults == [] and texts > 280


def test_every_message_is_translated() -> None:
    there, lacking = messages.needed(), messages.missing()
    print(f"{len(there) - len(lacking)} of {len(there)} messages are translated")
    assert list(lacking) == [], "python -m tests.messages prints them as a catalogue"
    assert len(there) > 800


@pytest.mark.parametrize("source", sources(ROOT / "notebooks"), ids=lambda source: source.stem)
def test_code_is_the_same_in_both_languages_and_cells_have_the_same_ids(source: Path) -> None:
    english, chinese = (read_source(source, language=language).cells for language in LANGUAGES)
    assert [(cell.id, cell.cell_type) for cell in english] == [(cell.id, cell.cell_type) for cell in chinese]
    for ours, theirs in zip(english, chinese, strict=True):
        if ours.cell_type == "code":
            assert ours.source == theirs.source and ours.metadata == theirs.metadata
        else:  # what has to be the same to the letter
            for pattern in (r"`[^`\n]+`", r"\$\$.+?\$\$", r"</?(?:details|summary)>", r"\d\d_\w+\.ipynb"):
                found = [sorted(re.findall(pattern, cell.source, re.DOTALL)) for cell in (ours, theirs)]
                assert found[0] == found[1], ours.id


def test_messages_keep_places_code_and_numbers() -> None:
    for text, ours in catalogue("zh").items():
        assert set(re.findall(r"\{\w+\}", ours)) <= set(re.findall(r"\{\w+\}", text)) | {"{plural}"}, text
        assert set(re.findall(r"\{\d+\}", ours)) == set(re.findall(r"\{\d+\}", text)), text
        code = [sorted(re.findall(r"`[^`]+`|</?[a-z]+\b", one)) for one in (text, ours)]
        assert code[0] == code[1], text


def test_a_copy_s_constant_is_told_in_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSRL_LAB_LANGUAGE", "zh")
    for name in VARIATIONS:
        for own in variants(name):
            exercise = variant(own)
            for wrong in exercise.wrong_answers:
                text = f"{judge(exercise, wrong.answer, seed=0)!r}".replace("`", "")
                assert not re.search(r"In your copy|constant|for yours", text), text
