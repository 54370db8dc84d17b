"""The course's pictures and tables, in one visual language.

Every function returns a matplotlib Figure and leaves matplotlib's global state alone; end a cell with
`show(figure, alt="…")`. Things are named at the place where they are, colours come from `palette`, no
meaning hangs on colour alone, and everything is drawn 4.8 inches wide, so that it can be read on a phone.
For a picture that is not here, begin with `figure, axes = canvas()` inside `with style():`.
"""

from mlcourse.lessons.figures.curves import adaptation_curves, fits, learning_curves, sine_tasks
from mlcourse.lessons.figures.images import class_split, episode_grid
from mlcourse.lessons.figures.language import (
    INK,
    LINE,
    QUIET,
    TRUTH,
    WIDTH,
    canvas,
    look,
    name_ends,
    readable,
    style,
)
from mlcourse.lessons.figures.scores import distribution, intervals, timings
from mlcourse.lessons.figures.showing import picture, png, show
from mlcourse.lessons.figures.space import loss_surface
from mlcourse.lessons.tables import table

__all__ = [
    "INK", "LINE", "QUIET", "TRUTH", "WIDTH", "adaptation_curves", "canvas", "class_split", "distribution",
    "episode_grid",
    "fits", "intervals", "learning_curves", "look", "loss_surface", "name_ends", "picture", "png", "readable",
    "show", "sine_tasks", "style", "table", "timings",
]  # fmt: skip
