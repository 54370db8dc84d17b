"""Notebooks in JupyterLab: what nobody ran or trusted shows pictures, and the kernel sees what a reader does."""

from __future__ import annotations

import contextlib
import json
import pathlib
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser

import nbformat
import numpy as np
import pytest
from playwright.sync_api import Locator, Page, TimeoutError

from mlcourse.lessons import figures
from mlcourse.lessons.widgets import EpisodeBrowser, OwnWave, base, experiment
from mlcourse.tasks import glyphs
from tests.browser.hands import Lab, caption, drag, handle, middle, notebook, numbers, stored, things_of_authors
from tests.browser.test_every_widget import WIDGETS
from tests.conftest import LabServer, watch

pytestmark = pytest.mark.browser

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
ERROR = ".jp-OutputArea-output :text('Error displaying widget')"


@pytest.fixture(scope="module")
def lab(browser: object, lab_server: LabServer) -> Iterator[Lab]:
    """JupyterLab, loaded once: each test opens its notebook there."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    yield Lab(watch(context), lab_server)
    context.close()


# ---- untrusted and not yet run ----


class Words(HTMLParser):
    """Collects the alt texts of a piece of HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.found.add(dict(attrs).get("alt") or "")


def stored_words(path: pathlib.Path, *, at_once: bool = False) -> set[str]:
    """The alt texts of all pictures that the notebook stores, or of those that wait for no answer."""
    words = Words()
    for cell in nbformat.read(path, as_version=4).cells:
        for output in [] if at_once and cell.metadata.get("collapsed") else cell.get("outputs", []):
            words.feed(output.get("data", {}).get("text/html", "").split("<script>")[0])
    return words.found


SHOW_ALL = "jupyterapp.commands.execute('notebook:show-all-cell-outputs').then(() => null)"
SHOWN = """() => [...document.querySelectorAll('.jp-OutputArea-output img')]
    .filter((picture) => picture.complete && picture.naturalWidth > 0).map((picture) => picture.alt)"""


def shown_words(page: Page, expected: set[str]) -> set[str]:
    """The alt texts of all pictures that have loaded, once they are as many as expected."""
    with contextlib.suppress(TimeoutError):  # who compares the words says more
        page.wait_for_function(f"(count) => new Set(({SHOWN})()).size >= count", arg=len(expected), timeout=20_000)
    return set(page.evaluate(SHOWN))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_of_the_course_shows_its_pictures(path: pathlib.Path, lab: Lab) -> None:
    page, expected, at_once = lab.open(path.name), stored_words(path), stored_words(path, at_once=True)
    assert "" not in expected
    assert shown_words(page, at_once) == at_once
    in_its_place = page.locator(".jp-OutputPlaceholder").all_inner_texts()
    assert "".join(in_its_place).strip() == "", "what stands in place of an answer tells it"
    page.evaluate(SHOW_ALL)
    assert shown_words(page, expected) == expected
    assert page.locator(ERROR).count() == 0
    assert lab.watched.outside == []


def test_an_answer_waits_until_its_cell_is_run(lab: Lab) -> None:
    """Three dots in its place; running the cell opens it, and so does a click on the dots."""
    cells = notebook(*[(f"print('new {i}')", printed(f"old {i}")) for i in range(3)])
    for cell in cells["cells"][:2]:
        cell["metadata"] = {"collapsed": True, "jupyter": {"outputs_hidden": True}, "tags": ["answer"]}
    page = lab.open("waits.ipynb", cells)
    outputs = page.locator(".jp-OutputArea-output")
    page.get_by_text("old 2").wait_for()
    dots = page.locator(".jp-OutputPlaceholder")
    assert dots.count() == 2 and outputs.all_inner_texts() == ["old 2"]
    dots.nth(1).click()
    page.get_by_text("old 1").wait_for()
    lab.run(0)
    outputs.get_by_text(re.compile("^new 0")).wait_for(timeout=20_000)
    assert dots.count() == 0 and outputs.all_inner_texts() == ["new 0\n", "old 1", "old 2"]


def printed(text: str) -> dict:
    return {"output_type": "stream", "name": "stdout", "text": text}


def draw(inner_steps: int = 1, inner_lr: float = 0.01) -> object:
    figure, axes = figures.canvas()
    axes.plot([0, inner_steps], [0, inner_lr])
    return figure


def test_every_widget_shows_its_picture_and_how_to_bring_it_to_life(lab: Lab) -> None:
    tried = experiment(draw, alt="A line.", inner_steps=(0, 5), inner_lr=(0.001, 0.05))
    cells = [(name, stored(widget.make())) for name, widget in WIDGETS.items()]
    page = lab.open("unrun.ipynb", notebook(*cells, ("tried", stored(tried))))
    outputs = page.locator(".jp-OutputArea-output")
    for number, widget in enumerate(WIDGETS.values()):
        picture = outputs.nth(number).locator("img")
        picture.wait_for(timeout=30_000)
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 300
        assert picture.get_attribute("alt").startswith(widget.words)
        assert base.HINT in outputs.nth(number).text_content()
    assert page.get_by_alt_text("A line.").evaluate("image => image.decode().then(() => image.naturalWidth)") > 300
    line = "With a kernel (run this cell) sliders for inner_steps and inner_lr appear here."
    assert page.get_by_text(line).is_visible() and page.locator(".widget-slider").count() == 0
    assert page.locator(".mlc").count() == 0 and page.locator(ERROR).count() == 0
    assert lab.watched.outside == []


def test_a_learner_sees_nothing_of_the_authors(lab: Lab) -> None:
    """Nor does an author, in whose environment this runs, without `make lab TEACH=1` (see test_teaching.py)."""
    assert things_of_authors(lab.open(NOTEBOOKS[0].name)) == set()


# ---- the kernel sees the state, and the page what the kernel does ----


def seen_by_kernel(lab: Lab, cell: int) -> str:
    """What a cell that prints "kernel sees …" says, run now."""
    lab.run(cell)
    printed = lab.page.locator(".jp-OutputArea-output").get_by_text(re.compile("^kernel sees "))
    printed.wait_for(timeout=20_000)
    return printed.text_content().removeprefix("kernel sees ").strip()


@pytest.fixture
def live(lab: Lab) -> Iterator[Callable[..., Locator]]:
    """A function that opens a notebook, runs its first cell, and gives the widget that comes; all on 127.0.0.1."""

    def run(*cells: str) -> Locator:
        page = lab.open("live.ipynb", notebook(*cells))
        lab.run(0)
        page.locator(".mlc").wait_for(timeout=60_000)
        return page.locator(".mlc")

    yield run
    assert lab.watched.outside == []


def test_the_stepper_and_the_kernel(lab: Lab, live: Callable[..., Locator]) -> None:
    stepper = live(
        "from mlcourse.lessons.widgets import Stepper\ns = Stepper()\ns",
        "print('kernel sees', s.index, s.method)",
        "s.index = 0",
    )
    stepper.get_by_role("button", name="Outer step").click()
    stepper.get_by_role("button", name="Inner step").click()
    stepper.get_by_role("radio", name="Reptile").check()
    assert caption(stepper).startswith("Inner step 1 of 3")
    # JupyterLab's own keys, which choose, edit and delete cells, are kept away
    stepper.get_by_role("slider").focus()
    lab.page.keyboard.press("ArrowRight")
    assert stepper.get_attribute("data-index") == "6"
    stepper.get_by_role("button", name="Back").focus()
    lab.page.keyboard.press("Enter")
    stepper.get_by_role("radio", name="First-order MAML").focus()
    lab.page.keyboard.press("ArrowDown")
    assert seen_by_kernel(lab, 1) == "5 reptile"
    lab.run(2)
    lab.page.locator('.mlc[data-index="0"]').wait_for(timeout=20_000)


def test_your_own_sinusoid_and_the_kernel_compute_the_same_curves(lab: Lab, live: Callable[..., Locator]) -> None:
    curve = "[round(v, 6) for v in own.curves()['maml'][::50, 0].tolist()]"
    own = live(
        "from mlcourse.lessons.widgets import OwnWave\nown = OwnWave()\nown",
        f"import json\nprint('kernel sees', json.dumps([own.step, own.points[0], {curve}, own.caption()]))",
        "own.step = 10",
    )
    own.get_by_role("button", name="Step", exact=True).click()
    point = handle(own, "Point 1 of 5")
    x, y = middle(point)
    drag(lab.page, [(x, y), (x - 30, y - 40)])
    said, at = caption(own), numbers(point.get_attribute("aria-valuetext"))
    step, first, curve, words = json.loads(seen_by_kernel(lab, 1))
    assert step == 1 and words == said
    assert first == pytest.approx(at, abs=0.051)
    here = OwnWave()
    here.points, here.step = [first, *here.points[1:]], 1
    np.testing.assert_allclose(curve, here.curves()["maml"][::50, 0], atol=1e-6)
    drawn = own.locator("polyline.after.maml").get_attribute("points").split()
    ys = [float(pair.split(",")[1]) for pair in drawn[::50]]
    slope, intercept = np.polyfit(curve, ys, 1)
    np.testing.assert_allclose(np.polyval([slope, intercept], curve), ys, atol=0.2)  # pixels
    lab.run(2)
    lab.page.locator('.mlc[data-step="10"]').wait_for(timeout=20_000)


def test_the_landscape_and_the_kernel(lab: Lab, live: Callable[..., Locator]) -> None:
    landscape = live(
        "from mlcourse.lessons.widgets import Landscape\ns = Landscape()\ns",
        "print('kernel sees', s.method, [round(w, 3) for w in s.theta], *s.directions()['maml'].round(6) + 0)",
        "s.preset = 'alike'",
    )
    landscape.get_by_role("button", name="Go there").click()
    assert seen_by_kernel(lab, 1) == "maml [-1.2, -0.8] 0.0 0.0"
    lab.run(2)
    handle(landscape, "Minimum of task 3").wait_for(timeout=20_000)
    assert json.loads(landscape.get_attribute("data-theta")) == [-1.6, 1.6]


def test_the_episode_browser_and_the_kernel_hold_the_same_task(lab: Lab, live: Callable[..., Locator]) -> None:
    episodes = live(
        "from mlcourse.tasks import glyphs\nfrom mlcourse.lessons.widgets import EpisodeBrowser\n"
        "b = EpisodeBrowser(glyphs.splits().test)\nb",
        "print('kernel sees', b.number, b.episode().support.x.shape, b.guesses, b.right.tolist())",
        "b.n_query = 1\nb.number = 5",
    )
    episodes.get_by_role("button", name="Another episode").click()
    for name, value in {"n_way": 4, "k_shot": 2}.items():
        episodes.get_by_role("slider", name=name).fill(str(value))
    episodes.get_by_role("radio", name="hide them: I guess").check()
    guesses = [1, 2, 3, 0, 1]
    for label in guesses:
        episodes.locator(".mlc-answer").nth(label).click()
    here = EpisodeBrowser(glyphs.splits().test, n_way=4, k_shot=2)
    here.number, here.guesses = 1, guesses
    assert seen_by_kernel(lab, 1) == f"1 (8, 1, 28, 28) {guesses} {here.right.tolist()}"
    lab.run(2)  # fewer queries than were guessed
    lab.page.locator('.mlc[data-number="5"][data-guesses="0"]').wait_for(timeout=20_000)
    assert not [error for error in lab.watched.errors if "TypeError" in error]


def test_the_prototype_explorer_and_the_kernel(lab: Lab, live: Callable[..., Locator]) -> None:
    explorer = live(
        "from mlcourse.lessons.widgets import PrototypeExplorer\nw = PrototypeExplorer()\nw",
        "import json\nprint('kernel sees', json.dumps([w.counts, w.distance, w.probabilities.round(2).tolist()]))",
        "w.examples = [[[-1, 0]], [[1, 0]]]\nw.query = [0, 2]\nw.distance = 'squared'",
    )
    explorer.get_by_role("button", name="Add class").click()
    explorer.get_by_role("button", name="Add example").click()
    explorer.get_by_role("radio", name="distance", exact=True).check()
    x, y = middle(handle(explorer, "Query"))
    drag(lab.page, [(x, y), (x - 60, y + 30)])
    rows = explorer.locator(".mlc-table tbody tr")
    on_screen = [numbers(text)[0] for text in rows.locator("td:nth-of-type(1)").all_inner_texts()]
    counts, distance, probabilities = json.loads(seen_by_kernel(lab, 1))
    assert counts == [3, 1, 2, 2] and distance == "euclidean"
    np.testing.assert_allclose(on_screen, probabilities, atol=0.0101)
    lab.run(2)
    lab.page.get_by_text("The query belongs to class 0 with probability 0.50.").wait_for(timeout=20_000)
    assert rows.count() == 2


def test_draw_it_once_and_the_kernel_compute_the_same_numbers(lab: Lab, live: Callable[..., Locator]) -> None:
    known = "once.cards[0], once.query, once.probabilities().tolist(), once.images()[-1].sum()"
    drawing = live(
        "from mlcourse.lessons.widgets import DrawOnce\nonce = DrawOnce()\nonce",
        f"import json\nprint('kernel sees', json.dumps([{known}]))",
        "once.cards = once.cards[1:]",
    )
    page, paper = lab.page, drawing.locator(".paper")
    drawing.get_by_role("radio", name="symbol 1").check()
    paper.focus()
    for key in ("Backspace", "Backspace", "Backspace", "Space", "Shift+ArrowRight", "Shift+ArrowDown", "Space"):
        page.keyboard.press(key)
    assert drawing.get_attribute("data-strokes") == "1"  # JupyterLab's own keys kept away
    drawing.get_by_role("radio", name="new drawing").check()
    drawing.get_by_role("button", name="Clear").click()
    x, y = middle(paper)
    drag(page, [(x - 90, y + 60), (x - 45, y - 60), (x, y + 60), (x + 45, y - 60), (x + 90, y + 60)])
    drag(page, [(x - 90, y), (x, y + 3), (x + 90, y)])
    assert drawing.get_attribute("data-strokes") == "2"
    card, query, probabilities, ink = json.loads(seen_by_kernel(lab, 1))
    assert card == [[[500, 500], [600, 500], [600, 600]]] and len(query) == 2 and len(query[0]) > 5
    bars = drawing.locator(".mlc-bars li").all()
    np.testing.assert_allclose([float(bar.get_attribute("data-share")) for bar in bars], probabilities, atol=1e-9)
    assert ink > 20
    drawing.get_by_role("radio", name="symbol 3").check()
    lab.run(2)  # its last card goes, which lies on the paper
    page.locator('.mlc[data-cards="2"][data-selected="1"]').wait_for(timeout=20_000)


EXPERIMENT = """
from mlcourse.lessons import figures
from mlcourse.lessons.widgets import experiment

def draw(inner_steps=1, inner_lr=0.01):
    figure, axes = figures.canvas()
    axes.plot([0, inner_steps], [0, inner_lr])
    if inner_steps == 3:
        raise ValueError("three is too many")
    return figure

tried = experiment(draw, alt="A line for {inner_steps} steps.", inner_steps=(0, 5), inner_lr=(0.001, 0.05, 0.001))
tried
"""


def test_an_experiment_s_slider_makes_the_kernel_draw_again(lab: Lab) -> None:
    page = lab.open("experiment.ipynb", notebook(EXPERIMENT.strip(), "print('kernel sees', tried.values)"))
    lab.run(0)
    page.get_by_alt_text("A line for 1 steps.").wait_for(timeout=60_000)
    assert page.get_by_text(re.compile("With a kernel")).count() == 0  # the live view is there instead
    assert page.locator(".widget-slider .widget-label").all_text_contents() == ["inner_steps", "inner_lr"]
    assert page.locator(".widget-readout").all_text_contents() == ["1", "0.0100"]
    page.locator(".noUi-handle").first.focus()
    page.keyboard.press("ArrowRight")
    page.get_by_alt_text("A line for 2 steps.").wait_for(timeout=20_000)
    page.keyboard.press("ArrowRight")
    page.get_by_text("ValueError: three is too many").wait_for(timeout=20_000)
    page.keyboard.press("ArrowRight")  # the sliders have stayed
    page.get_by_alt_text("A line for 4 steps.").wait_for(timeout=20_000)
    assert seen_by_kernel(lab, 1) == "{'inner_steps': 4, 'inner_lr': 0.01}"
    assert lab.watched.outside == []
