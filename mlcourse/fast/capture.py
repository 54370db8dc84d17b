"""Run a step as it is, compiled, or recorded as a CUDA graph: the same numbers to rounding, much faster.

"compile" fuses the many small operations of a small network; on a convolutional network under `vmap` it can take
many minutes. "cuda-graph" records what a step asks of the GPU, once, and then sends the whole recording at a time:
nothing is fused, but the GPU no longer waits for Python.
"""

import os
import shutil
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch

from mlcourse.arguments import require_choice
from mlcourse.fast.arrays import leaves, tree_map

CAPTURES = ("auto", "eager", "compile", "cuda-graph")
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
    return "no C++ compiler (g++ or clang++) was found" if found is None else _try(found)


@lru_cache(maxsize=1)
def _try(compiler: str) -> str | None:
    """Why `torch.compile` cannot compile a small function, or None."""
    try:
        torch.compile(lambda x: 2 * x + 1, fullgraph=True)(torch.ones(8))
    except Exception as error:  # torch raises whatever its compiler raised
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        told = next((line for line in lines if "error:" in line), lines[0] if lines else type(error).__name__)
        return f"{compiler} cannot compile for torch: {told[:160]}"
    return None


def capture(
    step: Callable, mode: str = "auto", *, device: torch.device | str = "cpu", convolutional: bool = False
) -> tuple[Callable, str]:
    """`step` made ready to run, and which way was taken ("eager", "compile" or "cuda-graph").

    mode: one of those, or "auto": a CUDA graph on a GPU; on a CPU compiled where a compiler works, else eager,
    which one line says. A `convolutional` network runs eagerly on a CPU: compiling it takes minutes and
    gains little. `step` must be pure: tensors in, tensors out, always of the same shapes, with every random draw
    made outside.
    """
    require_choice("capture", mode, CAPTURES)
    if mode == "auto":
        mode = _best(torch.device(device).type, convolutional)
    if mode == "compile":
        if torch.device(device).type == "cpu" and (problem := compiler_works()):
            raise ValueError(f'capture="compile" needs a C++ compiler that works: {problem}; use "auto"')
        return torch.compile(step, fullgraph=True, dynamic=False), mode
    if mode == "cuda-graph":
        if torch.device(device).type != "cuda":
            raise ValueError(f'capture="cuda-graph" needs an NVIDIA GPU; on the device {device} use "auto"')
        return CudaGraph(step), mode
    return step, mode


def _best(device_type: str, convolutional: bool) -> str:
    if device_type == "cuda":
        return "cuda-graph"
    if convolutional:
        return "eager"
    if problem := compiler_works():
        # on stderr, so that a command's data on stdout stays data
        print(f"Running eagerly, with the same results, more slowly: {problem}.", file=sys.stderr)
        return "eager"
    return "compile"


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
            if place.shape != leaf.shape or place.dtype != leaf.dtype:
                raise ValueError(
                    f"the step was recorded for {place.dtype} of shape {tuple(place.shape)} and is now given "
                    f"{leaf.dtype} of shape {tuple(leaf.shape)}; capture it anew for other shapes"
                )
            place.detach().copy_(leaf.detach())
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
