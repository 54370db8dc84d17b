# %% [markdown]
# # Where the time goes
#
# On the sines of notebook 05, the steps on this page compute the meta-gradient **117 times as fast** as `higher`, a library for MAML in PyTorch, on one CPU core, and the method does not change. For images you compute on paper the least time that a meta-step can take. Then you find out what it spends the rest on.
#
# > **Recall.** In notebook 05, `torch.vmap` turned a function of one task into a function of a batch of tasks. What did you have to tell it, and what did you have to rewrite?
# >
# > <details><summary>Answer</summary>
# >
# > Which arguments differ from task to task: `in_dims=(None, 0, 0)` shares $\theta$ and splits the support and query sets. The function itself stayed as it was.
# >
# > </details>

# %% [markdown]
# ## Before you start
#
# | | |
# | --- | --- |
# | **It gives you** | a way to find out what a meta-step spends its time on, and which change helps |
# | **You will be able to** | count the arithmetic of a meta-step and the least time it needs · tell arithmetic, memory traffic and launch overhead apart · write a convolution as one matrix product · record a step and play it back · time a GPU correctly · predict how much a faster part can bring |
# | **You need** | [05](05_maml_from_zero.ipynb) (`vmap`), [06](06_first_order_and_reptile.ipynb) (first order) and [07](07_few_shot_images.ipynb) (Conv4, batch normalisation) |
# | **Time** | 45 minutes to read, 40 for the exercises, about 30 seconds to run |
# | **Skip it if** | you can compute the least time of a meta-step from its FLOP, and you know when a CUDA graph is worth its trouble |
#
# No cell needs a GPU, and all run unchanged on one. What you see here ran on a CPU. All GPU numbers come from one NVIDIA H100 and are stored in `data/results`: times of one meta-gradient, and training runs with one seed each. On the GPU, compiled steps and several GPUs are not measured yet.

# %% tags=["setup"]
import re
import time
from collections import Counter

import numpy as np
import torch
import torch.nn.functional as F

from mlcourse.lessons import checks, figures
from mlcourse.experiments import results
from mlcourse.fast import losses, maml, networks
from mlcourse.fast.arrays import default_device, tensors
from mlcourse.tasks import Sinusoids, each, glyphs

torch.set_num_threads(1)
torch.backends.cudnn.allow_tf32 = False       # no rounding on a GPU either
device = default_device()                     # CUDA where there is a GPU, else the CPU

# %%
def wait():
    if device.type == "cuda":
        torch.cuda.synchronize()              # until the GPU has finished everything

def milliseconds(work, calls=5):
    """The fastest call: other programs only make a call slower."""
    times = []
    for _ in range(calls + 1):                # the first one warms up
        wait()
        started = time.perf_counter()
        work()
        wait()
        times.append(time.perf_counter() - started)
    return 1e3 * min(times[1:])

letters = glyphs.splits()
print(f"device: {device}, torch {torch.__version__}")

# %% [markdown]
# ## How much work is there?
#
# A GPU does the same operations as a CPU, only more of them per second. So first count how many there are.
#
# Take a 3×3 convolution with padding, from $C$ channels to $C'$, on a picture of $H \times W$ pixels. Every number that comes out is a sum over the neighbours of one pixel, in all channels. The usual unit is the **FLOP**, one floating-point operation: a multiplication or an addition.

# %% [markdown]
# ### Exercise 9.1 ●○○○○ Count a convolution
# *5 minutes. Why it matters: divide this number by what a machine does in a second, and you have the least time it can take.*
#
# Write `convolution_flop`: the FLOP for **one** picture. Count a multiplication and an addition for each term of each sum. Leave the bias out.

# %% tags=["exercise"]
def convolution_flop(n_in, n_out, height, width):
    """Return the FLOP of one picture, height x width, from n_in to n_out channels."""
    return ...

# %% tags=["check"]
checks.nb09.convolution_flop(convolution_flop)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# How many numbers come out? How many terms has the sum behind each of them?
#
# </details>
# <details><summary>Hint 2</summary>
#
# `n_out * height * width` numbers, each a sum of `9 * n_in` terms, each term two operations.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def convolution_flop(n_in, n_out, height, width):
#     terms = 9 * n_in
#     numbers = n_out * height * width
#     return 2 * terms * numbers
# ```
#
# </details>

# %% [markdown]
# The course's version is folded here, so that the page runs on. Conv4 with 64 channels, the network of the papers, has four convolutions. Pooling halves the picture after each: 28, 14, 7, 3 pixels a side.

# %% tags=["setup", "hide-input"] jupyter={"source_hidden": true}
def flop_of(n_in, n_out, side):               # exercise 9.1, for a square picture
    return 2 * 9 * n_in * n_out * side * side

# %% [markdown] slide=["The four convolutions of Conv4", "The first has the largest pictures.", "Which does most of the work: the first, the second, the last?"]
# **Predict.** Which one does most of the work: the first, whose pictures are the largest, the second, or the last?

# %% slide=["The second: three quarters of it"]
layers = {
    "convolution 1, 28×28": flop_of(1, 64, 28),
    "convolution 2, 14×14": flop_of(64, 64, 14),
    "convolution 3, 7×7": flop_of(64, 64, 7),
    "convolution 4, 3×3": flop_of(64, 64, 3),
    "linear, 64 to 5": 2 * 64 * 5,
}
one_pass = sum(layers.values())
rows = [{"layer": name, "million FLOP": f"{flop / 1e6:.2f}", "share": f"{flop / one_pass:.0%}"}
        for name, flop in layers.items()]
figures.table(rows, f"One picture once through Conv4: {one_pass / 1e6:.1f} million FLOP")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
from mlcourse.experiments.bench.floor import conv4_flop, meta_gradient_flop

assert one_pass == conv4_flop(64, 5) == 19_630_720
assert 0.73 < layers["convolution 2, 14×14"] / one_pass < 0.75 and layers["convolution 1, 28×28"] / one_pass < 0.05

# %% [markdown]
# **What you saw.** The second, with three quarters of the work. The first has the largest pictures, but only one channel to sum over.
#
# Call this one **pass**. A meta-gradient needs several passes for each picture. Going back through a product costs twice as much as the product itself: it needs the gradient of both factors, the activations and the weights.

# %% tags=["hide-input"] slide=["Query: 3 passes. Support: 9 in each inner step"]
with figures.style():
    figure, axes = figures.canvas(height=2.0)
    rows = {"query picture,\nonce": (1, 2), "support picture,\neach inner step": (1, 2, 6)}
    looks = [("forward", "#56B4E9"), ("back", "#E69F00"), ("back through both, second order only", "#CC79A7")]
    for place, parts in enumerate(rows.values()):
        start = 0
        for (name, colour), size in zip(looks, parts):
            axes.barh(place, size, left=start, height=0.62, color=colour, edgecolor="white")
            axes.text(start + size / 2, place, size, ha="center", va="center", fontsize=9)
            axes.text(start + size / 2, place - 0.36, name, ha="center", va="bottom", fontsize=8)
            start += size
    axes.set_yticks([0, 1], rows, fontsize=8.5)
    axes.set(xlim=(0, 9.1), ylim=(1.45, -0.7), xticks=range(0, 10), xlabel="passes")
figures.show(figure, alt="Two bars of passes. A query picture: 1 forward and 2 back, together 3. A support picture in each inner step: 1 forward, 2 back, and 6 more, with second order only, to go back through both; together 9.")

# %% [markdown] slide=["What does second order add?", "5 support and 75 query pictures, one inner step.", "A tenth or so, a half, or does it double the work?"]
# Every query picture is used once, for the loss at $\varphi$: **3 passes**. Every support picture takes part in $k$ inner steps. In each, the inner gradient takes 3 passes. The outer gradient goes back through these 3. Going back costs twice as much as going forward, so that is 6 more: **9 passes** together. First order (notebook 06) leaves out the 6.
#
# **Predict.** One task with 5 support and 75 query pictures, one inner step. How much work does second order add: a tenth or so, a half, or does it double the work?

# %%
from torch.utils.flop_counter import FlopCounterMode

from mlcourse.fast.episodes import Episodes

conv4 = networks.conv4(n_way=5, channels=64)
conv4_loss = losses.cross_entropy(conv4)
conv4_theta = tensors(conv4.init(np.random.default_rng(0)), device=device, dtype=torch.float32)
family = Episodes(letters.train, n_way=5, k_shot=1, n_query=15, device=device)
one_task = family.sample(1, family.generator(0))

on_paper = {"second order": 9 * 5 + 3 * 75, "first order": 3 * 5 + 3 * 75}
counted = {}
for name in on_paper:
    with FlopCounterMode(display=False) as counter:                # PyTorch's own counter
        maml.meta_gradient(conv4_loss, conv4_theta, one_task, inner_lr=0.4,
                           first_order=name == "first order", batching="loop")
    counted[name] = counter.get_total_flops() / one_pass
    print(f"{name:12}: on paper {on_paper[name]} passes, counter {counted[name]:.0f}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert abs(counted["second order"] / 270 - 1) < 0.03 and abs(counted["first order"] / 240 - 1) < 0.03
assert abs(counted["second order"] / counted["first order"] - 1.125) < 0.01
assert meta_gradient_flop(inner_steps=1, n_tasks=32, n_way=5, k_shot=1, n_query=15, channels=64) == 32 * 270 * one_pass
assert round(32 * 270 * one_pass / 1e9) == 170
assert all(counted[name] < on_paper[name] for name in counted)

# %% [markdown] slide=["One eighth", "The 75 queries need 3 passes in either case."]
# **What you saw.** One eighth, because the 75 queries need 3 passes in either case. The counter finds a little less: the first layer sends no gradient back to the pixels.
#
# MAML takes 32 tasks in a meta-step. That makes $32 \times 270 \times 19.6$ million, or **170 GFLOP**: 170 thousand million operations. Divide by what the machine can do, and you have the **floor**, the least time. We measure how fast the machine is on two good cases, a large matrix product and a convolution:

# %% tags=["nbval-ignore-output"]
square = torch.rand(1024, 1024, device=device)
channels = torch.rand(25, 64, 14, 14, device=device)
kernel = torch.rand(64, 64, 3, 3, device=device)

best = {2 * 1024**3: lambda: square @ square,
        25 * flop_of(64, 64, 14): lambda: F.conv2d(channels, kernel, padding=1)}
peak = max(flop / milliseconds(work, calls=15) / 1e6 for flop, work in best.items())   # GFLOP/s
two_tasks = family.sample(2, family.generator(1))
taken = milliseconds(
    lambda: maml.meta_gradient(conv4_loss, conv4_theta, two_tasks, inner_lr=0.4), calls=3)
floor = 2 * 270 * one_pass / peak / 1e6
print(f"the best of this {device.type}: {peak:,.0f} GFLOP/s")
print(f"two tasks: floor {floor:.1f} ms, taken {taken:.1f} ms, {taken / floor:.1f} times the floor")

# %% [markdown]
# The last number says how much faster the program could become here. On the H100 a large matrix product ran at 52 TFLOP/s in float32. So the floor for 32 tasks is **3.3 ms** there. Our fastest float32 version takes 32.9 ms, ten times as long. Where do the other nine tenths go?

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
h100 = results.load("bench_meta_gradient_conv4_cuda")
peaks, on_h100 = h100["details"]["peaks"], {row["method"]: row["values"]["1 step, ms"] for row in h100["rows"]}
assert "H100" in h100["hardware"]["gpu"] and h100["details"]["flop"]["1 step"] == 32 * 270 * one_pass
floor_there = 1e3 * 32 * 270 * one_pass / peaks["float32"]
assert round(peaks["float32"] / 1e12) == 52 and round(floor_there, 1) == 3.3
assert round(min(ms for name, ms in on_h100.items() if "TF32" not in name) / floor_there) == 10

# %% [markdown] slide=["Arithmetic, memory, launch", "A convolution, batch normalisation, ReLU, a layer for sines.", "Which cost is the largest for each?"]
# ## Three costs
#
# An operation has three costs:
#
# 1. **Arithmetic**: its FLOP, divided by the FLOP per second of the machine.
# 2. **Memory traffic**: every number is read from memory or written to it, four bytes each. The cost is bytes divided by bytes per second.
# 3. **Launch overhead**, also called dispatch overhead: Python looks up the operation, checks shapes, gets memory and starts the work. This takes the same time for ten numbers and for ten million.
#
# Arithmetic and memory traffic go on at the same time, so only the larger of the two counts.
#
# **Predict.** Four operations: a convolution of 64 channels, batch normalisation, ReLU, and one layer of the network for sines. The first three work on one task's 75 queries, the last on 10 points and 40 units. For each operation, which cost is the largest?

# %%
inside = torch.rand(75, 64, 14, 14, device=device)
outside = torch.rand(75, 64, 28, 28, device=device)
scale, shift = torch.ones(64, device=device), torch.zeros(64, device=device)
points, weights = torch.rand(10, 40, device=device), torch.rand(40, 40, device=device)
operations = {         # work, FLOP, numbers read and written
    "convolution": (lambda: F.conv2d(inside, kernel, padding=1),
                    75 * flop_of(64, 64, 14), 2 * inside.numel()),
    "batch norm.": (lambda: networks.batch_norm(outside, scale, shift),
                    8 * outside.numel(), 3 * outside.numel()),      # some 8 FLOP a number
    "ReLU": (lambda: torch.relu(outside), outside.numel(), 2 * outside.numel()),
    "sine layer": (lambda: points @ weights, 2 * 10 * 40 * 40, 2 * 400 + 1600),
}
copied, nothing = torch.empty_like(outside), torch.ones((), device=device)
bandwidth = 8 * outside.numel() / milliseconds(lambda: copied.copy_(outside), calls=30) / 1e6  # GB/s
launch = milliseconds(lambda: [nothing + nothing for _ in range(1000)])         # microseconds each

# %% tags=["hide-input", "nbval-ignore-output"] slide=["Arithmetic; memory twice; launch"]
def in_words(microseconds):
    return f"{microseconds:,.0f}" if microseconds >= 10 else f"{microseconds:.2f}"

rows, largest = [], {}
for name, (work, flop, numbers) in operations.items():
    costs = {"arithmetic": flop / peak / 1e3, "memory": 4 * numbers / bandwidth / 1e3, "launch": launch}
    largest[name] = max(costs, key=costs.get)
    costs["taken"] = 1e3 * milliseconds(work, calls=30)
    rows.append({"operation": name} | {cost: in_words(paid) for cost, paid in costs.items()})
figures.table(rows, f"Microseconds on this {device.type}: three costs from counts, and the time taken")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
if device.type == "cpu":
    assert [largest[name] for name in operations][:3] == ["arithmetic", "memory", "memory"], largest
    assert launch > 2 * 10 * 40 * 40 / peak / 1e3
    held = outside.mean(dim=(0, 2, 3)), outside.var(dim=(0, 2, 3), correction=0)
    with_both_given = milliseconds(lambda: F.batch_norm(outside, *held, scale, shift), calls=15)
    assert milliseconds(operations["batch norm."][0], calls=15) > 1.5 * with_both_given
assert 0.4e-9 < 2 * 10 * 40 * 40 / 67e12 < 0.6e-9

# %% [markdown]
# **What you saw.** For the convolution it is arithmetic, for ReLU and batch normalisation memory traffic, and for the sine layer the launch. These costs are a lower bound. Batch normalisation takes several times as long on this CPU, because the library is slow at mean and variance.
#
# FLOP divided by bytes is called **arithmetic intensity**. It says which of the first two costs is larger on a given machine. [Appendix 09b](09b_roofline_and_memory.ipynb) draws the picture that goes with it, the roofline.
#
# A GPU lowers the first two costs and *not* the third: the same Python on your CPU launches every operation. On an H100 the sine layer needs half a nanosecond of arithmetic, but a microsecond or more to be launched. So many small operations gain little from a GPU.

# %% [markdown]
# ## One task, then `vmap`
#
# The first remedy is from notebook 05: put `torch.vmap` around the single-task function. Each operation is then launched one time for all tasks together. Here are both ways, for any loss:

# %%
def two_ways(loss, theta, tasks, inner_lr):
    def task_loss(theta, support, query):
        phi = maml.adapt(loss, theta, support, inner_lr=inner_lr)        # the unchanged adapt
        return loss(phi, *query)

    def in_a_loop(theta):
        return torch.stack([task_loss(theta, *task) for task in each(tasks)]).mean()

    def all_at_once(theta):
        return torch.vmap(task_loss, in_dims=(None, 0, 0))(theta, *tasks).mean()

    return {"loop": lambda: torch.func.grad(in_a_loop)(theta),
            "vmap": lambda: torch.func.grad(all_at_once)(theta)}

# %%
sine_net = networks.mlp((1, 40, 40, 1))
sine_loss = losses.squared_error(sine_net)
sine_theta = tensors(sine_net.init(np.random.default_rng(0)), device=device, dtype=torch.float32)
sines = Sinusoids(k_shot=10, n_query=10).sample(25, np.random.default_rng(0))
sines = tensors(sines, device=device, dtype=torch.float32)

small = networks.conv4(n_way=5, channels=32)
small_loss = losses.cross_entropy(small)
small_theta = tensors(small.init(np.random.default_rng(0)), device=device, dtype=torch.float32)
pictures = Episodes(letters.train, n_way=5, k_shot=1, n_query=10, device=device)
images = pictures.sample(8, pictures.generator(2))

# %% [markdown] slide=["Put `vmap` around one task", "25 sines, then eight tasks of images, on a CPU.", "How many times as fast does it make each?"]
# **Predict.** Twenty-five sines, then eight tasks of images with Conv4 (32 channels). How many times as fast does `vmap` make each of the two?

# %% tags=["nbval-ignore-output"]
ways = {"sines": two_ways(sine_loss, sine_theta, sines, 0.01),
        "images": two_ways(small_loss, small_theta, images, 0.4)}
times = {}
for what, calls in (("sines", 5), ("images", 2)):
    loop, vmapped = (milliseconds(work, calls) for work in ways[what].values())
    times[what] = {"loop": loop, "vmap": vmapped}
    print(f"{what:6}  loop {loop:6.1f} ms, vmap {vmapped:6.1f} ms: {loop / vmapped:.1f} times as fast")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
for both in ways.values():
    found = [torch.cat([g.flatten() for g in work().values()]) for work in both.values()]
    assert (found[0] - found[1]).norm() < 0.5 * found[0].norm()      # float32, and ReLUs that flip
assert device.type != "cpu" or times["sines"]["loop"] > 3 * times["sines"]["vmap"]
assert device.type != "cpu" or times["images"]["loop"] < times["images"]["vmap"]
assert round(on_h100["plain loop over tasks"] / on_h100["fast (vmap, eager)"]) == 5

# %% [markdown] slide=["Sines: much faster. Images: slower", "Launches were the largest cost of the sines.", "On an H100 the images become five times as fast."]
# **What you saw.** The same `vmap` around the same lines makes the sines much faster, because launch overhead was their largest cost. The images become *slower* on this CPU. On the H100 `vmap` makes Conv4 five times as fast. In `mlcourse.fast`, the fast package of the course, `batching="auto"` loops over tasks on a CPU when there are convolutions, and uses `vmap` otherwise.
#
# What happens to the images? After one inner step each task has *its own* weights $\varphi_i$. Under `vmap` the library then runs a **grouped convolution**: the channels of all tasks stand next to each other, in eight groups that do not mix. To see where the time goes, we watch the operations. All of them pass through the dispatcher, the part of PyTorch that starts every operation, also in a backward pass and under `vmap`. A `TorchDispatchMode` observes them there:

# %%
from torch.utils._python_dispatch import TorchDispatchMode

class Watch(TorchDispatchMode):
    """Counts and times the operations that are launched."""

    def __init__(self):
        super().__init__()
        self.launched, self.seconds = Counter(), Counter()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        name = str(operation.overloadpacket).removeprefix("aten.")
        started = time.perf_counter()
        result = operation(*args, **(kwargs or {}))
        wait()
        self.launched[name] += 1
        self.seconds[name] += time.perf_counter() - started
        return result

# %% [markdown]
# **Predict.** What does `vmap` change most: the time of the convolutions, of the rest, or of both alike?

# %% tags=["hide-input", "nbval-ignore-output"]
rows, spent = [], {}
for name, work in ways["images"].items():
    with Watch() as watch:
        work()
    convolutions = sum(seconds for launched, seconds in watch.seconds.items() if "conv" in launched)
    spent[name] = 1e3 * convolutions, 1e3 * (sum(watch.seconds.values()) - convolutions)
    rows.append({"images": name, "convolutions": f"{spent[name][0]:.0f}", "the rest": f"{spent[name][1]:.0f}"})
figures.table(rows, f"Milliseconds of one meta-gradient on this {device.type}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
(convolutions_by, rest_by) = (spent["vmap"][i] / spent["loop"][i] for i in (0, 1))
assert device.type != "cpu" or (rest_by > 1.4 and rest_by > convolutions_by), spent

# %% [markdown]
# **What you saw.** Mostly the rest, which becomes slower: normalisation, ReLU, pooling and sums. Their arrays hold all eight tasks now, and the operating system hands out such large arrays slowly. [Appendix 09b](09b_roofline_and_memory.ipynb) shows how to avoid it.
#
# On a GPU the grouped convolution itself can be slow. The developers of `vmap` [measured this](https://github.com/pytorch/functorch/issues/365) and proposed another form. It is the next section.

# %% [markdown]
# ## A convolution is a matrix product
#
# Every library has tuned the matrix product to the limit. To turn a convolution into one is called **im2col**:

# %% tags=["hide-input"] slide=["A convolution is a matrix product"]
def grid(axes, left, top, n_rows, n_columns, cell, colour="white", **options):
    for i in range(n_rows):
        for j in range(n_columns):
            axes.add_patch(Rectangle((left + j * cell, top - (i + 1) * cell), cell, cell, facecolor=colour,
                                     edgecolor=figures.QUIET, linewidth=0.7, **options))

from matplotlib.patches import Rectangle

with figures.style():
    figure, axes = figures.canvas(height=3.2)
    grid(axes, 0, 10, 5, 6, 0.62, "#F3F4F6")
    grid(axes, 0.62, 9.38, 3, 4, 0.62)
    grid(axes, 1.24, 9.38, 3, 3, 0.62, "#56B4E9", alpha=0.75)
    axes.plot(1.24 + 1.5 * 0.62, 9.38 - 1.5 * 0.62, "o", color=figures.INK)
    axes.text(1.86, 6.4, "padded picture", ha="center", va="top", fontsize=8.5)
    axes.annotate("", (5.3, 8.4), (4.0, 8.4), arrowprops={"arrowstyle": "->", "color": figures.INK})
    grid(axes, 5.4, 8.7, 1, 9, 0.56, "#56B4E9", alpha=0.75)
    axes.text(7.9, 8.95, "9 neighbours, C numbers each", ha="center", fontsize=8.5)
    axes.text(7.9, 7.95, "one row for each pixel", ha="center", va="top", fontsize=8.5)
    for left, width, height, colour, name, size in (
            (0.2, 3.6, 3.4, "#56B4E9", "neighbours", "nHW × 9C"), (4.9, 1.5, 2.6, "#E69F00", "kernel", "9C × C'"),
            (7.9, 1.5, 3.4, "#009E73", "result", "nHW × C'")):
        axes.add_patch(Rectangle((left, 4.9 - height), width, height, facecolor=colour, alpha=0.45))
        axes.text(left + width / 2, 4.9 - height / 2, name, ha="center", va="center", fontsize=8.5)
        axes.text(left + width / 2, 5.05, size, ha="center", fontsize=8.5)
    axes.add_patch(Rectangle((0.2, 3.7), 3.6, 0.3, facecolor="#56B4E9"))
    axes.text(4.35, 3.3, "@", ha="center", fontsize=13)
    axes.text(7.15, 3.3, "=", ha="center", fontsize=13)
    axes.set(xlim=(-0.1, 10.6), ylim=(1.3, 10.2))
    axes.axis("off")
figures.show(figure, alt="Above: a picture padded by one pixel; the nine neighbours of one pixel are laid out as one row of 9 C numbers. Below: the matrix of all such rows, nHW by 9C, times the kernel as a matrix, 9C by C', gives the result, nHW by C'.")

# %% [markdown]
# The nine neighbours of a pixel become one row of $9C$ numbers. Every pixel of every picture gives one row, and the kernel becomes a matrix. The layout is *channels last*, `(n, H, W, C)`. The price: the left matrix holds nine times as many numbers as the picture.
#
# Pad the picture by one pixel on each side. Then the upper left neighbours of *all* pixels are one slice of the padded picture, `padded[:, 0:H, 0:W]`, and the other eight are slices, too.

# %% [markdown] slide=["Pad by one, join the nine shifted pictures.", "Multiply by the kernel as a matrix."]
# ### Exercise 9.2 ●●●○○ One matrix product
# *15 minutes. Why it matters: it is how libraries made convolutions fast, and the fast package does it on a GPU.*
#
# Write `convolution`: pad by one, join the nine shifted pictures along the last axis (rows of the window outside, columns inside), and multiply with the kernel as a matrix. `w` comes as torch has it, `(C', C, 3, 3)`: channel out, channel in, row, column. `F.pad` counts axes from the last: `(0, 0, 1, 1, 1, 1)` means C, W, H.

# %% tags=["exercise"]
def convolution(x, w):
    """x (n, H, W, C) and w (C', C, 3, 3) to (n, H, W, C'): a 3x3 convolution with padding 1."""
    n, height, width, n_in = x.shape
    return ...

# %% tags=["check"]
checks.nb09.convolution(convolution)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# `padded[:, i : i + height, j : j + width]` for `i` and `j` in 0, 1, 2; then `torch.cat(…, dim=-1)`. In a row of the result, the first `n_in` numbers are the channels of the upper left neighbour.
#
# </details>
# <details><summary>Hint 2</summary>
#
# The rows of the kernel matrix must stand in the same order: row of the kernel, column of the kernel, channel in. So bring `w` into the order (row, column, in, out) with `permute`, then `reshape(9 * n_in, -1)`.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def convolution(x, w):
#     n, height, width, n_in = x.shape
#     padded = F.pad(x, (0, 0, 1, 1, 1, 1))
#     shifted = []
#     for i in range(3):
#         for j in range(3):
#             shifted.append(padded[:, i : i + height, j : j + width])
#     rows = torch.cat(shifted, dim=-1).reshape(n * height * width, 9 * n_in)
#     kernel = w.permute(2, 3, 1, 0).reshape(9 * n_in, -1)
#     return (rows @ kernel).reshape(n, height, width, -1)
# ```
#
# No loop over pixels and none over channels: two copies and one product.
#
# </details>

# %% [markdown]
# The course's version is folded here, so that the page runs on. The packaged one is `networks.conv4(…, convolution="matmul")`.

# %% tags=["setup", "hide-input"] jupyter={"source_hidden": true}
def my_convolution(x, w):                                             # exercise 9.2
    n, height, width, n_in = x.shape
    padded = F.pad(x, (0, 0, 1, 1, 1, 1))
    shifted = [padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    rows = torch.cat(shifted, dim=-1).reshape(n * height * width, 9 * n_in)
    return (rows @ w.permute(2, 3, 1, 0).reshape(9 * n_in, -1)).reshape(n, height, width, -1)

# %% [markdown]
# **Predict.** Eight tasks, each with its own kernel, under `vmap`. How many matrix products are launched: one, eight, or nine times eight?

# %%
x = torch.rand(8, 75, 14, 14, 32, device=device)
w = torch.rand(8, 32, 32, 3, 3, device=device)
with Watch() as watch:
    by_product = torch.vmap(my_convolution)(x, w)
print({name: watch.launched[name] for name in ("convolution", "mm", "bmm")})

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert watch.launched["bmm"] == 1 and not watch.launched["mm"] and not watch.launched["convolution"]
direct = torch.vmap(lambda x, w: F.conv2d(x, w, padding=1))(x.movedim(-1, 2), w)
assert torch.allclose(by_product.movedim(-1, 2), direct, rtol=1e-4)
assert networks.convolution_for(torch.device("cpu"), per_task_weights=True) == "direct"
assert networks.convolution_for(torch.device("cuda"), per_task_weights=True) == "matmul"
assert (round(on_h100["fast (matmul, CUDA graph)"], 1), round(on_h100["fast (vmap, CUDA graph)"], 1)) == (32.9, 56.3)

# %% [markdown]
# **What you saw.** One: `bmm`, a batched matrix product for all tasks together.
#
# On the H100 this takes the 32 tasks from 56.3 to **32.9 ms**. Both times are of recorded steps, which the next section explains. On a CPU it is slower, because it writes nine times the bytes. So `networks.convolution_for` gives `"direct"` on a CPU, and `"matmul"` on a GPU when every task has its own weights. The nine neighbours also need memory: [Appendix 09b](09b_roofline_and_memory.ipynb) counts what fits on a GPU.

# %% [markdown] slide=["How many launches has a meta-step?", "25 sines, in a loop: a hundred, a thousand, or more?", "And under `vmap`?"]
# ## Record once, play back
#
# **Predict.** How many launches does one meta-step of the 25 sines need in a loop over tasks: a hundred, a thousand, or more? And under `vmap`?

# %% tags=["nbval-ignore-output"]
launches = {}
for name, work in ways["sines"].items():
    with Watch() as watch:
        work()
    launches[name] = sum(watch.launched.values())
    print(f"{name}: {launches[name]:5,} launches, {times['sines'][name]:.1f} ms")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert 4000 < launches["loop"] < 5000 and 230 < launches["vmap"] < 280
assert round(on_h100["fast (vmap, eager)"], 1) == 71.5
assert all(ran["first call"] < 10 for name, ran in h100["details"]["contenders"]["1 step"].items() if "graph" in name)
by_steps = []
for inner_steps in (1, 5):                                                     # quiz 2
    with Watch() as watch:
        maml.meta_gradient(small_loss, small_theta, pictures.sample(2, pictures.generator(5)), inner_lr=0.4,
                           inner_steps=inner_steps, batching="vmap")
    by_steps.append(sum(watch.launched.values()))
assert 3.5 < by_steps[1] / by_steps[0] < 5, by_steps

# %% [markdown] slide=["Over four thousand. With `vmap` some 250", "They are the same in every step.", "So record them once, and play them back."]
# **What you saw.** More than four thousand in a loop, some 250 under `vmap`.
#
# Every meta-step has the same launches: same operations, same shapes, same order. So record the list once and play it back. There are three ways:
#
# | `capture=` | what happens | ready in | for |
# | --- | --- | --- | --- |
# | `"trace"` | `make_fx` records the operations, and torch plays the list back with less Python | a second | CPU |
# | `"compile"` | a compiler makes one program of the list and *fuses* operations, which also saves memory traffic | 10 seconds or more | both |
# | `"cuda-graph"` | the GPU's driver records what is sent to the GPU and plays it back without Python | seconds | GPU |
#
# On the H100 a CUDA graph takes Conv4 under `vmap` from 71.5 to 56.3 ms. `training.train` with `capture="auto"` uses a CUDA graph on a GPU. On a CPU it chooses: short runs stay eager, which means unrecorded, and longer runs use the way that is expected to finish first, recording included.

# %% tags=["nbval-ignore-output"]
from mlcourse.fast.capture import capture

def meta_step(theta, tasks):
    return maml.meta_gradient(sine_loss, theta, tasks, inner_lr=0.01)

ready, way = capture(meta_step, "cuda-graph" if device.type == "cuda" else "trace", device=device)
started = time.perf_counter()
recorded_gradient = ready(sine_theta, sines)
wait()
first_call = time.perf_counter() - started
later = milliseconds(lambda: ready(sine_theta, sines), calls=100)
print(f"{way}: first call {first_call:.1f} s, each later one {later:.2f} ms;",
      f"vmap alone {times['sines']['vmap']:.1f} ms")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
plain_gradient = meta_step(sine_theta, sines)
assert all(torch.allclose(recorded_gradient[name], plain_gradient[name], rtol=1e-3, atol=1e-5) for name in sine_theta)
assert 1e3 * first_call > 20 * later and later < 0.8 * times["sines"]["vmap"]

# %% [markdown]
# Here are all ways next to `higher`, on one core. Every row computes the same gradient. These times are stored.

# %% tags=["hide-input"] slide=["117 times as fast as `higher`, on one CPU core"]
bench = results.load("bench_meta_gradient_sinusoid")
bars = [(row["method"], row["values"]["1 step, ms"]) for row in bench["rows"]]
bars.sort(key=lambda bar: -bar[1])
figures.show(figures.timings(bars, against="higher"), alt="Times of one meta-gradient of 25 sines on a logarithmic axis: higher is the slowest, then loops over tasks in PyTorch and NumPy, vmap, the recorded step, JAX, and the compiled step, which is 117 times as fast as higher.")
print("measured by:", bench["command"])

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
by_name = dict(bars)
assert round(by_name["higher"] / by_name["fast, compiled"]) == 117 and max(by_name, key=by_name.get) == "higher"
order = ["higher", "plain loop over tasks", "fast, eager", "fast, recorded", "JAX jit + vmap", "fast, compiled"]
assert [name for name, _ in bars if name in order] == order and bench["hardware"]["gpu"] == "none"
ready_after = {row["method"]: row["values"]["1 step, first call, s"] for row in bench["rows"]}
assert ready_after["fast, compiled"] >= 10 and 0.3 < ready_after["fast, recorded"] < 1.5

# %% [markdown]
# ### Random numbers and recordings
#
# `make_fx` records on any machine. Here is a step that adds noise drawn by NumPy.
#
# **Predict.** We record the step once and play it three times. What noise will the three plays add?

# %%
from torch.fx.experimental.proxy_tensor import make_fx

rng = np.random.default_rng(0)

def noisy_step(x):
    noise = torch.as_tensor(rng.normal(size=2))       # drawn by NumPy
    return 2 * x + noise

recording = make_fx(noisy_step)(torch.zeros(2, dtype=torch.float64))
print(re.sub(";.*", "", recording.code.strip()))      # without the lines that free memory
played = [recording(torch.zeros(2, dtype=torch.float64)) for _ in range(3)]
print(*played, sep="\n")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert torch.equal(played[0], played[1]) and torch.equal(played[1], played[2]) and played[0].abs().min() > 0
assert "_tensor_constant0" in recording.code
def careful_step(x):
    return x / 2 if (x ** 2).sum().item() > 100 else x

try:
    make_fx(careful_step)(torch.ones(2))
    refused = False
except RuntimeError:
    refused = True
assert refused

# %% [markdown]
# **What you saw.** The same noise every time. NumPy's draw was no operation of torch, so its result stands in the recording as a constant, `_tensor_constant0`. No error is raised. A training recorded in this way would get the same tasks in every step.
#
# A recording holds what was launched, and not why. So there are three rules:
#
# 1. **Make random draws outside the recorded step.** The fast package does.
# 2. **No `.item()` inside.** It fetches a number to the **host**, the CPU that runs Python. While a step is being recorded there are no numbers yet, so recording stops with an error. Write a decision as an operation: `torch.where(norm > 100, x / 2, x)`.
# 3. **Shapes must not change.** A shorter last meta-batch needs a recording of its own.
#
# `torch.compile` checks at each call what it assumed, and compiles again where it must.

# %% [markdown]
# ## Data and waiting
#
# Each meta-step needs new tasks. If NumPy draws them, they must be sent to the GPU.
#
# **Predict.** Compare 32 tasks of 5 + 75 pictures in float32 with *all* training letters, one byte a pixel. After how many meta-steps have you sent as much as all letters: 4, 400, or 40,000?

# %%
batch = family.sample(32, family.generator(3))
each_step = sum(part.x.numel() * part.x.element_size() for part in batch)
print(f"one meta-step: {each_step / 1e6:.0f} MB")
print(f"all {len(letters.train):,} letters as bytes: {family.images.numel() / 1e6:.0f} MB")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert each_step == 32 * 80 * 784 * 4 and 3.5 < family.images.numel() / each_step < 4.9
assert family.images.dtype == torch.uint8
first, again = (family.sample(2, family.generator(7)) for _ in range(2))
assert torch.equal(first.support.x, again.support.x)

# %% [markdown] slide=["Who waits for whom?", "Host: 0.5 ms to launch a step. Device: 2 ms to execute it.", "Read the loss at the end only: what do you save?"]
# **What you saw.** Four. So send all letters once, and let a task be an *index* into them. That is `fast.episodes.Episodes`, which also draws its tasks on the device.
#
# ### Who waits for whom
#
# A GPU works **asynchronously**. A launch returns at once, and Python goes on while the GPU works. Python waits only when it needs a number: at `.item()`, `float(loss)` or `print(loss)`. Take a model of this: the host needs 0.5 ms to launch a step, the device 2 ms to execute it.
#
# **Predict.** Fifty steps. How much time do you save if you read the loss once, at the end, and not in every step: nothing, a fifth, or a half?

# %% tags=["hide-input"] slide=["About a fifth: host and device work at the same time"]
def clock(read_every_step, steps=50, launching=0.5, executing=2.0):
    """When each step is launched and executed: (steps, 4), starts and ends on the host and on the device."""
    host = gpu = 0.0                                    # when each of the two is free again
    spans = []
    for _ in range(steps):
        launched = host + launching
        begun = max(gpu, launched)
        spans.append((host, launched, begun, begun + executing))
        gpu = begun + executing
        host = gpu if read_every_step else launched     # .item() waits until the step is done
    return np.array(spans)

with figures.style():
    figure, (every, once) = figures.canvas(2, 1, height=2.9, sharex=True)
    for axes, read_every_step in ((every, True), (once, False)):
        spans, all_steps = clock(read_every_step, steps=4), clock(read_every_step)
        for number, (a, b, c, d) in enumerate(spans, 1):
            axes.barh([0, 1], [b - a, d - c], left=[a, c], height=0.62, color=["#E69F00", "#56B4E9"],
                      edgecolor="white")
            axes.text((c + d) / 2, 1, f"step {number}", ha="center", va="center", fontsize=8.5)
            if read_every_step:
                axes.plot([d, d], [-0.32, 1.32], ":", color=figures.INK, linewidth=1)
        when = "in every step (dotted: until then the host waits)" if read_every_step else "at the end"
        axes.set_title(f"{all_steps[-1, 3]:g} ms for 50 steps, loss read {when}", fontsize=8.5)
        axes.set(yticks=[0, 1], yticklabels=["host", "device"], ylim=(1.5, -0.5), xlim=(0, 10.2))
    once.set_xlabel("milliseconds")
figures.show(figure, alt="Two timelines of four steps, each with a row for the host and one for the device. If the loss is read in every step, host and device take turns and the device stands idle during each launch. If it is read at the end, the host launches all steps early and the device works without a break.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert (clock(True)[-1, 3], clock(False)[-1, 3], clock(False)[-1, 1]) == (125, 100.5, 25)
assert abs(1 - clock(False)[-1, 3] / clock(True)[-1, 3] - 1 / 5) < 0.01
assert clock(False)[-1, 1] / 50 == 0.5 and round(clock(False)[-1, 3] / 50, 1) == 2.0

# %% [markdown]
# **What you saw.** About a fifth. If the loss is read in every step, host and device take turns: 2.5 ms a step. Without it they work at the same time. `training.train` keeps the losses of a block of steps on the device and reads their mean once.

# %% [markdown]
# ## Fewer bits
#
# A float32 has 23 bits of mantissa. Recent GPUs multiply matrices several times faster if the factors are first rounded to 10 bits (**TF32**) or to 7 (**bf16**). You ask for TF32 by `torch.set_float32_matmul_precision("high")`. **Convolutions in cuDNN, NVIDIA's library, use TF32 by default.** The first cell of this page forbids it.
#
# On the H100 large TF32 products are eight times as fast. Yet the meta-gradient went only from 32.9 to 28.6 ms, and Exercise 9.5 tells you why. For one set of 32 tasks the TF32 meta-gradient differed by 2 % from the exact one. [Appendix 09b](09b_roofline_and_memory.ipynb) shows why the rounding does so much, with exercise 9.3, and how to split tasks over several GPUs, with exercise 9.4.

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert round(peaks["TF32"] / peaks["float32"]) == 8 and on_h100["fast (matmul, CUDA graph), TF32"] == 28.6
assert round(100 * h100["details"]["contenders"]["1 step"]["fast (matmul, CUDA graph), TF32"]["distance"]) == 2

# %% [markdown]
# ## All together
#
# `training.train` is the loop around all this. It draws tasks on the device and records the step where that pays. Here is second-order MAML on Conv4, with the same lines for either device:

# %%
from mlcourse import methods
from mlcourse.training import train

few = Episodes(letters.train, n_way=5, k_shot=1, n_query=3, device=device)
how = networks.convolution_for(device, per_task_weights=True)
narrow = networks.conv4(n_way=5, channels=16, convolution=how)
method = methods.MAML(losses.cross_entropy(narrow), inner_lr=0.4, meta_lr=1e-2)
run = train(method, narrow.init(np.random.default_rng(0)), few, meta_steps=60, meta_batch_size=4,
            block=10, device=device, capture="auto", progress=False)
print(f"convolution {how}, capture {run.capture}")
print("query loss after adapting, means of 10 steps:", np.round(run.curve["loss"], 2))

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert run.curve["loss"][0] > 1.4 and run.curve["loss"][-1] < 1.25

# %% [markdown]
# This is a rehearsal: the loss has only begun to fall. For a loop of your own, [Appendix 09b](09b_roofline_and_memory.ipynb) takes the parts out of `train`.
#
# Now the 170 GFLOP from above, on the H100:

# %% tags=["hide-input"]
from IPython.display import Markdown, display

on_cpu = results.load("bench_meta_gradient_conv4")
rows = [{"H100": name, "ms": f"{ms:g}", "off by": row["values"]["1 step, off by"]}
        for row in h100["rows"] for name, ms in [(row["method"], row["values"]["1 step, ms"])]]
display(figures.table(rows, "One second-order meta-gradient; off by: distance from float64, relative"))
display(Markdown("<details><summary>How it was measured</summary>\n\n" + results.caption(h100) + "\n\n</details>"))

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
fastest_in_float32 = on_h100["fast (matmul, CUDA graph)"]
assert round(on_h100["plain loop over tasks"] / fastest_in_float32) == 11 and round(on_h100["higher"] / fastest_in_float32) == 16
assert on_cpu["hardware"]["cores"] == 2 and on_cpu["hardware"]["gpu"] == "none"
quickest_there = min(row["values"]["1 step, ms"] for row in on_cpu["rows"][:3])
assert quickest_there == 2020 and round(quickest_there / fastest_in_float32) == 61

# %% [markdown]
# In float32 a plain loop takes 11 times as long as our fastest way on the H100, and `higher` 16 times. Our fastest way on two CPU cores takes 2,020 ms, 61 times as long as on the GPU.

# %% [markdown]
# ### Exercise 9.5 ●●●●○ How much faster can it become?
# *20 minutes. Why it matters: it tells you what a faster unit will bring before you buy it or rewrite for it.*
#
# A meta-step takes `ms` milliseconds. With matrix products that are `s` times as fast, and everything else unchanged, it takes `ms_fast`. Write `look_inside`, which returns three numbers:
#
# - `products`: the milliseconds that products take in the slower run. Write `ms` and `ms_fast` as sums of two parts and solve for it. This is **Amdahl's law**, read backwards.
# - `of_peak`: which part of the peak the products reach in the slower run. `peak` is in FLOP per second. Count the FLOP of the whole second-order meta-gradient yourself, from `one_pass` FLOP a pass, `n_tasks` tasks, `supports` and `queries` pictures a task, and `inner_steps` inner steps.
# - `limit`: how many times as fast as the slower run the step would be if products took no time at all.

# %% tags=["exercise"]
def look_inside(ms, ms_fast, s, peak, one_pass, n_tasks, supports, queries, inner_steps):
    """Return the milliseconds of the products, which part of the peak they reach, and the limit."""
    products = of_peak = limit = ...
    return products, of_peak, limit

# %% tags=["check"]
checks.nb09.look_inside(look_inside)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# With `rest` for everything else: `ms = products + rest` and `ms_fast = products / s + rest`. Subtract the second from the first.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `ms - ms_fast = products * (1 - 1 / s)`. The FLOP are passes times `one_pass`: 9 passes for each support picture in each inner step, 3 for each query picture, for every task. Divide by the *seconds* of the products, then by the peak. The limit is `ms / rest`.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def look_inside(ms, ms_fast, s, peak, one_pass, n_tasks, supports, queries, inner_steps):
#     products = (ms - ms_fast) / (1 - 1 / s)
#     passes = 9 * inner_steps * supports + 3 * queries
#     flop = n_tasks * passes * one_pass
#     of_peak = flop / (products / 1e3) / peak
#     limit = ms / (ms - products)
#     return products, of_peak, limit
# ```
#
# </details>

# %% [markdown]
# The course's version is folded here. Apply it to the H100: 32.9 ms in float32, 28.6 ms in TF32.

# %% tags=["setup", "hide-input"] jupyter={"source_hidden": true}
def inside_of(ms, ms_fast, s, peak, one_pass, n_tasks, supports, queries, inner_steps):     # exercise 9.5
    products = (ms - ms_fast) / (1 - 1 / s)
    flop = n_tasks * (9 * inner_steps * supports + 3 * queries) * one_pass
    return products, flop / (products / 1e3) / peak, ms / (ms - products)

# %% [markdown] slide=["All of the 170 GFLOP are products", "Which part of the 32.9 ms do they take?", "Most of it, a half, or less?"]
# **Predict.** All of the 170 GFLOP are products. Which part of the 32.9 ms do they take: most of it, a half, or less?

# %%
s = peaks["TF32"] / peaks["float32"]
products, of_peak, limit = inside_of(32.9, 28.6, s, peaks["float32"], one_pass, 32, 5, 75, 1)
print(f"s = {s:.1f}: products {products:.1f} of 32.9 ms, at {of_peak:.0%} of the peak; limit {limit:.2f}")

# %% tags=["hide-input"] slide=["About 15 %. The rest is mostly memory traffic"]
eager, graph, matmul = (on_h100[f"fast ({name})"] for name in ("vmap, eager", "vmap, CUDA graph", "matmul, CUDA graph"))
parts = {"products": products, "the rest": matmul - products, "grouped convolution": graph - matmul,
         "waiting for Python": eager - graph}
bars = {"vmap": list(parts), "recorded": list(parts)[:3], "and im2col": list(parts)[:2], "and TF32": list(parts)[:2]}
colours = dict(zip(parts, ("#56B4E9", "#E69F00", "#009E73", "#CC79A7")))
with figures.style():
    figure, axes = figures.canvas(height=2.5)
    for place, (bar, names) in enumerate(bars.items()):
        start = 0
        for name in names:
            size = parts[name] / (s if bar == "and TF32" and name == "products" else 1)
            axes.barh(place, size, left=start, height=0.62, color=colours[name], edgecolor="white")
            start += size
        axes.text(start + 1, place, f"{start:.1f}", va="center", fontsize=9)
    axes.axvline(floor_there, color=figures.INK, linestyle=":", linewidth=1.2)
    axes.annotate("floor in float32: 3.3", (floor_there, 3.42), xytext=(4, 0), textcoords="offset points", va="top", fontsize=8.5)
    start = 0
    for name, size in parts.items():
        axes.annotate(name.replace(" ", "\n", 1), (start + size / 2, -0.36), ha="center", va="bottom", fontsize=8.5)
        start += size
    axes.set_yticks(range(4), bars, fontsize=9)
    axes.set(ylim=(3.75, -1.15), xlim=(0, 80), xlabel="milliseconds of one meta-gradient on the H100")
figures.show(figure, alt="Four bars. vmap: 71.5 ms, of which products 4.9, the rest 28.0, the grouped convolution 23.4, waiting for Python 15.2. Recorded: 56.3. With im2col: 32.9. With TF32: 28.6, where only the products have shrunk. A dotted line marks the floor of 3.3 ms.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert (matmul, graph, eager) == (32.9, 56.3, 71.5) and on_h100["fast (matmul, CUDA graph), TF32"] == 28.6
assert round(products, 1) == 4.9 and round(of_peak, 2) == 0.67 and round(limit, 2) == 1.17
assert abs(products / 32.9 - 0.15) < 0.005
assert [round(part, 1) for part in parts.values()] == [4.9, 28.0, 23.4, 15.2]
assert abs(products / s + matmul - products - 28.6) < 1e-9
assert inside_of(32.9, 28.6, 5, peaks["float32"], one_pass, 32, 5, 75, 1)[0] > products        # a lower bound

# %% [markdown]
# **What you saw.** About 15 %. Even products that take no time would make the step only 1.17 times as fast. The rest is 28 ms of normalisation, ReLU, pooling and copied neighbours, mostly memory traffic. So the next thing to try is *fusing* such operations, not faster products. This split comes from clock times, not from a profiler. If our products gain less from TF32 than the large ones behind `s`, they take more than 4.9 ms.
#
# And the accuracies on Omniglot, 5-way 1-shot, with 1,200 random letters to train and 423 to test. *Transductive* means that the queries of a task were normalised together.

# %% tags=["hide-input"]
names = ("protonet", "maml", "fomaml", "reptile")
trained = {name: results.load(f"omniglot/omniglot_random_{name}_5w1s") for name in names}
rows = []
for stored in trained.values():
    for row in stored["rows"]:
        printed = row.get("published", {}).get("accuracy, %")
        rows.append({"method": row["method"].replace("Prototypical Networks", "ProtoNet"),
                     "transductive": row["values"]["transductive"],
                     "ours, %": results.as_text(row["values"]["accuracy, %"]),
                     "published, %": "–" if printed is None else results.as_printed(printed),
                     "training, s": f"{row['values']['training, s']:.0f}"})
display(figures.table(rows, "Omniglot, 5-way 1-shot, one seed each, trained on the H100 with TF32; ± over tasks"))
commands = "\n".join(stored["command"] for stored in trained.values())
display(Markdown(f"<details><summary>The four commands that made it</summary>\n\n```bash\n{commands}\n```\n\n</details>"))

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
spread = {name: np.subtract(*[row["values"]["accuracy, %"][0] for row in trained[name]["rows"]]) for name in ("maml", "fomaml", "reptile")}
assert round(min(spread.values()), 1) == 1.4 and round(max(spread.values()), 1) == 1.7, spread
seconds = [stored["rows"][0]["values"]["training, s"] for stored in trained.values()]
assert round(min(seconds)) == 30 and round(max(seconds)) == 190 and all(stored["seeds"] == [0] for stored in trained.values())
assert all("--precision tf32" in stored["command"] and "H100" in stored["hardware"]["gpu"] for stored in trained.values())
above = [row["values"]["accuracy, %"][0] - np.ravel(row["published"]["accuracy, %"])[0]
         for stored in trained.values() for row in stored["rows"] if "published" in row]
assert len(above) == 5 and min(above) > 0, above
sources = {row["source"] for stored in trained.values() for row in stored["rows"] if "source" in row}
assert sources == {"Snell et al. 2017, table 1", "Finn et al. 2017, table 1", "Nichol et al. 2018, table 2"}

# %% [markdown]
# After 30 to 190 seconds of training, every row is above the published number next to it. The papers do not all split the letters alike, so some tenths say little. Without transduction MAML, first order and Reptile lose 1.4 to 1.7 points. More seeds, other task sizes, and a float32 run for comparison are not measured yet. [Appendix 09b](09b_roofline_and_memory.ipynb) has the full table.

# %% [markdown] slide=["The slope of the meta-loss, in three ways", "A loop over tasks, `vmap`, and finite differences.", "With the library's batch normalisation: do all three agree?"]
# ## What can go wrong
#
# **A clock that does not wait.** Look at the lower timeline again. The host has launched all 50 steps after 25 ms, but the device needs 100.5 ms. `time.perf_counter()` around a step measures only the launch: 0.5 ms, not 2. Call `torch.cuda.synchronize()` before you start the clock and before you stop it, as our `milliseconds` does.
#
# **Batch normalisation by the library.** Conv4 is usually written with `F.batch_norm`. Here is a smaller network: a linear map and a normalisation, both adapted to each task. We compute the slope of the meta-loss in one weight, in three ways.
#
# **Predict.** A loop over three tasks, `vmap` over the same three, and finite differences of the meta-loss. Do all three slopes agree?

# %%
generator = torch.Generator().manual_seed(0)
def draw(*shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)

support, query, mix = draw(3, 6, 2), draw(3, 6, 2), draw(2)
start = {"w": draw(2, 2), "scale": 1 + 0.3 * draw(2)}

def normalised_loss(p, x):
    h = F.batch_norm(x @ p["w"], None, None, p["scale"], None, training=True)
    return (h ** 3 @ mix).mean()

def one_task_loss(p, support, query):
    gradient = torch.func.grad(normalised_loss)(p, support)
    return normalised_loss({name: p[name] - 0.1 * gradient[name] for name in p}, query)

def by_loop(w):
    p = {**start, "w": w}
    return torch.stack([one_task_loss(p, support[i], query[i]) for i in range(3)]).mean()

def by_vmap(w):
    p = {**start, "w": w}
    return torch.vmap(one_task_loss, in_dims=(None, 0, 0))(p, support, query).mean()

# %%
step = torch.zeros(2, 2, dtype=torch.float64)
step[0, 0] = 1e-5
differences = float((by_vmap(start["w"] + step) - by_vmap(start["w"] - step)) / 2e-5)
found = {"loop": float(torch.func.grad(by_loop)(start["w"])[0, 0]),
         "vmap": float(torch.func.grad(by_vmap)(start["w"])[0, 0])}
print(f"finite differences {differences:+.6f}")
for way, slope in found.items():
    print(f"{way:18} {slope:+.6f}", "" if np.isclose(slope, differences, rtol=1e-4) else "  WRONG")
print(f"the loss: loop {float(by_loop(start['w'])):.15f}, vmap {float(by_vmap(start['w'])):.15f}")
print("torch", torch.__version__)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert np.isclose(found["loop"], differences, rtol=1e-6)
assert torch.isclose(by_loop(start["w"]), by_vmap(start["w"]), rtol=1e-13, atol=0)
if torch.__version__.startswith("2.13."):
    assert found["vmap"] * differences < 0

# %% [markdown] slide=["With torch 2.13, `vmap` has even the sign wrong", "The *loss* is the same to more than a dozen digits.", "Compare all three in your first test."]
# **What you saw.** The loop agrees with the finite differences. With torch 2.13 `vmap` does not: even the sign is wrong. The *loss* is the same to more than a dozen digits, so no curve that you would plot shows it. Under `vmap`, the second derivative treats the mean and variance of the batch as constants. If your output does not say WRONG, your version of torch has fixed this. `networks.batch_norm` avoids it: under `vmap` it uses plain operations. Compare loop, `vmap` and finite differences in your first test, on any device.

# %% [markdown]
# ## Quiz
#
# **1.** Your meta-step takes 3 ms on one GPU, and 8 ms on another that is four times as fast on paper. Nothing is broken. What do you suspect?
#
# <details><summary>Answer</summary>
#
# Launch overhead. If the step is a long list of small operations, the GPU waits for Python, and the speed of the *CPU* decides. Record the step (`capture="cuda-graph"`), and the faster GPU may win.
#
# </details>
#
# **2.** You go from 1 to 5 inner steps on 5-way 1-shot tasks with 15 queries per class. By how much does the arithmetic of a second-order step grow: five times, or less?
#
# <details><summary>Answer</summary>
#
# Much less: from $9 \cdot 5 + 3 \cdot 75 = 270$ to $9 \cdot 25 + 3 \cdot 75 = 450$ passes, 1.7 times. The queries are used once, however many steps there are. But we counted about four times as many *launches*.
#
# </details>
#
# **3.** A step spends 40 % of its time in products. You get a unit that does products eight times as fast. Will the step be three times as fast?
#
# <details><summary>Answer</summary>
#
# No. The other 60 % stay, so the time falls to $0.6 + 0.4 / 8 = 0.65$: 1.5 times as fast. Even with products that take no time it would be $1 / 0.6 = 1.7$ times.
#
# </details>

# %% [markdown]
# ## What you can do now
#
# - Count the arithmetic of a meta-step, and say how far from the floor a program is.
# - Tell which cost an operation pays: arithmetic, memory traffic, or launch overhead.
# - Write a convolution as a matrix product.
# - Record a step: keep the shapes, draw no random numbers on the CPU, and never call `.item()`.
# - Time a device that works asynchronously.
# - Predict from two clock times what a faster part can bring.
#
# ## What comes next
#
# [Clinic 09c](09c_clinic.ipynb) is an invented report with one flaw. You can now run MAML at the size of the papers. What does it learn there? Does the inner loop change the features? Which rates should it have? Can you do without second derivatives and still be exact? The next part answers.
#
# ## References
#
# - G. M. Amdahl, *Validity of the Single Processor Approach to Achieving Large Scale Computing Capabilities*, AFIPS Spring Joint Computer Conference, 1967, [doi:10.1145/1465482.1465560](https://doi.org/10.1145/1465482.1465560): what stays limits what a faster part can bring.
# - K. Chellapilla, S. Puri, P. Simard, *High Performance Convolutional Neural Networks for Document Processing*, 2006, [inria-00112631](https://inria.hal.science/inria-00112631): the convolution as a matrix product.
# - J. Ansel and others, *PyTorch 2: Faster Machine Learning Through Dynamic Python Bytecode Transformation and Graph Compilation*, ASPLOS 2024, [doi:10.1145/3620665.3640366](https://doi.org/10.1145/3620665.3640366): `torch.compile`.
# - C. Finn, P. Abbeel, S. Levine, *Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks*, ICML 2017, [arXiv:1703.03400](https://arxiv.org/abs/1703.03400): the method, and the settings on Omniglot. The other published numbers: J. Snell and others, [arXiv:1703.05175](https://arxiv.org/abs/1703.05175); A. Nichol and others, [arXiv:1803.02999](https://arxiv.org/abs/1803.02999).
