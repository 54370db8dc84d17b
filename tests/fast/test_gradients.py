"""Plain autograd or `torch.func`: whichever is taken, the same gradients, also of gradients."""

import pytest
import torch

from mlcourse.fast import gradients

PARAMS = {"a": torch.tensor([0.3, -1.2], dtype=torch.float64), "b": torch.tensor(0.7, dtype=torch.float64)}
X = torch.tensor([1.5, 0.4], dtype=torch.float64)


def loss(params, x):
    return (torch.sin(params["a"] * x) * params["b"] ** 3).sum()


def after_a_step(params, x, grad):
    slopes = grad(loss)(params, x)
    return loss({name: p - 0.1 * slopes[name] for name, p in params.items()}, x)


def test_the_gradient_and_the_gradient_of_a_gradient_are_those_of_torch_func():
    for objective in (loss, lambda p, x: after_a_step(p, x, gradients.grad)):
        expected = loss if objective is loss else lambda p, x: after_a_step(p, x, torch.func.grad)
        ours, value = gradients.grad_and_value(objective)(PARAMS, X)
        theirs, their_value = torch.func.grad_and_value(expected)(PARAMS, X)
        torch.testing.assert_close(value, their_value)
        for name in PARAMS:
            torch.testing.assert_close(ours[name], theirs[name], rtol=1e-12, atol=1e-12)
    assert not value.requires_grad and not any(p.requires_grad for p in (*PARAMS.values(), *ours.values()))


def test_under_vmap_and_without_autograd_it_is_torch_func():
    batch = torch.stack([X, 2 * X])
    each = torch.vmap(lambda x: gradients.grad(loss)(PARAMS, x))(batch)
    with torch.no_grad():
        alone = [gradients.grad(loss)(PARAMS, x) for x in batch]
    for name in PARAMS:
        torch.testing.assert_close(each[name], torch.stack([one[name] for one in alone]))


def test_a_parameter_that_the_loss_does_not_ask_for_has_a_gradient_of_zero():
    params = PARAMS | {"idle": torch.ones(3, dtype=torch.float64)}
    found, _ = gradients.grad_and_value(lambda p, x: after_a_step(p, x, gradients.grad))(params, X)
    assert torch.equal(found["idle"], torch.zeros(3, dtype=torch.float64))


@pytest.mark.parametrize("outer", [torch.func.grad, gradients.grad])
def test_inside_another_gradient_the_way_back_is_kept(outer):
    """Second order: the derivative of the loss after a step, by central differences."""
    params = {name: p.clone().requires_grad_() for name, p in PARAMS.items()}
    slope = outer(lambda p, x: after_a_step(p, x, gradients.grad))(params, X)["b"]
    step = torch.tensor(1e-6, dtype=torch.float64)
    ahead, behind = (
        after_a_step(PARAMS | {"b": PARAMS["b"] + sign * step}, X, torch.func.grad) for sign in (1, -1)
    )
    torch.testing.assert_close(slope.detach(), (ahead - behind) / (2 * step), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("related", ["the same tensor", "a view", "computed"])
def test_a_parameter_that_hangs_on_another_is_one_of_its_own(related):
    """A dict of parameters is a dict of numbers: how one of them came about is no business of the gradient."""
    a = torch.tensor([[0.3, -1.2], [0.5, 0.1]], dtype=torch.float64, requires_grad=True)
    b = {"the same tensor": a, "a view": a.T, "computed": 2 * a}[related]

    def product(params, x):
        return (params["a"] * params["b"] * x).sum()

    found = gradients.grad(product)({"a": a, "b": b}, X)
    expected = torch.func.grad(product)({"a": a.detach(), "b": b.detach()}, X)
    for name in found:
        torch.testing.assert_close(found[name], expected[name])
    assert found["a"].requires_grad  # and can be differentiated again


def test_what_does_not_depend_on_the_parameters_has_a_gradient_of_zeros():
    constant = {"plain": lambda p, x: torch.tensor(1.0), "detached": lambda p, x: loss(p, x).detach()}
    followed = {name: p.clone().requires_grad_() for name, p in PARAMS.items()}
    for objective in constant.values():
        for found in (gradients.grad(objective)(followed, X), gradients.grad_and_value(objective)(PARAMS, X)[0]):
            assert not any(slope.any() for slope in found.values())


def test_in_inference_mode_gradients_are_taken_all_the_same():
    expected, value = gradients.grad_and_value(loss)(PARAMS, X)
    with torch.inference_mode():
        found, same = gradients.grad_and_value(loss)(PARAMS, X)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(same, value)
