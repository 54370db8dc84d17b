"""A learner that adapts by gradient descent, to be read beside `mlcourse/reference/learners.py`.

MAML at test time, fine-tuning and training from scratch differ only in the parameters from which they start.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from mlcourse.fast.arrays import tensors
from mlcourse.fast.batching import over_tasks
from mlcourse.fast.maml import adapt
from mlcourse.fast.networks import Network, Params
from mlcourse.tasks.task import Examples


@dataclass(frozen=True)
class GradientLearner:
    """`inner_steps` steps of gradient descent from `params` on the support set, then predict.

    Takes and returns NumPy arrays; computes where `params` lie, in their precision.
    """

    network: Network
    loss: Callable
    params: Params
    inner_lr: float
    inner_steps: int

    def __call__(self, support: Examples, query_x: np.ndarray) -> np.ndarray:
        """Predictions (Q, outputs) for one task, after the last step."""
        support, query_x = self._move((support, query_x))
        phi = adapt(
            self.loss,
            self.params,
            support,
            inner_lr=self.inner_lr,
            inner_steps=self.inner_steps,
            first_order=True,
        )
        return self.network.apply(phi, query_x).cpu().numpy()

    def along(self, support: Examples, query_x: np.ndarray) -> np.ndarray:
        """Predictions after 0, 1, ... inner_steps steps for a batch of tasks: (T, inner_steps + 1, Q, outputs)."""
        support, query_x = self._move((support, query_x))
        return over_tasks(self._along_one, self.params, support, query_x).cpu().numpy()

    def _along_one(self, support: Examples, query_x: torch.Tensor) -> torch.Tensor:
        phi, predictions = self.params, [self.network.apply(self.params, query_x)]
        for _ in range(self.inner_steps):
            phi = adapt(self.loss, phi, support, inner_lr=self.inner_lr, first_order=True)
            predictions.append(self.network.apply(phi, query_x))
        return torch.stack(predictions)

    def _move(self, pair: tuple) -> tuple[Examples, torch.Tensor]:
        some = next(iter(self.params.values()))
        support, query_x = (tensors(part, device=some.device, dtype=some.dtype) for part in pair)
        return support, query_x
