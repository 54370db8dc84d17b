"""The contract of `mlcourse.reference` and `mlcourse.fast`: one algorithm, two libraries, the same numbers.

Everything here is float64. Beside each other the twins agree to 1e-10 relative; beside them stand central finite
differences, `higher`, torchopt and `torch.optim`, which share no code with them.
"""

import importlib
import inspect
import pkgutil
import warnings

import numpy as np
import pytest
import torch

from mlcourse import fast, reference
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
from mlcourse.tasks import Examples, Sinusoids, Task, each, one

STEPS = (0, 1, 5)
INNER_LR = 0.05


def in_folder(package):
    """The names of a package's modules."""
    return [module.name for module in pkgutil.iter_modules(package.__path__)]


def public(library, room):
    """What a module makes and shows: functions and classes, by name."""
    module = importlib.import_module(f"mlcourse.{library}.{room}")
    made_here = {name: thing for name, thing in vars(module).items() if not name.startswith("_")}
    return {
        name: thing
        for name, thing in made_here.items()
        if (inspect.isfunction(thing) or inspect.isclass(thing)) and thing.__module__ == module.__name__
    }


BOTH = ("reference", "fast")
ROOMS = sorted(set(in_folder(reference)) & set(in_folder(fast)))
ALONE = {  # what only one twin has, and why
    "fast.networks": {"conv4", "convolution_for", "freeze_statistics", "from_module"},  # torch's own, or too slow
    "fast.learners": {"AdamLearner", "by_prototype"},  # Reptile on images, so convolutions again
}


def regression():
    """Sines and a network for them: reference loss, fast loss, params, tasks."""
    rng = np.random.default_rng(3)
    tasks, ours, theirs = (
        Sinusoids(5, 7).sample(4, rng),
        networks.mlp((1, 12, 12, 1)),
        fast_networks.mlp((1, 12, 12, 1)),
    )
    return losses.squared_error(ours), fast_losses.squared_error(theirs), ours.init(rng), tasks


def classification():
    """Clouds of points in three classes, and a network for them."""
    rng = np.random.default_rng(5)
    centres, labels = rng.normal(size=(4, 3, 2)), np.tile(np.arange(3), (4, 4))
    x = np.stack([centre[y] for centre, y in zip(centres, labels, strict=True)]) + rng.normal(size=(4, 12, 2))
    tasks = Task(Examples(x[:, :6], labels[:, :6]), Examples(x[:, 6:], labels[:, 6:]))
    ours, theirs = networks.mlp((2, 10, 3)), fast_networks.mlp((2, 10, 3))
    return losses.cross_entropy(ours), fast_losses.cross_entropy(theirs), ours.init(rng), tasks


PROBLEMS = {"mlp, squared error": regression, "mlp, cross entropy": classification}
each_problem = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=list(PROBLEMS))
each_number_of_steps = pytest.mark.parametrize("inner_steps", STEPS)
both_orders = pytest.mark.parametrize("first_order", [False, True], ids=["second order", "first order"])


def assert_same(ours, theirs, rtol=1e-10):
    """Two sets of parameters (or moments) agree, measured against the largest entry of each array."""
    ours, theirs = arrays(ours), arrays(theirs)
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert ours[name].shape == theirs[name].shape and ours[name].dtype == theirs[name].dtype == np.float64
        scale = np.abs(ours[name]).max()
        np.testing.assert_allclose(theirs[name], ours[name], rtol=rtol, atol=rtol * scale, err_msg=name)


def flat(params):
    return np.concatenate([np.ravel(p) for p in arrays(params).values()])


# --- the contract ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", ROOMS)
def test_twins_have_the_same_names(room):
    ours, theirs = (set(public(library, room)) - ALONE.get(f"{library}.{room}", set()) for library in BOTH)
    assert ours == theirs
    for library in BOTH:
        assert ALONE.get(f"{library}.{room}", set()) <= set(public(library, room)), "it is gone: strike it out"


@pytest.mark.parametrize("room", ROOMS)
def test_twins_have_the_same_signatures(room):
    ours, theirs = (public(library, room) for library in BOTH)
    for name in set(ours) & set(theirs):
        for method in methods(ours[name]):
            left, right = (inspect.signature(method(thing)).parameters for thing in (ours[name], theirs[name]))
            extra = {"batching", "queries"} - set(left)
            assert list(left) == [parameter for parameter in right if parameter not in extra], name
            for parameter in left:
                for what in ("default", "kind"):
                    assert getattr(left[parameter], what) == getattr(right[parameter], what), (name, parameter)


def methods(thing):
    """Ways to what can be called of a function or a class: itself, or each of its public methods."""
    if inspect.isfunction(thing):
        return [lambda thing: thing]
    shown = [name for name in vars(thing) if name in ("__call__", "__init__") or not name.startswith("_")]
    return [
        lambda thing, name=name: getattr(thing, name) for name in shown if inspect.isfunction(vars(thing)[name])
    ]


@pytest.mark.parametrize("sizes", [(1, 1), (1, 40, 40, 1), (7, 5, 3)])
def test_twins_start_from_the_same_numbers(sizes):
    ours, theirs = (module.mlp(sizes).init(np.random.default_rng(11)) for module in (networks, fast_networks))
    assert list(ours) == list(theirs) == [f"{kind}{layer}" for layer in range(len(sizes) - 1) for kind in "wb"]
    for name in ours:
        assert np.array_equal(ours[name], theirs[name].numpy())
    assert ours["w0"].shape == sizes[:2] and ours["b0"].shape == sizes[1:2]


@each_problem
@each_number_of_steps
@both_orders
@pytest.mark.parametrize("batching", ["vmap", "loop", "auto"])
def test_meta_loss_and_meta_gradient_agree(problem, inner_steps, first_order, batching):
    loss, fast_loss, params, tasks = problem()
    how = {"inner_lr": INNER_LR, "inner_steps": inner_steps, "first_order": first_order}
    value, gradient = maml.meta_loss_and_gradient(loss, params, tasks, **how)
    fast = tensors((params, tasks))
    fast_value, fast_gradient = fast_maml.meta_loss_and_gradient(fast_loss, *fast, **how, batching=batching)
    np.testing.assert_allclose(fast_value.item(), value, rtol=1e-10)
    assert_same(gradient, fast_gradient)
    assert_same(gradient, fast_maml.meta_gradient(fast_loss, *fast, **how, batching=batching))
    assert_same(gradient, maml.meta_gradient(loss, params, tasks, **how))
    plain = fast_maml.meta_loss(fast_loss, *fast, **how, batching=batching)
    np.testing.assert_allclose([plain.item(), maml.meta_loss(loss, params, tasks, **how)], value, rtol=1e-10)


@each_problem
@each_number_of_steps
def test_adapted_parameters_agree(problem, inner_steps):
    loss, fast_loss, params, tasks = problem()
    for task in each(tasks):
        how = {"inner_lr": INNER_LR, "inner_steps": inner_steps}
        phi = maml.adapt(loss, params, task.support, **how)
        assert_same(phi, fast_maml.adapt(fast_loss, *tensors((params, task.support)), **how))
        assert_same(phi, maml.adapt(loss, params, task.support, **how, first_order=True))


# --- against finite differences ----------------------------------------------------------------------------


@each_problem
@each_number_of_steps
def test_both_agree_with_central_finite_differences(problem, inner_steps):
    """Along random directions, at a point that lies off the kinks of the ReLUs."""
    loss, fast_loss, params, tasks = problem()
    how = {"inner_lr": INNER_LR, "inner_steps": inner_steps}
    rng, step = np.random.default_rng(6), 1e-6
    slopes = flat(maml.meta_gradient(loss, params, tasks, **how))
    fast_slopes = flat(fast_maml.meta_gradient(fast_loss, *tensors((params, tasks)), **how))
    for _ in range(5):
        way = {name: rng.normal(size=p.shape) for name, p in params.items()}
        ahead, behind = ({name: p + sign * step * way[name] for name, p in params.items()} for sign in (1, -1))
        rise = maml.meta_loss(loss, ahead, tasks, **how) - maml.meta_loss(loss, behind, tasks, **how)
        np.testing.assert_allclose(slopes @ flat(way), rise / (2 * step), rtol=1e-5, atol=1e-8)
        np.testing.assert_allclose(fast_slopes @ flat(way), rise / (2 * step), rtol=1e-5, atol=1e-8)


# --- first order -------------------------------------------------------------------------------------------


@each_problem
@pytest.mark.parametrize("inner_steps", [1, 5])
def test_first_order_is_the_gradient_at_the_adapted_parameters(problem, inner_steps):
    """First order is the mean of the query gradients at phi, and that is not the second-order meta-gradient."""
    loss, fast_loss, params, tasks = problem()
    how = {"inner_lr": INNER_LR, "inner_steps": inner_steps}
    at_phi = [
        autograd.grad(loss)(maml.adapt(loss, params, task.support, **how), *task.query) for task in each(tasks)
    ]
    mean = {name: np.mean([gradient[name] for gradient in at_phi], axis=0) for name in params}
    for module, objective in ((maml, loss), (fast_maml, fast_loss)):
        start = (params, tasks) if module is maml else tensors((params, tasks))
        first = module.meta_gradient(objective, *start, **how, first_order=True)
        second = module.meta_gradient(objective, *start, **how)
        assert_same(mean, first)
        assert np.linalg.norm(flat(first) - flat(second)) > 0.01 * np.linalg.norm(flat(second))


@each_problem
def test_the_order_makes_no_difference_without_inner_steps(problem):
    loss, _, params, tasks = problem()
    first, second = (
        maml.meta_gradient(loss, params, tasks, inner_lr=INNER_LR, inner_steps=0, first_order=order)
        for order in (True, False)
    )
    assert_same(first, second, rtol=1e-15)


# --- outside oracles ---------------------------------------------------------------------------------------


def as_module(params):
    """The same multi-layer perceptron as a torch.nn.Module."""
    layers = []
    for layer in range(len(params) // 2):
        weight, bias = torch.as_tensor(params[f"w{layer}"]), torch.as_tensor(params[f"b{layer}"])
        linear = torch.nn.Linear(*weight.shape, dtype=torch.float64)
        with torch.no_grad():
            linear.weight.copy_(weight.T)
            linear.bias.copy_(bias)
        layers += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def gradient_of(module):
    """The gradients that lie in a module, under the course's names."""
    gradients = {}
    for layer, linear in enumerate(module[::2]):
        gradients[f"w{layer}"], gradients[f"b{layer}"] = linear.weight.grad.T, linear.bias.grad
    return gradients


def criterion(tasks):
    whole = np.issubdtype(tasks.support.y.dtype, np.integer)
    return torch.nn.functional.cross_entropy if whole else torch.nn.functional.mse_loss


@each_problem
@pytest.mark.parametrize("inner_steps", [1, 5])
@both_orders
def test_higher_gives_the_same_meta_gradient(problem, inner_steps, first_order):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        higher = pytest.importorskip("higher")
    loss, fast_loss, params, tasks = problem()
    model, error, n_tasks = as_module(params), criterion(tasks), len(tasks.support.x)
    inner = torch.optim.SGD(model.parameters(), lr=INNER_LR)
    for support, query in each(tensors(tasks)):
        with higher.innerloop_ctx(model, inner, copy_initial_weights=False) as (functional, optimiser):
            for _ in range(inner_steps):
                cut = (lambda gs: [g.detach() for g in gs]) if first_order else None
                optimiser.step(error(functional(support.x), support.y), grad_callback=cut)
            (error(functional(query.x), query.y) / n_tasks).backward()
    theirs = gradient_of(model)
    how = {"inner_lr": INNER_LR, "inner_steps": inner_steps, "first_order": first_order}
    assert_same(theirs, maml.meta_gradient(loss, params, tasks, **how))
    assert_same(theirs, fast_maml.meta_gradient(fast_loss, *tensors((params, tasks)), **how))


@pytest.mark.parametrize("inner_steps", [1, 5])
def test_torchopt_gives_the_same_meta_gradient(inner_steps):
    torchopt = pytest.importorskip("torchopt")
    loss, _, params, tasks = regression()
    model, error, n_tasks = as_module(params), criterion(tasks), len(tasks.support.x)
    start = torchopt.extract_state_dict(model)
    for support, query in each(tensors(tasks)):
        torchopt.recover_state_dict(model, start)
        optimiser = torchopt.MetaSGD(model, lr=INNER_LR)
        for _ in range(inner_steps):
            optimiser.step(error(model(support.x), support.y))
        query_loss = error(model(query.x), query.y) / n_tasks
        torchopt.recover_state_dict(model, start)
        query_loss.backward()
    how = {"inner_lr": INNER_LR, "inner_steps": inner_steps}
    assert_same(gradient_of(model), maml.meta_gradient(loss, params, tasks, **how))


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.0, 0.99)])
def test_adam_is_torchs_adam(betas):
    _, _, params, _ = regression()
    theirs = {name: torch.tensor(p, requires_grad=True) for name, p in params.items()}
    optimiser = torch.optim.Adam(theirs.values(), lr=0.01, betas=betas)
    fast, rng = tensors(params), np.random.default_rng(7)
    moments, fast_moments = adam.init(params), fast_adam.init(fast)
    how = {"lr": 0.01, "beta1": betas[0], "beta2": betas[1]}
    for _ in range(5):
        gradient = {name: rng.normal(size=p.shape) for name, p in params.items()}
        for name, p in theirs.items():
            p.grad = torch.tensor(gradient[name])
        optimiser.step()
        params, moments = adam.update(params, gradient, moments, **how)
        fast, fast_moments = fast_adam.update(fast, tensors(gradient), fast_moments, **how)
    assert_same(params, theirs)
    assert_same(fast, theirs)
    assert_same(moments.second, fast_moments.second)
    assert moments.steps == fast_moments.steps == 5


# --- Reptile and learners ----------------------------------------------------------------------------------


@each_problem
@pytest.mark.parametrize("inner_steps", [1, 5])
@pytest.mark.parametrize("batching", ["vmap", "loop"])
def test_reptile_steps_agree(problem, inner_steps, batching):
    loss, fast_loss, params, tasks = problem()
    how = {"inner_lr": INNER_LR, "inner_steps": inner_steps, "meta_lr": 0.3}
    after = reptile.meta_step(loss, params, tasks, **how)
    assert_same(after, fast_reptile.meta_step(fast_loss, *tensors((params, tasks)), **how, batching=batching))


def test_reptile_moves_to_the_mean_of_the_adapted_parameters():
    loss, _, params, tasks = regression()
    how = {"inner_lr": INNER_LR, "inner_steps": 3}
    after = reptile.meta_step(loss, params, tasks, **how, meta_lr=1.0)
    phis = [maml.adapt(loss, params, task.support, **how) for task in each(tasks)]
    assert_same({name: np.mean([phi[name] for phi in phis], axis=0) for name in params}, after)
    assert_same(params, reptile.meta_step(loss, params, tasks, **how, meta_lr=0.0))


@each_problem
@pytest.mark.parametrize("batching", ["vmap", "loop"])
def test_reptile_with_adam_agrees_over_several_steps(problem, batching):
    """Three outer steps, so that moments are carried over twice."""
    loss, fast_loss, params, tasks = problem()
    how = {"batch_size": 3, "inner_lr": 0.01, "inner_steps": 4, "meta_lr": 0.5}
    fast, fast_tasks = tensors((params, tasks))
    moments, fast_moments = adam.init(params), fast_adam.init(fast)
    rng, fast_rng = np.random.default_rng(8), np.random.default_rng(8)
    for _ in range(3):
        params, moments = reptile.meta_step_adam(loss, params, moments, tasks, rng=rng, **how)
        fast, fast_moments = fast_reptile.meta_step_adam(
            fast_loss, fast, fast_moments, fast_tasks, rng=fast_rng, batching=batching, **how
        )
    assert_same(params, fast)
    assert_same(moments.first, fast_moments.first)
    assert_same(moments.second, fast_moments.second)
    assert moments.steps == fast_moments.steps == 12


@pytest.mark.parametrize(("inner_steps", "batch_size"), [(5, 10), (4, 3), (7, 4), (1, 10)])
def test_inner_batches_are_the_same_and_leave_nobody_out(inner_steps, batch_size):
    n_support = 10
    arguments = (6, n_support, inner_steps, batch_size)
    ours, theirs = (module.batches(*arguments, np.random.default_rng(9)) for module in (reptile, fast_reptile))
    assert np.array_equal(ours, theirs.numpy()) and ours.shape == (6, inner_steps, batch_size)
    for picks in ours.reshape(6, -1):
        seen = np.bincount(picks, minlength=n_support)
        assert seen.max() - seen.min() <= 1


@pytest.mark.parametrize("module", [reptile, fast_reptile])
def test_a_batch_larger_than_the_support_set_is_refused(module):
    with pytest.raises(ValueError, match="batch_size is 11; the support set holds 10 examples"):
        module.batches(2, 10, 3, 11, np.random.default_rng(0))


@each_problem
@each_number_of_steps
def test_learners_agree(problem, inner_steps):
    loss, fast_loss, params, tasks = problem()
    sizes = (1, 12, 12, 1) if problem is regression else (2, 10, 3)
    how, net, fast_net = (INNER_LR, inner_steps), networks.mlp(sizes), fast_networks.mlp(sizes)
    ours = learners.GradientLearner(net, loss, params, *how)
    theirs = fast_learners.GradientLearner(fast_net, fast_loss, tensors(params), *how)
    along, fast_along = (learner.along(tasks.support, tasks.query.x) for learner in (ours, theirs))
    n_tasks, n_query = tasks.query.x.shape[:2]
    assert along.shape == (n_tasks, inner_steps + 1, n_query, sizes[-1])
    np.testing.assert_allclose(fast_along, along, rtol=1e-10)
    for i in range(n_tasks):
        task = one(tasks, i)
        for learner in (ours, theirs):
            predictions = learner(task.support, task.query.x)
            assert type(predictions) is np.ndarray
            np.testing.assert_allclose(predictions, along[i, -1], rtol=1e-10)
        np.testing.assert_allclose(along[i, 0], networks.mlp(sizes).apply(params, task.query.x), rtol=1e-12)


# --- methods that compare ----------------------------------------------------------------------------------

MEASURES = [(protonet, fast_protonet), (matching, fast_matching)]
each_measure = pytest.mark.parametrize(("measure", "fast_measure"), MEASURES, ids=["protonet", "matching"])


def embedding():
    """Clouds of points in three classes, and an embedding for them: both networks, params, tasks."""
    _, _, _, tasks = classification()
    ours, theirs = networks.mlp((2, 10, 4)), fast_networks.mlp((2, 10, 4))
    return ours, theirs, ours.init(np.random.default_rng(12)), tasks


@each_measure
@pytest.mark.parametrize("batching", ["vmap", "loop", "auto"])
def test_methods_that_compare_agree(measure, fast_measure, batching):
    ours, theirs, params, tasks = embedding()
    value, gradient = metric.meta_loss_and_gradient(measure.classify, ours, params, tasks, n_way=3)
    fast_value, fast_gradient = fast_metric.meta_loss_and_gradient(
        fast_measure.classify, theirs, *tensors((params, tasks)), n_way=3, batching=batching
    )
    np.testing.assert_allclose(fast_value.item(), value, rtol=1e-10)
    # measured against the whole gradient: the last bias moves all points alike, so its slope is zero
    assert np.linalg.norm(flat(gradient) - flat(fast_gradient)) <= 1e-10 * np.linalg.norm(flat(gradient))
    np.testing.assert_allclose(metric.meta_loss(measure.classify, ours, params, tasks, n_way=3), value, rtol=1e-12)


@each_measure
def test_methods_that_compare_agree_with_central_finite_differences(measure, fast_measure):
    ours, _, params, tasks = embedding()
    slopes = flat(metric.meta_loss_and_gradient(measure.classify, ours, params, tasks, n_way=3)[1])
    rng, step = np.random.default_rng(6), 1e-6
    for _ in range(5):
        way = {name: rng.normal(size=p.shape) for name, p in params.items()}
        ahead, behind = ({name: p + sign * step * way[name] for name, p in params.items()} for sign in (1, -1))
        rise = np.subtract(*(metric.meta_loss(measure.classify, ours, p, tasks, n_way=3) for p in (ahead, behind)))
        np.testing.assert_allclose(slopes @ flat(way), rise / (2 * step), rtol=1e-5, atol=1e-8)


@each_measure
def test_learners_that_compare_agree(measure, fast_measure):
    ours, theirs, params, tasks = embedding()
    learner = learners.MetricLearner(measure.classify, ours, params)
    for queries in fast_learners.QUERIES:
        fast = fast_learners.MetricLearner(fast_measure.classify, theirs, tensors(params), queries)
        many = fast.many(tasks.support, tasks.query.x)
        for i, task in enumerate(each(tasks)):
            log_p = learner(task.support, task.query.x)
            np.testing.assert_allclose(np.exp(log_p).sum(axis=1), 1.0, rtol=1e-12)
            np.testing.assert_allclose(fast(task.support, task.query.x), log_p, rtol=1e-10)
            np.testing.assert_allclose(many[i], log_p, rtol=1e-10)


def test_prototypes_are_means_and_the_nearest_is_the_likeliest():
    points, labels = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 2.0]]), np.array([0, 1, 0])
    means = protonet.prototypes(points, labels, 2)
    np.testing.assert_array_equal(means, [[0.0, 1.0], [4.0, 0.0]])
    np.testing.assert_array_equal(protonet.squared_distances(np.array([[0.0, 0.0]]), means), [[1.0, 16.0]])
    log_p = protonet.log_probabilities(np.array([[0.0, 0.0]]), means)
    np.testing.assert_allclose(log_p, [[-np.log1p(np.exp(-15)), -15 - np.log1p(np.exp(-15))]])


def test_with_one_example_a_class_only_the_measure_differs():
    """Matching by negative squared distance would be a Prototypical Network (Snell et al. 2017, section 2.4)."""
    rng = np.random.default_rng(0)
    support, queries, labels = rng.normal(size=(3, 5)), rng.normal(size=(7, 5)), np.array([2, 0, 1])
    unit = [p / np.linalg.norm(p, axis=1, keepdims=True) for p in (queries, support)]
    # for points of length 1 the squared distance is 2 - 2 cos, so half of it orders and weighs as the cosine does
    scaled = [p / np.sqrt(2) for p in unit]
    ours = protonet.classify(*scaled, labels, 3)
    np.testing.assert_allclose(matching.classify(queries, support, labels, 3), ours, rtol=1e-9)


@pytest.mark.parametrize("module", [protonet, fast_protonet])
def test_labels_that_cannot_be_are_refused(module):
    convert = np.asarray if module is protonet else torch.as_tensor
    points = convert(np.zeros((4, 2)))
    for labels in (np.zeros((4, 1), int), np.zeros(4), np.zeros(3, int)):
        with pytest.raises(ValueError, match=r"labels has shape .* and dtype .*; embeddings has shape \(4, 2\)"):
            module.prototypes(points, convert(labels), 2)


def test_labels_out_of_range_and_empty_classes_are_refused():
    points = np.zeros((4, 2))
    for module, convert in ((protonet, np.asarray), (fast_protonet, torch.as_tensor)):
        with pytest.raises(
            ValueError, match="labels holds labels 0 to 3, but n_way is 3; give labels from 0 to 2"
        ):
            module.prototypes(convert(points), convert(np.arange(4)), 3)
        with pytest.raises(
            ValueError, match="labels has no example of class 1; give one or more of each of 0 ..."
        ):
            module.prototypes(convert(points), convert(np.array([0, 0, 2, 2])), 3)


# --- the same complaints -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("net", "loss_of"), [(networks, losses), (fast_networks, fast_losses)])
def test_twins_refuse_the_same_mistakes(net, loss_of):
    line, scores = net.mlp((1, 1)), net.mlp((1, 3))
    p, q = line.init(np.random.default_rng(0)), scores.init(np.random.default_rng(0))
    convert = np.asarray if net is networks else torch.as_tensor
    x = convert(np.zeros((4, 1)))
    with pytest.raises(ValueError, match=r"sizes is \(3,\)"):
        net.mlp((3,))
    with pytest.raises(ValueError, match=r"x has shape \(4,\); this network takes \(n, 1\)"):
        line.apply(p, x[:, 0])
    with pytest.raises(ValueError, match=r"y has shape \(4,\), the outputs \(4, 1\)"):
        loss_of.squared_error(line)(p, x, x[:, 0])
    with pytest.raises(ValueError, match=r"y has shape \(4, 1\) and dtype .*float64; give 4"):
        loss_of.cross_entropy(scores)(q, x, x)
    for wrong in (3, -1):
        with pytest.raises(ValueError, match="y holds labels .*, but n_way is 3; give labels from 0 to 2"):
            loss_of.cross_entropy(scores)(q, x, convert(np.array([0, 1, 2, wrong])))
