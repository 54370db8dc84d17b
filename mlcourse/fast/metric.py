"""Metric-based meta-learning, to be read beside its twin `mlcourse/reference/metric.py`.

Nothing adapts: a network maps images to points, and `classify` compares a query's point with the support set's
(Vinyals et al. 2016; Snell, Swersky, Zemel 2017). Training lowers the query loss of one task after another.
"""

from collections.abc import Callable

import torch

from mlcourse.arguments import mask_of, require_classes, require_task, with_mask
from mlcourse.fast import ready
from mlcourse.fast.batching import over_tasks
from mlcourse.fast.gradients import grad_and_value
from mlcourse.fast.networks import Network, Params
from mlcourse.fast.padding import filled, mean, require_unmoved
from mlcourse.fast.transforms import can_look
from mlcourse.tasks.task import Examples, Ragged, Task

# classify(queries (Q, d), support (S, d), labels (S,), n_way, mask (S,)) -> log p; the mask where tasks are ragged
Classify = Callable[..., torch.Tensor]


def meta_loss(
    classify: Classify, network: Network, params: Params, tasks: Task, *, n_way: int, batching: str = "auto"
) -> torch.Tensor:
    """Mean over T tasks of the mean of -log p(right class) over their queries.

    classify: `protonet.classify`, `matching.classify`, or your own. network: maps x (n, *features) to (n, d).
    tasks: support x (T, S, *features), y (T, S). Every class 0 ... n_way - 1 has an example in every support set,
    else ValueError.
    """
    network, tasks = _ready(classify, network, params, tasks, n_way=n_way)

    def one_loss(support: Examples | Ragged, query: Examples | Ragged) -> torch.Tensor:
        return task_loss(classify, network, params, Task(support, query), n_way=n_way)

    return over_tasks(one_loss, params, *tasks, batching=batching).mean()


def task_loss(classify: Classify, network: Network, params: Params, task: Task, *, n_way: int) -> torch.Tensor:
    """The query loss of one task: support x (S, *features), query x (Q, *features); one number."""
    require_task("task", task, "torch")
    if can_look(task.support.y):
        require_classes("task", task, n_way)
    # support and queries in one pass: batch normalisation, where there is any, sees the whole task
    points = network.apply(params, torch.cat([filled(part.x, mask_of(part)) for part in task]))
    n_support, mask = len(task.support.x), mask_of(task.query)
    log_p = with_mask(
        classify, points[n_support:], points[:n_support], task.support.y, n_way, mask=mask_of(task.support)
    )
    return -mean(log_p.gather(1, filled(task.query.y, mask)[:, None].long()), mask)


def meta_loss_and_gradient(
    classify: Classify, network: Network, params: Params, tasks: Task, *, n_way: int, batching: str = "auto"
) -> tuple[torch.Tensor, Params]:
    """The meta-loss, one number, and its gradient with respect to `params`, in their keys and shapes."""
    network, tasks = _ready(classify, network, params, tasks, n_way=n_way)

    def objective(params: Params) -> torch.Tensor:
        return meta_loss(classify, network, params, tasks, n_way=n_way, batching=batching)

    gradient, value = grad_and_value(objective)(params)
    return value, gradient


def _ready(
    classify: Classify, network: Network, params: Params, tasks: Task, *, n_way: int
) -> tuple[Network, Task]:
    """The network and the tasks that may be used; where there is padding, it must not move the loss."""
    network, tasks = ready.classes(network, params, tasks, n_way=n_way)

    def one_loss(support: Examples | Ragged, query: Examples | Ragged) -> torch.Tensor:
        return task_loss(classify, network, params, Task(support, query), n_way=n_way)

    require_unmoved("the loss", one_loss, *tasks)
    return network, tasks
