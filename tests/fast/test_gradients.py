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
