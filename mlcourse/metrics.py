"""What a learner's predictions are worth: a metric is a value, and `evaluation` takes any of them.

A metric scores tasks without padding (`evaluate` removes it before). Predictions that are no finite numbers are
wrong, never left out. A new metric is a function of predictions and labels, and one line that gives it a name,
whether more of it is better, and a unit.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from mlcourse.arguments import require_choice, require_count
from mlcourse.tasks.task import Array

SUMS_TO_ONE = 1e-3  # how far from 1 probabilities may sum: what half precision leaves of a softmax is nearer


@dataclass(frozen=True)
class Metric:
    """How to score: `score(predictions (T, Q, ...), y (T, Q) or (T, Q, outputs)) -> (T,)`, one score a task.

    unit: printed behind the score; with "%" the score, from 0 to 1, is printed times 100. Two metrics are the same
    when name, direction and unit are.
    """

    name: str
    score: Callable[[np.ndarray, np.ndarray], np.ndarray] = field(compare=False, repr=False)
    higher_is_better: bool
    unit: str = ""

    @property
    def scale(self) -> float:
        """What a score is multiplied by where it is shown."""
        return 100.0 if self.unit == "%" else 1.0

    def as_good(self, score: Array, target: Array) -> Array:
        """Whether `score` is as good as `target`, or better."""
        return score >= target if self.higher_is_better else score <= target

    def printed(self, score: float, half_width: float) -> str:
        """A score and half of its interval in words."""
        if self.unit == "%":
            return f"{self.name} {self.scale * score:.1f} ± {self.scale * half_width:.1f} %"
        return f"{self.name} {score:.3f} ± {half_width:.3f}{self.unit and ' ' + self.unit}"


def named(metric: Metric | str) -> Metric:
    """The metric of that name; a `Metric` as it is."""
    if isinstance(metric, Metric):
        return metric
    if callable(metric):
        raise ValueError(
            f"metric is the function {getattr(metric, '__name__', metric)!r}; give it a name and a direction: "
            'Metric("its name", function, higher_is_better=True), where function(predictions, y) gives (T,) scores'
        )
    require_choice("metric", metric, KNOWN)
    return KNOWN[metric]


def guessed(y: np.ndarray) -> Metric:
    """What query labels suggest: accuracy for whole numbers, else squared error."""
    return ACCURACY if np.issubdtype(y.dtype, np.integer) else SQUARED_ERROR


def answered(predictions: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Which queries (T, Q) have a prediction: finite numbers.

    Of the scores of classes the largest must be finite: beside it, minus infinity is a sure no, not a fault.
    """
    if np.issubdtype(y.dtype, np.integer) and predictions.ndim == y.ndim + 1:
        return np.isfinite(predictions.max(axis=-1))
    return np.isfinite(predictions).reshape(*predictions.shape[:2], -1).all(axis=2)


# --- classes: predictions are scores (T, Q, n_way), or labels (T, Q) ---------------------------------------


def _accuracy(predictions: np.ndarray, y: np.ndarray) -> np.ndarray:
    return _hits(predictions, y).mean(axis=1)


def _balanced_accuracy(predictions: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Mean over the classes present among a task's queries of the share of each that is recognised."""
    hits, member = _hits(predictions, y), y[..., None] == np.unique(y)  # (T, Q), (T, Q, classes)
    sizes = member.sum(axis=1)  # (T, classes)
    recalls = (hits[..., None] & member).sum(axis=1) / np.maximum(sizes, 1)
    return recalls.sum(axis=1) / (sizes > 0).sum(axis=1)


def _negative_log_likelihood(predictions: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Mean of -log p(right class); predictions (T, Q, n_way) are log-probabilities, or a ValueError.

    Minus infinity on the right class is an infinite loss.
    """
    if predictions.ndim != y.ndim + 1:
        raise ValueError(
            f"the learner's predictions have shape {predictions.shape[1:]} for a task whose query labels have "
            f"shape {y.shape[1:]}; return log-probabilities (queries, n_way)"
        )
    _require_classes(predictions, y)
    finite = answered(predictions, y)
    with np.errstate(over="ignore"):
        sums = np.exp(predictions).sum(axis=-1)[finite]
    if (wrong := sums[~(np.abs(sums - 1) <= SUMS_TO_ONE)]).size:
        raise ValueError(
            f"the exponentials of the learner's predictions for a query sum to {wrong[0]:.3g}, not 1; return "
            "log-probabilities: log_softmax of the scores"
        )
    chosen = np.take_along_axis(predictions, y[..., None].astype(np.int64), axis=-1)[..., 0]
    return np.where(finite, -chosen, np.inf).mean(axis=1)


def _hits(predictions: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Which queries (T, Q) are given their class; of scores the largest counts."""
    if y.ndim != 2:
        raise ValueError(
            f"the query labels of a task have shape {y.shape[1:]}; classes are one label for each query"
        )
    if predictions.ndim == y.ndim + 1:
        _require_classes(predictions, y)
        return answered(predictions, y) & (predictions.argmax(axis=-1) == y)
    _require_shape(predictions, y)
    finite = answered(predictions, y)
    numbers = predictions[finite]
    if (odd := numbers[numbers % 1 != 0]).size:
        raise ValueError(
            f"the learner predicts the label {odd[0]:g}; return whole numbers, or scores for each class"
        )
    return finite & (predictions == y)


# --- numbers: predictions and y (T, Q), or (T, Q, outputs) -------------------------------------------------


def _squared_error(predictions: np.ndarray, y: np.ndarray) -> np.ndarray:
    _require_shape(predictions, y)
    if not np.issubdtype(predictions.dtype, np.floating):
        predictions = predictions.astype(float)  # differences of bytes would wrap
    with np.errstate(over="ignore", invalid="ignore"):
        errors = ((predictions - y) ** 2).reshape(*y.shape[:2], -1).mean(axis=2)
    return np.where(answered(predictions, y), errors, np.inf).mean(axis=1)


def _rmse(predictions: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The root of each task's mean squared error: a mean over tasks is then one of roots, not a root of a mean."""
    return np.sqrt(_squared_error(predictions, y))


# --- rankings and rewards: predictions (T, Q), or (T, Q, 1) ------------------------------------------------


def ndcg(k: int) -> Metric:
    """Normalised discounted cumulated gain of the `k` queries that are scored highest, from 0 to 1.

    Predictions are scores; y holds graded relevances, numbers of at least 0. Järvelin and Kekäläinen, "Cumulated
    Gain-Based Evaluation of IR Techniques" (2002): the gain is the relevance itself. (The other usual form, of
    Burges et al. 2005, is 2^relevance - 1.) It is divided by log2(1 + place), and the sum by that of the best
    order. Equal scores share the mean of their places' weights (McSherry and Najork 2008), so that the order in
    which queries come does not matter. Scores that are no finite numbers take the first places and gain nothing. A
    task in which nothing is relevant scores 0, as in scikit-learn: no order of it can be good.
    """
    return Metric(f"NDCG@{require_count('k', k)}", partial(_ndcg, k=k), higher_is_better=True)


def _ndcg(scores: np.ndarray, y: np.ndarray, *, k: int) -> np.ndarray:
    scores, y = _flat(scores), _flat(y).astype(float)
    _require_shape(scores, y)
    if y.min() < 0:
        raise ValueError(f"the query labels go down to {y.min():g}; NDCG takes relevances of at least 0")
    finite = np.isfinite(scores)
    scores, gains = np.where(finite, scores, np.inf), np.where(finite, y, 0)
    order = np.lexsort((-gains, -scores), axis=-1)
    scores, gains = (np.take_along_axis(array, order, axis=1) for array in (scores, gains))
    places = np.arange(y.shape[1])
    weights = np.where(places < k, 1 / np.log2(places + 2.0), 0)
    found = (gains * _shared(weights, scores)).sum(axis=1)
    best = (-np.sort(-y, axis=1) * weights).sum(axis=1)
    return np.divide(found, best, out=np.zeros_like(found), where=best > 0)


def _shared(weights: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Weights (Q,) of places, shared among equal scores (T, Q), which are sorted: (T, Q)."""
    places, edge = np.arange(len(weights)), np.ones((len(scores), 1), dtype=bool)
    changes = scores[:, 1:] != scores[:, :-1]
    first = np.maximum.accumulate(np.where(np.hstack([edge, changes]), places, 0), axis=1)
    last = np.where(np.hstack([changes, edge]), places, len(places))
    last = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
    upto = np.concatenate([[0], np.cumsum(weights)])
    return (upto[last + 1] - upto[first]) / (last + 1 - first)


def _return(predictions: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Mean of the predictions, each the return of one episode of the adapted learner; y does not count."""
    predictions = _flat(predictions)
    _require_shape(predictions, _flat(y))
    return np.where(np.isfinite(predictions), predictions, -np.inf).mean(axis=1)


def _flat(array: np.ndarray) -> np.ndarray:
    """(T, Q) of (T, Q, 1)."""
    return array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array


# --- what is asked of predictions --------------------------------------------------------------------------


def _require_classes(predictions: np.ndarray, y: np.ndarray) -> None:
    """Refuse scores (T, Q, n_way) that leave a class of the labels out."""
    _require_shape(predictions[..., 0], y)
    if not np.issubdtype(y.dtype, np.integer):
        raise ValueError(f"the query labels have dtype {y.dtype}; this metric takes whole-number labels")
    if y.max() >= predictions.shape[-1]:
        raise ValueError(
            f"the learner scores {predictions.shape[-1]} classes, and the query labels go up to {y.max()}; give "
            "it a network that scores as many classes as a task has"
        )


def _require_shape(predictions: np.ndarray, y: np.ndarray) -> None:
    if predictions.shape != y.shape:
        raise ValueError(
            f"the learner's predictions have shape {predictions.shape[1:]} for a task whose query labels have "
            f"shape {y.shape[1:]}; return one prediction for each query"
        )


ACCURACY = Metric("accuracy", _accuracy, higher_is_better=True, unit="%")
BALANCED_ACCURACY = Metric("balanced accuracy", _balanced_accuracy, higher_is_better=True, unit="%")
SQUARED_ERROR = Metric("squared error", _squared_error, higher_is_better=False)
RMSE = Metric("root-mean-square error", _rmse, higher_is_better=False)
NEGATIVE_LOG_LIKELIHOOD = Metric("negative log-likelihood", _negative_log_likelihood, higher_is_better=False)
RETURN = Metric("return", _return, higher_is_better=True)
KNOWN = {
    metric.name: metric
    for metric in (ACCURACY, BALANCED_ACCURACY, SQUARED_ERROR, RMSE, NEGATIVE_LOG_LIKELIHOOD, RETURN)
}
