"""One protocol for every method and every baseline: nothing else in the course scores anything.

A learner is a function from a support set and query inputs to predictions. It is judged on many fixed tasks
that it has not met; the interval is over tasks, the spread over seeds is told apart from it.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlcourse.arguments import require_as_many, require_count, require_family, require_rng, require_tasks
from mlcourse.tasks.task import Array, Examples, Task, TaskFamily, one

Learner = Callable[[Examples, Array], Array]
"""(support, query_x) -> predictions: (Q, outputs) numbers, or (Q, n_way) class scores, or (Q,) class labels.

A learner may also have, for a whole batch of tasks at once, `many(support, query_x)`, which returns predictions
(T, Q, outputs), and `along(support, query_x)`, which returns those after 0, 1, ... inner steps,
(T, inner_steps + 1, Q, outputs); see `GradientLearner`.
"""

Z95 = 1.96  # half the width of a 95 % interval, in standard errors of a mean over many tasks
CHUNK = 100  # tasks drawn at a time, so that images of 2,000 tasks never lie in memory together


@dataclass(frozen=True)
class Evaluation:
    """Scores of one learner, one for each task: accuracy from 0 to 1, or mean squared error.

    not_finite: how many predictions were no finite numbers. They count as wrong: a missed class, or an infinite
    error.
    """

    metric: str  # "accuracy" or "squared error"
    scores: np.ndarray  # (n_tasks,)
    transductive: bool
    not_finite: int = 0

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
        if self.metric == "accuracy":
            return self.mean + self.half_width >= published
        return self.mean - self.half_width <= published

    def __str__(self) -> str:
        how = "transductive" if self.transductive else "not transductive"
        if self.metric == "accuracy":
            figures = f"accuracy {100 * self.mean:.1f} ± {100 * self.half_width:.1f} %"
        else:
            figures = f"{self.metric} {self.mean:.3f} ± {self.half_width:.3f}"
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

    metric: str
    scores: np.ndarray
    transductive: bool = False
    not_finite: np.ndarray | None = None

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
        good = self.mean >= target if self.metric == "accuracy" else self.mean <= target
        return int(np.argmax(good)) if good.any() else None


def evaluate(
    learner: Learner,
    family: TaskFamily,
    *,
    n_tasks: int = 600,
    rng: np.random.Generator,
    transductive: bool = False,
) -> Evaluation:
    """Score `learner` on `n_tasks` tasks drawn with `rng`; the same seed gives every learner the same tasks.

    With `transductive=False` two tasks are first judged with other queries removed and permuted, and a
    learner whose predictions move is refused: it looks at the query set as a whole. A prediction that is no finite
    number is wrong, and counted.

    Raises ValueError for that, for predictions of the wrong shape, and for fewer than two tasks.
    """
    scores, bad = [], 0
    for tasks in _chunks(family, n_tasks, rng):
        if not scores and not transductive:
            _require_separate_queries(lambda *asked: _predict(learner, *asked), tasks)
        some, wrong = _scores(_predict(learner, tasks.support, tasks.query.x), tasks.query.y)
        scores.append(some)
        bad += wrong
    return Evaluation(_metric(tasks), np.concatenate(scores), transductive, bad)


def adaptation_curve(
    learner: Any,
    family: TaskFamily,
    *,
    n_tasks: int = 600,
    rng: np.random.Generator,
    transductive: bool = False,
) -> AdaptationCurve:
    """Score a learner that has `along` after each of its inner steps, on the tasks that `evaluate` would draw.

    Refuses a transductive learner as `evaluate` does, unless it is declared to be one.
    """
    if not hasattr(learner, "along"):
        raise ValueError(f"learner is a {type(learner).__name__} without `along`; give one with inner steps")
    scores, bad = [], 0
    for tasks in _chunks(family, n_tasks, rng):
        if not scores and not transductive:
            _require_separate_queries(lambda *asked: np.moveaxis(_numbers(learner.along(*asked)), 1, 2), tasks)
        predictions = _numbers(learner.along(tasks.support, tasks.query.x))
        steps = [_scores(predictions[:, step], tasks.query.y) for step in range(predictions.shape[1])]
        scores.append(np.stack([some for some, _ in steps], axis=1))
        bad = bad + np.array([wrong for _, wrong in steps])
    return AdaptationCurve(_metric(tasks), np.concatenate(scores), transductive, bad)


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
) -> Gap:
    """The mean score on the meta-train tasks themselves minus that on new tasks of the same family.

    It shows tasks that were learned by heart: positive for accuracies, negative for errors. Where `test` is
    another family than `train`, it is a distribution shift that is measured, not a gap.
    """
    how = {"n_tasks": n_tasks, "rng": rng, "transductive": transductive}
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
) -> Speed:
    """How fast a learner that has `along` and `inner_steps` reaches `target`."""
    curve = adaptation_curve(learner, family, n_tasks=n_tasks, rng=rng, transductive=transductive)
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
) -> int | None:
    """How many labels fewer `learner` needs than `rival`, who usually trains from scratch.

    `learner` gets `k_shot` labels; `rival` gets more and more of `candidates` until it does as well. The answer is
    that number minus `k_shot`, or None when even the largest candidate is not enough. For each number of labels
    the tasks are drawn from the same seed, which `rng` gives.
    """
    require_rng("rng", rng)
    seed = int(rng.integers(2**63))

    def judged(who: Learner, labels: int) -> Evaluation:
        again = np.random.default_rng(seed)
        return evaluate(who, family_at(labels), n_tasks=n_tasks, rng=again, transductive=transductive)

    ours = judged(learner, k_shot)
    for labels in sorted(candidates):
        theirs = judged(rival, labels)
        if theirs.mean >= ours.mean if ours.metric == "accuracy" else theirs.mean <= ours.mean:
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
    """Time `learner` on single tasks, one query each."""
    tasks, taken = _drawn(family, require_count("repeats", repeats) + 1, rng), []
    for index in range(repeats + 1):
        task = one(tasks, index)
        started = time.perf_counter()
        learner(task.support, task.query.x[:1])
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
    kinds = {(e.metric, e.transductive, len(e.scores)) for e in evaluations}
    if len(kinds) != 1:
        told = "; ".join(f"{metric}, transductive={how}, {n} tasks" for metric, how, n in sorted(kinds)) or "none"
        raise ValueError(f"the evaluations are of several kinds ({told}); give some of the same")


def _half_width(scores: np.ndarray) -> np.ndarray:
    """Half of the 95 % interval of the mean over the first axis; infinite where a score is."""
    finite = np.isfinite(scores).all(axis=0)
    spread = np.where(finite, scores, 0).std(axis=0, ddof=1)
    return np.where(finite, Z95 * spread / len(scores) ** 0.5, np.inf)


def _chunks(family: TaskFamily, n_tasks: int, rng: np.random.Generator):
    left = require_count("n_tasks", n_tasks, least=2)
    while left:
        size = min(left, CHUNK)
        yield _drawn(family, size, rng)
        left -= size


def _drawn(family: TaskFamily, n_tasks: int, rng: Any) -> Task:
    """Tasks as NumPy arrays, also of a family that draws tensors on a device (with a generator of its own)."""
    require_family("family", family)
    tasks = family.sample(n_tasks, rng)
    tasks = Task(*(Examples(*(_array(part) for part in examples)) for examples in tasks))
    require_tasks("tasks", tasks, "numpy")
    require_as_many(tasks, n_tasks)
    for name, y in {"support.y": tasks.support.y, "query.y": tasks.query.y}.items():
        if y.dtype.kind not in "iuf" or not np.isfinite(y).all():
            raise ValueError(f"tasks.{name} has dtype {y.dtype} and holds what is no finite number; give numbers")
    return tasks


def _array(part: Array) -> np.ndarray:
    return part.detach().cpu().numpy() if hasattr(part, "detach") else np.asarray(part)


def _metric(tasks: Task) -> str:
    return "accuracy" if np.issubdtype(np.asarray(tasks.query.y).dtype, np.integer) else "squared error"


def _predict(learner: Learner, support: Examples, query_x: np.ndarray) -> np.ndarray:
    """Predictions for a batch of tasks, (T, Q, ...), in the way in which they are scored."""
    if hasattr(learner, "many"):
        return _numbers(learner.many(support, query_x))
    if hasattr(learner, "along"):
        return _numbers(learner.along(support, query_x))[:, -1]
    each_task = zip(*support, query_x, strict=True)
    # each a copy: a learner may give the same array again and again
    return np.stack([_numbers(learner(Examples(*pair), x)) for *pair, x in each_task])


def _numbers(predictions: Any) -> np.ndarray:
    """Predictions as an array of their own; ValueError for what holds no real numbers."""
    found = np.array(_array(predictions))
    if found.dtype.kind not in "iuf":
        raise ValueError(
            f"the learner's predictions are {type(predictions).__name__} of dtype {found.dtype}; return numbers: "
            "class scores, whole-number labels, or outputs"
        )
    return found


def _scores(predictions: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, int]:
    """One score for each task, and how many predictions were not finite.

    predictions (T, Q, ...), y (T, Q) labels or (T, Q, outputs).
    """
    if np.issubdtype(y.dtype, np.integer):
        labels, finite = _labels(predictions, y)
        return (finite & (labels == y)).mean(axis=1), int((~finite).sum())
    _require_shape(predictions, y)
    finite = np.isfinite(predictions).reshape(*y.shape[:2], -1).all(axis=2)
    with np.errstate(over="ignore", invalid="ignore"):
        errors = ((predictions - y) ** 2).reshape(*y.shape[:2], -1).mean(axis=2)
    return np.where(finite, errors, np.inf).mean(axis=1), int((~finite).sum())


def _labels(predictions: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The class that each prediction names, and whether it names one: (T, Q) each.

    Of scores the largest counts. It must be finite: beside it, minus infinity is a sure no, not a fault.
    """
    if predictions.ndim != y.ndim + 1:
        _require_shape(predictions, y)
        finite = np.isfinite(predictions)
        numbers = predictions[finite]
        if (odd := numbers[numbers % 1 != 0]).size:
            raise ValueError(
                f"the learner predicts the label {odd[0]:g}; return whole numbers, or scores for each class"
            )
        return predictions, finite
    _require_shape(predictions[..., 0], y)
    if y.max() >= predictions.shape[-1]:
        raise ValueError(
            f"the learner scores {predictions.shape[-1]} classes, and the query labels go up to {y.max()}; give "
            "it a network that scores as many classes as a task has"
        )
    return predictions.argmax(axis=-1), np.isfinite(predictions.max(axis=-1))


def _require_shape(predictions: np.ndarray, y: np.ndarray) -> None:
    if predictions.shape != y.shape:
        raise ValueError(
            f"the learner's predictions have shape {predictions.shape[1:]} for a task whose query labels have "
            f"shape {y.shape[1:]}; return one prediction for each query"
        )


def _require_separate_queries(predict: Callable, tasks: Task) -> None:
    """Refuse a learner whose prediction for a query depends on other queries, of its task or of another.

    predict: how the scores come about. Two tasks are judged again and again with the same support sets, so that
    whatever adapts does so to the same bits, however wildly.
    """
    support, x = Examples(*(part[:2] for part in tasks.support)), tasks.query.x[:2]
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
                "draws at random. Pass transductive=True and say so beside the score, or take batch statistics "
                "from the support set"
            )
