"""Each way gives the numbers of the step itself, and "auto" takes the one that pays."""

import shutil

import numpy as np
import pytest
import torch

from mlcourse.fast import capture, losses, maml, networks
from mlcourse.fast.arrays import tensors
from mlcourse.tasks import Episodes, Sinusoids, glyphs


@pytest.fixture
def no_compiler(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)


def step(x):
    return x + 1


def test_eager_says_nothing(no_compiler, capsys):
    assert capture.capture(step, "eager") == (step, "eager")
    assert capsys.readouterr().out == ""


def test_compiling_without_a_compiler_is_a_clear_error(no_compiler):
    with pytest.raises(ValueError, match=r'capture="compile" needs a C\+\+ compiler .*; use "auto"'):
        capture.capture(step, "compile")


def test_an_unknown_mode_is_refused():
    with pytest.raises(
        ValueError, match="capture is 'fast'; choose one of auto, eager, trace, compile, cuda-graph"
    ):
        capture.capture(step, "fast")


def test_the_compiler_named_by_cxx_comes_first(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setenv("CXX", "my-c++")
    assert capture.cpp_compiler() == "/bin/my-c++"
    monkeypatch.delenv("CXX")
    assert capture.cpp_compiler() == "/bin/g++"


def test_a_cuda_graph_without_a_gpu_is_a_clear_error():
    with pytest.raises(ValueError, match='needs an NVIDIA GPU; on the device cpu use "auto"'):
        capture.capture(step, "cuda-graph", device="cpu")


def test_a_trace_is_for_a_cpu():
    with pytest.raises(ValueError, match='capture="trace" is for a CPU; on the device cuda use "cuda-graph"'):
        capture.capture(step, "trace", device="cuda")


# --- what pays ---------------------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch):
    """Seconds as a test says: of an eager call, a recorded call, and of recording and compiling."""
    told = {"eager": 0.02, "trace": 0.005, "recording": 1.0, "compiled": []}
    monkeypatch.setattr(capture, "seconds", lambda step, trial: told["trace" if is_recorded(step) else "eager"])
    record = capture._record
    monkeypatch.setattr(capture, "_record", lambda *how: record(*how) and told["recording"])
    monkeypatch.setattr(capture.Recorded, "compile", lambda self, trial: told["compiled"].append(self))
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    return told


def is_recorded(step):
    return isinstance(step, capture.Recorded)


TRIALS = (torch.ones(2),), (torch.zeros(2),)


def way(calls, step=step, **how):
    ready, taken = capture.capture(step, trials=TRIALS, calls=calls, **how)
    assert is_recorded(ready) == (taken != "eager") and ready(torch.ones(2)).tolist() == [2, 2]
    return taken


def test_auto_without_a_trial_is_eager_on_a_cpu_and_recorded_on_a_gpu(capsys):
    assert capture.capture(step) == (step, "eager")
    assert capture.capture(step, device="cuda")[1] == "cuda-graph"
    assert capsys.readouterr().err == ""


def test_a_short_run_stays_eager_and_is_not_tried(clock):
    """Thirty steps of any network, however slow it is."""

    def never(x):
        raise AssertionError

    assert capture.capture(never, trials=TRIALS, calls=30) == (never, "eager")


def test_a_longer_run_is_recorded_and_a_long_one_compiled(clock, capsys):
    """Compiling takes 6 s and 8 recordings, and saves 3 ms of 5: 4,667 calls pay for it."""
    assert [way(calls) for calls in (199, 200, 4600, 4700)] == ["eager", "trace", "trace", "compile"]
    assert len(clock["compiled"]) == 1 and capsys.readouterr().err == ""


def test_a_recording_that_is_slower_is_let_go(clock):
    clock["trace"] = 0.03
    assert way(10**6) == "eager"


def test_compiling_pays_later_where_recording_took_long(clock):
    clock["recording"] = 20.0
    assert way(50_000) == "trace" and way(60_000) == "compile"


def test_without_a_compiler_a_long_run_is_recorded_and_one_line_says_why(clock, no_compiler, capsys):
    assert way(10**6) == "trace"
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "Running as recorded" in said and "no C++ compiler" in said


def test_a_step_that_cannot_be_recorded_runs_eagerly_and_one_line_says_why(clock, capsys):
    assert way(10**6, step=lambda x: x + float(x.sum()) * 0 + 1) == "eager"
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith(
        "Running eagerly, with the same results, more slowly: the step"
    )


@pytest.mark.parametrize("mode", ["auto", "trace"])
def test_a_recording_of_what_numpy_has_read_is_found_out(clock, mode, capsys):
    def reads(x):
        return x + torch.from_numpy(x.numpy() * 0 + x.numpy().sum())

    if mode == "auto":
        assert capture.capture(reads, trials=TRIALS, calls=1000) == (reads, "eager")
        assert "on other tasks the recording gives other numbers" in capsys.readouterr().err
    else:
        with pytest.raises(ValueError, match="on other tasks the recording gives other numbers"):
            capture.capture(reads, mode, trials=TRIALS)


def test_what_takes_a_while_is_said(clock):
    said = []
    assert way(10**6, say=said.append) == "compile" and said == ["recording", "compiling"]
    said.clear()
    assert way(1, mode="trace", say=said.append) == "trace" and said == ["recording"]


# --- the numbers -------------------------------------------------------------------------------------------


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_recorded_is_eager_to_rounding():
    """In float64, Conv4 second order: whatever the capture, the gradient of the eager loop over tasks."""
    network = networks.conv4(5, channels=8, convolution="matmul")
    loss, family = losses.cross_entropy(network), Episodes(glyphs.splits().train)
    params = tensors(network.init(np.random.default_rng(0)), device="cuda")
    tasks = [
        tensors(family.sample(3, np.random.default_rng(seed)), device="cuda", dtype=torch.float64)
        for seed in (0, 1)
    ]

    def gradient(params, tasks, batching="auto"):
        return maml.meta_gradient(loss, params, tasks, inner_lr=0.4, inner_steps=2, batching=batching)

    recorded, way = capture.capture(gradient, device="cuda")
    assert way == "cuda-graph"
    for task in tasks:  # the second is played back
        ours, theirs = gradient(params, task, "loop"), recorded(params, task)
        for name in params:
            torch.testing.assert_close(theirs[name], ours[name], rtol=1e-6, atol=1e-9)
    with pytest.raises(ValueError, match="capture it anew for other shapes"):
        recorded(params, tensors(family.sample(2, np.random.default_rng(0)), device="cuda", dtype=torch.float64))


@pytest.mark.parametrize("mode", ["eager", "trace", "compile"])
def test_each_way_is_the_step_itself(mode):
    if mode == "compile" and capture.cpp_compiler() is None:
        pytest.skip("needs a C++ compiler")
    network = networks.mlp((1, 8, 1))
    loss = losses.squared_error(network)
    params, tasks = tensors(
        (network.init(np.random.default_rng(0)), Sinusoids(5, 5).sample(3, np.random.default_rng(1)))
    )

    def gradient(params, tasks):
        return maml.meta_gradient(loss, params, tasks, inner_lr=0.01)

    ready, way = capture.capture(gradient, mode)
    assert way == mode
    ours, theirs = gradient(params, tasks), ready(params, tasks)
    for name in params:
        rounding = {"rtol": 1e-10, "atol": 1e-12} if mode == "compile" else {"rtol": 0, "atol": 0}
        torch.testing.assert_close(theirs[name], ours[name], **rounding)


@pytest.mark.skipif(capture.cpp_compiler() is None, reason="needs a C++ compiler")
def test_the_compiler_is_tried():
    assert capture.compiler_works() is None
