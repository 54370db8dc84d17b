"""What makes notebooks lessons: checks, widgets, figures, tables, a reader's own work.

The package below knows nothing of it.
"""

from mlcourse.lessons.work import note, passport, yours

__all__ = ["note", "passport", "yours"]
