"""A problem set's whole way in JupyterLab with nbgrader: fetched, solved, submitted, graded, returned."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import nbformat
import pytest
from playwright.sync_api import Frame, Page, expect

from mlcourse.assignments import products, sets
from tests.browser.hands import Lab
from tests.conftest import LabServer, running_lab, watch

pytestmark = pytest.mark.browser
BESIDE = pathlib.Path(sys.executable).parent  # make puts it on PATH, for nbgrader calls commands by their names
LAST = "compute-answer"  # the answer that is typed in the browser; the others are written into the file


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A course with ps1 released into an exchange, all of one user."""
    home = tmp_path_factory.mktemp("course")
    products.build(["ps1"], home / "course")
    (home / "exchange").mkdir()
    (home / "exchange").chmod(0o777)
    settings = (home / "course" / "nbgrader_config.py").read_text(encoding="utf-8")
    settings += (
        f"c.CourseDirectory.root = {str(home / 'course')!r}\nc.Exchange.root = {str(home / 'exchange')!r}\n"
    )
    for folder in ("config", "course"):
        (home / folder).mkdir(exist_ok=True)
        (home / folder / "nbgrader_config.py").write_text(settings, encoding="utf-8")
    for command in ("generate_assignment", "release_assignment"):
        run = [sys.executable, "-m", "nbgrader", command, "ps1"]
        subprocess.run(
            run, cwd=home / "course", env={**os.environ, **variables()}, check=True, capture_output=True
        )
    return home


def variables() -> dict[str, str]:
    teach = pathlib.Path(sys.prefix) / "etc" / "teach"
    return {"PATH": f"{BESIDE}:{os.environ['PATH']}", "JUPYTER_CONFIG_PATH": str(teach)}


@pytest.fixture(scope="module")
def server(home: pathlib.Path) -> Iterator[LabServer]:
    with running_lab(home, home, **variables()) as server:
        yield server


def solve_in_file(path: pathlib.Path) -> str:
    """Write the reference answers into a student's notebook, all but LAST; return that one."""
    notebook = nbformat.read(path, as_version=4)
    reference = sets.instructor(sets.source("ps1"))
    solved = {
        cell.metadata.nbgrader.grade_id: cell.source
        for cell in reference.cells
        if cell.metadata.get("nbgrader", {}).get("solution")
    }
    last = solved.pop(LAST)
    for cell in notebook.cells:
        cell.source = solved.get(cell.metadata.get("nbgrader", {}).get("grade_id"), cell.source)
        if "yours" in cell.metadata.get("tags", []):
            cell.source = 'STUDENT = "root"'
    path.write_text(nbformat.writes(notebook), encoding="utf-8")
    return "\n".join(line for line in last.splitlines() if "SOLUTION" not in line)


def open_list(page: Page) -> None:
    page.evaluate("jupyterapp.commands.execute('nbgrader:open-assignment-list').then(() => null)")


def validated(page: Page) -> str:
    """Press Validate, and return what the dialog says."""
    page.locator(".jp-NotebookPanel-toolbar :text-is('Validate')").click()
    dialog = page.locator(".jp-Dialog")
    dialog.wait_for(timeout=120_000)
    said = dialog.inner_text()
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")
    return said


def type_the_last_answer(page: Page, answer: str) -> None:
    cell = page.locator(".jp-Notebook .jp-CodeCell", has_text="raise NotImplementedError()")
    expect(cell).to_have_count(1)
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(answer)
    page.evaluate("jupyterapp.commands.execute('docmanager:save').then(() => null)")


def formgrader(page: Page) -> Frame:
    page.evaluate("jupyterapp.commands.execute('nbgrader:open-formgrader').then(() => null)")
    frame = page.locator("iframe[src*=formgrader]").element_handle().content_frame()
    frame.wait_for_selector("td.collect a")
    return frame


def press(frame: Frame, what: str) -> str:
    """Press one of formgrader's buttons, and return what it says when it is done."""
    frame.locator(f"td.{what} a").first.click()
    dialog = frame.locator(".modal.in", has_text="Log Output")
    dialog.wait_for(timeout=120_000)
    said = dialog.inner_text()
    dialog.locator("button:text-is('OK')").click()
    dialog.wait_for(state="detached")
    return said


def test_the_whole_way(browser: object, home: pathlib.Path, server: LabServer, wall: str) -> None:
    context = browser.new_context(viewport={"width": 1300, "height": 900})
    lab = Lab(watch(context), server)
    page = lab.page

    # The student fetches, solves, validates, submits.
    open_list(page)
    page.get_by_text("Fetch", exact=True).click()
    page.get_by_text("Submit", exact=True).wait_for()
    answer = solve_in_file(home / "ps1" / "ps1.ipynb")
    lab.open("ps1/ps1.ipynb")
    assert "Success" not in validated(page)
    type_the_last_answer(page, answer)
    assert "Success" in validated(page)
    open_list(page)
    page.get_by_text("Submit", exact=True).click()
    page.get_by_text("Fetch Feedback", exact=True).wait_for()

    # The lecturer collects, grades, marks the prose by hand, returns it.
    frame = formgrader(page)
    assert "Success" in press(frame, "collect")
    manage = server.address.replace("/lab", "/formgrader")
    frame.goto(f"{manage}/manage_submissions/ps1")
    said = press(frame, "autograde")
    assert "Success" in said, said
    frame.goto(f"{manage}/gradebook/ps1/ps1")
    expect(frame.locator("tbody")).to_contain_text("85 / 100")
    frame.locator("tbody a.name-hidden").click()
    # Not before the form has its grades and comments: until then it listens to nobody
    frame.locator("input.score#compute[placeholder='10']").wait_for()
    frame.locator("textarea.comment[placeholder]").last.wait_for()
    mark = frame.locator("input.score#prose")
    mark.fill("12")
    with page.expect_response(lambda response: "/api/grade/" in response.url and response.request.method == "PUT"):
        mark.press("Tab")
    comment = frame.locator("textarea.comment").last
    comment.fill("Well argued.")
    with page.expect_response(
        lambda response: "/api/comment/" in response.url and response.request.method == "PUT"
    ):
        comment.press("Tab")
    frame.goto(f"{manage}/manage_submissions/ps1")
    expect(frame.locator("tbody")).to_contain_text("97 / 100")
    assert "Success" in press(frame, "generate-feedback")
    assert "Success" in press(frame, "release-feedback")

    # The student reads it: the mark and the comment, and no hidden test.
    open_list(page)
    page.get_by_text("Fetch Feedback", exact=True).click()
    page.get_by_text("(view feedback)").wait_for()
    feedback = next((home / "ps1" / "feedback").rglob("*.html")).read_text(encoding="utf-8")
    assert "Well argued." in feedback and "97.0" in feedback
    assert "HIDDEN TESTS" not in feedback and "hidden=True" not in feedback
    context.close()
