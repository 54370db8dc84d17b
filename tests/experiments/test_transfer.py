"""The transfer table: a tiny run of the whole path, and what the stored table promises."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from mlcourse.experiments import results, transfer
from mlcourse.experiments.runner import run
from mlcourse.tasks import glyphs
from mlcourse.tasks.images import Episodes, Splits

TINY = transfer.Settings(
    channels=4, n_way_training=10, n_query_training=2, meta_steps=3, sweep_steps=2, n_tasks=4, rates=(0.004, 0.008)
)
COLUMNS = [f"{where}, {k_shot}-shot" for where in ("glyphs", "Omniglot") for k_shot in (1, 5)]


@pytest.fixture(scope="module")
def small() -> Splits:
    return Splits(*(part.take(np.arange(12)) for part in glyphs.splits()))


def test_the_table_is_stored_whole_with_its_sweep(small, tmp_path, monkeypatch):
    sets, said = {"glyphs": small, "Omniglot": small}, []
    monkeypatch.setattr(transfer.Transfer, "splits", lambda self: sets)
    made = run(transfer.Transfer, TINY, seeds=(0, 1), out=tmp_path / "t.json", say=said.append)
    stored = results.load(str(tmp_path / "t.json"))
    assert stored["rows"] == made["rows"] and stored["seeds"] == [0, 1] and len(said) == 3
    trained = [*transfer.MEASURES, transfer.FEWER, transfer.MORE, transfer.OMNIGLOT, *transfer.HEADS]
    longer = [f"{name}, {transfer.LONGER}" for name in (transfer.SQUARED, *transfer.HEADS)]
    methods = [*trained, *longer, transfer.PIXELS]
    assert [row["method"] for row in stored["rows"]] == methods
    assert all(list(row["values"]) == COLUMNS for row in stored["rows"])
    assert list(stored["details"]["spread over seeds"][transfer.SQUARED]) == COLUMNS
    sweeps = stored["details"]["sweeps"]
    assert set(sweeps["chosen"]) == {*transfer.MEASURES, *transfer.HEADS, *longer}
    for name, rate in sweeps["chosen"].items():
        tried = {one["meta_lr"]: one["accuracy"] for one in sweeps["tried"] if one["measure"] == name}
        assert tried[rate] == max(tried.values())
        assert len(tried) == 3 if name in longer else list(tried) == list(TINY.rates)


def test_a_learner_is_the_same_from_the_same_seed_and_not_transductive(small):
    first, second = (transfer.trained_learner(small.train, 3, TINY, meta_lr=0.01)[0] for _ in range(2))
    assert all(torch.equal(first.params[name], p) for name, p in second.params.items())
    tasks = Episodes(small.test, n_way=3, k_shot=1, n_query=2).sample(2, np.random.default_rng(0))
    together, alone = (first.many(tasks.support, x) for x in (tasks.query.x, tasks.query.x[:, :1]))
    np.testing.assert_allclose(alone, together[:, :1], rtol=1e-4, atol=1e-5)


def test_the_courses_own_table_shows_a_space_that_carries():
    table = results.load("transfer_glyphs_to_omniglot")
    settings = json.loads(json.dumps(dataclasses.asdict(transfer.Settings())))
    assert table["details"]["settings"] == settings and len(table["seeds"]) == 3
    ours = {row["method"]: {column: mean for column, (mean, _) in row["values"].items()} for row in table["rows"]}
    assert ours[transfer.SQUARED]["glyphs, 1-shot"] > 95
    for column in ("Omniglot, 1-shot", "Omniglot, 5-shot"):
        assert ours[transfer.PIXELS][column] < ours[transfer.SQUARED][column] < ours[transfer.OMNIGLOT][column]
