"""Matching Networks (Vinyals et al. 2016): a query believes the support examples that it resembles."""

from dataclasses import dataclass
from typing import ClassVar

from mlcourse.fast import matching, metric
from mlcourse.methods.protonet import ProtoNet


@dataclass(frozen=True, kw_only=True)
class MatchingNet(ProtoNet):
    """Trained as Prototypical Networks are; only `classify` differs."""

    name: ClassVar[str] = "Matching Networks"
    classify: metric.Classify = matching.classify
