"""What a meta-learner must beat: simple learners, each tuned before it is printed.

Training from scratch, pooled training and fine-tuning are `GradientLearner`s of either twin that start from
different parameters (random ones; those of `methods.Pooled`). This file adds the learners without gradient steps,
the exact answer for sines among them, and the sweep that tunes them all.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlcourse.arguments import require_labels
from mlcourse.evaluation import Evaluation, Learner, adaptation_curve, evaluate
from mlcourse.metrics import Metric
from mlcourse.reference import posterior
from mlcourse.tasks.task import Array, Examples, Ragged, TaskFamily, real

Embedding = Callable[[Array], Array]  # (n, *features) -> (n, d)


def flatten(x: Array) -> np.ndarray:
    """The raw numbers of each example as one row, x (n, *features) to (n, d): what nobody had to learn."""
    return np.asarray(x, dtype=float).reshape(len(x), -1)


def nearest_neighbour(embed: Embedding = flatten) -> Learner:
    """Predict what the nearest support example says, by squared distance between embeddings: (Q,) or (Q, outputs).

    A query without a finite distance to any has no answer: not a number.
    """

    def learner(support: Examples | Ragged, query_x: Array) -> np.ndarray:
        support = real(support)
        distances = _squared_distances(embed(query_x), embed(support.x))
        answers, known = np.asarray(support.y)[distances.argmin(axis=1)], np.isfinite(distances.min(axis=1))
        return answers if known.all() else np.where(known.reshape(-1, *[1] * (answers.ndim - 1)), answers, np.nan)

    return learner


def nearest_class_mean(embed: Embedding = flatten) -> Learner:
    """Score classes by the negative squared distance to the mean of their support examples: (Q, n_way).

    The learner raises ValueError for labels that are no whole numbers, and for a class without an example.
    """

    def learner(support: Examples | Ragged, query_x: Array) -> np.ndarray:
        support = real(support)
        labels, points = np.asarray(support.y), embed(support.x)
        if not np.issubdtype(labels.dtype, np.integer):
            raise ValueError(f"support.y has dtype {labels.dtype}; class means need whole-number labels")
        require_labels("support.y", labels, labels.max() + 1, all_present=True)
        means = np.stack([points[labels == label].mean(axis=0) for label in range(labels.max() + 1)])
        return -_squared_distances(embed(query_x), means)

    return learner


def linear_probe(ridge: float, embed: Embedding = flatten) -> Learner:
    """Ridge regression from embeddings to the outputs (to one-hot labels for classes), in closed form.

    ridge > 0, else ValueError, weighs the squared weights; the intercept is free (Hoerl and Kennard 1970).
    Predictions (Q, outputs), or class scores (Q, n_way).
    """
    if not ridge > 0:
        raise ValueError(f"ridge is {ridge}; give a positive number")

    def learner(support: Examples | Ragged, query_x: Array) -> np.ndarray:
        support = real(support)
        labels, points = np.asarray(support.y), embed(support.x)
        targets = labels
        if np.issubdtype(labels.dtype, np.integer):
            require_labels("support.y", labels, labels.max() + 1)
            targets = np.eye(labels.max() + 1)[labels]
        centre, middle = points.mean(axis=0), targets.mean(axis=0)
        centred = points - centre
        # the dual form: as many equations as support examples, however many features
        weights = centred.T @ np.linalg.solve(centred @ centred.T + ridge * np.eye(len(points)), targets - middle)
        return (embed(query_x) - centre) @ weights + middle

    return learner


def exact_sines(noise: float = 0.0) -> Learner:
    """The best possible prediction for tasks of `Sinusoids`, (Q, 1): the mean in `reference/posterior.py`.

    noise: the standard deviation of the normal noise on the support labels. Nothing is tuned: it knows the family.
    ValueError for exact support points through which no wave of the family goes.
    """

    def learner(support: Examples | Ragged, query_x: Array) -> np.ndarray:
        return posterior.mean_wave(real(support), noise=noise)(np.asarray(query_x, float))[0]

    return learner


@dataclass(frozen=True)
class Sweep:
    """A tuned learner and everything that was tried: rows of settings with their meta-validation mean."""

    learner: Any
    settings: dict[str, float]
    rows: list[dict[str, float]]


def sweep_steps(
    learner: Any,
    rates: Iterable[float],
    family: TaskFamily,
    *,
    n_tasks: int,
    rng_seed: int,
    steps: Sequence[int] | None = None,
    transductive: bool = False,
    metric: Metric | str | None = None,
) -> Sweep:
    """Tune a `GradientLearner`'s rate and steps on meta-validation tasks.

    Tries each rate with every number of steps up to `learner.inner_steps` (or only those in `steps`). A rate with
    which any prediction is no finite number loses against every other. ValueError when all of them do.
    """
    rows, rates = [], list(rates)
    steps = list(steps) if steps is not None else list(range(1, learner.inner_steps + 1))
    if not rates or not steps or min(steps) < 0 or max(steps) > learner.inner_steps:
        raise ValueError(
            f"rates is {rates} and steps {steps}; give at least one of each, steps from 0 to {learner.inner_steps}"
        )
    for rate in rates:
        with np.errstate(over="ignore", invalid="ignore"):
            curve = adaptation_curve(
                replace(learner, inner_lr=rate),
                family,
                n_tasks=n_tasks,
                rng=np.random.default_rng(rng_seed),
                transductive=transductive,
                metric=metric,
            )
        for step in steps:
            rows.append({"inner_lr": rate, "inner_steps": step} | _judged(curve.at(step)))
    best = _best(curve.metric, rows, "inner_lr")
    return Sweep(replace(learner, inner_lr=best["inner_lr"], inner_steps=best["inner_steps"]), best, rows)


def sweep(
    make: Callable[[float], Learner],
    name: str,
    values: Iterable[float],
    family: TaskFamily,
    *,
    n_tasks: int,
    rng_seed: int,
    transductive: bool = False,
    metric: Metric | str | None = None,
) -> Sweep:
    """Tune one setting, called `name`, of any other learner on meta-validation tasks."""
    rows, values = [], list(values)
    if not values or name in ("score", "not_finite"):
        raise ValueError(
            f"name is {name!r} and values {values}; give at least one value, and another name than a score"
        )
    for value in values:
        how = {"n_tasks": n_tasks, "rng": np.random.default_rng(rng_seed), "transductive": transductive}
        evaluation = evaluate(make(value), family, **how, metric=metric)
        rows.append({name: value} | _judged(evaluation))
    best = _best(evaluation.metric, rows, name)
    return Sweep(make(best[name]), best, rows)


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n, d) and (m, d) -> (n, m), in float64: bytes would wrap, and half precision overflow."""
    a, b = (np.asarray(points, dtype=float) for points in (a, b))
    return ((a[:, None, :] - b[None, :, :]) ** 2).sum(axis=-1)


def _judged(evaluation: Evaluation) -> dict[str, float]:
    """A row's score, and how many predictions were no finite numbers, when some were."""
    found = {"score": evaluation.mean}
    return found | ({"not_finite": evaluation.not_finite} if evaluation.not_finite else {})


def _best(metric: Metric, rows: list[dict[str, float]], name: str) -> dict[str, float]:
    sound = [row for row in rows if not row.get("not_finite") and np.isfinite(row["score"])]
    if not sound:
        tried = ", ".join(str(value) for value in dict.fromkeys(row[name] for row in rows))
        raise ValueError(
            f"with every {name} that was tried ({tried}) some predictions are no finite numbers; try others"
        )
    return (max if metric.higher_is_better else min)(sound, key=lambda row: row["score"])
