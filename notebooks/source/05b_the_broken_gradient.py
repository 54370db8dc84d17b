# %% [markdown]
# # The broken gradient
#
# On this page you train one network with the right meta-gradient and one with a wrong meta-gradient, side by side, and see what the mistake costs.
#
# This page is an appendix to [notebook 05](05_maml_from_zero.ipynb).

# %% [markdown]
# ## Before you start
#
# | | |
# | --- | --- |
# | **It gives you** | a look at a training whose gradient is wrong |
# | **You will be able to** | say what a cut in the inner gradient does to a training · name the lines that cut it · catch it before you train |
# | **You need** | [05](05_maml_from_zero.ipynb) (both loops of MAML) |
# | **Time** | 10 minutes to read, 0 for the exercises, about 10 seconds to run |
# | **Skip it if** | you have trained first-order MAML and full MAML side by side |

# %% tags=["setup"]
import numpy as np

from mlcourse.lessons import figures
from mlcourse.reference import adam, losses, networks
from mlcourse.reference.autograd import grad, stop_gradient, value_and_grad
from mlcourse.tasks import Sinusoids, each

network = networks.mlp((1, 40, 40, 1))
loss = losses.squared_error(network)
family = Sinusoids(k_shot=10, n_query=10)

# %% [markdown]
# ## One line apart
#
# Both functions below compute the meta-loss: one inner step on the support set of each task, then the mean loss on the query sets. In the second function the inner gradient is computed from a copy of `theta` without history. In PyTorch `.detach()`, `.data` or a forgotten `create_graph=True` have the same effect.

# %%
def right_meta_loss(theta, tasks, inner_lr=0.01):
    query_losses = []
    for one_task in each(tasks):
        gradient = grad(loss)(theta, *one_task.support)
        phi = {name: theta[name] - inner_lr * gradient[name] for name in theta}
        query_losses.append(loss(phi, *one_task.query))
    return sum(query_losses) / len(query_losses)

def broken_meta_loss(theta, tasks, inner_lr=0.01):
    query_losses = []
    for one_task in each(tasks):
        gradient = grad(loss)(stop_gradient(theta), *one_task.support)   # the history is cut off
        phi = {name: theta[name] - inner_lr * gradient[name] for name in theta}
        query_losses.append(loss(phi, *one_task.query))
    return sum(query_losses) / len(query_losses)

# %% [markdown]
# Notebook 05 measured the two gradients. At a random start their difference is 45 % of the length of the right one. Now train with each for 1,000 meta-steps, from the same start and on the same tasks.
#
# **Predict.** Will the training with the wrong gradient crash, refuse to learn, or look fine?

# %% tags=["nbval-ignore-output"]
def trained(meta_loss, meta_steps=1000):
    rng, theta = np.random.default_rng(0), network.init(np.random.default_rng(0))
    moments, history = adam.init(theta), []
    for _ in range(meta_steps):
        value, gradient = value_and_grad(meta_loss)(theta, family.sample(5, rng))
        theta, moments = adam.update(theta, gradient, moments, lr=3e-3)
        history.append(value)
    return theta, np.array(history)

runs = {"right": trained(right_meta_loss), "broken": trained(broken_meta_loss)}
for name, (_, history) in runs.items():
    first, last = history[:100].mean(), history[-100:].mean()
    print(f"{name:6} mean loss of the first 100 steps {first:.2f}, of the last 100 steps {last:.2f}")

# %% tags=["hide-input"]
figure = figures.learning_curves({name: (np.arange(len(history)), history) for name, (_, history) in runs.items()}, smooth=50)
figures.show(figure, alt="The meta-loss of two trainings over 1,000 meta-steps, one with the right and one with the broken gradient. Both curves fall.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
first, last = ({name: history[part].mean() for name, (_, history) in runs.items()} for part in (slice(100), slice(-100, None)))
assert abs(first["right"] - 3.1) < 0.2 and abs(first["broken"] - 3.1) < 0.2, first
assert 0.55 < last["broken"] / first["broken"] < 0.75 and last["right"] / first["right"] < 0.55, last
assert last["broken"] > 1.3 * last["right"], last

# %% [markdown]
# **What you saw.** It looks fine: the loss falls by about a third. If you had only this run, you would call it a success. The right gradient more than halves the loss in the same 1,000 steps.
#
# ## How wrong is the direction?
#
# Take five fixed tasks and compare the two gradients there: at the random start, and at the place that the right training has reached.

# %%
def in_one_row(gradient):
    return np.concatenate([part.ravel() for part in gradient.values()])

five_tasks = family.sample(5, np.random.default_rng(1))
places = {"random start": network.init(np.random.default_rng(0)), "after 1,000 right steps": runs["right"][0]}
cosines = {}
for name, theta in places.items():
    a, b = (in_one_row(grad(f)(theta, five_tasks)) for f in (right_meta_loss, broken_meta_loss))
    cosines[name] = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    off = np.linalg.norm(a - b) / np.linalg.norm(a)
    print(f"{name}: cosine {cosines[name]:.2f}, the difference is {off:.0%} of the right gradient's length")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert abs(cosines["random start"] - 0.94) < 0.01 and abs(cosines["after 1,000 right steps"] - 0.5) < 0.2, cosines

# %% [markdown]
# At the random start the two gradients point almost the same way, with a cosine of 0.94. That is why the loss falls at first. Later they differ more: the cosine is about a half. The broken gradient still points downhill here, but no longer along the steepest way.
#
# What the broken version trains has a name. It is *first-order MAML*, and [notebook 06](06_first_order_and_reptile.ipynb) compares it with MAML over a whole training. It is a good method to choose, and a bad one to get by accident.
#
# ## How to catch it
#
# Compare one entry of the meta-gradient with a finite difference of the meta-loss, as in notebook 05. Do it before you train. The value of the loss cannot show the mistake, because both functions return the same value.
#
# It happens in public code. Readers of one PyTorch code for MAML found no `create_graph` and asked whether it was first order: issues [32](https://github.com/dragen1860/MAML-Pytorch/issues/32) and [63](https://github.com/dragen1860/MAML-Pytorch/issues/63).
#
# ## References
#
# - C. Finn, P. Abbeel, S. Levine, *Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks*, ICML 2017, [arXiv:1703.03400](https://arxiv.org/abs/1703.03400): section 5.2 tries the first-order version.
