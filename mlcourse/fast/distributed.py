"""Meta-training on several GPUs or machines: the tasks of a meta-batch are split over the ranks `torchrun` starts.

    torchrun --standalone --nproc-per-node 4 -m mlcourse reproduce omniglot --method maml --checkpoints runs

On several nodes the same line runs on each of them, with the same seeds, on the same kind of GPU, and with the
checkpoints in a folder that all of them see. Any free port of one node will do for the ranks to find each other:

    torchrun --nnodes 2 --nproc-per-node 4 --rdzv-backend c10d --rdzv-id 1 --rdzv-endpoint NODE0:29500 \\
        -m mlcourse reproduce omniglot --method maml --checkpoints /shared/runs

A rank is one process with one device. All ranks hold the same parameters and draw the same meta-batch, each
computes its share of the tasks, and gradients are averaged: a mean over tasks is a mean over ranks of means over
equal shares, so the numbers do not depend on the number of ranks. In one process nothing here does anything.
"""

import contextlib
import os
import signal
import socket
import sys
import threading
import zlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import torch
import torch.distributed as dist

from mlcourse.fast.arrays import default_device, leaves, resolved, tree_map

TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK")  # what it tells each process through its environment
TIMEOUT = 120  # seconds a rank waits for the others: longer than they drift apart while one writes a checkpoint


class RankLost(RuntimeError):
    """Another rank has ended, or cannot be reached."""


class Process(NamedTuple):
    """This process among its like: rank 0 ... world_size - 1, and the device that is its own."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this is the one that prints and writes files."""
        return self.rank == 0


@contextlib.contextmanager
def running(device: torch.device | str | None = None, *, timeout_seconds: float = TIMEOUT) -> Iterator[Process]:
    """Join the other ranks under `torchrun`; elsewhere one process by itself. Wrap the whole program in it.

    device: "cpu", "cuda", or None for CUDA when there is a GPU; under `torchrun` rank i of a node takes its GPU i.
    Raises ValueError when the node has fewer GPUs than ranks.
    """
    if not all(name in os.environ for name in TORCHRUN) or os.environ["WORLD_SIZE"] == "1":
        yield Process(0, 1, resolved(device))
        return
    device = _own_device(torch.device(device) if device is not None else default_device())
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.set_device(device)
    dist.init_process_group(
        "nccl" if cuda else "gloo",
        timeout=timedelta(seconds=timeout_seconds),
        device_id=device if cuda else None,  # connects now, not in the middle of the first step
    )
    yield Process(dist.get_rank(), dist.get_world_size(), device)
    dist.destroy_process_group()  # after an error not: it could wait for a rank that waits for this one


def _own_device(device: torch.device) -> torch.device:
    """The GPU of this rank, where GPUs are used."""
    if device.type != "cuda":
        return device
    number, here = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if number >= here:
        raise ValueError(
            f"LOCAL_RANK is {number}, but this node has {here} GPUs, and each rank needs its own; "
            f"start torchrun with --nproc-per-node {here}, or choose the device cpu"
        )
    return torch.device("cuda", number)


def world_size() -> int:
    """How many ranks train together; 1 without `running` or `torchrun`."""
    return dist.get_world_size() if dist.is_initialized() else 1


def first() -> bool:
    """Whether this rank is the one that writes checkpoints and shows progress."""
    return world_size() == 1 or dist.get_rank() == 0


def share(tasks: Any) -> Any:
    """This rank's tasks of a batch that all ranks have drawn alike: T / world_size of them, task axis first.

    Raises ValueError when the tasks cannot be shared out evenly: means of unequal shares would not be the mean.
    """
    ranks = world_size()
    if ranks == 1:
        return tasks
    n_tasks = len(next(leaves(tasks)))
    if n_tasks % ranks:
        raise ValueError(
            f"meta_batch_size is {n_tasks}, which {ranks} ranks (the world size) cannot share evenly; "
            f"give a multiple of {ranks}, or start another number of ranks"
        )
    size = n_tasks // ranks
    start = dist.get_rank() * size
    return tree_map(lambda leaf: leaf[start : start + size], tasks)


def mean_over_ranks(tree: Any) -> Any:
    """The same tree, every number the mean of what all ranks hold there. Every rank must call it.

    One message for each dtype, not one for each array. Nothing waits for the GPU, so a CUDA graph can record it.
    Raises RankLost when the others cannot be reached.
    """
    ranks = world_size()
    if ranks == 1:
        return tree
    held: dict[torch.dtype, list[torch.Tensor]] = {}
    for leaf in leaves(tree):
        held.setdefault(leaf.dtype, []).append(leaf)
    pieces = {}
    for dtype, parts in held.items():
        buffer = torch.cat([part.flatten() for part in parts])
        try:
            dist.all_reduce(buffer)
        except RuntimeError as error:
            raise RankLost(str(error).partition(". ")[0]) from error  # Gloo goes on at length
        pieces[dtype] = iter((buffer / ranks).split([part.numel() for part in parts]))
    return tree_map(lambda leaf: next(pieces[leaf.dtype]).view(leaf.shape), tree)


def mean_over_tasks(tree: Any) -> Any:
    """Means over the task axis, which stays with length 1, and over ranks: the means over the whole meta-batch."""
    return mean_over_ranks(tree_map(lambda leaf: leaf.mean(dim=0, keepdim=True), tree))


def require_same(params: dict[str, torch.Tensor], steps: int) -> None:
    """Raises ValueError, on every rank, unless all start after equally many meta-steps from the same bits."""
    if world_size() == 1:
        return
    some = next(iter(params.values()))
    mark = zlib.crc32(b"".join(p.flatten().view(torch.uint8).cpu().numpy() for p in params.values()))
    ours = torch.tensor([steps, -steps, mark, -mark], device=some.device)
    dist.all_reduce(ours, dist.ReduceOp.MAX)  # the largest, and minus the smallest
    most, least, high, low = ours.tolist()
    if most != -least or high != -low:
        raise ValueError(
            f"params are not the same on all {world_size()} ranks, which stand at meta-steps {-least} to {most}; "
            "draw them from the same seed, and keep the checkpoint in a folder that every node sees"
        )


# --- when a rank ends --------------------------------------------------------------------------------------


@contextlib.contextmanager
def ending_together(checkpoint: Path | None) -> Iterator[None]:
    """Around a training loop: when one rank ends, the others end too, and say how to go on.

    Gloo notices at once that a connection is closed. NCCL may wait for a lost rank for ever, deaf to Python, but
    `torchrun` then sends a node's other ranks SIGTERM, which a thread hears.
    """
    if world_size() == 1:
        yield
        return
    ear, mouth = socket.socketpair()
    mouth.setblocking(False)
    ears = threading.Thread(target=_end_when_told, args=(ear, checkpoint), daemon=True)
    ears.start()
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    wakeup = signal.set_wakeup_fd(mouth.fileno())  # where the number of each signal is written, come what may
    try:
        yield
    except RankLost as error:
        _end(checkpoint, f"another rank was lost ({error})")
    finally:
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGTERM, before)
        mouth.close()
        ears.join()
        ear.close()


def _end_when_told(ear: socket.socket, checkpoint: Path | None) -> None:
    while heard := ear.recv(1):
        if heard[0] == signal.SIGTERM:
            _end(checkpoint, "torchrun ended it, as it does when a rank is lost")


_once = threading.Lock()


def _end(checkpoint: Path | None, reason: str) -> NoReturn:
    """Say why and how to go on, and end at once: to leave in order could mean to wait for the lost rank."""
    _once.acquire()  # never released: the signal and the closed connection come at about the same time
    if checkpoint is None:
        advice = "no checkpoint was asked for, so it must start again"
    elif checkpoint.exists():
        advice = f"run the same torchrun command again: it goes on from the checkpoint {checkpoint}"
    else:
        advice = f"there is no checkpoint {checkpoint} yet, so the same torchrun command starts again"
    who = f"rank {dist.get_rank()} of {world_size()}"
    sys.stderr.write(f"\nError: {who} stopped training: {reason}; {advice}\n")  # not behind a progress bar
    sys.stderr.flush()
    os._exit(1)
