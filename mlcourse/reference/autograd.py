"""Reverse-mode differentiation in NumPy that can differentiate itself.

Every operation notes its operands and, for each, how to pull a gradient back to it. Those pull-backs are
written in the same operations, so a gradient is an ordinary expression and `grad(grad(f))` works. Notebook 04
builds the core of this file; `mlcourse.fast` leaves the same job to `torch.func.grad`.

Plain arrays in, plain arrays out: a `Tensor` exists only inside a function that is being differentiated. Such a
function must not change arrays in place: what an operation was given is looked at again on the way back.
"""

import contextlib
import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np

_order = itertools.count()  # operands are always older than results: age is a topological order
# Whether results note their operands: true inside a function that is being differentiated, in this thread
_record: ContextVar[bool] = ContextVar("record", default=False)


class Tensor:
    """An array that remembers where it came from: `edges` are (operand, pull-back) pairs."""

    __slots__ = ("data", "edges", "order")
    __array_ufunc__ = None  # `array * tensor` is ours to handle, not NumPy's
    __hash__ = object.__hash__

    def __init__(self, data: np.ndarray, edges: Sequence[tuple["Tensor", Callable]] = ()):
        self.data, self.edges, self.order = data, edges, next(_order)

    shape = property(lambda self: self.data.shape)
    ndim = property(lambda self: self.data.ndim)
    T = property(lambda self: transpose(self))

    def __repr__(self) -> str:
        return f"Tensor({self.data!r})"

    def __bool__(self) -> bool:
        return bool(self.data)

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError("a Tensor is no array: NumPy would lose its history; use the operations of this module")

    def __array_function__(self, function: Callable, *_: Any) -> Any:
        raise TypeError(f"np.{function.__name__} cannot follow a Tensor; use the operations of this module")

    # comparisons are of numbers, and have no gradient
    __eq__ = lambda self, other: self.data == value(other)
    __ne__ = lambda self, other: self.data != value(other)
    __lt__ = lambda self, other: self.data < value(other)
    __le__ = lambda self, other: self.data <= value(other)
    __gt__ = lambda self, other: self.data > value(other)
    __ge__ = lambda self, other: self.data >= value(other)

    __add__ = __radd__ = lambda self, other: add(self, other)
    __mul__ = __rmul__ = lambda self, other: multiply(self, other)
    __neg__ = lambda self: multiply(self, -1.0)
    __sub__ = lambda self, other: subtract(self, other)
    __rsub__ = lambda self, other: subtract(other, self)
    __truediv__ = lambda self, other: multiply(self, np.float64(1.0) / other)
    __rtruediv__ = lambda self, other: multiply(other, power(self, -1.0))
    __pow__ = lambda self, exponent: power(self, exponent)
    __matmul__ = lambda self, other: matmul(self, other)
    __rmatmul__ = lambda self, other: matmul(other, self)


def value(x: Any) -> np.ndarray:
    """The plain array inside `x`, or `x` itself as an array; ValueError for what is no array of numbers."""
    if isinstance(x, Tensor):
        return x.data
    try:
        array = np.asarray(x)
    except TypeError:  # a list of Tensors
        array = np.array(None)
    if array.dtype == object:
        raise ValueError(f"x is a {type(x).__name__}, no array of numbers; add Tensors up by Python's own sum")
    return array


def _result(data: np.ndarray, *edges: tuple[Any, Callable]) -> Any:
    """The result of an operation; it is a Tensor only when its gradient will be asked for."""
    traced = [edge for edge in edges if isinstance(edge[0], Tensor)] if _record.get() else []
    return Tensor(np.asarray(data), traced) if traced else data


def _fit(gradient: Any, like: Any) -> Any:
    """Undo broadcasting: sum `gradient` over the axes along which `like` was repeated."""
    shape = value(like).shape
    if value(gradient).shape == shape:
        return gradient
    extra = value(gradient).ndim - len(shape)
    repeated = [extra + axis for axis, size in enumerate(shape) if size == 1]
    return reshape(sum(gradient, axis=(*range(extra), *repeated)), shape)


# --- the operations: the value, then how each operand's gradient follows from the result's gradient g -----


def add(a: Any, b: Any) -> Any:
    """a + b. Shapes broadcast as in NumPy; an operand that was repeated gets the sum of its shares of g."""
    return _result(value(a) + value(b), (a, lambda g: _fit(g, a)), (b, lambda g: _fit(g, b)))


def subtract(a: Any, b: Any) -> Any:
    """a - b. Shapes broadcast as in NumPy."""
    return _result(value(a) - value(b), (a, lambda g: _fit(g, a)), (b, lambda g: _fit(-g, b)))


def multiply(a: Any, b: Any) -> Any:
    """a * b, number by number. Shapes broadcast as in NumPy."""
    return _result(value(a) * value(b), (a, lambda g: _fit(g * b, a)), (b, lambda g: _fit(g * a, b)))


def power(x: Any, exponent: float) -> Any:
    """x ** exponent, number by number, in the shape of x; ValueError unless exponent is one plain number."""
    if np.ndim(exponent) or isinstance(exponent, Tensor):
        raise ValueError(f"exponent has shape {np.shape(exponent)}; give one plain number")
    if exponent == 0:  # a constant; the rule below would make its derivative 0 * x**-1, not a number at zero
        return np.ones_like(value(x))
    return _result(value(x) ** exponent, (x, lambda g: g * (exponent * power(x, exponent - 1))))


def matmul(a: Any, b: Any) -> Any:
    """The product of two matrices, (n, k) and (k, m): (n, m); ValueError for what is no matrix."""
    if value(a).ndim != 2 or value(b).ndim != 2:
        raise ValueError(
            f"matmul takes two matrices, not shapes {value(a).shape} and {value(b).shape}; reshape first"
        )
    return _result(value(a) @ value(b), (a, lambda g: g @ transpose(b)), (b, lambda g: transpose(a) @ g))


def transpose(x: Any) -> Any:
    """x with its axes in the opposite order: of (n, m) comes (m, n)."""
    return _result(value(x).T, (x, lambda g: transpose(g)))


def reshape(x: Any, shape: tuple[int, ...]) -> Any:
    """The numbers of x in another shape, which must hold as many: else ValueError, from NumPy."""
    return _result(value(x).reshape(shape), (x, lambda g: reshape(g, value(x).shape)))


def broadcast_to(x: Any, shape: tuple[int, ...]) -> Any:
    """x repeated to fill `shape`; ValueError, from NumPy, where the two do not broadcast."""
    return _result(np.broadcast_to(value(x), shape), (x, lambda g: _fit(g, x)))


def sum(x: Any, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
    """The sum over `axis`, by default over all axes. They are gone from its shape, or 1 with `keepdims`."""
    kept = value(x).sum(axis=axis, keepdims=True)  # its shape lines up with x again

    def pull_back(g: Any) -> Any:
        return broadcast_to(reshape(g, kept.shape), value(x).shape)

    return _result(kept if keepdims else value(x).sum(axis=axis), (x, pull_back))


def mean(x: Any, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
    """The mean over `axis`; its shape is that of `sum`."""
    total = sum(x, axis, keepdims)
    return total * (np.size(value(total)) / value(x).size)


def relu(x: Any) -> Any:
    """x where it is positive, else 0, in the shape of x. Its derivative at 0 counts as 0."""
    positive = value(x) > 0  # piecewise constant, so its own derivative is zero
    return _result(np.maximum(value(x), 0.0), (x, lambda g: g * positive))


def exp(x: Any) -> Any:
    """e to the power x, number by number."""
    out = _result(np.exp(value(x)), (x, lambda g: g * out))
    return out


def log(x: Any) -> Any:
    """The natural logarithm, number by number; x > 0."""
    return _result(np.log(value(x)), (x, lambda g: g / x))


def tanh(x: Any) -> Any:
    """The hyperbolic tangent, number by number."""
    out = _result(np.tanh(value(x)), (x, lambda g: g * (1.0 - out * out)))
    return out


def sin(x: Any) -> Any:
    """The sine, number by number; x in radians."""
    return _result(np.sin(value(x)), (x, lambda g: g * cos(x)))


def cos(x: Any) -> Any:
    """The cosine, number by number; x in radians."""
    return _result(np.cos(value(x)), (x, lambda g: g * -sin(x)))


def log_softmax(x: Any) -> Any:
    """Logarithm of the softmax over the last axis: x (..., n_way), and the same shape comes back."""
    shifted = x - value(x).max(axis=-1, keepdims=True)  # a constant shift, so that exp never overflows
    return shifted - log(sum(exp(shifted), axis=-1, keepdims=True))


# --- differentiation ---------------------------------------------------------------------------------------


def stop_gradient(tree: Any) -> Any:
    """The same numbers with their history cut off: an array, or a dict of arrays."""
    return {name: value(x) for name, x in tree.items()} if isinstance(tree, dict) else value(tree)


def _pull_back(output: Tensor, inputs: list[Tensor]) -> list[Any]:
    """Gradients of a scalar `output` with respect to `inputs`, from the newest result to the oldest."""
    oldest = min(x.order for x in inputs)  # nothing older can depend on the inputs
    gradients: dict[int, Any] = {output.order: np.ones(output.shape)}
    waiting = [(-output.order, output)]
    while waiting:
        node = heapq.heappop(waiting)[1]
        for operand, pull in node.edges:
            if operand.order >= oldest:
                share = pull(gradients[node.order])
                if operand.order in gradients:
                    gradients[operand.order] = gradients[operand.order] + share
                else:
                    gradients[operand.order] = share
                    heapq.heappush(waiting, (-operand.order, operand))
    return [gradients.get(x.order, np.zeros(x.shape)) for x in inputs]


def _leads_further(output: Tensor, inputs: list[Tensor]) -> bool:
    """Whether `output` also depends on anything older than `inputs`: on what an outer `grad` differentiates."""
    oldest = min(x.order for x in inputs)
    if output.order < oldest:
        return True
    to_visit, seen = [output, *inputs], set()
    while to_visit:
        for operand, _ in to_visit.pop().edges:
            if operand.order < oldest:
                return True
            if operand.order not in seen:
                seen.add(operand.order)
                to_visit.append(operand)
    return False


def value_and_grad(f: Callable) -> Callable:
    """A function that returns f's value and its gradient with respect to the first argument.

    The first argument is an array or a dict of arrays; the gradient has the same form. f must return one
    number. Inside another `grad` both results are Tensors where the outer gradient needs them.

    Raises ValueError when f returns no single number, when there is nothing to differentiate with respect to, and
    for parameters that are whole numbers.
    """

    def value_and_gradient(params: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        tree = params if isinstance(params, dict) else {"": params}
        if not tree:
            raise ValueError("params is an empty dict; give at least one array to differentiate with respect to")
        # a fresh node for each input: f may also reach the same numbers by another way, which must not count
        fresh = {name: _input(name, x) for name, x in tree.items()}
        with _recording(True):
            out = f(fresh if isinstance(params, dict) else fresh[""], *args, **kwargs)
        if out is None:
            raise ValueError("f returned None; has it a `return`?")
        if np.size(value(out)) != 1:
            raise ValueError(f"f returned shape {value(out).shape}; grad takes a function that returns one number")
        inputs, output = list(fresh.values()), out if isinstance(out, Tensor) else Tensor(value(out))
        further = _record.get() and _leads_further(output, inputs)
        with _recording(further):
            gradient = dict(zip(tree, _pull_back(output, inputs), strict=True))
        if not further:  # arrays of their own: a result may share memory with another, or be read-only
            gradient = {name: np.array(value(g)) for name, g in gradient.items()}
        return out if further else value(out), gradient if isinstance(params, dict) else gradient[""]

    return value_and_gradient


def grad(f: Callable) -> Callable:
    """The gradient function of a scalar function; see `value_and_grad`."""
    both = value_and_grad(f)
    return lambda params, *args, **kwargs: both(params, *args, **kwargs)[1]


def _input(name: str, x: Any) -> Tensor:
    """A node to differentiate with respect to; it passes gradients on when `x` belongs to an outer `grad`."""
    data = value(x)
    if not np.issubdtype(data.dtype, np.floating):  # whole numbers would round every step without a word
        raise ValueError(f"parameter {name!r} has dtype {data.dtype} and shape {data.shape}; use x.astype(float)")
    return Tensor(data, [(x, lambda g: g)] if isinstance(x, Tensor) else ())


@contextlib.contextmanager
def _recording(on: bool) -> Iterator[None]:
    """Note operands (or not) while the block runs."""
    token = _record.set(on)
    try:
        yield
    finally:
        _record.reset(token)
