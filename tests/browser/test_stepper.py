"""The stepper under a reader's hands, in a page without a kernel."""

import re

import pytest

from mlcourse.lessons.widgets import Stepper
from tests.browser.hands import PHONE, caption, tab

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site(serve_pages):
    """Plain pages: both loops, with and without a folded panel, one task, and function space alone."""
    pages = {
        "loops": Stepper(),
        "folded": Stepper(folded=True),
        "task": Stepper(stage="task"),
        "functions": Stepper("reptile", view="functions"),
    }
    return serve_pages({name: shown.to_html() for name, shown in pages.items()})


def index(page) -> int:
    return int(page.locator(".mlc-stepper").get_attribute("data-index"))


def test_by_mouse(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}loops.html")
    page.get_by_role("button", name="Inner step").click()
    assert index(page) == 1 and caption(page).startswith("Inner step 1 of 3")
    page.get_by_role("button", name="Outer step").click()
    assert index(page) == 4 and caption(page).startswith("Outer step 1 of 12: MAML")
    page.get_by_role("button", name="Back").click()
    assert index(page) == 3 and "φ₁, φ₂, φ₃" in caption(page)
    page.get_by_role("button", name="Inner step").click(force=True)  # none is left: it says so and stays
    assert index(page) == 3 and caption(page).startswith("The inner loop is done")
    page.get_by_role("radio", name="Joint training").check()
    assert index(page) == 3 and "joint training takes no inner step" in caption(page)
    page.get_by_role("button", name="Restart").click()
    assert index(page) == 0 and caption(page).startswith("Start")
    assert browser_page.complaints() == []


def test_by_keyboard(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}loops.html")
    reached = tab(page, 11, "({ innerText, type }) => innerText || type")
    controls = ["Inner step", "Outer step", "Back", "Restart", "Play", "range"]
    panel = "What is differentiated (one task; the others look alike)"
    assert [one.split("\n")[0] for one in reached] == ["radio", "radio", *controls, panel, "slow", "Other points"]
    slider = page.get_by_role("slider", name="Frame")
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert index(page) == 2
    assert slider.get_attribute("aria-valuetext") == "outer step 0 of 12, inner step 2 of 3"
    page.keyboard.press("End")
    assert index(page) == 51
    page.get_by_role("button", name="Restart").focus()
    page.keyboard.press("Enter")
    assert index(page) == 0
    page.get_by_role("radio", name=re.compile("^MAML")).focus()
    page.keyboard.press("ArrowDown")
    assert page.locator(".mlc-stepper").get_attribute("data-method") == "first-order"
    outline = page.locator(".mlc-card").nth(1).evaluate("card => getComputedStyle(card).outlineStyle")
    assert outline == "solid"  # where the focus is can be seen
    assert browser_page.complaints() == []


def test_play_goes_on_at_the_chosen_speed_and_pauses(site, browser_page):
    page = browser_page.page
    page.clock.install(time=0)
    page.goto(f"{site}loops.html")
    page.clock.pause_at(60_000)  # from here on the test moves the time
    page.clock.run_for(5000)
    assert index(page) == 0  # nothing moves before it is asked to
    page.get_by_role("button", name="Play").click()
    page.clock.run_for(2000)
    assert index(page) == 2
    page.get_by_label("Speed of Play").select_option("fast")
    page.clock.run_for(1500)  # the step that was due, then one every 0.3 s
    assert index(page) == 5
    page.get_by_role("button", name="Pause").click()
    page.clock.run_for(5000)
    assert index(page) == 5
    page.locator(".mlc-caption").evaluate(
        """(caption) => new MutationObserver(() => {
            if (caption.ariaLive === "polite") window.said = caption.textContent;
        }).observe(caption, { childList: true })"""
    )
    page.get_by_role("button", name="Play").click()
    page.clock.run_for(60_000)
    assert page.evaluate("window.said") == caption(page) and index(page) == 51  # the last words are read out
    assert page.get_by_role("button", name="Play").is_visible()
    assert browser_page.complaints() == []


def test_who_prefers_still_pages_is_taken_to_the_end_at_once(site, open_page):
    watched = open_page(reduced_motion="reduce")
    watched.page.goto(f"{site}loops.html")
    watched.page.get_by_role("button", name="Play").click()
    assert index(watched.page) == 51 and watched.page.get_by_role("button", name="Play").count() == 1
    assert watched.complaints() == []


def test_other_points_and_the_same_frame(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}loops.html")
    page.get_by_role("button", name="Outer step").click()
    words = caption(page)
    seeds = []
    for _ in range(3):
        page.get_by_role("button", name="Other points").click()
        seeds.append(page.locator(".mlc-stepper").get_attribute("data-seed"))
    assert seeds == ["3", "4", "2"] and index(page) == 4 and caption(page) == words
    assert browser_page.complaints() == []


def test_what_is_differentiated_is_drawn_and_said(site, browser_page):
    """MAML goes back along both paths, first order along one; Reptile along none."""
    page = browser_page.page
    page.goto(f"{site}loops.html")
    shown = {}
    for name in ("MAML", "First-order MAML", "Reptile", "Joint training"):
        page.get_by_role("radio", name=name, exact=False).first.check()
        page.get_by_role("button", name="Restart").click(force=True)
        page.get_by_role("button", name="Outer step").click()
        kinds = ("line.back", "line.second", ".cross", ".bow")
        counts = [page.locator(f".mlc-graph {kind}").count() for kind in kinds]
        shown[name] = (counts, page.locator(".mlc-differentiated").text_content())
    assert {name: counts for name, (counts, _) in shown.items()} == {
        "MAML": [10, 6, 0, 0],
        "First-order MAML": [4, 0, 3, 0],
        "Reptile": [0, 0, 0, 1],
        "Joint training": [1, 0, 0, 0],
    }
    assert "along both paths" in shown["MAML"][1] and "is cut" in shown["First-order MAML"][1]
    page.get_by_role("button", name="Inner step").click()
    assert page.locator(".mlc-graph line.back").count() == 0  # joint training takes no inner step
    page.get_by_role("radio", name="Reptile").check()
    assert page.locator(".mlc-graph line.back").count() == 1
    assert browser_page.complaints() == []


def test_a_folded_panel_is_drawn_at_its_width_when_it_is_opened(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}folded.html")
    graph = page.locator(".mlc-graph svg")
    assert not graph.is_visible()
    page.get_by_text("What is differentiated").click()
    assert graph.is_visible()
    page.goto(f"{site}loops.html")
    width = graph.get_attribute("width")
    page.goto(f"{site}folded.html")
    page.get_by_text("What is differentiated").click()
    page.wait_for_function(
        "width => document.querySelector('.mlc-graph svg').getAttribute('width') === width", arg=width
    )
    assert browser_page.complaints() == []


def test_by_touch(site, open_page):
    watched = open_page(**PHONE)
    page = watched.page
    page.goto(f"{site}loops.html")
    page.get_by_role("button", name="Inner step").tap()
    page.get_by_role("button", name="Outer step").tap()
    page.get_by_role("radio", name="Reptile").tap()
    assert index(page) == 4 and caption(page).startswith("Outer step 1 of 12: Reptile")
    assert watched.complaints() == []


def test_the_contours_can_be_those_after_adapting(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}loops.html")
    contours = page.locator(".mlc-parameters .band").first
    before = contours.get_attribute("d")
    page.get_by_role("radio", name="after adapting").check()
    assert page.locator(".mlc-parameters .band").first.get_attribute("d") != before
    assert browser_page.complaints() == []


def test_all_methods_show_their_losses_side_by_side(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}loops.html")
    page.get_by_role("slider").focus()
    page.keyboard.press("End")
    shown = page.locator(".mlc-change").all_text_contents()
    runs = Stepper().loops.runs.values()
    assert shown == [f"{run.losses[-1, 0]:.2f} → {run.losses[-1, -1]:.2f}" for run in runs]


def test_one_task_and_functions_alone(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}task.html")
    assert page.get_by_role("button", name="Outer step").count() == 0
    page.get_by_role("button", name="Inner step").click()
    assert caption(page).startswith("Inner step 1 of 8")
    page.goto(f"{site}functions.html")
    assert page.locator(".mlc-parameters").count() == 0 and page.locator(".mlc-functions svg").count() == 1
    assert browser_page.complaints() == []
