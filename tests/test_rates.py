"""Inner rates as numbers, dicts, lists and functions: both twins, both orders, and the learners with them."""

import numpy as np
import pytest
import torch

from mlcourse import rates
from mlcourse.fast import learners as fast_learners
from mlcourse.fast import losses as fast_losses
from mlcourse.fast import maml as fast_maml
from mlcourse.fast import networks as fast_networks
from mlcourse.fast import reptile as fast_reptile
from mlcourse.fast.arrays import arrays, tensors
from mlcourse.reference import learners, losses, maml, networks, reptile
from mlcourse.tasks import Sinusoids, one

OURS, THEIRS = networks.mlp((1, 8, 8, 1)), fast_networks.mlp((1, 8, 8, 1))
LOSS, FAST_LOSS = losses.squared_error(OURS), fast_losses.squared_error(THEIRS)
TASKS = Sinusoids(5, 7).sample(3, np.random.default_rng(1))
PARAMS = OURS.init(np.random.default_rng(0))
HEAD = {"w2": 0.1, "b2": -0.05}
ARRAYS = {name: np.random.default_rng(2).normal(0.02, 0.02, p.shape) for name, p in PARAMS.items()}
LEARNED = PARAMS | {f"rate.{name}": rate for name, rate in ARRAYS.items()}


def per_step(params):
    """Learned rates that differ from step to step: the second step's are half of the first's."""
    first = rates.learned(params)
    return [first, {name: 0.5 * rate for name, rate in first.items()}, {"b0": 0.1}]


FORMS = {  # the parameters, and an inner_lr of each form
    "a number": (PARAMS, 0.05),
    "some names": (PARAMS, HEAD),
    "an array for each": (PARAMS, ARRAYS),
    "one for each step": (PARAMS, [0.05, HEAD, {"w0": ARRAYS["w0"]}]),
    "learned": (LEARNED, rates.learned),
    "learned, for each step": (LEARNED, per_step),
}
each_form = pytest.mark.parametrize("params, inner_lr", FORMS.values(), ids=list(FORMS))
both_orders = pytest.mark.parametrize("first_order", [False, True])


def in_torch(inner_lr):
    """The same rates as tensors; a function stays, since it takes whatever the parameters are."""
    if callable(inner_lr):
        return inner_lr
    if isinstance(inner_lr, list):
        return [in_torch(step) for step in inner_lr]
    if isinstance(inner_lr, dict):
        return {n: tensors(rate) if isinstance(rate, np.ndarray) else rate for n, rate in inner_lr.items()}
    return inner_lr


def assert_same(ours, theirs, rtol=1e-10):
    theirs = arrays(theirs)
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_allclose(theirs[name], ours[name], rtol=rtol, atol=1e-14, err_msg=name)


@each_form
@both_orders
@pytest.mark.parametrize("batching", ["vmap", "loop"])
def test_twins_agree(params, inner_lr, first_order, batching):
    how = {"inner_steps": 3, "first_order": first_order}
    value, gradient = maml.meta_loss_and_gradient(LOSS, params, TASKS, inner_lr=inner_lr, **how)
    theirs = fast_maml.meta_loss_and_gradient(
        FAST_LOSS, tensors(params), tensors(TASKS), inner_lr=in_torch(inner_lr), batching=batching, **how
    )
    assert float(theirs[0]) == pytest.approx(float(value), rel=1e-12)
    assert_same(gradient, theirs[1])


@each_form
def test_the_meta_gradient_is_that_of_finite_differences(params, inner_lr):
    gradient = maml.meta_gradient(LOSS, params, TASKS, inner_lr=inner_lr, inner_steps=3)
    rng = np.random.default_rng(3)
    direction = {name: rng.normal(size=p.shape) for name, p in params.items()}

    def at(step):
        moved = {name: p + step * direction[name] for name, p in params.items()}
        return float(maml.meta_loss(LOSS, moved, TASKS, inner_lr=inner_lr, inner_steps=3))

    slope = sum((gradient[name] * direction[name]).sum() for name in params)
    assert slope == pytest.approx((at(1e-6) - at(-1e-6)) / 2e-6, rel=1e-6)


@both_orders
def test_a_number_is_the_dict_of_all_names_and_the_list_of_equal_steps_to_the_bit(first_order):
    forms = (0.05, dict.fromkeys(PARAMS, 0.05), [0.05] * 3)
    how = {"inner_steps": 3, "first_order": first_order}
    found = [maml.meta_gradient(LOSS, PARAMS, TASKS, inner_lr=form, **how) for form in forms]
    params, tasks = tensors(PARAMS), tensors(TASKS)
    theirs = [arrays(fast_maml.meta_gradient(FAST_LOSS, params, tasks, inner_lr=form, **how)) for form in forms]
    for first, *others in (found, theirs):
        for other in others:
            assert all(np.array_equal(first[name], other[name]) for name in first)


def test_only_the_names_in_a_dict_adapt():
    phi = maml.adapt(LOSS, PARAMS, one(TASKS, 0).support, inner_lr=HEAD, inner_steps=2)
    moved = {name for name in PARAMS if not np.array_equal(phi[name], PARAMS[name])}
    assert moved == set(HEAD) and list(phi) == list(PARAMS)


def test_learned_rates_stay_where_they_are_while_a_task_adapts():
    phi = fast_maml.adapt(
        FAST_LOSS, tensors(LEARNED), tensors(one(TASKS, 0).support), inner_lr=rates.learned, inner_steps=2
    )
    assert all(np.array_equal(arrays(phi)[name], p) for name, p in LEARNED.items() if name.startswith("rate."))
    assert not np.array_equal(arrays(phi)["w0"], PARAMS["w0"])


@each_form
def test_along_takes_each_steps_own_rates(params, inner_lr):
    ours = learners.GradientLearner(OURS, LOSS, params, inner_lr, 3)
    theirs = fast_learners.GradientLearner(THEIRS, FAST_LOSS, tensors(params), in_torch(inner_lr), 3)
    along = ours.along(TASKS.support, TASKS.query.x)
    np.testing.assert_allclose(theirs.along(TASKS.support, TASKS.query.x), along, rtol=1e-10)
    np.testing.assert_allclose(theirs.many(TASKS.support, TASKS.query.x), along[:, -1], rtol=1e-10)
    support, query = one(TASKS, 1)
    for steps in range(4):
        phi = maml.adapt(LOSS, params, support, inner_lr=inner_lr, inner_steps=steps)
        np.testing.assert_allclose(along[1, steps], OURS.apply(phi, query.x), rtol=1e-12)


def test_reptile_takes_rates_of_every_form():
    for params, inner_lr in FORMS.values():
        how = {"inner_steps": 3, "meta_lr": 0.5}
        ours = reptile.meta_step(LOSS, params, TASKS, inner_lr=inner_lr, **how)
        theirs = fast_reptile.meta_step(
            FAST_LOSS, tensors(params), tensors(TASKS), inner_lr=in_torch(inner_lr), **how
        )
        assert_same(ours, theirs)


def test_a_longer_list_serves_fewer_steps():
    three = [0.05, HEAD, 0.01]
    ours, theirs = (
        maml.meta_gradient(LOSS, PARAMS, TASKS, inner_lr=these, inner_steps=2) for these in (three, three[:2])
    )
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_a_frozen_rate_is_not_learned():
    params = {name: p.requires_grad_(not name.startswith("rate.")) for name, p in tensors(LEARNED).items()}
    gradient = fast_maml.meta_gradient(FAST_LOSS, params, tensors(TASKS), inner_lr=rates.learned)
    assert all(not gradient[name].any() for name in params if name.startswith("rate."))
    assert gradient["w0"].any()


@pytest.mark.parametrize(
    "inner_lr, says",
    [
        ({}, "empty dict"),
        ({"w9": 0.1}, "inner_lr has 'w9', which params has not; its names are w0, b0"),
        ({"w0": np.nan}, "inner_lr['w0'] is nan"),
        ({"w0": np.zeros((8, 1))}, "shape (8, 1)"),
        ([], "rates for 0 inner steps, inner_steps is 2"),
        ([0.1], "rates for 1 inner steps, inner_steps is 2; give one for each"),
        ([0.1, {"b7": 0.1}], "inner_lr[1] has 'b7'"),
        (rates.learned, "params has no learned rate"),
        (lambda params: {"w0": "fast"}, "inner_lr(params)['w0'] is 'fast'"),
        ("0.1", "inner_lr is '0.1'"),
    ],
)
def test_rates_that_cannot_be_are_refused_by_both(inner_lr, says):
    support = one(TASKS, 0).support
    for adapt, loss, params, examples in (
        (maml.adapt, LOSS, PARAMS, support),
        (fast_maml.adapt, FAST_LOSS, tensors(PARAMS), tensors(support)),
    ):
        with pytest.raises(ValueError) as caught:
            adapt(loss, params, examples, inner_lr=inner_lr, inner_steps=2)
        if "shape" not in says or adapt is maml.adapt:
            assert says in str(caught.value)


def test_reptiles_adam_takes_one_number():
    with pytest.raises(ValueError, match="inner_lr is"):
        fast_learners.AdamLearner(THEIRS, FAST_LOSS, tensors(PARAMS), None, HEAD, 2, 2)


def test_rates_of_the_other_library_are_refused():
    with pytest.raises(ValueError, match="takes torch's"):
        fast_maml.meta_loss(FAST_LOSS, tensors(PARAMS), tensors(TASKS), inner_lr=ARRAYS)
    with pytest.raises(ValueError, match="takes NumPy's"):
        maml.meta_loss(LOSS, PARAMS, TASKS, inner_lr={"w0": torch.zeros(1, 8)})
