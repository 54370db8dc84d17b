"""A student's own data: theirs alone, and theirs whatever a notebook says."""

import pytest

from mlcourse.assignments import variants
from mlcourse.assignments.variants import graded_as, own


def test_the_same_student_has_the_same_data_and_others_have_others():
    drawn = {name: own("ps1/x", name).normal() for name in ("a", "b", "c")}
    assert own("ps1/x", "a").normal() == drawn["a"]
    assert len(set(drawn.values())) == 3
    assert own("ps1/y", "a").normal() != drawn["a"]


def test_capitals_and_blanks_make_no_other_student(monkeypatch):
    assert own("q", "u17").integers(10**9) == 758191042, "ids in lower case keep their data"
    assert len({own("q", name).normal() for name in ("u17", "U17", " u17 ")}) == 1
    with graded_as("U17 "):
        assert own("q").normal() == own("q", "u17").normal()


def test_the_graders_id_counts_and_not_the_notebooks(monkeypatch, tmp_path):
    of_a, of_b = own("q", "a").normal(), own("q", "b").normal()
    with graded_as("a"):
        assert own("q", "b").normal() == of_a
    assert own("q", "b").normal() == of_b
    monkeypatch.setenv(variants.VARIABLE, "a")
    assert own("q", "b").normal() == of_a


def test_under_nbgrader_the_folder_says_who(monkeypatch, tmp_path):
    folder = tmp_path / "autograded" / "a" / "ps1"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    assert own("q", "b").normal() == own("q", "b").normal() != own("q", "a").normal()
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert variants.student("b") == "a"


def test_nobody_is_told_so():
    with pytest.raises(ValueError, match="STUDENT is empty"):
        own("q", " ")
