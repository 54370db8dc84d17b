"""ANIL (Raghu, Raghu, Bengio, Vinyals 2020): MAML whose inner loop adapts the head alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlcourse.arguments import require_rate
from mlcourse.methods.maml import MAML
from mlcourse.rates import InnerRate


@dataclass(frozen=True, kw_only=True)
class ANIL(MAML):
    """inner_lr: one number. head: the names that adapt, such as ("w2", "b2") of `networks.mlp((1, 40, 40, 1))`."""

    inner_lr: float
    head: Sequence[str]

    def __post_init__(self) -> None:
        require_rate("inner_lr", self.inner_lr)

    @property
    def name(self) -> str:
        return "ANIL"

    def rates(self, inner_lr: InnerRate) -> InnerRate:
        return dict.fromkeys(self.head, inner_lr)
