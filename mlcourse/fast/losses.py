"""Losses, to be read beside `mlcourse/reference/losses.py`: one number, a mean over examples and outputs.

Of ragged examples (`tasks.Ragged`) the mean is over the real ones.
"""

from collections.abc import Callable

import torch

from mlcourse.arguments import require_examples, require_labels, require_library, require_real
from mlcourse.fast.networks import Network, Params
from mlcourse.fast.padding import filled, mean
from mlcourse.fast.transforms import can_look
from mlcourse.tasks.task import Ragged

Loss = Callable[..., torch.Tensor]  # loss(params, x, y, mask=None) -> one number


def squared_error(network: Network) -> Loss:
    """Mean squared error of real-valued outputs, over examples and outputs: loss(params, x, y, mask=None).

    x (n, *features), y (n, outputs), mask (n,) of bool. The loss is in squared units of y; ValueError for a y of
    another shape than the outputs.
    """

    def loss(params: Params, x: torch.Tensor, y: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        x, y = _without_padding(x, y, mask)
        outputs = network.apply(params, x)
        require_library("y", y, "torch")
        if y.shape != outputs.shape:  # (n,) beside (n, 1) would broadcast to (n, n) without a word
            raise ValueError(
                f"y has shape {tuple(y.shape)}, the outputs {tuple(outputs.shape)}; reshape y to match"
            )
        return mean((outputs - y.to(outputs.dtype)) ** 2, mask)

    loss.network = network
    return loss


def cross_entropy(network: Network) -> Loss:
    """Mean cross-entropy of class scores (n, n_way), in nats: loss(params, x, y, mask=None).

    x (n, *features), y (n,) whole numbers 0 ... n_way - 1, else ValueError; mask (n,) of bool.

    `loss.n_way` is how many classes the network scores, where it says so: the engine looks at the labels of a
    whole batch of tasks before it begins, since nobody can under `vmap`.
    """

    def loss(params: Params, x: torch.Tensor, y: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        x, y = _without_padding(x, y, mask)
        scores = network.apply(params, x)
        require_library("y", y, "torch")
        n, n_way = scores.shape
        if y.shape != (n,) or y.is_floating_point() or y.dtype == torch.bool:
            raise ValueError(
                f"y has shape {tuple(y.shape)} and dtype {y.dtype}; give {n} whole numbers, shape ({n},)"
            )
        if can_look(y):
            require_labels("y", y, n_way)
        return -mean(torch.log_softmax(scores, dim=-1).gather(1, y[:, None].long()), mask)

    loss.n_way = network.outputs
    loss.network = network
    return loss


def _without_padding(
    x: torch.Tensor, y: torch.Tensor, mask: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Real examples alone: copies of one stand where padding was, to be left out of the mean."""
    if mask is None:
        return x, y
    require_examples("examples", Ragged(x, y, mask), "torch")
    if can_look(mask):
        require_real("examples.mask", mask)
    return filled(x, mask), filled(y, mask)
