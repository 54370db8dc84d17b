# %% [markdown]
# # Clinic 05
#
# We made this report up. Its numbers were computed by the program below it.
#
# > **An invented report.** *No need for meta-learning.*
# >
# > Our customers bring tasks of different size: regression on a sine with few or many labels. We compare one gradient step from the trained start of notebook 00 with ridge regression on random features, which needs no training. Of 250 customers, 200 bring 15 labels and ask for 5 predictions, and 50 bring 50 labels and ask for 500 predictions.
# >
# > The mean squared error of all 26,000 predictions is 0.14 for the trained start and 0.09 for ridge regression. Both met the same tasks, and the settings of both were chosen on other tasks. So the next customer is served better by ridge regression.

# %% [markdown]
# ## What you have to check it with
#
# The program, and the squared errors of every customer: two lists of arrays, one array for each customer, in the same order.

# %%
import numpy as np
from numpy.random import default_rng

from mlcourse import baselines, weights
from mlcourse.reference import losses, networks
from mlcourse.reference.learners import GradientLearner
from mlcourse.tasks import Sinusoids, each

network = networks.mlp((1, 40, 40, 1))
random_params = network.init(default_rng(0))


def random_features(x):
    h = np.maximum(x @ random_params["w0"] + random_params["b0"], 0)
    return np.maximum(h @ random_params["w1"] + random_params["b1"], 0)


trained = GradientLearner(
    network, losses.squared_error(network), weights.load("sinusoid_maml"), 0.01, inner_steps=1
)
ridge = baselines.linear_probe(0.001, random_features)
customers = [
    task
    for n_customers, labels, asked in ((200, 15, 5), (50, 50, 500))
    for task in each(Sinusoids(k_shot=labels, n_query=asked).sample(n_customers, default_rng(labels)))
]
errors = {
    name: [((learner(task.support, task.query.x) - task.query.y) ** 2).ravel() for task in customers]
    for name, learner in {"trained start": trained, "ridge regression": ridge}.items()
}


def their_summary(errors):
    """One number for a method: the mean of all its squared errors. errors: a list of arrays, one a customer."""
    return np.concatenate(errors).mean()


for name, of_customers in errors.items():
    print(f"{name:17} {their_summary(of_customers):.2f} ({sum(map(len, of_customers)):,} predictions)")

# %% [markdown]
# ## The question (10 points)
#
# The report has one real flaw, which makes its conclusion worth less than it says. Reading is not enough: show it by a test.
#
# 1. Name the flaw in one sentence (3 points).
# 2. Write `exposes(summary)`. It takes a function from a list of arrays of errors to one number, as `their_summary` is. It returns `True` if the summary has this flaw, and `False` if it has not. Both must be found by running or computing something (5 points).
# 3. Say in one sentence what may still be claimed (2 points).

# %% tags=["key"]
flaw = "The mean is taken over predictions, so a customer with 500 of them counts 100 times as much as one with 5. The claim is about the next customer: it needs the mean over customers."
still = (
    "The next *prediction*, if customers go on asking in these proportions, is served better by ridge regression."
)
points = {
    "says that large tasks count more, or that a mean over tasks was needed": 3,
    "a test that shows the weight of large tasks, such as repeating one customer's errors, and is False for a mean of means": 5,
    "what may still be claimed": 2,
}


def over_customers(errors):
    return np.mean([of_one.mean() for of_one in errors])


def exposes(summary):
    errors = [np.array([0.0]), np.array([1.0])]
    more_of_one = [np.array([0.0]), np.array([1.0, 1.0, 1.0])]  # the second customer asks the same three times
    return bool(not np.isclose(summary(errors), summary(more_of_one)))


flawed, sound = their_summary, over_customers
stated = {f"{their_summary(of_customers):.2f}" for of_customers in errors.values()}
stated |= {"00", "250", "200", "15", "5", "50", "500", "26,000"}
assert sum(map(len, errors["ridge regression"])) == 26_000 and len(customers) == 250
assert exposes(flawed) and not exposes(sound)
by_customer = {name: over_customers(of_customers) for name, of_customers in errors.items()}
assert their_summary(errors["ridge regression"]) < their_summary(errors["trained start"])
assert by_customer["ridge regression"] > by_customer["trained start"] + 0.2, by_customer
