"""Task families: one file each. A family has `sample(n_tasks, rng) -> Task`."""

from mlcourse.tasks import glyphs, omniglot, own
from mlcourse.tasks.images import Episodes, ImageSet, Splits, split_at_random, split_by_alphabet
from mlcourse.tasks.lessons import characters
from mlcourse.tasks.sinusoids import Sinusoids, Waves, five_points
from mlcourse.tasks.task import Examples, Ragged, Task, TaskFamily, each, one, pad, real, stack

__all__ = [
    "Episodes",
    "Examples",
    "ImageSet",
    "Ragged",
    "Sinusoids",
    "Splits",
    "Task",
    "TaskFamily",
    "Waves",
    "characters",
    "each",
    "five_points",
    "glyphs",
    "omniglot",
    "one",
    "own",
    "pad",
    "real",
    "split_at_random",
    "split_by_alphabet",
    "stack",
]
