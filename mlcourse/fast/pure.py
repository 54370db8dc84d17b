"""A loss or a network of a reader's own, under the engine: computed rightly, or refused with a way out.

The engine calls a loss as a pure function of its arguments: again and again, for all tasks at once, in recorded
code. What would break that silently is found here: random draws, and statistics that move. And some functions of
torch are exchanged for others with the same values, since their second derivative is wrong or missing (`_OURS`).
"""

import math
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from mlcourse.fast import normalisation

MOVES = (
    "the loss moves running statistics (or other tensors) of a module, so that each task would change what the "
    "next one meets; use BatchNorm with track_running_stats=False (statistics of the batch), GroupNorm or "
    "LayerNorm, or call module.eval() first"
)
DRAWS = (
    "the loss draws random numbers (Dropout in training mode does), so that its gradient differs from call to "
    "call; call module.eval() first, leave the Dropout out, or draw outside and pass the numbers in with x"
)
ONCE = (
    "torch can differentiate a function of the loss only once ({}); take first_order=True, or write that function "
    "in plain operations"
)
AT_ONCE = (
    'This happened with all tasks at once (vmap), which some layers of torch cannot do; batching="loop" takes one '
    "task after the other."
)

_inside: ContextVar[bool] = ContextVar("inside", default=False)


def inside_engine() -> bool:
    """Whether a public call of the engine is already at work around this one, and has judged its arguments."""
    return not torch.compiler.is_compiling() and _inside.get()


def trusting(function: Callable) -> Callable:
    """`function` as it is, where `Watch` has seen it at work on another task: watching costs time."""

    def called(*arguments: Any) -> Any:
        if torch.compiler.is_compiling():
            return function(*arguments)
        token = _inside.set(True)
        try:
            return function(*arguments)
        finally:
            _inside.reset(token)

    return called


class Watch:
    """`watch(function)` is `function` with torch's derivatives right; ValueError when it is not pure.

    exchanged: whether a function of torch had to be exchanged. helped: whether one that is wrong in a loop, too.
    """

    def __init__(self) -> None:
        self.helped = self.exchanged = False

    def __call__(self, function: Callable) -> Callable:
        def called(*arguments: Any) -> Any:
            if torch.compiler.is_compiling():  # `training.train` has tried the step eagerly before it is compiled
                with _Right(self):
                    return function(*arguments)
            if inside_engine():
                return function(*arguments)
            before, right = _random_states(), _Right(self)
            try:
                with right:
                    result = trusting(function)(*arguments)
            except RuntimeError as error:
                if words := _in_words(error):
                    raise ValueError(words) from error
                raise
            if right.might_draw and _moved(before, _random_states()):  # another thread may draw as it likes
                raise ValueError(DRAWS)
            return result

        return called


def at_once(function: Callable) -> Callable:
    """`torch.vmap` of a function; what a layer cannot do under it says so."""

    def called(*batched: Any) -> Any:
        try:
            return torch.vmap(function)(*batched)
        except RuntimeError as error:
            if not _in_words(error):
                error.add_note(AT_ONCE)
            raise

    return called


def _random_states() -> list[torch.Tensor]:
    """Where torch's default generators are: of the CPU, and of a GPU that is in use and not recording."""
    states = [torch.get_rng_state()]
    if torch.cuda.is_initialized() and not torch.cuda.is_current_stream_capturing():
        states.append(torch.cuda.get_rng_state())
    return states


def _moved(before: list[torch.Tensor], after: list[torch.Tensor]) -> bool:
    return any(not torch.equal(one, other) for one, other in zip(before, after, strict=True))


def _in_words(error: RuntimeError) -> str | None:
    """torch's own complaint about a loss in the course's words; None for any other error."""
    text = str(error)
    if "randomness" in text:
        return DRAWS
    if "derivative for" in text and "not implemented" in text:
        return ONCE.format(text.splitlines()[0])
    return MOVES if any(word in text for word in ("in-place", "inplace", "in place")) else None


class _Right(TorchFunctionMode):
    """Inside, the functions of torch that `_OURS` names are ours."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self.watch = watch
        self.might_draw = False

    def __torch_function__(self, function: Callable, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if kwargs.get("out") is not None:  # spectral_norm in training mode moves its vectors so
            raise ValueError(MOVES)
        ours = _OURS.get(function)
        if ours is None:
            self.might_draw = self.might_draw or getattr(function, "__name__", "") in _MIGHT_DRAW
            return function(*args, **kwargs)
        self.watch.exchanged = True
        if function in _WRONG_EVERYWHERE:
            self.watch.helped = True
        return ours(*args, **kwargs)


# --- ours, with torch's own signatures ---------------------------------------------------------------------


def _batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    if not training:
        return F.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    if running_mean is not None:
        raise ValueError(MOVES)
    return normalisation.batch_norm(input, weight, bias, eps)


def _instance_norm(
    input,
    running_mean=None,
    running_var=None,
    weight=None,
    bias=None,
    use_input_stats=True,
    momentum=0.1,
    eps=1e-5,
):
    if not use_input_stats:
        return F.instance_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    if running_mean is not None:
        raise ValueError(MOVES)
    return normalisation.instance_norm(input, weight, bias, eps)


def _layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    return normalisation.layer_norm(input, normalized_shape, weight, bias, eps)


def _weight_norm(v, g, dim=0):
    """torch 2.13 takes the saved lengths for constants on the second way back, in a loop as well."""
    axes = [axis for axis in range(v.ndim) if dim == -1 or axis != dim % v.ndim]
    return v * (g * torch.rsqrt((v**2).sum(dim=axes, keepdim=True)))


def _attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
    """torch's own can be differentiated only once, on a CPU."""
    if dropout_p > 0:
        raise ValueError(DRAWS)
    if enable_gqa:
        repeats = query.shape[-3] // key.shape[-3]
        key, value = (part.repeat_interleave(repeats, -3) for part in (key, value))
    scores = query @ key.mT * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if attn_mask is not None:
        is_bool = attn_mask.dtype == torch.bool
        scores = scores.masked_fill(~attn_mask, -math.inf) if is_bool else scores + attn_mask
    return torch.softmax(scores, dim=-1) @ value


def _many_headed(*arguments, need_weights=True, **more):
    """With its weights asked for it is written out in plain operations, which can be differentiated twice."""
    out, weights = F.multi_head_attention_forward(*arguments, need_weights=True, **more)
    return out, weights if need_weights else None


def _native(*arguments, **more):
    raise ValueError(
        "torch.native_layer_norm and torch.native_batch_norm have a wrong second derivative under vmap; use "
        "torch.nn.functional.layer_norm and batch_norm"
    )


_OURS = {
    F.batch_norm: _batch_norm,
    F.instance_norm: _instance_norm,
    F.layer_norm: _layer_norm,
    F.scaled_dot_product_attention: _attention,
    F.multi_head_attention_forward: _many_headed,
    torch._weight_norm: _weight_norm,
    torch.native_layer_norm: _native,
    torch.native_batch_norm: _native,
    # the same under other names, with other orders of arguments
    torch.batch_norm: lambda x, weight, bias, mean, var, training, momentum, eps, cudnn: _batch_norm(
        x, mean, var, weight, bias, training, momentum, eps
    ),
    torch.instance_norm: lambda x, weight, bias, mean, var, own, momentum, eps, cudnn: _instance_norm(
        x, mean, var, weight, bias, own, momentum, eps
    ),
    torch.layer_norm: lambda x, shape, weight=None, bias=None, eps=1e-5, cudnn=True: _layer_norm(
        x, shape, weight, bias, eps
    ),
}
_MIGHT_DRAW = {"dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"}
_MIGHT_DRAW |= {
    "feature_dropout",
    "native_dropout",
    "rrelu",
    "gumbel_softmax",
    "bernoulli",
    "multinomial",
    "normal",
}
_MIGHT_DRAW |= {"poisson", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like", "randperm"}
_MIGHT_DRAW |= {"fractional_max_pool2d", "fractional_max_pool3d", "fractional_max_pool2d_with_indices"}
_MIGHT_DRAW |= {"fractional_max_pool3d_with_indices", "multi_head_attention_forward"}
_MIGHT_DRAW |= {f"{name}_" for name in ("bernoulli", "cauchy", "exponential", "geometric", "log_normal", "normal")}
_MIGHT_DRAW |= {"random_", "uniform_", "rrelu_", "dropout_", "alpha_dropout_"}
_WRONG_EVERYWHERE = {torch._weight_norm, F.scaled_dot_product_attention, F.multi_head_attention_forward}
