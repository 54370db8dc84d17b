"""The table of the libraries holds only gradients that agree, and says why a library is not in it."""

import sys

import pytest

from mlcourse.experiments import results
from mlcourse.experiments.bench import dialects, libraries
from mlcourse.experiments.bench.agreement import distance
from mlcourse.fast import capture

ROWS = [*libraries.MAKERS, *libraries.DO_NOT_INSTALL]


@pytest.fixture(autouse=True)
def no_compiler(monkeypatch):
    monkeypatch.setattr(capture, "cpp_compiler", lambda: None)


def test_a_small_run_makes_a_sound_table(tmp_path):
    table = libraries.libraries(inner_steps=(1, 2), repeats=1)
    assert results.load(str(results.save(table, tmp_path / "b.json")))["name"] == "bench_libraries"
    rows = {row["method"]: row["values"] for row in table["rows"]}
    assert list(rows) == ROWS
    assert float(rows["higher"]["off by"]) < 1e-12 and rows["higher"]["version"] == "higher 0.2.1"
    assert rows["higher"]["2 steps, ms"] > 0 and float(rows["higher"]["first call, s"]) >= 0
    assert rows["this course, compiled"]["version"].startswith("not measured: ")
    assert rows["learn2learn"] == {"version": "0.2.0 does not install"}
    assert "learn2learn, since its C files include longintrepr.h" in table["protocol"]
    assert "--inner-steps 1 --inner-steps 2 --repeats 1" in table["command"]


@pytest.mark.parametrize("dialect", ["jax", "tensorflow", "torchopt"])
def test_a_dialect_that_is_not_here_says_so(dialect, monkeypatch):
    monkeypatch.setitem(sys.modules, dialect, None)
    name = {"jax": "JAX", "tensorflow": "TensorFlow", "torchopt": "TorchOpt"}[dialect]
    assert libraries.make_contenders(1)[name] == f"not measured: {name} is not installed"


def test_the_loop_over_the_tasks_gives_what_all_at_once_give():
    params, tasks = libraries.draw(0)
    at_once, in_turn = (dialects.torch_func(params, tasks, 2, in_turn=one) for one in (False, True))
    assert 0 < distance(in_turn(), at_once()) < 1e-14


@pytest.mark.parametrize("name", ["torch_func", "higher", "learn2learn", "torchopt"])
def test_a_dialect_gives_the_same_twice(name):
    """A model that is not put back to the start would give another gradient the second time."""
    if name == "torchopt":
        pytest.importorskip("torchopt")
    params, tasks = libraries.draw(0)
    call = getattr(dialects, name)(params, tasks, 2)
    first = {name: slope.clone() for name, slope in call().items()}
    assert distance(call(), first) == 0


def test_another_gradient_is_refused(monkeypatch):
    honest = libraries.MAKERS["higher"][0]
    wrong = (lambda params, tasks, steps: honest(params, tasks, steps + 1), "higher")
    monkeypatch.setitem(libraries.MAKERS, "higher", wrong)
    with pytest.raises(RuntimeError, match="do not compute the same gradient"):
        libraries.libraries(inner_steps=(1,), repeats=1)


def test_what_the_stored_table_promises():
    """All that install agree to 1e-6; nothing that installs is missing."""
    rows = {row["method"]: row["values"] for row in results.load("bench_libraries")["rows"]}
    assert list(rows) == ROWS
    for name in libraries.MAKERS:
        assert float(rows[name]["off by"]) <= libraries.AGREEMENT, name
        assert {"1 step, ms", "5 steps, ms", "first call, s"} <= set(rows[name])
