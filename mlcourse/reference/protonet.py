"""Prototypical Networks, to be read beside its twin `mlcourse/fast/protonet.py`.

Snell, Swersky, Zemel, "Prototypical Networks for Few-shot Learning" (2017): a class is the mean of its support
embeddings, and a query belongs to the class whose mean is nearest.
"""

from typing import Any

import numpy as np

from mlcourse.reference.autograd import log_softmax, reshape, sum, value


def prototypes(embeddings: Any, labels: Any, n_way: int) -> Any:
    """The mean embedding of each class, (n_way, d): the paper's equation 1.

    embeddings (S, d); labels (S,) whole numbers 0 ... n_way - 1. Raises ValueError for labels of another shape or
    kind, and for a class without an example.
    """
    return (membership(labels, n_way, value(embeddings)) / counts(labels, n_way)).T @ embeddings


def squared_distances(queries: Any, prototypes: Any) -> Any:
    """||q - c||^2 between every query (n, d) and every prototype (n_way, d): (n, n_way)."""
    n, d = value(queries).shape
    return sum((reshape(queries, (n, 1, d)) - prototypes) ** 2, axis=-1)


def log_probabilities(queries: Any, prototypes: Any) -> Any:
    """log p(y = k | x), (n, n_way): log-softmax over NEGATIVE squared distances, the paper's equation 2."""
    return log_softmax(-squared_distances(queries, prototypes))


def classify(queries: Any, support: Any, labels: Any, n_way: int) -> Any:
    """Log-probabilities (Q, n_way) of queries (Q, d) from support embeddings (S, d) and their labels (S,)."""
    return log_probabilities(queries, prototypes(support, labels, n_way))


def membership(labels: Any, n_way: int, embeddings: np.ndarray) -> np.ndarray:
    """(S, n_way): a one where an example's class stands."""
    labels = np.asarray(labels)
    if labels.shape != embeddings.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"labels has shape {labels.shape} and dtype {labels.dtype}; embeddings has shape {embeddings.shape}, "
            f"so give {len(embeddings)} whole numbers, shape ({len(embeddings)},)"
        )
    if labels.min() < 0 or labels.max() >= n_way:
        raise ValueError(
            f"labels holds {labels.min()} to {labels.max()}; with n_way={n_way} give 0 to {n_way - 1}"
        )
    return np.eye(n_way)[labels]


def counts(labels: Any, n_way: int) -> np.ndarray:
    """How many examples each class has, (n_way,)."""
    found = np.bincount(labels, minlength=n_way)
    if not found.all():
        raise ValueError(
            f"labels has no example of class {int(found.argmin())}; give one or more of each of 0 ... {n_way - 1}"
        )
    return found
