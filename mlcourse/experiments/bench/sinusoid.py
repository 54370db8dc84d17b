"""One meta-gradient of MAML's sinusoid experiment: ours beside JAX, `higher` and the loops that libraries run."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.func import functional_call

from mlcourse.experiments.bench import dialects
from mlcourse.experiments.bench.agreement import Gradient, disagreement, require_higher
from mlcourse.experiments.bench.conv4_jax import NotHere
from mlcourse.experiments.bench.dialects import INNER_LR, SIZES, Contender
from mlcourse.experiments.bench.timing import as_command, interleaved_medians, require_rounds
from mlcourse.experiments.results import cpu_cores, provenance
from mlcourse.fast import capture, losses, maml, networks
from mlcourse.fast.arrays import arrays, tensors
from mlcourse.fast.threads import threads_of_torch
from mlcourse.reference import losses as reference_losses
from mlcourse.reference import maml as reference_maml
from mlcourse.reference import networks as reference_networks
from mlcourse.tasks import Sinusoids, Task, each

N_TASKS, K_SHOT, N_QUERY = 25, 10, 10
AGREEMENT = 1e-4  # largest relative difference between two gradients, one of them in float32

_mse = torch.nn.functional.mse_loss


def meta_gradient(
    *,
    inner_steps: Sequence[int] = (1, 5),
    repeats: int = 40,
    threads: int = 1,
    seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Time the meta-gradient of 25 sinusoid tasks in every way we know; returns a table as `results` keeps them.

    repeats: rounds; in each, every contender runs in turn, so that whatever else the machine does falls on all
    alike. The figures are medians over the rounds, in milliseconds, and the seconds of the first call. threads: of
    torch. say: told what goes on.

    Without JAX or a C++ compiler a row says so. Raises ModuleNotFoundError, with the command that helps, when
    `higher` is missing, and RuntimeError when two contenders disagree about the gradient.
    """
    steps = require_rounds(inner_steps=inner_steps, repeats=repeats, threads=threads, seed=seed)
    require_higher()
    started = time.perf_counter()
    with threads_of_torch(threads):
        found = [measure(make_contenders(number, seed), number_of(number), repeats, say) for number in steps]
    command = as_command("meta-gradient", inner_steps=steps, repeats=repeats, threads=threads, seed=seed)
    return {
        "name": "bench_meta_gradient_sinusoid",
        "title": f"Time of one meta-gradient: sinusoid, {N_TASKS} tasks",
        **provenance(command, [seed], started),
        "protocol": _protocol(repeats, threads),
        "rows": _rows(steps, found),
    }


def _protocol(repeats: int, threads: int) -> str:
    threads_used = f"{threads} torch thread{'s' if threads > 1 else ''} on {cpu_cores()} cores"
    return (
        f"One second-order MAML meta-gradient, same weights and tasks for all: {N_TASKS} sinusoids, {K_SHOT} "
        f"support and {N_QUERY} query examples each, network {SIZES}; float32, `reference` float64. Medians of "
        f"{repeats} interleaved rounds after warm-up, {threads_used} (JAX takes all cores). The first call makes "
        f"ready: what is compiled is compiled anew. Before timing all gave the same gradient to {AGREEMENT:g} "
        f"relative. learn2learn's way: its clone and adapt, written out."
    )


def _rows(steps: list[int], found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each contender: times, how they compare to `higher`, and the first call; or why there are none."""
    rows = []
    for name in found[0]:
        values = {}
        for number, each_one in zip(steps, found, strict=True):
            label, one = number_of(number), each_one[name]
            if isinstance(one, str):
                values[f"{label}, ms"] = one
                continue
            values[f"{label}, ms"] = rounded(1e3 * one["call"])
            values[f"{label}, times as fast as higher"] = rounded(each_one["higher"]["call"] / one["call"])
            values[f"{label}, first call, s"] = rounded(one["first"], 2)
        rows.append({"method": name, "values": values})
    return rows


def rounded(number: float, digits: int = 3) -> float:
    return float(f"{number:.{digits}g}")


def measure(
    everyone: dict[str, Contender | str], what: str, repeats: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """Of each contender the seconds of the "first" call and the median of a later "call", or why there is none.

    One is named "reference"; RuntimeError when another disagrees with it.
    """
    from torch._inductor.utils import fresh_cache  # takes two seconds to import

    contenders = {name: one for name, one in everyone.items() if callable(one)}
    say(f"{what}: compiling, and comparing the gradients")
    gradients, first = {}, {}
    with fresh_cache():  # else torch would find what it compiled in an earlier run
        for name, contender in contenders.items():
            started = time.perf_counter()
            gradients[name] = contender()
            first[name] = time.perf_counter() - started
    difference = disagreement(gradients)
    if max(difference.values()) > AGREEMENT:
        raise RuntimeError(f"the contenders do not compute the same gradient; relative differences: {difference}")
    say(f"  all agree to {max(difference.values()):.0e}; timing {repeats} rounds")
    median = interleaved_medians(contenders, repeats)
    timed = {name: {"first": first[name], "call": median[name]} for name in contenders}
    return {name: timed.get(name, why) for name, why in everyone.items()}


def number_of(steps: int) -> str:
    """ "1 step", "5 steps"."""
    return f"{steps} step{'s' if steps > 1 else ''}"


# --- the contenders ----------------------------------------------------------------------------------------


def make_contenders(inner_steps: int, seed: int = 0) -> dict[str, Contender | str]:
    """Every way to compute the meta-gradient, on the same weights and tasks, or why it cannot be measured here."""
    params, tasks = draw(seed)
    single = tensors((params, tasks), dtype=torch.float32)
    return {
        "fast, compiled": or_why_not(fast, *single, inner_steps, "compile"),
        "fast, recorded": fast(*single, inner_steps, "trace"),
        "fast, eager": fast(*single, inner_steps, "eager"),
        "JAX jit + vmap": or_why_not(dialects.jax, *single, inner_steps),
        "reference": reference(params, tasks, inner_steps),
        "plain loop over tasks": _plain_loop(*single, inner_steps),
        "learn2learn's way": _clone_and_adapt(*single, inner_steps),
        "higher": dialects.higher(*single, inner_steps),
    }


def draw(seed: int) -> tuple[networks.Params, Task]:
    """Weights and tasks, float64."""
    rng = np.random.default_rng(seed)
    tasks, weights = Sinusoids(K_SHOT, N_QUERY).sample(N_TASKS, rng), networks.mlp(SIZES).init(rng)
    return tensors((weights, tasks), dtype=torch.float64)


def or_why_not(make: Callable[..., Contender], *how: Any) -> Contender | str:
    """What `make` makes, or why it cannot."""
    try:
        return make(*how)
    except (NotHere, ValueError) as error:  # a ValueError: capture found no compiler
        return f"not measured: {error}"


def fast(params: networks.Params, tasks: Task, inner_steps: int, mode: str) -> Contender:
    """`mlcourse.fast`: all tasks at once."""
    loss = losses.squared_error(networks.mlp(SIZES))

    def gradient(params: networks.Params, tasks: Task) -> networks.Params:
        return maml.meta_gradient(loss, params, tasks, inner_lr=INNER_LR, inner_steps=inner_steps)

    ready, _ = capture.capture(gradient, mode)
    return lambda: ready(params, tasks)


def reference(params: networks.Params, tasks: Task, inner_steps: int) -> Contender:
    """`mlcourse.reference`: NumPy, float64, one task after the other."""
    params, tasks = arrays((params, tasks))
    loss = reference_losses.squared_error(reference_networks.mlp(SIZES))
    return lambda: reference_maml.meta_gradient(loss, params, tasks, inner_lr=INNER_LR, inner_steps=inner_steps)


def _plain_loop(params: networks.Params, tasks: Task, inner_steps: int) -> Contender:
    """What libraries do: for each task, `torch.autograd.grad(..., create_graph=True)`, then backward."""
    theta = {name: p.clone().requires_grad_() for name, p in params.items()}
    apply, separate = networks.mlp(SIZES).apply, list(each(tasks))

    def gradient() -> Gradient:
        for p in theta.values():
            p.grad = None
        for support, query in separate:
            phi = theta
            for _ in range(inner_steps):
                loss = _mse(apply(phi, support.x), support.y)
                slopes = torch.autograd.grad(loss, list(phi.values()), create_graph=True)
                phi = {name: p - INNER_LR * g for (name, p), g in zip(phi.items(), slopes, strict=True)}
            (_mse(apply(phi, query.x), query.y) / N_TASKS).backward()
        return {name: p.grad for name, p in theta.items()}

    return gradient


def _clone_and_adapt(params: networks.Params, tasks: Task, inner_steps: int) -> Contender:
    """learn2learn's way: clone the module for each task, adapt the clone, and go back through all at the end."""
    model, separate = dialects.module(params), list(each(tasks))

    def gradient() -> Gradient:
        model.zero_grad()
        total = 0.0
        for support, query in separate:
            clone = {name: p.clone() for name, p in model.named_parameters()}
            for _ in range(inner_steps):
                loss = _mse(functional_call(model, clone, (support.x,)), support.y)
                slopes = torch.autograd.grad(loss, list(clone.values()), create_graph=True)
                clone = {name: p - INNER_LR * g for (name, p), g in zip(clone.items(), slopes, strict=True)}
            total = total + _mse(functional_call(model, clone, (query.x,)), query.y)
        (total / N_TASKS).backward()
        return dialects.slopes_of(model)

    return gradient
