"""The protocol: what ± is, who is refused, what every measure means, and that other queries move nothing."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mlcourse import baselines, evaluation, metrics
from mlcourse.evaluation import (
    AdaptationCurve,
    Evaluation,
    Gap,
    across_seeds,
    adaptation_curve,
    adaptation_speed,
    evaluate,
    generalisation_gap,
    labels_saved,
    time_to_deploy,
)
from mlcourse.fast import learners as fast_learners
from mlcourse.fast import losses as fast_losses
from mlcourse.fast import networks as fast_networks
from mlcourse.fast.arrays import tensors
from mlcourse.fast.episodes import Episodes as DeviceEpisodes
from mlcourse.reference import learners, losses, networks
from mlcourse.tasks import Examples, Sinusoids, Task, each, glyphs, one, stack

SINES = Sinusoids(k_shot=5, n_query=12)
NETWORK = networks.mlp((1, 8, 1))
START = NETWORK.init(np.random.default_rng(0))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


class Blobs:
    """Classes as points in the plane; examples lie around them. Labels in order, as in image episodes."""

    def __init__(self, n_way: int = 5, k_shot: int = 1, n_query: int = 3, noise: float = 0.5):
        self.n_way, self.k_shot, self.n_query, self.noise = n_way, k_shot, n_query, noise

    def sample(self, n_tasks: int, rng: np.random.Generator) -> Task:
        centres = rng.normal(size=(n_tasks, self.n_way, 1, 2))
        parts = []
        for n in (self.k_shot, self.n_query):
            x = centres + self.noise * rng.normal(size=(n_tasks, self.n_way, n, 2))
            y = np.tile(np.repeat(np.arange(self.n_way), n), (n_tasks, 1))
            parts.append(Examples(x.reshape(n_tasks, -1, 2), y))
        return Task(*parts)


def gradient_learner(inner_lr: float = 0.02, inner_steps: int = 3) -> learners.GradientLearner:
    return learners.GradientLearner(NETWORK, losses.squared_error(NETWORK), START, inner_lr, inner_steps)


def zero(support: Examples, query_x: np.ndarray) -> np.ndarray:
    """Predict zero everywhere."""
    return np.zeros((len(query_x), 1))


# ---- what ± is ------------------------------------------------------------------------------------------------

SCORES = arrays.arrays(float, st.integers(2, 50), elements=st.floats(0, 100, width=32))


def test_the_interval_by_hand():
    """Scores 1, 2, 3, 4: mean 2.5, squared deviations add up to 5, so sd = sqrt(5/3), half = 1.96 sd / 2."""
    found = Evaluation("squared error", np.array([1.0, 2.0, 3.0, 4.0]), False)
    assert found.mean == 2.5
    assert found.half_width == pytest.approx(1.96 * math.sqrt(5 / 3) / 2, rel=1e-12)


@given(SCORES, st.floats(-10, 10), st.floats(0.1, 10))
def test_the_interval_moves_with_the_scores(scores, shift, scale):
    one_way, other = (Evaluation("squared error", s, False) for s in (scores, scale * scores + shift))
    assert other.mean == pytest.approx(scale * one_way.mean + shift, rel=1e-6, abs=1e-6)
    assert other.half_width == pytest.approx(scale * one_way.half_width, rel=1e-5, abs=1e-5)


@given(SCORES, st.randoms(use_true_random=False))
def test_the_order_of_the_tasks_does_not_matter(scores, random):
    shuffled = scores.copy()
    random.shuffle(shuffled)
    one_way, other = (Evaluation("accuracy", s, False) for s in (scores, shuffled))
    assert (one_way.mean, one_way.half_width) == pytest.approx((other.mean, other.half_width))


def test_four_times_as_many_tasks_halve_the_interval():
    scores = rng().normal(size=100)
    few, many = (Evaluation("squared error", np.tile(scores, n), False) for n in (1, 4))
    assert many.half_width == pytest.approx(few.half_width / 2, rel=0.01)


def test_the_interval_holds_the_truth_95_times_in_100():
    draws = rng().normal(3.0, 2.0, size=(4000, 100))
    hits = [abs(e.mean - 3.0) <= e.half_width for e in (Evaluation("squared error", d, False) for d in draws)]
    assert 0.935 < np.mean(hits) < 0.96


def test_reaching_a_published_number_is_including_it_or_being_better():
    scores = np.array([0.4, 0.6] * 50)  # 0.5 ± 0.02
    accuracy, error = Evaluation("accuracy", scores, False), Evaluation("squared error", scores, False)
    assert accuracy.reaches(0.51) and accuracy.reaches(0.1) and not accuracy.reaches(0.53)
    assert error.reaches(0.49) and error.reaches(0.9) and not error.reaches(0.47)


def test_an_evaluation_says_what_its_figures_are():
    scores = np.array([0.4, 0.6] * 50)
    assert str(Evaluation("accuracy", scores, True)) == (
        "accuracy 50.0 ± 2.0 % (95 % interval over 100 tasks, transductive)"
    )
    assert str(Evaluation("squared error", scores, False)) == (
        "squared error 0.500 ± 0.020 (95 % interval over 100 tasks, not transductive)"
    )


def test_a_spread_over_seeds_is_a_standard_deviation_of_their_means():
    found = across_seeds([Evaluation("accuracy", np.array([m, m]), False) for m in (0.5, 0.6, 0.7)])
    assert (found.mean, found.spread, found.n_seeds) == (pytest.approx(0.6), pytest.approx(0.1), 3)
    with pytest.raises(ValueError, match="1 evaluation given.*two seeds"):
        across_seeds([Evaluation("accuracy", np.zeros(2), False)])


# ---- the score ------------------------------------------------------------------------------------------------


def test_the_score_is_the_mean_squared_error_of_each_task():
    tasks = SINES.sample(7, rng(3))
    found = evaluate(zero, SINES, n_tasks=7, rng=rng(3))
    np.testing.assert_allclose(found.scores, (tasks.query.y**2).mean(axis=(1, 2)))
    assert found.metric == metrics.SQUARED_ERROR and not found.transductive


def test_the_score_is_the_share_of_right_labels_from_labels_or_from_class_scores():
    nearest = baselines.nearest_neighbour()
    labels = evaluate(nearest, Blobs(), n_tasks=20, rng=rng())
    scores = evaluate(baselines.nearest_class_mean(), Blobs(), n_tasks=20, rng=rng())
    np.testing.assert_array_equal(labels.scores, scores.scores)  # with one shot they are the same learner
    assert labels.metric == metrics.ACCURACY and 0.2 < labels.mean < 1
    task = one(Blobs().sample(20, rng()), 4)
    assert labels.scores[4] == np.mean(nearest(task.support, task.query.x) == task.query.y)


@pytest.mark.parametrize("n_tasks", [2, 99, 100, 101, 250])
def test_there_are_as_many_scores_as_tasks(n_tasks):
    assert evaluate(zero, SINES, n_tasks=n_tasks, rng=rng()).scores.shape == (n_tasks,)


def test_the_same_seed_gives_every_learner_the_same_tasks():
    seen = {0: [], 1: []}

    def spy(number):
        def learner(support, query_x):
            seen[number].append(support.x)
            return zero(support, query_x)

        return learner

    for number in seen:
        evaluate(spy(number), SINES, n_tasks=130, rng=rng(8))
    np.testing.assert_array_equal(seen[0], seen[1])


def test_a_learner_with_along_scores_as_it_does_one_task_at_a_time():
    learner = gradient_learner()
    together = evaluate(learner, SINES, n_tasks=5, rng=rng(1))
    singly = evaluate(lambda support, x: learner(support, x), SINES, n_tasks=5, rng=rng(1))
    np.testing.assert_allclose(together.scores, singly.scores)


@pytest.mark.parametrize(
    ("learner", "shape"),
    [
        (lambda support, x: np.zeros(len(x)), r"\(12,\).*\(12, 1\)"),
        (lambda support, x: np.zeros((len(x), 2)), r"\(12, 2\).*\(12, 1\)"),
    ],
)
def test_predictions_of_the_wrong_shape_are_refused(learner, shape):
    with pytest.raises(ValueError, match=f"predictions have shape {shape}.*one prediction for each query"):
        evaluate(learner, SINES, n_tasks=2, rng=rng())


@pytest.mark.parametrize("n_tasks", [1, 0, 2.5, True])
def test_an_interval_needs_two_tasks(n_tasks):
    with pytest.raises(ValueError, match=f"n_tasks is {n_tasks!r}; give a whole number of at least 2"):
        evaluate(zero, SINES, n_tasks=n_tasks, rng=rng())


def test_a_learner_that_diverges_scores_badly_and_is_not_called_transductive():
    def diverged(support, query_x):
        return np.full((len(query_x), 1), np.nan)

    found = evaluate(diverged, SINES, n_tasks=2, rng=rng())
    assert found.mean == found.half_width == math.inf and found.not_finite == 2 * SINES.n_query
    assert "predictions were no finite numbers, and count as wrong" in str(found)


class Lopsided:
    """Tasks of whose ten queries nine are in class 0."""

    def sample(self, n_tasks, rng):
        y = np.tile([0] * 9 + [1], (n_tasks, 1))
        x = rng.normal(size=(n_tasks, 10, 1))
        return Task(Examples(x[:, :2], y[:, -2:]), Examples(x, y))


def test_not_a_number_is_no_vote_for_class_0():
    """argmax of NaNs is 0: such a learner scored 90 %."""

    def broken(support, query_x):
        return np.full((len(query_x), 2), np.nan)

    def half_broken(support, query_x):
        return np.where(np.arange(len(query_x))[:, None] % 2, np.nan, [[1.0, 0.0]]) if len(query_x) > 1 else ONE

    found = evaluate(broken, Lopsided(), n_tasks=4, rng=rng())
    assert found.mean == 0 and found.not_finite == 40
    assert str(found).endswith("; 40 predictions were no finite numbers, and count as wrong")
    found = evaluate(half_broken, Lopsided(), n_tasks=4, rng=rng(), transductive=True)
    assert found.mean == 0.5 and found.not_finite == 20


ONE = np.array([[1.0, 0.0]])


@pytest.mark.parametrize(
    ("scores", "right"),
    [
        ([0.0, -np.inf], True),  # the logarithm of a zero: a sure no
        ([-np.inf, -np.inf], False),
        ([np.inf, 0.0], False),
        ([0.0, np.nan], False),
        ([np.nan, 0.0], False),
    ],
)
def test_the_largest_score_must_be_a_finite_number(scores, right):
    found = evaluate(lambda s, x: np.tile(scores, (len(x), 1)), Lopsided(), n_tasks=2, rng=rng())
    assert (found.mean, found.not_finite) == ((0.9, 0) if right else (0.0, 20))


def test_a_label_that_is_no_number_is_wrong():
    found = evaluate(lambda s, x: np.full(len(x), np.nan), Lopsided(), n_tasks=2, rng=rng())
    assert (found.mean, found.not_finite) == (0.0, 20)


def test_a_network_of_too_few_classes_is_refused():
    with pytest.raises(ValueError, match="scores 1 classes, and the query labels go up to 1"):
        evaluate(lambda s, x: np.zeros((len(x), 1)), Lopsided(), n_tasks=2, rng=rng())


def test_the_mean_over_seeds_keeps_count():
    one_of_them = [Evaluation("accuracy", np.array([0.5, 1.0]), False, bad) for bad in (3, 0)]
    assert evaluation.mean_over_seeds(one_of_them).not_finite == 3


def test_a_curve_counts_step_by_step():
    learner = gradient_learner(inner_lr=1e200, inner_steps=4)
    with np.errstate(all="ignore"):
        curve = adaptation_curve(learner, SINES, n_tasks=2, rng=rng())
    assert (
        curve.not_finite[0] == 0 < curve.not_finite[4] and np.isfinite(curve.mean[0]) and curve.mean[4] == math.inf
    )
    assert curve.at(4).not_finite == curve.not_finite[4]


class ManyLooks:
    """Honest when asked about one task; the way that is scored looks at all queries."""

    def __call__(self, support, query_x):
        return np.zeros_like(query_x)

    def many(self, support, query_x):
        return query_x - query_x.mean(axis=1, keepdims=True)


class AcrossTasks(ManyLooks):
    """Looks at the first query of another task of the batch."""

    def many(self, support, query_x):
        return np.zeros_like(query_x) + query_x[::-1, :1]


@pytest.mark.parametrize(("learner", "what"), [(ManyLooks(), "removed"), (AcrossTasks(), "removed")])
def test_the_guard_asks_what_is_scored(learner, what):
    with pytest.raises(ValueError, match=f"moved when the other queries were {what}: it is transductive"):
        evaluate(learner, SINES, n_tasks=4, rng=rng())


def test_tasks_drawn_on_a_device_are_judged_like_others():
    train = glyphs.splits().train
    family = DeviceEpisodes(train, 3, 1, 2, device="cpu")
    learner = baselines.nearest_class_mean()
    found = evaluate(learner, family, n_tasks=20, rng=family.generator(0))
    tasks = family.sample(20, family.generator(0))
    held = Task(*(Examples(*(part.numpy() for part in examples)) for examples in tasks))
    again = [(learner(t.support, t.query.x).argmax(1) == t.query.y).mean() for t in each(held)]
    np.testing.assert_allclose(found.scores, again)
    with pytest.raises(ValueError, match="give a torch generator on cpu"):
        evaluate(learner, family, n_tasks=20, rng=rng())


def test_a_learner_in_bfloat16_can_be_judged():
    network = fast_networks.mlp((1, 8, 1))
    params = tensors(network.init(rng()), dtype=torch.bfloat16)
    learner = fast_learners.GradientLearner(network, fast_losses.squared_error(network), params, 0.01, 1)
    predictions = learner.many(*SINES.sample(2, rng())[:1], SINES.sample(2, rng()).query.x)
    assert predictions.dtype == np.float32
    assert np.isfinite(evaluate(learner, SINES, n_tasks=4, rng=rng()).mean)


def test_a_bare_seed_is_no_generator():
    with pytest.raises(
        ValueError, match=r"rng is 7; give a NumPy generator, for example np.random.default_rng\(7\)"
    ):
        evaluate(zero, SINES, n_tasks=4, rng=7)


# ---- transductive ---------------------------------------------------------------------------------------------


def centred(support: Examples, query_x: np.ndarray) -> np.ndarray:
    """Nearest neighbour after subtracting means, of the queries too: batch statistics of the query set."""
    return baselines.nearest_neighbour(lambda x: x - x.mean(axis=0))(support, query_x)


def in_order(support: Examples, query_x: np.ndarray) -> np.ndarray:
    """Look at nothing: queries come grouped by label, so the place in the row gives the label away."""
    return np.arange(len(query_x)) * (support.y.max() + 1) // len(query_x)


@pytest.mark.parametrize(("learner", "what"), [(centred, "removed"), (in_order, "permuted")])
def test_a_learner_that_judges_queries_together_is_refused(learner, what):
    with pytest.raises(ValueError, match=f"moved when the other queries were {what}: it is transductive"):
        evaluate(learner, Blobs(), n_tasks=4, rng=rng())


def test_it_is_scored_when_that_is_said_beside_the_score():
    found = evaluate(in_order, Blobs(), n_tasks=4, rng=rng(), transductive=True)
    assert found.mean == 1.0 and found.transductive and "(95 % interval over 4 tasks, transductive)" in str(found)


class Centred:
    """One step that subtracts the mean of the queries it is given: transductive in every prediction."""

    def __call__(self, support, query_x):
        return query_x - query_x.mean(axis=0)

    def along(self, support, query_x):
        return np.stack([query_x, query_x - query_x.mean(axis=1, keepdims=True)], axis=1)


def test_an_adaptation_curve_refuses_a_transductive_learner_too():
    with pytest.raises(ValueError, match="it is transductive"):
        adaptation_curve(Centred(), Sinusoids(5, 5), n_tasks=4, rng=rng())
    declared = adaptation_curve(Centred(), Sinusoids(5, 5), n_tasks=4, rng=rng(), transductive=True)
    assert declared.at(1).transductive and str(declared.at(1)).endswith("transductive)")


def fast_learner() -> fast_learners.GradientLearner:
    network = fast_networks.mlp((1, 8, 1))
    params = tensors(START, device="cpu", dtype=None)
    return fast_learners.GradientLearner(network, fast_losses.squared_error(network), params, 0.02, 3)


def hidden(x: np.ndarray) -> np.ndarray:
    return np.maximum(x @ START["w0"] + START["b0"], 0)


ON_SINES = {
    "GradientLearner, reference": gradient_learner,
    "GradientLearner, fast": fast_learner,
    "nearest neighbour": baselines.nearest_neighbour,
    "linear probe": lambda: baselines.linear_probe(0.1),
    "linear probe on features": lambda: baselines.linear_probe(0.1, hidden),
}
ON_CLASSES = {
    "nearest neighbour": baselines.nearest_neighbour,
    "nearest class mean": baselines.nearest_class_mean,
    "linear probe": lambda: baselines.linear_probe(0.1),
}


@pytest.mark.parametrize(
    ("make", "family"),
    [pytest.param(make, SINES, id=f"sines, {name}") for name, make in ON_SINES.items()]
    + [pytest.param(make, Blobs(k_shot=2), id=f"classes, {name}") for name, make in ON_CLASSES.items()],
)
def test_removing_and_permuting_the_other_queries_moves_no_prediction(make, family):
    learner = make()
    for seed in range(5):
        task = one(family.sample(1, rng(seed)), 0)
        x = task.query.x
        together = learner(task.support, x)
        order = rng(seed).permutation(len(x))
        np.testing.assert_allclose(learner(task.support, x[order]), together[order], rtol=1e-6, atol=1e-6)
        for i in range(len(x)):
            alone = learner(task.support, x[i : i + 1])
            np.testing.assert_allclose(alone[0], together[i], rtol=1e-6, atol=1e-6)
        others = x + rng(seed).normal(size=x.shape)
        others[0] = x[0]
        np.testing.assert_allclose(learner(task.support, others)[0], together[0], rtol=1e-6, atol=1e-6)


# ---- adaptation -----------------------------------------------------------------------------------------------


def test_the_adaptation_curve_holds_what_evaluate_gives_after_each_number_of_steps():
    curve = adaptation_curve(gradient_learner(inner_steps=3), SINES, n_tasks=6, rng=rng(2))
    assert curve.scores.shape == (6, 4)
    for steps in range(4):
        single = evaluate(gradient_learner(inner_steps=steps), SINES, n_tasks=6, rng=rng(2))
        np.testing.assert_allclose(curve.at(steps).scores, single.scores)
        assert curve.half_width[steps] == pytest.approx(single.half_width)
        assert curve.mean[steps] == pytest.approx(single.mean)


def test_steps_to_a_target_is_the_first_that_is_as_good():
    means = np.array([3.0, 1.0, 0.5, 0.7, 0.4])
    error, accuracy = (AdaptationCurve(m, np.stack([means, means])) for m in ("squared error", "accuracy"))
    assert error.steps_to(1.0) == 1
    assert error.steps_to(0.5) == 2
    assert error.steps_to(5.0) == 0
    assert error.steps_to(0.1) is None
    assert accuracy.steps_to(3.0) == 0
    assert accuracy.steps_to(3.1) is None


@given(arrays.arrays(float, (3, 6), elements=st.floats(0, 10)), st.floats(0, 10), st.floats(0, 5))
def test_an_easier_target_never_takes_more_steps(scores, target, easier):
    curve = AdaptationCurve("squared error", scores)
    hard, easy = curve.steps_to(target), curve.steps_to(target + easier)
    assert hard is None or (easy is not None and easy <= hard)


def test_adaptation_speed_gives_steps_and_seconds_or_neither():
    start = adaptation_curve(gradient_learner(inner_steps=0), SINES, n_tasks=20, rng=rng(1)).mean[0]
    reached = adaptation_speed(gradient_learner(), SINES, target=0.999 * start, n_tasks=20, rng=rng(1))
    assert 1 <= reached.steps <= 3 and reached.seconds > 0
    never = adaptation_speed(gradient_learner(), SINES, target=-1.0, n_tasks=2, rng=rng())
    assert (never.steps, never.seconds) == (None, None)


def test_the_gap_is_meta_train_minus_meta_test():
    class Tall(Sinusoids):
        def draw(self, n_tasks, rng):
            waves = super().draw(n_tasks, rng)
            return waves._replace(amplitude=waves.amplitude + 5)

    gap = generalisation_gap(zero, SINES, Tall(5, 12), n_tasks=50, rng=rng())
    assert gap.mean == gap.train.mean - gap.test.mean < -10  # a larger error on meta-test tasks


def test_the_interval_of_a_gap_adds_the_squares():
    train, test = (Evaluation("accuracy", rng(seed).random(60), False) for seed in (0, 1))
    assert Gap(train, test).half_width ** 2 == pytest.approx(train.half_width**2 + test.half_width**2)


def test_labels_saved_are_what_the_rival_needs_on_top():
    families = []

    def family_at(labels):
        families.append(labels)
        return Blobs(k_shot=labels, n_query=5, noise=1.0)

    ours = baselines.nearest_class_mean()

    def blind(support, query_x):
        return np.zeros(len(query_x), int)

    how = {"k_shot": 4, "n_tasks": 100}
    assert labels_saved(ours, blind, family_at, candidates=(8, 4), rng=rng(), **how) is None
    assert families == [4, 4, 8]  # ours first, then the rival with more and more
    assert labels_saved(blind, ours, family_at, candidates=(8, 2, 4), rng=rng(), **how) == -2

    def wasteful(support, query_x):
        return ours(Examples(support.x[::2], support.y[::2]), query_x)

    assert 0 < labels_saved(ours, wasteful, family_at, candidates=range(4, 13), rng=rng(), **how) <= 8


def test_deploying_is_timed_on_one_task_with_one_query_and_the_first_time_apart(clock):
    calls = []

    def learner(support, query_x):
        calls.append((support.x.shape, query_x.shape))
        clock.now += 5.0 if len(calls) == 1 else 0.1 * len(calls)
        return zero(support, query_x)

    found = time_to_deploy(learner, SINES, rng=rng(), repeats=4)
    assert calls == [((5, 1), (1, 1))] * 5
    assert found.first_seconds == pytest.approx(5.0) and found.seconds == pytest.approx(0.35)  # of .2, .3, .4, .5


def test_tasks_that_were_stacked_can_be_scored():
    class Fixed:
        """Always the same two tasks."""

        def sample(self, n_tasks, rng):
            tasks = SINES.sample(2, np.random.default_rng(0))
            return stack([one(tasks, i % 2) for i in range(n_tasks)])

    found = evaluate(zero, Fixed(), n_tasks=4, rng=rng())
    np.testing.assert_array_equal(found.scores[:2], found.scores[2:])


def test_the_mean_over_seeds_is_taken_task_by_task():
    """The interval is then that of the tasks, and not of tasks and seeds mixed."""
    scores = np.array([[0.0, 1.0], [0.5, 0.0]])
    first, second = (evaluation.Evaluation("accuracy", one, True) for one in scores)
    both = evaluation.mean_over_seeds([first, second])
    assert both.scores.tolist() == [0.25, 0.5] and both.metric == metrics.ACCURACY and both.transductive


# --- odd learners and families -----------------------------------------------------------------------------


def test_a_learner_may_give_the_same_array_again_and_again():
    def honest(support, query_x):
        return np.full_like(query_x, support.y.mean())

    buffer = np.zeros((SINES.n_query, 1))

    def saving(support, query_x):
        part = buffer[: len(query_x)]
        part[:] = support.y.mean()
        return part

    expected, found = (evaluate(learner, SINES, n_tasks=5, rng=rng()) for learner in (honest, saving))
    np.testing.assert_array_equal(found.scores, expected.scores)


@pytest.mark.parametrize("scale", [1e-5, 1.0, 1e3])
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_the_guard_looks_at_the_spread_of_the_scores_not_at_their_size(scale, offset):
    """Reads the labels off the order of the queries."""
    if offset and scale < 1:
        pytest.skip("float32 could not tell these scores apart either")

    def by_order(support, query_x):
        return offset + scale * np.eye(2)[np.arange(len(query_x)) * 2 // max(len(query_x), 1)]

    with pytest.raises(ValueError, match="it is transductive, or draws at random"):
        evaluate(by_order, Lopsided(), n_tasks=4, rng=rng())


def test_labels_saved_against_itself_are_none():
    ours = baselines.linear_probe(1.0)
    for seed in range(5):
        saved = labels_saved(
            ours, ours, lambda k: Sinusoids(k, 10), k_shot=5, candidates=(5, 6, 7), n_tasks=5, rng=rng(seed)
        )
        assert saved == 0


@pytest.mark.parametrize(
    ("evaluations", "told"),
    [
        ([], "none"),
        ([("accuracy", 3, False), ("squared error", 3, False)], "accuracy.*squared error"),
        ([("accuracy", 3, False), ("accuracy", 3, True)], "transductive=False.*transductive=True"),
        ([("accuracy", 3, False), ("accuracy", 4, False)], "3 tasks.*4 tasks"),
    ],
)
def test_evaluations_of_several_kinds_have_no_mean(evaluations, told):
    made = [Evaluation(metric, np.ones(n), how) for metric, n, how in evaluations]
    with pytest.raises(ValueError, match=f"of several kinds .*{told}"):
        evaluation.mean_over_seeds(made)
    if len(made) > 1:
        with pytest.raises(ValueError, match="of several kinds"):
            across_seeds(made)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: None, "predictions are NoneType"),
        (lambda x: ["cat"] * len(x), "predictions are list of dtype <U3"),
        (lambda x: np.zeros(len(x), complex), "dtype complex128"),
        (lambda x: np.zeros(len(x), bool), "dtype bool"),
        (lambda x: np.full(len(x), 0.3), "predicts the label 0.3; return whole numbers"),
        (lambda x: np.zeros((1, len(x), 2)), "have shape"),
        (lambda x: np.zeros((2, len(x))), "have shape"),
        (lambda x: 1.0, "have shape"),
    ],
)
def test_answers_that_are_none_are_named(answer, words):
    with pytest.raises(ValueError, match=words):
        evaluate(lambda support, query_x: answer(query_x), Lopsided(), n_tasks=4, rng=rng(), transductive=True)


def test_a_tensor_that_is_followed_is_an_answer_too():
    weight = torch.ones(1, dtype=torch.float64, requires_grad=True)
    found = evaluate(lambda s, x: torch.as_tensor(x) * 0 * weight, SINES, n_tasks=4, rng=rng())
    np.testing.assert_array_equal(found.scores, evaluate(zero, SINES, n_tasks=4, rng=rng()).scores)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda task: Task(*(Examples(*(part[:2] for part in e)) for e in task)), "gave 2 tasks when asked for 4"),
        (
            lambda task: Task(task.support, Examples(task.query.x, task.query.y * np.nan)),
            "holds what is no finite",
        ),
        (lambda task: Task(task.support, Examples(task.query.x, task.query.y[:, :3])), "give one y for each x"),
    ],
)
def test_families_that_give_something_else_are_named(change, words):
    class Odd:
        def sample(self, n_tasks, rng):
            return change(SINES.sample(n_tasks, rng))

    with pytest.raises(ValueError, match=words):
        evaluate(zero, Odd(), n_tasks=4, rng=rng())


def test_every_function_that_scores_can_be_told_of_a_transductive_learner():
    how = {"n_tasks": 4, "rng": rng(), "transductive": True}
    generalisation_gap(centred, SINES, SINES, **how)
    labels_saved(centred, centred, lambda k: Sinusoids(k, 10), k_shot=5, candidates=(5,), **how)
    adaptation_speed(Centred(), SINES, target=-1.0, **how)
    baselines.sweep(lambda value: centred, "value", (1.0,), SINES, n_tasks=4, rng_seed=0, transductive=True)


def test_every_function_that_scores_takes_a_metric():
    learner, how = gradient_learner(), {"n_tasks": 6, "metric": metrics.RMSE}
    squared = evaluate(learner, SINES, n_tasks=6, rng=rng())
    roots = evaluate(learner, SINES, rng=rng(), **how)
    np.testing.assert_allclose(roots.scores, np.sqrt(squared.scores))
    np.testing.assert_array_equal(adaptation_curve(learner, SINES, rng=rng(), **how).at(3).scores, roots.scores)
    gap = generalisation_gap(learner, SINES, SINES, rng=rng(), **how)
    assert gap.train.metric is gap.test.metric is metrics.RMSE
    start = adaptation_curve(learner, SINES, rng=rng(), **how).mean
    between = float(start[1:3].mean())  # more than the root after 1 step or after 2, never a squared error
    assert adaptation_speed(learner, SINES, target=between, rng=rng(), **how).steps == np.argmax(start <= between)


def test_labels_are_saved_by_the_metric_that_is_asked_for():
    """A learner that doubts is right as often as one that is sure, and its log-likelihood is better."""
    log_p = {sure: np.log([sure, (1 - sure) / 2, (1 - sure) / 2]) for sure in (0.4, 0.98)}

    def always_0(sure):
        return lambda support, query_x: np.tile(log_p[sure], (len(query_x), 1))

    how = {"k_shot": 2, "candidates": (2,), "n_tasks": 10}
    family = lambda k: Blobs(n_way=3, k_shot=k)  # noqa: E731
    assert labels_saved(always_0(0.4), always_0(0.98), family, rng=rng(), **how) == 0
    assert labels_saved(always_0(0.4), always_0(0.98), family, rng=rng(), **how, metric="accuracy") == 0
    likelihood = metrics.NEGATIVE_LOG_LIKELIHOOD
    assert labels_saved(always_0(0.4), always_0(0.98), family, rng=rng(), **how, metric=likelihood) is None
    assert labels_saved(always_0(0.98), always_0(0.4), family, rng=rng(), **how, metric=likelihood) == 0
