"""Padding of ragged tasks (`tasks.Ragged`), made harmless: nothing that it holds reaches a number.

All tasks of a batch are computed at once, so that padding cannot be dropped, as `reference` does. It is filled
with copies of a real example, for which a network and its gradients are as finite as for the example itself (zero
times not-a-number would be not-a-number), and is then left out of the means.
"""

from collections.abc import Callable
from typing import Any

import torch

from mlcourse.fast.arrays import tree_map
from mlcourse.fast.pure import Watch
from mlcourse.fast.transforms import can_look
from mlcourse.tasks.task import Ragged, real


def filled(array: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """`array` (n, ...) with the first real row in place of those where `mask` (n,) is false."""
    if mask is None:
        return array
    places = torch.arange(len(mask), device=mask.device)
    first = torch.where(mask, places, len(mask)).amin()
    return array.index_select(0, torch.where(mask, places, first))


def mean(values: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """The mean of `values` (n, ...) over the rows for which `mask` (n,) is true."""
    if mask is None:
        return values.mean()
    kept = torch.where(mask.reshape(-1, *[1] * (values.ndim - 1)), values, 0)
    return kept.sum() / (mask.sum() * (values.numel() // len(mask)))


def require_unmoved(what: str, compute: Callable[..., torch.Tensor], *batched: Any) -> None:
    """Refuse what padding moves: `compute` of one task's slice of `batched` with its padding, and without.

    The first task that has any is tried, where its values can be looked at. batched: examples, and tensors with
    the task axis in front. Whatever lets one example bear on another, such as batch normalisation, is found so,
    and a loss that leaves its mask aside.
    """
    masks = [part.mask for part in batched if isinstance(part, Ragged)]
    if not all(can_look(mask) for mask in masks):
        return
    padded = next((task for mask in masks for task in (~mask.all(dim=1)).nonzero().flatten().tolist()), None)
    if padded is None:
        return
    one = [tree_map(lambda leaf: leaf[padded], part) for part in batched]
    bare = [Ragged(*real(part), part.mask[part.mask]) if isinstance(part, Ragged) else part for part in one]
    with torch.no_grad():
        found, expected = (Watch()(compute)(*parts) for parts in (one, bare))
    near = torch.finfo(expected.dtype).eps ** 0.5  # rounding leaves less
    if expected.isfinite().all() and not torch.allclose(found, expected, rtol=near, atol=near):
        raise ValueError(
            f"padding moves {what} of task {padded} by {float((found - expected).abs().max()):.2g}. Either "
            "examples bear on each other, as in batch normalisation (use GroupNorm or LayerNorm, or freeze its "
            "statistics: networks.freeze_statistics), or a mask is not honoured (leave padding out of every mean)"
        )
