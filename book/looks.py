"""How the book looks: the course's palette as the theme's variables, and the picture for links to the book."""

from __future__ import annotations

from matplotlib.figure import Figure

from mlcourse import weights
from mlcourse.lessons import figures, palette
from mlcourse.lessons.widgets import base
from mlcourse.reference import losses, maml, networks
from mlcourse.tasks import five_points


def colours() -> str:
    """CSS for light pages, dark pages, and pages where no script chooses: those follow the system."""
    light, dark = variables(palette.LIGHT), variables(palette.DARK)
    return (
        "/* Made by book/build.py from mlcourse/lessons/palette.py. */\n"
        f'html[data-theme="light"], html[data-theme="auto"] {{{light}}}\n'
        f'html[data-theme="dark"] {{{dark}}}\n'
        f'@media (prefers-color-scheme: dark) {{ html[data-theme="auto"] {{{dark}}} }}\n'
    )


def variables(theme: dict[str, str]) -> str:
    """What the theme takes from `palette.LIGHT` or `palette.DARK`; its other colours are mixed from these."""
    ink, quiet, line, paper, accent = (theme[name] for name in ("ink", "quiet", "line", "paper", "accent"))
    raised = mixed(ink, paper, 0.06)
    values = {
        "primary": accent, "primary-text": paper, "link": accent, "link-higher-contrast": accent,
        "link-hover": ink, "heading": ink, "text-base": ink, "text-muted": quiet, "muted": quiet,
        "inline-code": ink, "border": line, "background": paper, "on-background": paper, "surface": raised,
        "on-surface": ink, "table": ink, "table-inner-border": line, "table-outer-border": line,
    }  # fmt: skip
    scheme = "light" if theme is palette.LIGHT else "dark"
    return f" color-scheme: {scheme}; " + "".join(f"--pst-color-{name}: {c}; " for name, c in values.items())


def mixed(one: str, other: str, share: float) -> str:
    """`share` of the colour `one` in the colour `other`; all are #rrggbb."""
    pairs = zip(bytes.fromhex(one[1:]), bytes.fromhex(other[1:]), strict=True)
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in pairs)


def social_image(line: str) -> bytes:
    """A PNG of 1200 × 630: what one step on five points makes of MAML's start, with the shipped weights.

    line: the last line of words on it.
    """
    task, _ = five_points()
    network = networks.mlp((1, 40, 40, 1))
    theta = weights.load("sinusoid_maml")
    phi = maml.adapt(losses.squared_error(network), theta, task.support, inner_lr=0.01, inner_steps=1)
    ink, quiet, accent, paper = (palette.DARK[name] for name in ("ink", "quiet", "accent", "paper"))
    grid, truth = task.query
    with figures.style():
        figure = Figure(figsize=(12, 6.3), dpi=100, layout="none", facecolor=paper)
        axes = figure.add_axes((0.53, 0.12, 0.44, 0.76))
        axes.plot(grid, truth, color=quiet, linewidth=9, alpha=0.35)
        axes.plot(grid, network.apply(theta, grid), "--", color=palette.OKABE_ITO["orange"], linewidth=3.5)
        axes.plot(grid, network.apply(phi, grid), color=accent, linewidth=5)
        axes.scatter(*task.support, s=220, color=ink, edgecolors=paper, linewidths=2, zorder=3)
        axes.set_axis_off()
        promise = "Five points it has never seen,\none step of learning."
        figure.text(0.06, 0.6, "Meta-learning,\nbuilt by hand", color=ink, size=44, weight="bold", linespacing=1.2)
        figure.text(0.06, 0.34, promise, color=ink, size=25, linespacing=1.4)
        figure.text(0.06, 0.14, line, color=quiet, size=18)
        return base.to_png(figure)
