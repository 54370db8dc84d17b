"""Metric-based meta-learning, to be read beside its twin `mlcourse/fast/metric.py`.

Nothing adapts: a network maps images to points, and `classify` compares a query's point with the support set's
(Vinyals et al. 2016; Snell, Swersky, Zemel 2017). Training lowers the query loss of one task after another.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from mlcourse.arguments import require_classes, require_params, require_task, require_tasks
from mlcourse.reference import autograd
from mlcourse.reference.networks import Network, Params
from mlcourse.tasks.task import Task, each, real

# classify(queries (Q, d), support (S, d), labels (S,), n_way, mask (S,)) -> log p; the mask where tasks are ragged
Classify = Callable[..., Any]


def meta_loss(classify: Classify, network: Network, params: Params, tasks: Task, *, n_way: int) -> Any:
    """Mean over T tasks of the mean of -log p(right class) over their queries.

    classify: `protonet.classify`, `matching.classify`, or your own. network: maps x (n, *features) to (n, d).
    tasks: support x (T, S, *features), y (T, S). Every class 0 ... n_way - 1 has an example in every support set,
    else ValueError.
    """
    require_params("params", params, "numpy")
    require_tasks("tasks", tasks, "numpy")
    require_classes("tasks", tasks, n_way)
    losses = [task_loss(classify, network, params, task, n_way=n_way) for task in each(tasks)]
    return sum(losses) / len(losses)


def task_loss(classify: Classify, network: Network, params: Params, task: Task, *, n_way: int) -> Any:
    """The query loss of one task: support x (S, *features), query x (Q, *features); one number."""
    require_task("task", task, "numpy")
    require_classes("task", task, n_way)
    (x, y), query = (real(part) for part in task)  # padding, where there is any, never reaches the network
    support, queries = network.apply(params, x), network.apply(params, query.x)
    log_p = classify(queries, support, y, n_way)
    right = np.eye(n_way)[query.y]  # (Q, n_way), a one where the right class stands
    return -autograd.sum(log_p * right) * (1.0 / len(right))


def meta_loss_and_gradient(
    classify: Classify, network: Network, params: Params, tasks: Task, *, n_way: int
) -> tuple[Any, Params]:
    """The meta-loss, one number, and its gradient with respect to `params`, in their keys and shapes."""
    require_params("params", params, "numpy")

    def objective(params: Params) -> Any:
        return meta_loss(classify, network, params, tasks, n_way=n_way)

    return autograd.value_and_grad(objective)(params)
