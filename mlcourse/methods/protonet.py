"""Prototypical Networks (Snell, Swersky, Zemel 2017): a class is the mean of its support embeddings."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch

from mlcourse.fast import adam, metric, protonet
from mlcourse.fast.learners import MetricLearner
from mlcourse.fast.networks import Network, Params
from mlcourse.methods.method import ByAdam, frozen, halved
from mlcourse.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class ProtoNet(ByAdam):
    """Trained by Adam, whose rate is halved `halvings` times, at equal intervals.

    network: from examples to embeddings. n_way: classes of a training task. classify: another way to compare
    queries with the support set (`fast/metric.py`).
    """

    name: ClassVar[str] = "Prototypical Networks"
    network: Network = field(kw_only=False)
    n_way: int
    meta_lr: float = 1e-3
    halvings: int = 0
    classify: metric.Classify = protonet.classify

    def step(self, params: Params, moments: adam.Moments, tasks: Task, done: torch.Tensor) -> tuple:
        value, gradient = metric.meta_loss_and_gradient(
            self.classify, self.network, params, tasks, n_way=self.n_way
        )
        lr = halved(self.meta_lr, self.halvings, done, value)
        return *self.moved(params, moments, gradient, lr), value

    def learner(
        self,
        params: Params,
        state: Any = (),
        *,
        frozen_on: np.ndarray | torch.Tensor | None = None,
        queries: str = "together",
    ) -> MetricLearner:
        """Of tasks with any number of classes.

        frozen_on: images of meta-training classes (n, channels, height, width), such as `ImageSet.one_of_each()`,
        whose batch statistics a `conv4` then keeps (`networks.freeze_statistics`), so that it is not transductive.
        queries: see `MetricLearner`.
        """
        return MetricLearner(self.classify, self.network, frozen(params, frozen_on), queries)
