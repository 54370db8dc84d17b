"""The visual language of all figures: sizes, colours, line styles, names at the ends of curves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from mlcourse.lessons import palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
    "exact answer": (TRUTH, "--"),
}


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


def numbers(values: Any) -> np.ndarray:
    """Return a NumPy array; a torch tensor is taken off its graph and device first."""
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)


def finite(name: str, values: Any) -> np.ndarray:
    """Return a NumPy array, or refuse numbers without which a mean or a contour would quietly vanish."""
    values = numbers(values)
    lost = int(np.sum(~np.isfinite(values)))
    if lost:
        raise ValueError(
            f"{name} holds {lost} of {values.size} numbers that are not finite (NaN or infinity); leave those "
            "out, and say so beside the figure"
        )
    return values


def plain_log(axis: Any) -> None:
    """Label a logarithmic axis in plain numbers, at 1, 2 and 5 of each power of ten where there is room."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = sorted(axis.get_view_interval())
    parts = (1.0, 2.0, 5.0) if high < 300 * low else (1.0,)
    axis.set_major_locator(LogLocator(subs=parts, numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


def mean_and_half(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over tasks, (n_tasks, n) -> (n,), and the half-width of its 95 % interval (normal approximation)."""
    return scores.mean(axis=0), 1.96 * scores.std(axis=0, ddof=1) / np.sqrt(len(scores))
