"""Learners as a server needs them: what adapting makes is a value, to be kept, and predicting takes it up again.

A learner goes from a support set to predictions in one call. Here the call is cut in two: `adapt` gives small
arrays, `predict` uses them, perhaps hours later in another process. Put together again they are a learner, too,
which is how `evaluate` judges what is served, and not something like it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from mlcourse.fast import protonet, ready
from mlcourse.fast.arrays import arrays, tensors
from mlcourse.fast.batching import choose, over_tasks
from mlcourse.fast.learners import GradientLearner, MetricLearner
from mlcourse.fast.maml import inner_step
from mlcourse.fast.pure import Watch, at_once, trusting
from mlcourse.fast.queries import judge
from mlcourse.rates import each_step
from mlcourse.tasks.task import Examples

Arrays = dict[str, np.ndarray]
LARGEST = np.finfo(np.float32).max
CLASSES, NUMBERS = "classes", "numbers"


class Adapted(NamedTuple):
    """What one support set has led to.

    arrays: all that `predict` needs beside the model. score: how well the model knows its way about in this task,
    more is better; what it is worth is found on validation tasks (`confidence.py`).
    """

    arrays: Arrays
    score: float


@dataclass(frozen=True)
class Form:
    """What a model takes and gives.

    features: the shape of one example. kind: "classes" or "numbers". outputs: how many numbers, or how many
    classes every task must have; None where a task may have any number of classes, from two. low, high: the
    smallest and the largest number in the inputs of validation tasks; half of their distance beyond them is taken.
    """

    features: tuple[int, ...]
    kind: str
    outputs: int | None
    low: float = -float(LARGEST)
    high: float = float(LARGEST)

    def require_x(self, name: str, x: np.ndarray) -> None:
        """ValueError unless x is (n, *features), n at least 1, finite, and on the scale of the tasks."""
        if x.ndim != 1 + len(self.features) or x.shape[1:] != self.features or not len(x):
            wanted = ", ".join(["n", *map(str, self.features)]) + ("," if not self.features else "")
            raise ValueError(f"{name} has shape {x.shape}; give ({wanted}), n at least 1")
        _require_finite(name, x)
        room = self.high / 2 - self.low / 2
        for found in (x.min(), x.max()):
            if not self.low - room <= found <= self.high + room:
                raise ValueError(
                    f"{name} holds {found:g}; this model was meta-trained on numbers from {self.low:g} to "
                    f"{self.high:g}: bring x to that scale"
                )

    def require_numbers(self, name: str, y: np.ndarray, n: int) -> None:
        """ValueError unless y is (n, outputs), finite."""
        if y.shape != (n, self.outputs):
            raise ValueError(f"{name} has shape {y.shape}; give ({n}, {self.outputs}), one row for each example")
        _require_finite(name, y)

    def require_classes(self, name: str, n_classes: int) -> None:
        """ValueError unless a task may have so many classes."""
        if self.outputs is not None and n_classes != self.outputs:
            raise ValueError(
                f"{name} names {n_classes} classes; this model was meta-trained on tasks of {self.outputs}, and "
                "its last layer has as many outputs: give examples of as many"
            )
        if n_classes < 2:
            raise ValueError(f"{name} names {n_classes} class; give examples of at least two")


class Servable:
    """A model of one form; `adapt` and `predict` compute where its parameters lie, on NumPy arrays.

    at_once: whether many support sets of one shape adapt together for little more than the price of one. Safe to
    use from several threads.
    """

    form: Form
    at_once: bool

    def adapt(self, support: Examples) -> list[Adapted]:
        """For each of T support sets, x (T, S, *features) and y (T, S) or (T, S, outputs), what it leads to."""
        raise NotImplementedError

    def predict(self, adapted: Arrays, x: np.ndarray) -> np.ndarray:
        """Outputs, or for classes log-probabilities, of the examples x (Q, *features): (Q, outputs)."""
        raise NotImplementedError

    def __call__(self, support: Examples, query_x: np.ndarray) -> np.ndarray:
        """What `evaluate` judges: adapt to one support set and predict for its queries."""
        (adapted,) = self.adapt(Examples(support.x[None], support.y[None]))
        return self.predict(adapted.arrays, query_x)


class Descending(Servable):
    """Steps of gradient descent on the support set: MAML, Reptile, ANIL, Meta-SGD, fine-tuning.

    Only what moved is kept: of ANIL's tasks the head alone. Where batch normalisation judges each query beside the
    support set (`queries="alone"`) the support images are kept, too.
    """

    def __init__(self, learner: GradientLearner, form: Form) -> None:
        self.form, self.learner = form, learner
        self.at_once = choose(learner.params) == "vmap"
        self.rates = each_step(learner.params, learner.inner_lr, learner.inner_steps)
        self.moving = {name for rates in self.rates for name in rates}
        self.loss = ready.guarded(learner.loss, learner.params)
        self.trusted = False  # the one thing that changes, once

    def adapt(self, support: Examples) -> list[Adapted]:
        """The adapted parameters of each task, and minus its support loss as the score."""
        placed = ready.placed(Examples(*support), self.learner.params)
        with torch.no_grad():
            found, losses = arrays(self._over_tasks(*placed))
        kept = {"support": np.asarray(support.x, np.float32)} if self.learner.queries == "alone" else {}
        return [
            Adapted({name: array[task].copy() for name, array in {**found, **kept}.items()}, -float(losses[task]))
            for task in range(len(losses))
        ]

    def _over_tasks(self, x: torch.Tensor, y: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """Under `vmap` once the network is known to need no watching, which takes half the time; else watched."""
        if self.trusted:
            return trusting(torch.vmap(self._adapt_one))(x, y)
        if not self.at_once:
            return over_tasks(self._adapt_one, self.learner.params, x, y)
        watch = Watch()
        found = watch(at_once(self._adapt_one))(x, y)
        self.trusted = not watch.exchanged
        return found

    def _adapt_one(self, x: torch.Tensor, y: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        phi = self.learner.params
        for rates in self.rates:
            phi = inner_step(self.loss, phi, Examples(x, y), rates, first_order=True)
        return {name: phi[name] for name in self.moving}, self.loss(phi, x, y)

    def predict(self, adapted: Arrays, x: np.ndarray) -> np.ndarray:
        """With the adapted parameters in the place of the start's."""
        params = self.learner.params
        kept, x = ready.placed((_own(adapted), np.asarray(x)), params)
        support = kept.pop("support", x)
        with torch.no_grad():
            outputs = judge(self.learner.network, params | kept, support, x, self.learner.queries)
            return arrays(torch.log_softmax(outputs, dim=-1) if self.form.kind == CLASSES else outputs)


class Comparing(Servable):
    """A class is a point, or some, in an embedding space: Prototypical Networks, Matching Networks.

    Kept are the embeddings of the support set; of Prototypical Networks their means, one for each class.
    """

    at_once = False  # convolutions are the price, and several together cost as much as one after the other

    def __init__(self, learner: MetricLearner, form: Form) -> None:
        self.form, self.learner = form, learner

    def adapt(self, support: Examples) -> list[Adapted]:
        """The points of each task, and as score how surely each class's own point is told from the others'."""
        return [self._adapt_one(x, y) for x, y in zip(*support, strict=True)]

    def _adapt_one(self, x: np.ndarray, y: np.ndarray) -> Adapted:
        labels = torch.as_tensor(y)
        n_way = int(labels.max()) + 1
        points = self._embed(x)
        centres = protonet.prototypes(points, labels, n_way)
        if self.learner.classify is protonet.classify:
            points, labels = centres, torch.arange(n_way)
        itself = self.learner.classify(centres, points, labels, n_way).diagonal().exp()
        kept = {"points": arrays(points), "labels": labels.numpy().astype(np.int64)}
        return Adapted(kept, float(itself.mean()))

    def predict(self, adapted: Arrays, x: np.ndarray) -> np.ndarray:
        """Log-probabilities (Q, n_way)."""
        kept = tensors(_own(adapted), device=self._place.device)
        points, labels = kept["points"], kept["labels"]
        return arrays(self.learner.classify(self._embed(x), points, labels, int(labels.max()) + 1))

    def _embed(self, x: np.ndarray) -> torch.Tensor:
        with torch.no_grad():
            return self.learner.network.apply(
                self.learner.params, ready.placed(np.asarray(x), self.learner.params)
            )

    @property
    def _place(self) -> torch.Tensor:
        return next(iter(self.learner.params.values()))


SERVED: dict[type, Callable[[Any, Form], Servable]] = {GradientLearner: Descending, MetricLearner: Comparing}


def servable(learner: Any, form: Form) -> Servable:
    """A learner that a method ended in, ready to be served; ValueError for one that keeps no adapter."""
    make = SERVED.get(type(learner))
    if make is None:
        kinds = ", ".join(kind.__name__ for kind in SERVED)
        raise ValueError(
            f"learner is a {type(learner).__name__}; what can be served are learners that give something to keep: "
            f"{kinds} (of MAML, Reptile, ANIL, Meta-SGD, Prototypical and Matching Networks)"
        )
    return make(learner, form)


def _own(adapted: Arrays) -> Arrays:
    """Copies: torch warns of arrays that cannot be written, as those of a store are."""
    return {name: array.copy() for name, array in adapted.items()}


def _require_finite(name: str, array: np.ndarray) -> None:
    if not np.isfinite(array).all():
        where = np.argwhere(~np.isfinite(array))[0].tolist()
        raise ValueError(f"{name} holds {array[tuple(where)]} at {where}; give finite numbers")
    if np.abs(array).max(initial=0) > LARGEST:  # it would become infinite without a word
        raise ValueError(f"{name} holds a number beyond float32, in which models compute; give smaller ones")
