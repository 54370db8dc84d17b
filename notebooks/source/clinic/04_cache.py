# %% [markdown]
# # Clinic 04
#
# We made this report up. Its numbers were computed by the program below it.
#
# > **An invented report.** *Cheaper answers.*
# >
# > A service gets a support set and one query at a time, and answers by nearest class mean. Most of the price is the embedding of images, so we keep the class means of earlier calls in memory and use them again. We tested the service on a task of five classes with five examples and five queries of each. It answered 25 queries, one at a time.
# >
# > Without the memory the service embeds 650 images, with it 50. All 25 answers are the same, and 17 of them are right in both cases. We now use the memory for all customers.

# %% [markdown]
# ## What you have to check it with
#
# The program. The embedding is the pixels themselves, so that you can see what happens; it counts what it embeds.

# %%
import numpy as np
from numpy.random import default_rng

from mlcourse.tasks import glyphs, one
from mlcourse.tasks.images import Episodes

family = Episodes(glyphs.splits().test, n_way=5, k_shot=5, n_query=5)
embedded = {"images": 0}


def embed(x):
    embedded["images"] += len(x)
    return np.asarray(x, dtype=float).reshape(len(x), -1)


def means(support):
    points = embed(support.x)
    return np.stack([points[support.y == label].mean(axis=0) for label in range(5)])


def without_memory():
    """Return a service: (support, query_x) -> labels."""
    return lambda support, query_x: nearest(means(support), query_x)


def with_memory():
    """Return a service that keeps the means of earlier calls."""
    kept = {}

    def service(support, query_x):
        key = support.y.tobytes()
        if key not in kept:
            kept[key] = means(support)
        return nearest(kept[key], query_x)

    return service


def nearest(centres, query_x):
    return ((embed(query_x)[:, None] - centres) ** 2).sum(axis=-1).argmin(axis=1)


def one_at_a_time(service, task):
    before = embedded["images"]
    answers = np.concatenate([service(task.support, x[None]) for x in task.query.x])
    return answers, embedded["images"] - before


task = one(family.sample(1, default_rng(3)), 0)
(slow, price), (quick, low_price) = (one_at_a_time(make(), task) for make in (without_memory, with_memory))
print(f"images embedded: {price} and {low_price}; answers alike: {np.sum(slow == quick)} of {len(slow)}")
print(f"right: {np.sum(slow == task.query.y)} and {np.sum(quick == task.query.y)}")

# %% [markdown]
# ## The question (10 points)
#
# The report has one real flaw, which makes its conclusion worth less than it says. Reading is not enough: show it by a test.
#
# 1. Name the flaw in one sentence (3 points).
# 2. Write `exposes(make)`. It takes a function without arguments that returns a new service, such as `with_memory`. It returns `True` if the service has this flaw, and `False` if it has not. Both must be found by running or computing something (5 points).
# 3. Say in one sentence what may still be claimed (2 points).

# %% tags=["key"]
flaw = "The memory is looked up by the support labels alone. A second task with the same labels is answered with the class means of the first."
still = "For many queries of one and the same support set the answers are right, and cheaper."
points = {
    "says that the key does not depend on the support images, or that the second task gets the means of the first": 3,
    "a test that gives one service two support sets, compares with a fresh one, and is False for a sound memory": 5,
    "what may still be claimed": 2,
}


def with_a_whole_key():
    kept = {}

    def service(support, query_x):
        key = support.x.tobytes() + support.y.tobytes()
        if key not in kept:
            kept[key] = means(support)
        return nearest(kept[key], query_x)

    return service


def exposes(make):
    first, second = (one(family.sample(2, default_rng(4)), i) for i in range(2))
    used, fresh = make(), without_memory()
    used(first.support, first.query.x)
    return bool(np.any(used(second.support, second.query.x) != fresh(second.support, second.query.x)))


flawed, sound = with_memory, with_a_whole_key
stated = {str(price), str(low_price), str(np.sum(slow == task.query.y)), "25"}
assert np.array_equal(slow, quick) and len(slow) == 25 and 2 * low_price < price
assert exposes(flawed) and not exposes(sound) and not exposes(without_memory)
