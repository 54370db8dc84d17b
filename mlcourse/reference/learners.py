"""What is judged in the end: from a support set to predictions.

`GradientLearner` adapts its parameters to the support set; `MetricLearner` compares queries with it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mlcourse.arguments import require_examples, require_library
from mlcourse.rates import InnerRate, each_step, require_inner
from mlcourse.reference.maml import adapt, inner_step
from mlcourse.reference.metric import Classify
from mlcourse.reference.networks import Network, Params
from mlcourse.tasks.task import Examples, examples, real


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

    def __post_init__(self) -> None:
        require_inner("numpy", self.params, self.inner_lr, self.inner_steps)

    def __call__(self, support: Examples, query_x: np.ndarray) -> np.ndarray:
        """Predictions (Q, outputs) for one task, after the last step."""
        phi = adapt(
            self.loss,
            self.params,
            support,
            inner_lr=self.inner_lr,
            inner_steps=self.inner_steps,
            first_order=True,
        )
        return self.network.apply(phi, query_x)

    def along(self, support: Examples, query_x: np.ndarray) -> np.ndarray:
        """Predictions after 0, 1, ... inner_steps steps for a batch of tasks: (T, inner_steps + 1, Q, outputs)."""
        each_task = zip(*support, query_x, strict=True)
        return np.stack([self._along_one(examples(parts), x) for *parts, x in each_task])

    def _along_one(self, support: Examples, query_x: np.ndarray) -> np.ndarray:
        phi, predictions = self.params, [self.network.apply(self.params, query_x)]
        for rates in each_step(self.params, self.inner_lr, self.inner_steps):
            phi = inner_step(self.loss, phi, support, rates, first_order=True)
            predictions.append(self.network.apply(phi, query_x))
        return np.stack(predictions)


@dataclass(frozen=True)
class MetricLearner:
    """Embed, then `classify` by the support set: Prototypical Networks, Matching Networks. Nothing adapts.

    How many classes there are is read off the support labels: training may have had more.
    """

    classify: Classify
    network: Network
    params: Params

    def __call__(self, support: Examples, query_x: np.ndarray) -> np.ndarray:
        """Log-probabilities (Q, n_way) for one task."""
        require_examples("support", support, "numpy")
        require_library("query_x", query_x, "numpy")
        x, y = real(support)
        points, queries = (self.network.apply(self.params, each) for each in (x, query_x))
        return self.classify(queries, points, y, int(y.max()) + 1)
