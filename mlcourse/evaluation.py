"""One protocol for every method and every baseline: nothing else in the course scores anything.

A learner is a function from a support set and query inputs to predictions. It is judged on many fixed tasks
that it has not met; the interval is over tasks, the spread over seeds is told apart from it. What predictions are
worth a metric says (`mlcourse/metrics.py`).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlcourse.arguments import require_as_many, require_count, require_rng, require_tasks
from mlcourse.metrics import Metric, answered, guessed, named
from mlcourse.tasks.family import as_family
from mlcourse.tasks.task import Array, Examples, Ragged, Task, TaskFamily, examples, one, real

Learner = Callable[[Examples, Array], Array]
"""(support, query_x) -> predictions: (Q, outputs) numbers, or (Q, n_way) class scores, or (Q,) class labels.

A learner may also have, for a whole batch of tasks at once, `many(support, query_x)`, which returns predictions
(T, Q, outputs), and `along(support, query_x)`, which returns those after 0, 1, ... inner steps,
(T, inner_steps + 1, Q, outputs); see `GradientLearner`. Those two are given `Ragged` support sets where tasks
differ in size; a learner of one task never meets padding.
"""

Z95 = 1.96  # half the width of a 95 % interval, in standard errors of a mean over many tasks
CHUNK = 100  # tasks drawn at a time, so that images of 2,000 tasks never lie in memory together


@dataclass(frozen=True)
class Evaluation:
    """Scores of one learner, one for each task, in its `metric`: accuracies from 0 to 1, say.

    not_finite: how many predictions were no finite numbers. They count as wrong: a missed class, or an infinite
    error.
    """

    metric: Metric | str  # a known metric's name becomes that metric
    scores: np.ndarray  # (n_tasks,)
    transductive: bool
    not_finite: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "metric", named(self.metric))

    @property
    def mean(self) -> float:
        """Mean over tasks."""
        return float(self.scores.mean())

    @property
    def half_width(self) -> float:
        """Half of the 95 % interval of the mean: about how far another draw of tasks would move it."""
        return float(_half_width(self.scores))

    def reaches(self, published: float) -> bool:
        """Whether our 95 % interval includes a published figure or lies on its better side."""
        better = 1 if self.metric.higher_is_better else -1
        return bool(self.metric.as_good(self.mean + better * self.half_width, published))

    def __str__(self) -> str:
        how = "transductive" if self.transductive else "not transductive"
        figures = self.metric.printed(self.mean, self.half_width)
        said = f"{figures} (95 % interval over {len(self.scores)} tasks, {how})"
        return f"{said}; {self.lost}" if self.not_finite else said

    @property
    def lost(self) -> str:
        """How many predictions were no finite numbers, in words."""
        if self.not_finite == 1:
            return "1 prediction was no finite number, and counts as wrong"
        return f"{self.not_finite:,} predictions were no finite numbers, and count as wrong"


@dataclass(frozen=True)
class AdaptationCurve:
    """Scores after 0, 1, ... inner steps on the same tasks: (n_tasks, steps + 1).

    not_finite: (steps + 1,), as in `Evaluation`.
    """

    metric: Metric | str
    scores: np.ndarray
    transductive: bool = False
    not_finite: np.ndarray | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "metric", named(self.metric))

    @property
    def mean(self) -> np.ndarray:
        """Mean over tasks after each number of steps, (steps + 1,)."""
        return self.scores.mean(axis=0)

    @property
    def half_width(self) -> np.ndarray:
        """Half of the 95 % interval over tasks after each number of steps, (steps + 1,)."""
        return _half_width(self.scores)

    def at(self, step: int) -> Evaluation:
        """The evaluation after `step` inner steps."""
        bad = 0 if self.not_finite is None else int(self.not_finite[step])
        return Evaluation(self.metric, self.scores[:, step], self.transductive, bad)

    def steps_to(self, target: float) -> int | None:
        """The first number of steps whose mean is as good as `target`, or None."""
        good = self.metric.as_good(self.mean, target)
        return int(np.argmax(good)) if good.any() else None


def evaluate(
    learner: Learner,
    family: TaskFamily,
    *,
    n_tasks: int = 600,
    rng: np.random.Generator,
    transductive: bool = False,
    metric: Metric | str | None = None,
) -> Evaluation:
    """Score `learner` on `n_tasks` tasks drawn with `rng`; the same seed gives every learner the same tasks.

    With `transductive=False` two tasks are first judged with other queries removed and permuted, and a
    learner whose predictions move is refused: it looks at the query set as a whole. A prediction that is no finite
    number is wrong, and counted.

    metric: a `metrics.Metric`, or a known one's name; without one accuracy for whole-number labels, else squared
    error. Of ragged tasks only real queries are scored.

    Raises ValueError for that, for predictions of the wrong shape, and for fewer than two tasks.
    """

    def predict(support: Examples | Ragged, query_x: np.ndarray) -> np.ndarray:
        return _predict(learner, support, query_x)

    scores, bad = [], 0
    at_once = not transductive and (hasattr(learner, "many") or hasattr(learner, "along"))
    for tasks in _chunks(family, n_tasks, rng):
        metric = guessed(tasks.query.y) if metric is None else named(metric)
        if not scores and not transductive:
            _require_separate_queries(predict, tasks)
        for predictions, y in _answers(predict, tasks, at_once=at_once):
            scores.append(_scored(metric, predictions, y))
            bad += int((~answered(predictions, y)).sum())
    return Evaluation(metric, np.concatenate(scores), transductive, bad)


def adaptation_curve(
    learner: Any,
    family: TaskFamily,
    *,
    n_tasks: int = 600,
    rng: np.random.Generator,
    transductive: bool = False,
    metric: Metric | str | None = None,
) -> AdaptationCurve:
    """Score a learner that has `along` after each of its inner steps, on the tasks that `evaluate` would draw.

    Refuses a transductive learner as `evaluate` does, unless it is declared to be one. metric: as in `evaluate`.
    """
    if not hasattr(learner, "along"):
        raise ValueError(f"learner is a {type(learner).__name__} without `along`; give one with inner steps")

    def predict(support: Examples | Ragged, query_x: np.ndarray) -> np.ndarray:
        return np.moveaxis(_numbers(learner.along(support, query_x)), 1, 2)  # (T, Q, steps + 1, ...)

    scores, bad = [], 0
    for tasks in _chunks(family, n_tasks, rng):
        metric = guessed(tasks.query.y) if metric is None else named(metric)
        if not scores and not transductive:
            _require_separate_queries(predict, tasks)
        for predictions, y in _answers(predict, tasks, at_once=not transductive):
            steps = [predictions[:, :, step] for step in range(predictions.shape[2])]
            scores.append(np.stack([_scored(metric, step, y) for step in steps], axis=1))
            bad = bad + np.array([(~answered(step, y)).sum() for step in steps])
    return AdaptationCurve(metric, np.concatenate(scores), transductive, bad)


@dataclass(frozen=True)
class Gap:
    """Task generalisation gap: meta-train minus meta-test, with the 95 % half-width of the difference."""

    train: Evaluation
    test: Evaluation

    @property
    def mean(self) -> float:
        """Mean on meta-train tasks minus mean on meta-test tasks."""
        return self.train.mean - self.test.mean

    @property
    def half_width(self) -> float:
        """Half of its 95 % interval; the two sets of tasks are independent."""
        return float(np.hypot(self.train.half_width, self.test.half_width))


def generalisation_gap(
    learner: Learner,
    train: TaskFamily,
    test: TaskFamily,
    *,
    n_tasks: int = 600,
    rng: np.random.Generator,
    transductive: bool = False,
    metric: Metric | str | None = None,
) -> Gap:
    """The mean score on the meta-train tasks themselves minus that on new tasks of the same family.

    It shows tasks that were learned by heart: positive where more is better, negative for errors. Where `test` is
    another family than `train`, it is a distribution shift that is measured, not a gap.
    """
    how = {"n_tasks": n_tasks, "rng": rng, "transductive": transductive, "metric": metric}
    return Gap(evaluate(learner, train, **how), evaluate(learner, test, **how))


@dataclass(frozen=True)
class Speed:
    """Inner steps and seconds for one task until the mean score is as good as a target; None: never."""

    steps: int | None
    seconds: float | None


def adaptation_speed(
    learner: Any,
    family: TaskFamily,
    *,
    target: float,
    n_tasks: int = 600,
    rng: np.random.Generator,
    transductive: bool = False,
    metric: Metric | str | None = None,
) -> Speed:
    """How fast a learner that has `along` and `inner_steps` reaches `target`."""
    how = {"n_tasks": n_tasks, "rng": rng, "transductive": transductive, "metric": metric}
    curve = adaptation_curve(learner, family, **how)
    steps = curve.steps_to(target)
    if steps is None:
        return Speed(None, None)
    return Speed(steps, time_to_deploy(replace(learner, inner_steps=steps), family, rng=rng).seconds)


def labels_saved(
    learner: Learner,
    rival: Learner,
    family_at: Callable[[int], TaskFamily],
    *,
    k_shot: int,
    candidates: Sequence[int],
    n_tasks: int = 600,
    rng: np.random.Generator,
    transductive: bool = False,
    metric: Metric | str | None = None,
) -> int | None:
    """How many labels fewer `learner` needs than `rival`, who usually trains from scratch.

    `learner` gets `k_shot` labels; `rival` gets more and more of `candidates` until it does as well. The answer is
    that number minus `k_shot`, or None when even the largest candidate is not enough. For each number of labels
    the tasks are drawn from the same seed, which `rng` gives.
    """
    require_rng("rng", rng)
    seed = int(rng.integers(2**63))

    def judged(who: Learner, labels: int) -> Evaluation:
        how = {"n_tasks": n_tasks, "rng": np.random.default_rng(seed), "transductive": transductive}
        return evaluate(who, family_at(labels), **how, metric=metric)

    ours = judged(learner, k_shot)
    for labels in sorted(candidates):
        theirs = judged(rival, labels)
        if ours.metric.as_good(theirs.mean, ours.mean):
            return labels - k_shot
    return None


@dataclass(frozen=True)
class Deployment:
    """Seconds from receiving a support set to the first prediction: the first time, and the median afterwards."""

    first_seconds: float  # compilation and other one-time work included
    seconds: float


def time_to_deploy(
    learner: Learner, family: TaskFamily, *, rng: np.random.Generator, repeats: int = 20
) -> Deployment:
    """Time `learner` on single tasks, one query each: the first one, then the median of `repeats` others."""
    tasks, taken = _drawn(family, require_count("repeats", repeats) + 1, rng), []
    for index in range(repeats + 1):
        support, query = (real(part) for part in one(tasks, index))
        started = time.perf_counter()
        learner(support, query.x[:1])
        taken.append(time.perf_counter() - started)
    return Deployment(taken[0], float(np.median(taken[1:])))


@dataclass(frozen=True)
class AcrossSeeds:
    """One method trained from several seeds: mean, and standard deviation between seeds (no interval)."""

    mean: float
    spread: float
    n_seeds: int


def across_seeds(evaluations: Sequence[Evaluation]) -> AcrossSeeds:
    """How much the result depends on the luck of training. Needs at least two seeds."""
    if len(evaluations) < 2:
        raise ValueError(f"{len(evaluations)} evaluation given; a spread over seeds needs at least two seeds")
    _require_alike(evaluations)
    means = np.array([evaluation.mean for evaluation in evaluations])
    return AcrossSeeds(float(means.mean()), float(means.std(ddof=1)), len(means))


def mean_over_seeds(evaluations: Sequence[Evaluation]) -> Evaluation:
    """One method trained from several seeds, judged on the same tasks: each task's mean score over the seeds."""
    _require_alike(evaluations)
    scores = np.mean([evaluation.scores for evaluation in evaluations], axis=0)
    return replace(evaluations[0], scores=scores, not_finite=sum(e.not_finite for e in evaluations))


def _require_alike(evaluations: Sequence[Evaluation]) -> None:
    """Refuse evaluations that cannot be of one method from several seeds, judged on the same tasks."""
    kinds = {(e.metric.name, e.transductive, len(e.scores)) for e in evaluations}
    if len(kinds) != 1:
        told = "; ".join(f"{metric}, transductive={how}, {n} tasks" for metric, how, n in sorted(kinds)) or "none"
        raise ValueError(f"the evaluations are of several kinds ({told}); give some of the same")


def _half_width(scores: np.ndarray) -> np.ndarray:
    """Half of the 95 % interval of the mean over the first axis; infinite where a score is."""
    finite = np.isfinite(scores).all(axis=0)
    spread = np.where(finite, scores, 0).std(axis=0, ddof=1)
    return np.where(finite, Z95 * spread / len(scores) ** 0.5, np.inf)


def _scored(metric: Metric, predictions: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A score for each task, (T,)."""
    scores = np.asarray(metric.score(predictions, y))
    if scores.shape != (len(y),):
        raise ValueError(
            f"the metric {metric.name!r} gave scores of shape {scores.shape} for {len(y)} tasks; give "
            f"one number for each task, shape ({len(y)},)"
        )
    return scores


def _chunks(family: TaskFamily, n_tasks: int, rng: np.random.Generator):
    left = require_count("n_tasks", n_tasks, least=2)
    while left:
        size = min(left, CHUNK)
        yield _drawn(family, size, rng)
        left -= size


def _drawn(family: TaskFamily, n_tasks: int, rng: Any) -> Task:
    """Tasks as NumPy arrays, also of a family that draws tensors on a device (with a generator of its own)."""
    tasks = as_family("family", family).sample(n_tasks, rng)
    tasks = Task(*(examples([_array(array) for array in part]) for part in tasks))
    require_tasks("tasks", tasks, "numpy")
    require_as_many(tasks, n_tasks)
    tasks = Task(*(_blank(part) for part in tasks))
    for name, y in {"support.y": tasks.support.y, "query.y": tasks.query.y}.items():
        if y.dtype.kind not in "iuf" or not np.isfinite(y).all():
            raise ValueError(f"tasks.{name} has dtype {y.dtype} and holds what is no finite number; give numbers")
    return tasks


def _blank(part: Examples | Ragged) -> Examples | Ragged:
    """Zeros for padding: it may have held anything, and a learner of a whole batch is asked about it, too."""
    if isinstance(part, Examples):
        return part
    arrays = [array.copy() for array in part[:2]]
    for array in arrays:
        array[~part.mask] = 0
    return Ragged(*arrays, part.mask)


def _array(part: Array) -> np.ndarray:
    return part.detach().cpu().numpy() if hasattr(part, "detach") else np.asarray(part)


def _answers(predict: Callable, tasks: Task, *, at_once: bool) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Predictions and labels of the real queries, for as many tasks at a time as have equally many.

    Without padding that is the whole batch. at_once: whether padded queries may be asked about beside real ones.
    """
    support, query = tasks
    if isinstance(query, Examples):
        yield predict(support, query.x), query.y
        return
    answers = predict(support, query.x) if at_once else None
    for index, mask in enumerate(query.mask):
        if answers is not None:
            found = answers[index : index + 1, mask]
        else:
            alone = Examples(*(array[None] for array in real(examples([array[index] for array in support]))))
            found = predict(alone, query.x[index : index + 1, mask])
        yield found, query.y[index : index + 1, mask]


def _predict(learner: Learner, support: Examples | Ragged, query_x: np.ndarray) -> np.ndarray:
    """Predictions for a batch of tasks, (T, Q, ...), in the way in which they are scored."""
    if hasattr(learner, "many"):
        return _numbers(learner.many(support, query_x))
    if hasattr(learner, "along"):
        return _numbers(learner.along(support, query_x))[:, -1]
    each_task = zip(*support, query_x, strict=True)
    # each a copy: a learner may give the same array again and again
    return np.stack([_numbers(learner(real(examples(parts)), x)) for *parts, x in each_task])


def _numbers(predictions: Any) -> np.ndarray:
    """Predictions as an array of their own; ValueError for what holds no real numbers."""
    found = np.array(_array(predictions))
    if found.dtype.kind not in "iuf":
        raise ValueError(
            f"the learner's predictions are {type(predictions).__name__} of dtype {found.dtype}; return numbers: "
            "class scores, whole-number labels, or outputs"
        )
    return found


def _require_separate_queries(predict: Callable, tasks: Task) -> None:
    """Refuse a learner whose prediction for a query depends on other queries, of its task or of another.

    predict: how the scores come about. Two tasks are judged again and again with the same support sets, so that
    whatever adapts does so to the same bits, however wildly.
    """
    support, query = (examples([array[:2] for array in part]) for part in tasks)
    x = query.x
    if isinstance(query, Ragged):  # as many real queries of each
        places = [np.flatnonzero(mask)[: query.mask.sum(axis=1).min()] for mask in query.mask]
        x = np.stack([row[some] for row, some in zip(x, places, strict=True)])
    scored = predict(support, x)[0]
    others = {
        "removed": np.stack([predict(support, x[:, i : i + 1])[0, 0] for i in range(min(3, x.shape[1]))]),
        "permuted": predict(support, x[:, ::-1].copy())[0, ::-1],
    }
    finite = scored[np.isfinite(scored)]  # a learner that diverged is bad, not transductive
    if not finite.size:
        return
    # what counts is the spread of the scores, above what float32 can tell apart
    apart = max(1e-3 * np.ptp(finite), 1e-5 * np.abs(finite).max())
    for what, found in others.items():
        expected = scored[: len(found)]
        sound = np.isfinite(expected)
        if not np.allclose(expected[sound], found[sound], rtol=0, atol=apart):
            raise ValueError(
                f"the learner's predictions moved when the other queries were {what}: it is transductive, or "
                "draws at random. If it is batch normalisation, let each query be judged beside the support set "
                'alone, trained.learner(queries="alone"), or freeze the statistics; else pass transductive=True, '
                "and say so beside the score"
            )
