"""The landscape playground: drag theta and the tasks' minima, and see where five methods go and come to rest.

`quadratics.py` computes what it shows, `quadratics.js` the same in the browser from closed forms; `landscape.js`
draws it there. This file is the widget that joins them, with its words and its still.
"""

import math
from copy import deepcopy
from typing import Any

import numpy as np
import traitlets

from mlcourse.lessons import palette
from mlcourse.lessons.widgets import base
from mlcourse.lessons.widgets.landscape import quadratics
from mlcourse.lessons.widgets.landscape.quadratics import METHODS, PRESETS, WINDOW, Preset, Scene

RATES = (0.005, 0.15)  # inner_lr
STEPS = (1, 8)  # inner_steps
LAMBDAS = (0.1, 100.0)
OWN_LEVELS = (1, 4)  # each task's own loss along its two ellipses
SHORT = dict(zip(METHODS, ("MAML", "first order", "Reptile", "joint", "implicit"), strict=True))

# What the caption is made of; the browser fills the same gaps
SENTENCES = {
    "place": "θ at ({0}, {1}): mean loss {2}, after {3} {4}.",
    "rests": "{0} rests here.",
    "diverges": (
        "The inner steps overshoot: inner_lr times the steepest curvature is {0}, above 2, so that each step ends "
        "farther from the minimum than it began."
    ),
    "jumps": (
        "In the steepest task an inner step jumps across the bottom: inner_lr times its curvature is {0}, above 1."
    ),
    "away": "No place of rest, θ walks away: {0}.",
    "line": "A line of places to rest, not one: {0}.",
    "same": "All five methods come to rest at one place.",
    "apart": (
        "At their places of rest the mean loss after adapting is {0} for MAML, {1} for first-order MAML and {2} "
        "for joint training."
    ),
}


class Landscape(base.Widget):
    """Two or three tasks whose losses are exact bowls over theta = (w1, w2), and the arrows of five methods.

    preset: which tasks it begins with, of "alike", "one steep" and "crossed"; the reader can change it.
    inner_lr (0.005 to 0.15) and inner_steps (1 to 8): how every task's copy of theta adapts.
    """

    _esm = base.script("landscape/landscape.js")
    _css = base.style()
    data = traitlets.Dict().tag(sync=True, stored=True)
    preset = traitlets.Unicode().tag(sync=True, stored=True)
    minima = traitlets.List(traitlets.List(traitlets.Float())).tag(sync=True, stored=True)
    theta = traitlets.List(traitlets.Float()).tag(sync=True, stored=True)
    inner_lr = traitlets.Float().tag(sync=True, stored=True)
    inner_steps = traitlets.Int().tag(sync=True, stored=True)
    lam = traitlets.Float().tag(sync=True, stored=True)
    method = traitlets.Unicode("maml").tag(sync=True, stored=True)

    def __init__(
        self,
        preset: str = "one steep",
        *,
        inner_lr: float = quadratics.INNER_LR,
        inner_steps: int = quadratics.INNER_STEPS,
    ):
        begin = PRESETS[base.require_one_of("preset", preset, PRESETS)]
        base.require_whole("inner_steps", inner_steps, *STEPS)
        super().__init__(
            data=_payload(inner_lr, inner_steps),
            preset=preset,
            minima=begin.minima,
            theta=begin.theta,
            inner_lr=inner_lr,
            inner_steps=inner_steps,
            lam=quadratics.LAM,
        )
        self.observe(self._begin, "preset")

    def __repr__(self) -> str:
        place = ", ".join(f"{weight:.2f}" for weight in self.theta)
        return (
            f"Landscape(preset={self.preset!r}, inner_lr={self.inner_lr:g}, inner_steps={self.inner_steps}, "
            f"lam={self.lam:g}, theta=({place}), method={self.method!r})"
        )

    @property
    def tasks(self) -> Preset:
        """The preset, whose inputs the tasks have: where they begin."""
        return PRESETS[base.require_one_of("preset", self.preset, PRESETS)]

    @property
    def scene(self) -> Scene:
        """What is now shown, as numbers."""
        inputs = np.array(self.tasks.inputs)
        return Scene(
            inputs, np.array(self.minima), np.array(self.theta), self.inner_lr, self.inner_steps, self.lam
        )

    def directions(self) -> dict[str, np.ndarray]:
        """Where each method moves theta, (2,): minus its meta-gradient; for Reptile the mean of phi_i - theta."""
        return self.scene.directions()

    def _begin(self, _: Any) -> None:
        self.minima, self.theta = self.tasks.minima, self.tasks.theta

    @traitlets.validate("preset")
    def _known_preset(self, proposal: Any) -> str:
        return base.require_one_of("preset", proposal["value"], PRESETS)

    @traitlets.validate("method")
    def _known_method(self, proposal: Any) -> str:
        return base.require_one_of("method", proposal["value"], METHODS)

    @traitlets.validate("theta")
    def _one_place(self, proposal: Any) -> list[float]:
        return _require_places("theta", proposal["value"], (2,))

    @traitlets.validate("minima")
    def _one_place_a_task(self, proposal: Any) -> list[list[float]]:
        return _require_places("minima", proposal["value"], (len(self.tasks.inputs), 2))

    @traitlets.validate("inner_steps")
    def _few_steps(self, proposal: Any) -> int:
        return base.require_whole("inner_steps", proposal["value"], *STEPS)

    @traitlets.validate("inner_lr", "lam")
    def _within(self, proposal: Any) -> float:
        low, high = {"inner_lr": RATES, "lam": LAMBDAS}[proposal["trait"].name]
        if not low <= proposal["value"] <= high:
            name = proposal["trait"].name
            raise base.StateError(f"{name} is {proposal['value']!r}; give a number from {low:g} to {high:g}")
        return proposal["value"]

    def describe(self) -> str:
        return f"Landscape playground, {self.tasks.title}. {caption(self.scene, self.method)}"

    def still(self) -> bytes:
        return draw(self.scene, self.method)


def _require_places(name: str, value: list, shape: tuple[int, ...]) -> list:
    low, high = WINDOW
    places = base.as_numbers(value, shape)
    if places is None or not ((low <= places) & (places <= high)).all():
        raise base.StateError(f"{name} is {value!r}; give numbers from {low:g} to {high:g}, of shape {shape}")
    return value


def _payload(inner_lr: float, inner_steps: int) -> dict[str, Any]:
    """What the script needs and never changes."""
    return {
        "presets": deepcopy({key: preset._asdict() for key, preset in PRESETS.items()}),
        "begin": {"inner_lr": inner_lr, "inner_steps": inner_steps, "lam": quadratics.LAM},
        "limits": {"inner_lr": RATES, "inner_steps": STEPS, "lam": LAMBDAS},
        "names": METHODS,
        "short": SHORT,
        "window": WINDOW,
        "levels": OWN_LEVELS,
        "sentences": SENTENCES,
    }


# --- words -------------------------------------------------------------------------------------------------


def caption(scene: Scene, method: str) -> str:
    """Where theta stands and what follows; `sentence` in landscape.js says the same."""

    def say(key: str, *figures: Any) -> str:
        return SENTENCES[key].format(*(one if isinstance(one, str) else number(one) for one in figures))

    steps = "one inner step" if scene.inner_steps == 1 else f"{scene.inner_steps} inner steps"
    place = say("place", *scene.theta, scene.loss_at(scene.theta), steps, scene.loss_after(scene.theta))
    if scene.overshoot > 2:
        return f"{place} {say('diverges', scene.overshoot)}"
    said, rests = [place], {key: scene.rest(key) for key in METHODS}
    if rests[method] is not None and math.dist(rests[method], scene.theta) < quadratics.SETTLED:
        said.append(say("rests", METHODS[method]))
    if scene.overshoot > 1:
        said.append(say("jumps", scene.overshoot))
    holds = {key: scene.hold(key) for key in METHODS}
    away = [METHODS[key] for key, hold in holds.items() if hold < -quadratics.SINGULAR]
    line = [METHODS[key] for key, hold in holds.items() if abs(hold) <= quadratics.SINGULAR]
    said += [say(key, ", ".join(names)) for key, names in (("away", away), ("line", line)) if names]
    if not away and not line:
        apart = max(math.dist(place, rests["maml"]) for place in rests.values()) > quadratics.SETTLED
        losses = [scene.loss_after(rests[key]) for key in ("maml", "first-order", "joint")]
        said.append(say("apart", *losses) if apart else say("same"))
    return " ".join(said)


def number(value: float) -> str:
    """Two decimals, with a real minus sign; nothing that would not fit in a table."""
    if abs(value) > 999:
        return "> 999" if value > 0 else "< −999"
    return base.fixed(value)


# --- the still ---------------------------------------------------------------------------------------------


def draw(scene: Scene, method: str) -> bytes:
    """The plane as a PNG of 64 colours: bowls, adapted copies, arrows all of one length, places of rest."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.4, 4.2), dpi=80, layout="constrained")
    axes, ink = figure.subplots(), palette.LIGHT["ink"]
    for number_, (minimum, path) in enumerate(zip(scene.minima, scene.paths(method), strict=True)):
        colour = palette.TASKS[number_]
        for level in OWN_LEVELS:
            axes.plot(*ellipse(scene.curvatures[number_], minimum, level), color=colour, linewidth=1, alpha=0.5)
        axes.plot(*path.T, ".-", color=colour, linewidth=1.5)
        axes.plot(*minimum, "*", color=colour, markersize=13)
        axes.annotate(str(number_ + 1), minimum, xytext=(8, -4), textcoords="offset points", color=colour)
    for key, direction in scene.directions().items():
        if np.linalg.norm(direction) > quadratics.SETTLED:
            end = scene.theta + direction / np.linalg.norm(direction)
            look = {"arrowstyle": "-|>", "color": ink, "linewidth": 2.5 if key == method else 1}
            axes.annotate("", end, scene.theta, arrowprops=look, annotation_clip=True)
    for place, names in resting(scene).items():
        axes.plot(*place, "o", markeredgecolor=ink, markerfacecolor="white")
        axes.annotate(", ".join(names), place, xytext=(6, 5), textcoords="offset points", fontsize=8, clip_on=True)
    axes.plot(*scene.theta, "o", color=ink, markersize=8)
    axes.set(xlabel="weight w₁", ylabel="weight w₂", xlim=WINDOW, ylim=WINDOW, aspect="equal")
    axes.spines[["top", "right"]].set_visible(False)
    return base.to_png(figure)


def resting(scene: Scene) -> dict[tuple[float, float], list[str]]:
    """The places of rest, to two decimals, and which methods share each."""
    places: dict[tuple[float, float], list[str]] = {}
    for key in METHODS:
        place = scene.rest(key)
        if place is not None:
            places.setdefault(tuple(np.round(place, 2).tolist()), []).append(SHORT[key])
    return places


def ellipse(curvature: np.ndarray, centre: np.ndarray, level: float) -> np.ndarray:
    """Where (w - centre)ᵀ curvature (w - centre) / 2 is `level`, as (2, 73)."""
    strengths, axes = np.linalg.eigh(curvature)
    turn = np.linspace(0, 2 * np.pi, 73)
    return centre[:, None] + axes @ (np.sqrt(2 * level / strengths)[:, None] * [np.cos(turn), np.sin(turn)])
