"""Stored weights: what comes back is what went in, and what is missing or damaged is said."""

import json

import numpy as np
import pytest

from mlcourse import weights
from mlcourse.errors import DataError
from mlcourse.paths import data_folder


def test_weights_come_back_with_their_provenance(tmp_path):
    params = {"w0": np.linspace(-1, 1, 6).reshape(2, 3), "b0": np.zeros(3)}
    path = weights.save("small", params, {"command": "none", "seeds": [0]}, tmp_path)
    with np.load(path) as stored:
        assert {name: stored[name].shape for name in stored.files} == {"w0": (2, 3), "b0": (3,)}
    assert json.loads(path.with_suffix(".json").read_text())["seeds"] == [0]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["small.json", "small.npz"]  # nothing temporary is left


def test_every_shipped_weight_says_what_made_it():
    shipped = sorted((data_folder() / "weights").glob("*.npz"))
    assert shipped
    for path in shipped:
        made = json.loads(path.with_suffix(".json").read_text())
        assert {"command", "seeds", "hardware", "versions"} <= set(made)
        assert all(value.dtype == np.float64 for value in weights.load(path.stem).values())


def test_unknown_weights_are_named():
    with pytest.raises(DataError, match="no weights called 'nobody'.*sinusoid_maml"):
        weights.load("nobody")


def test_a_damaged_file_is_refused(tmp_path, monkeypatch):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "torn.npz").write_bytes(b"PK\x03\x04 half a file")
    monkeypatch.setattr(weights, "data_folder", lambda: tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        weights.load("torn")


def test_a_full_disk_leaves_the_weights_before(tmp_path, monkeypatch):
    path = weights.save("small", {"b0": np.zeros(3)}, {"seeds": [0]}, tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mlcourse.files.os.fsync", full)
    with pytest.raises(DataError, match="small.npz could not be written .*No space left on device"):
        weights.save("small", {"b0": np.ones(3)}, {"seeds": [1]}, tmp_path)
    assert path.exists() and {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
