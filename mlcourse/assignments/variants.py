"""A student's own data: numbers drawn from the set, the question and the student's id, and from nothing else.

    rng = own("ps1/five-points", STUDENT)      # a generator that no other student has

Who the student is, a submission cannot say for itself: while it is graded, the id comes from the grader, which has
it from the roster or the folder. What a notebook says counts only in the student's own JupyterLab.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import numpy as np

VARIABLE = "MLCOURSE_STUDENT"  # how the grader tells the process that runs a student's cells
_graded: ContextVar[str] = ContextVar("graded", default="")


def own(question: str, typed: str = "") -> np.random.Generator:
    """Return the generator of one student's data for one question.

    Args:
        question: the set and the question, e.g. "ps1/five-points".
        typed: the student's id as the notebook gives it; while it is graded, the grader's id counts instead.
            Capitals and blanks around it change nothing: who types U17 has the data of u17.

    Raises:
        ValueError: nobody said who the student is.
    """
    digest = hashlib.sha256(f"{question}/{student(typed).strip().lower()}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def student(typed: str = "") -> str:
    """Return the id that counts: the grader's, else that of nbgrader's folder, else the one that was typed.

    Raises:
        ValueError: there is none.
    """
    known = _graded.get() or os.environ.get(VARIABLE, "") or _nbgrader_folder() or str(typed or "").strip()
    if not known:
        raise ValueError(
            'STUDENT is empty; write the id that your course knows you by, such as STUDENT = "u1234567"'
        )
    return known


@contextmanager
def graded_as(name: str) -> Iterator[None]:
    """While this lasts, `own` draws the data of the student with this id."""
    before = _graded.set(name)
    try:
        yield
    finally:
        _graded.reset(before)


def _nbgrader_folder() -> str:
    """nbgrader runs a submission in autograded/STUDENT/SET and says that it does; elsewhere this is empty."""
    return Path.cwd().parent.name if os.environ.get("NBGRADER_EXECUTION") == "autograde" else ""
