"""``dsrl-lab classroom``: hand out, check before hand-in, grade."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dsrl_lab.cli.app import App

app = App(help="Hand notebooks out as assignments, check them, grade them in a sandbox.", no_args_is_help=True)


@app.command()
def release(
    course: Annotated[Path, typer.Argument(help="Folder of the course; it is made if it is not there.")],
    only: Annotated[list[str] | None, typer.Option(help="Numbers of notebooks, 06; all with exercises.")] = None,
) -> None:
    """Build an nbgrader course: source/, release/, and kit/, the students' copy of the library without solutions."""
    from dsrl_lab.cli.console import output
    from dsrl_lab.course.grading.release import release as build
    from dsrl_lab.experiments import REPOSITORY

    for assignment in build(course, REPOSITORY, only=only or []):
        asked = ", ".join(question.name for question in assignment.questions)
        output.print(f"{assignment.name}: {assignment.points} points for {asked}", highlight=False)
    output.print(
        f"hand out {course / 'release'} and {course / 'kit'}; keep everything else to yourself", highlight=False
    )


@app.command()
def check(
    notebook: Annotated[Path, typer.Argument(help="The notebook that you are about to hand in.")],
    fix: Annotated[bool, typer.Option("--fix", help="Mend what can be mended; the old file is kept beside.")] = False,
    released: Annotated[Path | None, typer.Option(help="The notebook as it was handed out.")] = None,
) -> None:
    """Look a notebook over before you hand it in: ids, deleted checks, cells that only run out of order."""
    from dsrl_lab.cli.console import output
    from dsrl_lab.course.grading.handin import look_over, mend

    look = look_over(notebook, released=released)
    mended = [finding for finding in look.findings if finding.mended]
    if fix and mended:
        output.print(f"mended; the file as it was: {mend(notebook, look)}", highlight=False)
    for finding in look.findings:
        sign = ("mended" if fix else "--fix mends") if finding.mended else "for you"
        output.print(f"  {sign}: {finding.text}", highlight=False, markup=False)
    if look.open_answers:
        output.print(f"still open: {', '.join(look.open_answers)}", highlight=False)
    if any(not finding.mended or not fix for finding in look.findings):
        raise typer.Exit(1)
    output.print("ready to hand in")


@app.command()
def grade(
    course: Annotated[Path, typer.Argument(help="Folder of the course, with submitted/<student>/<assignment>/.")],
    only: Annotated[list[str] | None, typer.Option(help="Assignments, by name or number; all by default.")] = None,
    jobs: Annotated[int, typer.Option(help="Submissions at once; as many as there are cores by default.")] = 0,
    unsafe: Annotated[
        bool, typer.Option("--unsafe", help="Without a sandbox: students' code may do whatever you may.")
    ] = False,
) -> None:
    """Grade every submission in a sandbox; write grades/*.csv, feedback/, and nbgrader's gradebook if there is one."""
    from dsrl_lab.cli.console import output, progress_bar
    from dsrl_lab.course.grading.course import grade_course, strange
    from dsrl_lab.course.grading.gradebook import write_gradebook
    from dsrl_lab.course.grading.sandbox import protections

    output.print(f"in force: {', '.join(protections(unsafe=unsafe))}", highlight=False)
    for link in strange(course):
        output.print(f"not followed, a link: submitted/{link}", highlight=False, markup=False)
    with progress_bar() as progress:
        bar = progress.add_task("grading", total=None)
        graded = grade_course(
            course,
            only=only or [],
            jobs=jobs,
            unsafe=unsafe,
            progress=lambda one, total: progress.update(
                bar, advance=1, total=total, description=one.submission.student
            ),
        )
    for assignment, results in graded.items():
        scores = sorted(one.result.score for one in results)
        problems = sum(bool(one.result.problem) for one in results)
        kept = sum(one.again for one in results)
        output.print(
            f"{assignment}: {len(results)} submissions, median {scores[len(scores) // 2]} points, "
            f"{problems} that could not be graded, {kept} graded before; grades/{assignment}.csv",
            highlight=False,
        )
        if write_gradebook(course, assignment, results):
            output.print(f"{assignment}: scores are in nbgrader's gradebook.db", highlight=False)
    if not graded:
        output.print("nothing was handed in: expected submitted/<student>/<assignment>/<assignment>.ipynb")
