"""The sinusoid benchmark compares like with like: it runs only contenders that compute the same gradient."""

import pytest
import torch

from mlcourse.experiments import bench, results
from mlcourse.experiments.bench import sinusoid
from mlcourse.experiments.bench.agreement import disagreement
from mlcourse.fast import capture


@pytest.fixture
def no_compiler(monkeypatch):
    monkeypatch.setattr(capture, "cpp_compiler", lambda: None)


def test_a_small_run_makes_a_sound_table(no_compiler, tmp_path):
    pytest.importorskip("higher")
    said, threads = [], torch.get_num_threads()
    table = bench.meta_gradient(inner_steps=(1, 2), repeats=1, say=said.append)
    assert torch.get_num_threads() == threads
    assert results.load(str(results.save(table, tmp_path / "b.json")))["name"] == "bench_meta_gradient_sinusoid"
    assert [row["method"] for row in table["rows"]] == [
        "fast, eager",
        "reference",
        "plain loop over tasks",
        "higher",
    ]
    assert table["rows"][-1]["values"]["2 steps, times as fast as higher"] == 1.0
    slowest = table["rows"][-1]["values"]["1 step, ms"]
    for row in table["rows"]:  # the two columns say the same
        values = row["values"]
        assert slowest / values["1 step, ms"] == pytest.approx(values["1 step, times as fast as higher"], rel=0.02)
    assert "--inner-steps 1 --inner-steps 2" in table["command"] and "--repeats 1" in table["command"]
    assert "1 torch thread " in table["protocol"] and any("all agree" in line for line in said)


@pytest.mark.parametrize("inner_steps", [1, 3])
def test_all_contenders_compute_the_same_gradient(no_compiler, inner_steps):
    pytest.importorskip("higher")
    gradients = {name: contender() for name, contender in sinusoid.make_contenders(inner_steps, seed=1).items()}
    assert max(disagreement(gradients).values()) < 1e-5


def test_contenders_that_disagree_are_not_timed(no_compiler, monkeypatch):
    pytest.importorskip("higher")
    honest = sinusoid._plain_loop
    monkeypatch.setattr(sinusoid, "_plain_loop", lambda params, tasks, steps: honest(params, tasks, steps + 1))
    with pytest.raises(RuntimeError, match="do not compute the same gradient"):
        bench.meta_gradient(inner_steps=(1,), repeats=1)


@pytest.mark.parametrize("wrong", [{"inner_steps": (0,)}, {"repeats": 0}, {"threads": 0}])
def test_counts_are_checked(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is 0"):
        bench.meta_gradient(**wrong)
