"""Many submissions: whose each is, none lost, the same twice."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from mlcourse.assignments import batch
from mlcourse.assignments.batch import grade_all, roster, whose


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
    ],
)
def test_a_roster_says_whose_it_is(path, name, students):
    assert whose(Path(path), "ps1", students) == name


def test_a_roster_that_does_not_fit_is_told_so(students):
    with pytest.raises(ValueError, match="no student of the roster"):
        whose(Path("u00011/ps1.ipynb"), "ps1", students)
    with pytest.raises(ValueError, match="more than one student"):
        whose(Path("u0001_u0002.ipynb"), "ps1", students)


def test_without_a_roster_the_folder_says_it():
    assert whose(Path("submitted/u7/ps1/ps1.ipynb"), "ps1", {}) == "u7"
    assert whose(Path("u8.ipynb"), "ps1", {}) == "u8"
    with pytest.raises(ValueError, match="cannot be a student's id"):
        whose(Path("../a b.ipynb"), "ps1", {})


@pytest.mark.parametrize("text", ["", "id\n", "name\nAnn\n", "id\na/b\n", "id\na\na\n", "id,name\n,Ann\n"])
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
    lines: list[str] = []
    first = grade_all(handed_in, toy, wall=wall, jobs=2, seed=1, say=lines.append)
    second = grade_all(handed_in, toy, wall=wall, jobs=1, seed=1)
    assert [(report.student, report.points) for report in first] == [("a", 20), ("b", 15), ("c", 0), ("d", 0)]
    assert list(map(dataclasses.asdict, first)) == list(map(dataclasses.asdict, second))
    assert len(lines) == 4


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
