"""JupyterLab as `make lab TEACH=1` opens it: with nbgrader, which learners do not see."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Iterator

import pytest

from tests.browser.hands import Lab, things_of_authors
from tests.conftest import LabServer, watch

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module", autouse=True)
def teaching() -> Iterator[None]:
    """The settings that the Makefile names, before the server starts."""
    settings = pathlib.Path(sys.prefix) / "etc" / "teach"
    assert settings.is_dir(), "set the environment up with make"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_CONFIG_PATH", str(settings))
        yield


def test_a_teacher_sees_nbgrader(browser: object, lab_server: LabServer) -> None:
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    page = Lab(watch(context), lab_server).open("00_start_here.ipynb")
    page.locator(".jp-NotebookPanel-toolbar :text-is('Validate')").wait_for(timeout=20_000)
    assert things_of_authors(page) == {"Nbgrader", "Nbgrader Create Assignment", "Validate", "Notebook"}
    context.close()
