"""Networks as functions of their parameters: `apply(params, x)`, with params a plain dict of arrays."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from mlcourse.reference.autograd import relu, value

Params = dict[str, Any]


class Network(NamedTuple):
    """`init(rng) -> params` draws parameters; `apply(params, x) -> outputs` uses them."""

    init: Callable[[np.random.Generator], Params]
    apply: Callable[[Params, Any], Any]


def mlp(sizes: Sequence[int]) -> Network:
    """A multi-layer perceptron with ReLU between its layers.

    sizes: units from input to output, e.g. (1, 40, 40, 1). Parameters `w0` (in, out), `b0` (out,), `w1`, ...
    Both start uniform within 1 / sqrt(inputs) of nought, as `torch.nn.Linear` does: biases that differ spread
    the kinks of the ReLUs over the inputs. `apply` maps x (n, sizes[0]) to (n, sizes[-1]).
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"sizes is {tuple(sizes)}; give at least an input and an output size, all positive")
    last = len(sizes) - 2

    def init(rng: np.random.Generator) -> Params:
        params: Params = {}
        for layer, (n_in, n_out) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
            bound = 1 / np.sqrt(n_in)
            params[f"w{layer}"] = rng.uniform(-bound, bound, (n_in, n_out))
            params[f"b{layer}"] = rng.uniform(-bound, bound, n_out)
        return params

    def apply(params: Params, x: Any) -> Any:
        if value(x).ndim != 2 or value(x).shape[1] != sizes[0]:
            raise ValueError(f"x has shape {value(x).shape}; this network takes (n, {sizes[0]})")
        h = x
        for layer in range(last + 1):
            h = h @ params[f"w{layer}"] + params[f"b{layer}"]
            if layer < last:
                h = relu(h)
        return h

    return Network(init, apply)
