"""Each metric beside a definition written out by hand, and what it makes of predictions that are no numbers."""

import itertools
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcourse import metrics
from mlcourse.baselines import nearest_neighbour
from mlcourse.evaluation import AdaptationCurve, Evaluation, adaptation_curve, evaluate
from mlcourse.metrics import (
    ACCURACY,
    BALANCED_ACCURACY,
    NEGATIVE_LOG_LIKELIHOOD,
    RETURN,
    RMSE,
    SQUARED_ERROR,
    ndcg,
)
from mlcourse.tasks import Examples, Sinusoids, Task

NAN, INF = np.nan, np.inf
FAIR = np.log([[[0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.3, 0.4, 0.3]]])  # (1, 4, 3)


def score(metric, predictions, y):
    """The score of one task, given without its axis."""
    found = metric.score(np.asarray(predictions)[None], np.asarray(y)[None])
    assert found.shape == (1,)
    return float(found[0])


# --- classes -----------------------------------------------------------------------------------------------


def test_accuracy_is_the_share_of_queries_given_their_class():
    assert score(ACCURACY, FAIR[0], [0, 1, 2, 0]) == 0.75
    assert score(ACCURACY, [0, 1, 2, 0], [0, 1, 2, 2]) == 0.75


def test_balanced_accuracy_counts_every_present_class_alike():
    y, predicted = [0, 0, 0, 2], [0, 0, 1, 2]  # 2 of 3, and 1 of 1; class 1 is not there
    assert score(BALANCED_ACCURACY, predicted, y) == pytest.approx((2 / 3 + 1) / 2)
    assert score(BALANCED_ACCURACY, np.zeros(4), y) == 0.5  # whoever always says 0 gains nothing by it


@given(st.lists(st.integers(0, 3), min_size=1, max_size=8), st.integers(0, 99))
def test_balanced_accuracy_is_the_mean_of_recalls(y, seed):
    y, predicted = np.array(y), np.random.default_rng(seed).integers(0, 4, len(y))
    recalls = [(predicted[y == label] == label).mean() for label in np.unique(y)]
    assert score(BALANCED_ACCURACY, predicted, y) == pytest.approx(np.mean(recalls))


def test_balanced_accuracy_judges_each_task_by_its_own_classes():
    y, predicted = np.array([[0, 0, 1], [2, 2, 2]]), np.array([[0, 1, 1], [2, 2, 0]])
    np.testing.assert_allclose(BALANCED_ACCURACY.score(predicted, y), [0.75, 2 / 3])


def test_negative_log_likelihood_is_the_mean_surprise():
    assert score(NEGATIVE_LOG_LIKELIHOOD, FAIR[0], [0, 1, 2, 0]) == pytest.approx(
        -np.mean(np.log([0.5, 0.8, 0.6, 0.3]))
    )


def test_a_sure_no_to_the_right_class_is_an_infinite_loss():
    sure = [[0.0, -INF], [0.0, -INF]]
    assert score(NEGATIVE_LOG_LIKELIHOOD, sure, [0, 0]) == 0
    assert score(NEGATIVE_LOG_LIKELIHOOD, sure, [0, 1]) == INF


@pytest.mark.parametrize("wrong", [FAIR + 0.01, np.exp(FAIR), FAIR * 2, np.full((1, 4, 3), 800.0)])
def test_what_are_no_log_probabilities_is_refused(wrong):
    with pytest.raises(ValueError, match="sum to .*, not 1; return log-probabilities: log_softmax"):
        NEGATIVE_LOG_LIKELIHOOD.score(wrong, np.zeros((1, 4), int))
    with pytest.raises(ValueError, match=r"return log-probabilities \(queries, n_way\)"):
        NEGATIVE_LOG_LIKELIHOOD.score(np.zeros((1, 4)), np.zeros((1, 4), int))


def test_single_precision_leaves_log_probabilities_near_enough():
    logits = np.random.default_rng(0).normal(size=(2, 5, 20)).astype(np.float32) * 20
    shifted = logits - logits.max(axis=-1, keepdims=True)
    NEGATIVE_LOG_LIKELIHOOD.score(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)), np.ones((2, 5), int))


@pytest.mark.parametrize("metric", [ACCURACY, BALANCED_ACCURACY, NEGATIVE_LOG_LIKELIHOOD])
def test_labels_beyond_the_scores_and_labels_that_are_none_are_refused(metric):
    with pytest.raises(ValueError, match="scores 3 classes, and the query labels go up to 3"):
        score(metric, FAIR[0], [0, 1, 2, 3])
    with pytest.raises(ValueError, match="dtype float64; this metric takes whole-number labels"):
        score(metric, FAIR[0], [0.0, 1, 2, 0])


# --- numbers -----------------------------------------------------------------------------------------------


def test_rmse_is_the_root_of_each_tasks_mean():
    predictions, y = np.array([[1.0, 3.0], [0.0, 0.0]]), np.zeros((2, 2))
    assert SQUARED_ERROR.score(predictions, y).tolist() == [5, 0]
    assert RMSE.score(predictions, y).tolist() == [5**0.5, 0]  # their mean is not the root of 2.5


def test_whole_numbers_do_not_wrap():
    assert score(SQUARED_ERROR, np.array([3], np.uint8), np.array([5], np.uint8)) == 4


# --- rankings ----------------------------------------------------------------------------------------------


def dcg(gains, k):
    return sum(gain / math.log2(1 + place) for place, gain in enumerate(gains[:k], start=1))


def by_hand(scores, y, k):
    """The mean over all orders of equal scores of DCG, over that of the best order."""
    best = dcg(sorted(y, reverse=True), k)
    orders = [
        order
        for order in itertools.permutations(range(len(y)))
        if all(scores[a] >= scores[b] for a, b in itertools.pairwise(order))
    ]
    return np.mean([dcg([y[i] for i in order], k) for order in orders]) / best if best else 0.0


ranked = st.integers(1, 6).flatmap(
    lambda n: st.tuples(
        st.lists(st.sampled_from([-1.0, 0.0, 0.5, 2.0]), min_size=n, max_size=n),
        st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0]), min_size=n, max_size=n),
        st.integers(1, 8),
    )
)


@given(ranked)
def test_ndcg_is_the_mean_over_the_orders_of_equal_scores(case):
    scores, y, k = case
    assert score(ndcg(k), scores, y) == pytest.approx(by_hand(scores, y, k), abs=1e-12)


@given(ranked, st.randoms(use_true_random=False))
def test_the_order_of_queries_changes_no_bit_of_ndcg(case, random):
    scores, y, k = case
    order = random.sample(range(len(y)), len(y))
    assert score(ndcg(k), np.array(scores)[order], np.array(y)[order]) == score(ndcg(k), scores, y)


def test_ndcg_known_values():
    assert score(ndcg(3), [3.0, 2, 1], [3.0, 2, 0]) == 1
    # gains are the relevances themselves: (2 + 3 / log2(3)) / (3 + 2 / log2(3))
    assert score(ndcg(2), [1.0, 2], [3.0, 2]) == pytest.approx((2 + 3 / math.log2(3)) / (3 + 2 / math.log2(3)))
    assert score(ndcg(5), [1.0, 2], [0.0, 0]) == 0  # nothing relevant
    assert score(ndcg(1), [[1.0], [2]], [[0.0], [1]]) == 1  # a network with one output


def test_relevances_below_zero_are_refused():
    with pytest.raises(ValueError, match="go down to -1; NDCG takes relevances of at least 0"):
        score(ndcg(3), [1.0, 2], [-1.0, 2])
    with pytest.raises(ValueError, match="k is 0"):
        ndcg(0)


# --- rewards -----------------------------------------------------------------------------------------------


def test_a_return_is_the_mean_of_what_episodes_brought_in():
    assert score(RETURN, [1.0, 3.0], [0.0, 0.0]) == 2 == score(RETURN, [[1.0], [3.0]], [7, 8])


# --- what is no finite number ------------------------------------------------------------------------------

WORST = [
    (ACCURACY, [0.0, NAN], [0, 1], 0.5),
    (ACCURACY, [[1.0, 0.0], [NAN, 1.0]], [0, 1], 0.5),
    (ACCURACY, [[1.0, 0.0], [0.0, INF]], [0, 1], 0.5),
    (BALANCED_ACCURACY, [0.0, NAN], [0, 1], 0.5),
    (SQUARED_ERROR, [1.0, NAN], [1.0, 0.0], INF),
    (RMSE, [1.0, -INF], [1.0, 0.0], INF),
    (ndcg(2), [NAN, 1.0, 0.0], [1.0, 1.0, 0.0], (1 / math.log2(3)) / (1 + 1 / math.log2(3))),
    (ndcg(2), [NAN, 1.0], [0.0, 1.0], 1 / math.log2(3)),  # not the last place, where it would do no harm
    (ndcg(2), [NAN, INF], [1.0, 1.0], 0.0),
    (NEGATIVE_LOG_LIKELIHOOD, [[0.0, -INF], [NAN, NAN]], [0, 0], INF),
    (NEGATIVE_LOG_LIKELIHOOD, [[0.0, -INF], [-INF, -INF]], [0, 0], INF),
    (RETURN, [1.0, NAN], [0.0, 0.0], -INF),
    (RETURN, [1.0, INF], [0.0, 0.0], -INF),
]


@pytest.mark.parametrize(("metric", "predictions", "y", "expected"), WORST)
def test_what_is_no_finite_number_is_wrong(metric, predictions, y, expected):
    assert score(metric, predictions, y) == pytest.approx(expected)


class Same:
    """A family with the same query labels in each task; x says which query it is."""

    def __init__(self, y):
        self.y = np.asarray(y)

    def sample(self, n_tasks, rng):
        y = np.repeat(self.y[None], n_tasks, axis=0)
        x = np.repeat(np.arange(len(self.y), dtype=float)[None, :, None], n_tasks, axis=0)
        return Task(Examples(x, y), Examples(x, y))


def saying(predictions):
    """A learner that has an answer for each query, whatever it has seen."""
    return lambda support, query_x: np.asarray(predictions)[query_x[:, 0].astype(int)]


def judged(metric, predictions, y):
    return evaluate(saying(predictions), Same(y), n_tasks=2, rng=np.random.default_rng(0), metric=metric)


@pytest.mark.parametrize(("metric", "predictions", "y", "expected"), WORST)
def test_evaluate_counts_it(metric, predictions, y, expected):
    found = judged(metric, predictions, y)
    wrong = ~np.isfinite(np.asarray(predictions)[:, None] if np.ndim(predictions) == 1 else np.max(predictions, 1))
    assert found.mean == pytest.approx(expected) and found.not_finite == 2 * wrong.sum() > 0
    assert "count" in str(found)


# --- a metric in an evaluation -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "predictions", "y", "told"),
    [
        (ACCURACY, [0, 1], [0, 0], "accuracy 50.0 ± 0.0 % (95 %"),
        (BALANCED_ACCURACY, [0, 0], [0, 1], "balanced accuracy 50.0 ± 0.0 % (95 %"),
        (SQUARED_ERROR, [1.0, 3], [0.0, 0], "squared error 5.000 ± 0.000 (95 %"),
        (RMSE, [1.0, 3], [0.0, 0], "root-mean-square error 2.236 ± 0.000 (95 %"),
        (ndcg(1), [1.0, 3], [0.0, 1], "NDCG@1 1.000 ± 0.000 (95 %"),
        (NEGATIVE_LOG_LIKELIHOOD, np.log([[0.5, 0.5]] * 2), [0, 1], "negative log-likelihood 0.693 ± 0.000 (95 %"),
        (RETURN, [10.0, 20], [0.0, 0], "return 15.000 ± 0.000 (95 %"),
        (metrics.Metric("regret", SQUARED_ERROR.score, False, "€"), [1.0], [0.0], "regret 1.000 ± 0.000 € (95 %"),
    ],
)
def test_an_evaluation_is_printed_in_its_unit(metric, predictions, y, told):
    assert str(judged(metric, predictions, y)).startswith(told)


def test_without_a_metric_labels_decide():
    assert judged(None, [0, 1], [0, 1]).metric == ACCURACY
    assert judged(None, [0.0, 1.0], [0.0, 1.0]).metric == SQUARED_ERROR
    assert judged("return", [0, 1], [0, 1]).metric is RETURN


def test_a_metric_may_be_named():
    assert Evaluation("accuracy", np.ones(2), False).metric is ACCURACY
    assert AdaptationCurve("squared error", np.ones((2, 3))).at(1).metric is SQUARED_ERROR
    with pytest.raises(ValueError, match="metric is 'acuracy'; choose one of .*did you mean \"accuracy\""):
        Evaluation("acuracy", np.ones(2), False)
    with pytest.raises(ValueError, match="metric is 3; choose one of"):
        judged(3, [0, 1], [0, 1])


def test_reaches_and_steps_to_follow_the_metric():
    scores = np.array([[0.1, 0.5, 0.9], [0.2, 0.6, 0.8]])
    up, down = (AdaptationCurve(metric, scores) for metric in (RETURN, SQUARED_ERROR))
    assert (up.steps_to(0.5), down.steps_to(0.5)) == (1, 0)
    assert up.steps_to(0.86) is None and down.steps_to(0.1) is None
    end = Evaluation(RETURN, np.array([0.5, 0.7]), False)
    assert end.reaches(0.7) and not end.reaches(0.9)
    end = Evaluation(RMSE, np.array([0.5, 0.7]), False)
    assert end.reaches(0.5) and not end.reaches(0.3)


def test_a_new_metric_is_a_function_and_a_line():
    def worst(predictions, y):
        return np.abs(predictions - y).max(axis=1)

    largest = metrics.Metric("largest error", worst, higher_is_better=False)
    assert judged(largest, [1.0, 3], [0.0, 0]).mean == 3


def test_equal_metrics_are_equal_and_can_be_stored():
    assert ndcg(5) == ndcg(5) != ndcg(10) and len({ndcg(5), ndcg(5)}) == 1
    assert pickle.loads(pickle.dumps(ndcg(5))).score(np.array([[1.0, 0]]), np.array([[1.0, 0]])) == 1


def test_curves_take_a_metric():
    class Two:
        def along(self, support, query_x):
            return np.stack([np.zeros(query_x.shape[:2]), query_x[..., 0]], axis=1)

    found = adaptation_curve(Two(), Same([0.0, 2.0]), n_tasks=2, rng=np.random.default_rng(0), metric=RMSE)
    assert found.metric is RMSE
    np.testing.assert_allclose(found.mean, [2**0.5, 0.5**0.5])


@given(st.sampled_from([ACCURACY, BALANCED_ACCURACY, SQUARED_ERROR, RMSE, RETURN, ndcg(2)]), st.integers(0, 99))
def test_tasks_are_scored_one_by_one(metric, seed):
    """Vectorised over tasks is the same as a loop over them."""
    rng = np.random.default_rng(seed)
    predictions, y = (rng.integers(0, 3, (4, 5)).astype(float if metric.unit == "" else int) for _ in range(2))
    expected = [score(metric, *one) for one in zip(predictions, y, strict=True)]
    np.testing.assert_array_equal(metric.score(predictions, y), expected)


def test_a_function_is_no_metric_and_a_metric_scores_each_task():
    family, learner = Sinusoids(5, 5), nearest_neighbour()

    def how_far(predictions, y):
        return np.abs(predictions - y).mean()

    with pytest.raises(ValueError, match="metric is the function 'how_far'; give it a name and a direction"):
        evaluate(learner, family, n_tasks=4, rng=np.random.default_rng(0), metric=how_far)
    with pytest.raises(ValueError, match=r"gave scores of shape \(\) for 4 tasks"):
        metric = metrics.Metric("how far", how_far, False)
        evaluate(learner, family, n_tasks=4, rng=np.random.default_rng(0), metric=metric)
