"""Checks of the exercises of notebook 05, MAML from zero."""

import numpy as np
import torch

from mlcourse.fast import losses as fast_losses
from mlcourse.fast import networks as fast_networks
from mlcourse.fast.arrays import tensors
from mlcourse.lessons.checks.compare import compare
from mlcourse.lessons.checks.verdict import exercise
from mlcourse.reference import autograd as ag
from mlcourse.reference import losses, maml, networks
from mlcourse.tasks import Examples, Sinusoids, each, one, stack

NETWORK = networks.mlp((1, 6, 1))
LOSS = losses.squared_error(NETWORK)


def _theta() -> dict[str, np.ndarray]:
    return NETWORK.init(np.random.default_rng(3))


@exercise(
    "5.1",
    "The inner loop",
    passed="These lines are the whole inner loop, for any loss and any network.",
    keeps_arguments=True,
)
def adapt(answer):
    theta = _theta()
    support = one(Sinusoids(k_shot=5, n_query=1).sample(1, np.random.default_rng(4)), 0).support
    phi = answer(LOSS, theta, support, 0.1, 3)

    def steps(n: int, lr: float) -> dict[str, np.ndarray]:
        return maml.adapt(LOSS, theta, support, inner_lr=lr, inner_steps=n)

    restarted = theta
    for _ in range(3):
        gradient = ag.grad(LOSS)(restarted, *support)
        restarted = {name: theta[name] - 0.1 * gradient[name] for name in theta}
    at_theta = {name: theta[name] + 3 * (steps(1, 0.1)[name] - theta[name]) for name in theta}
    yield compare(
        phi,
        steps(3, 0.1),
        name="φ",
        diagnoses=[
            (theta, "φ is θ itself: no step was taken"),
            (steps(3, -0.1), "you went up the hill: subtract the gradient"),
            (
                steps(1, 0.1),
                "this is φ after one step: repeat it `inner_steps` times, each from where the last one ended",
            ),
            (restarted, "every step sets off from θ again: subtract the gradient from φ"),
            (at_theta, "every step uses the gradient at θ: take it at φ, where the last step ended"),
            (steps(3, 1.0), "the step is the whole gradient: multiply it by `inner_lr`"),
        ],
    )
    yield compare(answer(LOSS, theta, support, 0.1, 0), theta, name="φ after no steps")


@exercise("5.2", "The meta-loss", passed="Adapt on the support set, judge on the query set, take the mean.")
def meta_loss(answer):
    theta = _theta()
    tasks = Sinusoids(k_shot=5, n_query=4).sample(3, np.random.default_rng(5))

    def given(loss, theta, support, inner_lr, inner_steps):
        return maml.adapt(loss, theta, support, inner_lr=inner_lr, inner_steps=inner_steps)

    def judged(adapt_on: str, at_phi: bool, judge_on: str) -> float:
        found = []
        for task in each(tasks):
            phi = given(LOSS, theta, getattr(task, adapt_on), 0.1, 2) if at_phi else theta
            found.append(LOSS(phi, *getattr(task, judge_on)))
        return float(np.mean(found))

    carried, one_after_another = theta, []
    for task in each(tasks):
        carried = given(LOSS, carried, task.support, 0.1, 2)
        one_after_another.append(LOSS(carried, *task.query))
    yield compare(
        answer(LOSS, given, theta, tasks, 0.1, 2),
        judged("support", True, "query"),
        name="the meta-loss",
        counts={"tasks": 3},
        diagnoses=[
            (
                judged("support", True, "support"),
                "you judge φ on the support set, which it was fitted to: this rewards memorising five points",
            ),
            (
                judged("support", False, "query"),
                "you judge θ and not φ: this is the loss of ordinary training, adaptation plays no part in it",
            ),
            (
                judged("query", True, "query"),
                "you adapt on the query set: its labels are for judging, the inner loop must not see them",
            ),
            (
                float(LOSS(given(LOSS, theta, one(tasks, 2).support, 0.1, 2), *one(tasks, 2).query)),
                "this is the loss of the last task alone: collect one loss a task",
            ),
            (
                float(np.mean(one_after_another)),
                "each task begins where the task before it ended: every task adapts from θ itself",
            ),
            (
                1.5 * judged("support", True, "query"),
                "you divided by 2, not by the number of tasks: `len(tasks)` counts the support and the query sets",
            ),
        ],
    )
    alone = one(tasks, 0)
    single = float(LOSS(given(LOSS, theta, alone.support, 0.1, 2), *alone.query))
    yield compare(answer(LOSS, given, theta, stack([alone]), 0.1, 2), single, name="the meta-loss of one task")


@exercise(
    "5.3", "One function, many tasks", passed="The single-task function did not change; that is the point of vmap."
)
def adapt_all(answer):
    network = fast_networks.mlp((1, 40, 40, 1))
    loss = fast_losses.squared_error(network)
    theta = network.init(np.random.default_rng(6))
    support = tensors(Sinusoids(k_shot=5, n_query=1).sample(3, np.random.default_rng(7)).support)

    def one_step(x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
        gradient = torch.func.grad(loss)(theta, x, y)
        return {name: theta[name] - 0.01 * gradient[name] for name in theta}

    each_phi = [one_step(x, y) for x, y in zip(*support, strict=True)]
    want = {name: torch.stack([phi[name] for phi in each_phi]).numpy() for name in theta}
    together = one_step(support.x.flatten(0, 1), support.y.flatten(0, 1))
    try:
        got = answer(theta, Examples(*support))
    except ValueError as error:
        if not str(error).startswith("x has shape (3, 5, 1)"):
            raise
        yield (
            "`adapt_one` takes one task and was given the points of all tasks at once: let `torch.vmap` call it, "
            "with the support sets split along axis 0"
        )
        return
    yield compare(
        got,
        want,
        name="φ",
        diagnoses=[
            (
                {name: np.broadcast_to(together[name].numpy(), want[name].shape) for name in theta},
                "all tasks have the same φ: each must be adapted to its own support set",
            ),
            (each_phi[0], "this is φ of the first task alone: the task axis is missing"),
            (
                lambda got: (
                    all(got[name].shape[0] == want[name].shape[1] for name in ("w0", "w1")) and got["w0"].ndim == 3
                ),
                "the task axis is not in front: leave `out_dims` at 0",
            ),
            (
                {name: value.mean(axis=0) for name, value in want.items()},
                "you took the mean over the tasks: each task keeps its own φ",
            ),
        ],
    )


@exercise(
    "5.4",
    "The walk back by hand",
    passed="One product with a Hessian for each inner step, the last step first: this is what the engine does.",
    keeps_arguments=True,
)
def walked_back(answer):
    theta = _theta()
    task = one(Sinusoids(k_shot=5, n_query=4).sample(1, np.random.default_rng(8)), 0)
    want = maml.meta_gradient(LOSS, theta, stack([task]), inner_lr=0.1, inner_steps=3)
    phis = [maml.adapt(LOSS, theta, task.support, inner_lr=0.1, inner_steps=n) for n in range(4)]
    at_phi = ag.grad(LOSS)(phis[-1], *task.query)

    def walk(places, *, v=at_phi, rate=0.1, examples=task.support) -> dict[str, np.ndarray]:
        for place in places:
            bent = _hessian_times(place, v, examples)
            v = {name: v[name] - rate * bent[name] for name in v}
        return v

    last_first = phis[2::-1]
    yield compare(
        answer(LOSS, theta, task, 0.1, 3),
        want,
        name="the meta-gradient",
        diagnoses=[
            (at_phi, "this is the gradient of the query loss at φ: first-order MAML. Walk on, back to θ"),
            (ag.grad(LOSS)(theta, *task.query), "this is the gradient of the query loss at θ: no step was taken"),
            (
                walk(phis[:3]),
                "you met the first step first: the gradient comes from the end, so it meets the last step first",
            ),
            (
                walk([theta] * 3),
                "every Hessian is taken at θ: each step has its own, taken where that step begins",
            ),
            (walk(phis[:0:-1]), "each Hessian is taken where its step ends: take it where the step begins"),
            (
                walk(last_first[:1]),
                "you walked back through the last step only: there is one factor for each step",
            ),
            (walk(last_first, rate=-0.1), "the sign of the second part is wrong: a step gives I − αH"),
            (walk(last_first, rate=1.0), "the factor is I − H: multiply the product by `inner_lr`"),
            (
                walk(last_first, examples=task.query),
                "the Hessians are those of the query loss: the inner steps went down the support loss",
            ),
            (
                walk(last_first, v=ag.grad(LOSS)(phis[-1], *task.support)),
                "you walk back with the gradient of the support loss: φ is judged on the query set",
            ),
            (
                walk(last_first, v=ag.grad(LOSS)(theta, *task.query)),
                "you walk back with the query gradient at θ: take it at φ, where the steps ended",
            ),
        ],
    )
    no_steps = ag.grad(LOSS)(theta, *task.query)
    yield compare(answer(LOSS, theta, task, 0.1, 0), no_steps, name="the meta-gradient after no steps")


def _hessian_times(params: dict, v: dict, examples: Examples) -> dict[str, np.ndarray]:
    """H v, with the Hessian of the loss on the examples at params."""

    def slope_along_v(p: dict):
        gradient = ag.grad(LOSS)(p, *examples)
        return sum(ag.sum(gradient[name] * v[name]) for name in v)

    return ag.grad(slope_along_v)(params)
