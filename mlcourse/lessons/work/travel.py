"""A reader's own function in a later notebook, and the course's where there is none or where it fails."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from mlcourse.lessons.work import store


def yours(number: str, otherwise: Callable) -> Callable:
    """The reader's kept solution of exercise `number`, or `otherwise`; one printed line says whose code runs.

    number: such as "5.1". otherwise: a function of the same arguments. A kept function that fails, now or in a
    later call, is named, and `otherwise` takes its place from then on.
    """
    path = store.path_of(number)
    try:
        kept = store.load(number)
        mine = None if kept is None else kept["answer"]
    except Exception as error:  # whatever a reader's file may do
        print(f"Exercise {number}: {path.name} cannot be used, {_said(error)}. The course's code runs.")
        return otherwise
    if mine is None:
        print(f"Exercise {number}: the course's code runs. Once you have passed the exercise, yours will.")
        return otherwise
    print(f"Exercise {number}: your own code runs, {path.parent.name}/{path.name}.")
    return _with_a_second(mine, otherwise, number)


def _with_a_second(mine: Callable, otherwise: Callable, number: str) -> Callable:
    runs = mine

    @functools.wraps(mine, updated=())
    def call(*arguments: Any, **named: Any) -> Any:
        nonlocal runs
        if runs is otherwise:
            return otherwise(*arguments, **named)
        try:
            return mine(*arguments, **named)
        except Exception as error:
            print(f"Exercise {number}: your own code stopped, {_said(error)}. The course's code goes on.")
            runs = otherwise
            return otherwise(*arguments, **named)

    return call


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".strip().rstrip(":.")
