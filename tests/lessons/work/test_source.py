"""Functions of a notebook as a file that runs by itself."""

import linecache

import numpy as np
import pytest

from mlcourse.lessons.work.source import Unwritable, written

NOTEBOOK = """
import math
from itertools import count
import numpy as np
from numpy import linalg as la
from mlcourse.reference.autograd import grad as slope

RATE = 0.5
LAYERS = (1, 40, {"a": None})
array = np.zeros(3)

def half(x: np.ndarray) -> np.ndarray:
    return RATE * x

def twice_halved(x, by=half):
    return [half(one) for one in x]

def countdown(n):
    return 0 if n == 0 else countdown(n - 1)

def uses_much(x, math_=math):
    def inner(y):
        return la.norm(y) + len(LAYERS)
    return slope(lambda z: z * z)(3.0), inner(x)

def attribute_only(task):
    return task.array

def uses_an_array(x):
    return x + array

class Learner:
    rate = 2 * math.floor(1.5)
    numbers = count()
    def __call__(self, x):
        return half(x) * self.rate

short = lambda x: x
"""


@pytest.fixture(scope="module")
def notebook():
    namespace = {"__name__": "__main__"}
    linecache.cache["<nb>"] = (len(NOTEBOOK), None, NOTEBOOK.splitlines(keepends=True), "<nb>")
    exec(compile(NOTEBOOK, "<nb>", "exec"), namespace)
    return namespace


def alone(text: str) -> dict:
    namespace = {"__name__": "kept"}
    exec(text, namespace)
    return namespace


@pytest.mark.parametrize("name", ["half", "twice_halved", "uses_much", "Learner"])
def test_it_does_the_same_by_itself(notebook, name):
    there, here = notebook[name], alone(written([notebook[name]]))[name]
    if name == "Learner":
        there, here = there(), here()
    x = np.array([1.0, 4.0])
    np.testing.assert_equal(there(x), here(x))


def test_a_function_may_call_itself(notebook):
    assert alone(written([notebook["countdown"]]))["countdown"](3) == 0


def test_only_what_it_uses_is_written_each_once(notebook):
    text = written([notebook["half"], notebook["twice_halved"]])
    assert text.count("def half") == 1 and "RATE = 0.5" in text and "import numpy as np" in text
    assert "math" not in text and "LAYERS" not in text and "linalg" not in text


def test_an_attribute_is_not_a_global_of_the_same_name(notebook):
    assert "zeros" not in written([notebook["attribute_only"]])


@pytest.mark.parametrize(("name", "what"), [("uses_an_array", "array"), ("short", "lambda")])
def test_what_no_file_can_hold_is_named(notebook, name, what):
    with pytest.raises(Unwritable, match=what):
        written([notebook[name]])


def test_a_function_without_source_is_refused():
    namespace = {"__name__": "__main__"}
    exec("def f(x): return x", namespace)
    with pytest.raises(Unwritable, match="f"):
        written([namespace["f"]])
