# %% [markdown]
# # MAML from zero
#
# On this page you train, in plain NumPy and in under a minute, a network that knows no sine at all but needs only **five points and one gradient step** to draw one. You will have written every line of it.
#
# > **Recall.** Notebook 04 built an engine whose pull-backs are written in the engine's own operations. What does that buy us?
# >
# > <details><summary>Answer</summary>
# >
# > A gradient is then an ordinary expression, so it can be differentiated again. This page needs exactly that: it differentiates *through* a gradient step.
# >
# > </details>

# %% [markdown]
# ## Before you start
#
# | | |
# | --- | --- |
# | **It gives you** | both loops by hand, and the table of the paper |
# | **You will be able to** | write both loops of MAML · explain which quantity each loop descends · check a meta-gradient by finite differences · run the same lines on many tasks at once with `vmap` · read the results table of the paper |
# | **You need** | [02](02_why_ordinary_learning_fails.ipynb) (a model is a function of its parameters) and [04](04_gradients_through_gradients.ipynb) (`grad` of a `grad`) |
# | **Time** | 40 minutes to read, 35 for the exercises, about 35 seconds to run |
# | **Skip it if** | you can say why $\theta$ may have a *high* loss before adaptation and still be the best place to start |

# %% tags=["setup"]
import time

import numpy as np

from mlcourse.lessons import checks, figures
from mlcourse import weights
from mlcourse.reference import adam, losses, maml, networks
from mlcourse.reference.autograd import grad, value_and_grad
from mlcourse.tasks import Examples, Sinusoids, each, five_points

network = networks.mlp((1, 40, 40, 1))
loss = losses.squared_error(network)
task, wave = five_points()

# %% [markdown]
# ## One step is a question, not an answer
#
# Give a network five points of a sine that it has never seen, and let it take one gradient step. The loss after that step says little about the five points. It says how good a *starting place* the parameters were.
#
# Here are two starting places, trained for you on the same sines with the same network. One had ordinary training, on all tasks at once: the pooled (or joint) training of notebook 02. The other comes from the method of this page.
#
# **Predict.** Before any step, both miss new sines by about the same amount: a mean squared error near 3. Can one of them still be better? Decide, then run.

# %%
starts = {
    "ordinary training": weights.load("sinusoid_pooled"),
    "MAML": weights.load("sinusoid_maml"),
}

def one_step(theta, support, inner_lr=0.01):
    gradient = grad(loss)(theta, *support)
    return {name: theta[name] - inner_lr * gradient[name] for name in theta}

new_tasks = Sinusoids(k_shot=5, n_query=50).sample(200, np.random.default_rng(7))
for name, theta in starts.items():
    before = [loss(theta, *new.query) for new in each(new_tasks)]
    after = [loss(one_step(theta, new.support), *new.query) for new in each(new_tasks)]
    print(f"{name:18} before {np.mean(before):.2f}   after one step {np.mean(after):.2f}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
measured = {}
for name, theta in starts.items():
    measured[name] = [
        np.mean([loss(theta, *new.query) for new in each(new_tasks)]),
        np.mean([loss(one_step(theta, new.support), *new.query) for new in each(new_tasks)]),
    ]
assert all(abs(before - 3) < 0.5 for before, _ in measured.values())
assert 1 - measured["MAML"][1] / measured["MAML"][0] > 0.78 and measured["ordinary training"][1] > 2.3
no_points = task.query.x[:, 0] < task.support.x.min()
missed = {name: network.apply(one_step(theta, task.support), task.query.x) - task.query.y for name, theta in starts.items()}
assert np.mean(missed["MAML"][no_points] ** 2) < 0.2 and np.mean(missed["ordinary training"][no_points] ** 2) > 2

# %% [markdown]
# **What you saw.** Same height, different slope. From the first place one step helps a little; from the second it removes four fifths of the error. What counts is not where you stand, but where one step takes you.
#
# Look at it on our five points:

# %% tags=["hide-input"]
for name, theta in starts.items():
    curves = {
        "before": network.apply(theta, task.query.x),
        "after": network.apply(one_step(theta, task.support), task.query.x),
    }
    figure = figures.fits(
        curves, grid=task.query.x, support=task.support, truth=task.query.y, title=f"start: {name}"
    )
    figures.show(figure, alt=f"Start {name}: the curve before and after one step on five points; the true sine in grey.")

# %% [markdown]
# Before the step both curves are waves, but of the wrong height and in the wrong place. After it, the second one follows the true sine, also on the left, where there are no points.
#
# And on five points of your own? Below, three networks adapt in your browser: the two from above, and one with random numbers. Press **Step** and watch MAML's curve. Then drag the points, or click where the nearest one should go.
#
# **Predict.** MAML's start has met nothing but waves. Press **A straight line**, give all three the rate 0.01, and take ten steps. Which of the three ends nearest to the five points?

# %%
from mlcourse.lessons.widgets import OwnWave

OwnWave()

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
own = OwnWave()
first = {name: (round(own.losses(0)[name], 2), round(own.losses(1)[name], 2)) for name in own.methods}
assert first["pooled"] == (2.14, 1.63) and first["maml"] == (2.15, 0.06)
line_preset = next(preset for preset in own.data["presets"] if preset["name"] == "A straight line")
own.points, own.wave, own.rates = line_preset["points"], [], {name: 0.01 for name in own.methods}
assert {name: round(value, 2) for name, value in own.losses(10).items()} == {"scratch": 0.03, "pooled": 0.64, "maml": 0.82}

# %% [markdown]
# **What you saw.** On the wave one step takes the loss on the five points from 2.15 to 0.06 for MAML, and from 2.14 to 1.63 for the pooled start. On the straight line the order is turned round: after ten steps the random start (*scratch*) is at 0.03, the pooled one at 0.64, MAML at 0.82. It draws a wave through points that lie on a line. What a start has learned about a family helps inside that family, and hinders outside it.
#
# How do you find such a place? You go downhill on the loss *after* the step. That sentence is MAML; the rest of this page spells it out.

# %% [markdown]
# ## The inner loop: adapt to one task
#
# You have a task $i$ with a support set. Starting from $\theta$, you take a few ordinary gradient steps on the support loss. Where you end is called $\varphi_i$, the *adapted* parameters. One step is
#
# $$\varphi_i = \theta - \alpha \, \nabla_\theta L(\theta, \text{support}_i)$$
#
# with the loss $L$ (here the mean squared error) and the inner learning rate $\alpha$, in code `inner_lr`. Several steps repeat the line from where the last one ended. Nothing here is new: it is the gradient descent that you know. The one thing to keep is that $\varphi_i$ is *computed from* $\theta$.

# %% [markdown]
# ### Exercise 5.1 ●●○○○ The inner loop
# *10 minutes. Why it matters: everything else in MAML happens around these lines.*
#
# Write `adapt`: start at `theta`, take `inner_steps` steps of gradient descent on the support set, return the result. `grad(loss)(phi, x, y)` is a dict of gradients with the keys of `phi`. Return new dicts; leave `theta` as it is.

# %% tags=["exercise"]
def adapt(loss, theta, support, inner_lr, inner_steps):
    """Return φ: theta after inner_steps gradient steps on support, with the same keys."""
    return ...

# %% tags=["check"]
checks.nb05.adapt(adapt)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# In which point do you take the second gradient: in `theta`, or where the first step ended?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Keep a dict `phi`, at first `theta`. In each round compute `gradient` at `phi`, then build the next `phi` with a comprehension over its keys.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def adapt(loss, theta, support, inner_lr, inner_steps):
#     phi = theta
#     for _ in range(inner_steps):
#         gradient = grad(loss)(phi, support.x, support.y)
#         phi = {name: phi[name] - inner_lr * gradient[name] for name in phi}
#     return phi
# ```
#
# Each round builds a new dict, so `theta` is untouched and every intermediate $\varphi$ remains an expression in $\theta$ that can be differentiated.
#
# </details>

# %% [markdown]
# ## The outer loop: where should one start?
#
# Now judge the adapted parameters on points that they were not fitted to, the query set. That loss, as a function of the *start*, is what we want small, on average over tasks:
#
# $$M(\theta) = \frac{1}{T} \sum_{i=1}^{T} L(\varphi_i, \text{query}_i), \qquad \varphi_i = \theta - \alpha \, \nabla_\theta L(\theta, \text{support}_i)$$
#
# $T$ is the number of tasks, and $M$ is the **meta-loss**. The outer loop is plain gradient descent on it:
#
# $$\theta \leftarrow \theta - \beta \, \nabla_\theta M(\theta)$$
#
# The outer rate $\beta$ is `meta_lr`. Look at the formulas again, and note what each loop may see: the inner loop sees the support sets, the outer loop is judged on the query sets. (The paper writes a sum over tasks; we use the mean, so that `meta_lr` does not depend on how many tasks a step sees.)

# %% tags=["setup"]
def my_adapt(loss, theta, support, inner_lr, inner_steps):
    phi = theta
    for _ in range(inner_steps):
        gradient = grad(loss)(phi, *support)
        phi = {name: phi[name] - inner_lr * gradient[name] for name in phi}
    return phi

def my_meta_loss(theta, tasks, inner_lr=0.01, inner_steps=1):
    query_losses = []
    for one_task in each(tasks):
        phi = my_adapt(loss, theta, one_task.support, inner_lr, inner_steps)
        query_losses.append(loss(phi, *one_task.query))
    return sum(query_losses) / len(query_losses)

# %% [markdown]
# Try your own `my_adapt` before you go on. (The sliders run your Python, so they need a kernel; the picture that is stored here answers the last of the three questions.)
#
# **Predict.** Is one step of 0.01 the same as ten steps of 0.001? And what does one step of 0.03 do, three times as long as the one that this start was trained for?

# %%
from mlcourse.lessons.widgets import experiment

def adapted(inner_lr=0.03, inner_steps=1):
    theta, x, y = starts["MAML"], task.query.x, task.query.y
    phi = my_adapt(loss, theta, task.support, inner_lr, inner_steps)
    curves = {"before": network.apply(theta, x), "after": network.apply(phi, x)}
    title = f"error on the whole wave: {loss(phi, x, y):.2f}"
    return figures.fits(curves, grid=x, support=task.support, truth=y, title=title)

experiment(
    adapted, inner_lr=(0.001, 0.05, 0.001), inner_steps=(0, 10),
    alt="MAML's curve on the five points before any step, and after {inner_steps} with inner_lr {inner_lr}.",
)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
def error_after(inner_lr, inner_steps):
    return float(loss(my_adapt(loss, starts["MAML"], task.support, inner_lr, inner_steps), *task.query))

found = [round(error_after(*how), 2) for how in ((0.01, 1), (0.001, 10), (0.03, 1))]
assert found == [0.1, 0.42, 3.02], found

# %% [markdown]
# **What you saw.** One step of 0.01 leaves an error of 0.10 on the whole wave, ten steps of 0.001 leave 0.42, and one step of 0.03 overshoots: 3.02. The start was made for steps of one length. (Without a kernel: in the widget above press *The course's wave*, tick *show the wave behind them*, set MAML's rate to 0.001, and take ten steps.)
#
# `my_meta_loss` is the whole objective. And since it is a function of `theta` made of differentiable pieces, its gradient is one more `grad`:

# %%
theta = network.init(np.random.default_rng(0))
tasks = Sinusoids(k_shot=10, n_query=10).sample(5, np.random.default_rng(1))

meta_gradient = grad(my_meta_loss)(theta, tasks)
{name: g.shape for name, g in meta_gradient.items()}

# %% [markdown]
# Inside, the engine walks back from the query losses to each $\varphi_i$, through the update line, *through the gradient in that line*, and to $\theta$. You wrote no second derivative; the engine of notebook 04 finds them.
#
# **Predict.** Is it right? Move one weight by a hair to either side, compute the meta-loss twice, and divide the difference by the distance. How many digits will agree: two, nine or ten, or all sixteen?

# %%
def nudged(theta, name, index, amount):
    changed = theta[name].copy()
    changed[index] += amount
    return {**theta, name: changed}

hair = 1e-5
up = my_meta_loss(nudged(theta, "w1", (3, 7), +hair), tasks)
down = my_meta_loss(nudged(theta, "w1", (3, 7), -hair), tasks)
print("by finite differences", (up - down) / (2 * hair))
print("by grad of grad      ", meta_gradient["w1"][3, 7])

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert np.isclose((up - down) / (2 * hair), meta_gradient["w1"][3, 7], rtol=3e-9)
assert meta_gradient["w1"][3, 7] != 0
theirs = maml.meta_gradient(loss, theta, tasks, inner_lr=0.01, inner_steps=1)
assert all(np.allclose(theirs[name], meta_gradient[name], rtol=1e-10, atol=1e-14) for name in theta)

# %% [markdown]
# **What you saw.** Nine digits or more: the rest is the error of the finite difference itself (notebook 04 showed why it cannot do much better). That is enough to tell a right gradient from a wrong one, and it is the test to write first whenever you build a method like this.
#
# The packaged version, `mlcourse.reference.maml`, is what you have just built, with `first_order` added for notebook 06. It agrees:

# %%
packaged = maml.meta_gradient(loss, theta, tasks, inner_lr=0.01, inner_steps=1)
max(np.abs(packaged[name] - meta_gradient[name]).max() for name in theta)

# %% [markdown]
# ### Exercise 5.2 ●●●○○ The meta-loss
# *10 minutes. Why it matters: one wrong word in this function makes another method of it.*
#
# Write `meta_loss` yourself, without scrolling up. `adapt(loss, theta, support, inner_lr, inner_steps)` is given. Return the mean over the tasks of the right loss.

# %% tags=["exercise"]
def meta_loss(loss, adapt, theta, tasks, inner_lr, inner_steps):
    """Return the meta-loss M(theta) of a batch of tasks, one number."""
    for one_task in each(tasks):
        ...
    return ...

# %% tags=["check"]
checks.nb05.meta_loss(meta_loss)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# Two parameters appear, $\theta$ and $\varphi_i$; two sets appear, support and query. Which goes with which?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Adapt on `one_task.support`, then evaluate `loss` at the adapted parameters on `one_task.query`. Collect, sum, divide by how many there are.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def meta_loss(loss, adapt, theta, tasks, inner_lr, inner_steps):
#     query_losses = []
#     for one_task in each(tasks):
#         phi = adapt(loss, theta, one_task.support, inner_lr, inner_steps)
#         query_losses.append(loss(phi, one_task.query.x, one_task.query.y))
#     return sum(query_losses) / len(query_losses)
# ```
#
# With the support set in the last line you would train a start that *memorises* well. With `theta` in place of `phi` you would do ordinary training.
#
# </details>

# %% [markdown]
# ## Watch both loops
#
# To see the two loops move, take a model with only two parameters, an amplitude $a$ and a phase $p$, so that the picture on the right is the real loss, not a sketch. Press **Inner step**: each task moves its own copy of $\theta$ to its $\varphi_i$. Press **Outer step**: $\theta$ itself moves. Go on to the end, then choose *Joint training* and compare: which of the two has the lower loss at $\theta$, and which after adapting?

# %%
from mlcourse.lessons.widgets import Stepper

Stepper(method="maml", inner_steps=1)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
watched = Stepper(method="maml", inner_steps=1).loops.runs
ends = {name: np.round(run.losses[-1], 2).tolist() for name, run in watched.items()}
assert ends["joint"] == [2.87, 1.59] and ends["maml"] == [3.41, 0.46]
assert np.round(watched["maml"].directions[-1], 2).tolist() == [[-0.10, -0.96], [-0.51, 1.00]]

# %% [markdown]
# At the end joint training has the lower loss at $\theta$: 2.87, against 3.41 for MAML. After one inner step the order is turned round: 1.59 against 0.46.
#
# Now read the panel *What is differentiated*. Choose MAML, restart, and press **Outer step**. The chain runs from $\theta$ to $\varphi$ to the query loss $L$. There are two ways back to $\theta$. The straight one goes through the copy: $\varphi$ starts at $\theta$, so it moves along. The detour goes through $\nabla$, the gradient inside the step: it, too, was taken at $\theta$, and changes when $\theta$ does. This is the $\alpha H$ of notebook 04. MAML adds both up.
#
# How much is the detour worth? Press **Outer step** until you are at the twelfth. The panel gives pairs, for $a$ and then for $p$. Look at the second numbers: through the copies the phase $p$ gets a slope of −0.96, through the inner gradients +1.00. Together that is almost nothing: MAML has found its phase. Forget the detour, and you see −0.96 and walk on. (Choose *First-order MAML* to see that done on purpose; notebook 06 is about it.)

# %% [markdown]
# ## Train it
#
# Everything is there. Draw five tasks, take the meta-gradient, let Adam take the outer step, repeat. This is NumPy, in float64, on one core, while you watch.
#
# **Predict.** We plot two query losses during training: at $\theta$, *before* any inner step, and at $\varphi_i$, *after* one. In the first meta-steps the two are nearly the same. Will both fall?

# %% tags=["nbval-ignore-output"]
rng = np.random.default_rng(0)
family = Sinusoids(k_shot=10, n_query=10)
theta = network.init(rng)
moments = adam.init(theta)
history = {"before": [], "after": []}
started = time.process_time()
for step in range(6000):
    tasks = family.sample(5, rng)
    value, gradient = maml.meta_loss_and_gradient(loss, theta, tasks, inner_lr=0.01, inner_steps=1)
    if step % 20 == 0:
        history["before"].append(maml.meta_loss(loss, theta, tasks, inner_lr=0.01, inner_steps=0))
        history["after"].append(value)
    theta, moments = adam.update(theta, gradient, moments, lr=3e-3)
print(f"6,000 meta-steps in {time.process_time() - started:.0f} s of processor time")

# %% tags=["hide-input"]
steps = 20 * np.arange(len(history["after"]))
figure = figures.learning_curves(
    {"before the step": (steps, history["before"]), "after one step": (steps, history["after"])}, smooth=15
)
figures.show(figure, alt="Two losses during meta-training: before adaptation it stays near 3, after one step it falls below 1.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
late = slice(-60, None)
assert abs(history["after"][0] / history["before"][0] - 1) < 0.3
assert abs(np.mean(history["before"][late]) - 3) < 0.6
assert np.mean(history["after"][late]) < 0.8

# %% [markdown]
# **What you saw.** Only the second one goes on falling. Nobody asked $\theta$ to be good; it was asked to *become* good in one step. Before adaptation its loss stays near 3, the floor that notebook 02 found for anything that never looks at a support set. If you had watched only that curve, you would have stopped the run.
#
# How good is it? Take six hundred sines that it has not met, five points each, the mean and its 95 % interval (notebook 03) after 1, 5 and 10 steps:

# %%
from mlcourse.evaluation import adaptation_curve
from mlcourse.reference.learners import GradientLearner

learner = GradientLearner(network, loss, theta, inner_lr=0.01, inner_steps=10)
test_family = Sinusoids(k_shot=5, n_query=100)
live = adaptation_curve(learner, test_family, n_tasks=600, rng=np.random.default_rng(42))
for step in (0, 1, 5, 10):
    print(f"after {step:2} steps: {live.at(step)}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert live.mean[1] < 1.2 and (np.diff(live.mean) < 0).all()
assert live.mean[0] - live.mean[1] > 2 * (live.mean[1] - live.mean[10])
assert live.mean[0] > 2.0

# %% [markdown]
# It was trained for *one* step, and yet goes on improving for ten, though most of the way is made in the first. On our five points:

# %% tags=["hide-input"]
batch = Examples(task.support.x[None], task.support.y[None])     # a batch of one task
predictions = learner.along(batch, task.query.x[None])[0]
curves = {"before": predictions[0], "1 step": predictions[1], "10 steps": predictions[10]}
figure = figures.fits(curves, grid=task.query.x, support=task.support, truth=task.query.y, title="your own MAML on the five points")
figures.show(figure, alt="The network trained on this page: far off before, near the true sine after one step; after ten it passes through all five points.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
at_the_points = learner.along(batch, task.support.x[None])[0] - task.support.y
on_the_wave = [float(np.mean((curve - task.query.y) ** 2)) for curve in predictions]
assert on_the_wave[0] > 1 and max(on_the_wave[1], on_the_wave[10]) < 0.35, on_the_wave
assert np.abs(at_the_points[10]).max() < 0.15 < np.abs(at_the_points[1]).max(), at_the_points[[1, 10], :, 0]

# %% [markdown]
# ## Many tasks at once: `vmap`
#
# The loop over tasks in `my_meta_loss` is honest and slow: the same operations, again and again, on small arrays. PyTorch has a function for this. `torch.vmap(f)` takes a function of *one* task and returns a function of a *batch* of tasks: every array gains an axis in front, and each operation runs once, for all tasks together. You do not rewrite `f`.
#
# So we keep the single-task function as it is. Only `grad` now comes from `torch.func`:

# %% tags=["setup"]
import torch
from mlcourse.fast import arrays, losses as fast_losses, networks as fast_networks

torch.set_num_threads(1)
fast_network = fast_networks.mlp((1, 40, 40, 1))
fast_loss = fast_losses.squared_error(fast_network)

def task_loss(theta, support, query, inner_lr=0.01):
    gradient = torch.func.grad(fast_loss)(theta, *support)
    phi = {name: theta[name] - inner_lr * gradient[name] for name in theta}
    return fast_loss(phi, *query)

def batched_meta_loss(theta, tasks):
    return torch.vmap(task_loss, in_dims=(None, 0, 0))(theta, *tasks).mean()

# %% [markdown]
# A batch of tasks unpacks into its support sets and its query sets, hence `*tasks`. `in_dims=(None, 0, 0)` says: share `theta`, and split the support and query sets along axis 0, the task axis that stands in front of every array of this course.
#
# **Predict.** Same tasks, same $\theta$, NumPy in a loop against torch all at once. Do the meta-gradients agree to two digits, to six, or to ten and more?

# %%
tasks = Sinusoids(k_shot=10, n_query=10).sample(25, np.random.default_rng(3))
numpy_gradient = maml.meta_gradient(loss, theta, tasks, inner_lr=0.01)
torch_gradient = torch.func.grad(batched_meta_loss)(arrays.tensors(theta), arrays.tensors(tasks))

for name, ours in numpy_gradient.items():
    difference = np.abs(torch_gradient[name].numpy() - ours).max()
    print(f"{name}: largest difference {difference:.1e}, largest entry {np.abs(ours).max():.2f}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
for name in theta:
    assert np.allclose(torch_gradient[name].numpy(), numpy_gradient[name], rtol=1e-9, atol=1e-11)

# %% [markdown]
# **What you saw.** They agree to ten digits and more: both compute in float64, and both compute the same thing. `mlcourse/fast/maml.py` is this code, and `mlcourse/reference/maml.py` is the one above. Open them side by side; every line has its partner.

# %% tags=["setup"]
def adapt_one(theta, support):
    gradient = torch.func.grad(fast_loss)(theta, *support)
    return {name: theta[name] - 0.01 * gradient[name] for name in theta}

# %% [markdown]
# ### Exercise 5.3 ●●●○○ One function, many tasks
# *10 minutes. Why it matters: this is how the same lines come to run on a GPU in notebook 09.*
#
# `adapt_one(theta, support)`, in the cell above, adapts to one task in torch. Write `adapt_all`, which returns the adapted parameters of a whole batch of support sets: a dict in which every array has the task axis in front. Use `torch.vmap`; no loop.

# %% tags=["exercise"]
def adapt_all(theta, supports):
    """Return φ of every task: supports.x is (T, S, 1); w0 of the result is (T, 1, 40)."""
    return ...

# %% tags=["check"]
checks.nb05.adapt_all(adapt_all)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# `vmap` makes a new function out of `adapt_one`. Which of its two arguments differ from task to task?
#
# </details>
# <details><summary>Hint 2</summary>
#
# `torch.vmap(adapt_one, in_dims=(…, …))`: `None` for what is shared, `0` for what is split along the first axis.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def adapt_all(theta, supports):
#     return torch.vmap(adapt_one, in_dims=(None, 0))(theta, supports)
# ```
#
# `supports` holds two tensors; the `0` counts for both. `theta` has no task axis, so it must not be split.
#
# </details>

# %% [markdown]
# ## The table of the paper
#
# Finn, Abbeel and Levine trained this network; their code takes 70,000 meta-steps of 25 tasks. With the torch twin compiled, `python -m mlcourse reproduce sinusoid` did that for three seeds, and tuned the rivals, in some four minutes on two cores. The same command makes the table below again.

# %%
from IPython.display import Markdown

from mlcourse.experiments import results

table = results.load("sinusoid")
Markdown(results.table(table))

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
ours = {row["method"]: row["values"] for row in table["rows"]}
for column, published in {"1 step": 0.67, "5 steps": 0.38, "10 steps": 0.35}.items():
    mean, half_width = ours["MAML"][column]
    assert mean - half_width <= published, (column, mean, half_width)
for column in ("1 step", "5 steps", "10 steps"):
    assert ours["pooled, fine-tuned"][column][0] > 2 and ours["from scratch"][column][0] > 2
assert round(ours["pooled, fine-tuned"]["tuned steps"][0], 1) == 1.9
assert table["details"]["sweeps"]["pooled, fine-tuned"]["chosen"]["tuned steps"]["inner_steps"] == 72
assert table["details"]["diverged"] == {"n_tasks": 12000, "above 50 after 10 steps": [0, 5, 5]}
assert 1.25 < live.mean[1] / ours["MAML"]["1 step"][0] < 1.75
assert 1.05 < live.mean[10] / ours["MAML"]["10 steps"][0] < 1.5
assert table["details"]["settings"]["meta_steps"] == 70_000 and table["details"]["settings"]["meta_batch_size"] == 25
assert 200 < table["wall_seconds"] < 280 and table["hardware"]["cores"] == 2 and len(table["seeds"]) == 3

# %% [markdown]
# Notebook 06 is about the rows *first-order MAML* and *Reptile*. The rows below them are the rivals: the pooled network, fine-tuned or as it is; a network trained on the five points alone; a linear fit on the last hidden layer of the pooled network; and the nearest support point.
#
# MAML's row reaches the published one: our intervals include the paper's figures or lie below them. Pooled pre-training and training from scratch, each with its rate tuned for each column, stay above 2 in all three. Tuning the number of steps, too, brings the pooled start to 1.9, with 72 of them.
#
# Your own run above had 6,000 steps of five tasks instead of 70,000 of twenty-five: 30,000 tasks in place of 1.75 million. Its error is larger, by about a half after one step and a quarter after ten, and it is yours.

# %% [markdown]
# ## What can go wrong
#
# **The gradient of the wrong order, which still trains.** Suppose that the inner gradient is copied out as plain numbers, which `.detach()`, `.data` or a forgotten `create_graph=True` do. Then $\varphi_i$ no longer knows that the gradient depended on $\theta$.
#
# **Predict.** Will the broken version crash, refuse to learn, or look fine?

# %% tags=["nbval-ignore-output"]
from mlcourse.reference.autograd import stop_gradient

def broken_meta_loss(theta, tasks, inner_lr=0.01):
    query_losses = []
    for one_task in each(tasks):
        gradient = grad(loss)(stop_gradient(theta), *one_task.support)   # history cut off
        phi = {name: theta[name] - inner_lr * gradient[name] for name in theta}
        query_losses.append(loss(phi, *one_task.query))
    return sum(query_losses) / len(query_losses)

rng, broken = np.random.default_rng(0), network.init(np.random.default_rng(0))
moments, broken_history = adam.init(broken), []
for step in range(1000):
    value, gradient = value_and_grad(broken_meta_loss)(broken, family.sample(5, rng))
    broken, moments = adam.update(broken, gradient, moments, lr=3e-3)
    broken_history.append(value)
print(f"mean loss of the first 100 steps {np.mean(broken_history[:100]):.2f}")
print(f"mean loss of the last 100 steps  {np.mean(broken_history[-100:]):.2f}")

# %%
tasks = family.sample(5, np.random.default_rng(1))
start = network.init(np.random.default_rng(0))
up = my_meta_loss(nudged(start, "w1", (3, 7), +hair), tasks)
down = my_meta_loss(nudged(start, "w1", (3, 7), -hair), tasks)
print("finite differences", (up - down) / (2 * hair))
print("right gradient    ", grad(my_meta_loss)(start, tasks)["w1"][3, 7])
print("broken gradient   ", grad(broken_meta_loss)(start, tasks)["w1"][3, 7])

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert np.mean(broken_history[-100:]) < 0.8 * np.mean(broken_history[:100])
right, wrong = grad(my_meta_loss)(start, tasks)["w1"][3, 7], grad(broken_meta_loss)(start, tasks)["w1"][3, 7]
assert np.isclose((up - down) / (2 * hair), right, rtol=1e-5) and abs(wrong - right) > 0.02 * abs(right)

# %% [markdown]
# **What you saw.** It looks fine: the loss falls. Only the finite differences give it away. What you have trained is *first-order MAML*, a method in its own right that notebook 06 compares with this one. It is a good method to choose and a bad one to get by accident. In a public MAML, readers found no `create_graph` and asked whether it was of first order (issues [32](https://github.com/dragen1860/MAML-Pytorch/issues/32) and [63](https://github.com/dragen1860/MAML-Pytorch/issues/63)).
#
# **Judging on the points that were fitted.** If the meta-loss uses the support set twice, the start learns to memorise its few points quickly, and the numbers look better than they are. Exercise 5.2 catches this one.

# %% [markdown]
# ### Exercise 5.4 ●●○○○ Which loss should you plot?
# *5 minutes. Why it matters: it decides whether you stop a good run.*
#
# You are shown four curves of a meta-training. More than one of them may fall. Which one tells you whether the method works? Answer with a letter: **a** the support loss at $\theta$; **b** the query loss at $\theta$; **c** the support loss at $\varphi_i$; **d** the query loss at $\varphi_i$.

# %% tags=["exercise"]
answer = ...

# %% tags=["check"]
checks.nb05.which_loss(answer)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# Which of the four is the meta-loss $M(\theta)$?
#
# </details>
# <details><summary>Hint 2</summary>
#
# It is judged after the inner step, on points that the inner step did not see.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# answer = "d"
# ```
#
# **a** and **b** say how good $\theta$ is as it stands, and the figure above shows **b** staying high in a run that works. **c** is the loss on the very points that were fitted.
#
# </details>

# %% [markdown]
# ## Quiz
#
# **1.** The inner loop takes one step in training. May you take ten at test time?
#
# <details><summary>Answer</summary>
#
# Yes, and the table shows that it helps: adapting is ordinary gradient descent. It is not guaranteed: nothing in training looked beyond the first step, and a rate that is safe once can overshoot when repeated. On 10 of 36,000 further tasks the runs behind the table had an error above 50 after ten steps.
#
# </details>
#
# **2.** You replace the mean over the tasks of a meta-step by their sum, and later double the number of tasks. What does each change do to the outer step of plain gradient descent?
#
# <details><summary>Answer</summary>
#
# With $T$ tasks, the sum makes the step $T$ times as long. Doubling $T$ makes it about twice as long again. With the mean, the second change leaves the length about as it was, so `meta_lr` keeps its meaning. (Adam, which divides by the size of recent gradients, hides the difference.)
#
# </details>
#
# **3.** Where does the second derivative enter, if no line of your code computes one?
#
# <details><summary>Answer</summary>
#
# In the pull-back of the inner gradient. $\varphi_i = \theta - \alpha \nabla L(\theta)$ gives $\partial \varphi_i / \partial \theta = I - \alpha \nabla^2 L(\theta)$: differentiating the update line differentiates the gradient in it.
#
# </details>

# %% [markdown]
# ## What you can do now
#
# - Write the inner and the outer loop, and say what each may look at.
# - Test a meta-gradient by finite differences before you trust a training curve.
# - Turn a single-task function into a batched one with `vmap`.
# - Say why the loss *before* adaptation is the wrong thing to watch.
#
# ## What comes next
#
# Differentiating through the inner step costs time and memory. [Notebook 06](06_first_order_and_reptile.ipynb) drops it in two ways, first-order MAML and Reptile, and asks when that is harmless.
#
# ## References
#
# - C. Finn, P. Abbeel, S. Levine, *Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks*, ICML 2017, [arXiv:1703.03400](https://arxiv.org/abs/1703.03400): the method, section 5.1 the setting, table 2 the figures.
# - D. P. Kingma, J. Ba, *Adam: A Method for Stochastic Optimization*, ICLR 2015, [arXiv:1412.6980](https://arxiv.org/abs/1412.6980): the outer loop's optimiser.
