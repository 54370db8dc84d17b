"""Model-agnostic meta-learning, to be read beside its twin `mlcourse/fast/maml.py`.

Finn, Abbeel, Levine (2017), algorithm 1: adapt to each task by gradient descent on its support set, then move
the starting place down the gradient of the loss that the adapted parameters have on the query set.
"""

from collections.abc import Callable
from typing import Any

from mlcourse.arguments import one_number, require_examples, require_tasks
from mlcourse.rates import InnerRate, Rate, each_step, require_inner
from mlcourse.reference.autograd import grad, stop_gradient, value_and_grad
from mlcourse.reference.networks import Params
from mlcourse.tasks.task import Examples, Task, each


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
    require_inner("numpy", params, inner_lr, inner_steps)
    require_examples("support", support, "numpy")
    loss = one_number(loss)
    for rates in each_step(params, inner_lr, inner_steps):
        params = inner_step(loss, params, support, rates, first_order=first_order)
    return params


def inner_step(
    loss: Callable, params: Params, support: Examples, rates: dict[str, Rate], *, first_order: bool = False
) -> Params:
    """One step down the gradient of loss(params, support), for the names in `rates`; the others stay.

    support: as in `adapt`. rates: numbers, or arrays of the parameter's shape. Returns all of `params`.
    """
    here = stop_gradient(params) if first_order else params
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
) -> Any:
    """Mean over T tasks of the query loss after adapting to the support set (paper, equation 2, as a mean).

    tasks: support x (T, S, *features), query x (T, Q, *features). All else, errors too, is as in `adapt`.
    """
    require_inner("numpy", params, inner_lr, inner_steps)
    require_tasks("tasks", tasks, "numpy")
    loss = one_number(loss)

    def task_loss(task: Task) -> Any:
        phi = adapt(
            loss, params, task.support, inner_lr=inner_lr, inner_steps=inner_steps, first_order=first_order
        )
        return loss(phi, *task.query)

    losses = [task_loss(task) for task in each(tasks)]
    return sum(losses) / len(losses)


def meta_loss_and_gradient(
    loss: Callable,
    params: Params,
    tasks: Task,
    *,
    inner_lr: InnerRate,
    inner_steps: int = 1,
    first_order: bool = False,
) -> tuple[Any, Params]:
    """The meta-loss, one number, and its gradient with respect to `params`, through the inner steps."""
    require_inner("numpy", params, inner_lr, inner_steps)

    def objective(params: Params) -> Any:
        return meta_loss(loss, params, tasks, inner_lr=inner_lr, inner_steps=inner_steps, first_order=first_order)

    return value_and_grad(objective)(params)


def meta_gradient(
    loss: Callable,
    params: Params,
    tasks: Task,
    *,
    inner_lr: InnerRate,
    inner_steps: int = 1,
    first_order: bool = False,
) -> Params:
    """Gradient of `meta_loss` with respect to `params` (algorithm 1, line 8): the same keys and shapes."""
    return meta_loss_and_gradient(
        loss, params, tasks, inner_lr=inner_lr, inner_steps=inner_steps, first_order=first_order
    )[1]
