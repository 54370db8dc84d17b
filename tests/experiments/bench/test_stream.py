"""The table of the streams: every reader draws all its tasks, memory is told, and the table is sound."""

import json

import numpy as np
import pytest

from mlcourse.experiments import results
from mlcourse.experiments.bench import stream
from mlcourse.tasks import Sinusoids
from mlcourse.tasks.stream import write_tasks

FOUND = {"tasks": 100, "seconds": 0.5, "ready": 0.7, "own": 150e6, "all": 400e6}


@pytest.mark.parametrize("name", [stream.MAPPED, stream.WHOLE])
def test_a_reader_draws_all_its_tasks(name, tmp_path, capsys):
    write_tasks(tmp_path, Sinusoids(3, 2), 60, np.random.default_rng(0), per_file=40)
    stream.measure(name, str(tmp_path), "4")
    found = json.loads(capsys.readouterr().out)
    assert found["tasks"] == 3 * stream.BATCH and found["seconds"] > 0  # the first batch counts as getting ready


def test_the_workers_of_the_loader_share_the_batches(tmp_path):
    write_tasks(tmp_path, Sinusoids(3, 2), 60, np.random.default_rng(0))
    batches = [batch.support.x for batch in stream.READERS[stream.LOADER](str(tmp_path), 5)]
    assert len(batches) == 5 and batches[0].shape == (stream.BATCH, 3, 1)
    assert not any((batches[0] == other).all() for other in batches[1:])


def test_memory_is_watched_in_bytes(tmp_path):
    own, all_of_it = stream._memory("self")
    assert own == all_of_it == 0 or 1e7 < own <= all_of_it < 1e11


def test_a_small_run_makes_a_sound_table(monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(stream, "_alone", lambda name, folder, n: calls.append(name) or FOUND)
    table = stream.stream(gigabytes=0.005, n_batches=3)
    assert calls == ["nothing", *(name for name in stream.READERS for _ in range(2))]
    assert results.load(str(results.save(table, tmp_path / "s.json")))["name"] == "stream"
    first = table["rows"][1]["values"]
    assert (
        first["tasks a second, first"] == first["tasks a second, again"] == 200 and first["own memory, MB"] == 150
    )
    assert "--gigabytes 0.005 --n-batches 3" in table["command"] and "53 tasks of 94 kB" in table["protocol"]


def test_what_the_stored_table_promises():
    """Mapped, 2 GB cost less than a tenth of them in memory of the process's own; loaded whole, all of it."""
    rows = {row["method"]: row["values"] for row in results.load("stream")["rows"]}
    bare = rows["nothing but the imports"]["own memory, MB"]
    assert rows[stream.MAPPED]["own memory, MB"] - bare < 200
    assert rows[stream.WHOLE]["own memory, MB"] - bare > 1900
    assert all(rows[name]["tasks a second, again"] > 1000 for name in stream.READERS)
