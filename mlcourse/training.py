"""One meta-training loop for every method: draw tasks, take a meta-step, keep the curve, save checkpoints.

A `Method` says what one meta-step is; `train` repeats it. The torch twins do the work, on any device, and on
several at once: each rank then computes its share of the tasks (`fast/distributed.py`).
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from tqdm.auto import tqdm

from mlcourse.errors import DataError
from mlcourse.fast import adam, distributed, maml, metric, reptile
from mlcourse.fast.arrays import default_device, leaves, tensors, tree_map
from mlcourse.fast.batching import over_tasks
from mlcourse.fast.capture import capture as make_ready
from mlcourse.fast.networks import Network, Params
from mlcourse.files import write_whole
from mlcourse.tasks.task import Examples, Task, TaskFamily, require_count


class Method(NamedTuple):
    """What `train` repeats. `step(params, state, tasks, done) -> params, state, loss` must be pure.

    On several ranks `tasks` are this rank's share: a step averages over the ranks whatever it makes the update of,
    so that all take the same one; `train` averages the loss. `done` is a tensor, the share of the meta-steps
    already taken, from 0 to 1, for rates that fall. `settings` are the method's own numbers: a checkpoint made
    with others is refused.
    """

    name: str
    init: Callable[[Params], Any]
    step: Callable[[Params, Any, Task, torch.Tensor], tuple[Params, Any, torch.Tensor]]
    settings: Mapping[str, float] = {}


class Trained(NamedTuple):
    """What `train` returns.

    state is the method's own (Adam's moments, say). curve holds arrays of equal length: "step" (meta-steps taken),
    "loss" (mean over the block that ended there), and whatever the callback returned. `seconds` leaves out
    `compile_seconds`, the making ready of the first meta-step, and counts what went before a resumption.
    """

    params: Params
    state: Any
    curve: dict[str, np.ndarray]
    seconds: float
    compile_seconds: float
    capture: str


def maml_method(
    loss: Callable, *, inner_lr: float, inner_steps: int = 1, first_order: bool = False, meta_lr: float = 1e-3
) -> Method:
    """MAML with Adam in the outer loop, as in the paper; with `first_order`, first-order MAML."""

    def step(params: Params, moments: adam.Moments, tasks: Task, done: torch.Tensor) -> tuple:
        value, gradient = maml.meta_loss_and_gradient(
            loss, params, tasks, inner_lr=inner_lr, inner_steps=inner_steps, first_order=first_order
        )
        gradient = distributed.mean_over_ranks(gradient)
        return *adam.update(params, gradient, moments, lr=meta_lr), value

    settings = {"inner_lr": inner_lr, "inner_steps": inner_steps, "meta_lr": meta_lr}
    return Method("first-order MAML" if first_order else "MAML", adam.init, step, settings)


def reptile_method(loss: Callable, *, inner_lr: float, inner_steps: int, meta_lr: float = 1.0) -> Method:
    """Reptile with plain gradient descent inside; `meta_lr` falls linearly to nought, as in the paper."""

    def step(params: Params, state: tuple, tasks: Task, done: torch.Tensor) -> tuple:
        lr = (meta_lr * (1 - done)).to(next(iter(params.values())).dtype)
        adapted = reptile.adapt_each(loss, params, tasks.support, inner_lr=inner_lr, inner_steps=inner_steps)
        # only for the curve, so that it can be laid beside MAML's: Reptile itself never asks the query set
        value = over_tasks(lambda phi, query: loss(phi, *query), params, adapted, tasks.query).mean()
        return reptile.interpolate(params, distributed.mean_over_tasks(adapted), lr), state, value

    settings = {"inner_lr": inner_lr, "inner_steps": inner_steps, "meta_lr": meta_lr}
    return Method("Reptile", lambda params: (), step, settings)


def reptile_adam_method(
    loss: Callable, *, inner_lr: float, inner_steps: int, batch_size: int, meta_lr: float = 1.0
) -> Method:
    """Reptile as the paper's code runs it on images: Adam (beta1 = 0) inside, its moments carried over.

    The inner steps walk through the support set as it is ordered, `batch_size` examples at a time, from the start
    again when it ends: draw it shuffled (`fast.episodes.Episodes(..., shuffled=True)`).
    """

    def step(params: Params, moments: adam.Moments, tasks: Task, done: torch.Tensor) -> tuple:
        n_tasks, n_support = tasks.support.y.shape[:2]
        walk = torch.arange(inner_steps * batch_size, device=done.device) % n_support
        picks = walk.reshape(1, inner_steps, batch_size).expand(n_tasks, -1, -1)
        lr = (meta_lr * (1 - done)).to(next(iter(params.values())).dtype)
        adapted, moments = reptile.adapt_each_adam(loss, params, moments, tasks.support, picks, inner_lr=inner_lr)
        # only for the curve, as above
        value = over_tasks(lambda phi, query: loss(phi, *query), params, adapted, tasks.query).mean()
        moments = distributed.mean_over_ranks(moments)
        return reptile.interpolate(params, distributed.mean_over_tasks(adapted), lr), moments, value

    settings = {"inner_lr": inner_lr, "inner_steps": inner_steps, "batch_size": batch_size, "meta_lr": meta_lr}
    return Method("Reptile", adam.init, step, settings)


def metric_method(
    classify: metric.Classify, network: Network, *, n_way: int, meta_lr: float = 1e-3, halvings: int = 0
) -> Method:
    """Prototypical or Matching Networks, by Adam. `meta_lr` is halved `halvings` times, at equal intervals."""

    def step(params: Params, moments: adam.Moments, tasks: Task, done: torch.Tensor) -> tuple:
        value, gradient = metric.meta_loss_and_gradient(classify, network, params, tasks, n_way=n_way)
        lr = (meta_lr * 0.5 ** torch.floor(done * (halvings + 1))).to(value.dtype)
        gradient = distributed.mean_over_ranks(gradient)
        return *adam.update(params, gradient, moments, lr=lr), value

    settings = {"n_way": n_way, "meta_lr": meta_lr, "halvings": halvings}
    return Method(classify.__module__.rpartition(".")[2], adam.init, step, settings)


def pooled_method(loss: Callable, *, meta_lr: float = 1e-3) -> Method:
    """Joint training: one network for all tasks at once, by Adam on the loss without any adaptation.

    It is MAML with no inner step, on support and query together.
    """

    def step(params: Params, moments: adam.Moments, tasks: Task, done: torch.Tensor) -> tuple:
        x, y = (torch.cat(pair, dim=1) for pair in zip(*tasks, strict=True))
        both = Task(tasks.support, Examples(x, y))
        value, gradient = maml.meta_loss_and_gradient(loss, params, both, inner_lr=0.0, inner_steps=0)
        gradient = distributed.mean_over_ranks(gradient)
        return *adam.update(params, gradient, moments, lr=meta_lr), value

    return Method("pooled", adam.init, step, {"meta_lr": meta_lr})


def train(
    method: Method,
    params: Params,
    family: TaskFamily,
    *,
    meta_steps: int,
    meta_batch_size: int = 25,
    seed: int = 0,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
    capture: str = "auto",
    block: int = 100,
    callback: Callable[[int, Params], dict[str, float]] | None = None,
    checkpoint: Path | None = None,
    budget_seconds: float | None = None,
    progress: bool = True,
) -> Trained:
    """Meta-train from `params` for `meta_steps` steps of `meta_batch_size` tasks each.

    After every `block` steps the curve gains a point, `callback(step, params)` may add figures to it (a
    validation score), and `checkpoint` is written. Where `checkpoint` exists, training goes on from there and
    ends, on a CPU, with the same bits as a run that was never interrupted. `seed` draws the tasks. A family that
    draws on the device itself (`fast.episodes.Episodes`) brings its own generator.

    With `budget_seconds` the first block measures the speed, and `meta_steps` is lowered to what fits into that
    time (compilation not counted), so that rates that fall still end where they should.

    On several ranks rank 0 alone writes the checkpoint and all read it; it fits any number of ranks. The callback
    runs on every rank: with the same parameters all get the same figures, nobody waits for anybody, and a callback
    that stops the run stops it everywhere.

    Raises ValueError for counts below 1, FloatingPointError when the loss is no longer finite, DataError for
    a checkpoint that belongs to another run or cannot be read or written.
    """
    require_count("meta_steps", meta_steps)
    require_count("meta_batch_size", meta_batch_size)
    require_count("block", block)
    device = torch.device(device) if device is not None else default_device()
    checkpoint = Path(checkpoint) if checkpoint is not None else None
    params = tensors(params, device=device, dtype=dtype)
    settings = _identity(method, params, seed, meta_batch_size, meta_steps)
    rng = family.generator(seed) if hasattr(family, "generator") else np.random.default_rng(seed)
    run = _Run(params, method.init(params), rng, meta_steps)
    if checkpoint is not None and checkpoint.exists():
        run.load(checkpoint, settings)
    distributed.require_same(run.params, run.steps)

    def draw(rng: np.random.Generator | torch.Generator) -> Task:
        return tensors(distributed.share(family.sample(meta_batch_size, rng)), device=device, dtype=dtype)

    step, way = _ready(method, capture, params, device)
    hidden = not (progress and distributed.first())
    with (
        distributed.ending_together(checkpoint),
        tqdm(total=run.meta_steps, initial=run.steps, desc=method.name, disable=hidden, leave=False) as bar,
    ):
        compile_seconds = _warm_up(step, way, run, draw)
        bar.unpause()  # its pace leaves that out
        while run.steps < run.meta_steps:
            started, size = time.perf_counter(), min(block, run.meta_steps - run.steps)
            loss = run.take(step, size, draw)
            run.seconds += time.perf_counter() - started
            if budget_seconds is not None and run.steps == size:
                run.meta_steps = bar.total = run.affordable(budget_seconds)
            if not np.isfinite(loss):
                raise FloatingPointError(
                    f"the loss of {method.name} is {loss} after {run.steps} meta-steps; lower inner_lr or meta_lr"
                )
            run.note({"step": run.steps, "loss": loss} | (callback(run.steps, run.params) if callback else {}))
            bar.update(size)
            bar.set_postfix(loss=f"{loss:.3f}")
            if checkpoint is not None and distributed.first():
                run.save(checkpoint, settings)
    curve = {name: np.array(figures) for name, figures in run.curve.items()}
    return Trained(run.params, run.state, curve, run.seconds, compile_seconds, way)


def _ready(method: Method, capture: str, params: Params, device: torch.device) -> tuple[Callable, str]:
    """The method's step made ready to run, and which way was taken."""
    if capture == "auto" and device.type == "cpu" and distributed.world_size() > 1:
        capture = "eager"  # ranks on the same cores would each compile the same step
    convolutional = any(p.ndim == 4 for p in params.values())
    return make_ready(method.step, capture, device=device, convolutional=convolutional)


def _warm_up(step: Callable, way: str, run: "_Run", draw: Callable) -> float:
    """Seconds that making ready took: one step, whose result is thrown away, on tasks that nobody else draws."""
    started = time.perf_counter()
    if way != "eager" and run.steps < run.meta_steps:
        if isinstance(run.rng, torch.Generator):
            rng: Any = torch.Generator(run.rng.device).manual_seed(0)
        else:
            rng = np.random.default_rng(0)
        tasks = draw(rng)
        step(run.params, run.state, tasks, run.done(tasks))
        if tasks.support.x.is_cuda:
            torch.cuda.synchronize()
    return time.perf_counter() - started


def _identity(method: Method, params: Params, seed: int, meta_batch_size: int, meta_steps: int) -> dict[str, Any]:
    """What a checkpoint must have in common with the run that goes on from it."""
    return {
        "method": method.name,
        **{name: float(number) for name, number in method.settings.items()},
        "seed": int(seed),
        "meta_batch_size": int(meta_batch_size),
        "meta_steps": int(meta_steps),
        "params": {name: f"{p.dtype} {tuple(p.shape)}" for name, p in params.items()},
    }


@dataclass
class _Run:
    """Everything that changes while training: what a checkpoint holds."""

    params: Params
    state: Any
    rng: np.random.Generator | torch.Generator
    meta_steps: int
    steps: int = 0
    seconds: float = 0.0
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

    def rng_state(self) -> Any:
        """What brings the generator back to where it is."""
        if isinstance(self.rng, torch.Generator):
            return self.rng.get_state()
        return json.dumps(self.rng.bit_generator.state)

    def set_rng_state(self, held: Any) -> None:
        """The reverse."""
        if isinstance(self.rng, torch.Generator):
            self.rng.set_state(held.cpu())
        else:
            self.rng.bit_generator.state = json.loads(held)

    def note(self, point: dict[str, float]) -> None:
        """Add one point to the curve."""
        for name, figure in point.items():
            figure = figure if isinstance(figure, int) else float(figure)  # a checkpoint holds plain numbers only
            self.curve.setdefault(name, []).append(figure)

    def save(self, path: Path, settings: dict[str, Any]) -> None:
        """Write a checkpoint whole or not at all."""
        held = {
            "settings": settings,
            "params": self.params,
            "state": list(leaves(self.state)),
            "rng": self.rng_state(),
            "meta_steps": self.meta_steps,
            "steps": self.steps,
            "seconds": self.seconds,
            "curve": self.curve,
        }
        try:
            write_whole(path, lambda file: torch.save(held, file))
        except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
            raise DataError(
                f"checkpoint {path} could not be written ({error}); the one before it is untouched"
            ) from error

    def load(self, path: Path, settings: dict[str, Any]) -> None:
        """Go on from a checkpoint of the same run."""
        try:
            held = torch.load(path, map_location=next(iter(self.params.values())).device, weights_only=True)
            theirs = held["settings"]
        except Exception as error:
            reason = type(error).__name__  # torch's own text advises to load the file unsafely
            raise DataError(f"checkpoint {path} cannot be read ({reason}); delete it to start again") from error
        if differing := [name for name in settings if theirs.get(name) != settings[name]]:
            it_has, this_has = (", ".join(f"{n}={one.get(n)}" for n in differing) for one in (theirs, settings))
            raise DataError(
                f"checkpoint {path} belongs to another run: it has {it_has}, this run {this_has}; "
                "give another path, or the same settings"
            )
        stored = iter(held["state"])
        self.params, self.state = held["params"], tree_map(lambda _: next(stored), self.state)
        self.set_rng_state(held["rng"])
        self.meta_steps, self.steps, self.seconds = held["meta_steps"], held["steps"], held["seconds"]
        self.curve = held["curve"]
