"""The exact answer for sine waves: what Bayes' rule says of a wave after some of its points.

`Sinusoids` draws amplitude and phase from known intervals. So the best prediction in the mean square, the
posterior mean, can be computed: no method that sees the same points has a smaller expected error. MAML's start
stands for such a prior without being told it (Grant et al., "Recasting Gradient-Based Meta-Learning as
Hierarchical Bayes", ICLR 2018).
"""

import numpy as np

from mlcourse.arguments import require_examples, require_positive
from mlcourse.tasks.sinusoids import AMPLITUDE, PHASE, Waves
from mlcourse.tasks.task import Examples

CELLS = 4000  # of the line of waves that one exact point leaves open
LEAST_NOISE = 0.02  # below, the grid would need too many cells
SLACK = 1e-6  # how far exact points may lie beside a wave of the family, for what arithmetic rounds


def mean_wave(support: Examples, *, noise: float = 0.0) -> Waves:
    """The posterior mean of a task's function. It is a wave itself: amplitude (1,), phase (1,) in radians.

    A sin(x - p) = a sin(x) + b cos(x) with a = A cos(p), b = -A sin(p): linear in (a, b), so that the mean of the
    functions is the function of the mean (a, b).

    support: x and y (k, 1). noise: the standard deviation of the normal noise on y. With 0 the points are exact,
    and two of them fix the wave.

    Raises:
        ValueError: other shapes, a noise below 0 or between 0 and 0.02, or exact points through which no wave of
            the family goes.
    """
    require_examples("support", support, "numpy")
    if not all(np.isfinite(part).all() for part in support[:2]):
        raise ValueError("support has an entry that is no finite number; leave that point out")
    shapes = np.shape(support.x), np.shape(support.y)
    if any(len(shape) != 2 or shape[1] != 1 for shape in shapes):
        raise ValueError(f"support.x and support.y have shapes {shapes[0]} and {shapes[1]}; give (k, 1) for both")
    x, y = (np.asarray(part, float)[:, 0] for part in support[:2])
    a, b = _near(x, y, noise) if noise else _through(x, y)
    return Waves(np.array([np.hypot(a, b)]), np.array([np.arctan2(-b, a)]))


def _near(x: np.ndarray, y: np.ndarray, noise: float) -> tuple[float, float]:
    """Mean of (a, b) over a grid of amplitudes and phases, each weighted by how well it fits the noisy points."""
    require_positive("noise", noise)
    if noise < LEAST_NOISE:
        raise ValueError(f"noise is {noise}; give 0 for exact points, or at least {LEAST_NOISE}")
    step = noise / 4  # in y, from one wave of the grid to the next
    amplitude = _middles(*AMPLITUDE, step)[:, None]
    phase = _middles(*PHASE, step / AMPLITUDE[1])
    s = np.sin(x[:, None] - phase)  # (k, phases): the wave of height 1 at each point
    misfit = y @ y - 2 * amplitude * (y @ s) + amplitude**2 * (s**2).sum(axis=0)  # sum of (y - A s)^2
    weight = np.exp((misfit.min() - misfit) / (2 * noise**2))  # Bayes' rule, the prior being flat
    weight /= weight.sum()
    return float((weight * amplitude * np.cos(phase)).sum()), -float((weight * amplitude * np.sin(phase)).sum())


def _through(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Mean of (a, b) over the waves that go exactly through the points; ValueError where there is none."""
    both = np.stack([np.sin(x), np.cos(x)], axis=1)  # y = both @ (a, b)
    if np.linalg.matrix_rank(both, tol=1e-9) == 2:
        pairs = np.linalg.lstsq(both, y, rcond=None)[0][:, None]
    else:  # one point, or points that are whole half waves apart and so say the same
        pairs = _through_one(x[0], y[0])
    pairs = pairs[:, _in_family(*pairs)]
    if not pairs.size or np.abs(both @ pairs[:, 0] - y).max() > SLACK:
        raise ValueError(
            f"no wave of the family, amplitude {AMPLITUDE[0]} to {AMPLITUDE[1]} and phase 0 to pi, goes through "
            f"the {len(x)} points of support; if their y is noisy, say how much, for example noise=0.1"
        )
    a, b = pairs.mean(axis=1)
    return float(a), float(b)


def _through_one(x: float, y: float) -> np.ndarray:
    """The (a, b) of waves of any phase through one point, (2, n), equally likely within the family.

    With u = x - p, the density of u given y is 1 / |sin u| where the amplitude y / sin u is allowed. In
    t = log tan(u / 2), where |sin u| = 1 / cosh t and cos u = -tanh t, it is flat.
    """
    height = max(abs(y), 1e-12)  # at zero the line of waves has no end
    end = np.arccosh(max(AMPLITUDE[1] / height, 1.0)) + SLACK
    t = _middles(-end, end, 2 * end / CELLS)
    phase = x - np.arctan2(np.copysign(1 / np.cosh(t), y), -np.tanh(t))
    return height * np.cosh(t) * np.stack([np.cos(phase), -np.sin(phase)])


def _in_family(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Whether the waves a sin(x) + b cos(x) have an amplitude and a phase that the family draws."""
    amplitude, phase = np.hypot(a, b), np.arctan2(-b, a)
    low, high = AMPLITUDE
    return (amplitude >= low - SLACK) & (amplitude <= high + SLACK) & (np.sin(phase) >= -SLACK)


def _middles(low: float, high: float, step: float) -> np.ndarray:
    """The middles of equal cells from low to high that are no wider than `step`."""
    edges = np.linspace(low, high, int(np.ceil((high - low) / step)) + 1)
    return (edges[1:] + edges[:-1]) / 2
