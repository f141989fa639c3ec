"""The page that a student gets back: answers, points, diagnoses; nothing of the hidden inputs, no script."""

import html

from dsrl_lab.course.grading.answer_key import AnswerKey
from dsrl_lab.course.grading.grading import Mark, Result
from dsrl_lab.course.grading.messages import clean
from dsrl_lab.language import language, translate

STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}
body{color:#1a1a1a;background:#fff}
section{border-left:6px solid #D55E00;padding:.2rem 1rem;margin:1.2rem 0}
section.half{border-color:#E69F00}section.full{border-color:#009E73}
pre{background:#f4f4f4;padding:.6rem;overflow:auto;font-size:14px}
@media (prefers-color-scheme:dark){body{color:#eee;background:#161616}pre{background:#262626}}"""


def page(key: AnswerKey, student: str, result: Result) -> str:
    """A submission's feedback as HTML."""
    title = _points(key.name, result.score, key.out_of)
    parts = [
        f'<!doctype html><html lang="{language()}"><meta charset="utf-8"><title>{_safe(title)}</title>',
        f"<style>{STYLE}</style>",
        f"<h1>{_safe(title)}</h1><p>{_safe(student)}</p><p><strong>{_safe(translate(result.problem))}</strong></p>",
    ]
    if result.notes:
        items = "".join(f"<li>{_safe(translate(note))}</li>" for note in result.notes)
        parts.append(f"<h2>{translate('Cells that did not run')}</h2><ul>{items}</ul>")
    parts += [_section(mark) for mark in result.marks]
    if result.printed.strip():
        parts.append(f"<h2>{translate('What your cells printed')}</h2><pre>{_safe(result.printed)}</pre>")
    return "\n".join([*parts, "</html>"])


def _section(mark: Mark) -> str:
    kind = "full" if mark.points == mark.out_of else "half" if mark.points else "none"
    sign = {"full": "✔", "half": "◐", "none": "✘"}[kind]
    known = f" · {translate(mark.known_as)}" if mark.known_as else ""
    title = f"{sign} {_points(mark.question, mark.points, mark.out_of)}{known}"
    text = f'<section class="{kind}"><h2>{_safe(title)}</h2><p>{_safe(translate(mark.message))}</p>'
    if mark.hidden_message:
        text += f"<p>{translate('Inputs of other kinds:')} {_safe(translate(mark.hidden_message))}</p>"
    if mark.code:
        text += f"<details><summary>{translate('Your answer')}</summary><pre>{_safe(mark.code)}</pre></details>"
    return f"{text}</section>"


def _points(name: str, score: int, most: int) -> str:
    return translate("{name}: {score} of {most} points", name=name, score=score, most=most)


def _safe(text: str) -> str:
    return html.escape(clean(text, 100_000))
