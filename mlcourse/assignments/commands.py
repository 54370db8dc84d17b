"""`python -m mlcourse assignment …`: build the problem sets' products, grade submissions, fill in worksheets."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:  # what grades is imported when it is needed
    from mlcourse.assignments.grade import Report

app = typer.Typer(help="Problem sets: build, grade, export points.", no_args_is_help=True)

FILE = {"exists": True, "dir_okay": False}
Roster = Annotated[Path | None, typer.Option(help="CSV of your students: id, and perhaps name, email.", **FILE)]
Out = Annotated[Path, typer.Option(help="Folder of points, feedback and notes.")]
Marks = Annotated[Path | None, typer.Option(help="A filled-in to_mark.csv.", **FILE)]
Moodle = Annotated[Path | None, typer.Option(help="Moodle's grading worksheet, as downloaded.", **FILE)]
Canvas = Annotated[Path | None, typer.Option(help="Canvas's gradebook, as exported.", **FILE)]
Title = Annotated[str, typer.Option(help="The assignment's name in Canvas; by default the set's.")]
Course = Annotated[Path, typer.Option(help="The folder that `assignment build` made.")]


@app.command()
def build(
    names: Annotated[list[str] | None, typer.Argument(help="Sets, such as ps1; without them, all.")] = None,
    out: Annotated[Path, typer.Option(help="The course's folder, for nbgrader and for the grader.")] = Path(
        "course"
    ),
) -> None:
    """Make the lecturer's and the students' notebooks, nbgrader's settings and Gradescope's zips."""
    from mlcourse.assignments import products, sets

    for path in products.build(names or sets.names(), out):
        typer.echo(path)


@app.command()
def grade(
    submissions: Annotated[
        list[Path], typer.Argument(help="Notebooks, or folders that hold one each.", exists=True)
    ],
    name: Annotated[str, typer.Option("--set", help="The set that is graded, such as ps1.")],
    course: Course = Path("course"),
    out: Out = Path("graded"),
    roster: Roster = None,
    jobs: Annotated[int, typer.Option(help="Submissions at a time.")] = os.cpu_count() or 1,
    seed: Annotated[int | None, typer.Option(help="Of the hidden inputs; by default fresh for each.")] = None,
    trust_submissions: Annotated[
        bool, typer.Option("--trust-submissions", help="Run them without walls, where none stand.")
    ] = False,
    marks: Marks = None,
    moodle: Moodle = None,
    canvas: Canvas = None,
    canvas_title: Title = "",
) -> None:
    """Grade submissions inside walls; write points, feedback, and what a person has to mark."""
    from mlcourse.assignments import batch, reports, sets, walls

    students = batch.roster(roster) if roster else {}
    problem_set = sets.ProblemSet.stored(course / "source" / name / f"{name}.ipynb")
    wall = walls.choose(trust=trust_submissions)
    _say(f"Walls: {wall}.")
    claims, problems = _claims(submissions, name, students)
    handed_in = {student: paths[0] for student, paths in claims.items() if len(paths) == 1}
    for problem in problems:
        _say(f"Not graded. {problem}")
    done: list[Report] = []

    def keep(report: "Report") -> None:
        done.append(report)
        _say(f"{len(done)}/{len(handed_in)}  {report.student}: {report.points:g}")

    try:
        batch.grade_all(
            handed_in, problem_set, wall=wall, everybody=tuple(students), jobs=jobs, seed=seed, keep=keep
        )
    finally:  # Ctrl-C, say; before the first is done it leaves what an earlier grading has written
        done.sort(key=lambda report: report.student)
        if done or not handed_in:
            reports.write(done, out)
    absent = [student for student in students if student not in claims]
    typer.echo(f"{len(done)} graded, into {out}" + (f"; nothing from {', '.join(absent)}" if absent else ""))
    _export(done, out, students, marks, moodle, canvas, canvas_title or name)
    raise typer.Exit(1 if problems else 0)


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="The folder that `assignment grade` wrote.")],
    roster: Roster = None,
    marks: Marks = None,
    moodle: Moodle = None,
    canvas: Canvas = None,
    canvas_title: Title = "",
) -> None:
    """Take in a person's marks, write the feedback anew, and fill in worksheets."""
    from mlcourse.assignments import batch, reports

    done = reports.read(out)
    students = batch.roster(roster) if roster else {}
    _export(done, out, students, marks, moodle, canvas, canvas_title or done[0].problem_set)


def _claims(
    submissions: list[Path], name: str, students: dict[str, dict[str, str]]
) -> tuple[dict[str, list[Path]], list[str]]:
    """Say who has handed in what, and what is wrong: nobody knows whose one is, or two are the same student's.

    Of two neither is graded. Students choose the names of their files: with one that names another student,
    somebody could hand in for them.
    """
    from mlcourse.assignments import batch

    claims: dict[str, list[Path]] = {}
    problems = []
    for path in dict.fromkeys(submissions):
        try:
            claims.setdefault(batch.whose(path, name, students), []).append(path)
        except ValueError as error:
            problems.append(str(error))
    for student, paths in claims.items():
        if len(paths) > 1:
            several = " and ".join(map(str, paths))
            problems.append(f"{several} are all {student}'s, as they are named: give only the right one")
    return claims, problems


def _export(
    done: list["Report"],
    out: Path,
    students: dict[str, dict[str, str]],
    marks: Path | None,
    moodle: Path | None,
    canvas: Path | None,
    title: str,
) -> None:
    from mlcourse.assignments import reports

    if marks:
        done = reports.marked(done, marks)
        reports.write(done, out)
    lost = []
    if moodle:
        lost += reports.fill_moodle(done, moodle, out / "moodle.csv", students)
        typer.echo(out / "moodle.csv")
    if canvas:
        lost += reports.fill_canvas(done, canvas, out / "canvas.csv", students, title)
        typer.echo(out / "canvas.csv")
    if lost:
        raise ValueError(f"the worksheet has no line, or several, for {', '.join(dict.fromkeys(lost))}")


def _say(line: str) -> None:
    typer.echo(line, err=True)
