"""MAML (Finn, Abbeel, Levine 2017): a start from which gradient descent on a few examples goes far.

With `first_order` it is first-order MAML. What other methods change about it is which parameters adapt and how
fast: they override `rates`.
"""

from dataclasses import dataclass

import torch

from mlcourse.fast import adam, maml
from mlcourse.fast.networks import Params
from mlcourse.methods.method import Adapting, ByAdam
from mlcourse.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class MAML(ByAdam, Adapting):
    """MAML with Adam in the outer loop, as in the paper."""

    inner_steps: int = 1
    first_order: bool = False
    meta_lr: float = 1e-3

    @property
    def name(self) -> str:
        return "first-order MAML" if self.first_order else "MAML"

    def step(self, params: Params, moments: adam.Moments, tasks: Task, done: torch.Tensor) -> tuple:
        how = {"inner_steps": self.inner_steps, "first_order": self.first_order}
        value, gradient = maml.meta_loss_and_gradient(
            self.loss, params, tasks, inner_lr=self.rates(self.inner_lr), **how
        )
        return *self.moved(params, moments, gradient, self.meta_lr), value
