"""One meta-gradient of Conv4 on images: ours beside the plain loop, `higher` and JAX, on a CPU or a GPU.

A contender that fails, disagrees or is not ready in time keeps its row, which says so; the others are measured.
"""

import gc
import shlex
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from mlcourse.arguments import require_choice, require_count, require_positive
from mlcourse.experiments.bench import conv4_contenders as contenders
from mlcourse.experiments.bench.agreement import distance
from mlcourse.experiments.bench.conv4_jax import NotHere
from mlcourse.experiments.bench.floor import meta_gradient_flop, peaks
from mlcourse.experiments.bench.timing import interleaved_medians, require_rounds, seconds, time_limit
from mlcourse.experiments.results import cpu_cores, provenance
from mlcourse.fast.arrays import resolved, tensors
from mlcourse.fast.threads import threads_of_torch

# The largest distance from the float64 gradient with which a contender is timed. Rounding moves some pixels over
# the kink of a ReLU, and that moves a second-order gradient far more than the rounding itself.
AGREEMENT = {"float32": 0.02, "TF32": 0.5, "bf16": 1.0}
BASE = "plain loop over tasks"
DEFAULTS = {"inner_steps": (1, 5), "n_tasks": 32, "n_way": 5, "k_shot": 1, "n_query": 15, "channels": 64}
DEFAULTS |= {"repeats": 5, "threads": 1, "seed": 0, "compile_seconds": 120.0}
GIVEN_UP = {"text": "not measured: the same was not ready in time at another precision"}
Say = Callable[[str], None]


def meta_gradient(
    *,
    device: str = "cpu",
    inner_steps: Sequence[int] = (1, 5),
    n_tasks: int = 32,
    n_way: int = 5,
    k_shot: int = 1,
    n_query: int = 15,
    channels: int = 64,
    repeats: int = 5,
    threads: int = 1,
    seed: int = 0,
    compile_seconds: float = 120.0,
    say: Say = lambda line: None,
) -> dict[str, Any]:
    """Time one second-order MAML meta-gradient of Conv4 in every way we know; returns a table of `results`.

    device: "cpu" or "cuda". n_query: per class. repeats: rounds; figures are medians over them, in milliseconds.
    threads: of torch on the CPU. compile_seconds: how long a contender may take until it is ready. say: told what
    goes on. Beside the table it gives the floor: the arithmetic at the speed of a matrix product on this device.
    """
    settings = {"n_tasks": n_tasks, "n_way": n_way, "k_shot": k_shot, "n_query": n_query, "channels": channels}
    for name, value in settings.items():
        require_count(name, value)
    require_count("n_way", n_way, least=2)
    require_positive("compile_seconds", compile_seconds)
    steps = require_rounds(inner_steps=inner_steps, repeats=repeats, threads=threads, seed=seed)
    require_choice("device", device, ("cpu", "cuda"))
    resolved(device)
    started, found = time.perf_counter(), {}
    with threads_of_torch(threads):
        for number in steps:
            say(f"{number_of(number)}: drawing the tasks, and the gradient in float64")
            work = contenders.draw(inner_steps=number, seed=seed, device=device, **settings)
            found[number] = survey(work, repeats, compile_seconds, say)
        fastest = peaks(device)
    flop = {number: meta_gradient_flop(inner_steps=number, **settings) for number in steps}
    asked = {**settings, "inner_steps": tuple(steps), "repeats": repeats, "threads": threads, "seed": seed}
    asked["compile_seconds"] = compile_seconds
    place = "" if device == "cpu" else ", GPU"
    return {
        "name": "bench_meta_gradient_conv4" + ("" if device == "cpu" else "_cuda"),
        "title": f"Time of one meta-gradient: Conv4-{channels}, {n_way}-way {k_shot}-shot, {n_tasks} tasks{place}",
        **provenance(command(device, asked), [seed], started, device=device),
        "protocol": protocol(asked, device) + " " + floor(found, flop, fastest),
        "details": {"flop": flop_rows(flop), "peaks": fastest, "contenders": details(found)},
        "rows": rows(found),
    }


def number_of(steps: int) -> str:
    return f"{steps} step{'s' if steps > 1 else ''}"


def command(device: str, asked: dict[str, Any]) -> str:
    """The command line that makes the table again: only what is not the default."""
    words = ["python", "-m", "mlcourse", "bench", "meta-gradient", "--model", "conv4", "--device", device]
    for name, value in asked.items():
        if value != DEFAULTS[name]:
            for one in value if isinstance(value, tuple) else (value,):
                words += ["--" + name.replace("_", "-"), f"{one:g}" if isinstance(one, float) else str(one)]
    return shlex.join(words)


# --- measuring ---------------------------------------------------------------------------------------------


def survey(work: contenders.Work, repeats: int, limit: float, say: Say) -> dict[str, dict[str, Any]]:
    """What is known of every contender: "seconds", "first call", "distance", or why not ("text").

    On a CPU all take turns. On a GPU each is made, measured and let go by itself: together they would not fit.
    """
    exact = contenders.plain_loop(work)()
    device, single = work.device, tensors((work.params, work.tasks), dtype=torch.float32)
    work = work._replace(params=single[0], tasks=single[1])
    waiting = contenders.recipes(device.type)
    groups = [waiting] if device.type == "cpu" else [{name: recipe} for name, recipe in waiting.items()]
    found = {}
    for group in groups:
        ready = {}
        for name, recipe in group.items():
            waste = hopeless(name, found)
            found[name], made = (GIVEN_UP, None) if waste else prepare(recipe, work, exact, limit)
            ready |= {name: made} if made else {}
            say(f"  {name}: {found[name].get('text') or in_words(found[name])}")
        for name, median in interleaved_medians(ready, repeats, device).items():
            found[name]["seconds"] = median
        ready, made = {}, None
        free(device)
    return found


def hopeless(name: str, found: dict[str, dict[str, Any]]) -> bool:
    """Whether compiling took too long before, at another precision: it would again."""
    before = (one.get("text", "") for other, one in found.items() if "compiled" in other)
    return "compiled" in name and any("not ready" in text for text in before)


def prepare(recipe: contenders.Recipe, work: contenders.Work, exact: Any, limit: float) -> tuple[dict, Any]:
    """Build a contender and call it once: what was found, and the contender if it may be timed."""
    try:
        with time_limit(limit):
            made, result = contenders.build(recipe, work), {}
            taken = seconds(lambda: result.update(made()), 1, work.device)
        apart = distance(result, exact)
    except (NotHere, ModuleNotFoundError, TimeoutError) as error:
        return {"text": f"not measured: {error}"}, None
    except Exception as error:  # whatever it was, the others are still to be measured, and the row says it
        reason = (str(error).strip().splitlines() or ["no reason given"])[0]
        return {"text": f"failed: {type(error).__name__}: {reason[:100]}"}, None
    what = {"first call": taken, "distance": apart}
    if not apart <= AGREEMENT[recipe.precision]:  # a NaN too
        return {"text": f"failed: its gradient is {apart:.2g} from the true one"}, None
    return what, made


def in_words(found: dict[str, Any]) -> str:
    return f"first call {found['first call']:.1f} s, {found['distance']:.0e} from the float64 gradient"


def free(device: torch.device) -> None:
    """Give back what contenders held that are gone."""
    gc.collect()
    torch.compiler.reset()
    if device.type == "cuda":
        torch.cuda.empty_cache()


# --- the table ---------------------------------------------------------------------------------------------


def rows(found: dict[int, dict[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """A row for each contender: milliseconds, and how many times faster than the plain loop; or why not."""
    table = []
    for name in next(iter(found.values())):
        values = {}
        for number, contenders_found in found.items():
            one, base = contenders_found[name], contenders_found[BASE].get("seconds")
            timed = "seconds" in one
            values[f"{number_of(number)}, ms"] = rounded(1e3 * one["seconds"]) if timed else one["text"]
            if timed and base:
                values[f"{number_of(number)}, times as fast as the plain loop"] = rounded(base / one["seconds"])
            if timed:
                values[f"{number_of(number)}, off by"] = f"{one['distance']:.0e}"
        table.append({"method": name, "values": values})
    return table


def rounded(number: float) -> float:
    return float(f"{number:.3g}")


def details(found: dict[int, dict[str, dict[str, Any]]]) -> dict[str, Any]:
    """Seconds of a call and of the first one (compilation included), distances from the float64 gradient."""
    return {
        number_of(number): {
            name: {key: value if isinstance(value, str) else rounded(value) for key, value in one.items()}
            for name, one in every.items()
        }
        for number, every in found.items()
    }


def flop_rows(flop: dict[int, int]) -> dict[str, int]:
    return {number_of(number): amount for number, amount in flop.items()}


def protocol(asked: dict[str, Any], device: str) -> str:
    """How it was measured, in sentences."""
    rounds = f"Medians of {asked['repeats']} rounds after the first call"
    if device == "cpu":
        rounds += f", all in turn, {asked['threads']} torch thread{'s' if asked['threads'] > 1 else ''} on "
        rounds += f"{cpu_cores()} cores (JAX takes all cores)"
    else:
        rounds += ", each by itself"
    return (
        f"One second-order MAML meta-gradient of Conv4-{asked['channels']}, same weights and tasks for all: "
        f"{asked['n_tasks']} tasks of letters, {asked['n_way']}-way {asked['k_shot']}-shot, {asked['n_query']} "
        f"query images a class; inner_lr {contenders.INNER_LR}; float32 unless the row says otherwise. {rounds}; "
        f'compilation is not in them. "Off by" is the distance from the float64 gradient, relative to its '
        f"length; nobody was timed beyond {AGREEMENT['float32']:g} (TF32 {AGREEMENT['TF32']:g}, bf16 "
        f"{AGREEMENT['bf16']:g})."
    )


def floor(found: dict[int, dict], flop: dict[int, int], fastest: dict[str, float]) -> str:
    """The least that the arithmetic takes at the speed of a matrix product, and how far from it ours is."""
    speeds = ", ".join(f"{name} {speed / 1e12:.3g} TFLOP/s" for name, speed in fastest.items())
    parts = []
    for number, amount in flop.items():
        least = amount / fastest["float32"]
        ours = [(f["seconds"], n) for n, f in found[number].items() if n.startswith("fast") and "seconds" in f]
        exact = [pair for pair in ours if not pair[1].endswith(("TF32", "bf16"))]
        times = f", {min(exact)[0] / least:.2g} times that for our quickest in float32" if exact else ""
        parts.append(f"{number_of(number)}: {amount / 1e9:.3g} GFLOP, at least {1e3 * least:.3g} ms{times}")
    return f"The floor is the arithmetic at the speed of a matrix product here ({speeds}). {'; '.join(parts)}."
