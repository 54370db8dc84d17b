"""From NumPy to torch and back, for anything the course passes around: arrays, dicts, Examples, Task, Moments."""

from collections.abc import Callable, Iterator
from typing import Any

import torch


def default_device() -> torch.device:
    """CUDA when there is a GPU, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def resolved(device: torch.device | str | None = None) -> torch.device:
    """The device of that name, by default the best that is here; ValueError for one that is not here."""
    if device is None:
        return default_device()
    try:
        device = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device is {device!r}; give cpu, or cuda where there is an NVIDIA GPU") from error
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"device is {str(device)!r}; give cpu, or cuda where there is an NVIDIA GPU")
    here = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= here:
        has = f"{here} GPU{'s' * (here != 1)}" if here else "no GPU"
        raise ValueError(f"device is {str(device)!r}, but torch sees {has} here; give cpu, or leave it out")
    return device


def tree_map(function: Callable, *trees: Any) -> Any:
    """`function` of the leaves that stand in the same place of `trees` (dicts, tuples and NamedTuples, nested)."""
    first = trees[0]
    if isinstance(first, dict):
        return {name: tree_map(function, *(tree[name] for tree in trees)) for name in first}
    if isinstance(first, tuple):
        branches = [tree_map(function, *parts) for parts in zip(*trees, strict=True)]
        return type(first)(*branches) if hasattr(first, "_fields") else tuple(branches)
    return function(*trees)


def leaves(tree: Any) -> Iterator[Any]:
    """The leaves of a tree, in the order in which `tree_map` visits them."""
    if isinstance(tree, dict | tuple):
        for branch in tree.values() if isinstance(tree, dict) else tree:
            yield from leaves(branch)
    else:
        yield tree


def tensors(tree: Any, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Any:
    """The same tree with torch tensors; `dtype` concerns floats only, whole numbers stay int64."""

    def tensor(leaf: Any) -> torch.Tensor:
        leaf = torch.as_tensor(leaf)
        return leaf.to(device=device, dtype=dtype if leaf.is_floating_point() else None)

    return tree_map(tensor, tree)


def arrays(tree: Any) -> Any:
    """The same tree with NumPy arrays; bfloat16, which NumPy lacks, becomes float32 without loss."""

    def array(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor):
            return leaf
        leaf = leaf.detach().cpu()
        return (leaf.float() if leaf.dtype == torch.bfloat16 else leaf).numpy()

    return tree_map(array, tree)
