"""Your own sinusoid: five points that the reader places, and networks that adapt to them step by step.

The browser computes everything from the weights that travel with the page (`waves.js`, `mlp.js`); here the package
computes the same for a kernel, for the still picture and for the tests.
"""

import base64
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import traitlets

from mlcourse import weights
from mlcourse.experiments import results
from mlcourse.lessons import figures, palette
from mlcourse.lessons.widgets import base
from mlcourse.reference import losses, maml, networks
from mlcourse.reference.networks import Params
from mlcourse.tasks import Examples, Waves, five_points
from mlcourse.tasks.sinusoids import AMPLITUDE, INPUT, PHASE

SIZES = (1, 40, 40, 1)
NETWORK = networks.mlp(SIZES)
LOSS = losses.squared_error(NETWORK)
METHODS = {  # each with where it starts
    "scratch": "a random start",
    "pooled": "trained on all waves at once",
    "maml": "trained to adapt in one step",
}
NAMES = {"scratch": "scratch", "pooled": "pooled", "maml": "MAML"}
STEPS = 10
RATES = (0.001, 0.003, 0.01, 0.02, 0.05)  # the reader's choice
HEIGHTS = (-6.0, 6.0)  # of the plane
GRID = np.linspace(*INPUT, 201)[:, None]  # where a whole curve is judged
SPREAD = [-4.0, -2.0, 0.0, 2.0, 4.0]
NEAR = 0.05  # so far may a point lie from a wave and be on it: less than can be seen
LARGE = 1000.0  # a loss beyond it is not worth a number
calmly = np.errstate(over="ignore", invalid="ignore")  # a rate that is too large may run away
SENTENCES = {
    "start": "Before any step the loss on the five points is {0}.",
    "step": "Gradient step {0} of {1}: the loss on the five points goes {2}.",
    "change": "from {0} to {1} for {2}",
    "level": "{0} for {1}",
    "rose": "Too long a step for {0}: that loss rose.",
    "gone": "By now {0} ran away: steps that are too long lead further and further off. Choose a smaller rate.",
    "truth": "Over the whole wave the error is now {0}.",
    "no wave": "No known wave goes through these points.",
    "prior": "MAML has met nothing but waves: look at what it draws.",
}


@cache
def start(method: str) -> Params:
    """The parameters that a method starts from, each a number that float32 holds: a page carries them exactly."""
    if method == "scratch":
        drawn = NETWORK.init(np.random.default_rng(0))
        return {name: value.astype(np.float32).astype(np.float64) for name, value in drawn.items()}
    stored = weights.load(f"sinusoid_{method}")
    weights.require_network(
        f"sinusoid_{method}", stored, {name: value.shape for name, value in start("scratch").items()}
    )
    return stored


@cache
def tuned_rates() -> dict[str, float]:
    """The rate that did best after ten steps on meta-validation waves; MAML's is the one it was trained with."""
    table, chosen = results.load("sinusoid"), {"scratch": "from scratch", "pooled": "pooled, fine-tuned"}
    try:
        sweeps, settings = table["details"]["sweeps"], table["details"]["settings"]
        best = {method: sweeps[row]["chosen"]["10 steps"]["inner_lr"] for method, row in chosen.items()}
        return best | {"maml": settings["inner_lr"]}
    except (KeyError, TypeError) as error:
        raise base.table_lacks("sinusoid", error) from error


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


class OwnWave(base.Widget):
    """Five points that can be dragged, and networks from three starting places that adapt to them.

    methods: those of "scratch", "pooled" and "maml" that are shown, in this order.
    The kernel sees `points` [[x, y], ...], `step` (0 to 10), `rates` {method: inner_lr}, `wave` [amplitude, phase]
    ([] for none) and whether it is `revealed`. `adapted`, `curves`, `losses` and `errors` are computed by the
    package, at the present step unless another one is given.
    """

    _esm = base.script("waves/waves.js")
    _css = base.style()
    data = traitlets.Dict().tag(sync=True, stored=True)
    points = traitlets.List().tag(sync=True, stored=True)
    wave = traitlets.List().tag(sync=True, stored=True)
    revealed = traitlets.Bool(False).tag(sync=True, stored=True)
    rates = traitlets.Dict().tag(sync=True, stored=True)
    step = traitlets.Int(0).tag(sync=True, stored=True)

    def __init__(self, methods: Sequence[str] = tuple(METHODS)):
        wanted = f"one to three of {tuple(METHODS)}"
        several = base.require_several("methods", methods, wanted)
        self.methods = tuple(base.require_one_of("methods", method, METHODS) for method in several)
        if not self.methods or len(set(self.methods)) < len(self.methods):
            raise ValueError(f"methods is {self.methods}; give one to three different ones of {tuple(METHODS)}")
        first = presets()[0]
        rates = {method: tuned_rates()[method] for method in self.methods}
        super().__init__(data=self._payload(), points=first["points"], wave=first["wave"], rates=rates)

    def __repr__(self) -> str:
        return f"OwnWave(methods={self.methods!r}, step={self.step} of {STEPS}, rates={self.rates!r})"

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

    @traitlets.validate("rates")
    def _known_rates(self, proposal: Any) -> dict:
        if set(proposal["value"]) != set(self.methods):
            raise base.StateError(f"rates is {proposal['value']!r}; give one for each of {self.methods}")
        return {m: base.require_one_of(f"rates[{m!r}]", proposal["value"][m], RATES) for m in self.methods}

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
            method: maml.adapt(LOSS, start(method), self.support, inner_lr=rate, inner_steps=inner_steps)
            for method, rate in self.rates.items()
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

    def caption(self, step: int | None = None) -> str:
        """What happened at a step, as the page says it."""
        step, now = self.step if step is None else step, self.losses(step)
        said = _descent(step, self.losses(step - 1), now) if step else [SENTENCES["start"].format(_levels(now))]
        if self.truth is None:
            said += [SENTENCES["no wave"], *([SENTENCES["prior"]] if now.get("maml", LARGE) < LARGE else [])]
        elif self.revealed:
            said += [SENTENCES["truth"].format(_levels(self.errors(step)))]
        return " ".join(said)

    def describe(self) -> str:
        names = base.listed([NAMES[method] for method in self.methods])
        return f"Your own sinusoid: five points, and the curves of {names}. {self.caption(self._pictured)}"

    @property
    def _pictured(self) -> int:
        """The step of the still picture: it shows what a step does, so at least the first one."""
        return max(1, self.step)

    def still(self) -> bytes:
        from matplotlib.figure import Figure

        curves, ends = self.curves(self._pictured), []
        with figures.style():
            picture = Figure(figsize=(5.6, 3.6), dpi=90)
            axes = picture.subplots()
            axes.set(xlim=INPUT, ylim=HEIGHTS, xlabel="x", ylabel="y")
            axes.set_title(f"after {self._pictured} gradient step{'s' * (self._pictured > 1)}; thin: before any")
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

    def _payload(self) -> dict[str, Any]:
        """What the page needs beside its state: the starting places, and all that is said and offered."""
        return {
            "starts": {method: {"sizes": SIZES, "numbers": _packed(start(method))} for method in self.methods},
            "names": {method: NAMES[method] for method in self.methods},
            "about": {method: METHODS[method] for method in self.methods},
            "tuned": {method: tuned_rates()[method] for method in self.methods},
            "rates": RATES,
            "steps": STEPS,
            "window": {"x": INPUT, "y": HEIGHTS},
            "family": {"amplitude": AMPLITUDE, "phase": PHASE},
            "near": NEAR,
            "large": LARGE,
            "presets": presets(),
            "sentences": SENTENCES,
        }


def _packed(params: Params) -> str:
    """Parameters as `mlp.js` reads them: float32 in base64, for each layer its weights, then its biases."""
    order = [f"{name}{layer}" for layer in range(len(SIZES) - 1) for name in "wb"]
    numbers = np.concatenate([params[name].ravel() for name in order])
    return base64.b64encode(numbers.astype("<f4").tobytes()).decode()


def _descent(step: int, before: dict[str, float], now: dict[str, float]) -> list[str]:
    """What one step did to each loss, and to whom it did harm."""
    change, names = SENTENCES["change"], {method: NAMES[method] for method in now}
    pairs = [change.format(_amount(before[m]), _amount(now[m]), name) for m, name in names.items()]
    gone = [name for m, name in names.items() if not now[m] < LARGE]  # not a number counts, too
    rose = [name for m, name in names.items() if before[m] < now[m] < LARGE]
    said = [SENTENCES["step"].format(step, STEPS, base.listed(pairs))]
    return said + [
        SENTENCES[key].format(base.listed(some)) for key, some in (("rose", rose), ("gone", gone)) if some
    ]


def _levels(values: dict[str, float]) -> str:
    return base.listed(
        [SENTENCES["level"].format(_amount(value), NAMES[method]) for method, value in values.items()]
    )


def _amount(value: float) -> str:
    return f"{value:.2f}" if value < LARGE else f"over {LARGE:,.0f}"
