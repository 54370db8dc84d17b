"""NumPy MAML against algebra done by hand, and what it says about wrong arguments."""

import numpy as np
import pytest

from mlcourse.reference import autograd as ag
from mlcourse.reference import losses, maml, networks
from mlcourse.tasks import Examples, Sinusoids, Task, one

ALPHA = 0.1


def squared_distance(params, x, y):
    """The loss of a line through the origin, y = theta x: the mean of (theta x - y)^2."""
    return ag.mean((params["theta"] * x - y) ** 2)


def line_tasks():
    """Two tasks with a support point (x, y) and a query point (u, v) each; the task axis first."""
    support = Examples(np.array([[2.0], [1.0]]), np.array([[3.0], [-1.0]]))
    query = Examples(np.array([[0.5], [3.0]]), np.array([[1.0], [2.0]]))
    return Task(support, query)


def by_hand(theta, inner_steps, first_order):
    r"""The meta-gradient of `line_tasks`, derived with pencil and paper.

    One support point (x, y) and one query point (u, v) make the losses

        L_s(theta) = (theta x - y)^2     L_s'(theta) = 2 x (theta x - y)     L_s''(theta) = 2 x^2
        L_q(phi)   = (phi u - v)^2       L_q'(phi)   = 2 u (phi u - v)

    One inner step goes to phi = theta - alpha L_s'(theta), hence d phi / d theta = 1 - alpha L_s''(theta), and by
    the chain rule

        d/dtheta L_q(phi) = (1 - alpha L_s''(theta)) L_q'(phi) = (1 - 2 alpha x^2) 2 u (phi u - v).

    L_s'' is the same everywhere, so every further step contributes the same factor: (1 - 2 alpha x^2)^steps. First
    order takes the factor for 1. The meta-gradient is the mean over the two tasks.
    """
    slopes = []
    for x, y, u, v in ((2.0, 3.0, 0.5, 1.0), (1.0, -1.0, 3.0, 2.0)):
        phi = theta
        for _ in range(inner_steps):
            phi = phi - ALPHA * 2 * x * (phi * x - y)
        factor = 1.0 if first_order else (1 - 2 * ALPHA * x**2) ** inner_steps
        slopes.append(factor * 2 * u * (phi * u - v))
    return sum(slopes) / 2


@pytest.mark.parametrize("first_order", [False, True])
@pytest.mark.parametrize("inner_steps", [0, 1, 2, 5])
def test_the_closed_form(inner_steps, first_order):
    params = {"theta": np.array(0.7)}
    how = {"inner_lr": ALPHA, "inner_steps": inner_steps, "first_order": first_order}
    gradient = maml.meta_gradient(squared_distance, params, line_tasks(), **how)
    np.testing.assert_allclose(gradient["theta"], by_hand(0.7, inner_steps, first_order), rtol=1e-12)


def test_one_step_in_plain_numbers():
    """Task 1 at theta = 1: phi = 1 - 0.1 * 2 * 2 * (2 - 3) = 1.4, slope (1 - 0.8) * (0.7 - 1) = -0.06."""
    first = Task(*(Examples(part.x[:1], part.y[:1]) for part in line_tasks()))
    params = {"theta": np.array(1.0)}
    phi = maml.adapt(squared_distance, params, one(first, 0).support, inner_lr=0.1)
    np.testing.assert_allclose(phi["theta"], 1.4, rtol=1e-14)
    value, gradient = maml.meta_loss_and_gradient(squared_distance, params, first, inner_lr=0.1)
    np.testing.assert_allclose([value, gradient["theta"]], [0.09, -0.06], rtol=1e-12)


def test_nothing_is_changed_in_place():
    network = networks.mlp((1, 8, 1))
    params, tasks = network.init(np.random.default_rng(0)), Sinusoids(5, 5).sample(3, np.random.default_rng(1))
    before = {name: p.copy() for name, p in params.items()}
    gradient = maml.meta_gradient(losses.squared_error(network), params, tasks, inner_lr=0.1, inner_steps=3)
    assert all(np.array_equal(params[name], before[name]) for name in params)
    assert {name: g.shape for name, g in gradient.items()} == {name: p.shape for name, p in params.items()}
    assert all(type(g) is np.ndarray for g in gradient.values())


def test_the_meta_loss_is_a_mean_over_tasks():
    tasks, params = line_tasks(), {"theta": np.array(0.7)}
    alone = [Task(*(Examples(part.x[[i]], part.y[[i]]) for part in tasks)) for i in range(2)]
    separate = [maml.meta_loss(squared_distance, params, task, inner_lr=ALPHA) for task in alone]
    together = maml.meta_loss(squared_distance, params, tasks, inner_lr=ALPHA)
    np.testing.assert_allclose(together, np.mean(separate), rtol=1e-14)


def test_adapting_goes_downhill():
    network = networks.mlp((1, 40, 40, 1))
    loss, params = losses.squared_error(network), network.init(np.random.default_rng(0))
    support = one(Sinusoids(10, 10).sample(1, np.random.default_rng(1)), 0).support
    so_far = [loss(params, *support)]
    for _ in range(5):
        params = maml.adapt(loss, params, support, inner_lr=0.01)
        so_far.append(loss(params, *support))
    assert so_far == sorted(so_far, reverse=True)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: networks.mlp((3,)), r"sizes is \(3,\)"),
        (lambda: networks.mlp((3, 0, 1)), r"sizes\[1\] is 0; give a whole number of at least 1"),
        (lambda: forward((4, 2)), r"x has shape \(4, 2\); this network takes \(n, 1\)"),
        (lambda: regression((4,)), r"y has shape \(4,\), the outputs \(4, 1\); reshape y"),
        (lambda: classification(np.zeros(4)), r"y has shape \(4,\) and dtype float64; give 4 whole numbers"),
        (lambda: classification(np.array([0, 1, 2, 3])), "labels 0 to 3, but n_way is 3; give labels from 0 to 2"),
        (lambda: classification(np.array([0, 1, -1, 2])), "labels -1 to 2"),
    ],
)
def test_errors_name_the_argument_and_the_fix(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def forward(shape):
    network = networks.mlp((1, 2, 1))
    return network.apply(network.init(np.random.default_rng(0)), np.zeros(shape))


def regression(shape):
    network = networks.mlp((1, 2, 1))
    return losses.squared_error(network)(network.init(np.random.default_rng(0)), np.zeros((4, 1)), np.zeros(shape))


def classification(labels):
    network = networks.mlp((1, 3))
    return losses.cross_entropy(network)(network.init(np.random.default_rng(0)), np.zeros((4, 1)), labels)
