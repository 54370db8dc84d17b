"""Tasks of two weights whose losses are exact bowls, and what five methods do there, by the package's gradients.

The model is f(x) = w1 x1 + w2 x2, so that theta = (w1, w2) is a point of the plane and nothing has to be projected
or invented. A task's inputs give its bowl a shape, its true weights are the bottom; there is no noise, and query
and support are the same points. `quadratics.js` gets the same from closed forms. No widget and no drawing here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from mlcourse.lessons.widgets.stepper import loops
from mlcourse.reference import autograd, maml, reptile
from mlcourse.reference.autograd import grad
from mlcourse.reference.networks import Params
from mlcourse.tasks import Examples, Task, each

METHODS = loops.METHODS | {"implicit": "Implicit MAML"}
WINDOW = (-3.0, 3.0)  # of both weights
SETTLED = 1e-6  # nearer than this, two places are one
SINGULAR = 1e-6  # of the strongest pull: less than this is none


def loss(params: Params, x: np.ndarray, y: np.ndarray) -> float:
    """Mean squared error of f; params["w"] (2, 1), x (S, 2), y (S, 1)."""
    return autograd.mean((x @ params["w"] - y) ** 2)


def hessian(loss: Callable, params: Params, examples: Examples) -> np.ndarray:
    """How the gradient with respect to params["w"] changes along each weight, (2, 2)."""

    def slope(params: Params, along: np.ndarray) -> float:
        return autograd.sum(grad(loss)(params, *examples)["w"] * along)

    return np.hstack([grad(slope)(params, along)["w"] for along in np.eye(2)[:, :, None]])


def proximal_adapt(loss: Callable, params: Params, support: Examples, *, lam: float) -> Params:
    """The phi that minimises loss(phi, support) + lam / 2 |phi - theta|^2: exact for a quadratic loss, (2, 1).

    There the gradient of this sum is zero after one Newton step from theta.
    """
    curvature = hessian(loss, params, support) + lam * np.eye(2)
    return {"w": params["w"] - np.linalg.solve(curvature, grad(loss)(params, *support)["w"])}


def implicit_gradient(loss: Callable, params: Params, tasks: Task, *, lam: float) -> Params:
    """The meta-gradient of implicit MAML (Rajeswaran et al. 2019, lemma 1), exact for a quadratic loss.

    d phi / d theta = (I + H / lam)^-1, with H the Hessian of the support loss at phi, whatever way led to phi: no
    inner step is gone back through. The gradient is the mean over tasks of this times the query gradient at phi.
    """
    gradients = []
    for task in each(tasks):
        phi = proximal_adapt(loss, params, task.support, lam=lam)
        inverse = np.eye(2) + hessian(loss, phi, task.support) / lam  # of d phi / d theta, which is symmetric
        gradients.append(np.linalg.solve(inverse, grad(loss)(phi, *task.query)["w"]))
    return {"w": np.mean(gradients, axis=0)}


@dataclass(frozen=True)
class Scene:
    """Where theta and the tasks' minima stand and how the methods are set: all else follows.

    inputs (T, S, 2); minima (T, 2), each task's true weights; theta (2,); lam: implicit MAML's lambda.
    """

    inputs: np.ndarray
    minima: np.ndarray
    theta: np.ndarray
    inner_lr: float
    inner_steps: int
    lam: float

    @cached_property
    def tasks(self) -> Task:
        """x (T, S, 2) and y (T, S, 1); query and support are the same."""
        examples = Examples(self.inputs, self.inputs @ self.minima[:, :, None])
        return Task(examples, examples)

    @cached_property
    def curvatures(self) -> np.ndarray:
        """Each task's Hessian, (T, 2, 2)."""
        return np.stack([hessian(loss, _params(self.theta), task.support) for task in each(self.tasks)])

    @property
    def overshoot(self) -> float:
        """inner_lr times the steepest curvature: above 1 a step jumps across the bottom, above 2 it diverges."""
        return self.inner_lr * float(np.linalg.eigvalsh(self.curvatures).max())

    def direction(self, method: str, theta: np.ndarray | None = None) -> np.ndarray:
        """Where `method` moves theta, (2,): minus its meta-gradient; for Reptile the mean of phi_i - theta."""
        params = _params(self.theta if theta is None else theta)
        how = {"inner_lr": self.inner_lr, "inner_steps": self.inner_steps}
        if method == "reptile":
            return (reptile.meta_step(loss, params, self.tasks, **how, meta_lr=1.0)["w"] - params["w"])[:, 0]
        if method == "implicit":
            return -implicit_gradient(loss, params, self.tasks, lam=self.lam)["w"][:, 0]
        if method == "joint":
            how["inner_steps"] = 0  # joint training is MAML without an inner loop
        first_order = method == "first-order"
        return -maml.meta_gradient(loss, params, self.tasks, **how, first_order=first_order)["w"][:, 0]

    def directions(self) -> dict[str, np.ndarray]:
        """Where each method moves theta from where it stands."""
        return {method: self.direction(method) for method in METHODS}

    def pull(self, method: str) -> tuple[np.ndarray, np.ndarray]:
        """(start, matrix), (2,) and (2, 2), for which direction(theta) = start - matrix @ theta.

        The direction is affine in theta, so its values at three places tell. The matrix is symmetric, a mean of
        functions of the tasks' Hessians.
        """
        start = self.direction(method, np.zeros(2))
        return start, np.stack([start - self.direction(method, along) for along in np.eye(2)], axis=1)

    def hold(self, method: str) -> float:
        """How `method` holds theta where its direction is zero: its weakest pull as a share of its strongest.

        Below zero it pushes theta away; at zero there is a line of such places, not one.
        """
        strengths = np.linalg.eigvalsh(self.pull(method)[1])
        return float(strengths.min() / np.abs(strengths).max())

    def rest(self, method: str) -> np.ndarray | None:
        """The one place (2,) where `method` comes to rest, or None if it holds theta nowhere or along a line."""
        start, matrix = self.pull(method)
        return np.linalg.solve(matrix, start) if self.hold(method) > SINGULAR else None

    def loss_at(self, theta: np.ndarray) -> float:
        """Mean loss with no adapting."""
        return self.loss_after(theta, inner_steps=0)

    def loss_after(self, theta: np.ndarray, inner_steps: int | None = None) -> float:
        """Mean loss after adapting from theta by gradient descent: the judge of every method alike."""
        steps = self.inner_steps if inner_steps is None else inner_steps
        return float(maml.meta_loss(loss, _params(theta), self.tasks, inner_lr=self.inner_lr, inner_steps=steps))

    def paths(self, method: str) -> np.ndarray:
        """Where each task's copy of theta goes, (T, inner_steps + 1, 2); implicit MAML's: straight, (T, 2, 2)."""
        start, support = _params(self.theta), [task.support for task in each(self.tasks)]
        if method == "implicit":
            ends = [[start, proximal_adapt(loss, start, examples, lam=self.lam)] for examples in support]
        else:
            ends = [
                [maml.adapt(loss, start, examples, inner_lr=self.inner_lr, inner_steps=n) for n in self._counts]
                for examples in support
            ]
        return np.array([[place["w"][:, 0] for place in path] for path in ends])

    @property
    def _counts(self) -> range:
        return range(self.inner_steps + 1)


def _params(theta: np.ndarray) -> Params:
    return {"w": np.asarray(theta, dtype=float)[:, None]}


class Preset(NamedTuple):
    """A scene to begin with. inputs (T, S, 2), theta (2,) and minima (T, 2) as plain lists."""

    title: str
    inputs: list
    minima: list
    theta: list


def _four(x1: float, x2: float, across: float) -> list[list[float]]:
    """Four inputs: (x1, x2), and `across` times as long at right angles to it, both with their opposites.

    The curvatures are the squares of the two lengths.
    """
    u, v = (x1, x2), (-across * x2, across * x1)
    return [[round(sign * value, 6) for value in point] for point in (u, v) for sign in (1, -1)]


PRESETS = {
    "alike": Preset(  # curvatures 16.2 and 1.8 in each task
        "alike", [_four(3.6, 1.8, 1 / 3)] * 3, [[-2.0, 0.4], [0.3, -1.5], [1.8, 1.6]], [-1.6, 1.6]
    ),
    "one steep": Preset(  # notebook 06's two tasks with one more weight: curvature 2, and 18
        "one flat, one steep", [_four(1, 1, 1), _four(3, 3, 1)], [[-1.5, -1.0], [1.5, 1.0]], [-0.9, 1.7]
    ),
    "crossed": Preset(  # 18 across each valley, 2 along it
        "crossed valleys", [_four(1, 1, 3), _four(1, -1, 3)], [[-2.0, 0.0], [2.0, 0.0]], [1.3, 0.7]
    ),
}
INNER_LR, INNER_STEPS, LAM = 0.05, 1, 2.0  # what every preset begins with
