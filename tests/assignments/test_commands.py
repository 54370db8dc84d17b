"""The commands, as a lecturer types them: build, grade, mark, export."""

import csv

import pytest
from typer.testing import CliRunner

from mlcourse.assignments import batch, reports, sets
from mlcourse.assignments.grade import Report
from mlcourse.cli import app

SHEET = "Identifier,Email address,Grade,Feedback comments\nParticipant 7,ann@example.org,-,\n"


def run(*arguments: object, fails: bool = False) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert (done.exit_code != 0) == fails, done.output
    return done.output


@pytest.fixture
def course(tmp_path):
    run("assignment", "build", "ps4", "--out", tmp_path / "course")
    (tmp_path / "students.csv").write_text("id,email\nu1,ann@example.org\nu2,ben@example.org\n")
    handed_in = tmp_path / "downloads" / "u1_ps4.ipynb"
    handed_in.parent.mkdir()
    handed_in.write_bytes((tmp_path / "course" / "source" / "ps4" / "ps4.ipynb").read_bytes())
    return tmp_path


def grade(course, *more, **named):
    graded = ("--set", "ps4", "--course", course / "course", "--out", course / "graded", "--jobs", 1)
    roster = ("--roster", course / "students.csv")
    return run("assignment", "grade", course / "downloads" / "u1_ps4.ipynb", *graded, *roster, *more, **named)


def test_from_the_build_to_the_worksheet(course, wall):
    said = grade(course)
    assert "Walls: bubblewrap" in said and "1 graded" in said and "nothing from u2" in said
    with (course / "graded" / "to_mark.csv").open(newline="") as file:
        waiting = list(csv.DictReader(file))
    assert sum(float(row["most"]) for row in waiting) == 70 and all(row["answer"] for row in waiting)
    marks = course / "marks.csv"
    marks.write_text(
        "student,item,most,points,comment,answer\n" + "".join(f"u1,{r['item']},{r['most']},1,,\n" for r in waiting)
    )
    (course / "sheet.csv").write_text(SHEET)
    export = ("--marks", marks, "--moodle", course / "sheet.csv", "--roster", course / "students.csv")
    assert "moodle.csv" in run("assignment", "export", course / "graded", *export)
    filled = (course / "graded" / "moodle.csv").read_text()
    assert f"Participant 7,ann@example.org,{30 + len(waiting)}," in filled


def test_whom_nobody_knows_is_told_and_the_others_are_graded(course, wall):
    stranger = course / "downloads" / "stranger.ipynb"
    stranger.write_text("{}")
    said = grade(course, stranger, fails=True)
    assert "no student of the roster" in said and "1 graded" in said


def test_of_two_that_are_the_same_students_neither_is_graded(course, monkeypatch):
    monkeypatch.setattr("mlcourse.assignments.walls.choose", lambda trust: "none")
    again = course / "downloads" / "else_4712_1000" / "u1.ipynb"
    again.parent.mkdir()
    again.write_text("{}")
    said = grade(course, again, again, fails=True).replace("\n", "")
    assert "0 graded" in said and "u1_ps4.ipynb and " in said and f"{again} are all u1's" in said
    assert reports.read(course / "graded") == []


def test_ctrl_c_leaves_the_reports_of_all_that_were_done(course, monkeypatch):
    monkeypatch.setattr("mlcourse.assignments.walls.choose", lambda trust: "none")

    def stopped(*_, keep, **named):
        keep(Report("u1", "ps4", "", ()))
        raise KeyboardInterrupt

    def stopped_at_once(*_, **named):
        raise KeyboardInterrupt

    for grading in (stopped, stopped_at_once):
        monkeypatch.setattr(batch, "grade_all", grading)
        grade(course, fails=True)
        assert [report.student for report in reports.read(course / "graded")] == ["u1"]


def test_without_walls_it_refuses(course, monkeypatch):
    monkeypatch.setattr("mlcourse.assignments.walls.bubblewrap_problem", lambda: "it is not installed")
    assert "--trust-submissions" in grade(course, fails=True)
    assert "Walls: none" in grade(course, "--trust-submissions")


def test_an_unknown_set_is_told_so(tmp_path):
    assert f"there are {', '.join(sets.names())}" in run(
        "assignment", "build", "ps9", "--out", tmp_path, fails=True
    )


def test_what_is_not_there_is_told_in_a_line(course, wall):
    nowhere = course / "nowhere"
    assert "does not exist" in run("assignment", "grade", nowhere, "--set", "ps4", fails=True)
    handed_in = course / "downloads"
    said = run("assignment", "grade", handed_in, "--set", "ps4", "--course", nowhere, fails=True)
    assert "Error: " in said and "assignment build" in said
    assert "grade into it first" in run("assignment", "export", nowhere, fails=True)
