"""Matching Networks, to be read beside its twin `mlcourse/fast/matching.py`.

Vinyals, Blundell, Lillicrap, Kavukcuoglu, Wierstra, "Matching Networks for One Shot Learning" (2016), without the
full-context embeddings: a query looks at every support example, and believes the labels of those it resembles.
With one example per class it differs from a Prototypical Network only in the measure: cosine, not distance.
"""

from typing import Any

import numpy as np

from mlcourse.arguments import require_points
from mlcourse.reference.autograd import exp, log, log_softmax, power, sum, transpose
from mlcourse.reference.protonet import blank, membership


def cosines(queries: Any, support: Any) -> Any:
    """The cosine of the angle between every query (Q, d) and every support embedding (S, d): (Q, S)."""
    require_points("numpy", queries=queries, support=support)
    return unit(queries) @ transpose(unit(support))


def classify(queries: Any, support: Any, labels: Any, n_way: int, mask: np.ndarray | None = None) -> Any:
    """Log-probabilities (Q, n_way): attention a = softmax of the cosines, summed over each class (equation 1).

    queries (Q, d), support (S, d), labels (S,) whole numbers 0 ... n_way - 1. Support examples for which `mask`
    (S,) is false get no attention. Raises ValueError for shapes or labels that do not fit.
    """
    seen = cosines(queries, blank(support, mask))
    if mask is not None:
        seen = seen + np.where(mask, 0.0, -np.inf)
    attention = exp(log_softmax(seen))  # (Q, S), rows sum to 1
    return log(attention @ membership(labels, n_way, support, mask))


def unit(points: Any) -> Any:
    """Points (n, d) scaled to length 1; the tiny number keeps a point at the origin finite."""
    return points * power(sum(points**2, axis=-1, keepdims=True) + 1e-12, -0.5)
