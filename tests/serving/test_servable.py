"""A learner cut in two is the same learner, whatever is kept in between and however many adapt together."""

import numpy as np
import pytest
import torch

from mlcourse import methods
from mlcourse.fast import losses, matching, networks
from mlcourse.fast.arrays import tensors
from mlcourse.fast.learners import AdamLearner, GradientLearner, MetricLearner
from mlcourse.serving.servable import CLASSES, NUMBERS, Form, servable
from mlcourse.tasks import Examples
from tests.serving.conftest import characters, sines

MLP = networks.mlp((1, 8, 1))
SMALL = networks.conv4(None, 4)
HEADED = networks.conv4(5, 4)


def params_of(network, seed=0):
    return tensors(network.init(np.random.default_rng(seed)), dtype=torch.float32)


def of_sines(inner_lr=0.01, steps=3, **more):
    params = params_of(MLP) | tensors(more, dtype=torch.float32)
    return GradientLearner(MLP, losses.squared_error(MLP), params, inner_lr, steps)


MAML = of_sines()
ANIL = of_sines({"w1": 0.1, "b1": 0.1})
PER_STEP = of_sines([{"w0": 0.1}, {"w1": 0.05, "b1": np.pi / 100}], steps=2)
META_SGD = methods.MetaSGD(losses.squared_error(MLP), inner_lr=0.02, inner_steps=2)
META_SGD = META_SGD.learner(META_SGD.start(params_of(MLP)))
FROZEN = networks.freeze_statistics(params_of(SMALL), torch.as_tensor(glyphs_ := characters(1).support.x[0]))
PROTO = methods.ProtoNet(SMALL, n_way=5).learner(FROZEN)
MATCH = MetricLearner(matching.classify, SMALL, FROZEN)
ALONE = GradientLearner(HEADED, losses.cross_entropy(HEADED), params_of(HEADED), 0.1, 2, queries="alone")

SINES = Form((1,), NUMBERS, 1)
IMAGES = Form((1, 28, 28), CLASSES, None)
CASES = {
    "MAML": (MAML, SINES, sines),
    "ANIL": (ANIL, SINES, sines),
    "rates of steps": (PER_STEP, SINES, sines),
    "Meta-SGD": (META_SGD, SINES, sines),
    "Prototypical Networks": (PROTO, IMAGES, characters),
    "Matching Networks": (MATCH, IMAGES, characters),
    "MAML on images": (ALONE, Form((1, 28, 28), CLASSES, 5), characters),
}


@pytest.mark.parametrize(("learner", "form", "draw"), CASES.values(), ids=CASES)
def test_adapt_then_predict_is_the_learner(learner, form, draw):
    model, tasks = servable(learner, form), draw(3)
    for _ in range(2):  # the second call is trusted
        adapted = model.adapt(tasks.support)
    expected = learner.many(tasks.support, tasks.query.x)
    if form.kind == CLASSES:
        expected = np.asarray(torch.log_softmax(torch.as_tensor(expected), dim=-1))
    for task in range(3):
        found = model.predict(adapted[task].arrays, tasks.query.x[task])
        np.testing.assert_allclose(found, expected[task], rtol=2e-4, atol=2e-4)
        alone = model(Examples(*(part[task] for part in tasks.support)), tasks.query.x[task])
        np.testing.assert_allclose(alone, expected[task], rtol=2e-4, atol=2e-4)


def test_only_what_moved_is_kept():
    (adapted,) = servable(ANIL, SINES).adapt(sines(1).support)
    assert adapted.arrays.keys() == {"w1", "b1"}
    (adapted,) = servable(PROTO, IMAGES).adapt(characters(1, k_shot=3).support)
    assert adapted.arrays["points"].shape == (5, 4) and adapted.arrays["labels"].tolist() == [0, 1, 2, 3, 4]


def test_the_score_tells_a_task_that_fits_from_one_that_does_not():
    model = servable(of_sines(0.001, 3), SINES)
    support = sines(1).support
    far = Examples(support.x, 10 * support.y)
    (near,), (off,) = model.adapt(support), model.adapt(far)
    assert off.score < near.score < 0


def test_what_is_kept_may_be_read_only():
    model, tasks = servable(MAML, SINES), sines(1)
    (adapted,) = model.adapt(tasks.support)
    held = {name: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape) for name, a in adapted.arrays.items()}
    np.testing.assert_array_equal(
        model.predict(held, tasks.query.x[0]), model.predict(adapted.arrays, tasks.query.x[0])
    )


def test_a_learner_that_keeps_nothing_is_refused():
    moments = methods.ReptileAdam(losses.squared_error(MLP), inner_lr=0.1, inner_steps=1, batch_size=2)
    learner = AdamLearner(MLP, losses.squared_error(MLP), params_of(MLP), moments.init(params_of(MLP)), 0.1, 1, 2)
    with pytest.raises(ValueError, match="AdamLearner"):
        servable(learner, SINES)


@pytest.mark.parametrize("x", [np.zeros((0, 1)), np.zeros(3), np.zeros((3, 2)), np.array([[np.inf]])])
def test_examples_of_another_form_are_refused(x):
    with pytest.raises(ValueError, match="^x "):
        SINES.require_x("x", x)


def test_labels_of_another_form_are_refused():
    with pytest.raises(ValueError, match="trained on tasks of 5"):
        Form((1,), CLASSES, 5).require_classes("y", 4)
    with pytest.raises(ValueError, match="at least two"):
        IMAGES.require_classes("y", 1)
    with pytest.raises(ValueError, match=r"shape \(3, 2\)"):
        SINES.require_numbers("y", np.zeros((3, 2)), 3)
