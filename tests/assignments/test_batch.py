"""Many submissions: whose each is, none lost, the same twice."""

import dataclasses
import os
import resource
import shutil
import time
from pathlib import Path

import pytest

from mlcourse.assignments import batch
from mlcourse.assignments.batch import grade_all, roster, whose
from mlcourse.assignments.grade import Report


@pytest.fixture
def students(tmp_path):
    path = tmp_path / "students.csv"
    path.write_text("id,name,email\nu0001,Ann Other,ann@example.org\nu0002,Ben Else,ben@example.org\n")
    return roster(path)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("submitted/u0001/ps1/ps1.ipynb", "u0001"),
        ("otherann_123_u0002_ps1.ipynb", "u0002"),
        ("Ann Other_4711_assignsubmission_file_/ps1.ipynb", "u0001"),
        ("ben@example.org/ps1", "u0002"),
        ("otherann_4711_999_toy.ipynb", "u0001"),
        ("annother_LATE_4711_999_toy.ipynb", "u0001"),
        ("Ann Other_4711_assignsubmission_file_u0002.ipynb", "u0001"),
        ("x_2025_10_y/u0002/toy.ipynb", "u0002"),
    ],
)
def test_a_roster_says_whose_it_is(path, name, students):
    assert whose(Path(path), "ps1", students) == name


def test_a_roster_that_does_not_fit_is_told_so(students):
    with pytest.raises(ValueError, match="no student of the roster"):
        whose(Path("u00011/ps1.ipynb"), "ps1", students)
    with pytest.raises(ValueError, match="more than one student"):
        whose(Path("u0001_u0002.ipynb"), "ps1", students)


def test_what_students_name_does_not_say_whose_it_is(students):
    assert whose(Path("otherann_4711_999_u0002.ipynb"), "toy", students) == "u0001"
    assert whose(Path("submitted/u0001/u0002.ipynb"), "toy", students) == "u0001"
    for path in ("thirdcat_4711_999_u0002.ipynb", "Cat Third_4711_assignsubmission_file_/u0002.ipynb"):
        with pytest.raises(ValueError, match="no student of the roster"):
            whose(Path(path), "toy", students)


def test_names_of_three_words_and_of_other_alphabets_are_found_in_canvas_files(tmp_path):
    path = tmp_path / "students.csv"
    path.write_text("id,name\n4711,Ann Mary O'Neil\nu2,Zoë Müller\n", encoding="utf-8")
    known = roster(path)
    assert whose(Path("oneilannmary_17_999_ps1.ipynb"), "ps1", known) == "4711"
    assert whose(Path("sally_4711_999_ps1.ipynb"), "ps1", known) == "4711", "by the id that Canvas has"
    assert whose(Path("mu\u0308llerzoe\u0308_17_999_ps1.ipynb"), "ps1", known) == "u2", "as a Mac writes it"


def test_a_folder_is_called_by_its_whole_name(tmp_path):
    for name in ("jane.doe", "jane.roe"):
        (tmp_path / name).mkdir()
        assert whose(tmp_path / name, "ps1", {}) == name
        assert whose(tmp_path / name, "ps1", {"jane.doe": {}, "jane.roe": {}}) == name


def test_without_a_roster_the_folder_says_it():
    assert whose(Path("submitted/u7/ps1/ps1.ipynb"), "ps1", {}) == "u7"
    assert whose(Path("u8.ipynb"), "ps1", {}) == "u8"
    with pytest.raises(ValueError, match="cannot be a student's id"):
        whose(Path("../a b.ipynb"), "ps1", {})


@pytest.mark.parametrize(
    "text", ["", "id\n", "name\nAnn\n", "id\na/b\n", "id\na\na\n", "id\na\nA\n", "id,name\n,Ann\n"]
)
def test_a_roster_without_good_ids_is_refused(text, tmp_path):
    path = tmp_path / "students.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match="students.csv"):
        roster(path)


def test_all_are_graded_and_the_same_twice(hand_in, tmp_path, toy, wall):
    good, half = (
        hand_in(name="good/toy.ipynb"),
        hand_in({"next-answer": "def next_one(a): return a"}, name="half/toy.ipynb"),
    )
    broken = tmp_path / "broken" / "toy.ipynb"
    broken.parent.mkdir()
    broken.write_text("{")
    handed_in = {"a": good, "b": half, "c": broken, "d": tmp_path / "nowhere.ipynb"}
    kept: list[Report] = []
    first = grade_all(handed_in, toy, wall=wall, jobs=2, seed=1, keep=kept.append)
    second = grade_all(handed_in, toy, wall=wall, jobs=1, seed=1)
    assert [(report.student, report.points) for report in first] == [("a", 20), ("b", 15), ("c", 0), ("d", 0)]
    assert list(map(dataclasses.asdict, first)) == list(map(dataclasses.asdict, second))
    assert sorted(kept, key=lambda report: report.student) == first


def test_a_grader_that_fails_loses_nobody(hand_in, toy, monkeypatch):
    monkeypatch.setattr(batch, "grade", "no function")
    report = grade_all({"a": hand_in()}, toy, wall="none")[0]
    assert [result.points for result in report.results] == [None] * 4
    assert "grade this one again" in report.notes[0]


def test_a_folder_of_one_student_is_no_folder_of_another(hand_in, tmp_path, toy, wall):
    mine = hand_in(name="a/toy.ipynb")
    shutil.copytree(mine.parent, tmp_path / "b")
    done = grade_all({"a": mine.parent, "b": tmp_path / "b"}, toy, wall=wall, jobs=2)
    assert [report.points for report in done] == [20, 20]  # `mine` is computed, so each computes their own


def test_what_excel_stores_is_a_roster(tmp_path):
    path = tmp_path / "students.csv"
    path.write_bytes("id;name\r\nu1;Zoë Müller\r\n".encode("cp1252"))
    assert roster(path) == {"u1": {"id": "u1", "name": "Zoë Müller"}}
    path.write_text("name\nAnn\n")
    with pytest.raises(ValueError, match="no column 'id': give it a first line such as id,name,email"):
        roster(path)


def slow(path, problem_set, name, **named):
    """In the place of `grade`: leave a trace, and take a moment."""
    (path / name).touch()
    time.sleep(0.05)
    return Report(name, "toy", "", ())


def test_when_it_is_stopped_what_is_done_is_kept_and_what_waits_is_left_out(tmp_path, toy, monkeypatch):
    monkeypatch.setattr(batch, "grade", slow)
    kept: list[Report] = []

    def keep(report):
        kept.append(report)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        grade_all({f"u{n}": tmp_path for n in range(40)}, toy, wall="none", jobs=1, keep=keep)
    assert len(kept) == 1 and len(list(tmp_path.iterdir())) < 40


def killed_once(path, problem_set, name, *, others, **named):
    """In the place of `grade`: end the process, and only the second time tell the others."""
    if not (path / "killed").exists():
        (path / "killed").touch()
        os._exit(1)
    return Report(name, "toy", "", (), notes=others)


def test_what_begins_anew_knows_the_others_too(tmp_path, toy, monkeypatch):
    monkeypatch.setattr(batch, "grade", killed_once)
    assert grade_all({"a": tmp_path}, toy, wall="none", everybody=("a", "b"), jobs=1)[0].notes == ("b",)


def limits(path, problem_set, name, **named):
    """In the place of `grade`: tell how much memory this process may take."""
    return Report(name, "toy", "", (), notes=tuple(map(str, resource.getrlimit(resource.RLIMIT_AS))))


def test_a_grading_process_cannot_take_all_memory(tmp_path, toy, monkeypatch):
    monkeypatch.setattr(batch, "grade", limits)
    soft, hard = grade_all({"a": tmp_path}, toy, wall="none", jobs=1)[0].notes
    assert 0 < int(soft) == int(hard) <= batch.MEMORY
