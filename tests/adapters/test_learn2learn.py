"""learn2learn's shape gives the course's meta-gradients, and says a word where learn2learn is silent."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mlcourse.adapters import learn2learn as l2l
from mlcourse.errors import DataError
from mlcourse.experiments.bench import dialects
from mlcourse.fast import losses, maml, networks
from mlcourse.fast.arrays import tensors
from mlcourse.tasks import Sinusoids, each, omniglot, store

SIZES = dialects.SIZES


@pytest.fixture
def work():
    rng = np.random.default_rng(0)
    tasks, params = Sinusoids(5, 5).sample(3, rng), networks.mlp(SIZES).init(rng)
    return tensors(params, dtype=torch.float64), tensors(tasks, dtype=torch.float64)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


@pytest.mark.parametrize("first_order", [False, True])
def test_the_meta_gradient_is_that_of_the_course(work, first_order):
    params, tasks = work
    wanted = maml.meta_gradient(
        losses.squared_error(networks.mlp(SIZES)),
        params, tasks, inner_lr=0.01, inner_steps=3, first_order=first_order,
    )  # fmt: skip
    model = dialects.module(params)
    learner_of = l2l.MAML(model, lr=0.01, first_order=first_order)
    for support, query in each(tasks):
        learner = learner_of.clone()
        for _ in range(3):
            learner.adapt(F.mse_loss(learner(support.x), support.y))
        (F.mse_loss(learner(query.x), query.y) / 3).backward()
    for name, slope in dialects.slopes_of(model).items():
        torch.testing.assert_close(slope, wanted[name], rtol=1e-10, atol=1e-12)


def test_the_snippet_that_people_paste_with_its_mistakes_mended():
    """Two images of a class are asked for, a loss is computed, and the query set is the other image."""
    torch.manual_seed(0)
    tasksets = l2l.vision.benchmarks.get_tasksets("glyphs", train_ways=5, train_samples=2)
    maml_ = l2l.algorithms.MAML(l2l.vision.models.OmniglotCNN(output_size=5), lr=0.01)
    opt = torch.optim.Adam(maml_.parameters(), lr=1e-3)
    data, labels = tasksets.train.sample()
    learner = maml_.clone()
    learner.adapt(F.cross_entropy(learner(data[0::2]), labels[0::2]))
    opt.zero_grad()
    F.cross_entropy(learner(data[1::2]), labels[1::2]).backward()
    before = [p.clone() for p in maml_.parameters()]
    opt.step()
    assert data.shape == (10, 1, 28, 28) and labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert all(not torch.equal(old, new) for old, new in zip(before, maml_.parameters(), strict=True))


def test_a_clone_moves_no_running_statistics_of_the_model():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    l2l.MAML(model, lr=0.1).clone()(torch.randn(6, 3))
    assert not model[1].running_mean.any() and int(model[1].num_batches_tracked) == 0
    model.eval()
    with pytest.raises(ValueError, match="track_running_stats=False"):
        l2l.MAML(model, lr=0.1)(torch.randn(6, 3))


def test_a_clone_of_a_clone_starts_where_that_is(model):
    x = torch.randn(6, 3)
    learner = l2l.MAML(model, lr=0.1).clone()
    learner.adapt(learner(x).square().mean())
    nested = learner.clone()
    assert torch.equal(nested(x), learner(x)) and torch.equal(learner.module(x), learner(x))
    nested.adapt(nested(x).square().mean())
    assert not torch.equal(nested(x), learner(x))
    nested(x).sum().backward()
    assert model[0].weight.grad.any()


def test_a_rate_can_be_learned(model):
    lr, x = torch.tensor(0.1, requires_grad=True), torch.randn(6, 3)
    learner = l2l.MAML(model, lr=lr).clone()
    learner.adapt(learner(x).square().mean())
    learner(x).square().mean().backward()
    assert lr.grad < 0


def test_dropout_is_welcome_and_its_gradient_that_of_what_was_drawn(model):
    model.append(nn.Dropout(0.5))
    learner, x = l2l.MAML(model, lr=0.1).clone(), torch.randn(6, 3)
    learner.adapt(learner(x).square().mean())
    torch.manual_seed(1)
    learner(x).sum().backward()
    assert torch.isfinite(model[0].weight.grad).all() and model[0].weight.grad.any()


def test_what_is_no_loss_of_the_clone_is_refused(model):
    maml_, x = l2l.MAML(model, lr=0.1), torch.randn(6, 3)
    learner = maml_.clone()
    with pytest.raises(ValueError, match=r"loss has shape \(6, 2\); give one number"):
        learner.adapt(learner(x))
    with pytest.raises(ValueError, match="loss does not depend on the adapted weights"):
        learner.adapt(model(x).sum())
    with pytest.raises(ValueError, match="under torch.no_grad"), torch.no_grad():
        learner.adapt(learner(x).sum())
    with pytest.raises(ValueError, match="learner = maml.clone()"):
        maml_.adapt(maml_(x).sum())
    with pytest.raises(ValueError, match="lr is nan"):
        l2l.MAML(model, lr=float("nan"))


def test_what_does_not_adapt_must_be_allowed(model):
    x = torch.randn(6, 3)
    model.register_parameter("spare", nn.Parameter(torch.ones(1)))
    learner = l2l.MAML(model, lr=0.1).clone()
    with pytest.raises(ValueError, match="loss does not use spare; allow_unused=True"):
        learner.adapt(learner(x).sum())
    learner.adapt(learner(x).sum(), allow_unused=True)
    model.spare.requires_grad_(False)
    learner = l2l.MAML(model, lr=0.1).clone()
    with pytest.raises(ValueError, match="spare: requires_grad=False; allow_nograd=True"):
        learner.adapt(learner(x).sum())
    learner.adapt(learner(x).sum(), allow_nograd=True)
    assert float(learner.spare) == 1


def test_task_sets_are_the_courses_tasks():
    sets = l2l.get_tasksets("glyphs", 3, 4, 2, 1, seed=5)
    data, labels = sets.train.sample()
    assert data.shape == (12, 1, 28, 28) and labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert sets.test.sample()[1].tolist() == [0, 1]
    assert 0 <= float(data.min()) and float(data.max()) <= 1
    again = l2l.get_tasksets("glyphs", 3, 4, 2, 1, seed=5).train.sample()[0]
    assert torch.equal(again, data) and not torch.equal(sets.train.sample()[0], data)
    assert not hasattr(sets, "sample")


def test_task_sets_that_cannot_be_had_say_so(monkeypatch):
    monkeypatch.setattr(store, "locate", lambda data: None)
    with pytest.raises(DataError, match=r"data fetch omniglot.*get_tasksets\('glyphs'"):
        l2l.get_tasksets("omniglot")
    for wrong, words in {"num_tasks": "leave it at -1", "root": "leave root out"}.items():
        with pytest.raises(ValueError, match=words):
            l2l.get_tasksets("glyphs", **{wrong: 7})
    with pytest.raises(ValueError, match="mini-imagenet"):
        l2l.get_tasksets("mini-imagenet")


@pytest.mark.skipif(store.locate(omniglot.SOURCE) is None, reason="Omniglot is not on this machine")
def test_task_sets_of_omniglot():
    assert l2l.get_tasksets("omniglot", train_samples=2).train.sample()[0].shape == (10, 1, 28, 28)
