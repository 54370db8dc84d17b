"""Run a step as it is, compiled, or recorded as a CUDA graph: the same numbers to rounding, much faster.

"compile" fuses the many small operations of a small network; on a convolutional network under `vmap` it can take
many minutes. "cuda-graph" records what a step asks of the GPU, once, and then sends the whole recording at a time:
nothing is fused, but the GPU no longer waits for Python.
"""

import os
import shutil
import sys
from collections.abc import Callable
from typing import Any

import torch

from mlcourse.fast.arrays import leaves, tree_map

CAPTURES = ("auto", "eager", "compile", "cuda-graph")
WARM_UP = 3  # calls before recording: libraries choose their algorithms and take their memory in the first ones


def cpp_compiler() -> str | None:
    """The C++ compiler that `torch.compile` needs on a CPU, or None."""
    return next(
        (found for name in (os.environ.get("CXX"), "g++", "clang++") if name and (found := shutil.which(name))),
        None,
    )


def capture(
    step: Callable, mode: str = "auto", *, device: torch.device | str = "cpu", convolutional: bool = False
) -> tuple[Callable, str]:
    """`step` made ready to run, and which way was taken ("eager", "compile" or "cuda-graph").

    mode: one of those, or "auto": a CUDA graph on a GPU; on a CPU compiled where a compiler is at hand, else
    eager, which one line says. A `convolutional` network runs eagerly on a CPU: compiling it takes minutes and
    gains little. `step` must be pure: tensors in, tensors out, always of the same shapes, with every random draw
    made outside.
    """
    if mode not in CAPTURES:
        raise ValueError(f"capture is {mode!r}; choose one of {', '.join(CAPTURES)}")
    if mode == "auto":
        mode = _best(torch.device(device).type, convolutional)
    if mode == "compile":
        if torch.device(device).type == "cpu" and cpp_compiler() is None:
            raise RuntimeError(
                'capture="compile" needs a C++ compiler (g++ or clang++), and none was found; use "auto"'
            )
        return torch.compile(step, fullgraph=True, dynamic=False), mode
    if mode == "cuda-graph":
        if torch.device(device).type != "cuda":
            raise RuntimeError(f'capture="cuda-graph" needs an NVIDIA GPU; on the device {device} use "auto"')
        return CudaGraph(step), mode
    return step, mode


def _best(device_type: str, convolutional: bool) -> str:
    if device_type == "cuda":
        return "cuda-graph"
    if convolutional:
        return "eager"
    if cpp_compiler() is None:
        # on stderr, so that a command's data on stdout stays data
        print("No C++ compiler found: running eagerly, with the same results, more slowly.", file=sys.stderr)
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
            place.copy_(leaf)
        self.graph.replay()
        return tree_map(torch.clone, self.results)  # the next call writes over the results

    def _record(self, arguments: Any) -> None:
        self.arguments = tree_map(torch.clone, arguments)
        aside = torch.cuda.Stream()  # as torch.cuda.graph asks: what warms up must not run in the default stream
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                self.step(*self.arguments)
        torch.cuda.current_stream().wait_stream(aside)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.results = self.step(*self.arguments)
