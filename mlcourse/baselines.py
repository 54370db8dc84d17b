"""What a meta-learner must beat: simple learners, each tuned before it is printed.

Training from scratch, pooled training and fine-tuning are `GradientLearner`s of either twin that start from
different parameters (random ones; those of `training.pooled_method`). This file adds the learners without
gradient steps, and the sweep that tunes them all.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlcourse.evaluation import Evaluation, Learner, adaptation_curve, evaluate
from mlcourse.tasks.task import Array, Examples, TaskFamily

Embedding = Callable[[Array], Array]  # (n, *features) -> (n, d)


def flatten(x: Array) -> np.ndarray:
    """The raw numbers of each example as one row: the embedding of a learner that has learned nothing."""
    return np.asarray(x, dtype=float).reshape(len(x), -1)


def nearest_neighbour(embed: Embedding = flatten) -> Learner:
    """Predict what the nearest support example says (squared distance between embeddings)."""

    def learner(support: Examples, query_x: Array) -> np.ndarray:
        return np.asarray(support.y)[_squared_distances(embed(query_x), embed(support.x)).argmin(axis=1)]

    return learner


def nearest_class_mean(embed: Embedding = flatten) -> Learner:
    """Score classes by the negative squared distance to the mean of their support examples: (Q, n_way)."""

    def learner(support: Examples, query_x: Array) -> np.ndarray:
        labels, points = np.asarray(support.y), embed(support.x)
        if not np.issubdtype(labels.dtype, np.integer):
            raise ValueError(f"support.y has dtype {labels.dtype}; class means need whole-number labels")
        missing = np.setdiff1d(np.arange(labels.max() + 1), labels)
        if len(missing):
            raise ValueError(
                f"support.y has no example of label {missing[0]}; give one or more of each of 0 ... {labels.max()}"
            )
        means = np.stack([points[labels == label].mean(axis=0) for label in range(labels.max() + 1)])
        return -_squared_distances(embed(query_x), means)

    return learner


def linear_probe(ridge: float, embed: Embedding = flatten) -> Learner:
    """Ridge regression from embeddings to the outputs (to one-hot labels for classes), in closed form.

    ridge > 0 weighs the squared weights; the intercept is not penalised. Hoerl and Kennard (1970).
    """
    if not ridge > 0:
        raise ValueError(f"ridge is {ridge}; give a positive number")

    def learner(support: Examples, query_x: Array) -> np.ndarray:
        labels, points = np.asarray(support.y), embed(support.x)
        targets = np.eye(labels.max() + 1)[labels] if np.issubdtype(labels.dtype, np.integer) else labels
        centre, middle = points.mean(axis=0), targets.mean(axis=0)
        centred = points - centre
        # the dual form: as many equations as support examples, however many features
        weights = centred.T @ np.linalg.solve(centred @ centred.T + ridge * np.eye(len(points)), targets - middle)
        return (embed(query_x) - centre) @ weights + middle

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
) -> Sweep:
    """Tune a `GradientLearner`'s rate and steps on meta-validation tasks.

    Tries each rate with every number of steps up to `learner.inner_steps` (or only those in `steps`). A rate with
    which any prediction is no finite number loses against every other. ValueError when all of them do.
    """
    rows = []
    for rate in rates:
        with np.errstate(over="ignore", invalid="ignore"):
            curve = adaptation_curve(
                replace(learner, inner_lr=rate), family, n_tasks=n_tasks, rng=np.random.default_rng(rng_seed)
            )
        for step in steps if steps is not None else range(1, learner.inner_steps + 1):
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
) -> Sweep:
    """Tune one setting, called `name`, of any other learner on meta-validation tasks."""
    rows = []
    for value in values:
        evaluation = evaluate(make(value), family, n_tasks=n_tasks, rng=np.random.default_rng(rng_seed))
        rows.append({name: value} | _judged(evaluation))
    best = _best(evaluation.metric, rows, name)
    return Sweep(make(best[name]), best, rows)


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n, d) and (m, d) -> (n, m)."""
    return ((a[:, None, :] - b[None, :, :]) ** 2).sum(axis=-1)


def _judged(evaluation: Evaluation) -> dict[str, float]:
    """A row's score, and how many predictions were no finite numbers, when some were."""
    found = {"score": evaluation.mean}
    return found | ({"not_finite": evaluation.not_finite} if evaluation.not_finite else {})


def _best(metric: str, rows: list[dict[str, float]], name: str) -> dict[str, float]:
    sound = [row for row in rows if not row.get("not_finite") and np.isfinite(row["score"])]
    if not sound:
        tried = ", ".join(f"{value:g}" for value in dict.fromkeys(row[name] for row in rows))
        raise ValueError(
            f"with every {name} that was tried ({tried}) some predictions are no finite numbers; try others"
        )
    return (max if metric == "accuracy" else min)(sound, key=lambda row: row["score"])
