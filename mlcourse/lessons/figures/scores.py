"""Pictures of results: intervals, timings, distributions over tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from mlcourse.arguments import require_choice
from mlcourse.lessons import palette
from mlcourse.lessons.figures.language import (
    INK,
    LINE,
    QUIET,
    TRUTH,
    canvas,
    finite,
    look,
    mean_and_half,
    plain_log,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@style()
def intervals(
    rows: Sequence[tuple[str, float, float]],
    *,
    xlabel: str,
    digits: int = 2,
    reference: Mapping[str, float] | None = None,
    title: str = "",
) -> Figure:
    """Draw scores as dots with their 95 % intervals, one method a row.

    Args:
        rows: (name, mean, half-width of the 95 % interval).
        xlabel: what is measured, with its unit.
        digits: decimals of the figures written beside the dots.
        reference: name -> value drawn as a vertical line, e.g. {"published": 0.67} or {"chance": 20}.
    """
    figure, axes = canvas(height=0.34 * len(rows) + 0.85)
    for place, (name, mean, half) in enumerate(rows):
        colour, _ = look(name, cycle([QUIET]))
        axes.plot([mean - half, mean + half], [place, place], color=colour, linewidth=5, alpha=0.35)
        axes.plot(mean, place, "o", color=colour, markersize=6)
        _beside(axes, place, f"{mean:.{digits}f} ± {half:.{digits}f}")
    _name_rows(axes, [row[0] for row in rows])
    for name, value in (reference or {}).items():
        axes.axvline(value, color=QUIET, linewidth=1, linestyle=(0, (3, 2)), zorder=0)
        axes.annotate(name, (value, 1), xycoords=("data", "axes fraction"), ha="center", va="bottom", fontsize=8.5)
    axes.set_title(title, pad=18 if reference else 6)
    axes.set_xlabel(xlabel)
    axes.grid(axis="x", color=LINE, linewidth=0.5)
    return figure


def _beside(axes: Axes, height: float, text: str) -> None:
    """Write to the right of the axes, at a height in data coordinates."""
    axes.annotate(
        text, (1, height), xycoords=("axes fraction", "data"), xytext=(6, 0), textcoords="offset points",
        va="center", fontsize=9, annotation_clip=False,
    )  # fmt: skip


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Name the rows of a dot plot at its left, from the top down."""
    axes.set_yticks(range(len(names)), names, color=INK, fontsize=9.5)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


@style()
def timings(
    rows: Sequence[tuple[str, float]], *, xlabel: str = "milliseconds (log scale)", against: str | None = None
) -> Figure:
    """Draw medians of times as dots on a logarithmic axis, the time and the speed-up written beside them.

    Args:
        rows: (name, time in the unit of `xlabel`).
        against: the name of the row that the others are compared with: how many times faster they are.
    """
    times = dict(rows)
    if not times or not all(0 < time < np.inf for time in times.values()):
        raise ValueError(f"rows has the times {list(times.values())}; give one or more, finite and above zero")
    if len(times) < len(rows):
        names = [name for name, _ in rows]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"rows has {twice!r} {names.count(twice)} times; give each row a name of its own")
    if against:
        require_choice("against", against, times)
    figure, axes = canvas(height=0.34 * len(rows) + (1.0 if against else 0.75))
    least, most = min(times.values()) / 2, max(times.values()) * 1.6
    for place, (name, time) in enumerate(rows):
        colour, _ = look(name, cycle([palette.TASKS[0]]))
        axes.plot([least, time], [place, place], color=LINE, linewidth=1.2, zorder=1)
        axes.plot(time, place, "o", color=colour, markersize=7)
        _beside(axes, place, f"{time:.3g}" + (f"   {times[against] / time:.3g}×" if against else ""))
    if against:
        axes.set_title(f"at the right: the time, and × faster than {against}", fontsize=8.5, color=QUIET)
    _name_rows(axes, list(times))
    axes.set(xlabel=xlabel, xscale="log", xlim=(least, most))
    plain_log(axes.xaxis)
    return figure


@style()
def distribution(scores: Any, *, xlabel: str, title: str = "") -> Figure:
    """Draw the scores of single tasks as a histogram, their mean, its 95 % interval and their spread.

    Args:
        scores: (n_tasks,), one score for each task.
        xlabel: what is measured, with its unit.
    """
    figure, axes = canvas()
    scores = finite("scores", scores)
    if scores.ndim != 1 or len(scores) < 2:
        raise ValueError(f"scores has shape {scores.shape}; give (n_tasks,), of at least two tasks")
    mean, half = mean_and_half(scores)
    bins = min(40, max(8, len(scores) // 15), len(np.unique(scores)))  # accuracies have few values: no gaps
    axes.hist(scores, bins=bins, color=TRUTH, edgecolor="white", linewidth=0.4)
    top = axes.get_ylim()[1]
    for height, reach, name in (
        (1.1, scores.std(ddof=1), "mean ± one standard deviation of the tasks"),
        (1.3, half, "mean and its 95 % interval"),
    ):
        height *= top
        axes.plot([mean - reach, mean + reach], [height, height], color=palette.TASKS[0], linewidth=4)
        axes.plot(mean, height, "o", color=INK, markersize=4)
        axes.annotate(
            name, (mean + reach, height), xytext=(6, 0), textcoords="offset points", va="center", fontsize=8.5
        )
    axes.set_yticks([tick for tick in axes.get_yticks() if tick <= top])
    axes.set(title=title, xlabel=xlabel, ylabel="tasks")
    return figure
