"""A notebook that was opened and saved is the one that the course ships; a run changes what it prints, no more."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator

import pytest

from mlcourse.lessons.widgets import Stepper
from mlcourse.lessons.widgets.saving import WIDGET_VIEW
from tests.browser.hands import Lab, notebook, stored
from tests.conftest import LabServer, watch

pytestmark = pytest.mark.browser

SAVE = """async () => {
    const { context } = jupyterapp.shell.currentWidget;
    await context.sessionContext.ready;
    await context.sessionContext.session.kernel.info;
    await context.save();
}"""


@pytest.fixture(scope="module")
def lab(browser: object, lab_server: LabServer) -> Iterator[Lab]:
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    yield Lab(watch(context), lab_server)
    context.close()


def without_version(text: str) -> dict:
    """A notebook but for the version of Python, which is the reader's own."""
    read = json.loads(text)
    del read["metadata"]["language_info"]["version"]
    return read


@pytest.mark.parametrize("name", ["00_start_here.ipynb", "05_maml_from_zero.ipynb"])
def test_opening_and_saving_changes_nothing(lab: Lab, name: str) -> None:
    path: pathlib.Path = lab.server.folder / name
    before = path.read_text(encoding="utf-8")
    page = lab.open(name)
    page.wait_for_function(Lab.IDLE, timeout=60_000)
    page.evaluate(SAVE)
    after = path.read_text(encoding="utf-8")
    assert without_version(after) == without_version(before)
    assert len(after.splitlines()) == len(before.splitlines())


def test_a_saved_widget_is_its_picture_and_no_error_when_it_is_opened_again(lab: Lab) -> None:
    source = "from mlcourse.lessons.widgets import Stepper\nStepper()"
    page = lab.open("saved.ipynb", notebook((source, stored(Stepper()))))
    lab.run(0)
    page.locator(".mlc").first.wait_for(timeout=60_000)
    page.evaluate(SAVE)
    cell, *_ = json.loads((lab.server.folder / "saved.ipynb").read_text(encoding="utf-8"))["cells"]
    assert [WIDGET_VIEW in output["data"] for output in cell["outputs"]] == [False]
    assert ["text/html" in output["data"] for output in cell["outputs"]] == [True]
    page = lab.open("saved.ipynb")
    page.locator(".mlc, .jp-OutputArea-output img").first.wait_for(timeout=60_000)
    assert page.locator(".jp-OutputArea-output :text('Error displaying widget')").count() == 0
