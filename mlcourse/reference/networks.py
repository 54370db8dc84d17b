"""Networks as functions of their parameters: `apply(params, x)`, with params a plain dict of arrays."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from mlcourse.arguments import require_count, require_library, require_params, require_rng, require_shapes
from mlcourse.reference.autograd import relu, value

Params = dict[str, Any]


class Network(NamedTuple):
    """`init(rng) -> params` draws parameters; `apply(params, x) -> outputs` uses them.

    outputs: how many numbers, or class scores, it gives for an example; None when that is not known.
    """

    init: Callable[[np.random.Generator], Params]
    apply: Callable[[Params, Any], Any]
    outputs: int | None = None


def mlp(sizes: Sequence[int]) -> Network:
    """A multi-layer perceptron with ReLU between its layers.

    sizes: units from input to output, e.g. (1, 40, 40, 1). Parameters `w0` (in, out), `b0` (out,), `w1`, ...
    Both start uniform within 1 / sqrt(inputs) of zero, as `torch.nn.Linear` does: biases that differ spread
    the kinks of the ReLUs over the inputs. `apply` maps x (n, sizes[0]) to (n, sizes[-1]).
    """
    if len(sizes) < 2:
        raise ValueError(f"sizes is {tuple(sizes)}; give at least an input and an output size")
    for layer, units in enumerate(sizes):
        require_count(f"sizes[{layer}]", units)
    last = len(sizes) - 2
    sides = list(zip(sizes[:-1], sizes[1:], strict=True))
    shapes = {f"w{layer}": side for layer, side in enumerate(sides)}
    shapes |= {f"b{layer}": (n_out,) for layer, (_, n_out) in enumerate(sides)}

    def init(rng: np.random.Generator) -> Params:
        require_rng("rng", rng)
        params: Params = {}
        for layer, (n_in, n_out) in enumerate(sides):
            bound = 1 / np.sqrt(n_in)
            params[f"w{layer}"] = rng.uniform(-bound, bound, (n_in, n_out))
            params[f"b{layer}"] = rng.uniform(-bound, bound, n_out)
        return params

    def apply(params: Params, x: Any) -> Any:
        require_library("x", x, "numpy")
        if value(x).ndim != 2 or value(x).shape[1] != sizes[0]:
            raise ValueError(f"x has shape {value(x).shape}; this network takes (n, {sizes[0]})")
        require_params("params", params, "numpy")
        require_shapes("params", params, shapes)
        h = x
        for layer in range(last + 1):
            h = h @ params[f"w{layer}"] + params[f"b{layer}"]
            if layer < last:
                h = relu(h)
        return h

    return Network(init, apply, sizes[-1])
