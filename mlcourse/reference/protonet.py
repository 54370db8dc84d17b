"""Prototypical Networks, to be read beside its twin `mlcourse/fast/protonet.py`.

Snell, Swersky, Zemel, "Prototypical Networks for Few-shot Learning" (2017): a class is the mean of its support
embeddings, and a query belongs to the class whose mean is nearest.
"""

from typing import Any

import numpy as np

from mlcourse.arguments import require_labels, require_library, require_mask, require_points
from mlcourse.reference.autograd import Tensor, log_softmax, reshape, sum, value


def prototypes(embeddings: Any, labels: Any, n_way: int, mask: np.ndarray | None = None) -> Any:
    """The mean embedding of each class, (n_way, d): the paper's equation 1.

    embeddings (S, d); labels (S,) whole numbers 0 ... n_way - 1; mask (S,) is true where an example is real.
    Raises ValueError for labels of another shape or kind, and for a class without an example.
    """
    embeddings = blank(embeddings, mask)
    member = membership(labels, n_way, embeddings, mask)
    require_labels("labels", labels, n_way, all_present=True, mask=mask)
    return (member / member.sum(axis=0)).T @ embeddings


def squared_distances(queries: Any, prototypes: Any) -> Any:
    """Squared distances ||q - c||^2 of every query (n, d) to every prototype (n_way, d): (n, n_way)."""
    require_points("numpy", queries=queries, prototypes=prototypes)
    n, d = value(queries).shape
    return sum((reshape(queries, (n, 1, d)) - prototypes) ** 2, axis=-1)


def log_probabilities(queries: Any, prototypes: Any) -> Any:
    """log p(y = k | x), (n, n_way): log-softmax over NEGATIVE squared distances, the paper's equation 2."""
    return log_softmax(-squared_distances(queries, prototypes))


def classify(queries: Any, support: Any, labels: Any, n_way: int, mask: np.ndarray | None = None) -> Any:
    """Log-probabilities (Q, n_way) of queries (Q, d) from support embeddings (S, d) and their labels (S,).

    mask and errors: as in `prototypes`.
    """
    require_points("numpy", queries=queries, support=support)
    return log_probabilities(queries, prototypes(support, labels, n_way, mask))


def membership(labels: Any, n_way: int, embeddings: Any, mask: np.ndarray | None = None) -> np.ndarray:
    """(S, n_way): a one where a real example's class stands. labels, mask, errors: as in `prototypes`."""
    require_library("labels", labels, "numpy")
    labels = np.asarray(labels)
    require_points("numpy", embeddings=embeddings)
    if labels.shape != embeddings.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"labels has shape {labels.shape} and dtype {labels.dtype}; embeddings has shape {embeddings.shape}, "
            f"so give {len(embeddings)} whole numbers, shape ({len(embeddings)},)"
        )
    if mask is not None:
        require_mask("mask", mask, tuple(embeddings.shape[:1]), "numpy")
    require_labels("labels", labels, n_way, mask=mask)
    if mask is None:
        return np.eye(n_way)[labels]
    return np.eye(n_way)[np.where(mask, labels, 0)] * mask[:, None]


def blank(points: Any, mask: np.ndarray | None) -> Any:
    """Points (n, d) with zeros where `mask` (n,) is false, whatever stood there; their gradients, too."""
    if mask is None:
        return points
    require_points("numpy", points=points)
    require_mask("mask", mask, tuple(points.shape[:1]), "numpy")
    kept = np.where(mask[:, None], value(points), 0.0)
    return Tensor(kept, [(points, lambda g: blank(g, mask))]) if isinstance(points, Tensor) else kept
