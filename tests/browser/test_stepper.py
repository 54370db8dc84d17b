"""The stepper under a reader's hands: in a page without a kernel, in JupyterLab, and in a notebook nobody ran."""

import json
import re

import pytest

from mlcourse.widgets import Stepper

pytestmark = pytest.mark.browser

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
PAGE = """<!doctype html><html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<title>A stepper</title></head><body><main><h1>A stepper</h1>{}</main></body></html>"""


@pytest.fixture(scope="module")
def site(tmp_path_factory, static_server):
    """A folder of plain pages: both loops, one task, function space alone, and two equal steppers on one page."""
    folder = tmp_path_factory.mktemp("site")
    pages = {
        "loops": Stepper().to_html(),
        "task": Stepper(stage="task").to_html(),
        "functions": Stepper("reptile", view="functions").to_html(),
        "twice": Stepper().to_html() + Stepper().to_html(),
        "broken": Stepper().to_html().replace("function page(", "function gone("),
    }
    for name, content in pages.items():
        (folder / f"{name}.html").write_text(PAGE.format(content), encoding="utf-8")
    return static_server(folder)


def index(page) -> int:
    return int(page.locator(".mlc-stepper").first.get_attribute("data-index"))


def caption(page) -> str:
    return page.locator(".mlc-caption").first.text_content()


def test_by_mouse(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}loops.html")
    assert page.locator("img").count() == 0  # the script has replaced the picture
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
    reached = []
    for _ in range(10):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.innerText || document.activeElement.type"))
    controls = ["Inner step", "Outer step", "Back", "Restart", "Play", "range"]
    assert [one.split("\n")[0] for one in reached] == ["radio", "radio", *controls, "slow", "Other points"]
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


def test_by_touch(site, open_page):
    watched = open_page(width=390, height=844, has_touch=True, is_mobile=True)
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


def test_no_class_that_a_page_s_own_style_may_know(site, browser_page):
    """Bootstrap, which the book brings, has a .card and a .small of its own."""
    page = browser_page.page
    page.goto(f"{site}loops.html")
    classes = "[...document.querySelectorAll('.mlc :not(svg, svg *)')].flatMap(element => [...element.classList])"
    assert [name for name in page.evaluate(classes) if not name.startswith("mlc-")] == []


def test_two_equal_steppers_on_a_page_are_apart(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}twice.html")
    page.get_by_role("button", name="Inner step").nth(1).click()
    page.get_by_role("radio", name="Reptile").nth(1).check()
    steppers = page.locator(".mlc-stepper")
    assert [steppers.nth(i).get_attribute("data-index") for i in range(2)] == ["0", "1"]
    assert [steppers.nth(i).get_attribute("data-method") for i in range(2)] == ["maml", "reptile"]
    assert steppers.nth(0).get_by_role("radio", name=re.compile("^MAML")).is_checked()


def test_a_script_that_fails_leaves_the_picture(site, browser_page):
    browser_page.page.goto(f"{site}broken.html")
    assert browser_page.page.locator("img").count() == 1
    assert any("page is not defined" in error for error in browser_page.errors)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1000])
def test_it_fits_every_page(site, open_page, width, scheme):
    """No overflow, nothing cut off, nothing too small to touch, and nothing that axe-core objects to."""
    from axe_playwright_python.sync_playwright import Axe

    watched = open_page(width=width, color_scheme=scheme)
    page = watched.page
    page.goto(f"{site}loops.html")
    page.get_by_role("button", name="Outer step").click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    small = page.locator(".mlc button, .mlc select, .mlc .mlc-card, .mlc .mlc-of label, .mlc .mlc-slide input")
    assert min(box["height"] for box in (one.bounding_box() for one in small.all())) >= 40
    cut = """() => [...document.querySelectorAll('.mlc-panel svg text')].filter(text => {
        const [t, s] = [text.getBoundingClientRect(), text.ownerSVGElement.getBoundingClientRect()];
        return t.left < s.left - 1 || t.right > s.right + 1 || t.top < s.top - 1 || t.bottom > s.bottom + 1;
    }).map(text => text.textContent)"""
    assert page.evaluate(cut) == []
    found = Axe().run(page).response["violations"]
    assert [rule["id"] for rule in found if rule["impact"] in ("serious", "critical")] == []
    assert watched.complaints() == []


@pytest.mark.parametrize("mark, paper", [("light", "rgb(255, 255, 255)"), ("dark", "rgb(22, 24, 29)")])
def test_the_page_s_theme_wins_over_the_system_s(site, open_page, mark, paper):
    """The book marks <html data-theme>, JupyterLab <body data-jp-theme-light>; the system says the opposite."""
    page = open_page(color_scheme="dark" if mark == "light" else "light").page
    page.goto(f"{site}loops.html")
    background = "getComputedStyle(document.querySelector('.mlc')).backgroundColor"
    assert page.evaluate(background) != paper
    page.evaluate("mark => { document.documentElement.dataset.theme = mark }", mark)
    assert page.evaluate(background) == paper
    page.evaluate("delete document.documentElement.dataset.theme")
    page.evaluate("light => { document.body.dataset.jpThemeLight = light }", str(mark == "light").lower())
    assert page.evaluate(background) == paper


# --- JupyterLab --------------------------------------------------------------------------------------------


def notebook(*sources: str, outputs: list | None = None) -> dict:
    cells = [
        {"cell_type": "code", "id": f"c{i}", "source": source, "metadata": {}, "execution_count": None}
        for i, source in enumerate(sources)
    ]
    cells = [cell | {"outputs": []} for cell in cells]
    cells[0]["outputs"] = outputs or []
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}


def open_in_lab(page, lab_server: str, name: str, content: dict) -> None:
    """Save a notebook through the server's own interface, as an upload does, open it and wait for its kernel."""
    page.goto(lab_server)
    page.wait_for_selector("#jp-main-dock-panel", timeout=90_000)
    saved = page.evaluate(
        """async ([name, content]) => {
            const token = document.cookie.match(/_xsrf=([^;]+)/)?.[1] ?? "";
            const answer = await fetch(`/api/contents/${name}`, { method: "PUT", body: JSON.stringify(
                { type: "notebook", format: "json", content }), headers: { "X-XSRFToken": token } });
            return answer.status;
        }""",
        [name, content],
    )
    assert saved in (200, 201)
    page.goto(lab_server + name)
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=90_000)
    page.get_by_text("| Idle").wait_for(timeout=60_000)  # a cell run before the kernel is ready is lost


def test_in_jupyterlab_the_kernel_sees_the_frame(lab_server, browser_page):
    page = browser_page.page
    sources = ("from mlcourse.widgets import Stepper\ns = Stepper()\ns", "print('kernel sees', s.index, s.method)")
    open_in_lab(page, lab_server, "live.ipynb", notebook(*sources))
    page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.click()
    page.keyboard.press("Shift+Enter")
    stepper = page.locator(".mlc-stepper")
    stepper.wait_for(timeout=60_000)
    stepper.get_by_role("button", name="Outer step").click()
    stepper.get_by_role("button", name="Inner step").click()
    stepper.get_by_role("radio", name="Reptile").check()
    assert caption(page).startswith("Inner step 1 of 3")
    page.locator(".jp-Notebook .jp-CodeCell .cm-content").nth(1).click()
    page.keyboard.press("Shift+Enter")
    page.get_by_text("kernel sees 5 reptile").wait_for(timeout=20_000)
    assert browser_page.outside == []


def test_a_notebook_that_nobody_ran_shows_the_picture(lab_server, browser_page):
    page, shown = browser_page.page, Stepper()
    data, _ = shown._repr_mimebundle_()
    stored = {key: value for key, value in data.items() if key != WIDGET_VIEW}
    output = {"output_type": "display_data", "data": json.loads(json.dumps(stored)), "metadata": {}}
    open_in_lab(page, lab_server, "unrun.ipynb", notebook("Stepper()", outputs=[output]))
    picture = page.locator(".jp-OutputArea-output img")
    picture.wait_for(timeout=30_000)
    assert picture.evaluate("image => image.naturalWidth") > 300
    assert re.match("Stepper, MAML, function space and parameter space. Start", picture.get_attribute("alt"))
    assert "A still picture: run this cell" in page.locator(".jp-OutputArea-output").first.text_content()
    assert page.locator(".mlc-stepper").count() == 0
    assert browser_page.outside == []
