"""The server's page at /: a reader clicks points or draws letters, on a desktop and a phone, in light and dark."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from mlcourse.serving.settings import Settings
from tests.conftest import OF_COLOURS, violations
from tests.serving.live import served

pytestmark = pytest.mark.browser
SCREENS = {"desktop": (1200, "light"), "phone": (360, "dark")}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(Settings(store=str(tmp_path_factory.mktemp("page") / "adapters.sqlite"))) as port:
        yield f"http://127.0.0.1:{port}/"


def stroke(page: Page, *path: tuple[float, float]) -> None:
    """Draw a line through these shares of the drawing field."""
    box = page.locator(".field canvas").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in path]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=4)
    page.mouse.up()


CROSS = ((0.2, 0.2), (0.8, 0.8)), ((0.8, 0.2), (0.2, 0.8))
BAR = (((0.5, 0.15), (0.5, 0.85)),)


@pytest.mark.parametrize(("width", "scheme"), SCREENS.values(), ids=SCREENS)
def test_a_reader_tries_both_models(address, open_page, width, scheme):
    watched = open_page(width=width, color_scheme=scheme)
    page = watched.page
    page.goto(address)
    said = page.get_by_role("status")
    page.get_by_role("combobox").select_option("sines")
    expect(said).to_have_text(
        re.compile(r"5 points\. Adapted and answered in [\d.]+ ms.*Chance to be right: \d+ %")
    )
    before = page.locator("svg path").last.get_attribute("d")
    page.locator("svg").click(position={"x": 20, "y": 20})
    expect(said).to_contain_text("6 points")
    assert page.locator("svg path").last.get_attribute("d") != before
    points = page.get_by_label("Points, x y a line")
    points.fill("0 1\n1 x\n2 3")
    points.blur()
    expect(said).to_contain_text("2 points")  # the line that is no point is left out
    page.get_by_role("button", name="Clear").click()
    expect(said).to_contain_text("Click into the picture")

    page.get_by_role("combobox").select_option("glyphs")
    for shape, name in ((CROSS, "cross"), (BAR, "bar")):
        for line in shape:
            stroke(page, *line)
        page.get_by_label("Class", exact=True).fill(name)
        page.get_by_role("button", name="Add as example").click()
    expect(page.get_by_role("list", name="Examples").get_by_role("listitem")).to_have_count(2)
    for line in CROSS:
        stroke(page, *line)
    page.get_by_role("button", name="What is this?").click()
    expect(said).to_contain_text("This is cross")

    expect(page.locator("#dashboard dl")).to_have_count(2)
    for measure in (
        "Few-shot accuracy",
        "Adaptation speed",
        "Task generalisation gap",
        "Labels saved",
        "Time to deploy",
    ):
        expect(page.locator("#dashboard")).to_contain_text(measure)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page) == [] and violations(page, OF_COLOURS) == []
    assert watched.complaints() == []


def test_a_mistake_is_shown_in_the_server_s_words(address, open_page):
    page = open_page().page
    page.goto(address)
    page.get_by_role("combobox").select_option("sines")
    page.get_by_label("Points, x y a line").fill("0 1e300")
    page.get_by_label("Points, x y a line").blur()
    expect(page.get_by_role("status")).to_contain_text("beyond float32")


def test_the_docs_ask_nobody_else(address, open_page):
    watched = open_page()
    watched.page.goto(address + "docs")
    expect(watched.page.get_by_role("link", name="/feedback")).to_be_visible()
    assert watched.outside == []
