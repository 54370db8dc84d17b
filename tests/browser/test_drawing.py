"""Draw it once under a reader's hands, in a page without a kernel: by mouse, by finger and by key."""

import re

import numpy as np
import pytest

from mlcourse.lessons.widgets.drawing.drawing import DrawOnce, percent
from tests.browser.hands import PHONE, caption, drag, middle, swipe, tab, touch

pytestmark = pytest.mark.browser

RING = [(0.5 + 0.3 * np.cos(t), 0.5 + 0.3 * np.sin(t)) for t in np.linspace(0, 2 * np.pi, 24)]
BAR = [(0.2, 0.5), (0.5, 0.51), (0.8, 0.5)]
ZIGZAG = [(0.2, 0.7), (0.35, 0.3), (0.5, 0.7), (0.65, 0.3), (0.8, 0.7)]
SMALL_RING = [(0.2 + 0.4 * x, 0.5 * y) for x, y in RING]


@pytest.fixture(scope="module")
def site(serve_pages):
    """Plain pages: the example, and empty cards."""
    long = "<p style='height: 1200px'>More below.</p>"
    return serve_pages({"example": DrawOnce().to_html() + long, "empty": DrawOnce([[], [], []]).to_html()})


def told(page, what: str) -> int:
    """How many cards there are, which is on the paper, how many strokes it holds, which is best."""
    return int(page.locator(".mlc-drawing").get_attribute(f"data-{what}"))


def shares(page) -> list[float]:
    return [float(bar.get_attribute("data-share") or 0) for bar in page.locator(".mlc-bars li").all()]


def inked_rows(page) -> list[int]:
    """The row of each run of grey in the image that the network sees."""
    paths = "paths => paths.map((path) => path.getAttribute('d')).join('')"
    return [int(row) for row in re.findall(r"M\d+ (\d+)", page.locator(".mlc-eye path").evaluate_all(paths))]


def on_paper(page, points) -> list[tuple[float, float]]:
    """Shares of the paper's side as places on the screen."""
    page.locator(".paper").scroll_into_view_if_needed()
    box = page.locator(".paper").bounding_box()
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]


def draw(page, points) -> None:
    """One stroke with the mouse."""
    drag(page, on_paper(page, points), steps=3)


def press(page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def test_the_first_view_shows_the_point(site, browser_page):
    page, ours = browser_page.page, DrawOnce()
    page.goto(f"{site}example.html")
    expected = ours.probabilities()
    np.testing.assert_allclose(shares(page), expected, atol=1e-9)
    assert page.locator(".mlc-bars b").all_text_contents() == [percent(share) for share in expected]
    assert caption(page) == f"Of the three symbols it looks most like symbol 3: {percent(expected[2])}."
    assert len(inked_rows(page)) > 40  # runs of pixels of the image that the network sees
    assert browser_page.complaints() == []


def test_by_mouse_from_empty_cards_to_a_recognised_drawing(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}example.html")
    press(page, "Start with empty cards")
    assert caption(page) == "Draw two symbols or more: then there is something to choose from."
    assert told(page, "selected") == 0 and page.locator(".paper text").is_visible()
    assert page.get_by_role("button", name="Next: symbol 2").is_visible()
    draw(page, RING)
    assert told(page, "strokes") == 1 and not page.locator(".paper text").is_visible()
    press(page, "Next: symbol 2")
    draw(page, BAR)
    press(page, "Next: symbol 3")
    draw(page, ZIGZAG)
    assert caption(page).startswith("Nothing to recognise yet")
    press(page, "Next: new drawing")
    draw(page, SMALL_RING)
    assert told(page, "best") == 0 and "looks most like symbol 1: " in caption(page)
    assert shares(page)[0] > 0.9 and sum(shares(page)) == pytest.approx(1)
    press(page, "Clear")
    draw(page, [(x / 2, y / 2 + 0.4) for x, y in ZIGZAG])
    assert told(page, "best") == 2
    assert browser_page.complaints() == []


def test_an_empty_card_is_left_out_and_said(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}example.html")
    page.get_by_role("radio", name="symbol 3").check()
    press(page, "Clear")
    assert caption(page).endswith("Still empty, and left out: symbol 3.")
    assert page.locator(".mlc-bars b").last.text_content() == "empty"
    ours = DrawOnce()
    ours.cards = [*ours.cards[:2], []]
    np.testing.assert_allclose(shares(page), ours.probabilities(), atol=1e-9)


def test_cards_are_added_and_removed(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}example.html")
    press(page, "Add a symbol")
    assert (told(page, "cards"), told(page, "selected"), told(page, "strokes")) == (4, 3, 0)
    draw(page, ZIGZAG)
    press(page, "Add a symbol")
    page.get_by_role("button", name="Add a symbol").click(force=True)  # five are the most
    assert told(page, "cards") == 5
    page.get_by_role("radio", name="symbol 1").check()
    for _ in range(3):
        press(page, "Remove symbol 1")
    assert (told(page, "cards"), told(page, "selected")) == (2, 0)
    assert told(page, "strokes") == 1  # the zigzag has moved up
    page.get_by_role("button", name="Remove symbol 1").click(force=True)  # two are the fewest
    assert told(page, "cards") == 2
    assert browser_page.complaints() == []


def test_undo_takes_back_stroke_by_stroke(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}empty.html")
    page.get_by_role("radio", name="symbol 2").check()
    for stroke in (BAR, ZIGZAG):
        draw(page, stroke)
    press(page, "Undo")
    assert told(page, "strokes") == 1
    press(page, "Undo")
    page.get_by_role("button", name="Undo").click(force=True)  # nothing is left
    assert told(page, "strokes") == 0
    assert browser_page.complaints() == []


def test_a_trembling_click_is_a_dot(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}empty.html")
    page.get_by_role("radio", name="symbol 1").check()
    draw(page, [(0.7, 0.3), (0.71, 0.3), (0.7, 0.31)])
    points = page.locator(".paper .drawn polyline").first.get_attribute("points").split()
    assert points[0] == points[1] and len(points) == 2
    assert [float(value) for value in points[0].split(",")] == pytest.approx([700, 300], abs=4)
    assert set(inked_rows(page)) <= {12, 13, 14, 15}
    assert browser_page.complaints() == []


def test_by_keyboard(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}empty.html")
    reached = tab(page, 7)
    paper = "Paper for new drawing: 0 strokes"
    assert reached == ["radio", "Start with empty cards", "Add a symbol", paper, "Undo", "Clear", reached[-1]]
    page.get_by_role("radio", name="symbol 1").focus()
    page.keyboard.press("Space")
    for _ in ("Start with empty cards", "Add a symbol", "Remove symbol 1", "the paper"):
        page.keyboard.press("Tab")
    assert page.locator(".pen").evaluate("pen => getComputedStyle(pen).display") == "inline"  # the pen can be seen
    page.keyboard.press("Space")
    for key in ["Shift+ArrowRight"] * 3 + ["ArrowDown"] * 2:
        page.keyboard.press(key)
    assert page.locator(".mlc-pen").text_content() == "The pen is down, 80 across and 55 down, of 100."
    assert told(page, "strokes") == 0  # not yet lifted, and seen all the same
    ink = [
        page.locator(f".paper .{kind}").evaluate("g => getComputedStyle(g).stroke")
        for kind in ("fresh", "drawn:not(.fresh)")
    ]
    assert ink[0] == ink[1] and page.locator(".paper .fresh polyline").count() == 1
    page.keyboard.press("Space")
    assert told(page, "strokes") == 1
    points = page.locator(".paper .drawn polyline").first.get_attribute("points")
    assert points == "500,500 600,500 700,500 800,500 800,525 800,550"
    page.keyboard.press("ArrowUp")  # a lifted pen draws nothing
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("Escape")
    assert told(page, "strokes") == 2
    assert page.evaluate("document.activeElement.textContent") == "Undo"  # Escape leaves the paper
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Backspace")
    assert told(page, "strokes") == 1
    scrolled = page.evaluate("scrollY")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("scrollY") == scrolled  # the page stays where it is
    assert browser_page.complaints() == []


def test_by_touch(site, open_page):
    """A finger on the paper draws and scrolls nothing; beside it, it scrolls the page."""
    watched = open_page(**PHONE)
    page = watched.page
    page.goto(f"{site}example.html")
    page.get_by_role("button", name="Clear").tap()
    assert told(page, "strokes") == 0
    start, end = on_paper(page, [(0.3, 0.8), (0.7, 0.2)])
    before = page.evaluate("scrollY")
    swipe(page, start, end)
    assert told(page, "strokes") == 1 and page.evaluate("scrollY") == before
    points = page.locator(".paper .drawn polyline").first.get_attribute("points")
    assert len(points.split()) > 3 and "looks most like" in caption(page)
    page.touchscreen.tap(*end)  # a dot
    assert told(page, "strokes") == 2
    place = page.locator(".mlc-answer").bounding_box()
    swipe(page, (place["x"] + 100, place["y"] + 20), (place["x"] + 100, place["y"] - 150))
    page.wait_for_function(f"scrollY > {before + 40}")
    assert told(page, "strokes") == 2
    assert watched.complaints() == []


def test_a_tap_right_after_a_quick_stroke_counts(site, open_page):
    watched = open_page(**PHONE)
    page = watched.page
    page.goto(f"{site}example.html")
    page.get_by_role("button", name="Clear").tap()
    for _ in range(4):
        start, end = on_paper(page, [(0.3, 0.8), (0.7, 0.3)])
        swipe(page, start, end, steps=3)
        page.touchscreen.tap(*middle(page.get_by_role("button", name="Undo")))
        assert told(page, "strokes") == 0
    assert watched.complaints() == []


def test_who_touches_a_card_is_brought_to_the_paper(site, open_page):
    watched = open_page(**PHONE)
    page = watched.page
    page.goto(f"{site}example.html")
    for touched in (page.get_by_text("symbol 1").first, page.get_by_role("button", name="Start with empty cards")):
        page.evaluate("scrollTo(0, 0)")
        touched.tap()
        box = page.locator(".paper").bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= PHONE["height"]
    page.evaluate("scrollTo(0, 0)")
    page.get_by_role("radio", name="symbol 1").focus()
    scrolled = page.evaluate("scrollY")
    page.keyboard.press("ArrowRight")
    assert told(page, "selected") == 1 and page.evaluate("scrollY") == scrolled  # the focus stays in sight


def test_a_second_finger_does_not_draw(site, open_page):
    watched = open_page(**PHONE)
    page = watched.page
    page.goto(f"{site}example.html")
    page.get_by_role("button", name="Clear").tap()
    one, other, end = on_paper(page, [(0.3, 0.8), (0.6, 0.6), (0.7, 0.2)])
    touch(page, [one], [one, other], [end, other])
    assert told(page, "strokes") == 1
    assert watched.complaints() == []


def test_bars_do_not_move_for_who_prefers_still_pages(site, open_page):
    seen = {}
    for motion in ("reduce", "no-preference"):
        page = open_page(reduced_motion=motion).page
        page.goto(f"{site}example.html")
        bar = page.locator(".mlc-bar span").first
        seen[motion] = bar.evaluate("bar => getComputedStyle(bar).transitionDuration")
    assert seen == {"reduce": "0s", "no-preference": "0.15s"}


@pytest.mark.parametrize("width", [360, 1000])
def test_the_paper_is_a_large_square_with_the_verdict_near(site, open_page, width):
    page = open_page(width=width).page
    page.goto(f"{site}example.html")
    for chosen in ("new drawing", "symbol 2"):
        page.get_by_role("radio", name=chosen).check()
        paper = page.locator(".paper").bounding_box()
        assert paper["width"] == pytest.approx(paper["height"], abs=1) and paper["width"] >= 280
        if width == 360:  # strokes and verdict fit on one screen
            said = page.locator(".mlc-caption").bounding_box()
            assert said["y"] + said["height"] - paper["y"] < 600
