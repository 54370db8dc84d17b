"""A learner that adapts by gradient descent: MAML at test time, fine-tuning, and training from scratch.

They differ only in the parameters from which they start.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mlcourse.reference.maml import adapt
from mlcourse.reference.networks import Network, Params
from mlcourse.tasks.task import Examples


@dataclass(frozen=True)
class GradientLearner:
    """`inner_steps` steps of gradient descent from `params` on the support set, then predict."""

    network: Network
    loss: Callable
    params: Params
    inner_lr: float
    inner_steps: int

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
        return np.stack([self._along_one(Examples(*pair), x) for *pair, x in zip(*support, query_x, strict=True)])

    def _along_one(self, support: Examples, query_x: np.ndarray) -> np.ndarray:
        phi, predictions = self.params, [self.network.apply(self.params, query_x)]
        for _ in range(self.inner_steps):
            phi = adapt(self.loss, phi, support, inner_lr=self.inner_lr, first_order=True)
            predictions.append(self.network.apply(phi, query_x))
        return np.stack(predictions)
