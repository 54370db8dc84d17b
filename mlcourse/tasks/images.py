"""Few-shot tasks from sets of images: choose classes, choose images of each, give the classes new labels."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mlcourse.arguments import require_count, require_rng
from mlcourse.tasks.store import digest_of
from mlcourse.tasks.task import Examples, Task

QUARTER_TURNS = 4  # with rotations as classes, each class counts as four: turned by 0, 90, 180 and 270 degrees
COLOURS = 3


@dataclass(frozen=True, eq=False, repr=False)
class ImageSet:
    """Images of C classes, at most M of each, with the alphabet that each class comes from.

    Attributes:
        name: what the set is called in messages.
        images: uint8 (C, M, H, W), 255 is ink, 0 is paper; or in colour (C, M, H, W, 3), red, green, blue.
        alphabet: (C,) whole numbers, an index into `alphabet_names`.
        alphabet_names: (A,) names.
        class_names: (C,) names.
        counts: None when every class has M images; else (C,): class c has `images[c, :counts[c]]`, and what
            stands behind them is no image. `per_class` gives the numbers in either case.
    """

    name: str
    images: np.ndarray
    alphabet: np.ndarray
    alphabet_names: np.ndarray
    class_names: np.ndarray
    counts: np.ndarray | None = None

    def __post_init__(self) -> None:
        grey, colour = self.images.ndim == 4, self.images.ndim == 5 and self.images.shape[-1] == COLOURS
        if not (grey or colour) or self.images.dtype != np.uint8:
            raise ValueError(
                f"images has shape {self.images.shape} and type {self.images.dtype}; give uint8 of shape "
                "(classes, images per class, height, width), for colour images with a last axis of 3"
            )
        for name in ("alphabet", "class_names"):
            if getattr(self, name).shape != self.images.shape[:1]:
                raise ValueError(
                    f"{name} has shape {getattr(self, name).shape}; images holds {len(self.images)} classes, "
                    f"so give shape ({len(self.images)},)"
                )
        self._check_counts()

    def _check_counts(self) -> None:
        if self.counts is None:
            return
        classes, most = self.images.shape[:2]
        if self.counts.shape != (classes,) or ((self.counts < 1) | (self.counts > most)).any():
            raise ValueError(
                f"counts is {self.counts!r}; give one number of images for each of the {classes} classes, "
                f"from 1 to {most}"
            )

    @property
    def per_class(self) -> np.ndarray:
        """How many images each class has: (C,)."""
        return np.full(len(self), self.images.shape[1]) if self.counts is None else self.counts

    @property
    def channels(self) -> int:
        """1 for grey images, 3 for colour."""
        return 1 if self.images.ndim == 4 else COLOURS

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        classes, each, height, width = self.images.shape[:4]
        alphabets = len(np.unique(self.alphabet))
        of = "" if alphabets == classes else f" of {alphabets} alphabets"
        if self.counts is not None and classes:
            low, high = self.counts.min(), self.counts.max()
            each = low if low == high else f"{low} to {high}"
        colour = " colour" if self.channels == COLOURS else ""
        return f"ImageSet({self.name}: {classes} classes{of}, {each} images each, {height}x{width}{colour})"

    def take(self, classes: np.ndarray) -> "ImageSet":
        """The set with only these classes: whole numbers (n,), or a mask (C,)."""
        return ImageSet(
            self.name,
            self.images[classes],
            self.alphabet[classes],
            self.alphabet_names,
            self.class_names[classes],
            None if self.counts is None else self.counts[classes],
        )


class Splits(NamedTuple):
    """Three sets that share no class: for meta-training, for choosing settings, and for the final score."""

    train: ImageSet
    val: ImageSet
    test: ImageSet


def split_at_random(image_set: ImageSet, sizes: tuple[int, int, int], rng: np.random.Generator) -> Splits:
    """Shuffle the classes, then cut: `sizes` are the numbers of classes in train, val and test (val may be 0).

    The last `sizes[2]` classes of the shuffle are the test set, so it does not depend on how the others are cut.
    """
    if len(sizes) != 3 or min(sizes) < 0 or sum(sizes) > len(image_set):
        raise ValueError(
            f"sizes is {sizes!r}; give three numbers of classes, none negative, that add up to at most "
            f"{len(image_set)}, the classes of {image_set.name}"
        )
    order = rng.permutation(len(image_set))
    n_train, n_val, n_test = sizes
    parts = (order[:n_train], order[n_train : n_train + n_val], order[len(order) - n_test :])
    return Splits(*(image_set.take(np.sort(part)) for part in parts))


def split_by_alphabet(image_set: ImageSet, val: Iterable[int], test: Iterable[int]) -> Splits:
    """Cut by whole alphabets, given by their numbers; every alphabet not named is for training.

    Raises:
        ValueError: an alphabet is in both, or does not exist.
    """
    val, test = set(map(int, val)), set(map(int, test))
    unknown = (val | test) - set(range(len(image_set.alphabet_names)))
    if val & test or unknown:
        raise ValueError(
            f"val and test share alphabets {sorted(val & test)} and name unknown ones {sorted(unknown)}; give "
            f"two groups without overlap, of numbers below {len(image_set.alphabet_names)}"
        )
    in_val, in_test = (np.isin(image_set.alphabet, sorted(group)) for group in (val, test))
    return Splits(image_set.take(~in_val & ~in_test), image_set.take(in_val), image_set.take(in_test))


def choose(rng: np.random.Generator, rows: int, size: int, population: int | np.ndarray) -> np.ndarray:
    """For each of `rows` rows choose `size` of `population` numbers without replacement, in random order.

    `population` is one number, or (rows,): one for each row.

    Floyd's method (Bentley and Floyd, 1987) for all rows at once: its cost does not grow with the population.
    Returns int64 (rows, size).
    """
    chosen = np.empty((rows, size), np.int64)
    for column in range(size):
        last = population - size + column
        draw = rng.integers(0, last + 1, rows)
        taken = (chosen[:, :column] == draw[:, None]).any(axis=1)
        chosen[:, column] = np.where(taken, last, draw)
    return rng.permuted(chosen, axis=1)


def listed(names: np.ndarray, counts: np.ndarray, most: int = 5) -> str:
    """Classes with their numbers of images, in a message: "basophil (2), monocyte (20) and 3 more"."""
    text = ", ".join(f"{name} ({count})" for name, count in zip(names[:most], counts[:most], strict=True))
    return text if len(names) <= most else f"{text} and {len(names) - most} more"


class Episodes:
    """The family of N-way K-shot tasks from an image set; see `sample` for the shapes."""

    def __init__(
        self, image_set: ImageSet, n_way: int = 5, k_shot: int = 1, n_query: int = 5, rotations: bool = False
    ):
        """`n_query` is per class. With `rotations`, each class counts as four, one per quarter turn.

        Raises:
            ValueError: fewer classes than `n_way`, or a class with fewer images than `k_shot + n_query`.
        """
        self.n_way = require_count("n_way", n_way)
        self.k_shot = require_count("k_shot", k_shot)
        self.n_query = require_count("n_query", n_query)
        self.image_set = image_set
        self.rotations = bool(rotations)
        self.turns = QUARTER_TURNS if rotations else 1
        classes, _, height, width = image_set.images.shape[:4]
        if n_way > classes * self.turns:
            raise ValueError(
                f"n_way is {n_way}, but {image_set!r} has only {classes * self.turns} classes"
                f"{' (four rotations of each counted)' if rotations else ''}; lower n_way or use a larger set"
            )
        self._require_images(k_shot + n_query)
        if rotations and height != width:
            raise ValueError(f"rotations needs square images; these are {height}x{width}")

    def _require_images(self, needed: int) -> None:
        """Every class must have the images that a task shows of it."""
        per_class = self.image_set.per_class
        small = per_class < needed
        if not small.any():
            return
        has = f"only {per_class.min()} images per class"
        fix = "lower k_shot or n_query"
        if not small.all():
            has = f"fewer images of {listed(self.image_set.class_names[small], per_class[small])}"
            fix += f", or leave small classes out: image_set.take(image_set.per_class >= {needed})"
        asked = f"k_shot + n_query is {self.k_shot} + {self.n_query} = {needed}"
        raise ValueError(f"{asked}, but {self.image_set!r} has {has}; {fix}")

    def __repr__(self) -> str:
        return (
            f"Episodes({self.image_set!r}, n_way={self.n_way}, k_shot={self.k_shot}, n_query={self.n_query}, "
            f"rotations={self.rotations})"
        )

    def identity(self) -> str:
        """What tells this family from another: its settings, and its images to the byte."""
        return f"{self!r} {digest_of({'images': self.image_set.images})[:16]}"

    def sample(self, n_tasks: int, rng: np.random.Generator) -> Task:
        """Draw T = `n_tasks` tasks; the same generator state gives the same tasks.

        Returns:
            support x float32 (T, n_way * k_shot, 1, H, W) in [0, 1] with ink = 1, y int64 (T, n_way * k_shot);
            query likewise with n_query; colour images have 3 where grey ones have 1. Examples stand in the
            order of their labels 0 ... n_way - 1; which class gets which label is drawn anew for each task.
            No image occurs twice in a task.
        """
        n_tasks = require_count("n_tasks", n_tasks)
        require_rng("rng", rng)
        classes, most = self.image_set.images.shape[:2]
        chosen = choose(rng, n_tasks, self.n_way, classes * self.turns)
        counts = self.image_set.counts
        population = most if counts is None else counts[(chosen % classes).ravel()]
        shown = choose(rng, n_tasks * self.n_way, self.k_shot + self.n_query, population)
        shown = shown.reshape(n_tasks, self.n_way, -1)
        pixels = self.image_set.images[(chosen % classes)[..., None], shown]  # (T, n_way, K + Q, H, W) or (..., 3)
        turns = chosen // classes
        for turn in range(1, self.turns):
            turned = turns == turn
            pixels[turned] = np.rot90(pixels[turned], turn, axes=(2, 3))
        parts = (pixels[:, :, : self.k_shot], pixels[:, :, self.k_shot :])
        return Task(*(self._examples(part) for part in parts))

    def _examples(self, pixels: np.ndarray) -> Examples:
        """uint8 (T, n_way, n, H, W) or (T, n_way, n, H, W, 3) to examples, grouped by label, channels first."""
        n_tasks, n_way, each_class, height, width = pixels.shape[:5]
        x = np.moveaxis(pixels.reshape(n_tasks, n_way * each_class, height, width, -1), -1, 2)
        x = np.ascontiguousarray(x) / np.float32(255)
        y = np.tile(np.repeat(np.arange(n_way), each_class), (n_tasks, 1))
        return Examples(x, y)
