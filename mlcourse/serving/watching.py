"""Is the model still as good as it was at meta-test? Feedback over a sliding window of adapters, and an alarm.

A caller who learns the true labels sends them; what was right of one adapter's predictions is one observation,
since predictions from one support set stand or fall together. The mean over the last adapters is compared with
what windows of this size show on meta-test tasks: when it falls below that range, the tasks have changed.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mlcourse.evaluation import Z95
from mlcourse.serving.store import Feedback

ENOUGH = 20  # adapters before anything is said
SIGMAS = 3  # one window in 700 falls so low by chance


class Watch(NamedTuple):
    """accuracy: mean over `tasks` adapters, with the half-width of its 95 % interval. expected: the mean at
    meta-test; lowest: where the range begins that a window of this size has there. All None before anything is
    known of enough adapters, but for `expected` and `tasks`.
    """

    tasks: int
    accuracy: float | None
    half_width: float | None
    expected: float
    lowest: float | None
    alarm: bool


def watch(window: Sequence[Feedback], judged: Mapping[str, Any]) -> Watch:
    """Judge a window by `record["judged"]["right"]`: mean and spread over meta-test tasks of the share right."""
    expected, spread = judged["mean"], judged["spread"]
    if len(window) < 2:
        return Watch(len(window), None, None, expected, None, False)
    share = np.array([one.right / one.asked for one in window])
    asked = float(np.mean([one.asked for one in window]))
    # few answers of an adapter scatter more than the many of a meta-test task
    sigma = float(np.sqrt(spread**2 + expected * (1 - expected) / asked))
    lowest = max(0.0, expected - SIGMAS * sigma / len(window) ** 0.5)
    mean, half_width = float(share.mean()), Z95 * float(share.std(ddof=1)) / len(window) ** 0.5
    return Watch(len(window), mean, half_width, expected, lowest, len(window) >= ENOUGH and mean < lowest)
