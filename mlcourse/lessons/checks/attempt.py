"""What a check can tell from a reader's code itself: whether it was attempted, and where it stopped."""

from __future__ import annotations

import ast
import inspect
import linecache
import re
import textwrap
import traceback
from collections.abc import Iterable, Iterator
from types import FunctionType

FILL_IN = "replace it with your answer, then run both cells again."

# The beginning of an exception -> what it usually means to a reader who solves an exercise.
USUALLY = [
    (r"NameError", "Check the spelling, and that the cells above were run."),
    (r"UnboundLocalError", "Give the variable a value before you use it."),
    (r"TypeError.*NoneType", "Something here is None: usually a function without `return`."),
    (r"TypeError.*(positional|keyword) argument", "Compare the arguments with those in the stub."),
    (r"(TypeError|ufunc).*(bitwise_xor|for \^)", "`^` is no power in Python: write `**`."),
    (r"KeyError", "Print the dictionary's keys beside the one that you ask for."),
    (r"ValueError: vmap.*size", "What all tasks share must not be split: give None for it in `in_dims`."),
    (r"(ValueError|RuntimeError|IndexError).*(shape|broadcast|mismatch|dimension|size)",
     "Print the shapes of both sides of this line."),
    (r"RecursionError", "The function calls itself without an end."),
]  # fmt: skip


class Unanswered(Exception):
    """An answer is `...`: the reader has not tried yet."""


def open_place(answers: Iterable[object]) -> tuple[str, bool]:
    """Find a `...` that still waits for the reader.

    Returns:
        What to say ("" if nothing is open), and whether that is certain. It is not certain when a bare `...`
        line stands beside other code: the reader may have written the answer and left the line.
    """
    for answer in answers:
        if _is_open(answer):
            return "There is still a `...` in place of your answer: " + FILL_IN, True
        for function in _functions(answer):
            line, certain = _open_line(function)
            if line:
                return f"Line {line} still holds a `...`: " + FILL_IN, certain
    return "", False


def _is_open(answer: object) -> bool:
    if isinstance(answer, dict):
        answer = list(answer.values())
    return answer is ... or (isinstance(answer, list | tuple) and any(item is ... for item in answer))


def _functions(answer: object) -> Iterator[FunctionType]:
    """Yield the reader's functions in an answer: itself, or the methods of a class."""
    if isinstance(answer, FunctionType):
        yield answer
    elif isinstance(answer, type):
        yield from (member for member in vars(answer).values() if isinstance(member, FunctionType))


def _open_line(function: FunctionType) -> tuple[int, bool]:
    """Return the line (in its cell) of the first `...` to fill in, 0 if none, and whether it is certain."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):  # no source to look at: a shell, a lambda
        return 0, False
    subscripts = [node.slice for node in ast.walk(tree) if isinstance(node, ast.Subscript)]
    indices = {id(node) for index in subscripts for node in ast.walk(index)}  # x[..., 0] waits for nobody
    bare = {id(node.value): node for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    first = function.__code__.co_firstlineno - 1
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value is ... and id(node) not in indices:
            return first + node.lineno, id(node) not in bare or _is_whole_body(tree.body[0], bare[id(node)])
    return 0, False


def _is_whole_body(function: ast.stmt, statement: ast.Expr) -> bool:
    """Tell whether a function consists of one statement (and perhaps a docstring)."""
    if not isinstance(function, ast.FunctionDef):
        return False
    return function.body[1 if ast.get_docstring(function) else 0 :] == [statement]


def words_of(error: Exception) -> str:
    """What an exception says; nothing, if a reader's own exception cannot say it."""
    try:
        return str(error)
    except Exception:
        return ""


def explain(error: Exception, answers: Iterable[object]) -> str:
    """Put an exception into words: in which line of the reader's code, what, and what that usually is."""
    what = f"{type(error).__name__}: {words_of(error)}".strip().rstrip(":")
    usually = next((advice for pattern, advice in USUALLY if re.match(pattern, what, re.DOTALL)), "")
    files = {function.__code__.co_filename for answer in answers for function in _functions(answer)}
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in files]
    if own:
        line = linecache.getline(own[-1].filename, own[-1].lineno).strip()
        place = f"in line {own[-1].lineno}" + (f", `{line}`" if line else "")
        return f"your code stopped {place}, with `{what}`. {usually}"
    usually = usually or "Compare what it returns with what the stub asks for."
    return f"the check could not use your answer: `{what}`. {usually}"
