"""Sine waves as in section 5.1 of the MAML paper, exactly, and the same ones again from the same seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcourse.tasks import Sinusoids, Waves, each, five_points

seeds, counts = st.integers(0, 2**32 - 1), st.integers(1, 12)


@given(seeds, counts, counts, counts)
def test_shapes_ranges_and_seed(seed, n_tasks, k_shot, n_query):
    family = Sinusoids(k_shot, n_query)
    waves = family.draw(n_tasks, np.random.default_rng(seed))
    assert waves.amplitude.shape == waves.phase.shape == (n_tasks,)
    assert np.all((waves.amplitude >= 0.1) & (waves.amplitude <= 5.0))
    assert np.all((waves.phase >= 0.0) & (waves.phase <= np.pi))
    tasks, again = (family.sample(n_tasks, np.random.default_rng(seed)) for _ in range(2))
    for part, same, count in zip(tasks, again, (k_shot, n_query), strict=True):
        assert part.x.shape == part.y.shape == (n_tasks, count, 1)
        assert part.x.dtype == part.y.dtype == np.float64
        assert np.all(np.abs(part.x) <= 5.0)
        assert np.array_equal(part.x, same.x) and np.array_equal(part.y, same.y)


@given(seeds, counts)
def test_sample_is_draw_then_examples_and_y_is_a_sin_x_minus_p(seed, n_tasks):
    family, rng = Sinusoids(4, 6), np.random.default_rng(seed)
    waves = family.draw(n_tasks, rng)
    tasks = family.examples(waves, rng)
    sampled = family.sample(n_tasks, np.random.default_rng(seed))
    assert np.array_equal(sampled.support.x, tasks.support.x) and np.array_equal(sampled.query.y, tasks.query.y)
    for i, task in enumerate(each(tasks)):
        for part in task:
            np.testing.assert_array_equal(part.y, waves.amplitude[i] * np.sin(part.x - waves.phase[i]))


def test_the_whole_range_is_drawn():
    rng = np.random.default_rng(0)
    waves, x = Sinusoids().draw(20_000, rng), Sinusoids(100, 100).sample(100, rng).query.x
    for values, low, high in ((waves.amplitude, 0.1, 5.0), (waves.phase, 0.0, np.pi), (x, -5.0, 5.0)):
        share = np.ravel((values - low) / (high - low))
        np.testing.assert_allclose(np.quantile(share, [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.02)
    assert abs(np.corrcoef(waves.amplitude, waves.phase)[0, 1]) < 0.03


def test_support_and_query_are_different_points():
    tasks = Sinusoids(10, 10).sample(20, np.random.default_rng(0))
    assert not np.intersect1d(tasks.support.x, tasks.query.x).size


def test_waves_take_points_of_their_own_or_shared_ones():
    waves, grid = Waves(np.array([1.0, 2.0]), np.array([0.0, np.pi / 2])), np.linspace(-5, 5, 9)[:, None]
    shared = waves(grid)
    assert shared.shape == (2, 9, 1)
    np.testing.assert_allclose(shared[1, :, 0], -2 * np.cos(grid[:, 0]), atol=1e-12)
    np.testing.assert_array_equal(waves(np.stack([grid, grid])), shared)


def test_the_running_example_lies_on_its_wave():
    task, wave = five_points()
    assert task.support.x.shape == task.support.y.shape == (5, 1) and task.query.x.shape == (201, 1)
    for part in task:
        np.testing.assert_array_equal(part.y, wave.amplitude * np.sin(part.x - wave.phase))
    assert 0.1 <= wave.amplitude[0] <= 5.0 and 0.0 <= wave.phase[0] <= np.pi


@pytest.mark.parametrize(("name", "value"), [("k_shot", 0), ("n_query", -1), ("k_shot", 2.5)])
def test_wrong_counts_are_named(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        Sinusoids(**{name: value})
    with pytest.raises(ValueError, match="n_tasks is 0"):
        Sinusoids().sample(0, np.random.default_rng(0))


def test_repr_says_how_to_make_it():
    assert repr(Sinusoids(5, 7)) == "Sinusoids(k_shot=5, n_query=7)"
