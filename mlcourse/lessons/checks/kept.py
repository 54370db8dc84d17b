"""What a check leaves behind: a line in the log, and the reader's functions, kept when they pass."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType

from mlcourse.lessons.work import source, store
from mlcourse.lessons.work.stamps import write_page


def stamp(number: str, title: str, status: str, answers: tuple, passes: Callable[[tuple], bool]) -> list[str]:
    """Log a verdict, and keep what passed; returns what the reader should be told about that, in sentences.

    passes: the check once more. Only what passes when it is read back from its file is kept.
    """
    if status == "not attempted":
        return []
    try:
        store.log(exercise=number, status=status)
        told = _keep(number, title, answers, passes) if status == "passed" else []
        write_page()
    except OSError as error:  # a disk that is full or may not be written: the verdict counts all the same
        return [f"(It could not be kept in {store.folder()}: {error.strerror or error}.)"]
    return told


def _keep(number: str, title: str, answers: tuple, passes: Callable[[tuple], bool]) -> list[str]:
    functions = [answer for answer in answers if isinstance(answer, FunctionType | type)]
    if not functions:
        return []
    try:
        text = source.written(functions)
        again = _read_back(text, answers)
    except source.Unwritable as error:
        return [f"It is not kept for later notebooks, because it uses `{error}` of this page."]
    except Exception as error:  # whatever a reader's code may do when it is read back
        return [f"It is not kept for later notebooks: by itself it stops with `{type(error).__name__}: {error}`."]
    if not passes(again):
        return ["It is not kept for later notebooks: by itself, without this page, it does not pass."]
    path = store.keep(number, title, text, functions[0].__name__)
    return [f"Your code is kept for later notebooks: `{path.parent.name}/{path.name}`."]


def _read_back(text: str, answers: tuple) -> tuple:
    """The answers with each function as its kept text defines it."""
    namespace: dict = {"__name__": "kept"}
    exec(compile(text, "<kept>", "exec"), namespace)
    return tuple(
        namespace[answer.__name__] if isinstance(answer, FunctionType | type) else answer for answer in answers
    )
