"""Five points in a plane, the wave behind them, and the small network that adapts to them from several places.

What `OwnWave` and `MetaTrain` share. The browser computes everything from the weights that travel with the page
(`plane.js`, `mlp.js`); here the package computes the same for a kernel, for the still picture and for the tests.
"""

import base64
from functools import cache
from typing import Any

import numpy as np
import traitlets

from mlcourse.lessons import figures, palette
from mlcourse.lessons.widgets import base
from mlcourse.reference import losses, maml, networks
from mlcourse.reference.networks import Params
from mlcourse.tasks import Examples, Waves, five_points
from mlcourse.tasks.sinusoids import AMPLITUDE, INPUT, PHASE

SIZES = (1, 40, 40, 1)
NETWORK = networks.mlp(SIZES)
LOSS = losses.squared_error(NETWORK)
NAMES = {"scratch": "scratch", "pooled": "pooled", "maml": "MAML"}
STEPS = 10
HEIGHTS = (-6.0, 6.0)  # of the plane
GRID = np.linspace(*INPUT, 201)[:, None]  # where a whole curve is judged
SPREAD = [-4.0, -2.0, 0.0, 2.0, 4.0]
NEAR = 0.05  # so far may a point lie from a wave and be on it: less than can be seen
LARGE = 1000.0  # a loss beyond it is not worth a number
calmly = np.errstate(over="ignore", invalid="ignore")  # a rate that is too large may run away


@cache
def untrained(seed: int) -> Params:
    """The network as it is drawn, each parameter a number that float32 holds: a page carries them exactly."""
    drawn = NETWORK.init(np.random.default_rng(seed))
    return {name: value.astype(np.float32).astype(np.float64) for name, value in drawn.items()}


def packed(params: Params) -> dict[str, Any]:
    """Parameters as `mlp.js` reads them: float32 in base64, for each layer its weights, then its biases."""
    order = [f"{name}{layer}" for layer in range(len(SIZES) - 1) for name in "wb"]
    numbers = np.concatenate([params[name].ravel() for name in order])
    return {"sizes": SIZES, "numbers": base64.b64encode(numbers.astype("<f4").tobytes()).decode()}


def presets() -> list[dict[str, Any]]:
    """Points to begin with: name, points [[x, y], ...], and the wave [amplitude, phase] behind them, or []."""
    task, wave = five_points()
    course = np.hstack(task.support).tolist()
    line, zigzag = [[x, 0.75 * x] for x in SPREAD], [[x, 2.0 * (-1) ** k] for k, x in enumerate(SPREAD)]
    return [
        {"name": "The course's wave", "points": course, "wave": [float(value[0]) for value in wave]},
        {"name": "A straight line", "points": line, "wave": []},
        {"name": "A zigzag", "points": zigzag, "wave": []},
    ]


def plane_payload() -> dict[str, Any]:
    """What `plane.js` needs: how far the plane reaches, which waves there are, what is offered."""
    return {
        "steps": STEPS,
        "window": {"x": INPUT, "y": HEIGHTS},
        "family": {"amplitude": AMPLITUDE, "phase": PHASE},
        "near": NEAR,
        "large": LARGE,
        "presets": presets(),
    }


def amount(value: float) -> str:
    """A loss in words."""
    return f"{value:.2f}" if value < LARGE else f"over {LARGE:,.0f}"


class FivePoints(base.Widget):
    """Five points that can be dragged, and networks that adapt to them from several starting places.

    A subclass gives `starts`. The kernel sees `points` [[x, y], ...], `step` (0 to 10), `wave` [amplitude, phase]
    ([] for none) and whether it is `revealed`. `adapted`, `curves`, `losses` and `errors` are computed by the
    package, at the present step unless another one is given.
    """

    data = traitlets.Dict().tag(sync=True, stored=True)
    points = traitlets.List().tag(sync=True, stored=True)
    wave = traitlets.List().tag(sync=True, stored=True)
    revealed = traitlets.Bool(False).tag(sync=True, stored=True)
    step = traitlets.Int(0).tag(sync=True, stored=True)

    def starts(self) -> dict[str, tuple[Params, float]]:
        """For each method the parameters that it starts from, and its rate."""
        raise NotImplementedError

    @traitlets.validate("points")
    def _five_points(self, proposal: Any) -> list:
        points, (left, right), (low, high) = proposal["value"], INPUT, HEIGHTS
        places = base.as_numbers(points, (5, 2))
        if places is None or not all(left <= x <= right and low <= y <= high for x, y in places):
            wanted = f"five pairs [x, y], x from {left:g} to {right:g}, y from {low:g} to {high:g}"
            raise base.StateError(f"points is {points!r}; give {wanted}")
        return places.tolist()

    @traitlets.validate("wave")
    def _amplitude_and_phase(self, proposal: Any) -> list:
        wave = proposal["value"]
        numbers = base.as_numbers(wave, (2,))
        if wave and numbers is None:
            raise base.StateError(f"wave is {wave!r}; give two numbers, [amplitude, phase], or [] for none")
        return numbers.tolist() if wave else []

    @traitlets.validate("step")
    def _within(self, proposal: Any) -> int:
        return base.require_whole("step", proposal["value"], 0, STEPS)

    @property
    def support(self) -> Examples:
        """The five points, x and y (5, 1)."""
        points = np.array(self.points)
        return Examples(points[:, :1], points[:, 1:])

    @property
    def truth(self) -> Waves | None:
        """The wave behind the points, None when they do not all lie on it."""
        if not self.wave:
            return None
        wave = Waves(*(np.array([value]) for value in self.wave))
        return wave if np.abs(wave(self.support.x)[0] - self.support.y).max() < NEAR else None

    @calmly
    def adapted(self, step: int | None = None) -> dict[str, Params]:
        """Each method's parameters after `step` gradient steps on the five points."""
        inner_steps = self.step if step is None else base.require_whole("step", step, 0, STEPS)
        return {
            method: maml.adapt(LOSS, start, self.support, inner_lr=rate, inner_steps=inner_steps)
            for method, (start, rate) in self.starts().items()
        }

    @calmly
    def curves(self, step: int | None = None) -> dict[str, np.ndarray]:
        """What each method draws, on `GRID`: (201, 1)."""
        return {method: NETWORK.apply(params, GRID) for method, params in self.adapted(step).items()}

    @calmly
    def losses(self, step: int | None = None) -> dict[str, float]:
        """Each method's mean squared error on the five points."""
        return {method: float(LOSS(params, *self.support)) for method, params in self.adapted(step).items()}

    @calmly
    def errors(self, step: int | None = None) -> dict[str, float] | None:
        """Each method's mean squared error on the whole wave, on `GRID`; None when no wave is known."""
        if self.truth is None:
            return None
        values = self.truth(GRID)[0]
        return {method: float(np.mean((curve - values) ** 2)) for method, curve in self.curves(step).items()}

    def picture(self, step: int, title: str) -> bytes:
        """The plane at a step as a PNG: thin the curves before any step, thick those after it."""
        from matplotlib.figure import Figure

        curves, ends = self.curves(step), []
        with figures.style():
            picture = Figure(figsize=(5.6, 3.6), dpi=90)
            axes = picture.subplots()
            axes.set(xlim=INPUT, ylim=HEIGHTS, xlabel="x", ylabel="y")
            axes.set_title(title)
            if self.revealed and self.truth is not None:
                axes.plot(GRID, self.truth(GRID)[0], color=figures.TRUTH, linewidth=4)
            for method, before in self.curves(0).items():
                (colour, line), now = figures.look(method), np.nan_to_num(curves[method], nan=2 * HEIGHTS[1])
                now = np.clip(now, *(2 * height for height in HEIGHTS))  # what ran away leaves the picture
                axes.plot(GRID, before, line, color=colour, linewidth=1, alpha=0.5)
                axes.plot(GRID, now, line, color=colour, linewidth=2.5)
                ends.append((INPUT[1], now[-1, 0], NAMES[method], colour))
            axes.scatter(*self.support, s=64, color=palette.LIGHT["ink"], edgecolors="white", zorder=3)
            figures.name_ends(axes, ends)
        return base.to_png(picture)
