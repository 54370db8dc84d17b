"""The one check of a gradable item, as it stands in a problem set's test cell.

    @item("pull-back", "softplus")                  # the names of the student's answers
    def _(softplus):
        yield compare(softplus(np.zeros(2)), ...)
    ### BEGIN HIDDEN TESTS
    @item("pull-back", "softplus", hidden=True)
    def _(softplus, rng):                           # rng: fresh for each grading
        yield compare(softplus(rng.normal(size=3)), ...)
    ### END HIDDEN TESTS

It is a generator of findings, as the checks of the lessons are (`mlcourse/lessons/checks/verdict.py`). In a
student's JupyterLab it judges at once, shows its verdict, and stops the cell with `NotYet` unless it is passed: so
nbgrader's *Validate* and *autograde* see it. The course's own grader runs the same cell outside the student's
process, where another court decides.
"""

import dataclasses
import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from mlcourse.lessons.checks.compare import discreet
from mlcourse.lessons.checks.verdict import Verdict, judge

SO_FAR = "This is what you can see of the check. Inputs that nobody has seen decide when your set is graded."
Findings = Callable[..., Iterator[str | None]]
# What decides: gets the check, its question, the answers' names, whether it is hidden, and the cell's namespace
Court = Callable[[Findings, str, tuple[str, ...], bool, dict[str, Any]], None]
_court: ContextVar[Court | None] = ContextVar("court", default=None)


class NotYet(AssertionError):
    """An item that is not passed. Its message is the verdict's; JupyterLab shows that alone, no traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def item(question: str, *names: str, hidden: bool = False) -> Callable[[Findings], None]:
    """Judge the answers with these names, where the decorated check stands.

    Args:
        question: the item's name, as in the cell's header.
        names: the student's variables or functions that the check gets, in this order.
        hidden: whether its inputs are fresh: it gets `rng`, and its words tell no value.

    Raises:
        NotYet: an answer is not passed.
    """
    court, namespace = _court.get() or _here, sys._getframe(1).f_globals
    return lambda check: court(check, question, names, hidden, namespace)


@contextmanager
def judged_by(court: Court) -> Iterator[None]:
    """While this lasts, every `item` is decided by `court`."""
    before = _court.set(court)
    try:
        yield
    finally:
        _court.reset(before)


def _here(check: Findings, question: str, names: tuple[str, ...], hidden: bool, namespace: dict[str, Any]) -> None:
    """Judge what the notebook's own process holds, and show it."""
    verdict = verdict_of(check, question, names, namespace, hidden=hidden, rng=np.random.default_rng())
    if verdict.status != "passed":
        raise NotYet(repr(verdict))
    if not hidden:
        from IPython.display import display

        display(dataclasses.replace(verdict, message=SO_FAR))


def verdict_of(
    check: Findings,
    question: str,
    names: tuple[str, ...],
    answers: Mapping[str, Any],
    *,
    hidden: bool,
    rng: np.random.Generator,
) -> Verdict:
    """Judge answers by a check. A hidden check gets `rng`, and what it says tells no right value."""
    missing = [name for name in names if name not in answers]
    if missing:
        why = f"There is no `{missing[0]}` here: was it renamed, or did its cell stop or not run?"
        return Verdict("wrong", why, question)
    findings = functools.partial(check, rng=rng) if hidden else check
    with discreet(hidden):
        status, message = judge(findings, tuple(answers[name] for name in names), "Correct.", False)
    if status == "not attempted":
        message = "There is no answer yet: write it in place of `raise NotImplementedError()`."
    return Verdict(status, message, question)
