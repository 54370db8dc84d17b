"""One meta-training loop for every method: draw tasks, take a meta-step, keep the curve, save checkpoints.

A `Method` says what one meta-step is; `train` repeats it. The torch twins do the work, on any device, and on
several at once: each rank then computes its share of the tasks (`fast/distributed.py`).
"""

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from tqdm.auto import tqdm

from mlcourse.arguments import require_as_many, require_count, require_family, require_positive
from mlcourse.checkpoints import Generator, Run, identity
from mlcourse.fast import adam, distributed, maml, metric, reptile
from mlcourse.fast.arrays import leaves, resolved, tensors, tree_map
from mlcourse.fast.batching import over_tasks
from mlcourse.fast.capture import capture as make_ready
from mlcourse.fast.networks import Network, Params
from mlcourse.fast.ready import frozen_names
from mlcourse.files import require_place
from mlcourse.tasks.task import Examples, Task, TaskFamily


class Method(NamedTuple):
    """What `train` repeats. `step(params, state, tasks, done) -> params, state, loss` must be pure.

    On several ranks `tasks` are this rank's share: a step averages over the ranks whatever it makes the update of,
    so that all take the same one; `train` averages the loss. `done` is a tensor, the share of the meta-steps
    already taken, from 0 to 1, for rates that fall. `settings` are the method's own numbers: a checkpoint made
    with others is refused.
    """

    name: str
    init: Callable[[Params], Any]  # the state before the first step: tensors in dicts and tuples, or ()
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
    """Reptile with plain gradient descent inside; `meta_lr` falls linearly to zero, as in the paper."""

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
    callback: Callable[[int, Params], dict[str, float] | None] | None = None,
    checkpoint: Path | None = None,
    budget_seconds: float | None = None,
    about: Mapping[str, Any] = MappingProxyType({}),
    progress: bool = True,
) -> Trained:
    """Meta-train from `params` for `meta_steps` steps of `meta_batch_size` tasks each.

    After every `block` steps the curve gains a point, `callback(step, params)` may add figures to it (a
    validation score; NaN stands where it gave none), and `checkpoint` is written. Where `checkpoint` exists,
    training goes on from there and ends, on a CPU, with the same bits as a run that was never interrupted; a
    checkpoint of another run is refused (`mlcourse/checkpoints.py`). about: settings of the caller's own that a
    checkpoint must have, too. `seed` draws the tasks. A family that draws on the device itself
    (`fast.episodes.Episodes`) brings its own generator.

    Parameters that `requires_grad_(False)` froze, beside others that it did not, end as they began.

    With `budget_seconds` the first block measures the speed, and `meta_steps` is lowered to what fits into that
    time (compilation not counted), so that rates that fall still end where they should.

    On several ranks rank 0 alone writes the checkpoint and all read it; it fits any number of ranks. The callback
    runs on every rank: with the same parameters all get the same figures, nobody waits for anybody, and a callback
    that stops the run stops it everywhere.

    Raises ValueError for arguments that cannot be, FloatingPointError when the loss is no longer finite, DataError
    for a checkpoint that belongs to another run or cannot be read or written.
    """
    sizes = {"meta_steps": meta_steps, "meta_batch_size": meta_batch_size, "block": block}
    sizes = {name: require_count(name, size) for name, size in sizes.items()}
    meta_steps, meta_batch_size, block = sizes.values()
    seed = require_count("seed", seed, least=0)
    if budget_seconds is not None:
        require_positive("budget_seconds", budget_seconds)
    require_family("family", family)
    require_dtype(dtype)
    device = resolved(device)
    checkpoint = Path(checkpoint) if checkpoint is not None else None
    if checkpoint is not None and not checkpoint.is_file():
        require_place(checkpoint)
    params = tensors(params, device=device, dtype=dtype)
    frozen = frozen_names(params)
    start = tree_map(torch.Tensor.detach, params)
    run = Run(start, _state(method, start), _generator(family, seed), meta_steps).copy()  # of what is the caller's

    def sample(rng: Generator) -> Task:
        tasks = family.sample(meta_batch_size, rng)
        require_as_many(tasks, meta_batch_size)
        return tasks

    def place(tasks: Task) -> Task:
        return tensors(distributed.share(tasks), device=device, dtype=dtype)

    step, way = _ready(method, capture, start, device)
    eager = _holding(method.step, start, frozen)
    step = eager if way == "eager" else _holding(step, start, frozen)
    known_by: dict[str, Any] = {}
    if checkpoint is not None:
        sizes |= {"seed": seed, "budget_seconds": budget_seconds, "frozen": sorted(frozen)}
        named = {"method": {"method": method.name, **method.settings}, "about": about, "run": sizes}
        known_by = identity(named, run, family, lambda: _generator(family, 0), sample, place, eager)
        if checkpoint.exists():
            run.load(checkpoint, known_by)
    distributed.require_same(run.params, run.steps)
    hidden = not (progress and distributed.first())
    with (
        distributed.ending_together(checkpoint),
        tqdm(total=run.meta_steps, initial=run.steps, desc=method.name, disable=hidden, leave=False) as bar,
    ):
        if way != "eager" and run.steps < run.meta_steps:
            run.compile_seconds += _warm_up(step, eager, run, place(sample(_generator(family, 0))))
        bar.unpause()  # its pace leaves that out
        while run.steps < run.meta_steps:
            started, size = time.perf_counter(), min(block, run.meta_steps - run.steps)
            loss = run.take(step, size, lambda rng: place(sample(rng)))
            run.seconds += time.perf_counter() - started
            if budget_seconds is not None and run.steps == size:
                run.meta_steps = bar.total = run.affordable(budget_seconds)
            _require_finite(method.name, run, loss, frozen)
            if run.steps == size and distributed.first() and _same_as(run.params, start):
                told = f"After {size} meta-steps of {method.name} no parameter has moved"
                print(f"{told}: does the loss depend on them?", file=sys.stderr)
            run.note({"step": run.steps, "loss": loss} | _asked(callback, run))
            bar.update(size)
            bar.set_postfix(loss=f"{loss:.3f}")
            if checkpoint is not None and distributed.first():
                run.save(checkpoint, known_by)
    curve = {name: np.array(figures) for name, figures in run.curve.items()}
    return Trained(run.params, run.state, curve, run.seconds, run.compile_seconds, way)


def _ready(method: Method, capture: str, params: Params, device: torch.device) -> tuple[Callable, str]:
    """The method's step made ready to run, and which way was taken."""
    if capture == "auto" and device.type == "cpu" and distributed.world_size() > 1:
        capture = "eager"  # ranks on the same cores would each compile the same step
    convolutional = any(p.ndim == 4 for p in params.values())
    return make_ready(method.step, capture, device=device, convolutional=convolutional)


def _generator(family: TaskFamily, seed: int) -> Generator:
    """The family's own kind of generator; NumPy's where it brings none."""
    return family.generator(seed) if hasattr(family, "generator") else np.random.default_rng(seed)


def _state(method: Method, params: Params) -> Any:
    """What the method begins with; only tensors in dicts and tuples can be captured, stored and taken up again."""
    state = method.init(params)
    for leaf in leaves(state):
        if not isinstance(leaf, torch.Tensor):
            raise ValueError(
                f"the state of {method.name} holds {leaf!r}; give tensors in dicts and tuples, () for no "
                "state, and numbers that never change in Method.settings"
            )
    return state


def _require_finite(name: str, run: Run, loss: float, frozen: frozenset[str]) -> None:
    """FloatingPointError when training has left the finite numbers: nothing that follows would mean anything."""
    if not np.isfinite(loss):
        raise FloatingPointError(
            f"the loss of {name} is {loss} after {run.steps} meta-steps; lower inner_lr or meta_lr"
        )
    for key, p in run.params.items():
        if key not in frozen and not torch.isfinite(p).all():
            raise FloatingPointError(
                f"{key!r} of {name} is not finite after {run.steps} meta-steps, though the loss is {loss}: its "
                "gradient is not. Lower meta_lr, or look in the loss for what has no slope, such as a root of zero"
            )


def _same_as(params: Params, start: Params) -> bool:
    return all(torch.equal(p, start[name]) for name, p in params.items())


def _asked(callback: Callable | None, run: Run) -> dict[str, float]:
    """The figures of the callback, which is given parameters of its own."""
    figures = callback(run.steps, tree_map(torch.clone, run.params)) if callback else None
    if figures is None:
        return {}
    single = isinstance(figures, Mapping) and all(np.ndim(figure) == 0 for figure in figures.values())
    if not single or None in figures.values() or figures.keys() & {"step", "loss"}:
        raise ValueError(
            f"the callback gave {figures!r}; give a dict of figures by name, other than step and loss, or None"
        )
    return dict(figures)


def _holding(step: Callable, params: Params, frozen: frozenset[str]) -> Callable:
    """`step` that leaves frozen parameters where they are.

    Inside, their flags say so, which keeps them out of the inner loop as well (`fast.ready.held`).
    """
    if not frozen:
        return step

    def held(theta: Params, state: Any, tasks: Task, done: torch.Tensor) -> tuple:
        flagged = {name: p.detach().requires_grad_(name not in frozen) for name, p in theta.items()}
        with torch.no_grad():
            after, state, loss = step(flagged, state, tasks, done)
        after = {name: params[name] if name in frozen else p.detach() for name, p in after.items()}
        return after, tree_map(torch.Tensor.detach, state), loss.detach()

    return held


def _warm_up(step: Callable, eager: Callable, run: Run, tasks: Task) -> float:
    """Seconds that making ready took: one step, whose result is thrown away, on tasks that nobody else draws.

    First it runs eagerly: what is wrong with a loss is then told in its own words, not in the compiler's.
    """
    trial = run.copy()
    eager(trial.params, trial.state, tasks, trial.done(tasks))
    started = time.perf_counter()
    step(trial.params, trial.state, tasks, trial.done(tasks))
    if tasks.support.x.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - started


def require_dtype(dtype: torch.dtype) -> None:
    """Refuse a precision in which a meta-gradient cannot be computed."""
    if dtype == torch.float16:
        raise ValueError(
            "dtype is torch.float16, in which gradients of gradients vanish or overflow, whatever the rates; give "
            "torch.bfloat16 or torch.float32"
        )
    if dtype not in (torch.float32, torch.float64, torch.bfloat16):
        raise ValueError(f"dtype is {dtype!r}; give torch.float32, torch.float64 or torch.bfloat16")
