"""What each rank runs in the tests of `mlcourse.fast.distributed`: `torchrun ... ranks.py FOLDER [VICTIM]`.

The tests import the same cases and run them in one process.
"""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import torch

from mlcourse import methods, training
from mlcourse.fast import distributed, losses, networks
from mlcourse.fast.arrays import tensors
from mlcourse.fast.episodes import Episodes
from mlcourse.tasks import ImageSet, Sinusoids

N_WAY, META_BATCH_SIZE, META_STEPS, BLOCK = 3, 4, 50, 5
FLOAT64 = {"device": "cpu", "dtype": torch.float64}


def noise() -> ImageSet:
    """Eight classes of seven images."""
    pixels = np.random.default_rng(0).integers(0, 256, (8, 7, 16, 16), dtype=np.uint8)
    return ImageSet("noise", pixels, np.zeros(8, int), np.array(["all"]), np.arange(8).astype(str))


SINES, MLP = Sinusoids(5, 5), networks.mlp((1, 16, 16, 1))
IMAGES = Episodes(noise(), N_WAY, k_shot=1, n_query=1, device="cpu", shuffled=True)
CONV, EMBEDDING = (networks.conv4(n_way, channels=2, size=16) for n_way in (N_WAY, None))
SQUARED, CROSS = losses.squared_error(MLP), losses.cross_entropy(CONV)
CASES = {
    "MAML": (methods.MAML(SQUARED, inner_lr=0.02, inner_steps=2), MLP, SINES),
    "MAML, Conv4": (methods.MAML(CROSS, inner_lr=0.1), CONV, IMAGES),
    "Reptile": (methods.Reptile(SQUARED, inner_lr=0.02, inner_steps=3), MLP, SINES),
    "Reptile with Adam": (
        methods.ReptileAdam(SQUARED, inner_lr=1e-3, inner_steps=3, batch_size=2),
        MLP,
        SINES,
    ),
    "ProtoNet": (methods.ProtoNet(EMBEDDING, n_way=N_WAY), EMBEDDING, IMAGES),
    "pooled": (methods.Pooled(SQUARED), MLP, SINES),
}
TRAINED = [name for name in CASES if name != "MAML, Conv4"]  # fifty steps of that take seconds


def meta_gradient(name: str) -> networks.Params:
    """What the method's first step follows: ten times Adam's first moment; for Reptile, how far it went."""
    method, network, family = CASES[name]
    rng = family.generator(1) if hasattr(family, "generator") else np.random.default_rng(1)
    params = tensors(network.init(np.random.default_rng(0)), **FLOAT64)
    tasks = tensors(family.sample(META_BATCH_SIZE, rng), **FLOAT64)
    state = method.init(params)
    after, state, _ = method.step(params, state, distributed.share(tasks), torch.zeros((), dtype=torch.float64))
    if name.startswith("Reptile"):
        return {key: after[key] - params[key] for key in params}
    return {key: first / 0.1 for key, first in state.first.items()}


def told(trained: training.Trained) -> tuple:
    """What can be written to a file: all but the method, which holds functions."""
    return tuple(trained)[1:]


def train(name: str, family=None, **how) -> training.Trained:
    """Meta-train one of the cases in float64."""
    method, network, its_family = CASES[name]
    how = {"meta_steps": META_STEPS, "block": BLOCK, "capture": "eager", "progress": False} | FLOAT64 | how
    params = network.init(np.random.default_rng(0))
    return training.train(method, params, family or its_family, meta_batch_size=META_BATCH_SIZE, seed=3, **how)


class Mortal:
    """Tasks whose eighth draw kills the rank `victim`.

    Rank 0 dies while the others wait for its message, rank 1 while they are deaf to whatever comes by wire.
    """

    def __init__(self, victim: int):
        self.victim, self.draws = victim, 0

    def sample(self, n_tasks, rng):
        self.draws += 1
        if self.draws == 8 and self.victim == int(os.environ["RANK"]):
            os.kill(os.getpid(), signal.SIGKILL)
        if self.draws == 8 and self.victim == 1:
            time.sleep(600)
        return SINES.sample(n_tasks, rng)


def complaint(function, *arguments) -> str:
    """The message of the ValueError that must come."""
    try:
        function(*arguments)
    except ValueError as error:
        return str(error)
    return "no error"


def compare() -> dict:
    """What must not depend on the number of ranks, and three mistakes."""
    rank = distributed.dist.get_rank()
    return {
        "gradients": {name: meta_gradient(name) for name in CASES},
        "trained": {name: told(train(name)) for name in TRAINED},
        "mistakes": [
            complaint(distributed.share, torch.zeros(3)),
            complaint(distributed.require_same, {"w0": torch.full((2,), float(rank))}, 5),
            complaint(distributed.require_same, {"w0": torch.zeros(2)}, 5 * rank),
        ],
    }


def main(folder: str, victim: str = "") -> None:
    """A run with a checkpoint in the folder, in which rank `victim` dies; without one it ends and compares."""
    with distributed.running("cpu") as process:
        family = Mortal(int(victim)) if victim else SINES
        resumed = train("MAML", family, checkpoint=Path(folder) / "run.pt", progress=True)
        found = compare() | {"resumed": told(resumed), "process": tuple(map(str, process))}
        torch.save(found, Path(folder) / f"rank{process.rank}.pt")


if __name__ == "__main__":
    main(*sys.argv[1:])
