"""Two editions of the course: the students' without solutions, and the instructor's with everything.

    python -m mlcourse student --out FOLDER       lessons without solutions, and the problem sets to fill in
    python -m mlcourse instructor --out FOLDER    all solutions, notes for teaching, what students get wrong, keys

The students' edition is a whole course folder: `make lab` works in it, and no source, test or solution is in it.
Both are made in a clone of the course, from its sources.
"""

import copy
import os
import re
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import nbformat
from nbformat import NotebookNode

from mlcourse import paths
from mlcourse.assignments import sets

SOURCE = paths.REPOSITORY / "notebooks" / "source"
SOLUTION = re.compile(r"\n*<details><summary>Solution</summary>.*?</details>", re.DOTALL)
NUMBER = re.compile(r"^### Exercise (\d+\.\d+) ", re.MULTILINE)
LICENCES = ("LICENSE", "LICENSE-text")
TO_WORK_WITH = ("Makefile", "pyproject.toml", "constraints.txt", "environment.yml", "CITATION.cff")
README = """\
# Meta-learning: the students' edition

`make lab` sets everything up in this folder and opens the course. It needs Python 3.11 or newer, and make.
The problem sets are in `notebooks/assignments/`. The lessons have hints, and no solutions. Where
a lesson goes on with the function of an exercise, its own version of it is folded.
"""
WRONG = "**What students get wrong here**, and what the check says:"


def students(out: Path) -> list[Path]:
    """Write the students' edition into a new folder; return its notebooks.

    Raises:
        ValueError: the folder holds something.
    """
    _new(out)
    _copy((*TO_WORK_WITH, *LICENCES), out)
    (out / "README.md").write_text(README, encoding="utf-8")
    built = shutil.ignore_patterns("__pycache__")
    for folder in ("mlcourse", "data"):
        shutil.copytree(paths.REPOSITORY / folder, out / folder, ignore=built)
    written = [sets.store(without_solutions(_read(path)), out / "notebooks" / path.name) for path in _lessons()]
    for name in sets.names():
        path = out / "notebooks" / "assignments" / name / f"{name}.ipynb"
        written.append(sets.store(sets.student(sets.instructor(sets.source(name))), path))
    return written


def instructors(out: Path) -> list[Path]:
    """Write the instructor's edition into a new folder; return its notebooks.

    Raises:
        ValueError: the folder holds something.
    """
    _new(out)
    _copy(LICENCES, out)
    written = []
    for path in _lessons():
        notes = SOURCE / "teaching" / f"{path.name.split('_')[0]}.md"  # an appendix has none
        text = notes.read_text(encoding="utf-8") if notes.exists() else ""
        lesson = for_teaching(_read(path), text, said_of_mistakes(path.stem))
        written.append(sets.store(lesson, out / "lessons" / path.name))
    for name in sets.names():
        written.append(sets.store(sets.instructor(sets.source(name)), out / "problem sets" / f"{name}.ipynb"))
    for path in sorted((SOURCE / "clinic").glob("[0-9]*.py")):
        written.append(sets.store(clinic(path, key=False), out / "clinic" / "exam" / f"{path.stem}.ipynb"))
        written.append(sets.store(clinic(path, key=True), out / "clinic" / "keys" / f"{path.stem}.ipynb"))
    return written


def without_solutions(notebook: NotebookNode) -> NotebookNode:
    """A copy of a lesson whose exercises have hints, and no solution."""
    return _changed(notebook, lambda cell: re.sub(SOLUTION, "", cell.source))


def for_teaching(notebook: NotebookNode, notes: str, mistakes: dict[str, list[tuple[str, str]]]) -> NotebookNode:
    """A copy of a lesson with notes for the lecturer on top, solutions open, students' mistakes after them.

    Args:
        notes: Markdown; "" for none.
        mistakes: exercise number -> (what is written, what the check says of it).
    """
    closed, open_ = "<details><summary>Solution", "<details open><summary>Solution"
    taught = _changed(notebook, lambda cell: cell.source.replace(closed, open_))
    number, cells = "", []
    for cell in taught.cells:
        cells.append(cell)
        number = (NUMBER.findall(cell.source) or [number])[-1] if cell.cell_type == "markdown" else number
        if "solution" in cell.metadata.get("tags", []) and number in mistakes:
            lines = "\n".join(f"- `{written}`  \n  *{said}*" for written, said in mistakes[number])
            name = f"wrong-{number}".replace(".", "-")
            cells.append(nbformat.v4.new_markdown_cell(f"{WRONG}\n\n{lines}", id=name))
    if notes:
        cells.insert(1, nbformat.v4.new_markdown_cell(f"## For the lecturer\n\n{notes}", id="for-the-lecturer"))
    taught.cells = cells
    return taught


def said_of_mistakes(name: str) -> dict[str, list[tuple[str, str]]]:
    """What the checks say of a lesson's planted mistakes: exercise -> (what is written, what is said).

    Each mistake is really made, and the check really asked.
    """
    if str(paths.REPOSITORY) not in sys.path:
        sys.path.insert(0, str(paths.REPOSITORY))  # the mistakes are among the tests, and no part of the package
    from tests.notebooks import exercises

    source = SOURCE / f"{name}.py"
    with tempfile.TemporaryDirectory() as work, mock.patch.dict(os.environ, MLCOURSE_WORK=work):
        with warnings.catch_warnings(action="ignore"):  # mistakes divide by zero, too
            outcomes, planted = exercises.outcomes(source), exercises.mistakes(source)

    def said(number: str) -> list[tuple[str, str]]:
        made = zip(planted.get(number, []), outcomes[number].mistakes, strict=True)
        return [(_written(mistake.old, mistake.new), verdict.message) for mistake, verdict in made]

    return {number: said(number) for number in outcomes}


def _written(old: str, new: str) -> str:
    """A mistake in one line: what stands there in place of what is right."""
    return f"{' '.join(old.split())}` → `{' '.join(new.split()) or 'nothing'}"


def clinic(path: Path, *, key: bool) -> NotebookNode:
    """A report of the clinic: with its key for the lecturer, without it for an exam."""
    notebook = sets.from_source(path)
    notebook.cells = [cell for cell in notebook.cells if key or "key" not in cell.metadata.get("tags", [])]
    return notebook


def _lessons() -> list[Path]:
    return sorted((paths.REPOSITORY / "notebooks").glob("[0-9]*.ipynb"))


def _read(path: Path) -> NotebookNode:
    return nbformat.read(str(path), as_version=4)


def _changed(notebook: NotebookNode, change: Callable[[NotebookNode], str]) -> NotebookNode:
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if "solution" in cell.metadata.get("tags", []):
            cell.source = change(cell)
    return notebook


def _new(out: Path) -> None:
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"{out} holds something already: name a new folder")
    out.mkdir(parents=True, exist_ok=True)


def _copy(names: tuple[str, ...], out: Path) -> None:
    for name in names:
        shutil.copy(paths.REPOSITORY / name, out / name)
