"""Compare an answer with the right one, and say how it differs: shape, sign, scale, order, offset."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from mlcourse.lessons.checks.attempt import Unanswered

Diagnosis = tuple[Any, str]  # (a wrong value, or a predicate of the answer) and what to say
_discreet: ContextVar[bool] = ContextVar("discreet", default=False)


@contextmanager
def discreet(on: bool) -> Iterator[None]:
    """While this lasts, `compare` tells no right value: what a grader says of hidden inputs gets around."""
    before = _discreet.set(on)
    try:
        yield
    finally:
        _discreet.reset(before)


def is_discreet() -> bool:
    """Whether what is said may get around, so that it must tell no value."""
    return _discreet.get()


def compare(
    got: Any,
    want: Any,
    *,
    name: str = "your answer",
    rtol: float = 1e-5,
    atol: float = 1e-9,
    diagnoses: Sequence[Diagnosis] = (),
    counts: Mapping[str, float] | None = None,
) -> str | None:
    """Return None if `got` is right, else a sentence that says how it differs.

    Args:
        got: a number, an array (NumPy or torch), a string, a truth value, or a dict or tuple of these.
        want: the right answer, of the same form.
        name: what to call the answer, e.g. "φ" or "the meta-gradient".
        rtol, atol: how far each number may be off: atol + rtol · (largest magnitude in its array).
        diagnoses: the mistakes you expect, tried in order before the general ones.
        counts: numbers a sum could be confused with a mean over, e.g. {"tasks": 25, "support examples": 5}.

    Under `discreet` a wrong answer that no diagnosis fits is only called wrong.
    """
    if got is ...:
        raise Unanswered
    if got is None:
        return f"{name} is None: did you forget `return`?"
    if same(got, want, rtol=rtol, atol=atol):
        return None
    for wrong, message in diagnoses:
        if _holds(wrong, got) if callable(wrong) else same(got, wrong, rtol=rtol, atol=atol):
            return message
    if is_discreet():
        return f"{name} is not right for inputs that you have not seen"
    return _form(got, want, name) or _values(got, want, name, counts or {}, rtol, atol)


def same(got: Any, want: Any, *, rtol: float = 1e-5, atol: float = 1e-9) -> bool:
    """Tell whether two answers have the same form and, within the tolerance, the same values."""
    if isinstance(want, Mapping):
        keys_agree = isinstance(got, Mapping) and got.keys() == want.keys()
        return keys_agree and all(same(got[key], want[key], rtol=rtol, atol=atol) for key in want)
    if isinstance(want, tuple):
        as_long = isinstance(got, list | tuple) and len(got) == len(want)
        return as_long and all(same(g, w, rtol=rtol, atol=atol) for g, w in zip(got, want, strict=True))
    if isinstance(want, str | bool):
        return isinstance(got, str | bool | np.bool_) and bool(got == want)
    got, want = _array(got), _array(want)
    return got is not None and got.shape == want.shape and _close(got, want, rtol, atol)


def _array(value: Any) -> np.ndarray | None:
    """Return a float array, or None if the value is not one; tensors are taken off graph and device.

    Strings and complex numbers are none, although NumPy would make floats of "1" and of 1 + 5j.
    """
    value = value.detach().cpu() if hasattr(value, "detach") else value
    if isinstance(value, str | Mapping) or value is None:
        return None
    try:
        found = np.asarray(value)
        single = found.flat if found.dtype.kind == "O" else ()
        if found.dtype.kind not in "biufO" or any(isinstance(item, str | bytes | complex) for item in single):
            return None
        return found.astype(float)
    except (TypeError, ValueError):
        return None


def _close(got: np.ndarray, want: np.ndarray, rtol: float, atol: float) -> bool:
    if got.size == 0:
        return True
    return bool(np.max(np.abs(got - want)) <= atol + rtol * np.max(np.abs(want)))  # False for NaN


def _holds(predicate: Callable[[Any], Any], got: Any) -> bool:
    """Ask a predicate; one that cannot judge this form of answer does not hold."""
    try:
        return bool(np.all(predicate(got)))
    except Exception:  # e.g. got["w0"] of an answer that is no dict: the general messages say so better
        return False


def _form(got: Any, want: Any, name: str) -> str | None:
    """Say what is wrong with an answer's form: type, keys, length or shape."""
    if isinstance(want, Mapping):
        return _keys(got, want, name)
    if isinstance(want, tuple):
        if not isinstance(got, list | tuple):
            return f"{name} should be {len(want)} things, `return a, b, …`; it is a {type(got).__name__}"
        if len(got) != len(want):
            return f"{name} should be {len(want)} things; there are {len(got)}"
        return _first(_form(got[i], want[i], f"{name}[{i}]") for i in range(len(want)))
    if isinstance(want, str | bool):
        return None if same(got, want) else f"{name} is {got!r}, and that is not so"
    values = _array(got)
    if values is None:
        return f"{name} should be {_kind(_array(want))}; it {_instead(got)}"
    return _shape(values, _array(want), name)


def _first(findings: Iterable[str | None]) -> str | None:
    return next((found for found in findings if found), None)


def _kind(want: np.ndarray) -> str:
    return "a number" if want.ndim == 0 else f"an array of shape {want.shape}"


def _instead(got: Any) -> str:
    """Say what an answer is that is no array of numbers."""
    kind = np.asarray(got).dtype.kind if isinstance(got, np.ndarray | np.generic | complex) else ""
    strings = isinstance(got, list | tuple) and any(isinstance(item, str) for item in got)
    if strings or kind in ("U", "S"):
        return "holds strings: leave the quotes out"
    return "holds complex numbers" if kind == "c" else f"is a {type(got).__name__}"


def _keys(got: Any, want: Mapping, name: str) -> str | None:
    if not isinstance(got, Mapping):
        return f"{name} should be a dict with the keys {_listed(want)}; it is a {type(got).__name__}"
    missing, extra = [key for key in want if key not in got], [key for key in got if key not in want]
    if missing or extra:
        wrong = f"lacks {_listed(missing)}" if missing else f"has {_listed(extra)} too many"
        return f"{name} {wrong}: its keys should be {_listed(want)}"
    return _first(_form(got[key], want[key], f"{name}[{key!r}]") for key in want)


def _listed(keys: Iterable[Any]) -> str:
    return ", ".join(map(str, keys))


def _shape(got: np.ndarray, want: np.ndarray, name: str) -> str | None:
    """Say what a wrong shape usually is; None if the shapes agree."""
    if got.shape == want.shape:
        return None
    said = f"{name} has the shape {got.shape}, and {want.shape} is right"
    if want.ndim == 0:
        return f"{name} should be one number, and it has the shape {got.shape}: is a mean missing?"
    if got.ndim == 0:
        return f"{name} is one number, and the shape {want.shape} is right: is there a mean too many?"
    if got.ndim == 2 and got.shape == (want.size, want.size) and want.size > 1:
        return f"{said}: (n, 1) with (n,) broadcasts to (n, n). Give both the same shape first"
    if got.shape == want.shape[::-1]:
        return f"{said}: it is transposed"
    if got.size == want.size:
        return f"{said}: as many numbers, in other axes"
    return said


def _values(got: Any, want: Any, name: str, counts: Mapping[str, float], rtol: float, atol: float) -> str:
    """Say in which way values of the right form are wrong: finite, sign, scale, order, offset, else where."""
    g, w = _flat(got), _flat(want)
    if not np.all(np.isfinite(g)):
        return f"{name} is not finite (NaN or infinity): is there a division by zero, or a step too large?"
    wrong = "right shape, wrong values" if g.size > 1 else "wrong value"
    scale = _scale(g, w, counts, rtol, atol)
    if scale:
        return f"{wrong}: {name} {scale}"
    if g.size > 2 and _close(np.sort(g), np.sort(w), rtol, atol):
        return f"{name} has the right values in the wrong order"
    if g.size > 2 and np.ptp(g - w) <= atol + rtol * np.max(np.abs(w)):
        return f"{wrong}: {name} is off by the same amount everywhere, {np.mean(g - w):.4g}"
    return f"{wrong}: {name} {_where(got, want, rtol, atol)}"


def _flat(value: Any) -> np.ndarray:
    """Lay all numbers of an answer in one row."""
    if isinstance(value, Mapping):
        value = tuple(value[key] for key in sorted(value))
    flat = _array(value)
    if flat is not None:
        return flat.ravel()
    return np.concatenate([_flat(v) for v in value]) if isinstance(value, tuple | list) else np.zeros(0)


def _scale(got: np.ndarray, want: np.ndarray, counts: Mapping[str, float], rtol: float, atol: float) -> str:
    """Name the factor between the answer and the right one; "" if there is none."""
    if not np.any(want):
        return ""
    if not np.any(got):
        return "is zero everywhere"
    factor = float(got @ want / (want @ want))
    if factor == 0 or not _close(got, factor * want, 10 * rtol, atol):
        return ""
    for what, n in counts.items():
        if np.isclose(abs(factor), n, rtol=10 * rtol):
            return f"is {n:g} times too large{_minus(factor)}: a sum over the {what}, not their mean"
        if np.isclose(abs(factor), 1 / n, rtol=10 * rtol):
            return f"is {n:g} times too small{_minus(factor)}: divided by the number of {what} once too often"
    if np.isclose(factor, -1, rtol=10 * rtol):
        return "has the wrong sign"
    if got.size == 1 and not any(np.isclose(abs(factor), known, rtol=10 * rtol) for known in (0.5, 2)):
        return ""  # any two numbers differ by a factor
    return f"is {factor:.4g} times the right one: a constant factor is missing or too many"


def _minus(factor: float) -> str:
    return " and has the wrong sign" if factor < 0 else ""


def _where(got: Any, want: Any, rtol: float, atol: float) -> str:
    """Point at the place of the largest difference."""
    if isinstance(want, Mapping | tuple):
        keys = list(want) if isinstance(want, Mapping) else range(len(want))
        wrong = [key for key in keys if not same(got[key], want[key], rtol=rtol, atol=atol)]
        right = [f"[{key!r}]" for key in keys if key not in wrong]
        where = f"[{wrong[0]!r}] " + _where(got[wrong[0]], want[wrong[0]], rtol, atol)
        return where + (f" ({', '.join(right)} right)" if right else "")
    g, w = _array(got), _array(want)
    if g.ndim == 0:
        return f"is {float(g):.6g}, and {float(w):.6g} is right"
    index = np.unravel_index(int(np.argmax(np.abs(g - w))), g.shape)
    place = ", ".join(map(str, index))
    return f"is {g[index]:.6g} at [{place}], where {w[index]:.6g} is right"
