"""Task families: what has a `sample` is one, a function is one, and a class is none."""

import numpy as np
import pytest

from mlcourse.evaluation import evaluate
from mlcourse.tasks import Sinusoids
from mlcourse.tasks.family import Family, Mixture, as_family


def test_a_family_stays_what_it_is():
    family = Sinusoids(5, 5)
    assert as_family("family", family) is family
    assert isinstance(family.generator(3), np.random.Generator) and family.identity() == ""


def test_a_function_and_an_object_with_a_sample_are_families():
    sines = Sinusoids(5, 5)

    class Bare:
        sample = staticmethod(sines.sample)

    expected = sines.sample(2, np.random.default_rng(0))
    for given in (sines.sample, Bare(), Bare):
        family = as_family("family", given)
        found = family.sample(2, family.generator(0))
        assert all(np.array_equal(a, b) for a, b in zip(found.query, expected.query, strict=True))


def test_a_learner_is_judged_on_a_function():
    def sample(n_tasks, rng):
        return Sinusoids(5, 5).sample(n_tasks, rng)

    def zero(support, query_x):
        return np.zeros_like(query_x)

    ours, theirs = (evaluate(zero, f, n_tasks=9, rng=np.random.default_rng(0)) for f in (sample, Sinusoids(5, 5)))
    assert np.array_equal(ours.scores, theirs.scores)


@pytest.mark.parametrize(
    "given, says",
    [
        (Sinusoids, "family is the class Sinusoids; give a task family"),
        (3, "family is 3; give a task family"),
        (None, "or a function sample"),
    ],
)
def test_what_tasks_cannot_be_drawn_from_is_refused(given, says):
    with pytest.raises(ValueError, match=says):
        as_family("family", given)


def test_a_family_must_have_a_sample():
    with pytest.raises(NotImplementedError, match="Family has no sample"):
        Family().sample(1, np.random.default_rng(0))


def test_a_mixture_draws_from_each_family_by_its_share():
    class Family:
        def __init__(self, name):
            self.name = name

        def sample(self, n_tasks, rng):
            return self.name

    rng, mixture = np.random.default_rng(0), Mixture([Family("a"), Family("b")], [0.8, 0.2])
    drawn = [mixture.sample(1, rng) for _ in range(1000)]
    assert 0.75 < drawn.count("a") / 1000 < 0.85
