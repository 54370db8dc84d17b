"""Each widget of the published course in a reader's hands: by mouse, by finger and by keyboard, with no kernel.

A page's widgets are those that its HTML stores. What a reader does to each kind stands once, in OPERATE: the three
hands press, choose, move and draw in their own ways.
"""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.book.conftest import open_answers, wait_for_maths
from tests.browser.hands import PHONE, caption, drag, handle, middle, numbers, swipe
from tests.conftest import Watched

pytestmark = [pytest.mark.book, pytest.mark.browser]

BEGIN = re.compile(r'<div id="mlc-[0-9a-f]+-\d+"><img ')  # of a widget's stored HTML


# ---- three hands ----


class Hand:
    """Presses a button, chooses one of several, moves a thing and draws a stroke: both to the right and up."""

    screen = {"width": 1200, "height": 900}

    def __init__(self, page: Page):
        self.page = page


class Mouse(Hand):
    def press(self, button: Locator) -> None:
        button.click()

    def choose(self, radio: Locator) -> None:
        self.page.mouse.click(*middle(radio))

    def move(self, thing: Locator) -> None:
        x, y = middle(thing)
        drag(self.page, [(x, y), (x + 30, y - 30)])

    draw = move


class Finger(Hand):
    screen = PHONE

    def press(self, button: Locator) -> None:
        button.tap()

    def choose(self, radio: Locator) -> None:
        self.page.touchscreen.tap(*middle(radio))

    def move(self, thing: Locator) -> None:
        x, y = middle(thing)
        before = self.page.evaluate("scrollY")
        swipe(self.page, (x, y), (x + 30, y - 30))
        assert self.page.evaluate("scrollY") == before  # the page stays where it is

    draw = move


class Keyboard(Hand):
    HAS_FOCUS = "(element) => element === document.activeElement"
    IN_GROUP = "(radio) => radio.closest('[role=radiogroup], fieldset').contains(document.activeElement)"

    def reach(self, target: Locator, there: str = HAS_FOCUS) -> None:
        """Tab from the widget's beginning to the target."""
        target.locator("xpath=ancestor::*[contains(@class, 'mlc ')]").evaluate(
            "(widget) => { widget.tabIndex = -1; widget.focus(); widget.removeAttribute('tabindex'); }"
        )
        for _ in range(40):
            self.page.keyboard.press("Tab")
            if target.evaluate(there):
                return
        raise AssertionError(f"Tab does not lead to {target}")

    def press(self, button: Locator) -> None:
        self.reach(button)
        self.page.keyboard.press("Enter")

    def choose(self, radio: Locator) -> None:
        self.reach(radio, self.IN_GROUP)
        for _ in range(25):
            if radio.evaluate(self.HAS_FOCUS):
                return
            self.page.keyboard.press("ArrowDown")
        raise AssertionError(f"the arrow keys do not lead to {radio}")

    def move(self, thing: Locator) -> None:
        self.reach(thing)
        self.page.keyboard.press("Shift+ArrowRight")
        self.page.keyboard.press("Shift+ArrowUp")

    def draw(self, paper: Locator) -> None:
        self.reach(paper)
        for key in ("Space", "Shift+ArrowRight", "Shift+ArrowUp", "Space"):
            self.page.keyboard.press(key)


WAYS = {"mouse": Mouse, "finger": Finger, "keyboard": Keyboard}


# ---- what a reader does ----


def button(widget: Locator, name: str) -> Locator:
    return widget.get_by_role("button", name=name, exact=True)


def moves(hand: Hand, thing: Locator) -> None:
    """The thing moves, to the right and up, and says so."""
    words = thing.get_attribute("aria-valuetext")
    hand.move(thing)
    (x, y), (to_x, to_y) = numbers(words), numbers(thing.get_attribute("aria-valuetext"))
    assert to_x > x and to_y > y


def stepper(hand: Hand, widget: Locator) -> None:
    start = caption(widget)
    hand.press(button(widget, "Inner step"))
    assert widget.get_attribute("data-index") == "1" and caption(widget).startswith("Inner step 1 of ")
    hand.press(button(widget, "Back"))
    assert widget.get_attribute("data-index") == "0" and caption(widget) == start
    if widget.get_by_role("radio", name="Joint training").count():
        hand.choose(widget.get_by_role("radio", name="Joint training"))
        assert widget.get_attribute("data-method") == "joint"


def own_wave(hand: Hand, widget: Locator) -> None:
    hand.press(button(widget, "Step"))
    assert widget.get_attribute("data-step") == "1" and caption(widget).startswith("Gradient step 1 of 10")
    moves(hand, handle(widget, "Point 3 of 5"))
    assert "No known wave goes through" in caption(widget)


def training(hand: Hand, widget: Locator) -> None:
    hand.press(button(widget, "Meta-train"))
    expect(widget).not_to_have_attribute("data-trained", "0")
    hand.press(button(widget, "Pause"))
    assert widget.get_attribute("data-going") == "false" and re.match(r"After [\d,]+ of", caption(widget))
    moves(hand, handle(widget, "Point 3 of 5"))
    hand.choose(widget.get_by_role("radio", name="seed 1"))
    assert widget.get_attribute("data-seed") == "1" and widget.get_attribute("data-trained") == "0"


def landscape(hand: Hand, widget: Locator) -> None:
    before = json.loads(widget.get_attribute("data-theta"))
    moves(hand, handle(widget, "θ"))
    after = json.loads(widget.get_attribute("data-theta"))
    assert after[0] > before[0] and after[1] > before[1]
    hand.press(button(widget, "Go there"))
    expect(widget.locator(".mlc-caption")).to_contain_text("MAML rests here.")


def episodes(hand: Hand, widget: Locator) -> None:
    hand.press(button(widget, "Another episode"))
    assert widget.get_attribute("data-number") == "1"
    hand.choose(widget.get_by_role("radio", name="hide them: I guess"))
    hand.press(widget.locator(".mlc-answer").nth(1))
    assert widget.get_attribute("data-hidden") == "true" and widget.get_attribute("data-guesses") == "1"
    assert re.match("And this one[?] .* Right so far: [01] of 1.", widget.locator(".mlc-verdict").inner_text())


def prototypes(hand: Hand, widget: Locator) -> None:
    if widget.get_attribute("data-view") == "plane":
        classes = widget.locator(".mlc-table tbody tr").count()
        moves(hand, handle(widget, "Query"))
        assert re.match(r"The query belongs to class \d with probability [\d.]+\.", caption(widget))
        hand.press(button(widget, "Add class"))
        assert widget.locator(".mlc-table tbody tr").count() == classes + 1
    else:
        queries = widget.locator(".mlc-pick")
        hand.choose(queries.nth(6))
        assert queries.nth(6).get_attribute("aria-checked") == "true"
        assert "The selected one, of class 1, is judged" in caption(widget)
        picture, back = widget.locator(".mlc-canvas"), button(widget, "Back")
        before = picture.inner_html()
        assert back.get_attribute("aria-disabled") == "true"
        hand.press(button(widget, "Another episode"))
        assert back.get_attribute("aria-disabled") == "false" and picture.inner_html() != before


def drawing(hand: Hand, widget: Locator) -> None:
    assert "looks most like symbol 3" in caption(widget)
    hand.press(button(widget, "Clear"))
    assert widget.get_attribute("data-strokes") == "0" and caption(widget).startswith("Nothing to recognise yet")
    hand.draw(widget.locator(".paper"))
    assert widget.get_attribute("data-strokes") == "1" and "looks most like" in caption(widget)
    hand.choose(widget.get_by_role("radio", name="symbol 2"))
    assert widget.get_attribute("data-selected") == "1"


# By the class that a widget's outermost element has beside "mlc"
OPERATE: dict[str, Callable[[Hand, Locator], None]] = {
    "mlc-stepper": stepper,
    "mlc-own": own_wave,
    "mlc-training": training,
    "mlc-landscape": landscape,
    "mlc-episodes": episodes,
    "mlc-prototypes": prototypes,
    "mlc-drawing": drawing,
}


# ---- every page ----


@pytest.fixture(scope="module")
def stored(pages: list[str], book: pathlib.Path) -> dict[str, int]:
    """How many widgets each page that has some stores."""
    counts = {name: len(BEGIN.findall((book / f"{name}.html").read_text(encoding="utf-8"))) for name in pages}
    return {name: count for name, count in counts.items() if count}


def operate(watched: Watched, way: type[Hand], url: str, count: int) -> set[str]:
    """Do to each widget of a page what OPERATE says; returns the kinds of widgets that were there."""
    page = watched.page
    page.goto(url)
    wait_for_maths(page)
    open_answers(page)
    found = page.locator(".mlc").all()
    assert len(found) == count, f"{count - len(found)} of the page's {count} widgets did not come to life"
    kinds = [widget.get_attribute("class").removeprefix("mlc ") for widget in found]
    for kind, widget in zip(kinds, found, strict=True):
        assert kind in OPERATE, f"nobody has said in OPERATE what a reader does to {kind}"
        OPERATE[kind](way(page), widget)
    assert watched.complaints() == []
    return set(kinds)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_widget_does_what_it_is_asked(
    stored: dict[str, int], address: str, open_page: Callable[..., Watched], way: type[Hand]
) -> None:
    watched = open_page(**way.screen)
    kinds = set()
    for name, count in stored.items():
        kinds |= operate(watched, way, f"{address}{name}.html", count)
    assert kinds == set(OPERATE)


STEP = "root.dataset.step = step;"  # in the script of "your own sinusoid"
PLANTED = {  # where: (what is replaced in the page, by what, and what is said of it)
    "at the start": ("function page(", "function gone(", "1 of the page's 3 widgets did not come to life"),
    "at a click": (STEP, f"if (step) throw new Error('planted'); {STEP}", "planted"),
    "in the console": (STEP, f"{STEP} console.error('planted');", "planted"),
    "a file that is missing": (STEP, f"{STEP} fetch('/nowhere');", "/nowhere"),
    "a request to the outside": (STEP, f"{STEP} fetch('https://example.org');", "https://example.org"),
}


@pytest.mark.parametrize("found, planted, verdict", PLANTED.values(), ids=PLANTED)
def test_an_error_planted_in_a_copy_of_a_page_is_found(
    stored: dict[str, int],
    book: pathlib.Path,
    address: str,
    browser_page: Watched,
    found: str,
    planted: str,
    verdict: str,
) -> None:
    name = "notebooks/05_maml_from_zero"
    text = (book / f"{name}.html").read_text(encoding="utf-8")
    assert found in text
    changed = {"body": text.replace(found, planted, 1), "content_type": "text/html; charset=utf-8"}
    browser_page.page.route(f"**/{name}.html", lambda route: route.fulfill(**changed))
    with pytest.raises(AssertionError) as failure:
        operate(browser_page, Mouse, f"{address}{name}.html", stored[name])
    assert verdict in "\n".join([str(failure.value), *browser_page.complaints()])
