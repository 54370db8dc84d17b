"""Run a step as it is, or compiled: the same numbers to rounding, many times faster for small networks."""

import os
import shutil
import sys
from collections.abc import Callable

import torch

CAPTURES = ("auto", "eager", "compile")


def cpp_compiler() -> str | None:
    """The C++ compiler that `torch.compile` needs on a CPU, or None."""
    return next(
        (found for name in (os.environ.get("CXX"), "g++", "clang++") if name and (found := shutil.which(name))),
        None,
    )


def capture(step: Callable, mode: str = "auto", *, device: torch.device | str = "cpu") -> tuple[Callable, str]:
    """`step` made ready to run, and which way was taken ("eager" or "compile").

    mode: "eager", "compile", or "auto": compile where a compiler is at hand, else run eagerly and say so in
    one line. `step` must be pure: tensors in, tensors out, with every random draw made outside.
    """
    if mode not in CAPTURES:
        raise ValueError(f"capture is {mode!r}; choose one of {', '.join(CAPTURES)}")
    can_compile = torch.device(device).type != "cpu" or cpp_compiler() is not None
    if mode == "compile" and not can_compile:
        raise RuntimeError(
            'capture="compile" needs a C++ compiler (g++ or clang++), and none was found; use "auto"'
        )
    if mode == "auto" and not can_compile:
        # on stderr, so that a command's data on stdout stays data
        print("No C++ compiler found: running eagerly, with the same results, more slowly.", file=sys.stderr)
    if mode == "eager" or not can_compile:
        return step, "eager"
    return torch.compile(step, fullgraph=True, dynamic=False), "compile"
