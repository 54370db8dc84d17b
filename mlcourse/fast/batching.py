"""One function of one task, run over a batch of tasks: by `vmap`, or in a loop where that is faster.

On a CPU a convolutional network with weights that differ from task to task runs faster one task after the other
than under `vmap` (2.5 times, Conv4 with 64 channels), whose normalisation, ReLU, pooling and sums lose more there
than its grouped convolutions save; on a GPU it is the reverse.
"""

from collections.abc import Callable
from typing import Any

import torch

from mlcourse.arguments import require_choice
from mlcourse.fast.arrays import leaves, tree_map
from mlcourse.fast.networks import Params
from mlcourse.fast.pure import Watch, at_once, trusting

BATCHING = ("auto", "vmap", "loop")


def choose(params: Params, batching: str = "auto") -> str:
    """The way that `batching` asks for; for "auto" what suits these parameters, as `over_tasks` says."""
    require_choice("batching", batching, BATCHING)
    if batching != "auto":
        return batching
    convolution_on_cpu = any(p.ndim == 4 and p.device.type == "cpu" for p in params.values())
    return "loop" if convolution_on_cpu else "vmap"


def over_tasks(function: Callable, params: Params, *batched: Any, batching: str = "auto") -> Any:
    """`function(*one task's slice)` for every task of `batched` (task axis first), results stacked.

    batching: "vmap", "loop", or "auto", which loops on a CPU when a parameter is 4-D (a convolution).
    Raises ValueError when `function` is not pure (`pure.Watch`).
    """
    if choose(params, batching) == "vmap":
        return Watch()(at_once(function))(*batched)
    tasks = [tree_map(lambda leaf, task=task: leaf[task], batched) for task in range(len(next(leaves(batched))))]
    watch = Watch()
    first = watch(function)(*tasks[0])
    for_others = watch(function) if watch.helped else trusting(function)
    results = [first, *(for_others(*task) for task in tasks[1:])]
    return tree_map(lambda *parts: torch.stack(parts), *results)
