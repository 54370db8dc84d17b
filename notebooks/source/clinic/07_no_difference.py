# %% [markdown]
# # Clinic 07
#
# We made this report up. Its numbers were computed by the program below it.
#
# > **An invented report.** *The width of the blur does not matter.*
# >
# > Blurring the pixels helps nearest class mean. How wide should the blur be? We compare widths of 2 and 2.5 pixels on 100 five-way tasks of unseen scripts, five support images and five queries of each class, the same tasks for both. Width 2 has 85.6 ± 1.9 %, width 2.5 83.6 ± 2.1 %. The ± is the 95 % interval over tasks.
# >
# > The two intervals overlap. So the two widths do not differ, and the width need not be tuned.

# %% [markdown]
# ## What you have to check it with
#
# The raw numbers: `wide` and `narrow` hold 100 accuracies each, task by task.

# %%
import numpy as np
from numpy.random import default_rng

from mlcourse import baselines
from mlcourse.evaluation import evaluate
from mlcourse.tasks import glyphs
from mlcourse.tasks.images import Episodes

test = Episodes(glyphs.splits().test, n_way=5, k_shot=5, n_query=5)


def blurred(width):
    apart = np.arange(28)[:, None] - np.arange(28)
    weights = np.exp(-0.5 * (apart / width) ** 2)
    weights = weights / weights.sum(axis=1).max()
    return lambda x: (weights @ np.asarray(x, dtype=float).reshape(len(x), 28, 28) @ weights).reshape(len(x), -1)


def scores(width):
    learner = baselines.nearest_class_mean(blurred(width))
    return evaluate(learner, test, n_tasks=100, rng=default_rng(0)).scores


def with_half(scores):
    return 100 * scores.mean(), 196 * scores.std(ddof=1) / np.sqrt(len(scores))


narrow, wide = scores(2), scores(2.5)
for width, found in {2: narrow, 2.5: wide}.items():
    print("width {}: {:.1f} ± {:.1f} %".format(width, *with_half(found)))

# %% [markdown]
# ## The question (10 points)
#
# The report has one real flaw, which makes its conclusion worth less than it says. Reading is not enough: show it by a test.
#
# 1. Name the flaw in one sentence (3 points).
# 2. Write `exposes(scores)`. It takes a pair of arrays, the scores of two learners on the same tasks, of which a report says that they do not differ. It returns `True` if this conclusion has this flaw, and `False` if it has not. Both must be found by running or computing something (5 points).
# 3. Say in one sentence what may still be claimed (2 points).

# %% tags=["key"]
flaw = "Both widths met the same tasks, so the *differences* task by task should be given an interval. It is much narrower, and does not contain zero. That two intervals overlap does not show that there is no difference."
still = (
    "Each score with its interval. And: width 2 is better than width 2.5 on these tasks, by the paired interval."
)
points = {
    "says that the comparison should be paired, or that overlapping intervals prove nothing": 3,
    "a test by the interval of the differences, which is False for two learners without a difference": 5,
    "what may still be claimed": 2,
}


def exposes(scores):
    middle, half = with_half(scores[0] - scores[1])
    return bool(abs(middle) > half)


rng = default_rng(1)
alike = narrow[rng.permutation(100)]  # the same scores on other tasks: no difference in the mean
flawed, sound = (narrow, wide), (narrow, alike)
stated = {f"{n:.1f}" for n in (*with_half(narrow), *with_half(wide))} | {"2", "2.5", "100", "95"}
(low, low_half), (high, high_half) = sorted([with_half(narrow), with_half(wide)])
assert low + low_half > high - high_half, "the intervals do overlap"
assert exposes(flawed) and not exposes(sound)
