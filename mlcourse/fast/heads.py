"""What may stand on an embedding while it is trained: the head of a classifier, or a length; and cosines."""

import numpy as np
import torch

from mlcourse.arguments import require_choice, require_count
from mlcourse.fast.matching import cosines, unit
from mlcourse.fast.networks import Network, Params
from mlcourse.fast.protonet import prototypes

HEADS = ("linear", "cosine")
PREFIX = "head."
FIRST_SCALE = 10.0  # of cosines: with 1, the probabilities of a thousand classes could hardly differ


def classifier(embedding: Network, n_classes: int, head: str = "linear") -> Network:
    """A network that scores `n_classes` classes, x (n, *features) to (n, n_classes): an embedding and one layer.

    head: "linear", scores = z @ head.w + head.b; or "cosine", scores = head.scale * the cosine of the angle
    between z and each column of head.w, with a learned scale (Gidaris and Komodakis 2018; "Baseline++" of Chen et
    al. 2019). `without_head` takes the head off again. ValueError for an embedding that does not say how long its
    points are.
    """
    require_count("n_classes", n_classes, 2)
    require_choice("head", head, HEADS)
    if embedding.outputs is None:
        raise ValueError("the embedding does not say how many numbers it gives; Network(init, apply, outputs=...)")

    def init(rng: np.random.Generator) -> Params:
        shape = (embedding.outputs, n_classes)
        last = {"w": torch.as_tensor(rng.normal(0.0, np.sqrt(1.0 / embedding.outputs), shape))}
        if head == "linear":
            last["b"] = torch.zeros(n_classes, dtype=torch.float64)
        else:
            last["scale"] = torch.full((1,), FIRST_SCALE, dtype=torch.float64)
        return embedding.init(rng) | {PREFIX + name: value for name, value in last.items()}

    def apply(params: Params, x: torch.Tensor) -> torch.Tensor:
        z, w = embedding.apply(without_head(params), x), params[PREFIX + "w"]
        if head == "linear":
            return z @ w + params[PREFIX + "b"]
        return params[PREFIX + "scale"] * (unit(z) @ unit(w.T).T)

    return Network(init, apply, n_classes)


def without_head(params: Params) -> Params:
    """The parameters of the embedding under a `classifier`."""
    return {name: value for name, value in params.items() if not name.startswith(PREFIX)}


def of_learned_length(embedding: Network) -> Network:
    """An embedding whose points have one length, `head.scale` (1,), which is learned; x (n, *features) to (n, d).

    Where a product with vectors of length 1 follows, these are cosines times the scale: Oreshkin et al. (2018),
    section 3.1, whose networks choose so how sure to be.
    """

    def init(rng: np.random.Generator) -> Params:
        return embedding.init(rng) | {PREFIX + "scale": torch.full((1,), FIRST_SCALE, dtype=torch.float64)}

    def apply(params: Params, x: torch.Tensor) -> torch.Tensor:
        return params[PREFIX + "scale"] * unit(embedding.apply(without_head(params), x))

    return Network(init, apply, embedding.outputs)


def by_cosine(queries: torch.Tensor, support: torch.Tensor, labels: torch.Tensor, n_way: int) -> torch.Tensor:
    """Log-probabilities (Q, n_way) from the cosine of the angle between a query (Q, d) and each prototype."""
    return torch.log_softmax(cosines(queries, prototypes(support, labels, n_way)), dim=-1)
