"""The arithmetic under a meta-gradient, counted by hand here and by torch."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mlcourse.experiments.bench import conv4_contenders, floor


def test_one_image_is_counted_as_torch_counts_it():
    work = conv4_contenders.draw(
        inner_steps=1, n_tasks=1, n_way=5, k_shot=1, n_query=1, channels=8, seed=0, device="cpu"
    )
    with FlopCounterMode(display=False) as counter:
        conv4_contenders.plain_conv4(work.params, work.tasks.query.x[0])
    assert counter.get_total_flops() == 5 * floor.conv4_flop(8, 5)


@pytest.mark.parametrize("inner_steps", [1, 3])
def test_a_meta_gradient_is_counted_as_torch_counts_it(inner_steps):
    """But for the first block, which needs no way back to the pixels: the count is at most that much too high."""
    sizes = {"inner_steps": inner_steps, "n_tasks": 2, "n_way": 3, "k_shot": 2, "n_query": 4, "channels": 16}
    work = conv4_contenders.draw(**sizes, seed=0, device="cpu")
    with FlopCounterMode(display=False) as counter:
        conv4_contenders.plain_loop(work)()
    ours = floor.meta_gradient_flop(**sizes)
    first_block = 2 * 9 * 16 * 28 * 28 / floor.conv4_flop(16, 3)
    assert (1 - first_block) * ours < counter.get_total_flops() < ours


def test_the_papers_setting_is_170_gflop():
    sizes = {"n_tasks": 32, "n_way": 5, "k_shot": 1, "n_query": 15, "channels": 64}
    assert floor.meta_gradient_flop(inner_steps=1, **sizes) == pytest.approx(169.7e9, rel=0.01)
    assert floor.meta_gradient_flop(inner_steps=5, **sizes) == pytest.approx(282.8e9, rel=0.01)


def test_the_peak_is_a_speed():
    assert 1e8 < floor.peak("cpu", at_least=0.01) < 1e14


def test_precision_is_given_back():
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    with floor.precision("TF32"):
        assert torch.get_float32_matmul_precision() == "high" and torch.backends.cudnn.allow_tf32
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before
    with pytest.raises(ValueError, match="precision is 'float8'"), floor.precision("float8"):
        pass
