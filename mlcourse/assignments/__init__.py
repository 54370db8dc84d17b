"""Problem sets: what their notebooks use, and what builds and grades them (`python -m mlcourse assignment`).

    from mlcourse.assignments import item, own

`item` judges an answer where its test cell stands; `own` draws a student's own data.
"""

from mlcourse.assignments.item import item
from mlcourse.assignments.variants import own

__all__ = ["item", "own"]
