"""What callers send, made into arrays: JSON, base64 of NumPy's own format in JSON, or that format as it is.

    {"x": [[0.1], [0.7]]}                 nested lists
    {"x": {"npy": "k05VTVBZAQB2AHsn..."}}   base64 of the bytes that numpy.save writes
    Content-Type: application/x-npy      these bytes themselves; one array after another

Nothing is unpickled, nothing unpacked; an array's header is compared with the bytes that follow before any memory
is taken. Messages never repeat what was sent.
"""

import base64
import binascii
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.lib import format as npy
from pydantic_core import from_json

MOST_AXES = 8
LARGEST_HEADER = 1_000  # bytes; of an array of plain numbers it has about 100
MAGIC = len(npy.MAGIC_PREFIX) + 2


class BadBody(ValueError):
    """The body, or an array in it, cannot be read; the message says where, and how to mend it."""


def parsed(body: bytes) -> dict[str, Any]:
    """A JSON object; `BadBody` for anything else, NaN, Infinity and lone surrogates among it."""
    try:
        found = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        reason = str(error)[:100]
        raise BadBody(f"the body is no JSON ({reason}); send a JSON object: NaN and Infinity are none") from None
    if not isinstance(found, dict):
        raise BadBody(f"the body is a JSON {type(found).__name__}; send an object, in braces")
    return found


def array(name: str, value: Any) -> np.ndarray:
    """Real numbers from nested lists, or from {"npy": base64}: float64, or whole numbers as int64."""
    if isinstance(value, Mapping):
        return _from_base64(name, value)
    if not isinstance(value, list):
        raise BadBody(f'{name} is a {_kind(value)}; give nested lists of numbers, or {{"npy": base64}}')
    try:
        found = np.array(value)
    except (ValueError, OverflowError, RecursionError, MemoryError):
        raise BadBody(f"{name} has rows of different lengths; give equally long ones") from None
    if found.dtype.kind not in "iuf" or found.ndim > MOST_AXES:
        raise BadBody(f"{name} holds {_contents(found)}; give numbers alone, in lists at most {MOST_AXES} deep")
    return _plain(name, found)


def _from_base64(name: str, value: Mapping[str, Any]) -> np.ndarray:
    text = value.get("npy")
    if set(value) != {"npy"} or not isinstance(text, str):
        raise BadBody(f'{name} is an object; give nested lists, or {{"npy": base64 of what numpy.save writes}}')
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadBody(f"{name}.npy is no base64; encode the bytes with base64.b64encode") from None
    found, rest = _one(f"{name}.npy", raw)
    if rest:
        raise BadBody(f"{name}.npy has {len(rest)} bytes behind its array; send one array")
    return found


def several(body: bytes, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """As many arrays as there are names, one after another in `body`, as numpy.save writes them to one file."""
    found, rest = {}, body
    for name in names:
        if not rest:
            raise BadBody(
                f"the body ends before {name}; write {' and '.join(names)} one after another by numpy.save"
            )
        found[name], rest = _one(name, rest)
    if rest:
        raise BadBody(f"the body has {len(rest)} bytes behind {names[-1]}; send {' and '.join(names)} alone")
    return found


def _one(name: str, raw: bytes) -> tuple[np.ndarray, bytes]:
    """The array at the beginning of `raw`, and the bytes behind it."""
    file = io.BytesIO(raw)
    try:
        version = npy.read_magic(file)
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
        shape, fortran, dtype = read(file, max_header_size=LARGEST_HEADER)
    except Exception:  # a parser of untrusted text raises what it likes: SyntaxError, KeyError, struct.error ...
        raise BadBody(f"{name} is not in NumPy's format; send the bytes that numpy.save writes") from None
    if dtype.kind not in "iuf" or dtype.itemsize > 8 or len(shape) > MOST_AXES or min(shape, default=0) < 0:
        raise BadBody(
            f"{name} has dtype {dtype.kind!r} and {len(shape)} axes; send real numbers, and texts in JSON"
        )
    count = int(np.prod([int(side) for side in shape], dtype=object)) if shape else 1
    begin, end = file.tell(), file.tell() + count * dtype.itemsize
    if end > len(raw):
        raise BadBody(f"{name} says it holds {count} numbers, and {len(raw) - begin} bytes follow; send it whole")
    found = np.frombuffer(raw, dtype, count, begin).reshape(shape, order="F" if fortran else "C")
    return _plain(name, found), raw[end:]


def _plain(name: str, found: np.ndarray) -> np.ndarray:
    """The machine's own int64 or float64, all finite."""
    if found.dtype.kind in "iu":
        if found.dtype.kind == "u" and found.size and found.max() > np.iinfo(np.int64).max:
            raise BadBody(f"{name} holds a whole number beyond 64 bits; give smaller ones")
        return found.astype(np.int64)
    found = found.astype(np.float64)
    if not np.isfinite(found).all():
        raise BadBody(f"{name} holds what is no finite number; leave such examples out")
    return found


def _kind(value: Any) -> str:
    names = {"str": "text", "NoneType": "null", "bool": "true or false", "int": "number", "float": "number"}
    return names.get(type(value).__name__, type(value).__name__)


def _contents(found: np.ndarray) -> str:
    kinds = {"U": "text", "b": "true or false", "O": "null, objects, or numbers beyond 64 bits"}
    return kinds.get(found.dtype.kind, "numbers") if found.ndim <= MOST_AXES else f"lists {found.ndim} deep"
