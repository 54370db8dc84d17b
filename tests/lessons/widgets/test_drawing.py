"""Draw it once without a browser: what the kernel computes from the strokes, and the stored HTML."""

import base64
import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

from mlcourse import weights
from mlcourse.errors import DataError
from mlcourse.experiments import results
from mlcourse.fast import protonet
from mlcourse.fast.folded import embed
from mlcourse.lessons.widgets.drawing.drawing import CARDS, EXAMPLES, NEW, DrawOnce, example, percent
from mlcourse.lessons.widgets.saving import WIDGET_VIEW
from mlcourse.tasks import drawings, glyphs

RING = [[[500 + round(300 * np.cos(t)), 500 + round(300 * np.sin(t))] for t in np.linspace(0, 6.2, 30)]]
BAR = [[[100, 500], [900, 520]]]
CROSS = [[[200, 200], [800, 800]], [[800, 200], [200, 800]]]


@pytest.fixture(scope="module")
def shown() -> DrawOnce:
    return DrawOnce()


# --- what the kernel computes ------------------------------------------------------------------------------


def test_the_example_is_of_a_script_that_the_network_never_saw(shown):
    assert set(EXAMPLES) <= set(glyphs.splits().test.class_names.tolist())
    assert shown.cards == example()[0] and shown.query == example()[1]
    assert shown.query not in shown.cards  # by another drawer
    assert int(shown.probabilities().argmax()) == 2


def test_images_are_the_rendered_strokes():
    made = DrawOnce([RING, [], CROSS], BAR)
    images = made.images()
    assert images.shape == (4, 28, 28) and not images[1].any()
    for image, strokes in zip(images[[0, 2, 3]], (RING, CROSS, BAR), strict=True):
        np.testing.assert_array_equal(image, drawings.render(strokes))


def test_probabilities_are_those_of_the_nearest_prototype():
    made = DrawOnce([RING, [], CROSS], BAR)
    points = embed(weights.load("drawing"), made.images())
    expected = protonet.classify(points[3:], points[[0, 2]], torch.tensor([0, 1]), 2).exp().numpy()[0]
    np.testing.assert_allclose(made.probabilities(), [expected[0], 0, expected[1]], rtol=1e-12)


def test_a_drawing_of_the_same_symbol_elsewhere_is_recognised():
    smaller = [[[x // 3 + 600, y // 3] for x, y in stroke] for stroke in CROSS]
    assert DrawOnce([RING, CROSS, BAR], smaller).probabilities()[1] > 0.95


@pytest.mark.parametrize("cards, query", [([RING, []], BAR), ([RING, BAR], [])])
def test_where_there_is_nothing_to_compare_it_says_so(cards, query):
    made = DrawOnce(cards, query)
    with pytest.raises(ValueError, match="draw two cards or more, and the new one"):
        made.probabilities()
    assert made.describe().endswith("There is nothing to recognise yet.")
    assert Image.open(io.BytesIO(made.still())).size[0] > 300


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"cards": [RING]}, f"cards has 1 drawings; give from {CARDS[0]} to {CARDS[1]}"),
        ({"cards": [RING] * 6}, "cards has 6 drawings"),
        ({"cards": [RING, [[[0, 0, 0]]]]}, "cards[1]: strokes[0] has shape (1, 3); give (n, 2)"),
        ({"cards": [5, RING]}, "cards[0] is 5; give a list of strokes, each a list of points [x, y]"),
        ({"query": [[[0, 9000]]]}, "query: strokes[0] reaches from 0 to 9000; give numbers from 0 to 1000"),
        ({"query": [[[0, float("nan")]]]}, "query: strokes[0] of shape (1, 2) holds nan at point 0"),
    ],
)
def test_wrong_drawings_are_named(arguments, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        DrawOnce(**arguments)


def test_the_paper_is_never_that_of_a_card_that_is_gone():
    made = DrawOnce([RING, BAR, CROSS])
    assert made.selected == NEW and made.query == []
    made.selected = 7
    assert made.selected == 2
    made.cards = made.cards[:2]
    assert made.selected == 1


def test_drawings_of_arrays_become_plain_lists_of_whole_numbers():
    made = DrawOnce([RING, [np.array([[0.4, 10.6], [1000, 0]])]])
    assert made.cards[1] == [[[0, 11], [1000, 0]]]
    assert "[[[0,11],[1000,0]]]" in made.to_html()


# --- what is stored ----------------------------------------------------------------------------------------


def test_the_output_holds_a_live_view_and_stored_html(shown):
    data, _ = shown._repr_mimebundle_()
    assert set(data) == {"text/plain", "text/html", WIDGET_VIEW}
    assert data["text/plain"] == "DrawOnce(strokes of the cards: [2, 1, 3], of the new drawing: 3)"


def test_the_stored_html_begins_with_a_picture_and_is_small(shown):
    page = shown.to_html()
    begin = r'<div id="mlc-[0-9a-f]{8}-\d+"><img alt="([^"]+)"[^>]*src="data:image/png;base64,([^"]+)"'
    image = re.match(begin, page)
    share = shown.probabilities().max()
    assert image[1].replace("&gt;", ">") == (
        "Draw it once: 3 symbols, each drawn once, and a new drawing. "
        f"Of them it looks most like symbol 3: {percent(share)}."
    )
    assert Image.open(io.BytesIO(base64.b64decode(image[2]))).size[0] > 300
    assert len(page.encode()) < 400_000 and page.count(shown.network["weights"]) == 1


def test_the_stored_html_asks_nobody_for_anything(shown):
    page = shown.to_html()
    assert not re.search(r"https?:|import\s|\bfetch\(|require\(|^export ", page, re.MULTILINE)
    assert page.count("</script") == 1 and "<!--" not in page
    state = json.loads(re.search(r"^const state=(.*);$", page, re.MULTILINE)[1])
    assert set(state) == {"accuracy", "cards", "network", "query", "selected"}
    assert state["cards"] == shown.cards


def test_the_page_carries_the_weights_without_loss(shown):
    kept = weights.load("drawing")
    numbers = np.frombuffer(base64.b64decode(shown.network["weights"]), "<f2").astype(float)
    order = [kept[f"{name}{block}"].ravel() for block in range(4) for name in "wb"]
    np.testing.assert_array_equal(numbers, np.concatenate(order))
    assert shown.network["channels"] == len(kept["b0"])


def test_the_accuracy_that_it_tells_is_measured(shown):
    rows = {row["method"]: row["values"] for row in results.load("drawing")["rows"]}
    measured = rows["the browser's own arithmetic"]["Omniglot, 1-shot"][0]
    assert shown.accuracy == f"{measured:.1f}"


def test_weights_and_tables_that_lack_something_are_named(monkeypatch):
    whole, table = weights.load("drawing"), results.load("drawing")
    for held, words in (
        ({name: value for name, value in whole.items() if name != "b0"}, "'b0' is missing, in this network (40,)"),
        (whole | {"w1": whole["w1"][:, :39]}, "'w1' is (40, 39, 3, 3), in this network (40, 40, 3, 3)"),
        (whole | {"w4": whole["w3"]}, "'w4' is (40, 40, 3, 3), in this network missing"),
        (whole | {"b3": whole["b3"] + 1e5}, "'b3' holds numbers that float16 cannot, the largest of them is 100"),
    ):
        monkeypatch.setattr(weights, "load", lambda name, held=held: held)
        with pytest.raises(DataError, match=re.escape(words)):
            DrawOnce()
    monkeypatch.undo()
    monkeypatch.setattr(results, "load", lambda name: table | {"rows": []})
    with pytest.raises(DataError, match="drawing.json lacks what a widget needs .* git checkout"):
        DrawOnce()


@pytest.mark.parametrize("share, words", [(0.97, "97 %"), (0.9951, "> 99 %"), (0.0049, "< 1 %"), (0.5, "50 %")])
def test_a_probability_in_words(share, words):
    assert percent(share) == words


def test_the_picture_follows_the_drawing(shown):
    assert DrawOnce().still() == shown.still()
    assert DrawOnce(shown.cards, BAR).still() != shown.still()
