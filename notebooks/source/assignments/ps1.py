# %% [markdown]
# # Problem set 1: gradients and MAML in NumPy
#
# You extend the engine of the course, build one step of MAML from NumPy alone, and write a judge that tells right gradients from wrong ones.
#
# | | |
# | --- | --- |
# | **You need** | [04, gradients through gradients](../../04_gradients_through_gradients.ipynb) and [05, MAML from zero](../../05_maml_from_zero.ipynb). Question 5 also uses the first sitting of [06](../../06_first_order_and_reptile.ipynb). |
# | **Time** | about 3 hours: 35 + 20 + 50 + 30 + 25 + 20 minutes for the six questions |
# | **Points** | 100: pull-backs 15, Hessian times vector 15, MAML 25, a judge 15, your own five points 15, in your own words 15 |
#
# **How it is graded.** Every item has one check, in the cell below its answer. The part that you see teaches: run it as often as you like. "Run All" stops at the first open item, so run the cells one by one. When your work is graded, a second part runs on fresh inputs that nobody has seen. So an answer that only fits the visible inputs gets no points. The data of question 5 come from your id, and no other student has them. Question 6 is read by a person, by the printed criteria. While your set is graded, a cell may compute for 20 seconds, and one call of a function for 10. When you are done, save the notebook and hand it in where your course says.
#
# **Rules.** Questions 1 to 4 are to be answered in plain NumPy, without an autograd package. You may talk to others, and you may use a language model as a tutor. Say so in question 6, with one sentence on what for. What you hand in must be your own: the set asks for a prediction and for numbers from your own data, and you should be able to explain each line.

# %% tags=["yours"]
STUDENT = ""  # the id that your course knows you by

# %% tags=["setup"]
import numpy as np

from mlcourse.assignments import item, own
from mlcourse.lessons.checks.compare import compare
from mlcourse.tasks import Examples, Task

# %% [markdown]
# ## Question 1 · A pull-back for `solve` (15 points, 35 minutes)
#
# Some meta-learners replace the inner loop by an exact fit: they solve a system of linear equations (R2-D2, Bertinetto and others, 2019). To train them you must pull gradients back through the solution. The engine of notebook 04 has no such operation, and neither has `mlcourse.reference.autograd`.
#
# The operation is `x = np.linalg.solve(a, b)`, so that `a @ x = b`. Here `a` has the shape (n, n), and `b` and `x` have the shape (n, m). `a` need not be symmetric. You are given `g`, the gradient of the final result with respect to `x`. It has the shape of `x`.
#
# A pull-back is right if this holds for every small change: multiply gradient and change entry by entry and add up: this is the change of the final result. Leave out products of two small changes. For a change `db` this says: the sum of `g * dx` equals the sum of `gradient_b * db`.
#
# You use exercise 4.2, the pull-backs of a matrix product, twice: `x` is the inverse of `a` times `b`, and `a @ x` is a product, too.
#
# **1a (6 points).** Return the gradient for `b`. **1b (9 points).** Return the gradient for `a`. Start from this: `a @ x = b` is still true after a small change of `a`, with the same `b`.

# %% tags=["answer"] item="pull-back-b"
def pull_back_to_b(a, b, g):
    """Return the gradient for b, (n, m).

    a is (n, n), b is (n, m), and g (n, m) is the gradient for solve(a, b).
    """
    ### BEGIN SOLUTION
    return np.linalg.solve(a.T, g)
    ### END SOLUTION

# %% tags=["test"] item="pull-back-b" points=6
@item("pull-back-b", "pull_back_to_b")
def _(pull_back_to_b):
    a = np.array([[2.0, 1.0], [-1.0, 3.0]])
    b, g = np.array([[1.0], [4.0]]), np.array([[1.0], [-2.0]])
    change = np.zeros((2, 1))
    for row in range(2):  # one entry of b at a time, a little to both sides
        db = np.zeros((2, 1))
        db[row] = 1e-6
        ahead, behind = np.linalg.solve(a, b + db), np.linalg.solve(a, b - db)
        change[row] = np.sum(g * (ahead - behind)) / 2e-6
    yield compare(
        pull_back_to_b(a, b, g),
        change,
        name="the gradient for b",
        diagnoses=[
            (
                [[5 / 7], [-3 / 7]],
                "you solve with `a` itself: going back takes the transpose of the matrix",
            ),
            (
                [[4.0], [-5.0]],
                "you multiply by the transpose: forwards `solve` divides, so backwards it "
                "divides, too",
            ),
            (-change, "the sign is wrong: x grows with b, so nothing changes sign"),
            (g, "you pass g on as it is: this is the pull-back of +"),
        ],
    )

### BEGIN HIDDEN TESTS
@item("pull-back-b", "pull_back_to_b", hidden=True)
def _(pull_back_to_b, rng):
    for n, m in ((3, 2), (4, 1), (5, 3)):
        a = n * np.eye(n) + rng.normal(size=(n, n))
        b, g = rng.normal(size=(2, n, m))
        yield compare(
            pull_back_to_b(a, b, g),
            np.linalg.solve(a.T, g),
            name="the gradient for b",
            diagnoses=[
                (np.linalg.solve(a, g), "you solve with `a` itself: going back takes the transpose of the matrix"),
                (a.T @ g, "you multiply by the transpose: forwards `solve` divides, so backwards it divides, too"),
                (a @ g, "you multiply by `a`, but `solve` divides by it, forwards and backwards"),
                (-np.linalg.solve(a.T, g), "the sign is wrong: x grows with b, so nothing changes sign"),
                (g, "you pass g on as it is: this is the pull-back of +"),
                (np.linalg.solve(a.T, b), "you used `b` in place of `g`: x is linear in b, so b itself plays no part"),
            ],
        )
### END HIDDEN TESTS

# %% tags=["answer"] item="pull-back-a"
def pull_back_to_a(a, b, g):
    """Return the gradient for a, (n, n).

    a is (n, n), b is (n, m), and g (n, m) is the gradient for solve(a, b).
    """
    ### BEGIN SOLUTION
    x = np.linalg.solve(a, b)
    # a dx = -da x, so dx = -solve(a, da x)
    return -np.linalg.inv(a).T @ g @ x.T
    ### END SOLUTION

# %% tags=["test"] item="pull-back-a" points=9
@item("pull-back-a", "pull_back_to_a")
def _(pull_back_to_a):
    a = np.array([[2.0, 1.0], [-1.0, 3.0]])
    b, g = np.array([[1.0], [4.0]]), np.array([[1.0], [-2.0]])
    change = np.zeros((2, 2))
    for place in np.ndindex(2, 2):
        da = np.zeros((2, 2))
        da[place] = 1e-6
        ahead, behind = np.linalg.solve(a + da, b), np.linalg.solve(a - da, b)
        change[place] = np.sum(g * (ahead - behind)) / 2e-6
    yield compare(
        pull_back_to_a(a, b, g),
        change,
        name="the gradient for a",
        diagnoses=[
            (-change, "the sign is wrong: a larger `a` makes x smaller, as in b / a"),
            (change.T, "it is transposed: row i of the gradient belongs to row i of `a`"),
            (
                [[-1 / 7, -4 / 7], [5 / 7, 20 / 7]],
                "the right factor is `b`: what `a` multiplies is x, so the factor is x",
            ),
            (
                [[1 / 7, -9 / 7], [-2 / 7, 18 / 7]],
                "you did not go back through `solve`: g must be divided by the transpose of "
                "`a` first",
            ),
            (
                [[5 / 49, -45 / 49], [-3 / 49, 27 / 49]],
                "you solve with `a` itself: going back takes the transpose",
            ),
        ],
    )

### BEGIN HIDDEN TESTS
@item("pull-back-a", "pull_back_to_a", hidden=True)
def _(pull_back_to_a, rng):
    for n, m in ((3, 2), (4, 1), (5, 3)):
        a = n * np.eye(n) + rng.normal(size=(n, n))
        b, g = rng.normal(size=(2, n, m))
        x, back = np.linalg.solve(a, b), np.linalg.solve(a.T, g)
        yield compare(
            pull_back_to_a(a, b, g),
            -back @ x.T,
            name="the gradient for a",
            diagnoses=[
                (back @ x.T, "the sign is wrong: a larger `a` makes x smaller, as in b / a"),
                (-x @ back.T, "it is transposed: row i of the gradient belongs to row i of `a`"),
                (-back @ b.T, "the right factor is `b`: what `a` multiplies is x, so the factor is x"),
                (-g @ x.T, "you did not go back through `solve`: g must be divided by the transpose of `a` first"),
                (-np.linalg.solve(a, g) @ x.T, "you solve with `a` itself: going back takes the transpose"),
            ],
        )
### END HIDDEN TESTS

# %% [markdown]
# ## Question 2 · A Hessian without a graph (15 points, 20 minutes)
#
# Exercise 4.4 computed $Hv$ by two walks through a graph. Often there is no graph: the gradient comes from a simulator, or from a colleague's compiled program. You can call it, and that is all.
#
# Write `hessian_times(gradient, theta, v)`. `gradient` is a function: it takes an array (n,) and returns the gradient of some smooth loss there, an array (n,). Return $Hv$, an array (n,), with $H$ the Hessian at `theta`. You may call `gradient` a few times.
#
# Notebook 04 says how to compute a slope from two values, and which step is a sensible one. The entries of `theta` are of size 1.
#
# **2a (10 points).** `v` has length 1. Your answer is right if it differs from $Hv$ by at most $10^{-7}$ of the largest entry of $Hv$.
#
# **2b (5 points).** `v` has any length, from $10^{-8}$ to $10^8$, or is all zeros. The same function must give $H(cv) = c \, Hv$. How long should the step away from `theta` be?

# %% [markdown]
# `bent_loss` makes losses of the kind that the hidden check uses, with the true Hessian, so that you can test your function.

# %% tags=["setup"]
def bent_loss(rng, n):
    """A random smooth loss of n parameters, the sum of log cosh(m w + c).

    Return two functions of w (n,): its gradient (n,) and its Hessian (n, n).
    """
    m = rng.uniform(0.4, 1.0, size=(n + 2, n)) * rng.choice([-1, 1], size=(n + 2, n))
    c = rng.uniform(-0.4, 0.4, n + 2)

    def gradient(w):
        return m.T @ np.tanh(m @ np.reshape(w, n) + c)

    def hessian(w):
        return m.T @ ((1 - np.tanh(m @ w + c) ** 2)[:, None] * m)

    return gradient, hessian


def unit_vector(rng, n):
    v = rng.normal(size=n)
    return v / np.linalg.norm(v)

# %% tags=["answer"] item="hessian-times"
def hessian_times(gradient, theta, v):
    """Return Hv, (n,): H is the Hessian, at theta (n,), of the loss behind `gradient`."""
    ### BEGIN SOLUTION
    length = np.linalg.norm(v)
    if length == 0:
        return np.zeros_like(v)
    h = 1e-5 / length  # so that h * v has length 1e-5, however long v is
    return (gradient(theta + h * v) - gradient(theta - h * v)) / (2 * h)
    ### END SOLUTION

# %% tags=["test"] item="hessian-times" points=10
@item("hessian-times", "hessian_times")
def _(hessian_times):
    def gradient(w):  # of w0² w1 + w1⁷ / 7 + 1000 w1
        return np.array([2 * w[0] * w[1], w[0] ** 2 + w[1] ** 6 + 1000])

    # at (1, 1) the Hessian is [[2, 2], [2, 6]]
    got = hessian_times(gradient, np.array([1.0, 1.0]), np.array([0.6, -0.8]))
    want = np.array([-0.4, -3.6])
    if np.shape(got) not in ((), (2,)):
        yield f"Hv has the shape {np.shape(got)}: that of v, (2,), is right"
    yield compare(
        got,
        want,
        name="Hv",
        rtol=1e-7,
        diagnoses=[
            (
                lambda got: np.allclose(got, 2 * want),
                "it is twice too large: the two places are 2h apart",
            ),
            (lambda got: np.allclose(got, -want), "the sign is wrong: ahead minus behind"),
            (
                lambda got: np.max(np.abs(got)) < 1e-6,
                "this is the Hessian at zero: both places lie near `theta`",
            ),
            (
                lambda got: np.max(np.abs(got - want)) < 1e-3,
                "nearly right, and not within 1e-7: go to both sides of `theta`, "
                "with a step of about 1e-5",
            ),
            (
                lambda got: np.max(np.abs(got - want)) < 0.5,
                "the step is too large: the gradient bends on the way. "
                "Notebook 04 finds the best step",
            ),
        ],
    )

### BEGIN HIDDEN TESTS
@item("hessian-times", "hessian_times", hidden=True)
def _(hessian_times, rng):
    for n in (2, 4, 7):
        gradient, hessian = bent_loss(rng, n)
        theta, v = rng.uniform(0.2, 0.6, n) * rng.choice([-1, 1], n), unit_vector(rng, n)
        want = hessian(theta) @ v
        far_off = [(gradient(theta + h * v) - gradient(theta - h * v)) / (2 * h) for h in (1.0, 0.1)]
        got = hessian_times(gradient, theta, v)
        if np.shape(got) != (n,):
            yield "Hv has another shape than v"
        yield compare(
            got,
            want,
            name="Hv",
            rtol=1e-7,
            diagnoses=[
                (lambda got: np.allclose(got, 2 * want, rtol=1e-6), "it is twice too large: the two places are 2h apart"),
                (lambda got: np.allclose(got, -want, rtol=1e-6), "the sign is wrong: ahead minus behind"),
                (lambda got: np.allclose(got, hessian(0 * theta) @ v, rtol=1e-3), "this is the Hessian at zero: both places lie near `theta`"),
                (lambda got: any(np.allclose(got, far, rtol=1e-6) for far in far_off), "the step is too large: the gradient bends on the way. Notebook 04 finds the best step"),
                (
                    lambda got: np.max(np.abs(got - want)) < 1e-4 * np.max(np.abs(want)),
                    "nearly right, and not within 1e-7: go to both sides of `theta`, with a step of about 1e-5",
                ),
            ],
        )
### END HIDDEN TESTS

# %% tags=["test"] item="hessian-any-length" points=5
@item("hessian-any-length", "hessian_times")
def _(hessian_times):
    def gradient(w):
        return np.array([2 * w[0] * w[1], w[0] ** 2 + w[1] ** 6 + 1000])

    theta, v = np.array([1.0, 1.0]), np.array([0.6, -0.8])
    once = hessian_times(gradient, theta, v)
    for c in (10.0, 1e6, 1e-6):
        yield compare(
            hessian_times(gradient, theta, c * v) / c,
            once,
            name=f"H(cv)/c for c = {c:g}",
            diagnoses=[
                (
                    once / c,
                    "the length of v is lost: H times a vector twice as long is twice as long",
                ),
                (
                    lambda _: True,
                    "wrong for a v of another length: the step that you take from `theta` "
                    "must not depend on the length of v",
                ),
            ],
        )
    tripled = hessian_times(lambda w: 3 * gradient(w) + 1, theta, v)
    yield compare(
        tripled,
        3 * np.asarray(once),
        name="Hv for three times the gradient plus a constant",
        rtol=1e-4,
        diagnoses=[
            (
                lambda _: True,
                "three times the gradient, plus a constant, must give three times Hv: "
                "Hv comes from the difference of two gradients",
            ),
        ],
    )

### BEGIN HIDDEN TESTS
@item("hessian-any-length", "hessian_times", hidden=True)
def _(hessian_times, rng):
    n = 4
    gradient, _ = bent_loss(rng, n)
    theta, v = rng.uniform(0.2, 0.6, n) * rng.choice([-1, 1], n), unit_vector(rng, n)
    mine = np.asarray(hessian_times(gradient, theta, v), dtype=float)
    if mine.shape != (n,) or not np.any(mine):
        yield "Hv of a vector that is not zero is zero here, or has another shape than v"
    factor, constant = rng.uniform(2, 4), rng.uniform(0.5, 1.0, n)
    yield compare(
        hessian_times(lambda w: factor * gradient(w) + constant, theta, v),
        factor * mine,
        name="Hv for a multiple of the gradient plus a constant",
        rtol=1e-4,
        diagnoses=[(lambda _: True, "a multiple of the gradient, plus a constant, must give the same multiple of Hv: Hv comes from the difference of two gradients")],
    )
    for c, word in ((10 ** rng.uniform(5, 8), "long"), (10 ** rng.uniform(-8, -5), "short")):
        got = np.asarray(hessian_times(gradient, theta, c * v), dtype=float)
        unscaled = got.shape == (n,) and np.allclose(got, mine, rtol=1e-4)
        yield compare(
            got / c,
            mine,
            name=f"H(cv)/c for a {word} v",
            rtol=1e-6,
            diagnoses=[
                (lambda _, unscaled=unscaled: unscaled, "the length of v is lost: H times a vector twice as long is twice as long"),
                (lambda _: True, f"wrong for a {word} v: the step that you take from `theta` must not depend on the length of v"),
            ],
        )
    nothing = hessian_times(gradient, theta, np.zeros(n))
    yield compare(
        nothing,
        np.zeros(n),
        name="H times zeros",
        diagnoses=[(lambda got: not np.all(np.isfinite(got)), "for a v of zeros it is not a number: you divide by its length")],
    )
### END HIDDEN TESTS

# %% [markdown]
# ## Question 3 · One step of MAML, by hand (25 points, 50 minutes)
#
# A linear model $x \cdot \theta$ is fitted with a loss that outliers cannot dominate. With the error $r = x \cdot \theta - y$ of one example, its loss is
#
# $$\rho(r) = r \arctan(r) - \tfrac12 \log(1 + r^2), \qquad \rho'(r) = \arctan(r).$$
#
# The loss of a set is the mean of $\rho$ over its examples. The engine of the course has no arctan, so nobody differentiates this for you: derive it. `x` has the shape (n, d), `y` (n,), $\theta$ (d,). A task is a `Task`, with `task.support.x`, `task.support.y`, `task.query.x` and `task.query.y`. The sizes of the support and the query set may differ.

# %% tags=["setup"]
def loss(theta, x, y):
    """The mean of ρ over the examples: theta (d,), x (n, d), y (n,) -> one number."""
    r = x @ theta - y
    return np.mean(r * np.arctan(r) - 0.5 * np.log1p(r**2))


def example_task(seed, n_support=4, n_query=6, d=3):
    """A task with random inputs; its labels are a linear function plus noise."""
    rng = np.random.default_rng(seed)
    true = rng.normal(size=d)
    parts = []
    for n in (n_support, n_query):
        x = 1.5 * rng.normal(size=(n, d))
        parts.append(Examples(x, x @ true + 0.3 * rng.normal(size=n)))
    return Task(*parts)

# %% [markdown]
# **3a (5 points).** Write the inner loop of notebook 05: `inner_steps` steps of gradient descent on the support set, from `theta`.

# %% tags=["answer"] item="inner-loop"
def adapt(theta, support, inner_lr, inner_steps):
    """Return φ, (d,): theta (d,) after inner_steps gradient steps on support."""
    ### BEGIN SOLUTION
    phi = theta
    for _ in range(inner_steps):
        error = support.x @ phi - support.y
        phi = phi - inner_lr * support.x.T @ np.arctan(error) / len(error)
    return phi
    ### END SOLUTION

# %% tags=["test"] item="inner-loop" points=5
@item("inner-loop", "adapt")
def _(adapt):
    one = Examples(np.array([[1.0]]), np.array([2.0]))  # one example, one parameter
    yield compare(
        adapt(np.array([3.0]), one, 0.5, 1),
        [3 - 0.5 * np.pi / 4],
        name="φ of one example, θ = 3, y = 2",
        diagnoses=[
            ([3 + 0.5 * np.pi / 4], "you went up the hill: subtract the gradient"),
            (
                [3 - 0.5 * 1.0],
                "this is the gradient of a squared error: the derivative of ρ is arctan",
            ),
            ([3 - np.pi / 4], "the step is the whole gradient: multiply it by `inner_lr`"),
        ],
    )
    theta, support = np.array([0.5, -1.0, 0.2]), example_task(1).support
    yield compare(adapt(theta, support, 0.3, 0), theta, name="φ after no steps")
    yield compare(  # from central differences of `loss`
        adapt(theta, support, 0.3, 2),
        [0.12065533, -0.60252963, 0.46649124],
        name="φ of four examples, after two steps",
        rtol=1e-6,
        diagnoses=[
            (
                [0.2980119, -0.79283934, 0.33773609],
                "this is φ after one step: repeat it, each from where the last one ended",
            ),
            (
                [0.0960238, -0.58567868, 0.47547218],
                "every step uses the gradient at θ: take it where the last step ended",
            ),
            (
                [-0.09045545, -0.1001952, 0.89792538],
                "the loss is a mean over the examples, and this is the gradient of their sum",
            ),
        ],
    )

### BEGIN HIDDEN TESTS
def _descend(theta, support, lr, steps, *, squared=False, total=False):
    places = [theta]
    for _ in range(steps):
        r = support.x @ places[-1] - support.y
        step = support.x.T @ (r if squared else np.arctan(r))
        places.append(places[-1] - lr * step / (1 if total else len(r)))
    return places


@item("inner-loop", "adapt", hidden=True)
def _(adapt, rng):
    for n, d in ((4, 3), (6, 2)):
        task = example_task(rng, n_support=n, d=d)
        theta, steps = rng.normal(size=d), int(rng.integers(2, 5))
        places = _descend(theta, task.support, 0.2, steps)
        at_theta = theta + steps * (places[1] - theta)
        yield compare(
            adapt(theta, task.support, 0.2, steps),
            places[-1],
            name="φ",
            diagnoses=[
                (places[1], "this is φ after one step: repeat it, each from where the last one ended"),
                (at_theta, "every step uses the gradient at θ: take it where the last step ended"),
                (_descend(theta, task.support, -0.2, steps)[-1], "you went up the hill: subtract the gradient"),
                (_descend(theta, task.support, 0.2, steps, total=True)[-1], "the loss is a mean over the examples, and this is the gradient of their sum"),
                (_descend(theta, task.support, 0.2, steps, squared=True)[-1], "this is the gradient of a squared error: the derivative of ρ is arctan"),
                (_descend(theta, task.support, 1.0, steps)[-1], "the step is the whole gradient: multiply it by `inner_lr`"),
            ],
        )
### END HIDDEN TESTS

# %% [markdown]
# **3b (14 points).** Return the meta-gradient of *one* task: the gradient, with respect to $\theta$, of the query loss after `inner_steps` steps on the support set. All second-order parts belong to it. You need the Hessian of the support loss, and so $\rho''$. It differs from place to place: exercise 4.5 and exercise 5.4 say which Hessian meets the gradient first.

# %% tags=["answer"] item="meta-gradient"
def meta_gradient(theta, task, inner_lr, inner_steps):
    """Return the gradient (d,), for theta (d,), of the query loss at φ, of one task."""
    ### BEGIN SOLUTION
    (x, y), (query_x, query_y) = task.support, task.query
    places = [theta]
    for _ in range(inner_steps):
        r = x @ places[-1] - y
        places.append(places[-1] - inner_lr * x.T @ np.arctan(r) / len(y))
    u = query_x.T @ np.arctan(query_x @ places[-1] - query_y) / len(query_y)
    for place in reversed(places[:-1]):
        bend = 1 / (1 + (x @ place - y) ** 2)  # ρ″ of each example
        u = u - inner_lr * x.T @ (bend * (x @ u)) / len(y)
    return u
    ### END SOLUTION

# %% tags=["test"] item="meta-gradient" points=14
@item("meta-gradient", "meta_gradient")
def _(meta_gradient):
    # with a pencil: one parameter, θ = 1, one step, and one example in each set, both at x = 1
    one = np.array([[1.0]])
    task = Task(Examples(one, np.array([0.0])), Examples(one, np.array([3.0])))
    phi = 1 - 0.4 * np.pi / 4
    yield compare(
        meta_gradient(np.array([1.0]), task, 0.4, 1),
        [(1 - 0.4 / 2) * np.arctan(phi - 3)],
        name="the meta-gradient of the smallest task",
        diagnoses=[
            (
                [np.arctan(phi - 3)],
                "this is first-order MAML: the gradient at φ, without the way back to θ",
            ),
            (
                [(1 - 0.4 / (1 + phi**2)) * np.arctan(phi - 3)],
                "each Hessian is taken where its step ends: take it where the step begins",
            ),
            (
                [1.2 * np.arctan(phi - 3)],
                "the sign of the second part is wrong: a step gives I − αH",
            ),
            (
                [0.5 * np.arctan(phi - 3)],
                "the factor is I − H: multiply the product by `inner_lr`",
            ),
            (
                [0.6 * np.arctan(phi - 3)],
                "this is the Hessian of half the squared error, the same everywhere: ρ″ "
                "depends on r",
            ),
        ],
    )
    theta, task = np.array([0.5, -1.0, 0.2]), example_task(2)
    at_theta = task.query.x.T @ np.arctan(task.query.x @ theta - task.query.y) / 6
    none = meta_gradient(theta, task, 0.3, 0)
    yield compare(none, at_theta, name="the meta-gradient after no steps")
    yield compare(  # from central differences of the query loss after the two steps
        meta_gradient(theta, task, 0.3, 2),
        [-0.31387109, -0.4858505, 0.40889121],
        name="the meta-gradient of four support examples, after two steps",
        rtol=1e-6,
        diagnoses=[
            (
                [-0.31950937, -0.47983699, 0.41537519],
                "you met the first step first: coming from the end, the last step is first",
            ),
            (
                [-0.3162037, -0.53982106, 0.44625572],
                "every Hessian is taken at θ: each step has its own, where it begins",
            ),
            (
                [-0.39509697, -0.54038972, 0.48974331],
                "you walked back through one step only: there is one factor for each",
            ),
            (
                [1.21563385, -1.26119051, -0.50163372],
                "the Hessian of a mean is a mean: divide by the number of examples",
            ),
            (
                [0.09902464, -0.21485399, 0.19714779],
                "the Hessians are those of the query loss: "
                "the steps went down the support loss",
            ),
        ],
    )

### BEGIN HIDDEN TESTS
def _places(theta, support, lr, steps):
    places = [theta]
    for _ in range(steps):
        r = support.x @ places[-1] - support.y
        places.append(places[-1] - lr * support.x.T @ np.arctan(r) / len(r))
    return places


def _walk(places, u, x, y, lr, *, bend=lambda r: 1 / (1 + r**2)):
    for place in places:
        u = u - lr * x.T @ (bend(x @ place - y) * (x @ u)) / len(y)
    return u


@item("meta-gradient", "meta_gradient", hidden=True)
def _(meta_gradient, rng):
    for n, d in ((4, 3), (6, 2)):
        task = example_task(rng, n_support=n, n_query=n + 3, d=d)
        theta, steps, lr = rng.normal(size=d), 3, 0.3
        places = _places(theta, task.support, lr, steps)

        def slope(part, place):
            return part.x.T @ np.arctan(part.x @ place - part.y) / len(part.y)

        u, back = slope(task.query, places[-1]), places[-2::-1]
        yield compare(
            meta_gradient(theta, task, lr, steps),
            _walk(back, u, *task.support, lr),
            name="the meta-gradient",
            diagnoses=[
                (u, "this is first-order MAML: the gradient at φ, without the way back to θ"),
                (slope(task.query, theta), "this is the query gradient at θ: no step was taken"),
                (_walk(places[:-1], u, *task.support, lr), "you met the first step first: coming from the end, the last step is first"),
                (_walk([theta] * steps, u, *task.support, lr), "every Hessian is taken at θ: each step has its own, where it begins"),
                (_walk(places[:0:-1], u, *task.support, lr), "each Hessian is taken where its step ends: take it where the step begins"),
                (_walk(back[:1], u, *task.support, lr), "you walked back through one step only: there is one factor for each"),
                (_walk(back, u, *task.support, -lr), "the sign of the second part is wrong: a step gives I − αH"),
                (_walk(back, u, *task.support, 1.0), "the factor is I − H: multiply the product by `inner_lr`"),
                (_walk(back, u, *task.query, lr), "the Hessians are those of the query loss: the steps went down the support loss"),
                (_walk(back, slope(task.support, places[-1]), *task.support, lr), "φ is judged on the query set: you walk back with the support gradient"),
                (_walk(back, u, *task.support, lr, bend=np.ones_like), "this is the Hessian of half the squared error, the same everywhere: ρ″ depends on r"),
                (_walk(back, u, *task.support, lr * n), "the Hessian of a mean is a mean: divide by the number of examples"),
            ],
        )
### END HIDDEN TESTS

# %% [markdown]
# **3c (6 points).** One outer step: from `theta`, go down the mean of the meta-gradients of all tasks. `tasks` is a list. Call your own `meta_gradient`: this item is judged by what *your* function returns, so that a mistake in 3b does not cost you points twice. But your `meta_gradient` must return different gradients for different tasks.

# %% tags=["answer"] item="outer-step"
def outer_step(theta, tasks, inner_lr, inner_steps, meta_lr):
    """Return the new theta, (d,), after one step of MAML on a list of tasks."""
    ### BEGIN SOLUTION
    gradients = [meta_gradient(theta, task, inner_lr, inner_steps) for task in tasks]
    return theta - meta_lr * np.mean(gradients, axis=0)
    ### END SOLUTION

# %% tags=["test"] item="outer-step" points=6
@item("outer-step", "outer_step", "meta_gradient")
def _(outer_step, meta_gradient):
    theta, task = np.array([0.5, -1.0, 0.2]), example_task(3)
    gradient = np.asarray(meta_gradient(theta, task, 0.3, 2))
    if gradient.shape != (3,):
        yield "your `meta_gradient` returns no array of the shape of θ: answer 3b first"
    yield compare(
        outer_step(theta, [task], 0.3, 2, 0.1),
        theta - 0.1 * gradient,
        name="the new θ of one task",
        diagnoses=[
            (theta + 0.1 * gradient, "you went up the hill: subtract the mean gradient"),
            (
                theta - 0.3 * gradient,
                "the outer step takes `meta_lr`; `inner_lr` is for the inner loop",
            ),
            (gradient, "this is the mean gradient: return the new θ"),
        ],
    )
    yield compare(
        outer_step(theta, [task, task], 0.3, 2, 0.1),
        theta - 0.1 * gradient,
        name="the new θ of the same task twice",
        diagnoses=[
            (
                theta - 0.2 * gradient,
                "you subtract the sum over the tasks: take their mean",
            ),
        ],
    )

### BEGIN HIDDEN TESTS
@item("outer-step", "outer_step", "meta_gradient", hidden=True)
def _(outer_step, meta_gradient, rng):
    tasks = [example_task(rng, n_support=n) for n in (3, 4, 5)]
    theta, how = rng.normal(size=3), (0.3, 2)

    def gradient(start, task):
        got = meta_gradient(start, task, *how)
        return np.asarray(got, dtype=float) if np.shape(got) == (3,) else np.full(3, np.nan)

    found = np.array([gradient(theta, task) for task in tasks])
    if found.shape != (3, 3) or not np.all(np.isfinite(found)) or np.allclose(found[0], found[1]):
        yield "your `meta_gradient` returns the same for different tasks, or no array of the shape of θ: answer 3b first"
    one_by_one = theta
    for task in tasks:
        one_by_one = one_by_one - 0.07 * gradient(one_by_one, task)
    yield compare(
        outer_step(theta, tasks, *how, 0.07),
        theta - 0.07 * found.mean(axis=0),
        name="the new θ",
        diagnoses=[
            (theta - 0.07 * found.sum(axis=0), "you subtract the sum over the tasks: take their mean"),
            (theta + 0.07 * found.mean(axis=0), "you went up the hill: subtract the mean gradient"),
            (theta - how[0] * found.mean(axis=0), "the outer step takes `meta_lr`; `inner_lr` is for the inner loop"),
            (theta - 0.07 * found[-1], "only the last task counts: collect one gradient for each task"),
            (one_by_one, "each task starts where the task before it ended: all gradients are taken at the same θ"),
            (found.mean(axis=0), "this is the mean gradient: return the new θ"),
        ],
    )
### END HIDDEN TESTS

# %% [markdown]
# ## Question 4 · A judge of gradients (15 points, 30 minutes)
#
# Write `is_gradient(f, x, claimed)`. `f` takes an array of the shape of `x` and returns one number. The judge says `True` if `claimed` is the gradient of `f` at `x`, and `False` if it is not.
#
# - It is right if no entry is off by more than $10^{-6}$ times the largest entry (in absolute value) of the true gradient. It is wrong if an entry is off by $10^{-3}$ times that, or more. You will not be asked about cases between the two.
# - It is wrong if it has another shape than `x`, or an entry that is not a number.
# - `x` may have one axis or two. The true gradient is never zero in all entries. Single entries may be.
#
# **4a (9 points).** The entries of `x` and the values of `f` are of size 1.
#
# **4b (6 points).** They may have any size: `x` from $10^{-5}$ to $10^5$, `f` from $10^{-9}$ to $10^9$. The entries of one `x` have about the same size, within a factor of 4. `f` bends on the scale of `x`: if `x` is tiny, a tiny change of `x` matters.

# %% [markdown]
# `wavy` makes functions of the kind that the hidden check uses, with a place and the right gradient there. What the check claims about them is for you to imagine.

# %% tags=["setup"]
def wavy(rng, shape, size=1.0, value=1.0):
    """A function value · F(x / size), a place x of this shape, and the right gradient there.

    Entry 0 of the gradient is zero, so the shape needs two entries or more.
    """
    n = int(np.prod(shape))
    m, c = rng.uniform(0.3, 1.0, (4, n)) * rng.choice([-1, 1], (4, n)), rng.uniform(-1, 1, 4)
    place = rng.uniform(0.3, 1.2, n) * rng.choice([-1, 1], n)
    bottom = place.copy()
    bottom[1:] += rng.uniform(0.5, 1.0, n - 1)
    m[:, 0] = 0.0  # entry 0 matters through the bowl alone, and is at its bottom there

    def f(x):
        u = np.ravel(x) / size
        return value * (np.sum(np.sin(m @ u + c)) + 0.5 * np.sum((u - bottom) ** 2))

    slope = value / size * (m.T @ np.cos(m @ place + c) + place - bottom)
    return f, size * place.reshape(shape), slope.reshape(shape)

# %% tags=["answer"] item="judge"
def is_gradient(f, x, claimed):
    """Return True if `claimed` is the gradient of f at x, else False."""
    ### BEGIN SOLUTION
    if np.shape(claimed) != x.shape:
        return False
    h = 1e-5 * (np.max(np.abs(x)) or 1.0)
    found = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = h
        found[place] = (f(x + step) - f(x - step)) / (2 * h)
    largest = np.max(np.abs(found))
    worst = np.max(np.abs(found - claimed))  # NaN if an entry is, and then the comparison is False
    return bool(worst <= 1e-5 * largest)
    ### END SOLUTION

# %% tags=["test"] item="judge" points=9
@item("judge", "is_gradient")
def _(is_gradient):
    def f(x):
        return np.sum(np.sin(x)) + x[0] * x[1]

    x = np.array([0.5, -1.2, 2.0])
    right = np.cos(x) + np.array([x[1], x[0], 0.0])
    yield compare(is_gradient(f, x, right), True, name="the judgement of a right gradient")
    longer = is_gradient(f, x, 1.01 * right)
    yield compare(longer, False, name="the judgement of a gradient that is 1 % too long")

### BEGIN HIDDEN TESTS
def _nudged(gradient, rng, share):
    """The gradient with one entry moved by a share of the largest one."""
    moved = gradient.copy()
    moved.flat[rng.integers(gradient.size)] += share * np.max(np.abs(gradient))
    return moved


@item("judge", "is_gradient", hidden=True)
def _(is_gradient, rng):
    cases = []
    for shape in ((4,), (2, 3)):
        f, x, right = wavy(rng, shape)
        largest = np.max(np.abs(right))
        noise = 1e-8 * largest * rng.choice([-1.0, 1.0], shape)
        not_a_number, cancelling = right.copy(), right.copy()
        not_a_number.flat[rng.integers(right.size)] = np.nan
        cancelling.flat[:2] += [0.01 * largest, -0.01 * largest]
        called_wrong, called_right = "it calls a right gradient wrong", "it calls a wrong gradient right"
        cases += [
            (f, x, right, True, called_wrong),
            (f, x, right + noise, True, f"{called_wrong} because of rounding in an entry that is zero: compare with the largest entry, not each with itself"),
            (f, x, 2 * right, False, f"{called_right} that is twice too long: compare values, not directions"),
            (f, x, -right, False, f"{called_right} that points the other way"),
            (f, x, 1.002 * right, False, f"{called_right} that is a fifth of a per cent too long"),
            (f, x, _nudged(right, rng, 0.002), False, f"{called_right} in which one entry is off by 2 parts in 1,000"),
            (f, x, not_a_number, False, f"{called_right} in which an entry is not a number: a comparison with NaN is always False"),
            (f, x, np.full(shape, np.nan), False, f"{called_right} that is not a number anywhere"),
            (f, x, cancelling, False, f"{called_right} in which two errors cancel: look at each entry"),
            (f, x, right[None], False, f"{called_right} of another shape than x"),
        ]
    said = {}
    for place in rng.permutation(len(cases)):
        f, x, claimed, _, _ = cases[place]
        said[place] = is_gradient(f, x, claimed)
    for place, (_, _, _, truth, message) in enumerate(cases):
        yield compare(said[place], truth, name="the judgement", diagnoses=[(not truth, message)])
### END HIDDEN TESTS

# %% tags=["test"] item="judge-any-size" points=6
@item("judge-any-size", "is_gradient")
def _(is_gradient):
    def f(x):
        return 1e-6 * np.sum(x**3)

    x = np.array([1.0, 2.0])
    said = is_gradient(f, x, 3e-6 * x**2)
    yield compare(said, True, name="the judgement of a right gradient of size 1e-5")

### BEGIN HIDDEN TESTS
@item("judge-any-size", "is_gradient", hidden=True)
def _(is_gradient, rng):
    cases = []
    for low, high in ((-9, -7), (-1, 1), (7, 9)):
        for small, large in ((-5, -4), (-1, 0), (4, 5)):
            size, value = 10 ** rng.uniform(small, large), 10 ** rng.uniform(low, high)
            f, x, right = wavy(rng, (3,), size, value)
            where = f"with x of size {10 ** round((small + large) / 2):.0e} or so"
            cases += [
                (f, x, 1.01 * right, False, "it calls a gradient right that is 1 % too long: your tolerance does not shrink with the gradient"),
                (f, x, right, True, f"it calls a right gradient wrong, {where}: choose the step by the size of x, and the tolerance by that of the gradient"),
            ]
    cases.sort(key=lambda case: case[3])  # the wrong gradients first
    said = {}
    for place in rng.permutation(len(cases)):
        f, x, claimed, _, _ = cases[place]
        said[place] = is_gradient(f, x, claimed)
    for place, (_, _, _, truth, message) in enumerate(cases):
        yield compare(said[place], truth, name="the judgement", diagnoses=[(not truth, message)])
### END HIDDEN TESTS

# %% [markdown]
# ## Question 5 · Your own five points (15 points, 25 minutes)
#
# `five_points_of` draws a task for you: five support points and twenty query points of a sine $a \sin(x - p)$, with some noise on $y$. The data come from your id.

# %% tags=["setup"]
def five_points_of(rng):
    """One student's task, numbers and inner rates, as a dict."""
    phase, amplitude = rng.uniform(0.3, 2.8), rng.uniform(1.0, 3.0)
    x, query_x = rng.uniform(-5, 5, 5), rng.uniform(-5, 5, 20)
    noisy = lambda x: amplitude * np.sin(x - phase) + 0.3 * rng.normal(size=x.shape)
    curvature = 2 * np.mean(np.sin(x - phase) ** 2)  # of the support loss in the amplitude
    while True:  # six rates, so far apart that four digits decide
        steps = rng.uniform(0.1, 2.6, 6)
        left = np.sort(np.append(np.abs(1 - steps), 0))
        kinds = ((0.5, 1), (1, 2), (2, 2.6))
        each_kind = all(np.any((low < steps) & (steps < high)) for low, high in kinds)
        keys = (steps, -steps, abs(1 - steps), -abs(1 - steps))
        orders = {tuple(np.argsort(key)) for key in keys}
        if np.diff(left).min() > 0.04 and each_kind and len(orders) == 4:
            break
    return {
        "phase": phase, "amplitude": amplitude,
        "x": x, "y": noisy(x), "query_x": query_x, "query_y": noisy(query_x),
        "curvature": float(curvature),
        "rates": dict(zip("abcdef", (steps / curvature).tolist(), strict=True)),
        "start": float(phase + rng.uniform(0.4, 0.9) * rng.choice([-1, 1])),
        "inner_lr": rng.uniform(0.2, 0.5) / amplitude**2,
    }

# %% [markdown]
# **5a (5 points). Predict.** Suppose that the phase is known and the amplitude is the one parameter, as at the beginning of notebook 04. The cell below prints the curvature of *your* support loss and six inner rates, a to f. Do not train anything. Look at the numbers, think of $1 - \alpha L''$, and type or compute:
#
# - `turned`: the letters of the rates for which first-order MAML, with one inner step, moves the start in the *opposite* direction to MAML; in alphabetical order, such as `"bd"`.
# - `order`: all six letters, ordered by the absolute value of MAML's meta-gradient divided by that of the first-order one, smallest first.
# - `still`: the inner rate at which MAML's meta-gradient is zero for *every* start and every query set, to four significant digits.

# %% tags=["answer"] item="predict"
mine = five_points_of(own("ps1/five-points", STUDENT))
print(f"curvature {mine['curvature']:.8f}")
print("rates", {letter: round(rate, 8) for letter, rate in mine["rates"].items()})
### BEGIN SOLUTION
factors = {letter: 1 - rate * mine["curvature"] for letter, rate in mine["rates"].items()}
turned = "".join(letter for letter in "abcdef" if factors[letter] < 0)
order = "".join(sorted("abcdef", key=lambda letter: abs(factors[letter])))
still = 1 / mine["curvature"]
### END SOLUTION

# %% tags=["test"] item="predict" points=5
@item("predict", "turned", "order", "still")
def _(turned, order, still):
    # The form is checked here; the values when your set is graded.
    if not (isinstance(turned, str) and set(turned) <= set("abcdef")):
        yield '`turned` should be a string of letters from a to f, such as "bd"'
    if not (isinstance(order, str) and sorted(order) == list("abcdef")):
        yield "`order` should hold each letter from a to f once"
    if not float(still) > 0:
        yield "`still` is an inner rate, a positive number"

### BEGIN HIDDEN TESTS
@item("predict", "turned", "order", "still", hidden=True)
def _(turned, order, still, rng):
    mine = five_points_of(own("ps1/five-points"))
    factors = {letter: 1 - rate * mine["curvature"] for letter, rate in mine["rates"].items()}
    negative = "".join(letter for letter in "abcdef" if factors[letter] < 0)
    by_length = sorted("abcdef", key=lambda letter: abs(factors[letter]))
    yield compare(
        "".join(sorted(str(turned))),
        negative,
        name="`turned`",
        diagnoses=[
            ("".join(sorted(set("abcdef") - set(negative))), "`turned` holds the rates where the two agree: they disagree where 1 − αL″ is negative"),
            ("".join(letter for letter in "abcdef" if factors[letter] < -1), "`turned` holds the rates at which the inner loop diverges: the direction turns as soon as a step jumps over the bottom"),
            ("".join(letter for letter in "abcdef" if factors[letter] < 0.5), "`turned` holds the rates above half of 1/L″: the direction turns where 1 − αL″ changes its sign"),
        ],
    )
    yield compare(
        order,
        "".join(by_length),
        name="`order`",
        diagnoses=[
            ("".join(reversed(by_length)), "`order` is from the largest to the smallest"),
            ("".join(sorted("abcdef", key=factors.get)), "`order` is by 1 − αL″ with its sign: an absolute value has none"),
            ("".join(sorted("abcdef", key=lambda letter: -factors[letter])), "`order` is by the inner rate: beyond 1/L″ the factor grows again"),
        ],
    )
    yield compare(
        still,
        1 / mine["curvature"],
        name="`still`",
        rtol=2e-4,
        diagnoses=[
            (2 / mine["curvature"], "`still` is twice too large: there the inner loop stops converging, and the factor is −1"),
            (mine["curvature"], "`still` is L″ itself: solve 1 − αL″ = 0 for α"),
        ],
    )
### END HIDDEN TESTS

# %% [markdown]
# **5b (10 points). Compute.** Now the *amplitude* is known, `mine["amplitude"]`, and the phase is the one parameter. The loss of a set is the mean of $(a \sin(x - p) - y)^2$. It is no parabola, so its second derivative differs from place to place. Start at the phase `mine["start"]`, and take **three** inner steps with the rate `mine["inner_lr"]` on the support set. Any tool is allowed here. Compute, as three numbers:
#
# - `phi`: the phase after the three steps;
# - `first_order`: the first-order meta-gradient on the query set;
# - `full`: MAML's meta-gradient on the query set.

# %% tags=["answer"] item="compute"
mine = five_points_of(own("ps1/five-points", STUDENT))
print({name: mine[name] for name in ("amplitude", "start", "inner_lr")})
print({name: mine[name] for name in ("x", "y", "query_x", "query_y")})
### BEGIN SOLUTION
a, x, y = mine["amplitude"], mine["x"], mine["y"]
phi, factor = mine["start"], 1.0
for _ in range(3):
    s, c = a * np.sin(x - phi), a * np.cos(x - phi)
    slope, bend = np.mean(-2 * (s - y) * c), np.mean(2 * c**2 - 2 * (s - y) * s)
    factor = factor * (1 - mine["inner_lr"] * bend)
    phi = phi - mine["inner_lr"] * slope
s, c = a * np.sin(mine["query_x"] - phi), a * np.cos(mine["query_x"] - phi)
first_order = np.mean(-2 * (s - mine["query_y"]) * c)
full = factor * first_order
### END SOLUTION

# %% tags=["test"] item="compute" points=10
@item("compute", "phi", "first_order", "full")
def _(phi, first_order, full):
    # The form is checked here; the values when your set is graded.
    for name, number in {"phi": phi, "first_order": first_order, "full": full}.items():
        if np.ndim(number) or not np.isfinite(float(number)):
            yield f"`{name}` should be one number"

### BEGIN HIDDEN TESTS
def _phases(mine, *, lr=None):
    """The phases on the way, and 1 − αL″ at the start of each step."""
    a, x, y, lr = mine["amplitude"], mine["x"], mine["y"], mine["inner_lr"] if lr is None else lr
    places, factors = [mine["start"]], []
    for _ in range(3):
        s, c = a * np.sin(x - places[-1]), a * np.cos(x - places[-1])
        factors.append(1 - lr * np.mean(2 * c**2 - 2 * (s - y) * s))
        places.append(places[-1] + lr * np.mean(2 * (s - y) * c))
    return places, factors


def _phase_slope(mine, place, x="query_x", y="query_y"):
    s, c = (mine["amplitude"] * wave(mine[x] - place) for wave in (np.sin, np.cos))
    return -2 * np.mean((s - mine[y]) * c)


@item("compute", "phi", "first_order", "full", hidden=True)
def _(phi, first_order, full, rng):
    mine = five_points_of(own("ps1/five-points"))
    places, factors = _phases(mine)
    end, short = places[-1], _phase_slope(mine, places[-1])
    yield compare(
        phi,
        end,
        name="`phi`",
        rtol=1e-4,
        diagnoses=[
            (places[1], "`phi` is the phase after one step: three were asked"),
            (places[0], "`phi` is the start: no step was taken"),
            (_phases(mine, lr=-mine["inner_lr"])[0][-1], "`phi` went up the hill: subtract the gradient"),
            (_phases(mine, lr=mine["inner_lr"] / 2)[0][-1], "`phi` comes from a gradient that is half as large: the loss is the mean square, without ½"),
        ],
    )
    yield compare(
        first_order,
        short,
        name="`first_order`",
        rtol=1e-4,
        diagnoses=[
            (_phase_slope(mine, places[0]), "`first_order` is taken at the start: take it at phi"),
            (_phase_slope(mine, end, "x", "y"), "`first_order` is the slope of the support loss: phi is judged on the query set"),
            (-short, "`first_order` has the wrong sign: the phase stands after a minus in sin(x − p)"),
            (np.prod(factors) * short, "`first_order` is the full meta-gradient: the short one leaves the factors out"),
        ],
    )
    yield compare(
        full,
        np.prod(factors) * short,
        name="`full`",
        rtol=1e-4,
        diagnoses=[
            (short, "`full` is the first-order one: three factors 1 − αL″ are missing"),
            (factors[0] ** 3 * short, "`full` takes L″ at the start three times: each step has its own"),
            (factors[0] * short, "`full` has one factor: there is one for each of the three steps"),
            (factors[-1] * short, "`full` has one factor: there is one for each of the three steps"),
        ],
    )
### END HIDDEN TESTS

# %% [markdown]
# ## Question 6 · In your own words (15 points, 20 minutes)
#
# Answer in about 350 words together. A person reads this.
#
# **a (5 points).** A colleague checks a MAML meta-gradient by central differences of the meta-loss. It agrees to eight digits. Name *two* mistakes that the program can still have, and say why this check cannot find them. *(2 points for each mistake that a check of the gradient really cannot find, 1 for a reason that holds for both.)*
#
# **b (5 points).** Your judge of question 4 gets a network with ReLUs. For some starts it calls a gradient wrong that PyTorch also computes. Nobody made a mistake. What happened? What would you change about the *test*, and what not? *(2 points for what happens at the place, 2 for a change that helps, 1 for a change that would hide real mistakes.)*
#
# **c (5 points).** Take the largest of *your* six rates of question 5, and its αL″, which is above 2. No lesson says what that does to the outer loop: derive it from 1 − αL″. The outer loop sees this one task only. What would first-order MAML do, what would MAML do, and why? Use your own numbers. *(2 points for the right behaviour of both, 2 for the reason by the sign and size of 1 − αL″, 1 for your own numbers.)*
#
# Add one sentence: which tools, people or language models helped you, and with what?

# %% [markdown] tags=["manual"] item="prose" points=15
# **a.** The check compares a gradient with the loss *as it was written*. So it finds no mistake in the loss. Mistake one: the inner loop adapts on the query set, or the meta-loss is judged on the support set. Then the gradient is the right gradient of the wrong loss. Mistake two: the query loss is taken at θ and not at φ. This is pooled training, and its gradient is right, too. Others: a sum over tasks where a mean was meant, the wrong number of inner steps, tasks drawn from the wrong split, a meta-step that goes uphill with a right gradient.
#
# **b.** A ReLU has a kink at zero. If an input of a ReLU is nearer to zero than the step h takes it, the two sides of the central difference lie on different pieces. The difference is then a mixture of two slopes, and the true gradient on one piece is another number. It is the difference that is wrong. What helps: test at several random places and take the median, or make h smaller and see whether the disagreement goes away, or use a smooth activation in the test. What hides real mistakes: a tolerance so large that this place passes.
#
# **c.** For example α = 1.9 with L″ = 1.2. The factor is 1 − 2.28 = −1.28. The inner step jumps over the bottom and lands farther away than it started. At φ the query slope points the other way than the move of θ should. First-order MAML takes that slope as it is, so it moves θ away from the best amplitude, at every outer step, and the loss grows. MAML multiplies by −1.28, which turns the slope round and makes it 1.28 times as long. So it moves towards the best amplitude, and it comes to rest there if `meta_lr` is small enough.
#
# === BEGIN MARK SCHEME ===
# a: 2 + 2 + 1. No points for mistakes that the check does find: a cut graph, a wrong pull-back, a missing factor, a wrong sign in the gradient. Frequent: "too few digits" (no points), "float32" (no points, that makes the check fail, not pass). The reason must say that the loss itself is taken as given.
# b: 2 for the kink between the two places of the difference (1 for "ReLU is not differentiable at 0" without the step), 2 for several places, a smaller h, or a smooth test network, 1 for naming a change that hides mistakes (larger tolerance, skipping the entry). Frequent: "ReLU's gradient at exactly 0 is a convention": 1 of the first 2, such an exact hit is rare.
# c: 2 for both behaviours, 2 for the reason, 1 for own numbers. The largest rate always has αL″ above 1. It is even above 2 for every student, so the inner step lands farther away than it began. "First order is slower" gets 0 of the first 2.
# The sentence about help has no points; if it is missing, ask for it.
# === END MARK SCHEME ===
