"""What a submission holds, whatever became of its notebook: the file, the cells to run, the texts to mark.

A notebook is known by its contents and never by its name or kernel. The cells that a set gives are put back as
they were given; all other code cells are run in the order in which they stand: what counts is what they define.
The searches here are linear in what was handed in: a text may be made to keep a pattern busy.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from mlcourse.assignments.sets import ProblemSet

LARGEST = 64 * 2**20  # bytes of a notebook
MOST_CELLS = 1000
LONGEST_LINE = 500  # characters; a line that defines an answer is shorter
STUB = re.compile(r"raise NotImplementedError\(\)|YOUR ANSWER HERE")  # as nbgrader leaves it
EMPTY = re.compile(r"\A\s*YOUR ANSWER HERE\s*\Z")


class NoNotebook(ValueError):
    """What was handed in holds no notebook of this set that can be read."""


@dataclass(frozen=True)
class Contents:
    """What is graded of a submission.

    Attributes:
        cells: sources of the code cells to run, in order.
        places: item -> how many of these cells have run when its test stands there.
        texts: item -> what was written for a manual question.
        elsewhere: what else was written into cells of its author's own.
        notes: what the lecturer should know about the state of the notebook.
    """

    cells: list[str]
    places: dict[str, int]
    texts: dict[str, str]
    elsewhere: str
    notes: list[str]


def defines(cells: Iterable[str], names: tuple[str, ...]) -> bool:
    """Whether a line of these cells seems to give one of these names a value or a function."""
    any_of = "|".join(map(re.escape, names))
    gives = re.compile(rf"(?:def|class) +(?:{any_of})\b|[\w ,]*\b(?:{any_of})\b[^=(]*=(?!=)")
    lines = (line for cell in cells for line in cell.splitlines() if len(line) <= LONGEST_LINE)
    return any(map(gives.match, lines))


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
    texts, missing = _texts(notebook, problem_set)
    places = _places(cells, problem_set)
    sources = [cell.source for cell in cells]
    return Contents(sources, places, texts, _elsewhere(notebook, problem_set), [*notes, *put_back, *missing])


def _best(folder: Path, problem_set: ProblemSet) -> tuple[Path, list[str]]:
    """The notebook in a folder with most of the set's cells, and most answers; a note if there are others."""
    names = {_name(cell) for cell in problem_set.cells}
    found = {}
    for path in sorted(folder.rglob("*.ipynb")):
        if ".ipynb_checkpoints" in path.parts:
            continue
        try:
            cells = [cell for cell in _parsed(path).cells if _name(cell) in names]
        except NoNotebook:
            cells = []
        open_ones = {_name(cell) for cell in cells if STUB.search(cell.source)}
        found[path] = len({_name(cell) for cell in cells}), -len(open_ones)
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
        text = path.read_text(encoding="utf-8-sig")
        notebook = json.loads(text)
        if notebook["nbformat"] < 4:
            notebook = nbformat.reads(text, as_version=4)
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
    text = source if isinstance(source, str) else "".join(map(str, source))
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _mapping(value: object) -> dict:
    return value if isinstance(value, dict) else {}


def _name(cell: NotebookNode) -> str:
    """The name that a cell's metadata gives it, "" if none."""
    name = _mapping(cell.metadata.get("nbgrader")).get("grade_id", "")
    return name if isinstance(name, str) else ""


def _with_what_is_given(notebook: NotebookNode, problem_set: ProblemSet) -> tuple[list[NotebookNode], list[str]]:
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
        if is_setup and not same_text:  # the change may be an import that the answers need
            notes.append(f"the cell {_name(given)} had been changed; it was run, and then as it was given")
            cells.insert(place, given)
            place += 1
    return cells, notes


def _places(cells: list[NotebookNode], problem_set: ProblemSet) -> dict[str, int]:
    """After which cell each automatic item can be asked for; an item whose test is not there has no place."""
    places = {}
    for item in problem_set.items:
        test = re.compile(rf"^@item\(\s*[\"']{re.escape(item.name)}[\"']", re.M)
        found = [n for n, cell in enumerate(cells, 1) if _name(cell) == item.name or test.search(cell.source)]
        if found and not item.manual:
            places[item.name] = found[-1]
    return places


def _elsewhere(notebook: NotebookNode, problem_set: ProblemSet) -> str:
    """The texts of cells that are neither a question of the set nor the answer to one."""
    names = {item.name for item in problem_set.items}
    own = (cell.source for cell in notebook.cells if cell.cell_type != "code" and _name(cell) not in names)
    return "\n\n".join(EMPTY.sub("", text) for text in own if text.strip() not in problem_set.texts)


def _texts(notebook: NotebookNode, problem_set: ProblemSet) -> tuple[dict[str, str], list[str]]:
    """What was written for each manual question, by the name of its cell."""
    texts, notes = {}, []
    for item in problem_set.items:
        if item.manual:
            written = [cell.source for cell in notebook.cells if _name(cell) == item.name]
            texts[item.name] = EMPTY.sub("", "\n\n".join(written))
            if not written:
                notes.append(f"no cell is marked as the answer to {item.name}: look for it in the notebook")
    return texts, notes
