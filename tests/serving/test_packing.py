"""Packing: what comes out is what went in, and a changed byte never comes out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcourse.serving.packing import pack, unpack, unpack_summary
from mlcourse.serving.store import Adapter, Damaged


def adapter(**changed) -> Adapter:
    facts = {"id": "a", "owner": "ann", "model": "m", "version": 1, "created": 1700000000.123456}
    arrays = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.array(3)}
    return Adapter(**facts | {"about": {"classes": ["é", 2]}, "arrays": arrays} | changed)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3).T,
        np.array(3.5),
        np.zeros((0, 3), np.float32),
        np.array([1, 2], dtype=">i4"),
        np.array([True, False]),
        np.array([np.nan, -0.0, np.inf], np.float16),
    ],
    ids=["transposed", "one number", "empty", "big-endian", "truth", "no number"],
)
def test_arrays_come_back(array):
    kept = unpack("a", "ann", pack(adapter(arrays={"x": array}))).arrays["x"]
    assert kept.shape == array.shape
    assert kept.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(kept, array)
    with pytest.raises(ValueError, match="read-only"):  # the cache gives it to others, too
        kept[...] = 0


def test_facts_come_back():
    kept = unpack("a", "ann", pack(adapter()))
    assert (kept.id, kept.owner, kept.model, kept.version) == ("a", "ann", "m", 1)
    assert (kept.created, kept.about) == (1700000000.123456, {"classes": ["é", 2]})
    packed = pack(adapter())
    assert unpack_summary("a", "ann", packed.facts, packed.stamp) == (
        "a",
        "m",
        1,
        1700000000.123456,
        {"classes": ["é", 2]},
    )


@given(st.data())
def test_a_flipped_bit_is_found_out(data):
    packed = pack(adapter())
    field = data.draw(st.sampled_from(packed._fields))
    raw = bytearray(getattr(packed, field))
    bit = data.draw(st.integers(0, 8 * len(raw) - 1))
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Damaged, match="adapter a"):
        unpack("a", "ann", packed._replace(**{field: bytes(raw)}))


@pytest.mark.parametrize("field", ["facts", "arrays", "stamp"])
@pytest.mark.parametrize("other", [None, 3, "text", b""])
def test_what_is_no_bytes_any_more_is_found_out(field, other):
    with pytest.raises(Damaged):
        unpack("a", "ann", pack(adapter())._replace(**{field: other}))


@pytest.mark.parametrize("names", [("b", "ann"), ("a", "bob"), ("aann", "")])
def test_a_row_under_another_name_is_found_out(names):
    with pytest.raises(Damaged):
        unpack(*names, pack(adapter()))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"arrays": {"x": np.array([None])}}, "arrays.*object"),
        ({"arrays": {"x": np.array([1j])}}, "arrays.*complex128"),
        ({"about": {"x": float("nan")}}, "about"),
        ({"about": {"x": np.float32(1)}}, "about"),
    ],
)
def test_what_cannot_be_kept_is_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        pack(adapter(**wrong))
