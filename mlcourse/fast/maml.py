"""Model-agnostic meta-learning, to be read beside its twin `mlcourse/reference/maml.py`.

Finn, Abbeel, Levine (2017), algorithm 1: adapt to each task by gradient descent on its support set, then move
the starting place down the gradient of the loss that the adapted parameters have on the query set.
"""

from collections.abc import Callable

import torch

from mlcourse.fast import ready
from mlcourse.fast.arrays import tree_map
from mlcourse.fast.batching import choose, over_tasks
from mlcourse.fast.gradients import grad, grad_and_value
from mlcourse.fast.networks import Params
from mlcourse.rates import InnerRate, Rate, each_step
from mlcourse.tasks.task import Examples, Task


def adapt(
    loss: Callable,
    params: Params,
    support: Examples,
    *,
    inner_lr: InnerRate,
    inner_steps: int = 1,
    first_order: bool = False,
) -> Params:
    """Adapted parameters of one task: `inner_steps` steps of gradient descent on its support set.

    phi <- phi - inner_lr * gradient of loss(phi, support), starting from phi = theta (paper, equation 1).
    support: x (S, *features), y (S,) or (S, outputs). inner_lr: a number, or the rates of some names or steps
    (`mlcourse/rates.py`). With `first_order` the gradients count as constants, so that d phi / d theta is the
    identity. Returns the keys and shapes of `params`; ValueError for a support set or rates that do not fit.
    """
    loss, inner_lr, support = ready.examples(loss, params, support, inner_lr=inner_lr, inner_steps=inner_steps)
    for rates in each_step(params, inner_lr, inner_steps):
        params = inner_step(loss, params, support, rates, first_order=first_order)
    return params


def inner_step(
    loss: Callable, params: Params, support: Examples, rates: dict[str, Rate], *, first_order: bool = False
) -> Params:
    """One step down the gradient of loss(params, support), for the names in `rates`; the others stay.

    support: as in `adapt`. rates: numbers, or arrays of the parameter's shape. Returns all of `params`.
    """
    here = {name: p.detach() for name, p in params.items()} if first_order else params
    moving = {name: here[name] for name in rates}
    gradient = grad(lambda part, *examples: loss({**here, **part}, *examples))(moving, *support)
    return {**params, **{name: params[name] - rate * gradient[name] for name, rate in rates.items()}}


def meta_loss(
    loss: Callable,
    params: Params,
    tasks: Task,
    *,
    inner_lr: InnerRate,
    inner_steps: int = 1,
    first_order: bool = False,
    batching: str = "auto",
) -> torch.Tensor:
    """Mean over T tasks of the query loss after adapting to the support set (paper, equation 2, as a mean).

    tasks: support x (T, S, *features), query x (T, Q, *features). All else, errors too, is as in `adapt`.
    """
    loss, inner_lr, tasks = ready.tasks(loss, params, tasks, inner_lr=inner_lr, inner_steps=inner_steps)

    def task_loss(support: Examples, query: Examples) -> torch.Tensor:
        phi = adapt(loss, params, support, inner_lr=inner_lr, inner_steps=inner_steps, first_order=first_order)
        return loss(phi, *query)

    return over_tasks(task_loss, params, *tasks, batching=batching).mean()


def meta_loss_and_gradient(
    loss: Callable,
    params: Params,
    tasks: Task,
    *,
    inner_lr: InnerRate,
    inner_steps: int = 1,
    first_order: bool = False,
    batching: str = "auto",
) -> tuple[torch.Tensor, Params]:
    """The meta-loss, one number, and its gradient with respect to `params`, through the inner steps.

    In a loop the gradient is taken task by task: what the way back needs of one task is let go before the next
    task begins, so that the memory does not grow with the tasks.
    """
    loss, inner_lr, tasks = ready.tasks(loss, params, tasks, inner_lr=inner_lr, inner_steps=inner_steps)

    def objective(params: Params, tasks: Task) -> torch.Tensor:
        return meta_loss(
            loss,
            params,
            tasks,
            inner_lr=inner_lr,
            inner_steps=inner_steps,
            first_order=first_order,
            batching=batching,
        )

    if choose(params, batching) == "vmap":
        gradient, value = grad_and_value(objective)(params, tasks)
        return value, gradient
    alone = tree_map(lambda leaf: leaf.unsqueeze(1), tasks)  # each task as a batch of one
    gradients, values = over_tasks(
        lambda *task: grad_and_value(objective)(params, Task(*task)), params, *alone, batching="loop"
    )
    return values.mean(), {name: gradient.mean(dim=0) for name, gradient in gradients.items()}


def meta_gradient(
    loss: Callable,
    params: Params,
    tasks: Task,
    *,
    inner_lr: InnerRate,
    inner_steps: int = 1,
    first_order: bool = False,
    batching: str = "auto",
) -> Params:
    """Gradient of `meta_loss` with respect to `params` (algorithm 1, line 8): the same keys and shapes."""
    return meta_loss_and_gradient(
        loss,
        params,
        tasks,
        inner_lr=inner_lr,
        inner_steps=inner_steps,
        first_order=first_order,
        batching=batching,
    )[1]
