"""What a meta-learning method is: a step that `training.train` repeats, and the learner that training ends in."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from mlcourse.evaluation import Learner
from mlcourse.fast import adam, distributed, networks
from mlcourse.fast.learners import GradientLearner
from mlcourse.fast.networks import Network, Params
from mlcourse.fast.ready import placed
from mlcourse.rates import InnerRate
from mlcourse.tasks.task import Task


class Method:
    """A frozen dataclass derives from it; its fields are the method's settings. Only `step` must be written.

    A checkpoint knows a run by `name` and `settings`; what is a function or a network is known by trying.
    """

    name: ClassVar[str]

    def start(self, params: Params) -> Params:
        """The parameters to train, given the network's: a method may add some of its own."""
        return params

    def init(self, params: Params) -> Any:
        """The state before the first step: tensors in dicts and tuples, or ()."""
        return ()

    def step(self, params: Params, state: Any, tasks: Task, done: torch.Tensor) -> tuple:
        """One meta-step: the new parameters, the new state, and the loss on these tasks. It must be pure.

        On several ranks `tasks` are this rank's share: a step averages over the ranks whatever it makes the update
        of, so that all take the same one; `train` averages the loss. done: a tensor, the share of the meta-steps
        already taken, from 0 to 1, for rates that fall.
        """
        raise NotImplementedError(f"{type(self).__name__} has no step")

    def learner(self, params: Params, state: Any) -> Learner:
        """What is judged in the end; a method may take settings of its own for that."""
        raise NotImplementedError(f"{type(self).__name__} has no learner")

    @property
    def settings(self) -> dict[str, Any]:
        """The method's own numbers and words, by name."""
        held = {field.name: getattr(self, field.name) for field in fields(self)} if is_dataclass(self) else {}
        return {name: v for name, v in held.items() if not callable(v) and not isinstance(v, Network)}


class ByAdam(Method):
    """A method whose outer loop is Adam on a gradient."""

    def init(self, params: Params) -> adam.Moments:
        return adam.init(params)

    def moved(
        self, params: Params, moments: adam.Moments, gradient: Params, lr: float | torch.Tensor
    ) -> tuple[Params, adam.Moments]:
        """Parameters and moments after one step down the mean over the ranks of `gradient`."""
        return adam.update(params, distributed.mean_over_ranks(gradient), moments, lr=lr)


def frozen(params: Params, images: np.ndarray | torch.Tensor | None) -> Params:
    """A `conv4`'s parameters that keep the batch statistics of `images`; as they are where none are given."""
    if images is None:
        return params
    return networks.freeze_statistics(params, placed(torch.as_tensor(images), params))


def halved(rate: float, halvings: int, done: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """A rate that is halved `halvings` times, at equal intervals, in the precision of `like`."""
    return (rate * 0.5 ** torch.floor(done * (halvings + 1))).to(like.dtype)


@dataclass(frozen=True, kw_only=True)
class Adapting(Method):
    """A method whose learner takes steps of gradient descent on the support set.

    loss(params, x, y): a mean over examples, such as `losses.squared_error(network)`. inner_lr: a number, or the
    rates of some names or steps (`mlcourse/rates.py`).
    """

    loss: Callable = field(kw_only=False)
    inner_lr: InnerRate
    inner_steps: int

    def rates(self, inner_lr: InnerRate) -> InnerRate:
        """Which parameters adapt, and how fast."""
        return inner_lr

    def learner(
        self,
        params: Params,
        state: Any = (),
        *,
        inner_lr: InnerRate | None = None,
        inner_steps: int | None = None,
        queries: str = "together",
    ) -> GradientLearner:
        """Adapts as in training, unless another rate or number of steps is given.

        queries: what batch normalisation sees: "together" all queries of a task (transductive), "alone" the
        support set and one query at a time.
        """
        rates = self.rates(self.inner_lr if inner_lr is None else inner_lr)
        steps = self.inner_steps if inner_steps is None else inner_steps
        return GradientLearner(network_of(self.loss), self.loss, params, rates, steps, queries)


def network_of(loss: Callable) -> Network:
    """The network behind a loss, which the learner needs to predict.

    ValueError for a loss that does not say: a reader's own says it by `loss.network = network`.
    """
    network = getattr(loss, "network", None)
    if network is None:
        raise ValueError(
            "the loss does not say whose predictions it judges, so there is nothing to predict with; set "
            "loss.network = network, as losses.squared_error(network) does"
        )
    return network
