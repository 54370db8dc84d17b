# %% [markdown]
# # First-order MAML and Reptile
#
# On this page you take the second derivative out of MAML, twice over: first by changing one line, then with a method that needs no meta-gradient at all. On sines that costs little. Then you build two small tasks on which the first of them ends at **2.8 times the loss** of MAML, and you will know it before you run them.
#
# > **Recall.** In notebook 05, $\varphi = \theta - \alpha \nabla L(\theta)$. You move $\theta$ by a hair. How does $\varphi$ move?
# >
# > <details><summary>Answer</summary>
# >
# > By $I - \alpha H$ times that hair, where $H$ is the Hessian of the support loss at $\theta$: the start moves along, and the gradient in the step changes too. The second part is what this page drops.
# >
# > </details>

# %% [markdown]
# ## Before you start
#
# | | |
# | --- | --- |
# | **It gives you** | what may be dropped, and when it matters |
# | **You will be able to** | say exactly what first-order MAML drops, and measure it · predict on which tasks that hurts · write Reptile in five lines · explain why it works although it never looks at a query set · compare four methods fairly |
# | **You need** | [04](04_gradients_through_gradients.ipynb) (the Hessian as "how the gradient changes") and [05](05_maml_from_zero.ipynb) (both loops of MAML) |
# | **Time** | 65 minutes to read, 30 for the exercises, about 35 seconds to run |
# | **Skip it if** | you can say which old method Reptile is with one inner step, and why it is another with two |

# %% tags=["setup"]
import itertools
import time
import tracemalloc

import numpy as np

from mlcourse.lessons import checks, figures
from mlcourse.experiments import results
from mlcourse import weights
from mlcourse.reference import adam, autograd, losses, maml, networks, reptile
from mlcourse.reference.autograd import grad, stop_gradient
from mlcourse.tasks import Examples, Sinusoids, Task, each, five_points, stack

network = networks.mlp((1, 40, 40, 1))
loss = losses.squared_error(network)
task, wave = five_points()

# %% [markdown]
# ## One factor is dropped
#
# Move $\theta$ a little. The loss after the inner step changes for two reasons:
#
# 1. $\varphi$ moves along, because it starts from $\theta$.
# 2. The gradient inside the step changes, because it is now taken somewhere else.
#
# MAML counts both. **First-order MAML** counts the first alone: it takes the inner gradient for a constant. In symbols, for one inner step, with $H_i$ the Hessian of the support loss at $\theta$:
#
# $$\begin{aligned} \text{MAML:} \quad & (I - \alpha H_i) \, \nabla L(\varphi_i, \text{query}_i) \\ \text{first order:} \quad & \nabla L(\varphi_i, \text{query}_i) \end{aligned}$$
#
# So one factor is dropped, $I - \alpha H_i$. With several inner steps MAML has such a factor for each of them. What is left is an ordinary gradient: that of the query loss, taken **at** $\varphi_i$ and used to move $\theta$.
#
# You have met it. The broken meta-loss at the end of notebook 05 did this by accident. Now you do it on purpose. The tool is `stop_gradient`: the same numbers, but `grad` takes them for constants. (In torch it is called `.detach()`.) On $x \cdot x$ at 3:

# %%
def product(x):
    return x * x

def half_cut(x):
    return x * stop_gradient(x)         # the second x is now just the number 3

print("x · x:               ", product(3.0), " derivative", grad(product)(np.array(3.0)))
print("x · stop_gradient(x):", half_cut(3.0), " derivative", grad(half_cut)(np.array(3.0)))

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert (float(grad(product)(np.array(3.0))), float(grad(half_cut)(np.array(3.0)))) == (6.0, 3.0)

# %% [markdown]
# Both give 9. The derivative of the second is 3, not 6, for only the first $x$ counts as moving.

# %% [markdown]
# ### Exercise 6.1 ●●○○○ Drop the factor
# *5 minutes. Why it matters: it is the whole difference between the two methods, and easily made by accident.*
#
# Below is `adapt` of notebook 05 with one line left open. There it read `grad(loss)(phi, support.x, support.y)`. Fill it in so that the *values* of $\varphi$ stay as they were, while a `grad` from outside, with respect to `theta`, sees $\varphi$ move with `theta` one to one. `stop_gradient` takes a dict of arrays as well.

# %% tags=["exercise"]
def adapt_first_order(loss, theta, support, inner_lr, inner_steps):
    """Return φ; its derivative with respect to theta is the identity."""
    phi = theta
    for _ in range(inner_steps):
        gradient = ...
        phi = {name: phi[name] - inner_lr * gradient[name] for name in phi}
    return phi

# %% tags=["check"]
checks.nb06.adapt_first_order(adapt_first_order)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# The gradient must be a plain number to the outer loop. The first `phi` in the update line must not.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Cut the history of the place at which the gradient is taken. Which place is that, from the second step on?
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def adapt_first_order(loss, theta, support, inner_lr, inner_steps):
#     phi = theta
#     for _ in range(inner_steps):
#         gradient = grad(loss)(stop_gradient(phi), support.x, support.y)
#         phi = {name: phi[name] - inner_lr * gradient[name] for name in phi}
#     return phi
# ```
#
# `stop_gradient(grad(loss)(phi, …))` is right as well; it only computes a history first and then throws it away.
#
# </details>

# %% [markdown]
# If $\varphi_i$ moves with $\theta$ one to one, there is nothing to differentiate *through*. You may adapt with plain numbers and take one more gradient at the end. That is the shortest form of first-order MAML:

# %%
def first_order_gradient(theta, tasks, inner_lr, inner_steps=1):
    gradients = []
    for one_task in each(tasks):
        phi = maml.adapt(
            loss, theta, one_task.support, inner_lr=inner_lr, inner_steps=inner_steps
        )
        gradients.append(grad(loss)(phi, *one_task.query))      # at φ, not at θ
    return {name: np.mean([g[name] for g in gradients], axis=0) for name in theta}

tasks = Sinusoids(k_shot=10, n_query=10).sample(25, np.random.default_rng(1))
theta = network.init(np.random.default_rng(0))
how = {"inner_lr": 0.01, "inner_steps": 3}
mine = first_order_gradient(theta, tasks, **how)
packaged = maml.meta_gradient(loss, theta, tasks, **how, first_order=True)
max(np.abs(mine[name] - packaged[name]).max() for name in theta)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert all(np.allclose(mine[name], packaged[name], rtol=1e-10, atol=1e-13) for name in theta)

# %% [markdown]
# The same, to the last digits. `first_order=True` in the package is the line of exercise 6.1.

# %% [markdown]
# ## How far off is it?
#
# Two vectors can differ in direction and in length. Adam evens out the length, so the direction counts. At 0° the two agree. Below 90° a small step along the first-order gradient still takes the meta-loss down. Beyond 90° it takes it up.
#
# **Predict.** A random network, `inner_lr=0.01`, one inner step: is the angle nearer to 10°, 45° or 80°? And at a $\theta$ that MAML has trained?

# %%
def flat(gradient):
    return np.concatenate([gradient[name].ravel() for name in gradient])

def beside_the_full_one(theta, inner_lr, inner_steps=1):
    """Angle in degrees, and length, of the first-order meta-gradient beside the full one."""
    how = {"inner_lr": inner_lr, "inner_steps": inner_steps}
    full = flat(maml.meta_gradient(loss, theta, tasks, **how))
    first = flat(maml.meta_gradient(loss, theta, tasks, **how, first_order=True))
    size = np.linalg.norm
    angle = np.degrees(np.arccos(first @ full / size(first) / size(full)))
    return angle, size(first) / size(full)

trained = weights.load("sinusoid_maml")
for name, place in {"random network": theta, "trained by MAML": trained}.items():
    angle, length = beside_the_full_one(place, inner_lr=0.01)
    print(f"{name}: angle {angle:.0f}°, {length:.2f} times as long")

# %% tags=["hide-input"]
rates = np.array([0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03])
with figures.style():
    figure, axes = figures.canvas(height=3.2)
    ends = []
    for name, place, steps, colour, line in (
        ("random, 1 step", theta, 1, "#0072B2", "-"),
        ("random, 5 steps", theta, 5, "#0072B2", "--"),
        ("trained, 1 step", trained, 1, "#D55E00", "-"),
    ):
        angles = [beside_the_full_one(place, rate, steps)[0] for rate in rates]
        axes.plot(rates, angles, line, color=colour, marker="o", markersize=4)
        ends.append((rates[-1], angles[-1], name, colour))
    axes.axhline(90, color=figures.QUIET, linewidth=1, linestyle=":")
    axes.annotate(
        "90°: beyond it, uphill", (rates[0], 90), xytext=(0, -4), textcoords="offset points",
        va="top", fontsize=8.5, color=figures.QUIET,
    )
    axes.set(xscale="log", ylim=(0, 97), xlabel="inner_lr (log scale)", ylabel="angle, degrees")
    axes.set_xticks([0.0005, 0.001, 0.005, 0.01, 0.03], ["0.0005", "0.001", "0.005", "0.01", "0.03"])
    axes.minorticks_off()
    figures.name_ends(axes, ends)
figures.show(figure, alt="Angle between first-order and full meta-gradient against inner_lr: at a random network it grows with the rate, from near zero to some 40 degrees; up to rate 0.01 it is larger with five inner steps than with one, and largest at a trained network.")

# %% tags=["hide-input"]
rows = []
for inner_steps in (1, 2, 3, 5, 10):
    angle, length = beside_the_full_one(theta, 0.01, inner_steps)
    rows.append((str(inner_steps), f"{angle:.0f}°", f"{length:.2f}"))
figures.table(
    rows,
    "First-order beside full meta-gradient: random network, inner_lr 0.01, 25 sines",
    columns=("inner steps", "angle", "length ÷ full"),
)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
at_random, at_trained = beside_the_full_one(theta, 0.01)[0], beside_the_full_one(trained, 0.01)[0]
assert 6 < at_random < 12 and 2.5 * at_random < at_trained < 80, (at_random, at_trained)
assert beside_the_full_one(theta, 0.0005)[0] < 1
several = [beside_the_full_one(theta, 0.01, n)[0] for n in (1, 2, 3, 5, 10)]
assert several == sorted(several) and 25 < several[-1] < 40, several
by_rate = {n: [beside_the_full_one(theta, rate, n)[0] for rate in rates] for n in (1, 5)}
assert by_rate[1] == sorted(by_rate[1]) and abs(by_rate[1][-1] - 40) < 6, by_rate
assert by_rate[5][:5] == sorted(by_rate[5][:5]) and all(one < five for one, five in list(zip(*by_rate.values(), strict=True))[:5]), by_rate
assert all(beside_the_full_one(trained, rate)[0] > by_rate[5][i] for i, rate in enumerate(rates[:5]))

# %% [markdown]
# **What you saw.** On the random network, about 10°. The angle vanishes with $\alpha$. Up to a rate of 0.01 it grows with the rate and with the number of steps. At the trained network it is several times larger. No wonder: MAML has looked for a place where *one step does much*, and a step that does much is one for which $\alpha H$ is not small.
#
# What you get for it is less to compute and less to keep. Second order must keep every inner step until the walk back (notebook 04). The short form above lets go of each step when it is done:

# %% tags=["nbval-ignore-output"]
def kilobytes(f):
    """The most memory in use at one time while f runs."""
    tracemalloc.start()
    f()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1000

def milliseconds(f, repeats=5):
    started = time.process_time()
    for _ in range(repeats):
        f()
    return 1000 * (time.process_time() - started) / repeats

# %% tags=["hide-input", "nbval-ignore-output"]
single, rows, cost = Sinusoids(10, 10).sample(1, np.random.default_rng(1)), [], {}
for inner_steps in (1, 5, 20):
    def full(tasks=single, inner_steps=inner_steps):
        return maml.meta_gradient(loss, theta, tasks, inner_lr=0.01, inner_steps=inner_steps)

    def first(tasks=single, inner_steps=inner_steps):
        return first_order_gradient(theta, tasks, inner_lr=0.01, inner_steps=inner_steps)

    times, sizes = (milliseconds(full), milliseconds(first)), (kilobytes(full), kilobytes(first))
    cost[inner_steps] = (*times, *sizes)
    rows.append((str(inner_steps), *(f"{n:.1f}" for n in times), *(f"{n:,.0f}" for n in sizes)))
figures.table(
    rows,
    "One meta-gradient of one task, NumPy, on the machine that built this page",
    columns=("inner steps", "MAML, ms", "first-order, ms", "MAML, kB", "first-order, kB"),
)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
def nodes(f):
    before = next(autograd._order)
    f()
    return next(autograd._order) - before - 1

assert nodes(full) > 2 * nodes(first), (nodes(full), nodes(first))          # the last round: twenty steps
assert cost[20][2] > 10 * cost[1][2] and cost[20][3] < 1.5 * cost[1][3], cost
assert cost[20][2] > 20 * cost[20][3] and cost[1][2] > 2 * cost[1][3], cost

# %% [markdown]
# MAML's memory grows with each step; that of the short form hardly does. With twenty steps MAML holds more than twenty times as much, and its graph has more than twice as many nodes.

# %% [markdown]
# ## On sines it costs little
#
# Both methods were trained in full, three seeds each, by the command under the table of notebook 05.
#
# **Predict.** After 70,000 meta-steps with gradients that are tens of degrees apart: how much higher is the loss of first order? Ten times, twice, or less than that?

# %%
table = results.load("sinusoid")
by_method = {row["method"]: row["values"] for row in table["rows"]}
rows = []
for column in ("1 step", "10 steps"):
    for name in ("MAML", "first-order MAML"):
        rows.append((f"{name}, {column}", *by_method[name][column]))
figure = figures.intervals(rows, xlabel="mean squared error, 600 new sines")
figures.show(figure, alt="Mean squared error with 95 % intervals: first-order MAML lies a little above MAML after one step, and after ten their intervals overlap.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
ratio = {column: by_method["first-order MAML"][column][0] / by_method["MAML"][column][0] for column in ("1 step", "10 steps")}
assert abs(ratio["1 step"] - 5 / 4) < 0.03 and abs(ratio["10 steps"] - 7 / 6) < 0.03, ratio
ends = {column: (sum(by_method["MAML"][column]), np.subtract(*by_method["first-order MAML"][column])) for column in ratio}
assert ends["1 step"][0] < ends["1 step"][1] and ends["10 steps"][0] > ends["10 steps"][1], ends
assert by_method["pooled, fine-tuned"]["10 steps"][0] > 2 and len(table["seeds"]) == 3
assert table["details"]["settings"]["meta_steps"] == 70_000
omniglot = {}
for name in ("maml", "fomaml"):
    stored_run = results.load(str(results.results_folder() / f"omniglot/omniglot_random_{name}_5w1s.json"))
    assert len(stored_run["seeds"]) == 1 and "H100" in stored_run["hardware"]["gpu"]
    omniglot[name] = [row["values"]["accuracy, %"][0] for row in stored_run["rows"]]       # together, alone
assert all(0 < full - first < 0.5 for full, first in zip(*omniglot.values(), strict=True)), omniglot

# %% [markdown]
# **What you saw.** About a quarter more after one step, and a sixth after ten. Training without any inner loop ends above 2, so most of MAML's gain is there without its second derivative. On miniImageNet the paper of MAML finds little difference, too, and a speed-up of about a third. On Omniglot our two runs, one seed each, lie within half a point (notebook 09).
#
# A direction that is some tens of degrees off still leads downhill, and there are 70,000 steps to get there. Does first order *always* come so near?

# %% [markdown]
# ## Two tasks on which it loses
#
# Take the smallest model there is, $f(x) = w x$, and two tasks:
#
# - a **flat** one: inputs $\pm 1$, true slope 1, so the loss is $(w - 1)^2$;
# - a **steep** one: inputs $\pm 3$, true slope 2, so the loss is $9\,(w - 2)^2$.
#
# Think of two sensors, one of which reports in larger units. There is no noise, and query and support are the same two points: nothing can go wrong but the outer gradient.

# %% tags=["setup"]
def line_loss(params, x, y):
    return autograd.mean((params["w"] * x - y) ** 2)

def line(scale, slope):
    x = scale * np.array([[-1.0], [1.0]])
    return Task(Examples(x, slope * x), Examples(x, slope * x))

two_tasks = stack([line(scale=1, slope=1), line(scale=3, slope=2)])

# %% [markdown]
# Both losses have the form $\tfrac{c}{2}(w - m)^2$: $m$ is the task's own slope, and $c$, the second derivative, its *curvature*, here 2 and 18. The gradient is $c\,(w - m)$, so one inner step with `inner_lr` $\alpha = 0.05$ leaves a share $1 - \alpha c$ of the distance:
#
# $$\varphi_i - m_i = (1 - \alpha c_i)(w - m_i)$$
#
# That share is 0.9 in the flat task and 0.1 in the steep one. The steep task repairs itself in one step, wherever you start. The flat one hardly moves. So a good start stands close to the *flat* task's slope.
#
# Does each method see that? The gradient at $\varphi_i$ is $c_i (\varphi_i - m_i)$, and the line above says what that is in terms of $w$. It is first order's gradient. MAML multiplies it by $\partial \varphi_i / \partial w$, which is the share $1 - \alpha c_i$ once more. (Joint training takes its gradient at $w$, so it has no share at all.)
#
# | method | its gradient, task $i$ | weights, flat : steep | at rest at |
# | --- | --- | --- | --- |
# | joint training | $c_i \, (w - m_i)$ | 2 : 18 | 1.9 |
# | first-order MAML | $c_i (1 - \alpha c_i) \, (w - m_i)$ | 1.8 : 1.8 | 1.5 |
# | MAML | $c_i (1 - \alpha c_i)^2 \, (w - m_i)$ | 1.62 : 0.18 | 1.1 |
#
# Each gradient is a weight times the distance to the task's slope. Where the mean over tasks is zero, the method rests: at the *weighted mean of the slopes*. First order has one factor $1 - \alpha c$ too few, so it believes the steep task too much.
#
# **Predict.** The formula says 1.1 and 1.5. Do the packaged methods go there? And what is the mean loss after one step at 1.1, and at 1.5? The two shares are all that you need.

# %%
def outer_loop(w, inner_lr, meta_lr, meta_steps, **how):
    path = [w]
    for _ in range(meta_steps):
        params = {"w": np.array(w)}
        gradient = maml.meta_gradient(line_loss, params, two_tasks, inner_lr=inner_lr, **how)
        w = w - meta_lr * float(gradient["w"])
        path.append(w)
    return np.array(path)

def loss_after_one_step(w):
    return float(maml.meta_loss(line_loss, {"w": np.array(w)}, two_tasks, inner_lr=0.05))

methods = {"joint": {"inner_steps": 0}, "first-order": {"first_order": True}, "MAML": {}}
for name, how in methods.items():
    rest = outer_loop(w=0.0, inner_lr=0.05, meta_lr=0.1, meta_steps=200, **how)[-1]
    print(f"{name:12} rests at {rest:.3f}, loss after a step {loss_after_one_step(rest):.4f}")

# %% tags=["hide-input"]
with figures.style():
    figure, axes = figures.canvas(height=2.9)
    grid = np.linspace(0.85, 2.1, 120)
    axes.plot(grid, [loss_after_one_step(w) for w in grid], color=figures.TRUTH, linewidth=3)
    for name, place, side in (("MAML", 1.1, "center"), ("first-order", 1.5, "right"), ("joint", 1.9, "right")):
        (colour, _), height = figures.look(name), loss_after_one_step(place)
        axes.plot(place, height, "o", color=colour, markersize=8)
        axes.annotate(
            f"{name}: {height:.2f}", (place, height), xytext=(-5 if side == "right" else 0, 8),
            textcoords="offset points", ha=side, va="bottom", color=figures.readable(colour),
        )
    axes.set(xlabel="start w", ylabel="loss after one inner step", ylim=(0, 0.45))
figures.show(figure, alt="Loss after one inner step against the start w, a bowl with its bottom at 1.1: MAML rests at the bottom, first-order MAML at 1.5 with nearly three times the loss, joint training at 1.9 with eight times.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
curvature, inside, wanted = np.array([2.0, 18.0]), 1 - 0.05 * np.array([2.0, 18.0]), np.array([1.0, 2.0])
for power, how, place in ((0, {"inner_steps": 0}, 1.9), (1, {"first_order": True}, 1.5), (2, {}, 1.1)):
    weight = curvature * inside**power
    assert np.isclose(weight @ wanted / weight.sum(), place)
    assert np.isclose(outer_loop(0.0, 0.05, 0.1, 200, **how)[-1], place, atol=1e-6)
assert round(loss_after_one_step(1.5) / loss_after_one_step(1.1), 1) == 2.8
assert round(loss_after_one_step(1.9) / loss_after_one_step(1.1), 1) == 8.1

# %% [markdown]
# **What you saw.** They do, to the last digit shown. First order comes to rest at 2.8 times MAML's loss. No longer training, no other rate and no other optimiser in the outer loop would help: at 1.5 its gradient *is* zero.

# %% [markdown]
# ### Exercise 6.2 ●●●○○ Where does it come to rest?
# *10 minutes. Why it matters: with this function you can tell before a run whether first order is safe.*
#
# Write the closed form for any number of such tasks and any number of inner steps. `curvatures` and `slopes` are arrays with one entry a task. Each inner step leaves the share $1 - \alpha c$ of the distance, so $k$ steps leave $(1 - \alpha c)^k$. MAML's gradient has this share twice, first order's once. Return the weighted mean of the slopes.

# %% tags=["exercise"]
def rests_at(curvatures, slopes, inner_lr, inner_steps, first_order):
    """Return the w at which the outer loop comes to rest, one number."""
    return ...

# %% tags=["check"]
checks.nb06.rests_at(rests_at)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# Take the table above. Which power of the share stands in each row, for one step? What becomes of the share with $k$ steps?
#
# </details>
# <details><summary>Hint 2</summary>
#
# A weighted mean is the sum of weight times value, divided by the sum of the weights. The curvature is part of the weight.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def rests_at(curvatures, slopes, inner_lr, inner_steps, first_order):
#     share_left = (1 - inner_lr * curvatures) ** inner_steps
#     weight = curvatures * share_left ** (1 if first_order else 2)
#     return np.sum(weight * slopes) / np.sum(weight)
# ```
#
# Now $\varphi_i - m_i$ holds the share to the power $k$, and so does $\partial \varphi_i / \partial w$, by which MAML multiplies. Try equal curvatures: the weights are equal, and both methods rest at the same place.
#
# </details>

# %% [markdown]
# See it move, with the functions of this page. (The sliders run your Python, so they need a kernel; the picture that is stored here answers the second question.)
#
# **Predict.** At which `inner_lr` do the two rest at the same place? And with a second inner step, do they come nearer to each other or part further?

# %%
from mlcourse.lessons.widgets import experiment

def resting_places(inner_lr=0.05, inner_steps=2):
    how = {"inner_lr": inner_lr, "inner_steps": inner_steps}
    def after(w):
        return float(maml.meta_loss(line_loss, {"w": np.array(w)}, two_tasks, **how))
    with figures.style():
        figure, axes = figures.canvas()
        grid = np.linspace(0.5, 2.5, 81)
        axes.plot(grid, [after(w) for w in grid], color=figures.TRUTH, linewidth=3)
        for name, first_order, side in (("MAML", False, "right"), ("first-order", True, "left")):
            rest = outer_loop(1.5, meta_lr=0.1, meta_steps=300, first_order=first_order, **how)[-1]
            axes.plot(rest, after(rest), "o", color=figures.look(name)[0], markersize=8)
            axes.annotate(f"{name}: {rest:.2f}", (rest, after(rest)), xytext=(0, 10), textcoords="offset points", ha=side)
        axes.set(xlabel="start w", ylabel="loss after the inner steps", ylim=(0, None))
    return figure

experiment(
    resting_places, inner_lr=(0.0, 0.055, 0.005), inner_steps=(1, 3),
    alt="Loss after the inner steps (inner_steps {inner_steps}, inner_lr {inner_lr}) against the start, and where MAML and first-order MAML come to rest.",
)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
def two_rests(inner_lr, inner_steps):
    how = {"inner_lr": inner_lr, "inner_steps": inner_steps, "meta_lr": 0.1, "meta_steps": 300}
    return [round(float(outer_loop(1.5, first_order=first_order, **how)[-1]), 2) for first_order in (False, True)]

assert two_rests(0.0, 1) == [1.9, 1.9] and two_rests(0.05, 1) == [1.1, 1.5] and two_rests(0.05, 2) == [1.0, 1.1]

# %% [markdown]
# **What you saw.** At 0: then there is no inner step, and both are joint training at 1.9. From there they part, 1.10 and 1.50 at 0.05. With a second step they come nearer again, 1.00 and 1.10: two steps repair the steep task all but completely, so that for both of them only the flat one counts.

# %% [markdown]
# ### When the inner step overshoots
#
# Now double the inner rate: $\alpha = 0.1$. In the steep task $1 - \alpha c = 1 - 1.8 = -0.8$. The step jumps across the bottom and lands on the other side, a bit nearer. The inner loop still converges.
#
# **Predict.** MAML's weight has the square of that share, first order's the share itself. What does a *negative* weight do to an outer loop?

# %%
for name, first_order in {"MAML": False, "first-order": True}.items():
    path = outer_loop(1.0, inner_lr=0.1, meta_lr=0.05, meta_steps=15, first_order=first_order)
    print(f"{name:12} w after 0, 5, 10, 15 steps: {np.round(path[::5], 2)}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert abs(outer_loop(1.0, 0.1, 0.05, 100)[-1] - 1.9) < 1e-3
assert outer_loop(1.0, 0.1, 0.05, 15, first_order=True)[-1] < -50

# %% [markdown]
# **What you saw.** First order walks away from the tasks, faster and faster. At $\varphi$, on the far side of the bottom, the gradient points the wrong way for $w$. MAML knows that $\varphi$ moves *against* $w$ here; first order assumes that it moves along.
#
# One parameter could be an accident. Here is a model with two, the sine $a \sin(x - p)$ of the steppers, with three tasks and one inner step. Below is the real loss after that step, and the way that three methods take from the same start, sixty outer steps long. (The figures are losses where they end.)

# %% tags=["hide-input"]
from mlcourse.lessons.widgets.stepper import loops

three_sines, trails, ends_at = loops.draw_tasks(seed=2), {}, {}
for name, method in {"MAML": "maml", "first-order": "first-order", "joint": "joint"}.items():
    place, trail = {"a": np.float64(0.6), "p": np.float64(0.6)}, []
    for _ in range(61):
        trail.append((place["p"], place["a"]))
        after = {"a": place["a"], "p": place["p"]}
        place = loops.outer_step(method, place, three_sines, inner_steps=1)
    ends_at[name] = float(maml.meta_loss(loops.loss, after, three_sines, inner_lr=loops.INNER_LR))
    trails[f"{name}: {ends_at[name]:.2f}"] = np.array(trail)
figure = figures.loss_surface(
    loops.grid_loss(None, three_sines, 1), loops.GRID[1][0], loops.GRID[0][:, 0],
    trails=trails, xlabel="phase p, radians", ylabel="amplitude a",
    title="loss after one inner step, and sixty outer steps",
)
figures.show(figure, alt="Contours of the loss after one inner step over phase and amplitude: MAML walks into the lowest place, first-order MAML and joint training stop elsewhere, on higher ground.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert ends_at["MAML"] < 0.4 and ends_at["first-order"] > 1.4 and ends_at["first-order"] > ends_at["joint"] > 1.3
assert abs(ends_at["first-order"] / ends_at["MAML"] - 4) < 0.5
bowl, wanted_places = np.array([[6.0, 3.0], [3.0, 4.0]]), np.array([[1.0, 0.0], [0.0, 2.0], [-3.0, 1.0]])
factor, theta_there = np.eye(2) - 0.1 * bowl, np.array([3.0, -1.0])        # one Hessian for three tasks
towards = {power: bowl @ np.linalg.matrix_power(factor, power) for power in (1, 2)}
for weight in towards.values():
    assert np.allclose(np.linalg.solve(3 * weight, weight @ wanted_places.sum(axis=0)), wanted_places.mean(axis=0))
one_way, other_way = (weight @ (theta_there - wanted_places.mean(axis=0)) for weight in towards.values())
assert np.degrees(np.arccos(one_way @ other_way / np.linalg.norm(one_way) / np.linalg.norm(other_way))) > 5
four_tasks = stack([line(scale, slope) for scale in (1, 5.5**0.5) for slope in (1, -1)])
four_curvatures, four_slopes = np.array([2.0, 2.0, 11.0, 11.0]), np.array([1.0, -1.0, 1.0, -1.0])
assert np.allclose(four_curvatures * (1 - 0.1 * four_curvatures), [1.6, 1.6, -1.1, -1.1])
for power, how in ((1, {"first_order": True}), (2, {})):
    w = np.array(1.0)
    for _ in range(300):
        w = w - 0.1 * maml.meta_gradient(line_loss, {"w": w}, four_tasks, inner_lr=0.1, **how)["w"]
    weight = four_curvatures * (1 - 0.1 * four_curvatures) ** power
    assert abs(w) < 1e-3 and weight.sum() > 0 and abs(weight @ four_slopes) < 1e-12, (how, w)
assert np.isclose((curvature * (1 - 0.1 * curvature)).sum(), -12.8) and (curvature * (1 - 0.1 * curvature) ** 2).sum() > 0

# %% [markdown]
# MAML goes downhill on this surface. First order walks past the valley, to a place with four times MAML's loss: worse even than joint training, which never looks at what a step does.
#
# So, when does the dropped factor matter? When *all* of this comes together:
#
# - **$\alpha H$ is not small**: one step does much. That is the very case that meta-learning aims for.
# - **It differs between tasks.** A factor that all share can turn and stretch the step, but the place of rest stays (quiz 2).
# - **It is tied to what tasks want.** If steep tasks want the same $w$ on average as flat ones, wrong weights give the same mean.
#
# An inner step that overshoots *can* be enough by itself: when the sum of first order's weights, $\sum_i c_i (1 - \alpha c_i)$, is negative (with more parameters: in some direction). Above it was 1.6 − 14.4. One negative weight is not enough: curvatures 2, 2, 11, 11 with slopes 1, −1, 1, −1 have weights 1.6, 1.6, −1.1, −1.1 at $\alpha = 0.1$, and both methods rest at 0. (MAML's weights hold a square: their sum is never negative.)
#
# This is no oddity of small examples: MAML can make the gradient of its meta-loss as small as you like, first order in general cannot (Fallah, Mokhtari and Ozdaglar, 2020).

# %% [markdown]
# ## Reptile: go where the tasks end up
#
# Reptile (Nichol, Achiam and Schulman, 2018) goes one step further: no meta-loss, no query set, no gradient at $\varphi$. Adapt to each task for a few steps. Then move $\theta$ a share of the way to where the tasks ended up:
#
# $$\theta \leftarrow \theta + \varepsilon \left( \frac{1}{T} \sum_{i=1}^{T} \varphi_i - \theta \right)$$
#
# The share $\varepsilon$ is `meta_lr` again, but mind its meaning: 0 stays, 1 goes all the way to the mean of the $\varphi_i$.

# %% [markdown]
# ### Exercise 6.3 ●●○○○ Reptile's outer step
# *5 minutes. Why it matters: this is all of Reptile that is not ordinary training.*
#
# `adapted` is a list of dicts, the $\varphi_i$. Return the new $\theta$, a new dict; leave `theta` and `adapted` as they are.

# %% tags=["exercise"]
def reptile_outer_step(theta, adapted, meta_lr):
    """Return θ + meta_lr · (mean of φ − θ), with the keys of theta."""
    return ...

# %% tags=["check"]
checks.nb06.reptile_outer_step(reptile_outer_step)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# Take one array of the dict at a time. Put that array of all tasks into a list. Over which axis of the list do you average?
#
# </details>
# <details><summary>Hint 2</summary>
#
# `np.mean([phi[name] for phi in adapted], axis=0)` is the mean of one array. Go from `theta[name]` towards it.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def reptile_outer_step(theta, adapted, meta_lr):
#     new = {}
#     for name in theta:
#         middle = np.mean([phi[name] for phi in adapted], axis=0)
#         new[name] = theta[name] + meta_lr * (middle - theta[name])
#     return new
# ```
#
# With `meta_lr=1` this is the mean itself. Nothing here is a gradient, and nothing needs one.
#
# </details>

# %% [markdown]
# `mlcourse.reference.reptile.meta_step` is this function after `adapt` in a loop. Only the support sets are looked at.
#
# **Predict.** Let Reptile take *one* inner step. To which method of notebook 02 is it then equal, to the last digit?

# %%
alpha, epsilon = 0.01, 0.5
by_reptile = reptile.meta_step(
    loss, theta, tasks, inner_lr=alpha, inner_steps=1, meta_lr=epsilon
)
x, y = tasks.support
all_points = Examples(x.reshape(-1, 1), y.reshape(-1, 1))    # every task in one big pot
gradient = grad(loss)(theta, *all_points)
by_joint_training = {name: theta[name] - epsilon * alpha * gradient[name] for name in theta}

print("length of the step", np.linalg.norm(flat(by_reptile) - flat(theta)))
print("difference        ", np.linalg.norm(flat(by_reptile) - flat(by_joint_training)))

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert np.linalg.norm(flat(by_reptile) - flat(by_joint_training)) < 1e-12 < 1e-3 < np.linalg.norm(flat(by_reptile) - flat(theta))

# %% [markdown]
# **What you saw.** One step of Reptile is joint training with the rate $\varepsilon \alpha$. The algebra is one line: $\varphi_i - \theta = -\alpha \nabla L(\theta, \text{support}_i)$, and the mean of gradients is the gradient of the mean. So everything that Reptile can do beyond joint training comes from the *second* inner step on.
#
# Train it: five inner steps, all the way to the mean at first (`meta_lr` 1), then less and less.

# %% tags=["nbval-ignore-output"]
rng = np.random.default_rng(0)
family = Sinusoids(k_shot=10, n_query=10)
reptile_theta = network.init(rng)
started, meta_steps = time.perf_counter(), 1000
for step in range(meta_steps):
    reptile_theta = reptile.meta_step(
        loss, reptile_theta, family.sample(5, rng),
        inner_lr=0.02, inner_steps=5, meta_lr=1 - step / meta_steps,
    )
print(f"{meta_steps} meta-steps in {time.perf_counter() - started:.0f} s")

# %% tags=["hide-input"]
def after_steps(theta, inner_steps, inner_lr=0.01):
    return maml.adapt(loss, theta, task.support, inner_lr=inner_lr, inner_steps=inner_steps)

curves = {
    name: network.apply(after_steps(reptile_theta, n), task.query.x)
    for name, n in {"before": 0, "1 step": 1, "10 steps": 10}.items()
}
figure = figures.fits(curves, grid=task.query.x, support=task.support, truth=task.query.y, title="Reptile, trained on this page, on the five points")
figures.show(figure, alt="Reptile's network on the five points: before, a wave of the wrong height and place; nearer to the true sine after one inner step; close to all five points after ten.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
missed = [float(np.mean((curve - task.query.y) ** 2)) for curve in curves.values()]
at_the_points = network.apply(after_steps(reptile_theta, 10), task.support.x) - task.support.y
assert missed == sorted(missed, reverse=True) and missed[0] > 1 and np.abs(at_the_points).max() < 0.6, (missed, at_the_points)

# %% [markdown]
# No query set, no gradient through a gradient, and yet a start that adapts. Why?

# %% [markdown]
# ## Why two steps are not one long step
#
# Let the inner loop see a *mini-batch* at a time: first batch 1, with gradient $g_1$ at $\theta$, then batch 2, with gradient $g_2$ at $\theta$ and Hessian $H_2$. (Both batches come from the support set of one task.)
#
# What do two steps together go *against*? That is $(\theta - \varphi) / \alpha$, the sum of the gradients that they used. The first step moves by $-\alpha g_1$. The second step sees a gradient that has changed on the way, by $H_2$ times that move (notebook 04: the Hessian tells how the gradient changes as you walk). So the sum is
#
# $$g_1 + \bigl( g_2 - \alpha H_2 g_1 \bigr) + \text{terms with } \alpha^2$$
#
# The batches come in random order, so take the mean of both orders:
#
# $$\underbrace{g_1 + g_2}_{\text{joint training}} \; - \; \frac{\alpha}{2} \underbrace{\bigl( H_2 g_1 + H_1 g_2 \bigr)}_{\nabla_\theta \, (g_1 \cdot g_2)}$$
#
# The second bracket is a gradient too, by the product rule: that of the inner product $g_1 \cdot g_2$. Read the formula: Reptile goes down the loss, and at the same time **up the inner product of the gradients of different batches**. Where that product is large, a step on some points of a task helps with its other points. That is what you want of a few-shot learner, and no query set was needed to ask for it.
#
# For $k$ steps the paper writes AvgGrad for the mean of the $g_j$, and AvgGradInner for the mean of $H_i g_j$ over two different batches. There is one such term for every *pair* of steps.

# %% [markdown]
# ### Exercise 6.4 ●●○○○ Count the pairs
# *5 minutes. Why it matters: with the count you can check the theory against the real loop, and see why one step gives nothing.*
#
# Write the two terms for $k$ = `inner_steps` steps. `avg_grad` and `avg_grad_inner` are arrays. For two steps they are those above: $g_1 + g_2$ is 2 AvgGrad, and the half of the bracket is AvgGradInner, so the answer is 2 AvgGrad − $\alpha$ AvgGradInner.

# %% tags=["exercise"]
def two_terms(avg_grad, avg_grad_inner, inner_lr, inner_steps):
    """Return the expansion of (theta - phi) / inner_lr after inner_steps steps."""
    return ...

# %% tags=["check"]
checks.nb06.two_terms(two_terms)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# Each step brings one gradient. Each step is also disturbed by every step *before* it.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Step 1 is disturbed by none, step 2 by one, step 3 by two, … How much is $0 + 1 + \dots + (k - 1)$?
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def two_terms(avg_grad, avg_grad_inner, inner_lr, inner_steps):
#     pairs = inner_steps * (inner_steps - 1) / 2
#     return inner_steps * avg_grad - inner_lr * pairs * avg_grad_inner
# ```
#
# With one step there is no pair, and what is left is joint training.
#
# </details>

# %% [markdown]
# Is it true? Test it on something smooth and small: the two-parameter sine, and our five points as five mini-batches of one point each. There are 120 orders. We run the inner loop in *all* of them, so that the mean is exact.

# %%
def wave_loss(params, x, y):
    return autograd.mean((params["a"] * autograd.sin(x - params["p"]) - y) ** 2)

batches = [(task.support.x[[i]], task.support.y[[i]]) for i in range(5)]
start = {"a": np.array(1.0), "p": np.array(0.3)}

def vector(params):
    return np.array([params["a"], params["p"]])

def inner_loop(order, inner_lr):
    """What the five steps, in this order of the batches, together go against."""
    phi = start
    for i in order:
        gradient = grad(wave_loss)(phi, *batches[i])
        phi = {name: phi[name] - inner_lr * gradient[name] for name in phi}
    return (vector(start) - vector(phi)) / inner_lr

# %% [markdown]
# Now the two terms: the mean gradient, and the mean of $H_i g_j$ over all pairs of different batches. The product with a Hessian is that of notebook 04.

# %%
g = [vector(grad(wave_loss)(start, *batch)) for batch in batches]

def times_hessian(i, v):
    """H of batch i, times v (exercise 4.4)."""
    def slope_along_v(params):
        gradient = grad(wave_loss)(params, *batches[i])
        return gradient["a"] * v[0] + gradient["p"] * v[1]
    return vector(grad(slope_along_v)(start))

avg_grad = np.mean(g, axis=0)
pairs = itertools.permutations(range(5), 2)
avg_grad_inner = np.mean([times_hessian(i, g[j]) for i, j in pairs], axis=0)
print("AvgGrad", avg_grad, "  AvgGradInner", avg_grad_inner)

# %%
rates = np.array([0.02, 0.01, 0.005, 0.002, 0.001, 0.0005])
orders = list(itertools.permutations(range(5)))
errors = {"one term": [], "two terms": []}
for rate in rates:
    real = np.mean([inner_loop(order, rate) for order in orders], axis=0)
    two = 5 * avg_grad - rate * 10 * avg_grad_inner               # 10 pairs of 5 steps
    errors["one term"].append(np.linalg.norm(real - 5 * avg_grad))
    errors["two terms"].append(np.linalg.norm(real - two))

# %% [markdown]
# **Predict.** The rate falls by a factor of 10, from 0.01 to 0.001. By which factor does the error of the first term alone fall? And that of both?

# %% tags=["hide-input"]
with figures.style():
    figure, axes = figures.canvas(height=3.0)
    looks = {"one term": ("#E69F00", "--"), "two terms": ("#0072B2", "-")}
    ends = []
    for name, values in errors.items():
        axes.plot(rates, values, looks[name][1], color=looks[name][0], marker="o", markersize=4)
        ends.append((rates[0], values[0], name, looks[name][0]))
    axes.set(xscale="log", yscale="log", xlabel="inner_lr (log scale)", ylabel="length of the error (log scale)")
    axes.set_xticks([0.0005, 0.001, 0.002, 0.005, 0.01, 0.02], ["0.0005", "0.001", "0.002", "0.005", "0.01", "0.02"])
    axes.minorticks_off()
    figures.name_ends(axes, ends)
figures.show(figure, alt="Error of the expansion against inner_lr on logarithmic axes, two straight lines: with one term the slope is one, with two terms it is two, and the error is far smaller.")

for name, values in errors.items():
    print(f"{name}: from rate 0.01 to 0.001 the error falls {values[1] / values[4]:.0f} times")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert 9 < errors["one term"][1] / errors["one term"][4] < 12 and 90 < errors["two terms"][1] / errors["two terms"][4] < 115
small, queries, through = 1e-3, [], []
for order in orders:
    def last_loss(theta, order=order, step=small):
        phi = theta
        for i in order[:-1]:
            gradient = grad(wave_loss)(phi, *batches[i])
            phi = {name: phi[name] - step * gradient[name] for name in phi}
        return wave_loss(phi, *batches[order[-1]])

    through.append(vector(grad(last_loss)(start)))
    phi = start
    for i in order[:-1]:
        gradient = grad(wave_loss)(phi, *batches[i])
        phi = {name: phi[name] - small * gradient[name] for name in phi}
    queries.append(vector(grad(wave_loss)(phi, *batches[order[-1]])))
assert np.linalg.norm(np.mean(queries, axis=0) - (avg_grad - 4 * small * avg_grad_inner)) < 1e-3 * np.linalg.norm(avg_grad)
assert np.linalg.norm(np.mean(through, axis=0) - (avg_grad - 8 * small * avg_grad_inner)) < 1e-3 * np.linalg.norm(avg_grad)
shares = {"MAML": lambda k, rate: 2 * (k - 1) * rate, "first-order": lambda k, rate: (k - 1) * rate, "Reptile": lambda k, rate: (k - 1) * rate / 2}
assert np.allclose(np.array([share(5, 0.01) for share in shares.values()]) / shares["Reptile"](5, 0.01), [4, 2, 1])
settings = table["details"]["settings"]
ran = (2, settings["inner_lr"]), (2, settings["inner_lr"]), (settings["reptile_inner_steps"], settings["reptile_inner_lr"])
assert ran == ((2, 0.01), (2, 0.01), (5, 0.005))
assert np.allclose(np.array([share(*how) for share, how in zip(shares.values(), ran, strict=True)]) / 0.01, [2, 1, 1])
assert shares["Reptile"](5, 0.02) > shares["MAML"](2, 0.01) > shares["first-order"](2, 0.01)     # the race

# %% [markdown]
# **What you saw.** Ten times, and a hundred times. The error with two terms falls as $\alpha^2$, so the second term is the right one.
#
# The same algebra for all three methods, with $k$ mini-batches of which MAML and first order use the last as the query:
#
# | method | AvgGrad | AvgGradInner | second ÷ first |
# | --- | --- | --- | --- |
# | MAML | $1$ | $-2(k-1)\,\alpha$ | $2(k-1)\,\alpha$ |
# | first-order MAML | $1$ | $-(k-1)\,\alpha$ | $(k-1)\,\alpha$ |
# | Reptile | $k$ | $-\tfrac12 k(k-1)\,\alpha$ | $\tfrac12 (k-1)\,\alpha$ |
#
# With two batches you can read it off. First order's gradient is the second bracket in the sum above, $g_2 - \alpha H_2 g_1$; MAML's factor $I - \alpha H_1$ takes another $\alpha H_1 g_2$ away. In the mean over both orders each product is one AvgGradInner.
#
# To this order all three mix the *same two* directions; at equal $k$ and $\alpha$ their shares of the second are as 4 : 2 : 1. Do not rank them by that. In the long runs below the shares are 2 : 1 : 1 (MAML and first order have $k = 2$ and $\alpha = 0.01$, Reptile five steps of 0.005). In the race below, with steps of 0.02, Reptile's is the largest.
#
# **What no query set means.** The theory needs *different* batches. `reptile.meta_step` gives every inner step the same, whole support set. Then the second term is $Hg = \tfrac12 \nabla |g|^2$ of one and the same batch: it looks for places where the loss is steep, but it no longer asks whether a step helps with *other* points. MAML asks that in every step. So Reptile wants large support sets in training, or mini-batches. On characters the paper trains with ten shots per class for tests with one or five.

# %% [markdown]
# ## Move it yourself: where the arrows lead
#
# Take the model of the two lines above with one more weight: $f(x) = w_1 x_1 + w_2 x_2$, so that $\theta$ is a point of a plane, and the plane is all there is. A task's loss is an exact bowl around its true weights, the star. Here each of the two bowls is a narrow valley. One inner step repairs nine tenths of what lies *across* the valley, and one tenth of what lies *along* it.
#
# Drag $\theta$ and the stars (or move them with the arrow keys), and watch the arrows. There is a fifth one: **implicit MAML** adapts by letting $\varphi$ slide to the task's minimum while a spring of strength $\lambda$ holds it to $\theta$. Its meta-gradient can be read off the place where $\varphi$ ends; no inner step is gone back through.
#
# **Predict.** The two valleys cross at the top; there the loss before any step is lowest. Rings with letters show where each method comes to rest: M for MAML, at the far side; F for first order, half-way. What keeps M away from the crossing? And where will it go when you make `inner_lr` smaller, down to 0.005?

# %%
from mlcourse.lessons.widgets import Landscape

landscape = Landscape("crossed")
landscape

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
scene, compared = landscape.scene, ("maml", "first-order", "joint", "reptile")
rests = {method: scene.rest(method) for method in compared}
at_rest = {method: scene.loss_after(place) for method, place in rests.items()}
assert np.allclose(np.linalg.eigvalsh(scene.curvatures) * scene.inner_lr, [[0.1, 0.9]] * 2)
assert np.allclose(rests["joint"], (0, 1.6)) and np.allclose(rests["reptile"], rests["joint"])
assert np.allclose(rests["maml"], (0, -1.6)) and np.allclose(rests["first-order"], 0, atol=1e-9)
assert min(rests, key=lambda method: scene.loss_at(rests[method])) in ("joint", "reptile")
assert (round(at_rest["first-order"] / at_rest["maml"], 1), round(at_rest["joint"] / at_rest["maml"], 1)) == (2.8, 8.1)
tiny = Landscape("crossed", inner_lr=0.005).scene
assert np.allclose(tiny.rest("maml"), rests["joint"], atol=0.07)
assert Landscape("crossed", inner_lr=0.1).scene.rest("first-order") is None
alike = Landscape("alike")
moves = alike.directions()
cosine = moves["joint"] @ moves["maml"] / np.linalg.norm(moves["joint"]) / np.linalg.norm(moves["maml"])
assert round(np.degrees(np.arccos(cosine))) == 66
assert all(np.allclose(alike.scene.rest(method), np.mean(alike.minima, axis=0)) for method in moves)

# %% [markdown]
# **What you saw.** With tiny steps M climbs to the crossing, too: who can hardly move has to start where the loss is low already. With steps of 0.05 it stays far away, because one step repairs what lies *across* the valleys, and at the far side nearly everything that is left lies across. There joint training, and Reptile with one step, pay for resting near the crossing: after the step their loss is 8.1 times MAML's. First order stops half-way, at 2.8 times MAML's loss. (Choose a method under *Follow* and press *Go there*, or *Play*, to watch it come to rest.)
#
# Two more things to try:
#
# - Set `inner_lr` to 0.1. Which method has no place of rest any more? (The steps now overshoot across the valley. Quiz 2 below asks for the reason.)
# - Set it back to 0.05, and choose the tasks *alike*: three bowls of one shape. The arrows differ, joint training's and MAML's by 66°, and yet all five methods rest at one place.

# %% [markdown]
# ## All four, side by side
#
# Step through them on the three sines of two parameters. Choose the method, then compare after the last outer step: where is $\theta$, and how far down do three inner steps take it?

# %%
from mlcourse.lessons.widgets import Stepper

stepper = Stepper(method="reptile")
stepper

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
final = {name: run.losses[-1][-1] for name, run in stepper.loops.runs.items()}
assert final["maml"] < final["first-order"] < final["reptile"] < final["joint"], final

# %% [markdown]
# MAML ends lowest, then first order, Reptile, joint training. Do not make a law of it: in the picture further up, with *one* inner step, first order ended behind joint training; and here each had twelve outer steps, at rates that are not tuned.
#
# Now the real network. For a fair race each method hands a *direction* to the same Adam: MAML and first order their meta-gradients, joint training the plain gradient at $\theta$, Reptile $\theta - \text{mean of } \varphi_i$ (the paper suggests that). All train on five sines a step. Reptile trains with five inner steps at rate 0.02; all are tested at 0.01.

# %%
def reptile_direction(theta, tasks):
    middle = reptile.meta_step(loss, theta, tasks, inner_lr=0.02, inner_steps=5, meta_lr=1.0)
    return {name: theta[name] - middle[name] for name in theta}

def meta_gradient_with(**how):
    return lambda theta, tasks: maml.meta_gradient(loss, theta, tasks, inner_lr=0.01, **how)

directions = {
    "MAML": meta_gradient_with(),
    "first-order": meta_gradient_with(first_order=True),
    "Reptile": reptile_direction,
    "joint": meta_gradient_with(inner_steps=0),
}
meta_steps = {"MAML": 1000, "first-order": 2000, "Reptile": 1000, "joint": 2000}

# %% [markdown]
# First order and joint training get twice as many steps, because theirs are cheaper. The seconds are processor time.
#
# **Predict.** Before any inner step, will joint training be the worst on new sines? And after one?

# %% tags=["nbval-ignore-output"]
live = {}
for name, direction in directions.items():
    rng, started = np.random.default_rng(0), time.process_time()
    theta_now = network.init(rng)
    moments = adam.init(theta_now)
    for _ in range(meta_steps[name]):
        gradient = direction(theta_now, family.sample(5, rng))
        theta_now, moments = adam.update(theta_now, gradient, moments, lr=3e-3)
    live[name] = theta_now
    seconds = time.process_time() - started
    print(f"{name:12} {meta_steps[name]} meta-steps, {seconds:.1f} s")

# %% tags=["hide-input", "nbval-ignore-output"]
from mlcourse.evaluation import adaptation_curve
from mlcourse.reference.learners import GradientLearner

curves, five_shot = {}, Sinusoids(k_shot=5, n_query=100)
for name, start_at in live.items():
    learner = GradientLearner(network, loss, start_at, inner_lr=0.01, inner_steps=5)
    curve = adaptation_curve(learner, five_shot, n_tasks=600, rng=np.random.default_rng(42))
    curves[name] = (curve.mean, curve.half_width)
figure = figures.adaptation_curves(curves, ylabel="query loss on 600 new sines")
figures.show(figure, alt="Query loss against inner steps for four methods on the same 600 sines: MAML, first-order MAML and Reptile fall well below joint training.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
one = {name: mean[1] for name, (mean, _) in curves.items()}
assert curves["joint"][0][0] < min(mean[0] for mean, _ in curves.values()) + 0.4
assert min(mean[0] for mean, _ in curves.values()) > 2.5
with_inner_loop = [one[name] for name in ("MAML", "first-order", "Reptile")]
assert one["joint"] > 1.25 * max(with_inner_loop), one
assert max(with_inner_loop) - min(with_inner_loop) < one["joint"] - max(with_inner_loop), one
assert one["joint"] > 0.75 * curves["joint"][0][0] and max(with_inner_loop) < 0.65 * curves["Reptile"][0][0], one

# %% [markdown]
# **What you saw.** Before the step none is good, and joint training is about as good as the best: that loss says nothing. After one step it is far behind: less than a quarter of its loss is gone. Beside that gap the other three lie close together, and on this small budget their order is not to be trusted. One seed each: the band is the interval over *tasks* and knows nothing of the luck of a run (notebook 03).
#
# For a verdict take the long runs: 70,000 meta-steps, three seeds, tuned baselines.

# %% tags=["hide-input"]
stored = table["details"]["adaptation_curves"]
curves_of_long_runs = {name: (np.array(curve["mean"]), np.array(curve["half_width"])) for name, curve in stored.items()}
figure = figures.adaptation_curves(curves_of_long_runs, ylabel="query loss on 600 new sines", log=True, title="after 70,000 meta-steps, mean of three seeds")
figures.show(figure, alt="Query loss against inner steps after long training, on a logarithmic axis: all three fall steeply in the first step; MAML is lowest, then first-order MAML, then Reptile.")

# %%
from IPython.display import Markdown, display

rows = []
for name in ("MAML", "first-order MAML", "Reptile", "pooled, fine-tuned", "from scratch"):
    values = [by_method[name][column] for column in ("1 step", "5 steps", "10 steps")]
    rows.append((name, *(f"{mean:.2f} ± {half:.2f}" for mean, half in values)))
display(figures.table(rows, table["title"], columns=("method", "1 step", "5 steps", "10 steps")))
Markdown(results.caption(table))

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
for column in ("1 step", "5 steps", "10 steps"):
    in_order = [by_method[name][column][0] for name in ("MAML", "first-order MAML", "Reptile", "pooled, fine-tuned")]
    assert in_order == sorted(in_order) and in_order[2] < 0.5 * in_order[3], (column, in_order)
assert set(stored) == {"MAML", "first-order MAML", "Reptile"}
means = [np.array(stored[name]["mean"]) for name in ("MAML", "first-order MAML", "Reptile")]
assert all((better[1:] < worse[1:]).all() for better, worse in itertools.pairwise(means))
assert all(mean[0] - mean[1] > 3 * (mean[1] - mean[-1]) for mean in means)
assert table["details"]["settings"]["reptile_inner_steps"] == 5 and table["details"]["settings"]["k_shot_training"] == 10

# %% [markdown]
# MAML, first order, Reptile, in this order in every column. All three end at less than half the loss of tuned joint training, the row *pooled, fine-tuned*. The differences among the three are a choice: MAML where you can pay its time and memory, the others where you cannot.

# %% [markdown]
# ## Reptile's own inner loop: Adam with a memory
#
# The paper's own code does not use plain gradient descent inside. It uses Adam without momentum ($\beta_1 = 0$): each weight's gradient is divided by the size of its recent gradients, which Adam remembers in its *moments*. A new task begins. What happens to that memory: is it wiped, or carried over from the tasks before?
#
# **Predict.** One weight, `inner_lr=0.01`. For one task its gradient is 10, for another 0.01: that task hardly cares about it. How far does the first step go in each, with fresh moments?

# %%
weight = {"w": np.array(0.0)}
fresh = adam.init(weight)
carried = fresh
for _ in range(20):                              # twenty earlier gradients of size 10
    _, carried = adam.update(weight, {"w": np.array(10.0)}, carried, lr=0.01, beta1=0.0)

for gradient in (10.0, 0.01):
    for name, moments in {"fresh": fresh, "carried": carried}.items():
        slope = {"w": np.array(gradient)}
        moved, _ = adam.update(weight, slope, moments, lr=0.01, beta1=0.0)
        print(f"gradient {gradient:5}, {name:7} moments: step {abs(float(moved['w'])):.6f}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
def first_move(gradient, moments):
    return abs(float(adam.update(weight, {"w": np.array(gradient)}, moments, lr=0.01, beta1=0.0)[0]["w"]))

assert np.allclose([first_move(10.0, fresh), first_move(0.01, fresh), first_move(10.0, carried)], 0.01, rtol=1e-3)
assert first_move(0.01, carried) < 2e-5
on_omniglot = results.load(str(results.results_folder() / "omniglot/omniglot_random_reptile_5w1s.json"))
assert round(on_omniglot["rows"][0]["values"]["accuracy, %"][0], 1) == 98.9 and len(on_omniglot["seeds"]) == 1
assert on_omniglot["rows"][0]["values"]["transductive"] == "yes" and on_omniglot["details"]["recipe"]["inner_steps"] == 5

# %% [markdown]
# **What you saw.** With fresh moments the first step has the same length whatever the gradient: it keeps the sign and forgets the size. With five inner steps that is much of the inner loop, and $\varphi_i$ is shaken in all the weights that the task does not care about. Carried moments remember what size is usual. The paper's code carries them from task to task, and with $\beta_1 = 0$ nothing of a task's *direction* leaks into the next. With them Reptile reaches 98.9 % on Omniglot (notebook 09: one seed, queries judged together).

# %% tags=["setup"]
def inner_adam(theta, moments, support):
    """Five inner steps of Adam with β1 = 0 on the support set: φ, and the moments after."""
    # five mini-batches, one a step, each of which holds the indices of the whole set
    whole_set = np.tile(np.arange(len(support.x)), (5, 1))
    return reptile.adapt_adam(loss, theta, moments, support, whole_set, inner_lr=0.003)

def mean_of_moments(several):
    """The mean over tasks of a list of moments."""
    names = several[0].first
    first = {name: np.mean([m.first[name] for m in several], axis=0) for name in names}
    second = {name: np.mean([m.second[name] for m in several], axis=0) for name in names}
    return adam.Moments(first, second, several[0].steps)

# %% [markdown]
# ### Exercise 6.5 ●●○○○ Carry the moments
# *5 minutes. Why it matters: re-implementations of Reptile differ in this line, and nothing crashes.*
#
# Fill in both places. Our tasks run side by side, so no task can hand its moments to the next one. Instead every task of a meta-step begins with the *same* moments, those of the step before. Afterwards they are the mean over the tasks: `mean_of_moments(after)`. `inner_adam(theta, moments, support)` returns $\varphi$ and its moments.

# %% tags=["exercise"]
def reptile_adam_step(theta, moments, tasks, meta_lr):
    """Return the new theta, and the moments with which the next meta-step begins."""
    adapted, after = [], []
    for one_task in each(tasks):
        phi, moments_of_task = inner_adam(theta, ..., one_task.support)
        adapted.append(phi)
        after.append(moments_of_task)
    next_moments = ...
    return reptile.interpolate(theta, adapted, meta_lr), next_moments

# %% tags=["check"]
checks.nb06.reptile_adam_step(reptile_adam_step)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# Where in the function's arguments is the memory of the meta-steps before?
#
# </details>
# <details><summary>Hint 2</summary>
#
# No task may see the moments of another task of the same step: the tasks are run side by side.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def reptile_adam_step(theta, moments, tasks, meta_lr):
#     adapted, after = [], []
#     for one_task in each(tasks):
#         phi, moments_of_task = inner_adam(theta, moments, one_task.support)
#         adapted.append(phi)
#         after.append(moments_of_task)
#     next_moments = mean_of_moments(after)
#     return reptile.interpolate(theta, adapted, meta_lr), next_moments
# ```
#
# This is `reptile.meta_step_adam` of the package, without its mini-batches. `adam.init(theta)` in place of `moments` would wipe the memory for each task.
#
# </details>

# %% [markdown]
# ## What can go wrong
#
# **Judging by the training loss.** Reptile needs no query set, so it is tempting to keep none and to watch the loss on the support points.
#
# **Predict.** Reptile and joint training, both from the race above, adapt for 50 steps to five points of a hundred new sines. How do their *support* losses compare? And their query losses?

# %% tags=["nbval-ignore-output"]
new_tasks = Sinusoids(k_shot=5, n_query=100).sample(100, np.random.default_rng(3))
judged = {}
for name in ("Reptile", "joint"):
    scores = []
    for new in each(new_tasks):
        phi = maml.adapt(loss, live[name], new.support, inner_lr=0.01, inner_steps=50)
        scores.append((loss(phi, *new.support), loss(phi, *new.query)))
    judged[name] = np.mean(scores, axis=0)
    print("{:8} support {:.2f}   query {:.2f}".format(name, *judged[name]))

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert all(support < 0.4 and query > 3 * support for support, query in judged.values()), judged
assert judged["joint"][1] > 1.3 * judged["Reptile"][1], judged

# %% [markdown]
# **What you saw.** By their support losses both look good: each fits its five points. The query losses are many times as large, and only they show how far joint training is behind. To fit five points is no feat. Reptile may *train* without a query set; you may not *judge* it without one.
#
# **Reading `meta_lr` as a rate.** In Reptile it is a share of the way. Beyond 1 you walk past the mean of the $\varphi_i$. On the two lines of above, from $w = 0$:

# %%
how = {"inner_lr": 0.05, "inner_steps": 5}
for meta_lr in (0.3, 1.0, 4.0):
    place, path = {"w": np.array(0.0)}, []
    for _ in range(4):
        place = reptile.meta_step(line_loss, place, two_tasks, **how, meta_lr=meta_lr)
        path.append(float(place["w"]))
    print(f"meta_lr {meta_lr}: w = {np.round(path, 2)}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
from_the_mean = np.array(path) - 1.71
assert (np.sign(from_the_mean[1:]) == -np.sign(from_the_mean[:-1])).all() and (np.diff(np.abs(from_the_mean)) > 1).all()

# %% [markdown]
# With 4 each step jumps across and lands farther away. Start at 1 or below, and let it fall to zero, as the paper does.
#
# **Changing θ inside the loop over tasks.** It saves a list and looks the same:

# %%
right = reptile.meta_step(line_loss, {"w": np.array(0.0)}, two_tasks, **how, meta_lr=1.0)

place = {"w": np.array(0.0)}
for one_task in each(two_tasks):
    phi = maml.adapt(line_loss, place, one_task.support, **how)
    place["w"] += 1.0 * (phi["w"] - place["w"])  # θ moves while the loop still runs
print(f"right {right['w']:.2f}, changed in place {place['w']:.2f}; the last task's slope is 2")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert abs(float(place["w"]) - 2.0) < 1e-3 and float(right["w"]) < 1.5

# %% [markdown]
# Each task now starts where the one before has ended, and with `meta_lr=1` the last task takes all. (One task a step, as in the paper's first algorithm, is a different matter: then `meta_lr` must be small.) And **one inner step** makes Reptile joint training, as you saw: if it refuses to learn, look at `inner_steps` first.

# %% [markdown]
# ## Quiz
#
# **1.** Your loss is linear in the parameters. How do MAML and first-order MAML differ? And for a network of ReLUs with squared error, where the second derivative of each ReLU is zero?
#
# <details><summary>Answer</summary>
#
# For a linear loss not at all: its Hessian is zero, so the factor $I - \alpha H$ is the identity. For the network they do differ. The squared error alone has curvature, and products of weights in different layers have mixed second derivatives.
#
# </details>
#
# **2.** All your tasks have the same Hessian. You use plain gradient descent in the outer loop, and first order. Where do you end up?
#
# <details><summary>Answer</summary>
#
# At MAML's place. The common factor $I - \alpha H$ stands before the mean of the gradients; as long as it is not singular, one is zero exactly when the other is. Only the way there and the speed differ, and if the inner step overshoots in some direction ($\alpha$ times curvature above 1), first order walks away from that place.
#
# </details>
#
# **3.** Reptile uses the whole support set in each of five inner steps, and in training the support set has five points. Why is that a bad idea?
#
# <details><summary>Answer</summary>
#
# Nothing asks whether a step on these five points helps anywhere else. There are no different batches whose gradients could agree, and no query set. Give training tasks more points, or draw mini-batches, so that later steps judge earlier ones.
#
# </details>

# %% [markdown]
# ## What you can do now
#
# - Say what first order drops, $I - \alpha H$, and measure the angle it costs.
# - Predict where it comes to rest on tasks of known curvature, and when that is elsewhere.
# - Write Reptile's outer step, and derive the two terms that make it work.
# - Spot the one-step Reptile, the share above 1, the update in place, and the judgement without a query set.
#
# ## What comes next
#
# So far every task was a sine. [07, few-shot images](07_few_shot_images.ipynb), takes the unchanged `adapt` to written characters and a convolutional network, and asks what its batch normalisation has seen.
#
# ## References
#
# - C. Finn, P. Abbeel, S. Levine, *Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks*, ICML 2017, [arXiv:1703.03400](https://arxiv.org/abs/1703.03400): first-order MAML is in section 5.2.
# - A. Fallah, A. Mokhtari, A. Ozdaglar, *On the Convergence Theory of Gradient-Based Model-Agnostic Meta-Learning Algorithms*, AISTATS 2020, [arXiv:1908.10400](https://arxiv.org/abs/1908.10400): what first order cannot reach.
# - A. Nichol, J. Achiam, J. Schulman, *On First-Order Meta-Learning Algorithms*, 2018, [arXiv:1803.02999](https://arxiv.org/abs/1803.02999): Reptile, and in section 5 the expansion with AvgGrad and AvgGradInner.
# - A. Rajeswaran, C. Finn, S. Kakade, S. Levine, *Meta-Learning with Implicit Gradients*, NeurIPS 2019, [arXiv:1909.04630](https://arxiv.org/abs/1909.04630): implicit MAML.
# - D. P. Kingma, J. Ba, *Adam: A Method for Stochastic Optimization*, ICLR 2015, [arXiv:1412.6980](https://arxiv.org/abs/1412.6980): the moments.
