# %% [markdown]
# # Why ordinary learning fails
#
# You train one small network in the three ordinary ways: from scratch, on all tasks at once, and by fine-tuning. Even when each is well tuned, its mean squared error on new sines stays above **2**. The same network *can* get below **1** from the same five points, in a single gradient step. It only needs a different start. You also compute the best answer that any method can give.
#
# > **Recall.** Notebook 01: a task comes with a support set and a query set. Which of the two may a learner learn from, and what is the other one for?
# >
# > <details><summary>Answer</summary>
# >
# > It learns from the support set. The query set holds other examples of the same task, and they judge the learner. An error on points that were just fitted says nothing about the rest of the curve.
# >
# > </details>

# %% [markdown]
# ## Before you start
#
# | | |
# | --- | --- |
# | **It gives you** | scratch, pooled, transfer, and the exact answer to compare them with |
# | **You will be able to** | write a model as a function of its parameters · compute what pooled training converges to · compute the best possible answer · tune a baseline's rate without cheating · say what each of the three ordinary ways lacks |
# | **You need** | [01](01_what_is_a_task.ipynb) (task, support, query) and a little NumPy |
# | **Time** | 45 minutes to read, 31 for the exercises, about 30 seconds to run |
# | **Skip it if** | you can say which function minimises $\mathbb{E}\,(f(x) - y)^2$, why pooled training therefore cannot work on sines, and how to condition a prior on points |

# %% tags=["setup"]
import numpy as np
from numpy.random import default_rng

from mlcourse.lessons import checks, figures
from mlcourse import weights
from mlcourse.reference import adam, losses, networks
from mlcourse.reference.autograd import grad, mean
from mlcourse.tasks import Examples, Sinusoids, Task, each, five_points

task, wave = five_points()

# %% [markdown]
# ## Five points of one wave
#
# Notebooks 00 to 06 use this task. Its support set is five points. Its query set is the grey wave, on a grid of 201 points.

# %% tags=["hide-input"] slide=["If you know that it is a sine, you can finish it"]
figure = figures.fits({}, grid=task.query.x, support=task.support, truth=task.query.y, title="five points, one wave")
figures.show(figure, alt="Five dots, from a little left of the middle to the right, and the grey sine wave of height 3 that they were taken from.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert -1 < task.support.x.min() < 0 and task.support.x.max() > 4 and wave.amplitude[0] == 3

# %% [markdown]
# If you know that this is a sine, you can finish the curve. Can a network?

# %% [markdown] slide=["A model is a function of parameters", "$$\\hat y = f(x;\\ \\theta)$$", "In code: `apply(params, x)`."]
# ## A model is a function of its parameters
#
# In PyTorch you write `model(x)`, and the parameters are hidden inside `model`. In this course you pass them yourself. A model is a function of *two* things, an input $x$ and its parameters $\theta$:
#
# $$\hat y = f(x;\ \theta)$$
#
# In code this is `apply(params, x)`. The parameters are a dict from names to arrays. Here is a straight line with two sets of parameters.

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
# Passing the parameters as an argument has three advantages:
#
# - You can hold many sets of parameters at once: one start $\theta$, and one $\varphi_i$ for each task.
# - A training step makes a **new** dict. The old one stays as it was, for the next task.
# - The gradient of the loss is a derivative with respect to one argument of one function.
#
# The loss is the mean squared error, and it takes the same dict as its first argument:
#
# $$L(\theta, x, y) = \frac{1}{n} \sum_{j=1}^{n} \big(f(x_j;\ \theta) - y_j\big)^2$$
#
# `grad` turns a loss into a function that returns the gradient with respect to the loss's first argument. Notebook 04 builds it. Inside a loss, use only `+`, `-`, `*`, `**`, `@` and the `mean` that comes with `grad`, not `np.mean`. The gradient has the keys and shapes of that argument, so a step of gradient descent is one dict comprehension.

# %%
def loss_line(params, x, y):
    return mean((apply_line(params, x) - y) ** 2)

gradient = grad(loss_line)(theta, *task.support)    # * unpacks x and y
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
# A network differs from the line only in the number of arrays. Ours has two hidden layers of 40 units. Between the layers, ReLU sets negative values to 0.

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
# The packaged `network.apply` does the same for any number of layers. PyTorch's `torch.func.functional_call(model, params, x)` calls a module in this way.

# %% [markdown]
# ### Exercise 2.1 ●●○○○ A network of any depth
# *8 minutes. Why it matters: every method of this course calls a model in this way.*
#
# Write `apply(params, x)` for any number of layers: `w0`, `b0`, `w1`, `b1`, and so on, with ReLU between the layers.

# %% tags=["exercise"]
def apply(params, x):
    """Return the outputs (n, outputs) of the network for x (n, inputs)."""
    return ...

# %% tags=["check"]
checks.nb02.apply(apply)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# How many layers does a dict with 6 arrays describe? After which does ReLU *not* come?
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
# The last layer stays linear. With a ReLU there, the network could never predict a negative number.
#
# </details>

# %% [markdown]
# ## From scratch: fit the five points
#
# The first ordinary way is to take a random network and train it on the five points. `losses.squared_error(network)` makes the same mean squared error as `loss_line` above, now for the network. Adam is gradient descent with a step size of its own for each parameter. It uses running averages of the gradient and its square, which `moments` holds. The learning rate falls in a straight line to 0.

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

# %% [markdown] slide=["Train a random network on the five points", "Three starts, 500 steps each. Saying 0 everywhere has an error of 4.4.", "On the whole wave, is theirs below 4.4?"]
# Compare with predicting 0 everywhere. Its error is 4.4 on this wave, and 4.25 on average over the family.
#
# **Predict.** Three networks with different random starts each take 500 steps on the five points. Will their errors on the five points be small? Will those on the whole wave be below 4.4?

# %%
def five():
    return task.support

scratch = {}
for seed in (0, 1, 2):
    start = network.init(default_rng(seed))
    scratch[f"start {seed}"] = train(start, five, steps=500, lr=0.01)

print(f"zero       whole wave {np.mean(task.query.y**2):4.1f}")
for name, params in scratch.items():
    on_five, on_wave = loss(params, *task.support), loss(params, *task.query)
    print(f"{name}    whole wave {on_wave:4.1f}   five points {on_five:.4f}")

# %% tags=["hide-input"] slide=["All fit the points, and are worse than 0 everywhere"]
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
# **What you saw.** All three fit the five points, and all three are several times *worse* than predicting 0 everywhere. To the left of the points they do not even agree with each other: there, only the random start decides. More steps cannot mend this: the error on the five points is already 0. Neither can a larger network. What is missing is the *knowledge* that the curves are sines.

# %% [markdown]
# ## On all tasks at once: pooled training
#
# The second ordinary way uses other sines. Put the points of many sines into one large training set and train one network on it. This is called pooled training, or joint training.

# %% [markdown]
# ### Exercise 2.2 ●○○○○ Put the points into one pool
# *5 minutes. Why it matters: one line shows what pooling throws away.*
#
# `tasks` is a batch of T tasks, each with S support and Q query points: `tasks.support.x` has the shape `(T, S, 1)`, `tasks.query.x` has `(T, Q, 1)`, and so have the `y`. Return one `Examples(x, y)` with all points of both sets of all tasks, x and y of shape `(T * (S + Q), 1)`. Any order will do, if each x keeps its own y.

# %% tags=["exercise"]
def pool(tasks):
    """Return all points of a batch of tasks as one Examples(x, y)."""
    return ...

# %% tags=["check"]
checks.nb02.pool(pool)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# Join support and query, then drop the task axis.
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
# After `reshape`, nothing says which points belong to the same wave. That is what pooling throws away.
#
# </details>

# %% [markdown]
# The course's version is folded here, so that the page runs on. `draw_pool()` returns the 500 points of 25 new waves, drawn with the generator `rng`.

# %% tags=["setup", "hide-input"] jupyter={"source_hidden": true}
family, rng = Sinusoids(k_shot=10, n_query=10), default_rng(0)

def draw_pool():
    support, query = family.sample(25, rng)
    x = np.concatenate([support.x, query.x], axis=1).reshape(-1, 1)
    y = np.concatenate([support.y, query.y], axis=1).reshape(-1, 1)
    return Examples(x, y)

# %% [markdown] slide=["One network for all waves at once", "Its only input is x, so it can draw only one curve.", "Flat, or a wave? How high?"]
# Now train for 2,000 steps, with new waves in each. Their heights are 2.55 on average, and their shifts $p$ lie between 0 and $\pi$.
#
# **Predict.** The network's only input is x, so it can draw only one curve. Will that curve be flat, or a wave? If it is a wave, how high?

# %%
pooled = train(network.init(rng), draw_pool, steps=2000, lr=3e-3)
new_errors = [loss(pooled, *draw_pool()) for _ in range(100)]
print(f"on points of new waves: {np.mean(new_errors):.2f}")

# %% tags=["hide-input"] slide=["A wave, and a low one: its height is 1.6"]
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
# **What you saw.** A wave, and a low one: its height is 1.6. It follows none of the waves. Its error of about 3 is smaller than the 4.25 of predicting 0 everywhere, which is $\mathbb{E}[A^2]/2$ for the amplitude $A$.

# %% [markdown]
# ## Which curve is that?
#
# Fix one input, say $x = 2$. There, different tasks have different labels $y_1, \dots, y_n$. The network outputs *one* number $c$, and its loss is
#
# $$\frac1n \sum_{i=1}^n (c - y_i)^2$$
#
# Set the derivative with respect to $c$ to zero: $\frac2n \sum_i (c - y_i) = 0$, so $c = \frac1n \sum_i y_i$. The best answer is the **mean** of the labels that occur at $x$, written $\mathbb{E}[y \mid x]$. This holds at every $x$, for every network that is large enough and every optimiser that reaches the minimum.
#
# For our sines this mean has a closed form. The amplitude $A$ is uniform on $[0.1, 5]$, with mean $2.55$. The phase $p$ is uniform on $[0, \pi]$ and independent of $A$:
#
# $$\begin{aligned}
# \mathbb{E}[y \mid x] &= \mathbb{E}[A] \cdot \frac1\pi \int_0^\pi \sin(x - p)\, dp \\
# &= 2.55 \cdot \Big({-\frac2\pi} \cos x\Big) \approx -1.62 \cos x
# \end{aligned}$$
#
# Compare it with the network, which was trained without it. `grid` holds the query inputs.

# %%
average = -2.55 * (2 / np.pi) * np.cos(grid)
off = np.sqrt(np.mean((network.apply(pooled, grid) - average) ** 2))
print(f"network and formula differ by {off:.2f} (root mean square)")

# %% tags=["hide-input"] slide=["At every x it is the mean of the waves"]
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

# %% [markdown] slide=["`waves(x)` has the values of many waves, `(T, G, 1)`.", "Return the mean curve, and its mean squared error."]
# ### Exercise 2.3 ●●●○○ The average, and its floor
# *10 minutes. Why it matters: it is the lowest error that pooled training can reach.*
#
# You do not need the integral. `waves` is a large sample of the family: `waves(x)` returns its values, an array `(T, G, 1)` for x of shape `(G, 1)`. Return the mean curve `(G, 1)`, and its mean squared error over all waves and all x. This number is the floor of pooled training.

# %% tags=["exercise"]
def average_and_floor(waves, x):
    """x (G, 1) -> the mean curve (G, 1), its mean squared error (a number)."""
    return ...

# %% tags=["check"]
checks.nb02.average_and_floor(average_and_floor)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# Average the waves' parameters, or their values at each x?
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
# The mean of the sines is not the sine of the mean parameters. The second, $-2.55 \cos x$, is taller: waves of different phases partly cancel.
#
# </details>

# %% [markdown] slide=["The average has a mean error of 3", "On how many of 100 waves is it good, below 0.5?", "About half, about a third, or fewer than 20?"]
# How good is the average for single waves? The folded cell computes its error on each of 5,000 waves. Its code is close to the answer of exercise 2.3.
#
# **Predict.** The mean of these errors is about 3. On how many of 100 waves will the average be a good fit, with an error below 0.5: on about half, on about a third, or on fewer than 20?

# %% tags=["hide-input"] jupyter={"source_hidden": true} slide=["On about 13"]
waves = family.draw(5000, default_rng(2))
errors = np.mean((waves(grid) - average) ** 2, axis=(1, 2))     # one a wave
print(f"mean error {errors.mean():.2f}")
print(f"below 0.5: {100 * np.mean(errors < 0.5):.0f} of 100 waves")

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
# **What you saw.** On about 13. The average fits few of the waves that it averages. Its mean error over the whole family, 3.0, is a floor: no network gets below it from pairs $(x, y)$ alone, however large it is and however long it trains.
#
# **x does not say which wave it is.** Pooled training fails here because these tasks *contradict each other at the same x*: one x, many y. Where tasks do not contradict each other, pooled training can be strong. One example is a large classifier for the image classes of all tasks together; notebook 08 measures that rival.
#
# On sines, a learner has to use the support set to get below 3.0.

# %% [markdown]
# ## Condition on five points
#
# How low can a learner get with the support set? You know the family, so you can compute the best answer. Before any point, all pairs of amplitude $A$ and phase $p$ are equally likely: this is the **prior**. After $k$ points $(x_j, y_j)$, Bayes' rule gives each wave a weight, the **posterior**. If the labels have normal noise of standard deviation $\sigma$, the weight is
#
# $$w(A, p) \;\propto\; \exp\Big({-\frac{1}{2\sigma^2}} \sum_{j=1}^k \big(A \sin(x_j - p) - y_j\big)^2\Big)$$
#
# A wave that misses a point by much more than the noise gets almost no weight. The best answer is again a mean, now with these weights: $\mathbb{E}[y \mid x, \text{support}]$. No method has a smaller expected squared error from the same points. Here it is on a grid of 40,000 waves.

# %%
A, p = np.meshgrid(np.linspace(0.1, 5, 200), np.linspace(0, np.pi, 200))

def posterior(support, noise):
    misfit = np.zeros_like(A)
    for x, y in zip(support.x, support.y):
        misfit += (A * np.sin(x - p) - y) ** 2
    weight = np.exp((misfit.min() - misfit) / (2 * noise**2))
    return weight / weight.sum()            # one weight for each wave

def best_answer(support, query_x, noise):
    weight = posterior(support, noise)
    return np.array([[np.sum(weight * A * np.sin(x - p))] for x in query_x])

# %% [markdown]
# `misfit.min()` cancels in the division; without it, every weight could be rounded to 0. The packaged version is `mean_wave`, which also takes exact labels, `noise=0`. `exact_sines` makes a learner of it.

# %%
from mlcourse.baselines import exact_sines
from mlcourse.reference.posterior import mean_wave

ours = best_answer(task.support, grid, noise=0.5)
packaged = mean_wave(task.support, noise=0.5)(grid)[0]
learner = exact_sines(noise=0.5)
print(f"ours and mean_wave differ by   {np.abs(ours - packaged).max():.0e}")
print(f"ours and exact_sines differ by {np.abs(ours - learner(task.support, grid)).max():.0e}")

nothing = Examples(task.support.x[:0], task.support.y[:0])
prior_mean = best_answer(nothing, grid, noise=0.5)
print(f"with no point: {np.abs(prior_mean - average).max():.3f} from −1.62 cos x")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert A.size == 40_000 and np.abs(ours - packaged).max() < 1e-3
assert np.array_equal(packaged, learner(task.support, grid))
assert np.abs(prior_mean - average).max() < 0.02

# %% [markdown] slide=["Now condition on the points", "How many exact points leave no error: two, three or five?"]
# Without any point, the posterior is the prior, and its mean is the curve that pooled training finds.
#
# Now we judge the best answer on 600 tasks, with exact and with noisy support labels.
#
# **Predict.** How many exact points are needed until the best possible answer has no error left: two, three or five?

# %%
from mlcourse.evaluation import evaluate

def noisy(k_shot, noise):
    def sample(n_tasks, rng):
        support, query = Sinusoids(k_shot, n_query=50).sample(n_tasks, rng)
        y = support.y + noise * rng.normal(size=support.y.shape)
        return Task(Examples(support.x, y), query)
    return sample

def score(k_shot, noise):
    tasks = noisy(k_shot, noise)
    return evaluate(exact_sines(noise), tasks, n_tasks=600, rng=default_rng(1)).mean

exact_scores = {}
print("points       1     2     3     5")
for noise in (0.0, 0.5, 1.0):
    exact_scores[noise] = [score(k, noise) for k in (1, 2, 3, 5)]
    print(f"noise {noise}", *(f"{error:5.2f}" for error in exact_scores[noise]))

# %% tags=["hide-input"] slide=["Two. With noise, every further point helps"]
order = [1, 2, 3, 4, 0]                     # the point at 0.7 first
draws, after = default_rng(4), {}
with figures.style():
    figure, panels = figures.canvas(2, 2, height=4.6, sharex=True, sharey=True)
    for axes, k in zip(panels.flat, (0, 1, 2, 5)):
        seen = Examples(task.support.x[order[:k]], task.support.y[order[:k]])
        drawn = draws.choice(A.size, 40, p=posterior(seen, 0.5).ravel())
        after[k] = best_answer(seen, grid, 0.5)
        axes.plot(grid, task.query.y, color=figures.TRUTH, linewidth=5)
        axes.plot(grid, A.ravel()[drawn] * np.sin(grid - p.ravel()[drawn]), color=figures.look("fine-tune")[0], linewidth=0.5, alpha=0.5)
        axes.plot(grid, after[k], color=figures.INK, linewidth=1.8)
        axes.plot(seen.x, seen.y, "o", color=figures.INK)
        axes.set(title=f"{k} point" + "s" * (k != 1), xlim=(-5, 5), ylim=(-5.3, 5.3))
    for axes in panels[1]:
        axes.set_xlabel("x")
    for axes in panels[:, 0]:
        axes.set_ylabel("y")
figures.show(figure, alt="Four panels, after 0, 1, 2 and 5 points. Each has the true wave in grey, forty thin purple waves drawn from the posterior, and their mean in black. With no point the waves fill the plane. With one point they all pass near it and differ elsewhere. With two points they lie close to the true wave, and with five closer still.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert abs(exact_scores[0.0][0] - 1.2) < 0.1 and max(exact_scores[0.0][1:]) < 1e-9, exact_scores
assert np.allclose(exact_scores[0.5], [1.4, 0.48, 0.26, 0.12], atol=[0.2, 0.07, 0.05, 0.02]), exact_scores
assert np.allclose(exact_scores[1.0], [1.69, 1.01, 0.68, 0.40], atol=[0.2, 0.15, 0.1, 0.07]), exact_scores
assert abs(exact_scores[0.5][3] - 0.11) < 0.015, exact_scores
off_by = {k: np.mean((curve - task.query.y) ** 2) for k, curve in after.items()}
assert off_by[0] > off_by[1] > 1.5 and off_by[2] < 0.05 and off_by[5] < off_by[2], off_by
for curve in after.values():  # each mean is a wave
    features = np.hstack([np.sin(grid), np.cos(grid)])
    assert np.abs(features @ np.linalg.lstsq(features, curve, rcond=None)[0] - curve).max() < 1e-9

# %% [markdown]
# **What you saw.** Two. One exact point leaves an error of about 1.2, and two leave none. The reason is $A \sin(x - p) = a \sin x + b \cos x$ with $a = A \cos p$ and $b = -A \sin p$: two unknown numbers, and each point is one linear equation for them. The wave is linear in $a$ and $b$, so the mean of waves is a wave itself.
#
# With noise, every further point helps: at a noise of 0.5, five points still leave an error of 0.11. The picture assumes this noise. Each thin curve is a wave sampled from the posterior; the black curve is the posterior's mean.
#
# This is the **exact answer** for these sines. You can measure every later method by its distance from it.

# %% [markdown]
# ## Transfer: start from the average, then fine-tune
#
# The third ordinary way uses the support set. As with a large pre-trained model, it starts from the pooled parameters and adapts them with a few gradient steps on the support set.

# %% tags=["setup"]
def fine_tune(params, support, inner_lr, inner_steps):
    phi = params
    for _ in range(inner_steps):
        gradient = grad(loss)(phi, *support)
        phi = {name: phi[name] - inner_lr * gradient[name] for name in phi}
    return phi

# %% [markdown]
# An untuned baseline is an unfair comparison, so we try five rates and up to 40 steps on **meta-validation** tasks: waves that take no part in the final score. A `GradientLearner` takes the steps of `fine_tune`, then calls `network.apply`. `sweep_steps` tries it with each rate and each number of steps. The `score` is a mean squared error, so lower is better.

# %%
from mlcourse.baselines import sweep_steps
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
# A rate of 0.03 ruins the network. With smaller rates you need more steps: after 40 steps, every rate up to 0.01 gives about 2.2. One step at the smallest rate changes almost nothing.

# %% [markdown]
# ### Exercise 2.4 ●●○○○ Choose a rate
# *8 minutes. Why it matters: one careless line here makes a diverging rate win.*
#
# `losses` is an array `(n_tasks, n_rates)`: for each meta-validation task the query loss with each rate. On some tasks a large rate may have diverged, and its entry is `nan`. Return the rate with the smallest mean loss among the rates that diverged on no task.

# %% tags=["exercise"]
def best_rate(rates, losses):
    """Return the one of `rates` with the smallest mean loss over tasks."""
    return ...

# %% tags=["check"]
checks.nb02.best_rate(best_rate)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# Try `np.argmin([3.0, np.nan, 1.0])`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# First take the mean over the tasks: it is `nan` if one task is `nan`. Then replace such means by `np.inf`.
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
# `np.argmin` treats the first `nan` as the smallest number. And `np.nanmean` would judge a rate only by the tasks on which it did not diverge.
#
# </details>

# %% [markdown]
# Now we evaluate the chosen settings once, on 600 **meta-test** tasks. Notebook 03 explains the ±.
#
# **Predict.** On the 100 meta-validation tasks the best settings had errors of about 4.2 from scratch and 2.2 from the pooled start. Will the errors on the meta-test tasks be smaller, larger or the same? Find a reason for your answer.

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
# **What you saw.** Larger, for two reasons. The settings were the best *on the meta-validation waves*. And these 100 waves happened to be easier than most. Fine-tuning gets to about 2.6. It helps, but most of the error stays. Tuned training from scratch gets about 4.3, like predicting 0 everywhere: its best setting hardly changes the network.

# %% [markdown] slide=["Ten steps on the five points, from two starts", "Whose error on the *whole* wave falls by more than half?", "The random start's, the pooled one's, both, or neither?"]
# ## With your own hands
#
# Below, two networks take gradient steps on five points: one from a random start, one from a pooled start that was trained longer than ours. Each uses the rate that did best after ten steps on other waves. You can drag the points.
#
# **Predict.** These are the five points of this page. After ten steps, whose error on the *whole* wave has fallen by more than half: that of the random start, of the pooled one, of both, or of neither? Tick *show the wave behind them*, then press **Play**.

# %% slide=["Only the pooled one's, and that is luck"]
from mlcourse.lessons.widgets import OwnWave

OwnWave(methods=("scratch", "pooled"))

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
both = OwnWave(methods=("scratch", "pooled"))
assert np.allclose(np.hstack(both.support), np.hstack(task.support))
before, after = both.errors(0), both.errors(10)
assert round(before["scratch"], 2) == 4.96 and round(after["scratch"], 2) == 4.89
assert round(before["pooled"], 2) == 2.19 and round(after["pooled"], 2) == 0.85
assert after["pooled"] < before["pooled"] / 2 and after["scratch"] > before["scratch"] / 2
on_points = both.losses(0)["scratch"]
both.rates = both.rates | {"scratch": 0.01}
assert both.losses(10)["scratch"] < on_points - 0.3 and both.errors(10)["scratch"] > before["scratch"]
shipped, rate = weights.load("sinusoid_pooled"), both.rates["pooled"]
adapted = [(one, fine_tune(shipped, one.support, rate, 10)) for one in each(five_shot.sample(100, default_rng(7)))]
kept = np.array([[loss(phi, *part) / loss(shipped, *part) for part in one] for one, phi in adapted])  # support, query
assert np.median(kept[:, 0]) < 0.3 and np.median(kept[:, 1]) > 0.45, np.median(kept, axis=0)

# %% [markdown]
# **What you saw.** Only the pooled one: it goes from 2.19 to 0.85. The random start goes from 4.96 to 4.89. With a larger rate, 0.01, the random start gets nearer to the five points, but its error on the whole wave *rises*. The pooled result is luck: this wave is near the average. On other waves the error on the five points often becomes small, and the error on the whole wave falls much less, or hardly at all.
#
# Press **A new wave** a few times and play each.

# %% [markdown] slide=["Pull the curve up by 1 at x = 3", "In the family it then moves up by 1 at x = −3.5, too.", "How far does it move there from each start?"]
# ## Why so little?
#
# Pooled training asked for *one curve that is as good as possible for all tasks together*. At its minimum the gradients of the tasks cancel. Nothing in the loss asked that one task's gradient step should help that task.
#
# We take one point at $x = 3$ with a label 1 above the curve, make one gradient step, and draw the change of the *whole* curve. The grey line is the change that the family suggests. If a wave is 1 higher at $x = 3$, how much higher is it at another x, on average? For each x we take 5,000 waves, and a linear regression of their values at x on their values at $x = 3$. The slope is the height of the grey line.
#
# We compare the pooled start with one that was **trained to be fine-tuned** on the same family. In the code it is `MAML`, the name of the method that found it; notebook 05 builds it.
#
# **Predict.** When the curve goes up by 1 at $x = 3$, how far will each of the two move at $x = -3.5$? The family moves there by 1.

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

# %% tags=["hide-input"] slide=["Pooled: not at all. MAML's: by about half"]
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
# **What you saw.** From the pooled start the change is a ramp: the left half stays where it was, because pooled training never needed to relate the two halves. From MAML's start one point moves the whole curve. The change has roughly the shape of the family's, down in the middle and up again at $-3.5$, but there by about half in place of 1. This knowledge is in the starting numbers and nowhere else.
#
# Now take one gradient step on our five points from each start:

# %%
curves = {}
for name, start in starts.items():
    phi = fine_tune(start, task.support, inner_lr=0.01, inner_steps=1)
    curves[name] = network.apply(phi, grid)
    print(f"{name:7} five points, one step: {loss(phi, *task.query):.2f}")

learner = GradientLearner(network, loss, starts["MAML"], inner_lr=0.01, inner_steps=1)
maml_score = evaluate(learner, five_shot, n_tasks=600, rng=default_rng(42))
print(f"MAML    600 tasks, one step: {maml_score.mean:.2f} ± {maml_score.half_width:.2f}")

# %% tags=["hide-input"] slide=["One step on the five points: only the start differs"]
figure = figures.fits(curves, grid=grid, support=task.support, truth=task.query.y, title="one step on five points, from two starts")
figures.show(figure, alt="After one step from the pooled start the curve is still far from the wave on the left; from the MAML start it follows the wave on both sides.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert maml_score.mean < 0.9, maml_score
one_step = {name: float(np.mean((curve - task.query.y) ** 2)) for name, curve in curves.items()}
assert one_step["MAML"] < 0.6 * one_step["pooled"], one_step

# %% [markdown]
# Only the start differs. Here are all the ways of this page, with their errors on the 600 meta-test tasks:
#
# | way | uses other tasks | uses the support set | error |
# | --- | --- | --- | --- |
# | from scratch | no | yes | 4.3 |
# | pooled | yes | no | 3.0 |
# | pooled, then fine-tuned | yes | yes, but was not trained for it | 2.6 |
# | MAML's start, one step | yes | yes, and was trained for it | 0.7 |
# | the exact answer | is told the family | yes | 0 |
#
# The exact answer was told the prior. MAML's start stands for such a prior, but it was learned from tasks. Grant et al. (2018) read MAML as *hierarchical Bayes*, where the prior itself is estimated from many tasks. Notebooks 04 and 05 show how to find such a start.

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
table = {"from scratch": 4.3, "pooled": 3.0, "fine-tuned": 2.6}
assert all(abs(means[name] - said) < 0.08 for name, said in table.items()), means
assert abs(maml_score.mean - 0.7) < 0.06, maml_score
five_exact = evaluate(exact_sines(), five_shot, n_tasks=600, rng=default_rng(42))
assert five_exact.mean < 1e-9, five_exact

# %% [markdown]
# ## An old idea with several names
#
# Learning from many tasks how to learn a new one is called **meta-learning**, or *learning to learn*. Schmidhuber's diploma thesis of 1987 described programs that improve their own learning. Bengio, Bengio and Cloutier (1991) trained the rule by which synapses change. The book *Learning to Learn* (Thrun and Pratt, 1998) collected such work. Baxter (2000) proved that a learner with enough tasks of one family finds an *inductive bias*, a preference among functions, that is good for its new tasks.
#
# You can learn more than a start. In **in-context learning**, a network reads the five points as input and answers without any gradient step. Large language models such as GPT-3 do this (Brown et al., 2020), and transformers can learn it on families of functions (Garg et al., 2022). Notebook 11 will come to it.

# %% [markdown]
# ## What can go wrong
#
# **A step in place.** A step written with `-=` changes the arrays *inside* the dict that it was given. The result is right, but the next task starts where this one ended.
#
# **Predict.** We fine-tune on 200 tasks, one after the other, with the correct function and with this one. The changed start has also been trained on the labels of all earlier tasks. Is its mean error smaller or larger?

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
    for new_task in each(tasks):
        phi = function(start, new_task.support, 0.003, 10)
        query_losses.append(loss(phi, *new_task.query))
    print(f"{function.__name__:19} first task {query_losses[0]:.2f}", end="   ")
    print(f"mean of 200 tasks {np.mean(query_losses):.2f}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
right_losses = [loss(fine_tune(pooled, one.support, 0.003, 10), *one.query) for one in each(tasks)]
assert np.isclose(right_losses[0], query_losses[0])
assert np.mean(query_losses) > 1.15 * np.mean(right_losses), (np.mean(query_losses), np.mean(right_losses))

# %% [markdown]
# **What you saw.** Larger. Each task starts from a curve that was fitted to the previous waves. The first task agrees to the last digit, so a test on one task finds nothing. The same happens in PyTorch if you adapt a model and forget to restore its weights.

# %% [markdown]
# **One axis too few.** If labels have the shape `(n,)` and outputs `(n, 1)`, their difference has the shape `(n, n)`: every output is compared with every label.
#
# **Predict.** A network is trained with this bug for 500 steps on our five points. What does it learn?

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
# **What you saw.** The mean of the five labels, at all five points, and there is no error message. The reason is the same as for pooled training: one answer to many labels is best at their mean.
#
# The packaged loss refuses such shapes:

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
# Yes. The inputs now say which wave it is, so $\mathbb{E}[y \mid x, A, p]$ is that wave, and the floor is 0. In real tasks you do not have these two numbers; the support set has to replace them.
#
# </details>
#
# **2.** Suppose that the phases came from the whole circle, $[0, 2\pi]$. Which curve does pooled training converge to?
#
# <details><summary>Answer</summary>
#
# To 0. Every wave now has a mirror image in the family, and the mean of $\sin(x - p)$ over a whole circle of phases is 0 at every x. The average is then no better than predicting 0 everywhere.
#
# </details>
#
# **3.** From scratch, the error on the five points is 0 and the error on the wave is 20. One colleague wants a larger network, another a better optimiser. What do you say?
#
# <details><summary>Answer</summary>
#
# Neither helps. The loss that the optimiser minimises is already 0. Infinitely many curves go through five points, and a reason to prefer sines is missing. If you know the family, you can supply it: least squares on the features $\sin x$ and $\cos x$ finds the wave exactly. If you do not, the reason has to come from other tasks.
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
# - Compute the best possible answer on a known family, by a posterior on a grid.
# - Tune a baseline on meta-validation tasks.
# - Explain why the pooled minimum is a poor start.
#
# ## What comes next
#
# This page used numbers such as "2.55 ± 0.21". [Notebook 03](03_measuring_adaptation.ipynb) builds the function that made them, and shows what the ± says.
#
# ## References
#
# - C. Finn, P. Abbeel, S. Levine, *Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks*, ICML 2017, [arXiv:1703.03400](https://arxiv.org/abs/1703.03400): section 5.1 is our family of sines, table 2 the pre-trained baseline.
# - E. Grant, C. Finn, S. Levine, T. Darrell, T. Griffiths, *Recasting Gradient-Based Meta-Learning as Hierarchical Bayes*, ICLR 2018, [arXiv:1801.08930](https://arxiv.org/abs/1801.08930).
# - J. Schmidhuber, *Evolutionary Principles in Self-Referential Learning*, diploma thesis, Technische Universität München, 1987.
# - Y. Bengio, S. Bengio, J. Cloutier, *Learning a Synaptic Learning Rule*, IJCNN 1991.
# - S. Thrun, L. Pratt (eds.), *Learning to Learn*, Springer, 1998, [doi:10.1007/978-1-4615-5529-2](https://doi.org/10.1007/978-1-4615-5529-2).
# - J. Baxter, *A Model of Inductive Bias Learning*, Journal of Artificial Intelligence Research 12, 2000, [doi:10.1613/jair.731](https://doi.org/10.1613/jair.731).
# - T. Brown and others, *Language Models are Few-Shot Learners*, NeurIPS 2020, [arXiv:2005.14165](https://arxiv.org/abs/2005.14165).
# - S. Garg, D. Tsipras, P. Liang, G. Valiant, *What Can Transformers Learn In-Context? A Case Study of Simple Function Classes*, NeurIPS 2022, [arXiv:2208.01066](https://arxiv.org/abs/2208.01066).
# - R. Caruana, *Multitask Learning*, Machine Learning 28, 1997, [doi:10.1023/A:1007379606734](https://doi.org/10.1023/A:1007379606734): when learning tasks together helps.
# - D. P. Kingma, J. Ba, *Adam: A Method for Stochastic Optimization*, ICLR 2015, [arXiv:1412.6980](https://arxiv.org/abs/1412.6980).
