# %% [markdown]
# # Clinic 03
#
# We made this report up. Its numbers were computed by the program below it.
#
# > **An invented report.** *A learner that needs no examples.*
# >
# > Can a model know new letters without a support set? We draw tasks of five letters, four queries of each, from scripts that were not used in training. On 300 tasks of the meta-train scripts we fit a straight line from the amount of ink in a query, the sum of its pixels, to the number of its class, 0 to 4. At test time the line is applied to one query at a time and the result is rounded. The support set is not used.
# >
# > On 300 test tasks the line is right in 32.8 ± 1.3 % of the queries, the 95 % interval over tasks; chance is 20 %. Nearest class mean, which has one example of each class, reaches 42.7 ± 1.3 %. So new letters can be recognised, to some degree, without any example of them.

# %% [markdown]
# ## What you have to check it with
#
# The program that draws the tasks, the line, and nearest class mean.

# %%
import numpy as np
from numpy.random import default_rng

from mlcourse import baselines
from mlcourse.tasks import Examples, Task, glyphs

letters = glyphs.splits()
class_mean = baselines.nearest_class_mean()


def draw_task(part, rng):
    """Draw five letters, with one support image and four queries each."""
    chosen = rng.choice(len(part), size=5, replace=False)
    chosen = chosen[np.argsort(part.images[chosen].mean(axis=(1, 2, 3)))]  # the catalogue's order
    drawn = np.stack([part.images[letter, rng.permutation(20)[:5]] for letter in chosen])[:, :, None] / 255
    queries = Examples(drawn[:, 1:].reshape(20, 1, 28, 28), np.repeat(np.arange(5), 4))
    return Task(Examples(drawn[:, 0], np.arange(5)), queries)


def draw_tasks(part, n_tasks, seed):
    rng = default_rng(seed)
    return [draw_task(part, rng) for _ in range(n_tasks)]


def ink(x):
    return np.asarray(x).sum(axis=(1, 2, 3))


train, test = draw_tasks(letters.train, 300, 1), draw_tasks(letters.test, 300, 2)
slope, middle = np.polyfit(
    np.concatenate([ink(task.query.x) for task in train]), np.concatenate([task.query.y for task in train]), 1
)


def by_ink(support, query_x):
    """Return a label for each query; the support set is not used."""
    return np.clip(np.round(slope * ink(query_x) + middle), 0, 4).astype(int)


def by_class_mean(support, query_x):
    return class_mean(support, query_x).argmax(axis=1)


def accuracies(learner, tasks):
    return np.array([np.mean(learner(task.support, task.query.x) == task.query.y) for task in tasks])


def with_half(scores):
    return 100 * scores.mean(), 196 * scores.std(ddof=1) / np.sqrt(len(scores))


line, rule = with_half(accuracies(by_ink, test)), with_half(accuracies(by_class_mean, test))
print("amount of ink {:.1f} ± {:.1f} %".format(*line))
print("class mean    {:.1f} ± {:.1f} %".format(*rule))

# %% [markdown]
# ## The question (10 points)
#
# The report has one real flaw, which makes its conclusion worth less than it says. Reading is not enough: show it by a test.
#
# 1. Name the flaw in one sentence (3 points).
# 2. Write `exposes(learner)`. It takes a learner, which returns one label for each query, and may use the test tasks above. It returns `True` if the learner's score has this flaw, and `False` if it has not. Both must be found by running or computing something (5 points).
# 3. Say in one sentence what may still be claimed (2 points).

# %% tags=["key"]
flaw = "The program numbers the classes of a task by their ink, so the number of a class tells what its queries look like. In use, classes have names in no order."
still = "Ink tells where a letter stands in a row that was sorted by ink. Nothing was recognised."
points = {
    "says that the numbers of the classes hold information, through the order in which they are drawn": 3,
    "a test that renames the classes, in support and query alike, and is False for nearest class mean": 5,
    "what may still be claimed": 2,
}


def renamed(task, names):
    return Task(*(Examples(part.x, names[part.y]) for part in task))


def exposes(learner):
    rng = default_rng(0)
    others = [renamed(task, rng.permutation(5)) for task in test]
    return bool(accuracies(learner, test).mean() - accuracies(learner, others).mean() > 0.01)


flawed, sound = by_ink, by_class_mean
stated = {f"{n:.1f}" for n in (*line, *rule)} | {"0", "4", "300", "95", "20"}
assert exposes(flawed) and not exposes(sound)
assert line[0] > 20 + 5 * line[1]
