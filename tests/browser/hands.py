"""A reader's hands: the mouse and the fingers on a widget, and notebooks opened and run in JupyterLab."""

from __future__ import annotations

import json
import re
from typing import Any

from playwright.sync_api import Locator, Page

from mlcourse.lessons.widgets.saving import WIDGET_VIEW
from tests.conftest import LabServer, Watched

PHONE = {"width": 390, "height": 844, "has_touch": True, "is_mobile": True}

Place = tuple[float, float]  # in pixels of the window


def caption(where: Page | Locator) -> str:
    """What the (first) widget says of its present state."""
    return where.locator(".mlc-caption").first.text_content()


def handle(where: Page | Locator, name: str) -> Locator:
    """Something to drag, by its name."""
    return where.get_by_role("slider", name=name, exact=True)


def numbers(text: str) -> list[float]:
    """The numbers in a text, whichever way it writes minus."""
    return [float(one) for one in re.findall(r"-?\d+\.?\d*", re.sub("−|minus ", "-", text))]


# --- the keyboard ------------------------------------------------------------------------------------------


NAME = "({ ariaLabel, innerText, type }) => ariaLabel || innerText || type"


def tab(page: Page, times: int, named: str = NAME) -> list[str]:
    """Press Tab so often; what is reached each time, as the script `named` calls it."""
    reached = []
    for _ in range(times):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(f"({named})(document.activeElement)"))
    return reached


# --- the mouse ---------------------------------------------------------------------------------------------


def middle(target: Locator) -> Place:
    """Where the middle of something is; what is not in sight is scrolled there."""
    target.scroll_into_view_if_needed()
    box = target.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page: Page, places: list[Place], steps: int = 4) -> None:
    """Press the mouse at the first place, move it through the others, let go."""
    first, *others = places
    page.mouse.move(*first)
    page.mouse.down()
    for place in others:
        page.mouse.move(*place, steps=steps)
    page.mouse.up()


# --- a finger ----------------------------------------------------------------------------------------------


def touch(page: Page, *moments: list[Place]) -> None:
    """Where the fingers are, moment by moment, as the browser gets it from a touch screen; then all are lifted."""
    device, down = page.context.new_cdp_session(page), 0
    for places in moments:
        points = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(places)]
        kind = "touchMove" if len(places) == down else "touchStart"
        device.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        down = len(places)
    device.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def swipe(page: Page, start: Place, end: Place, steps: int = 10) -> None:
    """One finger put down, moved along a straight line and lifted."""
    (x, y), (to_x, to_y) = start, end
    shares = [step / steps for step in range(steps + 1)]
    touch(page, *([(x + share * (to_x - x), y + share * (to_y - y))] for share in shares))


# --- JupyterLab --------------------------------------------------------------------------------------------


def stored(shown: Any) -> dict:
    """The output of a cell that shows something, as a built notebook keeps it: without the live view."""
    bundle = shown._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    kept = {key: value for key, value in data.items() if key != WIDGET_VIEW}
    return {"output_type": "display_data", "data": json.loads(json.dumps(kept)), "metadata": {}}


def notebook(*cells: str | tuple[str, dict]) -> dict:
    """A notebook of code cells: their sources, or sources and the one output that each has."""
    pairs = [(cell, None) if isinstance(cell, str) else cell for cell in cells]
    code = {"cell_type": "code", "metadata": {}, "execution_count": None}
    made = [
        {**code, "id": f"c{i}", "source": source, "outputs": [output] if output else []}
        for i, (source, output) in enumerate(pairs)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return {"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}


class Lab:
    """JupyterLab in a browser's page, loaded once; notebooks are opened in it one after the other."""

    OPEN = """async (path) => {
        for (const panel of [...jupyterapp.shell.widgets("main")]) {
            await panel.sessionContext?.shutdown();
            panel.dispose();
        }
        const opened = await jupyterapp.commands.execute("docmanager:open", { path });
        await opened.context.ready;
        await opened.revealed;
    }"""
    IDLE = """() => jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === "idle" """

    def __init__(self, watched: Watched, server: LabServer):
        self.watched, self.page, self.server = watched, watched.page, server
        self.page.goto(f"{server.address}?reset")  # without the tabs of an earlier visit
        self.page.wait_for_function("window.jupyterapp", timeout=90_000)
        self.page.evaluate("jupyterapp.restored.then(() => null)")

    def open(self, name: str, content: dict | None = None) -> Page:
        """Close what is open and open the notebook `name`, with this content if any is given."""
        if content:
            (self.server.folder / name).write_text(json.dumps(content), encoding="utf-8")
        self.watched.forget()
        self.page.evaluate(self.OPEN, name)
        return self.page

    def run(self, number: int) -> None:
        """Run a cell with Shift+Enter, once the kernel is ready: before, its run would be lost."""
        self.page.wait_for_function(self.IDLE, timeout=60_000)
        self.page.locator(".jp-Notebook .jp-CodeCell .cm-content").nth(number).click()
        self.page.keyboard.press("Shift+Enter")


def things_of_authors(page: Page) -> set[str]:
    """What an open notebook's page shows that a learner has no use for: nbgrader's, and another interface's."""
    page.locator("#jp-MainMenu :text-is('Help')").wait_for()
    page.locator(".jp-NotebookPanel-toolbar :text-is('Markdown')").wait_for(state="attached")
    sideways = [tab.get_attribute("title") for tab in page.locator(".jp-SideBar .lm-TabBar-tab").all()]
    words = page.locator("#jp-MainMenu, .jp-NotebookPanel-toolbar").all_inner_texts()
    seen = "\n".join([*words, *filter(None, sideways)]).splitlines()
    return {"Nbgrader", "Nbgrader Create Assignment", "Validate", "Notebook"} & set(seen)
