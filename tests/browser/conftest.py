"""What the browser tests lay before a reader's hands: plain pages around widgets, and the widgets' own modules."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from mlcourse.lessons.widgets import base
from tests.conftest import Watched

PAGE = """<!doctype html><html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<title>A widget</title></head><body><main><h1>A widget</h1>{}</main></body></html>"""


@pytest.fixture(scope="module")
def serve_pages(
    tmp_path_factory: pytest.TempPathFactory, static_server: Callable
) -> Callable[[dict[str, str]], str]:
    """A function that puts a plain page NAME.html around each piece of HTML and gives the folder's address."""

    def serve(contents: dict[str, str]) -> str:
        folder = tmp_path_factory.mktemp("site")
        for name, content in contents.items():
            (folder / f"{name}.html").write_text(PAGE.format(content), encoding="utf-8")
        return static_server(folder)

    return serve


@pytest.fixture
def beside_modules(static_server: Callable, browser_page: Watched) -> Page:
    """A page on which `import("/FOLDER/NAME.js")` finds a module of the widgets."""
    browser_page.page.goto(static_server(base.FOLDER) + "plot.js")
    return browser_page.page
