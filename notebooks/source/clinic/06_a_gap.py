# %% [markdown]
# # Clinic 06
#
# We made this report up. Its numbers were computed by the program below it.
#
# > **An invented report.** *An embedding that does not overfit.*
# >
# > We learn a linear embedding of pixels from 150 letters of the meta-train scripts: ridge regression from the pixels to the 150 names. It has 784 × 150 numbers, so one might fear that it learns its letters by heart. We measure the task generalisation gap with nearest class mean in this space, one support image of each class. On tasks of the meta-train letters, 20 classes each, it is right in 54.6 % of the queries. On tasks of new scripts, with five classes each as in the test of notebook 08, in 61.1 %.
# >
# > Both are means over 300 tasks. The gap is −6.5 ± 1.7 points, with its 95 % interval over tasks. It is negative, so the embedding has not overfitted at all.

# %% [markdown]
# ## What you have to check it with
#
# The program. `generalisation_gap` is that of notebook 03.

# %%
import numpy as np
from numpy.random import default_rng

from mlcourse import baselines
from mlcourse.evaluation import generalisation_gap
from mlcourse.tasks import glyphs
from mlcourse.tasks.images import Episodes

letters = glyphs.splits()
practised = letters.train.take(np.arange(150))
pixels = practised.images.reshape(150 * 20, 784) / 255
pixels = pixels - pixels.mean(axis=0)
names = np.repeat(np.eye(150), 20, axis=0) - 1 / 150
weights = np.linalg.solve(pixels.T @ pixels + 100 * np.eye(784), pixels.T @ names)  # (784, 150)


def embedded(x):
    return np.asarray(x, dtype=float).reshape(len(x), -1) @ weights


learner = baselines.nearest_class_mean(embedded)


def their_gap(train, test):
    """Return the gap of the learner between two sets of images, a `Gap` with mean and half_width."""
    on_train = Episodes(train, n_way=20, k_shot=1, n_query=2)
    on_test = Episodes(test, n_way=5, k_shot=1, n_query=5)
    return generalisation_gap(learner, on_train, on_test, n_tasks=300, rng=default_rng(0))


gap = their_gap(practised, letters.test)
print("meta-train", gap.train)
print("meta-test ", gap.test)
print(f"gap {100 * gap.mean:.1f} ± {100 * gap.half_width:.1f} points")

# %% [markdown]
# ## The question (10 points)
#
# The report has one real flaw, which makes its conclusion worth less than it says. Reading is not enough: show it by a test.
#
# 1. Name the flaw in one sentence (3 points).
# 2. Write `exposes(program)`. It takes a program that returns the gap of the learner between two sets of images, as `their_gap` does. It returns `True` if the program has this flaw, and `False` if it has not. Both must be found by running or computing something (5 points).
# 3. Say in one sentence what may still be claimed (2 points).

# %% tags=["key"]
flaw = "The two sides of the gap are tasks of different difficulty, 20 classes against five. The gap mixes overfitting with the number of classes."
still = "Each of the two scores, with its number of classes. Their difference says nothing about overfitting."
points = {
    "says that the number of classes differs between the two sides": 3,
    "a test with a known answer, such as the same images on both sides, where the gap must be about zero": 5,
    "what may still be claimed": 2,
}


def equal_gap(train, test):
    sides = (Episodes(part, n_way=5, k_shot=1, n_query=5) for part in (train, test))
    return generalisation_gap(learner, *sides, n_tasks=300, rng=default_rng(0))


def exposes(program):
    same = program(letters.test, letters.test)  # nothing to generalise over: the gap should be zero
    return bool(abs(same.mean) > 2 * same.half_width)


flawed, sound = their_gap, equal_gap
stated = {f"{100 * n:.1f}" for n in (gap.train.mean, gap.test.mean, gap.half_width)} | {f"−{-100 * gap.mean:.1f}"}
stated |= {"150", "784", "20", "300", "95", "08"}
assert exposes(flawed) and not exposes(sound)
honest = equal_gap(practised, letters.test)
assert gap.mean + gap.half_width < 0 < honest.mean - honest.half_width, (gap.mean, honest.mean)
