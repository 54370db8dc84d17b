"""One meta-gradient of MAML in six dialects: notebook 18 shows these functions, and the benchmarks time them.

Each takes the same weights, a dict of torch tensors `w0`, `b0`, ..., and the same batch of tasks; it makes ready
and returns a function without arguments that computes the gradient of the mean query loss, by the same names.
"""

import os
from collections.abc import Callable
from typing import Any

import torch
from torch.func import grad, vmap
from torch.nn.functional import mse_loss

from mlcourse.adapters import learn2learn as l2l
from mlcourse.experiments.bench import conv4_jax
from mlcourse.experiments.bench.agreement import Gradient, require_higher
from mlcourse.experiments.bench.conv4_jax import NotHere
from mlcourse.fast.arrays import arrays
from mlcourse.fast.networks import Params
from mlcourse.tasks import Task, each

SIZES = (1, 40, 40, 1)
INNER_LR = 0.01

Contender = Callable[[], Gradient]  # computes the meta-gradient of the same tasks from the same weights, anew


def torch_func(params: Params, tasks: Task, inner_steps: int, *, in_turn: bool = False) -> Contender:
    """Plain torch.func: what one task needs, then `vmap` over the tasks (or a loop) and `grad` of the whole."""

    def loss(params, x, y):
        for layer in range(3):
            x = (x.relu() if layer else x) @ params[f"w{layer}"] + params[f"b{layer}"]
        return mse_loss(x, y)

    def after_adapting(params, support, query):
        for _ in range(inner_steps):
            slopes = grad(loss)(params, *support)
            params = {name: p - INNER_LR * slopes[name] for name, p in params.items()}
        return loss(params, *query)

    def meta_loss(params):
        if in_turn:  # one task after the other, as the libraries below do it
            return torch.stack([after_adapting(params, *task) for task in each(tasks)]).mean()
        return vmap(after_adapting, (None, 0, 0))(params, *tasks).mean()

    return lambda: grad(meta_loss)(params)


def higher(params: Params, tasks: Task, inner_steps: int) -> Contender:
    """higher: a model that is called as before, and an optimiser whose step takes the loss."""
    higher, model = require_higher(), module(params)
    opt = torch.optim.SGD(model.parameters(), lr=INNER_LR)

    def gradient():
        model.zero_grad()
        for support, query in each(tasks):
            with higher.innerloop_ctx(model, opt, copy_initial_weights=False) as (fmodel, diffopt):
                for _ in range(inner_steps):
                    diffopt.step(mse_loss(fmodel(support.x), support.y))
                (mse_loss(fmodel(query.x), query.y) / len(tasks.query.y)).backward()
        return slopes_of(model)

    return gradient


def torchopt(params: Params, tasks: Task, inner_steps: int) -> Contender:
    """TorchOpt: the model itself adapts, and is put back to the start for the next task."""
    torchopt, model = require_torchopt(), module(params)
    opt = torchopt.MetaSGD(model, lr=INNER_LR)
    start = [torchopt.extract_state_dict(one) for one in (model, opt)]

    def gradient():
        model.zero_grad()
        for support, query in each(tasks):
            for _ in range(inner_steps):
                opt.step(mse_loss(model(support.x), support.y))
            (mse_loss(model(query.x), query.y) / len(tasks.query.y)).backward()
            for one, state in zip((model, opt), start, strict=True):
                torchopt.recover_state_dict(one, state)
        return slopes_of(model)

    return gradient


def learn2learn(params: Params, tasks: Task, inner_steps: int) -> Contender:
    """learn2learn, by this course's adapter: a clone of the model for each task, which adapts."""
    model = module(params)
    maml = l2l.algorithms.MAML(model, lr=INNER_LR)

    def gradient():
        model.zero_grad()
        for support, query in each(tasks):
            learner = maml.clone()
            for _ in range(inner_steps):
                learner.adapt(mse_loss(learner(support.x), support.y))
            (mse_loss(learner(query.x), query.y) / len(tasks.query.y)).backward()
        return slopes_of(model)

    return gradient


def tensorflow(params: Params, tasks: Task, inner_steps: int) -> Contender:
    """TensorFlow: a tape inside a tape; `vectorized_map` is its vmap."""
    tf, (params, tasks) = require_tensorflow(), arrays((params, tasks))
    theta = {name: tf.Variable(p) for name, p in params.items()}

    def loss(params, x, y):
        for layer in range(3):
            x = (tf.nn.relu(x) if layer else x) @ params[f"w{layer}"] + params[f"b{layer}"]
        return tf.reduce_mean((x - y) ** 2)

    def after_adapting(task):
        phi, (support, query) = {name: tf.identity(p) for name, p in theta.items()}, task
        for _ in range(inner_steps):
            with tf.GradientTape() as inner:
                inner.watch(phi)
                support_loss = loss(phi, *support)
            slopes = inner.gradient(support_loss, phi)
            phi = {name: p - INNER_LR * slopes[name] for name, p in phi.items()}
        return loss(phi, *query)

    @tf.function
    def gradient():
        with tf.GradientTape() as outer:
            meta_loss = tf.reduce_mean(
                tf.vectorized_map(after_adapting, (tuple(tasks.support), tuple(tasks.query)))
            )
        return outer.gradient(meta_loss, theta)

    return lambda: {name: slope.numpy() for name, slope in gradient().items()}


def jax(params: Params, tasks: Task, inner_steps: int) -> Contender:
    """JAX: `conv4_jax.meta_loss`, which reads like torch.func, under `jax.jit`."""

    def loss_in(jax):
        def loss(params, x, y):
            for layer in range(3):
                x = (jax.nn.relu(x) if layer else x) @ params[f"w{layer}"] + params[f"b{layer}"]
            return ((x - y) ** 2).mean()

        return loss

    return conv4_jax.contender(
        *arrays((params, tasks)), inner_lr=INNER_LR, inner_steps=inner_steps, loss_in=loss_in
    )


# --- around them -------------------------------------------------------------------------------------------


def module(params: Params) -> torch.nn.Sequential:
    """The network of these weights as a module of torch, which keeps each matrix the other way round."""
    layers = []
    for layer in range(len(SIZES) - 1):
        weight, bias = params[f"w{layer}"], params[f"b{layer}"]
        linear = torch.nn.Linear(*weight.shape, dtype=weight.dtype)
        with torch.no_grad():
            linear.weight.copy_(weight.T)
            linear.bias.copy_(bias)
        layers += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def slopes_of(model: torch.nn.Sequential) -> Gradient:
    """The gradients that a module's weights hold, by our names."""
    linears = list(model)[::2]
    weights = {f"w{layer}": linear.weight.grad.T for layer, linear in enumerate(linears)}
    return weights | {f"b{layer}": linear.bias.grad for layer, linear in enumerate(linears)}


def require_torchopt() -> Any:
    """The module `torchopt`, else NotHere."""
    try:
        import torchopt
    except ImportError as error:
        raise NotHere("TorchOpt is not installed") from error
    return torchopt


def require_tensorflow() -> Any:
    """The module `tensorflow`, without the lines that it logs when it starts; else NotHere."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import tensorflow
    except ImportError as error:
        raise NotHere("TensorFlow is not installed") from error
    return tensorflow
