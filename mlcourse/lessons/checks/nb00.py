"""Check of the trial exercise of notebook 00, start here."""

import numpy as np

from mlcourse.lessons.checks.compare import compare
from mlcourse.lessons.checks.verdict import exercise


@exercise("0.1", "The error of a guess", passed="This is the number that every curve in the course is judged by.")
def squared_error(answer):
    guess, truth = np.array([[1.0], [2.0], [4.0]]), np.array([[1.0], [4.0], [1.0]])  # differences 0, -2, 3
    yield compare(
        answer(guess, truth),
        13 / 3,
        name="the error",
        counts={"points": 3},
        diagnoses=[
            (1 / 3, "this is the mean of the differences, where misses above and below cancel: square each first"),
            (1 / 9, "you squared the mean; take the mean of the squares: subtract, square, then the mean"),
            (5 / 3, "this is the mean of the absolute differences: square them instead"),
            ((13 / 3) ** 0.5, "this is the root of the mean squared error: leave the root out"),
            ((guess - truth) ** 2, "these are the squared errors of the single points: take their mean"),
        ],
    )
    yield compare(answer(truth, truth), 0.0, name="the error of a perfect guess")
    two = np.array([[1.0], [4.0]])
    yield compare(answer(two, np.zeros((2, 1))), 17 / 2, name="the error of two guesses", counts={"points": 2})
