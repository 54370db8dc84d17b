"""The table of notebook 18: the same meta-gradient by every library that installs, and why the others do not.

Run it with `python -m mlcourse bench libraries`, where `pip install -e ".[libraries]"` was run before.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from mlcourse.experiments.bench import dialects
from mlcourse.experiments.bench.agreement import distance
from mlcourse.experiments.bench.sinusoid import (
    K_SHOT,
    N_QUERY,
    N_TASKS,
    draw,
    fast,
    measure,
    number_of,
    or_why_not,
    reference,
    rounded,
)
from mlcourse.experiments.bench.timing import as_command, require_rounds
from mlcourse.experiments.results import cpu_cores, provenance
from mlcourse.fast.arrays import tensors
from mlcourse.fast.threads import threads_of_torch

AGREEMENT = 1e-6  # largest relative difference from the NumPy reference, all in float64
MAKERS = {  # of each row the contender, and the package whose version it shows
    "this course, compiled": (partial(fast, mode="compile"), "torch"),
    "this course, recorded": (partial(fast, mode="trace"), "torch"),
    "plain torch.func": (dialects.torch_func, "torch"),
    "torch.func, in a loop over the tasks": (partial(dialects.torch_func, in_turn=True), "torch"),
    "JAX": (dialects.jax, "jax"),
    "TensorFlow": (dialects.tensorflow, "tensorflow-cpu"),
    "higher": (dialects.higher, "higher"),
    "TorchOpt": (dialects.torchopt, "torchopt"),
    "learn2learn's shape, by our adapter": (dialects.learn2learn, "torch"),
}
# Tried in November 2026, on Python 3.11 with this course's constraints.txt
DO_NOT_INSTALL = {
    "learn2learn": ("0.2.0", "its C files include longintrepr.h, which Python 3.11 moved"),
    "torchmeta": ("1.8.0", "it asks for torch older than 1.10, never made for Python 3.11"),
}


def libraries(
    *,
    inner_steps: Sequence[int] = (1, 5),
    repeats: int = 40,
    threads: int = 1,
    seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """How far each library's meta-gradient is from the reference, and how long it takes: a table of `results`.

    repeats: interleaved rounds; figures are medians over them, in milliseconds, and seconds of the first call.
    threads: of torch. say: told what goes on. A library that is not here keeps its row, which says so;
    RuntimeError for one whose gradient is another.
    """
    steps = require_rounds(inner_steps=inner_steps, repeats=repeats, threads=threads, seed=seed)
    started = time.perf_counter()
    with threads_of_torch(threads):
        off = {number: _off(number, seed, say) for number in steps}
        found = {
            number: measure(make_contenders(number, seed), number_of(number), repeats, say) for number in steps
        }
    command = as_command("libraries", inner_steps=steps, repeats=repeats, threads=threads, seed=seed)
    return {
        "name": "bench_libraries",
        "title": "One meta-gradient of MAML by every library that installs",
        **provenance(command, [seed], started),
        "protocol": _protocol(repeats, threads),
        "rows": _rows(off, found),
    }


def _protocol(repeats: int, threads: int) -> str:
    threads_used = f"{threads} torch thread{'s' if threads > 1 else ''} on {cpu_cores()} cores"
    reasons = "; ".join(f"{name}, since {why}" for name, (_, why) in DO_NOT_INSTALL.items())
    return (
        f"One second-order MAML meta-gradient: {N_TASKS} sinusoids, {K_SHOT} support and {N_QUERY} query examples "
        f"each, network {dialects.SIZES}. Off by: distance from the NumPy reference in float64, as a share of its "
        f"length. Times: float32, medians of {repeats} interleaved rounds, {threads_used}; JAX and TensorFlow "
        "take all cores. The first call is the one with most steps; it compiles where something is compiled, and "
        f"imports are not counted. Do not install: {reasons}."
    )


def make_contenders(inner_steps: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> dict[str, Any]:
    """The reference, and of each row the contender or why it cannot be measured here."""
    params, tasks = draw(seed)
    given = tensors((params, tasks), dtype=dtype)
    made = {name: or_why_not(maker, *given, inner_steps) for name, (maker, _) in MAKERS.items()}
    return {"reference": reference(params, tasks, inner_steps), **made}


def _off(inner_steps: int, seed: int, say: Callable[[str], None]) -> dict[str, float]:
    """How far each gradient is from the reference, in float64."""
    say(f"{number_of(inner_steps)}: comparing the gradients in float64")
    contenders = make_contenders(inner_steps, seed, torch.float64)
    true = contenders["reference"]()
    off = {name: distance(one(), true) for name, one in contenders.items() if callable(one)}
    if not max(off.values()) <= AGREEMENT:
        raise RuntimeError(f"the libraries do not compute the same gradient; relative differences: {off}")
    return off


def _rows(off: dict[int, dict[str, float]], found: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
    rows, most = [], max(found)
    for name, (_, package) in MAKERS.items():
        measured = {number: each_one[name] for number, each_one in found.items()}
        if isinstance(measured[most], str):
            rows.append({"method": name, "values": {"version": measured[most]}})
            continue
        values: dict[str, Any] = {"version": _version(package)}
        values["off by"] = f"{max(each_one[name] for each_one in off.values()):.0e}"
        values |= {f"{number_of(number)}, ms": rounded(1e3 * one["call"]) for number, one in measured.items()}
        values["first call, s"] = f"{measured[most]['first']:.1f}"  # a text: 0.005 s would stand as 0.00500
        rows.append({"method": name, "values": values})
    for name, (release, _) in DO_NOT_INSTALL.items():
        rows.append({"method": name, "values": {"version": f"{release} does not install"}})
    return rows


def _version(package: str) -> str:
    try:
        return f"{package} {version(package).partition('+')[0]}"
    except PackageNotFoundError:
        return "–"
