# %% [markdown]
# # Time to deploy
#
# This appendix of notebook 03 measures how many seconds pass from a new support set to the first prediction, and shows two ways to get a wrong number.

# %% [markdown]
# ## Before you start
#
# | | |
# | --- | --- |
# | **It gives you** | adaptation speed in steps and in seconds, and the time to deploy |
# | **You need** | [03](03_measuring_adaptation.ipynb) (adaptation curves) |
# | **Time** | 10 minutes to read, 0 for the exercises, about 5 seconds to run |

# %%
import time

import numpy as np
from numpy.random import default_rng

from mlcourse import baselines, weights
from mlcourse.lessons import figures
from mlcourse.reference import losses, networks
from mlcourse.reference.learners import GradientLearner
from mlcourse.tasks import Sinusoids, each

network = networks.mlp((1, 40, 40, 1))
loss = losses.squared_error(network)
sines = Sinusoids(k_shot=5, n_query=50)
starts = {  # as in notebook 03: parameters and inner_lr
    "scratch": (network.init(default_rng(0)), 0.003),
    "pooled": (weights.load("sinusoid_pooled"), 0.003),
    "MAML": (weights.load("sinusoid_maml"), 0.01),
}
learners = {
    name: GradientLearner(network, loss, start, inner_lr=rate, inner_steps=10)
    for name, (start, rate) in starts.items()
}

# %% [markdown]
# ## Two numbers, two questions
#
# - **Adaptation speed**: how many inner steps, and how many seconds, until the mean score is as good as a target.
# - **Time to deploy**: how many seconds from receiving a support set to the first prediction, with the steps that the learner takes.
#
# The first number is a property of the *start*. The second is a property of the method, the network and the computer. Training the start is in neither: it happens once, before the task arrives.

# %% tags=["nbval-ignore-output"]
from mlcourse.evaluation import adaptation_speed, time_to_deploy

def milliseconds(seconds):
    return "–" if seconds is None else f"{1000 * seconds:.2f} ms"

rows = []
for name, learner in learners.items():
    speed = adaptation_speed(learner, sines, target=1.0, n_tasks=200, rng=default_rng(42))
    deployed = time_to_deploy(learner, sines, rng=default_rng(42))
    rows.append([name, str(speed.steps), milliseconds(speed.seconds), milliseconds(deployed.seconds)])

columns = ["start", "steps to error 1.0", "time for these", "time to deploy, 10 steps"]
figures.table(rows, "Measured when this page was built", columns=columns)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
speeds = {name: adaptation_speed(learner, sines, target=1.0, n_tasks=100, rng=default_rng(42)) for name, learner in learners.items()}
assert speeds["MAML"].steps == 1 and speeds["scratch"].steps is None and speeds["pooled"].steps is None
assert deployed.seconds < 0.1, deployed

# %% [markdown]
# `None` and the dash stand for "not within the 10 steps". The three times to deploy are for equal work, so they differ only through chance and other programs. On a network this small ten steps take one or two milliseconds.

# %% [markdown]
# ## Where the time goes
#
# **Predict.** MAML's learner takes 0, 1, 10 or 100 steps. With ten times as many steps, is the time to deploy ten times as long? And is ridge regression on fixed random features, the rival of notebook 03, faster or slower than one gradient step?

# %% tags=["nbval-ignore-output"]
def random_features(x):
    random_params = starts["scratch"][0]
    h = np.maximum(x @ random_params["w0"] + random_params["b0"], 0)
    return np.maximum(h @ random_params["w1"] + random_params["b1"], 0)

start, rate = starts["MAML"]
timed = {
    f"steps: {k}": GradientLearner(network, loss, start, inner_lr=rate, inner_steps=k) for k in (0, 1, 10, 100)
}
timed["ridge regression"] = baselines.linear_probe(1e-2, random_features)
rounds = [
    {name: time_to_deploy(learner, sines, rng=default_rng(42), repeats=20).seconds for name, learner in timed.items()}
    for _ in range(5)                         # they take turns: a slow moment of the computer hits all alike
]
seconds = {name: min(taken[name] for taken in rounds) for name in timed}
figures.table([[name, milliseconds(taken)] for name, taken in seconds.items()], "Time to deploy: the best of five medians of 20 tasks", columns=["learner", "time"])

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert 5 < seconds["steps: 100"] / seconds["steps: 10"] < 20, seconds
assert seconds["steps: 0"] < seconds["steps: 1"] < seconds["steps: 10"], seconds
assert seconds["ridge regression"] < seconds["steps: 1"], seconds

# %% [markdown]
# **What you saw.** From 10 to 100 steps the time grows roughly in proportion, because each step costs the same. Where MAML needs one step and another start needs many, MAML saves most of the time. Ridge regression is faster than one gradient step: it takes one forward pass and solves one small system of equations.

# %% [markdown]
# ## Two ways to get a wrong number
#
# **The first call.** The first task may pay for things that happen once: loading, compiling, filling caches. `time_to_deploy` reports the first call separately, as `first_seconds`, and the median of the others as `seconds`. For a service that answers many tasks the median counts. For a program that is started for each task the first call counts.
#
# **A mean in place of a median.** One interruption by another program makes a mean much larger. Here one of 20 calls waits for a tenth of a second:

# %% tags=["nbval-ignore-output"]
taken = []
for i, task in enumerate(each(sines.sample(20, default_rng(0)))):
    started = time.perf_counter()
    learners["MAML"](task.support, task.query.x[:1])
    if i == 7:
        time.sleep(0.1)  # another program
    taken.append(time.perf_counter() - started)
print("mean  ", milliseconds(np.mean(taken)))
print("median", milliseconds(np.median(taken)))

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert np.mean(taken) > np.median(taken) + 0.0045, taken

# %% [markdown]
# The mean counts the interruption, the median does not. If rare slow answers are the problem, report the time that 95 % of the answers stay below as well.
