"""The episode browser: N-way K-shot tasks of real drawings, dealt anew at a press; and a game of guessing.

All episodes that a page can show are dealt here, by NumPy; `episodes.js` picks from them and draws, so that page
and kernel hold the same task.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import traitlets

from mlcourse import baselines
from mlcourse.arguments import require_count
from mlcourse.lessons import figures
from mlcourse.lessons.widgets import base, images
from mlcourse.tasks.images import ImageSet
from mlcourse.tasks.task import Examples, Task

CLASSES = 24  # so many travel with the widget; few enough that a character comes again under another label
EPISODES = 24
WAYS, SHOTS, QUERIES = (2, 10), (1, 5), (1, 5)
LIMITS = {"n_way": WAYS, "k_shot": SHOTS, "n_query": QUERIES}
DRAWINGS = SHOTS[1] + QUERIES[1]  # of each class


@dataclass(frozen=True)
class Deck:
    """Drawings, and the order in which every episode deals them. C classes, E episodes.

    images: uint8 (C, DRAWINGS, H, W), 255 is ink, in the sixteen greys that can travel.
    classes: (E, WAYS[1]), which class has label 0, 1, ...; an episode of fewer ways takes the first ones.
    drawings: (E, WAYS[1], DRAWINGS), for each label the order of its drawings: the first five may be support, the
        last five query, so that one more of either changes none of those that are there.
    mixed: (E, WAYS[1] * QUERIES[1]), the order in which queries are asked; number QUERIES[1] * label + i is the
        label's query i, and those that an episode does not have are passed over.
    """

    images: np.ndarray
    classes: np.ndarray
    drawings: np.ndarray
    mixed: np.ndarray

    @classmethod
    def shuffle(cls, image_set: ImageSet, rng: np.random.Generator) -> "Deck":
        """Choose classes and drawings of the set, and deal EPISODES episodes."""
        base.require_kind("image_set", image_set, ImageSet)
        if image_set.channels > 1:
            raise ValueError(f"image_set is {image_set!r}; give one of grey images")
        enough = np.flatnonzero(image_set.per_class >= DRAWINGS)
        if len(enough) < WAYS[1]:
            raise ValueError(
                f"image_set is {image_set!r}, of which {len(enough)} classes have {DRAWINGS} images; "
                f"give a set with {WAYS[1]} such classes or more"
            )
        chosen = rng.choice(enough, min(CLASSES, len(enough)), replace=False)
        shown = [rng.choice(count, DRAWINGS, replace=False) for count in image_set.per_class[chosen]]
        return cls(
            images=images.to_greys(image_set.pick(chosen[:, None], shown)),
            classes=np.array([rng.choice(len(chosen), WAYS[1], replace=False) for _ in range(EPISODES)]),
            drawings=rng.permuted(np.tile(np.arange(DRAWINGS), (EPISODES, WAYS[1], 1)), axis=2),
            mixed=rng.permuted(np.tile(np.arange(WAYS[1] * QUERIES[1]), (EPISODES, 1)), axis=1),
        )

    def task(self, number: int, n_way: int, k_shot: int, n_query: int) -> Task:
        """Episode `number` as `Episodes` would give it, without the task axis: x (n, 1, H, W), y (n,)."""
        support, query = np.arange(k_shot), SHOTS[1] + np.arange(n_query)
        return Task(*(self._examples(number, n_way, places) for places in (support, query)))

    def _examples(self, number: int, n_way: int, places: np.ndarray) -> Examples:
        classes, drawings = self.classes[number, :n_way], self.drawings[number, :n_way][:, places]
        pixels = self.images[classes[:, None], drawings]  # (n_way, places, H, W)
        x = pixels.reshape(-1, 1, *pixels.shape[2:]) / np.float32(255)
        return Examples(x, np.repeat(np.arange(n_way), len(places)))

    def order(self, number: int, n_way: int, n_query: int) -> np.ndarray:
        """In which order the episode's queries are asked: indices into its `query` (n_way * n_query,)."""
        label, i = np.divmod(self.mixed[number], QUERIES[1])
        asked = (label < n_way) & (i < n_query)
        return label[asked] * n_query + i[asked]


class EpisodeBrowser(base.Widget):
    """Browse N-way K-shot episodes of an image set; hide the labels of their queries and guess them.

    image_set: grey images, ten classes of ten drawings or more. n_way: 2 to 10 classes; k_shot and n_query: 1 to 5
    of each class. seed: chooses the classes that travel with the widget and deals its 24 episodes. hidden: begin
    with the guessing game.
    """

    _esm = base.script("episodes/episodes.js")
    _css = base.style()
    data = traitlets.Dict().tag(sync=True, stored=True)
    number = traitlets.Int(0, min=0, max=EPISODES - 1).tag(sync=True, stored=True)
    n_way = traitlets.Int().tag(sync=True, stored=True)
    k_shot = traitlets.Int().tag(sync=True, stored=True)
    n_query = traitlets.Int().tag(sync=True, stored=True)
    hidden = traitlets.Bool(False).tag(sync=True, stored=True)
    guesses = traitlets.List(traitlets.Int()).tag(sync=True, stored=True)

    def __init__(
        self,
        image_set: ImageSet,
        n_way: int = 5,
        k_shot: int = 1,
        n_query: int = 3,
        *,
        seed: int = 0,
        hidden: bool = False,
    ):
        self.deck = Deck.shuffle(image_set, np.random.default_rng(require_count("seed", seed, least=0)))
        self.shown = f"EpisodeBrowser({image_set!r}"
        super().__init__(data=self._payload(), n_way=n_way, k_shot=k_shot, n_query=n_query, hidden=hidden)

    def __repr__(self) -> str:
        return (
            f"{self.shown}, n_way={self.n_way}, k_shot={self.k_shot}, n_query={self.n_query}, "
            f"number={self.number} of {EPISODES - 1})"
        )

    def episode(self) -> Task:
        """The task on the screen: support x float32 (n_way * k_shot, 1, H, W), ink is 1; y (n_way * k_shot,)."""
        return self.deck.task(self.number, self.n_way, self.k_shot, self.n_query)

    @property
    def order(self) -> np.ndarray:
        """The order in which hidden queries are asked: indices into `episode().query`."""
        return self.deck.order(self.number, self.n_way, self.n_query)

    @property
    def right(self) -> np.ndarray:
        """Which of the guesses so far are right: bool (guesses,)."""
        asked = self.order[: len(self.guesses)]
        return self.episode().query.y[asked] == np.array(self.guesses, dtype=int)

    @property
    def pixels_right(self) -> int:
        """How many of the episode's queries the nearest class mean on pixels gets right."""
        task = self.episode()
        scores = baselines.nearest_class_mean()(task.support, task.query.x)
        return int((scores.argmax(axis=1) == task.query.y).sum())

    @traitlets.validate("n_way", "k_shot", "n_query")
    def _in_range(self, proposal: Any) -> int:
        name = proposal["trait"].name
        return base.require_whole(name, proposal["value"], *LIMITS[name])

    @traitlets.validate("guesses")
    def _labels_of_queries(self, proposal: Any) -> list[int]:
        guesses, most = proposal["value"], self.n_way * self.n_query
        if len(guesses) > most or not all(0 <= guess < self.n_way for guess in guesses):
            raise base.StateError(f"guesses is {guesses}; give at most {most} labels from 0 to {self.n_way - 1}")
        return guesses

    @traitlets.observe("number", "n_way", "k_shot", "n_query")
    def _forget_guesses(self, change: Any) -> None:
        self.guesses = []

    def describe(self) -> str:
        task, of_support = self.episode(), "s" * (self.k_shot > 1)
        queries = f"then {self.n_query} query drawing{'s' * (self.n_query > 1)}"
        if self.hidden:
            queries = "the query drawings are hidden"
        return (
            f"Episode browser, episode {self.number + 1} of {EPISODES}: "
            f"a {self.n_way}-way {self.k_shot}-shot task. A row for each class: {self.k_shot} framed support "
            f"drawing{of_support}, {queries}. "
            f"Support shape {task.support.x.shape}, query {task.query.x.shape}."
        )

    def still(self) -> bytes:
        return base.to_png(figures.episode_grid(self.episode(), n_query=0 if self.hidden else self.n_query))

    def _payload(self) -> dict[str, Any]:
        """Everything that the script draws, as short JSON."""
        return {
            "width": self.deck.images.shape[3],
            "images": [[images.to_text(drawing) for drawing in drawings] for drawings in self.deck.images],
            "classes": self.deck.classes.tolist(),
            "drawings": ["".join(map(str, order)) for order in self.deck.drawings.reshape(EPISODES, -1)],
            "mixed": self.deck.mixed.tolist(),
            "limits": LIMITS,
        }
