"""What stands before every computation of `mlcourse.fast`: arguments judged, data placed, frozen parameters held.

It happens once, at the public call: what the engine calls from inside has been judged. Labels are looked at there,
too: under `vmap`, in compiled and in recorded code nobody can.
"""

from collections.abc import Callable
from typing import Any

import torch

from mlcourse import arguments
from mlcourse.fast.arrays import tensors
from mlcourse.fast.networks import Network, Params
from mlcourse.fast.pure import inside_engine
from mlcourse.fast.transforms import can_look
from mlcourse.tasks.task import Examples, Task


def examples(loss: Callable, params: Params, support: Examples, **inner: Any) -> tuple[Callable, Examples]:
    """For one task: the loss and the support set that may be used. inner: inner_lr and inner_steps."""
    if inside_engine():
        return loss, support
    arguments.require_inner("torch", params, **inner)
    arguments.require_examples("support", support, "torch")
    _require_labels(loss, {"support.y": support[1]})
    return held(arguments.one_number(loss), params), placed(Examples(*support), params)


def supports(loss: Callable, params: Params, support: Examples, **inner: Any) -> tuple[Callable, Examples]:
    """The same for the support sets of a batch of tasks."""
    if inside_engine():
        return loss, support
    arguments.require_inner("torch", params, **inner)
    arguments.require_examples("support", support, "torch", batch=True)
    _require_labels(loss, {"support.y": support[1]})
    return held(arguments.one_number(loss), params), placed(Examples(*support), params)


def tasks(loss: Callable, params: Params, tasks: Task, **inner: Any) -> tuple[Callable, Task]:
    """For a batch of tasks: the loss and the tasks that may be used."""
    if inside_engine():
        return loss, tasks
    arguments.require_inner("torch", params, **inner)
    arguments.require_tasks("tasks", tasks, "torch")
    _require_labels(loss, {"tasks.support.y": tasks[0][1], "tasks.query.y": tasks[1][1]})
    return held(arguments.one_number(loss), params), placed(Task(*tasks), params)


def classes(network: Network, params: Params, tasks: Task, *, n_way: int) -> tuple[Network, Task]:
    """For methods that compare: the network and the tasks, whose classes all have an example."""
    if inside_engine():
        return network, tasks
    arguments.require_params("params", params, "torch")
    arguments.require_tasks("tasks", tasks, "torch")
    if can_look(tasks[0][1]):
        arguments.require_classes("tasks", tasks, n_way)
    return network._replace(apply=held(network.apply, params)), placed(Task(*tasks), params)


def to_judge(
    loss: Callable | None, params: Params, support: Examples, query_x: Any, *, batch: bool = False
) -> tuple[Examples, torch.Tensor]:
    """For a learner: NumPy's support set and queries, of one task or of a batch, as tensors where `params` lie."""
    arguments.require_params("params", params, "torch")
    arguments.require_examples("support", support, "either", batch=batch)
    arguments.require_library("query_x", query_x, "either")
    support, query_x = placed((Examples(*support), query_x), params)
    _require_labels(loss, {"support.y": support.y})
    theirs, ours = (tuple(x.shape[1 + batch :]) for x in (support.x, query_x))
    if query_x.ndim < 1 + batch or ours != theirs:
        raise ValueError(f"query_x has shape {tuple(query_x.shape)}; support.x holds examples of shape {theirs}")
    if batch and len(query_x) != len(support.x):
        raise ValueError(
            f"support holds {len(support.x)} tasks and query_x {len(query_x)}; give both of each task"
        )
    return support, query_x


def _require_labels(loss: Callable | None, labels: dict[str, torch.Tensor]) -> None:
    """Refuse labels that the network behind the loss does not score, where the loss says how many it does."""
    n_way = getattr(loss, "n_way", None)
    for name, y in labels.items():
        if n_way is not None and can_look(y):
            arguments.require_labels(name, y, n_way)


def placed(tree: Any, params: Params) -> Any:
    """Data where the parameters lie, real numbers in their precision: float64 tasks for a float32 network."""
    some = next(iter(params.values()))
    return tensors(tree, device=some.device, dtype=some.dtype)


def held(function: Callable, params: Params) -> Callable:
    """`function(params, *rest)` with the parameters held fast that `requires_grad_(False)` has frozen.

    A parameter counts as frozen when others are not: their gradient is zero, and nothing moves them. Arrays
    that never asked for a gradient, as `init` gives them, all learn.
    """
    frozen = frozen_names(params)
    if not frozen:
        return function

    def holding(params: Params, *rest: Any) -> Any:
        return function({n: p.detach() if n in frozen else p for n, p in params.items()}, *rest)

    return holding


def frozen_names(params: Params) -> frozenset[str]:
    """Which parameters are frozen: those that ask for no gradient, where others do."""
    frozen = frozenset(name for name, p in params.items() if not p.requires_grad)
    return frozen if len(frozen) < len(params) else frozenset()
