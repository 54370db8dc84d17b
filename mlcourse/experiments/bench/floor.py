"""The floor under a meta-gradient: how much arithmetic it is, and how much this machine can do in a second."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from mlcourse.experiments.bench.timing import seconds, synchronise
from mlcourse.fast.networks import BLOCKS
from mlcourse.fast.precision import products

PRECISIONS = ("float32", "TF32", "bf16")


def conv4_flop(channels: int = 64, n_way: int = 5, in_channels: int = 1, size: int = 28) -> int:
    """Floating-point operations of one image's way through Conv4: a product and a sum for every weight it meets.

    Block i makes `channels` numbers at each of side x side pixels, each of 9 * inputs products; the pooling halves
    the side. Normalisation, ReLU and pooling are left out: a few operations a number, beside hundreds.
    """
    total, inputs, side = 0, in_channels, size
    for _ in range(BLOCKS):
        total += 2 * 9 * inputs * channels * side * side
        inputs, side = channels, side // 2
    return total + 2 * channels * side * side * n_way


def meta_gradient_flop(
    *, inner_steps: int, n_tasks: int, n_way: int, k_shot: int, n_query: int, channels: int
) -> int:
    """Floating-point operations of one second-order MAML meta-gradient of Conv4, counted in ways through the net.

    A gradient goes once forward and twice back (to the inputs and to the weights): 3 ways. The query images go
    them once, at the end. The support images go them at every inner step; and since the meta-gradient goes back
    through all of that, and going back through a product is two products, 2 x 3 ways are added: 9 for each step.
    (The first block, one twentieth of the whole, needs no way back to the pixels; that is not taken off.)
    """
    images = n_way * (3 * n_query + 9 * inner_steps * k_shot)
    return n_tasks * images * conv4_flop(channels, n_way)


@contextmanager
def precision(name: str) -> Iterator[None]:
    """`fast.precision.products` under the names of this table's columns.

    "bf16" is for numbers that are bfloat16 already, or under autocast; what stays float32 is then exact.
    """
    if name not in PRECISIONS:
        raise ValueError(f"precision is {name!r}; choose one of {', '.join(PRECISIONS)}")
    with products("tf32" if name == "TF32" else "float32"):
        yield


def peak(device: torch.device | str, name: str = "float32", *, at_least: float = 0.3) -> float:
    """Operations a second of a large square matrix product on this device: the most that it is seen to do.

    at_least: seconds to measure for; the best call counts.
    """
    side = 8192 if torch.device(device).type == "cuda" else 2048
    left = torch.rand(side, side, device=device).to(torch.bfloat16 if name == "bf16" else torch.float32)
    with precision(name):
        left @ left
        synchronise(device)
        started, best = time.perf_counter(), float("inf")
        while time.perf_counter() - started < at_least:
            best = min(best, seconds(lambda: left @ left, 1, device))
    return 2 * side**3 / best


def peaks(device: torch.device | str) -> dict[str, float]:
    """The peak at every precision that makes a difference on this device."""
    names: Any = PRECISIONS if torch.device(device).type == "cuda" else PRECISIONS[:1]
    return {name: peak(device, name) for name in names}
