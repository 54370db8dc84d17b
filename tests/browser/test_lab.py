"""A notebook that was just opened in JupyterLab, untrusted and not yet run, shows what it stores."""

from __future__ import annotations

import pathlib
from html.parser import HTMLParser

import nbformat
import pytest
from playwright.sync_api import Page

from tests.conftest import Watched

pytestmark = pytest.mark.browser

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
PICTURES = ".jp-OutputArea-output img"
SECONDS = 60
# JupyterLab draws only what is near the window: walk down the page and note every picture that has loaded.
SEEN = f"""() => {{
    const panel = document.querySelector('.jp-WindowedPanel-outer');
    const loaded = [...document.querySelectorAll('{PICTURES}')].filter(p => p.complete && p.naturalWidth > 0);
    panel.scrollBy(0, 500);
    return {{words: loaded.map(p => p.alt), end: panel.scrollTop + panel.clientHeight >= panel.scrollHeight - 2}};
}}"""


class Words(HTMLParser):
    """Collects the alt texts of a piece of HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.found.add(dict(attrs).get("alt") or "")


def stored_words(path: pathlib.Path) -> set[str]:
    """The alt texts of all pictures that the notebook stores."""
    words = Words()
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            words.feed(output.get("data", {}).get("text/html", "").split("<script>")[0])
    return words.found


def shown_words(page: Page) -> set[str]:
    """The alt texts of all pictures that a reader meets on the way down, twice at the bottom to let it settle."""
    words: set[str] = set()
    bottoms = 0
    for _ in range(200):
        seen = page.evaluate(SEEN)
        words.update(seen["words"])
        bottoms += seen["end"]
        if bottoms > 5:
            break
        page.wait_for_timeout(150)
    return words


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_untrusted_and_unrun_shows_its_pictures(
    path: pathlib.Path, lab_server: str, browser_page: Watched
) -> None:
    page = browser_page.page
    page.goto(lab_server + path.name + "?reset")  # without the tabs of the visit before
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=SECONDS * 1000)
    page.wait_for_selector(PICTURES, timeout=SECONDS * 1000)
    stored = stored_words(path)
    assert "" not in stored
    assert shown_words(page) == stored
    assert page.locator(".jp-OutputArea-output :text('Error displaying widget')").count() == 0
    assert browser_page.outside == []
