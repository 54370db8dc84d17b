"""The check of an item in a student's own notebook: it judges where it stands, and tells no hidden value."""

import numpy as np
import pytest

from mlcourse.assignments.items import NotYet, item, judged_by, verdict_of
from mlcourse.lessons.checks.compare import compare


def check(answer, rng=None):
    yield compare(
        answer(np.array([1.0, 2.0])), np.array([2.0, 4.0]), diagnoses=[(np.array([1.0, 4.0]), "the square")]
    )


def judged(answer, **named):
    return verdict_of(check, "double", ("double",), {"double": answer}, rng=np.random.default_rng(), **named)


def test_a_hidden_check_tells_no_value():
    assert "4" in judged(lambda a: 3 * a + 1, hidden=False).message
    hidden = judged(lambda a: 3 * a + 1, hidden=True)
    assert hidden.status == "wrong" and not any(digit in hidden.message for digit in "0123456789")
    assert judged(lambda a: a**2, hidden=True).message == "The square."


def test_a_stub_is_not_attempted_and_a_missing_name_is_named():
    def stub(a):
        raise NotImplementedError

    assert judged(stub, hidden=False).status == "not attempted"
    verdict = verdict_of(check, "double", ("double",), {}, hidden=False, rng=np.random.default_rng())
    assert verdict.status == "wrong" and "no `double` here" in verdict.message


def test_a_cell_stops_unless_it_is_passed(capsys):
    globals()["triple"] = lambda a: 3 * a
    with pytest.raises(NotYet, match="Not yet") as stopped:
        item("double", "triple")(check)
    assert stopped.value._render_traceback_() == [str(stopped.value)]
    globals()["triple"] = lambda a: 2 * a
    item("double", "triple")(check)
    said = capsys.readouterr().out
    assert "Passed" in said and "decide when your set is graded" in said


def test_another_court_decides_while_it_sits():
    seen = []
    with judged_by(lambda check, question, names, hidden, namespace: seen.append((question, names, hidden))):
        item("double", "nothing", hidden=True)(check)
    assert seen == [("double", ("nothing",), True)]
