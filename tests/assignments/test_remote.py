"""A student's process, seen from the grader: answers, callbacks, limits, and what comes after a loss."""

import numpy as np
import pytest

from mlcourse.assignments import grade, remote
from mlcourse.assignments.remote import Box, Lost, Missing, Student

CELLS = [
    "import numpy as np\nfrom mlcourse.tasks import Task, Examples\nvalue = np.arange(3.0)",
    "1 / 0",
    "%matplotlib inline\n%load_ext what_is_not_here\nimport os\nwho = STUDENT + os.environ['MLCOURSE_STUDENT']",
    "def apply(f, a, *, times=1):\n    for _ in range(times): a = f(a)\n    return a",
    "def draw(rng): return rng.normal()",
    "def by_name(f): return f(b=1.0, a=3.0).item()",
    "def stay(task): return task",
    "def stop(): raise KeyError('x')",
    "def leave(): os._exit(1)",
    "def for_ever(f):\n    while True: f(1.0)",
    "class family:\n    def double(a): return 2 * a",
    "display(value); print(value); get_ipython().run_line_magic('timeit', '-n1 -r1 pass')\nlast = True",
]


@pytest.fixture(scope="module")
def student(wall):
    with Box(wall) as box:
        yield Student(box, CELLS, "u1")


def test_values_functions_and_callbacks(student):
    assert np.array_equal(student.get("value"), [0, 1, 2])
    assert student.get("who") == "u1u1" and student.get("last") is True
    assert student.get("apply")(lambda a: a + 1, np.ones(2), times=3).tolist() == [4, 4]
    assert student.call("family.double", (4,)) == 8
    assert student.get("by_name")(lambda a, b: np.float64(a - b)) == 2


def test_generators_and_tasks_go_over(student):
    from mlcourse.tasks import Examples, Task

    assert student.get("draw")(np.random.default_rng(3)) == np.random.default_rng(3).normal()
    task = Task(Examples(np.ones(2), np.zeros(2)), Examples(np.ones(1), np.zeros(1)))
    assert type(student.get("stay")(task)) is Task


def test_a_cell_that_stopped_is_told(student):
    student.get("value")
    assert student.stopped == {1: "ZeroDivisionError: division by zero, in the line `1 / 0`"}


def test_exceptions_come_as_pythons_own_and_without_words_when_discreet(student):
    with pytest.raises(KeyError, match="x"):
        student.get("stop")()
    student.discreet = True
    with pytest.raises(KeyError) as raised:
        student.get("stop")()
    student.discreet = False
    assert raised.value.args == ()


def test_what_is_missing_is_missing(student):
    with pytest.raises(Missing):
        student.get("nothing")


def test_after_a_loss_the_cells_run_again(student):
    with pytest.raises(Lost, match="ended the process"):
        student.get("leave")()
    assert student.lost == "`leave` ended the process"
    assert np.array_equal(student.get("value"), [0, 1, 2])


def test_a_function_that_calls_back_for_ever_is_left(student, monkeypatch):
    monkeypatch.setattr(grade, "SECONDS_OF_A_CHECK", 0.5)
    with pytest.raises(grade.Busy), grade._at_most(0.5):
        student.get("for_ever")(lambda a: a)
    student.leave()
    assert student.get("last") is True


def test_a_box_leaves_nothing_behind(wall):
    with Box(wall) as box:
        box.start()
        process = box._process
        assert box.running
    assert not box.running and process.poll() is not None


def test_too_many_losses_end_it(wall, monkeypatch):
    monkeypatch.setattr(remote, "LOSSES", 3)
    cells = ["import os", *["os._exit(1)"] * 5, "x = 1"]
    with Box(wall) as box, pytest.raises(Lost, match="too often"):
        Student(box, cells, "u1").get("x")
