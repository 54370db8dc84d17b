"""Run a step as it is, recorded, compiled, or as a CUDA graph: the same numbers, faster.

"trace" writes down what a step asks of torch, in a second or two, and replays the list (`fast/record.py`): the
same bits, three times as fast for a small network. "compile" makes a program of that list, by a C++ compiler:
ten times as fast, equal to rounding, ready in 8 to 15 s; for a convolutional network it can take many minutes.
"cuda-graph" records what a step asks of the GPU, once, and then sends the whole recording at a time: nothing is
fused, but the GPU no longer waits for Python.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch

from mlcourse.arguments import require_choice
from mlcourse.fast.arrays import leaves, tree_map
from mlcourse.fast.record import COMPILER, WAY_OUT, Recorded, as_recorded, in_one_line

CAPTURES = ("auto", "eager", "trace", "compile", "cuda-graph")
NO_COMPILER = "no C++ compiler (g++ or clang++) was found"
SAME = (1e-3, 1e-5)  # relative, absolute: rounding is far below, what a recording got wrong far above
WARM_UP = 3  # calls before recording: libraries choose their algorithms and take their memory in the first ones


def cpp_compiler() -> str | None:
    """The C++ compiler that `torch.compile` needs on a CPU, or None."""
    return next(
        (found for name in (os.environ.get("CXX"), "g++", "clang++") if name and (found := shutil.which(name))),
        None,
    )


def compiler_works() -> str | None:
    """None when `torch.compile` can compile on this CPU, else why not, in one line.

    It tries, once a process: a compiler on the path may still lack Python's headers, or a library.
    """
    found = cpp_compiler()
    return NO_COMPILER if found is None else _try(found)


@lru_cache(maxsize=1)
def _try(compiler: str) -> str | None:
    """Why `torch.compile` cannot compile a small function, or None."""
    try:
        torch.compile(lambda x: 2 * x + 1, fullgraph=True, options=COMPILER)(torch.ones(8))
    except Exception as error:  # torch raises whatever its compiler raised
        return f"{compiler} cannot compile for torch: {in_one_line(error)}"
    return None


def require_capture(mode: str, device: torch.device | str = "cpu") -> None:
    """Refuse a mode that there is not, or not on this device."""
    require_choice("capture", mode, CAPTURES)
    on_cpu = torch.device(device).type == "cpu"
    if mode == "compile" and on_cpu and cpp_compiler() is None:
        raise ValueError(f'capture="compile" needs a C++ compiler that works: {NO_COMPILER}; use "auto"')
    if mode == "cuda-graph" and on_cpu:
        raise ValueError(f'capture="cuda-graph" needs an NVIDIA GPU; on the device {device} use "auto"')
    if mode == "trace" and not on_cpu:
        raise ValueError(f'capture="trace" is for a CPU; on the device {device} use "cuda-graph"')


def capture(
    step: Callable,
    mode: str = "auto",
    *,
    device: torch.device | str = "cpu",
    trials: tuple[tuple, tuple] | None = None,
    calls: int = 0,
    say: Callable[[str], None] = lambda doing: None,
) -> tuple[Callable, str]:
    """`step` made ready to run, and which way was taken ("eager", "trace", "compile" or "cuda-graph").

    mode: one of those, or "auto": a CUDA graph on a GPU; on a CPU what takes the least time for so many `calls`
    (`weighed`), for which it tries the step on `trials`; without them it is eager. trials: arguments for two
    calls, which differ in everything that changes from call to call; with them, what was recorded is held to the
    step itself. say: told what takes a while, "recording" or "compiling".

    `step` must be pure: tensors in, tensors out, always of the same shapes, with every random draw made outside.
    Raises ValueError for a mode that is not possible here, and for a step that cannot be recorded or compiled.
    """
    require_capture(mode, device)
    if mode == "auto":
        if torch.device(device).type == "cuda":
            mode = "cuda-graph"
        else:
            return weighed(step, trials, calls, say) if trials else (step, "eager")
    if mode == "eager":
        return step, mode
    if trials:
        step(*trials[1])  # what is wrong with a loss is told in its own words, not in the recorder's
    if mode == "cuda-graph":
        return CudaGraph(step), mode
    if mode == "compile" and torch.device(device).type == "cuda":
        return torch.compile(step, fullgraph=True, dynamic=False), mode
    recorded = Recorded(step, compiled=mode == "compile")
    if trials:
        _record(recorded, trials, say)
        if mode == "compile":
            say("compiling")
            recorded.compile(trials[0])
    return recorded, mode


def _record(recorded: Recorded, trials: tuple[tuple, tuple], say: Callable[[str], None]) -> float:
    """Seconds that recording took; ValueError when the recording does not do what the step does."""
    say("recording")
    started = time.perf_counter()
    recorded.record(trials[0])
    taken = time.perf_counter() - started
    require_same(recorded, recorded.step, trials[1])
    return taken


def require_same(recorded: Recorded, step: Callable, arguments: tuple) -> None:
    """Refuse a recording that gives other numbers than the step itself, by more than rounding."""
    for ours, theirs in zip(leaves(recorded(*arguments)), leaves(step(*arguments)), strict=True):
        if not torch.allclose(ours, theirs, *SAME, equal_nan=True):
            raise ValueError(
                "the step cannot be recorded: on other tasks the recording gives other numbers. Does it read a "
                f"tensor with NumPy, or count its calls? {WAY_OUT}"
            )


# --- what pays ---------------------------------------------------------------------------------------------

# Measured on a two-core AMD EPYC, for networks from a small MLP to Conv4; only to choose by. A recording takes as
# long as some hundred eager calls, and a recorded call half of an eager one or less: so many calls pay for it.
LEAST = 200
COMPILING = (6.0, 8.0)  # seconds, and recordings, that compiling takes ...
COMPILED = 0.4  # ... and a compiled call this share of a recorded one


def weighed(step: Callable, trials: tuple[tuple, tuple], calls: int, say: Callable) -> tuple[Callable, str]:
    """The way whose total is the least for so many calls, and its name; says so in one line where one fails.

    A short run stays eager: a recording would not pay itself back. A longer one is recorded, and from the times of
    the recording it is known whether compiling pays, too.
    """
    if calls < LEAST:
        return step, "eager"
    eager = seconds(step, trials[1])
    recorded = Recorded(step)
    try:
        recording = _record(recorded, trials, say)
    except ValueError as error:
        _instead("eagerly", error)
        return step, "eager"
    call = seconds(recorded, trials[1])
    if call > eager:
        return step, "eager"
    if not compiling_pays(recording, call, calls):
        return recorded, "trace"
    try:
        require_capture("compile")
        say("compiling")
        recorded.compile(trials[0])
    except ValueError as error:
        _instead("as recorded", error)
        return recorded, "trace"
    return recorded, "compile"


def compiling_pays(recording: float, call: float, calls: int) -> bool:
    """Whether compiling saves more than it takes. recording, call: seconds to record, and of a recorded call."""
    return calls * (1 - COMPILED) * call > COMPILING[0] + COMPILING[1] * recording


def seconds(step: Callable, arguments: tuple) -> float:
    """Seconds of one call: the shortest of three, since whatever else the machine does only adds to them."""
    taken = []
    for _ in range(3):
        started = time.perf_counter()
        step(*arguments)
        taken.append(time.perf_counter() - started)
    return min(taken)


def _instead(way: str, error: ValueError) -> None:
    # on stderr, so that a command's data on stdout stays data
    print(f"Running {way}, with the same results, more slowly: {error}.", file=sys.stderr)


class CudaGraph:
    """A step that is recorded at the first call and played back at every other.

    The recording reads and writes fixed places in memory: arguments are copied there, results copied out.
    """

    def __init__(self, step: Callable):
        self.step = step
        self.graph: torch.cuda.CUDAGraph | None = None
        self.arguments: Any = None
        self.results: Any = None

    def __call__(self, *arguments: Any) -> Any:
        if self.graph is None:
            self._record(arguments)
        for place, leaf in zip(leaves(self.arguments), leaves(arguments), strict=True):
            place.detach().copy_(as_recorded(place, leaf).detach())
        self.graph.replay()
        return tree_map(torch.clone, self.results)  # the next call writes over the results

    def _record(self, arguments: Any) -> None:
        # with their flags: a step may ask which parameters are frozen
        self.arguments = tree_map(lambda leaf: leaf.detach().clone().requires_grad_(leaf.requires_grad), arguments)
        aside = torch.cuda.Stream()  # as torch.cuda.graph asks: what warms up must not run in the default stream
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                self.step(*self.arguments)
        torch.cuda.current_stream().wait_stream(aside)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.results = self.step(*self.arguments)
