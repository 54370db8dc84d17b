"""Docstrings for the reference: the package writes them as plain text with backticks, autodoc reads reST.

    `code`                 is code, and no other sign of reST means anything
    a paragraph that is all set in            is shown as it stands
    Args: Returns: Raises: Attributes:        are read by napoleon, after this

A Sphinx extension, named in `book/_config.yml`.
"""

from __future__ import annotations

import functools
import re
import textwrap
from typing import Any

from sphinx.application import Sphinx

CODE = re.compile(r"`+([^`]+)`+")
SIGNS = re.compile(r"[\\*|]|(?<=\w)_(?!\w)")  # what reST would take for emphasis, a substitution or a link
OF_A_TUPLE = "Alias for field number"  # what Python itself says of a NamedTuple's field


def as_rest(text: str) -> str:
    """A plain docstring as reST."""
    return "\n\n".join(map(paragraph, text.split("\n\n")))


def paragraph(text: str) -> str:
    lines = text.splitlines()
    if lines and all(line.startswith("    ") for line in lines):
        return f"::\n\n{text}"
    pieces = CODE.split(text)  # words, code, words, ...
    pieces[::2] = [SIGNS.sub(r"\\\g<0>", words) for words in pieces[::2]]
    pieces[1::2] = [f"``{' '.join(code.split())}``" for code in pieces[1::2]]
    return functools.reduce(joined, pieces)


def joined(one: str, other: str) -> str:
    """Words and code, one after the other; where no space is between, reST asks for one that does not show."""
    glued = one[-1:].isalnum() or other[:1].isalnum()
    return f"{one}\\ {other}" if "``" in (one[-2:], other[:2]) and glued else one + other


def translate(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    lines[:] = as_rest(textwrap.dedent("\n".join(lines)).strip("\n")).splitlines() + [""]


def name_functions(
    app: Sphinx, what: str, name: str, thing: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """A function as default is shown by its name, without what Python puts around it."""
    return signature and re.sub(r"<function ([^\s>]+)[^>]*>", r"\1", signature), returns


def leave_out(app: Sphinx, what: str, name: str, thing: Any, skip: bool, options: Any) -> bool | None:
    """Leave out what has no words of its own."""
    return True if (getattr(thing, "__doc__", None) or "").startswith(OF_A_TUPLE) else None


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", translate, priority=400)  # before napoleon
    app.connect("autodoc-process-signature", name_functions)
    app.connect("autodoc-skip-member", leave_out)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
