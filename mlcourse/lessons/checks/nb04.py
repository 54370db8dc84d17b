"""Checks of the exercises of notebook 04, gradients through gradients."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from mlcourse.lessons.checks.compare import compare, same
from mlcourse.lessons.checks.verdict import exercise
from mlcourse.reference import autograd as ag


class Parabola(NamedTuple):
    """The loss ½ · curvature · (a − best)² of an amplitude a, as in the notebook."""

    curvature: float
    best: float

    def slope(self, a: float) -> float:
        return self.curvature * (a - self.best)


@exercise(
    "4.1", "More than one step", passed="Each step contributes one factor. In a network the factors are matrices."
)
def meta_gradient(answer):
    support, query = Parabola(2.0, 3.0), Parabola(0.5, 4.0)  # apart, so that a mix-up shows
    theta, inner_lr, steps = 1.0, 0.1, 3
    phi = 3.0 + (theta - 3.0) * 0.8**steps
    factor = 0.8**steps
    right = factor * query.slope(phi)
    straight = theta - steps * inner_lr * support.slope(theta)
    added = sum(0.8 * query.slope(3.0 + (theta - 3.0) * 0.8**step) for step in (1, 2, 3))
    yield compare(
        answer(theta, inner_lr, 1, support, query),
        0.8 * query.slope(1.4),
        name="M′(θ) with one inner step",
        diagnoses=[
            (query.slope(1.4), "this is L_q′(φ) alone, the first-order answer: where is the factor dφ/dθ?"),
            (0.8 * query.slope(theta), "the query loss counts where the steps end: take its slope at φ, not at θ"),
            (0.8 * support.slope(1.4), "the last slope should be that of the query loss, not of the support loss"),
            (
                1.2 * query.slope(1.4),
                "the factor is 1 − α·curvature: a step goes *against* the gradient",
            ),
            (0.95 * query.slope(1.4), "the factor belongs to the inner step: take the support's curvature"),
            (0.8 * query.slope(0.6), "you went up the hill: φ = φ − α·slope"),
        ],
    )
    yield compare(
        answer(theta, inner_lr, steps, support, query),
        right,
        name="M′(θ) with three inner steps",
        diagnoses=[
            (0.8 * query.slope(phi), "φ took three steps, the factor only one: multiply it again in every step"),
            (0.4 * query.slope(phi), "the factors of the steps multiply, as in every chain rule; you added them"),
            (added, "you added up a slope for every step: the query loss counts once, where the last step ended"),
            (factor * query.slope(straight), "each step begins where the last one ended, not at θ again"),
        ],
    )
    unmoved = answer(theta, inner_lr, 0, support, query)
    yield compare(unmoved, query.slope(theta), name="M′(θ) with no inner step")


@exercise(
    "4.2", "Pull-backs of a matrix product", passed="These two products are most of the work of a backward pass."
)
def matmul_pull_backs(answer):
    a = np.array([[1.0, 2.0], [-1.0, 3.0]])
    b = np.array([[0.5, -2.0], [4.0, 1.0]])
    g = np.array([[1.0, -1.0], [2.0, 5.0]])
    right = (g @ b.T, a.T @ g)
    yield compare(
        answer(a, b, g),
        right,
        name="the pair of gradients",
        diagnoses=[
            (right[::-1], "the two are swapped: first the gradient for a, then the one for b"),
            ((g * b, g * a), "this is the rule of `*`, entry by entry; `@` sums over rows and columns"),
            (lambda got: same(got[0], g @ b), "the gradient for a: g meets b turned over (`b.T`)"),
            (lambda got: same(got[1], a @ g), "the gradient for b: g meets a turned over (`a.T`)"),
            (lambda got: same(got[0], b @ g.T), "the gradient for a came out turned over, of shape (j, n)"),
            (lambda got: same(got[1], g.T @ a), "the gradient for b came out turned over, of shape (k, j)"),
            (lambda got: same(got[0], b.T @ g), "the gradient for a: g on the left, since b was on the right"),
            (lambda got: same(got[1], g @ a.T), "the gradient for b: g on the right, since a was on the left"),
        ],
    )
    a, b, g = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4), np.ones((2, 4))
    yield compare(answer(a, b, g), (g @ b.T, a.T @ g), name="the pair for shapes (2, 3) and (3, 4)")


@exercise("4.3", "Undo broadcasting", passed="Every bias of every layer needs these lines.", keeps_arguments=True)
def undo_broadcasting(answer):
    g = np.arange(12.0).reshape(3, 4) ** 2
    yield compare(
        answer(g, (4,)),
        g.sum(axis=0),
        name="the gradient for shape (4,)",
        diagnoses=[
            (g, "it still has the shape (3, 4): sum over the axis that broadcasting put in front"),
            (g.mean(axis=0), "this is the mean over the copies: every copy counts in full, so sum"),
            (g[0], "this is the contribution of the first copy only: collect from all of them"),
            (g.sum(axis=1), "summed along the wrong axis: new axes are in front"),
            (g.sum(axis=0, keepdims=True), "a new axis goes away altogether: no `keepdims` for it"),
        ],
    )
    yield compare(
        answer(g, (3, 1)),
        g.sum(axis=1, keepdims=True),
        name="the gradient for shape (3, 1)",
        diagnoses=[
            (g, "new axes in front are right. But an axis of length 1 is stretched too: sum along it"),
            (g.sum(axis=1), "the axis of length 1 has gone: keep it, with `keepdims=True`"),
            (g.sum(axis=0), "you sum over the first axis in any case; here no axis was put in front"),
        ],
    )
    yield compare(answer(g, (3, 4)), g, name="the gradient where nothing was repeated")
    yield compare(answer(g, ()), g.sum(), name="the gradient for a single number, shape ()")
    both = np.arange(24.0).reshape(2, 3, 4)
    yield compare(answer(both, (3, 1)), both.sum(axis=(0, 2))[:, None], name="(2, 3, 4) back to (3, 1)")


def _cubic(params: Mapping[str, Any]) -> Any:
    """A cubic of w (3, 1) and b (1, 1), in operators that any engine has."""
    first = np.array([[1.0, -2.0, 0.5]]) @ params["w"] + params["b"]
    second = np.array([[0.5, 1.0, 3.0]]) @ params["w"]
    return first * first * second + params["b"] * second


def _hessian_times(params: Mapping, v: Mapping, f: Any = _cubic) -> dict[str, np.ndarray]:
    def slope(p: Mapping) -> Any:
        gradient = ag.grad(f)(p)
        return ag.sum(gradient["w"] * v["w"]) + ag.sum(gradient["b"] * v["b"])

    return ag.grad(slope)(params)


def _plain(x: Any) -> Any:
    """The numbers inside the reader's nodes."""
    if isinstance(x, Mapping):
        return {name: _plain(entry) for name, entry in x.items()}
    return getattr(x, "value", x)


@exercise(
    "4.4",
    "Hessian times vector",
    passed="Two walks backwards, and no matrix was ever stored.",
    keeps_arguments=True,
)
def hessian_vector_product(answer):
    params = {"w": np.array([[0.7], [-0.3], [1.1]]), "b": np.array([[0.4]])}
    v = {"w": np.array([[1.0], [2.0], [-1.0]]), "b": np.array([[0.5]])}
    try:
        got = answer(_cubic, params, v)
    except AttributeError as error:
        if "edges" not in str(error):
            raise
        yield (
            "the slope along v is a plain number without a history, so it has no gradient. "
            "What took it out of the graph: a `.value`?"
        )
        return
    gradient, ones = ag.grad(_cubic)(params), {name: np.ones(x.shape) for name, x in v.items()}
    yield compare(
        _plain(got),
        _hessian_times(params, v),
        name="Hv",
        diagnoses=[
            (
                lambda plain: not isinstance(plain, Mapping) and np.size(plain) == 1,
                "this is the slope along v, one number. Hv is the gradient of that number",
            ),
            (
                {name: gradient[name] * v[name] for name in v},
                "this is the gradient times v, entry by entry. Its sum is the slope along v: differentiate that",
            ),
            (gradient, "this is the gradient of f: differentiate once more, after the product with v"),
            (
                {name: np.zeros(x.shape) for name, x in v.items()},
                "Hv came out as zero: the slope along v must be computed from the argument `p`, all the way. "
                "A gradient taken at `params`, or copied out with `.value`, does not depend on p",
            ),
            (
                _hessian_times(params, {"w": v["w"], "b": 3 * v["b"]}),
                "products of different shapes were added, and one was broadcast: `.sum()` each of them first",
            ),
            (_hessian_times(params, ones), "this is H times a vector of ones: where does v come in?"),
            (
                {name: x * v[name] for name, x in _hessian_times(params, ones).items()},
                "multiplied in too late: v belongs to the first gradient, before you differentiate again",
            ),
            (_hessian_times(v, v), "this is the Hessian at v: differentiate at `params`; v is only a direction"),
            (
                {name: 2 * x for name, x in _hessian_times(params, gradient).items()},
                "you multiplied the gradient by itself: multiply it by v",
            ),
        ],
    )


def _quartic(params: Mapping[str, Any]) -> Any:
    """Another loss of w (3, 1) and b (1, 1), which has its own gradient and Hessian."""
    inside = np.array([[2.0, 0.5, -1.0]]) @ params["w"] + -1.0 * params["b"]
    return inside * inside + params["b"] * params["b"] * params["b"]


def _moved(p: Mapping, against: Mapping, rate: float) -> dict[str, Any]:
    return {name: p[name] - rate * against[name] for name in p}


def _by_products(
    theta: Mapping, rate: float, steps: int, *, backwards: bool = True, at: str = "begin", of: Any = _cubic
) -> dict[str, np.ndarray]:
    """The meta-gradient by Hessian products, with the mistakes that one can make in it."""
    points = [theta]
    for _ in range(steps):
        points.append(_moved(points[-1], ag.grad(_cubic)(points[-1]), rate))
    u = ag.grad(_quartic)(points[-1])
    used = {"begin": points[:-1], "end": points[1:], "theta": [theta] * steps, "phi": points[-1:] * steps}[at]
    for p in reversed(used) if backwards else used:
        u = _moved(u, _hessian_times(p, u, of), rate)
    return u


@exercise(
    "4.5",
    "Several steps, one product at a time",
    passed="Backpropagation through the inner loop, with the memory of one step.",
    keeps_arguments=True,
)
def meta_gradient_by_products(answer):
    theta, rate = {"w": np.array([[0.7], [-0.3], [1.1]]), "b": np.array([[0.4]])}, 0.02

    def after_steps(p: Mapping, steps: int) -> Any:
        for _ in range(steps):
            p = _moved(p, ag.grad(_cubic)(p), rate)
        return ag.sum(_quartic(p))

    def right(steps: int) -> dict[str, np.ndarray]:
        return ag.grad(lambda p: after_steps(p, steps))(theta)

    def first_order(steps: int) -> dict[str, np.ndarray]:
        return _by_products(theta, rate, steps, of=lambda p: 0.0 * _cubic(p))

    def at_theta(steps: int) -> dict[str, np.ndarray]:
        u = ag.grad(_quartic)(theta)
        for _ in range(steps):
            u = _moved(u, _hessian_times(theta, u), rate)
        return u

    yield compare(
        _plain(answer(_cubic, _quartic, dict(theta), rate, 1)),
        right(1),
        name="∇M(θ) with one inner step",
        diagnoses=[
            (first_order(1), "this is u alone, the first-order answer: where is α H u?"),
            (at_theta(1), "u is the gradient of the query loss where the steps end, at φ"),
            (_by_products(theta, rate, 1, at="end"), "the Hessian belongs to the point where the step *begins*"),
            (_by_products(theta, rate, 1, of=_quartic), "the step goes down the support loss: take its Hessian"),
            (_by_products(theta, rate, 1, of=lambda p: -1.0 * _cubic(p)), "u − α H u: yours has a plus"),
        ],
    )
    yield compare(
        _plain(answer(_cubic, _quartic, dict(theta), rate, 3)),
        right(3),
        name="∇M(θ) with three inner steps",
        diagnoses=[
            (
                _by_products(theta, rate, 3, backwards=False),
                "the matrices are in the wrong order: that of the *last* step is multiplied by u first",
            ),
            (_by_products(theta, rate, 3, at="theta"), "every step has its own Hessian, at its own point"),
            (_by_products(theta, rate, 3, at="phi"), "every step has its own Hessian, at its own point"),
            (_by_products(theta, rate, 3, at="end"), "the Hessian belongs to the point where the step *begins*"),
            (first_order(3), "this is u alone, the first-order answer: where is α H u?"),
        ],
    )
    unmoved = _plain(answer(_cubic, _quartic, dict(theta), rate, 0))
    yield compare(unmoved, ag.grad(_quartic)(theta), name="∇M(θ) with no inner step")
