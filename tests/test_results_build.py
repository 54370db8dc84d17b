"""`data/results/build.py`: it checks first, measures in the promised order, and goes on where it stopped."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch

from mlcourse.errors import DataError
from mlcourse.experiments import results
from mlcourse.paths import REPOSITORY


@pytest.fixture
def build():
    spec = importlib.util.spec_from_file_location("results_build", REPOSITORY / "data" / "results" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_order_is_what_readers_want_to_know_first(build):
    jobs = build.jobs()
    assert [(j.method, len(j.seeds)) for j in jobs[:4]] == [
        (m, 1) for m in ("protonet", "maml", "reptile", "fomaml")
    ]
    assert {(j.n_way, j.k_shot, j.split) for j in jobs[:12]} == {(5, 1, "random")} and jobs[11].seeds == (0, 1, 2)
    splits = [j.split for j in jobs]
    assert splits == sorted(splits, reverse=True) and len(set(jobs)) == len(jobs)


def test_every_way_to_run_a_step_is_checked_before_anything_is_measured(build, capsys):
    build.check(torch.device("cpu"))
    assert "matmul, vmap, eager: relative difference" in capsys.readouterr().err


def test_a_wrong_gradient_stops_everything(build, monkeypatch, tmp_path):
    honest = build.capture.capture

    def wrong(step, mode, **how):
        ready, way = honest(step, mode, **how)
        return lambda *arguments: {name: 1.1 * g for name, g in ready(*arguments).items()}, way

    monkeypatch.setattr(build.capture, "capture", wrong)
    with pytest.raises(AssertionError, match="direct"):
        build.main(device="cpu", out=tmp_path, small=True, checkpoints=None)
    assert not list(tmp_path.iterdir())


def test_a_rehearsal_makes_whole_tables_and_is_not_made_twice(build, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(build, "jobs", lambda: [build.Job("protonet", 5, 1, "random", s) for s in ((0,), (0, 1))])
    for _ in range(2):
        build.main(device="cpu", out=tmp_path, small=True, checkpoints=None, skip_bench=True)
    said = capsys.readouterr().err
    assert said.count("seed 1") == 1 and said.count("all is done") == 2
    (path,) = (tmp_path / "omniglot").glob("*.json")
    table = results.load(str(path))
    assert table["seeds"] == [0, 1] and [run["seed"] for run in table["details"]["training"]] == [0, 1]
    assert all(run["seconds"] > 0 for run in table["details"]["training"])  # also of the seed that was resumed


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"device": "gpu"}, "device is 'gpu'; choose one of cuda, cpu"),
        ({"minutes": float("nan")}, "minutes is nan; give a finite number"),
        ({"out": Path(__file__)}, "cannot be written"),
        ({"checkpoints": Path(__file__)}, "cannot be written"),
    ],
)
def test_arguments_are_judged_before_anything_is_checked(build, monkeypatch, tmp_path, other, message):
    monkeypatch.setattr(build, "check", lambda device: pytest.fail("work began"))
    with pytest.raises((ValueError, DataError), match=message):
        build.main(**{"device": "cpu", "out": tmp_path, "checkpoints": None} | other)


def test_without_time_nothing_begins(build, tmp_path, capsys):
    build.main(device="cpu", minutes=0.0, out=tmp_path, checkpoints=None)
    assert "0 of 45 are done; " in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_figures_of_a_cpu_do_not_stand_for_those_of_a_gpu(build, tmp_path):
    table = json.loads((REPOSITORY / "data" / "results" / "sinusoid.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps(table))
    assert build.is_there(tmp_path / "run.json", 3, "cpu") and not build.is_there(tmp_path / "run.json", 3, "cuda")
    assert not build.is_there(tmp_path / "run.json", 4, "cpu") and not build.is_there(
        tmp_path / "no.json", 1, "cpu"
    )


def test_times_of_one_step_alone_are_not_the_whole_table(build, tmp_path):
    table = json.loads((REPOSITORY / "data" / "results" / "bench_meta_gradient_conv4.json").read_text())
    path = tmp_path / "bench.json"
    path.write_text(json.dumps(table))
    assert build.gradient_is_timed(path, "cpu") and not build.gradient_is_timed(path, "cuda")
    del table["details"]["contenders"]["5 steps"]
    path.write_text(json.dumps(table))
    assert not build.gradient_is_timed(path, "cpu")
