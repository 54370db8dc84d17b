"""What holds for every widget on a plain page: one that is added gets all of it by an entry in WIDGETS."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator

from mlcourse.lessons import widgets
from mlcourse.lessons.widgets import (
    DrawOnce,
    EpisodeBrowser,
    Landscape,
    MetaTrain,
    OwnWave,
    PrototypeExplorer,
    Stepper,
    base,
)
from mlcourse.tasks import glyphs
from tests.conftest import OF_COLOURS, Watched, violations

pytestmark = pytest.mark.browser

LARGEST = {"n_way": 10, "k_shot": 5, "n_query": 5}
GUESSING = {"hidden": True, "guesses": [1, 0, 3]}
CROWDED = [
    [[-3.9, 2.9], [-3.8, 2.8]],
    [[3.9, 2.9]],
    [[3.9, -2.9]],
    [[-3.9, -2.9]],
    [[0, 0]],
    [[0.3, 0.2], [0.1, -0.3]],
]


def act(button: str | None, *choices: str) -> Callable[[Locator], None]:
    """What presses a button of a widget, if there is one to press, and then chooses."""

    def of(widget: Locator) -> None:
        if button:
            widget.get_by_role("button", name=button, exact=True).click()
        for choice in choices:
            widget.get_by_role("radio", name=choice).check()

    return of


def letters() -> PrototypeExplorer:
    """Real episodes at their places in the space of their pixels: some are judged wrong."""
    return PrototypeExplorer.from_embedding(lambda x: x.reshape(len(x), -1), glyphs.splits().test, n_episodes=2)


@dataclasses.dataclass(frozen=True)
class Widget:
    """A widget, as the tests here see it.

    make: the widget as a notebook shows it. words: how the words for its picture begin. looks: by name, the states
    in which it has to fit a page. act: something that a reader does to it. told: what its outermost element's
    attributes say before and after that.
    """

    make: Callable[[], base.Widget]
    words: str
    looks: dict[str, dict]
    act: Callable[[Locator], None]
    told: dict[str, tuple[str, str]]


WIDGETS = {
    "Stepper": Widget(
        Stepper,
        "Stepper, MAML, function space and parameter space. Start",
        {"after an outer step": {"index": 4}},
        act("Inner step", "Reptile"),
        {"data-index": ("0", "1"), "data-method": ("maml", "reptile")},
    ),
    "OwnWave": Widget(
        OwnWave,
        "Your own sinusoid: five points",
        {
            "adapted": {"step": 9, "revealed": True},
            "ran away": {"step": 9, "revealed": True, "rates": {"scratch": 0.001, "pooled": 0.01, "maml": 0.05}},
        },
        act("Step"),
        {"data-step": ("0", "1")},
    ),
    "MetaTrain": Widget(
        MetaTrain,
        "Meta-training of MAML and of pooled training, seed 0. Nothing is trained yet",
        {"untrained": {}, "ten steps": {"step": 10, "seed": 2, "revealed": False}},
        act(None, "seed 1"),
        {"data-seed": ("0", "1"), "data-trained": ("0", "0")},
    ),
    "Landscape": Widget(
        Landscape,
        "Landscape playground, one flat, one steep",
        {"alike": {"preset": "alike"}, "diverges": {"inner_lr": 0.15, "inner_steps": 3}},
        act("Outer step", "crossed valleys"),
        {"data-preset": ("one steep", "crossed"), "data-theta": ("[-0.9,1.7]", "[1.3,0.7]")},
    ),
    "EpisodeBrowser": Widget(
        lambda: EpisodeBrowser(glyphs.splits().test),
        "Episode browser, episode 1 of 24",
        {
            "second episode": {"number": 1},
            "largest": {"number": 1, **LARGEST},
            "guessing": {"number": 1, **GUESSING},
            "largest, guessing": {"number": 1, **LARGEST, **GUESSING},
        },
        act("Another episode", "hide them: I guess"),
        {"data-number": ("0", "1"), "data-hidden": ("false", "true")},
    ),
    "PrototypeExplorer": Widget(
        letters,
        "Prototype explorer, a plane of your own",
        {
            "plane": {},
            "cosine": {"distance": "cosine"},
            "crowded": {"examples": CROWDED, "query": [4, 3]},
            "space": {"view": "space"},
            "many": {"view": "space", "k_shot": 5, "distance": "cosine", "episode": 1, "selected": 7},
        },
        act("Add class", "the learned space"),
        {"data-view": ("plane", "space")},
    ),
    "PrototypeExplorer without episodes": Widget(
        PrototypeExplorer,
        "Prototype explorer, a plane of your own",
        {"plane": {}},
        act("Add class", "cosine"),
        {"data-view": ("plane", "plane")},
    ),
    "DrawOnce": Widget(
        DrawOnce,
        "Draw it once: 3 symbols, each drawn once, and a new drawing. Of them it looks most like symbol 3",
        {"new drawing": {}, "symbol 2": {"selected": 1}},
        act(None, "symbol 1"),
        {"data-selected": ("-1", "0")},
    ),
}
LOOKS = [
    pytest.param(name, look, id=f"{name}, {look}") for name, widget in WIDGETS.items() for look in widget.looks
]
each_widget = pytest.mark.parametrize("name", WIDGETS)


@pytest.fixture(scope="module")
def site(serve_pages: Callable[[dict[str, str]], str]) -> str:
    """Plain pages: for each widget two equal ones, one whose script fails, and one for each look."""
    pages = {}
    for name, widget in WIDGETS.items():
        shown = widget.make()
        pages[f"{name}, twice"] = shown.to_html() + shown.to_html()
        pages[f"{name}, broken"] = shown.to_html().replace("function page(", "function gone(")
        for look, traits in widget.looks.items():
            looking = widget.make()
            for trait, value in traits.items():
                setattr(looking, trait, value)
            pages[f"{name}, {look}"] = looking.to_html()
    return serve_pages(pages)


def test_every_widget_is_here() -> None:
    made = {type(widget.make()).__name__ for widget in WIDGETS.values()}
    assert made == set(widgets.__all__) - {"experiment"}  # which has no script


# ---- how it looks ----

CUT = """() => [...document.querySelectorAll('.mlc svg text')].filter((text) => {
    if (!text.checkVisibility()) return false;
    const [t, s] = [text.getBoundingClientRect(), text.ownerSVGElement.getBoundingClientRect()];
    return t.left < s.left - 1 || t.right > s.right + 1 || t.top < s.top - 1 || t.bottom > s.bottom + 1;
}).map((text) => text.textContent)"""
# All that can be pressed, chosen, slid or dragged: [what, width, height]; a radio or box is as large as its label
TARGETS = """() => [...document.querySelectorAll('.mlc :is(button, select, input, summary, .mlc-handle .hit)')]
    .filter((target) => target.checkVisibility())
    .map((target) => [target, target.matches('[type=radio], [type=checkbox]') ? target.closest('label') : target])
    .map(([target, room]) => [target.outerHTML.slice(0, 80), room.getBoundingClientRect()])
    .map(([target, { width, height }]) => [target, width, height])"""
CLASSES = (
    "() => [...document.querySelectorAll('.mlc :not(svg, svg *)')].flatMap((element) => [...element.classList])"
)


@pytest.mark.parametrize("width", [360, 1000])
@pytest.mark.parametrize("name, look", LOOKS)
def test_it_fits_every_page(
    site: str, open_page: Callable[..., Watched], name: str, look: str, width: int
) -> None:
    """No overflow, nothing cut off, nothing too small to touch, and nothing that axe-core objects to."""
    watched = open_page(width=width, color_scheme="light")
    page = watched.page
    page.goto(f"{site}{name}, {look}.html")
    assert page.locator("img").count() == 0  # the script has replaced the picture
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(CUT) == []
    targets = page.evaluate(TARGETS)
    assert targets and [target for target in targets if target[2] < 40] == []
    assert [target for target in targets if 'class="hit"' in target[0] and target[1] < 43.5] == []
    # Bootstrap, which the book brings, has a .card and a .small of its own
    assert [one for one in page.evaluate(CLASSES) if not one.startswith("mlc-")] == []
    found = {"light": violations(page)}
    page.emulate_media(color_scheme="dark")
    found["dark"] = violations(page, OF_COLOURS)
    assert found == {"light": [], "dark": []}
    assert watched.complaints() == []


@each_widget
@pytest.mark.parametrize("mark, paper", [("light", "rgb(255, 255, 255)"), ("dark", "rgb(22, 24, 29)")])
def test_the_page_s_theme_wins_over_the_system_s(
    site: str, open_page: Callable[..., Watched], name: str, mark: str, paper: str
) -> None:
    """The book marks <html data-theme>, JupyterLab <body data-jp-theme-light>; the system says the opposite."""
    page = open_page(color_scheme="dark" if mark == "light" else "light").page
    page.goto(f"{site}{name}, twice.html")
    background = "getComputedStyle(document.querySelector('.mlc')).backgroundColor"
    assert page.evaluate(background) != paper
    page.evaluate("mark => { document.documentElement.dataset.theme = mark }", mark)
    assert page.evaluate(background) == paper
    page.evaluate("delete document.documentElement.dataset.theme")
    page.evaluate("light => { document.body.dataset.jpThemeLight = light }", str(mark == "light").lower())
    assert page.evaluate(background) == paper


# ---- two of them, and one that fails ----

STATE = """(root) => [root.innerText, {...root.dataset},
    ...[...root.querySelectorAll('input, select')].map((input) => [input.value, input.checked])]"""


@each_widget
def test_two_equal_ones_on_a_page_are_apart(site: str, browser_page: Watched, name: str) -> None:
    page, widget = browser_page.page, WIDGETS[name]
    page.goto(f"{site}{name}, twice.html")
    one, other = page.locator(".mlc").all()
    before, after = zip(*widget.told.values(), strict=True)
    start = one.evaluate(STATE)
    assert other.evaluate(STATE) == start
    widget.act(other)
    assert one.evaluate(STATE) == start != other.evaluate(STATE)
    assert tuple(one.get_attribute(key) for key in widget.told) == before
    assert tuple(other.get_attribute(key) for key in widget.told) == after
    assert browser_page.complaints() == []


@each_widget
def test_on_paper_there_is_nothing_to_press(site: str, browser_page: Watched, name: str) -> None:
    page = browser_page.page
    page.goto(f"{site}{name}, twice.html")
    page.emulate_media(media="print")
    widget = page.locator(".mlc").first
    for shown in ("svg", ".mlc-caption, .mlc-dealt"):
        assert widget.locator(shown).first.is_visible()
    assert widget.locator("button, select, .mlc-slide").locator("visible=true").count() == 0


@each_widget
def test_a_script_that_fails_leaves_the_picture(site: str, browser_page: Watched, name: str) -> None:
    page = browser_page.page
    page.goto(f"{site}{name}, broken.html")
    picture = page.locator("img")
    assert picture.count() == 1 and picture.get_attribute("alt").startswith(WIDGETS[name].words)
    assert page.get_by_text(base.HINT).is_visible()
    assert any("page is not defined" in error for error in browser_page.errors)
