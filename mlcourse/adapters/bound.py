"""A module with weights that are not its own: what the adapters hand out where a library would hand out a copy.

The weights are put in for the time of one call, by `torch.func.functional_call`. A sub-module that is registered
twice is given once, and `tie_weights` is False: with True, torch 2.13 leaves the weights in such a module.

Dropout in training mode is welcome here, unlike under `mlcourse.fast`: a loss is computed once, and its gradient
is that of the numbers drawn for it. There the engine computes a loss again and again.
"""

from collections.abc import Iterator
from inspect import ismethod
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

Place = tuple[nn.Module, str]  # the module that holds a tensor, and its name there


class Bound:
    """`module`, computing with `values` in the place of its parameters and buffers; the module itself never moves.

    values: a tensor for each place; where two places share a parameter, the same tensor. What a call does to a
    buffer, such as running statistics, stays in `values`. A sub-module of it is bound, too.
    """

    def __init__(self, module: nn.Module, values: dict[Place, torch.Tensor]) -> None:
        object.__setattr__(self, "_module", module)
        object.__setattr__(self, "_values", values)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        require_statistics(self._module, self._values)
        names = dict(_places(self._module))
        given = {name: self._values[place] for name, place in names.items()}
        out = functional_call(self._module, given, arguments, keywords, tie_weights=False)
        for name, (holder, attribute) in names.items():
            if attribute in holder._buffers:  # functional_call writes into `given` what a forward has replaced
                self._values[holder, attribute] = given[name]
        return out

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("_module", "_values"):  # asked before these are there, by copy
            raise AttributeError(name)
        found = getattr(self._module, name)
        if isinstance(found, nn.Module):
            return Bound(found, self._values)
        if (self._module, name) in self._values:
            return self._values[self._module, name]
        if ismethod(found):
            raise AttributeError(
                f"{name}() would see the model's own weights, not the adapted ones; call the adapted model itself,"
                f" or call {name}() on the model before it is adapted"
            )
        return found

    def __setattr__(self, name: str, value: Any) -> None:
        if not hasattr(type(self), name) and not name.startswith("_"):
            raise AttributeError(f"{name} cannot be set here; change the model itself, or take an adapted step")
        object.__setattr__(self, name, value)

    def named_parameters(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Names, as the module has them, and the bound tensors; a shared one comes once."""
        seen = set()
        for name, (holder, attribute) in _places(self._module):
            tensor = self._values[holder, attribute]
            if attribute in holder._parameters and id(tensor) not in seen:
                seen.add(id(tensor))
                yield name, tensor

    def parameters(self) -> Iterator[torch.Tensor]:
        """The bound tensors, in the order of the module's own parameters."""
        return (tensor for _, tensor in self.named_parameters())

    def _replace(self, new: list[torch.Tensor]) -> None:
        """Put these in the place of `parameters()`, one by one."""
        old = list(self.parameters())
        if len(new) != len(old):
            raise ValueError(f"{len(new)} tensors for {len(old)} parameters; give one for each, in their order")
        for (name, before), after in zip(self.named_parameters(), new, strict=True):
            if after.shape != before.shape:
                raise ValueError(f"{name} has shape {tuple(before.shape)}; what replaces it, {tuple(after.shape)}")
        swap = {id(before): after for before, after in zip(old, new, strict=True)}
        self._values.update({place: swap.get(id(tensor), tensor) for place, tensor in self._values.items()})

    def _slopes(self, loss: torch.Tensor, *, create_graph: bool) -> list[torch.Tensor | None]:
        """The gradient of a loss for each of `parameters()`; None for what it does not use or is frozen."""
        if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
            seen = (
                f"shape {tuple(loss.shape)}" if isinstance(loss, torch.Tensor) else f"type {type(loss).__name__}"
            )
            raise ValueError(f"loss has {seen}; give one number, as F.cross_entropy(learner(x), y) does")
        every = list(self.parameters())
        wanted = [p for p in every if p.requires_grad]
        found: list[torch.Tensor | None] = [None] * len(wanted)
        if loss.requires_grad and wanted:
            found = list(torch.autograd.grad(loss, wanted, create_graph=create_graph, allow_unused=True))
        if all(slope is None for slope in found):
            raise ValueError(
                "loss does not depend on the adapted weights; compute it from what the clone (fmodel) returns,"
                " not from the model's own output, and not under torch.no_grad()"
            )
        slopes = iter(found)
        return [next(slopes) if p.requires_grad else None for p in every]


def cloned(module: nn.Module, values: dict[Place, torch.Tensor] | None = None) -> dict[Place, torch.Tensor]:
    """A clone of every parameter, through which a gradient flows back, and a copy of every buffer.

    values: clone these instead of what the module holds.
    """
    held = {place: getattr(*place) for _, place in _places(module)} if values is None else values
    once = {id(tensor): tensor.clone() for tensor in held.values()}
    return {place: once[id(tensor)] for place, tensor in held.items()}


def require_statistics(module: nn.Module, values: dict[Place, torch.Tensor] | None = None) -> None:
    """Refuse BatchNorm in eval mode with running statistics that no batch has moved: copies move their own."""
    for name, part in module.named_modules():
        if not isinstance(part, nn.modules.batchnorm._BatchNorm) or part.training or part.running_mean is None:
            continue
        mean, variance = (
            getattr(part, which) if values is None else values[part, which]
            for which in ("running_mean", "running_var")
        )
        if not mean.any() and (variance == 1).all():
            raise ValueError(
                f"{name or 'the BatchNorm'} is in eval mode, and its running statistics are still 0 and 1: each "
                "adapted copy moves statistics of its own. Stay in training mode, or use "
                "BatchNorm(track_running_stats=False), GroupNorm or LayerNorm"
            )


def _places(module: nn.Module) -> Iterator[tuple[str, Place]]:
    """The name and the place of every parameter, then of every buffer; a module registered twice comes once."""
    for kind in ("_parameters", "_buffers"):
        for prefix, holder in module.named_modules():
            for attribute, tensor in getattr(holder, kind).items():
                if tensor is not None:
                    yield f"{prefix}.{attribute}" if prefix else attribute, (holder, attribute)
