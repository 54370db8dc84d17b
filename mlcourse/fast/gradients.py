"""The one way in which `mlcourse.fast` takes gradients: `grad` and `grad_and_value`, as in `torch.func`.

Where no transformation is around, torch's plain autograd does it: the same bits, and on a CPU it asks less of
Python for every operation (with five inner steps of a small support set a loop over tasks is a seventh faster, all
tasks under `vmap` a fifth).
"""

from collections.abc import Callable
from typing import Any

import torch

from mlcourse.fast.networks import Params
from mlcourse.fast.pure import Watch
from mlcourse.fast.transforms import is_transformed


def grad(function: Callable) -> Callable:
    """The gradient of `function(params, *rest)` with respect to `params`; it can be differentiated again."""
    if torch.compiler.is_compiling():
        return torch.func.grad(function)

    def gradient(params: Params, *rest: Any) -> Params:
        can_be_plain = not is_transformed(params, *rest) and torch.is_grad_enabled() and _all_followed(params)
        return Watch()(plain if can_be_plain else torch.func.grad(function))(params, *rest)

    def plain(params: Params, *rest: Any) -> Params:
        # fresh tensors of the same numbers: where one parameter is computed from another, or is the same tensor,
        # the gradient must not go that way (so it is with `torch.func` and `reference.autograd`)
        fresh = {name: p.view_as(p) for name, p in params.items()}
        return _slopes(function(fresh, *rest), fresh, create_graph=True)

    return gradient


def grad_and_value(function: Callable) -> Callable:
    """The gradient and the value of `function(params, *rest)`, for the outermost gradient: no graph is kept."""
    if torch.compiler.is_compiling():
        return torch.func.grad_and_value(function)

    def both(params: Params, *rest: Any) -> tuple[Params, torch.Tensor]:
        followed = any(p.requires_grad for p in params.values())
        by_func = is_transformed(params, *rest) or followed or torch.is_inference_mode_enabled()
        return Watch()(torch.func.grad_and_value(function) if by_func else plain)(params, *rest)

    def plain(params: Params, *rest: Any) -> tuple[Params, torch.Tensor]:
        start = {name: p.detach().requires_grad_() for name, p in params.items()}
        with torch.enable_grad():
            value = function(start, *rest)
            slopes = _slopes(value, start)
        return slopes, value.detach()

    return both


def _slopes(value: torch.Tensor, params: Params, create_graph: bool = False) -> Params:
    """The gradient of `value`; zeros where it does not depend on a parameter, or on none of them."""
    if not value.requires_grad:
        return {name: torch.zeros_like(p) for name, p in params.items()}
    found = torch.autograd.grad(value, list(params.values()), create_graph=create_graph, materialize_grads=True)
    return dict(zip(params, found, strict=True))


def _all_followed(params: Params) -> bool:
    return all(p.requires_grad for p in params.values())
