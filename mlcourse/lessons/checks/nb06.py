"""Checks of the exercises of notebook 06, first-order MAML and Reptile, and of its appendix 06b (6.4 and 6.5)."""

import numpy as np

from mlcourse.lessons.checks.compare import compare
from mlcourse.lessons.checks.verdict import exercise
from mlcourse.reference import adam, losses, maml, networks, reptile
from mlcourse.reference.autograd import grad
from mlcourse.tasks import Sinusoids, each, one

NETWORK = networks.mlp((1, 6, 1))
LOSS = losses.squared_error(NETWORK)


def _theta() -> dict[str, np.ndarray]:
    return NETWORK.init(np.random.default_rng(3))


@exercise(
    "6.1",
    "Drop the factor",
    passed="The same φ, and a cheaper derivative: this one line is first-order MAML.",
)
def adapt_first_order(answer):
    theta = _theta()
    task = one(Sinusoids(k_shot=5, n_query=4).sample(1, np.random.default_rng(4)), 0)
    full = maml.adapt(LOSS, theta, task.support, inner_lr=0.1, inner_steps=3)
    at_theta = grad(LOSS)(theta, *task.support)
    phi = answer(LOSS, theta, task.support, 0.1, 3)
    yield compare(
        phi,
        full,
        name="φ",
        diagnoses=[
            (
                {name: theta[name] - 3 * 0.1 * at_theta[name] for name in theta},
                "every step uses the gradient at θ: take it at φ, where the last step ended",
            ),
            (theta, "φ is θ itself: no step was taken"),
        ],
    )

    def gradient(adapt) -> dict[str, np.ndarray]:
        return grad(lambda start: LOSS(adapt(start), *task.query))(theta)

    def steps(start, first_order: bool):
        return maml.adapt(LOSS, start, task.support, inner_lr=0.1, inner_steps=3, first_order=first_order)

    zeros = {name: np.zeros_like(p) for name, p in theta.items()}
    last_only = gradient(lambda start: _history_cut_before_the_gradient(start, task.support))
    yield compare(
        gradient(lambda start: answer(LOSS, start, task.support, 0.1, 3)),
        gradient(lambda start: steps(start, True)),
        name="the gradient through φ",
        diagnoses=[
            (
                gradient(lambda start: steps(start, False)),
                "the values are right, but this is the full, second-order gradient: the inner gradient still "
                "has its history",
            ),
            (
                zeros,
                "φ no longer depends on θ at all, so its gradient is zero: cut the history of the gradient, "
                "not that of φ",
            ),
            (last_only, "only some of the steps are cut: `stop_gradient` belongs in every round of the loop"),
        ],
    )


def _history_cut_before_the_gradient(start, support):
    """Adapt with the first step's history cut and the other two kept."""
    phi = maml.adapt(LOSS, start, support, inner_lr=0.1, inner_steps=1, first_order=True)
    return maml.adapt(LOSS, phi, support, inner_lr=0.1, inner_steps=2)


@exercise(
    "6.2",
    "Where does it come to rest?",
    passed="Equal curvatures give equal weights: then both methods rest at the same place.",
)
def rests_at(answer):
    curvatures, slopes = np.array([1.0, 4.0, 6.0]), np.array([1.0, 2.0, 5.0])

    def right(power: float, steps: int = 3, *, curved: bool = True, lr: float = 0.1) -> float:
        weights = (curvatures if curved else 1.0) * (1 - lr * curvatures) ** (steps * power)
        return float(np.sum(weights * slopes) / np.sum(weights))

    def unnormalised(power: float) -> float:
        return float(np.sum(curvatures * (1 - 0.1 * curvatures) ** (3 * power) * slopes))

    def added(power: float) -> float:
        weights = curvatures * (1 - 0.1 * 3 * curvatures) ** power
        return float(np.sum(weights * slopes) / np.sum(weights))

    def shared(power: float) -> list:
        return [
            (
                right(power, 1),
                "the share is that of one step: after `inner_steps` steps it is taken to that power",
            ),
            (
                added(power),
                "`inner_steps` multiplies the rate; but each step leaves a share of what the last one left",
            ),
            (
                right(power, curved=False),
                "the curvature is missing in the weights: the gradient at φ is c·(φ − m), not φ − m",
            ),
            (unnormalised(power), "a weighted sum, not a mean: divide by the sum of the weights"),
            (right(0), "these are the weights of joint training: nothing of the inner steps is in them"),
        ]

    first = answer(curvatures, slopes, 0.1, 3, True)
    swapped = "first order and MAML are exchanged: first order has the share once, MAML its square"
    yield compare(
        first, right(1), name="the resting place of first order", diagnoses=[(right(2), swapped), *shared(1)]
    )
    full = answer(curvatures, slopes, 0.1, 3, False)
    yield compare(
        full,
        right(2),
        name="MAML's resting place",
        diagnoses=[
            (right(1), "MAML has first order's weights: through the inner steps the share comes in a second time"),
            *shared(2),
        ],
    )
    yield compare(answer(curvatures, slopes, 0.1, 0, True), right(0), name="the resting place without inner steps")
    two = 1.0 * 0.8**2, 3.0 * 0.4**2
    want = (two[0] * 2.0 + two[1] * 7.0) / sum(two)
    got = answer(np.array([1.0, 3.0]), np.array([2.0, 7.0]), 0.2, 2, True)
    yield compare(got, want, name="the resting place for two tasks")


@exercise(
    "6.3",
    "Reptile's outer step",
    passed="A share of the way to the mean of the φ: that is all of it.",
    keeps_arguments=True,
)
def reptile_outer_step(answer):
    theta = {"w0": np.array([[1.0, -2.0]]), "b0": np.array([0.5, 3.0])}
    adapted = [
        {"w0": np.array([[2.0, -1.0]]), "b0": np.array([0.0, 3.5])},
        {"w0": np.array([[4.0, 1.0]]), "b0": np.array([1.5, 5.0])},
        {"w0": np.array([[0.0, -3.0]]), "b0": np.array([-3.0, 2.0])},
    ]
    got = answer(theta, adapted, 0.25)

    def each_name(rule) -> dict[str, np.ndarray]:
        return {name: rule(theta[name], np.array([phi[name] for phi in adapted])) for name in theta}

    yield compare(
        got,
        each_name(lambda t, phis: t + 0.25 * (phis.mean(axis=0) - t)),
        name="the new θ",
        diagnoses=[
            (theta, "θ has not moved"),
            (each_name(lambda t, phis: phis.mean(axis=0)), "this goes all the way: multiply the way by `meta_lr`"),
            (
                each_name(lambda t, phis: t + 0.25 * phis.mean(axis=0)),
                "you add the mean of φ itself: the way from θ to it is the mean minus θ",
            ),
            (
                each_name(lambda t, phis: t - 0.25 * (phis.mean(axis=0) - t)),
                "you walk away from the tasks: φ − θ already points the right way, so add it",
            ),
            (
                each_name(lambda t, phis: t + 0.25 * (phis.sum(axis=0) - t)),
                "the sum of the φ lies far from all of them: take their mean over the tasks",
            ),
            (
                each_name(lambda t, phis: t + 0.25 * (phis - t).sum(axis=0)),
                "the ways are summed: with more tasks the step would grow; take the mean over the tasks",
            ),
            (
                each_name(lambda t, phis: t + 0.25 * (phis[-1] - t)),
                "only the last task counts: take the mean over all in `adapted`",
            ),
            (
                each_name(lambda t, phis: 0.25 * (phis.mean(axis=0) - t)),
                "this is the step alone: the new θ is θ plus the step",
            ),
            (
                each_name(lambda t, phis: t + 0.25 * (phis.mean() - t)),
                "each array's mean has become one number: give `np.mean` the axis of the tasks, `axis=0`",
            ),
        ],
    )
    halfway = {name: (theta[name] + adapted[0][name]) / 2 for name in theta}
    yield compare(answer(theta, adapted[:1], 0.5), halfway, name="the new θ of one task, halfway,")


@exercise("6.4", "From two steps to k", passed="No pairs with one step: that is why it is joint training.")
def two_terms(answer):
    avg_grad, inner = np.array([2.0, -1.0, 0.5]), np.array([3.0, 4.0, -10.0])

    def right(k: float, pairs: float, lr: float = 0.1) -> np.ndarray:
        return k * avg_grad - lr * pairs * inner

    yield compare(answer(avg_grad, inner, 0.1, 1), avg_grad, name="the expansion for one step", diagnoses=[
        (right(1, 1), "one step has no step before it to disturb it, so no pair: the count is off by one"),
        (right(1, 0.5), "with one step there is no pair, and you count a half: is it k·k / 2?"),
    ])  # fmt: skip
    yield compare(
        answer(avg_grad, inner, 0.1, 5),
        right(5, 10),
        name="the expansion",
        diagnoses=[
            (right(5, -10), "the sign of the second term: each step before moved down, by −α g"),
            (right(1, 10), "each of the k steps brings a gradient: the first term is k times `avg_grad`"),
            (right(5, 4), "you count steps that have one before them; but step 3 has two, step 4 has three"),
            (right(5, 20), "every pair is counted twice: of two steps, only the earlier disturbs the later"),
            (right(5, 10, 1.0), "the disturbance is as long as the step before, α g: `inner_lr` is missing"),
            (right(1, 2), "the whole is divided by k: the total gradient is the sum over the k steps"),
        ],
    )


@exercise(
    "6.5",
    "Carry the moments",
    passed="The memory of the gradients' sizes lives on from one meta-step to the next.",
)
def reptile_adam_step(answer):
    network = networks.mlp((1, 40, 40, 1))  # the network that the notebook's inner_adam is for
    loss = losses.squared_error(network)
    theta = network.init(np.random.default_rng(5))
    tasks = Sinusoids(k_shot=4, n_query=1).sample(3, np.random.default_rng(6))

    def inner(moments, support):
        whole_set = np.tile(np.arange(len(support.x)), (5, 1))
        return reptile.adapt_adam(loss, theta, moments, support, whole_set, inner_lr=0.003)

    fresh = adam.init(theta)
    _, moments = inner(fresh, one(tasks, 0).support)
    moments = adam.Moments(moments.first, {name: 9 * m for name, m in moments.second.items()}, moments.steps)

    def mean(several):
        first, second = (
            {name: np.mean([m[part][name] for m in several], axis=0) for name in theta} for part in (0, 1)
        )
        return adam.Moments(first, second, several[0].steps)

    def step(begin, chain: bool = False):
        adapted, after = [], []
        for task in each(tasks):
            phi, left = inner(after[-1] if chain and after else begin, task.support)
            adapted.append(phi)
            after.append(left)
        return reptile.interpolate(theta, adapted, 0.5), after

    new, after = step(moments)
    wiped, _ = step(fresh)
    chained, _ = step(moments, chain=True)
    got_theta, got_moments = answer(theta, moments, tasks, 0.5)
    yield compare(
        got_theta,
        new,
        name="the new θ",
        diagnoses=[
            (wiped, "every task begins with fresh moments: what the steps before have learnt is wiped"),
            (chained, "each task begins with the moments of the task before it: all begin with the same"),
        ],
    )
    if isinstance(got_moments, list):
        yield "the moments after the step are a list, one a task: average them, `mean_of_moments(after)`"
    yield compare(
        tuple(got_moments),
        tuple(mean(after)),
        name="the moments after",
        diagnoses=[
            (tuple(moments), "the moments that go out are those that came in: they will never learn anything"),
            (tuple(fresh), "the moments that go out are fresh: the next step begins without a memory"),
            (tuple(after[-1]), "these are the moments of the last task alone: take the mean over the tasks"),
        ],
    )


@exercise(
    "6.6",
    "Where does Reptile come to rest?",
    passed="One step weighs the tasks as joint training does, very many weigh them all alike.",
)
def reptile_rests_at(answer):
    curvatures, slopes, lr, steps = np.array([1.0, 4.0, 6.0]), np.array([1.0, 2.0, 5.0]), 0.1, 3

    def resting(weights: np.ndarray) -> float:
        return float(np.sum(weights * slopes) / np.sum(weights))

    left = (1 - lr * curvatures) ** steps
    way = 1 - left
    got = answer(curvatures, slopes, lr, steps)
    if not (isinstance(got, tuple | list) and len(got) == 2):
        yield compare(got, (resting(way), 2 / float(np.mean(way))), name="the answer")
    rest, largest = got
    yield compare(
        rest,
        resting(way),
        name="the resting place",
        diagnoses=[
            (resting(left), "you weigh by the share that is *left*; φ has moved by the share that is not"),
            (
                resting(curvatures),
                "these are the weights of joint training, Reptile's with one step: `inner_steps` is missing",
            ),
            (
                resting(curvatures * way),
                "the curvature comes in once too often: Reptile moves by φ − w, not by a gradient at φ",
            ),
            (resting(np.ones(3)), "the plain mean of the slopes: that is the limit of very many inner steps"),
            (float(np.sum(way * slopes)), "a weighted sum, not a mean: divide by the sum of the weights"),
            (float(np.mean(way * slopes)), "divide by the sum of the weights, not by the number of tasks"),
        ],
    )
    p, total = float(np.mean(way)), float(np.sum(way))
    yield compare(
        largest,
        2 / p,
        name="the largest `meta_lr`",
        diagnoses=[
            (1 / p, "with this `meta_lr` one outer step lands on the resting place: beyond it, w jumps across, "
                    "but still lands nearer"),
            (2 / total, "Reptile takes the mean over tasks, not the sum"),
            (2 / float(np.max(way)), "one task does not decide: the outer step goes towards the mean of the φ"),
            (2 / float(np.mean(left)), "the factor of one outer step is 1 − ε p with p the mean of what is done, "
                                       "not of what is left"),
            (p / 2, "upside down: |1 − ε p| = 1 gives ε = 2 / p"),
        ],
    )  # fmt: skip
    two = 1 - np.array([0.8, 0.4]) ** 2
    want = (float(two @ [2.0, 7.0] / two.sum()), 2 / float(two.mean()))
    yield compare(
        answer(np.array([1.0, 3.0]), np.array([2.0, 7.0]), 0.2, 2), want, name="the answer for two tasks"
    )


# Invented errors, by method, rate and part: MAML is best at 0.03 on val, and at 0.01 on test
_ERRORS = {
    ("MAML", 0.001): (3.0, 3.1),
    ("MAML", 0.01): (2.2, 1.3),
    ("MAML", 0.03): (1.5, 1.9),
    ("Reptile", 0.001): (3.5, 3.7),
    ("Reptile", 0.01): (2.6, 2.0),
    ("Reptile", 0.03): (2.0, 2.3),
}


@exercise("6.7", "The same for both", passed="Such a number belongs next to every table in which one row wins.")
def lead_when_tuned(answer):
    rates = (0.001, 0.01, 0.03)

    def lead(errors, maml=0.03, reptile=0.03, part=1):
        return errors["MAML", maml][part] - errors["Reptile", reptile][part]

    def found(errors):
        def error(theta, tasks):
            return errors[theta][tasks == "test"]

        return answer(lambda method, rate: (method, rate), error, rates, "val", "test")

    tested = {method: min(_ERRORS[method, rate][1] for rate in rates) for method in ("MAML", "Reptile")}
    means = {method: np.mean([_ERRORS[method, rate][1] for rate in rates]) for method in ("MAML", "Reptile")}
    yield compare(
        found(_ERRORS),
        lead(_ERRORS),
        name="the lead",
        diagnoses=[
            (-lead(_ERRORS), "a sign: it should be MAML's error minus Reptile's"),
            (lead(_ERRORS, maml=0.001), "MAML still has the first rate: search for its best one as well"),
            (lead(_ERRORS, reptile=0.001), "now Reptile has the first rate: both methods get the search"),
            (
                tested["MAML"] - tested["Reptile"],
                "you chose the rates on `test`: choose on `val`, judge on `test`",
            ),
            (lead(_ERRORS, part=0), "right rates, but these are the errors on `val`: judge on `test`"),
            (
                lead(_ERRORS, 0.001, 0.001),
                "these are the *worst* rates, or the first ones: errors should be small",
            ),
            (means["MAML"] - means["Reptile"], "this is a mean over the rates: take the best rate of each method"),
        ],
    )
    alone = {**_ERRORS, ("MAML", 0.01): (1.2, 2.6)}  # the methods differ in their best rate, and Reptile does lead
    yield compare(
        found(alone),
        lead(alone, maml=0.01),
        name="the lead in a report whose winner deserves it",
        diagnoses=[(lead(alone), "MAML got Reptile's best rate: each method has a best rate of its own")],
    )
