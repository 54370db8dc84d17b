"""Checks of the exercises of notebook 03, Measuring adaptation."""

import numpy as np

from mlcourse.lessons.checks.compare import compare
from mlcourse.lessons.checks.verdict import exercise
from mlcourse.tasks import Examples, Task, each


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n, 1, 2, 2) images and (m, 1, 2, 2) images -> (n, m) squared distances."""
    return ((a.reshape(len(a), 1, -1) - b.reshape(1, len(b), -1)) ** 2).sum(axis=-1)


@exercise(
    "3.1",
    "Nearest class mean",
    passed="With one line more, a learned space, this is notebook 08.",
    keeps_arguments=True,
)
def nearest_class_mean(answer):
    rng = np.random.default_rng(5)
    support = Examples(rng.normal(size=(9, 1, 2, 2)), np.array([2, 0, 1, 1, 2, 0, 0, 1, 2]))  # three of each
    query_x = rng.normal(size=(14, 1, 2, 2))
    groups = [support.x[support.y == label] for label in range(3)]
    to_means = _distances(query_x, np.stack([group.mean(axis=0) for group in groups]))
    to_sums = _distances(query_x, np.stack([group.sum(axis=0) for group in groups]))
    to_blocks = _distances(query_x, support.x.reshape(3, 3, 1, 2, 2).mean(axis=1))
    to_examples = _distances(query_x, support.x)
    got = answer(support, query_x)
    yield compare(
        got,
        to_means.argmin(axis=1),
        name="the answer",
        diagnoses=[
            (to_means.argmax(axis=1), "these are the classes farthest away: take the smallest distance"),
            (to_sums.argmin(axis=1), "these are sums of each class's examples: take their means"),
            (to_blocks.argmin(axis=1), "the examples are not sorted by class: pick each class by `support.y`"),
            (support.y[to_examples.argmin(axis=1)], "this is nearest neighbour: average each class first"),
            (to_examples.argmin(axis=1), "these are the places of support examples, not labels"),
            (lambda labels: not np.any(labels), "always class 0: is every class mean the mean of all examples?"),
            (lambda labels: labels.shape == (3,), "this finds a query for each class: turn it round"),
            (lambda labels: labels.shape == (14, 3), "these are distances: return labels instead"),
        ],
    )
    two = Examples(support.x[[1, 2, 3, 5]], np.array([0, 1, 1, 0]))
    means = np.stack([two.x[two.y == label].mean(axis=0) for label in range(2)])
    want = _distances(query_x, means).argmin(axis=1)
    yield compare(answer(two, query_x), want, name="the answer for two classes")


@exercise("3.2", "The interval", passed="This is the ± of every table in the course.")
def interval(answer):
    scores = np.array([0.4, 0.55, 0.3, 0.7, 0.45, 0.5, 0.65, 0.35, 0.6])
    n, spread = len(scores), scores.std(ddof=1)
    half = 1.96 * spread / np.sqrt(n)
    got = answer(scores)
    yield compare(
        got,
        (scores.mean(), half),
        name="(mean, half_width)",
        diagnoses=[
            ((half, scores.mean()), "right numbers, wrong order: first the mean, then half the width"),
            ((scores.mean(), spread), "this ± is the standard deviation: how different the tasks are"),
            ((scores.mean(), 1.96 * spread), "this holds 95 % of the tasks: for their mean divide by √n"),
            ((scores.mean(), 1.96 * spread / n), "divided by n: what is uncertain in a mean falls with √n"),
            ((scores.mean(), spread / np.sqrt(n)), "it holds the truth 68 times in 100: times 1.96"),
            ((scores.mean(), 2 * half), "this is the whole width: half of it stands after the ±"),
            ((scores.mean(), 1.96 * spread**2 / np.sqrt(n)), "this uses the variance: take its root first"),
            ((scores.mean(), 1.96 * scores.std() / np.sqrt(n)), "`std` alone divides by n: give it `ddof=1`"),
        ],
        rtol=1e-4,  # who takes the quantile itself, 1.959964, is right, too
    )  # fmt: skip
    four = scores[:4]
    half = 1.96 * four.std(ddof=1) / 2
    yield compare(answer(four), (four.mean(), half), name="(mean, half_width) of four tasks", rtol=1e-4)


@exercise("3.3", "How fast?", passed="The mean over tasks first, and None where the target is never reached.")
def steps_to(answer):
    errors = np.array(  # their means: 4, 2.6, 1.4, 0.75, 0.7, 0.6
        [[5.0, 0.8, 0.7, 0.25, 0.3, 0.3], [3.0, 4.0, 2.0, 0.75, 0.6, 0.6], [4.0, 3.0, 1.5, 1.25, 1.2, 0.9]]
    )
    yield compare(
        answer(errors, 1.0),
        3,
        name="the number of steps to 1.0",
        diagnoses=[
            (0, "before the first step the mean error is 4.0, and the target 1.0: smaller is better"),
            (1, "after 1 step *one* task is good enough: take the mean over the tasks first"),
            (2, "2 is one too few: the mean after 2 steps is 1.4, and column 0 stands for 0 steps"),
            (4, "4 is one too many: column 0 stands for 0 steps"),
            (5, "only after 5 steps the worst task is good enough: take the mean over the tasks"),
        ],
    )
    if (got := answer(errors, 0.75)) != 3:
        yield f"for the target 0.75 it is 3, where the mean is exactly 0.75, and not {got}: “at most” is `<=`"
    if (got := answer(errors, 0.1)) is not None:
        yield f"the mean never gets down to 0.1, and you return {got}: that would claim a success. Return None"
    if (got := answer(errors, 9.0)) != 0:
        yield f"for the target 9.0 no step is needed: 0, and not {got}"
    yield compare(answer(errors[:2, 1:4], 1.0), 2, name="the number of steps of two tasks")  # 2.4, 1.35, 0.5


@exercise("3.4", "Find the leaks", passed="Chosen on the test, judged together, classes in both splits.")
def leaks(answer):
    said = "".join(map(str, answer)) if isinstance(answer, list | tuple | set) else answer
    named = {sign for sign in said.lower() if sign.isalnum()} if isinstance(said, str) else {said}
    if not named <= set("abcde"):
        yield f'answer with letters from a to e in one string, such as "bd"; you gave {answer!r}'
    harmless = {
        "b": "`b` is no leak: shuffling takes away the order that gives the labels away",
        "d": "`d` is no leak: the same tasks for all make methods comparable",
    }
    yield next((message for letter, message in harmless.items() if letter in named), None)
    leak = {
        "a": "one is missing: look for a choice that was made on the very tasks of the score",
        "c": "one is missing: look for predictions that depend on the other queries",
        "e": "one is missing: look for classes that the learner has met in meta-training",
    }
    yield next((message for letter, message in leak.items() if letter not in named), None)


def _ten_at_once(learner, family, n_tasks, seed, new_seed=lambda batch: 0):
    """Give a learner n_tasks tasks in batches of ten; the batch's number decides its seed."""
    for batch in range(n_tasks // 10):
        for task in each(family.sample(10, np.random.default_rng([seed, new_seed(batch)]))):
            predictions = learner(task.support, task.query.x)
            if np.shape(predictions) != (len(task.query.x),):
                raise ValueError(f"your learner returned {np.shape(predictions)}: give one label for each query")


class _SharedPictures:
    """Two-way tasks. The first support image is one of five, so different tasks share it; so are the labels."""

    def sample(self, n_tasks, rng):
        five = np.arange(20.0).reshape(5, 1, 1, 2, 2)
        images = rng.normal(size=(n_tasks, 6, 1, 2, 2))
        images[:, :1] = five[rng.integers(5, size=n_tasks)]
        support = Examples(images[:, :2], np.tile([0, 1], (n_tasks, 1)))
        return Task(support, Examples(images[:, 2:], np.tile([0, 0, 1, 1], (n_tasks, 1))))


@exercise(
    "3.5",
    "What does the learner get?",
    passed="It works for any program, however long: you looked inside nothing.",
)
def different_tasks(answer):
    def anew(learner, family, n_tasks, seed):
        _ten_at_once(learner, family, n_tasks, seed)

    def in_turns(learner, family, n_tasks, seed):
        _ten_at_once(learner, family, n_tasks, seed, new_seed=lambda batch: batch % 2)

    def sound(learner, family, n_tasks, seed):
        _ten_at_once(learner, family, n_tasks, seed, new_seed=lambda batch: batch)

    for program, what, want in (
        (anew, "a program that repeats its first ten tasks", 10),
        (in_turns, "a program that repeats two batches of ten in turns", 20),
        (sound, "a sound program", 60),
    ):
        got = answer(program, _SharedPictures(), 60)
        if isinstance(got, bool | np.bool_):
            yield "this says whether all tasks differ: return how many different ones there are, a number"
        yield compare(
            got,
            want,
            name=f"the number for {what}",
            diagnoses=[
                (60, f"this counts the calls, and {what} does not make 60 tasks: keep each task only once"),
                (1, "you keep something that all tasks share, such as their labels or shapes"),
                (0, "your learner wrote nothing down: does the program get *your* learner?"),
                (
                    lambda got: np.ndim(got) == 0 and 1 < got <= 5,
                    "you look at the first image alone, and different tasks may share it: take all of `support.x`",
                ),
            ],
        )
