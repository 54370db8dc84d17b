"""Few-shot tasks from sets of images: choose classes, choose images of each, give the classes new labels."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mlcourse.arguments import require_count, require_rng
from mlcourse.tasks.family import Family
from mlcourse.tasks.store import digest_of
from mlcourse.tasks.task import Examples, Task

QUARTER_TURNS = 4  # with rotations as classes, each class counts as four: turned by 0, 90, 180 and 270 degrees
COLOURS = 3


@dataclass(frozen=True, eq=False, repr=False)
class ImageSet:
    """Images of C classes, with the alphabet that each class comes from.

    Attributes:
        name: what the set is called in messages.
        images: uint8 (C, M, H, W), 255 is ink, 0 is paper; or in colour (C, M, H, W, 3), red, green, blue. Where
            classes differ in size, (N, H, W) or (N, H, W, 3): all images, class after class. `pick` finds them.
        alphabet: (C,) whole numbers, an index into `alphabet_names`.
        alphabet_names: (A,) names.
        class_names: (C,) names.
        counts: None when every class has M images; else (C,), how many each has. `per_class` gives the numbers in
            either case.
    """

    name: str
    images: np.ndarray
    alphabet: np.ndarray
    alphabet_names: np.ndarray
    class_names: np.ndarray
    counts: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name in ("images", "alphabet", "alphabet_names", "class_names"):
            if not isinstance(getattr(self, name), np.ndarray):
                raise ValueError(f"{name} is a {type(getattr(self, name)).__name__}; give a NumPy array")
        axes = self.images.ndim - self._axes_in_front
        grey, colour = axes == 2, axes == 3 and self.images.shape[-1] == COLOURS
        if not (grey or colour) or self.images.dtype != np.uint8:
            wanted = "classes, images per class" if self.counts is None else "images"
            raise ValueError(
                f"images has shape {self.images.shape} and type {self.images.dtype}; give uint8 of shape "
                f"({wanted}, height, width), for colour images with a last axis of 3"
            )
        for name in ("alphabet", "class_names"):
            if getattr(self, name).shape != (len(self),):
                raise ValueError(
                    f"{name} has shape {getattr(self, name).shape}; images holds {len(self)} classes, "
                    f"so give shape ({len(self)},)"
                )
        if self.counts is not None:
            counts = np.asarray(self.counts)
            if counts.ndim != 1 or not np.issubdtype(counts.dtype, np.integer):
                raise ValueError(
                    f"counts has shape {counts.shape} and type {counts.dtype}; give whole numbers, one a class"
                )
            if (counts < 1).any() or counts.sum() != len(self.images):
                raise ValueError(
                    f"counts is {counts!r}, {counts.sum()} in all; give one number of at least 1 for each "
                    f"class, {len(self.images)} in all, as many as there are images"
                )
            object.__setattr__(self, "counts", counts.astype(np.int64))  # unsigned numbers would wrap below zero

    @property
    def _axes_in_front(self) -> int:
        """How many axes of `images` stand before those of one image."""
        return 2 if self.counts is None else 1

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of every image, in pixels."""
        height, width = self.images.shape[self._axes_in_front :][:2]
        return height, width

    def pick(self, classes: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Image `numbers` of `classes`; both broadcast: uint8 (..., H, W), in colour (..., H, W, 3).

        IndexError for a number that a class does not have, in either way of storing them.
        """
        if self.counts is None:
            return self.images[classes, numbers]
        numbers, counts = np.asarray(numbers), self.counts[classes]
        if ((numbers < -counts) | (numbers >= counts)).any():
            has = f"numbers holds {numbers.min()} to {numbers.max()}"
            raise IndexError(f"{has}, but one of the classes has only {np.min(counts)} images")
        return self.images[self.starts[classes] + numbers % counts]  # -1 is the last, as everywhere in NumPy

    def images_of(self, index: int) -> np.ndarray:
        """All images of one class: uint8 (n, H, W), in colour (n, H, W, 3)."""
        return self.pick(index, np.arange(self.per_class[index]))

    def one_of_each(self) -> np.ndarray:
        """The first image of every class as a network takes it: float32 (C, 1, H, W), in colour (C, 3, H, W)."""
        x = self.pick(np.arange(len(self)), np.zeros(len(self), int)) / np.float32(255)
        return np.moveaxis(x, -1, 1) if x.ndim == 4 else x[:, None]

    @property
    def starts(self) -> np.ndarray:
        """Where each class begins when all images stand in one row, class after class: (C,)."""
        return np.cumsum(self.per_class) - self.per_class

    @property
    def per_class(self) -> np.ndarray:
        """How many images each class has: (C,)."""
        return np.full(len(self), self.images.shape[1]) if self.counts is None else self.counts

    @property
    def channels(self) -> int:
        """1 for grey images, 3 for colour."""
        return 1 if self.images.ndim - self._axes_in_front == 2 else COLOURS

    def __len__(self) -> int:
        return len(self.images if self.counts is None else self.counts)

    def __repr__(self) -> str:
        classes, (height, width) = len(self), self.size
        each = self.images.shape[1]
        alphabets = len(np.unique(self.alphabet))
        of = "" if alphabets == classes else f" of {alphabets} alphabets"
        if not classes:
            each = "no"
        elif self.counts is not None:
            low, high = self.counts.min(), self.counts.max()
            each = low if low == high else f"{low} to {high}"
        colour = " colour" if self.channels == COLOURS else ""
        return f"ImageSet({self.name}: {classes} classes{of}, {each} images each, {height}x{width}{colour})"

    def take(self, classes: np.ndarray) -> "ImageSet":
        """The set with only these classes: whole numbers (n,), each once, or a mask (C,)."""
        classes = _chosen("classes", classes, len(self))
        if self.counts is None:
            images = self.images[classes]
        else:
            ranges = zip(self.starts[classes], self.counts[classes], strict=True)
            rows = [np.arange(start, start + count) for start, count in ranges]
            images = self.images[np.concatenate(rows) if rows else np.arange(0)]
        return ImageSet(
            self.name,
            images,
            self.alphabet[classes],
            self.alphabet_names,
            self.class_names[classes],
            None if self.counts is None else self.counts[classes],
        )


def _chosen(name: str, given: Iterable, population: int) -> np.ndarray:
    """The numbers that are meant by some (n,) of 0 ... population - 1, each once, or by a mask (population,)."""
    if isinstance(given, slice):
        given = range(population)[given]
    chosen = np.asarray(given if isinstance(given, np.ndarray) or not isinstance(given, Iterable) else list(given))
    if chosen.dtype == bool and chosen.shape == (population,):
        return np.flatnonzero(chosen)
    whole = np.issubdtype(chosen.dtype, np.integer) or not chosen.size
    if not whole or chosen.ndim != 1 or len(np.unique(chosen)) < len(chosen):
        seen = f"shape {chosen.shape} and type {chosen.dtype}"
        raise ValueError(f"{name} has {seen}; give whole numbers, each once, or a mask of shape ({population},)")
    if unknown := [int(number) for number in chosen if not 0 <= number < population]:
        raise ValueError(f"{name} names {unknown}; give numbers from 0 to {population - 1}")
    return chosen.astype(np.int64)


class Splits(NamedTuple):
    """Three sets that share no class: for meta-training, for choosing settings, and for the final score."""

    train: ImageSet
    val: ImageSet
    test: ImageSet


def split_at_random(image_set: ImageSet, sizes: tuple[int, int, int], rng: np.random.Generator) -> Splits:
    """Shuffle the classes, then cut: `sizes` are the numbers of classes in train, val and test (val may be 0).

    The last `sizes[2]` classes of the shuffle are the test set, so it does not depend on how the others are cut.
    """
    require_rng("rng", rng)
    whole = all(isinstance(size, int | np.integer) and not isinstance(size, bool) for size in sizes)
    if len(sizes) != 3 or not whole or min(sizes) < 0 or sum(sizes) > len(image_set):
        raise ValueError(
            f"sizes is {sizes!r}; give three numbers of classes, none negative, that add up to at most "
            f"{len(image_set)}, the classes of {image_set.name}{_shares_meant(sizes, len(image_set))}"
        )
    order = rng.permutation(len(image_set))
    n_train, n_val, n_test = sizes
    parts = (order[:n_train], order[n_train : n_train + n_val], order[len(order) - n_test :])
    return Splits(*(image_set.take(np.sort(part)) for part in parts))


def _shares_meant(sizes: tuple, classes: int) -> str:
    """The numbers of classes for someone who gave shares, as the end of a message."""
    if len(sizes) != 3 or not all(isinstance(size, int | float) and 0 <= size <= 1 for size in sizes):
        return ""
    val, test = (round(size * classes) for size in sizes[1:])
    train = min(round(sizes[0] * classes), classes - val - test)
    return f": as shares of them that would be {(train, val, test)}"


def split_by_alphabet(image_set: ImageSet, val: Iterable[int], test: Iterable[int]) -> Splits:
    """Cut by whole alphabets, given by their numbers or masks; every alphabet not named is for training.

    Raises:
        ValueError: an alphabet is in both, or does not exist.
    """
    population = len(image_set.alphabet_names)
    val, test = _chosen("val", val, population), _chosen("test", test, population)
    if shared := sorted(set(val.tolist()) & set(test.tolist())):
        raise ValueError(f"val and test share alphabets {shared}; give two groups without overlap")
    in_val, in_test = (np.isin(image_set.alphabet, group) for group in (val, test))
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


class Episodes(Family):
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
        classes, (height, width) = len(image_set), image_set.size
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
        held = {"images": self.image_set.images, "per class": self.image_set.per_class}
        return f"{self!r} {digest_of(held)[:16]}"

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
        classes, counts = len(self.image_set), self.image_set.counts
        chosen = choose(rng, n_tasks, self.n_way, classes * self.turns)
        population = self.image_set.images.shape[1] if counts is None else counts[(chosen % classes).ravel()]
        shown = choose(rng, n_tasks * self.n_way, self.k_shot + self.n_query, population)
        shown = shown.reshape(n_tasks, self.n_way, -1)
        pixels = self.image_set.pick((chosen % classes)[..., None], shown)  # (T, n_way, K + Q, H, W) or (..., 3)
        pixels = _turned(pixels, chosen // classes)
        parts = (pixels[:, :, : self.k_shot], pixels[:, :, self.k_shot :])
        return Task(*(self._examples(part) for part in parts))

    def _examples(self, pixels: np.ndarray) -> Examples:
        """uint8 (T, n_way, n, H, W) or (T, n_way, n, H, W, 3) to examples, grouped by label, channels first."""
        n_tasks, n_way, each_class = pixels.shape[:3]
        x = _as_input(pixels.reshape(n_tasks, n_way * each_class, *pixels.shape[3:]))
        y = np.tile(np.repeat(np.arange(n_way), each_class), (n_tasks, 1))
        return Examples(x, y)


def _turned(pixels: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Images (T, n, m, H, W) or (T, n, m, H, W, 3), where `turns` (T, n) says by how many quarter turns each n."""
    for turn in range(1, QUARTER_TURNS):
        chosen = turns == turn
        if not chosen.any():  # images that are not square are never turned
            continue
        pixels[chosen] = np.rot90(pixels[chosen], turn, axes=(2, 3))
    return pixels


def _as_input(pixels: np.ndarray) -> np.ndarray:
    """uint8 (T, n, H, W) or (T, n, H, W, 3) to what networks take: float32 (T, n, 1 or 3, H, W) in [0, 1]."""
    x = np.moveaxis(pixels.reshape(*pixels.shape[:4], -1), -1, 2)
    return np.ascontiguousarray(x) / np.float32(255)


class Labelled(Family):
    """Batches of labelled images for ordinary training: a class has the same label in every batch.

    Labels are the numbers of the classes in `image_set`, with `rotations` four for each, one per quarter turn.
    A batch is a "task" whose support and query sets have half of its images each; `methods.Pooled` takes both.
    """

    def __init__(self, image_set: ImageSet, n_images: int = 60, rotations: bool = False):
        """ValueError for an odd `n_images`, an empty set, and for rotations of images that are not square."""
        self.n_images = require_count("n_images", n_images, 2)
        if n_images % 2:
            raise ValueError(f"n_images is {n_images}; give an even number: half are support, half query")
        self.image_set, self.rotations = image_set, bool(rotations)
        height, width = image_set.size
        if rotations and height != width:
            raise ValueError(f"rotations needs square images; these are {height}x{width}")
        self.n_classes = require_count("the classes of image_set", len(image_set)) * (QUARTER_TURNS**rotations)

    def __repr__(self) -> str:
        return f"Labelled({self.image_set!r}, n_images={self.n_images}, rotations={self.rotations})"

    def identity(self) -> str:
        """As of `Episodes`: its settings, and its images to the byte."""
        held = {"images": self.image_set.images, "per class": self.image_set.per_class}
        return f"{self!r} {digest_of(held)[:16]}"

    def sample(self, n_tasks: int, rng: np.random.Generator) -> Task:
        """T = `n_tasks` batches: x float32 (T, n_images / 2, 1 or 3, H, W) in [0, 1], y int64 (T, n_images / 2).

        Each image is drawn by itself: first a class, all equally likely, then one of its images.
        """
        shape = (require_count("n_tasks", n_tasks), self.n_images)
        require_rng("rng", rng)
        labels = rng.integers(0, self.n_classes, shape)
        turns, classes = np.divmod(labels, len(self.image_set))
        numbers = rng.integers(0, self.image_set.per_class[classes])
        pixels = _turned(self.image_set.pick(classes[..., None], numbers[..., None]), turns)
        x, half = _as_input(pixels[:, :, 0]), self.n_images // 2
        return Task(Examples(x[:, :half], labels[:, :half]), Examples(x[:, half:], labels[:, half:]))


@dataclass(frozen=True)
class Numbered(Family):
    """The tasks that `Episodes` draws of as many classes and drawings, with the drawings' numbers for inputs.

    Drawing d of class c has the number c * `each` + d, so that every learner can look its own picture of it up.
    """

    classes: int
    each: int
    n_way: int
    k_shot: int
    n_query: int

    def sample(self, n_tasks: int, rng: np.random.Generator) -> Task:
        """x and y of support (T, n_way * k_shot) and query (T, n_way * n_query), all int64."""
        chosen = choose(rng, n_tasks, self.n_way, self.classes)
        shown = choose(rng, n_tasks * self.n_way, self.k_shot + self.n_query, self.each)
        numbers = chosen[..., None] * self.each + shown.reshape(n_tasks, self.n_way, -1)
        parts = numbers[..., : self.k_shot], numbers[..., self.k_shot :]
        labels = (np.tile(np.repeat(np.arange(self.n_way), part.shape[2]), (n_tasks, 1)) for part in parts)
        return Task(*(Examples(part.reshape(n_tasks, -1), y) for part, y in zip(parts, labels, strict=True)))
