"""What stands before every computation of `mlcourse.fast`: arguments judged, data placed, frozen parameters held.

It happens once, at the public call: what the engine calls from inside has been judged. Labels are looked at there,
too: under `vmap`, in compiled and in recorded code nobody can.
"""

from collections.abc import Callable
from typing import Any

import torch

from mlcourse import arguments
from mlcourse.fast.arrays import tensors, tree_map
from mlcourse.fast.networks import Network, Params
from mlcourse.fast.padding import require_unmoved
from mlcourse.fast.pure import inside_engine
from mlcourse.fast.transforms import can_look
from mlcourse.rates import InnerRate, require_inner
from mlcourse.tasks import task
from mlcourse.tasks.task import Examples, Ragged, Task


def examples(
    loss: Callable, params: Params, support: Examples, *, inner_lr: InnerRate, inner_steps: int
) -> tuple[Callable, InnerRate, Examples]:
    """For one task: the loss, the inner rate and the support set that may be used."""
    if inside_engine():
        return loss, inner_lr, support
    require_inner("torch", params, inner_lr, inner_steps)
    arguments.require_examples("support", support, "torch")
    _require_values(loss, {"support": support})
    return _may_be_used(loss, params, inner_lr, task.examples(support))


def supports(
    loss: Callable, params: Params, support: Examples, *, inner_lr: InnerRate, inner_steps: int
) -> tuple[Callable, InnerRate, Examples]:
    """The same for the support sets of a batch of tasks."""
    if inside_engine():
        return loss, inner_lr, support
    require_inner("torch", params, inner_lr, inner_steps)
    arguments.require_examples("support", support, "torch", batch=True)
    _require_values(loss, {"support": support})
    return _may_be_used(loss, params, inner_lr, task.examples(support))


def tasks(
    loss: Callable, params: Params, tasks: Task, *, inner_lr: InnerRate, inner_steps: int
) -> tuple[Callable, InnerRate, Task]:
    """For a batch of tasks: the loss, the inner rate and the tasks that may be used."""
    if inside_engine():
        return loss, inner_lr, tasks
    require_inner("torch", params, inner_lr, inner_steps)
    arguments.require_tasks("tasks", tasks, "torch")
    _require_values(loss, {"tasks.support": tasks[0], "tasks.query": tasks[1]})
    return _may_be_used(loss, params, inner_lr, Task(*tasks))


def _may_be_used(
    loss: Callable, params: Params, inner_lr: InnerRate, data: Any
) -> tuple[Callable, InnerRate, Any]:
    """The loss checked, frozen parameters held fast (learned rates, too), the data where the parameters lie."""
    rates = held(inner_lr, params) if callable(inner_lr) else inner_lr
    loss, data = guarded(loss, params), placed(data, params)
    for part in data if isinstance(data, Task) else [data]:
        _require_silent_padding(loss, params, part)
    return loss, rates, data


def guarded(loss: Callable, params: Params) -> Callable:
    """The loss, refused when it is not one number, with frozen parameters held fast."""
    return held(arguments.one_number(loss), params)


def _require_silent_padding(loss: Callable, params: Params, given: Examples | Ragged) -> None:
    """Refuse a loss that padding moves, where there is any: of one task or of a batch."""
    if isinstance(given, Ragged):
        batch = tree_map(lambda leaf: leaf[None], given) if given.mask.ndim == 1 else given
        require_unmoved("the loss", lambda part: loss(params, *part), batch)


def classes(network: Network, params: Params, tasks: Task, *, n_way: int) -> tuple[Network, Task]:
    """For methods that compare: the network and the tasks, whose classes all have an example."""
    if inside_engine():
        return network, tasks
    arguments.require_params("params", params, "torch")
    arguments.require_tasks("tasks", tasks, "torch")
    _require_values(None, {"tasks.support": tasks[0], "tasks.query": tasks[1]})
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
    support, query_x = placed((task.examples(support), query_x), params)
    _require_values(loss, {"support": support})
    theirs, ours = (tuple(x.shape[1 + batch :]) for x in (support.x, query_x))
    if query_x.ndim < 1 + batch or ours != theirs:
        raise ValueError(f"query_x has shape {tuple(query_x.shape)}; support.x holds examples of shape {theirs}")
    if batch and len(query_x) != len(support.x):
        raise ValueError(
            f"support holds {len(support.x)} tasks and query_x {len(query_x)}; give both of each task"
        )
    if loss is not None:
        _require_silent_padding(arguments.one_number(loss), params, support)
    return support, query_x


def _require_values(loss: Callable | None, given: dict[str, Examples | Ragged]) -> None:
    """Refuse tasks of padding alone, and labels that the network does not score, where the loss says how many."""
    n_way = getattr(loss, "n_way", None)
    for name, part in given.items():
        mask = arguments.mask_of(part)
        if mask is not None and can_look(mask):
            arguments.require_real(f"{name}.mask", mask)
        if n_way is not None and can_look(part[1]):
            arguments.require_labels(f"{name}.y", part[1], n_way, mask=mask)


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
