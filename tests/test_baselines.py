"""The baselines by hand and by law, and the sweep: everything that was tried, and the best of it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mlcourse import baselines, metrics
from mlcourse.evaluation import adaptation_curve, evaluate
from mlcourse.reference import learners, losses, networks
from mlcourse.tasks import Examples, Sinusoids, Task

SINES = Sinusoids(k_shot=5, n_query=10)
NETWORK = networks.mlp((1, 8, 1))

LABELS = np.array([0, 0, 1, 1])
POINTS = np.array([[0.0, 0.0], [2.0, 0.0], [5.0, 1.0], [5.0, 3.0]])  # class means (1, 0) and (5, 2)
SUPPORT = Examples(POINTS, LABELS)
QUERY = np.array([[0.9, 0.1], [4.0, 2.0], [3.1, 0.9]])

PLANE = arrays.arrays(float, (6, 2), elements=st.floats(-10, 10, width=32))


def gradient_learner(inner_steps: int = 4) -> learners.GradientLearner:
    start = NETWORK.init(np.random.default_rng(0))
    return learners.GradientLearner(NETWORK, losses.squared_error(NETWORK), start, 0.01, inner_steps)


# ---- nearest neighbour and nearest class mean -----------------------------------------------------------------


def test_nearest_neighbour_by_hand():
    np.testing.assert_array_equal(baselines.nearest_neighbour()(SUPPORT, QUERY), [0, 1, 0])


def test_nearest_neighbour_repeats_numbers_too():
    support = Examples(np.array([[0.0], [1.0]]), np.array([[7.0], [9.0]]))
    np.testing.assert_array_equal(baselines.nearest_neighbour()(support, np.array([[0.4], [3.0]])), [[7.0], [9.0]])


def test_nearest_class_mean_by_hand():
    scores = baselines.nearest_class_mean()(SUPPORT, QUERY)
    np.testing.assert_allclose(scores[0], [-(0.1**2 + 0.1**2), -(4.1**2 + 1.9**2)])
    np.testing.assert_array_equal(scores.argmax(axis=1), [0, 1, 1])  # the third is nearer to a point of class 0


@given(PLANE, PLANE)
def test_with_one_shot_they_are_the_same_learner(points, query):
    support = Examples(points, np.arange(len(points)))
    distances = ((query[:, None] - points[None]) ** 2).sum(axis=-1)
    by_neighbour = baselines.nearest_neighbour()(support, query)
    by_mean = baselines.nearest_class_mean()(support, query).argmax(axis=1)
    rows = np.arange(len(query))
    np.testing.assert_allclose(distances[rows, by_neighbour], distances[rows, by_mean])


@given(PLANE, PLANE, st.floats(-5, 5), st.floats(0.1, 5))
def test_moving_and_scaling_the_whole_plane_changes_no_distance_order(points, query, shift, scale):
    labels = np.array([0, 0, 0, 1, 1, 1])
    before = baselines.nearest_class_mean()(Examples(points, labels), query)
    after = baselines.nearest_class_mean()(Examples(scale * points + shift, labels), scale * query + shift)
    np.testing.assert_allclose(after, scale**2 * before, rtol=1e-6, atol=1e-6)


def test_images_are_flattened_and_an_embedding_takes_their_place():
    images = np.random.default_rng(0).random((4, 1, 3, 3))
    support = Examples(images, LABELS)
    np.testing.assert_array_equal(baselines.nearest_neighbour()(support, images), LABELS)
    assert baselines.flatten(images).shape == (4, 9)
    blind = baselines.nearest_neighbour(lambda x: np.zeros((len(x), 1)))
    np.testing.assert_array_equal(blind(support, images), [0, 0, 0, 0])


def test_class_means_need_labels_and_every_label():
    with pytest.raises(ValueError, match="support.y has dtype float64; class means need whole-number labels"):
        baselines.nearest_class_mean()(Examples(POINTS, LABELS.astype(float)), QUERY)
    with pytest.raises(ValueError, match=r"support.y has no example of class 1.*0 \.\.\. 2"):
        baselines.nearest_class_mean()(Examples(POINTS, np.array([0, 0, 2, 2])), QUERY)


# ---- linear probe ---------------------------------------------------------------------------------------------


def test_the_linear_probe_finds_a_line():
    x = np.linspace(-1, 1, 9)[:, None]
    found = baselines.linear_probe(1e-9)(Examples(x, 3 * x + 2), np.array([[10.0]]))
    assert found == pytest.approx(np.array([[32.0]]))


def test_the_linear_probe_is_ridge_regression_with_a_free_intercept():
    """Held against the primal normal equations, on centred features."""
    generator = np.random.default_rng(1)
    x, y, query = generator.normal(size=(7, 3)), generator.normal(size=(7, 2)), generator.normal(size=(4, 3))
    c, t = x - x.mean(axis=0), y - y.mean(axis=0)
    weights = np.linalg.solve(c.T @ c + 0.3 * np.eye(3), c.T @ t)
    want = (query - x.mean(axis=0)) @ weights + y.mean(axis=0)
    np.testing.assert_allclose(baselines.linear_probe(0.3)(Examples(x, y), query), want)


def test_a_heavy_ridge_leaves_the_mean():
    support = Examples(POINTS, np.array([[1.0], [2.0], [3.0], [6.0]]))
    np.testing.assert_allclose(baselines.linear_probe(1e12)(support, QUERY), 3.0, rtol=1e-6)


def test_the_linear_probe_classifies_by_one_hot_targets():
    scores = baselines.linear_probe(0.01)(SUPPORT, QUERY)
    assert scores.shape == (3, 2)
    np.testing.assert_array_equal(scores.argmax(axis=1)[:2], [0, 1])
    np.testing.assert_allclose(scores.sum(axis=1), 1.0)


@pytest.mark.parametrize("ridge", [0, -1.0, float("nan")])
def test_a_ridge_that_is_not_positive_is_refused(ridge):
    with pytest.raises(ValueError, match=f"ridge is {ridge}; give a positive number"):
        baselines.linear_probe(ridge)


# ---- the sweeps -----------------------------------------------------------------------------------------------


def test_a_sweep_keeps_every_row_and_returns_the_best():
    values = (1e-3, 1e-1, 10.0)
    found = baselines.sweep(baselines.linear_probe, "ridge", values, SINES, n_tasks=20, rng_seed=4)
    assert [row["ridge"] for row in found.rows] == list(values)
    for row in found.rows:
        judged = evaluate(baselines.linear_probe(row["ridge"]), SINES, n_tasks=20, rng=np.random.default_rng(4))
        assert row["score"] == judged.mean
    assert found.settings == min(found.rows, key=lambda row: row["score"])
    again = evaluate(found.learner, SINES, n_tasks=20, rng=np.random.default_rng(4))
    assert again.mean == found.settings["score"]


def test_for_accuracy_the_best_is_the_largest():
    class Line:
        """Two classes on a line, at -1 and 1."""

        def sample(self, n_tasks, rng):
            x, y = np.array([[-1.0], [1.0]]), np.array([0, 1])
            both = Examples(np.tile(x, (n_tasks, 1, 1)), np.tile(y, (n_tasks, 1)))
            return Task(both, both)

    def make(sign):
        return baselines.nearest_neighbour(lambda x: x if sign > 0 else np.zeros_like(x))

    found = baselines.sweep(make, "sign", (-1.0, 1.0), Line(), n_tasks=2, rng_seed=0)
    assert found.settings == {"sign": 1.0, "score": 1.0}


def test_rate_and_steps_are_tuned_together():
    rates = (0.001, 0.02, 1e6)
    found = baselines.sweep_steps(gradient_learner(4), rates, SINES, n_tasks=10, rng_seed=7)
    tried = [(row["inner_lr"], row["inner_steps"]) for row in found.rows]
    assert tried == [(rate, steps) for rate in rates for steps in range(1, 5)]
    alone = replace(gradient_learner(4), inner_lr=0.02)
    curve = adaptation_curve(alone, SINES, n_tasks=10, rng=np.random.default_rng(7))
    tried = [row["score"] for row in found.rows if row["inner_lr"] == 0.02]
    np.testing.assert_allclose(tried, curve.mean[1:])
    assert found.settings["score"] == min(row["score"] for row in found.rows)
    chosen = {"inner_lr": found.learner.inner_lr, "inner_steps": found.learner.inner_steps}
    assert chosen == {name: found.settings[name] for name in chosen}


def test_only_the_steps_that_were_asked_for_are_candidates():
    found = baselines.sweep_steps(gradient_learner(4), (0.01,), SINES, n_tasks=4, rng_seed=0, steps=(1, 4))
    assert [row["inner_steps"] for row in found.rows] == [1, 4]


def test_a_rate_that_diverges_is_infinitely_bad_and_warns_nobody(recwarn):
    found = baselines.sweep_steps(gradient_learner(200), (0.01, 50.0), SINES, n_tasks=3, rng_seed=0, steps=(200,))
    assert found.settings["inner_lr"] == 0.01
    assert found.rows[1]["score"] == float("inf")
    assert not recwarn.list


def test_a_setting_that_gives_no_numbers_is_infinitely_bad():
    def make(value):
        return lambda support, query_x: np.full((len(query_x), 1), value)

    found = baselines.sweep(make, "value", (float("nan"), 0.0), SINES, n_tasks=3, rng_seed=0)
    assert found.settings["value"] == 0.0 and found.rows[0]["score"] == float("inf")


class Lopsided:
    """Tasks of whose ten queries nine are in class 0, which NaN scores would name."""

    def sample(self, n_tasks, rng):
        y = np.tile([0] * 9 + [1], (n_tasks, 1))
        x = rng.normal(size=(n_tasks, 10, 1)) + 3 * y[..., None]
        return Task(Examples(x[:, 7:], y[:, 7:]), Examples(x, y))


def test_a_rate_whose_scores_are_no_numbers_is_never_chosen():
    network = networks.mlp((1, 4, 2))
    learner = learners.GradientLearner(
        network, losses.cross_entropy(network), network.init(np.random.default_rng(0)), 0.1, 5
    )
    found = baselines.sweep_steps(learner, (1e-9, 1e300), Lopsided(), n_tasks=5, rng_seed=0, steps=(5,))
    assert found.settings["inner_lr"] == 1e-9 and found.rows[1]["not_finite"] > 30


def test_a_sweep_in_which_all_diverge_says_so():
    with pytest.raises(
        ValueError, match=r"with every value that was tried \(nan\) some predictions are no finite"
    ):
        baselines.sweep(
            lambda value: lambda support, query_x: np.full((len(query_x), 1), value),
            "value", (float("nan"),), SINES, n_tasks=3, rng_seed=0,
        )  # fmt: skip


def test_a_sweep_needs_values_and_a_name_of_its_own():
    make = {"make": lambda value: baselines.linear_probe(1.0), "family": SINES, "n_tasks": 3, "rng_seed": 0}
    with pytest.raises(ValueError, match=r"values \[\]; give at least one value"):
        baselines.sweep(name="ridge", values=[], **make)
    with pytest.raises(ValueError, match="name is 'score'.*another name than a score"):
        baselines.sweep(name="score", values=[1.0], **make)
    for rates, steps in (([], None), ([0.1], []), ([0.1], [9])):
        with pytest.raises(ValueError, match="give at least one of each, steps from 0 to 4"):
            baselines.sweep_steps(gradient_learner(4), rates, SINES, n_tasks=3, rng_seed=0, steps=steps)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_query_without_a_distance_has_no_answer(bad):
    support = Examples(np.array([[0.0], [1.0]]), np.array([0, 1]))
    answers = baselines.nearest_neighbour()(support, np.array([[0.9], [bad]]))
    assert answers[0] == 1 and np.isnan(answers[1])
    outputs = Examples(support.x, np.array([[0.0], [1.0]]))
    assert np.isnan(baselines.nearest_neighbour()(outputs, np.array([[0.9], [bad]]))).tolist() == [[False], [True]]


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, bool])
def test_distances_of_bytes_do_not_wrap(dtype):
    support = Examples(np.array([[0], [1]]) * 200, np.array([0, 1]))
    for learner in (baselines.nearest_neighbour, baselines.nearest_class_mean):
        answers = learner(lambda x: x.astype(dtype))(support, np.array([[190], [0]]))
        assert (answers if answers.ndim == 1 else answers.argmax(axis=1)).tolist() == [1, 0]


def test_labels_below_zero_are_refused():
    support = Examples(np.ones((2, 1)), np.array([-1, 1]))
    for learner in (baselines.linear_probe(1.0), baselines.nearest_class_mean()):
        with pytest.raises(ValueError, match="support.y holds labels -1 to 1"):
            learner(support, np.ones((1, 1)))


def test_a_sweep_follows_the_metric_that_is_asked_for():
    """Always saying 1 is the smaller squared error; as a return, more is better."""
    how = {"n_tasks": 4, "rng_seed": 0}

    def make(value):
        return lambda support, query_x: np.full((len(query_x), 1), value)

    family = Sinusoids(k_shot=2, n_query=3)
    assert baselines.sweep(make, "value", [0.0, 9.0], family, **how).settings["value"] == 0
    found = baselines.sweep(make, "value", [0.0, 9.0], family, **how, metric=metrics.RETURN)
    assert found.settings == {"value": 9.0, "score": 9.0}
    steps = baselines.sweep_steps(gradient_learner(), [0.0, 0.01], family, **how, metric="root-mean-square error")
    scores = [row["score"] for row in steps.rows]
    assert steps.settings["score"] == min(scores) and max(scores) < 4  # amplitudes reach 5, squares of them 25
