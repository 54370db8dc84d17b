# %% [markdown]
# # Clinic 09
#
# We made this report up. Its numbers were computed by the program below it.
#
# > **An invented report.** *A bold rate adapts better.*
# >
# > The shipped Reptile start is usually adapted with the rate 0.003. We tried 0.007, with ten steps in both cases. Now and then an adaptation with such a rate does not converge, which shows in the support loss; our program takes care of that. Each task is a sine with five support points and 50 queries.
# >
# > With 0.003 the mean squared error on new sines, by `evaluate`, is 0.64 ± 0.08. With 0.007, by our program, it is 0.44 ± 0.09. The ± is the 95 % interval over tasks. The bolder rate is better.

# %% [markdown]
# ## What you have to check it with
#
# The program. Both were asked for 300 tasks.

# %%
import numpy as np
from numpy.random import default_rng

from mlcourse import weights
from mlcourse.evaluation import evaluate
from mlcourse.reference import losses, networks
from mlcourse.reference.learners import GradientLearner
from mlcourse.tasks import Sinusoids, each

network = networks.mlp((1, 40, 40, 1))
loss = losses.squared_error(network)
start = weights.load("sinusoid_reptile")
sines = Sinusoids(k_shot=5, n_query=50)


def squared_error(predictions, y):
    return np.mean((predictions - y) ** 2)


def their_program(rate, n_tasks, seed):
    """Return the errors of ten steps with this rate on n_tasks sines."""
    learner, scores = GradientLearner(network, loss, start, inner_lr=rate, inner_steps=10), []
    with np.errstate(all="ignore"):
        for task in each(sines.sample(n_tasks, default_rng(seed))):
            on_support = squared_error(learner(task.support, task.support.x), task.support.y)
            if on_support < 0.01:  # converged
                scores.append(squared_error(learner(task.support, task.query.x), task.query.y))
    return np.array(scores)


def with_half(scores):
    return scores.mean(), 1.96 * scores.std(ddof=1) / np.sqrt(len(scores))


careful = evaluate(GradientLearner(network, loss, start, 0.003, 10), sines, n_tasks=300, rng=default_rng(0)).scores
bold = their_program(0.007, 300, seed=0)
print("rate 0.003: {:.2f} ± {:.2f}".format(*with_half(careful)))
print("rate 0.007: {:.2f} ± {:.2f}".format(*with_half(bold)))

# %% [markdown]
# ## The question (10 points)
#
# The report has one real flaw, which makes its conclusion worth less than it says. Reading is not enough: show it by a test.
#
# 1. Name the flaw in one sentence (3 points).
# 2. Write `exposes(program)`. It takes a program with the arguments of `their_program`. It returns `True` if the program has this flaw, and `False` if it has not. Both must be found by running or computing something (5 points).
# 3. Say in one sentence what may still be claimed (2 points).

# %% tags=["key"]
flaw = "Tasks on which the adaptation does not converge are left out of the mean, and these are the hard ones. A failed task is a wrong answer, not a missing one."
still = "On the tasks on which it converges, the bold rate does well. How many these are must be said."
points = {
    "says that failed tasks are left out of the mean": 3,
    "a test that counts the scores against the tasks asked for, and is False for a program that keeps all": 5,
    "what may still be claimed": 2,
}


def whole_program(rate, n_tasks, seed):
    learner = GradientLearner(network, loss, start, inner_lr=rate, inner_steps=10)
    with np.errstate(all="ignore"):
        tasks = each(sines.sample(n_tasks, default_rng(seed)))
        scores = np.array([squared_error(learner(task.support, task.query.x), task.query.y) for task in tasks])
    return np.where(np.isfinite(scores), scores, np.inf)


def exposes(program):
    return len(program(0.007, 300, seed=0)) < 300


flawed, sound = their_program, whole_program
stated = {f"{n:.2f}" for n in (*with_half(careful), *with_half(bold))} | {"0.003", "0.007", "50", "95"}
assert exposes(flawed) and not exposes(sound)
assert sum(with_half(bold)) < np.subtract(*with_half(careful))  # what the report sees
assert whole_program(0.007, 300, seed=0).mean() > careful.mean(), "with all tasks the bold rate is not better"
