"""Batch, layer and instance normalisation whose second derivative is right under `vmap` too; MAML needs it.

torch 2.13's own are wrong there, without a word, as soon as their scale differs from task to task: the saved mean
and variance count as constants on the second way back. Written out in plain operations they are right. Where no
`vmap` is around, torch's own are right, and faster on a CPU.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from mlcourse.fast.transforms import under_vmap

Maybe = torch.Tensor | None


def batch_norm(h: torch.Tensor, scale: Maybe = None, shift: Maybe = None, eps: float = 1e-5) -> torch.Tensor:
    """Normalise every channel of h (n, channels, ...) by the mean and variance of this very batch."""
    if _torch_is_right(h, scale, shift):
        return F.batch_norm(h, None, None, scale, shift, training=True, eps=eps)
    return _written_out(h, (0, *range(2, h.ndim)), _per_channel(h, scale), _per_channel(h, shift), eps)


def instance_norm(h: torch.Tensor, scale: Maybe = None, shift: Maybe = None, eps: float = 1e-5) -> torch.Tensor:
    """The same for every example by itself: h (n, channels, ...)."""
    if _torch_is_right(h, scale, shift):
        return F.instance_norm(h, weight=scale, bias=shift, eps=eps)
    return _written_out(h, tuple(range(2, h.ndim)), _per_channel(h, scale), _per_channel(h, shift), eps)


def layer_norm(
    h: torch.Tensor, shape: Sequence[int], scale: Maybe = None, shift: Maybe = None, eps: float = 1e-5
) -> torch.Tensor:
    """Normalise over the last axes of h, those of `shape`; scale and shift have that shape."""
    if _torch_is_right(h, scale, shift):
        return F.layer_norm(h, shape, scale, shift, eps)
    return _written_out(h, tuple(range(-len(shape), 0)), scale, shift, eps)


def normalise(
    h: torch.Tensor, mean: torch.Tensor, variance: torch.Tensor, scale: Maybe, shift: Maybe, eps: float = 1e-5
) -> torch.Tensor:
    """By a given mean and variance; all must broadcast against h."""
    factor = torch.rsqrt(variance + eps)
    out = (h - mean) * (factor if scale is None else scale * factor)
    return out if shift is None else out + shift


def _written_out(h: torch.Tensor, dim: tuple[int, ...], scale: Maybe, shift: Maybe, eps: float) -> torch.Tensor:
    variance, mean = torch.var_mean(h, dim=dim, correction=0, keepdim=True)
    return normalise(h, mean, variance, scale, shift, eps)


def _per_channel(h: torch.Tensor, part: Maybe) -> Maybe:
    """(channels,) so that it broadcasts against h (n, channels, ...)."""
    return part if part is None else part[(..., *[None] * (h.ndim - 2))]


def _torch_is_right(*parts: Maybe) -> bool:
    return not torch.compiler.is_compiling() and not any(part is not None and under_vmap(part) for part in parts)
