"""The course's pictures and tables, in one visual language.

Every function returns a matplotlib Figure and leaves matplotlib's global state alone; end a cell with
`show(figure, alt="…")`. Things are named at the place where they are, colours come from `mlcourse.palette`, no
meaning hangs on colour alone, and everything is drawn 4.8 inches wide, so that it can be read on a phone.
For a picture that is not here, begin with `figure, axes = canvas()` inside `with style():`.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from mlcourse import palette
from mlcourse.arguments import require_choice, require_count, require_task, require_tasks
from mlcourse.tables import table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "adaptation_curves", "canvas", "class_split", "distribution", "episode_grid", "fits", "intervals",
    "learning_curves", "look", "loss_surface", "name_ends", "show", "sine_tasks", "style", "table", "timings",
]  # fmt: skip

WIDTH = 4.8  # inches; shown 600 px wide where there is room
DPI = 220  # sharp on a phone: 360 px wide at three dots a pixel
INK, QUIET, LINE = (palette.LIGHT[name] for name in ("ink", "quiet", "line"))
TRUTH = "#B4BAC4"  # the true function: wide, grey, behind everything

# What a curve is named -> (colour, line style); other names take the tasks' colours in turn
LOOKS = {
    **palette.METHODS,
    "fomaml": palette.METHODS["first-order"],
    "first-order maml": palette.METHODS["first-order"],
    "protonet": (palette.OKABE_ITO["vermillion"], "-"),
    "pooled": palette.METHODS["joint"],
    "fine-tune": (palette.OKABE_ITO["reddish purple"], "--"),
    "before": (palette.OKABE_ITO["orange"], "--"),
    "after": (palette.OKABE_ITO["blue"], "-"),
    "truth": (TRUTH, "-"),
}


# ---- the language ---------------------------------------------------------------------------------------------


@contextmanager
def style() -> Iterator[None]:
    """Draw in the course's style inside this context, and in the reader's own outside it."""
    import matplotlib

    ours = {
        "figure.dpi": DPI, "font.family": "DejaVu Sans", "font.size": 9.5, "axes.titlesize": 10,
        "axes.titlelocation": "left", "axes.labelsize": 9.5, "axes.edgecolor": QUIET, "axes.labelcolor": INK,
        "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.8, "text.color": INK,
        "xtick.color": QUIET, "ytick.color": QUIET, "xtick.labelsize": 8.5, "ytick.labelsize": 8.5,
        "lines.linewidth": 1.8, "lines.markersize": 5.5, "legend.frameon": False, "axes.unicode_minus": True,
        "figure.constrained_layout.use": True, "axes.axisbelow": True, "image.cmap": "Greys",
    }  # fmt: skip
    with matplotlib.rc_context(ours):
        yield


def canvas(rows: int = 1, columns: int = 1, *, height: float | None = None, **options: Any) -> tuple[Figure, Any]:
    """Return a new figure of the course's width and its axes; `options` go to `Figure.subplots`.

    Args:
        rows, columns: how many axes; at most two columns stay readable on a phone.
        height: in inches; 2.9 for each row by default.
    """
    from matplotlib.figure import Figure  # not pyplot: nothing is registered, so nothing needs closing

    with style():
        figure = Figure(figsize=(WIDTH, height or 2.9 * rows))
        return figure, figure.subplots(rows, columns, **options)


def look(name: str, others: Iterator[str] | None = None) -> tuple[str, str]:
    """Return the colour and line style of a method or a role, e.g. "MAML", "before", "Reptile, 5 steps"."""
    plain = name.lower().strip()
    found = [known for known in LOOKS if plain.startswith(known)]
    if found:
        return LOOKS[max(found, key=len)]
    return (next(others) if others else palette.TASKS[0]), "-"


def readable(colour: str) -> str:
    """Darken a colour until text in it has a contrast of 4.5:1 on white."""
    from matplotlib.colors import to_hex, to_rgb

    rgb = np.array(to_rgb(colour))
    while 1.05 / (_luminance(rgb) + 0.05) < 4.5:
        rgb = rgb * 0.95
    return to_hex(rgb)


def _luminance(rgb: np.ndarray) -> float:
    """Relative luminance of an sRGB colour, as WCAG 2 defines it."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def name_ends(axes: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Write (x, y, name, colour) beside the right ends of curves, moved apart where they would overlap."""
    low, high = axes.get_ylim()
    to_unit = axes.transData + axes.transAxes.inverted()
    places = sorted(
        (to_unit.transform((x, np.clip(y, low, high)))[1], name, colour) for x, y, name, colour in ends
    )
    step = 10 / 72 / (axes.get_figure().get_figheight() * axes.get_position().height * 0.9)  # one line of text
    heights = _apart([place[0] for place in places], step)
    for height, (_, name, colour) in zip(heights, places, strict=True):
        axes.annotate(
            name, (1.0, height), xytext=(4, 0), xycoords="axes fraction", textcoords="offset points",
            color=readable(colour), va="center", fontsize=9, annotation_clip=False,
        )  # fmt: skip


def _apart(heights: Sequence[float], step: float) -> list[float]:
    """Move sorted heights the least possible so that neighbours are at least `step` apart."""
    groups: list[list[float]] = []  # each: heights that touch, set around their common middle
    for height in heights:
        groups.append([height])
        while (
            len(groups) > 1
            and _middle(groups[-1]) - _middle(groups[-2]) < step * (len(groups[-1]) + len(groups[-2])) / 2
        ):
            groups[-2:] = [groups[-2] + groups[-1]]
    return [_middle(group) + step * (i - (len(group) - 1) / 2) for group in groups for i in range(len(group))]


def _middle(group: Sequence[float]) -> float:
    return float(np.mean(group))


def _numbers(values: Any) -> np.ndarray:
    """Return a NumPy array; a torch tensor is taken off its graph and device first."""
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)


def _finite(name: str, values: Any) -> np.ndarray:
    """Return a NumPy array, or refuse numbers without which a mean or a contour would quietly vanish."""
    values = _numbers(values)
    lost = int(np.sum(~np.isfinite(values)))
    if lost:
        raise ValueError(
            f"{name} holds {lost} of {values.size} numbers that are not finite (NaN or infinity); leave those "
            "out, and say so beside the figure"
        )
    return values


# ---- showing --------------------------------------------------------------------------------------------------


class Picture:
    """A figure as a notebook stores it: an image that needs no script, with words for who cannot see it."""

    def __init__(self, png: bytes, alt: str, width: int):
        self.png, self.alt, self.width = png, alt, width

    def __repr__(self) -> str:
        return f"Figure: {self.alt}"

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.png).decode("ascii")
        return (
            f'<img alt="{html.escape(self.alt)}" width="{self.width}" src="data:image/png;base64,{data}" '
            'style="max-width: 100%; height: auto; background: #fff; border-radius: 6px">'
        )


def show(figure: Figure, alt: str) -> None:
    """Display a figure with words that say what is to be seen in it.

    Args:
        figure: any matplotlib Figure.
        alt: what it shows, in one or two sentences, for readers who cannot see it.

    Raises:
        ValueError: if `alt` says nothing.
    """
    from IPython.display import display

    display(picture(figure, alt))


def picture(figure: Figure, alt: str) -> Picture:
    """Return a figure as a notebook stores it; `show` says what goes in."""
    if not isinstance(alt, str) or not alt.strip():
        said = "empty" if isinstance(alt, str) else repr(alt)
        raise ValueError(f"alt is {said}; say in a sentence what the figure shows")
    return Picture(png(figure), alt, round(figure.get_figwidth() * 125))


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG of at most 256 colours: the same bytes each time, small enough for a notebook."""
    from PIL import Image

    raw, small = io.BytesIO(), io.BytesIO()
    with style():
        figure.savefig(raw, format="png", dpi=DPI, facecolor="white", bbox_inches="tight", pad_inches=0.06)
    image = (
        Image.open(raw).convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    )
    image.save(small, format="png", optimize=True)
    return small.getvalue()


# ---- functions and curves -------------------------------------------------------------------------------------


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
    curves = None if truth is None else _numbers(truth(grid[:, None]))[..., 0]
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
        _numbers(x), _numbers(y), s=size, color=fill, edgecolors=colour, linewidths=1.2, zorder=4, label=role
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
    grid, ends, others = _numbers(grid).ravel(), [], cycle(palette.TASKS)
    if truth is not None:
        axes.plot(grid, _numbers(truth).ravel(), color=TRUTH, linewidth=4)
        ends.append((grid[-1], _numbers(truth).ravel()[-1], "true", QUIET))
    for name, values in curves.items():
        colour, line = look(name, others)
        axes.plot(grid, _numbers(values).ravel(), color=colour, linestyle=line)
        ends.append((grid[-1], _numbers(values).ravel()[-1], name, colour))
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
        steps, losses = _numbers(steps), _numbers(losses)
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
        _plain_log(axes.yaxis)
    name_ends(axes, ends)
    return figure


def _plain_log(axis: Any) -> None:
    """Label a logarithmic axis in plain numbers, at 1, 2 and 5 of each power of ten where there is room."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = sorted(axis.get_view_interval())
    parts = (1.0, 2.0, 5.0) if high < 300 * low else (1.0,)
    axis.set_major_locator(LogLocator(subs=parts, numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


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
        _plain_log(axes.yaxis)
    name_ends(axes, ends)
    return figure


def _band(name: str, values: Any) -> tuple[np.ndarray, np.ndarray]:
    """The mean and half-width, each (n,), that are given, or those of each task's scores, (n_tasks, n)."""
    if isinstance(values, list) and len(values) == 2:  # two tasks, or a mean and its half-width?
        raise ValueError(
            f"{name} is a list of two; give a tuple (mean, half-width), or an array (2, n) of two tasks' scores"
        )
    if not isinstance(values, tuple):
        scores = _finite(name, values)
        if scores.ndim != 2 or len(scores) < 2:
            raise ValueError(f"{name} has shape {scores.shape}; give scores (n_tasks, n) of at least two tasks")
        return _mean_and_half(scores)
    shapes = [np.shape(_numbers(part)) for part in values]
    if len(values) != 2 or len(shapes[0]) != 1 or shapes[0] != shapes[1]:
        raise ValueError(f"{name} is a tuple of shapes {shapes}; give (mean, half-width), both (n,)")
    mean, half = (_finite(name, part) for part in values)
    return mean, half


def _mean_and_half(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over tasks, (n_tasks, n) -> (n,), and the half-width of its 95 % interval (normal approximation)."""
    return scores.mean(axis=0), 1.96 * scores.std(axis=0, ddof=1) / np.sqrt(len(scores))


# ---- parameter space ------------------------------------------------------------------------------------------


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
    first, second = _numbers(first), _numbers(second)
    values = _finite("loss", loss(*np.meshgrid(first, second)) if callable(loss) else loss)
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
        path, (colour, _) = _numbers(path), look(name, others)
        axes.plot(*path.T, color=colour, linewidth=1.4, marker="o", markersize=2.6)
        axes.plot(*path[0], "o", color=colour, markerfacecolor="white", markersize=6)
        if len(path) > 1:
            _arrow(axes, path[-2], path[-1], colour)
        _tag(axes, name, path[-1], colour, aside=path[-1] - path[0])
    for name, (start, step) in (arrows or {}).items():
        start, step, (colour, _) = _numbers(start), _numbers(step), look(name, others)
        _arrow(axes, start, start + step, colour)
        _tag(axes, name, start + step, colour, aside=step)
    for name, point in (points or {}).items():
        axes.plot(*_numbers(point), "o", color=INK, markersize=6, zorder=5)
        _tag(axes, name, _numbers(point), INK, aside=np.array([1.0, 1.0]))
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


# ---- images and classes ---------------------------------------------------------------------------------------


@style()
def episode_grid(episode: Any, *, n_query: int = 3, class_names: Sequence[str] | None = None) -> Figure:
    """Draw an N-way episode: a row for each class, support images left, query images right.

    Args:
        episode: one task; x (n, 1, H, W) in [0, 1] with ink = 1, or in colour (n, 3, H, W); y (n,) class numbers.
        n_query: at most so many query images of each class.
        class_names: instead of "class 0", "class 1" …
    """
    require_task("episode", episode, "either")
    for role, part in zip(("support", "query"), episode, strict=True):
        _require_images(f"episode.{role}.x", _numbers(part.x))
    labels = _numbers(episode.support.y)
    classes, k_shot = np.unique(labels), int(np.max(np.bincount(labels)))
    if class_names is not None and len(class_names) != len(classes):
        raise ValueError(f"class_names has {len(class_names)} names; the episode has {len(classes)} classes")
    columns = k_shot + n_query + 0.4  # a gap between support and query
    cell = min(0.95, (WIDTH - 0.8) / columns)
    figure, axes = canvas(height=cell * (len(classes) + 0.5))
    for row, label in enumerate(classes):
        for part, at_most, left, colour in (
            (episode.support, k_shot, 0.0, INK),
            (episode.query, n_query, k_shot + 0.4, LINE),
        ):
            images = _numbers(part.x)[_numbers(part.y) == label][:at_most]
            for i, image in enumerate(np.moveaxis(images, 1, -1)):  # the channels last, as for every picture
                _framed(axes, image, left + i, row, colour)
        name = f"class {label}" if class_names is None else class_names[row]
        axes.text(-0.1, row + 0.46, name, ha="right", va="center")
    axes.text(0, -0.12, "support" if k_shot == 1 else f"support: {k_shot} each")
    axes.text(k_shot + 0.4, -0.12, "query")
    axes.set(xlim=(0, columns), ylim=(len(classes), -0.1), aspect="equal")
    axes.set_axis_off()
    return figure


def _require_images(name: str, x: np.ndarray) -> None:
    """Refuse what is not drawn as it is: above 1 all is full ink."""
    if x.ndim != 4 or x.shape[1] not in (1, 3):
        raise ValueError(f"{name} has shape {x.shape}; give images (n, 1, H, W), or in colour (n, 3, H, W)")
    if not (x.min() >= -1e-6 and x.max() <= 1 + 1e-6):  # so written that NaN is refused, too
        fix = "divide by 255" if x.dtype == np.uint8 else "give numbers from 0, paper, to 1, ink"
        raise ValueError(f"{name} goes from {x.min():g} to {x.max():g}; {fix}")


def _framed(axes: Axes, image: np.ndarray, left: float, top: float, colour: str) -> None:
    """Draw an image, 0.92 wide and high, with a frame."""
    from matplotlib.patches import Rectangle

    axes.imshow(image, extent=(left, left + 0.92, top + 0.92, top), vmin=0, vmax=1)
    axes.add_patch(Rectangle((left, top), 0.92, 0.92, fill=False, edgecolor=colour, linewidth=1.2))


@style()
def class_split(
    groups: Mapping[str, int], *, images: Mapping[str, Any] | None = None, of: str = "classes"
) -> Figure:
    """Draw how classes are shared out: nobody meets in training what the test is about.

    Args:
        groups: name -> number of classes, e.g. {"meta-train": 1100, "meta-val": 100, "meta-test": 423}.
        images: name -> up to six examples (n, H, W) in [0, 1] with ink = 1.
        of: what is counted.
    """
    for name in images or {}:
        require_choice("a key of images", name, groups)
    figure, rows = canvas(len(groups), 1, height=(0.8 if images else 0.5) * len(groups) + 0.2, squeeze=False)
    largest, top = max(groups.values()), 0.24 if images else 0.4
    for (name, n), axes, colour in zip(groups.items(), rows[:, 0], cycle(palette.TASKS)):  # noqa: B905
        axes.set(xlim=(0, largest), ylim=(0, 1), xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        axes.barh(top / 2, n, top, color=colour)
        axes.text(0, top + 0.08, f"{name}: {n:,} {of}", va="bottom")
        for i, image in enumerate(_numbers((images or {}).get(name, []))[:6]):
            inset = axes.inset_axes((0.46 + 0.09 * i, top + 0.06, 0.085, 0.94 - top))
            inset.imshow(image, vmin=0, vmax=1)
            inset.set_axis_off()
    return figure


# ---- results --------------------------------------------------------------------------------------------------


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
    _plain_log(axes.xaxis)
    return figure


@style()
def distribution(scores: Any, *, xlabel: str, title: str = "") -> Figure:
    """Draw the scores of single tasks as a histogram, their mean, its 95 % interval and their spread.

    Args:
        scores: (n_tasks,), one score for each task.
        xlabel: what is measured, with its unit.
    """
    figure, axes = canvas()
    scores = _finite("scores", scores)
    if scores.ndim != 1 or len(scores) < 2:
        raise ValueError(f"scores has shape {scores.shape}; give (n_tasks,), of at least two tasks")
    mean, half = _mean_and_half(scores)
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
