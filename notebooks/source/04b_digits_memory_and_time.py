# %% [markdown]
# # Digits, memory and time
#
# This appendix of notebook 04 shows what a computer can and cannot do with a gradient through a gradient: why float32 cannot check one, and how to compute ten inner steps with a sixth of the memory.

# %% [markdown]
# ## Before you start
#
# | | |
# | --- | --- |
# | **It gives you** | the best step of a finite difference, and a meta-gradient that keeps little |
# | **You need** | [04](04_gradients_through_gradients.ipynb) (the V, Hessian times vector, create_graph) |
# | **Time** | 20 minutes to read, 0 for the exercises, about 15 seconds to run |

# %%
import time

import numpy as np
import torch

from mlcourse.fast import arrays, losses as fast_losses, networks as fast_networks
from mlcourse.lessons import figures, palette
from mlcourse.reference import autograd as ag, losses, maml, networks
from mlcourse.tasks import five_points, stack

task, wave = five_points()
layers = (1, 40, 40, 1)
loss, torch_loss = losses.squared_error(networks.mlp(layers)), fast_losses.squared_error(fast_networks.mlp(layers))
theta = networks.mlp(layers).init(np.random.default_rng(0))  # 1,761 parameters, as in notebook 04

# %% [markdown]
# ## The step that balances two errors
#
# A central difference has two errors. Take a smooth function $f$ of one number, with values and derivatives of about 1.
#
# - The function bends. Taylor's formula says that this costs about $h^2$.
# - The computer rounds each value of $f$ to a relative precision $\epsilon$. Divided by $2h$ this costs about $\epsilon / h$.
#
# One falls with $h$, the other rises. They are equal at $h = \epsilon^{1/3}$, and the error there is about $\epsilon^{2/3}$. In float64 $\epsilon$ is $2 \cdot 10^{-16}$, in float32 it is $1 \cdot 10^{-7}$:

# %%
for kind in (np.float64, np.float32):
    precision = float(np.finfo(kind).eps)
    print(f"{kind.__name__}: best h about {np.cbrt(precision):.0e}, error there about {precision ** (2 / 3):.0e}")

# %% [markdown]
# **Predict.** Notebook 04 used $h = 10^{-5}$ in float64, and nine digits were right. Now take float32, as you would for training, with the same $h$. How many digits of the meta-gradient's slope are right?

# %%
def meta_loss(theta, kind):
    """The query loss after one inner step, computed by PyTorch in float32 or float64."""
    theta, support, query = (arrays.tensors(tree, dtype=kind) for tree in (theta, task.support, task.query))
    inner = torch.func.grad(torch_loss)(theta, *support)
    return float(torch_loss({name: theta[name] - 0.01 * inner[name] for name in theta}, *query))

meta_gradient = maml.meta_gradient(loss, theta, stack([task]), inner_lr=0.01)

def random_direction(rng):
    v = {name: rng.normal(size=p.shape) for name, p in theta.items()}
    length = np.sqrt(sum(np.sum(x**2) for x in v.values()))
    return {name: x / length for name, x in v.items()}

directions = [random_direction(np.random.default_rng(seed)) for seed in range(20)]

# %%
def off_by(h, kind):
    """The relative difference between gradient and central difference, median of 20 directions."""
    found = []
    for v in directions:
        ahead, behind = ({name: theta[name] + side * v[name] for name in theta} for side in (h, -h))
        slope = (meta_loss(ahead, kind) - meta_loss(behind, kind)) / (2 * h)
        right = sum(np.sum(meta_gradient[name] * v[name]) for name in v)
        found.append(abs(slope / right - 1))
    return np.median(found)

steps = 10.0 ** np.arange(-13, 0.1, 0.5)
curves = {"float64": [off_by(h, torch.float64) for h in steps], "float32": [off_by(h, torch.float32) for h in steps]}
print(f"h = 1e-05 in float32: off by {off_by(1e-5, torch.float32):.0e}")
print(f"the best h in float32: off by {min(curves['float32']):.0e}")

# %% tags=["hide-input"]
with figures.style():
    figure, axes = figures.canvas(height=3.0)
    for (name, values), colour in zip(curves.items(), palette.TASKS):  # noqa: B905
        axes.plot(steps, values, color=colour, marker="o", markersize=3.5)
    axes.set(xscale="log", yscale="log", xlabel="step h", ylabel="relative difference", xlim=(5e-14, 2), ylim=(1e-11, 3))
    axes.text(1e-11, 1e-6, "float64", fontsize=9, ha="center", color=figures.readable(palette.TASKS[0]))
    axes.text(2e-7, 0.05, "float32", fontsize=9, ha="right", color=figures.readable(palette.TASKS[1]))
figures.show(figure, alt="Relative difference against the step h on logarithmic axes. In float64 a V with its lowest point near 1e-10. In float32 the curve is near 1 for every h below about 1e-6 and never gets below about 1e-4.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert round(np.cbrt(np.finfo(float).eps) * 1e6) == 6 and round(float(np.cbrt(np.finfo(np.float32).eps)) * 1e3) == 5
assert 0.03 < off_by(1e-5, torch.float32) < 0.4 and 1e-4 < min(curves["float32"]) < 3e-3, curves
assert np.median([abs(sum(np.sum(meta_gradient[name] * v[name]) for name in v)) for v in directions]) < meta_loss(theta, torch.float64) / 10
assert min(curves["float64"]) < 1e-9 and 1e-6 < steps[np.argmin(curves["float64"])] < 1e-3

# %% [markdown]
# **What you saw.** About one digit: the difference is off by about a tenth. Even the best $h$ leaves an error of more than $10^{-4}$. There are two reasons: the loss is more than ten times its slope along a random direction, so rounding costs more than in the estimate above; and a larger $h$ meets more kinks of the ReLUs. So an error of a few parts in ten thousand in your gradient would stay hidden. Check gradients in float64. A network that trains in float32 can be checked on a float64 copy.

# %% [markdown]
# ## What must be kept
#
# Second order needs the graph of all inner steps until the backward pass. First order takes the inner gradient as plain numbers, so the graph of each step can be thrown away. The packaged engine lets you count.

# %%
def after_steps(theta, inner_steps, first_order=False):
    """The query loss after some inner steps, in the packaged engine of the course."""
    phi = theta
    for _ in range(inner_steps):
        inner = ag.grad(loss)(phi, *task.support)
        inner = ag.stop_gradient(inner) if first_order else inner
        phi = {name: phi[name] - 0.01 * inner[name] for name in phi}
    return loss(phi, *task.query)

def kept(inner_steps, first_order):
    """Nodes, and kilobytes in them, of the graph from the loss back to the parameters."""
    sizes = {}

    def watched(params):
        output = after_steps(params, inner_steps, first_order)
        waiting, ends = [output], {p.order for p in params.values()}
        while waiting:
            node = waiting.pop()
            if node.order not in sizes and node.order not in ends:
                sizes[node.order] = node.data.nbytes
                waiting += [operand for operand, _ in node.edges]
        return output

    ag.grad(watched)(theta)
    return len(sizes), sum(sizes.values()) / 1000

# %% [markdown]
# **Predict.** How does the number of kept nodes grow with the inner steps: not at all, in proportion, or with the square? And does first order keep a constant number?

# %%
inner_steps = np.arange(11)
second_order = np.array([kept(k, first_order=False) for k in inner_steps])
first_order = np.array([kept(k, first_order=True) for k in inner_steps])
for name, sizes in (("MAML", second_order), ("first-order", first_order)):
    nodes, kilobytes = sizes[1] - sizes[0]
    print(f"{name:11} each inner step adds {nodes:.0f} nodes, {kilobytes:.0f} kilobytes")

# %% tags=["hide-input"]
figure = figures.learning_curves(
    {"MAML": (inner_steps, second_order[:, 1]), "first-order": (inner_steps, first_order[:, 1])},
    xlabel="inner steps", ylabel="kilobytes kept", log=False,
)
figures.show(figure, alt="Kilobytes kept against inner steps, two straight lines from the same point: second order climbs steeply, first order slowly.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert second_order[:, 0].tolist() == [12 + 47 * k for k in inner_steps]
assert first_order[:, 0].tolist() == [12 + 6 * k for k in inner_steps]
more, less = np.diff(second_order[:, 1]), np.diff(first_order[:, 1])
assert np.allclose(more, more[0]) and np.allclose(less, 1761 * 8 / 1000) and round(more[0]) == 90 and round(less[0]) == 14

# %% [markdown]
# **What you saw.** Both are straight lines. Each second-order step adds 47 nodes with 90 kilobytes: the layers forwards, the layers backwards, and the update. A first-order step adds six nodes with 14 kilobytes, one for each of the six arrays of the new $\varphi$.

# %% [markdown]
# ## Keep the points, not the graph
#
# Exercise 4.5 computes the same meta-gradient from Hessian products, one step at a time. It keeps the points $p_0, \dots, p_{k-1}$ and builds the graph of each step a second time when the walk back comes to it. To keep a few points and compute again what lies between them is called **checkpointing** (Griewank and Walther, 2000; Chen and others, 2016). This is its answer, in the packaged engine:

# %%
def times_hessian(f, params, v):
    def slope_along_v(p):
        gradient = ag.grad(f)(p)
        return sum(ag.sum(gradient[name] * v[name]) for name in v)
    return ag.grad(slope_along_v)(params)

def by_products(theta, inner_lr, inner_steps):
    points, p = [], theta
    for _ in range(inner_steps):
        points.append(p)
        inner = ag.grad(loss)(p, *task.support)
        p = {name: p[name] - inner_lr * inner[name] for name in p}
    u = ag.grad(loss)(p, *task.query)
    for p in reversed(points):
        hu = times_hessian(lambda params: loss(params, *task.support), p, u)
        u = {name: u[name] - inner_lr * hu[name] for name in u}
    return u

# %%
through_graph = maml.meta_gradient(loss, theta, stack([task]), inner_lr=0.01, inner_steps=10)
with_points = by_products(theta, 0.01, 10)
print("largest difference", f"{max(np.abs(with_points[name] - through_graph[name]).max() for name in theta):.0e}")
point = sum(p.nbytes for p in theta.values()) / 1000
print(f"kept for ten steps: {10 * point:.0f} kilobytes of points, in place of {second_order[10, 1] - second_order[0, 1]:.0f} of graph")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert max(np.abs(with_points[name] - through_graph[name]).max() for name in theta) < 1e-12
assert round(10 * point) == 141 and round(second_order[10, 1] - second_order[0, 1]) == 896

# %% [markdown]
# The same meta-gradient, with a sixth of the memory for the steps. The price is time: every inner gradient is computed twice. Only one graph exists at any moment, that of a single step.

# %% [markdown]
# ## Time
#
# **Predict.** The Hessian of our network has 1,761 rows. With ten inner steps, how many times as long as first order does second order take: about 2, about 40, or about 1,761?

# %% tags=["nbval-ignore-output"]
def milliseconds(compute):
    """Processor time of one meta-gradient, the best of five means of 10: other programs do not count."""
    means = []
    for _ in range(5):
        started = time.process_time()
        for _ in range(10):
            compute()
        means.append((time.process_time() - started) / 10)
    return 1000 * min(means)

def through_the_graph(k, first_order):
    return maml.meta_gradient(loss, theta, stack([task]), inner_lr=0.01, inner_steps=k, first_order=first_order)

rows = []
for k in (1, 5, 10):
    first = milliseconds(lambda: through_the_graph(k, first_order=True))
    second = milliseconds(lambda: through_the_graph(k, first_order=False))
    again = milliseconds(lambda: by_products(theta, 0.01, k))
    rows.append((str(k), f"{first:.1f}", f"{second:.1f}", f"{again:.1f}", f"{second / first:.1f}"))
columns = ("inner steps", "first-order, ms", "MAML, ms", "MAML by products, ms", "MAML / first-order")
figures.table(rows, "Processor time of one meta-gradient, when this page was built", columns=columns)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert 1.2 < float(rows[-1][4]) < 10 and float(rows[0][4]) < 5, rows

# %% [markdown]
# **What you saw.** About twice as long, and nowhere near 1,761 times. A Hessian-vector product costs only a few gradients, however many rows the Hessian has. Memory is the scarcer thing.

# %% [markdown]
# ## A value changed in place
#
# The graph points to arrays. If you change an array after the forward pass, the gradient is computed from the new values.
#
# **Predict.** We compute $a \cdot a$ at $a = 3$, then overwrite $a$ with 10, and only then walk back. Which gradient does our engine give: 6, 20, or an error? And PyTorch?

# %%
def square_then_overwrite(params):
    square = params["a"] * params["a"]
    params["a"].data[...] = 10.0  # an update in place, between the forward and the backward pass
    return square

print("our engine:", ag.grad(square_then_overwrite)({"a": np.array(3.0)})["a"])

t = torch.tensor(3.0, requires_grad=True)
square_t = t * t
with torch.no_grad():
    t.fill_(10.0)
try:
    square_t.backward()
except RuntimeError as error:
    print("torch refuses:")
    print(str(error).split(":")[0])

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert float(ag.grad(square_then_overwrite)({"a": np.array(3.0)})["a"]) == 20.0
try:
    square_t.backward()
    raise SystemExit("torch did not complain")
except RuntimeError as complaint:
    assert "modified by an inplace operation" in str(complaint)
t = torch.tensor(3.0, requires_grad=True)
square_t = t * t
t.data.fill_(10.0)
square_t.backward()
assert t.grad == 20.0

# %% [markdown]
# **What you saw.** Our engine says 20: the slope at 10, of a square that was computed at 3. This is not the slope of any function here. PyTorch keeps a version number for each tensor and refuses. `t.data.fill_(10.0)` gets round that guard, and then PyTorch says 20 as well. This is why the course never writes `p -= …` in an inner loop, but makes new arrays: `phi = {name: p - …}`.

# %% [markdown]
# ## References
#
# - A. Griewank, A. Walther, *Algorithm 799: revolve*, ACM Transactions on Mathematical Software 2000, [doi:10.1145/347837.347846](https://doi.org/10.1145/347837.347846): which points to keep.
# - T. Chen, B. Xu, C. Zhang, C. Guestrin, *Training Deep Nets with Sublinear Memory Cost*, 2016, [arXiv:1604.06174](https://arxiv.org/abs/1604.06174): checkpointing for deep networks.
