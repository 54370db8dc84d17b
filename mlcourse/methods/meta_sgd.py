"""Meta-SGD (Li, Zhou, Chen, Li 2017): MAML that learns a rate, of any sign, for each single parameter, too."""

from dataclasses import dataclass
from typing import Any

import torch

from mlcourse.arguments import require_rate
from mlcourse.fast.learners import GradientLearner
from mlcourse.fast.networks import Params
from mlcourse.fast.ready import frozen_names
from mlcourse.methods.maml import MAML
from mlcourse.rates import PREFIX, InnerRate, learned


@dataclass(frozen=True, kw_only=True)
class MetaSGD(MAML):
    """inner_lr: the number from which all rates start; they travel with the parameters, as "rate.w0" and so on."""

    inner_lr: float

    def __post_init__(self) -> None:
        require_rate("inner_lr", self.inner_lr)

    @property
    def name(self) -> str:
        return "Meta-SGD"

    def rates(self, inner_lr: InnerRate) -> InnerRate:
        return learned

    def start(self, params: Params) -> Params:
        """The parameters and their rates; what is frozen gets none, so that it does not adapt either."""
        learning = {name: p for name, p in params.items() if name not in frozen_names(params)}
        rates = {
            name: torch.full_like(p, self.inner_lr, requires_grad=p.requires_grad) for name, p in learning.items()
        }
        return params | {PREFIX + name: rate for name, rate in rates.items()}

    def learner(
        self, params: Params, state: Any = (), *, inner_steps: int | None = None, queries: str = "together"
    ) -> GradientLearner:
        return super().learner(params, state, inner_steps=inner_steps, queries=queries)
