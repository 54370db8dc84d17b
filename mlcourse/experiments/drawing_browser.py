"""The recogniser of drawings in the browser's own arithmetic: `render.js` and `network.js` in Chromium.

`reproduce drawing` judges it on the same tasks as torch, and the tests hold the two together.
"""

import importlib.util
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from mlcourse import doctor
from mlcourse.lessons.widgets import base

# What Python asks of the page. Drawings that it has seen keep their numbers.
from mlcourse.lessons.widgets.drawing.drawing import to_page
from mlcourse.tasks.drawings import SIDE, Strokes

MEASURE = """
const net = readNetwork(carried), drawings = [], points = [];
const see = (more) => more.map((strokes) => {
  const image = render(strokes), point = embed(net, image);
  drawings.push(strokes);
  points.push(point);
  return { image: Array.from(image), point: Array.from(point) };
});
const middles = (support, labels, nWay) => Array.from({ length: nWay }, (_, label) =>
  meanOf(support.filter((_, i) => labels[i] === label).map((number) => points[number])));
const classify = (support, labels, queries, nWay) => {
  const classes = middles(support, labels, nWay);
  return queries.map((number) => logProbabilities(points[number], classes));
};
const milliseconds = (support, labels, nWay, count) => { // from strokes to probabilities
  const classes = middles(support, labels, nWay), timed = drawings.slice(0, count), started = performance.now();
  timed.forEach((strokes) => logProbabilities(embed(net, render(strokes)), classes));
  return (performance.now() - started) / timed.length;
};
window.recogniser = { see, classify, milliseconds };
"""


def missing() -> str:
    """One line that says what is not here and how to get it; empty when the browser can be asked."""
    if importlib.util.find_spec("playwright") is None:
        return "Playwright is not installed: pip install -c constraints.txt -e '.[test]'"
    if doctor.find_browser() is None:
        return f"no Chromium or Chrome was found: {doctor.browser().fix}"
    return ""


class Recogniser:
    """A page that recognises drawings. `see` them first; then they go by their numbers, 0, 1, ... as seen."""

    def __init__(self, page: Any, weights: dict[str, np.ndarray]):
        scripts = "\n".join(base.script(f"drawing/{name}.js") for name in ("render", "network"))
        scripts = re.sub(r"^export ", "", scripts, flags=re.MULTILINE)
        carried = base.to_script(to_page(weights))
        page.add_script_tag(content=f"(() => {{{scripts}\nconst carried = {carried};\n{MEASURE}}})();")
        self.page = page

    def _ask(self, what: str, *arguments: Any) -> Any:
        """Call one of the page's functions: text in, text out, which is quicker than Playwright's own way."""
        ask = f"text => JSON.stringify(recogniser.{what}(...JSON.parse(text)))"
        return json.loads(self.page.evaluate(ask, json.dumps(arguments)))

    def see(self, drawings: list[Strokes]) -> tuple[np.ndarray, np.ndarray]:
        """Images (n, 28, 28) and points (n, channels) of the drawings, float64."""
        seen = self._ask("see", [[stroke.tolist() for stroke in strokes] for strokes in drawings])
        images = np.array([one["image"] for one in seen]).reshape(-1, SIDE, SIDE)
        return images, np.array([one["point"] for one in seen])

    def classify(self, support: np.ndarray, labels: np.ndarray, queries: np.ndarray, n_way: int) -> np.ndarray:
        """Log-probabilities (Q, n_way) of the drawings numbered `queries` (Q,), from those numbered `support`."""
        return np.array(self._ask("classify", support.tolist(), labels.tolist(), queries.tolist(), n_way))

    def milliseconds(self, support: np.ndarray, labels: np.ndarray, n_way: int, count: int) -> float:
        """Mean time for one recognition, from strokes to probabilities, of the first `count` drawings seen."""
        return self._ask("milliseconds", support.tolist(), labels.tolist(), n_way, count)


@contextmanager
def open_recogniser(weights: dict[str, np.ndarray]) -> Iterator[Recogniser]:
    """A recogniser in a browser of its own, which is closed at the end."""
    from playwright.sync_api import sync_playwright  # here: only authors have it

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=doctor.find_browser())
        yield Recogniser(browser.new_page(), weights)
        browser.close()
