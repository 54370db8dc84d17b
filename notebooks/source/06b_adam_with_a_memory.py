# %% [markdown]
# # Adam with a memory
#
# You count Reptile's terms for any number of inner steps, and test them on the real inner loop in **all 120 orders** of five batches. Then four numbers show what Adam in the inner loop does when it forgets earlier tasks, and when it remembers them.

# %% [markdown]
# ## Before you start
#
# | | |
# | --- | --- |
# | **It gives you** | Reptile as its paper trains it, and its theory checked by numbers |
# | **You will be able to** | count the terms of $k$ inner steps · carry Adam's moments from one meta-step to the next · recognise two mistakes that still run |
# | **You need** | the second sitting of [06](06_first_order_and_reptile.ipynb) |
# | **Time** | 10 minutes to read, 15 for the exercises, about 5 seconds to run |
# | **Skip it if** | you only use Reptile with plain gradient descent in the inner loop |

# %% tags=["setup"]
import itertools

import numpy as np

from mlcourse.experiments import results
from mlcourse.lessons import checks, figures
from mlcourse.reference import adam, autograd, losses, maml, networks, reptile
from mlcourse.reference.autograd import grad
from mlcourse.tasks import Examples, Task, each, five_points, stack

network = networks.mlp((1, 40, 40, 1))
loss = losses.squared_error(network)
task, wave = five_points()

# %% [markdown]
# ## What k steps add
#
# In notebook 06 two inner steps used two mini-batches of one task, with gradients $g_1, g_2$ and Hessians $H_1, H_2$ at $\theta$. In the mean over both orders, and without terms in $\alpha^2$, their total gradient was
#
# $$\frac{\theta - \varphi}{\alpha} \approx g_1 + g_2 - \frac{\alpha}{2} \bigl( H_2 g_1 + H_1 g_2 \bigr)$$
#
# For $k$ steps with $k$ batches the paper writes AvgGrad for the mean of the $g_j$, and AvgGradInner for the mean of $H_i g_j$ over all pairs of different batches. With $k = 2$ the formula is $2\,\text{AvgGrad} - \alpha\,\text{AvgGradInner}$.

# %% [markdown]
# ### Exercise 6.4 ●●●○○ From two steps to k
# *10 minutes. Why it matters: the count shows what a third step adds, and why one step gives nothing.*
#
# Write the two terms of the total gradient for $k$ = `inner_steps` steps with $k$ different batches, in the mean over their orders. Leave out terms with $\alpha^2$. `avg_grad` and `avg_grad_inner` are arrays.

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
# There is one term for every pair of steps. With one step there is no pair, and what is left is joint training.
#
# </details>

# %% [markdown]
# Is it true? The folded cell tests it on the sine $a \sin(x - p)$, with our five points as five mini-batches. It runs the real inner loop in all 120 orders, so that the mean is exact, and subtracts the formula.

# %% tags=["hide-input"]
def wave_loss(params, x, y):
    return autograd.mean((params["a"] * autograd.sin(x - params["p"]) - y) ** 2)

batches = [(task.support.x[[i]], task.support.y[[i]]) for i in range(5)]
start = {"a": np.array(1.0), "p": np.array(0.3)}

def vector(params):
    return np.array([params["a"], params["p"]])

def total_gradient(order, inner_lr):
    """(theta - phi) / inner_lr after five steps with the batches in this order."""
    phi = start
    for i in order:
        gradient = grad(wave_loss)(phi, *batches[i])
        phi = {name: phi[name] - inner_lr * gradient[name] for name in phi}
    return (vector(start) - vector(phi)) / inner_lr

def times_hessian(i, v):
    """H of batch i, times v (exercise 4.4)."""
    def slope_along_v(params):
        gradient = grad(wave_loss)(params, *batches[i])
        return gradient["a"] * v[0] + gradient["p"] * v[1]
    return vector(grad(slope_along_v)(start))

g = [vector(grad(wave_loss)(start, *batch)) for batch in batches]
avg_grad = np.mean(g, axis=0)
avg_grad_inner = np.mean([times_hessian(i, g[j]) for i, j in itertools.permutations(range(5), 2)], axis=0)
rates = np.array([0.02, 0.01, 0.005, 0.002, 0.001, 0.0005])
orders = list(itertools.permutations(range(5)))
errors = {"one term": [], "two terms": []}
for rate in rates:
    real = np.mean([total_gradient(order, rate) for order in orders], axis=0)
    two = 5 * avg_grad - rate * 10 * avg_grad_inner               # 10 pairs of 5 steps
    errors["one term"].append(np.linalg.norm(real - 5 * avg_grad))
    errors["two terms"].append(np.linalg.norm(real - two))

# %% [markdown]
# **Predict.** The rate falls to a tenth, from 0.01 to 0.001. To which part does the error of the first term alone fall? And that of both?

# %% tags=["hide-input"]
with figures.style():
    figure, axes = figures.canvas(height=2.8)
    looks = {"one term": ("#E69F00", "--"), "two terms": ("#0072B2", "-")}
    ends = []
    for name, values in errors.items():
        axes.plot(rates, values, looks[name][1], color=looks[name][0], marker="o", markersize=4)
        ends.append((rates[0], values[0], name, looks[name][0]))
    axes.set(xscale="log", yscale="log", xlabel="inner_lr (log scale)", ylabel="length of the error (log scale)")
    axes.set_xticks([0.0005, 0.001, 0.002, 0.005, 0.01, 0.02], ["0.0005", "0.001", "0.002", "0.005", "0.01", "0.02"])
    axes.minorticks_off()
    figures.name_ends(axes, ends)
for name, values in errors.items():
    print(f"{name}: error {values[1]:.4f} at rate 0.01, {values[4]:.6f} at 0.001")
figures.show(figure, alt="Error of the expansion against inner_lr on logarithmic axes, two straight lines: with one term the slope is one, with two terms it is two, and the error is far smaller.")

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

# %% [markdown]
# **What you saw.** The error of one term falls to about a tenth, and that of both terms to about a hundredth, as $\alpha^2$ does. So the second term is right.
#
# The same algebra holds for all three methods. MAML and first order use the last of $k$ mini-batches as the query:
#
# | method | times AvgGrad | times AvgGradInner |
# | --- | --- | --- |
# | MAML | $1$ | $-2(k-1)\,\alpha$ |
# | first-order MAML | $1$ | $-(k-1)\,\alpha$ |
# | Reptile | $k$ | $-\tfrac12 k(k-1)\,\alpha$ |
#
# All three mix the *same two* directions. Relative to AvgGrad, their shares of the second are as 4 : 2 : 1. This is no ranking, because in real runs $k$ and $\alpha$ differ.

# %% [markdown]
# ## Reptile's own inner loop
#
# The paper's own code uses Adam without momentum, $\beta_1 = 0$, in the inner loop. Each weight's gradient is divided by the size of its recent gradients, which Adam remembers in its *moments*. A new task begins. What happens to this memory: is it wiped, or carried over from the tasks before?
#
# **Predict.** One weight, `inner_lr=0.01`. In one task its gradient is 10. In another it is 0.01, so this weight hardly matters there. How far does the first step go in each task, with fresh moments?

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
# **What you saw.** With fresh moments the first step has the same length for both gradients: only the sign is left. With five inner steps that is a large part of the inner loop. Weights with a tiny gradient then also move by a full step. Carried moments remember which size is usual, and the tiny gradient gives a tiny step. The paper's code carries them from task to task. With $\beta_1 = 0$ they hold sizes only, so no task's *direction* gets into the next task. With carried moments Reptile reaches 98.9 % on Omniglot (notebook 09: one seed, queries judged together).

# %% tags=["setup"]
def inner_adam(theta, moments, support):
    """Five inner steps of Adam with β1 = 0 on the support set: φ, and the moments after."""
    # five mini-batches, one a step; each holds the indices of the whole set
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
# Our tasks run side by side, so no task can give its moments to the next one. Instead every task of a meta-step begins with the same moments. All tasks count equally in the moments of the next meta-step. Two functions are given: `inner_adam(theta, moments, support)` returns $\varphi$ and its moments, and `mean_of_moments` averages a list of moments. Fill in both places.

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
# No task may use the moments of another task of the same step: they run side by side. After the loop, `after` holds one set of moments for each task.
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
# **Treating `meta_lr` as a small rate.** In Reptile it is a share of the way. Beyond 1 you walk past the mean of the $\varphi_i$. Here are the two line tasks of notebook 06, from $w = 0$:

# %% tags=["hide-input"]
def line_loss(params, x, y):
    return autograd.mean((params["w"] * x - y) ** 2)

def line(scale, slope):
    x = scale * np.array([[-1.0], [1.0]])
    return Task(Examples(x, slope * x), Examples(x, slope * x))

two_tasks = stack([line(scale=1, slope=1), line(scale=3, slope=2)])

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
# With 4 each step jumps across and lands farther away. Start at 1 or below, and let `meta_lr` fall to zero, as the paper does.
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
# Each task now starts where the one before has ended, and with `meta_lr=1` only the last task counts. The first algorithm of the paper does take one task a step, but then `meta_lr` must be small.
#
# ## What you can do now
#
# - Count Reptile's terms for $k$ steps, and test them on the real loop.
# - Carry Adam's moments from one meta-step to the next.
# - Recognise a share above 1, and a $\theta$ that changes inside the loop.
#
# ## What comes next
#
# Back to [06](06_first_order_and_reptile.ipynb), or on to [07, few-shot images](07_few_shot_images.ipynb).
#
# ## References
#
# - A. Nichol, J. Achiam, J. Schulman, *On First-Order Meta-Learning Algorithms*, 2018, [arXiv:1803.02999](https://arxiv.org/abs/1803.02999): Reptile; section 5 has the expansion with AvgGrad and AvgGradInner.
# - D. P. Kingma, J. Ba, *Adam: A Method for Stochastic Optimization*, ICLR 2015, [arXiv:1412.6980](https://arxiv.org/abs/1412.6980): the moments.
