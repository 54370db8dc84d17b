"""A recorded step is the step itself, to the last bit; what cannot be recorded is refused in words."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mlcourse import methods, training
from mlcourse.fast import capture, losses, maml, networks
from mlcourse.fast.arrays import leaves, tensors
from mlcourse.fast.record import Recorded
from mlcourse.tasks import Episodes, Sinusoids, glyphs

MLP, CONV = networks.mlp((1, 8, 1)), networks.conv4(None, channels=3)
SCORES = networks.conv4(5, channels=3)
SQUARES = losses.squared_error(MLP)
SINES, LETTERS = Sinusoids(5, 5), Episodes(glyphs.splits().train, k_shot=2, n_query=1)
HOW = {"inner_lr": 0.02}
METHODS = {  # name: (method, network, family)
    "MAML, 1 step": (methods.MAML(SQUARES, **HOW), MLP, SINES),
    "MAML, 5 steps": (methods.MAML(SQUARES, **HOW, inner_steps=5), MLP, SINES),
    "first order": (methods.MAML(SQUARES, **HOW, inner_steps=2, first_order=True), MLP, SINES),
    "Reptile": (methods.Reptile(SQUARES, **HOW, inner_steps=3, meta_lr=0.5), MLP, SINES),
    "Reptile with Adam": (methods.ReptileAdam(SQUARES, **HOW, inner_steps=2, batch_size=3), MLP, SINES),
    "pooled": (methods.Pooled(SQUARES), MLP, SINES),
    "protonet": (methods.ProtoNet(CONV, n_way=5, halvings=1), CONV, LETTERS),
    "MAML on images": (methods.MAML(losses.cross_entropy(SCORES), inner_lr=0.1), SCORES, LETTERS),
}


def drawn(name, dtype=torch.float64, n_tasks=2):
    """A method, where it begins, and tasks for three steps."""
    method, network, family = METHODS[name]
    rng = np.random.default_rng(0)
    params = method.start(tensors(network.init(rng), dtype=dtype))
    return method, params, [tensors(family.sample(n_tasks, rng), dtype=dtype) for _ in range(3)]


def assert_same_bits(ours, theirs):
    assert all(torch.equal(one, other) for one, other in zip(leaves(ours), leaves(theirs), strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", METHODS)
def test_recorded_is_eager_to_the_last_bit(name, dtype):
    """Three steps in a row: parameters, moments, tasks and rates all move on from what was recorded."""
    method, params, batches = drawn(name, dtype)
    state, recorded = method.init(params), Recorded(method.step)
    for number, tasks in enumerate(batches):
        done = torch.tensor(number / 3, dtype=torch.float64)
        theirs = method.step(params, state, tasks, done)
        assert_same_bits(recorded(params, state, tasks, done), theirs)
        params, state, _ = theirs
    assert recorded.arguments is not None and not torch.equal(params["w0"], drawn(name, dtype)[1]["w0"])


def test_a_recording_asks_python_for_less():
    """Views of views and repetitions are gone: it is shorter than what the step asks of torch."""
    from torch.fx.experimental.proxy_tensor import make_fx

    method, params, (tasks, *_) = drawn("MAML, 5 steps")
    recorded = Recorded(lambda params: method.step(params, method.init(params), tasks, torch.zeros(()))[0])
    recorded.record((params,))
    asked = make_fx(lambda *p: recorded.step(dict(zip(params, p, strict=True))))(*params.values())
    assert len(recorded.module.graph.nodes) < 0.8 * len(asked.graph.nodes)


@settings(max_examples=25, deadline=None)
@given(
    shape=st.lists(st.integers(1, 3), min_size=2, max_size=3),
    turns=st.lists(st.sampled_from(["flat", "back", "turn", "wide", "add"]), max_size=6),
)
def test_any_chain_of_views_is_kept(shape, turns):
    def chain(x):
        start = x
        for turn in turns:
            x = {
                "flat": lambda x: x.reshape(-1),
                "back": lambda x: x.reshape(start.shape),
                "turn": lambda x: x.transpose(0, -1),
                "wide": lambda x: x.expand(x.shape),
                "add": lambda x: x + 1,
            }[turn](x)
        return x, x @ x.reshape(-1, 1) if x.ndim == 1 else x * 2

    x = torch.arange(float(np.prod(shape))).reshape(shape)
    recorded = Recorded(chain)
    recorded(x)
    assert_same_bits(recorded(-x), chain(-x))


def test_arguments_are_known_by_name_and_shape():
    recorded = Recorded(lambda p, q: {"sum": p["a"] + q, "least": p["b"]})
    a, b = torch.ones(2), torch.zeros(2)
    recorded({"a": a, "b": b}, a)
    assert recorded({"b": b, "a": 2 * a}, a)["sum"].tolist() == [3, 3]
    with pytest.raises(
        ValueError, match=r"recorded for torch.float32 of shape \(2,\) and is now .* \(3,\); capture"
    ):
        recorded({"a": a, "b": b}, torch.ones(3))
    with pytest.raises(ValueError, match=r"is now given torch.float64 of shape \(2,\)"):
        recorded({"a": a, "b": b}, a.double())


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (lambda x: x * float(x.sum()), "cannot be recorded: .*value"),
        (lambda x: x if x.sum() > 0 else -x, "cannot be recorded: "),
        (lambda x: x + torch.rand(2), "cannot be recorded: aten.rand.* draws random numbers"),
        (lambda x: x.mul_(2), "cannot be recorded: it writes over what it is given"),
    ],
)
def test_what_cannot_be_recorded_is_refused_in_words(step, told):
    with pytest.raises(ValueError, match=told + '.*; take capture="eager"'):
        Recorded(step)(torch.ones(2))


def test_a_step_may_write_over_what_is_its_own():
    def step(x):
        y = x + 1
        before = y * 2
        y.add_(1)
        return before, y * 2

    recorded = Recorded(step)
    recorded(torch.ones(2))
    assert [part.tolist() for part in recorded(torch.zeros(2))] == [[2, 2], [4, 4]]


def test_labels_are_looked_at_before_and_not_while_recording():
    network = networks.mlp((2, 4, 3))
    loss, rng = losses.cross_entropy(network), np.random.default_rng(0)
    params = tensors(network.init(rng))
    x, y = torch.randn(2, 6, 2, dtype=torch.float64), torch.arange(6).expand(2, 6) % 3
    tasks = ((x, y), (x, y))

    def gradient(params, tasks):
        return maml.meta_gradient(loss, params, tasks, inner_lr=0.1)

    recorded = Recorded(gradient)
    assert_same_bits(recorded(params, tasks), gradient(params, tasks))
    with pytest.raises(ValueError, match="label"):
        gradient(params, ((x, y + 1), (x, y)))


@pytest.mark.parametrize("name", ["MAML, 5 steps", "first order", "Reptile", "Reptile with Adam"])
def test_frozen_parameters_stay_in_a_recorded_training(name):
    method, network, family = METHODS[name]
    params = tensors(network.init(np.random.default_rng(0)))
    params = {key: p.requires_grad_(key != "w0") for key, p in params.items()}
    how = {"meta_steps": 4, "meta_batch_size": 2, "progress": False, "device": "cpu", "dtype": torch.float64}
    eager, traced = (training.train(method, params, family, capture=way, **how) for way in ("eager", "trace"))
    assert_same_bits((traced.params, traced.state), (eager.params, eager.state))
    assert [key for key in params if torch.equal(traced.params[key], params[key])] == ["w0"]


@pytest.mark.skipif(capture.cpp_compiler() is None, reason="needs a C++ compiler")
def test_compiled_is_eager_to_rounding_and_keeps_to_shapes():
    method, params, (tasks, other, _) = drawn("MAML, 1 step")
    state, done = method.init(params), torch.zeros((), dtype=torch.float64)
    compiled = Recorded(method.step, compiled=True)
    compiled(params, state, tasks, done)
    for ours, theirs in zip(
        leaves(compiled(params, state, other, done)), leaves(method.step(params, state, other, done)), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-10)
    with pytest.raises(ValueError, match="capture it anew"):
        compiled(params, state, drawn("MAML, 1 step", n_tasks=3)[2][0], done)
