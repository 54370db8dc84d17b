"""The two loops of meta-learning on a model of two parameters: every frame of the stepper, as plain numbers.

The model is one sine, f(x) = a sin(x - p), so that theta = (a, p) lies in a plane and nothing has to be
projected or invented. Three tasks (five support points each) are learnt by four methods; every gradient is
`mlcourse.reference`'s own. No widget and no drawing here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mlcourse.reference import autograd, maml, reptile
from mlcourse.tasks import Examples, Sinusoids, Task, Waves, each, one

METHODS = {
    "maml": "MAML",
    "first-order": "First-order MAML",
    "reptile": "Reptile",
    "joint": "Joint training",
}
WAVES = Waves(amplitude=np.array([2.0, 4.0, 3.0]), phase=np.array([0.4, 1.6, 2.8]))  # the three tasks
START = {"a": 0.6, "p": 0.6}  # theta before any learning: a low curve
INNER_LR = 0.1
META_LR = 0.2
REPTILE_META_LR = 1.0  # Reptile's outer step goes a share of the way to the mean of the phi; this is all of it
OUTER_STEPS = 12
K_SHOT, N_QUERY = 5, 20
PHASES, AMPLITUDES = (-0.4, 3.4), (-0.3, 4.6)  # the window on parameter space: radians, units of y


def model(params: dict, x: np.ndarray) -> np.ndarray:
    """f(x) = a sin(x - p): a in the units of y, p in radians; x (S, 1) gives (S, 1)."""
    return params["a"] * autograd.sin(x - params["p"])


def loss(params: dict, x: np.ndarray, y: np.ndarray) -> float:
    """Mean squared error of the model, in squared units of y."""
    return autograd.mean((model(params, x) - y) ** 2)


def draw_tasks(seed: int) -> Task:
    """The three tasks, seen at random points: x and y (3, 5, 1) for support, (3, 20, 1) for query."""
    return Sinusoids(K_SHOT, N_QUERY).examples(WAVES, np.random.default_rng(seed))


def outer_step(method: str, theta: dict, tasks: Task, inner_steps: int) -> dict:
    """One step of the outer loop, from theta to the next theta."""
    if method == "reptile":
        return reptile.meta_step(
            loss, theta, tasks, inner_lr=INNER_LR, inner_steps=inner_steps, meta_lr=REPTILE_META_LR
        )
    gradient = maml.meta_gradient(
        loss,
        theta,
        tasks,
        inner_lr=INNER_LR,
        inner_steps=0 if method == "joint" else inner_steps,  # joint training is MAML without an inner loop
        first_order=method == "first-order",
    )
    return {name: theta[name] - META_LR * gradient[name] for name in theta}


def directions(method: str, theta: dict, tasks: Task, inner_steps: int) -> np.ndarray:
    """What the outer step from theta is made of: two rows (a, p), means over the tasks.

    First what goes through the copies alone, then what goes through the inner gradients, which first order leaves
    out. Reptile's first row is the mean of phi_i - theta; Reptile and joint training have no second part.
    """
    if method == "reptile":
        moved = outer_step("reptile", theta, tasks, inner_steps)
        return np.array([np.subtract(position(moved), position(theta)) / REPTILE_META_LR, (0.0, 0.0)])
    how = {"inner_lr": INNER_LR, "inner_steps": 0 if method == "joint" else inner_steps}
    through_copies = position(maml.meta_gradient(loss, theta, tasks, **how, first_order=True))
    whole = position(maml.meta_gradient(loss, theta, tasks, **how))
    return np.array([through_copies, np.subtract(whole, through_copies)])


def inner_path(theta: dict, support: Examples, inner_steps: int) -> list[dict]:
    """Where one task's copy of theta goes: `inner_steps` + 1 places; the last one is phi."""
    path = [theta]
    for _ in range(inner_steps):
        path.append(maml.adapt(loss, path[-1], support, inner_lr=INNER_LR, inner_steps=1))
    return path


@dataclass(frozen=True)
class Run:
    """What one method did: positions are (a, p); losses are means over the tasks' query points.

    theta (outer + 1, 2); paths (outer + 1, T, inner + 1, 2); losses (outer + 1, inner + 1);
    directions (outer, 2, 2): what each outer step was made of, see `directions`.
    """

    theta: np.ndarray
    paths: np.ndarray
    losses: np.ndarray
    directions: np.ndarray

    @classmethod
    def compute(cls, method: str, tasks: Task, inner_steps: int, outer_steps: int) -> "Run":
        theta, trail, paths, losses, parts = {name: np.float64(v) for name, v in START.items()}, [], [], [], []
        for step in range(outer_steps + 1):
            if step:
                parts.append(directions(method, theta, tasks, inner_steps))
                theta = outer_step(method, theta, tasks, inner_steps)
            path = [inner_path(theta, task.support, inner_steps) for task in each(tasks)]
            trail.append(position(theta))
            paths.append([[position(place) for place in places] for places in path])
            each_loss = [[loss(p, *task.query) for p in ps] for ps, task in zip(path, each(tasks), strict=True)]
            losses.append(np.mean(each_loss, axis=0))
        return cls(np.array(trail), np.array(paths), np.array(losses), np.reshape(parts, (outer_steps, 2, 2)))


def position(params: dict) -> tuple[float, float]:
    return float(params["a"]), float(params["p"])


@dataclass(frozen=True)
class Loops:
    """All methods on the same tasks. `stage` "loops" has both loops; "task" has one task's inner loop alone."""

    tasks: Task
    runs: dict[str, Run]
    inner_steps: int
    stage: str = "loops"

    @classmethod
    def compute(
        cls, seed: int, inner_steps: int, stage: str = "loops", methods: Sequence[str] = tuple(METHODS)
    ) -> "Loops":
        tasks = draw_tasks(seed)
        if stage == "task":
            tasks = Task(*(Examples(part.x[1:2], part.y[1:2]) for part in tasks))
        methods, outer_steps = (methods, OUTER_STEPS) if stage == "loops" else (["maml"], 0)
        runs = {method: Run.compute(method, tasks, inner_steps, outer_steps) for method in methods}
        return cls(tasks, runs, inner_steps, stage)

    @property
    def waves(self) -> list[tuple[float, float]]:
        """The true (a, p) of each task."""
        chosen = slice(None) if self.stage == "loops" else slice(1, 2)
        return list(zip(WAVES.amplitude[chosen].tolist(), WAVES.phase[chosen].tolist(), strict=True))

    @property
    def outer_steps(self) -> int:
        return len(next(iter(self.runs.values())).theta) - 1

    def __len__(self) -> int:
        """Number of frames: for each theta, itself and its inner steps."""
        return (self.outer_steps + 1) * (self.inner_steps + 1)

    @cached_property
    def surfaces(self) -> dict[str, np.ndarray]:
        """The real loss on the grid over parameter space, (amplitudes, phases): before and after adapting."""
        if self.stage == "task":
            return {"before": grid_loss(one(self.tasks, 0).support, self.tasks, 0)}
        return {"before": grid_loss(None, self.tasks, 0), "after": grid_loss(None, self.tasks, self.inner_steps)}


GRID = np.meshgrid(np.linspace(*AMPLITUDES, 53), np.linspace(*PHASES, 39), indexing="ij")


def grid_loss(judge: Examples | None, tasks: Task, inner_steps: int) -> np.ndarray:
    """Mean loss over the tasks at every point of the grid after `inner_steps`, judged on `judge` or on the query.

    The grid's points are adapted all at once: the sum of their losses has, for each point, that point's gradient.
    """

    def along_grid(params: dict, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return autograd.mean((params["a"] * autograd.sin(x.T - params["p"]) - y.T) ** 2, axis=1)

    def total(params: dict, x: np.ndarray, y: np.ndarray) -> float:
        return autograd.sum(along_grid(params, x, y))

    points = {name: values.reshape(-1, 1) for name, values in zip("ap", GRID, strict=True)}
    results = []
    for task in each(tasks):
        phi = maml.adapt(total, points, task.support, inner_lr=INNER_LR, inner_steps=inner_steps)
        results.append(along_grid(phi, *(judge or task.query)))
    return np.mean(results, axis=0).reshape(GRID[0].shape)


def levels(surface: np.ndarray, count: int = 7) -> list[float]:
    """Heights of contour lines, close together near the bottom; numbers that read well."""
    low, high = surface.min(), np.percentile(surface, 80)
    heights = low + (high - low) * (np.arange(1, count + 1) / count) ** 2
    return sorted({float(f"{height:.2g}") for height in heights})


@dataclass(frozen=True)
class LoopState:
    """One frame: a method and an index. Moves give a new state and stop at the ends."""

    loops: Loops
    method: str = "maml"
    index: int = 0

    @property
    def run(self) -> Run:
        """What the present method did."""
        return self.loops.runs[self.method]

    @property
    def outer(self) -> int:
        """Outer steps taken so far."""
        return self.index // (self.loops.inner_steps + 1)

    @property
    def inner(self) -> int:
        """Inner steps taken from the present theta."""
        return self.index % (self.loops.inner_steps + 1)

    @property
    def where(self) -> str:
        outer = f"outer step {self.outer} of {self.loops.outer_steps}, " if self.loops.outer_steps else ""
        return f"{outer}inner step {self.inner} of {self.loops.inner_steps}"

    def inner_step(self) -> "LoopState":
        return replace(self, index=self.index + 1) if self.inner < self.loops.inner_steps else self

    def outer_step(self) -> "LoopState":
        more = self.outer < self.loops.outer_steps
        return replace(self, index=(self.outer + 1) * (self.loops.inner_steps + 1)) if more else self

    def back(self) -> "LoopState":
        return replace(self, index=max(0, self.index - 1))

    def restart(self) -> "LoopState":
        return replace(self, index=0)
