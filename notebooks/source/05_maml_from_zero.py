# %% [markdown]
# # MAML from zero
#
# On this page you train a network in plain NumPy, in under a minute. Its start fits no sine. But **five points and one gradient step** turn it into a network that draws one. You write every line of it.
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
# | **You will be able to** | write both loops of MAML · explain which loss each loop makes smaller · check a meta-gradient by finite differences · run the same lines on many tasks at once with `vmap` · read the results table of the paper |
# | **You need** | [02](02_why_ordinary_learning_fails.ipynb) (a model is a function of its parameters) and [04](04_gradients_through_gradients.ipynb) (`grad` of a `grad`) |
# | **Time** | 40 minutes to read, 55 for the exercises, about 40 seconds to run |
# | **Skip it if** | you have written both loops of MAML before and tested their gradient by finite differences |

# %% tags=["setup"]
import time

import numpy as np

from mlcourse.lessons import checks, figures, palette
from mlcourse import weights
from mlcourse.reference import adam, autograd, losses, maml, networks
from mlcourse.reference.autograd import grad, stop_gradient
from mlcourse.tasks import Examples, Sinusoids, each, five_points

network = networks.mlp((1, 40, 40, 1))
loss = losses.squared_error(network)
task, wave = five_points()

# %% tags=["setup", "hide-input"] jupyter={"source_hidden": true}
def one_step(theta, support, inner_lr=0.01):
    gradient = grad(loss)(theta, *support)
    return {name: theta[name] - inner_lr * gradient[name] for name in theta}

# %% [markdown] slide=["Two starts, each with an error near 3", "Each takes one step on five points of a new sine.", "What part is lost: a twentieth, a sixth, a half, four fifths?"]
# ## What counts is the loss after the step
#
# Give a network five points of a sine that is new to it, and let it take one gradient step. Then measure its loss on new points of that sine. We use this loss to judge the *start*: how good were the parameters as a place to begin?
#
# Here are two starts. Both networks have the same size and were trained beforehand on the same kind of sines. One had **pooled training**, on all tasks at once, as in notebook 02. The other had the training of this page. The function `one_step` is folded above. In the first exercise you write it for any number of steps.
#
# **Predict.** Before any step, both starts have a mean squared error near 3 on new sines. Each then takes *one* gradient step on five points. What part of its error does each start lose: a twentieth, a sixth, a half, or four fifths?

# %%
starts = {"pooled": weights.load("sinusoid_pooled"), "MAML": weights.load("sinusoid_maml")}
new_tasks = Sinusoids(k_shot=5, n_query=50).sample(200, np.random.default_rng(7))
for name, start in starts.items():
    before = [loss(start, *new.query) for new in each(new_tasks)]
    after = [loss(one_step(start, new.support), *new.query) for new in each(new_tasks)]
    print(f"{name:6} before {np.mean(before):.2f}   after one step {np.mean(after):.2f}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
measured = {}
for name, start in starts.items():
    measured[name] = [
        np.mean([loss(start, *new.query) for new in each(new_tasks)]),
        np.mean([loss(one_step(start, new.support), *new.query) for new in each(new_tasks)]),
    ]
assert all(abs(before - 3) < 0.5 for before, _ in measured.values())
lost = {name: 1 - after / before for name, (before, after) in measured.items()}
assert abs(lost["MAML"] - 4 / 5) < 0.03 and abs(lost["pooled"] - 1 / 6) < 0.03, lost
no_points = task.query.x[:, 0] < task.support.x.min()
missed = {name: network.apply(one_step(start, task.support), task.query.x) - task.query.y for name, start in starts.items()}
assert np.mean(missed["MAML"][no_points] ** 2) < 0.2 and np.mean(missed["pooled"][no_points] ** 2) > 2

# %% tags=["hide-input"] slide=["Pooled: about a sixth. MAML: about four fifths"]
for name, start in starts.items():
    curves = {
        "before": network.apply(start, task.query.x),
        "after": network.apply(one_step(start, task.support), task.query.x),
    }
    figure = figures.fits(
        curves, grid=task.query.x, support=task.support, truth=task.query.y, title=f"start: {name}"
    )
    figures.show(figure, alt=f"Start {name}: the curve before and after one step on five points; the true sine in grey.")

# %% [markdown]
# **What you saw.** The pooled start loses about a sixth of its error, and MAML's start about four fifths. Both have the same loss before the step, but one step helps one of them much more. What counts is where one step takes you. The pictures show it on our five points. Before the step both curves are waves with the wrong height, in the wrong place. After the step, MAML's curve follows the true sine, even on the left, where there are no points.

# %% [markdown] slide=["Five points on a straight line", "MAML's start was trained on nothing but waves.", "Ten steps: is *scratch*, *pooled* or *MAML* nearest?"]
# ### With points of your own
#
# In the widget below three networks adapt in your browser: the two from above, and one with random numbers, called *scratch*. **Step** takes one gradient step with each. You can drag the points. When you have answered the question:
#
# 1. Press **A straight line**.
# 2. Set the learning rate of *scratch* to 0.01. It begins at 0.001. The other two have 0.01 already.
# 3. Take ten steps.
#
# **Predict.** MAML's start was trained on nothing but waves. After ten steps of 0.01, which of the three is nearest to the five points of the straight line?

# %% slide=["*Scratch* is nearest, MAML is last: try it"]
from mlcourse.lessons.widgets import OwnWave

OwnWave()

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
own = OwnWave()
assert own.rates == {"scratch": 0.001, "pooled": 0.01, "maml": 0.01}
first = {name: (round(own.losses(0)[name], 2), round(own.losses(1)[name], 2)) for name in own.methods}
assert first["pooled"] == (2.14, 1.63) and first["maml"] == (2.15, 0.06)
line_preset = next(preset for preset in own.data["presets"] if preset["name"] == "A straight line")
own.points, own.wave = line_preset["points"], []
assert round(own.losses(10)["scratch"], 2) == 2.22
own.rates = {name: 0.01 for name in own.methods}
assert {name: round(value, 2) for name, value in own.losses(0).items()} == {"scratch": 3.39, "pooled": 5.48, "maml": 5.45}
assert {name: round(value, 2) for name, value in own.losses(10).items()} == {"scratch": 0.03, "pooled": 0.64, "maml": 0.82}

# %% [markdown]
# **What you saw.** The random start is nearest, and MAML is last. Ten steps take the loss of *scratch* on the five points from 3.39 to 0.03. They take the pooled start from 5.48 to 0.64, and MAML from 5.45 to 0.82. If you saw 2.22 for *scratch*, its rate was still 0.001. MAML draws a wave through points that lie on a line. What a start has learned about a family helps inside that family, and hinders outside it. On the widget's first points, from a wave, one step takes MAML from 2.15 to 0.06, and the pooled start from 2.14 to 1.63.
#
# How do you find such a start? You go downhill on the loss *after* the step. That sentence is MAML.

# %% [markdown] slide=["The inner loop: adapt to one task", "$$\\varphi_i = \\theta - \\alpha \\, \\nabla_\\theta L(\\theta, \\text{support}_i)$$", "$\\varphi_i$ is *computed from* $\\theta$."]
# ## The inner loop: adapt to one task
#
# You have a task $i$ with a support set. Starting from $\theta$, you take a few ordinary gradient steps on the support loss. Where you end is called $\varphi_i$, the *adapted* parameters. One step is
#
# $$\varphi_i = \theta - \alpha \, \nabla_\theta L(\theta, \text{support}_i)$$
#
# with the loss $L$, here the mean squared error, and the inner learning rate $\alpha$, in code `inner_lr`. The next step begins where the last one ended. Keep one thing in mind: $\varphi_i$ is *computed from* $\theta$.

# %% [markdown] slide=["Take `inner_steps` gradient steps on the support set.", "Return new dicts, and leave `theta` as it is."]
# ### Exercise 5.1 ●●○○○ The inner loop
# *10 minutes. Why it matters: everything else in MAML happens around these lines.*
#
# Write `adapt`. Start at `theta`, take `inner_steps` steps of gradient descent on the support set, and return the result. `grad(loss)(phi, x, y)` is a dict of gradients with the keys of `phi`. Return new dicts, and leave `theta` as it is.

# %% tags=["exercise"]
def adapt(loss, theta, support, inner_lr, inner_steps):
    """Return φ: theta after inner_steps gradient steps on support, with the same keys."""
    return ...

# %% tags=["check"]
checks.nb05.adapt(adapt)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# At which parameters do you compute the second gradient: at `theta`, or where the first step ended?
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
# Each round builds a new dict. So `theta` is untouched, and every $\varphi$ on the way remains an expression in $\theta$ that can be differentiated.
#
# </details>

# %% [markdown]
# The course's version, `my_adapt`, is folded here, so that the page runs on.

# %% tags=["setup", "hide-input"] jupyter={"source_hidden": true}
def my_adapt(loss, theta, support, inner_lr, inner_steps):
    phi = theta
    for _ in range(inner_steps):
        gradient = grad(loss)(phi, *support)
        phi = {name: phi[name] - inner_lr * gradient[name] for name in phi}
    return phi

# %% [markdown] slide=["The outer loop: where to start?", "$$M(\\theta) = \\frac{1}{T} \\sum_{i=1}^{T} L(\\varphi_i, \\text{query}_i)$$", "Go downhill on the loss *after* the step."]
# ## The outer loop: where should one start?
#
# Now judge the adapted parameters on the query set, that is, on points they were not fitted to. This loss depends on the *start*. We want it small, on average over the tasks:
#
# $$M(\theta) = \frac{1}{T} \sum_{i=1}^{T} L(\varphi_i, \text{query}_i), \qquad \varphi_i = \theta - \alpha \, \nabla_\theta L(\theta, \text{support}_i)$$
#
# $T$ is the number of tasks, and $M$ is the **meta-loss**. The outer loop is plain gradient descent on it:
#
# $$\theta \leftarrow \theta - \beta \, \nabla_\theta M(\theta)$$
#
# The outer rate $\beta$ is `meta_lr`. The paper writes a sum over the tasks. We use the mean, so that `meta_lr` does not depend on how many tasks a step has. In the picture, follow the arrows of one task from left to right:

# %% tags=["hide-input"] slide=["Support sets inside, query sets outside"]
with figures.style():
    figure, axes = figures.canvas(height=2.5)
    axes.set(xlim=(-0.35, 4.55), ylim=(-1.4, 1.65))
    axes.set_axis_off()
    inner, outer = palette.OKABE_ITO["orange"], palette.OKABE_ITO["blue"]
    look = {"boxstyle": "round,pad=0.4", "facecolor": "white", "edgecolor": figures.QUIET}
    places = {"theta": (0, 0, "θ"), "meta": (4.2, 0, "M(θ)\nmean")}
    for i, y in ((1, 0.9), (2, -0.9)):
        places |= {
            f"support{i}": (1.05, y, f"support {i}\n−α ∇L(θ)"),
            f"phi{i}": (2.1, y, f"$φ_{i}$"),
            f"query{i}": (3.1, y, f"query {i}\nL($φ_{i}$)"),
        }
    drawn = {name: axes.text(x, y, words, ha="center", va="center", fontsize=9, bbox=look, zorder=3) for name, (x, y, words) in places.items()}
    figure.canvas.draw()  # the boxes know their size only now
    arrows = [(f"{a}{i}", f"{b}{i}", inner if b == "phi" else outer, 0) for i in (1, 2) for a, b in (("support", "phi"), ("phi", "query"))]
    arrows += [("theta", f"support{i}", inner, 0) for i in (1, 2)] + [("theta", "phi1", inner, 0.1), ("theta", "phi2", inner, -0.1)]
    arrows += [(f"query{i}", "meta", outer, 0) for i in (1, 2)]
    for start_box, end_box, colour, bend in arrows:
        axes.annotate("", places[end_box][:2], places[start_box][:2], arrowprops={
            "arrowstyle": "-|>", "color": colour, "linewidth": 1.4, "shrinkA": 1, "shrinkB": 1, "connectionstyle": f"arc3,rad={bend}",
            "patchA": drawn[start_box].get_bbox_patch(), "patchB": drawn[end_box].get_bbox_patch()})
    axes.annotate("", (0.14, 0), (3.9, 0), arrowprops={"arrowstyle": "-|>", "color": outer, "linewidth": 1.8, "linestyle": "--"})
    axes.text(1.05, 1.52, "inner loop: support sets", ha="center", va="center", fontsize=9, color=figures.readable(inner))
    axes.text(3.4, 1.52, "outer loop: query sets", ha="center", va="center", fontsize=9, color=figures.readable(outer))
    axes.text(2.55, 0.15, "θ moves against the slope of M", ha="center", va="center", fontsize=9, color=figures.readable(outer))
figures.show(figure, alt="Two tasks in two rows. The inner loop takes θ to φ of each task, by a copy of θ and by a gradient on the support set. Each φ has a loss on its query set. The mean of these losses is M of θ, and the outer loop goes back from M to θ.")

# %% [markdown]
# The inner loop uses only the support sets. The meta-loss is computed on the query sets. Two arrows lead from $\theta$ to each $\varphi_i$: $\varphi_i$ starts as a copy of $\theta$, and the gradient in the step is taken at $\theta$. The slope of $M$ comes back along both.

# %% [markdown]
# ### Exercise 5.2 ●●●○○ The meta-loss
# *10 minutes. Why it matters: one wrong name here, and you have a different method.*
#
# Write `meta_loss`. `adapt(loss, theta, support, inner_lr, inner_steps)` is given. `each(tasks)` yields the tasks one by one. A task has `.support` and `.query`, each with `.x` and `.y`. Return the mean over the tasks of the right loss.

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
# Two parameters appear, $\theta$ and $\varphi_i$. Two sets appear, support and query. Which goes with which?
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
# With the support set in the last line you would train a start that *memorises* well. With `theta` in place of `phi` you would do pooled training.
#
# </details>

# %% [markdown]
# The course's version, `my_meta_loss(theta, tasks)`, is folded here, so that the page runs on.

# %% tags=["setup", "hide-input"] jupyter={"source_hidden": true}
def my_meta_loss(theta, tasks, inner_lr=0.01, inner_steps=1):
    query_losses = []
    for one_task in each(tasks):
        phi = my_adapt(loss, theta, one_task.support, inner_lr, inner_steps)
        query_losses.append(loss(phi, *one_task.query))
    return sum(query_losses) / len(query_losses)

# %% [markdown]
# The meta-loss is the whole objective. It is differentiable in `theta`, so you get its gradient with one more `grad`:

# %%
random_start = network.init(np.random.default_rng(0))
five_tasks = Sinusoids(k_shot=10, n_query=10).sample(5, np.random.default_rng(1))

meta_gradient = grad(my_meta_loss)(random_start, five_tasks)
{name: g.shape for name, g in meta_gradient.items()}

# %% [markdown]
# You wrote no second derivative. The engine of notebook 04 finds them when it walks back through the gradient in the inner step. Is the result right? Test it as in notebook 04: move one weight a little to either side, compute the meta-loss twice, and divide the difference by the distance.

# %%
def nudged(theta, name, index, amount):
    changed = theta[name].copy()
    changed[index] += amount
    return {**theta, name: changed}

h = 1e-5
up = my_meta_loss(nudged(random_start, "w1", (3, 7), +h), five_tasks)
down = my_meta_loss(nudged(random_start, "w1", (3, 7), -h), five_tasks)
print("by finite differences", (up - down) / (2 * h))
print("by grad of grad      ", meta_gradient["w1"][3, 7])

# %% [markdown]
# The two agree to nine digits or more. The rest is the error of the finite difference itself. Write this test first whenever you build a method like this one.
#
# The packaged version, `mlcourse.reference.maml`, is what you have just built. It adds `first_order`, for notebook 06. Its gradient is the same:

# %%
packaged = maml.meta_gradient(loss, random_start, five_tasks, inner_lr=0.01, inner_steps=1)
max(np.abs(packaged[name] - meta_gradient[name]).max() for name in random_start)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert np.isclose((up - down) / (2 * h), meta_gradient["w1"][3, 7], rtol=3e-9)
assert meta_gradient["w1"][3, 7] != 0
assert all(np.allclose(packaged[name], meta_gradient[name], rtol=1e-10, atol=1e-14) for name in random_start)

# %% [markdown]
# ## Train it
#
# Draw five tasks, take the meta-gradient, let Adam take the outer step, repeat. In `moments` Adam keeps averages of past gradients. This is NumPy on one core. We keep two query losses: at $\theta$, *before* any inner step, and at $\varphi_i$, *after* one.

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

# %% tags=["hide-input"] slide=["Watch the loss after the step, not the one before"]
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

# %% [markdown] slide=["Trained for exactly one inner step", "Six hundred new sines, ten steps each.", "Do steps 2 to 10 make the error smaller, equal or larger?"]
# Only the loss after the step goes on falling, to below 1. The loss before it stays near 3. Notebook 02 showed that no model without a support set gets lower. If you had watched only the loss *before* the step, you would have stopped a good run.
#
# Now we take six hundred new sines, with five points each. We print the mean error and its 95 % interval, as in notebook 03, before any step and after 1, 5 and 10 steps.
#
# **Predict.** The start was trained for exactly *one* inner step. Do steps 2 to 10 make the error smaller, leave it as it is, or make it larger?

# %%
from mlcourse.evaluation import adaptation_curve
from mlcourse.reference.learners import GradientLearner

learner = GradientLearner(network, loss, theta, inner_lr=0.01, inner_steps=10)
test_family = Sinusoids(k_shot=5, n_query=100)
live = adaptation_curve(learner, test_family, n_tasks=600, rng=np.random.default_rng(42))
for step in (0, 1, 5, 10):
    print(f"after {step:2} steps: {live.at(step)}")

# %% tags=["hide-input"] slide=["Smaller. Most of the gain comes from the first step"]
batch = Examples(task.support.x[None], task.support.y[None])     # a batch of one task
predictions = learner.along(batch, task.query.x[None])[0]
curves = {"before": predictions[0], "1 step": predictions[1], "10 steps": predictions[10]}
figure = figures.fits(curves, grid=task.query.x, support=task.support, truth=task.query.y, title="your own MAML on the five points")
figures.show(figure, alt="The network trained on this page: far off before, near the true sine after one step; after ten it passes through all five points.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert live.mean[1] < 1.2 and (np.diff(live.mean) < 0).all()
assert live.mean[0] - live.mean[1] > 2 * (live.mean[1] - live.mean[10])
assert live.mean[0] > 2.0
at_the_points = learner.along(batch, task.support.x[None])[0] - task.support.y
on_the_wave = [float(np.mean((curve - task.query.y) ** 2)) for curve in predictions]
assert on_the_wave[0] > 1 and max(on_the_wave[1], on_the_wave[10]) < 0.35, on_the_wave
assert np.abs(at_the_points[10]).max() < 0.15 < np.abs(at_the_points[1]).max(), at_the_points[[1, 10], :, 0]

# %% [markdown]
# **What you saw.** Smaller: the error falls at every step up to ten. Most of the gain comes from the first step. In the picture, after ten steps the curve goes through all five points.
#
# What about the length of the steps? The sliders below move MAML's start from the first section with your choice of `inner_lr` and `inner_steps`. That start was trained for one step of 0.01.
#
# **Predict.** Do ten steps of 0.001 leave the same error as one step of 0.01? And what does one step of 0.03 do?

# %%
from mlcourse.lessons.widgets import experiment

def adapted(inner_lr=0.03, inner_steps=1):
    start, x, y = starts["MAML"], task.query.x, task.query.y
    phi = my_adapt(loss, start, task.support, inner_lr, inner_steps)
    curves = {"before": network.apply(start, x), "after": network.apply(phi, x)}
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
# **What you saw.** One step of 0.01 leaves an error of 0.10 on the whole wave, and ten steps of 0.001 leave 0.42. One step of 0.03 goes too far: 3.02. This start works best with steps of the length that it was trained for. Without a kernel the sliders do not move.

# %% [markdown] slide=["Train both from one random start", "Pooled: down the loss before the step. MAML: after it.", "At the end, how far is pooled ahead *before* the step?"]
# ## Train it in the page
#
# What does pooled training do with the same waves? Here your browser trains both methods from one random start: 20,000 meta-steps of five tasks each. It needs no kernel, and takes about 15 seconds on a laptop. When you have answered, press **Meta-train**. Both methods are judged on 200 other waves, with five support points each.
#
# **Predict.** Pooled training goes down the loss *before* the step. MAML goes down the loss *after* it. At the end, how far is pooled training ahead in the loss before the step: by a half, by a tenth, or by nothing? And when does MAML's loss after one step fall below 1.2: after a twelfth, a third, or two thirds of its training?

# %% slide=["By nothing: both end at about 3.0"]
from mlcourse.lessons.widgets import MetaTrain

MetaTrain()

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
in_page = MetaTrain()
assert (in_page.data["settings"]["meta_steps"], in_page.data["settings"]["meta_batch_size"]) == (20_000, 5)
assert in_page.data["settings"]["inner_lr"] == 0.01 and in_page.seed == 0
assert (in_page.data["judged"]["n_tasks"], in_page.data["judged"]["k_shot"]) == (200, 5)
assert in_page.losses(1)["maml"] == in_page.losses(1)["pooled"]  # one random start
assert abs(1600 / 20_000 - 1 / 12) < 0.01

# %% [markdown]
# **What you saw.** By nothing: before the step both end at about 3.0. After one step MAML has about 0.7, and pooled training about 2.7. MAML is below 1.2 after about 1,600 meta-steps, a twelfth of its training. On the five points, one step takes the error on the whole wave from about 2.0 to 0.1 for MAML, and from about 2.1 to 1.8 for pooled training.
#
# These numbers are from Chromium, with seed 0. Yours may differ a little. Try the other two seeds.

# %% [markdown]
# ## Watch both loops
#
# Take a model with only two parameters, an amplitude $a$ and a phase $p$. Then the picture on the right is the real loss, not a sketch. Press **Inner step**: each task moves its own copy of $\theta$ to its $\varphi_i$. Press **Outer step**: $\theta$ itself moves. Go on to the end. Then choose *Joint training*, another name for pooled training, and compare their losses at $\theta$ and after adapting. The numbers differ from those in notebook 01, because there each task took three inner steps.

# %% slide=["Both loops, on a model of two numbers"]
from mlcourse.lessons.widgets import Stepper

Stepper(method="maml", inner_steps=1)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
watched = Stepper(method="maml", inner_steps=1).loops.runs
ends = {name: np.round(run.losses[-1], 2).tolist() for name, run in watched.items()}
assert ends["joint"] == [2.87, 1.59] and ends["maml"] == [3.41, 0.46]
assert np.round(watched["maml"].directions[-1], 2).tolist() == [[-0.10, -0.96], [-0.51, 1.00]]

# %% [markdown]
# At the end pooled training has the lower loss at $\theta$: 2.87, against 3.41 for MAML. After one inner step the order is the other way round: 1.59 against 0.46.
#
# Now look at the panel *What is differentiated*. If you move $\theta$ a little, $\varphi$ moves in two ways. First, $\varphi$ starts at $\theta$, so it moves by the same amount. Second, the gradient in the step is taken at $\theta$, so it changes too. Let $H$ be the Hessian of the support loss at $\theta$. A small move $d$ of $\theta$ then moves $\varphi$ by $d - \alpha H d = (I - \alpha H)\, d$. So the meta-gradient of one task, after one step, is
#
# $$\nabla_\theta L(\varphi, \text{query}) = (I - \alpha H) \, \nabla L(\varphi, \text{query}).$$
#
# The factor $1 - \alpha L_s''$ of notebook 04 has become a matrix. $H$ is symmetric, so you need no transpose.
#
# How much is the second way worth? At the twelfth outer step of MAML, the panel gives the slope of the query loss along each way. For the phase $p$ the slope through the copy is −0.96, and through the gradient +1.00, as a mean over the three tasks. Their sum is almost zero: the phase of $\theta$ is where it should be. Without the second way the slope would be −0.96, and the phase would move on. *First-order MAML* leaves it out on purpose, as notebook 06 shows.

# %% [markdown]
# ## Many tasks at once: `vmap`
#
# The loop over tasks in `my_meta_loss` is easy to read, but slow: it repeats the same operations on small arrays. PyTorch has a function for this. `torch.vmap(f)` takes a function `f` of *one* task and returns a function of a *batch* of tasks. Every array gains an axis in front, and each operation runs once, for all tasks together.
#
# The argument `in_dims` has one entry for each argument of `f`. `None` means that all tasks share the argument. A number names the axis of the argument along which the tasks lie.
#
# So we keep the function of one task as it is. Only `grad` now comes from `torch.func`:

# %% tags=["setup"]
import torch
from mlcourse.fast import arrays, losses as fast_losses, networks as fast_networks

torch.set_num_threads(1)
fast_loss = fast_losses.squared_error(fast_networks.mlp((1, 40, 40, 1)))

def adapt_one(theta, support):
    gradient = torch.func.grad(fast_loss)(theta, *support)
    return {name: theta[name] - 0.01 * gradient[name] for name in theta}

# %% [markdown]
# ### Exercise 5.3 ●●○○○ One function, many tasks
# *10 minutes. Why it matters: this is how the same lines come to run on a GPU in notebook 09.*
#
# `adapt_one(theta, support)`, in the cell above, adapts to one task in torch. Write `adapt_all`, which returns the adapted parameters of a whole batch of support sets: a dict in which every array has the task axis in front. Use `torch.vmap`, and no loop.

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
# `supports` holds two tensors, and the `0` counts for both. `theta` has no task axis, so it must not be split.
#
# </details>

# %% [markdown]
# The meta-loss works the same way. It splits two arguments along the task axis, the support sets and the query sets. The course's version, `batched_meta_loss(theta, tasks)`, is folded here, so that the page runs on.

# %% tags=["setup", "hide-input"] jupyter={"source_hidden": true}
def task_loss(theta, support, query):
    return fast_loss(adapt_one(theta, support), *query)

def batched_meta_loss(theta, tasks):
    return torch.vmap(task_loss, in_dims=(None, 0, 0))(theta, *tasks).mean()    # a batch unpacks into supports and queries

# %% [markdown]
# Compare its gradient with that of the NumPy version:

# %%
many_tasks = Sinusoids(k_shot=10, n_query=10).sample(25, np.random.default_rng(3))
numpy_gradient = maml.meta_gradient(loss, theta, many_tasks, inner_lr=0.01)
torch_gradient = torch.func.grad(batched_meta_loss)(arrays.tensors(theta), arrays.tensors(many_tasks))
for name, ours in numpy_gradient.items():
    difference = np.abs(torch_gradient[name].numpy() - ours).max()
    print(f"{name}: largest difference {difference:.1e}, largest entry {np.abs(ours).max():.2f}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
for name in theta:
    largest = np.abs(numpy_gradient[name]).max()
    assert np.abs(torch_gradient[name].numpy() - numpy_gradient[name]).max() < 1e-10 * largest

# %% [markdown]
# The loop in NumPy and the batch in torch agree to ten digits and more. Both compute in float64. `mlcourse/fast/maml.py` is this code, and `mlcourse/reference/maml.py` is the one above.

# %% [markdown]
# ## The table of the paper
#
# Finn, Abbeel and Levine trained this network with 70,000 meta-steps of 25 tasks. The torch version, compiled, takes about four minutes on two cores to train all methods of the table below with three seeds. To make the table again, run `python -m mlcourse reproduce sinusoid`.

# %%
from IPython.display import Markdown

from mlcourse.experiments import results

table = results.load("sinusoid")
Markdown(results.table(table))

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
ours = {row["method"]: row["values"] for row in table["rows"]}
columns = ("1 step", "5 steps", "10 steps")
assert table["rows"][0]["method"] == "the exact answer" and all(ours["the exact answer"][column][0] == 0 for column in columns)
for column, published in {"1 step": 0.67, "5 steps": 0.38, "10 steps": 0.35}.items():
    assert ours["MAML"][column][0] < published, column
for column in columns:
    assert ours["pooled, fine-tuned"][column][0] > 2 and ours["from scratch"][column][0] > 4
after_ten = {name: round(ours[name]["10 steps"][0], 1) for name in ("MAML", "pooled, fine-tuned", "from scratch")}
assert after_ten == {"MAML": 0.3, "pooled, fine-tuned": 2.1, "from scratch": 4.2}, after_ten
assert round(ours["pooled, fine-tuned"]["tuned steps"][0], 1) == 1.9
assert table["details"]["sweeps"]["pooled, fine-tuned"]["chosen"]["tuned steps"]["inner_steps"] == 72
assert table["details"]["diverged"] == {"n_tasks": 12000, "above 50 after 10 steps": [0, 5, 5]}
assert 1.25 < live.mean[1] / ours["MAML"]["1 step"][0] < 1.75
assert 1.05 < live.mean[10] / ours["MAML"]["10 steps"][0] < 1.5
assert table["details"]["settings"]["meta_steps"] == 70_000 and table["details"]["settings"]["meta_batch_size"] == 25
assert 200 < table["wall_seconds"] < 280 and table["hardware"]["cores"] == 2 and len(table["seeds"]) == 3

# %% [markdown]
# Five exact points fix the wave, so the best possible error is zero: that is the row *the exact answer*. After ten steps MAML is 0.3 away from it, the fine-tuned pooled network 2.1, and a network trained from scratch on the five points 4.2.
#
# Our errors for MAML are as low as the paper's, or lower. *Pooled, fine-tuned* and *from scratch* have a rate tuned for each column. Their errors are above 2 after 1, 5 and 10 steps. With the number of steps tuned too, to 72, the pooled start reaches 1.9. *Linear probe* is a linear fit on the last hidden layer of the pooled network. Notebook 06 is about *first-order MAML* and *Reptile*.
#
# Your own run had 6,000 steps of five tasks: 30,000 tasks in place of 1.75 million. Its error is about 1.5 times as large after one step, and about 1.25 times after ten.

# %% [markdown]
# ## MAML as a learned prior
#
# Unless you know that the curve is a wave, five points say nothing about the part to their left. What MAML draws there comes from $\theta$. In statistics, what you assume before the data is called a **prior**. [Grant et al. (2018)](https://arxiv.org/abs/1801.08930) made this exact for a linear model. Before the data, assume that the parameters lie near $\theta$, with a normal distribution around it. Then take the most probable parameters, given the data. For a linear model a few gradient steps from $\theta$ give just these. With fewer or shorter steps the distribution is narrower. So MAML learns the prior from the tasks. This is called *hierarchical Bayes*. The section *Condition on five points* of [notebook 02](02_why_ordinary_learning_fails.ipynb) uses the true prior, so it has the exact answer. For a network the correspondence is only approximate.

# %% [markdown]
# ## What can go wrong
#
# **One word, and the gradient is wrong.** Here are two versions of the loss of one task after one step. They differ in one line. `stop_gradient(theta)` has the same numbers as `theta`, but no history: nothing flows back through it.

# %%
def version_a(theta, one_task, inner_lr=0.01):
    gradient = grad(loss)(theta, *one_task.support)
    phi = {name: theta[name] - inner_lr * gradient[name] for name in theta}
    return loss(phi, *one_task.query)

def version_b(theta, one_task, inner_lr=0.01):
    gradient = grad(loss)(stop_gradient(theta), *one_task.support)
    phi = {name: theta[name] - inner_lr * gradient[name] for name in theta}
    return loss(phi, *one_task.query)

for version in (version_a, version_b):
    print(np.mean([version(random_start, one_task) for one_task in each(five_tasks)]))

# %% [markdown] slide=["One word, and the gradient is wrong", "Two versions have the same loss, to the last digit.", "How far are their gradients apart: 0.1 %, 5 % or 45 %?"]
# The two losses agree to the last digit.
#
# **Predict.** Which version has the wrong gradient? And how large is the difference of the two gradients, compared with the length of the right one: 0.1 %, 5 %, or 45 %? Decide for the random start. Then decide whether it is more or less at MAML's trained start.

# %%
def in_one_row(gradient):
    return np.concatenate([part.ravel() for part in gradient.values()])

def mean_gradient(version, theta):
    return np.mean([in_one_row(grad(version)(theta, one_task)) for one_task in each(five_tasks)], axis=0)

for name, start in {"random start": random_start, "MAML's start": starts["MAML"]}.items():
    a, b = mean_gradient(version_a, start), mean_gradient(version_b, start)
    print(f"{name}: the difference is {np.linalg.norm(a - b) / np.linalg.norm(a):.0%} of the length of a")

cut = [grad(version_b)(random_start, one_task)["w1"][3, 7] for one_task in each(five_tasks)]
print("\nslope for w1[3, 7] by finite differences", (up - down) / (2 * h))
print("                   by version a         ", meta_gradient["w1"][3, 7])
print("                   by version b         ", np.mean(cut))

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
values = [np.mean([version(random_start, one_task) for one_task in each(five_tasks)]) for version in (version_a, version_b)]
assert values[0] == values[1]
off = {}
for name, start in {"random": random_start, "MAML": starts["MAML"]}.items():
    a, b = mean_gradient(version_a, start), mean_gradient(version_b, start)
    off[name] = np.linalg.norm(a - b) / np.linalg.norm(a)
assert round(off["random"], 2) == 0.45 and round(off["MAML"], 2) == 0.94, off
assert np.allclose(mean_gradient(version_a, random_start), in_one_row(meta_gradient), rtol=1e-9, atol=1e-12)
assert round((up - down) / (2 * h), 3) == round(meta_gradient["w1"][3, 7], 3) == -0.37 and round(np.mean(cut), 3) == -0.437

# %% [markdown] slide=["45 %, and 94 % at MAML's start", "You cannot find this mistake in the loss.", "Test a meta-gradient by finite differences first."]
# **What you saw.** Version b is wrong: by 45 % at the random start, and by 94 % at MAML's start. The finite difference gives −0.370 for one weight. Version a gives the same, version b −0.437. You cannot find this mistake in the values of the loss.
#
# In PyTorch `.detach()`, `.data` or a forgotten `create_graph=True` turn the inner gradient into plain numbers in the same way. Does such a version still train? The appendix [05b](05b_the_broken_gradient.ipynb) tries it.
#
# **Judging on the points that were fitted.** If the meta-loss uses the support set twice, the start learns to memorise its few points quickly, and the numbers look better than they are. Exercise 5.2 catches this mistake.

# %% [markdown]
# The last exercise needs the product of a Hessian with a vector, as in exercise 4.4:

# %% tags=["setup"]
def hessian_times(loss, params, v, examples):
    """H v as a dict: how the gradient at params changes along v."""
    def slope_along_v(p):
        gradient = grad(loss)(p, *examples)
        return sum(autograd.sum(gradient[name] * v[name]) for name in v)

    return grad(slope_along_v)(params)

# %% [markdown]
# ### Exercise 5.4 ●●●●○ The walk back by hand
# *25 minutes. Why it matters: here the second derivatives enter, and you see why more inner steps need more memory.*
#
# *Watch both loops* gave the meta-gradient after one inner step: $(I - \alpha H)\, \nabla L(\varphi, \text{query})$. Derive it for $k$ steps. The parameters on the way are $\varphi^{(0)} = \theta, \varphi^{(1)}, \dots, \varphi^{(k)} = \varphi$, and each step has a Hessian of its own. Then write `walked_back` for one task, without `grad` of a `grad`. You may use:
#
# - `grad(loss)(params, x, y)`, the gradient on some examples;
# - `hessian_times(loss, params, v, examples)`, which gives $Hv$ for the Hessian at `params`. `v` is a dict with the keys of `params`.

# %% tags=["exercise"]
def walked_back(loss, theta, task, inner_lr, inner_steps):
    """Return the gradient, with respect to theta, of the query loss after inner_steps steps."""
    return ...

# %% tags=["check"]
checks.nb05.walked_back(walked_back)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# Step $j$ takes $\varphi^{(j)}$ to $\varphi^{(j+1)}$ and multiplies a small move by $I - \alpha H^{(j)}$. The Hessian is taken where the step *begins*. A move of $\theta$ passes step 0 first. A gradient comes from the other end: which step does it meet first?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Walk forwards and keep every $\varphi^{(j)}$ in a list. Let `v` be the gradient of the query loss at the last one. Then walk back through the list, the last step first, and replace `v` by $v - \alpha H^{(j)} v$, with the Hessian of the *support* loss at $\varphi^{(j)}$.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def walked_back(loss, theta, task, inner_lr, inner_steps):
#     phis = [theta]
#     for _ in range(inner_steps):
#         gradient = grad(loss)(phis[-1], *task.support)
#         phis.append({name: phis[-1][name] - inner_lr * gradient[name] for name in theta})
#     v = grad(loss)(phis[-1], *task.query)
#     for phi in reversed(phis[:-1]):
#         bent = hessian_times(loss, phi, v, task.support)
#         v = {name: v[name] - inner_lr * bent[name] for name in v}
#     return v
# ```
#
# By the chain rule a move $d$ of $\theta$ moves $\varphi$ by $(I - \alpha H^{(k-1)}) \cdots (I - \alpha H^{(0)})\, d$. Each $H$ is symmetric, so the transpose only turns the order round:
#
# $$\nabla_\theta L(\varphi, \text{query}) = (I - \alpha H^{(0)}) \cdots (I - \alpha H^{(k-1)}) \, \nabla L(\varphi, \text{query}).$$
#
# The matrix next to the gradient belongs to the *last* step, so the walk needs the $\varphi^{(j)}$ in reverse order. That is why all of them must be kept.
#
# </details>

# %% [markdown]
# ## Quiz
#
# **1.** The inner loop takes one step in training. May you take ten at test time?
#
# <details><summary>Answer</summary>
#
# Yes, and the table shows that it helps: adapting is ordinary gradient descent. It is not guaranteed. Training looked at the first step only, and a rate that is safe once can go too far when repeated. We tried each of the three MAML networks of the table on 12,000 more waves. In 10 of these 36,000 cases the error was above 50 after ten steps.
#
# </details>
#
# **2.** You replace the mean over the tasks of a meta-step by their sum, and later double the number of tasks. What does each change do to the outer step of plain gradient descent?
#
# <details><summary>Answer</summary>
#
# With $T$ tasks, the sum makes the step $T$ times as long. Doubling $T$ makes it about twice as long again. With the mean, the second change leaves the length about as it was, so `meta_lr` keeps its meaning. Adam divides by the size of recent gradients, and so hides the difference.
#
# </details>
#
# **3.** You are given four curves of a meta-training: the support loss at $\theta$, the query loss at $\theta$, the support loss at $\varphi_i$, and the query loss at $\varphi_i$. Which one tells you whether the method works?
#
# <details><summary>Answer</summary>
#
# The last one: it is the meta-loss. The first two say how good $\theta$ is before the step, and in your run that loss stayed near 3. The third is the loss on the very points that were fitted.
#
# </details>

# %% [markdown]
# ## What you can do now
#
# - Write the inner and the outer loop, and say which set each of them uses.
# - Test a meta-gradient by finite differences before you trust a training curve.
# - Turn a function of one task into a function of a batch with `vmap`.
# - Say why the loss *before* adaptation is the wrong one to watch.
#
# ## What comes next
#
# Differentiating through the inner step costs time and memory. [Notebook 06](06_first_order_and_reptile.ipynb) leaves it out in two ways, first-order MAML and Reptile, and asks when that is harmless.
#
# ## References
#
# - C. Finn, P. Abbeel, S. Levine, *Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks*, ICML 2017, [arXiv:1703.03400](https://arxiv.org/abs/1703.03400): the method, section 5.1 the setting, table 2 the numbers.
# - E. Grant, C. Finn, S. Levine, T. Darrell, T. Griffiths, *Recasting Gradient-Based Meta-Learning as Hierarchical Bayes*, ICLR 2018, [arXiv:1801.08930](https://arxiv.org/abs/1801.08930): the start as a learned prior.
# - K. He, X. Zhang, S. Ren, J. Sun, *Delving Deep into Rectifiers*, ICCV 2015, [arXiv:1502.01852](https://arxiv.org/abs/1502.01852): a start in the note below the table.
# - D. P. Kingma, J. Ba, *Adam: A Method for Stochastic Optimization*, ICLR 2015, [arXiv:1412.6980](https://arxiv.org/abs/1412.6980): the outer loop's optimiser.
