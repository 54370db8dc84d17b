"""Stored weights: what comes back is what went in, and what is missing or damaged is said."""

import json
import re
import zipfile

import numpy as np
import pytest
import torch

from mlcourse import weights
from mlcourse.errors import DataError
from mlcourse.paths import data_folder
from mlcourse.tasks.store import digest_of


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where weights lie, empty."""
    (tmp_path / "weights").mkdir()
    monkeypatch.setattr(weights, "data_folder", lambda: tmp_path)
    return tmp_path / "weights"


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
        with np.load(path) as stored:
            assert made["digest"] == digest_of(dict(stored))


def test_unknown_weights_are_named():
    with pytest.raises(DataError, match="no weights called 'nobody'.*sinusoid_maml"):
        weights.load("nobody")


def test_a_file_that_is_no_archive_of_arrays_is_refused(folder):
    path = folder / "torn.npz"
    for damaged in (b"", b"PK\x03\x04 half a file"):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=f"torn.npz is truncated or corrupt .*git checkout {path}"):
            weights.load("torn")
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(DataError, match="torn.npz is truncated or corrupt .*; restore"):
        weights.load("torn")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("w0.txt", "1.0")
    with pytest.raises(DataError, match="'w0.txt' is no array; restore"):
        weights.load("torn")


@pytest.mark.parametrize(
    "arrays, words",
    [
        ({}, "there is no array"),
        ({"w0": np.array([[0.0, np.nan]])}, "'w0' of shape (1, 2) holds nan at [0, 1]"),
        ({"w0": np.array([1j])}, "'w0' of shape (1,) is complex128, not real floating-point numbers"),
        ({"w0": np.array(["1.0"])}, "'w0' of shape (1,) is <U3, not real"),
        ({"w0": np.array(["2026-01-01"], "M8[D]")}, "is datetime64[D], not real"),
    ],
)
def test_what_is_stored_must_be_finite_real_numbers(folder, arrays, words):
    np.savez(folder / "odd.npz", **arrays)
    with pytest.raises(DataError, match=re.escape(words)):
        weights.load("odd")


def test_numbers_that_were_not_saved_are_refused(folder):
    saved = {"w0": np.eye(2, 3), "b0": np.ones(3)}
    path = weights.save("small", saved, {"seeds": [0]})
    np.testing.assert_array_equal(weights.load("small")["w0"], saved["w0"])
    for other in ({"w0": 3 * saved["w0"]}, {"w0": saved["w0"].reshape(3, 2)}, {"w1": np.eye(3)}):
        np.savez(path, **{name: value.astype(np.float32) for name, value in {**saved, **other}.items()})
        with pytest.raises(DataError, match="small.npz are not those that small.json describes: their digest is"):
            weights.load("small")
    path.with_suffix(".json").write_text("[]")
    with pytest.raises(DataError, match="small.json cannot be read"):
        weights.load("small")


def test_what_was_stored_before_digests_is_judged_by_its_numbers_alone(folder):
    path = weights.save("old", {"b0": np.ones(3)}, {"seeds": [0]})
    for before in (lambda made: made.write_text('{"seeds": [0]}'), lambda made: made.unlink()):
        before(path.with_suffix(".json"))
        np.testing.assert_array_equal(weights.load("old")["b0"], np.ones(3))


@pytest.mark.parametrize(
    "params, words",
    [
        ({}, "params is a dict; give a dict of arrays"),
        ({"w0": np.array([1.0, np.nan])}, "params, as float32: 'w0' of shape (2,) holds nan at [1]"),
        ({"w0": np.array([1e300])}, "'w0' of shape (1,) holds inf at [0]; give finite numbers"),
        ({"w0": np.array([1j])}, "params['w0'] is a NumPy array of shape (1,) and dtype complex128"),
        ({"w0": np.arange(3)}, "parameters are real numbers"),
        ({"file": np.ones(1)}, "params has the name 'file'; give a name such as 'w0'"),
        ({0: np.ones(1)}, "params has the name 0; give"),
    ],
)
def test_what_cannot_be_stored_is_named_before_anything_is_written(tmp_path, params, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        weights.save("odd", params, {}, tmp_path)
    assert not list(tmp_path.iterdir())


def test_tensors_and_a_folder_by_its_name_will_do(tmp_path):
    path = weights.save("small", {"b0": torch.ones(3, requires_grad=True)}, {"seeds": [0]}, str(tmp_path))
    with np.load(path) as stored:
        np.testing.assert_array_equal(stored["b0"], np.ones(3, np.float32))


def test_parameters_of_another_network_are_refused():
    held = {"w0": np.zeros((2, 3)), "b0": np.zeros(3)}
    weights.require_network("small", held, {"w0": (2, 3), "b0": (3,)})
    for shapes, words in (
        ({"w0": (3, 2), "b0": (3,)}, "'w0' is (2, 3), in this network (3, 2)"),
        ({"w0": (2, 3)}, "'b0' is (3,), in this network missing"),
        ({"w0": (2, 3), "b0": (3,), "w1": (3, 1)}, "'w1' is missing, in this network (3, 1)"),
    ):
        with pytest.raises(DataError, match=re.escape(f"weights 'small': {words}; restore")):
            weights.require_network("small", held, shapes)


def test_a_full_disk_leaves_the_weights_before(tmp_path, monkeypatch):
    path = weights.save("small", {"b0": np.zeros(3)}, {"seeds": [0]}, tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mlcourse.files.os.fsync", full)
    with pytest.raises(DataError, match="small.npz could not be written .*No space left on device"):
        weights.save("small", {"b0": np.ones(3)}, {"seeds": [1]}, tmp_path)
    assert path.exists() and {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
