"""Task families: one file each. A family has `sample(n_tasks, rng) -> Task`."""

from mlcourse.tasks.sinusoids import Sinusoids, Waves, five_points
from mlcourse.tasks.task import Examples, Task, TaskFamily, each, one, stack

__all__ = ["Examples", "Sinusoids", "Task", "TaskFamily", "Waves", "each", "five_points", "one", "stack"]
