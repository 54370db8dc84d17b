"""The published course: it builds without a warning, asks nobody outside for anything, and fits a phone."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import yaml

from tests.conftest import Watched, watch

pytestmark = pytest.mark.book

PHONE = {"width": 390, "height": 844}
OVERFLOWING = """() => {
    const wide = document.documentElement.scrollWidth, window_ = document.documentElement.clientWidth;
    return wide <= window_ ? null : `${wide} px wide in a window of ${window_} px`;
}"""
IMAGES_WITHOUT_WORDS = """() => [...document.querySelectorAll('.bd-article img')]
    .filter(image => !(image.getAttribute('alt') || '').trim())
    .map(image => image.src.slice(0, 80))"""
BROKEN_IMAGES = """() => [...document.querySelectorAll('.bd-article img')]
    .filter(image => image.complete && image.naturalWidth === 0)
    .map(image => image.src.slice(0, 80))"""
LUMINANCE = """() => {
    const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g).map(Number);
    return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
}"""


def pages_in_toc(root: pathlib.Path) -> list[str]:
    """The pages of the book as the table of contents lists them, without ending."""
    toc = yaml.safe_load((root / "book" / "_toc.yml").read_text())
    return [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]


@pytest.fixture(scope="module")
def book(root: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[pathlib.Path]:
    """The book as HTML, built once with every warning an error.

    A copy of the sources is built: what is stale or half-written elsewhere in the folder then plays no part.
    """
    home = tmp_path_factory.mktemp("book")
    ignore = shutil.ignore_patterns("_build", ".ipynb_checkpoints", "__pycache__")
    for folder in ("book", "notebooks"):
        shutil.copytree(root / folder, home / folder, ignore=ignore)
    jupyter_book = pathlib.Path(sys.executable).with_name("jupyter-book")
    command = [str(jupyter_book), "build", ".", "-W", "--keep-going", "-n"]
    command += ["--config", "book/_config.yml", "--toc", "book/_toc.yml", "--path-output", "out"]
    colourless = {**os.environ, "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, env=colourless)
    assert done.returncode == 0, f"the book does not build:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    yield home / "out" / "_build" / "html"


def test_toc_lists_every_notebook_in_order(root: pathlib.Path) -> None:
    listed = [page for page in pages_in_toc(root) if page.startswith("notebooks/")]
    assert listed == [f"notebooks/{path.stem}" for path in sorted((root / "notebooks").glob("[0-9]*.ipynb"))]


def test_introduction_links_every_notebook(root: pathlib.Path) -> None:
    words = (root / "book" / "index.md").read_text()
    missing = [
        page for page in pages_in_toc(root) if page.startswith("notebooks/") and f"{page}.ipynb" not in words
    ]
    assert not missing, f"book/index.md has no link to {missing}"


def test_every_page_was_built(root: pathlib.Path, book: pathlib.Path) -> None:
    assert [page for page in pages_in_toc(root) if not (book / f"{page}.html").exists()] == []


def test_tables_are_tables_and_not_raw_bars(root: pathlib.Path, book: pathlib.Path) -> None:
    """A cell may put out a table in Markdown; shown as text, it is a paragraph that begins with a bar."""
    pages = {name: (book / f"{name}.html").read_text(encoding="utf-8") for name in pages_in_toc(root)}
    assert [name for name, page in pages.items() if re.search(r"<p>\s*\|", page)] == []


def test_hidden_claims_are_not_published(root: pathlib.Path, book: pathlib.Path) -> None:
    with_claims = [page for page in pages_in_toc(root) if "tag_claims" in (book / f"{page}.html").read_text()]
    assert with_claims == []


@pytest.fixture(scope="module")
def address(book: pathlib.Path, static_server: Callable[[pathlib.Path], str]) -> str:
    return static_server(book)


@pytest.fixture(scope="module")
def visits(root: pathlib.Path, address: str, browser: object) -> dict[str, dict[str, list[str]]]:
    """For each page, visited once on a desktop screen: what it asked for and what it showed."""
    seen = {}
    for name in [*pages_in_toc(root), "search", "genindex"]:
        context = browser.new_context(viewport={"width": 1200, "height": 900})
        watched = watch(context)
        watched.page.goto(f"{address}{name}.html", wait_until="networkidle")
        seen[name] = {
            "outside": watched.outside,
            "errors": watched.errors + watched.missing,
            "pictures without words": watched.page.evaluate(IMAGES_WITHOUT_WORDS),
            "broken pictures": watched.page.evaluate(BROKEN_IMAGES),
        }
        context.close()
    return seen


@pytest.mark.browser
@pytest.mark.parametrize("what", ["outside", "errors", "pictures without words", "broken pictures"])
def test_no_page_has(what: str, visits: dict[str, dict[str, list[str]]]) -> None:
    assert {name: visit[what] for name, visit in visits.items() if visit[what]} == {}


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_a_phone(
    scheme: str, root: pathlib.Path, address: str, open_page: Callable[..., Watched]
) -> None:
    page = open_page(**PHONE, color_scheme=scheme).page
    too_wide = {}
    for name in pages_in_toc(root):
        page.goto(f"{address}{name}.html")
        page.evaluate("window.MathJax?.startup?.promise")
        if overflow := page.evaluate(OVERFLOWING):
            too_wide[name] = overflow
    assert too_wide == {}
    assert (page.evaluate(LUMINANCE) < 0.5) == (scheme == "dark")


@pytest.mark.browser
def test_maths_is_drawn_with_the_books_own_mathjax(address: str, browser_page: Watched) -> None:
    page = browser_page.page
    page.goto(f"{address}notebooks/05_maml_from_zero.html", wait_until="networkidle")
    page.wait_for_selector("mjx-container")
    assert page.locator("mjx-merror").count() == 0
    assert page.evaluate("[...document.fonts].some(f => f.status === 'loaded' && /MJX/.test(f.family))")
    assert not browser_page.complaints()


@pytest.mark.browser
@pytest.mark.parametrize("name", ["01_what_is_a_task", "05_maml_from_zero", "06_first_order_and_reptile"])
def test_the_stepper_steps_in_the_book(name: str, address: str, browser_page: Watched) -> None:
    """No kernel, no outside network: one click on each of the two buttons moves it on."""
    page = browser_page.page
    page.goto(f"{address}notebooks/{name}.html", wait_until="networkidle")
    stepper = page.locator(".mlc-stepper").last
    stepper.scroll_into_view_if_needed()
    caption = stepper.locator("[aria-live]").first
    start = caption.text_content()
    stepper.get_by_role("button", name="Inner step").click()
    inner = caption.text_content()
    stepper.get_by_role("button", name="Outer step").click()
    outer = caption.text_content()
    assert len({start, inner, outer}) == 3, (start, inner, outer)
    assert not browser_page.complaints()
