"""A run of meta-training that can be stopped and taken up again: all that changes in it, and what it is known by.

A checkpoint of another run is refused, whatever the difference is: what the tasks are drawn from, what is
minimised, where it began, with which numbers. Some of that can only be known by trying: the first tasks that the
family draws from a fixed generator, and where one meta-step on them leads.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mlcourse.errors import DataError
from mlcourse.fast import distributed
from mlcourse.fast.arrays import arrays, leaves, tree_map
from mlcourse.fast.networks import Params
from mlcourse.files import write_whole
from mlcourse.tasks.store import digest_of
from mlcourse.tasks.task import Task, TaskFamily

Generator = np.random.Generator | torch.Generator
SAME = (1e-4, 1e-3)  # first losses, and lengths of a first step, further apart than this are of different runs


TRIED = {
    "start": "it began at other parameters",
    "first tasks": "it drew other tasks from the same seed",
    "first step": "it lowers another loss, or takes other steps",
}


@dataclass
class Run:
    """Everything that changes while training: what a checkpoint holds."""

    params: Params
    state: Any
    rng: Generator
    meta_steps: int
    steps: int = 0
    seconds: float = 0.0
    compile_seconds: float = 0.0
    curve: dict[str, list[float]] = field(default_factory=dict)

    def take(self, step: Callable, size: int, draw: Callable[[Any], Task]) -> float:
        """Take `size` meta-steps; the mean of their losses, asked for once so that a GPU never waits for us.

        The last average over the ranks is not part of a CUDA graph, so that NCCL's own timeout watches over it.
        """
        losses = []
        for _ in range(size):
            tasks = draw(self.rng)
            self.params, self.state, loss = step(self.params, self.state, tasks, self.done(tasks))
            losses.append(loss.detach())
            self.steps += 1
        return float(distributed.mean_over_ranks(torch.stack(losses).mean()))

    def affordable(self, budget_seconds: float) -> int:
        """How many meta-steps fit into the budget at the pace so far; the same on every rank."""
        spent = torch.tensor(self.seconds, dtype=torch.float64, device=next(iter(self.params.values())).device)
        pace = self.steps / float(distributed.mean_over_ranks(spent))
        return int(np.clip(pace * budget_seconds, self.steps, self.meta_steps))

    def done(self, tasks: Task) -> torch.Tensor:
        """The share of the meta-steps already taken; `full` writes it on the device without waiting for it."""
        return torch.full((), self.steps / self.meta_steps, dtype=torch.float64, device=tasks.support.x.device)

    def note(self, point: dict[str, float]) -> None:
        """Add one point to the curve."""
        for name, figure in point.items():
            figure = figure if isinstance(figure, int) else float(figure)  # a checkpoint holds plain numbers only
            self.curve.setdefault(name, []).append(figure)

    def save(self, path: Path, identity: dict[str, Any]) -> None:
        """Write a checkpoint whole or not at all."""
        held = {
            "identity": identity,
            "params": self.params,
            "state": list(leaves(self.state)),
            "rng": _rng_state(self.rng),
            "meta_steps": self.meta_steps,
            "steps": self.steps,
            "seconds": self.seconds,
            "compile_seconds": self.compile_seconds,
            "curve": self.curve,
        }
        try:
            write_whole(path, lambda file: torch.save(held, file))
        except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
            raise DataError(
                f"checkpoint {path} could not be written ({error}); the one before it is untouched"
            ) from error

    def load(self, path: Path, identity: dict[str, Any]) -> None:
        """Go on from a checkpoint of the same run."""
        try:
            held = torch.load(path, map_location=next(iter(self.params.values())).device, weights_only=True)
            theirs = held["identity"]
        except Exception as error:
            reason = type(error).__name__  # torch's own text advises to load the file unsafely
            raise DataError(f"checkpoint {path} cannot be read ({reason}); delete it to start again") from error
        if difference := _difference(theirs, identity):
            raise DataError(f"checkpoint {path} belongs to another run: {difference}; give another path")
        stored = iter(held["state"])
        self.params, self.state = held["params"], tree_map(lambda _: next(stored), self.state)
        _set_rng_state(self.rng, held["rng"])
        self.meta_steps, self.steps = held["meta_steps"], held["steps"]
        self.seconds, self.compile_seconds = held["seconds"], held["compile_seconds"]
        self.curve = held["curve"]


# --- what a run is known by --------------------------------------------------------------------------------


def identity(
    run: Run, family: TaskFamily, rng: Generator, tasks: Task, place: Callable[[Task], Task], step: Callable
) -> dict[str, Any]:
    """What a run that has not begun must have in common with a checkpoint of it, beside settings that have names.

    tasks: the first that the family draws with rng, a generator of the run's own kind and always of the same seed.
    place: brings them to where they are trained on. step: one meta-step, run eagerly.
    """
    drawn, params, tasks = digest_of(_numbered(arrays(tasks))), run.params, place(tasks)
    after, _, loss = step(run.params, run.state, tasks, run.done(tasks))
    moved = sum(float((after[name] - run.params[name]).double().square().sum()) for name in params)
    about = getattr(family, "identity", None)
    return {
        "params": {name: f"{p.dtype} {tuple(p.shape)}" for name, p in params.items()},
        "start": digest_of(arrays(params))[:16],
        **({"family": about()} if about else {}),
        "generator": _kind_of(rng),
        "first tasks": drawn[:16],
        "first step": [float(distributed.mean_over_ranks(loss.detach())), math.sqrt(moved)],
    }


def _numbered(tree: Any) -> dict[str, np.ndarray]:
    """The leaves of a tree by their numbers."""
    return {str(number): np.asarray(leaf) for number, leaf in enumerate(leaves(tree))}


def _difference(theirs: dict[str, Any], ours: dict[str, Any]) -> str:
    """What tells two runs apart, in words: settings with their values, or else what was found by trying."""
    apart = [name for name in theirs | ours if not _same(theirs.get(name), ours.get(name))]
    if named := [name for name in apart if name not in TRIED]:
        it_has, this_has = (", ".join(f"{name}={one.get(name)}" for name in named) for one in (theirs, ours))
        return f"it has {it_has}, this run {this_has}"
    return ", ".join(TRIED[name] for name in apart)


def _same(one: Any, other: Any) -> bool:
    """Whether two entries mean the same: exactly, but for the two numbers that were computed."""
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other) == len(SAME):
        return all(math.isclose(a, b, rel_tol=apart) for a, b, apart in zip(one, other, SAME, strict=True))
    return one == other


def _kind_of(rng: Generator) -> str:
    """Which generator, on which kind of device: another draws other tasks from the same seed."""
    if isinstance(rng, torch.Generator):
        return f"torch on {rng.device.type}"
    return f"NumPy {type(rng.bit_generator).__name__}"


def _rng_state(rng: Generator) -> Any:
    """What brings the generator back to where it is."""
    if isinstance(rng, torch.Generator):
        return rng.get_state()
    return json.dumps(rng.bit_generator.state, default=lambda part: part.tolist())  # some keep arrays


def _set_rng_state(rng: Generator, held: Any) -> None:
    """The reverse."""
    if isinstance(rng, torch.Generator):
        rng.set_state(held.cpu())
    else:
        rng.bit_generator.state = _as_in(rng.bit_generator.state, json.loads(held))


def _as_in(state: Any, held: Any) -> Any:
    """What was held of a generator's state, with arrays where `state` has them."""
    if isinstance(state, dict):
        return {name: _as_in(state[name], part) for name, part in held.items()}
    return np.array(held, state.dtype) if isinstance(state, np.ndarray) else held
