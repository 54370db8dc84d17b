# %% [markdown]
# # A clinic on half the operations
#
# You get a short report on a recorded meta-step that sends half as many operations. One real flaw makes it useless for training. You write the test that shows it.

# %% [markdown]
# ## Before you start
#
# | | |
# | --- | --- |
# | **It gives you** | a test for steps that were recorded, compiled or cached |
# | **You will be able to** | say whether a faster step still computes the same |
# | **You need** | [09](09_the_same_lines_on_a_gpu.ipynb) (record once, play back) |
# | **Time** | 5 minutes to read, 12 for the exercises, about 5 seconds to run |
# | **Skip it if** | you never compare a fast step with a slow one on the arguments of the recording |

# %% tags=["setup"]
import time

import numpy as np
import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._python_dispatch import TorchDispatchMode

from mlcourse.fast import losses, maml, networks
from mlcourse.fast.arrays import tensors
from mlcourse.lessons import checks
from mlcourse.tasks import Examples, Sinusoids

torch.set_num_threads(1)

# %% [markdown]
# ## The report
#
# We made this report up. All its numbers were computed by the program below it.
#
# > **An invented report.** *Recording halves the work of first-order MAML.*
# >
# > We train a network with two hidden layers of 40 units by first-order MAML: 25 sines in a meta-batch, ten support points and ten queries each, one inner step, `vmap` over the tasks. A plain meta-step sends 167 operations to the processor. We record the step by `make_fx` and play it back. The inner loop needs no derivative in first-order MAML, so we keep it out of the recorded part.
# >
# > | | operations in one meta-step | largest difference |
# > | --- | --- | --- |
# > | plain | 167 | – |
# > | recorded | 85 | 0 |
# >
# > The third column compares the two meta-gradients on the parameters and tasks of the recording, in float64. They agree to the last digit. One meta-step takes less than half the time on one core; we timed the fastest of 50 calls after the first. We recommend the recording for all trainings by first-order MAML.

# %% [markdown]
# ## What you have to check it with
#
# The program. `draw(seed)` makes parameters and tasks, and the recording was made with those of seed 0.

# %% tags=["setup"]
network = networks.mlp((1, 40, 40, 1))
loss = losses.squared_error(network)

def draw(seed):
    rng = np.random.default_rng(seed)
    return tensors(network.init(rng)), tensors(Sinusoids(k_shot=10, n_query=10).sample(25, rng))

def inner(theta, support):
    """Adapt to each task: φ with a task axis in front."""
    def one_task(x, y):
        return maml.adapt(loss, theta, Examples(x, y), inner_lr=0.01, first_order=True)
    return torch.vmap(one_task)(*support)

def outer(phi, query):
    gradients = torch.vmap(torch.func.grad(loss))(phi, *query)      # at each φ
    return {name: gradient.mean(dim=0) for name, gradient in gradients.items()}

def plain_step(theta, tasks):
    """Return the first-order meta-gradient, a dict like theta."""
    return outer(inner(theta, tasks.support), tasks.query)

def record(theta, tasks):
    """Return the recorded step of the report: it takes theta and tasks, as plain_step does."""
    phi = inner(theta, tasks.support)                               # kept out of the recording
    return make_fx(lambda theta, tasks: outer(phi, tasks.query))(theta, tasks)

recorded_step = record(*draw(0))

# %% tags=["hide-input"] jupyter={"source_hidden": true}
class Operations(TorchDispatchMode):
    """Count what is sent to the processor."""

    def __init__(self):
        super().__init__()
        self.number = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.number += 1
        return function(*args, **(kwargs or {}))

def operations(step):
    with Operations() as sent:
        step(theta, tasks)
    return sent.number

def milliseconds(step):
    times = []
    for _ in range(51):
        started = time.perf_counter()
        step(theta, tasks)
        times.append(1e3 * (time.perf_counter() - started))
    return min(times[1:])

# %% tags=["nbval-ignore-output"]
theta, tasks = draw(0)
plain, recorded = plain_step(theta, tasks), recorded_step(theta, tasks)
difference = max(float((plain[name] - recorded[name]).abs().max()) for name in theta)
sent = {step: operations(run) for step, run in {"plain": plain_step, "recorded": recorded_step}.items()}
took = {step: milliseconds(run) for step, run in {"plain": plain_step, "recorded": recorded_step}.items()}
for step in sent:
    print(f"{step:9} {sent[step]} operations, {took[step]:.2f} ms")
print("largest difference on the arguments of the recording:", difference)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert difference == 0.0
if torch.__version__.startswith("2.13."):
    assert sent == {"plain": 167, "recorded": 85}, sent
assert took["recorded"] < 0.5 * took["plain"], took

# %% [markdown]
# Everything in the table is true. So what does the table not say? A training calls the step thousands of times, with other parameters and other tasks each time.

# %% [markdown]
# ### Exercise 9.6 ●●●○○ Does it follow its inputs?
# *12 minutes. Why it matters: a wrong recording raises no error, and is always right where it was made.*
#
# Write `largest_difference(recorded, plain, draw)`. For the seeds 1, 2 and 3 take `theta, tasks = draw(seed)` and run both steps, which return dicts of tensors. In each dict take the largest absolute difference of any entry. Divide it by the largest absolute entry of the plain result. Return the largest of the three numbers, as a float.

# %% tags=["exercise"]
def largest_difference(recorded, plain, draw):
    """Return how far the recorded step is off on new inputs, relative to the plain one."""
    return ...

# %% tags=["check"]
checks.nb09.largest_difference(largest_difference)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# Both steps must get the same new parameters *and* the same new tasks. What they return has the keys of `theta`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `float((got[name] - want[name]).abs().max())` is the difference in one tensor. Take the maximum over the names, then over the seeds.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def largest_difference(recorded, plain, draw):
#     found = []
#     for seed in (1, 2, 3):
#         theta, tasks = draw(seed)
#         got, want = recorded(theta, tasks), plain(theta, tasks)
#         apart = max(float((got[name] - want[name]).abs().max()) for name in want)
#         size = max(float(want[name].abs().max()) for name in want)
#         found.append(apart / size)
#     return max(found)
# ```
#
# The package holds every recording to the step itself in this way, on tasks other than those of the recording.
#
# </details>

# %% [markdown]
# ## What the test says
#
# The course's version is folded here. It tests their recording, and one with the inner loop inside.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
whole_step = make_fx(plain_step)(*draw(0))

def off_by(step, where):
    """How far a step is off, relative, with the parameters and the tasks of two seeds."""
    theta, tasks = draw(where[0])[0], draw(where[1])[1]
    got, want = step(theta, tasks), plain_step(theta, tasks)
    size = max(float(part.abs().max()) for part in want.values())
    return max(float((got[name] - want[name]).abs().max()) for name in want) / size

new_inputs = {"their recording": recorded_step, "all of it recorded": whole_step}
found = {name: max(off_by(step, (seed, seed)) for seed in (1, 2, 3)) for name, step in new_inputs.items()}
for name, off in found.items():
    print(f"{name:18} off by {off:.0%} on new inputs, {operations(new_inputs[name])} operations")
print(f"their recording, new tasks and old parameters: off by {off_by(recorded_step, (0, 1)):.0%}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert found["all of it recorded"] < 1e-9 and found["their recording"] > 2, found
assert milliseconds(whole_step) < took["plain"]
assert operations(whole_step) == sent["plain"] and off_by(recorded_step, (0, 1)) > 0.1

# %% [markdown]
# On new inputs their recording is off by more than twice the largest entry of the gradient. The adapted φ went into the recording as a constant. So each later step takes the gradient at the φ of the *first* step, for the tasks of the first step. What it saves is the inner loop.
#
# The inner loop needs no derivative, but it still has to *run*. A recording of the whole step is right. It sends all 167 operations, and still takes less time than the plain step. What may still be claimed? Nothing about the training. Compare a fast step with a slow one on inputs that the fast one has not met.
