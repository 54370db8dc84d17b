"""higher's shape on this course's engine: `innerloop_ctx(model, opt)`, `diffopt.step(loss)`, `monkeypatch(model)`.

For `import higher` write `from mlcourse.adapters import higher`. It does as higher 0.2.1 does, and says a word
where that is silent: a copy by default, a loss that fmodel has no part in, an optimiser setting that is ignored.
"""

import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from mlcourse.adapters.bound import Bound, cloned

COPIED = (
    "copy_initial_weights was left out, which means a copy: no gradient will reach the model, so an outer step "
    "leaves it untrained. Say copy_initial_weights=False to train its start (MAML), or =True if a copy is meant"
)
Override = dict[str, list[Any]] | None


class FunctionalModel(Bound):
    """A model with a history of weights: `parameters(time=0)` are the first, `parameters()` the last."""

    def __init__(self, model: nn.Module, *, copy: bool, track: bool) -> None:
        super().__init__(model, cloned(model))
        self._track, self._history = track, []
        first = list(self.parameters())
        if copy:
            first = [p.detach().requires_grad_(p.requires_grad) for p in first]
        self.update_params(first)

    def __call__(self, *arguments: Any, params: Iterable[torch.Tensor] | None = None, **keywords: Any) -> Any:
        """What the model gives with its last weights. params: first make these the last."""
        if params is not None:
            self.update_params(params)
        return super().__call__(*arguments, **keywords)

    def parameters(self, time: int | None = None) -> Iterator[torch.Tensor]:
        """The last weights, or those after `time` steps; shared ones come once."""
        if time is None or not self._history:
            return super().parameters()
        if not self._track and time not in (-1, 0):
            raise ValueError(f"time is {time}; without track_higher_grads only the last weights are kept")
        return iter(self._history[time])

    def update_params(self, params: Iterable[torch.Tensor]) -> None:
        """Make these the last weights: one for each of `parameters()`."""
        params = list(params)
        self._replace(params)
        self._history = [*self._history, params] if self._track else [params]

    @property
    def fast_params(self) -> list[torch.Tensor]:
        """The last weights; assign to replace them."""
        return self._history[-1]

    @fast_params.setter
    def fast_params(self, params: Iterable[torch.Tensor]) -> None:
        self.update_params(params)

    @property
    def init_fast_params(self) -> list[torch.Tensor]:
        """The first weights."""
        return list(self.parameters(time=0))

    @property
    def track_higher_grads(self) -> bool:
        """Whether gradients flow back through the steps."""
        return self._track


class DifferentiableOptimizer:
    """An optimiser of torch whose steps a gradient can flow through; it starts with the optimiser's own state."""

    def __init__(self, opt: torch.optim.Optimizer, fmodel: FunctionalModel, override: Override) -> None:
        if type(opt) not in RULES:
            known = ", ".join(kind.__name__ for kind in RULES)
            raise ValueError(f"opt is {type(opt).__name__}; give one of torch.optim's {known}")
        self._rule, self._fmodel = RULES[type(opt)], fmodel
        self._groups = [
            {name: one for name, one in group.items() if name != "params"} for group in opt.param_groups
        ]
        for group in self._groups:
            if ignored := [name for name in ("maximize", "amsgrad", "decoupled_weight_decay") if group.get(name)]:
                raise ValueError(f"opt has {ignored[0]}=True, which this adapter has not; leave it out")
        number = {id(p): i for i, p in enumerate(fmodel._module.parameters())}
        self._members = [[number.get(id(p)) for p in group["params"]] for group in opt.param_groups]
        if any(None in members for members in self._members):
            raise ValueError("opt holds parameters that are not the model's; make it of model.parameters()")
        held = {number[id(p)]: state for p, state in opt.state.items()}
        self._state = {i: {name: _own(one) for name, one in state.items()} for i, state in held.items()}
        self._apply(override)

    def step(
        self,
        loss: torch.Tensor,
        params: Iterable[torch.Tensor] | None = None,
        override: Override = None,
        grad_callback: Callable[[list], list] | None = None,
    ) -> list[torch.Tensor]:
        """One step down `loss`, one number; gives the weights after it, which fmodel has from now on.

        params: make these fmodel's weights first. override: as in `innerloop_ctx`, from this step on.
        grad_callback: gets the list of gradients, and gives the list to use; None stands for an unused weight.
        """
        self._apply(override)
        if params is not None:
            self._fmodel.update_params(params)
        slopes = self._fmodel._slopes(loss, create_graph=self._fmodel.track_higher_grads)
        slopes = slopes if grad_callback is None else grad_callback(slopes)
        new = list(self._fmodel.fast_params)
        for group, members in zip(self._groups, self._members, strict=True):
            for i in members:
                if slopes[i] is not None:
                    new[i] = self._rule(new[i], slopes[i], group, self._state.setdefault(i, {}))
        if not self._fmodel.track_higher_grads:
            new = [p.detach().requires_grad_(p.requires_grad) for p in new]
            self._state = {i: {name: _own(one) for name, one in state.items()} for i, state in self._state.items()}
        self._fmodel.update_params(new)
        return new

    def _apply(self, override: Override) -> None:
        for name, values in (override or {}).items():
            if len(values) not in (1, len(self._groups)):
                raise ValueError(f"override has {len(values)} values of {name}; give 1 or {len(self._groups)}")
            for number, group in enumerate(self._groups):
                if name not in group:
                    raise ValueError(f"override has {name!r}; opt has {', '.join(group)}")
                group[name] = values[number % len(values)]


def _own(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, torch.Tensor) else value


def _sgd(p: torch.Tensor, slope: torch.Tensor, group: dict, state: dict) -> torch.Tensor:
    """As torch.optim.SGD."""
    slope = slope + group["weight_decay"] * p if group["weight_decay"] else slope
    if group["momentum"]:
        before = state.get("momentum_buffer")
        moved = slope if before is None else group["momentum"] * before + (1 - group["dampening"]) * slope
        state["momentum_buffer"] = moved
        slope = slope + group["momentum"] * moved if group["nesterov"] else moved
    return p - group["lr"] * slope


def _adam(p: torch.Tensor, slope: torch.Tensor, group: dict, state: dict) -> torch.Tensor:
    """As torch.optim.Adam; `mlcourse.fast.adam` is not meant to be differentiated."""
    slope = slope + group["weight_decay"] * p if group["weight_decay"] else slope
    beta1, beta2 = group["betas"]
    state["step"] = steps = float(state.get("step", 0)) + 1
    state["exp_avg"] = first = beta1 * state.get("exp_avg", 0) + (1 - beta1) * slope
    state["exp_avg_sq"] = second = beta2 * state.get("exp_avg_sq", 0) + (1 - beta2) * slope**2
    still = second == 0  # the slope of a root at zero is infinite, and 0 * infinity is no number
    root = torch.where(still, 0.0, torch.where(still, 1.0, second).sqrt())
    scale1, scale2 = 1 - beta1**steps, math.sqrt(1 - beta2**steps)
    return p - group["lr"] / scale1 * first / (root / scale2 + group["eps"])


RULES = {torch.optim.SGD: _sgd, torch.optim.Adam: _adam}


def monkeypatch(
    module: nn.Module,
    device: None = None,
    copy_initial_weights: bool = True,
    track_higher_grads: bool = True,
) -> FunctionalModel:
    """`module` with weights that can be replaced; buffers such as running statistics are copies.

    copy_initial_weights: False lets gradients flow back to the module's own weights. track_higher_grads: False
    keeps only the last weights, and no gradient flows back through a step. device: None, or ValueError.
    """
    if device is not None:
        raise ValueError(f"device is {device!r}; move the model: model.to({str(device)!r})")
    return FunctionalModel(module, copy=copy_initial_weights, track=track_higher_grads)


@contextmanager
def innerloop_ctx(
    model: nn.Module,
    opt: torch.optim.Optimizer,
    device: None = None,
    copy_initial_weights: bool | None = None,
    override: Override = None,
    track_higher_grads: bool = True,
) -> Iterator[tuple[FunctionalModel, DifferentiableOptimizer]]:
    """`fmodel`, to be called instead of the model, and `diffopt`, whose `step(loss)` moves fmodel's weights.

    opt: SGD or Adam of the model's parameters, or of some; its state is where diffopt starts. override: by
    the name of a setting of opt a list of one value, or of one for each of its groups; tensors may want
    a gradient. The others: as in `monkeypatch`; copy_initial_weights left out is a copy, with a warning.
    """
    if copy_initial_weights is None:
        warnings.warn(COPIED, stacklevel=3)
        copy_initial_weights = True
    fmodel = monkeypatch(model, device, copy_initial_weights, track_higher_grads)
    yield fmodel, DifferentiableOptimizer(opt, fmodel, override)


patch = SimpleNamespace(monkeypatch=monkeypatch)  # so that higher.patch.monkeypatch is found
