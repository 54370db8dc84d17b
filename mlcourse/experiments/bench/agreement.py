"""How far gradients are apart: only contenders that compute the same thing may be timed beside each other."""

import warnings
from typing import Any

import numpy as np

from mlcourse.fast.arrays import arrays

Gradient = dict[str, Any]


def disagreement(gradients: dict[str, Gradient], true: str = "reference") -> dict[str, float]:
    """How far each gradient is from the one named `true`, as a share of that one's length."""
    return {name: distance(gradient, gradients[true]) for name, gradient in gradients.items()}


def distance(gradient: Gradient, true: Gradient) -> float:
    """Length of the difference, as a share of the length of `true`; in float64, keys sorted."""
    ours, theirs = _flat(gradient), _flat(true)
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def _flat(gradient: Gradient) -> np.ndarray:
    return np.concatenate([np.ravel(part).astype(np.float64) for _, part in sorted(arrays(gradient).items())])


def require_higher() -> Any:
    """The library `higher`, or an error that says how to get it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import higher
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "the comparison needs the library `higher`; install it with: pip install -c constraints.txt higher"
        ) from error
    return higher
