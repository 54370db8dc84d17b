# %% [markdown]
# # The libraries
#
# The code that you want to use imports `higher`, learn2learn or TensorFlow. This page shows one meta-gradient in **six dialects**, and how far they agree. You see the mistakes that each one invites, and you move such code to plain PyTorch, where the whole of MAML is about ten lines.
#
# > **Recall.** Notebook 02 said that a model is a function of its parameters, `apply(params, x)`. A module of PyTorch keeps its parameters inside. Why can the inner loop of MAML not take its step with `optimizer.step()`?
# >
# > <details><summary>Answer</summary>
# >
# > The optimiser overwrites the parameters in place, outside of the graph. After that, nothing says how the new numbers came from the old ones, so no gradient can flow back to the start. The adapted parameters must be *new* tensors, computed from the old ones. The question of this page is where they are kept.
# >
# > </details>

# %% [markdown]
# ## Before you start
#
# | | |
# | --- | --- |
# | **It gives you** | one MAML step in six dialects, their traps shown, and a way out of each |
# | **You will be able to** | read code for `higher`, TorchOpt, learn2learn, TensorFlow and JAX · find five mistakes that raise no error · move such code to `torch.func` · say which library is still looked after |
# | **You need** | [05](05_maml_from_zero.ipynb) (both loops, `vmap`) and [07](07_few_shot_images.ipynb) (episodes, batch normalisation) |
# | **Time** | 35 minutes to read, 60 for the exercises, about 30 seconds to run |
# | **Skip it if** | you start from nothing and use `torch.func` or this course: then read only *Moving to torch.func* |
#
# The course installs `higher`, which is small. TorchOpt, JAX and TensorFlow are extras of about 2 GB: `.venv/bin/pip install -c constraints.txt -e ".[libraries]"`. Without them the page runs too: the stored results of all six stand in a table.

# %% tags=["setup"]
import textwrap
import warnings
from inspect import getsource

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call, grad, vmap

from mlcourse.experiments import results
from mlcourse.experiments.bench import conv4_jax, dialects, libraries
from mlcourse.experiments.bench.agreement import distance, require_higher
from mlcourse.lessons import checks, figures, palette
from mlcourse.tasks import each

higher = require_higher()  # `import higher`, without its old warnings
torch.set_num_threads(1)

# %% [markdown] slide=["One gradient, six dialects", "Same weights, same 25 sines, one inner step, float64.", "To how many digits do six libraries agree: 3, 6 or 15?"]
# ## One gradient, six dialects
#
# Here are the network and the tasks of notebook 05: 25 sines, one inner step of 0.01, second order. We want the gradient of the mean query loss with respect to the start, 1,761 numbers. Six functions compute it, each in the way of its library. The machine that made this page has neither TensorFlow nor JAX. So four of the functions run below, learn2learn's on an adapter of ours. The results of all six stand in a table further down.
#
# **Predict.** The libraries were written by different people. Three programs do the differentiation for them: those of PyTorch, TensorFlow and JAX. To how many digits do their gradients agree in double precision: 3, 6 or 15?

# %% tags=["nbval-ignore-output"] slide=["To fifteen digits"]
params, tasks = libraries.draw(seed=0)  # float64
SIX = {"torch.func": dialects.torch_func, "higher": dialects.higher, "TorchOpt": dialects.torchopt,
       "learn2learn": dialects.learn2learn, "TensorFlow": dialects.tensorflow, "JAX": dialects.jax}
true = libraries.reference(params, tasks, inner_steps=1)()  # this course, in NumPy

off = {}
for name, dialect in SIX.items():
    try:
        off[name] = distance(dialect(params, tasks, inner_steps=1)(), true)
        print(f"{name:12} off by {off[name]:.0e} of its length")
    except conv4_jax.NotHere as missing:
        print(f"{name:12} {missing}")
if len(off) < len(SIX):
    print('to have all: .venv/bin/pip install -c constraints.txt -e ".[libraries]"')

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert sum(p.numel() for p in params.values()) == 1761
assert {"torch.func", "higher", "learn2learn"} <= set(off) and max(off.values()) < 2e-15
stored = {row["method"]: row["values"] for row in results.load("bench_libraries")["rows"]}
assert all(float(stored[name]["off by"]) < 1e-15 for name in libraries.MAKERS)

# %% [markdown]
# **What you saw.** To fifteen digits, all that double precision has. A library that is not on your machine says so; its stored result, in the table below, agrees as well. So the choice of a library changes nothing about the method. It changes how the code reads, how fast it runs, and which mistakes are easy.
#
# Here are the six. *learn2learn* does not install on Python 3.11, so its lines run on this course's **adapter**. In this notebook an adapter is a module with another library's names. In notebook 19 the word means what a task leaves behind. Open two or three:

# %% tags=["hide-input"]
from IPython.display import Markdown

def folded(title, *functions):
    code = "\n\n".join(getsource(function).rstrip() for function in functions)
    return f"<details><summary>{title}</summary>\n\n```python\n{code}\n```\n\n</details>"

Markdown("\n\n".join(folded(name, *([conv4_jax.meta_loss] if name == "JAX" else []), dialect) for name, dialect in SIX.items()))

# %% [markdown]
# They differ in one thing: where the adapted weights are kept.

# %% tags=["hide-input"] slide=["Where are the adapted weights kept?"]
with figures.style():
    figure, axes = figures.canvas(height=2.15)
    axes.set(xlim=(0, 12), ylim=(-0.2, 4.3))
    axes.set_axis_off()
    ways = [("pass them", "loss(φ, x, y)", "torch.func\nJAX, TensorFlow", "the model has none"),
            ("patch a copy", "fmodel(x)\nlearner(x)", "higher\nlearn2learn", "the copy has φ,\nthe model θ"),
            ("move, put back", "model(x)", "TorchOpt", "the model has φ,\na saved state θ")]
    for place, (head, call, who, where) in enumerate(ways):
        colour = palette.TASKS[place]
        axes.text(4 * place + 2, 4.05, head, ha="center", fontsize=10, fontweight="bold", color=figures.readable(colour))
        axes.text(4 * place + 2, 2.8, call, ha="center", va="center", fontsize=9.5, family="monospace",
                  bbox={"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": colour})
        axes.text(4 * place + 2, 1.45, where, ha="center", va="center", fontsize=9, color=figures.INK)
        axes.text(4 * place + 2, 0.2, who, ha="center", va="center", fontsize=9, color=figures.INK)
figures.show(figure, alt="Three ways. Pass them: the loss gets φ as an argument and the model has none; torch.func, JAX and TensorFlow. Patch a copy: fmodel or learner has φ and the model keeps θ; higher and learn2learn. Move and put back: the model itself has φ, and a saved state has θ; TorchOpt.")

# %% [markdown]
# If you *pass* the weights, you can put `vmap` around the function of one task. The other two ways call a module that changes from task to task, so they must take one task after the other.

# %% [markdown] slide=["What does the loop cost?", "`higher` against plain `torch.func`, one inner step, 25 tasks.", "1.5 times as long, 5 times, or more than 10 times?"]
# ## What it costs
#
# Two words of the table first. *Recorded*: the course runs the Python code once, writes down the tensor operations, and later replays only these. *Compiled*: it makes a program of them, by a C++ compiler. [Notebook 09](09_the_same_lines_on_a_gpu.ipynb) has both.
#
# **Predict.** One inner step, 25 tasks, one thread. `higher` takes the tasks in turn, and plain `torch.func` takes all at once by `vmap`; neither compiles anything. How many times as long does `higher` take: 1.5 times, 5 times, or more than 10 times?

# %%
table = results.load("bench_libraries")
Markdown(results.table(table))

# %% tags=["hide-input"] slide=["More than ten times as long"]
rows = [(row["method"], row["values"]["1 step, ms"]) for row in table["rows"] if "1 step, ms" in row["values"]]
figure = figures.timings(sorted(rows, key=lambda row: row[1]))
figures.show(figure, alt="Times of one meta-gradient on a logarithmic axis. This course compiled and JAX take less than a millisecond, recorded one to two, TensorFlow about two, plain torch.func three to four; torch.func in a loop, TorchOpt, the adapter and higher take between 20 and 45.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
ms = dict(rows)
first = {name: float(stored[name]["first call, s"]) for name in libraries.MAKERS}
loop, looping = ms["torch.func, in a loop over the tasks"], [ms[one] for one in ("higher", "TorchOpt", "learn2learn's shape, by our adapter")]
assert 10 < ms["higher"] / ms["plain torch.func"] < 16
assert 7 < loop / ms["plain torch.func"] < 14 and min(looping) < loop < max(looping)
assert ms["this course, compiled"] < ms["JAX"] < 1 < ms["this course, recorded"] < 2 and 1.5 < ms["TensorFlow"] < 2.5
assert 3 < ms["plain torch.func"] < 4 and 20 < min(looping) and max(looping) == ms["higher"] < 45
assert 11 < first["this course, compiled"] < 13 and 1.5 < first["JAX"] < 2.5 and 0.4 < first["TensorFlow"] < 1
assert table["hardware"]["cores"] == 2 and table["versions"]["torch"].startswith("2.13") and "TensorFlow take all cores" in table["protocol"]

# %% [markdown]
# **What you saw.** More than ten times as long. Five things to read off the table:
#
# - *The loop* costs the time. The same `torch.func` lines with a loop in place of `vmap` take about ten times as long. That is as long as the three libraries that loop. So most of the difference is the loop, not the library.
# - *Cores.* JAX and TensorFlow take all cores of the machine, here two. The others run on one thread. So the comparison may favour those two.
# - *Compiled* code is fastest, but look at the first call, at five inner steps: about 12 seconds for this course, 2 for JAX, under 1 for TensorFlow. For ten calls none of this pays.
# - On a GPU, and for convolutions on a CPU, the order is another. [Notebook 09](09_the_same_lines_on_a_gpu.ipynb) measures both.
# - Two libraries have no times, because they do not install. The line below the table says why.

# %% [markdown]
# ## Who looks after them
#
# As of November 2026. A date is that of the newest file in the last release, unless the table says otherwise. Two of the seven do not install on Python 3.11 with torch 2.13.
#
# | | good for | its own trap | last release |
# | --- | --- | --- | --- |
# | `torch.func` | anything; `vmap` over tasks | batch statistics under `vmap` | part of torch since 2.0 |
# | JAX 0.10.2 | speed: `vmap`, `grad` and `jit` fit together | makes float32 of your float64, unless told not to | 17 June 2026 |
# | TensorFlow 2.21.0 | code that has to stay in TensorFlow | `variable.assign_sub` in the inner loop cuts the gradient | no later than 10 March 2026: [a pull request of that day](https://github.com/deepmodeling/deepmd-kit/pull/5303) quotes its notes |
# | TorchOpt 0.7.3 | many optimisers that a gradient can flow through | forget to put the model back | 10 November 2023, by its changelog |
# | learn2learn 0.2.0 | task sets and networks of many papers | what its clones share, shown below | 3 June 2023; does not install |
# | torchmeta 1.8.0 | data loaders for episodes | needs torch older than 1.10 | 20 September 2021; does not install |
# | `higher` 0.2.1 | old code: any module, most optimisers | a silent default, shown below | 14 July 2020 |
#
# TorchOpt also has *implicit gradients*: the gradient at the end of a long inner loop, computed from its end point alone, without going back through the steps.
#
# learn2learn's release holds C code that Cython wrote before Python 3.11. That code includes `longintrepr.h`, a header that Python 3.11 moved, so the build fails; [issue 413](https://github.com/learnables/learn2learn/issues/413) has been open since July 2023. torchmeta asks for torch below 1.10, which was never made for Python 3.11.
#
# In the picture the dot is the last release, and the grey line is the time since then.

# %% tags=["hide-input"] slide=["Four have had no release for three years"]
released = {"higher 0.2.1": 2020.53, "torchmeta 1.8.0": 2021.72, "learn2learn 0.2.0": 2023.42, "TorchOpt 0.7.3": 2023.86,
            "TensorFlow 2.21.0": 2026.19, "JAX 0.10.2": 2026.46}
with figures.style():
    figure, axes = figures.canvas(height=2.1)
    for place, (name, year) in enumerate(released.items()):
        axes.plot([year, 2026.9], [place, place], color=figures.LINE, linewidth=3)
        axes.plot(year, place, "o", color=palette.TASKS[0])
    axes.set_yticks(range(len(released)), list(released), color=figures.INK)
    axes.set(xlim=(2020, 2027), xlabel="year")
    axes.invert_yaxis()
figures.show(figure, alt="Dates of the last releases: higher in 2020, torchmeta in 2021, learn2learn and TorchOpt in 2023, TensorFlow and JAX in 2026.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
versions = {name: next(word for word in row["version"].split() if word[0].isdigit()) for name, row in stored.items()}
assert [versions[name] for name in ("JAX", "TensorFlow", "TorchOpt", "learn2learn", "torchmeta", "higher")] == ["0.10.2", "2.21.0", "0.7.3", "0.2.0", "1.8.0", "0.2.1"]
assert sum(year < 2026.9 - 3 for year in released.values()) == 4
assert "longintrepr.h" in table["protocol"] and "1.10" in table["protocol"]

# %% [markdown]
# **"TensorFlow-Meta".** Some lists of tools name a package "TensorFlow-Meta". There is none: `pip install tensorflow-meta` finds nothing. What is meant is ordinary TensorFlow with a `GradientTape` inside a `GradientTape`, as in the dialect above, or the program of one paper that is written so.

# %% [markdown]
# ## higher: a training as it is pasted
#
# These lines, with small changes, are in many repositories. A small network learns to fit noisy variants of one linear function. One Adam serves both loops: `higher` makes a differentiable one of it for the inner loop.

# %%
def train(library, meta_steps=150, eps=1e-8, **how):
    """The meta-loss of each meta-step."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 1))
    opt = torch.optim.Adam(model.parameters(), lr=1e-3, eps=eps)
    centre, losses = torch.randn(10, 1), []
    for _ in range(meta_steps):
        opt.zero_grad()
        total = 0.0
        for _ in range(4):  # tasks
            x = torch.randn(2, 8, 10)  # support and query
            y = x @ (centre + 0.3 * torch.randn(10, 1))
            with library.innerloop_ctx(model, opt, **how) as (fmodel, diffopt):
                for _ in range(3):  # inner steps
                    diffopt.step(F.mse_loss(fmodel(x[0]), y[0]))
                query_loss = F.mse_loss(fmodel(x[1]), y[1]) / 4
                query_loss.backward()
            total += query_loss.item()
        opt.step()
        losses.append(total)
    return losses, model[0].weight.grad

# %% [markdown] slide=["A training as it is often pasted", "One Adam for both loops, four tasks, three inner steps.", "How far does the meta-loss fall in 150 meta-steps?"]
# **Predict.** How far does the meta-loss fall in 150 meta-steps: not at all, by a third, or to nearly nothing?

# %%
as_pasted, gradient = train(higher)
mended, gradient_mended = train(higher, copy_initial_weights=False)
print("the model's gradient, as pasted:", gradient)
print("with copy_initial_weights=False:", tuple(gradient_mended.shape))
_, untracked = train(higher, meta_steps=1, copy_initial_weights=False, track_higher_grads=False)
print("and with track_higher_grads=False:", untracked)

# %% tags=["hide-input"] slide=["Not at all: the steps went to a copy"]
figure = figures.learning_curves({"as pasted": as_pasted, "copy_initial_weights=False": mended}, ylabel="meta-loss (mean squared error)", smooth=25, log=False)
figures.show(figure, alt="Two curves over 150 meta-steps. As pasted the meta-loss stays where it began. With copy_initial_weights=False it falls by about a third to a half.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert gradient is None and gradient_mended is not None
early, late = slice(0, 20), slice(-20, None)
assert abs(np.mean(as_pasted[late]) / np.mean(as_pasted[early]) - 1) < 0.2
fall = np.mean(mended[late]) / np.mean(mended[early])
assert fall < 2 / 3, fall
assert untracked is None

# %% [markdown]
# **What you saw.** As pasted, not at all. `copy_initial_weights` is `True` unless you say otherwise: `fmodel` starts from a *detached copy*, so the query loss knows nothing of the model. Its gradients stay `None`. Adam skips parameters without a gradient, and nothing complains. With `copy_initial_weights=False` the loss falls by more than a third in the same steps.
#
# `track_higher_grads=False` does the same by another way: the steps are cut out of the graph. It is meant for test time. In training the gradient is `None` too, as the last line of the output shows. So it does not mean first order.

# %% [markdown]
# ## learn2learn: three mistakes in five lines
#
# This is how learn2learn's example is often pasted. The first line is the only one that we changed. The course's adapter has the same names, and `"glyphs"` are the letters of notebook 07, for machines without Omniglot.

# %%
from mlcourse.adapters import learn2learn as l2l  # for: import learn2learn as l2l

tasksets = l2l.vision.benchmarks.get_tasksets("glyphs", train_ways=5, train_samples=1)
maml = l2l.algorithms.MAML(l2l.vision.models.OmniglotCNN(output_size=5), lr=0.01)

for line in ("data, labels = tasksets.sample()", "data, labels = tasksets.train.sample()",
             "learner = maml.clone()", "learner.adapt(learner(data, labels))", "learner.adapt(learner(data))",
             "learner.adapt(F.cross_entropy(learner(data), labels))"):
    try:
        exec(line)
        print("ok    ", line)
    except (AttributeError, TypeError, ValueError) as error:
        print("ERROR ", line, f"\n         {error}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert not hasattr(tasksets, "sample") and data.shape == (5, 1, 28, 28)
try:
    maml.clone()(data, labels)
    raise AssertionError
except TypeError:
    pass

# %% [markdown]
# Two mistakes raise an error. `get_tasksets` gives three task sets, and only `.train`, `.validation` and `.test` have `sample()`. And `learner(data, labels)` is no loss: a learner is the model, and takes what the model takes.
#
# The third raises none. `train_samples=1` asks for **one image of each class**, so `data` holds five images and all of them are the support set. Then people compute the meta-loss on `learner(data)`, on the images that were just fitted.

# %% [markdown] slide=["Adapt to five images, ask about five images", "Once the same five, once others of the same classes.", "How many are right after ten steps?"]
# **Predict.** Take two images of each class. An untrained network adapts for ten steps to the first of each. How many out of a hundred does it then get right: of the images that it adapted to, and of the other ones? By chance it would be 20.

# %%
torch.manual_seed(0)
pairs = l2l.get_tasksets("glyphs", train_ways=5, train_samples=2).train
start = l2l.MAML(l2l.OmniglotCNN(output_size=5), lr=0.1, first_order=True)
right = np.zeros((2, 40, 11))  # same or other, task, inner step
for task in range(40):
    data, labels = pairs.sample()  # labels 0 0 1 1 2 2 3 3 4 4
    learner = start.clone()
    for step in range(11):
        with torch.no_grad():
            for which in (0, 1):
                right[which, task, step] = (learner(data[which::2]).argmax(1) == labels[which::2]).float().mean()
        learner.adapt(F.cross_entropy(learner(data[0::2]), labels[0::2]))

# %% tags=["hide-input"] slide=["All of the same five, half of the others"]
figure = figures.adaptation_curves({"the same images": 100 * right[0], "other images": 100 * right[1]}, ylabel="right (%)")
figures.show(figure, alt="Two curves over ten inner steps. On the images that were adapted to, nearly all are right after a few steps. On other images of the same classes the curve stays near 50 per cent.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
same, other = right[:, :, -1].mean(axis=1)
assert same > 0.98 and 0.42 < other < 0.6, (same, other)

# %% [markdown]
# **What you saw.** All of the images that it adapted to, and about half of the others. A meta-loss on the support set rewards a start that memorises quickly. So ask for `train_samples=2` or more, and split each class.

# %% [markdown]
# ### Exercise 18.1 ●●○○○ Support and query
# *10 minutes. Why it matters: with this mistake a training runs well and teaches the wrong thing.*
#
# learn2learn gives a task as `data (n, ...)` and `labels (n,)`, class after class, such as 0 0 0 1 1 1 2 2 2. Every class has as many images. Write `split`: the first `shots` images of each class are the support set, the others the query set. Return two pairs, `(data, labels)` of the support set and of the query set.

# %% tags=["exercise"]
def split(data, labels, shots):
    """Return (support data, support labels), (query data, query labels)."""
    return ...

# %% tags=["check"]
checks.nb18.split(split)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# You need to know of each image which one of its class it is: the first, the second, ... How many images has a class?
#
# </details>
# <details><summary>Hint 2</summary>
#
# `torch.arange(len(labels)) % images_of_a_class` counts 0 1 2 0 1 2 0 1 2. Compare it with `shots`: that is a mask for both tensors.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def split(data, labels, shots):
#     images_of_a_class = int((labels == labels[0]).sum())
#     number = torch.arange(len(labels)) % images_of_a_class
#     first = number < shots
#     return (data[first], labels[first]), (data[~first], labels[~first])
# ```
#
# </details>

# %% [markdown]
# ## A clone that moves the model
#
# learn2learn 0.2.0 clones a module by cloning its *parameters*; a buffer is cloned only if its `requires_grad` is true (`clone_module` in `learn2learn/utils/__init__.py`). The running mean and variance of a BatchNorm are buffers, and theirs is false. So every clone shares them with the model, and every call of a clone in training mode moves them. In plain PyTorch you get the same by passing the parameters alone:

# %%
torch.manual_seed(0)
model = nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 5))
drift = [0.0]
for _ in range(20):  # twenty tasks, no outer step
    data, labels = pairs.sample()
    clone = {name: p.clone() for name, p in model.named_parameters()}
    functional_call(model, clone, (data,))  # the clone looks at a task
    drift.append(float(model[2].running_mean.norm()))

# %% tags=["hide-input"] slide=["Nobody trained this model, and its statistics move"]
with figures.style():
    figure, axes = figures.canvas(height=1.9)
    axes.plot(drift, "o-", color=palette.TASKS[0], markersize=3.5)
    axes.set(xlabel="tasks that clones have looked at", ylabel="length of the\nmodel's running mean", xticks=range(0, 21, 5))
figures.show(figure, alt="The length of the model's running mean grows from zero with each of twenty tasks that only clones have looked at.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert drift[1] > 0 and drift[-1] > 3 * drift[1] and int(model[2].num_batches_tracked) == 20

# %% [markdown]
# What the model predicts after `model.eval()` then depends on which tasks its clones met, and in which order. That includes test tasks, and their query sets: they leak. `higher` copies the buffers instead. That is safe, but then the model's own statistics never move, and `model.eval()` uses a mean of 0 and a variance of 1. For few-shot learning leave running statistics out: `BatchNorm2d(..., track_running_stats=False)`. [Notebook 07](07_few_shot_images.ipynb) says what the statistics of a batch may see.

# %% [markdown]
# ### Exercise 18.2 ●●●○○ A call that leaves the model alone
# *10 minutes. Why it matters: with buffers that move, the order of your tasks is part of the result.*
#
# Write `call(model, params, x)`: what `model` gives for `x` with the parameters `params`, a dict by the names of `model.named_parameters()`. The model must stay as it was: its parameters, its buffers, and its mode, training or not. The output is that of the mode in which it is.

# %% tags=["exercise"]
def call(model, params, x):
    """Return the output of model with these parameters; nothing in model moves."""
    return ...

# %% tags=["check"]
checks.nb18.call(call)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# `functional_call(model, tensors, (x,))` puts in every tensor that you name, parameter or buffer, and takes it out again.
#
# </details>
# <details><summary>Hint 2</summary>
#
# A BatchNorm changes a buffer *in place*. What it is given must not be the model's own tensor.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def call(model, params, x):
#     buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
#     return functional_call(model, {**params, **buffers}, (x,))
# ```
#
# The moved copies are thrown away. If you need them, return `buffers` as well.
#
# </details>

# %% [markdown] slide=["Moving to `torch.func`", "A model becomes a function of its parameters.", "A step becomes a new dict. The loop over tasks becomes `vmap`."]
# ## Moving to torch.func
#
# A move has four parts. The model becomes a function of its parameters. A step becomes a new dict. The loop over tasks becomes `vmap`. The backward pass becomes `grad`.
#
# | you find | you write |
# | --- | --- |
# | `model.parameters()` | `theta = {name: p.detach() for name, p in model.named_parameters()}` |
# | `innerloop_ctx(...)`, `maml.clone()` | nothing: `phi = theta` |
# | `fmodel(x)`, `learner(x)`, TorchOpt's `model(x)` | `functional_call(model, phi, (x,))`, inside `loss(phi, x, y)` |
# | `diffopt.step(loss)`, `learner.adapt(loss)`, `inner.gradient(...)` | `slopes = grad(loss)(phi, x, y)`, then a new dict `phi` |
# | `recover_state_dict(...)` | nothing: `theta` has not moved |
# | `for task in tasks`, `tf.vectorized_map` | `vmap(after_adapting, (None, 0, 0))` |
# | `query_loss.backward()` | `gradient = grad(meta_loss)(theta)` |
# | `first_order=True` | `grad(loss)` at `{name: p.detach() for name, p in phi.items()}` |
# | `opt.step()` of the outer loop | write `p.grad = gradient[name]` first; the optimiser stays |
# | `jax.grad`, `jax.vmap`, `jax.jit` | `grad`, `vmap`, `torch.compile` |
#
# Four things need a second look:
#
# - **One layer used twice.** Pass `tie_weights=False` to `functional_call`. Without it, torch 2.13 leaves the adapted weights in the module after the call.
# - **Buffers.** A call can move them, see above.
# - **Dropout.** Under `vmap` it raises an error.
# - **Batch statistics.** Under `vmap` they give a wrong gradient, see below.
#
# The course's `networks.from_module` makes a module a function of its parameters. It handles all four, or refuses.

# %% [markdown] slide=["From `higher` to `torch.func`: all tasks at once.", "No loop over tasks, no `backward`."]
# ### Exercise 18.3 ●●●○○ From higher to torch.func
# *20 minutes. Why it matters: this is the step that you will take with every old repository.*
#
# The lines below are for `higher`. Write `meta_gradient`, which gives the same by `torch.func`: a dict by the names of `model.named_parameters()`. A batch of tasks has `tasks.support.x` of shape `(T, S, ...)` and so on, and unpacks into `support, query`. Take all tasks at once.
#
# ```python
# opt = torch.optim.SGD(model.parameters(), lr=inner_lr)
# for support, query in each(tasks):
#     with higher.innerloop_ctx(model, opt, copy_initial_weights=False) as (fmodel, diffopt):
#         for _ in range(inner_steps):
#             diffopt.step(F.mse_loss(fmodel(support.x), support.y))
#         (F.mse_loss(fmodel(query.x), query.y) / n_tasks).backward()
# return {name: p.grad for name, p in model.named_parameters()}
# ```

# %% tags=["exercise"]
def meta_gradient(model, tasks, inner_lr, inner_steps):
    """Return the gradient of the mean query loss after adapting, by the names of the parameters."""
    return ...

# %% tags=["check"]
checks.nb18.meta_gradient(meta_gradient)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# Three small functions inside: `loss(phi, x, y)`, `after_adapting(phi, support, query)` for one task, and `meta_loss(theta)` for all.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `vmap(after_adapting, (None, 0, 0))(theta, *tasks)` gives the query losses of all tasks. Start from detached parameters, and differentiate their mean with `grad`.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def meta_gradient(model, tasks, inner_lr, inner_steps):
#     theta = {name: p.detach() for name, p in model.named_parameters()}
#
#     def loss(phi, x, y):
#         return F.mse_loss(functional_call(model, phi, (x,)), y)
#
#     def after_adapting(phi, support, query):
#         for _ in range(inner_steps):
#             slopes = grad(loss)(phi, *support)
#             phi = {name: phi[name] - inner_lr * slopes[name] for name in phi}
#         return loss(phi, *query)
#
#     def meta_loss(theta):
#         return vmap(after_adapting, (None, 0, 0))(theta, *tasks).mean()
#
#     return grad(meta_loss)(theta)
# ```
#
# No `zero_grad`, no copy, no state to put back: nothing is changed, so nothing can be left over.
#
# </details>

# %% [markdown]
# A root has one trap on the way back. The derivative of $\sqrt{v}$ is $1/(2\sqrt{v})$, which is infinite at $v = 0$. If $v$ is the square of a zero, the chain rule multiplies this infinity by zero:

# %%
slope = torch.tensor([0.0, 3.0], requires_grad=True)
print(torch.autograd.grad((slope**2).sqrt().sum(), slope)[0])

# %% [markdown]
# ### Exercise 18.4 ●●●●○ Adam inside
# *20 minutes. Why it matters: an inner loop with Adam is the reason why people still reach for `higher`.*
#
# `torch.optim.Adam` cannot be differentiated. Write one step of Adam that can: a function of dicts. With $g$ the slope and $t$ the number of this step, 1 for the first one:
#
# $$m \leftarrow \beta_1 m + (1-\beta_1)\, g, \qquad v \leftarrow \beta_2 v + (1-\beta_2)\, g^2, \qquad \theta \leftarrow \theta - \alpha\, \frac{m / (1-\beta_1^t)}{\sqrt{v / (1-\beta_2^t)} + \varepsilon}$$
#
# Both means begin at zero, so at first they are too small. The division by $1-\beta^t$ corrects this; it is called *bias correction*.
#
# `state` is `(first, second, steps)`: the dicts $m$ and $v$, full of zeros at the start, and how many steps were taken before, 0 at the start. Return the new parameters and the new state, and change nothing in place. The gradient that flows back through your step must be finite **even where a slope is exactly zero**, as it is behind a dead ReLU.

# %% tags=["exercise"]
def adam_step(params, slopes, state, lr, beta1=0.9, beta2=0.999, epsilon=1e-8):
    """Return the parameters after one step, and the state (first, second, steps) after it."""
    return ...

# %% tags=["check"]
checks.nb18.adam_step(adam_step)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# Without the zeros it is four dict comprehensions. For the zeros: on the way back, 0 times infinity is not a number, so the root must never *see* a zero.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `torch.where(still, 0.0, square.sqrt())` is not enough: the root of the zero is still computed, and its derivative still infinite. Put a 1 in its place *before* the root, and the 0 after it.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def adam_step(params, slopes, state, lr, beta1=0.9, beta2=0.999, epsilon=1e-8):
#     first, second, steps = state
#     steps = steps + 1
#     first = {name: beta1 * first[name] + (1 - beta1) * slopes[name] for name in params}
#     second = {name: beta2 * second[name] + (1 - beta2) * slopes[name] ** 2 for name in params}
#     new = {}
#     for name, p in params.items():
#         mean = first[name] / (1 - beta1**steps)
#         square = second[name] / (1 - beta2**steps)
#         still = square == 0
#         root = torch.where(still, 0.0, torch.where(still, 1.0, square).sqrt())
#         new[name] = p - lr * mean / (root + epsilon)
#     return new, (first, second, steps)
# ```
#
# `higher` masks the same place in its own Adam, by a hook on the gradient.
#
# </details>

# %% [markdown]
# ## Or change one import
#
# Sometimes you do not want to rewrite code, only to run it. The course has two **adapters**, about two pages each, in `mlcourse/adapters/`: the names of learn2learn and of `higher`, on `functional_call` and `torch.autograd`. You have used the first. Here is the second, on the first steps of the training from above:

# %%
from mlcourse.adapters import higher as adapted  # for: import higher

with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    again, _ = train(adapted, meta_steps=5)
print(textwrap.fill(str(said[0].message), 80))

print("\nlargest difference between the losses of higher and of the adapter:")
apart = {}
for eps in (1e-8, 1e-14):
    both = [train(one, meta_steps=20, eps=eps, copy_initial_weights=False)[0] for one in (higher, adapted)]
    apart[eps] = np.abs(np.divide(*both) - 1).max()
    print(f"with Adam's ε = {eps:.0e}: {apart[eps]:.0e} of their size")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert "copy_initial_weights=False" in str(said[0].message)
assert np.allclose(again, as_pasted[:5], rtol=0.01) 
assert 1e-4 < apart[1e-8] < 1e-3 and apart[1e-14] < 1e-6, apart

# %% [markdown]
# The silent default now says something. And the numbers are those of `higher`, to seven digits, once Adam's ε is tiny. With the usual ε = 10⁻⁸ they differ, by less than one in a thousand: `higher` adds ε before the bias correction, torch and the adapter add it after.
#
# The adapters pass the libraries' own tests, run in November 2026: all 8 that learn2learn has for MAML (`tests/unit/algorithms/maml_test.py`), and all 49 that `higher` has for its models (`tests/test_patch.py`). They also refuse three things that those libraries take in silence:
#
# - a loss that is no single number,
# - a loss that does not depend on the clone,
# - `adapt` on the model itself.
#
# They are no faster, since code of this shape cannot be put under `vmap`.

# %% [markdown] slide=["One line too far up", "One clone for all 25 tasks, in place of one for each.", "The meta-loss: higher, lower or the same? And the gradient?"]
# ## What can go wrong
#
# **One clone for all tasks.** `learner = maml.clone()` stands *before* the loop over tasks, not in it. TorchOpt has the same mistake: you forget to put the model back.
#
# **Predict.** With the wrong line, is the meta-loss higher, lower or the same? And by how much is the gradient off: 1 %, 10 % or most of it?

# %%
def one_meta_gradient(clone_for_each_task):
    model = dialects.module(params)
    maml = l2l.MAML(model, lr=0.01)
    learner, meta_loss = maml.clone(), 0.0
    for support, query in each(tasks):
        if clone_for_each_task:
            learner = maml.clone()
        learner.adapt(F.mse_loss(learner(support.x), support.y))
        meta_loss = meta_loss + F.mse_loss(learner(query.x), query.y) / 25
    meta_loss.backward()
    return float(meta_loss.detach()), dialects.slopes_of(model)

right_loss, right_gradient = one_meta_gradient(clone_for_each_task=True)
wrong_loss, wrong_gradient = one_meta_gradient(clone_for_each_task=False)
print(f"meta-loss {right_loss:.2f} and {wrong_loss:.2f}; the gradient is off by {distance(wrong_gradient, right_gradient):.0%}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert distance(right_gradient, true) < 1e-12
assert wrong_loss < right_loss, (wrong_loss, right_loss)
assert 0.8 < distance(wrong_gradient, right_gradient) < 0.92

# %% [markdown] slide=["The loss is lower, the gradient mostly wrong", "Each task begins where the last one ended."]
# **What you saw.** The loss is *lower*, which looks like progress, and most of the gradient is wrong. Each task begins where the last one ended: all tasks make one chain of 25 steps, and the gradient goes back through it to one start. It rewards a start that is good after many tasks. MAML asks for one that is good after one task.
#
# **A name that promises more.** In TorchOpt "Meta" means *differentiable*. `torchopt.MetaSGD` is plain gradient descent that a gradient can flow through. It is not Meta-SGD ([Li et al., 2017](https://arxiv.org/abs/1707.09835)), which *learns* a rate for each parameter:

# %%
try:
    torchopt = dialects.require_torchopt()
    model = dialects.module(params)
    state = torchopt.extract_state_dict(torchopt.MetaSGD(model, lr=0.01))
    learned = [one for one in torchopt.pytree.tree_leaves(state) if getattr(one, "requires_grad", False)]
    print("rates that torchopt.MetaSGD learns:", len(learned))
except conv4_jax.NotHere as missing:
    print(missing, "here; where it is, torchopt.MetaSGD learns 0 rates")
print("rates that Meta-SGD learns for this network:", sum(p.numel() for p in params.values()))

# %% [markdown]
# **A distance without its square.** A prototypical network takes minus the *squared* distance ([notebook 08](08_prototypical_networks.ipynb)). EasyFSL's `l2_distance_to_prototypes` is `-torch.cdist(...)`, the distance itself. The nearest prototype stays the nearest, but the probabilities change, and with them the loss and what is learned:

# %%
query, prototypes = torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0]])
distances = torch.cdist(query, prototypes)
print("squared    ", np.round(torch.softmax(-(distances**2), dim=1)[0].numpy(), 3))
print("not squared", np.round(torch.softmax(-distances, dim=1)[0].numpy(), 3))

# %% [markdown]
# **Batch statistics under `vmap`.** To make BatchNorm work under `vmap`, PyTorch offers `torch.func.replace_all_batch_norm_modules_`. It removes the error, and leaves a wrong second derivative that [notebook 09](09_the_same_lines_on_a_gpu.ipynb) looked into:

# %%
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 1)).double()
torch.func.replace_all_batch_norm_modules_(model)
theta = {name: p.detach() for name, p in model.named_parameters()}
x, y = torch.randn(4, 2, 8, 6, dtype=torch.float64), torch.randn(4, 2, 8, 1, dtype=torch.float64)

def loss(phi, x, y):
    return F.mse_loss(functional_call(model, phi, (x,)), y)

def after_adapting(phi, x, y):  # x[0] is the support set, x[1] the query set
    slopes = grad(loss)(phi, x[0], y[0])
    return loss({name: phi[name] - 0.1 * slopes[name] for name in phi}, x[1], y[1])

at_once = lambda theta: vmap(after_adapting, (None, 0, 0))(theta, x, y).mean()
in_turn = lambda theta: torch.stack([after_adapting(theta, *one) for one in zip(x, y)]).mean()
print(f"difference of the losses {abs(float(at_once(theta) - in_turn(theta))):.0e}")
print(f"the gradient is off by {distance(grad(at_once)(theta), grad(in_turn)(theta)):.1%}, torch {torch.__version__}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
squared, plain = (torch.softmax(-(distances**power), dim=1)[0] for power in (2, 1))
assert squared.argmax() == plain.argmax() == 0 and squared[0] > 0.94 and plain[0] < 0.7
assert abs(float(at_once(theta) - in_turn(theta))) < 1e-14
if torch.__version__.startswith("2.13."):
    assert 0.002 < distance(grad(at_once)(theta), grad(in_turn)(theta)) < 0.02
try:
    assert len(learned) == 0
except NameError:
    pass  # TorchOpt is not here

# %% [markdown]
# The losses are equal, and the gradient is off by about half a per cent. In training you would not see it. `networks.from_module` and `networks.conv4` of this course normalise in plain operations under `vmap`, and are right.

# %% [markdown]
# ## Quiz
#
# **1.** A repository trains with `higher`, and its README says "the meta-loss does not improve, but the accuracy after adaptation is good". Which argument do you look for first, and what would explain the good accuracy?
#
# <details><summary>Answer</summary>
#
# `copy_initial_weights=False`. Without it the model keeps the weights it began with. The accuracy after adaptation is then that of ordinary fine-tuning: from a random or a pre-trained start.
#
# </details>
#
# **2.** You rewrite learn2learn code in `torch.func`. The losses agree in the first meta-step to seven digits, and the gradients to two. Is that rounding?
#
# <details><summary>Answer</summary>
#
# No. Rounding in single precision leaves about seven digits of this page's gradients. Equal losses with different gradients mean that a derivative is cut or wrong: a `detach`, first order in one of the two, or batch statistics under `vmap`. Compare in float64, one task at a time, then by finite differences.
#
# </details>
#
# **3.** Two programs give the same gradient through five inner steps. One uses JAX and takes 2 ms, with 2 s for the first call. The other uses plain `torch.func` and takes 13 ms. You want to try 200 settings, 100 meta-steps each, and each setting changes a shape. Which is faster?
#
# <details><summary>Answer</summary>
#
# A new shape means a new compilation. JAX: 200 × (2 + 100 × 0.002) = 440 s. torch.func: 200 × 100 × 0.013 = 260 s. Compilation pays when you keep the shapes and take many steps.
#
# </details>

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert 1.5 < stored["JAX"]["5 steps, ms"] < 2.5 and 1.5 < first["JAX"] < 2.5 and 12 < stored["plain torch.func"]["5 steps, ms"] < 14
assert round(200 * (2 + 100 * 0.002)) == 440 and round(200 * 100 * 0.013) == 260

# %% [markdown]
# ## What you can do now
#
# - Read one MAML step in six dialects, and say where each keeps the adapted weights.
# - Find the mistakes that raise no error: a copy, a support set used as query, shared statistics, one clone for all.
# - Move code from any of these libraries to `torch.func`, and compare the gradients in float64 before you trust it.
# - Say which of the libraries are looked after, and run old code by one changed import.
#
# ## What comes next
#
# You have a meta-learner that is right and fast. [The next lesson](19_serve_it.ipynb) puts one to work behind an address: a support set comes in, predictions go out.
#
# ## References
#
# - E. Grefenstette and others, *Generalized Inner Loop Meta-Learning*, 2019, [arXiv:1910.01727](https://arxiv.org/abs/1910.01727): `higher`.
# - S. M. R. Arnold, P. Mahajan, D. Datta, I. Bunner, K. S. Zarkias, *learn2learn: A Library for Meta-Learning Research*, 2020, [arXiv:2008.12284](https://arxiv.org/abs/2008.12284).
# - J. Ren, X. Feng, B. Liu and others, *TorchOpt: An Efficient Library for Differentiable Optimization*, JMLR 24, 2023, [arXiv:2211.06934](https://arxiv.org/abs/2211.06934).
# - T. Deleu and others, *Torchmeta: A Meta-Learning library for PyTorch*, 2019, [arXiv:1909.06576](https://arxiv.org/abs/1909.06576).
# - Z. Li, F. Zhou, F. Chen, H. Li, *Meta-SGD: Learning to Learn Quickly for Few-Shot Learning*, 2017, [arXiv:1707.09835](https://arxiv.org/abs/1707.09835).
