"""The exact answer for sines: against brute force, against what follows from the family, and its refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcourse import baselines
from mlcourse.evaluation import evaluate
from mlcourse.reference.posterior import mean_wave
from mlcourse.tasks import Examples, Sinusoids, five_points, pad
from mlcourse.tasks.sinusoids import Waves

INPUTS = st.floats(-5, 5)
AMPLITUDES, PHASES = st.floats(0.1, 5), st.floats(0, np.pi)


def points(*pairs: tuple[float, float]) -> Examples:
    x, y = np.array(pairs, dtype=float).T
    return Examples(x[:, None], y[:, None])


def coefficients(wave: Waves) -> np.ndarray:
    """(a, b) of a sin(x) + b cos(x)."""
    return np.concatenate([wave.amplitude * np.cos(wave.phase), -wave.amplitude * np.sin(wave.phase)])


def by_drawing(support: Examples, noise: float) -> np.ndarray:
    """The same mean by drawing a million waves from the family and weighing each."""
    waves = Sinusoids().draw(1_000_000, np.random.default_rng(0))
    x, y = support.x[:, 0], support.y[:, 0]
    misfit = sum((waves.amplitude * np.sin(a - waves.phase) - b) ** 2 for a, b in zip(x, y, strict=True))
    weight = np.exp(-misfit / (2 * noise**2))
    pair = np.stack([waves.amplitude * np.cos(waves.phase), -waves.amplitude * np.sin(waves.phase)])
    return (pair * weight).sum(axis=1) / weight.sum()


# ---- the numbers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("support", [points((1, 2)), points((0, -3)), points((1, 2), (1.3, 1)), points((-4, 0.3))])
def test_with_noise_it_is_the_weighted_mean_of_the_family(support):
    np.testing.assert_allclose(coefficients(mean_wave(support, noise=0.3)), by_drawing(support, 0.3), atol=0.02)


@pytest.mark.parametrize("pair", [(1, 2), (0, -3), (-4, 0.3), (2, 4.9), (0.5, 0.2)])
def test_one_exact_point_is_the_limit_of_little_noise(pair):
    exact, near = (coefficients(mean_wave(points(pair), noise=noise)) for noise in (0.0, 0.02))
    np.testing.assert_allclose(exact, near, atol=0.01)


def test_at_zero_an_amplitude_counts_by_its_inverse():
    """p is x mod pi; the density of y = 0 is 1 / A, so E[A] = (5 - 0.1) / log(5 / 0.1)."""
    a, b = coefficients(mean_wave(points((1.0, 0.0))))
    np.testing.assert_allclose(np.hypot(a, b), 4.9 / np.log(50), rtol=2e-3)
    np.testing.assert_allclose(np.arctan2(-b, a), 1.0, atol=2e-3)


@given(AMPLITUDES, PHASES, INPUTS, st.floats(0.1, 3.0))
def test_two_exact_points_fix_the_wave(amplitude, phase, x, apart):
    wave = Waves(np.array([amplitude]), np.array([phase]))
    seen = np.array([[x], [x + apart]])
    grid = np.linspace(-5, 5, 21)[:, None]
    np.testing.assert_allclose(mean_wave(Examples(seen, wave(seen)[0]))(grid), wave(grid), atol=1e-9)


@given(AMPLITUDES, PHASES, INPUTS)
def test_it_goes_through_the_one_exact_point(amplitude, phase, x):
    y = amplitude * np.sin(x - phase)
    found = mean_wave(points((x, y)))(np.array([[x]]))[0, 0, 0]
    np.testing.assert_allclose(found, y, atol=1e-8)


@given(AMPLITUDES, PHASES, INPUTS, st.integers(-3, 3).filter(bool))
def test_a_second_point_half_a_wave_on_adds_nothing(amplitude, phase, x, halves):
    wave = Waves(np.array([amplitude]), np.array([phase]))
    seen = np.array([[x], [x + halves * np.pi]])
    both, one = mean_wave(Examples(seen, wave(seen)[0])), mean_wave(Examples(seen[:1], wave(seen[:1])[0]))
    np.testing.assert_allclose(coefficients(both), coefficients(one), atol=1e-6)


def test_no_learner_of_the_family_does_better():
    """In the mean over tasks, also than the exact answer for another noise than there is."""

    def noisy(n_tasks, rng):
        task = Sinusoids(k_shot=3, n_query=40).sample(n_tasks, rng)
        support = Examples(task.support.x, task.support.y + 0.5 * rng.normal(size=task.support.y.shape))
        return task._replace(support=support)

    def score(learner):
        return evaluate(learner, noisy, n_tasks=300, rng=np.random.default_rng(5)).mean

    right = score(baselines.exact_sines(noise=0.5))
    assert right < 0.95 * min(score(baselines.exact_sines(noise=noise)) for noise in (0.1, 2.0))
    assert right < 0.5 * score(baselines.nearest_neighbour())


def test_the_error_falls_with_every_point():
    how = {"n_tasks": 200}
    one, two = (
        evaluate(baselines.exact_sines(), Sinusoids(k, 50), rng=np.random.default_rng(0), **how) for k in (1, 2)
    )
    assert 0.9 < one.mean < 1.7 and two.mean < 1e-12


def test_padding_counts_for_nothing():
    task, _ = five_points()
    ragged = pad([task, task._replace(support=Examples(task.support.x[:1], task.support.y[:1]))])
    one = type(ragged.support)(*(part[1] for part in ragged.support))
    alone = baselines.exact_sines()(points((task.support.x[0, 0], task.support.y[0, 0])), task.query.x)
    np.testing.assert_allclose(baselines.exact_sines()(one, task.query.x), alone)


# ---- refusals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("support", "noise", "words"),
    [
        (points((-4, -4), (0, 0), (2, 2)), 0.0, "no wave of the family.*noise=0.1"),
        (points((0, 6)), 0.0, "no wave of the family"),
        (points((0, 3), (np.pi / 2, 3)), 0.0, "no wave of the family"),  # its phase would be -pi / 4
        (points((0, 1)), -1.0, "noise"),
        (points((0, 1)), 0.001, "noise is 0.001; give 0 .* or at least 0.02"),
        (points((0, 1)), float("nan"), "noise"),
        (Examples(np.zeros((2, 2)), np.zeros((2, 1))), 0.0, r"shapes \(2, 2\) and \(2, 1\)"),
        (Examples(np.zeros(2), np.zeros(2)), 0.0, r"give \(k, 1\)"),
    ],
)
def test_what_it_refuses(support, noise, words):
    with pytest.raises(ValueError, match=words):
        mean_wave(support, noise=noise)


def test_points_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="support"):
        mean_wave(points((0, float("nan"))))
    with pytest.raises(ValueError, match="support"):
        mean_wave(points((0, float("nan"))), noise=0.1)
