"""Stored tables: one schema, written whole or not at all, and readable beside the published numbers."""

import json
import math
import os
import time

import pytest

from mlcourse import results
from mlcourse.errors import DataError


@pytest.fixture(autouse=True)
def spare_tables_stay_here(monkeypatch, tmp_path_factory):
    """What cannot be written where it should goes to the temporary folder: here to the test's own."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("spare")))


@pytest.fixture
def result():
    return {
        "name": "example",
        "title": "An example",
        "protocol": "Five points, 600 tasks.",
        "rows": [
            {
                "method": "MAML",
                "values": {"1 step": [0.6312, 0.0521], "5 steps": 0.385},
                "published": {"1 step": 0.67, "5 steps": 0.38},
                "source": "Finn et al. (2017), table 2",
            },
            {"method": "a|b", "values": {"1 step": 12345, "5 steps": "not run"}},
        ],
        **results.provenance("python -m mlcourse example", (0, 1), time.perf_counter() - 2.0),
    }


def test_provenance_says_where_a_table_comes_from(result):
    assert result["seeds"] == [0, 1] and result["wall_seconds"] >= 2.0
    assert result["hardware"]["cores"] >= 1 and result["hardware"]["cpu"] and result["hardware"]["gpu"] == "none"
    assert set(result["versions"]) == {"python", "torch", "numpy"}
    assert time.strptime(result["date"], "%Y-%m-%d")


def test_what_is_saved_is_loaded(result, tmp_path):
    path = results.save(result, tmp_path / "new" / "example.json")
    assert results.load(str(path)) == json.loads(json.dumps(result))
    assert os.listdir(path.parent) == ["example.json"]


def test_the_courses_own_folder_is_the_default(result, tmp_path, monkeypatch):
    monkeypatch.setattr(results, "data_folder", lambda: tmp_path)
    assert results.save(result) == tmp_path / "results" / "example.json"
    assert results.names() == ["example"]
    assert results.load("example")["title"] == "An example"
    with pytest.raises(DataError, match="no table 'exmaple' .did you mean .example...; there are: example"):
        results.load("exmaple")


def test_a_failed_write_leaves_the_old_table(result, tmp_path, monkeypatch):
    path = results.save(result, tmp_path / "example.json")
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(DataError, match="No space left"):
        results.save({**result, "title": "Another"}, path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["example.json"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": None}, "seeds is None"),
        ({"extra": 1}, "unknown field 'extra'"),
        ({"rows": [{"method": "x"}]}, "row 0 .* needs a method and values"),
        ({"rows": [{"method": "x", "values": {}, "published": {"1 step": 1.0}}]}, "source, not both"),
        ({"rows": [{"method": "x", "values": {"a": math.nan}}]}, "column 'a' holds nan"),
        ({"rows": [{"method": "x", "values": {"a": [1.0, 2.0, 3.0]}}]}, "column 'a' holds"),
    ],
)
def test_a_table_with_a_gap_is_refused(result, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        results.save({**result, **change}, tmp_path / "example.json")
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", '{"name": "x"}', "{"])
def test_a_broken_file_gets_a_clear_error(tmp_path, text):
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(DataError, match="broken.json is no table"):
        results.load(str(path))


def test_the_table_stands_beside_the_published_numbers(result):
    lines = results.table(result).splitlines()
    assert lines[0] == "| method | 1 step | 5 steps | published | source |"
    assert lines[2] == "| MAML | 0.631 ± 0.052 | 0.385 | 0.67 / 0.38 | Finn et al. (2017), table 2 |"
    assert lines[3] == "| a\\|b | 12345 | not run | – | – |"
    assert "seeds 0, 1" in lines[-1] and "`python -m mlcourse example`" in lines[-1] and "no GPU" in lines[-1]


def test_without_published_numbers_there_is_no_such_column(result):
    result["rows"].pop(0)
    assert results.table(result).startswith("| method | 1 step | 5 steps |\n")


def test_every_stored_table_is_sound():
    for name in results.names():
        stored = results.load(name)
        assert stored["name"] == name
        assert results.table(stored)


def test_a_table_that_cannot_go_where_it_should_is_not_lost(result, tmp_path, monkeypatch):
    """A full disk, say: what an hour has measured is put elsewhere, and the error says where."""

    def full(path, write):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results, "write_whole", full)
    with pytest.raises(DataError, match="could not be written .*No space left.* the new table is in ") as raised:
        results.save(result, tmp_path / "table.json")
    spare = str(raised.value).rpartition("is in ")[2].removesuffix(": move it from there")
    assert results.load(spare) == result
