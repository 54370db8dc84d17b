"""Reptile, to be read beside its twin `mlcourse/fast/reptile.py`.

Nichol, Achiam, Schulman, "On First-Order Meta-Learning Algorithms" (2018): train on one task for a few steps,
then move the starting place a little towards where that ended.
"""

from collections.abc import Callable

import numpy as np

from mlcourse.arguments import (
    one_number,
    require_adapted,
    require_count,
    require_examples,
    require_like,
    require_no_mask,
    require_params,
    require_picks,
    require_rate,
    require_rng,
    require_tasks,
)
from mlcourse.rates import InnerRate, require_inner
from mlcourse.reference import adam
from mlcourse.reference.autograd import grad
from mlcourse.reference.maml import adapt
from mlcourse.reference.networks import Params
from mlcourse.tasks.task import Examples, Task, examples


def interpolate(params: Params, adapted: list[Params], meta_lr: float) -> Params:
    """theta + meta_lr * (mean of phi_i - theta): algorithm 2, as a mean over tasks.

    adapted: the phi_i, a dict for each task. All have the keys and shapes of `params`, which also come back;
    ValueError where they have not, or where `meta_lr` is no finite number.
    """
    require_params("params", params, "numpy")
    require_rate("meta_lr", meta_lr)
    require_adapted(adapted, list)
    for phi in adapted:
        require_like("adapted", phi, params)
    return {
        name: params[name] + meta_lr * (np.mean([phi[name] for phi in adapted], axis=0) - params[name])
        for name in params
    }


def adapt_each(
    loss: Callable, params: Params, support: Examples, *, inner_lr: InnerRate, inner_steps: int
) -> list[Params]:
    """Adapted parameters of every task of a batch of support sets, x (T, S, *features): a list of T.

    inner_lr, inner_steps, errors: as in `maml.adapt`.
    """
    require_examples("support", support, "numpy", batch=True)
    return [
        adapt(loss, params, examples(parts), inner_lr=inner_lr, inner_steps=inner_steps, first_order=True)
        for parts in zip(*support, strict=True)
    ]


def meta_step(
    loss: Callable, params: Params, tasks: Task, *, inner_lr: InnerRate, inner_steps: int, meta_lr: float
) -> Params:
    """One outer step with plain gradient descent on each task's whole support set (paper, algorithm 2).

    tasks: support x (T, S, *features); the query set is not used. meta_lr: the share of the way to the mean of the
    phi_i, the paper's epsilon. Returns the keys and shapes of `params`; ValueError for what does not fit.
    """
    adapted = adapt_each(loss, params, tasks.support, inner_lr=inner_lr, inner_steps=inner_steps)
    return interpolate(params, adapted, meta_lr)


def batches(
    n_tasks: int, n_support: int, inner_steps: int, batch_size: int, rng: np.random.Generator
) -> np.ndarray:
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
    return order.reshape(n_tasks, -1)[:, : inner_steps * batch_size].reshape(n_tasks, inner_steps, batch_size)


def adapt_adam(
    loss: Callable,
    params: Params,
    moments: adam.Moments,
    support: Examples,
    picks: np.ndarray,
    *,
    inner_lr: float,
) -> tuple[Params, adam.Moments]:
    """Adapt to one task by Adam with beta1 = 0, one step for each row of `picks` (inner_steps, batch_size).

    support: x (S, *features), without a mask. Returns phi and the moments after the last step; ValueError for
    what does not fit.
    """
    require_picks(picks, "numpy")
    require_rate("inner_lr", inner_lr)
    require_inner("numpy", params, inner_lr, len(picks))
    require_examples("support", support, "numpy")
    require_no_mask("support", support)
    loss = one_number(loss)
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
    meta_lr: float,
) -> tuple[Params, adam.Moments]:
    """One outer step with inner Adam whose moments live on from step to step, as in the paper's own code.

    That code hands the moments from task to task. Here every task of a step starts from the same `moments`, and
    afterwards they are the mean over the tasks, so that the tasks can run at once. Returns the new parameters
    and moments.
    """
    require_tasks("tasks", tasks, "numpy")
    picks = batches(len(tasks.support.x), tasks.support.x.shape[1], inner_steps, batch_size, rng)
    adapted, moments = adapt_each_adam(loss, params, moments, tasks.support, picks, inner_lr=inner_lr)
    return interpolate(params, adapted, meta_lr), moments


def adapt_each_adam(
    loss: Callable,
    params: Params,
    moments: adam.Moments,
    support: Examples,
    picks: np.ndarray,
    *,
    inner_lr: float,
) -> tuple[list[Params], adam.Moments]:
    """`adapt_adam` for every task of a batch, all from the same moments: each phi_i, and the moments' mean.

    picks (T, inner_steps, batch_size): see `batches`.
    """
    require_examples("support", support, "numpy", batch=True)
    require_no_mask("support", support)
    require_picks(picks, "numpy", n_tasks=len(support.x))
    ends = [
        adapt_adam(loss, params, moments, Examples(x, y), pick, inner_lr=inner_lr)
        for x, y, pick in zip(*support, picks, strict=True)
    ]
    adapted, after = zip(*ends, strict=True)
    second = {name: np.mean([m.second[name] for m in after], axis=0) for name in params}
    first = {name: np.mean([m.first[name] for m in after], axis=0) for name in params}
    return list(adapted), adam.Moments(first, second, after[0].steps)
