"""The loop stepper: inner and outer steps of four methods, in function space and in parameter space.

The frames are computed by `loops.py` and put into words by `captions.py`, drawn in the browser by `stepper.js` and
as a still by `still.py`; this file is the widget that joins them.
"""

from collections.abc import Sequence
from typing import Any

import contourpy
import numpy as np
import traitlets

from mlcourse.lessons.widgets import base
from mlcourse.lessons.widgets.stepper import captions, loops, still
from mlcourse.lessons.widgets.stepper.loops import Loops, LoopState

VIEWS = ("both", "functions")
STAGES = {"loops": 3, "task": 8}  # and how many inner steps each takes unless told
SEEDS = (0, 999)
DRAWS = 3  # so many seeds travel with the widget, for a page without a kernel


class Stepper(base.Widget):
    """Step through the two loops of meta-learning on f(x) = a sin(x - p), whose theta = (a, p) is a point.

    method: the one shown first, of "maml", "first-order", "reptile" and "joint"; the reader can change it.
    inner_steps: 1 to 8; 3 unless told, 8 in a task alone. seed: 0 to 999, draws the tasks' support and query
    points; the reader can go on to the next two. stage: "loops" for both loops over three tasks, or "task" for the
    inner loop of one. view: "both", or "functions" to leave parameter space out. methods: those that the reader
    can choose. folded: begin with the panel "What is differentiated" closed.
    """

    _esm = base.script("stepper/stepper.js")
    _css = base.style()
    data = traitlets.Dict().tag(sync=True, stored=True)
    method = traitlets.Unicode().tag(sync=True, stored=True)
    seed = traitlets.Int().tag(sync=True, stored=True)
    index = traitlets.Int(0, min=0).tag(sync=True, stored=True)

    def __init__(
        self,
        method: str = "maml",
        *,
        inner_steps: int | None = None,
        seed: int = 2,
        stage: str = "loops",
        view: str = "both",
        methods: Sequence[str] = tuple(loops.METHODS),
        folded: bool = False,
    ):
        wanted = f"one or more of {', '.join(map(repr, loops.METHODS))}"
        methods = base.require_several("methods", methods, wanted)
        if not methods:
            raise ValueError(f"methods is {methods!r}; give {wanted}")
        for one in methods:
            base.require_one_of("methods", one, loops.METHODS)
        base.require_one_of("method", method, methods)
        base.require_one_of("stage", stage, STAGES)
        base.require_one_of("view", view, VIEWS)
        if stage == "task" and method != "maml":
            raise ValueError(f"method is {method!r}, but stage 'task' has no outer loop; leave method out")
        steps = STAGES[stage] if inner_steps is None else base.require_whole("inner_steps", inner_steps, 1, 8)
        base.require_whole("seed", seed, *SEEDS)
        chosen = [one for one in loops.METHODS if one in methods]
        self.draws = {one: Loops.compute(one, steps, stage, chosen) for one in range(seed, seed + DRAWS)}
        self.view, self.folded = view, folded
        super().__init__(data=self._payload(), method=method, seed=seed, index=0)

    def __repr__(self) -> str:
        return (
            f"Stepper(method={self.method!r}, inner_steps={self.loops.inner_steps}, seed={self.seed}, "
            f"stage={self.loops.stage!r}, index={self.index} of {len(self.loops) - 1})"
        )

    @property
    def loops(self) -> Loops:
        """The loops on the present seed's tasks."""
        return self.draws[base.require_one_of("seed", self.seed, self.draws)]

    @property
    def frame(self) -> LoopState:
        """The frame now shown, with its moves."""
        return LoopState(self.loops, self.method, self.index)

    @traitlets.validate("index")
    def _within(self, proposal: Any) -> int:
        return min(proposal["value"], len(self.loops) - 1)

    @traitlets.validate("method")
    def _known_method(self, proposal: Any) -> str:
        return base.require_one_of("method", proposal["value"], self.loops.runs)

    @traitlets.validate("seed")
    def _known_seed(self, proposal: Any) -> int:
        return base.require_one_of("seed", proposal["value"], self.draws)

    def describe(self) -> str:
        spaces = "function space" if self.view == "functions" else "function space and parameter space"
        words = captions.fill(captions.caption(self.frame))
        return f"Stepper, {loops.METHODS[self.method]}, {spaces}. {words}"

    def still(self) -> bytes:
        return still.draw(self.frame, self.view)

    def _payload(self) -> dict[str, Any]:
        """Everything that the script draws, as short JSON."""
        first = next(iter(self.draws.values()))
        return {
            "stage": first.stage,
            "view": self.view,
            "folded": self.folded,
            "inner": first.inner_steps,
            "outer": first.outer_steps,
            "queries": loops.N_QUERY,
            "window": {"p": loops.PHASES, "a": loops.AMPLITUDES},
            "names": {key: loops.METHODS[key] for key in first.runs},
            "sentences": captions.SENTENCES,
            "draws": {seed: draw(made) for seed, made in self.draws.items()},
        }


def draw(made: Loops) -> dict[str, Any]:
    """One seed's tasks, contours and runs; what is said at each frame as [which sentence, what fills its gaps]."""
    support = zip(made.tasks.support.x, made.tasks.support.y, made.waves, strict=True)
    frames = {key: [LoopState(made, key, index) for index in range(len(made))] for key in made.runs}
    return {
        "tasks": [{"a": a, "p": p, "x": short(x[:, 0]), "y": short(y[:, 0])} for x, y, (a, p) in support],
        "surfaces": {name: contours(values) for name, values in made.surfaces.items()},
        "runs": {
            key: {
                "theta": short(run.theta),
                "paths": short(run.paths),
                "losses": short(run.losses),
                "captions": [captions.caption(frame) for frame in frames[key]],
                "differentiated": [captions.differentiated(frame) for frame in frames[key]],
            }
            for key, run in made.runs.items()
        },
    }


def short(values: np.ndarray) -> list:
    """Numbers for the page: three decimals are finer than a pixel."""
    return np.round(values, 3).tolist()


def contours(surface: np.ndarray) -> list[dict[str, Any]]:
    """Regions below each level as SVG paths, on a window of 1000 × 1000 with its origin at the top left.

    `label` is where the level's number may stand: the line's rightmost point that is well inside the window,
    unless another number stands too near.
    """
    rows, columns = surface.shape
    x, y = np.linspace(0, 1000, columns), np.linspace(1000, 0, rows)
    generator = contourpy.contour_generator(x, y, surface, fill_type="OuterOffset")
    bands: list[dict[str, Any]] = []
    for level in loops.levels(surface):
        outlines, offsets = generator.filled(-1.0, level)
        rings = [
            ring[start:end]
            for ring, ends in zip(outlines, offsets, strict=True)
            for start, end in zip(ends[:-1], ends[1:], strict=True)
        ]
        taken = [band["label"] for band in bands if band["label"]]
        label = _label(np.concatenate(rings), taken)
        bands.append({"level": level, "path": "".join(map(_ring, rings)), "label": label})
    return bands


def _ring(points: np.ndarray) -> str:
    return "M" + "L".join(f"{x} {y}" for x, y in np.rint(points).astype(int).tolist()) + "Z"


def _label(points: np.ndarray, taken: list[list[int]]) -> list[int] | None:
    inside = points[((points > 40) & (points < 960)).all(axis=1)]
    free = [p for p in inside.tolist() if all(abs(p[0] - u) > 130 or abs(p[1] - v) > 95 for u, v in taken)]
    return np.rint(max(free)).astype(int).tolist() if free else None
