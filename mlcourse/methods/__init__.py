"""Meta-learning methods, a file each: the training step, and the learner that it ends in.

method = methods.MAML(losses.squared_error(network), inner_lr=0.01)
trained = training.train(method, network.init(rng), family, meta_steps=1000)
trained.learner(inner_steps=5)          # what `evaluation.evaluate` judges
"""

from mlcourse.methods.anil import ANIL
from mlcourse.methods.classifier import Classifier
from mlcourse.methods.maml import MAML
from mlcourse.methods.matching import MatchingNet
from mlcourse.methods.meta_sgd import MetaSGD
from mlcourse.methods.method import Method
from mlcourse.methods.pooled import Pooled
from mlcourse.methods.protonet import ProtoNet
from mlcourse.methods.reptile import Reptile, ReptileAdam

__all__ = [
    "ANIL",
    "Classifier",
    "MAML",
    "MatchingNet",
    "MetaSGD",
    "Method",
    "Pooled",
    "ProtoNet",
    "Reptile",
    "ReptileAdam",
]
