"""One meta-gradient of MAML's sinusoid experiment: ours beside `higher` and the plain loop that libraries run."""

import shlex
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from mlcourse.experiments.bench.agreement import Gradient, disagreement, require_higher
from mlcourse.experiments.bench.timing import interleaved_medians, require_rounds
from mlcourse.experiments.results import cpu_cores, provenance
from mlcourse.fast import capture, losses, maml, networks
from mlcourse.fast.arrays import arrays, tensors
from mlcourse.reference import losses as reference_losses
from mlcourse.reference import maml as reference_maml
from mlcourse.reference import networks as reference_networks
from mlcourse.tasks import Sinusoids, Task, each

N_TASKS, K_SHOT, N_QUERY = 25, 10, 10
SIZES = (1, 40, 40, 1)
INNER_LR = 0.01
AGREEMENT = 1e-4  # largest relative difference between two gradients, one of them in float32

Contender = Callable[[], Gradient]  # computes the meta-gradient of the same tasks from the same weights, anew


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
    alike. The figures are medians over the rounds, in milliseconds. threads: of torch. say: told what goes on.

    Without a C++ compiler the compiled row is left out. Raises ModuleNotFoundError, with the command that helps,
    when `higher` is missing, and RuntimeError when two contenders disagree about the gradient.
    """
    steps = require_rounds(inner_steps=inner_steps, repeats=repeats, threads=threads, seed=seed)
    require_higher()
    started, before = time.perf_counter(), torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        medians = [_measure(number, repeats, seed, say) for number in steps]
    finally:
        torch.set_num_threads(before)
    command = ["python", "-m", "mlcourse", "bench", "meta-gradient"]
    command += [word for number in steps for word in ("--inner-steps", str(number))] if steps != [1, 5] else []
    for flag, value, default in (("repeats", repeats, 40), ("threads", threads, 1), ("seed", seed, 0)):
        command += [f"--{flag}", str(value)] if value != default else []
    return {
        "name": "bench_meta_gradient_sinusoid",
        "title": f"Time of one meta-gradient: sinusoid, {N_TASKS} tasks",
        **provenance(shlex.join(command), [seed], started),
        "protocol": _protocol(repeats, threads),
        "rows": _rows(steps, medians),
    }


def _protocol(repeats: int, threads: int) -> str:
    threads_used = f"{threads} torch thread{'s' if threads > 1 else ''} on {cpu_cores()} cores"
    return (
        f"One second-order MAML meta-gradient, same weights and tasks for all: {N_TASKS} sinusoids, {K_SHOT} "
        f"support and {N_QUERY} query examples each, network {SIZES}; float32, `reference` float64. Medians of "
        f"{repeats} interleaved rounds after warm-up, {threads_used}. Before timing all gave the same gradient to "
        f"{AGREEMENT:g} relative."
    )


def _rows(steps: list[int], medians: list[dict[str, float]]) -> list[dict[str, Any]]:
    """A row for each contender: milliseconds, and how many times faster than `higher`."""
    rows = []
    for name in medians[0]:
        values = {}
        for number, median in zip(steps, medians, strict=True):
            label = f"{number} step{'s' if number > 1 else ''}"
            values[f"{label}, ms"] = float(f"{1e3 * median[name]:.3g}")
            values[f"{label}, times as fast as higher"] = float(f"{median['higher'] / median[name]:.3g}")
        rows.append({"method": name, "values": values})
    return rows


def _measure(inner_steps: int, repeats: int, seed: int, say: Callable[[str], None]) -> dict[str, float]:
    """Seconds of each contender, medians."""
    contenders = make_contenders(inner_steps, seed)
    say(f"{inner_steps} inner step{'s' if inner_steps > 1 else ''}: compiling, and comparing the gradients")
    difference = disagreement({name: contender() for name, contender in contenders.items()})
    if max(difference.values()) > AGREEMENT:
        raise RuntimeError(f"the contenders do not compute the same gradient; relative differences: {difference}")
    say(f"  all agree to {max(difference.values()):.0e}; timing {repeats} rounds")
    return interleaved_medians(contenders, repeats)


# --- the contenders ----------------------------------------------------------------------------------------


def make_contenders(inner_steps: int, seed: int = 0) -> dict[str, Contender]:
    """Every way to compute the meta-gradient, on the same weights and tasks; compiled only where it can be."""
    rng = np.random.default_rng(seed)
    tasks, weights = Sinusoids(K_SHOT, N_QUERY).sample(N_TASKS, rng), networks.mlp(SIZES).init(rng)
    quick, params = tensors(tasks, dtype=torch.float32), tensors(weights, dtype=torch.float32)
    compiled = {"fast, compiled": _fast(params, quick, inner_steps, "compile")} if capture.cpp_compiler() else {}
    return compiled | {
        "fast, eager": _fast(params, quick, inner_steps, "eager"),
        "reference": _reference(arrays(weights), tasks, inner_steps),
        "plain loop over tasks": _plain_loop(params, quick, inner_steps),
        "higher": _higher(params, quick, inner_steps),
    }


def _fast(params: networks.Params, tasks: Task, inner_steps: int, mode: str) -> Contender:
    """`mlcourse.fast`: all tasks at once."""
    loss = losses.squared_error(networks.mlp(SIZES))

    def gradient(params: networks.Params, tasks: Task) -> networks.Params:
        return maml.meta_gradient(loss, params, tasks, inner_lr=INNER_LR, inner_steps=inner_steps)

    ready, _ = capture.capture(gradient, mode)
    return lambda: ready(params, tasks)


def _reference(params: Gradient, tasks: Task, inner_steps: int) -> Contender:
    """`mlcourse.reference`: NumPy, float64, one task after the other."""
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
                loss = torch.nn.functional.mse_loss(apply(phi, support.x), support.y)
                slopes = torch.autograd.grad(loss, list(phi.values()), create_graph=True)
                phi = {name: p - INNER_LR * g for (name, p), g in zip(phi.items(), slopes, strict=True)}
            (torch.nn.functional.mse_loss(apply(phi, query.x), query.y) / N_TASKS).backward()
        return {name: p.grad for name, p in theta.items()}

    return gradient


def _higher(params: networks.Params, tasks: Task, inner_steps: int) -> Contender:
    """`higher`, as its own MAML example uses it."""
    higher, separate = require_higher(), list(each(tasks))
    linears = [torch.nn.Linear(n_in, n_out) for n_in, n_out in zip(SIZES[:-1], SIZES[1:], strict=True)]
    with torch.no_grad():
        for layer, linear in enumerate(linears):
            linear.weight.copy_(params[f"w{layer}"].T)
            linear.bias.copy_(params[f"b{layer}"])
    model = torch.nn.Sequential(linears[0], torch.nn.ReLU(), linears[1], torch.nn.ReLU(), linears[2])
    inner = torch.optim.SGD(model.parameters(), lr=INNER_LR)

    def gradient() -> Gradient:
        model.zero_grad()
        for support, query in separate:
            with higher.innerloop_ctx(model, inner, copy_initial_weights=False) as (functional, optimiser):
                for _ in range(inner_steps):
                    optimiser.step(torch.nn.functional.mse_loss(functional(support.x), support.y))
                (torch.nn.functional.mse_loss(functional(query.x), query.y) / N_TASKS).backward()
        weights = {f"w{layer}": linear.weight.grad.T for layer, linear in enumerate(linears)}
        return weights | {f"b{layer}": linear.bias.grad for layer, linear in enumerate(linears)}

    return gradient
