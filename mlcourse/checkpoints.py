"""A run of meta-training that can be stopped and taken up again: all that changes in it, and what it is known by.

A checkpoint of another run is refused: of other tasks, another loss, another start, other settings. Some of that
can only be known by trying: the first tasks that the family draws from a fixed generator, and where two meta-steps
on them lead. What differs only later than that, and has no name in `Method.settings` or `about`, is not seen.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mlcourse.errors import DataError
from mlcourse.fast import distributed
from mlcourse.fast.arrays import arrays, leaves, tree_map
from mlcourse.fast.networks import Params
from mlcourse.files import write_whole
from mlcourse.tasks.family import Family
from mlcourse.tasks.store import digest_of
from mlcourse.tasks.task import Task

Generator = np.random.Generator | torch.Generator
SAME = (1e-4, 1e-3)  # losses, and lengths of a step, further apart than this are of different runs
LATE = 0.9  # how much of a run is over where the second step is tried: rates that fall have fallen by then
TRIED = {
    "start": "it began at other parameters",
    "first tasks": "it drew other tasks from the same seed",
    "first steps": "it lowers another loss, or takes other steps",
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
        """Add one point to the curve; a figure that is not measured every time is NaN where it was not."""
        before = len(self.curve.get("step", []))
        for name in self.curve.keys() | point.keys():
            figure = point.get(name, math.nan)
            figure = figure if isinstance(figure, int) else float(figure)  # a checkpoint holds plain numbers only
            self.curve.setdefault(name, [math.nan] * before).append(figure)

    def save(self, path: Path, identity: dict[str, Any]) -> None:
        """Write a checkpoint whole or not at all."""
        held = {
            "identity": identity,
            "params": self.params,
            "state": tuple(leaves(self.state)),
            "rng": _rng_state(self.rng),
            "meta_steps": self.meta_steps,
            "steps": self.steps,
            "seconds": self.seconds,
            "compile_seconds": self.compile_seconds,
            "curve": self.curve,
        }
        try:
            write_whole(path, lambda file: torch.save(held | {"digest": _digest(held)}, file))
        except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
            raise DataError(
                f"checkpoint {path} could not be written ({error}); the one before it is untouched"
            ) from error

    def load(self, path: Path, identity: dict[str, Any]) -> None:
        """Go on from a checkpoint of the same run."""
        try:
            held = torch.load(path, map_location=next(iter(self.params.values())).device, weights_only=True)
            theirs, digest = held["identity"], held.pop("digest")
        except Exception as error:
            reason = type(error).__name__  # torch's own text advises to load the file unsafely
            raise DataError(f"checkpoint {path} cannot be read ({reason}); delete it to start again") from error
        if difference := _difference(theirs, identity):
            raise DataError(f"checkpoint {path} belongs to another run: {difference}; give another path")
        if digest != _digest(held):
            raise DataError(
                f"checkpoint {path} is damaged: it does not hold what was written; delete it to start again"
            )
        stored = iter(held["state"])
        self.params, self.state = held["params"], tree_map(lambda _: next(stored), self.state)
        _set_rng_state(self.rng, held["rng"])
        self.meta_steps, self.steps = held["meta_steps"], held["steps"]
        self.seconds, self.compile_seconds = held["seconds"], held["compile_seconds"]
        self.curve = held["curve"]

    def copy(self) -> "Run":
        """The same run with tensors of its own, to try something on."""
        params, state = tree_map(torch.clone, (self.params, self.state))
        return replace(self, params=params, state=state)


def _digest(held: dict[str, Any]) -> str:
    """What changes when a byte of what a checkpoint holds does; its identity is compared by itself."""
    return digest_of(_numbered(arrays({name: part for name, part in held.items() if name != "identity"})))


# --- what a run is known by --------------------------------------------------------------------------------


def identity(
    named: dict[str, Mapping[str, Any]],
    run: Run,
    family: Family,
    fresh: Callable[[], Generator],
    draw: Callable[[Generator], Task],
    place: Callable[[Task], Task],
    step: Callable,
) -> dict[str, dict[str, Any]]:
    """What a run that has not begun must have in common with a checkpoint of it, in groups of names.

    named: the groups that are known without trying. fresh: gives a generator of the run's own kind, each time of
    the same seed. draw: the family's tasks. place: brings them to where they are trained on. step: one meta-step,
    run eagerly. ValueError where two equal generators are given different tasks.
    """
    drawn, again = (draw(fresh()) for _ in range(2))
    first, second = (digest_of(_numbered(arrays(tasks))) for tasks in (drawn, again))
    if first != second:
        raise ValueError(
            f"{type(family).__name__}.sample draws other tasks from the same generator, so that a run cannot be "
            "taken up again; draw from the generator alone, or train without a checkpoint"
        )
    about = family.identity()
    found = {
        "params": {name: f"{p.dtype} {tuple(p.shape)}" for name, p in run.params.items()},
        "start": digest_of(arrays(run.params))[:16],
        **({"family": about} if about else {}),
        "generator": _kind_of(fresh()),
        "first tasks": first[:16],
        "first steps": _try_steps(run.copy(), place(drawn), step),
    }
    return _plain("identity", named | {"found": found})


def _try_steps(run: Run, tasks: Task, step: Callable) -> list[float]:
    """Losses and lengths of a step at the beginning of a run and near its end: [loss, length, loss, length]."""
    found: list[float] = []
    for share in (0.0, LATE):
        before = tree_map(torch.clone, run.params)
        done = torch.full((), share, dtype=torch.float64, device=tasks.support.x.device)
        run.params, run.state, loss = step(run.params, run.state, tasks, done)
        moved = sum(float((run.params[name] - p).double().square().sum()) for name, p in before.items())
        found += [float(distributed.mean_over_ranks(loss.detach())), math.sqrt(moved)]
    return found


def _plain(name: str, value: Any) -> Any:
    """A setting as a file keeps it without pickles; ValueError for what is no number, word or group of them."""
    if isinstance(value, Mapping):
        return {str(key): _plain(str(key), part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(name, part) for part in value]
    if isinstance(value, np.generic | np.ndarray | torch.Tensor):
        return value.tolist()
    if isinstance(value, Path | torch.dtype | torch.device):
        return str(value)
    if not isinstance(value, str | int | float | bool | None):
        raise ValueError(f"{name} is {value!r}; a checkpoint is known by numbers, words and lists of them")
    return value


def _numbered(tree: Any) -> dict[str, np.ndarray]:
    """The leaves of a tree by their numbers."""
    return {str(number): np.asarray(leaf) for number, leaf in enumerate(leaves(tree))}


def _difference(theirs: dict[str, dict[str, Any]], ours: dict[str, dict[str, Any]]) -> str:
    """What tells two runs apart, in words: settings with their values, or else what was found by trying."""
    theirs, ours = (
        {(group, name): value for group, held in known.items() for name, value in held.items()}
        for known in (theirs, ours)
    )
    apart = [key for key in theirs | ours if not _same(key, theirs.get(key), ours.get(key))]
    if named := [key for key in apart if key[0] != "found" or key[1] not in TRIED]:
        it_has, this_has = (", ".join(f"{key[1]}={one.get(key)}" for key in named) for one in (theirs, ours))
        return f"it has {it_has}, this run {this_has}"
    return ", ".join(TRIED[name] for _, name in apart)


def _same(key: tuple[str, str], one: Any, other: Any) -> bool:
    """Whether two entries mean the same: exactly, but for the numbers that were computed."""
    if key == ("found", "first steps") and one is not None:
        return np.isclose(one, other, rtol=SAME * 2, atol=0, equal_nan=True).all()
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
