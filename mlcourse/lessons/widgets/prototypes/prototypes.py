"""The prototype explorer: classes as means, in a plane of the reader's own and in a learned space.

Pure state: `prototypes.js` draws it and lets the reader move it; what the kernel computes from it comes from
`mlcourse.reference`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import traitlets

from mlcourse.arguments import require_count
from mlcourse.lessons import palette
from mlcourse.lessons.widgets import base, images
from mlcourse.reference import matching, protonet
from mlcourse.reference.autograd import log_softmax
from mlcourse.tasks import drawings, glyphs
from mlcourse.tasks.images import Episodes, ImageSet

DISTANCES = {"squared": "squared distance", "euclidean": "distance", "cosine": "cosine"}
VIEWS = {"plane": "a plane of your own", "space": "the learned space"}
CLASSES, EXAMPLES = (2, 6), (1, 8)  # in the plane: how many classes, how many examples of each
WINDOW = ((-4.0, 4.0), (-3.0, 3.0))  # of the plane, where 0 is the origin that cosines are measured from
START = (((-2.4, 0.6), (-1.2, 1.8), (-2.6, 2.2)), ((2.2, 1.4),), ((0.6, -1.8), (1.6, -1.0)))
QUERY = (0.4, 0.5)
SPREAD = (1e-100, 1e100)  # of an embedding: squared distances in it are numbers, neither 0 nor infinite
SHOTS = 5  # so many support examples of each class travel with an episode of the learned space
MARKERS = "os^DpH"  # of matplotlib; the shapes that the page draws, too
HUES = [*palette.TASKS, palette.LIGHT["quiet"]]

Embedding = Callable[[np.ndarray], Any]  # x (n, 1, H, W) with ink 1 -> (n, d)


def log_probabilities(queries: np.ndarray, prototypes: np.ndarray, distance: str) -> np.ndarray:
    """log p(y = k | x), (n, n_way), for queries (n, d) and prototypes (n_way, d).

    The softmax of negative squared distances, of negative distances, or of cosines.
    """
    if distance == "squared":
        return protonet.log_probabilities(queries, prototypes)
    if distance == "euclidean":
        return log_softmax(-np.sqrt(protonet.squared_distances(queries, prototypes)))
    return log_softmax(matching.cosines(queries, prototypes))


@dataclass(frozen=True)
class EmbeddedEpisode:
    """An episode that went through a network; of each class the first SHOTS examples are support, the rest query.

    images: uint8 (n_way, n, H, W), 255 is ink. points: (n_way, n, d), their embeddings.
    """

    images: np.ndarray
    points: np.ndarray

    def __post_init__(self) -> None:
        if hasattr(self.points, "detach"):
            raise ValueError(f"points is a torch tensor of shape {tuple(self.points.shape)}; give a NumPy array")
        shape, dtype = self.images.shape, self.images.dtype
        if self.images.ndim != 4 or dtype != np.uint8 or shape[1] <= SHOTS:
            raise ValueError(
                f"images has shape {shape}, dtype {dtype}; give uint8 (n_way, n, H, W), n over {SHOTS}"
            )
        if not CLASSES[0] <= shape[0] <= CLASSES[1]:
            raise ValueError(f"images has shape {shape}; give {CLASSES[0]} to {CLASSES[1]} classes")
        if self.points.ndim != 3 or self.points.shape[:2] != shape[:2] or self.points.shape[2] < 2:
            raise ValueError(
                f"points has shape {self.points.shape}; images has shape {shape}, so give "
                f"({shape[0]}, {shape[1]}, d), d at least 2"
            )
        if not base.holds_numbers(self.points):
            raise ValueError(f"points has dtype {self.points.dtype}; give real numbers")
        largest = np.abs(self.points).max()
        if SPREAD[1] < largest < np.inf:
            reach = f"reach {largest:.3g}, where distances are infinite"
            raise ValueError(f"points, of shape {self.points.shape}, {reach}; divide them by a number")
        if not largest < np.inf or np.ptp(self.points, axis=(0, 1)).max() < SPREAD[0]:
            raise ValueError(
                f"points, of shape {self.points.shape}, are all the same or not finite; give a trained embedding"
            )

    @classmethod
    def draw(
        cls, embed: Embedding, image_set: ImageSet, n_way: int, n_query: int, rng: np.random.Generator
    ) -> "EmbeddedEpisode":
        """Draw an episode of grey images and embed it."""
        task = Episodes(image_set, n_way, SHOTS, n_query).sample(1, rng)
        parts = [part.x[0].reshape(n_way, -1, *part.x.shape[2:]) for part in task]
        x = np.concatenate(parts, axis=1)  # (n_way, SHOTS + n_query, 1, H, W)
        points = _embedded(embed, x.reshape(-1, *x.shape[2:]))
        return cls(np.rint(255 * x[:, :, 0]).astype(np.uint8), points.reshape(*x.shape[:2], -1))

    def turned(self) -> tuple["EmbeddedEpisode", float]:
        """The same points, their main directions as axes; and which share of their variance the first two hold.

        Distances and angles stay, though there are never more axes than points and one: no point lies outside.
        Rounded to what a page carries, four digits of the largest number.
        """
        flat = self.points.reshape(-1, self.points.shape[2])
        mean = flat.mean(axis=0)
        _, sizes, axes = np.linalg.svd(flat - mean, full_matrices=False)
        largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1, keepdims=True), axis=1)
        axes *= np.sign(largest)  # else the sign is chance
        beside = mean - axes.T @ (axes @ mean)  # where the origin lies beside these axes; cosines need it
        if np.linalg.norm(beside) > 1e-9 * np.linalg.norm(mean):
            axes = np.vstack([axes, beside / np.linalg.norm(beside)])
        points = np.round(self.points @ axes.T, 3 - int(np.floor(np.log10(np.abs(flat).max()))))
        return EmbeddedEpisode(self.images, points), float((sizes[:2] ** 2).sum() / (sizes**2).sum())


def _embedded(embed: Embedding, x: np.ndarray) -> np.ndarray:
    """What `embed` makes of n images, float64 (n, d); a ValueError when that is no row of numbers for each."""
    points = embed(x)
    if hasattr(points, "detach"):
        from mlcourse.fast.arrays import arrays  # here: who gives tensors has waited for torch

        points = arrays(points)
    try:
        points = np.asarray(points)
    except ValueError as error:
        raise ValueError(f"embed returned rows of different lengths ({error}); give ({len(x)}, d)") from error
    if points.ndim != 2 or len(points) != len(x) or not base.holds_numbers(points):
        raise ValueError(
            f"embed returned shape {points.shape} and dtype {points.dtype} for images of shape {x.shape}; give "
            f"real numbers of shape ({len(x)}, d), a row for each image"
        )
    return points.astype(np.float64)


class PrototypeExplorer(base.Widget):
    """Move classes: regions, prototypes and probabilities follow. And look at real episodes in a learned space.

    episodes: embedded episodes of equal n_way and n, as `shipped` and `from_embedding` make them; without any
    there is only the plane. distance: "squared", "euclidean" or "cosine". view: "plane" or "space".
    """

    _esm = base.script("prototypes/prototypes.js")
    _css = base.style()
    data = traitlets.Dict().tag(sync=True, stored=True)
    view = traitlets.Unicode().tag(sync=True, stored=True)
    distance = traitlets.Unicode().tag(sync=True, stored=True)
    examples = traitlets.List().tag(sync=True, stored=True)  # the plane: for each class its points [x, y]
    query = traitlets.List().tag(sync=True, stored=True)  # [x, y]
    episode = traitlets.Int(0, min=0).tag(sync=True, stored=True)  # the learned space
    k_shot = traitlets.Int(1, min=1, max=SHOTS).tag(sync=True, stored=True)
    selected = traitlets.Int(0, min=0).tag(sync=True, stored=True)  # a query: class by class, as in `queries`

    def __init__(
        self, episodes: Sequence[EmbeddedEpisode] = (), *, distance: str = "squared", view: str = "plane"
    ):
        episodes = base.require_several("episodes", episodes, "a list of embedded episodes")
        for number, episode in enumerate(episodes):
            if not isinstance(episode, EmbeddedEpisode):
                raise ValueError(f"episodes[{number}] is {episode!r}; give what EmbeddedEpisode.draw makes")
        shapes = {(episode.images.shape, episode.points.shape) for episode in episodes}
        if len(shapes) > 1:
            raise ValueError(f"episodes hold images and points of shapes {sorted(shapes)}; give one shape")
        self.dimensions = episodes[0].points.shape[2] if episodes else 0  # of the network's space
        turned = [episode.turned() for episode in episodes]
        self.episodes = [episode for episode, _ in turned]
        self.shares = [share for _, share in turned]
        super().__init__(data=self._payload(), distance=distance, view=view, examples=START, query=QUERY)

    @classmethod
    def from_embedding(
        cls,
        embed: Embedding,
        image_set: ImageSet,
        *,
        n_episodes: int = 5,
        n_way: int = 5,
        n_query: int = 4,
        seed: int = 0,
        **options: Any,
    ) -> "PrototypeExplorer":
        """With episodes of grey images from `image_set`, sent through `embed`: x (n, 1, H, W) to (n, d)."""
        if not callable(embed):
            raise ValueError(f"embed is {embed!r}; give a function of images (n, 1, H, W)")
        base.require_kind("image_set", image_set, ImageSet)
        rng = np.random.default_rng(require_count("seed", seed, least=0))
        many = range(require_count("n_episodes", n_episodes))
        drawn = [EmbeddedEpisode.draw(embed, image_set, n_way, n_query, rng) for _ in many]
        return cls(drawn, **options)

    @classmethod
    def shipped(cls, **options: Any) -> "PrototypeExplorer":
        """With letters that nobody trained on, in the space of the weights that the course ships for `DrawOnce`.

        The letters are of the glyphs' meta-test scripts, drawn as these weights want them (`tasks.drawings`).
        """
        from mlcourse.fast.folded import embed  # here: only who looks at this space waits for torch
        from mlcourse.lessons.widgets.drawing import drawing

        letters, stored = glyphs.splits().test, drawing.stored_weights()
        drawn = drawings.in_form(letters, drawings.of_glyphs(letters))
        return cls.from_embedding(lambda x: embed(stored, x[:, 0]), drawn, **options)

    def __repr__(self) -> str:
        if self.view == "plane":
            return f"PrototypeExplorer(view='plane', distance={self.distance!r}, examples={self.counts})"
        return (
            f"PrototypeExplorer(view='space', distance={self.distance!r}, episode={self.episode} of "
            f"{len(self.episodes) - 1}, k_shot={self.k_shot}, selected={self.selected})"
        )

    # --- what follows from the state ---

    @property
    def n_way(self) -> int:
        return len(self.examples) if self.view == "plane" else len(self.episodes[self.episode].points)

    @property
    def counts(self) -> list[int]:
        """How many examples each class of the plane has."""
        return [len(points) for points in self.examples]

    @property
    def points(self) -> np.ndarray:
        """The support examples on the screen, class by class: (S, 2) in the plane, (S, axes) in the learned space.

        The learned space is turned so that its first two axes are the picture's; distances are the network's.
        """
        if self.view == "plane":
            return np.concatenate([np.array(points, dtype=float) for points in self.examples])
        points = self.episodes[self.episode].points[:, : self.k_shot]
        return points.reshape(-1, points.shape[2])

    @property
    def labels(self) -> np.ndarray:
        """The classes of `points`: (S,)."""
        return np.repeat(np.arange(self.n_way), self.counts if self.view == "plane" else self.k_shot)

    @property
    def prototypes(self) -> np.ndarray:
        """The mean of each class: (n_way, 2) or (n_way, axes)."""
        return protonet.prototypes(self.points, self.labels, self.n_way)

    @property
    def queries(self) -> np.ndarray:
        """The reader's one query, (1, 2); or all queries of the episode, class by class, (Q, axes)."""
        if self.view == "plane":
            return np.array([self.query], dtype=float)
        points = self.episodes[self.episode].points[:, SHOTS:]
        return points.reshape(-1, points.shape[2])

    @property
    def probabilities(self) -> np.ndarray:
        """p(y = k | x) of the query, in the learned space of the selected one: (n_way,)."""
        chosen = self.queries[[self.selected if self.view == "space" else 0]]
        return np.exp(log_probabilities(chosen, self.prototypes, self.distance))[0]

    @property
    def judged_right(self) -> np.ndarray:
        """Which queries of the episode of the learned space are judged right: bool (Q,)."""
        self._require_space()
        guesses = log_probabilities(self.queries, self.prototypes, self.distance).argmax(axis=1)
        return guesses == np.repeat(np.arange(self.n_way), len(guesses) // self.n_way)

    # --- what the state may be ---

    def _require_space(self) -> None:
        if self.view != "space":
            raise ValueError(f"view is {self.view!r}; set it to 'space', where queries have classes")

    @traitlets.validate("view")
    def _known_view(self, proposal: Any) -> str:
        return base.require_one_of("view", proposal["value"], VIEWS if self.episodes else ["plane"])

    @traitlets.validate("distance")
    def _known_distance(self, proposal: Any) -> str:
        return base.require_one_of("distance", proposal["value"], DISTANCES)

    @traitlets.validate("examples")
    def _points_of_classes(self, proposal: Any) -> list:
        examples = proposal["value"]
        if not CLASSES[0] <= len(examples) <= CLASSES[1]:
            raise base.StateError(f"examples has {len(examples)} classes; give {CLASSES[0]} to {CLASSES[1]}")
        for number, points in enumerate(examples):
            if not isinstance(points, Sequence) or not EXAMPLES[0] <= len(points) <= EXAMPLES[1]:
                wanted = f"{EXAMPLES[0]} to {EXAMPLES[1]} points [x, y]"
                raise base.StateError(f"examples[{number}] is {points!r}; give {wanted}")
        return [
            [_inside(f"examples[{number}]", point) for point in of_class]
            for number, of_class in enumerate(examples)
        ]

    @traitlets.validate("query")
    def _point(self, proposal: Any) -> list:
        return _inside("query", proposal["value"])

    @traitlets.validate("episode")
    def _known_episode(self, proposal: Any) -> int:
        return min(proposal["value"], max(len(self.episodes) - 1, 0))

    @traitlets.validate("selected")
    def _known_query(self, proposal: Any) -> int:
        last = self.data["n_way"] * self.data["n_query"] - 1 if self.episodes else 0
        return min(proposal["value"], last)

    # --- what is shown ---

    def describe(self) -> str:
        best = int(self.probabilities.argmax())
        judged = f"class {best} with probability {self.probabilities[best]:.2f}, by {DISTANCES[self.distance]}"
        if self.view == "plane":
            counts = ", ".join(map(str, self.counts))
            return (
                f"Prototype explorer, {VIEWS['plane']}: {self.n_way} classes with {counts} examples, their "
                f"means and the regions where each is nearest. The query belongs to {judged}."
            )
        right = self.judged_right
        return (
            f"Prototype explorer, {VIEWS['space']}: drawings of {self.n_way} classes where the network puts them, "
            f"{self.k_shot} of each as support. {right.sum()} of {len(right)} queries are judged right; "
            f"the selected one is taken for {judged}."
        )

    def still(self) -> bytes:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5.6, 4.4), dpi=90, layout="constrained")
        axes = figure.subplots()
        (_draw_plane if self.view == "plane" else _draw_space)(axes, self)
        for number, (x, y) in enumerate(self.prototypes[:, :2]):
            axes.plot(x, y, "*", color=HUES[number], markersize=20, markeredgecolor="white", zorder=2.5)
            axes.annotate(f"$c_{number}$", (x, y), (9, 9), textcoords="offset points", fontsize=11)
        axes.set_title(f"{VIEWS[self.view]}, {DISTANCES[self.distance]}".capitalize(), fontsize=11)
        return base.to_png(figure)

    def _payload(self) -> dict[str, Any]:
        """Everything that the script draws, as short JSON."""
        shape = self.episodes[0].images.shape if self.episodes else (0, SHOTS, 0, 0)
        return {
            "views": VIEWS if self.episodes else {"plane": VIEWS["plane"]},
            "distances": DISTANCES,
            "window": WINDOW,
            "limits": {"classes": CLASSES, "examples": EXAMPLES, "k_shot": (1, SHOTS)},
            "start": {"examples": START, "query": QUERY},
            "n_way": shape[0],
            "n_query": shape[1] - SHOTS,
            "width": shape[3],
            "dimensions": self.dimensions,
            "episodes": [
                {
                    "images": [
                        list(map(images.to_text, drawings)) for drawings in images.to_greys(episode.images)
                    ],
                    "points": episode.points.tolist(),
                    "share": round(share, 4),
                }
                for episode, share in zip(self.episodes, self.shares, strict=True)
            ],
        }


def _inside(name: str, point: Any) -> list[float]:
    """`point` as a list of its own, if it is [x, y] inside the window."""
    place = base.as_numbers(point, (2,))
    if place is None or not all(low <= v <= high for v, (low, high) in zip(place, WINDOW, strict=True)):
        x, y = (f"from {low:g} to {high:g}" for low, high in WINDOW)
        raise base.StateError(f"{name} holds {point!r}; give [x, y], x {x} and y {y}")
    return place.tolist()


def _draw_plane(axes: Any, shown: PrototypeExplorer) -> None:
    x, y = (np.linspace(*side, 201) for side in WINDOW)
    grid = np.stack(np.meshgrid(x, y), axis=-1)
    nearest = log_probabilities(grid.reshape(-1, 2), shown.prototypes, shown.distance).argmax(axis=1)
    for number in range(shown.n_way):
        here = (nearest == number).reshape(grid.shape[:2])
        axes.contourf(x, y, here, [0.5, 1.5], colors=[HUES[number]], alpha=0.15)
        axes.contour(x, y, here, [0.5], colors=palette.LIGHT["quiet"], linewidths=0.8)
        points = shown.points[shown.labels == number]
        axes.plot(*points.T, MARKERS[number], color="white", markeredgecolor=HUES[number], markersize=13)
        for point in points:
            axes.annotate(str(number), point, ha="center", va="center", fontsize=8)
    axes.plot(*shown.query, "o", color=palette.LIGHT["ink"], markersize=14)
    axes.annotate("?", shown.query, ha="center", va="center", fontsize=10, color="white")
    axes.set(xlim=WINDOW[0], ylim=WINDOW[1], aspect="equal", xlabel="first number", ylabel="second number")


def _draw_space(axes: Any, shown: PrototypeExplorer) -> None:
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    episode = shown.episodes[shown.episode]
    for number, (pictures, points) in enumerate(zip(episode.images, episode.points, strict=True)):
        for i, (drawing, (x, y)) in enumerate(zip(pictures, points[:, :2], strict=True)):
            if shown.k_shot <= i < SHOTS:
                continue
            frame = {"edgecolor": HUES[number], "linewidth": 2 if i < SHOTS else 0.8}
            picture = OffsetImage(np.stack(3 * [255 - drawing], axis=-1), zoom=0.6)
            axes.add_artist(AnnotationBbox(picture, (x, y), bboxprops=frame, pad=0.1))
            axes.annotate(str(number), (x, y), (-13, 7), textcoords="offset points", fontsize=7)
    flat = episode.points[:, :, :2].reshape(-1, 2)
    axes.update_datalim(flat)
    axes.margins(0.08)
    axes.autoscale_view()
    axes.set(xlabel="first main direction", ylabel="second main direction")
