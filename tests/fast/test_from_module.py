"""`networks.from_module`: any module under the engine, computed as torch does, or refused with the reason."""

import numpy as np
import pytest
import torch
from torch import nn

from mlcourse import methods
from mlcourse.evaluation import evaluate
from mlcourse.fast import losses, maml, networks
from mlcourse.fast.arrays import tensors
from mlcourse.tasks import Episodes, Sinusoids, glyphs
from mlcourse.training import train


def mlp():
    return nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Linear(8, 1))


def cnn(**norm):
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4, **norm), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(),
        nn.Linear(64, 3),
    )  # fmt: skip


TASKS = Sinusoids(5, 5).sample(3, np.random.default_rng(0))
IMAGES = Episodes(glyphs.splits().train, 3, 2, 2)


def test_the_numbers_and_names_are_the_modules_own():
    module, x = mlp(), torch.randn(6, 1)
    network = networks.from_module(module)
    params = network.init()
    assert list(params) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert all(torch.equal(params[name], p) for name, p in module.named_parameters())
    assert torch.equal(network.apply(params, x), module(x))
    params["0.weight"].data.zero_()
    assert module[0].weight.any(), "the reader's module is not touched"


def test_a_seed_draws_new_numbers_and_the_same_seed_the_same():
    network = networks.from_module(mlp())
    first, again, other = (network.init(np.random.default_rng(seed))["0.weight"] for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert not torch.equal(first, network.init()["0.weight"])
    before = torch.get_rng_state()
    network.init(np.random.default_rng(2))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("batching", ["vmap", "loop"])
@pytest.mark.parametrize("first_order", [False, True])
def test_it_is_the_course_network_of_the_same_numbers(batching, first_order):
    ours = networks.mlp((1, 8, 1))
    theirs = networks.from_module(mlp().double())
    params = ours.init(np.random.default_rng(0))
    named = {
        "0.weight": params["w0"].T,
        "0.bias": params["b0"],
        "2.weight": params["w1"].T,
        "2.bias": params["b1"],
    }
    how = {"inner_lr": 0.05, "inner_steps": 3, "first_order": first_order, "batching": batching}
    expected = maml.meta_gradient(losses.squared_error(ours), params, tensors(TASKS), **how)
    found = maml.meta_gradient(losses.squared_error(theirs), named, tensors(TASKS), **how)
    for ours_name, name in (("w0", "0.weight"), ("b0", "0.bias"), ("w1", "2.weight"), ("b1", "2.bias")):
        same = found[name].T if "weight" in name else found[name]
        torch.testing.assert_close(same, expected[ours_name], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("batching", ["vmap", "loop"])
def test_batch_normalisation_has_the_right_second_derivative(batching):
    torch.manual_seed(0)
    network = networks.from_module(cnn().double())
    loss, params = losses.cross_entropy(network), network.init()
    tasks = tensors(IMAGES.sample(2, np.random.default_rng(0)), dtype=torch.float64)
    gradient = maml.meta_gradient(loss, params, tasks, inner_lr=0.5, inner_steps=2, batching=batching)
    direction = {name: torch.randn_like(p) for name, p in params.items()}

    def at(step):
        moved = {name: p.detach() + step * direction[name] for name, p in params.items()}
        return float(maml.meta_loss(loss, moved, tasks, inner_lr=0.5, inner_steps=2))

    slope = sum(float((gradient[name].detach() * direction[name]).sum()) for name in params)
    assert slope == pytest.approx((at(1e-6) - at(-1e-6)) / 2e-6, rel=1e-5)


def test_running_statistics_are_kept_out_in_training_and_used_after_eval():
    module, x = cnn(), torch.randn(6, 1, 28, 28)
    network = networks.from_module(module)
    torch.testing.assert_close(network.apply(network.init(), x), module(x))
    fresh = cnn().eval()  # its statistics are of no batch: mean 0, variance 1
    with pytest.raises(ValueError, match=r"get_submodule\('1'\), BatchNorm2d.* has seen no batch"):
        networks.from_module(fresh)
    module.eval()
    frozen = networks.from_module(module)
    torch.testing.assert_close(frozen.apply(frozen.init(), x), module(x))
    alone = torch.cat([frozen.apply(frozen.init(), one[None]) for one in x])
    torch.testing.assert_close(alone, module(x))


def test_buffers_are_constants_in_the_precision_of_the_parameters():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(1, 1)
            self.register_buffer("scale", torch.tensor(3.0))

        def forward(self, x):
            return self.scale * self.layer(x)

    module, x = Scaled(), torch.randn(4, 1)
    network = networks.from_module(module)
    assert set(network.init()) == {"layer.weight", "layer.bias"}
    double = {name: p.double() for name, p in network.init().items()}
    assert network.apply(double, x.double()).dtype == torch.float64
    torch.testing.assert_close(network.apply(network.init(), x), module(x))


def test_a_module_whose_buffers_move_is_refused():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(1, 1)
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x):
            self.calls += 1
            return self.layer(x)

    network = networks.from_module(Counting())
    with pytest.raises(ValueError, match="moves running statistics"):
        network.apply(network.init(), torch.randn(2, 1))
    with pytest.raises(ValueError, match="moves running statistics"):
        maml.meta_gradient(losses.squared_error(network), network.init(), tensors(TASKS), inner_lr=0.1)


def test_dropout_is_refused_in_training_and_taken_after_eval():
    module = nn.Sequential(nn.Linear(1, 8), nn.Dropout(0.5), nn.Linear(8, 1))
    with pytest.raises(ValueError, match=r"layer is Dropout\(p=0.5.*module.get_submodule\('1'\).eval\(\)"):
        networks.from_module(module)
    module[1].eval()
    assert networks.from_module(module).init()


def test_frozen_parameters_keep_their_numbers_and_never_move():
    module = mlp()
    module[0].weight.requires_grad_(False)
    network = networks.from_module(module)
    params = network.init(np.random.default_rng(0))
    assert torch.equal(params["0.weight"], module[0].weight) and not params["0.weight"].requires_grad
    assert not torch.equal(params["2.weight"], module[2].weight) and params["2.weight"].requires_grad
    loss = losses.squared_error(network)
    gradient = maml.meta_gradient(loss, params, tensors(TASKS), inner_lr=0.1)
    assert not gradient["0.weight"].any() and gradient["2.weight"].any()
    done = train(
        methods.MAML(loss, inner_lr=0.1), params, Sinusoids(5, 5), meta_steps=3, meta_batch_size=2,
        capture="eager", progress=False,
    )  # fmt: skip
    assert torch.equal(done.params["0.weight"], module[0].weight)
    assert not done.params["0.weight"].requires_grad and done.params["2.weight"].requires_grad
    again = train(
        methods.MAML(loss, inner_lr=0.1), done.params, Sinusoids(5, 5), meta_steps=3, meta_batch_size=2,
        capture="eager", progress=False,
    )  # fmt: skip
    assert torch.equal(again.params["0.weight"], module[0].weight)
    module.load_state_dict(done.params)
    module.requires_grad_(False)
    with pytest.raises(ValueError, match="all parameters of Sequential are frozen"):
        networks.from_module(module)


@pytest.mark.parametrize("kind", ["MAML", "Reptile with Adam"])
def test_the_learner_does_not_adapt_what_is_frozen(kind):
    module, seen = mlp(), []
    module[0].weight.requires_grad_(False)
    network = networks.from_module(module)
    inner = losses.squared_error(network)

    def loss(params, x, y):
        seen.append(params["0.weight"].detach())
        return inner(params, x, y)

    loss.network = network
    how = {"inner_lr": 0.1, "inner_steps": 3}
    method = methods.MAML(loss, **how) if kind == "MAML" else methods.ReptileAdam(loss, **how, batch_size=2)
    done = train(
        method, network.init(), Sinusoids(5, 5), meta_steps=2, meta_batch_size=2, capture="eager", progress=False
    )
    seen.clear()
    task = Sinusoids(5, 5).sample(1, np.random.default_rng(0))
    learner = done.learner()
    learner(task.support.__class__(*(part[0] for part in task.support)), task.query.x[0])
    learner.many(task.support, task.query.x)
    if kind == "MAML":
        learner.along(task.support, task.query.x)
    assert seen and all(torch.allclose(w.reshape(-1, 8, 1)[0], module[0].weight) for w in seen[:3])
    assert torch.equal(done.params["0.weight"], module[0].weight)


def test_only_a_conv4_has_statistics_to_freeze():
    network = networks.from_module(cnn())
    method = methods.ProtoNet(network, n_way=3)
    with pytest.raises(ValueError, match='take learner\\(queries="alone"\\)'):
        method.learner(network.init(), (), frozen_on=torch.rand(4, 1, 28, 28))


def test_a_layer_that_is_used_twice_adapts_in_both_places():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(1, 1)
            self.second = self.first

        def forward(self, x):
            return self.second(self.first(x))

    module, x = Twice(), torch.randn(5, 1)
    network = networks.from_module(module)
    params = network.init()
    assert set(params) == {"first.weight", "first.bias"}
    moved = {name: p + 1 for name, p in params.items()}
    expected = (x @ moved["first.weight"].T + moved["first.bias"]) @ moved["first.weight"].T + moved["first.bias"]
    torch.testing.assert_close(network.apply(moved, x), expected)
    torch.testing.assert_close(network.apply(params, x), module(x))


def test_other_faults_are_told():
    with pytest.raises(ValueError, match="Flatten has no parameters"):
        networks.from_module(nn.Flatten())
    network = networks.from_module(mlp())
    with pytest.raises(ValueError, match="'0.weight'"):
        network.apply({}, torch.zeros(1, 1))
    with pytest.raises(ValueError, match=r"params\['0.weight'\] has shape"):
        network.apply(network.init() | {"0.weight": torch.zeros(2, 2)}, torch.zeros(1, 1))

    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.zeros(1))

        def forward(self, x):
            return x * self.w

    bare = networks.from_module(Bare())
    assert bare.init()["w"] == 0
    with pytest.raises(ValueError, match="no reset_parameters"):
        bare.init(np.random.default_rng(0))


def test_a_cnn_with_batch_norm_is_trained_and_judged():
    torch.manual_seed(0)
    network = networks.from_module(cnn())
    method = methods.MAML(losses.cross_entropy(network), inner_lr=0.1)
    done = train(method, network.init(), IMAGES, meta_steps=3, meta_batch_size=2, capture="eager", progress=False)
    found = evaluate(done.learner(queries="alone"), IMAGES, n_tasks=4, rng=np.random.default_rng(0))
    assert 0 <= found.mean <= 1 and not found.transductive
