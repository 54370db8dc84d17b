"""A notebook that was opened and saved is the notebook that the course ships, but for Python's own version.

A reader's changes stay small, so that a newer course can be laid over them.
"""

from __future__ import annotations

import difflib
import pathlib
from collections.abc import Iterator

import pytest

from tests.browser.hands import Lab
from tests.conftest import LabServer, watch

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def lab(browser: object, lab_server: LabServer) -> Iterator[Lab]:
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    yield Lab(watch(context), lab_server)
    context.close()


SAVE = """async () => {
    const { context } = jupyterapp.shell.currentWidget;
    await context.sessionContext.ready;
    await context.sessionContext.session.kernel.info;
    await context.save();
}"""


def changed_lines(before: str, after: str) -> list[str]:
    """Lines that one has and the other has not."""
    compared = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line for line in compared if line.startswith(("- ", "+ "))]


@pytest.mark.parametrize("name", ["00_start_here.ipynb", "05_maml_from_zero.ipynb"])
def test_opening_and_saving_changes_nothing(lab: Lab, name: str) -> None:
    path: pathlib.Path = lab.server.folder / name
    before = path.read_text(encoding="utf-8")
    page = lab.open(name)
    page.wait_for_function(Lab.IDLE, timeout=60_000)
    page.evaluate(SAVE)
    page.evaluate("() => jupyterapp.commands.execute('notebook:run-all-cells')")
    page.evaluate(SAVE)
    print("\n".join(changed_lines(before, path.read_text(encoding="utf-8"))))
    assert 0
