"""Task families: what meta-learning draws from. `sample(n_tasks, rng)` is all that one needs."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlcourse.tasks.task import Task, TaskFamily


class Family:
    """What training and judging ask of a family. Derive from it to change more than `sample`."""

    def sample(self, n_tasks: int, rng: Any) -> Task:
        """Draw `n_tasks` tasks; the same generator state gives the same tasks."""
        raise NotImplementedError(f"{type(self).__name__} has no sample(n_tasks, rng)")

    def generator(self, seed: int) -> Any:
        """A generator that `sample` can draw with: NumPy's, unless the family draws elsewhere."""
        return np.random.default_rng(seed)

    def identity(self) -> str:
        """What tells this family from others of its class, for checkpoints; "" leaves that to its first tasks."""
        return ""


@dataclass(frozen=True)
class Sampled(Family):
    """The family behind a function sample(n_tasks, rng), or behind an object that has only that."""

    function: Callable[[int, np.random.Generator], Task]

    def sample(self, n_tasks: int, rng: np.random.Generator) -> Task:
        """What the function gives."""
        return self.function(n_tasks, rng)


@dataclass(frozen=True)
class Mixture(Family):
    """Each call draws from one of several families, chosen with these shares (which sum to 1)."""

    families: Sequence[TaskFamily]
    shares: Sequence[float]

    def sample(self, n_tasks: int, rng: np.random.Generator) -> Task:
        """`n_tasks` tasks, all from the family that was drawn."""
        return self.families[rng.choice(len(self.families), p=self.shares)].sample(n_tasks, rng)


def as_family(name: str, given: Any) -> Family:
    """The family that was meant: a `Family`, whatever has a `sample`, or a function sample(n_tasks, rng).

    ValueError for what tasks cannot be drawn from, above all the class of a family in place of a family.
    """
    if isinstance(given, Family):
        return given
    if isinstance(given, type):
        static = inspect.getattr_static(given, "sample", None)
        if not isinstance(static, staticmethod | classmethod):
            raise ValueError(f"{name} is the class {given.__name__}; give a task family, such as Sinusoids(5, 10)")
    sample = getattr(given, "sample", None)
    if callable(sample):
        return Sampled(sample)
    if callable(given) and not isinstance(given, type):
        return Sampled(given)
    raise ValueError(
        f"{name} is {given!r}; give a task family, such as Sinusoids(k_shot=5, n_query=10), or a function "
        "sample(n_tasks, rng)"
    )
