"""Distances between gradients, and the library that they are compared with."""

import builtins
import sys

import numpy as np
import pytest
import torch

from mlcourse.experiments import bench
from mlcourse.experiments.bench import agreement


def test_differences_are_relative_to_the_references_length():
    gradients = {"reference": {"w": np.array([3.0, 4.0])}, "other": {"w": np.array([3.0, 4.5])}}
    assert agreement.disagreement(gradients) == {"reference": 0.0, "other": 0.1}


def test_the_order_of_the_keys_does_not_matter():
    ours, theirs = {"a": torch.ones(2), "b": torch.zeros(1)}, {"b": np.zeros(1), "a": np.ones(2)}
    assert agreement.distance(ours, theirs) == 0.0


def test_a_missing_library_is_named_with_the_command_that_gets_it(monkeypatch):
    real = builtins.__import__

    def without_higher(name, *rest):
        if name == "higher":
            raise ModuleNotFoundError("No module named 'higher'")
        return real(name, *rest)

    monkeypatch.delitem(sys.modules, "higher", raising=False)
    monkeypatch.setattr(builtins, "__import__", without_higher)
    with pytest.raises(ModuleNotFoundError, match="pip install -c constraints.txt higher"):
        bench.meta_gradient(repeats=1)
