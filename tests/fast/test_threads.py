"""Small work takes one thread, unless somebody has chosen."""

import numpy as np
import pytest
import torch

from mlcourse.fast import networks, threads
from mlcourse.fast.arrays import tensors


@pytest.fixture
def two(monkeypatch):
    for name in threads.CHOSEN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    return monkeypatch


def mlp(width):
    return tensors(networks.mlp((1, width, width, 1)).init(np.random.default_rng(0)))


def test_small_work_takes_one_thread_and_large_work_all(two):
    assert threads.suited(mlp(40), 25) == 1
    assert threads.suited(mlp(400), 25) == threads.suited(mlp(40), 2500) == 2


def test_a_convolution_is_no_small_work(two):
    assert threads.suited(networks.conv4(5, channels=2).init(np.random.default_rng(0)), 1) == 2


def test_who_sets_the_environment_has_chosen(two):
    two.setenv("OMP_NUM_THREADS", "2")
    assert threads.suited(mlp(40), 25) == 2


def test_torch_has_its_threads_again_whatever_happens():
    before = torch.get_num_threads()
    with pytest.raises(KeyboardInterrupt), threads.threads_of_torch(before + 1):
        assert torch.get_num_threads() == before + 1
        raise KeyboardInterrupt
    assert torch.get_num_threads() == before
    with pytest.raises(ValueError, match="threads is 0"), threads.threads_of_torch(0):
        pass
