"""What a page says in numbers, asserted in a folded cell below it: `with claims(): assert loss < 0.5`.

The tests run these cells, and so does a reader. When one fails there, it is mostly because a cell above was
stopped or changed: so it says that, and which claim it is, without a traceback. `notebooks/source/build.py` wraps
every cell with the tag "claims" in it.
"""

import contextlib
import traceback
from collections.abc import Iterator


class ClaimMissed(AssertionError):
    """What the page says does not hold in this run. JupyterLab shows the words alone."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


@contextlib.contextmanager
def claims() -> Iterator[None]:
    """Turn whatever fails inside into a ClaimMissed that says what it missed and what to do."""
    if not __debug__:
        raise ClaimMissed(
            "Nothing was checked: Python was started with -O or PYTHONOPTIMIZE, which leaves out every `assert`. "
            "Start it without."
        )
    try:
        yield
    except NameError as error:
        raise ClaimMissed(
            f"This page's claims need {error.name!r}, which is not there: a cell above has not run, or was cut "
            "short. Run the cells above to their ends, then this one."
        ) from error
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[1:]  # the first entry is this file
        line = next((frame.line for frame in reversed(where) if frame.line), "")
        raise ClaimMissed(
            f"The page says something that this run does not show: {line or error}. If training above was cut "
            "short, run that cell to its end; if you have changed a cell, the sentences around it are no longer "
            "about it. On an unchanged page it is a fault of the course: please report it."
        ) from error
