"""Medians of one call, and a limit for what takes too long."""

import contextlib
import itertools
import time

import pytest
import torch

from mlcourse.experiments.bench import timing


def test_medians_are_seconds_of_one_call(clock):
    """By a clock that only the contenders move: no machine is too busy for it."""

    def takes(*seconds):
        turns = itertools.cycle(seconds)
        return lambda: clock.move(next(turns))

    contenders = {"slow": takes(0.02), "quick": takes(0.001), "uneven": takes(1.0, 3.0, 5.0)}
    medians = timing.interleaved_medians(contenders, repeats=3)
    assert medians == pytest.approx({"slow": 0.02, "quick": 0.001, "uneven": 3.0})


def test_a_long_call_is_not_made_for_nothing(clock):
    """Once to see that it works, once to see how long it takes, then once a round."""
    calls = []
    timing.interleaved_medians({"long": lambda: (calls.append(0), clock.move(0.51))}, repeats=2)
    assert len(calls) == 4


def test_what_takes_too_long_is_stopped():
    with pytest.raises(TimeoutError, match="not ready after 0.05 s"), timing.time_limit(0.05):
        time.sleep(5)
    with timing.time_limit(0.05):
        pass
    time.sleep(0.1)  # the limit is gone


def test_a_limit_gets_through_whoever_ignores_it_or_dresses_it_up():
    with pytest.raises(TimeoutError, match="not ready after 0.05 s"), timing.time_limit(0.05):
        with contextlib.suppress(TimeoutError):
            time.sleep(5)
        time.sleep(5)
    with pytest.raises(TimeoutError, match="not ready after 0.05 s"), timing.time_limit(0.05):
        try:
            time.sleep(5)
        except TimeoutError as error:
            raise RuntimeError("the compiler failed") from error
    with pytest.raises(RuntimeError, match="too early for the limit"), timing.time_limit(5):
        raise RuntimeError("too early for the limit")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_the_gpu_is_waited_for():
    left = torch.rand(4096, 4096, device="cuda")

    def many():
        for _ in range(50):
            left @ left

    assert timing.interleaved_medians({"many": many}, 3, "cuda")["many"] > 1e-3
