"""The meta-gradient in JAX, jit and vmap, of Conv4 and of any loss: a contender where JAX happens to be installed.

The course does not depend on JAX; this is how fast its compiler makes the same lines.
"""

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from mlcourse.experiments.bench.agreement import Gradient


class NotHere(RuntimeError):
    """What a contender needs is not on this machine; the message says what."""


def require_jax(device_type: str) -> Any:
    """The module `jax`, when it is installed and can use the device; else NotHere."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # leave room on the GPU for the others
    try:
        import jax
    except ImportError as error:
        raise NotHere("JAX is not installed") from error
    if (jax.default_backend() == "cpu") != (device_type == "cpu"):
        raise NotHere(f"JAX is installed for {jax.default_backend()} only")
    return jax


def contender(
    params: Gradient,
    tasks: Any,
    *,
    inner_lr: float,
    inner_steps: int,
    device_type: str = "cpu",
    products: str = "highest",
    loss_in: Callable | None = None,
) -> Callable[[], Gradient]:
    """The meta-gradient of these NumPy arrays; float64 stays float64. products: "highest" or "default" (TF32).

    loss_in(jax): a loss of one task, loss(params, x, y); by default that of Conv4.
    """
    jax = require_jax(device_type)
    double = params["w0"].dtype == np.float64
    with jax.enable_x64(double):
        placed = jax.device_put((params, *tasks.support, *tasks.query))
        loss = (loss_in or cross_entropy)(jax)
        gradient = jax.jit(jax.grad(meta_loss(jax, loss, inner_lr, inner_steps)))

    def run() -> Gradient:
        with jax.enable_x64(double), jax.default_matmul_precision(products):
            return {name: np.asarray(g) for name, g in jax.block_until_ready(gradient(*placed)).items()}

    return run


def meta_loss(jax: Any, loss: Callable, inner_lr: float, inner_steps: int) -> Callable:
    """Mean query loss over tasks after `inner_steps` steps, as a function of the parameters and the tasks."""

    def one_task(params: Gradient, *task: Any) -> Any:
        support_x, support_y, query_x, query_y = task
        for _ in range(inner_steps):
            slopes = jax.grad(loss)(params, support_x, support_y)
            params = jax.tree.map(lambda p, g: p - inner_lr * g, params, slopes)
        return loss(params, query_x, query_y)

    return lambda params, *tasks: jax.vmap(one_task, (None, 0, 0, 0, 0))(params, *tasks).mean()


def cross_entropy(jax: Any) -> Callable:
    """Loss of Conv4 as `mlcourse.fast.networks.conv4` has it; weights in torch's layout."""
    jnp, lax = jax.numpy, jax.lax

    def loss(params: Gradient, x: Any, y: Any) -> Any:
        h = x
        for i in range(4):
            h = lax.conv_general_dilated(h, params[f"w{i}"], (1, 1), "SAME") + params[f"b{i}"][:, None, None]
            mean, variance = h.mean((0, 2, 3), keepdims=True), h.var((0, 2, 3), keepdims=True)
            h = (h - mean) * lax.rsqrt(variance + 1e-5)
            h = jax.nn.relu(h * params[f"scale{i}"][:, None, None] + params[f"shift{i}"][:, None, None])
            h = lax.reduce_window(h, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
        scores = jax.nn.log_softmax(h.reshape(len(h), -1) @ params["w4"] + params["b4"])
        return -jnp.take_along_axis(scores, y[:, None], 1).mean()

    return loss
