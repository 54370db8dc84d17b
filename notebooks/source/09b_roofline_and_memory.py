# %% [markdown]
# # Roofline, memory, fewer bits
#
# Six short sections for readers of notebook 09 who tune their own training runs. Read them in any order. You measure when memory is the limit, why a rounding in the fourth digit moves a meta-gradient of Conv4 by a tenth, and how several GPUs share one meta-batch.

# %% [markdown]
# ## Before you start
#
# | | |
# | --- | --- |
# | **It gives you** | the parts of notebook 09 that you need only when you tune your own runs |
# | **You will be able to** | place an operation under a roofline · say when large arrays are slow · count what fits on a GPU · measure what TF32 and bf16 do to a meta-gradient · split tasks over several GPUs |
# | **You need** | [09](09_the_same_lines_on_a_gpu.ipynb), which links here |
# | **Time** | 25 minutes to read, 20 for the exercises, about 30 seconds to run |
# | **Skip it if** | your training runs are fast enough |

# %% tags=["setup"]
import os
import subprocess
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

from mlcourse.lessons import checks, figures
from mlcourse.experiments import results
from mlcourse.fast import losses, maml, networks
from mlcourse.fast.arrays import default_device, tensors, tree_map
from mlcourse.fast.episodes import Episodes
from mlcourse.tasks import Sinusoids, glyphs

torch.set_num_threads(1)
torch.backends.cudnn.allow_tf32 = False       # no rounding until we ask for it
device = default_device()

# %% tags=["hide-input"]
def wait():
    if device.type == "cuda":
        torch.cuda.synchronize()

def milliseconds(work, calls=15):             # as in notebook 09
    times = []
    for _ in range(calls + 1):
        wait()
        started = time.perf_counter()
        work()
        wait()
        times.append(time.perf_counter() - started)
    return 1e3 * min(times[1:])

letters = glyphs.splits()
print(f"device: {device}, torch {torch.__version__}")

# %% [markdown]
# ## The roofline
#
# An operation pays for arithmetic or for memory traffic, whichever is larger. FLOP divided by bytes moved is its **arithmetic intensity**. For our four operations it spans a factor of a thousand:

# %%
flop_inside = 2 * 9 * 64 * 64 * 14 * 14                       # one picture, convolution 2
inside, outside = 64 * 14 * 14, 64 * 28 * 28                  # numbers of one picture
operations = {         # FLOP, numbers read and written
    "convolution": (75 * flop_inside, 75 * 2 * inside),
    "batch norm.": (75 * 8 * outside, 75 * 3 * outside),
    "ReLU": (75 * outside, 75 * 2 * outside),
    "sine layer": (2 * 10 * 40 * 40, 2 * 400 + 1600),
}
intensity = {name: flop / (4 * numbers) for name, (flop, numbers) in operations.items()}
print({name: round(x, 1) for name, x in intensity.items()})

square, large = torch.rand(1024, 1024, device=device), torch.rand(75 * outside, device=device)
copied = torch.empty_like(large)
peak = 2 * 1024**3 / milliseconds(lambda: square @ square) / 1e6                     # GFLOP/s
bandwidth = 8 * large.numel() / milliseconds(lambda: copied.copy_(large)) / 1e6      # GB/s

# %% [markdown]
# The picture that goes with it is the **roofline** of Williams and others (2009). Below the sloping part memory traffic is the limit, below the flat part arithmetic. The two meet at `peak / bandwidth`. On the H100 this corner lies further to the right, so there more operations are limited by memory.

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

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
h100 = results.load("bench_meta_gradient_conv4_cuda")
peaks, on_h100 = h100["details"]["peaks"], {row["method"]: row["values"]["1 step, ms"] for row in h100["rows"]}
assert 800 < intensity["convolution"] / intensity["ReLU"] < 1300
assert intensity["convolution"] > 100 and intensity["sine layer"] < 67_000 / 3_350
assert device.type != "cpu" or 67_000 / 3_350 > peak / bandwidth
assert round(peaks["float32"] / 1e12) == 52 and h100["details"]["flop"]["1 step"] / 1e9 > 169

# %% [markdown]
# The data sheet promises 67 TFLOP/s in float32. A large product reached 52 on the H100 that we used. Launch overhead, the third cost of notebook 09, is not in the picture. And the roof belongs to *these* sums: Winograd's method makes a 3×3 convolution with fewer multiplications, and rounded factors have a higher roof.

# %% [markdown]
# ## Memory
#
# ### Large arrays are slow to get
#
# In notebook 09, `vmap` made Conv4 slower on a CPU. First: what does `vmap` make of eight convolutions, each with weights of its own? A **grouped convolution**, the same call to the last bit:

# %%
x, w = torch.rand(8, 75, 32, 14, 14, device=device), torch.rand(8, 32, 32, 3, 3, device=device)
vmapped = torch.vmap(lambda x, w: F.conv2d(x, w, padding=1))(x, w)

all_channels = x.transpose(0, 1).reshape(75, 8 * 32, 14, 14)
grouped = F.conv2d(all_channels, w.reshape(8 * 32, 32, 3, 3), padding=1, groups=8)
grouped = grouped.reshape(75, 8, 32, 14, 14).transpose(0, 1)
print("the same to the last bit:", torch.equal(vmapped, grouped))

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert torch.allclose(vmapped, grouped, rtol=1e-5)
assert 8 * 50 * 32 * 28**2 * 4 > 40e6 > 32 * 2**20 and 50 * 32 * 28**2 * 4 < 5.1e6     # arrays of images

# %% [markdown]
# The convolutions are not what becomes slower. Look at the arrays instead. In the loop, one array of one task has 5 MB. The program gives it back, and the next operation gets the same memory again. Under `vmap` one array holds all eight tasks: 40 MB. Above 32 MB, Linux's memory allocator asks the system for each new array. The system clears it and hands it out in small pages, thousands for each array.
#
# The allocator can be told to keep its memory, by two variables of the environment when Python starts. Here are both programs, each in a fresh process:

# %%
PROGRAM = """
import time, numpy as np, torch
from mlcourse.fast import losses, maml, networks
from mlcourse.fast.arrays import tensors
from mlcourse.fast.episodes import Episodes
from mlcourse.tasks import glyphs
torch.set_num_threads(1)
network = networks.conv4(n_way=5, channels=32)
theta = tensors(network.init(np.random.default_rng(0)), device="cpu", dtype=torch.float32)
family = Episodes(glyphs.splits().train, n_way=5, k_shot=1, n_query=10, device="cpu")
tasks = family.sample(8, family.generator(2))
for batching in ("loop", "vmap"):
    times = []
    for _ in range(5):
        started = time.perf_counter()
        maml.meta_gradient(losses.cross_entropy(network), theta, tasks, inner_lr=0.4, batching=batching)
        times.append(time.perf_counter() - started)
    print(1e3 * min(times))
"""
KEEP = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000"}

# %% tags=["nbval-ignore-output"]
kept = {}
for how, variables in (("as usual", {}), ("memory kept", KEEP)):
    done = subprocess.run([sys.executable, "-c", PROGRAM], env={**os.environ, **variables},
                          capture_output=True, text=True, check=True)
    kept[how] = [float(line) for line in done.stdout.split()]
    print(f"{how:12} loop {kept[how][0]:4.0f} ms, vmap {kept[how][1]:4.0f} ms")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
if sys.platform == "linux":
    (loop, vmap), (kept_loop, kept_vmap) = kept.values()
    assert vmap > 1.3 * loop and vmap - kept_vmap > 0.5 * (vmap - loop), kept

# %% [markdown]
# On Linux `vmap` gets back most of what it lost to the loop. On a GPU, PyTorch keeps the memory itself.
#
# ### Does it fit?
#
# The first error on a GPU is usually not a wrong number. It is `CUDA out of memory`. Count before you start. 32 tasks of 80 pictures, 64 channels, 28×28 pixels and four bytes are **half a gigabyte for one array** of the first layer, and each layer has several. The nine neighbours of the second layer are **1.2 GB**. A backward pass needs them, so all stay until it is done. Second order also keeps those of the inner step's backward pass.
#
# `torch.cuda.max_memory_allocated()` says afterwards how much it was. If it is too much, take half of the tasks at a time and average the two gradients. Or take `convolution="direct"`, which needs no neighbours, or first order, which keeps less.

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert round(32 * 80 * 64 * 28**2 * 4 / 1e9, 1) == 0.5 and round(32 * 80 * 14**2 * 9 * 64 * 4 / 1e9, 1) == 1.2

# %% [markdown]
# ### Draw without repetition on the device
#
# A task needs 5 of 2,166 letters, each at most once. In Python that is a loop over tasks. On the device it is two operations: give every letter a random key, and take the five largest.

# %%
generator = torch.Generator(device).manual_seed(0)
keys = torch.rand(32, len(letters.train), generator=generator, device=device)
chosen = keys.topk(5, dim=-1).indices
print(chosen[:3].tolist())

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert chosen.shape == (32, 5) and all(len(set(row)) == 5 for row in chosen.tolist()) and len(letters.train) == 2166

# %% [markdown]
# ## Fewer bits
#
# A float32 has 23 bits behind the point of its *mantissa*: $1.b_1 b_2 \dots b_{23} \times 2^e$. Recent GPUs multiply matrices faster if the factors are first rounded: to 10 bits (TF32) or to 7 (bf16, bfloat16). The sums are still kept in float32. What does the rounding do to a meta-gradient? You can emulate it on any machine.

# %% [markdown]
# ### Exercise 9.3 ●●○○○ Round like a GPU
# *10 minutes. Why it matters: with it you can see on any machine what a GPU's rounding does to your gradient.*
#
# Write `rounded(x, bits)`: the nearest numbers with `bits` bits behind the leading 1 of the mantissa. `torch.frexp(x)` gives $m$ and $e$ with $x = m \cdot 2^e$ and $\frac12 \le |m| < 1$. `torch.ldexp(m, e)` puts them together again.

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
# To round to two decimal digits you would multiply by 100, `torch.round`, divide by 100. And where does the leading 1 stand in $m$?
#
# </details>
# <details><summary>Hint 2</summary>
#
# $m$ is $0.1b_1b_2\dots$ in binary: the leading 1 is the first digit behind the point, so keep `bits + 1` digits. In binary the 100 becomes `2 ** (bits + 1)`.
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

# %% [markdown]
# The course's version is folded here, so that the page runs on. The hardware rounds the factors of *every* product: forward, backward, and backward through the backward. A `TorchDispatchMode` reaches them all:

# %% tags=["setup", "hide-input"] jupyter={"source_hidden": true}
def my_rounded(x, bits):                                               # exercise 9.3
    mantissa, exponent = torch.frexp(x)
    steps = 2 ** (bits + 1)
    return torch.ldexp(torch.round(mantissa * steps) / steps, exponent)

# %%
from torch.utils._python_dispatch import TorchDispatchMode

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
# One product is off by a few parts in a hundred thousand. Now take a whole meta-gradient, and measure its distance from the one in float64. As a yardstick, we also take the meta-gradient of *other tasks* from the same $\theta$. It shows how much the direction varies from one meta-step to the next anyway.
#
# There are two networks. One is a narrow Conv4. In the other, smooth functions replace its ReLU and its max-pooling.

# %%
init = networks.conv4(n_way=5, channels=8).init

def narrow(gate, pool):
    def apply(p, x):
        for i in range(4):
            h = F.conv2d(x, p[f"w{i}"], p[f"b{i}"], padding=1)
            x = pool(gate(networks.batch_norm(h, p[f"scale{i}"], p[f"shift{i}"])), 2)
        return x.flatten(1) @ p["w4"] + p["b4"]
    return networks.Network(init, apply)

kinked, smooth = narrow(torch.relu, F.max_pool2d), narrow(F.softplus, F.avg_pool2d)

# %% tags=["hide-input"]
theta = tensors(init(np.random.default_rng(0)), device=device)
few = Episodes(letters.train, n_way=5, k_shot=1, n_query=3, device=device)

def gradient(network, tasks, dtype=torch.float32):
    """The meta-gradient as one long row of numbers."""
    parts = maml.meta_gradient(losses.cross_entropy(network), *tensors((theta, tasks), dtype=dtype),
                               inner_lr=0.4, batching="vmap")
    return torch.cat([parts[name].double().flatten() for name in sorted(parts)])

def off_by(network, generator):
    """For one draw of tasks: how far each gradient is from the true one, relative to its length."""
    tasks, other = few.sample(6, generator), few.sample(6, generator)
    true, found = gradient(network, tasks, torch.float64), {"float32": gradient(network, tasks)}
    for name, bits in (("TF32", 10), ("bf16", 7)):
        with Rounding(bits):
            found[name] = gradient(network, tasks)
    found["other tasks"] = gradient(network, other)
    return {name: float((g - true).norm() / true.norm()) for name, g in found.items()}

# %% [markdown]
# The course's helper `off_by` is folded here. It makes one draw of tasks, and returns the distances. We take the median of five draws, because they vary a lot.
#
# **Predict.** How far off is the meta-gradient with TF32: a ten-thousandth, a hundredth, or a tenth? And in which network is it more?

# %%
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
assert with_kinks["float32"] < 0.02 and 0.05 < with_kinks["TF32"] < 0.2 and 0.1 < with_kinks["bf16"] < 0.6
assert without["float32"] < 1e-4 and 2e-4 < without["TF32"] < 3e-3 and 2e-3 < without["bf16"] < 2e-2
assert 0.9 < with_kinks["other tasks"] < 1.5 and without["other tasks"] > 0.4
assert with_kinks["TF32"] > 30 * without["TF32"] and with_kinks["bf16"] > 10 * without["bf16"]
ran = [table["details"]["contenders"]["1 step"] for table in (h100, results.load("bench_meta_gradient_conv4"))]
distances = [how["distance"] for table in ran for name, how in table.items() if "distance" in how and "TF32" not in name]
assert round(100 * ran[0]["fast (matmul, CUDA graph), TF32"]["distance"]) == 2
assert 1e-6 < min(distances) < 1e-5 and 5e-5 < max(distances) < 2e-4, distances
assert round(100 * (1 - on_h100["fast (matmul, CUDA graph), TF32"] / on_h100["fast (matmul, CUDA graph)"])) == 13

# %% [markdown]
# **What you saw.** About a tenth in Conv4, and far less in the smooth network: compare the two rows. A small rounding error can switch a ReLU on or off, or change which pixel max-pooling takes. Then the gradient changes by a whole term. So two correct programs for Conv4 agree to about four to six digits in float32, and to fewer in an unlucky draw. To compare implementations, use float64.
#
# Does the tenth hurt? Look at the last column. The meta-gradient of other tasks differs from this one by about its whole length, in every step, and training works anyway. Random tasks average out over many steps. Do the switches average out too? Only the accuracy after training can tell. Four methods trained with TF32 on the H100 came out above the published numbers. A run in float32 for comparison is not measured yet (`--precision float32`). TF32 saved 13 % of a meta-gradient's time there, for an error of 2 % in one draw.
#
# PyTorch's `autocast` to bf16 also *stores* results in 7 bits. Here only factors are rounded, so that error is not in the table.

# %% [markdown]
# ## Several GPUs
#
# Tasks do not need each other. So each GPU takes a share of the meta-batch and computes the mean of *its* gradients, and then all take the mean of those means. A process with a GPU of its own is called a **rank**. All ranks hold the same $\theta$ and take the same step, so they go on holding the same $\theta$. Here are eight tasks on several ranks, simulated in one process:

# %%
sine_net = networks.mlp((1, 40, 40, 1))
sines = Sinusoids(k_shot=10, n_query=10).sample(8, np.random.default_rng(0))
sine_theta, sines = tensors((sine_net.init(np.random.default_rng(0)), sines), device="cpu", dtype=torch.float64)

def share(first, last):
    part = tree_map(lambda numbers: numbers[first:last], sines)
    found = maml.meta_gradient(losses.squared_error(sine_net), sine_theta, part, inner_lr=0.01)
    return torch.cat([found[name].flatten() for name in sorted(found)])

whole, off_with = share(0, 8), {}
for cuts in ((0, 2, 4, 6, 8), (0, 5, 8)):
    means = torch.stack([share(*ends) for ends in zip(cuts, cuts[1:])])
    off_with[cuts] = float((means.mean(dim=0) - whole).norm() / whole.norm())
    print(f"ranks with {np.diff(cuts)} tasks: off by {off_with[cuts]:.0e}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
equal, unequal = off_with.values()
assert equal < 1e-12 and 0.01 < unequal < 0.5
conv4_theta = networks.conv4(n_way=5, channels=64).init(np.random.default_rng(0))
assert 0.4e6 < 4 * sum(p.numel() for p in conv4_theta.values()) < 0.5e6 and len(conv4_theta) == 18

# %% [markdown]
# Equal shares are exact. Five and three are wrong, and no error is raised. The fast package of the course refuses a `meta_batch_size` that the ranks cannot share evenly. You can also repair the mean:

# %% [markdown]
# ### Exercise 9.4 ●●○○○ The mean over unequal ranks
# *8 minutes. Why it matters: a wrong mean over ranks still trains, at another rate or towards another goal.*
#
# Every rank sends you the mean of its gradients, and its number of tasks. Write `over_ranks`: the mean over **all tasks**. `gradients` is `(ranks, n)`; `n_tasks` is `(ranks,)`, integers.

# %% tags=["exercise"]
def over_ranks(gradients, n_tasks):
    """Return the mean gradient over all tasks, (n,)."""
    return ...

# %% tags=["check"]
checks.nb09.over_ranks(over_ranks)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# In a plain mean of five and three, each of the three tasks counts for more. A rank's mean times its number of tasks is the *sum* over its tasks. Sums can be added.
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
# `mlcourse/fast/distributed.py` does this with `torch.distributed`, and PyTorch's `torchrun` starts the ranks. One machine with four GPUs:
#
# ```bash
# torchrun --standalone --nproc-per-node 4 -m mlcourse reproduce omniglot --method maml --checkpoints runs
# ```
#
# For two machines, run the same line on each. The checkpoints lie in a folder that both can read, and the machines meet at any free port of one of them.
#
# ```bash
# torchrun --nnodes 2 --nproc-per-node 4 --rdzv-backend c10d --rdzv-id 1 --rdzv-endpoint NODE0:29500 \
#     -m mlcourse reproduce omniglot --method maml --checkpoints /shared/runs
# ```
#
# In each step one gradient travels, as long as $\theta$. For Conv4-64 that is half a megabyte, sent as *one* message and not as eighteen. If a rank is lost, the others end with a line that says how to go on from the checkpoint. How fast several GPUs are is not measured yet.

# %% [markdown]
# ## A loop of your own
#
# You want a loop of your own, with your own optimiser? Take the parts out of `training.train`. The whole update belongs *inside* the captured step, the draw of tasks outside:

# %%
from mlcourse.fast import adam
from mlcourse.fast.capture import capture

net = networks.conv4(n_way=5, channels=16, convolution=networks.convolution_for(device, per_task_weights=True))

def my_step(theta, moments, tasks):
    value, gradient = maml.meta_loss_and_gradient(losses.cross_entropy(net), theta, tasks, inner_lr=0.4)
    return *adam.update(theta, gradient, moments, lr=1e-2), value         # or your own, in tensors

my_step, way = capture(my_step, "auto", device=device)
theta = tensors(net.init(np.random.default_rng(0)), device=device, dtype=torch.float32)
moments, draws, values = adam.init(theta), few.generator(1), []
for _ in range(10):
    theta, moments, value = my_step(theta, moments, few.sample(4, draws))
    values.append(value)                                                  # kept on the device, not read
print(f"{way}: mean loss of ten steps {float(torch.stack(values).mean()):.2f}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert 1.2 < torch.stack(values).mean() < 2.2

# %% [markdown]
# A CUDA graph checks nothing. `CudaGraph` in `mlcourse/fast/capture.py` adds the checks: it refuses other shapes, and it copies the results out, because the next play overwrites them.

# %% [markdown]
# ## All tables
#
# These are the stored tables in full, each with the command, hardware and seeds that made it. A command trains on all of Omniglot, so fetch the data first with `python -m mlcourse data fetch omniglot`. `python data/results/build.py --device cuda` makes all tables, a few minutes at a time. Call it again until it says that all is done.

# %% tags=["hide-input"]
from IPython.display import Markdown, display

from mlcourse.experiments import omniglot_table

for title, name in (("One meta-gradient on two CPU cores", "bench_meta_gradient_conv4"),
                    ("One meta-gradient on an H100", "bench_meta_gradient_conv4_cuda")):
    display(Markdown(f"**{title}**\n\n{results.table(results.load(name))}"))
display(Markdown(f"**Omniglot, random split**\n\n{omniglot_table.summary(omniglot_table.runs())}"))

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
matching = results.load("omniglot/omniglot_random_matching_5w1s")
assert matching["hardware"]["gpu"] == "none" and "channels=32" in matching["command"]
assert matching["rows"][0]["values"]["accuracy, %"][0] < matching["rows"][0]["published"]["accuracy, %"] - 10
assert results.load("omniglot/omniglot_random_protonet_5w1s")["hardware"]["gpu"] != "none"
trained = [results.load(f"omniglot/omniglot_random_{name}_5w1s") for name in ("protonet", "maml", "fomaml", "reptile")]
above = [row["values"]["accuracy, %"][0] - np.ravel(row["published"]["accuracy, %"])[0]
         for stored in trained for row in stored["rows"] if "published" in row]
assert len(above) == 5 and min(above) > 0 and all("--precision tf32" in stored["command"] for stored in trained)

# %% [markdown]
# Matching Networks stand far below their published number: they had one short run on a CPU, with 32 channels. All other runs used the H100 and one seed.
#
# ## References
#
# - S. Williams, A. Waterman, D. Patterson, *Roofline: An Insightful Visual Performance Model for Multicore Architectures*, Communications of the ACM 52(4), 2009, [doi:10.1145/1498765.1498785](https://doi.org/10.1145/1498765.1498785): the picture with the roof.
# - P. Micikevicius and others, *Mixed Precision Training*, ICLR 2018, [arXiv:1710.03740](https://arxiv.org/abs/1710.03740): training with fewer bits.
# - NVIDIA, *H100 Tensor Core GPU*, [data sheet](https://www.nvidia.com/en-us/data-center/h100/): the promised 67 TFLOP/s (float32) and 3.35 TB/s of the SXM model.
