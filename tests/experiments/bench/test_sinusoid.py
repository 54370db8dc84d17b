"""The sinusoid benchmark compares like with like: it runs only contenders that compute the same gradient."""

import sys

import pytest
import torch

from mlcourse.experiments import bench, results
from mlcourse.experiments.bench import sinusoid
from mlcourse.experiments.bench.agreement import disagreement
from mlcourse.fast import capture

EVERYONE = ["fast, compiled", "fast, recorded", "fast, eager", "JAX jit + vmap", "reference"]
EVERYONE += ["plain loop over tasks", "learn2learn's way", "higher"]


@pytest.fixture
def no_compiler(monkeypatch):
    monkeypatch.setattr(capture, "cpp_compiler", lambda: None)


def test_a_small_run_makes_a_sound_table(no_compiler, tmp_path):
    pytest.importorskip("higher")
    said, threads = [], torch.get_num_threads()
    table = bench.meta_gradient(inner_steps=(1, 2), repeats=1, say=said.append)
    assert torch.get_num_threads() == threads
    assert results.load(str(results.save(table, tmp_path / "b.json")))["name"] == "bench_meta_gradient_sinusoid"
    rows = {row["method"]: row["values"] for row in table["rows"]}
    assert list(rows) == EVERYONE
    assert rows["higher"]["2 steps, times as fast as higher"] == 1.0
    assert rows["fast, compiled"]["1 step, ms"].startswith('not measured: capture="compile" needs a C++ compiler')
    for values in rows.values():  # the columns say the same
        if "1 step, times as fast as higher" in values:
            share = rows["higher"]["1 step, ms"] / values["1 step, ms"]
            assert share == pytest.approx(values["1 step, times as fast as higher"], rel=0.02)
            assert values["1 step, first call, s"] > 0
    assert "--inner-steps 1 --inner-steps 2" in table["command"] and "--repeats 1" in table["command"]
    assert "1 torch thread " in table["protocol"] and any("all agree" in line for line in said)


@pytest.mark.parametrize("inner_steps", [1, 3])
def test_all_contenders_compute_the_same_gradient(no_compiler, inner_steps):
    pytest.importorskip("higher")
    made = sinusoid.make_contenders(inner_steps, seed=1)
    gradients = {name: contender() for name, contender in made.items() if callable(contender)}
    assert len(gradients) >= len(EVERYONE) - 2
    assert max(disagreement(gradients).values()) < 1e-5


def test_contenders_that_disagree_are_not_timed(no_compiler, monkeypatch):
    pytest.importorskip("higher")
    honest = sinusoid._plain_loop
    monkeypatch.setattr(sinusoid, "_plain_loop", lambda params, tasks, steps: honest(params, tasks, steps + 1))
    with pytest.raises(RuntimeError, match="do not compute the same gradient"):
        bench.meta_gradient(inner_steps=(1,), repeats=1)


def test_without_jax_its_row_says_so(no_compiler, monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", None)
    assert sinusoid.make_contenders(1)["JAX jit + vmap"] == "not measured: JAX is not installed"


@pytest.mark.parametrize("wrong", [{"inner_steps": (0,)}, {"repeats": 0}, {"threads": 0}])
def test_counts_are_checked(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is 0"):
        bench.meta_gradient(**wrong)
