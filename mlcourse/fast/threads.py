"""How many threads torch takes for a training: one for small work, where more would only wait for each other.

A small step is a long list of short operations. Two threads make it hardly faster, and on cores that others use,
too, each operation waits for the slower thread.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from mlcourse.arguments import require_count
from mlcourse.fast.networks import Params

# Weights times tasks of a meta-batch. Below, with some twenty examples a task, a two-core AMD EPYC gained a tenth
# or two by its second thread, and lost nine tenths where its cores were busy.
SMALL = 1e6
CHOSEN = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")  # whoever sets one of these has chosen


def suited(params: Params, meta_batch_size: int) -> int:
    """How many threads torch should have: one for small work on a CPU, else as many as it has.

    A convolution is no small work: its weights serve every pixel. What OMP_NUM_THREADS says is honoured.
    """
    said = any(name in os.environ for name in CHOSEN)
    convolutional = any(p.ndim > 2 for p in params.values())
    weights = sum(p.numel() for p in params.values())
    elsewhere = any(p.is_cuda for p in params.values())
    small = weights * meta_batch_size < SMALL and not convolutional and not elsewhere
    return 1 if small and not said else torch.get_num_threads()


@contextmanager
def threads_of_torch(threads: int) -> Iterator[None]:
    """Inside, torch has so many threads; afterwards as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(require_count("threads", threads))
    try:
        yield
    finally:
        torch.set_num_threads(before)
