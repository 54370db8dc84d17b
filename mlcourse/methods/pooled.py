"""Joint training: one network for all tasks at once, on the loss without any adaptation. What MAML must beat.

Of `tasks.images.Labelled` it is ordinary supervised training, of one classifier for all classes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch

from mlcourse.fast import adam, maml
from mlcourse.fast.learners import GradientLearner
from mlcourse.fast.networks import Params
from mlcourse.methods.method import ByAdam, halved, network_of
from mlcourse.rates import InnerRate
from mlcourse.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class Pooled(ByAdam):
    """By Adam on the loss of support and query together: it is MAML with no inner step.

    Adam's rate is halved `halvings` times, at equal intervals.
    """

    name: ClassVar[str] = "pooled"
    loss: Callable = field(kw_only=False)
    meta_lr: float = 1e-3
    halvings: int = 0

    def step(self, params: Params, moments: adam.Moments, tasks: Task, done: torch.Tensor) -> tuple:
        support, query = tasks
        both = type(query)(*(torch.cat(pair, dim=1) for pair in zip(support, query, strict=True)))
        value, gradient = maml.meta_loss_and_gradient(
            self.loss, params, Task(support, both), inner_lr=0.0, inner_steps=0
        )
        lr = halved(self.meta_lr, self.halvings, done, value) if self.halvings else self.meta_lr
        return *self.moved(params, moments, gradient, lr), value

    def learner(
        self,
        params: Params,
        state: Any = (),
        *,
        inner_lr: InnerRate = 0.0,
        inner_steps: int = 0,
        queries: str = "together",
    ) -> GradientLearner:
        """Predicts as it was trained; with a rate and steps it is fine-tuned on the support set first."""
        return GradientLearner(network_of(self.loss), self.loss, params, inner_lr, inner_steps, queries)
