# %% [markdown]
# # Gradients through gradients
#
# On this page you write **sixty lines of NumPy that can differentiate their own gradients**. They give the same meta-gradient as `torch.func.grad`, and afterwards no line of MAML is magic.
#
# > **Recall.** Notebook 02 wrote a network as `apply(params, x)`: its parameters go in as an argument. Why not an object that keeps them inside?
# >
# > <details><summary>Answer</summary>
# >
# > Because the loss is then a *function* of the parameters. You can ask for it at $\theta$, or at the $\varphi$ that one step leads to, and you can differentiate it with respect to what you put in. Today you put in a $\varphi$ that was itself computed from $\theta$.
# >
# > </details>

# %% [markdown]
# ## Before you start
#
# | | |
# | --- | --- |
# | **It gives you** | an autograd engine of your own that differentiates twice |
# | **You will be able to** | compute a meta-gradient by hand · write an engine that differentiates twice · test any gradient by finite differences, with the right step · multiply by a Hessian without storing it · say what second order costs, and notice when it is missing |
# | **You need** | [01](01_what_is_a_task.ipynb) (support and query), [02](02_why_ordinary_learning_fails.ipynb) (a model is a function of its parameters), the chain rule, NumPy |
# | **Time** | 60 minutes to read, 40 for the exercises, about 15 seconds to run |
# | **Skip it if** | you have written a backward pass before *and* can say what `create_graph=True` keeps. Read *What can go wrong* all the same |

# %% tags=["setup"]
import time
from itertools import count
from typing import NamedTuple

import numpy as np

from mlcourse.lessons import checks, figures, palette
from mlcourse.tasks import five_points

task, wave = five_points()

# %% [markdown]
# ## The slope of a loss that lies behind a step
#
# Take the five points of the notebooks before. They lie on the wave $y = 3 \sin(x - 0.9)$. Suppose that you know the phase, 0.9. Then one parameter is left, the amplitude.
#
# Start it at $\theta$. One gradient step on the five support points takes it to $\varphi$. The query then judges $\varphi$:
#
# $$\varphi = \theta - \alpha \, L_s'(\theta), \qquad M(\theta) = L_q(\varphi).$$
#
# $L_s$ is the loss on the support, $L_q$ the one on the query, $\alpha$ is `inner_lr`. $M$ is the loss *after* the step, seen as a function of where you *started*. To find a better start you need its slope, $M'(\theta)$. This slope is the **meta-gradient**.
#
# With amplitude $a$ the error at $x$ is $(a - 3) \sin(x - 0.9)$. Square it and take the mean: both losses are parabolas in $a$, with their lowest point at 3. All that we need to know of each is how strongly it bends, its second derivative: $2 \cdot \text{mean of } \sin^2(x - 0.9)$.

# %% tags=["setup"]
class Parabola(NamedTuple):
    """The loss ½ · curvature · (x − best)²."""

    curvature: float
    best: float

    def slope(self, x):
        return self.curvature * (x - self.best)

def parabola(examples):
    """The mean squared error on some examples, as a function of the amplitude."""
    return Parabola(curvature=2 * np.mean(np.sin(examples.x - 0.9) ** 2), best=3.0)

# %%
support, query = parabola(task.support), parabola(task.query)
print(f"curvature on the support {support.curvature:.4f}")
print(f"curvature on the query   {query.curvature:.4f}")

# %% [markdown]
# Now move $\theta$ by a hair. Where does $\varphi$ go? By the same hair, less what the step takes back, because the gradient that it follows has changed as well. How fast the gradient changes is the second derivative, $L_s''$, the curvature. So the chain rule says
#
# $$M'(\theta) = \frac{d\varphi}{d\theta} \cdot L_q'(\varphi) = \bigl(1 - \alpha \, L_s''(\theta)\bigr) \cdot L_q'(\varphi).$$
#
# With a pencil, from $\theta = 0.5$ with $\alpha = 0.3$:
#
# | | | |
# | :-- | :-- | --: |
# | slope at the start | $L_s'(\theta) = 1.0077 \cdot (0.5 - 3)$ | $-2.519$ |
# | after the step | $\varphi = 0.5 + 0.3 \cdot 2.519$ | $1.256$ |
# | slope there, on the query | $L_q'(\varphi) = 0.9868 \cdot (1.256 - 3)$ | $-1.721$ |
# | how much of a nudge arrives | $1 - 0.3 \cdot 1.0077$ | $0.698$ |
# | the meta-gradient | $0.698 \cdot (-1.721)$ | $-1.201$ |
#
# The same in code, and beside it the plain test: nudge $\theta$ to both sides and look.

# %%
def loss_after(theta, inner_lr):
    phi = theta - inner_lr * support.slope(theta)
    return 0.5 * query.curvature * (phi - query.best) ** 2

theta, inner_lr, h = 0.5, 0.3, 1e-5
phi = theta - inner_lr * support.slope(theta)
by_hand = (1 - inner_lr * support.curvature) * query.slope(phi)
nudged = (loss_after(theta + h, inner_lr) - loss_after(theta - h, inner_lr)) / (2 * h)
print(f"by hand    {by_hand:.6f}")
print(f"by nudging {nudged:.6f}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
s_support, s_query = np.sin(task.support.x - 0.9), np.sin(task.query.x - 0.9)
assert np.isclose(np.mean((0.5 * s_support - task.support.y) ** 2), 0.5 * support.curvature * 2.5**2)
assert (round(support.curvature, 4), round(query.curvature, 4)) == (1.0077, 0.9868)
assert round(1.0077 * (0.5 - 3), 3) == -2.519 and round(0.5 + 0.3 * 2.519, 3) == 1.256  # the digits as printed
assert round(0.9868 * (1.256 - 3), 3) == -1.721 and round(1 - 0.3 * 1.0077, 3) == 0.698 and round(0.698 * -1.721, 3) == -1.201
assert round(support.slope(0.5), 3) == -2.519 and round(phi, 3) == 1.256 and round(query.slope(phi), 3) == -1.721
assert round(1 - 0.3 * support.curvature, 3) == 0.698 and round(by_hand, 3) == -1.201
assert abs(nudged - by_hand) < 1e-8

# %% [markdown]
# **Predict.** You forget the factor $1 - \alpha L_s''$ and take $L_q'(\varphi)$ itself for the slope: $-1.721$ in place of $-1.201$. Too steep, but it points the same way. Now let the inner step be five times as long, $\alpha = 1.5$. Which way do the two formulas send $\theta$?

# %%
for inner_lr in (0.3, 1.5):
    phi = theta - inner_lr * support.slope(theta)
    factor = 1 - inner_lr * support.curvature
    print(f"α = {inner_lr}: the step leads to φ = {phi:.3f}")
    print(f"  without the factor {query.slope(phi):+.3f}")
    print(f"  with it            {factor * query.slope(phi):+.3f}")

# %% tags=["hide-input"]
with figures.style():
    figure, axes = figures.canvas(columns=2, height=2.7, sharey=True)
    starts = np.linspace(-1.0, 5.0, 121)
    for panel, inner_lr in zip(axes, (0.3, 1.5), strict=True):
        slope = query.slope(theta - inner_lr * support.slope(theta))
        panel.plot(starts, loss_after(starts, inner_lr), color=figures.TRUTH, linewidth=4, label="M(θ), the loss after the step")
        nearby = theta + np.array([-1.2, 1.2])
        for name, tilt in (("MAML", slope * (1 - inner_lr * support.curvature)), ("first-order", slope)):
            colour, line = figures.look(name)
            words = "slope with the factor" if name == "MAML" else "slope without it"
            panel.plot(nearby, loss_after(theta, inner_lr) + tilt * (nearby - theta), color=colour, linestyle=line, label=words)
        panel.plot(theta, loss_after(theta, inner_lr), "o", color=figures.INK, zorder=5)
        panel.set(title=f"α = {inner_lr}", xlabel="start θ (amplitude)", ylim=(-0.7, 5.0))
    axes[0].set_ylabel("query loss after the step")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=1, fontsize=8.5)
figures.show(figure, alt="The loss after the step as a curve over the start, for two inner rates. The line with the factor touches the curve in both; the one without it is too steep at 0.3 and slopes the wrong way at 1.5.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
long_phi = 0.5 - 1.5 * support.slope(0.5)
assert round(long_phi, 3) == 4.279 and round(query.slope(long_phi), 3) == 1.262
assert round((1 - 1.5 * support.curvature) * query.slope(long_phi), 3) == -0.646
assert round(1 - 1.5 * support.curvature, 3) == -0.512

# %% [markdown]
# **What you saw.** The long step jumps over the bottom, to $\varphi = 4.279$. The query complains that $\varphi$ is too large, $+1.262$, and the short formula concludes that $\theta$ is too large: the wrong way. The whole formula knows that here a larger start lands at a *smaller* $\varphi$ (the factor is $-0.512$), and says $-0.646$: increase $\theta$.
#
# The short formula has a name, *first-order MAML*. It takes the factor for 1. Notebook 06 asks when that is good enough. To ask, you need both, and for a network you cannot compute the factor with a pencil.

# %% [markdown]
# ### Exercise 4.1 ●●○○○ More than one step
# *10 minutes. Why it matters: this is the whole of MAML, without a network in the way.*
#
# Write `meta_gradient` for any number of inner steps. `support` and `query` are parabolas as above, with `.curvature` and `.slope(x)`; they may have different best places. Each step begins where the last one ended. Ask yourself for each step how much of a nudge it lets through.

# %% tags=["exercise"]
def meta_gradient(theta, inner_lr, inner_steps, support, query):
    """Return M′(θ), one number."""
    return ...

# %% tags=["check"]
checks.nb04.meta_gradient(meta_gradient)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# Two steps are a function of a function. What does the chain rule do with two factors?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Start with `factor = 1.0` and `phi = theta`. In each round multiply `factor` by $1 - \alpha L_s''$ and move `phi` by one step. At the end the factor meets the slope of the query loss, at the last `phi`.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def meta_gradient(theta, inner_lr, inner_steps, support, query):
#     phi, factor = theta, 1.0
#     for _ in range(inner_steps):
#         factor = factor * (1 - inner_lr * support.curvature)
#         phi = phi - inner_lr * support.slope(phi)
#     return factor * query.slope(phi)
# ```
#
# A nudge passes through every step, and each lets the same fraction through, since a parabola has the same curvature everywhere. With no inner step the factor stays 1 and the answer is ordinary training.
#
# </details>

# %% [markdown]
# ## What a node remembers
#
# A network has thousands of parameters, and its loss is no parabola. We want a machine that does the chain rule for us. Its whole secret is to *remember how every number was made*.
#
# So let every result be a **node**. It holds its value. It also holds, for each operand that it was made from, a small function, the **pull-back**. A pull-back answers one question: if the final result changes $g$ times as fast as *I* do, how fast does it change with *that operand*?
#
# - $a + b$ changes exactly as fast as $a$ does. So $a$ gets $g$, and so does $b$.
# - $a \cdot b$ changes $b$ times as fast as $a$ does. So $a$ gets $g \cdot b$, and $b$ gets $g \cdot a$.
#
# (PyTorch calls this memory `grad_fn`. JAX calls a pull-back a *vector-Jacobian product*.) `order` says which node is older; we shall need it soon.

# %%
class Number:
    """A number that remembers what it was made from: `edges` are (operand, pull-back) pairs."""
    clock = count()

    def __init__(self, value, edges=()):
        self.value, self.edges, self.order = value, edges, next(Number.clock)

def plus(a, b):
    return Number(a.value + b.value, [(a, lambda g: g), (b, lambda g: g)])

def times(a, b):
    return Number(a.value * b.value, [(a, lambda g: g * b.value), (b, lambda g: g * a.value)])

# %% [markdown]
# Try it on one support point, the third: $x = 1.9$, so $\sin(x - 0.9) = 0.84147$ and $y = 2.52441$. The amplitude is $\theta = 0.5$, and the squared error is $(\theta \cdot 0.84147 - 2.52441)^2$. Written with our two operations:

# %%
amplitude = Number(0.5)
sine, minus_y = Number(np.sin(1.9 - 0.9)), Number(-task.support.y[2, 0])

prediction = times(amplitude, sine)
error = plus(prediction, minus_y)
squared = times(error, error)
print(f"squared error {squared.value:.3f}")

# %% tags=["hide-input"]
def draw_graph(gradients=None):
    places = {amplitude: (0, 1, "θ"), sine: (0, 0, "sine"), prediction: (1, 1, "prediction"),
              minus_y: (1, 0, "−y"), error: (2, 1, "error"), squared: (3, 1, "squared")}
    with figures.style():
        figure, axes = figures.canvas(height=2.0)
        boxes = {}
        for node, (x, y, name) in places.items():
            boxes[node] = axes.text(x, y, f"{name}\n{node.value:.3f}", ha="center", va="center", fontsize=9, zorder=3,
                                    bbox={"boxstyle": "round,pad=0.45", "facecolor": "white", "edgecolor": figures.QUIET})
            if gradients:
                axes.text(x, y + (0.37 if y else -0.37), f"g = {gradients[node]:.3f}", ha="center", va="center", fontsize=9, color=palette.TASKS[0])
        axes.set(xlim=(-0.45, 3.45), ylim=(-0.5, 1.5))
        axes.set_axis_off()
        figure.canvas.draw()  # the boxes know their size only now
        for node, (x, y, _) in places.items():
            for i, (operand, _) in enumerate(node.edges):
                bend = (0.35, -0.35)[i] if node is squared else 0
                axes.annotate("", (x, y), places[operand][:2], arrowprops={
                    "arrowstyle": "-|>", "color": figures.QUIET, "shrinkA": 1, "shrinkB": 1, "connectionstyle": f"arc3,rad={bend}",
                    "patchA": boxes[operand].get_bbox_patch(), "patchB": boxes[node].get_bbox_patch()})
    return figure

figures.show(draw_graph(), alt="Six boxes joined by arrows: θ and sine make the prediction, prediction and −y make the error, and two arrows lead from error to squared, because error is multiplied by itself.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert task.support.x[2, 0] == 1.9 and round(sine.value, 5) == 0.84147 and round(-minus_y.value, 5) == 2.52441
assert round((0.5 * 0.84147 - 2.52441) ** 2, 3) == round(squared.value, 3) == 4.425  # the digits as printed
assert [operand for operand, _ in squared.edges] == [error, error]

# %% [markdown]
# Nothing was differentiated yet. We computed forwards and took notes: the picture shows the notes. `squared` has two edges, both to `error`, since it is `error` times itself.

# %% [markdown]
# ## The chain rule, backwards
#
# Now ask the last node how fast it changes with itself: 1. From there walk back. Every node that knows its gradient $g$ hands a share to each of its operands, through the pull-backs. A node that was used in several places receives several shares, and **adds** them.
#
# One thing needs care. A node may pass its gradient on only when all its shares have arrived. They come from nodes that were made *later*. So we go from the newest node to the oldest. This function finds the nodes and sorts them. (`stop_at` is for later: where the search may end early.)

# %% tags=["setup"]
def newest_first(output, stop_at=()):
    """Everything that `output` was made from, and itself; the search ends at `stop_at`."""
    found, waiting = set(), [output]
    while waiting:
        node = waiting.pop()
        if node not in found and node not in stop_at:
            found.add(node)
            waiting += [operand for operand, _ in node.edges]
    return sorted(found, key=lambda node: node.order, reverse=True)

# %% [markdown]
# The walk itself is six lines:

# %%
def gradients_of(output):
    gradients = {output: 1.0}
    for node in newest_first(output):
        for operand, pull_back in node.edges:
            share = pull_back(gradients[node])
            gradients[operand] = gradients.get(operand, 0.0) + share
    return gradients

# %% [markdown]
# **Predict.** `error` is $-2.104$. It was used twice, by `error * error`. Which gradient does it end up with, and why is there a 2 in it, although we never taught the engine to differentiate a square?

# %%
gradients = gradients_of(squared)
print(f"gradient of error {gradients[error]:.3f}, of θ {gradients[amplitude]:.3f}")

# %% tags=["hide-input"]
figures.show(draw_graph(gradients), alt="The same graph with a gradient g at each box: 1 at squared, −4.207 at error, prediction and −y, −2.104 at the sine and −3.540 at θ.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert round(error.value, 3) == -2.104 and round(gradients[error], 3) == -4.207 and round(gradients[amplitude], 3) == -3.540
assert np.isclose(gradients[amplitude], 2 * sine.value * error.value)
assert round(error.value, 4) == -2.1037 and round(2 * -2.1037, 4) == round(gradients[error], 4) == -4.2074
assert round(-4.2074 * 0.84147, 3) == -3.540

# %% [markdown]
# **What you saw.** Each of the two edges brought $g \cdot \text{error} = -2.1037$, and they add up to $-4.2074$. That is where the 2 of "two times the error" comes from. Multiplied by the sine it gives $-3.540$ for $\theta$. One walk gave the gradient of *every* node, so a thousand parameters would have cost no second walk. This is reverse-mode differentiation, also called backpropagation.

# %% [markdown]
# ## Matrices: let the shapes guide you
#
# Networks compute with arrays. A node can hold an array just as well. Then $g$ is an array too, of the node's own shape: one gradient for each entry.
#
# A layer multiplies matrices, `a @ b`, with `a` of shape $(n, j)$ and `b` of shape $(j, k)$. For the pull-back to `b`, follow one entry. $b_{jk}$ is multiplied by $a_{ij}$ and lands in entry $(i, k)$ of the result, and it does so in every row $i$. So it collects
#
# $$\sum_i a_{ij} \, g_{ik}.$$
#
# That sum is itself a matrix product. Which one? You need not guess: the gradient for `b` must have the shape of `b`, and only one product of `a`, `g` and their transposes fits.

# %% [markdown]
# ### Exercise 4.2 ●●○○○ Pull-backs of a matrix product
# *10 minutes. Why it matters: most of the arithmetic of a backward pass happens in these two products.*
#
# Given `a` (n, j), `b` (j, k) and the gradient `g` (n, k) of the result `a @ b`, return the gradient for `a` and the gradient for `b`. These are plain NumPy arrays, no nodes.

# %% tags=["exercise"]
def matmul_pull_backs(a, b, g):
    """Return the gradient for a, shape (n, j), and the gradient for b, shape (j, k)."""
    return ...

# %% tags=["check"]
checks.nb04.matmul_pull_backs(matmul_pull_backs)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# $\sum_i a_{ij} g_{ik}$ sums over the *first* index of `a`. A matrix product sums over the last index of its left factor. What turns the one into the other?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Each gradient is `g` times the *other* operand, transposed. `g` stays on its side: for `a`, the left operand, `g` is on the left.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def matmul_pull_backs(a, b, g):
#     return g @ b.T, a.T @ g
# ```
#
# Shapes: $(n, k) \cdot (k, j)$ gives $(n, j)$, and $(j, n) \cdot (n, k)$ gives $(j, k)$. The sum over the rows $i$ is in the second product: a weight that all examples share collects from all of them.
#
# </details>

# %% [markdown]
# ## Broadcasting, undone
#
# After the product a layer adds a bias: `(5, 40) + (40,)`. NumPy repeats the bias for each of the five examples. That is called broadcasting, and it happens without a word.

# %% [markdown]
# **Predict.** The pull-back of `+` passes `g` on as it is. Which shape does the gradient of the bias then have? And what does `bias - 0.01 * gradient` do with it: fail, or something else?

# %%
bias = np.zeros(40)
g = np.ones((5, 40))  # the gradient of (5, 40) + bias, passed on as it is
updated = bias - 0.01 * g
print("the bias was", bias.shape, "and after one step it is", updated.shape)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert updated.shape == (5, 40)

# %% [markdown]
# **What you saw.** No error. The "bias" is now a (5, 40) array, and as long as five examples go in, no layer will complain. A silent mistake of this kind costs an afternoon.
#
# The cure follows from what you know. Repeating is *using several times*, and a node that is used several times adds its shares. So the pull-back of repeating is summing:

# %% tags=["hide-input"]
with figures.style():
    figure, axes = figures.canvas(columns=2, height=2.5)
    row, shares = np.array([1, 2, 3]), np.array([[5, 0, 2], [1, 4, 2], [3, 1, 2]])
    for panel, single, grid, title in (
        (axes[0], row, np.tile(row, (3, 1)), "forwards: repeated"), (axes[1], shares.sum(0), shares, "backwards: summed")
    ):
        for (i, j), entry in np.ndenumerate(np.vstack([single[None], grid])):
            y, own = (-i - 0.7, palette.TASKS[j]) if i else (0, palette.TASKS[j])
            panel.text(j, y, str(entry), ha="center", va="center", fontsize=10, color=figures.INK,
                       bbox={"boxstyle": "square,pad=0.42", "facecolor": own + "33", "edgecolor": own})
        down = panel is axes[0]
        for j in range(3):
            panel.annotate("", (j, -1.3 if down else -0.36), (j, -0.36 if down else -1.3), arrowprops={"arrowstyle": "-|>", "color": figures.QUIET})
        panel.set(title=title, xlim=(-1.6, 2.6), ylim=(-4.2, 0.6))
        panel.text(-0.6, 0, "(3,)", ha="right", va="center")
        panel.text(-0.6, -2.7, "(3, 3)", ha="right", va="center")
        panel.set_axis_off()
figures.show(figure, alt="Left: a row 1, 2, 3 repeated three times. Right: three rows of gradients, and above them their column sums 9, 5, 6, the gradient of the row.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert shares.sum(0).tolist() == [9, 5, 6]

# %% [markdown]
# ### Exercise 4.3 ●●●○○ Undo broadcasting
# *10 minutes. Why it matters: a gradient of the wrong shape rarely crashes; it spoils the numbers.*
#
# `g` is the gradient of a result. The operand had the shape `shape` and was broadcast to `g.shape`. Return the gradient of the operand, with exactly that shape. NumPy broadcasts in two ways, and you undo both:
#
# - axes that the operand lacks are put in *front*: (4,) becomes (3, 4);
# - an axis of length 1 is stretched: (3, 1) becomes (3, 4).

# %% tags=["exercise"]
def undo_broadcasting(g, shape):
    """Return g summed over every axis along which an array of this shape was repeated."""
    return ...

# %% tags=["check"]
checks.nb04.undo_broadcasting(undo_broadcasting)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# `g.ndim - len(shape)` tells how many axes were put in front. Sum over those first; they must go away.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Then sum over the axes where `shape` has a 1, but keep them: `g.sum(axis=…, keepdims=True)`. `axis` may be a tuple of axes, an empty one too.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def undo_broadcasting(g, shape):
#     extra = g.ndim - len(shape)
#     g = g.sum(axis=tuple(range(extra)))
#     stretched = tuple(axis for axis, size in enumerate(shape) if size == 1)
#     return g.sum(axis=stretched, keepdims=True)
# ```
#
# Summing over an axis that has length 1 in both changes nothing, so no further test is needed.
#
# </details>

# %% [markdown]
# ## A gradient that remembers, too
#
# Our engine knows $-3.540$ for the slope at $\theta$. MAML wants to know how that slope changes with $\theta$. By hand, the second derivative of $(\theta s - y)^2$ is $2 s^2 = 1.416$.

# %% [markdown]
# **Predict.** We take the slope that the engine gave us, make a `Number` of it, and ask for its gradient with respect to $\theta$. What comes out: 1.416, an error, or something else?

# %%
slope = Number(gradients[amplitude])
second = gradients_of(slope).get(amplitude, 0.0)
print(f"the slope {slope.value:.3f}")
print(f"its derivative, by the engine {second:.3f}, by hand {2 * sine.value**2:.3f}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert second == 0.0 and round(2 * sine.value**2, 3) == round(2 * 0.84147**2, 3) == 1.416

# %% [markdown]
# **What you saw.** Zero, and no complaint. The slope is right as a *number*, but it has no edges. Look at the pull-back of `times`: `g * b.value` multiplies plain numbers, so no notes are taken.
#
# The cure is one idea, and it is the heart of this notebook: **write the pull-backs in the engine's own operations.** With `g * b`, where both are nodes, the gradient is computed by the same machine as everything else. It takes notes. So it can be differentiated again, as often as you like.
#
# Here is the whole engine, in that form. First the node, which holds an array. An operand may also be a plain array: data, or a constant. You never ask for its gradient, so it gets no edge.

# %% tags=["setup"]
class Node:
    """An array that remembers what it was made from: `edges` are (operand, pull-back) pairs."""
    clock = count()
    __array_ufunc__ = None  # `array * node` is ours to handle, not NumPy's

    def __init__(self, value, edges=()):
        self.value, self.order = np.asarray(value, dtype=float), next(Node.clock)
        self.edges = [(operand, pull) for operand, pull in edges if isinstance(operand, Node)]

def value(x):
    """The plain array inside x, whether x is a node or an array already."""
    return x.value if isinstance(x, Node) else np.asarray(x, dtype=float)

def shape(x):
    return value(x).shape

# %% [markdown]
# Now the operations. Read each one as: where the gradient goes, then the value. These are your pull-backs of above. But here `g` is a node, so `*` and `@` take notes. `sum_to` undoes broadcasting, as you did in exercise 4.3; it comes next.

# %% tags=["setup"]
def add(a, b):
    to_a, to_b = lambda g: sum_to(g, shape(a)), lambda g: sum_to(g, shape(b))
    return Node(value(a) + value(b), [(a, to_a), (b, to_b)])

def mul(a, b):
    to_a, to_b = lambda g: sum_to(g * b, shape(a)), lambda g: sum_to(g * a, shape(b))
    return Node(value(a) * value(b), [(a, to_a), (b, to_b)])

def matmul(a, b):
    to_a, to_b = lambda g: g @ transpose(b), lambda g: transpose(a) @ g
    return Node(value(a) @ value(b), [(a, to_a), (b, to_b)])

def transpose(a):
    return Node(value(a).T, [(a, lambda g: transpose(g))])

# %% [markdown]
# `sum_to` is an operation like the others, so it needs a pull-back of its own. Undoing a sum means repeating again: `g * np.ones(…)`. With the shape `()` it sums over everything.
#
# `relu` passes on what is positive. Where that is does not change under a small nudge, so the mask counts as a constant.

# %% tags=["setup"]
def sum_to(a, to):
    """Sum over the axes along which an array of the shape `to` was repeated."""
    if shape(a) == to:
        return a
    total = value(a).sum(axis=tuple(range(value(a).ndim - len(to))))
    total = total.sum(axis=tuple(i for i, size in enumerate(to) if size == 1), keepdims=True)
    return Node(total, [(a, lambda g: g * np.ones(shape(a)))])

def relu(a):
    positive = value(a) > 0
    return Node(value(a) * positive, [(a, lambda g: g * positive)])

# %% [markdown]
# Python's operators should call these functions, so that you can write `x @ w + b`. The versions with an `r` are called when the node stands on the right.

# %% tags=["setup"]
Node.__add__ = Node.__radd__ = add
Node.__mul__ = Node.__rmul__ = mul
Node.__matmul__ = matmul
Node.__rmatmul__ = lambda self, other: matmul(other, self)
Node.__sub__ = lambda self, other: self + -1.0 * other
Node.__rsub__ = lambda self, other: other + -1.0 * self
Node.sum = lambda self: sum_to(self, ())

# %% [markdown]
# Last, the walk backwards. It is `gradients_of` again; but now the gradients are nodes, and the walk ends at the parameters that we ask about. `grad(f)` takes a function of a dict of parameters, as every loss of this course is, and returns a new function: the one that computes the gradient of `f`, again a dict.

# %% tags=["setup"]
def backward(output, inputs):
    """The gradient of `output`, one number, with respect to each node in the dict `inputs`."""
    gradients = {output: Node(np.ones(shape(output)))}
    for node in newest_first(output, stop_at=list(inputs.values())):
        for operand, pull_back in node.edges:
            share = pull_back(gradients[node])
            gradients[operand] = gradients[operand] + share if operand in gradients else share
    nothing = Node(0.0)  # times a parameter: zeros of its shape, if the output does not use it
    return {name: gradients.get(node, nothing * node.value) for name, node in inputs.items()}

def grad(f):
    def gradient(params, *rest):
        nodes = {name: p if isinstance(p, Node) else Node(p) for name, p in params.items()}
        return backward(f(nodes, *rest), nodes)
    return gradient

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
import inspect

functions = (Node.__init__, value, shape, add, mul, matmul, transpose, sum_to, relu, newest_first, backward, grad)
lines = [line for part in functions for line in inspect.getsource(part).splitlines() if line.strip()]
assert 55 <= len(lines) + 4 + 7 <= 70, "lines of the engine: 4 more are the head of Node, 7 its operators"

# %% [markdown]
# That is all: about sixty lines. Try it on our loss of one parameter, now on all five points. First look at what the slope *is*. In the first engine it was a number that had been made from nothing.

# %%
sines = np.sin(task.support.x - 0.9)  # (5, 1)

def amplitude_loss(p):
    error = p["a"] * sines - task.support.y
    return (error * error).sum() * (1 / 5)

def slope(p):
    return grad(amplitude_loss)(p)["a"]

a = Node(0.5)
behind = newest_first(slope({"a": a}))
print("nodes behind the slope:", len(behind), "  is θ among them?", a in behind)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert len(behind) > 5 and a in behind
assert len(newest_first(Number(gradients[amplitude]))) == 1

# %% [markdown]
# So there is a way from the slope back to $\theta$, and `grad` can walk it. By hand, the first and the second derivative are $-2.519$ and $1.008$:

# %%
at = {"a": 0.5}
print(f"first derivative  {slope(at).value:.3f}")
print(f"second derivative {grad(slope)(at)['a'].value:.3f}")

# %% [markdown]
# And the meta-gradient of the first section, $-1.201$? Write down the loss after the step, with a gradient inside, and ask for its gradient.

# %%
query_sines = np.sin(task.query.x - 0.9)  # (201, 1)

def loss_after_step(p):
    phi = p["a"] - 0.3 * slope(p)
    error = phi * query_sines - task.query.y
    return (error * error).sum() * (1 / 201)

print(f"by the engine {grad(loss_after_step)(at)['a'].value:.6f}")
print(f"by hand       {by_hand:.6f}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert round(float(slope(at).value), 3) == -2.519 and round(float(grad(slope)(at)["a"].value), 3) == 1.008
assert np.isclose(grad(loss_after_step)(at)["a"].value, by_hand, rtol=1e-12)

# %% [markdown]
# No line of `loss_after_step` mentions a second derivative. It contains a gradient, the gradient left its notes, and the outer `grad` walked back through them.

# %% [markdown]
# ## Is it right? Nudge it and look
#
# For a network there is no hand calculation to compare with. But there is a test that needs no trust. Write $\nabla M$ for the gradient, the slopes in all parameters together. Choose a random direction $v$ in the space of all parameters, move a little to both sides, and look at the loss:
#
# $$\frac{M(\theta + h v) - M(\theta - h v)}{2h} \approx \nabla M(\theta) \cdot v.$$
#
# The left side is the **central difference**; it needs no derivative at all. One random direction tests all parameters at once, since a mistake in any of them shows in the sum.
#
# Here is MAML's loss for the network of notebook 02, with its 1,761 parameters, on our task. (Notebook 05 goes through these lines at leisure. Here they are something to be differentiated.)

# %% tags=["setup"]
from mlcourse.reference import networks

def loss(params, x, y):
    h = relu(x @ params["w0"] + params["b0"])
    h = relu(h @ params["w1"] + params["b1"])
    error = h @ params["w2"] + params["b2"] - y
    return (error * error).sum() * (1 / len(y))

def meta_loss(theta, inner_lr=0.01, inner_steps=1):
    phi = theta
    for _ in range(inner_steps):
        gradient = grad(loss)(phi, *task.support)
        phi = {name: phi[name] - inner_lr * gradient[name] for name in phi}
    return loss(phi, *task.query)

theta = networks.mlp((1, 40, 40, 1)).init(np.random.default_rng(0))

# %% [markdown]
# And the test: a direction, the central difference along it, and the slope that a gradient claims for it.

# %%
def random_direction(params, rng):
    """A random direction of length 1 in the space of all parameters."""
    v = {name: rng.normal(size=p.shape) for name, p in params.items()}
    length = np.sqrt(sum(np.sum(x**2) for x in v.values()))
    return {name: x / length for name, x in v.items()}

def central_difference(f, params, v, h):
    there = {name: params[name] + h * v[name] for name in params}
    back = {name: params[name] - h * v[name] for name in params}
    return (value(f(there)) - value(f(back))) / (2 * h)

def along(gradient, v):
    """The slope in the direction v, from a gradient."""
    return sum(np.sum(value(gradient[name]) * v[name]) for name in v)

# %% [markdown]
# **Predict.** A derivative is the limit for ever smaller $h$. So which $h$ should we take: $10^{-2}$, $10^{-5}$ or $10^{-12}$? Is the smallest the best?

# %%
directions = [random_direction(theta, np.random.default_rng(seed)) for seed in range(20)]
meta_gradient_of_engine = grad(meta_loss)(theta)

def errors(gradient, h):
    """How far the central difference is from a gradient, relatively, in each direction."""
    differences = [central_difference(meta_loss, theta, v, h) for v in directions]
    return [abs(d / along(gradient, v) - 1) for d, v in zip(differences, directions, strict=True)]

steps = 10.0 ** np.arange(-13, 0.1, 0.5)
curve = [np.median(errors(meta_gradient_of_engine, h)) for h in steps]
for h in (1e-2, 1e-5, 1e-12):
    print(f"h = {h:.0e}: off by {np.median(errors(meta_gradient_of_engine, h)):.0e}")

# %% tags=["hide-input"]
def draw_v(curves):
    with figures.style():
        figure, axes = figures.canvas(height=3.0)
        for values, colour in zip(curves.values(), palette.TASKS):  # noqa: B905
            axes.plot(steps, values, color=colour, marker="o", markersize=3.5)
        axes.set(xscale="log", yscale="log", xlabel="step h of the nudge", ylabel="relative difference", xlim=(5e-14, 2))
        axes.text(3e-12, 1e-8, "too small:\ndigits cancel", ha="center", fontsize=9, color=figures.QUIET)
        axes.text(1.2e-1, 1e-7, "too large:\nbends, kinks", ha="center", fontsize=9, color=figures.QUIET)
        if len(curves) > 1:
            ends = [(steps[-1], curves[name][-1], name, colour) for name, colour in zip(curves, palette.TASKS)]  # noqa: B905
            figures.name_ends(axes, ends)
    return figure

figures.show(draw_v({"right": curve}), alt="On logarithmic axes the difference between engine and nudge makes a V: it falls from 1e-2 at h = 1e-13 to about 1e-10 near h = 3e-5, and rises again to 1e-1 at h = 1.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert sum(p.size for p in theta.values()) == 1761
assert 1e-6 < steps[np.argmin(curve)] < 1e-3 and min(curve) < 1e-9
assert np.median(errors(meta_gradient_of_engine, 1e-5)) < 3e-9
assert 1e-3 < curve[0] < 0.1 and 0.03 < curve[-1] < 0.3, curve
assert np.median(errors(meta_gradient_of_engine, 1e-12)) > 1e-4 and np.median(errors(meta_gradient_of_engine, 1e-2)) > 1e-4
assert round(np.cbrt(np.finfo(float).eps) * 1e6) == 6

import torch
from mlcourse.fast import arrays, losses as fast_losses, networks as fast_networks

def in_float32(theta):
    theta, (support_32, query_32) = (arrays.tensors(tree, dtype=torch.float32) for tree in (theta, task))
    torch_loss = fast_losses.squared_error(fast_networks.mlp((1, 40, 40, 1)))
    gradient = torch.func.grad(torch_loss)(theta, *support_32)
    return float(torch_loss({name: theta[name] - 0.01 * gradient[name] for name in theta}, *query_32))

def off_in_float32(h):
    return np.median([abs(central_difference(in_float32, theta, v, h) / along(meta_gradient_of_engine, v) - 1) for v in directions])

assert 0.03 < off_in_float32(1e-5) < 0.4 and min(off_in_float32(h) for h in 10.0 ** np.arange(-5, 0, 0.5)) > 1e-4

# %% [markdown]
# **What you saw.** A V. (Each dot is the median over twenty random directions.) On the right arm $h$ is too large: the loss bends on the way, and some ReLUs switch. On the left arm $h$ is too small: $M(\theta + hv)$ and $M(\theta - hv)$ agree in nearly all of their 16 digits, the subtraction cancels them, and what is left is rounding, blown up by the division by $2h$. At the bottom both errors are small, and nine digits agree.
#
# So take $h \approx 10^{-5}$ for numbers of size 1 in float64. (The cube root of the machine's precision, $6 \cdot 10^{-6}$, is where the two errors balance.) In float32 the same test is off by about a tenth at that $h$, and at no $h$ by less than one part in ten thousand. So **check gradients in float64**, whatever you train in. When in doubt look at the whole V: a right gradient shows one; a wrong gradient shows a floor, as you will see below.

# %% [markdown]
# ## A Hessian that nobody stores
#
# For one parameter, $L''$ was one number. For $n$ parameters it is a matrix, the **Hessian** $H$: entry $(i, j)$ says how fast slope $i$ changes with parameter $j$. Our little network has 1,761 parameters, hence 3.1 million entries, or 25 megabytes. A network of a million parameters would need 8 *terabytes*.
#
# But MAML does not need $H$, here the Hessian of the support loss at $\theta$. In its chain rule $H$ only ever appears *times a vector*:
#
# $$\nabla M(\theta) = \bigl(I - \alpha H\bigr) \, \nabla L_q(\varphi) = u - \alpha H u, \qquad u = \nabla L_q(\varphi).$$
#
# This is the formula of the first section, a factor times a slope; only the factor is a matrix now ($I$ is the identity). And $Hv$ has a meaning of its own: it says how the gradient changes when you walk in the direction $v$. Read it off in two steps:
#
# 1. The slope of $f$ along $v$ is one number, $\nabla f \cdot v$.
# 2. The gradient of that number is $Hv$, since $v$ is a constant.
#
# The price is two walks backwards. No matrix appears. (*Pearlmutter's trick*, of 1994, reaches the same $Hv$ another way: it differentiates the computation of the gradient *forwards*, along $v$.)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert round(1761**2 / 1e6, 1) == 3.1 and round(1761**2 * 8 / 1e6) == 25 and 1e6**2 * 8 == 8e12

# %% [markdown]
# ### Exercise 4.4 ●●●○○ Hessian times vector
# *10 minutes. Why it matters: this product is all that "second order" means in MAML.*
#
# `f` takes a dict of parameters and returns one number (a node). `v` is a dict of plain arrays with the same keys and shapes. Return $Hv$, again such a dict. Use `grad` of this page, twice. Add up the entries of a node with its method, `node.sum()` (`np.sum` does not know nodes); Python's own `sum(…)` adds several nodes.

# %% tags=["exercise"]
def hessian_vector_product(f, params, v):
    """Return Hv, a dict with the keys of params."""
    def slope_along_v(p):
        """The slope of f at p in the direction v: one number."""
        return ...

    return ...

# %% tags=["check"]
checks.nb04.hessian_vector_product(hessian_vector_product)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# `grad(f)(p)` is a dict. Multiply each of its entries by the one of `v`, sum each product, and add up the sums.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `slope_along_v` is a function from a dict to one number, like every loss on this page. So you may take its `grad`. Inside it, everything must come from its argument `p`.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def hessian_vector_product(f, params, v):
#     def slope_along_v(p):
#         gradient = grad(f)(p)
#         return sum((gradient[name] * v[name]).sum() for name in p)
#
#     return grad(slope_along_v)(params)
# ```
#
# `grad(f)(p)` left its notes, because its pull-backs are made of nodes. The outer `grad` walks back through them.
#
# </details>

# %% tags=["setup"]
def times_hessian(f, params, v):
    def slope_along_v(p):
        gradient = grad(f)(p)
        return sum((gradient[name] * v[name]).sum() for name in p)
    return grad(slope_along_v)(params)

# %% [markdown]
# That is exercise 4.4, for what follows. Now put the formula together, with one inner step: $u - \alpha H u$. The engine never saw this formula. It walked back through the notes.

# %% [markdown]
# **Predict.** Will $u - \alpha H u$ agree with `grad(meta_loss)` to the two digits of a rough approximation, to the nine of a finite difference, or to all sixteen?

# %%
def support_loss(p):
    return loss(p, *task.support)

gradient = grad(support_loss)(theta)
phi = {name: theta[name] - 0.01 * gradient[name].value for name in theta}
u = {name: g.value for name, g in grad(loss)(phi, *task.query).items()}
hu = times_hessian(support_loss, theta, u)

by_formula = {name: u[name] - 0.01 * hu[name].value for name in theta}
for name in ("w0", "w1", "w2"):
    difference = np.abs(by_formula[name] - meta_gradient_of_engine[name].value).max()
    print(f"{name}: entries up to {np.abs(by_formula[name]).max():.2f}, difference {difference:.0e}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert all(np.abs(by_formula[name] - meta_gradient_of_engine[name].value).max() < 1e-13 for name in theta)
v = directions[0]
h = 1e-5
ahead = grad(support_loss)({name: theta[name] + h * v[name] for name in theta})
behind = grad(support_loss)({name: theta[name] - h * v[name] for name in theta})
hv = times_hessian(support_loss, theta, v)
for name in theta:
    assert np.allclose((ahead[name].value - behind[name].value) / (2 * h), hv[name].value, rtol=1e-4, atol=1e-7)

# %% [markdown]
# **What you saw.** All digits, but for rounding in the last. It is no approximation: walking back through the inner gradient *is* multiplying by the Hessian. Whenever a paper says "MAML needs a Hessian-vector product", it means this.

# %% [markdown]
# ## What second order costs
#
# The notes have a price: they must be *kept*. Every node of every inner step must still be there when the walk backwards comes by. First-order MAML keeps much less. It takes the inner gradient as plain numbers, and its notes can be thrown away after each step.

# %%
def first_order_meta_loss(theta, inner_lr=0.01, inner_steps=1):
    phi = theta
    for _ in range(inner_steps):
        gradient = grad(loss)(phi, *task.support)
        numbers = {name: g.value for name, g in gradient.items()}  # without their notes
        phi = {name: phi[name] - inner_lr * numbers[name] for name in phi}
    return loss(phi, *task.query)

def kept(f, **how):
    """Nodes, and kilobytes in them, that must be kept until the walk backwards."""
    nodes = {name: Node(p) for name, p in theta.items()}
    notes = newest_first(f(nodes, **how), stop_at=list(nodes.values()))
    return len(notes), sum(node.value.nbytes for node in notes) / 1000

# %% [markdown]
# **Predict.** How does the number of kept nodes grow with the inner steps? Not at all, in proportion, or with the square? And does first order keep a constant number?

# %%
inner_steps = np.arange(11)
second_order = np.array([kept(meta_loss, inner_steps=k) for k in inner_steps])
first_order = np.array([kept(first_order_meta_loss, inner_steps=k) for k in inner_steps])
for name, notes in (("MAML", second_order), ("first-order", first_order)):
    nodes, kilobytes = notes[1] - notes[0]
    print(f"{name:11} each inner step adds {nodes:.0f} nodes, {kilobytes:.0f} kilobytes")
figure = figures.learning_curves(
    {"MAML": (inner_steps, second_order[:, 0]), "first-order": (inner_steps, first_order[:, 0])},
    xlabel="inner steps", ylabel="nodes kept", log=False,
)
figures.show(
    figure, alt="Nodes kept against inner steps, two straight lines from 12: second order climbs to 492 at ten steps, first order to 72."
)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert second_order[:, 0].tolist() == [12 + 48 * k for k in inner_steps]
assert first_order[:, 0].tolist() == [12 + 6 * k for k in inner_steps]
more, less = np.diff(second_order[:, 1]), np.diff(first_order[:, 1])
assert np.allclose(more, more[0]) and np.allclose(less, 1761 * 8 / 1000) and round(more[0]) == 89 and round(less[0]) == 14

# %% [markdown]
# **What you saw.** Both are straight lines. Each second-order step adds 48 nodes, 89 kilobytes of them: the layers forwards, the layers backwards, and the update. A first-order step adds six, one for each of the six arrays of parameters, 14 kilobytes: the new $\varphi$ and nothing else.
#
# Memory that grows *in proportion to the inner steps* is why MAML with many steps on a large network runs out of memory while plain training of the same network does not. (The time comes in the next section.)

# %% [markdown]
# ## The packaged engine, and PyTorch's
#
# From here on the course imports the engine: `mlcourse.reference.autograd`. It is yours, with four things added:
#
# - more operations: division, `exp`, `tanh` and others;
# - notes are taken only where they will be read;
# - what you get at the end are plain arrays, no nodes;
# - nested gradients stay apart even when the inner function uses a variable of the outer one.
#
# Open the file; you will find your way.
#
# PyTorch's version is `torch.func.grad`, with the same meaning: a function in, its gradient function out, and you may nest it.

# %% [markdown]
# **Predict.** Three engines, one of them sixty lines long. In how many digits do the meta-gradients agree: in six, in nine, or in more than twelve?

# %%
from mlcourse.reference import losses, maml
from mlcourse.tasks import stack

network_loss = losses.squared_error(networks.mlp((1, 40, 40, 1)))
batch = stack([task])  # a batch of one task
packaged = maml.meta_gradient(network_loss, theta, batch, inner_lr=0.01)

# %%
import torch
from mlcourse.fast import arrays, losses as fast_losses, networks as fast_networks

torch_loss = fast_losses.squared_error(fast_networks.mlp((1, 40, 40, 1)))
support_t, query_t = arrays.tensors(task)
theta_t = arrays.tensors(theta)

def torch_meta_loss(theta, inner_lr=0.01):
    gradient = torch.func.grad(torch_loss)(theta, *support_t)
    phi = {name: theta[name] - inner_lr * gradient[name] for name in theta}
    return torch_loss(phi, *query_t)

in_torch = arrays.arrays(torch.func.grad(torch_meta_loss)(theta_t))

# %%
largest = max(np.abs(p).max() for p in packaged.values())
for name, theirs in (("mlcourse.reference", packaged), ("torch.func.grad", in_torch)):
    difference = max(np.abs(meta_gradient_of_engine[k].value - theirs[k]).max() for k in theta)
    print(f"{name:18} differs by {difference / largest:.0e} of the largest entry")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
for theirs in (packaged, in_torch):
    assert max(np.abs(meta_gradient_of_engine[k].value - theirs[k]).max() for k in theta) / largest < 1e-12

# %% [markdown]
# **What you saw.** More than twelve digits. What is left is the order in which numbers were added.
#
# With the packaged engine we can also ask, fairly, what second order costs in *time*. (Ours would look worse than it must: it takes notes on the last walk too, which are never read.) `first_order=True` is a switch of `maml`.

# %% tags=["nbval-ignore-output"]
def milliseconds(**how):
    """Processor time of one meta-gradient, the best of five means of 20: other programs do not count."""
    means = []
    for _ in range(5):
        started = time.process_time()
        for _ in range(20):
            maml.meta_gradient(network_loss, theta, batch, inner_lr=0.01, **how)
        means.append((time.process_time() - started) / 20)
    return 1000 * min(means)

rows = []
for k in (1, 5, 10):
    first, second = (milliseconds(inner_steps=k, first_order=flag) for flag in (True, False))
    rows.append((str(k), f"{first:.1f}", f"{second:.1f}", f"{second / first:.1f}"))
columns = ("inner steps", "first-order, ms", "MAML, ms", "ratio")
figures.table(rows, "Processor time of one meta-gradient, when this page was built", columns=columns)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert 1.2 < float(rows[-1][3]) < 10 and float(rows[0][3]) < 5, rows

# %% [markdown]
# Second order takes longer than first order, with ten inner steps about twice as long. That is nowhere near 1,761 times. What runs out first is memory.

# %% [markdown]
# ## What can go wrong
#
# **A gradient that was cut by accident.** PyTorch has an older way to write the same: `torch.autograd.grad(loss, parameters, create_graph=True)`. The keyword says: *write the pull-backs as nodes, take notes on the gradient too*. Without it PyTorch does what our first engine did, and returns numbers with no history.

# %% [markdown]
# **Predict.** You forget the keyword. (It happens: readers of one public PyTorch code for MAML pointed out [in 2019](https://github.com/dragen1860/MAML-Pytorch/issues/32) and [in 2021](https://github.com/dragen1860/MAML-Pytorch/issues/63) that it lacks the keyword.) Does PyTorch complain? Does the gradient look strange? Does training fail?

# %%
def older_way(theta, create_graph, inner_lr=0.01):
    """The loss after one inner step, and its gradient: with create_graph the meta-gradient."""
    p = {name: x.clone().requires_grad_() for name, x in theta.items()}
    inner_loss = torch_loss(p, *support_t)
    inner = torch.autograd.grad(inner_loss, list(p.values()), create_graph=create_graph)
    phi = {name: p[name] - inner_lr * g for name, g in zip(p, inner, strict=True)}
    after = torch_loss(phi, *query_t)
    outer = torch.autograd.grad(after, list(p.values()))
    return after.item(), dict(zip(p, outer, strict=True))

# %%
trained = {}
for create_graph in (True, False):
    start = theta_t
    for _ in range(300):
        trained[create_graph], gradient = older_way(start, create_graph)
        start = {name: start[name] - 0.01 * gradient[name] for name in start}
print(f"loss after the inner step, at the start {value(meta_loss(theta)):.2f}")
print(f"300 meta-steps later, with create_graph {trained[True]:.2f}, without {trained[False]:.2f}")

# %% [markdown]
# **What you saw.** No error, no warning, and without the keyword the loss falls as well, to about half. Had you run only that version, you would call it a success. With the keyword it falls below 1. (This is one task. What the cut costs over many is notebook 06's question.)
#
# Compare the two gradients at the start, and then do what you have learnt: nudge.

# %%
right, cut = [arrays.arrays(older_way(theta_t, keep)[1]) for keep in (True, False)]
length_right, length_cut = np.sqrt(along(right, right)), np.sqrt(along(cut, cut))
cosine = along(right, cut) / length_right / length_cut
print(f"lengths {length_right:.2f} and {length_cut:.2f}, cosine {cosine:.3f}")

# %% tags=["hide-input"]
cut_curve = [np.median(errors(cut, h)) for h in steps]
figures.show(draw_v({"right": curve, "cut": cut_curve}), alt="The V of the right gradient, and the curve of the cut gradient: a floor at about one fifth that no step h gets below.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert 0.97 < cosine < 0.99 and abs(length_cut / length_right - 1) < 0.06
before = float(value(meta_loss(theta)))
assert trained[True] < 1.0 and 0.35 * before < trained[False] < 0.65 * before, (before, trained)
assert min(cut_curve) > 0.1 and 0.1 < np.median(errors(cut, 1e-5)) < 0.3

# %% [markdown]
# The lengths differ by a few per cent, the directions almost agree (a cosine near 0.99). You do not notice that by looking. The nudge notices at once: there is no V. However you choose $h$, the difference stays above 10 %, because the gradient belongs to another function. *A floor in place of a V is the fingerprint of a wrong gradient.*
#
# `.detach()`, `.data`, `.item()`, `torch.tensor(x)` and our own `.value` cut in the same way. Each is right somewhere. None belongs between $\theta$ and the query loss, unless you want first order and say so.

# %% [markdown]
# **A value changed in place.** Notes are only as good as what they point to.

# %% [markdown]
# **Predict.** We compute $a \cdot a$ at $a = 3$, then overwrite $a$ with 10, and only then walk back. Which gradient comes out: 6, 20, or an error?

# %%
a = Node(3.0)
square = a * a
a.value[...] = 10.0  # an update in place, between the walk forwards and the walk back
print("our engine:", backward(square, {"a": a})["a"].value, "for the square", square.value)

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
assert float(backward(square, {"a": a})["a"].value) == 20.0 and float(square.value) == 9.0
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
# **What you saw.** Our engine says 20: the slope at 10, for a square that was computed at 3. That is the slope of nothing you computed. PyTorch keeps a version number for each tensor and refuses. (`t.data.fill_(10.0)` gets round that guard, and then PyTorch says 20 as well.) This is why the course never writes `p -= …` in an inner loop, but makes new arrays: `phi = {name: p - …}`.

# %% [markdown]
# ## Quiz
#
# **1.** In the first section, take $\alpha = 1 / L_s''$. Then the meta-gradient is zero for *every* start. Why is that right?
#
# <details><summary>Answer</summary>
#
# On a parabola such a step lands on the bottom, wherever it begins. If every start is equally good, the loss after the step does not depend on the start, so its slope is zero. The short formula gives zero too, by luck: at the bottom of the support loss this query loss has its bottom as well.
#
# </details>
#
# **2.** Your gradient and the central difference differ by $3 \cdot 10^{-3}$, relatively, at $h = 10^{-3}$. Is the gradient wrong?
#
# <details><summary>Answer</summary>
#
# You cannot tell yet. Try $h = 10^{-4}$ and $10^{-5}$. If the difference falls steeply, you were on the right arm of the V and the gradient is right. If it stays at $3 \cdot 10^{-3}$, that is a floor, and the gradient belongs to another function.
#
# </details>
#
# **3.** In `mul`, you "optimise" `g * b` to `g * value(b)`. Which results of this page stay right, and which do not?
#
# <details><summary>Answer</summary>
#
# All first derivatives stay right: the numbers are the same. Second derivatives lose every part that came through `b`, so the Hessian-vector product and the meta-gradient are wrong, and nothing warns you. A test of `grad(grad(f))` by central differences does.
#
# </details>

# %% [markdown]
# ## What you can do now
#
# - Compute the meta-gradient of one parameter by hand, and say what each factor means.
# - Write a reverse-mode engine whose gradients can be differentiated again, and name the one idea that makes it so.
# - Test any gradient by central differences, choose the step, and read the V.
# - Multiply by a Hessian in two walks backwards, and say why MAML needs no more.
# - Tell what is kept for second order, and find the line where a gradient was cut.
#
# ## What comes next
#
# You differentiated `meta_loss` on this page without asking where it comes from. [Notebook 05](05_maml_from_zero.ipynb) builds it up from its two loops, trains it, and shows a network that learns a sine from five points.
#
# ## References
#
# - A. G. Baydin, B. A. Pearlmutter, A. A. Radul, J. M. Siskind, *Automatic Differentiation in Machine Learning: a Survey*, JMLR 2018, [jmlr.org/papers/v18/17-468](https://jmlr.org/papers/v18/17-468.html): forward and reverse mode, and what has been confused with them.
# - B. A. Pearlmutter, *Fast Exact Multiplication by the Hessian*, Neural Computation 1994, [doi:10.1162/neco.1994.6.1.147](https://doi.org/10.1162/neco.1994.6.1.147): the product of exercise 4.4, by a walk forwards.
# - C. Finn, P. Abbeel, S. Levine, *Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks*, ICML 2017, [arXiv:1703.03400](https://arxiv.org/abs/1703.03400): the gradient through a gradient step, and its first-order shortcut in section 5.2.
