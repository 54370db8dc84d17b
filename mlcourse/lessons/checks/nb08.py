"""Checks of the exercises of notebook 08, Prototypical networks."""

import numpy as np

from mlcourse.lessons.checks.compare import compare, same
from mlcourse.lessons.checks.verdict import exercise
from mlcourse.tasks import Examples, Task


@exercise(
    "8.1",
    "A class is a mean",
    passed="These means are all that the method keeps of a class.",
    keeps_arguments=True,
)
def prototypes(answer):
    embeddings = np.random.default_rng(1).normal(size=(6, 2))
    labels = np.array([2, 0, 1, 1, 0, 2])  # not in order, two of each
    groups = [embeddings[labels == label] for label in range(3)]
    got = answer(embeddings, labels, 3)
    yield compare(
        got,
        np.stack([group.mean(axis=0) for group in groups]),
        name="the array of prototypes",
        diagnoses=[
            (np.stack([group.sum(axis=0) for group in groups]), "these are sums of each class: take their means"),
            (np.stack([group[0] for group in groups]), "this is one example of each class: average all of them"),
            (
                embeddings.reshape(3, 2, 2).mean(axis=1),
                "the examples do not stand in the order of their classes: pick each class by `labels == k`",
            ),
            (
                np.tile(embeddings.mean(axis=0), (3, 1)),
                "all prototypes are the mean of all examples: average each class by itself",
            ),
            (
                embeddings.mean(axis=0),
                "this is the mean of all examples: average each class by itself, and stack the means",
            ),
            (
                np.array([group.mean() for group in groups]),
                "each class has become a single number: average over its examples (axis 0), not over all numbers",
            ),
            (
                lambda means: means.shape == (3, 2) and np.allclose(means, [g.mean(axis=1) for g in groups]),
                "you averaged the coordinates of each example (axis 1): average over the examples, axis 0",
            ),
        ],
    )
    uneven = np.array([0, 0, 0, 1, 0, 2])
    want = np.stack([embeddings[uneven == label].mean(axis=0) for label in range(3)])
    yield compare(answer(embeddings, uneven, 3), want, name="the array of prototypes of classes of different size")
    want = np.stack([embeddings[1:2].mean(axis=0), embeddings[[0, 2]].mean(axis=0)])
    yield compare(
        answer(embeddings[:3], np.array([1, 0, 1]), 2), want, name="the array of prototypes of two classes"
    )


def _log_softmax(logits: np.ndarray, axis: int = 1) -> np.ndarray:
    """Rows (or columns) of logits to log-probabilities."""
    top = logits - logits.max(axis=axis, keepdims=True)
    return top - _log_total(top, axis)


def _log_total(logits: np.ndarray, axis: int = 1) -> np.ndarray:
    """The logarithm of the sum of the exponentials of each row (or column)."""
    return np.log(np.exp(logits).sum(axis=axis, keepdims=True))


_LOG_OF_ZERO = (
    "you took the logarithm of the finished probability, and that of a far class is zero: "
    "use the logit minus the logarithm of the sum"
)


def _is_log_of_zero(numbers: np.ndarray, logits: np.ndarray) -> bool:
    """Whether likely classes are right and those far behind are minus infinity."""
    want = _log_softmax(logits)
    finite = np.isfinite(numbers)
    lost = not finite.all() and finite.any(axis=1).all()
    return bool(lost and np.isneginf(numbers[~finite]).all() and np.allclose(numbers[finite], want[finite]))


@exercise(
    "8.2",
    "From distances to log-probabilities",
    passed="Its mean over the queries, with a minus, is the loss.",
    keeps_arguments=True,
)
def log_probabilities(answer):
    rng = np.random.default_rng(2)
    queries, centres = rng.normal(size=(4, 2)), rng.normal(size=(3, 2))
    squares = ((queries[:, None] - centres) ** 2).sum(axis=-1)
    want, top = _log_softmax(-squares), squares.min(axis=1, keepdims=True) - squares
    over_queries = "the sum runs over the queries: add up over the classes, axis 1"
    got = answer(queries, centres)
    yield compare(
        got,
        want,
        name="the array of log-probabilities",
        diagnoses=[
            (_log_softmax(squares), "the farthest class is the likeliest: put a minus before the distances"),
            (_log_softmax(-np.sqrt(squares)), "these are distances, not squared ones: leave the root out"),
            (_log_softmax(-squares, axis=0), over_queries),
            (top - np.log(np.exp(top).sum(axis=0)), over_queries),
            (np.exp(want), "these are probabilities: return their logarithms"),
            (squares, "these are the squared distances: the softmax and its logarithm are still to come"),
            (-squares, "these are the logits: subtract from each row the logarithm of its sum of exponentials"),
            (
                lambda numbers: any(np.allclose(numbers, part + _log_total(part)) for part in (top, -squares)),
                "the logarithm of the sum is added: dividing inside the logarithm means subtracting",
            ),
            (
                _log_softmax(-np.abs(queries[:, None] - centres).sum(axis=-1)),
                "these are sums of absolute differences: square them",
            ),
            (
                _log_softmax(-((queries[:, None] - centres) ** 2).mean(axis=-1)),
                "you took the mean over the coordinates: a squared distance is their sum",
            ),
        ],
    )  # fmt: skip
    far = 100 * queries
    logits = -((far[:, None] - centres) ** 2).sum(axis=-1)
    overall = logits - logits.max()
    with np.errstate(all="ignore"):
        got = answer(far, centres)
        over_all_rows = overall - _log_total(overall)
    yield compare(
        got,
        _log_softmax(logits),
        name="the array of log-probabilities of far queries",
        diagnoses=[
            (
                lambda numbers: np.allclose(numbers, over_all_rows, equal_nan=True),
                "you subtracted the largest logit of all: subtract from each row the largest logit of that row",
            ),
            (
                lambda numbers: _is_log_of_zero(numbers, logits),
                _LOG_OF_ZERO,
            ),
            (
                lambda numbers: not np.isfinite(numbers).all(),
                "right for near queries, but of far ones every exponential becomes zero and its logarithm minus "
                "infinity: subtract the largest logit of each row first",
            ),
        ],
    )
    one, two = np.array([[100.0, 0.0]]), np.array([[0.0, 0.0], [5.0, 0.0]])
    logits = -((one[:, None] - two) ** 2).sum(axis=-1)  # -10000 and -9025: the loser's probability is zero
    with np.errstate(all="ignore"):
        got = answer(one, two)
    yield compare(
        got,
        _log_softmax(logits),
        name="the array of log-probabilities of a query with a class far behind",
        diagnoses=[(lambda numbers: _is_log_of_zero(numbers, logits), _LOG_OF_ZERO)],
    )


@exercise(
    "8.3",
    "The linear classifier inside",
    passed="Support examples in, a linear layer out, without a step.",
    keeps_arguments=True,
)
def as_linear(answer):
    rng = np.random.default_rng(3)
    centres, queries = rng.normal(size=(3, 2)), rng.normal(size=(5, 2))
    weights, biases = 2 * centres.T, -(centres**2).sum(axis=1)
    got = answer(centres)
    if _same_probabilities(got, queries, centres):
        return
    yield compare(
        got,
        (weights, biases),
        name="(weights, biases)",
        diagnoses=[
            (
                (centres.T, biases / 2),
                "same regions, other probabilities: both weights and biases are halved",
            ),
            ((centres.T, biases), "these weights are half of what they should be: look at the factor of c·q"),
            (
                (-weights, biases),
                "the weights have the wrong sign: the minus before the square meets the minus before 2 c·q",
            ),
            (
                (weights, -biases),
                "the biases have the wrong sign: a class far from the origin must not profit from it",
            ),
            ((weights, -np.sqrt(-biases)), "the biases are lengths: ‖c‖² is the sum of squares, without the root"),
            (
                (weights, np.zeros(3)),
                "the biases are zero: −‖c‖² differs from class to class, so they must stay",
            ),
            ((-weights, -biases), "these are scores of the distance itself: the farthest class would win"),
            (
                lambda pair: np.allclose(pair[0], weights.T),
                "the weights have one row a class: `queries @ weights` needs one column a class, so transpose",
            ),
            (
                lambda pair: np.shape(pair[1]) == (2,),
                "there is one bias a coordinate: add up the squares of each prototype, axis 1",
            ),
        ],
    )


def _same_probabilities(got: object, queries: np.ndarray, centres: np.ndarray) -> bool:
    """Whether other numbers do the same: what is added to every class alike leaves the softmax as it is."""
    try:
        weights, biases = (np.asarray(part, dtype=float) for part in got)
        right_form = weights.shape == centres.T.shape and biases.shape == centres.shape[:1]
        squares = ((queries[:, None] - centres) ** 2).sum(axis=-1)
        return right_form and same(_log_softmax(queries @ weights + biases), _log_softmax(-squares))
    except (TypeError, ValueError):
        return False


@exercise("8.4", "One more example", passed="The class has learned from a new example, and nothing was trained.")
def add_example(answer):
    prototype, embedding = np.array([1.0, -2.0, 4.0]), np.array([3.0, 0.0, -2.0])
    right = prototype + (embedding - prototype) / 5
    got = answer(prototype, 4, embedding)
    yield compare(
        got,
        (right, 5),
        name="(prototype, count)",
        diagnoses=[
            ((right, 4), "the prototype is right; count must grow by one, or the next example weighs too much"),
            (
                lambda pair: np.allclose(pair[0], (prototype + embedding) / 2),
                "the new example weighs as much as the four old ones together: it is one of five",
            ),
            (
                lambda pair: np.allclose(pair[0], prototype + (embedding - prototype) / 4),
                "the new example is one of five: divide by count + 1",
            ),
            (
                lambda pair: np.allclose(pair[0], (prototype + embedding) / 5),
                "the old prototype stands for four examples: weigh it by `count`",
            ),
            (lambda pair: np.allclose(pair[0], prototype + embedding), "this is a sum: a prototype is a mean"),
        ],
    )
    second = (prototype + embedding) / 2, 2
    yield compare(answer(prototype, 1, embedding), second, name="(prototype, count) after a second example")


def _parts(support: np.ndarray, labels: np.ndarray, n_way: int) -> tuple[np.ndarray, np.ndarray, float]:
    """How many examples each class has, their means, and the squared distances to the means, added up."""
    centres = np.stack([support[labels == k].mean(axis=0) for k in range(n_way)])
    return np.bincount(labels, minlength=n_way), centres, float(((support - centres[labels]) ** 2).sum())


@exercise(
    "8.5",
    "Classes of different size",
    passed="The mean of these logits over support sets no longer depends on how many examples a class has.",
    keeps_arguments=True,
)
def fair_logits(answer):
    rng = np.random.default_rng(4)
    support, labels = rng.normal(size=(9, 3)), np.array([1, 0, 2, 0, 2, 0, 2, 0, 0])  # 5, 1 and 3 examples
    queries = rng.normal(size=(4, 3))
    counts, centres, scatter = _parts(support, labels, 3)
    examples, trace = len(support), scatter / (len(support) - 3)
    squares = ((queries[:, None] - centres) ** 2).sum(axis=-1)
    around_all = float(((support - support.mean(axis=0)) ** 2).sum())
    with np.errstate(all="ignore"):
        got = answer(queries, support, labels, 3)
        own = ((support - centres[labels]) ** 2).sum(axis=1)
        each_class = np.array([own[labels == k].sum() for k in range(3)]) / (counts - 1)
    yield compare(
        got,
        trace / counts - squares,
        name="the array of corrected logits",
        diagnoses=[
            (-squares, "these are the logits without a correction: add what a mean of K examples has in excess"),
            (
                -squares - trace / counts,
                "the correction has the wrong sign: a noisy prototype is too FAR away on average, so its logit "
                "has to grow",
            ),
            (squares - trace / counts, "these are corrected squared distances: a logit is minus that"),
            (
                scatter / examples / counts - squares,
                "your tr(Σ) is too small on average: examples lie closer to their mean than to the true centre, "
                "so divide by the number of examples minus the number of classes",
            ),
            (
                scatter / (examples - 1) / counts - squares,
                "one is taken off in all, but each class has a mean of its own: take one off for each class",
            ),
            (
                trace * counts - squares,
                "the correction grows with K: a mean of more examples is less noisy, so divide by K",
            ),
            (
                trace / np.sqrt(counts) - squares,
                "you divided by the root of K: that is a standard deviation, and the excess is a variance",
            ),
            (
                trace - squares,
                "every class has the same correction, and the softmax cancels it: divide by the class's own K",
            ),
            (
                trace / 3 / counts - squares,
                "you took the mean over the coordinates: a trace is their sum",
            ),
            (
                around_all / (examples - 3) / counts - squares,
                "you measured the scatter around the mean of all: measure it around each class's own mean",
            ),
            (
                lambda numbers: np.allclose(numbers, each_class / counts - squares, equal_nan=True),
                "you estimated tr(Σ) for each class alone, which fails with one example: all classes share Σ, so "
                "add up the scatter of all of them first",
            ),
            (
                lambda numbers: np.allclose(numbers, _log_softmax(trace / counts - squares)),
                "right, but these are log-probabilities: return the logits",
            ),
        ],
    )  # fmt: skip
    support, labels = support[:4], np.array([0, 1, 1, 0])
    counts, centres, scatter = _parts(support, labels, 2)
    squares = ((queries[:, None] - centres) ** 2).sum(axis=-1)
    want = scatter / 2 / counts - squares
    yield compare(answer(queries, support, labels, 2), want, name="the array of corrected logits of two classes")


def _drawn(n_tasks: int, common: int) -> list[Task]:
    """Tasks of four classes around centres far apart; half of the queries belong to class `common`."""
    rng, tasks = np.random.default_rng(4), []
    for _ in range(n_tasks):
        centres, counts = 10 * rng.normal(size=(4, 3)), np.full(4, 2)
        counts[common] = 6
        y = rng.permutation(np.repeat(np.arange(4), counts))
        order = rng.permutation(4)
        support = Examples(centres[order] + 0.1 * rng.normal(size=(4, 3)), order)
        tasks.append(Task(support, Examples(centres[y] + 0.1 * rng.normal(size=(12, 3)), y)))
    return tasks


def _nearest(support: Examples, query_x: np.ndarray) -> np.ndarray:
    return support.y[((query_x[:, None] - support.x) ** 2).sum(axis=-1).argmin(axis=1)]


@exercise("8.6", "Other names", passed="A sound learner loses exactly nothing, so the test needs no ±.")
def lost_by_renaming(answer):
    tasks = _drawn(200, common=0)

    def always(name):
        return lambda support, query_x: np.full(len(query_x), name)

    def lost(learner, tasks=tasks):
        return answer(learner, tasks, np.random.default_rng(0))

    sound = lost(_nearest)
    yield compare(
        sound,
        0.0,
        name="what nearest neighbour loses",
        diagnoses=[
            (lambda got: np.ndim(got) == 1, "this is one number for each task: return their mean"),
            (lambda got: got > 0.5,
             "nearest neighbour is sound, and loses most of its score: do support and query labels both get the "
             "new names, and the same ones?"),
            (lambda got: got < -0.5, "this is the accuracy after renaming: subtract it from the one as given"),
        ],
    )  # fmt: skip
    got, share = lost(always(0)), 0.5
    by_chance = share - 0.25  # after renaming, 0 is the name of any of four classes
    yield compare(
        got,
        by_chance,
        name="what a learner loses that always says 0, where half of the queries are of class 0,",
        rtol=0,
        atol=0.07,
        diagnoses=[
            (0.0,
             "a learner that always says 0 loses nothing: the new names are the old ones, or only the *order* of "
             "the images has changed"),
            (lambda got: abs(got + by_chance) < 0.07,
             "a sign: it should be the accuracy as given, minus the one after renaming"),
            (lambda got: got > 1, "this is in points or a sum: give a mean of parts of 1"),
            (lambda got: abs(got - share) < 0.07 or abs(got - share + 1 / 6) < 0.02,
             "class 0 never keeps its name, or always gets the same one: draw new names for each task"),
        ],
    )  # fmt: skip
    yield compare(
        lost(always(3), _drawn(200, common=3)),
        by_chance,
        name="what a learner loses that always says 3, where half of the queries are of class 3,",
        rtol=0,
        atol=0.07,
    )
