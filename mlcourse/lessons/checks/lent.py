"""A check's arguments on loan: the answer gets copies, so that what it does to them spoils no comparison."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np


class Changed(Exception):
    """An answer changed an argument in place, in an exercise that asks it not to."""


def lend(answer: Any, changes: list[str], *, keep: bool) -> Any:
    """Return a function that hands `answer` copies; other answers, and classes, come back as they are.

    Args:
        changes: gets the name of each argument that a call changed.
        keep: whether such a call raises `Changed`.
    """
    if not callable(answer) or isinstance(answer, type):
        return answer

    def borrowed(*arguments: Any) -> Any:
        lent = copied(arguments)
        result = answer(*lent)
        for place, argument in enumerate(arguments):
            if not _as_it_was(lent[place], argument):
                changes.append(_name(answer, place))
        if keep and changes:
            raise Changed(
                f"your function changed {changes[0]} in place: return new arrays (`a = a - b`, not `a -= b`)"
            )
        return result

    return borrowed


def copied(value: Any) -> Any:
    """Copy arrays, and what holds them; what has neither (a network, a generator) is lent itself."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if hasattr(value, "detach"):
        return value.clone()
    if isinstance(value, dict):
        return {key: copied(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        entries = [copied(entry) for entry in value]
        return type(value)(*entries) if hasattr(value, "_fields") else type(value)(entries)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(value, **{name: copied(entry) for name, entry in _fields(value).items()})
    return value


def _as_it_was(lent: Any, before: Any) -> bool:
    if type(lent) is not type(before):
        return False
    if isinstance(before, np.ndarray):  # by bytes: NaN is as it was, too
        return (lent.shape, lent.dtype, lent.tobytes()) == (before.shape, before.dtype, before.tobytes())
    if hasattr(before, "detach"):
        return _as_it_was(lent.detach().cpu().numpy(), before.detach().cpu().numpy())
    if isinstance(before, dict):
        return lent.keys() == before.keys() and all(_as_it_was(lent[key], before[key]) for key in before)
    if isinstance(before, tuple | list):
        return len(lent) == len(before) and all(map(_as_it_was, lent, before))
    if dataclasses.is_dataclass(before):
        return _as_it_was(_fields(lent), _fields(before))
    return lent is before


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def _name(answer: Callable, place: int) -> str:
    """What the reader calls the argument at this place."""
    try:
        return list(inspect.signature(answer).parameters)[place]
    except (TypeError, ValueError, IndexError):  # a built-in function, or one that takes *arguments
        return "its arguments"
