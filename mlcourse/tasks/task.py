"""What a meta-learner learns from: a task, with examples to learn from and examples to be judged on.

A batch of tasks is a `Task` too, with the task axis T in front of every array. Axes, everywhere in the
course: T tasks, S support examples, Q query examples, then the features of one example.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

Array = Any  # a NumPy array, or in `mlcourse.fast` a torch tensor: the twins share these containers


class Examples(NamedTuple):
    """Inputs and their labels: x (S, *features), y (S,) or (S, outputs); in a batch of tasks (T, S, ...)."""

    x: Array
    y: Array


class Task(NamedTuple):
    """One task (an episode): learn from `support`, be judged on `query`."""

    support: Examples
    query: Examples


class TaskFamily(Protocol):
    """Anything that tasks can be drawn from, again and again."""

    def sample(self, n_tasks: int, rng: np.random.Generator) -> Task:
        """Draw `n_tasks` tasks as one batch, every array with the task axis in front."""
        ...


def one(tasks: Task, index: int) -> Task:
    """Task number `index` of a batch, without the task axis."""
    return Task(*(Examples(part.x[index], part.y[index]) for part in tasks))


def each(tasks: Task) -> Iterator[Task]:
    """The tasks of a batch, one after the other."""
    return (one(tasks, index) for index in range(len(tasks.support.x)))


def stack(tasks: Sequence[Task]) -> Task:
    """Several single tasks of equal sizes as one batch."""
    if not tasks:
        raise ValueError("tasks is empty; stack needs at least one task")
    parts = zip(*tasks, strict=True)
    return Task(*(Examples(np.stack([e.x for e in part]), np.stack([e.y for e in part])) for part in parts))
