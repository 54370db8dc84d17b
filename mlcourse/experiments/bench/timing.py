"""Medians of many calls: contenders take turns, so that whatever else the machine does falls on all alike."""

import gc
import shlex
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch

from mlcourse.arguments import require_count
from mlcourse.experiments.results import cpu_cores

LONG = 0.5  # seconds; after so long a call no cache remembers who ran before, so it needs no call to warm up


def require_rounds(*, inner_steps: Sequence[int], repeats: int, threads: int, seed: int) -> list[int]:
    """The numbers of inner steps, when all that every bench is asked for can be done; else a ValueError."""
    require_count("repeats", repeats)
    require_count("seed", seed, least=0)
    if require_count("threads", threads) > (cores := cpu_cores()):
        raise ValueError(f"threads is {threads}; this machine has {cores} core{'s' * (cores > 1)}")
    steps = [require_count("inner_steps", number) for number in inner_steps]
    if not steps or len(set(steps)) < len(steps):
        raise ValueError(f"inner_steps is {steps}; give one number or more, each once")
    return steps


def as_command(name: str, *, inner_steps: list[int], repeats: int, threads: int, seed: int) -> str:
    """The command `bench NAME` that does the same again: what is not its default is named."""
    words = ["python", "-m", "mlcourse", "bench", name]
    words += [word for number in inner_steps for word in ("--inner-steps", str(number))] * (inner_steps != [1, 5])
    for flag, value, default in (("repeats", repeats, 40), ("threads", threads, 1), ("seed", seed, 0)):
        words += [f"--{flag}", str(value)] * (value != default)
    return shlex.join(words)


def synchronise(device: torch.device | str) -> None:
    """Wait until the device has done what it was asked: a GPU works on after Python was told that all is well."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def interleaved_medians(
    contenders: dict[str, Callable], repeats: int, device: torch.device | str = "cpu"
) -> dict[str, float]:
    """Median seconds of one call of each contender. Those that are quick run several times in a round."""
    alone, calls = {}, {}
    for name, contender in contenders.items():
        contender()
        alone[name] = seconds(contender, 1, device)
        brief = alone[name] if alone[name] > LONG else seconds(contender, 3, device)
        calls[name] = int(np.clip(0.02 / brief, 1, 50))
    times: dict[str, list[float]] = {name: [] for name in contenders}
    gc.collect()
    gc.freeze()  # what is there now need not be looked at again
    gc.disable()  # a collection would fall on the one that runs just then
    try:
        for _ in range(repeats):
            for name, contender in contenders.items():
                if alone[name] <= LONG:
                    contender()  # the caches hold another contender's numbers
                times[name].append(seconds(contender, calls[name], device))
            gc.collect()
    finally:
        gc.enable()
        gc.unfreeze()
    return {name: float(np.median(taken)) for name, taken in times.items()}


def seconds(contender: Callable, calls: int = 1, device: torch.device | str = "cpu") -> float:
    """Seconds of one call, a mean over `calls` in a row."""
    synchronise(device)
    started = time.perf_counter()
    for _ in range(calls):
        contender()
    synchronise(device)
    return (time.perf_counter() - started) / calls


@contextmanager
def time_limit(limit: float) -> Iterator[None]:
    """Raise TimeoutError in what runs inside after `limit` seconds (in the main thread of a Unix system only).

    Again every second until it gets through: where Python happens to be in a destructor or a callback the first is
    ignored. A compiler may dress it up as an error of its own; from here it comes out as what it is.
    """
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return

    too_late, late = TimeoutError(f"not ready after {limit:g} s"), False

    def stop(*_: object) -> None:
        nonlocal late
        late = True
        raise too_late

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit, 1.0)
    try:
        yield
    except Exception as error:
        if late and error is not too_late:
            raise too_late from error
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
