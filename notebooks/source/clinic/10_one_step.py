# %% [markdown]
# # Clinic 10
#
# We made this report up. Its numbers were computed by the program below it.
#
# > **An invented report.** *A quarter less error after one step.*
# >
# > From the trained start of notebook 00 we adapt to new sines with five support points, at the rate 0.005. Plain gradient descent is compared with a variant that goes through the support points in a row. We count steps, as adaptation curves do, and give both methods the same start, the same rate and the same 300 tasks.
# >
# > After one step plain gradient descent has a mean squared error of 0.96 ± 0.13, and our variant 0.72 ± 0.11. Task by task the difference is 0.24 ± 0.10. The ± is the 95 % interval over tasks. At the same number of steps, and so at the same price, the variant is clearly better.

# %% [markdown]
# ## What you have to check it with
#
# The program. `loss(params, x, y)` is the mean squared error of the network, and `grad` is that of notebook 04.

# %%
import numpy as np
from numpy.random import default_rng

from mlcourse import weights
from mlcourse.reference import losses, networks
from mlcourse.reference.autograd import grad
from mlcourse.tasks import Sinusoids, each

network = networks.mlp((1, 40, 40, 1))
loss = losses.squared_error(network)
start = weights.load("sinusoid_maml")
sines = Sinusoids(k_shot=5, n_query=50)


def moved(phi, gradient):
    return {name: phi[name] - 0.005 * gradient[name] for name in phi}


def plain(loss, phi, support, steps):
    """Return the parameters after so many steps."""
    for _ in range(steps):
        phi = moved(phi, grad(loss)(phi, support.x, support.y))
    return phi


def in_a_row(loss, phi, support, steps):
    """Return the parameters after so many steps."""
    for _ in range(steps):
        for i in range(len(support.x)):
            phi = moved(phi, grad(loss)(phi, support.x[i : i + 1], support.y[i : i + 1]))
    return phi


def errors(adapt, steps):
    tasks = each(sines.sample(300, default_rng(0)))
    return np.array([float(loss(adapt(loss, start, task.support, steps), *task.query)) for task in tasks])


def with_half(scores):
    return scores.mean(), 1.96 * scores.std(ddof=1) / np.sqrt(len(scores))


one_plain, one_in_a_row = errors(plain, 1), errors(in_a_row, 1)
print("plain    {:.2f} ± {:.2f}".format(*with_half(one_plain)))
print("in a row {:.2f} ± {:.2f}".format(*with_half(one_in_a_row)))
print("plain minus in a row {:.2f} ± {:.2f}".format(*with_half(one_plain - one_in_a_row)))

# %% [markdown]
# ## The question (10 points)
#
# The report has one real flaw, which makes its conclusion worth less than it says. Reading is not enough: show it by a test.
#
# 1. Name the flaw in one sentence (3 points).
# 2. Write `exposes(adapt)`. It takes a function with the arguments of `plain`, which adapts by gradient steps. It returns `True` if the method has this flaw, and `False` if it has not. Both must be found by running or computing something (5 points).
# 3. Say in one sentence what may still be claimed (2 points).

# %% tags=["key"]
flaw = "One step of the variant is a pass over the five points, with five updates of the parameters. It is compared with one update."
still = "One pass in a row does better than one update with the mean of all points. With five updates each, plain gradient descent does better."
points = {
    "says that a step of the variant holds five updates": 3,
    "a test that counts updates or gradients, such as a loss that counts its calls, and is False for plain descent": 5,
    "what may still be claimed": 2,
}


def exposes(adapt):
    calls = []

    def counted(params, x, y):
        calls.append(len(x))
        return loss(params, x, y)

    adapt(counted, start, next(each(sines.sample(1, default_rng(1)))).support, 1)
    return len(calls) > 1


flawed, sound = in_a_row, plain
stated = {
    f"{n:.2f}" for scores in (one_plain, one_in_a_row, one_plain - one_in_a_row) for n in with_half(scores)
} | {"00", "0.005", "300", "95"}
assert exposes(flawed) and not exposes(sound)
assert abs(one_in_a_row.mean() / one_plain.mean() - 0.75) < 0.03, "a quarter less"
middle, half = with_half(one_in_a_row - errors(plain, 5))
assert middle - half > 0, "with five updates each, plain gradient descent is better"
