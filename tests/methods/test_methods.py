"""Methods: what training ends in is judged as it was trained; ANIL and Meta-SGD are their rates, in both twins."""

import numpy as np
import pytest
import torch

from mlcourse import methods
from mlcourse.evaluation import evaluate
from mlcourse.fast import adam, losses, networks, protonet
from mlcourse.fast.arrays import arrays, tensors
from mlcourse.fast.learners import AdamLearner, GradientLearner, MetricLearner
from mlcourse.rates import learned
from mlcourse.reference import losses as reference_losses
from mlcourse.reference import maml as reference_maml
from mlcourse.reference import networks as reference_networks
from mlcourse.tasks import Episodes, Sinusoids, glyphs
from mlcourse.tasks.images import Labelled
from mlcourse.training import train

NETWORK = networks.mlp((1, 10, 10, 1))
LOSS = losses.squared_error(NETWORK)
EMBEDDING = networks.conv4(None, channels=4)
SCORE = losses.cross_entropy(networks.conv4(3, channels=4))
HEAD = ("w2", "b2")
ON_SINES = {
    "MAML": methods.MAML(LOSS, inner_lr=0.02),
    "first-order MAML": methods.MAML(LOSS, inner_lr=0.02, first_order=True),
    "ANIL": methods.ANIL(LOSS, head=HEAD, inner_lr=0.05),
    "Meta-SGD": methods.MetaSGD(LOSS, inner_lr=0.02),
    "Reptile": methods.Reptile(LOSS, inner_lr=0.02, inner_steps=3),
    "pooled": methods.Pooled(LOSS),
}
ON_IMAGES = {
    "Reptile": methods.ReptileAdam(SCORE, inner_lr=1e-3, inner_steps=3, batch_size=4),
    "Prototypical Networks": methods.ProtoNet(EMBEDDING, n_way=3, halvings=1),
    "Matching Networks": methods.MatchingNet(EMBEDDING, n_way=3),
}


def trained(method, **how):
    return train(
        method,
        NETWORK.init(np.random.default_rng(0)),
        Sinusoids(5, 5),
        **{"meta_steps": 20, "meta_batch_size": 4, "capture": "eager", "progress": False, **how},
    )


@pytest.mark.parametrize("name", ON_SINES)
def test_a_method_has_its_name_and_its_settings(name):
    method = ON_SINES[name]
    assert method.name == name
    assert not {"loss", "network", "classify"} & set(method.settings)
    assert method.settings["meta_lr"] == method.meta_lr


@pytest.mark.parametrize("name", [name for name in ON_SINES if name != "pooled"])
def test_the_learner_adapts_as_training_did(name):
    done = trained(ON_SINES[name])
    learner = done.learner()
    assert isinstance(learner, GradientLearner) and learner.inner_steps == ON_SINES[name].inner_steps
    assert done.learner(inner_steps=7).inner_steps == 7
    assert evaluate(learner, Sinusoids(5, 5), n_tasks=5, rng=np.random.default_rng(1)).mean > 0


@pytest.mark.parametrize("name", ["MAML", "ANIL", "Meta-SGD"])
def test_the_loss_of_training_is_that_of_its_learner(name):
    """The curve's last point, the loss at the last step's tasks, is what the learner of that moment has there."""
    method = ON_SINES[name]
    before = trained(method, meta_steps=4, block=1)
    after = trained(method, meta_steps=5, block=1)
    rng = np.random.default_rng(0)
    for _ in range(5):
        tasks = Sinusoids(5, 5).sample(4, rng)
    single = tensors(tasks, dtype=torch.float32)
    predictions = before.learner().many(arrays(single.support), arrays(single.query.x))
    assert after.curve["loss"][-1] == pytest.approx(((predictions - tasks.query.y) ** 2).mean(), rel=1e-5)


def test_the_pooled_learner_predicts_as_it_is_or_is_fine_tuned():
    done = trained(ON_SINES["pooled"])
    assert done.learner().inner_steps == 0
    assert done.learner(inner_lr=0.01, inner_steps=5).inner_lr == 0.01


@pytest.mark.parametrize("name", ON_IMAGES)
def test_methods_on_images_end_in_their_learner(name):
    method, family = ON_IMAGES[name], Episodes(glyphs.splits().train, 3, 2, 2)
    network = EMBEDDING if name != "Reptile" else SCORE.network
    done = train(
        method,
        network.init(np.random.default_rng(0)),
        family,
        meta_steps=3,
        meta_batch_size=2,
        capture="eager",
        progress=False,
    )
    assert method.name == name
    learner = done.learner()
    if name == "Reptile":
        assert isinstance(learner, AdamLearner) and learner.moments is done.state and learner.batch_size == 4
        assert done.learner(inner_steps=9, batch_size=2).inner_steps == 9
    else:
        assert isinstance(learner, MetricLearner) and "mean0" not in learner.params
        frozen = done.learner(frozen_on=torch.rand(20, 1, 28, 28))
        assert "mean0" in frozen.params
        assert 0 <= evaluate(frozen, family, n_tasks=3, rng=np.random.default_rng(0)).mean <= 1


def test_another_measure_is_a_value():
    def backwards(queries, support, labels, n_way):
        return torch.flip(protonet.classify(queries, support, labels, n_way), dims=(1,))

    method = methods.ProtoNet(EMBEDDING, n_way=3, classify=backwards)
    assert method.learner({"w": torch.zeros(1)}, ()).classify is backwards
    assert ON_IMAGES["Prototypical Networks"].classify is protonet.classify


def test_a_loss_that_does_not_say_whose_it_is_has_no_learner():
    def own(params, x, y):
        return LOSS(params, x, y)

    done = trained(methods.MAML(own, inner_lr=0.02), meta_steps=1)
    with pytest.raises(ValueError, match="set loss.network = network"):
        done.learner()
    own.network = NETWORK
    assert done.learner().network is NETWORK


# --- ANIL and Meta-SGD: the step of both twins, with Adam outside ---------------------------------------------


def reference_step(params, moments, tasks, inner_lr):
    """One meta-step with the NumPy twin's gradient."""
    loss = reference_losses.squared_error(reference_networks.mlp((1, 10, 10, 1)))
    gradient = reference_maml.meta_gradient(loss, arrays(params), tasks, inner_lr=inner_lr, inner_steps=2)
    return adam.update(params, tensors(gradient), moments, lr=1e-3)


@pytest.mark.parametrize("name", ["ANIL", "Meta-SGD"])
def test_twins_take_the_same_meta_steps(name):
    how = {"inner_lr": 0.02, "inner_steps": 2}
    method = methods.ANIL(LOSS, head=HEAD, **how) if name == "ANIL" else methods.MetaSGD(LOSS, **how)
    params = method.start(NETWORK.init(np.random.default_rng(0)))
    ours, moments = params, adam.init(params)
    rng = np.random.default_rng(5)
    for _ in range(3):
        tasks = Sinusoids(5, 5).sample(4, rng)
        rates = dict.fromkeys(HEAD, 0.02) if name == "ANIL" else learned
        ours, moments = reference_step(ours, moments, tasks, rates)
    done = trained(method, meta_steps=3, seed=5, dtype=torch.float64)
    for key, p in ours.items():
        np.testing.assert_allclose(done.params[key], p, rtol=1e-9, atol=1e-12, err_msg=key)


def test_meta_sgd_learns_a_rate_for_each_parameter():
    done = trained(ON_SINES["Meta-SGD"])
    rates = learned(done.params)
    assert {name: rate.shape for name, rate in rates.items()} == {
        name: p.shape for name, p in NETWORK.init(np.random.default_rng(0)).items()
    }
    assert all((rate != 0.02).any() for rate in rates.values())
    with pytest.raises(TypeError):
        done.learner(inner_lr=0.1)


def test_meta_sgd_gives_frozen_parameters_no_rate():
    params = {name: p.requires_grad_(name != "w0") for name, p in NETWORK.init(np.random.default_rng(0)).items()}
    started = ON_SINES["Meta-SGD"].start(params)
    assert "rate.w0" not in started and started["rate.w1"].requires_grad
    done = train(
        ON_SINES["Meta-SGD"], params, Sinusoids(5, 5), meta_steps=3, meta_batch_size=2, capture="eager",
        progress=False,
    )  # fmt: skip
    assert torch.equal(done.params["w0"], params["w0"].float()) and (done.params["rate.w1"] != 0.02).any()


def test_anil_leaves_the_body_alone_while_a_task_adapts():
    done = trained(ON_SINES["ANIL"])
    assert done.learner(inner_lr=0.3).inner_lr == dict.fromkeys(HEAD, 0.3)


@pytest.mark.parametrize("kind, more", [(methods.ANIL, {"head": HEAD}), (methods.MetaSGD, {})])
def test_a_method_that_chooses_what_adapts_takes_one_number(kind, more):
    with pytest.raises(ValueError, match="inner_lr is"):
        kind(LOSS, inner_lr=[0.1, 0.2], **more)


def test_what_a_method_must_have():
    with pytest.raises(NotImplementedError, match="Method has no step"):
        methods.Method().step({}, (), None, None)
    with pytest.raises(NotImplementedError, match="Method has no learner"):
        methods.Method().learner({}, ())


def test_the_pooled_rate_is_halved():
    method, params = methods.Pooled(LOSS, meta_lr=0.01, halvings=3), NETWORK.init(np.random.default_rng(0))
    tasks = tensors(Sinusoids(5, 5).sample(2, np.random.default_rng(1)))
    early, late = (method.step(params, method.init(params), tasks, torch.tensor(done))[0] for done in (0.1, 0.9))
    torch.testing.assert_close(late["w1"] - params["w1"], (early["w1"] - params["w1"]) / 8)


@pytest.mark.parametrize("head", ["linear", "cosine"])
def test_an_ordinary_classifier_learns_all_classes_and_then_drops_its_head(head):
    image_set = glyphs.splits().train.take(np.arange(6))
    method = methods.Classifier(networks.conv4(None, channels=8), n_classes=6, head=head, meta_lr=0.02)
    how = {"meta_steps": 40, "meta_batch_size": 1, "capture": "eager", "progress": False, "block": 1}
    done = train(method, method.network.init(np.random.default_rng(0)), Labelled(image_set, 30), **how)
    assert done.curve["loss"][-5:].mean() < 0.6 * done.curve["loss"][0]
    learner = done.learner(frozen_on=image_set.one_of_each())
    assert not [name for name in learner.params if name.startswith("head.")]
    known = Episodes(image_set, 3, 2, 2)
    assert evaluate(learner, known, n_tasks=20, rng=np.random.default_rng(0)).mean > 0.6
