"""The containers: taking one task out of a batch, going through them, and stacking them again."""

import numpy as np
import pytest

from mlcourse.arguments import require_count
from mlcourse.tasks import Examples, Sinusoids, Task, each, one, stack


@pytest.fixture
def tasks():
    return Sinusoids(k_shot=3, n_query=4).sample(5, np.random.default_rng(0))


def test_one_task_has_no_task_axis(tasks):
    task = one(tasks, 2)
    assert task.support.x.shape == task.support.y.shape == (3, 1)
    assert np.array_equal(task.query.y, tasks.query.y[2])
    assert isinstance(task, Task) and isinstance(task.query, Examples)


def test_stack_undoes_each(tasks):
    again = stack(list(each(tasks)))
    for part, before in zip(again, tasks, strict=True):
        assert np.array_equal(part.x, before.x) and np.array_equal(part.y, before.y)


def test_stack_needs_tasks():
    with pytest.raises(ValueError, match="tasks is empty"):
        stack([])


@pytest.mark.parametrize("value", [0, -1, 2.0, "3", True, None])
def test_counts_are_whole_numbers_of_at_least_one(value):
    with pytest.raises(ValueError, match="n_query is .*; give a whole number of at least 1"):
        require_count("n_query", value)


def test_counts_may_be_numpys():
    assert require_count("n_query", np.int64(3)) == 3 and type(require_count("n_query", np.int64(3))) is int
