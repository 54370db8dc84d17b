"""Losses, to be read beside `mlcourse/reference/losses.py`: one number, a mean over examples and outputs."""

from collections.abc import Callable

import torch

from mlcourse.fast.networks import Network, Params

Loss = Callable[[Params, torch.Tensor, torch.Tensor], torch.Tensor]  # loss(params, x, y) -> one number


def squared_error(network: Network) -> Loss:
    """Mean squared error of real-valued outputs; y (n, outputs)."""

    def loss(params: Params, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        outputs = network.apply(params, x)
        if y.shape != outputs.shape:  # (n,) beside (n, 1) would broadcast to (n, n) without a word
            raise ValueError(
                f"y has shape {tuple(y.shape)}, the outputs {tuple(outputs.shape)}; reshape y to match"
            )
        return ((outputs - y) ** 2).mean()

    return loss


def cross_entropy(network: Network) -> Loss:
    """Mean cross-entropy of class scores (n, n_way); y (n,) holds whole numbers 0 ... n_way - 1."""

    def loss(params: Params, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        scores = network.apply(params, x)
        n, n_way = scores.shape
        if y.shape != (n,) or y.dtype != torch.int64:
            raise ValueError(
                f"y has shape {tuple(y.shape)} and dtype {y.dtype}; give {n} int64 labels, shape ({n},)"
            )
        # under vmap nobody can look at the labels themselves; gather refuses those outside 0 ... n_way - 1
        return -torch.log_softmax(scores, dim=-1).gather(1, y[:, None]).mean()

    return loss
