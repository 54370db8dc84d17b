# %% [markdown]
# # First-order MAML and Reptile
#
# This page shows two methods without second derivatives. First-order MAML changes one line of MAML. Reptile needs no meta-gradient at all. You also build two small tasks on which first-order MAML ends at **2.8 times the loss** of MAML, and a formula that says so before the run.
#
# > **Recall.** In notebook 05, $\varphi = \theta - \alpha \nabla L(\theta)$. You move $\theta$ by a small $\delta$. By how much does $\varphi$ move?
# >
# > <details><summary>Answer</summary>
# >
# > By $(I - \alpha H)\,\delta$, where $H$ is the Hessian of the support loss at $\theta$. The step starts from another place, and the gradient in the step changes too. The second part is what this page drops.
# >
# > </details>

# %% [markdown]
# ## Before you start
#
# | | |
# | --- | --- |
# | **It gives you** | what may be dropped, and when it matters |
# | **You will be able to** | say exactly what first-order MAML drops, and measure it · predict on which tasks that hurts · write Reptile in five lines · explain why it works although it has no query set · compare four methods fairly |
# | **You need** | the Hessian of [04](04_gradients_through_gradients.ipynb), and both loops of [05](05_maml_from_zero.ipynb) |
# | **Time** | 20 + 20 minutes to read, in two sittings, 45 for the exercises, about 40 seconds to run |
# | **Skip it if** | you can say what Reptile with one inner step is, and why two steps differ |

# %% tags=["setup"]
import time
import tracemalloc

import numpy as np

from mlcourse.lessons import checks, figures, note, yours
from mlcourse.experiments import results
from mlcourse import weights
from mlcourse.reference import adam, autograd, losses, maml, networks, reptile
from mlcourse.reference.autograd import grad, stop_gradient
from mlcourse.tasks import Examples, Sinusoids, Task, each, five_points, stack

network = networks.mlp((1, 40, 40, 1))
loss = losses.squared_error(network)
task, wave = five_points()

# %% [markdown] slide=["One factor is dropped", "MAML: $\\;(I - \\alpha H_i) \\, \\nabla L(\\varphi_i, \\text{query}_i)$", "First order: $\\;\\nabla L(\\varphi_i, \\text{query}_i)$"]
# ## One factor is dropped
#
# Move $\theta$ a little. The loss after the inner step changes for two reasons:
#
# 1. $\varphi$ moves with $\theta$, because it starts from $\theta$.
# 2. The gradient inside the step changes, because it is now taken at another place.
#
# MAML counts both. **First-order MAML** counts only the first: it treats the inner gradient as a constant. In symbols, for one inner step, with $H_i$ the Hessian of the support loss at $\theta$:
#
# $$\begin{aligned} \text{MAML:} \quad & (I - \alpha H_i) \, \nabla L(\varphi_i, \text{query}_i) \\ \text{first order:} \quad & \nabla L(\varphi_i, \text{query}_i) \end{aligned}$$
#
# So one factor is dropped, $I - \alpha H_i$. With $k$ inner steps MAML has $k$ such factors. First-order MAML takes the gradient of the query loss **at** $\varphi_i$, and uses it to move $\theta$.
#
# The broken meta-loss at the end of notebook 05 did this by accident. `stop_gradient` returns the same numbers, but `grad` treats them as constants. In torch it is called `.detach()`. Here it is on $x \cdot x$ at 3:

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
# Both give 9. The derivative of the second is 3, not 6, because only the first $x$ counts as moving.

# %% [markdown]
# ### Exercise 6.1 ●●○○○ Drop the factor
# *5 minutes. Why it matters: it is the whole difference between the two methods, and easily made by accident.*
#
# Below is `adapt` of notebook 05 with one line left open. There it read `grad(loss)(phi, support.x, support.y)`. The value of $\varphi$ must not change. But the derivative of $\varphi$ with respect to `theta` must be the identity. `stop_gradient` takes a dict of arrays as well.

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
# `stop_gradient(grad(loss)(phi, …))` is right as well.
#
# </details>

# %% [markdown]
# So there is nothing to differentiate *through*. You may adapt with plain numbers and take one more gradient at the end. That is the shortest form of first-order MAML:

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
# They agree. `first_order=True` in the package is the line of exercise 6.1.

# %% [markdown] slide=["How far off is the first-order gradient?", "At a random network: about 10°, 45° or 80°?", "Where MAML has trained: smaller or larger?"]
# ## How far off is it?
#
# Adam removes most of the effect of a gradient's length, so we compare directions. At 0° the two agree. Below 90° a small step along the first-order gradient still lowers the meta-loss. Beyond 90° it raises it.
#
# **Predict.** Take a random network, `inner_lr=0.01` and one inner step. Is the angle nearer to 10°, 45° or 80°? And at a $\theta$ that MAML has trained: smaller or larger?

# %%
def flat(gradient):
    return np.concatenate([gradient[name].ravel() for name in gradient])

def against_the_full_one(theta, inner_lr, inner_steps=1):
    """Angle in degrees between the first-order and the full meta-gradient, and the ratio of their lengths."""
    how = {"inner_lr": inner_lr, "inner_steps": inner_steps}
    full = flat(maml.meta_gradient(loss, theta, tasks, **how))
    first = flat(maml.meta_gradient(loss, theta, tasks, **how, first_order=True))
    size = np.linalg.norm
    angle = np.degrees(np.arccos(first @ full / size(first) / size(full)))
    return angle, size(first) / size(full)

trained = weights.load("sinusoid_maml")
for name, place in {"random network": theta, "trained by MAML": trained}.items():
    angle, length = against_the_full_one(place, inner_lr=0.01)
    print(f"{name}: angle {angle:.0f}°, {length:.2f} times as long")

# %% tags=["hide-input"] slide=["About 10°, and 44° where MAML has trained"]
rates = np.array([0.0005, 0.001, 0.002, 0.005, 0.01])
with figures.style():
    figure, axes = figures.canvas(height=3.2)
    ends = []
    for name, place, steps, colour, line in (
        ("random, 1 step", theta, 1, "#0072B2", "-"),
        ("random, 5 steps", theta, 5, "#0072B2", "--"),
        ("trained, 1 step", trained, 1, "#D55E00", "-"),
    ):
        angles = [against_the_full_one(place, rate, steps)[0] for rate in rates]
        axes.plot(rates, angles, line, color=colour, marker="o", markersize=4)
        ends.append((rates[-1], angles[-1], name, colour))
    axes.axhline(90, color=figures.QUIET, linewidth=1, linestyle=":")
    axes.annotate(
        "90°: beyond it, uphill", (rates[0], 90), xytext=(0, -4), textcoords="offset points",
        va="top", fontsize=8.5, color=figures.QUIET,
    )
    axes.set(xscale="log", ylim=(0, 97), xlabel="inner_lr (log scale)", ylabel="angle, degrees")
    axes.set_xticks([0.0005, 0.001, 0.002, 0.005, 0.01], ["0.0005", "0.001", "0.002", "0.005", "0.01"])
    axes.minorticks_off()
    figures.name_ends(axes, ends)
figures.show(figure, alt="Angle between first-order and full meta-gradient against inner_lr: at a random network it grows with the rate, from near zero; it is larger with five inner steps than with one, and largest at a trained network, some 44 degrees at rate 0.01.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
at_random, at_trained = against_the_full_one(theta, 0.01)[0], against_the_full_one(trained, 0.01)[0]
assert 6 < at_random < 12 and abs(at_trained - 44) < 3 and at_trained > 2.5 * at_random, (at_random, at_trained)
assert against_the_full_one(theta, 0.0005)[0] < 1
by_rate = {n: [against_the_full_one(theta, rate, n)[0] for rate in rates] for n in (1, 5)}
assert all(angles == sorted(angles) for angles in by_rate.values()), by_rate
assert all(one < five for one, five in zip(*by_rate.values(), strict=True)), by_rate
assert all(against_the_full_one(trained, rate)[0] > by_rate[5][i] for i, rate in enumerate(rates))

# %% [markdown]
# **What you saw.** About 10° at the random network, and about 44° at the trained one. MAML looks for a $\theta$ where one step changes a lot. There $\alpha H$ is large, so the dropped factor matters. The angle grows with the rate and with the number of steps.
#
# In return, first order needs less time and memory: MAML stores every inner step.
#
# **Predict.** One meta-gradient of one task, with 20 inner steps. How many times as much memory does MAML need as the short form above: 2, 10 or 45 times?

# %% tags=["hide-input", "nbval-ignore-output"]
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
assert abs(cost[20][2] / cost[20][3] - 45) < 8 and abs(cost[1][2] / cost[1][3] - 3) < 0.8, cost
assert cost[20][2] > 10 * cost[1][2] and cost[20][3] < 1.5 * cost[1][3], cost

# %% [markdown]
# **What you saw.** About 45 times with twenty steps, and 3 times with one. The short form forgets each step, so its memory hardly grows.

# %% [markdown] slide=["70,000 steps in a wrong direction", "How many times MAML's loss does first order end at?", "Ten times, twice, or less?"]
# ## Does it matter on sines?
#
# Both methods were trained in full, three seeds each, by the command under the table of notebook 05.
#
# **Predict.** In each of 70,000 meta-steps first order followed a wrong direction. At MAML's own $\theta$ it is 44° off. How many times MAML's loss does it end at: ten times, twice, or less than that?

# %% slide=["Less: a quarter more after one step"]
table = results.load("sinusoid")
by_method = {row["method"]: row["values"] for row in table["rows"]}
rows = []
for column in ("1 step", "10 steps"):
    for name in ("MAML", "first-order MAML"):
        rows.append((f"{name}, {column}", *by_method[name][column]))
figure = figures.intervals(
    rows, xlabel="mean squared error, 600 new sines",
    reference={"exact answer": by_method["the exact answer"]["1 step"][0]},
)
figures.show(figure, alt="Mean squared error with 95 % intervals: first-order MAML lies a little above MAML after one step, and after ten their intervals overlap. The exact answer, a line at 0, is far to the left of all of them.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
ratio = {column: by_method["first-order MAML"][column][0] / by_method["MAML"][column][0] for column in ("1 step", "10 steps")}
assert abs(ratio["1 step"] - 5 / 4) < 0.03 and abs(ratio["10 steps"] - 7 / 6) < 0.03, ratio
ends = {column: (sum(by_method["MAML"][column]), np.subtract(*by_method["first-order MAML"][column])) for column in ratio}
assert ends["1 step"][0] < ends["1 step"][1] and ends["10 steps"][0] > ends["10 steps"][1], ends
assert by_method["pooled, fine-tuned"]["10 steps"][0] > 2 and len(table["seeds"]) == 3
assert max(by_method["the exact answer"][column][0] for column in ratio) < 1e-6
assert table["details"]["settings"]["meta_steps"] == 70_000
omniglot = {}
for name in ("maml", "fomaml"):
    stored_run = results.load(str(results.results_folder() / f"omniglot/omniglot_random_{name}_5w1s.json"))
    assert len(stored_run["seeds"]) == 1 and "H100" in stored_run["hardware"]["gpu"]
    omniglot[name] = [row["values"]["accuracy, %"][0] for row in stored_run["rows"]]       # together, alone
assert all(0 < full - first < 0.5 for full, first in zip(*omniglot.values(), strict=True)), omniglot

# %% [markdown]
# **What you saw.** Less: a quarter more after one step, and a sixth more after ten. Joint training ends above 2. So first order already has most of MAML's gain. On miniImageNet the paper of MAML finds little difference, too, and on Omniglot our two runs, one seed each, lie within half a point (notebook 09). The exact answer stands at 0: five points without noise fix the wave (notebook 02).

# %% [markdown]
# ## Two tasks on which it loses
#
# Take the smallest model there is, $f(x) = w x$, and two tasks:
#
# - a **flat** one: inputs $\pm 1$, true slope 1, so the loss is $(w - 1)^2$;
# - a **steep** one: inputs $\pm 3$, true slope 2, so the loss is $9\,(w - 2)^2$.
#
# Query and support are the same two points, without noise. Any difference comes from the outer gradient alone.

# %% tags=["setup"]
def line_loss(params, x, y):
    return autograd.mean((params["w"] * x - y) ** 2)

def line(scale, slope):
    x = scale * np.array([[-1.0], [1.0]])
    return Task(Examples(x, slope * x), Examples(x, slope * x))

two_tasks = stack([line(scale=1, slope=1), line(scale=3, slope=2)])

# %% [markdown]
# Both losses have the form $\tfrac{c}{2}(w - m)^2$. Here $m$ is the task's own slope, and $c$ is its *curvature*, the second derivative: 2 and 18. The gradient is $c\,(w - m)$, so one inner step with rate $\alpha$ leaves a share $1 - \alpha c$ of the distance to $m$:
#
# $$\varphi_i - m_i = (1 - \alpha c_i)(w - m_i)$$
#
# With `inner_lr` $\alpha = 0.05$ that share is 0.9 in the flat task and 0.1 in the steep one:

# %% tags=["hide-input"] slide=["A flat task and a steep one, one step in each"]
def draw_one_step(inner_lr, start=3.0):
    """Both tasks' losses, and one inner step from the same start."""
    with figures.style():
        figure, both = figures.canvas(1, 2, height=2.3, sharey=True)
        grid = np.linspace(0.0, 3.2, 120)
        for axes, name, c, m, colour in zip(both, ("flat", "steep"), (2.0, 18.0), (1.0, 2.0), ("#0072B2", "#D55E00"), strict=True):
            ends_in = start - inner_lr * c * (start - m)
            places = np.array([start, ends_in])
            axes.plot(grid, c / 2 * (grid - m) ** 2, color=figures.TRUTH, linewidth=3)
            axes.plot(places, c / 2 * (places - m) ** 2, "o", color=colour, markersize=7)
            axes.annotate(
                "", (ends_in, c / 2 * (ends_in - m) ** 2), xytext=(start, c / 2 * (start - m) ** 2),
                arrowprops={"arrowstyle": "->", "color": colour, "linewidth": 1.4},
            )
            for text, place, aside in zip(("w", "φ"), places, ((6, -4), (-5, 8)), strict=True):
                axes.annotate(text, (place, c / 2 * (place - m) ** 2), xytext=aside, textcoords="offset points")
            left = 1 - inner_lr * c
            axes.set(title=f"{name}: share left {left:.1f}".replace("-", "−"), xlabel="w", ylim=(-0.8, 12))
        both[0].set_ylabel("loss")
    return figure

figures.show(draw_one_step(0.05), alt="Two parabolas, a flat one with its bottom at 1 and a steep one with its bottom at 2, and one inner step from w = 3 in each: in the flat task φ is still near the start, in the steep task it is almost at the bottom.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert np.allclose(1 - 0.05 * np.array([2.0, 18.0]), [0.9, 0.1]) and np.allclose(1 - 0.1 * np.array([2.0, 18.0]), [0.8, -0.8])

# %% [markdown] slide=["Where do they come to rest?", "Joint training stops at 1.9, near the steep task's 2.", "And MAML? And first order?"]
# In the steep task one step removes 90 % of the distance, in the flat task 10 %.
#
# Joint training takes its gradient at $w$, without an inner step. It stops where the mean gradient is zero:
#
# $$\sum_i c_i \, (w - m_i) = 0 \quad\text{so}\quad w = \frac{\sum_i c_i m_i}{\sum_i c_i} = \frac{2 \cdot 1 + 18 \cdot 2}{20} = 1.9$$
#
# This is the mean of the slopes, weighted by the curvatures.
#
# **Predict.** Now train with MAML and with first-order MAML. Where between 1 and 2 does each of them stop?

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

# %% tags=["hide-input"] slide=["MAML at 1.1, first order at 1.5"]
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
for power, how, place, weights_there in ((0, {"inner_steps": 0}, 1.9, (2, 18)), (1, {"first_order": True}, 1.5, (1.8, 1.8)), (2, {}, 1.1, (1.62, 0.18))):
    weight = curvature * inside**power
    assert np.allclose(weight, weights_there) and np.isclose(weight @ wanted / weight.sum(), place)
    assert np.isclose(outer_loop(0.0, 0.05, 0.1, 200, **how)[-1], place, atol=1e-6)
assert round(loss_after_one_step(1.5) / loss_after_one_step(1.1), 1) == 2.8
assert round(loss_after_one_step(1.9) / loss_after_one_step(1.1), 1) == 8.1

# %% [markdown]
# **What you saw.** MAML stops at 1.1, first order at 1.5, with 2.8 times MAML's loss. One step repairs little in the flat task, so a good start stands close to its slope, 1. Longer training or another optimiser would not help: at 1.5 the first-order gradient *is* zero.

# %% [markdown] slide=["Write each gradient as a weight times $w - m_i$.", "Where does each method come to rest?"]
# ### Exercise 6.2 ●●●○○ Where does it come to rest?
# *15 minutes. Why it matters: with this function you can tell before a run whether first order is safe.*
#
# Explain 1.1 and 1.5 by a formula, as for joint training above, for any number of such tasks and of inner steps. `curvatures` and `slopes` are arrays with one entry for each task. Write each method's gradient as a weight times $w - m_i$. The method rests at the mean of the slopes with these weights.

# %% tags=["exercise"]
def rests_at(curvatures, slopes, inner_lr, inner_steps, first_order):
    """Return the w at which the outer loop comes to rest, one number."""
    return ...

# %% tags=["check"]
checks.nb06.rests_at(rests_at)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# First order's gradient is the task's gradient at $\varphi_i$, which is $c_i (\varphi_i - m_i)$. Write it in terms of $w$, first for one step, then for $k$.
#
# </details>
# <details><summary>Hint 2</summary>
#
# MAML multiplies first order's gradient by $\partial \varphi_i / \partial w$. Which number is that here?
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
# Both $\varphi_i - m_i$ and $\partial \varphi_i / \partial w$ hold the share to the power $k$. For one step of 0.05:
#
# | method | gradient of task $i$ | weights, flat : steep | at rest at |
# | --- | --- | --- | --- |
# | joint training | $c_i \, (w - m_i)$ | 2 : 18 | 1.9 |
# | first-order MAML | $c_i (1 - \alpha c_i) \, (w - m_i)$ | 1.8 : 1.8 | 1.5 |
# | MAML | $c_i (1 - \alpha c_i)^2 \, (w - m_i)$ | 1.62 : 0.18 | 1.1 |
#
# First order has one factor $1 - \alpha c$ too few, so the steep task gets too much weight. With a second inner step the places are 1.00 and 1.10: only 1 % of the distance is left in the steep task, so the flat one decides.
#
# </details>

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
def two_rests(inner_lr, inner_steps):
    how = {"inner_lr": inner_lr, "inner_steps": inner_steps, "meta_lr": 0.1, "meta_steps": 300}
    return [round(float(outer_loop(1.5, first_order=first_order, **how)[-1]), 2) for first_order in (False, True)]

assert two_rests(0.0, 1) == [1.9, 1.9] and two_rests(0.05, 1) == [1.1, 1.5] and two_rests(0.05, 2) == [1.0, 1.1]
assert np.allclose((1 - 0.05 * np.array([2.0, 18.0])) ** 2, [0.81, 0.01])

# %% [markdown]
# ### When the inner step overshoots
#
# Now double the inner rate: $\alpha = 0.1$. In the steep task $1 - \alpha c = 1 - 1.8 = -0.8$. The step jumps across the bottom and lands on the other side, a bit nearer. The inner loop still converges.

# %% tags=["hide-input"] slide=["Twice the rate: the steep step jumps across"]
figures.show(draw_one_step(0.1), alt="The same two parabolas with an inner step twice as long: in the flat task φ moves a fifth of the way, in the steep task it jumps across the bottom and lands on the other side.")

# %% [markdown] slide=["Do both still come to rest?", "The inner loop still converges.", "MAML, and first order?"]
# **Predict.** Do MAML and first order still come to rest?

# %%
for name, first_order in {"MAML": False, "first-order": True}.items():
    path = outer_loop(1.0, inner_lr=0.1, meta_lr=0.05, meta_steps=15, first_order=first_order)
    print(f"{name:12} w after 0, 5, 10, 15 steps: {np.round(path[::5], 2)}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert abs(outer_loop(1.0, 0.1, 0.05, 100)[-1] - 1.9) < 1e-3
assert outer_loop(1.0, 0.1, 0.05, 15, first_order=True)[-1] < -50
assert np.allclose(curvature * (1 - 0.1 * curvature), [1.6, -14.4]) and (curvature * (1 - 0.1 * curvature) ** 2).min() > 0

# %% [markdown] slide=["MAML does. First order walks away", "Beyond the bottom the gradient points the wrong way."]
# **What you saw.** MAML does, and first order walks away from the tasks, faster and faster. Its weights hold the share itself: they are 1.6 and −14.4, and their sum is negative. At $\varphi$, on the far side of the bottom, the gradient points the wrong way for $w$. In MAML the factor $-0.8$ turns it round. First order assumes that $\varphi$ moves in the same direction as $w$.
#
# With two parameters first order can lose as well. The next figure takes the sine $a \sin(x - p)$ from the stepper of notebook 05, three tasks and one inner step. It shows the real loss after that step, and the paths of three methods over sixty outer steps. Each name carries the loss at its end.

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

# %% [markdown]
# First order ends at four times MAML's loss. Even joint training, which takes no inner step, ends lower than that.
#
# So when does the dropped factor matter? Three things come together:
#
# - **$\alpha H$ is not small**: one step changes much. Meta-learning aims for exactly this case.
# - **$\alpha H$ differs between tasks.** If all tasks have the same factor and no step overshoots, the path changes but not the end point (quiz 2).
# - **Curvature and the best $w$ are correlated.** If steep tasks want the same $w$ on average as flat ones, wrong weights give the same mean.
#
# An inner step that overshoots can be enough alone, as in quiz 2. Fallah et al. (2020) prove: MAML comes as near as you like to a place where the gradient of its meta-loss is zero. First order in general does not.

# %% [markdown]
# ## Second sitting: Reptile
#
# So far you have dropped one factor of MAML. Now the query set goes, too. From the first sitting you need the two line tasks, and one fact: $k$ inner steps leave the share $(1 - \alpha c)^k$ of the distance to a task's minimum.
#
# Reptile (Nichol et al., 2018) has no meta-loss, no query set, and no gradient at $\varphi$. Adapt to each task for a few steps. Then move $\theta$ a share of the way to where the tasks ended up:
#
# $$\theta \leftarrow \theta + \varepsilon \left( \frac{1}{T} \sum_{i=1}^{T} \varphi_i - \theta \right)$$
#
# The share $\varepsilon$ is `meta_lr` again, but its meaning is new. With 0, $\theta$ does not move. With 1, it becomes the mean of the $\varphi_i$. Here is one outer step with $\varepsilon = 0.5$, on the three sines of two parameters:

# %% tags=["hide-input"] slide=["Reptile: go part of the way to the mean"]
from mlcourse.lessons.widgets.stepper import loops

sketch_tasks, at_start = loops.draw_tasks(seed=2), {"a": np.float64(0.6), "p": np.float64(0.6)}
inner_paths = [
    np.array([(place["p"], place["a"]) for place in (
        maml.adapt(loops.loss, at_start, one_task.support, inner_lr=loops.INNER_LR, inner_steps=n) for n in range(6)
    )])
    for one_task in each(sketch_tasks)
]
ends_there = np.array([path[-1] for path in inner_paths])
origin, middle = inner_paths[0][0], ends_there.mean(axis=0)
halfway = origin + 0.5 * (middle - origin)
with figures.style():
    figure, axes = figures.canvas(height=3.0)
    for number, (path, colour) in enumerate(zip(inner_paths, ("#0072B2", "#D55E00", "#009E73"), strict=True), start=1):
        axes.plot(*path.T, "-", color=colour, marker="o", markersize=3, linewidth=1.2)
        axes.annotate(f"φ{'₁₂₃'[number - 1]}", path[-1], xytext=(6, 3 if number < 3 else -12), textcoords="offset points", color=colour)
    axes.plot(*middle, "s", color=figures.QUIET, markersize=6)
    axes.annotate("mean of the φ", middle, xytext=(8, -4), textcoords="offset points", color=figures.QUIET)
    axes.annotate("", halfway, xytext=origin, arrowprops={"arrowstyle": "-|>", "color": figures.INK, "linewidth": 2})
    axes.annotate("θ", origin, xytext=(-13, -5), textcoords="offset points")
    axes.annotate("new θ", halfway, xytext=(6, -12), textcoords="offset points")
    axes.margins(0.15)
    axes.set(xlabel="phase p, radians", ylabel="amplitude a")
figures.show(figure, alt="A plane of phase and amplitude: from θ three paths of five inner steps lead to φ1, φ2 and φ3. A square marks their mean, and an arrow leads from θ half of the way to it: the new θ.")

# %% [markdown]
# ### Exercise 6.3 ●○○○○ Reptile's outer step
# *5 minutes. Why it matters: this is all of Reptile that is not ordinary training.*
#
# `adapted` is a list of dicts, the $\varphi_i$. Return the new $\theta$, a new dict. Leave `theta` and `adapted` as they are.

# %% tags=["exercise"]
def reptile_outer_step(theta, adapted, meta_lr):
    """Return the new theta, with the keys of theta."""
    return ...

# %% tags=["check"]
checks.nb06.reptile_outer_step(reptile_outer_step)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# Take one name of the dict at a time. Over which axis of a list of its arrays do you average?
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
# </details>

# %% [markdown]
# `reptile.meta_step` of the package is this function after `adapt` in a loop.
#
# **Predict.** Let Reptile take *one* inner step. Is it then equal to first-order MAML, to MAML, or to a method of notebook 02?

# %% tags=["hide-input"] jupyter={"source_hidden": true}
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
# **What you saw.** One step of Reptile is joint training with the rate $\varepsilon \alpha$. The algebra is one line: $\varphi_i - \theta = -\alpha \nabla L(\theta, \text{support}_i)$, and the mean of gradients is the gradient of the mean. So all that Reptile can do beyond joint training comes from a *second* inner step.
#
# **If you know federated learning**, you know this outer step. FedAvg (McMahan et al., 2017) lets each client take local steps of SGD and then averages the weights. With one client for each task, equally many points in each, and `meta_lr=1`, Reptile's outer step is this averaging. The goals differ. FedAvg is for *one* model that serves all clients as it is. Reptile is for a start that is good *after* adapting. Federated learning calls this personalisation (Jiang et al., 2019).
#
# Now train Reptile: five inner steps, all the way to the mean at first (`meta_lr` 1), then less and less.

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
figures.show(figure, alt="Reptile's network on the five points: before, a wave of the wrong height and place; nearer to the true sine after one inner step; close to all five points after ten. The grey curve is the true wave, which is also the exact answer.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
missed = [float(np.mean((curve - task.query.y) ** 2)) for curve in curves.values()]
at_the_points = network.apply(after_steps(reptile_theta, 10), task.support.x) - task.support.y
assert missed == sorted(missed, reverse=True) and missed[0] > 1 and np.abs(at_the_points).max() < 0.6, (missed, at_the_points)

# %% [markdown]
# Reptile never used a query set, and yet it finds a start that adapts. Why? We answer for mini-batches first, then for this run.

# %% [markdown]
# ## Why two steps are not one long step
#
# Let each inner step use another *mini-batch* of the task's support set. Batch 1 has the gradient $g_1$ and the Hessian $H_1$ at $\theta$, batch 2 has $g_2$ and $H_2$. Call $(\theta - \varphi) / \alpha$ the total gradient of the two steps. The first step moves $\theta$ by $-\alpha g_1$. The second step uses the gradient of batch 2 at the new place. The Hessian says how it changed (notebook 04):
#
# $$g_2(\theta - \alpha g_1) \approx g_2 - \alpha H_2 g_1$$
#
# So the total gradient is $g_1 + g_2 - \alpha H_2 g_1$, up to terms with $\alpha^2$. The batches come in random order. The mean of both orders is
#
# $$\underbrace{g_1 + g_2}_{\text{joint training}} \; - \; \frac{\alpha}{2} \bigl( H_2 g_1 + H_1 g_2 \bigr), \qquad H_2 g_1 + H_1 g_2 = \nabla_\theta \, (g_1 \cdot g_2)$$
#
# The equation on the right is the product rule. So Reptile goes down the loss, and at the same time **up the inner product of the gradients of different batches**. A step along $-g_1$ lowers the loss of batch 2 by about $\alpha \, g_1 \cdot g_2$:

# %% tags=["hide-input"] slide=["A step on one batch helps the other, or harms it"]
with figures.style():
    figure, both = figures.canvas(1, 2, height=1.9)
    for axes, title, second in zip(both, ("g₁ · g₂ > 0", "g₁ · g₂ < 0"), ((0.95, -0.15), (-0.75, -0.55)), strict=True):
        for name, arrow, colour in (("−g₁", (0.7, 0.7), "#0072B2"), ("−g₂", second, "#D55E00")):
            axes.annotate("", arrow, xytext=(0, 0), arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 2})
            aside = (4, 4) if arrow[0] > 0 else (-8, -15)
            axes.annotate(name, arrow, xytext=aside, textcoords="offset points", color=colour)
        axes.set(title=title, xlim=(-1.2, 1.4), ylim=(-1.0, 1.2), xticks=[], yticks=[], aspect="equal")
        axes.set_xlabel("a step on batch 1 " + ("helps batch 2" if second[0] > 0 else "harms batch 2"))
figures.show(figure, alt="Two sketches of the steps −g1 and −g2 from one point. Left they point in similar directions: a step on batch 1 helps batch 2. Right they point in opposite directions: a step on batch 1 harms batch 2.")

# %% [markdown]
# So Reptile moves to places where a step on some points of a task helps with its other points.
#
# [Appendix 06b](06b_adam_with_a_memory.ipynb) counts the terms for $k$ steps in exercise 6.4, and shows that MAML and first order mix the *same two* directions.
#
# **And the run above?** `reptile.meta_step` gives the whole support set to every inner step. So both batches are the same, and the second term becomes $-\alpha H g$, with $Hg = \tfrac12 \nabla |g|^2$. Now Reptile moves to places where a step helps *the same points* much. Ten points show most of a sine, so such a step mostly helps the rest of the wave, too. With few points it need not (quiz 3). So take large support sets in training, or mini-batches.

# %% [markdown] slide=["Two narrow valleys cross", "Before any step the loss is lowest at the crossing. M rests far from it.", "Where does M go when `inner_lr` is very small?"]
# ## Move it yourself: where the arrows lead
#
# Give the model of the two lines one more weight: $f(x) = w_1 x_1 + w_2 x_2$. Now $\theta$ is a point of a plane, and a task's loss is an exact bowl around its true weights, the star. Here each bowl is a narrow valley. One inner step removes nine tenths of the distance *across* the valley, and one tenth of the distance *along* it.
#
# Drag $\theta$ and the stars, or use the arrow keys. Rings with letters show where each method comes to rest: M for MAML, F for first order, R for Reptile, J for joint training. Ignore the I of implicit MAML (Rajeswaran et al., 2019).
#
# **Predict.** The two valleys cross at the top. There the loss before any step is lowest, but M lies far from it. Where does M go when you make `inner_lr` very small, 0.005?

# %% slide=["To the crossing: small steps change almost nothing"]
from mlcourse.lessons.widgets import Landscape

Landscape("crossed")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
scene, compared = Landscape("crossed").scene, ("maml", "first-order", "joint", "reptile")
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
assert all(np.allclose(alike.scene.rest(method), np.mean(alike.minima, axis=0)) for method in moves)

# %% [markdown]
# **What you saw.** M climbs to the crossing, because very small steps change almost nothing. With steps of 0.05 it stays at the far side: there almost all of the distance lies across the valleys, and one step removes it. Joint training, and Reptile with one step, rest near the crossing. After the step their loss is 8.1 times MAML's, and first order's 2.8 times.
#
# Also set `inner_lr` to 0.1: which method has no place of rest any more? Then set it back to 0.05, and choose the tasks *alike*, three bowls of one shape. The arrows differ, and yet all methods rest at one place.

# %% [markdown]
# ### Exercise 6.6 ●●●●○ Where does Reptile come to rest?
# *20 minutes. Why it matters: it shows what a method without a query set aims for, and how far `meta_lr` may go.*
#
# Take tasks with the losses $\tfrac{c_i}{2}(w - m_i)^2$ of the first sitting, and Reptile with `inner_steps` inner steps. Assume that $\alpha c_i$ lies between 0 and 1. Derive two numbers:
#
# 1. the $w$ at which Reptile rests;
# 2. the largest `meta_lr`: with any larger one, $w$ moves away from that place, however near it starts.

# %% tags=["exercise"]
def reptile_rests_at(curvatures, slopes, inner_lr, inner_steps):
    """Return two numbers: where Reptile rests, and the largest meta_lr."""
    return ...

# %% tags=["check"]
checks.nb06.reptile_rests_at(reptile_rests_at)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# Write $\varphi_i - w$ as a factor times $m_i - w$. At rest the mean over tasks of $\varphi_i - w$ is zero.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Let $p$ be the mean of these factors, and $d$ the distance of $w$ from the resting place. Show that one outer step makes $(1 - \varepsilon p)\,d$ of it. For which $\varepsilon$ is that as far away as before?
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def reptile_rests_at(curvatures, slopes, inner_lr, inner_steps):
#     way = 1 - (1 - inner_lr * curvatures) ** inner_steps
#     rest = np.sum(way * slopes) / np.sum(way)
#     return rest, 2 / np.mean(way)
# ```
#
# With one step the weight is $\alpha c_i$, as in joint training. With very many it is 1, and Reptile rests at the plain mean of the slopes. On our two lines with five steps of 0.05 the numbers are 1.71 and 2.84. MAML then rests at 1.00.
#
# </details>

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
way = 1 - (1 - 0.05 * curvature) ** 5
assert (round(way @ wanted / way.sum(), 2), round(2 / way.mean(), 2)) == (1.71, 2.84)
assert two_rests(0.05, 5)[0] == 1.0
place = {"w": np.array(0.0)}
for _ in range(200):
    place = reptile.meta_step(line_loss, place, two_tasks, inner_lr=0.05, inner_steps=5, meta_lr=0.5)
assert abs(float(place["w"]) - way @ wanted / way.sum()) < 1e-9

# %% [markdown] slide=["The first inner step on new sines", "By how much does it lower the loss of joint training?", "By how much that of the other three?"]
# ## All four, side by side
#
# Now the real network. For a fair race each method gives a *direction* to the same Adam. Reptile's is $\theta$ minus the mean of the $\varphi_i$. First order and joint training get twice as many meta-steps, because theirs are cheaper.
#
# **Predict.** On new sines, by how much does the first inner step lower the loss of joint training: by less than a quarter, or by more than a third? And the loss of the other three?

# %%
def reptile_direction(theta, tasks):
    middle = reptile.meta_step(loss, theta, tasks, inner_lr=0.02, inner_steps=5, meta_lr=1.0)
    return {name: theta[name] - middle[name] for name in theta}

def meta_gradient_with(**how):
    return lambda theta, tasks: maml.meta_gradient(loss, theta, tasks, inner_lr=0.01, **how)

directions = {
    "MAML": (meta_gradient_with(), 1000),
    "first-order": (meta_gradient_with(first_order=True), 2000),
    "Reptile": (reptile_direction, 1000),
    "joint": (meta_gradient_with(inner_steps=0), 2000),
}

# %% tags=["nbval-ignore-output"]
live = {}
for name, (direction, meta_steps) in directions.items():
    rng, started = np.random.default_rng(0), time.process_time()
    theta_now = network.init(rng)
    moments = adam.init(theta_now)
    for _ in range(meta_steps):
        gradient = direction(theta_now, family.sample(5, rng))
        theta_now, moments = adam.update(theta_now, gradient, moments, lr=3e-3)
    live[name] = theta_now
    print(f"{name:12} {meta_steps} meta-steps, {time.process_time() - started:.1f} s")

# %% tags=["hide-input", "nbval-ignore-output"] slide=["Joint: less than 1/4. The others: more than 1/3"]
from mlcourse.evaluation import adaptation_curve
from mlcourse.reference.learners import GradientLearner

curves, five_shot = {}, Sinusoids(k_shot=5, n_query=100)
for name, start_at in live.items():
    learner = GradientLearner(network, loss, start_at, inner_lr=0.01, inner_steps=5)
    curve = adaptation_curve(learner, five_shot, n_tasks=600, rng=np.random.default_rng(42))
    curves[name] = (curve.mean, curve.half_width)
exactly = {"exact answer": (np.zeros(6), np.zeros(6))}
figure = figures.adaptation_curves({**curves, **exactly}, ylabel="query loss on 600 new sines")
figures.show(figure, alt="Query loss against inner steps for four methods on the same 600 sines: MAML, first-order MAML and Reptile fall well below joint training. The exact answer is a line at 0, below all of them.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
one = {name: mean[1] for name, (mean, _) in curves.items()}
assert curves["joint"][0][0] < min(mean[0] for mean, _ in curves.values()) + 0.4
assert min(mean[0] for mean, _ in curves.values()) > 2.5
with_inner_loop = [one[name] for name in ("MAML", "first-order", "Reptile")]
assert one["joint"] > 1.25 * max(with_inner_loop), one
assert max(with_inner_loop) - min(with_inner_loop) < one["joint"] - max(with_inner_loop), one
assert one["joint"] > 0.75 * curves["joint"][0][0], one
assert all(one[name] < 0.65 * curves[name][0][0] for name in ("MAML", "first-order", "Reptile")), one

# %% [markdown]
# **What you saw.** By less than a quarter for joint training, and by more than a third for the other three. Before the step joint training is about as good as the best. Each run has one seed, so do not trust the order of the other three: the band is over tasks, not seeds (notebook 03).
#
# For a verdict take the long runs of three seeds, with tuned baselines.

# %%
from IPython.display import Markdown, display

rows = []
for name in ("the exact answer", "MAML", "first-order MAML", "Reptile", "pooled, fine-tuned", "from scratch"):
    values = [by_method[name][column] for column in ("1 step", "5 steps", "10 steps")]
    rows.append((name, *(f"{mean:.2f} ± {half:.2f}" for mean, half in values)))
display(figures.table(rows, table["title"], columns=("method", "1 step", "5 steps", "10 steps")))
Markdown(results.caption(table))

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
for column in ("1 step", "5 steps", "10 steps"):
    in_order = [by_method[name][column][0] for name in ("the exact answer", "MAML", "first-order MAML", "Reptile", "pooled, fine-tuned")]
    assert in_order == sorted(in_order) and in_order[3] < 0.5 * in_order[4], (column, in_order)

# %% [markdown]
# MAML, first order, Reptile: the means keep this order in every column, but after ten steps the first two intervals overlap. All three end at less than half the loss of tuned joint training, the row *pooled, fine-tuned*. Take MAML where you can pay its time and memory, and another where you cannot.
#
# The paper's own code uses Adam in the inner loop, and carries its memory from task to task. [Appendix 06b, Adam with a memory](06b_adam_with_a_memory.ipynb), shows why, with exercise 6.5.

# %% [markdown]
# ## With your own lines
#
# Have you passed 5.1, 5.2 and 6.3? Then *your* functions train here. Otherwise the course's do. A line says which. Losses go into your passport.

# %% tags=["hide-input"]
def course_adapt(loss, theta, support, inner_lr, inner_steps):
    return maml.adapt(loss, theta, support, inner_lr=inner_lr, inner_steps=inner_steps)

def course_meta_loss(loss, adapt, theta, tasks, inner_lr, inner_steps):
    after = [adapt(loss, theta, t.support, inner_lr, inner_steps) for t in each(tasks)]
    return sum(loss(phi, *t.query) for phi, t in zip(after, each(tasks), strict=True)) / len(after)

# %%
adapt = yours("5.1", otherwise=course_adapt)
meta_loss = yours("5.2", otherwise=course_meta_loss)
outer_step = yours("6.3", otherwise=reptile.interpolate)

def maml_step(theta, moments, tasks):
    def objective(theta):
        return meta_loss(loss, adapt, theta, tasks, 0.01, 1)
    return adam.update(theta, grad(objective)(theta), moments, lr=3e-3)

def reptile_step(theta, tasks, meta_lr):
    adapted = [adapt(loss, theta, one_task.support, 0.02, 5) for one_task in each(tasks)]
    return outer_step(theta, adapted, meta_lr)

# %% tags=["nbval-ignore-output"]
rng = np.random.default_rng(0)
new_sines = Sinusoids(k_shot=5, n_query=100).sample(100, np.random.default_rng(7))
by_maml = by_reptile = beginning = network.init(rng)
moments = adam.init(by_maml)
for step in range(500):
    tasks_now = family.sample(5, rng)
    by_maml, moments = maml_step(by_maml, moments, tasks_now)
    by_reptile = reptile_step(by_reptile, tasks_now, meta_lr=1 - step / 500)

mine_after = {}
for name, place in {"start": beginning, "MAML": by_maml, "Reptile": by_reptile}.items():
    mine_after[name] = float(meta_loss(loss, adapt, place, new_sines, 0.01, 1))
    print(f"{name:8} loss after one step on 100 new sines: {mine_after[name]:.2f}")
if adapt is not course_adapt:
    note("meta-trained with your own lines in 06, loss after one step", **mine_after)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert mine_after["MAML"] < 0.75 * mine_after["start"] and mine_after["Reptile"] < 0.75 * mine_after["start"], mine_after

# %% [markdown]
# Both losses are at least a quarter lower than at the start.

# %% [markdown]
# ## What can go wrong
#
# **Judging by the training loss.** Reptile needs no query set, so it is tempting to look only at the loss on the support points.
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
# **What you saw.** Both support losses are small: each network fits its five points. Only the query losses show how far joint training is behind. Reptile may *train* without a query set. You may not *judge* it without one.
#
# [Appendix 06b](06b_adam_with_a_memory.ipynb) shows two more mistakes, in `meta_lr` and in the loop over tasks.

# %% [markdown]
# ## Quiz
#
# **1.** Your loss is linear in the parameters. How do MAML and first-order MAML differ? And for a network of ReLUs with squared error?
#
# <details><summary>Answer</summary>
#
# For a linear loss they do not differ: its Hessian is zero, so the factor $I - \alpha H$ is the identity. For the network they do. Each ReLU has a second derivative of zero, but the squared error has curvature, and weights of different layers multiply each other.
#
# </details>
#
# **2.** All your tasks have the same Hessian. You use plain gradient descent in the outer loop, and first order. Where do you end up?
#
# <details><summary>Answer</summary>
#
# At MAML's place. MAML's mean gradient is the common factor $I - \alpha H$ times first order's. If this factor can be inverted, one gradient is zero exactly when the other is. One exception: if the inner step overshoots, with $\alpha$ times the curvature above 1, first order walks away from that place.
#
# </details>
#
# **3.** Reptile uses the whole support set in each of five inner steps, and in training the support set has five points. Why is that a bad idea?
#
# <details><summary>Answer</summary>
#
# The training does not measure whether a step on these five points helps anywhere else.
#
# </details>

# %% [markdown]
# ## What you can do now
#
# - Say what first order drops, $I - \alpha H$, and measure the angle it costs.
# - Predict where it comes to rest on tasks of known curvature, and when that is another place than MAML's.
# - Write Reptile's outer step, and derive the two terms that make it work.
# - Recognise the one-step Reptile, and the judgement without a query set.
#
# ## What comes next
#
# [Clinic 06c](06c_clinic.ipynb) is an invented report with one flaw. [07, few-shot images](07_few_shot_images.ipynb), takes the unchanged `adapt` to written characters and a convolutional network.
#
# ## References
#
# - C. Finn, P. Abbeel, S. Levine, *Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks*, ICML 2017, [arXiv:1703.03400](https://arxiv.org/abs/1703.03400).
# - A. Fallah, A. Mokhtari, A. Ozdaglar, *On the Convergence Theory of Gradient-Based Model-Agnostic Meta-Learning Algorithms*, AISTATS 2020, [arXiv:1908.10400](https://arxiv.org/abs/1908.10400).
# - A. Nichol, J. Achiam, J. Schulman, *On First-Order Meta-Learning Algorithms*, 2018, [arXiv:1803.02999](https://arxiv.org/abs/1803.02999).
# - B. McMahan, E. Moore, D. Ramage, S. Hampson, B. Agüera y Arcas, *Communication-Efficient Learning of Deep Networks from Decentralized Data*, AISTATS 2017, [arXiv:1602.05629](https://arxiv.org/abs/1602.05629): FedAvg.
# - Y. Jiang, J. Konečný, K. Rush, S. Kannan, *Improving Federated Learning Personalization via Model Agnostic Meta Learning*, 2019, [arXiv:1909.12488](https://arxiv.org/abs/1909.12488).
# - A. Rajeswaran, C. Finn, S. Kakade, S. Levine, *Meta-Learning with Implicit Gradients*, NeurIPS 2019, [arXiv:1909.04630](https://arxiv.org/abs/1909.04630): implicit MAML.
