"""The framework of the exercise checks: attempted or not, exceptions in words, misconceptions by value."""

import linecache
from fractions import Fraction
from itertools import count

import numpy as np
import pytest
import torch

from mlcourse.lessons.checks.compare import compare, same
from mlcourse.lessons.checks.lent import Changed, lend
from mlcourse.lessons.checks.verdict import Verdict, exercise
from mlcourse.tasks.images import ImageSet
from mlcourse.tasks.task import Examples

cells = count(1)


# The worked example: an exercise's check as a notebook's author writes it.
@exercise(
    "2.3", "Mean squared error", passed="A mean does not grow with the number of points.", keeps_arguments=True
)
def mean_squared_error(answer):
    prediction, y = np.array([1.0, 2.0, 4.0]), np.array([1.0, 4.0, 1.0])
    loss = answer(prediction, y)
    yield compare(
        loss,
        13 / 3,
        name="the loss",
        counts={"points": 3},
        diagnoses=[
            (1 / 3, "this is the mean of the errors, where opposite ones cancel: square each first"),
            (5 / 3, "this is the mean absolute error: square the errors"),
        ],
    )
    yield compare(answer(y, y), 0.0, name="the loss of a perfect prediction")


def cell(source: str) -> dict:
    """Run a cell as a notebook does, with its source at hand for tracebacks; return what it defines."""
    name = f"<cell {next(cells)}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    namespace = {"np": np}
    exec(compile(source, name, "exec"), namespace)
    return namespace


def check_of(body: str) -> Verdict:
    return mean_squared_error(cell(f"def mse(prediction, y):\n    {body}\n")["mse"])


def test_the_solution_passes():
    verdict = check_of("return np.mean((prediction - y) ** 2)")
    assert verdict.status == "passed" and "does not grow" in verdict.message
    assert verdict.exercise == "Exercise 2.3 · Mean squared error"


@pytest.mark.parametrize(
    "body",
    [
        "...",
        '"""A docstring."""\n    ...',
        "return ...",
        "error = ...\n    return np.mean(error ** 2)",
        "return np.mean((...) ** 2)",
        "error = prediction - y\n    ...\n    return loss",
        "raise NotImplementedError",
    ],
)
def test_a_stub_is_not_attempted(body):
    assert check_of(body).status == "not attempted"


def test_the_line_that_is_still_open_is_named():
    assert "Line 3 still holds" in check_of("error = prediction - y\n    return np.mean(...)").message


@pytest.mark.parametrize("answer", [..., lambda prediction, y: ..., (1, ...), [...], {"a": ...}])
def test_a_bare_ellipsis_is_not_attempted(answer):
    assert mean_squared_error(answer).status == "not attempted"


def test_an_answer_beside_a_forgotten_ellipsis_passes():
    assert check_of("...\n    return np.mean((prediction - y) ** 2)").status == "passed"


def test_an_ellipsis_as_an_index_is_code():
    assert check_of("return np.mean((prediction - y)[..., :] ** 2)").status == "passed"
    assert check_of("return prediction[...].sum()").status == "wrong"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return np.mean(prediction - y)", "opposite ones cancel"),
        ("return np.mean(np.abs(prediction - y))", "absolute"),
        ("return np.sum((prediction - y) ** 2)", "3 times too large: a sum over the points"),
        ("return -np.mean((prediction - y) ** 2)", "wrong sign"),
        ("return (prediction - y) ** 2", "is a mean missing?"),
        ("return np.mean((prediction - y) ** 2) / 2", "0.5 times"),
        ("np.mean((prediction - y) ** 2)", "did you forget `return`?"),
        ("prediction -= y; return np.mean(prediction ** 2)", "changed prediction in place"),
        ("return 'a'", "should be a number; it is a str"),
        ("return np.nan", "not finite"),
        ("return 4.0", "is 4, and 4.33333 is right"),
        ("return np.mean((predictoin - y) ** 2)", "NameError: name 'predictoin' is not defined"),
    ],
)
def test_each_mistake_gets_its_own_words(body, words):
    verdict = check_of(body)
    assert verdict.status == "wrong" and words in verdict.message


def test_an_exception_is_told_in_words_with_its_line():
    message = check_of("error = prediction - y\n    return np.ones(2) + error").message
    assert "in line 3, `return np.ones(2) + error`" in message and "shapes of both sides" in message


def test_an_answer_that_the_check_cannot_use_is_wrong_and_not_a_crash():
    assert "check could not use your answer" in mean_squared_error(3).message
    assert "arguments with those in the stub" in mean_squared_error(lambda x: 0).message
    assert mean_squared_error().status == "wrong"


def test_the_methods_of_a_class_are_looked_at():
    stub = cell("class A:\n    def f(self):\n        return ...\n")["A"]
    assert mean_squared_error(stub).status == "not attempted"


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no words")


def test_an_exception_without_words_is_wrong_and_not_a_crash():
    def answer(prediction, y):
        raise Mute

    assert "`Mute`" in mean_squared_error(answer).message


def test_an_answer_given_by_name_is_judged():
    assert mean_squared_error(answer=lambda prediction, y: np.mean((prediction - y) ** 2)).status == "passed"


HELD = {
    "array": np.array([1.0, np.nan]),
    "tensor": torch.ones(2),
    "examples": Examples(np.ones(2), np.zeros(2)),
    "dicts": [{"w": np.ones(2)}],
    "set of images": ImageSet("train", np.zeros((1, 1, 2, 2), np.uint8), *3 * [np.array([0])]),
}


@pytest.mark.parametrize("held", HELD.values(), ids=HELD.keys())
def test_an_answer_gets_copies_and_is_told_what_it_changed(held):
    def first_array(held):
        while not hasattr(held, "dtype"):
            held = held.images if isinstance(held, ImageSet) else held["w"] if isinstance(held, dict) else held[0]
        return held

    def spoil(some, thing):
        first_array(thing)[...] = 7

    changes = []
    lend(spoil, changes, keep=False)(3, held)
    assert not (first_array(held) == 7).any() and changes == ["thing"]
    lend(lambda some, thing: None, [], keep=True)(3, held)
    with pytest.raises(Changed, match="your function changed thing in place"):
        lend(spoil, [], keep=True)(3, held)


ROW = np.array([1.0, 2.0, 4.0])


@pytest.mark.parametrize(
    ("got", "want", "words"),
    [
        (ROW[None], ROW[:, None], "transposed"),
        (ROW[:, None], ROW, "as many numbers, in other axes"),
        (np.ones((3, 3)), ROW, "broadcasts to (n, n)"),
        (np.ones((2, 3)), ROW, "(2, 3), and (3,) is right"),
        (1.0, ROW, "a mean too many"),
        (-ROW, ROW, "wrong sign"),
        (0 * ROW, ROW, "zero everywhere"),
        (0.1 * ROW, ROW, "0.1 times the right one"),
        (ROW[::-1], ROW, "wrong order"),
        (ROW + 2, ROW, "same amount everywhere, 2"),
        (ROW + [0, 0, 1], ROW, "is 5 at [2], where 4 is right"),
        (5 * ROW, ROW, "a sum over the tasks"),
        (-ROW / 5, ROW, "5 times too small and has the wrong sign: divided by the number of tasks"),
        ({"w": ROW}, {"w": ROW, "b": ROW}, "lacks b"),
        ({"w": ROW, "b": ROW, "c": 1}, {"w": ROW, "b": ROW}, "has c too many"),
        ({"w": ROW, "b": 2 * ROW + 1}, {"w": ROW, "b": ROW}, "['w'] right"),
        ({"w": ROW, "b": ROW[:2]}, {"w": ROW, "b": ROW}, "['b'] has the shape (2,)"),
        ({"w": -ROW, "b": -ROW}, {"w": ROW, "b": ROW}, "wrong sign"),
        (ROW, {"w": ROW}, "should be a dict"),
        ([1, 2, 3], (ROW, 1.0), "2 things; there are 3"),
        (1, (ROW, 1.0), "return a, b"),
        ((ROW, 2.5), (ROW, 1.0), "[1] is 2.5"),
        (("a", 1.0), ("a", 3.0), "[1] is 1"),
        ("no", "yes", "'no'"),
        (True, False, "True, and that is not so"),
        ([[1.0], [2.0, 3.0]], ROW, "should be an array of shape (3,); it is a list"),
        (["1", "2", "4"], ROW, "holds strings"),
        (ROW + 5j, ROW, "holds complex numbers"),
        (np.array(["1", 2, 4], dtype=object), ROW, "should be an array of shape (3,)"),
    ],
)
def test_compare_says_how_an_answer_differs(got, want, words):
    assert words in compare(got, want, name="φ", counts={"tasks": 5})


def test_compare_takes_what_is_right_in_any_dress():
    assert compare(torch.tensor(ROW, requires_grad=True), ROW) is None
    assert compare([1, 2, 4], ROW) is None
    assert compare([Fraction(1), 2, 4], ROW) is None
    assert compare({"b": ROW, "w": (1.0, "x")}, {"w": (1, "x"), "b": ROW + 1e-12}) is None
    assert compare(np.zeros(0), np.zeros(0)) is None
    assert not same(np.nan * ROW, ROW)


def test_a_diagnosis_that_cannot_judge_the_answer_is_passed_over():
    diagnoses = [(lambda got: got["w"] > 0, "no"), (lambda got: got < 0, "negative")]
    assert compare(-2.5, 1.0, diagnoses=diagnoses) == "negative"


def test_a_verdict_reads_without_colour_and_escapes_what_it_quotes():
    verdict = Verdict("wrong", "use `a < b`", "Exercise 1.1 · Compare")
    assert repr(verdict) == "✗ Not yet · Exercise 1.1 · Compare\nuse `a < b`"
    assert "<code>a &lt; b</code>" in verdict._repr_html_() and "✗ Not yet" in verdict._repr_html_()
    assert verdict._repr_markdown_().startswith("**✗ Not yet** · Exercise 1.1")
    assert repr(Verdict("passed", "Correct.")) == "✓ Passed\nCorrect."
