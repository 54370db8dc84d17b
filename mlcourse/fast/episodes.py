"""Few-shot tasks drawn where they are used, to be read beside `mlcourse/tasks/images.py`.

All images lie on the device as bytes, and a task is an index into them: nothing crosses from host to device while
training runs, and the GPU never waits for the CPU.
"""

import numpy as np
import torch

from mlcourse.arguments import require_count, require_seed
from mlcourse.fast.arrays import resolved
from mlcourse.tasks import images
from mlcourse.tasks.family import Family
from mlcourse.tasks.images import ImageSet
from mlcourse.tasks.task import Examples, Task


class Episodes(Family):
    """The tasks of `mlcourse.tasks.images.Episodes`, drawn on `device` by a torch generator.

    The same arguments and the same shapes; x float32, y int64. `shuffled` puts each support set in random order
    instead of that of its labels: an inner loop that walks through it in pieces then walks at random.
    """

    def __init__(
        self,
        image_set: ImageSet,
        n_way: int = 5,
        k_shot: int = 1,
        n_query: int = 5,
        rotations: bool = False,
        *,
        device: torch.device | str | None = None,
        shuffled: bool = False,
    ):
        """Raises ValueError as `mlcourse.tasks.images.Episodes` does."""
        self.on_host = images.Episodes(image_set, n_way, k_shot, n_query, rotations)  # checks the arguments
        self.device = resolved(device)
        self.shuffled = shuffled
        turned, axis = [image_set.images], 2 if image_set.counts is None else 1
        if rotations:
            turned += [
                np.rot90(image_set.images, turn, axes=(axis, axis + 1)) for turn in range(1, images.QUARTER_TURNS)
            ]
        # uint8 (classes, per class, ...), or where classes differ in size (images, ...), class after class
        self.images = torch.as_tensor(np.concatenate(turned)).to(self.device)
        self.counts, self.starts = None, None  # then: how many images each class has, and where they begin
        if image_set.counts is not None:
            counts = np.tile(image_set.counts, len(turned))
            self.counts, self.starts = (
                torch.as_tensor(numbers).to(self.device) for numbers in (counts, np.cumsum(counts) - counts)
            )

    def __repr__(self) -> str:
        return f"{self.on_host!r} on {self.device}"

    def identity(self) -> str:
        """What tells this family from another: that of the images, and whether support sets are shuffled."""
        return f"{self.on_host.identity()}{', shuffled' * self.shuffled}"

    def generator(self, seed: int) -> torch.Generator:
        """A generator that `sample` can draw with."""
        return torch.Generator(self.device).manual_seed(require_seed("seed", seed))

    def sample(self, n_tasks: int, rng: torch.Generator) -> Task:
        """Draw T = `n_tasks` tasks; the same generator state gives the same tasks, on the same kind of device."""
        n_tasks = require_count("n_tasks", n_tasks)
        if not isinstance(rng, torch.Generator) or rng.device.type != self.device.type:
            raise ValueError(f"rng is {rng!r}; give a torch generator on {self.device}: generator(seed) makes one")
        family = self.on_host
        per_class, rows = int(family.image_set.per_class.max()), (n_tasks, family.n_way)
        chosen = self._choose(rng, (n_tasks,), family.n_way, len(family.image_set) * family.turns)
        absent = None  # where classes differ in size, what is no image
        if self.counts is not None:
            absent = torch.arange(per_class, device=self.device) >= self.counts[chosen][..., None]
        shown = self._choose(rng, rows, family.k_shot + family.n_query, per_class, absent)
        if self.starts is None:
            pixels = self.images[chosen[..., None], shown]  # (T, n_way, K + Q, H, W)
        else:
            pixels = self.images[self.starts[chosen][..., None] + shown]
        support, query = (
            self._examples(part) for part in (pixels[:, :, : family.k_shot], pixels[:, :, family.k_shot :])
        )
        return Task(self._shuffle(support, rng) if self.shuffled else support, query)

    def _choose(
        self,
        rng: torch.Generator,
        rows: tuple[int, ...],
        size: int,
        population: int,
        absent: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """For each row `size` of `population` numbers without replacement: the largest of as many random keys.

        Where `absent` (*rows, population) is true, a number is never chosen.
        """
        keys = torch.rand(*rows, population, generator=rng, device=self.device)
        if absent is not None:
            keys = keys.masked_fill(absent, -1)
        return keys.topk(size, dim=-1).indices

    def _examples(self, pixels: torch.Tensor) -> Examples:
        """uint8 (T, n_way, n, H, W) or (T, n_way, n, H, W, 3) to examples, grouped by label."""
        n_tasks, n_way, each_class = pixels.shape[:3]
        x = pixels.flatten(1, 2).to(torch.float32) / 255
        x = x.movedim(-1, 2) if x.ndim == 5 else x[:, :, None]
        y = torch.arange(n_way, device=self.device).repeat_interleave(each_class, output_size=n_way * each_class)
        return Examples(x, y.expand(n_tasks, -1))

    def _shuffle(self, examples: Examples, rng: torch.Generator) -> Examples:
        n_tasks, size = examples.y.shape
        order = self._choose(rng, (n_tasks,), size, size)
        rows = torch.arange(n_tasks, device=self.device)[:, None]
        return Examples(examples.x[rows, order], examples.y.gather(1, order))
