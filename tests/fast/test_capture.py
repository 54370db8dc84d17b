"""Compiled where a compiler is at hand, else eager with one line; the same numbers either way."""

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


def test_without_a_compiler_auto_is_eager_and_says_so_in_one_line(no_compiler, capsys):
    assert capture.capture(step) == (step, "eager")
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "no C++ compiler" in said


def test_eager_says_nothing(no_compiler, capsys):
    assert capture.capture(step, "eager") == (step, "eager")
    assert capsys.readouterr().out == ""


def test_compiling_without_a_compiler_is_a_clear_error(no_compiler):
    with pytest.raises(ValueError, match=r'capture="compile" needs a C\+\+ compiler .*; use "auto"'):
        capture.capture(step, "compile")


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="capture is 'fast'; choose one of auto, eager, compile, cuda-graph"):
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


def test_a_convolutional_network_runs_eagerly_on_a_cpu_and_recorded_on_a_gpu(capsys):
    assert capture.capture(step, device="cpu", convolutional=True) == (step, "eager")
    assert capsys.readouterr().err == ""
    assert capture.capture(step, device="cuda", convolutional=True)[1] == "cuda-graph"


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

    recorded, way = capture.capture(gradient, device="cuda", convolutional=True)
    assert way == "cuda-graph"
    for task in tasks:  # the second is played back
        ours, theirs = gradient(params, task, "loop"), recorded(params, task)
        for name in params:
            torch.testing.assert_close(theirs[name], ours[name], rtol=1e-6, atol=1e-9)
    with pytest.raises(ValueError, match="capture it anew for other shapes"):
        recorded(params, tensors(family.sample(2, np.random.default_rng(0)), device="cuda", dtype=torch.float64))


@pytest.mark.skipif(capture.cpp_compiler() is None, reason="needs a C++ compiler")
def test_compiled_is_eager():
    network = networks.mlp((1, 8, 1))
    loss = losses.squared_error(network)
    params, tasks = tensors(
        (network.init(np.random.default_rng(0)), Sinusoids(5, 5).sample(3, np.random.default_rng(1)))
    )

    def gradient(params, tasks):
        return maml.meta_gradient(loss, params, tasks, inner_lr=0.01)

    compiled, way = capture.capture(gradient)
    assert way == "compile"
    ours, theirs = gradient(params, tasks), compiled(params, tasks)
    for name in params:
        torch.testing.assert_close(theirs[name], ours[name], rtol=1e-10, atol=1e-12)
