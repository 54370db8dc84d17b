"""What `torch.func` is doing to a tensor: nothing public tells, so torch's inside is asked, here alone."""

from typing import Any

import torch

from mlcourse.fast.arrays import leaves

_functorch = torch._C._functorch


def is_transformed(*trees: Any) -> bool:
    """Whether `vmap` or `grad` of `torch.func` is at work on any of these tensors."""
    return any(_functorch.is_functorch_wrapped_tensor(leaf) for leaf in leaves(trees))


def under_vmap(x: torch.Tensor) -> bool:
    """Whether x stands for a whole batch: `torch.func` wraps tensors, once for every `grad` and `vmap` around."""
    while _functorch.is_functorch_wrapped_tensor(x):
        if _functorch.is_batchedtensor(x):
            return True
        x = _functorch.get_unwrapped(x)
    return False


def can_look(x: torch.Tensor) -> bool:
    """Whether the values of x can be looked at: not inside `torch.func`, nor in compiled or recorded code."""
    if torch.compiler.is_compiling() or _functorch.peek_interpreter_stack() is not None or is_traced():
        return False
    return not (x.is_cuda and torch.cuda.is_current_stream_capturing())


def is_traced() -> bool:
    """Whether `make_fx` is writing down what is computed just now (`fast/record.py`)."""
    return torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.PROXY) is not None
