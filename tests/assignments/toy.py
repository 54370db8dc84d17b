# %% [markdown]
# # Toy set
# A problem set as small as one can be: what the tests of the grader grade.

# %% tags=["yours"]
STUDENT = ""

# %% tags=["setup"]
import numpy as np

from mlcourse.assignments import item, own
from mlcourse.lessons.checks.compare import compare


def draw(rng):
    return rng.normal(size=3)


x = draw(own("toy/mine", STUDENT))


# %% tags=["answer"] item="double"
def double(a):
    """Twice an array."""
    ### BEGIN SOLUTION
    return 2 * a
    ### END SOLUTION


# %% tags=["test"] item="double" points=10
@item("double", "double")
def _(double):
    yield compare(double(np.array([1.0, 2.0])), np.array([2.0, 4.0]), name="the double")


### BEGIN HIDDEN TESTS
@item("double", "double", hidden=True)
def _(double, rng):
    a = 731.931 + rng.normal(size=4)
    yield compare(double(a), 2 * a, name="the double", diagnoses=[(a**2, "this is the square")])


### END HIDDEN TESTS

# %% tags=["answer"] item="mine"
### BEGIN SOLUTION
mine = float(x.sum())
### END SOLUTION


# %% tags=["test"] item="mine" points=5
# `mine` is the sum of your own three numbers.
### BEGIN HIDDEN TESTS
@item("mine", "mine", hidden=True)
def _(mine, rng):
    yield compare(mine, draw(own("toy/mine")).sum(), rtol=1e-6)


### END HIDDEN TESTS


# %% tags=["answer"] item="next"
def next_one(a):
    ### BEGIN SOLUTION
    return a + 1
    ### END SOLUTION


# %% tags=["test"] item="next" points=5
@item("next", "next_one", hidden=False)
def _(next_one):
    yield compare(next_one(1), 2)


### BEGIN HIDDEN TESTS
@item("next", "next_one", hidden=True)
def _(next_one, rng):
    a = rng.normal()
    yield compare(next_one(a), a + 1)


### END HIDDEN TESTS

# %% [markdown]
# Say why.

# %% [markdown] tags=["manual"] item="why" points=10
# Because.
#
# === BEGIN MARK SCHEME ===
# 10 for any reason.
# === END MARK SCHEME ===
