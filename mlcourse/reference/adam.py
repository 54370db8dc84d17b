"""Adam, the optimiser of the outer loop: Kingma and Ba (2015), algorithm 1."""

from typing import NamedTuple

import numpy as np

from mlcourse.arguments import require_like, require_params, require_rate
from mlcourse.reference.networks import Params


class Moments(NamedTuple):
    """Running means of the gradient and of its square, in the parameters' names and shapes.

    steps: how many steps they hold, an array of shape ().
    """

    first: Params
    second: Params
    steps: np.ndarray


def init(params: Params) -> Moments:
    """Moments before the first step: zeros of the parameters' shapes."""
    require_params("params", params, "numpy")
    return Moments(
        {name: np.zeros_like(p) for name, p in params.items()},
        {name: np.zeros_like(p) for name, p in params.items()},
        np.zeros(()),
    )


def update(
    params: Params,
    gradient: Params,
    moments: Moments,
    *,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
) -> tuple[Params, Moments]:
    """One step down the gradient: the parameters and moments after it, in the same names and shapes.

    gradient: the names and shapes of `params`. lr: the most that a parameter moves, or nearly. beta1, beta2: the
    share of the means that stays. Raises ValueError where names, shapes or the rate do not fit.
    """
    require_params("params", params, "numpy")
    require_params("gradient", gradient, "numpy")
    require_rate("lr", lr)
    require_like("gradient", gradient, params)
    require_like("moments.first", moments.first, params)
    require_like("moments.second", moments.second, params)
    steps = moments.steps + 1
    first = {name: beta1 * moments.first[name] + (1 - beta1) * gradient[name] for name in params}
    second = {name: beta2 * moments.second[name] + (1 - beta2) * gradient[name] ** 2 for name in params}
    scale1, scale2 = (
        1 / (1 - beta1**steps),
        1 / (1 - beta2**steps),
    )  # early means start from zero: undo that
    params = {
        name: params[name] - lr * (first[name] * scale1) / ((second[name] * scale2) ** 0.5 + epsilon)
        for name in params
    }
    return params, Moments(first, second, steps)
