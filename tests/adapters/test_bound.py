"""A module bound to other weights computes with those, everywhere, and never moves itself."""

import copy

import pytest
import torch
from torch import nn

from mlcourse.adapters.bound import Bound, cloned


class Twice(nn.Module):
    """One layer registered twice, and one weight shared by two layers."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.again = self.first
        self.other = nn.Linear(3, 3)
        self.other.weight = self.first.weight

    def forward(self, x):
        return self.again(self.first(x)) + self.other(x)


def doubled(module):
    """The module with all its weights doubled, bound and as a real copy."""
    bound, real = Bound(module, cloned(module)), copy.deepcopy(module)
    bound._replace([2 * p for p in bound.parameters()])
    with torch.no_grad():
        for p in real.parameters():
            p.mul_(2)
    return bound, real


@pytest.mark.parametrize(
    "module", [nn.Linear(3, 3), Twice(), nn.GRU(3, 3), nn.LSTMCell(3, 3), nn.BatchNorm1d(3)], ids=lambda m: type(m)
)
def test_it_computes_with_its_weights_and_leaves_the_module_alone(module):
    x = torch.randn(4, 3)
    before = {name: t.clone() for name, t in module.state_dict().items()}
    bound, real = doubled(module)
    for _ in range(2):
        for ours, theirs in zip(flat(bound(x)), flat(real(x)), strict=True):
            assert torch.equal(ours, theirs)
    assert all(torch.equal(t, before[name]) for name, t in module.state_dict().items())


def flat(out):
    return [part for one in out for part in flat(one)] if isinstance(out, tuple) else [out]


def test_shared_weights_are_one_parameter_and_move_together():
    module = Twice()
    bound, real = doubled(module)
    assert [p.shape for p in bound.parameters()] == [p.shape for p in module.parameters()]
    assert bound.first.weight is bound.other.weight is bound.again.weight
    assert torch.equal(bound.first.weight, real.first.weight)


def test_a_sub_module_is_bound_too():
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    holder = nn.Module()
    holder.body = model
    holder.forward = lambda x: holder.body(x)
    bound, real = doubled(holder)
    x = torch.randn(2, 3)
    assert torch.equal(bound.body(x), real.body(x))


def test_running_statistics_stay_with_the_copy_even_when_a_forward_replaces_them():
    class Counts(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x):
            self.calls = self.calls + 1
            return x * self.calls

    module = Counts()
    one, other = Bound(module, cloned(module)), Bound(module, cloned(module))
    assert [float(one(torch.ones(()))) for _ in range(3)] == [1, 2, 3]
    assert float(other(torch.ones(()))) == 1 and float(module.calls) == 0


def test_what_would_use_the_modules_own_weights_is_refused():
    bound = Bound(module := nn.Linear(3, 3), cloned(module))
    for name in ("state_dict", "eval", "zero_grad"):
        with pytest.raises(AttributeError, match="call the adapted model itself"):
            getattr(bound, name)
    with pytest.raises(AttributeError, match="cannot be set here"):
        bound.weight = torch.zeros(3, 3)
    assert bound.in_features == 3


def test_it_can_be_copied():
    bound = Bound(module := nn.Linear(3, 3), cloned(module))
    assert isinstance(copy.copy(bound), Bound)


def test_statistics_that_never_moved_are_refused_in_eval_mode():
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    x = torch.randn(5, 3)
    Bound(model, cloned(model))(x)
    model.eval()
    with pytest.raises(ValueError, match="1 is in eval mode, and its running statistics are still 0 and 1"):
        Bound(model, cloned(model))(x)
    model.train()
    model(x)
    model.eval()
    assert torch.equal(Bound(model, cloned(model))(x), model(x))


def test_new_weights_must_fit():
    bound = Bound(module := nn.Linear(3, 2), cloned(module))
    with pytest.raises(ValueError, match="1 tensors for 2 parameters"):
        bound._replace([torch.zeros(2, 3)])
    with pytest.raises(ValueError, match=r"weight has shape \(2, 3\); what replaces it, \(3, 2\)"):
        bound._replace([torch.zeros(3, 2), torch.zeros(2)])
