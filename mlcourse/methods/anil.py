"""ANIL (Raghu, Raghu, Bengio, Vinyals 2020): MAML whose inner loop adapts the head alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlcourse.methods.maml import MAML
from mlcourse.rates import InnerRate


@dataclass(frozen=True, kw_only=True)
class ANIL(MAML):
    """head: the names of the parameters that adapt, such as ("w2", "b2") of `networks.mlp((1, 40, 40, 1))`."""

    head: Sequence[str]

    @property
    def name(self) -> str:
        return "ANIL"

    def rates(self, inner_lr: InnerRate) -> InnerRate:
        return dict.fromkeys(self.head, inner_lr)
