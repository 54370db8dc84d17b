"""A reader's own code travels: solved in 05 and 06 in JupyterLab, it trains in 06 with a new kernel."""

from __future__ import annotations

import pathlib
import re
import shutil
from collections.abc import Iterator

import jupytext
import pytest

from mlcourse.lessons.work import store
from tests.browser.hands import Lab, notebook
from tests.conftest import LabServer, watch
from tests.notebooks.exercises import SOURCES, Exercise, parts

pytestmark = pytest.mark.browser

MAML, REPTILE = SOURCES / "05_maml_from_zero.py", SOURCES / "06_first_order_and_reptile.py"


@pytest.fixture
def lab(browser: object, lab_server: LabServer) -> Iterator[Lab]:
    """JupyterLab for a reader who has solved nothing yet."""
    shutil.rmtree(store.folder(), ignore_errors=True)
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    yield Lab(watch(context), lab_server)
    context.close()
    shutil.rmtree(store.folder(), ignore_errors=True)


def solved(source: pathlib.Path, *numbers: str) -> list[str]:
    """What a reader runs who solves these exercises: what they need of the page, solutions, checks."""
    cells = []
    for part in parts(source):
        if not isinstance(part, Exercise):
            cells.append(part)
        elif part.number in numbers:
            cells += [f"{part.solution}  # my own", f"display({part.check})"]
    return cells


def training(source: pathlib.Path) -> list[str]:
    """The page's setup, and the cells in which the course's functions and the reader's train, made short."""
    cells = [cell for cell in jupytext.read(source, fmt="py:percent").cells if cell.cell_type == "code"]
    setup = [cell.source for cell in cells if "setup" in cell.metadata.get("tags", [])]
    start = next(i for i, cell in enumerate(cells) if 'yours("5.1"' in cell.source)
    own = [cell.source for cell in cells[start - 1 : start + 2]]
    families = re.findall(r"^family = .+$", "\n".join(cell.source for cell in cells), re.MULTILINE)
    return [*setup, *families, *(re.sub(r"\b500\b", "3", text) for text in own)]


def run_all(lab: Lab, name: str, cells: list[str]) -> str:
    """Run everything in one cell of a new notebook with a new kernel, and return what it shows.

    In one cell, because JupyterLab draws only the cells that are near the window.
    """
    page = lab.open(name, notebook("\n\n".join([*cells, "print('the', 'end')"])))
    lab.run(0)
    ended = page.locator(".jp-OutputArea-output").filter(has_text=re.compile("the end|Traceback"))
    ended.first.wait_for(timeout=120_000)
    return "\n".join(page.locator(".jp-OutputArea-output").all_inner_texts())


def test_what_is_solved_in_one_kernel_trains_in_another(lab: Lab) -> None:
    before = run_all(lab, "before.ipynb", training(REPTILE))
    assert before.count("the course's code runs") == 3 and "your own code" not in before
    assert run_all(lab, "five.ipynb", solved(MAML, "5.1", "5.2")).count("✓ Passed") == 2
    assert run_all(lab, "six.ipynb", solved(REPTILE, "6.3")).count("✓ Passed") == 1
    assert "# my own" in store.path_of("5.1").read_text()
    after = run_all(lab, "after.ipynb", training(REPTILE))
    assert after.count("your own code runs") == 3 and "the course's code" not in after
    assert re.search(r"MAML\s+loss after one step on 100 new sines: \d", after)
    passport = run_all(lab, "passport.ipynb", ["from mlcourse.lessons import passport\ndisplay(passport())"])
    assert "3 of" in passport and "with your own lines in 06" in passport
