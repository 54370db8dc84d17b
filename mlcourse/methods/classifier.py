"""Ordinary training of one classifier for all classes, whose head is dropped: a rival of few-shot learners.

Chen et al., "A Closer Look at Few-shot Classification" (2019); Wang et al., "SimpleShot" (2019), who compare by
the nearest class mean as here; Tian et al., "Rethinking Few-shot Image Classification: a Good Embedding Is All You
Need?" (2020).
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch

from mlcourse.fast import adam, heads, losses, protonet
from mlcourse.fast.learners import MetricLearner
from mlcourse.fast.networks import Network, Params
from mlcourse.methods.method import ByAdam, frozen
from mlcourse.methods.pooled import Pooled
from mlcourse.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class Classifier(ByAdam):
    """Cross-entropy over all classes, by Adam, on batches of `tasks.images.Labelled`; then the head is dropped.

    embedding: from examples to points. n_classes: `Labelled(...).n_classes`. head: as in `heads.classifier`.
    `network` is what training starts from: `method.network.init(rng)`.
    """

    name: ClassVar[str] = "ordinary classifier"
    embedding: Network = field(kw_only=False)
    n_classes: int
    head: str = "linear"
    meta_lr: float = 1e-3
    halvings: int = 0

    @property
    def network(self) -> Network:
        """The embedding with its head: x (n, *features) to scores (n, n_classes)."""
        return heads.classifier(self.embedding, self.n_classes, self.head)

    def step(self, params: Params, moments: adam.Moments, tasks: Task, done: torch.Tensor) -> tuple:
        pooled = Pooled(losses.cross_entropy(self.network), meta_lr=self.meta_lr, halvings=self.halvings)
        return pooled.step(params, moments, tasks, done)

    def learner(
        self, params: Params, state: Any = (), *, frozen_on: np.ndarray | torch.Tensor | None = None
    ) -> MetricLearner:
        """Nearest class mean in the embedding, by squared distance, or by the cosine after a head of cosines.

        frozen_on: images whose batch statistics a `conv4` then keeps, as in `ProtoNet.learner`.
        """
        classify = heads.by_cosine if self.head == "cosine" else protonet.classify
        return MetricLearner(classify, self.embedding, frozen(heads.without_head(params), frozen_on))
