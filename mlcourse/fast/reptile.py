"""Reptile, to be read beside its twin `mlcourse/reference/reptile.py`.

Nichol, Achiam, Schulman, "On First-Order Meta-Learning Algorithms" (2018): train on one task for a few steps,
then move the starting place a little towards where that ended.
"""

from collections.abc import Callable

import numpy as np
import torch

from mlcourse.arguments import (
    require_adapted,
    require_count,
    require_like,
    require_no_mask,
    require_params,
    require_picks,
    require_rate,
    require_rng,
    require_tasks,
)
from mlcourse.fast import adam, ready
from mlcourse.fast.batching import over_tasks
from mlcourse.fast.gradients import grad
from mlcourse.fast.maml import adapt
from mlcourse.fast.networks import Params
from mlcourse.rates import InnerRate
from mlcourse.tasks.task import Examples, Task


def interpolate(params: Params, adapted: Params, meta_lr: float | torch.Tensor) -> Params:
    """theta + meta_lr * (mean of phi_i - theta): algorithm 2, as a mean over tasks.

    adapted: the phi_i, the keys of `params` and their shapes with the task axis in front. Returns the keys and
    shapes of `params`; ValueError where they do not fit, or where `meta_lr` is no finite number.
    """
    require_params("params", params, "torch")
    require_rate("meta_lr", meta_lr)
    require_adapted(adapted, dict)
    require_like("one task of adapted", {name: phi[0] for name, phi in adapted.items()}, params)
    return {name: params[name] + meta_lr * (adapted[name].mean(dim=0) - params[name]) for name in params}


def adapt_each(
    loss: Callable,
    params: Params,
    support: Examples,
    *,
    inner_lr: InnerRate,
    inner_steps: int,
    batching: str = "auto",
) -> Params:
    """Adapted parameters of every task of a batch of support sets, x (T, S, *features): arrays (T, ...).

    inner_lr, inner_steps, errors: as in `maml.adapt`. batching: see `batching.over_tasks`.
    """
    loss, inner_lr, support = ready.supports(loss, params, support, inner_lr=inner_lr, inner_steps=inner_steps)

    def adapt_one(support: Examples) -> Params:
        return adapt(loss, params, support, inner_lr=inner_lr, inner_steps=inner_steps, first_order=True)

    return over_tasks(adapt_one, params, support, batching=batching)


def meta_step(
    loss: Callable,
    params: Params,
    tasks: Task,
    *,
    inner_lr: InnerRate,
    inner_steps: int,
    meta_lr: float | torch.Tensor,
    batching: str = "auto",
) -> Params:
    """One outer step with plain gradient descent on each task's whole support set (paper, algorithm 2).

    tasks: support x (T, S, *features); the query set is not used. meta_lr: the share of the way to the mean of the
    phi_i, the paper's epsilon. Returns the keys and shapes of `params`; ValueError for what does not fit.
    """

    adapted = adapt_each(
        loss, params, tasks.support, inner_lr=inner_lr, inner_steps=inner_steps, batching=batching
    )
    return interpolate(params, adapted, meta_lr)


def batches(
    n_tasks: int, n_support: int, inner_steps: int, batch_size: int, rng: np.random.Generator
) -> torch.Tensor:
    """Which support examples each inner step sees: (T, inner_steps, batch_size) indices.

    Shuffled passes through the support set, one after the other, cut into batches: no example comes twice
    before all have come once. Raises ValueError for a batch larger than the support set.
    """
    counts = {"n_tasks": n_tasks, "n_support": n_support, "inner_steps": inner_steps, "batch_size": batch_size}
    for name, value in counts.items():
        require_count(name, value)
    require_rng("rng", rng)
    if batch_size > n_support:
        raise ValueError(
            f"batch_size is {batch_size}; the support set holds {n_support} examples, give 1 to {n_support}"
        )
    passes = -(-inner_steps * batch_size // n_support)
    order = rng.permuted(np.tile(np.arange(n_support), (n_tasks, passes, 1)), axis=-1)
    picks = order.reshape(n_tasks, -1)[:, : inner_steps * batch_size].reshape(n_tasks, inner_steps, batch_size)
    return torch.as_tensor(picks)


def adapt_adam(
    loss: Callable,
    params: Params,
    moments: adam.Moments,
    support: Examples,
    picks: torch.Tensor,
    *,
    inner_lr: float,
) -> tuple[Params, adam.Moments]:
    """Adapt to one task by Adam with beta1 = 0, one step for each row of `picks` (inner_steps, batch_size).

    support: x (S, *features), without a mask. Returns phi and the moments after the last step; ValueError for
    what does not fit.
    """
    require_picks(picks, "torch")
    require_no_mask("support", support)
    require_rate("inner_lr", inner_lr)
    loss, _, support = ready.examples(loss, params, support, inner_lr=inner_lr, inner_steps=len(picks))
    for pick in picks:
        gradient = grad(loss)(params, support.x[pick], support.y[pick])
        params, moments = adam.update(params, gradient, moments, lr=inner_lr, beta1=0.0)
    return params, moments


def meta_step_adam(
    loss: Callable,
    params: Params,
    moments: adam.Moments,
    tasks: Task,
    *,
    rng: np.random.Generator,
    batch_size: int,
    inner_lr: float,
    inner_steps: int,
    meta_lr: float | torch.Tensor,
    batching: str = "auto",
) -> tuple[Params, adam.Moments]:
    """One outer step with inner Adam whose moments live on from step to step, as in the paper's own code.

    That code hands the moments from task to task. Here every task of a step starts from the same `moments`, and
    afterwards they are the mean over the tasks, so that the tasks can run at once. Returns the new parameters
    and moments.
    """
    require_tasks("tasks", tasks, "torch")
    n_tasks, n_support = tasks.support.x.shape[:2]
    picks = batches(n_tasks, n_support, inner_steps, batch_size, rng).to(tasks.support.x.device)
    adapted, moments = adapt_each_adam(
        loss, params, moments, tasks.support, picks, inner_lr=inner_lr, batching=batching
    )
    return interpolate(params, adapted, meta_lr), moments


def adapt_each_adam(
    loss: Callable,
    params: Params,
    moments: adam.Moments,
    support: Examples,
    picks: torch.Tensor,
    *,
    inner_lr: float,
    batching: str = "auto",
) -> tuple[Params, adam.Moments]:
    """`adapt_adam` for every task of a batch, all from the same moments: each phi_i, and the moments' mean.

    picks (T, inner_steps, batch_size): see `batches`.
    """
    require_no_mask("support", support)
    require_rate("inner_lr", inner_lr)
    loss, _, support = ready.supports(loss, params, support, inner_lr=inner_lr, inner_steps=1)
    require_picks(picks, "torch", n_tasks=len(support.x))

    def adapt_one(support: Examples, picks: torch.Tensor) -> tuple:  # the compiler takes no more precise word
        phi, after = adapt_adam(loss, params, moments, support, picks, inner_lr=inner_lr)
        return phi, after.first, after.second

    adapted, *carried = over_tasks(adapt_one, params, support, picks, batching=batching)
    first, second = ({name: m.mean(dim=0) for name, m in moment.items()} for moment in carried)
    return adapted, adam.Moments(first, second, moments.steps + picks.shape[1])
