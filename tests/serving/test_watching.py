"""A window of feedback is compared with what windows of its size show at meta-test."""

import numpy as np

from mlcourse.serving.store import Feedback
from mlcourse.serving.watching import ENOUGH, watch

JUDGED = {"mean": 0.9, "spread": 0.1}


def window(shares, asked=10):
    return [Feedback("m", 1, str(n), round(asked * share), asked, float(n)) for n, share in enumerate(shares)]


def test_nothing_is_said_of_nothing():
    assert watch([], JUDGED) == (0, None, None, 0.9, None, False)


def test_a_window_as_at_meta_test_raises_no_alarm():
    found = watch(window([0.9] * 40), JUDGED)
    assert found.accuracy == 0.9 and found.half_width < 1e-9 and found.lowest < 0.9 and not found.alarm


def test_a_fall_raises_it_but_not_before_enough_is_known():
    assert not watch(window([0.3] * (ENOUGH - 1)), JUDGED).alarm
    assert watch(window([0.3] * ENOUGH), JUDGED).alarm


def test_few_answers_of_an_adapter_scatter_more():
    many, few = (watch(window([1.0] * 30, asked), JUDGED).lowest for asked in (100, 1))
    # by hand: sigma² = 0.1² + 0.9 · 0.1 / asked; lowest = 0.9 − 3 sigma / √30
    assert np.isclose(many, 0.9 - 3 * np.sqrt(0.01 + 0.09 / 100) / np.sqrt(30))
    assert np.isclose(few, 0.9 - 3 * np.sqrt(0.01 + 0.09) / np.sqrt(30))


def test_false_alarms_are_rare_and_real_falls_are_found():
    rng = np.random.default_rng(0)

    def alarms(mean):
        shares = np.clip(rng.normal(mean, 0.1, (1000, 50)), 0, 1)
        right = rng.binomial(10, shares) / 10
        return np.mean([watch(window(row), {"mean": 0.9, "spread": 0.1}).alarm for row in right])

    assert alarms(0.9) < 0.01 and alarms(0.8) > 0.95
