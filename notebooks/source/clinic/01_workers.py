# %% [markdown]
# # Clinic 01
#
# We made this report up. Its numbers were computed by the program below it.
#
# > **An invented report.** *One step is enough.*
# >
# > We take the trained start of notebook 00 and let it adapt to new sines with one gradient step at the rate 0.01. Each sine gives five support points and 50 queries. To be quick, eight workers share 800 tasks, 100 each. The seed is fixed, so that our result can be repeated.
# >
# > Over the 800 tasks the mean squared error is 0.56 ± 0.06, the 95 % interval over tasks. So we know the error to within a tenth.

# %% [markdown]
# ## What you have to check it with
#
# The program, with all that it used.

# %%
import numpy as np
from numpy.random import default_rng

from mlcourse import weights
from mlcourse.reference import losses, networks
from mlcourse.reference.learners import GradientLearner
from mlcourse.tasks import Sinusoids, each

network = networks.mlp((1, 40, 40, 1))
loss = losses.squared_error(network)
sines = Sinusoids(k_shot=5, n_query=50)
one_step = GradientLearner(network, loss, weights.load("sinusoid_maml"), inner_lr=0.01, inner_steps=1)


def by_workers(learner, n_tasks, seed):
    """Return the squared errors of a learner on n_tasks tasks: (n_tasks,)."""
    scores = []
    for _worker in range(8):
        rng = default_rng(seed)
        for task in each(sines.sample(n_tasks // 8, rng)):
            scores.append(np.mean((learner(task.support, task.query.x) - task.query.y) ** 2))
    return np.array(scores)


def half_width(scores):
    return 1.96 * scores.std(ddof=1) / np.sqrt(len(scores))


scores = by_workers(one_step, 800, seed=5)
print(f"{scores.mean():.2f} ± {half_width(scores):.2f} over {len(scores)} tasks")

# %% [markdown]
# ## The question (10 points)
#
# The report has one real flaw, which makes its conclusion worth less than it says. Reading is not enough: show it by a test.
#
# 1. Name the flaw in one sentence (3 points).
# 2. Write `exposes(program)`. It takes a program with the arguments of `by_workers`, which scores learners on sines. It returns `True` if the program has this flaw, and `False` if it has not. Both must be found by running or computing something (5 points).
# 3. Say in one sentence what may still be claimed (2 points).

# %% tags=["key"]
flaw = "All workers draw the same 100 tasks, because each starts from the same seed: the interval counts each task eight times."
still = "The mean is an honest one over 100 tasks, with an interval that is √8 times as wide."
points = {
    "says that the tasks repeat, or that the 800 scores are not independent": 3,
    "a test that counts different tasks, by a learner that keeps what it is given, and is False for a sound program": 5,
    "what may still be claimed: 100 tasks, with the wider interval": 2,
}


def by_one_generator(learner, n_tasks, seed):
    rng, scores = default_rng(seed), []
    for _worker in range(8):
        for task in each(sines.sample(n_tasks // 8, rng)):
            scores.append(np.mean((learner(task.support, task.query.x) - task.query.y) ** 2))
    return np.array(scores)


def exposes(program):
    seen = set()

    def spy(support, query_x):
        seen.add(support.x.tobytes())
        return np.zeros_like(query_x)

    program(spy, 80, 0)
    return len(seen) < 80


flawed, sound = by_workers, by_one_generator
stated = {
    f"{scores.mean():.2f}",
    f"{half_width(scores):.2f}",
    str(len(scores)),
    "100",
    "0.01",
    "50",
    "00",
    "95",
}
assert exposes(flawed) and not exposes(sound)
honest = half_width(scores[:100])
assert np.isclose(honest / half_width(scores), np.sqrt(8), rtol=0.01) and half_width(scores) < 0.1 < honest
