"""Points, feedback and worksheets: what was graded is what is written, and nothing is invented."""

import csv

import pytest

from mlcourse.assignments import reports
from mlcourse.assignments.grade import Report, Result

ANN = Report(
    "u0001",
    "ps1",
    "ps1.ipynb",
    (Result("a", 10, 10, "passed", "that `a < b`"), Result("b", None, 15, "to be marked", "", "=HYPERLINK(1)")),
    stopped=("Code cell 3 stopped: NameError: <b>x</b>",),
    notes=("an odd thing",),
)
BEN = Report(
    "u0002",
    "ps1",
    "ps1.ipynb",
    (Result("a", 0, 10, "wrong", "The sign."), Result("b", 0, 15, "not attempted", "")),
)
STUDENTS = {
    "u0001": {"id": "u0001", "email": "ann@example.org"},
    "u0002": {"id": "u0002", "email": "ben@example.org"},
}


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_everything_is_written_and_read_again(tmp_path):
    reports.write([ANN, BEN], tmp_path)
    assert reports.read(tmp_path) == [ANN, BEN]
    assert [(row["student"], row["a"], row["b"], row["sum"]) for row in rows(tmp_path / "points.csv")] == [
        ("u0001", "10", "", "10"),
        ("u0002", "0", "0", "0"),
    ]
    assert (tmp_path / "for_the_lecturer.txt").read_text() == "u0001: an odd thing\n"
    assert [row["answer"] for row in rows(tmp_path / "to_mark.csv")] == ["'=HYPERLINK(1)"], "no formula"


def test_feedback_is_escaped_and_keeps_what_is_the_lecturers():
    page = reports.feedback(ANN)
    assert "10 of 25 points" in page and "15 points wait" in page
    assert "&lt;b&gt;x" in page and "that <code>a &lt; b</code>" in page
    assert "an odd thing" not in page and "HYPERLINK" not in page


def test_marks_are_taken_in(tmp_path):
    marks = tmp_path / "to_mark.csv"
    marks.write_text('student,item,most,points,comment,answer\nu0001,b,15,"12,5",Well said.,\n')
    done = reports.marked([ANN, BEN], marks)
    assert [report.points for report in done] == [22.5, 0]
    assert done[0].results[1].message == "Well said." and "22.5 of 25" in reports.feedback(done[0])
    assert reports.marked(done, marks) == done, "marks can be given again"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        *((f"u0001,b,15,{points},,", "0 to 15") for points in ("16", "-1", "nan", "ten")),
        ("u0001,a,10,3,,", "waits for no mark"),
        ("u0009,b,15,3,,", "waits for no mark"),
    ],
)
def test_marks_that_cannot_be_are_refused(line, why, tmp_path):
    marks = tmp_path / "to_mark.csv"
    marks.write_text(f"student,item,most,points,comment,answer\n{line}\n")
    with pytest.raises(ValueError, match=why):
        reports.marked([ANN, BEN], marks)


MOODLE = (
    "\ufeffIdentifier,Full name,Email address,Status,Grade,Maximum Grade,Last modified (grade),Feedback comments\n"
    "Participant 1,Ann Other,ann@example.org,Submitted,-,100.00,-,\n"
    "Participant 2,Ben Else,ben@example.org,Submitted,-,100.00,-,\n"
    "Participant 3,Cat Third,cat@example.org,,-,100.00,-,\n"
)


def test_moodles_worksheet_is_filled_in(tmp_path):
    sheet, out = tmp_path / "sheet.csv", tmp_path / "out.csv"
    sheet.write_text(MOODLE, encoding="utf-8")
    assert reports.fill_moodle([ANN, BEN], sheet, out, STUDENTS) == []
    filled = rows(out)
    assert [(row["Identifier"], row["Grade"]) for row in filled] == [
        ("Participant 1", "10"), ("Participant 2", "0"), ("Participant 3", "-")
    ]  # fmt: skip
    assert filled[1]["Feedback comments"] == "a 0/10: The sign.<br>b 0/15"
    assert filled[0]["Last modified (grade)"] == "-"
    lost = Report("u0009", "ps1", "", ANN.results)
    assert reports.fill_moodle([lost], sheet, out, STUDENTS) == ["u0009"]


def test_canvas_gradebook_is_filled_in(tmp_path):
    sheet, out = tmp_path / "sheet.csv", tmp_path / "out.csv"
    sheet.write_text(
        "Student,ID,SIS Login ID,Section,ps1 (4711),ps10 (4712)\n    Points Possible,,,,100,100\n"
        '"Other, Ann",17,u0001,A,,\n"Else, Ben",18,u0002,A,,\n'
    )
    assert reports.fill_canvas([ANN, BEN], sheet, out, {}, "ps1") == []
    assert [row["ps1 (4711)"] for row in rows(out)] == ["100", "10", "0"]
    assert [row["ps10 (4712)"] for row in rows(out)] == ["100", "", ""]
    with pytest.raises(ValueError, match="0 columns named 'ps2'"):
        reports.fill_canvas([ANN], sheet, out, {}, "ps2")
    with pytest.raises(ValueError, match="no column 'Identifier'"):
        reports.fill_moodle([ANN], sheet, out, {})


def test_a_folder_without_reports_is_told_so(tmp_path):
    with pytest.raises(ValueError, match="grade into it first"):
        reports.read(tmp_path)


@pytest.mark.parametrize(
    ("text", "disarmed"),
    [
        ("Because of this;=1+1", "Because of this;'=1+1"),
        ("See\n=HYPERLINK(1)", "See\n'=HYPERLINK(1)"),
        ("See\t+1;\r@x", "See\t'+1;\r'@x"),
        ('a; "=1', "a; \"'=1"),
        (" ,-1", " ,'-1"),
        ("a = b - 1; c = 2, d@e", "a = b - 1; c = 2, d@e"),
    ],
)
def test_no_part_of_a_text_becomes_a_formula(text, disarmed, tmp_path):
    reports.write([Report("u1", "ps1", "", (Result("a", None, 10, "to be marked", "", text),))], tmp_path)
    with (tmp_path / "to_mark.csv").open(newline="", encoding="utf-8") as file:
        assert next(csv.DictReader(file))["answer"] == disarmed


def test_a_line_is_found_by_who_it_is_and_not_by_a_tutor(tmp_path):
    sheet, out = tmp_path / "sheet.csv", tmp_path / "out.csv"
    sheet.write_text("Identifier,Email,Grade,Matricle\n1,ann@example.org,,\n2,tutor@example.org,,\n3,,,77\n")
    students = {"u0001": {"id": "u0001", "tutor": "tutor@example.org"}}
    assert reports.fill_moodle([ANN], sheet, out, students) == ["u0001"]
    students["u0001"]["email"] = "Ann@example.org"
    assert reports.fill_moodle([ANN], sheet, out, students) == []
    assert [row["Grade"] for row in rows(out)] == ["10", "", ""]
    assert reports.fill_moodle([ANN], sheet, out, {"u0001": {"id": "u0001", "Matricle": "77"}}) == []
    assert [row["Grade"] for row in rows(out)] == ["", "", "10"]


def test_what_excel_has_stored_is_read(tmp_path):
    marks = tmp_path / "to_mark.csv"
    text = 'student;item;most;points;comment;answer\r\nu0001;b;15;12,5;"Schön; gut.";x, y\r\n'
    for encoding in ("cp1252", "utf-8", "utf-8-sig"):
        marks.write_bytes(text.encode(encoding))
        result = reports.marked([ANN, BEN], marks)[0].results[1]
        assert (result.points, result.message) == (12.5, "Schön; gut.")
    marks.write_text("student,item,most,mark\n")
    with pytest.raises(ValueError, match="to_mark.csv has no column 'points': keep the first line"):
        reports.marked([ANN], marks)


def test_moodles_worksheet_from_excel_is_filled_in(tmp_path):
    sheet, out = tmp_path / "sheet.csv", tmp_path / "out.csv"
    sheet.write_bytes("Identifier;Full name;Grade\r\nParticipant 1;Zoë;-\r\n".encode("cp1252"))
    assert reports.fill_moodle([ANN], sheet, out, {"u0001": {"id": "u0001", "name": "zoë"}}) == []
    assert rows(out) == [{"Identifier": "Participant 1", "Full name": "Zoë", "Grade": "10"}]
