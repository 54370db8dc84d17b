"""What is registered comes back as it was, by its version; what is damaged, foreign or wrong is refused."""

import json

import numpy as np
import pytest
import torch

from mlcourse import methods
from mlcourse.errors import DataError
from mlcourse.fast import losses, networks
from mlcourse.fast.arrays import tensors
from mlcourse.serving import registry
from mlcourse.serving.registry import Families, Recipe, Registry, register
from mlcourse.tasks import Sinusoids

SIZES = [1, 8, 1]
NETWORK = networks.mlp(SIZES)
FAMILY = Sinusoids(5, 5)
RECIPE = Recipe("mlcourse.fast.networks:mlp", {"sizes": SIZES})
QUICK = {"n_tasks": 24}


def learner(seed=0, method=methods.MAML, **how):
    made = method(losses.squared_error(NETWORK), **({"inner_lr": 0.01} | how))
    params = tensors(NETWORK.init(np.random.default_rng(seed)), dtype=torch.float32)
    return made.learner(made.start(params))


def network():
    """What a recipe of the reader's own may name."""
    return networks.mlp(SIZES)


def test_what_is_registered_comes_back(tmp_path):
    for version, kind in enumerate((methods.MAML, methods.MetaSGD), start=1):
        given = learner(method=kind)
        register(
            given, "mine", RECIPE, Families(FAMILY, FAMILY, FAMILY), folder=tmp_path, made={"seed": 3}, **QUICK
        )
        model = Registry(tmp_path, embedded=False).model("mine")
        task = FAMILY.sample(1, np.random.default_rng(5))
        support, x = type(task.support)(*(part[0] for part in task.support)), task.query.x[0]
        np.testing.assert_allclose(model.servable(support, x), given(support, x), rtol=1e-5, atol=1e-6)
        assert model.version == version and model.labels == f"mine/{version}"
    judged = model.record["judged"]
    assert model.record["made"] == {"seed": 3} and judged["n_tasks"] == 24 and judged["gap"] == 0.0
    assert judged["metric"] == "squared error" and 0 <= judged["right"]["mean"] <= 1


def test_the_current_version_is_the_promoted_one(tmp_path):
    for promote_it in (True, False):
        register(learner(), "m", RECIPE, Families(FAMILY, FAMILY), folder=tmp_path, promote_it=promote_it, **QUICK)
    found = Registry(tmp_path, embedded=False)
    assert (found.names(), found.versions("m"), found.current("m")) == (["m"], [1, 2], 1)
    registry.promote("m", 2, folder=tmp_path)
    assert found.model("m").version == 2 and found.model("m", 1).version == 1
    with pytest.raises(ValueError, match="no version 3 of 'm'.* 1, 2"):
        registry.promote("m", 3, folder=tmp_path)


def test_a_recipe_that_gives_another_model_is_refused(tmp_path):
    families = Families(FAMILY, FAMILY)
    with pytest.raises((ValueError, DataError), match="recipe|shape"):
        wrong = Recipe("mlcourse.fast.networks:mlp", {"sizes": SIZES}, loss="tests.serving.test_registry:absolute")
        register(learner(inner_lr=0.5), "m", wrong, families, folder=tmp_path, **QUICK)
    with pytest.raises(ValueError, match="cannot be found"):
        register(learner(), "m", "no_such_module:network", families, folder=tmp_path, **QUICK)
    with pytest.raises(ValueError, match="module:function"):
        register(learner(), "m", "mlcourse", families, folder=tmp_path, **QUICK)
    assert not list(tmp_path.glob("m/[0-9]*"))
    register(learner(), "m", "tests.serving.test_registry:network", families, folder=tmp_path, **QUICK)


def absolute(network):
    """Another loss than the learner's."""

    def loss(params, x, y):
        return (network.apply(params, x) - y).abs().mean()

    loss.network = network
    return loss


def test_a_transductive_learner_is_refused(tmp_path):
    headed = networks.conv4(5, 4)
    made = methods.MAML(losses.cross_entropy(headed), inner_lr=0.1)
    params = tensors(headed.init(np.random.default_rng(0)), dtype=torch.float32)
    from mlcourse.tasks import Episodes, glyphs

    images = Episodes(glyphs.splits().test, 5, 1, 2)
    recipe = Recipe("mlcourse.fast.networks:conv4", {"n_way": 5, "channels": 4})
    with pytest.raises(ValueError, match="transductive"):
        register(made.learner(params), "m", recipe, Families(images, images), folder=tmp_path, n_tasks=2)


@pytest.mark.parametrize("name", ["", "UP", "a/b", "..", ".hidden", "a" * 65, "a b"])
def test_a_name_that_is_no_folder_is_refused(name, tmp_path):
    with pytest.raises(ValueError, match="name is"):
        register(learner(), name, RECIPE, Families(FAMILY, FAMILY), folder=tmp_path, **QUICK)


def test_damage_is_told_with_the_file(tmp_path):
    where = register(learner(), "m", RECIPE, Families(FAMILY, FAMILY), folder=tmp_path, **QUICK)
    numbers, record = where / "params.safetensors", where / "model.json"
    whole, words = numbers.read_bytes(), record.read_text()
    numbers.write_bytes(whole[:-8] + b"12345678")
    with pytest.raises(DataError, match="does not hold what"):
        registry.load(where)
    numbers.write_bytes(whole[:50])
    with pytest.raises(DataError, match="params.safetensors cannot be read"):
        registry.load(where)
    numbers.write_bytes(whole)
    record.write_text(json.dumps(json.loads(words) | {"form": {}}))
    with pytest.raises(DataError, match="cannot be built again"):
        registry.load(where)
    record.write_text("{")
    with pytest.raises(DataError, match="model.json cannot be read"):
        registry.load(where)


def test_what_there_is_not_is_a_key_error_with_what_there_is():
    course = Registry(None)
    assert course.names() == ["glyphs", "sines"]
    with pytest.raises(KeyError, match="sines"):
        course.model("sine")
    with pytest.raises(KeyError, match="no such version"):
        course.model("sines", 99)
    with pytest.raises(KeyError):
        course.model("../models/sines")


def test_the_course_s_own_models_are_as_good_as_their_records_say():
    for name, least, most in (("glyphs", 0.95, 1.0), ("sines", 0.0, 0.3)):
        judged = Registry(None).record(name)["judged"]
        assert least < judged["mean"] < most and judged["n_tasks"] == 600
        assert judged["answered"]["right"] > 0.9


def test_a_model_of_one_s_own_follows_the_course_s_of_the_same_name(tmp_path):
    where = register(learner(), "sines", RECIPE, Families(FAMILY, FAMILY), folder=tmp_path, **QUICK)
    found = Registry(tmp_path)
    assert where.name == "2" and found.versions("sines") == [1, 2] and found.current("sines") == 2
    sizes = [len(found.model("sines", version).servable.learner.params["b0"]) for version in (1, 2)]
    assert sizes == [40, 8]
    registry.promote("sines", 1, folder=tmp_path)
    assert found.model("sines").version == 1
