"""Whatever is wrong with an argument, both twins say so in the same kind of error, or both take it.

Hypothesis draws a public function of a pair of twins, one of its arguments, and something hostile to put there.
"""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

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
from mlcourse.fast.arrays import arrays, tensors, tree_map
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
from mlcourse.tasks import Examples, Ragged, Task

SIZES = (2, 4, 3)  # a network for points in three classes


class Pair:
    """One public function in both libraries, and arguments with which it works: `make(library)`, by name."""

    def __init__(self, ours, theirs, make):
        self.ours, self.theirs, self.make = ours, theirs, make

    def outcome(self, library, change):
        """What comes of the function of `library` when `change` was at its arguments: an error, or "taken"."""
        function = self.ours if library is reference else self.theirs
        given = change(self.make(library), library)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numbers may overflow: that is not what is asked here
            try:
                return "taken", function(**given)
            except Exception as error:
                return type(error), error


def tasks():
    rng = np.random.default_rng(1)
    y = np.tile(np.arange(3), (4, 2))
    return Task(Examples(rng.normal(size=(4, 6, 2)), y), Examples(rng.normal(size=(4, 6, 2)), y))


def theta():
    return networks.mlp(SIZES).init(np.random.default_rng(0))


def modules(library):
    """The rooms of a library, by what they are called in both."""
    if library is reference:
        return {"adam": adam, "learners": learners, "losses": losses, "maml": maml, "matching": matching} | {
            "metric": metric, "networks": networks, "protonet": protonet, "reptile": reptile,
        }  # fmt: skip
    return {"adam": fast_adam, "learners": fast_learners, "losses": fast_losses, "maml": fast_maml} | {
        "matching": fast_matching, "metric": fast_metric, "networks": fast_networks, "protonet": fast_protonet,
        "reptile": fast_reptile,
    }  # fmt: skip


def of(library, tree):
    """The same numbers as this library's arrays."""
    return tree if library is reference else tensors(tree)


def network(library):
    return modules(library)["networks"].mlp(SIZES)


def loss(library):
    return modules(library)["losses"].cross_entropy(network(library))


def adapting(library, **more):
    return {"loss": loss(library), "params": of(library, theta()), "inner_lr": 0.1, "inner_steps": 2} | more


def support():
    return Examples(*(part[0] for part in tasks().support))


def moments(library):
    return modules(library)["adam"].init(of(library, theta()))


def comparing(library):
    classify = modules(library)["protonet"].classify
    return {"classify": classify, "network": network(library), "params": of(library, theta()), "n_way": 3}


def adapted(library):
    rows = [tree_map(lambda p, i=i: p + i, theta()) for i in range(3)]
    return rows if library is reference else tensors(tree_map(lambda *p: np.stack(p), *rows))


BY_HAND = {"loss", "classify", "network", "rng", "sizes", "adapted"}  # no arrays, or others in either library


def points(library, **shapes):
    return {name: of(library, np.random.default_rng(2).normal(size=shape)) for name, shape in shapes.items()}


LABELS = np.array([0, 1, 2, 0, 1])


def labels(library):
    return {"labels": of(library, LABELS), "n_way": 3}


def learner(kind):
    """A function that builds a learner and judges with it, so that both are asked."""

    def build(library):
        of_kind = getattr(modules(library)["learners"], kind)

        def function(support, query_x, **settings):
            return of_kind(**settings)(support, query_x)

        return function

    return build


def judging(library, **settings):
    task = tree_map(lambda part: part[0], tasks())  # learners take and give NumPy's arrays in either library
    return {"support": task.support, "query_x": task.query.x, "network": network(library)} | settings


def gradient_learner(library):
    return judging(library, **adapting(library))


def metric_learner(library):
    classify = modules(library)["protonet"].classify
    return judging(library, classify=classify, params=of(library, theta()))


def batch(library):
    return {"tasks": of(library, tasks())}


def picks(library, shape):
    return of(library, np.random.default_rng(4).integers(0, 6, shape))


MAKE = {
    "maml.adapt": lambda lib: adapting(lib, support=of(lib, support())),
    "maml.meta_loss": lambda lib: adapting(lib, **batch(lib)),
    "maml.meta_loss_and_gradient": lambda lib: adapting(lib, **batch(lib)),
    "maml.meta_gradient": lambda lib: adapting(lib, **batch(lib)),
    "reptile.interpolate": lambda lib: {"params": of(lib, theta()), "adapted": adapted(lib), "meta_lr": 0.3},
    "reptile.adapt_each": lambda lib: adapting(lib, support=of(lib, tasks().support)),
    "reptile.meta_step": lambda lib: adapting(lib, **batch(lib), meta_lr=0.3),
    "reptile.batches": lambda lib: {"n_tasks": 2, "n_support": 6, "inner_steps": 3, "batch_size": 2, "rng": rng()},
    "reptile.adapt_adam": lambda lib: adam_step(lib, support=of(lib, support()), picks=picks(lib, (3, 2))),
    "reptile.adapt_each_adam": lambda lib: adam_step(
        lib, support=of(lib, tasks().support), picks=picks(lib, (4, 3, 2))
    ),
    "reptile.meta_step_adam": lambda lib: (
        adam_step(lib, **batch(lib), rng=rng(), batch_size=2) | {"inner_steps": 3, "meta_lr": 0.3}
    ),
    "metric.meta_loss": lambda lib: comparing(lib) | batch(lib),
    "metric.meta_loss_and_gradient": lambda lib: comparing(lib) | batch(lib),
    "metric.task_loss": lambda lib: comparing(lib) | {"task": of(lib, tree_map(lambda part: part[0], tasks()))},
    "protonet.prototypes": lambda lib: points(lib, embeddings=(5, 2)) | labels(lib),
    "protonet.membership": lambda lib: points(lib, embeddings=(5, 2)) | labels(lib),
    "protonet.squared_distances": lambda lib: points(lib, queries=(4, 2), prototypes=(3, 2)),
    "protonet.log_probabilities": lambda lib: points(lib, queries=(4, 2), prototypes=(3, 2)),
    "protonet.classify": lambda lib: points(lib, queries=(4, 2), support=(5, 2)) | labels(lib),
    "matching.cosines": lambda lib: points(lib, queries=(4, 2), support=(5, 2)),
    "matching.classify": lambda lib: points(lib, queries=(4, 2), support=(5, 2)) | labels(lib),
    "adam.init": lambda lib: {"params": of(lib, theta())},
    "adam.update": lambda lib: (
        {"params": of(lib, theta()), "gradient": of(lib, theta()), "lr": 0.1} | {"moments": moments(lib)}
    ),
    "networks.mlp": lambda lib: {"sizes": SIZES},
    "losses.squared_error": lambda lib: {"network": network(lib)},
    "losses.cross_entropy": lambda lib: {"network": network(lib)},
    "learners.GradientLearner": gradient_learner,
    "learners.MetricLearner": metric_learner,
}
CALLED = {  # what a function returns is a function too, and its arguments count as well
    "networks.mlp.init": (lambda lib: network(lib).init, lambda lib: {"rng": rng()}),
    "networks.mlp.apply": (
        lambda lib: network(lib).apply,
        lambda lib: {"params": of(lib, theta())} | points(lib, x=(5, 2)),
    ),
    "losses.squared_error.loss": (
        lambda lib: modules(lib)["losses"].squared_error(network(lib)),
        lambda lib: {"params": of(lib, theta())} | points(lib, x=(5, 2), y=(5, 3)),
    ),
    "losses.cross_entropy.loss": (
        loss,
        lambda lib: {"params": of(lib, theta()), "y": of(lib, LABELS)} | points(lib, x=(5, 2)),
    ),
}
MASK = np.array([True, True, True, False, False])


def with_a_mask(name, build):
    """The same function, given a mask as well."""
    make = MAKE.get(name) or CALLED[name][1]
    return build, lambda library: make(library) | {"mask": of(library, MASK)}


CALLED |= {
    f"{name}, masked": with_a_mask(name, build)
    for name, build in {
        "protonet.prototypes": lambda lib: modules(lib)["protonet"].prototypes,
        "protonet.membership": lambda lib: modules(lib)["protonet"].membership,
        "protonet.classify": lambda lib: modules(lib)["protonet"].classify,
        "matching.classify": lambda lib: modules(lib)["matching"].classify,
        "losses.squared_error.loss": CALLED["losses.squared_error.loss"][0],
        "losses.cross_entropy.loss": CALLED["losses.cross_entropy.loss"][0],
    }.items()
}


def adam_step(library, **more):
    held = {"loss": loss(library), "params": of(library, theta()), "moments": moments(library), "inner_lr": 0.01}
    return held | more


def rng():
    return np.random.default_rng(3)


def pairs():
    found = {}
    for name, make in MAKE.items():
        room, function = name.split(".")
        if room == "learners":
            found[name] = Pair(learner(function)(reference), learner(function)(fast), make)
        else:
            found[name] = Pair(*(getattr(modules(lib)[room], function) for lib in (reference, fast)), make)
    return found | {name: Pair(build(reference), build(fast), make) for name, (build, make) in CALLED.items()}


PAIRS = pairs()


# --- what can be wrong -------------------------------------------------------------------------------------


def in_an_axis(numbers):
    """Their sum, of shape (1,)."""
    if isinstance(numbers, torch.Tensor):
        return numbers.sum(dim=0, keepdim=True)
    return autograd.sum(numbers, keepdims=True)


def wrong_losses(library):
    """Losses that are not one real number."""
    ones = of(library, np.ones(3))
    return {
        "a vector": lambda params, x, y: params["b1"],
        "one number in an axis": lambda params, x, y: in_an_axis(params["b1"]),
        "a plain number": lambda params, x, y: 1.0,
        "whole": lambda params, x, y: of(library, np.array(3)),
        "nothing": lambda params, x, y: None,
        "two": lambda params, x, y: (ones, ones),
    }


NUMBERS = [
    -1,
    0,
    1.5,
    float("nan"),
    float("inf"),
    True,
    None,
    "2",
    [1],
    50,
    np.float32(0.1),
    np.array(0.1),
    np.array(np.nan),
    np.array([0.1, 0.2]),
]
OTHERS = [None, 0, "x", [], {}, ()]


def each_array(function):
    """`function(array)` of every array of an argument, as NumPy's; the result as the library's own."""
    return lambda value, library: of(library, tree_map(lambda a: function(np.asarray(a)), arrays(value)))


def foreign(value, library):
    """The same numbers as the other library's arrays."""
    return of(fast if library is reference else reference, arrays(value))


def without_a_name(value, library):
    return dict(list(value.items())[1:]) if isinstance(value, dict) else value


def half_of_y(value, library):
    """One y fewer than x."""
    if isinstance(value, Examples):
        return Examples(value.x, value.y[..., :-1])
    return Task(value.support, half_of_y(value.query, library)) if isinstance(value, Task) else value


def relabelled(function):
    """Labels changed by `function`, wherever labels are."""

    def change(value, library):
        if isinstance(value, Task):
            return Task(*(change(part, library) for part in value))
        if isinstance(value, Examples):
            return Examples(value.x, change(value.y, library))
        whole = arrays(value)
        return of(library, function(whole)) if isinstance(whole, np.ndarray) and whole.dtype.kind == "i" else value

    return change


def swapped(value, library):
    """Features cut by one: what fits no network."""
    if isinstance(value, Task):
        return Task(*(swapped(part, library) for part in value))
    return Examples(value.x[..., :-1], value.y) if isinstance(value, Examples) else value


def masked(mask_for):
    """Examples with the mask that `mask_for` makes of their numbers; of tasks the support set has it."""

    def change(value, library):
        if isinstance(value, Task):
            return Task(change(value.support, library), value.query)
        if not isinstance(value, Examples):
            return value
        mask = mask_for(np.arange(arrays(value.y).size).reshape(arrays(value.y).shape))
        mask = mask if library is reference or isinstance(value.y, np.ndarray) else torch.as_tensor(mask)
        return Ragged(*value, mask)

    return change


ARRAYS = {
    "no axes": each_array(lambda a: a.reshape(-1)[0]),
    "flat": each_array(lambda a: a.reshape(-1)),
    "one row fewer": each_array(lambda a: a[:-1] if a.ndim else a),
    "one column fewer": each_array(lambda a: a[..., :-1] if a.ndim > 1 else a),
    "another axis": each_array(lambda a: a[None]),
    "none left": each_array(lambda a: a[:0] if a.ndim else a),
    "whole numbers": each_array(lambda a: np.rint(a).astype(np.int64)),
    "bool": each_array(lambda a: a > 0),
    "float32": each_array(lambda a: a.astype(np.float32) if a.dtype.kind == "f" else a),
    "int32": each_array(lambda a: a.astype(np.int32) if a.dtype.kind == "i" else a),
    "real numbers": each_array(lambda a: a.astype(float)),
    "not a number": each_array(lambda a: np.full_like(a, np.nan) if a.dtype.kind == "f" else a),
    "labels from 1": relabelled(lambda y: y + 1),
    "labels below zero": relabelled(lambda y: y - 1),
    "labels too high": relabelled(lambda y: y * 10),
    "a class without an example": relabelled(lambda y: np.where(y == 1, 2, y)),
    "half of y": half_of_y,
    "no such features": swapped,
    "ragged": masked(lambda number: number % 6 != 5),
    "all real": masked(lambda number: number >= 0),
    "all padding": masked(lambda number: number < 0),
    "a task of padding": masked(lambda number: number >= 6),
    "a class of padding": masked(lambda number: number % 3 != 1),
    "a mask of numbers": masked(lambda number: np.ones(number.shape)),
    "a short mask": masked(lambda number: (number >= 0)[..., :-1]),
    "a flat mask": masked(lambda number: (number >= 0).reshape(-1)),
    "without a name": without_a_name,
    "foreign": foreign,
}
COUNTS = {"n_way", "inner_steps", "n_tasks", "n_support", "batch_size", "inner_lr", "meta_lr", "lr"}
NOT_A_FAULT = {  # a learner takes NumPy's arrays in either library, and the fast one moves tensors too
    ("learners.GradientLearner", "foreign"),
    ("learners.MetricLearner", "foreign"),
}


@st.composite
def hostile(draw):
    """A pair's name, an argument's name, a name for what is wrong, and what makes it so."""
    name = draw(st.sampled_from(sorted(PAIRS)))
    argument = draw(st.sampled_from(sorted(PAIRS[name].make(reference))))
    if argument == "loss" and draw(st.booleans()):
        which = draw(st.sampled_from(sorted(wrong_losses(reference))))
        return name, argument, which, lambda old, library: wrong_losses(library)[which]
    if argument in COUNTS:
        value = draw(st.sampled_from(NUMBERS))
        return name, argument, repr(value), lambda old, library: value
    if argument in BY_HAND or draw(st.booleans()) and draw(st.booleans()):
        value = draw(st.sampled_from(OTHERS))
        return name, argument, repr(value), lambda old, library: value
    fault = draw(st.sampled_from(sorted(ARRAYS)))
    return name, argument, fault, ARRAYS[fault]


@settings(max_examples=1500)
@given(hostile())
def test_twins_refuse_the_same_faults(case):
    name, argument, fault, change = case
    if (name, fault) in NOT_A_FAULT:
        return

    def spoilt(given, library):
        return given | {argument: change(given[argument], library)}

    ours, theirs = (PAIRS[name].outcome(library, spoilt) for library in (reference, fast))
    told = f"{name}({argument}: {fault})\nreference: {ours}\nfast: {theirs}"
    assert ours[0] == theirs[0], told


MASKS = [fault for fault, change in ARRAYS.items() if change.__qualname__.startswith("masked")]
RAGGED = [
    (name, argument)
    for name in sorted(PAIRS)
    for argument in ("support", "tasks", "task")
    if isinstance(PAIRS[name].make(reference).get(argument), tuple)
]


@pytest.mark.parametrize("fault", MASKS)
@pytest.mark.parametrize(("name", "argument"), RAGGED)
def test_twins_refuse_the_same_masks(name, argument, fault):
    def spoilt(given, library):
        return given | {argument: ARRAYS[fault](given[argument], library)}

    ours, theirs = (PAIRS[name].outcome(library, spoilt) for library in (reference, fast))
    assert ours[0] == theirs[0], f"reference: {ours}\nfast: {theirs}"
    if "adam" in name:
        assert ours[0] is ValueError
    elif fault in ("ragged", "all real"):
        assert ours[0] == "taken", ours


@pytest.mark.parametrize("name", sorted(PAIRS))
def test_untouched_arguments_are_taken(name):
    for library in (reference, fast):
        what, result = PAIRS[name].outcome(library, lambda given, library: given)
        assert what == "taken", result
