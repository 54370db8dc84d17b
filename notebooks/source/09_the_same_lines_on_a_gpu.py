# %% [markdown]
# # The same lines on a GPU
#
# On this page the lines of notebook 05 become fast, and none of the method changes. For its sines, the same steps give the meta-gradient **more than fifty times as fast** as a library does, on one core of an ordinary processor. For images you bring the convolution into the form that a GPU wants, and you count with a pencil the floor under its time.
#
# > **Recall.** In notebook 05, `torch.vmap` took a function of one task and made of it a function of a batch of tasks. What did it need to know, and what did you have to rewrite?
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
# | **It gives you** | where a meta-step's time goes, and what a recording, fewer bits or more GPUs change |
# | **You will be able to** | count the arithmetic of a meta-step and the floor under its time · say which of three prices an operation pays · build a convolution as one matrix product · say what can be recorded and played back, and what cannot · measure what TF32 and bf16 do to a meta-gradient · split tasks over several GPUs |
# | **You need** | [05](05_maml_from_zero.ipynb) (`vmap`), [06](06_first_order_and_reptile.ipynb) (first order) and [07](07_few_shot_images.ipynb) (Conv4, batch normalisation) |
# | **Time** | 70 minutes to read, 40 for the exercises, about 40 seconds to run |
# | **Skip it if** | you can say why the same `vmap` helps one network on a processor and harms another, and what `.item()` costs on a GPU |
#
# No cell needs a GPU. Every cell runs on one, unchanged, if there is one; but what the text says of the times seen is said of a processor. What it says of a GPU was measured on one NVIDIA H100 and is stored in `data/results`; where nothing has been measured yet, the page says so.

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
from mlcourse.fast.arrays import default_device, tensors, tree_map
from mlcourse.tasks import Sinusoids, each, glyphs

torch.set_num_threads(1)
torch.backends.cudnn.allow_tf32 = False       # no rounding on a GPU either, until we ask for it
device = default_device()                     # CUDA where there is a GPU, else the CPU

# %%
def wait():
    if device.type == "cuda":
        torch.cuda.synchronize()              # until the GPU has done all that it was asked for

def milliseconds(work, calls=5):
    """The quickest call: whatever else a machine does only makes a call slower."""
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
# A GPU does nothing that your processor cannot do; it does more of it in a second. So first, with a pencil: how much *is* there to do?
#
# Take a convolution of 3×3 with padding, from $C$ channels to $C'$, on a picture of $H \times W$. It makes $C' \cdot H \cdot W$ numbers. Each is a sum over 9 neighbours in $C$ channels. The common unit is the **FLOP**, one floating-point operation: a multiplication or an addition.

# %% [markdown]
# ### Exercise 9.1 ●○○○○ Count a convolution
# *5 minutes. Why it matters: this number, divided by what a machine can do in a second, is the floor under the time.*
#
# Write `convolution_flop`: the operations for **one** picture. Count a multiplication and an addition for each term of each sum. (Leave the bias out.)

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
# Conv4 with 64 channels, the network of the papers, has four of them. Pooling halves the picture after each: 28, 14, 7, 3.
#
# **Predict.** Which one does most of the work: the first, whose pictures are the largest; the second; or the last?

# %%
def flop_of(n_in, n_out, side):               # exercise 9.1, for a square picture
    return 2 * 9 * n_in * n_out * side * side

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
figures.table(rows, f"One picture once through Conv4: {one_pass / 1e6:.1f} million operations")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
from mlcourse.experiments.bench.floor import conv4_flop, meta_gradient_flop

assert one_pass == conv4_flop(64, 5) == 19_630_720
assert 0.73 < layers["convolution 2, 14×14"] / one_pass < 0.75 and layers["convolution 1, 28×28"] / one_pass < 0.05

# %% [markdown]
# **What you saw.** The second, with three quarters of the whole. The first has the largest pictures but only one channel to sum over.
#
# Call this one **pass**. A meta-gradient takes several for each picture:
#
# - A gradient is one pass forward and two back, for each product has two factors and each factor wants its gradient: the activations, and the weights. **3 passes.**
# - Every *query* picture is used once, for the loss at $\varphi$: 3 passes.
# - Every *support* picture takes part in $k$ inner steps, 3 passes each. Then the outer gradient goes back through those 3 passes, and again each product has two factors: 6 more. **9 passes** a step. First order (notebook 06) skips the 6.
#
# **Predict.** One task with 5 support and 75 query pictures, one inner step. How much work does the second order add: a tenth or so, a half, or does it double the work? PyTorch has a counter; decide, then ask it.

# %%
from torch.utils.flop_counter import FlopCounterMode

from mlcourse.fast.episodes import Episodes

conv4 = networks.conv4(n_way=5, channels=64)
conv4_loss = losses.cross_entropy(conv4)
conv4_theta = tensors(conv4.init(np.random.default_rng(0)), device=device, dtype=torch.float32)
family = Episodes(letters.train, n_way=5, k_shot=1, n_query=15, device=device)
one_task = family.sample(1, family.generator(0))

pencil = {"second order": 9 * 5 + 3 * 75, "first order": 3 * 5 + 3 * 75}
counted = {}
for name in pencil:
    with FlopCounterMode(display=False) as counter:
        maml.meta_gradient(conv4_loss, conv4_theta, one_task, inner_lr=0.4,
                           first_order=name == "first order", batching="loop")
    counted[name] = counter.get_total_flops() / one_pass
    print(f"{name:12}: pencil {pencil[name]} passes, counter {counted[name]:.0f}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert abs(counted["second order"] / 270 - 1) < 0.03 and abs(counted["first order"] / 240 - 1) < 0.03
assert abs(counted["second order"] / counted["first order"] - 1.125) < 0.01
assert meta_gradient_flop(inner_steps=1, n_tasks=32, n_way=5, k_shot=1, n_query=15, channels=64) == 32 * 270 * one_pass
assert round(32 * 270 * one_pass / 1e9) == 170 and round(32 * 450 * one_pass / 1e9) == 283
def passes(inner_steps, n_query):
    return meta_gradient_flop(inner_steps=inner_steps, n_tasks=1, n_way=5, k_shot=1, n_query=n_query, channels=64) / one_pass

def first_order_passes(inner_steps, n_query):
    return 3 * 5 * inner_steps + 3 * 5 * n_query

assert (passes(1, 15), first_order_passes(1, 15)) == (270, 240) and passes(1, 15) / first_order_passes(1, 15) == 1 + 1 / 8
assert (passes(1, 1), first_order_passes(1, 1)) == (60, 30) and (passes(5, 15), first_order_passes(5, 15)) == (450, 300)

# %% [markdown]
# **What you saw.** One eighth, because the queries are many and pay 3 passes in either case. With one query of each class, as in MAML's code, it doubles the work: 60 passes, not 30. With 75 queries and five inner steps it adds a half: 450, not 300. (The counter finds a little less than the pencil: the first layer sends no gradient back to the pixels.)
#
# Now take 32 tasks, as many as the paper does in a meta-step: $32 \times 270 \times 19.6$ million are **170 GFLOP**, 170 thousand million operations. Divide by what the machine can do. A large matrix product or a convolution is the best case of every machine:

# %% tags=["nbval-ignore-output"]
square = torch.rand(1024, 1024, device=device)
channels = torch.rand(25, 64, 14, 14, device=device)
kernel = torch.rand(64, 64, 3, 3, device=device)

def gflop_per_s(flop, ms):
    return flop / ms / 1e6                    # a GFLOP is 1e9, a second 1e3 ms

peak = max(
    gflop_per_s(2 * 1024**3, milliseconds(lambda: square @ square, calls=15)),
    gflop_per_s(25 * flop_of(64, 64, 14),
                milliseconds(lambda: F.conv2d(channels, kernel, padding=1), calls=15)),
)
two_tasks = family.sample(2, family.generator(1))
taken = milliseconds(
    lambda: maml.meta_gradient(conv4_loss, conv4_theta, two_tasks, inner_lr=0.4), calls=3)
floor = 2 * 270 * one_pass / peak / 1e6
print(f"the best of this {device.type}: {peak:,.0f} GFLOP/s")
print(f"floor under two tasks {floor:.1f} ms; taken {taken:.1f} ms, {taken / floor:.1f} times that")
print(f"floor under 32 tasks {16 * floor:,.0f} ms")

# %% [markdown]
# That quotient is the figure to watch: how much faster a program could become on this machine. (A busy machine shows a lower best.) On the H100 that we measured, a large matrix product ran at 52 TFLOP/s in float32 (promised: 67). There 170 GFLOP take **at least 3.3 ms**, and our quickest way takes ten times that (*All together*). (It is a floor for *these* sums: Winograd's trick makes 3×3 convolutions of fewer multiplications, and rounded numbers, below, have a higher roof.)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
h100 = results.load("bench_meta_gradient_conv4_cuda")
peaks, on_h100 = h100["details"]["peaks"], {row["method"]: row["values"]["1 step, ms"] for row in h100["rows"]}
assert "H100" in h100["hardware"]["gpu"] and h100["details"]["flop"]["1 step"] == 32 * 270 * one_pass
floor_there = 1e3 * 32 * 270 * one_pass / peaks["float32"]
assert round(peaks["float32"] / 1e12) == 52 and round(floor_there, 1) == 3.3
assert round(min(ms for name, ms in on_h100.items() if "TF32" not in name) / floor_there) == 10

# %% [markdown]
# ## Three prices
#
# Few operations come near that floor, for arithmetic is not all that they pay for:
#
# 1. **Arithmetic**: FLOP, at so many a second.
# 2. **Moving**: every number comes from memory and goes back there, four bytes each, at so many a second.
# 3. **Asking**: Python looks up the operation, checks shapes, takes memory and calls the library. This costs the same for ten numbers and for ten million.
#
# Arithmetic and moving go on at the same time, so the larger one counts. Their quotient, FLOP per byte, is called **arithmetic intensity**, and it belongs to the operation and not to the machine.
#
# **Predict.** Four operations: a convolution of 64 channels, batch normalisation, ReLU (each on one task's 75 queries), and a layer of the network for sines (10 points, 40 to 40 units). Which price is each one's largest?

# %%
inside = torch.rand(75, 64, 14, 14, device=device)
outside = torch.rand(75, 64, 28, 28, device=device)
scale, shift = torch.ones(64, device=device), torch.zeros(64, device=device)
points, weights = torch.rand(10, 40, device=device), torch.rand(40, 40, device=device)
operations = {         # work, FLOP, numbers read and written
    "convolution": (lambda: F.conv2d(inside, kernel, padding=1),
                    75 * flop_of(64, 64, 14), 2 * inside.numel()),
    "batch norm.": (lambda: networks.batch_norm(outside, scale, shift),
                    8 * outside.numel(), 3 * outside.numel()),      # some 8 operations a number
    "ReLU": (lambda: torch.relu(outside), outside.numel(), 2 * outside.numel()),
    "sine layer": (lambda: points @ weights, 2 * 10 * 40 * 40, 2 * 400 + 1600),
}
copied, nothing = torch.empty_like(outside), torch.ones((), device=device)
streams = (lambda: copied.copy_(outside), lambda: torch.neg(outside, out=copied),
           lambda: torch.relu(outside))                       # each reads and writes every number
bandwidth = max(8 * outside.numel() / milliseconds(go, calls=30) / 1e6 for go in streams)    # GB/s
asking = 1e3 * milliseconds(lambda: [nothing + nothing for _ in range(1000)]) / 1000  # microseconds

# %% tags=["hide-input", "nbval-ignore-output"]
def in_words(microseconds):
    return f"{microseconds:,.0f}" if microseconds >= 10 else f"{microseconds:.2f}"

rows, largest = [], {}
for name, (work, flop, numbers) in operations.items():
    prices = {"arithmetic": flop / peak / 1e3, "moving": 4 * numbers / bandwidth / 1e3,
              "asking": asking}
    largest[name] = max(prices, key=prices.get)
    prices["taken"] = 1e3 * milliseconds(work, calls=30)
    rows.append({"operation": name} | {price: in_words(paid) for price, paid in prices.items()})
figures.table(rows, f"Microseconds on this {device.type}: three prices from counts, and the time taken")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
if device.type == "cpu":
    assert [largest[name] for name in operations][:3] == ["arithmetic", "moving", "moving"], largest
    assert asking > 2 * 10 * 40 * 40 / peak / 1e3
    held = outside.mean(dim=(0, 2, 3)), outside.var(dim=(0, 2, 3), correction=0)
    with_both_given = milliseconds(lambda: F.batch_norm(outside, *held, scale, shift), calls=15)
    assert milliseconds(operations["batch norm."][0], calls=15) > 1.5 * with_both_given
    assert with_both_given < 3 * milliseconds(operations["ReLU"][0], calls=15)

# %% [markdown]
# **What you saw.** The convolution pays for arithmetic, ReLU for moving, and the sine layer for being asked for at all. Normalisation's largest count is moving, too, but on the processor that made this page it takes several times that: the library is slow at mean and variance. (With both given it is about as quick as ReLU.) So the three prices are a floor, within the error of our clock; slow routines and fresh memory add to it. (On a GPU, *taken* also holds the wait for the end.)
#
# The intensities, in FLOP per byte, span a factor of a thousand:

# %%
intensity = {name: flop / (4 * numbers) for name, (_, flop, numbers) in operations.items()}
print({name: round(x, 1) for name, x in intensity.items()})

# %% [markdown]
# The picture that goes with them is called a **roofline**. The sloping part is the price of moving, the flat part that of arithmetic. On the H100 the corner lies further to the right: there, more operations pay for moving.

# %% tags=["hide-input", "nbval-ignore-output"]
roofs = {f"this {device.type}": (peak, bandwidth, "#0072B2", "-"),
         "H100, by its data sheet": (67_000, 3_350, "#8A919C", "--")}     # GFLOP/s and GB/s
reach = np.logspace(-1.3, 3, 200)
with figures.style():
    figure, axes = figures.canvas(height=3.1)
    for name, (top, slope, colour, line) in roofs.items():
        axes.plot(reach, np.minimum(top, slope * reach), color=colour, linestyle=line)
        axes.annotate(name, (reach[-1], top), xytext=(-2, 5), textcoords="offset points",
                      ha="right", color=figures.readable(colour), fontsize=9)
    for name, x in intensity.items():
        axes.plot(x, min(peak, bandwidth * x), "o", color="#0072B2")
        axes.axvline(x, color=figures.LINE, linewidth=0.8, zorder=0)
        axes.annotate(name, (x, 0.03), xycoords=("data", "axes fraction"), xytext=(-3, 0),
                      textcoords="offset points", rotation=90, ha="right", va="bottom", fontsize=8.5)
    axes.set(xscale="log", yscale="log", xlim=(0.05, 1000), ylim=(peak / 2000, 5e5),
             xlabel="arithmetic intensity (FLOP per byte moved)", ylabel="attainable GFLOP/s")
figures.show(figure, alt="Roofline on two logarithmic axes: speed rises with arithmetic intensity and then is flat. ReLU and batch normalisation stand under the sloping part, the convolution under the flat part, the sine layer near the corner. The roof of a data-centre GPU lies far higher, and its corner further to the right.")

# %% [markdown]
# The third price is not in the picture, and a GPU does *not* lower it: your processor asks, in the same Python, whichever device does the work. The sine layer on an H100 would be half a nanosecond of arithmetic behind a microsecond or more of asking. So a loop of small operations gains little from a GPU. The rest of this page lowers the second and the third price.

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert 800 < intensity["convolution"] / intensity["ReLU"] < 1300
assert intensity["convolution"] > 100 and intensity["sine layer"] < 67_000 / 3_350
assert 0.4e-9 < 2 * 10 * 40 * 40 / 67e12 < 0.6e-9
assert device.type != "cpu" or 67_000 / 3_350 > peak / bandwidth

# %% [markdown]
# ## One task, then `vmap`
#
# The first step is the one from notebook 05: the single-task function as it is, and `torch.vmap` around it. It lowers the price of asking, since each operation is asked for once for all tasks. Here are both ways, for any loss:

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

# %% [markdown]
# **Predict.** Twenty-five sines, then eight tasks of images with Conv4 (32 channels). On the device you have, which of the two gains from `vmap`, and which loses?

# %% tags=["nbval-ignore-output"]
sine_ways = two_ways(sine_loss, sine_theta, sines, 0.01)
image_ways = two_ways(small_loss, small_theta, images, 0.4)
times = {}
for what, ways, calls in (("sines", sine_ways, 5), ("images", image_ways, 2)):
    times[what] = {name: milliseconds(work, calls) for name, work in ways.items()}
    print(f"{what:6}  loop {times[what]['loop']:7.1f} ms   vmap {times[what]['vmap']:7.1f} ms")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
for ways in (sine_ways, image_ways):
    found = [torch.cat([g.flatten() for g in work().values()]) for work in ways.values()]
    assert (found[0] - found[1]).norm() < 0.5 * found[0].norm()      # float32, and switches that flip
assert device.type != "cpu" or times["sines"]["loop"] > 3 * times["sines"]["vmap"]
assert round(on_h100["plain loop over tasks"] / on_h100["fast (vmap, eager)"]) == 5

# %% [markdown]
# **What you saw.** The same `vmap`, around the same lines. The sines gain several times, because they paid for asking. The images lose, on the processor that made this page. (On the H100, `vmap` is five times as fast as a plain loop.) The engine's `batching="auto"` loops over tasks on a CPU when there are convolutions, and takes `vmap` otherwise.
#
# What do the images lose? With $\theta$ shared, `vmap` of a convolution is one convolution of a larger batch. But after one inner step each task has *its own* weights $\varphi_i$. Then the library has to make a **grouped convolution**: the channels of all tasks side by side, in groups that do not see each other.
#
# **Predict.** Eight convolutions under `vmap`, each with weights of its own, and one convolution of 8 groups: is it the same call in the end, down to the last bit?

# %%
T, n, c = 8, 75, 32
x = torch.rand(T, n, c, 14, 14, device=device)
w = torch.rand(T, c, c, 3, 3, device=device)

vmapped = torch.vmap(lambda x, w: F.conv2d(x, w, padding=1))(x, w)

side_by_side = x.transpose(0, 1).reshape(n, T * c, 14, 14)
grouped = F.conv2d(side_by_side, w.reshape(T * c, c, 3, 3), padding=1, groups=T)
grouped = grouped.reshape(n, T, c, 14, 14).transpose(0, 1)
print("the same to the last bit:", torch.equal(vmapped, grouped))

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert torch.allclose(vmapped, grouped, rtol=1e-5)

# %% [markdown]
# **What you saw.** It is the same call. Is it slow? Let us look where the time goes. Every operation of torch, also of a backward pass, also under `vmap`, goes through one door at the end before the library does the work. A `TorchDispatchMode` stands beside that door:

# %%
from torch.utils._python_dispatch import TorchDispatchMode

class AtTheDoor(TorchDispatchMode):
    """Counts and times what the library is asked for."""

    def __init__(self):
        super().__init__()
        self.asked, self.seconds = Counter(), Counter()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        name = str(operation.overloadpacket).removeprefix("aten.")
        started = time.perf_counter()
        result = operation(*args, **(kwargs or {}))
        wait()
        self.asked[name] += 1
        self.seconds[name] += time.perf_counter() - started
        return result

# %% tags=["nbval-ignore-output"]
rows = []
for name, work in image_ways.items():
    with AtTheDoor() as door:
        work()
    convolutions = sum(seconds for asked, seconds in door.seconds.items() if "conv" in asked)
    rows.append({"images": name, "convolutions": f"{1e3 * convolutions:.0f}",
                 "everything else": f"{1e3 * (sum(door.seconds.values()) - convolutions):.0f}"})
figures.table(rows, f"Milliseconds of one meta-gradient on this {device.type}")

# %% [markdown]
# On a processor the convolutions cost about the same, one after the other or grouped. What grows is *everything else*: normalisation, ReLU, pooling, sums. Mostly it is the price of *fresh memory*. One array of one task is 5 MB; a loop gives it back, and the next operation gets the same 5 MB again. The array of all eight is 40 MB, and above 32 MB Linux's memory allocator asks the system for every array anew, which hands it out, cleared, page by page: more than a hundred thousand pages in one meta-gradient. (On Linux, start Python with `MALLOC_MMAP_MAX_=0` and `MALLOC_TRIM_THRESHOLD_=100000000000`, so that memory is kept: most of the loss is gone. On a GPU, PyTorch keeps it anyway.)
#
# On a GPU the grouped convolution can itself be the trouble: the makers of `vmap` [found it slower than expected](https://github.com/pytorch/functorch/issues/365) on older ones, and named a way out in the same breath. It is the next section.

# %% [markdown]
# ## A convolution is a matrix product
#
# The operation that every library has tuned to the limit is the matrix product. So make the convolution one. Put the nine neighbours of a pixel side by side in a row of $9C$ numbers. The kernel becomes a matrix of $9C \times C'$. All pixels of all pictures are the rows:
#
# $$\underbrace{(n H W) \times 9C}_{\text{neighbours}} \;\; @ \;\; \underbrace{9C \times C'}_{\text{kernel}} \;=\; (n H W) \times C'$$
#
# This is called **im2col**. It wants the channels *last*, `(n, H, W, C)`, so that the numbers of one pixel lie side by side in memory. The price is plain: the matrix of neighbours is nine times as large as the picture.
#
# Where are the neighbours? Pad the picture by one pixel all round. Then the whole picture, shifted by $(i, j)$, is a slice of the padded one:

# %%
picture = torch.arange(1.0, 13.0).reshape(1, 3, 4, 1)                 # (n, H, W, C)
padded = F.pad(picture, (0, 0, 1, 1, 1, 1))                           # last axis first: C, W, H
print(padded[0, :, :, 0])
print("shifted by (0, 0): each pixel's upper left neighbour\n", padded[0, 0:3, 0:4, 0])

# %% [markdown]
# ### Exercise 9.2 ●●●○○ One matrix product
# *15 minutes. Why it matters: under `vmap` this function is one batched matrix product, which every GPU does well.*
#
# Write `convolution`: pad by one, join the nine shifted pictures along the last axis (rows $i$ outside, columns $j$ inside), and multiply with the kernel as a matrix. `w` comes as torch has it, `(C', C, 3, 3)`: channel out, channel in, row, column.

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
# No loop over pixels, none over channels: two copies and one product.
#
# </details>

# %% [markdown]
# The packaged version is `networks.conv4(…, convolution="matmul")`. What does `vmap` make of your function?

# %%
def my_convolution(x, w):                                             # exercise 9.2
    n, height, width, n_in = x.shape
    padded = F.pad(x, (0, 0, 1, 1, 1, 1))
    shifted = [padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    rows = torch.cat(shifted, dim=-1).reshape(n * height * width, 9 * n_in)
    return (rows @ w.permute(2, 3, 1, 0).reshape(9 * n_in, -1)).reshape(n, height, width, -1)

# %% [markdown]
# **Predict.** Eight tasks, each with its own kernel, under `vmap`. How many products come to the door: one, eight, or nine times eight?

# %%
with AtTheDoor() as door:
    by_product = torch.vmap(my_convolution)(x.movedim(2, -1), w)      # channels last
print({name: door.asked[name] for name in ("convolution", "mm", "bmm")})
print("largest difference from the grouped convolution, relative:",
      f"{float((by_product.movedim(-1, 2) - grouped).abs().max() / grouped.abs().max()):.0e}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert door.asked["bmm"] == 1 and not door.asked["mm"] and not door.asked["convolution"]
assert torch.allclose(by_product.movedim(-1, 2), grouped, rtol=1e-4)
double = networks.conv4(n_way=5, channels=8).init(np.random.default_rng(0))
exact = tensors(images, device="cpu", dtype=torch.float64)
pair = [losses.cross_entropy(networks.conv4(n_way=5, channels=8, convolution=how)) for how in ("direct", "matmul")]
found = [maml.meta_gradient(loss, double, exact, inner_lr=0.4) for loss in pair]
assert all(torch.allclose(found[0][name], found[1][name], rtol=1e-6, atol=1e-9) for name in double)
assert 8 * 50 * 32 * 28**2 * 4 > 40e6 > 32 * 2**20 and 50 * 32 * 28**2 * 4 < 5.1e6     # arrays of images
assert round(32 * 80 * 64 * 28**2 * 4 / 1e9, 1) == 0.5 and round(32 * 80 * 14**2 * 9 * 64 * 4 / 1e9, 1) == 1.2

# %% [markdown]
# **What you saw.** One: `bmm`, a batched matrix product of all tasks. So does a GPU want this? On a processor you can see what it costs:

# %% tags=["nbval-ignore-output"]
product_loss = losses.cross_entropy(networks.conv4(n_way=5, channels=32, convolution="matmul"))
product_ways = two_ways(product_loss, small_theta, images, 0.4)
for name, work in product_ways.items():
    print(f"images, matmul, {name}: {milliseconds(work, calls=2):7.0f} ms")
for where in ("cpu", "cuda"):
    how = networks.convolution_for(torch.device(where), per_task_weights=True)
    print(f"the engine's choice on {where}: {how}")

# %% [markdown]
# On the processor that made this page it is slower than the direct convolution: nine times the bytes to write, often into fresh memory, and nothing won, since its convolutions were good already. `networks.convolution_for` therefore gives `"direct"` there, and `"matmul"` on a GPU when every task has its own weights. On the H100 that is right: 32.9 ms against 56.3 for the 32 tasks of *All together*. On *your* GPU ask a stopwatch, with the command there, and overrule it by `networks.conv4(…, convolution="direct")`.
#
# ### Does it fit?
#
# The first error that you meet on a GPU is hardly a wrong number. It is `CUDA out of memory`. Take the pencil before: 32 tasks of 80 pictures, 64 channels, 28×28, four bytes are **half a gigabyte for one array** of the first layer, and there are several in each layer. The nine neighbours in the second layer are **1.2 GB**. A backward pass needs them, so all stay until it is done; and second order keeps those of the inner step's backward pass, too. `torch.cuda.max_memory_allocated()` says afterwards how much it was. If it is too much: take half of the tasks at a time and average the two gradients (the mean of equal halves is the mean), or take `"direct"`, which needs no neighbours. First order needs less.

# %% [markdown]
# ## Ask once
#
# Back to the third price. How often does one meta-step of the 25 sines ask?
#
# **Predict.** A hundred times, a thousand times, or more? And under `vmap`?

# %% tags=["nbval-ignore-output"]
asked = {}
for name, work in sine_ways.items():
    with AtTheDoor() as door:
        work()
    asked[name] = sum(door.asked.values())
    bare = asked[name] * asking / 1e3
    print(f"{name}: asked {asked[name]:5,} times, at {asking:.1f} µs each {bare:.1f} ms;",
          f"taken {times['sines'][name]:.1f} ms")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert 3000 < asked["loop"] < 7000 and 150 < asked["vmap"] < 500
assert device.type != "cpu" or all(times["sines"][name] > 2 * asked[name] * asking / 1e3 for name in asked)
assert (round(on_h100["fast (matmul, CUDA graph)"], 1), round(on_h100["fast (vmap, CUDA graph)"], 1)) == (32.9, 56.3)
assert round(on_h100["fast (vmap, eager)"], 1) == 71.5
assert all(ran["first call"] < 10 for name, ran in h100["details"]["contenders"]["1 step"].items() if "graph" in name)
by_steps = []
for inner_steps in (1, 5):                                                     # quiz 2
    with AtTheDoor() as door:
        maml.meta_gradient(small_loss, small_theta, pictures.sample(2, pictures.generator(5)), inner_lr=0.4,
                           inner_steps=inner_steps, batching="vmap")
    by_steps.append(sum(door.asked.values()))
assert 3.5 < by_steps[1] / by_steps[0] < 5, by_steps

# %% [markdown]
# **What you saw.** Thousands of times in a loop, some 250 times under `vmap`. (The time taken is several times that of as many bare additions: `grad` inside `grad` handles each operation on several levels before it comes to the door.) But the 250 are the same in every meta-step: same operations, same shapes, same order. So write the list down once and play it back. There are three ways to do that, and the engine knows them all:
#
# - `capture="trace"`: `make_fx` writes down what reaches the arithmetic, and torch plays the list back. Python is still asked, but for each operation once. It is ready in a second, needs no compiler, and gives the same bits. For CPUs.
# - `capture="compile"`: a compiler makes a program of that list, and also *fuses* operations: normalisation and ReLU become one way through memory. That lowers the second price as well. It takes a while.
# - `capture="cuda-graph"`: the GPU's driver records what the step sends to the GPU and plays the recording back. Nothing is fused; Python is gone. It is ready within seconds, and for GPUs only. On the H100 it took Conv4 under `vmap` from 71.5 to 56.3 ms.
#
# `training.train` with `capture="auto"` takes the graph on a GPU. On a CPU it weighs: a short run stays eager (line by line, as up to now), a longer one takes the way that ends first.

# %% tags=["nbval-ignore-output"]
from mlcourse.fast.capture import capture

def meta_step(theta, tasks):
    return maml.meta_gradient(sine_loss, theta, tasks, inner_lr=0.01)

ready, way = capture(meta_step, "cuda-graph" if device.type == "cuda" else "trace", device=device)
started = time.perf_counter()
recorded_gradient = ready(sine_theta, sines)
wait()
first_call = time.perf_counter() - started
print(f"{way}: the first call took {first_call:.1f} s")
later = milliseconds(lambda: ready(sine_theta, sines), calls=100)
print(f"every other one takes {later:.2f} ms; vmap alone took {times['sines']['vmap']:.1f} ms")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
plain_gradient = meta_step(sine_theta, sines)
assert all(torch.allclose(recorded_gradient[name], plain_gradient[name], rtol=1e-3, atol=1e-5) for name in sine_theta)
assert 1e3 * first_call > 20 * later and later < 0.8 * times["sines"]["vmap"]

# %% [markdown]
# Here are all of them on one core, with `higher`, a library for MAML in PyTorch, measured by `python -m mlcourse bench meta-gradient`. The network, the tasks and the gradient are the same in every row. These times are stored, and need not be the ones that you just saw; and the plain loop here is the quicker one, written with `torch.autograd.grad`.

# %% tags=["hide-input"]
bench = results.load("bench_meta_gradient_sinusoid")
bars = [(row["method"], row["values"]["1 step, ms"]) for row in bench["rows"]]
bars.sort(key=lambda bar: -bar[1])
figures.show(figures.timings(bars, against="higher"), alt="Times of one meta-gradient of 25 sines on a logarithmic axis: higher is the slowest, then loops over tasks in PyTorch and NumPy, vmap, the recorded step, JAX, and the compiled step, more than fifty times as fast as higher.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
by_name = dict(bars)
assert by_name["higher"] / by_name["fast, compiled"] > 50 and max(by_name, key=by_name.get) == "higher"
order = ["higher", "plain loop over tasks", "fast, eager", "fast, recorded", "JAX jit + vmap", "fast, compiled"]
assert [name for name, _ in bars if name in order] == order and by_name["reference"] > 2 * by_name["fast, eager"]
assert bench["hardware"]["gpu"] == "none"

# %% [markdown]
# ### What a recording cannot hold
#
# A recording holds *what was asked for*, not why. You need no GPU to see it: `make_fx` records, too. Here a step adds some noise that NumPy draws.
#
# **Predict.** We record the step once and play it three times. What noise will it add?

# %%
from torch.fx.experimental.proxy_tensor import make_fx

rng = np.random.default_rng(0)

def noisy_step(x):
    noise = torch.as_tensor(rng.normal(size=2))       # drawn by NumPy
    return 2 * x + noise

recording = make_fx(noisy_step)(torch.zeros(2, dtype=torch.float64))
print(re.sub(";.*", "", recording.code.strip()))      # without the lines' house-keeping
played = [recording(torch.zeros(2, dtype=torch.float64)) for _ in range(3)]
print(*played, sep="\n")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert torch.equal(played[0], played[1]) and torch.equal(played[1], played[2]) and played[0].abs().min() > 0
assert "_tensor_constant0" in recording.code

# %% [markdown]
# **What you saw.** The same noise every time. NumPy's draw was no operation of torch, so what came out of it stands in the recording as `_tensor_constant0`, a constant. No error, no word: a training run would meet the same tasks for ever. A CUDA graph is such a recording and checks nothing. (`torch.compile` is more careful: it checks at each call what it assumed, and compiles again, goes back to Python or refuses.) This is why the engine makes every random draw *outside* the step. And a decision that depends on a number?

# %%
def careful_step(x):
    if (x ** 2).sum().item() > 100:                   # Python must know the number
        return x / 2
    return x

try:
    make_fx(careful_step)(torch.ones(2))
except Exception as error:
    print(type(error).__name__, "-", str(error).split(" -")[0])

# %% [markdown]
# This one at least refuses. `.item()` fetches a number to the **host**, the processor that Python runs on, and a recording has no numbers yet. Write such a choice as an operation: `torch.where(norm > 100, x / 2, x)`. The third rule follows from the same sentence: **shapes must not change**. A last meta-batch that is shorter needs a recording of its own. (`CudaGraph` in `mlcourse/fast/capture.py`, some forty lines, refuses other shapes, and copies results out, since the next playing writes over them.)

# %% [markdown]
# ## Data that is already there
#
# Each meta-step wants new tasks. Drawn by NumPy, they must be sent to the GPU, while the GPU waits.
#
# **Predict.** 32 tasks of 5 + 75 pictures, float32, against *all* training letters once, as bytes. How many meta-steps send as much as all letters: 4, 400, or 40,000?

# %%
batch = family.sample(32, family.generator(3))
each_step = sum(part.x.numel() * part.x.element_size() for part in batch)
print(f"one meta-step: {each_step / 1e6:.0f} MB; 60,000 of them {60_000 * each_step / 1e9:.0f} GB")
print(f"all {len(letters.train):,} letters as bytes, once: {family.images.numel() / 1e6:.0f} MB")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert each_step == 32 * 80 * 784 * 4 and 3.5 < family.images.numel() / each_step < 4.9
assert family.images.dtype == torch.uint8 and 480 < 60_000 * each_step / 1e9 < 483

# %% [markdown]
# **What you saw.** Four. So send them once and let a task be an *index* into them: that is `fast.episodes.Episodes`, with the same arguments as the `Episodes` that you know. Only the generator is torch's, because it, too, lives on the device.
#
# One line of it deserves a look. Drawing 5 of 2,166 letters *without repetition*, for 32 tasks at once, is a loop in Python. On the device it is two operations: give every letter a random key, take the five largest.

# %%
generator = torch.Generator(device).manual_seed(0)
keys = torch.rand(32, len(letters.train), generator=generator, device=device)
chosen = keys.topk(5, dim=-1).indices
print(chosen[:3].tolist())

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert chosen.shape == (32, 5) and all(len(set(row)) == 5 for row in chosen.tolist())
first, again = (family.sample(2, family.generator(7)) for _ in range(2))
assert torch.equal(first.support.x, again.support.x)

# %% [markdown]
# ### Who waits for whom
#
# A GPU works like a kitchen: you hand in an order and get a ticket at once. You wait only when you want to *see* something: `.item()`, `float(loss)`, `print(loss)`. Until then your processor can prepare what comes next.
#
# To see that without a GPU, here is its clock alone: a kitchen that takes 2 ms for an order, and a host that needs half a millisecond in Python to prepare each order.
#
# **Predict.** Fifty steps. How much time does it save to look once, at the end, and not at every loss: nothing, a fifth, a half?

# %%
def clock(look_every_step, steps=50, prepare=0.5, work=2.0):
    """The milliseconds after which all orders are in, and after which all are done."""
    host = kitchen = 0.0                              # when each of the two is free again
    for _ in range(steps):
        host += prepare                               # Python prepares an order and hands it in
        kitchen = max(kitchen, host) + work           # begun when the order is there and the kitchen free
        if look_every_step:
            host = kitchen                            # what .item() does: wait until it is done
    return host, kitchen

for look, when in ((True, "every step"), (False, "at the end")):
    handed_in, done = clock(look_every_step=look)
    print(f"a look {when}: all orders in after {handed_in:.0f} ms, all done after {done:.0f} ms")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert clock(True) == (125, 125) and clock(False) == (25, 100.5)
assert abs(1 - clock(False)[1] / clock(True)[1] - 1 / 5) < 0.01
assert abs(1 - clock(False, prepare=2.0)[1] / clock(True, prepare=2.0)[1] - 1 / 2) < 0.02

# %% [markdown]
# **What you saw.** About a fifth. With a look every time, host and device take turns: 2.5 ms a step. Without, they work side by side, and the longer of the two counts. (Were the host as slow as the device, half of the time would be saved.) `training.train` therefore keeps the losses of a whole block of steps on the device and looks at their mean once.

# %% [markdown]
# ## Fewer bits
#
# A float32 has 23 bits behind the point of its *mantissa*: $1.b_1 b_2 \dots b_{23} \times 2^e$. Recent GPUs have units for matrix products that are several times faster (on the H100 eight times, with TF32), if the factors are rounded first: to 10 bits (**TF32**) or to 7 (**bf16**, bfloat16). The sums are still kept in float32. For matrix products you ask for TF32, by `torch.set_float32_matmul_precision("high")`. **Convolutions in cuDNN, NVIDIA's library, do it unless you forbid it**: that is what `torch.backends.cudnn.allow_tf32 = False` in the first cell is for. What does it cost?

# %% [markdown]
# ### Exercise 9.3 ●●○○○ Round like a GPU
# *10 minutes. Why it matters: with it you can see on any machine what a GPU's rounding does to your gradient.*
#
# Write `rounded(x, bits)`: the nearest numbers with `bits` bits of mantissa. `torch.frexp(x)` gives $m$ and $e$ with $x = m \cdot 2^e$ and $\frac12 \le |m| < 1$. So $m$ is $0.1b_1b_2\dots$ in binary: keep one digit more than `bits`. `torch.ldexp(m, e)` puts them together again.

# %% tags=["exercise"]
def rounded(x, bits):
    """Return x with `bits` bits of mantissa behind the leading 1, rounded to nearest."""
    mantissa, exponent = torch.frexp(x)
    return ...

# %% tags=["check"]
checks.nb09.rounded(rounded)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# To round to two decimal digits you would multiply by 100, `torch.round`, divide by 100.
#
# </details>
# <details><summary>Hint 2</summary>
#
# In binary the 100 becomes `2 ** (bits + 1)`.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def rounded(x, bits):
#     mantissa, exponent = torch.frexp(x)
#     steps = 2 ** (bits + 1)
#     return torch.ldexp(torch.round(mantissa * steps) / steps, exponent)
# ```
#
# For 7 bits this is `x.bfloat16()` to the last bit: try `torch.equal(rounded(x, 7), x.bfloat16().float())`.
#
# </details>

# %% tags=["setup"]
def my_rounded(x, bits):                                               # exercise 9.3
    mantissa, exponent = torch.frexp(x)
    steps = 2 ** (bits + 1)
    return torch.ldexp(torch.round(mantissa * steps) / steps, exponent)

# %% [markdown]
# The hardware rounds the factors of *every* product: forward, backward, and backward through the backward. We know the door that they all go through:

# %%
aten = torch.ops.aten
PRODUCTS = (aten.mm.default, aten.bmm.default,
            aten.convolution.default, aten.convolution_backward.default)

class Rounding(TorchDispatchMode):
    """Rounds the factors of all products inside the context."""

    def __init__(self, bits):
        super().__init__()
        self.bits = bits

    def round(self, factor):
        return my_rounded(factor, self.bits) if torch.is_tensor(factor) else factor

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        if operation in PRODUCTS:
            args = [self.round(factor) for factor in args]
        return operation(*args, **(kwargs or {}))

a, b = torch.rand(100, 100), torch.rand(100, 100)
true = a.double() @ b.double()
with Rounding(bits=10):
    product = a @ b
print(f"one product, TF32: off by {float((product - true).norm() / true.norm()):.0e}")

# %% [markdown]
# A single product is off by a few parts in a hundred thousand: each factor by up to five in ten thousand, and most of that cancels in the sum. Now a whole meta-gradient: against float64, for float32 as it is, and with the products rounded. As a yardstick, the meta-gradient of *other tasks*, from the same $\theta$: that is how much the direction varies from one meta-step to the next anyway.
#
# We do it for two networks. One is a narrow Conv4. In the other, smooth functions take the place of its ReLU and its max-pooling.
#
# **Predict.** Off by how much, with TF32: a ten-thousandth, a hundredth, or a tenth? And in which network is it more?

# %%
start = networks.conv4(n_way=5, channels=8).init

def narrow(gate, pool):
    def apply(p, x):
        for i in range(4):
            h = F.conv2d(x, p[f"w{i}"], p[f"b{i}"], padding=1)
            x = pool(gate(networks.batch_norm(h, p[f"scale{i}"], p[f"shift{i}"])), 2)
        return x.flatten(1) @ p["w4"] + p["b4"]
    return networks.Network(start, apply)

kinked, smooth = narrow(torch.relu, F.max_pool2d), narrow(F.softplus, F.avg_pool2d)

# %% [markdown]
# `off_by` makes one draw of tasks: the true meta-gradient, then four others, and how far each is from it. Luck is large here, so we take the median of five draws.

# %%
theta = tensors(start(np.random.default_rng(0)), device=device)
few = Episodes(letters.train, n_way=5, k_shot=1, n_query=3, device=device)

def gradient(network, tasks, dtype=torch.float32):
    """The meta-gradient as one long row of numbers."""
    parts = maml.meta_gradient(losses.cross_entropy(network), *tensors((theta, tasks), dtype=dtype),
                               inner_lr=0.4, batching="vmap")
    return torch.cat([parts[name].double().flatten() for name in sorted(parts)])

def off_by(network, generator):
    tasks, other = few.sample(6, generator), few.sample(6, generator)
    true, found = gradient(network, tasks, torch.float64), {"float32": gradient(network, tasks)}
    for name, bits in (("TF32", 10), ("bf16", 7)):
        with Rounding(bits):
            found[name] = gradient(network, tasks)
    found["other tasks"] = gradient(network, other)
    return {name: float((g - true).norm() / true.norm()) for name, g in found.items()}

def median_off(network, draws=5):
    generator = few.generator(0)
    found = [off_by(network, generator) for _ in range(draws)]
    return {name: float(np.median([one[name] for one in found])) for name in found[0]}

off = {"ReLU, max-pooling": median_off(kinked), "smooth": median_off(smooth)}

# %% tags=["hide-input"]
def in_percent(share):
    return f"{share:.0e}" if share < 5e-4 else f"{share:.2%}" if share < 0.01 else f"{share:.0%}"

rows = [{"network": name} | {how: in_percent(share) for how, share in row.items()} for name, row in off.items()]
figures.table(rows, "Distance from the true meta-gradient, relative to its length (median of 5 draws)")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert 1e-5 < (product - true).norm() / true.norm() < 1e-4
with_kinks, without = off.values()
assert with_kinks["float32"] < 0.02 and 0.03 < with_kinks["TF32"] < 0.3 and 0.1 < with_kinks["bf16"] < 0.6
assert without["float32"] < 1e-4 and 2e-4 < without["TF32"] < 3e-3 and 2e-3 < without["bf16"] < 2e-2
assert with_kinks["other tasks"] > 0.6 and without["other tasks"] > 0.4
assert with_kinks["TF32"] > 30 * without["TF32"] and with_kinks["bf16"] > 10 * without["bf16"]
assert round(peaks["TF32"] / peaks["float32"]) == 8
ran = [table["details"]["contenders"]["1 step"] for table in (h100, results.load("bench_meta_gradient_conv4"))]
distances = [how["distance"] for table in ran for name, how in table.items() if "distance" in how and "TF32" not in name]
assert round(100 * ran[0]["fast (matmul, CUDA graph), TF32"]["distance"]) == 2
assert 1e-6 < min(distances) < 1e-5 and 5e-5 < max(distances) < 2e-4, distances
assert round(100 * (1 - on_h100["fast (matmul, CUDA graph), TF32"] / on_h100["fast (matmul, CUDA graph)"])) == 13
trained = {name: results.load(str(results.results_folder() / f"omniglot/omniglot_random_{name}_5w1s.json"))
           for name in ("protonet", "maml", "fomaml", "reptile")}
assert all("--precision tf32" in run["command"] and "H100" in run["hardware"]["gpu"] for run in trained.values())
above = [row["values"]["accuracy, %"][0] - np.ravel(row["published"]["accuracy, %"])[0]
         for run in trained.values() for row in run["rows"] if "published" in row]
assert len(above) == 5 and min(above) > 0, above

# %% [markdown]
# **What you saw.** About a tenth in Conv4, and some hundred times less in the smooth network. The rounding is small, but it throws switches. A ReLU is open or closed, max-pooling takes this pixel or that one; where it is nearly a tie, a hair decides, and the gradient changes by a whole term. So two correct programs for Conv4 agree to some four to six digits in float32 (*off by* in the tables below), and in an unlucky draw to fewer. To compare implementations, use float64.
#
# Does the tenth hurt? Look at the last column: the meta-gradient of other tasks differs from this one by about its whole length, in every step, and training lives with that. But luck with tasks averages out over many steps, and whether the flips do, only the accuracy after training can tell. Four methods trained with TF32 on the H100 came out above the published figures; a run in float32 beside them is missing (`reproduce omniglot --precision float32`). And TF32 saved 13 % of a gradient's time there, for an error of 2 % in one draw. (PyTorch's `autocast` to bf16 also *stores* results in 7 bits. Ours rounds factors only: that error is not in this table.)

# %% [markdown]
# ## All together
#
# `training.train` is the loop around it: tasks drawn on the device, the convolution that suits it, the step captured in the way that suits it, one look at the loss a block. This is MAML on Conv4, second order, with these very lines on either device:

# %%
from mlcourse import methods
from mlcourse.training import train

how = networks.convolution_for(device, per_task_weights=True)
narrow_net = networks.conv4(n_way=5, channels=16, convolution=how)
method = methods.MAML(losses.cross_entropy(narrow_net), inner_lr=0.4, meta_lr=1e-2)
run = train(method, narrow_net.init(np.random.default_rng(0)), few, meta_steps=60, meta_batch_size=4,
            block=10, device=device, capture="auto", progress=False)
print(f"convolution {how}, capture {run.capture}")
print("query loss after adapting, means of 10 steps:", np.round(run.curve["loss"], 2))

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert run.curve["loss"][0] > 1.4 and run.curve["loss"][-1] < 1.25

# %% [markdown]
# Sixty steps of four tasks, on a network a quarter as wide, are a rehearsal: the loss has only begun to fall.
#
# You want a loop of your own, with your optimiser? The parts come apart. The whole update belongs *inside* the captured step, the draw of tasks outside:

# %%
from mlcourse.fast import adam

def my_step(theta, moments, tasks):
    value, gradient = maml.meta_loss_and_gradient(losses.cross_entropy(narrow_net), theta, tasks, inner_lr=0.4)
    return *adam.update(theta, gradient, moments, lr=1e-2), value         # or your own, in tensors

my_step, way = capture(my_step, "auto", device=device)
theta = tensors(narrow_net.init(np.random.default_rng(0)), device=device, dtype=torch.float32)
moments, draws, values = adam.init(theta), few.generator(1), []
for _ in range(10):
    theta, moments, value = my_step(theta, moments, few.sample(4, draws))
    values.append(value)                                                  # kept, not looked at
print(f"{way}: mean loss of ten steps {float(torch.stack(values).mean()):.2f}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert 1.2 < torch.stack(values).mean() < 2.2

# %% [markdown]
# The papers' settings on the whole of Omniglot are one command, from the root of the repository (the data once, by `python -m mlcourse data fetch omniglot`):
#
# ```bash
# python -m mlcourse reproduce omniglot --method maml --n-way 5 --k-shot 1 --split random \
#     --device cuda --budget-seconds 120 --out data/results/omniglot/omniglot_random_maml_5w1s.json
# python -m mlcourse bench meta-gradient --model conv4 --device cuda \
#     --out data/results/bench_meta_gradient_conv4_cuda.json
# ```
#
# The first trains three seeds. Each has 120 seconds: the speed is measured at the start, and `meta_steps` lowered to what fits. So it takes six minutes, and the testing; and it trains with TF32, unless you say `--precision float32`.
#
# One script does all of it, minutes at a time. Call it again until it says that all is done:
#
# ```bash
# python data/results/build.py --device cuda
# ```
#
# What they write into `data/results` appears here. First the times of one meta-gradient of Conv4-64, 32 tasks, the 170 GFLOP from above:

# %% tags=["nbval-ignore-output"]
from IPython.display import Markdown, display

def stored(on_a_gpu):
    """The table of times that was measured on this kind of device, if there is one."""
    names = [name for name in results.names() if name.startswith("bench_meta_gradient_conv4")]
    tables = [results.load(name) for name in names]
    found = [table for table in tables if (table["hardware"]["gpu"] != "none") == on_a_gpu]
    return results.table(found[0]) if found else "not measured yet"

display(Markdown(f"**On a CPU:**\n\n{stored(on_a_gpu=False)}"))
display(Markdown(f"**On a GPU:**\n\n{stored(on_a_gpu=True)}"))

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
quickest_in_float32, on_two_cores = on_h100["fast (matmul, CUDA graph)"], results.load("bench_meta_gradient_conv4")
assert round(on_h100["plain loop over tasks"] / quickest_in_float32) == 11 and round(on_h100["higher"] / quickest_in_float32) == 16
assert on_two_cores["hardware"]["cores"] == 2
assert abs(min(row["values"]["1 step, ms"] for row in on_two_cores["rows"][:3]) / quickest_in_float32 - 60) < 5
spread = {name: np.subtract(*[row["values"]["accuracy, %"][0] for row in trained[name]["rows"]]) for name in ("maml", "fomaml", "reptile")}
assert round(min(spread.values()), 1) == 1.4 and round(max(spread.values()), 1) == 1.7, spread
between = [np.ptp([trained[name]["rows"][i]["values"]["accuracy, %"][0] for name in spread]) for i in (0, 1)]
assert max(between) < 1, between
seconds = [run["rows"][0]["values"]["training, s"] for run in trained.values()]
assert 28 < min(seconds) < 35 and 170 < max(seconds) < 200 and all(len(run["seeds"]) == 1 for run in trained.values())
matching_run = results.load(str(results.results_folder() / "omniglot/omniglot_random_matching_5w1s.json"))
assert matching_run["hardware"]["gpu"] == "none" and matching_run["rows"][0]["values"]["accuracy, %"][0] < 85

# %% [markdown]
# In float32 our quickest way takes 60 times as long on two cores as on the GPU. There a plain loop takes 11 times as long as it, `higher` 16 times.
#
# And the accuracies, ours beside the published ones, on the random split of 1,200 and 423 letters. *Transductive* (notebook 07) means that the queries of a task were normalised together.

# %% tags=["nbval-ignore-output"]
from mlcourse.experiments import omniglot_table

Markdown(omniglot_table.summary(omniglot_table.runs()))

# %% [markdown]
# One seed each, half a minute to some three minutes of training on the H100: ProtoNet, MAML, first order and Reptile are above the published figures beside them, as far as protocols compare. Between the protocols the last three lose 1.4 to 1.7 points; less than one lies between them. (Matching Networks had a short run on a processor.)

# %% [markdown]
# ## More than one GPU
#
# Tasks do not need each other. So give each GPU its share of the meta-batch, let each take the mean of *its* gradients, and then the mean of those. A process with a GPU of its own is called a **rank**. All hold the same $\theta$, take the same step, and so go on holding the same $\theta$. Here are eight tasks and four ranks in one process:

# %%
exact_theta, exact_sines = tensors((sine_theta, sines), device="cpu", dtype=torch.float64)

def share(first, last):
    part = tree_map(lambda numbers: numbers[first:last], exact_sines)
    found = maml.meta_gradient(sine_loss, exact_theta, part, inner_lr=0.01)
    return torch.cat([found[name].flatten() for name in sorted(found)])

whole = share(0, 8)
four_ranks = torch.stack([share(2 * rank, 2 * rank + 2) for rank in range(4)]).mean(dim=0)
print(f"four ranks of two tasks: off by {float((four_ranks - whole).norm() / whole.norm()):.0e}")

# %% [markdown]
# **Predict.** Now two ranks, with five tasks and three. Is the mean of the two means still right?

# %%
two_ranks = (share(0, 5) + share(5, 8)) / 2
print(f"ranks of five and three: off by {float((two_ranks - whole).norm() / whole.norm()):.0e}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert (four_ranks - whole).norm() < 1e-12 * whole.norm()
assert 0.01 < (two_ranks - whole).norm() / whole.norm() < 0.5

# %% [markdown]
# **What you saw.** No: each of the three counts for more than each of the five. No error is raised, and training goes on. The course's engine refuses a `meta_batch_size` that the ranks cannot share evenly. You can also weight the means:

# %% [markdown]
# ### Exercise 9.4 ●●○○○ The mean over unequal ranks
# *8 minutes. Why it matters: a sum in place of a mean, or a mean of unequal means, trains without a word, at another rate or towards another goal.*
#
# Every rank sends you the mean of its gradients, and how many tasks it had. Write `over_ranks`: the mean over **all tasks**. `gradients` is `(ranks, n)`; `n_tasks` is `(ranks,)`, integers.

# %% tags=["exercise"]
def over_ranks(gradients, n_tasks):
    """Return the mean gradient over all tasks, (n,)."""
    return ...

# %% tags=["check"]
checks.nb09.over_ranks(over_ranks)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# A rank's mean times its number of tasks is the *sum* over its tasks. Sums can be added.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `n_tasks[:, None]` has the shape `(ranks, 1)` and so multiplies each row. Divide by the number of all tasks.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def over_ranks(gradients, n_tasks):
#     sums = n_tasks[:, None] * gradients
#     return sums.sum(dim=0) / n_tasks.sum()
# ```
#
# </details>

# %% [markdown]
# `mlcourse/fast/distributed.py` does it with `torch.distributed`, and `torchrun`, which comes with PyTorch, starts the ranks. One machine with four GPUs:
#
# ```bash
# torchrun --standalone --nproc-per-node 4 -m mlcourse reproduce omniglot --method maml --checkpoints runs
# ```
#
# Two machines: the same line on each of them, with the checkpoints in a folder that both see, and any free port of one of them to meet at.
#
# ```bash
# torchrun --nnodes 2 --nproc-per-node 4 --rdzv-backend c10d --rdzv-id 1 --rdzv-endpoint NODE0:29500 \
#     -m mlcourse reproduce omniglot --method maml --checkpoints /shared/runs
# ```
#
# What travels in each step is one gradient, as long as $\theta$: half a megabyte for Conv4-64, sent as *one* message and not as eighteen. (Asking has its price here, too.) If a rank is lost, the others end with a line that says how to go on from the checkpoint.

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert 0.4e6 < 4 * sum(p.numel() for p in conv4_theta.values()) < 0.5e6 and len(conv4_theta) == 18

# %% [markdown]
# ## What can go wrong
#
# **A clock that does not wait.** Look again at the kitchen: with one look at the end, all orders were in long before all were done. On a GPU, `time.perf_counter()` around a step measures when the orders were *in*. In our kitchen, which needs 2 ms an order:

# %%
wrong, right = clock(look_every_step=False)           # on a GPU, torch.cuda.synchronize() waits for the second
print(f"an order takes {wrong / 50:.2f} ms without waiting, {right / 50:.2f} ms with it")

# %% [markdown]
# Our `milliseconds` waits before it starts the clock and before it stops it, and throws the first call away. The first call of a recorded step makes the recording, that of a compiled one the program: a benchmark that includes it measures the recorder.
#
# **A wrong gradient, without a word.** The obvious way to write Conv4 calls `F.batch_norm`, and in a loop that is right. Here is a smaller network with the same parts: a linear map and a normalisation, both adapted to each task.
#
# **Predict.** A loop over three tasks, `vmap` over the same three, and finite differences of the meta-loss. Which of them agree?

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
hair = torch.zeros(2, 2, dtype=torch.float64)
hair[0, 0] = 1e-5
differences = float((by_vmap(start["w"] + hair) - by_vmap(start["w"] - hair)) / 2e-5)
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

# %% [markdown]
# **What you saw.** The loop agrees with the finite differences. With torch 2.13, `vmap` does not, and not by a little: the sign is wrong. The *loss* is the same to more than a dozen digits, so nothing you would plot tells you; under `vmap` the second derivative takes the batch's mean and variance for constants. (If your line does not say so, your torch has it mended.) `networks.batch_norm` therefore writes the normalisation out in plain operations under `vmap`, and a test compares loop, `vmap` and finite differences. That test is the first to write, on any device.

# %% [markdown]
# ## Quiz
#
# **1.** Your meta-step takes 3 ms on a GPU and 8 ms on another one that is four times as fast on paper. Nothing is broken. What do you suspect?
#
# <details><summary>Answer</summary>
#
# The third price. If the step is a long list of small operations, the GPU waits for Python, and what counts is the *processor* beside it: the second machine has a slower one. Record the step (`capture="cuda-graph"`), and the paper's order may return.
#
# </details>
#
# **2.** You go from 1 to 5 inner steps on 5-way 1-shot tasks with 15 queries per class. By how much does the arithmetic of a second-order step grow: five times, or less?
#
# <details><summary>Answer</summary>
#
# Much less: from $9 \cdot 5 + 3 \cdot 75 = 270$ to $9 \cdot 25 + 3 \cdot 75 = 450$ passes, 1.7 times. The queries go through the network once, however many steps there are. But the number of operations *asked for* grows about four times.
#
# </details>
#
# **3.** You read that bf16 "does not change the gradient", tested on a network with smooth activations. Would you use it for Conv4 on this evidence?
#
# <details><summary>Answer</summary>
#
# No. Rounding acts on Conv4 by flipping ReLUs and max-pools, which a smooth network does not have: its error was more than ten times smaller. What decides is the accuracy after training, over tasks and seeds, compared with float32.
#
# </details>

# %% [markdown]
# ## What you can do now
#
# - Count the arithmetic of a meta-step, and say how far from the floor a program is.
# - Tell which price an operation pays: arithmetic, moving, or asking.
# - Turn a convolution into a matrix product, and say when that pays.
# - Keep a step recordable: same shapes, no draws of the host, no looks.
# - Emulate a GPU's rounding, and judge it by the right yardstick.
# - Split tasks over ranks so that the mean stays the mean.
#
# ## What comes next
#
# You can now run MAML at the papers' scale. What has it learned there? Whether the inner loop changes the features at all, which rates it should have, and how to do without second derivatives and still be exact, is what the next part of the course is about.
#
# ## References
#
# - S. Williams, A. Waterman, D. Patterson, *Roofline: An Insightful Visual Performance Model for Multicore Architectures*, Communications of the ACM 52(4), 2009, [doi:10.1145/1498765.1498785](https://doi.org/10.1145/1498765.1498785): the picture with the roof.
# - K. Chellapilla, S. Puri, P. Simard, *High Performance Convolutional Neural Networks for Document Processing*, 2006, [inria-00112631](https://inria.hal.science/inria-00112631): the convolution as a matrix product.
# - J. Ansel and others, *PyTorch 2: Faster Machine Learning Through Dynamic Python Bytecode Transformation and Graph Compilation*, ASPLOS 2024, [doi:10.1145/3620665.3640366](https://doi.org/10.1145/3620665.3640366): `torch.compile`.
# - P. Micikevicius and others, *Mixed Precision Training*, ICLR 2018, [arXiv:1710.03740](https://arxiv.org/abs/1710.03740): training with fewer bits.
# - NVIDIA, *H100 Tensor Core GPU*, [data sheet](https://www.nvidia.com/en-us/data-center/h100/): the promised 67 TFLOP/s (float32) and 3.35 TB/s of the SXM model.
# - C. Finn, P. Abbeel, S. Levine, *Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks*, ICML 2017, [arXiv:1703.03400](https://arxiv.org/abs/1703.03400): the method, and the settings on Omniglot.
