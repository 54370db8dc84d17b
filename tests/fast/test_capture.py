"""Compiled where a compiler is at hand, else eager with one line; the same numbers either way."""

import shutil

import numpy as np
import pytest
import torch

from mlcourse.fast import capture, losses, maml, networks
from mlcourse.fast.arrays import tensors
from mlcourse.tasks import Sinusoids


@pytest.fixture
def no_compiler(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)


def step(x):
    return x + 1


def test_without_a_compiler_auto_is_eager_and_says_so_in_one_line(no_compiler, capsys):
    assert capture.capture(step) == (step, "eager")
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "No C++ compiler found" in said


def test_eager_says_nothing(no_compiler, capsys):
    assert capture.capture(step, "eager") == (step, "eager")
    assert capsys.readouterr().out == ""


def test_compiling_without_a_compiler_is_a_clear_error(no_compiler):
    with pytest.raises(RuntimeError, match=r'capture="compile" needs a C\+\+ compiler .*; use "auto"'):
        capture.capture(step, "compile")


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="capture is 'fast'; choose one of auto, eager, compile"):
        capture.capture(step, "fast")


def test_the_compiler_named_by_cxx_comes_first(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setenv("CXX", "my-c++")
    assert capture.cpp_compiler() == "/bin/my-c++"
    monkeypatch.delenv("CXX")
    assert capture.cpp_compiler() == "/bin/g++"


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
