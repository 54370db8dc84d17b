"""Problem sets: what their notebooks use, and what builds and grades them (`python -m mlcourse assignment`).

    from mlcourse.assignments import item, own

`item` judges an answer where its test cell stands; `own` draws a student's own data. Each is imported when it is
first named: the command line, which has commands of this package, starts without NumPy.
"""

import importlib
from typing import Any

HOMES = {"item": "items", "own": "variants"}
__all__ = ["item", "own"]


def __getattr__(name: str) -> Any:
    """Import `item` or `own` on first use."""
    if name in HOMES:
        return getattr(importlib.import_module(f"{__name__}.{HOMES[name]}"), name)
    raise AttributeError(f"mlcourse.assignments has no {name!r}: there are {', '.join(HOMES)}")
