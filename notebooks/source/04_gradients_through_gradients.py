# %% [markdown]
# # Gradients through gradients
#
# On this page you write **sixty lines of NumPy that can differentiate their own gradients**. They give the same meta-gradient as `torch.func.grad`. With them you can follow every line of MAML.
#
# > **Recall.** Notebook 02 wrote a network as `apply(params, x)`: its parameters go in as an argument. Why not an object that keeps them inside?
# >
# > <details><summary>Answer</summary>
# >
# > Because the loss is then a *function* of the parameters. You can evaluate it at $\theta$, or at a $\varphi$ that was computed from $\theta$, and you can differentiate it.
# >
# > </details>

# %% [markdown]
# ## Before you start
#
# | | |
# | --- | --- |
# | **It gives you** | an autograd engine of your own that differentiates twice |
# | **You will be able to** | compute a meta-gradient by hand · write an engine that differentiates twice · test a gradient by finite differences · multiply by a Hessian without storing it · notice when second order is missing |
# | **You need** | [01](01_what_is_a_task.ipynb) (support and query), [02](02_why_ordinary_learning_fails.ipynb) (a model is a function of its parameters), the chain rule, NumPy |
# | **Time** | 45 minutes to read, 60 for the exercises, about 15 seconds to run |
# | **Skip it if** | you have written a backward pass before *and* can say what `create_graph=True` keeps |

# %% tags=["setup"]
from itertools import count
from typing import NamedTuple

import numpy as np

from mlcourse.lessons import checks, figures, palette
from mlcourse.tasks import five_points

task, wave = five_points()

# %% [markdown]
# ## The slope of the loss after one step
#
# The five points of the notebooks before lie on the wave $y = 3 \sin(x - 0.9)$. Suppose that you know the phase, 0.9. Then one parameter is left: the amplitude $a$.
#
# The amplitude starts at $\theta$. One gradient step on the support gives $\varphi$. Then we compute the query loss:
#
# $$\varphi = \theta - \alpha \, L_s'(\theta), \qquad M(\theta) = L_q(\varphi).$$
#
# $L_s$ is the loss on the support, $L_q$ on the query, and $\alpha$ is `inner_lr`.
#
# > $M$ is the loss *after* the step, as a function of where you *started*.
#
# To find a better start you need the slope $M'(\theta)$, the **meta-gradient**. The inner loop makes the step, and the outer loop moves the start:

# %% tags=["hide-input"] slide=["How does the loss after the step depend on θ?"]
def draw_boxes(axes, places):
    """A box of words at each place: name -> (x, y, words). Returns the boxes by name."""
    look = {"boxstyle": "round,pad=0.45", "facecolor": "white", "edgecolor": figures.QUIET}
    axes.set_axis_off()
    drawn = {name: axes.text(x, y, words, ha="center", va="center", fontsize=9, zorder=3, bbox=look) for name, (x, y, words) in places.items()}
    axes.get_figure().canvas.draw()  # the boxes know their size only now
    return drawn

def draw_arrow(axes, boxes, start, end, bend=0, colour=figures.QUIET, width=1.2):
    axes.annotate("", boxes[end].get_position(), boxes[start].get_position(), arrowprops={
        "arrowstyle": "-|>", "color": colour, "linewidth": width, "shrinkA": 1, "shrinkB": 1, "connectionstyle": f"arc3,rad={bend}",
        "patchA": boxes[start].get_bbox_patch(), "patchB": boxes[end].get_bbox_patch()})

with figures.style():
    figure, axes = figures.canvas(height=1.9)
    axes.set(xlim=(-0.5, 3.5), ylim=(-1.05, 0.75))
    boxes = draw_boxes(axes, {"start": (0, 0, "θ\nthe start"), "end": (1.7, 0, "φ\nafter the step"), "loss": (3.1, 0, "M(θ) = $L_q$(φ)\nquery loss")})
    draw_arrow(axes, boxes, "start", "end")
    draw_arrow(axes, boxes, "end", "loss")
    draw_arrow(axes, boxes, "loss", "start", bend=-0.32, colour=palette.TASKS[0], width=1.8)
    axes.text(0.82, 0.36, "inner loop: − α $L_s$′(θ)\non the support", ha="center", va="center", fontsize=8.5)
    axes.text(1.55, -0.93, "outer loop: θ moves against the slope M′(θ)", ha="center", va="center", fontsize=8.5, color=figures.readable(palette.TASKS[0]))
figures.show(figure, alt="The two loops. The inner loop goes from the start θ by a gradient step on the support to φ, and on to the query loss M of θ. The outer loop goes back from that loss to θ, which moves against the slope of M.")

# %% [markdown]
# At amplitude $a$ the error at $x$ is $(a - 3) \sin(x - 0.9)$. Its mean square is a parabola in $a$, with its lowest point at 3. So one number describes each loss: its **curvature**, the second derivative, $2 \cdot \text{mean of } \sin^2(x - 0.9)$. In the code, `start` is $\theta$ and `landed` is $\varphi$.

# %% tags=["setup"]
class Parabola(NamedTuple):
    """The loss ½ · curvature · (a − best)² of an amplitude a."""

    curvature: float
    best: float

    def slope(self, a):
        return self.curvature * (a - self.best)

def parabola(examples):
    """The mean squared error on some examples, as a function of the amplitude."""
    return Parabola(curvature=2 * np.mean(np.sin(examples.x - 0.9) ** 2), best=3.0)

# %%
support, query = parabola(task.support), parabola(task.query)
print(f"curvature on the support {support.curvature:.4f}")
print(f"curvature on the query   {query.curvature:.4f}")

# %% [markdown]
# Change $\theta$ by a small $\varepsilon$. In $\varphi = \theta - \alpha L_s'(\theta)$ the gradient then changes too, by $L_s'' \varepsilon$, because the curvature is its rate of change. So $\varphi$ changes by $\varepsilon - \alpha L_s'' \varepsilon$, and the chain rule says
#
# $$M'(\theta) = \frac{d\varphi}{d\theta} \cdot L_q'(\varphi) = \bigl(1 - \alpha \, L_s''(\theta)\bigr) \cdot L_q'(\varphi).$$
#
# In a picture, two paths lead from $\theta$ to $\varphi$. Along each path the factors are multiplied, and the two products are added.

# %% tags=["hide-input"] slide=["Two paths lead from θ to φ"]
with figures.style():
    figure, axes = figures.canvas(height=2.0)
    axes.set(xlim=(-0.4, 3.6), ylim=(-1.15, 0.75))
    boxes = draw_boxes(axes, {"start": (0, 0.25, "θ"), "inner": (0.95, -0.75, "$L_s$′(θ)\ninner gradient"), "end": (1.9, 0.25, "φ"), "loss": (3.2, 0.25, "$L_q$(φ)")})
    second = palette.TASKS[0]
    draw_arrow(axes, boxes, "start", "end", width=1.8)
    draw_arrow(axes, boxes, "start", "inner", colour=second, width=1.8)
    draw_arrow(axes, boxes, "inner", "end", colour=second, width=1.8)
    draw_arrow(axes, boxes, "end", "loss", width=1.8)
    for x, y, words, colour in ((0.95, 0.42, "direct: × 1", figures.INK), (2.5, 0.42, "× $L_q$′(φ)", figures.INK),
                                (0.18, -0.4, "× $L_s$″", figures.readable(second)), (1.74, -0.4, "× (− α)", figures.readable(second))):
        axes.text(x, y, words, ha="center", va="center", fontsize=9, color=colour)
figures.show(figure, alt="From θ two paths lead to φ: a direct one with the factor 1, and one through the inner gradient with the factors L_s″ and −α. From φ one arrow with the factor L_q′ leads to the query loss.")

# %% [markdown]
# Remember the lower path. Whatever cuts it leaves a gradient that looks right and is wrong.
#
# With a pencil, from $\theta = 0.5$ with $\alpha = 0.3$:
#
# | | | |
# | :-- | :-- | --: |
# | slope at the start | $L_s'(\theta) = 1.0077 \cdot (0.5 - 3)$ | $-2.519$ |
# | after the step | $\varphi = 0.5 + 0.3 \cdot 2.519$ | $1.256$ |
# | slope there, on the query | $L_q'(\varphi) = 0.9868 \cdot (1.256 - 3)$ | $-1.721$ |
# | both paths, $d\varphi / d\theta$ | $1 - 0.3 \cdot 1.0077$ | $0.698$ |
# | the meta-gradient | $0.698 \cdot (-1.721)$ | $-1.201$ |
#
# The same in code, checked with a finite difference: $M$ a little to both sides of $\theta$.

# %%
def meta_loss_of_parabolas(start, inner_lr):
    landed = start - inner_lr * support.slope(start)
    return 0.5 * query.curvature * (landed - query.best) ** 2

start, h = 0.5, 1e-5
landed = start - 0.3 * support.slope(start)
by_hand = (1 - 0.3 * support.curvature) * query.slope(landed)
right, left = (meta_loss_of_parabolas(start + side, 0.3) for side in (h, -h))
print(f"by hand           {by_hand:.6f}")
print(f"finite difference {(right - left) / (2 * h):.6f}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
s_support, s_query = np.sin(task.support.x - 0.9), np.sin(task.query.x - 0.9)
assert np.isclose(np.mean((0.5 * s_support - task.support.y) ** 2), 0.5 * support.curvature * 2.5**2)
assert (round(support.curvature, 4), round(query.curvature, 4)) == (1.0077, 0.9868)
assert round(1.0077 * (0.5 - 3), 3) == -2.519 and round(0.5 + 0.3 * 2.519, 3) == 1.256  # the digits as printed
assert round(0.9868 * (1.256 - 3), 3) == -1.721 and round(1 - 0.3 * 1.0077, 3) == 0.698 and round(0.698 * -1.721, 3) == -1.201
assert round(support.slope(0.5), 3) == -2.519 and round(landed, 3) == 1.256 and round(query.slope(landed), 3) == -1.721
assert round(1 - 0.3 * support.curvature, 3) == 0.698 and round(by_hand, 3) == -1.201
assert abs((right - left) / (2 * h) - by_hand) < 1e-8 and round(query.slope(landed) / by_hand, 1) == 1.4

# %% [markdown] slide=["Without the lower path: wrong by a factor of 1.4", "Now make the inner step five times as long.", "By which factor is the short formula wrong?"]
# Without the lower path you would take $L_q'(\varphi)$ alone, $-1.721$ in place of $-1.201$: too steep by a factor of 1.4.
#
# **Predict.** Now make the inner step five times as long, $\alpha = 1.5$. By which factor is the short formula wrong now?

# %%
for inner_lr in (0.3, 1.5):
    landed = start - inner_lr * support.slope(start)
    factor = 1 - inner_lr * support.curvature
    print(f"α = {inner_lr}: the step leads to φ = {landed:.3f}, dφ/dθ = {factor:.3f}")
    print(f"  short formula {query.slope(landed):+.3f}, whole formula {factor * query.slope(landed):+.3f}")

# %% tags=["hide-input"] slide=["By −2: it points the wrong way"]
with figures.style():
    figure, axes = figures.canvas(columns=2, height=2.7, sharey=True)
    starts = np.linspace(-1.0, 5.0, 121)
    for panel, inner_lr in zip(axes, (0.3, 1.5), strict=True):
        there = query.slope(start - inner_lr * support.slope(start))
        panel.plot(starts, meta_loss_of_parabolas(starts, inner_lr), color=figures.TRUTH, linewidth=4, label="M(θ), the loss after the step")
        nearby = start + np.array([-1.2, 1.2])
        for name, tilt in (("MAML", there * (1 - inner_lr * support.curvature)), ("first-order", there)):
            colour, line = figures.look(name)
            words = "slope by the whole formula" if name == "MAML" else "slope by the short formula"
            panel.plot(nearby, meta_loss_of_parabolas(start, inner_lr) + tilt * (nearby - start), color=colour, linestyle=line, label=words)
        panel.plot(start, meta_loss_of_parabolas(start, inner_lr), "o", color=figures.INK, zorder=5)
        panel.set(title=f"α = {inner_lr}", xlabel="start θ (amplitude)", ylim=(-0.7, 5.0))
    axes[0].set_ylabel("query loss after the step")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=1, fontsize=8.5)
figures.show(figure, alt="The loss after the step as a curve over the start, for two inner rates. The line of the whole formula touches the curve in both; the line of the short one is too steep at 0.3 and slopes the wrong way at 1.5.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
long_landed = 0.5 - 1.5 * support.slope(0.5)
assert round(long_landed, 3) == 4.279 and round(query.slope(long_landed), 3) == 1.262
assert round((1 - 1.5 * support.curvature) * query.slope(long_landed), 3) == -0.646
assert round(1 - 1.5 * support.curvature, 3) == -0.512 and round(1 / (1 - 1.5 * support.curvature)) == -2

# %% [markdown]
# **What you saw.** By a factor of $-2$: it points the *wrong way*. The long step jumps over the bottom, to $\varphi = 4.279$, which is too large. The short formula has a positive slope, $+1.262$. Gradient descent then makes $\theta$ smaller. The whole formula has a negative slope, $-0.646$. Gradient descent makes $\theta$ larger, and a larger start lands at a *smaller* $\varphi$, since $d\varphi/d\theta$ is $-0.512$.
#
# The short formula is called *first-order MAML*. Notebook 06 asks when it is good enough. For a network we need a program that computes the whole one.

# %% [markdown] slide=["For each step: how fast does its end change with its beginning?", "Write `meta_gradient` for any number of inner steps."]
# ### Exercise 4.1 ●●○○○ More than one step
# *10 minutes. Why it matters: this is the whole of MAML, without a network in the way.*
#
# Write `meta_gradient` for any number of inner steps. `support` and `query` are parabolas as above, with `.curvature` and `.slope(a)`. For each step ask: how fast does its end change with its beginning?

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
# Start with `factor = 1.0` and `phi = theta`. Each round multiplies `factor` by $1 - \alpha L_s''$ and moves `phi` by one step.
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
# All factors are equal, since a parabola has the same curvature everywhere.
#
# </details>

# %% [markdown]
# ## What a node remembers
#
# A network has thousands of parameters, so let a machine apply the chain rule. Its one idea: *remember how every number was made*.
#
# Every result is a **node**. A node stores its value and, for each operand, a function called **pull-back**. Given $g$, the derivative of the final result with respect to the node, the pull-back returns the derivative with respect to the operand:
#
# - For $a + b$ the derivative with respect to $a$ is 1. So $a$ gets $g$, and $b$ gets $g$ as well.
# - For $a \cdot b$ the derivative with respect to $a$ is $b$. So $a$ gets $g \cdot b$, and $b$ gets $g \cdot a$.
#
# The nodes and their connections are the **graph**. PyTorch keeps it in `grad_fn`. JAX calls a pull-back a *vector-Jacobian product*, VJP. `order` numbers the nodes as they are made.

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
# Try it on the third support point: $x = 1.9$. At $\theta = 0.5$ the squared error is $(\theta \cdot 0.84147 - 2.52441)^2$:

# %%
amplitude = Number(0.5)
sine, minus_y = Number(np.sin(1.9 - 0.9)), Number(-task.support.y[2, 0])

prediction = times(amplitude, sine)
error = plus(prediction, minus_y)
squared = times(error, error)
print(f"squared error {squared.value:.3f}")

# %% tags=["hide-input"] slide=["Remember how every number was made"]
def draw_graph(gradients=None):
    nodes = {"θ": amplitude, "sine": sine, "prediction": prediction, "−y": minus_y, "error": error, "squared": squared}
    places = {"θ": (0, 1), "sine": (0, 0), "prediction": (1, 1), "−y": (1, 0), "error": (2, 1), "squared": (3, 1)}
    with figures.style():
        figure, axes = figures.canvas(height=2.0)
        axes.set(xlim=(-0.45, 3.45), ylim=(-0.5, 1.5))
        boxes = draw_boxes(axes, {name: (x, y, f"{name}\n{nodes[name].value:.3f}") for name, (x, y) in places.items()})
        names = {node: name for name, node in nodes.items()}
        for name, node in nodes.items():
            x, y = places[name]
            if gradients:
                axes.text(x, y + (0.37 if y else -0.37), f"g = {gradients[node]:.3f}", ha="center", va="center", fontsize=9, color=palette.TASKS[0])
            for i, (operand, _) in enumerate(node.edges):
                draw_arrow(axes, boxes, names[operand], name, bend=(0.35, -0.35)[i] if node is squared else 0)
    return figure

figures.show(draw_graph(), alt="Six boxes joined by arrows: θ and sine make the prediction, prediction and −y make the error, and two arrows lead from error to squared, because error is multiplied by itself.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert task.support.x[2, 0] == 1.9 and round(sine.value, 5) == 0.84147 and round(-minus_y.value, 5) == 2.52441
assert round((0.5 * 0.84147 - 2.52441) ** 2, 3) == round(squared.value, 3) == 4.425  # the digits as printed
assert [operand for operand, _ in squared.edges] == [error, error]

# %% [markdown]
# Nothing was differentiated yet. `squared` has two edges, both to `error`, since it is `error` times itself.

# %% [markdown]
# ## The chain rule, backwards
#
# The derivative of the last node with respect to itself is 1. From there walk back. Every node passes its gradient $g$ through its pull-backs, and each operand gets a contribution. A node that was used in several places gets several contributions and **adds** them.
#
# A node may pass its gradient on only when all its contributions have arrived. They come from nodes that were made *later*. So we go from the newest node to the oldest.

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

# %%
def gradients_of(output):
    gradients = {output: 1.0}
    for node in newest_first(output):
        for operand, pull_back in node.edges:
            contribution = pull_back(gradients[node])
            gradients[operand] = gradients.get(operand, 0.0) + contribution
    return gradients

gradients = gradients_of(squared)
print(f"gradient of error {gradients[error]:.3f}, of θ {gradients[amplitude]:.3f}")

# %% tags=["hide-input"] slide=["Walk back, and add what arrives"]
figures.show(draw_graph(gradients), alt="The same graph with a gradient g at each box: 1 at squared, −4.207 at error, prediction and −y, −2.104 at the sine and −3.540 at θ.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert round(error.value, 3) == -2.104 and round(gradients[error], 3) == -4.207 and round(gradients[amplitude], 3) == -3.540
assert np.isclose(gradients[amplitude], 2 * sine.value * error.value)
assert round(error.value, 4) == -2.1037 and round(2 * -2.1037, 4) == round(gradients[error], 4) == -4.2074
assert round(-4.2074 * 0.84147, 3) == -3.540

# %% [markdown]
# Look at `error`. Its value is $-2.1037$. Each of the two edges from `squared` brought $1 \cdot (-2.1037)$. They add up to $-4.2074$. So the 2 of "two times the error" comes out, although the engine has no rule for a square. One walk gives the gradients of *all* nodes. This is reverse-mode differentiation, also called backpropagation.

# %% [markdown]
# ## Matrices: let the shapes guide you
#
# A node can hold an array. Then $g$ is an array too, of the same shape. A layer multiplies matrices, `a @ b`, with `a` of shape $(n, j)$ and `b` of shape $(j, k)$. For the pull-back to `b`, follow one entry, $b_{jk}$. For every row $i$, the product $a_{ij} b_{jk}$ is one term of entry $(i, k)$ of the result. So the gradient of $b_{jk}$ is the sum over $i$:
#
# $$\sum_i a_{ij} \, g_{ik}.$$
#
# That sum is itself a matrix product. Which one? The gradient for `b` must have the shape of `b`, and only one product of `a`, `g` and their transposes fits.

# %% [markdown]
# ### Exercise 4.2 ●●○○○ Pull-backs of a matrix product
# *10 minutes. Why it matters: most of the arithmetic of a backward pass happens in these two products.*
#
# Given `a` (n, j), `b` (j, k) and the gradient `g` (n, k) of the result `a @ b`, return the gradient for `a` and the gradient for `b`. All are plain NumPy arrays.

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
# The sum over the rows $i$ is in the second product: all examples share a weight, so all contribute to its gradient.
#
# </details>

# %% [markdown]
# ## Broadcasting, undone
#
# After the product a layer adds a bias: `(5, 40) + (40,)`. NumPy repeats the bias for each of the five examples. This is broadcasting, and it happens silently.

# %% [markdown] slide=["Five examples share one bias", "The pull-back of `+` passes `g` on as it is.", "Does the update raise an error? Does the next forward pass?"]
# **Predict.** Suppose that the pull-back of `+` passes `g` on as it is. Does the update of the bias raise an error? And does the next forward pass, with the same five examples?

# %%
bias = np.zeros(40)
g = np.ones((5, 40))  # the gradient of (5, 40) + bias, passed on as it is
updated = bias - 0.01 * g
print("the bias was", bias.shape, "and after one step it is", updated.shape)
print("the next forward pass gives", (np.ones((5, 40)) + updated).shape)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert updated.shape == (5, 40)

# %% [markdown] slide=["Neither does", "The bias is now a (5, 40) array, and nobody complains."]
# **What you saw.** Neither does. The "bias" is now a (5, 40) array, and as long as five examples go in, no layer complains.
#
# Repeating is *using several times*, and a node that is used several times adds its contributions. So the pull-back of repeating is summing:

# %% tags=["hide-input"] slide=["The pull-back of repeating is summing"]
with figures.style():
    figure, axes = figures.canvas(columns=2, height=2.5)
    row, parts = np.array([1, 2, 3]), np.array([[5, 0, 2], [1, 4, 2], [3, 1, 2]])
    for panel, single, grid, title in (
        (axes[0], row, np.tile(row, (3, 1)), "forwards: repeated"), (axes[1], parts.sum(0), parts, "backwards: summed")
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
assert parts.sum(0).tolist() == [9, 5, 6]

# %% [markdown]
# ### Exercise 4.3 ●●●○○ Undo broadcasting
# *10 minutes. Why it matters: a gradient of the wrong shape rarely crashes; it spoils the numbers.*
#
# `g` is the gradient of a result. The operand had the shape `shape` and was broadcast to `g.shape`. Return the gradient of the operand, with exactly that shape. NumPy broadcasts in two ways, and you undo both:
#
# - missing axes are added in *front*: (4,) becomes (3, 4);
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
# `g.ndim - len(shape)` tells how many axes were added in front. Sum over those first; they must go away.
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
# </details>

# %% [markdown]
# ## A gradient that remembers, too
#
# Our engine gives $-3.540$ for the slope at $\theta$. MAML needs to know how that slope changes with $\theta$. By hand, the second derivative of $(\theta s - y)^2$ is $2 s^2 = 1.416$.

# %% [markdown] slide=["The slope of the slope", "By hand, the second derivative is 1.416.", "What does the engine say: 1.416, zero, or an error?"]
# **Predict.** We make a `Number` of the slope that the engine computed, and ask for its gradient with respect to $\theta$. What comes out: 1.416, zero, or an error?

# %%
slope_node = Number(gradients[amplitude])
second = gradients_of(slope_node).get(amplitude, 0.0)
print(f"the slope {slope_node.value:.3f}")
print(f"its derivative, by the engine {second:.3f}, by hand {2 * sine.value**2:.3f}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert second == 0.0 and round(2 * sine.value**2, 3) == round(2 * 0.84147**2, 3) == 1.416

# %% [markdown] slide=["Zero, and no complaint", "The slope is right as a number, but has no history.", "So write pull-backs in the engine's own operations."]
# **What you saw.** Zero, and no complaint. The slope is right as a *number*, but it has no edges. Look at the pull-back of `times`: `g * b.value` multiplies plain numbers, so nothing is added to the graph. The cure is one idea, and it is the heart of this notebook: **write the pull-backs in the engine's own operations.** With `g * b`, where both are nodes, the gradient becomes part of the graph. So it can be differentiated again, as often as you like.
#
# Here is the whole engine, with pull-backs in its own operations. First the node. An operand may also be a plain array: data, or a constant. It needs no gradient, so it gets no edge.

# %% tags=["setup"]
class Node:
    """An array that remembers what it was made from: `edges` are (operand, pull-back) pairs."""
    clock = count()
    __array_ufunc__ = None  # lets Node.__rmul__ handle `array * node`

    def __init__(self, value, edges=()):
        self.value, self.order = np.asarray(value, dtype=float), next(Node.clock)
        self.edges = [(operand, pull) for operand, pull in edges if isinstance(operand, Node)]

def value(x):
    """The plain array inside x, whether x is a node or an array already."""
    return x.value if isinstance(x, Node) else np.asarray(x, dtype=float)

def shape_of(x):
    return value(x).shape

# %% [markdown]
# Now the operations. In each function you find first the pull-backs, then the value. Here `g` is a node, so the gradient itself is recorded. `sum_to` undoes broadcasting.
#
# `relu` keeps what is positive. If the input changes a little, `positive` stays the same, so it counts as a constant.

# %% tags=["setup"]
def add(a, b):
    to_a, to_b = lambda g: sum_to(g, shape_of(a)), lambda g: sum_to(g, shape_of(b))
    return Node(value(a) + value(b), [(a, to_a), (b, to_b)])

def mul(a, b):
    to_a, to_b = lambda g: sum_to(g * b, shape_of(a)), lambda g: sum_to(g * a, shape_of(b))
    return Node(value(a) * value(b), [(a, to_a), (b, to_b)])

def relu(a):
    positive = value(a) > 0
    return Node(value(a) * positive, [(a, lambda g: g * positive)])

# %% [markdown]
# `matmul`, `transpose` and `sum_to` have the pull-backs of exercises 4.2 and 4.3. The course's version is folded here, so that the page runs on. So are the lines that let Python's operators call these functions, as in `x @ w + b`.

# %% tags=["setup", "hide-input"] jupyter={"source_hidden": true}
def matmul(a, b):
    to_a, to_b = lambda g: g @ transpose(b), lambda g: transpose(a) @ g
    return Node(value(a) @ value(b), [(a, to_a), (b, to_b)])

def transpose(a):
    return Node(value(a).T, [(a, lambda g: transpose(g))])

def sum_to(a, to):
    """Sum over the axes along which an array of the shape `to` was repeated."""
    if shape_of(a) == to:
        return a
    total = value(a).sum(axis=tuple(range(value(a).ndim - len(to))))
    total = total.sum(axis=tuple(i for i, size in enumerate(to) if size == 1), keepdims=True)
    return Node(total, [(a, lambda g: g * np.ones(shape_of(a)))])  # the gradient of a sum is repeated

Node.__add__ = Node.__radd__ = add
Node.__mul__ = Node.__rmul__ = mul
Node.__matmul__ = matmul
Node.__rmatmul__ = lambda self, other: matmul(other, self)
Node.__sub__ = lambda self, other: self + -1.0 * other
Node.__rsub__ = lambda self, other: other + -1.0 * self
Node.sum = lambda self: sum_to(self, ())

# %% [markdown]
# Last, the walk backwards. It is `gradients_of` again, with two changes: the gradients are nodes, and the walk ends at the parameters.
#
# `grad(f)` takes a function of a dict of parameters. It returns the function that computes its gradient, again as a dict.

# %% tags=["setup"]
def backward(output, inputs):
    """The gradient of `output`, one number, with respect to each node in the dict `inputs`."""
    gradients = {output: Node(np.ones(shape_of(output)))}
    for node in newest_first(output, stop_at=list(inputs.values())):
        for operand, pull_back in node.edges:
            new = pull_back(gradients[node])
            gradients[operand] = gradients[operand] + new if operand in gradients else new
    zero = Node(0.0)  # the gradient of parameters that are not used
    return {name: gradients.get(node, zero * node.value) for name, node in inputs.items()}

def grad(f):
    def gradient(params, *rest):
        nodes = {name: p if isinstance(p, Node) else Node(p) for name, p in params.items()}
        return backward(f(nodes, *rest), nodes)
    return gradient

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
import inspect

functions = (Node.__init__, value, shape_of, add, mul, matmul, transpose, sum_to, relu, newest_first, backward, grad)
lines = [line for part in functions for line in inspect.getsource(part).splitlines() if line.strip()]
assert 55 <= len(lines) + 4 + 7 <= 70, "lines of the engine: 4 more are the head of Node, 7 its operators"

# %% [markdown]
# That is all: about sixty lines. Try it on the amplitude, with all five points. Is the slope now a number with a history?

# %%
sines = np.sin(task.support.x - 0.9)  # (5, 1)

def amplitude_loss(p):
    difference = p["a"] * sines - task.support.y
    return (difference * difference).sum() * (1 / 5)

def slope_at(p):
    return grad(amplitude_loss)(p)["a"]

a = Node(0.5)
history = newest_first(slope_at({"a": a}))
print("nodes behind the slope:", len(history), "  is θ among them?", a in history)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert len(history) > 5 and a in history
assert len(newest_first(Number(gradients[amplitude]))) == 1

# %% [markdown]
# So there is a path from the slope back to $\theta$. Now the meta-gradient of the first section, $-1.201$: write down the loss after the step, with a gradient inside, and ask for its gradient.

# %%
query_sines = np.sin(task.query.x - 0.9)  # (201, 1)

def meta_loss_of_amplitude(p):
    after = p["a"] - 0.3 * slope_at(p)
    difference = after * query_sines - task.query.y
    return (difference * difference).sum() * (1 / 201)

at = {"a": 0.5}
print(f"second derivative {grad(slope_at)(at)['a'].value:.3f}")
print(f"meta-gradient, by the engine {grad(meta_loss_of_amplitude)(at)['a'].value:.6f}")
print(f"meta-gradient, by hand       {by_hand:.6f}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert round(float(slope_at(at).value), 3) == -2.519 and round(float(grad(slope_at)(at)["a"].value), 3) == 1.008
assert np.isclose(grad(meta_loss_of_amplitude)(at)["a"].value, by_hand, rtol=1e-12)

# %% [markdown]
# No line of `meta_loss_of_amplitude` mentions a second derivative. It contains a gradient, the gradient is part of the graph, and the outer `grad` walked back through it.

# %% [markdown]
# ## Is it right? Compare with a finite difference
#
# For a network there is no hand calculation, but there is a test that is independent of the engine. $\nabla M$ is the gradient, the slopes in all parameters together. Choose a random direction $v$ in the space of all parameters, and move a little to both sides:
#
# $$\frac{M(\theta + h v) - M(\theta - h v)}{2h} \approx \nabla M(\theta) \cdot v.$$
#
# The left side is the **central difference**. One random direction tests all parameters at once, since a mistake in any of them shows in the sum.
#
# Here is MAML's loss for the network of notebook 02, which has 1,761 parameters. Notebook 05 explains it.

# %% tags=["setup"]
from mlcourse.reference import networks

def loss(params, x, y):
    hidden = relu(x @ params["w0"] + params["b0"])
    hidden = relu(hidden @ params["w1"] + params["b1"])
    difference = hidden @ params["w2"] + params["b2"] - y
    return (difference * difference).sum() * (1 / len(y))

def meta_loss(theta, inner_lr=0.01, inner_steps=1):
    phi = theta
    for _ in range(inner_steps):
        inner = grad(loss)(phi, *task.support)
        phi = {name: phi[name] - inner_lr * inner[name] for name in phi}
    return loss(phi, *task.query)

theta = networks.mlp((1, 40, 40, 1)).init(np.random.default_rng(0))

# %% [markdown]
# And the test: a direction, the central difference along it, and the slope that a gradient gives for it.

# %%
def random_direction(params, rng):
    """A random direction of length 1 in the space of all parameters."""
    v = {name: rng.normal(size=p.shape) for name, p in params.items()}
    length = np.sqrt(sum(np.sum(x**2) for x in v.values()))
    return {name: x / length for name, x in v.items()}

def central_difference(f, params, v, h):
    ahead, behind = ({name: params[name] + side * v[name] for name in params} for side in (h, -h))
    return (value(f(ahead)) - value(f(behind))) / (2 * h)

def along(gradient, v):
    """The slope in the direction v, from a gradient."""
    return sum(np.sum(value(gradient[name]) * v[name]) for name in v)

directions = [random_direction(theta, np.random.default_rng(seed)) for seed in range(20)]

def off_by(f, gradient, h):
    """The relative difference between gradient and central difference, median of 20 directions."""
    return np.median([abs(central_difference(f, theta, v, h) / along(gradient, v) - 1) for v in directions])

# %% [markdown] slide=["Check it by a finite difference", "Which step $h$ between $10^{-13}$ and 1 is the best?", "How many digits are right at $h = 10^{-12}$?"]
# **Predict.** The derivative is the limit as $h$ goes to 0, and the computer has 16 digits. Which $h$ between $10^{-13}$ and 1 gives the best central difference? And how many of its digits are right at $h = 10^{-12}$?

# %%
by_engine = grad(meta_loss)(theta)
steps = 10.0 ** np.arange(-13, 0.1, 0.5)
curve = [off_by(meta_loss, by_engine, h) for h in steps]
for h in (1e-2, 1e-5, 1e-12):
    print(f"h = {h:.0e}: off by {off_by(meta_loss, by_engine, h):.0e}")

# %% tags=["hide-input"] slide=["Near 3 · 10⁻⁵. At 10⁻¹² about three digits"]
def draw_v(curves):
    with figures.style():
        figure, axes = figures.canvas(height=3.0)
        for values, colour in zip(curves.values(), palette.TASKS):  # noqa: B905
            axes.plot(steps, values, color=colour, marker="o", markersize=3.5)
        axes.set(xscale="log", yscale="log", xlabel="step h", ylabel="relative difference", xlim=(5e-14, 2))
        axes.text(3e-12, 1e-8, "too small:\ndigits cancel", ha="center", fontsize=9, color=figures.QUIET)
        axes.text(1.2e-1, 1e-7, "too large:\nbends, kinks", ha="center", fontsize=9, color=figures.QUIET)
        if len(curves) > 1:
            ends = [(steps[-1], curves[name][-1], name, colour) for name, colour in zip(curves, palette.TASKS)]  # noqa: B905
            figures.name_ends(axes, ends)
    return figure

figures.show(draw_v({"right": curve}), alt="On logarithmic axes the difference between engine and central difference makes a V: it falls from 1e-2 at h = 1e-13 to about 1e-10 near h = 3e-5, and rises again to 1e-1 at h = 1.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert sum(p.size for p in theta.values()) == 1761
assert 1e-6 < steps[np.argmin(curve)] < 1e-3 and min(curve) < 1e-9
assert off_by(meta_loss, by_engine, 1e-5) < 3e-9
assert 1e-3 < curve[0] < 0.1 and 0.03 < curve[-1] < 0.3, curve
assert 3e-4 < off_by(meta_loss, by_engine, 1e-12) < 1e-2 and off_by(meta_loss, by_engine, 1e-2) > 1e-4

# %% [markdown]
# **What you saw.** The best $h$ is near $3 \cdot 10^{-5}$, where nine digits agree. At $10^{-12}$ only about three are left. The curve is a V. On the right $h$ is too large: the loss bends on the way, and some ReLUs switch. On the left $h$ is too small: the two losses agree in nearly all of their 16 digits, and the subtraction cancels these. What is left is rounding, and the division by $2h$ makes it large. So take $h \approx 10^{-5}$ for numbers of size 1.
#
# **Check gradients in float64**, whatever you train in. [Appendix 04b](04b_digits_memory_and_time.ipynb) says where the best $h$ comes from, and shows that float32 allows no such check.

# %% [markdown] slide=["A Hessian that nobody stores", "$$\\nabla M(\\theta) = u - \\alpha H u$$", "$Hv$ is the gradient of $\\nabla f \\cdot v$: two walks back."]
# ## A Hessian that nobody stores
#
# For one parameter, $L''$ was one number. For $n$ parameters it is a matrix, the **Hessian** $H$: entry $(i, j)$ says how fast slope $i$ changes with parameter $j$. Our network's has 3.1 million entries, or 25 megabytes. With a million parameters it would be 8 *terabytes*.
#
# MAML never needs $H$ itself. In its chain rule the Hessian of the support loss is always multiplied by a vector:
#
# $$\nabla M(\theta) = \bigl(I - \alpha H\bigr) \, \nabla L_q(\varphi) = u - \alpha H u, \qquad u = \nabla L_q(\varphi).$$
#
# This is the formula of the first section; $I$ is the identity matrix. The direct path gives $u$; the path through the inner gradient gives $-\alpha H u$.
#
# The product $Hv$ says how the gradient changes in the direction $v$. Two walks compute it:
#
# 1. The slope of $f$ along $v$ is one number, $\nabla f \cdot v$.
# 2. The gradient of that number is $\nabla(\nabla f \cdot v) = Hv$, since $v$ is a constant.

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert round(1761**2 / 1e6, 1) == 3.1 and round(1761**2 * 8 / 1e6) == 25 and 1e6**2 * 8 == 8e12

# %% [markdown]
# ### Exercise 4.4 ●●●○○ Hessian times vector
# *10 minutes. Why it matters: this product is all that "second order" means in MAML.*
#
# `f` takes a dict of parameters and returns one number (a node). `v` is a dict of plain arrays with the same keys and shapes. Return $Hv$, a dict of nodes with the same keys. Use `grad` of this page, twice.
#
# - `node.sum()` adds up the entries of a node; `np.sum` does not work on nodes.
# - Python's own `sum(…)` adds several nodes.

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
# Multiply each entry of the dict `grad(f)(p)` by the one of `v`, sum each product, and add up the sums.
#
# </details>
# <details><summary>Hint 2</summary>
#
# You may take the `grad` of `slope_along_v`. Inside it, everything must come from its argument `p`.
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
# </details>

# %% [markdown]
# The course's version is folded here, as `times_hessian`, so that the page runs on. Now put $u - \alpha H u$ together.

# %% tags=["setup", "hide-input"] jupyter={"source_hidden": true}
def times_hessian(f, params, v):
    """Hv, a dict of nodes."""
    def slope_along_v(p):
        gradient = grad(f)(p)
        return sum((gradient[name] * v[name]).sum() for name in p)
    return grad(slope_along_v)(params)

# %%
def support_loss(p):
    return loss(p, *task.support)

inner = grad(support_loss)(theta)
phi = {name: theta[name] - 0.01 * inner[name].value for name in theta}
u = {name: g.value for name, g in grad(loss)(phi, *task.query).items()}
hu = times_hessian(support_loss, theta, u)

by_formula = {name: u[name] - 0.01 * hu[name].value for name in theta}
for name in ("w0", "w1", "w2"):
    difference = np.abs(by_formula[name] - by_engine[name].value).max()
    print(f"{name}: entries up to {np.abs(by_formula[name]).max():.2f}, difference {difference:.0e}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert all(np.abs(by_formula[name] - by_engine[name].value).max() < 1e-13 for name in theta)
v = directions[0]
h = 1e-5
ahead = grad(support_loss)({name: theta[name] + h * v[name] for name in theta})
behind = grad(support_loss)({name: theta[name] - h * v[name] for name in theta})
hv = times_hessian(support_loss, theta, v)
for name in theta:
    assert np.allclose((ahead[name].value - behind[name].value) / (2 * h), hv[name].value, rtol=1e-4, atol=1e-7)

# %% [markdown]
# All digits agree, except for rounding: walking back through the inner gradient *is* multiplying by the Hessian. When a paper says "MAML needs a Hessian-vector product", it means this.

# %% [markdown]
# ### Exercise 4.5 ●●●●○ Several steps, one product at a time
# *20 minutes. Why it matters: this is how you get a meta-gradient when the graph of all inner steps does not fit into memory.*
#
# Exercise 4.1 had one parameter and one curvature. Now take any losses and $k$ inner steps. Call the points on the way $p_0 = \theta, p_1, \dots, p_k = \varphi$, with $p_{j+1} = p_j - \alpha \nabla L_s(p_j)$. Every step has its own Hessian, and matrices do not commute. Derive $\nabla M(\theta)$ on paper. Then compute it with `grad` and `times_hessian(f, params, v)` of this page, so that every matrix is multiplied by a vector. Both return nodes; `.value` makes plain arrays of them.

# %% tags=["exercise"]
def meta_gradient_by_products(support_loss, query_loss, theta, inner_lr, inner_steps):
    """Return ∇M(θ), a dict of plain arrays with the keys of theta."""
    return ...

# %% tags=["check"]
checks.nb04.meta_gradient_by_products(meta_gradient_by_products)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# A change $d$ of $\theta$ becomes $(I - \alpha H(p_1)) (I - \alpha H(p_0)) \, d$ after two steps. Its product with $u = \nabla L_q(\varphi)$ is the slope of $M$ along $d$. Every Hessian is symmetric. Which matrix is multiplied by $u$ first?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Keep $p_0, \dots, p_{k-1}$. Compute $u$ at $p_k$. Then replace $u$ by $u - \alpha H(p_j) u$ for $j = k-1, \dots, 0$.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def meta_gradient_by_products(support_loss, query_loss, theta, inner_lr, inner_steps):
#     points, p = [], theta
#     for _ in range(inner_steps):
#         points.append(p)
#         inner = grad(support_loss)(p)
#         p = {name: p[name] - inner_lr * inner[name].value for name in p}
#     u = {name: g.value for name, g in grad(query_loss)(p).items()}
#     for p in reversed(points):
#         hu = times_hessian(support_loss, p, u)
#         u = {name: u[name] - inner_lr * hu[name].value for name in u}
#     return u
# ```
#
# $\nabla M(\theta) = (I - \alpha H(p_0)) \cdots (I - \alpha H(p_{k-1})) \, u$, computed from the right. Only the points $p_j$ are kept, as in first-order MAML.
#
# </details>

# %% [markdown]
# ## What second order costs
#
# The graph has a price: every node of every inner step must be *kept in memory* until the backward pass. First-order MAML keeps only the new $\varphi$ of each step. So MAML with many steps on a large network runs out of memory while plain training does not. [Appendix 04b](04b_digits_memory_and_time.ipynb) measures memory and time, and uses exercise 4.5 to keep less.

# %% [markdown]
# ## The packaged engine, and PyTorch's
#
# From here on the course imports the engine: `mlcourse.reference.autograd`. It has more operations, and it returns plain arrays. PyTorch's version is `torch.func.grad`: a function in, its gradient function out, and you may nest it.

# %%
from mlcourse.reference import losses, maml
from mlcourse.tasks import stack

network_loss = losses.squared_error(networks.mlp((1, 40, 40, 1)))
packaged = maml.meta_gradient(network_loss, theta, stack([task]), inner_lr=0.01)  # a batch of one

# %%
import torch
from mlcourse.fast import arrays, losses as fast_losses, networks as fast_networks

torch_loss = fast_losses.squared_error(fast_networks.mlp((1, 40, 40, 1)))
support_t, query_t = arrays.tensors(task)
theta_t = arrays.tensors(theta)

def torch_meta_loss(theta, inner_lr=0.01):
    inner = torch.func.grad(torch_loss)(theta, *support_t)
    phi = {name: theta[name] - inner_lr * inner[name] for name in theta}
    return torch_loss(phi, *query_t)

in_torch = arrays.arrays(torch.func.grad(torch_meta_loss)(theta_t))

# %%
largest = max(np.abs(p).max() for p in packaged.values())
for name, theirs in (("mlcourse.reference", packaged), ("torch.func.grad", in_torch)):
    difference = max(np.abs(by_engine[k].value - theirs[k]).max() for k in theta)
    print(f"{name:18} differs by {difference / largest:.0e} of the largest entry")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
for theirs in (packaged, in_torch):
    assert max(np.abs(by_engine[k].value - theirs[k]).max() for k in theta) / largest < 1e-12

# %% [markdown]
# Three engines give one meta-gradient. They differ only in the order in which numbers were added.

# %% [markdown]
# ## What can go wrong
#
# **A gradient that was cut by accident.** PyTorch has an older way: `torch.autograd.grad(loss, parameters, create_graph=True)`. The keyword makes the gradient part of the graph. Without it PyTorch does what our first engine did, and returns numbers with no history.

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

# %% [markdown]
# **Predict.** You forget the keyword and train for 300 meta-steps, steps of the outer loop. What does the loss after the step do: rise, stay where it is, fall to about half, or fall as far as with the keyword?

# %%
trained = {}
for create_graph in (True, False):
    current = theta_t
    for _ in range(300):
        trained[create_graph], outer = older_way(current, create_graph)
        current = {name: current[name] - 0.01 * outer[name] for name in current}
print(f"loss after the inner step, at the start {value(meta_loss(theta)):.2f}")
print(f"300 meta-steps later, with create_graph {trained[True]:.2f}, without {trained[False]:.2f}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
before = float(value(meta_loss(theta)))
assert trained[True] < 1.0 and 0.35 * before < trained[False] < 0.65 * before, (before, trained)

# %% [markdown]
# **What you saw.** It falls to about half, with no error and no warning. If you had run only this version, you would call it a success. With the keyword it falls below 1. This is one task; notebook 06 asks what the cut costs over many.
#
# It happens: readers of one public PyTorch code for MAML pointed out [in 2019](https://github.com/dragen1860/MAML-Pytorch/issues/32) and [in 2021](https://github.com/dragen1860/MAML-Pytorch/issues/63) that it lacks the keyword. Can you notice it by looking at the gradient?

# %%
whole, cut = (arrays.arrays(older_way(theta_t, keep)[1]) for keep in (True, False))
length_whole, length_cut = np.sqrt(along(whole, whole)), np.sqrt(along(cut, cut))
cosine = along(whole, cut) / length_whole / length_cut
print(f"lengths {length_whole:.2f} and {length_cut:.2f}, cosine {cosine:.3f}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert 0.97 < cosine < 0.99 and abs(length_cut / length_whole - 1) < 0.06
whole_late, cut_late = (arrays.arrays(older_way(current, keep)[1]) for keep in (True, False))  # where the cut one ended
cosine_late = along(whole_late, cut_late) / np.sqrt(along(whole_late, whole_late) * along(cut_late, cut_late))
assert abs(cosine_late - 0.8) < 0.1, cosine_late

# %% [markdown] slide=["Three bugs", "**A** cuts the inner gradient. **B** takes the inner step on the query set. **C** forgets a history in `mul`.", "Which of them does the finite difference catch?"]
# At the start the lengths differ by a few per cent and the directions almost agree. You do not notice that by looking. After the 300 steps without the keyword the cosine is about 0.8. But you have a test. Here are three bugs:
#
# - **A.** The inner gradient is cut, with `.value`.
# - **B.** The inner step trains on the query set.
# - **C.** The pull-backs of `mul` use `value(b)` and `value(a)`, to save memory.
#
# **Predict.** Which of the three does the central difference of $M$ catch?

# %%
def bug_a(theta, inner_lr=0.01):
    inner = grad(loss)(theta, *task.support)
    return loss({name: theta[name] - inner_lr * inner[name].value for name in theta}, *task.query)

def bug_b(theta, inner_lr=0.01):
    inner = grad(loss)(theta, *task.query)
    return loss({name: theta[name] - inner_lr * inner[name] for name in theta}, *task.query)

def mul_c(a, b):
    to_a, to_b = lambda g: sum_to(g * value(b), shape_of(a)), lambda g: sum_to(g * value(a), shape_of(b))
    return Node(value(a) * value(b), [(a, to_a), (b, to_b)])

gradients_of_bugs = {"A": (bug_a, grad(bug_a)(theta)), "B": (bug_b, grad(bug_b)(theta))}
Node.__mul__ = Node.__rmul__ = mul_c
gradients_of_bugs["C"] = meta_loss, grad(meta_loss)(theta)
gradients_of_bugs["C, ordinary loss"] = support_loss, grad(support_loss)(theta)
Node.__mul__ = Node.__rmul__ = mul  # the right one again

found = {name: off_by(f, gradient, h=1e-5) for name, (f, gradient) in gradients_of_bugs.items()}
for name, difference in found.items():
    print(f"{name:16} off by {difference:.0e}")

# %% tags=["hide-input"] slide=["A and C, not B. A V means right, a floor means wrong"]
cut_curve = [off_by(meta_loss, cut, h) for h in steps]
figures.show(draw_v({"right": curve, "A, cut": cut_curve}), alt="The V of the right gradient, and the curve of the cut gradient, bug A: a floor at about one fifth that no step h gets below.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert min(cut_curve) > 0.1 and 0.1 < off_by(meta_loss, cut, 1e-5) < 0.3
assert found["A"] > 0.1 and found["C"] > 0.1, found
assert found["B"] < 1e-8 and found["C, ordinary loss"] < 1e-7, found

# %% [markdown]
# **What you saw.** The check of $M$ catches A and C: they are off by more than 10 %. **It does not catch B.** The check compares a gradient with *the loss that you wrote*. If that loss uses the wrong data, its gradient can still be right to eight digits. And for C the check of the ordinary loss is not enough: all first derivatives are right. For every $h$ the difference of bug A stays above 10 %, because the gradient belongs to another function. *A V means right; a floor means wrong.*
#
# `.detach()`, `.data`, `.item()`, `torch.tensor(x)` and our own `.value` all cut the lower path. Use none of them between $\theta$ and the query loss, except for first-order MAML. Changes in place do damage too: [appendix 04b](04b_digits_memory_and_time.ipynb).

# %% [markdown]
# ## Quiz
#
# **1.** In the first section, take $\alpha = 1 / L_s''$. Then the meta-gradient is zero for *every* start. Why is that right?
#
# <details><summary>Answer</summary>
#
# On a parabola such a step lands on the bottom, wherever it begins. So the loss after the step does not depend on the start, and its slope is zero.
#
# </details>
#
# **2.** Your gradient and the central difference differ by $3 \cdot 10^{-3}$, relatively, at $h = 10^{-3}$. Is the gradient wrong?
#
# <details><summary>Answer</summary>
#
# You cannot tell yet. Try $h = 10^{-4}$ and $10^{-5}$. If the difference falls steeply, you were on the right arm of the V and the gradient is right. If it stays, that is a floor.
#
# </details>
#
# **3.** In `relu` the pull-back multiplies by `positive`, a plain array without history. Why is this no bug, while `g * value(b)` in `mul` is one?
#
# <details><summary>Answer</summary>
#
# The slope of $a \cdot b$ with respect to $a$ is $b$, which may depend on the parameters; without its history a second derivative loses that part. The slope of ReLU is 0 or 1 and stays the same when its input changes a little.
#
# </details>

# %% [markdown]
# ## What you can do now
#
# - Compute a meta-gradient by hand.
# - Write an engine whose gradients can be differentiated again.
# - Test any gradient by central differences, and read the V.
# - Multiply by a Hessian in two walks backwards.
# - Find the line where a gradient was cut, and say which bugs no gradient check finds.
#
# ## What comes next
#
# [Notebook 05](05_maml_from_zero.ipynb) builds `meta_loss` from its two loops, trains it, and shows a network that learns a sine from five points.
#
# ## References
#
# - A. G. Baydin, B. A. Pearlmutter, A. A. Radul, J. M. Siskind, *Automatic Differentiation in Machine Learning: a Survey*, JMLR 2018, [jmlr.org/papers/v18/17-468](https://jmlr.org/papers/v18/17-468.html): forward and reverse mode.
# - B. A. Pearlmutter, *Fast Exact Multiplication by the Hessian*, Neural Computation 1994, [doi:10.1162/neco.1994.6.1.147](https://doi.org/10.1162/neco.1994.6.1.147): the product of exercise 4.4, computed *forwards*, along $v$.
# - C. Finn, P. Abbeel, S. Levine, *Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks*, ICML 2017, [arXiv:1703.03400](https://arxiv.org/abs/1703.03400): the gradient through a gradient step, and its first-order shortcut in section 5.2.
