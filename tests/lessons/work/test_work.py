"""A reader's work: what passes is kept, nothing is lost, a later notebook takes it, the passport tells of it."""

import linecache
import stat
from itertools import count

import numpy as np
import pytest

from mlcourse.lessons import note, passport, yours
from mlcourse.lessons.checks.compare import compare
from mlcourse.lessons.checks.verdict import exercise
from mlcourse.lessons.work import store

numbers = count()


@exercise("5.1", "A double", passed="Well done.")
def check(answer):
    yield compare(answer(np.array([1.0, 2.0])), np.array([2.0, 4.0]))


@exercise("5.4", "A letter")
def check_letter(answer):
    yield None if answer == "d" else "another letter"


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch):
    monkeypatch.setenv("MLCOURSE_WORK", str(tmp_path / "my_work"))
    return tmp_path / "my_work"


def reader(text: str, name: str = "double"):
    """A function as a notebook's cell defines it."""
    file = f"<work {next(numbers)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    namespace = {"__name__": "__main__", "np": np, "held": np.ones(2)}
    exec(compile(text, file, "exec"), namespace)
    return namespace[name]


RIGHT = "def double(x):\n    return x + x\n"
OTHER = "def double(x):\n    return np.multiply(x, 2)\n"


def course(x):
    return -x


def test_a_solution_that_passes_travels(work, capsys):
    verdict = check(reader(RIGHT))
    assert verdict.status == "passed" and verdict.message.startswith("Well done.")
    assert "my_work/exercise_5_1.py" in verdict.message
    mine = yours("5.1", otherwise=course)
    assert mine(3) == 6 and "your own code runs" in capsys.readouterr().out


def test_without_a_solution_the_course_runs(capsys):
    assert yours("5.1", otherwise=course)(3) == -3
    assert "the course's code runs" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["def double(x):\n    return x\n", "def double(x):\n    return ...\n"])
def test_what_does_not_pass_is_not_kept(text, work):
    check(reader(text))
    assert not store.path_of("5.1").exists()


def test_another_solution_takes_its_place_and_loses_nothing(work):
    for text in (RIGHT, OTHER, RIGHT, RIGHT):
        check(reader(text))
    kept = {path.name: path.read_text() for path in work.glob("exercise_*.py")}
    assert sorted(kept) == ["exercise_5_1.py", "exercise_5_1_version_1.py", "exercise_5_1_version_2.py"]
    assert "x + x" in kept["exercise_5_1.py"] and "np.multiply" in kept["exercise_5_1_version_2.py"]


def test_what_a_reader_changed_in_the_file_is_not_overwritten(work):
    check(reader(RIGHT))
    path = store.path_of("5.1")
    path.write_text(path.read_text().replace("x + x", "x * 2  # mine"))
    assert yours("5.1", otherwise=course)(3) == 6
    check(reader(RIGHT))
    assert "# mine" in (work / "exercise_5_1_version_1.py").read_text()


def test_what_needs_its_page_is_passed_and_not_kept(work):
    verdict = check(reader("def double(x):\n    return x + x * held[0]\n"))
    assert verdict.status == "passed" and "uses `held` of this page" in verdict.message
    assert not store.path_of("5.1").exists()


def test_a_kept_function_that_fails_is_named_and_stepped_over(capsys):
    check(reader(RIGHT))
    path = store.path_of("5.1")
    path.write_text("def double(x):\n    return 1 / (x - x)\n\nanswer = double\n")
    mine = yours("5.1", otherwise=course)
    assert [mine(3), mine(4)] == [-3, -4]
    said = capsys.readouterr().out
    assert said.count("ZeroDivisionError") == 1 and "The course's code goes on" in said


@pytest.mark.parametrize("text", ["def double(x:", "", "answer = 1 / 0"])
def test_a_kept_file_that_cannot_be_used_is_named(text, capsys):
    check(reader(RIGHT))
    store.path_of("5.1").write_text(text)
    assert yours("5.1", otherwise=course)(3) == -3
    assert "exercise_5_1.py cannot be used" in capsys.readouterr().out


def test_a_folder_that_may_not_be_written_spoils_no_verdict(work, monkeypatch):
    monkeypatch.setenv("MLCOURSE_WORK", "/dev/null/my_work")
    verdict = check(reader(RIGHT))
    assert verdict.status == "passed" and "could not be kept" in verdict.message


def test_the_passport_tells_what_is_solved_and_when(work):
    before = passport()
    assert before.stamps["5.1"].title == "The inner loop" and not before.stamps["5.1"].passed
    check(reader("def double(x):\n    return x\n"))
    check(reader(RIGHT))
    check(reader(OTHER))
    check_letter("a")
    note("my own MAML", loss_after_one_step=0.912345)
    found = passport()
    assert found.stamps["5.1"].tries == 2 and found.stamps["5.1"].passed
    assert found.stamps["5.4"].tries == 1 and not found.stamps["5.4"].passed
    assert repr(found).startswith("1 of ") and "loss after one step 0.9123" in repr(found)
    page = (work / "passport.md").read_text()
    assert "exercise_5_1.py" in page and "my own MAML" in page and "✓" in page
    drawn = found._repr_html_()
    assert "<strong>✓ 5.1</strong>" in drawn and "<strong>✓ 5.4" not in drawn and "my own MAML" in drawn


def test_a_torn_log_is_read_as_far_as_it_goes(work):
    check(reader(RIGHT))
    with open(work / "log.jsonl", "a") as file:
        file.write('{"when": "2026-01-01", "exer\n[1]\n')
    check_letter("d")
    found = passport()
    assert found.stamps["5.1"].passed and found.stamps["5.4"].passed


def test_kept_files_may_be_read_by_their_owner(work):
    check(reader(RIGHT))
    assert store.path_of("5.1").stat().st_mode & stat.S_IRUSR
