"""Pictures of functions and of learning: tasks, fits, learning and adaptation curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from mlcourse.arguments import require_count, require_tasks
from mlcourse.lessons import palette
from mlcourse.lessons.figures.language import (
    INK,
    QUIET,
    TRUTH,
    canvas,
    finite,
    look,
    mean_and_half,
    name_ends,
    numbers,
    plain_log,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@style()
def sine_tasks(tasks: Any, truth: Callable[[np.ndarray], np.ndarray] | None = None) -> Figure:
    """Draw regression tasks side by side: support filled, query hollow, the true function in grey.

    Args:
        tasks: a batch of tasks, x and y (T, S, 1) and (T, Q, 1).
        truth: from x (G, 1) to y (T, G, 1), e.g. the `Waves` behind the tasks.
    """
    require_tasks("tasks", tasks, "either")
    for role, part in zip(("support", "query"), tasks, strict=True):
        for axis, array in zip("xy", part, strict=True):
            if array.ndim != 3:
                raise ValueError(
                    f"tasks.{role}.{axis} has shape {tuple(array.shape)}; give a batch of tasks, (T, n, 1): of a "
                    "single task, mlcourse.tasks.stack([task])"
                )
    n_tasks = len(tasks.support.x)
    rows = -(-n_tasks // 2)
    figure, axes = canvas(
        rows, min(2, n_tasks), height=1.75 * rows + 0.35, sharex=True, sharey=True, squeeze=False
    )
    grid = np.linspace(-5, 5, 201)
    curves = None if truth is None else numbers(truth(grid[:, None]))[..., 0]
    if curves is not None and len(curves) != n_tasks:
        raise ValueError(
            f"truth gives {len(curves)} curves, and tasks has {n_tasks}; give the truth of these tasks"
        )
    for i, panel in enumerate(axes.flat):
        if i >= n_tasks:
            panel.set_axis_off()
            continue
        if curves is not None:
            panel.plot(grid, curves[i], color=TRUTH, linewidth=3)
        _points(panel, tasks.support.x[i], tasks.support.y[i], "support", palette.TASKS[i % 5])
        _points(panel, tasks.query.x[i], tasks.query.y[i], "query", palette.TASKS[i % 5])
        panel.set_title(f"task {i + 1}")
    figure.supxlabel("x", fontsize=9.5)
    figure.supylabel("y", fontsize=9.5)
    axes.flat[0].set(xlim=(-5.3, 5.3), xticks=[-5, 0, 5])
    _legend(figure, axes.flat[0])
    return figure


def _legend(figure: Figure, axes: Axes) -> None:
    """Say once, above the axes at the right, what filled and hollow dots are."""
    dots = [dot for dot in axes.collections if dot.get_label() in ("support", "query")]
    figure.legend(handles=dots, loc="outside upper right", ncols=2, fontsize=8.5, handletextpad=0, borderpad=0)


def _points(axes: Axes, x: Any, y: Any, role: str, colour: str = INK) -> None:
    """Draw examples: support as filled dots, query as hollow ones."""
    fill = colour if role == "support" else "white"
    size = 30 if role == "support" else 22
    axes.scatter(
        numbers(x), numbers(y), s=size, color=fill, edgecolors=colour, linewidths=1.2, zorder=4, label=role
    )


@style()
def fits(
    curves: Mapping[str, Any],
    *,
    grid: Any,
    support: Any = None,
    query: Any = None,
    truth: Any = None,
    title: str = "",
    xlabel: str = "x",
    ylabel: str = "y",
) -> Figure:
    """Draw what models predict on one task: named curves over its points, the true function in grey.

    Args:
        curves: name -> predictions (G,) or (G, 1), e.g. {"before": ..., "after 1 step": ...}.
        grid: the inputs of the curves, (G,) or (G, 1).
        support, query: `Examples` of the task, drawn filled and hollow.
        truth: the true values on the grid, (G,) or (G, 1).
    """
    figure, axes = canvas()
    grid, ends, others = numbers(grid).ravel(), [], cycle(palette.TASKS)
    if truth is not None:
        axes.plot(grid, numbers(truth).ravel(), color=TRUTH, linewidth=4)
        ends.append((grid[-1], numbers(truth).ravel()[-1], "true", QUIET))
    for name, values in curves.items():
        colour, line = look(name, others)
        axes.plot(grid, numbers(values).ravel(), color=colour, linestyle=line)
        ends.append((grid[-1], numbers(values).ravel()[-1], name, colour))
    for role, points in (("support", support), ("query", query)):
        if points is not None:
            _points(axes, points.x, points.y, role)
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    if query is not None:
        _legend(figure, axes)
    name_ends(axes, ends)
    return figure


@style()
def learning_curves(
    curves: Mapping[str, Any],
    *,
    xlabel: str = "meta-step",
    ylabel: str = "query loss (mean squared error)",
    smooth: int = 1,
    log: bool = True,
    title: str = "",
) -> Figure:
    """Draw the losses of training runs against their steps.

    Args:
        curves: name -> losses (n,), or (steps (n,), losses (n,)).
        smooth: how many neighbouring values the strong line averages; the values themselves stay faintly behind.
        log: a logarithmic loss axis.
    """
    require_count("smooth", smooth)
    figure, axes = canvas()
    others, ends = cycle(palette.TASKS), []
    for name, values in curves.items():
        steps, losses = values if isinstance(values, tuple) else (np.arange(len(values)), values)
        steps, losses = numbers(steps), numbers(losses)
        if losses.ndim != 1 or losses.shape != steps.shape or smooth > len(losses):
            raise ValueError(
                f"curves[{name!r}] has losses of shape {losses.shape} and steps of {steps.shape}; give losses "
                f"(n,), or a tuple of steps (n,) and losses (n,), with n at least {smooth}, as smooth is {smooth}"
            )
        colour, line = look(name, others)
        if smooth > 1:
            axes.plot(steps, losses, color=colour, alpha=0.25, linewidth=0.7)
            losses = np.convolve(losses, np.full(smooth, 1 / smooth), mode="valid")
            steps = steps[smooth // 2 : smooth // 2 + len(losses)]
        axes.plot(steps, losses, color=colour, linestyle=line)
        ends.append((steps[-1], losses[-1], name, colour))
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel, yscale="log" if log else "linear")
    if log:
        plain_log(axes.yaxis)
    name_ends(axes, ends)
    return figure


@style()
def adaptation_curves(
    curves: Mapping[str, Any],
    *,
    xlabel: str = "inner step",
    ylabel: str = "query loss (mean squared error)",
    target: float | None = None,
    log: bool = False,
    title: str = "",
) -> Figure:
    """Draw how a score moves with each inner step: the mean over tasks and its 95 % interval, by method.

    Args:
        curves: name -> scores of each task (n_tasks, inner_steps + 1), or (mean, half-width of the interval), each
            (inner_steps + 1,).
        target: a score to reach, drawn as a horizontal line.
    """
    figure, axes = canvas()
    others, ends = cycle(palette.TASKS), []
    for name, values in curves.items():
        mean, half = _band(f"curves[{name!r}]", values)
        colour, line = look(name, others)
        steps = np.arange(len(mean))
        axes.fill_between(steps, mean - half, mean + half, color=colour, alpha=0.22, linewidth=0)
        axes.plot(steps, mean, color=colour, linestyle=line, marker="o" if len(steps) < 15 else "", markersize=4)
        ends.append((steps[-1], mean[-1], name, colour))
    if target is not None:
        axes.axhline(target, color=QUIET, linewidth=0.9, linestyle=(0, (2, 2)))
        axes.annotate("target", (0, target), xytext=(0, 3), textcoords="offset points", fontsize=8.5, color=QUIET)
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel, yscale="log" if log else "linear")
    axes.xaxis.get_major_locator().set_params(integer=True)
    if log:
        plain_log(axes.yaxis)
    name_ends(axes, ends)
    return figure


def _band(name: str, values: Any) -> tuple[np.ndarray, np.ndarray]:
    """The mean and half-width, each (n,), that are given, or those of each task's scores, (n_tasks, n)."""
    if isinstance(values, list) and len(values) == 2:  # two tasks, or a mean and its half-width?
        raise ValueError(
            f"{name} is a list of two; give a tuple (mean, half-width), or an array (2, n) of two tasks' scores"
        )
    if not isinstance(values, tuple):
        scores = finite(name, values)
        if scores.ndim != 2 or len(scores) < 2:
            raise ValueError(f"{name} has shape {scores.shape}; give scores (n_tasks, n) of at least two tasks")
        return mean_and_half(scores)
    shapes = [np.shape(numbers(part)) for part in values]
    if len(values) != 2 or len(shapes[0]) != 1 or shapes[0] != shapes[1]:
        raise ValueError(f"{name} is a tuple of shapes {shapes}; give (mean, half-width), both (n,)")
    mean, half = (finite(name, part) for part in values)
    return mean, half
