"""Tasks of unequal size: padding, however much, wherever it stands and whatever it holds, changes nothing.

The truth beside every ragged number is the same number of each task by itself, without its padding.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mlcourse import baselines, metrics
from mlcourse.arguments import require_classes, require_examples, require_labels, require_tasks
from mlcourse.evaluation import adaptation_curve, adaptation_speed, evaluate, time_to_deploy
from mlcourse.fast import adam as fast_adam
from mlcourse.fast import learners as fast_learners
from mlcourse.fast import losses as fast_losses
from mlcourse.fast import maml as fast_maml
from mlcourse.fast import matching as fast_matching
from mlcourse.fast import metric as fast_metric
from mlcourse.fast import networks as fast_networks
from mlcourse.fast import protonet as fast_protonet
from mlcourse.fast import reptile as fast_reptile
from mlcourse.fast.arrays import arrays, tensors
from mlcourse.fast.capture import capture, compiler_works
from mlcourse.reference import (
    adam,
    autograd,
    learners,
    losses,
    maml,
    matching,
    metric,
    networks,
    protonet,
    reptile,
)
from mlcourse.tasks import Examples, Ragged, Task, each, one, pad, real, stack

N_WAY = 3
FILLS = (0.0, 7.5, -1e300, np.nan, np.inf)
ODD_LABELS = (0, -7, 99)


def points(labels, rng):
    return rng.normal(size=(len(labels), 2)) + np.asarray(labels)[:, None]


def classes(sizes, rng):
    """One task of points in three classes; sizes: support examples beside one of each class, and queries."""
    s, q = sizes
    support_y = rng.permutation(np.r_[np.arange(N_WAY), rng.integers(0, N_WAY, s)])
    query_y = rng.integers(0, N_WAY, q)
    return Task(Examples(points(support_y, rng), support_y), Examples(points(query_y, rng), query_y))


def curves(sizes, rng):
    """One task of regression from two features to one output."""
    task = classes(sizes, rng)
    return Task(*(Examples(part.x, np.sin(part.x.sum(axis=1, keepdims=True))) for part in task))


def scattered(part, size, fill, rng):
    """One task's examples among padding, in their order: Ragged of `size` examples."""
    mask = np.zeros(size, dtype=bool)
    mask[rng.choice(size, len(part.x), replace=False)] = True
    x, label = np.full((size, *part.x.shape[1:]), fill), ODD_LABELS[int(rng.integers(3))]
    y = np.full((size, *part.y.shape[1:]), label if part.y.dtype.kind == "i" else fill, dtype=part.y.dtype)
    x[mask], y[mask] = part.x, part.y
    return Ragged(x, y, mask)


def ragged(tasks, fills, more, rng):
    """The batch of `tasks`, padded: each set up to the largest and `more`; each task has its own fill."""
    parts = []
    for several in zip(*tasks, strict=True):
        size = max(len(part.x) for part in several) + more
        rows = [scattered(part, size, fill, rng) for part, fill in zip(several, fills, strict=True)]
        parts.append(Ragged(*(np.stack(array) for array in zip(*rows, strict=True))))
    return Task(*parts)


@st.composite
def batches(draw, make=None):
    """Some single tasks, and the same as one ragged batch."""
    make = make or draw(st.sampled_from([classes, curves]))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    sizes = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), min_size=1, max_size=4))
    tasks = [make(size, rng) for size in sizes]
    fills = draw(st.lists(st.sampled_from(FILLS), min_size=len(tasks), max_size=len(tasks)))
    return tasks, ragged(tasks, fills, draw(st.integers(0, 3)), rng)


def kind(tasks):
    """The networks and losses for these tasks: reference network and loss, fast network and loss, params."""
    if tasks[0].query.y.dtype.kind == "i":
        ours, theirs = networks.mlp((2, 8, N_WAY)), fast_networks.mlp((2, 8, N_WAY))
        both = losses.cross_entropy(ours), fast_losses.cross_entropy(theirs)
    else:
        ours, theirs = networks.mlp((2, 8, 1)), fast_networks.mlp((2, 8, 1))
        both = losses.squared_error(ours), fast_losses.squared_error(theirs)
    return ours, both[0], theirs, both[1], ours.init(np.random.default_rng(0))


def near(found, expected, rtol=1e-10):
    """Dicts of arrays, or arrays, agree, measured against the largest entry of each."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name in expected:
            near(found[name], expected[name], rtol)
        return
    found, expected = (np.asarray(arrays(a)) for a in (found, expected))
    assert found.shape == expected.shape
    scale = np.abs(expected).max() if np.isfinite(expected).all() else 0
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=max(rtol * scale, 1e-14))


def mean_of(results):
    """Mean over tasks of numbers, or of dicts of arrays."""
    if isinstance(results[0], dict):
        return {name: np.mean([r[name] for r in results], axis=0) for name in results[0]}
    return np.mean(results)


def alone(task):
    """One task as a batch of its own."""
    return stack([task])


quick = settings(max_examples=25, deadline=None)


# --- the containers ----------------------------------------------------------------------------------------


@given(batches())
def test_pad_and_real_undo_each_other(case):
    tasks, batch = case
    for padded in (pad(tasks), batch, stack(list(each(batch)))):
        assert all(isinstance(part, Ragged) for part in padded)
        for index, task in enumerate(tasks):
            for part, before in zip(one(padded, index), task, strict=True):
                assert isinstance(part, Ragged)
                np.testing.assert_array_equal(real(part).x, before.x)
                np.testing.assert_array_equal(real(part).y, before.y)


def test_pad_fills_with_zeros_behind_the_real_examples():
    rng = np.random.default_rng(0)
    padded = pad([classes((0, 1), rng), classes((2, 3), rng)])
    assert padded.support.mask.tolist() == [[True] * 3 + [False] * 2, [True] * 5]
    assert not padded.support.x[0, 3:].any() and not padded.query.y[0, 1:].any()
    assert padded.query.y.dtype == np.int64 and padded.query.mask.dtype == bool


def test_padded_tasks_can_be_padded_again():
    rng = np.random.default_rng(0)
    tasks = [classes((0, 1), rng), classes((2, 3), rng)]
    for part, again in zip(pad(tasks), pad(list(each(pad(tasks)))), strict=True):
        for array, other in zip(part, again, strict=True):
            np.testing.assert_array_equal(array, other)


def test_what_cannot_be_padded_is_refused():
    rng = np.random.default_rng(0)
    labels, numbers = classes((1, 1), rng), curves((1, 1), rng)
    with pytest.raises(ValueError, match="tasks is empty"):
        pad([])
    with pytest.raises(ValueError, match=r"support.y is shape .* and shape .*; tasks may differ in size alone"):
        pad([labels, numbers])
    with pytest.raises(ValueError, match=r"tasks\[1\].support is 'x'; give Examples"):
        pad([labels, Task("x", labels.query)])
    with pytest.raises(ValueError, match="some of the tasks have a mask in their support set"):
        stack([labels, one(pad([labels]), 0)])
    with pytest.raises(ValueError, match=r"mask has shape \(1, 4\); give one task"):
        real(pad([labels]).support)


def test_real_takes_either_librarys_arrays():
    task = one(pad([classes((0, 2), np.random.default_rng(0)), classes((2, 2), np.random.default_rng(1))]), 0)
    found = real(tensors(task.support))
    assert isinstance(found, Examples) and isinstance(found.x, torch.Tensor)
    np.testing.assert_array_equal(arrays(found.x), real(task.support).x)


# --- losses and gradients ----------------------------------------------------------------------------------


@quick
@given(batches())
def test_a_loss_and_its_gradient_are_of_the_real_examples(case):
    tasks, batch = case
    _, ours, _, theirs, params = kind(tasks)
    for task, padded in zip(tasks, each(batch), strict=True):
        for part, among in zip(task, padded, strict=True):
            value, slope = autograd.value_and_grad(ours)(params, *part)
            again, slope_again = autograd.value_and_grad(ours)(params, *among)
            assert again == value and all(np.array_equal(slope[n], slope_again[n]) for n in slope)
            slope_fast, value_fast = torch.func.grad_and_value(theirs)(tensors(params), *tensors(among))
            near(value_fast, value)
            near(slope_fast, slope)


def test_without_a_mask_losses_are_what_they_were_to_the_bit():
    tasks = [curves((3, 5), np.random.default_rng(0))]
    _, _, network, loss, params = kind(tasks)
    params, (x, y) = tensors(params), tensors(tasks[0].query)
    assert torch.equal(loss(params, x, y), ((network.apply(params, x) - y) ** 2).mean())
    tasks = [classes((3, 5), np.random.default_rng(0))]
    _, _, network, loss, params = kind(tasks)
    params, (x, y) = tensors(params), tensors(tasks[0].query)
    scores = torch.log_softmax(network.apply(params, x), dim=-1)
    assert torch.equal(loss(params, x, y), -scores.gather(1, y[:, None]).mean())


def test_a_network_that_has_no_number_for_zeros_keeps_its_gradient():
    """Padding is filled with copies of a real example, where this one's derivative is finite."""

    def apply(params, x):
        return x / torch.sqrt((x**2).sum(dim=1, keepdim=True)) * params["w"]

    task = one(pad([curves((0, 1), np.random.default_rng(0)), curves((3, 1), np.random.default_rng(1))]), 0)
    examples = tensors(Ragged(task.support.x, task.support.x, task.support.mask))
    network = fast_networks.Network(None, apply)
    slope = torch.func.grad(fast_losses.squared_error(network))({"w": torch.ones(2).double()}, *examples)
    assert torch.isfinite(slope["w"]).all()


# --- adaptation --------------------------------------------------------------------------------------------

STEPS = st.sampled_from([0, 1, 5])


@quick
@given(batches(), STEPS, st.booleans(), st.sampled_from(["vmap", "loop"]))
def test_the_meta_gradient_is_the_mean_of_each_task_alone(case, inner_steps, first_order, batching):
    tasks, batch = case
    _, ours, _, theirs, params = kind(tasks)
    how = {"inner_lr": 0.05, "inner_steps": inner_steps, "first_order": first_order}
    each_alone = [maml.meta_loss_and_gradient(ours, params, alone(task), **how) for task in tasks]
    value, gradient = (mean_of(parts) for parts in zip(*each_alone, strict=True))
    found = maml.meta_loss_and_gradient(ours, params, batch, **how)
    fast = fast_maml.meta_loss_and_gradient(theirs, tensors(params), tensors(batch), **how, batching=batching)
    for value_found, gradient_found in (found, fast):
        near(value_found, value)
        near(gradient_found, gradient)
    near(fast_maml.meta_loss(theirs, tensors(params), tensors(batch), **how, batching=batching), value)


@quick
@given(batches(), STEPS)
def test_adapted_parameters_are_those_of_the_real_examples(case, inner_steps):
    tasks, batch = case
    _, ours, _, theirs, params = kind(tasks)
    how = {"inner_lr": 0.05, "inner_steps": inner_steps}
    expected = [maml.adapt(ours, params, task.support, **how) for task in tasks]
    at_once = fast_reptile.adapt_each(theirs, tensors(params), tensors(batch.support), **how)
    for index, phi in enumerate(expected):
        support = one(batch, index).support
        near(maml.adapt(ours, params, support, **how), phi)
        near(fast_maml.adapt(theirs, tensors(params), tensors(support), **how), phi)
        near({name: p[index] for name, p in at_once.items()}, phi)
    for found, phi in zip(reptile.adapt_each(ours, params, batch.support, **how), expected, strict=True):
        near(found, phi)
    stepped = reptile.meta_step(ours, params, batch, **how, meta_lr=0.3)
    near(fast_reptile.meta_step(theirs, tensors(params), tensors(batch), **how, meta_lr=0.3), stepped)


@pytest.mark.skipif(compiler_works() is not None, reason="torch.compile cannot compile here")
def test_a_compiled_step_honours_the_mask():
    rng = np.random.default_rng(2)
    tasks = [curves(sizes, rng) for sizes in ((0, 3), (3, 1))]
    _, ours, _, theirs, params = kind(tasks)
    batch = tensors(ragged(tasks, (np.nan, 1e6), 1, rng))
    step, _ = capture(lambda p, t: fast_maml.meta_gradient(theirs, p, t, inner_lr=0.05), "compile")
    near(step(tensors(params), batch), maml.meta_gradient(ours, params, arrays(batch), inner_lr=0.05), 1e-8)


# --- comparing ---------------------------------------------------------------------------------------------

COMPARE = st.sampled_from(
    [(protonet.classify, fast_protonet.classify), (matching.classify, fast_matching.classify)]
)


@quick
@given(batches(classes), COMPARE, st.sampled_from(["vmap", "loop"]))
def test_metric_methods_leave_padding_out(case, both, batching):
    tasks, batch = case
    network, _, fast_network, _, params = kind(tasks)
    (ours, theirs), params_fast = both, tensors(params)
    each_alone = [metric.meta_loss_and_gradient(ours, network, params, alone(task), n_way=N_WAY) for task in tasks]
    value, gradient = (mean_of(parts) for parts in zip(*each_alone, strict=True))
    found = metric.meta_loss_and_gradient(ours, network, params, batch, n_way=N_WAY)
    fast = fast_metric.meta_loss_and_gradient(
        theirs, fast_network, params_fast, tensors(batch), n_way=N_WAY, batching=batching
    )
    for value_found, gradient_found in (found, fast):
        near(value_found, value)
        near(gradient_found, gradient)
    padded = one(batch, 0)
    expected = metric.task_loss(ours, network, params, tasks[0], n_way=N_WAY)
    near(metric.task_loss(ours, network, params, padded, n_way=N_WAY), expected)
    near(fast_metric.task_loss(theirs, fast_network, params_fast, tensors(padded), n_way=N_WAY), expected)


@quick
@given(batches(classes), COMPARE)
def test_log_probabilities_and_prototypes_leave_padding_out(case, both):
    """Here the points are embeddings, and padding among them may be anything too; so for their gradient."""
    tasks, batch = case
    (ours, theirs), (task, padded) = both, (tasks[0], one(batch, 0))
    queries, (x, y, mask) = task.query.x, padded.support
    expected = ours(queries, task.support.x, task.support.y, N_WAY)
    near(ours(queries, x, y, N_WAY, mask), expected)
    near(theirs(*tensors((queries, x, y)), N_WAY, tensors(mask)), expected)
    middle = protonet.prototypes(task.support.x, task.support.y, N_WAY)
    near(protonet.prototypes(x, y, N_WAY, mask), middle)
    near(fast_protonet.prototypes(*tensors((x, y)), N_WAY, tensors(mask)), middle)

    def first(points):
        return autograd.sum(ours(queries, points, y, N_WAY, mask) * (queries[:, :1] > 0))

    def first_fast(points):
        return (theirs(queries_, points, y_, N_WAY, mask_) * (queries_[:, :1] > 0)).sum()

    queries_, y_, mask_ = tensors((queries, y, mask))
    bare = autograd.grad(lambda p: autograd.sum(ours(queries, p, task.support.y, N_WAY) * (queries[:, :1] > 0)))(
        task.support.x
    )
    for slope in (autograd.grad(first)(x), arrays(torch.func.grad(first_fast)(tensors(x)))):
        near(slope[mask], bare)
        assert not slope[~mask].any()


# --- learners, baselines, evaluation -----------------------------------------------------------------------


@dataclass
class Given:
    """A family that gives these tasks, again and again."""

    tasks: Task

    def sample(self, n_tasks, rng):
        rows = np.arange(n_tasks) % len(self.tasks.support.x)
        return Task(*(type(part)(*(array[rows] for array in part)) for part in self.tasks))


def learners_for(tasks):
    """By name: learners of one task at a time, and of many."""
    network, ours, fast_network, theirs, params = kind(tasks)
    found = {
        "gradient": learners.GradientLearner(network, ours, params, 0.05, 2),
        "fast gradient": fast_learners.GradientLearner(fast_network, theirs, tensors(params), 0.05, 2),
        "alone": fast_learners.GradientLearner(fast_network, theirs, tensors(params), 0.05, 2, queries="alone"),
        "nearest neighbour": baselines.nearest_neighbour(),
        "linear probe": baselines.linear_probe(0.1),
    }
    if tasks[0].query.y.dtype.kind == "i":
        found |= {
            "nearest class mean": baselines.nearest_class_mean(),
            "protonet": learners.MetricLearner(protonet.classify, network, params),
            "fast protonet": fast_learners.MetricLearner(fast_protonet.classify, fast_network, tensors(params)),
            "fast matching": fast_learners.MetricLearner(
                fast_matching.classify, fast_network, tensors(params), queries="alone"
            ),
        }
    return found


@quick
@given(batches())
def test_every_learner_predicts_as_without_padding(case):
    tasks, batch = case
    for learner in learners_for(tasks).values():
        for index, task in enumerate(tasks):
            expected = learner(task.support, task.query.x)
            near(learner(one(batch, index).support, task.query.x), expected)
            asked, mask = np.where(batch.query.mask[..., None], batch.query.x, 0), batch.query.mask[index]
            if hasattr(learner, "many"):
                near(learner.many(batch.support, asked)[index][mask], expected)
            if hasattr(learner, "along"):
                near(learner.along(batch.support, asked)[index, -1][mask], expected)


def scores_alone(learner, tasks, measure):
    return [
        float(measure.score(np.asarray(learner(task.support, task.query.x))[None], task.query.y[None])[0])
        for task in tasks
    ]


@quick
@given(batches(), st.booleans())
def test_evaluate_scores_the_real_queries_alone(case, transductive):
    tasks, batch = case
    tasks, n_tasks = tasks * 2, 2 * len(tasks)
    whole = tasks[0].query.y.dtype.kind == "i"
    judged_by = [metrics.ACCURACY, metrics.BALANCED_ACCURACY] if whole else [metrics.SQUARED_ERROR, metrics.RMSE]
    how = {"n_tasks": n_tasks, "rng": np.random.default_rng(0), "transductive": transductive}
    for learner in learners_for(tasks).values():
        for measure in judged_by:
            found = evaluate(learner, Given(batch), **how, metric=measure)
            assert found.metric == measure and not found.not_finite
            near(found.scores, scores_alone(learner, tasks, measure))
        if hasattr(learner, "along"):
            curve = adaptation_curve(learner, Given(batch), **how)
            assert curve.scores.shape == (n_tasks, learner.inner_steps + 1)
            near(curve.scores[:, -1], scores_alone(learner, tasks, judged_by[0]))


@quick
@given(batches(classes))
def test_every_metric_gets_tasks_without_padding(case):
    tasks, batch = case
    network, _, fast_network, _, params = kind(tasks)
    protonets = fast_learners.MetricLearner(fast_protonet.classify, fast_network, tensors(params))
    ratings = Task(*(Ragged(p.x, np.where(p.mask, p.y, 9).astype(float), p.mask) for p in batch))
    rated = [Task(*(Examples(p.x, p.y.astype(float)) for p in task)) for task in tasks]
    first = lambda support, query_x: query_x[:, 0]  # noqa: E731
    for learner, given_tasks, several, measure in (
        (protonets, batch, tasks, metrics.NEGATIVE_LOG_LIKELIHOOD),
        (first, ratings, rated, metrics.ndcg(2)),
        (first, ratings, rated, metrics.RETURN),
    ):
        found = evaluate(learner, Given(given_tasks), n_tasks=2 * len(tasks), rng=rng(), metric=measure)
        near(found.scores, 2 * scores_alone(learner, several, measure))


def rng():
    return np.random.default_rng(0)


def test_only_real_queries_are_counted_as_no_finite_numbers():
    tasks = [classes((1, q), rng()) for q in (1, 4)]
    batch = ragged(tasks, (np.nan, np.nan), 2, rng())
    found = evaluate(lambda support, x: np.full(len(x), np.nan), Given(batch), n_tasks=4, rng=rng())
    assert found.not_finite == 2 * (1 + 4) and found.mean == 0


def test_a_learner_of_one_task_never_meets_padding():
    met = []

    def learner(support, query_x):
        met.append((support, query_x))
        return np.zeros(len(query_x))

    batch = ragged([classes((1, 2), rng()), classes((3, 4), rng())], (np.nan, np.nan), 2, rng())
    evaluate(learner, Given(batch), n_tasks=2, rng=rng())
    time_to_deploy(learner, Given(batch), rng=rng(), repeats=2)
    assert all(isinstance(s, Examples) and np.isfinite(s.x).all() and np.isfinite(x).all() for s, x in met)


def test_a_learner_that_looks_at_other_queries_is_still_refused():
    batch = ragged([classes((1, 3), rng()), classes((3, 4), rng())], (np.nan, np.nan), 2, rng())
    with pytest.raises(ValueError, match="it is transductive"):
        evaluate(lambda s, x: np.round(x.sum() * 1e3) + np.arange(len(x)), Given(batch), n_tasks=2, rng=rng())


def test_speed_and_sweeps_take_ragged_tasks():
    tasks = [curves(sizes, rng()) for sizes in ((0, 3), (3, 1))]
    _, _, network, loss, params = kind(tasks)
    family = Given(ragged(tasks, (np.nan, 3.0), 1, rng()))
    learner = fast_learners.GradientLearner(network, loss, tensors(params), 0.05, 3)
    assert adaptation_speed(learner, family, target=1e9, n_tasks=4, rng=rng()).steps == 0
    best = baselines.sweep_steps(learner, [0.01, 0.05], family, n_tasks=4, rng_seed=0)
    assert len(best.rows) == 6
    assert baselines.sweep(baselines.linear_probe, "ridge", [0.1, 1.0], family, n_tasks=4, rng_seed=0).settings


# --- what is refused ---------------------------------------------------------------------------------------


def two_sizes(make=curves):
    tasks = [make(sizes, rng()) for sizes in ((0, 3), (3, 1))]
    return kind(tasks), ragged(tasks, (0.0, 0.0), 1, rng())


def test_a_loss_that_takes_no_mask_is_told_how():
    (network, _, fast_network, _, params), batch = two_sizes()

    def ours(params, x, y):
        return autograd.mean((network.apply(params, x) - y) ** 2)

    def theirs(params, x, y):
        return ((fast_network.apply(params, x) - y) ** 2).mean()

    told = r"\(params, x, y\) takes no mask, and these examples are ragged; give it one more argument, mask=None"
    for function, loss, given_params, given_tasks in (
        (maml.meta_loss, ours, params, batch),
        (maml.meta_gradient, ours, params, batch),
        (fast_maml.meta_loss, theirs, tensors(params), tensors(batch)),
        (fast_maml.meta_gradient, theirs, tensors(params), tensors(batch)),
    ):
        with pytest.raises(ValueError, match=told):
            function(loss, given_params, given_tasks, inner_lr=0.1)
    learner = fast_learners.GradientLearner(fast_network, theirs, tensors(params), 0.05, 1)
    with pytest.raises(ValueError, match=told):
        evaluate(learner, Given(batch), n_tasks=2, rng=rng())


def test_a_type_error_of_the_loss_itself_stays_one():
    (*_, params), batch = two_sizes()

    def broken(params, x, y, mask=None):
        return len(3)

    with pytest.raises(TypeError, match="has no len"):
        maml.meta_loss(broken, params, batch, inner_lr=0.1)


def test_a_comparison_that_takes_no_mask_is_told_how():
    (_, _, network, _, params), batch = two_sizes(classes)

    def classify(queries, support, labels, n_way):
        return fast_protonet.classify(queries, support, labels, n_way)

    with pytest.raises(ValueError, match="classify.* takes no mask"):
        fast_metric.meta_loss(classify, network, tensors(params), tensors(batch), n_way=N_WAY)


def test_a_loss_that_leaves_its_mask_aside_is_found_out():
    (_, _, network, _, params), batch = two_sizes()

    def deaf(params, x, y, mask=None):
        return ((network.apply(params, x) - y) ** 2).mean()

    with pytest.raises(ValueError, match="padding moves the loss of task 0 by .*a mask is not honoured"):
        fast_maml.meta_gradient(deaf, tensors(params), tensors(batch), inner_lr=0.1)


def normalised(network):
    """The network behind a normalisation over the batch, under no telling name."""

    def apply(params, x):
        return network.apply(params, (x - x.mean(dim=0)) / (x.std(dim=0) + 1e-3))

    return network._replace(apply=apply)


def test_examples_that_bear_on_each_other_are_found_by_what_they_do():
    (_, _, network, _, params), batch = two_sizes(classes)
    network, params, tasks = normalised(network), tensors(params), tensors(batch)
    loss = fast_losses.cross_entropy(network)
    told = "padding moves the .* of task 0 by .*batch normalisation"
    for refused in (
        lambda: fast_maml.adapt(loss, params, one(tasks, 0).support, inner_lr=0.1),
        lambda: fast_maml.meta_gradient(loss, params, tasks, inner_lr=0.1),
        lambda: fast_reptile.adapt_each(loss, params, tasks.support, inner_lr=0.1, inner_steps=1),
        lambda: fast_learners.GradientLearner(network, loss, params, 0.1, 1).many(batch.support, batch.query.x),
        lambda: fast_metric.meta_loss(fast_protonet.classify, network, params, tasks, n_way=N_WAY),
        lambda: fast_metric.meta_loss_and_gradient(fast_protonet.classify, network, params, tasks, n_way=N_WAY),
        lambda: fast_learners.MetricLearner(fast_protonet.classify, network, params).many(*judged(batch)),
    ):
        with pytest.raises(ValueError, match=told):
            refused()


def judged(batch):
    return batch.support, batch.query.x


def test_with_no_padding_in_the_mask_batch_statistics_are_nobodys_business():
    (_, _, network, _, params), _ = two_sizes()
    task = curves((2, 2), rng())
    loss, params = fast_losses.squared_error(normalised(network)), tensors(params)
    full = pad([task, task])
    found = fast_maml.meta_loss(loss, params, tensors(full), inner_lr=0.1)
    near(found, fast_maml.meta_loss(loss, params, tensors(stack([task, task])), inner_lr=0.1))


def test_declared_transductive_batch_statistics_see_no_padding():
    tasks = [classes(sizes, rng()) for sizes in ((0, 3), (3, 4))]
    _, _, network, _, params = kind(tasks)
    learner = fast_learners.MetricLearner(fast_protonet.classify, normalised(network), tensors(params))
    batch = ragged(tasks, (np.nan, 4.0), 2, rng())
    found = evaluate(learner, Given(batch), n_tasks=2, rng=rng(), transductive=True)
    near(found.scores, scores_alone(learner, tasks, metrics.ACCURACY))


def test_adam_on_picked_examples_takes_no_padding():
    (network, ours, fast_network, theirs, params), batch = two_sizes(classes)
    how = {"rng": rng(), "batch_size": 2, "inner_lr": 0.1, "inner_steps": 2, "meta_lr": 0.1}
    told = "support has a mask, and each step here picks batch_size of its examples"
    fast_params = tensors(params)
    learner = fast_learners.AdamLearner(
        fast_network, theirs, fast_params, fast_adam.init(fast_params), 0.1, 2, batch_size=2
    )
    picks = np.zeros((2, 2), int)
    for refused in (
        lambda: reptile.meta_step_adam(ours, params, adam.init(params), batch, **how),
        lambda: fast_reptile.meta_step_adam(
            theirs, fast_params, fast_adam.init(fast_params), tensors(batch), **how
        ),
        lambda: reptile.adapt_adam(ours, params, adam.init(params), one(batch, 0).support, picks, inner_lr=0.1),
        lambda: learner.many(batch.support, batch.query.x),
        lambda: learner(one(batch, 0).support, batch.query.x[0]),
    ):
        with pytest.raises(ValueError, match=told):
            refused()
    by_one = evaluate(lambda s, x: learner(s, x), Given(batch), n_tasks=2, rng=rng())  # the way out
    assert 0 <= by_one.mean <= 1


def whole(mask):
    return mask.astype(int)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (whole, "tasks.support.mask is .*; give true or false for each example"),
        (lambda mask: mask[:, :-1], "tasks.support.mask is .*; give true or false for each example, shape"),
        (lambda mask: mask & False, "tasks.support.mask is false everywhere for task 0"),
        (lambda mask: None, "tasks.support.mask is None"),
    ],
)
def test_a_mask_that_cannot_be_is_refused_by_both(spoil, told):
    (_, ours, _, theirs, params), batch = two_sizes()
    wrong = Task(batch.support._replace(mask=spoil(batch.support.mask)), batch.query)
    with pytest.raises(ValueError, match=told):
        maml.meta_loss(ours, params, wrong, inner_lr=0.1)
    fast = Task(*(Ragged(*(a if a is None else tensors(a) for a in part)) for part in wrong))
    with pytest.raises(ValueError, match=told):
        fast_maml.meta_loss(theirs, tensors(params), fast, inner_lr=0.1)


@pytest.mark.parametrize("loss_of", [losses.squared_error, fast_losses.squared_error])
@pytest.mark.parametrize("mask", [np.ones(2, bool), np.ones(3), np.zeros(3, bool)])
def test_a_loss_refuses_such_a_mask_too(loss_of, mask):
    fast = loss_of is fast_losses.squared_error
    network = (fast_networks if fast else networks).mlp((2, 1))
    given_arrays = (np.ones((3, 2)), np.ones((3, 1)), mask)
    params = networks.mlp((2, 1)).init(rng())
    with pytest.raises(ValueError, match="mask is"):
        loss_of(network)(tensors(params) if fast else params, *(tensors(given_arrays) if fast else given_arrays))


def test_labels_are_judged_only_where_real():
    y, mask = np.array([[0, 1, -7], [2, 1, 0]]), np.array([[True, True, False], [True, True, True]])
    require_labels("y", y, 3, mask=mask)
    with pytest.raises(ValueError, match="no example of class 2 in task 0"):
        require_labels("y", y, 3, all_present=True, mask=mask)
    with pytest.raises(ValueError, match="holds labels -7 to 2"):
        require_labels("y", y, 3, mask=np.ones_like(mask))
    examples = Ragged(np.zeros((2, 3, 1)), np.array([[0, 1, 1], [1, 0, 0]]), mask)
    require_examples("support", examples, "numpy", batch=True)
    require_tasks("tasks", Task(examples, examples), "numpy")
    require_classes("tasks", Task(examples, examples), 2)
    with pytest.raises(ValueError, match="no example of class 1 in task 0"):
        few = np.array([[True, False, False], [True, True, True]])
        require_classes("tasks", Task(examples._replace(mask=few), examples), 2)


def test_a_class_with_padding_alone_is_missing():
    (network, _, fast_network, _, params), batch = two_sizes(classes)
    support = batch.support
    without = support._replace(mask=support.mask & (support.y != 1))
    for learner in (
        learners.MetricLearner(protonet.classify, network, params),
        fast_learners.MetricLearner(fast_protonet.classify, fast_network, tensors(params)),
    ):
        with pytest.raises(ValueError, match="no example of class 1"):
            learner(Ragged(*(part[1] for part in without)), batch.query.x[1])


def test_ragged_numbers_warn_nobody():
    (_, ours, _, _, params), batch = two_sizes()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        maml.meta_gradient(ours, params, batch, inner_lr=0.1)
