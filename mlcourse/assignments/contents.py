"""What a submission holds, whatever became of its notebook: the file, the cells to run, the texts to mark.

A notebook is known by its contents and never by its name or kernel. The cells that a set gives are put back as
they were given; all other code cells are run in the order in which they stand: what counts is what they define.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from mlcourse.assignments.sets import ProblemSet

LARGEST = 20 * 2**20  # bytes of a notebook
MOST_CELLS = 1000


class NoNotebook(ValueError):
    """What was handed in holds no notebook of this set that can be read."""


@dataclass(frozen=True)
class Contents:
    """What is graded of a submission.

    Attributes:
        cells: sources of the code cells to run, in order.
        texts: item -> what was written for a manual question.
        notes: what the lecturer should know about the state of the notebook.
    """

    cells: list[str]
    texts: dict[str, str]
    notes: list[str]


def read(path: Path, problem_set: ProblemSet) -> Contents:
    """Read a submission: a notebook, or a folder in which one is.

    Raises:
        NoNotebook: there is none, or it is a link, too large, or no notebook.
    """
    notes: list[str] = []
    if path.is_dir() and not path.is_symlink():
        path, notes = _best(path, problem_set)
    notebook = _parsed(path)
    if path.stem != problem_set.name:
        notes = [*notes, f"the notebook is named {path.name}, not {problem_set.name}.ipynb"]
    kernel = notebook.metadata.get("kernelspec", {}).get("name", "python3")
    if kernel != "python3":
        notes = [*notes, f"it names the kernel {str(kernel)[:40]!r}; it was run as Python"]
    cells, put_back = _with_what_is_given(notebook, problem_set)
    return Contents(cells, *_texts(notebook, problem_set, [*notes, *put_back]))


def _best(folder: Path, problem_set: ProblemSet) -> tuple[Path, list[str]]:
    """The notebook in a folder that holds most of the set's cells, and a note if there are others."""
    found = {}
    for path in sorted(folder.rglob("*.ipynb")):
        if ".ipynb_checkpoints" in path.parts:
            continue
        try:
            names = {_name(cell) for cell in _parsed(path).cells}
        except NoNotebook:
            names = set()
        found[path] = len(names & {_name(cell) for cell in problem_set.cells})
    if not found:
        raise NoNotebook(f"there is no notebook in {folder.name}")
    best = max(found, key=lambda path: (found[path], path.stem == problem_set.name))
    others = ", ".join(path.name for path in found if path != best)
    return best, [f"of several notebooks {best.name} was graded, not {others}"] if others else []


def _parsed(path: Path) -> NotebookNode:
    if any(place.is_symlink() for place in (path, *path.parents[:2])):  # a folder may be one, too
        raise NoNotebook(f"{path.name} is a link to another place, and no notebook")
    try:
        if not path.is_file():
            raise NoNotebook(f"{path.name} is no file")
        if path.stat().st_size > LARGEST:
            raise NoNotebook(
                f"{path.name} is larger than {LARGEST // 2**20} MB; clear its outputs and hand it in again"
            )
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        cells = [_cell(cell) for cell in notebook["cells"]]
        metadata = nbformat.from_dict(
            {"kernelspec": _mapping(_mapping(notebook.get("metadata")).get("kernelspec"))}
        )
    except NoNotebook:
        raise
    except OSError as error:
        raise NoNotebook(f"{path.name} cannot be read: {error.strerror}") from error
    except Exception as error:  # a broken or hostile file may break its reader in any way
        raise NoNotebook(f"{path.name} is not a notebook that can be read") from error
    if len(cells) > MOST_CELLS:
        raise NoNotebook(f"{path.name} has more than {MOST_CELLS} cells")
    return nbformat.from_dict({"cells": cells, "metadata": metadata})


def _cell(cell: dict) -> NotebookNode:
    """A cell without what a grader has no use for, in the form that it relies on."""
    told = {"cell_type": str(cell["cell_type"]), "source": _text(cell["source"])}
    return nbformat.from_dict(told | {"metadata": _mapping(cell.get("metadata"))})


def _text(source: object) -> str:
    return source if isinstance(source, str) else "".join(map(str, source))


def _mapping(value: object) -> dict:
    return value if isinstance(value, dict) else {}


def _name(cell: NotebookNode) -> str:
    """The name that a cell's metadata gives it, "" if none."""
    name = _mapping(cell.metadata.get("nbgrader")).get("grade_id", "")
    return name if isinstance(name, str) else ""


def _with_what_is_given(notebook: NotebookNode, problem_set: ProblemSet) -> tuple[list[str], list[str]]:
    """The code cells to run, with the set's own cells as they were given; and what had to be put back."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    place, notes = 0, []
    for given in problem_set.cells:
        if given.cell_type != "code":
            continue
        same_name = [n for n, cell in enumerate(cells) if _name(cell) == _name(given)]
        same_text = [n for n, cell in enumerate(cells) if cell.source.strip() == given.source.strip()]
        is_setup = given.metadata.nbgrader.locked and not given.metadata.nbgrader.grade
        if len(same_name) > 1:
            notes.append(f"the cell {_name(given)} is there {len(same_name)} times; all were run, in their order")
        if not same_name and not same_text:
            if is_setup:
                cells.insert(place, given)
                notes.append(f"the cell {_name(given)} was missing, and was put back")
                place += 1
            continue
        place = (same_name or same_text)[0] + 1
        if is_setup and not same_text:
            notes.append(f"the cell {_name(given)} had been changed, and was put back")
            cells[place - 1] = given
    return [cell.source for cell in cells], notes


def _texts(notebook: NotebookNode, problem_set: ProblemSet, notes: list[str]) -> tuple[dict[str, str], list[str]]:
    """What was written for each manual question, by the name of its cell."""
    texts = {}
    for item in problem_set.items:
        if item.manual:
            written = [cell.source for cell in notebook.cells if _name(cell) == item.name]
            texts[item.name] = re.sub(r"\A\s*YOUR ANSWER HERE\s*\Z", "", "\n\n".join(written))
            if not written:
                notes = [*notes, f"no cell is marked as the answer to {item.name}: look for it in the notebook"]
    return texts, notes
