"""Plant mistakes in a set's reference solution, and hear what its checks say; in one process: the code is ours."""

from __future__ import annotations

import contextlib
import io
import linecache
import re
from itertools import count
from typing import NamedTuple

import numpy as np
from nbformat import NotebookNode

from mlcourse.assignments.items import NotYet, judged_by, verdict_of
from mlcourse.assignments.variants import graded_as
from mlcourse.lessons.checks import Verdict

numbers = count(1)


class Mistake(NamedTuple):
    """A substitution in a reference solution, the one item that it costs, and words that the check says of it."""

    item: str
    old: str
    new: str
    says: str


def answers(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells that a student fills in."""
    return [cell for cell in notebook.cells if "answer" in cell.metadata.get("tags", [])]


def planted(notebook: NotebookNode, substitutions: list[tuple[str, str]]) -> NotebookNode:
    """A copy of the notebook with substitutions in its answers; each must fit one cell."""
    notebook = NotebookNode({**notebook, "cells": [NotebookNode(cell) for cell in notebook.cells]})
    for old, new in substitutions:
        fit = [cell for cell in answers(notebook) if old in cell.source]
        assert len(fit) == 1, f"{old!r} stands in {len(fit)} answers"
        fit[0].source = fit[0].source.replace(old, new)
    return notebook


def verdicts(notebook: NotebookNode, *, seed: int, student: str = "u0001") -> dict[str, Verdict]:
    """Run a notebook, and judge each automatic item with hidden inputs of this seed."""
    rng = np.random.default_rng(seed)
    found: dict[str, Verdict] = {}

    def court(check, question, names, hidden, namespace):
        verdict = verdict_of(
            check, question, names, namespace, hidden=hidden, rng=np.random.default_rng(rng.integers(2**63))
        )
        found[question] = verdict
        if verdict.status != "passed":
            raise NotYet

    namespace: dict = {"__name__": "__set__"}
    with graded_as(student), judged_by(court), contextlib.redirect_stdout(io.StringIO()):
        for cell in notebook.cells:
            if cell.cell_type == "code":
                with contextlib.suppress(Exception):
                    _run(cell.source, namespace)
    return found


def right_for(notebook: NotebookNode, ids: list[str]) -> dict[str, list[tuple[str, str]]]:
    """For each item on own data: the pairs (student, another) where the first one's answer passes for the other.

    The notebook runs once; then, for each student, the cells that draw own data and the answers to their items.
    """
    checks: dict[str, tuple] = {}
    namespace: dict = {"__name__": "__set__"}

    def court(check, question, names, hidden, _):
        if hidden:
            checks[question] = (check, question, names)

    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    tests = {
        cell.metadata.nbgrader.grade_id: cell.source for cell in cells if "test" in cell.metadata.get("tags", [])
    }
    items = {item for item, source in tests.items() if re.search(r"own\(\"[^\"]+\"\)", source)}
    answers_to = {f"{item}-answer" for item in items}
    again = [cell for cell in cells if "STUDENT)" in cell.source
             or cell.metadata.get("nbgrader", {}).get("grade_id") in answers_to]  # fmt: skip
    with judged_by(court), contextlib.redirect_stdout(io.StringIO()), graded_as(ids[0]):
        for cell in cells:
            _run(cell.source, namespace)
    given = {}
    for name in ids:
        with graded_as(name), contextlib.redirect_stdout(io.StringIO()):
            for cell in again:
                _run(cell.source, namespace)
        given[name] = {item: {key: namespace[key] for key in checks[item][2]} for item in items}

    def passes(item: str, name: str, other: str) -> bool:
        with graded_as(other):
            rng = np.random.default_rng(0)
            return verdict_of(*checks[item], given[name][item], hidden=True, rng=rng).status == "passed"

    return {
        item: [(name, other) for name in ids for other in ids if passes(item, name, other)]
        for item in sorted(items)
    }


def _run(source: str, namespace: dict) -> None:
    """Run a cell so that a check finds the lines of its functions."""
    name = f"<cell {next(numbers)}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    exec(compile(source, name, "exec"), namespace)
