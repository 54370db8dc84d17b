"""Scores become chances that hold on tasks that did not make them."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mlcourse.serving.confidence import Tried, answered, chance_of, fitted, right


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(13, 200))
def test_a_chance_never_falls_and_lies_within_bounds(seed, n):
    rng = np.random.default_rng(seed)
    scores, good = rng.normal(size=n), rng.uniform(size=n) < 0.5
    chance = chance_of(scores, good)
    found = chance(np.sort(rng.normal(size=50)))
    assert (np.diff(found) >= 0).all() and (found >= 0).all() and (found <= 1).all()
    assert chance(scores.min() - 1e-6) == 0.0  # further out than any validation task: nothing is known


def drawn(seed, n_tasks=400):
    """Predictions whose true chance to be right is their score, of tasks with a common part."""
    rng = np.random.default_rng(seed)
    tasks = rng.uniform(0.3, 1.0, n_tasks)
    scores = np.clip(tasks[:, None] + rng.uniform(-0.2, 0.2, (n_tasks, 10)), 0.2, 1.0)
    return Tried(tasks, scores, rng.uniform(size=scores.shape) < scores)


def test_what_is_fitted_on_validation_tasks_holds_on_others():
    confidence, test = fitted(drawn(0), target=0.9), drawn(1)
    grid = np.array([0.4, 0.6, 0.8, 0.95])
    assert np.abs(confidence.prediction(grid) - grid).max() < 0.06
    share, good = answered(confidence, test)
    assert 0.05 < share < 0.9 and abs(good - 0.9) < 0.03


def test_where_nothing_is_good_enough_nothing_is_answered():
    tried = drawn(0)
    hopeless = Tried(tried.task_scores, tried.scores, np.zeros_like(tried.right))
    confidence = fitted(hopeless)
    assert confidence.threshold is None and answered(confidence, hopeless)[0] == 0.0  # no chance: no answer


def test_equal_scores_are_answered_together_or_not_at_all():
    scores, good = np.array([[0.9, 0.5, 0.5, 0.5]] * 20), np.array([[True, True, False, False]] * 20)
    found = fitted(Tried(np.linspace(0, 1, 20), scores, good), target=0.6)
    assert found.threshold == 0.9  # the first of the equals alone would have done


def test_right_is_the_class_or_within_the_tolerance():
    outputs = np.array([[0.0, 1.0], [2.0, 1.0]])
    assert right("classes", outputs, np.array([1, 1]), None).tolist() == [True, False]
    assert right("numbers", outputs, np.array([[0.4, 1.4], [2.0, 1.6]]), 0.5).tolist() == [True, False]
