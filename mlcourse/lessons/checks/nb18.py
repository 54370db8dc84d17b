"""Checks of the exercises of notebook 18, the libraries."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from mlcourse.fast import losses, maml, networks
from mlcourse.fast.arrays import tensors
from mlcourse.lessons.checks.compare import compare
from mlcourse.lessons.checks.verdict import exercise
from mlcourse.tasks import Sinusoids, Task


@exercise("18.1", "Support and query", passed="No image is in both sets, and every class is in each.")
def split(answer):
    for n_way, each_class, shots in ((3, 4, 1), (2, 5, 3)):
        labels = torch.arange(n_way).repeat_interleave(each_class)
        data = torch.arange(float(2 * len(labels))).reshape(-1, 2)
        number = torch.arange(len(labels)) % each_class
        first, more = number < shots, number < shots + 1
        right = (data[first], labels[first]), (data[~first], labels[~first])
        front = shots * n_way
        yield compare(
            answer(data, labels, shots),
            right,
            name="(support, query)",
            diagnoses=[
                ((right[1], right[0]), "the two sets are exchanged: the support set comes first"),
                (
                    (right[0], (data, labels)),
                    "the support images are in the query set, too: the meta-loss would be computed on images that "
                    "were just fitted",
                ),
                (
                    ((data[:shots], labels[:shots]), (data[shots:], labels[shots:])),
                    "these are the first images of the whole task, all of one class: take the first of EACH class",
                ),
                (
                    ((data[:front], labels[:front]), (data[front:], labels[front:])),
                    "the support set lacks classes: images of one class stand together, so the first "
                    "shots × classes are of one or two classes; take the first `shots` of EACH class",
                ),
                (
                    ((data[more], labels[more]), (data[~more], labels[~more])),
                    "the support set has one image too many of each class: counting begins at 0",
                ),
                (
                    ((data[more], labels[more]), right[1]),
                    "the support set has one image too many of each class, and the query set has it, too",
                ),
                (
                    ((data[first], labels), right[1]),
                    "the images are split, and their labels are not: use the same mask for both",
                ),
                (
                    ((data[first], labels[: int(first.sum())]), right[1]),
                    "the images are right, but the labels belong to others: use the same mask for both",
                ),
            ],
        )  # fmt: skip


def _normalised() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)).double()


@exercise("18.2", "A call that leaves the model alone", passed="The order of the tasks no longer matters.")
def call(answer):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(6, 3, generator=generator, dtype=torch.float64)
    for training in (True, False):
        model, judge, other = _normalised(), _normalised().train(training), _normalised().train(not training)
        model.train(training)
        params = {name: p.detach() + 0.5 for name, p in model.named_parameters()}
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        got = answer(model, params, x)
        mode = "training mode" if training else "eval mode"
        yield compare(
            got,
            functional_call(judge, params, (x,)),
            name=f"the output in {mode}",
            diagnoses=[
                (judge(x), "this is the output with the model's own parameters: put `params` in"),
                (
                    functional_call(other, params, (x,)),
                    f"this is the output of the other mode: the model was in {mode}, and should stay in it",
                ),
            ],
        )
        if model.training != training:
            yield f"the model was in {mode}, and is not any more"
        after = model.state_dict()
        moved = [name for name, tensor in before.items() if not torch.equal(tensor, after[name])]
        if any(name in params for name in moved):
            yield "the output is right, but the model's own parameters have changed: load nothing into it"
        if moved:
            yield (
                f"the output is right, but the model's {moved[0]} has moved: a BatchNorm in training mode changes "
                "its buffers in place, so give it clones of them"
            )


def _linear_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)).double()


def _meta_gradient(model: nn.Module, tasks: Task, *, inner_lr: float = 0.1, **how: Any) -> dict[str, torch.Tensor]:
    network = networks.from_module(model)
    params = {name: p.detach() for name, p in network.init().items()}
    return maml.meta_gradient(losses.squared_error(network), params, tasks, inner_lr=inner_lr, **how)


@exercise(
    "18.3",
    "From higher to torch.func",
    passed="The same numbers as `higher`, all tasks at once, and nothing to put back.",
)
def meta_gradient(answer):
    model = _linear_model()
    tasks = tensors(Sinusoids(5, 7).sample(3, np.random.default_rng(0)), dtype=torch.float64)
    right = _meta_gradient(model, tasks, inner_steps=2)

    def wrong(tasks: Task = tasks, **how: Any) -> dict[str, torch.Tensor]:
        return _meta_gradient(model, tasks, **{"inner_steps": 2} | how)

    try:
        got = answer(model, tasks, 0.1, 2)
    except RuntimeError as error:
        if "does not require grad" not in str(error) and "unused" not in str(error):
            raise
        yield "nothing depends on θ: the loss must use the parameters that it is given, by `functional_call`"
        return
    yield compare(
        got,
        right,
        name="the meta-gradient",
        counts={"tasks": 3},
        diagnoses=[
            (
                wrong(first_order=True),
                "this is the first-order gradient: the slopes were cut off from θ, by `detach` or by taking them "
                "at a φ without its graph",
            ),
            (wrong(inner_steps=0), "this is the gradient before any step: φ is never used in the query loss"),
            *(
                (
                    wrong(inner_steps=1, inner_lr=0.2, first_order=cut),  # two steps, both with the slope at θ
                    "every slope is taken at θ: right for one inner step, wrong for more; take each at the φ of "
                    "the step before",
                )
                for cut in (False, True)
            ),
            (
                wrong(inner_steps=1),
                "this is the gradient after one inner step: take `inner_steps` of them, each from the φ of the "
                "step before",
            ),
            (
                wrong(Task(tasks.support, tasks.support)),
                "the meta-loss is computed on the support set: adapt on it, and judge on the query set",
            ),
            (
                wrong(Task(tasks.query, tasks.query)),
                "the query set was used to adapt: adapt on the support set",
            ),
            (
                lambda got: isinstance(got, torch.Tensor) and got.ndim == 0,
                "this is the meta-loss: return its gradient, `grad(meta_loss)(theta)`",
            ),
            (
                lambda got: all(not part.any() for part in got.values()),
                "the gradient is zero: the loss must use the parameters that it is given, by `functional_call`",
            ),
            (wrong(inner_lr=-0.1), "the inner step goes uphill: subtract the slopes"),
        ],
    )  # fmt: skip
    if any(p.grad is not None for p in model.parameters()):
        yield "the numbers are right, but the model's `.grad` is filled: `grad` needs no `backward`"


def _torch_adam(start: dict, slopes: list[dict], lr: float, **how: Any) -> dict[str, np.ndarray]:
    """What torch.optim.Adam makes of these slopes."""
    own = {name: p.clone().requires_grad_() for name, p in start.items()}
    opt = torch.optim.Adam(own.values(), lr=lr, **how)
    for each in slopes:
        for name, p in own.items():
            p.grad = each[name].clone()
        opt.step()
    return {name: p.detach() for name, p in own.items()}


def _run(answer: Callable, start: dict, slopes: list[dict], *settings: float) -> dict:
    zeros = {name: torch.zeros_like(p) for name, p in start.items()}
    params, state = start, (zeros, zeros, 0)
    for each in slopes:
        params, state = answer(params, each, state, *settings)
    return params


@exercise(
    "18.4",
    "Adam inside",
    passed="Adam as a function: it can stand in any inner loop, also behind dead units.",
    keeps_arguments=True,
)
def adam_step(answer):
    generator = torch.Generator().manual_seed(2)

    def draw() -> dict[str, torch.Tensor]:
        return {"w": torch.randn(3, 2, generator=generator, dtype=torch.float64)} | {
            "b": torch.randn(2, generator=generator, dtype=torch.float64)
        }

    start, slopes = draw(), [draw() for _ in range(3)]
    zeros = {name: torch.zeros_like(p) for name, p in start.items()}
    got = answer(start, slopes[0], (zeros, zeros, 0), 0.1)
    yield compare(
        got[0],
        _torch_adam(start, slopes[:1], 0.1),
        name="the parameters after one step",
        diagnoses=[
            (
                {name: start[name] - 0.01 * g / (0.001**0.5 * g.abs() + 1e-8) for name, g in slopes[0].items()},
                "the means begin at zero and are too small at first: divide them by 1 - β^t",
            ),
            (
                _torch_adam(start, [{name: -g for name, g in slopes[0].items()}], 0.1),
                "the step goes uphill: subtract it",
            ),
            (
                {name: start[name] - 0.1 * g / (g.abs().sqrt() + 1e-8) for name, g in slopes[0].items()},
                "the second mean is one of the squares of the slopes: `slopes[name] ** 2`",
            ),
            (
                {name: start[name] - 0.1 * g / (g**2 + 1e-8) for name, g in slopes[0].items()},
                "the root is missing: divide by the root of the mean of the squares",
            ),
        ],
    )  # fmt: skip
    first = {name: 0.1 * g for name, g in slopes[0].items()}
    second = {name: 0.001 * g**2 for name, g in slopes[0].items()}
    yield compare(
        got[1],
        (first, second, 1),
        name="the state",
        diagnoses=[
            ((first, second, 0), "`steps` has to grow by one, or the next step is corrected like the first"),
            ((zeros, zeros, 0), "the state is the old one: return the new means and the new number of steps"),
            ((zeros, zeros, 1), "the means are the old ones: return the new ones"),
        ],
    )
    yield compare(
        _run(answer, start, slopes, 0.1),
        _torch_adam(start, slopes, 0.1),
        name="the array of parameters after three steps",
    )
    yield compare(
        _run(answer, start, slopes, 0.1, 0.9, 0.999, 0.5),
        _torch_adam(start, slopes, 0.1, eps=0.5),
        name="the parameters with a large epsilon",
        diagnoses=[(lambda got: True, "epsilon stands outside the root, and after the correction")],
    )
    yield from _differentiated(answer, start)


def _differentiated(answer: Callable, start: dict[str, torch.Tensor]) -> Any:
    """Whether a gradient flows through two steps, and is finite where a slope is zero."""
    inputs = {name: p.clone().requires_grad_() for name, p in start.items()}
    alive = {name: torch.ones_like(p) for name, p in start.items()}
    alive["w"][0] = 0.0  # what lies behind a dead unit

    def slopes(params: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {name: alive[name] * params[name] ** 3 for name in params}

    zeros = {name: torch.zeros_like(p) for name, p in start.items()}
    params, state = answer(inputs, slopes(inputs), (zeros, zeros, 0), 0.1)
    params, state = answer(params, slopes(params), state, 0.1)
    total = sum((p**2).sum() for p in params.values())
    if not total.requires_grad:
        yield "the step is right, but cut off from where it came from: no `detach`, no `.data`, no `no_grad`"
        return
    gradient = torch.autograd.grad(total, list(inputs.values()))
    if any(not torch.isfinite(part).all() for part in gradient):
        yield (
            "the step is right, but its gradient is NaN where a slope is zero: the way back goes through the "
            "derivative of the root, even where a later line does not use the root"
        )
        return
    yield compare(
        dict(zip(inputs, gradient, strict=True)),
        _by_differences(answer, start, slopes),
        name="the gradient through two steps",
        rtol=1e-4,
        diagnoses=[
            (
                lambda got: True,
                "the step is right, but its gradient is not: does part of it flow around the slopes, or is one of "
                "the means cut off by `detach`?",
            )
        ],
    )


def _by_differences(answer: Callable, start: dict, slopes: Callable) -> dict[str, torch.Tensor]:
    zeros = {name: torch.zeros_like(p) for name, p in start.items()}

    def total(params: dict[str, torch.Tensor]) -> float:
        params, state = answer(params, slopes(params), (zeros, zeros, 0), 0.1)
        params, _ = answer(params, slopes(params), state, 0.1)
        return float(sum((p**2).sum() for p in params.values()))

    found = {name: torch.zeros_like(p) for name, p in start.items()}
    for name, p in start.items():
        for place in np.ndindex(tuple(p.shape)):
            ends = []
            for move in (1e-5, -1e-5):
                moved = p.clone()
                moved[place] += move
                ends.append(total({**start, name: moved}))
            found[name][place] = (ends[0] - ends[1]) / 2e-5
    return found
