# %% [markdown]
# # A clinic on darker ink
#
# You get a short report with one real flaw. You find it with a test that you write yourself, and you never have to guess.

# %% [markdown]
# ## Before you start
#
# | | |
# | --- | --- |
# | **It gives you** | a test that shows what a program really gives to a learner |
# | **You will be able to** | check a reported score with a learner of your own |
# | **You need** | [03](03_measuring_adaptation.ipynb) (learners as functions, the 95 % interval) |
# | **Time** | 5 minutes to read, 12 for the exercises, about 5 seconds to run |
# | **Skip it if** | you have sent a learner of your own through a scoring program to see what it gets |

# %% tags=["setup"]
import numpy as np
from numpy.random import default_rng

from mlcourse import baselines
from mlcourse.evaluation import evaluate
from mlcourse.lessons import checks
from mlcourse.tasks import each, glyphs
from mlcourse.tasks.images import Episodes

# %% [markdown]
# ## The report
#
# Reports like this one are plausible, and most are written in good faith. We made this one up. All its numbers were computed by the program below it.
#
# > **An invented report.** *Darker ink helps nearest neighbour.*
# >
# > We compare letters by their pixels and take the label of the nearest support image. Before comparing, we raise each pixel value to the power 1.25. Values lie between 0 and 1, so full ink stays as it is and grey edges become fainter. The change costs nothing and has no parameters that need training.
# >
# > We score on 5-way 1-shot tasks of scripts that no method has met, with five queries of each class. Queries are judged one by one. We use 600 tasks, drawn in batches of 20 so that memory stays small. The random numbers have a fixed seed, so everyone can repeat our result.
# >
# > | | accuracy, 600 tasks |
# > | --- | --- |
# > | pixels as they are (notebook 03) | 43.3 ± 0.9 % |
# > | pixels to the power 1.25 | 47.0 ± 1.1 % |
# >
# > The ± is the 95 % interval over tasks. The intervals are far apart. We conclude that darker ink improves nearest neighbour by almost four points.

# %% [markdown]
# ## What you have to check it with
#
# The program of the report, as its authors ran it. The first row of the table is the score of notebook 03. It is right.

# %% tags=["setup"]
def darker(x):
    return np.asarray(x, dtype=float).reshape(len(x), -1) ** 1.25

def their_program(learner, family, n_tasks, seed):
    """Return the accuracies of a learner on n_tasks tasks: (n_tasks,)."""
    scores = []
    for _ in range(n_tasks // 20):                       # batches of 20 tasks
        rng = default_rng(seed)
        for task in each(family.sample(20, rng)):
            predictions = learner(task.support, task.query.x)
            scores.append(np.mean(predictions == task.query.y))
    return np.array(scores)

unseen = Episodes(glyphs.splits().test, n_way=5, k_shot=1, n_query=5)
learner = baselines.nearest_neighbour(darker)

# %%
def half_width(scores):
    return 1.96 * scores.std(ddof=1) / np.sqrt(len(scores))

before = evaluate(baselines.nearest_neighbour(), unseen, n_tasks=600, rng=default_rng(0))
theirs = their_program(learner, unseen, n_tasks=600, seed=1)
print(f"pixels as they are        {before.mean:.1%} ± {before.half_width:.1%}")
print(f"pixels to the power 1.25  {theirs.mean():.1%} ± {half_width(theirs):.1%}, {len(theirs)} scores")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert (round(100 * before.mean, 1), round(100 * before.half_width, 1)) == (43.3, 0.9)
assert (round(100 * theirs.mean(), 1), round(100 * half_width(theirs), 1), len(theirs)) == (47.0, 1.1, 600)
assert 3.5 < 100 * (theirs.mean() - before.mean) < 4

# %% [markdown]
# The program runs, and prints what the report says. You may find the flaw by reading its lines. But a program is often longer than this one, so find it by a test. Which promise of the report can be tested without looking inside?

# %% [markdown]
# ### Exercise 3.5 ●●●○○ What does the learner get?
# *12 minutes. Why it matters: an interval over tasks counts on one thing, and a program can break it without an error.*
#
# The interval divides by the square root of the number of tasks. So it needs that many *different* tasks. Write `different_tasks(program, family, n_tasks)`. It runs `program(learner, family, n_tasks, seed)`, with any seed, on a learner that **you** write, and returns how many different tasks this learner was given. Two tasks are the same if their support images `support.x` are all the same. The learner must return one label, a whole number, for each query.

# %% tags=["exercise"]
def different_tasks(program, family, n_tasks):
    """Return how many different tasks the program gives to a learner."""
    return ...

# %% tags=["check"]
checks.nb03.different_tasks(different_tasks)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# A learner is a function of the support set and the query inputs. Nothing forbids it to write down what it was given.
#
# </details>
# <details><summary>Hint 2</summary>
#
# A set keeps each thing once. Arrays cannot be put into a set, but `support.x.tobytes()` can. The predictions may be all zero: `np.zeros(len(query_x), dtype=int)`.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def different_tasks(program, family, n_tasks):
#     seen = set()
#     def spy(support, query_x):
#         seen.add(support.x.tobytes())
#         return np.zeros(len(query_x), dtype=int)
#     program(spy, family, n_tasks, 0)
#     return len(seen)
# ```
#
# Counting different *scores* is not enough: with 25 queries an accuracy has only 26 values, so different tasks often have the same one.
#
# </details>

# %% [markdown]
# ## What the test says
#
# The course's version is folded here. It tests their program, and the same program with one line moved.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
def repaired_program(learner, family, n_tasks, seed):
    scores, rng = [], default_rng(seed)                  # once, before the loop
    for _ in range(n_tasks // 20):
        for task in each(family.sample(20, rng)):
            predictions = learner(task.support, task.query.x)
            scores.append(np.mean(predictions == task.query.y))
    return np.array(scores)

def count_different(program):
    seen = set()

    def spy(support, query_x):
        seen.add(support.x.tobytes())
        return np.zeros(len(query_x), dtype=int)

    program(spy, unseen, 600, 1)
    return len(seen)

found = {program.__name__: count_different(program) for program in (their_program, repaired_program)}
repaired = repaired_program(learner, unseen, n_tasks=600, seed=1)
for name, number in found.items():
    print(f"{name:17} {number} different tasks of 600")
print(f"their 20 tasks, counted once {theirs[:20].mean():.1%} ± {half_width(theirs[:20]):.1%}")
print(f"600 different tasks          {repaired.mean():.1%} ± {half_width(repaired):.1%}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert found == {"their_program": 20, "repaired_program": 600}
assert 5 < half_width(theirs[:20]) / half_width(theirs) < 6
assert round(100 * half_width(theirs[:20])) == 6
assert repaired.mean() + half_width(repaired) < before.mean, (repaired.mean(), before.mean)
assert abs(100 * (before.mean - repaired.mean()) - 1.5) < 0.3

# %% [markdown]
# The generator is made anew for each batch, with the same seed. So the same 20 tasks come 30 times. The ± of the report is too small by a factor of more than 5; with the 20 tasks counted once it is about ± 6. On 600 different tasks darker ink is about one and a half points *worse* than the pixels as they are.
#
# What may still be claimed? The tasks were unseen and the queries were judged one by one, so 47.0 % is an honest mean of 20 tasks. It says little. [Notebook 04](04_gradients_through_gradients.ipynb) goes on with the course.
