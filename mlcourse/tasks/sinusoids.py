"""Sine waves: the smallest family of tasks on which learning to learn can be seen.

The setting is section 5.1 of Finn, Abbeel, Levine, "Model-Agnostic Meta-Learning for Fast Adaptation of
Deep Networks" (2017): y = A sin(x - p), amplitude A from U[0.1, 5], phase p from U[0, pi], x from U[-5, 5].
"""

from typing import NamedTuple

import numpy as np

from mlcourse.arguments import require_count, require_rng
from mlcourse.tasks.family import Family
from mlcourse.tasks.task import Examples, Task

AMPLITUDE = (0.1, 5.0)
PHASE = (0.0, np.pi)  # radians
INPUT = (-5.0, 5.0)


class Waves(NamedTuple):
    """T sine waves: amplitude (T,), phase (T,) in radians."""

    amplitude: np.ndarray
    phase: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """y = A sin(x - p) for x (T, S, 1), or for x that all waves share, (S, 1): returns (T, S, 1)."""
        amplitude, phase = (np.reshape(value, (-1, 1, 1)) for value in self)
        return amplitude * np.sin(x - phase)


class Sinusoids(Family):
    """The family of sine waves; every task is one wave seen at `k_shot` + `n_query` random points.

    Finn et al. (2017), section 5.1: amplitudes from 0.1 to 5, phases from 0 to pi, x from -5 to 5, all uniform.
    """

    def __init__(self, k_shot: int = 10, n_query: int = 10):
        self.k_shot = require_count("k_shot", k_shot)
        self.n_query = require_count("n_query", n_query)

    def __repr__(self) -> str:
        return f"Sinusoids(k_shot={self.k_shot}, n_query={self.n_query})"

    def draw(self, n_tasks: int, rng: np.random.Generator) -> Waves:
        """Draw the waves alone, without examples; ValueError for no tasks, or an `rng` that is no Generator."""
        n_tasks = require_count("n_tasks", n_tasks)
        require_rng("rng", rng)
        return Waves(rng.uniform(*AMPLITUDE, n_tasks), rng.uniform(*PHASE, n_tasks))

    def examples(self, waves: Waves, rng: np.random.Generator) -> Task:
        """Look at given waves at random points: x and y are float64 (T, k_shot, 1) and (T, n_query, 1)."""
        x = rng.uniform(*INPUT, (len(waves.phase), self.k_shot + self.n_query, 1))
        y = waves(x)
        return Task(
            Examples(x[:, : self.k_shot], y[:, : self.k_shot]),
            Examples(x[:, self.k_shot :], y[:, self.k_shot :]),
        )

    def sample(self, n_tasks: int, rng: np.random.Generator) -> Task:
        """Draw `n_tasks` waves and look at each at random points; shapes as in `examples`, errors as in `draw`."""
        return self.examples(self.draw(n_tasks, rng), rng)


def five_points() -> tuple[Task, Waves]:
    """The running example of notebooks 00 to 06: five points of one wave, and the wave itself.

    All but one of the points lie in the right half, so most of the left must be inferred. The query is a grid of
    201 points. One task, without the task axis: support x, y (5, 1), query x, y (201, 1).
    """
    wave = Waves(np.array([3.0]), np.array([0.9]))
    seen = np.array([[-0.6], [0.7], [1.9], [3.1], [4.4]])
    everywhere = np.linspace(*INPUT, 201)[:, None]
    return Task(Examples(seen, wave(seen)[0]), Examples(everywhere, wave(everywhere)[0])), wave
