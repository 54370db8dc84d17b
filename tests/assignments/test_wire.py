"""What travels: every value comes back as it was, and nothing else is read."""

import decimal
import fractions
import json

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest

from mlcourse.assignments import wire
from mlcourse.tasks import Examples, Task

KEYS = ["array", "scalar", "type", "shape", "tuple", "dict", "record", "of", "function"]
plain = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text()
arrays = hnp.arrays(
    st.sampled_from([np.float64, np.float32, np.int64, np.bool_, ">f8", np.uint8]),
    hnp.array_shapes(min_dims=0, max_side=4),
)
values = st.recursive(
    plain | arrays,
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)


def same(one, other) -> bool:
    if isinstance(one, np.ndarray):
        return one.shape == other.shape and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    if isinstance(one, float):
        return one == other or (one != one and other != other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.float16])
def test_a_number_of_numpys_stays_one(kind):
    """A function that a check hands to a student's code answers with what it would at home."""
    back = wire.decode(json.loads(wire.dumps({"value": wire.encode(kind(0.5))}))["value"])
    assert type(back) is kind and back.item() == 0.5


@hypothesis.given(values)
def test_a_value_comes_back_as_it_was(value):
    line = wire.dumps({"value": wire.encode(value)})
    assert line.count(b"\n") == 1
    assert same(value, wire.decode(wire.loads(line)["value"]))


@hypothesis.given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner),
))  # fmt: skip
def test_whatever_comes_is_read_or_refused(data):
    try:
        wire.decode(data)
    except wire.Unreadable:
        pass


def test_tasks_numbers_and_generators_travel():
    task = Task(Examples(np.ones((2, 1)), np.zeros(2)), Examples(np.ones((3, 1)), np.zeros(3)))
    back = wire.decode(json.loads(json.dumps(wire.encode(task))))
    assert type(back) is Task and type(back.support) is Examples and same(tuple(task.query), tuple(back.query))
    assert wire.decode(wire.encode(np.float64(0.5))) == 0.5
    rng = np.random.default_rng(3)
    rng.normal(size=5)
    over_there = wire.decode(json.loads(json.dumps(wire.encode(rng))), lambda place: None)
    assert over_there.normal() == rng.normal()


class Number:
    """As sympy's are: nothing but `float` reads it."""

    def __float__(self):
        return 0.5


class Formula:
    """As sympy's are that hold an unknown."""

    def __float__(self):
        raise TypeError("an unknown")


class Column:
    """As those of a table are."""

    def __array__(self, dtype=None, copy=None):
        return np.array([1.0, 2.0])


@pytest.mark.parametrize("value", [np.longdouble(0.5), fractions.Fraction(1, 2), decimal.Decimal("0.5"), Number()])
def test_what_a_lesson_takes_for_a_number_is_one(value):
    back = wire.decode(json.loads(json.dumps(wire.encode([value, np.array([value], dtype=object)]))))
    assert back[0] == 0.5 and type(back[0]) is float
    assert back[1].dtype == float and back[1] == [0.5]


def test_what_a_lesson_takes_for_an_array_is_one():
    assert same(wire.decode(wire.encode((range(3), Column()))), ([0, 1, 2], np.array([1.0, 2.0])))


def test_functions_go_one_way():
    functions: list = []
    data = wire.encode([abs], functions)
    assert functions == [abs]
    assert wire.decode(data, lambda place: functions[place]) == [abs]
    with pytest.raises(wire.Unreadable):
        wire.decode(data)
    with pytest.raises(wire.Unreadable, match="cannot be handed to the grader"):
        wire.encode(abs)


@pytest.mark.parametrize(
    "value",
    [
        b"x",
        {1, 2},
        object(),
        np.array([object()]),
        np.array(["a"]),
        np.array([1j]),
        1j,
        np.complex64(1j),
        np.datetime64(1, "s"),
        np.array(["1"], dtype=object),
        Formula(),
        fractions.Fraction(10**400),
        iter([1]),
        map(abs, [1]),
    ],
)
def test_what_cannot_travel_is_named(value):
    with pytest.raises(wire.Unreadable, match="cannot be handed to the grader"):
        wire.encode(value)


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"3", b"\xff", b"[" * 10**5])
def test_a_line_that_is_no_message(line):
    with pytest.raises(wire.Unreadable):
        wire.loads(line)
