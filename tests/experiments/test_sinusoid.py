"""The sinusoid table: a tiny run of the whole path, and what the stored table promises."""

import numpy as np
import pytest

from mlcourse import weights
from mlcourse.evaluation import adaptation_curve
from mlcourse.experiments import results, sinusoid
from mlcourse.experiments.runner import run
from mlcourse.tasks import Sinusoids

TINY = sinusoid.Settings(meta_steps=20, n_tasks=12, capture="eager")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    made = run(sinusoid.Sinusoid, TINY, seeds=(0,), out=folder / "t.json", weights_folder=folder)
    return folder, made


def test_the_table_is_stored_whole_with_its_sweeps(tiny):
    folder, made = tiny
    stored = results.load(str(folder / "t.json"))
    assert stored["rows"] == made["rows"]
    methods = [row["method"] for row in stored["rows"]]
    assert methods[:6] == [
        "the exact answer",
        "MAML",
        "first-order MAML",
        "Reptile",
        "pooled, fine-tuned",
        "from scratch",
    ]
    assert set(stored["details"]["sweeps"]) == {
        "pooled, fine-tuned",
        "from scratch",
        "linear probe on pooled features",
    }
    for row in stored["rows"]:
        assert all(len(row["values"][column]) == 2 for column in ("1 step", "5 steps", "10 steps"))


def test_a_baseline_is_at_least_as_good_with_tuned_steps_on_validation(tiny):
    _, made = tiny
    tried = made["details"]["sweeps"]["from scratch"]["tried"]
    best = made["details"]["sweeps"]["from scratch"]["chosen"]["tuned steps"]
    (score,) = [row["score"] for row in tried if {k: row[k] for k in best} == best]
    assert score == min(row["score"] for row in tried)


def test_stored_weights_are_those_of_the_first_seed(tiny):
    folder, made = tiny
    job = sinusoid.train_one(("MAML", 0, TINY))
    with np.load(folder / "sinusoid_maml.npz") as stored:
        for name, value in job["params"].items():
            np.testing.assert_allclose(stored[name], value, rtol=1e-5, atol=1e-6)


def test_the_courses_own_table_reaches_the_paper():
    table = results.load("sinusoid")
    assert table["details"]["settings"]["meta_steps"] == 70_000 and len(table["seeds"]) == 3
    ours = {row["method"]: row["values"] for row in table["rows"]}
    for column, published in sinusoid.PUBLISHED["MAML"].items():
        mean, half_width = ours["MAML"][column]
        assert mean - half_width <= published


def test_the_shipped_weights_need_one_step():
    learner = sinusoid.learner(weights.load("sinusoid_maml"), inner_lr=0.01, inner_steps=1)
    family = Sinusoids(k_shot=5, n_query=50)
    curve = adaptation_curve(learner, family, n_tasks=100, rng=np.random.default_rng(0))
    assert curve.mean[0] > 2 and curve.mean[1] < 0.9


def test_the_tuning_shrinks_with_the_run():
    full, short = sinusoid.Settings(), sinusoid.Settings(meta_steps=50)
    assert (full.n_val_tasks, full.max_steps, full.n_diverging) == (200, 100, 12_000)
    assert (short.n_val_tasks, short.max_steps, short.n_diverging) == (20, 10, 86)
    assert sinusoid.Settings(meta_steps=7_000).max_steps == 100


def test_a_curve_that_diverged_is_stored_in_words():
    assert sinusoid.finite(np.array([0.12345, np.inf, np.nan])) == [0.1235, "diverged", "diverged"]
