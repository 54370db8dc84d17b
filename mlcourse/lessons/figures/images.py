"""Pictures of few-shot images: episodes, and how classes are split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from mlcourse.arguments import require_choice, require_task
from mlcourse.lessons import palette
from mlcourse.lessons.figures.language import INK, LINE, WIDTH, canvas, numbers, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


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
        _require_images(f"episode.{role}.x", numbers(part.x))
    labels = numbers(episode.support.y)
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
            images = numbers(part.x)[numbers(part.y) == label][:at_most]
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
        for i, image in enumerate(numbers((images or {}).get(name, []))[:6]):
            inset = axes.inset_axes((0.46 + 0.09 * i, top + 0.06, 0.085, 0.94 - top))
            inset.imshow(image, vmin=0, vmax=1)
            inset.set_axis_off()
    return figure
