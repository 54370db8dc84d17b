"""A problem set: from its source (py:percent) to the lecturer's notebook, and from that to the students' one.

In the source a cell says by its tags what it is (CONTRIBUTING.md, "A problem set"); here that becomes nbgrader's
metadata, so that nbgrader and the course's own grader read the same file. What a student must not see is taken out
by nbgrader's own preprocessors.
"""

import copy
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from mlcourse import paths

SOURCES = paths.REPOSITORY / "notebooks" / "source" / "assignments"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def names() -> list[str]:
    """The sets that there are."""
    return sorted(path.stem for path in SOURCES.glob("ps[0-9].py"))


def source(name: str) -> Path:
    """Return the source of a set.

    Raises:
        ValueError: there is no such set.
    """
    if name not in names():
        raise ValueError(f"there is no problem set {name!r}; there are {', '.join(names())}")
    return SOURCES / f"{name}.py"


def from_source(path: Path) -> NotebookNode:
    """Return the notebook that a source (py:percent) describes, not run."""
    import jupytext

    notebook = jupytext.read(path, fmt="py:percent")
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for place, cell in enumerate(notebook.cells):
        cell["id"] = hashlib.sha1(f"{place} {cell.source}".encode()).hexdigest()[:12]
    return notebook


def store(notebook: NotebookNode, path: Path) -> Path:
    """Write a notebook, and the folders that it needs; return where it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
    return path


def instructor(path: Path) -> NotebookNode:
    """Return the lecturer's notebook of a source: solutions, hidden tests and mark schemes are in it."""
    notebook = from_source(path)
    setups = 0
    for cell in notebook.cells:
        kind, question, points = _told(cell)
        setups += kind == "setup"
        name_of = {"setup": f"setup-{setups}", "answer": f"{question}-answer"}.get(kind, question)
        graded, solved = kind in ("test", "manual"), kind in ("answer", "manual")
        if kind in ("setup", "answer", "test", "manual"):
            cell.metadata["nbgrader"] = _metadata(cell, name_of, points, grade=graded, solution=solved)
    nbformat.validate(notebook)
    return notebook


def student(notebook: NotebookNode) -> NotebookNode:
    """Return what students get of a lecturer's notebook: stubs for solutions, no hidden test, no mark scheme."""
    from nbgrader import preprocessors as nbgrader

    notebook = copy.deepcopy(notebook)
    steps = [
        "ClearSolutions",
        "LockCells",
        "ClearOutput",
        "ClearHiddenTests",
        "ClearMarkScheme",
        "ComputeChecksums",
    ]
    for step in steps:
        notebook, _ = getattr(nbgrader, step)().preprocess(notebook, {})
    nbformat.validate(notebook)
    return notebook


def _told(cell: NotebookNode) -> tuple[str, str, float]:
    """What the header of a cell in the source says: its kind, its item and its points."""
    kinds = cell.metadata.get("tags", ["text"])
    return kinds[0], cell.metadata.pop("item", ""), cell.metadata.pop("points", 0)


def _metadata(cell: NotebookNode, name: str, points: float, *, grade: bool, solution: bool) -> NotebookNode:
    told: dict[str, Any] = {
        "schema_version": 3,
        "grade_id": name,
        "grade": grade,
        "solution": solution,
        "task": False,
    }
    told |= {"locked": not solution, "cell_type": cell.cell_type}
    return nbformat.from_dict(told | ({"points": points} if grade else {}))


@dataclass(frozen=True)
class Item:
    """What points are given for: `source` is the test cell, or the model answer of a manual question."""

    name: str
    points: float
    source: str
    manual: bool


@dataclass(frozen=True)
class ProblemSet:
    """What a grader needs of a lecturer's notebook.

    Attributes:
        items: in the notebook's order.
        given: the cells that the grader runs on its own side: all that is not answered or tested.
        cells: all its cells that have a name, in order.
        texts: what stands in the cells that are neither code nor an answer.
    """

    name: str
    items: tuple[Item, ...]
    given: tuple[str, ...]
    cells: tuple[NotebookNode, ...]
    texts: frozenset[str]

    @classmethod
    def of(cls, name: str, notebook: NotebookNode) -> "ProblemSet":
        """Read a lecturer's notebook, as `instructor` makes it or as it was stored.

        Raises:
            ValueError: it holds no item.
        """
        named = tuple(cell for cell in notebook.cells if "nbgrader" in cell.metadata)
        items = tuple(
            Item(told.grade_id, told.points, cell.source, cell.cell_type == "markdown")
            for cell in named
            if (told := cell.metadata.nbgrader).grade
        )
        if not items:
            raise ValueError(
                f"{name} holds no item to grade: give the lecturer's notebook, source/{name}/{name}.ipynb"
            )
        answered = {cell.id for cell in named if cell.metadata.nbgrader.solution or cell.metadata.nbgrader.grade}
        given = (cell.source for cell in notebook.cells if cell.cell_type == "code" and cell.id not in answered)
        texts = (cell.source for cell in notebook.cells if cell.cell_type != "code" and cell.id not in answered)
        return cls(name, items, tuple(given), named, frozenset(map(str.strip, texts)))

    @classmethod
    def stored(cls, path: Path) -> "ProblemSet":
        """Read a lecturer's notebook from a file.

        Raises:
            ValueError: it is not there, or holds no item.
        """
        if not path.is_file():
            raise ValueError(f"{path} is not there; make it by `assignment build`, or name the folder by --course")
        return cls.of(path.stem, nbformat.read(str(path), as_version=4))
