"""Matching Networks, to be read beside its twin `mlcourse/reference/matching.py`.

Vinyals, Blundell, Lillicrap, Kavukcuoglu, Wierstra, "Matching Networks for One Shot Learning" (2016), without the
full-context embeddings: a query looks at every support example, and believes the labels of those it resembles.
With one example per class it differs from a Prototypical Network only in the measure: cosine, not distance.
"""

import torch

from mlcourse.arguments import require_points
from mlcourse.fast.protonet import blank, membership


def cosines(queries: torch.Tensor, support: torch.Tensor) -> torch.Tensor:
    """The cosine of the angle between every query (Q, d) and every support embedding (S, d): (Q, S)."""
    require_points("torch", queries=queries, support=support)
    return unit(queries) @ unit(support).T


def classify(
    queries: torch.Tensor,
    support: torch.Tensor,
    labels: torch.Tensor,
    n_way: int,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Log-probabilities (Q, n_way): attention a = softmax of the cosines, summed over each class (equation 1).

    queries (Q, d), support (S, d), labels (S,) whole numbers 0 ... n_way - 1. Support examples for which `mask`
    (S,) is false get no attention. Raises ValueError for shapes or labels that do not fit.
    """
    seen = cosines(queries, blank(support, mask))
    if mask is not None:
        seen = seen.masked_fill(~mask, -torch.inf)
    attention = torch.softmax(seen, dim=-1)  # (Q, S), rows sum to 1
    return torch.log(attention @ membership(labels, n_way, support, mask))


def unit(points: torch.Tensor) -> torch.Tensor:
    """Points (n, d) scaled to length 1; the tiny number keeps a point at the origin finite."""
    return points * torch.rsqrt((points**2).sum(dim=-1, keepdim=True) + 1e-12)
