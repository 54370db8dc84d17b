"""The cache: its bounds hold whatever is asked of it, and what it gives is what was put last."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcourse.serving.cache import Cache

KEYS = st.sampled_from("abcde")
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, st.integers(0, 12)),
        st.tuples(st.just("get"), KEYS, st.none()),
        st.tuples(st.just("drop"), KEYS, st.none()),
        st.tuples(st.just("wait"), st.none(), st.integers(1, 6)),
    ),
    max_size=40,
)


@given(ACTS, st.integers(0, 20), st.one_of(st.none(), st.integers(1, 10)))
def test_bounds_hold_and_values_are_the_last(acts, most_bytes, most_age):
    now = 0.0
    cache = Cache(most_bytes, most_age, clock=lambda: now)
    put: dict[str, tuple[int, int, float]] = {}  # what an endless cache would hold: value, size, when
    for number, (act, key, amount) in enumerate(acts):
        if act == "put":
            cache.put(key, number, amount)
            put[key] = (number, amount, now)
        elif act == "drop":
            cache.drop(key)
            put.pop(key, None)
        elif act == "wait":
            now += amount
        elif (value := cache.get(key)) is not None:
            assert value == put[key][0]
            assert most_age is None or now - put[key][2] < most_age
        held = [entry for key, entry in put.items() if key in cache._kept]
        assert len(held) == len(cache)
        assert cache.bytes == sum(size for _, size, _ in held) <= most_bytes


def test_what_was_used_longest_ago_goes_first():
    cache = Cache(3)
    for key in "abc":
        cache.put(key, key.upper(), 1)
    cache.get("a")
    cache.put("d", "D", 1)
    assert [cache.get(key) for key in "abcd"] == ["A", None, "C", "D"]


def test_what_is_larger_than_the_cache_costs_the_others_nothing():
    cache = Cache(3)
    cache.put("a", "A", 3)
    cache.put("b", "B", 4)
    assert (cache.get("a"), cache.get("b"), cache.bytes) == ("A", None, 3)


@pytest.mark.parametrize("wrong", [{"most_bytes": -1}, {"most_bytes": 1.5}, {"most_bytes": 1, "most_age": 0}])
def test_bounds_are_numbers(wrong):
    with pytest.raises(ValueError, match=list(wrong)[-1]):
        Cache(**wrong)
