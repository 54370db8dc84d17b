"""A reader's functions as a file of plain Python that runs by itself: imports, helpers, the functions."""

from __future__ import annotations

import ast
import builtins
import dis
import importlib
import inspect
import linecache
import textwrap
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

NOTEBOOK = "__main__"  # the module of what is defined in a notebook


class Unwritable(Exception):
    """A function uses something of its notebook that no file can hold, such as an array or a trained network."""


def written(functions: list[Any]) -> str:
    """The functions with everything of their notebook that they use, as a module's text.

    Raises:
        Unwritable: they use what cannot be written down; the message is its name.
    """
    imports: dict[str, str] = {}
    pieces: dict[str, str] = {}
    for function in functions:
        _add(function, imports, pieces)
    parts = ["\n".join(sorted(imports.values())), *pieces.values()]
    return "\n\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def _add(function: Any, imports: dict[str, str], pieces: dict[str, str]) -> None:
    """Put what a function uses, and then the function, into `imports` and `pieces`, each once."""
    text = _source(function)
    known = _globals(function)
    pieces[function.__name__] = ""  # now, so that a function may call itself
    for name in _names(function, text):
        if name in known and name not in pieces and name not in imports and not hasattr(builtins, name):
            _add_name(name, known[name], imports, pieces)
    del pieces[function.__name__]  # last: after what it uses
    pieces[function.__name__] = text


def _source(thing: Any) -> str:
    """The text of a function or class; a class's is looked up where its first method was written."""
    try:
        if isinstance(thing, FunctionType):
            text = textwrap.dedent(inspect.getsource(thing))
        else:
            cell = "".join(linecache.getlines(next(_codes(thing)).co_filename))
            own = (node for node in ast.parse(cell).body if getattr(node, "name", "") == thing.__name__)
            text = ast.get_source_segment(cell, next(own))
    except (OSError, StopIteration) as error:  # made by `exec`, or in a shell
        raise Unwritable(thing.__name__) from error
    if not isinstance(ast.parse(text).body[0], ast.FunctionDef | ast.ClassDef):
        raise Unwritable("a lambda")
    return text


def _add_name(name: str, value: Any, imports: dict[str, str], pieces: dict[str, str]) -> None:
    if isinstance(value, ModuleType):
        imports[name] = f"import {value.__name__}" + ("" if value.__name__ == name else f" as {name}")
    elif isinstance(value, FunctionType | type) and value.__module__ == NOTEBOOK:
        _add(value, imports, pieces)
    elif _is_plain(value):
        pieces[name] = f"{name} = {value!r}"
    elif found := _address(value):
        module, there = found
        imports[name] = f"from {module} import {there}" + ("" if there == name else f" as {name}")
    else:
        raise Unwritable(name)


def _names(function: Any, text: str) -> Iterator[str]:
    """The global names that a function or class uses: when it runs, and when it is defined."""
    for code in _codes(function):
        yield from (
            step.argval for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")
        )
    head = ast.parse(text).body[0]
    at_once: list[ast.AST | None] = [*head.decorator_list]
    for part in ast.walk(head):
        at_once += part.bases if isinstance(part, ast.ClassDef) else []
        at_once += [*part.defaults, *part.kw_defaults] if isinstance(part, ast.arguments) else []
        at_once += [part.annotation] if isinstance(part, ast.arg) else []
        at_once += [part.returns] if isinstance(part, ast.FunctionDef) else []
    if isinstance(head, ast.ClassDef):
        at_once += [part for part in head.body if not isinstance(part, ast.FunctionDef)]
    for node in filter(None, at_once):
        yield from (part.id for part in ast.walk(node) if isinstance(part, ast.Name))


def _codes(thing: Any) -> Iterator[CodeType]:
    """The code of a function, of a class's methods, and of what is defined inside."""
    if isinstance(thing, type):
        for member in vars(thing).values():
            yield from _codes(member) if isinstance(member, FunctionType) else ()
        return
    waiting = [thing.__code__]
    while waiting:
        code = waiting.pop()
        yield code
        waiting += [constant for constant in code.co_consts if isinstance(constant, CodeType)]


def _globals(thing: Any) -> dict[str, Any]:
    if isinstance(thing, type):
        methods = [member for member in vars(thing).values() if isinstance(member, FunctionType)]
        return methods[0].__globals__ if methods else {}
    return thing.__globals__


def _is_plain(value: Any) -> bool:
    """Whether `repr` writes a value so that Python reads the same again."""
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(_is_plain(part) for pair in value.items() for part in pair)
    return value is None or type(value) in (bool, int, str, float)


def _address(value: Any) -> tuple[str, str] | None:
    """The module and name from which an object can be imported, if there is one."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not module or not name or module == NOTEBOOK or "<" in name or "." in name:
        return None
    there = getattr(importlib.import_module(module), name, None)
    return (module, name) if there is value else None
