"""Reptile (Nichol, Achiam, Schulman 2018): train on a task, then move the start a little towards its end."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from mlcourse.fast import adam, distributed, reptile
from mlcourse.fast.batching import over_tasks
from mlcourse.fast.learners import AdamLearner
from mlcourse.fast.networks import Params
from mlcourse.methods.method import Adapting, network_of
from mlcourse.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class Reptile(Adapting):
    """With plain gradient descent inside; `meta_lr` falls linearly to zero, as in the paper."""

    name: ClassVar[str] = "Reptile"
    meta_lr: float = 1.0

    def step(self, params: Params, state: tuple, tasks: Task, done: torch.Tensor) -> tuple:
        how = {"inner_lr": self.inner_lr, "inner_steps": self.inner_steps}
        adapted = reptile.adapt_each(self.loss, params, tasks.support, **how)
        return self._moved(params, adapted, done), state, self._query_loss(params, adapted, tasks)

    def _moved(self, params: Params, adapted: Params, done: torch.Tensor) -> Params:
        """The start, a little nearer to the mean of where the tasks ended."""
        lr = (self.meta_lr * (1 - done)).to(next(iter(params.values())).dtype)
        return reptile.interpolate(params, distributed.mean_over_tasks(adapted), lr)

    def _query_loss(self, params: Params, adapted: Params, tasks: Task) -> torch.Tensor:
        """Only for the curve, so that it can be laid beside MAML's: Reptile itself never asks the query set."""
        return over_tasks(lambda phi, query: self.loss(phi, *query), params, adapted, tasks.query).mean()


@dataclass(frozen=True, kw_only=True)
class ReptileAdam(Reptile):
    """As the paper's code runs it on images: Adam (beta1 = 0) inside, its moments carried over.

    The inner steps walk through the support set as it is ordered, `batch_size` examples at a time, from the start
    again when it ends: draw it shuffled (`fast.episodes.Episodes(..., shuffled=True)`).
    """

    inner_lr: float
    batch_size: int

    def init(self, params: Params) -> adam.Moments:
        return adam.init(params)

    def step(self, params: Params, moments: adam.Moments, tasks: Task, done: torch.Tensor) -> tuple:
        n_tasks, n_support = tasks.support.y.shape[:2]
        walk = torch.arange(self.inner_steps * self.batch_size, device=done.device) % n_support
        picks = walk.reshape(1, self.inner_steps, self.batch_size).expand(n_tasks, -1, -1)
        adapted, moments = reptile.adapt_each_adam(
            self.loss, params, moments, tasks.support, picks, inner_lr=self.inner_lr
        )
        value = self._query_loss(params, adapted, tasks)
        return self._moved(params, adapted, done), distributed.mean_over_ranks(moments), value

    def learner(
        self,
        params: Params,
        state: adam.Moments,
        *,
        inner_lr: float | None = None,
        inner_steps: int | None = None,
        batch_size: int | None = None,
        queries: str = "together",
    ) -> AdamLearner:
        """Adapts by Adam from the carried moments, as in training unless told otherwise."""
        ours = {"inner_lr": self.inner_lr, "inner_steps": self.inner_steps, "batch_size": self.batch_size}
        given = {"inner_lr": inner_lr, "inner_steps": inner_steps, "batch_size": batch_size}
        how = ours | {name: value for name, value in given.items() if value is not None}
        return AdamLearner(network_of(self.loss), self.loss, params, state, **how, queries=queries)
