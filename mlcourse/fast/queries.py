"""What batch normalisation sees when queries are judged: all of a task together, or each by itself."""

import torch

from mlcourse.fast.networks import Network, Params

QUERIES = ("together", "alone")


def judge(
    network: Network, params: Params, support_x: torch.Tensor, query_x: torch.Tensor, queries: str
) -> torch.Tensor:
    """Outputs for the queries, (Q, outputs): in one batch, or each beside the support set alone."""
    if queries == "together":
        return network.apply(params, query_x)
    return torch.vmap(lambda x: network.apply(params, torch.cat([support_x, x[None]]))[-1])(query_x)
