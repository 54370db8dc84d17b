"""Inner learning rates, in every form that `inner_lr` may have, made one: each step's names with their rates.

    0.01                                a number: every parameter adapts, at this rate
    {"w2": 0.1, "b2": 0.1}              a dict: only its names adapt (ANIL: Raghu et al. 2020); numbers or arrays
    [{"w2": 0.1}, {"w2": 0.02}]         a list: one of these for each inner step (MAML++: Antoniou et al. 2019)
    rates(params)                       a function that gives one of these from the meta-parameters: what it reads
                                        off them is learned with them (Meta-SGD: Li et al. 2017)

Nothing here computes, so both twins use it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlcourse.arguments import Array, is_real, require_count, require_library, require_params, require_rate

Rate = float | Array
OneStep = Rate | Mapping[str, Rate]
InnerRate = OneStep | Sequence[OneStep] | Callable[[Mapping[str, Array]], Any]

PREFIX = "rate."  # under "rate.w0" a learned rate of w0 travels with the parameters


def learned(params: Mapping[str, Array]) -> dict[str, Array]:
    """As `inner_lr`: the rates that travel with the parameters. Only what has one adapts."""
    found = {name.removeprefix(PREFIX): rate for name, rate in params.items() if name.startswith(PREFIX)}
    if not found:
        some = next(iter(params))
        raise ValueError(f"params has no learned rate, only {', '.join(params)}; give some, as {PREFIX}{some}")
    return found


def each_step(params: Mapping[str, Array], inner_lr: InnerRate, inner_steps: int) -> list[dict[str, Rate]]:
    """For each of `inner_steps` steps the names that adapt, with their rates; of a longer list the first ones."""
    if callable(inner_lr):
        inner_lr = inner_lr(params)
    steps = list(inner_lr[:inner_steps]) if isinstance(inner_lr, list | tuple) else [inner_lr] * inner_steps
    return [dict(step) if isinstance(step, Mapping) else dict.fromkeys(params, step) for step in steps]


def require_inner(library: str, params: Any, inner_lr: InnerRate, inner_steps: int) -> None:
    """Refuse parameters, inner rates or a number of inner steps with which nothing can adapt.

    library: "numpy" or "torch".
    """
    require_params("params", params, library)
    require_count("inner_steps", inner_steps, least=0)
    name = "inner_lr"
    if callable(inner_lr):
        name, inner_lr = "inner_lr(params)", inner_lr(params)
    if not isinstance(inner_lr, list | tuple):
        _require_one_step(name, library, params, inner_lr)
        return
    if len(inner_lr) < max(inner_steps, 1):
        raise ValueError(
            f"{name} has rates for {len(inner_lr)} inner steps, inner_steps is {inner_steps}; give one for each"
        )
    for number, step in enumerate(inner_lr):
        _require_one_step(f"{name}[{number}]", library, params, step)


def _require_one_step(name: str, library: str, params: Mapping[str, Array], step: Any) -> None:
    """A number, or for some of the parameters a number or an array of the parameter's own shape."""
    if not isinstance(step, Mapping):
        require_rate(name, step)
        return
    if not step:
        raise ValueError(f"{name} is an empty dict, so nothing adapts; name a parameter, or take inner_steps=0")
    for key, rate in step.items():
        if key not in params:
            raise ValueError(f"{name} has {key!r}, which params has not; its names are {', '.join(params)}")
        theirs, shape = tuple(getattr(rate, "shape", ())), tuple(getattr(params[key], "shape", ()))
        if theirs == ():
            require_rate(f"{name}[{key!r}]", rate)
            continue
        require_library(f"{name}[{key!r}]", rate, library)
        if theirs != shape or not is_real(rate):  # broadcasting would change the parameter's shape
            raise ValueError(
                f"{name}[{key!r}] has shape {theirs} and dtype {getattr(rate, 'dtype', '?')}; give a number, or "
                f"real numbers of the shape {shape} of params[{key!r}]"
            )
