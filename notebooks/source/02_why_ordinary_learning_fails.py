# %% [markdown]
# # Why ordinary learning fails
#
# On this page you train one small network in the three ordinary ways: from scratch, on all tasks at once, and by fine-tuning. You watch each of them miss new sines, with mean squared errors of about **4, 3 and 2.5** when each is at its best. And you write down, on one line and without any network, the curve that the second one must end at. The same network *can* get below **1** from the same five points, in a single step. Only the place where it starts has to be another one.
#
# > **Recall.** Notebook 01: a task comes with a support set and a query set. Which of the two may a learner learn from, and what is the other one for?
# >
# > <details><summary>Answer</summary>
# >
# > It learns from the support set. The query set holds other examples of the same task, and the learner is judged on those. An error on points that were just fitted would say nothing about the rest of the curve.
# >
# > </details>

# %% [markdown]
# ## Before you start
#
# | | |
# | --- | --- |
# | **It gives you** | scratch, pooled, transfer: the average that fits nobody |
# | **You will be able to** | write a model as a function of its parameters · compute what pooled training converges to · tune a baseline's rate without cheating · say what each of the three ordinary ways lacks |
# | **You need** | [01](01_what_is_a_task.ipynb) (task, support, query) and a little NumPy |
# | **Time** | 40 minutes to read, 30 for the exercises, about 20 seconds to run |
# | **Skip it if** | you can say which function minimises $\mathbb{E}\,(f(x) - y)^2$, and why that ends the case for pooled training |

# %% tags=["setup"]
import numpy as np
from numpy.random import default_rng

from mlcourse.lessons import checks, figures
from mlcourse import weights
from mlcourse.reference import adam, losses, networks
from mlcourse.reference.autograd import grad, mean
from mlcourse.tasks import Examples, Sinusoids, each, five_points

task, wave = five_points()

# %% [markdown]
# ## Five points of one wave
#
# The same task goes with you through the first seven notebooks. Five points are the support set. The grey wave, on a grid of 201 points, is the query set.

# %% tags=["hide-input"]
figure = figures.fits({}, grid=task.query.x, support=task.support, truth=task.query.y, title="five points, one wave")
figures.show(figure, alt="Five dots, from a little left of the middle to the right, and the grey sine wave of height 3 that they were taken from.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert -1 < task.support.x.min() < 0 and task.support.x.max() > 4 and wave.amplitude[0] == 3

# %% [markdown]
# If you know that this is a sine, you can finish the curve from the dots: five points settle its height and its shift. Can a network?

# %% [markdown]
# ## A model is a function of its parameters
#
# In PyTorch you write `model(x)`, and the numbers that training changes are hidden inside `model`. For this course they come out into the open. A model is a function of *two* things, an input $x$ and its parameters $\theta$:
#
# $$\hat y = f(x;\ \theta)$$
#
# In code: `apply(params, x)`. The parameters are a plain dict, from names to arrays. Here is the smallest useful model, a straight line, and two sets of parameters for it.

# %%
def apply_line(params, x):
    return x @ params["w"] + params["b"]     # (n, 1) @ (1, 1) + (1,)

theta = {"w": np.array([[0.5]]), "b": np.array([1.0])}
phi = {"w": np.array([[-0.8]]), "b": np.array([2.0])}

# %% tags=["hide-input"]
lines = {"with θ": apply_line(theta, task.query.x), "with φ": apply_line(phi, task.query.x)}
figure = figures.fits(lines, grid=task.query.x, support=task.support, title="one function, two dicts, two lines")
figures.show(figure, alt="Two straight lines over the five points: one rises, one falls. They come from the same function with two dicts of parameters.")

# %% [markdown]
# There is one `apply_line` and there are two lines, because a line is what you get from the function *and* a dict. This small habit pays three times:
#
# - You can hold many sets of parameters at once: one start $\theta$, and one $\varphi_i$ for each task.
# - A training step makes a **new** dict. The old one is still there, unharmed, for the next task.
# - "How does the loss change with the parameters?" is a question about one argument of one function.
#
# The loss is the mean squared error, and it takes the same dict as its first argument:
#
# $$L(\theta, x, y) = \frac{1}{n} \sum_{j=1}^{n} \big(f(x_j;\ \theta) - y_j\big)^2$$
#
# `grad` turns a loss into a function that returns the loss's gradient with respect to its first argument. Notebook 04 opens it up; until then it is a black box. It can follow `+`, `-`, `*`, `**`, `@`, and the `mean` that comes with it (not `np.mean`).
#
# **Predict.** `theta` is a dict with the keys `"w"` and `"b"`. What will `grad(loss_line)(theta, x, y)` return: one number, one array, or a dict?

# %%
def loss_line(params, x, y):
    return mean((apply_line(params, x) - y) ** 2)

gradient = grad(loss_line)(theta, *task.support)    # * hands over x and y
print("gradient:", gradient)

stepped = {name: theta[name] - 0.05 * gradient[name] for name in theta}
print(f"loss before the step: {loss_line(theta, *task.support):.2f}")
print(f"loss after the step:  {loss_line(stepped, *task.support):.2f}")
print(f"theta is as it was:   {theta}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert gradient.keys() == theta.keys() and gradient["w"].shape == theta["w"].shape
assert loss_line(stepped, *task.support) < loss_line(theta, *task.support)
assert theta["w"][0, 0] == 0.5

# %% [markdown]
# **What you saw.** A dict with the same keys and shapes as `theta`. So a step of gradient descent is one dict comprehension, the loss falls, and `theta` is untouched.
#
# A network differs from the line only in the number of arrays. Ours has two hidden layers of 40 units. Each layer multiplies by its weights and adds its bias; between the layers, ReLU sets what is negative to 0.

# %%
def apply_by_hand(params, x):
    h = np.maximum(x @ params["w0"] + params["b0"], 0)
    h = np.maximum(h @ params["w1"] + params["b1"], 0)
    return h @ params["w2"] + params["b2"]

network = networks.mlp((1, 40, 40, 1))     # two functions: init and apply
theta = network.init(default_rng(0))
for name, array in theta.items():
    print(name, array.shape)
print("numbers to learn:", sum(array.size for array in theta.values()))

x = task.query.x
difference = np.abs(apply_by_hand(theta, x) - network.apply(theta, x)).max()
print("largest difference from the packaged network:", difference)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert sum(array.size for array in theta.values()) == 1761
assert difference < 1e-12

# %% [markdown]
# The packaged `network.apply` does the same for any number of layers. (In PyTorch, `torch.func.functional_call(model, params, x)` gives you the same view of an ordinary module.)

# %% [markdown]
# ### Exercise 2.1 ●●○○○ A network of any depth
# *8 minutes. Why it matters: every method of this course calls a model in this way.*
#
# Write `apply(params, x)` for a network of any number of layers: `w0`, `b0`, `w1`, `b1`, and so on. ReLU stands between the layers.

# %% tags=["exercise"]
def apply(params, x):
    """Return the outputs (n, outputs) of the network for x (n, inputs)."""
    return ...

# %% tags=["check"]
checks.nb02.apply(apply)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# How many layers does a dict with 6 arrays describe? After which of them does ReLU *not* come?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Loop over `range(len(params) // 2)` and keep the current values in `h`. The names are `f"w{layer}"` and `f"b{layer}"`.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def apply(params, x):
#     n_layers = len(params) // 2
#     h = x
#     for layer in range(n_layers):
#         h = h @ params[f"w{layer}"] + params[f"b{layer}"]
#         if layer < n_layers - 1:
#             h = np.maximum(h, 0)
#     return h
# ```
#
# The last layer stays linear. With a ReLU there, the network could never predict a negative number, and half of every sine is negative.
#
# </details>

# %% [markdown]
# ## From scratch: fit the five points
#
# The first ordinary way: take a random network and train it on what you have. `losses.squared_error(network)` makes the same mean squared error as `loss_line` above, now for the network. Adam is gradient descent that finds a rate for each parameter; it remembers a little from step to step, in `moments`.

# %% tags=["setup"]
network = networks.mlp((1, 40, 40, 1))
loss = losses.squared_error(network)

def train(params, draw, steps, lr):           # draw() returns x and y
    moments = adam.init(params)
    for step in range(steps):
        x, y = draw()
        gradient = grad(loss)(params, x, y)
        rate = lr * (1 - step / steps)
        params, moments = adam.update(params, gradient, moments, lr=rate)
    return params

# %% [markdown]
# (The rate falls to zero towards the end, so that the result does not depend on the last few steps.)
#
# A yardstick first. A "model" that says 0 everywhere has a mean squared error of 4.4 on this wave.
#
# **Predict.** Three networks with different random starts each take 500 steps on the five points. Which errors will be small: on the five points, on the whole wave, or both? Will the whole-wave error at least be below 4.4?

# %%
def five():
    return task.support

scratch = {}
for seed in (0, 1, 2):
    start = network.init(default_rng(seed))
    scratch[f"start {seed}"] = train(start, five, steps=500, lr=0.01)

print(f"saying 0   whole wave {np.mean(task.query.y**2):4.1f}")
for name, params in scratch.items():
    on_five, on_wave = loss(params, *task.support), loss(params, *task.query)
    print(f"{name}    whole wave {on_wave:4.1f}   five points {on_five:.4f}")

# %% tags=["hide-input"]
curves = {name: network.apply(params, task.query.x) for name, params in scratch.items()}
figure = figures.fits(curves, grid=task.query.x, support=task.support, truth=task.query.y, title="from scratch, 500 steps")
figures.show(figure, alt="Three curves go through all five points and part to the left of them, far below the true wave.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
zero_error = np.mean(task.query.y**2)
assert abs(zero_error - 4.4) < 0.05
assert all(loss(params, *task.support) < 0.01 for params in scratch.values())
assert all(loss(params, *task.query) > 3 * zero_error for params in scratch.values())
at_left = np.array([network.apply(params, task.query.x[:41])[:, 0] for params in scratch.values()])  # x from -5 to -3
assert np.all(at_left < task.query.y[:41, 0] - 3) and np.ptp(at_left[:, 0]) > 1, at_left[:, 0]

# %% [markdown]
# **What you saw.** All three fit the five points, and all three are several times *worse* than saying 0. To the left of the points they do not even agree with each other: there, the random start decides, not the data.
#
# More steps cannot mend this, since the error on the five points is already 0. Neither can a larger network. The missing thing is not training, it is *knowledge*: that the curves of this family are sines.

# %% [markdown]
# ## On all tasks at once: pooled training
#
# The second ordinary way brings that knowledge in. You have many sines to learn from, so put all their points into one large training set and train one network on it. This is called pooled (or joint) training. You only have to drop the task axis.

# %% [markdown]
# ### Exercise 2.2 ●○○○○ Put the points into one pool
# *5 minutes. Why it matters: you will see on one line what pooling throws away.*
#
# `tasks` is a batch of T tasks, each with S support and Q query points: `tasks.support.x` has the shape `(T, S, 1)`, `tasks.query.x` has `(T, Q, 1)`, and so have the `y`. Return one `Examples(x, y)` with all points of all tasks, both sets, x and y of shape `(T * (S + Q), 1)`. The order does not matter, as long as each x keeps its own y.

# %% tags=["exercise"]
def pool(tasks):
    """Return all points of a batch of tasks as one Examples(x, y)."""
    return ...

# %% tags=["check"]
checks.nb02.pool(pool)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# Two things have to happen: put support and query side by side, then let the task axis go.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `np.concatenate([a, b], axis=1)` joins along the examples. `.reshape(-1, 1)` makes one column of everything.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def pool(tasks):
#     x = np.concatenate([tasks.support.x, tasks.query.x], axis=1)
#     y = np.concatenate([tasks.support.y, tasks.query.y], axis=1)
#     return Examples(x.reshape(-1, 1), y.reshape(-1, 1))
# ```
#
# Look at what `reshape` does: afterwards nothing says any more which points belong to the same wave. That is what pooling throws away.
#
# </details>

# %% [markdown]
# Now train: 2,000 steps, and in each one 500 points of 25 new waves. The network sees 50,000 sines.
#
# **Predict.** Its only input is x, so it can draw only one curve. Will that be flat, or a wave? And if it is a wave, how high? (The waves of the family are 2.55 high on average, and their shifts differ.)

# %%
family, rng = Sinusoids(k_shot=10, n_query=10), default_rng(0)

def draw_pool():
    support, query = family.sample(25, rng)
    x = np.concatenate([support.x, query.x]).reshape(-1, 1)
    y = np.concatenate([support.y, query.y]).reshape(-1, 1)
    return Examples(x, y)

pooled = train(network.init(rng), draw_pool, steps=2000, lr=3e-3)
new_errors = [loss(pooled, *draw_pool()) for _ in range(100)]
print(f"on points of new waves: {np.mean(new_errors):.2f}")

# %% tags=["hide-input"]
grid = task.query.x
some = family.draw(40, default_rng(1))
with figures.style():
    figure, axes = figures.canvas()
    axes.plot(grid, some(grid)[..., 0].T, color=figures.TRUTH, linewidth=0.7)
    axes.plot(grid, network.apply(pooled, grid), color=figures.look("pooled")[0], linewidth=2.5)
    axes.set(xlabel="x", ylabel="y", title="40 waves of the family, and what pooled training draws")
    axes.set_xlim(-5, 5)
    figures.name_ends(axes, [(5, network.apply(pooled, grid)[-1, 0], "pooled", figures.look("pooled")[0])])
figures.show(figure, alt="Forty thin grey waves of many heights and shifts; the pooled network draws one smooth wave of height 1.6 through their middle.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
average = -2.55 * (2 / np.pi) * np.cos(grid)
assert 2.8 < np.mean(new_errors) < 3.25, np.mean(new_errors)
assert abs(np.ptp(network.apply(pooled, grid)) / 2 - 1.62) < 0.25
assert np.sqrt(np.mean((network.apply(pooled, grid) - average) ** 2)) < 0.15

# %% [markdown]
# **What you saw.** A wave, and a low one: its height is 1.6. It runs through the middle of all the others and follows none of them. With an error of about 3 it beats saying 0, which gives 4.25 over the whole family (half the mean of the squared heights, since the mean of a squared sine is one half). It is a little right about all of them and quite right about none.

# %% [markdown]
# ## Which curve is that?
#
# Fix one input, say $x = 2$. Over the tasks, many different labels $y_1, \dots, y_n$ stand at that same input. The network must answer with *one* number $c$, and it pays
#
# $$\frac1n \sum_{i=1}^n (c - y_i)^2$$
#
# Set the derivative with respect to $c$ to zero: $\frac2n \sum_i (c - y_i) = 0$, so $c = \frac1n \sum_i y_i$. The best answer is the **mean** of the labels that occur at $x$, written $\mathbb{E}[y \mid x]$. This holds at every $x$, for every network that is large enough, and for every optimiser that gets to the minimum.
#
# For our sines the mean can be had in closed form. The amplitude $A$ is uniform on $[0.1, 5]$, with mean $2.55$, and is independent of the phase $p$, which is uniform on $[0, \pi]$:
#
# $$\begin{aligned}
# \mathbb{E}[y \mid x] &= \mathbb{E}[A] \cdot \frac1\pi \int_0^\pi \sin(x - p)\, dp \\
# &= 2.55 \cdot \Big({-\frac2\pi} \cos x\Big) \approx -1.62 \cos x
# \end{aligned}$$
#
# That is the line you were promised. Hold it against the network, which has never seen the formula.

# %%
average = -2.55 * (2 / np.pi) * np.cos(grid)
off = np.sqrt(np.mean((network.apply(pooled, grid) - average) ** 2))
print(f"network and formula differ by {off:.2f} (root mean square)")

# %% tags=["hide-input"]
with figures.style():
    figure, axes = figures.canvas()
    axes.plot(grid, average, color=figures.TRUTH, linewidth=5)
    axes.plot(grid, network.apply(pooled, grid), color=figures.look("pooled")[0], linewidth=1.8)
    axes.set(xlabel="x", ylabel="y", title="the trained network lies on the formula", xlim=(-5, 5), ylim=(-3.2, 3.2))
    ends = [(5, average[-1, 0] - 0.3, "−1.62 cos x", figures.QUIET)]
    ends += [(5, network.apply(pooled, grid)[-1, 0] + 0.3, "pooled", figures.look("pooled")[0])]
    figures.name_ends(axes, ends)
figures.show(figure, alt="The pooled network's curve lies on the grey curve minus 1.62 cosine x almost everywhere.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert off < 0.15, off
assert abs(2.55 * 2 / np.pi - 1.62) < 0.005

# %% [markdown]
# ### Exercise 2.3 ●●●○○ The average, and its floor
# *10 minutes. Why it matters: it tells you what no amount of pooled training can beat.*
#
# You can do without the integral: draw many waves and average them. Calling `waves(x)` returns their values, an array `(T, G, 1)` for x of shape `(G, 1)`. Return two things: the mean curve `(G, 1)`, and its mean squared error over all waves and all x, one number. That number is the floor of pooled training.

# %% tags=["exercise"]
def average_and_floor(waves, x):
    """x (G, 1) -> the mean curve (G, 1), its mean squared error (a number)."""
    return ...

# %% tags=["check"]
checks.nb02.average_and_floor(average_and_floor)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# What is averaged: the waves' parameters, or their values at each x?
#
# </details>
# <details><summary>Hint 2</summary>
#
# `waves(x)` has the waves along axis 0. Average over that axis; then compare every wave with the average.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def average_and_floor(waves, x):
#     values = waves(x)
#     average = values.mean(axis=0)
#     floor = np.mean((values - average) ** 2)
#     return average, floor
# ```
#
# The mean of the sines is not the sine of the mean parameters. That one, $2.55 \sin(x - \pi/2) = -2.55 \cos x$, is taller: where waves of different phases are averaged, they cancel in part.
#
# </details>

# %% [markdown]
# How good is the average for single waves? Here is its error on each of 5,000 of them.
#
# **Predict.** The mean of these errors is about 3. On how many of 100 waves will the average be a good fit, say with an error below 0.5: on about half, on about a third, or on fewer than 20?

# %%
waves = family.draw(5000, default_rng(2))
errors = np.mean((waves(grid) - average) ** 2, axis=(1, 2))     # one a wave
print(f"mean error {errors.mean():.2f}")
print(f"below 0.5: {100 * np.mean(errors < 0.5):.0f} of 100 waves")

# %% tags=["hide-input"]
with figures.style():
    figure, axes = figures.canvas(height=2.5)
    axes.hist(errors, bins=40, color=figures.TRUTH, edgecolor="white", linewidth=0.4)
    axes.axvline(errors.mean(), color=figures.look("pooled")[0], linewidth=2)
    axes.text(errors.mean() + 0.2, 0.9 * axes.get_ylim()[1], f"mean: {errors.mean():.2f}", fontsize=9)
    axes.set(xlabel="mean squared error of −1.62 cos x on one wave", ylabel="waves")
figures.show(figure, alt="A histogram with a long tail: errors near 1 are the most common, and some lie beyond 10. The mean is about 3.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert abs(errors.mean() - 3.0) < 0.08
assert abs(100 * np.mean(errors < 0.5) - 13) < 2
heights, edges = np.histogram(errors, bins=40)
assert 0.2 < edges[heights.argmax()] < 1.6 and errors.max() > 10
assert abs((4.9**2 / 12 + 2.55**2) / 2 - 4.25) < 0.01

# %% [markdown]
# **What you saw.** On about 13. It is the average that fits (nearly) nobody. And 3.0, the mean error over the whole family (3.06 on these 5,000 waves), is a floor: no network gets below it from pairs $(x, y)$ alone, however large it is and however long it trains.
#
# The reason is worth a sentence of its own. **x does not say which wave it is.** Only the support set says that, and the pooled network never looks at a support set. Whatever wants to beat 3.0 has to be a function of the support set, too.

# %% [markdown]
# ## Transfer: start from the average, then fine-tune
#
# The third ordinary way does look. It is what is usually done with a large pre-trained model: take the pooled parameters as the start, and let a few gradient steps on the support set adapt them to the new task. Now the dicts pay off. `params` stays; every task gets its own `phi`.

# %% tags=["setup"]
def fine_tune(params, support, inner_lr, inner_steps):
    phi = params
    for _ in range(inner_steps):
        gradient = grad(loss)(phi, *support)
        phi = {name: phi[name] - inner_lr * gradient[name] for name in phi}
    return phi

# %% [markdown]
# Which rate, and how many steps? A baseline that was not tuned is a straw man, so we try several rates and up to 40 steps. We try them on **meta-validation** tasks: waves that we will not be judged on. A `GradientLearner` is "`fine_tune`, then `network.apply`", and `sweep_steps` tries it with each rate and each number of steps.

# %%
from mlcourse.baselines import sweep_steps
from mlcourse.evaluation import evaluate
from mlcourse.reference.learners import GradientLearner

five_shot = Sinusoids(k_shot=5, n_query=50)
rates = (0.0003, 0.001, 0.003, 0.01, 0.03)
starts = {"scratch": network.init(default_rng(0)), "pooled": pooled}
sweeps = {}
for name, start in starts.items():
    learner = GradientLearner(network, loss, start, inner_lr=0.01, inner_steps=40)
    sweeps[name] = sweep_steps(
        learner, rates, five_shot, n_tasks=100, rng_seed=1000
    )
    print(name, sweeps[name].settings)

# %% tags=["hide-input"]
no_step = evaluate(lambda support, x: network.apply(pooled, x), five_shot, n_tasks=100, rng=default_rng(1000))
with figures.style():
    figure, axes = figures.canvas()
    colour = figures.look("pooled")[0]
    for steps, line in ((1, ":"), (10, "--"), (40, "-")):
        tried = [row["score"] for row in sweeps["pooled"].rows if row["inner_steps"] == steps]
        axes.plot(rates, tried, line, color=colour, marker="o", markersize=4)
        axes.text(rates[0] * 0.9, tried[0] - 0.02, f"{steps} step" + "s" * (steps > 1), ha="right", va="center", fontsize=9)
    axes.axhline(no_step.mean, color=figures.QUIET, linewidth=0.9)
    axes.text(rates[2], no_step.mean + 0.03, "no step", fontsize=9, color=figures.QUIET, ha="center")
    axes.set(xscale="log", xlim=(1.2e-4, 0.02), ylim=(2.0, 3.3), xlabel="inner_lr (log scale)", ylabel="query loss (mean squared error)")
    axes.set_title("fine-tuning the pooled network, on meta-validation tasks")
figures.show(figure, alt="Query loss against the rate for 1, 10 and 40 steps from the pooled start. All dip a little below the line of no step and rise steeply for rates above 0.01.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
tried = {steps: [row["score"] for row in sweeps["pooled"].rows if row["inner_steps"] == steps] for steps in (1, 10, 40)}
assert all(2.0 < min(values) < no_step.mean for values in tried.values()), (tried, no_step.mean)
assert all(not values[-1] < 3.3 for values in tried.values()), tried
assert all(abs(value - 2.2) < 0.1 for value in tried[40][:-1]) and no_step.mean - tried[1][0] < 0.1, (tried, no_step.mean)
assert abs(sweeps["scratch"].settings["score"] - 4.2) < 0.1 and abs(sweeps["pooled"].settings["score"] - 2.2) < 0.1
assert 0 < sweeps["pooled"].settings["inner_steps"] < 40 and 2.4 < no_step.mean < 2.95, (sweeps["pooled"].settings, no_step.mean)

# %% [markdown]
# Read it from the right. A rate above 0.01 ruins the network. Below that, smaller steps only have to be more in number: 40 of them end near 2.2 with every rate. One step at the smallest rate does next to nothing. (All scores are means of the squared error, so lower is better. These 100 waves happen to be easier than most: without any step the error is below 3.0 on them. Notebook 03 says how far such means wander.)

# %% [markdown]
# ### Exercise 2.4 ●●●○○ Choose a rate
# *8 minutes. Why it matters: one careless line here makes a diverging rate win.*
#
# `losses` is an array `(n_tasks, n_rates)`: for each meta-validation task the query loss with each rate. A rate that is too large may have diverged on some tasks and left `nan` there. Return the rate with the smallest mean loss; a rate that diverged on any task must not win.

# %% tags=["exercise"]
def best_rate(rates, losses):
    """Return the one of `rates` with the smallest mean loss over tasks."""
    return ...

# %% tags=["check"]
checks.nb02.best_rate(best_rate)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# Try `np.argmin([3.0, np.nan, 1.0])`. Is that what you want?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Take the mean over the tasks first; it is `nan` wherever one task is. Then put `np.inf` in place of what is not finite.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def best_rate(rates, losses):
#     means = losses.mean(axis=0)
#     means = np.where(np.isfinite(means), means, np.inf)
#     return rates[np.argmin(means)]
# ```
#
# `np.argmin` returns the first `nan` that it meets, as if that were the smallest number. And `np.nanmean` would judge a rate by only those tasks on which it survived.
#
# </details>

# %% [markdown]
# The choice is made. Now, once, the 600 **meta-test** tasks. (Notebook 03 is about this line and its ±.)
#
# **Predict.** On the meta-validation tasks the best settings had about 4.2 from scratch and 2.2 from the pooled start. Will the errors on the meta-test tasks be smaller, larger or the same? Find two reasons for your answer.

# %%
def pooled_as_it_is(support, query_x):
    return network.apply(pooled, query_x)            # the support is ignored

learners = {
    "from scratch": sweeps["scratch"].learner,
    "pooled": pooled_as_it_is,
    "fine-tuned": sweeps["pooled"].learner,
}
scores = {}
for name, learner in learners.items():
    scores[name] = evaluate(learner, five_shot, n_tasks=600, rng=default_rng(42))
    print(f"{name:12} {scores[name].mean:.2f} ± {scores[name].half_width:.2f}")

# %% tags=["hide-input"]
phi = fine_tune(pooled, task.support, **{k: sweeps["pooled"].settings[k] for k in ("inner_lr", "inner_steps")})
curves = {"before": network.apply(pooled, grid), "after": network.apply(phi, grid)}
figure = figures.fits(curves, grid=grid, support=task.support, truth=task.query.y, title="pooled, then fine-tuned on the five points")
figures.show(figure, alt="The pooled curve before and after fine-tuning on five points: it moves towards the points, and to their left it hardly follows the true wave.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
means = {name: score.mean for name, score in scores.items()}
assert 3.6 < means["from scratch"] < 4.6, means
assert 2.7 < means["pooled"] < 3.3, means
assert 2.25 < means["fine-tuned"] < 2.75, means
assert means["fine-tuned"] > sweeps["pooled"].settings["score"] and means["from scratch"] > sweeps["scratch"].settings["score"]
assert abs(scores["fine-tuned"].half_width - 0.2) < 0.05, scores

# %% [markdown]
# **What you saw.** Larger. The meta-validation waves happened to be easy, and the settings were the best *on those waves*. Fine-tuning gets to about 2.5: it helps, since it looks at the support set, but most of the error stays. From scratch ends near saying 0 (4.25), and no longer far above it: the tuning found out that a random network does best to move very little. (The paper on MAML reports 2.41, 2.23 and 2.19 for such a baseline after 1, 5 and 10 steps on its own tasks. Ours is of the same kind, and no straw man.)

# %% [markdown]
# ## With your own hands
#
# Before the reason, try it. Below, two networks take gradient steps on five points, in your browser: one from a random start, one from a pooled start. (The pooled one was trained longer than ours and is shipped with the course. Each begins with the rate that did best after ten steps, on other waves.) You can drag the points, or click where the nearest one should go.
#
# **Predict.** These are the five points of this page. After ten steps, whose error on the *whole* wave has fallen: that of the random start, of the pooled one, or of both? Tick *show the wave behind them*, then press **Play**.

# %%
from mlcourse.lessons.widgets import OwnWave

OwnWave(methods=("scratch", "pooled"))

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
both = OwnWave(methods=("scratch", "pooled"))
assert np.allclose(np.hstack(both.support), np.hstack(task.support))
before, after = both.errors(0), both.errors(10)
assert round(before["scratch"], 2) == 4.96 and round(after["scratch"], 2) == 4.89
assert round(before["pooled"], 2) == 2.19 and round(after["pooled"], 2) == 0.85
on_points = both.losses(0)["scratch"]
both.rates = both.rates | {"scratch": 0.01}
assert both.losses(10)["scratch"] < on_points - 0.3 and both.errors(10)["scratch"] > before["scratch"]
shipped, rate = weights.load("sinusoid_pooled"), both.rates["pooled"]
adapted = [(one, fine_tune(shipped, one.support, rate, 10)) for one in each(five_shot.sample(100, default_rng(7)))]
kept = np.array([[loss(phi, *part) / loss(shipped, *part) for part in one] for one, phi in adapted])  # support, query
assert np.median(kept[:, 0]) < 0.3 and np.median(kept[:, 1]) > 0.45, np.median(kept, axis=0)

# %% [markdown]
# **What you saw.** The random start goes from 4.96 to 4.89: it hardly moves. Give it a larger rate, 0.01, and it does get nearer to the five points; but its error on the whole wave *rises*. The pooled start goes from 2.19 to 0.85. That looks good, and it is luck: this wave happens to lie near the average. Keep the tick and the step, press **A new wave** a few times, and compare its two columns: the five points are often met well, and the error on the whole wave falls much less, or hardly at all.

# %% [markdown]
# ## Why so little?
#
# Pooled training asked for *one curve that is as good as possible for all tasks together*. It never asked for a place from which *five points and a few steps lead to the right curve*. At its minimum the gradients of all tasks add up to zero: every task pulls in its own direction, and how far a pull would carry was never asked.
#
# You can see it. Take one point at $x = 3$, ask the network to go up there by 1, let it take one gradient step, and look at how the *whole* curve answers. If you knew the family, you would also move the places far away: waves that are higher at $x = 3$ are, on average, higher one wavelength (about 6.3) to the left, and lower in between. That is the grey curve: at each x, by how much a wave is higher on average when it is higher by 1 at $x = 3$.
#
# Below, the same step from the pooled start and from one that was **trained to be fine-tuned** (`MAML` in the code, after the method that found it). It has the same 1,761 numbers and learned from the same family; notebook 05 builds it.
#
# **Predict.** When the curve goes up by 1 at $x = 3$, how far will each of the two move at $x = -3.5$? The family itself moves there by 1.

# %%
starts = {"pooled": pooled, "MAML": weights.load("sinusoid_maml")}
point, answers = np.array([[3.0]]), {}
for name, start in starts.items():
    target = Examples(point, network.apply(start, point) + 1)
    moved = fine_tune(start, target, inner_lr=1e-4, inner_steps=1)
    change = network.apply(moved, grid) - network.apply(start, grid)
    answers[name] = change / change[160]        # grid[160] is x = 3: make it 1

values = waves(grid)[..., 0]                    # 5,000 waves of the family
values = values - values.mean(axis=0)
at_3 = values[:, 160]
in_the_family = at_3 @ values / (at_3 @ at_3)   # slope of each x against x = 3

# %% tags=["hide-input"]
with figures.style():
    figure, axes = figures.canvas()
    axes.plot(grid, in_the_family, color=figures.TRUTH, linewidth=4)
    ends = [(5, in_the_family[-1], "family", figures.QUIET)]
    for name, answer in answers.items():
        colour, _ = figures.look(name)
        axes.plot(grid, answer, color=colour)
        ends.append((5, answer[-1, 0], name, colour))
    axes.plot(3, 1, "o", color=figures.INK)
    axes.axhline(0, color=figures.QUIET, linewidth=0.7)
    axes.set(xlabel="x", ylabel="change of the curve (1 at the dot)", xlim=(-5, 5), title="what one point teaches about the rest")
    figures.name_ends(axes, ends)
figures.show(figure, alt="The curve is pulled up at x = 3. From the pooled start the answer is a ramp that leaves the left half where it was. From the MAML start it is a ragged wave, up near 3 and again near -3.5, as in the family.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
likeness = {name: np.corrcoef(answer[:, 0], in_the_family)[0, 1] for name, answer in answers.items()}
assert likeness["MAML"] > 0.6 and likeness["MAML"] > likeness["pooled"] + 0.15, likeness
assert 0.3 < answers["MAML"][30, 0] < 0.7 and abs(in_the_family[30] - 1) < 0.1 and abs(answers["pooled"][30, 0]) < 0.3, {n: a[30, 0] for n, a in answers.items()}
assert abs(grid[160, 0] - 3) < 1e-9 and abs(grid[30, 0] + 3.5) < 1e-9

# %% [markdown]
# **What you saw.** From the pooled start the answer is a ramp: the left half stays where it was, because nothing told this network that the two halves have to do with each other. From the other start one point moves the whole curve, roughly as the family would: up again at $-3.5$, though only by about half, and down in between. That knowledge sits in nothing but the 1,761 starting numbers. So let both starts do the same thing, one gradient step on our five points:

# %%
curves = {}
for name, start in starts.items():
    phi = fine_tune(start, task.support, inner_lr=0.01, inner_steps=1)
    curves[name] = network.apply(phi, grid)
    print(f"{name:7} five points, one step: {loss(phi, *task.query):.2f}")

learner = GradientLearner(network, loss, starts["MAML"], inner_lr=0.01, inner_steps=1)
maml_score = evaluate(learner, five_shot, n_tasks=600, rng=default_rng(42))
print(f"MAML    600 tasks, one step: {maml_score.mean:.2f} ± {maml_score.half_width:.2f}")

# %% tags=["hide-input"]
figure = figures.fits(curves, grid=grid, support=task.support, truth=task.query.y, title="one step on five points, from two starts")
figures.show(figure, alt="After one step from the pooled start the curve is still far from the wave on the left; from the MAML start it follows the wave on both sides.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert maml_score.mean < 0.9, maml_score
one_step = {name: float(np.mean((curve - task.query.y) ** 2)) for name, curve in curves.items()}
assert one_step["MAML"] < 0.6 * one_step["pooled"], one_step

# %% [markdown]
# The same network, the same five points, the same rule; only the start differs. How such a start is found is the subject of notebooks 04 and 05. (The start used an `inner_lr` of 0.01, for which it was trained; for the pooled start the sweep above has tried that rate, too.)

# %% [markdown]
# ## What can go wrong
#
# **The start that wears out.** A step written with `-=` changes the arrays *inside* the dict that it was given. The result is right. But `theta` is gone, and the next task starts where this one ended.
#
# **Predict.** We fine-tune on 200 tasks, one after the other, with the correct function and with this one. Every single step is computed correctly, and the worn start has seen up to 1,000 labels more. Will its mean error be smaller or larger?

# %%
def fine_tune_in_place(params, support, inner_lr, inner_steps):
    for _ in range(inner_steps):
        gradient = grad(loss)(params, *support)
        for name in params:
            params[name] -= inner_lr * gradient[name]    # in the caller's dict
    return params

tasks = five_shot.sample(200, default_rng(3))
for function in (fine_tune, fine_tune_in_place):
    start = {name: array.copy() for name, array in pooled.items()}
    query_losses = []
    for one in each(tasks):
        phi = function(start, one.support, 0.003, 10)
        query_losses.append(loss(phi, *one.query))
    print(f"{function.__name__:19} first task {query_losses[0]:.2f}", end="   ")
    print(f"mean of 200 tasks {np.mean(query_losses):.2f}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
right_losses = [loss(fine_tune(pooled, one.support, 0.003, 10), *one.query) for one in each(tasks)]
assert np.isclose(right_losses[0], query_losses[0])
assert np.mean(query_losses) > 1.15 * np.mean(right_losses), (np.mean(query_losses), np.mean(right_losses))

# %% [markdown]
# **What you saw.** The first task agrees to the last digit, so a test on one task finds nothing. Over 200 tasks the error is larger: each task starts from a curve that was fitted to *other* waves, the last ones most of all. (The same happens in PyTorch when an optimiser adapts the model itself and no copy is put back.) New dicts, always.
#
# **One axis too few.** A label array of shape `(n,)` beside outputs of shape `(n, 1)` broadcasts to `(n, n)`: every output is compared with every label.
#
# **Predict.** A network is trained with that bug for 500 steps on our five points. What does it learn?

# %%
def careless_loss(params, x, y):
    return mean((network.apply(params, x) - y) ** 2)    # (5, 1) - (5,): (5, 5)

flat = task.support.y[:, 0]                             # shape (5,)
params = network.init(default_rng(0))
moments = adam.init(params)
for _ in range(500):
    gradient = grad(careless_loss)(params, task.support.x, flat)
    params, moments = adam.update(params, gradient, moments, lr=0.01)
print("labels: ", flat.round(2))
print("outputs:", network.apply(params, task.support.x)[:, 0].round(2))

# %% [markdown]
# **What you saw.** The mean of the five labels, everywhere, and no error message. It is the same sentence as above: a learner that must give one answer to many labels gives their mean. The packaged loss refuses such shapes:

# %%
try:
    loss(params, task.support.x, flat)
except ValueError as error:
    print("ValueError:", error)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert np.allclose(network.apply(params, task.support.x), flat.mean(), atol=0.01)

# %% [markdown]
# ## Quiz
#
# **1.** You give the pooled network two more inputs, the amplitude and the phase of the wave. Does pooled training work now?
#
# <details><summary>Answer</summary>
#
# Yes. The inputs now say which wave it is, so $\mathbb{E}[y \mid x, A, p]$ is that wave itself, and the floor is 0. In real tasks you are not given these two numbers. The support set has to take their place.
#
# </details>
#
# **2.** Suppose that the phases came from the whole circle, $[0, 2\pi]$. Which curve does pooled training converge to?
#
# <details><summary>Answer</summary>
#
# To 0. For each wave there is now its mirror image, and the mean of $\sin(x - p)$ over a whole circle of phases is 0 at every x. The average would then be no better than saying 0.
#
# </details>
#
# **3.** From scratch, the error on the five points is 0 and the error on the wave is 20. A colleague wants a larger network, and another one a better optimiser. What do you say?
#
# <details><summary>Answer</summary>
#
# Neither helps. The optimiser has already done all that it was asked for. Infinitely many curves go through five points, and what is missing is a reason to prefer sines. You can give it by hand, if you know the family: $A \sin(x - p)$ is $a \sin x + b \cos x$, so least squares on these two features finds the wave exactly. Where you do not know the family well enough for that, the reason has to come from other tasks.
#
# </details>

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
features = [np.hstack([np.sin(part.x), np.cos(part.x)]) for part in task]
two_numbers = np.linalg.lstsq(features[0], task.support.y, rcond=None)[0]
assert np.abs(features[1] @ two_numbers - task.query.y).max() < 1e-10
whole_circle = np.linspace(0, 2 * np.pi, 1000, endpoint=False)
assert np.abs(np.sin(grid - whole_circle).mean(axis=1)).max() < 1e-10

# %% [markdown]
# ## What you can do now
#
# - Write a model as `apply(params, x)`, and a step as a new dict.
# - Say what pooled training converges to, compute it, and name its floor.
# - Tune a baseline on meta-validation tasks, diverging rates included.
# - Explain why the pooled minimum is a poor place to start from.
#
# ## What comes next
#
# You have just read numbers such as "2.5 ± 0.2" on trust. [Notebook 03](03_measuring_adaptation.ipynb) builds the function that made them, and shows what the ± says, and what it does not.
#
# ## References
#
# - C. Finn, P. Abbeel, S. Levine, *Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks*, ICML 2017, [arXiv:1703.03400](https://arxiv.org/abs/1703.03400): section 5.1 is our family of sines, table 2 the pre-trained baseline.
# - R. Caruana, *Multitask Learning*, Machine Learning 28, 1997, [doi:10.1023/A:1007379606734](https://doi.org/10.1023/A:1007379606734): when learning tasks together does help.
# - D. P. Kingma, J. Ba, *Adam: A Method for Stochastic Optimization*, ICLR 2015, [arXiv:1412.6980](https://arxiv.org/abs/1412.6980).
