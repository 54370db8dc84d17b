"""Prototypical Networks, to be read beside its twin `mlcourse/reference/protonet.py`.

Snell, Swersky, Zemel, "Prototypical Networks for Few-shot Learning" (2017): a class is the mean of its support
embeddings, and a query belongs to the class whose mean is nearest.
"""

import torch

from mlcourse.arguments import require_labels, require_library, require_mask, require_points
from mlcourse.fast.transforms import can_look


def prototypes(
    embeddings: torch.Tensor, labels: torch.Tensor, n_way: int, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """The mean embedding of each class, (n_way, d): the paper's equation 1.

    embeddings (S, d); labels (S,) whole numbers 0 ... n_way - 1; mask (S,) is true where an example is real.
    Raises ValueError for labels of another shape or kind, and for a class without an example; under `vmap` the
    caller must look (`metric.meta_loss` does).
    """
    embeddings = blank(embeddings, mask)
    member = membership(labels, n_way, embeddings, mask)
    if can_look(labels):
        require_labels("labels", labels, n_way, all_present=True, mask=mask)
    return (member / member.sum(dim=0)).T @ embeddings


def squared_distances(queries: torch.Tensor, prototypes: torch.Tensor) -> torch.Tensor:
    """Squared distances ||q - c||^2 of every query (n, d) to every prototype (n_way, d): (n, n_way)."""
    require_points("torch", queries=queries, prototypes=prototypes)
    return ((queries[:, None] - prototypes) ** 2).sum(dim=-1)


def log_probabilities(queries: torch.Tensor, prototypes: torch.Tensor) -> torch.Tensor:
    """log p(y = k | x), (n, n_way): log-softmax over NEGATIVE squared distances, the paper's equation 2."""
    return torch.log_softmax(-squared_distances(queries, prototypes), dim=-1)


def classify(
    queries: torch.Tensor,
    support: torch.Tensor,
    labels: torch.Tensor,
    n_way: int,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Log-probabilities (Q, n_way) of queries (Q, d) from support embeddings (S, d) and their labels (S,).

    mask and errors: as in `prototypes`.
    """
    require_points("torch", queries=queries, support=support)
    return log_probabilities(queries, prototypes(support, labels, n_way, mask))


def membership(
    labels: torch.Tensor, n_way: int, embeddings: torch.Tensor, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """(S, n_way): a one where a real example's class stands, in the precision of `embeddings`."""
    require_library("labels", labels, "torch")
    require_points("torch", embeddings=embeddings)
    if labels.shape != embeddings.shape[:1] or labels.is_floating_point() or labels.dtype == torch.bool:
        raise ValueError(
            f"labels has shape {tuple(labels.shape)} and dtype {labels.dtype}; embeddings has shape "
            f"{tuple(embeddings.shape)}, so give {len(embeddings)} whole numbers, shape ({len(embeddings)},)"
        )
    if mask is not None:
        require_mask("mask", mask, tuple(embeddings.shape[:1]), "torch")
    if can_look(labels):
        require_labels("labels", labels, n_way, mask=mask)
    member = labels[:, None] == torch.arange(n_way, device=labels.device)  # `one_hot` cannot be used under vmap
    return (member if mask is None else member & mask[:, None]).to(embeddings.dtype)


def blank(points: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Points (n, d) with zeros where `mask` (n,) is false, whatever stood there."""
    if mask is None:
        return points
    require_points("torch", points=points)
    require_mask("mask", mask, tuple(points.shape[:1]), "torch")
    return torch.where(mask[:, None], points, 0)
