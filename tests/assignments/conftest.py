"""What tests of grading share: a toy set, and submissions to it."""

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from mlcourse.assignments import sets

TOY = Path(__file__).with_name("toy.py")


@pytest.fixture(scope="session")
def toy_notebook() -> nbformat.NotebookNode:
    return sets.instructor(TOY)


@pytest.fixture(scope="session")
def toy(toy_notebook) -> sets.ProblemSet:
    return sets.ProblemSet.of("toy", toy_notebook)


@pytest.fixture
def hand_in(tmp_path, toy_notebook) -> Callable[..., Path]:
    """Write a submission: the solved toy set, with some of its cells replaced.

    `cells` maps the name of a cell to its new source; None takes it away. `change` gets the notebook.
    """

    def write(cells: dict[str, str | None] | None = None, change=None, name: str = "toy.ipynb") -> Path:
        notebook = nbformat.from_dict(toy_notebook)
        notebook = nbformat.reads(nbformat.writes(notebook), as_version=4)
        kept = []
        for cell in notebook.cells:
            known = cell.metadata.get("nbgrader", {}).get("grade_id", "")
            if known in (cells or {}):
                if cells[known] is None:
                    continue
                cell.source = cells[known]
            kept.append(cell)
        notebook.cells = kept
        if change:
            change(notebook)
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(nbformat.writes(notebook), encoding="utf-8")
        return path

    return write
