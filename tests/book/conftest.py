"""What the tests of the book share: the book, built once however many workers ask for it, and its pages."""

from __future__ import annotations

import fcntl
import os
import pathlib
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import yaml


def pages_in_toc(root: pathlib.Path) -> list[str]:
    """The pages of the book as the table of contents lists them, without ending."""
    toc = yaml.safe_load((root / "book" / "_toc.yml").read_text())
    chapters = [chapter for part in toc["parts"] for chapter in part["chapters"]]
    return [toc["root"], *(page["file"] for each in chapters for page in [each, *each.get("sections", [])])]


def beside_the_book(root: pathlib.Path, name: str) -> SimpleNamespace:
    """What book/NAME.py defines, which imports its neighbours."""
    folder = str(root / "book")
    sys.path.insert(0, folder)
    try:
        return SimpleNamespace(**runpy.run_path(f"{folder}/{name}.py"))
    finally:
        sys.path.remove(folder)


def wait_for_maths(page: Any) -> None:
    """Wait until MathJax has drawn, where a page has it."""
    page.evaluate("window.MathJax?.startup?.promise")


def open_answers(page: Any) -> None:
    """Open all answers that wait behind "I have answered", where a page has some."""
    everything = page.get_by_role("button", name="Show all answers of this page")
    if everything.count():
        everything.click()


def build_book(root: pathlib.Path, home: pathlib.Path, settings: dict[str, str] | None = None) -> pathlib.Path:
    """Build the book from a copy of its sources, as `make book` does, and return the folder of its HTML.

    In a copy, what is stale or half-written elsewhere in the folder plays no part. settings: lines of
    `_config.yml` to change, by how they begin.
    """
    ignore = shutil.ignore_patterns("_build", "_made", ".ipynb_checkpoints", "__pycache__")
    for folder in ("book", "notebooks"):
        shutil.copytree(root / folder, home / folder, ignore=ignore)
    config = home / "book" / "_config.yml"
    for start, line in (settings or {}).items():
        text, changed = re.subn(rf"^( *){re.escape(start)}.*$", rf"\g<1>{line}", config.read_text(), flags=re.M)
        assert changed == 1, f"{start} stands {changed} times in _config.yml"
        config.write_text(text)
    run(home, sys.executable, "book/build.py")
    jupyter_book = str(pathlib.Path(sys.executable).with_name("jupyter-book"))
    options = ["--config", "book/_config.yml", "--toc", "book/_toc.yml", "--path-output", "out"]
    run(home, jupyter_book, "build", ".", *options, "-W", "--keep-going", "-n")
    return home / "out" / "_build" / "html"


def run(home: pathlib.Path, *command: str) -> None:
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"})
    assert done.returncode == 0, f"the book does not build:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


@pytest.fixture(scope="session")
def book(root: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The book as HTML, with every warning an error. The first worker builds it, the others wait for it."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    home, html = shared / "book", shared / "book" / "out" / "_build" / "html"
    with (shared / "book.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "built").exists():
            shutil.rmtree(home, ignore_errors=True)  # another worker's attempt failed
            home.mkdir()
            build_book(root, home)
            (home / "built").touch()
    return html


@pytest.fixture(scope="session")
def address(book: pathlib.Path, static_server: Callable[[pathlib.Path], str]) -> str:
    return static_server(book)


@pytest.fixture(scope="session")
def pages(root: pathlib.Path) -> list[str]:
    """Every page that a reader can come to, without ending."""
    return [*pages_in_toc(root), "search", "genindex"]
