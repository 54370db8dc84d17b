"""learn2learn's shape on this course's engine: `MAML(model, lr).clone()`, `.adapt(loss)`, its CNN, its task sets.

For `import learn2learn as l2l` write `from mlcourse.adapters import learn2learn as l2l`. Two things differ from
learn2learn 0.2.0, both on purpose. A clone has running statistics of its own: there it moves those of the model.
And `adapt` on the model itself is refused: there it replaces the start.
"""

from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from mlcourse.adapters.bound import Bound, Place, cloned, require_statistics
from mlcourse.arguments import require_choice, require_count, require_rate
from mlcourse.errors import DataError
from mlcourse.fast.arrays import tensors
from mlcourse.tasks import glyphs, omniglot, store
from mlcourse.tasks.images import Episodes, ImageSet, Splits


class How(NamedTuple):
    """How a learner takes a step; `MAML` explains the three."""

    first_order: bool
    allow_unused: bool
    allow_nograd: bool

    def but(self, *changes: bool | None) -> "How":
        """The same, but for those of the three that are not None."""
        return How(*(old if new is None else new for old, new in zip(self, changes, strict=True)))


class MAML(nn.Module):
    """A model whose clones adapt; a gradient of a clone's loss flows back to the model.

    lr: the inner rate, a number or a tensor of shape (). first_order: gradients of `adapt` count as constants.
    allow_unused: `adapt` leaves a parameter as it is that the loss does not use; by default as allow_nograd.
    allow_nograd: the same for one with requires_grad=False.
    """

    def __init__(
        self,
        model: nn.Module,
        lr: float | torch.Tensor,
        first_order: bool = False,
        allow_unused: bool | None = None,
        allow_nograd: bool = False,
    ) -> None:
        super().__init__()
        require_rate("lr", lr)
        self.module, self.lr = model, lr
        self.how = How(first_order, allow_nograd if allow_unused is None else allow_unused, allow_nograd)

    def forward(self, *arguments: Any, **keywords: Any) -> Any:
        """What the model gives before it adapts."""
        require_statistics(self.module)
        return self.module(*arguments, **keywords)

    def clone(
        self, first_order: bool | None = None, allow_unused: bool | None = None, allow_nograd: bool | None = None
    ) -> "Learner":
        """A learner that starts at the model. What is not None holds for this clone only."""
        how = self.how.but(first_order, allow_unused, allow_nograd)
        return Learner(self.module, cloned(self.module), self.lr, how)

    def adapt(self, loss: torch.Tensor, **_: Any) -> None:
        """Refused: it would replace the start."""
        raise ValueError("adapt works on a clone: learner = maml.clone(), then learner.adapt(loss)")


class Learner(Bound):
    """A clone of a model: call it, `adapt` it, call it again; or clone it again."""

    def __init__(
        self, module: nn.Module, values: dict[Place, torch.Tensor], lr: float | torch.Tensor, how: How
    ) -> None:
        super().__init__(module, values)
        self._lr, self._how = lr, how

    @property
    def module(self) -> "Learner":
        """The adapted module, as learn2learn calls it."""
        return self

    def clone(
        self, first_order: bool | None = None, allow_unused: bool | None = None, allow_nograd: bool | None = None
    ) -> "Learner":
        """A learner that starts where this one is. What is not None holds for this clone only."""
        how = self._how.but(first_order, allow_unused, allow_nograd)
        return Learner(self._module, cloned(self._module, self._values), self._lr, how)

    def adapt(
        self,
        loss: torch.Tensor,
        first_order: bool | None = None,
        allow_unused: bool | None = None,
        allow_nograd: bool | None = None,
    ) -> None:
        """One step of gradient descent down `loss`, one number. What is not None holds for this step only."""
        how = self._how.but(first_order, allow_unused, allow_nograd)
        frozen = [name for name, p in self.named_parameters() if not p.requires_grad]
        if frozen and not how.allow_nograd:
            raise ValueError(f"{', '.join(frozen)}: requires_grad=False; allow_nograd=True leaves it as it is")
        slopes = self._slopes(loss, create_graph=not how.first_order)
        named = list(zip(self.named_parameters(), slopes, strict=True))
        unused = [name for (name, p), slope in named if slope is None and p.requires_grad]
        if unused and not how.allow_unused:
            raise ValueError(f"loss does not use {', '.join(unused)}; allow_unused=True leaves it as it is")
        self._replace([p if slope is None else p - self._lr * slope for (_, p), slope in named])


class OmniglotCNN(nn.Sequential):
    """Four convolutions with stride 2, the mean over the image, a linear layer: scores (n, output_size).

    x: (n, 1, 28, 28), or the same pixels in another shape. BatchNorm always uses the statistics of the batch:
    learn2learn's keeps running ones, which its clones share.
    """

    def __init__(self, output_size: int = 5, hidden_size: int = 64, layers: int = 4) -> None:
        for name, count in {"output_size": output_size, "hidden_size": hidden_size, "layers": layers}.items():
            require_count(name, count)
        parts: list[nn.Module] = [nn.Flatten(), nn.Unflatten(1, (1, 28, 28))]
        for layer in range(layers):
            convolution = nn.Conv2d(hidden_size if layer else 1, hidden_size, 3, stride=2, padding=1)
            normalise = nn.BatchNorm2d(hidden_size, track_running_stats=False)
            nn.init.xavier_uniform_(convolution.weight)
            nn.init.zeros_(convolution.bias)
            nn.init.uniform_(normalise.weight)
            parts += [convolution, normalise, nn.ReLU()]
        linear = nn.Linear(hidden_size, output_size)
        nn.init.normal_(linear.weight)
        nn.init.zeros_(linear.bias)
        super().__init__(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear)


class TaskSet:
    """Tasks of one split: `sample()` gives all images and labels of one, class after class."""

    def __init__(self, images: ImageSet, ways: int, samples: int, device: Any, rng: np.random.Generator) -> None:
        self._samples, self._device, self._rng = samples, device, rng
        k_shot = max(samples - 1, 1)
        self._episodes = Episodes(images, ways, k_shot, n_query=1, rotations=True)

    def sample(self) -> tuple[torch.Tensor, torch.Tensor]:
        """x (ways * samples, 1, 28, 28) in 0 ... 1 and y (ways * samples,), as 0 0 1 1 2 2 for two samples."""
        task = self._episodes.sample(1, self._rng)
        x, y = (
            np.concatenate([s.reshape(self._episodes.n_way, -1, *s.shape[2:]), q[0][:, None]], axis=1)
            for s, q in zip(task.support, task.query, strict=True)
        )
        kept = (part[:, : self._samples].reshape(-1, *part.shape[2:]) for part in (x, y))
        return tensors(tuple(kept), device=self._device)


class TaskSets(NamedTuple):
    """What `get_tasksets` gives; draw from one of the three."""

    train: TaskSet
    validation: TaskSet
    test: TaskSet


def get_tasksets(
    name: str,
    train_ways: int = 5,
    train_samples: int = 10,
    test_ways: int = 5,
    test_samples: int = 10,
    num_tasks: int = -1,
    root: str = "~/data",
    device: torch.device | str | None = None,
    *,
    seed: int = 0,
) -> TaskSets:
    """Task sets of "omniglot", or of the embedded "glyphs", each class turned by a random quarter.

    train_samples, test_samples: images of a class in a task, those of the support AND of the query set: for one
    shot and one query ask for two. seed: of the three streams of tasks. DataError where Omniglot is not here;
    ValueError for what the course does otherwise: a number of tasks, another place of the data.
    """
    require_choice("name", name, ("omniglot", "glyphs"))
    if num_tasks != -1:
        raise ValueError(f"num_tasks is {num_tasks}; tasks are drawn without end here: leave it at -1")
    if root != "~/data":
        raise ValueError(f"root is {root!r}; the course keeps its own cache: leave root out")
    for what, count in {"train_samples": train_samples, "test_samples": test_samples}.items():
        require_count(what, count)
    splits = _splits(name)
    asked = [(train_ways, train_samples), (test_ways, test_samples), (test_ways, test_samples)]
    streams = np.random.default_rng(seed).spawn(3)
    return TaskSets(
        *(TaskSet(part, *ask, device, rng) for part, ask, rng in zip(splits, asked, streams, strict=True))
    )


def _splits(name: str) -> Splits:
    if name == "glyphs":
        return glyphs.splits()
    if store.locate(omniglot.SOURCE) is None:
        raise DataError(
            "Omniglot is not on this machine; fetch it with `python -m mlcourse data fetch omniglot`, or take the "
            "embedded letters: get_tasksets('glyphs', ...)"
        )
    return omniglot.splits("random")


# So that l2l.algorithms.MAML and its like are found
algorithms = SimpleNamespace(MAML=MAML)
vision = SimpleNamespace(
    models=SimpleNamespace(OmniglotCNN=OmniglotCNN), benchmarks=SimpleNamespace(get_tasksets=get_tasksets)
)
