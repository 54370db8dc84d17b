"""What travels between the grader and a student's process: JSON, arrays as base64. Never pickle.

Whatever comes back was written by a student's code, so `decode` believes nothing: an array's bytes must be as many
as its shape says, its type must be one of numbers. To the student's process there also go generators (by their
state) and functions (by a number: the student's side calls back).
"""

import base64
import json
import math
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np

from mlcourse.tasks import Examples, Task

RECORDS = {"Examples": Examples, "Task": Task}
NUMBERS = "biuf"  # kinds of dtype that travel: truth values, integers, floats
DEEPEST = 20


class Unreadable(ValueError):
    """What came over the pipe is no value that can travel."""


def dumps(message: dict[str, Any]) -> bytes:
    """One message as one line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def loads(line: bytes) -> dict[str, Any]:
    """Read one line as a message.

    Raises:
        Unreadable: it is no JSON, or no object.
    """
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Unreadable("what came back is not JSON") from error
    if not isinstance(message, dict):
        raise Unreadable(f"what came back is a {type(message).__name__}, not a message")
    return message


def encode(value: Any, functions: list[Callable] | None = None, depth: int = 0) -> Any:
    """Make a value ready for JSON.

    Args:
        value: numbers, strings, None, arrays, lists, tuples and dicts of these, `Examples`, `Task`. What a
            lesson's check takes for a number or an array is one here, too: a Fraction, what has `__array__`.
        functions: gets the functions among the values, which then travel by their place here; None: none may.

    Raises:
        Unreadable: a value of another kind, or one that holds itself.
    """
    if depth > DEEPEST:
        raise Unreadable(f"an answer is nested more than {DEEPEST} deep")

    def inner(entry: Any) -> Any:
        return encode(entry, functions, depth + 1)

    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.longdouble):
        value = float(value)
    if isinstance(value, np.floating):  # it has methods that a float has not, and a student's code may use them
        return {"scalar": _array(np.asarray(value))}
    if isinstance(value, np.generic) and value.dtype.kind in NUMBERS:
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value if type(value) in (bool, int, float, str, type(None)) else _plain(value)
    if isinstance(value, np.ndarray):
        return _array(value)
    if type(value).__name__ in RECORDS and isinstance(value, tuple):
        return {"record": type(value).__name__, "of": [inner(entry) for entry in value]}
    if isinstance(value, list | range):
        return [inner(entry) for entry in value]
    if isinstance(value, tuple):
        return {"tuple": [inner(entry) for entry in value]}
    if isinstance(value, dict):
        return {"dict": [[inner(key), inner(entry)] for key, entry in value.items()]}
    if isinstance(value, np.random.Generator):
        return {"generator": value.bit_generator.state}
    if callable(value) and functions is not None:
        functions.append(value)
        return {"function": len(functions) - 1}
    if isinstance(value, np.generic):  # a complex number, a date: they have what is asked for below, too
        raise _refused(value)
    if hasattr(type(value), "__array__"):
        return _array(np.asarray(value))
    if hasattr(type(value), "__float__"):  # a Decimal, a Fraction, a number of sympy's
        return _number(value)
    raise _refused(value)


def decode(data: Any, function: Callable[[int], Callable] | None = None, depth: int = 0) -> Any:
    """The value that `encode` made ready.

    Args:
        data: what JSON gave.
        function: makes a function of its number; None: no function and no generator may come.

    Raises:
        Unreadable: it is nothing that `encode` writes.
    """
    if data is None or isinstance(data, bool | int | float | str):
        return data
    if depth > DEEPEST + 1:
        raise Unreadable("what came back is nested too deeply")

    def inner(entry: Any) -> Any:
        return decode(entry, function, depth + 1)

    if isinstance(data, list):
        return [inner(entry) for entry in data]
    try:
        if "array" in data:
            return _read_array(data)
        if "scalar" in data:
            return _read_array(data["scalar"])[()]
        if "tuple" in data:
            return tuple(inner(entry) for entry in data["tuple"])
        if "dict" in data:
            return {inner(key): inner(entry) for key, entry in data["dict"]}
        if "record" in data:
            return RECORDS[data["record"]](*map(inner, data["of"]))
        if function and "generator" in data:
            return _generator(data["generator"])
        if function and "function" in data:
            return function(data["function"])
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise Unreadable("what came back is no value that can be read") from error
    raise Unreadable("what came back is no value that can be read")


def _plain(value: Any) -> bool | int | float | str:
    """A number or string of a class of its own (an IntEnum, say) as what it is in Python itself."""
    return next(kind(value) for kind in (int, float, str) if isinstance(value, kind))


def _number(value: Any) -> int | float:
    """A number of a library's own, as one of Python's."""
    try:
        if isinstance(value, str | bytes):
            raise TypeError("a text is no number, although float() would read it")
        return int(value) if isinstance(value, numbers.Integral) else float(value)
    except (TypeError, ValueError, OverflowError) as error:  # such as a formula that holds an unknown
        raise _refused(value) from error


def _refused(value: Any) -> Unreadable:
    return Unreadable(
        f"a {type(value).__name__} cannot be handed to the grader: return numbers, arrays, tuples or dicts"
    )


def _array(value: np.ndarray) -> dict[str, Any]:
    if value.dtype.kind == "O":
        value = np.array([_number(entry) for entry in value.flat], dtype=float).reshape(value.shape)
    if value.dtype.kind not in NUMBERS:
        raise Unreadable(f"an array of {value.dtype} cannot be handed to the grader: return one of numbers")
    value = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<")).reshape(value.shape)
    return {
        "array": base64.b64encode(value.tobytes()).decode(),
        "type": value.dtype.str,
        "shape": list(value.shape),
    }


def _read_array(data: dict[str, Any]) -> np.ndarray:
    kind, shape = np.dtype(data["type"]), tuple(data["shape"])
    content = base64.b64decode(data["array"], validate=True)
    sizes = all(type(size) is int and size >= 0 for size in shape)
    if kind.kind not in NUMBERS or not sizes or len(content) != kind.itemsize * math.prod(shape):
        raise Unreadable("an array came back whose shape and content do not agree")
    return np.frombuffer(content, dtype=kind).reshape(shape).copy()


def _generator(state: dict[str, Any]) -> np.random.Generator:
    kind = getattr(np.random, state["bit_generator"])()
    kind.state = state
    return np.random.Generator(kind)
