# %% [markdown]
# # Problem set 4: a task family of your own
#
# You invent a family of tasks, with a reason for it, and find out what meta-learning can win there: the best possible error, the smallest error without adaptation, and where a learner of yours stands between them.
#
# | | |
# | --- | --- |
# | **You need** | [01](../../01_what_is_a_task.ipynb) (tasks, families, splits), [02](../../02_why_ordinary_learning_fails.ipynb) (the floor, the exact answer) and [03](../../03_measuring_adaptation.ipynb) (intervals, pairs, leaks). A method for question 4 is in [05](../../05_maml_from_zero.ipynb), [06](../../06_first_order_and_reptile.ipynb) or on this page. |
# | **Time** | about 6 hours: 75 + 40 + 85 + 90 + 40 + 35 minutes for the six questions |
# | **Points** | 100: the contract 30, what a task is 15, floor and exact answer 15, an experiment 20, a failure 10, a picture 10 |
#
# **How it is graded.** Question 1 is judged by checks. They know nothing of your family: they ask for what every family must keep. The part that you see teaches. "Run All" stops at the first open item, so run the cells one by one. When your work is graded, a second part draws tasks with fresh generators. Questions 2 to 6 are read by a person, by the printed criteria. Put your code for them into cells that you add above each answer, and leave their outputs in place. Your own constants and helper functions may stand in the answer cells of question 1, too. In this set no data come from your id: the family is your own. While your set is graded, a cell may compute for 20 seconds, and one call of a function for 10. When you are done, save the notebook and hand it in where your course says.
#
# **Rules.** The family must not be one of the course's: no plain sines, no letters, and no rings, which are in [08](../../08_prototypical_networks.ipynb). You may talk to others, and you may use a language model as a tutor. Say so at the end of question 6, with one sentence on what for. What you hand in must be your own: you should be able to explain each line, and why your family has the shape that it has.

# %% tags=["yours"]
STUDENT = ""  # the id that your course knows you by

# %% tags=["setup"]
import numpy as np

from mlcourse.assignments import item
from mlcourse.tasks import Examples, Task

def seen_before(support_x, query_x):
    """Whether a support point (T, S, d) is among the query points (T, Q, d) of its task.

    Points that differ by rounding only are the same.
    """
    support_x, query_x = np.asarray(support_x), np.asarray(query_x)
    rounding = 1e-12 * np.abs(query_x).max()
    return any(
        (np.abs(query_x - support_x[:, [place]]) <= rounding).all(axis=-1).any()
        for place in range(support_x.shape[1])
    )

# %% [markdown]
# ## Question 1 · The contract (30 points, 75 minutes)
#
# Think of something that happens again and again with different numbers: a cup that cools, a road that a car brakes on, a patient who takes a drug. One of these is a task. Some numbers, its **parameters**, tell it from the others. A learner never gets them. It gets a few measurements.
#
# You write the family in four pieces. All of them take the number of tasks `T` first, and all their chance comes from `rng`: the same state of `rng` gives the same result.
#
# **1a. The tasks (8 points).** `draw` returns the parameters of `n_tasks` tasks, one row for each task. At least one parameter is continuous, so that no task is ever drawn twice. Then tasks from another generator are new: meta-train and meta-test share none.

# %% tags=["answer"] item="tasks"
def draw(n_tasks, rng):
    """Return the parameters of n_tasks tasks: floats (n_tasks, p), with p from 1 to 20."""
    ### BEGIN SOLUTION
    middle = rng.uniform(-2, 2, n_tasks)          # log10 of the dose with half of the effect
    steepness = rng.uniform(0.6, 2.5, n_tasks)    # Hill's coefficient
    top = rng.uniform(0.5, 1.5, n_tasks)          # the effect of a very large dose
    return np.stack([middle, steepness, top], axis=1)
    ### END SOLUTION

# %% tags=["test"] item="tasks" points=8
def parameters_fault(parameters, n_tasks):
    """What is wrong with the form of some parameters, or None."""
    parameters = np.asarray(parameters)
    if (
        parameters.ndim != 2
        or len(parameters) != n_tasks
        or not 1 <= parameters.shape[1] <= 20
    ):
        return (
            f"the parameters of {n_tasks} tasks have the shape {parameters.shape}: "
            f"({n_tasks}, p) is right, one row for each task"
        )
    if parameters.dtype.kind != "f" or not np.isfinite(parameters).all():
        return "parameters should be finite floats"
    return None

def shared_fault(train, test):
    """What is wrong with the tasks of two generators, (n_tasks, p) each, or None."""
    if np.array_equal(train, test):
        return (
            "different generators gave the same tasks: meta-test would be meta-train. "
            "Take all chance from `rng`"
        )
    if len(np.unique(train, axis=0)) < len(train):
        return "a task was drawn twice in one batch: make at least one parameter continuous"
    if len(np.unique(np.concatenate([train, test]), axis=0)) < len(train) + len(test):
        return "meta-train and meta-test share tasks: make at least one parameter continuous"
    return None

@item("tasks", "draw")
def _(draw):
    for n_tasks in (1, 7):
        yield parameters_fault(draw(n_tasks, np.random.default_rng(1)), n_tasks)
    one, other = (draw(7, np.random.default_rng(2)) for _ in range(2))
    if not np.array_equal(one, other):
        yield "the same state of `rng` gave different tasks: take all chance from `rng`"
    train, test = (draw(300, np.random.default_rng(seed)) for seed in (3, 4))
    for parameters in (train, test):
        yield parameters_fault(parameters, 300)
    yield shared_fault(train, test)

### BEGIN HIDDEN TESTS
@item("tasks", "draw", hidden=True)
def _(draw, rng):
    seeds = rng.integers(2**62, size=2)
    train, again, test = (draw(400, np.random.default_rng(seed)) for seed in (seeds[0], seeds[0], seeds[1]))
    yield parameters_fault(draw(1, np.random.default_rng(seeds[0])), 1)
    for parameters in (train, test):
        yield parameters_fault(parameters, 400)
    if not np.array_equal(train, again):
        yield "the same state of `rng` gave different tasks: take all chance from `rng`"
    yield shared_fault(train, test)
### END HIDDEN TESTS

# %% [markdown]
# **1b. The points (7 points).** `inputs` says where a task is measured: `S` support points and `Q` query points for each task, with `d` numbers each. The sizes are always the same: `S` from 3 to 20, `Q` from 10 to 100, `d` from 1 to 4. No query point of a task is one of its support points. Why this matters: a learner has already seen the support values.

# %% tags=["answer"] item="points"
def inputs(n_tasks, rng):
    """Return (support_x, query_x): floats (n_tasks, S, d) and (n_tasks, Q, d)."""
    ### BEGIN SOLUTION
    x = rng.uniform(-3, 3, (n_tasks, 25, 1))      # log10 of the dose
    return x[:, :5], x[:, 5:]
    ### END SOLUTION

# %% tags=["test"] item="points" points=7
def points_fault(points, n_tasks):
    """What is wrong with the points of some tasks, or None."""
    if not isinstance(points, tuple | list) or len(points) != 2:
        return "`inputs` should return two arrays, support_x and query_x"
    support, query = map(np.asarray, points)
    if (
        support.ndim != 3
        or query.ndim != 3
        or len(support) != n_tasks
        or len(query) != n_tasks
    ):
        return (
            f"for {n_tasks} tasks the shapes are {support.shape} and {query.shape}: three "
            "axes are right, tasks, points, d"
        )
    (_, s, d), (_, q, as_wide) = support.shape, query.shape
    if d != as_wide or not 1 <= d <= 4:
        return "the last axis should be the same in both, and have 1 to 4 numbers"
    if not 3 <= s <= 20 or not 10 <= q <= 100:
        return f"there are {s} support and {q} query points: 3 to 20, and 10 to 100, are right"
    if (
        support.dtype.kind != "f"
        or query.dtype.kind != "f"
        or not np.isfinite(np.concatenate([support, query], axis=1)).all()
    ):
        return "points should be finite floats"
    if seen_before(support, query):
        return (
            "a support point is among the queries of its task: the learner has already seen it"
        )
    return None

def sizes(points):
    """((S, d), (Q, d)) of support_x and query_x."""
    return tuple(np.shape(part)[1:] for part in points)

def points_faults(inputs, seeds):
    """What is wrong with batches of several sizes, one for each seed."""
    found = set()
    for n_tasks, seed in zip((1, 2, 3, 40, 300), seeds, strict=True):
        points, again = (inputs(n_tasks, np.random.default_rng(seed)) for _ in range(2))
        yield points_fault(points, n_tasks)
        if not all(map(np.array_equal, points, again)):
            yield "the same state of `rng` gave different points: take all chance from `rng`"
        found.add(sizes(points))
    if len(found) > 1:
        yield "the sizes change from call to call: S, Q and d should always be the same"

@item("points", "inputs")
def _(inputs):
    yield from points_faults(inputs, range(5))

### BEGIN HIDDEN TESTS
@item("points", "inputs", hidden=True)
def _(inputs, rng):
    yield from points_faults(inputs, rng.integers(2**62, size=5))
### END HIDDEN TESTS

# %% [markdown]
# **1c. The values (7 points).** `outputs` says what is measured: one number for each point, noise included if there is any. A value depends on the parameters of *its* task, on *its* point, and on noise. Apart from the draw of the noise, it does not depend on which other points or tasks stand in the arrays: the same function is asked for the support set and for the query set.

# %% tags=["answer"] item="values"
def outputs(parameters, x, rng):
    """Return the values (T, n, 1) of T tasks.

    parameters: (T, p). x: the points, (T, n, d).
    """
    ### BEGIN SOLUTION
    middle, steepness, top = parameters.T[:, :, None, None]             # each (T, 1, 1)
    y = top / (1 + 10 ** (-steepness * (x - middle)))
    return y + rng.normal(0, 0.05, y.shape)
    ### END SOLUTION

# %% tags=["test"] item="values" points=7
def values_fault(y, n_tasks, n):
    """What is wrong with the form of some values, or None."""
    y = np.asarray(y)
    if y.shape != (n_tasks, n, 1):
        return (
            f"the values of {n_tasks} tasks at {n} points have the shape {y.shape}: "
            f"({n_tasks}, {n}, 1) is right"
        )
    if y.dtype.kind != "f" or not np.isfinite(y).all():
        return "values should be finite floats"
    return None

def values_faults(draw, inputs, outputs, seeds):
    """What is wrong with the values of 200 tasks; seeds: of the five draws that are made."""

    def values(parameters, x, number):
        y = outputs(parameters, x, np.random.default_rng(seeds[number]))
        if fault := values_fault(y, *x.shape[:2]):
            raise ValueError(fault)
        return np.asarray(y)

    parameters = np.asarray(draw(200, np.random.default_rng(seeds[0])))
    x = np.asarray(inputs(200, np.random.default_rng(seeds[1]))[1])  # 10 or more points each
    if parameters.size > 200 * 100 or x.size > 200 * 1000 or x.ndim != 3:
        yield (
            f"for 200 tasks `draw` gives {parameters.shape} and `inputs` queries {x.shape}: "
            "mend 1a and 1b first"
        )
    y = outputs(parameters, x, np.random.default_rng(seeds[2]))
    yield values_fault(y, 200, x.shape[1])
    sizes = np.abs(values(parameters, x, 2)).max(axis=(1, 2))
    parameters, x = (np.roll(part, -sizes.argmin(), axis=0) for part in (parameters, x))
    y = values(parameters, x, 2)  # now the task with the smallest values is the first
    if not np.array_equal(y, values(parameters, x, 2)):
        yield "the same state of `rng` gave different values: take all chance from `rng`"
    others = parameters.copy()
    others[1:] = others[0]
    with_others = values(others, x, 2)
    if np.allclose(y, with_others):
        yield "the parameters change nothing: all tasks are the same"
    if not np.allclose(y[0], with_others[0], rtol=1e-6, atol=1e-9 * np.std(y)):
        yield (
            "a value depends on the other tasks of the batch, as when it is scaled by their "
            "mean or maximum"
        )
    noise = np.mean((y - values(parameters, x, 3)) ** 2)
    alone = np.concatenate([values(parameters, x[:, [i]], 4) for i in range(5)], axis=1)
    if np.mean((y[:, :5] - alone) ** 2) > 3 * noise + 1e-9 * np.var(y):
        yield (
            "a value depends on the other points of its set, or on noise that is not from "
            "`rng`: then support and query ask different functions"
        )

@item("values", "draw", "inputs", "outputs")
def _(draw, inputs, outputs):
    for n_tasks in (1, 7):
        parameters = np.asarray(draw(7, np.random.default_rng(1)))[:n_tasks]
        for x in (np.asarray(part)[:n_tasks] for part in inputs(7, np.random.default_rng(2))):
            y = outputs(parameters, x, np.random.default_rng(3))
            yield values_fault(y, n_tasks, np.shape(x)[1])
    yield from values_faults(draw, inputs, outputs, range(5))

### BEGIN HIDDEN TESTS
@item("values", "draw", "inputs", "outputs", hidden=True)
def _(draw, inputs, outputs, rng):
    yield from values_faults(draw, inputs, outputs, rng.integers(2**62, size=5))
### END HIDDEN TESTS

# %% [markdown]
# **1d. The family (8 points).** Put the pieces together: `sample` returns a `Task` with the task axis in front. Then it goes into a contest. Two learners get the same 60 fixed features of $x$ and practise on 300 tasks from your `sample`. On 300 others,
#
# - *pooled* predicts from $x$ alone, by one linear model for all tasks;
# - *adapted* learns in practice how the weights differ from task to task, and lets the support set choose among the weights, by Bayes' rule. It has one setting, the size of the noise, and tries five.
#
# `contest(sample(300, one_rng), sample(300, another_rng))` returns the errors of both. You pass if adapted has an error at least 5 % below that of pooled. Its error must also be 10 % below its own error with the support sets of other tasks. In both comparisons the 95 % interval of the difference must not reach zero. If your family fails, look at it: does the support set say anything about the query set? Is the noise larger than the differences? Or do the curves turn more often than 60 smooth features can follow?

# %% tags=["setup"]
def all_points(tasks):
    """x (T, S + Q, d) and y (T, S + Q, 1): support and query points of each task together."""
    return tuple(np.concatenate(parts, axis=1) for parts in zip(*tasks, strict=True))

def smooth_features(x, n=60):
    """Return a function from points (…, d) to fixed features (…, n + 1).

    x (T, N, d): all points of practice; they set the scale.
    """
    low, high = x.min(axis=(0, 1)), x.max(axis=(0, 1))
    rng = np.random.default_rng(0)
    slopes, shifts = rng.normal(0, 8, (x.shape[-1], n)), rng.uniform(-8, 8, n)

    def features(x):
        z = 2 * (x - low) / np.maximum(high - low, 1e-12) - 1  # from -1 to 1
        waves = np.tanh(z @ slopes + shifts)
        return np.concatenate([np.ones((*z.shape[:-1], 1)), waves], axis=-1) / np.sqrt(n + 1)

    return features

def ridge(phi, y, strength):
    """Ridge regression: weights (…, F, 1) from features (…, N, F) and values (…, N, 1)."""
    turned = phi.swapaxes(-1, -2)
    return np.linalg.solve(turned @ phi + strength * np.eye(phi.shape[-1]), turned @ y)

def learned_prior(phi, y):
    """Return (shared, spread) from practice tasks with features phi (T, N, F) and y (T, N, 1).

    shared (F, 1): the weights of one model for all tasks.
    spread (F, F): second moments of the differences of single tasks' weights from these.
    """
    shared = ridge(phi.reshape(-1, phi.shape[-1]), y.reshape(-1, 1), 1e-3)  # one model for all
    own = ridge(phi, y - phi @ shared, 1e-2)[..., 0]  # how each task differs
    return shared, own.T @ own / len(own)

def predictor(practice):
    """Learn from practice tasks. Return predict(support, query_x, noise) -> (adapted, pooled).

    Both are values (T, Q, 1). noise is a share of the spread of all practice values.
    """
    x, y = all_points(practice)
    features = smooth_features(x)
    shared, spread = learned_prior(features(x), y)

    def predict(support, query_x, noise):
        s, q = features(np.asarray(support[0])), features(np.asarray(query_x))
        variance = noise**2 * np.maximum(y.var(), 1e-20)
        seen = s @ spread @ s.swapaxes(1, 2) + variance * np.eye(s.shape[1])
        change = spread @ s.swapaxes(1, 2) @ np.linalg.solve(seen, support[1] - s @ shared)
        return q @ (shared + change), q @ shared

    return predict

def errors(values, y):
    """Mean squared errors (T,) of values (T, Q, 1)."""
    return ((values - y) ** 2).mean(axis=(1, 2))

def learner(practice):
    """Return predict(support, query_x) -> (adapted, pooled), learned from 2 tasks or more.

    It chooses its noise among five sizes, on the last fifth of the practice tasks, when it
    has learned from the others. Then it learns from all.
    """
    last = max(1, len(practice[0][0]) // 5)
    others, fifth = (
        Task(*(Examples(*(part[rows] for part in examples)) for examples in practice))
        for rows in (slice(None, -last), slice(-last, None))
    )
    from_others, from_all = predictor(others), predictor(practice)

    def error(noise):
        adapted, _ = from_others(fifth.support, fifth.query.x, noise)
        return errors(adapted, fifth.query.y).mean()

    noise = min((0.01, 0.03, 0.1, 0.3, 1.0), key=error)
    return lambda support, query_x: from_all(support, query_x, noise)

def contest(practice, test):
    """Return the query errors (T,) on the tasks of `test`: (of adapted, of pooled)."""
    support, (query_x, query_y) = test
    return [errors(values, query_y) for values in learner(practice)(support, query_x)]

# %% tags=["answer"] item="family"
def sample(n_tasks, rng):
    """Return Task(Examples(support x, y), Examples(query x, y)).

    Every array has the task axis in front.
    """
    ### BEGIN SOLUTION
    parameters = draw(n_tasks, rng)
    support_x, query_x = inputs(n_tasks, rng)
    support_y = outputs(parameters, support_x, rng)
    return Task(Examples(support_x, support_y), Examples(query_x, outputs(parameters, query_x, rng)))
    ### END SOLUTION

# %% tags=["test"] item="family" points=8
def task_fault(tasks, n_tasks):
    """What is wrong with the form of a batch of tasks, or None."""
    if not isinstance(tasks, tuple | list) or [len(part) for part in tasks] != [2, 2]:
        return "`sample` should return Task(Examples(x, y), Examples(x, y))"
    for name, (x, y) in zip(("support", "query"), tasks, strict=True):
        if np.ndim(x) != 3 or np.shape(y) != (*np.shape(x)[:2], 1) or len(x) != n_tasks:
            return (
                f"{name} has x {np.shape(x)} and y {np.shape(y)} for {n_tasks} tasks: "
                "(T, n, d) and (T, n, 1) are right"
            )
    if too_large(tasks[0][0], tasks[1][0]):
        return (
            f"the points have the shapes {np.shape(tasks[0][0])} and {np.shape(tasks[1][0])}: "
            "1b asks for 3 to 20 support points, 10 to 100 queries, and 1 to 4 numbers each"
        )
    for name, part in zip(("support", "query"), tasks, strict=True):
        if not all(np.isfinite(numbers).all() for numbers in part):
            return f"{name} holds a number that is not finite"
    return None

def too_large(support_x, query_x):
    """Whether points (T, n, d) are far more than 1b allows: too many to compute with."""
    (n_tasks, s, d), (as_many, q, as_wide) = np.shape(support_x), np.shape(query_x)
    return not (
        n_tasks == as_many <= 300 and s <= 100 and q <= 200 and d == as_wide and 1 <= d <= 4
    )

def leak(tasks, inputs):
    """Say that a support point is among the queries; None if that is due to `inputs` (1b)."""
    if not seen_before(tasks[0][0], tasks[1][0]):
        return None
    points = inputs(300, np.random.default_rng(0))
    if not too_large(*points) and seen_before(*points):
        return None
    return "a support point is among the queries of its task: the learner has already seen it"

def other_sizes(tasks, inputs):
    """Say that the sizes are not those of `inputs`; None if these change with the call (1b)."""
    of_inputs = {sizes(inputs(2, np.random.default_rng(seed))) for seed in range(5)}
    here = sizes(x for x, _ in tasks)
    if len(of_inputs) > 1 or here in of_inputs:
        return None
    return f"the points of `sample` have the sizes {here}, those of `inputs` {of_inputs.pop()}"

def clearly_below(errors, others, by):
    """Whether errors are below others on the same tasks by this share, surely (95 %)."""
    gain = others - errors
    half_width = 1.96 * gain.std(ddof=1) / np.sqrt(len(gain))
    return errors.mean() < (1 - by) * others.mean() and gain.mean() > half_width

def verdict(practice, test):
    """Why the contest is not won, or None."""
    adapted, pooled = contest(practice, test)
    exchanged = Task(Examples(*(np.roll(part, 1, axis=0) for part in test[0])), test[1])
    if not clearly_below(adapted, pooled, by=0.05):
        return (
            "adapted is not clearly better than pooled: it gets too little from the support "
            "sets. Do support and query have the same parameters? Do the tasks differ by "
            "more than the noise? Do the curves turn too often for 60 smooth features?"
        )
    if not clearly_below(adapted, contest(practice, exchanged)[0], by=0.1):
        return (
            "adapted is about as good with the support set of another task: "
            "the support set does not say which task this is. Do the tasks of a batch differ? "
            "Is each drawn anew?"
        )
    return None

@item("family", "sample", "inputs")
def _(sample, inputs):
    tasks = [sample(300, np.random.default_rng(seed)) for seed in (1, 2, 1)]
    for batch in tasks:
        yield task_fault(batch, 300)
    yield leak(tasks[0], inputs)
    yield other_sizes(tasks[0], inputs)
    if not all(
        np.array_equal(a, b)
        for one, two in zip(tasks[0], tasks[2], strict=True)
        for a, b in zip(one, two, strict=True)
    ):
        yield "the same state of `rng` gave different tasks: take all chance from `rng`"
    yield verdict(*tasks[:2])

### BEGIN HIDDEN TESTS
@item("family", "sample", "inputs", hidden=True)
def _(sample, inputs, rng):
    seeds = rng.integers(2**62, size=2)
    practice, again, test = (sample(300, np.random.default_rng(seed)) for seed in (seeds[0], seeds[0], seeds[1]))
    for batch in (practice, test):
        yield task_fault(batch, 300)
    yield leak(test, inputs)
    yield other_sizes(test, inputs)
    for one, two in zip(practice, again, strict=True):
        if not all(map(np.array_equal, one, two)):
            yield "the same state of `rng` gave different tasks: take all chance from `rng`"
    if np.array_equal(practice[0][1], test[0][1]):
        yield "different generators gave the same tasks: meta-test would be meta-train. Take all chance from `rng`"
    yield verdict(practice, test)
### END HIDDEN TESTS

# %% [markdown]
# ## Question 2 · What is a task here, and why? (15 points, 40 minutes)
#
# Describe your family to a colleague who knows the field but not meta-learning, in 150 to 300 words. Notebook 01 asks the two questions to start from: what is common, and what differs?
#
# - 4 points: what one task is in the world, what its support set and its query set are, and who would have so few measurements;
# - 4 points: what all tasks share and what differs, in terms of your parameters, and why they have these ranges;
# - 4 points: what a learner could know before the first measurement, what only the support set can say, and how many measurements should be enough, by counting;
# - 3 points: how meta-train, meta-val and meta-test would be cut with *real* data of this kind, and one leak that is likely there.

# %% [markdown] tags=["manual"] item="what-a-task-is" points=15
# A task is one drug on one tissue. A laboratory measures the effect of the drug at a few doses, and wants the whole dose-response curve. The support set is five doses with their measured effects. The query set is twenty other doses. Each measurement costs a tissue sample, so five is what one often has.
#
# All tasks share the form: no effect at small doses, a plateau at large ones, an S between them (Hill's equation), and a noise of 0.05. Three numbers differ: the dose with half of the effect (four powers of ten, as drugs of one screen do), the steepness (0.6 to 2.5; most measured Hill coefficients lie there) and the plateau (0.5 to 1.5 of a standard drug). Doses span six powers of ten, so that nearly every curve bends inside.
#
# Before the first measurement a learner can know the S, that it rises, and the mean curve. Only the support set says where this curve bends and how high it ends. Three numbers need three measurements if there is no noise. With noise, and because a point on a plateau says little about the bend, five are about the least.
#
# With real data I would cut by drug *and* by laboratory day: meta-train, meta-val and meta-test share neither. The likely leak: one drug measured on two days, one day in meta-train and the other in meta-test, perhaps under two names. It is the same task in both.
#
# === BEGIN MARK SCHEME ===
# 4: a task in the world (1), support and query (2), who has few measurements and why (1). Frequent: a task is described as a data *point*; or support and query as training set and test set of one large data set (at most 1 of 4).
# 4: what is shared (2), what differs with the ranges and a reason (2). Frequent: the ranges are only listed (−1).
# 4: known before (1), only from the support set (2), a count of unknowns against measurements (1).
# 3: a cut by tasks, not by points (2), a leak that fits this kind of data (1). Frequent: "at random" over measurements: 0 of the 2.
# === END MARK SCHEME ===

# %% [markdown]
# ## Question 3 · The floor and the exact answer (15 points, 85 minutes)
#
# Compute two numbers for your family, each with a 95 % interval over at least 300 tasks, and give your code. Notebook 02 does both for sines. These are errors: the exact answer lies *below* the floor.
#
# - **The floor of pooled training**: the smallest expected error of one curve for all tasks. It ignores the support set.
# - **The exact answer**, or the best possible one: the smallest expected error of anything that sees the support set. You wrote the family, so you can compute it, by a formula, a grid, or many draws of the parameters that you weight by how well each fits the support set. Your query values hold noise, if your family has any, so the exact answer's error is the posterior variance plus the noise variance.
#
# **Weighted draws fail without a message where the noise is small**: one draw then gets nearly all the weight. So look at the *effective number* of draws of a task, $1 / \sum_i w_i^2$ with weights $w_i$ that sum to one. If it is below about 30 for many tasks, draw more, or use a finer grid around the best fit. If your family has no noise, count: are there enough measurements to know the parameters?
#
# - 5 points: the floor, with the reason why nothing without support can be better;
# - 7 points: the exact answer, with the reason why nothing at all can be better, and what part of its error is noise;
# - 3 points: how exact your two numbers are: the interval over tasks, and the error of your own computation. The measured error should agree with the posterior variance plus the noise variance, and stay the same with other draws.

# %% [markdown] tags=["manual"] item="ceiling-and-floor" points=15
# ```python
# NOISE = 0.05
#
# def curve(parameters, x):                                    # without noise: parameters (M, 3), x (n, 1) -> (M, n)
#     middle, steepness, top = parameters.T[:, :, None]
#     return top / (1 + 10 ** (-steepness * (x[:, 0] - middle)))
#
# def posterior_mean(support, query_x, draws):                 # -> (Q, 1)
#     misfit = ((curve(draws, support.x) - support.y[:, 0]) ** 2).sum(axis=1)
#     weight = np.exp((misfit.min() - misfit) / (2 * NOISE**2))
#     return (weight @ curve(draws, query_x) / weight.sum())[:, None]
#
# def exact(tasks, draws):
#     return np.array([np.mean((posterior_mean(Examples(sx, sy), qx, draws) - qy) ** 2)
#                      for sx, sy, qx, qy in zip(*tasks.support, *tasks.query)])
#
# def interval(scores):                                        # in thousandths
#     return f"{1e3 * scores.mean():.1f} ± {1e3 * 1.96 * scores.std(ddof=1) / np.sqrt(len(scores)):.1f}"
#
# tasks, many = sample(300, np.random.default_rng(10)), draw(20_000, np.random.default_rng(11))
# flat = np.array([np.mean((curve(many, qx).mean(axis=0) - qy[:, 0]) ** 2) for qx, qy in zip(*tasks.query)])
# print("floor", interval(flat), "exact", interval(exact(tasks, many)))
# print("exact with half of the draws", interval(exact(tasks, many[:10_000])))
#
# effective, expected = [], []                                 # the same weights, looked at
# for sx, sy, qx in zip(*tasks.support, tasks.query.x):
#     misfit, values = ((curve(many, sx) - sy[:, 0]) ** 2).sum(axis=1), curve(many, qx)
#     weight = np.exp((misfit.min() - misfit) / (2 * NOISE**2))
#     weight = weight / weight.sum()
#     effective.append(1 / (weight**2).sum())
#     expected.append(np.mean(weight @ (values - weight @ values) ** 2) + NOISE**2)
# print("effective number", np.median(effective), np.mean(np.array(effective) < 30), "expected error", interval(np.array(expected)))
# ```
#
# In thousandths of the squared effect of the standard drug: the floor is 121.6 ± 13.2, the error of the exact answer is 12.3 ± 2.2, over 300 tasks.
#
# *Floor.* Without a support set a prediction depends on $x$ alone. The mean square is smallest at the conditional mean, here the mean curve over the prior. No model, however large, is better.
#
# *Exact answer.* With a support set the mean square is smallest at the posterior mean, because it is the conditional mean given all that a learner may see. I weight 20,000 draws of the parameters by the likelihood of the five measurements. The noise of the query values, $0.05^2 = 2.5$ thousandths, is in every error and cannot be predicted. So 9.8 thousandths are ignorance about the curve.
#
# *How exact.* The ± is over tasks. With half of the draws it is 12.3 again, so the error of my weighting is small beside it. The effective number of draws is 195 for the median task, and below 30 for 3 % of the tasks. Posterior variance and noise variance together are 11.7 ± 1.5, which agrees with 12.3 ± 2.2. In expectation it can only make the error look too large, because no other predictor is better than the exact one.
#
# === BEGIN MARK SCHEME ===
# 5: the number with its interval (2), the conditional mean as the reason (3). A trained pooled network in place of it: 3, if it is said that it only comes near the floor.
# 7: a posterior mean or an argument of the same strength (3), why it is the best (2), the share of the noise (2). Frequent: the *best fit* (maximum likelihood) is called the exact answer: 2 of 7, since with few points it is worse than the posterior mean. For families without noise and with enough points an exact answer with error 0, with the count of unknowns, earns all 7.
# 3: interval over tasks (1), the error of the computation, by other draws, twice or half as many, a finer grid, or the posterior variance (2).
# === END MARK SCHEME ===

# %% [markdown]
# ## Question 4 · An experiment with a table (20 points, 90 minutes)
#
# Ask **one** question about adaptation in your family, and answer it with a table of two or three rows. Compare three learners: one that adapts with what it learned from other tasks, one that learns each task from scratch, and the floor or the exact answer. Questions to choose from:
#
# - How does the error fall with `k_shot`, the number of support points? For another `k_shot` write a `sample` of that size, and let the learner practise on tasks of the same size.
# - How many practice tasks does a meta-learner need?
# - Is a learned prior better than a learned starting point? For MAML or Reptile bring x and y to numbers from −1 to 1 first, or the steps diverge. `mlcourse.training.train` takes your `sample` as its family.
# - Or a question of your own.
#
# `contest` and its parts in question 1d are yours to use: `learner`, `smooth_features`, `ridge` and `learned_prior`. Call them, copy nothing.
#
# Write what you expect into the next cell *before* you run anything. Then add your code cells below it.
#
# - 4 points: the question, and your prediction with a reason;
# - 6 points: a fair comparison: the same meta-test tasks for all learners of a row (another row may have its own tasks), settings chosen on other tasks, the same number of tries for each learner that has settings. The floor and the exact answer have none;
# - 6 points: the table: at least 300 tasks, means with 95 % intervals, paired differences where you claim one, units, seeds;
# - 4 points: what the table says, what it does not say, and whether you were right.

# %% [markdown]
# My prediction, written before the experiment: …

# %% [markdown] tags=["manual"] item="experiment" points=20
# **Question.** How many measurements does practice on other drugs save? **Prediction.** With three doses the meta-learner is much better than from scratch, because scratch does not know the S. With twenty doses both are near the noise, and practice saves nothing.
#
# ```python
# def family(k_shot):
#     def sample_k(n_tasks, rng):
#         parameters, x = draw(n_tasks, rng), rng.uniform(-3, 3, (n_tasks, k_shot + 20, 1))
#         y = outputs(parameters, x, rng)
#         return Task(Examples(x[:, :k_shot], y[:, :k_shot]), Examples(x[:, k_shot:], y[:, k_shot:]))
#     return sample_k
#
# def scratch(tasks, width, ridge):                            # kernel ridge regression on each support set alone
#     (sx, sy), (qx, qy) = tasks
#     def kernel(a, b):
#         return np.exp(-((a - b.swapaxes(1, 2)) ** 2) / (2 * width**2))
#     middle = sy.mean(axis=1, keepdims=True)
#     fitted = np.linalg.solve(kernel(sx, sx) + ridge * np.eye(sx.shape[1]), sy - middle)
#     return ((middle + kernel(qx, sx) @ fitted - qy) ** 2).mean(axis=(1, 2))
#
# settings = [(width, ridge) for width in (0.5, 1, 1.5, 2, 3) for ridge in (0.001, 0.003, 0.01, 0.03, 0.1)]
# for k_shot in (3, 5, 10, 20):
#     practice, val, test = (family(k_shot)(300, np.random.default_rng(seed)) for seed in (20, 21, 22))
#     chosen = min(settings, key=lambda setting: scratch(val, *setting).mean())
#     alone, (adapted, pooled) = scratch(test, *chosen), contest(practice, test)
#     print(k_shot, [interval(scores) for scores in (pooled, alone, adapted, exact(test, many), alone - adapted)], chosen)
# ```
#
# Squared error in thousandths, 300 meta-test tasks (seed 22), ± is half of a 95 % interval over tasks.
#
# | doses | pooled | from scratch | adapted | exact | scratch − adapted |
# | --- | --- | --- | --- | --- | --- |
# | 3 | 110.9 ± 11.3 | 91.6 ± 17.4 | 29.3 ± 4.0 | 20.0 ± 3.4 | 62.2 ± 16.3 |
# | 5 | 108.2 ± 10.5 | 43.6 ± 9.6 | 16.7 ± 2.8 | 12.9 ± 2.4 | 26.8 ± 8.5 |
# | 10 | 110.4 ± 11.7 | 15.0 ± 3.8 | 7.2 ± 0.9 | 4.4 ± 0.6 | 7.8 ± 3.6 |
# | 20 | 108.5 ± 10.6 | 5.4 ± 0.6 | 4.2 ± 0.3 | 3.1 ± 0.2 | 1.2 ± 0.5 |
#
# The width and the ridge of *scratch* were chosen among 25 pairs on other tasks (seed 21), for each number of doses. *Adapted* practised on 300 tasks (seed 20) and chose its noise among five sizes on a fifth of them.
#
# **What it says.** With three doses, practice on other drugs divides the error by more than three. The adapted learner with five doses is about as good as scratch with ten: practice saves about five measurements a drug. The saving shrinks with every dose. I expected nothing to be left at twenty doses, and was wrong: 1.2 ± 0.5 is small, but not zero. The adapted learner stays above the exact answer, because its features do not know Hill's equation.
#
# **What it does not say.** All of this holds for drugs from these ranges, and for doses spread at random. The ± is over tasks, with one set of practice tasks.
#
# === BEGIN MARK SCHEME ===
# 4: one question that a table can answer (2), a prediction with a reason that could turn out wrong (2).
# 6: the same tasks for all (2), settings not chosen on meta-test tasks (2), equal tuning (2). The floor and the exact answer have nothing to tune. Frequent: the rival from scratch has one untuned setting: 0 of the last 2.
# 6: number of tasks and seeds (1), intervals of the mean (2), paired differences for claims (2), units (1). Frequent: a standard deviation after the ±: −2.
# 4: a reading that the numbers carry (2), a limit (1), prediction and outcome side by side (1). A wrong prediction costs nothing.
# === END MARK SCHEME ===

# %% [markdown]
# ## Question 5 · A failure, and what it teaches (10 points, 40 minutes)
#
# Find a case in which your adapted learner, or even the exact answer, fails: a kind of task, a kind of support set, or tasks from outside the family. Show it with numbers on many tasks, not with one bad example.
#
# - 4 points: a failure, shown with a number and its interval, against the number where nothing fails;
# - 4 points: the reason, with a check that tells it from another possible reason;
# - 2 points: what a user of this learner should do about it.

# %% [markdown] tags=["manual"] item="failure" points=10
# **All doses on one side.** All five support doses lie below the dose with half of the effect; the queries lie everywhere.
#
# ```python
# def one_sided(n_tasks, rng, below):
#     parameters = draw(n_tasks, rng)
#     middle = parameters[:, :1, None]
#     share = rng.uniform(0, 1, (n_tasks, 5, 1))
#     support_x = -3 + share * (middle + 3) if below else middle + share * (3 - middle)
#     query_x = rng.uniform(-3, 3, (n_tasks, 20, 1))
#     return Task(*(Examples(x, outputs(parameters, x, rng)) for x in (support_x, query_x)))
#
# practice = sample(300, np.random.default_rng(20))
# cases = {"as practised": sample(300, np.random.default_rng(22)),
#          "all below": one_sided(300, np.random.default_rng(30), True),
#          "all above": one_sided(300, np.random.default_rng(30), False)}
# for name, tasks in cases.items():
#     print(f"{name:13} adapted {interval(contest(practice, tasks)[0])}, exact {interval(exact(tasks, many))}")
# ```
#
# In thousandths, 300 tasks each, ± as above:
#
# | support doses | adapted | exact |
# | --- | --- | --- |
# | as practised | 16.1 ± 2.8 | 11.7 ± 2.3 |
# | all below the middle | 58.4 ± 8.5 | 49.2 ± 8.3 |
# | all above the middle | 31.1 ± 5.3 | 22.2 ± 5.2 |
#
# *Reason.* With doses below the middle, nothing says how high the plateau is. The exact answer fails too, so the learner is not to blame: the information is missing. Another possible reason is that the five doses stand close together. The third row tests it: there they stand as close together, on the other side, and the error is about half as large. So being narrow costs something, and not seeing the plateau costs more.
#
# *For use.* Measure one large dose first. Where no measured effect has levelled off, report the plateau as unknown, for example with the spread of the weighted draws, and do not print the curve beyond the largest dose.
#
# === BEGIN MARK SCHEME ===
# 4: many tasks (1), a number with interval (2), the number to compare with (1). One picked example: at most 1 of 4.
# 4: a reason (2), a check that could have refuted it (2). Frequent: "the model is too small" without a check (1 of 4).
# 2: a consequence for use: which measurements to take, when not to trust, what to report.
# === END MARK SCHEME ===

# %% [markdown]
# ## Question 6 · One picture (10 points, 35 minutes)
#
# Make one figure from which a colleague understands your family and what adaptation does in it. Put the code into a cell of your own. Below, write the sentence that says what to see.
#
# - 4 points: it shows tasks that differ, their support points, and predictions before and after adaptation. For a learner without steps, "before" is pooled; `learner(practice)` of question 1d returns a function that gives both;
# - 3 points: axes with units (a logarithmic axis counts if its label says so), a legend or labels, colours that colour-blind readers can tell apart;
# - 3 points: the sentence says what the picture shows, and the picture shows it.
#
# Say here too whether you used a language model, and what for.

# %% [markdown] tags=["manual"] item="picture" points=10
# ```python
# import matplotlib.pyplot as plt
#
# grid, shown = np.linspace(-3, 3, 121)[:, None], sample(3, np.random.default_rng(40))
# truth = draw(3, np.random.default_rng(40))                   # `sample` draws the parameters first
# figure, panels = plt.subplots(1, 3, figsize=(9, 2.6), sharey=True, layout="constrained")
# for panel, parameters, sx, sy in zip(panels, truth, *shown.support):
#     panel.plot(grid, curve(parameters[None], grid)[0], color="0.6", label="true curve")
#     panel.plot(grid, curve(many, grid).mean(axis=0), color="#D55E00", linestyle=":", label="before: mean curve")
#     panel.plot(grid, posterior_mean(Examples(sx, sy), grid, many), color="#0072B2", linestyle="--", label="after five doses")
#     panel.plot(sx, sy, "ko", label="support")
#     panel.set(xlabel="log10 of the dose (1 = ten units)")
# panels[0].set(ylabel="effect (1 = standard drug)")
# panels[0].legend(fontsize=7)
# plt.show()
# ```
#
# *What to see:* the three drugs bend at different doses and end at different heights, and the dotted mean curve fits none of them. Five measurements bring the dashed curve onto the true one, except where no dose was measured near the bend or the plateau.
#
# I used no language model.
#
# === BEGIN MARK SCHEME ===
# 4: several tasks (1), support points (1), before (1), after (1).
# 3: labelled axes with units (1), told apart without the text (1), also without colour (1).
# 3: the sentence is true of this picture (2) and says why it matters (1). Frequent: the sentence describes the code (0 of 3).
# === END MARK SCHEME ===
