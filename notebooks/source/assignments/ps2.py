# %% [markdown]
# # Problem set 2: honest evaluation
#
# Five short programs. All of them train: the loss falls, the numbers look good. Each has one flaw that makes its result worth less than it seems. You name the flaw, show it with an input of your own, and mend it. Then you compute intervals, and find where Reptile comes to rest.
#
# | | |
# | --- | --- |
# | **You need** | [03, measuring adaptation](../../03_measuring_adaptation.ipynb), [05, MAML from zero](../../05_maml_from_zero.ipynb) and [06, first-order MAML and Reptile](../../06_first_order_and_reptile.ipynb). Class leaks are in [01](../../01_what_is_a_task.ipynb), batch normalisation in [07](../../07_few_shot_images.ipynb), prototypes in [08](../../08_prototypical_networks.ipynb). Question 7 needs linear algebra: the eigenvalues of a symmetric matrix, `np.linalg.eigvalsh`. |
# | **Time** | about 4 hours: 25 + 25 + 20 + 25 + 25 minutes for the five programs, 20 for the intervals, 35 for Reptile, 45 for your own words, 20 for this page |
# | **Points** | 100: five programs with 12 each, intervals 15, Reptile 10, in your own words 15 |
#
# **How it is graded.** Every item has one check, in the cell below its answer. The part that you see looks at the form of the answer, and says when the mended program has become another one. It does not say whether the flaw is gone. "Run All" stops at the first open item, so run the cells one by one. When your work is graded, a second part runs on fresh inputs that nobody has seen. The data of questions 6 and 7 come from your id, and no other student has them. Question 8 is read by a person, by the printed criteria. While your set is graded, a cell may compute for 20 seconds, and one call of a function for 10. When you are done, save the notebook and hand it in where your course says.
#
# **Rules.** You may talk to others, and you may use a language model as a tutor. Say so in question 8, with one sentence on what for. What you hand in must be your own: the witnesses are inputs that you invent, and you should be able to explain each line.

# %% tags=["yours"]
STUDENT = ""  # the id that your course knows you by

# %% [markdown]
# ## The candidates
#
# Each program has exactly one of these flaws. A flaw may occur in one program, in several or in none.
#
# | type this | what it means |
# | --- | --- |
# | `"first order"` | the outer gradient leaves out the second-order part, and nothing says so |
# | `"transductive"` | a prediction depends on which other queries are there, and nothing says so |
# | `"class leak"` | meta-train and meta-test share classes |
# | `"best on test"` | something is chosen by the meta-test score that is then reported |
# | `"standard deviation"` | the spread of the tasks is reported as the interval of the mean |
# | `"support in query"` | support examples are scored as if they were queries |
# | `"query labels"` | the inner loop is fitted to labels of the query set |
# | `"sum for mean"` | the outer step grows with the number of tasks |
# | `"one seed"` | a variation over tasks is reported as one over training runs |
# | `"stale start"` | a task begins where the task before it ended |
#
# For each program there are three items:
#
# - **Name (3 points).** Type the flaw, as a string of this table.
# - **Witness (4 points).** Give an input on which the flaw changes the result. It is judged by running the given program and an honest one on your input. Each question says what must come out.
# - **Mend (5 points).** Write the honest program: the same arguments, the same form of result. It keeps what the given docstring promises. Where the given program keeps that promise, too, both return the same. You may copy the given code and change it.

# %% tags=["setup"]
import numpy as np

from mlcourse.assignments import item, own
from mlcourse.lessons.checks.compare import compare

FLAWS = (
    "first order", "transductive", "class leak", "best on test", "standard deviation",
    "support in query", "query labels", "sum for mean", "one seed", "stale start",
)


def numeric_gradient(f, place, h=1e-4):
    """The gradient of f at an array (d,), by central differences."""
    sides = h * np.eye(len(place))
    return np.array([(f(place + side) - f(place - side)) / (2 * h) for side in sides])


def squared_error(theta, x, y):
    """The mean squared error of the linear model x @ theta: theta (d,), x (n, d), y (n,)."""
    return np.mean((x @ theta - y) ** 2)


def linear_tasks(rng, n_tasks, d=2, n=6):
    """Tasks ((x, y), (query_x, query_y)), each with weights of its own, near (2, 2, ...)."""
    tasks = []
    for _ in range(n_tasks):
        true = 2 + 0.7 * rng.normal(size=d)
        x, query_x = rng.normal(size=(2, n, d))
        tasks.append(((x, x @ true), (query_x, query_x @ true)))
    return tasks


def finite(*arrays, most=2000):
    """Whether these hold only finite numbers, and not too many."""
    few = sum(np.size(a) for a in arrays) <= most
    return few and all(np.all(np.isfinite(np.asarray(a, dtype=float))) for a in arrays)

# %% [markdown]
# ## Question 1 · Program A (12 points, 25 minutes)
#
# The program learns how much each feature counts in nearest-prototype classification, and scores what it has learned on classes that are new to it.

# %% tags=["setup"]
def prototype_loss(weights, x, labels):
    """Mean cross-entropy of the queries.

    The first row of each class is its support example, the other rows are queries.
    """
    classes, first = np.unique(labels, return_index=True)
    queries = np.setdiff1d(np.arange(len(labels)), first)
    scaled = x * weights
    logits = -((scaled[queries, None] - scaled[None, first]) ** 2).sum(axis=-1)
    logits = logits - logits.max(axis=1, keepdims=True)
    right = np.searchsorted(classes, labels[queries])
    return np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(queries)), right])


def split_a(labels):
    """Rows for meta-train, and rows for meta-test.

    Meta-train gets all rows of the first three fifths of the classes, in ascending order.
    Three fifths are rounded to the nearest whole number of classes. Meta-test gets the rest.
    """
    order = np.argsort(labels, kind="stable")
    cut = round(0.6 * len(order))
    return order[:cut], order[cut:]


def program_a(x, labels, steps=40):
    """Train on the meta-train classes.

    Return the losses on the way, and the loss on the meta-test classes.
    """
    train, test = split_a(labels)
    weights, losses = np.ones(x.shape[1]), []
    for _ in range(steps):
        losses.append(prototype_loss(weights, x[train], labels[train]))
        weights = weights - 0.3 * numeric_gradient(
            lambda w: prototype_loss(w, x[train], labels[train]), weights
        )
    return losses, prototype_loss(weights, x[test], labels[test])


def drawings(rng, n_classes=10, n_each=6):
    """Ten classes, six rows each, five features; only the first two depend on the class."""
    centres = np.c_[2 * rng.normal(size=(n_classes, 2)), np.zeros((n_classes, 3))]
    labels = np.repeat(np.arange(n_classes), n_each)
    return centres[labels] + 0.7 * rng.normal(size=(len(labels), 5)), labels


losses, score = program_a(*drawings(np.random.default_rng(0)))
print(f"program A: training loss {losses[0]:.2f} -> {losses[-1]:.2f},")
print(f"           loss on meta-test {score:.2f}")

# %% [markdown]
# **1a (3 points).** `flaw_a`: the name of the flaw.

# %% tags=["answer"] item="a-name"
### BEGIN SOLUTION
flaw_a = "class leak"
### END SOLUTION

# %% tags=["test"] item="a-name" points=3
@item("a-name", "flaw_a")
def _(flaw_a):
    # The form is checked here; the value when your set is graded.
    yield None if flaw_a in FLAWS else "`flaw_a` should be one of the ten strings of the table"

### BEGIN HIDDEN TESTS
@item("a-name", "flaw_a", hidden=True)
def _(flaw_a, rng):
    yield compare(
        flaw_a,
        "class leak",
        name="`flaw_a`",
        diagnoses=[
            ("support in query", "no support example is scored here: the queries are the rows without the first of each class"),
            ("best on test", "nothing is chosen by the meta-test loss here: it is computed once, at the end"),
            (lambda _: True, "program A does not do this: ask which rows each part of it gets"),
        ],
    )
### END HIDDEN TESTS

# %% [markdown]
# **1b (4 points).** `witness_a`: `labels`, an array of at most 60 whole numbers, for which `split_a` puts rows of one class into both parts. On the example above it does not.

# %% tags=["answer"] item="a-witness"
### BEGIN SOLUTION
witness_a = np.array([0, 1, 2, 2, 2, 2])
### END SOLUTION

# %% tags=["test"] item="a-witness" points=4
@item("a-witness", "witness_a")
def _(witness_a):
    # The form is checked here; the value when your set is graded.
    labels = np.asarray(witness_a)
    if labels.ndim != 1 or not 2 <= labels.size <= 60 or labels.dtype.kind not in "iu":
        yield "`witness_a` should be an array (n,) of 2 to 60 whole numbers"
    split_a(labels)

### BEGIN HIDDEN TESTS
@item("a-witness", "witness_a", hidden=True)
def _(witness_a, rng):
    labels = np.asarray(witness_a)
    train, test = split_a(labels)
    shared = np.intersect1d(labels[train], labels[test])
    classes = np.unique(labels)
    honest = np.flatnonzero(np.isin(labels, classes[: round(0.6 * len(classes))]))
    if not len(shared) and np.array_equal(np.sort(train), honest):
        yield "on these labels the given split is the honest one: the same rows on both sides"
    if not len(shared):
        yield "the two splits differ on these labels, but not by the flaw: no class stands on both sides"
### END HIDDEN TESTS

# %% [markdown]
# **1c (5 points).** `mended_a(labels)`: the honest `split_a`. The rows of a part may come in any order. Three fifths of 7 classes are 4.2, so 4 classes.

# %% tags=["answer"] item="a-mend"
def mended_a(labels):
    """Return two arrays of whole numbers from labels (n,).

    They are the rows for meta-train, and the rows for meta-test.
    """
    ### BEGIN SOLUTION
    classes = np.unique(labels)
    trained = np.isin(labels, classes[: round(0.6 * len(classes))])
    return np.flatnonzero(trained), np.flatnonzero(~trained)
    ### END SOLUTION

# %% tags=["test"] item="a-mend" points=5
@item("a-mend", "mended_a")
def _(mended_a):
    labels = np.repeat([4, 7, 9, 10, 30], 3)  # five classes of the same size
    train, test = mended_a(labels)
    yield compare(np.sort(train), np.arange(9), name="the rows for meta-train")
    yield compare(np.sort(test), np.arange(9, 15), name="the rows for meta-test")

### BEGIN HIDDEN TESTS
@item("a-mend", "mended_a", hidden=True)
def _(mended_a, rng):
    for n_classes in (5, 8, 10):
        numbers = rng.choice(100, n_classes, replace=False)
        counts = rng.integers(2, 5, n_classes)
        counts[np.argmax(numbers)] = 30  # the last class is so large that the given split cuts it
        labels = rng.permutation(np.repeat(numbers, counts))
        parts = mended_a(labels)
        if sum(map(np.size, parts)) != len(labels):
            yield "not every row stands on exactly one side"
        train, test = (np.sort(np.asarray(rows, dtype=int)) for rows in parts)
        if not np.array_equal(np.sort(np.concatenate([train, test])), np.arange(len(labels))):
            yield "not every row stands on exactly one side"
        if len(np.intersect1d(labels[train], labels[test])):
            yield "a class still stands on both sides: cut between classes, not between rows"
        classes = np.unique(labels)
        yield compare(
            train,
            np.flatnonzero(np.isin(labels, classes[: round(0.6 * len(classes))])),
            name="the part for meta-train",
            diagnoses=[(lambda _: True, "the classes are whole now, but meta-train has other ones than the first three fifths, in ascending order")],
        )
### END HIDDEN TESTS

# %% [markdown]
# ## Question 2 · Program B (12 points, 25 minutes)
#
# MAML for a linear model. The meta-gradient is taken by central differences of the loss after the step, so that no engine can cut it.

# %% tags=["setup"]
def program_b(theta, tasks, inner_lr=0.1, meta_lr=0.1):
    """One outer step of MAML, with one inner step.

    Return the new theta (d,), and the mean query loss at φ before the outer step.
    """
    gradients, losses = [], []
    for (x, y), (query_x, query_y) in tasks:
        slope = numeric_gradient(lambda p: squared_error(p, x, y), theta)

        def after_the_step(start):
            phi = start - inner_lr * slope
            return squared_error(phi, query_x, query_y)

        losses.append(after_the_step(theta))
        gradients.append(numeric_gradient(after_the_step, theta))
    return theta - meta_lr * np.mean(gradients, axis=0), np.mean(losses)


rng, theta, losses = np.random.default_rng(1), np.zeros(2), []
for _ in range(60):
    theta, mean_loss = program_b(theta, linear_tasks(rng, 10))
    losses.append(mean_loss)
print(f"program B: loss after the step {losses[0]:.2f} -> {np.mean(losses[-10:]):.2f},")
print(f"           at theta {theta.round(2)}")

# %% [markdown]
# **2a (3 points).** `flaw_b`: the name of the flaw.

# %% tags=["answer"] item="b-name"
### BEGIN SOLUTION
flaw_b = "first order"
### END SOLUTION

# %% tags=["test"] item="b-name" points=3
@item("b-name", "flaw_b")
def _(flaw_b):
    # The form is checked here; the value when your set is graded.
    yield None if flaw_b in FLAWS else "`flaw_b` should be one of the ten strings of the table"

### BEGIN HIDDEN TESTS
@item("b-name", "flaw_b", hidden=True)
def _(flaw_b, rng):
    yield compare(
        flaw_b,
        "first order",
        name="`flaw_b`",
        diagnoses=[
            ("query labels", "the inner slope uses x and y of the support set alone: the query labels only judge φ"),
            ("stale start", "theta does not change inside the loop over tasks: every task begins there"),
            ("sum for mean", "the outer step takes `np.mean` over the tasks, and so does the printed loss"),
            (lambda _: True, "program B does not do this: ask what changes when `start` moves"),
        ],
    )
### END HIDDEN TESTS

# %% [markdown]
# **2b (4 points).** `witness_b`: three things, `(theta, tasks, inner_lr)`, in the form of the program's arguments. At most 2,000 numbers together. The given program and an honest one must move `theta` in *opposite* directions: the inner product of the two moves is negative. One task with one parameter is enough.

# %% tags=["answer"] item="b-witness"
### BEGIN SOLUTION
one_point = (np.array([[1.0]]), np.array([0.0]))
witness_b = (np.array([1.0]), [(one_point, one_point)], 0.8)
### END SOLUTION

# %% tags=["test"] item="b-witness" points=4
@item("b-witness", "witness_b")
def _(witness_b):
    # The form is checked here; the value when your set is graded.
    theta, tasks, inner_lr = witness_b
    if not finite(theta, inner_lr, *(a for task in tasks for part in task for a in part)):
        yield (
            "`witness_b` should be (theta, tasks, inner_lr) with finite numbers, "
            "at most 2,000 of them"
        )
    d = np.size(theta)
    sets = [(np.shape(x), np.shape(y)) for task in tasks for x, y in task]
    form = all(len(ys) == 1 and ys[0] and xs == (*ys, d) for xs, ys in sets)
    if np.shape(theta) != (d,) or not d or not sets or np.ndim(inner_lr) or not form:
        yield (
            "`witness_b` should hold theta (d,), a list of tasks ((x, y), (query_x, query_y)) "
            "with x (n, d) and y (n,), and a number; no set may be empty"
        )
    moved, loss_there = program_b(np.asarray(theta, dtype=float), tasks, inner_lr)
    if not finite(moved, loss_there):
        yield "on `witness_b` the program's result is not finite: take smaller numbers"

### BEGIN HIDDEN TESTS
@item("b-witness", "witness_b", hidden=True)
def _(witness_b, rng):
    theta, tasks, inner_lr = witness_b
    theta, gradients = np.asarray(theta, dtype=float), []
    for task in tasks:
        x, y, query_x, query_y = (np.asarray(a, dtype=float) for part in task for a in part)
        hessian = 2 * x.T @ x / len(y)
        phi = theta - inner_lr * 2 * x.T @ (x @ theta - y) / len(y)
        u = 2 * query_x.T @ (query_x @ phi - query_y) / len(query_y)
        gradients.append(u - inner_lr * hessian @ u)
    given, honest = program_b(theta, tasks, inner_lr, 1.0)[0] - theta, -np.mean(gradients, axis=0)
    cosine = given @ honest / max(np.linalg.norm(given) * np.linalg.norm(honest), 1e-12)
    if np.allclose(given, honest, rtol=1e-5, atol=1e-9):
        yield "on this input the given program and an honest one make the same move"
    if not cosine < -1e-6:
        yield "the two moves differ on this input, but do not point in opposite directions: make the inner step longer"
### END HIDDEN TESTS

# %% [markdown]
# **2c (5 points).** `mended_b(theta, tasks, inner_lr, meta_lr)`: the honest `program_b`. The loss is as before.

# %% tags=["answer"] item="b-mend"
def mended_b(theta, tasks, inner_lr=0.1, meta_lr=0.1):
    """Return the new theta (d,), and the mean query loss at φ before the outer step."""
    ### BEGIN SOLUTION
    gradients, losses = [], []
    for (x, y), (query_x, query_y) in tasks:

        def after_the_step(start):
            slope = numeric_gradient(lambda p: squared_error(p, x, y), start)
            phi = start - inner_lr * slope
            return squared_error(phi, query_x, query_y)

        losses.append(after_the_step(theta))
        gradients.append(numeric_gradient(after_the_step, theta))
    return theta - meta_lr * np.mean(gradients, axis=0), np.mean(losses)
    ### END SOLUTION

# %% tags=["test"] item="b-mend" points=5
@item("b-mend", "mended_b")
def _(mended_b):
    theta, tasks = np.array([0.5, -1.0]), linear_tasks(np.random.default_rng(2), 3)
    moved, _ = mended_b(theta, tasks, 0.0, 0.1)
    given = program_b(theta, tasks, 0.0, 0.1)[0]
    yield compare(
        moved,
        given,
        name="the new theta for inner_lr = 0",
        diagnoses=[
            (
                theta + 3 * (given - theta),
                "the move is a sum over the tasks: the given program takes their mean",
            ),
            (2 * theta - given, "the move goes up the hill: subtract the mean gradient"),
        ],
    )
    want = program_b(theta, tasks, 0.1, 0.1)[1]
    yield compare(mended_b(theta, tasks, 0.1, 0.1)[1], want, name="the mean query loss")

### BEGIN HIDDEN TESTS
@item("b-mend", "mended_b", hidden=True)
def _(mended_b, rng):
    for d, n_tasks in ((2, 4), (3, 2)):
        theta, tasks = rng.normal(size=d), linear_tasks(rng, n_tasks, d)
        inner_lr, meta_lr = rng.uniform(0.15, 0.25), 0.3

        def move(*, own_slope=True, on="support", theta=theta, tasks=tasks, inner_lr=inner_lr):
            found = []
            for support, query in tasks:
                (x, y), (query_x, query_y) = support, query
                bent_x = x if on == "support" else query_x
                phi = theta - inner_lr * 2 * x.T @ (x @ theta - y) / len(y)
                u = 2 * query_x.T @ (query_x @ phi - query_y) / len(query_y)
                found.append(u - own_slope * inner_lr * 2 * bent_x.T @ (bent_x @ u) / len(bent_x))
            return np.array(found)

        moved, mean_loss = mended_b(theta, tasks, inner_lr, meta_lr)
        if np.shape(moved) != (d,):
            yield "the new theta has another shape than theta"
        away = np.asarray(moved, dtype=float) - theta
        yield compare(
            away,
            -meta_lr * move().mean(axis=0),
            name="the move of theta",
            rtol=1e-3,
            diagnoses=[
                (-meta_lr * move(own_slope=False).mean(axis=0), "the flaw is still there: the inner slope must move with `start`"),
                (-meta_lr * move().sum(axis=0), "the move is a sum over the tasks: the given program takes their mean"),
                (-meta_lr * move(own_slope=-1).mean(axis=0), "the second-order part has the wrong sign: a step gives I − αH"),
                (-meta_lr * move(on="query").mean(axis=0), "the second-order part is that of the query set: the inner step went down the support loss"),
                (-meta_lr * move()[-1], "only the last task counts: the move is the mean over all tasks"),
            ],
        )
        yield compare(mean_loss, program_b(theta, tasks, inner_lr, meta_lr)[1], name="the mean query loss", rtol=1e-4)
### END HIDDEN TESTS

# %% [markdown]
# ## Question 3 · Program C (12 points, 20 minutes)
#
# Reptile for a linear model. Then a report on new tasks: does one inner step make the query loss smaller?

# %% tags=["setup"]
def fit(theta, x, y, steps, inner_lr=0.1):
    """theta (d,) after some gradient steps on the squared error."""
    for _ in range(steps):
        theta = theta - inner_lr * 2 * x.T @ (x @ theta - y) / len(y)
    return theta


def report_c(gains):
    """Report on one gain for each task, (n,).

    Return the mean gain, half of its 95 % interval, and whether the interval lies above 0.
    """
    mean = gains.mean()
    half_width = 1.96 * gains.std(ddof=1)
    return mean, half_width, bool(mean - half_width > 0)


def program_c(theta, train, test):
    """Reptile on the tasks of train.

    Return the query losses on the way, and the report on the tasks of test.
    """
    losses = []
    for (x, y), (query_x, query_y) in train:
        phi = fit(theta, x, y, steps=3)
        losses.append(squared_error(phi, query_x, query_y))
        theta = theta + 0.1 * (phi - theta)
    gains = []
    for (x, y), query in test:
        phi = fit(theta, x, y, steps=1)
        gains.append(squared_error(theta, *query) - squared_error(phi, *query))
    return losses, report_c(np.array(gains))


tasks = linear_tasks(np.random.default_rng(3), 300)
losses, (mean, half_width, helps) = program_c(np.zeros(2), tasks[:200], tasks[200:])
print(f"program C: query loss {np.mean(losses[:10]):.2f} -> {np.mean(losses[-100:]):.2f}")
print(f"one step gains {mean:.2f} ± {half_width:.2f} on 100 new tasks,")
print("so it", "helps" if helps else "is not shown to help")

# %% [markdown]
# **3a (3 points).** `flaw_c`: the name of the flaw.

# %% tags=["answer"] item="c-name"
### BEGIN SOLUTION
flaw_c = "standard deviation"
### END SOLUTION

# %% tags=["test"] item="c-name" points=3
@item("c-name", "flaw_c")
def _(flaw_c):
    # The form is checked here; the value when your set is graded.
    yield None if flaw_c in FLAWS else "`flaw_c` should be one of the ten strings of the table"

### BEGIN HIDDEN TESTS
@item("c-name", "flaw_c", hidden=True)
def _(flaw_c, rng):
    yield compare(
        flaw_c,
        "standard deviation",
        name="`flaw_c`",
        diagnoses=[
            ("one seed", "the report does not say that its ± is over training runs: it promises an interval over tasks"),
            ("stale start", "Reptile moves theta from task to task on purpose; on the tasks of test every fit begins at the same theta"),
            ("first order", "Reptile has no second-order part that could be left out, and says that it is Reptile"),
            (lambda _: True, "program C does not do this: read what the report promises, then what it computes"),
        ],
    )
### END HIDDEN TESTS

# %% [markdown]
# **3b (4 points).** `witness_c`: `gains`, an array of 2 to 1,000 numbers, for which the given report and an honest one come to different verdicts.

# %% tags=["answer"] item="c-witness"
### BEGIN SOLUTION
witness_c = np.tile([0.0, 1.0], 50)
### END SOLUTION

# %% tags=["test"] item="c-witness" points=4
@item("c-witness", "witness_c")
def _(witness_c):
    # The form is checked here; the value when your set is graded.
    if np.ndim(witness_c) != 1 or not 2 <= np.size(witness_c) <= 1000 or not finite(witness_c):
        yield "`witness_c` should be an array (n,) of 2 to 1,000 finite numbers"
    report_c(np.asarray(witness_c, dtype=float))

### BEGIN HIDDEN TESTS
@item("c-witness", "witness_c", hidden=True)
def _(witness_c, rng):
    gains = np.asarray(witness_c, dtype=float)
    given = report_c(gains)[2]
    honest = bool(gains.mean() - 1.96 * gains.std(ddof=1) / np.sqrt(len(gains)) > 0)
    if given and honest:
        yield "both reports say that the step helps: these gains are large for their spread"
    if not given and not honest:
        yield "neither report says that the step helps: the mean gain is too small here, even for an honest one"
### END HIDDEN TESTS

# %% [markdown]
# **3c (5 points).** `mended_c(gains)`: the honest `report_c`, with the 1.96 of notebook 03.

# %% tags=["answer"] item="c-mend"
def mended_c(gains):
    """Return three things from gains (n,).

    They are the mean gain, half of its 95 % interval, and whether the interval lies above 0.
    """
    ### BEGIN SOLUTION
    mean = gains.mean()
    half_width = 1.96 * gains.std(ddof=1) / np.sqrt(len(gains))
    return mean, half_width, bool(mean - half_width > 0)
    ### END SOLUTION

# %% tags=["test"] item="c-mend" points=5
@item("c-mend", "mended_c")
def _(mended_c):
    gains = np.full(5, 0.4)
    yield compare(mended_c(gains), (0.4, 0.0, True), name="the report on five equal gains")
    yield compare(mended_c(-gains), (-0.4, 0.0, False), name="the report on five equal losses")

### BEGIN HIDDEN TESTS
@item("c-mend", "mended_c", hidden=True)
def _(mended_c, rng):
    for n in (12, 50, 300):
        gains = rng.uniform(0.5, 3) * rng.normal(size=n) + rng.uniform(-1, 1)
        spread = gains.std(ddof=1)
        half_width = 1.96 * spread / np.sqrt(n)
        for wanted in (True, False):  # the same gains, moved so that the verdict is clear
            moved = gains - gains.mean() + (1.5 if wanted else 0.6) * half_width
            mean, half, helps = mended_c(moved)
            yield compare(mean, moved.mean(), name="the mean gain")
            yield compare(
                half,
                half_width,
                name="the half-width",
                diagnoses=[
                    (1.96 * spread, "the flaw is still there: this is 1.96 times the spread of the tasks, whatever their number"),
                    (spread, "this is the standard deviation of the tasks: how far they lie apart, not how well the mean is known"),
                    (1.96 * spread / n, "you divide by n: the standard deviation of a mean falls with the square root of n"),
                    (spread / np.sqrt(n), "this is one standard error: a 95 % interval reaches 1.96 of them to each side"),
                    (2 * half_width, "this is the whole width: the report promises half of it"),
                    (half_width * np.sqrt((n - 1) / n), "the spread divides by n here: take `ddof=1`, as the given report does"),
                ],
            )
            yield compare(
                helps, wanted, name="the verdict", diagnoses=[(not wanted, "the half-width is right and the verdict is not: the whole interval must lie above 0")]
            )
### END HIDDEN TESTS

# %% [markdown]
# ## Question 4 · Program D (12 points, 25 minutes)
#
# A learner for tasks with two classes: logistic regression on normalised features.

# %% tags=["setup"]
def normalised(x):
    """Each feature with mean 0 and spread 1."""
    return (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-6)


def program_d(support_x, support_y, query_x, steps=60):
    """Fit logistic regression, with normalised features, to the support set.

    support_x is (n, d), support_y (n,) holds zeros and ones, and query_x is (m, d).
    Return the scores (m,) of the queries, with the features normalised in the same way as for
    the fit, and the losses on the way. A score above 0 means class 1.
    """
    h, weights, bias, losses = normalised(support_x), np.zeros(support_x.shape[1]), 0.0, []
    for _ in range(steps):
        p = 1 / (1 + np.exp(-(h @ weights + bias)))
        losses.append(-np.mean(support_y * np.log(p) + (1 - support_y) * np.log(1 - p)))
        weights = weights - 0.5 * h.T @ (p - support_y) / len(h)
        bias = bias - 0.5 * np.mean(p - support_y)
    return normalised(query_x) @ weights + bias, losses


def two_clouds(rng, n=10, m=30, d=2):
    """A task with two classes: support_x, support_y, query_x, query_y."""
    middle, apart = rng.normal(size=d), 0.8 * rng.choice([-1, 1], d)
    labels = np.arange(n) % 2, np.arange(m) % 2
    x = [middle + (2 * y[:, None] - 1) * apart + rng.normal(size=(len(y), d)) for y in labels]
    return x[0], labels[0], x[1], labels[1]


support_x, support_y, query_x, query_y = two_clouds(np.random.default_rng(4))
scores, losses = program_d(support_x, support_y, query_x)
print(f"program D: support loss {losses[0]:.2f} -> {losses[-1]:.2f},")
print(f"           {np.mean((scores > 0) == query_y):.0%} of 30 queries right")

# %% [markdown]
# **4a (3 points).** `flaw_d`: the name of the flaw.

# %% tags=["answer"] item="d-name"
### BEGIN SOLUTION
flaw_d = "transductive"
### END SOLUTION

# %% tags=["test"] item="d-name" points=3
@item("d-name", "flaw_d")
def _(flaw_d):
    # The form is checked here; the value when your set is graded.
    yield None if flaw_d in FLAWS else "`flaw_d` should be one of the ten strings of the table"

### BEGIN HIDDEN TESTS
@item("d-name", "flaw_d", hidden=True)
def _(flaw_d, rng):
    yield compare(
        flaw_d,
        "transductive",
        name="`flaw_d`",
        diagnoses=[
            ("query labels", "program D does not get the query labels at all"),
            ("support in query", "only the queries are scored: the support set is used for the fit"),
            (lambda _: True, "program D does not do this: ask what one query's score depends on"),
        ],
    )
### END HIDDEN TESTS

# %% [markdown]
# **4b (4 points).** `witness_d`: three arrays, `(support_x, support_y, query_x)`, at most 2,000 numbers together. For at least one query the given program and an honest one must give different *classes*.

# %% tags=["answer"] item="d-witness"
### BEGIN SOLUTION
witness_d = (np.array([[-1.0], [1.0]]), np.array([0, 1]), np.array([[2.0], [5.0]]))
### END SOLUTION

# %% tags=["test"] item="d-witness" points=4
@item("d-witness", "witness_d")
def _(witness_d):
    # The form is checked here; the value when your set is graded.
    if not finite(*witness_d):
        yield "`witness_d` should hold finite numbers, at most 2,000 of them"
    support_x, support_y, query_x = (np.asarray(part, dtype=float) for part in witness_d)
    n, d = support_x.shape if support_x.ndim == 2 else (0, 0)
    if not n * d or support_y.shape != (n,) or query_x.ndim != 2 or query_x.shape[1] != d:
        yield "`witness_d` should be support_x (n, d), support_y (n,) and query_x (m, d)"
    if set(support_y.tolist()) != {0.0, 1.0}:
        yield "support_y should hold zeros and ones, both of them"
    scores, _ = program_d(support_x, support_y, query_x)
    if not len(scores) or not finite(scores):
        yield "`witness_d` should hold at least one query, and give finite scores"

### BEGIN HIDDEN TESTS
@item("d-witness", "witness_d", hidden=True)
def _(witness_d, rng):
    support_x, support_y, query_x = (np.asarray(part, dtype=float) for part in witness_d)
    given, _ = program_d(support_x, support_y, query_x)
    middle, spread = support_x.mean(axis=0), support_x.std(axis=0) + 1e-6
    h, weights, bias = (support_x - middle) / spread, np.zeros(support_x.shape[1]), 0.0
    for _ in range(60):
        p = 1 / (1 + np.exp(-(h @ weights + bias)))
        weights, bias = weights - 0.5 * h.T @ (p - support_y) / len(h), bias - 0.5 * np.mean(p - support_y)
    honest = (query_x - middle) / spread @ weights + bias
    if np.allclose(given, honest, rtol=1e-6, atol=1e-9):
        yield "on this input the given program and an honest one return the same scores"
    if np.array_equal(given > 0, honest > 0):
        yield "the scores differ on this input, and the classes do not: move the queries farther away from the support set"
### END HIDDEN TESTS

# %% [markdown]
# **4c (5 points).** `mended_d(support_x, support_y, query_x)`: the honest `program_d`. It returns the scores and the losses.

# %% tags=["answer"] item="d-mend"
def mended_d(support_x, support_y, query_x, steps=60):
    """Return the scores (m,) of the queries, and the list of losses."""
    ### BEGIN SOLUTION
    middle, spread = support_x.mean(axis=0), support_x.std(axis=0) + 1e-6
    h, weights, bias, losses = (support_x - middle) / spread, np.zeros(support_x.shape[1]), 0.0, []
    for _ in range(steps):
        p = 1 / (1 + np.exp(-(h @ weights + bias)))
        losses.append(-np.mean(support_y * np.log(p) + (1 - support_y) * np.log(1 - p)))
        weights = weights - 0.5 * h.T @ (p - support_y) / len(h)
        bias = bias - 0.5 * np.mean(p - support_y)
    return (query_x - middle) / spread @ weights + bias, losses
    ### END SOLUTION

# %% tags=["test"] item="d-mend" points=5
@item("d-mend", "mended_d")
def _(mended_d):
    x, y, _, _ = two_clouds(np.random.default_rng(5))
    want, losses = program_d(x, y, x)
    got, got_losses = mended_d(x, y, x)
    yield compare(got, want, name="the scores of the support set's own inputs")
    yield compare(np.asarray(got_losses), np.array(losses), name="the losses")

### BEGIN HIDDEN TESTS
@item("d-mend", "mended_d", hidden=True)
def _(mended_d, rng):
    for n, m, d in ((6, 9, 2), (10, 4, 3)):
        x, y, query_x, _ = two_clouds(rng, n, m, d)
        query_x = query_x + rng.uniform(0.5, 1.5, d)
        middle, spread = x.mean(axis=0), x.std(axis=0) + 1e-6
        h, weights, bias = (x - middle) / spread, np.zeros(d), 0.0
        for _ in range(60):
            p = 1 / (1 + np.exp(-(h @ weights + bias)))
            weights, bias = weights - 0.5 * h.T @ (p - y) / n, bias - 0.5 * np.mean(p - y)
        everything = np.concatenate([x, query_x])
        scores = mended_d(x, y, query_x)[0]
        honest = (query_x - middle) / spread @ weights + bias
        # honest, too: each query normalised by the support set and itself
        joined = [np.concatenate([x, query[None]]) for query in query_x]
        by_one = np.array([(part[-1] - part.mean(axis=0)) / (part.std(axis=0) + 1e-6) @ weights + bias for part in joined])
        yield compare(
            scores,
            by_one if np.shape(scores) == (m,) and np.allclose(scores, by_one) else honest,
            name="the scores",
            diagnoses=[
                (program_d(x, y, query_x)[0], "the flaw is still there: the queries are normalised by their own mean and spread"),
                ((query_x - middle) / (query_x.std(axis=0) + 1e-6) @ weights + bias, "the spread is still that of the queries: take mean *and* spread from the support set"),
                ((query_x - query_x.mean(axis=0)) / spread @ weights + bias, "the mean is still that of the queries: take mean *and* spread from the support set"),
                ((query_x - everything.mean(axis=0)) / (everything.std(axis=0) + 1e-6) @ weights + bias, "support and queries are normalised together: the other queries still count"),
                (query_x @ weights + bias, "the queries are not normalised at all: the weights were fitted to normalised features"),
            ],
        )
        yield compare(
            mended_d(x, y, query_x[:1])[0], np.asarray(scores)[:1], name="the score of the first query alone",
            diagnoses=[(lambda _: True, "the score of a query changes when the other queries are taken away")],
        )
### END HIDDEN TESTS

# %% [markdown]
# ## Question 5 · Program E (12 points, 25 minutes)
#
# Tasks with one parameter $w$: a row (c, m) stands for the loss $\tfrac{c}{2} (w - m)^2$, as in notebook 06. The program looks for a start, and keeps the best of its checkpoints.

# %% tags=["setup"]
def after_steps(theta, tasks, steps, inner_lr=0.1):
    """The parameter of each task after some inner steps: tasks (n, 2) -> (n,)."""
    curvature, minimum = tasks.T
    return minimum + (1 - inner_lr * curvature) ** steps * (theta - minimum)


def loss_after_a_step(theta, tasks):
    """The mean over tasks (n, 2) of the loss after one inner step."""
    curvature, minimum = tasks.T
    return np.mean(0.5 * curvature * (after_steps(theta, tasks, 1) - minimum) ** 2)


def program_e(theta, train, val, test):
    """Reptile on the rows of train, one after another, with a checkpoint after each row.

    Of all checkpoints keep the best. Return its theta, its loss on the meta-test tasks, and
    the curve of losses on the meta-validation tasks.
    """
    kept, lowest, curve = theta, np.inf, []
    for row in train:
        theta = theta + 0.2 * (after_steps(theta, row[None], 5)[0] - theta)
        curve.append(loss_after_a_step(theta, val))
        loss = loss_after_a_step(theta, test)
        if loss < lowest:
            kept, lowest = theta, loss
    return kept, lowest, curve


def bowls(rng, n, middle=3.0):
    """n tasks: curvatures from 0.5 to 8, minima around the middle."""
    return np.c_[rng.uniform(0.5, 8, n), middle + rng.normal(size=n)]


rng = np.random.default_rng(6)
theta, loss, curve = program_e(0.0, bowls(rng, 60), bowls(rng, 8), bowls(rng, 8))
print(f"program E: meta-validation loss {curve[0]:.2f} -> {curve[-1]:.2f},")
print(f"           kept theta = {theta:.2f}, meta-test loss {loss:.2f}")

# %% [markdown]
# **5a (3 points).** `flaw_e`: the name of the flaw.

# %% tags=["answer"] item="e-name"
### BEGIN SOLUTION
flaw_e = "best on test"
### END SOLUTION

# %% tags=["test"] item="e-name" points=3
@item("e-name", "flaw_e")
def _(flaw_e):
    # The form is checked here; the value when your set is graded.
    yield None if flaw_e in FLAWS else "`flaw_e` should be one of the ten strings of the table"

### BEGIN HIDDEN TESTS
@item("e-name", "flaw_e", hidden=True)
def _(flaw_e, rng):
    yield compare(
        flaw_e,
        "best on test",
        name="`flaw_e`",
        diagnoses=[
            ("stale start", "Reptile moves theta from task to task on purpose; the losses of all tasks are taken at the same theta"),
            ("first order", "Reptile has no second-order part that could be left out, and says that it is Reptile"),
            ("one seed", "program E reports no variation at all"),
            (lambda _: True, "program E does not do this: ask what decides which checkpoint is kept"),
        ],
    )
### END HIDDEN TESTS

# %% [markdown]
# **5b (4 points).** `witness_e`: four things, `(theta, train, val, test)`, in the form of the program's arguments, at most 2,000 numbers. The loss that the given program reports must be at most *half* of the loss that an honest one reports, and the honest loss above zero.

# %% tags=["answer"] item="e-witness"
### BEGIN SOLUTION
witness_e = (0.0, np.tile([2.0, 5.0], (20, 1)), np.array([[2.0, 5.0]]), np.array([[2.0, 0.5]]))
### END SOLUTION

# %% tags=["test"] item="e-witness" points=4
@item("e-witness", "witness_e")
def _(witness_e):
    # The form is checked here; the value when your set is graded.
    if not finite(*witness_e):
        yield "`witness_e` should hold finite numbers, at most 2,000 of them"
    theta, train, val, test = (np.asarray(part, dtype=float) for part in witness_e)
    rows = all(part.shape[1:] == (2,) and len(part) for part in (train, val, test))
    if theta.ndim or not rows:
        yield (
            "`witness_e` should be a number and three arrays (n, 2), "
            "each with at least one row"
        )
    if not finite(program_e(float(theta), train, val, test)[1]):
        yield "on `witness_e` the program's loss is not finite: take smaller numbers"

### BEGIN HIDDEN TESTS
@item("e-witness", "witness_e", hidden=True)
def _(witness_e, rng):
    theta, train, val, test = (np.asarray(part, dtype=float) for part in witness_e)
    theta = float(theta)
    _, given, curve = program_e(theta, train, val, test)
    places = []
    for row in train:
        theta = theta + 0.2 * (after_steps(theta, row[None], 5)[0] - theta)
        places.append(theta)
    honest = loss_after_a_step(places[int(np.argmin(curve))], test)
    if not honest > 0:
        yield "the honest program reports a loss of zero here: half of that is nothing"
    if given > 0.999999 * honest:
        yield "on this input both programs report the same loss"
    if given > 0.5 * honest:
        yield "the given program reports less than the honest one here, but not half: let the two sets of tasks want different things"
### END HIDDEN TESTS

# %% [markdown]
# **5c (5 points).** `mended_e(theta, train, val, test)`: the honest `program_e`. It returns the same three things. If several checkpoints are equally good, it keeps the first.

# %% tags=["answer"] item="e-mend"
def mended_e(theta, train, val, test):
    """Return the kept theta, its loss on the meta-test tasks, and the curve.

    The curve is the list of losses on the meta-validation tasks.
    """
    ### BEGIN SOLUTION
    kept, lowest, curve = theta, np.inf, []
    for row in train:
        theta = theta + 0.2 * (after_steps(theta, row[None], 5)[0] - theta)
        curve.append(loss_after_a_step(theta, val))
        if curve[-1] < lowest:
            kept, lowest = theta, curve[-1]
    return kept, loss_after_a_step(kept, test), curve
    ### END SOLUTION

# %% tags=["test"] item="e-mend" points=5
@item("e-mend", "mended_e")
def _(mended_e):
    rng = np.random.default_rng(7)
    train, same = bowls(rng, 20), bowls(rng, 5)
    theta, loss, curve = mended_e(0.0, train, same, same)
    want = program_e(0.0, train, same, same)
    yield compare((theta, loss), want[:2], name="the kept theta and its loss")
    yield compare(np.asarray(curve), np.array(want[2]), name="the curve")

### BEGIN HIDDEN TESTS
@item("e-mend", "mended_e", hidden=True)
def _(mended_e, rng):
    for _ in range(3):
        start, train = rng.uniform(-1, 1), bowls(rng, 25)
        # with curvatures of 2 alone the best theta is the mean of the minima: for val it comes early on the way, for test later
        train[:, 0], turn = 2.0, rng.uniform(1.0, 1.5)
        val, test = np.c_[np.full(6, 2.0), turn + 0.3 * rng.normal(size=6)], np.c_[np.full(6, 2.0), 2.2 + 0.3 * rng.normal(size=6)]
        places, place = [], start
        for row in train:
            place = place + 0.2 * (after_steps(place, row[None], 5)[0] - place)
            places.append(place)
        on_val, on_test = ([loss_after_a_step(place, tasks) for place in places] for tasks in (val, test))
        best, given = int(np.argmin(on_val)), int(np.argmin(on_test))
        theta, loss, curve = mended_e(start, train, val, test)
        yield compare(
            theta,
            places[best],
            name="the kept theta",
            diagnoses=[
                (places[given], "the flaw is still there: the meta-test tasks decide which checkpoint is kept"),
                (places[-1], "the last checkpoint is kept, not the best"),
                (places[int(np.argmax(on_val))], "the checkpoint with the largest loss is kept"),
                (start, "the start is kept, whatever the checkpoints are"),
            ],
        )
        yield compare(
            loss,
            on_test[best],
            name="the reported loss",
            diagnoses=[
                (on_test[given], "the reported loss is the lowest of all checkpoints on meta-test: report that of the kept one"),
                (on_val[best], "the reported loss is that on the tasks that chose the checkpoint: it is too good, for the same reason as before"),
                (on_test[-1], "the reported loss is that of the last checkpoint: report that of the kept one"),
            ],
        )
        yield compare(np.asarray(curve), np.array(on_val), name="the curve")
### END HIDDEN TESTS

# %% [markdown]
# ## Question 6 · Two intervals (15 points, 20 minutes)
#
# Two methods were scored on the *same* 40 tasks, in per cent. `scores_of` draws your own scores, from your id. Use 1.96, as notebook 03 does. Do not round, except `needed` to a whole number if you like.
#
# **6a (6 points).** `one_mean` and `one_half`: the mean score of method one, and half of its 95 % interval over tasks. `needed`: with how many tasks would this half-width be 0.5 points, if the spread of the tasks stays the same?
#
# **6b (9 points).** `gap`: the mean of *two minus one*. `gap_half`: half of the 95 % interval of that difference, from the differences task by task. `gap_apart`: the half-width that you would have to report if the two methods had been scored on two *different* samples of 40 tasks, with these same scores.

# %% tags=["setup"]
def scores_of(rng):
    """One student's scores: of method one and of method two, (40,) each, on the same tasks."""
    hard = rng.uniform(6, 12) * rng.normal(size=40)  # a hard task is hard for both

    def scored():
        scores = rng.uniform(50, 70) + hard + rng.uniform(2, 5) * rng.normal(size=40)
        return np.clip(scores, 0, 100)

    return scored(), scored()

# %% tags=["answer"] item="interval"
one, two = scores_of(own("ps2/intervals", STUDENT))
### BEGIN SOLUTION
one_mean = one.mean()
one_half = 1.96 * one.std(ddof=1) / np.sqrt(40)
needed = 40 * (one_half / 0.5) ** 2
### END SOLUTION

# %% tags=["test"] item="interval" points=6
@item("interval", "one_mean", "one_half", "needed")
def _(one_mean, one_half, needed):
    # The form is checked here; the values when your set is graded.
    if not (0 < float(one_mean) < 100 and float(one_half) > 0 and float(needed) > 0):
        yield "`one_mean` is a score in per cent, `one_half` and `needed` are positive numbers"

### BEGIN HIDDEN TESTS
@item("interval", "one_mean", "one_half", "needed", hidden=True)
def _(one_mean, one_half, needed, rng):
    one, two = scores_of(own("ps2/intervals"))
    spread = one.std(ddof=1)
    right = 1.96 * spread / np.sqrt(40)
    yield compare(one_mean, one.mean(), name="`one_mean`", diagnoses=[(two.mean(), "this is the mean of method two")])
    yield compare(
        one_half,
        right,
        name="`one_half`",
        diagnoses=[
            (spread, "this is the standard deviation of the tasks: how far they lie apart"),
            (1.96 * spread, "this covers the tasks, not their mean: the square root of n is missing"),
            (spread / np.sqrt(40), "this is one standard error: the interval reaches 1.96 of them to each side"),
            (2 * right, "this is the whole width: half of it was asked"),
            (right * np.sqrt(39 / 40), "the spread divides by n here: take `ddof=1`, as notebook 03 does"),
            (1.96 * spread / 40, "you divide by n: take its square root"),
        ],
    )
    more = 40 * (right / 0.5) ** 2
    yield compare(
        needed,
        more,
        name="`needed`",
        rtol=0,
        atol=1.0,
        diagnoses=[
            (40 * right / 0.5, "`needed` grows as if twice as many tasks halved the interval: that takes four times as many"),
            (lambda got: abs(float(got) - (more - 40)) < 1, "`needed` is the number of tasks in all, not how many more"),
            (spread**2 / 0.25, "`needed` is for one standard error of 0.5: the interval reaches 1.96 of them to each side"),
        ],
    )
### END HIDDEN TESTS

# %% tags=["answer"] item="paired"
one, two = scores_of(own("ps2/intervals", STUDENT))
### BEGIN SOLUTION
gap = np.mean(two - one)
gap_half = 1.96 * np.std(two - one, ddof=1) / np.sqrt(40)
gap_apart = 1.96 * np.sqrt((one.var(ddof=1) + two.var(ddof=1)) / 40)
### END SOLUTION

# %% tags=["test"] item="paired" points=9
@item("paired", "gap", "gap_half", "gap_apart")
def _(gap, gap_half, gap_apart):
    # The form is checked here; the values when your set is graded.
    if not (np.isfinite(float(gap)) and float(gap_half) > 0 and float(gap_apart) > 0):
        yield "`gap` is a number, `gap_half` and `gap_apart` are positive numbers"

### BEGIN HIDDEN TESTS
@item("paired", "gap", "gap_half", "gap_apart", hidden=True)
def _(gap, gap_half, gap_apart, rng):
    one, two = scores_of(own("ps2/intervals"))
    halves = [1.96 * part.std(ddof=1) / np.sqrt(40) for part in (one, two, two - one)]
    apart = np.hypot(*halves[:2])
    yield compare(gap, np.mean(two - one), name="`gap`", diagnoses=[(np.mean(one - two), "the sign is wrong: two minus one was asked")])
    yield compare(
        gap_half,
        halves[2],
        name="`gap_half`",
        diagnoses=[
            (apart, "`gap_half` is that of two separate samples: both methods met the same tasks, so look at the differences"),
            (halves[0] + halves[1], "`gap_half` is the sum of the two half-widths: look at the differences, task by task"),
            (abs(halves[0] - halves[1]), "`gap_half` is the difference of the two half-widths: widths of intervals do not subtract"),
            (halves[2] * np.sqrt(40), "`gap_half` lacks the square root of n"),
        ],
    )
    yield compare(
        gap_apart,
        apart,
        name="`gap_apart`",
        diagnoses=[
            (halves[2], "`gap_apart` is the paired one again: for separate samples the variances add up"),
            (halves[0] + halves[1], "`gap_apart` is the sum of the two half-widths: variances add up, not widths"),
            (apart / np.sqrt(2), "`gap_apart` divides by 80 tasks: each mean is over 40 of its own"),
            (np.sqrt(abs(halves[0] ** 2 - halves[1] ** 2)), "`gap_apart` subtracts the variances: also for a difference they add up"),
        ],
    )
### END HIDDEN TESTS

# %% [markdown]
# ## Question 7 · Where does Reptile come to rest? (10 points, 35 minutes)
#
# Exercise 6.6 answered this for one parameter and tasks with equally many inner steps. Now $w$ has two entries, and the loss of task $i$ is $\tfrac12 (w - m_i)^\top A_i (w - m_i)$. The matrices $A_i$ are symmetric, with different axes. Task $i$ takes its own number of inner steps, $k_i$, all with the rate $\alpha$. The outer step moves $w$ a share `meta_lr` of the way to the mean of the adapted parameters. All eigenvalues of $\alpha A_i$ lie between 0 and 1.
#
# `reptile_of` draws your four tasks. Find closed forms; a simulation can confirm them.
#
# **7a (6 points).** `rest`: the $w$ at which Reptile rests, an array (2,).
#
# **7b (4 points).** Two numbers. `largest`: with any larger `meta_lr` there are starts, however near `rest`, from which $w$ moves away. `slowest`: with `meta_lr` = 1, the smallest number s such that one outer step never leaves more than s times the distance from `rest`. Both come from one symmetric matrix. Do not round them.

# %% tags=["setup"]
def reptile_of(rng):
    """One student's four tasks.

    Return the matrices (4, 2, 2), the minima (4, 2), the inner steps (4,) and the inner rate.
    """
    matrices = []
    for _ in range(4):
        angle = rng.uniform(0, np.pi)
        eigenvalues = [rng.uniform(0.4, 2.0), rng.uniform(4.0, 9.0)]
        axes = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrices.append(axes @ np.diag(eigenvalues) @ axes.T)
    return np.array(matrices), rng.uniform(-4, 4, (4, 2)), rng.permutation([1, 2, 3, 5]), 0.1

# %% tags=["answer"] item="rest"
matrices, minima, inner_steps, inner_lr = reptile_of(own("ps2/reptile", STUDENT))
### BEGIN SOLUTION
left = [np.linalg.matrix_power(np.eye(2) - inner_lr * a, k) for a, k in zip(matrices, inner_steps)]
way = np.eye(2) - np.array(left)  # φ − w = way (m − w)
rest = np.linalg.solve(way.sum(axis=0), sum(way[i] @ minima[i] for i in range(4)))
### END SOLUTION

# %% tags=["test"] item="rest" points=6
@item("rest", "rest")
def _(rest):
    # The form is checked here; the values when your set is graded.
    if np.shape(rest) != (2,) or not finite(rest):
        yield "`rest` should be an array of two numbers"

### BEGIN HIDDEN TESTS
@item("rest", "rest", hidden=True)
def _(rest, rng):
    matrices, minima, steps, lr = reptile_of(own("ps2/reptile"))

    def at(weights):
        return np.linalg.solve(weights.sum(axis=0), np.einsum("tij,tj->i", weights, minima))

    left = np.array([np.linalg.matrix_power(np.eye(2) - lr * a, k) for a, k in zip(matrices, steps, strict=True)])
    entry_by_entry = (np.eye(2) - lr * matrices) ** steps[:, None, None]
    joint = at(matrices)
    yield compare(
        rest,
        at(np.eye(2) - left),
        name="`rest`",
        rtol=1e-4,
        diagnoses=[
            (minima.mean(axis=0), "this is the plain mean of the minima, where Reptile rests after very many inner steps"),
            (joint, "this is where joint training rests: Reptile with one inner step in every task"),
            (at(left), "the weights are what the steps *leave* of the distance: take the way that they cover"),
            (at(np.eye(2) - entry_by_entry), "`**` takes the power of each entry: a power of a matrix is `np.linalg.matrix_power`"),
            (at(matrices * steps[:, None, None]), "k steps are not one step that is k times as long: each begins where the last one ended"),
            (at(np.array([a @ p @ p for a, p in zip(matrices, left, strict=True)])), "this is where MAML rests: Reptile has no query loss"),
        ],
    )
### END HIDDEN TESTS

# %% tags=["answer"] item="largest"
matrices, minima, inner_steps, inner_lr = reptile_of(own("ps2/reptile", STUDENT))
### BEGIN SOLUTION
covered = [np.eye(2) - np.linalg.matrix_power(np.eye(2) - inner_lr * a, k) for a, k in zip(matrices, inner_steps)]
shares = np.linalg.eigvalsh(np.mean(covered, axis=0))  # of the distance, along two axes
largest, slowest = 2 / shares.max(), 1 - shares.min()
### END SOLUTION

# %% tags=["test"] item="largest" points=4
@item("largest", "largest", "slowest")
def _(largest, slowest):
    # The form is checked here; the values when your set is graded.
    if not (float(largest) > 0 and 0 < float(slowest) < 1):
        yield "`largest` should be a positive number, and `slowest` a share between 0 and 1"

### BEGIN HIDDEN TESTS
@item("largest", "largest", "slowest", hidden=True)
def _(largest, slowest, rng):
    matrices, _, steps, lr = reptile_of(own("ps2/reptile"))
    covered = [np.eye(2) - np.linalg.matrix_power(np.eye(2) - lr * a, k) for a, k in zip(matrices, steps, strict=True)]
    low, high = np.linalg.eigvalsh(np.mean(covered, axis=0))
    yield compare(
        largest,
        2 / high,
        name="`largest`",
        rtol=1e-5,
        diagnoses=[
            (1 / high, "this is where the fastest direction lands on the resting place in one step: it may be jumped over, up to as far again"),
            (2 / low, "this is the limit of the slowest direction: the fastest one moves away first"),
            (2 / (low + high), "you divide by the trace: each direction has its own limit, and the largest eigenvalue decides"),
            (4 / (low + high), "you take the mean of the eigenvalues: the largest one decides"),
            (2 / (4 * high), "this is the sum over the tasks: the outer step goes to the mean"),
            (2 / max(np.linalg.eigvalsh(part).max() for part in covered), "this is the limit of the worst task alone: the outer step uses the mean over the tasks"),
        ],
    )
    yield compare(
        slowest,
        1 - low,
        name="`slowest`",
        rtol=1e-5,
        diagnoses=[
            (low, "`slowest` is the share that is covered: what is left is the rest of 1"),
            (1 - high, "`slowest` is what the fastest direction leaves: the smallest eigenvalue leaves the most"),
            (1 - (low + high) / 2, "`slowest` is the mean over the two axes: ask for the worst direction"),
        ],
    )
### END HIDDEN TESTS

# %% [markdown]
# ## Question 8 · In your own words (15 points, 45 minutes)
#
# Answer in about 400 words together. A person reads this.
#
# **a (5 points).** For each of the programs A to E: could a reader of the *printed result alone* have become suspicious, or does one need the code, or a test that runs it? Choose two of the five, and describe for each a test of at most ten lines that would find the flaw without reading the code. *(1 point for a right sorting of the five, 2 for each test that fails on the flawed program and passes on the honest one.)*
#
# **b (5 points).** Two of the five are also honest methods, if the report says what they do. Which two? What exactly must stand in the table so that each is honest? *(1 point for each of the two, 1 for each sentence that would stand in the table, 1 for saying why the other three cannot be made honest by a sentence.)*
#
# **c (5 points).** Take *your* numbers of question 6. A report prints the two means, each with its own interval, and concludes: "the intervals overlap, so there is no difference", or "they do not overlap, so the method with the higher mean is better". Which of the two would it print for your data? Is that conclusion right? If the interval of your paired difference holds 0, say what follows from that. What can neither of your intervals tell you? *(1 point for your own numbers, 2 for the judgement by the paired interval with a reason, 2 for what the intervals leave open.)*
#
# Add one sentence: which tools, people or language models helped you, and with what?

# %% [markdown] tags=["manual"] item="prose" points=15
# **a.** From the printed result alone: C, if the number of tasks is printed. A half-width that is as large as the spread of the tasks does not fit to 100 of them, and with twice as many tasks it stays the same. The others print plausible numbers. A and E are too good by a little, which nobody sees without a second number. B trains, and D scores well. A test for D: score the queries together, then each alone, and compare. A test for A: make labels with classes of different sizes, and assert that no class is on both sides. For B: compare the outer move with a central difference of the whole loss after the step, inner gradient included. For E: exchange the meta-test tasks for others; the kept theta must not change. For C: give it the same gains twice, one after the other; the half-width must become smaller by about the square root of 2.
#
# **b.** First order and transductive. First-order MAML is a published method: the table must call it "first-order MAML". Transduction is another problem that has its uses, when all queries come together: the table must say "transductive: batch statistics of the queries", and such rows must not be compared with others. A class leak, a choice on the test tasks and a wrong interval are different: the number does not estimate what it claims, and no name makes it do so. One would have to compute it again.
#
# **c.** For example 61.3 ± 3.1 and 63.0 ± 3.2: the intervals overlap, and the report says "no difference". But both methods met the same tasks. The differences have the mean 1.7 with ± 1.4, so their interval does not hold 0: on tasks of this kind two, which has the higher mean, is better, for these two trained models. The separate intervals are wide because hard tasks are hard for both, and that part cancels in the differences. What they leave open: what another training run of either method would give, whether the tasks were chosen or the methods tuned on them, and tasks of another family.
#
# === BEGIN MARK SCHEME ===
# a: 1 for the sorting (C from the result; A, B, D, E need code or a test; accept "E, if a validation score is printed beside it"). 2 for each of two tests: 1 if the idea is right but the test would also fail on the honest program, or needs the source.
# b: 1 + 1 for the two (first order, transductive), 1 + 1 for the sentences, 1 for the reason about the other three. "Standard deviation, if it is called so" is a fair third: give the point that it replaces if the reason is good, as the report would then have to drop its verdict.
# c: 1 for own numbers that agree with question 6 as it was handed in, 2 for the judgement (1 without a reason), 2 for two things that are left open (seeds; tuning or choice on these tasks; another family; size of a difference that matters). Method one is the better one for about half of the students. If the student's paired interval holds 0 (about 15 % of them), "not shown" is right, and "no difference" is not.
# The sentence about help has no points; if it is missing, ask for it.
# === END MARK SCHEME ===
