"""A live experiment in a reader's hands: redrawn by the kernel in JupyterLab, a picture and a line without."""

import json
import re

import pytest

from mlcourse import figures
from mlcourse.widgets.experiment import experiment
from tests.browser.test_stepper import PAGE, WIDGET_VIEW, notebook, open_in_lab

pytestmark = pytest.mark.browser

LINE = "With a kernel (run this cell) sliders for inner_steps and inner_lr appear here."
CELL = """
from mlcourse import figures
from mlcourse.widgets.experiment import experiment

def draw(inner_steps=1, inner_lr=0.01):
    figure, axes = figures.canvas()
    axes.plot([0, inner_steps], [0, inner_lr])
    if inner_steps == 3:
        raise ValueError("three is too many")
    return figure

tried = experiment(draw, alt="A line for {inner_steps} steps.", inner_steps=(0, 5), inner_lr=(0.001, 0.05, 0.001))
tried
"""


def draw(inner_steps=1, inner_lr=0.01):
    figure, axes = figures.canvas()
    axes.plot([0, inner_steps], [0, inner_lr])
    return figure


def stored() -> dict:
    """What a built notebook keeps of the output: no live view."""
    tried = experiment(draw, alt="A line.", inner_steps=(0, 5), inner_lr=(0.001, 0.05))
    return {key: value for key, value in tried._repr_mimebundle_().items() if key != WIDGET_VIEW}


def test_a_published_page_shows_the_picture_and_the_line(tmp_path, static_server, open_page):
    (tmp_path / "page.html").write_text(PAGE.format(stored()["text/html"]), encoding="utf-8")
    watched = open_page(width=360)
    watched.page.goto(f"{static_server(tmp_path)}page.html")
    picture = watched.page.get_by_alt_text("A line.")
    assert picture.evaluate("image => image.naturalWidth") > 300
    assert watched.page.get_by_text(LINE).is_visible()
    assert watched.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert watched.complaints() == []


def test_in_jupyterlab_a_slider_makes_the_kernel_draw_again(lab_server, browser_page):
    page = browser_page.page
    sources = (CELL.strip(), "print('kernel sees', tried.values)")
    open_in_lab(page, lab_server, "experiment.ipynb", notebook(*sources))
    page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.click()
    page.keyboard.press("Shift+Enter")
    page.get_by_alt_text("A line for 1 steps.").wait_for(timeout=60_000)
    assert page.get_by_text(re.compile("With a kernel")).count() == 0  # the live view is there instead
    assert page.locator(".widget-slider .widget-label").all_text_contents() == ["inner_steps", "inner_lr"]
    assert page.locator(".widget-readout").all_text_contents() == ["1", "0.0100"]
    steps = page.locator(".noUi-handle").first
    steps.focus()
    page.keyboard.press("ArrowRight")
    page.get_by_alt_text("A line for 2 steps.").wait_for(timeout=20_000)
    page.keyboard.press("ArrowRight")
    page.get_by_text("ValueError: three is too many").wait_for(timeout=20_000)
    page.keyboard.press("ArrowRight")  # the sliders have stayed
    page.get_by_alt_text("A line for 4 steps.").wait_for(timeout=20_000)
    page.locator(".jp-Notebook .jp-CodeCell .cm-content").nth(1).click()
    page.keyboard.press("Shift+Enter")
    page.get_by_text("kernel sees {'inner_steps': 4, 'inner_lr': 0.01}").wait_for(timeout=20_000)
    assert browser_page.outside == []


def test_in_a_notebook_that_nobody_ran_too(lab_server, browser_page):
    page = browser_page.page
    output = {"output_type": "display_data", "data": json.loads(json.dumps(stored())), "metadata": {}}
    open_in_lab(page, lab_server, "unrun_experiment.ipynb", notebook("tried", outputs=[output]))
    page.get_by_alt_text("A line.").wait_for(timeout=30_000)
    assert page.get_by_text(LINE).is_visible() and page.locator(".widget-slider").count() == 0
    assert browser_page.outside == []
