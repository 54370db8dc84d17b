"""Networks as functions of their parameters, to be read beside `mlcourse/reference/networks.py`.

Both draw the same numbers: `init` takes a NumPy generator in either.
"""

import copy
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from mlcourse.arguments import require_count, require_library, require_params, require_rng, require_shapes
from mlcourse.fast.arrays import tensors
from mlcourse.fast.normalisation import batch_norm, normalise
from mlcourse.fast.pure import MOVES

Params = dict[str, torch.Tensor]


class Network(NamedTuple):
    """`init(rng) -> params` draws parameters on the CPU (float64); `apply(params, x) -> outputs` uses them.

    outputs: how many numbers, or class scores, it gives for an example; None when that is not known.
    """

    init: Callable[[np.random.Generator], Params]
    apply: Callable[[Params, torch.Tensor], torch.Tensor]
    outputs: int | None = None


def mlp(sizes: Sequence[int]) -> Network:
    """A multi-layer perceptron with ReLU between its layers.

    sizes: units from input to output, e.g. (1, 40, 40, 1). Parameters `w0` (in, out), `b0` (out,), `w1`, ...
    Both start uniform within 1 / sqrt(inputs) of zero, as `torch.nn.Linear` does: biases that differ spread
    the kinks of the ReLUs over the inputs. `apply` maps x (n, sizes[0]) to (n, sizes[-1]).
    """
    if len(sizes) < 2:
        raise ValueError(f"sizes is {tuple(sizes)}; give at least an input and an output size")
    for layer, units in enumerate(sizes):
        require_count(f"sizes[{layer}]", units)
    last = len(sizes) - 2
    sides = list(zip(sizes[:-1], sizes[1:], strict=True))
    shapes = {f"w{layer}": side for layer, side in enumerate(sides)}
    shapes |= {f"b{layer}": (n_out,) for layer, (_, n_out) in enumerate(sides)}

    def init(rng: np.random.Generator) -> Params:
        require_rng("rng", rng)
        params: Params = {}
        for layer, (n_in, n_out) in enumerate(sides):
            bound = 1 / np.sqrt(n_in)
            params[f"w{layer}"] = torch.as_tensor(rng.uniform(-bound, bound, (n_in, n_out)))
            params[f"b{layer}"] = torch.as_tensor(rng.uniform(-bound, bound, n_out))
        return params

    def apply(params: Params, x: torch.Tensor) -> torch.Tensor:
        require_library("x", x, "torch")
        if x.ndim != 2 or x.shape[1] != sizes[0]:
            raise ValueError(f"x has shape {tuple(x.shape)}; this network takes (n, {sizes[0]})")
        require_params("params", params, "torch")
        require_shapes("params", params, shapes)
        h = x.to(params["w0"].dtype)
        for layer in range(last + 1):
            h = h @ params[f"w{layer}"] + params[f"b{layer}"]
            if layer < last:
                h = torch.relu(h)
        return h

    return Network(init, apply, sizes[-1])


# --- convolutions ------------------------------------------------------------------------------------------

BLOCKS = 4
CONVOLUTIONS = ("direct", "matmul")


def convolution_for(device: torch.device, *, per_task_weights: bool) -> str:
    """The `convolution` of `conv4` that suits: "matmul" on a GPU when every task has weights of its own."""
    return "matmul" if per_task_weights and device.type == "cuda" else "direct"


def conv4(
    n_way: int | None, channels: int = 64, in_channels: int = 1, size: int = 28, convolution: str = "direct"
) -> Network:
    """Four blocks of 3x3 convolution, batch normalisation, ReLU and 2x2 max-pooling, then one linear layer.

    The network of Vinyals et al. (2016) and of Prototypical Networks. (On Omniglot, MAML and Reptile took steps of
    two pixels in the convolution instead of pooling.) Parameters of
    block i: `w{i}` (channels, inputs, 3, 3), `b{i}`, and `scale{i}`, `shift{i}` of its normalisation; then
    `w4` (features, n_way), `b4`. `apply` maps x (n, in_channels, size, size) to scores (n, n_way); with n_way None
    the linear layer is left out, and it maps to embeddings (n, features), features = channels * (size // 16)**2.

    Normalisation uses the statistics of the very batch it is given, so scores depend on what is judged together,
    unless the parameters hold frozen ones (`freeze_statistics`).

    convolution: "direct" is torch's own; "matmul" lays the nine neighbours of every pixel side by side, channels
    last, and makes one matrix product of it. The numbers are the same. Of weights that differ from task to task
    (`vmap`) torch's own makes grouped convolutions, which are slow on a GPU, "matmul" one batched product.
    """
    for name, count in {"n_way": n_way, "channels": channels, "in_channels": in_channels}.items():
        if count is not None:
            require_count(name, count)
    if size < 16:
        raise ValueError(f"size is {size}; four 2x2 poolings need images of at least 16 x 16 pixels")
    if convolution not in CONVOLUTIONS:
        raise ValueError(f"convolution is {convolution!r}; choose one of {', '.join(CONVOLUTIONS)}")
    features = channels * (size // 16) ** 2
    embed = _embed_direct if convolution == "direct" else _embed_matmul
    shapes: dict[str, tuple[int, ...]] = {"w0": (channels, in_channels, 3, 3)}
    shapes |= {f"w{block}": (channels, channels, 3, 3) for block in range(1, BLOCKS)}
    shapes |= {f"{part}{block}": (channels,) for block in range(BLOCKS) for part in ("b", "scale", "shift")}
    shapes |= {"w4": (features, n_way), "b4": (n_way,)} if n_way is not None else {}

    def init(rng: np.random.Generator) -> Params:
        require_rng("rng", rng)
        params: Params = {}
        for block in range(BLOCKS):
            n_in = in_channels if block == 0 else channels
            scale = np.sqrt(2.0 / (9 * n_in))
            params[f"w{block}"] = torch.as_tensor(rng.normal(0.0, scale, (channels, n_in, 3, 3)))
            params[f"b{block}"] = torch.zeros(channels, dtype=torch.float64)
            params[f"scale{block}"] = torch.ones(channels, dtype=torch.float64)
            params[f"shift{block}"] = torch.zeros(channels, dtype=torch.float64)
        if n_way is not None:
            params["w4"] = torch.as_tensor(rng.normal(0.0, np.sqrt(1.0 / features), (features, n_way)))
            params["b4"] = torch.zeros(n_way, dtype=torch.float64)
        return params

    def apply(params: Params, x: torch.Tensor) -> torch.Tensor:
        if x.shape[1:] != (in_channels, size, size):
            raise ValueError(
                f"x has shape {tuple(x.shape)}; this network takes (n, {in_channels}, {size}, {size})"
            )
        require_shapes("params", params, shapes)
        h = embed(params, x)
        return h if n_way is None else h @ params["w4"] + params["b4"]

    return Network(init, apply, features if n_way is None else n_way)


def _embed_direct(params: Params, x: torch.Tensor) -> torch.Tensor:
    """The four blocks: x (n, in_channels, size, size) to (n, features)."""
    h = x
    for block in range(BLOCKS):
        h = F.conv2d(h, params[f"w{block}"], params[f"b{block}"], padding=1)
        h = _after_convolution(params, block, h)
    return h.flatten(1)


def _after_convolution(params: Params, block: int, h: torch.Tensor) -> torch.Tensor:
    """Normalise by the batch, or by frozen statistics where there are any; then ReLU and pooling."""
    scale, shift = params[f"scale{block}"], params[f"shift{block}"]
    if f"mean{block}" in params:
        held = (params[f"mean{block}"], params[f"variance{block}"], scale, shift)
        h = normalise(h, *(part[:, None, None] for part in held))
    else:
        h = batch_norm(h, scale, shift)
    return torch.relu(F.max_pool2d(h, 2))


def _embed_matmul(params: Params, x: torch.Tensor) -> torch.Tensor:
    """The same four blocks with every convolution as one matrix product."""
    h = x.movedim(1, -1)  # channels last: the nine neighbours of a pixel lie side by side
    for block in range(BLOCKS):
        n, height, width, _ = h.shape
        padded = F.pad(h, (0, 0, 1, 1, 1, 1))
        neighbours = [padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]
        weights = params[f"w{block}"].permute(2, 3, 1, 0).flatten(0, 2)  # (9 * inputs, channels)
        h = torch.cat(neighbours, dim=-1).flatten(0, 2) @ weights + params[f"b{block}"]
        h = _after_convolution(params, block, h.unflatten(0, (n, height, width)).movedim(-1, 1)).movedim(1, -1)
    return h.movedim(-1, 1).flatten(1)


def freeze_statistics(params: Params, x: torch.Tensor) -> Params:
    """Parameters of a trained `conv4` that also hold the statistics of the images x: `mean{i}`, `variance{i}`.

    From then on what the network says of one image does not depend on what else is judged: it is not transductive.
    x (n, in_channels, size, size): many images of the meta-training classes, never the ones to be judged. Not for
    adaptation by gradient descent, which would move the statistics too.
    """
    if missing := [
        name for block in range(BLOCKS) for name in (f"w{block}", f"scale{block}") if name not in params
    ]:
        raise ValueError(
            f"params has no {missing[0]!r}, so they are not of a conv4, whose statistics alone can be frozen; for "
            'a network of your own take learner(queries="alone"): statistics of the support set and one query'
        )
    held, h = dict(params), x
    for block in range(BLOCKS):
        h = F.conv2d(h, params[f"w{block}"], params[f"b{block}"], padding=1)
        variance, mean = torch.var_mean(h, dim=(0, 2, 3), correction=0)
        held |= {f"mean{block}": mean, f"variance{block}": variance}
        h = _after_convolution(held, block, h)
    return held


# --- a module of your own ----------------------------------------------------------------------------------

DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)


def from_module(module: nn.Module) -> Network:
    """Any `nn.Module` as a network: its parameters by their names, a copy of the rest held fast.

    `init()` gives the module's own numbers, `init(rng)` draws new ones by the `reset_parameters` of its layers.
    Parameters that are frozen now, by `requires_grad_(False)`, keep their numbers and their flag, so that nothing
    moves them. `module.load_state_dict(trained.params, strict=False)` brings trained ones back into the module.
    `apply` takes what `module(x)` takes, x in the precision and on the device of the parameters.

    Batch normalisation in training mode uses the statistics of the very batch it is given, as few-shot learning
    does (Finn et al. 2017), and keeps no running ones; after `module.eval()` it uses those that the module has.
    Other buffers are constants. Raises ValueError for Dropout in training mode, for normalisation in eval mode
    that has no statistics yet, for a module of which nothing learns or whose buffers move when it is called, and
    for `init(rng)` where a layer cannot draw anew.
    """
    module = _pure_copy(module)
    own = dict(module.named_parameters())
    names = {id(p): name for name, p in own.items()}
    twice = {alias: names[id(p)] for alias, p in module.named_parameters(remove_duplicate=False)}
    shapes = {name: tuple(p.shape) for name, p in own.items()}
    if not own:
        raise ValueError(f"the module {type(module).__name__} has no parameters, so there is nothing to learn")
    if not any(p.requires_grad for p in own.values()):
        raise ValueError(
            f"all parameters of {type(module).__name__} are frozen; let some learn: requires_grad_(True)"
        )

    def init(rng: np.random.Generator | None = None) -> Params:
        drawn = own if rng is None else _drawn_anew(module, rng)
        chosen = {name: drawn[name] if p.requires_grad else p for name, p in own.items()}
        return {name: p.detach().clone().requires_grad_(p.requires_grad) for name, p in chosen.items()}

    def apply(params: Params, x: torch.Tensor) -> torch.Tensor:
        require_library("x", x, "torch")
        require_shapes("params", params, shapes)
        some = params[next(iter(own))]
        x = x.to(some.dtype) if x.is_floating_point() else x
        held = tensors(dict(module.named_buffers()), device=some.device, dtype=some.dtype)
        can_move = held and not torch.compiler.is_compiling() and not torch.is_inference_mode_enabled()
        before = [b._version for b in held.values()] if can_move else []
        # each alias by name: else `functional_call` would leave the adapted numbers in a layer that is used twice
        given = {alias: params[name] for alias, name in twice.items()} | held
        out = torch.func.functional_call(module, given, (x,), tie_weights=False)
        if can_move and [b._version for b in held.values()] != before:
            raise ValueError(MOVES)
        return out

    return Network(init, apply)


def _pure_copy(module: nn.Module) -> nn.Module:
    """A copy whose batch normalisations keep no running statistics; ValueError for one that draws at random."""
    module = copy.deepcopy(module)
    for name, part in module.named_modules():
        place = f"module.get_submodule({name!r})" if name else "module"
        if part.training and isinstance(part, DROPOUTS) and part.p > 0:
            raise ValueError(
                f"the module's {name or 'only'} layer is {part} in training mode, which draws at random, so that "
                f"its gradient differs from call to call; switch this layer alone off, {place}.eval(), or leave "
                "it out"
            )
        if not part.training and getattr(part, "num_batches_tracked", None) == 0:
            raise ValueError(
                f"{place}, {part}, is in eval mode and has seen no batch: its mean is 0 and its variance 1; "
                f"call {place}.train() to normalise by each batch, as few-shot learning does"
            )
        if part.training and getattr(part, "track_running_stats", False):
            part.track_running_stats, part.running_mean, part.running_var = False, None, None
            part.num_batches_tracked = None
    return module


def _drawn_anew(module: nn.Module, rng: np.random.Generator) -> Params:
    """Parameters of a copy whose layers have drawn theirs again; frozen ones are not looked at."""
    require_rng("rng", rng)
    fresh = copy.deepcopy(module)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(2**63)))
        for name, part in fresh.named_modules():
            own = [p for p in part.parameters(recurse=False) if p.requires_grad]
            if own and not hasattr(part, "reset_parameters"):
                raise ValueError(
                    f"the module's {name or 'own'} parameters have no reset_parameters to draw them anew; take "
                    "the numbers that the module has: init()"
                )
            if own:
                part.reset_parameters()
    return dict(fresh.named_parameters())
