"""The landscape playground under a reader's hands: its arithmetic, mouse, keyboard, touch, and JupyterLab."""

import json
import re

import numpy as np
import pytest

from mlcourse.widgets import base
from mlcourse.widgets.landscape import Landscape, caption
from mlcourse.widgets.quadratics import METHODS
from tests.browser.test_stepper import PAGE, notebook, open_in_lab
from tests.widgets.test_landscape import random_scene

pytestmark = pytest.mark.browser

SAID = 500  # milliseconds after which the caption has spoken


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
def site(tmp_path_factory, static_server):
    """A folder of plain pages: one for each state, one whose script is broken, one long enough to scroll."""
    folder = tmp_path_factory.mktemp("site")
    pages = {name: shown.to_html() for name, shown in STATES.items()}
    pages["broken"] = pages["steep"].replace("function page(", "function gone(")
    pages["long"] = pages["steep"] + '<p style="height:2000px">more</p>'
    for name, content in pages.items():
        (folder / f"{name}.html").write_text(PAGE.format(content), encoding="utf-8")
    return static_server(folder)


def theta(page) -> list[float]:
    return json.loads(page.locator(".mlc-landscape").get_attribute("data-theta"))


def said(page) -> str:
    page.wait_for_timeout(SAID)
    return page.locator(".mlc-caption").text_content()


def row(page, method: str) -> list[str]:
    return page.locator(f'tr[data-method="{method}"] td').all_text_contents()


def numbers(text: str) -> list[float]:
    return [float(one.replace("−", "-")) for one in re.findall(r"[−\d.]+", text)]


def middle(page, name: str) -> tuple[float, float]:
    """Where a handle's middle is, in pixels of the window."""
    box = page.get_by_role("slider", name=name, exact=True).locator(".hit").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


# --- the arithmetic ----------------------------------------------------------------------------------------

CLOSED_FORMS = """async ([scenes, methods]) => {
    const q = await import("/quadratics.js");
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


def test_the_browser_s_closed_forms_are_the_package_s_gradients(static_server, browser_page):
    """Random theta, minima, shapes of tasks, inner_lr, inner_steps and lambda."""
    page, drawn = browser_page.page, [random_scene(seed) for seed in range(60)]
    page.goto(static_server(base.FOLDER) + "quadratics.js")
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
    assert said(page) == caption(shown.scene, shown.method)
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
    assert page.locator("img").count() == 0  # the script has replaced the picture
    x, y = middle(page, "θ")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y + 40, steps=5)
    page.mouse.move(x + 100, y + 80, steps=5)
    page.mouse.up()
    moved = theta(page)
    assert moved[0] > 0.3 and moved[1] < 0.7
    assert numbers(row(page, "maml")[0]) == pytest.approx(
        state("one steep", theta=moved).directions()["maml"].tolist(), abs=0.006
    )
    star = middle(page, "Minimum of task 2")
    page.mouse.move(*star)
    page.mouse.down()
    page.mouse.move(star[0] - 5000, star[1], steps=3)  # no farther than the edge
    page.mouse.up()
    words = page.get_by_role("slider", name="Minimum of task 2").get_attribute("aria-valuetext")
    assert words.startswith("minus 3.0 across") and theta(page) == moved
    assert browser_page.complaints() == []


def test_by_keyboard(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}steep.html")
    focused = """() => { const { ariaLabel, innerText, value } = document.activeElement;
        return ariaLabel || innerText || value; }"""
    reached = []
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(focused))
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


def touch(page, points: list[tuple[float, float]]) -> None:
    """One finger along these points of the window."""
    session = page.context.new_cdp_session(page)
    kinds = ["touchStart"] + ["touchMove"] * (len(points) - 1)
    for kind, (x, y) in zip(kinds, points, strict=True):
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        page.wait_for_timeout(30)
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_timeout(100)


def test_by_touch_a_finger_drags_and_beside_it_the_page_scrolls(site, open_page):
    watched = open_page(width=390, height=700, has_touch=True, is_mobile=True)
    page = watched.page
    page.goto(f"{site}long.html")
    page.locator(".mlc-canvas").scroll_into_view_if_needed()
    scrolled, before = page.evaluate("scrollY"), theta(page)
    x, y = middle(page, "θ")
    touch(page, [(x, y + 15 * i) for i in range(7)])
    assert page.evaluate("scrollY") == scrolled
    assert theta(page)[1] < before[1] - 1.5 and theta(page)[0] == pytest.approx(before[0], abs=0.1)
    moved, canvas = theta(page), page.locator(".mlc-canvas").bounding_box()
    x, y = canvas["x"] + canvas["width"] * 0.85, canvas["y"] + canvas["height"] * 0.75  # a free place of the plane
    touch(page, [(x, y - 15 * i) for i in range(9)])
    assert page.evaluate("scrollY") > scrolled + 50 and theta(page) == moved
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
        assert f"{METHODS[method]} rests here." in said(page)
    page.get_by_role("button", name="Outer step").click(force=True)
    assert said(page).startswith("MAML has no further step")
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
    assert said(page).endswith("has no one place of rest within this plane.")
    assert watched.complaints() == []


def test_the_caption_waits_for_the_end_of_a_drag(site, browser_page):
    """A screen reader must not hear every pixel: the live region changes once, when things have come to a stop."""
    page = browser_page.page
    page.goto(f"{site}steep.html")
    said(page)
    page.evaluate("""() => { window.spoken = 0; new MutationObserver(() => { window.spoken += 1; })
        .observe(document.querySelector('.mlc-caption'), { childList: true }); }""")
    x, y = middle(page, "θ")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 120, y + 90, steps=40)
    page.mouse.up()
    assert page.evaluate("spoken") == 0
    assert "(−0.90, 1.70)" not in said(page) and page.evaluate("spoken") == 1


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
    factor = float(page.locator(".mlc-factor").text_content().removeprefix("all times "))
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1000])
def test_it_fits_every_page(site, open_page, width, scheme):
    """No overflow, nothing too small to touch, and nothing that axe-core objects to."""
    from axe_playwright_python.sync_playwright import Axe

    watched = open_page(width=width, color_scheme=scheme)
    page = watched.page
    for name in ("alike", "diverges"):
        page.goto(f"{site}{name}.html")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        small = page.locator(
            ".mlc button, .mlc select, .mlc .mlc-of label, .mlc-figures label, .mlc .mlc-slide input, .mlc .hit"
        )
        assert min(box["height"] for box in (one.bounding_box() for one in small.all())) >= 40
        found = Axe().run(page).response["violations"]
        assert [rule["id"] for rule in found if rule["impact"] in ("serious", "critical")] == []
    assert watched.complaints() == []


def test_no_class_that_a_page_s_own_style_may_know(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}steep.html")
    classes = "[...document.querySelectorAll('.mlc :not(svg, svg *)')].flatMap(element => [...element.classList])"
    assert [name for name in page.evaluate(classes) if not name.startswith("mlc-")] == []


def test_a_script_that_fails_leaves_the_picture(site, browser_page):
    browser_page.page.goto(f"{site}broken.html")
    assert browser_page.page.locator("img").count() == 1
    assert any("page is not defined" in error for error in browser_page.errors)


# --- JupyterLab --------------------------------------------------------------------------------------------


def test_in_jupyterlab_page_and_kernel_share_the_state(lab_server, browser_page):
    page = browser_page.page
    begin = "from mlcourse.widgets.landscape import Landscape\ns = Landscape()\ns"
    look = "print('kernel sees', s.method, [round(w, 3) for w in s.theta], *s.directions()['maml'].round(6) + 0)"
    open_in_lab(page, lab_server, "landscape.ipynb", notebook(begin, look, "s.preset = 'alike'"))
    cells = page.locator(".jp-Notebook .jp-CodeCell .cm-content")
    cells.first.click()
    page.keyboard.press("Shift+Enter")
    shown = page.locator(".mlc-landscape")
    shown.wait_for(timeout=60_000)
    shown.get_by_role("button", name="Go there").click()
    cells.nth(1).click()
    page.keyboard.press("Shift+Enter")
    page.get_by_text("kernel sees maml [-1.2, -0.8] 0.0 0.0").wait_for(timeout=20_000)
    cells.nth(2).click()
    page.keyboard.press("Shift+Enter")
    shown.locator("[aria-label='Minimum of task 3']").wait_for(timeout=20_000)
    assert theta(page) == [-1.6, 1.6]
    assert browser_page.outside == []
