"""The published course in a browser: nothing is asked of the outside, all fits a phone, nobody is shut out."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.book.conftest import open_answers, wait_for_maths
from tests.conftest import OF_COLOURS, Watched, violations, watch

pytestmark = [pytest.mark.book, pytest.mark.browser]

PHONES = ({"width": 360, "height": 740}, {"width": 390, "height": 844})
OVERFLOWING = """() => {
    const wide = document.documentElement.scrollWidth, window_ = document.documentElement.clientWidth;
    return wide <= window_ ? null : `${wide} px wide in a window of ${window_} px`;
}"""
BROKEN_IMAGES = """() => [...document.querySelectorAll('.bd-article img')]
    .filter(image => image.complete && image.naturalWidth === 0)
    .map(image => image.src.slice(0, 80))"""
PICTURES_WITHOUT_WORDS = """() => [...document.querySelectorAll('.bd-article :is(img, svg, canvas)')]
    .filter(picture => !picture.closest('[aria-hidden="true"], button'))
    .filter(picture => !(picture.getAttribute('alt') || picture.getAttribute('aria-label') || '').trim())
    .map(picture => picture.outerHTML.slice(0, 80))"""
# Whether every box that scrolls sideways can be reached by keyboard: the theme sees to it, a moment after a change
REACHABLE = """() => [...document.querySelectorAll('pre, .cell_output > .output, .pst-scrollable-table-container')]
    .every(box => box.scrollWidth <= box.clientWidth || box.tabIndex === 0)"""
# Code has thousands of coloured words of some twenty kinds: axe-core looks at one of each, in half the time
EACH_KIND_ONCE = """() => {
    const seen = new Set(), again = [];
    for (const word of document.querySelectorAll('.highlight pre span[class]')) {
        if (word.children.length) continue;
        const ground = getComputedStyle(word.closest('pre')).backgroundColor;
        const kind = `${word.className} ${getComputedStyle(word).color} ${ground}`;
        seen.has(kind) ? again.push(word) : seen.add(kind);
    }
    again.forEach(word => word.replaceWith(word.textContent));
}"""
LUMINANCE = """() => {
    const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g).map(Number);
    return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
}"""
# What lies over the middle of each of the first words and pictures, where it is none of them
COVERED = """() => [...document.querySelectorAll('.bd-article :is(h1, section > p, img)')].slice(0, 6)
    .filter(element => element.getBoundingClientRect().bottom < innerHeight)
    .filter(element => {
        const box = element.getBoundingClientRect();
        const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
        return !element.contains(top) && !top?.contains(element);
    }).map(element => element.outerHTML.slice(0, 80))"""


def is_long(name: str) -> bool:
    """Whether a page holds so much code that axe-core looks at its colours for seconds."""
    return name.startswith("notebooks/") and not name.endswith("00_start_here")


def barriers(page: object, first: str, then: str, long: bool) -> dict[str, list[str]]:
    """What axe-core finds grave under two colour schemes.

    Every page is seen by all rules, light on a desktop and dark on a phone. The other two differ from these in
    colours alone. Rules of colours look at them on short pages, which have all that stands around any page.
    """
    found = {}
    if long:
        page.evaluate(EACH_KIND_ONCE)
    for scheme in (first,) if long else (first, then):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_selector(f'html[data-theme="{scheme}"]')
        found[scheme] = violations(page, None if scheme == first else OF_COLOURS)
    return {scheme: grave for scheme, grave in found.items() if grave}


@pytest.fixture(scope="module")
def visits(pages: list[str], address: str, browser: object) -> dict[str, dict[str, object]]:
    """For each page, visited once on a desktop screen: what it asked for and what it showed."""
    context = browser.new_context(viewport={"width": 1200, "height": 900}, reduced_motion="reduce")
    watched, seen = watch(context), {}
    for name in pages:
        watched.forget()
        watched.page.emulate_media(color_scheme="light")
        watched.page.goto(f"{address}{name}.html")
        wait_for_maths(watched.page)
        open_answers(watched.page)
        watched.page.wait_for_function(REACHABLE)
        seen[name] = {
            "pictures without words": watched.page.evaluate(PICTURES_WITHOUT_WORDS),
            "broken pictures": watched.page.evaluate(BROKEN_IMAGES),
            "barriers": barriers(watched.page, "light", "dark", is_long(name)),
            "outside": [*watched.outside],
            "errors": watched.errors + watched.missing,
        }
    context.close()
    return seen


@pytest.mark.parametrize("what", ["outside", "errors", "pictures without words", "broken pictures", "barriers"])
def test_no_page_has(what: str, visits: dict[str, dict[str, object]]) -> None:
    assert {name: visit[what] for name, visit in visits.items() if visit[what]} == {}


@pytest.fixture(scope="module")
def visits_by_phone(pages: list[str], address: str, browser: object) -> dict[str, dict[str, object]]:
    """For each page on a phone: where it is too wide, how light its ground is, what axe-core finds grave."""
    context = browser.new_context(viewport=PHONES[0], color_scheme="dark", reduced_motion="reduce")
    page, seen = context.new_page(), {}
    for name in pages:
        page.goto(f"{address}{name}.html")
        wait_for_maths(page)
        open_answers(page)
        page.wait_for_function(REACHABLE)
        grave, too_wide, ground = barriers(page, "dark", "light", is_long(name)), [], {}
        for phone, scheme in itertools.product(PHONES, ("light", "dark")):
            page.set_viewport_size(phone)
            page.emulate_media(color_scheme=scheme)
            page.wait_for_selector(f'html[data-theme="{scheme}"]')
            too_wide.append(page.evaluate(OVERFLOWING))
            ground[scheme] = page.evaluate(LUMINANCE)
        seen[name] = {"too wide": list(filter(None, too_wide)), "ground": ground, "barriers": grave}
        page.set_viewport_size(PHONES[0])
    context.close()
    return seen


@pytest.mark.parametrize("what", ["too wide", "barriers"])
def test_on_a_phone_no_page_has(what: str, visits_by_phone: dict[str, dict[str, object]]) -> None:
    assert {name: visit[what] for name, visit in visits_by_phone.items() if visit[what]} == {}


def test_dark_pages_are_dark(visits_by_phone: dict[str, dict[str, object]]) -> None:
    grounds = [visit["ground"] for visit in visits_by_phone.values()]
    assert all(ground["dark"] < 0.2 and ground["light"] > 0.9 for ground in grounds)


@pytest.fixture(scope="module")
def without_scripts(browser: object) -> Iterator[object]:
    """A page of a browser in which no script of a page runs."""
    context = browser.new_context(viewport={"width": 1200, "height": 900}, java_script_enabled=False)
    yield context.new_page()
    context.close()


def test_the_first_screen_needs_no_script(pages: list[str], address: str, without_scripts: object) -> None:
    page = without_scripts
    for name in [page for page in pages if page.startswith("notebooks/") or page == "book/index"]:
        page.goto(f"{address}{name}.html")
        article = page.locator(".bd-article")
        for what in (article.locator("h1"), article.locator("section > p, .cover-promise p").first):
            assert what.is_visible() and what.inner_text().strip(), name
        assert page.evaluate(COVERED) == [], name
        hidden = [
            image.get_attribute("alt")
            for image in article.locator("img").all()
            if not image.is_visible() and not image.evaluate("image => image.closest('details:not([open])')")
        ]
        assert hidden == [], name
        assert r"\(" not in article.inner_text() and r"\[" not in article.inner_text(), f"{name} shows TeX"
        assert page.evaluate(BROKEN_IMAGES) == [], name


def test_without_scripts_the_cover_shows_its_widget_as_a_picture(address: str, without_scripts: object) -> None:
    without_scripts.goto(f"{address}book/index.html")
    picture = without_scripts.locator(".cover-widget img")
    assert picture.is_visible() and picture.get_attribute("alt")
    assert picture.bounding_box()["y"] < 500


def test_the_cover_shows_its_widget_on_the_first_screen(address: str, open_page: Callable[..., Watched]) -> None:
    watched = open_page(width=1366, height=768)
    watched.page.goto(f"{address}book/index.html", wait_until="networkidle")
    widget = watched.page.locator(".cover-widget .mlc")
    assert widget.bounding_box()["y"] < 400
    first = widget.locator("input, button").first
    assert first.bounding_box()["y"] < 768
    before = widget.inner_text()
    first.click()
    assert widget.inner_text() != before
    assert not watched.complaints()


def test_search_finds_reptile(address: str, browser_page: Watched) -> None:
    page = browser_page.page
    page.goto(f"{address}book/index.html")
    page.keyboard.press("Control+k")
    page.locator("#pst-search-dialog input").fill("Reptile")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=Reptile*")
    page.locator("#search-results li a[href*='06_first_order_and_reptile']").first.wait_for()
    assert not browser_page.complaints()


def test_the_keyboard_skips_to_the_words_and_shows_where_it_is(address: str, browser_page: Watched) -> None:
    page = browser_page.page
    page.goto(f"{address}book/how_to_use.html", wait_until="networkidle")
    page.keyboard.press("Tab")
    skip = page.locator("#pst-skip-link a")
    assert skip.is_visible() and skip.evaluate("link => link === document.activeElement")
    page.wait_for_function("document.querySelector('#pst-skip-link').getBoundingClientRect().top >= 0")
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main-content"
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.bd-article a')"):
            break
    width = page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)")
    style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert page.evaluate("document.activeElement.matches('.bd-article a')") and width >= 2 and style != "none"


def test_paper_is_light(address: str, open_page: Callable[..., Watched]) -> None:
    page = open_page(color_scheme="dark").page
    page.goto(f"{address}notebooks/00_start_here.html", wait_until="networkidle")
    assert page.evaluate(LUMINANCE) < 0.5
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(LUMINANCE) > 0.9
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(LUMINANCE) < 0.5


def test_maths_is_drawn_with_the_books_own_mathjax(address: str, browser_page: Watched) -> None:
    page = browser_page.page
    page.goto(f"{address}notebooks/05_maml_from_zero.html", wait_until="networkidle")
    page.wait_for_selector("mjx-container")
    assert page.locator("mjx-merror").count() == 0
    assert page.evaluate("[...document.fonts].some(f => f.status === 'loaded' && /MJX/.test(f.family))")
    assert page.locator("noscript > math").count() == 0  # that is for pages without scripts
    assert not browser_page.complaints()


# ---- predictions ----

WITH_ANSWERS = "notebooks/05_maml_from_zero"
# The parts of each question's answer on a page: how many there are, and how many can be seen
PARTS = """() => {
    const answers = [];
    for (const part of document.querySelectorAll('.question, .answer')) {
        if (part.matches('.question')) answers.push([0, 0]);
        else { answers.at(-1)[0] += 1; answers.at(-1)[1] += part.getClientRects().length > 0; }
    }
    return answers;
}"""


def press_with_mouse(page: object, button: object) -> None:
    button.click()


def press_with_finger(page: object, button: object) -> None:
    assert button.bounding_box()["height"] >= 44
    button.tap()


def press_with_keyboard(page: object, button: object) -> None:
    button.focus()
    page.keyboard.press("Enter")


WAYS = {
    "mouse": (press_with_mouse, {}),
    "finger": (press_with_finger, {"width": 390, "height": 844, "has_touch": True}),
    "keyboard": (press_with_keyboard, {}),
}


@pytest.mark.parametrize(("press", "screen"), WAYS.values(), ids=WAYS)
def test_an_answer_waits_until_the_reader_has_answered(
    press: Callable, screen: dict, address: str, open_page: Callable[..., Watched]
) -> None:
    watched = open_page(**screen)
    page = watched.page
    page.goto(f"{address}{WITH_ANSWERS}.html")
    wait_for_maths(page)
    closed = page.evaluate(PARTS)
    buttons = page.get_by_role("button", name="I have answered")
    assert len(closed) > 3 and [count for count, seen in closed if seen or count < 2] == []
    assert buttons.count() == len(closed) and page.locator(".tag_answer pre").first.is_visible()
    press(page, buttons.nth(1))
    first, second, *others = page.evaluate(PARTS)
    assert second[1] == second[0] and [first, *others] == [closed[0], *closed[2:]]
    assert buttons.nth(1).evaluate("button => button === document.activeElement")
    assert [button.get_attribute("aria-expanded") for button in buttons.all()[:3]] == ["false", "true", "false"]
    for name in buttons.nth(1).get_attribute("aria-controls").split():
        assert page.locator(f"#{name}").is_visible()
    press(page, buttons.nth(1))
    assert page.evaluate(PARTS) == closed
    press(page, buttons.last)
    page.wait_for_function(REACHABLE)
    press(page, page.get_by_role("button", name="Show all answers of this page"))
    assert all(count == seen for count, seen in page.evaluate(PARTS))
    page.reload()  # nothing is remembered
    wait_for_maths(page)
    assert page.evaluate(PARTS) == closed and watched.complaints() == []


def test_closed_answers_shut_nobody_out(address: str, open_page: Callable[..., Watched]) -> None:
    page = open_page(reduced_motion="reduce").page
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.goto(f"{address}notebooks/00_start_here.html")
        page.wait_for_selector(f'html[data-theme="{scheme}"]')
        assert page.get_by_role("button", name="I have answered").count() == 2 and violations(page) == []


def test_every_prediction_of_every_page_has_an_answer(
    pages: list[str], address: str, browser_page: Watched
) -> None:
    page, asked = browser_page.page, 0
    for name in [name for name in pages if name.startswith("notebooks/")]:
        page.goto(f"{address}{name}.html", wait_until="domcontentloaded")
        answers = page.evaluate(PARTS)
        assert [number for number, (count, seen) in enumerate(answers) if seen or not count] == [], name
        asked += len(answers)
    assert asked > 50


def test_a_widget_that_waited_is_as_wide_as_its_place(address: str, browser_page: Watched) -> None:
    page = browser_page.page
    page.goto(f"{address}{WITH_ANSWERS}.html")
    page.set_viewport_size({"width": 800, "height": 900})  # while it is closed
    widget = page.locator(".answer .mlc-own")
    assert not widget.is_visible()
    open_answers(page)
    plane = widget.locator(".mlc-plane")
    page.wait_for_function(
        "plane => plane.querySelector('svg').getBoundingClientRect().width > 0.95 * plane.clientWidth",
        arg=plane.element_handle(),
    )
    assert page.evaluate(OVERFLOWING) is None


def test_without_scripts_and_on_paper_every_answer_can_be_read(
    address: str, browser_page: Watched, without_scripts: object
) -> None:
    without_scripts.goto(f"{address}{WITH_ANSWERS}.html")
    assert all(count == seen for count, seen in without_scripts.evaluate(PARTS))
    page = browser_page.page
    page.goto(f"{address}{WITH_ANSWERS}.html")
    assert not any(seen for _, seen in page.evaluate(PARTS))
    page.emulate_media(media="print")
    assert all(count == seen for count, seen in page.evaluate(PARTS))
    assert page.get_by_role("button", name="I have answered").count() == 0
