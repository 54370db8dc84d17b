"""The stepper's present frame as a picture, for pages where no script runs."""

import numpy as np

from mlcourse.lessons import palette
from mlcourse.lessons.widgets import base
from mlcourse.lessons.widgets.stepper import loops

X = np.linspace(-5, 5, 201)


def draw(frame: loops.LoopState, view: str) -> bytes:
    """The frame as a PNG of 64 colours, about 25 kB: function space, and parameter space beside it."""
    from matplotlib.figure import Figure

    spaces = [_functions] if view == "functions" else [_functions, _parameters]
    figure = Figure(figsize=(4.2 * len(spaces), 3.7), dpi=90, layout="constrained")
    for axes, space in zip(figure.subplots(1, len(spaces), squeeze=False)[0], spaces, strict=True):
        space(axes, frame)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{loops.METHODS[frame.method]}, {frame.where}" if frame.loops.outer_steps else frame.where)
    return base.to_png(figure)


def _functions(axes, frame: loops.LoopState) -> None:
    run = frame.loops.runs[frame.method]
    places = run.paths[frame.outer, :, frame.inner]
    for number, ((a, p), place) in enumerate(zip(frame.loops.waves, places, strict=True)):
        colour, support = palette.TASKS[number], frame.loops.tasks.support
        axes.plot(X, a * np.sin(X - p), "--", color=colour, linewidth=1, alpha=0.6)
        axes.plot(support.x[number, :, 0], support.y[number, :, 0], "o", color=colour, markersize=5)
        if frame.inner:
            axes.plot(X, place[0] * np.sin(X - place[1]), color=colour, linewidth=2)
    a, p = run.theta[frame.outer]
    axes.plot(X, a * np.sin(X - p), color=palette.LIGHT["ink"], linewidth=2.5)
    axes.set(title="Function space", xlabel="x", ylabel="y", xlim=(-5, 5), ylim=(-4.8, 4.8))


def _parameters(axes, frame: loops.LoopState) -> None:
    run, ink = frame.loops.runs[frame.method], palette.LIGHT["ink"]
    surface = frame.loops.surfaces["before"]
    amplitudes, phases = loops.GRID
    axes.contour(phases, amplitudes, surface, loops.levels(surface), colors=palette.LIGHT["line"], linewidths=1)
    for number, (a, p) in enumerate(frame.loops.waves):
        path = run.paths[frame.outer, number, : frame.inner + 1]
        axes.plot(path[:, 1], path[:, 0], ".-", color=palette.TASKS[number], linewidth=2)
        axes.plot(p, a, "*", color=palette.TASKS[number], markersize=12)
    trail = run.theta[: frame.outer + 1]
    axes.plot(trail[:, 1], trail[:, 0], ".-", color=ink, linewidth=1.5)
    axes.plot(trail[-1, 1], trail[-1, 0], "o", color=ink, markersize=8)
    axes.set(title="Parameter space", xlabel="phase p (radians)", ylabel="amplitude a (units of y)")
    axes.set(xlim=loops.PHASES, ylim=loops.AMPLITUDES)
