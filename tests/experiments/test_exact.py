"""How far from the best possible: a tiny run of the whole path, and what the stored table promises."""

import numpy as np

from mlcourse.experiments import exact, results
from mlcourse.experiments.runner import run


def test_the_table_is_stored_whole_with_what_was_chosen(tmp_path):
    settings = exact.Settings(n_tasks=5, n_val_tasks=3, max_steps=2)
    run(exact.Exact, settings, seeds=(0,), out=tmp_path / "t.json")
    stored = results.load(str(tmp_path / "t.json"))
    assert [row["method"] for row in stored["rows"]] == ["the exact answer", exact.MAML, exact.POOLED]
    assert all(list(row["values"]) == list(exact.SETTINGS) for row in stored["rows"])
    for chosen in stored["details"]["chosen"].values():
        assert all(one["inner_lr"] in exact.RATES and 1 <= one["inner_steps"] <= 2 for one in chosen.values())


def test_only_the_support_labels_are_noisy():
    clean, noisy = (exact.noisy(5, noise).sample(3, np.random.default_rng(0)) for noise in (0.0, 1.0))
    np.testing.assert_array_equal(clean.query.y, noisy.query.y)
    np.testing.assert_array_equal(clean.support.x, noisy.support.x)
    assert 0.3 < np.std(noisy.support.y - clean.support.y) < 2


def test_in_the_courses_own_table_nothing_beats_the_exact_answer():
    table = results.load("exact")
    best, maml, pooled = ({c: v[0] for c, v in row["values"].items()} for row in table["rows"])
    assert all(best[column] < maml[column] < pooled[column] for column in exact.SETTINGS)
    assert best["2 points"] < 1e-9 and best["1 point"] > 1
    assert best["5, noise 0.5"] < best["5, noise 1"] and best["20, noise 1"] < best["5, noise 1"]
