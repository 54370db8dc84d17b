"""The NumPy engine: every operation against finite differences and against torch, once and twice."""

import builtins
import concurrent.futures

import hypothesis.extra.numpy as arrays_of
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mlcourse.reference import autograd as ag
from mlcourse.reference.autograd import grad, value_and_grad

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 2))
WEIGHTS = RNG.normal(size=(3, 4))  # makes each entry of a result count differently
POSITIVE = np.abs(A) + 0.5

# name: (a function of one array to any shape, the same in torch, where to try it)
OPERATIONS = {
    "x + c": (lambda x: x + A, lambda x: x + torch.tensor(A), A),
    "c - x": (lambda x: 2.0 - x, lambda x: 2.0 - x, A),
    "x - row": (lambda x: x - A[0], lambda x: x - torch.tensor(A[0]), A),
    "-x": (lambda x: -x, lambda x: -x, A),
    "x * x": (lambda x: x * x, lambda x: x * x, A),
    "c * x": (lambda x: A * x, lambda x: torch.tensor(A) * x, A),
    "x / c": (lambda x: x / POSITIVE, lambda x: x / torch.tensor(POSITIVE), A),
    "c / x": (lambda x: A / x, lambda x: torch.tensor(A) / x, POSITIVE),
    "x / x": (lambda x: (x + 1.0) / (x * x), lambda x: (x + 1.0) / (x * x), POSITIVE),
    "x ** 2": (lambda x: x**2, lambda x: x**2, A),
    "x ** 3": (lambda x: x**3, lambda x: x**3, A),
    "x ** -0.5": (lambda x: x**-0.5, lambda x: x**-0.5, POSITIVE),
    "x @ c": (lambda x: x @ B, lambda x: x @ torch.tensor(B), A),
    "c @ x": (lambda x: B.T @ x.T, lambda x: torch.tensor(B).T @ x.T, A),
    "x @ x.T": (lambda x: x @ x.T, lambda x: x @ x.T, A),
    "x.T": (lambda x: x.T, lambda x: x.T, A),
    "reshape": (lambda x: ag.reshape(x, (2, 6)), lambda x: x.reshape(2, 6), A),
    "broadcast_to": (lambda x: ag.broadcast_to(x, (5, 3, 4)), lambda x: x.expand(5, 3, 4), A),
    "sum": (lambda x: ag.sum(x * x), lambda x: (x * x).sum(), A),
    "sum, axis 0": (lambda x: ag.sum(x, axis=0), lambda x: x.sum(0), A),
    "sum, axis -1": (lambda x: ag.sum(x, axis=-1, keepdims=True), lambda x: x.sum(-1, keepdim=True), A),
    "sum, both axes": (lambda x: ag.sum(x, axis=(0, 1)), lambda x: x.sum((0, 1)), A),
    "mean": (lambda x: ag.mean(x), lambda x: x.mean(), A),
    "mean, axis 1": (lambda x: ag.mean(x, axis=1), lambda x: x.mean(1), A),
    "relu": (lambda x: ag.relu(x), torch.relu, A),
    "exp": (lambda x: ag.exp(x), torch.exp, A),
    "log": (lambda x: ag.log(x), torch.log, POSITIVE),
    "tanh": (lambda x: ag.tanh(x), torch.tanh, A),
    "sin": (lambda x: ag.sin(x), torch.sin, A),
    "cos": (lambda x: ag.cos(x), torch.cos, A),
    "log_softmax": (lambda x: ag.log_softmax(x), lambda x: torch.log_softmax(x, -1), A),
    "log_softmax, far": (lambda x: ag.log_softmax(x * 1000.0), lambda x: torch.log_softmax(x * 1000.0, -1), A),
}


def finite_differences(f, x, step=1e-6):
    """Central differences of a scalar function: (f(x + step) - f(x - step)) / (2 step), entry by entry."""
    out = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        shift = np.zeros_like(x)
        shift[index] = step
        out[index] = (f(x + shift) - f(x - shift)) / (2 * step)
    return out


def weighted(f):
    """One number out of an array: a weighted sum of sines, so that second derivatives do not vanish."""

    def number(x):
        out = f(x)
        weights = np.cos(np.arange(np.prod(np.shape(ag.value(out)), dtype=int))).reshape(np.shape(ag.value(out)))
        return ag.sum(ag.sin(out) * weights)

    return number


def weighted_in_torch(f):
    def number(x):
        out = f(x)
        return (torch.sin(out) * torch.cos(torch.arange(out.numel()).double()).reshape(out.shape)).sum()

    return number


@pytest.mark.parametrize("name", OPERATIONS)
def test_first_derivatives(name):
    f, f_torch, x = OPERATIONS[name]
    value, ours = value_and_grad(weighted(f))(x)
    t = torch.tensor(x, requires_grad=True)
    number = weighted_in_torch(f_torch)(t)
    np.testing.assert_allclose(value, number.item(), rtol=1e-12)
    np.testing.assert_allclose(ours, torch.autograd.grad(number, t)[0], rtol=1e-9, atol=1e-12)
    if "far" not in name:  # steep enough there for differences to be of no use
        np.testing.assert_allclose(ours, finite_differences(weighted(f), x), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", OPERATIONS)
def test_second_derivatives(name):
    f, f_torch, x = OPERATIONS[name]

    def slope(x):
        return ag.sum(grad(weighted(f))(x) * WEIGHTS)

    ours, t = grad(slope)(x), torch.tensor(x, requires_grad=True)
    first = torch.autograd.grad(weighted_in_torch(f_torch)(t), t, create_graph=True)[0]
    theirs = torch.autograd.grad((first * torch.tensor(WEIGHTS)).sum(), t)[0]
    np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-11)
    if "far" not in name:
        np.testing.assert_allclose(ours, finite_differences(slope, x), rtol=1e-4, atol=1e-6)


def test_third_and_fourth_derivatives():
    x = np.array(0.7)
    third, fourth = grad(grad(grad(ag.sin))), grad(grad(grad(grad(lambda x: x**4))))
    np.testing.assert_allclose(third(x), -np.cos(0.7), rtol=1e-12)
    np.testing.assert_allclose(fourth(x), 24.0, rtol=1e-12)


def test_powers_have_all_their_derivatives_at_zero():
    """d/dx x^1 = x^0 = 1 is a constant; differentiated blindly it is 0 * x^-1, which is not a number at 0."""
    assert grad(grad(lambda x: x**1))(np.array(0.0)) == 0.0
    assert grad(grad(grad(lambda x: x**2)))(np.array(0.0)) == 0.0


def test_a_hessian_vector_product():
    """f(x) = sum(exp(M x)) has the Hessian M^T diag(exp(M x)) M; its product with v needs no such matrix."""
    m, x, v = RNG.normal(size=(5, 3)), RNG.normal(size=(3, 1)), RNG.normal(size=(3, 1))

    def f(x):
        return ag.sum(ag.exp(m @ x))

    ours = grad(lambda x: ag.sum(grad(f)(x) * v))(x)
    np.testing.assert_allclose(ours, m.T @ (np.exp(m @ x) * (m @ v)), rtol=1e-12)


shapes = arrays_of.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3)


@given(shapes, st.sampled_from(["+", "-", "*", "/"]), st.integers(0, 2**32 - 1))
def test_broadcasting_sums_the_gradient_back(broadcast, operator, seed):
    """Whatever NumPy broadcasts, gradients come back in the operands' own shapes, and torch agrees."""
    rng = np.random.default_rng(seed)
    left, right = (rng.uniform(0.5, 2.0, shape) for shape in broadcast.input_shapes)
    weights = rng.normal(size=broadcast.result_shape)

    def combine(p):
        a, b = p["a"], p["b"]
        return {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "/": lambda: a / b}[operator]()

    ours = grad(lambda p: ag.sum(combine(p) * weights))({"a": left, "b": right})
    theirs = {"a": torch.tensor(left, requires_grad=True), "b": torch.tensor(right, requires_grad=True)}
    (combine(theirs) * torch.tensor(weights)).sum().backward()
    for name, like in (("a", left), ("b", right)):
        assert ours[name].shape == like.shape
        np.testing.assert_allclose(ours[name], theirs[name].grad, rtol=1e-9, atol=1e-12)


@given(arrays_of.array_shapes(min_dims=1, max_dims=4, max_side=3), st.data())
def test_sums_over_any_axes(shape, data):
    axes = data.draw(st.lists(st.sampled_from(range(len(shape))), unique=True, min_size=1))
    keepdims, x = data.draw(st.booleans()), RNG.normal(size=shape)
    for ours, numpys in ((ag.sum, np.sum), (ag.mean, np.mean)):
        np.testing.assert_allclose(ours(x, tuple(axes), keepdims), numpys(x, tuple(axes), keepdims=keepdims))
        gradient = grad(lambda x, f=ours: ag.sum(f(x, tuple(axes), keepdims) ** 2))(x)  # noqa: B023
        total = numpys(x, tuple(axes), keepdims=True)
        share = 1.0 if ours is ag.sum else total.size / x.size
        np.testing.assert_allclose(gradient, np.broadcast_to(2 * total * share, shape), rtol=1e-12, atol=1e-12)


def test_no_perturbation_confusion():
    """d/dx [x * d/dy (x + y)] = d/dx [x * 1] = 1; an engine that mixes up the two derivatives says 2."""
    one = np.array(1.0)
    assert grad(lambda x: x * grad(lambda y: x + y)(one))(one) == 1.0


def test_an_inner_gradient_sees_the_outer_variable():
    """d/dx [d/dy (x y^2) at y = x] = d/dx 2 x^2 = 4 x."""
    assert grad(lambda x: grad(lambda y: x * y * y)(x))(np.array(3.0)) == 12.0


def test_an_inner_gradient_that_the_outer_variable_does_not_touch():
    inner = grad(lambda y: ag.sum(y * y))
    assert grad(lambda x: x * ag.sum(inner(np.ones(3))))(np.array(5.0)) == 6.0


def test_the_same_array_used_twice_counts_twice():
    x = np.array([1.0, 2.0])
    np.testing.assert_array_equal(grad(lambda p: ag.sum(p["a"] * p["b"]))({"a": x, "b": x})["a"], x)
    np.testing.assert_array_equal(grad(lambda x: ag.sum(x + x))(x), [2.0, 2.0])


def test_an_input_that_is_not_used_has_gradient_zero():
    gradient = grad(lambda p: ag.sum(p["used"]))({"used": np.ones(2), "unused": np.ones((2, 3))})
    np.testing.assert_array_equal(gradient["unused"], np.zeros((2, 3)))


def test_a_constant_function_has_gradient_zero():
    value, gradient = value_and_grad(lambda x: np.array(3.0))(np.ones(2))
    assert value == 3.0 and np.array_equal(gradient, [0.0, 0.0])


def test_stop_gradient_cuts_the_history():
    x = np.array(3.0)
    assert grad(lambda x: ag.stop_gradient(x) * x)(x) == 3.0
    assert grad(lambda p: ag.stop_gradient(p)["x"] * p["x"])({"x": x})["x"] == 3.0


def test_plain_arrays_in_plain_arrays_out():
    value, gradient = value_and_grad(lambda p, scale: ag.sum(p["x"] ** 2) * scale)({"x": np.ones(3)}, scale=2.0)
    assert type(gradient["x"]) is np.ndarray and not isinstance(value, ag.Tensor)
    assert type(ag.relu(np.ones(3))) is np.ndarray


def test_gradients_have_the_precision_of_their_inputs():
    assert grad(lambda x: ag.mean(ag.relu(x) ** 2))(np.ones((2, 2))).dtype == np.float64


def test_an_error_inside_leaves_the_engine_usable():
    def broken(x):
        raise KeyError("inside")

    with pytest.raises(KeyError):
        grad(broken)(np.array(1.0))
    assert not ag._record.get() and not isinstance(ag.exp(ag.Tensor(np.ones(2))), ag.Tensor)
    assert grad(lambda x: x * x)(np.array(2.0)) == 4.0


def test_a_long_chain_needs_no_recursion():
    def chain(x):
        for _ in range(5000):
            x = x * 1.0
        return x

    assert grad(chain)(np.array(2.0)) == 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: grad(lambda x: x * x)(np.ones(3)), r"returned shape \(3,\); grad takes .* one number"),
        (lambda: grad(lambda x: x)(np.array(3)), r"dtype int64 and shape \(\); use x.astype\(float\)"),
        (lambda: grad(lambda p: p["w0"])({"w0": np.array([1, 2])}), "parameter 'w0' has dtype int64"),
        (lambda: ag.matmul(np.ones(3), np.ones((3, 2))), r"two matrices, not shapes \(3,\) and \(3, 2\)"),
    ],
)
def test_errors_name_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_list_of_tensors_is_no_array():
    """NumPy would make an array of objects of it, whose sum is right by accident."""

    def total(params):
        return ag.sum([params["a"], params["a"] * 2.0])

    with pytest.raises(ValueError, match="x is a list, no array of numbers; add Tensors up by Python's own sum"):
        grad(total)({"a": np.array(1.0)})
    assert grad(lambda p: builtins.sum([p["a"], p["a"] * 2.0]))({"a": np.array(1.0)})["a"] == 3.0


def test_numpy_cannot_look_into_a_tensor_without_a_word():
    """np.mean and the like saw a single object there, and gave it back."""
    for function in (np.mean, np.median, np.size, np.argmax, np.count_nonzero, np.sum, np.exp):
        with pytest.raises(TypeError):
            grad(lambda x, function=function: ag.sum((x - function(x)) ** 2))(np.array([1.0, 2.0, 4.0]))
    with pytest.raises(TypeError, match="np.mean cannot follow a Tensor; use the operations of this module"):
        grad(lambda x: ag.sum(x - np.mean(x)))(np.array([1.0, 2.0]))


def test_comparisons_are_of_numbers():
    x = np.array([2.0, 2.0, 3.0])
    value, slope = value_and_grad(lambda x: ag.sum(x**2 * (x == 2.0)))(x)
    assert value == 8 and slope.tolist() == [4, 4, 0]
    assert grad(lambda x: ag.sum(x * (x != 2.0) + x * (x > 2.5) + x * (2.5 >= x)))(x).tolist() == [1, 1, 2]
    assert grad(lambda x: 100.0 * ag.sum(x) if ag.sum(x) == 7.0 else ag.sum(x))(x).tolist() == [100, 100, 100]
    assert grad(lambda x: x * x if x else x)(np.array(0.0)) == 1


def test_threads_do_not_record_for_each_other():
    x = np.arange(5.0)

    def slopes(_):
        return grad(lambda p: ag.sum(grad(lambda q: ag.sum(ag.sin(q) ** 2))(p) ** 2))(x)

    expected = slopes(0)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for found in pool.map(slopes, range(200)):
            np.testing.assert_array_equal(found, expected)
    assert not ag._record.get()


def test_gradients_are_arrays_of_their_own():
    found = grad(lambda p: ag.sum((p["a"] + p["b"]) ** 2) + ag.sum(p["c"]))(dict.fromkeys("abc", np.ones(2)))
    for slope in found.values():
        slope *= 0.5  # may be written to, and does not change another
    assert found["a"].tolist() == found["b"].tolist() == [2, 2] and found["c"].tolist() == [0.5, 0.5]


def test_an_inner_function_may_return_the_outer_input():
    assert grad(lambda c: value_and_grad(lambda y: c)(np.array(1.0))[0] * 3.0)(np.array(2.0)) == 3


def test_what_is_no_function_of_numbers_is_named():
    for function, params, words in (
        (lambda x: None, np.ones(1), "f returned None; has it a `return`"),
        (lambda x: 1.0, {}, "params is an empty dict"),
        (lambda x: ag.sum(x ** np.array([1.0, 2.0])), np.ones(2), "give one plain number"),
    ):
        with pytest.raises(ValueError, match=words):
            grad(function)(params)


def test_relu_of_minus_infinity_is_zero():
    assert ag.relu(np.array([-np.inf, -1.0, 2.0])).tolist() == [0, 0, 2] and np.isnan(ag.relu(np.array(np.nan)))
