"""The landscape playground under a reader's hands: its arithmetic, mouse, keyboard and touch."""

import json
import re

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

from mlcourse.lessons.widgets.landscape.landscape import Landscape, caption
from mlcourse.lessons.widgets.landscape.quadratics import METHODS
from tests.browser.hands import PHONE, drag, handle, middle, numbers, swipe, tab
from tests.lessons.widgets.test_landscape import random_scene

pytestmark = pytest.mark.browser


def state(preset: str, *, inner_lr: float = 0.05, inner_steps: int = 1, **traits) -> Landscape:
    shown = Landscape(preset, inner_lr=inner_lr, inner_steps=inner_steps)
    for name, value in traits.items():
        setattr(shown, name, value)
    return shown


# Where names could crowd or leave the plane, and every kind of caption
STATES = {
    "alike": state("alike"),
    "steep": state("one steep"),
    "crossed": state("crossed"),
    "away": state("one steep", inner_lr=0.1),
    "diverges": state("one steep", inner_lr=0.15, inner_steps=3),
    "line": state("alike", inner_steps=8),
    "corner": state("alike", theta=[2.95, 2.9], minima=[[2.9, 2.9], [2.9, -2.9], [-2.9, 2.9]], method="reptile"),
    "implicit": state("crossed", inner_steps=5, theta=[-2.9, -2.9], lam=10.0, method="implicit"),
    "close": state("crossed", inner_lr=0.02, inner_steps=2, theta=[0.2, 0.1], method="joint"),
    "rests": state("one steep", theta=[0.0, 0.0], method="first-order"),
}


@pytest.fixture(scope="module")
def site(serve_pages):
    """Plain pages: one for each state, and one long enough to scroll."""
    pages = {name: shown.to_html() for name, shown in STATES.items()}
    return serve_pages(pages | {"long": pages["steep"] + '<p style="height:2000px">more</p>'})


def theta(page) -> list[float]:
    return json.loads(page.locator(".mlc-landscape").get_attribute("data-theta"))


def said(page) -> Locator:
    """The caption: after a change it waits a moment before it speaks."""
    return page.locator(".mlc-caption")


def row(page, method: str) -> list[str]:
    return page.locator(f'tr[data-method="{method}"] td').all_text_contents()


# --- the arithmetic ----------------------------------------------------------------------------------------

CLOSED_FORMS = """async ([scenes, methods]) => {
    const q = await import("/landscape/quadratics.js");
    return scenes.map(({ inputs, minima, theta, ...how }) => {
        const tasks = minima.map((minimum, i) => q.taskOf(inputs[i], minimum));
        const of = (method) => {
            const one = q.pull(method, tasks, how);
            return { direction: q.direction(one, theta), rest: q.restOf(one), hold: q.holdOf(one),
                path: tasks.map((task) => q.pathOf(task, theta, how, method)) };
        };
        return { methods: Object.fromEntries(methods.map((method) => [method, of(method)])),
            before: q.meanLoss(tasks, how, theta), after: q.meanLoss(tasks, how, theta, "maml"),
            overshoot: q.overshoot(tasks, how) };
    });
}"""


def test_the_browser_s_closed_forms_are_the_package_s_gradients(beside_modules):
    """Random theta, minima, shapes of tasks, inner_lr, inner_steps and lambda."""
    page, drawn = beside_modules, [random_scene(seed) for seed in range(60)]
    sent = [
        vars(scene) | {name: getattr(scene, name).tolist() for name in ("inputs", "minima", "theta")}
        for scene in drawn
    ]
    known = ("inputs", "minima", "theta", "inner_lr", "inner_steps", "lam")
    found = page.evaluate(CLOSED_FORMS, [[{name: one[name] for name in known} for one in sent], list(METHODS)])
    rests = 0
    for scene, one in zip(drawn, found, strict=True):
        close = {"rtol": 1e-9, "atol": 1e-9}
        np.testing.assert_allclose(one["overshoot"], scene.overshoot, **close)
        np.testing.assert_allclose(one["before"], scene.loss_at(scene.theta), **close)
        np.testing.assert_allclose(one["after"], scene.loss_after(scene.theta), **close)
        for method, forms in one["methods"].items():
            np.testing.assert_allclose(forms["direction"], scene.direction(method), **close, err_msg=method)
            np.testing.assert_allclose(forms["path"], scene.paths(method), **close)
            np.testing.assert_allclose(forms["hold"], scene.hold(method), **close)
            rest = scene.rest(method)
            assert (forms["rest"] is None) == (rest is None)
            if rest is not None:
                rests += 1
                np.testing.assert_allclose(forms["rest"], rest, rtol=1e-9, atol=1e-9 / scene.hold(method))
    assert rests > 200  # the rest of them walk away


@pytest.mark.parametrize("name", STATES)
def test_page_and_kernel_say_the_same(site, browser_page, name):
    page, shown = browser_page.page, STATES[name]
    page.goto(f"{site}{name}.html")
    expect(said(page)).to_have_text(caption(shown.scene, shown.method))
    for method, direction in shown.directions().items():
        if np.abs(direction).max() < 999:
            assert numbers(row(page, method)[0]) == pytest.approx(direction.tolist(), rel=0.0051, abs=0.0051)
        rest = shown.scene.rest(method)
        if rest is not None and shown.scene.loss_after(rest) < 999:
            assert numbers(row(page, method)[2]) == pytest.approx(
                [shown.scene.loss_after(rest)], rel=0.0051, abs=0.0051
            )
    assert browser_page.complaints() == []


def test_the_angles_are_those_between_the_arrows(site, browser_page):
    page, maml = browser_page.page, STATES["steep"].directions()["maml"]
    page.goto(f"{site}steep.html")
    for method, direction in STATES["steep"].directions().items():
        cosine = direction @ maml / np.linalg.norm(direction) / np.linalg.norm(maml)
        assert row(page, method)[1] == f"{np.degrees(np.arccos(min(1, cosine))):.0f}°"


# --- hands -------------------------------------------------------------------------------------------------


def test_by_mouse(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}steep.html")
    x, y = middle(handle(page, "θ"))
    drag(page, [(x, y), (x + 60, y + 40), (x + 100, y + 80)])
    moved = theta(page)
    assert moved[0] > 0.3 and moved[1] < 0.7
    assert numbers(row(page, "maml")[0]) == pytest.approx(
        state("one steep", theta=moved).directions()["maml"].tolist(), abs=0.006
    )
    x, y = middle(handle(page, "Minimum of task 2"))
    drag(page, [(x, y), (x - 5000, y)])  # no farther than the edge
    words = page.get_by_role("slider", name="Minimum of task 2").get_attribute("aria-valuetext")
    assert words.startswith("minus 3.0 across") and theta(page) == moved
    x, y = middle(handle(page, "θ"))
    page.mouse.move(x, y)
    page.mouse.down(button="right")
    page.mouse.move(x - 60, y)
    page.mouse.up(button="right")
    assert theta(page) == moved  # the right button is the browser's own
    assert browser_page.complaints() == []


def test_by_keyboard(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}steep.html")
    reached = tab(page, 20, "({ ariaLabel, innerText, value }) => ariaLabel || innerText || value")
    stars = ["Minimum of task 1", "Minimum of task 2", "θ"]
    slides = ["Inner learning rate", "Inner steps", "Lambda of implicit MAML"]
    assert reached[:8] == ["one steep", *slides, "joint", *stars]
    assert reached[9:13] == ["Outer step", "Play", "Go there", "Restart"]
    before = theta(page)
    page.get_by_role("slider", name="θ", exact=True).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowUp")
    assert theta(page) == pytest.approx([before[0] + 0.12, before[1] + 0.6])
    page.get_by_label("Inner steps").focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_label("Inner steps").get_attribute("aria-valuetext") == "inner_steps k = 2"
    page.get_by_label("Lambda of implicit MAML").focus()
    page.keyboard.press("Home")
    expected = state("one steep", theta=theta(page), inner_steps=2, lam=0.1).directions()
    assert numbers(row(page, "implicit")[0]) == pytest.approx(expected["implicit"].tolist(), abs=0.006)
    page.get_by_role("button", name="Restart").focus()
    page.keyboard.press("Enter")
    assert theta(page) == before and page.get_by_label("Inner steps").input_value() == "1"
    ring = "getComputedStyle(document.querySelector('.mlc-handle:focus-visible .ring')).stroke"
    page.get_by_role("slider", name="θ", exact=True).focus()
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(ring) != "none"  # where the focus is can be seen
    assert browser_page.complaints() == []


def test_by_touch_a_finger_drags_and_beside_it_the_page_scrolls(site, open_page):
    watched = open_page(**PHONE)
    page = watched.page
    page.goto(f"{site}long.html")
    page.locator(".mlc-canvas").scroll_into_view_if_needed()
    scrolled, before = page.evaluate("scrollY"), theta(page)
    x, y = middle(handle(page, "θ"))
    swipe(page, (x, y), (x, y + 90))
    assert page.evaluate("scrollY") == scrolled
    assert theta(page)[1] < before[1] - 1.5 and theta(page)[0] == pytest.approx(before[0], abs=0.1)
    moved, canvas = theta(page), page.locator(".mlc-canvas").bounding_box()
    x, y = canvas["x"] + canvas["width"] * 0.85, canvas["y"] + canvas["height"] * 0.75  # a free place of the plane
    swipe(page, (x, y), (x, y - 120))
    page.wait_for_function(f"scrollY > {scrolled + 50}")
    assert theta(page) == moved
    page.get_by_role("button", name="Go there").tap()
    assert theta(page) == pytest.approx([-1.2, -0.8])
    assert watched.complaints() == []


def test_methods_can_be_followed_to_where_they_rest(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}steep.html")
    start = theta(page)
    page.get_by_role("button", name="Outer step").click()
    share = (np.array(theta(page)) - start) / (np.array([-1.2, -0.8]) - start)
    assert share == pytest.approx([0.3, 0.3])  # equal pulls on all sides
    for method, place in {"first-order": (0, 0), "joint": (1.2, 0.8), "maml": (-1.2, -0.8)}.items():
        page.get_by_label("Follow").select_option(method)
        page.get_by_role("button", name="Go there").click()
        assert theta(page) == pytest.approx(place, abs=1e-9)
        expect(said(page)).to_contain_text(f"{METHODS[method]} rests here.")
    page.get_by_role("button", name="Outer step").click(force=True)
    expect(said(page)).to_have_text("MAML rests here.")
    assert page.locator(".trail").get_attribute("points").count(",") == 5
    assert browser_page.complaints() == []


def test_play_walks_until_it_rests_and_begins_again(site, browser_page):
    page = browser_page.page
    page.clock.install(time=0)
    page.goto(f"{site}crossed.html")
    page.clock.pause_at(60_000)  # from here on the test moves the time
    start = theta(page)
    page.get_by_role("button", name="Play").click()
    page.clock.run_for(120)
    assert theta(page) not in (start, pytest.approx([0, -1.6], abs=0.02))
    page.clock.run_for(10_000)
    assert theta(page) == pytest.approx([0, -1.6], abs=1e-9)
    page.get_by_role("button", name="Play").click()
    page.clock.run_for(20)
    assert theta(page) == start
    page.get_by_role("button", name="Pause").click()
    assert browser_page.complaints() == []


def test_play_ends_at_the_edge_when_the_method_walks_away(site, open_page):
    watched = open_page(reduced_motion="reduce")  # who prefers still pages is taken to the end at once
    page = watched.page
    page.goto(f"{site}away.html")
    page.get_by_label("Follow").select_option("first-order")
    page.get_by_role("button", name="Play").click()
    assert min(theta(page)) < -2 and row(page, "first-order")[2] == "walks away"
    page.get_by_role("button", name="Go there").click(force=True)
    expect(said(page)).to_have_text("First-order MAML comes to rest nowhere: it walks away.")
    assert watched.complaints() == []


def test_the_caption_waits_for_the_end_of_a_drag(site, browser_page):
    """A screen reader must not hear every pixel: the live region changes once, when things have come to a stop."""
    page = browser_page.page
    page.goto(f"{site}steep.html")
    page.evaluate("""() => { window.spoken = 0; new MutationObserver(() => { window.spoken += 1; })
        .observe(document.querySelector('.mlc-caption'), { childList: true }); }""")
    x, y = middle(handle(page, "θ"))
    drag(page, [(x, y), (x + 120, y + 90)], steps=40)
    assert page.evaluate("spoken") == 0
    expect(said(page)).not_to_contain_text("(−0.90, 1.70)")
    assert page.evaluate("spoken") == 1


def test_what_is_drawn_can_be_chosen(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}steep.html")
    rests = page.locator(".mlc-canvas .rest")
    assert page.locator("line.pull").count() == 5 and rests.count() == 4  # Reptile rests where joint training does
    page.get_by_role("checkbox", name="Implicit MAML").uncheck()
    assert page.locator("line.pull").count() == 4 and rests.count() == 3
    band = page.locator(".band").first.get_attribute("transform")
    page.get_by_role("radio", name="after adapting").check()
    assert page.locator(".band").first.get_attribute("transform") != band
    page.get_by_role("radio", name="crossed valleys").check()
    assert theta(page) == [1.3, 0.7]
    page.get_by_role("radio", name="alike").check()
    assert page.get_by_role("slider", name=re.compile("Minimum")).count() == 3
    assert browser_page.complaints() == []


def test_arrows_are_of_one_length_or_of_true_length(site, browser_page):
    """Measured in the picture, from the middle of theta to each tip, in the plane's own units."""
    tips = """() => {
        const frame = document.querySelector('.mlc-canvas .frame').getBBox(), unit = frame.width / 6;
        return [...document.querySelectorAll('polygon.pull')].map((head) => {
            const { x, y } = head.points[0];
            return [(x - frame.x) / unit - 3, 3 - (y - frame.y) / unit];
        });
    }"""
    page, directions = browser_page.page, np.array(list(STATES["steep"].directions().values()))
    page.goto(f"{site}steep.html")
    arrows = np.array(page.evaluate(tips)) - theta(page)
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    np.testing.assert_allclose(arrows, 1.2 * directions / lengths, atol=1e-6)
    page.get_by_role("radio", name="of true length").check()
    factor = numbers(page.locator(".mlc-factor").text_content())[0]
    np.testing.assert_allclose(np.array(page.evaluate(tips)) - theta(page), factor * directions, atol=1e-6)


# --- how it looks ------------------------------------------------------------------------------------------

CUT_OR_HIDDEN = """() => {
    const frame = document.querySelector('.mlc-canvas .frame').getBoundingClientRect(), found = [];
    const boxes = [...document.querySelectorAll('.mlc-canvas svg text:not(.height, .tick, .label)')]
        .map((text) => [text.textContent, text.getBoundingClientRect()]);
    boxes.forEach(([one, a], i) => {
        const across = a.left < frame.left - 1 || a.right > frame.right + 1;
        if (across || a.top < frame.top - 3 || a.bottom > frame.bottom + 3) found.push(`${one} leaves`);
        boxes.slice(i + 1).forEach(([other, b]) => {
            const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
            const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
            if (across > 2 && down > 5) found.push(`${one} hides ${other}`); // a box has air round its letters
        });
    });
    return found;
}"""


@pytest.mark.parametrize("width", [360, 1000])
@pytest.mark.parametrize("name", STATES)
def test_no_name_hides_another_or_leaves_the_plane(site, open_page, name, width):
    page = open_page(width=width).page
    page.goto(f"{site}{name}.html")
    assert page.evaluate(CUT_OR_HIDDEN) == []
    page.get_by_role("radio", name="of true length").check()
    assert page.evaluate(CUT_OR_HIDDEN) == []
