"""Draw it once: the reader draws a few symbols once each, then another, and a meta-trained network recognises it.

`drawing.js` draws and recognises in the browser, with or without a kernel; this file is the widget with the
strokes, from which the kernel computes the same numbers with torch.
"""

import base64
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import traitlets

from mlcourse import weights
from mlcourse.errors import DataError
from mlcourse.experiments import results
from mlcourse.fast import folded, protonet
from mlcourse.fast.networks import BLOCKS
from mlcourse.lessons import palette
from mlcourse.lessons.widgets import base
from mlcourse.tasks import drawings, glyphs

NAME = "drawing"  # of the weights and of the table
NEW = -1  # `selected` when the new drawing is on the paper
CARDS = (2, 5)
PAPER = 1000  # the paper's side; drawings are whole numbers from 0 to it
# The first view: letters of a script that the network was not trained on, by one drawer, and the third by another
EXAMPLES, AGAIN = ("Ethiopic ሮ", "Ethiopic ኖ", "Ethiopic ያ"), 2
DRAWER, OTHER_DRAWER = 4, 17

Drawing = list[list[list[int]]]  # strokes of points [x, y]


class DrawOnce(base.Widget):
    """Draw symbols once each and then another, which is recognised by a network that never saw them.

    cards: two to five drawings, one of each symbol. query: the new drawing. A drawing is a list of strokes, a
    stroke a list of points [x, y], whole numbers from 0 to 1000, y down; an empty list is one yet to be drawn.
    Without arguments both are examples.
    """

    _esm = base.script("drawing/drawing.js")
    _css = base.style()
    network = traitlets.Dict().tag(sync=True, stored=True)
    accuracy = traitlets.Unicode().tag(sync=True, stored=True)
    cards = traitlets.List().tag(sync=True, stored=True)
    query = traitlets.List().tag(sync=True, stored=True)
    selected = traitlets.Int(NEW, min=NEW).tag(sync=True, stored=True)

    def __init__(self, cards: Sequence[Drawing] | None = None, query: Drawing | None = None):
        wanted = f"a list of {CARDS[0]} to {CARDS[1]} drawings"
        examples = example() if cards is None else (list(base.require_several("cards", cards, wanted)), [])
        self.weights = stored_weights()
        super().__init__(
            network=to_page(self.weights),
            accuracy=_accuracy(),
            cards=examples[0],
            query=examples[1] if query is None else _checked("query", query),
        )

    def __repr__(self) -> str:
        strokes = [len(card) for card in self.cards]
        return f"DrawOnce(strokes of the cards: {strokes}, of the new drawing: {len(self.query)})"

    @traitlets.validate("cards")
    def _some_cards(self, proposal: Any) -> list[Drawing]:
        cards = proposal["value"]
        if not CARDS[0] <= len(cards) <= CARDS[1]:
            raise base.StateError(f"cards has {len(cards)} drawings; give from {CARDS[0]} to {CARDS[1]}")
        return [_checked(f"cards[{number}]", card) for number, card in enumerate(cards)]

    @traitlets.validate("query")
    def _a_drawing(self, proposal: Any) -> Drawing:
        return _checked("query", proposal["value"])

    @traitlets.observe("cards")
    def _stay_at_a_card(self, _: Any) -> None:
        self.selected = min(self.selected, len(self.cards) - 1)

    @traitlets.validate("selected")
    def _one_of_them(self, proposal: Any) -> int:
        return min(proposal["value"], len(self.cards) - 1)

    def images(self) -> np.ndarray:
        """What the network sees: float64 (cards + 1, 28, 28), the new drawing last; blank if empty."""
        blank = np.zeros((drawings.SIDE, drawings.SIDE))
        return np.array([drawings.render(strokes) if strokes else blank for strokes in (*self.cards, self.query)])

    def probabilities(self) -> np.ndarray:
        """The probability of each card's symbol, (cards,), by torch in float64; 0 for an empty card.

        Raises ValueError when there is nothing to compare.
        """
        drawn = np.array([bool(card) for card in self.cards])
        if not self.query or drawn.sum() < CARDS[0]:
            has = f"{drawn.sum()} drawn cards and {len(self.query)} strokes of a new drawing"
            raise ValueError(f"the widget has {has}; draw two cards or more, and the new one")
        points = folded.embed(self.weights, self.images())
        log_p = protonet.log_probabilities(points[-1:], points[:-1][drawn])  # one drawing is its class's mean
        found = np.zeros(len(drawn))
        found[drawn] = log_p[0].exp().numpy()
        return found

    def describe(self) -> str:
        drawn = f"{len(self.cards)} symbols, each drawn once, and a new drawing"
        try:
            shares = self.probabilities()
        except ValueError:
            return f"Draw it once: room for {drawn}. There is nothing to recognise yet."
        best = int(shares.argmax())
        return f"Draw it once: {drawn}. Of them it looks most like symbol {best + 1}: {percent(shares[best])}."

    def still(self) -> bytes:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8.4, 3.7), dpi=90, layout="constrained")
        count = len(self.cards)
        layout = [[f"card {i}" for i in range(count)] + ["query"], ["shares"] * count + ["image"]]
        axes = figure.subplot_mosaic(layout, width_ratios=[1] * count + [1.3])
        for number, card in enumerate(self.cards):
            _lines(axes[f"card {number}"], card, f"symbol {number + 1}")
        _lines(axes["query"], self.query, "the new drawing")
        axes["image"].imshow(self.images()[-1], cmap="Greys", vmin=0, vmax=1)
        axes["image"].set(title="what the network sees", xticks=[], yticks=[])
        self._bars(axes["shares"])
        return base.to_png(figure)

    def _bars(self, axes: Any) -> None:
        names = [f"symbol {number + 1}" for number in range(len(self.cards))]
        try:
            shares = self.probabilities()
        except ValueError:
            shares = np.zeros(len(names))
        axes.barh(names, shares, color=palette.TASKS[0], height=0.6)
        for name, share in zip(names, shares, strict=True):
            axes.text(share + 0.01, name, percent(share), va="center")
        axes.set(title="which symbol is it?", xlim=(0, 1.15), xticks=[])
        axes.invert_yaxis()
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)


def _lines(axes: Any, strokes: Drawing, title: str) -> None:
    for stroke in strokes:
        x, y = np.array(stroke).T
        axes.plot(x, y, ".-" if len(x) == 1 else "-", color=palette.LIGHT["ink"], linewidth=3)
    axes.set(title=title, xlim=(0, PAPER), ylim=(PAPER, 0), xticks=[], yticks=[], aspect="equal")


def percent(share: float) -> str:
    """A probability as `drawing.js` writes it."""
    return "> 99 %" if share >= 0.995 else "< 1 %" if share < 0.005 else f"{100 * share:.0f} %"


def stored_weights() -> dict[str, np.ndarray]:
    """The network's weights, float16. DataError when they are another network's, or more than float16 can hold."""
    stored = weights.load(NAME)
    channels = max((len(values) for values in stored.values() if values.ndim), default=0)  # in front of each
    weights.require_network(NAME, stored, folded.shapes(channels))
    with np.errstate(over="ignore"):
        small = {name: values.astype(np.float16) for name, values in stored.items()}
    for name, values in stored.items():
        if not np.array_equal(small[name], values):
            most = f"the largest of them is {np.abs(values).max():g}"
            raise DataError(
                f"weights {NAME!r}: {name!r} holds numbers that float16 cannot, {most}; round them first"
            )
    return small


@cache
def example() -> tuple[list[Drawing], Drawing]:
    """Three symbols of a script that the network never saw, and one of them by another drawer."""
    letters = glyphs.load().class_names.tolist()
    written = drawings.of_glyphs()
    cards = [_on_paper(written[letters.index(name)][DRAWER]) for name in EXAMPLES]
    return cards, _on_paper(written[letters.index(EXAMPLES[AGAIN])][OTHER_DRAWER])


def _on_paper(strokes: drawings.Strokes) -> Drawing:
    """The glyphs' canvas enlarged to the widget's paper."""
    return _plain([stroke * (PAPER / glyphs.CANVAS) for stroke in strokes])


def _plain(strokes: drawings.Strokes) -> Drawing:
    """Lists of whole numbers."""
    return [np.rint(stroke).astype(int).tolist() for stroke in strokes]


def _accuracy() -> str:
    """The measured accuracy on unseen handwriting, in %, in the browser's own arithmetic."""
    rows = {row["method"]: row["values"] for row in results.load(NAME)["rows"]}
    # Who had no browser has no row of its own; torch's is the same to two digits
    row = rows.get("the browser's own arithmetic") or rows.get("torch, float32")
    try:
        mean, _ = row["Omniglot, 1-shot"]
        return f"{mean:.1f}"
    except (KeyError, TypeError, ValueError) as error:
        raise base.table_lacks(NAME, error) from error


def _checked(name: str, drawing: Drawing) -> Drawing:
    """The drawing as plain lists, if it is empty or `render` can draw it and it lies on the paper."""
    if not isinstance(drawing, Sequence):
        raise base.StateError(f"{name} is {drawing!r}; give a list of strokes, each a list of points [x, y]")
    try:
        strokes = drawings.checked(drawing) if len(drawing) else []
    except ValueError as error:
        raise base.StateError(f"{name}: {error}") from error
    for number, stroke in enumerate(strokes):
        if stroke.min() < 0 or stroke.max() > PAPER:
            reach = f"from {stroke.min():g} to {stroke.max():g}"
            raise base.StateError(f"{name}: strokes[{number}] reaches {reach}; give numbers from 0 to {PAPER}")
    return _plain(strokes)


def to_page(weights: dict[str, np.ndarray]) -> dict[str, Any]:
    """The weights as `network.js` reads them: float16 in base64, block by block, kernels before biases."""
    numbers = np.concatenate([weights[f"{name}{block}"].ravel() for block in range(BLOCKS) for name in "wb"])
    return {"channels": len(weights["b0"]), "weights": base64.b64encode(numbers.astype("<f2").tobytes()).decode()}
