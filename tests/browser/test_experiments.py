"""A live experiment on a published page: a picture and a line that says what a kernel would add."""

import pytest

from mlcourse.lessons import figures
from mlcourse.lessons.widgets import experiment
from tests.browser.hands import stored

pytestmark = pytest.mark.browser


def draw(inner_steps=1, inner_lr=0.01):
    figure, axes = figures.canvas()
    axes.plot([0, inner_steps], [0, inner_lr])
    return figure


def test_a_published_page_shows_the_picture_and_the_line(serve_pages, open_page):
    tried = experiment(draw, alt="A line.", inner_steps=(0, 5), inner_lr=(0.001, 0.05))
    watched = open_page(width=360)
    watched.page.goto(serve_pages({"page": stored(tried)["data"]["text/html"]}) + "page.html")
    assert watched.page.get_by_alt_text("A line.").evaluate("image => image.naturalWidth") > 300
    line = "With a kernel (run this cell) sliders for inner_steps and inner_lr appear here."
    assert watched.page.get_by_text(line).is_visible()
    assert watched.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert watched.complaints() == []
