"""A notebook that was just opened in JupyterLab, untrusted and not yet run, shows what it stores."""

from __future__ import annotations

import pathlib

import nbformat
import pytest

from tests.conftest import Watched

pytestmark = pytest.mark.browser

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
PICTURES = ".jp-OutputArea-output img"
LOADED = f"""() => {{
    const pictures = [...document.querySelectorAll('{PICTURES}')];
    return pictures.length > 0 && pictures.every(picture => picture.complete && picture.naturalWidth > 0);
}}"""
SECONDS = 60


def stored_pictures(path: pathlib.Path) -> int:
    """How many <img> the notebook's outputs hold."""
    code = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    bundles = [output.data for cell in code for output in cell.outputs if "data" in output]
    return sum(bundle.get("text/html", "").count("<img ") for bundle in bundles)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_untrusted_and_unrun_shows_its_pictures(
    path: pathlib.Path, lab_server: str, browser_page: Watched
) -> None:
    page = browser_page.page
    page.goto(lab_server + path.name)
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=SECONDS * 1000)
    page.wait_for_function(LOADED, timeout=SECONDS * 1000)
    assert page.locator(PICTURES).count() == stored_pictures(path)
    assert page.locator(f"{PICTURES}:not([alt])").count() == 0
    assert page.locator(".jp-OutputArea-output :text('Error displaying widget')").count() == 0
    assert browser_page.outside == []
