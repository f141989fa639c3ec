"""Predictions: a guess before the run, and beside the result after it; JSON lines on this computer, never sent."""

import html
import json
import os
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_data_path

from dsrl_lab.language import translate

Guess = float | str


def predictions_file() -> Path:
    """Where guesses are kept: DSRL_LAB_PREDICTIONS, or dsrl-lab/predictions.jsonl in the user's data folder."""
    chosen = os.environ.get("DSRL_LAB_PREDICTIONS")
    if chosen:
        return Path(chosen).expanduser()
    return user_data_path("dsrl-lab", appauthor=False) / "predictions.jsonl"


@dataclass(frozen=True)
class Beside:
    """A guess beside a result; either may still be missing (None)."""

    question: str
    guess: Guess | None
    result: Guess | None = None
    unit: str = ""

    def __repr__(self) -> str:
        none = translate("none yet: write one down before you read on")
        guess = none if self.guess is None else self._text(self.guess)
        line = f"{self.question} · {translate('your guess: {guess}', guess=guess)}"
        return line if self.result is None else f"{line} · {self._shown_result}{self._ratio}"

    def _repr_html_(self) -> str:
        """As in a terminal, but a result without a guess is folded: the page asks before it shows."""
        text = html.escape(repr(self))
        if self.guess is None and self.result is not None:
            ask = html.escape(f"{self.question} · {translate('no guess yet. Guess first, then open.')}")
            text = f"<details><summary>{ask}</summary>{html.escape(self._shown_result)}</details>"
        return f'<div style="border-left:4px solid #0072B2;padding:4px 12px;margin:4px 0">{text}</div>'

    @property
    def _shown_result(self) -> str:
        result = translate(self.result) if isinstance(self.result, str) else self.result or 0
        return translate("the result: {result}", result=self._text(result))

    def _text(self, value: Guess) -> str:
        return f"{value if isinstance(value, str) else _three_digits(value)} {translate(self.unit)}".rstrip()

    @property
    def _ratio(self) -> str:
        if isinstance(self.guess, str) or isinstance(self.result, str) or not self.guess or not self.result:
            return ""
        ratio = self.guess / self.result
        return translate(" (your guess was {ratio} times it)", ratio=f"{ratio:.3g}") if ratio > 0 else ""


def _three_digits(value: float) -> str:
    """Three significant digits, all digits of a larger whole part, and no power of ten for what people guess."""
    return f"{value:.0f}" if 100 <= abs(value) < 1e9 else f"{value:.3g}"


def predict(question: str, guess: Guess | None, *, unit: str = "") -> Beside:
    """Note a guess, a number or a word, for a question such as "06.memory"; None notes nothing.

    Raises:
        ValueError: the guess is neither a number nor a word.
        OSError: the file cannot be written.

    Example:
        >>> predict("06.memory", None)
        06.memory · your guess: none yet: write one down before you read on
    """
    if guess is None:
        return Beside(question, None, unit=unit)
    if not isinstance(guess, int | float | str):
        raise ValueError(f"expected a number or a word as a guess, got {type(guess).__name__}; write, say, 12.5")
    path = predictions_file()
    line = json.dumps({"question": question, "guess": guess, "unit": unit}, ensure_ascii=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    except OSError as error:
        raise OSError(f"cannot note the guess in {path} ({error}); let DSRL_LAB_PREDICTIONS name another") from error
    return Beside(question, guess, unit=unit)


def reveal(question: str, result: Guess, *, unit: str = "") -> Beside:
    """Show the latest guess beside the result.

    Example:
        >>> reveal("a question that nobody was asked", 256, unit="MiB").result
        256
    """
    return Beside(question, _latest(question), result, unit)


def _latest(question: str) -> Guess | None:
    path = predictions_file()
    if not path.is_file():
        return None
    guess: Guess | None = None
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            noted = json.loads(line)
        except json.JSONDecodeError:  # a line that was cut off by a crash hides no other
            continue
        if isinstance(noted, dict) and noted.get("question") == question:
            guess = noted.get("guess")
    return guess
