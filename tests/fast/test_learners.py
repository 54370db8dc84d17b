"""What batch normalisation sees decides what is measured: queries together, alone, or frozen statistics."""

import numpy as np
import pytest
import torch

from mlcourse.evaluation import evaluate
from mlcourse.fast import adam, learners, losses, networks, protonet
from mlcourse.fast.arrays import tensors
from mlcourse.tasks import Episodes, glyphs, one

CLASSIFIER, EMBEDDING = networks.conv4(5, channels=4), networks.conv4(None, channels=4)
LOSS = losses.cross_entropy(CLASSIFIER)
PARAMS = tensors(CLASSIFIER.init(np.random.default_rng(0)), dtype=torch.float32)
FAMILY = Episodes(glyphs.splits().test, n_query=2)


def learner(name: str, queries: str):
    if name == "gradient":
        return learners.GradientLearner(CLASSIFIER, LOSS, PARAMS, 0.4, 2, queries)
    if name == "adam":
        moments = adam.init(PARAMS)
        return learners.AdamLearner(CLASSIFIER, LOSS, PARAMS, moments, 1e-3, 3, batch_size=10, queries=queries)
    return learners.MetricLearner(protonet.classify, EMBEDDING, PARAMS, queries)


each_learner = pytest.mark.parametrize("name", ["gradient", "adam", "metric"])


@each_learner
def test_the_trap_together_is_another_number_and_evaluate_says_which_was_used(name):
    """The same weights and tasks; only what normalisation sees of the queries differs."""
    rng = lambda: np.random.default_rng(0)  # noqa: E731
    together = evaluate(learner(name, "together"), FAMILY, n_tasks=40, rng=rng(), transductive=True)
    alone = evaluate(learner(name, "alone"), FAMILY, n_tasks=40, rng=rng())
    assert not np.array_equal(together.scores, alone.scores)
    assert str(together).endswith("40 tasks, transductive)") and str(alone).endswith("40 tasks, not transductive)")


@each_learner
def test_judged_together_undeclared_is_refused(name):
    with pytest.raises(ValueError, match="it is transductive"):
        evaluate(learner(name, "together"), FAMILY, n_tasks=2, rng=np.random.default_rng(0))


def test_frozen_statistics_are_not_transductive_either_way():
    x = torch.as_tensor(glyphs.splits().train.images[:50, :1].astype(np.float32) / 255)
    params = networks.freeze_statistics(PARAMS, x)
    ways = [learners.MetricLearner(protonet.classify, EMBEDDING, params, queries) for queries in learners.QUERIES]
    first, second = (evaluate(way, FAMILY, n_tasks=10, rng=np.random.default_rng(0)) for way in ways)
    np.testing.assert_allclose(first.scores, second.scores)


@each_learner
@pytest.mark.parametrize("queries", learners.QUERIES)
def test_many_tasks_at_once_are_each_task_by_itself(name, queries):
    tasks, judge = FAMILY.sample(3, np.random.default_rng(2)), learner(name, queries)
    many = judge.many(tasks.support, tasks.query.x)
    for i in range(3):
        task = one(tasks, i)
        np.testing.assert_allclose(judge(task.support, task.query.x), many[i], rtol=1e-3, atol=1e-4)


def test_alone_means_the_support_set_and_that_query():
    task = one(FAMILY.sample(1, np.random.default_rng(3)), 0)
    judge = learners.GradientLearner(CLASSIFIER, LOSS, PARAMS, 0.4, 0, "alone")
    batch = torch.as_tensor(np.concatenate([task.support.x, task.query.x[4:5]]))
    by_hand = CLASSIFIER.apply(PARAMS, batch)[-1]
    np.testing.assert_allclose(judge(task.support, task.query.x)[4], by_hand, rtol=1e-4, atol=1e-5)


@each_learner
def test_an_unknown_way_is_refused(name):
    with pytest.raises(ValueError, match="queries is 'both'; choose one of together, alone"):
        learner(name, "both")
