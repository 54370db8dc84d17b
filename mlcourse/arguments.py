"""What functions ask of their arguments, said once: both twins refuse the same faults in the same words.

Nothing here computes. An array may be NumPy's or torch's; neither library's twin is imported. Whatever is refused
is a ValueError that names the argument, what it is, and the fix.
"""

import difflib
import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

Array = Any


# --- single values -----------------------------------------------------------------------------------------


def require_count(name: str, value: int, least: int = 1) -> int:
    """Return `value`, or refuse what is not a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name} is {value!r}; give a whole number of at least {least}")
    return int(value)


def require_rate(name: str, value: Any) -> None:
    """Refuse a rate that is no finite number. A tensor without axes, which may be computed, is taken as it is."""
    if hasattr(value, "shape") and not isinstance(value, np.number):
        # broadcasting would change the parameters' shapes, and torch does not multiply by NumPy's arrays
        if tuple(value.shape) != () or isinstance(value, np.ndarray):
            raise ValueError(f"{name} is {_in_short(value)}; give one number")
        return
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}; give a finite number")


def require_positive(name: str, value: Any) -> None:
    """Refuse what is no finite number above zero: a length, a time."""
    require_rate(name, value)
    if not value > 0:
        raise ValueError(f"{name} is {value!r}; give a number above zero")


def require_rng(name: str, rng: Any) -> None:
    """Refuse whatever is not a NumPy generator, above all a bare seed."""
    if not isinstance(rng, np.random.Generator):
        seed = rng if isinstance(rng, int) and not isinstance(rng, bool) and rng >= 0 else 0
        raise ValueError(f"{name} is {rng!r}; give a NumPy generator, for example np.random.default_rng({seed})")


def require_choice(name: str, value: Any, choices: Iterable[str]) -> None:
    """Refuse what is none of `choices`; the nearest of them is suggested."""
    choices = list(choices)
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; choose one of {', '.join(choices)}{nearest(value, choices)}")


def nearest(value: Any, choices: Sequence[str]) -> str:
    """What `value` probably should have been, as the end of a message: ' (did you mean "maml"?)', or nothing."""
    close = difflib.get_close_matches(str(value), choices, n=1, cutoff=0.75)
    return f' (did you mean "{close[0]}"?)' if close else ""


def require_seed(name: str, value: int) -> int:
    """Return a seed that NumPy's and torch's generators both take, or refuse it."""
    if require_count(name, value, least=0) >= 2**64:
        raise ValueError(f"{name} is {value}; torch's generators take whole numbers below 2**64")
    return int(value)


def require_as_many(tasks: Any, n_tasks: int) -> None:
    """Refuse another number of tasks than a family was asked for."""
    given = len(tasks[0][0])
    if given != n_tasks:
        raise ValueError(f"the family gave {given} tasks when asked for {n_tasks}; give as many")


def one_number(loss: Callable) -> Callable:
    """`loss(params, ...)` that is refused when it is not one real number."""

    def checked(params: Mapping[str, Array], *rest: Any) -> Any:
        out = loss(params, *rest) if len(rest) != 3 else with_mask(loss, params, *rest[:2], mask=rest[2])
        shape = getattr(out, "shape", None)
        if shape is None or tuple(shape) != () or not is_real(out):
            raise ValueError(f"the loss is {_in_short(out)}; give one real number, such as a mean over examples")
        return out

    return checked


def with_mask(function: Callable, *arguments: Any, mask: Array | None) -> Any:
    """`function(*arguments, mask)`, refused when it takes no mask; without a mask `function(*arguments)`."""
    if mask is None:
        return function(*arguments)
    try:
        return function(*arguments, mask)
    except TypeError as error:
        if _takes(function, *arguments, mask):
            raise
        name = getattr(function, "__name__", type(function).__name__)
        raise ValueError(
            f"{name}{inspect.signature(function)} takes no mask, and these examples are ragged; give it one more "
            "argument, mask=None: true where an example is real, and leave the others out of its mean"
        ) from error


def _takes(function: Callable, *arguments: Any) -> bool:
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        return False
    return True


# --- arrays ------------------------------------------------------------------------------------------------


def require_params(name: str, params: Any, library: str) -> None:
    """Refuse parameters that are no dict of real arrays in one precision, or are the other library's.

    library: "numpy" or "torch".
    """
    if not isinstance(params, Mapping) or not params:
        raise ValueError(f"{name} is {_in_short(params)}; give a dict of arrays, as a network's init(rng) does")
    for key, p in params.items():
        if library == "torch" or hasattr(p, "detach"):  # a plain number will do for NumPy
            require_library(f"{name}[{key!r}]", p, library)
        if not is_real(p):
            convert = ".double()" if library == "torch" else ".astype(float)"
            raise ValueError(f"{name}[{key!r}] is {_in_short(p)}; parameters are real numbers: use {convert}")
    precisions = [p.dtype for p in params.values() if hasattr(p, "dtype")]
    for other in precisions:
        if other != precisions[0]:
            raise ValueError(f"{name} mixes {precisions[0]} and {other}; give all in one precision")


def is_real(array: Any) -> bool:
    """Whether an array, or a plain number, holds real numbers; what `reference.autograd` follows always does."""
    if hasattr(array, "is_floating_point"):
        return array.is_floating_point()
    return hasattr(array, "edges") or np.issubdtype(getattr(array, "dtype", type(array)), np.floating)


def require_library(name: str, array: Any, library: str) -> None:
    """Refuse what is no array, or one of the other library ("numpy", "torch"; with "either" both will do)."""
    is_tensor = hasattr(array, "detach")
    if not is_tensor and not hasattr(array, "shape"):
        raise ValueError(f"{name} is {_in_short(array)}; give an array")
    if library == "torch" and not is_tensor:
        raise ValueError(
            f"{name} is {_in_short(array)}; mlcourse.fast takes torch's: mlcourse.fast.arrays.tensors(...)"
        )
    if library == "numpy" and is_tensor:
        raise ValueError(
            f"{name} is {_in_short(array)}; mlcourse.reference takes NumPy's: mlcourse.fast.arrays.arrays(...)"
        )


def require_examples(name: str, examples: Any, library: str, *, batch: bool = False) -> None:
    """Refuse examples whose x and y do not belong together; with `batch` both have the task axis in front.

    Ragged examples have a mask, too. Where that is NumPy's, every task must have a real example (`require_real`).
    """
    if not isinstance(examples, tuple) or len(examples) not in (2, 3):
        raise ValueError(f"{name} is {_in_short(examples)}; give Examples(x, y)")
    for part, array in zip("xy", examples[:2], strict=True):
        require_library(f"{name}.{part}", array, library)
        if array.ndim < 1 + batch:
            axes = "(tasks, examples, ...)" if batch else "(examples, ...)"
            raise ValueError(f"{name}.{part} is {_in_short(array)}; give an array {axes}")
    (x, y, *mask), axes = examples, 1 + batch
    if tuple(x.shape[:axes]) != tuple(y.shape[:axes]):
        raise ValueError(
            f"{name}.x has shape {tuple(x.shape)} and {name}.y {tuple(y.shape)}; give one y for each x"
            f"{', task by task' if batch else ''}"
        )
    if 0 in x.shape[:axes]:
        raise ValueError(f"{name}.x has shape {tuple(x.shape)}; give at least one {'task and ' * batch}example")
    if mask:
        require_mask(f"{name}.mask", *mask, tuple(x.shape[:axes]), library)


def require_mask(name: str, mask: Any, shape: tuple[int, ...], library: str) -> None:
    """Refuse what does not say of each example whether it is real; of NumPy's also what `require_real` does."""
    require_library(name, mask, library)
    if "bool" not in str(mask.dtype) or tuple(mask.shape) != shape:
        raise ValueError(f"{name} is {_in_short(mask)}; give true or false for each example, shape {shape}")
    if isinstance(mask, np.ndarray):
        require_real(name, mask)


def require_real(name: str, mask: Array) -> None:
    """Refuse the mask of a task without a real example. For a tensor on a GPU this waits for the GPU."""
    found = np.asarray(mask.detach().cpu() if hasattr(mask, "detach") else mask)
    if not found.any(axis=-1).all():
        where = f" for task {np.argwhere(~found.any(axis=-1))[0, 0]}" if found.ndim == 2 else ""
        raise ValueError(f"{name} is false everywhere{where}; give each task at least one real example")


def require_task(name: str, task: Any, library: str) -> None:
    """Refuse one task whose arrays do not belong together."""
    if not isinstance(task, tuple) or len(task) != 2:
        raise ValueError(f"{name} is {_in_short(task)}; give Task(support, query), each Examples(x, y)")
    for part, examples in zip(("support", "query"), task, strict=True):
        require_examples(f"{name}.{part}", examples, library)


def require_tasks(name: str, tasks: Any, library: str) -> None:
    """Refuse a batch of tasks whose four arrays do not belong together."""
    if not isinstance(tasks, tuple) or len(tasks) != 2:
        raise ValueError(f"{name} is {_in_short(tasks)}; give Task(support, query), each Examples(x, y)")
    for part, examples in zip(("support", "query"), tasks, strict=True):
        require_examples(f"{name}.{part}", examples, library, batch=True)
    ours, theirs = (len(examples[0]) for examples in tasks)
    if ours != theirs:
        raise ValueError(f"{name} has support sets of {ours} tasks and query sets of {theirs}; give both of each")


def require_labels(
    name: str, labels: Array, n_way: int, *, all_present: bool = False, mask: Array | None = None
) -> None:
    """Refuse labels outside 0 ... n_way - 1; with `all_present` also a task (row) in which a class has no example.

    labels (S,), or for a batch of tasks (T, S); where a `mask` is false they may be anything. For a tensor on a
    GPU this waits for the GPU.
    """
    require_count("n_way", n_way)
    found, real = (np.asarray(a.detach().cpu() if hasattr(a, "detach") else a) for a in (labels, mask))
    if not np.issubdtype(found.dtype, np.integer):
        raise ValueError(
            f"{name} has shape {found.shape} and dtype {found.dtype}; give whole numbers from 0 to {n_way - 1}"
        )
    judged = found if mask is None else found[real]
    if not judged.size:
        raise ValueError(f"{name} has shape {found.shape}; give at least one label")
    low, high = judged.min(), judged.max()
    if low < 0 or high >= n_way:
        fix = f"give labels from 0 to {n_way - 1}"
        if low >= 1 and high - low < n_way:
            fix += f": subtract {low}"
        elif low == 0:
            fix += f", or n_way={high + 1} and a network that scores as many classes"
        raise ValueError(f"{name} holds labels {low} to {high}, but n_way is {n_way}; {fix}")
    if all_present:
        member = found[..., None] == np.arange(n_way)
        counts = (member if mask is None else member & real[..., None]).sum(axis=-2)
        if not counts.all():
            where = np.argwhere(counts == 0)[0]
            task = f" in task {where[0]}" if found.ndim == 2 else ""
            raise ValueError(
                f"{name} has no example of class {where[-1]}{task}; give one or more of each of 0 ... {n_way - 1}"
            )


def require_classes(name: str, task: Any, n_way: int) -> None:
    """Refuse a few-shot task, or a batch of them, with labels outside 0 ... n_way - 1 or an empty class."""
    support, query = task
    require_labels(f"{name}.support.y", support[1], n_way, all_present=True, mask=mask_of(support))
    require_labels(f"{name}.query.y", query[1], n_way, mask=mask_of(query))


def require_no_mask(name: str, examples: Any) -> None:
    """Refuse ragged examples where steps pick some of the examples by number, and could pick padding."""
    if isinstance(examples, tuple) and len(examples) == 3:
        raise ValueError(
            f"{name} has a mask, and each step here picks batch_size of its examples, padding too; give tasks of "
            "equal size, or one task at a time without its padding (tasks.real), or adapt on all examples at once"
        )


def mask_of(examples: Sequence[Array]) -> Array | None:
    """The mask of ragged examples; None where there is no padding."""
    return examples[2] if len(examples) == 3 else None


def require_points(library: str, **points: Array) -> None:
    """Refuse points that are no matrices (n, d), or not all of the same dimension d."""
    for name, array in points.items():
        require_library(name, array, library)
        if array.ndim != 2 or 0 in array.shape or not is_real(array):
            raise ValueError(f"{name} is {_in_short(array)}; give points (n, d) of real numbers, at least one")
    (first, one), *others = points.items()
    for name, other in others:
        if other.shape[1] != one.shape[1] or _precision(other) != _precision(one):
            raise ValueError(
                f"{first} is {_in_short(one)}, {name} {_in_short(other)}; give points (n, d) of the same "
                "dimension d and in the same precision"
            )


def require_shapes(name: str, params: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse parameters of another network: broadcasting could hide it. Other names may be there beside them."""
    for key, shape in shapes.items():
        if key not in params:
            raise ValueError(
                f"{name} has no {key!r}, only {', '.join(params) or 'nothing'}; give all of the network's"
            )
        found = tuple(getattr(params[key], "shape", ()))
        if found != shape:
            raise ValueError(f"{name}[{key!r}] has shape {found}; this network takes {shape}")


def require_adapted(adapted: Any, kind: type) -> None:
    """Refuse what holds no adapted parameters: `reference` keeps a list of them, `fast` a dict of stacked ones."""
    rows = adapted.values() if isinstance(adapted, Mapping) else [adapted]
    if (
        not isinstance(adapted, kind)
        or not adapted
        or any(not len(row) for row in rows if hasattr(row, "__len__"))
    ):
        raise ValueError(f"adapted is {_in_short(adapted)}; give what adapt_each returns, of at least one task")


def require_picks(picks: Array, library: str, *, n_tasks: int | None = None) -> None:
    """Refuse indices of support examples that are not (inner_steps, batch_size), or for `n_tasks` of them."""
    require_library("picks", picks, library)
    axes = "(inner_steps, batch_size)" if n_tasks is None else f"({n_tasks}, inner_steps, batch_size)"
    fits = picks.ndim == 2 if n_tasks is None else picks.ndim == 3 and len(picks) == n_tasks
    if not fits or 0 in picks.shape or "int" not in str(picks.dtype):
        raise ValueError(f"picks is {_in_short(picks)}; give whole numbers {axes}, as reptile.batches does")


def require_like(name: str, tree: Any, params: Mapping[str, Array]) -> None:
    """Refuse a dict that has not the names and shapes of `params`: broadcasting would hide it."""
    if not isinstance(tree, Mapping) or set(tree) != set(params):
        has = sorted(tree) if isinstance(tree, Mapping) else _in_short(tree)
        raise ValueError(f"{name} has the names {has}; params has {sorted(params)}: give one array for each")
    for key, p in params.items():
        ours, theirs = (tuple(getattr(array, "shape", ())) for array in (tree[key], p))
        if ours != theirs:
            raise ValueError(f"{name}[{key!r}] has shape {ours}; params[{key!r}] has {theirs}")


def _precision(array: Array) -> Any:
    """The dtype of an array, or of the one that `reference.autograd` follows."""
    return (array.data if hasattr(array, "edges") else array).dtype


def _in_short(thing: Any) -> str:
    """What a thing is, for a message: its type, and the shape and dtype of an array."""
    kind = type(thing)
    if hasattr(thing, "detach"):
        return f"a torch tensor of shape {tuple(thing.shape)} and dtype {thing.dtype}"
    if isinstance(thing, np.ndarray):
        return f"a NumPy array of shape {thing.shape} and dtype {thing.dtype}"
    return f"{thing!r}" if isinstance(thing, int | float | str | bool | None) else f"a {kind.__name__}"
