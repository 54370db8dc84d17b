"""Before the engine computes: tasks come to where the parameters lie, and frozen parameters are held."""

import numpy as np
import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.func import functional_call

from mlcourse import methods
from mlcourse.fast import adam, losses, maml, metric, networks, protonet, reptile
from mlcourse.fast.arrays import tensors
from mlcourse.fast.capture import compiler_works
from mlcourse.fast.learners import GradientLearner
from mlcourse.fast.networks import Network
from mlcourse.tasks import Examples, Sinusoids, Task
from mlcourse.training import train

HOW = {"inner_lr": 0.1, "inner_steps": 2}


def half_frozen(outputs=1):
    """A reader's module whose first layer is frozen, its parameters and a loss."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(1, 6), nn.Tanh(), nn.Linear(6, outputs)).double()
    module[0].requires_grad_(False)

    def loss(params, x, y):
        out = functional_call(module, params, (x,))
        return F.cross_entropy(out, y) if outputs > 1 else F.mse_loss(out, y)

    return module, dict(module.named_parameters()), loss


def sines():
    return tensors(Sinusoids(5, 5).sample(3, np.random.default_rng(0)))


def parts(params):
    """Names of the frozen parameters and of the others."""
    frozen = {name for name in params if name.startswith("0.")}
    return frozen, set(params) - frozen


@pytest.mark.parametrize("batching", ["vmap", "loop"])
@pytest.mark.parametrize("first_order", [False, True])
def test_a_frozen_layer_neither_adapts_nor_has_a_gradient(batching, first_order):
    """The others have the gradient that they have when the frozen ones are constants of the loss."""
    module, params, loss = half_frozen()
    frozen, free = parts(params)
    tasks = sines()
    phi = maml.adapt(
        loss, params, Examples(tasks.support.x[0], tasks.support.y[0]), **HOW, first_order=first_order
    )
    assert all(torch.equal(phi[name], params[name]) for name in frozen)
    assert not any(torch.equal(phi[name], params[name]) for name in free)
    _, gradient = maml.meta_loss_and_gradient(
        loss, params, tasks, **HOW, batching=batching, first_order=first_order
    )
    constants = {name: params[name].detach() for name in frozen}
    alone = {name: params[name].detach() for name in free}
    expected = maml.meta_gradient(
        lambda p, x, y: loss(constants | p, x, y), alone, tasks, **HOW, first_order=first_order
    )
    assert set(gradient) == set(params)
    for name in params:
        torch.testing.assert_close(gradient[name], expected.get(name, torch.zeros_like(params[name])))


def test_reptile_leaves_a_frozen_layer_alone():
    module, params, loss = half_frozen()
    frozen, free = parts(params)
    moments = adam.init({name: p.detach() for name, p in params.items()})
    steps = [
        reptile.meta_step(loss, params, sines(), **HOW, meta_lr=0.5),
        reptile.meta_step_adam(
            loss, params, moments, sines(), **HOW, meta_lr=0.5, rng=np.random.default_rng(0), batch_size=5
        )[0],
    ]
    for after in steps:
        assert all(torch.equal(after[name], params[name]) for name in frozen)
        assert not any(torch.equal(after[name], params[name]) for name in free)


def test_methods_that_compare_leave_a_frozen_layer_alone():
    module, params, _ = half_frozen(outputs=2)
    frozen, free = parts(params)
    network = Network(lambda rng: params, lambda params, x: functional_call(module, params, (x,)))
    y = torch.arange(4).expand(3, 4) % 2
    x = torch.randn(3, 4, 1, dtype=torch.float64)
    tasks = Task(Examples(x, y), Examples(x + 1, y))
    _, gradient = metric.meta_loss_and_gradient(protonet.classify, network, params, tasks, n_way=2)
    assert not any(gradient[name].any() for name in frozen) and gradient["2.weight"].any()


METHODS = {
    "maml": lambda loss, net: methods.MAML(loss, **HOW),
    "first order": lambda loss, net: methods.MAML(loss, **HOW, first_order=True),
    "reptile": lambda loss, net: methods.Reptile(loss, **HOW),
    "reptile with Adam": lambda loss, net: methods.ReptileAdam(loss, **HOW, batch_size=3),
}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("capture", ["eager", "compile"])
def test_training_leaves_a_frozen_layer_alone(name, capture):
    if capture == "compile" and name != "maml":
        pytest.skip("one method shows that the compiler sees it")
    if capture == "compile" and (problem := compiler_works()):
        pytest.skip(problem)
    module, params, loss = half_frozen()
    frozen, free = parts(params)
    how = {"meta_steps": 3, "meta_batch_size": 2, "progress": False, "device": "cpu", "dtype": torch.float64}
    trained = train(METHODS[name](loss, None), params, Sinusoids(5, 5), capture=capture, **how)
    assert all(torch.equal(trained.params[name], params[name]) for name in frozen)
    assert not any(torch.equal(trained.params[name], params[name]) for name in free)
    assert {name for name, p in trained.params.items() if not p.requires_grad} == set(frozen)


def test_training_metric_methods_leaves_a_frozen_layer_alone():
    module, params, _ = half_frozen(outputs=2)
    frozen, free = parts(params)
    network = Network(lambda rng: params, lambda params, x: functional_call(module, params, (x,)))

    class Sides:
        def sample(self, n_tasks, rng):
            y = np.tile(np.arange(4) % 2, (n_tasks, 1))
            return Task(*(Examples(rng.normal(size=(n_tasks, 4, 1)) + y[..., None], y) for _ in range(2)))

    method = methods.ProtoNet(network, n_way=2)
    how = {"meta_steps": 3, "meta_batch_size": 2, "progress": False, "device": "cpu", "dtype": torch.float64}
    trained = train(method, params, Sides(), capture="eager", **how)
    assert all(torch.equal(trained.params[name], params[name]) for name in frozen)
    assert not any(torch.equal(trained.params[name], params[name]) for name in free)


def test_a_modules_parameters_all_learn_when_none_is_frozen_and_no_graph_grows():
    module = nn.Linear(1, 1).double()

    def loss(params, x, y):
        return F.mse_loss(functional_call(module, params, (x,)), y)

    params = dict(module.named_parameters())
    trained = train(
        methods.MAML(loss, inner_lr=0.1), params, Sinusoids(5, 5), meta_steps=3, meta_batch_size=2,
        capture="eager", progress=False, device="cpu", dtype=torch.float64,
    )  # fmt: skip
    for name, p in trained.params.items():
        assert not torch.equal(p, params[name]) and p.grad_fn is None and not p.requires_grad
    assert all(p.grad_fn is None for p in trained.state.first.values())


def test_float64_tasks_come_to_float32_parameters():
    network = networks.mlp((1, 8, 1))
    loss = losses.squared_error(network)
    params = tensors(network.init(np.random.default_rng(0)), dtype=torch.float32)
    tasks = sines()
    for batching in ("vmap", "loop"):
        found = maml.meta_gradient(loss, params, tasks, **HOW, batching=batching)
        expected = maml.meta_gradient(loss, params, tensors(tasks, dtype=torch.float32), **HOW, batching=batching)
        for name in params:
            assert found[name].dtype == torch.float32
            torch.testing.assert_close(found[name], expected[name])


def test_tasks_of_more_classes_than_the_network_scores_are_refused_before_anything_runs():
    network = networks.mlp((2, 8, 5))
    loss, params = losses.cross_entropy(network), network.init(np.random.default_rng(0))
    y = torch.arange(20).expand(3, 20)
    twenty = Task(*(Examples(torch.randn(3, 20, 2, dtype=torch.float64), y) for _ in range(2)))
    words = (
        "tasks.support.y holds labels 0 to 19, but n_way is 5; give labels from 0 to 4, or n_way=20 and a network"
    )
    for batching in ("vmap", "loop"):
        with pytest.raises(ValueError, match=words):
            maml.meta_gradient(loss, params, twenty, inner_lr=0.1, batching=batching)
    learner = GradientLearner(network, loss, params, 0.1, 1)
    with pytest.raises(ValueError, match="support.y holds labels 0 to 19, but n_way is 5"):
        learner.many(Examples(*(part.numpy() for part in twenty.support)), twenty.query.x.numpy())
