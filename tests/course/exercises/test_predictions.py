"""Guesses are kept in one local file and shown beside the result."""

from __future__ import annotations

from pathlib import Path

import pytest
from platformdirs import user_data_path

from dsrl_lab.course.exercises.predictions import predict, predictions_file, reveal


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "deep" / "guesses.jsonl"
    monkeypatch.setenv("DSRL_LAB_PREDICTIONS", str(path))
    return path


def test_a_guess_is_kept_and_shown_beside_the_result(file: Path) -> None:
    assert "your guess: 64 MiB" in repr(predict("06.memory", 64, unit="MiB"))
    predict("other", "sky")
    shown = reveal("06.memory", 256, unit="MiB")
    assert repr(shown) == "06.memory · your guess: 64 MiB · the result: 256 MiB (your guess was 0.25 times it)"
    assert repr(reveal("other", "poles")) == "other · your guess: sky · the result: poles"
    assert "the result: 256 MiB" in shown._repr_html_()


def test_the_latest_guess_counts_and_a_damaged_line_hides_no_other(file: Path) -> None:
    predict("a", 1)
    predict("a", 2)
    with file.open("a", encoding="utf-8") as lines:
        lines.write('{"question": "a", "gue\n[3]\n')
    assert reveal("a", 4).guess == 2


def test_no_guess_no_file(file: Path) -> None:
    assert "none yet" in repr(predict("a", None))
    assert "none yet" in repr(reveal("a", 1.0)) and "the result: 1" in repr(reveal("a", 1.0))
    assert not file.exists()


def test_a_page_asks_for_a_guess_before_it_shows_the_result(file: Path) -> None:
    before, after = reveal("a", 8.5, unit="dB")._repr_html_().split("</summary>")
    assert "no guess yet" in before and "<details><summary>" in before and "8.5" not in before
    assert after.startswith("the result: 8.5 dB</details>")
    predict("a", 2)
    assert "<details>" not in reveal("a", 8.5)._repr_html_()


def test_a_guess_is_a_number_or_a_word(file: Path) -> None:
    with pytest.raises(ValueError, match="expected a number or a word as a guess, got list"):
        predict("a", [1])  # type: ignore[arg-type]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("DSRL_LAB_PREDICTIONS", str(tmp_path / "file" / "below"))
    with pytest.raises(OSError, match=r"cannot note the guess in .*below.* let DSRL_LAB_PREDICTIONS name another"):
        predict("a", 1)


def test_guesses_are_in_the_users_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DSRL_LAB_PREDICTIONS", raising=False)
    assert predictions_file() == user_data_path("dsrl-lab", appauthor=False) / "predictions.jsonl"
    assert predictions_file().parts[-2:] == ("dsrl-lab", "predictions.jsonl")
