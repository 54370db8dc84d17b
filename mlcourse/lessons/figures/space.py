"""Pictures of parameter space: a loss, and the steps taken on it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from mlcourse.lessons import palette
from mlcourse.lessons.figures.language import INK, canvas, finite, look, numbers, readable, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@style()
def loss_surface(
    loss: Any,
    first: Any,
    second: Any,
    *,
    trails: Mapping[str, Any] | None = None,
    arrows: Mapping[str, tuple[Any, Any]] | None = None,
    points: Mapping[str, Any] | None = None,
    xlabel: str = "first parameter",
    ylabel: str = "second parameter",
    title: str = "",
) -> Figure:
    """Draw the loss of a two-parameter model as grey contours, with paths on it.

    Args:
        loss: (len(second), len(first)), or a function of two such arrays (as from `np.meshgrid`) that returns it.
        first, second: values of the two parameters.
        trails: name -> (n, 2), parameters after each step; a ring where it begins, an arrow where it ends.
        arrows: name -> (from (2,), step (2,)), e.g. gradients to compare.
        points: name -> (2,), e.g. {"θ": …, "best": …}.
    """
    figure, axes = canvas(height=3.9)
    first, second = numbers(first), numbers(second)
    values = finite("loss", loss(*np.meshgrid(first, second)) if callable(loss) else loss)
    if values.shape != (len(second), len(first)):
        raise ValueError(
            f"loss has shape {values.shape}; give {(len(second), len(first))}, a row for each of second and a "
            "column for each of first"
        )
    levels = np.unique(np.quantile(values, np.linspace(0, 1, 13)))  # a plateau has one level, not several
    if len(levels) < 2:
        raise ValueError(
            f"loss is {levels[0]:g} everywhere, so it has no contours; give other values of first and second"
        )
    shades = [str(shade) for shade in np.linspace(0.99, 0.72, len(levels) - 1)]
    axes.contourf(first, second, values, levels=levels, colors=shades)
    axes.contour(first, second, values, levels=levels, colors="white", linewidths=0.6)
    others = cycle(palette.TASKS)
    for name, path in (trails or {}).items():
        path, (colour, _) = numbers(path), look(name, others)
        axes.plot(*path.T, color=colour, linewidth=1.4, marker="o", markersize=2.6)
        axes.plot(*path[0], "o", color=colour, markerfacecolor="white", markersize=6)
        if len(path) > 1:
            _arrow(axes, path[-2], path[-1], colour)
        _tag(axes, name, path[-1], colour, aside=path[-1] - path[0])
    for name, (start, step) in (arrows or {}).items():
        start, step, (colour, _) = numbers(start), numbers(step), look(name, others)
        _arrow(axes, start, start + step, colour)
        _tag(axes, name, start + step, colour, aside=step)
    for name, point in (points or {}).items():
        axes.plot(*numbers(point), "o", color=INK, markersize=6, zorder=5)
        _tag(axes, name, numbers(point), INK, aside=np.array([1.0, 1.0]))
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel, xlim=first[[0, -1]], ylim=second[[0, -1]])
    return figure


def _arrow(axes: Axes, start: np.ndarray, end: np.ndarray, colour: str) -> None:
    axes.annotate(
        "",
        end,
        start,
        arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 1.8, "shrinkA": 0, "shrinkB": 0},
        zorder=4,
    )


def _tag(axes: Axes, name: str, place: np.ndarray, colour: str, aside: np.ndarray) -> None:
    """Name a point beside it, on the side it came from least, with a white edge that keeps it legible."""
    from matplotlib.patheffects import withStroke

    right, up = aside[0] >= 0, aside[1] >= 0
    axes.annotate(
        name, place, xytext=(6 if right else -6, 6 if up else -6), textcoords="offset points", fontsize=9,
        ha="left" if right else "right", va="bottom" if up else "top", color=readable(colour), zorder=6,
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
    )  # fmt: skip
