"""What is judged in the end, to be read beside `mlcourse/reference/learners.py`: from support set to predictions.

Each takes and returns NumPy arrays, and computes where its parameters lie, in their precision. `many` does a whole
batch of tasks at once.

`queries` says what batch normalisation sees (networks without it do not care). "together": all queries of a task
in one batch, so that each prediction depends on the others; such a learner is transductive. "alone": the support
set and one query at a time, as in the Reptile paper; not transductive.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from mlcourse.arguments import (
    mask_of,
    require_choice,
    require_count,
    require_labels,
    require_rate,
    with_mask,
)
from mlcourse.fast import adam, protonet, ready, reptile
from mlcourse.fast.arrays import arrays, tree_map
from mlcourse.fast.batching import over_tasks
from mlcourse.fast.maml import adapt, inner_step
from mlcourse.fast.metric import Classify
from mlcourse.fast.networks import Network, Params
from mlcourse.fast.padding import filled, require_unmoved
from mlcourse.fast.pure import Watch
from mlcourse.fast.queries import QUERIES, judge
from mlcourse.rates import InnerRate, each_step, require_inner
from mlcourse.tasks.task import Examples


@dataclass(frozen=True)
class GradientLearner:
    """`inner_steps` steps of gradient descent from `params` on the support set, then predict.

    MAML at test time, fine-tuning and training from scratch differ only in the parameters from which they start.
    """

    network: Network
    loss: Callable
    params: Params
    inner_lr: InnerRate
    inner_steps: int
    queries: str = "together"

    def __post_init__(self) -> None:
        require_inner("torch", self.params, self.inner_lr, self.inner_steps)
        require_choice("queries", self.queries, QUERIES)

    def __call__(self, support: Examples, query_x: np.ndarray) -> np.ndarray:
        """Predictions (Q, outputs) for one task, after the last step."""
        return _run(self._adapt_and_predict, self.loss, self.params, support, query_x)

    def many(self, support: Examples, query_x: np.ndarray) -> np.ndarray:
        """Predictions for a batch of tasks: (T, Q, outputs)."""
        return _run_many(self._adapt_and_predict, self.loss, self.params, support, query_x)

    def along(self, support: Examples, query_x: np.ndarray) -> np.ndarray:
        """Predictions after 0, 1, ... inner_steps steps for a batch of tasks: (T, inner_steps + 1, Q, outputs)."""
        return _run_many(self._along_one, self.loss, self.params, support, query_x)

    def _adapt_and_predict(self, support: Examples, query_x: torch.Tensor) -> torch.Tensor:
        phi = adapt(
            ready.guarded(self.loss, self.params),
            self.params,
            support,
            inner_lr=self.inner_lr,
            inner_steps=self.inner_steps,
            first_order=True,
        )
        return judge(self.network, phi, support.x, query_x, self.queries)

    def _along_one(self, support: Examples, query_x: torch.Tensor) -> torch.Tensor:
        phi, predictions = self.params, [judge(self.network, self.params, support.x, query_x, self.queries)]
        loss = ready.guarded(self.loss, self.params)
        for rates in each_step(self.params, self.inner_lr, self.inner_steps):
            phi = inner_step(loss, phi, support, rates, first_order=True)
            predictions.append(judge(self.network, phi, support.x, query_x, self.queries))
        return torch.stack(predictions)


@dataclass(frozen=True)
class AdamLearner:
    """Reptile at test time: `inner_steps` steps of Adam (beta1 = 0) from `params` and carried `moments`.

    Each step sees `batch_size` examples of the support set, at most all of them; `seed` draws which.
    """

    network: Network
    loss: Callable
    params: Params
    moments: adam.Moments
    inner_lr: float
    inner_steps: int
    batch_size: int
    seed: int = 0
    queries: str = "together"

    def __post_init__(self) -> None:
        require_rate("inner_lr", self.inner_lr)
        require_inner("torch", self.params, self.inner_lr, self.inner_steps)
        require_count("batch_size", self.batch_size)
        require_choice("queries", self.queries, QUERIES)

    def __call__(self, support: Examples, query_x: np.ndarray) -> np.ndarray:
        """Predictions (Q, outputs) for one task."""
        return self.many(tree_map(lambda array: array[None], support), query_x[None])[0]

    def many(self, support: Examples, query_x: np.ndarray) -> np.ndarray:
        """Predictions for a batch of tasks: (T, Q, outputs)."""
        n_tasks, n_support = support.y.shape[:2]
        rng, batch_size = np.random.default_rng(self.seed), min(self.batch_size, n_support)
        # every task gets the same picks, so that nothing depends on which tasks are judged together
        picks = reptile.batches(1, n_support, self.inner_steps, batch_size, rng).expand(n_tasks, -1, -1)
        return _run_many(self._adapt_and_predict, self.loss, self.params, support, query_x, picks)

    def _adapt_and_predict(self, support: Examples, query_x: torch.Tensor, picks: torch.Tensor) -> torch.Tensor:
        phi, _ = reptile.adapt_adam(
            ready.guarded(self.loss, self.params),
            self.params,
            self.moments,
            support,
            picks,
            inner_lr=self.inner_lr,
        )
        return judge(self.network, phi, support.x, query_x, self.queries)


@dataclass(frozen=True)
class MetricLearner:
    """Embed, then `classify` by the support set: Prototypical Networks, Matching Networks. Nothing adapts.

    How many classes there are is read off the support labels: training may have had more. With frozen statistics
    in `params` (`networks.freeze_statistics`) the two ways of `queries` are one, and neither is transductive.
    """

    classify: Classify
    network: Network
    params: Params
    queries: str = "together"

    def __post_init__(self) -> None:
        require_choice("queries", self.queries, QUERIES)

    def __call__(self, support: Examples, query_x: np.ndarray) -> np.ndarray:
        """Log-probabilities (Q, n_way) for one task."""
        return _run(self._predict(support, query_x), None, self.params, support, query_x)

    def many(self, support: Examples, query_x: np.ndarray) -> np.ndarray:
        """Log-probabilities for a batch of tasks: (T, Q, n_way)."""
        return _run_many(self._predict(support, query_x, batch=True), None, self.params, support, query_x)

    def _predict(self, support: Examples, query_x: np.ndarray, *, batch: bool = False) -> Callable:
        support, query_x = ready.to_judge(None, self.params, support, query_x, batch=batch)
        mask = mask_of(support)
        n_way = int((support.y if mask is None else support.y[mask]).max()) + 1
        require_labels("support.y", support.y, n_way, all_present=True, mask=mask)

        def together(support: Examples, query_x: torch.Tensor) -> torch.Tensor:
            mask, n_support = mask_of(support), len(support.x)
            points = self.network.apply(self.params, torch.cat([filled(support.x, mask), query_x]))
            return with_mask(self.classify, points[n_support:], points[:n_support], support.y, n_way, mask=mask)

        def alone(support: Examples, query_x: torch.Tensor) -> torch.Tensor:
            return torch.vmap(lambda x: together(support, x[None])[0])(query_x)

        predict = together if self.queries == "together" else alone
        asked = (support, query_x) if batch else tree_map(lambda leaf: leaf[None], (support, query_x))
        require_unmoved("the predictions", predict, *asked)
        return predict


def by_prototype(embed: Callable[[np.ndarray], torch.Tensor]) -> Callable:
    """Log-probabilities (Q, n_way) from the nearest prototype among the points that `embed` gives."""

    def learner(support: Examples, query_x: np.ndarray) -> np.ndarray:
        labels = torch.as_tensor(support.y)
        return protonet.classify(embed(query_x), embed(support.x), labels, int(labels.max()) + 1).numpy()

    return learner


def _run(function: Callable, loss: Callable | None, params: Params, support: Examples, query_x: Any) -> np.ndarray:
    """`function` of one task's arrays, moved to where `params` lie; the answer as an array."""
    support, query_x = ready.to_judge(loss, params, support, query_x)
    with torch.no_grad():
        return arrays(Watch()(function)(support, query_x))


def _run_many(
    function: Callable, loss: Callable | None, params: Params, support: Examples, query_x: Any, *more: Any
) -> np.ndarray:
    """The same for a batch of tasks."""
    support, query_x = ready.to_judge(loss, params, support, query_x, batch=True)
    with torch.no_grad():
        return arrays(over_tasks(function, params, support, query_x, *ready.placed(more, params)))
