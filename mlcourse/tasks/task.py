"""What a meta-learner learns from: a task, with examples to learn from and examples to be judged on.

A batch of tasks is a `Task` too, with the task axis T in front of every array. Axes, everywhere in the
course: T tasks, S support examples, Q query examples, then the features of one example.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from mlcourse.arguments import require_mask, require_task

Array = Any  # a NumPy array, or in `mlcourse.fast` a torch tensor: the twins share these containers


class Examples(NamedTuple):
    """Inputs and their labels: x (S, *features), y (S,) or (S, outputs); in a batch of tasks (T, S, ...)."""

    x: Array
    y: Array


class Ragged(NamedTuple):
    """Examples of tasks of unequal size: `mask` (S,), in a batch (T, S), is true where an example is real.

    Elsewhere is padding, which may stand in any place and hold anything: it changes no loss, gradient or score.
    `loss(params, *examples)` hands a loss the mask as its third argument.
    """

    x: Array
    y: Array
    mask: Array


class Task(NamedTuple):
    """One task (an episode): learn from `support`, be judged on `query`."""

    support: Examples | Ragged
    query: Examples | Ragged


class TaskFamily(Protocol):
    """Anything that tasks can be drawn from, again and again."""

    def sample(self, n_tasks: int, rng: np.random.Generator) -> Task:
        """Draw `n_tasks` tasks as one batch, every array with the task axis in front."""
        ...


def examples(parts: Sequence[Array]) -> Examples | Ragged:
    """The container of (x, y), or of (x, y, mask)."""
    return Examples(*parts) if len(parts) == 2 else Ragged(*parts)


def one(tasks: Task, index: int) -> Task:
    """Task number `index` of a batch, without the task axis; of a ragged batch with its padding."""
    return Task(*(examples([array[index] for array in part]) for part in tasks))


def each(tasks: Task) -> Iterator[Task]:
    """The tasks of a batch, one after the other."""
    return (one(tasks, index) for index in range(len(tasks.support.x)))


def stack(tasks: Sequence[Task]) -> Task:
    """Several single tasks of equal sizes as one batch, task axis in front; `pad` takes unequal sizes."""
    if not tasks:
        raise ValueError("tasks is empty; stack needs at least one task")
    for name, part in zip(Task._fields, zip(*tasks, strict=True), strict=True):
        if len({len(e) for e in part}) > 1:
            raise ValueError(f"some of the tasks have a mask in their {name} set and some have not; give all one")
    parts = zip(*tasks, strict=True)
    return Task(*(examples([np.stack(arrays) for arrays in zip(*part, strict=True)]) for part in parts))


def real(given: Examples | Ragged) -> Examples:
    """The examples of one task without its padding: x (n, *features), y (n, ...), NumPy's or torch's.

    `Examples` come back as they are. Raises ValueError for a batch of tasks, whose rows differ in length.
    """
    if len(given) == 2:
        return given
    x, y, mask = given
    if mask.ndim != 1:
        raise ValueError(f"mask has shape {tuple(mask.shape)}; give one task, mask (S,): one(tasks, index)")
    require_mask("mask", mask, tuple(x.shape[:1]), "either")
    return Examples(x[mask], y[mask])


def pad(tasks: Sequence[Task]) -> Task:
    """Several single tasks of unequal sizes as one batch: `Task` of `Ragged`, in NumPy.

    Support sets are filled up to the largest of them, S, and query sets to theirs, Q, with zeros behind the real
    examples. The tasks may differ in how many examples they have, and in nothing else. Raises ValueError for that.
    """
    if not tasks:
        raise ValueError("tasks is empty; pad needs at least one task")
    for index, task in enumerate(tasks):
        require_task(f"tasks[{index}]", task, "numpy")
    parts = zip(Task._fields, zip(*tasks, strict=True), strict=True)
    return Task(*(_padded(name, [real(e) for e in part]) for name, part in parts))


def _padded(name: str, part: Sequence[Examples]) -> Ragged:
    """The support sets, or the query sets, of several tasks."""
    sizes = np.array([len(e.x) for e in part])
    arrays = []
    for letter, several in zip("xy", zip(*part, strict=True), strict=True):
        kinds = {(array.shape[1:], array.dtype.kind) for array in several}
        if len(kinds) > 1:
            told = " and ".join(f"shape (n, {', '.join(map(str, s))}) of kind {k!r}" for s, k in sorted(kinds))
            raise ValueError(f"{name}.{letter} is {told} in different tasks; tasks may differ in size alone")
        dtype = np.result_type(*several)
        filled = np.zeros((len(part), sizes.max(), *several[0].shape[1:]), dtype)
        for row, array in zip(filled, several, strict=True):
            row[: len(array)] = array
        arrays.append(filled)
    return Ragged(*arrays, np.arange(sizes.max()) < sizes[:, None])
