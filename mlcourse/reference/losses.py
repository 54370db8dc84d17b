"""Losses: how wrong a network is on some examples, as one number, a mean over examples and outputs.

Of ragged examples (`tasks.Ragged`) the mean is over the real ones: padding never reaches the network here.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from mlcourse.arguments import require_examples, require_labels, require_library
from mlcourse.reference.autograd import log_softmax, mean, sum, value
from mlcourse.reference.networks import Network, Params
from mlcourse.tasks.task import Ragged, real

Loss = Callable[..., Any]  # loss(params, x, y, mask=None) -> one number


def squared_error(network: Network) -> Loss:
    """Mean squared error of real-valued outputs, over examples and outputs: loss(params, x, y, mask=None).

    x (n, *features), y (n, outputs), mask (n,) of bool. The loss is in squared units of y; ValueError for a y of
    another shape than the outputs.
    """

    def loss(params: Params, x: Any, y: Any, mask: np.ndarray | None = None) -> Any:
        x, y = _without_padding(x, y, mask)
        outputs = network.apply(params, x)
        require_library("y", y, "numpy")
        if value(y).shape != value(outputs).shape:  # (n,) beside (n, 1) would broadcast to (n, n) without a word
            raise ValueError(
                f"y has shape {value(y).shape}, the outputs {value(outputs).shape}; reshape y to match"
            )
        return mean((outputs - y) ** 2)

    loss.network = network
    return loss


def cross_entropy(network: Network) -> Loss:
    """Mean cross-entropy of class scores (n, n_way), in nats: loss(params, x, y, mask=None).

    x (n, *features), y (n,) whole numbers 0 ... n_way - 1, else ValueError; mask (n,) of bool.

    `loss.n_way` is how many classes the network scores, where it says so.
    """

    def loss(params: Params, x: Any, y: Any, mask: np.ndarray | None = None) -> Any:
        x, y = _without_padding(x, y, mask)
        scores = network.apply(params, x)
        require_library("y", y, "numpy")
        labels, (n, n_way) = np.asarray(y), value(scores).shape
        if labels.shape != (n,) or not np.issubdtype(labels.dtype, np.integer):
            raise ValueError(
                f"y has shape {labels.shape} and dtype {labels.dtype}; give {n} whole numbers, shape ({n},)"
            )
        require_labels("y", labels, n_way)
        chosen = np.eye(n_way)[labels]  # (n, n_way), a one where the right class stands
        return -sum(log_softmax(scores) * chosen) * (1.0 / n)

    loss.n_way = network.outputs
    loss.network = network
    return loss


def _without_padding(x: Any, y: Any, mask: np.ndarray | None) -> tuple[Any, Any]:
    if mask is None:
        return x, y
    require_examples("examples", Ragged(x, y, mask), "numpy")
    return real(Ragged(x, y, mask))
