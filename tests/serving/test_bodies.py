"""Bodies become arrays or are refused with a sentence that repeats nothing of them."""

import base64
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mlcourse.serving.bodies import BadBody, array, parsed, several


def npy(held, **how) -> bytes:
    file = io.BytesIO()
    np.save(file, held, **how)
    return file.getvalue()


ARRAYS = st.sampled_from(["f8", "f4", "f2", "i8", "i2", "u1", ">f4", ">i4"]).flatmap(
    lambda kind: hnp.arrays(
        kind,
        hnp.array_shapes(min_dims=1, max_dims=4, max_side=4),
        elements={"allow_nan": False, "allow_infinity": False} if "f" in kind else None,
    )
)


@settings(max_examples=60, deadline=None)
@given(ARRAYS, st.booleans())
def test_all_three_ways_say_the_same(held, fortran):
    held = np.asfortranarray(held) if fortran else held
    raw = npy(held)
    text = json.dumps({"x": held.tolist(), "y": {"npy": base64.b64encode(raw).decode()}}).encode()
    sent = parsed(text)
    for found in (array("x", sent["x"]), array("y", sent["y"]), several(raw + raw, ("a", "b"))["b"]):
        assert found.dtype in (np.int64, np.float64)
        np.testing.assert_array_equal(found, held)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_or_read(raw):
    for body in (raw, b"\x93NUMPY" + raw, npy(np.ones(3))[:-1] + raw):
        for read in (parsed, lambda b: several(b, ("x", "y"))):
            try:
                read(body)
            except BadBody:
                pass


BAD_JSON = {
    "not json": b"{",
    "a list": b"[1]",
    "not a number": b'{"x": [NaN]}',
    "infinity": b'{"x": [Infinity]}',
    "too large a number": b'{"x": [1e400]}',
    "a huge whole number": b'{"x": [1' + b"0" * 400 + b"]}",
    "beyond 64 bits": b'{"x": [18446744073709551615]}',
    "rows of different lengths": b'{"x": [[1], [2, 3]]}',
    "a number beside a row": b'{"x": [[1], 2]}',
    "deep": b'{"x": ' + b"[" * 150 + b"1" + b"]" * 150 + b"}",
    "deeper": b'{"x": ' + b"[" * 100_000,
    "nine deep": b'{"x": [[[[[[[[[1]]]]]]]]]}',
    "text": b'{"x": ["1"]}',
    "null": b'{"x": [null]}',
    "true": b'{"x": [true]}',
    "a single number": b'{"x": 3}',
    "a lone surrogate": b'{"x": "\\ud800"}',
    "no utf-8": b'{"x": "\xff"}',
    "an object": b'{"x": {"a": 1}}',
    "no base64": b'{"x": {"npy": "%%%"}}',
    "base64 of nothing": b'{"x": {"npy": ""}}',
    "npy and more": b'{"x": {"npy": "", "y": 1}}',
    "npy of a number": b'{"x": {"npy": 3}}',
}


@pytest.mark.parametrize("body", BAD_JSON.values(), ids=BAD_JSON)
def test_bad_json_is_refused(body):
    with pytest.raises(BadBody) as refused:
        array("x", parsed(body)["x"])
    assert len(str(refused.value)) < 300 and "\ud800" not in str(refused.value)


class Runs:
    """Unpickling it would call something."""

    def __reduce__(self):
        return exec, ("raise SystemExit('unpickled')",)


def header(text: str, size: int = 0) -> bytes:
    padded = text.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded + bytes(size)


BAD_NPY = {
    "pickled": npy(np.array([Runs()], dtype=object), allow_pickle=True),
    "complex": npy(np.ones(2, complex)),
    "text": npy(np.array(["a"])),
    "dates": npy(np.array(["2020-01-01"], "M8[D]")),
    "a record": npy(np.zeros(2, [("a", "f8")])),
    "of bool": npy(np.ones(2, bool)),
    "not a number": npy(np.array([np.nan])),
    "long double": npy(np.ones(2, np.longdouble)),
    "beyond 64 bits": npy(np.array([2**64 - 1], np.uint64)),
    "cut short": npy(np.ones(9))[:-1],
    "one byte more": npy(np.ones(9)) + b"\0",
    "says it is huge": header("{'descr': '<f8', 'fortran_order': False, 'shape': (10**15,), }"),
    "says it is huge, plainly": header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({10**15},), }}"),
    "negative": header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }"),
    "many axes": npy(np.ones((1,) * 9)),
    "version 3": b"\x93NUMPY\x03\x00" + bytes(100),
    "a header of text": header("__import__('os').abort()"),
}


@pytest.mark.parametrize("raw", BAD_NPY.values(), ids=BAD_NPY)
def test_bad_arrays_are_refused_in_both_ways(raw):
    with pytest.raises(BadBody):
        several(raw, ("x",))
    with pytest.raises(BadBody):
        array("x", {"npy": base64.b64encode(raw).decode()})


def test_whole_numbers_stay_whole():
    assert array("y", [1, 2]).dtype == np.int64 and array("y", [1, 2.5]).dtype == np.float64
    assert array("y", [[], []]).shape == (2, 0)
