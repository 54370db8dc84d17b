"""higher's shape gives what higher gives, and says a word where higher is silent."""

import copy
import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mlcourse.adapters import higher
from mlcourse.experiments.bench.agreement import require_higher

OPTIMISERS = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.1),
    "SGD, all of it": lambda p: torch.optim.SGD(
        p, lr=0.1, momentum=0.9, dampening=0, nesterov=True, weight_decay=0.1
    ),
    # they place epsilon differently: higher before the bias is corrected, torch and we after
    "Adam": lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1, eps=1e-16),
}


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1)).double()


@pytest.fixture
def data():
    torch.manual_seed(1)
    return torch.randn(6, 3, dtype=torch.float64), torch.randn(6, 1, dtype=torch.float64)


def meta_gradient(library, model, opt, data, steps=3, **settings):
    x, y = data
    model.zero_grad()
    with library.innerloop_ctx(model, opt, copy_initial_weights=False, **settings) as (fmodel, diffopt):
        for _ in range(steps):
            diffopt.step(F.mse_loss(fmodel(x), y))
        F.mse_loss(fmodel(x.flip(0)), y).backward()
    return [p.grad.clone() for p in model.parameters()]


@pytest.mark.parametrize("name", OPTIMISERS)
def test_meta_gradients_are_those_of_higher(name, model, data):
    opt = OPTIMISERS[name](model.parameters())
    F.mse_loss(model(data[0]), data[1]).backward()
    opt.step()  # so that the optimiser has a state to begin with
    opt.step()
    if name == "Adam":  # higher 0.2.1 counts in Python's numbers, today's torch in tensors
        for state in opt.state.values():
            state["step"] = int(state["step"])
    ours, theirs = (meta_gradient(library, model, opt, data) for library in (higher, require_higher()))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_steps_are_those_of_the_optimiser(name, model, data):
    opt, x, y = OPTIMISERS[name](model.parameters()), *data
    with higher.innerloop_ctx(model, opt, copy_initial_weights=True) as (fmodel, diffopt):
        for _ in range(4):
            diffopt.step(F.mse_loss(fmodel(x), y))
    for _ in range(4):
        opt.zero_grad()
        F.mse_loss(model(x), y).backward()
        opt.step()
    for one, other in zip(fmodel.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)


def test_adam_stays_finite_where_a_unit_is_dead(model, data):
    with torch.no_grad():
        model[0].bias[0] = -100.0
    gradients = meta_gradient(higher, model, torch.optim.Adam(model.parameters(), lr=0.01), data)
    assert all(torch.isfinite(g).all() for g in gradients)


def test_the_snippet_that_people_paste_with_its_mistake_mended():
    """One Adam for both loops, four tasks, three steps; the copy is the mistake."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 1))
    opt, before = torch.optim.Adam(model.parameters(), lr=1e-3), None
    for copies, trained in ((True, False), (False, True)):
        before = copy.deepcopy(model)
        opt.zero_grad()
        for _ in range(4):
            x, y = torch.randn(2, 8, 10), torch.randn(2, 8, 1)
            with higher.innerloop_ctx(model, opt, copy_initial_weights=copies) as (fmodel, diffopt):
                for _ in range(3):
                    diffopt.step(F.mse_loss(fmodel(x[0]), y[0]))
                F.mse_loss(fmodel(x[1]), y[1]).backward()
        opt.step()
        moved = [
            not torch.equal(old, new) for old, new in zip(before.parameters(), model.parameters(), strict=True)
        ]
        assert moved == [trained] * 4


def test_a_copy_by_default_says_what_it_costs(model):
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.warns(UserWarning, match="copy_initial_weights=False to train its start") as caught:
        with higher.innerloop_ctx(model, opt):
            pass
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with higher.innerloop_ctx(model, opt, copy_initial_weights=True):
            pass


def test_history(model, data):
    opt, (x, y) = torch.optim.SGD(model.parameters(), lr=0.1), data
    with higher.innerloop_ctx(model, opt, copy_initial_weights=True) as (fmodel, diffopt):
        after = diffopt.step(F.mse_loss(fmodel(x), y))
    assert [torch.equal(a, b) for a, b in zip(fmodel.parameters(time=0), model.parameters(), strict=True)]
    assert all(a is b for a, b in zip(fmodel.parameters(time=1), after, strict=True))
    assert fmodel.init_fast_params[0].requires_grad
    with higher.innerloop_ctx(model, opt, copy_initial_weights=True, track_higher_grads=False) as (
        fmodel,
        diffopt,
    ):
        diffopt.step(F.mse_loss(fmodel(x), y))
        assert all(p.is_leaf for p in fmodel.parameters(time=0))
        with pytest.raises(ValueError, match="only the last weights are kept"):
            fmodel.parameters(time=1)


def test_settings_can_be_overridden_and_learned(model, data):
    lr = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    opt = torch.optim.SGD(model.parameters(), lr=99.0)
    overridden = meta_gradient(higher, model, opt, data, override={"lr": [lr]})
    assert lr.grad is not None and lr.grad != 0
    plain = meta_gradient(higher, model, torch.optim.SGD(model.parameters(), lr=0.1), data)
    for one, other in zip(overridden, plain, strict=True):
        torch.testing.assert_close(one, other)


def test_weights_can_be_given(model, data):
    fmodel, twice = higher.monkeypatch(model), [2 * p.detach() for p in model.parameters()]
    out = fmodel(data[0], params=twice)
    assert fmodel.fast_params[0] is twice[0] and not torch.equal(out, model(data[0]))
    fmodel.fast_params = list(model.parameters())
    assert torch.equal(fmodel(data[0]), model(data[0]))
    with pytest.raises(ValueError, match="3 tensors for 4 parameters"):
        fmodel(data[0], params=twice[:3])


def test_each_group_has_its_own_settings(model, data):
    groups = [{"params": model[0].parameters(), "lr": 0.1}, {"params": model[2].parameters(), "lr": 0.01}]
    opt = torch.optim.SGD(groups, momentum=0.9)
    ours, theirs = (
        meta_gradient(library, model, opt, data, override={"momentum": [0.5, 0.7]})
        for library in (higher, require_higher())
    )
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_only_what_the_optimiser_holds_moves(model, data):
    opt, (x, y) = torch.optim.SGD(model[2].parameters(), lr=0.1), data
    with higher.innerloop_ctx(model, opt, copy_initial_weights=False) as (fmodel, diffopt):
        diffopt.step(F.mse_loss(fmodel(x), y), grad_callback=lambda slopes: [2 * g for g in slopes])
    moved = [not torch.equal(a, b) for a, b in zip(fmodel.parameters(), model.parameters(), strict=True)]
    assert moved == [False, False, True, True]


def test_what_higher_takes_in_silence_is_refused(model, data):
    opt, (x, y) = torch.optim.SGD(model.parameters(), lr=0.1), data
    with higher.innerloop_ctx(model, opt, copy_initial_weights=False) as (fmodel, diffopt):
        with pytest.raises(ValueError, match="loss does not depend on the adapted weights"):
            diffopt.step(F.mse_loss(model(x), y))
        with pytest.raises(ValueError, match=r"loss has shape \(6, 1\)"):
            diffopt.step(fmodel(x))
        with pytest.raises(ValueError, match="override has 'rate'"):
            diffopt.step(F.mse_loss(fmodel(x), y), override={"rate": [1]})
        with pytest.raises(TypeError):
            diffopt.step(F.mse_loss(fmodel(x), y), closure=None)
    for wrong, words in [
        (torch.optim.RMSprop(model.parameters()), "opt is RMSprop; give one of torch.optim's SGD, Adam"),
        (torch.optim.Adam(model.parameters(), amsgrad=True), "opt has amsgrad=True"),
        (torch.optim.SGD(model.parameters(), lr=0.1, maximize=True), "opt has maximize=True"),
        (torch.optim.Adam(model.parameters(), decoupled_weight_decay=True), "opt has decoupled_weight_decay=True"),
        (torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1), "parameters that are not the model's"),
    ]:
        with pytest.raises(ValueError, match=words), higher.innerloop_ctx(model, wrong, copy_initial_weights=True):
            pass
    with pytest.raises(ValueError, match="model.to"):
        higher.patch.monkeypatch(model, device="cuda")
