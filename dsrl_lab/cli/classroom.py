"""``dsrl-lab classroom``: hand out, check before hand-in, grade."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dsrl_lab.cli.app import App
from dsrl_lab.cli.console import LanguageOption, output, progress_bar
from dsrl_lab.language import ENGLISH, translate

if TYPE_CHECKING:
    from dsrl_lab.course.grading.course import Graded

app = App(help="Hand notebooks out as assignments, check them, grade them in a sandbox.", no_args_is_help=True)


@app.command()
def release(
    course: Annotated[Path, typer.Argument(help="Folder of the course; it is made if it is not there.")],
    only: Annotated[list[str] | None, typer.Option(help="Numbers of notebooks, 06; 02 to 09 by default.")] = None,
    per_student: Annotated[
        bool | None, typer.Option("--per-student/--one-for-all", help="Constants of their own, or not; else as before.")
    ] = None,
    language: LanguageOption = ENGLISH,
) -> None:
    """Build an nbgrader course: source/, release/, and kit/, the students' copy of the library without solutions."""
    from dsrl_lab.course.grading.release import release as build
    from dsrl_lab.files import REPOSITORY

    for name, asked in build(course, REPOSITORY, only=only or [], per_student=per_student).items():
        points = 2 * sum(question.points for question in asked)
        output.print(f"{name}: {points} points for {', '.join(question.name for question in asked)}")
    own = any(course.glob("grades/*/copies.json"))
    folder = f"{course / 'handout'}/<student>, to each their own," if own else course / "release"
    output.print(f"hand out {folder} and {course / 'kit'}; keep everything else to yourself")


@app.command()
def check(
    notebook: Annotated[Path, typer.Argument(help="The notebook that you are about to hand in.")],
    fix: Annotated[bool, typer.Option("--fix", help="Fix what can be fixed; the old file is kept beside.")] = False,
    released: Annotated[Path | None, typer.Option(help="The notebook as it was handed out.")] = None,
) -> None:
    """Inspect a notebook before you hand it in: ids, deleted checks, cells that only run out of order."""
    from dsrl_lab.course.grading.handin import inspect_notebook, write_fixed

    look = inspect_notebook(notebook, released=released)
    fixable = [finding for finding in look.findings if finding.fixable]
    if fix and fixable:
        output.print(translate("fixed; the file as it was: {path}", path=write_fixed(notebook, look)))
    for finding in look.findings:
        sign = ("fixed" if fix else "--fix repairs") if finding.fixable else "for you to do"
        output.print(f"{translate(sign)}: {finding.text}")
    if look.open_answers:
        output.print(translate("still open: {names}", names=", ".join(look.open_answers)))
    if any(not finding.fixable or not fix for finding in look.findings):
        raise typer.Exit(1)
    output.print(translate("ready to hand in"))


@app.command()
def collect(
    course: Annotated[Path, typer.Argument(help="Folder of the course.")],
    archive: Annotated[Path, typer.Option("--zip", help="All submissions, as Moodle and Canvas hand them out.")],
) -> None:
    """Put the notebooks of an archive into submitted/<student>/<assignment>/, whatever their names."""
    from dsrl_lab.course.grading.collect import collect as unpack

    placed, left = unpack(course, archive)
    output.print("\n".join([*placed, *(f"left out: {text}" for text in left)]))
    if left or not placed:
        raise typer.Exit(1)


@app.command()
def grade(
    course: Annotated[Path, typer.Argument(help="Folder of the course, with submitted/<student>/<assignment>/.")],
    only: Annotated[list[str] | None, typer.Option(help="Assignments, by name or number; all by default.")] = None,
    jobs: Annotated[int, typer.Option(min=0, help="Submissions at once; 0: as many as there are cores.")] = 0,
    student: Annotated[list[str] | None, typer.Option(help="Grade these alone; the tables keep the others.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Grade even what has a grade.")] = False,
    late: Annotated[str, typer.Option(metavar="POLICY", help="none, zero, or percent lost a day begun: 10.")] = "none",
    unsafe: Annotated[bool, typer.Option("--unsafe", help="No sandbox: students' code may do what you may.")] = False,
    language: LanguageOption = ENGLISH,
) -> None:
    """Grade every submission in a sandbox; write grades/*.csv, feedback/, and nbgrader's gradebook if there is one."""
    from dsrl_lab.course.grading.course import grade_course, links
    from dsrl_lab.course.grading.gradebook import write_gradebook
    from dsrl_lab.course.grading.messages import clean
    from dsrl_lab.course.grading.walls import not_enforced, protections

    output.print(f"in force: {', '.join(protections(unsafe=unsafe))}")
    if missing := not_enforced(unsafe=unsafe):
        output.print(f"not enforced by the kernel here: {', '.join(missing)}; see dsrl-lab doctor")
    for link in links(course):
        output.print(f"not followed, a link: submitted/{link}")
    counted: Counter[str] = Counter()
    with progress_bar() as progress:
        bar = progress.add_task("grading", total=None)

        def show(one: Graded, total: int) -> None:
            name = one.submission.assignment
            counted[name] += 1
            progress.update(bar, completed=counted[name], total=total, description=f"grading {name}")

        chosen: dict[str, Any] = {"only": only or [], "students": student or [], "again": again}
        graded = grade_course(course, **chosen, late=late, jobs=jobs, unsafe=unsafe, progress=show)
    missed = 0
    for assignment, results in graded.items():
        scores = sorted(one.result.score for one in results if not one.result.fault)
        median = f"median {scores[len(scores) // 2]} points" if scores else "no score"
        unreadable, kept = sum(bool(one.result.problem) for one in results), sum(one.again for one in results)
        counts = f"{len(results)} submissions, {median}, {unreadable} that could not be read, {kept} graded before"
        output.print(f"{assignment}: {counts}; grades/{assignment}.csv")
        failed = write_gradebook(course, assignment, results)
        if failed is not None:
            output.print(f"{assignment}: scores are in nbgrader's gradebook.db")
        not_graded = {one.submission.student: one.result.fault for one in results if one.result.fault}
        for what, students in (("not graded", not_graded), ("not in gradebook.db", failed or {})):
            for name, why in students.items():
                output.print(f"{assignment}: {what}: {clean(name)}: {clean(why)}")
                missed += 1
    if not graded:
        output.print("nothing was handed in: expected submitted/<student>/<assignment>/<assignment>.ipynb")
    if missed or not graded:
        raise typer.Exit(1 if missed else 2)
