"""Stored tables: one schema, written whole or not at all, and readable beside the published numbers."""

import json
import math
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlcourse.errors import DataError
from mlcourse.evaluation import Evaluation
from mlcourse.experiments import results


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
        ({"hardware": {"cpu": "x", "cores": 1}}, "hardware lacks 'gpu'"),
        ({"wall_seconds": math.inf}, "wall_seconds holds inf"),
        ({"seeds": [0, "a"]}, "seeds is .*; give whole numbers"),
        ({"date": "yesterday"}, "date is 'yesterday'; give YYYY-MM-DD"),
    ],
)
def test_a_table_with_a_gap_is_refused(result, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        results.save({**result, **change}, tmp_path / "example.json")
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"publishd": {"a": 1}}, "has 'publishd'; a row has method, values, published and source"),
        ({"published": {"b": 1.0}, "source": "s"}, "has a published 'b', which its values have not"),
        ({"values": {"a": True}}, "holds True; give a finite number"),
        ({"values": {"a": [1.0, -0.5]}}, r"holds \[1.0, -0.5\]"),
        ({"values": {"a": 10**400}}, "column 'a' holds 1000"),
        ({"values": [1.0]}, r"has \[1.0\]; give figures by column"),
        ({"values": {1: 1.0}}, r"has \{1: 1.0\}; give figures by column, whose name is a text"),
        ({"published": {"a": 1.0}, "source": 5}, "has the source 5; give a text"),
    ],
)
def test_a_row_that_would_be_misread_is_refused(result, row, message):
    result["rows"] = [{"method": "ours", "values": {"a": 1.0}} | row]
    with pytest.raises(ValueError, match=message):
        results.validate(result)


def test_published_numbers_say_their_column_where_it_could_be_another(result):
    values = {"a": 1.0, "b": 2.0}
    for published, cell in (({"b": 3.0}, "b: 3.0"), ({"a": 3.0}, "3.0"), ({"b": 4.0, "a": 3.0}, "3.0 / 4.0")):
        result["rows"] = [{"method": "ours", "values": values, "published": published, "source": "s"}]
        assert f"| {cell} | s |" in results.table(result)


def test_a_name_that_stands_twice_in_a_file_is_refused(result, tmp_path):
    (tmp_path / "x.json").write_text(json.dumps(result).replace('"name":', '"name": "other", "name":'))
    with pytest.raises(DataError, match="it has 'name' twice"):
        results.load(str(tmp_path / "x.json"))


def test_a_table_without_the_right_form_is_not_lost_either(result, tmp_path):
    result["details"] = {"loss": float("nan")}
    with pytest.raises(ValueError, match="not JSON compliant.*; what was measured is in ") as raised:
        results.save(result, tmp_path / "table.json")
    assert "NaN" in Path(str(raised.value).rpartition("is in ")[2]).read_text()


@pytest.mark.parametrize("text", ["", "[]", '{"name": "x"}', "{"])
def test_a_broken_file_gets_a_clear_error(tmp_path, text):
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(DataError, match="broken.json is no table"):
        results.load(str(path))


def test_the_table_stands_beside_the_published_numbers(result):
    lines = results.table(result).splitlines()
    assert lines[0] == "| method | 1 step | 5 steps | published | source |"
    assert lines[2] == "| MAML | 0.631\xa0±\xa00.052 | 0.385 | 0.67 / 0.38 | Finn et al. (2017), table 2 |"
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


def test_a_score_without_a_number_is_told_in_words():
    """0 % would pass for bad luck, and an infinite error for no table at all."""
    sound = Evaluation("accuracy", np.array([0.5, 0.7]), False)
    assert results.scored(sound, scale=100, digits=1) == [60.0, 19.6]
    assert results.scored(replace(sound, not_finite=1200)).endswith(
        "; 1,200 predictions were no finite numbers, and count as wrong"
    )
    failed = Evaluation("squared error", np.array([np.inf, 1.0]), False, 1)
    assert results.scored(failed) == "1 prediction was no finite number, and counts as wrong"


def test_a_run_in_a_folder_has_a_name_too(result, tmp_path, monkeypatch):
    run = results.names()[0]
    (path,) = list(results.results_folder().glob("omniglot/*protonet_5w1s.json"))[:1]
    assert results.load(f"omniglot/{path.stem}")["name"] == path.stem and results.load(run)
    results.save(result, tmp_path / "noext")
    assert results.load(str(tmp_path / "noext")) == json.loads((tmp_path / "noext").read_text())
