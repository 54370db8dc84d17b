"""One meta-training loop for every method: draw tasks, take a meta-step, keep the curve, save checkpoints.

A method (`mlcourse/methods`) says what one meta-step is; `train` repeats it. The torch twins do the work, on any
device, and on several at once: each rank then computes its share of the tasks (`fast/distributed.py`).
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

from mlcourse.arguments import require_as_many, require_count, require_positive
from mlcourse.checkpoints import Generator, Run, identity
from mlcourse.evaluation import Learner
from mlcourse.fast import distributed
from mlcourse.fast.arrays import leaves, resolved, tensors, tree_map
from mlcourse.fast.capture import capture as make_ready
from mlcourse.fast.capture import require_capture
from mlcourse.fast.networks import Params
from mlcourse.fast.ready import frozen_names
from mlcourse.fast.threads import suited, threads_of_torch
from mlcourse.files import require_place
from mlcourse.methods.method import Method
from mlcourse.tasks.family import as_family
from mlcourse.tasks.task import Task, TaskFamily


class Trained(NamedTuple):
    """What `train` returns.

    state is the method's own (Adam's moments, say). curve holds arrays of equal length: "step" (meta-steps taken),
    "loss" (mean over the block that ended there), and whatever the callback returned. `seconds` leaves out
    `compile_seconds`, the making ready of the first meta-step, and counts what went before a resumption. `capture`
    is the way that the steps were taken, `threads` how many torch had on the CPU.
    """

    method: Method
    params: Params
    state: Any
    curve: dict[str, np.ndarray]
    seconds: float
    compile_seconds: float
    capture: str
    threads: int

    def learner(self, **how: Any) -> Learner:
        """The learner that this training ends in; how: the settings that the method's own `learner` takes."""
        return self.method.learner(self.params, self.state, **how)


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
    threads: int | None = None,
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

    Parameters that `requires_grad_(False)` froze, beside others that it did not, end as they began, and are still
    frozen in the result: its learner does not adapt them either.

    capture: the way that the steps are taken (`fast/capture.py`). By default it is the one that takes the least
    time for so many steps, by times measured on this machine. "eager" and "trace" end with the same bits,
    "compile" with others: where numbers are to come again, name one. threads: of torch, during this call; by
    default one for small work on a CPU, as many as torch has for other work or where OMP_NUM_THREADS is set.

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
    family = as_family("family", family)
    require_dtype(dtype)
    device = resolved(device)
    checkpoint = Path(checkpoint) if checkpoint is not None else None
    if checkpoint is not None and not checkpoint.is_file():
        require_place(checkpoint)
    params = method.start(tensors(params, device=device, dtype=dtype))
    frozen = frozen_names(params)
    start = tree_map(torch.Tensor.detach, params)
    run = Run(start, _state(method, start), family.generator(seed), meta_steps).copy()  # of what is the caller's

    def sample(rng: Generator) -> Task:
        tasks = family.sample(meta_batch_size, rng)
        require_as_many(tasks, meta_batch_size)
        return tasks

    def place(tasks: Task) -> Task:
        return tensors(distributed.share(tasks), device=device, dtype=dtype)

    require_capture(capture, device)
    step = eager = _holding(method.step, start, frozen)
    way = "eager"
    known_by: dict[str, Any] = {}
    if checkpoint is not None:
        sizes |= {"seed": seed, "budget_seconds": budget_seconds, "frozen": sorted(frozen)}
        named = {"method": {"method": method.name, **method.settings}, "about": about, "run": sizes}
        known_by = identity(named, run, family, lambda: family.generator(0), sample, place, eager)
        if checkpoint.exists():
            run.load(checkpoint, known_by)
    distributed.require_same(run.params, run.steps)
    threads = suited(start, meta_batch_size) if threads is None else threads
    hidden = not (progress and distributed.first())
    with (
        threads_of_torch(threads),
        distributed.ending_together(checkpoint),
        tqdm(total=run.meta_steps, initial=run.steps, desc=method.name, disable=hidden, leave=False) as bar,
    ):
        if capture != "eager" and run.steps < run.meta_steps:
            draws = family.generator(0)
            first, second = (place(sample(draws)) for _ in range(2))  # to try the step on; nobody trains on them
            trials = _trial(run, first, frozen), _trial(run, second, frozen, done=0.9)
            step, way = _ready(method, capture, trials, run, device, bar)
            step = eager if way == "eager" else _holding(step, start, frozen)
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
    return Trained(
        method, _flagged(run.params, frozen), run.state, curve, run.seconds, run.compile_seconds, way, threads
    )


def _ready(
    method: Method, capture: str, trials: tuple[tuple, tuple], run: Run, device: torch.device, bar: tqdm
) -> tuple[Callable, str]:
    """The method's step made ready to run, and which way was taken; the bar says what takes a while."""
    if capture == "auto" and device.type == "cpu" and distributed.world_size() > 1:
        capture = "eager"  # ranks on the same cores would each compile the same step
    started = time.perf_counter()
    with torch.set_grad_enabled(not frozen_names(trials[0][0])):  # as `_holding` takes the steps
        step, way = make_ready(
            method.step,
            capture,
            device=device,
            trials=trials,
            calls=run.meta_steps,
            say=lambda doing: bar.set_description(f"{method.name}: {doing} …"),
        )
        if device.type == "cuda":
            step(*trials[0])
            torch.cuda.synchronize()
    bar.set_description(method.name)
    run.compile_seconds += time.perf_counter() - started
    return step, way


def _state(method: Method, params: Params) -> Any:
    """What the method begins with; only tensors in dicts and tuples can be captured, stored and taken up again."""
    state = method.init(params)
    for leaf in leaves(state):
        if not isinstance(leaf, torch.Tensor):
            raise ValueError(
                f"the state of {method.name} holds {leaf!r}; give tensors in dicts and tuples, () for no "
                "state, and numbers that never change in fields of the method"
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
        with torch.no_grad():
            after, state, loss = step(_flagged(theta, frozen), state, tasks, done)
        after = {name: params[name] if name in frozen else p.detach() for name, p in after.items()}
        return after, tree_map(torch.Tensor.detach, state), loss.detach()

    return held


def _flagged(params: Params, frozen: frozenset[str]) -> Params:
    """Where some are frozen: the parameters with flags that say which."""
    return {n: p.detach().requires_grad_(n not in frozen) for n, p in params.items()} if frozen else params


def _trial(run: Run, tasks: Task, frozen: frozenset[str], done: float | None = None) -> tuple:
    """Arguments of a step to try it on, whose results are thrown away; `done` other than where the run is."""
    trial = run.copy()
    share = trial.done(tasks)
    share = share if done is None else torch.full_like(share, done)
    return _flagged(trial.params, frozen), trial.state, tasks, share


def require_dtype(dtype: torch.dtype) -> None:
    """Refuse a precision in which a meta-gradient cannot be computed."""
    if dtype == torch.float16:
        raise ValueError(
            "dtype is torch.float16, in which gradients of gradients vanish or overflow, whatever the rates; give "
            "torch.bfloat16 or torch.float32"
        )
    if dtype not in (torch.float32, torch.float64, torch.bfloat16):
        raise ValueError(f"dtype is {dtype!r}; give torch.float32, torch.float64 or torch.bfloat16")
