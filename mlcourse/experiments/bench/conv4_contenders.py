"""Every way that we know to compute the meta-gradient of Conv4, on the same weights and the same tasks.

A contender is built when it is wanted and not before: recordings and compiled code hold much memory of a GPU.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from mlcourse.experiments.bench import conv4_jax
from mlcourse.experiments.bench.agreement import Gradient, require_higher
from mlcourse.experiments.bench.floor import precision
from mlcourse.fast import capture, losses, maml, networks
from mlcourse.fast.arrays import arrays, tensors
from mlcourse.tasks import Task, each, glyphs
from mlcourse.tasks.images import Episodes

INNER_LR = 0.4
Contender = Callable[[], Gradient]  # computes the meta-gradient of the same tasks from the same weights, anew


class Work(NamedTuple):
    """What all contenders are given."""

    params: networks.Params
    tasks: Task
    inner_steps: int
    n_way: int
    channels: int

    @property
    def device(self) -> torch.device:
        return self.params["w0"].device


class Recipe(NamedTuple):
    """How a contender is made, and how exactly it reckons ("float32", "TF32", "bf16")."""

    build: Callable[[Work], Contender]
    precision: str = "float32"


def draw(
    *, inner_steps: int, n_tasks: int, n_way: int, k_shot: int, n_query: int, channels: int, seed: int, device: Any
) -> Work:
    """Tasks of real letters and weights as a run starts with, float64.

    Not random pixels: adapted to noise, the weights differ so much in the last digit that gradients cannot be
    compared.
    """
    rng = np.random.default_rng(seed)
    tasks = Episodes(glyphs.splits().train, n_way, k_shot, n_query).sample(n_tasks, rng)
    params = networks.conv4(n_way, channels).init(rng)
    return Work(*tensors((params, tasks), device=device, dtype=torch.float64), inner_steps, n_way, channels)


def recipes(device_type: str) -> dict[str, Recipe]:
    """All contenders of a device, by the name of their row; the engine's own choice comes first."""
    if device_type == "cpu":
        return {"fast": Recipe(fast), **libraries()}
    matmul = partial(fast, convolution="matmul")
    compiled = partial(matmul, how="compile + cuda-graph")
    return {
        "fast (matmul, CUDA graph)": Recipe(matmul),
        "fast (matmul, CUDA graph), TF32": Recipe(matmul, "TF32"),
        "fast (matmul, CUDA graph), bf16": Recipe(partial(matmul, autocast=True), "bf16"),
        "fast (matmul, compiled, CUDA graph)": Recipe(compiled),
        "fast (matmul, compiled, CUDA graph), TF32": Recipe(compiled, "TF32"),
        "fast (matmul, compiled, CUDA graph), bf16": Recipe(partial(compiled, autocast=True), "bf16"),
        "fast (vmap, CUDA graph)": Recipe(fast),
        "fast (vmap, eager)": Recipe(partial(fast, how="eager")),
        **libraries(),
        "plain loop over tasks, TF32 convolutions": Recipe(plain_loop, "TF32"),
        "JAX jit + vmap, TF32": Recipe(partial(jit_vmap, products="default"), "TF32"),
    }


def libraries() -> dict[str, Recipe]:
    """What others offer, in float32."""
    return {
        "plain loop over tasks": Recipe(plain_loop),
        "higher": Recipe(higher_loop),
        "JAX jit + vmap": Recipe(jit_vmap),
    }


def build(recipe: Recipe, work: Work) -> Contender:
    """The contender made ready; it reckons at the recipe's precision whenever it is called."""
    with precision(recipe.precision):
        ready = recipe.build(work)

    def at_its_precision() -> Gradient:
        with precision(recipe.precision):
            return ready()

    return at_its_precision


# --- ours --------------------------------------------------------------------------------------------------


def fast(work: Work, *, convolution: str = "direct", how: str = "auto", autocast: bool = False) -> Contender:
    """`mlcourse.fast`: a loop over tasks on a CPU, all tasks at once on a GPU, made ready in the way `how`.

    how: as in `capture.capture`, or "compile + cuda-graph": compiled, then recorded. autocast: products in bf16.
    """
    loss = losses.cross_entropy(networks.conv4(work.n_way, work.channels, convolution=convolution))

    def rounded(params: networks.Params, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        with torch.autocast(work.device.type, torch.bfloat16, enabled=autocast, cache_enabled=False):
            return loss(params, x, y)

    def gradient(params: networks.Params, tasks: Task) -> networks.Params:
        chosen = rounded if autocast else loss
        return maml.meta_gradient(chosen, params, tasks, inner_lr=INNER_LR, inner_steps=work.inner_steps)

    if how == "compile + cuda-graph":
        compiled, _ = capture.capture(gradient, "compile", device=work.device)
        ready, _ = capture.capture(compiled, "cuda-graph", device=work.device)
    else:
        ready, _ = capture.capture(gradient, how, device=work.device)
    return lambda: ready(work.params, work.tasks)


# --- the libraries' ways -----------------------------------------------------------------------------------


def plain_loop(work: Work) -> Contender:
    """What libraries do: for each task, `torch.autograd.grad(..., create_graph=True)`, then backward."""
    theta = {name: p.clone().requires_grad_() for name, p in work.params.items()}
    separate = list(each(work.tasks))

    def gradient() -> Gradient:
        for p in theta.values():
            p.grad = None
        for support, query in separate:
            phi = theta
            for _ in range(work.inner_steps):
                loss = F.cross_entropy(plain_conv4(phi, support.x), support.y)
                slopes = torch.autograd.grad(loss, list(phi.values()), create_graph=True)
                phi = {name: p - INNER_LR * g for (name, p), g in zip(phi.items(), slopes, strict=True)}
            (F.cross_entropy(plain_conv4(phi, query.x), query.y) / len(separate)).backward()
        return {name: p.grad for name, p in theta.items()}

    return gradient


def plain_conv4(params: networks.Params, x: torch.Tensor) -> torch.Tensor:
    """Conv4 in torch's own functions."""
    h = x
    for i in range(networks.BLOCKS):
        h = F.conv2d(h, params[f"w{i}"], params[f"b{i}"], padding=1)
        h = F.batch_norm(h, None, None, params[f"scale{i}"], params[f"shift{i}"], training=True)
        h = F.max_pool2d(F.relu(h), 2)
    return h.flatten(1) @ params["w4"] + params["b4"]


def higher_loop(work: Work) -> Contender:
    """`higher`, as its own MAML example uses it."""
    higher, separate = require_higher(), list(each(work.tasks))
    model, named = as_module(work)
    inner = torch.optim.SGD(model.parameters(), lr=INNER_LR)

    def gradient() -> Gradient:
        model.zero_grad()
        for support, query in separate:
            with higher.innerloop_ctx(model, inner, copy_initial_weights=False) as (functional, optimiser):
                for _ in range(work.inner_steps):
                    optimiser.step(F.cross_entropy(functional(support.x), support.y))
                (F.cross_entropy(functional(query.x), query.y) / len(separate)).backward()
        return {name: p.grad.T if name == "w4" else p.grad for name, p in named.items()}

    return gradient


def as_module(work: Work) -> tuple[torch.nn.Module, dict[str, torch.nn.Parameter]]:
    """The same network as a torch.nn.Sequential with the same weights, and its parameters by our names."""
    blocks, named = [], {}
    for i in range(networks.BLOCKS):
        convolution = torch.nn.Conv2d(work.params[f"w{i}"].shape[1], work.channels, 3, padding=1)
        normalisation = torch.nn.BatchNorm2d(work.channels, track_running_stats=False)
        blocks += [convolution, normalisation, torch.nn.ReLU(), torch.nn.MaxPool2d(2)]
        named |= {f"w{i}": convolution.weight, f"b{i}": convolution.bias}
        named |= {f"scale{i}": normalisation.weight, f"shift{i}": normalisation.bias}
    linear = torch.nn.Linear(*work.params["w4"].shape)
    named |= {"w4": linear.weight, "b4": linear.bias}
    model = torch.nn.Sequential(*blocks, torch.nn.Flatten(), linear).to(work.params["w0"])
    with torch.no_grad():
        for name, p in named.items():
            p.copy_(work.params[name].T if name == "w4" else work.params[name])
    return model, named


def jit_vmap(work: Work, *, products: str = "highest") -> Contender:
    """JAX, where it is installed. products: "highest" is float32; by "default" it rounds to TF32 on a GPU."""
    how = {"inner_lr": INNER_LR, "inner_steps": work.inner_steps}
    given = arrays((work.params, work.tasks))
    return conv4_jax.contender(*given, **how, device_type=work.device.type, products=products)
