"""What a score is worth: the chance that a prediction is right, read off validation tasks.

Two scores are made into chances. The support set's own (`Adapted.score`) says, before any question is asked, what
to expect of this task. That of a prediction, the largest probability, says what to expect of this answer; where a
model gives numbers, a prediction's chance is that of its task.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlcourse.evaluation import Z95
from mlcourse.serving.servable import CLASSES, Servable
from mlcourse.tasks.task import Examples, TaskFamily, each

BINS = 12  # of equally many validation examples each
TARGET = 0.95  # of the predictions that are given, so many shall be right


@dataclass(frozen=True)
class Chance:
    """From a score to a chance, straight lines between a few points that never fall."""

    scores: tuple[float, ...]
    chances: tuple[float, ...]

    def __call__(self, scores: Any) -> np.ndarray:
        """The chance for each score; zero below the lowest that validation has seen, where nothing is known."""
        return np.interp(scores, self.scores, self.chances, left=0.0)


def chance_of(scores: np.ndarray, right: np.ndarray) -> Chance:
    """Fit on scores (n,) and how often each was right (n,), from 0 to 1: bins of equal size, made monotone."""
    order = np.argsort(scores, kind="stable")
    parts = [part for part in np.array_split(order, BINS) if len(part)]
    middle = [float(scores.min()), *(float(np.mean(scores[part])) for part in parts[1:])]
    share = np.maximum.accumulate([float(np.mean(right[part])) for part in parts])
    return Chance(tuple(middle), tuple(share.tolist()))


@dataclass(frozen=True)
class Confidence:
    """What a registered model knows of its own reliability, for tasks of so many shots.

    task, prediction: from a score to a chance. threshold: below this score of a prediction a server abstains; None
    where it always does.
    """

    task: Chance
    prediction: Chance
    threshold: float | None

    def given(self, scores: np.ndarray) -> np.ndarray:
        """Which predictions of these scores are given, and not abstained from: of bool."""
        return np.zeros(np.shape(scores), bool) if self.threshold is None else scores >= self.threshold


# Of fewer examples than validation had: no chance, no answer
NOTHING_KNOWN = Confidence(Chance((0.0,), (0.0,)), Chance((0.0,), (0.0,)), None)


def at_shots(by_shots: Mapping[int, Confidence], shots: int) -> Confidence:
    """What validation tasks of so many shots, or else of the next fewer, showed."""
    return by_shots.get(max((number for number in by_shots if number <= shots), default=0), NOTHING_KNOWN)


def right(kind: str, outputs: np.ndarray, y: np.ndarray, tolerance: float | None) -> np.ndarray:
    """Which predictions are right, (Q,) of bool: the class, or every number at most `tolerance` off."""
    return outputs.argmax(axis=1) == y if kind == CLASSES else (np.abs(outputs - y) <= tolerance).all(axis=1)


def scores_of(kind: str, outputs: np.ndarray, task_score: float) -> np.ndarray:
    """The score of each prediction, (Q,): its largest probability; where there are numbers, that of its task."""
    return np.exp(outputs.max(axis=1)) if kind == CLASSES else np.full(len(outputs), task_score)


def from_plain(held: dict[str, Any]) -> Confidence:
    """The reverse of `dataclasses.asdict`."""
    task, prediction = (
        Chance(tuple(c["scores"]), tuple(c["chances"])) for c in (held["task"], held["prediction"])
    )
    return Confidence(task, prediction, held["threshold"])


@dataclass(frozen=True)
class Tried:
    """Validation or test tasks, tried one by one: scores of the tasks (T,), and of every prediction (T, Q)."""

    task_scores: np.ndarray
    scores: np.ndarray
    right: np.ndarray  # (T, Q) of bool


def try_tasks(
    model: Servable, family: TaskFamily, *, n_tasks: int, rng: np.random.Generator, tolerance: float | None
) -> Tried:
    """Adapt to each of `n_tasks` tasks as the server would, and note what came out."""
    found: list[tuple[float, np.ndarray, np.ndarray]] = []
    for support, query in each(family.sample(n_tasks, rng)):
        (adapted,) = model.adapt(Examples(support.x[None], support.y[None]))
        outputs = model.predict(adapted.arrays, query.x)
        sure = scores_of(model.form.kind, outputs, adapted.score)
        found.append((adapted.score, sure, right(model.form.kind, outputs, query.y, tolerance)))
    return Tried(*(np.array(part) for part in zip(*found, strict=True)))


def fitted(tried: Tried, *, target: float = TARGET) -> Confidence:
    """Chances from validation tasks, and the lowest score from which on `target` of the predictions is right.

    Equal scores are answered together or not at all. Where no score reaches the target, nothing is answered.
    """
    task = chance_of(tried.task_scores, tried.right.mean(axis=1))
    scores, good = tried.scores.ravel(), tried.right.ravel()
    prediction = chance_of(scores, good)
    order = np.argsort(-scores, kind="stable")
    so_far = np.cumsum(good[order]) / np.arange(1, len(order) + 1)
    last_of_equals = np.append(np.diff(scores[order]) != 0, True)
    enough = np.flatnonzero((so_far >= target) & last_of_equals)
    threshold = float(scores[order][enough[-1]]) if len(enough) else None
    return Confidence(task, prediction, threshold)


def answered(confidence: Confidence, tried: Tried) -> tuple[float, float]:
    """On other tasks: the share of predictions that are given, and the share of these that is right."""
    given = confidence.given(tried.scores)
    return float(given.mean()), float(tried.right[given].mean()) if given.any() else float("nan")


def interval(right: Sequence[float]) -> tuple[float, float, float]:
    """Mean, standard deviation over tasks, and half of the 95 % interval of the mean; of at least two tasks."""
    spread = float(np.std(right, ddof=1))
    return float(np.mean(right)), spread, Z95 * spread / len(right) ** 0.5
