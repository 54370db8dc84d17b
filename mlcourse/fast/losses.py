"""Losses, to be read beside `mlcourse/reference/losses.py`: one number, a mean over examples and outputs."""

from collections.abc import Callable

import torch

from mlcourse.arguments import require_labels, require_library
from mlcourse.fast.networks import Network, Params
from mlcourse.fast.transforms import can_look

Loss = Callable[[Params, torch.Tensor, torch.Tensor], torch.Tensor]  # loss(params, x, y) -> one number


def squared_error(network: Network) -> Loss:
    """Mean squared error of real-valued outputs; y (n, outputs)."""

    def loss(params: Params, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        outputs = network.apply(params, x)
        require_library("y", y, "torch")
        if y.shape != outputs.shape:  # (n,) beside (n, 1) would broadcast to (n, n) without a word
            raise ValueError(
                f"y has shape {tuple(y.shape)}, the outputs {tuple(outputs.shape)}; reshape y to match"
            )
        return ((outputs - y.to(outputs.dtype)) ** 2).mean()

    return loss


def cross_entropy(network: Network) -> Loss:
    """Mean cross-entropy of class scores (n, n_way); y (n,) holds whole numbers 0 ... n_way - 1.

    `loss.n_way` is how many classes the network scores, where it says so: the engine looks at the labels of a
    whole batch of tasks before it begins, since nobody can under `vmap`.
    """

    def loss(params: Params, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        scores = network.apply(params, x)
        require_library("y", y, "torch")
        n, n_way = scores.shape
        if y.shape != (n,) or y.is_floating_point() or y.dtype == torch.bool:
            raise ValueError(
                f"y has shape {tuple(y.shape)} and dtype {y.dtype}; give {n} whole numbers, shape ({n},)"
            )
        if can_look(y):
            require_labels("y", y, n_way)
        return -torch.log_softmax(scores, dim=-1).gather(1, y[:, None].long()).mean()

    loss.n_way = network.outputs
    return loss
