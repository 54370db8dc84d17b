"""Checks of the exercises of notebook 01, what is a task?"""

from itertools import combinations

import numpy as np

from mlcourse.lessons.checks.compare import compare
from mlcourse.lessons.checks.verdict import exercise
from mlcourse.tasks.task import Examples, Task


@exercise("1.1", "Cut a batch into support and query", passed="Every task is there, no example is in both sets.")
def cut(answer):
    n_tasks, n_examples, k_shot = 4, 7, 3
    x = np.arange(n_tasks * n_examples, dtype=float).reshape(n_tasks, n_examples, 1)
    y = -10 * x - 1
    support, query = Examples(x[:, :k_shot], y[:, :k_shot]), Examples(x[:, k_shot:], y[:, k_shot:])
    axis = "you cut along axis 0, the tasks: every task must be there, with fewer examples. Cut axis 1"
    one_only = "an axis is gone: `x[:, k_shot]` takes one example of each task. A cut needs a colon, `:k_shot`"
    last = "you cut the last axis, the numbers of one example: the examples lie along axis 1"
    mixed = "an `x` and its `y` do not belong together: cut both in the same way"
    yield compare(
        answer(x, y, k_shot),
        Task(support, query),
        name="the task",
        diagnoses=[
            (lambda got: any(np.shape(part.x)[1:] == x.shape[1:] and len(part.x) < n_tasks for part in got), axis),
            (lambda got: any(np.ndim(part.x) < x.ndim for part in got), one_only),
            (lambda got: any(np.shape(part.x)[2] != 1 for part in got), last),
            (Task(query, support), "support and query have changed places: the support is the first `k_shot`"),
            (
                lambda got: bool(np.isin(got[0].x, got[1].x).any()),
                "some examples are in both sets: a learner is then judged on what it was given",
            ),
            (
                lambda got: any(
                    np.shape(part.x) != np.shape(part.y) or np.any(-10 * part.x - 1 != part.y) for part in got
                ),
                mixed,
            ),
        ],
    )
    wide = Task(Examples(x[:2, :5], y[:2, :5]), Examples(x[:2, 5:], y[:2, 5:]))
    yield compare(answer(x[:2], y[:2], 5), wide, name="the task for two tasks and k_shot 5")


@exercise("1.2", "A first learner", passed="Any learner that cannot beat these lines has learned nothing.")
def nearest_label(answer):
    rng = np.random.default_rng(13)  # for these, absolute differences give another label than squares
    classes = rng.uniform(size=(3, 1, 4, 4))
    y = np.array([0, 0, 1, 1, 2, 2])  # two shots: places and labels differ
    support = Examples(classes[y] + 0.2 * rng.normal(size=(6, 1, 4, 4)), y)
    want = np.array([2, 0, 1, 1, 0])
    query_x = classes[want] + 0.2 * rng.normal(size=(5, 1, 4, 4))
    difference = query_x[:, None] - support.x[None]
    distance = (difference**2).sum(axis=(2, 3, 4))
    yield compare(
        answer(support, query_x),
        want,
        name="the array of labels",
        diagnoses=[
            (distance.argmin(axis=1), "these are places of drawings: look up the labels there, `support.y`"),
            (y[distance.argmax(axis=1)], "these are the labels of the drawings farthest away: is it `argmin`?"),
            (
                lambda got: np.shape(got) == (len(y),),
                "there is one answer for each support drawing: let `argmin` run along axis 1, over the support",
            ),
            (
                y[np.abs(difference).sum(axis=(2, 3, 4)).argmin(axis=1)],
                "these are sums of absolute differences: square the differences instead",
            ),
            (
                y[difference.sum(axis=(2, 3, 4)).argmin(axis=1)],
                "differences of opposite sign cancel here: square them before you add them up",
            ),
        ],
    )
    exchanged = answer(Examples(query_x, want), support.x)
    yield compare(
        exchanged, want[distance.argmin(axis=0)], name="the array of labels for five shots and six queries"
    )


@exercise("1.3", "Split the classes", passed="One shuffle, three cuts: no class is in two of them.")
def split(answer):
    n_classes, n_val, n_test = 50, 10, 15
    parts = answer(n_classes, n_val, n_test, np.random.default_rng(0))
    if parts is None:
        yield "The split is None: did you forget `return`?"
    if not isinstance(parts, list | tuple) or len(parts) != 3:
        yield "Return three arrays, `return train, val, test`"
    train, val, test = parts = [np.asarray(part) for part in parts]
    yield from _leaks({"meta-train": train, "meta-test": test, "meta-val": val})
    yield compare(
        (train.size, val.size, test.size),
        (n_classes - n_val - n_test, n_val, n_test),
        name="the list of sizes, train, val and test,",
        diagnoses=[
            (
                lambda got: sorted(got) == sorted((n_classes - n_val - n_test, n_val, n_test)),
                "the pieces are right, but in another order: `return train, val, test`",
            ),
            (
                lambda got: got[1] == n_val and got[2] != n_test,
                f"meta-test has {test.size} classes, not {n_test}: a slice needs its beginning and its end",
            ),
        ],
    )
    everything = np.sort(np.concatenate([train, val, test]))
    yield compare(everything, np.arange(n_classes), name="all class numbers together")
    again, other = (answer(n_classes, n_val, n_test, np.random.default_rng(seed)) for seed in (0, 1))
    yield from _shuffling(parts, again, other)
    small = [np.asarray(part) for part in answer(9, 2, 3, np.random.default_rng(2))]
    yield compare(tuple(part.size for part in small), (4, 2, 3), name="the list of sizes for 9 classes, 2 and 3,")
    yield compare(np.sort(np.concatenate(small)), np.arange(9), name="all class numbers of 9")


def _shuffling(parts, again, other):
    """Say which part is no random draw by `rng`; `again` was drawn with the same seed, `other` with another."""
    for name, part in zip(("meta-train", "meta-val", "meta-test"), parts, strict=True):
        if np.array_equal(np.sort(part), np.arange(part.min(), part.min() + part.size)):
            yield (
                f"The classes of {name} were not shuffled: neighbours in a stored list are often of one kind, "
                "such as one script, and then the parts differ in kind too"
            )
    if not all(np.array_equal(one, two) for one, two in zip(parts, again, strict=True)):
        yield "The same seed gave another split: take all random numbers from `rng`"
    for name, one, two in zip(("meta-train", "meta-val", "meta-test"), parts, other, strict=True):
        if np.array_equal(np.sort(one), np.sort(two)):
            yield f"{name} holds the same classes whatever `rng` is: shuffle by `rng`, and all classes at once"


def _leaks(parts):
    """Say which classes occur twice, within a part or in two of them."""
    for name, part in parts.items():
        if len(np.unique(part)) != part.size:
            yield f"Classes occur twice within {name}: draw without replacement, or shuffle and cut"
    for (name, one), (other_name, other) in combinations(parts.items(), 2):
        shared = np.intersect1d(one, other).size
        if shared:
            yield (
                f"{shared} classes are in both {name} and {other_name}: that is the leak. "
                "Each class belongs in one part"
            )


@exercise("1.4", "Split a botanist's data", passed="Whatever will be new in use must be new in the test.")
def which_split(answer):
    letter = answer.strip().lower() if isinstance(answer, str) else ""
    if letter not in ("a", "b", "c", "d", "e"):
        yield f'Answer with one letter in quotes, such as "a"; you gave {answer!r}'
    reasons = {
        "a": "every kind has photographs in training, so none is new in the test: this measures memory",
        "b": "the kinds are new, but their gardens were all used in training: one promise stays untested",
        "c": "the gardens are new, but the same kinds grow there: one promise stays untested, that of new kinds",
        "d": "the tasks are new, but they are made of kinds that were all used in training",
    }
    yield compare(letter, "e", name="the split", diagnoses=list(reasons.items()))
